"""The cheapest tolerances of pretraining, and where pretraining stops to pay.

For given batch sizes, numbers of runs and a given set of pretrained layers, the least work is the optimum
of a geometric program in which the logarithms of the tolerances are parameters, so it is convex in
them: (11) and (13) are posynomials, and so are their constraints. The sets are enumerated, batch sizes are
compared at every tolerance, and the tolerances are searched one after the other until none moves.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.space import Space
from rsgadvise.records import dataclass
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.judge import objective_for
from rsgadvise.theory.objective import Objective, Range
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.search import geometric, increasing_root
from rsgadvise.theory.theorems import autoencoder, theorem_for, theorem_of

# What each stage of a pipeline costs, as a function of the pretraining tolerances.
#
# The paper pretrains every hidden layer to an (alpha, delta_alpha)-solution of its autoencoder (4), as
# in Definition 1, and says no more of what that costs. Here the cost is that of the least plan by which
# (11) guarantees it; fine-tuning then costs what (13) with that alpha asks for.

AUTOENCODER_PASSES = 6
"""Multiply-adds per weight and example of an autoencoder: its matrix encodes and decodes."""


def hidden_moments(below: InputMoments, length: int, weight_bound: float) -> InputMoments:
    """Moments that no hidden layer above inputs with the given moments exceeds.

    A unit is sigma(w x) with |w_j| <= w, so at most sigma(w |x|_1), and sigma is concave above 0:
    by Jensen's inequality its mean is at most m = sigma(w d mu). Hence mu <= m, tau <= m^2, and
    E||h||^2/d <= m sigma(w d), which is at most m times the largest value of a unit.

    Kind: upper bound. Assumes: x in [0, 1], and weights in the box.

    Args:
        below: moments of the layer's inputs.
        length: units of the layer.
        weight_bound: w.
    """

    def sigmoid(s: float) -> float:
        return float(1 / (1 + np.exp(-s)))

    mean = sigmoid(weight_bound * below.dim * below.mean)
    second = mean * sigmoid(weight_bound * below.dim)
    return InputMoments(
        dim=length,
        mean=mean,
        mean_square=mean**2,
        second_moment=second,
        top_eigenvalue=length * second,
        largest_norm=below.largest_norm,  # beyond [0, 1] the paper's theorem is about no layer
    )


def layer_problem(problem: Problem, level: int) -> Problem:
    """The autoencoder that pretrains hidden layer `level` (1 is the first): inputs d_{l-1}, units d_l.

    Its loss starts at most at d_{l-1}, the largest possible.
    """
    moments = problem.moments
    for below in range(1, level):
        moments = hidden_moments(moments, problem.layers[below], problem.weight_bounds[below - 1])
    inputs, units = problem.layers[level - 1 : level + 1]
    return replace(
        problem,
        kind="autoencoder",
        layers=(inputs, units),
        weight_bounds=(problem.weight_bounds[level - 1],),
        pretraining=1.0,
        moments=moments,
        initial_loss=float(inputs),
        measured=None,
    )


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of the training of one network, and how their costs are counted.

    Attributes:
        problem: multilayer, with alpha = 1.
        constants: behind the fine-tuning. Certified bounds do not depend on alpha.
        space: what may be chosen; its limits on work are left aside.
        runs: T, of every stage.
        shrink: delta^(1/T), so that a run has to reach eps delta^(1/T) in the mean.
        layers: objective of each hidden layer's autoencoder, with the paper's (11).
        layer_weights: multiply-adds per example of each layer's pretraining.
        weights: of the network.
    """

    problem: Problem
    constants: ConstantsName
    space: Space
    runs: int
    shrink: float
    layers: tuple[Objective, ...]
    layer_weights: tuple[int, ...]
    weights: int

    @property
    def tuned(self) -> bool:
        """Whether the bound of the fine-tuning depends on the tolerances."""
        return theorem_of(self.problem.kind, self.constants).pretrained(self.problem)

    @property
    def hidden(self) -> int:
        """Number of hidden layers."""
        return len(self.layers)

    @property
    def batches(self) -> FloatArray:
        """Batch sizes allowed, or both ends of their range."""
        return np.asarray(self.space.batch_sizes, dtype=np.float64)

    def smallest_batches(self) -> list[float]:
        """For each hidden layer, the batch size below which (11) pretrains it to no tolerance below 1."""
        return [
            min(
                float(objective.smallest_batch(np.asarray(self.shrink), zeta))
                for keep in self.space.keep_probs
                for zeta in keep  # (10) may be least at either end
            )
            for objective in self.layers
        ]

    def pretraining_work(self, level: int, alpha: FloatArray) -> FloatArray:
        """Multiply-adds to pretrain one hidden layer (0 is the first) to each alpha; 0 from 1 on."""
        below, objective = alpha < 1, self.layers[level]
        target = (np.where(below, alpha, 0.5) * self.shrink)[..., None]
        least = np.full(alpha.shape, np.inf)
        for keep in self.space.keep_probs:
            sizes = self.batches
            if self.space.batch_range:  # the best at either end of the keep probabilities
                noises = [objective.smallest_batch(target, zeta) * (target / 2) for zeta in keep]
                best = [
                    autoencoder.fewest_samples_batch_size(target=target, gradient_variance=v) for v in noises
                ]
                sizes = np.clip(np.concatenate(np.broadcast_arrays(*best), axis=-1), sizes[0], sizes[-1])
            least = np.minimum(least, _fewest_samples(objective, target, sizes, keep))
        return np.where(below, least * self.runs * self.layer_weights[level], 0.0)

    def fine_tuning(self, alphas: FloatArray) -> Objective:
        """The objective of fine-tuning, alpha of each hidden layer along the last axis."""
        return theorem_for(self.problem, self.constants).tuned(alphas)

    def fine_tuning_work(self, alphas: FloatArray, target: FloatArray) -> FloatArray:
        """Multiply-adds of the fine-tuning; inf where no batch size reaches the target.

        Over a range of batch sizes that is the N B of all real B and N, most of the time. Where B lies
        outside the range, its nearest end is best, and where N is below 1 the smallest batch that one
        iteration needs.

        Args:
            alphas: of each hidden layer, along the last axis.
            target: the bound to reach in each run, of the same leading shape.
        """
        wide = np.broadcast_to(np.asarray(target, dtype=np.float64), alphas.shape[:-1])
        objective, least = self.fine_tuning(alphas), np.full(wide.shape, np.inf)
        for keep in self.space.keep_probs:
            unit = objective.fewest_samples(keep) if self.space.batch_range else None
            if unit is None:
                least = np.minimum(least, _fewest_samples(objective, wide[..., None], self.batches, keep))
                continue
            batch, n = (np.broadcast_to(each[..., 0], wide.shape) / wide for each in unit)
            samples, held = batch * n, np.clip(batch, self.batches[0], self.batches[-1])
            outside = (batch != held) | (n < 1)
            if outside.any():
                own, aim = self.fine_tuning(alphas[outside]), wide[outside][:, None]
                sizes = _and_single(own, aim, held[outside][:, None], keep, self.batches[0])
                samples[outside] = _fewest_samples(own, aim, sizes, keep)
            least = np.minimum(least, samples)
        return least * (3 * self.weights * self.runs)


def _and_single(
    objective: Objective, target: FloatArray, batch: FloatArray, keep: Range, low: float
) -> FloatArray:
    """Batch sizes, and beside each the smallest one, if it is smaller, of which one iteration is enough."""

    def excess(logs: FloatArray) -> FloatArray:
        return -np.log(objective.required_iterations(target, np.exp(logs), keep)[0])

    with np.errstate(invalid="ignore"):
        single = np.exp(increasing_root(excess, np.full(batch.shape, np.log(low)), np.log(batch)))
    return np.concatenate([batch, single], axis=1)


def _fewest_samples(objective: Objective, target: FloatArray, sizes: FloatArray, keep: Range) -> FloatArray:
    """The least N B of some batch sizes, N real and at least 1; inf where none reaches the target."""
    batch, wide = np.broadcast_arrays(sizes, target)
    real, _ = objective.required_iterations(wide, batch, keep)
    return np.asarray((np.maximum(real, 1.0) * batch).min(axis=-1))


def stages_of(problem: Problem, space: Space, *, constants: ConstantsName, runs: int) -> Stages:
    """The stages of one network with hidden layers.

    Args:
        problem: multilayer; its own alpha is left aside.
        space: batch sizes and keep probabilities of all stages, and the target's delta.
        constants: behind the fine-tuning; pretraining is planned with the paper's.
        runs: T of every stage.
    """
    bare = replace(problem, pretraining=1.0)
    layers = problem.layers
    sizes = [(before + problem.bias) * after for before, after in pairwise(layers)]
    return Stages(
        problem=bare,
        constants=constants,
        space=space,
        runs=runs,
        shrink=1.0 if space.goal is None else float(space.goal.delta ** (1 / runs)),
        layers=tuple(
            objective_for(layer_problem(bare, level), "paper") for level in range(1, len(layers) - 1)
        ),
        layer_weights=tuple(
            AUTOENCODER_PASSES * sizes[level] + sum(sizes[:level]) for level in range(len(layers) - 2)
        ),
        weights=sum(sizes),
    )


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
    low = np.asarray(stages.smallest_batches()) / float(stages.batches.max())
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
    return Mixed(tuple(_alphas(logs).tolist()), float(before[0]), float(after[0]))


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
    lowest = _lowest(stages)

    def value(points: FloatArray, rows: NDArray[np.intp], level: int) -> FloatArray:
        vectors = np.repeat(logs[rows, None, :], points.shape[1], axis=1)
        vectors[..., level] = points
        before, after = _costs(stages, vectors, target)
        return price * before + after

    for _ in range(_SWEEPS):
        before = cost.copy()
        if cost.min() < enough:
            break
        for level in range(stages.hidden):
            rows = np.flatnonzero(sets[:, level])
            if rows.size == 0:
                continue
            ends = np.full(rows.size, lowest[level]), np.full(rows.size, _BELOW_ONE)
            found, lower = _minimum(partial(value, rows=rows, level=level), *ends, points=_INNER)
            better = lower < cost[rows]
            logs[rows[better], level] = found[better]
            cost[rows[better]] = lower[better]
        if np.all(cost >= before * (1 - _SETTLED)):
            break
    return _mixed(stages, logs[int(np.argmin(cost))], target)


def pretraining_pays(stages: Stages, target: float, *, price: float = 1.0) -> bool | None:
    """Whether some pretraining is cheaper than none; None where neither reaches the target."""
    scratch = scratch_work(stages, target)
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
