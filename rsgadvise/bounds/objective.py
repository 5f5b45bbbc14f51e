"""One interface over the theorems: a bound, its optimum, and the plan that meets a target.

An objective is a network kind together with a set of constants. Candidates are arrays of batch
sizes and iterations; stepsizes are (candidates,), or (candidates, L) for multilayer networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rsgadvise.bounds import CAVEATS, MEASURED, ConstantsName
from rsgadvise.stopping import Stopping
from rsgadvise.theory.bound import Bound, FloatArray

__all__ = [
    "CAVEATS",
    "MEASURED",
    "ConstantsName",
    "DerivedObjective",
    "FixedStepsize",
    "Objective",
    "Range",
    "Schedule",
]

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the stepsize decays (rho) and how R is drawn (P_R)."""

    decay: float = 0.0
    stopping: Stopping = "uniform"

    @property
    def plain(self) -> bool:
        """Constant stepsize and uniform R, the setting of the paper's theorems."""
        return self.decay == 0 and self.stopping in ("uniform", "matched")

    @property
    def monotone(self) -> bool:
        """More iterations never raise the best bound."""
        return self.plain or self.stopping == "matched"


class Objective(Protocol):
    """What a search needs of a theorem; see the module docstring for shapes."""

    def bound(
        self,
        stepsize: FloatArray,
        keep_prob: FloatArray,
        batch: FloatArray,
        n: FloatArray,
        schedule: Schedule,
    ) -> Bound:
        """The bound at given hyper-parameters; HypothesisError outside the theorem's range."""

    def largest_stepsizes(self, keep_prob: FloatArray) -> FloatArray:
        """Open upper ends of the valid stepsizes, shape of a stepsize."""

    def optimum(
        self, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule
    ) -> tuple[FloatArray, FloatArray]:
        """Stepsize and keep probability that minimise the bound."""

    def best_keep_prob(
        self, stepsize: FloatArray, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule
    ) -> FloatArray:
        """Keep probability that minimises the bound at given stepsizes."""

    def required_iterations(
        self, target: FloatArray, batch: FloatArray, keep_prob: Range
    ) -> tuple[FloatArray, FloatArray]:
        """Smallest real N, and its keep probability, at constant stepsize and uniform R."""

    def smallest_batch(self, target: FloatArray, lowest_keep_prob: float) -> FloatArray:
        """Infimum of the batch sizes that can reach a target."""


@dataclass(frozen=True, slots=True)
class DerivedObjective:
    """Another objective in all that a subclass leaves alone."""

    inner: Objective

    def bound(
        self,
        stepsize: FloatArray,
        keep_prob: FloatArray,
        batch: FloatArray,
        n: FloatArray,
        schedule: Schedule,
    ) -> Bound:
        return self.inner.bound(stepsize, keep_prob, batch, n, schedule)

    def largest_stepsizes(self, keep_prob: FloatArray) -> FloatArray:
        return self.inner.largest_stepsizes(keep_prob)

    def optimum(
        self, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule
    ) -> tuple[FloatArray, FloatArray]:
        return self.inner.optimum(batch, n, keep_prob, schedule)

    def best_keep_prob(
        self, stepsize: FloatArray, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule
    ) -> FloatArray:
        return self.inner.best_keep_prob(stepsize, batch, n, keep_prob, schedule)

    def required_iterations(
        self, target: FloatArray, batch: FloatArray, keep_prob: Range
    ) -> tuple[FloatArray, FloatArray]:
        return self.inner.required_iterations(target, batch, keep_prob)

    def smallest_batch(self, target: FloatArray, lowest_keep_prob: float) -> FloatArray:
        return self.inner.smallest_batch(target, lowest_keep_prob)


@dataclass(frozen=True, slots=True)
class FixedStepsize(DerivedObjective):
    """An objective whose stepsize the user fixed: only the keep probability is left to choose."""

    stepsize: FloatArray

    def required_iterations(
        self, target: FloatArray, batch: FloatArray, keep_prob: Range
    ) -> tuple[FloatArray, FloatArray]:
        raise NotImplementedError("a fixed stepsize has no closed plan; search N with `optimum`")

    def optimum(
        self, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule
    ) -> tuple[FloatArray, FloatArray]:
        shape = np.broadcast_shapes(batch.shape, n.shape)
        stepsize = np.broadcast_to(self.stepsize, (*shape, *self.stepsize.shape)).copy()
        return stepsize, self.inner.best_keep_prob(stepsize, batch, n, keep_prob, schedule)
