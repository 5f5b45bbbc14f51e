"""What the theorems assume of the data, and what a spec or its file says about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rsgadvise.bounds.objective import MEASURED, ConstantsName
from rsgadvise.bounds.problem import Problem
from rsgadvise.explain.results import Hypothesis
from rsgadvise.verify.generated import largest_mean_square

if TYPE_CHECKING:
    from rsgadvise.datastats import DataStatistics
    from rsgadvise.spec import Spec

__all__ = ["STATISTICS", "SYMBOLS", "data_hypotheses", "known_eigenvalue", "moments_used", "provenance"]

_ROUNDING = 1e-9
STATISTICS = ("mean", "mean_square", "second_moment", "top_eigenvalue")
SYMBOLS = {
    "mean": "μ_x",
    "mean_square": "τ_x",
    "second_moment": "E‖x‖²/d_x",
    "top_eigenvalue": "λ_max",
}


def data_hypotheses(
    spec: Spec, problem: Problem, *, constants: ConstantsName, statistics: DataStatistics | None
) -> Iterator[Hypothesis]:
    """Ranges of inputs and targets, whether the moments can be, and whether they are those of the data."""
    yield _inputs(statistics)
    yield _targets(problem, statistics)
    yield _consistent(spec, problem, statistics)
    yield _true_moments(spec, problem, constants, statistics)


def provenance(spec: Spec, name: str, statistics: DataStatistics | None) -> str:
    """measured, given or assumed."""
    if statistics is not None and getattr(statistics, name) is not None:
        return "measured"
    return "given" if getattr(spec.data, name) is not None else "assumed"


def moments_used(problem: Problem, constants: ConstantsName) -> tuple[str, ...]:
    """The statistics that enter the bound itself; the others enter only what it is compared with."""
    if constants in MEASURED:
        return ()
    if constants == "paper":
        # U_da is the certified one, which depends on the second moment.
        return ("mean", "mean_square", "second_moment") if problem.kind == "autoencoder" else ()
    return ("second_moment", "top_eigenvalue") if problem.kind == "single_layer" else ("second_moment",)


def known_eigenvalue(spec: Spec, problem: Problem, statistics: DataStatistics | None) -> float:
    """What λ_max is at least, by the statistics that are no worst case: λ_max itself, d τ_x or d μ_x²."""
    moments, dim = problem.moments, problem.layers[0]
    known = {name for name in STATISTICS if provenance(spec, name, statistics) != "assumed"}
    if "top_eigenvalue" in known:
        return moments.top_eigenvalue
    if "mean_square" in known:
        return dim * moments.mean_square
    return dim * moments.mean**2 if "mean" in known else 0.0


def _inputs(statistics: DataStatistics | None) -> Hypothesis:
    text = "every input lies in [0, 1]"
    if statistics is None:
        return Hypothesis(
            "inputs",
            text,
            None,
            "the spec names no data.file; numbers alone do not show the range of the data",
        )
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
    text = "every target lies in [0, 1]"
    if problem.kind == "autoencoder":
        inputs = _inputs(statistics)
        return Hypothesis("targets", text, inputs.holds, f"the targets are the inputs: {inputs.reason}")
    if statistics is None:
        return Hypothesis("targets", text, None, "the spec names no data.file")
    if statistics.target_encoding is None:
        return Hypothesis("targets", text, None, "data.file holds no targets, and data.target names none")
    how = {
        "one-hot": "labels became 0 and 1",
        "none": "they do as they are",
        "divide by 255": "once divided by 255",
        "min-max per column": "once each column is mapped from its smallest to its largest value",
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
    used = moments_used(problem, constants)
    if used:
        where = "the bound uses " + ", ".join(SYMBOLS[name] for name in used)
    else:
        where = "the bound uses none of them; what is said of proven and vacuous does"
    found: dict[str, list[str]] = {}
    for name in STATISTICS:
        found.setdefault(provenance(spec, name, statistics), []).append(SYMBOLS[name])
    words = {
        "measured": "measured on data.file",
        "given": "taken on trust from the spec",
        "assumed": "unknown, with the largest value that the rest allows in their place, which is safe",
    }
    reason = "; ".join(f"{', '.join(names)} {words[source]}" for source, names in found.items())
    decisive = [provenance(spec, name, statistics) for name in (used or STATISTICS)]
    holds = None if "given" in decisive else True
    return Hypothesis("moments", "the moments are those of the data trained on", holds, f"{reason}; {where}")
