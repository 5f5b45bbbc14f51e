"""Sheets of Excel workbooks, through the optional openpyxl, read as the text that they would be saved as."""

from __future__ import annotations

import datetime
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import Any, NoReturn

from rsgadvise.data.dialect import TableOptions, dialect_of
from rsgadvise.data.formats.binary import check_expansion
from rsgadvise.data.formats.tables import Layout, LineTables, columns_of, text_blocks
from rsgadvise.data.packing import ZIP_MAGIC, Packing
from rsgadvise.data.reading import Reading
from rsgadvise.data.stream import malformed, optional, reading
from rsgadvise.data.words import Words
from rsgadvise.records import dataclass

_SAMPLE = 400
_ROWS_AT_ONCE = 1000
_MOST_ROWS = 1 << 20  # of a sheet, as Excel has it
_ERRORS = {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#GETTING_DATA"}
_FORMULA = re.compile(rb"<(\w+:)?f[ />]")
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OFFICE = (
    b"[Content_Types].xml",
    b"_rels/",
    b"docProps/",
    b"xl/",
)  # what the first file in a workbook is called
_OPEN_DOCUMENT = b"mimetypeapplication/vnd.oasis"


@contextmanager
def _excel(path: Path) -> Iterator[None]:
    """`reading`, of errors in XML too; warnings of styles and the like, which are not read, are no news."""
    from openpyxl.utils.exceptions import InvalidFileException

    with reading(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (SyntaxError, InvalidFileException) as error:
            raise ValueError(str(error)) from error


class _Workbook:
    """An open workbook, whose sheets are read row by row."""

    def __init__(self, path: Path, *, values: bool = True) -> None:
        with path.open("rb") as stream:
            if not stream.read(8).startswith(ZIP_MAGIC) or _OPEN_DOCUMENT in stream.read(100):
                raise malformed(
                    path,
                    "is a workbook of the old kind (.xls), of another program (.ods) or with a password;"
                    " save it as .xlsx without one, or as CSV",
                )
        library = optional("openpyxl", path, "Excel workbooks need openpyxl", extra="xlsx")
        with _excel(path), zipfile.ZipFile(path) as archive:
            check_expansion(path, sum(member.file_size for member in archive.infolist()), path.stat().st_size)
        self._path = path
        self._stream = path.open("rb")
        try:
            with _excel(path):
                self._book = library.load_workbook(self._stream, read_only=True, data_only=values)
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> _Workbook:
        return self

    def __exit__(self, *error: object) -> None:
        self._book.close()
        self._stream.close()

    @property
    def sheets(self) -> tuple[str, ...]:
        return tuple(sheet.title for sheet in self._book.worksheets)

    def rows(self, name: str, *, values: bool = True) -> Iterator[tuple[Any, ...]]:
        """The cells of every row from the first, or their values; as many as there are in it."""
        with _excel(self._path):
            sheet = next(each for each in self._book.worksheets if each.title == name)
            sheet.reset_dimensions()  # what a file says of them may be wrong
            rows = sheet.iter_rows(values_only=values)
        seen = 0
        while True:
            with _excel(self._path):
                block = list(islice(rows, _ROWS_AT_ONCE))
            seen += len(block)
            if seen > _MOST_ROWS:
                raise malformed(
                    self._path, f"sheet {name!r} claims more than {_MOST_ROWS} rows; save it again in Excel"
                )
            if not block:
                return
            yield from block


@dataclass
class _Sheet:
    """The rows of one sheet as lines of a table, separated by commas; line 1 is row 1.

    Attributes:
        path, name: the file, and the sheet in it.
        formulas: whether any cell may be one.
        above: rows above the table, which are no part of it.
        left: columns before it.
        width: its columns; 0 while they are not known.
        known: its rows, where they are at hand.
    """

    path: Path
    name: str
    formulas: bool
    above: int = 0
    left: int = 0
    width: int = 0
    known: Sequence[list[str]] | None = None
    latin: int | None = None

    def cells(self) -> Iterator[list[str]]:
        """The cells of every row, empty ones at its end left out."""
        if self.known is not None:
            yield from self.known
            return
        with _Workbook(self.path) as book:
            if not self.formulas:
                for row in book.rows(self.name):
                    yield _texts(row)
                return
            with _Workbook(self.path, values=False) as written:
                rows = zip(book.rows(self.name, values=False), written.rows(self.name), strict=True)
                for number, (row, source) in enumerate(rows, start=1):
                    for place, (cell, formula) in enumerate(zip(row, source, strict=True)):
                        # The result of a formula may be no letters at all.
                        if cell.value is None and formula is not None and cell.data_type != "str":
                            self._refuse_formula(number, place, formula)
                    yield _texts([cell.value for cell in row])

    def _refuse_formula(self, number: int, place: int, formula: object) -> NoReturn:
        text = str(getattr(formula, "text", formula))
        raise malformed(
            self.path,
            f"sheet {self.name!r}, cell {_letter(place)}{number}: holds the formula"
            f" {text[:40]!r} without its result; save the file in Excel or LibreOffice, or the sheet as CSV",
        )

    def blocks(self, size: int) -> Iterator[tuple[int, bytes]]:
        return text_blocks(map(self._kept, count(1), self.cells()), size)

    def _kept(self, number: int, cells: list[str]) -> list[str]:
        """The cells of a row that are in the table, as many as it is wide; none of an empty one."""
        kept = cells[self.left :] if number > self.above else []
        return [*kept, *[""] * (self.width - len(kept))] if kept else []


def _letter(place: int) -> str:
    """How Excel calls a column."""
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(place + 1))


def _texts(row: Sequence[Any]) -> list[str]:
    cells = [_text(cell) for cell in row]
    while cells and not cells[-1]:
        del cells[-1]
    return cells


def _text(cell: Any) -> str:
    """A cell as a table of text has it; empty for one with an error in it."""
    if cell is None or (isinstance(cell, str) and cell in _ERRORS):
        return ""
    if isinstance(cell, bool):
        return "True" if cell else "False"
    if isinstance(cell, datetime.timedelta):
        return repr(cell / datetime.timedelta(days=1))  # as Excel counts them
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ", "seconds")
    # A line of the table is a row of the sheet.
    return " ".join(str(cell).split()) if isinstance(cell, str) else str(cell)


def _has_formulas(path: Path) -> bool:
    """Whether a cell of any sheet may be one."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if not (member.startswith("xl/worksheets/") and member.endswith(".xml")):
                continue
            with archive.open(member) as stream:
                rest = b""
                while data := stream.read(1 << 20):
                    if _FORMULA.search(rest + data):
                        return True
                    rest = data[-64:]
    return False


def _chosen(path: Path, array: str | None, words: Words) -> tuple[str, tuple[str, ...]]:
    """(the sheet that is named, or the first of more than a column, or that holds anything, notes on it)."""
    with _Workbook(path) as book:
        if array is not None:
            if array not in book.sheets:
                known = ", ".join(repr(name) for name in book.sheets[:20])
                raise malformed(
                    path, f"has no sheet {array!r}; it holds {known}: name one with {words.array}"
                )
            return array, ()
        filled = [name for name in book.sheets if any(any(_texts(row)) for row in book.rows(name))]
        # Notes are one cell below the other.
        wide = (name for name in filled if any(sum(map(bool, _texts(row))) > 1 for row in book.rows(name)))
        chosen = next(wide, next(iter(filled), ""))
    if not filled:
        raise malformed(path, "holds only empty sheets; at least one row is needed")
    if len(filled) == 1:
        return chosen, ()
    others = ", ".join(repr(name) for name in filled[:20] if name != chosen)
    return chosen, (f"The table is sheet {chosen!r}; {words.array} names another: {others}.",)


def layout_of_sheet(path: Path, array: str | None, options: TableOptions, words: Words) -> Layout:
    """The sheet, where the table begins in it, its header and its columns.

    Raises:
        DataError: there is no such sheet, it is empty, or a formula has no result.
        MissingExtraError: openpyxl is not installed.
    """
    name, notes = _chosen(path, array, words)
    sheet = _Sheet(path, name, _has_formulas(path))
    first = list(islice(sheet.cells(), _SAMPLE + 1))
    filled = [cells for cells in first if cells]
    if not filled:
        raise malformed(path, f"sheet {name!r} is empty; at least one row is needed")
    sheet.above, titles = _titles(first)
    body = [cells for cells in first[sheet.above :] if cells]
    sheet.left = min(next(at for at, cell in enumerate(cells) if cell) for cells in body)
    sheet.width = max(len(cells) for cells in body) - sheet.left
    if titles:
        notes += (f"Passed over above the table: {', '.join(map(repr, titles))}.",)
    if sheet.left:
        notes += (f"The table begins in column {_letter(sheet.left)} of the sheet, column 0 here.",)
    lines = b"".join(block for _, block in replace(sheet, known=first).blocks(1 << 30)).decode()
    options = replace(options, separator="comma", comment="")
    dialect = dialect_of(path, lines, whole=len(first) <= _SAMPLE, options=options, words=words)
    dialect = replace(dialect, notes=(*notes, *dialect.notes))
    return Layout(path, "xlsx", dialect, columns_of(dialect), lambda: replace(sheet))


def _titles(rows: Sequence[list[str]]) -> tuple[int, list[str]]:
    """(rows above the table, what is in them): those of one cell, where most have more than two."""
    counts = Counter(sum(map(bool, cells)) for cells in rows if cells)
    if counts.most_common(1)[0][0] <= 2:
        return 0, []
    above = next(at for at, cells in enumerate(rows) if sum(map(bool, cells)) > 1)
    return above, [cell[:40] for cells in rows[:above] for cell in cells if cell]


class Xlsx(LineTables):
    name, words, order, suffixes = "xlsx", "Excel workbooks (.xlsx)", 0, (".xlsx", ".xlsm", ".xls")
    arrays, table = True, ("decimal", "thousands", "missing", "header")

    def magic(self, start: bytes) -> bool:
        """Also of what is refused with a word on what to do."""
        name = start[30:]
        return start.startswith(_OLD) or (
            start.startswith(ZIP_MAGIC) and (name.startswith(_OFFICE) or name.startswith(_OPEN_DOCUMENT))
        )

    def layout(self, path: Path, packing: Packing | None, options: Reading, words: Words) -> Layout:
        with reading(path):
            return layout_of_sheet(path, options.array, options.table, words)


FORMATS = (Xlsx(),)
