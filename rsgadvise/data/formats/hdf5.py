"""HDF5 datasets, through the optional h5py, and MATLAB 7.3: HDF5 after a header of 512 bytes, axes reversed.

Source: MathWorks, "MAT-File Versions", and what the attributes MATLAB_class and MATLAB_sparse say.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rsgadvise.data.choose import Archive, Item
from rsgadvise.data.formats import Archives
from rsgadvise.data.formats.binary import FORTRAN_BLOCK_BYTES, check_expansion
from rsgadvise.data.formats.sparse import by_columns, sparse_rows
from rsgadvise.data.packing import Packing
from rsgadvise.data.stream import (
    Array,
    RowArray,
    malformed,
    numeric_dtype,
    optional,
    reading,
    row_shape,
    word_rows,
)

_BOOL = np.dtype(bool)
_NUMBERS = {"double", "single", "logical", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64))}


def hdf5_archive(path: Path) -> Archive:
    """The datasets of one HDF5 file; those inside groups go by their path."""
    h5py = optional("h5py", path, "HDF5 files need h5py", extra="hdf5")
    found: dict[str, Item] = {}
    others: dict[str, Item] = {}
    texts: dict[str, Item] = {}

    def rows(name: str, targets: bool, transposed: bool) -> RowArray:
        label = f"{path}: dataset {name!r}"
        with reading(path), h5py.File(path, "r") as file:
            if targets and h5py.check_string_dtype(file[name].dtype):
                return word_rows(label, [word.decode() for word in _whole(label, file[name]).tolist()])
            return dataset_rows(path, label, file[name], targets=targets, transposed=transposed)

    def note(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        if item.dtype.kind in "biufc":
            found[name] = Item(tuple(item.shape or ()), partial(rows, name))
        else:
            what = "text" if item.dtype.kind in "OSU" else "no numbers"
            others[name] = Item(None, partial(rows, name), what)
            if item.ndim == 1 and h5py.check_string_dtype(item.dtype):
                texts[name] = Item(tuple(item.shape), partial(rows, name), "text ")

    with reading(path), h5py.File(path, "r") as file:
        # Soft and external links are not followed: they may lead out of the file.
        file.visititems(note)
    if not found:
        raise malformed(path, "holds no dataset of numbers; store the features as one")
    # Words may be labels where there is one for each row of an array.
    lengths = {item.shape[:1] for item in found.values() if item.shape}
    return Archive(path, found | others | {n: item for n, item in texts.items() if item.shape in lengths})


def dataset_rows(path: Path, label: str, dataset: Any, *, targets: bool, transposed: bool) -> RowArray:
    """One open dataset as a stream of rows; `transposed` with its axes in the opposite order."""
    dtype = numeric_dtype(label, dataset.dtype)
    shape = tuple(dataset.shape or ())
    rows, columns = row_shape(label, shape[::-1] if transposed else shape, targets=targets)
    if dataset.external or dataset.is_virtual:
        raise malformed(label, "keeps its data in other files; copy it into one file")
    check_expansion(label, rows * columns * dtype.itemsize, dataset.id.get_storage_size())
    name, opened = dataset.name, type(dataset.file)

    def blocks(max_bytes: int) -> Iterator[Array]:
        step = max(1, max_bytes // (columns * dtype.itemsize))
        # Across its rows a dataset is slow to read, so that more is taken at a time.
        wide = max(step, FORTRAN_BLOCK_BYTES // (columns * dtype.itemsize)) if transposed else step
        with reading(path), opened(path, "r") as file:
            dataset = file[name]
            for start in range(0, rows, wide):
                block = dataset[..., start : start + wide].T if transposed else dataset[start : start + wide]
                for first in range(0, len(block), step):
                    piece = np.ascontiguousarray(block[first : first + step])
                    yield piece.reshape(len(piece), columns)

    return RowArray(label=label, rows=rows, columns=columns, dtype=dtype, blocks=blocks)


def mat73_archive(path: Path) -> Archive:
    """The arrays of one file of MATLAB 7.3; what its cells hold lies in a group that is none of them."""
    h5py = optional("h5py", path, "MATLAB 7.3 files are HDF5, which needs h5py", extra="hdf5")

    def item_of(name: str, item: Any) -> Item:
        """What something is, with its shape as MATLAB has it where it is an array of numbers."""
        kind = _class(item)
        if isinstance(item, h5py.Group):
            if "MATLAB_sparse" in item.attrs and isinstance(item.get("jc"), h5py.Dataset):
                shape = int(item.attrs["MATLAB_sparse"]), item["jc"].size - 1
                return Item(shape, partial(rows, name, shape), "sparse ")
            return Item(None, what=kind or "group")
        if isinstance(item, h5py.Dataset) and kind in _NUMBERS and not item.attrs.get("MATLAB_empty"):
            # Of an empty one the entries are its shape.
            what = "complex " if item.dtype.kind in "cV" else ""
            return Item(tuple(item.shape or ())[::-1], partial(rows, name, None), what)
        is_empty = isinstance(item, h5py.Dataset) and kind in _NUMBERS
        return Item(None, what="empty" if is_empty else kind or "no numbers")

    def rows(name: str, sparse: tuple[int, int] | None, targets: bool, transposed: bool) -> RowArray:
        label = f"{path}: array {name!r}"
        with reading(label), h5py.File(path, "r") as file:
            item = file[name]
            if sparse is not None:
                return _sparse(label, sparse, item, transposed=transposed)
            _refuse_complex(label, item)
            found = dataset_rows(path, label, item, targets=targets, transposed=not transposed)
            # Truth values lie in bytes that are not to be taken for pixels.
            return (
                found.mapped(_BOOL, lambda block: block.astype(bool)) if _class(item) == "logical" else found
            )

    items: dict[str, Item] = {}
    with reading(path), h5py.File(path, "r") as file:
        for name in file:
            # Soft and external links are not followed: they may lead out of the file.
            if not name.startswith("#") and isinstance(file.get(name, getlink=True), h5py.HardLink):
                items[name] = item_of(name, file[name])
    if all(item.shape is None for item in items.values()):
        raise malformed(path, "holds no numeric array; save the features as a matrix")
    return Archive(path, items)


def _refuse_complex(label: str, dataset: Any) -> None:
    if dataset.dtype.kind in "cV":
        raise malformed(label, "holds complex numbers; only real numbers are read, so convert it")


def _class(item: Any) -> str:
    """What MATLAB calls the class of something; empty where that is not said."""
    kind = item.attrs.get("MATLAB_class", b"")
    return kind.decode("latin1") if isinstance(kind, bytes) else str(kind)


def _sparse(label: str, shape: tuple[int, int], group: Any, *, transposed: bool) -> RowArray:
    """A sparse array, whose entries lie column by column; without a single one they are left out."""
    down, values = (
        _whole(label, group[name]) if name in group else np.zeros(0, dtype)
        for name, dtype in (("ir", np.int64), ("data", np.float64))
    )
    if "data" in group:
        _refuse_complex(label, group["data"])
    values = values.astype(bool) if _class(group) == "logical" else values
    matrix = by_columns(shape, _whole(label, group["jc"]), down, values)
    return sparse_rows(label, matrix, transposed=transposed)


def _whole(label: str, dataset: Any) -> Array:
    """A vector, all of it."""
    if dataset.external or dataset.is_virtual:
        raise malformed(label, "keeps its data in other files; copy it into one file")
    check_expansion(label, dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size())
    found: Array = dataset[:]
    return found


class Hdf5(Archives):
    name, words, order, suffixes = "hdf5", "HDF5", 4, (".h5", ".hdf5")

    def archive(self, path: Path, packing: Packing | None) -> Archive:
        return hdf5_archive(path)

    def magic(self, start: bytes) -> bool:
        """A file may leave a block for its user at the start."""
        return any(start[offset:].startswith(b"\x89HDF\r\n\x1a\n") for offset in (0, 512, 1024, 2048))


class Mat73(Archives):
    name, words, order, suffixes = "mat", "MATLAB 7.3 .mat", 4, (".mat",)

    def archive(self, path: Path, packing: Packing | None) -> Archive:
        return mat73_archive(path)

    def magic(self, start: bytes) -> bool:
        return start.startswith(b"MATLAB 7.3")


FORMATS = (Mat73(), Hdf5())  # of which any 7.3 file is one
