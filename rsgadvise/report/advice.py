"""Advice, bounds and plans as blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from rsgadvise.advise.results import Advice, Recommendation
from rsgadvise.advise.wording import ranks_by, ranks_in_words
from rsgadvise.bounds.objective import CAVEATS
from rsgadvise.report.answer import brief, digits_of, guarantee_sentences, lead
from rsgadvise.report.blocks import (
    Block,
    Column,
    Grid,
    Lead,
    Sentences,
    Title,
    assumptions,
    count,
    network,
    number,
    one_stepsize,
    sentences,
    stepsizes,
    terms_grid,
    verdict,
)
from rsgadvise.search import whole_number

__all__ = ["advice_blocks", "brief_ranking", "measured_blocks", "ranking_blocks", "reason_blocks"]


_NO_BOUND = "no bound"
_RANKS_BY_LAYER = 5
_LAYERS_SHOWN = 12
_LAYERS_BESIDE = 3
_OF_BOUNDS = ("loss score", "gradient bound", "bound", "certified", "proven")


def _ranks(ranks: Sequence[int], total: int) -> str:
    if len(ranks) == total:
        return "" if total == 1 else "All ranks: "
    return f"{ranks_in_words(ranks).capitalize()}: "


def _held_by(row: Recommendation) -> str:
    # The ends of keep_prob and of batch_size have a note of their own.
    own = ("search.keep_prob", "search.batch_size")
    return ", ".join(key for key in row.binding if not key.startswith(own))


def _row_notes(rows: Sequence[Recommendation]) -> Iterator[str]:
    """Each sentence once, with the ranks that it is about."""
    limits = ranks_by((row.rank, held_by) for row in rows if (held_by := _held_by(row)))
    for held_by, ranks in limits.items():
        start = _ranks(ranks, len(rows))
        yield f"{start}limited by {held_by}." if start else f"Limited by {held_by}."
    for note, ranks in ranks_by((row.rank, note) for row in rows for note in row.notes).items():
        yield f"{_ranks(ranks, len(rows))}{note}"


def _layer_grid(rows: Sequence[Recommendation]) -> Grid:
    """Stepsizes by layer for the first ranks; a deep network shows its first and last layers."""
    shown = rows[:_RANKS_BY_LAYER]
    vectors = [row.stepsize if isinstance(row.stepsize, tuple) else (row.stepsize,) for row in shown]
    depth = len(vectors[0])
    indices = list(range(depth))
    if depth > _LAYERS_SHOWN:
        indices = [*range(_LAYERS_SHOWN - 2), depth - 2, depth - 1]
    body = [(str(index + 1), *(number(vector[index]) for vector in vectors)) for index in indices]
    columns = (Column("layer"), *(Column(f"rank {row.rank}") for row in shown))
    title = "Stepsizes by layer"
    if depth > _LAYERS_SHOWN:
        title += f" (of {depth}; all of them in --format json)"
    return Grid(columns, tuple(body), title)


def _cost_column(advice: Advice) -> tuple[str, Callable[[Recommendation], str]]:
    """What a choice costs over all its runs: seconds, else epochs, else samples."""
    best = advice.recommendations[0]
    if best.seconds is not None:
        return "seconds", lambda row: number(row.seconds)
    every = "all " if any(row.runs > 1 for row in advice.recommendations) else ""
    if best.total_epochs is not None:
        return f"{every}epochs", lambda row: number(row.total_epochs)
    return f"{every}samples", lambda row: count(row.total_samples)


def _ranking(advice: Advice, *, by_layer: bool, digits: int = 4) -> Grid:
    rows = advice.recommendations
    cost_name, cost = _cost_column(advice)
    columns: list[tuple[Column, Callable[[Recommendation], str]]] = [(Column("#"), lambda row: str(row.rank))]
    if not by_layer:
        columns.append((Column("stepsize"), lambda row: number(_first(row), digits)))
    columns.append((Column("batch"), lambda row: count(row.batch_size)))
    if any(row.runs > 1 for row in rows):
        columns.append((Column("runs"), lambda row: str(row.runs)))
    columns.append((Column("iterations"), lambda row: count(row.iterations)))
    if any(row.decay for row in rows):
        columns.append((Column("decay"), lambda row: number(row.decay)))
    columns += [
        (Column("keep"), lambda row: number(row.keep_prob, 3)),
        (Column("drop"), lambda row: number(row.dropout_rate, 3)),
    ]
    by_loss = rows[0].loss_score is not None
    if by_loss:
        columns.append((Column("loss score"), lambda row: number(row.loss_score)))
    name = "gradient bound" if by_loss else "bound"
    columns.append((Column(name), lambda row: number(row.bound) if math.isfinite(row.bound) else _NO_BOUND))
    if advice.constants != "certified":
        columns.append((Column("certified"), lambda row: number(row.certified_bound)))
    columns += [
        (Column("proven", numeric=False), _verdict),
        (Column(cost_name), cost),
    ]
    body = tuple(tuple(cell(row) for _, cell in columns) for row in rows)
    return Grid(tuple(column for column, _ in columns), body)


def _first(row: Recommendation) -> float:
    """The stepsize of the first layer, which is that of all where there is a column for it."""
    return row.stepsize if isinstance(row.stepsize, float) else row.stepsize[0]


def _verdict(row: Recommendation) -> str:
    return verdict(proven=row.proven, vacuous=row.vacuous) if math.isfinite(row.bound) else _NO_BOUND


def _limits(advice: Advice) -> Iterator[str]:
    """The largest gradient possible, which rises with the keep probability."""
    if advice.largest_gradient is None:
        return
    text = f"No squared gradient norm of this network exceeds {number(advice.largest_gradient)}"
    span = stepsizes([row.largest_gradient for row in advice.recommendations])
    differ = " to " in span
    yield (
        f"{text} at rank 1; over all ranks the limit runs from {span}, with keep_prob."
        if differ
        else f"{text}."
    )


def _why(advice: Advice) -> Iterator[str]:
    yield from advice.why
    if advice.measured:
        # What only training needs is loaded only where there was some: most advice is without.
        from rsgadvise.report.piloting import measured_sentences

        yield from measured_sentences(advice)
    yield from _limits(advice)
    if advice.critical_batch_size is not None:
        knee = count(whole_number(advice.critical_batch_size))
        runs = advice.recommendations[0].runs
        at = "" if runs == 1 else f" of {runs:,} runs"
        yield f"Critical batch size{at} {knee}: there the iterations are twice the fewest possible."
    if advice.work:
        less, same, more = advice.work
        beyond = "" if more.allowed else ", beyond search.iterations.max"
        what = "" if same.loss_score is None else "a loss score of "
        low, high = (
            number(point.bound if point.loss_score is None else point.loss_score) for point in (less, more)
        )
        yield (
            f"A quarter of the work ({count(less.iterations)} iterations) would give {what}{low}, "
            f"four times ({count(more.iterations)}{beyond}) {high}."
        )


def measured_blocks(advice: Advice) -> Iterator[Block]:
    """The race, the choice of P_R and the constants, where anything was measured."""
    if advice.measured:
        from rsgadvise.report import piloting

        yield from piloting.measured_blocks(advice)


def advice_blocks(advice: Advice, *, details: bool = True, source: str = "") -> tuple[Block, ...]:
    """The answer, the ranks and a few lines; with details also why, and all that was measured and assumed.

    Args:
        advice: of any kind.
        details: everything; what a theorem was asked for by name comes with it.
        source: the command that gave it, for the one that comes next.
    """
    title = Title(f"Advice for {network(advice.kind, advice.layers)}", _context(advice))
    assumed = sentences("Assumed", assumptions(advice.assumed))
    asked = advice.train is None or (advice.train.source == "theorem" and not advice.chosen)
    answer = () if asked else (Lead(lead(advice, source)),)
    if advice.infeasible is not None:
        head = title if asked or details else replace(title, context="")
        return (head, *answer, *sentences("No plan", (f"{advice.infeasible.reason}.",)), *assumed)
    if not (details or asked):
        beside = advice.measured or (advice.train is not None and advice.train.source != "theorem")
        mind = brief(advice, () if beside else _row_notes(advice.recommendations))
        return (replace(title, context=""), *answer, *brief_ranking(advice), *sentences("Mind", mind))
    best = advice.recommendations[0]
    return (
        title,
        *answer,
        *ranking_blocks(advice),
        *([terms_grid(best.terms, best.bound, _terms_title(best))] if best.terms else []),
        *measured_blocks(advice),
        *reason_blocks(advice),
        *(sentences("Guaranteed", guarantee_sentences(advice.guarantee)) if advice.guarantee else ()),
        *assumed,
    )


def _context(advice: Advice) -> str:
    """Whose bounds the ranks show, and what they are ranked by."""
    proven = f", {CAVEATS[advice.constants]}" if advice.constants in CAVEATS else ""
    context = f"{advice.constants} constants{proven}, {advice.equation}; {advice.objective}"
    if advice.recommendations and advice.recommendations[0].stopping != "uniform":
        context += f"; P_R: {advice.recommendations[0].stopping}"
    return context


def brief_ranking(advice: Advice) -> tuple[Grid, ...]:
    """The ranks with what to train with; bounds only where they are a theorem's."""
    if not advice.measured:
        grids = ranking_blocks(advice)
        beside = advice.train is not None and advice.train.source != "theorem"
        title = "The theorem's ranks: what can be promised, not what to train with"
        return (
            replace(grids[0], title=title if beside else "Ranks of the theorem", caption=_context(advice)),
            *grids[1:],
        )
    rows = advice.recommendations
    by_layer = any(one_stepsize(row.stepsize) is None for row in rows)
    digits = digits_of(advice)
    grid = _without(_ranking(advice, by_layer=by_layer, digits=digits), _OF_BOUNDS)
    title, caption = _order(advice)
    grid = replace(grid, title=title, caption=caption)
    if not by_layer:
        return (grid,)
    vectors = [row.stepsize if isinstance(row.stepsize, tuple) else (row.stepsize,) for row in rows]
    if len(vectors[0]) > _LAYERS_BESIDE:
        return (grid, _layer_grid(rows))
    cells = [", ".join(number(gamma, min(digits, 3)) for gamma in vector) for vector in vectors]
    first = (grid.columns[0], Column("stepsizes by layer"), *grid.columns[1:])
    body = tuple((row[0], cell, *row[1:]) for row, cell in zip(grid.rows, cells, strict=True))
    return (replace(grid, columns=first, rows=body),)


def _order(advice: Advice) -> tuple[str, str]:
    """(title, what the order of the ranks means), where they are none of a theorem."""
    from rsgadvise.pilot.results import PilotAdvice

    if not isinstance(advice, PilotAdvice) or not advice.pilot.raced or len(advice.recommendations) < 2:
        return "", ""
    won = advice.pilot.raced[0].outcome == "won"
    text = (
        "Rank 1 won a race of short runs; the others lost it" if won else "Nobody won the race of short runs"
    )
    return "Tried on the data", f"{text}, those that ran longest first."


def _without(grid: Grid, names: Sequence[str]) -> Grid:
    kept = [place for place, column in enumerate(grid.columns) if column.name not in names]
    return replace(
        grid,
        columns=tuple(grid.columns[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in grid.rows),
    )


def _terms_title(best: Recommendation) -> str:
    kind = "bound" if best.loss_score is None else "gradient bound"
    return f"Terms of the {kind} at rank 1"


def ranking_blocks(advice: Advice) -> tuple[Grid, ...]:
    """The ranks, and where layers differ their stepsizes."""
    rows = advice.recommendations
    by_layer = any(one_stepsize(row.stepsize) is None for row in rows)
    return (_ranking(advice, by_layer=by_layer), *([_layer_grid(rows)] if by_layer else []))


def reason_blocks(advice: Advice) -> tuple[Sentences, ...]:
    """Why, and what to mind."""
    mind = (*advice.notes, *_row_notes(advice.recommendations))
    return (*sentences("Why", _why(advice)), *sentences("Mind", mind))
