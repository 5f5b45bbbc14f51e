"""NIfTI brain images, packed or not: a row is one volume, whose voxels come with the first axis fastest.

The optional nibabel reads the header; the voxels are streamed from where they lie, as in any other file.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from rsgadvise.data.formats import SingleArray
from rsgadvise.data.formats.binary import RawArray, check_expansion
from rsgadvise.data.packing import Packing, opened
from rsgadvise.data.reading import Asked
from rsgadvise.data.stream import DataSource, RowArray, malformed, numeric_dtype, optional, reading
from rsgadvise.records import dataclass

_HEADERS = {1: 348, 2: 540}  # bytes, by version
_BEFORE_VOXELS = 4  # bytes at least, which say whether the header goes on


def _version(start: bytes) -> tuple[int, bool]:
    """(1 or 2, or 0 for another format; whether the voxels lie in the same file)."""
    if start[344:348] in {b"n+1\0", b"ni1\0"}:
        return 1, start[345:346] == b"+"
    if start[4:12] in {b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n"}:
        return 2, start[5:6] == b"+"
    return 0, False


@dataclass(frozen=True, slots=True)
class _Volumes:
    """Voxels (volumes, z, y, x) as stored, and what they are multiplied by before what is added."""

    raw: RawArray
    slope: float
    intercept: float

    @property
    def note(self) -> str:
        count, *axes = self.raw.shape
        size = " x ".join(str(length) for length in reversed(axes))
        if count == 1:
            return f"The file is one volume of {size} voxels, so one row; volumes in a fourth axis are rows."
        return f"Each of the {count} volumes of {size} voxels is a row."

    def rows(self, *, targets: bool) -> RowArray:
        stored = self.raw.row_array(targets=targets)
        if (self.slope, self.intercept) == (1.0, 0.0):
            return stored

        slope, intercept = self.slope, self.intercept
        return stored.mapped(np.dtype(np.float64), lambda block: block.astype(np.float64) * slope + intercept)


def _volumes(path: Path, packing: Packing | None) -> _Volumes:
    """The header, checked against the size of the file."""
    nib = optional("nibabel", path, "NIfTI files need nibabel", extra="nifti")
    with reading(path):
        size = path.stat().st_size
        with opened(path, packing) as stream:
            start = stream.read(_HEADERS[2])
        version, alone = _version(start)
        if not alone:
            raise malformed(path, "is the header of two files; save the image as one, .nii or .nii.gz")
        length = _HEADERS[version]
        kind = nib.Nifti1Header if version == 1 else nib.Nifti2Header
        try:
            header = kind.from_fileobj(io.BytesIO(start[:length]), check=False)
            shape = tuple(int(size) for size in header.get_data_shape())
            slope, intercept = header.get_slope_inter()
            offset = max(int(header.get_data_offset()), length + _BEFORE_VOXELS)
        except (nib.spatialimages.HeaderDataError, nib.wrapstruct.WrapStructError) as error:
            raise malformed(path, f"has a damaged header: {error}; write it again") from error
        dtype = _dtype(path, header)
    if len(shape) < 3 or any(size != 1 for size in shape[4:]):
        raise malformed(
            path, f"has axes of {shape} voxels; save one volume (x, y, z), or several (x, y, z, row)"
        )
    if min(shape) < 1:
        raise malformed(
            path, f"claims axes of {shape} voxels; each must have at least one, so write it again"
        )
    shape = (*shape[:3], shape[3] if len(shape) > 3 else 1)
    claimed = offset + math.prod(shape) * dtype.itemsize
    if packing is not None:
        check_expansion(path, claimed, size)
    elif claimed > size:
        raise malformed(
            path,
            f"has {size} bytes and its header claims {claimed} for {shape} voxels; the file is cut short",
        )

    raw = RawArray(
        path=path,
        label=str(path),
        shape=shape[::-1],
        dtype=dtype,
        fortran=False,
        open=lambda: opened(path, packing),
        start=offset,
        seekable=packing is None,
    )
    # No slope stands for 1; nibabel gives no intercept either then.
    return _Volumes(raw, 1.0 if slope is None else float(slope), float(intercept or 0.0))


def _dtype(path: Path, header: Any) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = header.get_data_dtype()
    except KeyError as error:
        raise malformed(
            path, f"has voxels of the unknown type {int(header['datatype'])}; write it again"
        ) from error
    if dtype.names:
        raise malformed(path, "has colours for voxels; only real numbers are read, so save one channel")
    return numeric_dtype(str(path), dtype)


class Nifti(SingleArray):
    name, words, order, suffixes, packs = "nifti", "NIfTI", 4, (".nii",), True

    def magic(self, start: bytes) -> bool:
        return _version(start)[0] > 0

    def rows(self, path: Path, *, packing: Packing | None, targets: bool) -> RowArray:
        return _volumes(path, packing).rows(targets=targets)

    def open(self, path: Path, asked: Asked) -> DataSource:
        source = super().open(path, asked)
        source.notes = (_volumes(path, asked.packing).note,)
        return source


FORMATS = (Nifti(),)
