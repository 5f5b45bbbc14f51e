"""Tables of text, parsed by pandas in blocks; what it refuses is looked at cell by cell, to say where."""

from __future__ import annotations

import csv
import io
import math
import re
import shlex
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import field, replace
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np

from rsgadvise.data.columns import (
    Column,
    ColumnKind,
    Columns,
    Table,
    alike,
    choose_columns,
    retyped,
    targets_among,
    units_of,
)
from rsgadvise.data.dialect import (
    ABSENT,
    BLANKS,
    FALSE,
    NO_NUMBER,
    TRUE,
    Dialect,
    TableOptions,
    dialect_of,
    is_amount,
    is_date,
    is_marked,
)
from rsgadvise.data.formats import Format, all_formats
from rsgadvise.data.packing import Packing, unpacked_name
from rsgadvise.data.reading import Asked, Reading
from rsgadvise.data.spool import MEMORY_BYTES, Spool
from rsgadvise.data.stream import (
    Array,
    Chunk,
    DataSource,
    RowArray,
    malformed,
    reading,
)
from rsgadvise.data.text import NO_TEXT, Records, encoding_of, first_lines, writing_of
from rsgadvise.data.words import ONLY_TARGETS, OPTIONS, Words
from rsgadvise.records import dataclass

BLOCK_BYTES = 1 << 21  # of text for one call of pandas, and for each of its threads
_THREADS = 2
_LARGEST_FREED = 31 << 20
_STAND_INS = frozenset(
    f"{sign}{9 * (10**k - 1) // 9}{end}"
    for k in (2, 3, 4, 5)
    for sign in ("", "-")
    for end in ("", ".0", ".9")
)
_SUMMARIES = frozenset(
    {
        *("total", "totals", "grand total", "sum", "average", "mean", "avg", "summe", "gesamt", "insgesamt"),
        *("mittelwert", "durchschnitt", "total général", "somme", "moyenne", "totale", "somma", "media"),
        *("suma", "promedio", "totaal", "gemiddelde", "soma", "média"),
    }
)
"""What a row that sums up the others is called."""
_LIST = re.compile(r"\[{0}\]|\({0}\)|{0}".format(r"[-+.,;\d\seE]+"), re.ASCII)
_MARKS = str.maketrans(",;", "  ")
_LISTS = 20  # cells that tell whether all of a column are lists
_SHORTEST = 5  # of numbers that no brackets enclose; less may be that of a telephone
_LONG = re.compile(r"[+-]?\d{16,}")  # a whole number that may be none of the floats
_LONGEST_MARK = 40  # of a missing cell
_TRUTHS = {**dict.fromkeys(TRUE, 1.0), **dict.fromkeys(FALSE, 0.0)}


class Lines(Protocol):
    """One pass over the lines of a table; `latin` is the first one that is not UTF-8, if one is."""

    latin: int | None

    def blocks(self, size: int) -> Iterator[tuple[int, bytes]]: ...


@dataclass(frozen=True)
class Layout:
    """One table, and how its lines are to be read.

    Attributes:
        path: the file.
        format: its short name.
        dialect: how the lines are written.
        columns: what they hold.
        lines: starts a pass over them.
        line: what messages call one.
        written: how the file is written, as `TableOptions` have it.
    """

    path: Path
    format: str
    dialect: Dialect
    columns: tuple[Column, ...]
    lines: Callable[[], Lines]
    line: str = "line"
    written: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str | None, ...]:
        return tuple(column.name for column in self.columns)


def layout_of(path: Path, packing: Packing | None, options: TableOptions, words: Words) -> Layout:
    """Encoding, separator, header and columns, from the first lines."""
    writing = writing_of(path, packing, options.encoding, words)
    text, whole = first_lines(path, packing, writing)
    name = unpacked_name(path)
    if options.separator is None and name.endswith(".tsv") and "\t" in text:
        options = replace(options, separator="tab")
    dialect = dialect_of(path, text, whole=whole, options=options, words=words)
    return Layout(
        path,
        "tsv" if dialect.separator == "\t" else "csv",
        dialect,
        columns_of(dialect),
        lambda: Records(path, packing, writing, comment=dialect.comment, drawn=dialect.drawn),
        written=_written(dialect),
    )


def _written(dialect: Dialect) -> dict[str, Any]:
    """How others of the kind are written: what a few lines of them would not show."""
    numbers = dialect.numbers
    options: dict[str, Any] = {"decimal": numbers.decimal, "thousands": numbers.thousands or None}
    if not dialect.collapsed:
        options["separator"] = dialect.separator
    if dialect.names is None or (dialect.header and dialect.header_lines == 1):
        options["header"] = dialect.names is not None
    return options


def columns_of(dialect: Dialect) -> tuple[Column, ...]:
    """What the columns of a table hold, from its first rows."""
    names = dialect.names or (None,) * dialect.width
    return tuple(_column(name, [row[at] for row in dialect.rows], dialect) for at, name in enumerate(names))


def _column(name: str | None, cells: list[str], dialect: Dialect) -> Column:
    """What a column holds, from its first cells."""
    filled = [cell for cell in cells if not dialect.absent(cell)]
    held = [cell for cell in filled if cell not in NO_NUMBER]
    values = [dialect.numbers.value(cell) for cell in held]
    numbers = [value for value in values if value is not None]
    kind: ColumnKind = "word"
    if not filled:
        kind = "empty"
    elif values and all(cell in _TRUTHS for cell in held):
        kind = "truth"
    elif numbers and 2 * len(numbers) >= len(values):
        # The others are mistakes, which are named where they are read.
        kind = "marked" if any(map(is_marked, filled)) else "number"
    elif values and all(map(is_date, held)):
        kind = "date"
    counts = kind == "number" and len(numbers) == len(cells) and numbers[0] in (0.0, 1.0)
    counts = counts and numbers == [numbers[0] + at for at in range(len(numbers))]
    if kind == "word" and (width := _numbers_in(held)):
        return Column(name, "marked", tuple(filled), holds=f"lists of {width} numbers", width=width)
    unit = ""
    if kind == "word" and (unit := dialect.numbers.unit(held or [""])):
        kind = "marked"
    holds = "text"
    if (
        kind == "marked"
        and len({cell[-1:] == "%" for cell, each in zip(held, values, strict=True) if each}) > 1
    ):
        kind, holds = "other", "numbers in percent beside others,"
    if kind == "word" and 2 * sum(map(is_amount, filled)) > len(filled):
        kind, holds = "other", "numbers beside text,"
    example = next(iter(held), "")
    distinct = kind == "number" and len(set(numbers)) == len(cells) and all(each % 1 == 0 for each in numbers)
    return Column(
        name, kind, tuple(filled), counts, f"{holds} such as {example[:40]!r}", unit=unit, distinct=distinct
    )


def _numbers_in(cells: Sequence[str]) -> int:
    """How many numbers each of the first cells lists; 0 if they are no lists, or may be something else."""
    lists = [_list_of(cell) for cell in cells[:_LISTS]]
    sizes = {len(listed or ()) for listed in lists}
    least = 1 if all(cell[:1] in ("[", "(") for cell in cells) else _SHORTEST
    return sizes.pop() if len(sizes) == 1 and max(sizes) >= least else 0


def _of_lists(layout: Layout, chosen: Columns) -> Iterator[str]:
    for at, width in chosen.widths.items():
        yield f"Column {at} ({layout.names[at]!r}) holds lists of {width} numbers, each of them an input."


def _list_of(cell: str) -> list[float] | None:
    """The numbers in a cell such as [1.5, 2] or 70 80 82 72."""
    parts = cell.strip("[]() ").translate(_MARKS).split() if _LIST.fullmatch(cell) else [""]
    try:
        return list(map(float, parts))
    except ValueError:
        return None


class TextTable(Table):
    """A table of text."""

    def __init__(self, layout: Layout, columns: Columns, external: RowArray | None, words: Words) -> None:
        named = layout.dialect.names is not None
        super().__init__(
            layout.columns,
            columns,
            external,
            words,
            path=layout.path,
            format=layout.format,
            written=layout.written,
            rows=None,
            dtype=np.dtype(np.float64),
            column_names=columns.input_names(layout.names) if named or columns.words else None,
            notes=(
                *columns.notes,
                *_of_lists(layout, columns),
                *units_of(layout.columns, columns),
                *layout.dialect.notes,
            ),
        )
        self._layout = layout
        self._kept: _Kept | None = None

    def spelled(self, numbers: Sequence[float]) -> Mapping[float, str]:
        """As the first rows write them, or where these lack one any row; the shortest of several ways."""
        layout, (at,) = self._layout, self.chosen.targets or (-1,)
        if at < 0 or layout.columns[at].kind == "word":
            return {}
        value = _value(layout, at)
        spellings = _shortest(layout.columns[at].cells, value)
        if not spellings.keys() >= set(numbers):
            words = TextTable(_as_words(layout, at), Columns((), (at,), {}), None, self._words)
            cells = (targets for _, targets, _ in words._parsed() if targets is not None)
            spellings |= _shortest((cell for block in cells for cell in block[:, 0]), value)
        return spellings

    def stored(self, max_bytes: int) -> Iterator[Chunk]:
        """See `DataSource.stored`; a second pass reads what the first one found, and parses nothing."""
        rows = max(1, max_bytes // (8 * max(1, self.input_dim)))
        if self._kept is not None:
            yield from self._kept.chunks(rows)
            return
        kept = _Kept(self.input_dim)
        with ThreadPoolExecutor(max_workers=1) as writer:
            for features, targets in self._whole(self._parsed(), max_bytes):
                written = writer.submit(kept.add, features, targets)
                for first in range(0, len(features), rows):
                    part = slice(first, first + rows)
                    yield features[part], None if targets is None else targets[part]
                written.result()
        self._kept = kept if kept.complete else None

    def _parsed(self) -> Iterator[tuple[Array, Array | None, Array]]:
        """(features, targets, what every row lacks) of each block, parsed ahead on several threads."""
        layout = self._layout
        parser = _Parser(layout, self.chosen, self._words, targeted=self.has_targets)
        records = layout.lines()
        # The GNU allocator gives large blocks back to the system, and every new one costs page faults, until
        # it has seen one freed that is as large; a third of the time of a pass. None of it is touched.
        np.empty(_LARGEST_FREED, np.uint8)
        with reading(self.path), ThreadPoolExecutor(max_workers=_THREADS) as pool:
            pending: deque[Future[tuple[Array, Array | None, Array]]] = deque()
            try:
                for first, block in records.blocks(BLOCK_BYTES):
                    pending.append(pool.submit(parser.block, first, block))
                    if len(pending) > _THREADS:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()
        notes = []
        if records.latin is not None:
            notes.append(f"Line {records.latin} is not UTF-8: read as Latin-1.")
        if parser.headers:
            notes.append(f"Passed over, lines that repeat the header: {parser.headers}.")
        self.notes = tuple(dict.fromkeys((*self.notes, *notes)))


class _Parser:
    """Blocks of text to numbers."""

    def __init__(self, layout: Layout, columns: Columns, words: Words, *, targeted: bool) -> None:
        self._layout, self._columns, self._words, self._targeted = layout, columns, words, targeted
        dialect = layout.dialect
        self._wanted = sorted({*columns.features, *columns.targets})
        self._kinds = {place: layout.columns[place].kind for place in self._wanted}
        self._plain = {place for place in self._wanted if self._kinds[place] in ("number", "empty")}
        told = ((place, layout.columns[place].words) for place in self._wanted)
        self._known = {place: frozenset(words) for place, words in told if words}
        self._header, self.headers = dialect.header.encode(), 0  # and how often it came again
        own = dialect.missing
        everywhere = sorted(ABSENT | own)
        numbers = sorted(ABSENT | NO_NUMBER | own)
        # Said once for all columns where they are alike: a table may have many thousands.
        self._alike = len(self._plain) == dialect.width
        places = range(dialect.width)
        missing = {place: numbers if place in self._plain else everywhere for place in places}
        texts = [place for place in self._wanted if place not in self._plain]
        # What pandas cannot be told.
        self._slow = dialect.collapsed or not dialect.numbers.thousands.isascii()
        self._options: dict[str, Any] = {
            "sep": r"\s+" if dialect.separator == BLANKS else dialect.separator,
            "header": None,
            "names": range(dialect.width),
            "index_col": None,
            "dtype": dict.fromkeys(texts, object),  # of numbers pandas finds it, which is faster
            "decimal": dialect.numbers.decimal,
            "thousands": dialect.numbers.thousands or None,
            "na_values": numbers if self._alike else missing,
            "keep_default_na": False,
            "skipinitialspace": dialect.spaced,
            "engine": "c",
            "low_memory": False,
        }

    def block(self, first: int, data: bytes) -> tuple[Array, Array | None, Array]:
        """(features, targets, what every row lacks) of a block that begins at that line."""
        header = self._layout.dialect.header_lines - first + 1
        if header > 0:
            data = b"".join(data.split(b"\n", header)[header:])
            first += header
        if self._header and self._header in data:
            data, again = re.subn(rb"(?m)^%b$" % re.escape(self._header), b"", data)
            self.headers += again
        columns = None if self._slow else self._fast(data)
        rows = 0 if columns is None else len(next(iter(columns.values()))) if columns else 0
        if columns is None:
            columns, rows = self._careful(data, first)
        return self._columns.assemble(columns, rows)

    def _fast(self, data: bytes) -> dict[int, Array] | None:
        """The columns by pandas; None if a closer look is needed."""
        import pandas as pd

        dialect = self._layout.dialect
        if not data or data.isspace():
            return {place: np.empty(0) for place in self._wanted}
        try:
            frame = pd.read_csv(io.BytesIO(data), **self._options)
        except (ValueError, OverflowError):  # also pandas' own errors of the parser
            return None
        # A row of more cells than there are columns makes an index, and a shorter one is filled up.
        short = frame[dialect.width - 1].isna().any() and not self._whole(data, len(frame))
        if short or not isinstance(frame.index, pd.RangeIndex):
            return None
        if self._alike:
            values = frame.to_numpy()
            bad = values.dtype.kind not in "iuf" or np.isinf(values).any()
            return (
                None
                if bad
                else {place: values[:, place].astype(np.float64, copy=False) for place in self._wanted}
            )
        columns = {place: self._column_of(frame[place].to_numpy(), place) for place in self._wanted}
        return None if any(column is None for column in columns.values()) else columns  # type: ignore[return-value]

    def _column_of(self, column: Array, place: int) -> Array | None:
        """The numbers or words of a column; None if a cell of it has to be looked at."""
        if place in self._plain:
            bad = column.dtype.kind not in "iuf" or np.isinf(column).any()
            return None if bad else column.astype(np.float64, copy=False)
        return self._words_of(column, place)

    def _whole(self, data: bytes, rows: int) -> bool:
        """Whether every row has all its cells, from the number of separators: pandas fills short ones up."""
        separator = self._layout.dialect.separator
        if separator == BLANKS or b'"' in data:
            return False
        return data.count(separator.encode()) == rows * (self._layout.dialect.width - 1)

    def _words_of(self, column: Array, place: int) -> Array | None:
        """A column that pandas left as text; None if a cell of it is neither of its kind nor missing."""
        from pandas import factorize

        dialect, kind = self._layout.dialect, self._kinds[place]
        codes, different = factorize(column)  # -1 where a cell is missing
        cells = [str(cell).strip() for cell in different]
        if any(self._unknown(place, cell) for cell in cells):
            return None
        if kind in ("truth", "marked"):
            value = _value(self._layout, place)
            gone = [dialect.absent(cell) or cell in NO_NUMBER for cell in cells]
            nothing = self._nothing(place)
            numbers = [nothing if lost else value(cell) for cell, lost in zip(cells, gone, strict=True)]
            if any(number is None for number in numbers):
                return None
            values = np.asarray([*numbers, nothing], np.float64)
            return np.asarray(values[codes])
        words = np.asarray([*(None if dialect.absent(cell) else cell for cell in cells), None], object)
        return np.asarray(words[codes])

    def _nothing(self, place: int) -> float | list[float]:
        """What a missing cell holds."""
        width = self._layout.columns[place].width
        return math.nan if width is None else [math.nan] * width

    def _careful(self, data: bytes, first: int) -> tuple[dict[int, Array], int]:
        """Cell by cell, with the line and the column of whatever is wrong."""
        dialect, path = self._layout.dialect, self._layout.path
        try:
            records = dialect.split(data.decode())
        except csv.Error as error:
            raise malformed(
                path, f"after {self._layout.line} {first}: {error}; is a quote not closed?"
            ) from error
        columns: dict[int, list[Any]] = {place: [] for place in self._wanted}
        for offset, cells in records:
            line = first + offset - 1
            if len(cells) != dialect.width:
                raise malformed(
                    path,
                    f"{self._layout.line} {line}: has {len(cells)} columns where most rows have "
                    f"{dialect.width}; give every row the same number{self._blanks()}",
                )
            for place in self._wanted:
                columns[place].append(self._cell(line, place, cells[place]))
        arrays = {
            place: np.asarray(values, dtype=object if self._kinds[place] in ("word", "date") else np.float64)
            for place, values in columns.items()
        }
        return arrays, len(records)

    def _blanks(self) -> str:
        """What else may help where blanks separate cells, and an empty one cannot be seen."""
        if self._layout.dialect.separator != BLANKS or not self._words.said:
            return ""
        return f", or, if two blanks enclose an empty cell, say {self._words.table_key('separator', 'space')}"

    def _cell(self, line: int, place: int, cell: str) -> float | list[float] | str | None:
        kind, dialect = self._kinds[place], self._layout.dialect
        if kind in ("word", "date"):
            if self._unknown(place, cell):
                known = ", ".join(self._layout.columns[place].words)
                self._refuse(
                    line, place, f"{cell[:40]!r} is none of its words, {known[:80]}; correct one of them"
                )
            return None if dialect.absent(cell) else cell
        if dialect.absent(cell) or cell in NO_NUMBER:
            return self._nothing(place)
        value: float | list[float] | None = _value(self._layout, place)(cell)
        if value is None:
            what = "neither True nor False" if kind == "truth" else "not a number"
            what = what if dialect.numbers.value(cell) is None else "not in percent, as others are"
            what = what if self._layout.columns[place].width is None else "no list of as many numbers"
            self._refuse(line, place, f"{cell[:40]!r} is {what}; {self._fix(place, cell)}")
        if not np.isfinite(value).all():
            self._refuse(line, place, f"{cell[:40]!r} is not finite; remove the row or fill in a number")
        return value

    def _unknown(self, place: int, cell: str) -> bool:
        """Whether the file says which words there are, and this is none of them."""
        words = self._known.get(place)
        return words is not None and cell not in words and not self._layout.dialect.absent(cell)

    def _fix(self, place: int, cell: str) -> str:
        """What to do about a cell that is no number, in a column of numbers."""
        words = self._words
        if words.fixed:
            return "as in the rows that were trained on it has to be one; correct it, or leave it empty"
        if not words.said:
            return "correct it, or, if the targets are classes, write words alone"
        fix = f"if it stands for a missing value, {words.table_key('missing', cell)}; "
        if len(cell) > _LONGEST_MARK:
            fix = "correct it; "
        if place in self._columns.targets:
            return f"{fix}if the targets are classes, {words.setting('target_kind', 'classes')}"
        return f"{fix}else {words.no_number(named=self._targeted)}"

    def _refuse(self, line: int, place: int, message: str) -> NoReturn:
        name = self._layout.names[place]
        called = "" if name is None else f" ({name!r})"
        raise malformed(self._layout.path, f"{self._layout.line} {line}, column {place}{called}: {message}")


def _truth(cell: str) -> float | None:
    return _TRUTHS.get(cell.strip())


def _value(layout: Layout, place: int) -> Callable[[str], Any]:
    """What finds the number, or the list of them, in a cell of a column; None where there is none."""
    value, column = layout.dialect.numbers.value, layout.columns[place]
    if column.width is not None:
        return lambda cell: listed if len(listed := _list_of(cell) or ()) == column.width else None
    if column.kind == "truth":
        return _truth
    if column.percent:
        # Beside 5 % a plain 5 may be either.
        return lambda cell: None if (number := value(cell)) and "%" not in cell else number
    return (lambda cell: value(cell.strip().removesuffix(column.unit))) if column.unit else value


def _shortest(cells: Iterable[str], value: Callable[[str], float | None]) -> dict[float, str]:
    """The shortest of the cells that hold a number, for each number."""
    pairs = ((value(cell), cell) for cell in sorted(set(cells), key=lambda cell: (len(cell), cell))[::-1])
    return {number: cell for number, cell in pairs if number is not None}


class _Kept:
    """The rows of a first pass for those after it; targets, which may be words, stay in memory."""

    def __init__(self, width: int) -> None:
        self._features = Spool(width)
        self._targets: list[Array] = []
        self._bytes = 0

    @property
    def complete(self) -> bool:
        return self._features.complete

    def add(self, features: Array, targets: Array | None) -> None:
        """Keep the next rows; where there is no room for them, none are kept."""
        self._features.add(features)
        if targets is not None and self.complete:
            self._bytes += targets.nbytes
            self._targets.append(targets)
            if self._bytes > MEMORY_BYTES:
                self._features.drop()

    def chunks(self, rows: int) -> Iterator[Chunk]:
        """All of them again."""
        targets = np.concatenate(self._targets) if self._targets else None
        for first in range(0, self._features.rows, rows):
            features = self._features.read(first, rows)
            yield features, None if targets is None else targets[first : first + len(features)]


def table_of(layout: Layout, asked: Asked) -> TextTable:
    """The columns that are asked for, of anything that is written as lines of text."""
    with reading(layout.path):
        if isinstance(asked.trained, Table):
            places = alike(layout.path, layout.columns, asked.trained)
            layout = replace(layout, columns=retyped(layout.columns, places, asked.trained))

        def vocabulary(places: Sequence[int]) -> Iterator[tuple[int, list[str]]]:
            """In a pass of its own."""
            gaps = frozenset(places) if asked.keeps_gaps else frozenset[int]()
            of_words = TextTable(layout, Columns((), tuple(places), {}, gaps=gaps), None, asked.words)
            for _, words, _ in of_words._parsed():
                for at, place in enumerate(places):
                    yield place, [] if words is None else words[:, at].tolist()

        columns, external = choose_columns(layout.path, layout.columns, asked, vocabulary)
        if columns.targets and any(map(_LONG.fullmatch, layout.columns[columns.targets[0]].cells)):
            layout = _as_words(layout, columns.targets[0])
        _refuse_summary(layout, columns)
        columns = replace(columns, notes=(*columns.notes, *_stand_ins(layout, columns, asked.words)))
        if asked.reading.target_kind == "classes" and columns.targets:
            layout = _as_words(layout, columns.targets[0])
        return TextTable(layout, columns, external, asked.words)


def _stand_ins(layout: Layout, chosen: Columns, words: Words) -> Iterator[str]:
    """On numbers such as -999 that lie far from all others of their column."""
    for at in (*chosen.features, *chosen.targets):
        column = layout.columns[at]
        if column.kind != "number" or not words.said or _STAND_INS.isdisjoint(column.cells):
            continue
        value = layout.dialect.numbers.value
        stand_ins = _STAND_INS.intersection(column.cells)
        others = [value(cell) or 0.0 for cell in column.cells if cell not in stand_ins]
        far = [
            cell
            for cell in sorted(stand_ins)
            if others
            and min(abs((value(cell) or 0.0) - other) for other in others) > 5 * (max(others) - min(others))
        ]
        if far:
            name = "" if column.name is None else f" ({column.name!r})"
            yield (
                f"Column {at}{name} holds {far[0]}, far from every other number; if that stands for a "
                f"missing value, {words.table_key('missing', far[0])}."
            )


def _refuse_summary(layout: Layout, chosen: Columns) -> None:
    """Raise for a last row that is called a total or a mean, and is that of the rows above it."""
    (*above, last), read = layout.dialect.rows or ((),), (*chosen.features, *chosen.targets)
    called = next((cell for cell in last if cell.strip(" :").lower() in _SUMMARIES), None)
    if called is None or any(layout.dialect.absent(last[at]) for at in read):
        return
    for at in (
        place for place in read if layout.columns[place].numeric and layout.columns[place].width is None
    ):
        value = _value(layout, at)
        own, others = value(last[at]), [number for row in above if (number := value(row[at])) is not None]
        sums = (sum(others), sum(others) / len(others)) if own and len(others) > 1 else ()
        if own and any(math.isclose(own, total, rel_tol=1e-3) for total in sums):
            raise malformed(
                layout.path, f"its last row, {called!r}, sums up those above; take it out of the file"
            )


def _as_words(layout: Layout, place: int) -> Layout:
    """The same, with a column of labels, whatever they look like."""
    columns = list(layout.columns)
    old = columns[place]
    columns[place] = Column(old.name, "word", old.cells)
    return replace(layout, columns=tuple(columns))


def targets_of(layout: Layout) -> RowArray:
    """The targets in a table of their own."""
    path = layout.path
    with reading(path):
        places = targets_among(layout.columns)
        table = TextTable(layout, Columns((), places, {}), None, ONLY_TARGETS)

    def blocks(max_bytes: int) -> Iterator[Array]:
        for _, targets in table.chunks(max_bytes=max_bytes):
            if table.partial:
                raise malformed(path, "has missing cells among the targets; give one target per row")
            if targets is not None:
                yield targets

    return RowArray(label=str(path), rows=None, columns=len(places), dtype=np.dtype(np.str_), blocks=blocks)


_SUFFIXES = {"", ".csv", ".tsv", ".tab", ".txt", ".data", ".dat", ".asc", ".train", ".test"}
_NO_TABLES = {".yaml", ".yml", ".toml", ".py", ".ipynb"}  # text that is named as something else


def text_blocks(rows: Iterable[Sequence[str]], size: int) -> Iterator[tuple[int, bytes]]:
    """(number of its first line, text) of rows as lines separated by commas, in blocks of some such size."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    first = 1
    for number, cells in enumerate(rows, start=1):
        writer.writerow(cells)
        if text.tell() >= size:
            yield first, text.getvalue().encode("utf-8", "replace")
            text.seek(0)
            text.truncate()
            first = number + 1
    if text.tell():
        yield first, text.getvalue().encode("utf-8", "replace")


class LineTables(Format):
    """Files that are read as lines of a table."""

    columns = True

    @abstractmethod
    def layout(self, path: Path, packing: Packing | None, options: Reading, words: Words) -> Layout:
        """How the lines are to be read, and what the columns hold.

        Raises:
            DataError: it is no such table, or has no row.
        """

    def sample(self, path: Path, *, packing: Packing | None, reading: Reading) -> tuple[Column, ...]:
        return self.layout(path, packing, reading, OPTIONS).columns

    def open(self, path: Path, asked: Asked) -> DataSource:
        return table_of(self.layout(path, asked.packing, asked.reading, asked.words), asked)

    def targets(self, path: Path, *, packing: Packing | None) -> RowArray:
        return targets_of(self.layout(path, packing, Reading(), ONLY_TARGETS))


def _names_one(options: Reading, first: Sequence[str]) -> bool:
    """Whether a first line that looks like the others holds the name of the target, and none of a place."""
    wanted = options.target
    return (
        options.table.header is None
        and wanted in first
        and not (re.fullmatch(r"-?\d+", wanted or "") and -len(first) <= int(wanted or 0) < len(first))
    )


class Text(LineTables):
    """Tables of text, which have no first bytes of their own."""

    name, words, order, packs = "csv", "tables of text (CSV, TSV and the like, also packed)", 90, True
    table = TableOptions.__slots__

    def named(self, path: Path, start: bytes) -> bool:
        suffix = Path(unpacked_name(path)).suffix
        if suffix not in _SUFFIXES and (
            suffix in _NO_TABLES
            or NO_TEXT.search(start)
            or any(suffix in each.suffixes for each in all_formats())
        ):
            return False
        return bool(start) and encoding_of(start) is not None

    def layout(self, path: Path, packing: Packing | None, options: Reading, words: Words) -> Layout:
        with reading(path):
            layout = layout_of(path, packing, options.table, words)
            if layout.dialect.names is None and _names_one(options, layout.dialect.rows[0]):
                layout = layout_of(path, packing, replace(options.table, header=True), words)
        if len(layout.columns) == 1 and layout.columns[0].kind == "word" and words.said:
            fix = (
                f"if a mark separates its cells, name it with {words.table_key('separator', 'MARK')}"
                if len(re.findall("[,;\t]", layout.columns[0].cells[0])) == 0
                else f'if quotes enclose whole lines, take them off: sed \'s/^"//; s/"$//; s/""/"/g\' '
                f"{shlex.quote(str(path))} > table.csv"
            )
            raise malformed(path, f"has one column, of {layout.columns[0].holds}; {fix}")
        return layout


FORMATS = (Text(),)
