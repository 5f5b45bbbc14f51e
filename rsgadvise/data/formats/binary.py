"""Arrays that lie in a file as one run of bytes, read a block at a time.

Large plain files are mapped, which saves a copy of everything; pages that have been used are given
back at once, since each of them would count as resident memory. Where that cannot be done, and for
compressed files, `readinto` fills a reused buffer.
"""

from __future__ import annotations

import io
import math
import mmap
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from rsgadvise.data.stream import Array, RowArray, malformed, numeric_dtype, reading, row_shape
from rsgadvise.errors import DataError
from rsgadvise.records import dataclass

# A compressed file is refused when it expands by more than this factor and beyond this size.
MAX_EXPANSION = 200
EXPANSION_FREE_BYTES = 1 << 30

# Column-major data is gathered in wider blocks, since each block costs one read per column.
FORTRAN_BLOCK_BYTES = 1 << 25
_SPOOL_BYTES = 1 << 25

# Below this a copy costs nothing.
_MAPPED_BYTES = 1 << 20

_SURROGATES = 0xD800 >> 11  # halves of letters, which no text has alone


class Readable(Protocol):
    """As much of a binary stream as a guard needs."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


def check_expansion(path: Path | str, expanded: int, stored: int, *, most: int | None = None) -> None:
    """Refuse a file that unpacks to far more than it could reasonably hold."""
    most = MAX_EXPANSION if most is None else most
    if expanded > EXPANSION_FREE_BYTES and expanded > most * max(stored, 1):
        raise malformed(
            path,
            f"unpacks {stored} bytes to at least {expanded}, more than {most} times as many;"
            " unpack it yourself if you trust it",
        )


class ExpansionGuard(io.RawIOBase):
    """A decompressed stream that counts its bytes against `check_expansion`."""

    def __init__(self, stream: Readable, path: Path, stored: int) -> None:
        self._stream = stream
        self._path = path
        self._stored = stored
        self._expanded = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._expanded += len(data)
        check_expansion(self._path, self._expanded, self._stored)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


@dataclass(frozen=True, kw_only=True)
class RawArray:
    """Where the entries of an array lie.

    Args:
        path: the file, and label: the same with the array inside it, for messages.
        shape, dtype, fortran: as its header claims.
        open: a new stream.
        start: bytes of it before the first entry.
        seekable: whether jumping about in that stream is cheap.
        ends: whether nothing may follow the last entry.
    """

    path: Path
    label: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    open: Callable[[], BinaryIO]
    start: int = 0
    seekable: bool
    ends: bool = True

    def opened(self) -> BinaryIO:
        """A new stream that stands on the first entry."""
        stream, left = self.open(), self.start
        if self.seekable:
            stream.seek(left)
            return stream
        while left and (passed := len(stream.read(min(left, 1 << 20)))):
            left -= passed
        return stream

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def row_array(self, *, targets: bool = False, transposed: bool = False) -> RowArray:
        """The same array as a stream of rows; `transposed` with its axes in the opposite order."""
        if transposed:
            return replace(self, shape=self.shape[::-1], fortran=not self.fortran).row_array(targets=targets)
        rows, columns = row_shape(self.label, self.shape, targets=targets)
        words = targets and columns == 1 and self.dtype.kind in "SU"
        if not words:
            numeric_dtype(self.label, self.dtype)

        def blocks(max_bytes: int) -> Iterator[Array]:
            # A single row of several axes is still stored with the first of them running fastest.
            if self.fortran and columns > 1 and (rows > 1 or len(self.shape) > 2):
                return _column_major_blocks(self, rows, columns, max_bytes)
            parts = _row_major_blocks(self, rows, columns, max_bytes)
            return map(self._checked, parts) if words else parts

        return RowArray(label=self.label, rows=rows, columns=columns, dtype=self.dtype, blocks=blocks)

    def _checked(self, words: Array) -> Array:
        if words.dtype.kind == "S":
            return np.char.decode(words, "utf-8")
        if odd_letters(words):
            raise malformed(self.label, "holds text with letters that there are not; the file is damaged")
        return words


def odd_letters(words: Array) -> bool:
    """Whether text holds letters that there are not, at which Python would stop."""
    letters = words.view(words.dtype.str[0] + "u4")
    return bool(((letters > sys.maxunicode) | (letters >> 11 == _SURROGATES)).any())


def _fill(stream: BinaryIO, buffer: memoryview, raw: RawArray) -> None:
    done = 0
    while done < len(buffer):
        got = stream.readinto(buffer[done:])  # type: ignore[attr-defined]
        if not got:
            raise cut_short(raw)
        done += got


def _check_end(stream: BinaryIO, raw: RawArray) -> None:
    # Reading past the last entry also makes zip and gzip compare their checksums.
    if raw.ends and stream.read(1):
        raise malformed(
            raw.label, f"goes on after the {raw.nbytes} bytes that its header claims; store one array alone"
        )


def _mapped_blocks(raw: RawArray, rows: int, columns: int, max_bytes: int) -> Iterator[Array]:
    """Views of a mapped file, whose size is checked before each: a page past its end would be fatal."""
    row_bytes = columns * raw.dtype.itemsize
    step = min(rows, max(1, max_bytes // row_bytes))
    with reading(raw.path), raw.opened() as stream:
        offset = stream.tell()
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        data = np.frombuffer(mapped, dtype=raw.dtype, count=rows * columns, offset=offset)
        released = 0
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            if os.fstat(stream.fileno()).st_size < offset + stop * row_bytes:
                raise cut_short(raw)
            yield data[start * columns : stop * columns].reshape(stop - start, columns)
            used = (offset + stop * row_bytes) // mmap.PAGESIZE * mmap.PAGESIZE
            if used > released:
                mapped.madvise(mmap.MADV_DONTNEED, released, used - released)
                released = used
        stream.seek(offset + raw.nbytes)
        _check_end(stream, raw)


def cut_short(raw: RawArray) -> DataError:
    """The file holds less than its header claims."""
    return malformed(
        raw.label, f"ended before the {raw.nbytes} bytes that its header claims; the file is cut short"
    )


def _row_major_blocks(raw: RawArray, rows: int, columns: int, max_bytes: int) -> Iterator[Array]:
    if raw.seekable and raw.nbytes >= _MAPPED_BYTES and hasattr(mmap, "MADV_DONTNEED"):
        yield from _mapped_blocks(raw, rows, columns, max_bytes)
        return
    row_bytes = columns * raw.dtype.itemsize
    step = min(rows, max(1, max_bytes // row_bytes))
    with reading(raw.path), raw.opened() as stream:
        buffers = [np.empty(step * row_bytes, dtype=np.uint8) for _ in range(1 if step == rows else 2)]

        def read(number: int) -> Array:
            count = min(step, rows - number * step)
            part = buffers[number % 2][: count * row_bytes]
            _fill(stream, part.data, raw)
            return part.view(raw.dtype).reshape(count, columns)

        yield from _ahead(read, -(-rows // step))
        _check_end(stream, raw)


def _ahead(read: Callable[[int], Array], count: int) -> Iterator[Array]:
    """Each block while a thread reads the next: neither reading nor unpacking needs the interpreter."""
    if count == 1:
        yield read(0)
        return
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = pool.submit(read, 0)
        for number in range(1, count + 1):
            block = pending.result()
            if number < count:
                pending = pool.submit(read, number)
            yield block


def _column_major_blocks(raw: RawArray, rows: int, columns: int, max_bytes: int) -> Iterator[Array]:
    itemsize = raw.dtype.itemsize
    trailing = raw.shape[1:]
    with reading(raw.path), _seekable(raw) as stream:
        base = stream.tell()
        wide = min(rows, max(1, max(max_bytes, FORTRAN_BLOCK_BYTES) // (columns * itemsize)))
        step = max(1, max_bytes // (columns * itemsize))
        buffer = np.empty(columns * wide * itemsize, dtype=np.uint8)
        for start in range(0, rows, wide):
            count = min(wide, rows - start)
            part = buffer[: columns * count * itemsize]
            view = part.data
            size = count * itemsize
            for column in range(columns):
                stream.seek(base + (column * rows + start) * itemsize)
                _fill(stream, view[column * size : (column + 1) * size], raw)
            # Axes come reversed in column-major order; the transpose puts the rows first again.
            block = part.view(raw.dtype).reshape(*trailing[::-1], count).T
            for first in range(0, count, step):
                piece = block[first : first + step]
                yield np.ascontiguousarray(piece).reshape(len(piece), columns)
        stream.seek(base + raw.nbytes)
        _check_end(stream, raw)


@contextmanager
def _seekable(raw: RawArray) -> Iterator[BinaryIO]:
    """A stream in which columns can be picked: the file itself, or a temporary unpacked copy."""
    if raw.seekable:
        with raw.opened() as stream:
            yield stream
        return
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        with raw.opened() as stream:
            left = raw.nbytes
            while left:
                data = stream.read(min(left, 1 << 20))
                if not data:
                    raise cut_short(raw)
                spool.write(data)
                left -= len(data)
            _check_end(stream, raw)
        spool.seek(0)
        yield spool  # type: ignore[misc]
