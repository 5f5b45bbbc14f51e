"""Whether a bound can be relied on: certified, proven, vacuous."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rsgadvise.bounds.calibrated import calibrated_objective
from rsgadvise.bounds.kinds import certified_objective, largest_gradient, paper_objective
from rsgadvise.bounds.objective import ConstantsName, DerivedObjective, Objective, Range, Schedule
from rsgadvise.bounds.problem import Problem
from rsgadvise.errors import HypothesisError
from rsgadvise.stopping import Stopping
from rsgadvise.theory.bound import Bound, FloatArray

__all__ = [
    "CappedObjective",
    "Point",
    "attempted",
    "certified",
    "check_problem",
    "equation",
    "objective_for",
    "point_at",
]

_LARGEST = 1e120  # squares and products of such constants are still numbers
_SMALLEST_NORM = 1 / _LARGEST  # E||x||^2 whose inverse, the certified stepsize, is one of these


@dataclass(frozen=True, slots=True)
class CappedObjective(DerivedObjective):
    """A descent objective that is the given limit outside its stepsize range."""

    limit: Callable[[FloatArray], FloatArray]

    def bound(
        self,
        stepsize: FloatArray,
        keep_prob: FloatArray,
        batch: FloatArray,
        n: FloatArray,
        schedule: Schedule,
    ) -> Bound:
        highest = self.inner.largest_stepsizes(keep_prob)
        shape = np.broadcast_shapes(np.shape(keep_prob), np.shape(batch), np.shape(n))
        last = stepsize.ndim - len(shape)
        inside = np.less(stepsize, highest)
        if schedule.stopping == "matched" and schedule.decay > 0:
            several = np.greater(n, 1)[..., None] if last else np.greater(n, 1)
            inside = inside | (several & np.less_equal(stepsize, highest))
        valid = inside.all(axis=-1) if last else inside
        safe = np.where(inside, stepsize, np.where(np.isfinite(highest), 0.5 * highest, 1.0))
        # Inputs that are all zero have no gradient and no curvature: the limit below is then 0.
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = self.inner.bound(safe, keep_prob, batch, n, schedule).terms
        valid = valid & np.isfinite(Bound(terms).value)
        if valid.all():
            return Bound(terms)
        capped = {name: np.where(valid, value, 0.0) for name, value in terms.items()}
        capped["largest_gradient"] = np.where(valid, 0.0, self.limit(keep_prob))
        return Bound(capped)

    def largest_stepsizes(self, keep_prob: FloatArray) -> FloatArray:
        """Everywhere: there is always the limit to fall back on."""
        return np.full_like(self.inner.largest_stepsizes(keep_prob), np.inf)

    def best_keep_prob(
        self, stepsize: FloatArray, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule
    ) -> FloatArray:
        # The largest gradient rises with the keep probability: where it is less, the lowest is best.
        lowest = np.full(np.broadcast_shapes(batch.shape, n.shape), keep_prob[0])
        zeta = self.inner.best_keep_prob(stepsize, batch, n, keep_prob, schedule)
        if np.all(zeta == lowest):
            return lowest
        better = self.bound(stepsize, zeta, batch, n, schedule).value < self.limit(lowest)
        return np.where(better, zeta, lowest)


def objective_for(problem: Problem, constants: str) -> Objective:
    """The objective of one set of constants; only the paper's can fail.

    Outside their range certified bounds fall back on the limit, and calibrated ones are infinite.
    """
    if constants == "paper":
        return paper_objective(problem)
    if constants == "calibrated":
        return CappedObjective(calibrated_objective(problem), lambda zeta: np.full(np.shape(zeta), np.inf))
    return CappedObjective(certified_objective(problem), lambda zeta: largest_gradient(problem, zeta))


def check_problem(problem: Problem, constants: ConstantsName) -> None:
    """Refuse what has no useful answer: constants that overflow, and data without a gradient.

    Raises:
        HypothesisError: the network's constants overflow; or every input is zero, or so close to it
            that the certified stepsize would be infinite.
    """
    objectives = certified_objective(problem), paper_objective(problem)
    one = np.ones(1)
    with np.errstate(over="ignore", invalid="ignore"):
        scales = [objective.smallest_batch(one, 1.0) for objective in objectives]
        limit = largest_gradient(problem, one)
    if not all(np.all(value < _LARGEST) for value in (*scales, limit)):
        raise HypothesisError(
            f"leads to constants too large for any number with these layers; got "
            f"{max(problem.weight_bounds, default=0):g}; lower it, or use fewer or narrower layers",
            quantity="network.weight_bound",
        )
    flat = problem.kind != "autoencoder" and len(problem.layers) == 2
    norm, mean = problem.moments.squared_norm, problem.moments.mean
    if constants == "certified" and flat and norm < _SMALLEST_NORM:
        what = (
            f"a squared norm E||x||^2 of at most {norm:.4g}, below {_SMALLEST_NORM:g}; use features that "
            "fill [0, 1]"
            if mean > 0
            else "inputs that are all zero; the gradient vanishes and any stepsize will do"
        )
        raise HypothesisError(
            f"must be {'larger' if mean > 0 else 'above 0'} for certified constants; got {mean:g}, {what}",
            quantity="data.mean",
        )


@dataclass(frozen=True, slots=True)
class Point:
    """One choice of every hyper-parameter."""

    stepsize: FloatArray
    keep_prob: float
    batch_size: float
    iterations: float
    schedule: Schedule

    def bound(self, objective: Objective) -> Bound:
        """The bound here; terms are 0-d arrays."""
        terms = objective.bound(
            self.stepsize[None, ...],
            np.asarray([self.keep_prob]),
            np.asarray([self.batch_size]),
            np.asarray([self.iterations]),
            self.schedule,
        ).terms
        return Bound({name: np.asarray(value[0]) for name, value in terms.items()})


def point_at(
    problem: Problem,
    *,
    stepsize: float | Sequence[float],
    batch_size: int,
    iterations: int,
    keep_prob: float,
    decay: float,
    stopping: Stopping,
) -> Point:
    """The point of these hyper-parameters; one stepsize stands for all layers of a multilayer network."""
    gamma = np.asarray(stepsize, dtype=np.float64)
    if problem.kind == "multilayer":
        gamma = np.broadcast_to(gamma, (problem.stepsizes,)).copy()
    return Point(gamma, keep_prob, float(batch_size), float(iterations), Schedule(decay, stopping))


def attempted(problem: Problem, point: Point, constants: ConstantsName) -> tuple[float | None, str]:
    """(the bound, "") or (None, why there is none), where a sweep or a verification goes on without."""
    try:
        value = float(point.bound(objective_for(problem, constants)).value)
    except HypothesisError as error:
        return None, f"the stepsize {error}"
    return (value, "") if np.isfinite(value) else (None, "it is not a finite number")


def certified(problem: Problem, point: Point) -> tuple[float, Bound, float]:
    """(certified bound, its terms, largest possible gradient): the bound never exceeds the limit."""
    bound = point.bound(objective_for(problem, "certified"))
    limit = float(largest_gradient(problem, np.asarray(point.keep_prob)))
    value = float(bound.value)
    if value > limit:
        return limit, Bound({"largest_gradient": np.asarray(limit)}), limit
    return value, bound, limit


def equation(kind: str, constants: str, schedule: Schedule, *, dropout: bool) -> str:
    """Where the bound comes from, as the reader would look it up."""
    if constants == "calibrated":
        source = "randomized stopping theorem"
        return source if schedule.plain else f"{source}, any stopping distribution [T1]"
    if constants == "certified":
        base = "gradient" if kind == "single_layer" else "projected gradient"
        source = f"randomized stopping theorem for the {base}"
        return source if schedule.plain else f"{source}, any stopping distribution [T1]"
    if kind == "single_layer":
        if schedule.plain:
            return "Theorem III.1, equation (7)"
        if schedule.stopping == "matched":
            return "Corollary III.2, equation (8) in its exact form"
        return "any stopping distribution [T1] with the constants of equation (7)"
    if kind == "autoencoder":
        source = "Theorem IV.1, equation (11)"
    else:
        source = "Corollary VI.1, equation (13)" if dropout else "Corollary V.1, equation (12)"
    return source if schedule.plain else f"any stopping distribution [T1] with the constants of {source}"
