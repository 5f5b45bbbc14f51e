"""Advice, bounds and plans as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rsgadvise.advise.results import Advice, Recommendation
from rsgadvise.report.blocks import (
    Block,
    Column,
    Grid,
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

__all__ = ["advice_blocks"]


_RANKS_BY_LAYER = 5
_LAYERS_SHOWN = 12


def _ranks(ranks: Sequence[int], total: int) -> str:
    if len(ranks) == total:
        return "" if total == 1 else "All ranks: "
    spans: list[list[int]] = []
    for rank in ranks:
        if spans and spans[-1][-1] == rank - 1:
            spans[-1].append(rank)
        else:
            spans.append([rank])
    text = ", ".join(str(s[0]) if len(s) == 1 else f"{s[0]}-{s[-1]}" for s in spans)
    return f"Rank{'' if len(ranks) == 1 else 's'} {text}: "


def _row_notes(rows: Sequence[Recommendation]) -> Iterator[str]:
    """Each sentence once, with the ranks that it is about."""
    about: dict[str, list[int]] = {}
    for row in rows:
        for note in row.notes:
            about.setdefault(note, []).append(row.rank)
    limits: dict[str, list[int]] = {}
    for row in rows:
        # The ends of keep_prob have a note of their own.
        keys = [key for key in row.binding if not key.startswith("search.keep_prob")]
        if keys:
            limits.setdefault(", ".join(keys), []).append(row.rank)
    for held_by, ranks in limits.items():
        yield f"{_ranks(ranks, len(rows))}held back by {held_by}."
    for note, ranks in about.items():
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


def advice_blocks(advice: Advice) -> tuple[Block, ...]:
    """Ranking first, then why, then what was assumed."""
    context = f"{advice.constants} constants, {advice.equation}; {advice.objective}"
    title = Title(f"Advice for {network(advice.kind, advice.layers)}", context)
    assumed = sentences("Assumed", assumptions(advice.assumed))
    if advice.infeasible is not None:
        return (title, *sentences("No plan", (f"{advice.infeasible.reason}.",)), *assumed)
    rows, best = advice.recommendations, advice.recommendations[0]
    decays, repeats = any(row.decay for row in rows), any(row.runs > 1 for row in rows)
    has_epochs, has_seconds = best.epochs is not None, best.seconds is not None
    by_layer = any(one_stepsize(row.stepsize) is None for row in rows)
    columns = [Column("#")] + [Column("stepsize")] * (not by_layer)
    columns += [Column("batch"), Column("iterations")]
    columns += [Column("decay")] * decays + [Column("runs")] * repeats
    columns += [
        Column("keep"),
        Column("drop"),
        Column("bound"),
        Column("certified"),
        Column("proven", numeric=False),
    ]
    columns += [Column("epochs" if has_epochs else "samples")] + [Column("seconds")] * has_seconds
    body = []
    for row in rows:
        cells = [str(row.rank)] + [stepsizes(row.stepsize)] * (not by_layer)
        cells += [count(row.batch_size), count(row.iterations)]
        cells += [number(row.decay)] * decays + [str(row.runs)] * repeats
        cells += [
            number(row.keep_prob, 3),
            number(row.dropout_rate, 3),
            number(row.bound),
            number(row.certified_bound),
        ]
        cells += [
            verdict(proven=row.proven, vacuous=row.vacuous),
            number(row.epochs) if has_epochs else count(row.samples),
        ]
        cells += [number(row.seconds)] * has_seconds
        body.append(tuple(cells))
    why = list(advice.why)
    if advice.largest_gradient is not None:
        why.append(f"No squared gradient norm of this network exceeds {number(advice.largest_gradient)}.")
    if advice.critical_batch_size is not None:
        why.append(
            f"Critical batch size {number(advice.critical_batch_size)}: "
            "there the iterations are twice the fewest possible."
        )
    less, more = (
        next((p for p in advice.work if p.factor < 1), None),
        next((p for p in advice.work if p.factor > 1), None),
    )
    if less is not None and more is not None:
        why.append(
            f"A quarter of the work ({count(less.iterations)} iterations) would give {number(less.bound)}, "
            f"four times ({count(more.iterations)}) {number(more.bound)}."
        )
    return (
        title,
        Grid(tuple(columns), tuple(body)),
        *([_layer_grid(rows)] if by_layer else []),
        terms_grid(best.terms, best.bound, "Terms of the bound at rank 1"),
        *sentences("Why", why),
        *sentences("Mind", (*advice.notes, *_row_notes(rows))),
        *assumed,
    )
