"""Theorem III.1 and Corollary III.2: a network without hidden layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from rsgadvise.errors import HypothesisError
from rsgadvise.theory.descent import Bound, FloatArray, Geometry, Numeric
from rsgadvise.theory.objective import Schedule
from rsgadvise.theory.stopping import harmonic_number
from rsgadvise.theory.theorems.theorem import LATE, Descent

# Single-layer networks: Theorem III.1 (7), Corollary III.2 (8), Corollary III.3 (9).
#
# The network is y = sigma(Wx) with loss (3), trained without dropout and without a box.

SMOOTHNESS = 13 / 8
"""U behind e_gamma^s = 1 - (13/16) gamma of Theorem III.1. Not valid for all data."""


def gradient_variance(*, input_dim: Numeric, output_dim: Numeric) -> FloatArray:
    """sigma^2 = d_x d_y / 16 behind e^s = U sigma^2 / 2 = 13 d_x d_y / 256. Not valid for all data."""
    return np.asarray(input_dim, dtype=np.float64) * np.asarray(output_dim, dtype=np.float64) / 16


def decreasing_stepsize_bound(
    *,
    stepsize: Numeric,
    decay: float,
    batch_size: Numeric,
    iterations: Numeric,
    initial_loss: Numeric,
    input_dim: Numeric,
    output_dim: Numeric,
) -> Bound:
    """Bound for gamma_k = gamma k^-rho: 16/(3 H_N(rho)) (D_f/gamma + e^s gamma H_N(2 rho)/B).

    Source: Corollary III.2, equation (8), as printed. It rests on
        sum gamma_k (1 - (13/16) gamma_k) >= (3/16) sum gamma_k, which needs gamma <= 1;
        `descent_bound` with stopping="matched" is the same result without that loss.
    Kind: upper bound. Assumes: 0 < gamma <= 1, P_R proportional to gamma_k (1 - (13/16) gamma_k).

    Raises:
        HypothesisError: gamma is not in (0, 1].
    """
    gamma = np.asarray(stepsize, dtype=np.float64)
    wrong = (gamma <= 0) | (gamma > 1)
    if np.any(wrong):
        raise HypothesisError(
            f"must lie in (0, 1] for equation (8); got {gamma[wrong].flat[0]:g}; choose a smaller stepsize",
            quantity="stepsize",
        )
    h1, h2 = harmonic_number(decay, iterations), harmonic_number(2 * decay, iterations)
    noise = SMOOTHNESS / 2 * gradient_variance(input_dim=input_dim, output_dim=output_dim)
    scale = 16 / (3 * h1)
    start = np.asarray(scale * initial_loss / gamma)
    spread = np.asarray(scale * noise * gamma * h2 / np.asarray(batch_size, dtype=np.float64))
    start, spread = np.broadcast_arrays(start, spread)
    return Bound({"initial_error": start, "gradient_noise": spread})


def required_iterations_balanced(
    *, target: Numeric, batch_size: Numeric, initial_loss: Numeric, input_dim: Numeric, output_dim: Numeric
) -> FloatArray:
    """Real N of equation (9): 4 f(W^1) e^s / (B q^2) (1 + 13 B q / (32 e^s))^2, q = eps delta^(1/T).

    Source: Corollary III.3, for the balanced stepsize. Kind: exact for that stepsize.

    Example:
        >>> n = required_iterations_balanced(target=0.05 * 0.05**0.1, batch_size=50, initial_loss=5,
        ...     input_dim=100, output_dim=5)
        >>> round(float(n), 2)
        7841.06
    """
    q = np.asarray(target, dtype=np.float64)
    noise = SMOOTHNESS / 2 * gradient_variance(input_dim=input_dim, output_dim=output_dim)
    spread = noise / np.asarray(batch_size, dtype=np.float64)
    with np.errstate(over="ignore", divide="ignore"):
        return np.asarray(4 * initial_loss * spread / q**2 * (1 + SMOOTHNESS * q / (4 * spread)) ** 2)


class SingleLayer(Descent):
    """Bounds (7) and (8), with U = 13/8 and the variance e^s."""

    kinds = ("single_layer",)
    constants = ("paper",)
    sigmoids = True
    plan = "Corollary III.3, equation (9)"
    geometry = Geometry.FREE
    plain: ClassVar[Mapping[str, str]] = {
        "initial_error": "D_f / (N γ (1 - 13γ/16))",
        "gradient_noise": "e^s γ / (B (1 - 13γ/16)), e^s = 13 d_x d_y / 256",
    }
    general: ClassVar[Mapping[str, str]] = {
        "initial_error": "q_1 D_f, q_k = p_k / (γ_k (1 - 13γ_k/16))",
        "late_stopping": LATE,
        "gradient_noise": "(e^s/B) Σ q_k γ_k², e^s = 13 d_x d_y / 256",
    }

    def smoothness(self, keep_prob: FloatArray) -> FloatArray:
        return np.full(np.shape(keep_prob), SMOOTHNESS)

    def variance(self, keep_prob: FloatArray) -> FloatArray:
        inputs, outputs = self.problem.layers
        return np.full(np.shape(keep_prob), gradient_variance(input_dim=inputs, output_dim=outputs))

    def as_printed(
        self, stepsize: FloatArray, batch: float, iterations: float, schedule: Schedule
    ) -> float | None:
        if schedule.stopping != "matched" or float(stepsize) > 1:
            return None
        inputs, outputs = self.problem.layers
        printed = decreasing_stepsize_bound(
            stepsize=stepsize,
            decay=schedule.decay,
            batch_size=batch,
            iterations=iterations,
            initial_loss=self.problem.initial_loss,
            input_dim=inputs,
            output_dim=outputs,
        )
        return float(printed.value)

    def iterations_as_printed(self, target: float, batch: int) -> float | None:
        inputs, outputs = self.problem.layers
        needed = required_iterations_balanced(
            target=target,
            batch_size=batch,
            initial_loss=self.problem.initial_loss,
            input_dim=inputs,
            output_dim=outputs,
        )
        return float(needed)

    @classmethod
    def source(cls, *, dropout: bool) -> str:
        return "Theorem III.1, equation (7)"

    @classmethod
    def equation(cls, schedule: Schedule, *, dropout: bool) -> str:
        if schedule.plain:
            return cls.source(dropout=dropout)
        if schedule.stopping == "matched":
            return "Corollary III.2, equation (8) in its exact form"
        return "any stopping distribution [T1] with the constants of equation (7)"
