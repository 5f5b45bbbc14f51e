"""Theorem IV.1: a denoising autoencoder with tied weights in a box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from rsgadvise.theory import autoencoder
from rsgadvise.theory.descent import FloatArray, Geometry
from rsgadvise.theory.theorems.theorem import GENERAL, LATE, PLAIN, Descent


class Autoencoder(Descent):
    """Bound (11), with U_da of (9) and the variance e^da of (10)."""

    kinds = ("autoencoder",)
    constants = ("paper",)
    geometry = Geometry.PROJECTED_AS_PRINTED
    exotic = True
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
            autoencoder.smoothness(
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
            autoencoder.gradient_variance(
                input_dim=problem.layers[0],
                hidden_dim=problem.layers[1],
                weight_bound=problem.weight_bounds[0],
                keep_prob=keep_prob,
                mean=problem.moments.mean,
                mean_square=problem.moments.mean_square,
            )
        )

    @classmethod
    def source(cls, *, dropout: bool) -> str:
        return "Theorem IV.1, equation (11)"
