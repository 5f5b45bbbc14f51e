"""Targets as the losses need them: one-hot for labels, [0, 1] for real values."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsgadvise.data.scaling import CLIPPED, LOGARITHMS, NARROW, TAIL, Targets
from rsgadvise.data.stream import Array, TargetKind
from rsgadvise.errors import DataError
from rsgadvise.records import dataclass

MAX_CLASSES = 100_000

_MAX_ENCODED_BYTES = 1 << 32
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


@dataclass(frozen=True)
class TargetEncoding:
    """How the targets of one file become vectors in [0, 1].

    Args:
        kind: "one-hot" for labels, "0 and 1" for two of them as one number, "0 and 1 per column" for columns
            that each say yes or no; "none", "divide by 255", "min-max per column", `LOGARITHMS` or `CLIPPED`
            for real targets.
        dim: length of one encoded target.
        classes: the labels in the order of their one-hot positions, or None.
        low, span: offset and width of each column for "min-max per column", or of its logarithms.
        shift: what is added to each column before its logarithm is taken, NaN where none is; None for all.
        notes: what a user should know of how they were taken.
        unit: what a value of 1 is in the file, 100 where that is in percent; None where they are the same.
    """

    kind: Targets
    dim: int
    classes: Array | None = None
    low: NDArray[np.float64] | None = None
    span: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()
    shift: NDArray[np.float64] | None = None
    unit: NDArray[np.float64] | None = None

    @property
    def decodes(self) -> Callable[[Array], Array] | None:
        """`decode` of real targets, which has a unit; None of classes, and of columns that say yes or no."""
        return None if self.classes is not None or self.kind == "0 and 1 per column" else self.decode

    def encode(self, values: Array) -> NDArray[np.float64]:
        """Encode (rows,) or (rows, k) targets into (rows, dim)."""
        rows = _as_rows(values)
        if self.classes is not None:
            text = self.classes.dtype.kind == "U"
            labels = _labels(rows[:, 0], text=text)
            places = np.searchsorted(self.classes, labels)
            places = np.minimum(places, len(self.classes) - 1)
            unknown = np.flatnonzero(self.classes[places] != labels)
            if len(unknown):
                other = labels[unknown[0]]
                raise DataError(
                    f"targets: label {other if text else f'{other:g}'} is not one of the "
                    f"{len(self.classes)} classes seen"
                )
            if len(rows) * self.dim * 8 > _MAX_ENCODED_BYTES:
                raise DataError(
                    f"targets: {len(rows)} rows of {self.dim} classes do not fit {_MAX_ENCODED_BYTES} bytes"
                    " as one-hot; encode fewer rows at a time"
                )
            if self.kind == "0 and 1":
                return places[:, None].astype(np.float64)
            encoded = np.zeros((len(rows), self.dim))
            encoded[np.arange(len(rows)), places] = 1.0
            return encoded
        numbers = _as_numbers(rows)
        if self.kind == "divide by 255":
            return numbers / 255.0
        return np.clip(self._scaled(numbers), 0.0, 1.0) if self.low is not None else numbers

    def _scaled(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Numbers in ranges that were seen as [0, 1], and beyond."""
        assert self.low is not None
        assert self.span is not None
        if self.shift is not None:
            # Later rows may hold what has no logarithm: they are taken for the smallest that was seen.
            logged = ~np.isnan(self.shift)
            moved = numbers[:, logged] + self.shift[logged]
            numbers = numbers.copy()
            numbers[:, logged] = np.log(np.where(moved > 0, moved, np.exp(self.low[logged])))
        return (numbers - self.low) / np.where(self.span > 0, self.span, 1.0)

    def decode(self, outputs: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """What (rows, dim) outputs stand for: places in `classes`, or values in the units of the file.

        Of a single value the outputs may be (rows,), as scikit-learn has them.
        """
        if self.kind == "0 and 1":
            return (outputs[:, 0] > 0.5).astype(np.intp)
        if self.kind == "0 and 1 per column":
            return ((outputs > 0.5) * (1 if self.unit is None else self.unit)).astype(np.intp)
        if self.classes is not None:
            return np.asarray(outputs.argmax(axis=1))
        found = outputs.astype(np.float64)
        if self.kind == "divide by 255":
            found *= 255.0
        elif self.low is not None and self.span is not None:
            found = self.low + self.span * found
        if self.shift is not None:
            with np.errstate(over="ignore"):
                found = np.where(np.isnan(self.shift), found, np.exp(found) - self.shift)
        return found if self.unit is None else found * self.unit

    def later(self, values: Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """(encoded targets, which rows have them) of rows that come later.

        Those that are missing are left out, and labels of no class that was seen. Values may lie beyond
        [0, 1], but for outliers that were clipped.
        """
        rows = _as_rows(values)
        known: NDArray[np.bool_]
        if self.classes is not None:
            labels = rows[:, 0]
            if labels.dtype.kind == "U" != self.classes.dtype.kind:
                labels = np.array([float(cell) if _NUMBER.fullmatch(cell) else np.nan for cell in labels])
            known = np.isin(labels, self.classes)
            return self.encode(rows[known]) if known.any() else np.empty((0, self.dim)), known
        numbers = _as_numbers(rows)
        known = np.asarray(np.isfinite(numbers).all(axis=1), bool)
        ends = self.low is None or self.kind == CLIPPED
        return (self.encode(rows[known]) if ends else self._scaled(numbers[known])), known


def _as_rows(values: Array) -> Array:
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _labels(column: Array, *, text: bool) -> Array:
    """Labels in the type in which the classes are kept."""
    return column.astype(str) if text else column.astype(np.float64)  # also of whole numbers, as text


def _as_numbers(rows: Array) -> NDArray[np.float64]:
    try:
        return rows.astype(np.float64)
    except ValueError as error:
        raise DataError(f"targets: {error}; give one column of classes, or numbers only") from error


# Beyond this not every whole number is a float, so whole numbers are no labels.
_LARGEST_LABEL = 2.0**53
_FEW = 20  # different whole numbers that may be labels whatever they are
_MANY = 10  # that may be measurements all the same
_RARE = 8  # times as rare as the mean is what is at the ends of a range
_PAIRS = ({0, 1}, {-1, 1}, {1, 2})

_FENCE = 3  # interquartile ranges beyond the quartiles; what lies further out is far out, as Tukey has it
_CLIPPED_ROWS = 100  # up to so many one is more than 1 %
_MOST_KEPT = 1 << 24  # values that are looked at for outliers


class TargetSummary:
    """Looks at the targets chunk by chunk and decides how they are to be encoded.

    One column of text is labels. So are whole numbers, however they are stored, if they count the classes (0
    to k - 1, or 1 to k) and one comes twice or they are at most 10, if they are two such as -1 and 1, or if
    at most 20 differ, each twice in the mean; but more than 20 only if none is rare among them, as the ends
    of what was measured are. Several columns of nothing but 0 and 1 are a yes or no each, unless every row
    has a single 1. Anything else is a real target, and one with a long tail, such as incomes or
    claims, if none is negative and the mean lies in the lowest tenth of the range: of such columns logarithms
    are scaled, since as they are nearly all of them would be about 0. Where none has one and the middle 98 %
    of a column lies in less than a tenth of its range, what lies more than three interquartile ranges from
    the quartiles counts as the end of what does not.

    Args:
        name: how messages call the targets.
        kind: what a user takes them for.
        one_output: whether two classes become one number, 0 or 1.
        units: what a 1 of each column is in the file; nothing where they are the same.
    """

    def __init__(
        self,
        name: str = "targets",
        kind: TargetKind = "auto",
        *,
        one_output: bool = False,
        units: Sequence[float] = (),
    ) -> None:
        self._name = name
        self._kind = kind
        self._one_output = one_output
        self._unit = np.array(units) if units else None
        self._rows = 0
        self._columns = 0
        self._eight_bit = False
        self._numeric = True  # every entry is a number, whether stored as one or as text
        self._whole = True  # a single column of whole numbers
        self._binary = True  # nothing but 0 and 1
        self._single_one = True  # in every row one 1 alone, if it is binary
        self._words: set[str] = set()  # of a single column stored as text or as long whole numbers
        self._long = False  # it holds whole numbers of which not every one is a float
        self._numbers = Counter[float]()  # of a single column, while they may be labels
        self._low: NDArray[np.float64] | None = None
        self._high: NDArray[np.float64] | None = None
        self._sums: NDArray[np.float64] = np.zeros(())  # of each column: of its values,
        self._logs: NDArray[np.float64] = np.zeros(())  # of logarithms of those above 0,
        self._above: NDArray[np.float64] = np.zeros(())  # and how many these are
        self._kept: list[NDArray[np.float64]] | None = []  # all values; None of too many

    def update(self, values: Array) -> None:
        rows = _as_rows(values)
        if not rows.size:
            return
        self._columns = rows.shape[1]
        self._eight_bit = rows.dtype == np.uint8
        single = self._columns == 1
        text = rows.dtype.kind == "U"
        if single and (text or rows.dtype.kind in "iu") and len(self._words) <= MAX_CLASSES:
            self._words.update(map(str, np.unique(rows[:, 0]).tolist()))
        if self._numeric:
            try:
                numbers = rows.astype(np.float64)
            except ValueError:
                self._numeric = False
                if not single:
                    _as_numbers(rows)
            else:
                if text and not all(_NUMBER.fullmatch(cell) for cell in np.unique(rows).tolist()):
                    self._numeric = False  # Python reads nan, inf and 1_000
                if self._numeric or not single:
                    self._add_range(numbers)
                if single:
                    self._add_numbers(numbers[:, 0])
        self._rows += len(rows)

    def _add_numbers(self, numbers: NDArray[np.float64]) -> None:
        small = np.abs(numbers) < _LARGEST_LABEL
        self._long |= not small.all()
        whole = (numbers == np.floor(numbers)) & small
        self._whole = self._whole and bool(whole.all())
        if (self._whole or self._kind == "classes") and len(self._numbers) <= MAX_CLASSES:
            found, times = np.unique(numbers, return_counts=True)
            self._numbers.update(dict(zip(found.tolist(), times.tolist(), strict=True)))

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
        self._binary = self._binary and bool(((numbers == 0) | (numbers == 1)).all())
        self._single_one = self._single_one and bool((numbers.sum(axis=1) == 1).all())
        low, high = numbers.min(axis=0), numbers.max(axis=0)
        self._low = low if self._low is None else np.minimum(self._low, low)
        self._high = high if self._high is None else np.maximum(self._high, high)
        if self._kept is not None:
            self._kept.append(numbers)
            self._kept = self._kept if (self._rows + len(numbers)) * self._columns <= _MOST_KEPT else None
        above = numbers > 0
        with np.errstate(over="ignore"):
            self._sums = self._sums + numbers.sum(axis=0)
        self._logs = self._logs + np.log(numbers, where=above, out=np.zeros(numbers.shape)).sum(axis=0)
        self._above = self._above + above.sum(axis=0)

    def finish(self) -> TargetEncoding:
        if not self._rows:
            raise DataError(f"{self._name}: has zero rows; at least one is needed")
        if not self._numeric:
            if self._kind in ("values", "logarithms"):
                raise DataError(
                    f"{self._name}: hold text, which are no values; leave out data.target_kind: {self._kind} "
                    f"(--target-kind {self._kind}), or name a column of numbers"
                )
            return self._one_hot(text=True)
        assert self._low is not None
        assert self._high is not None
        long = self._long and len(self._words) > 0
        few = self._kind == "auto" and len(self._words) <= min(_FEW, self._rows // 2)
        if (long and few) or (self._kind == "classes" and self._columns == 1):
            return self._one_hot(text=long)
        notes: tuple[str, ...] = ()
        if self._kind == "classes":
            notes = (
                "Several columns of targets are an output each; data.target_kind: classes (--target-kind "
                "classes) is about a single one.",
            )
        if self._kind == "auto" and self._columns == 1 and self._whole:
            found, sure = self._are_labels()
            if found:
                return self._one_hot(text=False, note=not sure)
            # Many, most of which come once, nobody takes for labels.
            few = len(self._numbers) <= max(_FEW, self._rows // 2)
            if few and (self._high[0] > 1.0 or self._low[0] < 0.0):
                notes = (
                    f"The targets, {len(self._numbers):,} different whole numbers, were taken for values; "
                    "data.target_kind: classes (--target-kind classes) takes them for labels.",
                )
        return replace(self._real(self._low, self._high, notes), unit=self._unit)

    def _real(
        self, low: NDArray[np.float64], high: NDArray[np.float64], notes: tuple[str, ...]
    ) -> TargetEncoding:
        """Values: in [0, 1] as they are, others scaled from the smallest to the largest."""
        if self._kind != "logarithms" and low.min() >= 0.0 and high.max() <= 1.0:
            several = self._columns > 1 and self._binary and not self._single_one and self._kind != "values"
            return TargetEncoding("0 and 1 per column" if several else "none", self._columns, notes=notes)
        shift = self._shift(low, high)
        if shift is not None:
            return self._logged(low, high, shift, notes)
        if self._eight_bit:
            return TargetEncoding("divide by 255", self._columns)
        bottom, top = self._fence(low, high)
        with np.errstate(over="ignore"):
            span = top - bottom
        if not np.isfinite(span).all():
            raise DataError(f"{self._name}: the range of a column is too wide for a number; scale it first")
        if self._kept and ((bottom > low) | (top < high)).any():
            outside = sum(int(((each < bottom) | (each > top)).any(axis=1).sum()) for each in self._kept)
            ends = f", {self._told(bottom, 6)} to {self._told(top, 6)}," if self._columns == 1 else ""
            notes += (
                f"The targets of {outside:,} of {self._rows:,} rows lie far outside of where the others "
                f"do{ends} and count as its nearest end, in training and in what is told of errors; "
                "data.target_kind: values (--target-kind values) takes them as they are.",
            )
            return TargetEncoding(CLIPPED, self._columns, None, bottom, span, notes)
        if self._columns == 1 and span[0] > 0:
            notes += (
                f"The target was scaled: 0 stands for {self._told(low, 9)}, 1 for {self._told(high, 9)}.",
            )
        elif self._columns > 1:
            notes += ("Each target was scaled from its smallest value, 0, to its largest, 1.",)
        return TargetEncoding("min-max per column", self._columns, low=low, span=span, notes=notes)

    def _told(self, ends: NDArray[np.float64], digits: int) -> str:
        """The least of what columns begin or end with, in the units of the file."""
        return f"{(ends if self._unit is None else ends * self._unit).min():.{digits}g}"

    def _logged(
        self,
        low: NDArray[np.float64],
        high: NDArray[np.float64],
        shift: NDArray[np.float64],
        notes: tuple[str, ...],
    ) -> TargetEncoding:
        """Values of which logarithms are scaled, in the columns that are shifted for it."""
        logged = ~np.isnan(shift)
        moved = np.where(logged, shift, 0.0)
        with np.errstate(over="ignore"):
            low, high = low + moved, high + moved
            wide = ~np.isfinite(high - low).all()
        if wide:
            raise DataError(f"{self._name}: the range of a column is too wide for a number; scale it first")
        if self._kind == "auto":
            what, they = ("target has", "its") if self._columns == 1 else ("targets have", "their")
            some = "" if logged.all() else f", in {logged.sum()} of {self._columns} columns,"
            notes += (
                f"The {what}{some} a long tail: {they} logarithms are trained on; data.target_kind: values "
                "(--target-kind values) says otherwise.",
            )
        low, high = (np.where(logged, np.log(np.where(logged, each, 1.0)), each) for each in (low, high))
        return TargetEncoding(LOGARITHMS, self._columns, None, low, high - low, notes, shift)

    def _shift(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """What to add to each column before its logarithm is taken, NaN where none is; None for all columns.

        Nothing to positive numbers; where some are 0, the geometric mean of the others.
        """
        logged = np.ones(self._columns, bool)
        if self._kind == "logarithms":
            if low.min() < 0:
                raise DataError(
                    f"{self._name}: must not be below 0 to have logarithms; got {self._told(low, 6)}; say "
                    "data.target_kind: values (--target-kind values)"
                )
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                logged = (low >= 0) & (self._sums / self._rows - low < TAIL * (high - low))
            if self._kind != "auto" or not logged.any():
                return None
        return np.where(
            logged, np.where(low > 0, 0.0, np.exp(self._logs / np.maximum(self._above, 1))), np.nan
        )

    def _fence(
        self, low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The ends of each column; without outliers, where these leave the others little of its range."""
        if self._kind != "auto" or not self._kept or self._rows <= _CLIPPED_ROWS:
            return low, high
        values = np.concatenate(self._kept)
        with np.errstate(over="ignore", invalid="ignore"):
            first, lower, upper, last = np.percentile(values, (1, 25, 75, 99), axis=0)
            far = _FENCE * (upper - lower)
            crushed = (far > 0) & (last - first < NARROW * (high - low))
            bottom, top = np.maximum(low, lower - far), np.minimum(high, upper + far)
        return np.where(crushed, bottom, low), np.where(crushed, top, high)

    def _are_labels(self) -> tuple[bool, bool]:
        """(whether whole numbers are labels, whether that is sure)."""
        found, rows = self._numbers, self._rows
        count = len(found)
        if count > MAX_CLASSES:
            return False, True
        counting = min(found) in (0, 1) and max(found) - min(found) == count - 1
        even = min(found.values()) * count * _RARE >= rows
        if count > _FEW and not even:
            return False, True
        if found.keys() in _PAIRS or (count == 2 < rows) or (counting and (count < rows or count <= _MANY)):
            # Numbers of which some are rare may be counts of something, as of claims.
            return True, (even and count <= _FEW and 2 * count <= rows) or count <= 3
        labels = count <= _FEW and 2 * count <= rows
        return labels, count <= _MANY

    def _one_hot(self, *, text: bool, note: bool = False) -> TargetEncoding:
        found: Collection[Any] = self._words if text else self._numbers
        if len(found) > MAX_CLASSES:
            raise DataError(
                f"{self._name}: more than {MAX_CLASSES} different labels; if these are measurements, store"
                " them as real numbers"
            )
        notes = (
            f"The targets, {len(found)} different whole numbers, were taken for classes; data.target_kind: "
            "values (--target-kind values) takes them for measurements.",
        )
        if text and (alike := _but_for_case(found)):
            notes = (f"Labels that differ in capital letters only are classes of their own: {alike}.",)
            note = True
        if text and 2 * len(found) > self._rows >= _MANY:
            notes = (f"The targets are {len(found)} classes in {self._rows} rows, most of them of one row.",)
            note = True
        classes = np.array(sorted(found))
        if not text and self._whole:
            classes = classes.astype(np.int64)
        if self._one_output and len(found) == 2:
            zero, one = (repr(each) if text else f"{each:g}" for each in classes.tolist())
            return TargetEncoding(
                "0 and 1", 1, classes=classes, notes=(f"The output is 0 for the class {zero}, 1 for {one}.",)
            )
        return TargetEncoding("one-hot", len(found), classes=classes, notes=notes if note else ())


def _but_for_case(words: Collection[str]) -> str:
    """The first labels that differ in nothing else; "" if there are none."""
    known: dict[str, str] = {}
    for word in sorted(words):
        other = known.setdefault(word.casefold(), word)
        if other != word:
            return f"{other!r} and {word!r}"
    return ""


def encode_targets(
    values: Array,
    *,
    name: str = "targets",
    kind: TargetKind = "auto",
    one_output: bool = False,
    units: Sequence[float] = (),
) -> tuple[NDArray[np.float64], TargetEncoding]:
    """Targets of one file, all in memory, as vectors in [0, 1].

    Labels become one-hot by their rank among the distinct labels, so 1..101 need not be shifted. Real
    targets already in [0, 1] stay exactly as they are; other columns are scaled by their own range.

    Args:
        values: (rows,) or (rows, k): integers, floats or text.
        name: how messages call them.
        kind: what they are taken for.
        one_output: whether two classes become one number, 0 or 1.
        units: see `TargetSummary`.

    Returns:
        The encoded (rows, dim) array, and the encoding.

    Raises:
        DataError: there are more than 100,000 classes, or a value is not finite.

    Example:
        >>> import numpy as np
        >>> encode_targets(np.array([3, 1, 3]))[0].tolist()
        [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    """
    summary = TargetSummary(name, kind, one_output=one_output, units=units)
    summary.update(values)
    encoding = summary.finish()
    return encoding.encode(values), encoding
