"""Cross-entropy, a loss of classes: refused where there are none, and right wherever it is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from rsgadvise import recommend
from rsgadvise.errors import DataError, SpecError

SEEDLINGS = Path("configs/seedlings.csv").resolve()
NETWORK = "network: {kind: multilayer, layers: [5, 8, 3], loss: cross_entropy}"
X = np.random.default_rng(0).random((60, 4))
SPEC = {"network": {"kind": "single_layer", "layers": [4, 3], "loss": "cross_entropy"}}


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("{kind: autoencoder, layers: [5, 3], loss: cross_entropy}", "whose targets are its inputs"),
        ("{kind: single_layer, layers: [5, 1], loss: cross_entropy}", "with a single output"),
    ],
)
def test_a_network_without_classes_is_refused(network: str, why: str, tmp_path: Path, run: Run) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"network: {network}\n")
    found = run("recommend", spec)
    assert found.code == 2
    assert "network.loss: must be a loss that needs no classes" in found.err
    assert why in found.err


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("0.1,0.2,1,0\n0.5,0.6,1,1\n", "sum to 2 in row 1"),
        ("0.1,0.2,1,0\n0.5,0.6,7,1\n", "min-max per column"),
    ],
)
def test_targets_that_are_no_classes_are_refused(rows: str, why: str, tmp_path: Path, run: Run) -> None:
    values = np.array([[float(cell) for cell in row.split(",")] for row in rows.split()])
    np.savez(tmp_path / "a.npz", x=np.tile(values[:, :2], (10, 1)), y=np.tile(values[:, 2:], (10, 1)))
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "network: {kind: single_layer, layers: [2, 2], loss: cross_entropy}\ndata: {file: a.npz}\n"
    )
    found = run("recommend", spec)
    assert found.code == 2
    assert "network.loss: must be one for the targets in" in found.err
    assert why in found.err


def test_arrays_that_are_no_classes_are_refused() -> None:
    with pytest.raises(DataError, match=r"sum to 1 at most .* got 2 in row 0"):
        recommend(SPEC, data=(X, np.tile([1.0, 1.0, 0.0], (60, 1))))
    with pytest.raises(SpecError, match="needs no classes"):
        recommend({"network": {**SPEC["network"], "layers": [4, 1]}})


def test_rows_of_no_known_class_have_no_loss() -> None:
    classes = np.eye(3)[(3 * X[:, 0]).astype(int)]
    half = np.where(np.arange(60)[:, None] % 2, classes, 0)
    found = recommend(SPEC, data=(X, half)).train
    assert found is not None
    assert found.constant_loss is not None
    assert 0.4 < found.constant_loss < 0.6  # ln 3 of every other row


def test_a_race_is_judged_by_it(tmp_path: Path, run: Run) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"{NETWORK}\ndata: {{file: {SEEDLINGS}, target: variety}}\n")
    found = json.loads(run("recommend", spec, "-f", "json").out)
    train = found["train"]
    assert train["constant_loss"] == pytest.approx(1.09, abs=0.01)  # ln 3, but for unequal shares
    assert train["loss"] < 0.5
    assert train["held_out_error"] < 0.2 < train["constant_error"]
    assert found["pilot"]["held_out_loss"] < 0.5
