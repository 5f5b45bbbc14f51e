"""What the theorems assume of the data and of W¹, and what a spec or its file says about it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rsgadvise.data.scaling import CENTRED, KINDS
from rsgadvise.records import dataclass
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.certified import needs_norm
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems import theorem_of
from rsgadvise.training.generated import largest_mean_square

if TYPE_CHECKING:
    from rsgadvise.advise.results import MeasuredConstant
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.spec import Spec


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


# What the theorems assume of W¹: its loss, its box and its pretraining.

_LIKELY = 0.99


def start_hypotheses(
    spec: Spec, problem: Problem, *, constants: ConstantsName, measured: Sequence[MeasuredConstant] = ()
) -> Iterator[Hypothesis]:
    """D_f, the box around W¹, and alpha, where they apply."""
    yield _suboptimality(spec, problem, {each.name: each for each in measured}.get("initial_loss"))
    if problem.boxed:
        yield _ball(problem) if problem.spectral else _box(problem)
    if theorem_of(problem.kind, constants).pretrained(problem):
        yield _pretraining(spec, problem)


def _suboptimality(spec: Spec, problem: Problem, measured: MeasuredConstant | None) -> Hypothesis:
    text = "D_f = f(W¹) - f* is at most what stands for it"
    # A longer start than any that decay leaves alone may have any loss.
    unbounded = problem.penalty > 0 and not problem.boxed
    value, largest = problem.initial_loss, math.inf if unbounded else problem.largest_loss
    if measured is not None:
        return Hypothesis(
            "suboptimality",
            text,
            None,
            f"f(W¹) = {measured.value:.4g} ± {measured.standard_error:.2g}, measured at one W¹, and f* >= 0; "
            f"start from a W¹ drawn in the same way, and {largest:g} is always safe",
            measured.value,
            largest,
        )
    if value == math.inf:
        reason = "f(W¹) is not given, and without a box no loss is the largest; set training.initial_loss"
        return Hypothesis("suboptimality", text, None, reason, value, largest)
    if value >= largest:
        how = "given" if spec.training.initial_loss is not None else "assumed"
        reason = (
            f"{value:g}, {how}, is the largest loss that {problem.outputs:g} outputs can have, and f* >= 0"
        )
        return Hypothesis("suboptimality", text, True, reason, value, largest)
    usual = problem.as_in_the_paper and not problem.penalty
    half = f"outputs near 1/2 give about {largest / 4:g}, and " if usual else ""
    return Hypothesis(
        "suboptimality",
        text,
        None,
        f"training.initial_loss = {value:g} is taken on trust, as f(W¹) or more; "
        f"{half}{'no number' if largest == math.inf else f'{largest:g}'} is always safe",
        value,
        largest,
    )


def _ball(problem: Problem) -> Hypothesis:
    """The same of singular values: no more than 1 + sqrt(d_l/d_{l-1}) + t but for exp(-t^2 d_{l-1}/2).

    Source: Davidson and Szarek, Local operator theory, random matrices and Banach spaces (2001), II.13.
    """
    text = "no singular value of W¹, drawn from N(0, 1/d_{l-1}), is larger than allowed"
    pairs = list(zip(problem.layers[1:], problem.layers[:-1], problem.weight_bounds, strict=True))
    slack = math.sqrt(2 * math.log(len(pairs) / (1 - _LIKELY)))
    needed = [1 + (math.sqrt(after) + slack) / math.sqrt(before) for after, before, _ in pairs]
    worst = max(range(len(pairs)), key=lambda level: needed[level] / max(pairs[level][2], 1e-300))
    bound, most = pairs[worst][2], needed[worst]
    reason = f"of layer {worst + 1} they are at most {most:.4g}, the bound is {bound:.4g}"
    if bound < most:
        return Hypothesis("box", text, None, f"{reason}: what is larger has to be cut off", bound, most)
    reason += f", with probability {_LIKELY:g} in all layers"
    return Hypothesis("box", text, True, reason, bound, most)


def _box(problem: Problem) -> Hypothesis:
    """Whether W¹ ~ N(0, 1/d_{l-1}) lies in the box, all of it, with probability 0.99."""
    shapes = list(zip(problem.layers[1:], problem.layers[:-1], problem.weight_bounds, strict=True))
    logarithm, outside, weights = 0.0, 0.0, 0
    for after, before, bound in shapes:
        out = math.erfc(bound * math.sqrt(before / 2))
        count = after * before
        logarithm += count * math.log1p(-out) if out < 1 else -math.inf
        outside += count * out
        weights += count
    chance = math.exp(logarithm)
    text = "W¹, drawn from N(0, 1/d_{l-1}), lies in the box"
    reason = f"all {weights:,} weights do with probability {chance:.4g}"
    if chance < _LIKELY:
        reason += (
            f": {100 * outside / weights:.3g} % of them are outside and have to be clipped, so that D_f is "
            "about the clipped ones"
        )
    return Hypothesis("box", text, chance >= _LIKELY, reason, chance, _LIKELY)


def _pretraining(spec: Spec, problem: Problem) -> Hypothesis:
    text = "the hidden layers are pretrained to an (α, δ_α)-solution"
    if spec.training.pretraining is None:
        reason = "no training.pretraining: α = 1 stands for it, a reading of the paper and not a result of it"
    else:
        reason = (
            f"α = {problem.pretraining:g} is taken on trust from training.pretraining.tolerance, and is "
            "missed with probability δ_α"
        )
    return Hypothesis("pretraining", text, None, reason, problem.pretraining)


# What the theorems assume of the data, and what a spec or its file says about it.

_ROUNDING = 1e-9
STATISTICS = ("mean", "mean_square", "second_moment", "top_eigenvalue")
STANDARDISED = ("second_moment", "top_eigenvalue", "largest_norm")
"""Of inputs in [0, 1], and of those whose means are 0."""
STANDARDISED_INPUTS = "standardised_inputs"
"""What is assumed of the latter, by name."""
SYMBOLS = {
    "mean": "μ_x",
    "mean_square": "τ_x",
    "second_moment": "E‖x‖²/d_x",
    "top_eigenvalue": "λ_max",
    "largest_norm": "max ‖x‖",
}


def data_hypotheses(
    spec: Spec, problem: Problem, *, constants: ConstantsName, statistics: DataStatistics | None
) -> Iterator[Hypothesis]:
    """Ranges of inputs and targets, whether the moments can be, and whether they are those of the data."""
    yield _inputs(problem, statistics)
    yield _targets(problem, statistics)
    if problem.unit_inputs:
        yield _consistent(spec, problem, statistics)
    yield _true_moments(spec, problem, constants, statistics)


def provenance(spec: Spec, name: str, statistics: DataStatistics | None) -> str:
    """measured, given or assumed."""
    if statistics is not None and getattr(statistics, name) is not None:
        return "measured"
    return "given" if getattr(spec.data, name) is not None else "assumed"


def known_eigenvalue(spec: Spec, problem: Problem, statistics: DataStatistics | None) -> float:
    """What λ_max is at least, by the statistics that are no worst case: λ_max itself, d τ_x or d μ_x²."""
    moments, dim = problem.moments, problem.layers[0]
    known = {name for name in STATISTICS if provenance(spec, name, statistics) != "assumed"}
    if "top_eigenvalue" in known:
        return moments.top_eigenvalue
    if "mean_square" in known:
        return dim * moments.mean_square
    return dim * moments.mean**2 if "mean" in known else 0.0


def statistics_of(problem: Problem) -> tuple[str, ...]:
    """Those that say something of its inputs."""
    return STATISTICS if problem.unit_inputs else STANDARDISED


def _inputs(problem: Problem, statistics: DataStatistics | None) -> Hypothesis:
    text = "every input lies in [0, 1]"
    name = "inputs"
    if not problem.unit_inputs:
        name = STANDARDISED_INPUTS
        text = "every column of the inputs is scaled to mean 0 and variance 1 of the rows that are trained on"
    if statistics is None:
        return Hypothesis(
            name,
            text,
            None,
            "the spec names no data.file; numbers alone do not show the range of the data",
        )
    words = {kind: word for word, kind in KINDS.items()}
    if statistics.scaling in CENTRED:
        reason = (
            f"data.scaling: {words[statistics.scaling]} gives every column mean 0 and variance 1; no row of "
            f"the {statistics.samples:,} is longer than {statistics.largest_norm:.6g}"
        )
        return Hypothesis(STANDARDISED_INPUTS, text, True, reason)
    how = {
        "none": "every value of the file lies there as it is",
        "divide by 255": "once the 8-bit values of the file are divided by 255",
        "min-max per column": "once each column of the file is mapped from its smallest to its largest "
        "value; later rows can lie outside",
        "robust, 1st to 99th percentile per column": "once each column of the file is mapped from its 1st to "
        "its 99th percentile, and what lies beyond them is clipped",
    }[statistics.scaling]
    return Hypothesis("inputs", text, True, f"{statistics.samples:,} rows were read: {how}")


def _targets(problem: Problem, statistics: DataStatistics | None) -> Hypothesis:
    classes = problem.head.classes
    text = "every target lies in [0, 1]" + (", and those of a row sum to at most 1" if classes else "")
    if problem.tied:
        inputs = _inputs(problem, statistics)
        text = text if problem.unit_inputs else "no target is longer than the longest input"
        return Hypothesis("targets", text, inputs.holds, f"the targets are the inputs: {inputs.reason}")
    if statistics is None:
        return Hypothesis("targets", text, None, "the spec names no data.file")
    if statistics.target_encoding is None:
        return Hypothesis("targets", text, None, "data.file holds no targets, and data.target names none")
    if classes and statistics.target_encoding != "one-hot":
        return Hypothesis(
            "targets", text, None, "they are no labels; what trains on them looks at their sums"
        )
    how = {
        "one-hot": "labels became 0 and 1",
        "0 and 1": "one of two labels became 0, the other 1",
        "0 and 1 per column": "each is 0 or 1",
        "none": "they do as they are",
        "divide by 255": "once divided by 255",
        "min-max per column": "once each column is mapped from its smallest to its largest value",
        "min-max per column of logarithms": "once each column, or its logarithms where it has a long tail, "
        "is mapped so",
        "min-max per column, outliers clipped": "once each column is mapped so, and what lies far outside is "
        "clipped",
    }[statistics.target_encoding]
    return Hypothesis("targets", text, True, f"{statistics.samples:,} rows were read: {how}")


def _consistent(spec: Spec, problem: Problem, statistics: DataStatistics | None) -> Hypothesis:
    """Whether any data in [0, 1]^d have these moments; `mean_square <= mean` is necessary, not sufficient."""
    moments, dim = problem.moments, problem.layers[0]
    text = "data in [0, 1] with these moments exist"
    sources = {name: provenance(spec, name, statistics) for name in ("mean", "mean_square")}
    square = moments.mean_square
    if sources["mean"] == "assumed":
        return Hypothesis(
            "moments_exist", text, True, "μ_x is unknown, and 1 stands for it: inputs of ones have it"
        )
    low, high = moments.mean**2, largest_mean_square(moments.mean, dim)
    if sources["mean_square"] == "assumed":
        return Hypothesis(
            "moments_exist",
            text,
            True,
            "τ_x is unknown, and the largest value that the rest allows stands for it",
        )
    holds = low <= square * (1 + _ROUNDING) and square <= high * (1 + _ROUNDING) + _ROUNDING**2
    reason = (
        f"μ_x² = {low:.6g} <= τ_x = {square:.6g} <= {high:.6g}, the most that {dim:,} columns in [0, 1] "
        "can have"
    )
    if not holds:
        reason = (
            f"τ_x = {square:.6g} is outside [{low:.6g}, {high:.6g}], the values that {dim:,} columns in "
            f"[0, 1] with mean {moments.mean:g} can have; measure it with `rsgadvise stats`"
        )
    return Hypothesis("moments_exist", text, holds, reason, square, high)


def _true_moments(
    spec: Spec, problem: Problem, constants: ConstantsName, statistics: DataStatistics | None
) -> Hypothesis:
    names = statistics_of(problem)
    used = tuple(name for name in theorem_of(problem.kind, constants).moments_used(problem) if name in names)
    if not problem.unit_inputs and needs_norm(problem):
        used += ("largest_norm",)
    if used:
        where = "the bound uses " + ", ".join(SYMBOLS[name] for name in used)
    else:
        where = "the bound uses none of them; what is said of proven and vacuous does"
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(provenance(spec, name, statistics), []).append(SYMBOLS[name])
    words = {
        "measured": "measured on data.file",
        "given": "taken on trust from the spec",
        "assumed": "unknown, with the largest value that the rest allows in their place, which is safe",
    }
    reason = "; ".join(f"{', '.join(names)} {words[source]}" for source, names in found.items())
    decisive = [provenance(spec, name, statistics) for name in (used or names)]
    holds = None if "given" in decisive else True
    return Hypothesis("moments", "the moments are those of the data trained on", holds, f"{reason}; {where}")
