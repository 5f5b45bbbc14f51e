"""Whether a bound can be relied on: certified, proven, vacuous, and how it moves with each knob."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rsgadvise.advise.kinds import certified_objective, largest_gradient, paper_objective
from rsgadvise.advise.objective import ConstantsName, Objective, Range, Schedule
from rsgadvise.advise.problem import Problem
from rsgadvise.advise.results import Stepsize
from rsgadvise.errors import HypothesisError
from rsgadvise.stopping import Stopping
from rsgadvise.theory.bound import Bound, FloatArray

__all__ = [
    "CappedObjective",
    "Point",
    "as_stepsize",
    "certified",
    "check_problem",
    "elasticities",
    "equation",
    "objective_for",
]

_LARGEST = 1e120  # squares and products of such constants are still numbers
_STEP = 1e-4  # relative change of a knob in a central difference; its error is of order 1e-8


@dataclass(frozen=True, slots=True)
class CappedObjective:
    """The certified objective, which is the largest possible gradient outside its stepsize range."""

    inner: Objective
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
        if schedule.stopping == "matched" and schedule.decay > 0 and np.all(np.greater(n, 1)):
            inside = np.less_equal(stepsize, highest)
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

    def optimum(
        self, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule
    ) -> tuple[FloatArray, FloatArray]:
        return self.inner.optimum(batch, n, keep_prob, schedule)

    def best_keep_prob(
        self, stepsize: FloatArray, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule
    ) -> FloatArray:
        # U, sigma^2 and the largest gradient all rise with the keep probability.
        return np.full(np.broadcast_shapes(batch.shape, n.shape), keep_prob[0])

    def required_iterations(
        self, target: FloatArray, batch: FloatArray, keep_prob: Range
    ) -> tuple[FloatArray, FloatArray]:
        return self.inner.required_iterations(target, batch, keep_prob)

    def smallest_batch(self, target: FloatArray, lowest_keep_prob: float) -> FloatArray:
        return self.inner.smallest_batch(target, lowest_keep_prob)


def objective_for(problem: Problem, constants: str) -> Objective:
    """The objective of one set of constants; certified ones never fail, they fall back on the limit."""
    if constants == "paper":
        return paper_objective(problem)
    return CappedObjective(certified_objective(problem), lambda zeta: largest_gradient(problem, zeta))


def check_problem(problem: Problem, constants: ConstantsName) -> None:
    """Refuse what has no useful answer: constants that overflow, and data without a gradient.

    Raises:
        HypothesisError: the network's constants overflow; or every input is zero, so that the
            certified stepsize would be infinite.
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
    if constants == "certified" and flat and problem.moments.squared_norm < 1 / _LARGEST:
        raise HypothesisError(
            f"must be above 0 for certified constants; got {problem.moments.mean:g}, inputs that are all "
            "zero; the gradient vanishes and any stepsize will do",
            quantity="data.mean",
        )


def as_stepsize(stepsize: FloatArray) -> Stepsize:
    """A stepsize array as a number, or as one number per layer."""
    return float(stepsize) if stepsize.ndim == 0 else tuple(float(gamma) for gamma in stepsize)


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


def elasticities(problem: Problem, constants: str, point: Point) -> dict[str, float]:
    """d log bound / d log knob at one point, all other knobs held: -0.5 means that doubling the
    knob multiplies the bound by about 2^-0.5.

    Central differences of the bound itself, one-sided at the edge of a theorem's range. N moves by
    whole iterations where the stepsize decays. Knobs that cannot be moved alone are absent.
    """
    objective = objective_for(problem, constants)

    def log_at(moved: Point, on: Objective = objective) -> float:
        with np.errstate(divide="ignore"):
            return float(np.log(moved.bound(on).value))

    here = log_at(point)

    def central(value: Callable[[float], float]) -> float:
        """d log bound / d log knob from both sides, or from the side that the theorem covers."""
        reached: list[tuple[float, float]] = []
        for factor in (1 - _STEP, 1 + _STEP):
            try:
                reached.append((float(np.log(factor)), value(factor)))
            except HypothesisError:
                reached.append((0.0, here))
        (left, low), (right, high) = reached
        return (high - low) / (right - left) if right > left else 0.0

    def rebuilt(change: Callable[[float], Problem]) -> float:
        return central(lambda f: log_at(point, objective_for(change(f), constants)))

    found: dict[str, float] = {}
    widest = objective.largest_stepsizes(np.asarray([point.keep_prob]))[0]
    inner = replace(point, stepsize=point.stepsize * (1 - _STEP))
    found["stepsize"] = (here - log_at(inner)) / -float(np.log1p(-_STEP))
    if np.all(point.stepsize * (1 + _STEP) < widest):
        outer = replace(point, stepsize=point.stepsize * (1 + _STEP))
        from_above = (log_at(outer) - here) / float(np.log1p(_STEP))
        # Where layers share one g the bound has a kink, and rises on both sides of a minimum.
        at_minimum = found["stepsize"] <= 0 <= from_above
        found["stepsize"] = 0.0 if at_minimum else 0.5 * (found["stepsize"] + from_above)
    found["batch_size"] = central(lambda f: log_at(replace(point, batch_size=point.batch_size * f)))
    steps = _iterations_elasticity(point, log_at)
    if steps is not None:
        found["iterations"] = steps
    if problem.kind != "single_layer":
        found["keep_prob"] = central(lambda f: log_at(replace(point, keep_prob=point.keep_prob * f)))
    found["initial_loss"] = rebuilt(lambda f: replace(problem, initial_loss=problem.initial_loss * f))
    if any(problem.weight_bounds) and len(problem.layers) > 1 and problem.kind != "single_layer":
        found["weight_bound"] = rebuilt(
            lambda f: replace(problem, weight_bounds=tuple(w * f for w in problem.weight_bounds))
        )
    if problem.kind == "multilayer" and len(problem.layers) > 2 and constants == "paper":
        found["pretraining"] = rebuilt(lambda f: replace(problem, pretraining=problem.pretraining * f))
    return {knob: value + 0.0 for knob, value in found.items() if np.isfinite(value)}


def _iterations_elasticity(point: Point, log_at: Callable[[Point], float]) -> float | None:
    stopping: Stopping = point.schedule.stopping
    n = point.iterations
    if isinstance(stopping, tuple):
        return None  # N is the length of the list
    if point.schedule.plain:
        high, low = n * (1 + _STEP), n * (1 - _STEP)
    else:
        gap = max(1.0, round(n * 1e-3))
        high, low = n + gap, max(n - gap, 1.0)
    if low < 1:
        low, high = 1.0, 1 + _STEP
    return (log_at(replace(point, iterations=high)) - log_at(replace(point, iterations=low))) / float(
        np.log(high / low)
    )
