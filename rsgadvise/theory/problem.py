"""A spec as plain numbers, each with its provenance: given, measured, or assumed and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from rsgadvise.kinds import OfKind
from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.stopping import Stopping

if TYPE_CHECKING:
    from rsgadvise.spec import Spec


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

    @property
    def largest_loss(self) -> float:
        """F_max: every squared term of the loss is at most 1."""
        return float(self.layers[0] if self.kind == "autoencoder" else self.layers[-1])

    @property
    def stepsizes(self) -> int:
        """Number of stepsizes: one per layer for multilayer, else one."""
        return len(self.layers) - 1 if self.kind == "multilayer" else 1


def _moments(
    spec: Spec, measured: Mapping[str, float | int | None], assumed: list[Assumption]
) -> InputMoments:
    dim = spec.network.layers[0]

    def value(key: str) -> float | None:
        found = measured.get(key)
        return float(found) if found is not None else getattr(spec.data, key)

    mean, square = value("mean"), value("mean_square")
    second, top = value("second_moment"), value("top_eigenvalue")
    if mean is None:
        mean = 1.0
        assumed.append(Assumption("data.mean", mean, "unknown, so the largest mean of inputs in [0, 1]"))
    if square is None:
        square = second if second is not None else mean
        assumed.append(Assumption("data.mean_square", square, "unknown, so the largest that the rest allows"))
    if second is None:
        second = mean
        assumed.append(
            Assumption(
                "data.second_moment", second, "unknown, so data.mean, its largest value; certified only"
            )
        )
    if top is None:
        top = dim * second
        assumed.append(
            Assumption(
                "data.top_eigenvalue",
                top,
                "unknown, so d_x * second_moment, its largest value; certified only",
            )
        )
    return InputMoments(dim=dim, mean=mean, mean_square=square, second_moment=second, top_eigenvalue=top)


def resolve(spec: Spec, measured: Mapping[str, float | int | None] | None = None) -> Problem:
    """Turn a spec into numbers, and say which of them are assumed.

    Args:
        spec: a valid spec.
        measured: statistics of the data file by spec key (mean, mean_square, second_moment,
            top_eigenvalue, samples); they take precedence over the numbers in the spec.
    """
    found = measured or {}
    network, assumed = spec.network, list[Assumption]()
    moments = _moments(spec, found, assumed)
    layers = tuple(network.layers)
    largest = float(layers[0] if network.kind == "autoencoder" else layers[-1])
    loss = spec.training.initial_loss
    if loss is None:
        loss = largest
        assumed.append(
            Assumption("training.initial_loss", loss, "the largest possible loss, d_out, so a safe f(W1)")
        )
    alpha = 1.0
    if network.kind == "multilayer" and len(layers) > 2:
        if spec.training.pretraining is not None:
            alpha = spec.training.pretraining.tolerance
        else:
            assumed.append(Assumption("training.pretraining.tolerance", alpha, "no pretraining: alpha = 1"))
    count = found.get("samples")
    if network.weight_bounds and network.weight_bound is None:
        box = network.weight_bounds[0]
        assumed.append(
            Assumption("network.weight_bound", box, "none given: the usual one, and a race tries a wider one")
        )
    return Problem(
        kind=network.kind,
        layers=layers,
        weight_bounds=network.weight_bounds,
        pretraining=alpha,
        moments=moments,
        initial_loss=loss,
        samples=int(count) if count is not None else spec.data.samples,
        assumed=tuple(assumed),
    )


def stopping_of(spec: Spec) -> Stopping:
    """P_R of a spec; uniform unless given."""
    given = spec.training.stopping
    return "uniform" if given is None else cast(Stopping, given)
