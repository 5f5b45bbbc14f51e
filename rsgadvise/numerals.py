"""Numbers as text, the same in tables and in pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["count", "network", "number", "percent", "stepsizes", "stepsizes_by_layer"]


def number(value: float | None, digits: int = 4) -> str:
    """A number with `digits` significant digits, plain where that is short.

    Example:
        >>> number(0.051561956), number(1234567.0), number(2.5e-9), number(None), number(10.0)
        ('0.05156', '1.235e+06', '2.5e-09', 'n/a', '10')
    """
    if value is None or not math.isfinite(value):
        return "n/a"
    return f"{value:.{digits}g}"


def count(value: int | None) -> str:
    """A whole number with thousands separators, or in scientific notation where it is long.

    Example:
        >>> count(7842), count(1677722268000000)
        ('7,842', '1.678e+15')
    """
    if value is None:
        return "n/a"
    return f"{value:,}" if abs(value) < 10**7 else f"{value:.4g}"


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


def network(kind: str, layers: Sequence[int]) -> str:
    """A network in one word: its kind and layer lengths."""
    return f"{kind} {'-'.join(map(str, layers))}"
