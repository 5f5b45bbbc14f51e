"""`bound`: the bound at hyper-parameters that the spec fixes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rsgadvise.advise import wording
from rsgadvise.advise.elasticity import elasticities
from rsgadvise.advise.recommend import doubts
from rsgadvise.advise.results import Stepsize, as_stepsize
from rsgadvise.errors import HypothesisError
from rsgadvise.records import dataclass
from rsgadvise.spec.problem import resolve, stopping_of
from rsgadvise.theory import FLOORLESS, ConstantsName
from rsgadvise.theory.judge import (
    Plan,
    certified_beside,
    check_problem,
    equation_for,
    gradient_stepsize,
    judge,
    plan_at,
)
from rsgadvise.theory.problem import Assumption, Problem
from rsgadvise.theory.theorems import proven_constants, refusal, theorem_for, usual_constants

if TYPE_CHECKING:
    from rsgadvise.spec import Spec


@dataclass(frozen=True, slots=True)
class OtherGradient:
    """A proven bound of the same plan on another projected gradient.

    Attributes:
        constants: whose. bound: never above the largest gradient possible.
        gradient_stepsize: of the projected gradient that it bounds.
    """

    constants: ConstantsName
    bound: float
    gradient_stepsize: Stepsize


@dataclass(frozen=True, slots=True)
class BoundReport:
    """A bound at given hyper-parameters, inf outside its range; attributes as in `Recommendation`.

    Attributes:
        other_gradient: what is proven without a noise floor, or with one where the bound itself has none;
            None without a box.
    """

    kind: str
    layers: tuple[int, ...]
    constants: ConstantsName
    equation: str
    stepsize: Stepsize
    decay: float
    batch_size: int
    iterations: int
    keep_prob: float
    dropout_rate: float
    bound: float
    terms: Mapping[str, float]
    certified_bound: float
    certified_terms: Mapping[str, float]
    largest_gradient: float
    as_printed: float | None
    proven: bool
    vacuous: bool
    elasticities: Mapping[str, float]
    notes: tuple[str, ...]
    assumed: tuple[Assumption, ...]
    other_gradient: OtherGradient | None = None


def evaluate(
    spec: Spec,
    *,
    constants: ConstantsName | None = None,
    measured: Mapping[str, float | int | None] | None = None,
) -> BoundReport:
    """The bound at the spec's fixed training values, its terms, and whether it is proven.

    Args:
        spec: must fix training.stepsize, batch_size and iterations; keep_prob defaults to 1 and
            decay to 0.
        constants: the paper's, or certified ones.
        measured: statistics of the data file by spec key.

    Raises:
        HypothesisError: a value is missing, or the network or its data lead to no useful constants.
    """
    problem = resolve(spec, measured)
    constants = constants or usual_constants(problem, problem.optimizer)
    check_problem(problem, constants)
    assumed = list(problem.assumed)
    if spec.training.keep_prob is None and problem.masked:
        assumed.append(Assumption("training.keep_prob", 1.0, "no dropout"))
    point = fixed_plan(spec, problem)
    keep_prob = point.keep_prob
    judged = judge(problem, point, constants)
    notes = doubts(problem, point, constants, judged)
    if problem.samples is not None and point.batch_size > problem.samples:
        notes.append(wording.LARGER_THAN_DATA)
    return BoundReport(
        kind=problem.kind,
        layers=problem.layers,
        constants=constants,
        equation=equation_for(problem, constants, point.schedule, dropout=keep_prob < 1),
        stepsize=as_stepsize(point.stepsize),
        decay=point.schedule.decay,
        batch_size=int(point.batch_size),
        iterations=int(point.iterations),
        keep_prob=keep_prob,
        dropout_rate=1 - keep_prob,
        bound=judged.value,
        terms=judged.bound.numbers if judged.bounded else {},
        certified_bound=judged.sure,
        certified_terms=judged.certified.numbers,
        largest_gradient=judged.limit,
        as_printed=theorem_for(problem, constants).as_printed(
            point.stepsize, point.batch_size, point.iterations, point.schedule
        ),
        proven=judged.proven,
        vacuous=judged.vacuous,
        elasticities=elasticities(problem, constants, point) if judged.bounded else {},
        notes=tuple(notes),
        assumed=tuple(assumed),
        other_gradient=_other_gradient(problem, point, constants),
    )


def _other_gradient(problem: Problem, point: Plan, constants: ConstantsName) -> OtherGradient | None:
    """Of the two proven bounds of a network in a box the one that is about another projected gradient."""
    name = "certified" if constants == FLOORLESS else FLOORLESS
    if name not in proven_constants(problem.kind) or refusal(problem, name):
        return None
    length = gradient_stepsize(problem, point.keep_prob, name)
    value = float(point.bound(certified_beside(problem, constants, name)).value)
    return OtherGradient(name, value, as_stepsize(point.stepsize) if length is None else length)


def fixed_plan(spec: Spec, problem: Problem) -> Plan:
    """The spec's fixed training values; keep_prob defaults to 1 and decay to 0.

    Raises:
        HypothesisError: stepsize, batch size or iterations are missing.
    """
    training = spec.training
    stopping = stopping_of(spec)
    iterations = training.iterations
    if iterations is None and isinstance(stopping, tuple):
        iterations = len(stopping)
    given = {"stepsize": training.stepsize, "batch_size": training.batch_size, "iterations": iterations}
    absent = [f"training.{key}" for key, value in given.items() if value is None]
    if absent:
        raise HypothesisError(
            f"must be given to evaluate a bound; absent: {', '.join(absent)}; set each, or use "
            "`rsgadvise recommend` to have them chosen",
            quantity=absent[0],
        )
    return plan_at(
        problem,
        stepsize=training.stepsize or 0.0,
        batch_size=training.batch_size or 0,
        iterations=iterations or 0,
        keep_prob=1.0 if training.keep_prob is None else training.keep_prob,
        decay=training.decay or 0.0,
        stopping=stopping,
    )
