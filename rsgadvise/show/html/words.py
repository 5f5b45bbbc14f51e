"""What the page says in words, and the names of what its figures show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rsgadvise.numerals import count, number
from rsgadvise.theory import about
from rsgadvise.theory.theorems import theorem_of

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice, Recommendation
    from rsgadvise.ask.curves import Curve


BOUND = "bound on E‖∇f‖²"
_BEST_STEPSIZE = "best stepsize at each point"

CURVE: Mapping[str, tuple[str, str]] = {
    "iterations": ("Bound against iterations", "Batch size and keep probability as advised."),
    "stepsize": ("Bound against stepsize", "Batch size, iterations and keep probability as advised."),
    "stepsize_factor": (
        "Bound against stepsize",
        "The stepsizes of all layers times one factor; all else as advised.",
    ),
    "batch_size": ("Bound against batch size", "Keep probability as advised."),
}
AXIS: Mapping[str, str] = {
    "iterations": "iterations N",
    "stepsize": "stepsize γ",
    "stepsize_factor": "multiple of the advised stepsizes",
    "batch_size": "batch size B, in rows",
}
SERIES: Mapping[str, Mapping[str, str]] = {
    "iterations": {
        "held": "stepsize as advised",
        "best": _BEST_STEPSIZE,
        "certified": "certified bound, stepsize as advised",
    },
    "stepsize": {"held": "bound", "certified": "certified bound"},
    "stepsize_factor": {"held": "bound", "certified": "certified bound"},
    "batch_size": {
        "held": "same iterations and stepsize",
        "same_work": "same work N B, best stepsize",
        "same_work_held": "same work N B, same stepsize",
        "certified": "certified bound, same iterations and stepsize",
    },
}
EDGE: Mapping[str, str] = {
    "range": "end of the theorem's range",
    "certified_range": "end of the certified range",
    "largest_gradient": "largest squared gradient norm possible",
    "target": "target of one run",
}


def shown(knob: str, value: float) -> str:
    """A value of a knob: whole numbers in full, others with four digits."""
    return count(int(value)) if knob in ("iterations", "batch_size") else number(value)


def title_of(advice: Advice, network: str) -> str:
    """The title of a page that was given none."""
    return f"{'No plan' if advice.infeasible else 'Advice'} for {network}"


def verdict(best: Recommendation) -> tuple[str, str]:
    """(word, class) for the bound of the first rank."""
    if not math.isfinite(best.bound):
        return "absent", "no"
    if best.vacuous:
        return "vacuous", "no"
    return ("proven", "yes") if best.proven else ("not proven", "no")


def worth(advice: Advice, best: Recommendation, data: str) -> str:
    """What the bound of the first rank promises, in a sentence, of which data."""
    limit = number(advice.largest_gradient)
    if not math.isfinite(best.bound):
        return "These constants give no bound at that stepsize."
    if best.vacuous:
        return (
            f"The bound on the expected squared gradient norm, {number(best.bound)}, is vacuous: no squared "
            f"gradient norm of this network exceeds {limit} anyway."
        )
    start = f"The expected squared gradient norm is then at most {number(best.bound)}"
    whose = about(advice.constants)
    if theorem_of(advice.kind, advice.constants).proven:
        return f"{start}, which is proven for any {data}."
    if whose.caveat:
        return (
            f"{start} by constants that are {whose.caveat}; constants that hold for any data "
            f"with these moments give {number(best.certified_bound)}."
        )
    if best.proven:
        return (
            f"{start}, which is proven for any {data}: the certified bound is {number(best.certified_bound)}."
        )
    return (
        f"{start} by {whose.whose}, which is not proven for this data: constants that "
        f"hold for any data with these moments give {number(best.certified_bound)}."
    )


def describe(curve: Curve) -> str:
    """A figure in sentences, for whoever does not see it."""
    values = curve.series[0].values
    finite = [(x, y) for x, y in zip(curve.x, values, strict=True) if math.isfinite(y)]
    knob, name = curve.knob, AXIS[curve.knob]
    text = "Both axes are logarithmic."
    if finite:
        (first, at_first), (last, at_last) = finite[0], finite[-1]
        text += (
            f" From {shown(knob, first)} to {shown(knob, last)} the bound goes from {number(at_first)} to "
            f"{number(at_last)}."
        )
    text += f" Advised is a {name} of {shown(knob, curve.at)}, where the bound is {number(curve.bound)}."
    return text
