"""A panel with its values from bottom to top."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from rsgadvise.plot.figure import Panel, Series
from rsgadvise.plot.scales import fraction
from rsgadvise.plot.terminal.across import axis_below
from rsgadvise.plot.terminal.canvas import Canvas
from rsgadvise.plot.terminal.pen import BEHIND, Pen, span

__all__ = ["standing_panel"]

_TALL, _TALL_OF_GROUPS, _LOW = 18, 26, 10  # rows of a panel

Place = Callable[[float], int]


def standing_panel(pen: Pen, panel: Panel) -> list[str]:
    """The lines of the panel."""
    labels = {pen.say(tick.label): tick.position for tick in panel.value.ticks}
    margin = max(map(len, labels), default=0) + 1
    tall = _TALL_OF_GROUPS if pen.groups else _TALL
    canvas = Canvas(max(pen.width - margin - 1, 8), tall if panel.value.scale == "log" else _LOW)

    def row(value: float) -> int:
        return round((1 - fraction(panel.value, value)) * (canvas.height - 1))

    def column(at: float) -> int:
        return round(fraction(panel.across, at) * (canvas.width - 1))

    _levels(pen, panel, canvas, column, row)
    pen.meet(panel.series)
    for series in panel.series:
        _path(pen, series, canvas, column, row)
    for series in panel.series:
        _intervals(pen, series, canvas, _aside(pen, panel, series, column), row)
    for series in panel.series:
        _points(pen, series, canvas, _aside(pen, panel, series, column), row)
    side = {row(position): label for label, position in labels.items()}
    frame, lines = pen.glyphs.frame, []
    for index, text in enumerate(canvas.lines(colour=pen.colour)):
        label = side.get(index, "")
        lines.append(f"{label:>{margin}}{frame[3] if label else frame[0]}{text}")
    return [*lines, *axis_below(pen, panel.across, margin=margin, width=canvas.width)]


def _levels(pen: Pen, panel: Panel, canvas: Canvas, column: Place, row: Place) -> None:
    for level in panel.levels:
        mark = pen.draw_level(level.role, level.name, upright=level.across)
        if level.across:
            for each in range(canvas.height):
                canvas.put(column(level.at), each, *mark)
        else:
            for each in range(canvas.width):
                canvas.put(each, row(level.at), *mark)


def _aside(pen: Pen, panel: Panel, series: Series, column: Place) -> Place:
    """Columns of a group, which stands beside the others as far as there is room between the ticks."""
    if series.group is None or series.role in BEHIND or pen.groups < 2:
        return column
    places = sorted({column(point.at) for each in panel.series for point in each.points})
    room = min((b - a for a, b in pairwise(places)), default=pen.width // 2) - 2
    step = min(1.0, max(room, 0) / pen.groups)
    aside = math.floor(step * (series.group - (pen.groups - 1) / 2) + 0.5)
    return lambda at: column(at) + aside


def _path(pen: Pen, series: Series, canvas: Canvas, column: Place, row: Place) -> None:
    """Dots between the points of a line, of which only few fit beside each other."""
    if not series.joined or (series.group is not None and series.role != "limit"):
        return
    letter = pen.glyphs.level if series.role == "limit" else pen.glyphs.path
    for first, second in pairwise(series.points):
        if first.value is None or second.value is None:
            continue
        left, right = column(first.at), column(second.at)
        low, high = row(first.value), row(second.value)
        for each in range(left + 1, right):
            share = (each - left) / (right - left)
            canvas.put(each, round(low + share * (high - low)), letter, pen.code(series))


def _intervals(pen: Pen, series: Series, canvas: Canvas, column: Place, row: Place) -> None:
    code, floor = pen.code(series), canvas.height - 1
    for point in series.points:
        at, found = column(point.at), span(point, row, floor)
        if found is None:
            continue
        for each in range(found[0], found[1] + 1):
            canvas.put(at, each, pen.glyphs.interval, code)
        if point.open_below:
            canvas.put(at, floor, pen.glyphs.below[0], code)


def _points(pen: Pen, series: Series, canvas: Canvas, column: Place, row: Place) -> None:
    for point in series.points:
        if point.value is not None:
            glyph, code = pen.draw(series, point)
            place = column(point.at), row(point.value)
            if series.role in (*BEHIND, "plan"):
                canvas.put(*place, glyph, code)
            else:
                pen.met |= canvas.mark(*place, glyph, code, pen.glyphs.several)
        elif point.missing and series.role not in BEHIND:
            canvas.put(column(point.at), 0, *pen.draw_missing(series))
        elif point.upper is not None:
            pen.draw(series, point)  # an interval alone needs an entry in the legend too
