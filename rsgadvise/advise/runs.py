"""Which of several independent runs to keep: the one with the smallest gradient, exact or estimated."""

from __future__ import annotations

import math

import numpy as np

from rsgadvise.advise import wording
from rsgadvise.advise.space import MOST_ITERATIONS, Goal
from rsgadvise.theory.certified import certified_constants
from rsgadvise.theory.problem import Problem

# Choosing among runs by gradients that are estimated on a sample of rows.

FACTOR = 4.0
"""The kept run may have so many times eps: what choosing by estimates costs."""


def missed(delta: float) -> float:
    """delta', the probability allowed for the choice itself: delta, or half of what delta leaves."""
    return min(delta, (1 - delta) / 2)


def comparison_rows(*, eps: float, delta: float, runs: int, gradient_variance: float) -> float:
    """Fresh rows for each run, so that the run with the smallest estimate is an (eps, delta)-solution, too.

    Let some run have ||grad f||^2 <= eps with probability 1 - delta, and let g_t be the mean gradient of M
    fresh rows at run t, e the largest of the T errors ||g_t - grad f_t||. The run s with the smallest
    ||g_s|| has ||grad f_s|| <= ||g_s|| + e <= ||g_t|| + e <= ||grad f_t|| + 2e for every t. By Markov's
    inequality and a union bound Pr{e^2 > x} <= T sigma^2/(M x). With x = (sqrt(c) - 1)^2 eps/4 and
    M = T sigma^2/(x delta'), the kept run has ||grad f||^2 <= c eps with probability 1 - delta - delta'.

    The projected gradient has the same property, since projections do not expand.

    Source: the second phase of Ghadimi and Lan (2013), Theorem 2.4: Pr{||grad f||^2 >= 2 (4 U B_N +
        3 lambda sigma^2/T)} <= (S+1)/lambda + 2^-S for S runs and T rows; (sqrt(a) + 2e)^2, used here, is
        never above its 4a + 6e^2.
    Kind: upper bound on the rows needed.
    Assumes: rows drawn independently of the runs and of each other, unbiased gradients of variance <=
        sigma^2; with dropout a mask of its own for each row.

    Args:
        eps, delta: of the best run. runs: T. gradient_variance: sigma^2 of one row.

    Returns:
        M for c = `FACTOR` and delta' = `missed(delta)`; 0 for one run, which needs no choice.

    Example:
        >>> round(comparison_rows(eps=0.05, delta=0.05, runs=10, gradient_variance=2.0))
        32000
    """
    if runs < 2:
        return 0.0
    part = (math.sqrt(FACTOR) - 1) ** 2 / 4
    return runs * gradient_variance / part / eps / missed(delta)  # one by one, since their product may be 0


def choosing(problem: Problem, goal: Goal, runs: int, keep_prob: float) -> str:
    """How to choose among the runs of a plan, in words."""
    return wording.by_sample(
        rows=rows_to_compare(problem, goal, runs, keep_prob),
        data=problem.samples,
        eps=goal.eps,
        delta=goal.delta,
        projected=problem.boxed,
        masks=keep_prob < 1,
        factor=FACTOR,
        missed=missed(goal.delta),
    )


def rows_to_compare(problem: Problem, goal: Goal, runs: int, keep_prob: float) -> int:
    """Fresh rows for each run, where gradients are estimated; sigma^2 is the certified one, for any data."""
    known = certified_constants(problem, np.asarray(keep_prob))
    variance = float(known.gradient_variance)
    rows = comparison_rows(eps=goal.eps, delta=goal.delta, runs=runs, gradient_variance=variance)
    return math.ceil(min(rows, MOST_ITERATIONS))
