"""A comparison as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rsgadvise.ask.compare import Compared, Comparison, Guarantee
from rsgadvise.numerals import count, number, percent, stepsizes
from rsgadvise.show.report.blocks import (
    VACUOUS_MARK,
    Block,
    Column,
    Grid,
    Title,
    assumptions,
    marked,
    once,
    sentences,
    verdict,
)

_BY = {
    "bound": "bound at equal samples",
    "samples": "samples that meet the target",
    "seconds": "seconds that meet the target",
}


def comparison_blocks(comparison: Comparison) -> tuple[Block, ...]:
    """The ranking first, then the verdict, the training behind it, and what was measured."""
    context = f"{comparison.constants} constants; {_BY[comparison.compared_by]}"
    promised = any(each.value is not None for row in comparison.specs for each in (row.paper, row.certified))
    taken = [row.samples for row in comparison.specs if row.samples is not None]
    if comparison.common_samples is not None and not all(row.equal_resources for row in comparison.specs):
        span = f"{count(min(taken))} to {count(max(taken))}"
        context = f"{comparison.constants} constants; bound at unequal samples, {span}"
    elif comparison.common_samples is not None:
        context += f", at most {count(comparison.common_samples)} each"
    measured = tuple(_measured(comparison.specs))
    return (
        Title(f"Comparison of {len(comparison.specs)} specs", context),
        *(() if promised else measured),  # the answer comes first
        _ranking(comparison),
        *sentences("Verdict", _verdict(comparison)),
        *((_promises(comparison),) if promised else ()),
        _training(comparison),
        *(measured if promised else ()),
        *sentences("Mind", (*comparison.notes, *_row_notes(comparison.specs))),
        *sentences("Assumed", _assumed(comparison.specs)),
        *sentences("How to read it", _legend(comparison)),
    )


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _ranking(comparison: Comparison) -> Grid:
    seconds = any(row.seconds is not None for row in comparison.specs)
    names = ["ratio", "bound", "certified", "batch", "iterations"]
    columns = [Column("#"), Column("spec", numeric=False), *map(Column, names)]
    columns += [Column("seconds" if seconds else "samples"), Column("proven", numeric=False)]
    rows = []
    for row in comparison.specs:
        planned = row.stepsize is not None
        reliable = verdict(proven=row.proven, vacuous=row.vacuous) if row.bound is not None else "no bound"
        rows.append(
            (
                "" if row.rank is None else str(row.rank),
                row.name,
                _ratio(row.ratio),
                number(row.bound),
                number(row.certified_bound),
                count(row.batch_size),
                count(row.iterations),
                number(row.seconds) if seconds else count(row.samples),
                reliable if planned else "no plan",
            )
        )
    return Grid(tuple(columns), tuple(rows), keys=2)


def _verdict(comparison: Comparison) -> Iterator[str]:
    yield comparison.verdict.text
    if comparison.verdict.measured is None:
        yield "--measure trains them, and compares what comes out."
    else:
        yield comparison.verdict.measured.text


def _promises(comparison: Comparison) -> Grid:
    """What each set of constants promises, at the training that it advises itself."""
    columns = (
        Column("spec", numeric=False),
        Column("paper"),
        Column("rank"),
        Column("certified"),
        Column("rank"),
    )
    rows = []
    for row in comparison.specs:
        cells = [row.name]
        for promise in (row.paper, row.certified):
            cells += [_promised(promise), "" if promise.rank is None else str(promise.rank)]
        rows.append(tuple(cells))
    what = "bounds" if comparison.compared_by == "bound" else f"{comparison.compared_by} to the target"
    return Grid(columns, tuple(rows), f"Best {what} with each set of constants")


def _training(comparison: Comparison) -> Grid:
    """The rest of the training that the ranking is about."""
    columns = [Column("spec", numeric=False), *map(Column, ("of limit", "stepsize", "keep"))]
    if any((row.runs or 1) > 1 for row in comparison.specs):
        columns.append(Column("runs"))
    rows = []
    for row in comparison.specs:
        cells = (
            row.name,
            "" if row.relative is None else percent(row.relative),
            "" if row.stepsize is None else stepsizes(row.stepsize),
            number(row.keep_prob, 3),
            count(row.runs),
        )
        rows.append(cells[: len(columns)])
    return Grid(
        tuple(columns), tuple(rows), f"The training ranked above, with {comparison.constants} constants"
    )


def _promised(promise: Guarantee) -> str:
    return "none" if promise.value is None else marked(promise.value, vacuous=promise.vacuous)


def _measured(rows: Sequence[Compared]) -> Iterator[Grid]:
    if all(row.measured is None for row in rows):
        return
    columns = [Column("spec", numeric=False)]
    columns += [
        Column(name) for name in ("measured", "s.e.", "at least", "at most", "W1", "runs", "f(W1)", "f(W^R)")
    ]
    body = []
    for row in rows:
        measured = row.measured
        if measured is not None:
            body.append(
                (
                    row.name,
                    number(measured.mean),
                    number(measured.standard_error, 2),
                    number(measured.lower),
                    number(measured.upper),
                    count(measured.starts),
                    count(measured.runs),
                    number(measured.initial_loss),
                    number(measured.final_loss),
                )
            )
    yield Grid(tuple(columns), tuple(body), "Measured E‖∇f(W^R)‖²")


def _row_notes(rows: Sequence[Compared]) -> Iterator[str]:
    told = ((row.name, (*row.notes, *(row.measured.notes if row.measured else ()))) for row in rows)
    return once((name, note) for name, notes in told for note in notes)


def _assumed(rows: Sequence[Compared]) -> Iterator[str]:
    """Each value that nobody gave, with the specs that lack it."""
    lacking = ((row.name, sentence) for row in rows for sentence in assumptions(row.assumed))
    return once(lacking, all_of=len(rows))


def _legend(comparison: Comparison) -> Iterator[str]:
    yield "bound, certified: at the training shown, which the chosen constants advise."
    if comparison.common_samples is not None:
        yield (
            f"at most {count(comparison.common_samples)} each: the fewest samples that any of these specs "
            "takes when it is advised alone, so the most that all can have."
        )
    yield "of limit: the bound as a share of the largest squared gradient that the network can have."
    if any(each.vacuous for row in comparison.specs for each in (row.paper, row.certified)):
        yield VACUOUS_MARK
    if any(row.measured is not None for row in comparison.specs):
        yield (
            "at least, at most: limits of the mean over the starts, for all specs together. A small gradient "
            "alone is no success: look at the loss beside it."
        )
