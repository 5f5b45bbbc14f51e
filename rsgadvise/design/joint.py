"""Many architectures of one depth as one objective: their lengths are arrays, not numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rsgadvise.advise.space import Space
from rsgadvise.bounds.judge import objective_for
from rsgadvise.bounds.kinds import CertifiedMultilayer, DescentObjective, PaperMultilayer, largest_gradient
from rsgadvise.bounds.objective import ConstantsName, Objective
from rsgadvise.bounds.problem import Problem
from rsgadvise.theory import constants, multilayer
from rsgadvise.theory.bound import FloatArray, Numeric
from rsgadvise.theory.descent import Geometry

__all__ = ["joint_limit", "joint_objective", "one_problem", "one_space"]


def one_problem(base: Problem, layers: tuple[int, ...]) -> Problem:
    """The problem of one architecture; without a hidden layer it is a single layer, without a box.

    Args:
        base: the spec's problem; its first weight bound is that of every layer.
        layers: d_0..d_L.
    """
    if len(layers) == 2:
        return replace(base, kind="single_layer", layers=layers, weight_bounds=(), pretraining=1.0)
    boxes = base.weight_bounds[:1] * (len(layers) - 1)
    return replace(base, kind="multilayer", layers=layers, weight_bounds=boxes)


def one_space(space: Space, depth: int) -> Space:
    """The search space of an architecture; a single layer has nothing to drop."""
    return replace(space, keep_probs=((1.0, 1.0),)) if depth == 0 else space


def joint_limit(base: Problem, layers: Sequence[Numeric], keep_prob: FloatArray) -> FloatArray:
    """The largest squared gradient norm possible of many architectures at once.

    Args:
        base: the spec's problem.
        layers: d_0..d_L, numbers or arrays that broadcast against the keep probabilities.
        keep_prob: zeta, at which a bound of as much says nothing.
    """
    if len(layers) == 2:
        ends = (base.layers[0], base.layers[-1])
        return largest_gradient(one_problem(base, ends), keep_prob)
    return constants.multilayer_limit(
        layers=layers,
        weight_bound=base.weight_bounds[:1] * (len(layers) - 1),
        keep_prob=keep_prob,
        moments=base.moments,
    )


def joint_objective(base: Problem, layers: Sequence[Numeric], name: ConstantsName) -> Objective:
    """The bound of many architectures at once.

    Args:
        base: the spec's problem.
        layers: d_0..d_L, numbers or arrays that broadcast against the candidates.
        name: the paper's constants or certified ones.
    """
    if len(layers) == 2:
        ends = (base.layers[0], base.layers[-1])
        return objective_for(one_problem(base, ends), name, everywhere=False)
    boxes = base.weight_bounds[:1] * (len(layers) - 1)
    if name == "paper":
        net = multilayer.structure(layers=layers, weight_bound=boxes, pretraining=base.pretraining)
        return PaperMultilayer(net=net, initial_loss=base.initial_loss, ceiling=base.largest_loss)

    def certified(zeta: FloatArray) -> constants.Constants:
        return constants.multilayer_constants(
            layers=layers, weight_bound=boxes, keep_prob=zeta, moments=base.moments
        )

    def variances(zeta: FloatArray) -> list[FloatArray]:
        found = constants.multilayer_layer_variances(
            layers=layers, weight_bound=boxes, keep_prob=zeta, moments=base.moments
        )
        return [np.asarray(value) for value in found]

    total = DescentObjective(
        smoothness=lambda zeta: certified(zeta).smoothness,
        variance=lambda zeta: certified(zeta).gradient_variance,
        geometry=Geometry.PROJECTED,
        initial_loss=base.initial_loss,
        ceiling=base.largest_loss,
    )
    return CertifiedMultilayer(total=total, variances=variances, depth=len(layers) - 1)
