"""Sparse matrices: their entries are kept as they are stored, and laid out a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rsgadvise.data.formats.binary import check_expansion
from rsgadvise.data.stream import Array, RowArray, numeric_dtype

MOST_ZEROS = 20_000
"""Times the bytes of its entries that a matrix may take with its zeros; those of texts take a few hundred."""


def compressed(count: int, starts: Array, across: Array, values: Array) -> tuple[Array, Array, Array]:
    """(row, column, value) of the entries of `count` rows; of columns, with both words exchanged.

    Args:
        count: rows that there are.
        starts: where the entries of each row start in what follows, and where the last end.
        across: the column of each entry.
        values: the entries; as those of `across`, more than `starts` speaks of do not count.

    Raises:
        ValueError: these do not fit together.
    """
    places = starts.astype(np.int64)
    stored = int(places[-1]) if places.size else 0
    if (
        {starts.dtype.kind, across.dtype.kind} - {"i", "u"}
        or places.size != count + 1
        or places[0] != 0
        or (places[1:] < places[:-1]).any()
        or min(across.size, len(values)) < stored
    ):
        raise ValueError(f"the places of its entries do not fit {count} rows or columns")
    return np.repeat(np.arange(count), np.diff(places)), across[:stored], values[:stored]


def within(places: Array, length: int) -> None:
    """Refuse places that are not among so many rows or columns.

    Raises:
        ValueError: one of them is not.
    """
    if places.dtype.kind not in "iu" or (places.size and not 0 <= places.min() <= places.max() < length):
        raise ValueError(f"the places of its entries do not fit {length} rows or columns")


def sparse_rows(
    label: str, shape: tuple[int, int], down: Array, across: Array, values: Array, *, transposed: bool = False
) -> RowArray:
    """A matrix of zeros but for entries at (down, across), as a stream of rows; what comes twice is added.

    Args:
        label: file and array, for messages.
        shape: of the matrix.
        down, across, values: row, column and value of each entry.
        transposed: whether its columns are read as the rows.

    Raises:
        DataError: the matrix is far larger than its entries, or they are no real numbers.
        ValueError: an entry lies outside of the matrix.
    """
    dtype = numeric_dtype(label, values.dtype)
    rows, columns = shape
    within(down, rows)
    within(across, columns)
    if transposed:
        down, across, rows, columns = across, down, columns, rows
    check_expansion(
        label,
        rows * columns * dtype.itemsize,
        down.nbytes + across.nbytes + values.nbytes,
        most=MOST_ZEROS,
    )
    order = np.argsort(down, kind="stable")
    down, across, values = down[order].astype(np.int64), across[order].astype(np.int64), values[order]

    def blocks(max_bytes: int) -> Iterator[Array]:
        step = max(1, max_bytes // (columns * dtype.itemsize))
        for start in range(0, rows, step):
            block = np.zeros((min(step, rows - start), columns), dtype)
            first, last = np.searchsorted(down, (start, start + len(block)))
            np.add.at(block, (down[first:last] - start, across[first:last]), values[first:last])
            yield block

    return RowArray(label=label, rows=rows, columns=columns, dtype=dtype, blocks=blocks)
