"""What training measures at a point is what `verify` measures on the same spec."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from scipy import stats

from rsgadvise.ask.sweep.axes import parse_axis, plan_points
from rsgadvise.ask.sweep.running import Options, SweepState, measure_point, run_sweep
from rsgadvise.ask.verify.cases import Block, build_case, run_block
from rsgadvise.ask.verify.from_spec import chosen_values, setting_from_spec
from rsgadvise.ask.verify.running import LocalRunner
from rsgadvise.errors import HypothesisError
from rsgadvise.spec import load_spec
from rsgadvise.training.sequences import ConfidenceSequence

SPECS = {
    "single_layer": "network: {kind: single_layer, layers: [6, 2]}",
    "autoencoder": "network: {kind: autoencoder, layers: [6, 3], weight_bound: 0.5}",
    "multilayer": "network: {kind: multilayer, layers: [6, 4, 2], weight_bound: 0.5}",
}
REST = """
data: {mean: 0.3, mean_square: 0.12}
training: {stepsize: 0.4, batch_size: 8, iterations: 12}
"""


def swept(run: Run, *arguments: str | Path) -> dict[str, Any]:
    jobs = () if "--jobs" in arguments else ("--jobs", "1")  # starting processes takes longer
    found: dict[str, Any] = run.document("sweep", *arguments, *jobs, "--measure", "-q")
    return found


def timeless(found: dict[str, Any]) -> dict[str, Any]:
    """Everything but the seconds, which no two runs share."""
    for point in found["points"]:
        if point["measured"] is not None:
            assert point["measured"].pop("seconds") > 0
    return found


@pytest.mark.parametrize("kind", SPECS)
def test_a_point_is_what_verify_measures(run: Run, tmp_path: Path, kind: str) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS[kind] + REST)
    second = ("training.keep_prob=0.6,1",) if kind != "single_layer" else ("training.decay=0,0.5",)
    vary = ("--vary", "network.layers[1]=2,5", "--vary", *second)
    found = swept(run, spec, *vary, "--seed", "7", "--interval", "rigorous")
    assert (found["measured"], found["confidence"], found["seed"], found["runs"]) == (True, 0.99, 7, 32)
    for point in found["points"][1:3]:  # each value of both keys
        settings = [part for key, value in point["values"].items() for part in ("--set", f"{key}={value}")]
        options = ("--seed", "7", "--runs", "32", "--jobs", "1", "-q", "-f", "json")
        cases = json.loads(run("verify", spec, *settings, *options).out)["cases"]
        measured = point["measured"]
        for case in cases:
            assert measured["gradient"] == case["measured"]
            assert measured["initial_loss"] == case["initial_loss"]
            assert measured["final_loss"] == case["final_loss"]
            assert measured["runs"] == case["runs"] == 32
            assert measured["lower"] == case["lower"]
            assert measured["upper"] == case["upper"] or case["approximate"]
        assert measured["lower"] < measured["upper"]


def trajectories(spec: Path, runs: int) -> tuple[np.ndarray[Any, Any], float]:
    """Squared gradients along trajectories, from the blocks themselves."""
    loaded = load_spec(spec)
    values, advised = chosen_values(loaded.spec)
    assert not advised
    setting, moments = setting_from_spec(loaded.spec, values, name=loaded.source.file, seed=0)
    case = build_case(setting, seed=0, alpha=0.1, moments=moments)
    return run_block(case.experiment, Block(0, runs, True)).values, case.highest


@pytest.mark.parametrize("runs", [1, 2, 7, 40])
def test_limits_are_those_of_the_textbook(run: Run, tmp_path: Path, runs: int) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS["single_layer"] + REST)
    values, highest = trajectories(spec, runs)
    options = ("--vary", "training.stepsize=0.4", "--runs", str(runs), "--confidence", "0.9")
    measured = swept(run, spec, *options)["points"][0]["measured"]
    assert measured["gradient"] == pytest.approx(values.mean(), rel=1e-12)
    assert measured["runs"] == runs
    if runs == 1:
        assert (measured["lower"], measured["upper"]) == (0, pytest.approx(highest))
    else:
        low, high = stats.t.interval(0.9, runs - 1, values.mean(), stats.sem(values))
        assert measured["lower"] == pytest.approx(max(low, 0), rel=1e-9)
        assert measured["upper"] == pytest.approx(min(high, highest), rel=1e-9)
    sequence = ConfidenceSequence(highest=highest, alpha=0.1)
    sequence.update(values)
    rigorous = swept(run, spec, *options, "--interval", "rigorous")["points"][0]["measured"]
    assert rigorous["lower"] == pytest.approx(sequence.lower, rel=1e-6)
    assert rigorous["upper"] == pytest.approx(min(sequence.upper, highest), rel=1e-6)


def test_the_seed_decides_every_bit_whatever_computes(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS["multilayer"] + REST)
    vary = ("--vary", "network.layers[1]=2,9", "--vary", "training.keep_prob=0.5,1", "--runs", "9")
    first = timeless(swept(run, spec, *vary, "--jobs", "1"))
    assert timeless(swept(run, spec, *vary, "--jobs", "1", "--seed", "1"))["points"] != first["points"]
    assert timeless(swept(run, spec, *vary, "--jobs", "2")) == first


def test_a_point_does_not_depend_on_its_neighbours(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS["multilayer"] + REST)
    both = timeless(swept(run, spec, "--vary", "training.stepsize=0.1,0.4", "--runs", "5"))
    alone = timeless(swept(run, spec, "--vary", "training.stepsize=0.4", "--runs", "5"))
    assert both["points"][1] == alone["points"][0]


def test_a_data_file_is_trained_on_at_every_point(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", x=rng.random((30, 6)), y=np.arange(30) % 2)
    spec = tmp_path / "a.yaml"
    spec.write_text(
        SPECS["single_layer"] + "\ndata: {file: a.npz}\n"
        "training: {stepsize: 0.4, batch_size: 8, iterations: 12}\n"
    )
    found = swept(run, spec, "--vary", "training.stepsize=0.1,0.4")
    case = run.document("verify", spec, "--runs", "32", "--jobs", "1", "-q")["cases"][0]
    assert found["points"][1]["measured"]["gradient"] == case["measured"]
    assert found["points"][1]["paper_bound"] == run.document("bound", spec)["bound"]
    assert "a.npz" in found["notes"][0]
    refused = run("sweep", spec, "--vary", "network.layers[0]=6,7")
    assert refused.code == 2
    assert "must be the number of features of a.npz, 6; got 7" in refused.err
    assert "--vary network.layers[0]=7" in refused.err
    refused = run("sweep", spec, "--vary", "data.mean=0.1,0.2")
    assert refused.code == 2
    assert "measured from data.file" in refused.err


def test_what_cannot_be_trained_is_a_gap(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS["single_layer"] + REST)
    found = swept(run, spec, "--vary", "training.iterations=12,20000000", "--runs", "4")
    good, bad = found["points"]
    assert good["measured"]["runs"] == 4
    assert bad["measured"] is None
    assert bad["notes"][0].startswith("Not measured: training.iterations must be at most 10,000,000")
    assert bad["paper_bound"] > 0
    # Six features of mean 0.3 cannot have every mean square up to 0.3.
    found = swept(run, spec, "--vary", "data.mean_square=0.12,0.299", "--runs", "4")
    assert found["points"][1]["measured"] is None
    assert "data.mean_square must lie between" in found["points"][1]["notes"][0]


def test_a_diverged_point_is_a_gap(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS["single_layer"] + REST)
    found = swept(run, spec, "--vary", "training.stepsize=0.4,1e300", "--runs", "4")
    bad = found["points"][1]
    assert bad["paper_bound"] is None
    assert bad["certified_bound"] > 0
    json.dumps(found, allow_nan=False)


def test_the_library_computes_without_a_command(tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS["single_layer"] + REST)
    loaded = load_spec(spec)
    axes = [parse_axis("training.stepsize=0.1,0.2").axis]
    points = plan_points(loaded, axes, option="vary")
    options = Options(measure=True, runs=4)
    told: list[tuple[int, float, bool]] = []
    found = run_sweep(
        points,
        axes,
        options=options,
        name="a",
        runner=LocalRunner([]),
        progress=lambda state: told.append((state.done, state.share, state.finished is not None)),
    )
    assert [point.measured is not None for point in found.points] == [True, True]
    assert [entry[0] for entry in told if entry[2]] == [1, 2]
    assert [entry[0] for entry in told] == sorted(entry[0] for entry in told)

    def interrupt(state: SweepState) -> None:
        raise KeyboardInterrupt

    ended = run_sweep(points, axes, options=Options(), name="a", progress=interrupt)
    assert ended.notes[-1] == "Interrupted after 1 of 2 points."
    values, _ = chosen_values(points[0].loaded.spec)
    measuring = measure_point(
        points[0].loaded.spec,
        replace(values, iterations=10**9),
        name="a",
        options=options,
        runner=LocalRunner([]),
        data=None,
        statistics=None,
    )
    assert measuring.found is None
    assert issubclass(HypothesisError, ValueError)
