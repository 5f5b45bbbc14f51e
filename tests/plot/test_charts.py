"""What each document but a sweep becomes: hand-made ones, and those that the commands themselves write."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, present
from documents import BATCH, chart, one_axis, plan, series_of

from rsgadvise.errors import DataError
from rsgadvise.show.plot.charts import chart_from
from rsgadvise.show.plot.figure import Point, Series, measured_point

Config = Callable[[str], Path]


def values(series: Series) -> list[tuple[float, float | None, bool]]:
    return [(point.at, point.value, point.hollow) for point in series.points]


def recommended(run: Run, spec: Path, constants: str = "paper") -> dict[str, Any]:
    found = run.document("recommend", spec, "--constants", constants)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("constants", ["paper", "certified"])
@pytest.mark.parametrize("name", ["mnist_single_layer", "mnist_multilayer"])
def test_recommendations_are_stacked_terms_beside_bounds(
    run: Run, config: Config, name: str, constants: str
) -> None:
    document = recommended(run, config(name), constants)
    found = chart(document)
    ((terms, bounds),) = found.rows
    rows = document["recommendations"]
    for bar, row in zip(terms.bars, rows, strict=True):
        assert sum(segment.value for segment in bar.segments) == pytest.approx(row["bound"])
        stacked = {found.parts[segment.part].replace(" ", "_"): segment.value for segment in bar.segments}
        assert stacked == row["terms"]
    assert terms.across == bounds.across
    shown = [(p.value, p.hollow) for p in series_of(bounds, "chosen").points]
    assert shown == [(row["bound"], row["vacuous"]) for row in rows]
    if constants == "paper":
        certified = [p.value for p in series_of(bounds, "certified").points]
        assert certified == [row["certified_bound"] for row in rows]
    limits = [row["largest_gradient"] for row in rows]
    assert limits[0] == document["largest_gradient"]
    if len(set(limits)) == 1:
        assert bounds.levels[0].at == limits[0]
    else:
        assert [p.value for p in series_of(bounds, "limit").points] == limits
        assert not bounds.levels
    assert f"B {rows[0]['batch_size']:,}" in bounds.across.ticks[0].label
    assert (f"ζ {rows[0]['keep_prob']:.3g}" in bounds.across.ticks[0].label) == (rows[0]["keep_prob"] != 1)
    document["recommendations"] = [row | {"bound": None, "terms": {}, "vacuous": True} for row in rows] * 10
    without = chart(document)
    assert all(point.missing for point in series_of(without.panels[0], "chosen").points)
    assert "No bound (× at the edge) at 30 of 30 ranks: the theorem does not hold there." in without.caption
    assert without.caption[-1] == f"The first 30 of {10 * len(rows)} ranks."


def test_each_certified_bound_is_held_against_the_limit_of_its_own_rank(run: Run, config: Config) -> None:
    """At keep probabilities of 1, 0.729 and 0.5 the limits differ; every certified bound is at its own."""
    document = recommended(run, config("mnist_multilayer"))
    rows = document["recommendations"]
    assert len({row["largest_gradient"] for row in rows}) == 3
    for row in rows:
        row["certified_bound"] = row["largest_gradient"]
    rows[2]["certified_bound"] *= 0.99
    certified = series_of(chart(document).rows[0][1], "certified")
    assert [point.hollow for point in certified.points] == [True, True, False, True]


@pytest.mark.parametrize(
    ("document", "mark", "critical"),
    [(plan(), (50, {"iterations": 1500, "samples": 75_000}), 100.0), (BATCH, (32, {}), 33.6)],
    ids=["iterations", "batch"],
)
def test_steps_and_samples_over_the_batch_size(
    document: dict[str, Any], mark: tuple[int, dict[str, float]], critical: float
) -> None:
    trade = document["tradeoff"]
    size, own = mark
    own = own or next(row for row in trade if row["batch_size"] == size)
    keys = [key for key in ("iterations", "samples", "seconds") if key in trade[0]]
    for panel, key in zip(chart(document).panels, keys, strict=True):
        shown = [(point.at, point.value) for point in series_of(panel, "cost").points]
        assert shown == [(row["batch_size"], row[key]) for row in trade]
        assert values(series_of(panel, "plan")) == [(size, own[key], False)]
        assert [(level.at, level.across) for level in panel.levels] == [(critical, True)]
        assert panel.across.scale == panel.value.scale == "log"
    far = document | {
        "critical_batch_size": {"value": 1e6} if "about" in document else None,
        "iterations": None,
    }
    panel = chart(far).panels[0]
    assert not panel.levels
    assert (panel.series[-1].role == "plan") == ("about" in document)
    if "about" not in document:
        assert chart(far).caption[-1] == "At the batch size asked for the target cannot be reached."


@pytest.mark.parametrize(
    ("document", "changes", "message"),
    [
        (BATCH, {"tradeoff": []}, "tradeoff: must hold at least one batch size"),
        (BATCH, {"advised": -1}, "advised: must be above 0; got -1"),
        (BATCH, {"critical_batch_size": {}}, "critical_batch_size: must have the key 'value'"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_at_its_place(
    document: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        chart(document | changes)
    assert str(caught.value).startswith(f"d.json: {message}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lower": 2.0, "upper": 1.0}, "gradient: must be at least lower, 2; got 0.5"),
        ({"upper": 0.4}, "upper: must be at least gradient, 0.5; got 0.4"),
        ({"lower": 2.0, "gradient": None}, "upper: must be at least lower, 2; got 1"),
        ({"lower": 0.5 * (1 + 1e-12), "upper": 0.5 * (1 - 1e-12)}, ""),  # rounding is no mistake
    ],
)
def test_intervals_that_no_measurement_gives(changes: dict[str, Any], message: str) -> None:
    document = one_axis()
    found = {"gradient": 0.5, "lower": 0.25, "upper": 1.0, "runs": 4, "initial_loss": 1.0, "final_loss": 0.5}
    document["points"][0]["measured"] = found | changes
    if not message:
        chart(document)
        return
    with pytest.raises(DataError) as caught:
        chart(document)
    assert str(caught.value).startswith(f"d.json: points[0].measured.{message}")


def test_a_mean_not_above_zero_shows_its_upper_limit_down_to_the_edge() -> None:
    for lower in (None, -1.0):
        point = present(measured_point(0, -0.5, lower, 2.0))
        assert (point.value, point.lower, point.upper, point.open_below) == (None, None, 2.0, True)
    assert measured_point(0, -0.5, -1.0, -0.1) is None
    assert measured_point(0, 1.0, 0.5, 2.0) == Point(0, 1.0, 0.5, 2.0)
    assert measured_point(0, 1.0, 0.0, 2.0) == Point(0, 1.0, None, 2.0, open_below=True)


WRITTEN: dict[str, tuple[tuple[str, ...], str]] = {
    "recommend": (("configs/mnist_multilayer.yaml", "--constants", "paper"), "output noise"),
    "iterations": (("--eps", "0.05", "--delta", "0.05"), "★ the plan"),
    "sweep": (
        ("configs/mnist_single_layer.yaml", "--vary", "training.batch_size=16:64:log2"),
        "Sweep over B: single_layer 784-10",
    ),
}


@pytest.mark.parametrize("command", WRITTEN)
def test_what_a_command_writes_is_drawn(run: Run, command: str) -> None:
    arguments, part = WRITTEN[command]
    document = run(command, *arguments, "-f", "json").out
    shown = run("plot", "-", "--terminal", stdin=document)
    assert (shown.code, shown.err) == (0, "")
    assert part in shown.out
    assert all(len(line) <= 120 for line in shown.out.splitlines())
    if command == "recommend":
        assert "several in one place" not in shown.out  # a limit is no data, and hides none
    numbers = csv.DictReader(io.StringIO(run("plot", "-", "-f", "csv", stdin=document).out))
    assert len(list(numbers)) >= 3


@pytest.mark.parametrize("form", ["table", "json", "yaml", "markdown", "csv"])
def test_the_numbers_of_a_picture_in_each_format(run: Run, form: str) -> None:
    result = run("plot", "-", "-f", form, stdin=json.dumps(one_axis()))
    assert (result.code, result.err) == (0, "")
    if form == "json":
        document = json.loads(result.out)
        assert document["schema"] == "rsgadvise.plot/1"
        assert document["rows"][0][0]["series"][0]["points"]
    elif form == "csv":
        rows = list(csv.DictReader(io.StringIO(result.out)))
        assert [row["value"] for row in rows if row["series"] == "certified bound"][:2] == ["1.5", "3.0"]
        third = [row for row in rows if row["series"].startswith("measured")][2]
        numbers = [float(third[key]) for key in ("at", "value", "lower", "upper")]
        assert numbers == pytest.approx([20.0, 0.0012, 0.0006, 0.0024])
    else:
        assert "certified bound" in result.out


def test_a_title_replaces_its_own() -> None:
    assert chart_from(json.dumps(one_axis()), "d", title="Mine").title == "Mine"
