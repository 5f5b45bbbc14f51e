"""The axis below a panel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rsgadvise.plot.figure import Axis
from rsgadvise.plot.scales import fraction
from rsgadvise.plot.terminal.pen import Pen

__all__ = ["axis_below"]


def axis_below(pen: Pen, axis: Axis, *, margin: int, width: int) -> Iterator[str]:
    """The axis with its ticks, their texts, and its name; long texts become numbers with a key below.

    Args:
        pen: of the page.
        axis: which.
        margin: columns to its left. width: its own.
    """
    ticks = [(round(fraction(axis, t.position) * (width - 1)), pen.say(t.label)) for t in axis.ticks]
    ticks = [(place, label) for place, label in ticks if 0 <= place < width]
    numbered = axis.scale == "category" and not _labels(ticks, width)[1]
    names = [label for _, label in ticks]
    if numbered:
        ticks = [(place, str(index + 1)) for index, (place, _) in enumerate(ticks)]
    rule = [pen.glyphs.frame[1]] * width
    for place, _ in ticks:
        rule[place] = pen.glyphs.frame[4]
    yield " " * margin + pen.glyphs.frame[2] + "".join(rule)
    yield " " * (margin + 1) + _labels(ticks, width)[0]
    if axis.label:
        yield from (line.center(pen.width).rstrip() for line in pen.wrapped(axis.label))
    if numbered:
        yield from pen.key(axis, names)


def _labels(ticks: Sequence[tuple[int, str]], width: int) -> tuple[str, bool]:
    """Texts centred below their ticks, and whether all fit; one that would touch another is left out."""
    line, end, whole = "", -1, True
    for place, label in ticks:
        start = min(max(place - len(label) // 2, 0), max(width - len(label), 0))
        if start < end + 1 or len(label) > width:
            whole = False
            continue
        line = line.ljust(start) + label
        end = start + len(label)
    return line, whole
