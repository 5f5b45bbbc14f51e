"""An iteration plan as a chart: steps and samples against the batch size, for one target."""

from __future__ import annotations

from collections.abc import Iterator

from rsgadvise.numerals import count, network, number
from rsgadvise.show.plot.document import Entry
from rsgadvise.show.plot.figure import Chart, Level, Panel, Point, Series
from rsgadvise.show.plot.scales import across_axis, log_axis


def tradeoff_chart(document: Entry) -> Chart:
    """Iterations N and samples N B over the batch size B, with the critical batch size.

    Raises:
        DataError: there is no tradeoff, a key is missing, or a value is of another kind.
    """
    entries = document["tradeoff"].entries()
    if not entries:
        document["tradeoff"].fail(
            "must hold at least one batch size; the target is infeasible there", "use a larger --eps"
        )
    points = [
        (
            entry["batch_size"].positive(),
            entry["iterations"].positive(),
            entry["samples"].positive(),
        )
        for entry in entries
    ]
    points.sort()
    critical = document.maybe_positive("critical_batch_size")
    planned = _planned(document)
    sizes = [point[0] for point in points]
    ends = [*sizes, *([] if planned is None else [planned[0]]), *([] if critical is None else [critical])]
    across = across_axis("batch size B (rows)", ends)
    # The critical size has a line of its own, and needs no tick.
    across = (
        across
        if critical is None
        else type(across)(
            across.label,
            across.scale,
            across.low,
            across.high,
            tuple(tick for tick in across.ticks if tick.position != critical or critical == int(critical)),
        )
    )
    levels = (
        ()
        if critical is None
        else (Level(f"critical batch size {number(critical)}", "limit", critical, across=True),)
    )

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

    eps, delta = document["eps"].number(), document["delta"].number()
    runs, constants = document["runs"].whole(), document["constants"].text()
    return Chart(
        title=f"Iterations for {network(document['kind'].text(), document.layers())}",
        subtitle=f"{constants} constants; eps {number(eps)}, delta {number(delta)}, {runs} runs",
        rows=(
            (panel("Steps of one run", "iterations N (steps)", 1),),
            (panel("Samples of one run", "samples N B (rows)", 2),),
        ),
        caption=tuple(_caption(document, critical)),
    )


def _planned(document: Entry) -> tuple[float, float, float] | None:
    """Batch size, iterations and samples of the plan itself, None where the target is infeasible."""
    steps, rows = document.maybe_positive("iterations"), document.maybe_positive("samples")
    if steps is None or rows is None:
        return None
    return document["batch_size"].positive(), steps, rows


def _caption(document: Entry, critical: float | None) -> Iterator[str]:
    if critical is not None:
        yield (
            f"At the critical batch size {number(critical)} the iterations are twice the fewest possible; "
            "larger batches save few steps and cost more samples."
        )
    smallest = document.maybe_positive("min_batch_size")
    if smallest is not None:
        rows_of_it = f"{count(int(smallest))} row{'' if smallest == 1 else 's'}"
        yield f"The smallest batch that reaches the target has {rows_of_it}."
    steps, rows = document.maybe_positive("iterations"), document.maybe_positive("samples")
    if steps is not None and rows is not None:
        size = count(int(document["batch_size"].positive()))
        yield f"The plan: batches of {size}, {count(int(steps))} iterations, {count(int(rows))} samples."
    else:
        yield "At the batch size asked for the target cannot be reached."
