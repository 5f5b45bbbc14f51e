"""IDX, the layout of the MNIST files: big-endian, with the shape in the header; gzip or plain."""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rsgadvise.data.formats import SingleArray
from rsgadvise.data.formats.binary import RawArray, check_expansion
from rsgadvise.data.packing import Packing, opened, unpacked_name
from rsgadvise.data.stream import RowArray, malformed, reading

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

# deflate cannot expand by more than this, plus a block's worth for tiny files.
_DEFLATE_LIMIT = 1032


def looks_like_idx(start: bytes) -> bool:
    """Two zero bytes, a known type and at least one axis."""
    return len(start) >= 4 and start[:2] == b"\0\0" and start[2] in _TYPES and 1 <= start[3] <= 8


def named_like_idx(path: Path) -> bool:
    """Names such as train-images-idx3-ubyte and labels.idx1-ubyte.gz."""
    name = unpacked_name(path)
    return "idx" in name and (name.endswith(("ubyte", "-idx", ".idx")) or "-idx" in name)


def read_idx(path: Path, *, packing: Packing | None, targets: bool = False) -> RowArray:
    def open_file() -> BinaryIO:
        return opened(path, packing)

    with reading(path):
        size = path.stat().st_size
        with open_file() as stream:
            start = stream.read(4)
            if not looks_like_idx(start):
                raise malformed(path, "is named like an IDX file but has no IDX header; check the download")
            header = 4 + 4 * start[3]
            sizes = stream.read(header - 4)
        if len(sizes) < header - 4:
            raise malformed(path, "ends inside its IDX header; the file is cut short")
        shape = tuple(int(value) for value in np.frombuffer(sizes, dtype=">u4"))
        dtype = np.dtype(_TYPES[start[2]])
        claimed = header + math.prod(shape) * dtype.itemsize
        if packing is not None:
            if packing.name == "gzip" and claimed > _DEFLATE_LIMIT * size + (1 << 16):
                raise malformed(
                    path,
                    f"claims {claimed} bytes for shape {shape}, more than {size} packed bytes can hold;"
                    " the header is wrong or the file cut short",
                )
            check_expansion(path, claimed, size)
        elif claimed != size:
            raise malformed(
                path,
                f"has {size} bytes and its header claims {claimed} for shape {shape};"
                " the file is cut short or holds something else too",
            )

        raw = RawArray(
            path=path,
            label=str(path),
            shape=shape,
            dtype=dtype,
            fortran=False,
            open=open_file,
            start=header,
            seekable=packing is None,
        )
        return raw.row_array(targets=targets)


class Idx(SingleArray):
    name, words, order, packs = "idx", "IDX (also packed)", 6, True

    def magic(self, start: bytes) -> bool:
        return looks_like_idx(start)

    def named(self, path: Path, start: bytes) -> bool:
        return named_like_idx(path)

    def rows(self, path: Path, *, packing: Packing | None, targets: bool) -> RowArray:
        return read_idx(path, packing=packing, targets=targets)


FORMATS = (Idx(),)
