"""Whole races: who meets whom, and by what networks that differ in their masks are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rsgadvise import recommend
from rsgadvise.networks import Data, Network, Weights
from rsgadvise.pilot import race
from rsgadvise.pilot.looking import Looks, look_along
from rsgadvise.pilot.race import Runner
from rsgadvise.pilot.results import PilotAdvice
from rsgadvise.pilot.tournament import Tournament, predictions
from rsgadvise.rsg import Snapshot, Training, train

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
def test_networks_with_other_masks_are_compared_without_any(seed: int, seen: list[Tournament]) -> None:
    found = raced([0.4, 0.7, 1.0], seed=seed)
    (tournament,) = seen
    held_out = tournament.arena.held_out
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


def test_masks_alone_do_not_make_a_finalist_fail(
    seen: list[Tournament], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With few units kept the loss under masks is that of a constant, and that of the network is not."""
    ranked = Tournament._ranked

    def masked_first(self: Tournament, runners: list[Runner]) -> list[Runner]:
        return sorted(ranked(self, runners), key=lambda runner: runner.candidate.keep_prob)

    monkeypatch.setattr(Tournament, "_ranked", masked_first)
    found = raced([0.4, 1.0], pilot=4.0)
    (tournament,) = seen
    (masked,) = [each for each in tournament.finalists if each.runner.candidate.keep_prob == 0.4]
    constant = tournament.constant
    assert masked.end < constant < 1.01 * constant < masked.looks.losses[0, -1], "planted"
    assert tournament.winner is masked.runner
    assert (found.pilot.raced[0].keep_prob, found.pilot.raced[0].outcome) == (0.4, "won")


def test_one_keep_probability_is_judged_by_what_it_trains_on(seen: list[Tournament]) -> None:
    raced([0.8])
    (tournament,) = seen
    assert not tournament.comparing
    (finalist,) = tournament.finalists
    assert finalist.end == finalist.looks.losses[0, -1]
    assert tournament.work <= tournament.allowance
    heats = [len(runner.history) for runner in tournament.standing]
    assert sorted(heats) == [1] * (len(heats) - 4) + [2, 3, 4, 4]
    assert len(finalist.runner.history) == 4


class Spoilt:
    """Ends second runs with a loss that no constant prediction has, for the first so many."""

    def __init__(self, count: int) -> None:
        self.left, self.seen = count, list[tuple[float, ...]]()

    def __call__(self, training: Training, *arguments: Any, **options: Any) -> Looks:
        looks = look_along(training, *arguments, **options)
        self.seen.append(training.stepsizes)
        self.left -= 1
        if self.left < 0:
            return looks
        losses = looks.losses.copy()
        losses[0, -1] = 5.0
        return replace(looks, losses=losses)


def test_a_winner_that_fails_again_is_replaced(
    seen: list[Tournament], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the best of those that are no bolder, run again too."""
    spoilt = Spoilt(1)
    monkeypatch.setattr("rsgadvise.pilot.candidates._RUNGS", range(-5, 0))  # whose end leads
    monkeypatch.setattr("rsgadvise.pilot.tournament.look_along", spoilt)
    found = raced([0.8])
    (tournament,) = seen
    failed, winner = tournament.finalists[0].runner, tournament.winner
    assert winner is not None
    assert winner is tournament.finalists[1].runner
    assert winner is not failed
    assert spoilt.seen == [failed.candidate.stepsizes, winner.candidate.stepsizes]
    assert max(winner.candidate.stepsizes) <= max(failed.candidate.stepsizes)
    meeker = [
        runner
        for runner in tournament.standing
        if runner is not failed and max(runner.candidate.stepsizes) <= max(failed.candidate.stepsizes)
    ]
    assert winner.done == max(runner.done for runner in meeker)
    assert tournament.work <= tournament.allowance
    pilot = found.pilot
    assert pilot.raced[0].outcome == "won"
    assert pilot.raced[0].stepsizes == winner.candidate.stepsizes
    (lost,) = [each for each in pilot.raced if each.stepsizes == failed.candidate.stepsizes]
    assert lost.outcome == "no better than a constant"
    assert pilot.loss == tournament.finalists[1].looks.losses[0, -1]
    assert "failed when it was run again" in found.why[0]


def test_nobody_wins_where_all_fail_again(seen: list[Tournament], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsgadvise.pilot.tournament.look_along", Spoilt(9))
    found = raced([0.8])
    assert seen[0].winner is None
    assert "won" not in {each.outcome for each in found.pilot.raced}
    assert found.notes[0].startswith("Run again from another seed, the best of the race did no better")


def test_the_ladder_is_climbed_to_where_the_best_are(
    seen: list[Tournament], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a ladder that starts far too low its upper end leads, and two more rungs are raced."""
    monkeypatch.setattr("rsgadvise.pilot.candidates._RUNGS", range(-9, -4))
    raced([0.8])
    (tournament,) = seen
    rungs = [runner.candidate.rung for runner in tournament.standing]
    assert rungs == [-9, -8, -7, -6, -5, -4, -3]
    first = {runner.history[0][0] for runner in tournament.standing}
    assert len(first) == 1, "all have run the first heat"
    assert tournament.winner is not None
    assert tournament.winner.candidate.rung == -3
    assert tournament.work <= tournament.allowance


def test_held_out_rows_are_those_that_nobody_trains_on(seen: list[Tournament]) -> None:
    raced([1.0])
    arena = seen[0].arena
    assert arena.held_out is not None
    together = np.concatenate([arena.data.inputs, arena.held_out.inputs])
    assert len(np.unique(together, axis=0)) == 400 == len(together)
    assert {row.tobytes() for row in together} == {row.tobytes() for row in X.astype(np.float32)}


@pytest.mark.parametrize("keep_prob", [0.6, 1.0])
def test_an_autoencoder_is_used_with_one_matrix(keep_prob: float) -> None:
    network = Network("autoencoder", (4, 3), (1.0,), keep_prob)
    w, x = np.random.default_rng(0).standard_normal((1, 3, 4)), X[:5, :4]
    hidden = 1 / (1 + np.exp(-keep_prob * x @ w[0].T))
    assert predictions(network, [w], x) == pytest.approx(1 / (1 + np.exp(-hidden @ w[0])))


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
