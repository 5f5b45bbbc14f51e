"""Whole races: who meets whom, and by what networks that differ in their masks are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import present
from numpy.typing import NDArray

from rsgadvise import recommend
from rsgadvise.pilot import race
from rsgadvise.pilot.checkpoints import Looks, look_along
from rsgadvise.pilot.race import Candidate, Runner
from rsgadvise.pilot.reporting import raced_spread
from rsgadvise.pilot.results import PilotAdvice
from rsgadvise.pilot.task import Task
from rsgadvise.pilot.tournament import Finalist, Tournament, loss_of, predictions
from rsgadvise.show.report.advice import brief
from rsgadvise.theory.optimizers import optimizer_of
from rsgadvise.training.curvature import Curvature
from rsgadvise.training.networks import Data, Network, Weights, initial_weights
from rsgadvise.training.rsg import Snapshot, Stream, Training, train

Float = NDArray[np.float64]
X = np.random.default_rng(0).random((400, 12))
LABELS = np.argmax((X - 0.5) @ (3 * np.random.default_rng(1).standard_normal((12, 3))), axis=1)
SPEC: dict[str, Any] = {
    "network": {"kind": "multilayer", "layers": [12, 6, 3], "weight_bound": 20.0},
    "training": {"batch_size": 16, "iterations": 4000},
}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Tournament]:
    """Every tournament that is run."""
    found: list[Tournament] = []
    run = Tournament.run

    def watched(self: Tournament) -> None:
        found.append(self)
        run(self)

    monkeypatch.setattr(Tournament, "run", watched)
    return found


def raced(keep_prob: Any, pilot: float = 0.5, seed: int = 0) -> PilotAdvice:
    spec = {**SPEC, "search": {"keep_prob": keep_prob}}
    found = recommend(spec, data=(X, LABELS), constants="calibrated", pilot=pilot, seed=seed)
    assert isinstance(found, PilotAdvice)
    return found


def unmasked_loss(weights: Weights, keep_prob: float, data: Data) -> float:
    """Of a network that keeps every unit at its mean."""
    signal = data.inputs.astype(np.float64)
    for matrix in weights:
        signal = 1 / (1 + np.exp(-keep_prob * signal @ matrix[0].T))
    return float(np.square(signal - data.targets).sum(axis=1).mean())


@pytest.mark.parametrize("seed", range(3))
def test_networks_with_other_masks_are_compared_without_any(
    seed: int, seen: list[Tournament], monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = counted(monkeypatch)
    found = raced([0.4, 0.7, 1.0], seed=seed)
    (tournament,) = seen
    held_out = tournament.task.held_out
    assert tournament.comparing
    assert held_out is not None
    assert held_out.rows == 80
    went_far = [
        runner for runner in tournament.standing if len(runner.history) > 1 or runner.candidate.rung is None
    ]
    assert {runner.candidate.keep_prob for runner in went_far} == {0.4, 0.7, 1.0}
    for runner in went_far:
        true = unmasked_loss(runner.weights, runner.candidate.keep_prob, held_out)
        assert runner.loss == pytest.approx(true, rel=1e-4)
    (finalist,) = tournament.finalists
    assert finalist.runner is tournament.winner
    keep = finalist.runner.candidate.keep_prob
    assert finalist.end == pytest.approx(unmasked_loss(finalist.looks.weights, keep, held_out), rel=1e-4)
    assert tournament.work <= tournament.allowance
    assert found.pilot.raced[0].outcome == "won"
    assert tournament.work == pytest.approx(spent())


def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """What a race spends, by who spends it: heats, second runs, and losses, each a third of a gradient."""
    heats, looked = list[race.Heat](), list[float]()
    enter = race.Heat.enter

    def entered(heat: race.Heat, candidate: Candidate) -> Runner:
        if heat not in heats:
            heats.append(heat)
        return enter(heat, candidate)

    def looking(*arguments: Any, **options: Any) -> Looks:
        looks = look_along(*arguments, **options)
        looked.append(looks.work)
        return looks

    def predicting(network: Network, weights: Weights, inputs: Float) -> NDArray[np.floating]:
        looked.append(len(inputs) / 3)
        return predictions(network, weights, inputs)

    monkeypatch.setattr(race.Heat, "enter", entered)
    monkeypatch.setattr("rsgadvise.pilot.tournament.look_along", looking)
    monkeypatch.setattr("rsgadvise.pilot.reporting.predictions", predictions)  # after the race: not its work
    monkeypatch.setattr("rsgadvise.pilot.tournament.predictions", predicting)
    return lambda: sum(heat.work for heat in heats) + sum(looked)


def test_masks_alone_do_not_make_a_finalist_fail(
    seen: list[Tournament], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With few units kept the loss under masks is that of a constant, and that of the network is not."""

    def masked_first(runners: Sequence[Runner], *others: Any, **about: Any) -> Float:
        keep = np.array([runner.candidate.keep_prob for runner in runners])
        return np.asarray(race.scores(runners, *others, **about) + 1e3 * keep)

    monkeypatch.setattr("rsgadvise.pilot.tournament.scores", masked_first)
    found = raced([0.4, 1.0], pilot=4.0)
    (tournament,) = seen
    (masked,) = [each for each in tournament.finalists if each.runner.candidate.keep_prob == 0.4]
    constant = tournament.constant
    assert masked.end < constant < 1.01 * constant < masked.looks.losses[-1], "planted"
    assert tournament.winner is masked.runner
    assert (found.pilot.raced[0].keep_prob, found.pilot.raced[0].outcome) == (0.4, "won")


def test_one_keep_probability_is_judged_by_what_it_trains_on(seen: list[Tournament]) -> None:
    raced([0.8])
    (tournament,) = seen
    assert not tournament.comparing
    (finalist,) = tournament.finalists
    assert finalist.end == np.median(finalist.looks.losses[-3:])
    assert tournament.work <= tournament.allowance
    heats = [len(runner.history) for runner in tournament.standing]
    assert sorted(heats) == [1] * (len(heats) - 4) + [2, 3, 4, 4]
    assert len(finalist.runner.history) == 4


class Spoilt:
    """Ends the first so many second runs at a loss: that of no constant, or only far above the first."""

    def __init__(self, count: int, loss: float = 5.0) -> None:
        self.left, self.loss, self.seen = count, loss, list[tuple[float, ...]]()

    def __call__(self, training: Training, *arguments: Any, **options: Any) -> Looks:
        looks = look_along(training, *arguments, **options)
        self.seen.append(training.stepsizes)
        self.left -= 1
        if self.left < 0:
            return looks
        losses = looks.losses.copy()
        losses[-3:] = self.loss
        return replace(looks, losses=losses)


def test_a_winner_that_fails_again_is_replaced(
    seen: list[Tournament], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the other one of the last heat, run again too."""
    spoilt = Spoilt(1)
    monkeypatch.setattr("rsgadvise.pilot.tournament.look_along", spoilt)
    found = raced([0.8])
    (tournament,) = seen
    failed, winner = tournament.finalists[0].runner, tournament.winner
    assert winner is not None
    assert winner is tournament.finalists[1].runner
    assert winner is not failed
    assert spoilt.seen == [failed.candidate.stepsizes, winner.candidate.stepsizes]
    assert winner.done == failed.done == max(runner.done for runner in tournament.standing)
    assert tournament.work <= tournament.allowance
    pilot = found.pilot
    assert pilot.raced[0].outcome == "won"
    assert pilot.raced[0].stepsizes == winner.candidate.stepsizes
    (lost,) = [each for each in pilot.raced if each.stepsizes == failed.candidate.stepsizes]
    assert lost.outcome == "no better than a constant"
    assert pilot.loss == tournament.finalists[1].looks.losses[-1]
    assert "failed when it was run again" in found.why[0]


def test_nobody_wins_where_all_fail_again(seen: list[Tournament], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsgadvise.pilot.tournament.look_along", Spoilt(9))
    found = raced([0.8])
    assert seen[0].winner is None
    assert "won" not in {each.outcome for each in found.pilot.raced}
    assert found.notes[0].startswith("Run again from another seed, the best of the race did no better")


class Spoiler:
    """Gives whoever runs the last heat a loss that no constant prediction has, for the first so many."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        self.left, self.spoilt = count, list[Runner]()
        advance = race.Heat.advance

        def spoiling(heat: race.Heat, runners: Any, *, share: float) -> None:
            advance(heat, runners, share=share)
            for runner in runners:
                # The second heat has more runners, the third has three.
                if len(runners) <= 2 and len(runner.history) >= 2 and self.left > 0:
                    self.left -= 1
                    runner.loss = 5.0
                    self.spoilt.append(runner)

        monkeypatch.setattr(race.Heat, "advance", spoiling)


def test_nobody_wins_who_was_left_behind_before_the_last_heat(
    seen: list[Tournament], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiler = Spoiler(monkeypatch, 9)
    found = raced([0.8])
    (tournament,) = seen
    assert len(spoiler.spoilt) == 3, "the two of the last heat, and one that was brought on"
    sound = [each for each in found.pilot.raced if each.outcome == "left behind"]
    assert sound, "or this tests nothing"
    assert "won" not in {each.outcome for each in found.pilot.raced}
    assert tournament.winner is None
    assert tournament.finalists == []
    assert found.notes[0].startswith("Whoever ran the last heat of the race did no better than a constant")
    assert found.cost <= 0.5


def test_one_left_behind_is_brought_on_where_the_last_two_fail(
    seen: list[Tournament], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiler = Spoiler(monkeypatch, 2)
    found = raced([0.8])
    (tournament,) = seen
    winner = present(tournament.winner)
    assert winner not in spoiler.spoilt
    assert winner.done == max(runner.done for runner in tournament.standing)
    assert found.pilot.raced[0].outcome == "won"
    assert found.pilot.raced[0].share == winner.done
    assert tournament.work <= tournament.allowance


@pytest.mark.parametrize("enough", [False, True])
def test_nobody_is_brought_on_whose_way_is_too_long(
    enough: bool, seen: list[Tournament], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last heat, whose two fail, as much is left as the best of the others needs, or less."""
    Spoiler(monkeypatch, 2)
    advance, left = race.Heat.advance, list[float]()

    def spending(heat: race.Heat, runners: Any, *, share: float) -> None:
        (tournament,) = seen
        before = tournament.work - heat.work
        advance(heat, runners, share=share)
        if all(runner.loss == 5.0 for runner in runners):
            far = max(each.done for each in tournament.standing if each not in runners)
            left.append((share - far) * runners[0].candidate.samples)
            tournament.allowance = before + heat.work + (left[0] + 1000 if enough else 0.9 * left[0])

    monkeypatch.setattr(race.Heat, "advance", spending)
    found = raced([0.8])
    (tournament,) = seen
    farthest = max(each.done for each in tournament.standing)
    assert [each.done for each in tournament.standing].count(farthest) == (3 if enough else 2)
    assert (tournament.winner is not None) == enough
    assert ("won" in {each.outcome for each in found.pilot.raced}) == enough
    assert len(left) == 1
    assert tournament.work <= tournament.allowance or not enough, "then what would help is tried"


SLOW = 0.64


@pytest.mark.parametrize("slow", [0, 1, 2])
def test_a_second_run_that_does_not_repeat_the_first_is_said_to(
    slow: int, seen: list[Tournament], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsgadvise.pilot.tournament.look_along", Spoilt(slow, SLOW))
    found = raced([1.0], pilot=1.0)
    (tournament,) = seen
    leader = tournament.finalists[0].runner
    first = found.pilot.again[0]
    (before,) = [loss for share, loss in leader.judged if share == first.first_share]
    assert first.first_loss == before
    assert first.repeats == (slow == 0)
    said = [note for note in found.notes if note.startswith("Seeds decide much: a second run had a loss of")]
    assert len(said) == (slow > 0)
    assert all(note in brief(found) and note.endswith("from several and keep the best.") for note in said)
    assert len(found.pilot.again) == (1 if slow == 0 else 2)
    # The other finalist, from the same new seed, takes its place where its two runs are lower together.
    lowest = min(tournament.finalists, key=lambda finalist: finalist.both)
    assert tournament.winner is (leader if slow == 0 else lowest.runner)
    if slow == 1:
        assert tournament.winner is not leader
    if slow:
        assert tournament.finalists[1].runner is not leader
        assert tournament.finalists[1].runner.done == leader.done
    assert tournament.work <= tournament.allowance


def test_a_third_run_where_nobody_else_ran_the_last_heat(
    seen: list[Tournament], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsgadvise.pilot.tournament.look_along", Spoilt(1, SLOW))
    spec = {**SPEC, "training": {**SPEC["training"], "keep_prob": 1.0, "stepsize": [2.0, 2.0]}}
    found = recommend(spec, data=(X, LABELS), constants="calibrated", pilot=1.0)
    assert isinstance(found, PilotAdvice)
    (tournament,) = seen
    one, two = tournament.finalists
    assert one.runner is two.runner is tournament.winner
    assert (one.repeats, two.repeats) == (False, True)
    assert not np.array_equal(one.looks.weights[0], two.looks.weights[0])
    assert one.looks.losses[0] != two.looks.losses[0], "another W1"


def final_loss(stepsizes: tuple[float, ...], seed: int) -> float:
    """Of a whole training from another seed, over all rows."""
    y = np.eye(3)[LABELS]
    network = Network("multilayer", (12, 6, 3), (20.0, 20.0))
    start = initial_weights(network, np.random.default_rng(100 + seed))
    training = Training(network, Data(X, y), stepsizes, 16)
    (shot,) = train(training, start, [Stream(7, (seed,))], [np.array([4001])])
    return unmasked_loss(shot.weights, 1.0, Data(X, y))


def test_one_stepsize_for_all_layers_is_raced(seen: list[Tournament]) -> None:
    found = raced([1.0], pilot=1.0)
    (tournament,) = seen
    plan, pilot = found.train, found.pilot
    assert plan is not None
    assert isinstance(plan.stepsize, tuple)
    assert plan.stepsize[0] != plan.stepsize[1]
    assert [each.outcome for each in pilot.common].count("best of these") == 1
    for each in pilot.common:
        assert len(set(each.stepsizes)) == 1
        assert each.stepsizes[0] / min(plan.stepsize) in {0.5, 1.0, 2.0, 4.0}
        assert each.batch_size == plan.batch_size
    assert pilot.common[0].stepsizes[0] == plan.common_stepsize
    # The best of the first heat went on, with the next smaller one.
    rungs = {each.candidate.rung: each for each in tournament.common}
    best = min(
        (rung for rung in rungs if rung is not None and rung >= 0), key=lambda r: rungs[r].history[0][1]
    )
    far = max(each.done for each in tournament.common)
    assert {rung for rung, each in rungs.items() if each.done == far} == {best, best - 1}
    assert not {id(each) for each in tournament.common} & {id(each) for each in tournament.standing}
    assert plan.common_stepsize not in {row.stepsize for row in found.recommendations}
    # In whole trainings it is worth naming: not far behind the stepsizes of each layer.
    common = [final_loss((plan.common_stepsize,) * 2, seed) for seed in range(2)]
    layered = [final_loss(plan.stepsize, seed) for seed in range(2)]
    assert np.mean(common) < 2 * np.mean(layered)
    assert max(common) < 0.3 * pilot.constant_loss
    assert tournament.work <= tournament.allowance


def test_a_single_layer_has_one_stepsize_anyway() -> None:
    spec = {"network": {"kind": "single_layer", "layers": [12, 3]}, "training": SPEC["training"]}
    found = recommend(spec, data=(X, LABELS), constants="calibrated", pilot=0.5)
    assert isinstance(found, PilotAdvice)
    assert found.train is not None
    assert found.pilot.common == ()
    assert found.train.common_stepsize == found.train.stepsize


@pytest.mark.parametrize(
    ("own", "first", "falls"),
    [
        ((1.0, 0.99, 0.98), (0.9, 0.88), False),
        ((1.0, 0.5, 0.3), (0.9, 0.9), True),
        ((0.3, 0.3, 0.3), (0.9, 0.5), True),
        ((0.3, 0.4, 0.5), (0.5, 0.9), False),
    ],
)
def test_what_losses_say_against_a_standstill(
    own: tuple[float, ...], first: tuple[float, float], falls: bool
) -> None:
    """Of the second run, looked at in 1, 250 and 500 of 1,000; and of the first after that."""
    runner = standing(0, (0.3, 2.0), (0.6, first[0]), (1.0, first[1]))
    looks = Looks(np.array([1, 250, 500]), 500, np.ones(3), np.array(own), None, 0.0, [])
    assert Finalist(runner, looks, own[-1], (0.3, 2.0), 3.0).falls == falls


def standing(rung: int, *judged: tuple[float, float]) -> Runner:
    candidate = Candidate((2.0**rung,), 0.0, 16, 1000, 1.0, f"{2.0**rung:g}/U", rung)
    return Runner(candidate, [], done=judged[-1][0], loss=judged[-1][1], judged=list(judged))


@pytest.mark.parametrize(
    ("end", "spread"),
    [(0.1, 1), (0.1 * 1.49, 1), (0.1 * 1.51, 2), (0.1 / 1.51, 2), (0.1 * 3.1, 4)],
)
def test_spread_counts_rungs_that_another_seed_cannot_tell_apart(end: float, spread: float) -> None:
    """The second run differs by the factor end/0.1 from the first; rungs lost by 1.5 and by 3."""
    winner = standing(1, (0.1, 0.2), (0.2, 0.1))
    near, far = standing(0, (0.1, 0.2), (0.2, 0.15)), standing(3, (0.1, 0.6))
    looks = Looks(np.array([200]), 200, np.array([end]), np.array([end]), None, 0.0, [])
    finalist = Finalist(winner, looks, end, (0.1, 0.2), 0.9)

    over: Any = SimpleNamespace(standing=[winner, near, far], finalists=[finalist], winner=winner)
    assert raced_spread(over) == pytest.approx(2**0.5 * spread)
    over.winner = None
    assert raced_spread(over) is None


def fielded(*runners: Runner, optimizer: str = "adam", plateau: float | None = None) -> Any:
    """As much of a race as the choice of a safer stepsize looks at."""
    task = SimpleNamespace(optimizer=optimizer_of(optimizer))
    return SimpleNamespace(
        task=task, plateau=plateau, standing=list(runners), _sound=lambda runner: runner.loss < 9
    )


def test_a_smaller_stepsize_that_is_no_worse_is_the_safer_one() -> None:
    leader = standing(2, (0.1, 0.9), (0.3, 0.6), (1.0, 0.4))
    level, lower = standing(1, (0.1, 0.9), (0.3, 0.611)), standing(0, (0.1, 0.9), (0.3, 0.5))
    worse, early = standing(1, (0.1, 0.5), (0.3, 0.62)), standing(-1, (0.1, 0.1))
    longer = standing(3, (0.1, 0.9), (0.3, 0.1))
    for others, expected in (
        ((worse, early, longer), None),
        ((level, worse, early, longer), level),
        ((level, lower, worse, early, longer), lower),
    ):
        assert Tournament._safer(fielded(leader, *others), leader) is expected
    assert Tournament._safer(fielded(leader, lower, optimizer="sgd"), leader) is None
    assert Tournament._safer(fielded(leader, lower, plateau=1.0), leader) is None
    masked = replace(lower, candidate=replace(lower.candidate, keep_prob=0.5))
    large = replace(lower, candidate=replace(lower.candidate, stepsizes=(4.0,), batch_size=64))
    assert Tournament._safer(fielded(leader, masked), leader) is None
    assert Tournament._safer(fielded(leader, large), leader) is large, "its steps grow with the root of 4"
    assert Tournament._safer(fielded(leader, replace(lower, loss=9.0)), leader) is None


def test_the_ladder_is_climbed_to_where_the_best_are(
    seen: list[Tournament], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a ladder that starts far too low its upper end leads, and two more rungs are raced."""
    monkeypatch.setattr("rsgadvise.pilot.candidates.RUNGS", range(-9, -4))
    raced([0.8])
    (tournament,) = seen
    rungs = [runner.candidate.rung for runner in tournament.standing]
    assert rungs == [-9, -8, -7, -6, -5, -4, -3]
    first = {runner.history[0][0] for runner in tournament.standing}
    assert len(first) == 1, "all have run the first heat"
    assert present(tournament.winner).candidate.rung == -3
    assert tournament.work <= tournament.allowance


def test_held_out_rows_are_those_that_nobody_trains_on(seen: list[Tournament]) -> None:
    raced([1.0])
    task = seen[0].task
    together = np.concatenate([task.data.inputs, present(task.held_out).inputs])
    assert len(np.unique(together, axis=0)) == 400 == len(together)
    assert {row.tobytes() for row in together} == {row.tobytes() for row in X.astype(np.float32)}


@pytest.mark.parametrize("keep_prob", [0.6, 1.0])
def test_an_autoencoder_is_used_with_one_matrix(keep_prob: float) -> None:
    network = Network("autoencoder", (4, 3), (1.0,), keep_prob)
    w, x = np.random.default_rng(0).standard_normal((1, 3, 4)), X[:5, :4]
    hidden = 1 / (1 + np.exp(-keep_prob * x @ w[0].T))
    assert predictions(network, [w], x) == pytest.approx(1 / (1 + np.exp(-hidden @ w[0])))


@pytest.mark.usefixtures("recipes")
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_rows_are_judged_by_the_loss_of_the_network(loss: str) -> None:
    rng = np.random.default_rng(0)
    network = Network("single_layer", (4, 3), loss=loss)
    w, x, y = rng.normal(size=(1, 3, 4)), rng.random((5, 4)), np.eye(3)[rng.integers(3, size=5)]
    expected = Curvature(network, Data(x, y), list(w)).losses.mean()
    assert loss_of(network, predictions(network, [w], x), y) == pytest.approx(expected)


def test_ctrl_c_in_the_middle_of_a_heat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every loss is told with the share at which it was, and what was run is paid for."""

    def stopped_at(call: int) -> PilotAdvice:
        calls = [0]

        def breaking(*arguments: Any, **options: Any) -> Iterator[Snapshot]:
            calls[0] += 1
            if calls[0] == call:
                raise KeyboardInterrupt
            return train(*arguments, **options)

        monkeypatch.setattr(race, "train", breaking)
        return raced([0.8, 1.0])

    whole = raced([0.8, 1.0])
    entrants = sum(each.source.count(",") == 0 for each in whole.pilot.raced)
    second, third = stopped_at(2), stopped_at(3)
    for found, behind in ((second, 0), (third, entrants - 4)):
        assert found.interrupted
        assert found.pilot.raced[0].outcome == "won"
        ran = [each for each in found.pilot.raced if each.share > 0]
        assert len(ran) == entrants, "the variant had not yet run"
        longest = max(each.share for each in ran)
        assert sum(each.share < longest for each in ran) == behind
        assert found.pilot.raced[0].share == longest
    assert max(each.share for each in third.pilot.raced) == pytest.approx(
        3 * max(each.share for each in second.pilot.raced)
    )
    before = {each.source: each.loss for each in second.pilot.raced}
    for each in third.pilot.raced:
        moved = each.share == third.pilot.raced[0].share
        assert (each.loss != before[each.source]) == moved
    assert second.cost < third.cost < 0.5


@pytest.mark.parametrize(
    ("unit", "lingers"), [("sigmoid", True), ("softplus", True), ("relu", False), ("tanh", False)]
)
def test_losses_about_a_constant_are_equal_where_networks_linger(unit: str, lingers: bool) -> None:
    """Which they do at first whose units are not 0 at 0; a ReLU network at a constant is dead."""
    network = Network("multilayer", (12, 6, 3), (20.0, 20.0), activations=(unit,), bias=True)
    task = Task.of(network, Data(X, np.eye(3)[LABELS]), seed=0, hold_out=False)
    tournament = Tournament(task, None, 1e6, 1, lambda part, words: None)  # type: ignore[arg-type]
    assert (tournament.plateau == tournament.constant) is lingers
