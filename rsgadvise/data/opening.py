"""Finds the format of a file by its first bytes, then by its name, and hands it to its reader."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rsgadvise.data.columns import Column, Table
from rsgadvise.data.dialect import TableOptions
from rsgadvise.data.formats import Format, all_formats
from rsgadvise.data.packing import Packing, packing_of
from rsgadvise.data.reading import Asked, Categories, Missing, Reading, said
from rsgadvise.data.stream import DataSource, RowArray, TargetKind, malformed
from rsgadvise.data.stream import reading as safely
from rsgadvise.data.text import NO_TEXT, encoding_of
from rsgadvise.data.words import OPTIONS, TRAINED, Words
from rsgadvise.errors import DataError, UsageError

_HTML, _XML = rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|table)\b", rb"(\xef\xbb\xbf)?\s*<\?xml"


def _by_pandas(reader: str, rest: str = "", **options: str) -> Callable[[str], str]:
    said = "".join(f", {key}={value!r}" for key, value in options.items())
    return lambda path: _AS_CSV + f"pandas.{reader}({path!r}{said}){rest}.to_csv('table.csv', index=False)"


_AS_CSV, _UNPACK = "write its table as CSV: ", "unpack it and name a file in it"
_FOREIGN: tuple[tuple[bytes, str, Callable[[str], str]], ...] = (
    (rb"SQLite format 3\0", "an SQLite database",
     lambda path: f"{_AS_CSV}sqlite3 -header -csv {shlex.quote(path)} 'SELECT * FROM NAME' > table.csv"),
    (_HTML, "a web page", lambda path: f"{_by_pandas('read_html', '[0]')(path)} (with lxml installed)"),
    (_XML, "XML", _by_pandas("read_xml", parser="etree")),
    (rb"\s*\\(begin|documentclass)\b", "LaTeX",
     lambda path: f"{_AS_CSV}sed -n 's/ *\\\\\\\\.*//; s/ *& */,/gp' {shlex.quote(path)} > table.csv"),
    (rb"(--[^\n]*\n|\s)*(create table|insert into|begin transaction)\b", "SQL",
     lambda path: f"{_AS_CSV}sqlite3 -header -csv :memory: {shlex.quote(f'.read {path}')} "
     "'SELECT * FROM NAME' > table.csv"),
    (rb"<stata_dta>|[\x71-\x73]\x02\x01\0", "of Stata", _by_pandas("read_stata")),
    (rb"\$FL[23]", "of SPSS", _by_pandas("read_spss")),
    (rb"\0{12}\xc2\xea\x81\x60|HEADER RECORD\*{7}LIB", "of SAS", _by_pandas("read_sas")),
    (rb"ORC(?=.{,200}\0)", "ORC", _by_pandas("read_orc")),
    (rb"Obj\x01", "Avro", lambda path: f"{_AS_CSV}pandas.DataFrame(fastavro.reader(open({path!r}, 'rb')))"
     ".to_csv('table.csv', index=False)"),
    (rb"RD[AXB][23]\n|X\n\0\0\0[\2\3]", "of R",
     lambda _: f"{_AS_CSV}write.csv(NAME, 'table.csv', row.names = FALSE)"),
    (rb"%PDF-", "a PDF", lambda _: f"{_AS_CSV}the program that made it"),
    (rb"7z\xbc\xaf|Rar!", "an archive", lambda _: _UNPACK),
    (rb".{257}ustar", "an archive (tar)", lambda path: f"{_UNPACK}: tar xf {shlex.quote(path)}"),
    (rb"x[\x01\x5e\x9c\xda](?=.{,200}[\0-\x08])", "of zlib or joblib",
     lambda _: "save its arrays with numpy.savez"),
    (rb"version https://git-lfs", "a pointer of Git LFS", lambda _: "fetch the file itself: git lfs pull"),
    (rb"\x89PNG|\xff\xd8\xff", "a single image", lambda _: "name the folder that holds all of them"),
)  # fmt: skip
"""First bytes of what is no data here, what it is, and what to do."""


def _refuse_foreign(path: Path, start: bytes) -> None:
    for pattern, what, fix in _FOREIGN:
        if re.match(pattern, start, re.IGNORECASE | re.DOTALL):
            raise malformed(path, f"is {what}, which is not read; {fix(str(path))}")


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError as error:
        raise malformed(path, "does not exist; check the path") from error
    except (OSError, ValueError) as error:
        raise malformed(path, f"cannot be read: {error}; check the path") from error


def _first_bytes(path: Path, mode: int) -> bytes:
    if not stat.S_ISREG(mode):
        raise malformed(path, "is not a regular file; the data is read more than once, so save it first")
    if not os.access(path, os.R_OK):
        raise malformed(path, "cannot be read: permission denied; check its mode")
    with safely(path), path.open("rb") as stream:
        start = stream.read(4096)
    if not start:
        raise malformed(path, "is empty; at least one row is needed")
    return start


def _detect(path: Path) -> tuple[Format, Packing | None]:
    """The format, and how the file is packed."""
    mode = _mode(path)
    if stat.S_ISDIR(mode):
        return next(each for each in all_formats() if each.folders), None
    start = _first_bytes(path, mode)
    packing = packing_of(path, start)
    formats = all_formats()
    if packing is not None:
        with safely(path), packing.open(path) as stream:
            start = stream.read(4096)
        formats = tuple(each for each in formats if each.packs)
    _refuse_foreign(path, start)
    found = [each for each in formats if each.magic(start) and each.holds(path)] or [
        each for each in formats if each.named(path, start)
    ]
    if found:
        return found[0], packing
    if packing is not None:
        *most, last = [each.words for each in formats]
        raise malformed(
            path,
            f"is packed ({packing.name}) with neither {', '.join(most)} nor {last} inside; unpack it first",
        )
    suffix = path.suffix.lower()
    promised = [each.words for each in formats if suffix in each.suffixes]
    if promised:
        fix = f"it may be damaged, write it again as {' or '.join(promised)}"
        if suffix == ".mat":
            fix += f", one of MATLAB 4 by scipy: savemat({str(path)!r}, loadmat({str(path)!r}))"
        if encoding_of(start) is not None and not NO_TEXT.search(start):
            fix = f"if it is a table of text, call it {path.stem}.csv"
        raise malformed(path, f"is named {suffix} but its first bytes are of another format; {fix}")
    if suffix in {".csv", ".tsv", ".txt"}:
        zeros = 0 < start.count(0) < len(start) / 3 and not re.search(rb"[\x01-\x08\x0e-\x1a]", start)
        fix = f"tr -d '\\0' < {shlex.quote(str(path))} > table.csv"
        raise malformed(
            path,
            f"has bytes of 0 among its text; take them out: {fix}"
            if zeros
            else "is no text; save the table as UTF-8",
        )
    *most, last = [each.words for each in formats]
    raise malformed(path, f"has an unknown format; {', '.join(most)}, and {last} are read")


def target_choice(path: Path) -> str:
    """What can be named as the targets of the file, and whatever else gives it some.

    Raises:
        DataError: the file is missing or of an unknown format.
    """
    form, _ = _detect(path)
    if form.columns:
        return "a column by its name or number (-1 is the last), or a file of one target a row"
    return form.target_choice


def columns_shown(path: Path, reading: Reading) -> tuple[Column, ...]:
    """The columns of a table, as its first rows show them; none for a file of another kind.

    Raises:
        DataError: the file is missing or malformed.
    """
    form, packing = _detect(path)
    with safely(path):
        return form.sample(path, packing=packing, reading=reading)


def open_data(
    path: str | os.PathLike[str],
    *,
    array: str | None = None,
    target: str | None = None,
    exclude: Sequence[str] = (),
    categories: Categories | None = None,
    target_kind: TargetKind = "auto",
    table: TableOptions | Mapping[str, Any] = TableOptions(),  # noqa: B008
    one_output: bool = False,
    missing: Missing = "drop",
    words: Words = OPTIONS,
) -> DataSource:
    """Open a data file and check its header; the rows are read later, as a stream.

    Args:
        path: the file, or a folder of images. Its first bytes decide the format, its name only where they
            leave it open.
        array, target, exclude, categories, target_kind, table, one_output, missing: see `Reading`.
        words: what messages call these choices; the options of `stats` unless told.

    Returns:
        The source, whose `chunks()` can be called as often as needed.

    Raises:
        DataError: the file is missing, malformed, unsafe or of an unknown format.
        MissingExtraError: the format needs an optional dependency.
        UsageError: an option does not apply to the format.
    """
    table = table if isinstance(table, TableOptions) else TableOptions(**table)
    reading = Reading(array, target, tuple(exclude), categories, target_kind, table, one_output, missing)
    return open_as(Path(path), reading, words)


def open_as(path: Path, reading: Reading, words: Words = OPTIONS) -> DataSource:
    """`open_data` of what is said in one piece."""
    found: list[Path] = []

    def open_target(target: str, *, beside: Path) -> RowArray | None:
        place = _target_file(target, beside)
        if place is None:
            return None
        found.append(place)
        return _read_targets(place)

    form, packing = _detect(path)
    if reading.array is not None and not form.arrays:
        raise UsageError(
            f"{path}: {words.array} names one of several arrays, and a {form.name} file holds one; leave "
            "it out"
        )
    if reading.exclude and not form.columns:
        raise UsageError(
            f"{path}: {words.key('exclude')} names columns of a table, and a {form.name} file has none; "
            "leave it out"
        )
    beside = [key for key in said(reading.table) if key not in form.table]
    if beside:
        raise UsageError(
            f"{path}: {words.key('table')} says how a table of text is written; got {beside[0]} for a "
            f"{form.name} file; leave it out"
        )
    source = form.open(path, Asked(packing, reading, open_target, words))
    source.reading = reading
    source.target_file = found[0] if found else None
    source.one_output = reading.one_output
    if reading.target_kind != "auto":
        source.target_kind = reading.target_kind
    return source


def open_alike(path: Path, trained: DataSource) -> DataSource:
    """Open a file of rows like those of another one, with or without targets.

    Tables have the same columns by name, in any order; a word that was not there before is none of the known.
    Rows that lack cells are kept, with NaN in their place, or an empty text for a target.

    Args:
        path: the file.
        trained: the other, as `open_data` gives it.

    Raises:
        DataError: it is missing, malformed, or lacks a column.
    """
    form, packing = _detect(path)
    known = trained.path.name
    if form.columns != isinstance(trained, Table):
        what = ("columns", "arrays") if form.columns else ("arrays", "columns")
        raise malformed(path, f"holds {what[0]} and {known} {what[1]}; write it as a file of that kind")
    said = trained.reading or Reading()
    array = said.array if form.arrays else None
    target = said.target if trained.target_file is None else None

    def opened(**written: Any) -> DataSource:
        reading = replace(said, array=array, target=target, table=replace(said.table, **written))
        return form.open(path, Asked(packing, reading, lambda _, beside: None, TRAINED, trained))

    written = trained.written if form.table else {}
    try:
        source = opened(**written)
    except DataError as error:
        try:  # cells may be separated otherwise
            source = opened(**{**written, "separator": said.table.separator})
        except DataError:
            raise error from None
    if source.input_dim != trained.input_dim:
        raise malformed(
            path,
            f"has {source.input_dim:,} features a row and {known} {trained.input_dim:,}; give it the same",
        )
    return source


def _target_file(target: str, beside: Path) -> Path | None:
    """The file of that name, as given or in the folder of the data; None if there is none."""
    return next((p for p in (Path(target), beside.parent / target) if _exists(p)), None)


def _read_targets(path: Path) -> RowArray:
    """The targets in a file of their own."""
    form, packing = _detect(path)
    return form.targets(path, packing=packing)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
