"""What every reader hands out: a data file as a stream of row blocks that can be read again.

Memory stays bounded by the block size, whatever the size of the file.
"""

from __future__ import annotations

import csv
import lzma
import math
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsgadvise.data.gaps import Filling, filling
from rsgadvise.errors import DataError, MissingExtraError
from rsgadvise.records import dataclass

if TYPE_CHECKING:
    from rsgadvise.data.reading import Reading

TargetKind = Literal["auto", "classes", "values", "logarithms"]
Array = NDArray[Any]
Chunk = tuple[Array, Array | None]

# Large enough to hide the cost of a system call, small enough to stay in a last-level cache.
DEFAULT_CHUNK_BYTES = 1 << 21
_SHOWN, _LONGEST = 8, 40  # columns in a sentence, and letters of each

# What the standard library, numpy and the optional readers raise on bytes that make no sense.
_LOW_LEVEL_ERRORS = (
    OSError,  # also a truncated or corrupt gzip stream
    EOFError,
    ValueError,  # also bad UTF-8 and pyarrow's invalid files
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,  # also RecursionError, NotImplementedError and encrypted zip members
    MemoryError,
    csv.Error,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def malformed(path: Path | str, message: str) -> DataError:
    """A DataError of one line that starts with the file."""
    return DataError(" ".join(f"{path}: {message}".split()))


def printable(name: str) -> str:
    """A name as a sentence has it."""
    name = name[:_LONGEST]
    return name if name.isprintable() else ascii(name)


def first_of(names: Sequence[str], most: int) -> str:
    """The first so many names, and how many more there are.

    Example:
        >>> first_of("abcd", 2)
        'a, b and 2 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def optional(module: str, path: Path | str, needs: str, *, extra: str) -> Any:
    """A module of a library that is not installed with this package.

    Args:
        module: its name.
        path: the file, and needs: what needs it, for the message.
        extra: with which it is installed.

    Raises:
        MissingExtraError: it is absent.
    """
    try:
        import_module(module.partition(".")[0])
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: {needs}; install it with: pip install 'rsgadvise[{extra}]'"
        ) from error


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn every low-level failure of the block into a DataError of one line."""
    try:
        yield
    except _LOW_LEVEL_ERRORS as error:
        detail = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        detail = " ".join(detail.split())[:200] or type(error).__name__
        if isinstance(error, MemoryError):
            detail = "it asks for more memory than there is"
        raise malformed(path, f"cannot be read: {detail}; check that the file is complete") from error


@dataclass(frozen=True, kw_only=True)
class RowArray:
    """One two-dimensional array that is read a few rows at a time.

    Args:
        label: file, and the array inside it, as messages show them.
        rows: number of rows, or None if only a full pass can tell.
        columns: entries of one row, trailing axes flattened in C order.
        dtype: type of the entries as stored.
        blocks: starts a new pass; takes the largest block in bytes. A block is only valid until the
            next one is asked for.
    """

    label: str
    rows: int | None
    columns: int
    dtype: np.dtype[Any]
    blocks: Callable[[int], Iterator[Array]]

    def mapped(self, dtype: np.dtype[Any], change: Callable[[Array], Array]) -> RowArray:
        """The same, with each block changed into one of that type."""

        def blocks(max_bytes: int) -> Iterator[Array]:
            stored = max_bytes * self.dtype.itemsize // dtype.itemsize
            return (change(block) for block in self.blocks(max(1, min(max_bytes, stored))))

        return replace(self, dtype=dtype, blocks=blocks)


def word_rows(label: str, words: Sequence[str]) -> RowArray:
    """Words in memory, one a row."""
    column = np.array(words, np.str_)[:, None]

    def blocks(max_bytes: int) -> Iterator[Array]:
        step = max(1, max_bytes // max(1, column.itemsize))
        return (column[start : start + step] for start in range(0, len(column), step))

    return RowArray(label=label, rows=len(column), columns=1, dtype=column.dtype, blocks=blocks)


class RowTaker:
    """Takes a given number of rows at a time from a RowArray, so that two streams stay in step."""

    def __init__(self, array: RowArray, max_bytes: int) -> None:
        self._label = array.label
        self._blocks = array.blocks(max_bytes)
        self._rest: Array | None = None

    def take(self, count: int) -> Array:
        parts: list[Array] = []
        missing = count
        while missing:
            if self._rest is None or not len(self._rest):
                self._rest = next(self._blocks, None)
                if self._rest is None:
                    raise malformed(self._label, "has fewer rows than the features; give one target per row")
            part = self._rest[:missing]
            parts.append(np.array(part))
            self._rest = self._rest[len(part) :]
            missing -= len(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def finish(self) -> None:
        """Check that no row is left over."""
        if (self._rest is not None and len(self._rest)) or next(self._blocks, None) is not None:
            raise malformed(self._label, "has more rows than the features; give one target per row")


@dataclass(kw_only=True, eq=False)
class DataSource(ABC):
    """A data file, opened and checked, whose rows are read as a stream.

    Attributes:
        path: the file.
        format: short name of its format ("npy", "idx", "csv", ...).
        rows: rows in the file, or None if only a full pass can tell.
        input_dim: d, the features of one row.
        dtype: type of the features as stored.
        has_targets: whether chunks carry targets.
        column_names: names of the feature columns, or None.
        column_numbers: places of the feature columns in the file, counted from 0, where other columns stand
            among them; else None.
        first_column: what the file calls the first feature column, where these have numbers alone.
        notes: plain sentences about choices made while opening.
        row_names: of every row, where it is a file of its own.
        target_names: names of the columns of the targets, where they have some.
        target_units: what a target of 1 is in the file, 100 for percent, where one is something else.
        word_inputs: of every feature whether it stands for a word of a column, where some do.
        rows_skipped: rows that the last full pass left out because a cell was missing.
        fillable: how many of these lack features alone.
        left_out: which these were, counted from 0.
        written: how a table of text is written, as `TableOptions` have it.
        reading: what was said of it; `open_data` sets it.
        filling: what is filled in for missing cells; None where nothing is to be, or before the first pass.
        target_file: the file of the targets where they have one of their own; `open_data` sets it.
        target_kind: what a user takes the targets for; likewise.
        one_output: whether two classes are to be one number, 0 or 1; likewise.
    """

    path: Path
    format: str
    rows: int | None
    input_dim: int
    dtype: np.dtype[Any]
    has_targets: bool
    column_names: tuple[str, ...] | None = None
    column_numbers: tuple[int, ...] | None = None
    first_column: int = 0
    notes: tuple[str, ...] = ()
    row_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    target_units: tuple[float, ...] = ()
    word_inputs: NDArray[np.bool_] | None = None
    rows_skipped: int = 0
    fillable: int = 0
    left_out: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    written: Mapping[str, Any] = field(default_factory=dict)
    reading: Reading | None = None
    filling: Filling | None = None
    target_file: Path | None = None
    target_kind: TargetKind = "auto"
    one_output: bool = False

    @abstractmethod
    def stored(self, max_bytes: int) -> Iterator[Chunk]:
        """Start a new pass over the file as it is, features that are missing being NaN."""

    def chunks(self, *, max_bytes: int = DEFAULT_CHUNK_BYTES) -> Iterator[Chunk]:
        """Start a new pass over the file, filled in where that was said.

        Args:
            max_bytes: largest block of features; a block always holds at least one row.

        Yields:
            features (rows, d) in the file's own type, and targets (rows, k) or None. The buffers are
            reused: a chunk is only valid until the next one is asked for, so copy what must last.
        """
        if self.fills and self.filling is None:
            self.filling = self._filling(max_bytes)
        for features, targets in self.stored(max_bytes):
            yield features if self.filling is None else self.filling.apply(features), targets

    @property
    def fills(self) -> bool:
        """Whether missing cells are filled in."""
        return self.reading is not None and self.reading.missing == "fill" and self.dtype.kind == "f"

    @property
    def cells_filled(self) -> int:
        """Cells that were missing, those of a word counted once."""
        return 0 if self.filling is None else int(self.filling.missing[self.first_inputs].sum())

    @property
    def first_inputs(self) -> NDArray[np.bool_]:
        """Of every feature whether it is not one more word of the same column."""
        same = np.diff(self.column_numbers or range(self.input_dim), prepend=-1) == 0
        return np.asarray(~(same & self._words_among), bool)

    @property
    def _words_among(self) -> NDArray[np.bool_]:
        none = np.zeros(self.input_dim, bool)
        return none if self.word_inputs is None else self.word_inputs

    def cell_name(self, index: int) -> str:
        """The column in which a feature is a cell, or one of the words: its name, or else its number."""
        return printable("" if self.column_names is None else self.column_names[index]) or (
            f"column {index + self.first_column}"
        )

    def _filling(self, max_bytes: int) -> Filling:
        found = filling(
            lambda: (features for features, _ in self.stored(max_bytes)), self.input_dim, self._words_among
        )
        empty = np.flatnonzero(np.isnan(found.values)).tolist()
        if empty:
            called = first_of([self.cell_name(at) for at in empty], _SHOWN)
            them = "it" if len(empty) == 1 else "them"
            fix = (
                f"leave {them} out with data.exclude (--exclude)"
                if self.column_numbers
                else f"take {them} out"
            )
            raise malformed(self.path, f"no number to fill in for {called}; {fix}")
        return found

    def spelled(self, numbers: Sequence[float]) -> Mapping[float, str]:
        """How the file writes some numbers of its one target, where chunks do not tell."""
        return {}

    def column_label(self, index: int) -> str:
        """How messages call one feature column: by the number and the name that the file gives it."""
        number = index + self.first_column if self.column_numbers is None else self.column_numbers[index]
        name = "" if self.column_names is None else f" ({self.column_names[index]!r})"
        return f"column {number}{name}"


class ArraySource(DataSource):
    """A source whose features and targets are two arrays."""

    def __init__(
        self,
        *,
        path: Path,
        format: str,  # noqa: A002
        features: RowArray,
        targets: RowArray | None,
        notes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(
            path=path,
            format=format,
            rows=features.rows,
            input_dim=features.columns,
            dtype=features.dtype,
            has_targets=targets is not None,
            notes=notes,
        )
        self._features = features
        self._targets = targets
        check_sizes(features, targets)

    def stored(self, max_bytes: int) -> Iterator[Chunk]:
        if self._targets is None:
            for block in self._features.blocks(max_bytes):
                yield block, None
            return
        taker = RowTaker(self._targets, max_bytes)
        for block in self._features.blocks(max_bytes):
            yield block, taker.take(len(block))
        taker.finish()


def check_sizes(features: RowArray, targets: RowArray | None) -> None:
    """Refuse an empty array and features and targets of different lengths."""
    for array in (features, targets):
        if array is None:
            continue
        if array.rows == 0:
            raise malformed(array.label, "has zero rows; at least one is needed")
        if array.columns == 0:
            raise malformed(array.label, "has zero columns; at least one is needed")
    if targets is not None and None not in (features.rows, targets.rows) and features.rows != targets.rows:
        raise malformed(
            targets.label,
            f"has {targets.rows} rows and the features have {features.rows}; give one target per row",
        )


def row_shape(label: str, shape: tuple[int, ...], *, targets: bool) -> tuple[int, int]:
    """(rows, columns) of an N-D array; only targets may be one-dimensional."""
    if len(shape) == 1 and targets:
        return shape[0], 1
    if len(shape) < 2:
        kind = "scalar" if not shape else "one-dimensional array"
        raise malformed(
            label, f"is a {kind} of shape {shape}; features need rows and columns, so store it as (rows, d)"
        )
    return shape[0], math.prod(shape[1:])


def numeric_dtype(label: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype itself if it holds plain real numbers or booleans."""
    if dtype.kind not in "biuf":
        fix = "; write it as CSV: numpy.savetxt('table.csv', x, fmt='%s', delimiter=',')"
        fix = fix if dtype.kind in "SUO" else ", so convert it"
        raise malformed(label, f"holds {dtype.name} entries; only real numbers and booleans are read{fix}")
    return dtype
