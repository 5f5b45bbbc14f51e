"""Missing cells of features: how many there are, and what is filled in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsgadvise.records import dataclass

Array = NDArray[Any]
Vector = NDArray[np.float64]

HELD_BYTES = 1 << 28
"""Most memory of numbers whose medians are taken, of several columns; of one alone it is 8 bytes a row."""


@dataclass(frozen=True, eq=False)
class Filling:
    """What is filled in where a feature is NaN, and how often.

    Attributes:
        values: of every input: the median of its numbers, NaN where it has none; 0 where it lacks none, or
            stands for a word.
        missing: how often every input is NaN.
        rows: how many rows have NaN.
        passes: over the data, to find that.
    """

    values: Vector
    missing: NDArray[np.intp]
    rows: int
    passes: int

    def apply(self, block: Array) -> Array:
        """The block filled in; a copy where that takes one."""
        gone = np.isnan(block) if self.rows else np.False_
        return np.where(gone, self.values.astype(block.dtype), block) if gone.any() else block


def filling(start: Callable[[], Iterator[Array]], columns: int, words: NDArray[np.bool_]) -> Filling:
    """The medians of all columns that have NaN, exact, of however many rows.

    One pass counts; another one takes the medians of as many columns as `HELD_BYTES` hold, and so on.

    Args:
        start: starts a pass over all rows, in blocks.
        columns: of a block.
        words: which of them stand for words.
    """
    missing, lacking, rows = np.zeros(columns, np.intp), 0, 0
    for block in start():
        gone = np.isnan(block)
        rows += len(block)
        if gone.any():
            missing += gone.sum(axis=0)
            lacking += int(gone.any(axis=1).sum())
    values, passes = np.zeros(columns), 1
    wanted, size = np.flatnonzero((missing > 0) & ~words), max(1, HELD_BYTES // (8 * max(1, rows)))
    for at in range(0, len(wanted), size):
        some, first = wanted[at : at + size], 0
        held = np.empty((len(some), rows))
        for block in start():
            held[:, first : first + len(block)] = block[:, some].T
            first += len(block)
        values[some] = [_median(column[np.isfinite(column)]) for column in held]
        passes += 1
    return Filling(values, missing, lacking, passes)


def _median(numbers: Vector) -> float:
    """Half way between the two in the middle."""
    if not len(numbers):
        return math.nan
    middle = [(len(numbers) - 1) // 2, len(numbers) // 2]
    numbers.partition(middle)
    low, high = numbers[middle].tolist()
    half = float((low + high) / 2)
    return half if math.isfinite(half) else float(low / 2 + high / 2)
