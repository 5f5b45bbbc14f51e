"""`explain`: why the bound of a spec is what it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from rsgadvise.advise.evaluate import evaluate, fixed_plan
from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.wording import TERM_WORDS
from rsgadvise.ask.explain.hypotheses import beside_the_certified, hypotheses_of
from rsgadvise.ask.explain.knobs import knobs_of
from rsgadvise.ask.explain.results import Explanation, Hypothesis, Term, TrainingValue
from rsgadvise.errors import InfeasibleError
from rsgadvise.records import dataclass
from rsgadvise.spec import changed_spec, with_statistics
from rsgadvise.spec.problem import resolve, stopping_of
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.theorems import theorem_of, usual_constants

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.spec import Spec
    from rsgadvise.theory.judge import Plan
    from rsgadvise.theory.problem import Assumption, Problem


# The spec that is explained, with every training value fixed.

_CHOSEN = ("stepsize", "batch_size", "iterations", "keep_prob", "decay")
"""What training needs and a spec may leave open."""


@dataclass(frozen=True, slots=True)
class _Situation:
    """One spec under explanation.

    Attributes:
        fixed: it with every training value fixed; problem, point: the same as numbers.
        training: those values and their sources.
        notes: what had to be decided on the way.
        assumed: values that nobody gave.
    """

    fixed: Spec
    problem: Problem
    point: Plan
    training: Mapping[str, TrainingValue]
    notes: tuple[str, ...]
    assumed: tuple[Assumption, ...]


def _situation_of(spec: Spec, constants: ConstantsName) -> _Situation:
    """Fix what the spec leaves open as `recommend` would, rank 1.

    Raises:
        InfeasibleError: something is open, and nothing can be recommended.
        HypothesisError: the network or its data lead to no useful constants.
    """
    training = spec.training
    given: dict[str, Any] = {key: getattr(training, key) for key in _CHOSEN}
    if given["iterations"] is None and isinstance(training.stopping, tuple):
        given["iterations"] = len(training.stopping)
    notes: list[str] = []
    advice = recommend(spec, constants=constants, top=1)
    if advice.recommendations:
        best = advice.recommendations[0]
        advised: dict[str, Any] = {key: getattr(best, key) for key in _CHOSEN}
    elif None not in (given["stepsize"], given["batch_size"], given["iterations"]):
        # All that a bound needs is there: it has a value, whatever target or budget it misses.
        advised = {"keep_prob": 1.0, "decay": 0.0}
        notes.append(f"These values are no advice: {advice.infeasible.reason if advice.infeasible else ''}.")
    else:
        reason = advice.infeasible.reason if advice.infeasible else "nothing is feasible"
        raise InfeasibleError(f"nothing to explain: {reason}")
    values = {key: advised[key] if given[key] is None else given[key] for key in _CHOSEN}
    fixed = _spec_at(spec, values)
    sources: dict[str, TrainingValue] = {}
    for key, value in values.items():
        source: Literal["given", "advised", "default"] = "advised" if advice.recommendations else "default"
        if given[key] is not None:
            source = "given"
        elif _only_one(spec, key):
            source = "default"
        sources[key] = TrainingValue(value, source)
    named = training.stopping is not None
    sources["stopping"] = TrainingValue(_stopping_words(spec), "given" if named else "default")
    problem = resolve(fixed)
    return _Situation(fixed, problem, fixed_plan(fixed, problem), sources, tuple(notes), advice.assumed)


def _spec_at(spec: Spec, values: Mapping[str, Any]) -> Spec:
    """The spec with its training values fixed."""
    return changed_spec(spec, {f"training.{key}": value for key, value in values.items()})


def _only_one(spec: Spec, key: str) -> bool:
    """Whether there was nothing to choose, and nobody said so."""
    if key == "keep_prob":
        return not spec.network.masked
    return key == "decay" and "decay" not in spec.search.model_fields_set


def _stopping_words(spec: Spec) -> str:
    stopping = stopping_of(spec)
    return f"a list of {len(stopping)} probabilities" if isinstance(stopping, tuple) else str(stopping)


# The terms of a bound in symbols, words and sources.

_EVERYWHERE = ("network", "inputs", "targets")
_RESTS_ON: Mapping[str, tuple[str, ...]] = {
    "initial_error": ("suboptimality", "stepsize", "smoothness", "stopping", "sampling", "box", "masks"),
    "late_stopping": ("stepsize", "smoothness", "stopping", "sampling", "box", "masks"),
    "gradient_noise": ("variance", "moments", "sampling", "stepsize", "smoothness", "masks"),
    "output_noise": ("variance", "sampling", "stepsize", "smoothness", "masks"),
    "top_hidden_noise": ("variance", "pretraining", "sampling", "stepsize", "smoothness", "masks"),
    "lower_hidden_noise": ("variance", "pretraining", "sampling", "stepsize", "smoothness", "masks"),
    "projection_noise": ("cross_term", "variance", "moments", "sampling", "masks", "box"),
    "largest_gradient": ("moments",),
}


def explained_terms(
    terms: Mapping[str, float],
    *,
    problem: Problem,
    constants: str,
    plain: bool,
    equation: str,
    hypotheses: Collection[str],
) -> tuple[Term, ...]:
    """Each term with its formula, its source and what it rests on.

    Args:
        terms: value by name; they sum to the bound.
        problem, constants: of the network, and whose.
        plain: constant stepsize and uniform R.
        equation: where the bound comes from.
        hypotheses: ids of those that apply to this network.
    """
    total = sum(terms.values())
    theorem = theorem_of(problem.kind, constants, problem.optimizer.name)
    formulas = theorem.formulas(problem, plain=plain)
    found = []
    for name, value in terms.items():
        limit = name == "largest_gradient"
        needed = (*_EVERYWHERE, *_RESTS_ON[name])
        found.append(
            Term(
                name=name,
                value=value,
                share=value / total if total > 0 else 0.0,
                formula=problem.limit_in_symbols if limit else formulas[name],
                words=TERM_WORDS[name],
                source="largest gradient possible, docs/theory.md" if limit else equation,
                assumptions=tuple(each for each in needed if each in hypotheses),
            )
        )
    return tuple(found)


# What `explain` says of the assumptions, for an advice that is there already.


def assumptions_of(
    spec: Spec,
    advice: Advice,
    *,
    measured: Mapping[str, float | int | None] | None = None,
    statistics: DataStatistics | None = None,
) -> tuple[Hypothesis, ...]:
    """The assumptions that `explain` lists for a spec, at the first rank of its advice.

    Args:
        spec: as given.
        advice: what `recommend` found for it; without a rank, only what is assumed whatever the plan.
        measured: statistics of the data file by spec key.
        statistics: the same with scaling and targets.
    """
    known = with_statistics(spec, measured or {})
    if not advice.recommendations:
        problem = resolve(known)
        return hypotheses_of(spec, problem, None, constants=advice.constants, statistics=statistics)
    best = advice.recommendations[0]
    values = {key: getattr(best, key) for key in _CHOSEN}
    if spec.training.stopping is None:
        values["stopping"] = best.stopping
    fixed = _spec_at(known, values)
    problem = resolve(fixed)
    loss = next((each.value for each in advice.measured if each.name == "initial_loss"), problem.initial_loss)
    problem = replace(problem, initial_loss=loss)
    found = hypotheses_of(
        spec,
        problem,
        fixed_plan(fixed, problem),
        constants=advice.constants,
        statistics=statistics,
        measured=advice.measured,
    )
    return tuple(beside_the_certified(each, proven=best.proven) for each in found)


def explain(
    spec: Spec,
    *,
    constants: ConstantsName | None = None,
    measured: Mapping[str, float | int | None] | None = None,
    statistics: DataStatistics | None = None,
) -> Explanation:
    """The bound term by term at the spec's training values, and what would change it.

    Values that the spec leaves open are those of rank 1 of `recommend`.

    Args:
        spec: a valid spec.
        constants: the paper's, or certified ones.
        measured: statistics of the data file by spec key, which replace those in the spec.
        statistics: the same with standard errors and scaling.

    Raises:
        InfeasibleError: something is open, and nothing can be recommended.
        HypothesisError: the network or its data lead to no useful constants.
    """
    known = with_statistics(spec, measured or {})
    problem = resolve(known)
    constants = constants or usual_constants(problem, problem.optimizer)
    situation = _situation_of(known, constants)
    report = evaluate(situation.fixed, constants=constants)
    hypotheses = tuple(
        beside_the_certified(each, proven=report.proven)
        for each in hypotheses_of(
            spec, situation.problem, situation.point, constants=constants, statistics=statistics
        )
    )
    return Explanation(
        kind=report.kind,
        layers=report.layers,
        constants=constants,
        equation=report.equation,
        bound=report.bound,
        certified_bound=report.certified_bound,
        largest_gradient=report.largest_gradient,
        proven=report.proven,
        vacuous=report.vacuous,
        training=situation.training,
        terms=explained_terms(
            report.terms,
            problem=situation.problem,
            constants=constants,
            plain=situation.point.schedule.plain,
            equation=report.equation,
            hypotheses={each.id for each in hypotheses},
        ),
        assumptions=hypotheses,
        knobs=knobs_of(situation.fixed, situation.problem, constants, report.bound),
        notes=(*situation.notes, *report.notes),
        assumed=situation.assumed,
    )
