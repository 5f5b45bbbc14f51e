"""Which data files need no reader of this package: those that `numpy.load` alone understands."""

from __future__ import annotations

import gzip
import math
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsgadvise.data.choose import Archive, OpenTarget, Words, choose_target_array, chosen_names, open_archive
from rsgadvise.data.formats.cifar import BatchArchive, looks_like_pickle
from rsgadvise.data.formats.hdf5 import Hdf5Archive
from rsgadvise.data.formats.idx import looks_like_idx, named_like_idx, read_idx
from rsgadvise.data.formats.matlab import MatArchive, looks_like_mat5
from rsgadvise.data.formats.numpy_files import NPY_MAGIC, NpzArchive, read_npy
from rsgadvise.data.formats.parquet import open_parquet, read_target_parquet
from rsgadvise.data.formats.tables import open_table, read_target_table
from rsgadvise.data.stream import ArraySource, DataSource, RowArray, malformed, reading
from rsgadvise.errors import UsageError

# Finds the format of a file by its first bytes, then by its name, and hands it to its reader.

FORMATS = ("npy", "npz", "idx", "csv", "tsv", "mat", "cifar", "parquet", "hdf5")

_READ = (
    ".npy, .npz, IDX (also .gz), CSV and TSV (also .gz), MATLAB 5 .mat, CIFAR-10 python batches,"
    " Parquet and HDF5"
)
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_TEXT_SUFFIXES = {"", ".csv", ".tsv", ".tab", ".txt", ".data", ".dat"}
_BINARY_SUFFIXES = {".npy", ".npz", ".mat", ".parquet", ".h5", ".hdf5", ".pkl", ".pickle"}
_ARCHIVES: dict[str, Callable[[Path], Archive]] = {
    "npz": NpzArchive,
    "mat": MatArchive,
    "hdf5": Hdf5Archive,
    "cifar": BatchArchive,
}
_TABLES = {"csv", "parquet"}
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


def _is_text(start: bytes) -> bool:
    if b"\0" in start:
        return False
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(start) - 3 and error.reason == "unexpected end of data"
    return True


def _looks_like_hdf5(start: bytes) -> bool:
    """HDF5 may leave a block for the user at its start."""
    return any(start[offset:].startswith(_HDF5_MAGIC) for offset in (0, 512, 1024, 2048))


# Asked in this order; the later a test stands, the less it looks at.
_MAGIC: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("npy", lambda start: start.startswith(NPY_MAGIC)),
    ("npz", lambda start: start.startswith((b"PK\x03\x04", b"PK\x05\x06"))),
    ("parquet", lambda start: start.startswith(b"PAR1")),
    ("mat73", lambda start: start.startswith(b"MATLAB 7.3")),
    ("hdf5", _looks_like_hdf5),
    ("mat", looks_like_mat5),
    ("cifar", looks_like_pickle),
    ("idx", looks_like_idx),
)


def _known_magic(path: Path, start: bytes) -> str | None:
    """The format that the first bytes belong to, if they are anybody's."""
    found = next((name for name, test in _MAGIC if test(start)), None)
    if found == "mat73":
        raise malformed(
            path, "is a MATLAB 7.3 file, which is HDF5 inside with the axes reversed; save it again with -v7"
        )
    return found


def _detect(path: Path) -> tuple[str, bool]:
    """(format, packed with gzip)."""
    start = _first_bytes(path)
    packed = start.startswith(b"\x1f\x8b")
    name = path.name.lower().removesuffix(".gz")
    suffix = Path(name).suffix
    if packed:
        with reading(path), gzip.open(path) as stream:
            start = stream.read(4096)
        if looks_like_idx(start) or named_like_idx(path):
            return "idx", True
        if start and suffix in _TEXT_SUFFIXES and _is_text(start):
            return "csv", True
        raise malformed(path, "is a gzip file with neither IDX nor CSV inside; unpack it first")
    known = _known_magic(path, start)
    if known is not None:
        return known, False
    if named_like_idx(path):
        return "idx", False
    if suffix in _BINARY_SUFFIXES:
        raise malformed(
            path,
            f"is named {suffix} but its first bytes are of another format; it may be damaged, write it again",
        )
    if suffix in _TEXT_SUFFIXES and _is_text(start):
        return "csv", False
    if suffix in {".csv", ".tsv"}:
        raise malformed(path, "is not UTF-8 text; save the table as UTF-8")
    raise malformed(path, f"has an unknown format; {_READ} are read")


def format_of(path: Path) -> str:
    """The format that `open_data` reads the file as, such as npz.

    Raises:
        DataError: the file is missing or of an unknown format.
    """
    return _detect(path)[0]


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
    format_name, packed = _detect(path)
    if array is not None and format_name not in _ARCHIVES:
        raise UsageError(
            f"{path}: {words.array} names one of several arrays, and a {format_name} file holds one; leave it"
            " out"
        )
    if exclude and format_name not in _TABLES:
        raise UsageError(
            f"{path}: {words.exclude} names columns of a table, and a {format_name} file has none; leave it"
            " out"
        )
    if format_name in _ARCHIVES:
        return open_archive(
            _archive(format_name, path),
            format=format_name,
            array=array,
            target=target,
            open_target=open_target,
            words=words,
        )
    if format_name == "csv":
        return open_table(
            path, packed=packed, target=target, exclude=exclude, open_target=open_target, words=words
        )
    if format_name == "parquet":
        return open_parquet(path, target=target, exclude=exclude, open_target=open_target, words=words)
    features = _single_array(format_name, path, packed=packed, targets=False)
    targets = _target_beside(path, target, words, open_target)
    return ArraySource(path=path, format=format_name, features=features, targets=targets)


def _archive(format_name: str, path: Path) -> Archive:
    return _ARCHIVES[format_name](path)


def _single_array(format_name: str, path: Path, *, packed: bool, targets: bool) -> RowArray:
    if format_name == "npy":
        return read_npy(path, targets=targets)
    return read_idx(path, packed=packed, targets=targets)


def _target_beside(path: Path, target: str | None, words: Words, open_target: OpenTarget) -> RowArray | None:
    if target is None:
        return None
    found = open_target(target, beside=path)
    if found is None:
        raise malformed(
            path,
            f"holds one array, so {words.target} must be a file of targets, and {target!r} is not a file;"
            " name another or leave it out",
        )
    return found


def _target_file(target: str, beside: Path) -> Path | None:
    """The file of that name, as given or in the folder of the data; None if there is none."""
    return next((p for p in (Path(target), beside.parent / target) if _exists(p)), None)


def _read_targets(path: Path) -> RowArray:
    """The targets in a file of their own."""
    format_name, packed = _detect(path)
    if format_name in _ARCHIVES:
        return choose_target_array(_archive(format_name, path))
    if format_name == "csv":
        return read_target_table(path, packed=packed)
    if format_name == "parquet":
        return read_target_parquet(path)
    return _single_array(format_name, path, packed=packed, targets=True)


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
