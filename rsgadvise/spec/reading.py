"""Bytes of a spec -> text: how large, where from, and in which encoding they may be."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path
from typing import IO, NamedTuple

from rsgadvise.errors import SpecError
from rsgadvise.spec.tree import MAX_BYTES

__all__ = ["SPEC", "STDIN", "Wanted", "decode", "printable", "read_file", "read_stdin"]

STDIN = "<stdin>"


class Wanted(NamedTuple):
    """What a text should be, how large it may be, and what to do where it is missing or too large."""

    name: str
    limit: int  # MiB
    create: str
    smaller: str


SPEC = Wanted(
    "spec",
    MAX_BYTES >> 20,
    "create it with `rsgadvise init {file}`",
    "give a spec, and name the data in it with data.file",
)


def printable(name: str) -> str:
    """Return a name for a message: on one line, whatever characters it has."""
    return name if name.isprintable() else ascii(name)[1:-1]


def read_file(path: Path, wanted: Wanted = SPEC) -> bytes:
    """Return the content of a file, whose size is looked at before it is read.

    Raises:
        SpecError: there is no such file, it cannot be read, or it is too large.
    """
    file = printable(str(path))
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise SpecError(f"must be a file; got a directory; name the {wanted.name} inside it", file=file)
        if status.st_size > wanted.limit << 20:
            raise _too_large(f"{status.st_size} bytes", file, wanted)
        # A pipe or a device has no size of its own, so that the read is bounded as well.
        with path.open("rb") as stream:
            return _read_bounded(stream, file, wanted)
    except FileNotFoundError:
        fix = wanted.create.format(file=file)
        raise SpecError(f"must exist; got no such file; {fix}", file=file) from None
    except PermissionError:
        fix = "change its permissions, or copy it"
        raise SpecError(f"must be readable; got permission denied; {fix}", file=file) from None
    except OSError as error:
        raise SpecError(f"must be readable; got {error.strerror}; check the path", file=file) from None
    except ValueError:  # a name with a NUL character
        raise SpecError("must be a file name; got a NUL character; check the path", file=file) from None


def read_stdin(stdin: IO[bytes] | IO[str] | None, wanted: Wanted = SPEC) -> bytes:
    """Return what standard input, or the stream given in its place, holds.

    Raises:
        SpecError: it cannot be read, or it is too large.
    """
    stream = getattr(sys.stdin, "buffer", sys.stdin) if stdin is None else stdin
    if stream is None:
        raise SpecError(f"must be open; got a closed stream; name a {wanted.name} file", file=STDIN)
    try:
        return _read_bounded(stream, STDIN, wanted)
    except OSError as error:
        message = f"must be readable; got {error.strerror}; name a {wanted.name} file"
        raise SpecError(message, file=STDIN) from None
    except ValueError:  # closed, or a text stream that cannot decode what it reads
        got = "a stream that is closed or not text"
        message = f"must be readable UTF-8; got {got}; name a {wanted.name} file"
        raise SpecError(message, file=STDIN) from None


def _read_bounded(stream: IO[bytes] | IO[str], file: str, wanted: Wanted) -> bytes:
    content, most = b"", wanted.limit << 20
    # A raw stream may return less than it was asked for before it ends.
    while len(content) <= most and (piece := stream.read(most + 1 - len(content))):
        content += piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece
    if len(content) > most:
        raise _too_large(f"more than {most} bytes", file, wanted)
    return content


def _too_large(got: str, file: str, wanted: Wanted) -> SpecError:
    return SpecError(f"must be at most {wanted.limit} MiB; got {got}; {wanted.smaller}", file=file)


def decode(content: bytes, file: str) -> str:
    """Return the text of UTF-8 bytes, a byte order mark included.

    Raises:
        SpecError: the bytes are not UTF-8.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        message = "must be UTF-8; got UTF-16 (its byte order mark); save the file as UTF-8"
        raise SpecError(message, file=file, line=1, column=1)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line_start = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
        line = len(re.findall(rb"\r\n|\r|\n", before)) + 1
        column = len(before[line_start:].decode("utf-8")) + 1
        got = f"byte 0x{content[error.start]:02x} at offset {error.start}"
        message = f"must be UTF-8; got {got}; save the file as UTF-8"
        raise SpecError(message, file=file, line=line, column=column) from None
