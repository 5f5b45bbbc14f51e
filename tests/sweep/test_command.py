"""`rsgadvise sweep` as users and scripts meet it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run, strict

from rsgadvise.ask.sweep.axes import Axis, Sweep
from rsgadvise.show.formats.markdown import as_markdown
from rsgadvise.show.report.sweeping import sweep_blocks, sweep_body, sweep_rows

SPEC = """
network: {kind: multilayer, layers: [6, 4, 2], weight_bound: 0.5}
data: {mean: 0.3, mean_square: 0.12}
training: {stepsize: 0.4, batch_size: 8, iterations: 12}
"""
SECTION = """
sweep:
  vary:
    - network.layers[1]=2:8:log3
    - training.keep_prob=0.5,1
  measure: true
  runs: 3
  seed: 5
"""
TOP = ["schema", "axes", "points", "measured", "confidence", "seed", "runs", "notes", "spec"]
POINT = [
    *("values", "kind", "layers", "stepsize", "batch_size", "iterations", "keep_prob", "decay"),
    *("paper_bound", "certified_bound", "largest_gradient", "vacuous", "measured", "notes"),
    "certified_vacuous",
]
MEASURED = ["gradient", "lower", "upper", "runs", "initial_loss", "final_loss", "seconds"]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def packaged(tmp_path: Path) -> Path:
    path = tmp_path / "packaged.yaml"
    path.write_text(SPEC + SECTION)
    return path


def test_the_contract(run: Run, packaged: Path) -> None:
    found = run.document("sweep", packaged, "--jobs", "1", "-q")
    assert list(found) == TOP
    assert found["schema"] == "rsgadvise.sweep/1"
    assert found["axes"] == [
        {"key": "network.layers[1]", "values": [2, 4, 8]},
        {"key": "training.keep_prob", "values": [0.5, 1.0]},
    ]
    assert (found["measured"], found["seed"], found["runs"]) == (True, 5, 3)
    assert found["spec"]["sweep"]["runs"] == 3
    expected = [(n, p) for n in (2, 4, 8) for p in (0.5, 1.0)]
    assert [tuple(point["values"].values()) for point in found["points"]] == expected
    for point in found["points"]:
        assert list(point) == POINT
        assert list(point["measured"]) == MEASURED
        assert point["layers"] == [6, point["values"]["network.layers[1]"], 2]
        assert point["keep_prob"] == point["values"]["training.keep_prob"]
        assert point["stepsize"] == [0.4, 0.4]
        assert point["measured"]["lower"] <= point["measured"]["upper"]


def test_options_stand_above_the_section(run: Run, packaged: Path) -> None:
    found = run.document("sweep", packaged, "--no-measure")
    assert (found["measured"], found["confidence"]) == (False, None)
    assert all(point["measured"] is None for point in found["points"])
    options = ("--runs", "2", "--seed", "1", "--jobs", "1", "-f", "json", "-q")
    found = strict(run("sweep", packaged, "--vary", "training.decay=0,1", *options).out)
    assert [axis["key"] for axis in found["axes"]] == ["training.decay"]
    assert (found["runs"], found["seed"]) == (2, 1)
    assert [point["measured"]["runs"] for point in found["points"]] == [2, 2]
    only = strict(run("sweep", packaged, "--set", "sweep.vary=['data.mean=0.3,0.34']", *options).out)
    assert only["axes"][0]["key"] == "data.mean"


def test_other_commands_leave_the_section_alone(run: Run, spec: Path, packaged: Path) -> None:
    for command in ("recommend", "bound"):
        options = ("--constants", "paper")
        with_section, without = (run(command, path, *options) for path in (packaged, spec))
        assert (with_section.code, with_section.out) == (without.code, without.out)
    packaged.write_text(SPEC + "sweep: {vary: [nonsense]}\n")
    assert run("bound", packaged).code == 0


SECTIONS = {
    "{vary: [nonsense]}": ":6:16: sweep.vary[0]: must be KEY=RANGE; got 'nonsense'",
    "{vary: ['data.mean=0.1,0.5', 'training.x=1,2']}": "sweep.vary[1]: unknown key 'x'",
    "{vary: ['data.mean=0.1,0.5', 'data.mean=0.1,0.2']}": "sweep.vary[0]: each key can vary once",
    "{vary: data.mean=1}": "sweep.vary: must be a list of 1 to 2 ranges KEY=RANGE; got 'data.mean=1'",
    "{vary: [a, b, c]}": "sweep.vary: must be a list of 1 to 2 ranges",
    "{vary: [3]}": "sweep.vary: must be a list of 1 to 2 ranges KEY=RANGE; got 3",
    "{vary: []}": "sweep.vary: must be a list of 1 to 2 ranges",
    "{measure: maybe}": "sweep.measure: must be true or false; got 'maybe'",
    "{runs: 0}": "sweep.runs: must be an integer from 1 to 1e7; got 0",
    "{seed: -1}": "sweep.seed: must be an integer from 0",
    "{varyy: []}": "unknown key 'varyy'; did you mean 'vary'?",
    "{measure: true}": "sweep needs a key to vary; got none; give e.g. --vary",
    "{vary: ['network.layers[1]=0,2']}": "sweep.vary network.layers[1]=0: network.layers[1]: must be",
}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_bad_section_is_one_line_with_its_place(run: Run, tmp_path: Path, section: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"{SPEC.strip()}\n\n\nsweep: {section}\n")
    assert SECTIONS[section] in run.refused("sweep", path)


BAD = {
    "": "sweep needs a key to vary",
    "--vary training.stepsize=0.1:1:3 --vary data.mean=0.5 --vary target.eps=1": "given 2 times; got 3",
    "--vary training.stepsize=0.1:1": "--vary training.stepsize=0.1:1: must be LOW:HIGH:COUNT",
    "--vary network.layer[1]=1,2": "did you mean 'layers'?",
    "--vary network.layers[1]=0:5:2": "network.layers[1]=0: network.layers[1]: must be an integer from 1",
    "--vary network.layers[1]=2.5,3": "must be an integer from 1 to 1e9; got 2.5; round it, for example to 2",
    "--vary training.keep_prob=0.5,1.5": "training.keep_prob=1.5: training.keep_prob: must be a number from",
    "--vary network.layers[3]=1,2": "must be an index from 0 to 2; got index 3",
    "--vary data.mean=0.1,0.5": "mean_square: must be from mean**2 = 0.01 to mean = 0.1; got 0.12; measure",
    "--vary training.initial_loss=1,3": "must be at most 2, the number of outputs",
    "--vary training.stepsize=-1,1": "training.stepsize=-1.0: training.stepsize: must be a number above 0",
    "--vary network.layers=[6,2];[6,4,4,2] --set network.weight_bound=[1,1]": "(--vary network.layers=[6, 2]",
    "--vary data.mean=0.3,0.4 --vary data.mean_square=0.12,0.35": "(--vary data.mean=0.3 and "
    "data.mean_square=0.35)",
    "--vary training.decay=0,1 --runs 3": "--runs is about training; got no --measure",
    "--vary training.decay=0,1 --jobs 3": "--jobs is about training",
    "--vary training.decay=0,1 --confidence 1": "--confidence must be a probability",
    "--vary training.decay=0:1:100 --vary data.mean=0.35:0.6:101": "at most 10,000 points; got 10,100",
}


@pytest.mark.parametrize("options", BAD)
def test_bad_usage_is_one_line(run: Run, spec: Path, options: str) -> None:
    assert BAD[options] in run.refused("sweep", spec, *options.split())


def test_whole_numbers_that_coincide_are_told(run: Run, spec: Path) -> None:
    found = run.document("sweep", spec, "--vary", "network.layers[1]=2:4:9")
    assert found["axes"][0]["values"] == [2, 3, 4]
    assert found["notes"][0] == (
        "network.layers[1]: 3 distinct whole numbers of the 9 asked for, after rounding."
    )


def test_csv_has_one_row_for_each_point(run: Run, packaged: Path) -> None:
    plain = list(csv.DictReader(io.StringIO(run("sweep", packaged, "--no-measure", "-f", "csv").out)))
    rows = list(csv.DictReader(io.StringIO(run("sweep", packaged, "--jobs", "1", "-q", "-f", "csv").out)))
    assert len(plain) == len(rows) == 6
    assert list(rows[0])[:2] == ["network.layers[1]", "training.keep_prob"]
    assert {row["layers"] for row in rows} == {"6;2;2", "6;4;2", "6;8;2"}
    assert all(float(row["measured.gradient"]) > 0 for row in rows)
    assert not any(name.startswith("measured") for name in plain[0])
    assert [row["paper_bound"] for row in rows] == [row["paper_bound"] for row in plain]
    outside = run("sweep", packaged, "--vary", "training.stepsize=0.4,1e3", "--no-measure", "-f", "csv").out
    first, second = csv.DictReader(io.StringIO(outside))
    assert (first["paper_bound"] != "", second["paper_bound"]) == (True, "")


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_has_rows(run: Run, packaged: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = run("sweep", packaged, "--jobs", "1", "-q").out
    assert max(map(len, shown.splitlines())) <= width
    result = run("sweep", packaged, "--jobs", "1")
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0] == "Sweep of network.layers[1] and training.keep_prob"
    assert sum(line.split()[:2] == ["2", "0.5"] for line in lines) >= 1
    told = [line for line in result.err.splitlines() if line.startswith("done: ")]
    assert len(told) == 6
    assert told[0].startswith("done: 1 of 6: layers[1]=2, keep_prob=0.5: paper bound ")
    markdown = run("sweep", packaged, "--no-measure", "-f", "markdown").out
    assert markdown.startswith("## Sweep of network.layers[1] and training.keep_prob")


def test_depth_is_shown_as_text(run: Run, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = ",".join(["100"] * 30)
    vary = ("--vary", f"network.layers=[6,4,2];[6,{deep},2]")
    assert " 6-4-2 " in run("sweep", spec, *vary).out
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("sweep", spec, *vary).out
    assert max(map(len, shown.splitlines())) <= 80
    assert "".join(shown.split()).count("100-") >= 30


def test_an_interruption_before_the_first_point_still_has_an_answer() -> None:
    axis = Axis("network.layers[1]", (2, 4))
    sweep = Sweep(
        (axis,), (), True, 0.99, 0, 3, ("Interrupted after 0 of 2 points; go on.",), interrupted=True
    )
    shown = as_markdown(sweep_blocks(sweep))
    assert "Interrupted after 0 of 2 points" in shown
    assert sweep_body(sweep)["points"] == ()
    assert sweep_rows(sweep) == []


def test_points_where_nothing_is_proven_are_marked(run: Run, config: Callable[[str], Path]) -> None:
    """Too small a stepsize leaves the start as it is, and too large a one proves nothing."""
    arguments = ("sweep", config("mnist_single_layer"), "--vary", "training.stepsize=0.0001,0.2,0.5")
    fixed = ("--set", "training.batch_size=16", "--set", "training.iterations=1000")
    found = run.document(*arguments, *fixed)
    assert [point["certified_vacuous"] for point in found["points"]] == [True, False, True]
    for point in found["points"]:
        assert point["certified_vacuous"] == (point["certified_bound"] == point["largest_gradient"])
    (note,) = [note for note in found["notes"] if "certified" in note]
    assert note.startswith("At 2 of 3 points the certified bound is only the largest gradient possible")
    table = run(*arguments, *fixed).out
    assert len(re.findall(r"[0-9] v(?: +vacuous)? *$", table, flags=re.M)) == 2
    assert "v: vacuous, no better than" in table
    assert "certified_vacuous" in run(*arguments, *fixed, "-f", "csv").out.splitlines()[0]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_every_part_of_a_wide_table_has_a_title(
    run: Run, spec: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    measured = ("--measure", "--runs", "2", "--jobs", "1")
    arguments = ("sweep", spec, "--vary", "network.layers[1]=2,4", *measured)
    shown = run(*arguments).out
    main = shown.split("Mind")[0]
    assert main.count("continued") == {40: 2, 80: 0, 200: 0}[columns]
    assert main.count("Sweep of network.layers[1], continued\n\n") == main.count("continued")
    assert "continued" not in run(*arguments, "-q").out
