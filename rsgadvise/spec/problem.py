"""A spec as plain numbers, each with its provenance: given, measured, or assumed and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from rsgadvise.spec.models import Spec
from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.problem import INITIAL_LOSS, Assumption, Problem
from rsgadvise.theory.stopping import Stopping


def _moments(
    spec: Spec, measured: Mapping[str, float | int | None], assumed: list[Assumption]
) -> InputMoments:
    dim = spec.network.layers[0]

    def value(key: str) -> float | None:
        number = measured.get(key)
        return float(number) if number is not None else getattr(spec.data, key)

    mean, square = value("mean"), value("mean_square")
    second, top = value("second_moment"), value("top_eigenvalue")
    norm = None
    if not spec.data.unit:
        mean, square = (float(measured.get(key) or 0) for key in ("mean", "mean_square"))
        second = 1.0 if second is None else second
        norm = value("largest_norm")
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
    if norm is None and not spec.data.unit:
        norm = math.inf
        why = "unknown, and without it what has no largest loss or slope has no bound"
        assumed.append(Assumption("data.largest_norm", norm, why))
    return InputMoments(
        dim=dim,
        mean=mean,
        mean_square=square,
        second_moment=second,
        top_eigenvalue=top,
        largest_norm=norm,
    )


def resolve(spec: Spec, measured: Mapping[str, float | int | None] | None = None) -> Problem:
    """Turn a spec into numbers, and say which of them are assumed.

    Args:
        spec: a valid spec.
        measured: statistics of the data file by spec key (mean, mean_square, second_moment,
            top_eigenvalue, largest_norm, samples); they take precedence over the numbers in the spec. And
            whether all targets lie in [0, 1], `unit_targets`, which holds unless it is said not to.
    """
    known = measured or {}
    network, assumed = spec.network, list[Assumption]()
    moments = _moments(spec, known, assumed)
    layers = tuple(network.layers)
    loss = spec.training.initial_loss
    if loss is None:
        penalty = spec.training.chosen_optimizer.penalty
        loss = network.assumed_start(penalty, moments.largest_norm)
        why = "the largest possible loss" + (", d_out" if loss == network.output_dim else "")
        why = f"{why}, so a safe f(W1)"
        if penalty and not network.weight_bounds:
            why = "the largest loss of weights that their decay does not shorten, so f(W1) of any such start"
        if loss == math.inf:
            missing = "data.largest_norm" if network.weight_bounds else "a box"
            why = f"unknown, since without {missing} no loss is the largest; a bound needs it"
        assumed.append(Assumption(INITIAL_LOSS, loss, why))
    alpha = 1.0
    if network.layered and len(layers) > 2:
        if spec.training.pretraining is not None:
            alpha = spec.training.pretraining.tolerance
        else:
            assumed.append(Assumption("training.pretraining.tolerance", alpha, "no pretraining: alpha = 1"))
    count = known.get("samples")
    if network.weight_bounds and network.weight_bound is None and not network.spectral:
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
        activations=network.activations,
        loss=network.loss,
        optimizer=spec.training.chosen_optimizer,
        bias=network.bias,
        spectral=network.spectral,
        unit_targets=bool(known.get("unit_targets", True)),
    )


def stopping_of(spec: Spec) -> Stopping:
    """P_R of a spec; uniform unless given."""
    given = spec.training.stopping
    return "uniform" if given is None else cast(Stopping, given)
