"""Where results go: written in the format asked for, and kept apart from what a command reads.

Every command runs `guarded`: before any work its outputs are checked, against each other, the files that the
command line names, and those that a spec names once it is read.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import asdict
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
from rsgadvise.files import check_writable, write_text
from rsgadvise.records import dataclass
from rsgadvise.show.formats import Result, render
from rsgadvise.show.report.blocks import Block

STDOUT = Path("-")
"""Standard output, as - is standard input where a spec is named."""

_NARROWEST, _USUAL = 20, 80  # columns: below the first nothing can be laid out


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how a command writes its result."""

    format: Format = "table"
    path: Path | None = None
    quiet: bool = False
    no_color: bool = False


def _target(
    format_: FormatOption = "table",
    output: OutputOption = None,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    version: VersionOption = False,
) -> Target:
    del version
    return Target(format_, output, quiet, no_color)


TargetOptions = Annotated[Target, Group(_target)]
"""The options of every command that has a result to show."""

PlaceOptions = Annotated[Target, Group(_target, ("output", "quiet", "no_color", "version"))]
"""Those of a command whose result has one format."""

QuietOptions = Annotated[Target, Group(_target, ("quiet", "no_color", "version"))]
"""Those of a command that names its places itself."""


def show(
    target: Target,
    command: str,
    result: Any,
    blocks: Callable[[Any], Sequence[Block]],
    rows: Iterable[Any] | None = (),
    **extra: Any,
) -> None:
    """Render what a command found; only the form that is asked for is built.

    Args:
        target: where, and in which format.
        command: whose document it is.
        result: a record, or a mapping for the document alone.
        blocks: titles, grids and sentences of it.
        rows: the main table, records or mappings; None where it is the document, as one row.
        extra: of the document besides; what can be called is found when it is asked for.
    """

    def document() -> Mapping[str, Any]:
        from rsgadvise.show.report.blocks import as_document

        besides = {key: each() if callable(each) else each for key, each in extra.items()}
        return as_document(command, result, **besides)

    def table() -> Sequence[Mapping[str, Any]]:
        if rows is None:
            return [document()]
        return [row if isinstance(row, Mapping) else asdict(row) for row in rows]

    def seen() -> tuple[int, bool]:
        width, coloured = screen(no_color=target.no_color)
        return width, coloured and is_stdout(target.path)

    found = Result(lambda: blocks(result), document, table, seen, target.quiet)
    write(target.path, render(target.format, found))


def is_stdout(path: Path | None) -> bool:
    """Whether what goes to this place goes to standard output."""
    return path is None or path == STDOUT


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
    """Write a result to standard output; a reader of a pipe that has left is no error."""
    if sys.stdout is None:
        raise UsageError("cannot write to standard output: it is closed; use --output FILE")
    try:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer has no reader; it would fail again when the program ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise UsageError(
                f"cannot write to standard output: {error.strerror}; use --output FILE"
            ) from None


def screen(*, no_color: bool) -> tuple[int, bool]:
    """Columns of the terminal, and whether standard output is one with colours that are wanted.

    Decided as rich does, by the variables that many programs heed; to load it takes longer than an answer.
    """
    said = os.environ.get
    shown = {"0": False, "1": True}.get(said("TTY_COMPATIBLE", ""))
    if shown is None and "FORCE_COLOR" in os.environ:
        shown = said("FORCE_COLOR") != ""
    if shown is None:
        try:
            shown = sys.stdout is not None and sys.stdout.isatty()
        except ValueError:  # closed
            shown = False
    columns = said("COLUMNS", "")
    if shown and said("TERM", "").lower() in ("dumb", "unknown"):
        width = _USUAL
    else:
        width = int(columns) if columns.isdecimal() else _columns()
    return max(width, _NARROWEST), shown and not (no_color or said("NO_COLOR"))


def _columns() -> int:
    """Of the terminal that a stream belongs to: what is written to a pipe is seen there in the end."""
    for descriptor in range(3):
        with contextlib.suppress(OSError):
            return os.get_terminal_size(descriptor).columns or _USUAL
    return _USUAL


# What a command writes is kept apart from what it reads.

_WRITTEN = {
    "output": "--output",
    "junit": "--junit",
    "file": "FILE",
    "into": "--into",
    "save": "--save",
}
"""Parameters of commands that name a file to write, and how messages call them."""

_READ = {"spec": "the spec", "specs": "the spec", "data": "the data file", "result": "the result to draw"}
"""Parameters of commands that name a file to read."""

# What the running command writes: a spec names its files only after it is read, several calls down.
_outputs: ContextVar[tuple[tuple[str, Path], ...]] = ContextVar("outputs", default=())


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command, which refuses places that cannot be written, or hold what it reads, before any work.

    Raises:
        UsageError: of the command that is returned, in either case.
    """

    @functools.wraps(command)
    def run(**values: Any) -> None:
        outputs = [
            (option, path)
            for name, option in _WRITTEN.items()
            if isinstance(path := values.get(name), Path) and not is_stdout(path)
        ]
        for number, (option, path) in enumerate(outputs):
            check_writable(path)
            for other, taken in outputs[:number]:
                _refuse_same(option, path, taken, f"that of {other}")
        token = _outputs.set(tuple(outputs))
        try:
            for what, source in _named(values):
                _keep_apart(source, what)
            command(**values)
        finally:
            _outputs.reset(token)

    return run


def keep_data_apart(data: Path, target: str | None) -> None:
    """Refuse to go on if the running command would write over a data file, or that of its targets.

    Args:
        data: the data file.
        target: a column, an array or a file, which lies beside the data or in the working directory.

    Raises:
        UsageError: it would.
    """
    _keep_apart(data, "the data file")
    if target is not None:
        for place in (Path(target), data.parent / target):
            _keep_apart(place, "the file of the targets")


def _named(values: dict[str, Any]) -> Iterator[tuple[str, Path | int]]:
    """(what, file or descriptor) of what the command line says to read."""
    for name, what in _READ.items():
        given = values.get(name)
        for each in given if isinstance(given, list) else [given]:
            if each is not None and str(each) != "-":
                yield what, Path(each)
            elif each is not None and sys.stdin is not None:
                try:
                    yield f"{what} on standard input", sys.stdin.fileno()
                except (OSError, ValueError):  # a stream in memory
                    continue


def _keep_apart(source: Path | int, what: str) -> None:
    for option, path in _outputs.get():
        if (option, what) != ("--into", "the spec"):  # a spec is edited in place, and only once it was read
            _refuse_same(option, path, source, what)


def _refuse_same(option: str, path: Path, other: Path | int, what: str) -> None:
    """Refuse a file that has two uses, by whatever names and links; a device may have many."""
    if (path.is_file() or not path.exists()) and _same(path, other):
        raise UsageError(f"{option} must name a file of its own; got {path}, {what}; name another")


def _same(path: Path, other: Path | int) -> bool:
    try:
        there = os.fstat(other) if isinstance(other, int) else other.stat()
        return os.path.samestat(path.stat(), there)
    except OSError:  # one of them is not there yet
        return not isinstance(other, int) and os.path.realpath(path) == os.path.realpath(other)
    except ValueError:  # no name of a file at all
        return False
