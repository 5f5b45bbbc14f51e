"""Multi-layer networks: Corollary V.1 (12) and Corollary VI.1 (13).

(13) at zeta = 1 is (12), and (12) for one layer is (7), so one implementation serves all; the
optimum over the hyper-parameters is in `multilayer_optimum`.

Shapes: widths, weight bounds and alpha may be arrays that broadcast against the candidates.
Reading: the superscript of w_m^l is a layer index, and the w of layer l bounds W_l.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rsgadvise.errors import HypothesisError
from rsgadvise.records import dataclass
from rsgadvise.theory.descent import Bound, FloatArray, Numeric, closed_range
from rsgadvise.theory.stopping import Stopping, StoppingSums, stopping_sums


@dataclass(frozen=True, slots=True)
class Structure:
    """What (12) and (13) know of a network.

    Attributes:
        hidden_noise: k_l = d_{l-1} d_l d_{l+1} w_l / 4 for l < L, so that e_l^m = k_l gamma_l.
        hidden_curvature: b_l = alpha d_{l+1} w_l / 20 for l < L.
        output_noise: k_L = 13 d_{L-1} d_L / 256, so that e_L^m = k_L gamma_L^2.
        output_curvature: b_L = 13/16.
        pretraining: alpha.
    """

    hidden_noise: tuple[FloatArray, ...]
    hidden_curvature: tuple[FloatArray, ...]
    output_noise: FloatArray
    output_curvature: float
    pretraining: FloatArray

    @property
    def curvatures(self) -> tuple[Numeric, ...]:
        """b_1..b_L."""
        return (*self.hidden_curvature, self.output_curvature)

    @property
    def top_noise(self) -> FloatArray:
        """alpha k_{L-1}: the hidden layer below the output, not damped by zeta; 0 for one layer."""
        return self.pretraining * self.hidden_noise[-1] if self.hidden_noise else np.zeros(())

    @property
    def lower_noise(self) -> FloatArray:
        """alpha sum_{l <= L-2} k_l, damped by zeta."""
        return self.pretraining * np.asarray(sum(self.hidden_noise[:-1], np.zeros(())))


def structure(
    *, layers: Sequence[Numeric], weight_bound: Sequence[Numeric], pretraining: Numeric = 1.0
) -> Structure:
    """Collect the constants of Corollary V.1.

    Args:
        layers: d_0..d_L.
        weight_bound: w_1..w_L (the last does not enter (12) or (13)).
        pretraining: alpha of the (alpha, delta_alpha) solution; 1 stands for no pretraining.
    """
    widths = [np.asarray(width, dtype=np.float64) for width in layers]
    boxes = [np.asarray(bound, dtype=np.float64) for bound in weight_bound]
    alpha = np.asarray(pretraining, dtype=np.float64)
    hidden = range(1, len(widths) - 1)
    return Structure(
        hidden_noise=tuple(widths[n - 1] * widths[n] * widths[n + 1] * boxes[n - 1] / 4 for n in hidden),
        hidden_curvature=tuple(np.asarray(alpha * widths[n + 1] * boxes[n - 1] / 20) for n in hidden),
        output_noise=np.asarray(13 * widths[-2] * widths[-1] / 256),
        output_curvature=13 / 16,
        pretraining=alpha,
    )


def stepsize_limits(net: Structure) -> list[FloatArray]:
    """1/b_l, the open upper end of each layer's stepsize; inf where a hidden layer has w_l = 0."""
    with np.errstate(divide="ignore", over="ignore"):
        return [1 / np.asarray(curvature, dtype=np.float64) for curvature in net.curvatures]


def _check_stepsizes(stepsize: FloatArray, net: Structure, *, closed: NDArray[np.bool_]) -> None:
    if stepsize.shape[-1] != len(net.curvatures):
        raise HypothesisError(
            f"needs one stepsize per layer, {len(net.curvatures)}; got {stepsize.shape[-1]}",
            quantity="stepsize",
        )
    for index, limit in enumerate(stepsize_limits(net)):
        gamma = stepsize[..., index]
        wrong = (gamma <= 0) | (gamma > limit) | ((gamma == limit) & ~closed)
        if np.any(wrong):
            value = np.broadcast_to(gamma, wrong.shape)[wrong].flat[0]
            raise HypothesisError(
                f"must lie in (0, {float(np.min(limit)):.6g}) for layer {index + 1}; got {value:g}; "
                "choose a smaller stepsize",
                quantity=f"stepsize[{index}]",
            )


def dropout_bound(
    *,
    net: Structure,
    stepsize: FloatArray,
    keep_prob: Numeric,
    batch_size: Numeric,
    iterations: Numeric,
    initial_loss: Numeric,
    ceiling: Numeric,
    decay: float = 0.0,
    stopping: Stopping = "uniform",
) -> Bound:
    """Bound on the projected gradient, all layers together:

    D_f/(N g zeta^2) + (1/(g B)) (e_L/zeta + alpha e_{L-1} + alpha zeta sum_{l<=L-2} e_l),
    g = min_l gamma_l - b_l gamma_l^2.

    Source: Corollary VI.1, equation (13); Corollary V.1, equation (12), at keep_prob = 1. Decaying
        stepsizes gamma_l k^-rho and other stopping distributions follow from the same descent
        inequality by [T1], with g_k >= x_k (g + (1 - x_k) min_l b_l gamma_l^2), x_k = k^-rho,
        which is an equality wherever all layers share one g.
    Kind: upper bound.
    Assumes: 0 < gamma_l < 1/b_l (1/b_l itself too where p_1 = 0), and the paper's constants; not valid for
        all data.

    Args:
        net: from `structure`.
        stepsize: gamma_1..gamma_L along the last axis.
        keep_prob: zeta in (0, 1].
        batch_size, iterations, initial_loss: B, N, D_f or f(W^1).
        ceiling: F_max, largest possible loss.
        decay, stopping: rho and P_R.

    Returns:
        The bound with terms `initial_error`, `late_stopping` (absent where it is zero),
        `output_noise`, `top_hidden_noise` and `lower_hidden_noise` (where such layers exist).

    Raises:
        HypothesisError: a stepsize lies outside its range.
    """
    gammas = np.asarray(stepsize, dtype=np.float64)
    _check_stepsizes(gammas, net, closed=closed_range(stopping, decay, iterations))
    columns = [gammas[..., index] for index in range(gammas.shape[-1])]
    scale, share = descent_scale(net, columns)
    sums = stopping_sums(stopping, iterations=iterations, decay=decay, curvature_share=share)
    return dropout_terms(
        net=net,
        stepsizes=columns,
        scale=scale,
        sums=sums,
        keep_prob=keep_prob,
        batch_size=batch_size,
        initial_loss=initial_loss,
        ceiling=ceiling,
    )


def descent_scale(net: Structure, stepsizes: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """(u, r) such that iteration k descends by at least u x_k (1 - r x_k) of the squared gradient.

    Where u = 0, at the end of a layer's range beside one without curvature, r is 0.
    """
    bends = [np.asarray(b * gamma**2) for b, gamma in zip(net.curvatures, stepsizes, strict=True)]
    slopes = [gamma - bend for gamma, bend in zip(stepsizes, bends, strict=True)]
    bend = np.minimum.reduce(np.broadcast_arrays(*bends))
    scale = np.minimum.reduce(np.broadcast_arrays(*slopes)) + bend
    return np.asarray(scale), np.divide(bend, scale, out=np.zeros_like(scale), where=scale != 0)


def dropout_terms(
    *,
    net: Structure,
    stepsizes: Sequence[FloatArray],
    scale: FloatArray,
    sums: StoppingSums,
    keep_prob: Numeric,
    batch_size: Numeric,
    initial_loss: Numeric,
    ceiling: Numeric,
) -> Bound:
    """The terms of `dropout_bound` from the sums over P_R, without its checks."""
    zeta = np.asarray(keep_prob, dtype=np.float64)
    spread = scale * np.asarray(batch_size, dtype=np.float64)
    terms: dict[str, FloatArray] = {"initial_error": sums.first * initial_loss / (scale * zeta**2)}
    late = sums.variation * ceiling / (scale * zeta**2)
    if np.any(late):
        terms["late_stopping"] = late
    terms["output_noise"] = net.output_noise * stepsizes[-1] ** 2 * sums.quadratic / (spread * zeta)
    noises = [
        net.pretraining * k * gamma * sums.linear / spread
        for k, gamma in zip(net.hidden_noise, stepsizes[:-1], strict=True)
    ]
    if noises:
        terms["top_hidden_noise"] = noises[-1]
    if len(noises) > 1:
        terms["lower_hidden_noise"] = zeta * np.asarray(sum(noises[:-1]))
    arrays = np.broadcast_arrays(*terms.values())
    return Bound({name: np.asarray(a) for name, a in zip(terms, arrays, strict=True)})


def smallest_batch_size(*, net: Structure, target: Numeric, lowest_keep_prob: float) -> FloatArray:
    """Infimum of the batch sizes that can reach a target: (alpha/q)(k_{L-1} + zeta_min sum_{l<=L-2} k_l).

    Kind: exact; the target is reachable iff B lies strictly above. 0 for one layer.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # of targets near the least float
        return np.asarray((net.top_noise + lowest_keep_prob * net.lower_noise) / target)
