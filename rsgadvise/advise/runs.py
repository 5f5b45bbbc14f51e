"""Which of several independent runs to keep: the one with the smallest gradient, exact or estimated."""

from __future__ import annotations

import math

import numpy as np

from rsgadvise.advise import wording
from rsgadvise.advise.space import MOST_ITERATIONS, Goal
from rsgadvise.bounds.kinds import certified_constants
from rsgadvise.bounds.problem import Problem
from rsgadvise.theory.comparison import FACTOR, comparison_rows, missed

__all__ = ["choosing", "rows_to_compare"]


def choosing(problem: Problem, goal: Goal, runs: int, keep_prob: float) -> str:
    """How to choose among the runs of a plan, in words."""
    return wording.by_sample(
        rows=rows_to_compare(problem, goal, runs, keep_prob),
        data=problem.samples,
        eps=goal.eps,
        delta=goal.delta,
        projected=problem.kind != "single_layer",
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
