"""Packages whose modules are found by their being there."""

from __future__ import annotations

import os
from collections.abc import Iterable


def names(folders: Iterable[str], *, first: str = "", but: str = "") -> tuple[str, ...]:
    """The modules of a package by name, private ones left out; none of them is loaded.

    Args:
        folders: `__path__` of the package.
        first: the one that the others follow.
        but: the one that they share.
    """
    files = (file for folder in folders for file in os.listdir(folder))  # noqa: PTH208 - a glob is slow
    found = {file.removesuffix(".py") for file in files if file.endswith(".py") and file[0] != "_"}
    return tuple(sorted(found - {but}, key=lambda name: (name != first, name)))
