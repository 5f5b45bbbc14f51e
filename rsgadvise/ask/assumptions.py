"""The assumptions of the theorems, each held against one spec.

An assumption holds (True), does not (False), or cannot be told from a spec (None). What is True or False
here follows from numbers that the spec or its data file gives; what depends on how someone trains is None.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rsgadvise.advise.evaluate import fixed_plan
from rsgadvise.data.scaling import STANDARD
from rsgadvise.kinds import KINDS
from rsgadvise.records import dataclass
from rsgadvise.spec import changed_spec, with_statistics
from rsgadvise.spec.problem import resolve
from rsgadvise.theory import ConstantsName, about
from rsgadvise.theory.certified import certified_constants
from rsgadvise.theory.judge import Plan, judge, objective_for, stepsize_range
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems import covers, theorem_for, theorem_of
from rsgadvise.training.generated import largest_mean_square

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice, MeasuredConstant
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.spec import Spec


CHOSEN = ("stepsize", "batch_size", "iterations", "keep_prob", "decay")
"""What training needs and a spec may leave open."""

SYMBOLS = {"mean": "μ_x", "mean_square": "τ_x", "second_moment": "E‖x‖²/d_x", "top_eigenvalue": "λ_max"}

Source = Literal["measured", "given", "assumed", "unknown"]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One assumption of the theorem, and whether it holds for this spec.

    Attributes:
        id: short name.
        text: the assumption.
        holds: None where the spec cannot tell.
        reason: why, with the numbers that decide.
        value, limit: the two numbers that were compared, where it comes down to that.
    """

    id: str
    text: str
    holds: bool | None
    reason: str
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class InputStatistic:
    """One statistic of the inputs as the bounds take it.

    Attributes:
        key: of the spec's data section. symbol: as in the explanations.
        value: what is taken; None where nothing needs it.
        source: measured on the data file, given in the spec, assumed since neither has it, or unknown.
        reason: why an assumed value is safe.
    """

    key: str
    symbol: str
    value: float | int | None
    source: Source
    reason: str = ""


def spec_at(spec: Spec, values: Mapping[str, Any]) -> Spec:
    """The spec with its training values fixed."""
    return changed_spec(spec, {f"training.{key}": value for key, value in values.items()})


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
        return hypotheses_of(spec, resolve(known), None, constants=advice.constants, statistics=statistics)
    best = advice.recommendations[0]
    values = {key: getattr(best, key) for key in CHOSEN}
    if spec.training.stopping is None:
        values["stopping"] = best.stopping
    fixed = spec_at(known, values)
    problem = resolve(fixed)
    loss = next((each.value for each in advice.measured if each.name == "initial_loss"), problem.initial_loss)
    problem = replace(problem, initial_loss=loss)
    return hypotheses_of(
        spec,
        problem,
        fixed_plan(fixed, problem),
        constants=advice.constants,
        statistics=statistics,
        measured=advice.measured,
        proven=best.proven,
    )


def input_statistics(
    spec: Spec, problem: Problem, statistics: DataStatistics | None
) -> tuple[InputStatistic, ...]:
    """mu_x, tau_x, E||x||^2 / d_x, lambda_max and S, with where each comes from.

    Args:
        spec: as given. problem: the same as numbers, with what was measured.
        statistics: of the data file, if the spec names one.
    """
    why = {item.key: item.why for item in problem.assumed}
    found = [
        InputStatistic(
            name,
            symbol,
            getattr(problem.moments, name),
            _source(spec, name, statistics),
            why.get(f"data.{name}", ""),
        )
        for name, symbol in SYMBOLS.items()
    ]
    source = "unknown" if problem.samples is None else _source(spec, "samples", statistics)
    return (*found, InputStatistic("samples", "S", problem.samples, source))


def hypotheses_of(
    spec: Spec,
    problem: Problem,
    plan: Plan | None,
    *,
    constants: ConstantsName,
    statistics: DataStatistics | None,
    measured: Sequence[MeasuredConstant] = (),
    proven: bool = False,
) -> tuple[Hypothesis, ...]:
    """Every assumption that applies to this network, computed for this spec.

    Args:
        spec: as given, without what was advised.
        problem, plan: what the bound is evaluated at; without a plan only what is assumed whatever the plan.
        constants: whose bound.
        statistics: of the data file, if the spec names one.
        measured: constants that were measured for the advice.
        proven: whether the bound is, whatever is false of the constants in it.
    """
    optimizer, theorem = problem.optimizer, theorem_of(problem.kind, constants)
    if not covers(problem.kind, constants, optimizer):  # nothing else of a theorem matters then
        reason = f"it is {optimizer.words}, and no bound is claimed"
        return (Hypothesis("optimizer", "the training is SGD", False, reason),)
    by_name = {each.name: each for each in measured}
    found = [_network(problem), _inputs(statistics), _targets(problem, statistics)]
    if problem.unit_inputs:
        found.append(_moments_exist(spec, problem, statistics))
    found.append(_moments(spec, problem, theorem.moments_used(problem), statistics))
    if plan is not None:
        stepsizes = list(_stepsize(problem, plan, constants))
        found += stepsizes
        if about(constants).measured:
            found += _measured(problem, plan, constants, by_name)
        else:
            # What was raced may have a stepsize at which the paper's theorem has no bound, and no terms.
            inside = all(each.holds for each in stepsizes if each.id == "stepsize")
            known = _least_eigenvalue(spec, problem, statistics)
            found += _constants(problem, plan, constants, known, bounded=theorem.proven or inside)
    found.append(_suboptimality(spec, problem, by_name.get("initial_loss")))
    if problem.boxed:
        found.append(_ball(problem) if problem.spectral else _box(problem))
    if theorem.pretrained(problem):
        found.append(_pretraining(spec, problem))
    if plan is not None:
        found += [_sampling(problem, plan), _stopping(spec, plan)]
        if problem.masked:
            found.append(_masks(problem, plan))
    return tuple(_beside_the_certified(each, proven=proven) for each in found)


_PAPERS_ALONE = frozenset({"smoothness", "variance", "cross_term"})
"""Assumptions behind the paper's constants that the certified bound does without."""


def _beside_the_certified(found: Hypothesis, *, proven: bool) -> Hypothesis:
    """A false assumption together with what it means for the bound, which may be proven all the same."""
    if found.holds is not False or found.id not in _PAPERS_ALONE:
        return found
    means = "; the certified bound does not need it"
    if proven:
        means += ", and is no larger, so that this bound holds all the same"
    return replace(found, reason=found.reason + means)


def _network(problem: Problem) -> Hypothesis:
    kind = KINDS[problem.kind]
    what, loss = "sigmoid units, squared loss", f"the loss {kind.loss}, equation {kind.equation}"
    if not problem.as_in_the_paper:
        units = f"{problem.units_in_words} units, " if problem.units_in_words else ""
        what, loss = f"{units}{problem.head.name}", kind.sizes
    why = f"kind {kind.name} means {loss}; a network with other units or biases is another one"
    return Hypothesis("network", f"{what}, {'' if problem.bias else 'no '}biases", True, why)


# What is assumed of the data, and what a spec or its file says about it.

_ROUNDING = 1e-9
_INPUTS_READ = {
    "none": "every value of the file lies there as it is",
    "divide by 255": "once the 8-bit values of the file are divided by 255",
    "min-max per column": "once each column of the file is mapped from its smallest to its largest "
    "value; later rows can lie outside",
    "robust, 1st to 99th percentile per column": "once each column of the file is mapped from its 1st to "
    "its 99th percentile, and what lies beyond them is clipped",
}
_TARGETS_READ = {
    "one-hot": "labels became 0 and 1",
    "0 and 1": "one of two labels became 0, the other 1",
    "none": "they do as they are",
    "divide by 255": "once divided by 255",
    "min-max per column": "once each column is mapped from its smallest to its largest value",
}
_TRUST = {
    "measured": "measured on data.file",
    "given": "taken on trust from the spec",
    "assumed": "unknown, with the largest value that the rest allows in their place, which is safe",
}


def _source(spec: Spec, name: str, statistics: DataStatistics | None) -> Source:
    if statistics is not None and getattr(statistics, name) is not None:
        return "measured"
    return "given" if getattr(spec.data, name) is not None else "assumed"


def _least_eigenvalue(spec: Spec, problem: Problem, statistics: DataStatistics | None) -> float:
    """What λ_max is at least, by the statistics that are no worst case: λ_max itself, d τ_x or d μ_x²."""
    moments, dim = problem.moments, problem.layers[0]
    known = {name for name in SYMBOLS if _source(spec, name, statistics) != "assumed"}
    if "top_eigenvalue" in known:
        return moments.top_eigenvalue
    if "mean_square" in known:
        return dim * moments.mean_square
    return dim * moments.mean**2 if "mean" in known else 0.0


def _inputs(statistics: DataStatistics | None) -> Hypothesis:
    text = "every input lies in [0, 1]"
    if statistics is None:
        why = "the spec names no data.file; numbers alone do not show the range of the data"
        return Hypothesis("inputs", text, None, why)
    if statistics.scaling == STANDARD:
        why = "data.scaling: standard gives every column mean 0 and variance 1"
        return Hypothesis("inputs", text, False, why)
    why = f"{statistics.samples:,} rows were read: {_INPUTS_READ[statistics.scaling]}"
    return Hypothesis("inputs", text, True, why)


def _targets(problem: Problem, statistics: DataStatistics | None) -> Hypothesis:
    classes = problem.head.classes
    text = "every target lies in [0, 1]" + (", and those of a row sum to at most 1" if classes else "")
    holds: bool | None = None
    if problem.tied:
        inputs = _inputs(statistics)
        holds, why = inputs.holds, f"the targets are the inputs: {inputs.reason}"
    elif statistics is None:
        why = "the spec names no data.file"
    elif statistics.target_encoding is None:
        why = "data.file holds no targets, and data.target names none"
    elif classes and statistics.target_encoding != "one-hot":
        why = "they are no labels; what trains on them looks at their sums"
    else:
        holds = True
        why = f"{statistics.samples:,} rows were read: {_TARGETS_READ[statistics.target_encoding]}"
    return Hypothesis("targets", text, holds, why)


def _moments_exist(spec: Spec, problem: Problem, statistics: DataStatistics | None) -> Hypothesis:
    """Whether any data in [0, 1]^d have these moments; `mean_square <= mean` is necessary, not sufficient."""
    moments, dim = problem.moments, problem.layers[0]
    text = "data in [0, 1] with these moments exist"
    for name, why in (
        ("mean", "μ_x is unknown, and 1 stands for it: inputs of ones have it"),
        ("mean_square", "τ_x is unknown, and the largest value that the rest allows stands for it"),
    ):
        if _source(spec, name, statistics) == "assumed":
            return Hypothesis("moments_exist", text, True, why)
    square = moments.mean_square
    low, high = moments.mean**2, largest_mean_square(moments.mean, dim)
    holds = low <= square * (1 + _ROUNDING) and square <= high * (1 + _ROUNDING) + _ROUNDING**2
    why = f"μ_x² = {low:.6g} <= τ_x = {square:.6g} <= {high:.6g}, the most that {dim:,} columns in [0, 1] "
    why += "can have"
    if not holds:
        why = (
            f"τ_x = {square:.6g} is outside [{low:.6g}, {high:.6g}], the values that {dim:,} columns in "
            f"[0, 1] with mean {moments.mean:g} can have; measure it with `rsgadvise stats`"
        )
    return Hypothesis("moments_exist", text, holds, why, square, high)


def _moments(
    spec: Spec, problem: Problem, used: Sequence[str], statistics: DataStatistics | None
) -> Hypothesis:
    where = "the bound uses none of them; what is said of proven and vacuous does"
    if used:
        where = "the bound uses " + ", ".join(SYMBOLS[name] for name in used)
    found: dict[str, list[str]] = {}
    for name, symbol in SYMBOLS.items():
        found.setdefault(_source(spec, name, statistics), []).append(symbol)
    why = "; ".join(f"{', '.join(names)} {_TRUST[source]}" for source, names in found.items())
    trusted = any(_source(spec, name, statistics) == "given" for name in (used or SYMBOLS))
    text = "the moments are those of the data trained on"
    return Hypothesis("moments", text, None if trusted else True, f"{why}; {where}")


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


def smoothness_at_zero(problem: Problem, keep_prob: float, eigenvalue: float) -> float:
    """Largest eigenvalue of the Hessian at W = 0 in the weights of the last layer; 0 where unknown.

    Source: the comment above. Kind: lower bound on any valid U.

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


def _stepsize(problem: Problem, plan: Plan, constants: ConstantsName) -> Iterator[Hypothesis]:
    """In the theorem's own range unless it was measured, and in the certified one too."""
    own = () if about(constants).measured else (constants,)
    gammas = np.atleast_1d(plan.stepsize)
    closed = plan.schedule.stopping == "matched" and plan.schedule.decay > 0 and plan.iterations > 1
    for name in dict.fromkeys((*own, "certified") if problem.unit_inputs else own):
        limit, worst = stepsize_range(problem, plan, name)
        value = float(gammas[worst])
        holds = value <= limit if closed else value < limit
        layer = f"_{worst + 1}" if gammas.size > 1 else ""
        sign = "<" if value < limit else "=" if value == limit else ">"
        why = f"γ{layer} = {value:.4g} {sign} {limit:.4g}"
        if math.isinf(limit):
            why = "there is no curvature, so that any stepsize does"
        elif gammas.size > 1:
            why += ", the layer nearest to its limit"
        if not holds and theorem_of(problem.kind, name).proven:
            why += ": there the certified bound is the largest gradient possible"
        which = ("stepsize", "theorem") if name == constants else ("certified_stepsize", "certified bound")
        yield Hypothesis(
            which[0], f"the stepsize lies in the range of the {which[1]}", holds, why, value, limit
        )


def _measured(
    problem: Problem, plan: Plan, constants: ConstantsName, measured: Mapping[str, MeasuredConstant]
) -> Iterator[Hypothesis]:
    """Constants that were measured: true near where that was, and known nowhere else."""
    sure = certified_constants(problem, np.asarray(plan.keep_prob))
    for name, identity, text, symbol in (
        ("smoothness", "smoothness", _SMOOTH, "U"),
        ("gradient_variance", "variance", _VARIES, "σ²"),
    ):
        found = measured.get(name)
        if found is None:
            continue
        needed = float(getattr(sure, name))
        why = (
            f"{symbol} = {found.value:.4g} ± {found.standard_error:.2g}, measured and not proven; "
            f"{needed:.4g} would be certain"
        )
        holds = True if found.value >= needed else None
        yield Hypothesis(identity, text, holds, why, found.value, needed)
    if problem.boxed:
        yield _projection(problem, plan, constants)
    why = "its constants were measured, and none is known to hold elsewhere"
    yield Hypothesis("proven", "the bound is proven", False, why)


def _constants(
    problem: Problem, plan: Plan, constants: ConstantsName, eigenvalue: float, *, bounded: bool
) -> Iterator[Hypothesis]:
    """Smoothness, variance, projection, and the whole bound beside the certified one."""
    yield _smoothness(problem, plan, constants, eigenvalue)
    yield _variance(problem, plan, constants)
    if problem.boxed and bounded:
        yield _projection(problem, plan, constants)
    if bounded and not theorem_of(problem.kind, constants).proven:
        yield _proven(problem, plan, constants)


def _smoothness(problem: Problem, plan: Plan, constants: ConstantsName, eigenvalue: float) -> Hypothesis:
    zeta = np.asarray(plan.keep_prob)
    needed = float(certified_constants(problem, zeta).smoothness)
    at_zero = smoothness_at_zero(problem, plan.keep_prob, eigenvalue)
    used, symbol, least = theorem_for(problem, constants).smoothness_taken(zeta, at_zero)
    holds: bool | None = None
    why = f"{symbol} = {used:.4g}"
    if used == needed:
        holds = True
        why += " is the certified one, for all data in [0, 1] with these moments"
    elif used > needed:
        holds = True
        why += f" is at least the certified U = {needed:.4g}"
    elif least > used:
        holds = False
        why += (
            f", but at W = 0 the Hessian has the eigenvalue {least:.4g}, {least / used:.3g} times as large, "
            "whatever the targets are"
        )
    else:
        why += f", where {needed:.4g} would be certain"
        if least > 0:
            why += f" and {least:.4g} is needed at W = 0: what is true lies between"
    return Hypothesis("smoothness", _SMOOTH, holds, why, used, needed)


def _variance(problem: Problem, plan: Plan, constants: ConstantsName) -> Hypothesis:
    theorem = theorem_for(problem, constants)
    used, needed, where = theorem.variance_taken(plan.stepsize, np.asarray(plan.keep_prob))
    holds: bool | None = True
    why = f"{where} = {used:.4g}"
    if theorem.proven:
        why += " is the certified one, for all data in [0, 1] with these moments"
    elif used >= needed:
        why += f" is at least the certified {needed:.4g}"
    else:
        holds = None
        why += f", where {needed:.4g} would be certain; targets decide too"
    return Hypothesis("variance", _VARIES, holds, why, used, needed)


def _projection(problem: Problem, plan: Plan, constants: ConstantsName) -> Hypothesis:
    text = "the bound allows for all that projecting a stochastic gradient adds"
    theorem = theorem_of(problem.kind, constants)
    if theorem.gradient_at:
        why = f"the gradient at stepsize {theorem.gradient_at} needs no term for it"
        return Hypothesis("cross_term", text, True, why)
    if not theorem.printed:
        return Hypothesis("cross_term", text, True, "S + 2 √(A S) is a term of the bound")
    terms = plan.bound(objective_for(problem, constants)).numbers
    zeta = np.asarray(plan.keep_prob)
    missing, what = theorem_for(problem, constants).lacking(terms, zeta, plan.batch_size)
    equations = " and ".join(theorem.printed)
    if missing == 0:
        return Hypothesis("cross_term", text, True, f"{equations} lack {what}, which is 0 here", 0.0)
    total = sum(terms.values())
    share = missing / total if total > 0 else np.inf
    verb = "lacks" if len(theorem.printed) == 1 else "lack"
    why = f"{equations} as printed {verb} {what} = {missing:.4g}, {share:.3g} times the bound"
    return Hypothesis("cross_term", text, False, why, missing, total)


def _proven(problem: Problem, plan: Plan, constants: ConstantsName) -> Hypothesis:
    """The whole bound beside the certified one: what the project calls proven."""
    judged = judge(problem, plan, constants)
    value, sure = judged.value, judged.sure
    why = f"the certified bound is {sure:.4g}, at most {value:.4g}"
    if sure > value:
        why = f"the certified bound is {sure:.4g}, {sure / value:.3g} times {value:.4g}" if value > 0 else ""
    text = "the bound is at least the certified one, so proven for any data of these moments"
    return Hypothesis("proven", text, sure <= value, why, value, sure)


# What is assumed of W¹: its loss, its box and its pretraining.

_LIKELY = 0.99


def _suboptimality(spec: Spec, problem: Problem, measured: MeasuredConstant | None) -> Hypothesis:
    value, largest = problem.initial_loss, problem.largest_loss
    holds: bool | None = None
    if measured is not None:
        value = measured.value
        why = (
            f"f(W¹) = {value:.4g} ± {measured.standard_error:.2g}, measured at one W¹, and f* >= 0; "
            f"start from a W¹ drawn in the same way, and {largest:g} is always safe"
        )
    elif value == math.inf:
        why = "f(W¹) is not given, and without a box no loss is the largest; set training.initial_loss"
    elif value >= largest:
        holds = True
        how = "given" if spec.training.initial_loss is not None else "assumed"
        why = f"{value:g}, {how}, is the largest loss that {problem.outputs:g} outputs can have, and f* >= 0"
    else:
        half = f"outputs near 1/2 give about {largest / 4:g}, and " if problem.as_in_the_paper else ""
        safe = "no number" if largest == math.inf else f"{largest:g}"
        why = (
            f"training.initial_loss = {value:g} is taken on trust, as f(W¹) or more; {half}{safe} is always "
        )
        why += "safe"
    text = "D_f = f(W¹) - f* is at most what stands for it"
    return Hypothesis("suboptimality", text, holds, why, value, largest)


def _ball(problem: Problem) -> Hypothesis:
    """Singular values of W¹: no more than 1 + sqrt(d_l/d_{l-1}) + t but for exp(-t^2 d_{l-1}/2).

    Source: Davidson and Szarek, Local operator theory, random matrices and Banach spaces (2001), II.13.
    """
    text = "no singular value of W¹, drawn from N(0, 1/d_{l-1}), is larger than allowed"
    bounds = problem.weight_bounds
    slack = math.sqrt(2 * math.log(len(bounds) / (1 - _LIKELY)))
    sizes = zip(problem.layers[1:], problem.layers[:-1], strict=True)
    needed = [1 + (math.sqrt(after) + slack) / math.sqrt(before) for after, before in sizes]
    worst = max(range(len(bounds)), key=lambda level: needed[level] / max(bounds[level], 1e-300))
    bound, most = bounds[worst], needed[worst]
    why = f"of layer {worst + 1} they are at most {most:.4g}, the bound is {bound:.4g}"
    if bound < most:
        return Hypothesis("box", text, None, f"{why}: what is larger has to be cut off", bound, most)
    why += f", with probability {_LIKELY:g} in all layers"
    return Hypothesis("box", text, True, why, bound, most)


def _box(problem: Problem) -> Hypothesis:
    """Whether W¹ ~ N(0, 1/d_{l-1}) lies in the box, all of it, with probability 0.99."""
    logarithm, outside, weights = 0.0, 0.0, 0
    for after, before, bound in zip(
        problem.layers[1:], problem.layers[:-1], problem.weight_bounds, strict=True
    ):
        out = math.erfc(bound * math.sqrt(before / 2))
        count = after * before
        logarithm += count * math.log1p(-out) if out < 1 else -math.inf
        outside += count * out
        weights += count
    chance = math.exp(logarithm)
    why = f"all {weights:,} weights do with probability {chance:.4g}"
    if chance < _LIKELY:
        why += (
            f": {100 * outside / weights:.3g} % of them are outside and have to be clipped, so that D_f is "
            "about the clipped ones"
        )
    text = "W¹, drawn from N(0, 1/d_{l-1}), lies in the box"
    return Hypothesis("box", text, chance >= _LIKELY, why, chance, _LIKELY)


def _pretraining(spec: Spec, problem: Problem) -> Hypothesis:
    why = "no training.pretraining: α = 1 stands for it, a reading of the paper and not a result of it"
    if spec.training.pretraining is not None:
        why = (
            f"α = {problem.pretraining:g} is taken on trust from training.pretraining.tolerance, and is "
            "missed with probability δ_α"
        )
    text = "the hidden layers are pretrained to an (α, δ_α)-solution"
    return Hypothesis("pretraining", text, None, why, problem.pretraining)


# What is up to the program that trains.


def _sampling(problem: Problem, plan: Plan) -> Hypothesis:
    work, samples = plan.batch_size * plan.iterations, problem.samples
    holds = None
    if samples is None:
        why = "up to the program that trains, and data.samples is not given"
    elif work <= samples:
        holds = True
        why = (
            f"N B = {work:,.0f} rows are at most the {samples:,} there are: used once each, in any order "
            "that does not look at them, they are independent draws of where they came from"
        )
    elif plan.batch_size > samples:
        why = (
            f"up to the program that trains; a batch of {plan.batch_size:,.0f} out of {samples:,} rows can "
            "be drawn in no other way"
        )
    else:
        why = (
            f"up to the program that trains: shuffled passes ({work / samples:.3g} of them here) are not "
            "such draws; the programs of --emit draw so"
        )
    text = "each mini-batch is drawn with replacement, independently of all others"
    limit = None if samples is None else float(samples)
    return Hypothesis("sampling", text, holds, why, work, limit)


def _stopping(spec: Spec, plan: Plan) -> Hypothesis:
    named = plan.schedule.stopping
    name = "the list of the spec" if isinstance(named, tuple) else named
    text = f"the weights returned are those of a random iteration R with P_R: {name}"
    if plan.iterations == 1:
        return Hypothesis("stopping", text, True, "there is one iteration, so R = 1 whatever P_R", 1.0)
    if spec.training.stopping is not None:
        why = "training.stopping says so; the weights of the last iteration are others"
        return Hypothesis("stopping", text, True, why)
    why = (
        "training.stopping is not given, and uniform assumed; who keeps the last weights instead can set "
        "training.stopping: last, whose bound is larger"
    )
    if named != "uniform":
        why = "the pilot chose this P_R, and the bounds are for it; the weights of the last iteration are "
        why += "others"
    return Hypothesis("stopping", text, None, why)


def _masks(problem: Problem, plan: Plan) -> Hypothesis:
    zeta = plan.keep_prob
    what = "inputs" if problem.tied else "units of every layer but the last"
    text = f"{what} are kept with probability ζ, by a mask of its own for each example, and not rescaled"
    if zeta == 1:
        return Hypothesis("masks", text, True, "keep_prob = 1: nothing is dropped", 1.0, 1.0)
    why = (
        "up to the program that trains: one mask for a whole batch leaves noise that B does not divide, and "
        f"libraries rescale what they keep by 1/ζ = {1 / zeta:.4g}"
    )
    return Hypothesis("masks", text, None, why, zeta, 1.0)
