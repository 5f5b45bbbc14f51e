"""Targets as the losses need them: one-hot for labels, [0, 1] for real values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsgadvise.data.stream import Array
from rsgadvise.errors import DataError

MAX_CLASSES = 100_000

_MAX_ENCODED_BYTES = 1 << 32
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")

Kind = Literal["one-hot", "none", "divide by 255", "min-max per column"]


@dataclass(frozen=True)
class TargetEncoding:
    """How the targets of one file become vectors in [0, 1].

    Args:
        kind: "one-hot" for labels; "none", "divide by 255" or "min-max per column" for real targets.
        dim: length of one encoded target.
        classes: the labels in the order of their one-hot positions, or None.
        low, span: offset and width of each column for "min-max per column".
    """

    kind: Kind
    dim: int
    classes: Array | None = None
    low: NDArray[np.float64] | None = None
    span: NDArray[np.float64] | None = None

    def encode(self, values: Array) -> NDArray[np.float64]:
        """Encode (rows,) or (rows, k) targets into (rows, dim)."""
        rows = _as_rows(values)
        if self.classes is not None:
            labels = _labels(rows[:, 0], text=self.classes.dtype.kind == "U")
            places = np.searchsorted(self.classes, labels)
            places = np.minimum(places, len(self.classes) - 1)
            unknown = np.flatnonzero(self.classes[places] != labels)
            if len(unknown):
                raise DataError(
                    f"targets: label {labels[unknown[0]]} is not one of the {self.dim} classes seen"
                )
            if len(rows) * self.dim * 8 > _MAX_ENCODED_BYTES:
                raise DataError(
                    f"targets: {len(rows)} rows of {self.dim} classes do not fit {_MAX_ENCODED_BYTES} bytes"
                    " as one-hot; encode fewer rows at a time"
                )
            encoded = np.zeros((len(rows), self.dim))
            encoded[np.arange(len(rows)), places] = 1.0
            return encoded
        numbers = _as_numbers(rows)
        if self.kind == "divide by 255":
            return numbers / 255.0
        if self.low is None or self.span is None:
            return numbers
        width = np.where(self.span > 0, self.span, 1.0)
        scaled: NDArray[np.float64] = np.clip((numbers - self.low) / width, 0.0, 1.0)
        return scaled


def _as_rows(values: Array) -> Array:
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _labels(column: Array, *, text: bool) -> Array:
    """Labels in the type in which the classes are kept."""
    if text:
        return column.astype(str)
    if column.dtype.kind == "U":
        return np.array([int(cell) for cell in column], dtype=np.int64)
    return column.astype(np.int64)


def _as_numbers(rows: Array) -> NDArray[np.float64]:
    try:
        return rows.astype(np.float64)
    except ValueError as error:
        raise DataError(f"targets: {error}; give one column of classes, or numbers only") from error


# Beyond this not every whole number is a float, so whole numbers are no labels.
_LARGEST_LABEL = 2.0**53
_MOST_BELOW_0 = 20  # different whole numbers, some below 0, that are still labels and no measurements


class TargetSummary:
    """Looks at the targets chunk by chunk and decides how they are to be encoded.

    One column is taken as labels if it holds text, integers, or floats that are whole and go beyond 1; with
    numbers below 0 only if few of them differ, such as -1 and 1. Anything else is a real target. Only the
    distinct labels are kept.
    """

    def __init__(self, name: str = "targets") -> None:
        self._name = name
        self._rows = 0
        self._columns = 0
        self._eight_bit = False
        self._numeric = True  # every entry is a number, whether stored as one or as text
        self._integral = True  # a single column of integers, text that reads as such, or whole floats
        self._floats = False  # stored in a floating type
        self._classes: set[Any] = set()
        self._low: NDArray[np.float64] | None = None
        self._high: NDArray[np.float64] | None = None

    def update(self, values: Array) -> None:
        """Take in the next (rows,) or (rows, k) targets."""
        rows = _as_rows(values)
        if not rows.size:
            return
        self._columns = rows.shape[1]
        self._eight_bit = rows.dtype == np.uint8
        self._floats = rows.dtype.kind == "f"
        single = self._columns == 1
        if rows.dtype.kind == "U":
            if single:
                cells = np.unique(rows[:, 0]).tolist()
                self._integral = self._integral and all(_INTEGER.fullmatch(cell) for cell in cells)
                self._add_classes(cells)
            try:
                self._add_range(rows.astype(np.float64))
            except ValueError:
                self._numeric = self._integral = False
                if not single:
                    _as_numbers(rows)
        else:
            numbers = rows.astype(np.float64)
            self._add_range(numbers)
            whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < _LARGEST_LABEL)
            self._integral = self._integral and single and bool(whole.all())
            if self._integral:
                self._add_classes(np.unique(rows[:, 0]).astype(np.int64).tolist())
        self._rows += len(rows)

    def _add_classes(self, found: list[Any]) -> None:
        if len(self._classes) <= MAX_CLASSES:
            self._classes.update(found)

    def _add_range(self, numbers: NDArray[np.float64]) -> None:
        bad = np.argwhere(~np.isfinite(numbers))
        if len(bad):
            row, column = (int(place) for place in bad[0])
            # A single column of targets has a number of its own in the table that it was chosen from.
            place = f"row {self._rows + row}" + (f", column {column}," if self._columns > 1 else "")
            raise DataError(
                f"{self._name}: {place} is {numbers[row, column]}; every target must be finite, so remove the"
                " row or fill in a number (rows and columns count from 0)"
            )
        low, high = numbers.min(axis=0), numbers.max(axis=0)
        self._low = low if self._low is None else np.minimum(self._low, low)
        self._high = high if self._high is None else np.maximum(self._high, high)

    def finish(self) -> TargetEncoding:
        """The encoding of everything seen."""
        if not self._rows:
            raise DataError(f"{self._name}: has zero rows; at least one is needed")
        if not self._numeric:
            return self._one_hot(text=True)
        assert self._low is not None
        assert self._high is not None
        beyond = bool(self._high.max() > 1.0)
        labels = self._integral and (self._low.min() >= 0 or len(self._classes) <= _MOST_BELOW_0)
        if self._columns == 1 and labels and (beyond or not self._floats):
            return self._one_hot(text=False)
        if self._low.min() >= 0.0 and not beyond:
            return TargetEncoding("none", self._columns)
        if self._eight_bit:
            return TargetEncoding("divide by 255", self._columns)
        with np.errstate(over="ignore"):
            span = self._high - self._low
        if not np.isfinite(span).all():
            raise DataError(f"{self._name}: the range of a column is too wide for a number; scale it first")
        return TargetEncoding("min-max per column", self._columns, low=self._low, span=span)

    def _one_hot(self, *, text: bool) -> TargetEncoding:
        if len(self._classes) > MAX_CLASSES:
            raise DataError(
                f"{self._name}: more than {MAX_CLASSES} different labels; if these are measurements, store"
                " them as real numbers"
            )
        labels = sorted(self._classes) if text else sorted({int(item) for item in self._classes})
        return TargetEncoding("one-hot", len(labels), classes=np.array(labels))


def encode_targets(values: Array, *, name: str = "targets") -> tuple[NDArray[np.float64], TargetEncoding]:
    """Targets of one file, all in memory, as vectors in [0, 1].

    Labels become one-hot by their rank among the distinct labels, so 1..101 need not be shifted. Real
    targets already in [0, 1] stay exactly as they are; other columns are scaled by their own range.

    Args:
        values: (rows,) or (rows, k): integers, floats or text.
        name: how messages call them.

    Returns:
        The encoded (rows, dim) array, and the encoding.

    Raises:
        DataError: there are more than 100,000 classes, or a value is not finite.

    Example:
        >>> import numpy as np
        >>> encode_targets(np.array([3, 1, 3]))[0].tolist()
        [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    """
    summary = TargetSummary(name)
    summary.update(values)
    encoding = summary.finish()
    return encoding.encode(values), encoding
