"""Statistics of a data file, in as few passes as its range allows, and its rows scaled as they say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from rsgadvise.data.gaps import Filling
from rsgadvise.data.moments import Moments, Spread
from rsgadvise.data.scaling import (
    CENTRED,
    LOGARITHMIC,
    MIN_MAX,
    ROBUST,
    TAIL,
    DataStatistics,
    Ranges,
    Scaling,
    ScalingChoice,
    ScalingKind,
    SpectrumMethod,
    StandardErrors,
    blocks,
    crushed,
    fitted,
    is_eight_bit,
    logarithmic,
    min_max,
    percentiles,
    refuse_nonfinite,
    robust,
    standard,
    surely_unit,
)
from rsgadvise.data.spectrum import MAX_GRAM_DIM, Eigenpair, Gram, streamed_top
from rsgadvise.data.stream import Array, Chunk, DataSource, first_of, printable
from rsgadvise.data.targets import TargetEncoding, TargetSummary, encode_targets
from rsgadvise.errors import DataError

# What a reader of the statistics of a file should know, in plain sentences.

_NAMES_SHOWN = 10
MUCH = 0.02
"""Share of the rows beyond which it is said how those that were left out can be kept."""


def feature_names(source: DataSource, places: NDArray[np.intp]) -> tuple[str | int, ...]:
    """Feature columns by name or, where the file gives none, by number in it."""
    names, numbers = source.column_names, source.column_numbers
    return tuple(
        (names[place] if names else "")
        or (source.first_column + int(place) if numbers is None else numbers[place])
        for place in places
    )


def notes_on(
    source: DataSource,
    kind: ScalingKind,
    rows: int,
    constants: int,
    *,
    crushed: Sequence[str | int],
    tailed: Sequence[str | int],
    by_range: int,
    pair: Eigenpair | None,
) -> tuple[str, ...]:
    """Sentences on rows, columns and the eigenvalue; those of the source come first.

    Args:
        source: after its last pass.
        kind: of the scaling.
        rows, constants: rows used, and columns of one value.
        crushed: names of the columns that outliers crush.
        tailed: names of the columns with a long tail.
        by_range: columns that robust scaling had to scale by their range.
        pair: the largest eigenvalue, if it was asked for.
    """
    notes = list(source.notes)
    filled = source.reading is not None and source.reading.missing == "fill"
    skipped, lost = source.rows_skipped, 0 if filled else source.fillable
    if skipped:
        they = "has a missing cell and was" if skipped == 1 else "have a missing cell and were"
        keeps = f"keeps {'them' if lost == skipped else f'{lost} of them'}, with medians for what is missing"
        fix = f"; data.missing: fill (--missing fill) {keeps}" if lost > MUCH * (skipped + rows) else ""
        notes.append(f"{skipped} of {skipped + rows} rows {they} left out{fix}.")
    if source.filling is not None and source.filling.rows:
        notes.append(_about_filling(source, source.filling, rows))
    if rows == 1:
        notes.append("There is one row only, so no standard error can be given.")
    elif constants:
        end = "" if kind in {"none", "divide by 255"} else ", and became 0"
        notes.append(f"{constants} of {source.input_dim} columns hold one value only{end}.")
    if kind == LOGARITHMIC:
        named = first_of([printable(str(name)) for name in tailed], _NAMES_SHOWN) or "no column has one"
        notes.append(f"Logarithms were taken of columns with a long tail: {named}.")
    if pair is not None and not pair.converged:
        notes.append(
            "The largest eigenvalue did not settle: its residual is still"
            f" {pair.residual / pair.value:.1e} of it."
        )
    return tuple(dict.fromkeys((*notes, *_about_outliers(source, crushed, by_range))))


def _about_filling(source: DataSource, filling: Filling, rows: int) -> str:
    """What was filled in, and how."""
    cells, words = source.cells_filled, source.word_inputs
    places = np.flatnonzero(source.first_inputs & (filling.missing > 0))
    shown = [
        f"{source.cell_name(at)} no word"
        if words is not None and words[at]
        else f"{source.cell_name(at)} {filling.values[at]:.6g}"
        for at in places.tolist()
    ]
    return (
        f"{cells:,} missing cell{'s' * (cells != 1)}, in {filling.rows:,} of {rows:,} rows, "
        f"{'was' if cells == 1 else 'were'} filled in with the median of the column: "
        f"{first_of(shown, _NAMES_SHOWN)}."
    )


def _about_outliers(source: DataSource, crushed: Sequence[str | int], by_range: int) -> Iterator[str]:
    columns = source.input_dim
    if crushed:
        named = first_of([printable(str(name)) for name in crushed], _NAMES_SHOWN)
        are = "is" if len(crushed) == 1 else "are"
        yield (
            f"{len(crushed)} of {columns} columns {are} crushed by outliers: {named}: the middle 98 % "
            "of the values lies in less than a tenth of [0, 1]; data.scaling: robust (--scaling robust) "
            "widens them."
        )
    if by_range:
        yield (
            f"{by_range} of {columns} columns hold one value from the 1st to the 99th percentile, though not "
            "throughout, and were scaled from the smallest to the largest value."
        )


# From a data source to its statistics, in as few passes as its range allows.

Progress = Callable[[int, int | None, str], None]

# A few cache-sized blocks, so that what is done once for each chunk does not show.
CHUNK_BYTES = 1 << 23

# Rows of one update of the Gram matrix: enough that the product outweighs rewriting the matrix.
GRAM_ROWS = 512


class _Passes:
    """Starts passes over the source, counts them and reports how far they are."""

    def __init__(self, source: DataSource, progress: Progress | None, max_bytes: int) -> None:
        self.source = source
        self.count = 0
        self._progress = progress
        self._max_bytes = max_bytes

    def run(self, name: str) -> Iterator[Chunk]:
        self.count += 1
        done = 0
        for features, targets in self.source.chunks(max_bytes=self._max_bytes):
            yield features, targets
            done += len(features)
            if self._progress is not None:
                self._progress(done, self.source.rows, name)


class _Constants:
    """Columns that have had one value so far; the set only shrinks."""

    def __init__(self) -> None:
        self._first: Array | None = None
        self._columns: NDArray[np.intp] | None = None

    @property
    def count(self) -> int:
        return 0 if self._columns is None else len(self._columns)

    def update(self, block: Array) -> None:
        if self._first is None or self._columns is None:
            self._first = block[0].copy()
            self._columns = np.flatnonzero((block == self._first).all(axis=0))
        elif len(self._columns) == len(self._first):
            self._columns = np.flatnonzero((block == self._first).all(axis=0))
        elif len(self._columns):
            kept = (block[:, self._columns] == self._first[self._columns]).all(axis=0)
            self._columns = self._columns[kept]


class _Collector:
    """Feeds scaled (or raw 8-bit) chunks to the moments and the Gram matrix."""

    def __init__(self, source: DataSource, *, gram: bool, scaling: Scaling | None = None) -> None:
        self.moments = Moments(source.input_dim, every_row=gram)
        self.gram = Gram(source.input_dim) if gram else None
        self.constants = _Constants()
        self.two_valued = np.arange(0 if scaling is None or scaling.kind != MIN_MAX else source.input_dim)
        self.high = 0.0
        self._source = source
        self._scaling = scaling
        self._buffer = np.empty((0, source.input_dim))

    def update(self, chunk: Array) -> bool:
        """Take in a chunk; False, without a full update, if its range asks for min-max scaling."""
        moments = self.moments
        first = moments.chunks == 0
        if not first:
            moments.start_chunk(len(chunk))
        # The Gram matrix wants wide updates, and the means of the first chunk come before its rows.
        for part in [chunk] if first or self.gram is not None else blocks(chunk):
            if self._scaling is None and not self._admit(part):
                return False
            rows = self.convert(part)
            if first:
                moments.start_chunk(len(chunk), rows.mean(axis=0))
            if len(self.two_valued):  # fewer and fewer, and none of most tables
                own = rows[:, self.two_valued]
                self.two_valued = self.two_valued[~((own > 0) & (own < 1)).any(axis=0)]
            for block in blocks(rows):
                moments.update(block)
            if self.gram is not None:
                self.gram.update(rows)
        moments.end_chunk()
        return True

    def convert(self, chunk: Array) -> NDArray[np.float64]:
        """The chunk as float64, scaled if a scaling was given; valid until the next call."""
        if self._scaling is None and chunk.dtype == np.float64 and chunk.dtype.isnative:
            return chunk
        if len(self._buffer) < len(chunk):
            self._buffer = np.empty(chunk.shape)
        out = self._buffer[: len(chunk)]
        if self._scaling is not None:
            return self._scaling.apply(chunk, out)
        np.copyto(out, chunk)
        return out

    def _admit(self, block: Array) -> bool:
        if surely_unit(block):
            self.constants.update(block)
            return True
        with np.errstate(invalid="ignore", over="ignore"):
            low, high = float(block.min()), float(block.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            refuse_nonfinite(self._source, block, self.moments.rows)
        self.high = max(self.high, high)
        if not is_eight_bit(block.dtype) and not (low >= 0.0 and high <= 1.0):
            return False
        self.constants.update(block)
        return True


def measure(
    source: DataSource,
    *,
    scaling: ScalingChoice = "auto",
    spectrum: bool = True,
    progress: Progress | None = None,
) -> DataStatistics:
    """Statistics of the features of a file, scaled, with their standard errors.

    With m the column means, C the covariance (n - 1) and q = ||x||²/d of the scaled rows:
    mean = Σ m_j / d, mean_square = Σ m_j² / d, second_moment = mean of q, and their standard errors
    std(row means)/√n, (2/d) √(mᵀ C m / n) by the delta method, and std(q)/√n. That of the largest
    eigenvalue is std((v₁ᵀx)²)/√n with v₁ its vector held fixed.

    Scaling `auto`: 8-bit features with a value above 1 are divided by 255; features within [0, 1] are left
    as they are; anything else is scaled by the range of its column, a constant column becoming 0, and the
    columns that outliers crush are named. `robust` takes a column from its 1st to its 99th percentile and
    clips the rest; where these coincide it takes the range. Percentiles are exact, by linear interpolation.
    `standard` takes every column to mean 0 and variance 1, and so does `logarithms`, which first takes
    logarithms of columns with a long tail.

    Passes: one for features in [0, 1] or of 8 bits. Min-max needs a light pass for the ranges first; if
    only a later chunk leaves [0, 1] the file is started again, which counts as one more; so do the
    percentiles of `robust` and the variances of `standard`; `logarithms` takes both; percentiles of more than
    some 10 GB take another each. The largest
    eigenvalue comes with the same pass up to d = 4096, from a Gram matrix; beyond it, each of a few
    products with the data costs a pass. Its standard error costs one more.

    Exact, up to rounding: mean, mean_square, second_moment and its standard error. The standard error of
    mean_square is exact if the data fit one chunk or there is a Gram matrix; otherwise its error is of
    second order in the distance between m and the means of the first chunk. Without a Gram matrix,
    the standard errors of mean and mean_square look at all of the first 64 MiB (as float64) and at every
    sixteenth chunk after it. Beyond d = 4096 the eigenvalue is found to a relative residual of 1e-7.

    Order: mean² ≤ mean_square ≤ second_moment ≤ mean and d mean_square ≤ top_eigenvalue ≤
    d second_moment hold for the returned floats too, since a value that rounding took past its
    neighbour, by a few units in the last place, is set to that neighbour. Of `standard` and
    `logarithms` it is second_moment ≤ 1 alone, and the largest norm of a row comes with the same pass.

    Args:
        source: an open data file.
        scaling: `minmax`, `robust`, `standard`, `logarithms` or `none`, which must be possible; by
            default what the data ask for.
        spectrum: whether to find the largest eigenvalue.
        progress: called with rows done, all rows (None if unknown) and the name of the pass.

    Raises:
        DataError: a value is not finite, or outside [0, 1] with scaling `none`; there is no row, or the
            file is malformed.
    """
    columns = source.input_dim
    gram = spectrum and columns <= MAX_GRAM_DIM
    wide = GRAM_ROWS * columns * source.dtype.itemsize if gram else 0
    passes = _Passes(source, progress, max(CHUNK_BYTES, wide))
    targets = TargetSummary(
        f"{source.path}: targets",
        source.target_kind,
        one_output=source.one_output,
        units=source.target_units,
    )

    collector = _Collector(source, gram=gram)
    if scaling in {"auto", "none"}:
        ranges = _first_pass(passes, collector, targets)
    else:
        ranges = _ranges(passes, targets)
    kind: ScalingKind = "none"
    factor = 1.0
    constants, by_range = collector.constants.count, 0
    outlying: tuple[str | int, ...] = ()
    tailed = outlying
    if scaling == "none" and (ranges is not None or collector.high > 1.0):
        _refuse_range(source, ranges, collector.high)
    if ranges is not None and ranges.low is not None and ranges.high is not None:
        low, high = ranges.low, ranges.high
        scaler, constants, by_range = _scaling(scaling, ranges, low, high, passes)
        kind = scaler.kind
        collector = _Collector(source, gram=gram, scaling=scaler)
        if kind == ROBUST or kind in CENTRED:
            for features, _ in passes.run("moments"):
                collector.update(features)
        else:
            bottom, top = low.astype(np.float64), high.astype(np.float64)
            start = _starting(passes, "moments", also=collector.update)
            outlying = feature_names(source, crushed(ranges.rows, bottom, top, start))
        tailed = _tailed(source, collector, scaler)
    elif collector.high > 1.0:
        kind = "divide by 255"
        factor = 1.0 / 255.0
    moments = collector.moments
    if moments.rows == 0:
        raise DataError(f"{source.path}: has zero rows; at least one is needed")

    means = moments.column_means() * factor
    mean, tau = float(means.mean()), float(means @ means) / columns
    second = moments.row_squares.mean * factor**2
    norm = None
    if kind in CENTRED:
        second, norm = min(second, 1.0), math.sqrt(max(moments.largest, columns * second))
    else:
        mean, tau, second = ordered_moments(mean, tau, second)
    pair, method = _top(collector, passes) if spectrum else (None, None)
    eigenvalue = None
    if pair is not None:
        eigenvalue = min(max(pair.value * factor**2, columns * tau), columns * second)
    rows = moments.rows
    encoding = targets.finish() if source.has_targets else None
    return DataStatistics(
        mean=mean,
        mean_square=tau,
        mean_square_unbiased=tau - (second - tau) / (rows - 1) if rows > 1 else None,
        second_moment=second,
        standard_errors=_standard_errors(collector, passes, pair, factor),
        top_eigenvalue=eigenvalue,
        spectrum_method=method,
        samples=rows,
        input_dim=columns,
        output_dim=None if encoding is None else encoding.dim,
        target_encoding=None if encoding is None else encoding.kind,
        scaling=kind,
        passes=passes.count + (source.filling.passes if source.filling else 0),
        rows_skipped=source.rows_skipped,
        rows_filled=source.filling.rows if source.filling else 0,
        cells_filled=source.cells_filled,
        constant_columns=constants,
        crushed_columns=outlying,
        tailed_columns=tailed,
        notes=(
            *notes_on(
                source, kind, rows, constants, crushed=outlying, tailed=tailed, by_range=by_range, pair=pair
            ),
            *(encoding.notes if encoding else ()),
        ),
        largest_norm=norm,
    )


def _tailed(source: DataSource, collector: _Collector, scaling: Scaling) -> tuple[str | int, ...]:
    """Features of which logarithms were taken, or else, of min-max, could be."""
    if scaling.shift is not None:
        return feature_names(source, np.flatnonzero(~np.isnan(scaling.shift)))
    which = (collector.moments.column_means() < TAIL) & (scaling.kind == MIN_MAX)
    which[collector.two_valued] = False
    return feature_names(source, np.flatnonzero(which))


def ordered_moments(mean: float, tau: float, second: float) -> tuple[float, float, float]:
    """The three with mean² ≤ tau ≤ second ≤ mean, which rounding may have broken in the last place."""
    tau = max(tau, mean**2)
    second = min(max(second, tau), mean)
    return mean, min(tau, second), second


def _scaling(
    choice: ScalingChoice, ranges: Ranges, low: Array, high: Array, passes: _Passes
) -> tuple[Scaling, int, int]:
    """(scaling, constant columns, columns that robust scaling takes by their range)."""
    scaling, constants = min_max(low, high)
    by_range = 0
    if choice == "robust":
        ends = percentiles(ranges.rows, len(low), _starting(passes, "percentiles"))
        scaling, by_range = robust(ends, low, high)
    elif choice == "standard":
        scaling = standard(scaling, (features for features, _ in passes.run("variances")))
    elif choice == "logarithms":
        scaling = logarithmic(low, high, lambda: (features for features, _ in passes.run("logarithms")))
    return scaling, constants, by_range


def _first_pass(passes: _Passes, collector: _Collector, targets: TargetSummary) -> Ranges | None:
    """Moments if the range allows them at once, else the ranges of the columns."""
    ranges: Ranges | None = None
    for index, (features, labels) in enumerate(passes.run("first pass")):
        if ranges is None and not collector.update(features):
            if index:
                break
            ranges = Ranges(passes.source)
        if ranges is not None:
            ranges.update(features)
        if labels is not None:
            targets.update(labels)
    else:
        return ranges
    return _ranges(passes, targets)


def _ranges(passes: _Passes, targets: TargetSummary) -> Ranges:
    """The ranges of the columns, in a pass of their own."""
    ranges = Ranges(passes.source)
    for features, labels in passes.run("ranges"):
        ranges.update(features)
        if labels is not None:
            targets.update(labels)
    return ranges


def _starting(
    passes: _Passes, first: str, *, also: Callable[[Array], object] | None = None
) -> Callable[[], Iterator[Array]]:
    """Starts passes for percentiles; the first one can be that of something else, which sees it too."""

    def start() -> Iterator[Array]:
        nonlocal also
        with_it, also = also, None
        with ThreadPoolExecutor(max_workers=1) as beside:
            for features, _ in passes.run(first if with_it else "percentiles"):
                other = beside.submit(with_it, features) if with_it else None
                yield features
                if other is not None:
                    other.result()

    return start


def _refuse_range(source: DataSource, ranges: Ranges | None, high: float) -> NoReturn:
    """Raise for data that are not in [0, 1] as they are."""
    low = 0.0
    if ranges is not None and ranges.low is not None and ranges.high is not None:
        low, high = float(ranges.low.min()), float(ranges.high.max())
    raise DataError(
        f"{source.path}: must lie in [0, 1] to be left as it is (scaling none); got values from {low:g} to "
        f"{high:g}; use scaling auto, minmax or robust"
    )


def _top(collector: _Collector, passes: _Passes) -> tuple[Eigenpair, SpectrumMethod]:
    """The largest eigenvalue of the mean of x xᵀ, in the collector's units."""
    moments = collector.moments
    start = moments.column_means()
    if collector.gram is not None:
        pair = collector.gram.top(start)
        return replace(pair, value=pair.value / moments.rows), "gram"

    def product(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.zeros_like(vector)
        for features, _ in passes.run("eigenvalue"):
            for part in blocks(features):
                rows = collector.convert(part)
                total += (rows @ vector) @ rows
        return total / moments.rows

    return streamed_top(product, start), "lanczos"


def _standard_errors(
    collector: _Collector, passes: _Passes, pair: Eigenpair | None, factor: float
) -> StandardErrors:
    moments = collector.moments
    rows, columns = moments.rows, moments.columns
    if rows == 1:
        return StandardErrors()
    variance = moments.projected_variance()
    if collector.gram is not None and moments.chunks > 1:
        means = moments.column_means()
        along = float(means @ collector.gram.product(means)) / rows
        variance = max(0.0, (along - float(means @ means) ** 2) * rows / (rows - 1))
    top = Spread()
    if pair is not None:
        for features, _ in passes.run("standard error"):
            for part in blocks(features):
                top.update((collector.convert(part) @ pair.vector) ** 2)
    return StandardErrors(
        mean=_scaled(moments.row_means.standard_error(rows), factor),
        mean_square=2.0 / columns * factor**2 * math.sqrt(variance / rows),
        second_moment=_scaled(moments.row_squares.standard_error(), factor**2),
        top_eigenvalue=_scaled(top.standard_error(), factor**2),
    )


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


# The rows of a data file in memory, scaled as its statistics say.

FloatArray = NDArray[np.float64]

LARGEST_BYTES = 1 << 32
"""Most memory of the scaled features."""


def load_rows(source: DataSource, statistics: DataStatistics) -> tuple[FloatArray, FloatArray | None]:
    """(features, encoded targets or None), the very rows that the statistics were measured on.

    Args:
        source: the file, opened anew.
        statistics: of the same file; rows of another are read by `read_rows(...).like`.

    Raises:
        DataError: the rows do not fit `LARGEST_BYTES` or are others, or the file is malformed.
    """
    return load_encoded(source, statistics)[:2]


def load_encoded(
    source: DataSource, statistics: DataStatistics
) -> tuple[FloatArray, FloatArray | None, TargetEncoding | None]:
    """The same, and how the targets were encoded."""
    rows, columns = statistics.samples, statistics.input_dim
    if rows * columns * 8 > LARGEST_BYTES:
        raise DataError(
            f"{source.path}: training needs all rows in memory, at most {LARGEST_BYTES >> 30} GiB; got "
            f"{rows * columns * 8 / 2**30:.1f} GiB, {rows} rows of {columns} features; use fewer"
        )
    features = np.empty((rows, columns))
    targets: list[Array] = []
    first = 0
    for block, labels in source.chunks():
        if block.shape[1] != columns or first + len(block) > rows:
            break
        features[first : first + len(block)] = block
        first += len(block)
        if labels is not None:
            targets.append(labels.copy())
    else:
        if first == rows:
            fitted(features, statistics.scaling).apply(features, features)
            return features, *(encoded(source, np.concatenate(targets)) if targets else (None, None))
    raise DataError(
        f"{source.path}: must hold the rows that were measured, {rows:,} of {columns:,} features; got "
        "others; measure it anew, or read rows of another file with read_rows(...).like(path)"
    )


def encoded(source: DataSource, targets: Array) -> tuple[FloatArray, TargetEncoding]:
    """Targets of all rows of a file as vectors, and how."""
    name = f"{source.path}: targets"
    return encode_targets(
        targets,
        name=name,
        kind=source.target_kind,
        one_output=source.one_output,
        units=source.target_units,
    )
