"""MATLAB 7.3 files, written by h5py as MATLAB lays them out."""

from __future__ import annotations

import re
import tracemalloc
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
                item["field"] = np.ones((2, 2))
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


def test_what_is_no_array_is_passed_over(tmp_path: Path) -> None:
    others = {"c": [1], "s": {"a": 1}, "t": "text"}
    path = write(tmp_path / "a.mat", {**others, "x": np.ones((3, 2)), "z": MATLAB["sparse"]})
    assert open_data(path).notes == (
        "The features are array x (3, 2); passed over: c (cell), s (struct), t (char), z sparse (6, 4).",
    )
    with pytest.raises(DataError, match=r"'s': is no array of numbers: s \(struct\)"):
        open_data(path, array="s")
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
