"""A grid of characters with colours, and the characters that marks have on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from rsgadvise.plot.figure import Role

__all__ = ["ASCII", "BOLD", "DIM", "UNICODE", "Canvas", "Glyphs", "ascii_text", "styled"]

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
