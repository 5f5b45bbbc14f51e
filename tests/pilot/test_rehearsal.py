"""Whole trainings of what won: how long to train, and whether other starts bear the stepsize."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run

from rsgadvise import recommend
from rsgadvise.advise.results import Advice, TrainingPlan
from rsgadvise.pilot import rehearsal
from rsgadvise.pilot.checkpoints import LOSS_COST
from rsgadvise.pilot.forecast import REHEARSED, expected
from rsgadvise.pilot.race import Candidate
from rsgadvise.pilot.rehearsal import _best, rehearsal_length, rehearse
from rsgadvise.pilot.task import Classes, Task
from rsgadvise.theory.optimizers import optimizer_of
from rsgadvise.training import rsg
from rsgadvise.training.networks import Data, Network

RNG = np.random.default_rng(11)
LENGTHS = 2 ** (np.arange(13) / 2)


def chosen(
    losses: Any, wrong: Any = 0, allowed: Any = True, *, rows: int = 100, oscillates: bool = False
) -> int:
    """Of so many rows held out, of which the first ones are wrong."""
    losses = np.asarray(losses, dtype=float)
    counts, able = np.broadcast_to(wrong, len(losses)), np.broadcast_to(allowed, len(losses))
    each = (np.arange(rows) < counts[:, None]).astype(float)
    return _best(losses, each, able, oscillates=oscillates)


VALLEY = np.abs(np.log(LENGTHS / LENGTHS[6])) + 1


@pytest.mark.parametrize("oscillates", [False, True])
def test_the_length_that_held_out_rows_do_best_after(oscillates: bool) -> None:
    assert abs(chosen(VALLEY, oscillates=oscillates) - 6) <= 1
    assert chosen(np.linspace(2, 1, 13), oscillates=oscillates) == 12, "it still falls"
    assert chosen(np.ones(13), oscillates=oscillates) == 12, "it is level"


def test_of_lengths_that_are_about_as_good_the_longest() -> None:
    losses = [3, 2, 1, 1.05, 1.09, 1.11, 1.2]
    assert chosen(losses) == 4
    assert chosen([*losses, 1.09]) == 7


def test_a_last_look_that_jumps_is_passed_over() -> None:
    falls = np.linspace(2, 1, 13)
    falls[-1] = 5
    assert chosen(falls, oscillates=True) == 12
    assert chosen(falls) == 11


def test_more_errors_speak_against_an_early_end() -> None:
    wrong = np.where(np.arange(13) < 10, 10, 0)
    assert chosen(VALLEY, wrong) >= 10
    assert chosen(VALLEY, wrong[::-1]) < 10
    few = np.where(np.arange(13) < 10, 2, 0)  # of 100 rows: by accident
    assert chosen(VALLEY, few) == 6
    assert chosen(VALLEY, 10 * few, rows=1000) >= 10


def test_lengths_that_may_not_be_chosen_are_not_and_no_number_is_no_verdict() -> None:
    assert chosen(VALLEY, allowed=np.arange(13) >= 8) == 8
    assert chosen(VALLEY, allowed=np.arange(13) >= 12) == 12
    assert chosen(np.where(np.arange(13) == 3, np.inf, VALLEY)) == 12
    assert chosen(np.ones(1)) == 0


@pytest.mark.parametrize("cooldown", [0.05, 0.5, 1.0])
def test_each_length_is_a_training_of_its_own(cooldown: float) -> None:
    """One of plain gradient descent, whose batches are all of one row, is the same whatever it shares."""
    row = Data(np.full((1, 2), 0.5, np.float32), np.full((1, 1), 0.9, np.float32))
    network = Network("multilayer", (2, 3, 1), (5.0, 5.0))
    task = Task(network, row, row, judge=None, seed=0)
    candidate = Candidate((0.7, 0.3), 0.0, 1, 64, 1.0, "grid")
    found = rehearse(task, candidate, cooldown=cooldown)
    assert [look.iterations for look in found.looks] == [1, 2, 4, 8, 16, 32, 64]
    for look in found.looks:
        first, second = (matrix[0].astype(float) for matrix in task.start(8))
        for k in range(1, look.iterations + 1):
            factor = min(1.0, (look.iterations + 1 - k) / (cooldown * look.iterations + 1))
            h = 1 / (1 + np.exp(-first @ [0.5, 0.5]))
            out = 1 / (1 + np.exp(-second @ h))
            error = 2 * (out - 0.9) * out * (1 - out)
            back = (second.T @ error) * h * (1 - h)
            second = second - 0.3 * factor * np.outer(error, h)
            first = first - 0.7 * factor * np.outer(back, [0.5, 0.5])
        h = 1 / (1 + np.exp(-first @ [0.5, 0.5]))
        assert look.loss == pytest.approx(float((1 / (1 + np.exp(-second @ h)) - 0.9)[0] ** 2), rel=1e-4)
    length = sum(look.iterations - math.floor((1 - cooldown) * look.iterations) for look in found.looks)
    assert rehearsal_length(cooldown) == pytest.approx((64 * (1 - cooldown) + length) / 64, abs=0.2)


ADAM = optimizer_of("adam")


@pytest.mark.parametrize(
    ("cooldown", "longest"), [(0.0, 40), (0.5, 1), (0.5, 2), (0.5, 3), (0.5, 50), (1.0, 9)]
)
def test_threads_change_nothing_and_work_is_what_was_computed(
    cooldown: float, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an optimiser with a memory and units that are dropped, from three starts."""
    updates, step = [0], rsg._Run._step

    def counting(self: Any) -> None:
        updates[0] += len(self.replicas)
        step(self)

    monkeypatch.setattr(rsg._Run, "_step", counting)
    monkeypatch.setattr(rsg, "THREAD_WORK", 0.0)
    data = Data(X[:90].astype(np.float32), Y[:90, None].astype(np.float32))
    task = Task(Network("multilayer", (6, 5, 1), (5.0, 5.0)), data, data, judge=None, seed=3, optimizer=ADAM)
    candidate = Candidate((0.02, 0.01), 0.0, 8, longest, 0.8, "grid")
    one, two = (rehearse(task, candidate, cooldown=cooldown, replicas=3, threads=each) for each in (1, 2))
    assert one == two
    looking = LOSS_COST * len(one.looks) * 180 * 3
    assert one.work == pytest.approx(8 * updates[0] / 2 + looking)


def test_what_is_learnt_by_heart_is_not_trained_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle goes on to the end, and chooses the same."""
    labels = np.eye(2, dtype=np.float32)[(RNG.random(300) < 0.5).astype(int)]
    data, others = (Data(X[rows].astype(np.float32), labels[rows]) for rows in (np.s_[:150], np.s_[150:300]))
    units: Any = {"activations": ("tanh",), "loss": "cross_entropy", "bias": True}
    network = Network("multilayer", (6, 24, 2), (50.0, 50.0), **units)
    task = Task(network, data, others, judge=Classes(0.5), seed=1, optimizer=ADAM)
    candidate = Candidate((0.3, 0.3), 0.0, 16, 16384, 1.0, "grid")
    found, late = (rehearse(task, candidate, cooldown=0.5, fewest=each) for each in (1, 4096))
    monkeypatch.setattr(rehearsal, "_by_heart", lambda *_: False)
    whole = rehearse(task, candidate, cooldown=0.5)
    assert found.looks == whole.looks[: len(found.looks)]
    assert (found.best, found.share, found.longest) == (whole.best, whole.share, 16384)
    assert len(found.looks) < len(whole.looks) - 2
    assert found.work < 0.3 * whole.work
    held = [look.held_out_loss for look in found.looks]
    assert held[-1] > held[-2] > 1.1 * min(held)
    assert late.best == rehearse(task, candidate, cooldown=0.5, fewest=4096).best
    assert late.best.iterations >= 4096, "lengths that may not be chosen end no training"


@pytest.mark.parametrize(
    ("wrong", "stops"), [((9, 9, 9, 9), True), ((9, 9, 8, 8), True), ((30, 9, 9, 5), False)]
)
def test_rows_that_come_out_right_all_the_same_are_trained_on(wrong: tuple[int, ...], stops: bool) -> None:
    each = (np.arange(100) < np.array(wrong)[:, None]).astype(float)
    own = np.array([1.0, 0.4, 0.2, 0.1])
    assert rehearsal._by_heart(own, np.array([1.0, 0.5, 0.6, 0.7]), each) == stops
    assert not rehearsal._by_heart(own, np.array([1.0, 0.5, 0.6, 0.59]), each)
    assert not rehearsal._by_heart(own, np.array([1.0, 0.5, 0.52, 0.7]), each)
    rises = np.array([1.0, 0.03, 0.2, 0.35])
    assert not rehearsal._by_heart(rises, np.array([1.0, 0.5, 0.6, 0.7]), each), "unstable steps"


# A table of which little can be learnt: the oracle is stochastic gradient descent in plain numpy.

X = RNG.random((400, 6))
TRUTH = 0.5 + 0.25 * (X - 0.5) @ RNG.normal(size=6)
Y = np.clip(TRUTH + 0.25 * RNG.normal(size=400), 0, 1)
SPEC: dict[str, Any] = {
    "network": {"kind": "multilayer", "layers": [6, 24, 1], "weight_bound": 50},
    "search": {"batch_size": [16]},
    "training": {"keep_prob": 1},
    "budget": {"epochs": 800},
}


@pytest.fixture(scope="module")
def advice() -> Advice:
    return recommend(SPEC, data=(X[:160], Y[:160]))


@pytest.fixture(scope="module")
def plan(advice: Advice) -> TrainingPlan:
    assert advice.train is not None
    return advice.train


def trained(plan: TrainingPlan, iterations: int, rows: Any = np.arange(160)) -> float:  # noqa: B008
    """Squared error on the rows that nobody saw, in the mean of three seeds."""
    found, others = [], np.setdiff1d(np.arange(len(X)), rows)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        weights = [rng.normal(size=shape) / shape[1] ** 0.5 for shape in ((24, 6), (1, 24))]
        for k in range(1, iterations + 1):
            batch = rows[rng.integers(len(rows), size=16)]
            h = 1 / (1 + np.exp(-X[batch] @ weights[0].T))
            out = 1 / (1 + np.exp(-h @ weights[1].T))
            error = 2 * (out - Y[batch, None]) * out * (1 - out) / 16
            back = (error @ weights[1]) * h * (1 - h)
            slopes = back.T @ X[batch], error.T @ h
            fall = min(1.0, (iterations + 1 - k) / (plan.cooldown * iterations + 1))
            gammas = fall * np.atleast_1d(plan.stepsize)
            weights = [w - gamma * slope for w, gamma, slope in zip(weights, gammas, slopes, strict=True)]
        h = 1 / (1 + np.exp(-X[others] @ weights[0].T))
        out = 1 / (1 + np.exp(-h @ weights[1].T))
        found.append(np.mean((out[:, 0] - Y[others]) ** 2))
    return float(np.mean(found))


def test_a_noisy_table_is_not_learnt_by_heart(advice: Advice, plan: TrainingPlan) -> None:
    """By shorter steps or fewer of them than the race would go on with."""
    whole = plan.looks[-1]
    assert whole.iterations == 8000
    assert plan.held_out_loss is not None
    assert plan.held_out_loss <= whole.held_out_loss
    won = replace(plan, stepsize=advice.pilot.raced[0].stepsizes)  # type: ignore[attr-defined]
    assert trained(plan, plan.iterations) < 0.9 * trained(won, whole.iterations)


def test_its_losses_are_those_that_are_told(plan: TrainingPlan) -> None:
    (here,) = (look for look in plan.looks if look.iterations == plan.iterations)
    assert (plan.loss, plan.held_out_loss) == (here.loss, here.held_out_loss)
    own = next(each for each in plan.expected if each.iterations == plan.iterations)
    assert own.loss == pytest.approx(here.loss)
    assert [each.iterations for each in plan.expected] == sorted({each.iterations for each in plan.expected})


def test_a_training_of_few_steps_has_no_shorter_ones_to_expect() -> None:
    curve = [(k, 1 / k) for k in range(1, 12)]
    assert [each.iterations for each in expected(curve, 2, seen=REHEARSED)] == [1, 2, 4, 8, 16]
    assert [each.iterations for each in expected(curve, 1, seen=REHEARSED)] == [1, 2, 4, 8]


def test_nothing_is_rehearsed_where_the_length_or_the_pilot_is_given() -> None:
    data = X[:160], Y[:160]
    fixed = {key: value for key, value in SPEC.items() if key != "budget"}
    fixed["training"] = {"keep_prob": 1, "iterations": 3000}
    found = recommend(fixed, data=data).train
    assert found is not None
    assert (found.iterations, found.looks) == (3000, ())
    search = {"iterations": {"min": 5000, "max": 10**5}, "batch_size": [16]}
    least = recommend({**SPEC, "search": search}, data=data).train
    assert least is not None
    assert least.iterations >= 5000
    plain = recommend(SPEC, data=data, pilot=1.0).train
    assert plain is not None
    assert (plain.looks, plain.iterations) == ((), 8000)


def test_steps_that_most_starts_do_not_bear_are_halved() -> None:
    """Five rows again and again: the race's start bears steps at which five of six others end stuck."""
    rows = np.array([(0.1, 0.2, 0), (0.9, 0.8, 1), (0.2, 0.1, 0), (0.8, 0.9, 1), (0.3, 0.1, 0)] * 60)
    spec = {
        "network": {"kind": "multilayer", "layers": [2, 4, 1], "weight_bound": 5},
        "budget": {"epochs": 30},
    }
    advice = recommend(spec, data=(rows[:, :2], rows[:, 2:]))
    assert advice.train is not None
    assert advice.train.held_out_error == 0
    assert advice.train.loss is not None
    assert advice.train.loss < 0.02
    won = advice.pilot.raced[0].stepsizes  # type: ignore[attr-defined]
    assert np.all(np.divide(won, advice.train.stepsize) > 3.9)
    assert "of the stepsize that won short runs: whole trainings" in " ".join(advice.notes)


@pytest.mark.parametrize("flipped", [0.25, 0.0])
def test_a_part_of_a_training_tells_where_the_whole_is_too_much_work(flipped: float) -> None:
    """If rows held out are past their best by then; else the training is as long as it was to be."""
    labels = (X[:160, 0] > 0.5) ^ (np.random.default_rng(0).random(160) < flipped)
    network = {**SPEC["network"], "layers": [6, 24, 2], "activation": "tanh", "loss": "cross_entropy"}
    training = {"keep_prob": 1, "optimizer": "adam"}
    spec = {**SPEC, "network": {**network, "bias": True}, "training": training}
    plan = recommend(spec, data=(X[:160], labels), work=2e9).train
    assert plan is not None
    if flipped:
        assert plan.iterations < plan.looks[-1].iterations <= 4000
        assert plan.held_out_loss is not None
        assert plan.held_out_loss < plan.looks[-1].held_out_loss
    else:
        assert (plan.iterations, plan.looks) == (8000, ())


@pytest.mark.parametrize("fewest", [1, 4500])
def test_a_part_of_a_training_is_none_where_it_may_not_be_so_short(fewest: int) -> None:
    network = {**SPEC["network"], "layers": [6, 24, 2], "activation": "tanh", "loss": "cross_entropy"}
    search = {"iterations": {"min": fewest, "max": 10**6}, "batch_size": [8]}
    spec = {"network": network, "search": search, "training": {"keep_prob": 1}, "budget": {"epochs": 1000}}
    plan = recommend(spec, data=(X[:40], (X[:40, 0] > 0.5).astype(int)), work=4e9).train
    assert plan is not None
    assert bool(plan.looks) == (fewest == 1)
    assert plan.iterations >= fewest


# Too few rows to hold some out of all runs: in whole trainings each fifth is, in its turn.


def few(rows: int, network: Network, targets: Any = None) -> Task:
    y = (np.arange(rows) % 3 > 0) if targets is None else targets
    data = Data(X[:rows], np.eye(2)[y.astype(int)])
    return Task.of(network, data, seed=4, hold_out=True)


def test_of_few_rows_each_is_held_out_once() -> None:
    network = Network("multilayer", (6, 5, 2), (5.0, 5.0))
    for rows in (10, 23, 49):
        folds = few(rows, network).folds
        assert len(folds) == 5
        held = [fold.held_out for fold in folds]
        assert sorted(each.inputs[k, 0] for each in held if each for k in range(each.rows)) == pytest.approx(
            sorted(X[:rows, 0])
        )
        for fold, each in zip(folds, held, strict=True):
            assert each is not None
            assert each.rows in (rows // 5, rows // 5 + 1)
            assert fold.data.rows + each.rows == rows
            assert not set(fold.data.inputs[:, 0]) & set(each.inputs[:, 0])
    assert few(9, network).folds == ()
    enough = few(50, network)
    assert enough.folds == (enough,)


def test_their_losses_are_those_of_all_rows_held_out() -> None:
    """The oracle: each of them rehearsed for itself."""
    task = few(23, Network("multilayer", (6, 5, 2), (5.0, 5.0)))
    candidate = Candidate((0.7, 0.3), 0.0, 4, 40, 1.0, "grid")
    found = rehearse(task, candidate, cooldown=0.5, replicas=2)
    alone = [rehearse(fold, candidate, cooldown=0.5, replicas=2) for fold in task.folds]
    rows = [fold.held_out.rows for fold in task.folds if fold.held_out]
    for place, look in enumerate(found.looks):
        each = [one.looks[place] for one in alone]
        assert look.iterations == each[0].iterations
        assert look.loss == pytest.approx(np.mean([one.loss for one in each]))
        for name in ("held_out_loss", "held_out_error"):
            pooled = np.average([getattr(one, name) for one in each], weights=rows)
            assert getattr(look, name) == pytest.approx(pooled)
    assert found.work == pytest.approx(sum(one.work for one in alone))
    assert (found.folds, alone[0].folds) == (5, 1)
    assert found.constant[0] == pytest.approx(np.mean(np.arange(23) % 3 == 0))  # the rarer class


def test_what_few_rows_do_not_tell_is_not_learnt_by_heart() -> None:
    """Labels by a coin, of which no training tells more than a coin does."""
    labels = np.random.default_rng(0).permutation(np.arange(40) % 2)
    spec = {
        "network": {
            "kind": "multilayer",
            "layers": [6, 24, 2],
            "activation": "tanh",
            "loss": "cross_entropy",
            "bias": True,
        },
        "search": {"batch_size": [8]},
        "training": {"keep_prob": 1},
        "budget": {"epochs": 400},
    }
    plan = recommend(spec, data=((X[:40] > 0.5).astype(float), labels)).train
    assert plan is not None
    assert plan.folds == 5
    assert plan.looks[-1].loss < 0.5, "it can be learnt by heart"
    assert plan.held_out_error is not None
    assert abs(plan.held_out_error - 0.5) < 3 * 0.5 / math.sqrt(40)
    assert plan.held_out_loss is not None
    assert plan.held_out_loss > 0.65
    assert plan.iterations < 0.2 * plan.looks[-1].iterations


def test_what_few_rows_tell_of_new_ones_is_so() -> None:
    """The oracle is the training that is advised, in plain numpy, and 360 rows that nobody saw."""
    told, true, own = [], [], []
    for part in np.split(np.arange(240), 6):
        plan = recommend({**SPEC, "budget": {"epochs": 500}}, data=(X[part], Y[part])).train
        assert plan is not None
        assert plan.folds == 5
        told.append(plan.held_out_loss or 0.0)
        true.append(trained(plan, plan.iterations, part))
        own.append(plan.loss or 0.0)
    assert np.mean(told) == pytest.approx(np.mean(true), rel=0.25)
    assert np.mean(own) < 0.7 * np.mean(true), "what was told without them"


@pytest.mark.parametrize(("rows", "options"), [(9, ()), (40, ("--pilot", "1"))])
def test_where_nothing_is_held_out_it_is_said(
    tmp_path: Path, run: Run, rows: int, options: tuple[str, ...]
) -> None:
    lines = [f"{a:.3f},{b:.3f},{int(a > 0.5)}" for a, b in X[:rows, :2]]
    (tmp_path / "few.csv").write_text("\n".join(["a,b,y", *lines, ""]))
    asked = ("--target", "y", "--hidden", "4", "--epochs", "60", "-q", *options)
    table = run.words("recommend", tmp_path / "few.csv", *asked)
    assert "no rows were held out, so that it says little of new ones" in table


def test_it_is_said(run: Run) -> None:
    table = run.words("recommend", "configs/seedlings.csv")
    assert "Trained so on four fifths of the rows it " in table
    assert "so it ends early" in table
    assert "Expected at the end" not in table
