"""The best hyper-parameters of every architecture, all architectures of a block at once.

Candidates are arrays of (architectures, batch sizes); the stepsizes and the keep probability of each are
closed forms or roots found together. What is kept of an architecture is one row of numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.space import Goal, Space
from rsgadvise.ask.design.architectures import Block, Lattice, joint_objective, joint_problem, one_space
from rsgadvise.ask.design.shortcut import SMALL, STEPS, candidates_for_bound, plans_for_goal
from rsgadvise.records import dataclass
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.certified import largest_gradient
from rsgadvise.theory.descent import FloatArray, Numeric
from rsgadvise.theory.objective import Objective, Range
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.search import distinct, minimize_unimodal, whole_grid

Progress = Callable[[int, int | None, str], None]
Metric = Literal["bound", "iterations", "samples", "seconds", "work"]

MULTIPLICATIONS = 3
"""Multiply-adds per weight and example: one forward, and two backward, for the weights and the inputs."""

BLOCK = 16_384  # candidates solved together: their work arrays stay in the second-level cache
_GRID = 17  # batch sizes tried at first in a range
_INNER = 9  # and at each narrowing
_ROUNDS = 4
_MOST_RUNS = 4096.0
_RUN_STEPS = 12
_OUT = 1e250  # above every cost: a plan that the limits forbid
_HOPELESS = 1e290  # what a number of runs whose N is too large costs; it falls with the runs


@dataclass(frozen=True, slots=True)
class Screened:
    """One row per architecture, each at its best hyper-parameters.

    Attributes:
        depth, index: which architecture of the lattice.
        weights: its number of weights.
        cost: what is minimised; inf where nothing is feasible.
        batch, iterations, runs: B, N, T.
        value: the bound, NaN where there is a target instead.
        vacuous: no squared gradient norm of this network exceeds its bound anyway.
        candidates: combinations of architecture and hyper-parameters that were compared.
    """

    depth: NDArray[np.int64]
    index: NDArray[np.int64]
    weights: NDArray[np.int64]
    cost: FloatArray
    batch: FloatArray
    iterations: FloatArray
    runs: FloatArray
    value: FloatArray
    vacuous: NDArray[np.bool_]
    candidates: int

    def take(self, pick: NDArray[np.intp]) -> Screened:
        """The rows at these positions, in that order."""
        rows = {f.name: getattr(self, f.name)[pick] for f in fields(self) if f.name != "candidates"}
        return replace(self, **rows)

    def order(self) -> NDArray[np.intp]:
        """Positions of what is feasible, from the cheapest on; of equal costs the fewest weights come first.

        Vacuous ones come last: a small network has a small bound because no gradient of it is large.
        """
        infeasible = ~np.isfinite(self.cost)
        return np.lexsort((self.index, self.depth, self.weights, self.cost, self.vacuous, infeasible))


Amount = TypeVar("Amount", int, FloatArray)


def work_of(weights: Amount, samples: Amount) -> Amount:
    """Multiply-adds of training: 3 x weights x samples, samples over all runs.

    One for the forward pass, two for the backward pass (by the weights and by the inputs); activations
    and updates are of lower order.
    """
    return MULTIPLICATIONS * weights * samples


def cost_of(
    metric: Metric,
    space: Space,
    *,
    batch: FloatArray,
    total_iterations: FloatArray,
    weights: FloatArray,
    value: FloatArray | None = None,
) -> FloatArray:
    """What is minimised, over all runs; `value` is the bound."""
    if metric == "bound":
        if value is None:
            raise ValueError("a bound is needed")
        return value
    if metric == "iterations":
        return total_iterations
    if metric == "seconds":
        seconds = space.seconds(batch, total_iterations)
        if seconds is None:
            raise ValueError("a cost model is needed")
        return seconds
    samples = total_iterations * batch
    return samples if metric == "samples" else work_of(weights, samples)


def screen(
    base: Problem,
    space: Space,
    lattice: Lattice,
    *,
    constants: ConstantsName,
    metric: Metric,
    progress: Progress | None = None,
) -> Screened:
    """The best choice of every architecture of a lattice.

    Listed batch sizes, keep probabilities and decays are enumerated. In a range the best batch size has a
    closed form (`shortcut`); where it has none, the range is narrowed down to about one per cent. N is the
    smallest integer that meets the target or the largest that the budget leaves; T is the listed one, or the
    better of the two integers around its real optimum.

    Args:
        base: the spec's problem; the lengths come from the lattice.
        space: what may be chosen.
        lattice: the architectures.
        constants: behind the bound.
        metric: what is minimised; `bound` without a target.
        progress: told how many architectures are done, of how many, and what they are.
    """
    grid = first_batches(space)
    places: list[tuple[NDArray[np.int64], ...]] = [(np.empty(0, dtype=np.int64),) * 3]
    values: list[FloatArray] = [np.empty((5, 0))]
    vacuous = [np.empty(0, dtype=bool)]
    tried = 0
    # A range has a closed form for all but a few, whose grids are then taken in turns.
    for block in lattice.blocks(BLOCK if space.batch_range else max(BLOCK // grid.size, 1)):
        asked = _Asked(base, one_space(space, block.depth), lattice, constants, metric)
        rows, count = _block(asked, block, grid)
        tried += count
        places.append((np.full(block.index.shape, block.depth), block.index, block.weights))
        values.append(rows)
        vacuous.append(_vacuous(asked, block, rows))
        if progress is not None:
            done = sum(column[0].size for column in places)
            progress(done, None if lattice.most_weights else lattice.total, "architectures")
    depth, index, weights = (np.concatenate(column) for column in zip(*places, strict=True))
    cost, batch, iterations, runs, value = np.concatenate(values, axis=1)
    says_nothing = np.concatenate(vacuous)
    return Screened(depth, index, weights, cost, batch, iterations, runs, value, says_nothing, tried)


def first_batches(space: Space) -> FloatArray:
    """The listed batch sizes, or a grid over their range."""
    if not space.batch_range:
        return np.asarray(space.batch_sizes, dtype=np.float64)
    low, high = space.batch_sizes
    powers = 2.0 ** np.arange(np.ceil(np.log2(low)), np.floor(np.log2(high)) + 1)
    ends = np.asarray([float(low), float(high)])
    return distinct(np.concatenate([ends, powers, whole_grid(low, high, _GRID)]))


@dataclass(frozen=True, slots=True)
class _Asked:
    """The choices of one depth and what is minimised."""

    base: Problem
    space: Space
    lattice: Lattice
    constants: ConstantsName
    metric: Metric

    def objective(self, block: Block, picked: NDArray[np.intp]) -> Objective:
        """The bound of some architectures of a block."""
        return joint_objective(self.base, self._layers(block, picked), self.constants)

    def limit(self, block: Block, picked: NDArray[np.intp], keep_prob: FloatArray) -> FloatArray:
        """The largest squared gradient norm possible, shape of the keep probabilities."""
        return largest_gradient(joint_problem(self.base, self._layers(block, picked)), keep_prob)

    def _layers(self, block: Block, picked: NDArray[np.intp]) -> list[Numeric]:
        lengths = [block.hidden[picked, layer, None].astype(np.float64) for layer in range(block.depth)]
        return [float(self.lattice.inputs), *lengths, float(self.lattice.outputs)]

    def tried(self, block: Block, picked: NDArray[np.intp], batch: FloatArray) -> FloatArray:
        """(cost, B, N, T, bound) of some architectures, (architectures, batch sizes) each."""
        objective = self.objective(block, picked)
        if self.space.goal is None:
            return _smallest_bounds(objective, self.space, batch)
        weights = block.weights[picked, None].astype(np.float64)
        return _cheapest_plans(
            objective, self.space, self.space.goal, batch, metric=self.metric, weights=weights
        )

    @property
    def branches(self) -> int:
        """Choices that are solved one after the other for each batch size."""
        return len(self.space.keep_probs) * (len(self.space.schedules) if self.space.goal is None else 1)


def _block(asked: _Asked, block: Block, grid: FloatArray) -> tuple[FloatArray, int]:
    """(cost, B, N, T, bound) of each architecture of a block, and how many candidates that took."""
    every = np.arange(block.index.size)
    if not asked.space.batch_range:
        return _searched(asked, block, every, grid)
    rows, count = np.full((5, every.size), np.inf), 0
    left = every
    if block.depth:
        found, done, count = _shortcut(asked, block)
        rows[:, done], left = found[:, done], np.flatnonzero(~done)
    size = max(BLOCK // grid.size, 1)
    for begin in range(0, left.size, size):
        part = left[begin : begin + size]
        rows[:, part], more = _searched(asked, block, part, grid)
        count += more
    return rows, count


def _vacuous(asked: _Asked, block: Block, rows: FloatArray) -> NDArray[np.bool_]:
    """Which architectures of a block have a bound that no squared gradient norm of theirs exceeds anyway.

    The limit rises with the keep probability, so that most are decided by the ends of its range.
    """
    space, goal = asked.space, asked.space.goal
    feasible, every = np.isfinite(rows[0]), np.arange(block.index.size)
    # The bound where it was minimised, else what a plan has to reach, which its bound does not exceed.
    known = rows[4] if goal is None else np.asarray(goal.per_run(rows[3]))
    ends = [zeta for keep_range in space.keep_probs for zeta in keep_range]
    low, high = (asked.limit(block, every, np.full((every.size, 1), end)) for end in (min(ends), max(ends)))
    unclear = np.flatnonzero(feasible & (known >= low[:, 0]) & ((known < high[:, 0]) | (goal is not None)))
    found = np.asarray(feasible & (known >= high[:, 0]))
    if unclear.size:
        batch, n = rows[1, unclear, None], rows[2, unclear, None]
        objective, least, keep_prob = (
            asked.objective(block, unclear),
            np.full(n.shape, np.inf),
            np.ones(n.shape),
        )
        for schedule in space.schedules:
            for keep_range in space.keep_probs:
                plans = objective.optimum(batch, n, keep_range, schedule)
                value = objective.bound(plans).value
                keep_prob, least = np.where(value < least, plans.keep_prob, keep_prob), np.fmin(least, value)
        found[unclear] = (least >= asked.limit(block, unclear, keep_prob))[:, 0]
    return found


def _shortcut(asked: _Asked, block: Block) -> tuple[FloatArray, NDArray[np.bool_], int]:
    """Rows by closed forms, for which of them they hold, and how many candidates that took."""
    space, every = asked.space, np.arange(block.index.size)
    if space.goal is None:
        batch = candidates_for_bound(asked.objective(block, every), space, every.size)
        if batch is None:
            return np.full((5, every.size), np.inf), np.zeros(every.size, dtype=bool), 0
        found = asked.tried(block, every, batch)
        rows, count = _picked(found, np.argmin(found[0], axis=1)[:, None]), batch.size
        small = every[rows[1] < SMALL]
        if small.size:
            low, high = (float(end) for end in space.batch_sizes)
            batch = np.clip(rows[1, small, None] + np.asarray(STEPS), low, high)
            found = asked.tried(block, small, batch)
            rows[:, small], count = _picked(found, np.argmin(found[0], axis=1)[:, None]), count + batch.size
        return rows, np.ones(every.size, dtype=bool), count * asked.branches
    rows, done, count = plans_for_goal(
        lambda picked: asked.objective(block, picked),
        space,
        space.goal,
        every.size,
        price=_price(asked.metric, space),
        tried=lambda picked, batch: asked.tried(block, picked, batch)[:, :, 0],
    )
    total = rows[2] * rows[3]
    weights = block.weights.astype(np.float64)
    cost = cost_of(asked.metric, space, batch=rows[1], total_iterations=total, weights=weights)
    rows[0] = np.where(np.isfinite(rows[0]), cost, np.inf)
    return rows, done, count


def _price(metric: Metric, space: Space) -> tuple[float, float]:
    """(t0, t1): with a target the cost of one architecture is a multiple of N (t0 + t1 B)."""
    if metric == "seconds" and space.cost is not None:
        return space.cost
    return (1.0, 0.0) if metric == "iterations" else (0.0, 1.0)


def _searched(
    asked: _Asked, block: Block, picked: NDArray[np.intp], grid: FloatArray
) -> tuple[FloatArray, int]:
    """Rows by a grid of batch sizes, narrowed down in a range."""
    batch = np.broadcast_to(grid, (picked.size, grid.size)).copy()
    found = asked.tried(block, picked, batch)
    at = np.argmin(found[0], axis=1)[:, None]
    rows, count = _picked(found, at), batch.size
    for _ in range(_ROUNDS if asked.space.batch_range else 0):
        left = np.take_along_axis(batch, np.maximum(at - 1, 0), axis=1)[:, 0]
        right = np.take_along_axis(batch, np.minimum(at + 1, batch.shape[1] - 1), axis=1)[:, 0]
        batch = whole_grid(left, right, _INNER, axis=1)
        found = asked.tried(block, picked, batch)
        count += batch.size
        at = np.argmin(found[0], axis=1)[:, None]
        new = _picked(found, at)
        rows = np.where(new[0] < rows[0], new, rows)
    rows[0] = np.where(rows[0] < _OUT, rows[0], np.inf)
    return rows, count * asked.branches


def _picked(found: FloatArray, at: NDArray[np.intp]) -> FloatArray:
    """The rows (key, B, N, T, bound) of one candidate of each architecture."""
    return np.asarray(np.stack([np.take_along_axis(array, at, axis=1)[:, 0] for array in found]))


def _smallest_bounds(objective: Objective, space: Space, batch: FloatArray) -> FloatArray:
    """(key, B, N, T, bound) of each candidate, stacked; the key is the bound, inf where no iteration fits."""
    n = space.most_iterations(batch, np.ones_like(batch))
    safe, least = np.maximum(n, 1.0), np.full(batch.shape, np.inf)
    for schedule in space.schedules:
        for keep_range in space.keep_probs:
            plans = objective.optimum(batch, safe, keep_range, schedule)
            least = np.fmin(least, objective.bound(plans).value)
    least = np.where(n > 0, least, np.inf)
    return np.stack([least, batch, n, np.ones_like(batch), least])


def _cheapest_plans(
    objective: Objective, space: Space, goal: Goal, batch: FloatArray, *, metric: Metric, weights: FloatArray
) -> FloatArray:
    """(key, B, N, T, NaN) of each candidate, stacked.

    The key is the cost; where limits forbid the plan it is larger than any cost, but still rises with
    the work, so that a range of batch sizes is narrowed towards what fits.
    """
    least, runs = np.full(batch.shape, np.inf), np.ones_like(batch)
    for keep_range in space.keep_probs:

        def needed(tried: FloatArray, keep_range: Range = keep_range) -> FloatArray:
            real, _ = objective.required_iterations(goal.per_run(tried), batch, keep_range)
            return np.maximum(np.ceil(real), float(space.iterations[0]))

        choices = [np.full(batch.shape, float(goal.runs))] if goal.runs else _runs(space, batch, needed)
        for choice in choices:
            n = needed(choice)
            better = ~(n > space.iterations[1]) & (n * choice < least * runs) | np.isinf(least)
            least, runs = np.where(better, n, least), np.where(better, choice, runs)
    total = least * runs
    cost = cost_of(metric, space, batch=batch, total_iterations=total, weights=weights)
    fits = np.isfinite(total) & (least <= space.most_iterations(batch, runs))
    beyond = np.where(np.isfinite(total), _OUT * (1 + np.log1p(total * batch)), np.inf)
    nothing = np.full(batch.shape, np.nan)
    return np.stack([np.where(fits, cost, beyond), batch, least, runs, nothing])


def _runs(
    space: Space, batch: FloatArray, needed: Callable[[FloatArray], FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """The two whole numbers of runs around the real one that minimises T N(T)."""

    def key(log_runs: FloatArray) -> FloatArray:
        runs = np.exp(log_runs)
        n = needed(runs)
        return np.where(n <= space.iterations[1], runs * n, _HOPELESS * (1 + 1 / runs))

    ends = np.zeros(batch.shape), np.full(batch.shape, np.log(_MOST_RUNS))
    best = np.exp(minimize_unimodal(key, *ends, steps=_RUN_STEPS))
    return np.maximum(np.floor(best), 1.0), np.minimum(np.ceil(best), _MOST_RUNS)
