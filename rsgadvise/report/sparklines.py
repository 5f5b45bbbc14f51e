"""A series of numbers as one line of bars."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["BARS", "PLAIN_BARS", "flat", "logarithmic", "sparkline"]

BARS = "▁▂▃▄▅▆▇█"
PLAIN_BARS = "_.:-=+*#"
"""The same for outputs whose encoding lacks the blocks: the lowest first."""

_RATIO = 10.0  # between the largest and the smallest value: beyond it small changes would be invisible
_FLAT = 0.01  # of the largest size: a smaller spread is drawn as none, or rounding would look like a trend
_LONGEST = 40  # characters


def logarithmic(values: Sequence[float | None]) -> bool:
    """Whether the bars of these values are drawn on a logarithmic scale.

    Example:
        >>> logarithmic([1.0, 5.0]), logarithmic([1.0, 50.0]), logarithmic([0.0, 50.0])
        (False, True, False)
    """
    known = [value for value in values if value is not None]
    return bool(known) and min(known) > 0 and max(known) / min(known) > _RATIO


def flat(values: Sequence[float | None]) -> bool:
    """Whether the values differ by less than 1 % of the largest size among them.

    Example:
        >>> flat([0.03706, 0.03705]), flat([1.0, 0.99, None]), flat([0.0, 1e-9]), flat([0.0, 0.0])
        (True, False, False, True)
    """
    known = [value for value in values if value is not None]
    return not known or max(known) - min(known) < _FLAT * max(map(abs, known)) or max(known) == min(known)


def sparkline(values: Sequence[float | None], *, plain: bool = False) -> str:
    """One bar for each value, a gap for None; of many values, evenly spaced ones; all alike where `flat`.

    Example:
        >>> sparkline([1.0, 2.0, None, 8.0]), sparkline([1.0, 10.0, 100.0]), sparkline([3.0, 3.01])
        ('▁▂ █', '▁▅█', '▄▄')
        >>> sparkline([1.0, 2.0, None, 8.0], plain=True)
        '_. #'
    """
    from math import log

    bars = PLAIN_BARS if plain else BARS
    if len(values) > _LONGEST:
        step = (len(values) - 1) / (_LONGEST - 1)
        values = [values[round(step * place)] for place in range(_LONGEST)]
    scaled = [
        None if value is None else log(value) if logarithmic(values) else float(value) for value in values
    ]
    known = [value for value in scaled if value is not None]
    if not known:
        return " " * len(values)
    low, span = min(known), 0.0 if flat(values) else max(known) - min(known)
    last = len(bars) - 1

    def bar(value: float | None) -> str:
        if value is None:
            return " "
        # Rounded half up, so that the middle of the range is the upper of the two middle bars.
        return bars[int((value - low) / span * last + 0.5)] if span > 0 else bars[last // 2]

    return "".join(map(bar, scaled))
