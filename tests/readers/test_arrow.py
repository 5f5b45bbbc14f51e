"""Parquet, Feather and Arrow IPC files, against what pyarrow, pandas and Pillow wrote."""

from __future__ import annotations

import datetime
import decimal
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_reader_formats import collect
from test_reader_malformed import refusal

from rsgadvise.data.opening import open_data
from rsgadvise.data.statistics import measure
from rsgadvise.errors import MissingExtraError, RsgadviseError

pa: Any = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'rsgadvise[parquet]'")


def parquet(table: Any, path: Path) -> Path:
    import pyarrow.parquet

    path = path.with_suffix(".parquet")
    pyarrow.parquet.write_table(table, path, row_group_size=5)
    return path


def feather(table: Any, path: Path) -> Path:
    import pyarrow.feather

    path = path.with_suffix(".feather")
    pyarrow.feather.write_feather(table, str(path), chunksize=5)
    return path


def stream(table: Any, path: Path) -> Path:
    path = path.with_suffix(".arrow")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=5)
    return path


Write = Callable[[Any, Path], Path]
EVERY = pytest.mark.parametrize("write", [parquet, feather, stream])


def image(array: np.ndarray[Any, Any], kind: str = "PNG", mode: str | None = None) -> bytes:
    images = pytest.importorskip(
        "PIL.Image", reason="Pillow is not installed: pip install 'rsgadvise[images]'"
    )
    buffer = io.BytesIO()
    found = images.fromarray(array)
    (found if mode is None else found.convert(mode)).save(buffer, kind)
    return buffer.getvalue()


RNG = np.random.default_rng(11)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_text_that_is_numbers_is_read_as_such(tmp_path: Path, kind: Any) -> None:
    """But for numbers of something, which begin with zeros, and words."""
    cells = ["1.5", None, " 2 ", "NA", "-3e1", "7"]
    table = {"a": cells, "zip": ["01067", "01099"] * 3, "y": ["u", "v"] * 3}
    path = feather(pa.table({name: pa.array(column, kind) for name, column in table.items()}), tmp_path / "a")
    source = open_data(path, target="y", exclude=["zip"])
    features, targets = collect(source, 8)
    assert features.tolist() == [[1.5], [2], [-30], [7]]
    assert targets[:, 0].tolist() == ["u", "u", "u", "v"]
    assert "('zip') holds text, not numbers" in refusal(path, target="y")
    late = pa.array([*["1"] * 500, "x"], kind)
    path = feather(pa.table({"a": late, "b": pa.array(range(501))}), tmp_path / "b")
    assert "row 500 (counted from 0) of column 'a': 'x' is not a number" in refusal(path)


@EVERY
@pytest.mark.parametrize("max_bytes", [1, 100, 1 << 21])
def test_numbers_words_and_missing_cells(tmp_path: Path, write: Write, max_bytes: int) -> None:
    table = pa.table(
        {
            "a": [1.0, 2.0, None, 4.0, 5.0, 6.0, 7.0],
            "b": pa.array([1, 2, 3, 4, None, 6, 7], pa.int16()),
            "c": ["u", "v", "u", None, "u", "v", "u"],
            "t": [True, False, True, True, True, False, None],
        }
    )
    source = open_data(write(table, tmp_path / "a"), target="c")
    assert source.format == ("parquet" if write is parquet else "arrow")
    for _ in range(2):
        features, targets = collect(source, max_bytes)
        assert features.tolist() == [[1, 1, 1], [2, 2, 0], [6, 6, 0]]
        assert targets[:, 0].tolist() == ["u", "v", "v"]
        assert source.rows_skipped == 4
    assert source.column_names == ("a", "b", "t")
    assert "of words; name" not in refusal(write(table, tmp_path / "a"), target="z")
    assert "makes an input of every word" in refusal(write(table, tmp_path / "a"))
    words = open_data(write(table, tmp_path / "a"), categories="one_hot", exclude=["a", "b", "t"])
    assert words.column_names == ("c=u", "c=v")
    assert words.dtype == np.float32  # zeros and ones are no image
    assert collect(words, max_bytes)[0].tolist() == [[1, 0], [0, 1], [1, 0], [1, 0], [0, 1], [1, 0]]


@EVERY
def test_every_kind_of_number(tmp_path: Path, write: Write) -> None:
    kinds = ["int8", "uint16", "int64", "uint64", "float16", "float32", "float64", "bool_"]
    table = pa.table({kind: pa.array([1, 0, 1], pa.int8()).cast(getattr(pa, kind)()) for kind in kinds})
    table = table.append_column("d", pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-3.50")]))
    source = open_data(write(table, tmp_path / "a"))
    assert collect(source)[0].tolist() == [[1] * 8 + [1.25], [1] * 8 + [-3.5]]
    assert source.rows_skipped == 1


@EVERY
def test_the_type_of_the_features(tmp_path: Path, write: Write) -> None:
    eight, flags = pa.array([1, 255], pa.uint8()), pa.array([True, False])
    for columns, expected in (
        ({"a": eight, "b": eight}, np.uint8),
        ({"a": eight, "b": flags}, np.float32),
        ({"a": flags}, np.bool_),
        ({"a": eight, "b": pa.array([1, -1], pa.int16())}, np.int16),
        ({"a": eight, "b": pa.array([1.0, -1.0])}, np.float64),
    ):
        source = open_data(write(pa.table(columns), tmp_path / "a"))
        assert source.dtype == collect(source)[0].dtype == expected


@EVERY
@pytest.mark.parametrize(
    "kind", ["list_(float64)", "large_list(float64)", "list_(float64, 6)", "list_(list_(uint8))", "nested"]
)
@pytest.mark.parametrize("max_bytes", [1, 1 << 21])
def test_lists_of_numbers(tmp_path: Path, write: Write, kind: str, max_bytes: int) -> None:
    values = RNG.integers(0, 256, (13, 2, 3)).astype(float)
    kinds = {
        "list_(float64)": pa.list_(pa.float64()),
        "large_list(float64)": pa.large_list(pa.float64()),
        "list_(float64, 6)": pa.list_(pa.float64(), 6),
        "list_(list_(uint8))": pa.list_(pa.list_(pa.uint8())),
        "nested": pa.list_(
            pa.large_list(
                pa.float32(),
            ),
            2,
        ),
    }
    nested = kind in ("list_(list_(uint8))", "nested")
    lists: list[Any] = (values if nested else values.reshape(13, 6)).tolist()
    lists[3] = None
    lists[7] = [[1.0, 2.0, None], [4.0, 5.0, 6.0]] if nested else [1.0, 2.0, None, 4.0, 5.0, 6.0]
    if nested:
        lists[8] = [None, [4.0, 5.0, 6.0]]
    left = [3, 7, 8] if nested else [3, 7]
    table = pa.table({"y": list(range(13)), "pixels": pa.array(lists, kinds[kind]), "z": [0.5] * 13})
    source = open_data(write(table, tmp_path / "a"), target="y")
    features, targets = collect(source, max_bytes)
    expected = np.delete(values.reshape(13, 6), left, axis=0)
    assert (features == np.column_stack([expected, np.full(len(expected), 0.5)])).all()
    assert targets[:, 0].tolist() == [row for row in range(13) if row not in left]
    assert source.rows_skipped == len(left)
    assert source.input_dim == 7
    assert source.column_names == (*(f"pixels[{at}]" for at in range(6)), "z")
    assert source.column_numbers == (1,) * 6 + (2,)
    assert source.column_label(4) == "column 1 ('pixels[4]')"


def test_lists_of_other_lengths_are_refused(tmp_path: Path) -> None:
    lists: list[Any] = [[1.0, 2.0]] * 12
    for at, wrong in ((7, [1.0]), (11, [1.0, 2.0, 3.0]), (5, [])):
        table = pa.table({"e": [*lists[:at], wrong, *lists[at + 1 :]]})
        for write in (parquet, feather, stream):
            message = refusal(write(table, tmp_path / "a"))
            assert f"row {at} (counted from 0) of column 'e': has a list of {len(wrong)} where" in message
    table = pa.table({"e": [[[1.0], [2.0]]] * 3 + [[[1.0], [2.0, 3.0]]]})
    assert "row 3 (counted from 0)" in refusal(parquet(table, tmp_path / "a"))
    table = pa.table({"e": [["a", "b"]] * 3, "f": [["c"]] * 3})
    message = refusal(parquet(table, tmp_path / "a"))
    assert "columns 0 ('e'), 1 ('f') hold no numbers" in message
    assert "lists of text" in refusal(parquet(table.select(["e"]), tmp_path / "a"))
    table = pa.table({"e": [[], [1.0]]})
    assert "holds lists of 0 numbers" in refusal(parquet(table, tmp_path / "a"))


def test_a_list_is_no_target(tmp_path: Path) -> None:
    table = pa.table({"x": [0.5, 0.25], "y": [[1.0, 0.0], [0.0, 1.0]]})
    path = parquet(table, tmp_path / "a")
    assert "column 1 ('y') holds lists of 2 numbers, which is no target" in refusal(path, target="y")
    np.save(tmp_path / "x.npy", np.ones((2, 2)))
    assert "which is no target" in refusal_of_targets(tmp_path / "x.npy", path)


def refusal_of_targets(data: Path, targets: Path) -> str:
    with pytest.raises(RsgadviseError) as caught:
        collect(open_data(data, target=str(targets)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@EVERY
def test_a_table_of_targets(tmp_path: Path, write: Write) -> None:
    np.save(tmp_path / "x.npy", np.ones((7, 2)))
    path = write(pa.table({"a": [0.5] * 7, "b": list(range(7))}), tmp_path / "y")
    _, targets = collect(open_data(tmp_path / "x.npy", target=path.name), 1)
    assert targets.tolist() == [[0.5, at] for at in range(7)]
    path = write(pa.table({"a": [0.5] * 6 + [None]}), tmp_path / "y")
    assert "missing cells among the targets" in refusal_of_targets(tmp_path / "x.npy", path)


@EVERY
@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (5, 4, 4)])
@pytest.mark.parametrize("struct", [True, False])
def test_images(tmp_path: Path, write: Write, shape: tuple[int, ...], struct: bool) -> None:
    pixels = RNG.integers(0, 256, (12, *shape), dtype=np.uint8)
    data: list[Any] = [image(each) for each in pixels]
    cells: list[Any] = (
        [{"bytes": each, "path": f"{at}.png"} for at, each in enumerate(data)] if struct else data
    )
    cells[2] = None
    if struct:
        cells[4] = {"bytes": None, "path": None}
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()}) if struct else pa.binary()
    table = pa.table({"image": pa.array(cells, kind), "label": [0, 1] * 6})
    source = open_data(write(table, tmp_path / "a"), target="label")
    features, targets = collect(source, 1)
    left = [2, 4] if struct else [2]
    assert features.dtype == source.dtype == np.uint8
    assert (features == np.delete(pixels.reshape(12, -1), left, axis=0)).all()
    assert targets is not None
    assert len(targets) == 12 - len(left)
    size = " x ".join(map(str, shape))
    assert source.notes == (f"Column 0 ('image') holds images of {size}: {np.prod(shape)} inputs.",)
    assert measure(source).scaling == "divide by 255"


def test_images_of_few_colours(tmp_path: Path) -> None:
    """Black and white is 0 and 255, and a palette is the colours in it."""
    pixels = RNG.integers(0, 2, (3, 5, 4), dtype=np.uint8) * 255
    table = pa.table({"image": [image(each, mode="1") for each in pixels]})
    assert (collect(open_data(parquet(table, tmp_path / "a")))[0] == pixels.reshape(3, -1)).all()
    table = pa.table({"image": [image(each, mode="P") for each in pixels]})
    expected = np.repeat(pixels.reshape(3, -1), 3, axis=1)
    assert (collect(open_data(parquet(table, tmp_path / "a")))[0] == expected).all()


def test_images_that_are_refused(tmp_path: Path) -> None:
    grey = [image(np.full((5, 4), at, np.uint8)) for at in range(7)]
    other = {
        "is an image of 4 x 5 where the first is of 5 x 4": image(np.zeros((4, 5), np.uint8)),
        "is an image of 5 x 4 x 3 where": image(np.zeros((5, 4, 3), np.uint8)),
        "holds pixels of kind I;16": image(np.zeros((5, 4), np.uint16)),
        "is said to be an image and is none": grey[0][:-30],
        "is said to be an image and": b"hello",
        "is said to be an image": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 4\n",
    }
    for expected, cell in other.items():
        path = parquet(pa.table({"image": [*grey, cell]}), tmp_path / "a")
        assert f"row 7 (counted from 0) of column 'image': {expected}" in refusal(path)
    path = parquet(pa.table({"image": [grey[0][:40], *grey]}), tmp_path / "a")
    assert "the first image of column 'image'" in refusal(path)
    path = parquet(pa.table({"b": [b"RIFF1234WAVE", b"x"]}), tmp_path / "a")
    assert "column 0 ('b') holds bytes that are no image" in refusal(path)
    cells = [{"bytes": grey[0], "path": None}, {"bytes": None, "path": "pictures/1.png"}]
    path = parquet(pa.table({"image": cells}), tmp_path / "a")
    assert "row 1 (counted from 0) of column 'image': names the image file 'pictures/1.png'" in refusal(path)
    huge = bytearray(grey[0])
    huge[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    path = parquet(pa.table({"image": [bytes(huge)]}), tmp_path / "a")
    assert "the first image of column 'image'" in refusal(path)


def test_whoever_leaves_images_out_needs_no_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"image": [image(np.zeros((5, 4), np.uint8))] * 2, "x": [0.5, 1.0]})
    path = parquet(table, tmp_path / "a")
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rsgadvise\[images\]'"):
        open_data(path)
    assert collect(open_data(path, exclude=["image"]))[0].tolist() == [[0.5], [1.0]]


@EVERY
def test_categories_of_pandas_and_other_types(tmp_path: Path, write: Write) -> None:
    when = datetime.datetime(2020, 1, 2)
    table = pa.table(
        {
            "colour": pa.array(["red", "blue", "red", None] * 3).dictionary_encode(),
            "size": pa.array([10, 20, 10, 20] * 3).dictionary_encode(),
            "x": [0.25, 0.5, 0.75, 1.0] * 3,
            "day": [when] * 12,
            "nothing": pa.nulls(12),
        }
    )
    path = write(table, tmp_path / "a")
    source = open_data(path, target="colour", exclude=["nothing", "size"])
    features, targets = collect(source, 1)
    assert features[:3].tolist() == [[0.25], [0.5], [0.75]]
    assert targets[:3, 0].tolist() == ["red", "blue", "red"]
    assert source.rows_skipped == 3
    assert any("dates: column 3 ('day')" in note for note in source.notes)
    source = open_data(path, categories="one_hot", exclude=["nothing", "x"])
    if write is parquet:  # which keeps categories of text alone
        assert source.column_names == ("colour=blue", "colour=red", "size")
    else:
        assert source.column_names == ("colour=blue", "colour=red", "size=10", "size=20")
        assert collect(source)[0][:2].tolist() == [[0, 1, 1, 0], [1, 0, 0, 1]]
    source = open_data(path, target="colour", exclude=["size"])
    assert any("empty: column 4 ('nothing')" in note for note in source.notes)


@EVERY
def test_seconds_since_1970(tmp_path: Path, write: Write) -> None:
    times = {"epoch": [1_600_000_000 + k**3 for k in range(12)], "b": list(range(12)), "y": [0, 1] * 6}
    source = open_data(write(pa.table(times), tmp_path / "b"), target="y")
    assert source.column_names == ("b",)
    assert any("dates: column 0 ('epoch')" in note for note in source.notes)


def test_what_pandas_saves(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed: pip install 'rsgadvise[test]'")
    frame = pandas.DataFrame(
        {"a": [0.1, 0.2, 0.3, 0.4], "y": [0, 1, 0, 1], "c": pandas.Categorical(list("uvuv"))}
    )
    frame[frame.a > 0.15].to_parquet(tmp_path / "a.parquet")  # keeps the index, 1, 2 and 3
    source = open_data(tmp_path / "a.parquet", target="c")
    assert source.column_names == ("a", "y")
    assert any("the index that pandas saved" in note for note in source.notes)
    frame.to_feather(tmp_path / "a.feather")
    features, targets = collect(open_data(tmp_path / "a.feather", target="c"))
    assert (features == frame[["a", "y"]].to_numpy()).all()
    assert targets[:, 0].tolist() == list("uvuv")


def test_columns_are_numbered_as_they_are_chosen(tmp_path: Path) -> None:
    path = parquet(pa.table({"a": [0, 1], "b": [1.0, 2.0], "c": [3.0, float("nan")]}), tmp_path / "a")
    for options in ({"target": "0"}, {"exclude": ["b"]}, {"target": "a", "exclude": ["1"]}):
        with pytest.raises(RsgadviseError, match=r"row 1, column 2 \('c'\), is nan"):
            measure(open_data(path, **options))
    assert open_data(path, target="-1").notes == (
        "The target is column 2 ('c'), counted from 0; -1 is the last.",
    )


@pytest.mark.parametrize("write", [parquet, feather])
def test_a_large_row_group_is_read_in_parts(tmp_path: Path, write: Write) -> None:
    import pyarrow.feather
    import pyarrow.parquet

    values = pa.FixedSizeListArray.from_arrays(pa.array(RNG.random(20_000 * 100, np.float32)), 100)
    path = tmp_path / "a"
    if write is parquet:
        pyarrow.parquet.write_table(pa.table({"x": values}), path, row_group_size=20_000)
    else:
        pyarrow.feather.write_feather(pa.table({"x": values}), str(path), "uncompressed", chunksize=20_000)
    del values
    before = pa.total_allocated_bytes()
    for _ in open_data(path).chunks(max_bytes=1 << 16):
        assert pa.total_allocated_bytes() - before < path.stat().st_size / 2


@EVERY
def test_files_that_are_refused(tmp_path: Path, write: Write) -> None:
    one = pa.table({"a": [1.0, 2.0]})
    assert "several columns of the same name" in refusal(
        write(pa.Table.from_arrays([one["a"], one["a"]], ["a", "a"]), tmp_path / "a")
    )
    assert "zero rows" in refusal(write(one.slice(0, 0), tmp_path / "a"))
    assert "missing cell in each of its 2 rows" in refusal(
        write(pa.table({"a": [1.0, None], "b": [None, 1]}), tmp_path / "a")
    )
    path = write(one, tmp_path / "a")
    data = path.read_bytes()
    for length in (30, len(data) // 2, len(data) - 9):
        path.write_bytes(data[:length])
        if write is not stream or length < len(data) - 9:  # the end of a stream may be left out
            refusal(path)
    (tmp_path / "old.feather").write_bytes(b"FEA1" + bytes(100))
    assert "first version" in refusal(tmp_path / "old.feather")


@EVERY
def test_fields_of_structures_are_columns(tmp_path: Path, write: Write) -> None:
    cells: list[Any] = [{"a": k / 4, "in": {"b": k, "w": "uv"[k % 2]}} for k in range(12)]
    cells[3] = None
    cells[5]["in"]["b"] = None
    table = pa.table({"n": list(range(12)), "s": pa.array(cells)})
    source = open_data(write(table, tmp_path / "a"), target="s.in.w", exclude=["n"])
    assert source.column_names == ("s.a", "s.in.b")
    features, targets = collect(source, 32)
    kept = [k for k in range(12) if k not in (3, 5)]
    assert features.tolist() == [[k / 4, k] for k in kept]
    assert targets[:, 0].tolist() == ["uv"[k % 2] for k in kept]
