"""Whether a bound can be relied on: certified, proven, vacuous."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from rsgadvise.errors import HypothesisError
from rsgadvise.records import dataclass
from rsgadvise.theory import BY_THEOREM, ConstantsName, about
from rsgadvise.theory.certified import largest_gradient
from rsgadvise.theory.descent import Bound, FloatArray, closed_range
from rsgadvise.theory.objective import DerivedObjective, Objective, Plans, Range, Schedule
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.stopping import MatchedTo, Stopping
from rsgadvise.theory.theorems import covers, provable, refusal, theorem_for, theorem_of

# Whose `matched` stopping is drawn: it is a distribution of its own for each set of constants.


def matched_share(
    problem: Problem,
    constants_name: ConstantsName,
    stepsize: FloatArray,
    keep_prob: FloatArray,
    iterations: FloatArray,
) -> FloatArray:
    """r of the P_R that is drawn where the spec says `matched` and the stepsize decays.

    It is that of the constants whose bound is shown. Where these leave no probabilities, since the stepsize
    lies outside their range, certified ones are drawn by; inf where those leave none either.
    """

    def share(name: ConstantsName) -> FloatArray:
        r = theorem_for(problem, name).curvature_share(stepsize, keep_prob)
        return np.where((r < 1) | ((r == 1) & (iterations > 1)), r, np.inf)

    unknown = about(constants_name).measured and problem.measured is None
    drawn = np.asarray(np.inf) if unknown else share(constants_name)
    return drawn if np.isfinite(drawn).all() else np.where(np.isfinite(drawn), drawn, share("certified"))


_LARGEST = 1e120  # squares and products of such constants are still numbers
_SMALLEST_NORM = 1 / _LARGEST  # E||x||^2 whose inverse, the certified stepsize, is one of these


@dataclass(frozen=True, slots=True)
class CappedObjective(DerivedObjective):
    """An objective that is a limit of its own outside its stepsize range, and nowhere above that limit.

    Attributes:
        limit: of the keep probability; inf where nothing bounds what lies outside.
        everywhere: whether it caps the bound inside the range too. A ranking goes by the formula instead,
            which still tells one choice from another where all are above the limit.
    """

    limit: Callable[[FloatArray], FloatArray]
    everywhere: bool = True

    def bound(self, plans: Plans) -> Bound:
        stepsize, keep_prob = plans.stepsize, plans.keep_prob
        highest = self.inner.largest_stepsizes(keep_prob)
        shape = np.broadcast_shapes(keep_prob.shape, plans.shape)
        last = stepsize.ndim - len(shape)
        closed = closed_range(plans.schedule.stopping, plans.schedule.decay, plans.iterations)
        inside = np.less(stepsize, highest)
        inside = inside | ((closed[..., None] if last else closed) & np.less_equal(stepsize, highest))
        valid = inside.all(axis=-1) if last else inside
        safe = np.where(inside, stepsize, np.where(np.isfinite(highest), 0.5 * highest, 1.0))
        # Inputs that are all zero have no gradient and no curvature: the limit below is then 0. And what
        # overflows lies above it.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            terms = self.inner.bound(replace(plans, stepsize=safe)).terms
        value = Bound(terms).value
        valid = valid & np.isfinite(value)
        if valid.all() and not self.everywhere:
            return Bound(terms)
        limit = self.limit(keep_prob)
        if self.everywhere:
            valid = valid & (value <= limit)
            if valid.all():
                return Bound(terms)
        capped = {name: np.where(valid, term, 0.0) for name, term in terms.items()}
        capped["largest_gradient"] = np.where(valid, 0.0, limit)
        return Bound(capped)

    def largest_stepsizes(self, keep_prob: FloatArray) -> FloatArray:
        """Everywhere: there is always the limit to fall back on."""
        return np.full_like(self.inner.largest_stepsizes(keep_prob), np.inf)

    def best_keep_prob(self, plans: Plans, keep_prob: Range) -> FloatArray:
        # The largest gradient rises with the keep probability: where it is less, the lowest is best.
        lowest = np.full(plans.shape, keep_prob[0])
        zeta = self.inner.best_keep_prob(plans, keep_prob)
        if np.all(zeta == lowest):
            return lowest
        better = self.bound(replace(plans, keep_prob=zeta)).value < self.limit(lowest)
        return np.where(better, zeta, lowest)


@dataclass(frozen=True, slots=True)
class Nowhere(DerivedObjective):
    """A bound that says nothing, of a network that its theorem is not about.

    Attributes:
        limit: what stands for it, as a function of the keep probability.
    """

    limit: Callable[[FloatArray], FloatArray]

    def bound(self, plans: Plans) -> Bound:
        shape = np.broadcast_shapes(plans.keep_prob.shape, plans.shape)
        return Bound({"largest_gradient": np.broadcast_to(self.limit(plans.keep_prob), shape)})


@dataclass(frozen=True, slots=True)
class BesideObjective(DerivedObjective):
    """A certified bound beside one with other constants: of the very P_R that those draw R by.

    Attributes:
        share: r of that P_R at stepsizes, keep probabilities and iterations, where it is `matched`.
    """

    share: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]

    def bound(self, plans: Plans) -> Bound:
        schedule = plans.schedule
        if schedule.stopping == "matched" and schedule.decay > 0:
            share = self.share(plans.stepsize, plans.keep_prob, plans.iterations)
            # Where there is no such P_R the stepsize is out of the certified range too.
            drawn = MatchedTo(np.where(np.isfinite(share), share, 0.0))
            plans = replace(plans, schedule=Schedule(schedule.decay, drawn))
        return self.inner.bound(plans)


def objective_for(problem: Problem, constants: str, *, everywhere: bool = True) -> Objective:
    """The objective of one set of constants: what its bound says at any stepsize.

    Outside their range certified bounds are the largest gradient possible, and others infinite.

    Args:
        problem, constants: what the bound is of.
        everywhere: whether certified bounds are capped at the largest gradient inside their range too.
    """
    theorem = theorem_for(problem, constants)

    def limit(zeta: FloatArray) -> FloatArray:
        return largest_gradient(problem, zeta) if theorem.proven else np.full(np.shape(zeta), np.inf)

    if theorem.refusal(problem):
        return Nowhere(theorem.objective, limit)
    return CappedObjective(theorem.objective, limit, everywhere and theorem.proven)


def certified_beside(
    problem: Problem, drawn_by: ConstantsName, constants: ConstantsName = "certified"
) -> Objective:
    """A proven bound at the P_R that is shown, which `matched` makes a matter of `drawn_by`."""
    objective = objective_for(problem, constants)
    if theorem_of(problem.kind, drawn_by) is theorem_of(problem.kind, constants):
        return objective
    return BesideObjective(
        objective, lambda stepsize, zeta, n: matched_share(problem, drawn_by, stepsize, zeta, n)
    )


def check_problem(problem: Problem, constants: ConstantsName) -> None:
    """Refuse what has no useful answer: constants that overflow, and data without a gradient.

    Raises:
        HypothesisError: the theorem is not about the network; its constants overflow; or every input is
            zero, or so close to it that the certified stepsize would be infinite.
    """
    refused = theorem_of(problem.kind, constants).refusal(problem)
    # What is measured, or about an optimiser that nothing is proven of, is to train by, without a bound.
    if not about(constants).measured and provable(problem.kind, problem.optimizer):
        refused = refusal(problem, constants)
    if refused:
        raise refused
    theorems = [theorem_for(problem, name) for name in BY_THEOREM]
    objectives = [theorem.objective for theorem in theorems if not theorem.refusal(problem)]
    one = np.ones(1)
    with np.errstate(over="ignore", invalid="ignore"):
        scales = [objective.smallest_batch(one, 1.0) for objective in objectives]
        # Where nothing can be proven gradients may have no bound at all.
        limit = largest_gradient(problem, one) if objectives else np.zeros(1)
    if not all(np.all(value < _LARGEST) for value in (*scales, limit)):
        raise HypothesisError(
            f"leads to constants too large for any number with these layers; got "
            f"{max(problem.weight_bounds, default=0):g}; lower it, or use fewer or narrower layers",
            quantity=problem.limit_key,
        )
    flat = not problem.tied and len(problem.layers) == 2
    norm, mean = problem.moments.squared_norm, problem.moments.mean
    if theorem_of(problem.kind, constants).proven and flat and norm < _SMALLEST_NORM:
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
class Plan:
    """One choice of every hyper-parameter."""

    stepsize: FloatArray
    keep_prob: float
    batch_size: float
    iterations: float
    schedule: Schedule

    def matched_share(self, problem: Problem, constants: ConstantsName) -> float:
        """r of the P_R that `matched` stands for here: see the function of this name."""
        at = np.asarray(self.stepsize), np.asarray(self.keep_prob), np.asarray(self.iterations)
        return float(matched_share(problem, constants, *at))

    def bound(self, objective: Objective) -> Bound:
        """The bound here; terms are 0-d arrays."""
        terms = objective.bound(_together([self])).terms
        if terms.get("largest_gradient", np.zeros(1))[0] > 0:  # it stands in for all others
            terms = {"largest_gradient": terms["largest_gradient"]}
        return Bound({name: np.asarray(value[0]) for name, value in terms.items()})


def bounds_at(objective: Objective, plans: Sequence[Plan]) -> FloatArray:
    """The bounds of plans of one schedule, in one call, which costs hardly more than that of one."""
    return objective.bound(_together(plans)).value


def _together(plans: Sequence[Plan]) -> Plans:
    """Plans of one schedule as arrays."""
    return Plans(
        np.stack([plan.stepsize for plan in plans]),
        np.asarray([plan.keep_prob for plan in plans]),
        np.asarray([plan.batch_size for plan in plans]),
        np.asarray([plan.iterations for plan in plans]),
        plans[0].schedule,
    )


def plan_at(
    problem: Problem,
    *,
    stepsize: float | Sequence[float],
    batch_size: int,
    iterations: int,
    keep_prob: float,
    decay: float,
    stopping: Stopping,
) -> Plan:
    """The point of these hyper-parameters; one stepsize stands for all layers of a multilayer network."""
    gamma = np.asarray(stepsize, dtype=np.float64)
    if problem.layered:
        gamma = np.broadcast_to(gamma, (problem.stepsizes,)).copy()
    return Plan(gamma, keep_prob, float(batch_size), float(iterations), Schedule(decay, stopping))


def attempted(problem: Problem, point: Plan, constants: ConstantsName) -> tuple[float | None, str]:
    """(the bound, "") or (None, why there is none): outside a theorem's range, in its own words."""
    try:
        if refused := refusal(problem, constants):
            raise refused
        value = float(point.bound(objective_for(problem, constants)).value)
        if not np.isfinite(value):
            with np.errstate(all="ignore"):
                point.bound(theorem_for(problem, constants).objective)
    except HypothesisError as error:
        about = error.quantity or "stepsize"
        return None, f"the {about.partition('[')[0]} {error}"
    return (value, "") if np.isfinite(value) else (None, "it is not a finite number")


def stepsize_range(problem: Problem, point: Plan, constants: ConstantsName) -> tuple[float, int]:
    """(open upper end, index of the layer) of a theorem's stepsizes, of the layer that is furthest beyond."""
    objective = theorem_for(problem, constants).objective
    tops = np.atleast_1d(objective.largest_stepsizes(np.asarray([point.keep_prob]))[0])
    with np.errstate(divide="ignore"):  # a theorem that is not about the network may allow none
        worst = int(np.argmax(np.atleast_1d(point.stepsize) / tops))
    return float(tops[worst]), worst


@dataclass(frozen=True, slots=True)
class Judged:
    """A bound of one plan beside the certified one at the very same P_R: what can be relied on.

    Attributes:
        bound, certified: with their terms; the certified one, which is the bound itself where that is proven,
            never exceeds the limit.
        limit: the largest squared gradient norm possible.
        measured: whether the constants of the bound were measured; nothing is proven by such.
    """

    bound: Bound
    certified: Bound
    limit: float
    measured: bool

    @property
    def value(self) -> float:
        """The bound; inf where its theorem does not reach."""
        return float(self.bound.value)

    @property
    def sure(self) -> float:
        """The certified bound."""
        return float(self.certified.value)

    @property
    def bounded(self) -> bool:
        """Whether there is a bound."""
        return math.isfinite(self.value)

    @property
    def above(self) -> bool:
        """Whether the certified bound is above it, so that it is not proven for this data."""
        return self.sure > self.value and not self.measured

    @property
    def proven(self) -> bool:
        """Whether it holds for all data of these moments."""
        return self.bounded and self.sure <= self.value and not self.measured

    @property
    def vacuous(self) -> bool:
        """Whether no squared gradient norm can be larger anyway."""
        return self.value >= self.limit

    @property
    def certified_vacuous(self) -> bool:
        """The same of the certified bound."""
        return self.sure >= self.limit


def judge(
    problem: Problem, plan: Plan, constants: ConstantsName, objective: Objective | None = None
) -> Judged:
    """The bound of a plan by these constants, beside the certified one, as far as there are any.

    Args:
        problem, plan: what the bound is of.
        constants: whose; `matched` stopping is that of them.
        objective: in place of the problem's own with these constants.
    """
    limit = float(largest_gradient(problem, np.asarray(plan.keep_prob)))
    bound, sure = (Bound({"largest_gradient": np.asarray(value)}) for value in (math.inf, limit))
    if _about(problem, plan, constants):
        bound = plan.bound(objective or objective_for(problem, constants))
    own = constants if theorem_of(problem.kind, constants).proven else "certified"
    if _about(problem, plan, own):
        sure = plan.bound(certified_beside(problem, constants, own))
    return Judged(bound, sure, limit, about(constants).measured)


def _about(problem: Problem, plan: Plan, constants: ConstantsName) -> bool:
    """Whether these constants have a theorem about the optimiser and the schedule."""
    optimizer = problem.optimizer
    theorem = theorem_of(problem.kind, constants, optimizer.name)
    return covers(problem.kind, constants, optimizer) and (plan.schedule.plain or not theorem.plain_only)


def gradient_stepsize(problem: Problem, keep_prob: float, constants: ConstantsName) -> float | None:
    """Stepsize of the projected gradient that is bounded; None where it is the one trained with."""
    if not theorem_of(problem.kind, constants).gradient_at:  # measured constants may not be there to ask
        return None
    return float(theorem_for(problem, constants).gradient_stepsize(np.asarray(keep_prob)))


def equation(kind: str, constants: str, schedule: Schedule, *, dropout: bool) -> str:
    """Where the bound comes from, as the reader would look it up; of SGD."""
    return theorem_of(kind, constants).equation(schedule, dropout=dropout)


def equation_for(problem: Problem, constants: str, schedule: Schedule, *, dropout: bool) -> str:
    """The same of a problem with its optimiser."""
    return theorem_of(problem.kind, constants, problem.optimizer.name).equation(schedule, dropout=dropout)
