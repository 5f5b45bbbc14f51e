"""The bound with one value doubled or halved: evaluated again, not extrapolated from a slope."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rsgadvise.advise.evaluate import fixed_plan
from rsgadvise.ask.explain.checks import statistics_of
from rsgadvise.ask.explain.results import Knob
from rsgadvise.errors import HypothesisError, SpecError
from rsgadvise.records import dataclass
from rsgadvise.spec import changed_spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.judge import check_problem, objective_for
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems import theorem_for

if TYPE_CHECKING:
    from rsgadvise.spec import Spec

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
        found = _whole(value, factor)
        if found is None:
            return _Change(note=f"{value} cannot be halved")
        return _Change(found, {key: found}, _rounded(value, factor))

    return _Handle(key, value, change)


def _keep_prob(value: float) -> _Handle:
    def change(factor: float) -> _Change:
        found = min(1.0, factor * value)
        if found == value:
            return _Change(note="already 1")
        return _Change(found, {"training.keep_prob": found}, "" if found == factor * value else "up to 1")

    return _Handle("training.keep_prob", value, change)


def _decay(value: float) -> _Handle:
    def change(factor: float) -> _Change:
        if value == 0 and factor < 1:
            return _Change(note="0 stays 0")
        found = factor * value if value else _FIRST_DECAY
        found = min(found, _LARGEST_DECAY)
        if found == value:
            return _Change(note=f"already {_LARGEST_DECAY:g}")
        note = "" if found == factor * value else f"to {found:g}"
        return _Change(found, {"training.decay": found}, note)

    return _Handle("training.decay", value, change)


def _layer(fixed: Spec, index: int) -> _Handle:
    layers, data = fixed.network.layers, fixed.data
    given, norm = data.top_eigenvalue, data.largest_norm

    def change(factor: float) -> _Change:
        found = _whole(layers[index], factor)
        if found is None:
            return _Change(note=f"{layers[index]} cannot be halved")
        changes: dict[str, Any] = {
            "network.layers": tuple(found if place == index else width for place, width in enumerate(layers))
        }
        notes = [_rounded(layers[index], factor)]
        if index == 0 and given is not None:
            # Per input the moments stay, and an eigenvalue of so many more inputs grows with their number.
            changes["data.top_eigenvalue"] = given * found / layers[0]
            notes.append("data.top_eigenvalue along with it")
        if index == 0 and norm is not None:
            changes["data.largest_norm"] = norm * math.sqrt(found / layers[0])
            notes.append("data.largest_norm with its root")
        return _Change(found, changes, ", ".join(note for note in notes if note))

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
