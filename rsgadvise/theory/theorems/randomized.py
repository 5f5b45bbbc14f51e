"""The randomized stopping theorem for each kind of network, with constants that are certified or measured."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np

from rsgadvise.errors import HypothesisError
from rsgadvise.theory import descent
from rsgadvise.theory.architecture import Architecture
from rsgadvise.theory.certified import certified_network
from rsgadvise.theory.constants import Constants
from rsgadvise.theory.descent import FloatArray, Geometry
from rsgadvise.theory.objective import CertifiedMultilayer, Objective, Schedule
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems.theorem import GENERAL, LATE, MEASURED_INSTEAD, PLAIN, Descent

_CROSS = "S + 2 √(A S), S = σ²/B, A the other terms"


class Randomized(Descent):
    """It bounds what `bounded` says, and holds for any stopping distribution as it stands."""

    bounded: ClassVar[str] = "projected gradient"
    geometry = Geometry.PROJECTED

    @classmethod
    def equation(cls, schedule: Schedule, *, dropout: bool) -> str:
        source = cls.source(dropout=dropout)
        return source if schedule.plain else f"{source}, any stopping distribution [T1]"


class Free(Randomized):
    """Without a box the gradient itself is bounded."""

    kinds = ("single_layer",)
    bounded = "gradient"
    geometry = Geometry.FREE
    plain: ClassVar[Mapping[str, str]] = {"initial_error": PLAIN, "gradient_noise": "U σ² γ / (2 B e)"}
    general: ClassVar[Mapping[str, str]] = {
        "initial_error": GENERAL,
        "late_stopping": LATE,
        "gradient_noise": "(U σ²/2B) Σ q_k γ_k²",
    }


class Tied(Randomized):
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


class Layers(Randomized):
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

    @abstractmethod
    def layer_variances(self, keep_prob: FloatArray) -> list[FloatArray]:
        """sigma_l^2 of each matrix."""

    @cached_property
    def objective(self) -> Objective:
        return CertifiedMultilayer(
            total=self.descent, variances=self.layer_variances, depth=self.problem.stepsizes
        )

    def curvature_share(self, stepsize: FloatArray, keep_prob: FloatArray) -> FloatArray:
        inside = np.less_equal(stepsize, self.objective.largest_stepsizes(keep_prob)).all(axis=-1)
        return np.where(inside, descent.layer_scale(stepsize, self.smoothness(keep_prob))[1], np.inf)


class Certified(Randomized):
    """U and sigma^2 as proven from moments of the data."""

    constants = ("certified",)
    proven = True
    moments: ClassVar[tuple[str, ...]] = ("mean_square", "second_moment", "top_eigenvalue")

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._network = certified_network(problem)
        self._last: tuple[tuple[int, ...], bytes, Constants] | None = None

    def _at(self, keep_prob: FloatArray) -> Constants:
        """Both constants; those of the last call are kept, since a bound asks for each at the same zeta."""
        key = keep_prob.shape, keep_prob.tobytes()
        last = self._last
        if last is None or last[:2] != key:
            last = self._last = *key, self._network.constants(keep_prob)
        return last[2]

    def smoothness(self, keep_prob: FloatArray) -> FloatArray:
        return self._at(keep_prob).smoothness

    def variance(self, keep_prob: FloatArray) -> FloatArray:
        return self._at(keep_prob).gradient_variance

    @classmethod
    def source(cls, *, dropout: bool) -> str:
        return f"randomized stopping theorem for the {cls.bounded}"

    @classmethod
    def refusal(cls, network: Architecture) -> HypothesisError | None:
        """Where curvature or gradients have no bound, constants can only be measured."""
        obstacle = network.obstacle
        if obstacle is None:
            return None
        return HypothesisError(
            f"must be {obstacle.rule} for certified constants; got {obstacle.given}, which has "
            f"{obstacle.why}; {MEASURED_INSTEAD}, or change it: {obstacle.fix}",
            quantity=obstacle.key,
        )


class CertifiedFree(Certified, Free):
    """Without a box."""

    @classmethod
    def moments_used(cls, network: Architecture) -> tuple[str, ...]:
        """Only beside a 1 the mean of the inputs has a part in their curvature, and no mask has another."""
        return cls.moments if network.bias else cls.moments[1:]


class CertifiedTied(Certified, Tied):
    """In a box."""


class CertifiedLayers(Certified, Layers):
    """In a box, with a variance for each layer."""

    def layer_variances(self, keep_prob: FloatArray) -> list[FloatArray]:
        return self._network.layer_variances(keep_prob)


class _Measured(Randomized):
    """U and sigma^2 as measured early in a training; proven nowhere.

    Raises:
        ValueError: nothing was measured.
    """

    constants = ("calibrated", "typical")

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        if problem.measured is None:
            raise ValueError("calibrated constants have to be measured first")
        self.known = problem.measured

    def smoothness(self, keep_prob: FloatArray) -> FloatArray:
        return np.full(np.shape(keep_prob), self.known.smoothness + self.problem.penalty)

    def variance(self, keep_prob: FloatArray) -> FloatArray:
        return np.full(np.shape(keep_prob), self.known.gradient_variance)

    @classmethod
    def source(cls, *, dropout: bool) -> str:
        return "randomized stopping theorem"


class MeasuredFree(_Measured, Free):
    """Without a box."""


class MeasuredTied(_Measured, Tied):
    """In a box."""


class MeasuredLayers(_Measured, Layers):
    """In a box, with a variance for each layer."""

    def layer_variances(self, keep_prob: FloatArray) -> list[FloatArray]:
        return [np.full(np.shape(keep_prob), variance) for variance in self.known.layer_variances]
