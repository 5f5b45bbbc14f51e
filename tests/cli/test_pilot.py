"""`recommend --constants calibrated` and `--pilot` on a small data file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Run, small_spec, strict

pytestmark = pytest.mark.usefixtures("advised_once")

KINDS = ["single_layer", "autoencoder", "multilayer"]
PILOT = ("--pilot", "0.3", "--constants", "calibrated")


@pytest.mark.parametrize("kind", KINDS)
def test_pilot_json(run: Run, tmp_path: Path, kind: str) -> None:
    result = run("recommend", "--details", small_spec(tmp_path, kind), *PILOT, "-f", "json", "-q")
    assert (result.code, result.err) == (0, "")
    document = strict(result.out)
    assert document["schema"] == "rsgadvise.recommend/1"
    assert {"recommendations", "measured", "pilot", "cost", "interrupted", "spec", "data"} <= set(document)
    assert (document["constants"], document["interrupted"]) == ("calibrated", False)
    assert 0 < document["cost"] <= 0.3
    names = [each["name"] for each in document["measured"]]
    assert names == ["initial_loss", "smoothness", "gradient_variance", "squared_gradient"]
    for each in document["measured"]:
        assert each["value"] > 0
        assert each["standard_error"] >= 0
        assert {"at_start", "stepsize_change", "bound_change"} <= set(each)
    pilot = document["pilot"]
    assert pilot["raced"][0]["outcome"] == "won"
    winner = np.ravel(document["recommendations"][0]["stepsize"]).tolist()
    assert winner == pilot["raced"][0]["stepsizes"]
    assert not any(row["proven"] for row in document["recommendations"])
    assert pilot["held_out_rows"] == 40
    assert (pilot["held_out_error"] is None) == (kind == "autoencoder")
    again = run("recommend", "--details", small_spec(tmp_path, kind), *PILOT, "-f", "json", "-q")
    assert again.out == result.out
    other = run(
        "recommend", "--details", small_spec(tmp_path, kind), *PILOT, "-f", "json", "-q", "--seed", "1"
    )
    assert strict(other.out)["pilot"]["seed"] == 1
    assert strict(other.out)["measured"] != document["measured"]


@pytest.mark.parametrize("kind", KINDS)
def test_calibration_alone(run: Run, tmp_path: Path, kind: str) -> None:
    path = small_spec(tmp_path, kind)
    document = run.document("recommend", "--details", path, "--constants", "calibrated", "-q")
    assert "pilot" not in document
    assert document["objective"] == "smallest loss score, which is no bound"
    assert 0 < document["cost"] <= 0.05
    assert not document["recommendations"][0]["proven"]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (PILOT, "since --pilot trains on it; got none; add it, or leave the pilot out"),
        (
            PILOT[2:],
            "since --constants calibrated measures on it; got none; add it, or use --constants typical or "
            "certified",
        ),
    ],
)
def test_without_data_it_says_where_they_are_named(
    run: Run, tmp_path: Path, options: tuple[str, ...], rule: str
) -> None:
    for section, place in (("", ":1:1"), ("data: {mean: 0.5, samples: 100}\n", ":2:1")):
        path = small_spec(tmp_path, "single_layer", section)
        result = run.refused("recommend", "--details", path, *options)
        assert result == f"error: {path}{place}: data.file: must be given, {rule}\n"


def test_a_file_without_targets(run: Run, tmp_path: Path) -> None:
    assert "single_layer.yaml:2:1: data.target: must be given to train on bare.npy" in run.refused(
        "recommend",
        "--details",
        small_spec(tmp_path, "single_layer", "data: {file: bare.npy}\n"),
        *PILOT,
        "-q",
    )
    tied = run(
        "recommend",
        "--details",
        small_spec(tmp_path, "autoencoder", "data: {file: bare.npy}\n"),
        *PILOT,
        "-q",
    )
    assert tied.code == 0


@pytest.mark.parametrize("value", ["-1", "0.05", "nan", "100.1"])
def test_pilots_outside_their_range(run: Run, tmp_path: Path, value: str) -> None:
    result = run.refused("recommend", "--details", small_spec(tmp_path, "single_layer"), "--pilot", value)
    assert result.startswith("error: --pilot must be 0, or from 0.1 to 100 trainings; got ")


def test_no_pilot_needs_no_data(run: Run, tmp_path: Path) -> None:
    path = small_spec(tmp_path, "single_layer", "data: {mean: 0.5, samples: 100}\n")
    plain = run("recommend", "--details", path, "-f", "json")
    assert plain.code == 0
    assert run("recommend", "--details", path, "-f", "json", "--pilot", "0").out == plain.out
    assert strict(plain.out)["train"]["source"] == "typical"


def test_the_winner_is_what_is_emitted(run: Run, tmp_path: Path) -> None:
    path = small_spec(tmp_path, "multilayer")
    raced = run.document("recommend", "--details", path, *PILOT, "-q")["recommendations"][0]
    plain = run.document("recommend", "--details", path, *PILOT[2:], "-q")["recommendations"][0]
    assert raced["stepsize"] != plain["stepsize"]
    result = run("recommend", "--details", path, *PILOT, "--emit", "torch", "-q")
    assert (result.code, result.err) == (0, "")
    compile(result.out, "emitted", "exec")
    found = re.search(r"^STEPSIZES = \((.*)\)", result.out, re.MULTILINE)
    assert found is not None
    assert [float(text) for text in found[1].split(",") if text.strip()] == raced["stepsize"]
    assert re.search(rf"^BATCH = {raced['batch_size']}\b", result.out, re.MULTILINE)
    assert "ITERATIONS = 4_000" in result.out
