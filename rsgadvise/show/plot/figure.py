"""The neutral form of a picture: panels of points with their intervals, levels and bars, all as numbers.

A result becomes a chart once; the drawing, the terminal and a report then show the same numbers. Nothing
here knows how it will be drawn.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from rsgadvise.numerals import number
from rsgadvise.records import dataclass
from rsgadvise.show.report.blocks import Block, Column, Grid, Title, sentences

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

GRADIENT = "E‖∇f(Wᴿ)‖² (squared gradient norm)"
LIMIT = "largest gradient possible (vacuity limit)"
"""The level above which a bound says nothing."""


# Ends and ticks of axes, and the numbers at them.

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MARGIN = 0.06  # of an axis, beyond its outermost values
_FEWEST_TICKS, _MOST_TICKS = 3, 9
_LOG_FROM = 20.0  # values that span this factor are shown on a logarithmic axis
_SMALLEST, _LARGEST = math.ulp(0.0), sys.float_info.max
_EXPONENTS = math.log10(_SMALLEST), math.log10(_LARGEST)  # powers of ten beyond are no floats


def tick_number(value: float) -> str:
    """A number at a tick: plain where that is short, else with a power of ten.

    Example:
        >>> tick_number(0.05), tick_number(1e-6), tick_number(20000.0), tick_number(3e-5)
        ('0.05', '10⁻⁶', '20,000', '3·10⁻⁵')
    """
    if _plain(value):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.6g}"
    return _scientific(value)


def _plain(value: float) -> bool:
    return value == 0 or 1e-3 <= abs(value) < 1e6


def _scientific(value: float) -> str:
    mantissa, exponent = f"{value:.3e}".split("e")
    digits = mantissa.rstrip("0").rstrip(".")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPT)
    return power if digits == "1" else f"-{power}" if digits == "-1" else f"{digits}·{power}"


def fraction(axis: Axis, value: float) -> float:
    """Where a value stands between the ends of an axis, 0 to 1; outside of them beyond.

    Example:
        >>> fraction(Axis("", "log", 1.0, 100.0, ()), 10.0)
        0.5
    """
    if axis.scale == "log":
        low = math.log10(axis.low)
        return (math.log10(value) - low) / (math.log10(axis.high) - low)
    return (value - axis.low) / (axis.high - axis.low)


def _power(exponent: float) -> float:
    lowest, highest = _EXPONENTS
    if exponent <= lowest:
        return _SMALLEST
    return float(10.0**exponent) if exponent < highest else _LARGEST


def log_axis(label: str, values: Iterable[float], *, most: int = _MOST_TICKS) -> Axis:
    """A logarithmic axis around positive values, at least half a decade long, with at most so many ticks."""
    exponents = [math.log10(value) for value in values] or [0.0]
    low, high = min(exponents), max(exponents)
    pad = max(_MARGIN * (high - low), (0.5 - (high - low)) / 2)
    low, high = max(low - pad, _EXPONENTS[0]), min(high + pad, _EXPONENTS[1])
    return Axis(label, "log", _power(low), _power(high), _log_ticks(low, high, most))


def _log_ticks(low: float, high: float, most: int) -> tuple[Tick, ...]:
    """Few ticks at round numbers: powers of ten, else their simple multiples, else what is round between."""
    first, last = math.ceil(low), math.floor(high)
    for step in (1, 2, 3, 5, 10, 20, 50, 100):
        exponents = [e for e in range(first, last + 1) if e % step == 0]
        if len(exponents) < _FEWEST_TICKS:
            break
        if len(exponents) <= most:
            return _ticks([_power(e) for e in exponents])
    for mantissas in ((1, 3), (1, 2, 5), (1, 2, 3, 4, 5, 6, 7, 8, 9)):
        found = [
            mantissa * 10.0**e
            for e in range(math.floor(low), last + 1)
            for mantissa in mantissas
            if low <= e + math.log10(mantissa) <= high
        ]
        if _FEWEST_TICKS <= len(found) <= most:
            return _ticks(found)
    return _linear_ticks(_power(low), _power(high))


def _ticks(values: Sequence[float]) -> tuple[Tick, ...]:
    """One notation for all of them."""
    text = tick_number if all(map(_plain, values)) else _scientific
    return tuple(Tick(value, text(value)) for value in values)


def _linear_ticks(low: float, high: float) -> tuple[Tick, ...]:
    """Multiples of 1, 2 or 5 times a power of ten, four to eight of them."""
    span = high - low
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(
        Tick(index * step, tick_number(float(f"{index * step:.6g}"))) for index in range(first, last + 1)
    )


def values_of(series: Iterable[Series]) -> Iterator[float]:
    """All that the points of some series show: values and ends of intervals."""
    for each in series:
        for point in each.points:
            yield from (value for value in (point.value, point.lower, point.upper) if value is not None)


def linear_axis(label: str, values: Iterable[float], *, from_zero: bool = False) -> Axis:
    """An axis around values; `from_zero` begins at 0, for bars and losses."""
    numbers = list(values) or [0.0]
    low, high = min(numbers), max(numbers)
    if from_zero:
        low = min(low, 0.0)
    span = high - low
    if span <= 1e-9 * max(abs(low), abs(high)):  # no ticks can be told apart so close together
        span = 0.2 * abs(high) or 1.0
    start = low if from_zero and low == 0 else low - _MARGIN * span
    end = high + _MARGIN * span
    return Axis(label, "linear", start, end, _linear_ticks(start, end))


def value_axis(label: str, values: Sequence[float]) -> Axis:
    """Logarithmic where positive values span a wide range, else from zero."""
    if values and min(values) > 0 and max(values) / min(values) >= _LOG_FROM:
        return log_axis(label, values)
    return linear_axis(label, values, from_zero=True)


def across_axis(label: str, values: Sequence[float]) -> Axis:
    """The axis of numbers that were varied, with ticks at those numbers where they have room."""
    axis = log_axis(label, values) if _spaced_in_logarithms(values) else linear_axis(label, values)
    own = [
        Tick(value, number(value, 6) if abs(value) < 1e6 else tick_number(value)) for value in sorted(values)
    ]
    if len(own) <= _MOST_TICKS + 3 and all(_apart(axis, a, b) for a, b in pairwise(own)):
        return Axis(axis.label, axis.scale, axis.low, axis.high, tuple(own))
    return axis


def _spaced_in_logarithms(values: Sequence[float]) -> bool:
    """Whether values span a wide range, or are nearer to equal ratios than to equal differences."""
    if min(values) <= 0:
        return False
    if max(values) / min(values) >= _LOG_FROM:
        return True
    if len(set(values)) < _FEWEST_TICKS:
        return False
    ordered = sorted(set(values))
    return _unevenness([math.log(value) for value in ordered]) < _unevenness(ordered)


def _unevenness(places: Sequence[float]) -> float:
    """Largest step over the smallest."""
    steps = [after - before for before, after in pairwise(places)]
    return max(steps) / max(min(steps), _SMALLEST)


def _apart(axis: Axis, first: Tick, second: Tick) -> bool:
    """Whether two texts can stand beside each other on an axis of about 60 characters."""
    room = fraction(axis, second.position) - fraction(axis, first.position)
    return room >= (len(first.label) + len(second.label) + 3) / 2 / 60


def categories(label: str, names: Sequence[str]) -> Axis:
    """An axis of names in the order given."""
    ticks = tuple(Tick(float(index), name) for index, name in enumerate(names))
    scale: Scale = "category"
    return Axis(label, scale, -0.5, len(names) - 0.5, ticks)


# The numbers of a chart as blocks and as rows.


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
