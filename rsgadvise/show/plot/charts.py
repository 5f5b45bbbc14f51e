"""Which documents can be shown, and by which chart."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from rsgadvise.errors import DataError
from rsgadvise.show.plot.document import Entry, parse_document
from rsgadvise.show.plot.figure import Chart


def _sweep(document: Entry) -> Chart:
    from rsgadvise.show.plot.sweep import sweep_chart

    return sweep_chart(document)


def _recommend(document: Entry) -> Chart:
    from rsgadvise.show.plot.ranking import ranking_chart

    return ranking_chart(document)


def _iterations(document: Entry) -> Chart:
    from rsgadvise.show.plot.tradeoff import tradeoff_chart

    return tradeoff_chart(document)


def _verify(document: Entry) -> Chart:
    from rsgadvise.show.plot.verdicts import verdicts_chart

    return verdicts_chart(document)


def _design(document: Entry) -> Chart:
    from rsgadvise.show.plot.architectures import architectures_chart

    return architectures_chart(document)


def _compare(document: Entry) -> Chart:
    from rsgadvise.show.plot.comparison import comparison_chart

    return comparison_chart(document)


_CHARTS: dict[str, Callable[[Entry], Chart]] = {
    "sweep": _sweep,
    "recommend": _recommend,
    "iterations": _iterations,
    "verify": _verify,
    "design": _design,
    "compare": _compare,
}
_SCHEMA = re.compile(r"rsgadvise\.([a-z_]+)/(\d+)")


def chart_from(text: str, name: str, *, title: str | None = None) -> Chart:
    """The chart of a document that a command wrote with -f json or -f yaml.

    Args:
        text: the document.
        name: of its file, for messages.
        title: in place of the chart's own.

    Raises:
        DataError: it is no such document, or there is nothing in it to show.
    """
    return chart_of(parse_document(text, name), title=title)


def chart_of(document: Entry, *, title: str | None = None) -> Chart:
    """The chart of a parsed document.

    Raises:
        DataError: its schema has no chart, a key is missing, or a value is of another kind.
    """
    schema = document["schema"].text()
    known = ", ".join(f"rsgadvise.{command}/1" for command in _CHARTS)
    found = _SCHEMA.fullmatch(schema)
    if found is None:
        document["schema"].fail(f"must be one of {known}", "give what one of these commands wrote")
    if found[1] not in _CHARTS or found[2] != "1":
        why = "is of another version" if found[1] in _CHARTS else "has nothing to plot"
        raise DataError(f"{document.file}: {schema} {why}; the documents with a picture are {known}")
    chart = _CHARTS[found[1]](document)
    return chart if title is None else replace(chart, title=title)
