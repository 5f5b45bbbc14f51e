"""Certified constants of a problem, whatever its kind; the formulas are in `constants`."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsgadvise.theory import constants
from rsgadvise.theory.constants import Constants
from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.problem import Problem


def certified_constants(problem: Problem, keep_prob: FloatArray) -> Constants:
    """Certified smoothness and gradient variance, shape of the keep probabilities."""
    given = _given(problem)
    if problem.tied:
        return constants.autoencoder_constants(keep_prob=keep_prob, **given)
    if problem.boxed:
        return constants.multilayer_constants(keep_prob=keep_prob, **given)
    known, ones = constants.single_layer_constants(**given), np.ones(np.shape(keep_prob))
    return Constants(known.smoothness * ones, known.gradient_variance * ones)


def layer_variances(problem: Problem, keep_prob: FloatArray) -> list[FloatArray]:
    """Certified gradient variance of each layer of a multilayer network; they sum to that of all."""
    return constants.multilayer_layer_variances(keep_prob=keep_prob, **_given(problem))


def largest_gradient(problem: Problem, keep_prob: FloatArray) -> FloatArray:
    """The vacuity limit: no squared gradient norm of this network can exceed it."""
    given = _given(problem)
    if problem.tied:
        return constants.autoencoder_limit(keep_prob=keep_prob, **given)
    if problem.boxed:
        return constants.multilayer_limit(keep_prob=keep_prob, **given)
    return np.asarray(constants.single_layer_limit(**given) * np.ones(np.shape(keep_prob)))


def _given(problem: Problem) -> dict[str, Any]:
    """What the formulas take of a problem."""
    given: dict[str, Any] = {"layers": problem.layers, "moments": problem.moments, "head": problem.head}
    if problem.tied:
        return {**given, "weight_bound": problem.weight_bounds[0], "unit": problem.units[0]}
    return (
        {**given, "weight_bound": problem.weight_bounds, "units": problem.units} if problem.boxed else given
    )
