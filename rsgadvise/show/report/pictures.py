"""The numbers of a chart as blocks and as rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rsgadvise.numerals import number
from rsgadvise.show.plot.figure import Axis, Chart, Panel
from rsgadvise.show.report.blocks import Block, Column, Grid, Title, sentences

# A series of numbers as one line of bars.

BARS = "▁▂▃▄▅▆▇█"
PLAIN_BARS = "_.:-=+*#"
"""The same for outputs whose encoding lacks the blocks: the lowest first."""

_RATIO = 10.0  # between the largest and the smallest value: beyond it small changes would be invisible
_FLAT = 0.01  # of the largest size: a smaller spread is drawn as none, or rounding would look like a trend
_LONGEST = 40  # characters


def logarithmic(values: Sequence[float | None]) -> bool:
    """Whether the bars of these values are drawn on a logarithmic scale.

    Example:
        >>> logarithmic([1.0, 5.0]), logarithmic([1.0, 50.0]), logarithmic([0.0, 50.0])
        (False, True, False)
    """
    known = [value for value in values if value is not None]
    return bool(known) and min(known) > 0 and max(known) / min(known) > _RATIO


def flat(values: Sequence[float | None]) -> bool:
    """Whether the values differ by less than 1 % of the largest size among them.

    Example:
        >>> flat([0.03706, 0.03705]), flat([1.0, 0.99, None]), flat([0.0, 1e-9]), flat([0.0, 0.0])
        (True, False, False, True)
    """
    known = [value for value in values if value is not None]
    return not known or max(known) - min(known) < _FLAT * max(map(abs, known)) or max(known) == min(known)


def sparkline(values: Sequence[float | None], *, plain: bool = False) -> str:
    """One bar for each value, a gap for None; of many values, evenly spaced ones; all alike where `flat`.

    Example:
        >>> sparkline([1.0, 2.0, None, 8.0]), sparkline([1.0, 10.0, 100.0]), sparkline([3.0, 3.01])
        ('▁▂ █', '▁▅█', '▄▄')
        >>> sparkline([1.0, 2.0, None, 8.0], plain=True)
        '_. #'
    """
    from math import log

    bars = PLAIN_BARS if plain else BARS
    if len(values) > _LONGEST:
        step = (len(values) - 1) / (_LONGEST - 1)
        values = [values[round(step * place)] for place in range(_LONGEST)]
    scaled = [
        None if value is None else log(value) if logarithmic(values) else float(value) for value in values
    ]
    known = [value for value in scaled if value is not None]
    if not known:
        return " " * len(values)
    low, span = min(known), 0.0 if flat(values) else max(known) - min(known)
    last = len(bars) - 1

    def bar(value: float | None) -> str:
        if value is None:
            return " "
        # Rounded half up, so that the middle of the range is the upper of the two middle bars.
        return bars[int((value - low) / span * last + 0.5)] if span > 0 else bars[last // 2]

    return "".join(map(bar, scaled))


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
