"""Certified smoothness, gradient variance and largest gradient, for targets in [0, 1].

The paper's constants do not depend on the curvature of the data, and can be too small by any
factor as d_x grows. Those of this module hold for every data set with the given moments, in [0, 1] or
standardised, every W in the box, and one independent mask for each example of a mini-batch.

Of a unit phi they know g_1 = sup |phi'|, g_2 = sup |phi''|, and H = sup |phi| or
|phi(a)| <= phi_0 + kappa |a|; of a head, C_1 >= ||dl/da|| and c_2 >= lambda_max(d^2 l/da^2), which for
the squared error of d sigmoid outputs are c_1 sqrt(d), c_1 = 8/27, and 0.154.

With biases a layer multiplies [h; 1], of which no mask drops the 1: b = 1 in the formulas, else 0. A bias of
d_l units lies in the box of its layer's weights, so that ||b_l|| <= beta_l = w_l sqrt(d_l).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from itertools import count

import numpy as np

from rsgadvise.records import dataclass
from rsgadvise.theory.descent import FloatArray, Numeric
from rsgadvise.theory.heads import SQUARED, head_of
from rsgadvise.theory.heads.head import Head
from rsgadvise.theory.units import SIGMOID, unit_of
from rsgadvise.theory.units.unit import Unit

_SIGMOID, _SQUARED = unit_of(SIGMOID), head_of(SQUARED)


@dataclass(frozen=True, slots=True)
class InputMoments:
    """What the certified constants know of the inputs x in [0, 1]^d, or beyond it.

    Attributes:
        dim: d, number of features.
        mean: mu_x = (1/d) sum_j E x_j.
        mean_square: tau_x = (1/d) sum_j (E x_j)^2.
        second_moment: E||x||^2 / d; mu_x is a valid upper bound in [0, 1], 1 where columns have variance 1.
        top_eigenvalue: largest eigenvalue of E[x x^T]; d * second_moment is a valid upper bound.
        largest_norm: of any row, inf where it is unknown; None for inputs in [0, 1].
        largest_square: of any feature, E x_j^2 at most; 1 in [0, 1], and of variance 1.
    """

    dim: int
    mean: float
    mean_square: float
    second_moment: float
    top_eigenvalue: float
    largest_norm: float | None = None
    largest_square: float = 1.0

    @property
    def farthest(self) -> float:
        """No ||x||^2 is larger."""
        return float(self.dim) if self.largest_norm is None else self.largest_norm**2

    @property
    def squared_norm(self) -> float:
        """E||x||^2."""
        return self.dim * self.second_moment

    def kept_eigenvalue(self, keep_prob: Numeric) -> FloatArray:
        """Largest eigenvalue of E[x~ x~^T], x~ the inputs that are kept: zeta^2 lambda + zeta (1 - zeta) m.

        lambda = lambda_max(E x x^T), and m = min(1, lambda, sqrt(d tau_x)) is no less than any E x_j^2: on
        [0, 1] that is at most E x_j, whose squares sum to d tau_x. Beyond it there is no such third one.

        Source: E[x~ x~^T] = zeta^2 E[x x^T] + zeta (1 - zeta) diag(E x_j^2), and Weyl's inequality.
        Kind: upper bound, at most zeta E||x||^2; it rises with zeta, since m <= lambda.
        Assumes: each input kept with probability zeta independently of all else.
        """
        zeta = np.asarray(keep_prob, dtype=np.float64)
        top = min(self.top_eigenvalue, self.squared_norm)
        largest = min(self.largest_square, top)
        if self.largest_norm is None:
            largest = min(largest, math.sqrt(self.dim * self.mean_square))
        return np.asarray(zeta * (largest + zeta * (top - largest)))

    def entering_eigenvalue(self, keep_prob: Numeric, *, bias: bool) -> FloatArray:
        """That of [x~; 1] with biases: (L + 1)/2 + sqrt((L - 1)^2/4 + m^2), L of x~ and m^2 = zeta^2 d tau_x.

        Source: for a unit vector (v, c), E(v^T x~ + c)^2 <= L ||v||^2 + 2 m ||v|| |c| + c^2, m = ||E x~||,
            the form of a symmetric matrix with the rows (L, m) and (m, 1), whose largest eigenvalue this is.
        Kind: upper bound, attained where E x lies along the top eigenvector; it rises with zeta.
        """
        top = self.kept_eigenvalue(keep_prob)
        if not bias:
            return top
        mean = np.asarray(keep_prob, dtype=np.float64) * math.sqrt(self.dim * self.mean_square)
        return np.asarray((top + 1) / 2 + np.hypot((top - 1) / 2, mean))

    def pulled_square(self, keep_prob: Numeric, *, bias: bool) -> FloatArray:
        """No less than ||E delta [x~; b]^T||^2 where no ||delta|| is above 1: zeta^2 d tau_x + b on [0, 1].

        Beyond it the smaller one of zeta^2 E||x||^2 + b and what `entering_eigenvalue` is.

        Source: the mean over masks taken first, column j is no longer than zeta E|x_j|; and along a unit
            matrix V it is E delta^T V [x~; b] <= sqrt(E||V [x~; b]||^2).
        Kind: upper bound, attained on [0, 1], and by inputs of -1 and 1.
        """
        zeta = np.asarray(keep_prob, dtype=np.float64)
        if self.largest_norm is None:
            return np.asarray(zeta**2 * (self.dim * self.mean_square) + bias)
        by_columns = zeta**2 * self.squared_norm + bias
        return np.minimum(by_columns, self.entering_eigenvalue(zeta, bias=bias))


@dataclass(frozen=True, slots=True)
class Constants:
    """What a descent argument needs of an objective.

    Attributes:
        smoothness: U, Lipschitz constant of the gradient.
        gradient_variance: sigma^2, largest variance of the gradient of one example, over W.
    """

    smoothness: FloatArray
    gradient_variance: FloatArray


@dataclass(frozen=True, kw_only=True)
class CertifiedNetwork(ABC):
    """What is certain of the gradient of a network, for all inputs with the given moments.

    Attributes:
        layers: d_0..d_L; numbers, or arrays of many architectures that broadcast against the candidates.
        moments: of the uncorrupted inputs; d_0 is taken from here.
        head: the loss l.
        bias: whether layers have biases.
        spectral: whether weight bounds are of the largest singular value of each matrix, biases its last
            column: s_l = ||W_l|| and beta_l in what follows.
    """

    layers: Sequence[Numeric]
    moments: InputMoments
    head: Head = _SQUARED
    bias: bool = False
    spectral: bool = False

    @abstractmethod
    def constants(self, keep_prob: Numeric = 1.0) -> Constants:
        """U and sigma^2, upper bounds; keep_prob is zeta, probability that a unit is kept, and broadcasts."""

    def layer_variances(self, keep_prob: Numeric = 1.0) -> list[FloatArray]:
        """The part of sigma^2 that each matrix has."""
        return [self.constants(keep_prob).gradient_variance]

    @abstractmethod
    def limit(self, keep_prob: Numeric = 1.0) -> FloatArray:
        """No squared gradient norm is larger."""

    @property
    def smoothing_gap(self) -> FloatArray:
        """No less than |l - l'| of any row at any weights, l' with the kinks that units round off."""
        return np.zeros(())


class FlatNetwork(CertifiedNetwork):
    """l(Wx, y), without a hidden layer.

    U = c_2 lambda_max(E x x^T), sigma^2 = C_1^2 (E||x||^2 + b), limit = C_1^2 (d_x tau_x + b), of inputs
    beyond [0, 1] from `InputMoments.pulled_square`: all are
    attained by the squared error without biases; with them the eigenvalue is that of [x; 1].

    Source: the second derivative along V is E[(Vx)^T (d^2 l/da^2) Vx], and E||Vx||^2 <= lambda_max ||V||^2.
    Assumes: y in [0, 1].

    Example:
        >>> ones = InputMoments(dim=100, mean=1.0, mean_square=1.0, second_moment=1.0, top_eigenvalue=100.0)
        >>> round(float(FlatNetwork(layers=(100, 5), moments=ones).constants().smoothness), 3)
        15.406
    """

    def constants(self, keep_prob: Numeric = 1.0) -> Constants:
        ones = np.ones(np.broadcast_shapes(np.shape(self.layers[1]), np.shape(keep_prob)))
        top: Numeric = self.moments.top_eigenvalue
        if self.bias:
            top = self.moments.entering_eigenvalue(1.0, bias=True)
        return Constants(
            smoothness=self.head.bend * top * ones,
            gradient_variance=self._squared_slope * (self.moments.squared_norm + self.bias) * ones,
        )

    def limit(self, keep_prob: Numeric = 1.0) -> FloatArray:
        squares = self.moments.pulled_square(1.0, bias=self.bias)
        return np.asarray(self._squared_slope * squares * np.ones(np.shape(keep_prob)))

    @property
    def _squared_slope(self) -> FloatArray:
        return self.head.squared_slope(self.layers[1], math.inf)


def _entering(
    length: FloatArray, shift: Numeric, energy: Numeric, top: Numeric, *, spectral: bool
) -> FloatArray:
    """No less than E||W h + b||^2, where E||h||^2 <= energy and lambda_max(E h h^T) <= top.

    In a box s is no less than the Frobenius norm of W, so that E||W h||^2 <= s^2 top; where singular values
    are at most s it is at most s^2 energy, and with the 1 that [W, b] multiplies s^2 (energy + 1).
    """
    if spectral:
        return np.asarray(length**2 * energy + np.asarray(shift) ** 2)
    return np.asarray((length * np.sqrt(top) + shift) ** 2)


def _hidden_square(unit: Unit, width: FloatArray, entering: FloatArray) -> FloatArray:
    """n^2 >= E||phi(a)||^2 of `width` units, E||a||^2 <= entering: the most where all have the same share."""
    return width * unit.square(entering / width)


def _longest_output(
    units: Sequence[Unit],
    widths: Sequence[FloatArray],
    lengths: Sequence[FloatArray],
    shifts: Sequence[Numeric],
    square: Numeric,
    *,
    spectral: bool,
) -> FloatArray:
    """sup ||a_L|| over inputs with ||x||^2 <= square, where ||W_l|| <= lengths and ||b_l|| <= shifts."""
    for unit, width, length, shift in zip(units, widths[1:], lengths, shifts, strict=False):
        square = _hidden_square(unit, width, _entering(length, shift, square, square, spectral=spectral))
    return np.sqrt(_entering(lengths[-1], shifts[-1], square, square, spectral=spectral))


def _smoothing_gap(
    units: Sequence[Unit], widths: Sequence[FloatArray], lengths: Sequence[FloatArray], slope: FloatArray
) -> FloatArray:
    """C_1 e_L, where e_0 = 0, e_l = sup|phi - phi'| sqrt(d_l) + g_1 s_l e_{l-1} and e_L = s_L e_{L-1}.

    Source: ||h_l - h'_l|| <= ||phi(a_l) - phi(a'_l)|| + ||phi(a'_l) - phi'(a'_l)|| <= e_l, and masks shorten.
        Outputs with kinks reach no farther: C_1 holds between both.
    """
    apart = np.zeros(())
    for unit, width, length in zip(units, widths[1:], lengths, strict=False):
        apart = unit.apart * np.sqrt(width) + unit.slope * length * apart
    return np.asarray(slope * lengths[-1] * apart)


def _product(left: FloatArray, right: FloatArray) -> FloatArray:
    """left right^T, along the last axis of both."""
    return np.asarray(left[..., :, None] * right[..., None, :])


def _largest_eigenvalue(form: FloatArray) -> FloatArray:
    """Of symmetric matrices; inf where one has left the range of numbers."""
    inside = np.asarray(np.isfinite(form).all(axis=(-1, -2)))
    values = np.linalg.eigvalsh(np.where(inside[..., None, None], form, 0.0))[..., -1]
    return np.asarray(np.where(inside, values, np.inf))


def largest_loss(
    head: Head,
    widths: Sequence[Numeric],
    weight_bound: Sequence[Numeric],
    units: Sequence[Unit],
    farthest: Numeric,
    *,
    targets: Numeric,
    bias: bool = False,
    spectral: bool = False,
    square: Numeric = math.inf,
) -> FloatArray:
    """F_max: no loss is larger, whatever the weights in the box.

    A layer maps h to at most s_l ||h||, s_l = w_l sqrt(d_l d_{l-1}).

    Args:
        head: the loss.
        widths: units from input to output, an autoencoder's inputs at both ends.
        weight_bound: of each layer; a single one serves all, and none stands for no box.
        units: phi of each hidden layer.
        farthest: no ||x||^2 is larger: d_0 on [0, 1]. targets: nor ||y||^2, nor the number of outputs.
        bias: whether layers have biases.
        spectral: whether the bounds are of singular values.
        square: without a box, ||W||^2 at most.
    """
    if not weight_bound:
        return head.largest_loss(targets, np.sqrt(np.asarray(square) * (farthest + bias)))
    wide = [np.asarray(width, dtype=np.float64) for width in widths]
    boxes = weight_bound if len(weight_bound) > 1 else [weight_bound[0]] * (len(widths) - 1)
    lengths = _lengths(wide, boxes, spectral=spectral)
    shifts = _shifts(wide, boxes, bias=bias, spectral=spectral)
    reach = _longest_output(units, wide, lengths, shifts, farthest, spectral=spectral)
    return head.largest_loss(targets, reach)


def largest_square(
    widths: Sequence[Numeric], weight_bound: Sequence[Numeric], *, bias: bool, spectral: bool
) -> FloatArray:
    """No less than the sum of ||W_l||^2, biases included: w_l^2 d_l (d_{l-1} + b), or of singular values
    w_l^2 min(d_l, d_{l-1} + b); inf without bounds.

    Args:
        widths: units from input to output; an autoencoder's are (d_x, d_h), of its one matrix.
        weight_bound, bias, spectral: as for `largest_loss`, a bound for each matrix.
    """
    if not weight_bound:
        return np.asarray(math.inf)
    count = np.minimum if spectral else np.multiply
    wide = [np.asarray(width, dtype=np.float64) for width in widths]
    pairs = zip(weight_bound, wide, wide[1:], strict=False)
    return np.asarray(
        sum(np.asarray(bound) ** 2 * count(after, before + bias) for bound, before, after in pairs)
    )


def _lengths(
    widths: Sequence[FloatArray], weight_bound: Sequence[Numeric], *, spectral: bool
) -> list[FloatArray]:
    """s_l >= ||W_l||: w_l sqrt(d_l d_{l-1}), or the bound itself where that is of singular values."""
    if spectral:
        return [np.asarray(bound, dtype=np.float64) for bound in weight_bound]
    return [
        np.asarray(bound, dtype=np.float64) * np.sqrt(after * before)
        for bound, before, after in zip(weight_bound, widths, widths[1:], strict=False)
    ]


def _shifts(
    widths: Sequence[FloatArray], weight_bound: Sequence[Numeric], *, bias: bool, spectral: bool
) -> list[FloatArray]:
    """beta_l >= ||b_l||: w_l sqrt(d_l), or the bound of the singular values of [W_l, b_l]; 0 without."""
    return [
        bias * np.asarray(bound, dtype=np.float64) * (1.0 if spectral else np.sqrt(after))
        for bound, after in zip(weight_bound, widths[1:], strict=False)
    ]


@dataclass(frozen=True, kw_only=True)
class TiedNetwork(CertifiedNetwork):
    """The denoising autoencoder (4) with tied weights in [-w, w], without biases; layers are (d_x, d_h).

    With s = w sqrt(d_h d_x), m = zeta E||x||^2, Lambda from `InputMoments.kept_eigenvalue` and
    n^2 = d_h T(s^2 Lambda/d_h) >= E||h||^2, T from `Unit.square` (s^2 m/d_h for a limit of singular values):
    U = c_2 (n + g_1 s sqrt(Lambda))^2 + C_1 (2 g_1 sqrt(Lambda) + g_2 w sqrt(d_x) Lambda),
    sigma^2 = C_1^2 (n + g_1 s sqrt(m))^2, limit = C_1^2 (n + g_1 s zeta sqrt(d_x tau_x))^2, of inputs beyond
    [0, 1] with the root of `InputMoments.pulled_square` in its place.

    Source: second derivative along V of l(W^T h), h = phi(W x~): V enters h through V x~ alone, and
        E||V x~||^2 <= Lambda ||V||^2. The variance needs the trace of E[x~ x~^T] instead.
    Assumes: x in [0, 1] or linear outputs, |W_ij| <= w, one independent mask per example.

    Attributes:
        weight_bound: w.
        unit: phi of the hidden layer.
    """

    weight_bound: Numeric
    unit: Unit = _SIGMOID

    def constants(self, keep_prob: Numeric = 1.0) -> Constants:
        energy = np.asarray(keep_prob, dtype=np.float64) * self.moments.squared_norm
        hidden, top = np.sqrt(self._hidden(keep_prob)), self.moments.kept_eigenvalue(keep_prob)
        row, unit = np.asarray(self.weight_bound, dtype=np.float64), self.unit  # no row of W is longer
        if not self.spectral:
            row = row * np.sqrt(self._widths[0])
        second = 2 * unit.slope * np.sqrt(top) + unit.bend * row * top
        bent = self.head.bend * (hidden + self._moved(np.sqrt(top))) ** 2
        return Constants(
            smoothness=bent + np.sqrt(self._squared_slope) * second,
            gradient_variance=self._squared_slope * (hidden + self._moved(np.sqrt(energy))) ** 2,
        )

    def limit(self, keep_prob: Numeric = 1.0) -> FloatArray:
        zeta = np.asarray(keep_prob, dtype=np.float64)
        hidden, inputs = np.sqrt(self._hidden(zeta)), self.moments
        pulled = zeta * np.sqrt(inputs.dim * inputs.mean_square)
        if inputs.largest_norm is not None:
            pulled = np.sqrt(inputs.pulled_square(zeta, bias=False))
        return np.asarray(self._squared_slope * (hidden + self._moved(pulled)) ** 2)

    @property
    def smoothing_gap(self) -> FloatArray:
        return _smoothing_gap([self.unit], self._widths, self._both_lengths, np.sqrt(self._squared_slope))

    @cached_property
    def _widths(self) -> list[FloatArray]:
        inputs, hidden = (np.asarray(width, dtype=np.float64) for width in self.layers)
        return [inputs, hidden, inputs]

    @cached_property
    def _both_lengths(self) -> list[FloatArray]:
        return _lengths(self._widths, [self.weight_bound] * 2, spectral=self.spectral)

    @cached_property
    def _squared_slope(self) -> FloatArray:
        reach = _longest_output(
            [self.unit],
            self._widths,
            self._both_lengths,
            (0.0, 0.0),
            self.moments.farthest,
            spectral=self.spectral,
        )
        # Its targets are its inputs.
        return self.head.squared_slope(np.maximum(self._widths[-1], self.moments.farthest), reach)

    def _hidden(self, keep_prob: Numeric) -> FloatArray:
        """n^2."""
        energy, top = keep_prob * self.moments.squared_norm, self.moments.kept_eigenvalue(keep_prob)
        entering = _entering(self._both_lengths[0], 0.0, energy, top, spectral=self.spectral)
        return _hidden_square(self.unit, self._widths[1], entering)

    def _moved(self, norm: FloatArray) -> FloatArray:
        """How far a change of W x~ by `norm` moves what enters the outputs."""
        return np.asarray(self.unit.slope * self._both_lengths[0] * norm)


@dataclass(frozen=True, kw_only=True)
class DeepNetwork(CertifiedNetwork):
    """The L-layer network (5), every layer in its box.

    With s_l = w_l sqrt(d_l d_{l-1}), T from `Unit.square`, m_0^2 = zeta E||x||^2, m_l^2 = zeta n_l^2,
    n_l^2 = d_l T((s_l sqrt(Lambda_{l-1}) + beta_l)^2/d_l) >= E||h_l||^2, or of a limit of singular values
    d_l T((s_l^2 m_{l-1}^2 + beta_l^2)/d_l), A_0 = 0 and A_l^2 = m_{l-1}^2 + b + (g_1 s_l)^2 A_{l-1}^2:
    sigma^2 = C_1^2 A_L^2. The limit is that with m_0^2 + b from `InputMoments.pulled_square`, on [0, 1]
    zeta^2 d_0 tau_x + b, and m_l^2 = zeta^2 n_l^2, since the mean over masks is taken before the norm.

    U is the largest value on the unit sphere of the form in (v_1..v_L), the lengths of V_1..V_L along which
    the second derivative is taken, where r_0 = 0 and r_l = sqrt(Lambda_{l-1} + b) v_l + g_1 s_l r_{l-1}:

        c_2 r_L^2 + C_1 sum_{l=2..L} (prod_{m>l} g_1 s_m) (2 g_1 v_l r_{l-1} + g_2 s_l r_{l-1}^2).

    Lambda_l + b is the largest eigenvalue of what the masks keep: `InputMoments.entering_eigenvalue`, and
    Lambda_l = zeta^2 n_l^2 + zeta (1 - zeta) max_j E h_j^2. Of one unit that is n_l^2/d_l at most in a box,
    T(s_l^2 m_{l-1}^2 + beta_l^2) within a limit of singular values.

    Source: what enters layer l moves by a'_l = V_l h~_{l-1} + W_l D a'_{l-1}, D = diag phi', and that by
        2 V_l D a'_{l-1} + W_l (phi'' a'_{l-1}^2) + W_l D a''_{l-1}. E||V_l h~||^2 <= v_l^2 Lambda_{l-1}, h~
        the units that masks independent of h keep, so that E||a'_l||^2 <= r_l^2. No entry of the form is
        below 0: its largest eigenvalue has a vector of lengths.
    Assumes: y in [0, 1], |W_l| <= w_l, one independent mask per example.

    Attributes:
        weight_bound: w_1..w_L (w_1 enters where a unit or a loss is not bounded).
        units: phi of each hidden layer; sigmoids where none are given.
    """

    weight_bound: Sequence[Numeric]
    units: Sequence[Unit] = ()

    def constants(self, keep_prob: Numeric = 1.0) -> Constants:
        zeta = np.asarray(keep_prob, dtype=np.float64)
        hidden, tops = self._hidden(zeta)
        own, moved = np.eye(len(self.layers) - 1), list[FloatArray]()
        for level, (top, gain) in enumerate(zip(tops, [np.zeros(()), *self._gains], strict=True)):
            below = np.sqrt(gain)[..., None] * moved[-1] if moved else 0.0
            moved.append(np.sqrt(top)[..., None] * own[level] + below)
        form = self.head.bend * _product(moved[-1], moved[-1])
        downstream = np.sqrt(self._squared_slope)
        for level, gain, unit in zip(
            count(len(moved) - 1, -1), self._gains[::-1], self._units[::-1], strict=False
        ):
            length, below = np.sqrt(gain), moved[level - 1]  # g_1 s_l
            mixed = _product(unit.slope * own[level], below)
            with np.errstate(invalid="ignore"):  # a kink has a bend without end, also times 0
                bent = (unit.bend / unit.slope * length)[..., None, None] * _product(below, below)
                form = form + downstream[..., None, None] * (mixed + np.swapaxes(mixed, -1, -2) + bent)
            downstream = downstream * length
        return Constants(
            smoothness=_largest_eigenvalue(form),
            gradient_variance=self._squared_slope * self._totals(self._energies(zeta, hidden))[-1],
        )

    def layer_variances(self, keep_prob: Numeric = 1.0) -> list[FloatArray]:
        """sigma_l^2 = C_1^2 (m_{l-1}^2 + b) prod_{m>l} (g_1 s_m)^2, which sum to sigma^2."""
        zeta = np.asarray(keep_prob, dtype=np.float64)
        energies = self._energies(zeta, self._hidden(zeta)[0])
        downstream, variances = self._squared_slope, list[FloatArray]()
        for energy, gain in zip(energies[::-1], [*self._gains[::-1], np.ones(())], strict=True):
            variances.append(energy * downstream)
            downstream = downstream * gain
        return variances[::-1]

    def limit(self, keep_prob: Numeric = 1.0) -> FloatArray:
        zeta = np.asarray(keep_prob, dtype=np.float64)
        inputs, hidden = self.moments.pulled_square(zeta, bias=self.bias), self._hidden(zeta)[0]
        totals = self._totals([inputs, *(zeta**2 * square + self.bias for square in hidden)])
        return self._squared_slope * totals[-1]

    @property
    def smoothing_gap(self) -> FloatArray:
        return _smoothing_gap(self._units, self._widths, self._all_lengths, np.sqrt(self._squared_slope))

    @cached_property
    def _widths(self) -> list[FloatArray]:
        return [np.asarray(width, dtype=np.float64) for width in self.layers]

    @cached_property
    def _units(self) -> Sequence[Unit]:
        return self.units or (_SIGMOID,) * (len(self.layers) - 2)

    @cached_property
    def _all_lengths(self) -> list[FloatArray]:
        return _lengths(self._widths, self.weight_bound, spectral=self.spectral)

    @cached_property
    def _all_shifts(self) -> list[FloatArray]:
        return _shifts(self._widths, self.weight_bound, bias=self.bias, spectral=self.spectral)

    @cached_property
    def _gains(self) -> list[FloatArray]:
        """(g_1 s_l)^2 of layers 2..L, g_1 of the units below."""
        if self.spectral:
            return [
                (unit.slope * length) ** 2
                for unit, length in zip(self._units, self._all_lengths[1:], strict=True)
            ]
        inner = zip(self._units, self.weight_bound[1:], self._widths[1:], self._widths[2:], strict=False)
        return [
            (np.asarray(bound, dtype=np.float64) * unit.slope) ** 2 * after * before
            for unit, bound, before, after in inner
        ]

    @cached_property
    def _squared_slope(self) -> FloatArray:
        reach = _longest_output(
            self._units,
            self._widths,
            self._all_lengths,
            self._all_shifts,
            self.moments.farthest,
            spectral=self.spectral,
        )
        return self.head.squared_slope(self._widths[-1], reach)

    def _hidden(self, zeta: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
        """(n_1^2..n_{L-1}^2, Lambda_0 + b..Lambda_{L-1} + b)."""
        energy, top = zeta * self.moments.squared_norm, self.moments.kept_eigenvalue(zeta)
        squares, tops = list[FloatArray](), [self.moments.entering_eigenvalue(zeta, bias=self.bias)]
        layers = zip(self._units, self._widths[1:], self._all_lengths, self._all_shifts, strict=False)
        for unit, width, length, shift in layers:
            entering = _entering(length, shift, energy, top, spectral=self.spectral)
            squares.append(_hidden_square(unit, width, entering))
            largest = np.minimum(squares[-1], unit.square(entering)) if self.spectral else squares[-1] / width
            energy, top = zeta * squares[-1], zeta**2 * squares[-1] + (zeta - zeta**2) * largest
            tops.append(top + self.bias)
        return squares, tops

    def _energies(self, zeta: FloatArray, hidden: Sequence[FloatArray]) -> list[FloatArray]:
        """m_0^2 + b..m_{L-1}^2 + b."""
        squares: list[Numeric] = [self.moments.squared_norm, *hidden]
        return [zeta * square + self.bias for square in squares]

    def _totals(self, energies: Sequence[FloatArray]) -> list[FloatArray]:
        """A_1^2..A_L^2."""
        totals = [energies[0]]
        for energy, gain in zip(energies[1:], self._gains, strict=True):
            totals.append(energy + gain * totals[-1])
        return totals


@dataclass(frozen=True, kw_only=True)
class PenalisedNetwork(CertifiedNetwork):
    """That loss with lambda ||W||^2/2 beside it: U + lambda, sigma^2, and (sqrt(limit) + lambda R)^2.

    Source: the Hessian of the term is lambda I, and its gradient lambda W is the same for every row.
    Kind: upper bounds. Assumes: ||W||^2 <= R^2, from `largest_square`; without a box from
        `Problem.largest_square`, which takes gamma lambda <= 1: U is then no less than 2 lambda.

    Attributes:
        inner: without the term.
        penalty: lambda.
        square: R^2.
        boxed: whether that is by a box.
    """

    inner: CertifiedNetwork
    penalty: float
    square: FloatArray
    boxed: bool

    def constants(self, keep_prob: Numeric = 1.0) -> Constants:
        constants = self.inner.constants(keep_prob)
        least = 0.0 if self.boxed else 2 * self.penalty
        return Constants(np.maximum(constants.smoothness + self.penalty, least), constants.gradient_variance)

    def layer_variances(self, keep_prob: Numeric = 1.0) -> list[FloatArray]:
        return self.inner.layer_variances(keep_prob)

    def limit(self, keep_prob: Numeric = 1.0) -> FloatArray:
        drawn = self.penalty * np.sqrt(self.square)
        return np.asarray((np.sqrt(self.inner.limit(keep_prob)) + drawn) ** 2)

    @property
    def smoothing_gap(self) -> FloatArray:
        return self.inner.smoothing_gap
