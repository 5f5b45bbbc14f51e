"""Theorem IV.1: a denoising autoencoder with tied weights in a box."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np

from rsgadvise.bounds.kinds import DescentObjective
from rsgadvise.bounds.objective import Schedule
from rsgadvise.bounds.theorems.theorem import GENERAL, LATE, PLAIN, Theorem
from rsgadvise.theory import autoencoder
from rsgadvise.theory.bound import FloatArray
from rsgadvise.theory.descent import Geometry

__all__ = ["Autoencoder"]


class Autoencoder(Theorem):
    """Bound (11), with U_da of (9) and the variance e^da of (10)."""

    kinds = ("autoencoder",)
    constants = ("paper",)
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

    @cached_property
    def objective(self) -> DescentObjective:
        problem = self.problem
        return DescentObjective(
            smoothness=self.smoothness,
            variance=lambda zeta: autoencoder.gradient_variance(
                input_dim=problem.layers[0],
                hidden_dim=problem.layers[1],
                weight_bound=problem.weight_bounds[0],
                keep_prob=zeta,
                mean=problem.moments.mean,
                mean_square=problem.moments.mean_square,
            ),
            geometry=Geometry.PROJECTED_AS_PRINTED,
            initial_loss=problem.initial_loss,
            ceiling=problem.largest_loss,
            exotic=True,
        )

    def smoothness(self, keep_prob: FloatArray) -> FloatArray:
        problem = self.problem
        return np.asarray(
            autoencoder.smoothness(
                input_dim=problem.layers[0],
                hidden_dim=problem.layers[1],
                weight_bound=problem.weight_bounds[0],
                keep_prob=keep_prob,
                moments=problem.moments,
            )
        )

    @classmethod
    def equation(cls, schedule: Schedule, *, dropout: bool) -> str:
        source = "Theorem IV.1, equation (11)"
        return source if schedule.plain else f"any stopping distribution [T1] with the constants of {source}"
