"""The objectives of each kind of network: a bound, its optimum, and the plan that meets a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Protocol

import numpy as np

from rsgadvise.records import dataclass
from rsgadvise.theory import descent
from rsgadvise.theory.descent import Bound, FloatArray, Geometry
from rsgadvise.theory.search import minimize_scan
from rsgadvise.theory.stopping import Stopping

# One interface over the theorems: a bound, its optimum, and the plan that meets a target.
#
# An objective is a network kind together with a set of constants.

Range = tuple[float, float]
Cost = Callable[[FloatArray], FloatArray]


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


@dataclass(frozen=True, slots=True)
class Plans:
    """Trainings, each entry of arrays that broadcast against each other.

    Attributes:
        stepsize: gamma, (...,), or (..., L) where each layer has its own.
        keep_prob, batch_size, iterations: zeta, B and N, (...,).
        schedule: of all of them.
    """

    stepsize: FloatArray
    keep_prob: FloatArray
    batch_size: FloatArray
    iterations: FloatArray
    schedule: Schedule

    @property
    def shape(self) -> tuple[int, ...]:
        """Of B and N together."""
        return np.broadcast_shapes(self.batch_size.shape, self.iterations.shape)


class Objective(Protocol):
    """What a search needs of a theorem."""

    @property
    def for_loss(self) -> bool:
        """Whether stepsizes are given by a formula for the loss, and are no optimum of what ranks."""

    def bound(self, plans: Plans) -> Bound:
        """The bound at given hyper-parameters; HypothesisError outside the theorem's range."""

    def largest_stepsizes(self, keep_prob: FloatArray) -> FloatArray:
        """Open upper ends of the valid stepsizes, shape of a stepsize."""

    def optimum(self, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule) -> Plans:
        """Plans whose stepsizes and keep probabilities minimise the bound."""

    def best_keep_prob(self, plans: Plans, keep_prob: Range) -> FloatArray:
        """Keep probabilities that minimise the bound of plans which are all else; their own do not count."""

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

    @property
    def for_loss(self) -> bool:
        return self.inner.for_loss

    def bound(self, plans: Plans) -> Bound:
        return self.inner.bound(plans)

    def largest_stepsizes(self, keep_prob: FloatArray) -> FloatArray:
        return self.inner.largest_stepsizes(keep_prob)

    def optimum(self, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule) -> Plans:
        return self.inner.optimum(batch, n, keep_prob, schedule)

    def best_keep_prob(self, plans: Plans, keep_prob: Range) -> FloatArray:
        return self.inner.best_keep_prob(plans, keep_prob)

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

    def optimum(self, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule) -> Plans:
        shape = np.broadcast_shapes(batch.shape, n.shape)
        stepsize = np.broadcast_to(self.stepsize, (*shape, *self.stepsize.shape)).copy()
        plans = Plans(stepsize, np.full(shape, keep_prob[0]), batch, n, schedule)
        return replace(plans, keep_prob=self.inner.best_keep_prob(plans, keep_prob))


# The objectives of each kind of network, with the paper's constants and with certified ones.


def lowest_keep_prob(cost: Cost, keep_prob: Range, shape: tuple[int, ...]) -> FloatArray:
    """The best where U and sigma^2 both rise with the keep probability."""
    return np.full(shape, keep_prob[0])


@dataclass(frozen=True, slots=True)
class DescentObjective:
    """A U-smooth objective with gradient variance sigma^2, both functions of the keep probability.

    `searched` minimises a cost over the keep probability: a constant may fall with it, as (10) can.
    """

    smoothness: Callable[[FloatArray], FloatArray]
    variance: Callable[[FloatArray], FloatArray]
    geometry: Geometry
    initial_loss: float
    ceiling: float
    searched: Callable[[Cost, Range, tuple[int, ...]], FloatArray] = lowest_keep_prob
    for_loss: ClassVar[bool] = False

    def bound(self, plans: Plans) -> Bound:
        return descent.descent_bound(
            stepsize=plans.stepsize,
            batch_size=plans.batch_size,
            iterations=plans.iterations,
            suboptimality=self.initial_loss,
            ceiling=self.ceiling,
            smoothness=self.smoothness(plans.keep_prob),
            gradient_variance=self.variance(plans.keep_prob),
            geometry=self.geometry,
            decay=plans.schedule.decay,
            stopping=plans.schedule.stopping,
        )

    def largest_stepsizes(self, keep_prob: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            return np.asarray(2 / self.smoothness(keep_prob))

    def _stepsize(
        self, keep_prob: FloatArray, batch: FloatArray, n: FloatArray, schedule: Schedule
    ) -> FloatArray:
        return descent.optimal_stepsize(
            batch_size=batch,
            iterations=n,
            suboptimality=self.initial_loss,
            ceiling=self.ceiling,
            smoothness=self.smoothness(keep_prob),
            gradient_variance=self.variance(keep_prob),
            geometry=self.geometry,
            decay=schedule.decay,
            stopping=schedule.stopping,
        )

    def _keep_prob(self, cost: Cost, keep_prob: Range, shape: tuple[int, ...]) -> FloatArray:
        return (lowest_keep_prob if keep_prob[0] == keep_prob[1] else self.searched)(cost, keep_prob, shape)

    def optimum(self, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule) -> Plans:
        def at(zeta: FloatArray) -> Plans:
            return Plans(self._stepsize(zeta, batch, n, schedule), zeta, batch, n, schedule)

        def value(zeta: FloatArray) -> FloatArray:
            return self.bound(at(zeta)).value

        return at(self._keep_prob(value, keep_prob, np.broadcast_shapes(batch.shape, n.shape)))

    def best_keep_prob(self, plans: Plans, keep_prob: Range) -> FloatArray:
        if np.any(plans.stepsize >= self.largest_stepsizes(np.full(plans.shape, keep_prob[0]))):
            return np.full(plans.shape, keep_prob[0])  # out of range anyway, which the bound will say
        value = _held(self, plans, keep_prob)
        if _falls_with_curvature(plans.schedule):
            return _scanned_keep_prob(value, keep_prob, plans.shape)
        return self._keep_prob(value, keep_prob, plans.shape)

    def required_iterations(
        self, target: FloatArray, batch: FloatArray, keep_prob: Range
    ) -> tuple[FloatArray, FloatArray]:
        def needed(zeta: FloatArray) -> FloatArray:
            return descent.required_iterations(
                target=target,
                batch_size=batch,
                suboptimality=self.initial_loss,
                smoothness=self.smoothness(zeta),
                gradient_variance=self.variance(zeta),
                geometry=self.geometry,
            )

        zeta = self._keep_prob(needed, keep_prob, np.broadcast_shapes(target.shape, batch.shape))
        return needed(zeta), zeta

    def smallest_batch(self, target: FloatArray, lowest_keep_prob: float) -> FloatArray:
        share = descent.largest_noise_share(self.geometry)
        if np.isinf(share):
            return np.zeros_like(target)
        return np.asarray(self.variance(np.asarray(lowest_keep_prob)) / (share * target))


@dataclass(frozen=True, slots=True)
class CertifiedMultilayer:
    """Certified constants of a multi-layer network: one smoothness, one variance per layer.

    Equal stepsizes are optimal, so everything but the bound itself is that of the sum.
    """

    total: DescentObjective
    variances: Callable[[FloatArray], list[FloatArray]]
    depth: int
    for_loss: ClassVar[bool] = False

    def bound(self, plans: Plans) -> Bound:
        return descent.layerwise_bound(
            stepsize=plans.stepsize,
            batch_size=plans.batch_size,
            iterations=plans.iterations,
            suboptimality=self.total.initial_loss,
            ceiling=self.total.ceiling,
            smoothness=self.total.smoothness(plans.keep_prob),
            layer_variances=self.variances(plans.keep_prob),
            decay=plans.schedule.decay,
            stopping=plans.schedule.stopping,
        )

    def largest_stepsizes(self, keep_prob: FloatArray) -> FloatArray:
        return np.repeat(self.total.largest_stepsizes(keep_prob)[..., None], self.depth, axis=-1)

    def optimum(self, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule) -> Plans:
        plans = self.total.optimum(batch, n, keep_prob, schedule)
        return replace(plans, stepsize=np.repeat(plans.stepsize[..., None], self.depth, axis=-1))

    def best_keep_prob(self, plans: Plans, keep_prob: Range) -> FloatArray:
        lowest = np.full(plans.shape, keep_prob[0])
        outside = np.any(plans.stepsize >= self.largest_stepsizes(lowest))
        if outside or not _falls_with_curvature(plans.schedule):
            return lowest
        return _scanned_keep_prob(_held(self, plans, keep_prob), keep_prob, plans.shape)

    def required_iterations(
        self, target: FloatArray, batch: FloatArray, keep_prob: Range
    ) -> tuple[FloatArray, FloatArray]:
        return self.total.required_iterations(target, batch, keep_prob)

    def smallest_batch(self, target: FloatArray, lowest_keep_prob: float) -> FloatArray:
        return self.total.smallest_batch(target, lowest_keep_prob)


def _falls_with_curvature(schedule: Schedule) -> bool:
    """Whether [T1] at a given stepsize can be smaller for a larger U.

    The cost of stopping late is the rise of q_k = p_k / (gamma_k (1 - U gamma_k/2)), and U lifts the first
    q_k of a decaying stepsize most.
    """
    return schedule.decay > 0 and schedule.stopping != "matched"


def _held(
    objective: DescentObjective | CertifiedMultilayer, plans: Plans, keep_prob: Range
) -> Callable[[FloatArray], FloatArray]:
    """The bound at given stepsizes as a function of the keep probability; inf outside their range.

    They must be valid at the lowest keep probability.
    """

    def value(zeta: FloatArray) -> FloatArray:
        inside = np.asarray(plans.stepsize < objective.largest_stepsizes(zeta))
        inside = np.asarray(inside.all(axis=-1)) if inside.ndim > zeta.ndim else inside
        safe = np.where(inside, zeta, keep_prob[0])  # U rises with zeta, so its lowest value is valid
        return np.where(inside, objective.bound(replace(plans, keep_prob=safe)).value, np.inf)

    return value


def _scanned_keep_prob(
    value: Callable[[FloatArray], FloatArray], keep_prob: Range, shape: tuple[int, ...]
) -> FloatArray:
    """Minimiser of a bound that may rise and fall with the keep probability; the lowest of those that tie."""
    lowest = np.full(shape, keep_prob[0])
    if keep_prob[0] == keep_prob[1]:
        return lowest
    zeta = minimize_scan(value, lowest, np.full(shape, keep_prob[1]), points=33, steps=30, valleys=2)
    return np.where(value(zeta) < value(lowest), zeta, lowest)
