"""Every format gives back the array that another library wrote."""

from __future__ import annotations

import gzip
import pickle
import struct
import warnings
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsgadvise.data.opening import open_data
from rsgadvise.data.stream import Array, DataSource
from rsgadvise.errors import DataError


def collect(source: DataSource, max_bytes: int = 1 << 21) -> tuple[Array, Any]:
    """All chunks of one pass: features, and targets or None."""
    features, targets = [], []
    for block, labels in source.chunks(max_bytes=max_bytes):
        features.append(block.copy())
        if labels is not None:
            targets.append(labels.copy())
    return np.concatenate(features), np.concatenate(targets) if targets else None


def write_idx(path: Path, array: Array, *, extra: bytes = b"") -> Path:
    """An IDX file, gzip if the name says so."""
    codes = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
    dtype = array.dtype.newbyteorder(">")
    header = struct.pack(">BBBB", 0, 0, codes[array.dtype.str[1:]], array.ndim)
    data = header + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(dtype).tobytes() + extra
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


RNG = np.random.default_rng(5)
ARRAYS: dict[str, Array] = {
    "uint8": RNG.integers(0, 256, (23, 7), dtype=np.uint8),
    "int16": RNG.integers(-300, 300, (23, 7), dtype=np.int16),
    "float32": RNG.random((23, 7), dtype=np.float32),
    "float64": RNG.random((23, 7)),
    "images": RNG.integers(0, 256, (11, 3, 4), dtype=np.uint8),
}


def flat(array: Array) -> Array:
    return array.reshape(len(array), -1)


@pytest.mark.parametrize("name", ARRAYS)
def test_npy_and_npz(tmp_path: Path, name: str) -> None:
    for order, max_bytes in product(["C", "F"], [1, 100, 1 << 21]):
        array = np.asarray(ARRAYS[name], order="F" if order == "F" else "C")
        labels = np.arange(len(array)) % 3
        np.save(tmp_path / "a.npy", array)
        np.save(tmp_path / "labels.npy", labels)
        np.savez(tmp_path / "a.npz", x=array, y=labels)
        np.savez_compressed(tmp_path / "b.npz", data=array, labels=labels)
        for source in (
            open_data(tmp_path / "a.npy", target="labels.npy"),
            open_data(tmp_path / "a.npz"),
            open_data(tmp_path / "b.npz"),
        ):
            for _ in range(2):  # each call of chunks() is a new pass
                features, targets = collect(source, max_bytes)
                assert features.dtype == array.dtype
                assert (features == flat(array)).all()
                assert (targets[:, 0] == labels).all()
            assert source.rows == len(array)
            assert source.input_dim == flat(array).shape[1]


@pytest.mark.parametrize("dtype", ["?", ">f8", ">i4", "<f2", "u8"])
def test_npy_dtypes(tmp_path: Path, dtype: str) -> None:
    array = (RNG.random((6, 3)) * 4).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    features, _ = collect(open_data(tmp_path / "a.npy"))
    assert (features == array).all()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    fortran=st.booleans(),
    max_bytes=st.integers(1, 400),
)
def test_column_major_axes_are_flattened_in_c_order(
    tmp_path: Path, shape: list[int], fortran: bool, max_bytes: int
) -> None:
    array = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    np.save(tmp_path / "a.npy", np.asarray(array, order="F" if fortran else "C"))
    features, _ = collect(open_data(tmp_path / "a.npy"), max_bytes)
    assert (features == flat(array)).all()


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx(tmp_path: Path, name: str, suffix: str) -> None:
    path = write_idx(tmp_path / f"train-images-idx3-ubyte{suffix}", ARRAYS[name])
    labels = write_idx(tmp_path / f"labels-idx1-ubyte{suffix}", np.arange(len(ARRAYS[name]), dtype=np.uint8))
    source = open_data(path, target=labels.name)
    features, targets = collect(source, 50)
    assert source.format == "idx"
    assert (features == flat(ARRAYS[name])).all()
    assert targets[:, 0].tolist() == list(range(len(features)))


@pytest.mark.parametrize("name", ARRAYS)
def test_mat(tmp_path: Path, name: str) -> None:
    for compressed, max_bytes in product([False, True], [1, 1 << 21]):
        array = ARRAYS[name]
        labels = np.arange(len(array))
        content = {"junk": np.array(["a", "bc"], dtype=object), "x": array, "y": labels, "name": "text"}
        scipy.io.savemat(tmp_path / "a.mat", content, do_compression=compressed)
        source = open_data(tmp_path / "a.mat")
        features, targets = collect(source, max_bytes)
        assert source.format == "mat"
        assert (features == flat(array)).all()
        assert (targets[:, 0] == labels).all()


MATLAB = {
    "double": np.array([[0.5, 2.0, -3.25], [1e300, 0.0, 7.0]]),
    "single": np.array([[0.5, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32),
    "logical": np.array([[True, False], [False, True], [True, True]]),
    "uint64": np.array([[2**63 + 1, 2], [3, 4]], np.uint64),
    "int8": np.array([[-128, 127], [0, 1]], np.int8),
    "four bytes": np.array([[1, 2], [3, 4]], np.uint8),
    "one entry": np.array([[0.25]]),
    "four axes": np.arange(48.0).reshape(4, 3, 2, 2),
    "sparse": scipy.sparse.csc_array(([0.5, 0.25, 1.0, 2.0], ([1, 5, 0, 1], [0, 0, 2, 2])), shape=(6, 4)),
    "sparse twice": scipy.sparse.csc_array(([0.5, 0.25], [3, 3], [0, 0, 2])),
    "sparse logical": scipy.sparse.csc_array(np.eye(5, 3, dtype=bool)),
    "sparse and empty": scipy.sparse.csc_array((3, 2)),
}


@pytest.mark.parametrize("name", MATLAB)
def test_mat_against_scipy(tmp_path: Path, name: str) -> None:
    for compressed, max_bytes in product([False, True], [1, 1 << 21]):
        path = tmp_path / "a.mat"
        scipy.io.savemat(path, {"x": MATLAB[name]}, do_compression=compressed)
        expected = scipy.io.loadmat(path, mat_dtype=True, spmatrix=False)["x"]
        if scipy.sparse.issparse(expected):
            expected = expected.toarray().astype(MATLAB[name].dtype)  # scipy leaves logical ones as uint8
        source = open_data(path)
        features, _ = collect(source, max_bytes)
        assert source.dtype == features.dtype == expected.dtype
        assert (features == flat(expected)).all()


@pytest.mark.parametrize("order", "<>")
def test_mat_of_either_byte_order(tmp_path: Path, order: str) -> None:
    """Doubles that MATLAB stored as 16-bit integers, on a machine of the other byte order too."""
    array = np.array([[1.0, 300.0], [2.0, 4.0], [3.0, 5.0]])

    def part(kind: int, data: bytes) -> bytes:
        return struct.pack(order + "II", kind, len(data)) + data + bytes(-len(data) % 8)

    inside = part(6, struct.pack(order + "II", 6, 0)) + part(5, struct.pack(order + "ii", 3, 2))
    name = struct.pack(order + "I", 1 << 16 | 1) + b"x\0\0\0"
    inside += name + part(4, array.astype(order + "u2").tobytes(order="F"))
    mark = {"<": b"\x00\x01IM", ">": b"\x01\x00MI"}[order]
    (tmp_path / "a.mat").write_bytes(b" " * 124 + mark + part(14, inside))
    assert (scipy.io.loadmat(tmp_path / "a.mat")["x"] == array).all()
    source = open_data(tmp_path / "a.mat")
    assert source.dtype == np.float64
    assert (collect(source)[0] == array).all()


def test_mat_takes_no_labels_for_features(tmp_path: Path) -> None:
    """What cannot be taken as features is named, and so is what is passed over."""
    labels = np.arange(6)[:, None]
    scipy.io.savemat(tmp_path / "a.mat", {"fea": MATLAB["sparse"], "gnd": labels})
    features, targets = collect(open_data(tmp_path / "a.mat"))
    assert (features == MATLAB["sparse"].toarray()).all()
    assert (targets == labels).all()
    scipy.io.savemat(tmp_path / "b.mat", {"x": np.ones((6, 2)) * 1j, "gnd": labels})
    with pytest.raises(DataError, match="'x': holds complex numbers"):
        open_data(tmp_path / "b.mat")
    scipy.io.savemat(tmp_path / "c.mat", {"s": np.array(["a", 1], object), "names": "ab", "gnd": labels})
    with pytest.raises(DataError, match=r"s \(cell\), names \(char\), gnd \(6, 1\) and none is called x"):
        open_data(tmp_path / "c.mat")
    assert open_data(tmp_path / "c.mat", array="gnd").notes == (
        "The features are array gnd (6, 1); passed over: s (cell), names (char).",
    )
    with pytest.raises(DataError, match=r"'s': is no array of numbers: s \(cell\)"):
        open_data(tmp_path / "c.mat", array="s")


def test_mat_small_doubles_are_not_images(real_data: Callable[[str], Path]) -> None:
    path = real_data("caltech101-silhouettes/caltech101_silhouettes_28_split1.mat")
    source = open_data(path, array="val_data", target="val_labels")
    features, targets = collect(source)
    expected = scipy.io.loadmat(path, variable_names=["val_data", "val_labels"])
    assert (features == expected["val_data"]).all()
    assert source.dtype == np.float64
    assert (targets == expected["val_labels"]).all()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_cifar_batches_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    data = ARRAYS["uint8"]
    batch = {b"batch_label": b"one", b"data": data, b"labels": list(range(23)), b"filenames": [b"a"] * 23}
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=protocol))
    source = open_data(tmp_path / "data_batch_1")
    features, targets = collect(source, 20)
    assert source.format == "pickle"
    assert (features == data).all()
    assert targets[:, 0].tolist() == list(range(23))


def test_cifar_written_by_python_2(real_data: Callable[[str], Path]) -> None:
    features, targets = collect(open_data(real_data("cifar10/data_batch_1_first2000")))
    with np.load(real_data("cifar10/data_batch_1.npz")) as archive:
        assert (features == archive["data"][:2000]).all()
        assert (targets[:, 0] == archive["labels"][:2000]).all()


def test_cifar_numpy_labels_and_column_major(tmp_path: Path) -> None:
    batch = {"data": np.asfortranarray(ARRAYS["float64"]), "fine_labels": [np.int64(3)] * 23}
    (tmp_path / "train").write_bytes(pickle.dumps(batch, protocol=4))
    features, targets = collect(open_data(tmp_path / "train"))
    assert (features == ARRAYS["float64"]).all()
    assert set(targets[:, 0].tolist()) == {3}


TABLES = {
    "plain": ("1,2,3\n4,5,6\n", {}, [[1, 2, 3], [4, 5, 6]], None),
    "header": ("a,b,c\n1,2,3\n4,5,6\n", {"target": "b"}, [[1, 3], [4, 6]], [2, 5]),
    "semicolon": ("a;b\n1;2\n", {}, [[1, 2]], None),
    "tab": ("1\t2\n3\t4\n", {}, [[1, 2], [3, 4]], None),
    "text target": ("1,2,g\n3,4,b\n", {"target": "-1"}, [[1, 2], [3, 4]], ["g", "b"]),
    "quotes": ('"a,1",b\n"1",2\n"3","4"\n', {"target": "a,1"}, [[2], [4]], [1, 3]),
    "newline in quotes": ('a,b\n"x\ny",2\nz,4\n', {"target": "a"}, [[2], [4]], ["x\ny", "z"]),
    "bom, crlf, blanks": ("\ufeffa, b\r\n\r\n 1 , 2\r\n\r\n3,4\r\n", {}, [[1, 2], [3, 4]], None),
    "two headers": ("net,1,1\nnode,lh,rh\n,,\n0,5,6\n1,7,8\n", {"exclude": ["0"]}, [[5, 6], [7, 8]], None),
    "hash header": ("# a,b\n1,2\n", {"exclude": ["a"]}, [[2]], None),
    "missing": ("1,2,0\n?,3,1\n4,NA,0\n5,6,\n7,8,1\n", {"target": "2"}, [[1, 2], [7, 8]], [0, 1]),
    "missing in excluded": ("1,?\n2,\n", {"exclude": ["1"]}, [[1], [2]], None),
    "one column": ("1\n2\n", {}, [[1], [2]], None),
    "numeric names": ("0,1,x\n1,2,3\n", {"target": "1"}, [[1, 3]], [2]),
    "exponents": ("1e3,-2.5E-1\n.5,+7\n", {}, [[1000, -0.25], [0.5, 7]], None),
    "no final newline": ("1,2\n3,4", {}, [[1, 2], [3, 4]], None),
}


@pytest.mark.parametrize("label", TABLES)
def test_tables(tmp_path: Path, label: str) -> None:
    text, options, expected, targets = TABLES[label]
    (tmp_path / "t.csv").write_bytes(text.encode())
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name, max_bytes in product(("t.csv", "t.csv.gz"), (1, 1 << 21)):
        source = open_data(tmp_path / name, **options)  # type: ignore[arg-type]
        for _ in range(2):
            features, found = collect(source, max_bytes)
            assert features.tolist() == expected, name
            assert (None if found is None else found[:, 0].tolist()) == targets
        assert source.rows_skipped == (3 if label == "missing" else 0)


def test_missing_rows_drop_their_targets_from_another_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1,2\n?,3\n5,6\n")
    np.save(tmp_path / "y.npy", np.array([7, 8, 9]))
    _, targets = collect(open_data(tmp_path / "t.csv", target="y.npy"), 1)
    assert targets[:, 0].tolist() == [7, 9]


@pytest.mark.parametrize(
    "table",
    ["label\n4\n5\n4\n", "4\n5\n4\n", "id,label\n1,4\n2,5\n3,4\n", ",label\n0,4\n1,5\n2,4\n", "4,\n5,\n4,\n"],
)
def test_targets_from_a_table(tmp_path: Path, table: str) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    (tmp_path / "y.csv").write_text(table)
    source = open_data(tmp_path / "x.npy", target="y.csv")
    for max_bytes in (1, 1 << 20):  # a first pass, and what was kept of it
        _, targets = collect(source, max_bytes)
        assert targets.tolist() == [[4], [5], [4]]


def test_a_name_with_a_comma_is_one_column_before_it_is_two(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"a,b",a,b\n0.5,0.25,1\n1,0,2\n')
    for wanted, left in ({"a,b": ["a", "b"], "a,1": ["a,b", "b"], "b,a,b": ["a,b"]}).items():
        names = open_data(tmp_path / "a.csv", exclude=[wanted]).column_names
        assert names == tuple(left)
    for wrong in ("a,c", "a,", ",", "c"):
        with pytest.raises(DataError, match="to exclude"):
            open_data(tmp_path / "a.csv", exclude=[wrong])


@pytest.mark.parametrize(
    ("options", "notes"),
    [
        ({"target": "0"}, ["The target is column 0 ('a'), counted from 0; -1 is the last."]),
        ({"target": "-1"}, ["The target is column 2 ('1'), counted from 0; -1 is the last."]),
        # A name wins over the number that it looks like, which nobody could tell without the note.
        ({"target": "1"}, ["The target is column 2 ('1'), counted from 0; -1 is the last."]),
        ({"target": "b"}, []),
        ({"exclude": ["b", "0", "a"]}, ["Left out, counted from 0: columns 0 ('a'), 1 ('b')."]),
        ({"exclude": ["b, a"]}, ["Left out, counted from 0: columns 0 ('a'), 1 ('b')."]),
        ({}, []),
    ],
)
def test_the_columns_that_were_taken_are_told(
    tmp_path: Path, options: dict[str, Any], notes: list[str]
) -> None:
    (tmp_path / "a.csv").write_text("a,b,1\n0.5,0.25,1\n1,0,2\n")
    header = ["The first line holds text above numbers, so it was taken as a header."]
    assert list(open_data(tmp_path / "a.csv", **options).notes) == notes + header


def test_columns_without_names_are_told_by_number(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("0.5,0.25,1\n1,0,2\n")
    notes = open_data(tmp_path / "a.csv", target="-1", exclude=["0"]).notes
    assert notes == (
        "The target is column 2, counted from 0; -1 is the last.",
        "Left out, counted from 0: column 0.",
    )


def test_an_array_chosen_by_hand_leaves_other_targets_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones((4, 2)), y=np.ones(4), x_test=np.ones((3, 2)), z=np.ones(3))
    assert not open_data(tmp_path / "a.npz", array="x_test").has_targets
    assert open_data(tmp_path / "a.npz", array="x_test", target="z").has_targets


def test_content_goes_before_name(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, 2)))
    (tmp_path / "a.npy").rename(tmp_path / "a.csv")
    assert open_data(tmp_path / "a.csv").format == "npy"


def test_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'rsgadvise[hdf5]'")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = ARRAYS["images"]
        file["labels"] = np.arange(11)
        file["group/other"] = ARRAYS["float32"]
    features, targets = collect(open_data(tmp_path / "a.h5"), 30)
    assert (features == flat(ARRAYS["images"])).all()
    assert targets[:, 0].tolist() == list(range(11))
    features, _ = collect(open_data(tmp_path / "a.h5", array="group/other"))
    assert (features == ARRAYS["float32"]).all()
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = h5py.ExternalLink("a.h5", "x")
    with pytest.raises(DataError, match="no dataset"):
        open_data(tmp_path / "b.h5")
    (tmp_path / "c.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:900])
    with pytest.raises(DataError):
        open_data(tmp_path / "c.h5")


def test_reading_warns_about_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 1L), '\\d': 0}"
        header += b" " * (118 - len(header) - 1) + b"\n"
        data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(16)
        (tmp_path / "old.npy").write_bytes(data)
        assert collect(open_data(tmp_path / "old.npy"))[0].tolist() == [[0.0], [0.0]]
