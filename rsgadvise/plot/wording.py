"""Sentences and names that several charts share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from rsgadvise.plot.names import shortened

__all__ = ["interval_text", "limit_name", "looseness_text", "missing_text", "times"]

_PLACES_NAMED = 4
_REASON = 160


def limit_name() -> str:
    """The level above which a bound says nothing."""
    return "largest gradient possible (vacuity limit)"


def interval_text(confidence: float | None) -> str:
    """The name of what was measured, with what its intervals are.

    Example:
        >>> interval_text(0.99), interval_text(None)
        ('measured mean, 99 % interval', 'measured mean with its interval')
    """
    if confidence is None:
        return "measured mean with its interval"
    return f"measured mean, {100 * confidence:.6g} % interval"


def times(ratio: float) -> str:
    """A factor with three significant digits.

    Example:
        >>> times(1666.7), times(0.5), times(12.0), times(3.4e9)
        ('1,670', '0.5', '12', '3.4e+09')
    """
    rounded = float(f"{ratio:.3g}")
    return f"{rounded:,.0f}" if 100 <= rounded < 1e6 else f"{rounded:.3g}"


def looseness_text(name: str, pairs: Sequence[tuple[float, float]], places: str = "points") -> Iterator[str]:
    """How far a bound lies above what was measured, over (bound, measured).

    Example:
        >>> list(looseness_text("paper bound", [(12.0, 1.0), (340.0, 1.0), (45.0, 1.0)]))
        ['The paper bound is 12 to 340 times the measured, median 45.']
        >>> list(looseness_text("paper bound", [(0.5, 1.0), (3.0, 1.0)]))[1]
        'The paper bound lies below the measured mean at 1 of 2 points.'
    """
    ratios = [bound / measured for bound, measured in pairs if measured > 0]
    if not ratios:
        return
    low, high = times(min(ratios)), times(max(ratios))
    if low == high:
        yield f"The {name} is {low} times the measured."
    else:
        yield f"The {name} is {low} to {high} times the measured, median {times(median(ratios))}."
    below = sum(1 for ratio in ratios if ratio < 1)
    if below:
        yield f"The {name} lies below the measured mean at {below} of {len(ratios)} {places}."


def missing_text(name: str, lacking: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """Where a bound is missing, and why.

    Args:
        name: of the bound.
        lacking: what the point is, and its notes.
    """
    if not lacking:
        return
    labels = [label for label, _ in lacking if label]
    named = "; ".join(labels[:_PLACES_NAMED])
    if len(labels) > _PLACES_NAMED:
        named += f"; and {len(labels) - _PLACES_NAMED} more"
    reasons = list(dict.fromkeys(note.rstrip(".") for _, notes in lacking for note in notes))
    text = f"No {name} (× at the edge) at {named or 'this point'}"
    if reasons:
        text += f": {shortened(reasons[0], _REASON)}"
        if len(reasons) > 1:
            text += f" (and {len(reasons) - 1} more notes)"
    yield f"{text}."
