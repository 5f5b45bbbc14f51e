"""The cheapest tolerances of pretraining, and where pretraining stops to pay.

For given batch sizes, numbers of runs and a given set of pretrained layers, the least work is the optimum
of a geometric program in which the logarithms of the tolerances are parameters, so it is convex in
them: (11) and (13) are posynomials, and so are their constraints. The sets are enumerated, batch sizes are
compared at every tolerance, and the tolerances are searched one after the other until none moves.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsgadvise.design.stages import Stages
from rsgadvise.search import geometric
from rsgadvise.theory.bound import FloatArray

__all__ = [
    "Mixed",
    "cheapest_mix",
    "cheapest_uniform",
    "flip_of",
    "pretraining_pays",
    "price_flip",
    "scratch_work",
]

_SETS = 5  # hidden layers up to which every set of them is tried; beyond, only all below one, and single ones
_SCAN = 65
_INNER = 17
_NARROWINGS = 5
_SWEEPS = 40
_SETTLED = 1e-8
_BELOW_ONE = -1e-9  # log of the largest tolerance that counts as pretraining


@dataclass(frozen=True, slots=True)
class Mixed:
    """Tolerances and their cost.

    Attributes:
        alpha: of each hidden layer; 1 where it is not pretrained.
        pretraining, fine_tuning: multiply-adds of each, for real numbers of iterations.
    """

    alpha: tuple[float, ...]
    pretraining: float
    fine_tuning: float

    def total(self, price: float = 1.0) -> float:
        """Both together, a multiply-add of pretraining at this price."""
        return price * self.pretraining + self.fine_tuning


def scratch_work(stages: Stages, target: float) -> float:
    """Multiply-adds of training from scratch: alpha = 1 in every layer."""
    return float(stages.fine_tuning_work(np.ones((1, stages.hidden)), np.asarray([target]))[0])


def _lowest(stages: Stages) -> FloatArray:
    """log of a tolerance below which no batch size allowed pretrains a layer; at most `_BELOW_ONE`."""
    low = [
        min(
            float(objective.smallest_batch(np.asarray(stages.shrink), zeta)) / float(stages.batches.max())
            for keep in stages.keep_probs
            for zeta in keep  # (10) may be least at either end
        )
        for objective in stages.layers
    ]
    return np.minimum(np.log(np.maximum(low, 1e-30)) + 1e-6, _BELOW_ONE)


def _sets(hidden: int) -> NDArray[np.bool_]:
    """Sets of pretrained layers, (sets, layers); none of them empty."""
    if hidden <= _SETS:
        return np.asarray(list(itertools.product((False, True), repeat=hidden))[1:], dtype=bool)
    stairs = np.tri(hidden, dtype=bool)
    # The first and the last single layer are stairs already.
    return np.concatenate([stairs, ~stairs[:-1], np.eye(hidden, dtype=bool)[1:-1]])


def _minimum(
    value: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray, *, points: int
) -> tuple[FloatArray, FloatArray]:
    """(minimiser, minimum) of each function on [low, high]: a scan, then grids around its best point."""
    left, right = low, high
    best, least = low, np.full(low.shape, np.inf)
    for turn in range(_NARROWINGS):
        count = points if turn == 0 else _INNER
        grid = left[..., None] + (right - left)[..., None] * np.linspace(0, 1, count)
        values = value(grid)
        at = np.argmin(values, axis=-1)[..., None]
        found, point = (np.take_along_axis(a, at, axis=-1)[..., 0] for a in (values, grid))
        best, least = np.where(found < least, point, best), np.minimum(found, least)
        left = np.take_along_axis(grid, np.maximum(at - 1, 0), axis=-1)[..., 0]
        right = np.take_along_axis(grid, np.minimum(at + 1, count - 1), axis=-1)[..., 0]
    return best, least


def _alphas(logs: FloatArray) -> FloatArray:
    return np.where(logs < 0, np.exp(logs), 1.0)


def _costs(stages: Stages, logs: FloatArray, target: float) -> tuple[FloatArray, FloatArray]:
    """(pretraining, fine-tuning) of vectors of log alpha along the last axis."""
    alphas = _alphas(logs)
    before = sum(stages.pretraining_work(level, alphas[..., level]) for level in range(stages.hidden))
    return np.asarray(before), stages.fine_tuning_work(alphas, np.full(alphas.shape[:-1], target))


def _uniform(
    stages: Stages, sets: NDArray[np.bool_], target: float, price: float
) -> tuple[FloatArray, FloatArray]:
    """(log alpha, cost) of the best common tolerance of each set of pretrained layers."""
    lowest = _lowest(stages)
    low = np.where(sets, lowest, -np.inf).max(axis=1)

    def value(logs: FloatArray) -> FloatArray:
        vectors = np.where(sets[:, None, :], logs[..., None], 0.0)
        before, after = _costs(stages, vectors, target)
        return price * before + after

    return _minimum(value, low, np.full(low.shape, _BELOW_ONE), points=_SCAN)


def _mixed(stages: Stages, logs: FloatArray, target: float) -> Mixed:
    before, after = _costs(stages, logs[None, :], target)
    alpha = tuple(float(a) for a in np.where(logs < 0, np.exp(logs), 1.0))
    return Mixed(alpha, float(before[0]), float(after[0]))


def cheapest_uniform(stages: Stages, target: float, *, price: float = 1.0) -> Mixed | None:
    """The cheapest common tolerance below 1, as in the corollaries; None where none is feasible."""
    every = np.ones((1, stages.hidden), dtype=bool)
    logs, cost = _uniform(stages, every, target, price)
    if not np.isfinite(cost[0]):
        return None
    return _mixed(stages, np.full(stages.hidden, logs[0]), target)


def _least(stages: Stages, sets: NDArray[np.bool_], target: float, price: float) -> FloatArray:
    """What each set costs at least: pretraining at the weakest tolerance, tuning at the strongest."""
    weakest = np.full(1, np.exp(_BELOW_ONE))
    each = np.asarray([stages.pretraining_work(level, weakest)[0] for level in range(stages.hidden)])
    strongest = np.where(sets, np.exp(_lowest(stages)), 1.0)
    tuned = stages.fine_tuning_work(strongest, np.full(sets.shape[0], target))
    return np.asarray(price * np.where(sets, each, 0.0).sum(axis=1) + tuned)


def cheapest_mix(stages: Stages, target: float, *, price: float = 1.0, enough: float = 0.0) -> Mixed | None:
    """The cheapest tolerances with at least one layer pretrained; None where none is feasible.

    Args:
        stages: of the network.
        target: the bound that a run of the fine-tuning has to reach.
        price: of a multiply-add of pretraining, over one of fine-tuning.
        enough: end early with whatever is cheaper than this, and do without what cannot be.
    """
    sets = _sets(stages.hidden)
    least = _least(stages, sets, target, price)
    if enough > 0:
        sets, least = sets[least < enough], least[least < enough]
        if least.size == 0:
            return None
    common, cost = _uniform(stages, sets, target, price)
    feasible = np.isfinite(cost)
    if not feasible.any():
        return None
    # A set that cannot beat the best common tolerance is left out; the set of that one stays.
    feasible &= (least < cost.min()) | (cost == cost.min())
    sets, cost = sets[feasible], cost[feasible]
    logs = np.where(sets, common[feasible][:, None], 0.0)
    alphas = _alphas(logs)
    spent = np.stack([stages.pretraining_work(at, alphas[:, at]) for at in range(stages.hidden)], axis=1)
    lowest = _lowest(stages)
    for _ in range(_SWEEPS):
        before = cost
        for level in range(stages.hidden):
            rows = np.flatnonzero(sets[:, level])
            if rows.size == 0:
                continue

            others = np.delete(spent[rows], level, axis=1).sum(axis=1)[:, None]

            def value(
                points: FloatArray,
                rows: NDArray[np.intp] = rows,
                level: int = level,
                others: FloatArray = others,
            ) -> FloatArray:
                vectors = np.repeat(logs[rows, None, :], points.shape[1], axis=1)
                vectors[..., level] = points
                alphas = _alphas(vectors)
                tuned = stages.fine_tuning_work(alphas, np.full(points.shape, target))
                return np.asarray(
                    price * (others + stages.pretraining_work(level, alphas[..., level])) + tuned
                )

            low = np.full(rows.size, lowest[level])
            found, lower = _minimum(value, low, np.full(rows.size, _BELOW_ONE), points=_INNER)
            better = lower < cost[rows]
            logs[rows[better], level] = found[better]
            spent[rows[better], level] = stages.pretraining_work(level, _alphas(found[better]))
            cost = cost.copy()
            cost[rows[better]] = lower[better]
        if np.all(cost >= before * (1 - _SETTLED)) or cost.min() < enough:
            break
    return _mixed(stages, logs[int(np.argmin(cost))], target)


def pretraining_pays(stages: Stages, target: float, *, price: float = 1.0) -> bool | None:
    """Whether some pretraining is cheaper than none; None where neither reaches the target."""
    scratch = scratch_work(stages, target)
    if np.isfinite(scratch) and not _least(stages, _sets(stages.hidden), target, price).min() < scratch:
        return False
    common = cheapest_uniform(stages, target, price=price)
    if common is not None and common.total(price) < scratch:
        return True
    mix = cheapest_mix(stages, target, price=price, enough=scratch)
    if mix is None:
        return False if np.isfinite(scratch) else None
    return mix.total(price) < scratch


def flip_of(
    choice: Callable[[float], object],
    low: float,
    high: float,
    *,
    points: int,
    within: int = 5,
    steps: int = 10,
) -> list[tuple[float, float]]:
    """Brackets (low, high) of the changes of a choice: a grid, finer where it changes, then bisection.

    Listed batch sizes make costs jagged, so a choice can change more than once in a cell of the grid.
    Everything is done in log x.

    Args:
        choice: what is chosen at x.
        low, high: ends of the grid, above 0.
        points: of the grid. within: cells into which a cell with a change is cut.
        steps: halvings of each bracket, in log x.

    Example:
        >>> [(round(a, 3), round(b, 3)) for a, b in flip_of(lambda x: x > 3, 1.0, 9.0, points=5, steps=40)]
        [(3.0, 3.0)]
    """

    def changes(grid: FloatArray) -> list[tuple[float, float]]:
        chosen = [choice(float(x)) for x in grid]
        return [
            (float(grid[at]), float(grid[at + 1]))
            for at in range(grid.size - 1)
            if chosen[at] != chosen[at + 1]
        ]

    found = []
    for cell in changes(geometric(low, high, points)):
        for left, right in changes(geometric(*cell, within + 1)):
            before, low_end, high_end = choice(left), left, right
            for _ in range(steps):
                middle = float(np.sqrt(low_end) * np.sqrt(high_end))
                if choice(middle) == before:
                    low_end = middle
                else:
                    high_end = middle
            found.append((low_end, high_end))
    return found


def price_flip(stages: Stages, target: float) -> float | None:
    """The price of a multiply-add of pretraining, over one of fine-tuning, at which both ways cost the same.

    The largest (scratch - fine-tuning) / pretraining over all tolerances, by Dinkelbach's method: the
    tolerances that are cheapest at one price give the next, from below, until none is better.

    Returns:
        The price, or None where pretraining pays at every price, or at none.
    """
    scratch = scratch_work(stages, target)
    if not np.isfinite(scratch):
        return None
    best = 0.0
    for price in (1.0, 1e-4, 1e-8, 1e-12):
        mix = cheapest_mix(stages, target, price=price)
        if mix is not None and mix.fine_tuning < scratch:
            best = (scratch - mix.fine_tuning) / mix.pretraining
            break
    if best == 0.0:
        return None
    for _ in range(30):
        mix = cheapest_mix(stages, target, price=best)
        if mix is None or mix.pretraining <= 0:
            break
        better = (scratch - mix.fine_tuning) / mix.pretraining
        if better <= best * (1 + 1e-7):
            break
        best = better
    return best
