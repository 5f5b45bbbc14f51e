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

from rsgadvise.data.choose import named_contents
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


class TorchArchive:
    """The tensors of one file: a dictionary of them, pairs of features and targets, or one alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if _is_program(path):
            raise malformed(path, f"is TorchScript, a program and no data; {_INSTEAD}, or use safetensors")
        self._torch = optional("torch", path, "files of torch need torch", extra="integrations")
        with reading(path):
            self._size = path.stat().st_size
            contents = named_contents(_load(self._torch, path), self._length)
        if not contents.arrays:
            raise malformed(path, f"holds no tensor at its top; {_INSTEAD}")
        self._tensors, self._others, self.notes = contents.arrays, contents.others, contents.notes

    def _length(self, value: object) -> int | None:
        return len(value) if isinstance(value, self._torch.Tensor) and value.dim() else None

    @property
    def names(self) -> tuple[str, ...]:
        """See `Archive.names`."""
        return (*self._tensors, *self._others)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """See `Archive.shape`."""
        return None if name in self._others else tuple(self._tensors[name].shape)

    def described(self, name: str) -> str:
        """See `Archive.described`."""
        return f"{name} ({self._others[name]})" if name in self._others else f"{name} {self.shape(name)}"

    def rows(self, name: str, *, targets: bool = False, transposed: bool = False) -> RowArray:
        """See `Archive.rows`."""
        if name in self._others:
            raise malformed(
                self.path, f"holds no tensor called {name!r}, but {self._others[name]}; {_INSTEAD}"
            )
        torch, tensor = self._torch, self._tensors[name]
        label = f"{self.path}: tensor {name!r}"
        plain = tensor.layout is torch.strided and not (
            tensor.is_quantized or tensor.is_nested or tensor.is_meta
        )
        if not plain or tensor.is_complex():
            raise malformed(
                label,
                f"is of type {tensor.type()}; only dense tensors of real numbers are read, so convert it",
            )
        if transposed:
            tensor = tensor.permute(*range(tensor.dim())[::-1])
        rows, columns = row_shape(label, tuple(tensor.shape), targets=targets)
        narrow = tensor.is_floating_point() and tensor.dtype not in {
            torch.float16,
            torch.float32,
            torch.float64,
        }
        kind = torch.float32 if narrow else tensor.dtype  # numpy has no bfloat16
        with reading(label):
            dtype: np.dtype[Any] = torch.empty(0, dtype=kind).numpy().dtype
        # An expanded tensor is larger than what is stored of it.
        check_expansion(label, rows * columns * dtype.itemsize, self._size)

        def blocks(max_bytes: int) -> Iterator[Array]:
            step = max(1, max_bytes // max(1, columns * dtype.itemsize))
            for start in range(0, rows, step):
                with reading(self.path):
                    if self.path.stat().st_size != self._size:  # a page past the end would be fatal
                        raise malformed(label, "is no longer as long as when it was opened; it was cut short")
                    part = tensor[start : start + step].detach()
                    yield part.reshape(len(part), columns).to(kind).numpy()

        return RowArray(label=label, rows=rows, columns=columns, dtype=dtype, blocks=blocks)


class Tensors(Archives):
    """What torch.save writes of tensors."""

    # Asked before other zips and pickles, of which its files are special ones.
    name, words, order, suffixes = "pt", "tensors of torch", 0, (".pt", ".pth")

    def archive(self, path: Path, packing: Packing | None) -> TorchArchive:
        return TorchArchive(path)

    def magic(self, start: bytes) -> bool:
        """Everything in the zip is in a folder of any name."""
        return start.startswith(_LEGACY) or (start.startswith(ZIP_MAGIC) and b"/" in _first_name(start))

    def holds(self, path: Path) -> bool:
        """The first file in the zip is the pickle, or one of a program."""
        with path.open("rb") as stream:
            start = stream.read(4096)
        return start.startswith(_LEGACY) or _first_name(start).endswith(b"/data.pkl") or _is_program(path)


FORMATS = (Tensors(),)
