"""What an error tells to do is done, by the option that it names or with another file: the data are read."""

from __future__ import annotations

import gzip
import json
import pickle
import re
import shlex
import sqlite3
import struct
import subprocess
import sys
import tomllib
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from conftest import ROOT, Result, Run
from test_reader_malformed import idx, zipped

from rsgadvise.data.formats import binary

Write = Callable[[Path], Path]
ROWS = np.random.default_rng(2).random((6, 3))
LABELS = np.arange(6) % 2


@dataclass(frozen=True)
class Fix:
    """An error, and what it tells to do.

    Attributes:
        bad: writes what is refused.
        said: what to do, as the error has it.
        options: of the command that is refused.
        then: those of the next try; without them and without `good`, what is said is typed as it stands.
        good: writes the file of the next try; the same is tried without it.
    """

    bad: Write
    said: str
    options: Sequence[str] = ()
    then: Sequence[str] | None = None
    good: Write | None = None

    @property
    def next(self) -> Sequence[str]:
        if self.then is not None:
            return self.then
        return self.options if self.good else [*self.options, *shlex.split(self.said)]


def text(content: str | bytes, name: str = "t.csv") -> Write:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder / name

    return write


def both(first: Write, second: Write) -> Write:
    """Two files, of which the first holds the data."""

    def write(folder: Path) -> Path:
        second(folder)
        return first(folder)

    return write


def npz(name: str = "a.npz", **arrays: Any) -> Write:
    def write(folder: Path) -> Path:
        np.savez(folder / name, **arrays)
        return folder / name

    return write


def npy(array: Any, name: str = "a.npy") -> Write:
    def write(folder: Path) -> Path:
        np.save(folder / name, array)
        return folder / name

    return write


def matlab(**arrays: Any) -> Write:
    def write(folder: Path) -> Path:
        scipy.io.savemat(folder / "a.mat", arrays)
        return folder / "a.mat"

    return write


def matlab73(**arrays: Any) -> Write:
    def write(folder: Path) -> Path:
        from test_matlab73 import write as written

        return written(folder / "a.mat", arrays)

    return write


def hdf5(**arrays: Any) -> Write:
    def write(folder: Path) -> Path:
        h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'rsgadvise[hdf5]'")
        with h5py.File(folder / "a.h5", "w") as file:
            for name, value in arrays.items():
                file[name] = value
        return folder / "a.h5"

    return write


def elsewhere(folder: Path) -> Path:
    """A dataset whose entries lie in another file."""
    hdf5(x=ROWS)(folder)
    import h5py

    with h5py.File(folder / "b.h5", "w") as file:
        layout = h5py.VirtualLayout(ROWS.shape, "f8")
        layout[:] = h5py.VirtualSource(folder / "a.h5", "x", ROWS.shape)
        file.create_virtual_dataset("x", layout)
    return folder / "b.h5"


def pickled(content: Any, name: str = "a.pkl") -> Write:
    return text(pickle.dumps(content), name)


def joblib(folder: Path) -> Path:
    library = pytest.importorskip("joblib", reason="joblib is not installed")
    library.dump({"x": ROWS}, folder / "a.pkl")
    return folder / "a.pkl"


def torch(content: Callable[[Any], Any]) -> Write:
    def write(folder: Path) -> Path:
        library = pytest.importorskip("torch", reason="needs torch: pip install 'rsgadvise[integrations]'")
        library.save(content(library), folder / "a.pt")
        return folder / "a.pt"

    return write


def torchscript(folder: Path) -> Path:
    library = pytest.importorskip("torch", reason="needs torch: pip install 'rsgadvise[integrations]'")
    if not hasattr(library, "jit"):
        pytest.skip("this torch writes no TorchScript")
    place = folder / "a.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        library.jit.save(library.jit.trace(library.nn.Linear(3, 2), library.ones(1, 3)), str(place))
    return place


def safetensors(**tensors: tuple[str, Any]) -> Write:
    header, data = {}, b""
    for name, (kind, value) in tensors.items():
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(data)]}
        data += value.tobytes()
        header[name]["data_offsets"].append(len(data))  # type: ignore[attr-defined]
    start = json.dumps(header).encode()
    return text(struct.pack("<Q", len(start)) + start + data, "a.safetensors")


def structs(folder: Path) -> Path:
    scipy.io.savemat(folder / "a.mat", {"s": np.array([[(1.0,), (2.0,)]], [("x", object)])})
    return folder / "a.mat"


def database(folder: Path) -> Path:
    with closing(sqlite3.connect(folder / "t.db")) as base:
        base.execute("create table data (a real, y integer)")
        base.executemany("insert into data values (?, ?)", [(k / 6, k % 2) for k in range(6)])
        base.commit()
    return folder / "t.db"


def by_sqlite(folder: Path) -> Path:
    """What the shell of SQLite writes by the command that the error names."""
    with closing(sqlite3.connect(folder / "t.db")) as base:
        rows = base.execute("SELECT * FROM data").fetchall()
    return text("a,y\n" + "".join(f"{a!r},{y}\n" for a, y in rows))(folder)


def parquet(**columns: Any) -> Write:
    def write(folder: Path) -> Path:
        from test_arrow import pa
        from test_arrow import parquet as written

        return written(pa.table(columns), folder / "a")

    return write


def pictures(*sizes: tuple[int, ...], files: str | None = None) -> Write:
    """A table of images, or of the names of files of them."""

    def write(folder: Path) -> Path:
        from test_arrow import image

        cells: list[dict[str, Any]] = [
            {"bytes": image(np.zeros(size, np.uint8)), "path": None} for size in sizes
        ]
        if files is not None:
            cells.append({"bytes": None, "path": files})
        return parquet(picture=cells, y=list(range(len(cells))))(folder)

    return write


def twice(folder: Path) -> Path:
    from test_arrow import pa
    from test_arrow import parquet as written

    return written(pa.Table.from_arrays([pa.array([1.0, 2.0])] * 2, ["a", "a"]), folder / "a")


def workbook(**sheets: Sequence[Sequence[object]]) -> Write:
    def write(folder: Path) -> Path:
        from test_xlsx import saved

        return saved(folder / "a.xlsx", sheets)

    return write


def images(*names: str, shape: tuple[int, ...] = (4, 5), dtype: str = "u1") -> Write:
    """A folder of them."""

    def write(folder: Path) -> Path:
        library = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install 'rsgadvise[images]'")
        for at, name in enumerate(names):
            place = folder / "pictures" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            library.fromarray(np.full(shape, 10 * at, dtype)).save(place)
        return folder / "pictures"

    return write


def inside(write: Write, name: str) -> Write:
    """The same, of which something in it is named."""
    return lambda folder: write(folder) / name


def resized(folder: Path) -> Path:
    """As the error has it."""
    from PIL import Image

    place = folder / "pictures" / "b.png"
    with Image.open(place) as image:
        image.resize((5, 4)).save(place)
    return place.parent


def without(name: str) -> Write:
    def write(folder: Path) -> Path:
        (folder / "pictures" / name).unlink()
        return folder / "pictures"

    return write


def sorted_into_classes(folder: Path) -> Path:
    for place in sorted((folder / "pictures").glob("*.png")):
        (place.parent / place.stem[0]).mkdir(exist_ok=True)
        place.rename(place.parent / place.stem[0] / place.name)
    return folder / "pictures"


def nifti(shape: tuple[int, ...], name: str = "a.nii", dtype: Any = np.int16) -> Write:
    def write(folder: Path) -> Path:
        nib = pytest.importorskip("nibabel", reason="needs nibabel: pip install 'rsgadvise[nifti]'")
        kind = nib.Nifti1Pair if name.endswith(".hdr") else nib.Nifti1Image
        nib.save(kind(np.zeros(shape, dtype), np.eye(4)), folder / name)
        return folder / name

    return write


def secret(folder: Path) -> Path:
    """A zip that says of its one file that it is encrypted."""
    content = bytearray(zipped({"t.csv": TABLE.encode()}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (folder / "t.zip").write_bytes(content)
    return folder / "t.zip"


def unzipped(folder: Path) -> Path:
    with zipfile.ZipFile(next(folder.glob("*.zip"))) as archive:
        archive.extractall(folder)
    return next(folder.glob("*.csv"))


TABLE = "a,b,y\n" + "0.5,1,0\n0.25,3,1\n0.75,2,0\n" * 3
GOOD = text(TABLE)
WORDS = "sex,a,y\n" + "m,0.5,1\nf,0.25,0\n" * 5
KEYS = "key,a,y\n" + "".join(f"k{k},0.5,{k % 2}\n" for k in range(9))
LATE = "town,a,y\n" + "Bonn,1,0\nUlm,2,1\n" * 300 + "".join(f"t{k},1,0\n" for k in range(60))
MANY = "town,a,y\n" + "".join(f"t{k % 60},{k / 360},{k % 2}\n" for k in range(360))
TARGETS = ("--target", "labels.csv")
Y = ("--target", "y")
ARFF = "@relation r\n@attribute a numeric\n@attribute b {u,v}\n@attribute y {0,1}\n@data\n"
MIXED_LABELS = "label\n" + "1\n2\n" * 3 + "none of both\n"


def columns_of(labels: str | bytes) -> Write:
    """Data beside a file of targets."""
    rows = len(labels.splitlines()) - 1
    return both(npy(np.resize(ROWS, (rows, 3))), text(labels, "labels.csv"))


FIXES: dict[str, Fix] = {
    # Tables of text.
    "blanks enclose an empty cell": Fix(
        text("a b y\n" + "1 2 0\n3 4 1\n" * 3 + "1  0\n"), "--table separator=space", Y
    ),
    "a decimal comma": Fix(text("a;y\n1,234;1\n5,678;0\n"), "--table decimal=,", Y),
    "commas between thousands": Fix(text("a;y\n1,234;1\n5,678;0\n"), "--table thousands=,", Y),
    "a mark of missing cells": Fix(text(TABLE + "n/k,1,0\n"), "--table missing=n/k", Y),
    "a mark with a quote": Fix(text(TABLE + "don't,1,0\n"), """--table 'missing=don'"'"'t'""", Y),
    "a sentence among numbers": Fix(
        text(TABLE + "x" * 50 + ",1,0\n"),
        "correct it; else leave it out with --exclude",
        Y,
        [*Y, "--exclude", "a"],
    ),
    "a word among numbers, the target": Fix(
        text("y,a\n" + "1,2\n" * 5 + "no,1\n"),
        "if the column is the target, name it with --target",
        (),
        ["--target", "y", "--target-kind", "classes"],
    ),
    "a word in the target": Fix(text(TABLE + "0.5,1,no\n"), "--target-kind classes", Y),
    "words are inputs": Fix(text(WORDS), "--categories one_hot", Y),
    "words are left out": Fix(text(WORDS), "leave it out with --exclude", Y, [*Y, "--exclude", "sex"]),
    "words are the target": Fix(text(WORDS), "name it with --target", (), ["--target", "sex"]),
    "some words are inputs": Fix(
        text("name,sex,y\n" + "".join(f"n{k},{'mf'[k % 2]},{k % 2}\n" for k in range(20))),
        "--categories one_hot with --exclude name makes an input of every word of column 1 ('sex'), or leave "
        "them out with --exclude",
        [*Y, "--exclude", "none"],
        [*Y, "--categories", "one_hot", "--exclude", "name"],
    ),
    "some have too many words": Fix(
        text("town,sex,y\n" + "".join(f"t{k % 60},{'mf'[k % 2]},{k % 3 % 2}\n" for k in range(240))),
        "--categories one_hot with --exclude town makes an input of every word of column 1 ('sex')",
        Y,
        [*Y, "--categories", "one_hot", "--exclude", "town"],
    ),
    "keys are no inputs": Fix(
        text(KEYS),
        "holds a word of its own in most rows; leave it out with --exclude",
        [*Y, "--categories", "one_hot", "--exclude", "none"],
        [*Y, "--categories", "one_hot", "--exclude", "key"],
    ),
    "too many words": Fix(
        text(MANY),
        "column 0 ('town') holds 60 different words or more, of which at most 50 become inputs; leave it out"
        " with --exclude",
        [*Y, "--categories", "one_hot"],
        [*Y, "--exclude", "town"],
    ),
    "too many words of the target": Fix(
        text(LATE),
        "if it is the target, name it with --target, or leave it out with --exclude",
        ["--categories", "one_hot"],
        ["--target", "town"],
    ),
    "Latin-1 after UTF-8": Fix(
        text("ä,y\n".encode() + b"0.5,ja\n" * 3 + "0.25,schön\n".encode("latin-1")),
        "name its encoding with --table encoding=NAME; latin-1 takes any",
        ["--target", "y"],
        ["--target", "y", "--table", "encoding=latin-1"],
    ),
    "one encoding": Fix(
        text("ä,y\n".encode() + b"0.5,ja\n" * 3 + "0.25,schön\n".encode("latin-1")),
        "save the file in one encoding",
        Y,
        good=text("ä,y\n" + "0.5,ja\n" * 3 + "0.25,schön\n"),
    ),
    "the wrong encoding": Fix(
        text("a,y\n" + "0.5,ja\n" * 3 + "0.25,schön\n"),
        "name its encoding with --table encoding=NAME",
        [*Y, "--table", "encoding=ascii"],
        [*Y, "--table", "encoding=utf-8"],
    ),
    "no text": Fix(text(TABLE.encode("utf-32-le")), "save the table as UTF-8", Y, good=GOOD),
    "two columns of a name": Fix(
        text(TABLE.replace("b,y", "y,y")), "choose one by its index, 1 or so", Y, ["--target", "1"]
    ),
    "a name like another": Fix(text(TABLE), "did you mean 'y'?", ["--target", "yy"], ["--target", "y"]),
    "another name": Fix(text(TABLE), "its columns are 'a', 'b', 'y'", ["--target", "price"], Y),
    "no names": Fix(
        text("1,2\n3,4\n"), "count its 2 columns from 0; -1 is the last", Y, ["--target", "-1"]
    ),
    "no such number": Fix(
        text(TABLE), "or from the end as -3 to -1, the last", ["--target", "3"], ["--target", "-1"]
    ),
    "no such column to exclude": Fix(
        text(TABLE), "its columns are 'a', 'b', 'y'", [*Y, "--exclude", "price"], [*Y, "--exclude", "b"]
    ),
    "target and excluded": Fix(text(TABLE), "choose one of the two", [*Y, "--exclude", "y"], Y),
    "nothing is left": Fix(
        text(TABLE), "keep one of numbers", [*Y, "--exclude", "a,b"], [*Y, "--exclude", "a"]
    ),
    "a gap in every row": Fix(
        text("a,b,y\n" + ",1,0\n2,,1\n" * 3), "--missing fill keeps them", Y, [*Y, "--missing", "fill"]
    ),
    "a gap where the target is": Fix(
        text("a,b,y\n" + "1,,0\n2,1,\n,1,1\n" * 3), "--missing fill keeps", Y, [*Y, "--missing", "fill"]
    ),
    "no target": Fix(
        text("a,y,z\n" + "1,,0\n2,,1\n" * 3), "name another with --target", Y, ["--target", "z"]
    ),
    "a gap in an array": Fix(
        npy(np.where(np.eye(6, 3), np.nan, ROWS)),
        "row 0, column 0, is nan; every feature must be finite, so remove the row, or fill in medians with "
        "data.missing: fill (--missing fill)",
        then=["--missing", "fill"],
    ),
    "an array without a number": Fix(
        npy(ROWS * [1, np.nan, 1]),
        "no number to fill in for column 1; take it out",
        ["--missing", "fill"],
        good=npy(ROWS[:, ::2]),
    ),
    "no number where there is a target": Fix(
        text("a,b,y\n" + ",1,0\n,5,1\n" * 3 + "4,2,\n"),
        "no number to fill in for a; leave it out with data.exclude (--exclude)",
        [*Y, "--missing", "fill"],
        [*Y, "--missing", "fill", "--exclude", "a"],
    ),
    "rows of other lengths": Fix(text(TABLE + "1,2\n"), "give every row the same number", Y, good=GOOD),
    "a header too short": Fix(
        text("a,y\n" + "0.5,1,2,0\n0.25,3,4,1\n" * 3), "give every column one name", Y, good=GOOD
    ),
    "rows and columns counted": Fix(text("3 2\n1 2\n3 4\n5 6\n"), "--table header=false"),
    "a title alone": Fix(text(TABLE.replace("a,b,y", "y")), "count its 3 columns", Y, ["--target", "2"]),
    "an open quote": Fix(text(TABLE + '"1,2,0\n'), "a quote near here is never closed", Y, good=GOOD),
    "an infinity": Fix(text(TABLE + "inf,1,0\n"), "remove the row or fill in a number", Y, good=GOOD),
    "text taken for values": Fix(
        text(TABLE.replace(",0\n", ",no\n")),
        "leave out data.target_kind: values (--target-kind values)",
        [*Y, "--target-kind", "values"],
        Y,
    ),
    "beyond 1": Fix(text(TABLE), "use scaling auto, minmax or robust", [*Y, "--scaling", "none"],
                    [*Y, "--scaling", "minmax"]),
    "a table and --array": Fix(text(TABLE), "leave it out", [*Y, "--array", "x"], Y),
    # Files of targets, about which no option says anything.
    "too few targets": Fix(
        both(npy(ROWS), text("l\na\nb\n", "labels.csv")),
        "give one target per row", TARGETS, good=columns_of("l\n" + "a\nb\n" * 3)
    ),
    "too many targets": Fix(
        both(npy(ROWS), text("l\n" + "a\nb\n" * 4, "labels.csv")),
        "give one target per row", TARGETS, good=columns_of("l\n" + "a\nb\n" * 3)
    ),
    "a missing target": Fix(
        columns_of("l\n" + "1\n2\n" * 3 + "NA\n"),
        "give one target per row", TARGETS, good=columns_of("l\n" + "1\n2\n" * 4)
    ),
    "words and numbers in targets": Fix(
        columns_of(MIXED_LABELS), "if the targets are classes, write words alone", TARGETS,
        good=columns_of(MIXED_LABELS.replace("1", "one").replace("2", "two")),
    ),
    "a number of targets": Fix(
        columns_of(MIXED_LABELS), "correct it", TARGETS, good=columns_of("l\n" + "1\n2\n" * 3 + "1\n")
    ),
    "targets with doubtful commas": Fix(
        columns_of("l;m\n1,234;1\n5,678;2\n"), "write it with a point before the fraction", TARGETS,
        good=columns_of("l;m\n1.234;1\n5.678;2\n"),
    ),
    "targets of two encodings": Fix(
        columns_of("ä\n".encode() + b"ja\n" * 3 + "schön\n".encode("latin-1")),
        "save the file in one encoding", TARGETS, good=columns_of("ä\n" + "ja\n" * 3 + "schön\n"),
    ),
    "short rows of targets": Fix(
        columns_of("a b c\n" + "1 2 0\n3 4 1\n" * 3 + "1  0\n"), "give every row the same number", TARGETS,
        good=columns_of("a b c\n" + "1 2 0\n3 4 1\n" * 3 + "1 2 0\n"),
    ),
    "several arrays of targets": Fix(
        both(npy(ROWS), npz("labels.npz", u=LABELS, v=LABELS)), "keep the targets alone",
        ["--target", "labels.npz"], good=both(npy(ROWS), npz("labels.npz", u=LABELS)),
    ),
    "a folder of targets": Fix(
        both(npy(ROWS), images("a.png")), "targets are read from a file, so name one",
        ["--target", "pictures"], TARGETS, columns_of("l\n" + "a\nb\n" * 3),
    ),
    # Arrays.
    "npz, choose": Fix(npz(u=ROWS, v=ROWS), "--array NAME", (), ["--array", "u"]),
    "npz, another": Fix(npz(u=ROWS), "name one with --array", ["--array", "x"], ["--array", "u"]),
    "npz, no such target": Fix(
        npz(x=ROWS, z=LABELS), "name one of these, or a file, with --target", ["--target", "y"],
        ["--target", "z"],
    ),
    "npz, a target in a file": Fix(
        both(npz(x=ROWS), text("l\n" + "a\nb\n" * 3, "labels.csv")), "or a file, with --target",
        ["--target", "y"], TARGETS,
    ),
    "npz, one axis": Fix(npz(x=ROWS[:, 0]), "store it as (rows, d)", good=npz(x=ROWS[:, :1])),
    "npz, objects": Fix(
        npz(x=np.array([[1, None], [2, 3]], object)), "savetxt('table.csv', x, fmt='%s', delimiter=',')",
        good=text("1,None\n2,3\n"),
    ),
    "npz, --exclude": Fix(npz(x=ROWS), "leave it out", ["--exclude", "x"], ()),
    "npy, no file of targets": Fix(npy(ROWS), "name another or leave it out", Y, ()),
    "npy, another file of targets": Fix(
        both(npy(ROWS), npy(LABELS, "labels.npy")), "name another", Y, ["--target", "labels.npy"]
    ),
    "npy, complex": Fix(npy(ROWS * 1j), "so convert it", good=npy(np.abs(ROWS * 1j))),
    "npy, not a number": Fix(
        npy(np.where(ROWS > 0.9, np.nan, ROWS)), "remove the row, or fill in medians", good=npy(ROWS)
    ),
    "npy, --table": Fix(npy(ROWS), "leave it out", ["--table", "decimal=,"], ()),
    "npy, no rows": Fix(npy(ROWS[:0]), "at least one is needed", good=npy(ROWS[:1])),
    "mat, cells": Fix(
        matlab(x=np.array([[1, "a"]], object), z=ROWS), "or store it as one", good=matlab(x=ROWS, z=ROWS)
    ),
    "mat, text alone": Fix(matlab(t="text"), "save the features as a matrix", good=matlab(t=ROWS)),
    "mat, complex": Fix(matlab(x=ROWS * 1j), "so convert it", good=matlab(x=np.abs(ROWS * 1j))),
    "mat, of version 4": Fix(
        lambda f: scipy.io.savemat(f / "a.mat", {"x": ROWS}, format="4") or f / "a.mat",
        "write it again as MATLAB 5 .mat or MATLAB 7.3 .mat", good=matlab(x=ROWS),
    ),
    "pickle, another": Fix(
        pickled({"x": ROWS, "t": "text"}), "name another", ["--array", "t"], ["--array", "x"]
    ),
    "mat 7.3, cells": Fix(matlab73(x=[1], z=ROWS), "or store it as one", good=matlab73(x=ROWS, z=ROWS)),
    "mat 7.3, text alone": Fix(matlab73(t="text"), "save the features as a matrix", good=matlab73(t=ROWS)),
    "mat 7.3, complex": Fix(matlab73(x=ROWS * 1j), "so convert it", good=matlab73(x=np.abs(ROWS * 1j))),
    "hdf5, text alone": Fix(hdf5(t="text"), "store the features as one", good=hdf5(t=ROWS)),
    "hdf5, text": Fix(hdf5(x=[b"a"], z=ROWS), "write it as CSV", good=hdf5(x=ROWS, z=ROWS)),
    "hdf5, elsewhere": Fix(elsewhere, "copy it into one file", good=hdf5(x=ROWS)),
    "idx, one axis": Fix(
        text(idx(3, data=b"abc"), "x-idx1-ubyte"), "store it as (rows, d)",
        good=text(idx(3, 1, data=b"abc"), "x-idx2-ubyte"),
    ),
    "idx, by name alone": Fix(
        text("hello", "x-idx2-ubyte"), "check the download",
        good=text(idx(3, 1, data=b"abc"), "x-idx2-ubyte"),
    ),
    "idx, cut short": Fix(
        text(idx(3, 1, data=b"ab"), "x-idx2-ubyte"), "the file is cut short",
        good=text(idx(3, 1, data=b"abc"), "x-idx2-ubyte"),
    ),
    "svmlight, labels": Fix(
        text("1,2 1:0.5\n1 1:1\n", "a.svm"), "so keep one", good=text("1 1:0.5\n1 1:1\n", "a.svm")
    ),
    "svmlight, no label": Fix(
        text("1:0.5 2:3\n1 1:1\n", "a.svm"), "so write one", good=text("1 1:0.5 2:3\n1 1:1\n", "a.svm")
    ),
    "svmlight, words": Fix(
        text("bad 1:0.5\n1 1:1\n", "a.svm"), "write classes as whole numbers",
        good=text("0 1:0.5\n1 1:1\n", "a.svm"),
    ),
    "svmlight, falling": Fix(
        text("1 2:0.5 1:3\n", "a.svm"), "sort them and keep each once", good=text("1 1:3 2:0.5\n", "a.svm")
    ),
    "svmlight, no pair": Fix(
        text("1 1:2\n1 2\n", "a.svm"), "correct it", good=text("1 1:2\n1 2:1\n", "a.svm")
    ),
    "svmlight, nothing": Fix(
        text("1\n1\n", "a.svm"), "write each as index:value", good=text("1 1:1\n1\n", "a.svm")
    ),
    "svmlight, a target": Fix(text("1 1:2\n0 2:1\n", "a.svm"), "leave it out", Y, ()),
    # ARFF.
    "arff, a mark of missing cells": Fix(text(ARFF + "0.5,u,1\nn/k,v,0\n", "a.arff"), "--table missing=n/k",
                                         [*Y, "--exclude", "b"]),
    "arff, words": Fix(text(ARFF + "0.5,u,1\n1,v,0\n", "a.arff"), "--categories one_hot", Y),
    "arff, a word of none": Fix(
        text(ARFF + "0.5,u,1\n1,w,0\n", "a.arff"), "correct one of them", [*Y, "--categories", "one_hot"],
        good=text(ARFF.replace("u,v", "u,v,w") + "0.5,u,1\n1,w,0\n", "a.arff"),
    ),
    "arff, weights": Fix(
        text(ARFF + "0.5,u,1,{2}\n", "a.arff"), "take them out", [*Y, "--exclude", "b"],
        good=text(ARFF + "0.5,u,1\n", "a.arff"),
    ),
    "arff, a quote": Fix(
        text(ARFF + "0.5,'u' u,1\n", "a.arff"), "quote whole values", [*Y, "--exclude", "b"],
        good=text(ARFF + "0.5,'u',1\n", "a.arff"),
    ),
    "arff, an entry twice": Fix(
        text(ARFF + "{0 1, 0 2}\n", "a.arff"), "correct the row", [*Y, "--exclude", "b"],
        good=text(ARFF + "{0 1}\n", "a.arff"),
    ),
    "arff, no @data": Fix(
        text(ARFF.replace("@data\n", ""), "a.arff"), "add it", [*Y, "--exclude", "b"],
        good=text(ARFF + "0.5,u,1\n", "a.arff"),
    ),
    "arff, a type": Fix(
        text(ARFF.replace("numeric", "relational") + "0.5,u,1\n", "a.arff"), "numeric, real, integer,",
        [*Y, "--exclude", "b"], good=text(ARFF + "0.5,u,1\n", "a.arff"),
    ),
    "parquet, words": Fix(parquet(s=["m", "f"] * 3, a=LABELS, y=LABELS), "--categories one_hot", Y),
    "parquet, too many words": Fix(
        parquet(s=["m", "f"] * 300 + [f"s{k}" for k in range(60)], a=np.arange(660), y=np.arange(660) % 2),
        "of which at most 50 become inputs; leave it out with --exclude", [*Y, "--categories", "one_hot"],
        [*Y, "--exclude", "s"],
    ),
    "parquet, no target": Fix(
        parquet(a=LABELS, y=[[1.0], [2.0]] * 3), "name another with --target", Y, ["--target", "a"]
    ),
    "parquet, lists of words": Fix(
        parquet(a=LABELS, s=[["u"]] * 6, y=LABELS), "leave it out with --exclude", (), ["--exclude", "s"]
    ),
    "parquet, lists": Fix(
        parquet(a=[[1.0, 2.0], [1.0]], y=[0, 1]), "give every row as many numbers", Y,
        good=parquet(a=[[1.0, 2.0], [1.0, 3.0]], y=[0, 1]),
    ),
    "parquet, a name twice": Fix(twice, "rename them", good=parquet(a=ROWS[:, 0], b=ROWS[:, 1])),
    "parquet, sizes": Fix(
        pictures((4, 5), (5, 5)), "give all of them one size and mode", Y, good=pictures((4, 5), (4, 5))
    ),
    "parquet, names of images": Fix(
        pictures((4, 5), files="b.png"), "store the images in the table", Y, good=pictures((4, 5), (4, 5))
    ),
    "xlsx, a sheet": Fix(
        workbook(one=[["a", "y"], [1, 2], [2, 3]]), "name one with --array", [*Y, "--array", "two"],
        [*Y, "--array", "one"],
    ),
    "xlsx, a mark": Fix(
        workbook(one=[["a", "y"], [1, 2], [2, 3], ["n/k", 2]]), "--table missing=n/k", Y
    ),
    "xlsx, a formula": Fix(
        workbook(one=[["a", "y"], [1, 2], ["=1+1", 3]]), "or the sheet as CSV", Y, good=GOOD
    ),
    "xls": Fix(text(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "a.xls"),
               "save it as .xlsx without one", Y, good=workbook(one=[["a", "y"], [1, 2], [2, 3]])),
    "xlsx, empty": Fix(workbook(one=[]), "at least one row is needed", Y,
                       good=workbook(one=[["a", "y"], [1, 2], [2, 3]])),
    "images, sizes": Fix(
        both(images("a.png"), images("b.png", shape=(8, 9))), "image.resize((5, 4))", good=resized
    ),
    "images, bits": Fix(
        both(images("a.png"), images("b.png", dtype="u2")), "so convert them", good=images("a.png", "b.png")
    ),
    "images, parts": Fix(
        images("train/u/a.png", "train/v/b.png", "test/u/c.png"), "name the folder FOLDER/pictures/train",
        good=inside(images("train/u/a.png", "train/v/b.png", "test/u/c.png"), "train"),
    ),
    "images, one class": Fix(
        images("u/a.png"), "name the folder FOLDER/pictures/u", good=inside(images("u/a.png"), "u")
    ),
    "images, none": Fix(
        both(images("deep/down/a.png"), npy(ROWS)), "name a file in it, a folder of images, or one with a",
        good=inside(images("deep/down/a.png"), "deep/down"),
    ),
    "images, text": Fix(
        both(images("a.png"), lambda f: text("hello", "pictures/b.png")(images("c.png")(f).parent)),
        "remove it", good=without("b.png"),
    ),
    "images, a column": Fix(
        images("a.png"), "must be a file of targets, one for each image in the order of their names", Y,
        TARGETS, both(images("a.png"), text("l\n1\n", "labels.csv")),
    ),
    "nifti, pairs": Fix(
        nifti((2, 3, 4, 2), "a.hdr"), "save the image as one, .nii or .nii.gz", good=nifti((2, 3, 4, 2))
    ),
    "nifti, axes": Fix(
        nifti((2, 3, 4, 2, 2)), "save one volume (x, y, z), or several (x, y, z, row)",
        good=nifti((2, 3, 4, 4)),
    ),
    "nifti, colours": Fix(
        nifti((2, 3, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")]), "save one channel",
        good=nifti((2, 3, 4), dtype=np.uint8),
    ),
    # Pickles and tensors.
    "pickle, unsafe": Fix(pickled({"x": re.compile("a")}), "store it as npz", good=npz(x=ROWS)),
    "pickle, joblib": Fix(joblib, "save its arrays with numpy.savez", good=npz(x=ROWS)),
    "pickle, nothing": Fix(pickled({"x": 1}), "store a dict of them", good=pickled({"x": ROWS})),
    "pickle, a list": Fix(pickled({"x": [1, 2]}), "so store it as one", good=pickled({"x": ROWS})),
    "safetensors, a type": Fix(
        safetensors(x=("F8_E5M2", ROWS.astype("u1"))), "convert it to F32",
        good=safetensors(x=("F32", ROWS.astype("f4"))),
    ),
    "safetensors, nothing": Fix(
        safetensors(), "store the features as one called x", good=safetensors(x=("F64", ROWS))
    ),
    "torch, a module": Fix(
        torch(lambda t: t.nn.Linear(2, 2)), "torch.save({'x': x, 'y': y}, path)",
        good=torch(lambda t: {"x": t.tensor(ROWS), "y": t.tensor(LABELS)}),
    ),
    "torch, a program": Fix(
        torchscript, "torch.save({'x': x, 'y': y}, path)",
        good=torch(lambda t: {"x": t.tensor(ROWS), "y": t.tensor(LABELS)}),
    ),
    "torch, deeper": Fix(
        torch(lambda t: {"model": {"x": t.tensor(ROWS)}}), "torch.save({'x': x, 'y': y}, path)",
        good=torch(lambda t: {"x": t.tensor(ROWS)}),
    ),
    "torch, sparse": Fix(
        torch(lambda t: t.tensor(ROWS).to_sparse()), "so convert it", good=torch(lambda t: t.tensor(ROWS))
    ),
    "a zip of several": Fix(
        text(zipped({"a.csv": TABLE.encode(), "b.txt": b"hello"}), "t.zip"),
        "unpack it and name a file in it", Y, good=unzipped,
    ),
    "a zip of something else": Fix(
        text(zipped({"a.npz.csv": b"\0\0\1\2"}), "t.zip"), "unpack it first", Y, good=GOOD
    ),
    "a password": Fix(secret, "store it without a password", Y,
                      good=text(zipped({"t.csv": TABLE.encode()}), "t.zip")),
    "another mark": Fix(
        text(TABLE.replace(",", "_")), "--table separator=MARK", Y, then=(*Y, "--table", "separator=_")
    ),
    "bytes of 0": Fix(
        text(TABLE + "\0" * 9), r"take them out: tr -d '\0' < ", Y, good=text(TABLE)
    ),
    "a number for a missing value": Fix(
        text(TABLE + "-999,unknown,1\n"), "--table missing=unknown", Y
    ),
    "a database": Fix(database, "sqlite3 -header -csv ", Y, good=by_sqlite),
    "a struct array": Fix(structs, "writetable(NAME, 'table.csv')", good=GOOD),
    "JSON that is no table": Fix(
        text('{"a": 1, "b": {"c": 2}}', "t.json"), "one row a line", good=text('{"a":1}\n{"a":2}\n', "t.json")
    ),
    "several tables in JSON": Fix(
        text('{"u": [[1, 2], [3, 4]], "v": [[1, 2]]}', "t.json"), "--array NAME", then=["--array", "u"]
    ),
    "text called a workbook": Fix(text(TABLE, "t.xlsx"), "call it t.csv", Y, good=GOOD),
    "text called JSON": Fix(text(TABLE, "t.json"), "call it t.csv", Y, good=GOOD),
    "an unknown format": Fix(text(b"\1\2\3\0" * 9, "a.bin"), "and tables of text", good=GOOD),
}  # fmt: skip


SHELL = {  # a table, and how many features it has once what is said was typed
    "quotes behind backslashes": (
        "a,t,y\n" + "".join(f'{k},"so \\"it, {k}\\"",{k % 2}\n' for k in range(9)),
        1,
    ),
    "commas behind backslashes": ("a,t,y\n" + "".join(f"{k},one\\, {k},{k % 2}\n" for k in range(9)), 1),
    "single quotes": ("a,t,y\n" + "".join(f"{k},'one, {k}',{k % 2}\n" for k in range(9)), 1),
    "whole lines in quotes": ('"a,b,y"\n' + "".join(f'"{k},{k / 8},{k % 2}"\n' for k in range(9)), 2),
    "LaTeX": (
        "\\begin{tabular}{rr}\na & t & y \\\\\n\\hline\n"
        + "".join(f"{k} & 1 & {k % 2} \\\\\n" for k in range(9)),
        2,
    ),
    "two decimal marks": ("a;b;y\n" + "".join(f"0,{k};{k / 8};{k % 2}\n" for k in range(9)), 2),
}


@pytest.mark.parametrize("kind", SHELL)
def test_what_is_typed_into_a_shell_works(tmp_path: Path, run: Run, kind: str) -> None:
    content, features = SHELL[kind]
    refused = run("stats", text(content)(tmp_path), *Y, "-f", "json")
    said_once(refused, " > table.csv")
    command = re.search(r"(sed|tr) .* > table\.csv", refused.err)
    assert command is not None
    subprocess.run(command[0], shell=True, check=True, cwd=tmp_path)
    found = run.document("stats", tmp_path / "table.csv", *Y)
    assert (found["samples"], found["input_dim"], found["output_dim"]) == (9, features, 2)


NO_DATA = {  # what is refused for its first bytes, and what to do
    "orc": (b"ORC\x0a\0\0", "pandas.read_orc("),
    "avro": (b"Obj\x01\x04", "fastavro.reader("),
    "transport file of SAS": (b"HEADER RECORD*******LIBRARY HEADER", "pandas.read_sas("),
    "7z": (b"7z\xbc\xaf\x27\x1c", "unpack it and name a file in it"),
    "tar": (b"a".ljust(257, b"\0") + b"ustar\0", "unpack it and name a file in it: tar xf"),
    "zlib": (zlib.compress(b"\0" * 999), "save its arrays with numpy.savez"),
    "sql": (b"-- dump\nCREATE TABLE t (a REAL);\n", "'SELECT * FROM NAME' > table.csv"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
    "png": (b"\x89PNG\r\n\x1a\n", "name the folder"),
}


@pytest.mark.parametrize("kind", NO_DATA)
def test_what_is_no_data_is_told_by_its_first_bytes(tmp_path: Path, run: Run, kind: str) -> None:
    content, said = NO_DATA[kind]
    said_once(run("stats", text(content, "a.csv")(tmp_path)), said)


def said_once(result: Result, said: str) -> None:
    """Refused, in one line with that in it."""
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result.err
    assert said in result.err


@pytest.mark.parametrize("kind", FIXES)
def test_the_fix_works(tmp_path: Path, run: Run, kind: str) -> None:
    fix, quietly = FIXES[kind], ("-q", "--no-spectrum", "-f", "json")
    refused = run("stats", fix.bad(tmp_path), *fix.options, *quietly)
    said_once(refused, fix.said.replace("FOLDER", str(tmp_path)))
    data = (fix.good or fix.bad)(tmp_path)
    read = run("stats", data, *fix.next, *quietly)
    assert read.err == ""
    assert json.loads(read.out)["samples"] > 0


LATIN = "ä,y\n".encode() + b"0.5,ja\n0.75,nein\n" * 3 + "0.25,schön\n".encode("latin-1")
BESIDE = npy(LABELS, "labels.npy")
IN_SPEC: dict[str, tuple[Write, list[int], dict[str, str], str, dict[str, str]]] = {
    # File, layers, keys of data, what to do, and the keys then; without them those that are said.
    "a mark": (text(TABLE + "n. k.,1,0\n"), [2, 2], {"target": "y"}, "data.table.missing: 'n. k.'", {}),
    "commas": (text("a;y\n1,234;1\n5,678;0\n"), [1, 2], {"target": "y"}, "data.table.thousands: ','", {}),
    "points": (text("a;y\n1,234;1\n5,678;0\n"), [1, 2], {"target": "y"}, "data.table.decimal: ','", {}),
    "blanks": (text("a b y\n" + "1 2 0\n3 4 1\n" * 3 + "1  0\n"), [2, 2], {"target": "y"},
               "data.table.separator: 'space'", {}),
    "no header": (text("5 2\n" + "1 0\n2 1\n" * 2 + "3 0\n"), [1, 3], {"target": "'1'"},
                  "data.table.header: false", {}),
    "words": (text(WORDS), [3, 2], {"target": "y"}, "data.categories: one_hot", {}),
    "more words": (text(MANY), [1, 2], {"target": "y", "categories": "one_hot"},
                   "leave it out with data.exclude", {"exclude": "[town]"}),
    "classes": (text(TABLE + "0.5,1,no\n"), [2, 3], {"target": "y"}, "data.target_kind: classes", {}),
    "an encoding": (text(LATIN), [1, 3], {"target": "y"}, "data.table.encoding: 'NAME'; latin-1 takes any",
                    {"table": "{encoding: latin-1}"}),
    "an array": (npz(u=ROWS, v=ROWS, y=LABELS), [3, 2], {}, "data.array: NAME",
                 {"array": "u", "target": "y"}),
    "targets, an array": (npz(x=ROWS, z=LABELS), [3, 2], {}, "name an array, or a file, of one target a row",
                          {"target": "z"}),
    "targets, a file": (both(npy(ROWS), BESIDE), [3, 2], {}, "name a file of one target a row",
                        {"target": "labels.npy"}),
    "targets of images": (both(images(*(f"{k}.png" for k in range(6))), BESIDE), [20, 2], {},
                          "name a file of one target for each image in the order of their names",
                          {"target": "labels.npy"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", IN_SPEC)
def test_the_fix_of_a_spec_works(tmp_path: Path, run: Run, kind: str) -> None:
    """A program that trains needs the rows and their targets."""
    write, layers, keys, said, then = IN_SPEC[kind]
    file, spec = write(tmp_path), tmp_path / "spec.yaml"
    if not then:
        key, value = said.removeprefix("data.").split(": ")
        first, *inner = key.split(".")
        then = {first: f"{{{inner[0]}: {value}}}" if inner else value}

    def tried(data: dict[str, str]) -> Result:
        section = "".join(f"  {key}: {value}\n" for key, value in data.items())
        spec.write_text(
            f"network: {{kind: single_layer, layers: {layers}}}\ndata:\n  file: {file.name}\n{section}"
            "budget: {epochs: 1}\n"
        )
        return run("recommend", spec, "--constants", "paper", "--emit", "keras", "-q")

    said_once(tried(keys), said)
    fixed = tried({**keys, **then})
    assert (fixed.code, fixed.err) == (0, "")


FOR_ADVICE: dict[str, tuple[Write, str, Sequence[str], Write | None]] = {
    # Data without targets, what to do, and the options or the data then.
    "images, a file": (
        both(images(*(f"{k}.png" for k in range(6))), npy(LABELS, "labels.npy")),
        "name them with --target, a file of one target for each image in the order of their names",
        ["--target", "labels.npy"], None,
    ),
    "images, classes": (
        images(*(f"{'uv'[k % 2]}{k}.png" for k in range(6))),
        "or move the images of each class into a sub-folder of its own", (), sorted_into_classes,
    ),
    "an array": (
        npz(x=ROWS, z=LABELS), "name them with --target, an array, or a file, of one target a row",
        ["--target", "z"], None,
    ),
    "a file": (
        both(npy(ROWS), npy(LABELS, "labels.npy")), "name them with --target, a file of one target a row",
        ["--target", "labels.npy"], None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOR_ADVICE)
def test_the_fix_of_data_without_targets_works(tmp_path: Path, run: Run, kind: str) -> None:
    write, said, then, good = FOR_ADVICE[kind]
    data = write(tmp_path)
    advice = ("--epochs", "1", "--hidden", "0", "--constants", "paper", "-q", "-f", "json")
    said_once(run("recommend", data, *advice), said)
    said_once(run("init", "--data", data, "-q"), said)
    tied = run("recommend", data, "--kind", "autoencoder", "--epochs", "1", "--pilot", "0", "-q")
    assert (tied.code, tied.err) == (0, "")
    layers = "20,2" if data.is_dir() else "3,2"
    assert run("init", "--data", data, "--layers", layers, "-q").code == 0
    data = (good or write)(tmp_path)
    for command in (("recommend", data, *advice), ("init", "--data", data, "-q")):
        found = run(*command, *then)
        assert (found.code, found.err) == (0, "")


LIBRARIES = {  # what is absent: (file that needs it, its name in a package index)
    "h5py": (text(b"\x89HDF\r\n\x1a\n" + bytes(99), "a.h5"), "h5py"),
    "pyarrow": (text(b"PAR1" + bytes(99), "a.parquet"), "pyarrow"),
    "PIL": (text("", "pictures"), "pillow"),
    "nibabel": (text(bytes(344) + b"n+1\0" + bytes(99), "a.nii"), "nibabel"),
    "openpyxl": (text(zipped({"[Content_Types].xml": b"", "xl/a": b""}), "a.xlsx"), "openpyxl"),
    "zstandard": (text(b"\x28\xb5\x2f\xfd" + bytes(99), "a.csv.zst"), "zstandard"),
    "torch": (text(zipped({"a/data.pkl": b"\x80\x02}.", "a/version": b"3"}), "a.pt"), "torch"),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_extra_that_is_named_brings_the_library(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    write, package = LIBRARIES[library]
    data = write(tmp_path)
    if library == "PIL":
        data.unlink()
        data.mkdir()
        (data / "a.png").write_bytes(b"a")
    monkeypatch.setitem(sys.modules, library, None)
    result = run("stats", data, "-q")
    found = re.search(r"install it with: pip install 'rsgadvise\[(\w+)\]'\n$", result.err)
    assert found is not None, result.err
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert any(re.match(rf"{package}\b", each) for each in extras[found[1]])


def test_what_unpacks_to_far_more_is_read_unpacked(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binary, "EXPANSION_FREE_BYTES", 1 << 10)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(TABLE.encode() + b"0.5,1,0\n" * 100_000))
    said_once(run("stats", path, *Y, "-q"), "unpack it yourself if you trust it")
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    assert run("stats", path.with_suffix(""), *Y, "-q").code == 0
