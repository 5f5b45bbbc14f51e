"""All architectures of a search as numbers, and the best hyper-parameters of each.

Candidates are arrays of (architectures, batch sizes); the stepsizes and the keep probability of each are
closed forms or roots found together. What is kept of an architecture is one row of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import product
from typing import Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.space import Goal, Space
from rsgadvise.records import dataclass
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.certified import largest_gradient
from rsgadvise.theory.descent import FloatArray, Numeric
from rsgadvise.theory.judge import objective_for
from rsgadvise.theory.objective import Objective, Range
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.search import distinct, minimize_unimodal, whole_grid
from rsgadvise.theory.theorems import theorem_of

# All architectures of a search as numbers, so that they are built and forgotten in blocks.

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Block:
    """Some architectures of one depth.

    Attributes:
        depth: number of hidden layers.
        index: position of each in its depth.
        hidden: lengths of the hidden layers, (architectures, depth).
        weights: number of weights of each.
    """

    depth: int
    index: IntArray
    hidden: IntArray
    weights: IntArray


@dataclass(frozen=True, slots=True)
class Lattice:
    """Every combination of hidden lengths for every depth.

    Attributes:
        inputs, outputs: d_0 and d_L.
        widths: lengths that a hidden layer may have.
        depths: numbers of hidden layers.
        equal: all hidden layers of one architecture have the same length.
        most_weights: cap on the number of weights, or None.
        bias: whether biases are among these.
    """

    inputs: int
    outputs: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    equal: bool = False
    most_weights: int | None = None
    bias: bool = False

    def count(self, depth: int) -> int:
        """Architectures of one depth, the cap left aside."""
        return int(len(self.widths) ** (min(depth, 1) if self.equal else depth))

    @property
    def total(self) -> int:
        """Architectures of all depths, the cap left aside."""
        return sum(self.count(depth) for depth in self.depths)

    def hidden(self, depth: int, index: IntArray) -> IntArray:
        """Lengths of the hidden layers of the architectures at these positions.

        Example:
            >>> Lattice(4, 2, (8, 16), (2,)).hidden(2, np.arange(4)).tolist()
            [[8, 8], [8, 16], [16, 8], [16, 16]]
        """
        widths = np.asarray(self.widths, dtype=np.int64)
        if depth == 0:
            return np.empty((index.size, 0), dtype=np.int64)
        if self.equal:
            return np.repeat(widths[index][:, None], depth, axis=1)
        places = np.unravel_index(index, (widths.size,) * depth)
        return np.stack([widths[place] for place in places], axis=1)

    def weights(self, hidden: IntArray) -> IntArray:
        """sum_l d_{l-1} d_l of each architecture, and sum_l d_l more of biases."""
        ends = [np.full((hidden.shape[0], 1), end, dtype=np.int64) for end in (self.inputs, self.outputs)]
        layers = np.concatenate([ends[0], hidden, ends[1]], axis=1)
        return np.asarray(np.sum((layers[:, :-1] + self.bias) * layers[:, 1:], axis=1))

    def blocks(self, size: int) -> Iterator[Block]:
        """The architectures within the cap, at most `size` at a time, depth by depth."""
        for depth in self.depths:
            for begin in range(0, self.count(depth), size):
                index = np.arange(begin, min(begin + size, self.count(depth)), dtype=np.int64)
                hidden = self.hidden(depth, index)
                weights = self.weights(hidden)
                if self.most_weights is not None:
                    fits = weights <= self.most_weights
                    index, hidden, weights = index[fits], hidden[fits], weights[fits]
                if index.size:
                    yield Block(depth, index, hidden, weights)

    def layers(self, depth: int, index: int) -> tuple[int, ...]:
        """d_0..d_L of one architecture."""
        hidden = self.hidden(depth, np.asarray([index], dtype=np.int64))[0]
        return (self.inputs, *(int(width) for width in hidden), self.outputs)


def one_problem(base: Problem, layers: tuple[int, ...]) -> Problem:
    """The problem of one architecture; without a hidden layer it is a single layer, without a box.

    Args:
        base: the spec's problem; its first weight bound and unit are those of every layer.
        layers: d_0..d_L.
    """
    if len(layers) == 2:
        return base.changed(
            kind="single_layer", layers=layers, weight_bounds=(), pretraining=1.0, activations=()
        )
    boxes, units = base.weight_bounds[:1] * (len(layers) - 1), base.activations[:1] * (len(layers) - 2)
    return base.changed(kind="multilayer", layers=layers, weight_bounds=boxes, activations=units)


def one_space(space: Space, depth: int) -> Space:
    """The search space of an architecture; a single layer has nothing to drop."""
    return replace(space, keep_probs=((1.0, 1.0),)) if depth == 0 else space


Metric = Literal["bound", "iterations", "samples", "seconds", "work"]


@dataclass(frozen=True, slots=True)
class Search:
    """What is compared, and by what.

    Attributes:
        base: the spec's problem; the lengths come from the lattice.
        space: what may be chosen of each architecture.
        lattice: the architectures.
        constants: behind the bound.
        metric: what is minimised; `bound` without a target.
    """

    base: Problem
    space: Space
    lattice: Lattice
    constants: ConstantsName
    metric: Metric

    def joint_problem(self, layers: Sequence[Numeric]) -> Problem:
        """The problem of many architectures at once: what reads its layers only multiplies them.

        Args:
            layers: d_0..d_L, numbers or arrays that broadcast against the candidates.
        """
        ends = self.base.layers[0], self.base.layers[-1]
        many = ends if len(layers) == 2 else cast("tuple[int, ...]", tuple(layers))
        return one_problem(self.base, many)

    def objective(self, layers: Sequence[Numeric]) -> Objective:
        """The bound of many architectures at once."""
        many = self.joint_problem(layers)
        if len(layers) == 2:
            return objective_for(many, self.constants, everywhere=False)
        return theorem_of(many.kind, self.constants)(many).objective

    def lengths(self, block: Block, picked: NDArray[np.intp] | slice = slice(None)) -> list[Numeric]:
        """d_0..d_L of some architectures of a block, (architectures, 1) each."""
        hidden = [block.hidden[picked, layer, None].astype(np.float64) for layer in range(block.depth)]
        return [float(self.lattice.inputs), *hidden, float(self.lattice.outputs)]


# Screening: all architectures of a block at once.

Progress = Callable[[int, int | None, str], None]

MULTIPLICATIONS = 3
"""Multiply-adds per weight and example: one forward, and two backward, for the weights and the inputs."""

BLOCK = 16_384  # candidates solved together: their work arrays stay in the second-level cache
_GRID = 17  # batch sizes of a range that are tried for how small a gradient can be reached
_BATCH_STEPS = 16  # that narrow a range of batch sizes down
_FEW = 100.0  # iterations below which it matters much that they are whole
_SECANTS, _FLAT = 2, 0.1  # towards the batch size that takes so many, and how steep they are at least
_MOST_RUNS = 4096.0
_RUN_STEPS = 12
_OUT = 1e250  # above every cost: a plan that the limits forbid
_HOPELESS = 1e290  # above these: what reaches no target with any N, or with one that is too large


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

    def take(self, pick: NDArray[np.intp]) -> Screened:
        """The rows at these positions, in that order."""
        return Screened(*(getattr(self, field.name)[pick] for field in fields(self)))

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


def screen(search: Search, progress: Progress | None = None) -> Screened:
    """The best choice of every architecture of a lattice.

    Listed batch sizes, keep probabilities and decays are enumerated; of a range the best real batch size is
    found, since costs and bounds fall and then rise with it, and where it or N is small the best one that is
    whole, to about one per cent. N is the smallest integer that meets the target or
    the largest that the budget leaves; T is the listed one, or the better of the two integers around its
    real optimum.

    Args:
        search: the architectures, and what is minimised.
        progress: told how many architectures are done, of how many, and what they are.
    """
    space, lattice = search.space, search.lattice
    listed = None if space.batch_range else first_batches(space)
    done, size = 0, BLOCK if listed is None else max(BLOCK // listed.size, 1)
    places: list[tuple[NDArray[np.int64], ...]] = [(np.empty(0, dtype=np.int64),) * 3]
    values: list[FloatArray] = [np.empty((5, 0))]
    vacuous = [np.empty(0, dtype=bool)]
    for block in lattice.blocks(size):
        asked = replace(search, space=one_space(space, block.depth))
        rows = _best_of_range(asked, block) if listed is None else _picked(_tried(asked, block, listed))
        rows[0] = np.where(rows[0] < _OUT, rows[0], np.inf)
        places.append((np.full(block.index.shape, block.depth), block.index, block.weights))
        values.append(rows)
        vacuous.append(_vacuous(asked, block, rows))
        done += block.index.size
        if progress is not None:
            progress(done, None if lattice.most_weights else lattice.total, "architectures")
    depth, index, weights = (np.concatenate(column) for column in zip(*places, strict=True))
    cost, batch, iterations, runs, value = np.concatenate(values, axis=1)
    says_nothing = np.concatenate(vacuous)
    return Screened(depth, index, weights, cost, batch, iterations, runs, value, says_nothing)


def first_batches(space: Space) -> FloatArray:
    """The listed batch sizes, or a grid over their range."""
    if not space.batch_range:
        return np.asarray(space.batch_sizes, dtype=np.float64)
    low, high = space.batch_sizes
    powers = 2.0 ** np.arange(np.ceil(np.log2(low)), np.floor(np.log2(high)) + 1)
    ends = np.asarray([float(low), float(high)])
    return distinct(np.concatenate([ends, powers, whole_grid(low, high, _GRID)]))


def _tried(
    asked: Search, block: Block, batch: FloatArray, picked: NDArray[np.intp] | slice = slice(None)
) -> FloatArray:
    """(key, B, N, T, bound) of some architectures of a block, (architectures, batch sizes) each.

    Args:
        batch: sizes, the same for all or a row for each. picked: which architectures.
    """
    weights = block.weights[picked, None].astype(np.float64)
    sizes = np.broadcast_to(batch, (weights.size, batch.shape[-1]))
    return _plans(asked, asked.objective(asked.lengths(block, picked)), sizes, weights)


def _plans(
    asked: Search, objective: Objective, batch: FloatArray, weights: FloatArray, *, whole: bool = True
) -> FloatArray:
    if asked.space.goal is None:
        return _smallest_bounds(objective, asked.space, batch, whole=whole)
    return _cheapest_plans(
        objective, asked.space, asked.space.goal, batch, metric=asked.metric, weights=weights, whole=whole
    )


def _vacuous(asked: Search, block: Block, rows: FloatArray) -> NDArray[np.bool_]:
    """Which architectures of a block have a bound that no squared gradient norm of theirs exceeds anyway.

    The limit rises with the keep probability, so that most are decided by the ends of its range.
    """
    space, goal = asked.space, asked.space.goal
    feasible = np.isfinite(rows[0])
    # The bound where it was minimised, else what a plan has to reach, which its bound does not exceed.
    known = rows[4] if goal is None else np.asarray(goal.per_run(rows[3]))
    ends = [zeta for keep_range in space.keep_probs for zeta in keep_range]
    every = asked.joint_problem(asked.lengths(block))
    low, high = (
        largest_gradient(every, np.full((feasible.size, 1), end))[:, 0] for end in (min(ends), max(ends))
    )
    unclear = np.flatnonzero(feasible & (known >= low) & ((known < high) | (goal is not None)))
    vacuous = np.asarray(feasible & (known >= high))
    if unclear.size:
        some = asked.lengths(block, unclear)
        objective, batch, n = asked.objective(some), rows[1, unclear, None], rows[2, unclear, None]
        least, keep_prob = np.full(n.shape, np.inf), np.ones(n.shape)
        for schedule, keep_range in product(space.schedules, space.keep_probs):
            plans = objective.optimum(batch, n, keep_range, schedule)
            value = objective.bound(plans).value
            keep_prob, least = np.where(value < least, plans.keep_prob, keep_prob), np.fmin(least, value)
        vacuous[unclear] = (least >= largest_gradient(asked.joint_problem(some), keep_prob))[:, 0]
    return vacuous


def _best_of_range(asked: Search, block: Block) -> FloatArray:
    """(key, B, N, T, bound) of each architecture of a block, its batch size any of a range.

    Keys of real B and N fall and then rise with log B: the logarithms of costs, of bounds and of what limits
    are exceeded by are convex in it (geometric programs), and so is the larger of two such. Then N becomes
    one of the whole numbers next to the best, with the B that this takes.
    """
    low, high = (float(size) for size in asked.space.batch_sizes)
    objective = asked.objective(asked.lengths(block))
    weights = block.weights[:, None].astype(np.float64)

    def real(logs: FloatArray) -> FloatArray:
        return _plans(asked, objective, np.exp(logs), weights, whole=False)

    ends = (np.full(weights.shape, np.log(end)) for end in (low, high))
    best = minimize_unimodal(lambda logs: real(logs)[0], *ends, steps=_BATCH_STEPS)
    n = np.where(np.isfinite(iterations := real(best)[2]), np.maximum(iterations, 1.0), 1.0)
    sizes = [best, *(_sized(asked.space, real, best, n, whole) for whole in (np.floor(n), np.ceil(n)))]
    batch = np.concatenate([way(np.exp(size)) for size in sizes for way in (np.floor, np.ceil)], axis=1)
    return _picked(_plans(asked, objective, np.clip(batch, low, high), weights))


def _sized(
    space: Space,
    real: Callable[[FloatArray], FloatArray],
    logs: FloatArray,
    n: FloatArray,
    whole: FloatArray,
) -> FloatArray:
    """Log of the real B with which a plan takes a whole number of iterations; `logs` is that of n.

    By a budget it is the largest that this leaves. By a target log N falls with log B, by 1 about where N B
    is least: a step by that slope, and where N is small secants after it.
    """
    if space.goal is None:
        sizes = [(limit.amount / whole - limit.fixed) / max(limit.each, 1e-300) for limit in space.limits]
        return np.asarray(np.log(np.maximum(np.min([*sizes, np.full(n.shape, _OUT)], axis=0), 1e-300)))
    before, off = logs, np.log(n / whole)
    after = logs + off
    for _ in range(_SECANTS if n.min() < _FEW else 0):
        with np.errstate(divide="ignore", invalid="ignore"):
            now = np.log(real(after)[2] / whole)
            slope = np.minimum((now - off) / np.where(after == before, 1.0, after - before), -_FLAT)
        before, off, after = after, now, np.where(np.isfinite(now), after - now / slope, after)
    return after


def _picked(plans: FloatArray) -> FloatArray:
    """The rows (key, B, N, T, bound) of the best candidate of each architecture."""
    at = np.argmin(plans[0], axis=1)[:, None]
    return np.asarray(np.stack([np.take_along_axis(array, at, axis=1)[:, 0] for array in plans]))


def _smallest_bounds(
    objective: Objective, space: Space, batch: FloatArray, *, whole: bool = True
) -> FloatArray:
    """(key, B, N, T, bound) of each candidate, stacked. The key is the bound, more where no N fits."""
    once = np.ones_like(batch)
    n = space.most_iterations(batch, once)
    if not whole and all(schedule.plain for schedule in space.schedules):
        n = np.where(n > 0, 1 / space.excess(batch, once, once), n)
    safe, least = np.maximum(n, 1.0), np.full(batch.shape, np.inf)
    for schedule, keep_range in product(space.schedules, space.keep_probs):
        plans = objective.optimum(batch, safe, keep_range, schedule)
        least = np.fmin(least, objective.bound(plans).value)
    fewest = np.full(batch.shape, float(space.iterations[0]))
    key = np.where(n > 0, least, _beyond(space, batch, fewest, once))
    return np.stack([key, batch, n, once, np.where(n > 0, least, np.inf)])


def _beyond(space: Space, batch: FloatArray, n: FloatArray, runs: FloatArray) -> FloatArray:
    """Keys of plans that limits forbid: above all others, the less the fewer times a limit is exceeded."""
    return np.asarray(_OUT * (1 + np.log(np.maximum(space.excess(batch, n, runs), 1.0))))


def _cheapest_plans(
    objective: Objective,
    space: Space,
    goal: Goal,
    batch: FloatArray,
    *,
    metric: Metric,
    weights: FloatArray,
    whole: bool,
) -> FloatArray:
    """(key, B, N, T, NaN) of each candidate, stacked.

    The key is the cost; more where limits forbid the plan, and still more, the less the larger B, where no N
    reaches the target. N is real unless it is to be `whole`.
    """
    least, runs = np.full(batch.shape, np.inf), np.ones_like(batch)
    for keep_range in space.keep_probs:

        def needed(tried: FloatArray, keep_range: Range = keep_range) -> FloatArray:
            real, _ = objective.required_iterations(goal.per_run(tried), batch, keep_range)
            return np.maximum(np.ceil(real) if whole else real, float(space.iterations[0]))

        choices = [np.full(batch.shape, float(goal.runs))] if goal.runs else _runs(space, batch, needed)
        for choice in choices:
            n = needed(choice)
            better = ~(n > space.iterations[1]) & (n * choice < least * runs) | np.isinf(least)
            least, runs = np.where(better, n, least), np.where(better, choice, runs)
    total, reached = least * runs, np.isfinite(least)
    cost = cost_of(metric, space, batch=batch, total_iterations=total, weights=weights)
    beyond = _beyond(space, batch, least, runs)
    fits = least <= space.most_iterations(batch, runs) if whole else beyond <= _OUT
    key = np.where(reached, np.where(fits, cost, beyond), _HOPELESS * (1 + 1 / batch))
    return np.stack([key, batch, least, runs, np.full(batch.shape, np.nan)])


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
