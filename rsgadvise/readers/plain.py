"""Which data files need no reader of this package: those that `numpy.load` alone understands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from rsgadvise.readers.choose import chosen_names
from rsgadvise.readers.numpy_files import NpzArchive
from rsgadvise.readers.opening import format_of

__all__ = ["PlainArrays", "plain_arrays"]


@dataclass(frozen=True, slots=True)
class PlainArrays:
    """What `open_data` would take from a file that numpy.load reads.

    Attributes:
        features: name of the array of features in an .npz; None for an .npy.
        targets: name of the array of targets, or None.
        labelled: whether those are one column of integers, which become one-hot.
    """

    features: str | None
    targets: str | None
    labelled: bool


def plain_arrays(path: Path, *, array: str | None, target: str | None) -> PlainArrays | None:
    """The arrays that `open_data` with the same arguments reads; None where they are no numpy arrays.

    Raises:
        DataError: the file is missing or malformed, or does not say which array is meant.
    """
    kind = format_of(path)
    if kind == "npy" and target is None:
        return PlainArrays(None, None, False)
    if kind != "npz":
        return None
    archive = NpzArchive(path)
    names = chosen_names(archive, array=array, target=target)
    if names is None:
        return None
    features, targets = names
    if targets is None:
        return PlainArrays(features, None, False)
    raw = archive.raw(targets)
    return PlainArrays(features, targets, raw.dtype.kind in "biu" and math.prod(raw.shape[1:]) == 1)
