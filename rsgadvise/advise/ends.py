"""Whether the best choice stands at an end of the batch sizes allowed, and what lies beyond it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rsgadvise.advise.solve import Rows, solve
from rsgadvise.advise.space import Space
from rsgadvise.bounds.objective import Objective

__all__ = ["NEAR", "BatchEnd", "batch_end"]

NEAR = 0.02
"""Costs that differ by less than this share are a near tie."""

_AT = 0.01  # whole iterations can make a size so close to the end of a range the best
_LARGEST = 10**12  # the largest batch size of a spec
_DOUBLINGS = 10
_FEW_DOUBLINGS = 2  # where each batch size takes long to solve


@dataclass(frozen=True, slots=True)
class BatchEnd:
    """An end of search.batch_size that holds the best choice back.

    Attributes:
        largest: whether it is the upper end.
        batch_size, cost: the best choice found beyond it, and what the ranking minimises there.
        allowed: (min, max) of a range that goes one step further still, so that the best lies inside.
    """

    largest: bool
    batch_size: int
    cost: float
    allowed: tuple[int, int]


def batch_end(objective: Objective, space: Space, rows: Rows) -> BatchEnd | None:
    """The end at which the batch size of rank 1 stands, if going beyond it is worth more than a near tie.

    Beyond it, sizes that double or halve again and again are solved as all others are.

    Args:
        objective, space: of the ranking.
        rows: the ranking, best first.
    """
    low, high = min(space.batch_sizes), max(space.batch_sizes)
    best, cost = int(rows.batch[0]), float(rows.cost(space.goal)[0])
    largest = best >= high * (1 - _AT)
    if low == high or not (largest or best <= low * (1 + _AT)):
        return None
    quick = all(schedule.monotone for schedule in space.schedules)
    powers = [2**k for k in range(1, (_DOUBLINGS if quick else _FEW_DOUBLINGS) + 1)]
    beyond = [high * power for power in powers] if largest else [low // power for power in powers]
    if largest and high == space.samples:
        return None  # what lies beyond holds no more rows
    sizes = tuple(size for size in beyond if 1 <= size <= _LARGEST)
    if not sizes:
        return None
    found = solve(objective, replace(space, batch_sizes=sizes, batch_range=False))
    costs = found.cost(space.goal)
    if not costs.size or not float(costs.min()) < cost * (1 - NEAR):
        return None
    at = int(np.argmin(costs))
    size = int(found.batch[at])
    allowed = (low, min(2 * size, _LARGEST)) if largest else (max(size // 2, 1), high)
    return BatchEnd(largest, size, float(costs[at]), allowed)
