"""HDF5 datasets, through the optional h5py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rsgadvise.data.formats import Archives
from rsgadvise.data.formats.binary import FORTRAN_BLOCK_BYTES, check_expansion
from rsgadvise.data.packing import Packing
from rsgadvise.data.stream import Array, RowArray, malformed, numeric_dtype, optional, reading, row_shape


class Hdf5Archive:
    """The datasets of one HDF5 file; those inside groups go by their path."""

    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._h5py = optional("h5py", path, "HDF5 files need h5py", extra="hdf5")
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._others: dict[str, str] = {}
        with reading(path), self._h5py.File(path, "r") as file:
            # Soft and external links are not followed: they may lead out of the file.
            file.visititems(self._note)
        if not self._shapes:
            raise malformed(path, "holds no dataset of numbers; store the features as one")

    def _note(self, name: str, item: Any) -> None:
        if not isinstance(item, self._h5py.Dataset):
            return
        if item.dtype.kind in "biufc":
            self._shapes[name] = tuple(item.shape or ())
        else:
            self._others[name] = "text" if item.dtype.kind in "OSU" else "no numbers"

    @property
    def names(self) -> tuple[str, ...]:
        return (*self._shapes, *self._others)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """See `Archive.shape`."""
        return self._shapes.get(name)

    def described(self, name: str) -> str:
        """See `Archive.described`."""
        return f"{name} {self._shapes[name] if name in self._shapes else f'({self._others[name]})'}"

    def rows(self, name: str, *, targets: bool = False, transposed: bool = False) -> RowArray:
        """See `Archive.rows`."""
        label = f"{self.path}: dataset {name!r}"
        with reading(self.path), self._h5py.File(self.path, "r") as file:
            return dataset_rows(self.path, label, file[name], targets=targets, transposed=transposed)


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


class Hdf5(Archives):
    """Datasets in groups."""

    name, words, order, suffixes = "hdf5", "HDF5", 4, (".h5", ".hdf5")

    def archive(self, path: Path, packing: Packing | None) -> Hdf5Archive:
        return Hdf5Archive(path)

    def magic(self, start: bytes) -> bool:
        """A file may leave a block for its user at the start."""
        return any(start[offset:].startswith(b"\x89HDF\r\n\x1a\n") for offset in (0, 512, 1024, 2048))


FORMATS = (Hdf5(),)
