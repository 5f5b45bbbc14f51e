"""How a table of text is written: separator, numbers, missing cells and header, from its first lines."""

from __future__ import annotations

import csv
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import takewhile, zip_longest
from pathlib import Path

from rsgadvise.data.stream import malformed
from rsgadvise.data.words import Words
from rsgadvise.records import dataclass

ABSENT = frozenset(
    {
        *("", "?", "NA", "N/A", "n/a", "na", "N.A.", "n.a.", "n.a", "<NA>", "null", "NULL", "Null"),
        *("\\N", "(null)", "<null>", "(NULL)", "<NULL>"),  # of databases
        *("NaN", "nan", "NAN", "-NaN", "-nan", "-nan(ind)", "nan(ind)", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
        *("#N/A", "#NA", "#DIV/0!", "#VALUE!", "#NUM!", "#REF!", "#NAME?", "#NULL!"),  # of Excel
    }
)
"""Cells that are missing in every column."""

NO_NUMBER = frozenset(
    {
        *("None", "none", "nil", "NIL", "NaT", "missing", "Missing", "MISSING", "no data", "No data"),
        *("NoData", "not available", "Not available", "Not Available", "ND", "N.D.", "N/D", "nd", "n.d."),
        *("n/d", "k.A.", "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "*"),
    }
)
"""Cells that are missing in a column of numbers, and may be words among words."""

TRUE, FALSE = ("True", "TRUE", "true"), ("False", "FALSE", "false")
_TRUTHS = (*TRUE, *FALSE)
BLANKS = "blanks"
SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " ", "spaces": BLANKS}
_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "'|'", " ": "spaces", BLANKS: "blanks"}

_LINES = 400
_RULE = re.compile(rb"(?m)^[ \t]*(?=[^\n]*(?:---|===|\|[ :]*-))[|+:=,;-][|+:=,; \t-]*(?=\r?$)")
_FRAME = re.compile(rb"(?m)^[ \t]*\|[ \t]*|[ \t]*\|[ \t]*(?=\r?$)")
_NEVER = frozenset("_-.+'\"()[]{}<>\\\r ")  # what stands in numbers and words
_EMPTY, _HELD = re.compile(r'(?<!\S)""(?!\S)'), "\ue000"  # an empty cell among blanks
_MOST_GROUPS = 5  # of three digits in a number; what has more is a list of numbers
_MONEY = "$€£¥₹"
_CURRENCY = re.compile(
    r"(USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|BRL|(US|[ACR])(?=\$)|Rs\.?|kr\.?) ?"
    r"(?=[\d$.,+-])"
)
_HELD_NUMBER = re.compile(r'="(.*)"|\((?=\D?\d)(.*)\)|(?=\d)(.*)-')
_SIGNS = frozenset(f"%\u2212(={_MONEY}")  # of numbers that have to be made plain

_TYPESET = str.maketrans("\u2212\u2019\u00a0\u2009\u202f", "-'   ")
"""What typesetters write for a minus, and between thousands for an apostrophe or a blank."""

_UNIT = re.compile(r"[°µ]?[^\W\d_]+[²³]?(/[^\W\d_]+[²³]?)?")
_SAYS_SEPARATOR = re.compile(r'"?sep=([^\w\s"]|\t)"?\s*', re.IGNORECASE)
_DIGITS = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+|d[+-]\d+)?|[+-]?inf(inity)?", re.IGNORECASE | re.ASCII
)
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?"
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    rf"(\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.](\d{{4}}|\d{{2}})"
    rf"|([a-z]{{3,9}},? +)?\d{{1,2}}[-/. ]+{_MONTH}[-/ ]+(\d{{4}}|\d{{2}})"
    rf"|([a-z]{{3,9}},? +)?{_MONTH} +\d{{1,2}},? ({_CLOCK} )?\d{{4}}"
    rf"|{_MONTH}[- ]\d{{4}}|(19|20)\d\d[-/](0[1-9]|1[012]))"
    rf"([T ]+{_CLOCK})?( ?([ap]m|Z|UTC|GMT|[+-]\d{{2}}:?\d{{2}}))*"
    rf"|{_CLOCK}( ?[ap]m)?",
    re.IGNORECASE,
)
_TIMES = re.compile(r"date|day|time|epoch|^ts$", re.IGNORECASE)
_TIME = re.compile(
    r"(19|20)\d\d(0[1-9]|1[012])(0[1-9]|[12]\d|3[01])|([89]\d{8}|1\d{9})(\d{3}|\d{6}|\d{9})?([.,]\d+)?"
)
_AMOUNT = re.compile(r"[^\d\[(]{0,5}\d+[.,]\d+(\s*(±|\+/-).*|\D{1,5})")
csv.field_size_limit(1 << 27)  # long cells are cells too


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What a user says of a table of text; None is found from its first lines.

    Attributes:
        separator: one character, or tab, comma, semicolon, pipe, space (each counts), spaces (runs of them).
        decimal: what stands before the fraction of a number.
        thousands: what stands between groups of three digits.
        missing: cells that are missing, beside the usual ones.
        encoding: as Python calls it.
        comment: what lines start with that are passed over; "" if none are.
        header: whether the first line holds names.
    """

    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    missing: tuple[str, ...] = ()
    encoding: str | None = None
    comment: str | None = None
    header: bool | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a table is drawn, as Markdown, Org and the shells of databases do.

    Attributes:
        rules: whether lines of dashes stand between rows.
        frame: whether each row begins and ends with a pipe.
    """

    rules: bool = False
    frame: bool = False

    def undrawn(self, block: bytes) -> bytes:
        """Lines without either; a line of dashes is left empty, so that lines can still be counted."""
        block = _RULE.sub(b"", block) if self.rules else block
        return _FRAME.sub(b"", block) if self.frame else block


NOT_DRAWN = Drawn()


def _drawn(text: str) -> Drawn:
    rules = Drawn(_RULE.search(text.encode("utf-8", "replace")) is not None)
    lines = [line.strip() for line in rules.undrawn(text.encode("utf-8", "replace")).split(b"\n")]
    rows = [line for line in lines if line and not line.startswith((b"#", b"%"))]
    framed = all(len(line) > 2 and line[:1] == line[-1:] == b"|" for line in rows)
    return replace(rules, frame=framed)


@dataclass(frozen=True, slots=True)
class Numbers:
    """How numbers are written."""

    decimal: str = "."
    thousands: str = ""

    def value(self, cell: str) -> float | None:
        """The number in a cell, a share for one in percent, None if it holds text."""
        text, share = cell.strip().translate(_TYPESET), 1.0
        if text[-1:] in {'"', ")", "-"} and (held := _HELD_NUMBER.fullmatch(text)):
            # Excel's text that looks like a number, and what accountants write for less than 0.
            text = held[1] if held[1] is not None else f"-{held[2] or held[3]}"
        if text[:1].isalpha():
            text = _CURRENCY.sub("", text, count=1)
        if text.endswith("%"):
            text, share = text[:-1].rstrip(), 0.01
        elif not _SIGNS.isdisjoint(text):
            text = re.sub(rf"^([+-]?) ?[{_MONEY}] ?(?=[\d.,-])|(?<=\d) ?[{_MONEY}]$", r"\1", text)
        if self.thousands and self.thousands in text:
            whole, mark, rest = text.partition(self.decimal)
            if not _grouped(whole, self.thousands):
                return None
            text = whole.replace(self.thousands, "") + mark + rest
        if self.decimal != ".":
            if "." in text:
                return None
            text = text.replace(self.decimal, ".")
        # Python reads 1_000 and digits of other scripts too; tables do not write them.
        if not _DIGITS.fullmatch(text):
            return None
        return float(text.upper().replace("D", "E")) * share  # D is Fortran's

    def unit(self, cells: Sequence[str]) -> str:
        """What stands behind the number in every cell, such as cm; "" if nothing does."""
        tail = cells[0].lstrip("+-.,0123456789 ") if len(set(cells)) > 1 else ""
        if not _UNIT.fullmatch(tail) or cells[0].endswith(f"-{tail}"):
            return ""
        numbers = (self.value(cell.removesuffix(tail)) for cell in cells if cell.endswith(tail))
        return tail if sum(number is not None for number in numbers) == len(cells) else ""


def _grouped(whole: str, mark: str) -> bool:
    """Whether digits stand in groups of three."""
    first, *groups = whole.lstrip("+-").split(mark)
    led = 1 <= len(first) <= 3 and not first.startswith("0")  # 0,123 is a fraction
    sizes = {len(each) for each in groups[:-1]}  # 2 in India
    return not groups or (
        len(groups) < _MOST_GROUPS
        and led
        and len(groups[-1]) == 3
        and all(map(str.isdigit, groups))
        and sizes in ({2}, {3}, set())
    )


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the lines of one file are to be read.

    Attributes:
        separator: one character, or `BLANKS`.
        numbers: decimal and thousands marks.
        comment: what lines start with that are passed over, or None.
        missing: cells that are missing, of the user's own.
        header_lines: lines before the first row, as they stand in the file.
        header: the line of the names, which may come again further down; "" if there is none.
        names: of the columns, or None.
        width: cells of a row.
        rows: those of the first lines, in cells.
        collapsed: whether several separators in a row count as one.
        spaced: whether blanks stand after separators.
        notes: what was found that is not usual.
        drawn: how the table is drawn.
    """

    separator: str
    numbers: Numbers
    comment: str | None
    missing: frozenset[str]
    header_lines: int
    header: str
    names: tuple[str, ...] | None
    width: int
    rows: tuple[tuple[str, ...], ...]
    collapsed: bool
    spaced: bool
    notes: tuple[str, ...]
    drawn: Drawn = NOT_DRAWN

    def split(self, text: str) -> list[tuple[int, list[str]]]:
        """(number of its last line, cells) of each record that is not blank."""
        return split(text, self.separator, collapsed=self.collapsed)

    def absent(self, cell: str) -> bool:
        return cell in ABSENT or cell in self.missing


def split(text: str, separator: str, *, collapsed: bool = False) -> list[tuple[int, list[str]]]:
    """(number of its last line from 1, cells without blanks around them) of each record.

    Raises:
        csv.Error: a quote is not closed, or text follows one.
    """
    mark = " " if separator == BLANKS else separator
    if separator == BLANKS:
        text = "\n".join(line.strip().replace("\t", " ") for line in text.split("\n"))
        text = _EMPTY.sub(f'"{_HELD}"', text)
    elif collapsed:
        text = re.sub(re.escape(mark) + "+", mark, text)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=mark, skipinitialspace=True, strict=True)
    found = []
    for record in reader:
        cells = [cell.strip() for cell in record]
        if separator == BLANKS:
            cells = [cell.replace(_HELD, "") for cell in cells if cell]
        if any(cells) or len(cells) > 1:
            found.append((reader.line_num, cells))
    return found


def dialect_of(path: Path, text: str, *, whole: bool, options: TableOptions, words: Words) -> Dialect:
    """What the first lines of a file tell.

    Args:
        path: for messages, and for a name that promises tabs.
        text: the first lines.
        whole: whether they are all there are.
        options: what the user says.
        words: what messages call that.

    Raises:
        DataError: there is no row, the cells of the rows are not as many, or numbers can be read in two ways.
    """
    drawn = _drawn(text)
    text = drawn.undrawn(text.encode("utf-8", "replace")).decode()
    lines = text.split("\n")
    said = _SAYS_SEPARATOR.fullmatch(lines[0])  # to Excel
    if said:
        lines[0] = ""
        options = options if options.separator else replace(options, separator=said[1])
    comment = _comment(lines, options)
    if comment is not None:
        lines = ["" if is_comment(line, comment) else line for line in lines]
    sample = _records(lines, whole=whole)
    if not sample.strip():
        raise malformed(path, "holds only empty lines; at least one row is needed")
    best = _best(path, sample, options, words)
    found = _described(path, best, comment, options, text.split("\n"), words=words)
    size = (str(len(found.rows) - 1), str(found.width))
    if whole and words.said and options.header is None and len(found.rows) > 2 and found.rows[0] == size:
        raise malformed(
            path,
            f"begins with {' '.join(size)!r}, as many rows and columns as follow; take that line out, or, if "
            f"it is a row, say {words.table_key('header', 'false')}",
        )
    return replace(found, header_lines=max(found.header_lines, int(said is not None)), drawn=drawn)


def is_comment(line: str, mark: str) -> bool:
    """Whether a line is a comment, and none that begins with a missing cell."""
    text = line.lstrip()
    return text.startswith(mark) and not text.startswith(tuple(cell for cell in ABSENT if cell[:1] == "#"))


def _comment(lines: Sequence[str], options: TableOptions) -> str | None:
    """What comments start with: that of the first lines before a table, unless they are its header."""
    if options.comment is not None:
        return options.comment or None
    filled = [line for line in lines if line.strip()]
    found = (m for m in ("#", "%", "//") if 0 < sum(is_comment(line, m) for line in filled) < len(filled))
    return next(found, None)


def _records(lines: Sequence[str], *, whole: bool) -> str:
    """The first lines that end between records."""
    taken: list[str] = []
    odd, filled = False, 0
    for line in lines if whole else lines[:-1]:
        taken.append(line)
        odd ^= line.count('"') % 2 == 1
        filled += bool(line.strip())
        if filled >= _LINES and not odd:
            break
    return "\n".join(taken)


@dataclass(frozen=True)
class _Split:
    """The first lines in cells by one separator."""

    separator: str
    collapsed: bool
    records: list[tuple[int, list[str]]]
    width: int

    @property
    def alike(self) -> float:
        """Share of the records that have as many cells as most."""
        return sum(len(cells) == self.width for _, cells in self.records) / len(self.records)

    @property
    def numeric(self) -> float:
        """Share of the cells that are numbers in one of the usual ways, or missing.

        Those between separators that are doubled throughout are neither.
        """
        if (
            self.separator not in {",", "\t", ";"}
            and self.width > 2
            and not any(any(row[1::2]) for _, row in self.records)
        ):
            return 0.0
        cells = [cell for _, row in self.records for cell in row]
        return sum(cell in ABSENT or cell in NO_NUMBER or like_number(cell) for cell in cells) / len(cells)


def like_number(cell: str) -> bool:
    """Whether a cell is a number in one of the usual ways."""
    return any(Numbers(*marks).value(cell) is not None for marks in _MARKS)


_MARKS = ((".", ""), (",", ""), (".", ","), (",", "."), (".", "'"), (",", " "), (".", " "))


def _by(sample: str, separator: str, *, collapsed: bool = False) -> _Split | None:
    try:
        records = split(sample, separator, collapsed=collapsed)
    except csv.Error:
        return None
    if not records:
        return None
    widths = Counter(len(cells) for _, cells in records)
    return _Split(separator, collapsed, records, max(widths, key=lambda each: (widths[each], each)))


def _best(path: Path, sample: str, options: TableOptions, words: Words) -> _Split:
    """The separator by which most lines have as many cells, and most cells are numbers."""
    if options.separator is not None:
        name = options.separator
        found = _by(sample, SEPARATORS.get(name, name))
        if found is None:
            raise malformed(path, f"is not separated by {name!r} throughout: a quote is not closed; close it")
        return found
    tries = [_by(sample, mark) for mark in ("\t", ";", "|", ",")]
    if '\\"' in sample and None in tries and not any(e and e.alike == 1 and e.width > 1 for e in tries):
        raise malformed(path, _escaped(path, '\\"', '""'))
    tries += [_by(sample, BLANKS), *(_by(sample, mark, collapsed=True) for mark in ("\t", ";", "|", ","))]
    several = [each for each in tries if each is not None and each.width > 1]
    if not several:
        alone = _by(sample, ",")
        if alone is None:
            raise malformed(path, "has a quote that is not closed where it should be; is this a table?")
        return (_by_another(sample) if words.said else None) or alone
    if any(each.alike == 1 and not each.collapsed and each.separator != BLANKS for each in several):
        # Blanks within cells do not fit the header.
        several = [each for each in several if each.alike == 1 or each.separator != BLANKS]
    # A tie goes to the separator that is named first: all else being the same, a tab is no accident.
    return max(several, key=lambda each: (round(each.alike * (0.2 + each.numeric), 2), not each.collapsed))


def _escaped(path: Path, mark: str, plain: str) -> str:
    """What to do about quotes and separators with a backslash before them."""
    fix = shlex.quote(f"s/{mark[0]}{mark}/{plain}/g")
    return f"writes {mark[1]} as {mark}; write {plain}: sed {fix} {shlex.quote(str(path))} > table.csv"


def _by_another(sample: str) -> _Split | None:
    """By a mark that stands as often in every line, where a quarter of what it separates are numbers."""
    lines = [line for line in sample.split("\n") if line.strip()]
    marks = [
        mark
        for mark in dict.fromkeys(lines[0])
        if not (mark.isalnum() or mark in _NEVER)
        and all(line.count(mark) == lines[0].count(mark) for line in lines)
    ]
    tries = [_by(sample, mark, collapsed=twice) for mark in marks for twice in (False, True)]
    found = [each for each in tries if each and each.alike == 1 and 4 * each.numeric >= 1]
    if not found or sum(map(is_date, lines)) > len(lines) / 2:
        return None
    return max(found, key=lambda each: (each.numeric, not each.collapsed))


def _described(
    path: Path,
    best: _Split,
    comment: str | None,
    options: TableOptions,
    lines: Sequence[str],
    *,
    words: Words,
) -> Dialect:
    records, width = best.records, best.width
    rows = [cells for _, cells in records]
    trailing = sum(not cells[-1] for cells in rows if len(cells) == width) >= max(1, len(rows) - 1)
    shift = (
        0 if trailing else 1
    )  # where a header is one cell short: at its end, or R's row names at its start
    titles = 0 if options.header is False else _titles(rows, width)
    headers = titles + _header_records(rows[titles:], width, shift, options)
    while headers > titles + 1 and options.header is None and _is_row(rows[headers - 1], rows[headers:]):
        headers -= 1
    if headers >= len(rows):
        found = "a header and " if headers else ""
        raise malformed(path, f"has {found}zero rows of data; at least one is needed")
    notes: list[str] = []
    names = None
    header = ""
    # A title stands above the names, units below them; both fill fewer cells, or no more.
    line, named = max(
        records[titles:headers] or records[:1],
        key=lambda record: (len(set(filter(None, record[1]))), not any(map(like_number, record[1]))),
    )
    if headers and len(named) < width and best.separator != BLANKS:
        _refuse_quotes(path, rows, best.separator)
    if headers > titles:
        names = _names(path, (line, named), width, first=shift)
        header = lines[line - 1]
        if headers > 1:
            which = "the first of them" if line == records[0][0] else f"line {line}"
            notes.append(
                f"The first {records[headers - 1][0]} lines were taken as headers, {which} for the names."
            )
        elif options.header is None and _counts(rows[titles:], width):
            notes.append("The first line, which counts the columns, was taken as a header.")
        elif any(like_number(cell) for cell in rows[0]):
            notes.append("The first line holds text above numbers, so it was taken as a header.")
    elif titles:
        last = records[titles - 1][0]
        notes.append(f"Passed over as titles: the first {'line' if last == 1 else f'{last} lines'}.")
    elif comment is not None:
        names = _commented_names(lines, comment, best)
    numbers = _numbers(path, rows[headers:], options, words, separator=best.separator)
    return Dialect(
        separator=best.separator,
        numbers=numbers,
        comment=comment,
        missing=frozenset(options.missing),
        header_lines=records[headers - 1][0] if headers else 0,
        header=header,
        names=names,
        width=width,
        rows=tuple(tuple(cells) for cells in rows[headers:] if len(cells) == width and tuple(cells) != names),
        collapsed=best.collapsed,
        spaced=any(f"{best.separator} " in line for line in lines),
        notes=(*_unusual(best, numbers, comment, options), *notes),
    )


def _is_row(cells: Sequence[str], below: list[list[str]]) -> bool:
    """Whether a line has numbers where those below do, and a mistake or two: names and units have none."""
    numeric = [cell for at, cell in enumerate(cells) if _numbers_below(below, at)]
    return sum(map(like_number, numeric)) >= max(1, sum(map(_is_word, numeric)))


def _titles(rows: Sequence[Sequence[str]], width: int) -> int:
    """How many leading records are short, and titles: of one cell, or above a line of names.

    Names are words that stand nowhere below them.
    """
    short = list(takewhile(lambda cells: len(cells) < width - 1 and any(map(_is_word, cells)), rows))
    below = rows[len(short) :]
    words = [at for at, cell in enumerate(below[0]) if _is_word(cell)] if below else []
    named = words and all(below[0][at] not in {row[at] for row in below[1:] if at < len(row)} for at in words)
    return len(short) if named or all(len(cells) == 1 for cells in short) else 0


def _refuse_quotes(path: Path, rows: Sequence[Sequence[str]], separator: str) -> None:
    """Raise where separators stand inside what is quoted in another way, so that rows are longer."""
    if any(cell.endswith("\\") for row in rows for cell in row[:-1]):
        raise malformed(path, _escaped(path, f"\\{separator}", ";" if separator == "," else ","))
    starts = [next((at for at, cell in enumerate(row) if cell.startswith("'")), len(row)) for row in rows]
    if any(cell.endswith("'") for row, at in zip(rows, starts, strict=True) for cell in row[at + 1 :]):
        fix = f"""tr "'" '"' < {shlex.quote(str(path))} > table.csv"""
        raise malformed(path, f"has separators between single quotes; write double ones: {fix}")


def _header_records(rows: list[list[str]], width: int, shift: int, options: TableOptions) -> int:
    """How many leading records are headers.

    A header has text in a column that holds numbers further down, or no cell filled at all; or it counts
    its columns, as pandas does where they have no names; or, where nothing is a number, its words are none
    of those further down.
    """
    if options.header is not None:
        return int(options.header)
    if _counts(rows, width) or (len(rows) == 1 and all(map(_is_word, rows[0]))):
        return 1  # a line of names alone is one too
    for index, cells in enumerate(rows):
        later = rows[index + 1 :]
        if all(cell in ABSENT for cell in cells) and any(c not in ABSENT for row in later for c in row):
            continue
        place = shift if len(cells) == width - 1 else 0
        above = (_is_word(cell) and _numbers_below(later, at + place) for at, cell in enumerate(cells))
        if not any(above) and not (index == 0 and (_names_words(cells, later) or _above_index(cells, later))):
            return index
    return len(rows)


def _above_index(cells: list[str], rows: list[list[str]]) -> bool:
    """Whether a first line leaves a name out above a column that counts the rows from 0 or 1."""
    counted = [row[0] for row in rows]
    return (
        not cells[0]
        and len(rows) > 1
        and any(counted == [str(first + at) for at in range(len(rows))] for first in (0, 1))
    )


def _is_word(cell: str) -> bool:
    return cell not in ABSENT and cell not in NO_NUMBER and cell not in _TRUTHS and not like_number(cell)


def _numbers_below(rows: Iterable[list[str]], column: int) -> bool:
    """Whether most cells further down are numbers, of those that are filled."""
    filled = [row[column] for row in rows if column < len(row) and row[column] not in ABSENT]
    return 2 * sum(like_number(cell) or cell in _TRUTHS for cell in filled) > len(filled)


def _names_words(cells: list[str], rows: list[list[str]]) -> bool:
    """Whether the first line of a table of words is of other words than the columns, one of which repeats."""
    alike = [row for row in rows if len(row) == len(cells)]
    if len(alike) < 3 or len(set(cells)) < len(cells) or any(like_number(c) for row in alike for c in row):
        return False
    columns = [[row[place] for row in alike] for place in range(len(cells))]
    repeat = any(len(set(column)) < len(column) for column in columns)
    return repeat and all(cell not in column for cell, column in zip(cells, columns, strict=True))


def _counts(rows: list[list[str]], width: int) -> bool:
    """Whether the first line is 0, 1, 2, ..., or such years, and the lines below are not of such numbers.

    A column of row names may stand before them, and names after them, which are no words of their columns.
    """
    first, later = rows[0], [row for row in rows[1:] if len(row) == width]
    start = 1 if first and not first[0] else 0
    numbers = [cell for cell in first[start:] if cell.isdigit()]
    end = start + len(numbers)
    if len(first) != width or not later or not numbers:
        return False
    begin = int(numbers[0]) if len(numbers[0]) == 4 and len(numbers) > 1 else 0  # a year
    if first[start:end] != [str(begin + place) for place in range(len(numbers))]:
        return False
    words = [place for place in range(end, width) if _is_word(first[place])]
    if len(words) < width - end or any(first[place] == row[place] for place in words for row in later):
        return False
    return len(numbers) > 3 or not all(cell.isdigit() for row in later for cell in row[start:end])


def _names(path: Path, header: tuple[int, list[str]], width: int, *, first: int) -> tuple[str, ...]:
    """Names of the columns; where one is missing it is that of the first, or of the last, an empty one."""
    line, found = header
    if len(found) == width - 1:
        found = ["", *found] if first else [*found, ""]
    if len(found) == width + 1 and not found[-1]:
        found = found[:-1]
    if len(found) != width:
        raise malformed(
            path,
            f"line {line}: the header has {len(found)} columns and the first row {width}; give every column "
            "one name",
        )
    return tuple(found)


def _commented_names(lines: Sequence[str], comment: str, best: _Split) -> tuple[str, ...] | None:
    """Names in the last comment before the rows, as numpy.savetxt writes them."""
    leading = takewhile(lambda line: not line.strip() or line.lstrip().startswith(comment), lines)
    marked = [line.strip().removeprefix(comment) for line in leading if line.strip()]
    found = _by(marked[-1], best.separator, collapsed=best.collapsed) if marked else None
    if found is None or found.width != best.width or not all(_is_word(cell) for cell in found.records[0][1]):
        return None
    return tuple(found.records[0][1])


def _numbers(
    path: Path, rows: Sequence[Sequence[str]], options: TableOptions, words: Words, *, separator: str
) -> Numbers:
    """Decimal and thousands marks: those by which most cells are numbers; no mark is taken without need."""
    if options.decimal is not None or options.thousands is not None:
        decimal = options.decimal or ("," if options.thousands == "." else ".")
        return Numbers(decimal, options.thousands or "")
    cells = [cell for row in rows for cell in row if cell not in ABSENT]
    plain = Numbers()
    odd = [cell for cell in cells if plain.value(cell) is None]
    worth = {marks: sum(Numbers(*marks).value(cell) is not None for cell in odd) for marks in _MARKS}
    most = max(worth.values())
    # What the plain way reads must still be a number: 1.5 is none with a decimal comma.
    usable = [m for m in _MARKS if worth[m] == most and _keeps(Numbers(*m), cells, plain)]
    if not most:
        # Where semicolons separate cells, 1.234 beside 950 may be a thousand.
        columns = zip_longest(*rows, fillvalue="") if separator == ";" else ()
        usable = [(".", ""), (",", ".")] if any(map(_grouped_by_points, columns)) else []
    if not usable:
        _refuse_both(path, odd, cells, words, separator)
        return plain
    first = Numbers(*usable[0])
    for marks in usable[1:]:
        other = Numbers(*marks)
        doubtful = next((c for c in cells if first.value(c) != other.value(c)), None)
        if doubtful is not None:
            raise malformed(
                path,
                f"{doubtful!r} may be {first.value(doubtful):g} or {other.value(doubtful):g}; "
                + (
                    f"say which: {_said(usable[0], words)} or {_said(marks, words)}"
                    if words.said
                    else "write it with a point before the fraction, and nothing between thousands"
                ),
            )
    return first


def _refuse_both(path: Path, odd: Sequence[str], cells: Sequence[str], words: Words, separator: str) -> None:
    """Raise where some fractions are written with a comma and some with a point."""
    commas = [cell for cell in odd if Numbers(",").value(cell) is not None]
    point = next((cell for cell in cells if "." in cell and Numbers().value(cell) is not None), None)
    if separator != "," and point is not None and len(commas) > 1:
        fix = f"write them in one: tr , . < {shlex.quote(str(path))} > table.csv"
        said = f"; {words.table_key('decimal', '.')} takes those with a comma for words" if words.said else ""
        raise malformed(path, f"{commas[0]!r} and {point!r} write fractions in two ways; {fix}{said}")


def _grouped_by_points(cells: Sequence[str]) -> bool:
    """Whether numbers with points have all three digits behind them, beside others below 1000 without."""
    filled = [cell for cell in cells if cell not in ABSENT]
    pointed = [cell for cell in filled if "." in cell]
    return 3 <= len(pointed) < len(filled) and all(
        _grouped(cell, ".") if "." in cell else cell.lstrip("+-").isdigit() and len(cell.lstrip("+-")) <= 3
        for cell in filled
    )


def _said(marks: tuple[str, str], words: Words) -> str:
    """How what is not usual in these marks is said."""
    return words.table_key("thousands", marks[1]) if marks[1] else words.table_key("decimal", marks[0])


def _keeps(numbers: Numbers, cells: Sequence[str], plain: Numbers) -> bool:
    return all(numbers.value(cell) is not None for cell in cells if plain.value(cell) is not None)


def _unusual(best: _Split, numbers: Numbers, comment: str | None, options: TableOptions) -> list[str]:
    """One sentence on what was found, if that is not commas and points."""
    said = []
    if options.separator is None and best.separator not in {",", "\t", ";"} and best.width > 1:
        said.append(f"cells separated by {_NAMES.get(best.separator, repr(best.separator))}")
    if best.collapsed:
        said.append(f"several {_NAMES.get(best.separator, repr(best.separator))} in a row as one")
    if options.decimal is None and numbers.decimal != ".":
        said.append(f"decimal {'comma' if numbers.decimal == ',' else numbers.decimal}")
    if options.thousands is None and numbers.thousands:
        said.append(f"{numbers.thousands!r} between thousands")
    if options.comment is None and comment is not None:
        said.append(f"lines that start with {comment} passed over")
    return [f"Read with {', '.join(said)}."] if said else []


def is_date(cell: str) -> bool:
    """Whether a cell is a date or a time."""
    return _DATE.fullmatch(cell) is not None


def is_time(name: str | None, cells: Sequence[str]) -> bool:
    """Whether numbers of a column so called are days, 20240131, or seconds since 1970 or parts of them."""
    return _TIMES.search(name or "") is not None and bool(cells) and all(map(_TIME.fullmatch, cells))


def is_marked(cell: str) -> bool:
    """Whether a number has to be made plain: one of money, in percent, in parentheses."""
    return not _SIGNS.isdisjoint(cell) or _CURRENCY.match(cell) is not None


def is_amount(cell: str) -> bool:
    """Whether a cell is a fraction with some text around it, such as 1.5M, which names nothing."""
    return _AMOUNT.fullmatch(cell) is not None
