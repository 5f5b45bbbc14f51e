"""Keep what a command writes apart from what it reads.

Every command runs `guarded`: before any work its outputs are checked, against each other, the files that the
command line names, and those that a spec names once it is read.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from rsgadvise.cli.output import check_writable, is_stdout
from rsgadvise.errors import UsageError

_WRITTEN = {
    "output": "--output",
    "junit": "--junit",
    "resume": "--resume",
    "file": "FILE",
    "into": "--into",
    "save": "--save",
}
"""Parameters of commands that name a file to write, and how messages call them."""

_READ = {"spec": "the spec", "specs": "the spec", "data": "the data file", "result": "the result to draw"}
"""Parameters of commands that name a file to read."""

_STDIN = "-"

# What the running command writes: a spec names its files only after it is read, several calls down.
_outputs: ContextVar[tuple[tuple[str, Path], ...]] = ContextVar("outputs", default=())


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command, which refuses places that cannot be written, or hold what it reads, before any work.

    Raises:
        UsageError: of the command that is returned, in either case.
    """

    @functools.wraps(command)
    def run(**values: Any) -> None:
        outputs = tuple(_written(values))
        for number, (option, path) in enumerate(outputs):
            check_writable(path)
            for other, taken in outputs[:number]:
                _refuse_same(option, path, taken, f"that of {other}")
        token = _outputs.set(outputs)
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


def _written(values: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    """(option, file) of what the command writes; standard output is no file."""
    for name, option in _WRITTEN.items():
        path = values.get(name)
        if isinstance(path, Path) and not is_stdout(path):
            yield option, path


def _named(values: dict[str, Any]) -> Iterator[tuple[str, Path | int]]:
    """(what, file or descriptor) of what the command line says to read."""
    for name, what in _READ.items():
        given = values.get(name)
        several: Iterable[Any] = given if isinstance(given, list | tuple) else [given]
        for each in several:
            if each is None:
                continue
            if str(each) != _STDIN:
                yield what, Path(each)
            elif sys.stdin is not None:
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
    if path.exists() and not path.is_file():
        return
    if _same(path, other):
        raise UsageError(f"{option} must name a file of its own; got {path}, {what}; name another")
    if isinstance(other, Path) and _adds_image(path, other):
        raise UsageError(
            f"{option} must not add an image to the data; got {path}, in {other}; name another place"
        )


def _adds_image(path: Path, folder: Path) -> bool:
    """Whether a file named as an image lies in a folder, which may be one of images."""
    if not os.path.isdir(folder):  # noqa: PTH112 - whatever cannot be asked is no folder
        return False
    from rsgadvise.data.formats.images import SUFFIXES

    return path.suffix.lower() in SUFFIXES and Path(_real(path)).is_relative_to(_real(folder))


def _same(path: Path, other: Path | int) -> bool:
    try:
        there = os.fstat(other) if isinstance(other, int) else other.stat()
        return os.path.samestat(path.stat(), there)
    except (OSError, ValueError):  # one of them is not there yet, or is no name of a file at all
        return not isinstance(other, int) and os.path.realpath(path) == _real(other)


def _real(path: Path) -> str:
    try:
        return os.path.realpath(path)
    except ValueError:
        return ""
