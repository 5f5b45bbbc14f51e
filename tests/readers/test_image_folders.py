"""Folders of images are rows, their sub-folders classes; Pillow writes the images and is the oracle."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from test_reader_formats import collect
from test_reader_malformed import read_all, read_or_refused, refusal

from rsgadvise.data.opening import open_data
from rsgadvise.data.statistics import load_rows, measure
from rsgadvise.data.stream import Array
from rsgadvise.errors import DataError, UsageError

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install 'rsgadvise[images]'")

RNG = np.random.default_rng(4)


def grey(path: Path, pixels: Array | None = None) -> Array:
    """One written image, of 5 x 4 pixels unless told."""
    shown: Array = RNG.integers(0, 256, (4, 5), dtype=np.uint8) if pixels is None else pixels
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(shown).save(path)
    return shown.reshape(-1)


def test_classes_are_sub_folders(tmp_path: Path) -> None:
    names = ["cat/1.png", "cat/10.bmp", "cat/2.tif", "dog/A.pgm", "dog/b.gif", "owl/x.TIFF"]
    rows = np.stack([grey(tmp_path / name) for name in names])
    for max_bytes in (1, 50, 1 << 21):
        source = open_data(tmp_path)
        features, targets = collect(source, max_bytes)
        assert source.format == "images"
        assert source.dtype == features.dtype == np.uint8
        assert (source.rows, source.input_dim) == (6, 20)
        assert (features == rows).all()
        assert targets[:, 0].tolist() == ["cat"] * 3 + ["dog"] * 2 + ["owl"]
    assert source.notes == (
        "6 images of 5 x 4 pixels, grey.",
        "The 3 classes are the sub-folders cat, dog, owl.",
    )


@pytest.mark.parametrize(
    "names", [["0", "1", "2"], ["7", "9", "11"], ["0.5", "1.5", "2.5"], ["1", "a", "nan"]]
)
def test_folders_called_numbers_are_classes(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        for count in range(2):
            grey(tmp_path / name / f"{count}.png")
    source = open_data(tmp_path)
    statistics = measure(source)
    assert statistics.target_encoding == "one-hot"
    assert statistics.output_dim == 3
    _, encoded = load_rows(open_data(tmp_path), statistics)
    assert encoded is not None
    assert (encoded.sum(axis=0) == 2).all()
    if names[0] == "0.5":
        assert measure(open_data(tmp_path, target_kind="values")).output_dim == 1


def test_images_alone_have_no_targets(tmp_path: Path) -> None:
    rows = np.stack([grey(tmp_path / "x" / f"{number}.png") for number in range(5)])
    source = open_data(tmp_path / "x")
    features, targets = collect(source)
    assert (features == rows).all()
    assert targets is None
    (tmp_path / "labels.csv").write_text("label\n" + "a\nb\n" * 2 + "a\n")
    source = open_data(tmp_path / "x", target="labels.csv")
    _, targets = collect(source)
    assert targets[:, 0].tolist() == ["a", "b", "a", "b", "a"]
    (tmp_path / "labels.csv").write_text("label\n1\n2\n")
    with pytest.raises(DataError, match="fewer rows than the features"):
        read_all(tmp_path / "x", target="labels.csv")
    with pytest.raises(DataError, match=r"--target must be a file of targets, one for each image.*'cat'"):
        open_data(tmp_path / "x", target="cat")
    np.save(tmp_path / "a.npy", np.ones((5, 2)))
    with pytest.raises(DataError, match="is a folder; targets are read from a file"):
        open_data(tmp_path / "a.npy", target="x")
    for option in ({"array": "x"}, {"exclude": ["0"]}):
        with pytest.raises(UsageError, match="images file"):
            open_data(tmp_path / "x", **option)


def _modes() -> dict[str, Any]:
    colours = RNG.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    rgb = Image.fromarray(colours)
    flat = Image.fromarray(colours[:, :, 0])
    grey_palette = flat.convert("P")
    alpha = rgb.copy()
    alpha.putalpha(flat)
    clear = rgb.quantize(8)
    clear.info["transparency"] = bytes([0, 128] * 4)
    return {
        "RGB": rgb,
        "RGBA": alpha,
        "L": flat,
        "LA": flat.convert("LA"),
        "1": flat.convert("1"),
        "P": rgb.quantize(8),
        "P, grey": grey_palette,
        "P, transparent": clear,
    }


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P, grey", "RGB", "RGBA", "P", "P, transparent"])
def test_modes(tmp_path: Path, mode: str) -> None:
    images = _modes()
    wanted = "L" if mode in {"L", "LA", "1", "P, grey"} else "RGB"
    images[mode].save(tmp_path / "a.png")
    images["L"].save(tmp_path / "0.png")
    images["L"].save(tmp_path / "b.png")
    features, _ = collect(open_data(tmp_path))
    plain = images["L"].convert(wanted)
    expected = [plain, images[mode].convert("RGBA").convert(wanted), plain]
    assert (features == np.stack([np.asarray(each).reshape(-1) for each in expected])).all()
    notes = open_data(tmp_path).notes
    assert ("Transparency was dropped: a.png." in notes) == (mode in {"LA", "RGBA", "P, transparent"})
    assert f"3 images of 5 x 4 pixels, {'grey' if wanted == 'L' else 'red, green and blue'}." in notes


def test_jpeg_and_webp(tmp_path: Path) -> None:
    rgb = _modes()["RGB"]
    rgb.save(tmp_path / "a.jpg")
    rgb.convert("CMYK").save(tmp_path / "b.jpeg")
    rgb.save(tmp_path / "c.webp", lossless=True)
    features, _ = collect(open_data(tmp_path))
    for row, name in zip(features, ("a.jpg", "b.jpeg", "c.webp"), strict=True):
        with Image.open(tmp_path / name) as image:
            assert (row == np.asarray(image.convert("RGB")).reshape(-1)).all()


def test_sixteen_bits_stay_numbers(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 1 << 16, (2, 4, 5)).astype(np.uint16)
    grey(tmp_path / "a.png", pixels[0])
    grey(tmp_path / "b.tif", pixels[1])
    source = open_data(tmp_path)
    features, _ = collect(source)
    assert source.dtype == features.dtype == np.uint16
    assert (features == pixels.reshape(2, 20)).all()
    assert source.notes == ("2 images of 5 x 4 pixels, grey, 16 bits.",)
    grey(tmp_path / "c.png")
    assert "has pixels of mode L and" in refusal(tmp_path)


def test_what_is_no_image_is_passed_over(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/1.png", "b/.hidden.png", "b/deep/1.png", ".cache/1.png", "stray.png"):
        grey(tmp_path / name)
    (tmp_path / "a" / "notes.txt").write_text("a")
    (tmp_path / "empty").mkdir()
    assert open_data(tmp_path).notes[-1] == (
        "Passed over: stray.png, .cache, empty, a/notes.txt, b/deep and 1 more."
    )
    assert open_data(tmp_path).rows == 2
    frames = [Image.fromarray(RNG.integers(0, 256, (4, 5), dtype=np.uint8)) for _ in range(3)]
    frames[0].save(tmp_path / "a" / "2.gif", save_all=True, append_images=frames[1:])
    source = open_data(tmp_path)
    assert "Only the first picture of several was taken: 2.gif." in source.notes
    assert (collect(source)[0][1] == np.asarray(frames[0]).reshape(-1)).all()


def test_blocks_are_small(tmp_path: Path) -> None:
    for number in range(20):
        grey(tmp_path / f"{number}.png")
    sizes = [len(block) for block, _ in open_data(tmp_path).chunks(max_bytes=60)]
    assert sizes == [3] * 6 + [2]


def bomb(width: int, height: int, kind: bytes = b"IDAT") -> bytes:
    """A PNG of that size with 100 bytes of pixels, the second half of them in a part of this kind."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = zlib.compress(bytes(range(100)))
    pixels = part(b"IDAT", pixels[:50]) + part(kind, pixels[50:])
    return b"\x89PNG\r\n\x1a\n" + header + pixels + part(b"IEND", b"")


def _written(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        grey(folder / "0.png")
        (folder / name).write_bytes(content)

    return write


def _truncated(folder: Path) -> None:
    grey(folder / "1.png", RNG.integers(0, 256, (40, 50), dtype=np.uint8))
    content = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(content[: len(content) // 2])


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (lambda _: None, r"is a folder without images \(png, jpg, .*; name a file in it"),
    "other files": (lambda folder: (folder / "a.txt").write_text("a"), "is a folder without images"),
    "empty classes": (lambda folder: (folder / "cat").mkdir(), "is a folder without images"),
    "text": (_written("1.png", b"hello"), "1.png: is said to be an image and is none"),
    "nothing in it": (_written("1.png", b""), "1.png: is said to be an image and is none"),
    "PostScript": (
        _written("1.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 4\n"),
        "1.png: is said to be",
    ),
    "bomb": (_written("1.png", bomb(30_000, 30_000)), "1.png: claims more pixels"),
    "small bomb": (_written("1.png", bomb(10_000, 10_000)), "1.png: claims more pixels"),
    "too little data": (_written("0.png", bomb(50, 50)), "0.png: cannot be read: image file is truncated"),
    "truncated": (_truncated, "1.png: cannot be read: .*check that the file is complete"),
    "broken": (_written("0.png", bomb(5, 20, b"\0\0\0\0")), "0.png: cannot be read: unrecognized data"),
}


@pytest.mark.parametrize("label", REFUSED)
def test_refused(tmp_path: Path, label: str) -> None:
    write, expected = REFUSED[label]
    write(tmp_path)
    assert re.search(expected, refusal(tmp_path))


def test_an_image_that_changes(tmp_path: Path) -> None:
    for number in range(3):
        grey(tmp_path / f"{number}.png")
    source = open_data(tmp_path)
    grey(tmp_path / "1.png", np.zeros((9, 9), np.uint8))
    with pytest.raises(DataError, match=r"1\.png: is no longer of the size"):
        collect(source)
    (tmp_path / "1.png").unlink()
    with pytest.raises(DataError, match=r"1\.png: cannot be read: No such file"):
        collect(source)


@pytest.mark.parametrize("error", [SyntaxError("broken PNG file"), AssertionError("odd"), OSError("odd")])
def test_what_pillow_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object) -> None:
        raise error

    grey(tmp_path / "a.png")
    source = open_data(tmp_path)
    monkeypatch.setattr(Image.Image, "load", fail)
    with pytest.raises(DataError, match=rf"a\.png: (is damaged|cannot be read): {error}; "):
        collect(source)


def test_damaged_images(tmp_path: Path) -> None:
    """Whatever Pillow raises on damaged bytes is one line."""
    images = _modes()
    for suffix in ("png", "jpg", "bmp", "gif", "webp", "tif", "ppm"):
        path = tmp_path / suffix / f"a.{suffix}"
        path.parent.mkdir()
        images["RGB"].save(path)
        whole = path.read_bytes()
        for _ in range(40):
            damaged = bytearray(whole)
            for place in RNG.integers(0, len(whole), 3):
                damaged[place] = RNG.integers(0, 256)
            path.write_bytes(bytes(damaged[: RNG.integers(1, len(whole) + 1)]))
            read_or_refused(path.parent)


def test_commands_take_a_folder(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "train"
    for name in ("cat", "dog"):
        for number in range(12):
            grey(folder / name / f"{number}.png")
    found = run.document("stats", str(folder))
    assert (found["samples"], found["input_dim"], found["output_dim"]) == (24, 20, 2)
    spec = tmp_path / "spec.yaml"
    asked = ("--epochs", "3", "--hidden", "0", "--constants", "paper", "-f", "json")
    advised = json.loads(run("recommend", str(folder), *asked, "--save", str(spec)).out)
    assert advised["train"]["iterations"] > 0
    assert "file: train\n" in spec.read_text()
    assert run.document("recommend", str(spec), "--constants", "paper")["train"] == (advised["train"])
    monkeypatch.chdir(folder)
    assert json.loads(run("recommend", ".", *asked).out)["train"] == advised["train"]
