"""What the theory knows of a network, its data and its start, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from rsgadvise.kinds import KINDS, OfKind
from rsgadvise.theory.constants import InputMoments, largest_loss
from rsgadvise.theory.heads import SQUARED, head_of
from rsgadvise.theory.heads.head import Head
from rsgadvise.theory.units import SIGMOID, units_of
from rsgadvise.theory.units.unit import Unit

Kind = Literal["single_layer", "autoencoder", "multilayer"]


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


@dataclass(frozen=True, slots=True)
class Problem(OfKind):
    """What the theory needs to know of a network, its data and its start.

    Attributes:
        kind: which of the losses (3), (4), (5).
        layers: d_0..d_L.
        weight_bounds: w_1..w_L; empty for a single layer.
        pretraining: alpha.
        moments: of the inputs, with worst cases where they are unknown.
        initial_loss: f(W^1) or the largest possible loss, a valid D_f either way.
        samples: S, or None.
        assumed: every value that nobody gave.
        measured: constants for the calibrated bound, where they were measured.
        activations: phi of each hidden layer by name; none stand for sigmoids.
        loss: by name, with the output units that go with it.
    """

    kind: Kind
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

    @property
    def units(self) -> tuple[Unit, ...]:
        """phi of each hidden layer."""
        return units_of(self.activations, self.hidden)

    @property
    def head(self) -> Head:
        """The loss with its output units."""
        return head_of(self.loss)

    @property
    def as_in_the_paper(self) -> bool:
        """Whether all units are sigmoids and the loss is their squared error."""
        return self.loss == SQUARED and {*self.activations} <= {SIGMOID}

    @property
    def outputs(self) -> int:
        """d_L; an autoencoder has as many outputs as inputs."""
        return self.widths[-1]

    @property
    def limit_in_symbols(self) -> str:
        """The largest squared gradient possible; docs/theory.md has all that is in it."""
        others = "C_1² A_L², by the bounds of units and loss"
        return KINDS[self.kind].limit if self.as_in_the_paper else others

    @property
    def units_in_words(self) -> str:
        """As in "a network of sigmoid units", those of the output among them."""
        names = dict.fromkeys(unit.name for unit in self.units)
        return " and ".join(names) if names else SIGMOID

    @property
    def largest_loss(self) -> float:
        """F_max: no loss is larger, whatever the weights in the box."""
        value = largest_loss(self.head, self.widths, self.weight_bounds, self.units)
        return cast(float, value) if value.ndim else float(value)  # many architectures are one problem too

    @property
    def stepsizes(self) -> int:
        """Number of stepsizes: one per layer for multilayer, else one."""
        return len(self.layers) - 1 if self.layered else 1
