"""What a training will have reached later, from the losses of its beginning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from rsgadvise.advise.results import Expected, TrainingPlan, Until
from rsgadvise.pilot.task import HELD_OUT
from rsgadvise.records import dataclass

TIMES = (0.125, 0.25, 0.5, 1, 2, 4, 8)
"""Lengths that losses are expected at, in trainings: no shorter than what was seen, if that was a part."""

_LATE = 0.25  # of the run: a line is laid through the logarithms of what comes after
_STEEPEST = 1.0  # power of k: what falls faster has just left a plateau, and does not go on so


@dataclass(frozen=True, slots=True)
class Seen:
    """What the losses are that a line is laid through, and how far such lines were off, in logarithms.

    That is `below` to `above` times settled + distance (far + steep slope) + scatter: the middle 95 % of
    extrapolations on the development data; 90 % are said, since on others they are larger. See docs/pilot.md
    and docs/modern.md.

    Attributes:
        fewest: losses in the last three quarters: fewer tell no trend.
        whole: whether it is of a whole training, whose losses on the way are those of shorter ones.
        between: whether the first of them is a length that losses are expected at, and not the last.
    """

    fewest: int
    settled: float
    far: float
    steep: float
    below: float
    above: float
    whole: bool = False
    between: bool = False

    def at(self, iterations: int, after: float, end: float, fall: float, scatter: float) -> Expected:
        """So far along the line from the last loss, whose logarithm is `end`."""
        distance = math.log(iterations / after)
        middle = end - fall * distance
        scale = self.settled + abs(distance) * (self.far + self.steep * fall) + scatter
        ends = (math.exp(middle + by * scale) for by in (0.0, -self.below, self.above))
        return Expected(iterations, *ends)


ALONG = Seen(5, 0.02, 0.1, 0.5, 3.76, 0.84)
"""One run with a constant stepsize, along it: 3,243 extrapolations on four tables."""
REHEARSED = Seen(2, 0.1, 0.1, 0.5, 3.76, 0.84, whole=True)
"""The ends of whole trainings of several lengths, where what rows held out add is no longer small
beside the distance."""
COOLED = Seen(2, 0.05, 0.2, 0.3, 2.07, 0.84, between=True)
"""The ends of the winner's two runs of a race, once their stepsizes have fallen to 0: 285 trainings on four
tables."""
ENDS = Seen(2, 0.12, 0.1, 0.5, 2.6, 1.3)
"""The ends of whole short trainings, whose stepsize fell to 0 as it will in long ones: 891 on four tables,
and what advice for torch modules was off by there."""


def expected(
    curve: ArrayLike,
    whole: int,
    *,
    end: float | None = None,
    held_out: ArrayLike | None = None,
    seen: Seen = ALONG,
) -> tuple[Expected, ...]:
    """Losses at the end of trainings that last `TIMES` as long as planned, with intervals of 90 %.

    A training loss falls about like k^-p, so that a line is fitted to the logarithms of the last three
    quarters of what was seen and followed; one that rises is taken to be level, one that falls faster than
    1/k to fall so. The interval has no theory: it is by how much such lines were off on other data, in
    trainings that ended with a falling stepsize too. Rows that were held out are trained on later: no better
    than now, at worst, which is the upper end where that is higher.

    Args:
        curve: (looks, 2), increasing iterations k >= 1 where a run was looked at, and its losses there, over
            the rows that are trained on.
        whole: N of the training that is planned.
        end: loss over all rows at the end of the run, where those of the curve are of some of them.
        held_out: loss of the rows that the run did not train on, at its end or wherever it was looked at;
            None where there are none.
        seen: what the losses are.

    Returns:
        None of them where too few losses are positive and finite.

    Example:
        >>> k = np.arange(1, 101)
        >>> [(each.iterations, round(each.loss, 3)) for each in expected(np.stack([k, k**-0.5], axis=1), 400)]
        [(100, 0.1), (200, 0.071), (400, 0.05), (800, 0.035), (1600, 0.025), (3200, 0.018)]
    """
    k, loss = every = np.asarray(curve, dtype=np.float64).T
    first = max(0, min(int(np.searchsorted(k, _LATE * k[-1])), len(k) - 2))  # two lengths at the least
    k, loss = k[first:], loss[first:]
    if len(k) < seen.fewest or not (np.isfinite(loss).all() and (loss > 0).all()):
        return ()
    x, y = np.log(k / k[-1]), np.log(loss)
    slope, level = np.polyfit(x, y, 1)
    scatter = math.sqrt(float(np.square(y - level - slope * x).sum()) / max(1, len(k) - 2))
    if end is not None and 0 < end < math.inf:
        level += math.log(end) - y[-1]
    fall = min(max(0.0, -float(slope)), _STEEPEST)
    lengths = sorted({max(1, round(times * whole)) for times in TIMES})
    least = k[0] if seen.between else k[-1]
    losses = [seen.at(n, float(k[-1]), float(level), fall, scatter) for n in lengths if n >= least]
    if seen.whole:
        passed = np.log(np.interp([n for n in lengths if n <= k[-1]], *every))
        shorter = zip(lengths, passed, strict=False)
        longer = [each for each in losses if each.iterations > k[-1]]
        losses = [*(seen.at(n, n, float(end), fall, scatter) for n, end in shorter), *longer]
    if held_out is None or not np.isfinite(held_out).all():
        return tuple(losses)
    looked = every[0]
    later = np.interp([each.iterations for each in losses], looked, np.broadcast_to(held_out, looked.shape))
    return tuple(
        replace(each, high=max(each.high, (1 - HELD_OUT) * each.loss + HELD_OUT * other))
        for each, other in zip(losses, later.tolist(), strict=True)
    )


def asked(plan: TrainingPlan, loss: float) -> TrainingPlan:
    """The same, with how long it takes to a loss."""
    return replace(plan, until=until(plan.expected, loss))


def until(expectations: Sequence[Expected], loss: float) -> Until:
    """How long to train for a loss: between the lengths of `found` by lines through logarithms.

    What the shortest of them has is reached by then, at the latest.

    Args:
        found: of `expected`.
        loss: above 0.
    """
    if not expectations:
        return Until(loss, None, None, None)
    lengths = [each.iterations for each in expectations]
    middle, low, high = (
        _reached(lengths, [getattr(each, name) for each in expectations], loss)
        for name in ("loss", "low", "high")
    )
    return Until(loss, middle, soonest=low, latest=high)


def _reached(iterations: Sequence[int], curve: Sequence[float], loss: float) -> int | None:
    falling = -np.log(np.minimum.accumulate(curve))
    if falling[-1] < -math.log(loss):
        return None
    return math.ceil(math.exp(np.interp(-math.log(loss), falling, np.log(iterations))) - 1e-6)
