"""Charts as text for a terminal, without matplotlib."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from rsgadvise.show.plot.canvas import ASCII, BEHIND, BOLD, DIM, UNICODE, Canvas, Pen, span
from rsgadvise.show.plot.figure import Axis, Chart, Panel, Series
from rsgadvise.show.plot.scales import fraction

# The axis below a panel.


def axis_below(pen: Pen, axis: Axis, *, margin: int, width: int) -> Iterator[str]:
    """The axis with its ticks, their texts, and its name; long texts become numbers with a key below.

    Args:
        pen: of the page.
        axis: which.
        margin: columns to its left. width: its own.
    """
    ticks = [(round(fraction(axis, t.position) * (width - 1)), pen.say(t.label)) for t in axis.ticks]
    ticks = [(place, label) for place, label in ticks if 0 <= place < width]
    numbered = axis.scale == "category" and not _labels(ticks, width)[1]
    names = [label for _, label in ticks]
    if numbered:
        ticks = [(place, str(index + 1)) for index, (place, _) in enumerate(ticks)]
    rule = [pen.glyphs.frame[1]] * width
    for place, _ in ticks:
        rule[place] = pen.glyphs.frame[4]
    yield " " * margin + pen.glyphs.frame[2] + "".join(rule)
    yield " " * (margin + 1) + _labels(ticks, width)[0]
    if axis.label:
        yield from (line.center(pen.width).rstrip() for line in pen.wrapped(axis.label))
    if numbered:
        yield from pen.key(axis, names)


def _labels(ticks: Sequence[tuple[int, str]], width: int) -> tuple[str, bool]:
    """Texts centred below their ticks, and whether all fit; one that would touch another is left out."""
    line, end, whole = "", -1, True
    for place, label in ticks:
        start = min(max(place - len(label) // 2, 0), max(width - len(label), 0))
        if start < end + 1 or len(label) > width:
            whole = False
            continue
        line = line.ljust(start) + label
        end = start + len(label)
    return line, whole


# A panel of categories from top to bottom, one line each, with values to the right.

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
        _category_intervals(pen, series, canvas, column)
    for series in panel.series:
        _category_points(pen, series, canvas, column)
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


def _category_intervals(pen: Pen, series: Series, canvas: Canvas, column: Callable[[float], int]) -> None:
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


def _category_points(pen: Pen, series: Series, canvas: Canvas, column: Callable[[float], int]) -> None:
    for point in series.points:
        row = round(point.at)
        if point.value is not None and series.role in BEHIND:
            canvas.put(column(point.value), row, *pen.draw_level(series.role, series.name, upright=True))
        elif point.value is not None:
            glyph, code = pen.draw(series, point)
            pen.met |= canvas.mark(column(point.value), row, glyph, code, pen.glyphs.several)
        elif point.missing:
            canvas.put(canvas.width - 1, row, *pen.draw_missing(series))


# A panel with its values from bottom to top.

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


# A chart as text, as wide as the terminal is.


def can_encode(encoding: str) -> bool:
    """Whether an encoding has every character of the marks and of the names of axes."""
    parts = [*UNICODE.roles.values(), *UNICODE.hollow.values(), *UNICODE[2:], "∇‖ζᴿ⁻⁴"]
    try:
        "".join(parts).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def render(chart: Chart, *, width: int, colour: bool, unicode: bool) -> str:
    """Draw a chart with characters.

    Args:
        chart: what to draw.
        width: columns of the terminal; no line is longer.
        colour: with ANSI styles.
        unicode: with block and box characters, else in ASCII alone.

    Returns:
        The lines, each ended by a newline.
    """
    pen = Pen(width, UNICODE if unicode else ASCII, chart.parts, len(chart.groups), colour=colour)
    lines = [*pen.wrapped(chart.title, BOLD), *pen.wrapped(chart.subtitle, DIM)]
    for panel in chart.panels:
        lines += ["", *_panel(pen, panel)]
    lines += ["", *pen.legend(), *_groups(pen, chart)]
    for sentence in chart.caption:
        lines += pen.wrapped(sentence, first="- ", rest="  ")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _panel(pen: Pen, panel: Panel) -> list[str]:
    lines = pen.wrapped(panel.title, BOLD)
    if panel.horizontal:
        return [*lines, *lying_panel(pen, panel)]
    return [*lines, *pen.wrapped(panel.value.label), *standing_panel(pen, panel)]


def _groups(pen: Pen, chart: Chart) -> list[str]:
    if not chart.groups:
        return []
    names = enumerate(chart.groups)
    return [
        *pen.wrapped(f"{chart.group_name}:"),
        *pen.flowed([(pen.letter(index), pen.group_code(index), pen.say(name)) for index, name in names]),
    ]
