"""The randomized stopping theorem with constants that hold for all data with the same statistics."""

from __future__ import annotations

from typing import ClassVar

from rsgadvise.theory.certified import certified_constants, layer_variances
from rsgadvise.theory.constants import Constants
from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems.randomized import Free, Layers, Randomized, Tied


class _Certified(Randomized):
    """U and sigma^2 as proven from moments of the data."""

    constants = ("certified",)
    proven = True
    moments: ClassVar[tuple[str, ...]] = ("second_moment",)

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._last: tuple[tuple[int, ...], bytes, Constants] | None = None

    def _at(self, keep_prob: FloatArray) -> Constants:
        """Both constants; those of the last call are kept, since a bound asks for each at the same zeta."""
        key = keep_prob.shape, keep_prob.tobytes()
        last = self._last
        if last is None or last[:2] != key:
            last = self._last = *key, certified_constants(self.problem, keep_prob)
        return last[2]

    def smoothness(self, keep_prob: FloatArray) -> FloatArray:
        return self._at(keep_prob).smoothness

    def variance(self, keep_prob: FloatArray) -> FloatArray:
        return self._at(keep_prob).gradient_variance

    @classmethod
    def source(cls, *, dropout: bool) -> str:
        return f"randomized stopping theorem for the {cls.bounded}"


class CertifiedFree(_Certified, Free):
    """Without a box."""

    moments = ("second_moment", "top_eigenvalue")


class CertifiedTied(_Certified, Tied):
    """In a box."""


class CertifiedLayers(_Certified, Layers):
    """In a box, with a variance for each layer."""

    def layer_variances(self, keep_prob: FloatArray) -> list[FloatArray]:
        return layer_variances(self.problem, keep_prob)
