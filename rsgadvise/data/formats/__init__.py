"""The formats of data files: one module each, found by its being in this package.

What a module has in its FORMATS is asked whether a file is of it, and opens it; nobody else knows of it.
"""

from __future__ import annotations

import importlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from rsgadvise.data.choose import Archive, choose_target_array, open_archive
from rsgadvise.data.reading import Asked, Reading
from rsgadvise.data.stream import Array, ArraySource, DataSource, RowArray, malformed
from rsgadvise.modules import names

if TYPE_CHECKING:
    from rsgadvise.data.columns import Column
    from rsgadvise.data.packing import Packing

__all__ = ["Archives", "Asked", "Format", "SingleArray", "all_formats"]


class Format(ABC):
    """One format.

    Attributes:
        name: as a spec and `DataSource.format` say it.
        words: as a list of what is read says it.
        order: of being asked; those that look at little come late.
        suffixes: of names that promise it, where the first bytes have to keep that promise.
        packs: whether it is read from packed files too.
        folders: whether it is a folder and no file.
        arrays, columns: whether a file has several named arrays, or columns to choose from.
        table: which keys of `TableOptions` say something of a file.
        target_choice: what can be named as the targets of a file that has no columns.
    """

    name: ClassVar[str]
    words: ClassVar[str]
    order: ClassVar[int]
    suffixes: ClassVar[tuple[str, ...]] = ()
    packs: ClassVar[bool] = False
    folders: ClassVar[bool] = False
    arrays: ClassVar[bool] = False
    columns: ClassVar[bool] = False
    table: ClassVar[tuple[str, ...]] = ()
    target_choice: ClassVar[str] = "a file of one target a row"

    def magic(self, start: bytes) -> bool:
        """Whether these first bytes, at most 4096, are of this format and no other."""
        return False

    def holds(self, path: Path) -> bool:
        """Whether a file with such first bytes is of this format, where several begin alike; never raises."""
        return True

    def named(self, path: Path, start: bytes) -> bool:
        """Whether a file whose first bytes are nobody's is of this format by its name."""
        return False

    def sample(self, path: Path, *, packing: Packing | None, reading: Reading) -> tuple[Column, ...]:
        """The columns of a table, as its first rows show them."""
        return ()

    @abstractmethod
    def open(self, path: Path, asked: Asked) -> DataSource:
        """The file as a stream of rows."""

    @abstractmethod
    def targets(self, path: Path, *, packing: Packing | None) -> RowArray:
        """All of a file that was named as the file of the targets."""


class Archives(Format):
    """Files of several named arrays."""

    arrays, target_choice = True, "an array, or a file, of one target a row"

    @abstractmethod
    def archive(self, path: Path, packing: Packing | None) -> Archive:
        """What is in a file."""

    def open(self, path: Path, asked: Asked) -> DataSource:
        return open_archive(self.archive(path, asked.packing), asked, format=self.name)

    def targets(self, path: Path, *, packing: Packing | None) -> RowArray:
        return choose_target_array(self.archive(path, packing))


class SingleArray(Format):
    """Files of one array."""

    @abstractmethod
    def rows(self, path: Path, *, packing: Packing | None, targets: bool) -> RowArray:
        """Its rows, of features or of targets."""

    def open(self, path: Path, asked: Asked) -> DataSource:
        features = self.rows(path, packing=asked.packing, targets=False)
        target = asked.reading.target
        if asked.trained is not None and features.columns == asked.trained.input_dim:
            target = None  # the number of a column that is not there
        targets = None if target is None else asked.open_target(target, beside=path)
        notes: tuple[str, ...] = ()
        if target is not None and targets is None:
            width = features.columns
            if not (re.fullmatch(r"-?\d{1,9}", target) and -width <= int(target) < width > 1):
                raise malformed(
                    path,
                    f"holds one array, so {asked.words.target} must be a file of targets, or the number of "
                    f"one of its {width} columns, and {target!r} is neither; name another or leave it out",
                )
            at = int(target) % width
            features, targets = _apart(features, at)
            notes = (f"The target is column {at}, counted from 0; -1 is the last.",)
        return ArraySource(path=path, format=self.name, features=features, targets=targets, notes=notes)

    def targets(self, path: Path, *, packing: Packing | None) -> RowArray:
        return self.rows(path, packing=packing, targets=True)


def _apart(array: RowArray, at: int) -> tuple[RowArray, RowArray]:
    """The other columns of an array, and one of them."""

    def others(max_bytes: int) -> Iterator[Array]:
        return (np.delete(block, at, axis=1) for block in array.blocks(max_bytes))

    def one(max_bytes: int) -> Iterator[Array]:
        return (block[:, at : at + 1].copy() for block in array.blocks(max_bytes))

    return replace(array, columns=array.columns - 1, blocks=others), replace(array, columns=1, blocks=one)


@cache
def all_formats() -> tuple[Format, ...]:
    """Every format there is, in the order in which they are asked."""
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names(__path__)]
    return tuple(sorted((each for m in modules for each in getattr(m, "FORMATS", ())), key=lambda f: f.order))
