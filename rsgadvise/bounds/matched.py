"""Whose `matched` stopping is drawn: it is a distribution of its own for each set of constants."""

from __future__ import annotations

import numpy as np

from rsgadvise.bounds.kinds import PaperMultilayer, certified_constants, certified_objective, paper_objective
from rsgadvise.bounds.objective import MEASURED, ConstantsName
from rsgadvise.bounds.problem import Problem
from rsgadvise.theory import descent, multilayer
from rsgadvise.theory.bound import FloatArray

__all__ = ["matched_share"]


def _curvature_share(
    problem: Problem, constants_name: ConstantsName, stepsize: FloatArray, keep_prob: FloatArray
) -> FloatArray:
    """r of `matched` stopping: iteration k descends by a multiple of x_k (1 - r x_k), x_k = k^-rho.

    The part of the first step's descent that curvature takes away; inf outside the theorem's range.
    """
    known = problem.measured if constants_name in MEASURED else None
    several = problem.kind == "multilayer"
    if known is None and constants_name == "paper":
        objective = paper_objective(problem)
        inside = np.less_equal(stepsize, objective.largest_stepsizes(keep_prob))
        if isinstance(objective, PaperMultilayer):
            columns = [stepsize[..., index] for index in range(stepsize.shape[-1])]
            share = multilayer.descent_scale(objective.net, columns)[1]
            return np.asarray(np.where(inside.all(axis=-1), share, np.inf))
        smoothness = np.asarray(2 / objective.largest_stepsizes(keep_prob))
    elif known is None:
        smoothness = certified_constants(problem, keep_prob).smoothness
        inside = np.less_equal(stepsize, certified_objective(problem).largest_stepsizes(keep_prob))
    else:
        smoothness = np.full(np.shape(keep_prob), known.smoothness)
        inside = np.less_equal(stepsize, 2 / known.smoothness)
    if several:
        share = descent.layer_scale(stepsize, smoothness)[1]
        return np.asarray(np.where(inside.all(axis=-1), share, np.inf))
    return np.asarray(np.where(inside, np.minimum(smoothness * stepsize / 2, 1.0), np.inf))


def matched_share(
    problem: Problem,
    constants_name: ConstantsName,
    stepsize: FloatArray,
    keep_prob: FloatArray,
    iterations: FloatArray,
) -> FloatArray:
    """r of the P_R that is drawn where the spec says `matched` and the stepsize decays.

    It is that of the constants whose bound is shown. Where these leave no probabilities, since the stepsize
    lies outside their range, certified ones are drawn by; inf where those leave none either.
    """
    shares = [_curvature_share(problem, name, stepsize, keep_prob) for name in (constants_name, "certified")]
    drawn, instead = (np.where((r < 1) | ((r == 1) & (iterations > 1)), r, np.inf) for r in shares)
    return np.where(np.isfinite(drawn), drawn, instead)
