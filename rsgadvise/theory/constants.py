"""Certified smoothness, gradient variance and largest gradient, for inputs and targets in [0, 1].

The paper's constants do not depend on the curvature of the data, and can be too small by any
factor as d_x grows. Those of this module hold for every data set in [0, 1] with the given
moments, every W in the box, and one independent mask for each example of a mini-batch.

Of a unit phi they know g_1 = sup |phi'|, g_2 = sup |phi''|, and H = sup |phi| or
|phi(a)| <= phi_0 + kappa |a|; of a head, C_1 >= ||dl/da|| and c_2 >= lambda_max(d^2 l/da^2), which for
the squared error of d sigmoid outputs are c_1 sqrt(d), c_1 = 8/27, and 0.154.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rsgadvise.theory.descent import FloatArray, Numeric
from rsgadvise.theory.heads import SQUARED, head_of
from rsgadvise.theory.heads.head import Head
from rsgadvise.theory.units import SIGMOID, unit_of
from rsgadvise.theory.units.unit import Unit

_SIGMOID, _SQUARED = unit_of(SIGMOID), head_of(SQUARED)


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


def single_layer_constants(
    *, layers: Sequence[Numeric], moments: InputMoments, head: Head = _SQUARED
) -> Constants:
    """Certified constants of l(Wx, y), without a hidden layer.

    U = c_2 lambda_max(E x x^T), sigma^2 = C_1^2 E||x||^2, both attained by the squared error.

    Source: the second derivative along V is E[(Vx)^T (d^2 l/da^2) Vx], and E||Vx||^2 <= lambda_max ||V||^2.
    Kind: upper bound. Assumes: x, y in [0, 1].

    Args:
        layers: (d_x, d_y).
        moments: of the inputs; d_x is taken from here.
        head: the loss l.

    Example:
        >>> ones = InputMoments(dim=100, mean=1.0, mean_square=1.0, second_moment=1.0, top_eigenvalue=100.0)
        >>> round(float(single_layer_constants(layers=(100, 5), moments=ones).smoothness), 3)
        15.406
    """
    outputs = np.asarray(layers[1], dtype=np.float64)
    return Constants(
        smoothness=head.bend * moments.top_eigenvalue * np.ones_like(outputs),
        gradient_variance=head.squared_slope(outputs, math.inf) * moments.squared_norm,
    )


def single_layer_limit(
    *, layers: Sequence[Numeric], moments: InputMoments, head: Head = _SQUARED
) -> FloatArray:
    """Largest possible squared gradient norm of l(Wx, y): C_1^2 d_x tau_x.

    Source: ||E delta x^T|| has rows E x_j delta of length at most C_1 E x_j, since x >= 0.
    Kind: upper bound, attained by the squared error. Assumes: x, y in [0, 1].
    """
    return head.squared_slope(layers[1], math.inf) * (moments.dim * moments.mean_square)


def _hidden_square(unit: Unit, width: FloatArray, length: FloatArray, below: FloatArray) -> FloatArray:
    """n^2 >= E||phi(W h)||^2 of `width` units, where ||W|| <= length and E||h||^2 <= below."""
    bounded = unit.height**2 * width
    if unit.growth == 0:
        return bounded
    grown = (unit.offset * np.sqrt(width) + unit.growth * length * np.sqrt(below)) ** 2
    return np.minimum(bounded, grown)


def _longest_output(
    units: Sequence[Unit], widths: Sequence[FloatArray], lengths: Sequence[FloatArray]
) -> FloatArray:
    """sup ||a_L|| over inputs in [0, 1], where ||W_l|| <= lengths."""
    norm = np.sqrt(widths[0])
    for unit, width, length in zip(units, widths[1:], lengths, strict=False):
        norm = np.sqrt(_hidden_square(unit, width, length, norm**2))
    return np.asarray(lengths[-1] * norm)


def largest_loss(
    head: Head, widths: Sequence[Numeric], weight_bound: Sequence[Numeric], units: Sequence[Unit]
) -> FloatArray:
    """F_max: no loss of inputs in [0, 1] is larger, whatever the weights in the box.

    A layer maps h to at most s_l ||h||, s_l = w_l sqrt(d_l d_{l-1}).

    Args:
        head: the loss.
        widths: units from input to output, an autoencoder's inputs at both ends.
        weight_bound: of each layer; a single one serves all, and none stands for no box.
        units: phi of each hidden layer.
    """
    if not weight_bound:
        return head.largest_loss(widths[-1])
    wide = [np.asarray(width, dtype=np.float64) for width in widths]
    boxes = weight_bound if len(weight_bound) > 1 else [weight_bound[0]] * (len(widths) - 1)
    return head.largest_loss(widths[-1], _longest_output(units, wide, _lengths(wide, boxes)))


def _lengths(widths: Sequence[FloatArray], weight_bound: Sequence[Numeric]) -> list[FloatArray]:
    """s_l = w_l sqrt(d_l d_{l-1}) >= ||W_l||."""
    return [
        np.asarray(bound, dtype=np.float64) * np.sqrt(after * before)
        for bound, before, after in zip(weight_bound, widths, widths[1:], strict=False)
    ]


def autoencoder_constants(
    *,
    layers: Sequence[Numeric],
    weight_bound: Numeric,
    keep_prob: Numeric,
    moments: InputMoments,
    unit: Unit = _SIGMOID,
    head: Head = _SQUARED,
) -> Constants:
    """Certified constants of the denoising autoencoder (4) with tied weights in [-w, w].

    With s = w sqrt(d_h d_x), m = zeta E||x||^2, n^2 >= E||h||^2 (d_h H^2, or less where phi grows slowly)
    and Lambda from `InputMoments.kept_eigenvalue`:
    U = c_2 (n + g_1 s sqrt(Lambda))^2 + C_1 (2 g_1 sqrt(Lambda) + g_2 w sqrt(d_x) Lambda),
    sigma^2 = C_1^2 (n + g_1 s sqrt(m))^2.

    Source: second derivative along V of l(W^T h), h = phi(W x~): V enters h through V x~ alone, and
        E||V x~||^2 <= Lambda ||V||^2. The variance needs the trace of E[x~ x~^T] instead.
    Kind: upper bound. Assumes: x in [0, 1], |W_ij| <= w, one independent mask per example.

    Args:
        layers: (d_x, d_h).
        weight_bound: w_m.
        keep_prob: zeta, probability that an input is kept; broadcasts.
        moments: of the uncorrupted inputs.
        unit, head: phi of the hidden layer, and the loss.
    """
    net = _Tied(layers, weight_bound, unit, head)
    energy = np.asarray(keep_prob, dtype=np.float64) * moments.squared_norm
    hidden, top = np.sqrt(net.hidden(energy)), moments.kept_eigenvalue(keep_prob)
    first = net.first(np.sqrt(top))
    second = 2 * unit.slope * np.sqrt(top) + unit.bend * net.box * np.sqrt(net.inputs) * top
    return Constants(
        smoothness=head.bend * (hidden + first) ** 2 + np.sqrt(net.squared_slope) * second,
        gradient_variance=net.squared_slope * (hidden + net.first(np.sqrt(energy))) ** 2,
    )


def autoencoder_limit(
    *,
    layers: Sequence[Numeric],
    weight_bound: Numeric,
    keep_prob: Numeric,
    moments: InputMoments,
    unit: Unit = _SIGMOID,
    head: Head = _SQUARED,
) -> FloatArray:
    """Largest possible squared gradient norm of (4): C_1^2 (n + g_1 s zeta sqrt(d_x tau_x))^2.

    Kind: upper bound. Assumes: x in [0, 1], |W_ij| <= w. Args as in `autoencoder_constants`.
    """
    net, zeta = _Tied(layers, weight_bound, unit, head), np.asarray(keep_prob, dtype=np.float64)
    hidden = np.sqrt(net.hidden(zeta * moments.squared_norm))
    return net.squared_slope * (hidden + net.first(zeta * np.sqrt(moments.dim * moments.mean_square))) ** 2


class _Tied:
    """Lengths in an autoencoder."""

    def __init__(self, layers: Sequence[Numeric], weight_bound: Numeric, unit: Unit, head: Head) -> None:
        self.inputs, self._units = (np.asarray(width, dtype=np.float64) for width in layers)
        self.box, self._unit = np.asarray(weight_bound, dtype=np.float64), unit
        widths = [self.inputs, self._units, self.inputs]
        lengths = _lengths(widths, [self.box, self.box])
        self._length = lengths[0]
        self.squared_slope = head.squared_slope(self.inputs, _longest_output([unit], widths, lengths))

    def hidden(self, energy: FloatArray) -> FloatArray:
        """n^2, where E||x~||^2 <= energy."""
        return _hidden_square(self._unit, self._units, self._length, energy)

    def first(self, norm: FloatArray) -> FloatArray:
        """How far a change of W x~ by `norm` moves what enters the outputs."""
        return np.asarray(self._unit.slope * self._length * norm)


class _Stack:
    """The recursions over the layers of (5).

    Attributes:
        hidden: n_l^2 >= E||h_l||^2 of layers 1..L-1.
        gains: (g_1 s_l)^2 of layers 2..L, g_1 of the units below.
        squared_slope: C_1^2.
    """

    def __init__(
        self,
        *,
        layers: Sequence[Numeric],
        weight_bound: Sequence[Numeric],
        units: Sequence[Unit],
        head: Head,
        keep_prob: Numeric,
        moments: InputMoments,
    ) -> None:
        widths = [np.asarray(width, dtype=np.float64) for width in layers]
        self.units = units or (_SIGMOID,) * (len(widths) - 2)
        lengths = _lengths(widths, weight_bound)
        self.zeta = np.asarray(keep_prob, dtype=np.float64)
        self.first = self.zeta * moments.squared_norm
        below, self.hidden = self.first, list[FloatArray]()
        for unit, width, length in zip(self.units, widths[1:], lengths, strict=False):
            self.hidden.append(_hidden_square(unit, width, length, below))
            below = self.zeta * self.hidden[-1]
        self.gains = [
            (np.asarray(bound, dtype=np.float64) * unit.slope) ** 2 * after * before
            for unit, bound, before, after in zip(
                self.units, weight_bound[1:], widths[1:], widths[2:], strict=False
            )
        ]
        self.squared_slope = head.squared_slope(widths[-1], _longest_output(self.units, widths, lengths))

    @property
    def energies(self) -> list[FloatArray]:
        """m_0^2..m_{L-1}^2: m_0^2 = zeta E||x||^2, m_l^2 = zeta n_l^2."""
        return [self.first, *(self.zeta * square for square in self.hidden)]

    def totals(self, energies: Sequence[FloatArray]) -> list[FloatArray]:
        """A_1^2..A_L^2 of A_1^2 = m_0^2, A_l^2 = m_{l-1}^2 + (g_1 s_l)^2 A_{l-1}^2."""
        found = [energies[0]]
        for energy, gain in zip(energies[1:], self.gains, strict=True):
            found.append(energy + gain * found[-1])
        return found


def multilayer_constants(
    *,
    layers: Sequence[Numeric],
    weight_bound: Sequence[Numeric],
    keep_prob: Numeric,
    moments: InputMoments,
    units: Sequence[Unit] = (),
    head: Head = _SQUARED,
) -> Constants:
    """Certified constants of the L-layer network (5), every layer in its box.

    With s_l = w_l sqrt(d_l d_{l-1}), n_l^2 >= E||h_l||^2 (d_l H^2, or less where phi grows slowly),
    m_0^2 = zeta E||x||^2, m_l^2 = zeta n_l^2 and A_1^2 = m_0^2, A_l^2 = m_{l-1}^2 + (g_1 s_l)^2 A_{l-1}^2:
    sigma^2 = C_1^2 A_L^2,
    U = c_2 A_L^2 + C_1 sum_{l=2..L} (prod_{m>l} g_1 s_m) (g_1 A_{l-1} + g_2 s_l A_{l-1}^2),
    where U takes for m_l^2 the largest eigenvalues of what the masks keep, not the traces: m_0^2 from
    `InputMoments.kept_eigenvalue`, and m_l^2 = zeta^2 n_l^2 + zeta (1 - zeta) min(n_l^2, H^2).

    Source: along V = (V_1..V_L) the layers move by V_l h~_{l-1} + ..., and E||V_l h~||^2 is at most
        ||V_l||^2 lambda_max(E h~ h~^T), h~ the units that masks independent of h keep.
    Kind: upper bound. Assumes: x, y in [0, 1], |W_l| <= w_l, one independent mask per example.

    Args:
        layers: d_0..d_L.
        weight_bound: w_1..w_L (w_1 enters where a unit is not bounded).
        keep_prob: zeta; broadcasts.
        moments: of the inputs.
        units: phi of each hidden layer; sigmoids where none are given.
        head: the loss.
    """
    net = _Stack(
        layers=layers,
        weight_bound=weight_bound,
        units=units,
        head=head,
        keep_prob=keep_prob,
        moments=moments,
    )
    zeta, spread = net.zeta, net.zeta - net.zeta**2
    kept = [moments.kept_eigenvalue(zeta)]
    kept += [
        zeta**2 * square + spread * np.minimum(square, unit.height**2)
        for square, unit in zip(net.hidden, net.units, strict=True)
    ]
    totals = net.totals(kept)
    mixed: FloatArray = np.zeros_like(totals[-1])
    downstream: FloatArray = np.ones_like(totals[-1])
    for below, gain, unit in zip(totals[-2::-1], net.gains[::-1], net.units[::-1], strict=True):
        length = np.sqrt(gain)  # g_1 s_l
        mixed = mixed + downstream * (unit.slope * np.sqrt(below) + unit.bend / unit.slope * length * below)
        downstream = downstream * length
    return Constants(
        smoothness=head.bend * totals[-1] + np.sqrt(net.squared_slope) * mixed,
        gradient_variance=net.squared_slope * net.totals(net.energies)[-1],
    )


def multilayer_layer_variances(
    *,
    layers: Sequence[Numeric],
    weight_bound: Sequence[Numeric],
    keep_prob: Numeric,
    moments: InputMoments,
    units: Sequence[Unit] = (),
    head: Head = _SQUARED,
) -> list[FloatArray]:
    """Certified gradient variance of each layer: sigma_l^2 = C_1^2 m_{l-1}^2 prod_{m>l} (g_1 s_m)^2.

    They sum to the `gradient_variance` of `multilayer_constants`; Args as there.
    """
    net = _Stack(
        layers=layers,
        weight_bound=weight_bound,
        units=units,
        head=head,
        keep_prob=keep_prob,
        moments=moments,
    )
    downstream, variances = net.squared_slope, list[FloatArray]()
    for energy, gain in zip(net.energies[::-1], [*net.gains[::-1], np.ones(())], strict=True):
        variances.append(energy * downstream)
        downstream = downstream * gain
    return variances[::-1]


def multilayer_limit(
    *,
    layers: Sequence[Numeric],
    weight_bound: Sequence[Numeric],
    keep_prob: Numeric,
    moments: InputMoments,
    units: Sequence[Unit] = (),
    head: Head = _SQUARED,
) -> FloatArray:
    """Largest possible squared gradient norm of (5): C_1^2 A_L^2, started from m_0^2 = zeta^2 d_0 tau_x.

    Source: the recursion of `multilayer_constants` with m_l^2 = zeta^2 n_l^2, since the mean over
    masks is taken before the norm. Kind: upper bound. Assumes and Args: as there.
    """
    net = _Stack(
        layers=layers,
        weight_bound=weight_bound,
        units=units,
        head=head,
        keep_prob=keep_prob,
        moments=moments,
    )
    squared = net.zeta**2
    energies = [squared * (moments.dim * moments.mean_square), *(squared * each for each in net.hidden)]
    return net.squared_slope * net.totals(energies)[-1]
