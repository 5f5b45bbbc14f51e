"""Certified smoothness, gradient variance and largest gradient, for inputs and targets in [0, 1].

The paper's constants do not depend on the curvature of the data, and can be too small by any
factor as d_x grows. Those of this module hold for every data set in [0, 1] with the given
moments, every W in the box, and one independent mask for each example of a mini-batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rsgadvise.theory.descent import FloatArray, Numeric

SLOPE = math.nextafter(8 / 27, 1)
"""Largest |d/ds (y - sigma(s))^2| over y in [0, 1]: 2 p^2 (1 - p) at p = 2/3, so 8/27, rounded up."""

CURVATURE = 0.15405857012135054
"""Largest second derivative of s -> (y - sigma(s))^2: 2 p^2 (1-p)(2-3p) at p = (15 - sqrt 33)/24,
rounded up."""

SIGMOID_CURVATURE = 0.09622504486493764
"""Largest |sigma''| = 1/(6 sqrt 3), rounded up."""


@dataclass(frozen=True, slots=True)
class InputMoments:
    """What the certified constants know of the inputs x in [0, 1]^d.

    Attributes:
        dim: d, number of features.
        mean: mu_x = (1/d) sum_j E x_j.
        mean_square: tau_x = (1/d) sum_j (E x_j)^2.
        second_moment: E||x||^2 / d; mu_x is a valid upper bound.
        top_eigenvalue: largest eigenvalue of E[x x^T]; d * second_moment is a valid upper bound.
    """

    dim: int
    mean: float
    mean_square: float
    second_moment: float
    top_eigenvalue: float

    @property
    def squared_norm(self) -> float:
        """E||x||^2."""
        return self.dim * self.second_moment

    def kept_eigenvalue(self, keep_prob: Numeric) -> FloatArray:
        """Largest eigenvalue of E[x~ x~^T], x~ the inputs that are kept: zeta^2 lambda + zeta (1 - zeta) m.

        lambda = lambda_max(E x x^T), and m = min(1, lambda, sqrt(d tau_x)) is no less than any E x_j^2: on
        [0, 1] that is at most E x_j, whose squares sum to d tau_x.

        Source: E[x~ x~^T] = zeta^2 E[x x^T] + zeta (1 - zeta) diag(E x_j^2), and Weyl's inequality.
        Kind: upper bound, at most zeta E||x||^2; it rises with zeta, since m <= lambda.
        Assumes: x in [0, 1], each input kept with probability zeta independently of all else.
        """
        zeta = np.asarray(keep_prob, dtype=np.float64)
        top = min(self.top_eigenvalue, self.squared_norm)
        largest = min(1.0, top, math.sqrt(self.dim * self.mean_square))
        return np.asarray(zeta * (largest + zeta * (top - largest)))


@dataclass(frozen=True, slots=True)
class Constants:
    """What a descent argument needs of an objective.

    Attributes:
        smoothness: U, Lipschitz constant of the gradient.
        gradient_variance: sigma^2, largest variance of the gradient of one example, over W.
    """

    smoothness: FloatArray
    gradient_variance: FloatArray


def single_layer_constants(*, layers: Sequence[Numeric], moments: InputMoments) -> Constants:
    """Certified constants of ||y - sigma(Wx)||^2.

    U = c2 lambda_max(E x x^T), sigma^2 = c1^2 d_y E||x||^2, both attained.

    Source: the Hessian is block diagonal, E[g''(w_i x) x x^T] in block i with |g''| <= c2.
    Kind: upper bound. Assumes: x, y in [0, 1].

    Args:
        layers: (d_x, d_y).
        moments: of the inputs; d_x is taken from here.

    Example:
        >>> ones = InputMoments(dim=100, mean=1.0, mean_square=1.0, second_moment=1.0, top_eigenvalue=100.0)
        >>> round(float(single_layer_constants(layers=(100, 5), moments=ones).smoothness), 3)
        15.406
    """
    outputs = np.asarray(layers[1], dtype=np.float64)
    return Constants(
        smoothness=CURVATURE * moments.top_eigenvalue * np.ones_like(outputs),
        gradient_variance=SLOPE**2 * outputs * moments.squared_norm,
    )


def single_layer_limit(*, layers: Sequence[Numeric], moments: InputMoments) -> FloatArray:
    """Largest possible squared gradient norm of ||y - sigma(Wx)||^2: c1^2 d_y d_x tau_x.

    Source: |E delta_i x_j| <= c1 E x_j for x >= 0. Kind: upper bound, attained.
    Assumes: x, y in [0, 1].
    """
    return SLOPE**2 * np.asarray(layers[1], dtype=np.float64) * (moments.dim * moments.mean_square)


def autoencoder_constants(
    *, layers: Sequence[Numeric], weight_bound: Numeric, keep_prob: Numeric, moments: InputMoments
) -> Constants:
    """Certified constants of the denoising autoencoder (4) with tied weights in [-w, w].

    With m = zeta E||x||^2 and Lambda from `InputMoments.kept_eigenvalue`:
    U = c2 (sqrt(d_h) + (w/4) sqrt(d_h d_x Lambda))^2 + (c1/2) sqrt(d_x Lambda) + s2 c1 w d_x Lambda,
    sigma^2 = c1^2 d_h d_x (1 + (w/4) sqrt(d_x m))^2.

    Source: second derivative along V of ||x - sigma(W^T h)||^2, h = sigma(W x~): V enters through V x~
        alone, and E||V x~||^2 <= Lambda ||V||^2. The variance needs the trace of E[x~ x~^T] instead.
    Kind: upper bound. Assumes: x in [0, 1], |W_ij| <= w, one independent mask per example.

    Args:
        layers: (d_x, d_h).
        weight_bound: w_m.
        keep_prob: zeta, probability that an input is kept; broadcasts.
        moments: of the uncorrupted inputs.
    """
    d_x, d_h = (np.asarray(width, dtype=np.float64) for width in layers)
    w = np.asarray(weight_bound, dtype=np.float64)
    bent = d_x * moments.kept_eigenvalue(keep_prob)
    long = d_x * np.asarray(keep_prob, dtype=np.float64) * moments.squared_norm
    smoothness = (
        CURVATURE * d_h * (1 + (w / 4) * np.sqrt(bent)) ** 2
        + (SLOPE / 2) * np.sqrt(bent)
        + SIGMOID_CURVATURE * SLOPE * w * bent
    )
    return Constants(
        smoothness=smoothness, gradient_variance=SLOPE**2 * d_x * d_h * (1 + (w / 4) * np.sqrt(long)) ** 2
    )


def autoencoder_limit(
    *, layers: Sequence[Numeric], weight_bound: Numeric, keep_prob: Numeric, moments: InputMoments
) -> FloatArray:
    """Largest possible squared gradient norm of (4): c1^2 d_h d_x (1 + (w/4) zeta d_x sqrt(tau_x))^2.

    Kind: upper bound. Assumes: x in [0, 1], |W_ij| <= w. Args as in `autoencoder_constants`.
    """
    d_x, d_h = (np.asarray(width, dtype=np.float64) for width in layers)
    zeta = np.asarray(keep_prob, dtype=np.float64)
    reach = (np.asarray(weight_bound) / 4) * zeta * d_x * np.sqrt(moments.mean_square)
    return np.asarray(SLOPE**2 * d_h * d_x * (1 + reach) ** 2)


def _layer_energies(
    layers: Sequence[Numeric],
    weight_bound: Sequence[Numeric],
    first: Numeric,
    later: Numeric,
    extra: Numeric = 0.0,
) -> list[tuple[FloatArray, FloatArray]]:
    """(m_{l-1}^2, (s_l / 4)^2) for l = 1..L, with m_0^2 = `first` and m_l^2 = `later` d_l + `extra`."""
    widths = [np.asarray(width, dtype=np.float64) for width in layers]
    energies = [np.asarray(first, dtype=np.float64)]
    energies += [np.asarray(later, dtype=np.float64) * width + extra for width in widths[1:-1]]
    gains = [
        (np.asarray(bound, dtype=np.float64) / 4) ** 2 * after * before
        for bound, before, after in zip(weight_bound, widths[:-1], widths[1:], strict=True)
    ]
    return list(zip(energies, gains, strict=True))


def _accumulated(pairs: list[tuple[FloatArray, FloatArray]]) -> list[FloatArray]:
    """A_1^2 .. A_L^2 of the recursion A_l^2 = m_{l-1}^2 + (s_l/4)^2 A_{l-1}^2, A_1^2 = m_0^2."""
    totals: list[FloatArray] = []
    for energy, gain in pairs:
        totals.append(energy + gain * totals[-1] if totals else energy)
    return totals


def multilayer_constants(
    *,
    layers: Sequence[Numeric],
    weight_bound: Sequence[Numeric],
    keep_prob: Numeric,
    moments: InputMoments,
) -> Constants:
    """Certified constants of the L-layer network (5), every layer in its box.

    With s_l = w_l sqrt(d_l d_{l-1}), m_0^2 = zeta E||x||^2, m_l^2 = zeta d_l and
    A_1^2 = m_0^2, A_l^2 = m_{l-1}^2 + (s_l/4)^2 A_{l-1}^2:
    sigma^2 = c1^2 d_L A_L^2,
    U = c2 A_L^2 + c1 sqrt(d_L) sum_{l=2..L} (prod_{m>l} s_m/4) (A_{l-1}/4 + s2 s_l A_{l-1}^2),
    where U takes for m_l^2 the largest eigenvalues of what the masks keep, not the traces:
    m_0^2 from `InputMoments.kept_eigenvalue`, and m_l^2 = zeta^2 d_l + zeta - zeta^2 for units in [0, 1].

    Source: along V = (V_1..V_L) the layers move by V_l h~_{l-1} + ..., and E||V_l h~||^2 is at most
        ||V_l||^2 lambda_max(E h~ h~^T), h~ the units that masks independent of h keep.
    Kind: upper bound. Assumes: x, y in [0, 1], |W_l| <= w_l, one independent mask per example.

    Args:
        layers: d_0..d_L.
        weight_bound: w_1..w_L (w_1 does not enter).
        keep_prob: zeta; broadcasts.
        moments: of the inputs.
    """
    zeta = np.asarray(keep_prob, dtype=np.float64)
    traces = _layer_energies(layers, weight_bound, zeta * moments.squared_norm, zeta)
    pairs = _layer_energies(
        layers, weight_bound, moments.kept_eigenvalue(zeta), zeta**2, extra=zeta - zeta**2
    )
    totals = _accumulated(pairs)
    outputs = np.asarray(layers[-1], dtype=np.float64)
    mixed: FloatArray = np.zeros_like(totals[-1])
    downstream: FloatArray = np.ones_like(totals[-1])
    for below, (_, gain) in zip(totals[-2::-1], pairs[:0:-1], strict=True):
        quarter = np.sqrt(gain)  # s_l / 4
        mixed = mixed + downstream * (np.sqrt(below) / 4 + SIGMOID_CURVATURE * 4 * quarter * below)
        downstream = downstream * quarter
    return Constants(
        smoothness=CURVATURE * totals[-1] + SLOPE * np.sqrt(outputs) * mixed,
        gradient_variance=SLOPE**2 * outputs * _accumulated(traces)[-1],
    )


def multilayer_layer_variances(
    *,
    layers: Sequence[Numeric],
    weight_bound: Sequence[Numeric],
    keep_prob: Numeric,
    moments: InputMoments,
) -> list[FloatArray]:
    """Certified gradient variance of each layer: sigma_l^2 = c1^2 d_L m_{l-1}^2 prod_{m>l} (s_m/4)^2.

    They sum to the `gradient_variance` of `multilayer_constants`; Args as there.
    """
    zeta = np.asarray(keep_prob, dtype=np.float64)
    pairs = _layer_energies(layers, weight_bound, zeta * moments.squared_norm, zeta)
    outputs = np.asarray(layers[-1], dtype=np.float64)
    variances: list[FloatArray] = []
    downstream: FloatArray = SLOPE**2 * outputs
    for energy, gain in reversed(pairs):
        variances.append(energy * downstream)
        downstream = downstream * gain
    return variances[::-1]


def multilayer_limit(
    *,
    layers: Sequence[Numeric],
    weight_bound: Sequence[Numeric],
    keep_prob: Numeric,
    moments: InputMoments,
) -> FloatArray:
    """Largest possible squared gradient norm of (5): c1^2 d_L A_L^2, started from m_0^2 = zeta^2 d_0 tau_x.

    Source: the recursion of `multilayer_constants` with m_l^2 = zeta^2 d_l, since the mean over
    masks is taken before the norm. Kind: upper bound. Assumes and Args: as there.
    """
    squared = np.asarray(keep_prob, dtype=np.float64) ** 2
    pairs = _layer_energies(layers, weight_bound, squared * (moments.dim * moments.mean_square), squared)
    return SLOPE**2 * np.asarray(layers[-1], dtype=np.float64) * _accumulated(pairs)[-1]
