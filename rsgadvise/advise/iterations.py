"""Numbers of iterations and of runs for given batch sizes: within a budget, or those that meet a target."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.space import MOST_ITERATIONS, Goal, Space
from rsgadvise.records import dataclass
from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.objective import Objective, Range, Schedule
from rsgadvise.theory.search import distinct, smallest_integer, whole_grid

MOST_RUNS = 4096  # T beyond this is not tried: each run must stop for something
_ITERATION_POINTS = 17  # numbers of iterations tried at once where more is not always better
_ITERATION_ROUNDS = 3
_PLAN_POINTS = 40  # numbers of iterations in the table of a plan without a closed form
_CLOSE_POINTS = 24  # and as many more close to the best of them
_RUNS_REFINED = 3  # numbers of runs whose plan is narrowed down to the last iteration
_COARSE_RUNS = distinct(whole_grid(1, MOST_RUNS, 44))
FEW = 24  # so few iterations are all tried: there rounding to whole ones matters most


@dataclass(frozen=True, slots=True)
class Branch:
    """One combination of the choices that are neither solved nor vectorised."""

    objective: Objective
    space: Space
    schedule: Schedule
    keep_range: Range
    free: bool = False  # any weights meet the target, so that the least work does

    @property
    def searched(self) -> bool:
        """Whether the iterations that a target needs have no closed form."""
        return self.space.goal is not None and not self.space.closed_plan(self.schedule)


def iterations_for_bound(branch: Branch, batch: FloatArray) -> FloatArray:
    """N that gives the smallest bound: all that the limits allow, where more is always better.

    It is for constant stepsizes with uniform R and for `matched`. A late start or a decaying
    stepsize with another P_R can lose by more iterations, so there several N are compared. Where the
    stepsize is chosen for the loss, N is too: a short run can have the smaller bound, not the smaller loss.
    """
    most = branch.space.most_iterations(batch, np.ones_like(batch))
    if branch.schedule.monotone or branch.space.fixed_iterations or branch.objective.for_loss:
        return np.where(most > 0, most, np.inf)
    left = np.full(most.shape, float(branch.space.iterations[0]))
    right = np.maximum(most, left)
    for _ in range(_ITERATION_ROUNDS):
        grid = np.asarray(whole_grid(left, right, _ITERATION_POINTS, axis=-1), dtype=np.float64)
        wide = np.broadcast_to(batch[:, None], grid.shape)
        at = np.argmin(best_value(branch, wide, grid), axis=1)[:, None]
        if np.all(at == _ITERATION_POINTS - 1):
            break  # all that the limits allow
        left = np.take_along_axis(grid, np.maximum(at - 1, 0), axis=1)[:, 0]
        right = np.take_along_axis(grid, np.minimum(at + 1, _ITERATION_POINTS - 1), axis=1)[:, 0]
    return np.where(most > 0, np.take_along_axis(grid, at, axis=1)[:, 0], np.inf)


def best_value(branch: Branch, batch: FloatArray, n: FloatArray) -> FloatArray:
    """The bound at its optimum."""
    return branch.objective.bound(
        branch.objective.optimum(batch, n, branch.keep_range, branch.schedule)
    ).value


def iterations_for_goal(branch: Branch, batch: FloatArray, *, rough: bool) -> tuple[FloatArray, FloatArray]:
    """(N, T) that meet the goal with the least total T N for each batch size; N is inf where none does."""
    goal = branch.space.goal
    if goal is None:
        raise ValueError("a goal is needed")
    if branch.free:
        return np.full(batch.shape, float(branch.space.iterations[0])), np.full(batch.shape, goal.runs or 1.0)
    if branch.searched:
        return _plan_searched(branch, goal, batch, rough=rough)

    lowest = float(branch.space.iterations[0])

    def real(runs: FloatArray) -> FloatArray:
        """N, at least the fewest allowed and not rounded, for each batch size (rows) and T (columns)."""
        wide = np.broadcast_to(batch[:, None], runs.shape)
        return np.maximum(
            branch.objective.required_iterations(goal.per_run(runs), wide, branch.keep_range)[0], lowest
        )

    def whole(runs: FloatArray) -> FloatArray:
        """The same, rounded up and checked."""
        wide = np.broadcast_to(batch[:, None], runs.shape)
        n = fewest_iterations(branch.objective, wide, goal.per_run(runs), branch.keep_range, lowest=lowest)
        return np.where(n <= branch.space.iterations[1], n, np.inf)

    if goal.runs is not None:
        choices = np.full((batch.size, 1), float(goal.runs))
        return whole(choices)[:, 0], choices[:, 0]
    choices = _runs_worth_trying(real, float(branch.space.iterations[1]), batch.size, rough=rough)
    needed = whole(choices)
    best = np.argmin(needed * choices, axis=1)[:, None]
    return np.take_along_axis(needed, best, axis=1)[:, 0], np.take_along_axis(choices, best, axis=1)[:, 0]


def _runs_worth_trying(
    real: Callable[[FloatArray], FloatArray], highest: float, size: int, *, rough: bool
) -> FloatArray:
    """The few T, one row per batch size, among which the one with the least T N(T) is.

    For real N the logarithm of T N(T) is convex in 1/T: log N is convex in the logarithm of the target,
    which is linear in 1/T, and -log(1/T) is convex. So the T for which it is below the cost of one whole
    plan are an interval; beyond it no T can be cheaper. Whole N make T N(T) jagged inside, so there every
    T counts.

    Args:
        real: N before rounding of T. highest: the most iterations allowed. size: number of rows.
        rough: whether to be content with the T near the cheapest of a coarse list.
    """

    def rounded(runs: FloatArray, needed: FloatArray) -> FloatArray:
        n = np.ceil(needed)
        return np.where(n <= highest, n * runs, np.inf)

    last = _COARSE_RUNS.size - 1
    coarse = np.broadcast_to(_COARSE_RUNS, (size, last + 1))
    needed = real(coarse)
    costs = rounded(coarse, needed)
    first, final = np.argmin(costs, axis=1), np.argmin(costs, axis=1)
    if not rough:
        cheapest = np.min(costs, axis=1, keepdims=True)
        promising = (coarse * needed <= cheapest) & np.isfinite(cheapest)
        first = np.argmax(promising, axis=1)
        final = np.where(promising.any(axis=1), last - np.argmax(promising[:, ::-1], axis=1), first)
    low, high = _COARSE_RUNS[np.maximum(first - 1, 0)], _COARSE_RUNS[np.minimum(final + 1, last)]
    if rough:
        return np.asarray(np.round(low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 17)))
    every = np.minimum(low[:, None] + np.arange(np.max(high - low) + 1), high[:, None])
    costs = rounded(every, real(every))
    pick = np.argsort(costs, axis=1, kind="stable")[:, :_RUNS_REFINED]
    return np.take_along_axis(every, pick, axis=1)


def _runs_tried(first: float, last: float) -> FloatArray:
    """Every T from the first to the last, and a few beyond on either side."""
    return distinct(np.concatenate([_COARSE_RUNS, np.arange(first, last + 1)]))


def fewest_iterations(
    objective: Objective, batch: FloatArray, target: FloatArray, keep_range: Range, *, lowest: float = 1.0
) -> FloatArray:
    """Smallest integer N >= `lowest` from the closed plan, rounded up and checked against the bound.

    For constant stepsizes and uniform R; inf where no N up to 1e15 reaches the target.
    """
    schedule = Schedule()
    needed, _ = objective.required_iterations(target, batch, keep_range)
    whole = np.maximum(np.ceil(needed), lowest)
    reachable = np.isfinite(whole) & (whole <= MOST_ITERATIONS)
    misses = reachable
    for _ in range(4):
        if not misses.any():
            break
        safe = np.where(reachable, whole, 1.0)
        plans = objective.optimum(batch, safe, keep_range, schedule)
        misses = reachable & (objective.bound(plans).value > target)
        whole = np.where(misses, np.maximum(whole + 1, np.ceil(whole * (1 + 1e-12))), whole)
    return np.where(reachable & ~misses, whole, np.inf)


@dataclass(frozen=True, slots=True)
class _Table:
    """The best bound over N, each N and bound in a row of its batch size; N never falls along a row."""

    branch: Branch
    batch: FloatArray
    grid: FloatArray
    values: FloatArray

    @classmethod
    def over(cls, branch: Branch, batch: FloatArray, grid: FloatArray) -> _Table:
        wide = np.broadcast_to(grid, (batch.size, grid.shape[-1]))
        return cls(branch, batch, wide, best_value(branch, np.broadcast_to(batch[:, None], wide.shape), wide))

    def with_more(self, grid: FloatArray) -> _Table:
        """Other N beside these."""
        more = _Table.over(self.branch, self.batch, grid)
        whole = np.concatenate([self.grid, more.grid], axis=1)
        order = np.argsort(whole, axis=1, kind="stable")
        values = np.concatenate([self.values, more.values], axis=1)
        pair = (np.take_along_axis(each, order, axis=1) for each in (whole, values))
        return _Table(self.branch, self.batch, *pair)

    def allowed(self, runs: FloatArray) -> FloatArray:
        """The most iterations that the limits leave to so many runs (columns, or one per row and column)."""
        return self.branch.space.most_iterations(self.batch[:, None], runs)

    def cheapest(self, goal: Goal) -> tuple[FloatArray, FloatArray]:
        """(N, T) with the least T N among these N; N is inf where none meets the target."""
        if goal.runs is not None:
            runs = np.full(self.values.shape, float(goal.runs))
        else:
            with np.errstate(divide="ignore"):
                shortfall = np.log(goal.eps / self.values)  # what a factor of delta^(1/T) may take away
                needed = np.where(shortfall > 0, -np.log(goal.delta) / shortfall, np.inf)
            runs = np.clip(np.ceil(needed * (1 - 1e-12)), 1.0, MOST_RUNS)
            runs = np.where(self.values <= goal.per_run(runs), runs, np.minimum(runs + 1, MOST_RUNS))
        good = (self.values <= goal.per_run(runs)) & (self.grid <= self.allowed(runs))
        total = np.where(good, self.grid * runs, np.inf)
        at = np.arange(self.batch.size), np.argmin(total, axis=1)
        return np.where(np.isfinite(total[at]), self.grid[at], np.inf), runs[at]

    def bracket(self, target: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The last N that misses each target (columns) and the first that meets it, side by side."""
        first = np.argmax(self.values[:, None, :] <= target[..., None], axis=2)
        rows = np.arange(self.batch.size)[:, None]
        return self.grid[rows, np.maximum(first - 1, 0)], self.grid[rows, first]

    def interpolated(self, goal: Goal, runs: FloatArray) -> FloatArray:
        """N for each T (columns), interpolated; inf where it is out of reach."""
        target = goal.per_run(runs)
        met = self.values[:, None, :] <= target[:, None]
        first, rows = np.argmax(met, axis=2), np.arange(self.batch.size)[:, None]
        below = np.maximum(first - 1, 0)
        low, above = self.grid[rows, below], self.values[rows, below]
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.clip(np.log(above / target) / np.log(above / self.values[rows, first]), 0, 1)
        part = np.where(np.isfinite(part), part, 1.0)
        guess = np.ceil(low * (self.grid[rows, first] / low) ** part)
        return np.where(met.any(axis=2) & (low <= self.allowed(runs)), guess, np.inf)


def _plan_searched(
    branch: Branch, goal: Goal, batch: FloatArray, *, rough: bool
) -> tuple[FloatArray, FloatArray]:
    """(N, T) by search, where the plan has no closed form.

    The best bound F at N does not depend on T, so it is tabulated once over N; few N are all in it. For
    given N the fewest runs are ln(1/delta) / ln(eps/F), rounded up. Between two entries T is chosen by
    interpolation, and its N narrowed down to the smallest integer. The bound falls with N for `matched`;
    elsewhere the answer meets the target but a smaller N of many may, too.
    """
    low, high = (float(n) for n in branch.space.iterations)
    short = high - low < FEW + _PLAN_POINTS
    every = np.arange(low, min(low + (4 if rough else FEW), high + 1))
    spread = whole_grid(low, high, 12 if rough else _PLAN_POINTS)
    if short and not rough:
        every = spread = np.arange(low, high + 1)
    table, rows = _Table.over(branch, batch, distinct(np.concatenate([every, spread]))), np.arange(batch.size)
    runs = np.asarray([float(goal.runs or 1)])
    if goal.runs is None:
        guess = table.interpolated(goal, _COARSE_RUNS)
        at = np.argmin(guess * _COARSE_RUNS, axis=1)
        before, after = max(int(at.min()) - 2, 0), min(int(at.max()) + 2, _COARSE_RUNS.size - 1)
        runs = _runs_tried(_COARSE_RUNS[before], _COARSE_RUNS[after])
        if not (rough or short):  # N that lie so far apart tell the best T to a few per cent only
            middle = np.where(np.isfinite(guess[rows, at]), guess[rows, at], high)
            near = np.geomspace(0.5, 2.0, _PLAN_POINTS)
            table = table.with_more(np.clip(np.round(middle[:, None] * near), low, high))
            # Rounding to whole N makes other T as good as the best if N is off by a share of 1/sqrt(N).
            guess = table.interpolated(goal, runs)
            best = guess[rows, np.argmin(guess * runs, axis=1)]
            middle = np.where(np.isfinite(best), best, high)
            width = np.clip(4 / np.sqrt(middle), 1e-3, 0.1)[:, None]
            near = 1 + width * np.linspace(-1, 1, _CLOSE_POINTS)
            table = table.with_more(np.clip(np.round(middle[:, None] * near), low, high))
    best_n, best_runs = table.cheapest(goal)
    guess = table.interpolated(goal, runs)
    for pick in np.argsort(guess * runs, axis=1, kind="stable").T[: 1 if rough else _RUNS_REFINED]:
        n, target = guess[rows, pick], goal.per_run(runs)[pick]
        if not rough:
            fails, meets = (end[:, 0] for end in table.bracket(target[:, None]))
            some = np.isfinite(n)
            if some.any():
                n[some] = _narrowed(branch, batch[some], target[some], (fails[some], meets[some]))
        n = np.where(n <= branch.space.most_iterations(batch, runs[pick]), n, np.inf)
        better = n * runs[pick] < best_n * best_runs
        best_n, best_runs = np.where(better, n, best_n), np.where(better, runs[pick], best_runs)
    return best_n, best_runs


def _narrowed(
    branch: Branch, batch: FloatArray, target: FloatArray, bracket: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """Smallest integer N of the bracket whose best bound meets the target, as its upper end does."""

    def meets(n: NDArray[np.int64]) -> NDArray[np.bool_]:
        return best_value(branch, np.broadcast_to(batch, n.shape), n.astype(np.float64)) <= target

    low, high = (end.astype(np.int64) for end in bracket)
    return smallest_integer(meets, low, high)[0].astype(np.float64)


def critical_batch_size(objective: Objective, target: float, keep_range: Range) -> float:
    """B at which the steps are twice the fewest possible, at constant stepsize and uniform R.

    For a single layer this is sigma^2/q in closed form; elsewhere it is found by narrowing
    a bracket of log B, since N(B) falls with B.
    """
    points = 65

    def iterations(batch: FloatArray) -> FloatArray:
        return objective.required_iterations(np.full(batch.shape, target), batch, keep_range)[0]

    fewest = float(iterations(np.asarray([1e280]))[0])
    low, high = -60.0, 640.0
    for _ in range(6):  # each round narrows the bracket 64-fold
        grid = np.linspace(low, high, points)
        inside = iterations(np.exp(grid)) <= 2 * fewest
        first = int(np.argmax(inside)) if inside.any() else points - 1
        low, high = float(grid[max(first - 1, 0)]), float(grid[first])
    return float(np.exp(high))
