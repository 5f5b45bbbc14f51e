"""How far an input may change before another choice ranks first, by bisection on the real ranking."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rsgadvise.ask.explain.results import Flip
from rsgadvise.ask.explain.situation import TAKES_LONG, Ranking, Situation, ranking_of
from rsgadvise.errors import HypothesisError, SpecError
from rsgadvise.records import dataclass
from rsgadvise.spec import changed_spec
from rsgadvise.theory.search import distinct, geometric, whole_number
from rsgadvise.theory.theorems import theorem_of

if TYPE_CHECKING:
    from rsgadvise.spec import Spec
    from rsgadvise.theory import ConstantsName


FURTHEST = 100.0
"""Inputs are changed by a factor of up to this much either way."""

_PER_DECADE = 6
_TOLERANCE = 1e-7
_LARGEST_RATIO = 1e9  # samples' worth of time that an iteration may take on top


class _NotAllowedError(Exception):
    """A value breaks a rule of specs, or leaves no ranking."""


class _NoPlanError(_NotAllowedError):
    """A value that specs allow leaves no ranking."""


@dataclass(frozen=True, slots=True)
class _Input:
    """One continuous input; `changes` sets it to a value."""

    key: str
    value: float
    changes: Callable[[float], Mapping[str, Any]]
    start: float | None = None
    """Smallest value looked at above `value`, where that is 0."""
    whole: bool = False
    enters: bool = True
    """Whether the ranking can depend on it."""
    end: tuple[float, str] | None = None
    """Where larger values lose their meaning, and why."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A search one way: where it flipped and to what, or how far it got."""

    at: float | None
    then: str | None
    reached: float
    note: str = ""


def flips_of(situation: Situation) -> tuple[tuple[Flip, ...], str]:
    """The nearest flip by each input, and a sentence on how the choices were compared.

    A range of batch sizes stands for the candidates that the ranking has now: in between, the best batch
    size moves with every change, which is no other choice.
    """
    if not situation.open:
        return (), "Nothing is open, so there is no ranking that could flip."
    spec, constants = situation.spec, situation.constants
    if not situation.ranks(spec):
        return (), f"Left out are flips of the ranking, and advice with changed values: {TAKES_LONG}."
    ranking = ranking_of(spec, constants)
    if ranking.missing:
        return (), f"There is no ranking that could flip: {ranking.missing}."
    note = ""
    if ranking.space.batch_range:
        sizes = tuple(int(batch) for batch in distinct(ranking.rows.batch))
        spec = changed_spec(spec, {"search.batch_size": sizes})
        ranking = ranking_of(spec, constants)
        listed = ", ".join(f"{size:,}" for size in sizes)
        note = f"Flips are among the batch sizes {listed}, not the whole range."
    if len({ranking.choice(index) for index in range(ranking.rows.batch.size)}) < 2:
        return (), "There is one candidate only, so that nothing can flip."

    return tuple(_flip(spec, constants, ranking, each) for each in _inputs(situation, ranking)), note


def _flip(spec: Spec, constants: ConstantsName, ranking: Ranking, moved: _Input) -> Flip:
    now = ranking.choice(0)
    words = ranking.words(now)
    if not moved.enters:
        note = "the ranking does not depend on it"
        return Flip(moved.key, moved.value, None, None, words, None, moved.value, moved.value, note)
    if moved.start is None and moved.value == 0:
        return Flip(moved.key, 0.0, None, None, words, None, 0.0, 0.0, "0 stays 0 by any factor")

    def allowed(value: float) -> Spec:
        """The spec with the value.

        Raises:
            _NotAllowedError: it breaks a rule.
        """
        try:
            return changed_spec(spec, moved.changes(value))
        except SpecError as error:
            where = "" if error.key == moved.key else f"{error.key} "
            raise _NotAllowedError(f"{where}{error.message.partition(';')[0]}") from None

    def outcome(value: float) -> str | None:
        """Words of what is first instead; None for the same.

        Raises:
            _NotAllowedError: the value is not allowed, or leaves no plan.
        """
        changed = allowed(value)
        try:
            there = ranking_of(changed, constants)
        except HypothesisError as error:
            raise _NoPlanError(str(error).partition(";")[0]) from None
        if there.missing:
            raise _NoPlanError(there.missing)
        choice = there.choice(0)
        return None if choice == now else there.words(choice)

    ways = []
    if moved.start is None:
        ways.append(_search(outcome, allowed, moved.value, moved.value / FURTHEST))
        ways.append(_upwards(outcome, allowed, moved))
    else:
        ways.append(_search(outcome, allowed, moved.start, _LARGEST_RATIO))
    found = [way for way in ways if way.at is not None]
    low, high = min(way.reached for way in ways), max(way.reached for way in ways)
    if moved.start is not None:
        low = moved.value
    notes = dict.fromkeys(way.note for way in ways if way.note)
    if not found:
        return Flip(moved.key, moved.value, None, None, words, None, low, high, "; ".join(notes))
    nearest = min(found, key=lambda way: abs(math.log((way.at or 1) / (moved.value or 1))))
    at = nearest.at if nearest.at is None or not moved.whole else float(max(1, whole_number(nearest.at)))
    factor = at / moved.value if at is not None and moved.value else None
    return Flip(moved.key, moved.value, at, factor, words, nearest.then, low, high, "; ".join(notes))


def _upwards(
    outcome: Callable[[float], str | None], allowed: Callable[[float], Spec], moved: _Input
) -> _Found:
    """Look above the value of now, as far as larger ones mean anything."""
    furthest = moved.value * FURTHEST
    if moved.end is None or moved.end[0] >= furthest or moved.end[0] < moved.value:
        return _search(outcome, allowed, moved.value, furthest)
    end, why = moved.end
    way = _search(outcome, allowed, moved.value, end) if end > moved.value else _Found(None, None, end)
    return way if way.at is not None or way.note else replace(way, note=f"beyond {end:g}: {why}")


def _search(
    outcome: Callable[[float], str | None], allowed: Callable[[float], Spec], start: float, end: float
) -> _Found:
    """Look from start to end at even steps of the logarithm, then bisect the first step with a flip."""
    steps = max(1, whole_number(abs(math.log10(end) - math.log10(start)) * _PER_DECADE))

    def same(value: float) -> bool:
        try:
            return outcome(value) is None
        except _NotAllowedError:  # a gap between allowed values is not crossed
            return True

    last = start
    for value in geometric(start, end, steps + 1).tolist():
        here, end_note = value, ""
        try:
            then = outcome(here)
        except _NotAllowedError as error:
            # A rule is checked at once; only where no plan is left does it take a ranking to see.
            check = outcome if isinstance(error, _NoPlanError) else allowed
            here = _bisected(last, value, lambda v, check=check: _succeeds(check, v))[0]  # type: ignore[misc]
            try:
                then, end_note = outcome(here), f"beyond {here:.4g}: {error}"
            except _NotAllowedError as nothing:  # not even now, where the value is only assumed
                return _Found(None, None, last, f"beyond {last:.4g}: {nothing}")
        if then is not None:
            at = here if here == start else _bisected(last, here, same)[1]
            return _Found(at, outcome(at), at)
        if end_note:
            return _Found(None, None, here, end_note)
        last = here
    return _Found(None, None, last)


def _succeeds(check: Callable[[float], object], value: float) -> bool:
    try:
        check(value)
    except _NotAllowedError:
        return False
    return True


def _bisected(inside: float, outside: float, holds: Callable[[float], bool]) -> tuple[float, float]:
    """Neighbours of the edge, to a relative 1e-9, between a value where it holds and one where not."""
    while abs(math.log(outside) - math.log(inside)) > _TOLERANCE:
        middle = math.sqrt(inside) * math.sqrt(outside)  # their product may be too small for a number
        if middle in (inside, outside):
            break
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside, outside


def _inputs(situation: Situation, ranking: Ranking) -> Iterator[_Input]:
    """The inputs that the ranking could depend on."""
    spec, problem = situation.spec, situation.problem
    theorem = theorem_of(problem.kind, situation.constants)
    used = theorem.moments_used(problem)
    derived = any(getattr(spec.data, name) is None for name in used)  # a worst case, set by the others
    for name in dict.fromkeys(("mean", "mean_square", *used)):
        value = getattr(problem.moments, name)
        yield replace(_plain(f"data.{name}", value), enters=derived or name in used)
    yield _plain("training.initial_loss", problem.initial_loss)
    if problem.weight_bounds:
        bounds = problem.weight_bounds
        largest = max(bounds)
        yield _Input(
            problem.limit_key,
            largest,
            lambda w: {problem.limit_key: tuple(each * w / largest for each in bounds)},
        )
    if theorem.pretrained(problem):
        alpha = _plain("training.pretraining.tolerance", problem.pretraining)
        yield replace(alpha, end=(1.0, "there is no pretraining, for which alpha = 1 stands"))
    if spec.training.stepsize is not None and not isinstance(spec.training.stepsize, tuple):
        yield _plain("training.stepsize", spec.training.stepsize)
    if spec.target is not None:
        yield _plain("target.eps", spec.target.eps)
        yield _plain("target.delta", spec.target.delta)
    if spec.budget is not None:
        if spec.budget.samples is not None:
            yield _Input(
                "budget.samples",
                float(spec.budget.samples),
                lambda v: {"budget.samples": max(1, whole_number(v))},
                whole=True,
            )
        for name in ("epochs", "seconds"):
            value = getattr(spec.budget, name)
            if value is not None:
                yield _plain(f"budget.{name}", value)
    if ranking.space.goal is not None or (spec.budget is not None and spec.budget.seconds is not None):
        yield _cost(ranking)


def _plain(key: str, value: float) -> _Input:
    return _Input(key, value, lambda v: {key: v})


def _cost(ranking: Ranking) -> _Input:
    """t0/t1, the time of an iteration in samples' worth of time; without a cost model it is 0."""
    per_iteration, per_sample = ranking.space.cost or (0.0, 1.0)
    key = "cost.per_iteration / cost.per_sample"

    def changes(ratio: float) -> Mapping[str, Any]:
        return {"cost.per_iteration": ratio * per_sample, "cost.per_sample": per_sample}

    if per_sample == 0:
        # t1 = 0 is an infinite ratio: what could change is how much a sample takes.
        return _Input(
            "cost.per_sample / cost.per_iteration",
            0.0,
            lambda share: {"cost.per_iteration": per_iteration, "cost.per_sample": share * per_iteration},
            start=1 / _LARGEST_RATIO,
        )
    ratio = per_iteration / per_sample
    return _Input(key, ratio, changes, start=None if ratio else 1e-3)
