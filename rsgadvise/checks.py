"""What an advice rests on: each assumption, whether it holds, and how that is known.

A check is True or False only where the spec, its data or the theory decide it; what only the user or the
training program can know is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.bounds.kinds import certified_objective, paper_objective

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice, Recommendation
    from rsgadvise.bounds.problem import Problem
    from rsgadvise.datastats import DataStatistics
    from rsgadvise.spec import Spec

__all__ = ["Check", "checks_of"]

_MOMENTS = ("mean", "mean_square", "second_moment", "top_eigenvalue")
_APART = 0.01  # relative difference between a number in the spec and in the file that is worth a word


@dataclass(frozen=True, slots=True)
class Check:
    """One assumption.

    Attributes:
        text: what is assumed.
        holds: True, False, or None where nothing here can tell.
        reason: why, or who can tell.
    """

    text: str
    holds: bool | None
    reason: str


def checks_of(
    spec: Spec, problem: Problem, advice: Advice, statistics: DataStatistics | None = None
) -> tuple[Check, ...]:
    """Every assumption behind the first rank of an advice, the decisive ones first.

    Args:
        spec: the spec behind it.
        problem: the same as numbers, with what was measured.
        advice: what `recommend` found.
        statistics: of the spec's data file, if it names one.
    """
    found: list[Check] = []
    if advice.recommendations:
        best = advice.recommendations[0]
        found += [*_verdict(best, advice), *_stepsize(spec, problem, advice)]
    found += [*_inputs(problem, statistics), *_moments(spec, problem, statistics), *_start(spec, problem)]
    if advice.recommendations:
        found += _training(spec, problem, advice.recommendations[0])
    return tuple(found)


def _verdict(best: Recommendation, advice: Advice) -> Iterator[Check]:
    limit = advice.largest_gradient
    if limit is not None:
        says = "below" if not best.vacuous else "not below"
        yield Check(
            "The bound says something.",
            not best.vacuous,
            f"It is {best.bound:.4g}, {says} {limit:.4g}, the largest squared gradient norm possible.",
        )
    against = f"the certified bound is {best.certified_bound:.4g}, this one {best.bound:.4g}"
    if advice.constants == "certified":
        reason = "Certified constants hold for any data in [0, 1] with these moments."
    elif best.proven:
        reason = f"For any data in [0, 1] with these moments {against}."
    else:
        reason = f"Constants that hold for any data with these moments give more: {against}."
    yield Check("The bound is proven for this data.", best.proven, reason)


def _stepsize(spec: Spec, problem: Problem, advice: Advice) -> Iterator[Check]:
    """Whether the stepsize lies where the theorems hold; the layer closest to the end is named."""
    best = advice.recommendations[0]
    zeta, gamma = np.asarray(best.keep_prob), np.asarray(best.stepsize)
    objectives = {"certified": certified_objective(problem)}
    if advice.constants == "paper":
        objectives = {"paper's": paper_objective(problem), **objectives}
    closed = spec.training.stopping == "matched" and best.decay > 0
    for name, objective in objectives.items():
        with np.errstate(divide="ignore"):
            end = np.broadcast_to(objective.largest_stepsizes(zeta), gamma.shape)
        inside = bool(np.all(gamma <= end if closed else gamma < end))
        worst = int(np.argmax(gamma / end))
        layer = f" in layer {worst + 1}" if gamma.size > 1 else ""
        reason = f"It is {gamma.flat[worst]:.4g}{layer}, and the range ends at {end.flat[worst]:.4g}."
        if not inside and name == "certified":
            reason += " Beyond it nothing is proven but the largest gradient possible."
        yield Check(f"The stepsize lies in the {name} range.", inside, reason)


def _inputs(problem: Problem, statistics: DataStatistics | None) -> Iterator[Check]:
    """Inputs and targets in [0, 1]."""
    if statistics is None:
        unseen = "The spec names no data file; scale the data that you train on so that it is true."
        yield Check("Inputs and targets lie in [0, 1].", None, unseen)
        return
    how = {
        "none": "they do as they are",
        "divide by 255": "after dividing by 255; train on the data scaled in the same way",
        "min-max per column": "after scaling each column from its smallest to its largest value; train on "
        "the data scaled in the same way",
    }[statistics.scaling]
    yield Check("The inputs lie in [0, 1].", True, f"Measured on {statistics.samples:,} rows: {how}.")
    if problem.kind == "autoencoder":
        return
    if statistics.target_encoding is None:
        reason = "The file holds no targets that go by themselves."
        yield Check("The targets lie in [0, 1].", None, reason)
        return
    encoding = {
        "one-hot": "labels, one output for each class",
        "none": "they do as they are",
        "divide by 255": "after dividing by 255",
        "min-max per column": "after scaling each column from its smallest to its largest value",
    }[statistics.target_encoding]
    yield Check("The targets lie in [0, 1].", True, f"Measured: {encoding}.")


def _moments(spec: Spec, problem: Problem, statistics: DataStatistics | None) -> Iterator[Check]:
    """Where the moments of the inputs come from, and whether spec and file agree."""
    text = "The moments of the inputs are those of the data, or safe."
    if statistics is not None:
        apart = [
            f"data.{key} is {given:g} in the spec and {measured:.6g} in the file"
            for key in (*_MOMENTS, "samples")
            if (given := getattr(spec.data, key)) is not None
            and (measured := getattr(statistics, key)) is not None
            and abs(given - measured) > _APART * abs(measured)
        ]
        yield Check(text, True, "Measured on the data file.")
        agree = "The spec gives no moment that the file contradicts."
        reason = f"{'; '.join(apart)}; the file counts." if apart else agree
        yield Check("The numbers in the spec agree with its data file.", not apart, _sentence(reason))
        return
    assumed = [item.key for item in problem.assumed if item.key.startswith("data.")]
    given = [f"data.{key}" for key in _MOMENTS if getattr(spec.data, key) is not None]
    if not given:
        yield Check(text, True, "None is known; the largest that inputs in [0, 1] can have is safe.")
        return
    rest = f" {', '.join(assumed)}: unknown, so the largest value, which is safe." if assumed else ""
    reason = f"{', '.join(given)} stand in the spec; `rsgadvise stats DATA` measures them.{rest}"
    yield Check(text, None, reason)


def _sentence(text: str) -> str:
    """Keys keep their case; a word at the start does not."""
    return text if text.startswith("data.") else text[0].upper() + text[1:]


def _start(spec: Spec, problem: Problem) -> Iterator[Check]:
    """f(W1), and what pretraining reached."""
    text = "The loss at the start is at most what the bound uses."
    given = spec.training.initial_loss
    if given is None or given >= problem.largest_loss:
        reason = f"It uses {problem.initial_loss:g}, the largest loss possible."
        yield Check(text, True, reason)
    else:
        yield Check(text, None, f"training.initial_loss is {given:g}; measure the loss of your W1.")
    if problem.kind == "multilayer" and len(problem.layers) > 2:
        tolerance = spec.training.pretraining
        if tolerance is not None:
            reason = f"training.pretraining.tolerance is {tolerance.tolerance:g}; your pretraining decides."
        else:
            reason = "alpha = 1 stands for no pretraining; the paper's bound takes it at its word."
        yield Check("The hidden layers are pretrained as well as alpha says.", None, reason)


def _training(spec: Spec, problem: Problem, best: Recommendation) -> Iterator[Check]:
    """What the training program has to do for the theorem to be about it."""
    given = spec.training.stopping
    rule = best.stopping if given is None else given if isinstance(given, str) else "the spec's list"
    yield Check(
        "Training stops at a random iteration R.",
        None,
        f"P_R: {rule}. A run of all N iterations is another algorithm; `--emit` writes one that stops.",
    )
    if problem.kind != "single_layer":
        box = ", ".join(f"{width:g}" for width in dict.fromkeys(problem.weight_bounds))
        reason = f"Within {box} of 0, by projection after each step; `--emit` writes that too."
        yield Check("The weights stay in their box.", None, reason)
    if problem.samples is not None:
        fits = best.batch_size <= problem.samples
        many = f"{best.batch_size:,} of {problem.samples:,} rows"
        reason = many if fits else f"{many}: rows are drawn with replacement, so it is still valid"
        yield Check("A batch is no larger than the data set.", fits, f"{reason[0].upper()}{reason[1:]}.")
