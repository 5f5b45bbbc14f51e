"""Write a result in the format asked for, to standard output or atomically to a file."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from rsgadvise.cli.options import (
    Format,
    FormatOption,
    Group,
    NoColorOption,
    OutputOption,
    QuietOption,
    VersionOption,
)
from rsgadvise.errors import UsageError
from rsgadvise.records import dataclass
from rsgadvise.show.formats import Result, render
from rsgadvise.show.report.blocks import Block

STDOUT = Path("-")
"""Standard output, as - is standard input where a spec is named."""

_NARROWEST = 20  # columns; below this nothing can be laid out


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how a command writes its result."""

    format: Format = Format.TABLE
    path: Path | None = None
    quiet: bool = False
    no_color: bool = False


def _target(
    format_: FormatOption = Format.TABLE,
    output: OutputOption = None,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    version: VersionOption = False,
) -> Target:
    del version
    return Target(format_, output, quiet, no_color)


TargetOptions = Annotated[Target, Group(_target)]
"""The options of every command that has a result to show."""


def emit(
    target: Target,
    *,
    blocks: Callable[[], Sequence[Block]],
    document: Callable[[], Mapping[str, Any]],
    rows: Callable[[], Sequence[Mapping[str, Any]]],
) -> None:
    """Render one result; only the form that is asked for is built."""

    def seen() -> tuple[int, bool, bool]:
        width, shown, coloured = screen(no_color=target.no_color)
        plain = not is_stdout(target.path) or not shown
        return width, plain, coloured and not plain

    write(target.path, render(target.format, Result(blocks, document, rows, seen, target.quiet)))


def is_stdout(path: Path | None) -> bool:
    """Whether what goes to this place goes to standard output."""
    return path is None or path == STDOUT


def can_show(text: str, path: Path | None) -> bool:
    """Whether the encoding of this place has these characters; files are written as UTF-8."""
    if not is_stdout(path):
        return True
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def write(path: Path | None, text: str) -> None:
    """Write a result to the place that --output names, standard output unless told.

    Raises:
        UsageError: it cannot be written there.
    """
    if path is None or is_stdout(path):
        _write_stdout(text)
    else:
        write_text(path, text)


def _write_stdout(text: str) -> None:
    """Write a result to standard output; a reader of a pipe that has left is no error.

    Raises:
        UsageError: standard output is closed or full.
    """
    if sys.stdout is None:
        raise UsageError("cannot write to standard output: it is closed; use --output FILE")
    try:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer has no reader; it would fail again when the program ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise UsageError(f"cannot write to standard output: {error.strerror}; use --output FILE") from None


def screen(*, no_color: bool) -> tuple[int, bool, bool]:
    """Columns of the terminal, whether standard output is one, and whether it has colours that are wanted."""
    from rich.console import Console

    if not os.environ.get("COLUMNS", "0").isdecimal():
        del os.environ["COLUMNS"]  # a superscript would pass for a digit there
    terminal = Console(no_color=True if no_color else None)
    shown = terminal.is_terminal
    return max(terminal.width, _NARROWEST), shown, shown and not terminal.no_color


def check_writable(path: Path) -> None:
    """Refuse a place that `write_text` would refuse, as far as can be told beforehand.

    Raises:
        UsageError: it is a directory, or lies in none.
    """
    real = Path(os.path.realpath(path))
    try:
        if real.is_dir():
            raise UsageError(f"cannot write {path}: it is a directory; name a file")
        if not real.parent.is_dir():
            raise UsageError(f"cannot write {path}: its directory does not exist; choose another place")
    except OSError as error:  # such as a name that is too long
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another place") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file as `write_bytes` does, in UTF-8.

    Raises:
        UsageError: the file cannot be written.
    """
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it, so that nobody sees half of it.

    Raises:
        UsageError: the file cannot be written.
    """
    temporary = ""
    try:
        real = Path(os.path.realpath(path))
        if real.is_dir():
            raise UsageError(f"cannot write {path}: it is a directory; name a file")
        if path.exists() and not path.is_file():
            # A device or a pipe, such as /dev/stdout, cannot be replaced; nor has a pipe a real path.
            path.write_bytes(content)
            return
        handle, temporary = tempfile.mkstemp(prefix=f".{real.name[:40]}.", dir=real.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        mode = real.stat().st_mode & 0o777 if real.exists() else 0o666 & ~_umask()
        Path(temporary).chmod(mode)
        Path(temporary).replace(real)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another place") from None


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
