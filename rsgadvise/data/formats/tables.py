"""CSV and TSV: delimiter, header lines and columns are found from the first lines, the rest is streamed."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TextIO

import numpy as np
from numpy.typing import NDArray

from rsgadvise.data.choose import Words
from rsgadvise.data.formats import Asked, Format
from rsgadvise.data.formats.binary import open_gzip
from rsgadvise.data.stream import (
    DEFAULT_CHUNK_BYTES,
    Array,
    Chunk,
    DataSource,
    RowArray,
    RowTaker,
    malformed,
    reading,
)

# Which columns of a table are features, which is the target and which are left out.

_SHOWN, _LONGEST = 10, 40


@dataclass(frozen=True)
class Columns:
    """Positions, counted from 0, of the columns to read, and sentences about what was chosen."""

    features: tuple[int, ...]
    targets: tuple[int, ...]
    notes: tuple[str, ...] = ()


def find_column(path: Path, names: Sequence[str] | None, width: int, wanted: str) -> int | None:
    """The column of that name, or at that index; negative indices count from the end."""
    if names is not None:
        places = [index for index, name in enumerate(names) if name == wanted]
        if len(places) > 1:
            raise malformed(
                path,
                f"has {len(places)} columns called {wanted!r}; choose one by its index, {places[0]} or so",
            )
        if places:
            return places[0]
    index = _index(wanted)
    if index is None:
        return None
    if not -width <= index < width:
        raise malformed(
            path,
            f"has no column {index}; its {width} columns are counted from 0 to {width - 1}, or from the end"
            f" as {-width} to -1, the last",
        )
    return index % width


def choose_columns(
    path: Path,
    names: Sequence[str] | None,
    width: int,
    asked: Asked,
) -> tuple[Columns, RowArray | None]:
    """Positions of the columns, and the targets if they lie in a file of their own."""
    dropped = [column for wanted in asked.exclude for column in _excluded(path, names, width, wanted)]
    targets: tuple[int, ...] = ()
    external: RowArray | None = None
    target = asked.target
    if target is not None:
        column = find_column(path, names, width, target)
        if column is None:
            external = asked.open_target(target, beside=path)
            if external is None:
                raise malformed(
                    path,
                    f"has no target column {target!r} and there is no such file;"
                    f" {_known(names, width, target)}",
                )
        elif column in dropped:
            raise malformed(path, f"column {column} is both the target and excluded; choose one of the two")
        else:
            targets = (column,)
    features = tuple(i for i in range(width) if i not in targets and i not in dropped)
    if not features:
        raise malformed(path, "has zero feature columns left; keep one besides the target")
    notes = []
    by_name = names is not None and targets and names[targets[0]] == target
    if target is not None and targets and not (by_name and _index(target) is None):  # else it was named
        notes.append(f"The target is {_listing(names, targets)}, counted from 0; -1 is the last.")
    if dropped:
        notes.append(f"Left out, counted from 0: {_listing(names, sorted(set(dropped)))}.")
    return Columns(features, targets, tuple(notes)), external


def _index(wanted: str) -> int | None:
    try:
        return int(wanted)
    except ValueError:
        return None


def _excluded(path: Path, names: Sequence[str] | None, width: int, wanted: str) -> list[int]:
    """The column of that name; else, where commas separate them, the columns of the names between."""
    column = find_column(path, names, width, wanted)
    if column is not None:
        return [column]
    parts = [part.strip() for part in wanted.split(",")] if "," in wanted else []
    if not all(parts) or not parts:
        raise malformed(path, f"has no column {wanted!r} to exclude; {_known(names, width, wanted)}")
    return [place for part in parts for place in _excluded(path, names, width, part)]


def _listing(names: Sequence[str] | None, places: Sequence[int]) -> str:
    """Columns by number and, where there is a header, by name."""
    shown = [
        str(place) if names is None else f"{place} ({names[place][:_LONGEST]!r})" for place in places[:_SHOWN]
    ]
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return f"column{'s' if len(places) > 1 else ''} {', '.join(shown)}{more}"


def _known(names: Sequence[str] | None, width: int, wanted: str) -> str:
    if names is None:
        return f"it has no header, so count its {width} columns from 0; -1 is the last"
    from difflib import get_close_matches

    close = get_close_matches(wanted, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"its columns are {listed(names)}"


def listed(names: Sequence[str]) -> str:
    """The first names of columns and the last, which mostly is the target."""
    shown = [repr(name) for name in names]
    if len(shown) > _SHOWN:
        shown[_SHOWN - 2 : -1] = ["..."]
    return ", ".join(shown)


MISSING = frozenset({"", "?", "NA", "N/A", "na", "n/a", "null", "NULL"})

_SAMPLE_LINES = 100
_MAX_LINE = 1 << 26
_DELIMITERS = "\t;,"
_ONLY_TARGETS = Words(exclude=None)


def parse_number(cell: str) -> float | None:
    """The number in a cell, or None if it holds text."""
    if "_" in cell:  # Python reads 1_000 as a number; tables do not write it
        return None
    try:
        return float(cell)
    except ValueError:
        return None


@dataclass(frozen=True)
class Layout:
    """How the lines of one file are to be read."""

    path: Path
    packed: bool
    delimiter: str
    width: int
    header_lines: int
    names: tuple[str, ...] | None
    notes: tuple[str, ...]

    def open(self) -> TextIO:
        binary = open_gzip(self.path) if self.packed else self.path.open("rb")
        return io.TextIOWrapper(binary, encoding="utf-8-sig", newline="")


def _lines(stream: TextIO, path: Path) -> Iterator[str]:
    while line := stream.readline(_MAX_LINE):
        if len(line) >= _MAX_LINE:
            raise malformed(path, f"has a line of more than {_MAX_LINE} characters; is it a table?")
        yield line


def _records(lines: Sequence[str], delimiter: str, *, strict: bool = True) -> list[tuple[int, list[str]]]:
    """Cells of each record with the number of its last line, counted from 1."""
    reader = csv.reader(lines, delimiter=delimiter, strict=strict)
    return [(reader.line_num, [cell.strip() for cell in record]) for record in reader]


def _batches(stream: TextIO, path: Path, count: int) -> Iterator[tuple[int, list[str]]]:
    """Lists of about `count` lines that end between records, with the number of the first line."""
    lines = _lines(stream, path)
    first = 1
    while True:
        batch: list[str] = []
        odd = False
        size = 0
        for line in lines:
            batch.append(line)
            odd ^= line.count('"') % 2 == 1
            size += len(line)
            if size > _MAX_LINE and odd:
                raise malformed(path, f"line {first}: a quote near here is never closed")
            if len(batch) >= count and not odd:
                break
        if not batch:
            return
        yield first, batch
        first += len(batch)


def _find_delimiter(path: Path, sample: list[str]) -> str:
    """The delimiter that splits every sampled line alike; tab before semicolon before comma."""
    best, most = ",", 0
    if path.name.lower().removesuffix(".gz").endswith(".tsv"):
        return "\t"
    for delimiter in _DELIMITERS:
        widths = [len(cells) for _, cells in _records(sample, delimiter, strict=False) if cells]
        if widths and min(widths) == max(widths) > 1:
            return delimiter
        if sum(widths) - len(widths) > most:
            best, most = delimiter, sum(widths) - len(widths)
    return best


def _header_lines(records: list[list[str]]) -> int:
    """How many leading records are headers.

    A header has text in a column that holds numbers further down, or no cell filled at all.
    """
    for index, cells in enumerate(records):
        if all(cell in MISSING for cell in cells) and any(
            cell not in MISSING for later in records[index + 1 :] for cell in later
        ):
            continue
        for column, cell in enumerate(cells):
            if cell in MISSING or parse_number(cell) is not None:
                continue
            below = (later[column] for later in records[index + 1 :] if column < len(later))
            if any(parse_number(other) is not None for other in below):
                break
        else:
            return index
    return len(records)


def find_layout(path: Path, *, packed: bool) -> Layout:
    """Delimiter, header and number of columns, from the first lines."""
    probe = Layout(path, packed, ",", 0, 0, None, ())
    with probe.open() as stream:
        sample = next(_batches(stream, path, _SAMPLE_LINES), (1, []))[1]
    if not any(line.strip() for line in sample):
        raise malformed(path, "holds only empty lines; at least one row is needed")
    delimiter = _find_delimiter(path, sample)
    numbered = [(line, cells) for line, cells in _records(sample, delimiter) if cells]
    records = [cells for _, cells in numbered]
    headers = _header_lines(records)
    if headers >= len(records):
        raise malformed(path, "has zero rows of data; at least one is needed")
    # A header of several lines may leave empty records between; numbers of lines, not of records, count.
    header_lines = numbered[headers - 1][0] if headers else 0
    width = len(records[headers])
    names: tuple[str, ...] | None = None
    notes: list[str] = []
    if headers:
        found = records[0]
        if len(found) != width:
            raise malformed(
                path,
                f"line {numbered[0][0]}: the header has {len(found)} columns and the first row {width};"
                " give every column one name",
            )
        names = (found[0].removeprefix("#").strip(), *found[1:])
        if header_lines > 1 or any(parse_number(cell) is not None for cell in found):
            notes.append(
                f"The first {header_lines} lines hold text and were taken as a header; a row of data with "
                "a cell that is not a number would be among them."
                if header_lines > 1
                else "The first line holds text above numbers, so it was taken as a header."
            )
    return Layout(path, packed, delimiter, width, header_lines, names, tuple(notes))


class TextTable(DataSource):
    """A CSV or TSV file."""

    def __init__(self, layout: Layout, columns: Columns, external: RowArray | None, words: Words) -> None:
        super().__init__(
            path=layout.path,
            format="tsv" if layout.delimiter == "\t" else "csv",
            rows=None,
            input_dim=len(columns.features),
            dtype=np.dtype(np.float64),
            has_targets=bool(columns.targets) or external is not None,
            column_names=None if layout.names is None else tuple(layout.names[i] for i in columns.features),
            column_numbers=columns.features,
            notes=(*columns.notes, *layout.notes),
        )
        self._layout = layout
        self._features = list(columns.features)
        self._targets = list(columns.targets)
        self._external = external
        self._words = words
        self._skipped = 0

        self.partial = False

    @property
    def rows_skipped(self) -> int:
        """See `DataSource.rows_skipped`."""
        return self._skipped

    def chunks(self, *, max_bytes: int = DEFAULT_CHUNK_BYTES) -> Iterator[Chunk]:
        """See `DataSource.chunks`; a target column is handed out as text."""
        taker = None if self._external is None else RowTaker(self._external, max_bytes)
        kept = skipped = 0
        for features, targets, keep in self._parsed(max_bytes):
            if taker is not None:
                targets = taker.take(len(keep))[keep]  # noqa: PLW2901
            skipped += len(keep) - len(features)
            self.partial = skipped > 0
            kept += len(features)
            if len(features):
                yield features, targets
        if taker is not None:
            taker.finish()
        if not kept:
            raise malformed(
                self.path,
                f"has a missing cell in each of its {skipped} rows; fill a column in, or"
                f" {self._words.leave_out}",
            )
        self._skipped = skipped

    def _parsed(self, max_bytes: int) -> Iterator[tuple[Array, Array | None, NDArray[np.bool_]]]:
        layout = self._layout
        count = max(1, max_bytes // (8 * layout.width))
        with reading(self.path), layout.open() as stream:
            for first, batch in _batches(stream, self.path, count):
                lines = batch[max(0, layout.header_lines - first + 1) :]
                start = max(first, layout.header_lines + 1)
                block = self._fast(lines)
                yield self._careful(lines, start) if block is None else block

    def _fast(self, lines: list[str]) -> tuple[Array, Array | None, NDArray[np.bool_]] | None:
        """Numbers straight from the lines; None if any line needs a closer look."""
        delimiter, width = self._layout.delimiter, self._layout.width
        rows = [line for line in lines if not line.isspace()]
        if not rows or any(line.count(delimiter) != width - 1 or '"' in line for line in rows):
            return None
        try:
            features = np.loadtxt(
                rows, delimiter=delimiter, usecols=self._features, comments=None, ndmin=2, dtype=np.float64
            )
        except ValueError:
            return None
        if len(features) != len(rows) or not np.isfinite(features).all():
            return None
        targets = None
        if self._targets:
            cells = [[row[i].strip() for i in self._targets] for row in (r.split(delimiter) for r in rows)]
            if any(cell in MISSING for row in cells for cell in row):
                return None
            targets = np.array(cells)
        return features, targets, np.ones(len(rows), dtype=bool)

    def _careful(self, lines: list[str], start: int) -> tuple[Array, Array | None, NDArray[np.bool_]]:
        """Cell by cell, with the line and the column of whatever is wrong."""
        features: list[list[float]] = []
        targets: list[list[str]] = []
        keep: list[bool] = []
        for offset, cells in _records(lines, self._layout.delimiter):
            if not cells:
                continue
            line = start + offset - 1
            if len(cells) != self._layout.width:
                raise malformed(
                    self.path,
                    f"line {line}: has {len(cells)} columns where the first row has {self._layout.width};"
                    " give every row the same number",
                )
            missing = any(cells[i] in MISSING for i in (*self._features, *self._targets))
            numbers = [self._number(line, column, cells[column]) for column in self._features if not missing]
            keep.append(not missing)
            if not missing:
                features.append(numbers)
                targets.append([cells[i] for i in self._targets])
        return (
            np.array(features, dtype=np.float64).reshape(len(features), len(self._features)),
            np.array(targets) if self._targets and targets else None,
            np.array(keep, dtype=bool),
        )

    def _number(self, line: int, column: int, cell: str) -> float:
        value = parse_number(cell)
        if value is None:
            fix = self._words.no_number(named=bool(self._targets))
            self._refuse(line, column, f"{cell[:40]!r} is not a number; {fix}")
        if not math.isfinite(value):
            self._refuse(line, column, f"{cell[:40]!r} is not finite; remove the row or fill in a number")
        return value

    def _refuse(self, line: int, column: int, message: str) -> NoReturn:
        name = "" if self._layout.names is None else f" ({self._layout.names[column]!r})"
        raise malformed(self.path, f"line {line}, column {column}{name}: {message}")


def open_table(path: Path, asked: Asked) -> TextTable:
    """One CSV or TSV file; columns are named or counted from 0, and from the end with a minus sign."""
    with reading(path):
        layout = find_layout(path, packed=asked.packed)
        columns, external = choose_columns(path, layout.names, layout.width, asked)
        return TextTable(layout, columns, external, asked.words)


def read_target_table(path: Path, *, packed: bool) -> RowArray:
    """A table that was named as the file of the targets: every column is one."""
    with reading(path):
        layout = find_layout(path, packed=packed)
        table = TextTable(
            layout, Columns(features=(), targets=tuple(range(layout.width))), None, _ONLY_TARGETS
        )

    def blocks(max_bytes: int) -> Iterator[Array]:
        for _, targets in table.chunks(max_bytes=max_bytes):
            if table.partial:
                raise malformed(path, "has missing cells among the targets; give one target per row")
            if targets is not None:
                yield targets

    return RowArray(label=str(path), rows=None, columns=layout.width, dtype=np.dtype(np.str_), blocks=blocks)


_SUFFIXES = {"", ".csv", ".tsv", ".tab", ".txt", ".data", ".dat"}


class Text(Format):
    """Tables of text, which have no first bytes of their own."""

    name, words, order, packs, columns = "csv", "CSV and TSV (also .gz)", 7, True, True

    def named(self, path: Path, start: bytes) -> bool:
        suffix = Path(path.name.lower().removesuffix(".gz")).suffix
        return bool(start) and suffix in _SUFFIXES and _is_text(start)

    def open(self, path: Path, asked: Asked) -> DataSource:
        return open_table(path, asked)

    def targets(self, path: Path, *, packed: bool) -> RowArray:
        return read_target_table(path, packed=packed)


def _is_text(start: bytes) -> bool:
    if b"\0" in start:
        return False
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(start) - 3 and error.reason == "unexpected end of data"
    return True


FORMATS = (Text(),)
