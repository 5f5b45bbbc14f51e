"""Cross-entropy, a loss of classes: refused where there are none, and right wherever it is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Run, present

from rsgadvise import recommend
from rsgadvise.errors import DataError, SpecError

SEEDLINGS = Path("configs/seedlings.csv").resolve()
NETWORK = "network: {kind: multilayer, layers: [5, 8, 3], loss: cross_entropy}"
STATISTICS = "data: {mean: 0.45, mean_square: 0.22, second_moment: 0.27, top_eigenvalue: 1.2, samples: 150}"
FIXED = "training: {stepsize: 0.3, batch_size: 20, iterations: 2000}"
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
    found = run.refused("recommend", spec)
    assert "network.loss: must be a loss that needs no classes" in found
    assert why in found


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
    found = run.refused("recommend", spec)
    assert "network.loss: must be one for the targets in" in found
    assert why in found


def test_arrays_that_are_no_classes_are_refused() -> None:
    with pytest.raises(DataError, match=r"sum to 1 at most .* got 2 in row 0"):
        recommend(SPEC, data=(X, np.tile([1.0, 1.0, 0.0], (60, 1))))
    with pytest.raises(SpecError, match="needs no classes"):
        recommend({"network": {**SPEC["network"], "layers": [4, 1]}})


def test_rows_of_no_known_class_have_no_loss() -> None:
    classes = np.eye(3)[(3 * X[:, 0]).astype(int)]
    half = np.where(np.arange(60)[:, None] % 2, classes, 0)
    found = present(recommend(SPEC, data=(X, half)).train)
    assert 0.4 < present(found.constant_loss) < 0.6  # ln 3 of every other row


def test_a_race_is_judged_by_it(tmp_path: Path, run: Run) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"{NETWORK}\ndata: {{file: {SEEDLINGS}, target: variety}}\n")
    found = run.document("recommend", spec)
    train = found["train"]
    assert train["constant_loss"] == pytest.approx(1.09, abs=0.01)  # ln 3, but for unequal shares
    assert train["loss"] < 0.5
    assert train["held_out_error"] < 0.2 < train["constant_error"]
    assert found["pilot"]["held_out_loss"] < 0.5


@pytest.mark.parametrize("unit", ["tanh", "softplus"])
def test_explain_and_verify_name_its_largest_loss(unit: str, tmp_path: Path, run: Run) -> None:
    spec = tmp_path / "spec.yaml"
    network = NETWORK.replace("loss:", f"weight_bound: 0.5, activation: {unit}, loss:")
    spec.write_text(f"{network}\n{STATISTICS}\n{FIXED.replace('0.3', '0.01').replace('2000', '50')}\n")
    bound = run.document("bound", spec)
    (largest,) = (each["value"] for each in bound["assumed"] if each["key"] == "training.initial_loss")
    told = run("explain", spec, "-f", "json").out
    assert f"{unit} units, cross-entropy of softmax outputs" in told
    assert "those of a row sum to at most 1" in told
    told = run.words("verify", spec, "--constants", "certified", "--runs", "20")
    assert f"take {largest:g}, assumed as training.initial_loss" in told


def test_without_a_box_a_bound_needs_the_loss_at_the_start(tmp_path: Path, run: Run) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"{NETWORK.replace('multilayer, layers: [5, 8, 3]', 'single_layer, layers: [5, 3]')}\n")
    spec.write_text(f"{spec.read_text()}{STATISTICS}\n{FIXED}\n")
    found = run("bound", spec)
    assert "without a box no loss is the largest" in " ".join(found.out.split())
    assert "is not given, and without a box" in run("explain", spec, "-f", "json").out
    known = run.document("bound", spec, "--set", "training.initial_loss=1.3")
    # (D_f/(N gamma) + U sigma^2 gamma/(2B)) / (1 - U gamma/2), U = 1.2/2 and sigma^2 = 2 * 5 * 0.27.
    expected = (1.3 / 600 + 0.6 * 2.7 * 0.3 / 40) / (1 - 0.09)
    assert known["bound"] == pytest.approx(expected, rel=1e-9)
    late = ("--set", "training.initial_loss=1.3", "--set", "training.stopping=increasing")
    assert run.document("bound", spec, *late)["vacuous"]


def test_a_guarantee_without_hidden_layers_speaks_of_no_sigmoids(tmp_path: Path, run: Run) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"{NETWORK.replace('multilayer, layers: [5, 8, 3]', 'single_layer, layers: [5, 3]')}\n")
    spec.write_text(f"{spec.read_text()}{STATISTICS}\ntraining: {{initial_loss: 1.2}}\n")
    statement = run.document("recommend", spec)["guarantee"]["statement"]
    assert "a 5-3 network without biases, cross-entropy of softmax outputs" in statement
