"""How a spec names a data file that a command was given: the keys `file`, `array`, `target` and so on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rsgadvise.datastats import ScalingChoice
    from rsgadvise.readers import DataSource

__all__ = ["Keys", "keys_for", "same_file", "unprintable", "width_fix"]


Keys = dict[str, str | tuple[str, ...]]


def keys_for(
    source: DataSource,
    *,
    array: str | None,
    target: str | None,
    exclude: tuple[str, ...],
    scaling: ScalingChoice,
    folder: Path,
) -> Keys:
    """The keys of `data` with which a spec in `folder` reads this source; defaults are left out.

    The path is relative to the spec, as `data.file` is read, unless an absolute one was given that lies
    elsewhere; a file of targets is named relative to the data, beside which it is looked for.
    """
    if source.target_file is not None:
        target = _relative(source.target_file, source.path.parent)
    keys = {
        "file": _relative(source.path, folder),
        "array": array,
        "target": target,
        "exclude": exclude,
        "scaling": None if scaling == "auto" else scaling,
    }
    return {key: value for key, value in keys.items() if value}


def unprintable(keys: Keys) -> str | None:
    """Why a spec cannot name the data; None if it can."""
    if all("".join(value).isprintable() for value in keys.values()):
        return None
    return "its name does not print; rename it"


def width_fix(
    source: DataSource, width: int, *, tied: bool, target: str = "--target", exclude: str = "--exclude"
) -> str:
    """What to do where a first layer of another width meets the features of a file.

    A column too many is most often the target or no feature at all: to widen the layer would make it one.
    """
    if source.column_numbers is None or width >= source.input_dim:
        return "change it"
    if tied or source.has_targets:
        return f"leave columns out with {exclude}, or change it"
    return f"name the column of the target with {target}, and leave others out with {exclude}"


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
