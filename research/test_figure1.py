"""Figure 1: its specs, the rules of its verdicts on planted numbers, joining, and the command end to end."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.figure1.__main__ import main
from research.figure1.report import _few_colours
from research.figure1.rules import STATEMENTS, Panel, Statement, judge, slope, span
from research.figure1.running import PANELS, Plan, Replicate, joined, panel_of, plan, run_replicate
from research.figure1.tables import Table, generated_table, reduced
from rsgadvise.ask.sweep.axes import Measurement, SweepPoint, parse_axis, plan_points
from rsgadvise.ask.sweep.running import predict
from rsgadvise.show.plot.charts import chart_from
from rsgadvise.show.plot.sweep import fixed_values
from rsgadvise.spec import load_spec

CONFIGS = Path(__file__).parents[1] / "configs"
REPLICATES = 6


@pytest.mark.parametrize("letter", "abcde")
def test_packaged_points_lie_inside_the_papers_range(letter: str) -> None:
    loaded = load_spec(CONFIGS / f"figure1_{letter}.yaml")
    section = loaded.spec.sweep
    assert section is not None
    assert section.vary is not None
    assert section.measure
    points = plan_points(loaded, [parse_axis(text).axis for text in section.vary], option="vary")
    assert len(points) >= 9
    for point in points:
        assert point.loaded.spec.training.batch_size == 100  # as in the paper
        assert predict(point.loaded.spec, constants="paper").paper_bound is not None


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("columns", [3072, 784, 52, 24])
def test_visible_lengths_fit_the_table(panel: str, columns: int) -> None:
    wide, found = plan(panel, 3072), plan(panel, columns)
    nets = [point.loaded.spec.network.layers for point in found.points]
    factors = {
        before.loaded.spec.network.layers[0] / after[0]
        for before, after in zip(wide.points, nets, strict=True)
    }
    assert len(factors) == 1
    assert max(net[0] for net in nets) <= columns
    assert all(net[-1] == 10 for net in nets if len(net) > 2)
    if panel == "d":  # all lengths but the last stay equal
        assert all(len(set(net[:-1])) == 1 for net in nets)


def test_narrower_tables_are_nested() -> None:
    table = Table(np.arange(60, dtype=np.float32).reshape(3, 20) / 60, np.zeros((3, 10), np.float32))
    few, many = (reduced(table, columns, seed=4, tied=False) for columns in (5, 11))
    assert np.array_equal(few.inputs, many.inputs[:, :5])
    assert set(many.inputs[0]) <= set(table.inputs[0])
    other = reduced(table, 5, seed=5, tied=True)
    assert other.targets is other.inputs
    assert not np.array_equal(other.inputs, few.inputs)


@cache
def features(panel: str) -> dict[str, Any]:
    """The packaged grid of a panel, by hand."""
    specs = [point.loaded.spec for point in plan(panel, 3072).points]
    nets = [spec.network.layers for spec in specs]
    return {
        "visible": np.array([net[0] for net in nets], float),
        "hidden": np.array([net[1] for net in nets], float),
        "length": np.array([net[0] for net in nets], float),
        "depth": np.array([len(net) - 1 for net in nets], float),
        "weight_bound": np.array([spec.network.weight_bound for spec in specs], float),
        "keep_prob": np.array([spec.training.keep_prob for spec in specs], float),
        "iterations": np.array([spec.training.iterations for spec in specs], float),
    }


Trend = Callable[[dict[str, Any]], Any]


def _bowl(f: dict[str, Any]) -> Any:
    return 0.5 * np.abs(f["keep_prob"] - 0.5)


# For each statement a trend that makes it true and one that makes it false.
PLANTED: list[tuple[Trend, Trend]] = [
    (lambda f: np.log(f["visible"] * f["hidden"]), lambda f: -0.2 * np.log(f["visible"] * f["hidden"])),
    (lambda f: np.log(f["visible"]), lambda f: np.log(f["visible"] * f["hidden"])),
    (lambda f: 2 * np.log(f["visible"]) + np.log(f["hidden"]), lambda f: np.log(f["hidden"])),
    (lambda f: np.log(f["weight_bound"]), lambda f: -np.log(f["weight_bound"])),
    (
        lambda f: np.log(f["weight_bound"]) + 0.1 * f["keep_prob"],
        lambda f: 0.1 * np.log(f["weight_bound"]) + f["keep_prob"],
    ),
    (lambda f: np.log(f["visible"] * f["hidden"]) + f["keep_prob"], lambda f: 3 * f["keep_prob"]),
    (lambda f: np.log(f["visible"]), lambda f: np.log(f["visible"]) - 2 * np.log(f["hidden"])),
    (lambda f: np.log(f["length"]) + 0.2 * f["depth"], lambda f: 0.2 * np.log(f["length"]) - f["depth"]),
    (_bowl, lambda f: 4 * f["keep_prob"]),
    (_bowl, lambda f: f["keep_prob"]),
    (_bowl, lambda f: -f["keep_prob"]),
]


def panel(letter: str, trend: Trend, *, noise: float, seed: int = 1) -> Panel:
    grid = features(letter)
    rng = np.random.default_rng(seed)
    clean = np.broadcast_to(trend(grid), (REPLICATES, len(grid["visible"])))
    own = rng.standard_normal((REPLICATES, 1))  # what a replicate has at all of its points drops out
    return Panel(grid, {"measured": clean + own + noise * rng.standard_normal(clean.shape)})


@pytest.mark.parametrize(("statement", "trends"), list(zip(STATEMENTS, PLANTED, strict=True)))
def test_planted_trends_are_found(statement: Statement, trends: tuple[Trend, Trend]) -> None:
    true, false = (
        judge(statement, panel(statement.panel, trend, noise=0.02), "measured").verdict for trend in trends
    )
    assert (true, false) == ("reproduced", "not")


@pytest.mark.parametrize(
    "statement", [each for each in STATEMENTS if "range" not in each.rule and "size of" not in each.rule]
)
def test_noise_is_no_trend(statement: Statement) -> None:
    """A verdict from noise alone is as rare as the confidence says."""
    wrong = sum(
        judge(statement, panel(statement.panel, lambda f: 0 * f["visible"], noise=0.3, seed=seed), "measured")
        .verdict == "reproduced"
        for seed in range(200)
    )  # fmt: skip
    assert wrong <= 9  # P(more | 1 %) is below 1e-4


def test_large_noise_hides_a_trend() -> None:
    found = judge(STATEMENTS[0], panel("a", lambda f: 0.01 * np.log(f["visible"]), noise=2.0), "measured")
    assert found.verdict == "within noise"
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower < 0 < found.upper


def test_a_missing_value_gives_no_verdict() -> None:
    grid = panel("a", lambda f: np.log(f["visible"]), noise=0.0)
    grid.logs["measured"][0, 3] = math.nan
    assert judge(STATEMENTS[0], grid, "measured").verdict == "no value"


def test_slopes_and_ranges_by_hand() -> None:
    grid = Panel({"visible": np.array([2.0, 2.0, 8.0, 8.0]), "keep_prob": np.array([0.5, 1.0, 0.5, 1.0])}, {})
    logs = np.array([0.0, 1.0, 4.0, 9.0])
    assert slope(grid, logs, "visible") == pytest.approx((6.5 - 0.5) / 2)
    assert span(grid, logs, "visible") == pytest.approx((1 + 5) / 2)
    assert span(grid, logs, "keep_prob") == pytest.approx((4 + 8) / 2)


def _point(planned: Plan, place: int, gradient: float, *, bound: float | None = 3.0) -> SweepPoint:
    spec = planned.points[place].loaded.spec
    return SweepPoint(
        values=planned.points[place].values,
        kind=spec.network.kind,
        layers=spec.network.layers,
        stepsize=0.1,
        batch_size=100,
        iterations=spec.training.iterations,
        keep_prob=1.0,
        decay=0.0,
        paper_bound=bound,
        certified_bound=7.0,
        largest_gradient=7.0,
        vacuous=False,
        measured=Measurement(gradient, 0.0, None, 1, 4.0, 2.0, 1.0),
        notes=(),
    )


@pytest.mark.parametrize("name", ["a", "d", "d_long"])
def test_replicates_are_joined_into_one_document(name: str) -> None:
    planned = plan(name, 3072)
    count = len(planned.points)
    replicates = [
        Replicate(
            tuple(_point(planned, place, base + place, bound=None if base == 1 and place == 2 else 3.0)
                  for place in range(count)),
            tuple(_point(planned, place, 2.0) for place in range(count)),
        )
        for base in (1.0, 3.0)
    ]  # fmt: skip
    table = generated_table(rows=40, columns=24)
    document = joined(planned, replicates, table, data="some")
    assert document["spec"]["data"]["mean"] == pytest.approx(float(table.inputs.mean()), rel=1e-5)
    assert document["spec"]["sweep"]["runs"] == 2
    varied = [parse_axis(text).axis for text in document["spec"]["sweep"]["vary"]]
    assert [(axis.key, axis.values) for axis in varied] == [(axis.key, axis.values) for axis in planned.axes]
    assert "40 rows of some" in document["notes"][0]
    assert document["schema"] == "rsgadvise.sweep/1"
    text = json.dumps(document, allow_nan=False)
    assert chart_from(text, "x").panels
    keys = [axis["key"] for axis in document["axes"]]
    assert keys == (
        ["length", "depth"] if name.startswith("d") else ["network.layers[0]", "network.layers[1]"]
    )
    for place, point in enumerate(document["points"]):
        assert point["layers"] == list(planned.points[place].loaded.spec.network.layers)
        assert point["measured"]["gradient"] == pytest.approx(2 + place)
        # Student's t for two replicates at 99 % is 63.657, and their standard error is 1.
        assert point["measured"]["upper"] == pytest.approx(2 + place + 63.657, abs=1e-3)
        assert point["paper_bound"] == (None if place == 2 else 3.0)
    found = panel_of(planned, replicates)
    assert found.logs["relative"][0, 0] == pytest.approx(math.log(1 / 2))
    assert found.logs["loss"][0, 0] == pytest.approx(math.log(1 / 2))
    assert found.vacuous == {"certified"}


def test_points_of_a_replicate_stay_in_their_order() -> None:
    planned = plan("d", 24, overrides=["training.iterations=2"])
    found = run_replicate(planned, generated_table(rows=40, columns=24), data="generated", seed=3)
    for points in (found.ended, found.began):
        for at, point in zip(planned.points, points, strict=True):
            assert point.values == at.values
            assert point.layers == at.loaded.spec.network.layers
            assert point.measured is not None
    assert {point.iterations for point in found.ended} == {2}
    assert {point.iterations for point in found.began} == {1}


def test_equal_stepsizes_of_any_depth_are_one() -> None:
    assert fixed_values([("stepsize", [(0.3, 0.3), (0.3, 0.3, 0.3)])]) == "fixed: stepsize γ = 0.3"
    assert "differs" in fixed_values([("stepsize", [(0.3, 0.2), (0.3, 0.3, 0.3)])])


def test_few_colours_keep_those_of_the_series() -> None:
    image = pytest.importorskip("PIL.Image", reason="pictures need the extra `plot`")
    rng = np.random.default_rng(0)
    own = [(0, 114, 178), (213, 94, 0), (0, 158, 115), (255, 255, 255)]
    pixels = np.array(own, np.uint8)[rng.integers(0, 4, (60, 60))]
    pixels[:20, :20] = rng.integers(0, 255, (20, 20, 3))  # more shades than a palette has
    buffer = io.BytesIO()
    image.fromarray(pixels).save(buffer, format="PNG")
    found = np.asarray(image.open(io.BytesIO(_few_colours(buffer.getvalue()))).convert("RGB"))
    assert (found[20:, 20:] == pixels[20:, 20:]).all()


def test_the_command_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `plot`")
    monkeypatch.delenv("RSGADVISE_DATA", raising=False)
    arguments = ["--data", "generated", "--panels", "a", "d", "--replicates", "2", "--rows", "64"]
    arguments += ["--jobs", "1", "--set", "training.iterations=3"]
    assert main([*arguments, "-o", str(tmp_path / "one")]) == 0
    first = capsys.readouterr().out
    assert main([*arguments, "-o", str(tmp_path / "two")]) == 0
    assert capsys.readouterr().out == first
    assert "| (a) | larger networks are slower |" in first
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    expected = ["a_generated.json", "a_generated.png", "d_generated.json", "d_generated.png"]
    assert names == [*expected, "verdicts.md"]
    for name in (*expected[1::2], "verdicts.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_data_that_are_not_there_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RSGADVISE_DATA", str(tmp_path))
    assert main(["--data", "MNIST"]) == 2
    assert "RSGADVISE_DATA" in capsys.readouterr().err
