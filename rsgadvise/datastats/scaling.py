"""Scaling of features to [0, 1], and the checks that come before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsgadvise.datastats.percentiles import Percentiles
from rsgadvise.datastats.result import ROBUST, ScalingKind
from rsgadvise.errors import DataError
from rsgadvise.readers import Array, DataSource

# A block of this many bytes as float64 stays in a second-level cache through all its kernels.
BLOCK_BYTES = 1 << 20
_MIN_BLOCK_ROWS = 8


def block_rows(columns: int) -> int:
    """Rows of one cache-sized block."""
    return max(_MIN_BLOCK_ROWS, BLOCK_BYTES // (8 * columns))


def is_eight_bit(dtype: np.dtype[Any]) -> bool:
    """Whether features of this type are images of 8 bits unless they stay within [0, 1]."""
    return dtype == np.uint8


# The largest bit pattern of a float in [+0, 1]; negative numbers, infinities and NaN all lie above.
_ONE_BITS = {
    np.dtype(t): (np.dtype(f"u{np.dtype(t).itemsize}"), t(1.0).view(f"u{np.dtype(t).itemsize}"))
    for t in (np.float16, np.float32, np.float64)
}


def surely_unit(block: Array) -> bool:
    """Whether all entries are floats in [+0, 1], by one reduction where minimum and maximum take two.

    False means only that this quick look cannot tell.
    """
    bits = _ONE_BITS.get(block.dtype)
    if bits is None or not block.dtype.isnative or not block.flags.c_contiguous:
        return False
    unsigned, one = bits
    return bool(block.view(unsigned).max() <= one)


def refuse_nonfinite(source: DataSource, block: Array, first_row: int) -> None:
    """Raise for the first NaN or infinity of a block that is known to hold one."""
    with np.errstate(over="ignore", invalid="ignore"):
        places = np.argwhere(~np.isfinite(block.astype(np.float64)))
    row, column = (int(place) for place in places[0])
    value = block[row, column]
    raise DataError(
        f"{source.path}: row {first_row + row}, {source.column_label(column)}, is {value}; every feature must"
        " be finite, so remove the row or fill in a number (rows and columns count from 0)"
    )


@dataclass(frozen=True)
class Scaling:
    """How raw features become numbers in [0, 1].

    `divisor` and `low` are per column, in the units of `factor` times the raw value; a factor of 1/2
    keeps the range of a column finite when it is wider than the largest float.
    """

    kind: ScalingKind
    low: NDArray[np.float64] | None = None
    divisor: NDArray[np.float64] | None = None
    factor: float = 1.0

    def apply(self, block: Array, out: NDArray[np.float64]) -> NDArray[np.float64]:
        """Write the scaled block into `out`."""
        np.copyto(out, block)
        if self.kind == "divide by 255":
            out /= 255.0
        elif self.low is not None and self.divisor is not None:
            if self.factor != 1.0:
                out *= self.factor
            if self.kind == ROBUST:
                with np.errstate(over="ignore"):  # what is infinite is clipped
                    out -= self.low
                    out /= self.divisor
                return np.clip(out, 0.0, 1.0, out=out)
            out -= self.low
            out /= self.divisor
        return out


def min_max(low: Array, high: Array) -> tuple[Scaling, int]:
    """Min-max scaling from the ranges of the columns, and how many of these are constant."""
    bottom, top = low.astype(np.float64), high.astype(np.float64)
    factor = 1.0
    with np.errstate(over="ignore"):
        span = top - bottom
    if not np.isfinite(span).all():
        factor = 0.5
        bottom, top = bottom * factor, top * factor
        span = top - bottom
    # Dividing, unlike multiplying by a reciprocal, takes the largest entry to exactly 1.
    divisor = np.where(span > 0, span, 1.0)
    scaling = Scaling("min-max per column", low=bottom, divisor=divisor, factor=factor)
    return scaling, int(np.count_nonzero(low == high))


def robust(ends: Percentiles, low: Array, high: Array) -> tuple[Scaling, int]:
    """Scaling from the 1st to the 99th percentile, and for how many columns these coincide.

    Such a column is scaled from its smallest to its largest value, unless it is constant.
    """
    usable = ends.low < ends.high
    scaling, _ = min_max(np.where(usable, ends.low, low), np.where(usable, ends.high, high))
    return replace(scaling, kind=ROBUST), int(np.count_nonzero(~usable & (low != high)))


class Ranges:
    """Smallest and largest raw value of each column."""

    def __init__(self, source: DataSource) -> None:
        self._source = source
        self.rows = 0
        self.low: Array | None = None
        self.high: Array | None = None

    def update(self, chunk: Array) -> None:
        """Take in the next rows."""
        for block in blocks(chunk):
            with np.errstate(invalid="ignore"):
                low, high = np.minimum.reduce(block, axis=0), np.maximum.reduce(block, axis=0)
            if not (_all_finite(low) and _all_finite(high)):
                refuse_nonfinite(self._source, block, self.rows)
            self.low = low if self.low is None else np.minimum(self.low, low)
            self.high = high if self.high is None else np.maximum(self.high, high)
            self.rows += len(block)


def _all_finite(values: Array) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.isfinite(values.astype(np.float64)).all())


def blocks(chunk: Array) -> Iterator[Array]:
    """The cache-sized blocks of a chunk."""
    step = block_rows(chunk.shape[1])
    for start in range(0, len(chunk), step):
        yield chunk[start : start + step]
