"""Stopping distributions P_R on the iterations 1..N, and the sums over them that bounds need.

R is the iteration whose weights are returned. With stepsizes gamma_k = gamma k^-rho every bound
of this package depends on P_R only through four sums, see `StoppingSums`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsgadvise.errors import HypothesisError
from rsgadvise.records import dataclass

FloatArray = NDArray[np.float64]
Numeric = float | FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class MatchedTo:
    """The `matched` P_R of given constants, p_k proportional to x_k (1 - share x_k), x_k = k^-rho.

    `matched` alone stands for another distribution with each set of constants; to a bound with other
    constants this one is a distribution like any other.

    Attributes:
        share: r in [0, 1] of the constants that R is drawn by, one per candidate.
    """

    share: Numeric


Stopping = Literal["uniform", "matched", "increasing", "last"] | tuple[float, ...] | MatchedTo

_HEAD = 32
_SUM_HEAD = 64
_EXACT_HEAD = 256  # where long sums are differences, of which more has to be left
_SUM_ERROR = 2e-9  # relative, of what comes after the first terms of a long sum; at decays up to 2
_WORK = 2**17  # numbers worked on at once, which stay in the second-level cache
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
    s, n = np.asarray(order, float), np.asarray(count, float)
    if np.any(n < 1):
        raise HypothesisError(f"the number of iterations must be at least 1; got {np.min(n):g}")
    small = np.minimum(n, _HEAD)
    k = np.arange(1, _HEAD + 1, dtype=np.float64)
    powers = np.power(k, -s[..., None])  # of one order for all counts only once
    head = np.where(k <= small[..., None], powers, 0.0).sum(axis=-1)
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


SumsAt = Callable[[Numeric], StoppingSums]


def stopping_sums(
    stopping: Stopping, *, iterations: Numeric, decay: float, curvature_share: Numeric
) -> StoppingSums:
    """The four sums over P_R for stepsizes gamma k^-rho; see `StoppingSums`.

    Kind: exact for constant stepsizes, for `matched` and for given probabilities; else the two
    long sums carry a relative error below 1e-9, rounded up for `MatchedTo`.

    Args:
        stopping: uniform (p_k = 1/N), matched (p_k proportional to x_k (1 - r x_k), so q is
            constant), increasing (p_k proportional to k), last (uniform on the last tenth), N
            probabilities, or `MatchedTo` another r.
        iterations: N, broadcasts.
        decay: rho >= 0.
        curvature_share: r in [0, 1], U gamma / 2 for a U-smooth objective; r = 1 only where
            p_1 = 0 (matched to r = 1, or `last` with more than one iteration).
    """
    n, r = np.broadcast_arrays(np.asarray(iterations, float), np.asarray(curvature_share, float))
    return prepare_sums(stopping, iterations=n, decay=decay)(r)


def prepare_sums(stopping: Stopping, *, iterations: FloatArray, decay: float) -> SumsAt:
    """`stopping_sums` as a function of r alone: what does not depend on r is computed once.

    A search over the stepsize asks for the same N and rho many times.

    Args: as in `stopping_sums`; r must have the shape of `iterations`.
    """
    if isinstance(stopping, tuple):
        return _given_sums(np.asarray(stopping, float), iterations, decay)
    if isinstance(stopping, MatchedTo) and decay > 0:
        return _matched_to_other(np.broadcast_to(stopping.share, iterations.shape), iterations, decay)
    if stopping == "matched":
        h1, h2 = harmonic_number(decay, iterations), harmonic_number(2 * decay, iterations)

        def matched(r: Numeric) -> StoppingSums:
            with np.errstate(divide="ignore"):
                q = np.asarray(1 / (h1 - r * h2))
            return StoppingSums(first=q, variation=np.zeros_like(q), linear=q * h1, quadratic=q * h2)

        return matched
    growth = 1.0 if stopping == "increasing" else 0.0
    start = iterations - last_share(iterations) + 1 if stopping == "last" else np.ones_like(iterations)
    return _power_sums(growth, start, iterations, decay)


def _matched_to_other(own: FloatArray, n: FloatArray, decay: float) -> SumsAt:
    """p_k = c x_k (1 - s x_k), so that q_k = c (1 - s x_k) / (1 - r x_k) = c (1 + (r - s) x_k / (1 - r x_k)).

    It falls with k where r > s and rises where r < s: `first` and `variation` are its ends. The long sums
    are c (h1 + (r - s) sum x^2/(1 - r x)) and c (h2 + (r - s) sum x^3/(1 - r x)).
    """
    h1, h2 = harmonic_number(decay, n), harmonic_number(2 * decay, n)
    scale, end = np.asarray(1 / (h1 - own * h2)), n**-decay
    points, weights = _quadrature(np.ones_like(n), n, head=_EXACT_HEAD)
    x = points**-decay
    # The first terms are exact. Rounding them too would be blown up where s is near 1 and they cancel h1.
    error = np.where(np.arange(points.shape[-1]) < _EXACT_HEAD, 0.0, _SUM_ERROR)

    def matched(r: Numeric) -> StoppingSums:
        gap = np.asarray(r - own)
        same = gap == 0
        safe = np.where(same, 0.0, r)  # r = 1 is met only where s = 1, and then q is constant
        up = 1 + np.sign(gap)[..., None] * error  # towards a larger bound
        terms = up * weights * x**2 / (1 - safe[..., None] * x)
        first = np.where(same, scale, scale * (1 - own) / (1 - safe))
        last = np.where(same, scale, scale * (1 - own * end) / (1 - safe * end))
        return StoppingSums(
            first=first,
            variation=np.maximum(last - first, 0.0),
            linear=np.asarray(scale * (h1 + gap * terms.sum(axis=-1))),
            quadratic=np.asarray(scale * (h2 + gap * (terms * x).sum(axis=-1))),
        )

    return matched


def _given_sums(weights: FloatArray, n: FloatArray, decay: float) -> SumsAt:
    if np.any(n != weights.size):
        raise HypothesisError(
            f"a list of {weights.size} stopping probabilities needs exactly {weights.size} iterations; "
            f"got {n.flat[int(np.argmax(n.ravel() != weights.size))]:g}",
            quantity="iterations",
        )
    x = np.arange(1, weights.size + 1, dtype=np.float64) ** -decay
    rise = float(np.maximum(np.diff(weights), 0).sum())

    def given(r: Numeric) -> StoppingSums:
        share = np.asarray(r, dtype=np.float64)
        if decay == 0:
            scale = np.asarray(1 / (1 - share))
            return StoppingSums(weights[0] * scale, rise * scale, scale.copy(), scale.copy())
        flat, sums = share.reshape(-1), np.empty((4, share.size))
        step = max(1, _WORK // x.size)
        for begin in range(0, flat.size, step):
            part = slice(begin, begin + step)
            q = weights / (x * (1 - flat[part, None] * x))
            sums[:, part] = q[:, 0], np.maximum(np.diff(q), 0).sum(axis=-1), q @ x, q @ x**2
        return StoppingSums(*sums.reshape(4, *share.shape))

    return given


def _power_sums(growth: float, start: FloatArray, n: FloatArray, decay: float) -> SumsAt:
    """p_k proportional to k^growth on start..N, growth 0 or 1."""
    total = n - (start - 1) if growth == 0 else n * (n + 1) / 2
    late = start > 1

    def q(k: FloatArray, r: Numeric) -> FloatArray:
        x = k**-decay
        return np.asarray(k**growth / (total * x * (1 - r * x)))

    def first_and_variation(r: Numeric) -> tuple[FloatArray, FloatArray]:
        at_start, at_end = q(start, r), q(n, r)
        lowest = np.minimum(at_start, at_end)
        if decay > 0:
            # q falls until r x_k = (growth + rho) / (growth + 2 rho), and rises from there on.
            with np.errstate(divide="ignore", over="ignore"):
                turn = (r * (growth + 2 * decay) / (growth + decay)) ** (1 / decay)
            for k in (np.floor(turn), np.ceil(turn)):
                lowest = np.minimum(lowest, q(np.clip(k, start, n), r))
        variation = at_end - lowest + np.where(late, at_start, 0.0)
        return np.where(late, 0.0, at_start), np.asarray(variation)

    if decay == 0:

        def constant(r: Numeric) -> StoppingSums:
            scale = np.asarray(1 / (1 - np.asarray(r, dtype=np.float64)))
            return StoppingSums(*first_and_variation(r), scale.copy(), scale.copy())

        return constant
    points, weights = _quadrature(start, n, head=_SUM_HEAD)
    x = points**-decay
    weights = weights * points**growth / total[..., None]
    whole, bent = weights.sum(axis=-1), weights * x
    width = x.shape[-1]
    flat_x, flat_bent = x.reshape(-1, width), bent.reshape(-1, width)

    def decaying(r: Numeric) -> StoppingSums:
        share = np.asarray(r, dtype=np.float64)
        rows = share.reshape(share.size // max(len(flat_x), 1), len(flat_x))
        quadratic = np.empty(rows.shape)
        deep = max(1, _WORK // width // len(flat_x))
        for top in range(0, len(rows), deep):
            for left in range(0, len(flat_x), _WORK // width):
                part = slice(top, top + deep), slice(left, left + _WORK // width)
                terms = rows[part][..., None] * flat_x[part[1]]
                np.subtract(1, terms, out=terms)
                np.divide(flat_bent[part[1]], terms, out=terms)
                quadratic[part] = terms.sum(axis=-1)
        # 1/(1 - r x) = 1 + r x/(1 - r x), so that one of the long sums gives the other.
        bent_sum = quadratic.reshape(share.shape)
        return StoppingSums(*first_and_variation(r), whole + share * bent_sum, bent_sum)

    return decaying


@cache
def _gauss_legendre() -> tuple[FloatArray, FloatArray]:
    return np.polynomial.legendre.leggauss(24)


def _quadrature(start: FloatArray, stop: FloatArray, *, head: int) -> tuple[FloatArray, FloatArray]:
    """Points and weights that sum term(k) over k = start..stop, for terms slow on the scale of k.

    The first `head` terms are added; the rest is the midpoint form of Euler-Maclaurin, its integral
    over log k by Gauss-Legendre quadrature on panels of at most two e-folds.
    """
    longest = int(min(head, np.max(stop - start) + 1))
    first = start[..., None] + np.arange(longest, dtype=np.float64)
    inside = first <= stop[..., None]
    points, weights = [np.where(inside, first, stop[..., None])], [inside.astype(np.float64)]
    if np.any(stop >= start + head):
        low = start + head - 0.5
        high = np.maximum(stop + 0.5, low)
        panels = int(np.ceil(np.max(np.log(high / low)) / 2)) or 1
        nodes, shares = _gauss_legendre()
        offsets = (np.arange(panels)[:, None] + 0.5 * (nodes + 1)).ravel() / panels
        span = np.log(high / low)[..., None]
        inner = low[..., None] * np.exp(span * offsets)
        points.append(inner)
        weights.append(inner * np.tile(shares, panels) * span / (2 * panels))
        # -(f'(high) - f'(low)) / 24, each slope as the difference over one step.
        points.append(np.stack([high + 0.5, high - 0.5, low + 0.5, low - 0.5], axis=-1))
        signs = np.asarray([-1.0, 1.0, 1.0, -1.0]) / 24
        weights.append(np.where((high > low)[..., None], signs, 0.0))
    return np.concatenate(points, axis=-1), np.concatenate(weights, axis=-1)


def probabilities(stopping: Stopping, *, iterations: int, decay: float, curvature_share: float) -> FloatArray:
    """P_R as an array of N probabilities that sum to 1; Args as in `stopping_sums`.

    Example:
        >>> probabilities("increasing", iterations=3, decay=0.0, curvature_share=0.1).round(3).tolist()
        [0.167, 0.333, 0.5]
    """
    if isinstance(stopping, tuple):
        return np.asarray(stopping, float)
    k = np.arange(1, iterations + 1, dtype=np.float64)
    if stopping == "matched" or isinstance(stopping, MatchedTo):
        x = k**-decay
        share = stopping.share if isinstance(stopping, MatchedTo) else curvature_share
        weights = x * (1 - share * x)
    elif stopping == "increasing":
        weights = k
    elif stopping == "last":
        weights = (k > iterations - last_share(iterations)).astype(float)
    else:
        weights = np.ones(iterations)
    return np.asarray(weights / weights.sum())


def draw_iterations(
    probabilities: FloatArray, rng: np.random.Generator, *, strata: int = 1
) -> NDArray[np.int64]:
    """Draw R, or one R from each of `strata` equally likely parts of P_R, in increasing order.

    The mean of any function over the strata is unbiased for its expectation under P_R, and its
    variance is what is left within the parts.

    Args:
        probabilities: N probabilities that sum to 1.
        rng: source of randomness; `strata` uniform numbers are taken from it.
        strata: number of parts.

    Example:
        >>> draw_iterations(np.array([0.5, 0.0, 0.5]), np.random.default_rng(0), strata=2).tolist()
        [1, 3]
    """
    below = np.cumsum(probabilities)
    points = (np.arange(strata) + rng.random(strata)) / strata * below[-1]
    last = int(np.flatnonzero(probabilities)[-1])
    return np.asarray(np.minimum(np.searchsorted(below, points, side="right"), last) + 1, np.int64)
