"""How a bound moves with each knob, and whether the best choice stands at an end of what is allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rsgadvise.advise.solve import Rows, solve
from rsgadvise.advise.space import Space
from rsgadvise.records import dataclass
from rsgadvise.theory.judge import Plan, bounds_at, objective_for
from rsgadvise.theory.objective import Objective
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems import theorem_of

# How a bound moves with each knob.

_STEP = 1e-4  # relative change of a knob in a central difference; its error is of order 1e-8
_FACTORS = (1 - _STEP, 1 + _STEP)


def elasticities(problem: Problem, constants: str, point: Plan) -> dict[str, float]:
    """d log bound / d log knob at a point, all other knobs held: -0.5 means that one per cent more
    of the knob lowers the bound by half a per cent.

    Central differences of the bound itself, one-sided at the edge of a theorem's range. N moves by
    whole iterations where the stepsize decays. Knobs that cannot be moved alone are absent.

    Args:
        problem, constants: what is bounded, and by whose constants.
        point: where.
    """
    around = _around(problem, point)
    log_at = dict(zip(around, _logs(problem, constants, list(around.values())), strict=True))
    slopes = _slopes(point, log_at)
    for knob, changes in _rebuilt(problem, constants):
        low, high = (_logs(changed, constants, [point])[0] for changed in changes)
        slopes[knob] = _central(log_at["here", 1], low, high)
    return {knob: value + 0.0 for knob, value in slopes.items() if np.isfinite(value)}


def _around(problem: Problem, point: Plan) -> dict[tuple[str, int], Plan]:
    """The point, and those with one knob a little smaller (0) or larger (1)."""
    points = {("here", 1): point}
    for side, factor in enumerate(_FACTORS):
        points["stepsize", side] = replace(point, stepsize=point.stepsize * factor)
        points["batch_size", side] = replace(point, batch_size=point.batch_size * factor)
        if problem.masked:
            points["keep_prob", side] = replace(point, keep_prob=point.keep_prob * factor)
    for side, count in enumerate(_iterations_around(point) or ()):
        points["iterations", side] = replace(point, iterations=count)
    return points


def _rebuilt(problem: Problem, constants: str) -> Iterator[tuple[str, list[Problem]]]:
    """Knobs of the problem itself, and it with each a little smaller and larger."""
    yield "initial_loss", [replace(problem, initial_loss=problem.initial_loss * f) for f in _FACTORS]
    if any(problem.weight_bounds) and len(problem.layers) > 1 and problem.boxed:
        boxes = problem.weight_bounds
        yield (
            problem.limit_key.partition(".")[2],
            [problem.changed(weight_bounds=tuple(w * f for w in boxes)) for f in _FACTORS],
        )
    if theorem_of(problem.kind, constants).pretrained(problem):
        yield "pretraining", [replace(problem, pretraining=problem.pretraining * f) for f in _FACTORS]


def _logs(problem: Problem, constants: str, points: Sequence[Plan]) -> list[float]:
    with np.errstate(divide="ignore"):
        values: list[float] = np.log(bounds_at(objective_for(problem, constants), points)).tolist()
    return values


def _central(here: float, low: float, high: float) -> float:
    """d log bound / d log knob from both sides, or from the side that the theorem covers."""
    reached = [
        (float(np.log(factor)), there) if np.isfinite(there) else (0.0, here)
        for factor, there in zip(_FACTORS, (low, high), strict=True)
    ]
    (left, below), (right, above) = reached
    return (above - below) / (right - left) if right > left else 0.0


def _slopes(point: Plan, log_at: Mapping[tuple[str, int], float]) -> dict[str, float]:
    """Slopes by the knobs of training."""
    here = log_at["here", 1]
    slopes: dict[str, float] = {}
    slopes["stepsize"] = (here - log_at["stepsize", 0]) / -float(np.log1p(-_STEP))
    beyond = log_at["stepsize", 1]
    if np.isfinite(beyond):
        from_above = (beyond - here) / float(np.log1p(_STEP))
        # Where layers share one g the bound has a kink, and rises on both sides of a minimum.
        at_minimum = slopes["stepsize"] <= 0 <= from_above
        slopes["stepsize"] = 0.0 if at_minimum else 0.5 * (slopes["stepsize"] + from_above)
    slopes["batch_size"] = _central(here, log_at["batch_size", 0], log_at["batch_size", 1])
    counts = _iterations_around(point)
    if counts is not None:
        rise = log_at["iterations", 1] - log_at["iterations", 0]
        slopes["iterations"] = rise / float(np.log(counts[1] / counts[0]))
    if ("keep_prob", 0) in log_at:
        slopes["keep_prob"] = _central(here, log_at["keep_prob", 0], log_at["keep_prob", 1])
    return slopes


def _iterations_around(point: Plan) -> tuple[float, float] | None:
    """Fewer and more iterations; None where N is the length of a list."""
    n = point.iterations
    if isinstance(point.schedule.stopping, tuple):
        return None
    if point.schedule.plain:
        low, high = n * (1 - _STEP), n * (1 + _STEP)
    else:
        gap = max(1.0, round(n * 1e-3))
        low, high = max(n - gap, 1.0), n + gap
    return (low, high) if low >= 1 else (1.0, 1 + _STEP)


# Whether the best choice stands at an end of the batch sizes allowed, and what lies beyond it.

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
    solutions = solve(objective, replace(space, batch_sizes=sizes, batch_range=False))
    costs = solutions.cost(space.goal)
    if not costs.size or not float(costs.min()) < cost * (1 - NEAR):
        return None
    at = int(np.argmin(costs))
    size = int(solutions.batch[at])
    allowed = (low, min(2 * size, _LARGEST)) if largest else (max(size // 2, 1), high)
    return BatchEnd(largest, size, float(costs[at]), allowed)
