"""The best batch size of a range in closed form, for many architectures at once.

The batch size with the fewest samples is known up to one root (paper) or entirely (certified), and so is the
batch that a whole number of iterations needs; what is left to compare is two whole numbers of iterations.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.space import Goal, Limit, Space
from rsgadvise.records import dataclass
from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.objective import Objective, Range
from rsgadvise.theory.search import increasing_root
from rsgadvise.theory.shortcut import Shortcut

_SLACK = 1 + 1e-12
SMALL = 2000.0
"""Batch sizes below which it matters what their rounding does to N."""
STEPS = tuple(float(step) for step in range(-8, 10))
"""How far from the real optimum whole numbers are compared for small batches."""

Picked = NDArray[np.intp]
_Needed = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def candidates_for_bound(objective: Objective, space: Space, size: int) -> FloatArray | None:
    """Batch sizes, (architectures, few), among which the smallest bound within the budget is.

    Of given samples S the best real B is the one that takes the fewest samples to the bound it reaches, and
    for a whole number of iterations the largest batch that leaves them is best. None where the budget is no
    number of samples, or the stepsizes decay.
    """
    if len(space.schedules) > 1 or not space.schedules[0].plain:
        return None
    if any(limit.fixed > 0 or limit.each <= 0 for limit in space.limits):
        return None
    low, high = (float(size) for size in space.batch_sizes)
    if not space.limits:
        return np.full((size, 1), high)
    samples = min(limit.amount / limit.each for limit in space.limits)
    fewest, most = (float(n) for n in space.iterations)
    columns = list[FloatArray]()
    for keep_range in space.keep_probs:
        plans = objective.shortcut(keep_range)
        if plans is None:
            return None
        batch, n = np.broadcast_arrays(*plans.fewest_samples())
        # At a target q they are batch/q and n/q, so S = batch n / q^2.
        best = np.broadcast_to(np.sqrt(batch / n * samples).reshape(-1, 1), (size, 1))
        real = samples / np.clip(best, max(low, samples / most), min(high, samples / fewest))
        for whole in (np.floor(real), np.ceil(real)):
            held = np.clip(whole, fewest, most)
            columns.append(np.clip(np.floor(samples / held * _SLACK), low, high))
    return np.concatenate(columns, axis=1)


def plans_for_goal(
    objective_of: Callable[[Picked], Objective],
    space: Space,
    goal: Goal,
    size: int,
    *,
    price: tuple[float, float],
    tried: Callable[[Picked, FloatArray], FloatArray],
) -> tuple[FloatArray, NDArray[np.bool_], int]:
    """The least T N (t0 + t1 B) that meets a target, over a range of batch sizes.

    Its logarithm is convex in log B (a geometric program), so the best real B lies at the root of its
    derivative, or at the nearest end of the range. The whole numbers of iterations on either side, each with
    the smallest batch that it needs, are compared.

    Args:
        objective_of: the objective of the architectures at given positions.
        space, goal: what may be chosen, and the target.
        size: number of architectures.
        price: (t0, t1), of an iteration and of a sample.
        tried: (cost, B, N, T, ...) of architectures at given positions and batch sizes, T at its best.

    Returns:
        (cost, B, N, T, NaN) of each architecture; for which of them that is the answer, the others having to
        be searched; and the number of candidates compared.
    """
    best, done = _nothing(size), np.ones(size, dtype=bool)
    timed = any(limit.fixed > 0 and not _priced(limit, price) for limit in space.limits)
    if not space.schedules[0].plain or timed or (goal.runs is None and min(price) > 0):
        return best, ~done, 0
    low, high = (float(end) for end in space.batch_sizes)
    every, count = np.arange(size), 0
    for keep_range in space.keep_probs:
        plans = objective_of(every).shortcut(keep_range)
        if plans is None:
            return best, np.zeros(size, dtype=bool), count
        unit = [np.broadcast_to(np.ravel(value), size) for value in plans.fewest_samples()]
        for runs in _runs(unit[0], goal, (low, high), price, lambda at, batch: tried(at, batch)[3]):
            search = _Search(objective_of, space, goal, keep_range, plans, price, runs)
            found, certain = search.run(*unit)
            best, done = np.where(found[0] < best[0], found, best), done & certain
            count += 2 * size
    return best, done, count


def _priced(limit: Limit, price: tuple[float, float]) -> bool:
    """Whether a limit is one on the cost itself, so that nothing fits where the cheapest plan does not."""
    return limit.fixed * price[1] == limit.each * price[0]


def _nothing(size: int) -> FloatArray:
    rows = np.ones((5, size))
    rows[0], rows[4] = np.inf, np.nan
    return rows


def _runs(
    unit: FloatArray,
    goal: Goal,
    ends: tuple[float, float],
    price: tuple[float, float],
    best_at: Callable[[Picked, FloatArray], FloatArray],
) -> list[FloatArray]:
    """Numbers of runs to compare, each an array over the architectures."""
    if goal.runs is not None:
        return [np.full(unit.shape, float(goal.runs))]
    # Where B is free T N B goes with T / q(T)^2, least at T = 2 ln(1/delta).
    real = max(2 * float(np.log(1 / goal.delta)), 1.0)
    choices = [np.full(unit.shape, whole) for whole in sorted({float(np.floor(real)), float(np.ceil(real))})]
    batch = unit / goal.per_run(np.asarray(real))
    if price[0] > 0:
        batch = np.full(unit.shape, np.inf)
    at = np.flatnonzero((batch < ends[0]) | (batch > ends[1]))
    if at.size:
        best = best_at(at, np.clip(batch[at], *ends)[:, None])
        choices.append(choices[0].copy())
        # Rounding N makes T N jagged in T, so that a neighbour can be better.
        for choice, step in zip(choices, (0.0, 1.0, -1.0), strict=False):
            choice[at] = np.maximum(best + step, 1.0)
    return choices


@dataclass(frozen=True, slots=True)
class _Search:
    """The best plans with one range of keep probabilities, T of each architecture given."""

    objective_of: Callable[[Picked], Objective]
    space: Space
    goal: Goal
    keep_range: Range
    plans: Shortcut
    price: tuple[float, float]
    runs: FloatArray

    def run(
        self, unit_batch: FloatArray, unit_iterations: FloatArray
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """(cost, B, N, T, NaN), and where nothing else can be better."""
        low, high = (float(end) for end in self.space.batch_sizes)
        target, most = self.goal.per_run(self.runs), float(self.space.iterations[1])
        free = unit_batch / target
        batch, n, elasticity = np.clip(free, low, high), unit_iterations / target, np.full(free.shape, -1.0)
        moved = np.flatnonzero((batch != free) | (self.price[0] > 0))
        if moved.size:
            here = self._at(moved, target)
            batch[moved] = self._cheapest(here, batch[moved], high)
            n[moved], elasticity[moved] = here(batch[moved])
        certain = np.ones(free.shape, dtype=bool)
        longer = np.flatnonzero(np.isfinite(n) & (n > most) & (batch < high))
        if longer.size:
            here = self._at(longer, target)
            batch[longer] = _shorter(here, batch[longer], high, most)
            n[longer], elasticity[longer] = here(batch[longer])
            certain[longer] = self.goal.runs is not None  # another T could be better than so large a batch
        best = self._whole(batch, n, elasticity)
        reached, beyond = np.isfinite(n), np.isfinite(n) & (n > most * _SLACK)
        for limit in self.space.limits:
            if _priced(limit, self.price):
                unit = self.runs * (limit.fixed + limit.each * batch)
                beyond |= reached & (n * unit > limit.amount * (1 + 1e-9))
        few = reached & (n < max(self.plans.fewest_whole, float(self.space.iterations[0])))
        return best, certain & ~few & (np.isfinite(best[0]) | ~reached | beyond)

    def _at(
        self, picked: Picked, target: FloatArray
    ) -> Callable[[FloatArray], tuple[FloatArray, FloatArray]]:
        """(N, d log N / d log B) of some architectures, as a function of their batch sizes."""
        plans = self.objective_of(picked).shortcut(self.keep_range)
        assert plans is not None

        def needed(batch: FloatArray) -> tuple[FloatArray, FloatArray]:
            n, elasticity = plans.at(target[picked, None], batch[:, None])
            return n[:, 0], elasticity[:, 0]

        return needed

    def _cheapest(self, here: _Needed, batch: FloatArray, high: float) -> FloatArray:
        """The real B with the least N (t0 + t1 B), from that with the fewest samples on."""
        fixed, each = self.price
        if fixed == 0:
            return batch
        if each == 0:
            return np.full(batch.shape, high)

        def slope(logs: FloatArray) -> FloatArray:
            size = np.exp(logs)
            return np.nan_to_num(here(size)[1], nan=0.0) + each * size / (fixed + each * size)

        ends = np.log(batch), np.full(batch.shape, np.log(high))
        return np.clip(np.exp(increasing_root(slope, *ends, tolerance=1e-5)), batch, high)

    def _whole(self, batch: FloatArray, n: FloatArray, elasticity: FloatArray) -> FloatArray:
        """(cost, B, N, T, NaN) of the best whole numbers close to the real ones."""
        best, fewest, most = _nothing(batch.size), *(float(end) for end in self.space.iterations)
        low, high = (float(end) for end in self.space.batch_sizes)
        near = np.flatnonzero(np.isfinite(n))
        small = near[batch[near] < SMALL]

        def compare(at: Picked, sized: FloatArray, held: FloatArray) -> None:
            runs = self.runs[at]
            cost = held * runs * (self.price[0] + self.price[1] * sized)
            fits = (sized <= high) & (held <= self.space.most_iterations(sized, runs))
            fits &= cost < best[0, at]
            row = np.stack([cost, sized, held, runs, np.full(at.shape, np.nan)])
            best[:, at] = np.where(fits, row, best[:, at])

        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            for at, steps in ((near, (0.0, 1.0)), (small, STEPS)):
                here = n[at], batch[at], elasticity[at]
                for step in steps if at.size else ():
                    held = np.clip(np.floor(here[0] * _SLACK) + step, fewest, most)
                    sized = np.ceil(self.plans.batch_for(held, *here) / _SLACK)
                    compare(at, np.maximum(sized, low), held)
            for step in STEPS if small.size else ():
                sized = np.clip(np.floor(here[1]) + step, low, high)
                held = np.ceil(self.plans.iterations_for(sized, *here) / _SLACK)
                compare(small, sized, np.maximum(held, fewest))
        return best


def _shorter(here: _Needed, batch: FloatArray, high: float, most: float) -> FloatArray:
    """The smallest B that needs no more than `most` iterations; `high` where even that needs more."""
    ends = np.log(batch), np.full(batch.shape, np.log(high))
    return np.clip(
        np.exp(increasing_root(lambda logs: np.log(most / here(np.exp(logs))[0]), *ends)), batch, high
    )
