"""Certified constants of a problem, whatever its kind; the formulas are in `constants`."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from rsgadvise.theory.constants import (
    CertifiedNetwork,
    Constants,
    DeepNetwork,
    FlatNetwork,
    PenalisedNetwork,
    TiedNetwork,
)
from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.search import once


def certified_network(problem: Problem) -> CertifiedNetwork:
    """What is certain of a network of any kind, and of what joins its loss."""
    network, penalty = _alone(problem), problem.penalty
    if not penalty:
        return network
    return PenalisedNetwork(
        layers=network.layers,
        moments=network.moments,
        inner=network,
        penalty=penalty,
        square=problem.largest_square,
        boxed=problem.boxed,
    )


def _alone(problem: Problem) -> CertifiedNetwork:
    """What is certain of its loss itself."""
    if problem.tied:
        return TiedNetwork(
            layers=problem.layers,
            moments=problem.moments,
            head=problem.head,
            weight_bound=problem.weight_bounds[0],
            unit=problem.units[0],
            spectral=problem.spectral,
        )
    if problem.boxed:
        return DeepNetwork(
            layers=problem.layers,
            moments=problem.moments,
            head=problem.head,
            weight_bound=problem.weight_bounds,
            units=problem.units,
            bias=problem.bias,
            spectral=problem.spectral,
        )
    return FlatNetwork(layers=problem.layers, moments=problem.moments, head=problem.head, bias=problem.bias)


def certified_constants(problem: Problem, keep_prob: FloatArray) -> Constants:
    """Certified smoothness and gradient variance, shape of the keep probabilities; inf where targets are
    beyond [0, 1]."""
    if not problem.unit_targets:
        nothing = np.full(np.shape(keep_prob), np.inf)
        return Constants(nothing, nothing)
    return certified_network(problem).constants(keep_prob)


def largest_gradient(problem: Problem, keep_prob: FloatArray) -> FloatArray:
    """The vacuity limit: no squared gradient norm of this network can exceed it."""
    if not problem.unit_targets:
        return np.full(np.shape(keep_prob), np.inf)
    return once(certified_network(problem).limit, keep_prob)


def needs_norm(problem: Problem) -> bool:
    """Whether its largest loss, or the slope of its loss, is less than with inputs of any length."""
    free = replace(problem, moments=replace(problem.moments, largest_norm=math.inf))
    one = np.ones(())
    return bool(
        problem.largest_loss < free.largest_loss
        or largest_gradient(problem, one) < largest_gradient(free, one)
    )


def smoothing_gap(problem: Problem) -> float:
    """No two losses of any rows at the same weights are farther apart, of units with and without a kink; 0
    where none is rounded off."""
    if not any(unit.rounds for unit in problem.units):
        return 0.0
    return min(float(certified_network(problem).smoothing_gap), problem.largest_loss)
