"""Tensors that torch saved, through the optional torch, which unpickles nothing but tensors here."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rsgadvise.data.choose import Archive, contents_archive
from rsgadvise.data.formats import Archives
from rsgadvise.data.formats.binary import check_expansion
from rsgadvise.data.packing import ZIP_MAGIC, Packing
from rsgadvise.data.stream import Array, RowArray, malformed, optional, reading, row_shape

# Before version 1.6 a file began with this number, pickled.
_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_INSTEAD = "save the tensors alone: torch.save({'x': x, 'y': y}, path)"
_REFUSED = re.compile(r"GLOBAL ([\w.]+)")


def _load(torch: Any, path: Path) -> object:
    with path.open("rb") as stream:
        mapped = stream.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of storages of old files
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (pickle.UnpicklingError, AssertionError) as error:
        named = _REFUSED.search(str(error))
        what = f"something other than tensors ({named[1]})" if named else "something other than tensors"
        raise malformed(path, f"holds {what}, which could run code, or is damaged; {_INSTEAD}") from error


def _first_name(start: bytes) -> bytes:
    """Of a zip."""
    return start[30 : 30 + int.from_bytes(start[26:28], "little")]


def _is_program(path: Path) -> bool:
    """Whether a file is TorchScript: code beside tensors, which torch knows by its constants."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (OSError, ValueError, LookupError, RuntimeError, zipfile.BadZipFile):
        return False  # said by whoever reads it


def torch_archive(path: Path) -> Archive:
    """The tensors of one file: a dictionary of them, pairs of features and targets, or one alone."""
    if _is_program(path):
        raise malformed(path, f"is TorchScript, a program and no data; {_INSTEAD}, or use safetensors")
    torch = optional("torch", path, "files of torch need torch", extra="integrations")

    def shape(value: Any) -> tuple[int, ...] | None:
        return tuple(value.shape) or None if isinstance(value, torch.Tensor) else None

    def rows(name: str, tensor: Any, targets: bool, transposed: bool) -> RowArray:
        return _rows(torch, path, name, tensor, targets=targets, transposed=transposed)

    with reading(path):
        archive = contents_archive(path, _load(torch, path), shape=shape, rows=rows)
    if all(item.shape is None for item in archive.items.values()):
        raise malformed(path, f"holds no tensor at its top; {_INSTEAD}")
    return archive


def _rows(torch: Any, path: Path, name: str, tensor: Any, *, targets: bool, transposed: bool) -> RowArray:
    label, size = f"{path}: tensor {name!r}", path.stat().st_size
    plain = tensor.layout is torch.strided and not (tensor.is_quantized or tensor.is_nested or tensor.is_meta)
    if not plain or tensor.is_complex():
        raise malformed(
            label, f"is of type {tensor.type()}; only dense tensors of real numbers are read, so convert it"
        )
    if transposed:
        tensor = tensor.permute(*range(tensor.dim())[::-1])
    rows, columns = row_shape(label, tuple(tensor.shape), targets=targets)
    kinds = {torch.float16, torch.float32, torch.float64}
    narrow = tensor.is_floating_point() and tensor.dtype not in kinds
    kind = torch.float32 if narrow else tensor.dtype  # numpy has no bfloat16
    with reading(label):
        dtype: np.dtype[Any] = torch.empty(0, dtype=kind).numpy().dtype
    # An expanded tensor is larger than what is stored of it.
    check_expansion(label, rows * columns * dtype.itemsize, size)

    def blocks(max_bytes: int) -> Iterator[Array]:
        step = max(1, max_bytes // max(1, columns * dtype.itemsize))
        for start in range(0, rows, step):
            with reading(path):
                if path.stat().st_size != size:  # a page past the end would be fatal
                    raise malformed(label, "is no longer as long as when it was opened; it was cut short")
                part = tensor[start : start + step].detach()
                yield part.reshape(len(part), columns).to(kind).numpy()

    return RowArray(label=label, rows=rows, columns=columns, dtype=dtype, blocks=blocks)


class Tensors(Archives):
    # Asked before other zips and pickles, of which its files are special ones.
    name, words, order, suffixes = "pt", "tensors of torch", 0, (".pt", ".pth")

    def archive(self, path: Path, packing: Packing | None) -> Archive:
        return torch_archive(path)

    def magic(self, start: bytes) -> bool:
        """Everything in the zip is in a folder of any name."""
        return start.startswith(_LEGACY) or (start.startswith(ZIP_MAGIC) and b"/" in _first_name(start))

    def holds(self, path: Path) -> bool:
        """The first file in the zip is the pickle, or one of a program."""
        with path.open("rb") as stream:
            start = stream.read(4096)
        return start.startswith(_LEGACY) or _first_name(start).endswith(b"/data.pkl") or _is_program(path)


FORMATS = (Tensors(),)
