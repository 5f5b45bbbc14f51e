"""HDF5 datasets, through the optional h5py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsgadvise.data.formats import Archives
from rsgadvise.data.formats.binary import check_expansion
from rsgadvise.data.stream import Array, RowArray, malformed, numeric_dtype, reading, row_shape
from rsgadvise.errors import MissingExtraError


def _library(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: HDF5 files need h5py; install it with: pip install 'rsgadvise[hdf5]'"
        ) from error
    return h5py


class Hdf5Archive:
    """The datasets of one HDF5 file; those inside groups go by their path."""

    passed_over: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._h5py = _library(path)
        self._shapes: dict[str, tuple[int, ...]] = {}
        with reading(path), self._h5py.File(path, "r") as file:
            # Soft and external links are not followed: they may lead out of the file.
            file.visititems(self._note)
        if not self._shapes:
            raise malformed(path, "holds no dataset; store the features as one")

    def _note(self, name: str, item: Any) -> None:
        if isinstance(item, self._h5py.Dataset):
            self._shapes[name] = tuple(item.shape or ())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._shapes)

    def describe(self) -> str:
        return ", ".join(f"{name} {shape}" for name, shape in list(self._shapes.items())[:20])

    def rows(self, name: str, *, targets: bool = False) -> RowArray:
        """The dataset called `name` as a stream of rows."""
        label = f"{self.path}: dataset {name!r}"
        with reading(self.path), self._h5py.File(self.path, "r") as file:
            dataset = file[name]
            dtype = numeric_dtype(label, dataset.dtype)
            shape = self._shapes[name]
            rows, columns = row_shape(label, shape, targets=targets)
            if dataset.external or dataset.is_virtual:
                raise malformed(label, "keeps its data in other files; copy it into one file")
            check_expansion(label, rows * columns * dtype.itemsize, dataset.id.get_storage_size())

        def blocks(max_bytes: int) -> Iterator[Array]:
            step = max(1, max_bytes // (columns * dtype.itemsize))
            with reading(self.path), self._h5py.File(self.path, "r") as file:
                dataset = file[name]
                for start in range(0, rows, step):
                    block = dataset[start : start + step]
                    yield block.reshape(len(block), columns)

        return RowArray(label=label, rows=rows, columns=columns, dtype=dtype, blocks=blocks)


class Hdf5(Archives):
    """Datasets in groups."""

    name, words, order, suffixes = "hdf5", "HDF5", 4, (".h5", ".hdf5")

    def archive(self, path: Path) -> Hdf5Archive:
        return Hdf5Archive(path)

    def magic(self, start: bytes) -> bool:
        """A file may leave a block for its user at the start."""
        return any(start[offset:].startswith(b"\x89HDF\r\n\x1a\n") for offset in (0, 512, 1024, 2048))


FORMATS = (Hdf5(),)
