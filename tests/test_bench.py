"""The statistics of `python -m benchmarks.advice`, which need neither data sets nor Optuna."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.advice.cache import tuned
from benchmarks.advice.judging import Row, Verdict
from benchmarks.advice.problems import Problem
from benchmarks.advice.report import render
from benchmarks.advice.statistics import best_of, most_equivalents, trial_equivalents, weighted_median
from benchmarks.advice.trials import judged, trained
from benchmarks.advice.tuners import TUNERS
from benchmarks.batch.curves import Curves, fitted, looks, measure
from benchmarks.batch.settings import DEVELOPMENT, REPORT, Setting
from rsgadvise.pilot.advising import COOLDOWN
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.training.expectation import Expectation
from rsgadvise.training.networks import Data, Network, initial_weights
from rsgadvise.training.rsg import Stream, Training, train


@pytest.mark.parametrize("count", [1, 2, 5, 11, 12])
def test_best_of_is_that_of_all_choices(count: int) -> None:
    rng = np.random.default_rng(3)
    losses, errors = rng.random(12), rng.random(12)
    losses[:2] = np.inf
    winners = [min(choice, key=losses.__getitem__) for choice in itertools.combinations(range(12), count)]
    median = [sorted(values)[(len(winners) - 1) // 2] for values in (losses[winners], errors[winners])]
    assert best_of(losses, errors, count) == tuple(median)


def test_weighted_median() -> None:
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.2, 0.6])) == 2
    assert weighted_median(np.array([3.0, 1.0]), np.array([0.5, 0.5])) == 1


@pytest.mark.parametrize("better", [1, 7, 48, 90])
def test_so_many_trials_are_better_half_of_the_time(better: int) -> None:
    population = np.arange(1.0, 97.0)
    count = trial_equivalents((better + 0.5) / 0.98, population)
    assert (1 - better / 96) ** count == pytest.approx(0.5)


def test_trial_equivalents_at_their_limits() -> None:
    population = np.array([1.0, 2.0, np.inf, np.inf])
    most = most_equivalents(4)
    assert most == pytest.approx(math.log(0.5) / math.log(0.75))
    assert trial_equivalents(1.0, population) == most
    assert trial_equivalents(1 / 0.98, population) == most  # better by 2 %, not by more
    assert trial_equivalents(1.03, population) == most
    assert trial_equivalents(np.inf, population) == pytest.approx(1)
    assert trial_equivalents(np.inf, population[:2]) == 0
    assert trial_equivalents(0.5, np.full(4, np.inf)) == most
    assert most_equivalents(96) == pytest.approx(66.2, abs=0.05)


@pytest.fixture
def problem() -> Problem:
    rng = np.random.default_rng(5)
    targets = np.eye(2, dtype=np.float32)[rng.integers(0, 2, 60)]
    data = Data(rng.random((60, 4)).astype(np.float32), targets)
    network = Network("multilayer", (4, 3, 2), (5.0, 5.0))
    return Problem("random 4-3-2", network, data, Data(data.inputs[:9], targets[:9]))


def test_a_trial_is_the_engines_loss(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    start = initial_weights(problem.network, np.random.default_rng(1))
    monkeypatch.setattr("benchmarks.advice.trials.first_weights", lambda *_: start)
    monkeypatch.setattr("benchmarks.advice.trials.BATCH_KEY", (4,))
    found = trained(problem, np.array([[0.3, 0.2]]), np.array([0.1]), [6], iterations=40)
    training = Training(problem.network, problem.training, (0.3, 0.2), 32, 0.1)
    (end,) = train(training, start, [Stream(6, (4,))], [np.array([41])])
    loss, _ = Expectation(problem.network, problem.training).gradient(end.weights, [])
    assert found.losses[0] == pytest.approx(loss[0], rel=1e-5)


def test_the_noise_of_mini_batches_is_gone_where_the_stepsize_falls() -> None:
    """Labels that are wrong by chance: constant stepsizes keep moving, falling ones come to rest."""
    rng = np.random.default_rng(3)
    x, wrong = rng.random((400, 12)).astype(np.float32), rng.random(400) < 0.3
    classes = np.argmax((x - 0.5) @ rng.standard_normal((12, 3)), axis=1)
    classes[wrong] = rng.integers(0, 3, int(wrong.sum()))
    data = Data(x, np.eye(3, dtype=np.float32)[classes])
    noisy = Problem("noisy 12-3", Network("single_layer", (12, 3), ()), data, data)
    constant, falling = (judged(noisy, [4.0], range(6), share).losses for share in (0.0, COOLDOWN))
    assert (falling < constant).all()


def test_trials_of_a_seed_differ_in_the_stepsize_only(problem: Problem) -> None:
    found = judged(problem, [0.1, 1.0, 0.1], (0, 1))
    assert found.losses.shape == found.errors.shape == (3, 2)
    assert np.array_equal(found.losses[0], found.losses[2])
    assert len(np.unique(found.losses)) == 4


def test_a_loss_that_is_no_number_is_the_worst(problem: Problem) -> None:
    found = judged(problem, [np.nan], (0,))
    assert found.losses[0, 0] == np.inf
    assert found.errors[0, 0] == 1


def test_the_range_test_suggests_and_costs_little(problem: Problem) -> None:
    found = TUNERS["range-test"].run(problem)
    assert np.all((found["stepsizes"] >= 1e-7) & (found["stepsizes"] <= 100))
    assert np.all(found["costs"] <= 0.05)
    assert len(np.unique(found["stepsizes"])) > 1


def test_the_cache_gives_back_what_was_found(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tuned(problem, "fixed", tmp_path)
    monkeypatch.setitem(TUNERS, "random", TUNERS["fixed"])
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr("benchmarks.advice.tuners.judged", None)
    again = tuned(problem, "fixed", tmp_path)
    assert found.keys() == again.keys()
    assert all(np.array_equal(found[key], again[key]) for key in found)
    other = Problem(problem.name, problem.network, problem.held_out, problem.held_out)
    with pytest.raises(TypeError):
        tuned(other, "fixed", tmp_path)


def test_the_summary_says_what_is_kept() -> None:
    rows = (
        Row("calibrated", 0.2, 0.1, 0.01, "0.5", 9.0),
        Row("pilot", 0.1, 0.1, 0.9, "0.5, 1", most_equivalents(96)),
        Row("oracle", 0.1, 0.1, 49, "1", most_equivalents(96)),
    )
    worse = (rows[0], Row("pilot", 0.1, 0.1, 0.9, "0.5, 1", 2.0), rows[2])
    none = np.ones(1), np.ones(1)
    found = [Verdict("one 4-3-2", 96, True, rows, none), Verdict("two 4-3-2", 96, False, worse, none)]
    text = render(found, "head")
    assert "median ≥ 5, cost ≤ 0.05: kept" in text
    assert "median ≥ 16, least ≥ 6, cost ≤ 1: MISSED" in text
    assert "| one 4-3-2 | 9.0 | >66 | >66 |" in text
    assert "| pilot | 34.1 | 2.0 | 2.0 |" in text
    assert "best of them: one 4-3-2." in text
    assert "two 4-3-2 (2.0), one 4-3-2 (>66)" in text


# What `benchmarks.batch` takes for the truth, on curves that are known.


def curves(true: float) -> Curves:
    """S = 50 (1 + B_c/B) at 2^-1, a half more beside it, and given up at 2^1."""
    steps = {}
    for size in (8, 32, 128, 512):
        best = 50 * (1 + true / size)
        steps[size] = {-2: 1.5 * best, -1: best, 0: 1.5 * best, 1: math.inf}
    return Curves(0.3, steps)


@pytest.mark.parametrize("true", [5.0, 60.0, 900.0])
def test_the_hyperbola_is_found(true: float) -> None:
    found = fitted(curves(true))
    assert found.critical == pytest.approx(true, rel=0.01)
    assert found.fewest == pytest.approx(50, rel=0.01)
    assert found.r2 == pytest.approx(1, abs=1e-3)


def test_stepsizes_between_and_beyond_those_of_the_grid() -> None:
    known = curves(60.0)
    exponent, steps = known.best(32)
    assert exponent == -1
    assert steps == pytest.approx(50 * (1 + 60 / 32))
    assert known.slower(32, 0.5) == pytest.approx(1)
    assert known.slower(32, 2**-0.5) == pytest.approx(1.5**0.5)
    assert known.slower(32, 2.0**0.5) == pytest.approx(3**0.5)
    assert known.slower(32, 100.0) == known.slower(32, 1e-6) == pytest.approx(2)


def test_looks_end_where_they_are_to() -> None:
    found = looks(500)
    assert found == sorted(set(found))
    assert found[0] == 5
    assert 500 <= found[-1] < 540


def test_no_setting_is_on_both_sides() -> None:
    data = [{name.partition(":")[0] for name in side} for side in (DEVELOPMENT, REPORT)]
    assert not data[0] & data[1]


def test_larger_batches_of_least_squares_take_fewer_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.batch.curves.ITERATIONS", 60)
    monkeypatch.setattr("benchmarks.batch.curves.SIZES", (8, 32, 128))
    rng = np.random.default_rng(0)
    x = rng.random((300, 4)).astype(np.float32)
    y = (x @ rng.random(4).astype(np.float32) / 4)[:, None]
    network = Network("single_layer", (4, 1), loss="squared_linear")
    found = measure(Setting("linear", {}, network, PLAIN, Data(x, y)))
    steps = [found.best(size)[1] for size in (8, 32, 128)]
    assert steps[0] > steps[1] > 0.9 * steps[2]
    assert steps[1] == pytest.approx(60, rel=0.15)
