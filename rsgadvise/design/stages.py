"""What each stage of a pipeline costs, as a function of the pretraining tolerances.

The paper pretrains every hidden layer to an (alpha, delta_alpha)-solution of its autoencoder (4), as
in Definition 1, and says no more of what that costs. Here the cost is that of the least plan by which
(11) guarantees it; fine-tuning then costs what (13) with that alpha asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from rsgadvise.advise.space import Space
from rsgadvise.bounds.judge import objective_for
from rsgadvise.bounds.kinds import PaperMultilayer
from rsgadvise.bounds.objective import ConstantsName, Objective, Range
from rsgadvise.bounds.problem import Problem
from rsgadvise.design.joint import joint_objective
from rsgadvise.search import distinct, increasing_root, whole_grid
from rsgadvise.theory import autoencoder, multilayer, multilayer_plan
from rsgadvise.theory.bound import FloatArray
from rsgadvise.theory.constants import InputMoments

__all__ = ["Stages", "hidden_moments", "layer_problem", "stages_of"]

_BATCHES = 49  # sizes tried of a range, equally spaced in their logarithms
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
        dim=length, mean=mean, mean_square=mean**2, second_moment=second, top_eigenvalue=length * second
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
        batches: batch sizes allowed, or a grid over their range. batch_range: whether they are such a grid.
        keep_probs: ranges of zeta.
        runs: T, of every stage.
        shrink: delta^(1/T), so that a run has to reach eps delta^(1/T) in the mean.
        layers: objective of each hidden layer's autoencoder, with the paper's (11).
        layer_weights: multiply-adds per example of each layer's pretraining.
        weights: of the network.
    """

    problem: Problem
    constants: ConstantsName
    batches: FloatArray
    batch_range: bool
    keep_probs: tuple[Range, ...]
    runs: int
    shrink: float
    layers: tuple[Objective, ...]
    layer_weights: tuple[int, ...]
    weights: int

    @property
    def hidden(self) -> int:
        """Number of hidden layers."""
        return len(self.layers)

    def pretraining_work(self, level: int, alpha: FloatArray) -> FloatArray:
        """Multiply-adds to pretrain one hidden layer (0 is the first) to each alpha; 0 from 1 on."""
        below = alpha < 1
        target = (np.where(below, alpha, 0.5) * self.shrink)[..., None]
        samples = self._samples(
            self.layers[level], target, lambda keep: self._pretraining_batches(level, target, keep)
        )
        return np.where(below, samples * self.runs * self.layer_weights[level], 0.0)

    def _pretraining_batches(self, level: int, target: FloatArray, keep: Range) -> FloatArray:
        """The best sizes at either end of the keep probabilities: (10) may be least at either."""
        noises = [self.layers[level].smallest_batch(target, zeta) * (target / 2) for zeta in keep]
        best = [autoencoder.fewest_samples_batch_size(target=target, gradient_variance=v) for v in noises]
        return np.concatenate(np.broadcast_arrays(*best), axis=-1)

    def fine_tuning(self, alphas: FloatArray) -> Objective:
        """The objective of fine-tuning, alpha of each hidden layer along the last axis.

        Reading: alpha_l in place of alpha in b_l and e_l of (12) and (13); the paper has one for all.
        """
        if self.constants == "certified":
            return joint_objective(self.problem, self.problem.layers, "certified")
        net = multilayer.structure(layers=self.problem.layers, weight_bound=self.problem.weight_bounds)
        columns = [alphas[..., level, None] for level in range(self.hidden)]
        scaled = replace(
            net,
            hidden_noise=tuple(a * k for a, k in zip(columns, net.hidden_noise, strict=True)),
            hidden_curvature=tuple(a * b for a, b in zip(columns, net.hidden_curvature, strict=True)),
        )
        return PaperMultilayer(
            net=scaled, initial_loss=self.problem.initial_loss, ceiling=self.problem.largest_loss
        )

    def fine_tuning_work(self, alphas: FloatArray, target: FloatArray) -> FloatArray:
        """Multiply-adds of the fine-tuning; inf where no batch size reaches the target.

        Args:
            alphas: of each hidden layer, along the last axis.
            target: the bound to reach in each run, of the same leading shape.
        """
        wide = np.broadcast_to(np.asarray(target, dtype=np.float64), alphas.shape[:-1])[..., None]
        objective = self.fine_tuning(alphas)
        if self.batch_range and isinstance(objective, PaperMultilayer):
            samples = self._range_samples(objective, alphas, wide[..., 0])
        else:
            samples = self._samples(objective, wide, None)
        return samples * (3 * self.weights * self.runs)

    def _range_samples(
        self, objective: PaperMultilayer, alphas: FloatArray, target: FloatArray
    ) -> FloatArray:
        """The least N B of a fine-tuning over a range of batch sizes.

        Most of the time that is the N B of all real B and N. Where B lies outside the range the nearest end
        is best, and where N is below 1 the smallest batch that one iteration needs.
        """
        least, low, high = np.full(target.shape, np.inf), self.batches[0], self.batches[-1]
        for keep in self.keep_probs:
            unit = multilayer_plan.fewest_samples(net=objective.net, highest_keep_prob=keep[1])
            batch, n = (np.broadcast_to(u[..., 0], target.shape) / target for u in unit)
            n = n * objective.initial_loss
            samples = batch * n
            outside = (batch < low) | (batch > high) | (n < 1)
            if outside.any():
                held = np.clip(batch[outside], low, high)[:, None]
                samples[outside] = _held_samples(
                    self.fine_tuning(alphas[outside]), target[outside][:, None], held, keep, low
                )[:, 0]
            least = np.minimum(least, samples)
        return least

    def _samples(
        self, objective: Objective, target: FloatArray, best_of: Callable[[Range], FloatArray] | None
    ) -> FloatArray:
        """The least N B, N real and at least 1; inf where no batch size reaches the target.

        Of a range of batch sizes `best_of` tells the best ones; listed ones are all tried.
        """
        least = np.full(target.shape[:-1], np.inf)
        for keep_range in self.keep_probs:
            sizes = self.batches
            if self.batch_range and best_of is not None:
                sizes = np.clip(best_of(keep_range), sizes[0], sizes[-1])
            batch, wide = np.broadcast_arrays(sizes, target)
            real, _ = objective.required_iterations(wide, batch, keep_range)
            least = np.minimum(least, (np.maximum(real, 1.0) * batch).min(axis=-1))
        return least


def _held_samples(
    objective: Objective, target: FloatArray, batch: FloatArray, keep: Range, low: float
) -> FloatArray:
    """N B at given batch sizes, or where N is below 1, at the smallest that one iteration needs."""

    def needed(size: FloatArray) -> FloatArray:
        return objective.required_iterations(target, size, keep)[0]

    n = needed(batch)
    if (n < 1).any():
        ends = np.full(batch.shape, np.log(low)), np.log(batch)
        with np.errstate(invalid="ignore"):
            single = np.exp(increasing_root(lambda logs: -np.log(needed(np.exp(logs))), *ends))
        batch = np.where(n < 1, single, batch)
    return np.maximum(n, 1.0) * batch


def stages_of(
    problem: Problem, space: Space, *, constants: ConstantsName, runs: int, also: float | None = None
) -> Stages:
    """The stages of one network with hidden layers.

    Args:
        problem: multilayer; its own alpha is left aside.
        space: batch sizes and keep probabilities of all stages, and the target's delta.
        constants: behind the fine-tuning; pretraining is planned with the paper's.
        runs: T of every stage.
        also: a batch size to try beside the grid over a range.
    """
    bare = replace(problem, pretraining=1.0)
    layers = problem.layers
    sizes = [before * after for before, after in pairwise(layers)]
    batches = np.asarray(space.batch_sizes, dtype=np.float64)
    if space.batch_range:
        low, high = space.batch_sizes
        grid = whole_grid(low, high, _BATCHES)
        batches = distinct(grid if also is None else np.append(grid, also))
    return Stages(
        problem=bare,
        constants=constants,
        batches=batches,
        batch_range=space.batch_range,
        keep_probs=space.keep_probs,
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
