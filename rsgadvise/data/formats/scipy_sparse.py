"""What scipy.sparse.save_npz writes: an `.npz` whose arrays are the parts of one sparse matrix.

Source: the documentation of scipy.sparse, on what the arrays of each of its formats mean.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from rsgadvise.data.formats import SingleArray
from rsgadvise.data.formats.binary import check_expansion
from rsgadvise.data.formats.numpy_files import ZIP_MAGICS, NpzArchive
from rsgadvise.data.formats.sparse import compressed, sparse_rows, within
from rsgadvise.data.packing import Packing
from rsgadvise.data.stream import Array, RowArray, malformed, reading

_PLACES = frozenset({"indices", "row", "coords", "offsets"})
_BLOCK = 1 << 20
_COPIES = 4  # of the entries, at most, while they are put in order


class _Parts:
    """The arrays of one file, each read as a whole."""

    def __init__(self, path: Path) -> None:
        self._archive = NpzArchive(path)
        claimed = sum(self._archive.raw(name).nbytes for name in self._archive.names if name != "format")
        check_expansion(path, _COPIES * claimed, path.stat().st_size)

    def __contains__(self, name: str) -> bool:
        return name in self._archive.names

    def __getitem__(self, name: str) -> Array:
        if name not in self:
            raise ValueError(f"array {name!r} of the sparse matrix is missing")
        raw = self._archive.raw(name)
        if not raw.shape or 0 in raw.shape:
            return np.empty(raw.shape, raw.dtype)
        blocks = raw.row_array(targets=True).blocks(_BLOCK)
        return np.concatenate([block.copy() for block in blocks]).reshape(raw.shape)


def read_sparse(path: Path) -> RowArray:
    """The matrix of one file as a stream of rows.

    Raises:
        DataError: its parts are missing, damaged, or do not fit together.
    """
    with reading(path):
        kind = _kind(path)
        if kind not in _ENTRIES:
            known = ", ".join(_ENTRIES)
            raise malformed(path, f"holds a sparse matrix of format {kind!r}; convert it to one of {known}")
        parts = _Parts(path)
        lengths = parts["shape"].tolist()
        if len(lengths) != 2 or not all(isinstance(each, int) and each >= 0 for each in lengths):
            raise ValueError(f"it claims the shape {lengths}; rows and columns are needed")
        shape = lengths[0], lengths[1]
        return sparse_rows(str(path), shape, *_ENTRIES[kind](parts, shape))


def _kind(path: Path) -> str:
    """What scipy calls the format: three letters at the end of a member, of one byte each or of four."""
    with zipfile.ZipFile(path) as archive, archive.open("format.npy") as stream:
        return stream.read(4096)[-12:].replace(b"\0", b"")[-3:].decode("latin1")


Shape = tuple[int, int]
Entries = tuple[Array, Array, Array]


def _csr(parts: _Parts, shape: Shape) -> Entries:
    return compressed(shape[0], parts["indptr"], parts["indices"], parts["data"])


def _csc(parts: _Parts, shape: Shape) -> Entries:
    across, down, values = compressed(shape[1], parts["indptr"], parts["indices"], parts["data"])
    return down, across, values


def _bsr(parts: _Parts, shape: Shape) -> Entries:
    """Rows of dense blocks."""
    data = parts["data"]
    if data.ndim != 3 or 0 in data.shape[1:] or shape[0] % data.shape[1] or shape[1] % data.shape[2]:
        raise ValueError(f"blocks of the shape {data.shape} do not fit the shape {shape}")
    height, width = data.shape[1:]
    down, across, blocks = compressed(shape[0] // height, parts["indptr"], parts["indices"], data)
    within(across, shape[1] // width)
    down, across = (places.astype(np.int64)[:, None, None] for places in (down, across))
    rows = np.broadcast_to(down * height + np.arange(height)[:, None], blocks.shape)
    columns = np.broadcast_to(across * width + np.arange(width), blocks.shape)
    return rows.ravel(), columns.ravel(), blocks.ravel()


def _coo(parts: _Parts, shape: Shape) -> Entries:
    """Places and values; several axes lie in one array since scipy has them."""
    down, across = parts["coords"] if "coords" in parts else (parts["row"], parts["col"])
    values = parts["data"]
    if not down.shape == across.shape == values.shape == (values.size,):
        raise ValueError(f"it has {down.size} rows and {across.size} columns of {values.size} entries")
    return down, across, values


def _dia(parts: _Parts, shape: Shape) -> Entries:
    """Diagonals, of which each entry lies in the column of its place."""
    data, offsets = parts["data"], parts["offsets"]
    if data.ndim != 2 or offsets.shape != data.shape[:1] or offsets.dtype.kind not in "iu":
        raise ValueError(f"{offsets.size} diagonals do not fit their entries of the shape {data.shape}")
    across = np.broadcast_to(np.arange(data.shape[1]), data.shape)
    down = across - offsets.astype(np.int64)[:, None]
    inside = (across < shape[1]) & (down >= 0) & (down < shape[0])
    return down[inside], across[inside], data[inside]


_ENTRIES = {"csr": _csr, "csc": _csc, "bsr": _bsr, "coo": _coo, "dia": _dia}


class ScipySparse(SingleArray):
    """One matrix."""

    name, words, order = "scipy", "scipy.sparse .npz", 0

    def magic(self, start: bytes) -> bool:
        return start.startswith(ZIP_MAGICS)

    def holds(self, path: Path) -> bool:
        try:
            with zipfile.ZipFile(path) as archive:
                names = {name.removesuffix(".npy") for name in archive.namelist()}
        except (OSError, ValueError, LookupError, RuntimeError, zipfile.BadZipFile):
            return False  # said by the reader of .npz
        return names >= {"format", "shape", "data"} and bool(names & _PLACES)

    def rows(self, path: Path, *, packing: Packing | None, targets: bool) -> RowArray:
        return read_sparse(path)


FORMATS = (ScipySparse(),)
