"""Text of SVMlight and LIBSVM: a row is a label and the features that are not zero, `1 3:0.5 7:2 # comment`.

Source: the input files that SVMlight and LIBSVM document, with `qid:` for ranking.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsgadvise.data.formats import Format
from rsgadvise.data.formats.binary import check_expansion
from rsgadvise.data.formats.sparse import MOST_ZEROS
from rsgadvise.data.packing import Packing, opened, unpacked_name
from rsgadvise.data.reading import Asked
from rsgadvise.data.spool import Spool
from rsgadvise.data.stream import (
    Array,
    ArraySource,
    DataSource,
    RowArray,
    malformed,
    reading,
)
from rsgadvise.errors import DataError
from rsgadvise.records import dataclass

_SUFFIXES = (".svm", ".svmlight", ".libsvm")
_TABLES = frozenset({".csv", ".tsv", ".tab"})
_LONGEST_LINE = 1 << 24
_BATCH = 1 << 20  # bytes of lines that are parsed together

# Possessive throughout: what does not match is found in one go, however it was made.
_NUMBER = rb"[+-]?+(?>\d++(?:\.\d*+)?+|\.\d++)(?:[eE][+-]?+\d++)?+"
_PAIR = rb"\d{1,15}+:" + _NUMBER  # more digits are no exact floats
_LINE = re.compile(_NUMBER + rb"(?:[ \t]++" + _PAIR + rb")*+")
_LABELS = re.compile(_NUMBER + rb"(?:," + _NUMBER + rb")++")
_QUERY = re.compile(rb"(?<=[ \t])qid:\d++(?![^ \t])")
_CLOCK = re.compile(rb"\d\d?:\d\d")


def _row(line: bytes) -> bytes:
    return line.partition(b"#")[0].strip()


def looks_like_svmlight(start: bytes) -> bool:
    """Whether each of the first lines is a label and pairs in order, some of which are no times of day."""
    text = start.removeprefix(codecs.BOM_UTF8)
    if len(start) == 4096:
        text = text[: max(text.rfind(blank) for blank in (b" ", b"\t", b"\n")) + 1]
    pairs: list[bytes] = []
    for line in filter(None, map(_row, text.split(b"\n"))):
        label, *entries = _QUERY.sub(b"", line).split()
        label = re.sub(rb",.*", b"", label) if _LABELS.fullmatch(label) else label  # refused by its line
        if not _LINE.fullmatch(b" ".join((label, *entries))):
            return False
        places = [int(pair.partition(b":")[0]) for pair in entries]
        if any(after <= before for before, after in pairwise(places)):
            return False
        pairs += entries
    return not all(_CLOCK.fullmatch(pair) for pair in pairs)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some rows: their labels, and row, index as written and value of each entry."""

    labels: NDArray[np.float64]
    down: NDArray[np.int64]
    across: NDArray[np.int64]
    values: NDArray[np.float64]


class _Kept:
    """What was parsed, as it is: with its zeros it may be far larger than the file."""

    def __init__(self) -> None:
        self._rows, self._entries = Spool(2), Spool(2)  # label and entries of a row; index and value of each

    @property
    def complete(self) -> bool:
        return self._rows.complete and self._entries.complete

    def add(self, rows: _Rows) -> None:
        """Keep the next rows, if there is room for them."""
        counts = np.bincount(rows.down, minlength=len(rows.labels))
        self._rows.add(np.column_stack((rows.labels, counts)))
        self._entries.add(np.column_stack((rows.across, rows.values)))

    def labels(self, step: int) -> Iterator[Array]:
        return (self._rows.read(first, step)[:, 0] for first in range(0, self._rows.rows, step))

    def blocks(self, step: int) -> Iterator[_Rows]:
        done = 0
        for first in range(0, self._rows.rows, step):
            labels, counts = self._rows.read(first, step).T
            counts = counts.astype(np.int64)
            across, values = self._entries.read(done, int(counts.sum())).T
            done += len(values)
            yield _Rows(labels, np.repeat(np.arange(len(labels)), counts), across.astype(np.int64), values)


@dataclass(frozen=True, slots=True)
class _Layout:
    """A file after its first pass.

    Attributes:
        rows: that it has.
        first: the smallest index that may be written, 0 or 1.
        columns: features, up to the largest index.
        queries: whether rows belong to queries.
        kept: what was parsed.
    """

    path: Path
    packing: Packing | None
    rows: int
    first: int
    columns: int
    queries: bool
    kept: _Kept

    def notes(self) -> Iterator[str]:
        why = f"from {self.first}, since 0 is {'not ' * self.first}among them"
        last = self.first + self.columns - 1
        yield f"The indices count {why}; the largest is {last}: {self.columns} features."
        if self.queries:
            yield "The queries (qid) are passed over."

    def features(self) -> RowArray:
        return self._array(self.columns, self._features)

    def labels(self) -> RowArray:
        return self._array(1, self._labels)

    def _array(self, columns: int, blocks: Callable[[int], Iterator[Array]]) -> RowArray:
        dtype = np.dtype(np.float64)
        return RowArray(label=str(self.path), rows=self.rows, columns=columns, dtype=dtype, blocks=blocks)

    def _labels(self, max_bytes: int) -> Iterator[Array]:
        step = max(1, max_bytes // 8)
        parsed = _parsed(self.path, self.packing, step)
        blocks = self.kept.labels(step) if self.kept.complete else (rows.labels for rows in parsed)
        return (block[:, None] for block in blocks)

    def _features(self, max_bytes: int) -> Iterator[Array]:
        step = max(1, max_bytes // (self.columns * 8))
        parsed = self.kept.blocks(step) if self.kept.complete else _parsed(self.path, self.packing, step)
        for rows in parsed:
            features = np.zeros((len(rows.labels), self.columns))
            across = rows.across - self.first
            if across.size and not 0 <= across.min() <= across.max() < self.columns:
                raise malformed(self.path, "has changed since it was opened; start again")
            features[rows.down, across] = rows.values
            yield features


def _lines(path: Path, packing: Packing | None) -> Iterator[tuple[int, bytes]]:
    """(number, text) of every line that holds a row."""
    with reading(path), opened(path, packing) as raw:
        stream = io.BufferedReader(raw, 1 << 20)  # type: ignore[type-var]
        number = 0
        while line := stream.readline(_LONGEST_LINE):
            number += 1
            if len(line) == _LONGEST_LINE:
                raise malformed(path, f"line {number} has {_LONGEST_LINE} bytes or more; is it a row?")
            if row := _row(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line):
                yield number, row


def _batches(path: Path, packing: Packing | None, most: int) -> Iterator[list[tuple[int, bytes]]]:
    """The same lines, at most so many of them at a time, and not many bytes."""
    batch: list[tuple[int, bytes]] = []
    size = 0
    for line in _lines(path, packing):
        batch.append(line)
        size += len(line[1])
        if len(batch) == most or size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _parsed(path: Path, packing: Packing | None, most: int) -> Iterator[_Rows]:
    return (_parse(path, block) for block in _batches(path, packing, most))


def _parse(path: Path, lines: Sequence[tuple[int, bytes]]) -> _Rows:
    """The numbers of some lines, checked."""
    texts = [_QUERY.sub(b"", line).strip() if b"qid:" in line else line for _, line in lines]
    for (number, _), text in zip(lines, texts, strict=True):
        if not _LINE.fullmatch(text):
            raise _refused(path, number, text)
    numbers = np.fromstring(b" ".join(texts).replace(b":", b" "), sep=" ")
    counts = np.array([text.count(b":") for text in texts])
    begin = np.concatenate(([0], np.cumsum(2 * counts + 1)[:-1]))
    labels = numbers[begin]
    pairs = np.delete(numbers, begin).reshape(-1, 2)
    down = np.repeat(np.arange(len(lines)), counts)
    across, values = pairs[:, 0].astype(np.int64), pairs[:, 1]
    again = np.flatnonzero((down[1:] == down[:-1]) & (across[1:] <= across[:-1]))
    if len(again):
        place = int(again[0])
        raise malformed(
            path,
            f"line {lines[down[place]][0]}: index {across[place + 1]} stands after {across[place]}; indices "
            "rise along a line, so sort them and keep each once",
        )
    for entries, at in ((labels, np.arange(len(lines))), (values, down)):
        wide = np.flatnonzero(~np.isfinite(entries))
        if len(wide):
            raise malformed(
                path, f"line {lines[at[wide[0]]][0]}: holds a number too large; scale the data first"
            )
    return _Rows(labels, down, across, values)


def _refused(path: Path, number: int, text: bytes) -> DataError:
    """What is wrong with a line."""

    def shown(part: bytes) -> str:
        return repr(part[:40].decode("utf-8", "replace"))

    label, *pairs = text.split()
    wrong = next((pair for pair in pairs if not re.fullmatch(_PAIR, pair)), text)
    if b":" in label:
        why = f"starts with {shown(label)}; a label comes first, so write one"
    elif _LABELS.fullmatch(label):
        why = f"has {label.count(b',') + 1} labels, {shown(label)}; one a row is read, so keep one"
    elif not re.fullmatch(_NUMBER, label):
        why = f"the label {shown(label)} is not a finite number; write classes as whole numbers"
    else:
        why = f"{shown(wrong)} is not index:value, a whole number from 0 on and a finite number; correct it"
    return malformed(path, f"line {number}: {why}")


def _look(path: Path, packing: Packing | None, known: tuple[int, int] | None = None) -> _Layout:
    """The first pass, over all of a file; of rows without a feature the `known` first and last index hold."""
    rows = size = 0
    low, high = 1, -1
    queries, kept = False, _Kept()
    for block in _batches(path, packing, _BATCH):
        parsed = _parse(path, block)
        kept.add(parsed)
        rows += len(block)
        size += sum(len(line) for _, line in block)
        queries = queries or any(b"qid:" in line for _, line in block)
        if parsed.across.size:
            low, high = min(low, int(parsed.across.min())), max(high, int(parsed.across.max()))
    if high < low and known is not None:
        low, high = known
    if high < low:
        raise malformed(path, f"has {rows} rows and no feature in any; write each as index:value")
    columns = high - low + 1
    check_expansion(path, rows * columns * 8, size, most=MOST_ZEROS)
    return _Layout(path, packing, rows, low, columns, queries, kept)


def _widened(layout: _Layout, first: int, columns: int) -> _Layout:
    """With the indices of a file that was trained on, of which the largest may be missing.

    Raises:
        DataError: there are others.
    """
    last = layout.first + layout.columns - 1
    if layout.first < first or last >= first + columns:
        raise malformed(
            layout.path,
            f"has indices from {layout.first} to {last}, and the rows that were trained on from {first} to "
            f"{first + columns - 1}; give it the same features",
        )
    return replace(layout, first=first, columns=columns)


class Svmlight(Format):
    name, words, order, packs = "svmlight", "SVMlight and LIBSVM text (also packed)", 80, True
    suffixes = _SUFFIXES

    def named(self, path: Path, start: bytes) -> bool:
        suffix = Path(unpacked_name(path)).suffix
        if suffix in _SUFFIXES:
            return b"\0" not in start
        return suffix not in _TABLES and looks_like_svmlight(start)

    def open(self, path: Path, asked: Asked) -> DataSource:
        trained = asked.trained
        if trained is not None and trained.format == self.name:
            first, columns = trained.first_column, trained.input_dim
            layout = _widened(_look(path, asked.packing, (first, first + columns - 1)), first, columns)
        else:
            layout = _look(path, asked.packing)
        target, targets, notes = asked.reading.target, layout.labels(), list(layout.notes())
        if target is not None:
            targets = asked.target_file(
                path,
                f"has its labels for targets, and {asked.words.target} {target!r} is not a file; leave it "
                "out",
            )
            notes.append("Its labels are passed over for the targets of the other file.")
        source = ArraySource(
            path=path, format=self.name, features=layout.features(), targets=targets, notes=tuple(notes)
        )
        source.first_column = layout.first
        return source

    def targets(self, path: Path, *, packing: Packing | None) -> RowArray:
        return _look(path, packing).labels()


FORMATS = (Svmlight(),)
