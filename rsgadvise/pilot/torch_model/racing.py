"""The race of stepsizes: short trainings whose stepsize falls to 0, with the same mini-batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from rsgadvise.pilot.torch_model.replicas import Candidate, Trained, Trainer
from rsgadvise.records import dataclass

Told = Callable[[float], None]

_RUNGS = range(-4, 4)  # powers of two of the unit that start
_FURTHER, _MOST_FURTHER = 2, 3  # rungs added beyond an end that is best, and how often
_NEAR = (-1, 0, 1)  # of the best, that go on
_SHARES = 1 / 64, 1 / 8  # of the training, that runs of each round take where the budget allows
_FEWEST = 20, 150  # iterations of them, where it allows that: shorter runs say little
_ALIKE = 0.05
"""Losses of short runs that differ by less, as a share of themselves and of what was learnt until then, are
alike, and the smallest stepsize of those is taken: of longer runs it is the better one more often, and it
never is the one that is too large."""
_HARDLY_LEARNT = 0.8  # of the loss at W^1, or half of what the best has learnt
_NEARBY = 4.1  # times the stepsize of the best
_WARMUP = 0.1
"""The only other schedule that is tried. A constant stepsize does as well in short runs and was worse in
whole ones; a cosine was no better than a line in short runs."""
_BETTER = 0.03  # share by which it has to be better
_LONGER = 2  # times the length of the second round, of a run that shows whether the winner lasts
_STEPS_DOWN = 3  # at most, where it does not
_NO_HIGHER = 1.02  # times its loss before is no higher, where little is left to be learnt
FULL = len(_RUNGS) * _SHARES[0] + (len(_NEAR) + 1 + _LONGER) * _SHARES[1]
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
        found = dict[int, Trained]()
        for run in sorted(
            (run for run in self.runs if run.steps <= self.best.steps and math.isfinite(run.loss)),
            key=lambda run: (
                run is not self.best,
                abs(math.log(run.candidate.stepsize / own.stepsize)),
                run.candidate != own,
            ),
        ):
            found.setdefault(run.steps, run)
        return tuple((steps, found[steps].loss) for steps in sorted(found))


def race(
    trainer: Trainer,
    unit: float,
    iterations: int,
    budget: float,
    *,
    start: float,
    told: Told | None = None,
) -> Race:
    """Race stepsizes around the unit, and then schedules.

    Args:
        trainer: of one module, optimiser and batch size.
        unit: a stepsize of the right order.
        iterations: N of the training that is advised.
        budget: trainings that the race may cost; it takes no more than it has use for.
        start: the loss at W^1.
        told: called with the share that is done.
    """
    found = Race([])
    first, second = (max(share * iterations, least) for share, least in zip(_SHARES, _FEWEST, strict=True))
    most = budget * iterations / (len(_RUNGS) * first + (len(_NEAR) + 1 + _LONGER) * second)
    first, second = (max(1, min(iterations, round(min(1.0, most) * each))) for each in (first, second))
    planned = len(_RUNGS) * first + (len(_NEAR) + 1 + _LONGER) * second

    def run(candidates: Sequence[Candidate], steps: int) -> list[Trained]:
        before = found.steps

        def part(done: float) -> None:
            if told is not None:
                told(min(1.0, (before + done * steps * len(candidates)) / planned))

        ended = trainer.train(candidates, steps, part)
        found.steps += steps * len(candidates)
        found.runs += ended
        return ended

    try:
        rungs = _climbed(run, [unit * 2.0**power for power in _RUNGS], first, further=_FURTHER)
        top = _smallest(rungs, 0.0, start)
        if top is not None:
            found.best = top
            last = _climbed(run, [top.candidate.stepsize * 2.0**by for by in _NEAR], second, further=1)
            found.best = _chosen(last, start) or top
            found.spread = _spread(last, found.best, start)
            found.best = _risen(run, found.best)
            found.best = _lasting(run, found.best, min(iterations, _LONGER * second))
    except KeyboardInterrupt:
        found.interrupted = True
    return found


def _climbed(
    run: Callable[[Sequence[Candidate], int], list[Trained]],
    stepsizes: Sequence[float],
    steps: int,
    *,
    further: int,
) -> list[Trained]:
    """Runs of these stepsizes, and of as many `further` powers of two where the best is at an end."""
    rungs = run([Candidate(gamma) for gamma in stepsizes], steps)
    for _ in range(_MOST_FURTHER):
        rungs.sort(key=lambda each: each.candidate.stepsize)
        losses = [each.loss for each in rungs]
        low = losses.index(min(losses)) if math.isfinite(min(losses)) else 0
        if 0 < low < len(losses) - 1:
            break
        end, sign = rungs[low].candidate.stepsize, -1 if low == 0 else 1
        rungs += run([Candidate(end * 2.0 ** (sign * by)) for by in range(1, further + 1)], steps)
    return rungs


def _smallest(runs: Sequence[Trained], alike: float, start: float) -> Trained | None:
    """The one with the smallest stepsize of those whose loss is all but the lowest."""
    usable = [each for each in runs if math.isfinite(each.loss)]
    lowest = min((each.loss for each in usable), default=math.inf)
    good = [each for each in usable if each.loss <= lowest + alike * _measure(lowest, start)]
    return min(good, key=lambda each: each.candidate.stepsize, default=None)


def _chosen(runs: Sequence[Trained], start: float) -> Trained | None:
    """The smallest stepsize of those that are all but the best; half of it where what is 2 or 4 times as long
    hardly learnt: longer runs fail at shorter steps."""
    best = _smallest(runs, _ALIKE, start)
    if best is None:
        return None
    gamma = best.candidate.stepsize
    near = [each for each in runs if gamma < each.candidate.stepsize <= _NEARBY * gamma]
    little = max(_HARDLY_LEARNT * start, (best.loss + start) / 2)
    if start > 0 and any(not each.loss < little for each in near):
        known = [each for each in runs if math.isclose(each.candidate.stepsize, gamma / 2)]
        return known[0] if known else best
    return best


def _measure(lowest: float, start: float) -> float:
    """What a difference of losses is held against."""
    return max(0.0, min(abs(lowest), start - lowest))


def _spread(runs: Sequence[Trained], best: Trained, start: float) -> float:
    """From the rungs that did as well as the best; half a rung at the least."""
    most = best.loss + _ALIKE * _measure(best.loss, start)
    alike = [each.candidate.stepsize for each in runs if each.loss <= most]
    ratios = [abs(math.log(gamma / best.candidate.stepsize)) for gamma in alike]
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
