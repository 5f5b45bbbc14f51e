"""An explanation as blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rsgadvise.ask.explain.checks import STANDARDISED_INPUTS
from rsgadvise.ask.explain.results import Explanation, Hypothesis, Knob
from rsgadvise.numerals import count, network, number, spans, stepsizes
from rsgadvise.show.report.blocks import (
    Block,
    Column,
    Grid,
    Title,
    assumptions,
    bound_number,
    sentences,
    verdict,
)

_HOLDS = {True: "yes", False: "no", None: "?"}
_SOURCES = {
    "given": "given in the spec",
    "advised": "open; rank 1 of recommend --constants {}",
    "default": "the default",
}


def explanation_blocks(found: Explanation) -> tuple[Block, ...]:
    """Terms first, then what they rest on, then what would change them."""
    return (
        Title(
            f"Explanation for {network(found.kind, found.layers)}",
            f"{found.constants} constants, {found.equation}",
        ),
        *([_terms(found)] if found.terms else []),
        _facts(found),
        _hypotheses(found.assumptions),
        _knobs(found),
        *sentences("On the knobs", _knob_notes(found.knobs)),
        *sentences("Mind", found.notes),
        *sentences("How to read it", _legend(found)),
        *sentences("Assumed", assumptions(found.assumed)),
    )


def _terms(found: Explanation) -> Grid:
    numbers = {each.id: index for index, each in enumerate(found.assumptions, 1)}
    rows = [
        (
            term.name.replace("_", " "),
            number(term.value),
            f"{100 * term.share:.1f} %",
            term.formula,
            spans(sorted(numbers[name] for name in term.assumptions)),
        )
        for term in found.terms
    ]
    rows.append(("sum", bound_number(found.bound), "", "", ""))
    columns = (
        Column("term", numeric=False),
        Column("value"),
        Column("share"),
        Column("formula", numeric=False),
        Column("rests on", numeric=False),
    )
    return Grid(columns, tuple(rows))


def data_in_words(assumed: Sequence[Hypothesis]) -> str:
    """What a certified bound holds for, by what is assumed."""
    anywhere = any(each.id == STANDARDISED_INPUTS for each in assumed)
    return f"data{'' if anywhere else ' in [0, 1]'} with these moments"


def _facts(found: Explanation) -> Grid:
    rows = [
        (name.replace("_", " "), _value(each.value), _SOURCES[each.source].format(found.constants))
        for name, each in found.training.items()
    ]
    rows += [
        ("bound", bound_number(found.bound), _meaning(found)),
        ("certified bound", number(found.certified_bound), f"for any {data_in_words(found.assumptions)}"),
        ("largest gradient", number(found.largest_gradient), "no squared norm exceeds it"),
    ]
    columns = (
        Column("quantity", numeric=False),
        Column("value", alike=False),
        Column("source", numeric=False),
    )
    return Grid(columns, tuple(rows), "Evaluated at")


def _meaning(found: Explanation) -> str:
    if not math.isfinite(found.bound):
        return "the stepsize lies outside the range of the theorem"
    word = verdict(proven=found.proven, vacuous=found.vacuous)
    if found.vacuous:
        return f"{word}: no better than the largest gradient"
    return f"{word}: proven" if found.proven else f"{word}: not proven"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return stepsizes(value)
    return count(value) if isinstance(value, int) else number(value)


def _hypotheses(assumed: Sequence[Hypothesis]) -> Grid:
    rows = tuple(
        (str(index), _HOLDS[each.holds], each.text, each.reason) for index, each in enumerate(assumed, 1)
    )
    columns = (
        Column("#"),
        Column("holds", numeric=False),
        Column("assumption", numeric=False),
        Column("why", numeric=False),
    )
    return Grid(columns, rows, "What it rests on", keys=2)


def _factor(value: float | None) -> str:
    return "-" if value is None else f"x {value:.4g}"


def _knobs(found: Explanation) -> Grid:
    columns = (
        Column("knob", numeric=False),
        Column("value", alike=False),
        Column("doubled"),
        Column("halved"),
    )
    rows = tuple(
        (_short(each.key), _value(each.value), _factor(each.factor), _factor(each.factor_halved))
        for each in found.knobs
    )
    return Grid(columns, rows, "The bound with one value doubled or halved")


def _short(key: str) -> str:
    """A key without its section, which would not fit a table; the sentences below name it in full."""
    return "alpha" if key == "training.pretraining.tolerance" else key.partition(".")[2]


def _knob_notes(knobs: Sequence[Knob]) -> Iterator[str]:
    for each in knobs:
        if each.note:
            yield f"{each.key}: {each.note}."


def _legend(found: Explanation) -> Iterator[str]:
    yield "yes, no: it follows from the numbers of the spec or its data; ?: a spec cannot tell."
    yield "doubled, halved: the bound there over the bound here, evaluated with all other values held."
    if "training.pretraining.tolerance" in {each.key for each in found.knobs}:
        yield "alpha: training.pretraining.tolerance; 1 stands for no pretraining."
