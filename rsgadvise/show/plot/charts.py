"""Which documents can be shown, and by which chart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rsgadvise.records import dataclass
from rsgadvise.show.plot.figure import Chart
from rsgadvise.show.plot.ranking import ranking_chart
from rsgadvise.show.plot.sweep import sweep_chart
from rsgadvise.show.plot.tradeoff import batches_chart, plan_chart
from rsgadvise.show.plot.typed import Document, Text, line, parse_document

_CHARTS: dict[str, tuple[Callable[[Document], Chart], str, str, str]] = {
    # chart, the key of what it shows, what that must hold, and what to do where it is empty
    "sweep": (sweep_chart, "points", "point", "sweep values that the spec allows"),
    "recommend": (ranking_chart, "recommendations", "recommendation", "relax the target or the budget"),
    "batch": (batches_chart, "tradeoff", "batch size", "give it rows"),
    "iterations": (plan_chart, "tradeoff", "batch size within reach of the target", "use a larger --eps"),
}


@dataclass(frozen=True, slots=True)
class _Head:
    schema: Text


def chart_from(text: str, name: str, *, title: str | None = None) -> Chart:
    """The chart of a document that a command wrote with -f json.

    Args:
        text: the document.
        name: of its file, for messages.
        title: in place of the chart's own.

    Raises:
        DataError: it is no such document, its schema has no chart, a key is missing or holds a value of
            another kind, or there is nothing in it to show.
    """
    document = parse_document(text, name)
    schema = document.read(_Head).schema
    charts = {f"rsgadvise.{command}/1": chart for command, chart in _CHARTS.items()}
    if schema not in charts:
        fix = "give what this version of one of these commands wrote"
        raise document.error(("schema",), f"must be one of {', '.join(charts)}", schema, fix)
    draw, key, least, fix = charts[schema]
    if document.content.get(key) == []:
        match document.content:
            case {"infeasible": {"reason": str(reason)}}:
                least += f"; there is none: {line(reason)}"
        raise document.error((key,), f"must hold at least one {least}", [], fix)
    chart = draw(document)
    return chart if title is None else replace(chart, title=title)
