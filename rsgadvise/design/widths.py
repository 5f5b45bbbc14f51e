"""What `--widths` and `--depth` say: lengths and numbers of hidden layers."""

from __future__ import annotations

import re

import numpy as np

from rsgadvise.errors import UsageError

__all__ = ["LARGEST_WIDTH", "MOST_HIDDEN", "parse_depths", "parse_widths"]

LARGEST_WIDTH = 10**6
MOST_HIDDEN = 16
_MOST_POINTS = 10_000

_WHOLE = r"[0-9]{1,9}"
_PIECE = re.compile(rf"({_WHOLE})(?::({_WHOLE})(?::(log|lin|)([0-9]{{1,6}}))?)?", flags=re.ASCII)
_GRAMMAR = "write 16:1024 (powers of two), 16:1024:log7, 16:1024:lin7, or a list such as 16,32,64"


def _whole(text: str, option: str, low: int, high: int) -> int:
    value = int(text)
    if not low <= value <= high:
        raise UsageError(f"{option} must lie from {low:,} to {high:,}; got {value}; give another value")
    return value


def _ordered(low: int, high: int, option: str, piece: str) -> None:
    if low > high:
        raise UsageError(f"{option} must rise from its first end to its second; got {piece}; swap the two")


def parse_widths(text: str, *, option: str = "--widths") -> tuple[int, ...]:
    """Lengths of hidden layers, in increasing order, each once.

    A list of pieces between commas: `64`; `16:1024`, the powers of two from 16 to 1024 together with both
    ends; `16:1024:log7` and `16:1024:7` or `16:1024:lin7`, seven whole numbers from end to end, equally
    spaced in their logarithms or as they are (fewer where two round to the same).

    Args:
        text: what was given.
        option: the name of the option, for messages.

    Raises:
        UsageError: it is not of that form, or a length lies outside 1 to 1,000,000.

    Example:
        >>> parse_widths("16:100"), parse_widths("4:9:lin3,64,64"), parse_widths("10:1000:log3")
        ((16, 32, 64, 100), (4, 6, 9, 64), (10, 100, 1000))
    """
    found = set[int]()
    for piece in text.split(","):
        match = _PIECE.fullmatch(piece.strip())
        if match is None:
            raise UsageError(f"{option} must be lengths of layers; got {piece.strip()[:40]!r}; {_GRAMMAR}")
        first, last, spacing, points = match.groups()
        low = _whole(first, option, 1, LARGEST_WIDTH)
        high = low if last is None else _whole(last, option, 1, LARGEST_WIDTH)
        _ordered(low, high, option, piece.strip())
        found |= {low, high}
        if spacing is None:
            power = 1 << (low - 1).bit_length()
            while power <= high:
                found.add(power)
                power *= 2
            continue
        count = _whole(points, f"the number of points in {option}", 2, _MOST_POINTS)
        space = np.geomspace if spacing == "log" else np.linspace
        found |= {min(max(round(float(value)), low), high) for value in space(low, high, count)}
    return tuple(sorted(found))


def parse_depths(text: str, *, option: str = "--depth") -> tuple[int, ...]:
    """Numbers of hidden layers, in increasing order, each once; 0 stands for a single layer of weights.

    Pieces between commas: `3`, or `1:5` for every whole number from 1 to 5.

    Raises:
        UsageError: it is not of that form, or a number lies outside 0 to 16.

    Example:
        >>> parse_depths("1:3"), parse_depths("0,2,2")
        ((1, 2, 3), (0, 2))
    """
    found = set[int]()
    for piece in text.split(","):
        match = _PIECE.fullmatch(piece.strip())
        if match is None or match.group(3) is not None:
            raise UsageError(
                f"{option} must be numbers of hidden layers; got {piece.strip()[:40]!r}; write 1:5, "
                "2 or 0,1,3"
            )
        low = _whole(match.group(1), option, 0, MOST_HIDDEN)
        high = low if match.group(2) is None else _whole(match.group(2), option, 0, MOST_HIDDEN)
        _ordered(low, high, option, piece.strip())
        found |= set(range(low, high + 1))
    return tuple(sorted(found))
