"""What the theory knows of a network, its data and its start, as plain numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rsgadvise.kinds import KINDS, KindName
from rsgadvise.records import dataclass
from rsgadvise.theory.architecture import Architecture, Obstacle
from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.heads import SQUARED
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.theory.units import SIGMOID

INITIAL_LOSS = "training.initial_loss"
"""Key of f(W^1), for which the largest loss possible stands where nobody gave it."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """A value that nobody gave.

    Attributes:
        key: dotted path of the spec key that would replace it.
        value: what is used instead.
        why: the reason, and what the choice does to the bound.
    """

    key: str
    value: float | int | str
    why: str


@dataclass(frozen=True, slots=True)
class MeasuredConstants:
    """What was measured on the data in place of a bound; true near where it was measured, proven nowhere.

    Attributes:
        smoothness: largest eigenvalue of the Hessian of f.
        layer_variances: variance of one example's gradient, for each matrix.
        distance: at least so far is a minimiser, if f is convex on the way there: f(W) / ||grad f(W)||.
        loss: f(W) where the variances were measured.
    """

    smoothness: float
    layer_variances: tuple[float, ...]
    distance: float
    loss: float

    @property
    def gradient_variance(self) -> float:
        """sigma^2, over all matrices together."""
        return sum(self.layer_variances)


_BEYOND = Obstacle(
    "data.target_kind",
    "values",
    "of targets in [0, 1]",
    "targets beyond [0, 1], which no theorem is about",
    "scaled from their smallest to their largest they lie in it",
    "data.target_kind=classes",
)


_DECAY = Obstacle(
    "training.optimizer",
    "weight decay",
    "without weight decay",
    "no largest gradient with momentum and without a box",
    "momentum without it, and SGD with it, have a bound",
    "training.optimizer=sgd",
)


@dataclass(frozen=True, slots=True)
class Problem(Architecture):
    """What the theory needs to know of a network, its data and its start.

    Attributes:
        kind: which of the losses (3), (4), (5).
        layers: d_0..d_L.
        weight_bounds: w_1..w_L; empty for a single layer. Where `spectral`, of singular values.
        pretraining: alpha.
        moments: of the inputs, with worst cases where they are unknown.
        initial_loss: f(W^1) or the largest possible loss, a valid D_f either way.
        samples: S, or None.
        assumed: every value that nobody gave.
        measured: constants for the calibrated bound, where they were measured.
        activations: phi of each hidden layer by name; none stand for sigmoids.
        loss: by name, with the output units that go with it.
        optimizer: that is to be trained with; the theorems are about SGD, and one about momentum.
        bias: whether layers have biases.
        spectral: whether the largest singular value of each matrix is bounded, not each weight.
        unit_targets: whether all targets lie in [0, 1] or are the inputs, as every theorem takes for granted.
    """

    kind: KindName
    layers: tuple[int, ...]
    weight_bounds: tuple[float, ...]
    pretraining: float
    moments: InputMoments
    initial_loss: float
    samples: int | None
    assumed: tuple[Assumption, ...]
    measured: MeasuredConstants | None = None
    activations: tuple[str, ...] = ()
    loss: str = SQUARED
    optimizer: Optimizer = PLAIN
    bias: bool = False
    spectral: bool = False
    unit_targets: bool = True

    def changed(self, **fields: Any) -> Problem:
        """The problem of another network or box: f(W^1) that nobody gave is its own largest loss."""
        other = replace(self, **fields)
        assumed = any(item.key == INITIAL_LOSS for item in self.assumed)
        return replace(other, initial_loss=other.assumed_start(other.penalty)) if assumed else other

    @property
    def largest_norm(self) -> float | None:
        """That of its inputs."""
        return self.moments.largest_norm

    @property
    def unit_inputs(self) -> bool:
        """Whether all inputs lie in [0, 1], as the paper's theorems take for granted."""
        return self.largest_norm is None

    @property
    def penalty(self) -> float:
        """That of its optimiser."""
        return self.optimizer.penalty

    @property
    def largest_square(self) -> FloatArray:
        """Without a box the larger of `pulled` and of what ||W^1||^2 can be, f(W^1) being what it is."""
        if self.weight_bounds or not self.penalty:
            own: FloatArray = Architecture.largest_square.fget(self)  # type: ignore[attr-defined]
            return own
        return np.maximum(self.pulled(self.penalty), 2 * self.initial_loss / self.penalty)

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        """What keeps theorems from being about it, its targets first."""
        own: tuple[Obstacle, ...] = Architecture.obstacles.fget(self)  # type: ignore[attr-defined]
        if self.penalty and not (self.weight_bounds or self.optimizer.plain):
            own = (*own, _DECAY)
        return own if self.unit_targets else (_BEYOND, *own)

    @property
    def has_sgd_bound(self) -> bool:
        """Whether the theorems about SGD are about its training: nothing bars a bound."""
        return self.optimizer.plain and self.obstacle is None

    @property
    def outputs(self) -> int:
        """d_L; an autoencoder has as many outputs as inputs."""
        return self.widths[-1]

    @property
    def limit_in_symbols(self) -> str:
        """The largest squared gradient possible; docs/theory.md has all that is in it."""
        others = "C_1² A_L², by the bounds of units and loss"
        return (
            KINDS[self.kind].limit if self.as_in_the_paper and not (self.spectral or self.penalty) else others
        )

    @property
    def units_in_words(self) -> str:
        """As in "a network of tanh units": those of hidden layers; in the paper's networks of all layers."""
        names = dict.fromkeys(unit.name for unit in self.units)
        return " and ".join(names) if names or not self.as_in_the_paper else SIGMOID

    @property
    def rounded_in_words(self) -> str:
        """As in "that of ReLU units": those whose kinks are rounded off."""
        return " and ".join(dict.fromkeys(unit.rounds for unit in self.units if unit.rounds))

    @property
    def stepsizes(self) -> int:
        """Number of stepsizes: one per layer for multilayer, else one."""
        return len(self.layers) - 1 if self.layered else 1
