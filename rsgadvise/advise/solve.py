"""Solve the continuous hyper-parameters for each discrete choice, for many choices at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.space import MOST_ITERATIONS, Goal, Space, without_limits
from rsgadvise.bounds.calibrated import LossObjective
from rsgadvise.bounds.objective import FixedStepsize, Objective, Range, Schedule
from rsgadvise.search import distinct, smallest_integer
from rsgadvise.theory.bound import FloatArray

__all__ = ["MOST_RUNS", "Rows", "critical_batch_size", "fewest_iterations", "reachable", "solve"]

MOST_RUNS = 4096  # T beyond this is not tried: each run must stop for something
_EXHAUSTIVE = 64  # a batch-size range this short is enumerated, a longer one narrowed to it
_KINKS = 96  # numbers of iterations whose largest batch is tried
_GRID = 33  # batch sizes tried at each narrowing
_EVERY = 24  # so few iterations are all tried: there rounding to whole ones matters most
_ITERATION_POINTS = 17  # numbers of iterations tried at once where more is not always better
_ITERATION_ROUNDS = 3
_PLAN_POINTS = 40  # numbers of iterations in the table of a plan without a closed form
_RUNS_REFINED = 3  # numbers of runs whose plan is narrowed down to the last iteration
_PAIRS = 16  # numbers of few iterations and of runs whose smallest batch is found
_COARSE_RUNS = distinct(np.round(np.geomspace(1, MOST_RUNS, 44)))


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
        return Rows(
            batch=self.batch[pick],
            iterations=self.iterations[pick],
            runs=self.runs[pick],
            stepsize=self.stepsize[pick],
            keep_prob=self.keep_prob[pick],
            value=self.value[pick],
            schedule=self.schedule[pick],
            keep_range=self.keep_range[pick],
            seconds=None if self.seconds is None else self.seconds[pick],
        )

    def cost(self, goal: Goal | None) -> FloatArray:
        """What the ranking minimises: the bound, or with a target the seconds or the examples."""
        if goal is None:
            return self.value
        return self.seconds if self.seconds is not None else self.total


@dataclass(frozen=True, slots=True)
class _Branch:
    """One combination of the choices that are neither solved nor vectorised."""

    objective: Objective
    space: Space
    schedule: Schedule
    keep_range: Range
    for_loss: bool  # the stepsize is given by a formula, and no optimum of what ranks


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
    for_loss = isinstance(objective, LossObjective)
    if space.stepsize is not None:
        shape = objective.largest_stepsizes(np.ones(1)).shape[1:]
        fixed = np.asarray(space.stepsize, dtype=np.float64)
        objective = FixedStepsize(objective, np.broadcast_to(fixed, shape) if shape else fixed[0])
    parts = []
    for schedule_index, schedule in enumerate(space.schedules):
        for range_index, keep_range in enumerate(space.keep_probs):
            branch = _Branch(objective, space, schedule, keep_range, for_loss)
            rows = _solve_for(branch, _batch_candidates(branch), rough=rough)
            labels = np.full(rows.batch.shape, schedule_index), np.full(rows.batch.shape, range_index)
            parts.append((rows, labels))
    return _joined(parts)


def reachable(objective: Objective, space: Space) -> bool:
    """Whether a plan of any length meets the goal: the largest batch is never worse, and the N are few."""
    largest = (max(space.batch_sizes),)
    free = replace(without_limits(space), batch_sizes=largest, batch_range=False)
    return bool(solve(objective, free, rough=True).batch.size)


def _joined(parts: list[tuple[Rows, tuple[FloatArray, FloatArray]]]) -> Rows:
    rows = [part for part, _ in parts]
    seconds = [row.seconds for row in rows if row.seconds is not None]
    return Rows(
        batch=np.concatenate([row.batch for row in rows]),
        iterations=np.concatenate([row.iterations for row in rows]),
        runs=np.concatenate([row.runs for row in rows]),
        stepsize=np.concatenate([row.stepsize for row in rows]),
        keep_prob=np.concatenate([row.keep_prob for row in rows]),
        value=np.concatenate([row.value for row in rows]),
        schedule=np.concatenate([labels[0] for _, labels in parts]).astype(np.float64),
        keep_range=np.concatenate([labels[1] for _, labels in parts]).astype(np.float64),
        seconds=np.concatenate(seconds) if seconds else None,
    )


def _batch_candidates(branch: _Branch) -> FloatArray:
    space = branch.space
    if not space.batch_range:
        return np.asarray(space.batch_sizes, dtype=np.float64)
    low, high = space.batch_sizes[0], _largest_batch(space)
    if high < low:
        return np.asarray([float(low)])
    if space.goal is None and not (branch.schedule.monotone or branch.for_loss):
        best = _best_on_limits(branch, low, high)
    else:
        best = _best_batch(branch, low, high)
        few = _few_iterations(branch, low, high)
        kinks = _kinks(space, low, high, best) if space.goal is None else _goal_kinks(branch, low, high, best)
        kinks = np.concatenate([kinks, few])
        if kinks.size:  # they find the best batch; as rows of a ranking they would all look alike
            rows = _solve_for(branch, distinct(np.concatenate([[best], kinks])))
            if rows.batch.size:
                best = float(rows.batch[int(np.argmin(rows.cost(space.goal)))])
    powers = 2.0 ** np.arange(np.ceil(np.log2(low)), np.floor(np.log2(high)) + 1)
    return distinct(np.concatenate([[low, best, high], powers]))


def _best_batch(branch: _Branch, low: int, high: int) -> float:
    """The best batch size of a range; `high` where none is feasible."""
    left, right = low, high
    while True:
        grid = distinct(np.round(np.geomspace(left, right, _GRID)))
        if right - left < _EXHAUSTIVE:
            grid = np.arange(left, right + 1, dtype=np.float64)
        rows = _solve_for(branch, grid, rough=right - left >= _EXHAUSTIVE)
        if rows.batch.size == 0:  # nothing on the grid fits: look where the least work is needed
            free = replace(branch, space=without_limits(branch.space))
            rows = _solve_for(free, grid, rough=right - left >= _EXHAUSTIVE)
        if rows.batch.size == 0:
            return float(high)
        best = float(rows.batch[int(np.argmin(rows.cost(branch.space.goal)))])
        if right - left < _EXHAUSTIVE:
            return best
        at = int(np.searchsorted(grid, best))
        left, right = int(grid[max(at - 1, 0)]), int(grid[min(at + 1, grid.size - 1)])


def _kinks(space: Space, low: int, high: int, best: float) -> FloatArray:
    """The largest batch that each number of iterations leaves within the budget.

    Rounding N down to whole iterations makes the bound jagged in B; for given N a larger batch is
    never worse, so the best batch is one of these, or the end of the range.
    """
    if not space.limits:
        return np.empty(0)
    middle = min(float(limit.most_iterations(np.asarray(best), np.ones(()))) for limit in space.limits)
    counts = [*range(1, _KINKS), *range(int(max(middle - _KINKS, 1)), int(min(middle, 1e15)) + _KINKS)]
    counts += [space.iterations[1]]
    batches = np.asarray([min(limit.largest_batch(float(n)) for limit in space.limits) for n in counts])
    return np.asarray(distinct(np.clip(batches, low, high)))


def _goal_kinks(branch: _Branch, low: int, high: int, best: float) -> FloatArray:
    """The smallest batch with which each number of iterations near the best one meets the target.

    N is rounded up to whole iterations, so for given N a smaller batch is never dearer. That saves 1/N of
    the samples at most, and being off by a share x of the best N costs about x^2, which says how far to look.
    """
    goal, rows = branch.space.goal, _solve_for(branch, np.asarray([best]))
    if goal is None or not branch.space.closed_plan(branch.schedule) or rows.batch.size == 0:
        return np.empty(0)
    middle = rows.iterations[0]
    reach = min(2 * np.ceil(np.sqrt(middle)) + 2, _KINKS)
    counts = np.arange(max(middle - reach, branch.space.iterations[0]), middle + reach + 1)
    target = np.full(counts.shape, goal.per_run(rows.runs[0]))

    def meets(batch: NDArray[np.int64]) -> NDArray[np.bool_]:
        needed = fewest_iterations(branch.objective, batch.astype(np.float64), target, branch.keep_range)
        return needed <= counts

    ends = np.full((2, counts.size), [[low], [high]], dtype=np.int64)
    batches, found = smallest_integer(meets, ends[0], ends[1])
    return np.asarray(distinct(batches[found].astype(np.float64)))


def _best_on_limits(branch: _Branch, low: int, high: int) -> float:
    """The best batch size where N is searched too: for given N the largest that the limits leave."""
    space, one = branch.space, np.ones(1)
    if not space.limits:
        return float(high)
    left = float(space.iterations[0])
    right = float(max(left, space.most_iterations(low * one, one)[0]))
    while True:
        short = right - left < _EXHAUSTIVE
        grid = np.arange(left, right + 1) if short else distinct(np.round(np.geomspace(left, right, _EXHAUSTIVE)))
        most = [min(float(high), *(limit.largest_batch(n) for limit in space.limits)) for n in grid]
        batch = np.maximum(np.asarray(most), low)
        at = int(np.argmin(_best_value(branch, batch, grid)))
        if short:
            return float(batch[at])
        left, right = float(grid[max(at - 1, 0)]), float(grid[min(at + 1, grid.size - 1)])


def _few_iterations(branch: _Branch, low: int, high: int) -> FloatArray:
    """The smallest batches with which few iterations and some number of runs meet the target.

    For given N and T a larger batch is never worse, so the best batch is the smallest that will do. The batch
    is interpolated in a table of the best bound over N and B, and found exactly for the cheapest pairs of N
    and T: for all pairs it would take minutes.
    """
    space, goal = branch.space, branch.space.goal
    if goal is None:
        return np.empty(0)
    first = float(space.iterations[0])
    counts = np.arange(first, min(first + _EVERY, space.iterations[1] + 1.0))
    sizes = distinct(np.round(np.geomspace(low, high, _GRID)))
    wide = np.broadcast_to(sizes, (counts.size, sizes.size))
    table = np.log(_best_value(branch, wide, np.broadcast_to(counts[:, None], wide.shape)))
    runs = np.asarray([float(goal.runs)]) if goal.runs is not None else _runs_tried(1, 64)
    targets = np.log(goal.per_run(runs))
    found = np.stack([np.exp(np.interp(-targets, -row, np.log(sizes), right=np.nan)) for row in table])
    n, t = (grid.ravel() for grid in np.meshgrid(counts, runs, indexing="ij"))
    guess = found.ravel()
    least = np.maximum(np.floor(0.97 * guess), low)  # interpolated from above, the table being convex
    cost = n * t * least if space.cost is None else space.seconds(least, n * t)
    keep = np.isfinite(guess) & (n <= space.most_iterations(least, t))
    pick = np.argsort(np.where(keep, cost, np.inf), kind="stable")[: min(_PAIRS, int(keep.sum()))]
    if not pick.size:
        return np.empty(0)
    n, q = n[pick], goal.per_run(t[pick])

    def meets(batch: NDArray[np.int64]) -> NDArray[np.bool_]:
        return _best_value(branch, batch.astype(np.float64), np.broadcast_to(n, batch.shape)) <= q

    ends = [np.clip(np.floor(guess[pick] * scale), low, high).astype(np.int64) for scale in (0.9, 1.1)]
    batches, met = smallest_integer(meets, ends[0], np.minimum(ends[1] + 1, high))
    return np.asarray(batches[met].astype(np.float64))


def _largest_batch(space: Space) -> int:
    """Largest batch size of the range that leaves room for the fewest iterations allowed."""
    most = float(space.batch_sizes[1])
    for limit in space.limits:
        most = min(most, limit.largest_batch(float(space.iterations[0])))
    return int(most)


def _solve_for(branch: _Branch, batch: FloatArray, *, rough: bool = False) -> Rows:
    """Candidates for given batch sizes; `rough` plans only locate a batch size."""
    if branch.space.goal is None:
        runs = np.ones_like(batch)
        iterations = _iterations_for_bound(branch, batch)
    else:
        iterations, runs = _iterations_for_goal(branch, batch, rough=rough)
    fits = np.isfinite(iterations) & (iterations <= branch.space.most_iterations(batch, runs))
    batch, iterations, runs = batch[fits], iterations[fits], runs[fits]
    if batch.size:
        stepsize, keep_prob = branch.objective.optimum(batch, iterations, branch.keep_range, branch.schedule)
        value = branch.objective.bound(stepsize, keep_prob, batch, iterations, branch.schedule).value
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


def _iterations_for_bound(branch: _Branch, batch: FloatArray) -> FloatArray:
    """N that gives the smallest bound: all that the limits allow, where more is always better.

    It is for constant stepsizes with uniform R and for `matched`. A late start or a decaying
    stepsize with another P_R can lose by more iterations, so there several N are compared. Where the
    stepsize is chosen for the loss, N is too: a short run can have the smaller bound, not the smaller loss.
    """
    most = branch.space.most_iterations(batch, np.ones_like(batch))
    if branch.schedule.monotone or branch.space.fixed_iterations or branch.for_loss:
        return np.where(most > 0, most, np.inf)
    left = np.full(most.shape, float(branch.space.iterations[0]))
    right = np.maximum(most, left)
    for _ in range(_ITERATION_ROUNDS):
        grid = np.asarray(np.round(np.geomspace(left, right, _ITERATION_POINTS, axis=-1)), dtype=np.float64)
        wide = np.broadcast_to(batch[:, None], grid.shape)
        at = np.argmin(_best_value(branch, wide, grid), axis=1)[:, None]
        if np.all(at == _ITERATION_POINTS - 1):
            break  # all that the limits allow
        left = np.take_along_axis(grid, np.maximum(at - 1, 0), axis=1)[:, 0]
        right = np.take_along_axis(grid, np.minimum(at + 1, _ITERATION_POINTS - 1), axis=1)[:, 0]
    return np.where(most > 0, np.take_along_axis(grid, at, axis=1)[:, 0], np.inf)


def _best_value(branch: _Branch, batch: FloatArray, n: FloatArray) -> FloatArray:
    """The bound at its optimum."""
    stepsize, keep_prob = branch.objective.optimum(batch, n, branch.keep_range, branch.schedule)
    return branch.objective.bound(stepsize, keep_prob, batch, n, branch.schedule).value


def _iterations_for_goal(branch: _Branch, batch: FloatArray, *, rough: bool) -> tuple[FloatArray, FloatArray]:
    """(N, T) that meet the goal with the least total T N for each batch size; N is inf where none does."""
    goal = branch.space.goal
    if goal is None:
        raise ValueError("a goal is needed")
    if not branch.space.closed_plan(branch.schedule):
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

    For real N the logarithm of T N(T) is convex in 1/T: log N is convex in the logarithm of the target, which
    is linear in 1/T, and -log(1/T) is convex. So the T for which it is below the cost of one whole plan are an
    interval; beyond it no T can be cheaper. Whole N make T N(T) jagged inside, so there every T counts.

    Args:
        real: N before rounding of T. highest: the most iterations allowed. size: number of rows.
        rough: whether to be content with the T near the cheapest of a coarse list.
    """

    def rounded(runs: FloatArray, needed: FloatArray) -> FloatArray:
        n = np.ceil(needed)
        return np.where(n <= highest, n * runs, np.inf)

    coarse = np.broadcast_to(_COARSE_RUNS, (size, _COARSE_RUNS.size))
    needed = real(coarse)
    costs = rounded(coarse, needed)
    best = np.argmin(costs, axis=1)
    if rough:
        left, right = best, best
    else:
        promising = coarse * needed <= np.min(costs, axis=1, keepdims=True)
        left, right = np.argmax(promising, axis=1), coarse.shape[1] - 1 - np.argmax(promising[:, ::-1], axis=1)
    low, high = _COARSE_RUNS[np.maximum(left - 1, 0)], _COARSE_RUNS[np.minimum(right + 1, coarse.shape[1] - 1)]
    if rough:
        return np.round(low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 17))
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
        stepsize, keep_prob = objective.optimum(batch, safe, keep_range, schedule)
        misses = reachable & (objective.bound(stepsize, keep_prob, batch, safe, schedule).value > target)
        whole = np.where(misses, np.maximum(whole + 1, np.ceil(whole * (1 + 1e-12))), whole)
    return np.where(reachable & ~misses, whole, np.inf)


def _plan_searched(
    branch: _Branch, goal: Goal, batch: FloatArray, *, rough: bool
) -> tuple[FloatArray, FloatArray]:
    """(N, T) by search, where the plan has no closed form.

    The best bound F at N does not depend on T, so it is tabulated once over N; few N are all in it. For given
    N the fewest runs are ln(1/delta) / ln(eps/F), rounded up. Between two entries T is chosen by interpolation,
    and its N narrowed down to the smallest integer. The bound falls with N for `matched`; elsewhere the answer
    meets the target but a smaller N of many may, too.
    """
    low, high = (float(n) for n in branch.space.iterations)
    every = np.arange(low, min(low + (4 if rough else _EVERY), high + 1))
    coarse = np.round(np.geomspace(low, high, 12 if rough else _PLAN_POINTS))
    grid = distinct(np.concatenate([every, coarse]))
    values = _best_value(branch, *np.broadcast_arrays(batch[:, None], grid))
    best_n, best_runs = _fewest_runs(branch, goal, batch, grid, values)
    if goal.runs is None:
        coarse_plan = _guessed(branch, goal, batch, grid, values, _COARSE_RUNS)
        at = np.argmin(coarse_plan * _COARSE_RUNS, axis=1)
        ends = _COARSE_RUNS[max(int(at.min()) - 1, 0)], _COARSE_RUNS[min(int(at.max()) + 1, _COARSE_RUNS.size - 1)]
        runs = _runs_tried(*ends)
    else:
        runs = np.asarray([float(goal.runs)])
    guess = _guessed(branch, goal, batch, grid, values, runs)
    rows = np.arange(batch.size)
    for pick in np.argsort(guess * runs, axis=1, kind="stable").T[: 1 if rough else _RUNS_REFINED]:
        n, target = guess[rows, pick], goal.per_run(runs)[pick]
        if not rough:
            first = np.argmax(values <= target[:, None], axis=1)
            n = np.where(
                np.isfinite(n), _narrowed(branch, batch, target, (grid[np.maximum(first - 1, 0)], grid[first])), n
            )
        n = np.where(n <= branch.space.most_iterations(batch, runs[pick]), n, np.inf)
        better = n * runs[pick] < best_n * best_runs
        best_n, best_runs = np.where(better, n, best_n), np.where(better, runs[pick], best_runs)
    return best_n, best_runs


def _fewest_runs(
    branch: _Branch, goal: Goal, batch: FloatArray, grid: FloatArray, values: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(N, T) with the least T N among the tabulated N; N is inf where none meets the target."""
    if goal.runs is not None:
        runs = np.full(values.shape, float(goal.runs))
    else:
        with np.errstate(divide="ignore"):
            shortfall = np.log(goal.eps / values)  # what a factor of delta^(1/T) may take away
            needed = np.where(shortfall > 0, -np.log(goal.delta) / shortfall, np.inf)
        runs = np.clip(np.ceil(needed * (1 - 1e-12)), 1.0, MOST_RUNS)
        runs = np.where(values <= goal.per_run(runs), runs, np.minimum(runs + 1, MOST_RUNS))
    allowed = grid <= branch.space.most_iterations(batch[:, None], runs)
    total = np.where((values <= goal.per_run(runs)) & allowed, grid * runs, np.inf)
    at = np.argmin(total, axis=1)
    rows = np.arange(batch.size)
    return np.where(np.isfinite(total[rows, at]), grid[at], np.inf), runs[rows, at]


def _guessed(
    branch: _Branch, goal: Goal, batch: FloatArray, grid: FloatArray, values: FloatArray, runs: FloatArray
) -> FloatArray:
    """N for each batch size (rows) and T (columns), interpolated in the table; inf where out of reach."""
    met = values[:, None, :] <= goal.per_run(runs)[None, :, None]
    first = np.argmax(met, axis=2)
    below, rows = np.maximum(first - 1, 0), np.arange(batch.size)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        drop = np.log(values[rows, below] / values[rows, first])
        part = np.clip(np.log(values[rows, below] / goal.per_run(runs)) / drop, 0, 1)
    guess = np.ceil(grid[below] * (grid[first] / grid[below]) ** np.where(np.isfinite(part), part, 1.0))
    allowed = branch.space.most_iterations(batch[:, None], runs[None, :])
    return np.where(met.any(axis=2) & (grid[below] <= allowed), guess, np.inf)


def _narrowed(
    branch: _Branch, batch: FloatArray, target: FloatArray, bracket: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """Smallest integer N of the bracket whose best bound meets the target."""

    def meets(n: NDArray[np.int64]) -> NDArray[np.bool_]:
        return _best_value(branch, np.broadcast_to(batch, n.shape), n.astype(np.float64)) <= target

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
