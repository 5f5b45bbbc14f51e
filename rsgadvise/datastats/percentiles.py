"""The 1st and the 99th percentile of each column, exactly, from the two ends of a stream."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsgadvise.readers import Array

__all__ = ["Percentiles", "percentiles"]

LOW, HIGH = 0.01, 0.99
NARROW = 0.1
"""Share of the range of a column below which its middle 98 % counts as crushed."""

# Most memory of the ends of all columns in one pass; more columns take more passes.
TAIL_BYTES = 1 << 28
_SPARE_ROWS = 4096

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Percentiles:
    """Of each column.

    Attributes:
        low, high: percentiles 1 and 99, by linear interpolation between neighbours in order.
        below, above: the neighbours further out, which are values of the column: at least 98 % lie between.
    """

    low: Vector
    high: Vector
    below: Vector
    above: Vector

    def crushed(self, smallest: Vector, largest: Vector) -> NDArray[np.intp]:
        """Columns whose range is due to outliers: the middle 98 % lies in less than a tenth of it.

        A column with one value in the middle, such as one of few ones among zeros, is rare and not crushed.
        Up to 100 rows nothing is, since one of them is already more than 1 %.

        Args:
            smallest, largest: value of each column.
        """
        # Halves, since the width of a column may be beyond the largest float.
        middle = self.above / 2 - self.below / 2
        return np.flatnonzero((middle > 0) & (middle < NARROW * (largest / 2 - smallest / 2)))


class Tails:
    """The smallest and the largest values of some columns, in memory of a few per cent of theirs.

    Args:
        rows: of the whole stream.
        columns: first and last but one.
    """

    def __init__(self, rows: int, columns: slice) -> None:
        self._rows, self._columns = rows, columns
        self._keep = kept_rows(rows)
        self._held = np.empty((columns.stop - columns.start, _capacity(rows)))
        self._count = 0

    def update(self, chunk: Array) -> None:
        """Take in the next rows."""
        done = 0
        while done < len(chunk):
            if self._count == self._held.shape[1]:
                self._drop_middle()
            part = chunk[done : done + self._held.shape[1] - self._count, self._columns]
            self._held[:, self._count : self._count + len(part)] = part.T
            self._count += len(part)
            done += len(part)

    def _drop_middle(self) -> None:
        keep, size = self._keep, self._held.shape[1]
        self._held.partition((keep - 1, size - keep), axis=1)
        self._held[:, keep : 2 * keep] = self._held[:, size - keep :]
        self._count = 2 * keep

    def finish(self) -> Percentiles:
        """The percentiles of all rows, which have been seen."""
        held = self._held[:, : self._count]
        held.sort(axis=1)
        last = self._rows - 1
        place = LOW * last
        rank, share = math.floor(place), place - math.floor(place)
        low, next_low = held[:, rank], held[:, min(rank + 1, self._count - 1)]
        place = HIGH * last
        rank, top = math.floor(place), self._count - 1
        high, next_high = held[:, top - last + rank], held[:, min(top - last + rank + 1, top)]
        above = high if place == rank else next_high
        ends = _between(low, next_low, share), _between(high, next_high, place - rank)
        return Percentiles(*ends, below=low.copy(), above=above.copy())


def kept_rows(rows: int) -> int:
    """How many values of each end decide the percentiles; one more than needed, against rounding."""
    return math.floor(LOW * (rows - 1)) + 3


def _capacity(rows: int) -> int:
    return 3 * kept_rows(rows) + _SPARE_ROWS


def _between(one: Vector, other: Vector, share: float) -> Vector:
    """Linear interpolation from the nearer side, as numpy does it, so that the ends come out exactly."""
    with np.errstate(over="ignore"):
        step = other - one
        found = one + step * share if share < 0.5 else other - step * (1 - share)
    # A step beyond the largest float is taken in parts.
    return np.where(np.isfinite(step), found, one * (1 - share) + other * share)


def percentiles(rows: int, columns: int, start: Callable[[], Iterable[Array]]) -> Percentiles:
    """The percentiles of all columns, in as many passes as memory asks for: one up to some 10 GB.

    Args:
        rows, columns: of the data.
        start: starts a pass over all of it, in chunks of rows.
    """
    width = max(1, TAIL_BYTES // (8 * _capacity(rows)))
    parts = []
    for first in range(0, columns, width):
        tails = Tails(rows, slice(first, min(first + width, columns)))
        for chunk in start():
            tails.update(chunk)
        parts.append(tails.finish())
    low, high, below, above = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("low", "high", "below", "above")
    )
    return Percentiles(low, high, below, above)
