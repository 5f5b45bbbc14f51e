"""Solve the continuous hyper-parameters for each discrete choice, for many choices at once."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.iterations import (
    FEW,
    MOST_RUNS,
    Branch,
    best_value,
    fewest_iterations,
    iterations_for_bound,
    iterations_for_goal,
)
from rsgadvise.advise.space import MOST_ITERATIONS, Goal, Space, without_limits
from rsgadvise.records import dataclass
from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.objective import FixedStepsize, Objective
from rsgadvise.theory.search import distinct, smallest_integer, whole_grid, whole_number

_EXHAUSTIVE = 64  # a batch-size range this short is enumerated, a longer one narrowed to it
_KINKS = 96  # numbers of iterations whose largest batch is tried
_GRID = 33  # batch sizes tried at each narrowing
_NEAR = 1.4  # as far from the best of rough plans that of exact ones is looked for
_PAIRS = 24  # numbers of few iterations and of runs whose smallest batch is found
_PAIRS_KEPT = 12  # and those of them whose batch is looked at again


@dataclass(frozen=True, slots=True)
class Rows:
    """Solved candidates as parallel arrays.

    Attributes:
        batch, iterations, runs, keep_prob, value: one entry per candidate; value is the bound.
        stepsize: (candidates,) or (candidates, L).
        schedule: index into the space's schedules.
        keep_range: index into the space's keep-probability ranges.
        total: examples processed over all runs.
        seconds: of all runs, or None without a cost model.
    """

    batch: FloatArray
    iterations: FloatArray
    runs: FloatArray
    stepsize: FloatArray
    keep_prob: FloatArray
    value: FloatArray
    schedule: FloatArray
    keep_range: FloatArray
    seconds: FloatArray | None

    @property
    def total(self) -> FloatArray:
        return self.batch * self.iterations * self.runs

    def take(self, pick: NDArray[np.intp]) -> Rows:
        """The candidates at the given positions, in that order."""
        columns = [getattr(self, field.name) for field in fields(self)]
        picked: list[Any] = [None if column is None else column[pick] for column in columns]
        return Rows(*picked)

    def cost(self, goal: Goal | None) -> FloatArray:
        """What the ranking minimises: the bound, or with a target the seconds or the examples."""
        if goal is None:
            return self.value
        return self.seconds if self.seconds is not None else self.total

    def best_batch(self, goal: Goal | None) -> float:
        """Batch size of the candidate that the ranking puts first."""
        return float(self.batch[int(np.argmin(self.cost(goal)))])


def solve(objective: Objective, space: Space, *, rough: bool = False) -> Rows:
    """Every feasible candidate of the space, continuous knobs at their optimum.

    Discrete choices (listed batch sizes, keep probabilities and decays) are enumerated. A range of
    batch sizes contributes its ends, the powers of two between them, and the best integer, found
    by narrowing a geometric grid down to at most 64 consecutive integers, which are enumerated, and among
    the batches that few whole iterations and runs leave or need.

    Args:
        objective, space: what is minimised over what.
        rough: whether few N will do where there is no closed plan: what meets the target is still right,
            but it may not be the cheapest.

    Returns:
        The candidates, unranked; none if nothing is feasible.
    """
    if space.stepsize is not None:
        shape = objective.largest_stepsizes(np.ones(1)).shape[1:]
        fixed = np.asarray(space.stepsize, dtype=np.float64)
        objective = FixedStepsize(objective, np.broadcast_to(fixed, shape) if shape else fixed[0])
    parts = []
    for schedule_index, schedule in enumerate(space.schedules):
        for range_index, keep_range in enumerate(space.keep_probs):
            part = None if space.goal is None else space.goal.freed(keep_range)
            branch = Branch(objective, space, schedule, part or keep_range, part is not None)
            rows = _solve_for(branch, _batch_candidates(branch), rough=rough)
            one = np.ones_like(rows.batch)
            parts.append(replace(rows, schedule=one * schedule_index, keep_range=one * range_index))
    columns = [[getattr(part, field.name) for part in parts] for field in fields(Rows)]
    joined: list[Any] = [None if column[0] is None else np.concatenate(column) for column in columns]
    return Rows(*joined)


def plans(objective: Objective, space: Space) -> Rows:
    """`solve`, or where the theorem has no plan for a target that no weights miss, the least work."""
    rows, goal = solve(objective, space), space.goal
    if rows.batch.size or goal is None or not goal.unmissable:
        return rows
    return solve(objective, replace(space, goal=replace(goal, free=True)))


def reachable(objective: Objective, space: Space) -> bool:
    """Whether a plan of any length meets the goal: the largest batch is never worse, and the N are few."""
    largest = (max(space.batch_sizes),)
    free = replace(without_limits(space), batch_sizes=largest, batch_range=False)
    return bool(solve(objective, free, rough=True).batch.size)


def _batch_candidates(branch: Branch) -> FloatArray:
    space = branch.space
    if not space.batch_range:
        return np.asarray(space.batch_sizes, dtype=np.float64)
    low, high = space.batch_sizes[0], _largest_batch(space)
    if high < low:
        return np.asarray([float(low)])
    if branch.free:
        best = float(low)
    elif space.goal is None and not (branch.schedule.monotone or branch.objective.for_loss):
        best = _best_on_limits(branch, low, high)
    else:
        best = _best_batch(branch, low, high)
        if space.goal is not None and space.goal.runs is None and not branch.searched:
            best = _beside(branch, space.goal, best, (low, high))
        kinks = _kinks(space, low, high, best) if space.goal is None else _goal_kinks(branch, low, high, best)
        # Rough plans, each T with a valley of its own, tell the best batch to some ten per cent.
        for reach in (_NEAR, _NEAR ** (2 / (_GRID - 1))) if branch.searched else ():
            near = np.clip(whole_grid(best / reach, best * reach, _GRID), low, high)
            best, kinks = _best_of(branch, best, np.concatenate([near, kinks])), np.empty(0)
        if kinks.size:  # as rows of a ranking they would all look alike
            best = _best_of(branch, best, kinks)
    powers = 2.0 ** np.arange(np.ceil(np.log2(low)), np.floor(np.log2(high)) + 1)
    return distinct(np.concatenate([[low, best, high], powers]))


def _best_of(branch: Branch, best: float, others: FloatArray) -> float:
    """The best of a batch size and others once N and T are whole; the one where none is feasible."""
    rows = _solve_for(branch, distinct(np.append(others, best)))
    return rows.best_batch(branch.space.goal) if rows.batch.size else best


def _best_batch(branch: Branch, low: int, high: int) -> float:
    """The best batch size of a range; `high` where none is feasible."""
    left, right = low, high
    while True:
        last = right - left < _EXHAUSTIVE
        grid = distinct(whole_grid(left, right, _GRID))
        if last and not branch.searched:
            grid = np.arange(left, right + 1, dtype=np.float64)
        rough = branch.searched or not last  # where N is searched too, whole numbers are left to the kinks
        rows = _solve_for(branch, grid, rough=rough)
        if rows.batch.size == 0:  # nothing on the grid fits: look where the least work is needed
            rows = _solve_for(replace(branch, space=without_limits(branch.space)), grid, rough=rough)
        if rows.batch.size == 0:
            return float(high)
        best = rows.best_batch(branch.space.goal)
        if last:
            return best
        at = int(np.searchsorted(grid, best))
        left, right = int(grid[max(at - 1, 0)]), int(grid[min(at + 1, grid.size - 1)])


def _beside(branch: Branch, goal: Goal, best: float, ends: tuple[int, int]) -> float:
    """The best batch size, or that of one run less or more where it is better.

    Each T has a best batch of its own. Where two of them cost nearly the same, which of them a wide grid
    shows as the better one is chance.
    """
    rows = _solve_for(branch, np.asarray([best]))
    runs = [int(t) + step for t in rows.runs for step in (-1, 1) if 1 <= t + step <= MOST_RUNS]
    spaces = [replace(branch.space, goal=replace(goal, runs=each)) for each in runs]
    others = [_best_batch(replace(branch, space=space), *ends) for space in spaces]
    return _best_of(branch, best, np.asarray(others)) if others else best


def _kinks(space: Space, low: int, high: int, best: float) -> FloatArray:
    """The largest batch that each number of iterations leaves within the budget.

    Rounding N down to whole iterations makes the bound jagged in B; for given N a larger batch is
    never worse, so the best batch is one of these, or the end of the range.
    """
    if not space.limits:
        return np.empty(0)
    middle = min(float(limit.most_iterations(np.asarray(best), np.ones(()))) for limit in space.limits)
    around = whole_number(middle, most=MOST_ITERATIONS)
    counts = [*range(1, _KINKS), *range(max(around - _KINKS, 1), around + _KINKS)]
    counts += [space.iterations[1]]
    batches = np.asarray([min(limit.largest_batch(float(n)) for limit in space.limits) for n in counts])
    return np.asarray(distinct(np.clip(batches, low, high)))


def _goal_kinks(branch: Branch, low: int, high: int, best: float) -> FloatArray:
    """The smallest batches with which few iterations, the most, and those near the best meet the target.

    N is rounded up to whole iterations, so for given N a smaller batch is never dearer. That saves 1/N of
    the samples at most, and being off by a share x of the best N costs about x^2, which says how far to look.
    """
    space, goal = branch.space, branch.space.goal
    fewest, most = space.iterations
    rows = _solve_for(branch, np.asarray([best]))
    sizes = distinct(whole_grid(low, high, _GRID))
    every = np.arange(float(fewest), min(fewest + FEW, most + 1))
    few = _smallest_batches(branch, distinct(np.append(every, float(most))), sizes)
    if goal is None or rows.batch.size == 0:
        return few
    middle = rows.iterations[0]
    if branch.searched:
        near = np.arange(max(middle - FEW // 2, fewest + FEW), min(middle + FEW // 2, most) + 1)
        sizes = distinct(np.round(np.geomspace(max(best / 2, low), min(best * 2, high), _GRID // 3)))
        return np.concatenate([few, _smallest_batches(branch, near, sizes)])
    reach = min(2 * np.ceil(np.sqrt(middle)) + 2, _KINKS)
    counts = np.arange(max(middle - reach, fewest), middle + reach + 1)
    target = np.full(counts.shape, goal.per_run(rows.runs[0]))

    def meets(batch: NDArray[np.int64]) -> NDArray[np.bool_]:
        needed = fewest_iterations(branch.objective, batch.astype(np.float64), target, branch.keep_range)
        return needed <= counts

    ends = np.full((2, counts.size), [[low], [high]], dtype=np.int64)
    batches, met = smallest_integer(meets, ends[0], ends[1])
    return np.concatenate([few, batches[met].astype(np.float64)])


def _smallest_batches(branch: Branch, counts: FloatArray, sizes: FloatArray) -> FloatArray:
    """The smallest batch for each of the cheapest pairs of one of these N and some T that meet the target.

    For given N and T a larger batch is never worse. The batch is interpolated in a table of the best bound
    over N and B, and found exactly for the cheapest pairs only: for all of them it would take minutes.
    """
    space, goal = branch.space, branch.space.goal
    if goal is None or not counts.size:
        return np.empty(0)
    wide, long = np.broadcast_arrays(sizes, counts[:, None])
    table = np.log(best_value(branch, wide, long))
    runs = np.asarray([float(goal.runs)]) if goal.runs is not None else np.arange(1.0, MOST_RUNS + 1)
    targets = np.log(goal.per_run(runs))
    guesses = np.stack([np.exp(np.interp(-targets, -row, np.log(sizes), right=np.nan)) for row in table])
    n, t = (grid.ravel() for grid in np.meshgrid(counts, runs, indexing="ij"))
    guess = guesses.ravel()
    least = np.maximum(np.ceil(guess * (1 - 1e-12)), sizes[0])
    seconds = space.seconds(least, n * t)
    cost = n * t * least if seconds is None else seconds
    fits = n <= space.most_iterations(np.maximum(0.97 * guess, sizes[0]), t)  # interpolated from above
    keep = np.isfinite(guess) & fits
    pick = np.argsort(np.where(keep, cost, np.inf), kind="stable")[: min(_PAIRS, int(keep.sum()))]
    if not pick.size:
        return np.empty(0)
    n, q, guess = n[pick], goal.per_run(t[pick]), guess[pick]

    def meets(batch: NDArray[np.int64]) -> NDArray[np.bool_]:
        return best_value(branch, *np.broadcast_arrays(batch.astype(np.float64), n)) <= q

    first, last = np.clip(np.floor([0.9 * guess, 1.1 * guess + 1]), sizes[0], sizes[-1]).astype(np.int64)
    batches, met = smallest_integer(meets, first, last)
    exact = batches.astype(np.float64)
    seconds = space.seconds(exact, n * t[pick])
    cost = np.where(met, n * t[pick] * exact if seconds is None else seconds, np.inf)
    return np.asarray(exact[np.argsort(cost, kind="stable")[: min(_PAIRS_KEPT, int(met.sum()))]])


def _best_on_limits(branch: Branch, low: int, high: int) -> float:
    """The best batch size where N is searched too: for given N the largest that the limits leave."""
    space, one = branch.space, np.ones(1)
    if not space.limits:
        return float(high)
    left = float(space.iterations[0])
    right = float(max(left, space.most_iterations(low * one, one)[0]))
    while True:
        short = right - left < _EXHAUSTIVE
        grid = np.arange(left, right + 1) if short else distinct(whole_grid(left, right, _EXHAUSTIVE))
        most = [min(float(high), *(limit.largest_batch(n) for limit in space.limits)) for n in grid]
        batch = np.maximum(np.asarray(most), low)
        at = int(np.argmin(best_value(branch, batch, grid)))
        if short:
            return float(batch[at])
        left, right = float(grid[max(at - 1, 0)]), float(grid[min(at + 1, grid.size - 1)])


def _largest_batch(space: Space) -> int:
    """Largest batch size of the range that leaves room for the fewest iterations allowed."""
    most = float(space.batch_sizes[1])
    for limit in space.limits:
        most = min(most, limit.largest_batch(float(space.iterations[0])))
    return whole_number(np.floor(most))


def _solve_for(branch: Branch, batch: FloatArray, *, rough: bool = False) -> Rows:
    """Candidates for given batch sizes; `rough` plans only locate a batch size."""
    if branch.space.goal is None:
        runs = np.ones_like(batch)
        iterations = iterations_for_bound(branch, batch)
    else:
        iterations, runs = iterations_for_goal(branch, batch, rough=rough)
    fits = np.isfinite(iterations) & (iterations <= branch.space.most_iterations(batch, runs))
    batch, iterations, runs = batch[fits], iterations[fits], runs[fits]
    if batch.size:
        plans = branch.objective.optimum(batch, iterations, branch.keep_range, branch.schedule)
        stepsize, keep_prob = plans.stepsize, plans.keep_prob
        value = branch.objective.bound(plans).value
    else:
        shape = branch.objective.largest_stepsizes(np.ones(1)).shape[1:]
        stepsize, keep_prob, value = np.empty((0, *shape)), np.empty(0), np.empty(0)
    return Rows(
        batch=batch,
        iterations=iterations,
        runs=runs,
        stepsize=stepsize,
        keep_prob=keep_prob,
        value=value,
        schedule=np.zeros_like(batch),
        keep_range=np.zeros_like(batch),
        seconds=branch.space.seconds(batch, iterations * runs),
    )
