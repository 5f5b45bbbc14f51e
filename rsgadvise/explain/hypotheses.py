"""The assumptions of the theorems, each held against one spec.

A hypothesis holds (True), does not (False), or cannot be told from a spec (None). What is True or False
here follows from numbers that the spec or its data file gives; what depends on how someone trains is None.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rsgadvise.bounds.judge import Point
from rsgadvise.bounds.objective import ConstantsName
from rsgadvise.bounds.problem import Problem
from rsgadvise.explain.constants_checks import constants_hypotheses
from rsgadvise.explain.data_checks import data_hypotheses
from rsgadvise.explain.results import Hypothesis
from rsgadvise.explain.start_checks import start_hypotheses

if TYPE_CHECKING:
    from rsgadvise.advise.results import MeasuredConstant
    from rsgadvise.datastats import DataStatistics
    from rsgadvise.spec import Spec

__all__ = ["beside_the_certified", "hypotheses_of"]


_LOSS = {
    "single_layer": "||y - σ(Wx)||², equation (3)",
    "autoencoder": "||x - σ(Wᵀσ(W(x * z)))||² with one matrix W, equation (4)",
    "multilayer": "||y - h^L||², h^l = σ(W_l (h^{l-1} * z^l)), equation (5)",
}


def hypotheses_of(
    spec: Spec,
    problem: Problem,
    point: Point | None,
    *,
    constants: ConstantsName,
    statistics: DataStatistics | None,
    measured: Sequence[MeasuredConstant] = (),
) -> tuple[Hypothesis, ...]:
    """Every assumption that applies to this network, computed for this spec.

    Args:
        spec: as given, without what was advised.
        problem, point: the numbers that the bound is evaluated at; without a point there is no plan, and
            only what is assumed whatever the plan.
        constants: whose bound.
        statistics: of the data file, if the spec names one.
        measured: constants that were measured for the advice.
    """
    at_point: tuple[Hypothesis, ...] = ()
    training: tuple[Hypothesis, ...] = ()
    if point is not None:
        at_point = tuple(
            constants_hypotheses(
                spec, problem, point, constants=constants, statistics=statistics, measured=measured
            )
        )
        training = tuple(_training(spec, problem, point))
    return (
        Hypothesis(
            "network",
            "sigmoid units, squared loss, no biases",
            True,
            f"kind {problem.kind} means the loss {_LOSS[problem.kind]}; a network with other units or biases "
            "is another one",
        ),
        *data_hypotheses(spec, problem, constants=constants, statistics=statistics),
        *at_point,
        *start_hypotheses(spec, problem, constants=constants, measured=measured),
        *training,
    )


def _training(spec: Spec, problem: Problem, point: Point) -> Iterator[Hypothesis]:
    """What is up to the program that trains."""
    yield _sampling(problem, point)
    yield _stopping(spec, point)
    if problem.kind != "single_layer":
        yield _masks(problem, point)


def _sampling(problem: Problem, point: Point) -> Hypothesis:
    work, samples = point.batch_size * point.iterations, problem.samples
    text = "each mini-batch is drawn with replacement, independently of all others"
    if samples is not None and work <= samples:
        return Hypothesis(
            "sampling",
            text,
            True,
            f"N B = {work:,.0f} rows are at most the {samples:,} there are: used once each, in any order "
            "that does not look at them, they are independent draws of where they came from",
            work,
            float(samples),
        )
    if samples is None:
        reason = "up to the program that trains, and data.samples is not given"
    elif point.batch_size > samples:
        reason = (
            f"up to the program that trains; a batch of {point.batch_size:,.0f} out of {samples:,} rows can "
            "be drawn in no other way"
        )
    else:
        reason = (
            f"up to the program that trains: shuffled passes ({work / samples:.3g} of them here) are not "
            "such draws; the programs of --emit draw so"
        )
    return Hypothesis("sampling", text, None, reason, work, None if samples is None else float(samples))


def _stopping(spec: Spec, point: Point) -> Hypothesis:
    named = point.schedule.stopping
    name = "the list of the spec" if isinstance(named, tuple) else named
    text = f"the weights returned are those of a random iteration R with P_R: {name}"
    if point.iterations == 1:
        return Hypothesis("stopping", text, True, "there is one iteration, so R = 1 whatever P_R", 1.0)
    if spec.training.stopping is not None:
        return Hypothesis(
            "stopping", text, True, "training.stopping says so; the weights of the last iteration are others"
        )
    if named != "uniform":
        reason = "the pilot chose this P_R, and the bounds are for it; the weights of the last "
        return Hypothesis("stopping", text, None, reason + "iteration are others")
    return Hypothesis(
        "stopping",
        text,
        None,
        "training.stopping is not given, and uniform assumed; who keeps the last weights instead can set "
        "training.stopping: last, whose bound is larger",
    )


def _masks(problem: Problem, point: Point) -> Hypothesis:
    zeta = point.keep_prob
    single = problem.kind == "autoencoder"
    what = "inputs" if single else "units of every layer but the last"
    text = f"{what} are kept with probability ζ, by a mask of its own for each example, and not rescaled"
    if zeta == 1:
        return Hypothesis("masks", text, True, "keep_prob = 1: nothing is dropped", 1.0, 1.0)
    return Hypothesis(
        "masks",
        text,
        None,
        f"up to the program that trains: one mask for a whole batch leaves noise that B does not divide, and "
        f"libraries rescale what they keep by 1/ζ = {1 / zeta:.4g}",
        zeta,
        1.0,
    )


_PAPERS_ALONE = frozenset({"smoothness", "variance", "cross_term"})
"""Assumptions behind the paper's constants that the certified bound does without."""


def beside_the_certified(found: Hypothesis, *, proven: bool) -> Hypothesis:
    """A false assumption together with what it means for the bound, which may be proven all the same."""
    if found.holds is not False or found.id not in _PAPERS_ALONE:
        return found
    means = "; the certified bound does not need it"
    if proven:
        means += ", and is no larger, so that this bound holds all the same"
    return replace(found, reason=found.reason + means)
