"""Bounds at given values, explanations of them, and iteration plans as blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from rsgadvise.advise.evaluate import BoundReport, OtherGradient
from rsgadvise.advise.results import IterationPlan
from rsgadvise.kinds import KINDS
from rsgadvise.numerals import count, network, number, spans, stepsizes, stepsizes_by_layer
from rsgadvise.show.report.blocks import (
    Block,
    Column,
    Grid,
    Title,
    assumptions,
    bound_number,
    sentences,
    terms_grid,
    verdict,
)
from rsgadvise.theory import FLOORLESS

if TYPE_CHECKING:
    from rsgadvise.ask.explain.checks import Hypothesis
    from rsgadvise.ask.explain.explaining import Explanation, Knob

# A bound at given values as blocks.


def bound_blocks(report: BoundReport) -> tuple[Block, ...]:
    """The bound and its terms beside the certified one."""
    facts = [
        ("stepsize", stepsizes_by_layer(report.stepsize)),
        ("decay", number(report.decay)),
        ("batch size", count(report.batch_size)),
        ("iterations", count(report.iterations)),
        ("keep probability", number(report.keep_prob)),
        ("dropout rate", number(report.dropout_rate)),
        ("bound", bound_number(report.bound, 6)),
        ("certified bound", number(report.certified_bound, 6)),
        ("largest gradient possible", number(report.largest_gradient, 6)),
        ("proven", _reliable(report)),
    ]
    other = report.other_gradient
    if other is not None:
        name = f"proven {'without' if other.constants == FLOORLESS else 'with'} a noise floor"
        facts.insert(8, (name, number(other.bound, 6)))
    if report.as_printed is not None:
        facts.insert(7, ("equation (8) as printed", number(report.as_printed, 6)))
    bounded = math.isfinite(report.bound)
    strongest = sorted(report.elasticities.items(), key=lambda pair: -abs(pair[1]))
    return (
        Title(
            f"Bound for {network(report.kind, report.layers)}",
            f"{report.constants} constants, {report.equation}",
        ),
        Grid((Column("quantity", numeric=False), Column("value", alike=False)), tuple(facts)),
        *([terms_grid(report.terms, report.bound, "Terms of the bound")] if bounded else []),
        terms_grid(report.certified_terms, report.certified_bound, "Terms of the certified bound"),
        *([_elasticities(strongest)] if bounded else []),
        *sentences("Mind", (*report.notes, *([] if other is None else [_about(other)]))),
        *sentences("Assumed", assumptions(report.assumed)),
    )


def _about(other: OtherGradient) -> str:
    """Which gradient a bound without a noise floor is about, or one with a floor."""
    if other.constants != FLOORLESS:
        return "The bound with a noise floor is on the projected gradient at the stepsize trained with."
    return (
        "The bound without a noise floor is on the projected gradient at stepsize 1/U = "
        f"{stepsizes(other.gradient_stepsize)}, not at the one trained with (--constants floorless)."
    )


def _reliable(report: BoundReport) -> str:
    if not math.isfinite(report.bound):
        return "no bound"
    return verdict(proven=report.proven, vacuous=report.vacuous)


def _elasticities(strongest: Sequence[tuple[str, float]]) -> Grid:
    return Grid(
        (Column("knob", numeric=False), Column("elasticity")),
        tuple((knob.replace("_", " "), f"{value:+.3f}") for knob, value in strongest),
        "Elasticities: per cent change of the bound for one per cent more",
    )


# An iteration plan as blocks.

Value = TypeVar("Value")


def _if(value: Value | None, text: Callable[[Value], str]) -> str | None:
    """The text of a value, or None where there is no value."""
    return None if value is None else text(value)


def plan_blocks(plan: IterationPlan) -> tuple[Block, ...]:
    """The plan as far as there is one, or why not; then the trade of steps against samples."""
    title = Title(
        f"Iterations for {network(plan.kind, plan.layers)}",
        f"{plan.constants} constants, {plan.equation}; eps {number(plan.eps)}, delta {number(plan.delta)}, "
        f"{plan.runs} runs",
    )
    deep, runs = KINDS[plan.kind].masked, f"{plan.runs:,} runs" if plan.runs > 1 else "1 run"
    fewer = plan.least_batch_size != plan.min_batch_size
    facts = [
        ("target per run, eps delta^(1/T)", number(plan.per_run_target)),
        ("batch size", count(plan.batch_size)),
        ("iterations", _if(plan.iterations, count)),
        ("iterations by equation (9)", _if(plan.iterations_paper, count)),
        ("stepsize", None if plan.stepsize is None else stepsizes_by_layer(plan.stepsize)),
        ("keep probability", _if(plan.keep_prob if deep else None, number)),
        ("dropout rate", _if(plan.dropout_rate if deep else None, number)),
        ("bound", _if(plan.bound, number)),
        ("certified bound", _if(plan.certified_bound, number)),
        ("proven", _if(plan.proven, lambda proven: "yes" if proven else "no")),
        ("samples of one run, N B", _if(plan.samples, count)),
        (f"samples in all, {runs}", _if(plan.total_samples, count)),
        (f"data set size at {number(plan.epochs)} epochs", _if(plan.dataset_size_exact, count)),
        ("data set size by equation (9)", _if(plan.dataset_size, count)),
        (f"critical batch size, {runs}", _if(plan.critical_batch_size, number)),
        (f"smallest feasible batch size, {runs}", _if(plan.min_batch_size, count)),
        ("  with any number of runs", _if(plan.least_batch_size if fewer else None, count)),
        ("runs with the fewest samples in all", _if(plan.recommended_runs, count)),
        ("  iterations of each of these", _if(plan.recommended_iterations, count)),
        ("  samples in all of these", _if(plan.recommended_samples, count)),
        ("  critical batch size of these", _if(plan.recommended_critical_batch_size, number)),
    ]
    shown = tuple((name, text) for name, text in facts if text is not None)
    mind = [note for note in plan.notes if note != plan.reason]
    columns = (Column("batch size"), Column("iterations"), Column("samples"))
    trade = tuple((count(p.batch_size), count(p.iterations), count(p.samples)) for p in plan.tradeoff)
    return (
        title,
        Grid((Column("quantity", numeric=False), Column("value", alike=False)), shown),
        *sentences("No plan", [] if plan.reason is None else [plan.reason]),
        *([Grid(columns, trade, "Steps against samples")] if trade else []),
        *sentences("Mind", mind),
        *sentences("Assumed", assumptions(plan.assumed)),
    )


# An explanation as blocks.

_HOLDS = {True: "yes", False: "no", None: "?"}
_SOURCES = {
    "given": "given in the spec",
    "advised": "open; rank 1 of recommend --constants {}",
    "default": "the default",
}


def explanation_blocks(explanation: Explanation) -> tuple[Block, ...]:
    """Terms first, then what they rest on, then what would change them."""
    return (
        Title(
            f"Explanation for {network(explanation.kind, explanation.layers)}",
            f"{explanation.constants} constants, {explanation.equation}",
        ),
        *([_terms(explanation)] if explanation.terms else []),
        _facts(explanation),
        _hypotheses(explanation.assumptions),
        _knobs(explanation),
        *sentences("On the knobs", _knob_notes(explanation.knobs)),
        *sentences("Mind", explanation.notes),
        *sentences("How to read it", _legend(explanation)),
        *sentences("Assumed", assumptions(explanation.assumed)),
    )


def _terms(explanation: Explanation) -> Grid:
    numbers = {each.id: index for index, each in enumerate(explanation.assumptions, 1)}
    rows = [
        (
            term.name.replace("_", " "),
            number(term.value),
            f"{100 * term.share:.1f} %",
            term.formula,
            spans(sorted(numbers[name] for name in term.assumptions)),
        )
        for term in explanation.terms
    ]
    rows.append(("sum", bound_number(explanation.bound), "", "", ""))
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
    from rsgadvise.ask.explain.checks import STANDARDISED_INPUTS

    anywhere = any(each.id == STANDARDISED_INPUTS for each in assumed)
    return f"data{'' if anywhere else ' in [0, 1]'} with these moments"


def _facts(explanation: Explanation) -> Grid:
    rows = [
        (name.replace("_", " "), _value(each.value), _SOURCES[each.source].format(explanation.constants))
        for name, each in explanation.training.items()
    ]
    rows += [
        ("bound", bound_number(explanation.bound), _meaning(explanation)),
        (
            "certified bound",
            number(explanation.certified_bound),
            f"for any {data_in_words(explanation.assumptions)}",
        ),
        ("largest gradient", number(explanation.largest_gradient), "no squared norm exceeds it"),
    ]
    columns = (
        Column("quantity", numeric=False),
        Column("value", alike=False),
        Column("source", numeric=False),
    )
    return Grid(columns, tuple(rows), "Evaluated at")


def _meaning(explanation: Explanation) -> str:
    if not math.isfinite(explanation.bound):
        return "the stepsize lies outside the range of the theorem"
    word = verdict(proven=explanation.proven, vacuous=explanation.vacuous)
    if explanation.vacuous:
        return f"{word}: no better than the largest gradient"
    return f"{word}: proven" if explanation.proven else f"{word}: not proven"


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


def _knobs(explanation: Explanation) -> Grid:
    columns = (
        Column("knob", numeric=False),
        Column("value", alike=False),
        Column("doubled"),
        Column("halved"),
    )
    rows = tuple(
        (_short(each.key), _value(each.value), _factor(each.factor), _factor(each.factor_halved))
        for each in explanation.knobs
    )
    return Grid(columns, rows, "The bound with one value doubled or halved")


def _short(key: str) -> str:
    """A key without its section, which would not fit a table; the sentences below name it in full."""
    return "alpha" if key == "training.pretraining.tolerance" else key.partition(".")[2]


def _knob_notes(knobs: Sequence[Knob]) -> Iterator[str]:
    for each in knobs:
        if each.note:
            yield f"{each.key}: {each.note}."


def _legend(explanation: Explanation) -> Iterator[str]:
    yield "yes, no: it follows from the numbers of the spec or its data; ?: a spec cannot tell."
    yield "doubled, halved: the bound there over the bound here, evaluated with all other values held."
    if "training.pretraining.tolerance" in {each.key for each in explanation.knobs}:
        yield "alpha: training.pretraining.tolerance; 1 stands for no pretraining."
