"""Structured arrays of numpy, in `.npy` and `.npz`: a table, whose columns are the fields.

Rows go to the parser of tables of text, so that words, dates and an index are what they are there.
"""

from __future__ import annotations

import ast
import csv
import io
import math
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rsgadvise.data.choose import Archive, Item, choose_features
from rsgadvise.data.dialect import dialect_of
from rsgadvise.data.formats.binary import check_expansion, odd_letters
from rsgadvise.data.formats.numpy_files import ZIP_MAGICS, shape_of
from rsgadvise.data.formats.tables import Layout, LineTables, columns_of
from rsgadvise.data.packing import Packing
from rsgadvise.data.reading import Reading
from rsgadvise.data.stream import malformed, reading
from rsgadvise.data.words import Words
from rsgadvise.records import dataclass

_SAMPLE = 400
_STARTS = re.compile(rb"\x93NUMPY.{4,6}\s*\{.{0,40}'descr': \[\(", re.DOTALL)
_HEADER = re.compile(
    rb"\{'descr': (\[\(.*\)\]), 'fortran_order': (?:True|False), 'shape': \((\d{1,19}),(?: 1)?\), \}"
)
_PLAIN = re.compile(r"[<>|=]?([biuf]\d{1,2}|[US]\d{1,5}|M8\[\w+\])")


@dataclass
class Records:
    """The rows of a structured array as lines of a table, separated by commas; line 1 is row 1.

    Attributes:
        dtype: of a row; the entries of a field of several are columns of their own.
        parts: starts a pass over it, so many rows at a time.
    """

    dtype: np.dtype[Any]
    parts: Callable[[int], Iterator[Any]]
    latin: int | None = None

    @property
    def names(self) -> list[str]:
        return [name for field in self.dtype.names or () for name in self._columns(field)]

    def _columns(self, field: str) -> tuple[str, ...]:
        shape = self.dtype[field].shape
        return tuple(f"{field}[{at}]" for at in range(math.prod(shape))) if shape else (field,)

    def blocks(self, size: int) -> Iterator[tuple[int, bytes]]:
        first = 1
        for part in self.parts(max(1, size // max(1, self.dtype.itemsize))):
            yield first, self.lines(part)
            first += len(part)

    def lines(self, part: Any) -> bytes:
        columns = [
            _texts(column)
            for field in self.dtype.names or ()
            for column in part[field].reshape(len(part), -1).T
        ]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
        return text.getvalue().encode("utf-8", "replace")


def _texts(column: Any) -> list[object]:
    """Cells as a table of text has them."""
    kind = column.dtype.kind
    if kind == "M":
        return [str(cell) for cell in column]
    if kind == "U" and odd_letters(np.ascontiguousarray(column)):
        raise ValueError("its text holds letters that there are not")
    cells: list[object] = column.tolist()
    return [_text(cell) for cell in cells] if kind in "SUO" else cells


def _text(cell: object) -> object:
    """A cell of text, in one line."""
    cell = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell
    return " ".join(cell.split()) if isinstance(cell, str) else cell


def layout_of_records(path: Path, format: str, records: Records, options: Reading, words: Words) -> Layout:  # noqa: A002
    """What the columns hold, from the first rows."""
    first = next(records.parts(_SAMPLE), None)
    if first is None:
        raise malformed(path, "has zero rows; at least one is needed")
    head = io.StringIO()
    csv.writer(head, lineterminator="\n").writerow(records.names)
    text = head.getvalue() + records.lines(first).decode()
    table = replace(options.table, separator="comma", comment="", header=True)
    dialect = replace(
        dialect_of(path, text, whole=True, options=table, words=words), header_lines=0, header=""
    )
    return Layout(path, format, dialect, columns_of(dialect), lambda: replace(records), "row")


def _records(label: str, opened: Callable[[], BinaryIO], size: int) -> Records:
    """Those of one array of that many bytes, with its header."""
    with opened() as stream:
        head = stream.read(12)
        wide = head[6] > 1
        start = (
            12 + int.from_bytes(head[8:12], "little") if wide else 10 + int.from_bytes(head[8:10], "little")
        )
        header = _HEADER.match(head[12 if wide else 10 :] + stream.read(min(start, 1 << 20)))
    if header is None:
        raise malformed(label, "holds records in more than one axis; save one row a record")
    try:
        fields = ast.literal_eval(header[1].decode())
    except SyntaxError as error:
        raise malformed(label, "has a damaged header; write it with numpy.save") from error
    odd = [field[0] for field in fields if not _is_plain(*field)]
    if odd:
        raise malformed(
            label, f"holds something else than numbers and words in its field {odd[0]!r}; leave it out"
        )
    dtype, rows = np.lib.format.descr_to_dtype(fields), int(header[2])
    if size != start + rows * dtype.itemsize:
        raise malformed(
            label, f"does not hold the {rows} records that its header claims; the file is cut short"
        )

    def parts(step: int) -> Iterator[Any]:
        with opened() as stream:
            stream.read(start)
            for first in range(0, rows, step):
                yield np.frombuffer(stream.read(min(step, rows - first) * dtype.itemsize), dtype)

    return Records(dtype, parts)


def _is_plain(name: object, kind: object, shape: object = ()) -> bool:
    """Whether a field is of numbers or words; one without a name is room between two others."""
    sizes = isinstance(shape, tuple) and all(isinstance(size, int) and size > 0 for size in shape)
    plain = isinstance(kind, str) and (not name or _PLAIN.fullmatch(kind) is not None)
    return isinstance(name, str) and sizes and plain


class Structured(LineTables):
    name, words, order = "npy-records", "structured .npy", -1
    table = ("missing",)

    def magic(self, start: bytes) -> bool:
        return _STARTS.match(start) is not None

    def layout(self, path: Path, packing: Packing | None, options: Reading, words: Words) -> Layout:
        with reading(path):
            records = _records(str(path), lambda: path.open("rb"), path.stat().st_size)
            return layout_of_records(path, "npy", records, options, words)


class StructuredNpz(LineTables):
    """An `.npz` in which no other arrays are features."""

    name, words, order, arrays = "npz-records", "structured .npz", 0, True
    table = ("missing",)

    def magic(self, start: bytes) -> bool:
        return start.startswith(ZIP_MAGICS)

    def holds(self, path: Path) -> bool:
        try:
            with zipfile.ZipFile(path) as archive:
                members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
                own = [member for member in members if _is_structured(archive, member)]
                return bool(own) and all(len(shape_of(archive, e) or ()) < 2 for e in members if e not in own)
        except (OSError, ValueError, LookupError, RuntimeError, zipfile.BadZipFile, zlib.error):
            return False  # said by the reader of .npz

    def layout(self, path: Path, packing: Packing | None, options: Reading, words: Words) -> Layout:
        with reading(path):
            with zipfile.ZipFile(path) as archive:
                members = {
                    each.filename.removesuffix(".npy"): each
                    for each in archive.infolist()
                    if each.filename.endswith(".npy") and _is_structured(archive, each)
                }
            items = {name: Item(None, what="records") for name in members}
            name = choose_features(Archive(path, items), options.array, words)
            label, info = f"{path}: array {name!r}", members[name]
            check_expansion(label, info.file_size, min(info.compress_size, path.stat().st_size))

            def opened() -> BinaryIO:
                with zipfile.ZipFile(path) as archive:
                    return archive.open(info)  # type: ignore[return-value]

            return layout_of_records(path, "npz", _records(label, opened, info.file_size), options, words)


def _is_structured(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    with archive.open(info) as stream:
        return _STARTS.match(stream.read(100)) is not None


FORMATS = (Structured(), StructuredNpz())
