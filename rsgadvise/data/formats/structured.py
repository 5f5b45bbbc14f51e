"""Structured arrays of numpy in `.npy` files: a table, whose columns are the fields.

Rows go to the parser of tables of text, so that words, dates and an index are what they are there.
"""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rsgadvise.data.dialect import dialect_of
from rsgadvise.data.formats.binary import odd_letters
from rsgadvise.data.formats.numpy_files import NPY_MAGIC
from rsgadvise.data.formats.tables import Layout, LineTables, columns_of
from rsgadvise.data.packing import Packing
from rsgadvise.data.reading import Reading
from rsgadvise.data.stream import malformed, reading
from rsgadvise.data.words import Words
from rsgadvise.records import dataclass

_SAMPLE = 400
_HEADER = re.compile(
    rb"\{'descr': (\[\(.*\)\]), 'fortran_order': (?:True|False), 'shape': \((\d{1,19}),(?: 1)?\), \}"
)
_PLAIN = re.compile(r"[<>|=]?([biuf]\d{1,2}|[US]\d{1,5}|M8\[\w+\])")


@dataclass
class _Rows:
    """The rows of one array as lines of a table, separated by commas; line 1 is row 1."""

    path: Path
    dtype: np.dtype[Any]
    start: int
    rows: int
    latin: int | None = None

    def blocks(self, size: int) -> Iterator[tuple[int, bytes]]:
        step = max(1, size // max(1, self.dtype.itemsize))
        with self.path.open("rb") as stream:
            stream.seek(self.start)
            for first in range(0, self.rows, step):
                count = min(step, self.rows - first)
                found = np.frombuffer(stream.read(count * self.dtype.itemsize), self.dtype)
                columns = [_texts(found[name]) for name in self.dtype.names or ()]
                text = io.StringIO()
                csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
                yield first + 1, text.getvalue().encode("utf-8", "replace")


def _texts(column: Any) -> list[object]:
    """Cells as a table of text has them."""
    kind = column.dtype.kind
    if kind == "S":
        return [cell.decode("utf-8", "replace") for cell in column.tolist()]
    if kind == "M":
        return [str(cell) for cell in column]
    if kind == "U":
        if odd_letters(np.ascontiguousarray(column)):
            raise ValueError("its text holds letters that there are not")
        return [" ".join(cell.split()) for cell in column.tolist()]
    return list(column.tolist())


def _header(path: Path) -> _Rows:
    with path.open("rb") as stream:
        head = stream.read(12)
        wide = head[6] > 1
        start = (
            12 + int.from_bytes(head[8:12], "little") if wide else 10 + int.from_bytes(head[8:10], "little")
        )
        stream.seek(12 if wide else 10)
        found = _HEADER.match(stream.read(min(start, 1 << 20)))
    if found is None:
        raise malformed(path, "holds records in more than one axis; save one row a record")
    try:
        fields = ast.literal_eval(found[1].decode())
    except SyntaxError as error:
        raise malformed(path, "has a damaged header; write it with numpy.save") from error
    odd = [
        each[0]
        for each in fields
        # A field without a name is room between two others.
        if len(each) != 2 or not isinstance(each[1], str) or (each[0] and not _PLAIN.fullmatch(each[1]))
    ]
    if odd:
        raise malformed(
            path, f"holds something else than numbers and words in its field {odd[0]!r}; leave it out"
        )
    rows = _Rows(path, np.lib.format.descr_to_dtype(fields), start, int(found[2]))
    if path.stat().st_size != start + rows.rows * rows.dtype.itemsize:
        raise malformed(
            path, f"does not hold the {rows.rows} records that its header claims; the file is cut short"
        )
    if not rows.rows:
        raise malformed(path, "has zero rows; at least one is needed")
    return rows


class Structured(LineTables):
    name, words, order = "npy-records", "structured .npy", -1
    table = ("missing",)

    def magic(self, start: bytes) -> bool:
        return start.startswith(NPY_MAGIC) and start[8:].lstrip()[:40].find(b"'descr': [(") >= 0

    def layout(self, path: Path, packing: Packing | None, options: Reading, words: Words) -> Layout:
        with reading(path):
            rows = _header(path)
            head = io.StringIO()
            csv.writer(head, lineterminator="\n").writerow(rows.dtype.names or ())
            first = b"".join(
                block for _, block in replace(rows, rows=min(_SAMPLE, rows.rows)).blocks(1 << 30)
            )
            table = replace(options.table, separator="comma", comment="", header=True)
            text = head.getvalue() + first.decode()
            dialect = replace(
                dialect_of(path, text, whole=True, options=table, words=words), header_lines=0, header=""
            )
            return Layout(path, "npy", dialect, columns_of(dialect), lambda: replace(rows), "row")


FORMATS = (Structured(),)
