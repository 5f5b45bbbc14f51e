"""`.npy` and `.npz`: headers are parsed by pattern, so that nothing in them is ever evaluated."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rsgadvise.data.choose import Archive, Item
from rsgadvise.data.formats import Archives, SingleArray
from rsgadvise.data.formats.binary import RawArray, check_expansion
from rsgadvise.data.formats.pickles import array_rows, objects
from rsgadvise.data.packing import Packing
from rsgadvise.data.stream import RowArray, malformed, reading
from rsgadvise.errors import DataError

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")

_MAX_HEADER = 10_000
_DESCR = re.compile(r"""['"]descr['"]\s*:\s*['"]([^'"]*)['"]""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(((?:\s*\d{1,19}L?\s*,?)*)\s*\)""")
_PLAIN_DESCR = re.compile(r"[<>|=]?([biuf]\d{1,2}|[SU][1-9]\d{0,4})|\?|\|O")


def _read_header(stream: BinaryIO, label: str) -> tuple[tuple[int, ...], np.dtype[np.generic], bool, int]:
    """Shape, dtype, column-major and the length of the header."""
    start = stream.read(10)
    if len(start) < 10 or start[:6] != NPY_MAGIC:
        raise malformed(label, "does not start with a complete npy header; write it with numpy.save")
    major = start[6]
    if major not in {1, 2, 3}:
        raise malformed(
            label, f"has npy format version {major}; versions 1 to 3 are read, so write it with numpy.save"
        )
    length, prefix = int.from_bytes(start[8:10], "little"), 10
    if major > 1:
        length, prefix = int.from_bytes(start[8:10] + stream.read(2), "little"), 12
    if length > _MAX_HEADER:
        raise malformed(
            label,
            f"has a header of {length} bytes; at most {_MAX_HEADER} are read, so write it with numpy.save",
        )
    text = stream.read(length)
    if len(text) < length:
        raise malformed(label, "ends inside its header; the file is cut short")
    header = text.decode("utf-8" if major == 3 else "latin1")
    order, shape = _ORDER.search(header), _SHAPE.search(header)
    if "descr" not in header or order is None or shape is None:
        raise malformed(
            label, "has a header without descr, fortran_order and shape; write it with numpy.save"
        )
    descr = _DESCR.search(header)
    if descr is None or not _PLAIN_DESCR.fullmatch(descr[1]):
        kind = descr[1] if descr else "a record"
        raise malformed(
            label,
            f"holds entries of type {kind!r}; only real numbers, booleans and words are read, so convert it",
        )
    sizes = tuple(int(size.strip().rstrip("L")) for size in shape[1].split(",") if size.strip())
    return sizes, np.dtype(descr[1]), order[1] == "True", prefix + length


def _npy_rows(
    path: Path,
    label: str,
    open_stream: Callable[[], BinaryIO],
    size: int,
    *,
    seekable: bool,
    targets: bool,
    transposed: bool = False,
) -> RowArray:
    with open_stream() as stream:
        shape, dtype, fortran, header = _read_header(stream, label)
        if dtype.kind == "O":
            array = objects(label, stream, shape)
            return array_rows(label, array, targets=targets, transposed=transposed)
    raw = RawArray(
        path=path,
        label=label,
        shape=shape,
        dtype=dtype,
        fortran=fortran,
        open=open_stream,
        start=header,
        seekable=seekable,
    )
    if 0 not in shape and raw.nbytes != size - header:
        raise malformed(
            label,
            f"holds {size - header} bytes after its header, which claims {raw.nbytes} for shape {shape};"
            " the file is cut short or holds something else too",
        )
    return raw.row_array(targets=targets, transposed=transposed)


def read_npy(path: Path, *, targets: bool = False) -> RowArray:
    with reading(path):
        return _npy_rows(
            path,
            str(path),
            lambda: path.open("rb", buffering=0),
            path.stat().st_size,
            seekable=True,
            targets=targets,
        )


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], bool] | None:
    """(shape, whether it holds words) as a member claims; None of what only its reader minds."""
    try:
        with reading(info.filename), archive.open(info) as stream:
            shape, dtype, *_ = _read_header(stream, info.filename)  # type: ignore[arg-type]
    except DataError:
        return None
    return shape, dtype.kind in "SU" or (dtype.kind == "O" and len(shape) < 2)


def shape_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[int, ...] | None:
    """Of a member that holds numbers; None of any other."""
    header = _header(archive, info)
    return None if header is None or header[1] else header[0]


def _shapes(headers: Mapping[str, tuple[tuple[int, ...], bool] | None]) -> dict[str, tuple[int, ...] | None]:
    """Of arrays of numbers, and of words, or objects, where there is one for each row of such an array."""
    rows = {header[0][0] for header in headers.values() if header and header[0] and not header[1]}
    return {
        name: header[0]
        if header and (not header[1] or (len(header[0]) == 1 and header[0][0] in rows))
        else None
        for name, header in headers.items()
    }


def npz_archive(path: Path) -> Archive:
    """The arrays of one `.npz`, each streamed from the zip."""
    with reading(path), zipfile.ZipFile(path) as archive:
        members = {
            info.filename.removesuffix(".npy"): info
            for info in archive.infolist()
            if info.filename.endswith(".npy")
        }
        shapes = _shapes({name: _header(archive, info) for name, info in members.items()})
    if not members:
        raise malformed(
            path, "is a zip file of other things than npy arrays; unpack it and name a file in it"
        )

    def rows(name: str, info: zipfile.ZipInfo, targets: bool, transposed: bool) -> RowArray:
        label = f"{path}: array {name!r}"
        if info.flag_bits & 1:
            raise malformed(label, "is encrypted; store it without a password")
        check_expansion(label, info.file_size, min(info.compress_size, path.stat().st_size))

        def open_stream() -> BinaryIO:
            # The member keeps the archive's file open until it is closed itself.
            with zipfile.ZipFile(path) as archive:
                return archive.open(info)  # type: ignore[return-value]

        with reading(label):
            return _npy_rows(
                path,
                label,
                open_stream,
                info.file_size,
                seekable=False,
                targets=targets,
                transposed=transposed,
            )

    return Archive(
        path,
        {
            name: Item(shapes[name], partial(rows, name, info), "no numbers" if shapes[name] is None else "")
            for name, info in members.items()
        },
    )


class Npy(SingleArray):
    name, words, order, suffixes = "npy", ".npy", 0, (".npy",)
    target_choice = "a file of one target a row, or the number of a column (-1 is the last)"

    def magic(self, start: bytes) -> bool:
        return start.startswith(NPY_MAGIC)

    def rows(self, path: Path, *, packing: Packing | None, targets: bool) -> RowArray:
        return read_npy(path, targets=targets)


class Npz(Archives):
    name, words, order, suffixes = "npz", ".npz", 1, (".npz",)

    def archive(self, path: Path, packing: Packing | None) -> Archive:
        return npz_archive(path)

    def magic(self, start: bytes) -> bool:
        return start.startswith(ZIP_MAGICS)


FORMATS = (Npy(), Npz())
