"""Designs as charts, from documents that `design` itself writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Run

from rsgadvise.errors import DataError
from rsgadvise.show.plot.charts import chart_from

Config = Callable[[str], Path]
# Listed batch sizes: in a range of them each network takes a second.
LISTED = ("--set", "search.batch_size=[262144, 4194304]")
RANGE = ("--widths", "16,64", "--depth", "1:3", "--pipeline", "none", "--top", "14", *LISTED, "-f", "json")
BUDGET = ("--set", "target=null", "--set", "budget.epochs=1000")


_WRITTEN: dict[tuple[str, ...], str] = {}


def written(run: Run, config: Config, *more: str) -> dict[str, Any]:
    """What `design` writes with these options, which is computed once."""
    if more not in _WRITTEN:
        done = run("design", config("mnist_design"), *RANGE, *more)
        assert done.code == 0, done.err
        _WRITTEN[more] = done.out
    found = json.loads(_WRITTEN[more])
    assert isinstance(found, dict)
    return found


def chart(document: dict[str, Any]) -> Any:
    return chart_from(json.dumps(document), "d.json")


@pytest.mark.parametrize("by", ["work", "samples", "iterations", "bound"])
def test_every_rank_is_a_point_of_its_depth(run: Run, config: Config, by: str) -> None:
    asked = {"bound": BUDGET, "work": ()}.get(by, ("--by", by))
    document = written(run, config, *asked)
    found = chart(document)
    panel = found.panels[0]
    rows = document["architectures"]
    assert document["by"] == by
    keys = {"work": "work", "samples": "total_samples", "bound": "bound"}
    drawn = {}
    for series in panel.series:
        if series.group is not None:
            depth = int(found.groups[series.group])
            drawn[depth] = sorted((point.at, point.value, point.hollow) for point in series.points)
            assert series.role == ("chosen" if by == "bound" else "cost")
    for depth in (1, 2, 3):
        wanted = sorted(
            (
                row["weights"],
                float(row["iterations"] * row["runs"] if by == "iterations" else row[keys[by]]),
                row["vacuous"],
            )
            for row in rows
            if row["depth"] == depth
        )
        assert drawn[depth] == wanted
    (best,) = [series for series in panel.series if series.role == "plan"]
    assert [(point.at, point.value) for point in best.points] == [
        (rows[0]["weights"], min(value for points in drawn.values() for _, value, _ in points))
    ]
    assert (panel.across.scale, panel.value.scale) == ("log", "log")
    assert found.group_name == "hidden layers"
    assert "weights" in found.caption[0]
    assert any("Vacuous" in sentence for sentence in found.caption) == any(row["vacuous"] for row in rows)


def test_the_curve_is_a_second_panel_where_there_is_one(run: Run, config: Config) -> None:
    document = written(run, config)
    (costs, curve) = chart(document).panels
    line, own = curve.series
    assert [(point.at, point.value) for point in line.points] == [
        (point["first"], pytest.approx(point["second"])) for point in document["curve"]
    ]
    assert line.joined
    assert [(own.points[0].at, own.points[0].value)] == [tuple(document["curve_layers"][1:3])]
    assert "-".join(map(str, document["curve_layers"])) in curve.title
    assert any(f"{document['curve_bound']:.4g}" in sentence for sentence in chart(document).caption)
    for few in (0, 1):
        assert chart(document | {"curve": document["curve"][:few]}).panels == (costs,)


def test_ranks_that_are_left_out_are_said(run: Run, config: Config) -> None:
    document = written(run, config)
    assert not any("--top" in sentence for sentence in chart(document).caption)
    document["architectures"] = document["architectures"][:4]
    assert chart(document).caption[-1] == "The first 4 of 14 networks; --top shows more."


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"architectures": []}, "architectures: must hold at least one architecture"),
        ({"by": "luck"}, "by: must be one of"),
        ({"curve_layers": [784, 16, 10]}, "curve_layers: must have at least two hidden layers"),
        ({"curve": 3}, "curve: must be a list"),
    ],
)
def test_a_document_with_a_mistake_is_refused_at_its_place(
    run: Run, config: Config, change: dict[str, Any], place: str
) -> None:
    document = written(run, config) | change
    with pytest.raises(DataError, match=place):
        chart(document)


def test_a_design_is_drawn_in_the_terminal(run: Run, config: Config, tmp_path: Path) -> None:
    source = tmp_path / "d.json"
    source.write_text(json.dumps(written(run, config)), encoding="utf-8")
    shown = run("plot", source, "--terminal", "--no-color")
    assert shown.code == 0
    assert "Cost of each ranked network" in shown.out
    assert "★ rank 1" in shown.out
    assert "hidden layers" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 120


def test_a_design_is_drawn_to_a_file(run: Run, config: Config, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `plot`")
    source = tmp_path / "d.json"
    source.write_text(json.dumps(written(run, config)), encoding="utf-8")
    target = tmp_path / "d.svg"
    assert run("plot", source, "-o", target).code == 0
    assert "units of hidden layer 2" in target.read_text(encoding="utf-8")
