"""MATLAB 5 `.mat` files, through scipy.

The format holds at most 2 GiB per array, so an array is loaded whole; its shape is known, and
checked against the size of the file, before it is unpacked.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rsgadvise.readers.binary import check_expansion
from rsgadvise.readers.source import Array, RowArray, malformed, numeric_dtype, reading, row_shape

_HEADER = 128
_ITEM_BYTES = {
    **{f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "single": 4,
    "double": 8,
    "logical": 1,
}
"""Numeric classes of MATLAB. A double may be stored in fewer bytes, so this is what it unpacks to."""


def looks_like_mat5(start: bytes) -> bool:
    """The version and byte-order mark at the end of the 128-byte header."""
    return len(start) >= _HEADER and start[124:128] in {b"\x00\x01IM", b"\x01\x00MI"}


class MatArchive:
    """The arrays of one MATLAB 5 file."""

    def __init__(self, path: Path) -> None:
        from scipy.io import whosmat

        self.path = path
        with _quietly(path):
            found = whosmat(str(path))
        self._arrays = {
            str(name): (tuple(int(n) for n in shape), str(kind)) for name, shape, kind in found if name
        }
        if not self.names:
            raise malformed(path, "holds no numeric array; save the features as a matrix")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, (_, kind) in self._arrays.items() if kind in _ITEM_BYTES)

    def describe(self) -> str:
        """Names, and shapes or kinds, for a message."""
        shown = list(self._arrays.items())[:20]
        return ", ".join(f"{name} {shape if kind in _ITEM_BYTES else kind}" for name, (shape, kind) in shown)

    def rows(self, name: str, *, targets: bool = False) -> RowArray:
        """The array called `name` as a stream of rows; it is loaded once, when the first row is asked for."""
        label = f"{self.path}: array {name!r}"
        shape, kind = self._arrays[name]
        check_expansion(label, math.prod(shape) * _ITEM_BYTES[kind], self.path.stat().st_size)
        array = self._load(name, label)
        if array.shape != shape:
            raise malformed(label, f"has shape {array.shape} and its header says {shape}")
        if targets and array.ndim == 2 and array.shape[0] == 1:
            array = array.reshape(-1)  # MATLAB has no vectors; labels are as often a row as a column
        dtype = numeric_dtype(label, array.dtype)
        rows, columns = row_shape(label, array.shape, targets=targets)

        def blocks(max_bytes: int) -> Iterator[Array]:
            step = max(1, max_bytes // (columns * dtype.itemsize))
            for start in range(0, rows, step):
                block = array[start : start + step]
                yield np.ascontiguousarray(block.reshape(len(block), columns))

        return RowArray(label=label, rows=rows, columns=columns, dtype=dtype, blocks=blocks)

    def _load(self, name: str, label: str) -> Array:
        from scipy.io import loadmat

        with _quietly(self.path):
            found = loadmat(str(self.path), variable_names=[name], mat_dtype=True).get(name)
        if not isinstance(found, np.ndarray):
            raise malformed(label, "is not a plain array; save the features as a full numeric matrix")
        if found.dtype.kind == "c":
            raise malformed(label, "holds complex numbers; only real numbers are read, so convert it")
        return found


@contextmanager
def _quietly(path: Path) -> Iterator[None]:
    """Low-level failures become one clear error, and the library's warnings stay off stderr."""
    from scipy.io.matlab import MatReadError

    with warnings.catch_warnings(), reading(path):
        warnings.simplefilter("ignore")
        try:
            yield
        except MatReadError as error:
            raise ValueError(str(error)) from error
