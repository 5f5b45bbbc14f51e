"""Packed files: gzip, bzip2, xz, zstandard, and a zip of one file, read as what is in them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from rsgadvise.data.formats.binary import ExpansionGuard, Readable
from rsgadvise.data.stream import malformed, optional, reading
from rsgadvise.records import dataclass

SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")


@dataclass(frozen=True, slots=True)
class Packing:
    """How a file is packed.

    Attributes:
        name: gzip, bzip2, xz, zstandard or zip.
        unpack: opens the bytes inside, without a guard.
    """

    name: str
    unpack: Callable[[Path], Readable]

    def open(self, path: Path) -> BinaryIO:
        """The unpacked bytes, guarded against expansion beyond reason."""
        guarded = ExpansionGuard(self.unpack(path), path, path.stat().st_size)
        return io.BufferedReader(guarded, 1 << 16)


def opened(path: Path, packing: Packing | None) -> BinaryIO:
    """The bytes of a file as its format has them."""
    return path.open("rb", buffering=0) if packing is None else packing.open(path)


def _zstandard(path: Path) -> Readable:
    library = optional("zstandard", path, "zstandard files need zstandard", extra="zstd")
    found: Readable = library.open(path, "rb")
    return found


def _members(path: Path) -> list[zipfile.ZipInfo]:
    """The files in a zip, without folders and what one system adds to every archive."""
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    return [each for each in infos if not each.is_dir() and not each.filename.startswith("__MACOSX/")]


def _zip_member(path: Path) -> Readable:
    (member,) = _members(path)
    if member.flag_bits & 1:
        raise malformed(path, f"holds {member.filename}, which is encrypted; store it without a password")
    with zipfile.ZipFile(path) as archive:
        opened: Any = archive.open(member)
    return opened  # type: ignore[no-any-return]


_PACKINGS: tuple[tuple[bytes, Packing], ...] = (
    (b"\x1f\x8b", Packing("gzip", gzip.GzipFile)),
    (b"BZh", Packing("bzip2", bz2.BZ2File)),
    (b"\xfd7zXZ\x00", Packing("xz", lzma.LZMAFile)),
    (b"\x28\xb5\x2f\xfd", Packing("zstandard", _zstandard)),
)
_ZIP = Packing("zip", _zip_member)
ZIP_MAGIC = b"PK\x03\x04"


def packing_of(path: Path, start: bytes) -> Packing | None:
    """How a file with these first bytes is packed; None where it is not, or is a zip of several files."""
    for magic, packing in _PACKINGS:
        if start.startswith(magic):
            return packing
    if start.startswith(ZIP_MAGIC):
        with reading(path):
            members = _members(path)
        if len(members) == 1 and not members[0].filename.endswith(".npy"):
            return _ZIP
    return None


def unpacked_name(path: Path) -> str:
    """The name in small letters without what says how the file is packed."""
    name = path.name.lower()
    return name.removesuffix(next((suffix for suffix in SUFFIXES if name.endswith(suffix)), ""))
