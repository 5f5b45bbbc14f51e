"""MATLAB 7.3 `.mat` files: HDF5 after a header of 512 bytes, with the axes of every array reversed.

Source: MathWorks, "MAT-File Versions", and what the attributes MATLAB_class and MATLAB_sparse say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rsgadvise.data.formats import Archives
from rsgadvise.data.formats.binary import check_expansion
from rsgadvise.data.formats.hdf5 import dataset_rows
from rsgadvise.data.formats.sparse import compressed, sparse_rows
from rsgadvise.data.packing import Packing
from rsgadvise.data.stream import Array, RowArray, malformed, optional, reading

_MAGIC = b"MATLAB 7.3"
_NUMBERS = {"double", "single", "logical", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64))}


class Mat73Archive:
    """The arrays of one file; what its cells hold lies in a group that is none of them."""

    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._h5py = optional("h5py", path, "MATLAB 7.3 files are HDF5, which needs h5py", extra="hdf5")
        self._found: dict[str, tuple[str, tuple[int, ...] | None]] = {}
        with reading(path), self._h5py.File(path, "r") as file:
            for name in file:
                # Soft and external links are not followed: they may lead out of the file.
                if not name.startswith("#") and isinstance(file.get(name, getlink=True), self._h5py.HardLink):
                    self._found[name] = self._what(file[name])
        if all(shape is None for _, shape in self._found.values()):
            raise malformed(path, "holds no numeric array; save the features as a matrix")

    def _what(self, item: Any) -> tuple[str, tuple[int, ...] | None]:
        """What something is, and its shape as MATLAB has it where it is an array of numbers."""
        kind = _class(item)
        if isinstance(item, self._h5py.Group):
            if "MATLAB_sparse" in item.attrs and isinstance(item.get("jc"), self._h5py.Dataset):
                return "sparse ", (int(item.attrs["MATLAB_sparse"]), item["jc"].size - 1)
            return kind or "group", None
        if not isinstance(item, self._h5py.Dataset) or kind not in _NUMBERS:
            return kind or "no numbers", None
        if item.attrs.get("MATLAB_empty"):  # whose entries are its shape
            return "empty", None
        complexes = item.dtype.kind in "cV"
        return "complex " * complexes, tuple(item.shape or ())[::-1]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._found)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """See `Archive.shape`."""
        return self._found[name][1]

    def described(self, name: str) -> str:
        """See `Archive.described`."""
        kind, shape = self._found[name]
        return f"{name} ({kind})" if shape is None else f"{name} {kind}{shape}"

    def rows(self, name: str, *, targets: bool = False, transposed: bool = False) -> RowArray:
        """See `Archive.rows`."""
        label = f"{self.path}: array {name!r}"
        kind, shape = self._found[name]
        if shape is None:
            raise malformed(label, f"is no array of numbers: {self.described(name)}; convert it to a matrix")
        with reading(label), self._h5py.File(self.path, "r") as file:
            item = file[name]
            if kind == "sparse ":
                return _sparse(label, (shape[0], shape[1]), item, transposed=transposed)
            if kind == "complex ":
                raise malformed(label, "holds complex numbers; only real numbers are read, so convert it")
            rows = dataset_rows(self.path, label, item, targets=targets, transposed=not transposed)
            return _logical(rows) if _class(item) == "logical" else rows


def _class(item: Any) -> str:
    """What MATLAB calls the class of something; empty where that is not said."""
    kind = item.attrs.get("MATLAB_class", b"")
    return kind.decode("latin1") if isinstance(kind, bytes) else str(kind)


def _logical(rows: RowArray) -> RowArray:
    """Truth values, which lie in bytes that are not to be taken for pixels."""

    def blocks(max_bytes: int) -> Iterator[Array]:
        return (block.astype(bool) for block in rows.blocks(max_bytes))

    return replace(rows, dtype=np.dtype(bool), blocks=blocks)


def _sparse(label: str, shape: tuple[int, int], group: Any, *, transposed: bool) -> RowArray:
    """A sparse array, whose entries lie column by column; without a single one they are left out."""
    down, values = (
        _whole(label, group[name]) if name in group else np.zeros(0, dtype)
        for name, dtype in (("ir", np.int64), ("data", np.float64))
    )
    if values.dtype.kind in "cV":
        raise malformed(label, "holds complex numbers; only real numbers are read, so convert it")
    if _class(group) == "logical":
        values = values.astype(bool)
    across, down, values = compressed(shape[1], _whole(label, group["jc"]), down, values)
    return sparse_rows(label, shape, down, across, values, transposed=transposed)


def _whole(label: str, dataset: Any) -> Array:
    """A vector, all of it."""
    if dataset.external or dataset.is_virtual:
        raise malformed(label, "keeps its data in other files; copy it into one file")
    check_expansion(label, dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size())
    found: Array = dataset[:]
    return found


class Mat73(Archives):
    """Named arrays, by the optional h5py."""

    name, words, order, suffixes = "mat", "MATLAB 7.3 .mat", 3, (".mat",)

    def archive(self, path: Path, packing: Packing | None) -> Mat73Archive:
        return Mat73Archive(path)

    def magic(self, start: bytes) -> bool:
        return start.startswith(_MAGIC)


FORMATS = (Mat73(),)
