"""The randomized stopping theorem with constants that hold for all data with the same statistics."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

from rsgadvise.bounds.kinds import CertifiedMultilayer, DescentObjective, certified_constants, remembered
from rsgadvise.bounds.objective import Objective, Schedule
from rsgadvise.bounds.theorems.theorem import GENERAL, LATE, PLAIN, Theorem
from rsgadvise.theory import constants
from rsgadvise.theory.bound import FloatArray
from rsgadvise.theory.descent import Geometry

__all__ = ["CertifiedFree", "CertifiedLayers", "CertifiedTied"]

_CROSS = "S + 2 √(A S), S = σ²/B, A the other terms"


class _Certified(Theorem):
    """U and sigma^2 as proven from moments of the data."""

    constants = ("certified",)
    proven = True

    @cached_property
    def _total(self) -> DescentObjective:
        constants_at = remembered(lambda zeta: certified_constants(self.problem, zeta))
        return DescentObjective(
            smoothness=lambda zeta: constants_at(zeta).smoothness,
            variance=lambda zeta: constants_at(zeta).gradient_variance,
            geometry=Geometry.FREE if self.problem.kind == "single_layer" else Geometry.PROJECTED,
            initial_loss=self.problem.initial_loss,
            ceiling=self.problem.largest_loss,
        )

    @cached_property
    def objective(self) -> Objective:
        return self._total

    def smoothness(self, keep_prob: FloatArray) -> FloatArray:
        return certified_constants(self.problem, keep_prob).smoothness

    @classmethod
    def equation(cls, schedule: Schedule, *, dropout: bool) -> str:
        whose = "gradient" if cls.kinds == ("single_layer",) else "projected gradient"
        source = f"randomized stopping theorem for the {whose}"
        return source if schedule.plain else f"{source}, any stopping distribution [T1]"


class CertifiedFree(_Certified):
    """Without a box the gradient itself is bounded."""

    kinds = ("single_layer",)
    plain: ClassVar[Mapping[str, str]] = {"initial_error": PLAIN, "gradient_noise": "U σ² γ / (2 B e)"}
    general: ClassVar[Mapping[str, str]] = {
        "initial_error": GENERAL,
        "late_stopping": LATE,
        "gradient_noise": "(U σ²/2B) Σ q_k γ_k²",
    }


class CertifiedTied(_Certified):
    """In a box it is the projected gradient."""

    kinds = ("autoencoder",)
    plain: ClassVar[Mapping[str, str]] = {
        "initial_error": PLAIN,
        "gradient_noise": "σ² / (B e)",
        "projection_noise": _CROSS,
    }
    general: ClassVar[Mapping[str, str]] = {
        "initial_error": GENERAL,
        "late_stopping": LATE,
        "gradient_noise": "(σ²/B) Σ q_k γ_k",
        "projection_noise": _CROSS,
    }


class CertifiedLayers(_Certified):
    """The same with a stepsize and a variance for each layer."""

    kinds = ("multilayer",)
    plain: ClassVar[Mapping[str, str]] = {
        "initial_error": "D_f / (N g), g = min_l γ_l (1 - U γ_l/2)",
        "gradient_noise": "Σ_l γ_l σ_l² / (B g)",
        "projection_noise": _CROSS,
    }
    general: ClassVar[Mapping[str, str]] = {
        "initial_error": "q_1 D_f, q_k = p_k / g_k, g_k the least descent of iteration k",
        "late_stopping": LATE,
        "gradient_noise": "Σ_l (σ_l²/B) Σ q_k γ_{l,k}",
        "projection_noise": _CROSS,
    }

    @cached_property
    def objective(self) -> CertifiedMultilayer:
        problem = self.problem
        return CertifiedMultilayer(
            total=self._total,
            variances=lambda zeta: constants.multilayer_layer_variances(
                layers=problem.layers,
                weight_bound=problem.weight_bounds,
                keep_prob=zeta,
                moments=problem.moments,
            ),
            depth=problem.stepsizes,
        )
