"""Stopping distributions P_R on the iterations 1..N, and the sums over them that bounds need.

R is the iteration whose weights are returned. With stepsizes gamma_k = gamma k^-rho every bound
of this package depends on P_R only through four sums, see `StoppingSums`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsgadvise.errors import HypothesisError

__all__ = [
    "Stopping",
    "StoppingSums",
    "harmonic_number",
    "last_share",
    "probabilities",
    "stopping_sums",
]

FloatArray = NDArray[np.float64]
Numeric = float | FloatArray
Stopping = Literal["uniform", "matched", "increasing", "last"] | tuple[float, ...]

_HEAD = 32
_SUM_HEAD = 256
# B_2j / (2j)!, the Euler-Maclaurin coefficients; after 32 terms the next one is below rounding.
_EULER_MACLAURIN = (1 / 12, -1 / 720, 1 / 30240)


def harmonic_number(order: Numeric, count: Numeric) -> FloatArray:
    """Generalised harmonic number H_N(s) = sum_{k=1..N} k^-s.

    The first 32 terms are added; the rest is the Euler-Maclaurin expansion, whose integral is
    written with expm1 so that s = 1 is an ordinary point. Relative error below 1e-13 for s in
    [0, 4] and N up to 1e15.

    Args:
        order: s >= 0, broadcasts.
        count: N >= 1, whole numbers, broadcasts.

    Example:
        >>> harmonic_number(1.0, np.array([1.0, 3.0, 1e12])).round(4).tolist()
        [1.0, 1.8333, 28.2082]
    """
    s, n = np.broadcast_arrays(np.asarray(order, float), np.asarray(count, float))
    if np.any(n < 1):
        raise HypothesisError(f"the number of iterations must be at least 1; got {np.min(n):g}")
    small = np.minimum(n, _HEAD)
    k = np.arange(1, _HEAD + 1, dtype=np.float64)
    head = np.where(k <= small[..., None], k ** -s[..., None], 0.0).sum(axis=-1)
    far = np.maximum(n, _HEAD)
    gap = np.log(far / _HEAD)
    exponent = (1 - s) * gap
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        relative = np.where(np.abs(exponent) > 1e-300, np.expm1(exponent) / exponent, 1.0)
    integral = _HEAD ** (1 - s) * gap * relative
    low, high = _HEAD**-s, far**-s
    tail = integral + 0.5 * (high - low)
    rising, below, above = s, low / _HEAD, high / far
    for index, coefficient in enumerate(_EULER_MACLAURIN):
        tail = tail + coefficient * rising * (below - above)
        rising = rising * (s + 2 * index + 1) * (s + 2 * index + 2)
        below, above = below / _HEAD**2, above / far**2
    return np.asarray(head + np.where(n > _HEAD, tail, 0.0))


def last_share(iterations: Numeric) -> FloatArray:
    """Length m of the window of `last`: the last tenth of N iterations, rounded up."""
    return np.asarray(np.ceil(np.asarray(iterations, float) / 10))


@dataclass(frozen=True, slots=True)
class StoppingSums:
    """The sums of [T1] with the stepsize taken out.

    Let x_k = k^-rho and q_k = p_k / (x_k (1 - r x_k)), where the descent in iteration k is
    proportional to x_k (1 - r x_k).

    Attributes:
        first: q_1.
        variation: sum_{k>=2} (q_k - q_{k-1})_+, what is lost by stopping late on purpose.
        linear: sum q_k x_k.
        quadratic: sum q_k x_k^2.
    """

    first: FloatArray
    variation: FloatArray
    linear: FloatArray
    quadratic: FloatArray


def stopping_sums(
    stopping: Stopping, *, iterations: Numeric, decay: float, curvature_share: Numeric
) -> StoppingSums:
    """The four sums over P_R for stepsizes gamma k^-rho; see `StoppingSums`.

    Kind: exact for constant stepsizes, for `matched` and for given probabilities; else the two
    long sums carry a relative error below 1e-9.

    Args:
        stopping: uniform (p_k = 1/N), matched (p_k proportional to x_k (1 - r x_k), so q is
            constant), increasing (p_k proportional to k), last (uniform on the last tenth), or N
            probabilities.
        iterations: N, broadcasts.
        decay: rho >= 0.
        curvature_share: r in [0, 1], U gamma / 2 for a U-smooth objective; r = 1 only where
            p_1 = 0 (matched, or `last` with more than one iteration).
    """
    n, r = np.broadcast_arrays(np.asarray(iterations, float), np.asarray(curvature_share, float))
    if isinstance(stopping, tuple):
        return _given_sums(np.asarray(stopping, float), n, decay, r)
    if stopping == "matched":
        h1, h2 = harmonic_number(decay, n), harmonic_number(2 * decay, n)
        with np.errstate(divide="ignore"):
            q = 1 / (h1 - r * h2)
        return StoppingSums(first=q, variation=np.zeros_like(q), linear=q * h1, quadratic=q * h2)
    growth = 1.0 if stopping == "increasing" else 0.0
    start = n - last_share(n) + 1 if stopping == "last" else np.ones_like(n)
    return _power_sums(growth, start, n, decay, r)


def _given_sums(weights: FloatArray, n: FloatArray, decay: float, r: FloatArray) -> StoppingSums:
    if np.any(n != weights.size):
        raise HypothesisError(
            f"a list of {weights.size} stopping probabilities needs exactly {weights.size} iterations; "
            f"got {n.flat[int(np.argmax(n.ravel() != weights.size))]:g}",
            quantity="iterations",
        )
    x = np.arange(1, weights.size + 1, dtype=np.float64) ** -decay
    if decay == 0:
        rise = float(np.maximum(np.diff(weights), 0).sum())
        scale = 1 / (1 - r)
        return StoppingSums(weights[0] * scale, rise * scale, scale.copy(), scale.copy())
    sums = np.empty((4, *r.shape))
    for index in np.ndindex(r.shape):
        q = weights / (x * (1 - r[index] * x))
        sums[(slice(None), *index)] = q[0], np.maximum(np.diff(q), 0).sum(), q @ x, q @ x**2
    return StoppingSums(*sums)


def _power_sums(growth: float, start: FloatArray, n: FloatArray, decay: float, r: FloatArray) -> StoppingSums:
    """p_k proportional to k^growth on start..N, growth 0 or 1."""
    total = n - (start - 1) if growth == 0 else n * (n + 1) / 2

    def q(k: FloatArray) -> FloatArray:
        x = k**-decay
        return k**growth / (total * x * (1 - r * x))

    at_start, at_end = q(start), q(n)
    lowest = np.minimum(at_start, at_end)
    if decay > 0:
        # q falls until r x_k = (growth + rho) / (growth + 2 rho), and rises from there on.
        with np.errstate(divide="ignore", over="ignore"):
            turn = (r * (growth + 2 * decay) / (growth + decay)) ** (1 / decay)
        for k in (np.floor(turn), np.ceil(turn)):
            lowest = np.minimum(lowest, q(np.clip(k, start, n)))
    variation = at_end - lowest + np.where(start > 1, at_start, 0.0)
    first = np.where(start > 1, 0.0, at_start)
    if decay == 0:
        scale = 1 / (1 - r)
        return StoppingSums(first, variation, scale.copy(), scale.copy())

    def weighted(k: FloatArray, power: int) -> FloatArray:
        x = k**-decay
        return k**growth * x**power / (1 - r[..., None] * x)

    linear = _sum_smooth(lambda k: weighted(k, 0), start, n) / total
    quadratic = _sum_smooth(lambda k: weighted(k, 1), start, n) / total
    return StoppingSums(first, variation, linear, quadratic)


def _sum_smooth(term: Callable[[FloatArray], FloatArray], start: FloatArray, stop: FloatArray) -> FloatArray:
    """Sum of term(k) for k = start..stop, for terms that vary slowly on the scale of k itself.

    The first 256 terms are added; the rest is the midpoint form of Euler-Maclaurin, its
    integral over log k by Gauss-Legendre quadrature on panels of at most two e-folds.
    """
    k = start[..., None] + np.arange(_SUM_HEAD, dtype=np.float64)
    inside = k <= stop[..., None]
    head = np.where(inside, term(np.where(inside, k, stop[..., None])), 0.0).sum(axis=-1)
    if np.all(stop < start + _SUM_HEAD):
        return np.asarray(head)
    low = start + _SUM_HEAD - 0.5
    high = np.maximum(stop + 0.5, low)
    panels = int(np.ceil(np.max(np.log(high / low)) / 2)) or 1
    nodes, weights = np.polynomial.legendre.leggauss(24)
    offsets = (np.arange(panels)[:, None] + 0.5 * (nodes + 1)).ravel() / panels
    span = np.log(high / low)[..., None]
    points = low[..., None] * np.exp(span * offsets)
    integral = (term(points) * points * np.tile(weights, panels)).sum(axis=-1) * span[..., 0] / (2 * panels)

    def slope(at: FloatArray) -> FloatArray:
        pair = np.stack([at - 0.5, at + 0.5], axis=-1)
        values = term(pair)
        return np.asarray(values[..., 1] - values[..., 0])

    return np.asarray(head + np.where(high > low, integral - (slope(high) - slope(low)) / 24, 0.0))


def probabilities(stopping: Stopping, *, iterations: int, decay: float, curvature_share: float) -> FloatArray:
    """P_R as an array of N probabilities that sum to 1; Args as in `stopping_sums`.

    Example:
        >>> probabilities("increasing", iterations=3, decay=0.0, curvature_share=0.1).round(3).tolist()
        [0.167, 0.333, 0.5]
    """
    if isinstance(stopping, tuple):
        return np.asarray(stopping, float)
    k = np.arange(1, iterations + 1, dtype=np.float64)
    if stopping == "matched":
        x = k**-decay
        weights = x * (1 - curvature_share * x)
    elif stopping == "increasing":
        weights = k
    elif stopping == "last":
        weights = (k > iterations - last_share(iterations)).astype(float)
    else:
        weights = np.ones(iterations)
    return np.asarray(weights / weights.sum())
