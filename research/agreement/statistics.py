"""Rank correlations with ties, and how far chance may have moved them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["interval", "kendall", "latin_hypercube", "moves", "ranks", "spearman", "untied"]

FloatArray = NDArray[np.float64]

_RESAMPLES = 2000
_DESIGNS = 200
_TIE = 1e-9  # relative: rounding must not order what is equal


def ranks(values: ArrayLike) -> FloatArray:
    """Ranks along the last axis from 1 on, ties sharing their mean; inf is the highest."""
    array = np.asarray(values, dtype=np.float64)
    below = (array[..., None, :] < array[..., :, None]).sum(axis=-1)
    same = (array[..., None, :] == array[..., :, None]).sum(axis=-1)
    return np.asarray(below + (same + 1) / 2)


def _correlation(left: FloatArray, right: FloatArray) -> FloatArray:
    """Pearson's along the last axis; NaN where one side is constant."""
    left = left - left.mean(axis=-1, keepdims=True)
    right = right - right.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((left * right).sum(-1) / np.sqrt((left**2).sum(-1) * (right**2).sum(-1)))


def spearman(left: ArrayLike, right: ArrayLike) -> float:
    """Spearman's rho: the correlation of ranks. NaN where one side is constant or holds NaN, or of fewer than
    3 pairs.

    Example:
        >>> round(spearman([1, 2, 2, 4], [10, 20, 30, 40]), 4)
        0.9487
    """
    if np.size(left) < 3 or np.isnan(np.asarray([left, right], dtype=np.float64)).any():
        return math.nan
    return float(_correlation(ranks(left), ranks(right)))


def kendall(left: ArrayLike, right: ArrayLike) -> float:
    """Kendall's tau-b: (concordant - discordant) / sqrt of the pairs that each side does not tie."""
    one, two = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if one.size < 3 or np.isnan([one, two]).any():
        return math.nan
    # Comparisons, not differences: inf - inf is no number.
    first = (one[:, None] > one).astype(float) - (one[:, None] < one)
    second = (two[:, None] > two).astype(float) - (two[:, None] < two)
    scale = math.sqrt(float((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale else math.nan


def interval(
    left: ArrayLike, right: ArrayLike, *, level: float = 0.95, seed: int = 0, resamples: int = _RESAMPLES
) -> tuple[float, float]:
    """Percentile bootstrap interval of `spearman` over configurations.

    A percentile interval of a statistic near 1 covers a little less than it says.
    """
    one, two = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if one.size < 4:
        return math.nan, math.nan
    chosen = np.random.default_rng(seed).integers(0, one.size, (resamples, one.size))
    found = _correlation(ranks(one[chosen]), ranks(two[chosen]))
    if np.isnan(found).all():
        return math.nan, math.nan
    tail = (1 - level) / 2
    low, high = np.nanquantile(found, [tail, 1 - tail])
    return float(low), float(high)


def untied(values: ArrayLike) -> float:
    """Share of all pairs that are ordered, not tied up to rounding."""
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2:
        return math.nan
    upper = np.triu_indices(array.size, 1)
    left, right = array[upper[0]], array[upper[1]]
    with np.errstate(invalid="ignore"):  # two infinities are equal, and their difference is no number
        near = np.abs(left - right) <= _TIE * np.minimum(np.abs(left), np.abs(right))
    tied = (left == right) | near
    return float(1 - tied.mean())


def moves(values: Sequence[float]) -> float:
    """Largest over smallest; inf where the smallest is not positive or the largest is no number."""
    low, high = min(values), max(values)
    return high / low if low > 0 and math.isfinite(high) else math.inf


def latin_hypercube(count: int, dimensions: int, seed: int) -> FloatArray:
    """`count` points of the unit cube, one in each `count`-th of every axis, as far apart as 200 tries make
    them."""
    rng = np.random.default_rng(seed)
    best, widest = np.empty((count, dimensions)), -1.0
    for _ in range(_DESIGNS):
        order = np.stack([rng.permutation(count) for _ in range(dimensions)], axis=1)
        points = (order + rng.random((count, dimensions))) / count
        gaps = ((points[:, None] - points) ** 2).sum(-1)
        gaps[np.diag_indices(count)] = np.inf
        if gaps.min() > widest:
            best, widest = points, float(gaps.min())
    return best
