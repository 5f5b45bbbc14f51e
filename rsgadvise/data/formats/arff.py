"""ARFF, the tables of Weka: a header that says what the columns hold, then rows separated by commas.

Rows go to the parser of tables of text. What only Weka writes becomes text that it reads: values in single
quotes, and sparse rows, where a number that is left out is 0 and a nominal value the first that there is.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import NoReturn

from rsgadvise.data.columns import Column, ColumnKind
from rsgadvise.data.dialect import ABSENT, Dialect, Numbers, TableOptions
from rsgadvise.data.formats.binary import check_expansion
from rsgadvise.data.formats.tables import Layout, LineTables, columns_of
from rsgadvise.data.packing import Packing, unpacked_name
from rsgadvise.data.reading import Reading
from rsgadvise.data.stream import malformed, reading
from rsgadvise.data.text import SAMPLE_BYTES, Records, Writing, encoding_of, writing_of
from rsgadvise.data.words import Words
from rsgadvise.records import dataclass

_SAMPLE, _SAMPLE_CELLS = 400, 1 << 17
_START = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t]*(?:%[^\n]*)?\r?\n)*[ \t]*@relation\b", re.IGNORECASE)
_QUOTED = r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\""""
_ATTRIBUTE = re.compile(rf"""@attribute\s+(?:{_QUOTED}|([^\s'"{{][^\s{{]*))\s*(.*)""", re.IGNORECASE)
_NOMINAL = re.compile(r"\{(.*)\}\s*(?:%.*)?")
_TYPE = re.compile(r"(\w+)\b")
_CELL = re.compile(rf"""[ \t]*(?:{_QUOTED}|([^,%'"\s][^,%]*|))[ \t]*(?:(,)|(?:%.*)?$)""")
_WORD = re.compile(rf"""[ \t]*(?:{_QUOTED}|([^\s%'"][^\s%]*))(?:([ \t]+(?=[^\s%]))|[ \t]*(?:%.*)?$)""")
_SPARSE = re.compile(r"\{(.*)\}\s*(?:%.*)?")
_ENTRY = re.compile(rf"""\s*(\d{{1,9}})\s+(?:{_QUOTED}|([^,'"\s][^,]*))\s*(?:,|$)""")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_OTHER = re.compile(rb"[\"'\\%{]")  # nothing of this is in a row of a plain table
_SINGLE = re.compile(rb"(?m)(?:^|,)[ \t]*'[^'\n]*'(?=\r?(?:,|$))")
_KINDS: dict[str, ColumnKind] = {
    "numeric": "number",
    "real": "number",
    "integer": "number",
    "string": "word",
    "date": "date",
}


@dataclass(frozen=True, slots=True)
class _Attribute:
    """One column: its name, what it holds, and the words that there are, of a nominal one."""

    name: str
    kind: ColumnKind
    words: tuple[str, ...] = ()

    @property
    def default(self) -> str:
        """What stands for it where a sparse row leaves it out."""
        return "0" if self.kind == "number" else self.words[0] if self.words else "?"


def _unquoted(single: str | None, double: str | None, plain: str | None) -> str:
    """A value as it is meant; it stays on one line, and without blanks around it as in any table."""
    quoted = single if single is not None else double
    if quoted is None:
        return (plain or "").strip()
    return (_ESCAPE.sub(_meant, quoted) if "\\" in quoted else quoted).strip()


def _meant(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else " " if found[2] in "nrt" else found[2]


def _cells(line: str, pattern: re.Pattern[str] = _CELL) -> list[str] | None:
    """The values of a row; None if a quote is not closed or something follows one."""
    cells: list[str] = []
    at = 0
    while True:
        match = pattern.match(line, at)
        if match is None:
            return None
        cells.append(_unquoted(*match.group(1, 2, 3)))
        if match[4] is None:
            return cells
        at = match.end()


@dataclass
class _Rows:
    """The rows of a file as lines of a table.

    Attributes:
        path, packing, writing: the file.
        attributes: its columns.
        last: line of the header that ends it.
        blanks: whether blanks separate the values, and no commas.
        defaults: what a sparse row without an entry stands for.
        latin: see `Records`.
    """

    path: Path
    packing: Packing | None
    writing: Writing
    attributes: tuple[_Attribute, ...] = ()
    last: int = 0
    blanks: bool = False
    defaults: list[str] = field(default_factory=list)
    latin: int | None = None

    def lines(self, size: int) -> Iterator[tuple[int, bytes]]:
        """(number of the first line, lines) of blocks; those of comments are empty."""
        records = Records(self.path, self.packing, self.writing, comment="%", quoted=False)
        yield from records.blocks(size)
        self.latin = records.latin

    def blocks(self, size: int) -> Iterator[tuple[int, bytes]]:
        dense = 0
        for start, block in self.lines(size):
            first, data = start, block
            if first <= self.last:
                over = self.last - first + 1
                data = b"".join(data.split(b"\n", over)[over:])
                first = self.last + 1
            if not data:
                continue
            special = _OTHER.search(data) or self.blanks
            if not special:
                yield first, data
            elif not self.blanks and _only_single_quotes(data):
                yield first, data.replace(b"'", b'"')
            else:
                for part in self._table(first, data.decode(), size):
                    dense += len(part[1])
                    check_expansion(self.path, dense, self.path.stat().st_size)
                    yield part

    def _table(self, first: int, text: str, size: int) -> Iterator[tuple[int, bytes]]:
        """Lines of any kind, as a table that a plain reader understands."""
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        begin = first
        for number, line in enumerate(text.split("\n"), start=first):
            row = line.strip()
            if row:
                writer.writerow(self._sparse(number, row) if row[0] == "{" else self._dense(number, row))
            else:
                table.write("\n")
            if table.tell() >= size:
                yield begin, table.getvalue().encode()
                table.seek(0)
                table.truncate()
                begin = number + 1
        if table.tell():
            yield begin, table.getvalue().encode()

    def _dense(self, number: int, row: str) -> list[str]:
        cells = _cells(row, _WORD if self.blanks else _CELL)
        if cells is None:
            self._refuse(
                number, f"{row[:40]!r} has a quote that is not closed, or text beside one; quote whole values"
            )
        if len(cells) == len(self.attributes) + 1 and cells[-1].startswith("{"):
            self._refuse(
                number, f"ends in the weight {cells[-1][:40]!r}, and weights are not read; take them out"
            )
        return cells

    def _sparse(self, number: int, row: str) -> list[str]:
        inside = _SPARSE.fullmatch(row)
        cells = self.defaults.copy()
        seen: set[int] = set()
        at, text = 0, "" if inside is None else inside[1].rstrip()
        while inside is not None and at < len(text):
            entry = _ENTRY.match(text, at)
            if entry is None:
                inside = None
                break
            place = int(entry[1])
            if place >= len(cells) or place in seen:
                what = "twice" if place in seen else f"and the last attribute is {len(cells) - 1}"
                self._refuse(
                    number, f"has an entry for attribute {place}, counted from 0, {what}; correct the row"
                )
            seen.add(place)
            cells[place] = _unquoted(*entry.group(2, 3, 4))
            at = entry.end()
        if inside is None:
            self._refuse(number, f"{row[:40]!r} is no sparse row such as {{0 1.5, 3 2}}; correct it")
        return cells

    def _refuse(self, number: int, message: str) -> NoReturn:
        raise malformed(self.path, f"line {number}: {message}")

    def read_header(self) -> None:
        """Find the attributes, where the rows begin, and what separates their values."""
        attributes: list[_Attribute] = []
        for number, line in self._numbered():
            text = line.strip()
            if not text:
                continue
            if self.last:  # the first row
                separated = text[0] == "{" or len(attributes) == 1 or len(_cells(text) or "..") > 1
                self.blanks = not separated
                return
            word = text.split(None, 1)[0].lower()
            if word == "@data":
                self.last = number
                self.attributes = tuple(attributes)
                self.defaults = [attribute.default for attribute in attributes]
                if not attributes:
                    self._refuse(number, "no @attribute comes before @data; name the columns")
            elif word == "@attribute":
                attributes.append(self._attribute(number, text))
            elif word != "@relation":
                self._refuse(number, f"{text[:40]!r} is neither @relation, @attribute nor @data; correct it")
        what = (
            "has zero rows of data; at least one is needed"
            if self.last
            else "has no @data before its rows; add it"
        )
        raise malformed(self.path, what)

    def _numbered(self) -> Iterator[tuple[int, str]]:
        for first, block in self.lines(SAMPLE_BYTES):
            yield from enumerate(block.decode().split("\n"), start=first)

    def _attribute(self, number: int, text: str) -> _Attribute:
        found = _ATTRIBUTE.fullmatch(text)
        if found is None:
            self._refuse(number, f"{text[:60]!r} is no attribute such as: @attribute name numeric")
        name, what = _unquoted(*found.group(1, 2, 3)), found[4]
        nominal = _NOMINAL.fullmatch(what)
        if nominal is not None:
            words = _cells(nominal[1].strip())
            if words is None or not all(words):
                self._refuse(number, f"the words {what[:60]!r} of {name!r} cannot be told apart; quote each")
            return _Attribute(name, "word", tuple(dict.fromkeys(words)))
        kind = _TYPE.match(what)
        if kind is None or kind[1].lower() not in _KINDS:
            self._refuse(
                number,
                f"attribute {name!r} is of type {what[:40]!r}; numeric, real, integer, string, date and"
                " {a, b} are read",
            )
        return _Attribute(name, _KINDS[kind[1].lower()])


def _only_single_quotes(data: bytes) -> bool:
    """Whether all that is special are single quotes around whole values."""
    if any(mark in data for mark in (b'"', b"\\", b"%", b"{")):
        return False
    return 2 * len(_SINGLE.findall(data)) == data.count(b"'")


def layout_of_arff(path: Path, packing: Packing | None, options: TableOptions, words: Words) -> Layout:
    """The columns that the header names, and how the rows after it are read.

    Raises:
        DataError: the header is none, or no row follows it.
    """
    rows = _Rows(path, packing, writing_of(path, packing, options.encoding, words))
    rows.read_header()
    attributes = rows.attributes
    dialect = Dialect(
        separator=",",
        numbers=Numbers(),
        comment=None,
        missing=frozenset(options.missing),
        header_lines=0,
        header="",
        names=tuple(attribute.name for attribute in attributes),
        width=len(attributes),
        rows=(),
        collapsed=False,
        spaced=True,
        notes=tuple(_notes(attributes)),
    )
    first: list[tuple[str, ...]] = []
    for _, block in rows.blocks(SAMPLE_BYTES):
        records = (tuple(cells) for _, cells in dialect.split(block.decode()))
        first += [cells for cells in records if len(cells) == len(attributes)]
        if len(first) >= _SAMPLE or len(first) * len(attributes) >= _SAMPLE_CELLS:
            break
    dialect = replace(dialect, rows=tuple(first[:_SAMPLE]))
    columns = tuple(_column(*each) for each in zip(columns_of(dialect), attributes, strict=True))
    return Layout(path, "arff", dialect, columns, lambda: replace(rows))


def _column(column: Column, attribute: _Attribute) -> Column:
    """A column as its first rows show it, of the kind that the header says."""
    words = tuple(word for word in attribute.words if word not in ABSENT)
    return replace(column, kind=attribute.kind, words=words)


def _notes(attributes: Sequence[_Attribute]) -> Iterator[str]:
    for attribute in attributes:
        absent = [word for word in attribute.words if word in ABSENT]
        if absent:
            yield f"The word {absent[0]!r} of attribute {attribute.name!r} counts as a missing cell."


class Arff(LineTables):
    name, words, order, suffixes, packs = "arff", "ARFF (also packed)", 5, (".arff",), True
    table = ("missing", "encoding")

    def magic(self, start: bytes) -> bool:
        return _START.match(start) is not None

    def named(self, path: Path, start: bytes) -> bool:
        return unpacked_name(path).endswith(".arff") and bool(start) and encoding_of(start) is not None

    def layout(self, path: Path, packing: Packing | None, options: Reading, words: Words) -> Layout:
        with reading(path):
            return layout_of_arff(path, packing, options.table, words)


FORMATS = (Arff(),)
