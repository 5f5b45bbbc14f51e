"""An iteration plan as a chart: steps and samples against the batch size, for one target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rsgadvise.numerals import count, network, number
from rsgadvise.records import dataclass
from rsgadvise.show.plot import typed
from rsgadvise.show.plot.document import Document
from rsgadvise.show.plot.figure import Chart, Level, Panel, Point, Series
from rsgadvise.show.plot.scales import across_axis, log_axis


@dataclass(frozen=True, slots=True)
class _Trade:
    batch_size: typed.Positive
    iterations: typed.Positive
    samples: typed.Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    tradeoff: typed.Entries[_Trade]
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

    def planned(self) -> tuple[float, float, float] | None:
        """Batch size, iterations and samples of the plan itself, None where the target is infeasible."""
        if self.batch_size is None or self.iterations is None or self.samples is None:
            return None
        return self.batch_size, self.iterations, self.samples


def tradeoff_chart(document: Document) -> Chart:
    """Iterations N and samples N B over the batch size B, with the critical batch size.

    Raises:
        DataError: a key is missing, or a value is of another kind.
    """
    plan = document.read(_Plan)
    points = [(trade.batch_size, trade.iterations, trade.samples) for trade in plan.tradeoff]
    points.sort()
    critical, planned = plan.critical_batch_size, plan.planned()
    sizes = [point[0] for point in points]
    ends = [*sizes, *([] if planned is None else [planned[0]]), *([] if critical is None else [critical])]
    across = across_axis("batch size B (rows)", ends)
    levels: tuple[Level, ...] = ()
    if critical is not None:
        levels = (Level(f"critical batch size {number(critical)}", "limit", critical, across=True),)
        if critical != int(critical):  # it has a line of its own, and needs no tick
            ticks = tuple(tick for tick in across.ticks if tick.position != critical)
            across = replace(across, ticks=ticks)

    def panel(title: str, label: str, index: int) -> Panel:
        line = Series(
            "to reach the target",
            "cost",
            tuple(Point(point[0], point[index]) for point in points),
            joined=True,
        )
        mark = [] if planned is None else [Series("the plan", "plan", (Point(planned[0], planned[index]),))]
        values = [p.value for each in (line, *mark) for p in each.points if p.value is not None]
        return Panel(title, across, log_axis(label, values), (line, *mark), levels)

    target = f"eps {number(plan.eps)}, delta {number(plan.delta)}, {plan.runs} runs"
    return Chart(
        title=f"Iterations for {network(plan.kind, plan.layers)}",
        subtitle=f"{plan.constants} constants; {target}",
        rows=(
            (panel("Steps of one run", "iterations N (steps)", 1),),
            (panel("Samples of one run", "samples N B (rows)", 2),),
        ),
        caption=tuple(_caption(plan)),
    )


def _caption(plan: _Plan) -> Iterator[str]:
    critical, smallest, planned = plan.critical_batch_size, plan.min_batch_size, plan.planned()
    if critical is not None:
        yield (
            f"At the critical batch size {number(critical)} the iterations are twice the fewest possible; "
            "larger batches save few steps and cost more samples."
        )
    if smallest is not None:
        rows_of_it = f"{count(int(smallest))} row{'' if smallest == 1 else 's'}"
        yield f"The smallest batch that reaches the target has {rows_of_it}."
    if planned is not None:
        size, steps, rows = (count(int(value)) for value in planned)
        yield f"The plan: batches of {size}, {steps} iterations, {rows} samples."
    else:
        yield "At the batch size asked for the target cannot be reached."
