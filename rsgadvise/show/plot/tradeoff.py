"""Steps, samples and time over the batch size: for one target (`iterations`), or to one loss (`batch`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rsgadvise.numerals import count, network, number
from rsgadvise.records import dataclass
from rsgadvise.show.plot import typed
from rsgadvise.show.plot.figure import Axis, Chart, Level, Panel, Point, Series
from rsgadvise.show.plot.scales import across_axis, log_axis, values_of

_BATCH_SIZE = "batch size B (rows)"
_LABELS = {
    "iterations": "iterations N (steps)",
    "samples": "samples N B (rows)",
    "seconds": "seconds",
}


@dataclass(frozen=True, slots=True)
class _Row:
    batch_size: typed.Positive
    iterations: typed.Positive
    samples: typed.Positive
    seconds: typed.Positive | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    tradeoff: typed.Entries[_Row]
    critical_batch_size: typed.Positive | None
    iterations: typed.Positive | None
    samples: typed.Positive | None
    batch_size: typed.Positive | None = None
    eps: typed.Number
    delta: typed.Number
    runs: typed.Whole
    constants: typed.Text
    kind: typed.Text
    layers: typed.Layers
    min_batch_size: typed.Positive | None

    def planned(self) -> _Row | None:
        """The plan itself, None where the target is infeasible."""
        if self.batch_size is None or self.iterations is None or self.samples is None:
            return None
        return _Row(self.batch_size, self.iterations, self.samples)


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


def plan_chart(document: typed.Document) -> Chart:
    """Iterations N and samples N B of an iteration plan over the batch size B, with the critical one."""
    plan = document.read(_Plan)
    critical, planned = plan.critical_batch_size, plan.planned()
    rows = sorted(plan.tradeoff, key=lambda row: row.batch_size)
    mark = [] if planned is None else [planned]
    sizes = [row.batch_size for row in (*rows, *mark)]
    across = across_axis(_BATCH_SIZE, [*sizes, *([] if critical is None else [critical])])
    if critical is not None and critical != int(critical):  # it has a line of its own, and needs no tick
        across = replace(across, ticks=tuple(tick for tick in across.ticks if tick.position != critical))
    levels = () if critical is None else (_level(critical, number(critical)),)
    titles = {"iterations": "Steps of one run", "samples": "Samples of one run"}
    target = f"eps {number(plan.eps)}, delta {number(plan.delta)}, {plan.runs} runs"
    return Chart(
        title=f"Iterations for {network(plan.kind, plan.layers)}",
        subtitle=f"{plan.constants} constants; {target}",
        rows=_panels(titles, across, levels, [("to reach the target", rows), ("the plan", mark)]),
        caption=tuple(_plan_caption(plan, planned)),
    )


def batches_chart(document: typed.Document) -> Chart:
    """Iterations, samples and, where they are known, seconds to the same loss over the batch size."""
    found = document.read(_Batches)
    rows = sorted(found.tradeoff, key=lambda row: row.batch_size)
    critical = found.critical_batch_size.value
    across = across_axis(_BATCH_SIZE, [row.batch_size for row in rows])
    shown = critical is not None and across.low <= critical <= across.high
    levels = (_level(critical, number(critical, 2)),) if critical is not None and shown else ()
    titles = {"iterations": "Steps", "samples": "Samples"}
    if all(row.seconds is not None for row in rows):
        titles["seconds"] = "Time"
    advised = [row for row in rows if row.batch_size == found.advised]
    return Chart(
        title=f"Batch sizes for {found.about}",
        subtitle=f"{found.optimizer}; critical batch size {found.source}",
        rows=_panels(titles, across, levels, [("to the same loss", rows), ("advised", advised)]),
        caption=tuple(_batches_caption(found, critical)),
    )


def _level(critical: float, text: str) -> Level:
    return Level(f"critical batch size {text}", "limit", critical, across=True)


def _panels(
    titles: Mapping[str, str],
    across: Axis,
    levels: tuple[Level, ...],
    named: Sequence[tuple[str, Sequence[_Row]]],
) -> tuple[tuple[Panel, ...], ...]:
    """A line of each quantity over all rows, and a mark at the row that is set off, if there is one."""
    panels = []
    for key, title in titles.items():
        points = [
            (name, tuple(Point(row.batch_size, getattr(row, key)) for row in rows)) for name, rows in named
        ]
        (line, all_rows), (mark, one) = points
        series = (Series(line, "cost", all_rows, joined=True), *([Series(mark, "plan", one)] if one else []))
        panels.append((Panel(title, across, log_axis(_LABELS[key], values_of(series)), series, levels),))
    return tuple(panels)


def _plan_caption(plan: _Plan, planned: _Row | None) -> Iterator[str]:
    critical, smallest = plan.critical_batch_size, plan.min_batch_size
    if critical is not None:
        yield (
            f"At the critical batch size {number(critical)} the iterations are twice the fewest possible; "
            "larger batches save few steps and cost more samples."
        )
    if smallest is not None:
        rows_of_it = f"{count(int(smallest))} row{'' if smallest == 1 else 's'}"
        yield f"The smallest batch that reaches the target has {rows_of_it}."
    if planned is not None:
        size, steps, rows = (
            count(int(value)) for value in (planned.batch_size, planned.iterations, planned.samples)
        )
        yield f"The plan: batches of {size}, {steps} iterations, {rows} samples."
    else:
        yield "At the batch size asked for the target cannot be reached."


def _batches_caption(found: _Batches, critical: float | None) -> Iterator[str]:
    if critical is not None:
        yield (
            f"At the critical batch size {number(critical, 2)} iterations and samples are twice the fewest "
            "possible; larger batches save few steps and cost more samples."
        )
    if found.fastest is not None:
        yield f"Batches of {count(int(found.fastest))} rows take least time."
