"""`explain`: why the bound of a spec is what it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from rsgadvise.advise.evaluate import evaluate, fixed_plan
from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.wording import TERM_WORDS
from rsgadvise.ask.explain.checks import Hypothesis, statistics_of
from rsgadvise.ask.explain.hypotheses import beside_the_certified, hypotheses_of
from rsgadvise.errors import HypothesisError, InfeasibleError, SpecError
from rsgadvise.records import dataclass
from rsgadvise.spec import changed_spec, with_statistics
from rsgadvise.spec.problem import resolve, stopping_of
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.judge import check_problem, objective_for
from rsgadvise.theory.problem import Assumption, Problem
from rsgadvise.theory.theorems import theorem_for, theorem_of, usual_constants

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.spec import Spec
    from rsgadvise.theory.judge import Plan
    from rsgadvise.theory.problem import Assumption, Problem


@dataclass(frozen=True, slots=True)
class TrainingValue:
    """A value that the bound is evaluated at; `source`: given, advised or default."""

    value: Any
    source: Literal["given", "advised", "default"]


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the bound.

    Attributes:
        name: as in the terms of `bound`.
        value: the terms sum to the bound.
        share: value / bound.
        formula: in the symbols of docs/theory.md.
        words: what it is, and what shrinks it.
        source: theorem and equation.
        assumptions: ids of the hypotheses that it rests on.
    """

    name: str
    value: float
    share: float
    formula: str
    words: str
    source: str
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Knob:
    """What doubling and halving one value does to the bound.

    Attributes:
        key: dotted key of the spec.
        value: the value now, as the explanation uses it.
        doubled, halved: the changed value; None where the spec's rules or the theorem do not allow it.
        factor, factor_halved: changed bound over the bound, all else held; evaluated, not extrapolated.
        note: why a value is missing, and what else had to move.
    """

    key: str
    value: Any
    doubled: Any
    factor: float | None
    halved: Any
    factor_halved: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A bound, explained.

    Attributes:
        kind, layers: of the network.
        constants, equation: whose bound, and where it comes from.
        bound, certified_bound, largest_gradient, proven, vacuous: as in `bound`.
        training: the values it is evaluated at, with where they come from.
        terms, assumptions, knobs: see there.
        notes: plain sentences on the whole.
        assumed: values that nobody gave.
    """

    kind: str
    layers: tuple[int, ...]
    constants: ConstantsName
    equation: str
    bound: float
    certified_bound: float
    largest_gradient: float
    proven: bool
    vacuous: bool
    training: Mapping[str, TrainingValue]
    terms: tuple[Term, ...]
    assumptions: tuple[Hypothesis, ...]
    knobs: tuple[Knob, ...]
    notes: tuple[str, ...]
    assumed: tuple[Assumption, ...]


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


# The bound with one value doubled or halved: evaluated again, not extrapolated from a slope.

_FIRST_DECAY = 0.1  # what stands for the double of no decay
_LARGEST_DECAY = 2.0


@dataclass(frozen=True, slots=True)
class _Change:
    """One value in another size: what to set, or why there is none."""

    value: Any = None
    changes: Mapping[str, Any] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Handle:
    """A knob: its value, and the change that each factor makes."""

    key: str
    value: Any
    change: Callable[[float], _Change]


def knobs_of(fixed: Spec, problem: Problem, constants: ConstantsName, bound: float) -> tuple[Knob, ...]:
    """Every value that the bound could depend on, doubled and halved.

    Args:
        fixed: what is explained, with every training value; problem: the same as numbers.
        constants: whose bound. bound: there.
    """

    def at(changes: Mapping[str, Any]) -> float:
        return _bound_at(changed_spec(fixed, changes), constants)

    return tuple(_knob(handle, at, bound) for handle in _handles(fixed, problem))


def _bound_at(spec: Spec, constants: ConstantsName) -> float:
    """The bound at the spec's fixed values, as `bound` gives it.

    Raises:
        HypothesisError: outside the theorem's range, in its words.
    """
    problem = resolve(spec)
    check_problem(problem, constants)
    theorem = theorem_for(problem, constants)
    objective = objective_for(problem, constants) if theorem.proven else theorem.objective
    return float(fixed_plan(spec, problem).bound(objective).value)


def _knob(handle: _Handle, at: Callable[[Mapping[str, Any]], float], bound: float) -> Knob:
    values: list[Any] = []
    factors: list[float | None] = []
    notes: list[str] = []
    for word, factor in (("doubled", 2.0), ("halved", 0.5)):
        change = handle.change(factor)
        ratio: float | None = None
        note = change.note
        if change.changes is not None:
            try:
                there = at(change.changes)
                ratio = _ratio(there, bound)
                if ratio is None:
                    note = _without_ratio(there, bound)
            except (SpecError, HypothesisError) as error:
                # Where there is no bound here either, it is said once, and not of every knob.
                note = _reason(error, handle.key) if math.isfinite(bound) else ""
        if note:
            notes.append(note if note in notes else f"{word}: {note}")
        values.append(change.value)
        factors.append(ratio)
    return Knob(
        key=handle.key,
        value=handle.value,
        doubled=values[0],
        factor=factors[0],
        halved=values[1],
        factor_halved=factors[1],
        note="; ".join(notes),
    )


def _ratio(value: float, base: float) -> float | None:
    return value / base if base > 0 and math.isfinite(value) and math.isfinite(base) else None


def _without_ratio(value: float, base: float) -> str:
    """Why a bound has no ratio to another."""
    if not math.isfinite(value):
        return "the bound is no finite number there"
    return "the bound here is 0" if math.isfinite(base) else f"the bound there is {value:.4g}"


def _reason(error: SpecError | HypothesisError, key: str) -> str:
    """Why a change is not possible, with the key that the rule is about where it is another one."""
    rule = error.message if isinstance(error, SpecError) else str(error)
    about = error.key if isinstance(error, SpecError) else error.quantity
    rule = rule.partition(";")[0]  # what to do about it is for a spec that has the value, not for this one
    return rule if not about or key.endswith(about) else f"{about} {rule}"


def _handles(fixed: Spec, problem: Problem) -> Iterator[_Handle]:
    training: Any = fixed.training  # where nothing is open
    yield _stepsize(training.stepsize)
    yield _count("training.batch_size", training.batch_size)
    if isinstance(training.stopping, tuple):
        listed = _Change(note="the stopping list has one probability per iteration")
        yield _Handle("training.iterations", training.iterations, lambda _: listed)
    else:
        yield _count("training.iterations", training.iterations)
    if problem.masked:
        yield _keep_prob(training.keep_prob)
    yield _decay(training.decay)
    yield from (_layer(fixed, index) for index in range(len(problem.layers)))
    if problem.weight_bounds:
        yield _weight_bound(problem)
    yield _real("training.initial_loss", problem.initial_loss)
    if problem.layered and len(problem.layers) > 2:
        yield _real("training.pretraining.tolerance", problem.pretraining)
    for name in statistics_of(problem):
        yield _real(f"data.{name}", getattr(problem.moments, name))


def _stepsize(value: float | tuple[float, ...]) -> _Handle:
    def change(factor: float) -> _Change:
        scaled = tuple(factor * each for each in value) if isinstance(value, tuple) else factor * value
        return _Change(scaled, {"training.stepsize": scaled})

    return _Handle("training.stepsize", value, change)


def _real(key: str, value: float) -> _Handle:
    def change(factor: float) -> _Change:
        if value == 0:
            return _Change(note="0 stays 0")
        return _Change(factor * value, {key: factor * value})

    return _Handle(key, value, change)


def _whole(value: int, factor: float) -> int | None:
    """The changed count, rounded down; None where nothing is left."""
    return int(value * 2) if factor > 1 else value // 2 or None


def _rounded(value: int, factor: float) -> str:
    return f"rounded down to {value // 2:,}" if factor < 1 and value % 2 else ""


def _count(key: str, value: int) -> _Handle:
    def change(factor: float) -> _Change:
        changed = _whole(value, factor)
        if changed is None:
            return _Change(note=f"{value} cannot be halved")
        return _Change(changed, {key: changed}, _rounded(value, factor))

    return _Handle(key, value, change)


def _keep_prob(value: float) -> _Handle:
    def change(factor: float) -> _Change:
        changed = min(1.0, factor * value)
        if changed == value:
            return _Change(note="already 1")
        return _Change(
            changed, {"training.keep_prob": changed}, "" if changed == factor * value else "up to 1"
        )

    return _Handle("training.keep_prob", value, change)


def _decay(value: float) -> _Handle:
    def change(factor: float) -> _Change:
        if value == 0 and factor < 1:
            return _Change(note="0 stays 0")
        changed = factor * value if value else _FIRST_DECAY
        changed = min(changed, _LARGEST_DECAY)
        if changed == value:
            return _Change(note=f"already {_LARGEST_DECAY:g}")
        note = "" if changed == factor * value else f"to {changed:g}"
        return _Change(changed, {"training.decay": changed}, note)

    return _Handle("training.decay", value, change)


def _layer(fixed: Spec, index: int) -> _Handle:
    layers, data = fixed.network.layers, fixed.data
    given, norm = data.top_eigenvalue, data.largest_norm

    def change(factor: float) -> _Change:
        changed = _whole(layers[index], factor)
        if changed is None:
            return _Change(note=f"{layers[index]} cannot be halved")
        changes: dict[str, Any] = {
            "network.layers": tuple(
                changed if place == index else width for place, width in enumerate(layers)
            )
        }
        notes = [_rounded(layers[index], factor)]
        if index == 0 and given is not None:
            # Per input the moments stay, and an eigenvalue of so many more inputs grows with their number.
            changes["data.top_eigenvalue"] = given * changed / layers[0]
            notes.append("data.top_eigenvalue along with it")
        if index == 0 and norm is not None:
            changes["data.largest_norm"] = norm * math.sqrt(changed / layers[0])
            notes.append("data.largest_norm with its root")
        return _Change(changed, changes, ", ".join(note for note in notes if note))

    return _Handle(f"network.layers[{index}]", layers[index], change)


def _weight_bound(problem: Problem) -> _Handle:
    bounds = problem.weight_bounds
    value: float | tuple[float, ...] = bounds[0] if len(set(bounds)) == 1 else bounds

    def change(factor: float) -> _Change:
        if not any(bounds):
            return _Change(note="0 stays 0")
        scaled = tuple(factor * each for each in value) if isinstance(value, tuple) else factor * value
        return _Change(scaled, {problem.limit_key: scaled})

    return _Handle(problem.limit_key, value, change)


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
    hypotheses = hypotheses_of(
        spec,
        problem,
        fixed_plan(fixed, problem),
        constants=advice.constants,
        statistics=statistics,
        measured=advice.measured,
    )
    return tuple(beside_the_certified(each, proven=best.proven) for each in hypotheses)


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
