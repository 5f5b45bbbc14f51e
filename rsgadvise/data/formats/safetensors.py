"""`.safetensors`: a JSON header that says where each tensor lies, and raw bytes, streamed from there.

Read here, without the library: what a header claims is checked before anything is made of it.

Source: Hugging Face, "Safetensors", format of the file.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from rsgadvise.data.choose import Archive, Item
from rsgadvise.data.formats import Archives
from rsgadvise.data.formats.binary import RawArray
from rsgadvise.data.packing import Packing
from rsgadvise.data.stream import Array, RowArray, malformed, reading

# Less than what two zeros and the type of an IDX file are as a length, so that no file is of both formats.
_MAX_HEADER = 1 << 24
_SIZE = 8  # bytes of the header's length

_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",  # the upper half of an F32
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a name comes twice in the header")
    return entries


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """(the header, where the tensors begin)."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(_SIZE), "little")
        if length > _MAX_HEADER:
            raise malformed(
                path, f"claims a header of {length} bytes; at most {_MAX_HEADER} are read, so check the file"
            )
        text = stream.read(length)
    if len(text) < length:
        raise malformed(path, "ends inside its header; the file is cut short")
    header = json.loads(text, object_pairs_hook=_once)
    if not isinstance(header, dict):
        raise malformed(path, "has a header that is no JSON object; write it with safetensors")
    header.pop("__metadata__", None)
    return header, _SIZE + length


def _whole(value: object) -> bool:
    return isinstance(value, list) and all(type(number) is int and number >= 0 for number in value)


def safetensors_archive(path: Path) -> Archive:
    with reading(path):
        header, base = _header(path)
        size = path.stat().st_size - base
    items = {name: _item(path, name, entry, base) for name, entry in header.items()}
    # The bytes belong to one tensor each, from the first to the last.
    done = 0
    for begin, end, name in sorted((*entry["data_offsets"], name) for name, entry in header.items()):
        if begin != done or end > size:
            raise malformed(
                path,
                f"tensor {name!r} claims the bytes {begin} to {end}, where {done} to {size} are left; "
                "the file is cut short or its header wrong",
            )
        done = end
    if done != size:
        raise malformed(path, f"goes on for {size - done} bytes after its last tensor; write it again")
    if not items:
        raise malformed(path, "holds no tensor; store the features as one called x")
    return Archive(path, items)


def _item(path: Path, name: str, entry: Any, base: int) -> Item:
    """Where a tensor lies, checked against its type."""
    label = f"{path}: tensor {name!r}"
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        raise malformed(label, "needs dtype, shape and data_offsets in the header; write it again")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in _TYPES:
        raise malformed(
            label, f"is of type {str(kind)[:40]!r}; {', '.join(_TYPES)} are read, so convert it to F32"
        )
    if not _whole(shape) or not _whole(offsets) or len(offsets) != 2:
        raise malformed(
            label, f"claims the shape {str(shape)[:60]} and the bytes {str(offsets)[:60]}; write it again"
        )
    dtype = np.dtype(_TYPES[kind])
    begin, end = offsets
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise malformed(
            label, f"claims {end - begin} bytes for {kind} of shape {str(shape)[:60]}; write it again"
        )

    raw = RawArray(
        path=path,
        label=label,
        shape=tuple(shape),
        dtype=dtype,
        fortran=False,
        open=lambda: path.open("rb", buffering=0),
        start=base + begin,
        seekable=True,
        ends=False,
    )

    def rows(targets: bool, transposed: bool) -> RowArray:
        array = raw.row_array(targets=targets, transposed=transposed)
        return array.mapped(np.dtype(np.float32), _widened) if kind == "BF16" else array

    return Item(raw.shape, rows)


def _widened(halves: Array) -> Array:
    """Numbers of which only the upper 16 bits are stored, as float32."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


class Safetensors(Archives):
    name, words, order = "safetensors", ".safetensors", 2

    def archive(self, path: Path, packing: Packing | None) -> Archive:
        return safetensors_archive(path)

    def magic(self, start: bytes) -> bool:
        return start[_SIZE : _SIZE + 1] == b"{" and int.from_bytes(start[:_SIZE], "little") <= _MAX_HEADER

    def named(self, path: Path, start: bytes) -> bool:
        """Whatever is wrong with the header of such a file is said by its reader."""
        return path.suffix.lower() == ".safetensors"


FORMATS = (Safetensors(),)
