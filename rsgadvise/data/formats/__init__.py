"""The formats of data files: one module each, found by its being in this package.

What a module has in its FORMATS is asked whether a file is of it, and opens it; nobody else knows of it.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from rsgadvise.data.choose import Archive, OpenTarget, Words, choose_target_array, open_archive
from rsgadvise.data.stream import ArraySource, DataSource, RowArray, malformed
from rsgadvise.modules import names

__all__ = ["Archives", "Asked", "Format", "SingleArray", "all_formats"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of a file.

    Attributes:
        packed: whether it lies in gzip.
        array: that holds the features, of several; None to choose.
        target: column, array or file of the targets.
        exclude: columns that are neither.
        open_target: opens a file of targets beside the data.
        words: what messages call these choices.
    """

    packed: bool
    array: str | None
    target: str | None
    exclude: Sequence[str]
    open_target: OpenTarget
    words: Words


class Format(ABC):
    """One format.

    Attributes:
        name: as a spec and `DataSource.format` say it.
        words: as a list of what is read says it.
        order: of being asked; those that look at little come late.
        suffixes: of names that promise it, where the first bytes have to keep that promise.
        packs: whether it is read from gzip too.
        arrays, columns: whether a file has several named arrays, or columns to choose from.
    """

    name: ClassVar[str]
    words: ClassVar[str]
    order: ClassVar[int]
    suffixes: ClassVar[tuple[str, ...]] = ()
    packs: ClassVar[bool] = False
    arrays: ClassVar[bool] = False
    columns: ClassVar[bool] = False

    def magic(self, start: bytes) -> bool:
        """Whether these first bytes, at most 4096, are of this format and no other."""
        return False

    def named(self, path: Path, start: bytes) -> bool:
        """Whether a file whose first bytes are nobody's is of this format by its name."""
        return False

    @abstractmethod
    def open(self, path: Path, asked: Asked) -> DataSource:
        """The file as a stream of rows."""

    @abstractmethod
    def targets(self, path: Path, *, packed: bool) -> RowArray:
        """All of a file that was named as the file of the targets."""


class Archives(Format):
    """Files of several named arrays."""

    arrays = True

    @abstractmethod
    def archive(self, path: Path) -> Archive:
        """What is in a file."""

    def open(self, path: Path, asked: Asked) -> DataSource:
        return open_archive(
            self.archive(path),
            format=self.name,
            array=asked.array,
            target=asked.target,
            open_target=asked.open_target,
            words=asked.words,
        )

    def targets(self, path: Path, *, packed: bool) -> RowArray:
        return choose_target_array(self.archive(path))


class SingleArray(Format):
    """Files of one array."""

    @abstractmethod
    def rows(self, path: Path, *, packed: bool, targets: bool) -> RowArray:
        """Its rows, of features or of targets."""

    def open(self, path: Path, asked: Asked) -> DataSource:
        features = self.rows(path, packed=asked.packed, targets=False)
        targets = None
        if asked.target is not None:
            targets = asked.open_target(asked.target, beside=path)
            if targets is None:
                raise malformed(
                    path,
                    f"holds one array, so {asked.words.target} must be a file of targets, and "
                    f"{asked.target!r} is not a file; name another or leave it out",
                )
        return ArraySource(path=path, format=self.name, features=features, targets=targets)

    def targets(self, path: Path, *, packed: bool) -> RowArray:
        return self.rows(path, packed=packed, targets=True)


@cache
def all_formats() -> tuple[Format, ...]:
    """Every format there is, in the order in which they are asked."""
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names(__path__)]
    return tuple(sorted((each for m in modules for each in getattr(m, "FORMATS", ())), key=lambda f: f.order))
