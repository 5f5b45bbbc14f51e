"""Races against training each candidate alone, by hand, and scores of runners that were planted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsgadvise.pilot.race import Candidate, Heat, Runner, fate, log_loss, merit, prospects, scores
from rsgadvise.pilot.reporting import _held_out
from rsgadvise.pilot.task import Task
from rsgadvise.pilot.tournament import predictions
from rsgadvise.training.networks import Array, Data, Network, Weights
from rsgadvise.training.rsg import Pace, Training, train

ONE = Network("single_layer", (4, 3))
TWO = Network("multilayer", (4, 3, 2), (0.9, 0.9), 0.7)
DA = Network("autoencoder", (4, 3), (0.5,), 0.6)
NETWORKS = {"single layer": ONE, "two layers": TWO, "autoencoder": DA}


def task_for(network: Network, rows: int = 30) -> Task:
    rng = np.random.default_rng(0)
    inputs = rng.random((rows, network.layers[0]))
    targets = inputs if network.kind == "autoencoder" else rng.random((rows, network.widths[-1]))
    return Task.of(network, Data(inputs, targets), seed=11, hold_out=False)


def candidate(network: Network, stepsize: float = 0.5, **changed: object) -> Candidate:
    plain = Candidate(
        stepsizes=(stepsize, stepsize / 3)[: len(network.shapes)],
        decay=0.0,
        batch_size=4,
        iterations=200,
        keep_prob=network.keep_prob,
        source="planted",
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


def several(network: Network) -> list[Candidate]:
    """Other stepsizes, decays, batch sizes and keep probabilities, at equal samples."""
    found = [candidate(network), candidate(network, 0.03), candidate(network, 2.0, decay=0.5)]
    found.append(candidate(network, 0.4, batch_size=8, iterations=100))
    if network.kind != "single_layer":
        found.append(candidate(network, 0.4, keep_prob=0.9))
        found.append(candidate(network, 0.3, keep_prob=1.0, batch_size=1, iterations=800))
    return found


def alone(
    task: Task, one: Candidate, start: Weights, first: int, until: int, judged: int
) -> tuple[Weights, float]:
    """(W^until, mean mini-batch loss of the updates from `judged` on), by `rsg.train` with one replica."""
    own = task.keeping(one.keep_prob)
    training = Training(own.network, own.data, (1.0,) * len(one.stepsizes), one.batch_size)
    shots = list(
        train(
            training,
            start,
            [task.stream(0, one.batch_size, first)],
            [np.array([judged, until])],
            first=first,
            pace=Pace(np.array([one.stepsizes]), np.array([one.decay])),
            record=True,
        )
    )
    ends = [float(shot.losses[0]) for shot in shots if shot.losses is not None]
    return shots[-1].weights, (ends[-1] - ends[0]) / (until - judged)


def same(one: Sequence[Array], other: Sequence[Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("threads", [1, 2])
def test_candidates_advance_as_each_would_alone(network: Network, threads: int) -> None:
    """Two heats, the second from where the first ended, with mini-batches of its own."""
    task, candidates = task_for(network), several(network)
    heat = Heat(task, key=0, threads=threads)
    runners = [heat.enter(each) for each in candidates]
    heat.advance(runners, share=0.25)
    between = [runner.weights for runner in runners]
    heat.advance(runners, share=0.6)
    for runner, middle in zip(runners, between, strict=True):
        one = runner.candidate
        first, second = (1 + one.iterations // 4, 1 + one.iterations * 6 // 10)
        weights, loss = alone(task, one, task.start(0), 1, first, first - round(0.375 * first))
        assert same(middle, weights)
        assert runner.history[0][0] == 0.25
        assert runner.history[0][1] == pytest.approx(loss, rel=1e-5)
        weights, loss = alone(task, one, weights, first, second, max(first, second - round(0.375 * second)))
        assert same(runner.weights, weights)
        assert runner.loss == pytest.approx(loss, rel=1e-5)
        assert runner.history[1:] == [(0.6, runner.loss)]
        assert (runner.iteration, runner.done) == (second, 0.6)
    assert heat.work == sum(0.6 * each.samples for each in candidates)


def test_it_is_plain_sgd() -> None:
    """By a loop over the formula, in double precision."""
    task = task_for(ONE)
    heat = Heat(task, key=0, threads=1)
    runner = heat.enter(candidate(ONE, 0.7, decay=0.25))
    heat.advance([runner], share=0.4)
    w = task.start(0)[0][0].astype(np.float64)
    drawn = task.stream(0, 4, 1).batches.integers(0, 30, size=(80, 4))
    losses = []
    for k, rows in enumerate(drawn, start=1):
        x, y = task.data.inputs[rows].astype(np.float64), task.data.targets[rows].astype(np.float64)
        out = 1 / (1 + np.exp(-x @ w.T))
        losses.append(np.square(out - y).sum(axis=1).mean())
        w -= 0.7 * k**-0.25 * (2 * (out - y) * out * (1 - out)).T @ x / 4
    np.testing.assert_allclose(runner.weights[0][0], w, rtol=2e-5, atol=1e-6)
    assert runner.loss == pytest.approx(np.mean(losses[-30:]), rel=1e-5)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_all_start_together_and_see_the_same(network: Network) -> None:
    task = task_for(network)
    heat = Heat(task, key=0, threads=1)
    twins = [heat.enter(candidate(network, source=name)) for name in "abc"]
    others = [heat.enter(candidate(network, 2.0)), heat.enter(candidate(network, 0.01))]
    for runner in (*twins, *others):
        assert same(runner.weights, task.start(0))
    heat.advance([twins[0], others[0], twins[1], others[1]], share=0.3)
    heat.advance([twins[2]], share=0.3)
    assert same(twins[0].weights, twins[1].weights)
    assert same(twins[0].weights, twins[2].weights), "who else ran does not matter"
    assert not same(twins[0].weights, others[0].weights)
    away = Heat(task, key=1, threads=1)
    stranger = away.enter(candidate(network))
    assert not same(stranger.weights, task.start(0))


def test_newcomers_catch_up_in_one_go() -> None:
    task = task_for(ONE)
    heat = Heat(task, key=0, threads=1)
    early, late = heat.enter(candidate(ONE)), heat.enter(candidate(ONE, 0.3))
    heat.advance([early], share=0.2)
    heat.advance([early, late], share=0.5)
    assert early.iteration == late.iteration == 101
    assert (len(early.history), len(late.history)) == (2, 1)
    weights, _ = alone(task, late.candidate, task.start(0), 1, 101, 63)
    assert same(late.weights, weights)
    before = heat.work
    heat.advance([early, late], share=0.5)
    assert heat.work == before, "nobody is where they should be already"
    assert (len(early.history), len(late.history)) == (2, 1)


def test_who_leaves_the_range_of_numbers_has_no_loss_and_no_prospects() -> None:
    task = task_for(ONE)
    heat = Heat(task, key=0, threads=1)
    lost = heat.enter(candidate(ONE, 1e39, rung=2))
    sound = [heat.enter(candidate(ONE, 0.1, rung=0)), heat.enter(candidate(ONE, 0.5, rung=1))]
    alien = heat.enter(candidate(ONE, 1e39))
    runners = [lost, *sound, alien]
    for share in (0.1, 0.4):
        heat.advance(runners, share=share)
    assert math.isinf(lost.loss)
    assert all(math.isfinite(runner.loss) for runner in sound)
    assert prospects(runners)[0] == prospects(runners)[3] == 0
    found = scores(runners)
    assert found[0] == found[3] == np.inf
    assert np.isfinite(found[1:3]).all()


def runner_at(rung: int | None, losses: Sequence[float], shares: Sequence[float] = (0.05, 0.2)) -> Runner:
    """A runner with these losses behind it."""
    history = list(zip(shares, losses, strict=False))
    one = candidate(ONE, rung=rung)
    done = shares[len(losses) - 1]
    return Runner(one, [], iteration=9, done=done, loss=losses[-1], history=history)


@given(
    st.floats(-1.0, 2.0),
    st.floats(0.01, 10.0),
    st.floats(0.001, 0.2),
    st.floats(1.5, 5.0),
)
def test_three_tenths_of_a_trend_are_counted(
    exponent: float, scale: float, early: float, ratio: float
) -> None:
    """c share^-b would be c at the end, share 1; rising losses count against a run."""
    late = early * ratio
    runner = runner_at(0, [scale * s**-exponent for s in (early, late)], (early, late))
    (fall,) = prospects([runner])
    assert fall == pytest.approx(0.3 * math.log(runner.loss / scale), abs=1e-9)


def test_newcomers_are_given_the_middle_of_the_others() -> None:
    ladder = [runner_at(rung, [before, 1.0]) for rung, before in enumerate((2.0, 1.5, 3.0))]
    newcomers = [runner_at(None, [0.4], (0.2,)), runner_at(None, [math.inf])]
    found = prospects([*newcomers, *ladder])
    assert found[0] == found[2] == sorted(found[2:])[1] > 0
    assert found[1] == 0, "a run that has left the range of numbers"
    assert prospects(newcomers) == [0, 0], "nobody tells"


@pytest.mark.parametrize("losses", [[0.0, 0.0], [1.0, 0.0], [math.inf, 1.0], [math.inf, math.inf]])
def test_losses_that_no_power_describes(losses: list[float]) -> None:
    field = [runner_at(0, losses), runner_at(1, [2.0, 1.0])]
    other = pytest.approx(0.3 * math.log(2) / math.log(4) * math.log(5))
    assert prospects(field) == [other if math.isfinite(losses[-1]) else 0, other]
    assert log_loss(field[0]) == (math.log(1e-300) if losses[-1] == 0 else math.log(losses[-1]))


def test_a_score_counts_a_part_of_what_the_next_larger_did_worse() -> None:
    losses = [0.5, 0.3, 0.2, 0.9]
    field = [runner_at(rung, [loss]) for rung, loss in enumerate(losses)]
    logs = np.log(losses)
    expected = [
        logs[0] + 0.05 * (logs[1] - logs[0]),
        logs[1] + 0.05 * (logs[2] - logs[1]),
        logs[2] + 0.05 * min(logs[3] - logs[2], 1.5),
        logs[3],
    ]
    assert scores(field) == pytest.approx(expected)
    assert scores(field[::-1]) == pytest.approx(expected[::-1])
    # The retired count as neighbours and are not scored; whoever stands apart has none.
    apart = runner_at(None, [0.25])
    found = scores([field[1], apart, field[2]], retired=[field[0], field[3]])
    assert found == pytest.approx([expected[1], math.log(0.25), expected[2]])


def test_neighbours_are_compared_where_both_were_seen() -> None:
    """Losses fall: one that was left behind early was no worse for that."""
    field = [runner_at(0, [0.8, 0.4]), runner_at(1, [0.7])]
    fall = prospects(field[:1])[0]
    (score,) = scores(field[:1], retired=field[1:])
    assert score == pytest.approx(math.log(0.4) - fall + 0.05 * math.log(0.7 / 0.8))
    (stranger,) = scores([runner_at(0, [0.4], (0.3,))], retired=field[1:])
    assert stranger == pytest.approx(math.log(0.4)), "they never met"


def test_a_neighbour_that_fails_costs_a_little() -> None:
    """Equal losses: the one below a diverged stepsize is the riskier, the diverged itself is last."""
    field = [runner_at(0, [0.4]), runner_at(1, [0.4]), runner_at(2, [math.inf])]
    found = scores(field)
    assert found[0] == pytest.approx(math.log(0.4))
    assert found[1] == pytest.approx(math.log(0.4) + 0.05 * 1.5)
    assert found[2] == np.inf


def test_what_is_still_to_come_decides() -> None:
    """A larger loss that falls faster may be ahead at the end."""
    slow, fast = runner_at(4, [0.31, 0.30]), runner_at(1, [0.9, 0.35])
    assert slow.loss < fast.loss
    found = scores([slow, fast])
    assert found[1] < found[0]
    assert found[1] == pytest.approx(math.log(0.35) - 0.3 * math.log(0.9 / 0.35) / math.log(4) * math.log(5))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (0.5, None),
        (1.0, None),
        (1.01, None),
        (1.02, "no better than a constant"),
        (math.inf, "diverged"),
        (math.nan, "diverged"),
    ],
)
def test_the_fate_of_a_loss(loss: float, expected: str | None) -> None:
    assert fate(loss, 1.0) == expected


def usual_at(rung: int, losses: Sequence[float], doublings: float, done: float = 0.2) -> Runner:
    """A runner of the ladder, so many doublings from the usual stepsize."""
    runner = runner_at(rung, losses, (done / 4, done))
    return replace(runner, candidate=replace(runner.candidate, unusual=0.125 * doublings))


def test_losses_about_a_constants_are_equal_and_the_usual_stepsize_comes_first() -> None:
    """Of a plateau the noise of long steps is seen, and not what they will learn."""
    plateau = [
        usual_at(rung, [1.0, loss], doublings)
        for rung, loss, doublings in ((-1, 0.955, 2.5), (1, 0.999, 0.5), (3, 1.028, 1.5))
    ]
    assert np.argsort(scores(plateau, constant=1.0)).tolist() == [1, 2, 0]
    assert np.argsort([merit(runner, 1.0) for runner in plateau]).tolist() == [1, 2, 0]
    assert scores(plateau, constant=1.0) == pytest.approx([0.125 * 0.8 * far for far in (2.5, 0.5, 1.5)])
    neighbourless = plateau[:2]
    assert scores(neighbourless) == pytest.approx(
        [merit(each, None) - f for each, f in zip(neighbourless, prospects(neighbourless), strict=True)]
    )
    for losses in ((0.94, 0.999), (0.999, 1.04)):
        learnt = [usual_at(rung, [1.0, loss], 0, 1.0) for rung, loss in zip((-1, 1), losses, strict=True)]
        assert np.argmin(scores(learnt, constant=1.0)) == 0, "a lower loss counts as ever beyond these"


@pytest.mark.parametrize(
    ("done", "best"),
    [
        (0.2, 1),  # 0.125 * 0.8 * 2 doublings > log(0.66 / 0.6) = 0.095
        (0.7, 0),  # 0.125 * 0.3 * 2 is less
        (1.0, 0),
    ],
)
@pytest.mark.parametrize("constant", [1.0, None])
def test_small_differences_count_less_the_less_was_seen(
    done: float, constant: float | None, best: int
) -> None:
    level = [usual_at(-1, [0.6, 0.6], 2.5, done), usual_at(1, [0.66, 0.66], 0.5, done)]
    assert np.argmin(scores(level, constant=constant)) == best
    assert np.argmin([merit(runner, constant) for runner in level]) == best


@pytest.mark.parametrize(
    ("loss", "values"),
    [("squared", (-0.2, 0.2)), ("binary_cross_entropy", (-0.2, 0.2)), ("squared_linear", (0.3, 0.7))],
)
def test_a_single_output_is_counted_on_the_side_of_one_half(loss: str, values: tuple[float, float]) -> None:
    """A prediction below 1/2 is the first class, one above it the second."""
    network = Network("single_layer", (1, 1), loss=loss)
    rows = Data(np.array(values)[:, None], np.array([[0.0], [1.0]]))
    task = replace(Task.of(network, rows, seed=0, hold_out=False), held_out=rows)
    finalist: Any = SimpleNamespace(looks=SimpleNamespace(weights=[np.ones((1, 1, 1))]))
    assert _held_out(task, finalist)["held_out_error"] == 0


def test_predictions_have_the_biases_and_every_unit_by_the_share_that_is_kept() -> None:
    network = Network("multilayer", (3, 4, 2), (2.0, 2.0), 0.6, ("tanh",), "squared_linear", bias=True)
    rng = np.random.default_rng(0)
    x, first, last = rng.random((7, 3)), rng.normal(size=(4, 4)), rng.normal(size=(2, 5))
    hidden = np.tanh(0.6 * x @ first[:, :3].T + first[:, 3])
    expected = 0.6 * hidden @ last[:, :4].T + last[:, 4]
    np.testing.assert_allclose(predictions(network, [first[None], last[None]], x), expected, rtol=1e-13)
