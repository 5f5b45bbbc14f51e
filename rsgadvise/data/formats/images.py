"""A folder of images, through the optional Pillow: its sub-folders are the classes, and a row is one image.

The first pass reads headers alone, since every image must be as large as the first; pixels come a block of
images at a time.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rsgadvise.data.formats import Format
from rsgadvise.data.packing import Packing
from rsgadvise.data.reading import Asked
from rsgadvise.data.stream import (
    Array,
    ArraySource,
    DataSource,
    RowArray,
    first_of,
    malformed,
    optional,
    reading,
    word_rows,
)
from rsgadvise.records import dataclass

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
# Whatever a file is named, Pillow tries no others: some of its readers start programs.
_READERS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation"}
_GREY = {"1", "L", "LA"}
_COLOUR = {"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
_WIDE = {"I;16": "<u2", "I;16L": "<u2", "I;16B": "<u2", "I;16N": "<u2", "I": "<i4", "F": "<f4"}
_SHOWN = 5  # names in a note


@contextmanager
def opened_image(
    label: Path | str, file: Path | BinaryIO, formats: Sequence[str] = _READERS
) -> Iterator[Any]:
    """An image whose header was read; whatever its pixels raise is said in one line."""
    library = optional("PIL.Image", label, "images need Pillow", extra="images")
    bombs = (library.DecompressionBombError, library.DecompressionBombWarning)
    with reading(label):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of transparency, which is dropped
                warnings.simplefilter("error", library.DecompressionBombWarning)
                with library.open(file, formats=formats) as image:
                    yield image
        except bombs as error:
            raise malformed(
                label, f"claims more pixels than one row of data has ({error}); make it smaller"
            ) from error
        except library.UnidentifiedImageError as error:
            raise malformed(
                label, "is said to be an image and is none; remove it, or write it again"
            ) from error
        except (SyntaxError, AssertionError) as error:  # Pillow's word for a damaged PNG
            raise malformed(label, f"is damaged: {error}; write it again") from error


def _entries(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """(images, folders, everything else and what is hidden) of one folder, sorted by name."""
    images, folders, others = list[Path](), list[Path](), list[Path]()
    with reading(folder):
        for each in sorted(folder.iterdir()):
            if each.name.startswith("."):
                others.append(each)
            elif each.is_dir():
                folders.append(each)
            elif each.is_file() and each.suffix.lower() in SUFFIXES:
                images.append(each)
            else:
                others.append(each)
    return images, folders, others


@dataclass(frozen=True, slots=True)
class _Found:
    """The images of a folder: the files, the class of each (or None), and what was passed over."""

    files: list[Path]
    classes: list[str] | None
    over: list[str]


def _look(path: Path) -> _Found:
    """The images of a folder.

    Raises:
        DataError: there are none, or the sub-folders are no classes.
    """
    images, folders, others = _entries(path)
    parts = [folder.name for folder in folders if folder.name.lower() in _PARTS]
    if parts and len(parts) == len(folders) and not images:
        train = next((name for name in parts if name.lower().startswith("train")), parts[0])
        raise malformed(
            path,
            f"holds {' and '.join(parts)}, which are parts of a data set and no classes; name the folder "
            f"{path / train}",
        )
    inside = {folder: _entries(folder) for folder in folders}
    full = [folder for folder in folders if inside[folder][0]]
    if len(full) < 2 and images:
        return _Found(images, None, [entry.name for entry in (*folders, *others)])
    if len(full) == 1:
        raise malformed(
            path,
            f"has images in one sub-folder alone, and classes are two or more; name the folder {full[0]}",
        )
    if not full:
        kinds = ", ".join(suffix[1:] for suffix in SUFFIXES)
        raise malformed(
            path,
            f"is a folder without images ({kinds}); name a file in it, a folder of images, or one with a "
            "sub-folder of images for each class",
        )
    over = [entry.name for entry in (*images, *others, *(entry for entry in folders if entry not in full))]
    for folder in full:
        over += [f"{folder.name}/{other.name}" for other in (*inside[folder][1], *inside[folder][2])]
    files = [file for folder in full for file in inside[folder][0]]
    return _Found(files, [folder.name for folder in full for _ in inside[folder][0]], over)


class _Kind:
    """What the images of a folder are alike in: size and mode, found from their headers.

    Raises:
        DataError: of a file that differs from the first, or cannot be read.
    """

    def __init__(self, files: list[Path]) -> None:
        self.size, mode = (0, 0), ""
        self.transparent: list[str] = []
        self.moving: list[str] = []
        for file in files:
            with opened_image(file, file) as image:
                own = self._mode(file, image)
                if not mode:
                    self.size, mode = image.size, own
                if image.size != self.size:
                    raise malformed(
                        file,
                        f"is of {_by(image.size)} pixels and {files[0]} of {_by(self.size)}; all images must "
                        f"be of one size, so resize them, e.g. with Pillow: image.resize({self.size})",
                    )
                if own != mode and (own in _WIDE or mode in _WIDE):
                    raise malformed(
                        file,
                        f"has pixels of mode {own} and {files[0]} of {mode}; all images must have as many "
                        "bits, so convert them",
                    )
                mode = "RGB" if "RGB" in {own, mode} else mode
                if image.mode in {"LA", "PA", "RGBA"} or "transparency" in image.info:
                    self.transparent.append(file.name)
                if getattr(image, "n_frames", 1) > 1:
                    self.moving.append(file.name)
        self.mode = mode
        self.dtype = np.dtype(_WIDE.get(mode, "u1"))
        self.columns = self.size[0] * self.size[1] * (3 if mode == "RGB" else 1)

    @staticmethod
    def _mode(file: Path, image: Any) -> str:
        """The mode in which an image is read: L, RGB, or its own where a pixel has more than 8 bits."""
        mode: str = image.mode
        if mode in _GREY or (mode == "P" and _grey_palette(image)):
            return "L"
        if mode in _COLOUR:
            return "RGB"
        if mode in _WIDE:
            return mode
        raise malformed(file, f"has pixels of mode {mode}, which is not read; convert it to grey or RGB")

    def pixels(self, file: Path) -> Array:
        """One image as a row: line by line, red, green and blue side by side."""
        with opened_image(file, file) as image:
            if image.size != self.size or (self.mode in _WIDE) != (image.mode in _WIDE):
                raise malformed(
                    file, "is no longer of the size or kind that it was; leave it alone while it is read"
                )
            shown = image if image.mode == self.mode else image.convert(self.mode)
            return np.asarray(shown).reshape(-1)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _grey_palette(image: Any) -> bool:
    palette = np.array(image.getpalette("RGB") or [0, 1, 0]).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def _rows(path: Path, files: list[Path], kind: _Kind) -> RowArray:
    def blocks(max_bytes: int) -> Iterator[Array]:
        step = min(len(files), max(1, max_bytes // (kind.columns * kind.dtype.itemsize)))
        buffer = np.empty((step, kind.columns), kind.dtype)
        for start in range(0, len(files), step):
            part = files[start : start + step]
            for place, file in enumerate(part):
                buffer[place] = kind.pixels(file)
            yield buffer[: len(part)]

    return RowArray(label=str(path), rows=len(files), columns=kind.columns, dtype=kind.dtype, blocks=blocks)


def _notes(folder: _Found, kind: _Kind, *, classes: bool) -> tuple[str, ...]:
    colour = {"L": "grey", "RGB": "red, green and blue"}.get(
        kind.mode, f"grey, {kind.dtype.itemsize * 8} bits"
    )
    notes = [f"{len(folder.files)} images of {_by(kind.size)} pixels, {colour}."]
    if classes and folder.classes is not None:
        names = sorted(set(folder.classes))
        notes.append(f"The {len(names)} classes are the sub-folders {first_of(names, _SHOWN)}.")
    if kind.transparent:
        notes.append(f"Transparency was dropped: {first_of(kind.transparent, _SHOWN)}.")
    if kind.moving:
        notes.append(f"Only the first picture of several was taken: {first_of(kind.moving, _SHOWN)}.")
    if folder.over:
        notes.append(f"Passed over: {first_of(folder.over, _SHOWN)}.")
    return tuple(notes)


class Images(Format):
    name, words, order, folders = "images", "folders of images", 20, True
    target_choice = (
        "a file of one target for each image in the order of their names, or move the images of each class "
        "into a sub-folder of its own"
    )

    def open(self, path: Path, asked: Asked) -> DataSource:
        folder = _look(path)
        target, targets = asked.reading.target, None
        if target is not None:
            targets = asked.target_file(
                path,
                f"is a folder of images, so {asked.words.target} must be a file of targets, one for each "
                f"image in the order of their names; {target!r} is not a file; name another or leave it out",
            )
        elif folder.classes is not None:
            targets = word_rows(f"{path}: classes", folder.classes)
        kind = _Kind(folder.files)
        source = ArraySource(
            path=path,
            format=self.name,
            features=_rows(path, folder.files, kind),
            targets=targets,
            notes=_notes(folder, kind, classes=target is None),
        )
        source.row_names = tuple(file.relative_to(path).as_posix() for file in folder.files)
        if target is None and targets is not None:
            source.target_kind = "classes"  # folders called 0 to 9 too
        return source

    def targets(self, path: Path, *, packing: Packing | None) -> RowArray:
        raise malformed(path, "is a folder; targets are read from a file, so name one")


FORMATS = (Images(),)
