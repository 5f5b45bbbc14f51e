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
from documents import BATCH, CASE, DESIGN, VERIFY, chart, one_axis, plan, series_of

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
    # A document with one limit has it only where it is true.
    limits = [row.pop("largest_gradient") for row in rows]
    bounds = chart(document).rows[0][1]
    assert [(p.at, p.value) for p in series_of(bounds, "limit").points] == [(0.0, limits[0])]
    assert [p.hollow for p in series_of(bounds, "certified").points] == [True, False, False, False]


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


def test_verdicts_by_marker() -> None:
    found = chart(VERIFY)
    assert found.title == "Verification: inconclusive"
    gradients, misses = found.panels
    labels = [tick.label for tick in gradients.across.ticks]
    assert labels == ["a, paper", "a, certified", "b, paper *", "c, paper", "d, paper", "r, paper"]
    by_role = {each.role: values(each) for each in gradients.series}
    assert by_role["consistent"] == [(0, 2.0, False), (1, 20.0, True)]
    assert by_role["falsified"] == [(2, 0.1, False)]
    assert by_role["inconclusive"] == [(3, 0.9, False)]
    assert by_role["approximate"] == [(5, 0.8, False)]
    assert by_role["unchecked"] == [(4, None, False)]
    assert any(line.startswith("Approximate: undecided") for line in found.caption)
    measured = series_of(gradients, "measured").points
    assert [(p.value, p.lower, p.upper) for p in measured[:1]] == [(0.5, 0.25, 1.0)]
    assert (measured[2].lower, measured[2].open_below) == (None, True)
    assert (measured[3].lower, measured[3].upper, measured[3].open_below) == (None, None, False)
    (zero,) = series_of(misses, "measured").points
    assert (zero.value, zero.upper, zero.open_below) == (None, 1.0, True)
    assert "The paper bound is 0.2 to 4 times the measured, median 1.7." in found.caption
    assert "No bound (× at the edge) for d, paper: The stepsize is too large." in found.caption
    only = {key: value for key, value in CASE.items() if key not in ("vacuous", "checked", "quantity")}
    assert len(chart({**VERIFY, "cases": [only]}).panels) == 1, "keys that may be absent"


@pytest.mark.parametrize("by", ["work", "samples", "iterations", "bound"])
def test_every_network_is_a_point_of_its_depth(by: str) -> None:
    found = chart(DESIGN | {"by": by})
    (costs,), rows = found.panels, DESIGN["architectures"]
    key = {"samples": "total_samples"}.get(by, by)
    for group, depth in enumerate((1, 2, 3)):
        alike = [row for row in rows if row["depth"] == depth]
        times = alike[0]["runs"] if by == "iterations" else 1
        wanted = [(row["weights"], row[key] * times, row["vacuous"]) for row in alike]
        assert values(series_of(costs, "chosen" if by == "bound" else "cost", group)) == sorted(wanted)
    (best,) = series_of(costs, "plan").points
    assert best.at == rows[0]["weights"]
    assert (found.group_name, found.groups) == ("hidden layers", ("1", "2", "3"))
    assert "with 12,704 weights" in found.caption[0]
    assert any("Vacuous (hollow)" in sentence and "2 of 6" in sentence for sentence in found.caption)
    assert found.caption[-1] == "The first 6 of 14 networks; --top shows more."


@pytest.mark.parametrize(
    ("document", "changes", "message"),
    [
        (DESIGN, {"architectures": []}, "architectures: must hold at least one architecture"),
        (DESIGN, {"by": "luck"}, "by: must be one of work, samples, seconds, iterations, bound; got 'luck'"),
        (VERIFY, {"cases": [{**CASE, "bound": -1}]}, "cases[0].bound: must be above 0; got -1"),
        (VERIFY, {"cases": [{}]}, "cases[0]: must have the key 'verdict'"),
        (DESIGN, {"by": "seconds"}, "architectures[0].seconds: must be a number, which the ranks are by"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_at_its_place(
    document: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        chart(document | changes)
    assert str(caught.value).startswith(f"d.json: {message}")


IMPOSSIBLE = [
    ({"lower": 2.0, "upper": 1.0}, "{mean}: must be at least lower, 2; got 0.5"),
    ({"upper": 0.4}, "upper: must be at least {mean}, 0.5; got 0.4"),
    ({"lower": 2.0, "mean": None}, "upper: must be at least lower, 2; got 1"),
]


@pytest.mark.parametrize(("changes", "message"), IMPOSSIBLE)
@pytest.mark.parametrize("kind", ["verify", "sweep"])
def test_intervals_that_no_measurement_gives(kind: str, changes: dict[str, Any], message: str) -> None:
    names = {"verify": "measured", "sweep": "gradient"}
    measured = {"mean": 0.5, "lower": 0.25, "upper": 1.0, **changes}
    measured[names[kind]] = measured.pop("mean")
    if kind == "verify":
        document, place = {**VERIFY, "cases": [{**CASE, **measured}]}, "cases[0]"
    else:
        document, place = one_axis(), "points[0].measured"
        document["points"][0]["measured"] = {"runs": 4, "initial_loss": 1.0, "final_loss": 0.5, **measured}
    with pytest.raises(DataError) as caught:
        chart(document)
    assert str(caught.value).startswith(f"d.json: {place}.{message.format(mean=names[kind])}")


def test_rounding_is_no_mistake() -> None:
    near = {"measured": 0.5, "lower": 0.5 * (1 + 1e-12), "upper": 0.5 * (1 - 1e-12)}
    chart({**VERIFY, "cases": [{**CASE, **near}]})


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
    "design": (
        # Listed batch sizes: in a range of them each network takes a second.
        (
            *("configs/mnist_design.yaml", "--widths", "16,64", "--depth", "1", "--pipeline", "none"),
            *("--set", "search.batch_size=[262144, 4194304]"),
        ),
        "Cost of each ranked network",
    ),
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
    result = run("plot", "-", "-f", form, stdin=json.dumps(VERIFY))
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


def test_a_title_replaces_its_own() -> None:
    assert chart_from(json.dumps(VERIFY), "d", title="Mine").title == "Mine"
