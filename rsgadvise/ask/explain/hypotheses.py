"""The assumptions of the theorems, each held against one spec.

A hypothesis holds (True), does not (False), or cannot be told from a spec (None). What is True or False
here follows from numbers that the spec or its data file gives; what depends on how someone trains is None.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.ask.explain.checks import Hypothesis, data_hypotheses, known_eigenvalue, start_hypotheses
from rsgadvise.kinds import KINDS
from rsgadvise.theory import ConstantsName, about
from rsgadvise.theory.certified import certified_constants
from rsgadvise.theory.judge import Plan, judge, objective_for, stepsize_range
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems import covers, theorem_for, theorem_of

if TYPE_CHECKING:
    from rsgadvise.advise.results import MeasuredConstant
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.spec import Spec


# Whether the constants of a theorem hold for one spec: against certified ones, and against W = 0.
#
# Every network has W = 0 in its box, or has no box. There every output is 1/2 and d²/ds² (y - σ(s))² = 1/8
# whatever y is, so that the Hessian in the weights of the last layer is E[h hᵀ]/8, h its inputs. Its largest
# eigenvalue is λ_max(E x xᵀ)/8 for a single layer, and (ζ² d_{L-1} + ζ - ζ²)/32 where hidden units, all 1/2,
# lie below. Where a theorem takes less for U, its premise is false for this network: that is proven, while of
# a U between this and the certified one a spec cannot tell. The theorem then promises nothing here; its bound
# may be true all the same, and is where the certified one is no larger.

_SMOOTH = "the gradient is as smooth as the theorem takes it to be"
_VARIES = "the gradient of one example varies no more than the theorem takes it to"


def constants_hypotheses(
    spec: Spec,
    problem: Problem,
    point: Plan,
    *,
    constants: ConstantsName,
    statistics: DataStatistics | None,
    measured: Sequence[MeasuredConstant] = (),
) -> Iterator[Hypothesis]:
    """Stepsize in range, smoothness, variance, and the whole bound beside the certified one.

    What was raced may have a stepsize at which the paper's theorem has no bound: then nothing is said of its
    terms.
    """
    ranges = tuple(_stepsize(problem, point, constants))
    yield from ranges
    if about(constants).measured:
        yield from _measured(problem, constants, point, {each.name: each for each in measured})
        return
    proven = theorem_of(problem.kind, constants).proven
    bounded = proven or all(each.holds for each in ranges if each.id == "stepsize")
    yield _smoothness(problem, point, constants, known_eigenvalue(spec, problem, statistics))
    yield _variance(problem, point, constants)
    if problem.boxed and bounded:
        yield _projection(problem, point, constants)
    if bounded and not proven:
        yield _proven(problem, point, constants)


def smoothness_at_zero(problem: Problem, keep_prob: float, eigenvalue: float) -> float:
    """Largest eigenvalue of the Hessian at W = 0 in the weights of the last layer; 0 where unknown.

    Source: the module's docstring. Kind: lower bound on any valid U.

    Args:
        problem: the network. keep_prob: zeta.
        eigenvalue: what the largest eigenvalue of E[x xᵀ] is at least.
    """
    if problem.tied or not problem.as_in_the_paper:
        return 0.0  # its U is the certified one
    zeta = keep_prob
    if len(problem.layers) == 2:
        return zeta**2 * eigenvalue / 8
    return (zeta**2 * problem.layers[-2] + zeta - zeta**2) / 32


def _stepsize(problem: Problem, point: Plan, constants: ConstantsName) -> Iterator[Hypothesis]:
    """In the theorem's own range unless it was measured, and in the certified one too."""
    own = () if about(constants).measured else (constants,)
    names = dict.fromkeys((*own, "certified"))
    gammas = np.atleast_1d(point.stepsize)
    for name in names:
        limit, worst = stepsize_range(problem, point, name)
        value = float(gammas[worst])
        closed = point.schedule.stopping == "matched" and point.schedule.decay > 0 and point.iterations > 1
        holds = value <= limit if closed else value < limit
        layer = f"_{worst + 1}" if gammas.size > 1 else ""
        sign = "<" if value < limit else "=" if value == limit else ">"
        asked = name == constants
        reason = f"γ{layer} = {value:.4g} {sign} {limit:.4g}"
        if math.isinf(limit):
            reason = "there is no curvature, so that any stepsize does"
        elif gammas.size > 1:
            reason += ", the layer nearest to its limit"
        if not holds and theorem_of(problem.kind, name).proven:
            reason += ": there the certified bound is the largest gradient possible"
        text = "the stepsize lies in the range of the theorem"
        yield Hypothesis(
            "stepsize" if asked else "certified_stepsize",
            text if asked else "the stepsize lies in the range of the certified bound",
            holds,
            reason,
            value,
            limit,
        )


def _measured(
    problem: Problem, constants: ConstantsName, point: Plan, measured: Mapping[str, MeasuredConstant]
) -> Iterator[Hypothesis]:
    """Constants that were measured: true near where that was, and known nowhere else."""
    sure = certified_constants(problem, np.asarray(point.keep_prob))
    for name, identity, text, symbol, needed in (
        ("smoothness", "smoothness", _SMOOTH, "U", float(sure.smoothness)),
        ("gradient_variance", "variance", _VARIES, "σ²", float(sure.gradient_variance)),
    ):
        found = measured.get(name)
        if found is None:
            continue
        reason = (
            f"{symbol} = {found.value:.4g} ± {found.standard_error:.2g}, measured and not proven; "
            f"{needed:.4g} would be certain"
        )
        holds = True if found.value >= needed else None
        yield Hypothesis(identity, text, holds, reason, found.value, needed)
    if problem.boxed:
        yield _projection(problem, point, constants)
    text = "the bound is proven"
    yield Hypothesis(
        "proven", text, False, "its constants were measured, and none is known to hold elsewhere"
    )


def _smoothness(problem: Problem, point: Plan, constants: ConstantsName, eigenvalue: float) -> Hypothesis:
    zeta = np.asarray(point.keep_prob)
    needed = float(certified_constants(problem, zeta).smoothness)
    at_zero = smoothness_at_zero(problem, point.keep_prob, eigenvalue)
    used, symbol, least = theorem_for(problem, constants).smoothness_taken(zeta, at_zero)
    text = _SMOOTH
    if used >= needed:
        holds: bool | None = True
        reason = f"{symbol} = {used:.4g}" + (
            f" is the certified one, for {_data(problem)}"
            if used == needed
            else f" is at least the certified U = {needed:.4g}"
        )
    elif least > used:
        holds = False
        reason = (
            f"{symbol} = {used:.4g}, but at W = 0 the Hessian has the eigenvalue {least:.4g}, "
            f"{least / used:.3g} times as large, whatever the targets are"
        )
    else:
        holds = None
        reason = f"{symbol} = {used:.4g}, where {needed:.4g} would be certain"
        if least > 0:
            reason += f" and {least:.4g} is needed at W = 0: what is true lies between"
    return Hypothesis("smoothness", text, holds, reason, used, needed)


def _data(problem: Problem) -> str:
    """What certified constants hold for."""
    return f"all data{' in [0, 1]' if problem.unit_inputs else ''} with these moments"


def _variance(problem: Problem, point: Plan, constants: ConstantsName) -> Hypothesis:
    theorem = theorem_for(problem, constants)
    used, needed, where = theorem.variance_taken(point.stepsize, np.asarray(point.keep_prob))
    text = _VARIES
    if theorem.proven:
        reason = f"{where} = {used:.4g} is the certified one, for {_data(problem)}"
        return Hypothesis("variance", text, True, reason, used, needed)
    if used >= needed:
        reason = f"{where} = {used:.4g} is at least the certified {needed:.4g}"
        return Hypothesis("variance", text, True, reason, used, needed)
    reason = f"{where} = {used:.4g}, where {needed:.4g} would be certain; targets decide too"
    return Hypothesis("variance", text, None, reason, used, needed)


def _projection(problem: Problem, point: Plan, constants: ConstantsName) -> Hypothesis:
    text = "the bound allows for all that projecting a stochastic gradient adds"
    printed = theorem_of(problem.kind, constants).printed
    other = theorem_of(problem.kind, constants).gradient_at
    if other:
        reason = f"the gradient at stepsize {other} needs no term for it"
        return Hypothesis("cross_term", text, True, reason)
    if not printed:
        return Hypothesis("cross_term", text, True, "S + 2 √(A S) is a term of the bound")
    bound = point.bound(objective_for(problem, constants))
    terms = bound.numbers
    total, zeta = sum(terms.values()), np.asarray(point.keep_prob)
    missing, what = theorem_for(problem, constants).lacking(terms, zeta, point.batch_size)
    equations = " and ".join(printed)
    if missing == 0:
        return Hypothesis("cross_term", text, True, f"{equations} lack {what}, which is 0 here", 0.0)
    share = missing / total if total > 0 else np.inf
    verb = "lacks" if len(printed) == 1 else "lack"
    return Hypothesis(
        "cross_term",
        text,
        False,
        f"{equations} as printed {verb} {what} = {missing:.4g}, {share:.3g} times the bound",
        missing,
        total,
    )


def _proven(problem: Problem, point: Plan, constants: ConstantsName) -> Hypothesis:
    """The whole bound beside the certified one: what the project calls proven."""
    judged = judge(problem, point, constants)
    value, sure = judged.value, judged.sure
    text = "the bound is at least the certified one, so proven for any data of these moments"
    if sure <= value:
        reason = f"the certified bound is {sure:.4g}, at most {value:.4g}"
    else:
        reason = (
            f"the certified bound is {sure:.4g}, {sure / value:.3g} times {value:.4g}" if value > 0 else ""
        )
    return Hypothesis("proven", text, sure <= value, reason, value, sure)


def hypotheses_of(
    spec: Spec,
    problem: Problem,
    point: Plan | None,
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
    optimizer = problem.optimizer
    if not covers(problem.kind, constants, optimizer):  # nothing else of a theorem matters then
        reason = f"it is {optimizer.words}, and no bound is claimed"
        return (Hypothesis("optimizer", "the training is SGD", False, reason),)
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
            *_network(problem),
        ),
        *data_hypotheses(spec, problem, constants=constants, statistics=statistics),
        *at_point,
        *start_hypotheses(spec, problem, constants=constants, measured=measured),
        *training,
    )


def _network(problem: Problem) -> tuple[str, bool, str]:
    """What is assumed of the network, that it holds, and why."""
    kind = KINDS[problem.kind]
    what, loss = "sigmoid units, squared loss", f"the loss {kind.loss}, equation {kind.equation}"
    if not problem.as_in_the_paper:
        units = f"{problem.units_in_words} units, " if problem.units_in_words else ""
        what, loss = f"{units}{problem.head.name}", kind.sizes
    why = f"kind {kind.name} means {loss}; a network with other units or biases is another one"
    decay = f", weight decay {problem.penalty:g} as a term of f" if problem.penalty else ""
    return f"{what}, {'' if problem.bias else 'no '}biases{decay}", True, why


def _training(spec: Spec, problem: Problem, point: Plan) -> Iterator[Hypothesis]:
    """What is up to the program that trains."""
    yield _sampling(problem, point)
    yield _stopping(spec, point)
    if problem.masked:
        yield _masks(problem, point)


def _sampling(problem: Problem, point: Plan) -> Hypothesis:
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


def _stopping(spec: Spec, point: Plan) -> Hypothesis:
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


def _masks(problem: Problem, point: Plan) -> Hypothesis:
    zeta = point.keep_prob
    what = "inputs" if problem.tied else "units of every layer but the last"
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


def beside_the_certified(hypothesis: Hypothesis, *, proven: bool) -> Hypothesis:
    """A false assumption together with what it means for the bound, which may be proven all the same."""
    if hypothesis.holds is not False or hypothesis.id not in _PAPERS_ALONE:
        return hypothesis
    means = "; the certified bound does not need it"
    if proven:
        means += ", and is no larger, so that this bound holds all the same"
    return replace(hypothesis, reason=hypothesis.reason + means)
