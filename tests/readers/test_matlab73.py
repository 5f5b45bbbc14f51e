"""MATLAB 7.3 files, and tables in HDF5, written by h5py as MATLAB and pandas lay them out."""

from __future__ import annotations

import pickle
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from test_reader_formats import ARRAYS, MATLAB, collect, flat
from test_reader_malformed import refusal

from rsgadvise.data.formats import binary
from rsgadvise.data.opening import open_data
from rsgadvise.errors import DataError

h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'rsgadvise[hdf5]'")

CLASSES = {"float64": "double", "float32": "single", "bool": "logical"}


def write(path: Path, content: dict[str, Any], **options: Any) -> Path:
    """A file as MATLAB writes it: the axes of an array reversed, what a cell holds in a group of its own."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in content.items():
            if scipy.sparse.issparse(value):
                value = scipy.sparse.csc_array(value)  # noqa: PLW2901
                item = file.create_group(name)
                item.attrs["MATLAB_sparse"] = np.uint64(value.shape[0])
                item["jc"] = value.indptr.astype(np.uint64)
                if value.nnz:
                    item["ir"] = value.indices.astype(np.uint64)
                    item["data"] = value.data.astype("u1" if value.dtype == bool else value.dtype)
            elif isinstance(value, str):
                item = file.create_dataset(name, data=np.array([[ord(letter)] for letter in value], "u2"))
                item.attrs["MATLAB_class"] = np.bytes_("char")
                continue
            elif isinstance(value, list):
                file["#refs#/a"] = np.ones((3, 3))
                item = file.create_dataset(name, data=[[file["#refs#/a"].ref]], dtype=h5py.ref_dtype)
                item.attrs["MATLAB_class"] = np.bytes_("cell")
                continue
            elif isinstance(value, dict):
                item = file.create_group(name)
                item["field"] = "text"
                item.attrs["MATLAB_class"] = np.bytes_("struct")
                continue
            else:
                stored = value.astype("u1") if value.dtype == bool else value
                if value.dtype.kind == "c":
                    stored = value.view([("real", "f8"), ("imag", "f8")])
                item = file.create_dataset(name, data=stored.T, **options)
            dtype = "float64" if value.dtype.kind == "c" else value.dtype.name
            item.attrs["MATLAB_class"] = np.bytes_(CLASSES.get(dtype, dtype))
    data = bytearray(path.read_bytes())
    data[:128] = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    path.write_bytes(bytes(data))
    return path


EVERY = {**ARRAYS, **MATLAB}


@pytest.mark.parametrize("name", EVERY)
def test_axes_are_reversed(tmp_path: Path, name: str) -> None:
    value = EVERY[name]
    labels = np.arange(value.shape[0])[:, None] % 3
    expected = value.toarray() if scipy.sparse.issparse(value) else flat(value)
    source = open_data(write(tmp_path / "a.mat", {"y": labels, "x": value}))
    assert (source.format, source.dtype) == ("mat", value.dtype)
    for max_bytes in (1, 100, 1 << 21):
        features, targets = collect(source, max_bytes)
        assert features.dtype == value.dtype
        assert (features == expected).all()
        assert (targets == labels).all()


def test_wide_blocks_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rsgadvise.data.formats import hdf5

    monkeypatch.setattr(hdf5, "FORTRAN_BLOCK_BYTES", 1000)
    array = np.random.default_rng(0).random((101, 7))
    source = open_data(write(tmp_path / "a.mat", {"x": array}, chunks=(2, 10), compression="gzip"))
    assert max(len(block) for block, _ in source.chunks(max_bytes=200)) == 3
    assert (collect(source, 200)[0] == array).all()


def test_labels_and_columns(tmp_path: Path) -> None:
    """Whoever keeps samples in columns, sparse or not, has them read as rows for the sake of labels."""
    dense = np.random.default_rng(1).random((4, 6)).round() * 2
    for value in (dense, scipy.sparse.csc_array(dense)):
        path = write(tmp_path / "a.mat", {"fea": value, "gnd": np.arange(6.0)[None]})
        features, targets = collect(open_data(path))
        assert (features == dense.T).all()
        assert targets[:, 0].tolist() == list(range(6))
        assert "fea " in open_data(path).notes[0]
        assert collect(open_data(write(tmp_path / "b.mat", {"fea": value})))[0].shape == (4, 6)


@pytest.mark.parametrize("how", ["cells", "a row of cells", "letters", "fields"])
def test_words_are_labels(tmp_path: Path, how: str) -> None:
    """Of cells, or of letters, whose rows are as long as the longest; and inside a struct."""
    array, labels = np.random.default_rng(2).random((4, 3)), ["rot", "blau", "", "rot"]
    path = write(tmp_path / "a.mat", {} if how == "fields" else {"x": array})
    with h5py.File(path, "r+") as file:
        group = file
        if how == "fields":
            group = file.create_group("s")
            group.attrs["MATLAB_class"] = np.bytes_("struct")
            group["x"] = array.T
            group["x"].attrs["MATLAB_class"] = np.bytes_("double")
        if how == "letters":
            item = file.create_dataset(
                "y", data=np.array([[*map(ord, f"{word:4}")] for word in labels], "u2").T
            )
            item.attrs["MATLAB_class"] = np.bytes_("char")
        else:
            places = []
            for at, word in enumerate(labels):
                empty = np.zeros(2, "u8")  # the shape of a text without a letter
                cell = file.create_dataset(
                    f"#refs#/{at}", data=np.array([[*map(ord, word)]], "u2").T if word else empty
                )
                cell.attrs["MATLAB_class"] = np.bytes_("char")
                places.append(cell.ref)
            shape = (4, 1) if how == "a row of cells" else (1, 4)
            item = group.create_dataset("y", shape, h5py.ref_dtype)
            item[...] = np.reshape(np.array(places, h5py.ref_dtype), shape)
            item.attrs["MATLAB_class"] = np.bytes_("cell")
    source = open_data(path)
    features, targets = collect(source)
    assert (features == array).all()
    assert targets[:, 0].tolist() == labels


def test_what_is_no_array_is_passed_over(tmp_path: Path) -> None:
    others = {"c": [1], "s": {"a": 1}, "t": "text"}
    path = write(tmp_path / "a.mat", {**others, "x": np.ones((3, 2)), "z": MATLAB["sparse"]})
    assert open_data(path).notes == (
        "The features are array x (3, 2); passed over: c (cell), s.field (no numbers), t (char), "
        "z sparse (6, 4).",
    )
    with pytest.raises(DataError, match=r"'c': is no array of numbers: c \(cell\)"):
        open_data(path, array="c")
    assert "holds no numeric array" in refusal(write(tmp_path / "b.mat", others))
    with h5py.File(tmp_path / "b.mat", "r+") as file:
        file["x"] = h5py.ExternalLink("a.mat", "x")
        file["y"] = h5py.SoftLink("/s/field")
    assert "holds no numeric array" in refusal(tmp_path / "b.mat")


def test_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    complexes = np.ones((3, 2)) * 1j
    for value in (complexes, scipy.sparse.csc_array(np.eye(3, 2))):
        write(path, {"x": value})
        if value is not complexes:
            with h5py.File(path, "r+") as file:
                del file["x/data"]
                file["x/data"] = np.ones(2, [("real", "f8"), ("imag", "f8")])
        assert "'x': holds complex numbers; only real numbers are read" in refusal(path)
    write(path, {"x": np.ones((0, 0))})
    assert "has zero rows" in refusal(path)
    whole = write(path, {"x": np.ones((30, 20))}).read_bytes()
    for cut in (300, 600, len(whole) - 200):
        path.write_bytes(whole[:cut])
        assert "cannot be read" in refusal(path)


@pytest.mark.parametrize(
    ("part", "value", "expected"),
    [
        ("ir", [0, 6, 1, 5], "cannot be read"),
        ("ir", np.array([0, 2**63, 1, 5], np.uint64), "cannot be read"),
        ("ir", [0.0, 1.0, 2.0, 3.0], "do not fit"),
        ("jc", [0, 3, 2, 4, 4], "cannot be read"),
        ("data", [b"a", b"b", b"c", b"d"], "only real numbers"),
    ],
)
def test_sparse_arrays_are_checked(tmp_path: Path, part: str, value: Any, expected: str) -> None:
    path = write(tmp_path / "a.mat", {"x": MATLAB["sparse"]})
    with h5py.File(path, "r+") as file:
        del file[f"x/{part}"]
        if value is not None:
            file[f"x/{part}"] = np.array(value)
    assert re.search(expected, refusal(path))


def test_hostile_sizes_take_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "EXPANSION_FREE_BYTES", 1 << 20)
    path = write(tmp_path / "a.mat", {"x": MATLAB["sparse"], "y": np.ones((2, 2))})
    with h5py.File(path, "r+") as file:
        del file["x/ir"]
        file["x"].create_dataset("ir", shape=(2**40,), dtype="u8", chunks=(1024,))
        file.create_dataset("x_train", shape=(2**20, 2**20), dtype="f8", chunks=(64, 64))
        file["x_train"].attrs["MATLAB_class"] = np.bytes_("double")
    with h5py.File(write(tmp_path / "b.mat", {"x": MATLAB["sparse"]}), "r+") as file:
        file["x"].attrs["MATLAB_sparse"] = np.uint64(2**62)
    tracemalloc.start()
    for name, array in (("a.mat", "x"), ("a.mat", "x_train"), ("b.mat", "x")):
        assert "times as many" in refusal(tmp_path / name, array=array)
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


COLUMNS = {
    "a": np.random.default_rng(3).integers(99, size=9) / 64,
    "kind": np.array(["u", "v", "w"] * 3),
    "b": np.arange(9) ** 2,
    "y": np.arange(9) % 2 > 0,
}


def in_records(file: Any) -> None:
    table = np.zeros(9, [("a", "f8"), ("kind", "S2"), ("b", "i4"), ("y", "?")])
    for name, column in COLUMNS.items():
        table[name] = column
    file["t"] = table


def fixed(file: Any) -> None:
    """As `to_hdf` of pandas writes it: a block for the columns of each type, pickled if it is of objects."""
    group = file.create_group("df")
    group.attrs.update({"pandas_type": np.bytes_("frame"), "nblocks": 5})
    group["axis0"], group["axis1"] = np.array(["when", *COLUMNS], "S"), np.arange(9)
    group["block4_items"], group["block4_values"] = np.array([b"when"]), 10**15 * np.arange(9)[:, None]
    group["block4_values"].attrs["value_type"] = np.bytes_("datetime64[ns]")
    for at, (name, column) in enumerate(COLUMNS.items()):
        group[f"block{at}_items"] = np.array([name], "S")
        if name == "kind":
            cells = group.create_dataset(f"block{at}_values", (1,), h5py.vlen_dtype(np.uint8))
            cells[0] = np.frombuffer(pickle.dumps(column.astype(object)[:, None]), np.uint8)
        else:
            group[f"block{at}_values"] = column[:, None]


def appendable(file: Any) -> None:
    """As `to_hdf(format="table")` writes it, with the names of each block pickled."""
    group = file.create_group("g/df")
    group.attrs["pandas_type"] = np.bytes_("frame_table")
    group.attrs["non_index_axes"] = np.bytes_(pickle.dumps([(1, [*COLUMNS])], 0))
    names = {"kind": ["kind"], "values_block_0": ["b", "a"], "values_block_1": ["y"]}
    table = np.zeros(
        9, [("index", "i8"), ("values_block_0", "f8", (2,)), ("kind", "S2"), ("values_block_1", "u1", (1,))]
    )
    table["values_block_0"] = np.stack([COLUMNS["b"], COLUMNS["a"]], 1)
    table["kind"], table["values_block_1"][:, 0] = COLUMNS["kind"], COLUMNS["y"]
    group["table"] = table
    for field, own in names.items():
        group["table"].attrs[f"{field}_kind"] = np.bytes_(pickle.dumps(own, 0))
    group["_i_table/index"] = np.zeros((3, 3))


@pytest.mark.parametrize("write", [in_records, fixed, appendable])
def test_tables_in_hdf5(tmp_path: Path, write: Callable[[Any], None]) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write(file)
        if write is not appendable:
            file["beside"] = np.zeros(5)
    features, targets = collect(open_data(tmp_path / "a.h5", target="-1", categories="one_hot"), 100)
    words = [COLUMNS["kind"] == word for word in "uvw"]
    assert (features == np.stack([COLUMNS["a"], *words, COLUMNS["b"]], 1)).all()
    assert (targets[:, 0] == COLUMNS["y"]).all()


def test_a_pickle_in_hdf5_runs_nothing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        appendable(file)
        file["g/df/table"].attrs["kind_kind"] = np.bytes_(pickle.dumps([Path], 0))
    with pytest.raises(DataError, match="asks for"):
        open_data(tmp_path / "a.h5", target="y")
