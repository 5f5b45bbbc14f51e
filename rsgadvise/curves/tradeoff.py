"""Steps against samples: for each batch size the fewest iterations that meet the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.advise.iterations import critical_batch_size, fewest_iterations
from rsgadvise.curves.results import Mark, Tradeoff
from rsgadvise.search import distinct, whole_grid

if TYPE_CHECKING:
    from rsgadvise.advise.results import Recommendation
    from rsgadvise.advise.space import Space
    from rsgadvise.bounds.objective import Objective, Range, Schedule
    from rsgadvise.theory.bound import FloatArray

__all__ = ["tradeoff_of"]

_POINTS = 41
_BEYOND_KNEE = 8.0
_LARGEST_BATCH = 1e12


def tradeoff_of(
    space: Space, objective: Objective, best: Recommendation, schedule: Schedule
) -> tuple[Tradeoff | None, str]:
    """The trade-off of one run at the target of the first rank, or why there is none.

    The plan is that of `rsgadvise iterations`: constant stepsizes at their optimum and uniform R.

    Returns:
        The trade-off and "", or None and a sentence; both empty without a target.
    """
    if space.goal is None:
        return None, ""
    if not schedule.plain or space.stepsize is not None or space.fixed_iterations:
        return None, (
            "Iterations against samples: the trade-off is that of constant stepsizes at their optimum, a "
            "uniform R and free iterations."
        )
    target = float(space.goal.per_run(np.asarray(float(best.runs))))
    keep_range = next(ends for ends in space.keep_probs if ends[0] <= best.keep_prob <= ends[1])
    smallest = float(objective.smallest_batch(np.asarray(target), keep_range[0]))
    knee = critical_batch_size(objective, target, keep_range)
    low = max(1.0, np.floor(smallest) + 1)
    useful = knee if np.isfinite(knee) else low
    high = min(max(_BEYOND_KNEE * useful, 4.0 * best.batch_size, 4 * low), _LARGEST_BATCH)
    grid = whole_grid(low, max(high, low), _POINTS)
    batch = distinct(np.concatenate([grid, [float(best.batch_size)]]))
    fewest = _fewest(objective, batch, target, keep_range)
    reached = np.isfinite(fewest)
    if not reached.any():
        return None, "Iterations against samples: no batch size reaches the target of one run."
    batch, fewest = batch[reached], fewest[reached]
    samples = tuple(int(b) * int(n) for b, n in zip(batch, fewest, strict=True))
    marks = [Mark("advised", float(best.samples), float(best.iterations))]
    if low <= knee <= high:
        at_knee = np.round(np.asarray([knee]))
        steps = _fewest(objective, at_knee, target, keep_range)
        if np.isfinite(steps[0]):
            marks.append(Mark("critical_batch_size", float(at_knee[0] * steps[0]), float(steps[0])))
    return Tradeoff(
        target=target,
        batch_size=tuple(int(b) for b in batch),
        iterations=tuple(int(n) for n in fewest),
        samples=samples,
        marks=tuple(marks),
    ), ""


def _fewest(objective: Objective, batch: FloatArray, target: float, keep_range: Range) -> FloatArray:
    return fewest_iterations(objective, batch, np.full(batch.shape, target), keep_range)
