"""The neutral form of a picture: panels of points with their intervals, levels and bars, all as numbers.

A result becomes a chart once; the drawing, the terminal and a report then show the same numbers. Nothing
here knows how it will be drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from rsgadvise.records import dataclass

Scale = Literal["linear", "log", "category"]
Role = Literal[
    "paper",  # a bound with the paper's constants
    "certified",  # a bound that holds for any data of these moments
    "chosen",  # a bound with the constants that a ranking used
    "measured",
    "limit",  # the largest squared gradient norm possible
    "initial",  # f(W^1)
    "final",  # f(W^R)
    "cost",  # iterations or samples
    "plan",  # the one point that was asked for
]


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and its text."""

    position: float
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows, its two ends and its ticks; categories stand at 0, 1, 2 and so on."""

    label: str
    scale: Scale
    low: float
    high: float
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One value with the interval around it.

    Attributes:
        at: its place on the axis across.
        value: None where there is none; without `upper` too it is marked as missing.
        lower, upper: ends of the interval, None for none.
        open_below: the interval reaches below every value that a logarithmic axis can show.
        hollow: a bound that says nothing, since it is no better than the limit.
    """

    at: float
    value: float | None
    lower: float | None = None
    upper: float | None = None
    open_below: bool = False
    hollow: bool = False

    @property
    def missing(self) -> bool:
        """Whether there is nothing to draw but the fact that a value is missing."""
        return self.value is None and self.upper is None


def measured_point(at: float, mean: float | None, lower: float | None, upper: float | None) -> Point | None:
    """A measured mean with its limits; what is not above 0 has no place on a logarithmic axis.

    Example:
        >>> measured_point(0, 2.0, -1.0, 3.0)
        Point(at=0, value=2.0, lower=None, upper=3.0, open_below=True, hollow=False)
    """
    value = mean if mean is not None and mean > 0 else None
    end = upper if upper is not None and upper > 0 else None
    if value is None and end is None:
        return None
    below = value is None or (lower is not None and lower <= 0)
    return Point(at, value, None if below else lower, end, open_below=below)


def no_better(bound: float | None, limit: float | None) -> bool:
    """Whether a bound says nothing: it is no better than the largest squared gradient norm possible."""
    return bound is not None and limit is not None and bound >= limit


def in_rows(values: Iterable[float | None], hollow: Iterable[bool] | None = None) -> tuple[Point, ...]:
    """Values at the categories 0, 1, 2 and so on."""
    if hollow is None:
        return tuple(Point(float(at), value) for at, value in enumerate(values))
    pairs = enumerate(zip(values, hollow, strict=True))
    return tuple(Point(float(at), value, hollow=empty) for at, (value, empty) in pairs)


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one quantity; `group` is an index into the chart's groups, None for all of them."""

    name: str
    role: Role
    points: tuple[Point, ...]
    group: int | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """A line over the whole panel, at one value, or at one place of the axis across."""

    name: str
    role: Role
    at: float
    across: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar; `part` is an index into the chart's parts."""

    part: int
    value: float


@dataclass(frozen=True, slots=True)
class Bar:
    """Stacked segments that begin at 0."""

    at: float
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: what this panel shows, or "".
        across: the axis of what was varied. value: the axis of what came out.
        horizontal: values run to the right, and what was varied from top to bottom.
    """

    title: str
    across: Axis
    value: Axis
    series: tuple[Series, ...] = ()
    levels: tuple[Level, ...] = ()
    bars: tuple[Bar, ...] = ()
    horizontal: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A whole picture.

    Attributes:
        title: kind of result and network. subtitle: what was fixed.
        rows: panels from top to bottom, in a row from left to right.
        group_name: what the groups differ in. groups: their values as text.
        parts: names of the segments of bars.
        caption: plain sentences on what the picture says, and on what is missing in it.
    """

    title: str
    subtitle: str
    rows: tuple[tuple[Panel, ...], ...]
    group_name: str = ""
    groups: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    caption: tuple[str, ...] = ()

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, row by row."""
        return tuple(panel for row in self.rows for panel in row)


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
}

_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h", "*")
# 7 and 12 have no common factor: the first 84 pairs all differ.
GROUPS = tuple(Look(_COLOURS[i % 7], _MARKERS[i % 12], "-") for i in range(84))

PARTS = ((BLUE, ""), (ORANGE, "//"), (GREEN, ".."), (PURPLE, "xx"), (SKY, "\\\\"), (VERMILLION, "++"))
"""Colour and hatching of the segments of bars."""
