"""The bytes of a text file, whatever its encoding and its line ends, as UTF-8 in blocks of whole records."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rsgadvise.data.dialect import NOT_DRAWN, Drawn
from rsgadvise.data.packing import Packing, opened
from rsgadvise.data.stream import malformed
from rsgadvise.data.words import Words
from rsgadvise.records import dataclass

SAMPLE_BYTES = 1 << 18
MOST_BYTES = 1 << 27
"""A record of more bytes than this is no row of a table."""

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
UTF8 = ("utf-8", "utf-8-sig")
_COUNT = re.compile(rb"(?i)^\(?\d+ rows?( affected| in set[^\n]*)?\)?\s*\Z", re.MULTILINE)
_LONGEST_COUNT = 80  # of what shells of databases write below a table: how many rows it has


@dataclass(frozen=True, slots=True)
class Writing:
    """How the text of a file is stored.

    Attributes:
        encoding: as Python calls it.
        sure: whether the user or the first bytes say so; else Latin-1 is tried where UTF-8 fails.
        words: what messages call the choices of the user.
    """

    encoding: str
    sure: bool
    words: Words


def encoding_of(start: bytes) -> str | None:
    """The encoding that the first bytes tell; None for bytes that are no text.

    A byte order mark says it; every second byte being 0 is UTF-16 without one; anything else without a
    0 is UTF-8, or an encoding of one byte a letter.
    """
    for mark, name in _BOMS:
        if start.startswith(mark):
            return name
    if b"\0" not in start:
        return "utf-8"
    even, odd = start[: len(start) // 2 * 2 : 2], start[1::2]
    for name, zeros, letters in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros.count(0) > 0.7 * len(zeros) and not letters.count(0):
            return name
    return None


def writing_of(path: Path, packing: Packing | None, encoding: str | None, words: Words) -> Writing:
    """How the text of a file is stored, by its first bytes.

    Raises:
        DataError: they are no text.
    """
    with opened(path, packing) as stream:
        found = encoding or encoding_of(stream.read(4096))
    if found is None:
        raise malformed(path, f"is no text; if it is, {words.encoding}")
    return Writing(found, encoding is not None or found != "utf-8", words)


class Records:
    """One pass over a text file.

    Args:
        path, packing: the file.
        writing: how it is stored.
        comment: what a line starts with that is to be passed over, or None.
        quoted: whether a quote may hold the end of a line.
        drawn: whether lines are drawn with dashes and pipes, see `Drawn`.

    Attributes:
        latin: number of the first line that is not UTF-8, from which on Latin-1 is read; None if none is.
    """

    def __init__(
        self,
        path: Path,
        packing: Packing | None,
        writing: Writing,
        *,
        comment: str | None = None,
        quoted: bool = True,
        drawn: Drawn = NOT_DRAWN,
    ) -> None:
        self._path, self._packing, self._writing = path, packing, writing
        self._quoted, self._drawn = quoted, drawn
        self.latin: int | None = None
        mark = None if comment is None else re.escape(comment.encode())
        self._comment = (
            None
            if mark is None
            else re.compile(
                rb"(?m)^[ \t]*(?!#(?:N/?A|DIV/0!|VALUE!|NUM!|REF!|NAME\?|NULL!))" + mark + rb"[^\n]*$"
            )
        )
        self._mark = b"" if comment is None else comment.encode()
        self._other_letters = False
        self._line, self._rest = 1, b""  # the first line that no block has had yet, and what is read of it

    def blocks(self, size: int) -> Iterator[tuple[int, bytes]]:
        """(number of the first line, UTF-8 bytes) of about `size` bytes that end between records.

        Lines of comments are empty there, so that lines can still be counted.
        """
        line, rest = self._line, self._rest = 1, b""
        with opened(self._path, self._packing) as stream:
            for data in _with_line_ends(self._utf8(stream, size)):
                block = b""
                if len(rest) + len(data) < size:
                    rest += data
                else:
                    block, rest = self._cut(rest, data)
                self._rest = rest
                if not block:
                    if len(rest) > MOST_BYTES:
                        raise malformed(
                            self._path,
                            f"line {line}: a row of more than {MOST_BYTES >> 20} MiB; is a quote never "
                            "closed, or is this no table?",
                        )
                    continue
                yield line, self._without_comments(block)
                line += block.count(b"\n")
                self._line = line
            rest = rest.removesuffix(b"\x1a")  # with which DOS ends a text
            if rest:
                if self._quoted and rest.count(b'"') % 2:
                    raise malformed(
                        self._path, f"line {_open_quote(rest, line)}: a quote near here is never closed"
                    )
                yield line, self._without_comments(rest)

    def _cut(self, rest: bytes, data: bytes) -> tuple[bytes, bytes]:
        """(whole records, what is left) of what was left before and what was read after it."""
        if self._quoted and (b'"' in data or b'"' in rest):
            data = rest + data
            end = _last_record(data)
            return data[:end], data[end:]
        end = data.rfind(b"\n") + 1
        if not end:
            return b"", rest + data
        return b"".join((rest, memoryview(data)[:end])), data[end:]

    def _utf8(self, stream: BinaryIO, size: int) -> Iterator[bytes]:
        writing = self._writing
        if writing.encoding not in UTF8:
            decoder = codecs.getincrementaldecoder(writing.encoding)()
            seen = 0
            while True:
                data = stream.read(size)
                try:
                    text = decoder.decode(data, final=not data)
                except UnicodeDecodeError as error:
                    raise malformed(
                        self._path,
                        f"byte {seen + error.start} is not {writing.encoding}; {writing.words.encoding}",
                    ) from error
                seen += len(data)
                yield text.encode("utf-8", "replace")
                if not data:
                    return
        kept = b""
        while data := stream.read(size):
            # A letter of several bytes may lie across the end of a block.
            data, kept = kept + data, b""
            if not data.isascii() and self.latin is None:
                data, kept = self._checked(data)
            if self.latin is not None:
                data = (data + kept).decode("cp1252", "replace").encode()
                kept = b""
            yield data
        if kept:
            self._refuse_letters(kept, 0)
            yield kept.decode("cp1252", "replace").encode()

    def _checked(self, data: bytes) -> tuple[bytes, bytes]:
        """(what is UTF-8, an unfinished letter at its end); notes where it is Latin-1."""
        try:
            data.decode()
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data" and error.start >= len(data) - 3:
                self._other_letters |= not data[: error.start].isascii()
                return data[: error.start], data[error.start :]
            self._other_letters |= not data[: error.start].isascii()
            self._refuse_letters(data, error.start)
        else:
            self._other_letters = True
        return data, b""

    def _refuse_letters(self, data: bytes, at: int) -> None:
        """Take the file for Windows' Latin-1 from here on, unless it is known to be UTF-8."""
        before = self._rest + _line_ends(data[:at])
        line = self._line + before.count(b"\n")
        if self._writing.sure or self._other_letters:
            own = (
                f", or {self._writing.words.encoding}; latin-1 takes any" if self._writing.words.said else ""
            )
            raise malformed(
                self._path,
                f"line {line}: is not UTF-8, as the lines before are; save the file in one encoding{own}",
            )
        self.latin = line

    def _without_comments(self, block: bytes) -> bytes:
        block = _COUNT.sub(b"", block) if b" row" in block[-_LONGEST_COUNT:] else block
        block = self._drawn.undrawn(block)
        if self._comment is None or self._mark not in block:
            return block
        return self._comment.sub(b"", block)


def _with_line_ends(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Parts of a text with the line ends of today, of which none lies across the end of a part."""
    held = b""
    for part in parts:
        data = held + part
        held = b"\r" if data.endswith(b"\r") else b""
        yield _line_ends(data[: len(data) - len(held)])
    if held:
        yield _line_ends(held)


def _line_ends(data: bytes) -> bytes:
    """With the line ends of today and without marks of byte order, which joined files have inside."""
    if data.count(b"\r") > data.count(b"\r\n"):
        data = re.sub(rb"\r(?!\n)", b"\n", data)
    return data.replace(codecs.BOM_UTF8, b"") if codecs.BOM_UTF8 in data else data


def _last_record(data: bytes) -> int:
    """Where the last record ends that is whole: after a line end outside of quotes."""
    end = data.rfind(b"\n") + 1
    if not end or b'"' not in data or data.count(b'"', 0, end) % 2 == 0:
        return end
    # A quote is open there: the last line end before it that closes what was opened.
    while end:
        end = data.rfind(b"\n", 0, max(0, data.rfind(b'"', 0, end))) + 1
        if data.count(b'"', 0, end) % 2 == 0:
            return end
    return 0


def _open_quote(data: bytes, line: int) -> int:
    """The line of the last quote."""
    return line + data[: data.rfind(b'"')].count(b"\n")


def first_lines(path: Path, packing: Packing | None, writing: Writing) -> tuple[str, bool]:
    """(the first lines as text, whether they are all): some 256 KiB, and two records at the least."""
    found = io.BytesIO()
    for _, block in Records(path, packing, writing).blocks(SAMPLE_BYTES):
        found.write(block)
        if found.tell() >= SAMPLE_BYTES and found.getvalue().count(b"\n") > 2:
            return found.getvalue().decode(errors="replace"), False
    return found.getvalue().decode(errors="replace"), True
