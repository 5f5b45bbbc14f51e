"""What is wanted of a data file, and what messages call it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from rsgadvise.data.dialect import TableOptions
from rsgadvise.data.stream import RowArray, TargetKind, malformed

if TYPE_CHECKING:
    from rsgadvise.data.packing import Packing

Categories = Literal["one_hot", "exclude"]
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
        target_kind: whether targets are classes or values; auto looks at them.
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

    @property
    def said(self) -> dict[str, Any]:
        """What is not usual, as arguments of `open_data` in plain types."""
        given = said(self)
        return given | {"table": said(self.table)} if "table" in given else given


def said(options: Reading | TableOptions) -> dict[str, Any]:
    """What is not as usual in them."""
    return {f.name: value for f in fields(options) if (value := getattr(options, f.name)) != f.default}


@dataclass(frozen=True, slots=True)
class Words:
    """Where a user says what to read; the fix in a message must be one that the command at hand takes.

    Args:
        in_spec: whether in the data section of a spec, or by options.
        excludes: whether columns can be left out.
    """

    in_spec: bool = False
    excludes: bool = True

    def key(self, name: str) -> str:
        """Where something is said."""
        return f"data.{name}" if self.in_spec else f"--{name.replace('_', '-')}"

    def setting(self, name: str, value: str) -> str:
        """How it is said to be this."""
        return f"{self.key(name)}{': ' if self.in_spec else ' '}{value}"

    def table_key(self, key: str, value: str) -> str:
        """How something about the writing of a table is said."""
        return f"data.table.{key}: {value!r}" if self.in_spec else f"--table {key}={value}"

    @property
    def array(self) -> str:
        """Where the array of the features is named."""
        return self.key("array")

    @property
    def target(self) -> str:
        """Where the targets are named."""
        return self.key("target")

    @property
    def leave_out(self) -> str:
        """What to do about a column that is no feature."""
        return f"leave it out with {self.key('exclude')}" if self.excludes else "take it out of the file"

    def no_number(self, *, named: bool) -> str:
        """What to do about a column that holds no numbers; `named`: whether the targets are known."""
        if named:
            return self.leave_out
        return f"if the column is the target, name it with {self.target}, else {self.leave_out}"


OPTIONS, SPEC, ONLY_TARGETS = Words(), Words(in_spec=True), Words(excludes=False)


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
    """

    packing: Packing | None
    reading: Reading
    open_target: OpenTarget
    words: Words

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
