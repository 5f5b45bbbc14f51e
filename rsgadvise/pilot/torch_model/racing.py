"""The race of stepsizes: short trainings whose stepsize falls to 0, with the same mini-batches."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from rsgadvise.pilot.torch_model.replicas import Candidate, Trained, Trainer
from rsgadvise.records import dataclass

Told = Callable[[float], None]

_RUNGS = range(-4, 4)  # powers of two of the unit that start
_MOST_FURTHER = 3  # how often rungs are added beyond an end that is best
_NEAR = (-1, 0, 1), (-1, 0)  # of the best of a heat, that run in the next
_SHARES = 1 / 72, 1 / 18, 1 / 9  # of the training, that runs of each heat take where the budget allows
_FEWEST = 20, 40, 80  # iterations of them, where it allows that: shorter runs say little
_ALIKE = 0.05
"""Losses of short runs that differ by less, as a share of themselves and of what was learnt until then, are
alike: within what they span lies the best of longer ones."""
_WARMUP = 0.1
"""The only other schedule that is tried. A constant stepsize does as well in short runs and was worse in
whole ones; a cosine was no better than a line in short runs."""
_BETTER = 0.03  # share by which it has to be better
_LONGER = 2  # times the length of the last heat, of a run that shows whether the winner lasts
_STEPS_DOWN = 3  # at most, where it does not
_NO_HIGHER = 1.02  # times its loss before is no higher, where little is left to be learnt
_RUNS = len(_RUNGS), len(_NEAR[0]), len(_NEAR[1]) + 1 + _LONGER
FULL = sum(share * runs for share, runs in zip(_SHARES, _RUNS, strict=True))
"""Trainings that a whole race costs, of a training that is long."""


@dataclass(slots=True)
class Race:
    """What ran, and what came first.

    Attributes:
        runs: every short training, latest round last.
        best: the one to go by; None where every loss was infinite or nothing ran.
        spread: factor within which the stepsize lies, as far as equal losses tell; None where nothing ran.
        steps: optimiser steps of all of them together.
        interrupted: whether the user ended it.
    """

    runs: list[Trained]
    best: Trained | None = None
    spread: float | None = None
    steps: int = 0
    interrupted: bool = False

    def curve(self) -> tuple[tuple[int, float], ...]:
        """(k, loss) at the end of trainings of k iterations: of each length the winner's, or that of the
        nearest stepsize."""
        if self.best is None:
            return ()
        own = self.best.candidate
        trainings = dict[int, Trained]()
        for run in sorted(
            (run for run in self.runs if run.steps <= self.best.steps and math.isfinite(run.loss)),
            key=lambda run: (
                run is not self.best,
                abs(math.log(run.candidate.stepsize / own.stepsize)),
                run.candidate != own,
            ),
        ):
            trainings.setdefault(run.steps, run)
        return tuple((steps, trainings[steps].loss) for steps in sorted(trainings))


def race(
    trainer: Trainer,
    unit: float,
    iterations: int,
    budget: float,
    *,
    start: float,
    proportional: bool = False,
    told: Told | None = None,
) -> Race:
    """Race stepsizes around the unit, and then schedules.

    Args:
        trainer: of one module, optimiser and batch size.
        unit: a stepsize of the right order.
        iterations: N of the training that is advised.
        budget: trainings that the race may cost; it takes no more than it has use for.
        start: the loss at W^1.
        proportional: whether steps are in proportion to gradients. Then the longest stepsize that a run
            bears is the shorter the longer it is, and half the best of the last heat is advised; the steps of
            others, such as Adam's, do not grow where the loss is steep.
        told: called with the share that is done.
    """
    raced = Race([])
    wanted = [max(share * iterations, least) for share, least in zip(_SHARES, _FEWEST, strict=True)]
    most = min(1.0, budget * iterations / sum(map(operator.mul, wanted, _RUNS)))
    lengths = [max(1, min(iterations, round(most * length))) for length in wanted]
    planned = sum(map(operator.mul, lengths, _RUNS))

    def run(candidates: Sequence[Candidate], steps: int) -> list[Trained]:
        before = raced.steps

        def part(done: float) -> None:
            if told is not None:
                told(min(1.0, (before + done * steps * len(candidates)) / planned))

        ended = trainer.train(candidates, steps, part)
        raced.steps += steps * len(candidates)
        raced.runs += ended
        return ended

    try:
        raced.best = _lowest(_climbed(run, _scaled(unit, _RUNGS), lengths[0], further=2))
        if raced.best is not None:
            heat = _climbed(run, _scaled(raced.best.candidate.stepsize, _NEAR[0]), lengths[1], further=1)
            raced.best = _lowest(heat) or raced.best
            raced.spread = _spread(heat, raced.best, start)
            last = run(_scaled(raced.best.candidate.stepsize, _NEAR[1]), lengths[2])
            raced.best = _lowest(last) or raced.best
            if proportional:
                raced.best = _halved(run, last, raced.best)
            raced.best = _risen(run, raced.best)
            raced.best = _lasting(run, raced.best, min(iterations, _LONGER * lengths[-1]))
    except KeyboardInterrupt:
        raced.interrupted = True
    return raced


def _scaled(stepsize: float, powers: Iterable[int]) -> list[Candidate]:
    """It times powers of two."""
    return [Candidate(stepsize * 2.0**power) for power in powers]


def _climbed(
    run: Callable[[Sequence[Candidate], int], list[Trained]],
    candidates: Sequence[Candidate],
    steps: int,
    *,
    further: int,
) -> list[Trained]:
    """Runs of these, and of as many `further` powers of two where the best is at an end."""
    rungs = run(candidates, steps)
    for _ in range(_MOST_FURTHER):
        rungs.sort(key=lambda rung: rung.candidate.stepsize)
        losses = [rung.loss for rung in rungs]
        low = losses.index(min(losses)) if math.isfinite(min(losses)) else 0
        if 0 < low < len(losses) - 1:
            break
        end, sign = rungs[low].candidate.stepsize, -1 if low == 0 else 1
        rungs += run(_scaled(end, [sign * by for by in range(1, further + 1)]), steps)
    return rungs


def _lowest(runs: Sequence[Trained]) -> Trained | None:
    """The one with the lowest loss, of several the smallest stepsize."""
    usable = [run for run in runs if math.isfinite(run.loss)]
    return min(usable, key=lambda run: (run.loss, run.candidate.stepsize), default=None)


def _halved(
    run: Callable[[Sequence[Candidate], int], list[Trained]], heat: Sequence[Trained], best: Trained
) -> Trained:
    """Half of its stepsize, after as many iterations."""
    gamma = best.candidate.stepsize / 2
    known = [rung for rung in heat if math.isclose(rung.candidate.stepsize, gamma)]
    half = known[0] if known else run([Candidate(gamma)], best.steps)[0]
    return half if math.isfinite(half.loss) else best


def _spread(heat: Sequence[Trained], best: Trained, start: float) -> float:
    """From the rungs of a heat that did as well as the best; half a rung at the least."""
    most = best.loss + _ALIKE * max(0.0, min(abs(best.loss), start - best.loss))
    ratios = [
        abs(math.log(rung.candidate.stepsize / best.candidate.stepsize)) for rung in heat if rung.loss <= most
    ]
    return math.sqrt(2) * math.exp(max(ratios, default=0.0))


def _risen(run: Callable[[Sequence[Candidate], int], list[Trained]], best: Trained) -> Trained:
    """The same stepsize after a warm-up, if that is clearly better."""
    (other,) = run([replace(best.candidate, warmup=_WARMUP)], best.steps)
    return other if other.loss < best.loss * (1 - _BETTER) else best


def _lasting(run: Callable[[Sequence[Candidate], int], list[Trained]], best: Trained, steps: int) -> Trained:
    """The winner after a longer run; half its stepsize, and half of that, while the longer run ends higher.

    A stepsize at the edge of what is stable goes well for a while.
    """
    candidate, aim = best.candidate, best.loss
    for _ in range(_STEPS_DOWN):
        (longer,) = run([candidate], steps)
        if longer.loss <= aim * _NO_HIGHER:
            return longer
        candidate = replace(candidate, stepsize=candidate.stepsize / 2)
    return longer if math.isfinite(longer.loss) else best
