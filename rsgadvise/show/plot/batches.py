"""Batch sizes as a chart: iterations, samples and time to the same loss."""

from __future__ import annotations

from collections.abc import Iterator

from rsgadvise.numerals import count, number
from rsgadvise.records import dataclass
from rsgadvise.show.plot import typed
from rsgadvise.show.plot.document import Document
from rsgadvise.show.plot.figure import Chart, Level, Panel, Point, Series
from rsgadvise.show.plot.scales import across_axis, log_axis


@dataclass(frozen=True, slots=True)
class _Row:
    batch_size: typed.Positive
    iterations: typed.Positive
    samples: typed.Positive
    seconds: typed.Positive | None = None


@dataclass(frozen=True, slots=True)
class _Critical:
    value: typed.Positive | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batches:
    about: typed.Text
    optimizer: typed.Text
    source: typed.Text
    tradeoff: typed.Entries[_Row]
    critical_batch_size: _Critical
    advised: typed.Positive
    fastest: typed.Positive | None


def batches_chart(document: Document) -> Chart:
    """Iterations, samples and, where they are known, seconds over the batch size.

    Raises:
        DataError: a key is missing, or a value is of another kind.
    """
    found = document.read(_Batches)
    rows = sorted(found.tradeoff, key=lambda row: row.batch_size)
    critical = found.critical_batch_size.value
    across = across_axis("batch size B (rows)", [row.batch_size for row in rows])
    levels: tuple[Level, ...] = ()
    if critical is not None and across.low <= critical <= across.high:
        levels = (Level(f"critical batch size {number(critical, 2)}", "limit", critical, across=True),)

    def panel(title: str, label: str, values: list[float]) -> tuple[Panel, ...]:
        points = [Point(row.batch_size, value) for row, value in zip(rows, values, strict=True)]
        line = Series("to the same loss", "cost", tuple(points), joined=True)
        advised = tuple(point for point in points if point.at == found.advised)
        marks = [Series("advised", "plan", advised)] if advised else []
        return (Panel(title, across, log_axis(label, values), (line, *marks), levels),)

    seconds = [row.seconds for row in rows if row.seconds is not None]
    return Chart(
        title=f"Batch sizes for {found.about}",
        subtitle=f"{found.optimizer}; critical batch size {found.source}",
        rows=(
            panel("Steps", "iterations N (steps)", [row.iterations for row in rows]),
            panel("Samples", "samples N B (rows)", [row.samples for row in rows]),
            *([panel("Time", "seconds", seconds)] if len(seconds) == len(rows) else []),
        ),
        caption=tuple(_caption(found, critical)),
    )


def _caption(found: _Batches, critical: float | None) -> Iterator[str]:
    if critical is not None:
        yield (
            f"At the critical batch size {number(critical, 2)} iterations and samples are twice the fewest "
            "possible; larger batches save few steps and cost more samples."
        )
    if found.fastest is not None:
        yield f"Batches of {count(int(found.fastest))} rows take least time."
