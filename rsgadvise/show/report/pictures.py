"""The numbers of a chart as blocks and as rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rsgadvise.numerals import number
from rsgadvise.show.plot.figure import Axis, Chart, Panel
from rsgadvise.show.report.blocks import Block, Column, Grid, Title, sentences


def chart_blocks(chart: Chart) -> tuple[Block, ...]:
    """One grid for each panel, with every number that it shows."""
    grids = [grid for panel in chart.panels for grid in _grids(panel, chart)]
    return (Title(chart.title, chart.subtitle), *grids, *sentences("Mind", chart.caption))


def chart_rows(chart: Chart) -> list[dict[str, Any]]:
    """Each number of the chart as a row of plain values."""
    return [
        {"panel": index + 1, "values": panel.value.label, **row}
        for index, panel in enumerate(chart.panels)
        for row in _numbers(panel, chart)
    ]


def _place(axis: Axis, at: float) -> str | float:
    """A category by its name, a number as it is."""
    return axis.ticks[round(at)].label if axis.scale == "category" else at


def _numbers(panel: Panel, chart: Chart) -> Iterator[dict[str, Any]]:
    for level in panel.levels:
        row = {"series": level.name, "group": "", "at": None, "value": None, "lower": None, "upper": None}
        yield row | {"at" if level.across else "value": level.at}
    for bar in panel.bars:
        for segment in bar.segments:
            yield {
                "series": chart.parts[segment.part],
                "group": "",
                "at": _place(panel.across, bar.at),
                "value": segment.value,
                "lower": None,
                "upper": None,
            }
    for series in panel.series:
        for point in series.points:
            yield {
                "series": series.name,
                "group": "" if series.group is None else chart.groups[series.group],
                "at": _place(panel.across, point.at),
                "value": point.value,
                "lower": point.lower,
                "upper": point.upper,
            }


def _grids(panel: Panel, chart: Chart) -> Iterator[Grid]:
    rows = list(_numbers(panel, chart))
    if not rows:
        return
    names = ["series", *(["group"] if chart.groups else []), "at", "value"]
    names += [name for name in ("lower", "upper") if any(row[name] is not None for row in rows)]
    heads = {"group": chart.group_name, "at": panel.across.label or "at"}
    text = {"series", "group", "at"} if panel.across.scale == "category" else {"series", "group"}
    columns = tuple(Column(heads.get(name, name), numeric=name not in text) for name in names)
    body = tuple(tuple(_cell(row[name]) for name in names) for row in rows)
    yield Grid(columns, body, panel.title or panel.value.label, keys=3 if chart.groups else 2)


def _cell(value: str | float | None) -> str:
    return "" if value is None else value if isinstance(value, str) else number(value)
