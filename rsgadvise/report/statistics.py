"""Data statistics as blocks and as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rsgadvise.report.blocks import Block, Column, Grid, Title, count, number, sentences
from rsgadvise.report.documents import as_document

if TYPE_CHECKING:
    from rsgadvise.datastats import DataStatistics

__all__ = ["statistics_blocks", "statistics_document"]


def statistics_blocks(statistics: DataStatistics, name: str) -> tuple[Block, ...]:
    """Each statistic with its standard error."""
    errors = statistics.standard_errors
    rows = (
        ("mean (mu_x)", number(statistics.mean, 8), number(errors.mean, 2)),
        ("mean square (tau_x)", number(statistics.mean_square, 8), number(errors.mean_square, 2)),
        ("  without its upward bias", number(statistics.mean_square_unbiased, 8), ""),
        ("second moment, E||x||^2/d", number(statistics.second_moment, 8), number(errors.second_moment, 2)),
        (
            "top eigenvalue of E[x x^T]",
            number(statistics.top_eigenvalue, 8),
            number(errors.top_eigenvalue, 2),
        ),
    )
    columns = (
        Column("statistic", numeric=False),
        Column("value", alike=False),
        Column("standard error", alike=False),
    )
    targets = "none" if statistics.output_dim is None else str(statistics.output_dim)
    context = (
        f"{count(statistics.samples)} rows of {count(statistics.input_dim)} features, targets: {targets}; "
        f"scaling: {statistics.scaling}; passes: {statistics.passes}"
    )
    return (
        Title(f"Statistics of {name}", context),
        Grid(columns, rows),
        *sentences("Mind", statistics.notes),
    )


def statistics_document(statistics: DataStatistics, name: str) -> dict[str, Any]:
    """The statistics by their names, with the file."""
    return as_document("stats", statistics, file=name)
