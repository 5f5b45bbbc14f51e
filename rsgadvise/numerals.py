"""Numbers as text, the same in tables and in pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

_NUMBER = re.compile(r"([+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?)(.*)", re.DOTALL)
_MANY = 100  # epochs
_PLAIN, _DIGITS = (1e-4, 1e7), 4  # between which a number is short without an exponent
_SHORT = 1e6  # below which zeros at its end are shorter than an exponent


def number(value: float | None, digits: int = 4) -> str:
    """A number with `digits` significant digits, plain where that is short.

    Example:
        >>> number(0.051561956), number(1234567.0), number(2.5e-9), number(None), number(10.0)
        ('0.05156', '1.235e+06', '2.5e-09', 'n/a', '10')
        >>> number(127.7, 2), number(12345.0, 3), number(1e6)
        ('130', '12,300', '1,000,000')
    """
    if value is None or not math.isfinite(value):
        return "n/a"
    text = f"{value:,.{digits}g}"
    if "e+" in text and (
        (float(text) == value and abs(value) < _PLAIN[1]) or (digits < _DIGITS and abs(value) < _SHORT)
    ):
        return f"{float(text):,.0f}"
    return text


def count(value: int | None) -> str:
    """A whole number with thousands separators, or in scientific notation where it is long.

    Example:
        >>> count(7842), count(1677722268000000)
        ('7,842', '1.678e+15')
    """
    if value is None:
        return "n/a"
    return f"{value:,}" if abs(value) < 10**7 else f"{value:.4g}"


def one_style(cells: Sequence[str]) -> tuple[str, ...]:
    """The cells of a column in one style: all plain where that is short, else all in scientific notation.

    Only a column that mixes the two is changed, and never by what is no number in it.

    Example:
        >>> one_style(["9678", "1.235e+04"]), one_style(["0.0306", "1.234e-05", "n/a"])
        (('9,678', '12,350'), ('3.060e-02', '1.234e-05', 'n/a'))
        >>> one_style(["1,024", "1.678e+15"]), one_style(["0.5 v", "0"])
        (('1.024e+03', '1.678e+15'), ('0.5 v', '0'))
    """
    found = [_NUMBER.match(cell) for cell in cells]
    parts = [(match[1], match[2]) for match in found if match is not None]
    values = [abs(float(text.replace(",", ""))) for text, _ in parts]
    known = [value for value in values if value > 0]
    long = ["e" in text for (text, _), value in zip(parts, values, strict=True) if value > 0]
    if all(long) or not any(long) or any(character.isdigit() for _, rest in parts for character in rest):
        return tuple(cells)
    plain = _PLAIN[0] <= min(known) and max(known) < _PLAIN[1]
    digits = max(_digits(text) for text, _ in parts if plain is False or "e" in text)
    return tuple(
        cell if match is None else _restyled(match[1], plain, min(digits, _DIGITS)) + match[2]
        for cell, match in zip(cells, found, strict=True)
    )


def _digits(text: str) -> int:
    """Significant digits of a number as written."""
    return len(text.partition("e")[0].replace(",", "").replace(".", "").lstrip("+-0")) or 1


def _restyled(text: str, plain: bool, digits: int) -> str:
    """A number as written, in the other style where it has not this one yet."""
    value = float(text.replace(",", ""))
    if value == 0:
        return text
    if not plain:
        return f"{value:.{digits - 1}e}"
    if "e" not in text:
        whole, point, rest = text.partition(".")
        return f"{int(whole.replace(',', '')):,}{point}{rest}" if abs(value) >= 1 else text
    decimals = max(_digits(text) - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{decimals}f}"


def roughly(value: float) -> str:
    """A number of things that is known to two digits.

    Example:
        >>> roughly(213.4), roughly(3.14), roughly(98765.0), roughly(float("inf"))
        ('210', '3.1', '99,000', 'n/a')
    """
    if not math.isfinite(value):
        return "n/a"
    rounded = float(f"{value:.2g}")
    return count(round(rounded)) if rounded >= 10 else number(rounded, 2)


def epochs(value: float) -> str:
    """Passes over the data: from a hundred on nobody needs their fraction.

    Example:
        >>> epochs(0.5), epochs(99.95), epochs(999.9)
        ('0.5', '100', '1,000')
    """
    return count(round(value)) if value >= _MANY else number(value, 3)


def percent(share: float) -> str:
    """A share with three significant digits at most.

    Example:
        >>> percent(0.11949), percent(1.0)
        ('11.9 %', '100 %')
    """
    return f"{100 * share:.3g} %"


def stepsizes(value: float | Sequence[float]) -> str:
    """One stepsize, or the span of several.

    Example:
        >>> stepsizes(0.0312345), stepsizes((0.01, 0.02, 0.04)), stepsizes((0.01, 0.01))
        ('0.03123', '0.01 to 0.04', '0.01')
    """
    if isinstance(value, (int, float)):
        return number(value)
    low, high = number(min(value)), number(max(value))
    return low if low == high else f"{low} to {high}"


def stepsizes_by_layer(value: float | Sequence[float]) -> str:
    """The same where nothing around it says what the span is of.

    Example:
        >>> stepsizes_by_layer(0.0312345), stepsizes_by_layer((0.01, 0.02, 0.04))
        ('0.03123', '0.01 to 0.04 by layer')
    """
    text = stepsizes(value)
    return f"{text} by layer" if " to " in text else text


def lengths(layers: Sequence[int]) -> str:
    """Layer lengths in one word.

    Example:
        >>> lengths((784, 16, 10))
        '784-16-10'
    """
    return "-".join(map(str, layers))


def network(kind: str, layers: Sequence[int]) -> str:
    """A network in one word: its kind and layer lengths."""
    return f"{kind} {lengths(layers)}"


def spans(numbers: Sequence[int]) -> str:
    """Whole numbers in ascending order, neighbours joined.

    Example:
        >>> spans([1]), spans([1, 2, 3, 7])
        ('1', '1-3, 7')
    """
    found: list[list[int]] = []
    for each in numbers:
        if found and found[-1][-1] == each - 1:
            found[-1].append(each)
        else:
            found.append([each])
    return ", ".join(str(s[0]) if len(s) == 1 else f"{s[0]}-{s[-1]}" for s in found)


def rounded_up(value: float, digits: int) -> float:
    """A number above 0 with so many significant digits, never below what it was.

    Example:
        >>> rounded_up(0.182637, 4), rounded_up(12345.0, 4), rounded_up(0.25, 4)
        (0.1827, 12350.0, 0.25)
    """
    rounded = float(f"{value:.{digits}g}")
    if rounded >= value:
        return rounded
    unit = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return float(f"{rounded + unit:.{digits}g}")
