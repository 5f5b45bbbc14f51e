"""An explanation as blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rsgadvise.ask.explain.checks import STANDARDISED_INPUTS
from rsgadvise.ask.explain.results import Explanation, Flip, Hypothesis, Knob, Sampling, SamplingPoint
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
_RANKED_BY = {
    "bound": "the best bound",
    "samples": "the samples that the target takes",
    "seconds": "the seconds that the target takes",
}
_ERRORS = (-2.0, -1.0, 1.0, 2.0)


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
        *_flips(found.flips),
        *_sampling(found.sampling),
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
    anew = any(each.readvised is not None or each.readvised_halved is not None for each in found.knobs)
    columns = [
        Column("knob", numeric=False),
        Column("value", alike=False),
        Column("doubled"),
        Column("halved"),
    ]
    if anew:
        columns += [Column("doubled, advised anew"), Column("halved, advised anew")]
    rows = []
    for each in found.knobs:
        row = [_short(each.key), _value(each.value), _factor(each.factor), _factor(each.factor_halved)]
        if anew:
            row += [_factor(each.readvised), _factor(each.readvised_halved)]
        rows.append(tuple(row))
    return Grid(tuple(columns), tuple(rows), "The bound with one value doubled or halved")


def _short(key: str) -> str:
    """A key without its section, which would not fit a table; the sentences below name it in full."""
    words = {
        "training.pretraining.tolerance": "alpha",
        "cost.per_iteration / cost.per_sample": "cost ratio",
        "cost.per_sample / cost.per_iteration": "inverse cost ratio",
    }
    return words.get(key, key.partition(".")[2])


def _knob_notes(knobs: Sequence[Knob]) -> Iterator[str]:
    for each in knobs:
        if each.note:
            yield f"{each.key}: {each.note}."


def _range(low: float, high: float) -> str:
    """Two values, with as many digits as tell them apart; nothing where there is one only."""
    if low == high:
        return "-"
    digits = next((some for some in range(3, 17) if number(low, some) != number(high, some)), 17)
    return f"{number(low, digits)} to {number(high, digits)}"


def _flips(flips: Sequence[Flip]) -> Iterator[Block]:
    if not flips:
        return
    rows = tuple(
        (
            _short(each.key),
            number(each.value),
            "none" if each.at is None else number(each.at),
            _factor(each.factor),
            each.then or "",
            _range(each.low, each.high),
        )
        for each in flips
    )
    columns = (
        Column("input", numeric=False),
        Column("value", alike=False),
        Column("flips at", alike=False),
        Column("factor"),
        Column("then first", numeric=False),
        Column("looked at", numeric=False),
    )
    yield Grid(columns, rows, f"What would put another choice before {flips[0].first}")
    yield from sentences(
        "Ends of what was looked at", (f"{each.key}: {each.note}." for each in flips if each.note)
    )


def _sampling(found: Sampling) -> Iterator[Block]:
    yield from _sampling_grids(found)
    yield from sentences("Sampling error", (found.note, *_unmoved(found)))


def _by_name(found: Sampling) -> Mapping[str, dict[float, SamplingPoint]]:
    """Points by what is moved alone, and under 'all, worst' those where several are."""
    grouped: dict[str, dict[float, SamplingPoint]] = {name: {} for name in found.standard_errors}
    alone = len(_ERRORS) * len(found.standard_errors)
    for index, point in enumerate(found.points):
        if index < alone:
            (name, size), *_ = point.moved.items()
            grouped[name][size] = point
        else:
            grouped.setdefault("all, at worst", {})[float(index - alone + 1)] = point
    return grouped


def _moves(points: Mapping[float, SamplingPoint]) -> bool:
    return any(p.factor is None or abs(p.factor - 1) > 1e-12 for p in points.values())


def _unmoved(found: Sampling) -> Iterator[str]:
    names = [name for name, points in _by_name(found).items() if points and not _moves(points)]
    alone = [name for name in names if name in found.standard_errors]
    if alone:
        yield f"The bound does not depend on {', '.join(alone)}; what is certified may."
    if any(point.clipped for point in found.points):
        yield (
            "* drawn back to where data can be: mean**2 <= mean_square <= second_moment <= mean, and "
            "d mean_square <= top_eigenvalue <= d second_moment."
        )


def _sampling_grids(found: Sampling) -> Iterator[Grid]:
    grouped = {name: points for name, points in _by_name(found).items() if points and _moves(points)}
    if not grouped:
        return
    names = [f"{size:+.0f} s.e." for size in _ERRORS]
    head = (Column("moved", numeric=False), Column("s.e."), *map(Column, names))

    def rows(cell: str) -> Iterator[tuple[str, ...]]:
        for name, points in grouped.items():
            cells = [_cell(points[size], cell) if size in points else "" for size in _ERRORS]
            error = found.standard_errors.get(name)
            yield (name, "" if error is None else number(error, 3), *cells)

    yield Grid(head, tuple(rows("bound")), "The bound with the statistics moved by standard errors")
    if any(p.stepsize is not None for points in grouped.values() for p in points.values()):
        yield Grid(head, tuple(rows("stepsize")), "The advised stepsize then")


def _cell(point: SamplingPoint, name: str) -> str:
    value = getattr(point, name)
    text = "n/a" if value is None else _value(value)
    return f"{text} *" if point.clipped else text


def _legend(found: Explanation) -> Iterator[str]:
    yield "yes, no: it follows from the numbers of the spec or its data; ?: a spec cannot tell."
    yield "doubled, halved: the bound there over the bound here, evaluated with all other values held."
    if any(each.readvised is not None or each.readvised_halved is not None for each in found.knobs):
        yield f"advised anew: {_RANKED_BY[found.ranked_by]} then over now, all that is open chosen again."
    if "training.pretraining.tolerance" in {each.key for each in found.knobs}:
        yield "alpha: training.pretraining.tolerance; 1 stands for no pretraining."
    if found.flips:
        yield (
            "flips at: the nearest value at which another choice is first, found by looking at six values "
            "per decade up to a factor of 100 and bisection; two changes between neighbours that undo each "
            "other are missed."
        )
