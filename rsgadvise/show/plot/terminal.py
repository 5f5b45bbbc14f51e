"""Charts as text for a terminal, without matplotlib."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from rsgadvise.show.plot.figure import Axis, Chart, Panel, Point, Role, Series, fraction

_MARKS: Mapping[Role, tuple[str, str, str]] = {
    # mark, the same hollow, ANSI style
    "paper": ("●", "○", "36"),
    "certified": ("▲", "△", "32"),
    "chosen": ("●", "○", "36"),
    "measured": ("■", "■", "1"),
    "limit": ("─", "─", "2"),
    "initial": ("◇", "◇", "2"),
    "final": ("■", "■", "33"),
    "cost": ("●", "●", "36"),
    "plan": ("★", "★", "31"),
}
_FILLS = "█▒░▓▚▞"
_LEVEL, _UPRIGHT, _PATH, _MISSING, _SEVERAL = "─", "┆", "·", "×", "✱"
_SIDE, _BOTTOM, _CORNER, _SIDE_TICK, _BOTTOM_TICK = "│", "─", "└", "┤", "┬"

_GROUP_STYLES = ("36", "31", "32", "33", "35", "34")
_BOLD, _DIM = "1", "2"
_BEHIND: tuple[Role, ...] = ("limit", "initial")  # context, not data: never hides a mark
_SMALL: Role = "measured"  # has small letters in a chart of groups

_NAMES = 0.5  # of the width, for the names of categories
_TALL, _TALL_OF_GROUPS, _LOW = 18, 26, 10  # rows of a panel


def render(chart: Chart, *, width: int, colour: bool) -> str:
    """Draw a chart with characters.

    Args:
        chart: what to draw.
        width: columns of the terminal; no line is longer.
        colour: with ANSI styles.

    Returns:
        The lines, each ended by a newline.
    """
    page = _Page(chart, width, colour=colour)
    lines = [*page.wrapped(chart.title, _BOLD), *page.wrapped(chart.subtitle, _DIM)]
    for panel in chart.panels:
        lines += ["", *_panel(page, panel)]
    lines += ["", *page.legend()]
    for sentence in chart.caption:
        lines += page.wrapped(sentence, first="- ", rest="  ")
    return "\n".join(line.rstrip() for line in lines) + "\n"


class _Page:
    """What the panels of a chart share: the width and styles, and what the legend is to explain."""

    def __init__(self, chart: Chart, width: int, *, colour: bool) -> None:
        self.chart = chart
        self.width = width
        self.met = False  # whether two marks share a cell
        self.known: dict[str, tuple[str, str]] = {}  # by its name, mark and style of what was drawn
        self._colour = colour
        self._keyed: set[Axis] = set()  # whose numbers have been explained

    def styled(self, text: str, style: str) -> str:
        """Text in an ANSI style, or as it is."""
        return f"\x1b[{style}m{text}\x1b[0m" if self._colour and style and text.strip() else text

    def wrapped(self, text: str, style: str = "", *, first: str = "", rest: str = "") -> list[str]:
        """A text as lines of the page."""
        lines = textwrap.wrap(text, self.width, initial_indent=first, subsequent_indent=rest)
        return [self.styled(line, style) for line in lines]

    def style(self, series: Series) -> str:
        """That of its role, or of its group."""
        return _MARKS[series.role][2] if series.group is None else _group_style(series.group)

    def mark(self, series: Series, point: Point) -> str:
        """The mark of a point: the letter of its group, else that of its role, which the legend explains."""
        if series.group is not None and series.role not in _BEHIND:
            return _letter(series.group).lower() if series.role == _SMALL else _letter(series.group)
        mark = _MARKS[series.role][point.hollow]
        self.known.setdefault(series.name + (", vacuous" if point.hollow else ""), (mark, self.style(series)))
        return mark

    def explained(self, name: str, mark: str, style: str) -> tuple[str, str]:
        """A mark and its style, which the legend then explains."""
        self.known.setdefault(name, (mark, style))
        return mark, style

    def key(self, axis: Axis, names: Sequence[str]) -> list[str]:
        """What the numbers of categories stand for, once."""
        if axis in self._keyed:
            return []
        self._keyed.add(axis)
        numbered = ((f"{index}: ", name) for index, name in enumerate(names, start=1))
        texts = (name if name.startswith(start) else start + name for start, name in numbered)
        return self.wrapped("; ".join(texts), rest="  ")

    def legend(self) -> list[str]:
        """What was drawn, each mark with its name, and the letters of groups."""
        items = [(mark, style, name) for name, (mark, style) in self.known.items()]
        if self.met:
            items.append((_SEVERAL, _BOLD, "several in one place"))
        groups = self.chart.groups
        if not groups:
            return self._flowed(items)
        drawn = (series for panel in self.chart.panels for series in panel.series)
        roles = {series.role: series.name for series in drawn if series.group is not None}
        large = [name for role, name in roles.items() if role not in (_SMALL, *_BEHIND)]
        items.append(("A", "", ", ".join(large)))
        if _SMALL in roles:
            items.append(("a", "", roles[_SMALL]))
        letters = [(_letter(at), _group_style(at), name) for at, name in enumerate(groups)]
        return [*self._flowed(items), *self.wrapped(f"{self.chart.group_name}:"), *self._flowed(letters)]

    def _flowed(self, items: Sequence[tuple[str, str, str]]) -> list[str]:
        """Marks with their styles and names, as many on a line as fit."""
        lines, used = [""], 0
        for mark, style, name in items:
            for part in textwrap.wrap(name, max(self.width - 4, 8), subsequent_indent="  ") or [""]:
                wide = len(part) + 2
                if used and (used + 2 + wide > self.width or part.startswith("  ")):
                    lines.append("")
                    used = 0
                head = "  " if part.startswith("  ") else f"{self.styled(mark, style)} "
                lines[-1] += ("  " if used else "") + head + part.lstrip()
                used += wide + (2 if used else 0)
        return [line for line in lines if line]


def _letter(group: int) -> str:
    return chr(ord("A") + group)


def _group_style(index: int) -> str:
    """Of a group, or of a part of bars."""
    return _GROUP_STYLES[index % len(_GROUP_STYLES)]


class _Canvas:
    """The cells of a panel, each a character with its style; the first row is the top."""

    def __init__(self, panel: Panel, width: int, height: int) -> None:
        self.panel = panel
        self.width = width
        self.height = height
        self._cells = [[(" ", "") for _ in range(width)] for _ in range(height)]
        self._owners: dict[tuple[int, int], str] = {}

    def along(self, value: float) -> int:
        """The row of a value, or its column in a lying panel."""
        share = fraction(self.panel.value, value)
        if self.panel.horizontal:
            return round(share * (self.width - 1))
        return round((1 - share) * (self.height - 1))

    def across(self, at: float) -> int:
        """The column of what was varied, or its row in a lying panel."""
        return (
            round(at) if self.panel.horizontal else round(fraction(self.panel.across, at) * (self.width - 1))
        )

    @property
    def ends(self) -> tuple[int, int]:
        """Where the smallest and the largest value stand."""
        return (0, self.width - 1) if self.panel.horizontal else (self.height - 1, 0)

    def put(self, across: int, along: int, mark: str, style: str) -> None:
        """Set a cell; outside the panel nothing happens."""
        column, row = (along, across) if self.panel.horizontal else (across, along)
        if 0 <= column < self.width and 0 <= row < self.height:
            self._cells[row][column] = (mark, style)

    def put_data(self, across: int, along: int, mark: str, style: str) -> bool:
        """Set a cell to a mark of data, or to that of several; whether another one stands there already."""
        met = self._owners.setdefault((across, along), mark) != mark
        self.put(across, along, _SEVERAL if met else mark, _BOLD if met else style)
        return met

    def lines(self, page: _Page) -> Iterator[str]:
        """The rows as text, without blanks at their ends."""
        for row in self._cells:
            last = max((index for index, (mark, _) in enumerate(row) if mark != " "), default=-1)
            yield "".join(page.styled(mark, style) for mark, style in row[: last + 1])


def _panel(page: _Page, panel: Panel) -> list[str]:
    """The lines of a panel: its values run to the right, one line a category, or from bottom to top."""
    lines = page.wrapped(panel.title, _BOLD)
    full = [tick.label for tick in panel.across.ticks]
    short = max(map(len, full), default=0) <= _NAMES * page.width
    if panel.horizontal:
        names = full if short else [str(index + 1) for index in range(len(full))]
        height = len(names)
    else:
        lines += page.wrapped(panel.value.label)
        names = [tick.label for tick in panel.value.ticks]
        height = _LOW if panel.value.scale != "log" else _TALL_OF_GROUPS if page.chart.groups else _TALL
    margin = max(map(len, names), default=0) + 1
    canvas = _Canvas(panel, max(page.width - margin - 1, 8), height)
    _draw(page, canvas)
    if panel.horizontal:
        side = dict(enumerate(names))
        lines += [f"{side[at]:>{margin}}{_SIDE}{text}" for at, text in enumerate(canvas.lines(page))]
        below = panel.value
    else:
        places = [canvas.along(tick.position) for tick in panel.value.ticks]
        side = dict(zip(places, names, strict=True))
        for at, text in enumerate(canvas.lines(page)):
            lines.append(f"{side.get(at, ''):>{margin}}{_SIDE_TICK if at in side else _SIDE}{text}")
        below = panel.across
    lines += _axis_below(page, below, margin=margin, width=canvas.width)
    return lines if short or not panel.horizontal else [*lines, *page.key(panel.across, full)]


def _axis_below(page: _Page, axis: Axis, *, margin: int, width: int) -> Iterator[str]:
    """The axis with its ticks, their texts, and its name; long texts become numbers with a key below."""
    ticks = [(round(fraction(axis, t.position) * (width - 1)), t.label) for t in axis.ticks]
    ticks = [(place, label) for place, label in ticks if 0 <= place < width]
    numbered = axis.scale == "category" and not _labels(ticks, width)[1]
    names = [label for _, label in ticks]
    if numbered:
        ticks = [(place, str(index + 1)) for index, (place, _) in enumerate(ticks)]
    rule = [_BOTTOM] * width
    for place, _ in ticks:
        rule[place] = _BOTTOM_TICK
    yield " " * margin + _CORNER + "".join(rule)
    yield " " * (margin + 1) + _labels(ticks, width)[0]
    if axis.label:
        yield from (line.center(page.width).rstrip() for line in page.wrapped(axis.label))
    if numbered:
        yield from page.key(axis, names)


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


def _draw(page: _Page, canvas: _Canvas) -> None:
    """Everything in a panel, from the back to the front."""
    panel = canvas.panel
    for level in panel.levels:
        upright = level.across != panel.horizontal
        drawn = page.explained(level.name, _UPRIGHT if upright else _LEVEL, _MARKS[level.role][2])
        for each in range(canvas.height if level.across or panel.horizontal else canvas.width):
            cell = (canvas.across(level.at), each) if level.across else (each, canvas.along(level.at))
            canvas.put(*cell, *drawn)
    for bar in panel.bars:
        start = 0.0
        for segment in bar.segments:
            fill = _FILLS[segment.part % len(_FILLS)]
            drawn = page.explained(page.chart.parts[segment.part], fill, _group_style(segment.part))
            for each in range(canvas.along(start), canvas.along(start + segment.value)):
                canvas.put(canvas.across(bar.at), each, *drawn)
            start += segment.value
    for draw in (_path, _intervals, _points):
        for series in panel.series:
            draw(page, canvas, series)


def _path(page: _Page, canvas: _Canvas, series: Series) -> None:
    """Dots between the points of a line, of which only few fit beside each other."""
    if not series.joined or (series.group is not None and series.role != "limit"):
        return
    mark = _LEVEL if series.role == "limit" else _PATH
    for first, second in pairwise(series.points):
        if first.value is None or second.value is None:
            continue
        left, right = canvas.across(first.at), canvas.across(second.at)
        low, high = canvas.along(first.value), canvas.along(second.value)
        for each in range(left + 1, right):
            share = (each - left) / (right - left)
            canvas.put(each, round(low + share * (high - low)), mark, page.style(series))


def _intervals(page: _Page, canvas: _Canvas, series: Series) -> None:
    style, aside = page.style(series), _aside(page, canvas, series)
    for point in series.points:
        at, edge = canvas.across(point.at) + aside, canvas.ends[0]
        lower = edge if point.open_below else None if point.lower is None else canvas.along(point.lower)
        middle = None if point.value is None else canvas.along(point.value)
        upper = middle if point.upper is None else canvas.along(point.upper)
        numbers = [each for each in (lower, middle, upper) if each is not None]
        if len(numbers) < 2:
            continue
        for each in range(min(numbers), max(numbers) + 1):
            canvas.put(at, each, "│", style)
        if point.open_below:
            canvas.put(at, edge, "↓", style)


def _points(page: _Page, canvas: _Canvas, series: Series) -> None:
    behind, style = series.role in _BEHIND, page.style(series)
    aside = _aside(page, canvas, series)
    for point in series.points:
        at = canvas.across(point.at) + aside
        if point.value is None:
            if point.missing and not behind:
                mark, _ = page.explained("no bound", _MISSING, "")
                canvas.put(at, canvas.ends[1], mark, style)
            elif point.upper is not None:
                page.mark(series, point)  # an interval alone needs an entry in the legend too
        elif behind and canvas.panel.horizontal:
            canvas.put(at, canvas.along(point.value), *page.explained(series.name, _UPRIGHT, style))
        elif behind or series.role == "plan":
            canvas.put(at, canvas.along(point.value), page.mark(series, point), style)
        else:
            mark = page.mark(series, point)
            page.met |= canvas.put_data(at, canvas.along(point.value), mark, style)


def _aside(page: _Page, canvas: _Canvas, series: Series) -> int:
    """Columns by which a group stands beside the others, as far as there is room between the ticks."""
    groups = len(page.chart.groups)
    if series.group is None or series.role in _BEHIND or groups < 2:
        return 0
    places = sorted({canvas.across(point.at) for each in canvas.panel.series for point in each.points})
    room = min((b - a for a, b in pairwise(places)), default=page.width // 2) - 2
    step = min(1.0, max(room, 0) / groups)
    return math.floor(step * (series.group - (groups - 1) / 2) + 0.5)
