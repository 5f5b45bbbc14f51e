"""Axes: where a value lies, and which values are worth a tick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Axis", "log_axis"]

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FEWEST = 3
_SHORT = (0.000999, 99_999.0)
_MOST_DECADES = 120  # between two ticks
_ENDS = 1e-280, 1e280  # of the values on an axis, so that there is room beside them


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from values to coordinates; `start` is where `low` lies.

    Attributes:
        low, high: ends in values, above 0 on a log scale.
        start, end: ends in coordinates, in either order.
        log: whether equal steps are equal factors.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = True

    def at(self, value: float) -> float:
        """Coordinate of a value, within a figure's width of the axis whatever the value."""
        if self.log:
            share = _decades_between(self.low, value) / _decades_between(self.low, self.high)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, -1.0), 2.0) * (self.end - self.start)

    def shows(self, value: float) -> bool:
        """Whether a value lies on the axis."""
        return self.low <= value <= self.high

    def ticks(self, most: int = 6) -> tuple[tuple[float, str], ...]:
        """(value, label) of three to `most` round values.

        Example:
            >>> Axis(50, 2e5, 0, 1).ticks()
            ((100.0, '10²'), (1000.0, '10³'), (10000.0, '10⁴'), (100000.0, '10⁵'))
            >>> Axis(0.0511, 0.0527, 0, 1).ticks(4)
            ((0.0515, '0.0515'), (0.052, '0.052'), (0.0525, '0.0525'))
        """
        if self.log:
            choices = (*_decades(self.low, self.high), *_fractions(self.low, self.high))
            fitting = [values for values in choices if len(values) <= most]
            enough = next((values for values in fitting if len(values) >= _FEWEST), None)
            if enough is None and self.high > 10 * self.low:
                enough = max(fitting, key=len)
            if enough is not None:
                return tuple(zip(enough, labels(enough), strict=True))
        return _steps(self.low, self.high, most)


def log_axis(values: list[float], start: float, end: float, *, room: float = 1.0) -> Axis:
    """A log axis that holds the values, with a little room at both ends.

    Args:
        values: above 0, at least one.
        start, end: coordinates.
        room: per cent of the axis at either end.
    """
    low, high = (min(max(end, _ENDS[0]), _ENDS[1]) for end in (min(values), max(values)))
    if high < low * 1.02:  # a constant needs an axis too
        low, high = low / 1.1, high * 1.1
    margin = 10 ** (_decades_between(low, high) * room / 100)
    return Axis(low / margin, high * margin, start, end)


def _decades_between(low: float, high: float) -> float:
    """The logarithm of a quotient that may be no number."""
    return math.log10(high) - math.log10(low)


def labels(values: Sequence[float]) -> tuple[str, ...]:
    """Tick values of one axis, above 0, all in one style: plain if each of them is short, else powers of ten.

    Example:
        >>> labels([0.001, 0.1, 10.0]), labels([5e3, 1e4, 2e4])
        (('0.001', '0.1', '10'), ('5,000', '10,000', '20,000'))
        >>> labels([0.0001, 0.05, 1.0]), labels([2000.0, 1e6])
        (('10⁻⁴', '5×10⁻²', '10⁰'), ('2×10³', '10⁶'))
    """
    if all(_SHORT[0] <= value <= _SHORT[1] for value in values):
        return tuple(f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values)
    return tuple(_power(value) for value in values)


def _power(value: float, digits: int = 3) -> str:
    """A value above 0 with a power of ten."""
    exponent = math.floor(math.log10(value) + 1e-9)
    lead = f"{value / 10.0**exponent:.{digits}g}"
    power = f"10{str(exponent).translate(_SUPERSCRIPTS)}"
    return power if lead == "1" else f"{lead}×{power}"


def _inside(values: list[float], low: float, high: float) -> list[float]:
    return [value for value in values if low <= value <= high]


def _decades(low: float, high: float) -> list[list[float]]:
    """Powers of ten, then every second, third and so on of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    spans = [[k for k in range(first, last + 1) if k % step == 0] for step in range(1, _MOST_DECADES)]
    return [_inside([float(f"1e{k}") for k in exponents], low, high) for exponents in spans]


def _fractions(low: float, high: float) -> list[list[float]]:
    """1, 2 and 5, or 1 and 3, of each power of ten."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [
        _inside([float(f"{lead}e{k}") for k in range(first, last + 1) for lead in leads], low, high)
        for leads in ((1, 3), (1, 2, 5))
    ]


def _steps(low: float, high: float, most: int) -> tuple[tuple[float, str], ...]:
    """Equal steps of 1, 2 or 5 times a power of ten."""
    exponent = math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10, 20, 50):
        step = factor * 10.0**exponent
        first = math.ceil(low / step - 1e-9)
        count = math.floor(high / step + 1e-9) - first + 1
        if count <= most:
            break
    values = [(first + index) * step for index in range(max(count, 0))]
    return tuple(
        (float(f"{value:.12g}"), text) for value, text in zip(values, _plain(values, exponent), strict=True)
    )


def _plain(values: Sequence[float], exponent: int) -> tuple[str, ...]:
    """Values that differ by steps of 10**exponent, all in one style."""
    sizes = [abs(value) for value in values if value]
    if sizes and (min(sizes) < 1e-4 or max(sizes) >= 1e6):
        digits = max(3, math.floor(math.log10(max(sizes))) - exponent + 1)
        return tuple(
            "0" if not value else f"{'-' if value < 0 else ''}{_power(abs(value), digits)}"
            for value in values
        )
    texts = [f"{value:,.{max(0, -exponent)}f}" for value in values]
    return tuple(text.rstrip("0").rstrip(".") if "." in text else text for text in texts)
