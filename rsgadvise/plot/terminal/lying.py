"""A panel of categories from top to bottom, one line each, with values to the right."""

from __future__ import annotations

from collections.abc import Callable

from rsgadvise.plot.figure import Panel, Series
from rsgadvise.plot.scales import fraction
from rsgadvise.plot.terminal.across import axis_below
from rsgadvise.plot.terminal.canvas import Canvas
from rsgadvise.plot.terminal.pen import BEHIND, Pen, span

__all__ = ["lying_panel"]

_NAMES = 0.5  # of the width, for the names of categories


def lying_panel(pen: Pen, panel: Panel) -> list[str]:
    """The lines of the panel."""
    full = [pen.say(tick.label) for tick in panel.across.ticks]
    short = max(map(len, full)) <= _NAMES * pen.width
    names = full if short else [str(index + 1) for index in range(len(full))]
    margin = max(map(len, names)) + 1
    canvas = Canvas(max(pen.width - margin - 1, 8), len(names))

    def column(value: float) -> int:
        return round(fraction(panel.value, value) * (canvas.width - 1))

    for level in panel.levels:
        glyph, code = pen.draw_level(level.role, level.name, upright=True)
        for row in range(canvas.height):
            canvas.put(column(level.at), row, glyph, code)
    _bars(pen, panel, canvas, column)
    pen.meet(panel.series)
    for series in panel.series:
        _intervals(pen, series, canvas, column)
    for series in panel.series:
        _points(pen, series, canvas, column)
    lines = [
        f"{name:>{margin}}{pen.glyphs.frame[0]}{text}"
        for name, text in zip(names, canvas.lines(colour=pen.colour), strict=True)
    ]
    lines += axis_below(pen, panel.value, margin=margin, width=canvas.width)
    return lines if short else [*lines, *pen.key(panel.across, full)]


def _bars(pen: Pen, panel: Panel, canvas: Canvas, column: Callable[[float], int]) -> None:
    for bar in panel.bars:
        start = 0.0
        for segment in bar.segments:
            fill, code = pen.draw_part(segment.part)
            for each in range(column(start), column(start + segment.value)):
                canvas.put(each, round(bar.at), fill, code)
            start += segment.value


def _intervals(pen: Pen, series: Series, canvas: Canvas, column: Callable[[float], int]) -> None:
    code = pen.code(series)
    for point in series.points:
        row, found = round(point.at), span(point, column, 0)
        if found is None:
            continue
        start, stop = found
        for each in range(start, stop + 1):
            canvas.put(each, row, pen.glyphs.lying, code)
        if point.open_below:
            canvas.put(0, row, pen.glyphs.below[1], code)
        elif point.lower is not None:
            canvas.put(start, row, pen.glyphs.ends[0], code)
        if point.upper is not None:
            canvas.put(stop, row, pen.glyphs.ends[1], code)


def _points(pen: Pen, series: Series, canvas: Canvas, column: Callable[[float], int]) -> None:
    for point in series.points:
        row = round(point.at)
        if point.value is not None and series.role in BEHIND:
            canvas.put(column(point.value), row, *pen.draw_level(series.role, series.name, upright=True))
        elif point.value is not None:
            glyph, code = pen.draw(series, point)
            pen.met |= canvas.mark(column(point.value), row, glyph, code, pen.glyphs.several)
        elif point.missing:
            canvas.put(canvas.width - 1, row, *pen.draw_missing(series))
