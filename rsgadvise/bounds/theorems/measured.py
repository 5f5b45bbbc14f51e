"""The randomized stopping theorem with constants that were measured, on the data or on made-up ones."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from rsgadvise.bounds.kinds import CertifiedMultilayer, DescentObjective
from rsgadvise.bounds.objective import Objective, Schedule
from rsgadvise.bounds.problem import MeasuredConstants
from rsgadvise.bounds.theorems.certified import CertifiedFree, CertifiedLayers, CertifiedTied
from rsgadvise.bounds.theorems.theorem import Theorem
from rsgadvise.theory.bound import FloatArray
from rsgadvise.theory.descent import Geometry

__all__ = ["MeasuredFree", "MeasuredLayers", "MeasuredTied"]


class _Measured(Theorem):
    """U and sigma^2 as measured early in a training; proven nowhere."""

    constants = ("calibrated", "typical")

    @property
    def known(self) -> MeasuredConstants:
        """What was measured.

        Raises:
            ValueError: nothing was.
        """
        if self.problem.measured is None:
            raise ValueError("calibrated constants have to be measured first")
        return self.problem.measured

    @cached_property
    def objective(self) -> Objective:
        known, problem = self.known, self.problem
        total = DescentObjective(
            smoothness=self.smoothness,
            variance=lambda zeta: np.full(np.shape(zeta), known.gradient_variance),
            geometry=Geometry.FREE if problem.kind == "single_layer" else Geometry.PROJECTED,
            initial_loss=problem.initial_loss,
            ceiling=problem.largest_loss,
        )
        if problem.kind != "multilayer":
            return total
        return CertifiedMultilayer(
            total=total,
            variances=lambda zeta: [np.full(np.shape(zeta), each) for each in known.layer_variances],
            depth=problem.stepsizes,
        )

    def smoothness(self, keep_prob: FloatArray) -> FloatArray:
        return np.full(np.shape(keep_prob), self.known.smoothness)

    @classmethod
    def equation(cls, schedule: Schedule, *, dropout: bool) -> str:
        source = "randomized stopping theorem"
        return source if schedule.plain else f"{source}, any stopping distribution [T1]"


class MeasuredFree(_Measured):
    """Without a box."""

    kinds = ("single_layer",)
    plain, general = CertifiedFree.plain, CertifiedFree.general


class MeasuredTied(_Measured):
    """In a box."""

    kinds = ("autoencoder",)
    plain, general = CertifiedTied.plain, CertifiedTied.general


class MeasuredLayers(_Measured):
    """In a box, with a variance for each layer."""

    kinds = ("multilayer",)
    plain, general = CertifiedLayers.plain, CertifiedLayers.general
