"""Theorem III.1 and Corollary III.2: a network without hidden layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from rsgadvise.theory import single_layer
from rsgadvise.theory.descent import FloatArray, Geometry
from rsgadvise.theory.objective import Schedule
from rsgadvise.theory.theorems.theorem import LATE, Descent


class SingleLayer(Descent):
    """Bounds (7) and (8), with U = 13/8 and the variance e^s."""

    kinds = ("single_layer",)
    constants = ("paper",)
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
        return np.full(np.shape(keep_prob), single_layer.SMOOTHNESS)

    def variance(self, keep_prob: FloatArray) -> FloatArray:
        inputs, outputs = self.problem.layers
        return np.full(
            np.shape(keep_prob), single_layer.gradient_variance(input_dim=inputs, output_dim=outputs)
        )

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
