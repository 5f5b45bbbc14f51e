"""Bounds for a U-smooth objective with gradient variance sigma^2, and their exact optima.

Theorem III.1, Corollary III.2 and Theorem IV.1 of the paper, and every certified bound, are this
one argument with different constants. With D_f = f(W^1) - f*, stepsizes gamma_k = gamma k^-rho,
e_k = 1 - U gamma_k / 2 and q_k = p_k / (gamma_k e_k), summing the descent lemma by parts gives [T1]

    E||g(W^R)||^2 <= q_1 D_f + F_max sum_{k>=2} (q_k - q_{k-1})_+ + noise,

where noise is (U sigma^2 / 2B) sum q_k gamma_k^2 without constraint and (sigma^2 / B) sum q_k gamma_k
for the stochastic projected gradient g~. The `Geometry` says which gradient is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from rsgadvise.errors import HypothesisError
from rsgadvise.records import dataclass
from rsgadvise.theory.search import minimize_scan
from rsgadvise.theory.stopping import (
    MatchedTo,
    Stopping,
    StoppingSums,
    harmonic_number,
    last_share,
    prepare_sums,
    stopping_sums,
)

# The result type of every bound: a value, and the terms that sum to it.

FloatArray = NDArray[np.float64]
Numeric = float | FloatArray


@dataclass(frozen=True, slots=True)
class Bound:
    """An upper bound on the expected squared gradient norm, term by term.

    Attributes:
        terms: name of each term to its value, arrays of one common shape, one entry per candidate.
            `initial_error` shrinks with more iterations, every other term with a larger batch.
    """

    terms: Mapping[str, FloatArray]

    @property
    def value(self) -> FloatArray:
        """The bound itself: the sum of its terms, shape of the candidates."""
        return np.asarray(np.sum(list(self.terms.values()), axis=0, dtype=np.float64))

    @property
    def numbers(self) -> dict[str, float]:
        """The terms of a single candidate."""
        return {name: float(term) for name, term in self.terms.items()}


_POINTS = 17, 65  # the fewest and the most shares of the curvature that are scanned
_APART = 0.4  # in log r/(1 - r), where the most allow it
_STEPS = 28  # the most that refine the best of them
_VALLEYS = 2
_LARGEST_SHARE = 1 - 1e-9  # the range is open


class Geometry(Enum):
    """Which gradient a bound is about, and how its noise enters.

    FREE: the gradient itself; W is unconstrained.
    PROJECTED: the true projected gradient g = (W - P(W - gamma grad f)) / gamma, by Minkowski from
        that of the stochastic one: E||g||^2 <= (sqrt A + sqrt S)^2 with S = sigma^2 / B.
    PROJECTED_AS_PRINTED: A + S as in (11), which lacks the cross term 2 sqrt(AS).
    """

    FREE = "free"
    PROJECTED = "projected"
    PROJECTED_AS_PRINTED = "projected_as_printed"


def start_weight(
    stopping: Stopping, *, iterations: Numeric, suboptimality: Numeric, ceiling: Numeric
) -> FloatArray:
    """p_1 D_f + F_max sum_{k>=2} (p_k - p_{k-1})_+: all that [T1] needs of P_R at constant stepsize.

    D_f / N for `uniform` and `matched`.

    Args:
        stopping: P_R.
        iterations: N.
        suboptimality: D_f.
        ceiling: F_max, largest possible value of f.
    """
    n = np.asarray(iterations, dtype=np.float64)
    start, top = np.asarray(suboptimality, dtype=np.float64), np.asarray(ceiling, dtype=np.float64)
    if isinstance(stopping, tuple):
        sums = stopping_sums(stopping, iterations=n, decay=0.0, curvature_share=0.0)
        return sums.first * start + _late(sums.variation, top)
    if stopping == "increasing":
        return (2 * start + _late(2 * (n - 1), top)) / (n * (n + 1))
    if stopping == "last":
        window = last_share(n)
        return np.where(window < n, top, start) / window
    return start / n


def _late(variation: Numeric, ceiling: Numeric) -> FloatArray:
    """Their product: who does not stop late on purpose loses nothing, even where no loss is the largest."""
    rise, top = np.broadcast_arrays(*(np.asarray(each, dtype=np.float64) for each in (variation, ceiling)))
    return np.asarray(np.multiply(rise, top, out=np.zeros(rise.shape), where=rise > 0))


def closed_range(stopping: Stopping, decay: float, iterations: Numeric) -> NDArray[np.bool_]:
    """Where gamma = 2/U itself is valid: the first of several iterations then has p_1 = 0 and no descent."""
    none = stopping.share == 1 if isinstance(stopping, MatchedTo) else stopping == "matched"
    return np.greater(iterations, 1) & none & (decay > 0)


def check_stepsize(
    stepsize: FloatArray, smoothness: FloatArray, *, closed: NDArray[np.bool_] | bool = False
) -> None:
    """Refuse stepsizes outside (0, 2/U), or where `closed` outside (0, 2/U].

    Raises:
        HypothesisError: one of them is.
    """
    limit = 2 / smoothness
    wrong = (stepsize <= 0) | (stepsize > limit) | ((stepsize == limit) & np.logical_not(closed))
    if np.any(wrong):
        worst = np.broadcast_to(stepsize, wrong.shape)[wrong].flat[0]
        edge = np.broadcast_to(limit, wrong.shape)[wrong].flat[0]
        raise HypothesisError(
            f"must lie in (0, {edge:.6g}), the theorem's range; got {worst:g}; choose a smaller stepsize",
            quantity="stepsize",
        )


def _assemble(
    start: FloatArray, late: FloatArray, noise: FloatArray, floor: FloatArray, geometry: Geometry
) -> Bound:
    """Terms of the bound from those of A and S = floor; they sum to the bound in every geometry."""
    terms = {"initial_error": start, "late_stopping": late, "gradient_noise": noise}
    if geometry is Geometry.PROJECTED_AS_PRINTED:
        terms["projection_noise"] = floor
    elif geometry is Geometry.PROJECTED:
        terms["projection_noise"] = floor + 2 * np.sqrt((start + late + noise) * floor)
    if not np.any(late):
        del terms["late_stopping"]
    arrays = np.broadcast_arrays(*terms.values())
    return Bound(dict(zip(terms, (np.asarray(a) for a in arrays), strict=True)))


def descent_bound(
    *,
    stepsize: Numeric,
    batch_size: Numeric,
    iterations: Numeric,
    suboptimality: Numeric,
    ceiling: Numeric,
    smoothness: Numeric,
    gradient_variance: Numeric,
    geometry: Geometry,
    decay: float = 0.0,
    stopping: Stopping = "uniform",
) -> Bound:
    """Upper bound on E||g(W^R)||^2 for any stopping distribution: [T1].

    At constant stepsize and uniform R it is
    (D_f/(N gamma) + U sigma^2 gamma/(2B)) / (1 - U gamma/2) without constraint, and
    A = (D_f/(N gamma) + sigma^2/B) / (1 - U gamma/2) for the stochastic projected gradient, from
    which A + S or (sqrt A + sqrt S)^2 with S = sigma^2/B bounds the true one.

    Source: [T1]; (7), (8) and (11) of the paper are special cases.
    Kind: upper bound.
    Assumes: f is U-smooth, unbiased gradients of variance at most sigma^2/B, 0 < gamma < 2/U
        (gamma = 2/U too where p_1 = 0).

    Args:
        stepsize: gamma > 0; this and all below broadcast to the shape of the candidates.
        batch_size: B.
        iterations: N.
        suboptimality: D_f, or an upper bound such as f(W^1).
        ceiling: F_max, largest possible value of f.
        smoothness: U. gradient_variance: sigma^2 of one example.
        geometry: which gradient is bounded.
        decay: rho, one number for all candidates.
        stopping: P_R.

    Returns:
        The bound with terms `initial_error`, `late_stopping` (absent where it is zero),
        `gradient_noise` and, for a projected gradient, `projection_noise`.

    Raises:
        HypothesisError: the stepsize lies outside (0, 2/U).
    """
    gamma = np.asarray(stepsize, dtype=np.float64)
    u = np.asarray(smoothness, dtype=np.float64)
    check_stepsize(gamma, u, closed=closed_range(stopping, decay, iterations))
    floor = np.asarray(gradient_variance, dtype=np.float64) / np.asarray(batch_size, dtype=np.float64)
    share = np.minimum(u * gamma / 2, 1.0)
    sums = stopping_sums(stopping, iterations=iterations, decay=decay, curvature_share=share)
    return _assemble(
        np.asarray(sums.first * suboptimality / gamma),
        _late(sums.variation, ceiling) / gamma,
        _noise(sums, gamma, u, floor, geometry),
        floor,
        geometry,
    )


def _noise(
    sums: StoppingSums, gamma: FloatArray, u: FloatArray, floor: FloatArray, geometry: Geometry
) -> FloatArray:
    """The last term of [T1], `floor` being sigma^2/B."""
    if geometry is Geometry.FREE:
        return np.asarray(0.5 * u * floor * gamma * sums.quadratic)
    return np.asarray(floor * sums.linear)


def optimal_stepsize(
    *,
    batch_size: Numeric,
    iterations: Numeric,
    suboptimality: Numeric,
    ceiling: Numeric,
    smoothness: Numeric,
    gradient_variance: Numeric,
    geometry: Geometry,
    decay: float = 0.0,
    stopping: Stopping = "uniform",
) -> FloatArray:
    """Stepsize that minimises `descent_bound`.

    With a = U/2, k = U sigma^2/(2B) and d = `start_weight`, constant stepsizes give
    gamma* = 1 / (a + sqrt(a^2 + k/d)), always below 1/(2a). For `matched` and rho > 0, with
    h1 = H_N(rho) and h2 = H_N(2 rho), gamma* = h1 / (a h2 + sqrt((a h2)^2 + k h1^2 h2/D_f)),
    clipped to 1/a; both are exact. Other combinations are searched in log gamma.

    Source: the roots of k h1 h2 gamma^2 + 2 a D_f h2 gamma - D_f h1 = 0; the clip is exact since the
        bound is quasi-convex. The closed forms hold in every geometry, since k = a sigma^2/B is
        where the derivatives of all of them meet.
    Kind: exact, or accurate to 1e-9 where it is searched.

    Args: as in `descent_bound`.
    """
    u = np.asarray(smoothness, dtype=np.float64)
    half = u / 2
    floor = np.asarray(gradient_variance, dtype=np.float64) / np.asarray(batch_size, dtype=np.float64)
    root_k = np.sqrt(half) * np.sqrt(floor)  # factor by factor, as squares of small numbers are 0
    if decay == 0:
        d = start_weight(stopping, iterations=iterations, suboptimality=suboptimality, ceiling=ceiling)
        return np.asarray(1 / (half + np.hypot(half, root_k / np.sqrt(d))))
    start = np.asarray(suboptimality, dtype=np.float64)
    h1, h2 = harmonic_number(decay, iterations), harmonic_number(2 * decay, iterations)
    root = h1 / (half * h2 + np.hypot(half * h2, h1 * np.sqrt(h2) * root_k / np.sqrt(start)))
    gamma = np.asarray(np.minimum(root, 1 / half))
    if stopping == "matched":
        return gamma

    n, floor, lowest, top, curve = np.broadcast_arrays(
        np.asarray(iterations, dtype=np.float64), floor, start, np.asarray(ceiling, dtype=np.float64), u
    )
    share = _best_share(
        stopping, iterations=n, decay=decay, noise=floor * 2 / curve, suboptimality=lowest, ceiling=top
    )
    return np.asarray(2 / curve * share)


def _best_share(
    stopping: Stopping,
    *,
    iterations: FloatArray,
    decay: float,
    noise: FloatArray,
    suboptimality: FloatArray,
    ceiling: FloatArray,
) -> FloatArray:
    """r = U gamma/2 that minimises C(r)/r + noise r sum q_k x_k^2, C = q_1 D_f + F_max sum (q_k - q_{k-1})_+.

    That is A up to a factor and, for a projected gradient, a summand that r does not enter. It can have two
    valleys, one near r = 1/2 where the q_k of a decaying stepsize stop rising, and one at 1 - r << 1 where
    D_f << F_max; so it is scanned over log r/(1 - r), which resolves both ends.

    From r to r' > r the q_k grow by (1 - r x_k)/(1 - r' x_k), the less the larger k is, so C(r') (1 - r') <=
    C(r) (1 - r). Hence with C_0 = C(0) and c = noise sum p_k x_k a minimum at r <= 1/2 lies below
    4 sqrt(C_0/c), and every one above sqrt(C_min/c)/3, C_min = min(D_f, F_max) max_k q_k(0) <= C(r).
    """
    sums_at = prepare_sums(stopping, iterations=iterations, decay=decay)
    tiny = sums_at(np.zeros_like(iterations))
    humps = float(len(stopping)) if isinstance(stopping, tuple) else 1.0
    with np.errstate(divide="ignore", over="ignore"):
        slope = noise * tiny.quadratic
        lowest = np.minimum(suboptimality, ceiling) * (tiny.first + tiny.variation) / humps
        least = np.sqrt(lowest / slope) / 3
        most = 4 * np.sqrt((tiny.first * suboptimality + _late(tiny.variation, ceiling)) / slope)
    low = np.clip(least, 1e-200, 1 / 64)
    high = np.where(most <= 0.5, np.maximum(most, 2 * low), _LARGEST_SHARE)

    def value(logit: FloatArray) -> FloatArray:
        share = 1 / (1 + np.exp(-logit))
        sums = sums_at(share)
        start = sums.first * suboptimality + _late(sums.variation, ceiling)
        return np.asarray(start / share + noise * share * sums.quadratic)

    ends = np.log(low / (1 - low)), np.log(high / (1 - high))
    logits = minimize_scan(
        value,
        *ends,
        points=int(np.clip(np.max(ends[1] - ends[0]) / _APART, *_POINTS)),
        steps=_STEPS,
        valleys=_VALLEYS,
    )
    return np.asarray(1 / (1 + np.exp(-logits)))


def layerwise_bound(
    *,
    stepsize: FloatArray,
    batch_size: Numeric,
    iterations: Numeric,
    suboptimality: Numeric,
    ceiling: Numeric,
    smoothness: Numeric,
    layer_variances: Sequence[Numeric],
    decay: float = 0.0,
    stopping: Stopping = "uniform",
) -> Bound:
    """`descent_bound` for a projected gradient with one stepsize per layer.

    A = (D_f/N + sum_l gamma_l sigma_l^2/B) / min_l gamma_l (1 - U gamma_l/2), and E||g||^2 <=
    (sqrt A + sqrt S)^2 with S = sum_l sigma_l^2/B. Equal stepsizes are best: for a common minimum
    each layer wants the smallest root, and U is shared.

    Source: the descent lemma layer by layer; [T1] for decay and stopping, with the descent of
        iteration k bounded below by x_k (g + (1 - x_k) min_l U gamma_l^2/2), x_k = k^-rho.
    Kind: upper bound. Assumes: f is U-smooth in all weights together, 0 < gamma_l < 2/U.

    Args:
        stepsize: gamma_1..gamma_L along the last axis.
        layer_variances: sigma_l^2, one per layer. The rest as in `descent_bound`.
    """
    gammas, u = np.asarray(stepsize, dtype=np.float64), np.asarray(smoothness, dtype=np.float64)
    check_stepsize(gammas, u[..., None], closed=closed_range(stopping, decay, iterations)[..., None])
    batch = np.asarray(batch_size, dtype=np.float64)
    scale, share = layer_scale(gammas, u)
    sums = stopping_sums(stopping, iterations=iterations, decay=decay, curvature_share=share)
    spread = sum(gammas[..., index] * v for index, v in enumerate(layer_variances))
    return _assemble(
        np.asarray(sums.first * suboptimality / scale),
        _late(sums.variation, ceiling) / scale,
        np.asarray(spread * sums.linear / (batch * scale)),
        np.asarray(sum(np.asarray(v, dtype=np.float64) for v in layer_variances) / batch),
        Geometry.PROJECTED,
    )


def layer_scale(stepsizes: FloatArray, smoothness: Numeric) -> tuple[FloatArray, FloatArray]:
    """(u, r) such that iteration k descends by at least u x_k (1 - r x_k) of the squared gradient.

    Args:
        stepsizes: gamma_1..gamma_L along the last axis.
        smoothness: U.
    """
    bends = 0.5 * np.asarray(smoothness, dtype=np.float64)[..., None] * stepsizes**2
    bend = bends.min(axis=-1)
    scale = (stepsizes - bends).min(axis=-1) + bend
    return np.asarray(scale), np.asarray(np.minimum(bend / scale, 1.0))


def largest_noise_share(geometry: Geometry) -> float:
    """The share of a target q below which sigma^2/B must stay for q to be reachable at all."""
    return {Geometry.FREE: np.inf, Geometry.PROJECTED: 0.25, Geometry.PROJECTED_AS_PRINTED: 0.5}[geometry]


def required_iterations(
    *,
    target: Numeric,
    batch_size: Numeric,
    suboptimality: Numeric,
    smoothness: Numeric,
    gradient_variance: Numeric,
    geometry: Geometry,
) -> FloatArray:
    """Smallest real N at which the optimal constant stepsize brings the bound down to a target.

    With a = U/2, k = U sigma^2/(2B), S = sigma^2/B and v the part of the target q that A may use
    above its own floor: N = 4 D_f (k + a v) / v^2, where v = q (FREE), v = q - 2S
    (PROJECTED_AS_PRINTED) or v = (sqrt q - sqrt S)^2 - S (PROJECTED).

    Source: A* = floor + 2 (a d + sqrt(a^2 d^2 + k d)) solved for d = D_f/N; for the paper's constants
        the exact counterpart of (9), and the plan that the paper omits for (11).
    Kind: exact. Assumes: constant stepsize, uniform R.

    Returns:
        N per candidate; inf where no N suffices.

    Example:
        >>> n = required_iterations(target=0.05 * 0.05**0.1, batch_size=50, suboptimality=5,
        ...     smoothness=13 / 8, gradient_variance=500 / 16, geometry=Geometry.FREE)
        >>> round(float(n), 2)
        7834.56
    """
    q = np.asarray(target, dtype=np.float64)
    half = np.asarray(smoothness, dtype=np.float64) / 2
    floor = np.asarray(gradient_variance, dtype=np.float64) / np.asarray(batch_size, dtype=np.float64)
    if geometry is Geometry.FREE:
        room = q + np.zeros_like(floor)
    elif geometry is Geometry.PROJECTED_AS_PRINTED:
        room = q - 2 * floor
    else:
        room = np.where(q > floor, (np.sqrt(q) - np.sqrt(floor)) ** 2 - floor, -1.0)
    safe = np.where(room > 0, room, 1.0)
    with np.errstate(over="ignore", divide="ignore"):
        needed = 4 * np.asarray(suboptimality, dtype=np.float64) * (half * floor + half * safe) / safe**2
    return np.where(room > 0, needed, np.inf)
