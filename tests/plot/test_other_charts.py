"""Recommendations, plans and verifications as charts, from documents that the commands themselves write."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from documents import CASE, VERIFY, changed

from rsgadvise.show.plot.charts import chart_from
from rsgadvise.show.plot.figure import Chart, Panel, Point, Series, measured_point

Config = Callable[[str], Path]


def chart(document: dict[str, Any]) -> Chart:
    return chart_from(json.dumps(document), "d.json")


def series_of(panel: Panel, role: str) -> Series:
    (found,) = [each for each in panel.series if each.role == role]
    return found


@pytest.mark.parametrize("constants", ["paper", "certified"])
@pytest.mark.parametrize("name", ["mnist_single_layer", "mnist_autoencoder", "mnist_multilayer"])
def test_recommendations_are_stacked_terms_beside_bounds(
    run: Run, config: Config, name: str, constants: str
) -> None:
    document = json.loads(run("recommend", config(name), "-f", "json", "--constants", constants).out)
    found = chart(document)
    ((terms, bounds),) = found.rows
    rows = document["recommendations"]
    assert len(terms.bars) == len(rows)
    for bar, row in zip(terms.bars, rows, strict=True):
        assert sum(segment.value for segment in bar.segments) == pytest.approx(row["bound"])
        stacked = {found.parts[segment.part].replace(" ", "_"): segment.value for segment in bar.segments}
        assert stacked == row["terms"]
    assert terms.across == bounds.across
    assert [p.value for p in series_of(bounds, "chosen").points] == [row["bound"] for row in rows]
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


def test_a_rank_without_a_bound_is_marked(run: Run, config: Config) -> None:
    document = json.loads(
        run("recommend", config("mnist_single_layer"), "-f", "json", "--constants", "paper").out
    )
    document["recommendations"][1] |= {"bound": None, "terms": {}, "vacuous": True}
    found = chart(document)
    bounds = found.rows[0][1]
    assert [point.missing for point in series_of(bounds, "chosen").points] == [
        False,
        True,
        False,
        False,
        False,
    ]
    assert any("No bound (× at the edge) at 1 of 5 ranks" in sentence for sentence in found.caption)


def test_each_certified_bound_is_held_against_the_limit_of_its_own_rank(run: Run, config: Config) -> None:
    """At keep probabilities of 1, 0.729 and 0.5 the limits differ; every certified bound is at its own."""
    document = json.loads(
        run("recommend", config("mnist_multilayer"), "-f", "json", "--constants", "paper").out
    )
    rows = document["recommendations"]
    assert len({row["largest_gradient"] for row in rows}) == 3
    held = [row["certified_bound"] == row["largest_gradient"] for row in rows]
    for row, vacuous in zip(rows, held, strict=True):
        row["certified_bound"] = row["largest_gradient"] if not vacuous else row["certified_bound"]
    certified = series_of(chart(document).rows[0][1], "certified")
    assert [point.hollow for point in certified.points] == [True] * 4
    rows[2]["certified_bound"] *= 0.99
    certified = series_of(chart(document).rows[0][1], "certified")
    assert [point.hollow for point in certified.points] == [True, True, False, True]


def test_a_document_with_one_limit_has_it_only_where_it_is_true(run: Run, config: Config) -> None:
    document = json.loads(
        run("recommend", config("mnist_multilayer"), "-f", "json", "--constants", "paper").out
    )
    limits = [row.pop("largest_gradient") for row in document["recommendations"]]
    bounds = chart(document).rows[0][1]
    assert [(p.at, p.value) for p in series_of(bounds, "limit").points] == [(0.0, limits[0])]
    assert [p.hollow for p in series_of(bounds, "certified").points] == [True, False, False, False]


def test_many_ranks_are_cut_and_that_is_said(run: Run, config: Config) -> None:
    document = json.loads(
        run("recommend", config("mnist_single_layer"), "-f", "json", "--constants", "paper").out
    )
    document["recommendations"] *= 10
    found = chart(document)
    assert len(found.rows[0][0].bars) == 30
    assert found.caption[-1] == "The first 30 of 50 ranks."


def test_a_plan_trades_steps_against_samples(run: Run) -> None:
    document = json.loads(run("iterations", "--eps", "0.05", "--delta", "0.05", "-f", "json").out)
    steps, samples = chart(document).panels
    trade = sorted(document["tradeoff"], key=lambda point: int(point["batch_size"]))
    for panel, key in ((steps, "iterations"), (samples, "samples")):
        shown = [(point.at, point.value) for point in series_of(panel, "cost").points]
        assert shown == [(point["batch_size"], point[key]) for point in trade]
        (plan,) = series_of(panel, "plan").points
        assert (plan.at, plan.value) == (50, document[key])
        (critical,) = panel.levels
        assert critical.across
        assert critical.at == document["critical_batch_size"]
        assert panel.across.scale == panel.value.scale == "log"


def test_an_infeasible_plan_still_shows_its_tradeoff(run: Run, config: Config) -> None:
    options = ("--set", "target.eps=0.01", "--set", "target.delta=0.05", "-f", "json", "--batch-size", "100")
    document = json.loads(
        run("iterations", config("mnist_autoencoder"), *options, "--constants", "paper").out
    )
    assert document["iterations"] is None
    found = chart(document)
    assert not any(series.role == "plan" for panel in found.panels for series in panel.series)
    assert found.caption[-1] == "At the batch size asked for the target cannot be reached."


def test_verdicts_by_marker() -> None:
    found = chart(VERIFY)
    gradients, misses = found.panels
    labels = [tick.label for tick in gradients.across.ticks]
    assert labels == ["a, paper", "a, certified", "b, paper *", "c, paper", "d, paper", "r, paper"]
    by_role = {each.role: [(p.at, p.value, p.hollow) for p in each.points] for each in gradients.series}
    assert by_role["consistent"] == [(0, 2.0, False), (1, 20.0, True)]
    assert by_role["falsified"] == [(2, 0.1, False)]
    assert by_role["inconclusive"] == [(3, 0.9, False)]
    assert by_role["approximate"] == [(5, 0.8, False)]
    assert any(line.startswith("Approximate: undecided") for line in found.caption)
    assert by_role["unchecked"] == [(4, None, False)]
    measured = series_of(gradients, "measured").points
    assert [(p.value, p.lower, p.upper) for p in measured[:1]] == [(0.5, 0.25, 1.0)]
    assert (measured[2].lower, measured[2].open_below) == (None, True)
    assert (measured[3].lower, measured[3].upper, measured[3].open_below) == (None, None, False)
    (zero,) = series_of(misses, "measured").points
    assert (zero.value, zero.upper, zero.open_below) == (None, 1.0, True)
    assert "The paper bound is 0.2 to 4 times the measured, median 1.7." in found.caption
    assert "No bound (× at the edge) for d, paper: The stepsize is too large." in found.caption


def test_verify_without_the_keys_that_may_be_absent() -> None:
    only = {key: value for key, value in CASE.items() if key not in ("vacuous", "checked", "quantity")}
    assert len(chart({**VERIFY, "cases": [only]}).panels) == 1


@pytest.mark.parametrize("form", ["table", "json", "yaml", "markdown", "csv"])
def test_the_numbers_of_a_picture_in_each_format(run: Run, tmp_path: Path, form: str) -> None:
    path = tmp_path / "v.json"
    path.write_text(json.dumps(VERIFY))
    result = run("plot", path, "-f", form)
    assert (result.code, result.err) == (0, "")
    if form == "json":
        document = json.loads(result.out)
        assert document["schema"] == "rsgadvise.plot/1"
        assert document["rows"][0][0]["series"][0]["points"][0]["value"] == 0.5
    elif form == "csv":
        rows = list(csv.DictReader(io.StringIO(result.out)))
        assert {row["at"] for row in rows} >= {"a, paper", "e, paper"}
        assert [row["value"] for row in rows if row["series"] == "bound, falsified"] == ["0.1"]
    else:
        assert "bound, falsified" in result.out


def test_a_document_comes_through_a_pipe(run: Run, config: Config) -> None:
    document = run("recommend", config("mnist_multilayer"), "-f", "yaml", "--constants", "paper").out
    shown = run("plot", "-", "--terminal", stdin=document)
    assert (shown.code, shown.err) == (0, "")
    assert "Recommendations for multilayer 784-200-100-10" in shown.out
    assert "output noise" in shown.out
    assert "largest gradient possible" in shown.out
    assert "several in one place" not in shown.out  # a limit is no data, and hides none


def test_a_title_replaces_its_own() -> None:
    assert chart_from(json.dumps(VERIFY), "d", title="Mine").title == "Mine"
    assert chart(changed(VERIFY, ["verdict"], "falsified")).title == "Verification: falsified"


def test_a_mean_not_above_zero_shows_its_upper_limit_down_to_the_edge() -> None:
    for lower in (None, -1.0):
        point = measured_point(0, -0.5, lower, 2.0)
        assert point is not None
        assert (point.value, point.lower, point.upper, point.open_below) == (None, None, 2.0, True)
    assert measured_point(0, -0.5, -1.0, -0.1) is None
    assert measured_point(0, 1.0, 0.5, 2.0) == Point(0, 1.0, 0.5, 2.0)
