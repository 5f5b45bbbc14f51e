"""Ends and ticks of axes, and the numbers at them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from rsgadvise.numerals import number
from rsgadvise.show.plot.figure import Axis, Scale, Series, Tick

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
    found = list(values) or [0.0]
    low, high = min(found), max(found)
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
