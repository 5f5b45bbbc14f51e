"""What a training will have reached later, from the losses of its beginning."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from rsgadvise.advise.results import Expected, Until

TIMES = (0.125, 0.25, 0.5, 1, 2, 4, 8)
"""Lengths that losses are expected at, in trainings: those that are no shorter than what was seen."""

_LATE = 0.25  # of the run: a line is laid through the logarithms of what comes after
_FEWEST = 5  # losses there: fewer tell no trend

# How far such lines were off, in logarithms: the middle 95 % of 3,243 extrapolations on four tables,
# each over its scale _SETTLED + distance (_FAR + _STEEP slope) + scatter; 90 % are said, since on others
# they are larger. See docs/pilot.md, "What to expect".
_SETTLED, _FAR, _STEEP = 0.02, 0.1, 0.5
_BELOW, _ABOVE = 3.76, 0.84


def expected(curve: ArrayLike, whole: int) -> tuple[Expected, ...]:
    """Losses at the end of trainings that last `TIMES` as long as planned, with intervals of 90 %.

    A training loss falls about like k^-p, so that a line is fitted to the logarithms of the last three
    quarters of the run and followed; one that rises is taken to be level. The interval has no theory: it is
    by how much such lines were off on other data, in trainings that ended with a falling stepsize too.

    Args:
        curve: (looks, 2), increasing iterations k >= 1 where a run was looked at, and its losses there, over
            the rows that are trained on.
        whole: N of the training that is planned.

    Returns:
        None of them where too few losses are positive and finite.

    Example:
        >>> k = np.arange(1, 101)
        >>> [(each.iterations, round(each.loss, 3)) for each in expected(np.stack([k, k**-0.5], axis=1), 400)]
        [(100, 0.1), (200, 0.071), (400, 0.05), (800, 0.035), (1600, 0.025), (3200, 0.018)]
    """
    k, loss = np.asarray(curve, dtype=np.float64).T
    late = k >= _LATE * k[-1]
    k, loss = k[late], loss[late]
    if len(k) < _FEWEST or not (np.isfinite(loss).all() and (loss > 0).all()):
        return ()
    x, y = np.log(k / k[-1]), np.log(loss)
    slope, end = np.polyfit(x, y, 1)
    scatter = math.sqrt(float(np.square(y - end - slope * x).sum()) / (len(k) - 2))
    fall = max(0.0, -float(slope))
    lengths = (round(times * whole) for times in TIMES)
    return tuple(_at(n, float(k[-1]), float(end), fall, scatter) for n in lengths if n >= k[-1])


def _at(iterations: int, seen: float, end: float, fall: float, scatter: float) -> Expected:
    distance = math.log(iterations / seen)
    middle = end - fall * distance
    scale = _SETTLED + distance * (_FAR + _STEEP * fall) + scatter
    return Expected(
        iterations, math.exp(middle), math.exp(middle - _BELOW * scale), math.exp(middle + _ABOVE * scale)
    )


def until(found: Sequence[Expected], loss: float) -> Until:
    """How long to train for a loss: between the lengths of `found` by lines through logarithms.

    What the shortest of them has is reached by then, at the latest.

    Args:
        found: of `expected`.
        loss: above 0.
    """
    if not found:
        return Until(loss, None, None, None)
    lengths = [each.iterations for each in found]
    middle, low, high = (
        _reached(lengths, [getattr(each, name) for each in found], loss) for name in ("loss", "low", "high")
    )
    return Until(loss, middle, soonest=low, latest=high)


def _reached(iterations: Sequence[int], curve: Sequence[float], loss: float) -> int | None:
    falling = -np.log(np.minimum.accumulate(curve))
    if falling[-1] < -math.log(loss):
        return None
    return math.ceil(math.exp(np.interp(-math.log(loss), falling, np.log(iterations))) - 1e-6)
