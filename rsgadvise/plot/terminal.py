"""A chart as text for a terminal, as wide as it is; without matplotlib."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from rsgadvise.plot.canvas import ASCII, UNICODE, Canvas, Glyphs, ascii_text, styled
from rsgadvise.plot.figure import Axis, Chart, Panel, Point, Role, Series
from rsgadvise.plot.scales import fraction

__all__ = ["can_encode", "render"]

_TALL, _TALL_OF_GROUPS, _LOW = 18, 26, 10  # rows of a panel
_NAMES = 0.5  # of the width, for the names of categories
_BEHIND: tuple[Role, ...] = ("limit", "initial")
_BOLD, _DIM = "1", "2"
_ROLE_CODES: dict[Role, str] = {
    "paper": "36",
    "certified": "32",
    "chosen": "36",
    "measured": "1",
    "limit": "2",
    "initial": "2",
    "final": "33",
    "cost": "36",
    "plan": "31",
    "consistent": "36",
    "falsified": "31",
    "inconclusive": "33",
    "unchecked": "2",
}
_GROUP_CODES = ("36", "31", "32", "33", "35", "34")
_SMALL: Role = "measured"  # has small letters in a chart of groups


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
    return _Page(chart, width, colour=colour, unicode=unicode).text()


class _Page:
    def __init__(self, chart: Chart, width: int, *, colour: bool, unicode: bool) -> None:
        self.chart = chart
        self.width = width
        self.colour = colour
        self.glyphs: Glyphs = UNICODE if unicode else ASCII
        self.say: Callable[[str], str] = str if unicode else ascii_text
        self.met = False  # whether two marks share a cell
        self.legend: dict[str, tuple[str, str]] = {}
        self.keyed: set[Axis] = set()  # whose numbers have been explained

    def text(self) -> str:
        lines = [*self._wrapped(self.chart.title, _BOLD), *self._wrapped(self.chart.subtitle, _DIM)]
        for panel in self.chart.panels:
            lines += ["", *self._panel(panel)]
        lines += ["", *self._legend()]
        for sentence in self.chart.caption:
            lines += self._wrapped(sentence, "", first="- ", rest="  ")
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def _wrapped(self, text: str, code: str, *, first: str = "", rest: str = "") -> list[str]:
        lines = textwrap.wrap(self.say(text), self.width, initial_indent=first, subsequent_indent=rest)
        return [styled(line, code, colour=self.colour) for line in lines]

    # Marks ---------------------------------------------------------------------------------------

    def _code(self, series: Series) -> str:
        if series.group is None:
            return _ROLE_CODES[series.role]
        return _GROUP_CODES[series.group % len(_GROUP_CODES)]

    def _glyph(self, series: Series, point: Point) -> str:
        if series.group is not None and series.role not in _BEHIND:
            letter = chr(ord("A") + series.group)
            return letter.lower() if series.role == _SMALL else letter
        return (self.glyphs.hollow if point.hollow else self.glyphs.roles).get(
            series.role, self.glyphs.roles[series.role]
        )

    def _remember(self, series: Series, point: Point) -> None:
        if series.group is not None and series.role not in _BEHIND:
            return
        name = series.name + (", vacuous" if point.hollow else "")
        self.legend.setdefault(name, (self._glyph(series, point), self._code(series)))

    # Panels --------------------------------------------------------------------------------------

    def _panel(self, panel: Panel) -> list[str]:
        lines = self._wrapped(panel.title, _BOLD)
        if panel.horizontal:
            return [*lines, *self._lying(panel)]
        lines += self._wrapped(panel.value.label, "")
        return [*lines, *self._standing(panel)]

    def _standing(self, panel: Panel) -> list[str]:
        labels = {self.say(tick.label): tick.position for tick in panel.value.ticks}
        margin = max(map(len, labels), default=0) + 1
        tall = _TALL_OF_GROUPS if self.chart.groups else _TALL
        height = tall if panel.value.scale == "log" else _LOW
        canvas = Canvas(max(self.width - margin - 1, 8), height)
        side = {}
        for label, position in labels.items():
            side[self._row(panel.value, position, canvas)] = label

        def row(value: float) -> int:
            return self._row(panel.value, value, canvas)

        def column(at: float) -> int:
            return round(fraction(panel.across, at) * (canvas.width - 1))

        for level in panel.levels:
            code = _ROLE_CODES[level.role]
            if level.across:
                for each in range(height):
                    canvas.put(column(level.at), each, self.glyphs.upright, code)
            else:
                for each in range(canvas.width):
                    canvas.put(each, row(level.at), self.glyphs.level, code)
            glyph = self.glyphs.upright if level.across else self.glyphs.level
            self.legend.setdefault(level.name, (glyph, code))
        for series in panel.series:
            self._paths(series, canvas, column, row)
        for series in panel.series:
            self._intervals(series, canvas, self._aside(panel, series, column), row)
        for series in panel.series:
            self._points(series, canvas, self._aside(panel, series, column), row)
        frame, lines = self.glyphs.frame, []
        for index, text in enumerate(canvas.lines(colour=self.colour)):
            label = side.get(index, "")
            lines.append(f"{label:>{margin}}{frame[3] if label else frame[0]}{text}")
        return [*lines, *self._below(panel.across, margin, canvas.width)]

    def _aside(self, panel: Panel, series: Series, column: Callable[[float], int]) -> Callable[[float], int]:
        """Columns of a group, which stands beside the others as far as there is room between the ticks."""
        groups = len(self.chart.groups)
        if series.group is None or series.role in _BEHIND or groups < 2:
            return column
        places = sorted({column(point.at) for each in panel.series for point in each.points})
        room = min((b - a for a, b in pairwise(places)), default=self.width // 2) - 2
        step = min(1.0, max(room, 0) / groups)
        aside = math.floor(step * (series.group - (groups - 1) / 2) + 0.5)
        return lambda at: column(at) + aside

    @staticmethod
    def _row(axis: Axis, value: float, canvas: Canvas) -> int:
        return round((1 - fraction(axis, value)) * (canvas.height - 1))

    def _paths(
        self,
        series: Series,
        canvas: Canvas,
        column: Callable[[float], int],
        row: Callable[[float], int],
    ) -> None:
        """Dots between the points of a line, of which only few fit beside each other."""
        if not series.joined or (series.group is not None and series.role != "limit"):
            return
        letter = self.glyphs.level if series.role == "limit" else self.glyphs.path
        points = series.points
        for first, second in pairwise(points):
            if first.value is None or second.value is None:
                continue
            left, right = column(first.at), column(second.at)
            low, high = row(first.value), row(second.value)
            for each in range(left + 1, right):
                share = (each - left) / (right - left)
                canvas.put(each, round(low + share * (high - low)), letter, self._code(series))

    def _intervals(
        self,
        series: Series,
        canvas: Canvas,
        column: Callable[[float], int],
        row: Callable[[float], int],
    ) -> None:
        for point in series.points:
            at = column(point.at)
            bottom = canvas.height - 1 if point.open_below else None
            if point.lower is not None:
                bottom = row(point.lower)
            middle = None if point.value is None else row(point.value)
            top = middle if point.upper is None else row(point.upper)
            ends = [end for end in (bottom, middle, top) if end is not None]
            if len(ends) < 2:
                continue
            for each in range(min(ends), max(ends) + 1):
                canvas.put(at, each, self.glyphs.interval, self._code(series))
            if point.open_below:
                canvas.put(at, canvas.height - 1, self.glyphs.below[0], self._code(series))

    def _points(
        self,
        series: Series,
        canvas: Canvas,
        column: Callable[[float], int],
        row: Callable[[float], int],
    ) -> None:
        several = self.glyphs.several
        for point in series.points:
            if point.value is not None:
                self._remember(series, point)
                letter, place = self._glyph(series, point), (column(point.at), row(point.value))
                if series.role in (*_BEHIND, "plan"):
                    canvas.put(*place, letter, self._code(series))
                else:
                    self.met |= canvas.mark(*place, letter, self._code(series), several)
            elif point.missing and series.role not in _BEHIND:
                canvas.put(column(point.at), 0, self.glyphs.missing, self._code(series))
                self.legend.setdefault("no bound", (self.glyphs.missing, ""))
            elif point.upper is not None:
                self._remember(series, point)

    def _lying(self, panel: Panel) -> list[str]:
        """Categories from top to bottom, one line each, values to the right."""
        full = [self.say(tick.label) for tick in panel.across.ticks]
        short = max(map(len, full)) <= _NAMES * self.width
        names = full if short else [str(index + 1) for index in range(len(full))]
        margin = max(map(len, names)) + 1
        canvas = Canvas(max(self.width - margin - 1, 8), len(names))

        def column(value: float) -> int:
            return round(fraction(panel.value, value) * (canvas.width - 1))

        for level in panel.levels:
            for each in range(canvas.height):
                canvas.put(column(level.at), each, self.glyphs.upright, _ROLE_CODES[level.role])
            self.legend.setdefault(level.name, (self.glyphs.upright, _ROLE_CODES[level.role]))
        for bar in panel.bars:
            start = 0.0
            for segment in bar.segments:
                fill = self.glyphs.fills[segment.part % len(self.glyphs.fills)]
                code = _GROUP_CODES[segment.part % len(_GROUP_CODES)]
                for each in range(column(start), column(start + segment.value)):
                    canvas.put(each, round(bar.at), fill, code)
                start += segment.value
                self.legend.setdefault(self.chart.parts[segment.part], (fill, code))
        for series in panel.series:
            self._lying_intervals(series, canvas, column)
        for series in panel.series:
            for point in series.points:
                row = round(point.at)
                if point.value is not None:
                    self._remember(series, point)
                    self.met |= canvas.mark(
                        column(point.value),
                        row,
                        self._glyph(series, point),
                        self._code(series),
                        self.glyphs.several,
                    )
                elif point.missing:
                    canvas.put(canvas.width - 1, row, self.glyphs.missing, self._code(series))
                    self.legend.setdefault("no bound", (self.glyphs.missing, ""))
        lines = [
            f"{name:>{margin}}{self.glyphs.frame[0]}{text}"
            for name, text in zip(names, canvas.lines(colour=self.colour), strict=True)
        ]
        lines += self._below(panel.value, margin, canvas.width)
        return lines if short else [*lines, *self._key(panel.across, full)]

    def _lying_intervals(self, series: Series, canvas: Canvas, column: Callable[[float], int]) -> None:
        code = self._code(series)
        for point in series.points:
            row = round(point.at)
            start = 0 if point.open_below else None
            if point.lower is not None:
                start = column(point.lower)
            middle = None if point.value is None else column(point.value)
            stop = middle if point.upper is None else column(point.upper)
            ends = [end for end in (start, middle, stop) if end is not None]
            if len(ends) < 2:
                continue
            for each in range(min(ends), max(ends) + 1):
                canvas.put(each, row, self.glyphs.lying, code)
            if point.open_below:
                canvas.put(0, row, self.glyphs.below[1], code)
            elif point.lower is not None:
                canvas.put(min(ends), row, self.glyphs.ends[0], code)
            if point.upper is not None:
                canvas.put(max(ends), row, self.glyphs.ends[1], code)

    # Axes and legend -----------------------------------------------------------------------------

    def _below(self, axis: Axis, margin: int, width: int) -> Iterator[str]:
        """The axis with its ticks, their texts, and its name; long texts become numbers with a key below."""
        ticks = [(round(fraction(axis, t.position) * (width - 1)), self.say(t.label)) for t in axis.ticks]
        ticks = [(place, label) for place, label in ticks if 0 <= place < width]
        numbered = axis.scale == "category" and not _labels(ticks, width)[1]
        names = [label for _, label in ticks]
        if numbered:
            ticks = [(place, str(index + 1)) for index, (place, _) in enumerate(ticks)]
        rule = [self.glyphs.frame[1]] * width
        for place, _ in ticks:
            rule[place] = self.glyphs.frame[4]
        yield " " * margin + self.glyphs.frame[2] + "".join(rule)
        yield " " * (margin + 1) + _labels(ticks, width)[0]
        if axis.label:
            yield from (line.center(self.width).rstrip() for line in self._wrapped(axis.label, ""))
        if numbered:
            yield from self._key(axis, names)

    def _key(self, axis: Axis, names: Sequence[str]) -> list[str]:
        """What the numbers of categories stand for, once."""
        if axis in self.keyed:
            return []
        self.keyed.add(axis)
        starts = [f"{index + 1}: " for index in range(len(names))]
        texts = [
            name if name.startswith(start) else start + name
            for start, name in zip(starts, names, strict=True)
        ]
        return self._wrapped("; ".join(texts), "", rest="  ")

    def _legend(self) -> list[str]:
        items = [(glyph, code, self.say(name)) for name, (glyph, code) in self.legend.items()]
        if self.met:
            items.append((self.glyphs.several, _BOLD, "several in one place"))
        if self.chart.groups:
            roles = {
                s.role: s.name for panel in self.chart.panels for s in panel.series if s.group is not None
            }
            large = [name for role, name in roles.items() if role not in (_SMALL, *_BEHIND)]
            items.append(("A", "", self.say(", ".join(large))))
            if _SMALL in roles:
                items.append(("a", "", self.say(roles[_SMALL])))
        lines = self._flowed(items)
        if self.chart.groups:
            lines += self._wrapped(f"{self.chart.group_name}:", "")
            lines += self._flowed(
                [
                    (chr(ord("A") + index), _GROUP_CODES[index % len(_GROUP_CODES)], self.say(name))
                    for index, name in enumerate(self.chart.groups)
                ]
            )
        return lines

    def _flowed(self, items: Sequence[tuple[str, str, str]]) -> list[str]:
        """Glyphs with their names, as many on a line as fit."""
        lines, used = [""], 0
        for glyph, code, name in items:
            for part in textwrap.wrap(name, max(self.width - 4, 8), subsequent_indent="  ") or [""]:
                wide = len(part) + 2
                if used and (used + 2 + wide > self.width or part.startswith("  ")):
                    lines.append("")
                    used = 0
                head = "  " if part.startswith("  ") else f"{styled(glyph, code, colour=self.colour)} "
                lines[-1] += ("  " if used else "") + head + part.lstrip()
                used += wide + (2 if used else 0)
        return [line for line in lines if line]


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
