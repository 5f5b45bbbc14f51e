"""What a theorem has to say of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np

from rsgadvise.errors import HypothesisError
from rsgadvise.theory.architecture import Architecture
from rsgadvise.theory.certified import certified_constants
from rsgadvise.theory.descent import FloatArray, Geometry
from rsgadvise.theory.heads import SQUARED
from rsgadvise.theory.objective import (
    Cost,
    DescentObjective,
    Objective,
    Range,
    Schedule,
    lowest_keep_prob,
)
from rsgadvise.theory.optimizers import SGD
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.units import SIGMOID

PLAIN = "D_f / (N γ e), e = 1 - U γ/2"
GENERAL = "q_1 D_f, q_k = p_k / (γ_k (1 - U γ_k/2))"
LATE = "F_max Σ_{k>1} max(0, q_k - q_{k-1})"
"""Formulas of terms that several theorems share."""


MEASURED_INSTEAD = "use `rsgadvise recommend` without --constants, which measures"
"""What to do where nothing can be proven, as an error has it."""


class Theorem(ABC):
    """A bound on E||grad f(W^R)||^2 for some kinds of networks, with the constants that it rests on.

    Attributes:
        kinds: of the networks that it is about. constants: the names that ask for it.
        proven: whether it holds for all data with these statistics.
        sigmoids: whether it is about sigmoid units without biases, with the squared error, alone.
        moments: statistics of the inputs that are in the bound.
        optimizers: names of those that it is about.
        plain_only: whether it is about constant stepsizes and uniform R alone.
        by_layer: whether each layer has a range of stepsizes, and a best one, of its own: decaying ones are
            then searched, whatever the stopping.
        printed: equations of the paper that say less of the projection than is true; `lacking` says what.
        gradient_at: stepsize of the projected gradient that is bounded, in symbols; empty where that is the
            one trained with.
        plan: where the paper solves it for N; empty where it does not.
        plain, general: formula of each term at constant stepsizes and uniform R, and for any, [T1].
        problem: what it is applied to.
    """

    kinds: ClassVar[tuple[str, ...]]
    constants: ClassVar[tuple[str, ...]]
    optimizers: ClassVar[tuple[str, ...]] = (SGD,)
    plain_only: ClassVar[bool] = False
    proven: ClassVar[bool] = False
    sigmoids: ClassVar[bool] = False
    moments: ClassVar[tuple[str, ...]] = ()
    by_layer: ClassVar[bool] = False
    printed: ClassVar[tuple[str, ...]] = ()
    gradient_at: ClassVar[str] = ""
    plan: ClassVar[str] = ""
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
    def source(cls, *, dropout: bool) -> str:
        """Where the bound at constant stepsizes and uniform R stands, as the reader would look it up."""

    @classmethod
    def equation(cls, schedule: Schedule, *, dropout: bool) -> str:
        """Where the bound comes from for a schedule."""
        source = cls.source(dropout=dropout)
        return source if schedule.plain else f"any stopping distribution [T1] with the constants of {source}"

    @classmethod
    def refusal(cls, network: Architecture) -> HypothesisError | None:
        """Why it is not about a network with these units and this loss; None if it is."""
        if not cls.sigmoids:
            return None
        obstacle = network.obstacle
        if obstacle is not None and not obstacle.key.startswith("network."):
            return HypothesisError(
                f"must be {obstacle.rule} for {cls.source(dropout=False)}; got {obstacle.given}, which has "
                f"{obstacle.why}; {MEASURED_INSTEAD}",
                quantity=obstacle.key,
            )
        pairs = (("activation", SIGMOID, network.activations), ("loss", SQUARED, (network.loss,)))
        for key, needed, given in pairs:
            others = [name for name in given if name != needed]
            if others:
                fix = "use --constants certified" if obstacle is None else MEASURED_INSTEAD
                return HypothesisError(
                    f"must be {needed} for {cls.source(dropout=False)}; got {others[0]}; {fix}",
                    quantity=f"network.{key}",
                )
        widest = f"{max(network.weight_bounds, default=0):g}"
        beside = (
            ("network.spectral_bound", network.spectral, "absent", ", whose weights lie in a box", widest),
            ("training.optimizer", network.penalty, "without weight decay", "", f"{network.penalty:g}"),
            ("network.bias", network.bias, "false", ", whose networks have no biases", "true"),
            (
                "data.scaling",
                network.largest_norm is not None,
                "minmax, robust, none or auto",
                ", whose inputs lie in [0, 1]",
                "standard",
            ),
        )
        for key, there, needed, why, got in beside:
            if there:
                rule = f"must be {needed} for {cls.source(dropout=False)}{why}"
                return HypothesisError(f"{rule}; got {got}; use --constants certified", quantity=key)
        return None

    @classmethod
    def formulas(cls, network: Architecture, *, plain: bool) -> Mapping[str, str]:
        """Of each term, at constant stepsizes and uniform R, or for any."""
        return cls.plain if plain else cls.general

    @classmethod
    def moments_used(cls, network: Architecture) -> tuple[str, ...]:
        """Statistics of the inputs that are in the bound of a network."""
        return cls.moments

    @classmethod
    def pretrained(cls, problem: Problem) -> bool:
        """Whether alpha, the tolerance of pretraining, is in the bound of a problem."""
        return False

    @abstractmethod
    def smoothness_taken(self, keep_prob: FloatArray, at_zero: float) -> tuple[float, str, float]:
        """(U, its symbol, what it is at least), if at W = 0 the last layer has the curvature `at_zero`."""

    @abstractmethod
    def variance_taken(self, stepsize: FloatArray, keep_prob: FloatArray) -> tuple[float, float, str]:
        """(sigma^2, what would be certain, symbol), of the layer that falls shortest."""

    def gradient_stepsize(self, keep_prob: FloatArray) -> FloatArray:
        """What `gradient_at` stands for."""
        raise NotImplementedError

    def lacking(self, terms: Mapping[str, float], keep_prob: FloatArray, batch: float) -> tuple[float, str]:
        """(what `printed` equations lack, in symbols) where these are the terms of the bound."""
        return 0.0, ""

    def as_printed(
        self, stepsize: FloatArray, batch: float, iterations: float, schedule: Schedule
    ) -> float | None:
        """The bound as the paper prints it, where that differs from the exact form that `objective` has."""
        return None

    def iterations_as_printed(self, target: float, batch: int) -> float | None:
        """N of its `plan`; None without."""
        return None

    @abstractmethod
    def curvature_share(self, stepsize: FloatArray, keep_prob: FloatArray) -> FloatArray:
        """r of its `matched` stopping: iteration k descends by a multiple of x_k (1 - r x_k), x_k = k^-rho.

        The part of the first step's descent that curvature takes away; inf outside the range of stepsizes.
        """


class Descent(Theorem):
    """A theorem about a U-smooth loss whose gradient has the variance sigma^2.

    Attributes:
        geometry: how the box bears on the bound.
    """

    geometry: ClassVar[Geometry]

    @abstractmethod
    def smoothness(self, keep_prob: FloatArray) -> FloatArray:
        """U."""

    @abstractmethod
    def variance(self, keep_prob: FloatArray) -> FloatArray:
        """sigma^2 of one example."""

    def searched(self, cost: Cost, keep_prob: Range, shape: tuple[int, ...]) -> FloatArray:
        """Keep probability of the smallest cost, which rises with U and sigma^2."""
        return lowest_keep_prob(cost, keep_prob, shape)

    @cached_property
    def descent(self) -> DescentObjective:
        """The bound with one stepsize for all matrices."""
        return DescentObjective(
            smoothness=self.smoothness,
            variance=self.variance,
            geometry=self.geometry,
            initial_loss=self.problem.initial_loss,
            ceiling=self.problem.largest_loss,
            searched=self.searched,
        )

    @cached_property
    def objective(self) -> Objective:
        return self.descent

    def smoothness_taken(self, keep_prob: FloatArray, at_zero: float) -> tuple[float, str, float]:
        return float(self.smoothness(keep_prob)), "U", at_zero

    def variance_taken(self, stepsize: FloatArray, keep_prob: FloatArray) -> tuple[float, float, str]:
        certain = certified_constants(self.problem, keep_prob).gradient_variance
        return float(self.variance(keep_prob)), float(certain), "σ²"

    def curvature_share(self, stepsize: FloatArray, keep_prob: FloatArray) -> FloatArray:
        inside = np.less_equal(stepsize, self.objective.largest_stepsizes(keep_prob))
        share = np.minimum(self.smoothness(keep_prob) * stepsize / 2, 1.0)
        return np.asarray(np.where(inside, share, np.inf))
