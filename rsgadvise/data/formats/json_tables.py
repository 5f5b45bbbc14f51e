"""Tables in JSON: a row an object or a list, in one list or one a line; and the forms of pandas and R.

Rows go to the parser of tables of text, so that what counts as missing, as words, as dates or as an index is
the same. Lines, and a list of rows, are read as a stream; any other form lies in memory as a whole.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from rsgadvise.data.dialect import dialect_of
from rsgadvise.data.formats.tables import Layout, LineTables, columns_of, text_blocks
from rsgadvise.data.packing import Packing, opened, unpacked_name
from rsgadvise.data.reading import Reading
from rsgadvise.data.stream import malformed, reading
from rsgadvise.data.text import encoding_of, writing_of
from rsgadvise.data.words import Words
from rsgadvise.records import dataclass

MOST_LETTERS = 1 << 28
"""Of one value: a row, or all of a table that is no list of rows."""

_SAMPLE = 400
_READ = 1 << 16
_BLANK = re.compile(r"[\s,]*")
_LIST_OF_ROWS = re.compile(r"\s*\[(?=\s*[\[{])")
_START = re.compile(rb"(\xef\xbb\xbf)?\s*(\{\s*\"|\[\s*[\[{])")
_SUFFIXES = (".json", ".jsonl", ".ndjson")
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)  # numbers as they are written
_LINES = "as DataFrame.to_json(path, orient='records', lines=True) does"


@dataclass(frozen=True)
class _Json:
    """The values of one file."""

    path: Path
    packing: Packing | None
    encoding: str

    def read(self) -> Iterator[tuple[bool, Any]]:
        """(whether it stands in a list of rows, value) of each value, or row of such a list."""
        decoder = codecs.getincrementaldecoder(self.encoding)()
        with reading(self.path), opened(self.path, self.packing) as stream:

            def text(size: int) -> str:
                """Some more of it; "" at the end."""
                while data := stream.read(size):
                    if letters := decoder.decode(data):
                        return letters
                return decoder.decode(b"", final=True)

            yield from self._values(text)

    def _values(self, text: Callable[[int], str]) -> Iterator[tuple[bool, Any]]:
        size, number = _READ, 1
        kept = text(size).removeprefix("\ufeff")
        outer = _LIST_OF_ROWS.match(kept)
        at = 0 if outer is None else outer.end()
        listed = outer is not None
        while True:
            at = _BLANK.match(kept, at).end()  # type: ignore[union-attr]
            if listed and kept.startswith("]", at):
                listed, at = False, at + 1
                continue
            try:
                value, at = _DECODER.raw_decode(kept, at)
            except json.JSONDecodeError as error:
                more = text(size)
                if not more:
                    if at == len(kept) and not listed:
                        return
                    what = "the file ends inside it" if error.pos >= len(kept) else error.msg
                    raise malformed(self.path, f"value {number} is not JSON: {what}; correct it") from error
                # In ever larger parts, so that a large value is not begun too often.
                kept, at, size = kept[at:] + more, 0, 2 * size
                if len(kept) > MOST_LETTERS:
                    raise malformed(
                        self.path,
                        f"value {number} has more than {MOST_LETTERS >> 20} Mi letters; write one row a "
                        f"line, {_LINES}",
                    ) from error
                continue
            yield outer is not None, value
            number, size = number + 1, _READ


@dataclass(frozen=True)
class _Found:
    """The rows of a file.

    Attributes:
        rows: starts a pass; each is an object or a list.
        names: of the columns, where the rows are lists that have them.
        notes: where they were found.
    """

    rows: Callable[[], Iterable[Any]]
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def _found(file: _Json, array: str | None, words: Words) -> _Found:
    """The rows, whatever the form."""
    first = list(islice(file.read(), 2))
    if array is None and (len(first) > 1 or (first and (first[0][0] or _flat(first[0][1])))):
        return _Found(lambda: (value for _, value in file.read()))
    content = first[0][1] if len(first) == 1 else None
    if not isinstance(content, dict) or not content:
        raise malformed(file.path, f"holds no rows under a name; write one row a line, {_LINES}")
    lists = {name: value for name, value in content.items() if isinstance(value, list) and value}
    if array is not None:
        if array not in lists:
            known = ", ".join(map(repr, list(lists)[:20])) or "none"
            raise malformed(file.path, f"has no rows {array!r}, but {known}: name them with {words.array}")
        return _Found(lambda: lists[array])
    return _of_lists(file.path, content, lists, words) if lists else _of_objects(file.path, content)


def _of_lists(path: Path, content: dict[str, Any], lists: dict[str, list[Any]], words: Words) -> _Found:
    """Rows under a name, perhaps with the names of the columns beside them, or columns."""
    if {"columns", "data"} <= lists.keys():
        return _Found(lambda: lists["data"], tuple(map(_text, lists["columns"])))
    rows = len(next(iter(lists.values())))
    alike = len({len(value) for value in lists.values()}) == 1
    tables = [name for name, each in lists.items() if isinstance(each[0], dict | list)]
    if alike and (len(lists) > 1 or not tables):
        return _columns(lists, range(rows), [name for name in content if name not in lists])
    if len(tables) == 1:
        return _Found(lambda: lists[tables[0]], notes=(f"The rows are those of {tables[0]!r}.",))
    fix = f"choose one with {words.setting('array', 'NAME')}" if words.said else "keep the targets alone"
    raise malformed(path, f"holds lists of other lengths, {', '.join(map(repr, list(lists)[:20]))}; {fix}")


def _of_objects(path: Path, content: dict[str, Any]) -> _Found:
    """Columns of labelled cells as pandas writes them, or labelled rows."""
    if not all(isinstance(value, dict) for value in content.values()):
        raise malformed(path, f"is no table of rows or columns; write one row a line, {_LINES}")
    labels = list(dict.fromkeys(label for value in content.values() for label in value))
    if all(map(str.isdigit, content)) and not all(map(str.isdigit, labels)):
        return _Found(content.values)
    return _columns(content, labels, [])


def _flat(value: Any) -> bool:
    """Whether it is an object of single values, which is a row."""
    return isinstance(value, dict) and not any(isinstance(each, dict | list) for each in value.values())


def _columns(content: Any, labels: Iterable[Any], left: Sequence[str]) -> _Found:
    """Rows of columns, each a list or an object of cells."""

    def row(label: Any) -> dict[str, Any]:
        return {
            name: cells.get(label) if isinstance(cells, dict) else cells[label]
            for name, cells in content.items()
        }

    notes = (f"Passed over, no columns: {', '.join(map(repr, left[:10]))}.",) if left else ()
    return _Found(lambda: map(row, labels), notes=notes)


def _text(value: Any) -> str:
    """A cell as a table of text has it."""
    if value is None:
        return ""
    # A line of the table is a row.
    return " ".join(value.split()) if isinstance(value, str) else str(value)


def _cells(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(name, text) of the single values in a row; those inside others are called a.b and a[0]."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _cells(each, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _cells(each, f"{name}[{place}]")
    else:
        yield name, _text(value)


@dataclass
class _Lines:
    """Rows as lines of a table, separated by commas; line 1 is row 1.

    Attributes:
        path: the file.
        found: its rows.
        names: of the columns, where rows are objects.
    """

    path: Path
    found: _Found
    names: tuple[str, ...] = ()
    latin: int | None = None

    def rows(self) -> Iterator[list[tuple[str, str]]]:
        kind: type | None = None
        for number, value in enumerate(self.found.rows(), start=1):
            kind = kind or type(value)
            if kind not in (dict, list) or not isinstance(value, kind):
                raise malformed(
                    self.path,
                    f"row {number} is {str(value)[:40]!r}; every row must be an object, or every row a list",
                )
            yield list(_cells(value))

    def named(self) -> tuple[str, ...]:
        """All names that rows have, in a pass of its own; none of lists."""
        names: dict[str, None] = {}
        for cells in self.rows():
            if cells and cells[0][0].startswith("["):
                return ()
            names.update((name, None) for name, _ in cells)
        return tuple(names)

    def blocks(self, size: int) -> Iterator[tuple[int, bytes]]:
        return text_blocks(map(self._texts, self.rows()), size)

    def _texts(self, cells: list[tuple[str, str]]) -> list[str]:
        if not self.names:
            return [cell for _, cell in cells]
        there = dict(cells)
        return [there.get(name, "") for name in self.names]


def layout_of_json(path: Path, packing: Packing | None, asked: Reading, words: Words) -> Layout:
    """The rows, their columns and what these hold.

    Raises:
        DataError: it is no table, or not JSON.
    """
    encoding = writing_of(path, packing, asked.table.encoding, words).encoding
    table = _found(_Json(path, packing, encoding), asked.array, words)
    lines = _Lines(path, table)
    lines.names = lines.named()
    names = table.names or lines.names
    options = replace(asked.table, separator="comma", comment="", encoding=None)
    sample = replace(lines, found=replace(table, rows=lambda: islice(table.rows(), _SAMPLE)))
    text = b"".join(block for _, block in sample.blocks(1 << 30)).decode()
    if not text:
        raise malformed(path, "has zero rows; at least one is needed")
    if names:
        options = replace(options, header=True)
        head = io.StringIO()
        csv.writer(head, lineterminator="\n").writerow(names)
        text = head.getvalue() + text
    dialect = dialect_of(path, text, whole=True, options=options, words=words)
    if names:
        dialect = replace(dialect, header_lines=0, header="")
    dialect = replace(dialect, notes=(*table.notes, *dialect.notes))
    return Layout(path, "json", dialect, columns_of(dialect), lambda: replace(lines), "row")


class Json(LineTables):
    name, words, order, packs = "json", "JSON tables (also packed)", 6, True
    suffixes, arrays = _SUFFIXES, True
    table = ("decimal", "thousands", "missing", "encoding", "header")

    def magic(self, start: bytes) -> bool:
        return _START.match(start) is not None

    def named(self, path: Path, start: bytes) -> bool:
        begins = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"[", b"{", b'"'}
        other = encoding_of(start) not in (None, "utf-8")
        return unpacked_name(path).endswith(_SUFFIXES) and (begins or other)

    def layout(self, path: Path, packing: Packing | None, options: Reading, words: Words) -> Layout:
        with reading(path):
            return layout_of_json(path, packing, options, words)


FORMATS = (Json(),)
