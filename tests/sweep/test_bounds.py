"""The bounds at each point are those of `rsgadvise bound`, asked point by point."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run

SPECS = {
    "single_layer": "network: {kind: single_layer, layers: [20, 3]}",
    "autoencoder": "network: {kind: autoencoder, layers: [20, 6], weight_bound: 0.1}",
    "multilayer": "network: {kind: multilayer, layers: [20, 6, 3], weight_bound: 0.1}",
}
REST = """
data: {mean: 0.3, mean_square: 0.12, samples: 1000}
training: {stepsize: 0.05, batch_size: 16, iterations: 500}
"""
SAME = ("stepsize", "batch_size", "iterations", "keep_prob", "decay", "largest_gradient", "kind", "layers")


def swept(run: Run, *arguments: str | Path) -> dict[str, Any]:
    result = run("sweep", *arguments, "-f", "json")
    assert (result.code, result.err) == (0, "")
    found: dict[str, Any] = json.loads(result.out)
    return found


def settings(values: dict[str, Any]) -> list[str]:
    return [part for key, value in values.items() for part in ("--set", f"{key}={json.dumps(value)}")]


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize(
    "vary",
    [
        ("training.stepsize=0.001:30:log7",),
        ("network.layers[1]=2:40:log4", "training.batch_size=1,64"),
        ("data.mean=0.2:0.9:3", "training.decay=0,0.3"),
        ("training.initial_loss=0.5,1",),
    ],
    ids=" ".join,
)
def test_bounds_are_those_of_the_bound_command(
    run: Run, tmp_path: Path, kind: str, vary: tuple[str, ...]
) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS[kind] + REST.replace(", mean_square: 0.12", ""))
    found = swept(run, spec, *(part for text in vary for part in ("--vary", text)))
    assert len(found["points"]) == np.prod([len(axis["values"]) for axis in found["axes"]])
    outside = 0
    for point in found["points"]:
        alone = run("bound", spec, *settings(point["values"]), "-f", "json")
        if json.loads(alone.out)["bound"] is None:  # outside the theorem's range
            assert point["paper_bound"] is None
            assert "No paper bound: the stepsize must " in point["notes"][0]
            alone = run("bound", spec, *settings(point["values"]), "-f", "json", "--constants", "certified")
            report = json.loads(alone.out)
            assert point["certified_bound"] == report["bound"]
            assert point["vacuous"] == (report["bound"] >= report["largest_gradient"])
            outside += 1
        else:
            report = json.loads(alone.out)
            assert (point["paper_bound"], point["vacuous"]) == (report["bound"], report["vacuous"])
            assert point["certified_bound"] == report["certified_bound"]
        assert {key: point[key] for key in SAME} == {key: report[key] for key in SAME}
        assert 0 < point["certified_bound"] <= point["largest_gradient"]
    if vary[0].startswith("training.stepsize"):
        assert 0 < outside < len(found["points"])


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("advice", ["paper", "certified"])
def test_what_is_open_is_the_first_rank_of_recommend(
    run: Run, tmp_path: Path, kind: str, advice: str
) -> None:
    spec = tmp_path / "a.yaml"
    text = SPECS[kind] + "\ndata: {mean: 0.3, mean_square: 0.12, samples: 1000}\nbudget: {epochs: 20}\n"
    spec.write_text(text)
    found = swept(run, spec, "--vary", "network.layers[1]=2:40:log3", "--advice", advice)
    assert any("recommend" in note and advice in note for note in found["notes"])
    for point in found["points"]:
        chosen = settings(point["values"])
        best = json.loads(
            run("recommend", spec, *chosen, "--constants", advice, "--top", "1", "-f", "json").out
        )["recommendations"][0]
        for key in ("stepsize", "batch_size", "iterations", "keep_prob", "decay", "certified_bound"):
            assert point[key] == best[key]
        if advice == "paper":
            assert point["paper_bound"] == pytest.approx(best["bound"], rel=1e-12)


def test_no_plan_at_some_points_is_a_gap_there(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS["autoencoder"] + "\ndata: {mean: 0.3}\ntarget: {eps: 0.1, delta: 0.1}\n")
    found = swept(run, spec, "--vary", "target.eps=0.001:5:log2", "--set", "search.batch_size=[16]")
    first, last = found["points"]
    assert run("recommend", spec, "--set", "target.eps=0.001", "--set", "search.batch_size=[16]").code == 1
    assert first["notes"][0].startswith("Nothing to advise: ")
    assert (first["paper_bound"], first["stepsize"], first["batch_size"]) == (None, None, None)
    assert first["certified_bound"] == first["largest_gradient"] > 0
    assert first["vacuous"]
    assert last["paper_bound"] > 0
    assert last["notes"] == []


def test_a_stepsize_that_rules_out_all_advice_is_a_gap(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS["single_layer"] + "\ndata: {mean: 0.3}\ntraining: {iterations: 100}\n")
    found = swept(run, spec, "--vary", "training.stepsize=0.1,50")
    good, bad = found["points"]
    assert good["paper_bound"] > 0
    assert bad["paper_bound"] is None
    assert bad["notes"][0].startswith("No paper bound: the stepsize must lie in (0, 1.23077)")
    assert (bad["stepsize"], bad["iterations"]) == (50, 100)


def test_a_network_beyond_all_numbers_is_a_gap(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS["multilayer"] + REST)
    deep = ",".join(["1000"] * 60)
    result = run(
        *("sweep", spec, "--vary", f"network.layers=[20,6,3];[20,{deep},3]", "-f", "json"),
        *("--set", "network.weight_bound=1e6"),
    )
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    bad = found["points"][1]
    assert bad["paper_bound"] is None
    assert "constants too large for any number" in bad["notes"][0]
    assert bad["largest_gradient"] is None
    assert "too large for any number" in bad["notes"][-1]
    assert found["points"][0]["certified_bound"] > 0


def test_depth_varies_with_whole_lists(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(SPECS["multilayer"] + REST)
    found = swept(run, spec, "--vary", "network.layers=[20,6,3];[20,6,6,3]")
    assert [point["layers"] for point in found["points"]] == [[20, 6, 3], [20, 6, 6, 3]]
    assert found["points"][1]["values"] == {"network.layers": [20, 6, 6, 3]}
