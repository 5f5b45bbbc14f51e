"""MATLAB 5 `.mat` files: numeric, logical and sparse arrays, each streamed from where it lies.

Read here and not through scipy, whose reader ends the process on some damaged files. Every size that a
file claims is checked against what it holds before anything of that size is made.

Source: MathWorks, "MAT-File Format", chapter 1 (level 5).
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rsgadvise.data.choose import Archive, Item
from rsgadvise.data.formats import Archives
from rsgadvise.data.formats.binary import ExpansionGuard, RawArray, check_expansion
from rsgadvise.data.formats.sparse import by_columns, sparse_rows
from rsgadvise.data.packing import Packing
from rsgadvise.data.stream import Array, RowArray, malformed, reading, word_rows
from rsgadvise.records import dataclass

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""How entries lie in the file: MATLAB stores a matrix of doubles in the narrowest type that holds it."""
_ENTRIES = dict(zip(range(6, 16), ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"), strict=True))
"""What the entries are, by class, however they are stored."""
_SPARSE, _STRUCT = 5, 2
_DEEPEST, _MOST_FIELDS = 8, 1000
_CELL, _CHAR = 1, 4
_LETTERS = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}  # by how they are stored
_OTHER = {1: "cell", 2: "struct", 3: "object", 4: "char", 16: "function", 17: "object"}
_COMPLEX_FLAG, _LOGICAL_FLAG = 0x08, 0x02
_LONGEST_NAME, _MOST_AXES = 4096, 32
_CHUNK = 1 << 16
_MOST_INFLATED = 1040  # zlib packs at most 1032 bytes into one; its header and checksum take a few more


def looks_like_mat5(start: bytes) -> bool:
    """The version and byte-order mark at the end of the 128-byte header."""
    return len(start) >= _HEADER and start[124:128] in {b"\x00\x01IM", b"\x01\x00MI"}


class _Inflating:
    """The unpacked bytes of a compressed element; past the first `end` of them the checksum is compared."""

    def __init__(self, file: BinaryIO, packed: int, end: int | None) -> None:
        self._file, self._packed, self._left = file, packed, end
        self._zlib = zlib.decompressobj()

    def read(self, size: int, /) -> bytes:
        if self._left is None:
            return self._more(size)
        if not self._left:
            self._more(_CHUNK)  # padding, of less than 8 bytes
            return b""
        data = self._more(min(size, self._left))
        self._left -= len(data)
        return data

    def _more(self, size: int) -> bytes:
        while not self._zlib.eof:
            packed = self._zlib.unconsumed_tail
            if not packed:
                packed = self._file.read(min(_CHUNK, self._packed))
                self._packed -= len(packed)
            if data := self._zlib.decompress(packed, size):
                return data
            if not packed:
                break  # cut short, which whoever needs more bytes than there are finds out
        return b""

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Element:
    """Where one top-level element lies: its bytes in the file, packed or plain, and their order."""

    path: Path
    place: int
    size: int
    packed: bool
    order: str

    def open(self, end: int | None = None) -> BinaryIO:
        """The file at its first byte; where it is packed, its bytes, unpacked, up to `end`."""
        file = self.path.open("rb", buffering=0)
        file.seek(self.place)
        if not self.packed:
            return file
        return io.BufferedReader(ExpansionGuard(_Inflating(file, self.size, end), self.path, self.size))

    @property
    def most(self) -> int:
        """No more bytes than this can be in it."""
        return self.size * _MOST_INFLATED if self.packed else self.size


class _Parts:
    """The parts of an element one after the other, each of no more bytes than are left."""

    def __init__(self, element: _Element, stream: BinaryIO) -> None:
        self.element, self._stream, self.at = element, stream, 0

    def take(self, size: int) -> bytes:
        data = self._stream.read(size) if size <= self.element.most - self.at else b""
        if len(data) < size:
            raise ValueError(f"it ends before {size} bytes that it claims")
        self.at += size
        return data

    def tag(self) -> tuple[int, int]:
        """Kind and size of the part that follows; parts of up to 4 bytes may share the 8 of their tag."""
        kind = self._number()
        if kind >> 16 > 4:
            raise ValueError(f"{kind >> 16} bytes are claimed where 4 are left")
        return (kind & 0xFFFF, kind >> 16) if kind >> 16 else (kind, self._number())

    def _number(self) -> int:
        return int(np.frombuffer(self.take(4), self.element.order + "u4")[0])

    def data(self, most: int) -> tuple[int, bytes]:
        """Kind and bytes of the part that follows, `most` of them."""
        begun = self.at
        kind, size = self.tag()
        if size > most:
            raise ValueError(f"{size} bytes are claimed where at most {most} make sense")
        data = self.take(size)
        self.take(min((begun - self.at) % 8, max(0, self.element.most - self.at)))  # padding
        return kind, data

    def stored(self, kind: int) -> np.dtype[Any]:
        if kind not in _STORED:
            raise ValueError(f"its entries are of the unknown kind {kind}")
        return np.dtype(self.element.order + _STORED[kind])

    def numbers(self, most: int = 1 << 32) -> Array:
        kind, data = self.data(most)
        return np.frombuffer(data, self.stored(kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matrix:
    """One named array: where it lies, what it is, and how many bytes of it come before its entries."""

    element: _Element
    name: str
    shape: tuple[int, ...]
    code: int
    logical: bool
    complex: bool
    before: int

    @property
    def numeric(self) -> bool:
        return self.code == _SPARSE or self.code in _ENTRIES

    @property
    def count(self) -> int:
        """How many words it may hold: one a row of letters, or one a cell of a list; 0 if it is neither."""
        if self.code == _CHAR and len(self.shape) == 2:
            return self.shape[0]
        return max(self.shape) if self.code == _CELL and math.prod(self.shape) == max(self.shape) else 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the entries, however they are stored."""
        return np.dtype("?" if self.logical else _ENTRIES.get(self.code, "f8"))

    @property
    def what(self) -> str:
        """Its kind where it holds no numbers, else what is beside its shape."""
        if not self.numeric:
            return _OTHER.get(self.code, f"of kind {self.code}")
        return f"{'complex ' * self.complex}{'sparse ' * (self.code == _SPARSE)}"


def _matrices(element: _Element) -> list[_Matrix]:
    """What an element holds; nothing of what has no name, which MATLAB hides there for itself."""
    with element.open() as stream:
        parts = _Parts(element, stream)
        if element.packed and parts.tag()[0] != _MATRIX:
            raise ValueError("a compressed element holds no array")
        return list(_read_matrices(parts, element, ()))


def _read_matrices(parts: _Parts, element: _Element, inside: tuple[str, ...]) -> Iterator[_Matrix]:
    """The array that follows, or those in the fields of a struct, whose names come after its own."""
    flags = parts.numbers(8)
    if flags.dtype != np.dtype(element.order + "u4") or len(flags) != 2:
        raise ValueError("an array without the flags that say what it is")
    code = int(flags[0]) & 0xFF
    if code == 17:  # an object of a class, which is laid out in another way
        return
    shape = tuple(int(length) for length in parts.numbers(4 * _MOST_AXES))
    own = parts.data(_LONGEST_NAME)[1].decode("latin1")
    name = ".".join(inside) or own
    if len(shape) < 2 or min(shape) < 0:
        raise ValueError(f"array {name!r} claims the shape {shape}")
    if not name:
        return
    if code == _STRUCT and math.prod(shape) == 1 and len(inside) < _DEEPEST:
        length = int(parts.numbers(4)[0])
        names = parts.data(_MOST_FIELDS * _LONGEST_NAME)[1].decode("latin1")
        for at in range(0, len(names), max(1, length)):
            kind, size = parts.tag()
            if kind != _MATRIX:
                raise ValueError(f"a field of {name!r} is no array")
            stop = parts.at + size
            if size:
                field = names[at : at + length].rstrip("\0")
                yield from _read_matrices(parts, element, (*(inside or (own,)), field))
            while parts.at < stop:
                parts.take(min(_CHUNK, stop - parts.at))
        return
    yield _Matrix(
        element=element,
        name=name,
        shape=shape,
        code=code,
        logical=bool(int(flags[0]) >> 8 & _LOGICAL_FLAG),
        complex=bool(int(flags[0]) >> 8 & _COMPLEX_FLAG),
        before=parts.at,
    )


def mat_archive(path: Path) -> Archive:
    with reading(path):
        stored = [matrix for element in _elements(path) for matrix in _matrices(element)]
    matrices = {matrix.name: matrix for matrix in stored}
    if not any(matrix.numeric for matrix in matrices.values()):
        raise malformed(
            path,
            "holds no numeric array; save the features as a matrix, or write a table, or struct2table of a "
            "struct array, as text: writetable(NAME, 'table.csv')",
        )
    if len({name.partition(".")[0] for name in matrices}) == 1:  # the fields of one struct
        matrices = {name.partition(".")[2] or name: matrix for name, matrix in matrices.items()}

    # Words may be labels where there is one for each row of an array.
    lengths = {length for matrix in stored if matrix.numeric for length in matrix.shape} - {0, 1}

    def rows(matrix: _Matrix, targets: bool, transposed: bool) -> RowArray:
        label = f"{path}: array {matrix.name!r}"
        if not matrix.numeric:
            if not targets:
                raise malformed(label, "holds words; features are numbers, so name another array")
            with reading(label):
                return word_rows(label, _words(matrix))
        if matrix.complex:
            raise malformed(label, "holds complex numbers; only real numbers are read, so convert it")
        with reading(label):
            if matrix.code == _SPARSE:
                return _sparse(matrix, label, transposed)
            return _full(matrix, label, targets, transposed)

    return Archive(
        path,
        {
            name: Item(matrix.shape, partial(rows, matrix), matrix.what)
            if matrix.numeric
            else Item((matrix.count,), partial(rows, matrix), f"{matrix.what} ")
            if matrix.count in lengths
            else Item(None, what=matrix.what)
            for name, matrix in matrices.items()
        },
    )


def _elements(path: Path) -> Iterator[_Element]:
    length = path.stat().st_size
    with path.open("rb") as file:
        order = "<" if file.read(_HEADER)[126:] == b"IM" else ">"
        while len(tag := file.read(8)) == 8:
            kind, size = (int(word) for word in np.frombuffer(tag, order + "u4"))
            place = file.tell()
            if kind not in {_MATRIX, _COMPRESSED}:
                raise ValueError(f"an element of the unknown kind {kind}")
            if size > length - place:
                raise ValueError(f"an element claims {size} bytes and {length - place} are left")
            yield _Element(path=path, place=place, size=size, packed=kind == _COMPRESSED, order=order)
            file.seek(place + size)
        if tag:
            raise ValueError("it ends inside an element")


def _full(matrix: _Matrix, label: str, targets: bool, transposed: bool) -> RowArray:
    """An array whose entries lie in the file column by column."""
    element, wanted = matrix.element, matrix.dtype
    with element.open() as stream:
        parts = _Parts(element, stream)
        parts.take(matrix.before)
        kind, size = parts.tag()
        stored, begin = parts.stored(kind), parts.at
    raw = RawArray(
        path=element.path,
        label=label,
        shape=matrix.shape,
        dtype=stored,
        fortran=True,
        open=lambda: element.open(begin + size),
        start=begin if element.packed else element.place + begin,
        seekable=not element.packed,
        ends=element.packed,
    )
    check_expansion(label, raw.nbytes, element.size)
    if raw.nbytes != size or size > element.most - begin:
        raise ValueError(f"it claims {size} bytes for entries of {stored.name} in the shape {matrix.shape}")
    if not matrix.logical and not np.can_cast(stored, wanted):
        raise ValueError(f"entries of {wanted.name} are stored as {stored.name}")
    rows = raw.row_array(targets=targets, transposed=transposed)
    return rows if stored == wanted else rows.mapped(wanted, lambda block: block.astype(wanted))


def _words(matrix: _Matrix) -> list[str]:
    """The rows of an array of letters, or the texts in cells."""
    with matrix.element.open() as stream:
        parts = _Parts(matrix.element, stream)
        parts.take(matrix.before)
        if matrix.code == _CHAR:
            return _text_rows(parts, matrix.shape)
        words = list[str]()
        for _ in range(matrix.count):
            kind, size = parts.tag()
            stop = parts.at + size
            if kind != _MATRIX or not size or int(parts.numbers(8)[0]) & 0xFF != _CHAR:
                raise ValueError("its cells hold other things than words; store the labels as one array")
            shape = tuple(int(length) for length in parts.numbers(4 * _MOST_AXES))
            parts.data(_LONGEST_NAME)
            words.append("".join(_text_rows(parts, shape)[:1]))
            while parts.at < stop:
                parts.take(min(_CHUNK, stop - parts.at))
        return words


def _text_rows(parts: _Parts, shape: tuple[int, ...]) -> list[str]:
    """The rows of letters that follow, which lie column by column."""
    kind, data = parts.data(parts.element.most)
    if kind not in _LETTERS:
        raise ValueError(f"its letters are of the unknown kind {kind}")
    order = {"<": "-le", ">": "-be"}[parts.element.order] if _LETTERS[kind] == "utf-16" else ""
    letters = data.decode(_LETTERS[kind] + order)
    if len(letters) != math.prod(shape):
        raise ValueError(f"it claims {len(letters)} letters in the shape {shape}")
    return ["".join(letters[row :: shape[0]]).rstrip(" \0") for row in range(shape[0])]


def _sparse(matrix: _Matrix, label: str, transposed: bool) -> RowArray:
    element, shape = matrix.element, matrix.shape
    if len(shape) != 2:
        raise ValueError(f"a sparse array claims the shape {shape}")
    with element.open() as stream:
        parts = _Parts(element, stream)
        parts.take(matrix.before)
        down, starts, values = (parts.numbers() for _ in range(3))
    entries = by_columns((shape[0], shape[1]), starts, down, values.astype(matrix.dtype))
    return sparse_rows(label, entries, transposed=transposed)


class Mat(Archives):
    name, words, order, suffixes = "mat", "MATLAB 5 .mat", 3, (".mat",)

    def archive(self, path: Path, packing: Packing | None) -> Archive:
        return mat_archive(path)

    def magic(self, start: bytes) -> bool:
        return looks_like_mat5(start)


FORMATS = (Mat(),)
