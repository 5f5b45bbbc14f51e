"""What a loss is worth in trials of random search, and what the best of n trials is like."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["MARGIN", "best_of", "most_equivalents", "trial_equivalents", "weighted_median"]

FloatArray = NDArray[np.float64]

MARGIN = 0.02
"""A trial counts as better where its loss is lower by more than this share."""


def most_equivalents(trials: int) -> float:
    """The largest number that a population of so many trials can tell: one of them is better."""
    return math.log(0.5) / math.log1p(-1 / trials)


def trial_equivalents(loss: float, population: FloatArray) -> float:
    """The n at which the best of n random trials is better than `loss` with probability 1/2.

    n = ln(1/2) / ln(1 - p), with p the share of the population that is better by more than `MARGIN`; what
    `most_equivalents` says if none is, so a lower limit of the true n; 0 if all are.

    Args:
        loss: of the method; inf where it has none.
        population: losses of independent random trials, inf where one has none.
    """
    limit = (1 - MARGIN) * loss
    better = float(np.mean(population < limit))
    if better == 0:
        return most_equivalents(len(population))
    return math.log(0.5) / math.log1p(-better) if better < 1 else 0.0


def best_of(losses: FloatArray, errors: FloatArray, count: int) -> tuple[float, float]:
    """(median loss, median error) of the trial with the lowest loss among `count` of the population.

    Exact: of all C(m, n) choices of n trials, C(m - k, n - 1) have the k-th best, k = 1..m, as their best.
    Drawing without replacement, since n draws with replacement from so few are fewer than n trials.
    """
    trials = len(losses)
    order = np.argsort(losses, kind="stable")
    choices = math.comb(trials, count)
    weights = np.array([math.comb(trials - k, count - 1) / choices for k in range(1, trials + 1)])
    return weighted_median(losses[order], weights), weighted_median(errors[order], weights)


def weighted_median(values: FloatArray, weights: FloatArray) -> float:
    """The smallest value that values of at least half of the weight do not exceed."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) >= weights.sum() / 2 * (1 - 1e-12)
    return float(values[order][np.argmax(reached)])
