"""The randomized stopping theorem with constants that hold for all data with the same statistics."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from rsgadvise.theory import constants
from rsgadvise.theory.constants import Constants
from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems.randomized import Free, Layers, Randomized, Tied


class Certified(Randomized):
    """U and sigma^2 as proven from moments of the data."""

    constants = ("certified",)
    proven = True

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._last: tuple[tuple[int, ...], bytes, Constants] | None = None

    def _at(self, keep_prob: FloatArray) -> Constants:
        """Both constants; those of the last call are kept, since a bound asks for each at the same zeta."""
        key = keep_prob.shape, keep_prob.tobytes()
        last = self._last
        if last is None or last[:2] != key:
            last = self._last = *key, self.constants_at(keep_prob)
        return last[2]

    @abstractmethod
    def constants_at(self, keep_prob: FloatArray) -> Constants:
        """U and sigma^2, shape of the keep probabilities."""

    @abstractmethod
    def limit(self, keep_prob: FloatArray) -> FloatArray:
        """No squared gradient norm of this network can exceed it."""

    def smoothness(self, keep_prob: FloatArray) -> FloatArray:
        return self._at(keep_prob).smoothness

    def variance(self, keep_prob: FloatArray) -> FloatArray:
        return self._at(keep_prob).gradient_variance

    @classmethod
    def source(cls, *, dropout: bool) -> str:
        return f"randomized stopping theorem for the {cls.bounded}"


class CertifiedFree(Certified, Free):
    """Without a box."""

    def constants_at(self, keep_prob: FloatArray) -> Constants:
        known, ones = constants.single_layer_constants(**self._given), np.ones(np.shape(keep_prob))
        return Constants(known.smoothness * ones, known.gradient_variance * ones)

    def limit(self, keep_prob: FloatArray) -> FloatArray:
        return np.asarray(constants.single_layer_limit(**self._given) * np.ones(np.shape(keep_prob)))

    @property
    def _given(self) -> dict[str, Any]:
        problem = self.problem
        return {"layers": problem.layers, "moments": problem.moments, "head": problem.head}


class CertifiedTied(Certified, Tied):
    """In a box."""

    def constants_at(self, keep_prob: FloatArray) -> Constants:
        return constants.autoencoder_constants(keep_prob=keep_prob, **self._given)

    def limit(self, keep_prob: FloatArray) -> FloatArray:
        return constants.autoencoder_limit(keep_prob=keep_prob, **self._given)

    @property
    def _given(self) -> dict[str, Any]:
        problem = self.problem
        given = {"layers": problem.layers, "moments": problem.moments, "head": problem.head}
        return {**given, "weight_bound": problem.weight_bounds[0], "unit": problem.units[0]}


class CertifiedLayers(Certified, Layers):
    """In a box, with a variance for each layer."""

    def constants_at(self, keep_prob: FloatArray) -> Constants:
        return constants.multilayer_constants(keep_prob=keep_prob, **self._given)

    def limit(self, keep_prob: FloatArray) -> FloatArray:
        return constants.multilayer_limit(keep_prob=keep_prob, **self._given)

    def layer_variances(self, keep_prob: FloatArray) -> list[FloatArray]:
        return constants.multilayer_layer_variances(keep_prob=keep_prob, **self._given)

    @property
    def _given(self) -> dict[str, Any]:
        problem = self.problem
        given = {"layers": problem.layers, "moments": problem.moments, "head": problem.head}
        return {**given, "weight_bound": problem.weight_bounds, "units": problem.units}
