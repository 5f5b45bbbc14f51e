"""How a spec names a data file that a command was given: the keys `file`, `array` and `target`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rsgadvise.readers import DataSource

__all__ = ["keys_for", "obstacle", "same_file"]


def keys_for(
    source: DataSource, *, array: str | None, target: str | None, folder: Path
) -> dict[str, str | None]:
    """The keys of `data` with which a spec in `folder` reads this source.

    The path is relative to the spec, as `data.file` is read, unless an absolute one was given that lies
    elsewhere; a file of targets is named relative to the data, beside which it is looked for.
    """
    if source.target_file is not None:
        target = _relative(source.target_file, source.path.parent)
    return {"file": _relative(source.path, folder), "array": array, "target": target}


def obstacle(keys: dict[str, str | None], *, exclude: bool) -> str | None:
    """Why a spec cannot name the data; None if it can."""
    if exclude:
        return "a spec cannot leave columns out as --exclude does; name a file without them"
    if not all(value is None or value.isprintable() for value in keys.values()):
        return "its name does not print; rename it"
    return None


def same_file(one: Path, other: Path) -> bool:
    """Whether both names are of one file that exists."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def _relative(path: Path, folder: Path) -> str:
    """The name of a file as seen from a folder."""
    # Links are followed in the folders only: `..` leaves the real folder, and the file keeps its own name.
    place = Path(os.path.realpath(path.parent)) / path.name
    seen = Path(os.path.relpath(place, os.path.realpath(folder)))
    outside = seen.parts[:1] == ("..",)
    return (path if path.is_absolute() and outside else seen).as_posix()
