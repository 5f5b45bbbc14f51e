"""Sparse matrices, by scipy, laid out a few rows at a time; what scipy.sparse.save_npz writes is one."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from rsgadvise.data.formats import SingleArray
from rsgadvise.data.formats.binary import check_expansion
from rsgadvise.data.formats.numpy_files import ZIP_MAGICS
from rsgadvise.data.packing import Packing
from rsgadvise.data.stream import Array, RowArray, malformed, numeric_dtype, reading

MOST_ZEROS = 20_000
"""Times the bytes of its entries that a matrix may take with its zeros; those of texts take a few hundred."""

_PLACES = frozenset({"indices", "row", "coords", "offsets"})
_WHOLE = _PLACES | {"indptr", "col", "shape"}
_COPIES = 4  # of the entries, at most, while they are put in order


def by_columns(shape: tuple[int, int], starts: Array, down: Array, values: Array) -> Any:
    """The matrix whose entries lie column by column.

    Args:
        shape: of the matrix.
        starts: where the entries of each column start in what follows, and where the last end.
        down: the row of each entry; more than `starts` speaks of do not count.
        values: the entries.

    Raises:
        ValueError: these do not fit together.
    """
    from scipy.sparse import csc_array

    if {starts.dtype.kind, down.dtype.kind} - {"i", "u"} or not starts.size or int(starts[-1]) < 0:
        raise ValueError(f"the places of its entries do not fit the shape {shape}")
    stored = int(starts[-1])
    return csc_array((values[:stored], down[:stored], starts), shape=shape)


def sparse_rows(label: str, matrix: Any, *, transposed: bool = False) -> RowArray:
    """A sparse matrix of scipy as a stream of rows; what comes twice is added.

    Raises:
        DataError: the matrix is far larger than its entries, or they are no real numbers.
        ValueError: an entry lies outside of the matrix.
    """
    dtype = numeric_dtype(label, matrix.dtype)
    if matrix.format in {"csr", "csc", "bsr"}:  # whose entries nobody has looked at
        matrix.check_format(full_check=True)
    rows, columns = matrix.shape[::-1] if transposed else matrix.shape
    stored = matrix.nnz * (dtype.itemsize + 2 * 8)
    check_expansion(label, rows * columns * dtype.itemsize, stored, most=MOST_ZEROS)
    by_rows = (matrix.T if transposed else matrix).tocsr()

    def blocks(max_bytes: int) -> Iterator[Array]:
        step = max(1, max_bytes // (columns * dtype.itemsize))
        return (by_rows[start : start + step].toarray() for start in range(0, rows, step))

    return RowArray(label=label, rows=rows, columns=columns, dtype=dtype, blocks=blocks)


@contextmanager
def _quietly() -> Iterator[None]:
    """What numpy says and raises of a damaged header, some of which are no built-in errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (SyntaxError, TokenError) as error:
            raise ValueError(str(error)) from error


class ScipySparse(SingleArray):
    """An `.npz` whose arrays are the parts of one sparse matrix."""

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
        from scipy.sparse import load_npz

        with reading(path):
            with zipfile.ZipFile(path) as archive:
                claimed = sum(info.file_size for info in archive.infolist())
            check_expansion(path, _COPIES * claimed, path.stat().st_size)
            with _quietly(), np.load(path) as parts:  # which takes no pickles, as scipy's own does
                for name in _WHOLE.intersection(parts.files):
                    if parts[name].dtype.kind not in "iu":
                        raise malformed(
                            path, f"holds {name} that are no whole numbers; save it again by scipy"
                        )
                if parts["data"].dtype == np.float16:
                    raise malformed(path, "holds numbers of 16 bits; save it again as float32")
            with _quietly():
                matrix = load_npz(path)
            if matrix.ndim != 2:
                raise malformed(path, f"claims the shape {matrix.shape}; rows and columns are needed")
            return sparse_rows(str(path), matrix)


FORMATS = (ScipySparse(),)
