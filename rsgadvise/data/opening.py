"""Finds the format of a file by its first bytes, then by its name, and hands it to its reader."""

from __future__ import annotations

import gzip
import math
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rsgadvise.data.choose import OpenTarget, Words, chosen_names
from rsgadvise.data.formats import Asked, Format, all_formats
from rsgadvise.data.formats.numpy_files import NpzArchive
from rsgadvise.data.stream import DataSource, RowArray, malformed, reading
from rsgadvise.errors import UsageError

_OPTIONS = Words()


def _first_bytes(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise malformed(path, "does not exist; check the path") from error
    except (OSError, ValueError) as error:
        raise malformed(path, f"cannot be read: {error}; check the path") from error
    if stat.S_ISDIR(mode):
        raise malformed(path, "is a directory; name a file in it")
    if not stat.S_ISREG(mode):
        raise malformed(path, "is not a regular file; the data is read more than once, so save it first")
    if not os.access(path, os.R_OK):
        raise malformed(path, "cannot be read: permission denied; check its mode")
    with reading(path), path.open("rb") as stream:
        start = stream.read(4096)
    if not start:
        raise malformed(path, "is empty; at least one row is needed")
    return start


def _detect(path: Path) -> tuple[Format, bool]:
    """(format, packed with gzip)."""
    start = _first_bytes(path)
    packed = start.startswith(b"\x1f\x8b")
    formats = all_formats()
    if packed:
        with reading(path), gzip.open(path) as stream:
            start = stream.read(4096)
        formats = tuple(each for each in formats if each.packs)
    found = [each for each in formats if each.magic(start)] or [
        each for each in formats if each.named(path, start)
    ]
    if found:
        return found[0], packed
    if packed:
        raise malformed(path, "is a gzip file with neither IDX nor CSV inside; unpack it first")
    suffix = path.suffix.lower()
    if any(suffix in each.suffixes for each in formats):
        raise malformed(
            path,
            f"is named {suffix} but its first bytes are of another format; it may be damaged, write it again",
        )
    if suffix in {".csv", ".tsv"}:
        raise malformed(path, "is not UTF-8 text; save the table as UTF-8")
    *most, last = [each.words for each in formats]
    raise malformed(path, f"has an unknown format; {', '.join(most)}, and {last} are read")


def format_of(path: Path) -> str:
    """The format that `open_data` reads the file as, such as npz.

    Raises:
        DataError: the file is missing or of an unknown format.
    """
    return _detect(path)[0].name


def open_data(
    path: str | os.PathLike[str],
    *,
    array: str | None = None,
    target: str | None = None,
    exclude: Sequence[str] = (),
    words: Words = _OPTIONS,
) -> DataSource:
    """Open a data file and check its header; the rows are read later, as a stream.

    Args:
        path: the file. Its first bytes decide the format, its name only where they leave it open.
        array: the array that holds the features, in a file of several (npz, mat, hdf5).
        target: the column (CSV, Parquet) or array (npz, mat, hdf5) of the targets, or a file of its own,
            looked for beside the data as well. Columns go by name, or by index from 0 or from the end.
        exclude: columns of a table that are neither features nor target.
        words: what messages call these choices; the options of `stats` unless told.

    Returns:
        The source, whose `chunks()` can be called as often as needed.

    Raises:
        DataError: the file is missing, malformed, unsafe or of an unknown format.
        MissingExtraError: the format needs an optional dependency.
        UsageError: an option does not apply to the format.
    """
    path = Path(path)
    found: list[Path] = []

    def open_target(target: str, *, beside: Path) -> RowArray | None:
        place = _target_file(target, beside)
        if place is None:
            return None
        found.append(place)
        return _read_targets(place)

    source = _open(path, array, target, exclude, words=words, open_target=open_target)
    source.target_file = found[0] if found else None
    return source


def _open(
    path: Path,
    array: str | None,
    target: str | None,
    exclude: Sequence[str],
    *,
    words: Words,
    open_target: OpenTarget,
) -> DataSource:
    form, packed = _detect(path)
    if array is not None and not form.arrays:
        raise UsageError(
            f"{path}: {words.array} names one of several arrays, and a {form.name} file holds one; leave "
            "it out"
        )
    if exclude and not form.columns:
        raise UsageError(
            f"{path}: {words.exclude} names columns of a table, and a {form.name} file has none; leave it out"
        )
    return form.open(path, Asked(packed, array, target, exclude, open_target, words))


def _target_file(target: str, beside: Path) -> Path | None:
    """The file of that name, as given or in the folder of the data; None if there is none."""
    return next((p for p in (Path(target), beside.parent / target) if _exists(p)), None)


def _read_targets(path: Path) -> RowArray:
    """The targets in a file of their own."""
    form, packed = _detect(path)
    return form.targets(path, packed=packed)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


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
