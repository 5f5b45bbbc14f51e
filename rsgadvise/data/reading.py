"""What is wanted of a data file, and what messages call it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from rsgadvise.data.dialect import TableOptions
from rsgadvise.data.stream import DataSource, RowArray, TargetKind, malformed
from rsgadvise.data.words import Words
from rsgadvise.records import dataclass

if TYPE_CHECKING:
    from rsgadvise.data.packing import Packing

Categories = Literal["one_hot", "exclude"]
Missing = Literal["drop", "fill"]
_AS_FOUND = TableOptions()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a user says of how a file is to be read; what is said nowhere is found.

    Attributes:
        array: that holds the features, in a file of several (npz, mat, hdf5), or the sheet (xlsx).
        target: the column of a table or array (npz, mat, hdf5) of the targets, or a file of its own, looked
            for beside the data as well. Columns go by name, or by index from 0 or from the end.
        exclude: columns of a table that are neither features nor target; ("none",) to keep even those that
            are left out by themselves, such as an index.
        categories: what becomes of columns of a few words; None asks.
        target_kind: whether targets are classes, values or logarithms of values; auto looks at them.
        missing: what becomes of rows that lack cells of features: left out, or filled in.
        table: how a table of text is written, as far as it is not to be found.
        one_output: whether two classes are to be one number, 0 or 1.
    """

    array: str | None = None
    target: str | None = None
    exclude: tuple[str, ...] = ()
    categories: Categories | None = None
    target_kind: TargetKind = "auto"
    table: TableOptions = _AS_FOUND
    one_output: bool = False
    missing: Missing = "drop"

    @property
    def said(self) -> dict[str, Any]:
        """What is not usual, as arguments of `open_data` in plain types."""
        given = said(self)
        return given | {"table": said(self.table)} if "table" in given else given


def said(options: Reading | TableOptions) -> dict[str, Any]:
    """What is not as usual in them."""
    return {f.name: value for f in fields(options) if (value := getattr(options, f.name)) != f.default}


class OpenTarget(Protocol):
    """Opens a file of targets, looked for beside the data as well; None if there is none."""

    def __call__(self, target: str, *, beside: Path) -> RowArray | None: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of a file.

    Attributes:
        packing: how it is packed, if it is.
        reading: what the user says.
        open_target: opens a file of targets beside the data.
        words: what messages call these choices.
        trained: the file that was trained on, where this one has to hold rows like its own.
    """

    packing: Packing | None
    reading: Reading
    open_target: OpenTarget
    words: Words
    trained: DataSource | None = None

    @property
    def keeps_gaps(self) -> bool:
        """Whether rows that lack cells of features are read."""
        return self.trained is not None or self.reading.missing == "fill"

    def target_file(self, path: Path, otherwise: str) -> RowArray:
        """The targets in the file that is named.

        Args:
            path: of the data.
            otherwise: what to say where there is no such file.

        Raises:
            DataError: there is none, or it is malformed.
        """
        found = self.open_target(self.reading.target or "", beside=path)
        if found is None:
            raise malformed(path, otherwise)
        return found
