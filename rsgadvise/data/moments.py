"""Streaming moments of rows in [0, 1] (or of 8-bit rows, which scale linearly afterwards)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rsgadvise.data.scaling import block_rows, over_rows

Vector = NDArray[np.float64]

# Standard errors look at every row of this much data, then at every sixteenth chunk: with so many rows
# seen, their own error, about 1/sqrt(2 rows), is far below anything a reader could use.
DETAILED_BYTES = 1 << 26
DETAILED_EVERY = 16

# numpy 2 has one dot product per row without a temporary; on short rows the calls cost more than that.
_VECDOT: Callable[[Vector, Vector, Vector], Vector] | None = getattr(np, "vecdot", None)
_VECDOT_COLUMNS = 64


class Spread:
    """Mean and sum of squared deviations of a stream of numbers, merged by Chan's rule."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.squares = 0.0

    def update(self, values: Vector) -> None:
        count = len(values)
        mean = float(values.mean())
        deviations = values - mean
        # The second term removes what rounding of the mean left in the deviations.
        squares = float(deviations @ deviations) - float(deviations.sum()) ** 2 / count
        step = mean - self.mean
        total = self.count + count
        self.squares += max(squares, 0.0) + step * step * (self.count / total) * count
        self.mean += step * (count / total)
        self.count = total

    def variance(self) -> float:
        """With n - 1 in the denominator."""
        return self.squares / (self.count - 1)

    def standard_error(self, rows: int | None = None) -> float | None:
        """Of the mean over `rows` such numbers, by default those seen; None if fewer than two were."""
        return math.sqrt(self.variance() / (rows or self.count)) if self.count > 1 else None


class _Sum:
    """A sum of vectors that keeps the low bits of every addition (Knuth's two-sum)."""

    def __init__(self, columns: int) -> None:
        self._high = np.zeros(columns)
        self._low = np.zeros(columns)

    def add(self, term: Vector) -> None:
        total = self._high + term
        part = total - self._high
        self._low += (self._high - (total - part)) + (term - part)
        self._high = total

    def value(self) -> Vector:
        return self._high + self._low


class SquaredNorms:
    """||x||² of every row of a block, with a buffer of its own where one is needed."""

    def __init__(self, columns: int) -> None:
        self._vecdot = _VECDOT if columns >= _VECDOT_COLUMNS else None
        self._squares = np.empty((0 if self._vecdot else block_rows(columns), columns))
        self._ones = np.ones(columns)

    def __call__(self, block: Vector, out: Vector) -> None:
        """Write the norms into `out`."""
        if self._vecdot is not None:
            self._vecdot(block, block, out)
            return
        squares = np.multiply(block, block, out=self._squares[: len(block)])
        np.dot(squares, self._ones, out=out)


class Moments:
    """Column sums and squared norms of every row, and what the standard errors need, in float64.

    The standard error of tau needs mᵀ C m with m the column means and C the covariance, and m is only
    known at the end. So the pass keeps a direction v, the column means of the first chunk, the variance
    of s = vᵀx, which is vᵀ C v, and the sum of (s - s_0) x, which gives C v exactly. Then
    mᵀ C m = vᵀ C v + 2 (m - v)ᵀ C v + (m - v)ᵀ C (m - v), of which the last term is left out.

    Args:
        columns: d.
        every_row: whether the standard errors look at every row however many there are; else see
            `DETAILED_BYTES`.
    """

    def __init__(self, columns: int, *, every_row: bool) -> None:
        self.columns = columns
        self.chunks = 0
        self.row_means = Spread()
        self.row_squares = Spread()
        self.largest = 0.0  # ||x||^2
        self._every_row = every_row
        self._detailed = True
        self._projections = Spread()
        self._sums = _Sum(columns)
        self._detailed_sums = _Sum(columns)
        self._weighted = np.zeros(columns)
        self._direction = np.zeros(columns)
        self._offset = 0.0
        rows = block_rows(columns)
        self._ones = np.ones(max(columns, rows))
        self._norm = SquaredNorms(columns)
        self._chunk_sums = np.empty(columns)
        # One update of the spreads per chunk: on blocks that fit a cache its overhead would show.
        self._norms = np.empty(0)
        self._filled = 0

    @property
    def rows(self) -> int:
        """Rows taken in so far."""
        return self.row_squares.count + self._filled

    def start_chunk(self, rows: int, direction: Vector | None = None) -> None:
        """Begin a chunk of so many rows; the first one brings the direction v."""
        if len(self._norms) < rows:
            self._norms = np.empty(rows)
        if direction is not None:
            self._direction = direction
            self._offset = float(direction @ direction)
        self._detailed = (
            self._every_row
            or self.chunks % DETAILED_EVERY == 0
            or 8 * self.rows * self.columns < DETAILED_BYTES
        )
        self._chunk_sums[:] = 0.0
        self.chunks += 1

    def update(self, block: Vector) -> None:
        self._chunk_sums += over_rows(np.add, block)
        start = self._filled
        self._filled += len(block)
        self._norm(block, self._norms[start : self._filled])
        if self._detailed:
            self.row_means.update((block @ self._ones[: self.columns]) / self.columns)
            projections = block @ self._direction
            self._projections.update(projections)
            self._weighted += (projections - self._offset) @ block

    def end_chunk(self) -> None:
        """Add what the chunk held to the totals."""
        filled, self._filled = self._filled, 0
        self.largest = max(self.largest, float(self._norms[:filled].max()))
        self.row_squares.update(self._norms[:filled] / self.columns)
        self._sums.add(self._chunk_sums)
        if self._detailed:
            self._detailed_sums.add(self._chunk_sums)

    def column_means(self) -> Vector:
        """m."""
        return self._sums.value() / self.rows

    def projected_variance(self) -> float:
        """mᵀ C m as above: exact for one chunk, where v = m, and to second order in m - v otherwise."""
        count = self._projections.count
        if count < 2:
            return 0.0
        centred = self._weighted - (self._projections.mean - self._offset) * self._detailed_sums.value()
        away = self.column_means() - self._direction
        return max(0.0, self._projections.variance() + 2.0 * float(away @ centred) / (count - 1))
