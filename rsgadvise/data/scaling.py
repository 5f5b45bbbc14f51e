"""Scaling of features, to [0, 1] or to mean 0 and variance 1, and the checks that come before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from threading import Thread
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsgadvise.data.stream import Array, DataSource
from rsgadvise.errors import DataError
from rsgadvise.records import dataclass

# What is measured from a data file.

ScalingChoice = Literal["auto", "none", "minmax", "robust", "standard", "logarithms"]
RealTargets = Literal[
    "none",
    "divide by 255",
    "min-max per column",
    "min-max per column of logarithms",
    "min-max per column, outliers clipped",
]
Targets = Literal["one-hot", "0 and 1", "0 and 1 per column", RealTargets]
LOGARITHMS: RealTargets = "min-max per column of logarithms"
CLIPPED: RealTargets = "min-max per column, outliers clipped"
ScalingKind = Literal[
    "none",
    "divide by 255",
    "min-max per column",
    "robust, 1st to 99th percentile per column",
    "standard, mean 0 and variance 1 per column",
    "logarithms of columns with a long tail, then mean 0 and variance 1 per column",
]
MIN_MAX: ScalingKind = "min-max per column"
ROBUST: ScalingKind = "robust, 1st to 99th percentile per column"
STANDARD: ScalingKind = "standard, mean 0 and variance 1 per column"
LOGARITHMIC: ScalingKind = "logarithms of columns with a long tail, then mean 0 and variance 1 per column"
CENTRED = frozenset({STANDARD, LOGARITHMIC})
"""Those that take every column to mean 0 and variance 1, and not into [0, 1]."""
KINDS: dict[str, ScalingKind] = {
    "minmax": MIN_MAX,
    "robust": ROBUST,
    "standard": STANDARD,
    "logarithms": LOGARITHMIC,
}
"""By the words of `data.scaling`, of those that look at the rows."""
SpectrumMethod = Literal["gram", "lanczos"]


@dataclass(frozen=True, kw_only=True)
class StandardErrors:
    """One standard error of each estimate, the rows being independent draws; None where it is unknown."""

    mean: float | None = None
    mean_square: float | None = None
    second_moment: float | None = None
    top_eigenvalue: float | None = None


@dataclass(frozen=True, kw_only=True)
class DataStatistics:
    """Statistics of the features of one file after scaling, but for `CENTRED` to [0, 1].

    Attributes:
        mean: mu_x, the mean over features of the column means.
        mean_square: tau_x, the mean over features of the squared column means. This plug-in value is
            exact when the file itself is the distribution, as in training on it.
        mean_square_unbiased: tau_x of the distribution that the rows were drawn from,
            tau - (m2 - tau)/(n - 1); None for one row. It can be negative when tau is tiny.
        second_moment: m2_x = E||x||²/d.
        standard_errors: of the four estimates.
        top_eigenvalue: the largest eigenvalue of E[x xᵀ], or None if it was not asked for.
        spectrum_method: "gram" (the d × d matrix), "lanczos" (products with the data) or None.
        samples: n, rows used.
        input_dim: d.
        output_dim: length of one encoded target, or None without targets.
        target_encoding: "one-hot" for labels, "0 and 1" for two of them as one number, "0 and 1 per column"
            for a yes or no each; "none", "divide by 255", "min-max per column", `LOGARITHMS` or `CLIPPED` for
            real targets; or None without targets.
        scaling: "none", "divide by 255", "min-max per column", `ROBUST`, where what lies beyond the two
            percentiles of a column is clipped, or `STANDARD` or `LOGARITHMIC`, whose means are all 0.
        passes: passes over the file.
        rows_skipped: rows left out because a cell was missing.
        rows_filled, cells_filled: rows with missing cells that were filled in, and how many.
        constant_columns: features that have one value only.
        crushed_columns: features, by name or else by number in the file, that outliers crush under min-max:
            the middle 98 % of the values, which differ, lies in less than a tenth of [0, 1].
        tailed_columns: features, named so too, that have a long tail: their mean lies in the lowest tenth of
            their range. Of min-max, those whose logarithms could be taken; of `LOGARITHMIC`, were.
        notes: plain sentences about what a reader of the numbers should know.
        largest_norm: max ||x|| over the rows, of `CENTRED` alone.
    """

    mean: float
    mean_square: float
    mean_square_unbiased: float | None
    second_moment: float
    standard_errors: StandardErrors
    top_eigenvalue: float | None
    spectrum_method: SpectrumMethod | None
    samples: int
    input_dim: int
    output_dim: int | None
    target_encoding: Targets | None
    scaling: ScalingKind
    passes: int
    rows_skipped: int
    constant_columns: int
    crushed_columns: tuple[str | int, ...]
    notes: tuple[str, ...]
    largest_norm: float | None = None
    tailed_columns: tuple[str | int, ...] = ()
    rows_filled: int = 0
    cells_filled: int = 0


# The 1st and the 99th percentile of each column, exactly, from the two ends of a stream.

LOW, HIGH = 0.01, 0.99
NARROW = 0.1
"""Share of the range of a column below which its middle 98 % counts as crushed."""

# Most memory of the ends of all columns in one pass; more columns take more passes.
TAIL_BYTES = 1 << 28
SPARE_ROWS = 4096

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


class Tails:
    """The smallest and the largest values of some columns, in memory of a few per cent of theirs.

    Args:
        rows: of the whole stream.
        columns: first and last but one.
        wide: half the width of the middle 98 % of each at which nothing more is asked of it, or None.

    Attributes:
        columns: those of which something is still asked.
    """

    def __init__(self, rows: int, columns: slice, wide: Vector | None = None) -> None:
        self._rows, self._wide = rows, wide
        self.columns: slice | NDArray[np.intp] = columns
        self._keep = kept_rows(rows)
        self._held = np.empty((columns.stop - columns.start, _capacity(rows)))
        self._count = 0

    def update(self, chunk: Array) -> None:
        done = 0
        while done < len(chunk) and len(self._held):
            if self._count == self._held.shape[1]:
                self._drop_middle()
            part = chunk[done : done + self._held.shape[1] - self._count, self.columns]
            self._held[:, self._count : self._count + len(part)] = part.T
            self._count += len(part)
            done += len(part)

    def _drop_middle(self) -> None:
        keep, size = self._keep, self._held.shape[1]
        # numpy lets go of the interpreter meanwhile, so that two threads share the columns.
        half, ends = len(self._held) // 2, (keep - 1, size - keep)
        other = Thread(target=self._held[half:].partition, args=(ends,), kwargs={"axis": 1})
        other.start()
        self._held[:half].partition(ends, axis=1)
        other.join()
        self._held[:, keep : 2 * keep] = self._held[:, size - keep :]
        self._count = 2 * keep
        if self._wide is None:
            return
        # Rows to come only move the percentiles outwards, and these are not even they.
        narrow = self._held[:, keep : 2 * keep].min(axis=1) / 2 - self._held[:, keep - 1] / 2 < self._wide
        if not narrow.all():
            columns = np.r_[self.columns] if isinstance(self.columns, slice) else self.columns
            self.columns, self._held, self._wide = columns[narrow], self._held[narrow], self._wide[narrow]

    def finish(self) -> Percentiles:
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
    return 3 * kept_rows(rows) + SPARE_ROWS


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
    parts = [tails.finish() for tails in _tails(rows, columns, start)]
    low, high, below, above = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("low", "high", "below", "above")
    )
    return Percentiles(low, high, below, above)


def crushed(
    rows: int, smallest: Vector, largest: Vector, start: Callable[[], Iterable[Array]]
) -> NDArray[np.intp]:
    """Columns whose range is due to outliers: the middle 98 % lies in less than a tenth of it.

    A column with one value in the middle, such as one of few ones among zeros, is rare and not crushed.
    Up to 100 rows nothing is, since one of them is already more than 1 %. Most columns are known not to be
    long before the last row.

    Args:
        rows: of the data.
        smallest, largest: value of each column.
        start: as for `percentiles`.
    """
    # Halves, since the width of a column may be beyond the largest float.
    wide = NARROW * (largest / 2 - smallest / 2)
    found = []
    for tails in _tails(rows, len(wide), start, wide):
        ends, columns = tails.finish(), np.arange(len(wide))[tails.columns]
        middle = ends.above / 2 - ends.below / 2
        found.append(columns[(middle > 0) & (middle < wide[columns])])
    return np.concatenate(found)


def _tails(
    rows: int, columns: int, start: Callable[[], Iterable[Array]], wide: Vector | None = None
) -> Iterator[Tails]:
    """Of as many columns at a time as memory allows, after a pass over the data."""
    width = max(1, TAIL_BYTES // (8 * _capacity(rows)))
    for first in range(0, columns, width):
        part = slice(first, min(first + width, columns))
        tails = Tails(rows, part, None if wide is None else wide[part])
        for chunk in start():
            tails.update(chunk)
        yield tails


# A block of this many bytes as float64 stays in a second-level cache through all its kernels.
BLOCK_BYTES = 1 << 19
_MIN_BLOCK_ROWS = 8
_BESIDE = 512  # numbers for one call of an inner loop


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
    """Raise for the first infinity of a block, or else the first NaN, one of which it is known to hold."""
    with np.errstate(over="ignore", invalid="ignore"):
        bad = np.isinf(block.astype(np.float64))
    places = np.argwhere(bad if bad.any() else np.isnan(block))  # infinities first, which nothing fills in
    row, column = (int(place) for place in places[0])
    value = block[row, column]
    fix = "remove the row or fill in a number"
    if np.isnan(value) and source.reading is not None:
        fix = "remove the row, or fill in medians with data.missing: fill (--missing fill)"
    raise DataError(
        f"{source.path}: row {first_row + row}, {source.column_label(column)}, is {value}; every feature must"
        f" be finite, so {fix} (rows and columns count from 0)"
    )


@dataclass(frozen=True)
class Scaling:
    """How raw features become what is trained on.

    `divisor` and `low` are per column, in the units of `factor` times the raw value; a factor of 1/2
    keeps the range of a column finite when it is wider than the largest float. `shift` is what is added to
    a column before its logarithm is taken, NaN where none is, and `least` the smallest number that has one.
    """

    kind: ScalingKind
    low: NDArray[np.float64] | None = None
    divisor: NDArray[np.float64] | None = None
    factor: float = 1.0
    shift: NDArray[np.float64] | None = None
    least: NDArray[np.float64] | None = None

    def apply(self, block: Array, out: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.low is None or self.divisor is None:
            np.copyto(out, block)
            if self.kind == "divide by 255":
                out /= 255.0
            return out
        if self.shift is not None and self.least is not None:
            logged = np.flatnonzero(~np.isnan(self.shift))
            np.copyto(out, block)
            # Later rows may hold what has no logarithm: they are taken for the smallest that was seen.
            out[:, logged] = np.log(np.maximum(out[:, logged] + self.shift[logged], self.least[logged]))
            block = out
        beside = _beside(block) if out.flags.c_contiguous else 1
        whole = len(block) - len(block) % beside if beside > 1 else 0
        self._affine(
            block[:whole].reshape(-1, beside * len(self.low)),
            out[:whole].reshape(-1, beside * len(self.low)),
            np.tile(self.low, beside),
            np.tile(self.divisor, beside),
        )
        self._affine(block[whole:], out[whole:], self.low, self.divisor)
        return out

    def _affine(
        self, block: Array, out: NDArray[np.float64], low: NDArray[np.float64], divisor: NDArray[np.float64]
    ) -> None:
        if self.factor != 1.0:
            np.copyto(out, block)
            out *= self.factor
            block = out
        with np.errstate(over="ignore" if self.kind == ROBUST else "warn"):  # what is infinite is clipped
            np.subtract(block, low, out=out)
            out /= divisor
        if self.kind == ROBUST:
            np.clip(out, 0.0, 1.0, out=out)


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
    scaling = Scaling(MIN_MAX, low=bottom, divisor=divisor, factor=factor)
    return scaling, int(np.count_nonzero(low == high))


def robust(ends: Percentiles, low: Array, high: Array) -> tuple[Scaling, int]:
    """Scaling from the 1st to the 99th percentile, and for how many columns these coincide.

    Such a column is scaled from its smallest to its largest value, unless it is constant.
    """
    usable = ends.low < ends.high
    scaling, _ = min_max(np.where(usable, ends.low, low), np.where(usable, ends.high, high))
    return replace(scaling, kind=ROBUST), int(np.count_nonzero(~usable & (low != high)))


def standard(ranged: Scaling, chunks: Iterable[Array]) -> Scaling:
    """Scaling to mean 0 and variance 1 (that of all rows, divided by their number); constants become 0.

    Means and variances are those of what min-max makes of a column, which no offset and no unit spoils.

    Args:
        ranged: the min-max scaling of the same rows.
        chunks: all of them.
    """
    assert ranged.low is not None
    assert ranged.divisor is not None
    rows, means, squares = 0, np.zeros_like(ranged.low), np.zeros_like(ranged.low)
    for chunk in chunks:
        for block in blocks(chunk):
            scaled = ranged.apply(block, np.empty(block.shape))
            own = over_rows(np.add, scaled) / len(scaled)
            scaled -= own
            away, both = own - means, rows + len(scaled)
            squares += np.einsum("ij,ij->j", scaled, scaled) + away**2 * (rows * len(scaled) / both)
            means += away * (len(scaled) / both)
            rows = both
    deviations = np.sqrt(squares / rows)
    return replace(
        ranged,
        kind=STANDARD,
        low=ranged.low + means * ranged.divisor,
        divisor=ranged.divisor * np.where(deviations > 0, deviations, 1.0),
    )


TAIL = 0.1
"""Of a range: where the mean of what has a long tail lies, at most."""
_LARGEST_MOVED = 1e307  # so that what is added to a number leaves it finite


def logarithmic(low: Array, high: Array, start: Callable[[], Iterable[Array]]) -> Scaling:
    """Standard scaling, of logarithms where a column has a long tail; see `shift` of `Scaling`.

    A long tail has what holds more than two values, with a mean in the lowest tenth of the range. Nothing is
    added to what is above 0; anything else is moved up, so that its smallest value becomes the geometric mean
    of how far the others lie above it.

    Args:
        low, high: of each column.
        start: starts a pass over all rows, in chunks.
    """
    bottom, top = low.astype(np.float64), high.astype(np.float64)
    with np.errstate(over="ignore"):
        span = top - bottom
        usable = (span > 0) & (np.abs(bottom) + span < _LARGEST_MOVED)
    sums, logs, above, between = np.zeros((4, len(bottom)))
    rows = 0
    for chunk in start():
        for block in blocks(chunk):
            with np.errstate(over="ignore", invalid="ignore"):
                moved = block - bottom
                sums += np.where(usable, moved / np.where(usable, span, 1.0), 0.0).sum(axis=0)
            positive = usable & (moved > 0)
            logs += np.log(moved, where=positive, out=np.zeros(moved.shape)).sum(axis=0)
            above += positive.sum(axis=0)
            between += (positive & (block < top)).sum(axis=0)
            rows += len(block)
    tailed = usable & (sums < TAIL * rows) & (between > 0)
    moved = np.where(bottom > 0, 0.0, np.exp(logs / np.maximum(above, 1)) - bottom)
    shift = np.where(tailed, moved, np.nan)
    least = np.where(tailed, bottom + moved, 1.0)
    most = np.log(np.where(tailed, top, 1.0) + np.where(tailed, moved, 0.0))
    ranged, _ = min_max(np.where(tailed, np.log(least), bottom), np.where(tailed, most, top))
    ranged = replace(ranged, shift=shift, least=least)
    return replace(standard(ranged, start()), kind=LOGARITHMIC)


def fitted(features: NDArray[np.float64], kind: ScalingKind) -> Scaling:
    """The scaling of this kind by rows that are all in memory."""
    if kind not in {MIN_MAX, ROBUST, *CENTRED}:
        return Scaling(kind)
    low, high = features.min(axis=0), features.max(axis=0)
    if kind == ROBUST:
        return robust(percentiles(len(features), features.shape[1], lambda: [features]), low, high)[0]
    if kind == LOGARITHMIC:
        return logarithmic(low, high, lambda: [features])
    scaling, _ = min_max(low, high)
    return standard(scaling, [features]) if kind == STANDARD else scaling


def scaled(features: NDArray[np.float64], kind: ScalingKind) -> NDArray[np.float64]:
    """A copy, scaled so."""
    return fitted(features, kind).apply(features, np.empty(features.shape))


class Ranges:
    """Smallest and largest raw value of each column."""

    def __init__(self, source: DataSource) -> None:
        self._source = source
        self.rows = 0
        self.low: Array | None = None
        self.high: Array | None = None

    def update(self, chunk: Array) -> None:
        for block in blocks(chunk):
            with np.errstate(invalid="ignore"):
                low, high = over_rows(np.minimum, block), over_rows(np.maximum, block)
            if not (_all_finite(low) and _all_finite(high)):
                refuse_nonfinite(self._source, block, self.rows)
            self.low = low if self.low is None else np.minimum(self.low, low)
            self.high = high if self.high is None else np.maximum(self.high, high)
            self.rows += len(block)


def over_rows(ufunc: np.ufunc, block: Array) -> Array:
    """The reduction over rows; of many short ones, several side by side."""
    rows, columns = block.shape
    beside = _beside(block)
    if beside < 2:
        return np.asarray(ufunc.reduce(block, axis=0))
    whole = rows - rows % beside
    wide = ufunc.reduce(block[:whole].reshape(-1, beside * columns), axis=0).reshape(beside, columns)
    return np.asarray(ufunc.reduce(np.concatenate([wide, block[whole:]]), axis=0))


def _beside(block: Array) -> int:
    """How many rows of a block side by side make an inner loop worth its call."""
    beside = _BESIDE // block.shape[1]
    return beside if block.flags.c_contiguous and 2 <= beside <= len(block) // 2 else 1


def _all_finite(values: Array) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.isfinite(values.astype(np.float64)).all())


def blocks(chunk: Array) -> Iterator[Array]:
    """The cache-sized blocks of a chunk."""
    step = block_rows(chunk.shape[1])
    for start in range(0, len(chunk), step):
        yield chunk[start : start + step]
