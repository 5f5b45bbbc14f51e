"""Whose `matched` stopping is drawn: it is a distribution of its own for each set of constants."""

from __future__ import annotations

import numpy as np

from rsgadvise.bounds.objective import MEASURED, ConstantsName
from rsgadvise.bounds.problem import Problem
from rsgadvise.bounds.theorems import theorem_for
from rsgadvise.theory.bound import FloatArray

__all__ = ["matched_share"]


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

    def share(name: ConstantsName) -> FloatArray:
        r = theorem_for(problem, name).curvature_share(stepsize, keep_prob)
        return np.where((r < 1) | ((r == 1) & (iterations > 1)), r, np.inf)

    unknown = constants_name in MEASURED and problem.measured is None
    if unknown or constants_name == "certified":
        return share("certified")
    drawn = share(constants_name)
    return drawn if np.isfinite(drawn).all() else np.where(np.isfinite(drawn), drawn, share("certified"))
