"""What is expected of longer trainings, against laws that are known and trainings that are made."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from conftest import Run, present

from rsgadvise import recommend
from rsgadvise.advise.results import Expected
from rsgadvise.errors import DataError
from rsgadvise.pilot.forecast import COOLED, TIMES, expected, until
from rsgadvise.pilot.race import Cooling
from rsgadvise.pilot.results import PilotAdvice
from rsgadvise.show.plot.charts import chart_from
from rsgadvise.training.networks import Data, Network, Weights, initial_weights
from rsgadvise.training.rsg import Stream, Training, train

K = np.unique(np.geomspace(1, 500, 40).astype(int)).astype(float)


def curve(losses: np.ndarray) -> np.ndarray:
    return np.stack([K, losses], axis=1)


@pytest.mark.parametrize("power", [0.1, 0.5, 1.0])
def test_a_power_law_is_followed(power: float) -> None:
    found = expected(curve(3 * K**-power), 2000)
    assert [each.iterations for each in found] == [500, 1000, 2000, 4000, 8000, 16000]
    for each in found:
        assert each.loss == pytest.approx(3 * each.iterations**-power, rel=1e-9)
        assert each.low < each.loss < each.high
    widths = [each.high / each.low for each in found]
    assert widths == sorted(widths), "the farther, the less is known"


def test_noise_makes_it_less_sure_and_a_rise_is_level() -> None:
    noise = np.exp(np.random.default_rng(0).normal(0, 0.1, len(K)))
    sure, unsure = (expected(curve(losses), 500)[0] for losses in (K**-0.5, K**-0.5 * noise))
    assert unsure.high / unsure.low > 1.2 * sure.high / sure.low
    steep = expected(curve(K**-3.0), 1000)
    assert steep[1].loss == pytest.approx(steep[0].loss / 2), "just off a plateau"
    rising = expected(curve(K**0.3), 1000)
    assert {each.loss for each in rising} == {rising[0].loss}


def test_rows_held_out_may_stay_as_they_are() -> None:
    plain, told = (expected(curve(K**-0.5), 2000, held_out=loss) for loss in (None, 1.0))
    for one, other in zip(plain, told, strict=True):
        assert (one.loss, one.low) == (other.loss, other.low)
        assert other.high == pytest.approx(max(one.high, 0.8 * one.loss + 0.2))
    assert expected(curve(K**-0.5), 2000, held_out=math.inf) == plain
    assert expected(curve(K**-0.5), 2000, held_out=0.0) == plain


@pytest.mark.parametrize("losses", [np.zeros(len(K)), np.full(len(K), np.nan), np.full(len(K), np.inf)])
def test_nothing_is_expected_of_losses_without_logarithms(losses: np.ndarray) -> None:
    assert expected(curve(losses), 1000) == ()
    assert expected([(1, 1.0), (2, 0.5)], 10) == ()
    assert until((), 0.1).iterations is None


def test_how_long_for_a_loss_is_the_law_the_other_way_round() -> None:
    found = expected(curve(K**-0.5), 1000)
    asked = until(found, 0.02)
    assert asked.iterations == 2500
    assert present(asked.soonest) < 2500
    assert asked.latest is None or asked.latest > 2500
    assert until(found, 1e-4).iterations is None
    assert until(found, 0.9).iterations == 500, "no less than what was seen"
    high = until(found, found[-1].high)
    assert high.latest == found[-1].iterations


def test_an_advice_says_what_to_expect_and_most_trainings_come_there() -> None:
    """Twenty trainings as advised, from other seeds: at least 15 of them within intervals of 90 %."""
    rng = np.random.default_rng(3)
    x = rng.random((600, 4))
    y = ((x - 0.5) @ rng.normal(size=(4, 3))).argmax(axis=1)
    spec = {
        "network": {"kind": "single_layer", "layers": [4, 3]},
        "training": {"batch_size": 16, "iterations": 1500, "keep_prob": 1},
    }
    plan = present(recommend(spec, data=(x, y), pilot=1.0).train)
    own, longest = present(plan.longer)
    assert (own.iterations, longest.iterations) == (1500, 8 * 1500)
    network, data = Network("single_layer", (4, 3), ()), Data(x, np.eye(3)[y])
    training = Training(network, data, (float(plan.common_stepsize),), 16)
    start = initial_weights(network, np.random.default_rng(5))
    streams = [Stream(seed, (7,)) for seed in range(20)]
    (shot,) = train(training, start, streams, [np.array([1501])] * 20)
    outputs = 1 / (1 + np.exp(-np.einsum("rj,mij->mri", x, shot.weights[0])))
    losses = np.square(outputs - data.targets).sum(axis=2).mean(axis=1)
    assert sum(own.low <= loss <= own.high for loss in losses) >= 15


def test_a_stepsize_that_falls_to_zero_in_the_end() -> None:
    """Of one row and one weight: the error is multiplied by 1 - c gamma_k in each of iterations 4 to 8."""
    network = Network("single_layer", (1, 1), loss="squared_linear")
    data = Data(np.ones((1, 1)), np.ones((1, 1)))
    training = Training(network, data, (0.1,), 1)
    start: Weights = [np.zeros((1, 1, 1))]
    streams = [Stream(0, (1,))]
    (one,) = train(training, start, streams, [np.array([2])])
    slope = float(one.weights[0][0, 0, 0]) / 0.1
    pace = Cooling(np.full((1, 1), 0.1), np.zeros(1), np.array([0.5]), 8)
    (end,) = train(training, start, streams, [np.array([9])], first=4, pace=pace)
    factors = [1.0, 0.8, 0.6, 0.4, 0.2]  # 4 iterations of 8, and 0 would be the next
    left = math.prod(1 - slope * 0.1 * factor for factor in factors)
    assert 1 - float(end.weights[0][0, 0, 0]) == pytest.approx(left, rel=1e-9)


def advised(**training: object) -> PilotAdvice:
    rng = np.random.default_rng(3)
    x = rng.random((600, 4))
    y = ((x - 0.5) @ rng.normal(size=(4, 3)) + 0.3 * rng.normal(size=(600, 3))).argmax(axis=1)
    spec = {
        "network": {"kind": "single_layer", "layers": [4, 3]},
        "training": {"batch_size": 16, "iterations": 3000, "keep_prob": 1, **training},
    }
    found = recommend(spec, data=(x, y), pilot=1.0)
    assert isinstance(found, PilotAdvice)
    return found


def test_both_runs_of_the_winner_are_cooled() -> None:
    """Each a quarter longer; what is left of the noise is less; losses are expected from the shorter on."""
    found = advised()
    assert found.pilot is not None
    assert found.train is not None
    (short, _), (long, loss) = found.pilot.cooled
    share = found.pilot.raced[0].share
    assert 1.07 * share * 3000 < long < 1.26 * share * 3000
    assert short == pytest.approx(long / 2, rel=0.01)
    assert loss < present(found.pilot.whole_loss)
    assert found.cost <= 1


def test_stepsizes_that_fall_anyway_are_followed_along_the_run() -> None:
    found = advised(decay=0.5)
    assert found.pilot is not None
    assert found.pilot.cooled == ()
    assert found.pilot.curve


def test_between_two_ends_and_beyond_them() -> None:
    found = expected([(100, 0.2), (400, 0.1)], 200, seen=COOLED)
    assert [each.iterations for each in found] == [100, 200, 400, 800, 1600]
    for each in found:
        assert each.loss == pytest.approx(2 * each.iterations**-0.5)
        assert each.low < each.loss < each.high
    own = {each.iterations: each.high / each.low for each in found}
    assert own[400] < own[200] < own[100]
    assert own[400] < own[800] < own[1600]


def test_the_command_says_it(run: Run) -> None:
    table = run("recommend", "configs/seedlings.csv", "--until", "0.06", "--pilot", "1").out
    assert "A loss of 0.06 is expected after " in " ".join(table.split())
    assert "Expected at the end: a loss of about " in table
    asked = ("--until", "0.06", "--pilot", "1", "-f", "json", "-q")
    found = json.loads(run("recommend", "configs/seedlings.csv", *asked).out)
    plan = found["train"]
    assert plan["until"]["loss"] == 0.06
    assert plan["expected"][-1]["iterations"] == 8 * plan["iterations"]
    looked = found["pilot"]["curve"]
    assert looked[0][0] == 1
    assert looked[-1][1] == pytest.approx(plan["loss"])
    assert len(plan["expected"]) <= len(TIMES)


def test_it_is_drawn(run: Run, tmp_path: Path) -> None:
    """In the picture as in the page: each expected loss with its interval, and whole trainings."""
    document, page = tmp_path / "advice.json", tmp_path / "page.html"
    run("recommend", "configs/seedlings.csv", "-f", "json", "-q", "-o", document)
    found = json.loads(document.read_text())
    plan = found["train"]
    (panel,) = chart_from(document.read_text(), "advice.json").rows[0]
    seen, apart, ahead = panel.series
    for series, key in ((seen, "loss"), (apart, "held_out_loss")):
        along = [(point.at, point.value) for point in series.points]
        assert along == [(look["iterations"], look[key]) for look in plan["looks"]]
    keys = ("iterations", "loss", "low", "high")
    assert [(point.at, point.value, point.lower, point.upper) for point in ahead.points] == [
        tuple(each[key] for key in keys) for each in plan["expected"]
    ]
    assert panel.levels[0].at == plan["constant_loss"]
    run("report", "configs/seedlings.csv", "-o", page, "-q")
    drawn = page.read_text().partition('<figure id="learning"')[2].partition("</figure>")[0]
    figure = ET.fromstring(f"<figure {drawn}</figure>")
    corners = {each.get("class"): each.get("d", "") for each in figure.iter("path")}
    assert corners["line held"].count("L") == len(seen.points) - 1
    assert corners["line apart"].count("L") == len(apart.points) - 1
    assert corners["line best"].count("L") == len(ahead.points) - 1
    assert corners["band"].count("L") == 2 * len(ahead.points) - 1
    assert all(0 <= float(at) <= 400 for at in re.findall(r"[ML]([-.\d]+)", "".join(corners.values())))


def test_losses_without_a_place_on_the_axis_are_left_out(run: Run) -> None:
    """A run that left the range of numbers, a loss of 0: what is written can be drawn all the same."""
    found = run.document("recommend", "configs/seedlings.csv", "--pilot", "1", "-q")
    found["pilot"]["curve"][0][1], found["pilot"]["curve"][1][1] = None, 0.0
    found["train"]["expected"][-1]["low"] = found["train"]["constant_loss"] = 0.0
    seen, ahead = chart_from(json.dumps(found), "advice.json").rows[0][0].series
    assert len(seen.points) == len(found["pilot"]["curve"]) - 2
    assert [point.open_below for point in ahead.points].count(True) == 1
    found["train"]["expected"] = []
    with pytest.raises(DataError, match="must hold at least one loss"):
        chart_from(json.dumps(found), "advice.json")


@pytest.mark.parametrize("loss", ["0", "-1", "nan", "inf"])
def test_a_loss_that_is_none(run: Run, loss: str) -> None:
    assert "Invalid value for '--until': must be a loss above 0; got" in run.refused(
        "recommend", "configs/seedlings.csv", f"--until={loss}"
    )


def test_without_data_nobody_knows_how_long(run: Run) -> None:
    text = run("recommend", "configs/mnist_single_layer.yaml", "--until", "0.1").out
    assert "How long a loss of 0.1 takes is not known: it needs short runs that learn." in " ".join(
        text.split()
    )


def test_intervals_are_ordered() -> None:
    """Also where the fall is steep and far: no overflow, no loss below 0."""
    found = expected(curve(np.exp(-K / 20.0)), 10**6)
    assert all(
        isinstance(each, Expected) and 0 <= each.low <= each.loss <= each.high < math.inf for each in found
    )
