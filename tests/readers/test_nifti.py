"""NIfTI images give back the voxels that nibabel reads."""

from __future__ import annotations

import bz2
import gzip
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_reader_formats import collect
from test_reader_malformed import read_or_refused, refusal

from rsgadvise.data.formats import binary
from rsgadvise.data.opening import open_data
from rsgadvise.data.stream import Array
from rsgadvise.errors import DataError

nib = pytest.importorskip("nibabel", reason="nibabel is not installed: pip install 'rsgadvise[nifti]'")

RNG = np.random.default_rng(6)
VOXELS = RNG.integers(-300, 300, (3, 4, 5, 7)).astype(np.int16)


def written(voxels: Array, *, version: int = 1, slope: float | None = None, order: str = "<") -> bytes:
    """A file of these voxels, with a slope as stored and an intercept of 2.5."""
    kind = {1: (nib.Nifti1Image, nib.Nifti1Header), 2: (nib.Nifti2Image, nib.Nifti2Header)}[version]
    header = kind[1](endianness=order)
    header.set_data_dtype(voxels.dtype)
    content: bytes = kind[0](voxels, np.eye(4), header).to_bytes()
    if slope is None:
        return content
    place, form = {1: (112, "ff"), 2: (176, "dd")}[version]
    scale = struct.pack(order + form, slope, 2.5)
    return content[:place] + scale + content[place + len(scale) :]


def oracle(content: bytes) -> Array:
    """(volumes, voxels) as nibabel has them, the first axis fastest."""
    kind = nib.Nifti1Image if content[344:348] == b"n+1\0" else nib.Nifti2Image
    voxels = np.asarray(kind.from_bytes(content).dataobj)
    voxels = voxels.reshape(*voxels.shape[:3], -1)
    rows: Array = voxels.reshape(-1, voxels.shape[3], order="F").T
    return rows


@pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress])
@pytest.mark.parametrize("kind", ["i2", "u1", "f4", "f8", "u2", "i4"])
@pytest.mark.parametrize("slope", [None, 0.25, 0.0])
def test_against_nibabel(
    tmp_path: Path, kind: str, slope: float | None, packed: Callable[[bytes], bytes]
) -> None:
    for version, order in ((1, "<"), (1, ">"), (2, "<"), (2, ">")):
        content = written(np.abs(VOXELS % 200).astype(kind), version=version, slope=slope, order=order)
        path = tmp_path / "a.nii.gz"
        path.write_bytes(packed(content))
        expected = oracle(content)
        for max_bytes in (1, 500, 1 << 21):
            source = open_data(path)
            features, targets = collect(source, max_bytes)
            assert source.format == "nifti"
            assert (source.rows, source.input_dim) == (7, 60)
            assert (features == expected).all()
            assert source.dtype == expected.dtype
            assert targets is None
        assert source.notes == ("Each of the 7 volumes of 3 x 4 x 5 voxels is a row.",)


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4, 5, 1), (3, 4, 5, 1, 1)])
def test_one_volume_is_one_row(tmp_path: Path, shape: tuple[int, ...]) -> None:
    content = written(VOXELS[..., 0].reshape(shape))
    (tmp_path / "a.nii").write_bytes(content)
    source = open_data(tmp_path / "a.nii")
    assert (collect(source)[0] == oracle(content)).all()
    assert source.rows == 1
    assert source.notes == (
        "The file is one volume of 3 x 4 x 5 voxels, so one row; volumes in a fourth axis are rows.",
    )


def test_targets_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(written(VOXELS))
    (tmp_path / "labels.csv").write_text("condition\nrest\ntask\nrest\ntask\nrest\ntask\nrest\n")
    _, targets = collect(open_data(tmp_path / "a.nii", target="labels.csv"), 200)
    assert targets[:, 0].tolist() == ["rest", "task", "rest", "task", "rest", "task", "rest"]
    with pytest.raises(DataError, match="--target must be a file of targets"):
        open_data(tmp_path / "a.nii", target="condition")


def test_extensions_lie_between_header_and_voxels(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VOXELS, np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 5000))
    content = image.to_bytes()
    for name, whole in (("a.nii", content), ("a.nii.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(whole)
        assert (collect(open_data(tmp_path / name))[0] == oracle(content)).all()


def test_blocks_are_small(tmp_path: Path) -> None:
    voxels = RNG.integers(0, 1000, (16, 16, 16, 300)).astype(np.int16)
    for slope in (None, 0.5):
        content = written(voxels, slope=slope)
        for name, whole in (("a.nii", content), ("a.nii.gz", gzip.compress(content, 1))):
            (tmp_path / name).write_bytes(whole)
            sizes = [block.nbytes for block, _ in open_data(tmp_path / name).chunks(max_bytes=1 << 16)]
            assert max(sizes) <= 1 << 16
            assert len(sizes) > 30


def changed(place: int, form: str, *values: float) -> bytes:
    """A good file with other numbers in its header."""
    content = bytearray(written(VOXELS))
    struct.pack_into("<" + form, content, place, *values)
    return bytes(content)


GOOD = written(VOXELS)
WRONG: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty|neither"),
    "text": (b"1,x\n", "first bytes are of another format|neither NIfTI"),
    "complex": (written(VOXELS.astype(np.complex64)), "holds complex64 entries; only real numbers"),
    "cut": (GOOD[:-1], "cut short"),
    "only a header": (GOOD[:348], "cut short"),
    "more": (GOOD + b"x", "goes on after the 840 bytes"),
    "unknown type": (changed(70, "h", 77), "voxels of the unknown type 77"),
    "no type": (changed(70, "h", 0), "holds void entries"),
    "two axes": (changed(40, "8h", 2, 20, 21, 1, 1, 1, 1, 1), r"has axes of \(20, 21\) voxels"),
    "no axes": (changed(40, "8h", 0, 0, 0, 0, 0, 0, 0, 0), "has axes of"),
    "nine axes": (changed(40, "8h", 9, 1, 1, 1, 1, 1, 1, 1), "has axes of"),
    "no voxels": (changed(40, "8h", 4, 3, 0, 5, 7, 1, 1, 1), r"\(3, 0, 5, 7\) voxels; each must have"),
    "negative": (changed(40, "8h", 4, 3, -4, 5, -7, 1, 1, 1), "each must have at least one"),
    "absurd": (changed(40, "8h", 4, 32767, 32767, 32767, 32767, 1, 1, 1), "cut short|more than 200 times"),
    "far": (changed(108, "f", 1e30), "cut short|more than 200 times"),
    "nowhere": (changed(108, "f", float("nan")), "cannot be read: cannot convert"),
    "no intercept": (changed(112, "2f", 2.0, float("inf")), "has a damaged header: .*; write it again"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("label", WRONG)
def test_refused(tmp_path: Path, label: str, packed: bool) -> None:
    content, expected = WRONG[label]
    path = tmp_path / ("a.nii.gz" if packed else "a.nii")
    path.write_bytes(gzip.compress(content) if packed else content)
    assert re.search(expected, refusal(path))


def test_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.nii.gz"
    whole = gzip.compress(GOOD)
    path.write_bytes(whole[:-20])
    assert "cannot be read" in refusal(path)
    path.write_bytes(whole[:-8] + bytes(4) + whole[-4:])
    assert "CRC" in refusal(path)
    monkeypatch.setattr(binary, "EXPANSION_FREE_BYTES", 1 << 16)
    path.write_bytes(gzip.compress(written(np.zeros((64, 64, 64, 10), np.int16))))
    assert "more than 200 times as many" in refusal(path)
    path = tmp_path / "a.nii"
    for _ in range(300):
        damaged = bytearray(GOOD)
        for place in RNG.integers(0, 348, 4):
            damaged[place] = RNG.integers(0, 256)
        path.write_bytes(bytes(damaged))
        read_or_refused(path)
    assert capfd.readouterr().err == ""  # what nibabel has to say is not told beside the error
