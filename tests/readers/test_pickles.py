"""Pickles of arrays, whatever holds them, are read; anything that could run is refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_reader_formats import collect
from test_reader_malformed import refusal

from rsgadvise.data.opening import open_data
from rsgadvise.data.statistics import measure
from rsgadvise.data.stream import Array

RNG = np.random.default_rng(3)
X = RNG.random((12, 5), dtype=np.float32)
Y = np.arange(12) % 3
PAIRS = ((X, Y), (X[:4] + 1, Y[:4]), (X[:6] + 2, Y[:6]))


def _python_2(array: Array) -> bytes:
    """An array as Python 2 and numpy 1 pickled it, in protocol 2 with strings of bytes."""
    kind = array.dtype.str[1:].encode()
    shape = b"".join(b"K" + bytes([size]) for size in array.shape)
    shape = b"(" + shape + b"t"
    dtype = b"cnumpy\ndtype\nU" + bytes([len(kind)]) + kind + b"K\x00K\x01\x87R"
    dtype += b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    data = b"T" + struct.pack("<i", array.nbytes) + array.tobytes()
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return made + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb"


def python_2(pairs: tuple[tuple[Array, Array], ...]) -> bytes:
    """mnist.pkl.gz of deeplearning.net, unpacked and small."""
    inside = b"".join(_python_2(x) + _python_2(y) + b"\x86" for x, y in pairs)
    return b"\x80\x02(" + inside + b"t."


@pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("written", ["python 2", "numpy 1", "numpy 2", "protocol 0", "protocol 5"])
def test_mnist_as_deeplearning_net_has_it(
    tmp_path: Path, written: str, packed: Callable[[bytes], bytes]
) -> None:
    content = python_2(PAIRS)
    if written != "python 2":
        content = pickle.dumps(PAIRS, {"protocol 0": 0, "protocol 5": 5}.get(written, 2))
    if written == "numpy 1":
        content = content.replace(b"numpy._core", b"numpy.core")
    assert (b"numpy._core" in content) == (written in {"numpy 2", "protocol 0", "protocol 5"})
    (tmp_path / "mnist.pkl.gz").write_bytes(packed(content))
    source = open_data(tmp_path / "mnist.pkl.gz")
    features, targets = collect(source, 50)
    assert source.format == "pickle"
    assert source.dtype == np.float32
    assert (features == X).all()
    assert (targets[:, 0] == Y).all()
    assert source.notes == (
        "The first of 3 pairs of arrays was taken; array x_2 with target y_2 is the second.",
        "The features are array x (12, 5), the targets y (12,); passed over: x_2 (4, 5), y_2 (4,), x_3 "
        "(6, 5), y_3 (6,).",
    )
    source = open_data(tmp_path / "mnist.pkl.gz", array="x_3", target="y_3")
    assert len(source.notes) == 1
    features, targets = collect(source)
    assert (features == PAIRS[2][0]).all()
    assert (targets[:, 0] == Y[:6]).all()


HELD: dict[str, tuple[Any, bool]] = {
    "pair": ((X, Y), True),
    "list of two": ([X, Y], True),
    "labels in a list": ((X, Y.tolist()), True),
    "X and y": ({"X": X, "y": Y}, True),
    "data and target": ({"data": X, "target": Y, "names": ["a", "b"]}, True),
    "bytes for names": ({b"data": X, b"labels": Y.tolist()}, True),
    "lists of rows": ({"X": X.tolist(), "y": Y.tolist()}, True),
    "alone": (X, False),
    "alone in a dict": ({"pixels": X}, False),
    "column-major": (np.asfortranarray(X), False),
}


@pytest.mark.parametrize("label", HELD)
def test_what_holds_the_arrays(tmp_path: Path, label: str) -> None:
    content, labelled = HELD[label]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, 4))
    source = open_data(tmp_path / "a.pkl")
    features, targets = collect(source, 50)
    assert (features == X).all()
    assert (targets is not None) == labelled
    if targets is not None:
        assert (targets[:, 0] == Y).all()


def test_a_pair_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps((X, Y)))
    assert open_data(tmp_path / "a.pkl").notes == (
        "Of the pair of arrays, of 12 rows each, the second was taken as the targets.",
    )
    np.save(tmp_path / "other.npy", Y)
    (note,) = open_data(tmp_path / "a.pkl", target="other.npy").notes
    assert note.endswith("passed over: y (12,).")


def test_targets_in_a_pickle_of_their_own(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    for labels in (Y, Y.tolist(), {"y": Y}):
        (tmp_path / "y.pkl").write_bytes(pickle.dumps(labels))
        _, targets = collect(open_data(tmp_path / "x.npy", target="y.pkl"))
        assert (targets[:, 0] == Y).all()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_labels_may_be_words(tmp_path: Path, protocol: int, order: str) -> None:
    words = np.array(["cat", "dög", "owl"])[Y].astype(f"{order}U3")
    content = {"data": X, "target": words, "names": np.array(["a" * 200])}
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    features, targets = collect(open_data(path), 50)
    assert (features == X).all()
    assert targets[:, 0].tolist() == words.tolist()
    assert measure(open_data(path)).output_dim == 3


@pytest.mark.parametrize("letter", [0x110000, 0xFFFFFFFF, 0xD800])
def test_letters_that_there_are_not(tmp_path: Path, letter: int) -> None:
    content = pickle.dumps((X, np.array(["owl"] * len(X))), 5)
    path = tmp_path / "a.pkl"
    path.write_bytes(content.replace(struct.pack("<I", ord("w")), struct.pack("<I", letter)))
    assert "letters that there are not" in refusal(path)


class Odd:
    """Not an array."""


REFUSED: dict[str, tuple[Any, str]] = {
    "nothing": (None, "without arrays of numbers; store a dict"),
    "empty": ([], "without arrays"),
    "words": (["a", "b"], "is a list; features are read from arrays"),
    "rows of words": ({"X": [["a", "b"]] * 3}, "without arrays"),
    "rows of other lengths": ({"X": [[1, 2], [3]]}, "without arrays"),
    "deeper": ([[(X, Y)]], "without arrays"),
    "scalar": (np.float64(3), "without arrays"),
    "no axis": (np.array(3.0), "without arrays"),
    "unequal pair": ((X, X[:5]), r"holds 0 \(12, 5\), 1 \(5, 5\) and none is called x, data.*--array"),
    "four": ((X, X, Y, Y), r"3 \(12,\) and none is called x"),
    "class": (Odd(), "asks for test_pickles.Odd, which arrays and labels do not need.*store it as npz"),
    "list of numbers": ([1, 2, 3], "is a list; features are read from arrays"),
    "empty array": (np.ones((0, 3)), "zero rows"),
    "flat": (Y, "one-dimensional"),
    "complex": (X * 1j, "'c8'"),
    "text": (np.array([["a"]]), "holds str32 entries; only real numbers"),
    "bytes": (np.array([[b"a"]]), "'S1', not of numbers or text"),
}


@pytest.mark.parametrize("label", REFUSED)
def test_refused(tmp_path: Path, label: str) -> None:
    content, expected = REFUSED[label]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    assert re.search(expected, refusal(tmp_path / "a.pkl"))
    (tmp_path / "a.pkl.gz").write_bytes(gzip.compress(pickle.dumps(content)))
    assert re.search(expected, refusal(tmp_path / "a.pkl.gz"))


def test_a_bunch_of_scikit_learn(tmp_path: Path) -> None:
    utils = pytest.importorskip("sklearn.utils", reason="needs scikit-learn")
    content = utils.Bunch(data=X, target=Y, DESCR="made up", frame=None)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    features, targets = collect(open_data(tmp_path / "a.pkl"), 40)
    assert (features == X).all()
    assert (targets[:, 0] == Y).all()


@pytest.mark.parametrize(
    "end", [b"}b.", b")R}b.", b"K\x05\x85R.", b"K\x05\x85\x81.", b"}\x81.", b")\x81}}s."]
)
def test_a_bunch_is_a_dictionary_and_no_way_to_run_code(tmp_path: Path, end: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02csklearn.utils\nBunch\n" + end)
    assert "\n" not in refusal(tmp_path / "a.pkl")


def test_a_table_of_pandas_is_told_how_to_be_saved(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pd.DataFrame({"a": [1.0, 2], "y": ["p", "q"]}).to_pickle(tmp_path / "a.pkl")
    assert refusal(tmp_path / "a.pkl").endswith("save the table with to_parquet or to_csv")


def test_damaged(tmp_path: Path) -> None:
    content = python_2(PAIRS)
    path = tmp_path / "a.pkl.gz"
    path.write_bytes(gzip.compress(content)[:-30])
    assert "cannot be read" in refusal(path)
    path.write_bytes(gzip.compress(content[:-30]))
    refusal(path)
    path.write_bytes(gzip.compress(content + b"x"))
    assert "1 bytes follow the end" in refusal(path)
    path.write_bytes(gzip.compress(b"\x80\x04\x95" + bytes(8) + b"\x8c\x13joblib.numpy_pickle."))
    assert "is a joblib file, which is not read; save its arrays with numpy.savez" in refusal(path)
    (tmp_path / "a.pkl").write_bytes(b"hello there, this is no pickle")
    assert "not a safe pickle" in refusal(tmp_path / "a.pkl")


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rsgadvise.data.formats import pickles

    monkeypatch.setattr(pickles, "_MAX_BYTES", 200)
    path = tmp_path / "a.pkl.gz"
    path.write_bytes(gzip.compress(python_2(PAIRS)))
    assert "more than 200 bytes" in refusal(path)
