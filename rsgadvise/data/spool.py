"""Numbers that were parsed once, in memory or in a temporary file, for the passes after that."""

from __future__ import annotations

import tempfile

import numpy as np

from rsgadvise.data.stream import Array

MEMORY_BYTES = 1 << 26
"""What is kept in memory, and not in a file."""


class Spool:
    """Rows of floats, added at the end and read anywhere.

    Args:
        width: numbers of a row.

    Attributes:
        rows: how many were added.
        complete: whether all that were added are there: a disk may be full.
    """

    def __init__(self, width: int) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115
        self._width, self.rows = width, 0
        self.complete = True

    def add(self, rows: Array) -> None:
        """Keep some more; once there is no room for them, none are kept."""
        if not self.complete:
            return
        try:
            self._file.write(np.ascontiguousarray(rows, np.float64).data)
        except OSError:
            self.drop()
        self.rows += len(rows)

    def drop(self) -> None:
        self.complete = False
        self._file.close()

    def __del__(self) -> None:
        self._file.close()

    def read(self, first: int, count: int) -> Array:
        """Rows from that one on, fewer at the end."""
        self._file.seek(first * self._width * 8)
        data = self._file.read(count * self._width * 8)
        rows = max(0, min(count, self.rows - first))  # a file of targets alone has rows of no width
        return np.frombuffer(data, dtype=np.float64).reshape(rows, self._width)
