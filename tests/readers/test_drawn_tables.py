"""Tables as Markdown, Org and the shells of databases show them, and with marks that nobody expects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from test_text_tables import read

from rsgadvise.data.opening import open_data
from rsgadvise.errors import DataError

NAMES = ["age", "bmi", "kind", "class"]
RNG = np.random.default_rng(8)
ROWS = [
    [str(RNG.integers(20, 70)), f"{RNG.normal(25, 4):.1f}", "ab"[k % 2 or k % 3 == 0], ("yes", "no")[k % 2]]
    for k in range(30)
]
ROWS[7][1] = ""


BORDER = "+-----+-----+-----+-----+"


def framed(rule: str) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (NAMES, *ROWS)]
    return "\n".join([lines[0], rule, *lines[1:]])


def aligned(cells: list[str], mark: str) -> str:
    return mark.join(f" {cell:<5} " for cell in cells)


def by(mark: str) -> str:
    return "\n".join(mark.join(cells) for cells in (NAMES, *ROWS))


SHOWN = {
    "markdown": framed("|---:|:--:|---|---|"),
    "markdown, short": framed("|-|-|-|-|"),
    "org": "#+TITLE: ages\n" + framed("|-----+-----+----+---|"),
    "mysql": "\n".join([BORDER, *framed(BORDER).split("\n"), BORDER, ""]),
    "psql": "\n".join(
        [aligned(NAMES, "|"), "-------+-------+-------+-------", *(aligned(r, "|") for r in ROWS)]
    ),
    "sqlcmd": by(",").replace("class\n", "class\n---,---,----,-----\n"),
    **{
        f"by {mark!r}": by(mark)
        for mark in ("^", ":", "~", "!", "@", "#", "/", "*", "&", "\x1f", "\x01", "¤")
    },
    "by '::'": by("::").replace("::::", "::nan::"),
    "by '||'": by("||").replace("||||", "||nan||"),
}


@pytest.mark.parametrize("how", SHOWN)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_they_are_read_as_the_csv_is(tmp_path: Path, how: str, end: str) -> None:
    (tmp_path / "t.csv").write_text(by(","))
    (tmp_path / "t.txt").write_bytes(SHOWN[how].replace("\n", end).encode())
    options = {"target": "class", "categories": "one_hot"}
    expected, found = (read(tmp_path / name, **options) for name in ("t.csv", "t.txt"))
    assert found[:2] == expected[:2]
    assert len(found[0]) == 29
    assert len(found[0][0]) == 4


KEPT: dict[str, tuple[str, list[list[float]]]] = {  # what looks a little like that and is none of it
    "missing cells": ("a,b\n1,2\n--,--\n3,4\n", [[1, 2], [3, 4]]),
    "an empty column": ("1,,2\n3,,4\n", [[1, 2], [3, 4]]),
    "negative numbers": ("a|b\n-1|-2\n-3|-4\n", [[-1, -2], [-3, -4]]),
    "one column": ("a\n1\n2\n", [[1], [2]]),
}


@pytest.mark.parametrize("how", KEPT)
def test_others_are_left_as_they_are(tmp_path: Path, how: str) -> None:
    content, rows = KEPT[how]
    (tmp_path / "t.csv").write_text(content)
    assert read(tmp_path / "t.csv")[0] == rows


def test_times_and_words_of_targets_are_no_tables(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(8.0).reshape(4, 2))
    (tmp_path / "y.csv").write_text("a:1\nb:2\na:1\nb:2\n")
    source = open_data(tmp_path / "x.npy", target=str(tmp_path / "y.csv"))
    assert [y.tolist() for _, y in source.chunks() if y is not None] == [[["a:1"], ["b:2"], ["a:1"], ["b:2"]]]


X, Y = RNG.random((20, 3)), RNG.integers(0, 3, 20)
STRUCTS: dict[str, Callable[[], dict[str, object]]] = {
    "one": lambda: {"S": {"X": X, "y": Y, "names": "abc", "more": {"W": X[:2]}}},
    "two": lambda: {"train": {"X": X, "y": Y}, "test": {"X": X[:5], "y": Y[:5]}},
    "deeper": lambda: {"data": {"train": {"X": X, "y": Y}}},
    "sparse": lambda: {"S": {"X": scipy.sparse.csc_matrix(X), "y": Y[:, None].astype(float)}},
}


@pytest.mark.parametrize("how", STRUCTS)
@pytest.mark.parametrize("packed", [False, True])
def test_fields_of_matlab_are_arrays(tmp_path: Path, how: str, packed: bool) -> None:
    scipy.io.savemat(tmp_path / "a.mat", STRUCTS[how](), do_compression=packed)
    features, targets, _ = read(tmp_path / "a.mat")
    assert features == X.tolist()
    assert targets == Y.tolist()
    if how == "two":
        assert read(tmp_path / "a.mat", array="test.X", target="test.y")[0] == X[:5].tolist()


FIELDS = [("n", "i8"), ("a", "f4"), ("kind", "U2"), ("when", "M8[D]"), ("tag", "S3"), ("y", "?")]


def test_fields_of_numpy_are_columns(tmp_path: Path) -> None:
    table = np.zeros(600, FIELDS)
    table["n"], table["a"] = np.arange(600) ** 2, RNG.random(600, dtype="f4")
    table["kind"], table["tag"], table["y"] = RNG.choice(["ä", "b,"], 600), b"abc", RNG.random(600) < 0.5
    table["when"] = np.datetime64("2024-02-27") + np.arange(600)
    np.save(tmp_path / "a.npy", table)
    np.save(tmp_path / "b.npy", table[:, None])
    np.savez_compressed(tmp_path / "c.npz", table)
    np.savez(tmp_path / "d.npz", table, of=np.zeros(3))
    for name in ("a.npy", "b.npy", "c.npz", "d.npz"):
        features, targets, _ = read(tmp_path / name, target="y", categories="one_hot")
        expected = [table["n"], table["a"], table["kind"] == "b,", table["kind"] == "ä", np.ones(600)]
        assert np.array_equal(np.asarray(features, "f4"), np.stack(expected, 1).astype("f4"))
        assert targets == table["y"].tolist()
    np.save(tmp_path / "a.npy", table[["n", "a"]])  # with room where the other fields were
    assert np.array_equal(np.asarray(read(tmp_path / "a.npy")[0])[:, 0], table["n"])


def test_fields_of_several_numbers_are_several_columns(tmp_path: Path) -> None:
    table = np.zeros(9, [("x", "<f4", (2, 2)), ("y", "i1")])
    table["x"], table["y"] = RNG.random((9, 2, 2)), np.arange(9) % 3
    np.save(tmp_path / "a.npy", table)
    features, targets, _ = read(tmp_path / "a.npy", target="y")
    assert np.array_equal(np.asarray(features, "f4"), table["x"].reshape(9, 4))
    assert targets == table["y"].tolist()
    assert open_data(tmp_path / "a.npy", target="y").column_names == ("x[0]", "x[1]", "x[2]", "x[3]")


BAD = {
    "a header that is none": (b"('kind'", b"('kind", "damaged header"),
    "letters that there are not": (b"\xe4\x00\x00\x00", b"\xff\xff\xff\xff", "letters that there are not"),
    "fewer rows than claimed": (b"'shape': (6,)", b"'shape': (9,)", "cut short"),
    "an object": (b"('kind', '<U2')", b"('kind', '|O' )", "field 'kind'"),
}


@pytest.mark.parametrize("how", BAD)
def test_structured_arrays_that_are_damaged_are_refused(tmp_path: Path, how: str) -> None:
    table = np.zeros(6, [("a", "f8"), ("kind", "U2")])
    table["kind"] = "ä"
    np.save(tmp_path / "a.npy", table)
    old, new, said = BAD[how]
    content = (tmp_path / "a.npy").read_bytes()
    assert old in content
    (tmp_path / "a.npy").write_bytes(content.replace(old, new, 1))
    with pytest.raises(DataError, match=said):
        read(tmp_path / "a.npy", categories="one_hot")
