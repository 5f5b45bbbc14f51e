"""A grid of characters with colours, and the characters that marks have on it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rsgadvise.show.plot.figure import Axis, Point, Role, Series

BOLD, DIM = "1", "2"


class Glyphs(NamedTuple):
    """The characters of one encoding."""

    roles: Mapping[Role, str]
    hollow: Mapping[Role, str]
    fills: str
    level: str  # along a row
    upright: str  # level across rows
    interval: str  # from top to bottom
    lying: str  # from left to right
    ends: str  # left and right end of a lying interval
    below: str  # an interval that leaves the axis, downwards and to the left
    path: str
    missing: str
    several: str
    frame: str  # side, bottom, corner, tick on the side, tick at the bottom


UNICODE = Glyphs(
    roles={
        "paper": "●",
        "certified": "▲",
        "chosen": "●",
        "measured": "■",
        "limit": "─",
        "initial": "◇",
        "final": "■",
        "cost": "●",
        "plan": "★",
        "consistent": "●",
        "falsified": "✖",
        "inconclusive": "◆",
        "approximate": "▼",
        "unchecked": "×",
    },
    hollow={
        "paper": "○",
        "certified": "△",
        "chosen": "○",
        "consistent": "○",
        "falsified": "☒",
        "inconclusive": "◇",
        "approximate": "▽",
    },
    fills="█▒░▓▚▞",
    level="─",
    upright="┆",
    interval="│",
    lying="─",
    ends="├┤",
    below="↓←",
    path="·",
    missing="×",
    several="✱",
    frame="│─└┤┬",
)
ASCII = Glyphs(
    roles={
        "paper": "p",
        "certified": "c",
        "chosen": "b",
        "measured": "#",
        "limit": "-",
        "initial": "i",
        "final": "#",
        "cost": "o",
        "plan": "*",
        "consistent": "o",
        "falsified": "f",
        "inconclusive": "i",
        "approximate": "a",
        "unchecked": "x",
    },
    hollow={
        "paper": "P",
        "certified": "C",
        "chosen": "B",
        "consistent": "O",
        "falsified": "F",
        "inconclusive": "I",
        "approximate": "A",
    },
    fills="#=+%:o",
    level="-",
    upright=":",
    interval="|",
    lying="-",
    ends="[]",
    below="v<",
    path=".",
    missing="x",
    several="&",
    frame="|-+++",
)

_POWER = re.compile(r"(?:([\d.]+)·)?10([⁻⁰¹²³⁴-⁹]+)")
_PLAIN_DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_WORDS = {
    "ζ": "zeta",
    "γ": "gamma",
    "ρ": "rho",
    "α": "alpha",
    "μ": "mu",
    "τ": "tau",
    "λ": "lambda",
    "ε": "eps",
    "δ": "delta",
    "∇": "grad ",
    "‖": "||",
    "²": "^2",
    "¹": "^1",
    "ᴿ": "^R",
    "−": "-",
    "×": "x",
    "·": "*",
    "…": "...",
}


def ascii_text(text: str) -> str:
    """The same text in ASCII.

    Example:
        >>> ascii_text("E‖∇f(Wᴿ)‖², ζ = 3·10⁻⁵")
        'E||grad f(W^R)||^2, zeta = 3e-5'
    """
    text = _POWER.sub(lambda found: f"{found[1] or 1}e{found[2].translate(_PLAIN_DIGITS)}", text)
    text = "".join(_WORDS.get(letter, letter) for letter in text)
    return text.encode("ascii", "replace").decode("ascii")


def styled(text: str, code: str, *, colour: bool) -> str:
    """Text in an ANSI style, or as it is."""
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code and text.strip() else text


class Canvas:
    """Rows of cells; the first row is the top."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._cells = [[(" ", "") for _ in range(width)] for _ in range(height)]
        self._owners: dict[tuple[int, int], str] = {}

    def put(self, column: int, row: int, letter: str, code: str = "") -> None:
        """Set a cell; outside the grid nothing happens."""
        if 0 <= column < self.width and 0 <= row < self.height:
            self._cells[row][column] = (letter, code)

    def mark(self, column: int, row: int, letter: str, code: str, several: str) -> bool:
        """Set a cell to a mark of data; where another one stands already both become `several`.

        Returns:
            Whether two different marks met.
        """
        before = self._owners.setdefault((column, row), letter)
        met = before != letter
        self.put(column, row, several if met else letter, "1" if met else code)
        return met

    def lines(self, *, colour: bool) -> list[str]:
        """The rows as text, without blanks at their ends."""
        found = []
        for row in self._cells:
            last = max((index for index, (letter, _) in enumerate(row) if letter != " "), default=-1)
            found.append("".join(styled(letter, code, colour=colour) for letter, code in row[: last + 1]))
        return found


BEHIND: tuple[Role, ...] = ("limit", "initial")
"""Context, not data: never hides a mark."""

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
    "approximate": "35",
    "unchecked": "2",
}
_GROUP_CODES = ("36", "31", "32", "33", "35", "34")
_SMALL: Role = "measured"  # has small letters in a chart of groups


class Pen:
    """Marks of one page.

    Args:
        width: columns of the page.
        glyphs: its characters.
        parts: names of the segments of bars.
        groups: how many the chart has; their marks are letters.
        colour: whether with ANSI styles.
    """

    def __init__(
        self, width: int, glyphs: Glyphs, parts: Sequence[str], groups: int, *, colour: bool
    ) -> None:
        self.width = width
        self.glyphs = glyphs
        self.groups = groups
        self.colour = colour
        self.say: Callable[[str], str] = str if glyphs is UNICODE else ascii_text
        self.met = False  # whether two marks share a cell
        self._parts = parts
        self._known: dict[str, tuple[str, str]] = {}
        self._roles: dict[Role, str] = {}
        self._keyed: set[Axis] = set()  # whose numbers have been explained

    def wrapped(self, text: str, code: str = "", *, first: str = "", rest: str = "") -> list[str]:
        """A text as lines of the page."""
        lines = textwrap.wrap(self.say(text), self.width, initial_indent=first, subsequent_indent=rest)
        return [styled(line, code, colour=self.colour) for line in lines]

    def code(self, series: Series) -> str:
        """The style of a series."""
        return _ROLE_CODES[series.role] if series.group is None else self.group_code(series.group)

    def group_code(self, index: int) -> str:
        """The style of a group, or of a part of bars."""
        return _GROUP_CODES[index % len(_GROUP_CODES)]

    def letter(self, group: int) -> str:
        """The mark of a group."""
        return chr(ord("A") + group)

    def _lettered(self, series: Series) -> bool:
        return series.group is not None and series.role not in BEHIND

    def glyph(self, series: Series, point: Point) -> str:
        """The mark of a point."""
        if self._lettered(series):
            letter = self.letter(series.group or 0)
            return letter.lower() if series.role == _SMALL else letter
        return (self.glyphs.hollow if point.hollow else self.glyphs.roles).get(
            series.role, self.glyphs.roles[series.role]
        )

    def draw(self, series: Series, point: Point) -> tuple[str, str]:
        """Mark and style of a point, which the legend then explains."""
        mark = self.glyph(series, point), self.code(series)
        if not self._lettered(series):
            self._known.setdefault(series.name + (", vacuous" if point.hollow else ""), mark)
        return mark

    def draw_level(self, role: Role, name: str, *, upright: bool) -> tuple[str, str]:
        """Mark and style of a level, which the legend then explains."""
        mark = self.glyphs.upright if upright else self.glyphs.level, _ROLE_CODES[role]
        self._known.setdefault(name, mark)
        return mark

    def draw_missing(self, series: Series) -> tuple[str, str]:
        """Mark and style of a point without a bound, which the legend then explains."""
        self._known.setdefault("no bound", (self.glyphs.missing, ""))
        return self.glyphs.missing, self.code(series)

    def draw_part(self, index: int) -> tuple[str, str]:
        """Fill and style of a segment of bars, which the legend then explains."""
        mark = self.glyphs.fills[index % len(self.glyphs.fills)], self.group_code(index)
        self._known.setdefault(self._parts[index], mark)
        return mark

    def meet(self, series: Sequence[Series]) -> None:
        """Remember the roles that a chart of groups tells apart by the size of letters."""
        self._roles |= {each.role: each.name for each in series if each.group is not None}

    def key(self, axis: Axis, names: Sequence[str]) -> list[str]:
        """What the numbers of categories stand for, once."""
        if axis in self._keyed:
            return []
        self._keyed.add(axis)
        starts = [f"{index + 1}: " for index in range(len(names))]
        texts = [
            name if name.startswith(start) else start + name
            for start, name in zip(starts, names, strict=True)
        ]
        return self.wrapped("; ".join(texts), rest="  ")

    def legend(self) -> list[str]:
        """What was drawn, each mark with its name."""
        items = [(glyph, code, self.say(name)) for name, (glyph, code) in self._known.items()]
        if self.met:
            items.append((self.glyphs.several, BOLD, "several in one place"))
        if self.groups:
            large = [name for role, name in self._roles.items() if role not in (_SMALL, *BEHIND)]
            items.append(("A", "", self.say(", ".join(large))))
            if _SMALL in self._roles:
                items.append(("a", "", self.say(self._roles[_SMALL])))
        return self.flowed(items)

    def flowed(self, items: Sequence[tuple[str, str, str]]) -> list[str]:
        """Glyphs with their styles and names, as many on a line as fit."""
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


def span(point: Point, place: Callable[[float], int], edge: int) -> tuple[int, int] | None:
    """First and last cell of an interval; None where there is none.

    Args:
        point: with its limits.
        place: cell of a value.
        edge: cell that an interval leaves the axis by.
    """
    bottom = edge if point.open_below else None
    if point.lower is not None:
        bottom = place(point.lower)
    middle = None if point.value is None else place(point.value)
    top = middle if point.upper is None else place(point.upper)
    ends = [end for end in (bottom, middle, top) if end is not None]
    return (min(ends), max(ends)) if len(ends) > 1 else None
