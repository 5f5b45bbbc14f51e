"""Theorem IV.1: a denoising autoencoder with tied weights in a box."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from rsgadvise.theory.constants import InputMoments, TiedNetwork
from rsgadvise.theory.descent import FloatArray, Geometry, Numeric
from rsgadvise.theory.objective import Cost, Range
from rsgadvise.theory.search import minimize_scan, once
from rsgadvise.theory.theorems.theorem import GENERAL, LATE, PLAIN, Descent

# Box-constrained denoising autoencoders: Theorem IV.1, equations (10) and (11).
#
# Loss (4) with tied weights W in [-w_m, w_m]. keep_prob is zeta, the probability that an input is
# KEPT; the paper calls it the denoising rate.

_ALWAYS_INCREASING = 15 / 16
"""d e^da / d zeta >= 0 up to here whatever the network, since 15 zeta^2/16 - zeta^3 >= 0."""


def gradient_variance(
    *,
    input_dim: Numeric,
    hidden_dim: Numeric,
    weight_bound: Numeric,
    keep_prob: Numeric,
    mean: Numeric,
    mean_square: Numeric,
) -> FloatArray:
    """e^da = (d_x d_h / 16) [1 + (zeta d_x w/4) mu_x + (5 zeta/16 - zeta^2/4)(zeta d_x w)^2 tau_x].

    Source: Theorem IV.1, equation (10). Not valid for all data; not monotone in zeta above 15/16.

    Example:
        >>> float(gradient_variance(input_dim=16, hidden_dim=1, weight_bound=0.0, keep_prob=1.0,
        ...     mean=0.5, mean_square=0.25))
        1.0
    """
    d_x, zeta = np.asarray(input_dim, dtype=np.float64), np.asarray(keep_prob, dtype=np.float64)
    reach = zeta * d_x * weight_bound
    bracket = 1 + reach * mean / 4 + (5 * zeta / 16 - zeta**2 / 4) * reach**2 * mean_square
    return np.asarray(d_x * hidden_dim / 16 * bracket)


def smoothness(
    *,
    input_dim: Numeric,
    hidden_dim: Numeric,
    weight_bound: Numeric,
    keep_prob: Numeric,
    moments: InputMoments,
) -> FloatArray:
    """U_da, which the paper leaves symbolic: the certified constant.

    Reading: any valid Lipschitz constant may stand for U_da in (11); this one is proven.
    """
    net = TiedNetwork(layers=(input_dim, hidden_dim), weight_bound=weight_bound, moments=moments)
    return once(lambda zeta: net.constants(zeta).smoothness, np.asarray(keep_prob, dtype=np.float64))


def optimal_keep_prob(
    objective: Callable[[FloatArray], FloatArray],
    *,
    lower: float,
    upper: float,
    variance: Callable[[FloatArray], FloatArray],
    shape: tuple[int, ...],
) -> FloatArray:
    """Keep probability in [lower, upper] that minimises an objective increasing in U_da and e^da.

    U_da increases with zeta, and so does e^da up to zeta = 15/16. Hence only points above 15/16
    where e^da has fallen below its value at `lower` can beat `lower`: where there is none (nearly
    always) `lower` is the exact answer, else the objective is scanned, ends included.

    Source: (10) is a signomial, so a local search could miss an end.
    Kind: exact, or accurate to 1e-9 where it is searched.

    Args:
        objective: keep probability, one per candidate, to the bound or the cost of each candidate.
        lower, upper: the range, 0 < lower <= upper <= 1.
        variance: e^da as a function of the keep probability.
        shape: shape of the candidates.
    """
    start = np.full(shape, lower)
    tail = np.linspace(max(lower, _ALWAYS_INCREASING), max(upper, lower), 257)
    if upper <= _ALWAYS_INCREASING or not np.any(variance(tail) < variance(np.asarray(lower))):
        return start
    first, last = min(max(lower, _ALWAYS_INCREASING), upper), upper
    inner = minimize_scan(objective, np.full(shape, first), np.full(shape, last), points=33, steps=30)
    return np.where(objective(inner) < objective(start), inner, start)


class Autoencoder(Descent):
    """Bound (11), with U_da of (9) and the variance e^da of (10)."""

    kinds = ("autoencoder",)
    constants = ("paper",)
    sigmoids = True
    moments = ("mean", "mean_square", "second_moment", "top_eigenvalue")  # the last two for U_da
    printed = ("(11)",)
    geometry = Geometry.PROJECTED_AS_PRINTED
    plain: ClassVar[Mapping[str, str]] = {
        "initial_error": PLAIN.replace("U γ", "U_da γ"),
        "gradient_noise": "e^da / (B e), e^da of equation (10)",
        "projection_noise": "e^da / B",
    }
    general: ClassVar[Mapping[str, str]] = {
        "initial_error": GENERAL.replace("U γ", "U_da γ"),
        "late_stopping": LATE,
        "gradient_noise": "(e^da/B) Σ q_k γ_k, e^da of equation (10)",
        "projection_noise": "e^da / B",
    }

    def smoothness(self, keep_prob: FloatArray) -> FloatArray:
        problem = self.problem
        return np.asarray(
            smoothness(
                input_dim=problem.layers[0],
                hidden_dim=problem.layers[1],
                weight_bound=problem.weight_bounds[0],
                keep_prob=keep_prob,
                moments=problem.moments,
            )
        )

    def variance(self, keep_prob: FloatArray) -> FloatArray:
        problem = self.problem
        return np.asarray(
            gradient_variance(
                input_dim=problem.layers[0],
                hidden_dim=problem.layers[1],
                weight_bound=problem.weight_bounds[0],
                keep_prob=keep_prob,
                mean=problem.moments.mean,
                mean_square=problem.moments.mean_square,
            )
        )

    def searched(self, cost: Cost, keep_prob: Range, shape: tuple[int, ...]) -> FloatArray:
        return optimal_keep_prob(
            cost, lower=keep_prob[0], upper=keep_prob[1], variance=self.variance, shape=shape
        )

    def lacking(self, terms: Mapping[str, float], keep_prob: FloatArray, batch: float) -> tuple[float, str]:
        floor = terms["projection_noise"]
        return 2 * float(np.sqrt((sum(terms.values()) - floor) * floor)), "2 √(A S)"

    @classmethod
    def source(cls, *, dropout: bool) -> str:
        return "Theorem IV.1, equation (11)"
