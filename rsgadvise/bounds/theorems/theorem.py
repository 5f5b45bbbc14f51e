"""What a theorem has to say of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np

from rsgadvise.bounds.objective import Objective, Schedule
from rsgadvise.bounds.problem import Problem
from rsgadvise.theory import descent
from rsgadvise.theory.bound import FloatArray

__all__ = ["GENERAL", "LATE", "PLAIN", "Theorem"]

PLAIN = "D_f / (N γ e), e = 1 - U γ/2"
GENERAL = "q_1 D_f, q_k = p_k / (γ_k (1 - U γ_k/2))"
LATE = "F_max Σ_{k>1} max(0, q_k - q_{k-1})"
"""Formulas of terms that several theorems share."""


class Theorem(ABC):
    """A bound on E||grad f(W^R)||^2 for some kinds of networks, with the constants that it rests on.

    Attributes:
        kinds: of the networks that it is about. constants: the names that ask for it.
        proven: whether it holds for all data with these statistics.
        plain, general: formula of each term at constant stepsizes and uniform R, and for any, [T1].
        problem: what it is applied to.
    """

    kinds: ClassVar[tuple[str, ...]]
    constants: ClassVar[tuple[str, ...]]
    proven: ClassVar[bool] = False
    plain: ClassVar[Mapping[str, str]]
    general: ClassVar[Mapping[str, str]]

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    @cached_property
    @abstractmethod
    def objective(self) -> Objective:
        """Its bound, within the range of stepsizes that it is about."""

    @classmethod
    @abstractmethod
    def equation(cls, schedule: Schedule, *, dropout: bool) -> str:
        """Where the bound comes from, as the reader would look it up."""

    @property
    def pretrained(self) -> bool:
        """Whether alpha, the tolerance of pretraining, is in it."""
        return False

    @abstractmethod
    def smoothness(self, keep_prob: FloatArray) -> FloatArray:
        """U, where it has one for all layers."""

    def curvature_share(self, stepsize: FloatArray, keep_prob: FloatArray) -> FloatArray:
        """r of its `matched` stopping: iteration k descends by a multiple of x_k (1 - r x_k), x_k = k^-rho.

        The part of the first step's descent that curvature takes away; inf outside the range of stepsizes.
        """
        inside = np.less_equal(stepsize, self.objective.largest_stepsizes(keep_prob))
        smoothness = self.smoothness(keep_prob)
        if self.problem.kind == "multilayer":
            share = descent.layer_scale(stepsize, smoothness)[1]
            return np.asarray(np.where(inside.all(axis=-1), share, np.inf))
        return np.asarray(np.where(inside, np.minimum(smoothness * stepsize / 2, 1.0), np.inf))
