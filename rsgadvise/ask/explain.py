"""`explain`: why the bound of a spec is what it is, what it rests on, and what would change it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from rsgadvise.advise.evaluate import BoundReport, evaluate, fixed_plan
from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.wording import TERM_WORDS
from rsgadvise.ask.assumptions import CHOSEN, SYMBOLS, Hypothesis, hypotheses_of, spec_at
from rsgadvise.errors import HypothesisError, InfeasibleError, SpecError
from rsgadvise.records import dataclass
from rsgadvise.spec import changed_spec, with_statistics
from rsgadvise.spec.problem import resolve, stopping_of
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.judge import attempted, check_problem
from rsgadvise.theory.problem import Assumption, Problem
from rsgadvise.theory.theorems import theorem_of, usual_constants

if TYPE_CHECKING:
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.spec import Spec


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
        value: the value now.
        doubled, halved: the changed value, whole numbers rounded down; None where there is none.
        factor, factor_halved: changed bound over the bound, all else held; evaluated, not extrapolated.
        note: why a factor is missing, and what else had to move.
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
        statistics: the same with scaling and targets.

    Raises:
        InfeasibleError: something is open, and nothing can be recommended.
        HypothesisError: the network or its data lead to no useful constants.
    """
    constants = constants or usual_constants(spec.network, spec.training.chosen_optimizer)
    known = with_statistics(spec, measured or {})
    training, notes, assumed = _training(known, constants)
    fixed = spec_at(known, {key: training[key].value for key in CHOSEN})
    problem = resolve(fixed)
    plan = fixed_plan(fixed, problem)
    report = evaluate(fixed, constants=constants)
    hypotheses = hypotheses_of(
        spec, problem, plan, constants=constants, statistics=statistics, proven=report.proven
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
        training=training,
        terms=tuple(_terms(report, problem, {each.id for each in hypotheses}, plain=plan.schedule.plain)),
        assumptions=hypotheses,
        knobs=tuple(
            _knob(fixed, constants, key, value, report.bound)
            for key, value in _knob_values(known, problem, training, constants)
        ),
        notes=(*notes, *report.notes),
        assumed=assumed,
    )


def _training(
    spec: Spec, constants: ConstantsName
) -> tuple[dict[str, TrainingValue], tuple[str, ...], tuple[Assumption, ...]]:
    """(values, notes, what the advice assumed): what the spec leaves open is that of rank 1 of `recommend`.

    Raises:
        InfeasibleError: something is open, and nothing can be recommended.
    """
    given: dict[str, Any] = {key: getattr(spec.training, key) for key in CHOSEN}
    stopping = stopping_of(spec)
    named = str(stopping)
    if isinstance(stopping, tuple):
        named = f"a list of {len(stopping)} probabilities"
        given["iterations"] = given["iterations"] or len(stopping)
    notes: tuple[str, ...] = ()
    advice = recommend(spec, constants=constants, top=1)
    if advice.recommendations:
        best = advice.recommendations[0]
        advised: dict[str, Any] = {key: getattr(best, key) for key in CHOSEN}
    else:
        reason = advice.infeasible.reason if advice.infeasible else "nothing is feasible"
        if None in (given["stepsize"], given["batch_size"], given["iterations"]):
            raise InfeasibleError(f"nothing to explain: {reason}")
        # All that a bound needs is there: it has a value, whatever target or budget it misses.
        advised = {"keep_prob": 1.0, "decay": 0.0}
        notes = (f"These values are no advice: {reason}.",)
    defaults = {
        "keep_prob": not spec.network.masked,
        "decay": "decay" not in spec.search.model_fields_set,
    }
    found = {}
    for key in CHOSEN:
        if given[key] is not None:
            found[key] = TrainingValue(given[key], "given")
        else:
            chosen = advice.recommendations and not defaults.get(key)
            found[key] = TrainingValue(advised[key], "advised" if chosen else "default")
    found["stopping"] = TrainingValue(named, "default" if spec.training.stopping is None else "given")
    return found, notes, advice.assumed


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


def _terms(
    report: BoundReport, problem: Problem, hypotheses: Collection[str], *, plain: bool
) -> Iterator[Term]:
    """Each term with its formula, its source and what it rests on.

    Args:
        report: the bound. problem: what it is of.
        hypotheses: ids of those that apply to this network.
        plain: constant stepsize and uniform R.
    """
    total = sum(report.terms.values())
    theorem = theorem_of(problem.kind, report.constants, problem.optimizer.name)
    formulas = theorem.plain if plain else theorem.general
    for name, value in report.terms.items():
        limit = name == "largest_gradient"
        yield Term(
            name=name,
            value=value,
            share=value / total if total > 0 else 0.0,
            formula=problem.limit_in_symbols if limit else formulas[name],
            words=TERM_WORDS[name],
            source="largest gradient possible, docs/theory.md" if limit else report.equation,
            assumptions=tuple(each for each in (*_EVERYWHERE, *_RESTS_ON[name]) if each in hypotheses),
        )


# The bound with one value doubled or halved: evaluated again, not extrapolated from a slope.

_LARGEST = {"training.keep_prob": 1.0, "training.decay": 2.0}


def _knob_values(
    spec: Spec, problem: Problem, training: Mapping[str, TrainingValue], constants: ConstantsName
) -> Iterator[tuple[str, Any]]:
    """What the bound could depend on, as it is now; what is 0 stays 0 by any factor."""
    values: dict[str, Any] = {f"training.{key}": training[key].value for key in CHOSEN}
    if not problem.masked:
        del values["training.keep_prob"]
    if isinstance(spec.training.stopping, tuple):  # which has one probability for each iteration
        del values["training.iterations"]
    values |= {f"network.layers[{place}]": width for place, width in enumerate(problem.layers)}
    if problem.weight_bounds:
        bounds = problem.weight_bounds
        values[problem.limit_key] = bounds if len(set(bounds)) > 1 else bounds[0]
    values["training.initial_loss"] = problem.initial_loss
    if problem.layered and len(problem.layers) > 2:
        values["training.pretraining.tolerance"] = problem.pretraining
    used = theorem_of(problem.kind, constants).moments_used(problem)
    if any(getattr(spec.data, name) is None for name in used):  # a worst case, which the others decide
        used = tuple(SYMBOLS)
    values |= {f"data.{name}": getattr(problem.moments, name) for name in used}
    for key, value in values.items():
        if any(value) if isinstance(value, tuple) else value:
            yield key, value


def _knob(fixed: Spec, constants: ConstantsName, key: str, value: Any, bound: float) -> Knob:
    values: list[Any] = []
    factors: list[float | None] = []
    notes: dict[str, str] = {}
    for word, factor in (("doubled", 2.0), ("halved", 0.5)):
        changed = _scaled(key, value, factor)
        ratio, note = None, ""
        if changed is not None:
            changes, note = _changes(fixed, key, changed)
            there, why = _bound_at(fixed, changes, constants, key)
            if there is None:
                # Where there is no bound here either, it is said once, and not of every knob.
                note = why if math.isfinite(bound) else ""
            elif math.isfinite(bound) and bound > 0:
                ratio = there / bound
            else:
                note = f"the bound there is {there:.4g}"
        if note:
            notes[word] = note
        values.append(changed)
        factors.append(ratio)
    alike = len(notes) == 2 and len(set(notes.values())) == 1
    note = notes["halved"] if alike else "; ".join(f"{word}: {note}" for word, note in notes.items())
    return Knob(key, value, values[0], factors[0], values[1], factors[1], note)


def _scaled(key: str, value: Any, factor: float) -> Any:
    """The value doubled or halved, as far as there is one; None where that is none or no change."""
    if isinstance(value, tuple):
        return tuple(factor * each for each in value)
    if isinstance(value, int):
        return int(factor * value) or None
    found = min(factor * value, _LARGEST.get(key, math.inf))
    return None if found == value else found


def _changes(fixed: Spec, key: str, value: Any) -> tuple[dict[str, Any], str]:
    """(keys to set, what has to move along): one width stands for the whole list of layers."""
    if not key.startswith("network.layers["):
        return {key: value}, ""
    layers, place = list(fixed.network.layers), int(key[len("network.layers[") : -1])
    changes: dict[str, Any] = {"network.layers": (*layers[:place], value, *layers[place + 1 :])}
    given = fixed.data.top_eigenvalue
    if place > 0 or given is None:
        return changes, ""
    # Per input the moments stay, and an eigenvalue of so many more inputs grows with their number.
    changes["data.top_eigenvalue"] = given * value / layers[0]
    return changes, "data.top_eigenvalue along with it"


def _bound_at(
    fixed: Spec, changes: Mapping[str, Any], constants: ConstantsName, key: str
) -> tuple[float | None, str]:
    """(the bound with the changes, "") or (None, why there is none)."""
    try:
        problem = resolve(spec := changed_spec(fixed, changes))
        check_problem(problem, constants)
        found, why = attempted(problem, fixed_plan(spec, problem), constants)
    except (SpecError, HypothesisError) as error:
        why = error.message if isinstance(error, SpecError) else str(error)
        about = error.key if isinstance(error, SpecError) else error.quantity
        found, why = None, why if not about or key.endswith(about) else f"{about} {why}"
    return found, why.partition(";")[0]  # what to do about it is for a spec that has the value
