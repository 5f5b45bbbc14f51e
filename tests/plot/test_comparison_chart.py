"""Comparisons as charts: hand-made documents, and those that `compare` writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from documents import CASE, VERIFY, DataError, one_axis

from rsgadvise.show.plot.charts import chart_from
from rsgadvise.show.plot.figure import Chart, Panel, Series

Config = Callable[[str], Path]
NONE = {"value": None, "rank": None, "ratio": None, "vacuous": False, "notes": ["No plan: too dear."]}
SPEC: dict[str, Any] = {
    "name": "a.yaml",
    "bound": 4.0,
    "certified_bound": 6.0,
    "largest_gradient": 8.0,
    "equal_resources": True,
    "paper": {"value": 4.0, "rank": 1, "ratio": 1.0, "vacuous": False, "notes": []},
    "certified": {"value": 5.0, "rank": 1, "ratio": 1.0, "vacuous": False, "notes": []},
    "measured": {"mean": 0.5, "lower": 0.25, "upper": 1.0},
    "notes": [],
}
COMPARISON: dict[str, Any] = {
    "schema": "rsgadvise.compare/1",
    "specs": [
        SPEC,
        {**SPEC, "name": "b.yaml", "bound": 9.0, "certified_bound": 8.0, "measured": None},
        {**SPEC, "name": "c.yaml", "measured": {"mean": 0.0, "lower": 0.0, "upper": 2.0}},
        {**SPEC, "name": "d.yaml", "bound": None, "certified_bound": None, "paper": NONE, "certified": NONE},
    ],
    "constants": "paper",
    "compared_by": "bound",
    "common_samples": 2000,
    "verdict": {"text": "A is best.", "measured": {"confidence": 0.99, "text": "Measured, A is smallest."}},
}


def chart(document: dict[str, Any]) -> Chart:
    return chart_from(json.dumps(document), "d.json")


def series_of(panel: Panel, role: str) -> Series:
    (found,) = [each for each in panel.series if each.role == role]
    return found


def test_one_row_for_each_spec() -> None:
    found = chart(COMPARISON)
    (panel,) = found.panels
    assert panel.horizontal
    assert [tick.label for tick in panel.across.ticks] == ["a.yaml", "b.yaml", "c.yaml", "d.yaml"]
    by_role = {each.role: [(p.at, p.value, p.hollow) for p in each.points] for each in panel.series}
    assert by_role["paper"] == [(0, 4.0, False), (1, 9.0, True), (2, 4.0, False), (3, None, False)]
    assert by_role["certified"] == [(0, 6.0, False), (1, 8.0, True), (2, 6.0, False), (3, None, False)]
    assert by_role["limit"] == [(0, 8.0, False), (1, 8.0, False), (2, 8.0, False), (3, 8.0, False)]
    measured = series_of(panel, "measured").points
    assert [(p.at, p.value, p.lower, p.upper, p.open_below) for p in measured] == [
        (0, 0.5, 0.25, 1.0, False),
        (2, None, None, 2.0, True),
        (3, 0.5, 0.25, 1.0, False),
    ]
    assert found.subtitle == "paper constants; bounds at equal samples, at most 2,000"
    assert found.caption[:2] == ("A is best.", "Measured, A is smallest.")
    assert "The paper bound is 8 times the measured." in found.caption
    assert "The certified bound is vacuous (hollow) for 1 of 4 specs: not below the limit." in found.caption
    assert "No paper bound (× at the edge) at d.yaml: No plan: too dear." in found.caption
    assert found.caption[-1].startswith("For 1 of 4 specs the measured mean is not above 0")


def test_unequal_samples_are_called_so() -> None:
    document = {**COMPARISON, "specs": [SPEC, {**SPEC, "equal_resources": False}]}
    assert chart(document).subtitle == "paper constants; bounds at unequal samples"


def test_what_a_target_costs_is_a_panel_of_its_own() -> None:
    document = {**COMPARISON, "compared_by": "samples", "common_samples": None, "specs": [SPEC, SPEC]}
    gradients, costs = chart(document).panels
    assert [p.value for p in series_of(gradients, "paper").points] == [4.0, 4.0]
    assert costs.title == "Samples that meet the target"
    assert [p.value for p in series_of(costs, "certified").points] == [5.0, 5.0]


@pytest.mark.parametrize("constants", ["paper", "certified"])
def test_what_compare_writes_is_drawn(run: Run, config: Config, constants: str) -> None:
    paths = [config("mnist_single_layer"), config("mnist_multilayer")]
    document = json.loads(run("compare", *paths, "--constants", constants, "-f", "json").out)
    (panel,) = chart(document).panels
    rows = document["specs"]
    certified = [row["certified_bound"] for row in rows]
    assert [p.value for p in series_of(panel, "certified").points] == certified
    paper = [row["paper"]["value"] for row in rows]
    assert [p.value for p in series_of(panel, "paper").points] == paper
    assert [p.value for p in series_of(panel, "limit").points] == [row["largest_gradient"] for row in rows]
    assert not any(each.role == "measured" for each in panel.series)


@pytest.mark.parametrize("width", ["60", "80", "120"])
def test_the_terminal_shows_it(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    path = tmp_path / "c.json"
    path.write_text(json.dumps(COMPARISON))
    shown = run("plot", path, "--terminal")
    assert (shown.code, shown.err) == (0, "")
    assert all(len(line) <= int(width) for line in shown.out.splitlines())
    assert "b.yaml│" in shown.out
    assert "largest gradient possible" in shown.out


def test_a_picture_is_written(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "c.json"
    path.write_text(json.dumps(COMPARISON))
    assert run("plot", path, "-o", tmp_path / "c.png").code == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"specs": []}, "specs: must hold at least one spec"),
        ({"compared_by": "luck"}, "compared_by: must be one of bound, samples, seconds; got 'luck'"),
        ({"constants": "mine"}, "constants: must be one of paper, certified"),
        ({"specs": [{**SPEC, "bound": -1}]}, "specs[0].bound: must be above 0; got -1"),
        ({"verdict": {}}, "verdict: must have the key 'text'"),
    ],
)  # fmt: skip
def test_bad_comparisons_name_the_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        chart({**COMPARISON, **changes})
    assert str(caught.value).startswith(f"d.json: {message}")


IMPOSSIBLE = [
    ({"lower": 2.0, "upper": 1.0}, "{mean}: must be at least lower, 2; got 0.5"),
    ({"lower": 0.75}, "{mean}: must be at least lower, 0.75; got 0.5"),
    ({"upper": 0.4}, "upper: must be at least {mean}, 0.5; got 0.4"),
    ({"lower": 2.0, "mean": None}, "upper: must be at least lower, 2; got 1"),
]


@pytest.mark.parametrize(("changes", "message"), IMPOSSIBLE)
@pytest.mark.parametrize("kind", ["compare", "verify", "sweep"])
def test_intervals_that_no_measurement_gives(kind: str, changes: dict[str, Any], message: str) -> None:
    names = {"compare": "mean", "verify": "measured", "sweep": "gradient"}
    values = {"mean": 0.5, "lower": 0.25, "upper": 1.0, **changes}
    values[names[kind]] = values.pop("mean")
    if kind == "compare":
        document, place = {**COMPARISON, "specs": [{**SPEC, "measured": values}]}, "specs[0].measured"
    elif kind == "verify":
        document, place = {**VERIFY, "cases": [{**CASE, **values}]}, "cases[0]"
    else:
        document, place = one_axis(), "points[0].measured"
        document["points"][0]["measured"] = {"runs": 4, "initial_loss": 1.0, "final_loss": 0.5, **values}
    with pytest.raises(DataError) as caught:
        chart(document)
    assert str(caught.value).startswith(f"d.json: {place}.{message.format(mean=names[kind])}")


def test_rounding_is_no_mistake() -> None:
    near = {"mean": 0.5, "lower": 0.5 * (1 + 1e-12), "upper": 0.5 * (1 - 1e-12)}
    chart({**COMPARISON, "specs": [{**SPEC, "measured": near}]})
