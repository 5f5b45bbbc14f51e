"""Packages whose modules are found by their being there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def names(folders: Iterable[str], *, first: str = "", but: str = "") -> tuple[str, ...]:
    """The modules of a package by name, private ones left out; none of them is loaded.

    Args:
        folders: `__path__` of the package.
        first: the one that the others follow.
        but: the one that they share.
    """
    found = {path.stem for folder in folders for path in Path(folder).glob("[!_]*.py")}
    return tuple(sorted(found - {but}, key=lambda name: (name != first, name)))
