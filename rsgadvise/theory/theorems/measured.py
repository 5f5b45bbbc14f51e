"""The randomized stopping theorem with constants that were measured, on the data or on made-up ones."""

from __future__ import annotations

import numpy as np

from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems.randomized import Free, Layers, Randomized, Tied


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
        return np.full(np.shape(keep_prob), self.known.smoothness)

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
        return [np.full(np.shape(keep_prob), each) for each in self.known.layer_variances]
