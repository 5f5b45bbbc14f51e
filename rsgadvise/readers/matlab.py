"""MATLAB 5 `.mat` files, compressed or not.

Only numeric arrays are read, straight from the file's elements: shapes are known before any data is
unpacked, and the data itself is streamed like that of every other format.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rsgadvise.readers.binary import ExpansionGuard, RawArray, check_expansion
from rsgadvise.readers.source import Array, RowArray, malformed, reading

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_OTHER_CLASSES = {1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 16: "function", 17: "opaque"}
_DOUBLE, _SINGLE, _LAST_NUMERIC = 6, 7, 15
_COMPLEX_FLAG = 0x0800


def looks_like_mat5(start: bytes) -> bool:
    """The version and byte-order mark at the end of the 128-byte header."""
    return len(start) >= _HEADER and start[124:128] in {b"\x00\x01IM", b"\x01\x00MI"}


class _Inflated(io.RawIOBase):
    """The unpacked bytes of one compressed element."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._file = path.open("rb")
        self._file.seek(offset)
        self._left = size
        self._inflate = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = b""
        while not data and not self._inflate.eof:
            packed = self._inflate.unconsumed_tail
            if not packed:
                packed = self._file.read(min(self._left, 1 << 16))
                self._left -= len(packed)
                if not packed:
                    raise EOFError("a compressed element ends early")
            data = self._inflate.decompress(packed, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True)
class _Element:
    """One top-level element: where its matrix lies."""

    path: Path
    order: str
    offset: int
    size: int
    packed: bool

    def open(self) -> BinaryIO:
        """A stream that stands on the matrix's tag."""
        if self.packed:
            inflated = _Inflated(self.path, self.offset, self.size)
            guard = ExpansionGuard(inflated, self.path, self.size)
            return io.BufferedReader(guard, buffer_size=1 << 17)
        stream = self.path.open("rb")
        stream.seek(self.offset - 8)
        return stream


def _elements(path: Path) -> Iterator[_Element]:
    size = path.stat().st_size
    with path.open("rb") as stream:
        order = "<" if stream.read(_HEADER)[126:128] == b"IM" else ">"
        offset = _HEADER
        while offset < size:
            stream.seek(offset)
            tag = stream.read(8)
            if len(tag) < 8:
                raise malformed(path, "ends inside an element's tag; the file is cut short")
            kind, length = (int(value) for value in np.frombuffer(tag, dtype=f"{order}u4"))
            if kind not in {_MATRIX, _COMPRESSED}:
                raise malformed(path, f"holds an element of unknown kind {kind}; save it again with -v7")
            if offset + 8 + length > size:
                raise malformed(path, f"claims an element of {length} bytes that goes past its end of {size}")
            if length:
                yield _Element(path, order, offset + 8, length, kind == _COMPRESSED)
            offset += 8 + length


class _Fields:
    """Reads the sub-elements of a matrix one after another and counts the bytes."""

    def __init__(self, stream: BinaryIO, order: str) -> None:
        self._stream = stream
        self._order = order
        self.position = 0

    def numbers(self, count: int) -> list[int]:
        return [int(value) for value in np.frombuffer(self.take(4 * count), dtype=f"{self._order}u4")]

    def take(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) < count:
            raise EOFError("a matrix ends inside its header")
        self.position += count
        return data

    def tag(self) -> tuple[int, int, bytes | None]:
        """Type, length, and for the short form the data itself."""
        (word,) = self.numbers(1)
        if word >> 16:
            return word & 0xFFFF, word >> 16, self.take(4)[: word >> 16]
        (length,) = self.numbers(1)
        return word, length, None

    def field(self, limit: int) -> bytes:
        """A whole small sub-element, padding included."""
        _, length, data = self.tag()
        if data is not None:
            return data
        if length > limit:
            raise ValueError(f"a matrix header claims a field of {length} bytes")
        return self.take(-(-length // 8) * 8)[:length]


@dataclass(frozen=True)
class _Matrix:
    """The header of one matrix; `kind` is empty for a numeric array."""

    element: _Element
    name: str
    kind: str
    is_complex: bool = False
    shape: tuple[int, ...] = ()
    float_class: str = ""
    stored: str = ""
    start: int = 0
    nbytes: int = 0


def _matrix(element: _Element) -> _Matrix | None:
    with element.open() as stream:
        fields = _Fields(stream, element.order)
        kind, length = fields.numbers(2)
        if kind != _MATRIX:
            raise ValueError(f"a compressed element holds kind {kind}, not a matrix")
        flags = np.frombuffer(fields.field(8), dtype=f"{element.order}u4")
        if len(flags) != 2:
            raise ValueError("a matrix has no array flags")
        matrix_class = int(flags[0]) & 0xFF
        if matrix_class == 17:
            return None
        shape = tuple(int(n) for n in np.frombuffer(fields.field(128), dtype=f"{element.order}i4"))
        name = fields.field(4096).decode("latin1")
        if matrix_class in _OTHER_CLASSES:
            return _Matrix(element, name, _OTHER_CLASSES[matrix_class])
        if matrix_class > _LAST_NUMERIC or len(shape) < 2 or min(shape) < 0:
            raise ValueError(f"array {name!r} has class {matrix_class} and shape {shape}")
        stored, nbytes, short = fields.tag()
        if stored not in _STORED:
            raise ValueError(f"array {name!r} stores entries of kind {stored}")
        start = fields.position - (4 if short is not None else 0)
        if start + nbytes > length + 8:
            raise ValueError(f"array {name!r} claims {nbytes} bytes and its element holds {length}")
        return _Matrix(
            element=element,
            name=name,
            kind="",
            is_complex=bool(int(flags[0]) & _COMPLEX_FLAG),
            shape=shape,
            float_class={_DOUBLE: "f8", _SINGLE: "f4"}.get(matrix_class, ""),
            stored=element.order + _STORED[stored],
            start=start,
            nbytes=nbytes,
        )


class MatArchive:
    """The arrays of one MATLAB 5 file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path):
            matrices = [_matrix(element) for element in _elements(path)]
        self._matrices = {matrix.name: matrix for matrix in matrices if matrix is not None and matrix.name}
        if not self.names:
            raise malformed(path, "holds no numeric array; save the features as a matrix")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(matrix.name for matrix in self._matrices.values() if not matrix.kind)

    def describe(self) -> str:
        """Names, shapes and kinds for a message."""
        return ", ".join(f"{m.name} {m.kind or m.shape}" for m in list(self._matrices.values())[:20])

    def rows(self, name: str, *, targets: bool = False) -> RowArray:
        """The array called `name` as a stream of rows."""
        matrix = self._matrices[name]
        element = matrix.element
        label = f"{self.path}: array {name!r}"
        if matrix.is_complex:
            raise malformed(label, "holds complex numbers; only real numbers are read, so convert it")
        shape = matrix.shape
        if targets and len(shape) == 2 and shape[0] == 1:
            shape = (shape[1],)  # MATLAB has no vectors; labels are as often a row as a column
        raw = RawArray(
            path=self.path,
            label=label,
            shape=shape,
            dtype=np.dtype(matrix.stored),
            fortran=True,
            open=lambda: _open_data(matrix),
            seekable=not element.packed,
            ends=element.packed,
        )
        if math.prod(shape) * raw.dtype.itemsize != matrix.nbytes:
            raise malformed(label, f"holds {matrix.nbytes} bytes and its shape {shape} needs {raw.nbytes}")
        if element.packed:
            check_expansion(label, matrix.nbytes, element.size)
        rows = raw.row_array(targets=targets)
        return rows if targets or not matrix.float_class else _as_float(rows, matrix.float_class)


def _as_float(rows: RowArray, float_class: str) -> RowArray:
    """MATLAB stores doubles that happen to be small integers in fewer bytes; they are still doubles."""

    def blocks(max_bytes: int) -> Iterator[Array]:
        share = np.dtype(float_class).itemsize // rows.dtype.itemsize or 1
        for block in rows.blocks(max(1, max_bytes // share)):
            yield block.astype(float_class)

    if rows.dtype.kind == "f":
        return rows
    return replace(rows, dtype=np.dtype(float_class), blocks=blocks)


class _Data(io.RawIOBase):
    """The entries of a compressed array; at their end the rest of the element is unpacked and checked."""

    def __init__(self, stream: BinaryIO, count: int) -> None:
        self._stream = stream
        self._left = count

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._left:
            # Padding to eight bytes may follow; at the end of the stream zlib compares its checksum.
            return 0 if len(self._stream.read(9)) < 8 else 1
        data = self._stream.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _open_data(matrix: _Matrix) -> BinaryIO:
    stream = matrix.element.open()
    if not matrix.element.packed:
        stream.seek(matrix.start, io.SEEK_CUR)
        return stream
    stream.read(matrix.start)
    return _Data(stream, matrix.nbytes)  # type: ignore[return-value]
