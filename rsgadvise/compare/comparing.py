"""`compare`: which spec has the better guarantee, and by how much.

Bounds are upper limits. A smaller one says that a smaller gradient, or an earlier one, is promised; it never
says that training is faster, since the other spec may stay as far below its own bound as it likes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.results import Advice, Recommendation
from rsgadvise.advise.wording import taken
from rsgadvise.bounds.objective import ConstantsName
from rsgadvise.compare.results import Compared, Comparison, Guarantee
from rsgadvise.compare.wording import notes_on, verdict_of
from rsgadvise.errors import HypothesisError, UsageError
from rsgadvise.spec import changed_spec, with_statistics

if TYPE_CHECKING:
    from rsgadvise.spec import Spec

__all__ = ["Candidate", "compare"]

Measure = Literal["bound", "samples", "seconds"]
_SETS: tuple[ConstantsName, ...] = ("paper", "certified")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One spec to be compared.

    Attributes:
        name: unique among them.
        spec: valid.
        measured: statistics of its data file by spec key.
        notes: on its data.
    """

    name: str
    spec: Spec
    measured: Mapping[str, float | int | None] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    """The advice of one set of constants, or why there is none."""

    advice: Advice | None
    reason: str = ""

    @property
    def best(self) -> Recommendation | None:
        return self.advice.recommendations[0] if self.advice and self.advice.recommendations else None


def compare(candidates: Sequence[Candidate], *, constants: ConstantsName | None = None) -> Comparison:
    """Rank specs by what is guaranteed at equal resources, or by the cost of meeting the same target.

    Without a target every spec is advised for the smallest number of samples N B that any of them is
    advised on its own; what a spec fixes stays. With the same target in all, the cheapest plan of each is
    compared, in seconds where all say what an iteration costs, else in samples.

    Args:
        candidates: two or more.
        constants: whose ranking and training to show; the verdict is about both. None for the paper's, or
            for certified ones where only these have a plan.

    Raises:
        UsageError: fewer than two, or two different targets.
    """
    if len(candidates) < 2:
        raise UsageError(f"compare needs two or more specs; got {len(candidates)}; name another")
    specs = [with_statistics(each.spec, each.measured or {}) for each in candidates]
    to_target = _same_target(candidates)
    by: Measure = "bound"
    if to_target:
        by = "seconds" if all(spec.cost is not None for spec in specs) else "samples"
        if by == "samples":  # some have no cost: samples for all, or they could not be compared
            specs = [_without_cost(spec) for spec in specs]
    else:
        specs = [spec.model_copy(update={"target": None}) for spec in specs]
    answers = {each: [_answer(spec, each) for spec in specs] for each in _SETS}
    none = constants is None and not any(answer.best for answer in answers["paper"])
    other = none and any(answer.best for answer in answers["certified"])
    constants = constants or ("certified" if other else "paper")
    common = None
    if not to_target:
        needed = [answer.best.samples for answer in answers[constants] if answer.best is not None]
        common = min(needed) if needed else None
        if common is not None:
            answers = {each: _within(specs, answers[each], each, common) for each in _SETS}
    promised = {each: _ranked([_guarantee(a, by, each) for a in answers[each]]) for each in _SETS}
    rows = [
        _compared(
            candidate,
            answers[constants][index],
            common=common,
            own=promised[constants][index],
            promised={each: promised[each][index] for each in _SETS},
        )
        for index, candidate in enumerate(candidates)
    ]
    beyond = {
        candidate.name: best.samples
        for index, candidate in enumerate(candidates)
        for each in _SETS
        if common is not None and (best := answers[each][index].best) is not None and best.samples > common
    }
    rows.sort(key=lambda row: math.inf if row.rank is None else row.rank)
    return Comparison(
        specs=tuple(rows),
        constants=constants,
        compared_by=by,
        common_samples=common,
        verdict=verdict_of(rows, by, common=common, beyond=beyond),
        notes=(
            *([taken("paper", "certified")] if other and to_target else []),
            *notes_on(rows, specs, dropped_targets=not to_target and any(c.spec.target for c in candidates)),
        ),
    )


def _same_target(candidates: Sequence[Candidate]) -> bool:
    """Whether all have one target.

    Raises:
        UsageError: some have targets that differ.
    """
    targets = {c.name: (c.spec.target.eps, c.spec.target.delta) for c in candidates if c.spec.target}
    if len(set(targets.values())) > 1:
        (one, first), (other, second) = next(
            (pair, other) for pair in targets.items() for other in targets.items() if pair[1] != other[1]
        )
        raise UsageError(
            f"targets must be the same to be compared; got eps {first[0]:g}, delta {first[1]:g} in {one} and "
            f"eps {second[0]:g}, delta {second[1]:g} in {other}; give one with --set target.eps={first[0]:g} "
            f"--set target.delta={first[1]:g}"
        )
    return len(targets) == len(candidates)


def _without_cost(spec: Spec) -> Spec:
    budget = spec.budget
    if budget is not None:
        budget = budget.model_copy(update={"seconds": None})
    return spec.model_copy(update={"cost": None, "budget": budget})


def _answer(spec: Spec, constants: ConstantsName) -> _Answer:
    try:
        advice = recommend(spec, constants=constants, top=1)
    except HypothesisError as error:
        about = f"{error.quantity} " if error.quantity else ""
        return _Answer(None, f"No {constants} bound: {about}{error}.")
    if advice.infeasible is not None:
        return _Answer(advice, f"No plan with {constants} constants: {advice.infeasible.reason}.")
    return _Answer(advice)


def _within(
    specs: Sequence[Spec], answers: Sequence[_Answer], constants: ConstantsName, common: int
) -> list[_Answer]:
    """The advice for no more samples than all can have; what is fixed beyond that stays."""
    found = []
    for spec, answer in zip(specs, answers, strict=True):
        if answer.best is not None and answer.best.samples > common:
            # A limit of its own is larger, since the answer keeps to it.
            again = _answer(changed_spec(spec, {"budget.samples": common}), constants)
            found.append(again if again.best is not None else answer)
        else:
            found.append(answer)
    return found


def _guarantee(answer: _Answer, by: Measure, constants: ConstantsName) -> Guarantee:
    best = answer.best
    if best is None:
        return Guarantee(None, notes=(answer.reason,))
    if by == "bound":
        value = best.certified_bound if constants == "certified" else best.bound
    else:
        value = float(best.total_samples if best.seconds is None or by == "samples" else best.seconds)
    if not math.isfinite(value):
        return Guarantee(None, notes=(f"No {constants} bound at this stepsize.",))
    return Guarantee(value, vacuous=best.vacuous)


def _ranked(found: Sequence[Guarantee]) -> list[Guarantee]:
    """With ranks, equal ones for equal values, and ratios to the best."""
    values = sorted(each.value for each in found if each.value is not None)
    ranked = []
    for each in found:
        if each.value is None:
            ranked.append(each)
            continue
        best = values[0]
        ratio = each.value / best if best > 0 else (1.0 if each.value == best else None)
        ranked.append(replace(each, rank=values.index(each.value) + 1, ratio=ratio))
    return ranked


def _compared(
    candidate: Candidate,
    answer: _Answer,
    *,
    common: int | None,
    own: Guarantee,
    promised: Mapping[ConstantsName, Guarantee],
) -> Compared:
    paper, certified = promised["paper"], promised["certified"]
    best, advice = answer.best, answer.advice
    notes = [*candidate.notes, *paper.notes, *certified.notes]
    equal = common is None or best is None or best.samples <= common
    if best is not None:
        notes += best.notes
        if not equal:
            notes.append(
                f"What the spec fixes takes {best.samples:,} samples, more than the {common:,} of the "
                "others: not equal resources."
            )
    bound = best.bound if best is not None and math.isfinite(best.bound) else None
    limit = advice.largest_gradient if advice is not None else None
    return Compared(
        name=candidate.name,
        kind=candidate.spec.network.kind,
        layers=tuple(candidate.spec.network.layers),
        bound=bound,
        certified_bound=None if best is None else best.certified_bound,
        largest_gradient=limit,
        relative=None if bound is None or not limit else bound / limit,
        proven=best is not None and best.proven,
        vacuous=best is not None and best.vacuous,
        stepsize=None if best is None else best.stepsize,
        decay=None if best is None else best.decay,
        batch_size=None if best is None else best.batch_size,
        iterations=None if best is None else best.iterations,
        runs=None if best is None else best.runs,
        keep_prob=None if best is None else best.keep_prob,
        samples=None if best is None else best.total_samples,
        seconds=None if best is None else best.seconds,
        equal_resources=equal,
        rank=own.rank,
        ratio=own.ratio,
        paper=paper,
        certified=certified,
        assumed=() if advice is None else advice.assumed,
        notes=tuple(dict.fromkeys(notes)),
    )
