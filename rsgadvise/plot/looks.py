"""Colours, markers and dashes that stay apart for every reader, and without colour too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rsgadvise.plot.figure import Role

__all__ = ["GROUPS", "PARTS", "ROLES", "Look"]

# The palette of Okabe and Ito (2008), which readers with any common colour blindness can tell apart. Its
# yellow is left out: as a line on white nobody sees it.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
GREY = "#595959"


class Look(NamedTuple):
    """A colour, a marker (names as in matplotlib: o s ^ v D P X * and so on) and a dash pattern."""

    colour: str
    marker: str
    dash: str


ROLES: Mapping[Role, Look] = {
    "paper": Look(BLUE, "o", "-"),
    "certified": Look(GREEN, "^", "--"),
    "chosen": Look(BLUE, "o", "-"),
    "measured": Look(BLACK, "s", ":"),
    "limit": Look(GREY, "_", "-."),
    "initial": Look(GREY, "x", "--"),
    "final": Look(VERMILLION, "s", "-"),
    "cost": Look(BLUE, "o", "-"),
    "plan": Look(VERMILLION, "*", ""),
    "consistent": Look(BLUE, "o", ""),
    "falsified": Look(VERMILLION, "X", ""),
    "inconclusive": Look(ORANGE, "D", ""),
    "approximate": Look(PURPLE, "v", ""),
    "unchecked": Look(GREY, "x", ""),
}

_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h", "*")
# 7 and 12 have no common factor: the first 84 pairs all differ.
GROUPS = tuple(Look(_COLOURS[i % 7], _MARKERS[i % 12], "-") for i in range(84))

PARTS = ((BLUE, ""), (ORANGE, "//"), (GREEN, ".."), (PURPLE, "xx"), (SKY, "\\\\"), (VERMILLION, "++"))
"""Colour and hatching of the segments of bars."""
