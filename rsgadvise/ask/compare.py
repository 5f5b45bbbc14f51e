"""`compare`: which spec has the better guarantee, and by how much.

Bounds are upper limits. A smaller one says that a smaller gradient, or an earlier one, is promised; it never
says that training is faster, since the other spec may stay as far below its own bound as it likes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from rsgadvise.advise import wording
from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.results import Advice, Recommendation, Stepsize
from rsgadvise.advise.wording import taken
from rsgadvise.errors import HypothesisError, InfeasibleError, UsageError
from rsgadvise.kinds import KINDS
from rsgadvise.records import dataclass
from rsgadvise.spec import changed_spec, with_statistics
from rsgadvise.spec.problem import resolve
from rsgadvise.theory import BY_THEOREM, ConstantsName

if TYPE_CHECKING:
    from rsgadvise.ask.verify.from_spec import Values
    from rsgadvise.spec import Spec
    from rsgadvise.theory.problem import Assumption


# What a comparison holds: plain frozen records that a report renders without computing.


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What one set of constants promises for one spec, at the training that they advise.

    Attributes:
        value: what is compared: the bound, never above the largest gradient possible with certified
            constants; or with a target the samples or seconds that it takes. None: there is none.
        rank: among the specs, 1 is best; equal values share a rank. ratio: to the best value.
        vacuous: the bound is no better than the largest squared gradient possible.
        notes: why there is none.
    """

    value: float | None
    rank: int | None = None
    ratio: float | None = None
    vacuous: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """E||grad f(W^R)||^2 over training runs.

    Attributes:
        mean: None where no run came to an end.
        lower, upper: of the mean over the starts; they hold for all specs together, with the
            comparison's confidence, at any number of runs.
        standard_error: of the mean over all possible starts.
        starts: W^1 that were drawn. runs: replicas, over all starts.
        initial_loss, final_loss: f(W^1), and f(W^R) in the mean.
        notes: of the training.
    """

    mean: float | None
    lower: float | None
    upper: float | None
    standard_error: float | None
    starts: int
    runs: int
    initial_loss: float
    final_loss: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """One spec, at the training that the chosen constants advise within what all have.

    Attributes:
        name: the file, with a number where a name comes twice.
        bound: with the chosen constants; None where there is no plan or no bound.
        certified_bound, proven, vacuous, stepsize, ...: of that training, as in `recommend`.
        relative: bound over the largest squared gradient possible.
        samples, seconds: over all runs.
        equal_resources: whether it takes no more samples than the others; with a target always.
        rank, ratio: by the chosen constants: those of `paper` or `certified`.
        paper, certified: what each set of constants promises at the training that it advises itself.
        assumed: values of its problem and search that nobody gave.
        measured: with --measure.
        notes: plain sentences.
    """

    name: str
    kind: str
    layers: tuple[int, ...]
    bound: float | None
    certified_bound: float | None
    largest_gradient: float | None
    relative: float | None
    proven: bool
    vacuous: bool
    stepsize: Stepsize | None
    decay: float | None
    batch_size: int | None
    iterations: int | None
    runs: int | None
    keep_prob: float | None
    samples: int | None
    seconds: float | None
    equal_resources: bool
    rank: int | None
    ratio: float | None
    paper: Guarantee
    certified: Guarantee
    assumed: tuple[Assumption, ...] = ()
    measured: Measured | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasuredVerdict:
    """Whose measured gradient is smaller.

    Attributes:
        smallest: the spec with the smallest mean; None: too few were measured, or several share it.
        significant: whether it lies below every other one.
        approximate: by Welch's test on the means of the starts, not by limits that hold in any case.
        confidence: 1 minus the probability that the limits are wrong anywhere.
        text: in a sentence.
    """

    smallest: str | None
    significant: bool
    approximate: bool
    confidence: float
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who has the better guarantee.

    Attributes:
        text: in sentences.
        paper, certified: the spec whose guarantee is best with these constants; None: none has one, or
            several share it.
        agree: whether both name the same; None where one names nobody.
        proven: the best guarantee is certified and not vacuous. What is proven is the guarantee, not that
            training is faster.
        measured: with --measure.
    """

    text: str
    paper: str | None
    certified: str | None
    agree: bool | None
    proven: bool
    measured: MeasuredVerdict | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Specs side by side.

    Attributes:
        specs: in the order of their rank.
        constants: that rank them.
        compared_by: bound at equal samples, or the samples or seconds to the target.
        common_samples: what each may take, N B; None with a target.
        verdict: see there. notes: what to mind.
        interrupted: the user ended the measuring early.
    """

    specs: tuple[Compared, ...]
    constants: ConstantsName
    compared_by: Literal["bound", "samples", "seconds"]
    common_samples: int | None
    verdict: Verdict
    notes: tuple[str, ...]
    interrupted: bool = False


# The sentences of a comparison: what follows from bounds, and what does not.

NOT_SPEED = (
    "A bound is an upper limit: a better guarantee promises more, and does not prove that training is faster."
)
NO_GUARANTEE = "No spec has a guarantee of SGD, with the paper's constants or with certified ones."
_NEAR = 1.02
_WORDS = {
    "bound": "a bound {ratio} times smaller than that of {next}",
    "samples": "the target after {ratio} times fewer samples than {next}",
    "seconds": "the target {ratio} times sooner than {next}",
}


def verdict_of(
    rows: Sequence[Compared],
    by: Literal["bound", "samples", "seconds"],
    *,
    common: int | None,
    beyond: Mapping[str, int],
) -> Verdict:
    """Who has the better guarantee with each set of constants, and whether they agree.

    Args:
        rows: compared.
        by: what is compared.
        common: samples that each may take; None with a target.
        beyond: the specs that fix more samples than that, and how many they take.
    """
    if not any(getattr(row, each).value is not None for row in rows for each in BY_THEOREM):
        return Verdict(NO_GUARANTEE, None, None, None, proven=False)
    verdicts: dict[str, str | None] = {}
    sentences = []
    for constants in BY_THEOREM:
        promises = [(row.name, getattr(row, constants)) for row in rows]
        ranked = sorted((pair for pair in promises if pair[1].rank), key=lambda pair: pair[1].rank)
        verdicts[constants], sentence = _best(ranked, constants, by)
        sentences.append(sentence)
    paper, certified = (verdicts[each] for each in BY_THEOREM)
    proven = any(row.name == certified and not row.certified.vacuous for row in rows)
    agree = None if paper is None or certified is None else paper == certified
    if agree is not None:
        sentences.append(f"The two sets of constants {'agree' if agree else 'disagree'}.")
    if beyond:
        takes = "; ".join(f"{name} takes {many:,}" for name, many in beyond.items())
        sentences.append(
            f"These guarantees are not at equal samples, since what is fixed stays: {takes}, where at most "
            f"{common:,} would be equal."
        )
    sentences.append(NOT_SPEED)
    return Verdict(" ".join(sentences), paper, certified, agree, proven=proven)


def _best(ranked: Sequence[tuple[str, Guarantee]], constants: str, by: str) -> tuple[str | None, str]:
    """The spec whose guarantee is best, and a sentence on it."""
    start = f"With {constants} constants"
    if not ranked:
        return None, f"{start} no spec has a guarantee."
    if all(promise.vacuous for _, promise in ranked):
        return None, f"{start} every bound is vacuous, so that no spec has a guarantee."
    if len(ranked) == 1:
        return ranked[0][0], f"{start} {ranked[0][0]} alone has a guarantee."
    (name, first), (other, second) = ranked[:2]
    if first.value == second.value:
        return None, f"{start} {name} and {other} have the same guarantee."
    assert first.value is not None
    assert second.value is not None
    if first.value == 0:
        sentence = f"{start} {name} has the better guarantee: 0."
    else:
        ratio = second.value / first.value
        words = _WORDS[by].format(ratio=f"{ratio:.4g}", next=other)
        sentence = f"{start} {name} has the better guarantee: {words}."
        if ratio <= _NEAR:
            sentence += " That is a near tie."
    if first.vacuous:
        sentence += f" It is the largest gradient that {name} can have, trained or not."
    return name, sentence


def notes_on(rows: Sequence[Compared], specs: Sequence[Spec]) -> tuple[str, ...]:
    """What makes the compared quantities different."""
    notes = []
    kinds = sorted({row.kind for row in rows})
    if len(kinds) > 1:
        losses = ", ".join(f"{KINDS[kind].equation} for {kind}" for kind in kinds)
        notes.append(
            f"The specs have different objectives: {losses}. Their gradients are not the same quantity, and "
            "the ratio of two bounds does not say which network learns better."
        )
        free = [kind for kind in kinds if not KINDS[kind].boxed]
        if free:
            notes.append(f"The gradient of {free[0]} is the plain one; the others are projected on a box.")
    elif len({row.layers for row in rows}) > 1:
        notes.append(
            "The networks differ in size, and larger ones have larger gradients: `of limit` sets each bound "
            "against the largest squared gradient that its own network can have."
        )
    data = {
        (spec.data.mean, spec.data.mean_square, spec.data.second_moment, spec.data.top_eigenvalue)
        for spec in specs
    }
    if len(data) > 1:
        notes.append("The specs describe different data.")
    losses_given = {spec.training.initial_loss for spec in specs}
    if None in losses_given and len(losses_given) > 1:
        notes.append(
            "f(W1) is given in some specs and assumed to be the largest possible in others, which favours "
            "those that give it."
        )
    return tuple(notes)


Measure = Literal["bound", "samples", "seconds"]


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
    """The advice of one set of constants, or why there is none, and what then is trained with."""

    advice: Advice | None
    reason: str = ""
    values: Values | None = None  # to train with, where no theorem is about it

    @property
    def best(self) -> Recommendation | None:
        return self.advice.recommendations[0] if self.advice and self.advice.recommendations else None

    @property
    def samples(self) -> int | None:
        """N B of one run; None where nothing is trained."""
        if self.best is not None:
            return self.best.samples
        return self.values.batch_size * self.values.iterations if self.values else None


def compare(candidates: Sequence[Candidate], *, constants: ConstantsName | None = None) -> Comparison:
    """Rank specs by what is guaranteed at equal resources, or by the cost of meeting the same target.

    Without a target every spec is advised for the smallest number of samples N B that any of them is
    advised on its own; what a spec fixes stays. With the same target in all, the cheapest plan of each is
    compared, in seconds where all say what an iteration costs, else in samples. A spec whose training no
    theorem is about has no guarantee: it is there to be trained, with what is typical for its data.

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
    bounded = [resolve(spec).has_sgd_bound for spec in specs]
    to_target = _same_target(candidates) and all(bounded)
    aside = []
    if not to_target and any(each.spec.target for each in candidates):
        why = "target, so that all are left aside; set one for all with --set"
        aside = [f"Not every spec has a {why if all(bounded) else 'bound, so that targets are left aside'}."]
    by: Measure = "bound"
    if to_target:
        by = "seconds" if all(spec.cost is not None for spec in specs) else "samples"
        if by == "samples":  # some have no cost: samples for all, or they could not be compared
            specs = [_without_cost(spec) for spec in specs]
    else:
        specs = [spec.model_copy(update={"target": None}) for spec in specs]
    names = tuple(dict.fromkeys((*BY_THEOREM, *([] if constants is None else [constants]))))
    answers = [_answers(spec, names) for spec in specs]
    first, second = BY_THEOREM
    none = constants is None and not any(found[first].best for found in answers)
    other = none and any(found[second].best for found in answers)
    constants = constants or (second if other else first)
    needed = [found[constants].samples or 0 for found in answers if found[constants].samples]
    common = None if to_target or not needed else min(needed)
    if common is not None:
        answers = [_within(spec, found, common) for spec, found in zip(specs, answers, strict=True)]
    promised = {each: _ranked([_guarantee(found[each], by, each) for found in answers]) for each in names}
    rows = [
        _compared(
            candidate,
            answers[index][constants],
            common=common,
            own=promised[constants][index],
            promised={each: promised[each][index] for each in BY_THEOREM},
        )
        for index, candidate in enumerate(candidates)
    ]
    beyond = {
        candidate.name: answer.samples or 0
        for candidate, found in zip(candidates, answers, strict=True)
        for answer in found.values()
        if common is not None and (answer.samples or 0) > common
    }
    rows.sort(key=lambda row: math.inf if row.rank is None else row.rank)
    return Comparison(
        specs=tuple(rows),
        constants=constants,
        compared_by=by,
        common_samples=common,
        verdict=verdict_of(rows, by, common=common, beyond=beyond),
        notes=(
            *([taken(first, second)] if other and to_target else []),
            *notes_on(rows, specs),
            *aside,
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


def _answers(spec: Spec, names: Sequence[ConstantsName]) -> dict[ConstantsName, _Answer]:
    if not resolve(spec).has_sgd_bound:
        return dict.fromkeys(names, _unbounded(spec))
    return {each: _answer(spec, each) for each in names}


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
    spec: Spec, answers: Mapping[ConstantsName, _Answer], common: int
) -> dict[ConstantsName, _Answer]:
    """The answers for no more samples than all can have; what is fixed beyond that stays."""
    beyond = [each for each, answer in answers.items() if (answer.samples or 0) > common]
    # A limit of its own is larger, since the answer keeps to it.
    again = _answers(changed_spec(spec, {"budget.samples": common}), beyond) if beyond else {}
    return {**answers, **{each: answer for each, answer in again.items() if answer.samples is not None}}


def _unbounded(spec: Spec) -> _Answer:
    """What trains a spec that no theorem is about."""
    from rsgadvise.ask.verify.from_spec import chosen_values

    why = wording.no_theorem(resolve(spec))
    try:
        return _Answer(None, why, chosen_values(spec)[0])
    except (HypothesisError, InfeasibleError) as error:
        return _Answer(None, f"{why} Nothing to train with: {error}.")


def _guarantee(answer: _Answer, by: Measure, constants: ConstantsName) -> Guarantee:
    best = answer.best
    if best is None:
        return Guarantee(None, notes=(answer.reason,))
    if by == "bound":
        value = best.bound
    else:
        value = float(best.total_samples if best.seconds is None or by == "samples" else best.seconds)
    if not math.isfinite(value):
        return Guarantee(None, notes=(f"No {constants} bound at this stepsize.",))
    return Guarantee(value, vacuous=best.vacuous)


def _ranked(guarantees: Sequence[Guarantee]) -> list[Guarantee]:
    """With ranks, equal ones for equal values, and ratios to the best."""
    values = sorted(each.value for each in guarantees if each.value is not None)
    ranked = []
    for each in guarantees:
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
    paper, certified = (promised[each] for each in BY_THEOREM)
    best, advice = answer.best, answer.advice
    trained = best or answer.values
    fixed = ("stepsize", "decay", "batch_size", "iterations", "keep_prob")
    chosen: dict[str, Any] = {key: getattr(trained, key, None) for key in fixed}
    notes = (*candidate.notes, *paper.notes, *certified.notes, *(best.notes if best else ()))
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
        **chosen,
        runs=None if trained is None else 1 if best is None else best.runs,
        samples=answer.samples if best is None else best.total_samples,
        seconds=None if best is None else best.seconds,
        equal_resources=common is None or (answer.samples or 0) <= common,
        rank=own.rank,
        ratio=own.ratio,
        paper=paper,
        certified=certified,
        assumed=() if advice is None else advice.assumed,
        notes=tuple(dict.fromkeys(notes)),
    )
