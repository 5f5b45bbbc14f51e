"""Text of SVMlight and LIBSVM, held against scikit-learn."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_reader_formats import collect
from test_reader_malformed import refusal

from rsgadvise.data.formats import binary, svmlight
from rsgadvise.data.opening import _detect, open_data
from rsgadvise.data.spool import Spool
from rsgadvise.data.statistics import measure
from rsgadvise.data.stream import Array
from rsgadvise.errors import DataError, UsageError

TEXT = "# made by hand\n1 1:0.5 3:2 # first\n\n-1 2:-1e-3 4:+7.\n+1\n  -1\t1:.25 \r\n1 qid:7 4:1 #1 9:9\n"
ROWS = [[0.5, 0, 2, 0], [0, -0.001, 0, 7], [0, 0, 0, 0], [0.25, 0, 0, 0], [0, 0, 0, 1]]
LABELS = [1, -1, 1, -1, 1]


@pytest.mark.parametrize("name", ["a", "a.txt", "a.svm", "a.libsvm", "a.svmlight", "a.t", "a.scale"])
def test_every_name(tmp_path: Path, name: str) -> None:
    packings: dict[str, Callable[[bytes], bytes]] = {
        "": bytes,
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
    }
    for suffix, pack in packings.items():
        path = tmp_path / (name + suffix)
        path.write_bytes(pack(TEXT.encode()))
        source = open_data(path)
        assert (source.format, source.rows, source.input_dim) == ("svmlight", 5, 4)
        for max_bytes in (1, 70, 1 << 21):
            features, targets = collect(source, max_bytes)
            assert features.tolist() == ROWS
            assert targets.tolist() == [[label] for label in LABELS]
        assert source.notes == (
            "The indices count from 1, since 0 is not among them; the largest is 4: 4 features.",
            "The queries (qid) are passed over.",
        )


def test_indices_from_0(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("1 1:0.5 3:2\n2 0:1 1:4\n")
    source = open_data(path)
    features, _ = collect(source)
    assert features.tolist() == [[0, 0.5, 0, 2], [1, 4, 0, 0]]
    assert source.notes == ("The indices count from 0, since 0 is among them; the largest is 3: 4 features.",)
    assert source.column_label(3) == "column 3"
    path.write_text("1 1:0.5 3:2\n2 2:1\n")
    assert open_data(path).column_label(0) == "column 1"
    assert open_data(path).column_numbers is None, "there are none to leave out"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(1, 30), st.integers(1, 12)),
    seed=st.integers(0, 999),
    zero_based=st.booleans(),
    max_bytes=st.integers(1, 2000),
)
def test_against_scikit_learn(
    tmp_path: Path, shape: tuple[int, int], seed: int, zero_based: bool, max_bytes: int
) -> None:
    sklearn = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=shape) * 10.0 ** rng.integers(-300, 300, shape) * (rng.random(shape) < 0.4)
    dense[0, 0] = dense[-1, -1] = 1.0  # so that the base and the number of features can be seen
    path = tmp_path / "a"
    labels = rng.integers(0, 3, shape[0])
    sklearn.dump_svmlight_file(dense, labels, str(path), zero_based=zero_based, comment="made\nhere")
    features, targets = collect(open_data(path), max_bytes)
    expected, expected_labels = sklearn.load_svmlight_file(str(path), zero_based="auto")
    assert (features == expected.toarray()).all()
    assert (targets[:, 0] == expected_labels).all()


def test_labels_are_classes_or_values(tmp_path: Path) -> None:
    path = tmp_path / "a"
    rng = np.random.default_rng(0)

    def written(labels: Array) -> Path:
        rows = rng.random((len(labels), 3))
        lines = [
            f"{label} " + " ".join(f"{at + 1}:{value}" for at, value in enumerate(row))
            for label, row in zip(labels, rows, strict=True)
        ]
        path.write_text("\n".join(lines))
        return path

    assert measure(open_data(written(np.where(rng.random(40) < 0.5, -1, 1)))).output_dim == 2
    assert measure(open_data(written(rng.integers(1, 4, 40)))).output_dim == 3
    assert measure(open_data(written(rng.random(40)))).output_dim == 1


def test_targets_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(TEXT)
    np.save(tmp_path / "y.npy", np.arange(5))
    source = open_data(tmp_path / "a", target="y.npy")
    features, targets = collect(source, 60)
    assert features.tolist() == ROWS
    assert targets[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert source.notes[-1] == "Its labels are passed over for the targets of the other file."
    assert "has its labels for targets, and --target 'y' is not a file" in refusal(tmp_path / "a", target="y")
    np.save(tmp_path / "x.npy", np.ones((5, 2)))
    _, targets = collect(open_data(tmp_path / "x.npy", target="a"), 1)
    assert targets[:, 0].tolist() == LABELS
    with pytest.raises(UsageError, match="--exclude"):
        open_data(tmp_path / "a", exclude=["1"])


TABLES = {
    "numbers": "1 2 3\n4 5 6\n",
    "times of day": "1.5 12:30 13:45\n2.5 12:45 14:00\n3 9:05 10:00\n",
    "falling": "1 12:30.5 9:45\n2 12:45 8:00\n",
    "with seconds": "1 12:30:00\n2 12:45:10\n",
    "commas": "1,2:3\n4,5:6\n",
    "words": "a 1:2\nb 3:4\n",
    "a header": "label 1:x\n1 1:2\n",
    "a column of none": "1\n2\n",
    "comments": "# 1:2\n1 2\n",
    "later lines": "1 1:0.5\n1 2 3\n",
}


@pytest.mark.parametrize("label", TABLES)
def test_tables_are_left_alone(tmp_path: Path, label: str) -> None:
    assert not svmlight.looks_like_svmlight(TABLES[label].encode())
    for name in ("a", "a.txt"):
        (tmp_path / name).write_text(TABLES[label])
        assert _detect(tmp_path / name)[0].name == "csv"


def test_a_table_that_says_so_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TEXT)
    assert _detect(tmp_path / "a.csv")[0].name == "csv"


def test_lines_longer_than_what_is_looked_at(tmp_path: Path) -> None:
    dense = np.random.default_rng(0).random((3, 900))
    lines = ["1 " + " ".join(f"{at + 1}:{value}" for at, value in enumerate(row)) for row in dense]
    (tmp_path / "a").write_text("\n".join(lines))
    assert (collect(open_data(tmp_path / "a"), 8000)[0] == dense).all()


WRONG = {
    "several at once": ("1,2,3 1:0.5 2:1\n", "line 1: has 3 labels"),
    "no value": ("1 1:2\n1 2:\n", "line 2: '2:' is not index:value"),
    "a blank": ("1 1:2\n1 2: 3\n", "line 2: '2:' is not index:value"),
    "nan": ("1 1:2\n1 2:nan\n", "line 2: '2:nan' is not index:value"),
    "nan of a label": ("1 1:2\nnan 2:1\n", "line 2: the label 'nan'"),
    "too large": ("1 1:2\n1 2:1\n1 2:1e999\n", "line 3: holds a number too large"),
    "label too large": ("1 1:2\n1e999 2:1\n", "line 2: holds a number too large"),
    "negative": ("1 1:2\n1 -2:1\n", "line 2: '-2:1' is not index:value"),
    "fraction": ("1 1:2\n1 2.5:1\n", "line 2: '2.5:1' is not index:value"),
    "many digits": ("1 1:2\n1 9999999999999999:1\n", "is not index:value"),
    "twice": ("1 1:2\n1 2:1 2:3\n", "line 2: index 2 stands after 2; indices rise"),
    "query twice": ("1 1:2\n1 qid:1 qid:x 2:3\n", "line 2: 'qid:x' is not index:value"),
    "a byte": ("1 1:2\n1 2:\xff\n", "line 2: .* is not index:value"),
    "comments alone": ("# nothing\n", "has 0 rows and no feature"),
    "far away": ("1 1:2\n1 99999999999999:1\n", "times as many"),
}


@pytest.mark.parametrize("label", WRONG)
def test_refused_in_one_line(tmp_path: Path, label: str) -> None:
    text, expected = WRONG[label]
    (tmp_path / "a.svm").write_bytes(text.encode("latin1"))
    (tmp_path / "a.svm.gz").write_bytes(gzip.compress(text.encode("latin1")))
    for name in ("a.svm", "a.svm.gz"):
        assert re.search(expected, refusal(tmp_path / name))


def test_other_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.svm").write_bytes(b"\1\0\2")
    assert "is named .svm but its first bytes are of another format" in refusal(tmp_path / "a.svm")
    (tmp_path / "b.svm.gz").write_bytes(gzip.compress(TEXT.encode() * 100)[:-20])
    assert "cannot be read" in refusal(tmp_path / "b.svm.gz")


def test_a_file_that_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it has to be parsed again: nothing of it was kept."""
    monkeypatch.setattr(Spool, "add", lambda spool, _: spool.drop())
    (tmp_path / "a").write_text(TEXT)
    source = open_data(tmp_path / "a")
    (tmp_path / "a").write_text("1 5:1\n")
    with pytest.raises(DataError, match="has changed since it was opened"):
        collect(source)


def test_hostile_text_takes_neither_memory_nor_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "EXPANSION_FREE_BYTES", 1 << 20)
    monkeypatch.setattr(svmlight, "_LONGEST_LINE", 1 << 16)
    many = 1 << 20
    texts = {
        "wide": (b"1 1:1\n" * 100 + b"1 9999999:1\n", "times as many"),
        "bomb": (b"1 1:1\n" * many, "times as many"),
        "long": (b"1 1:1\n1 " + b"1" * many, "line 2 has 65536 bytes or more"),
        "digits": (b"1 1:1\n" + b"1" * 60_000 + b"x", "the label"),
        "signs": (b"1 1:1\n1 " + b"1:1e" * 10_000, "is not index:value"),
    }
    for name, (text, expected) in texts.items():
        path = tmp_path / f"{name}.svm.gz"
        path.write_bytes(gzip.compress(text))
        begun = time.perf_counter()
        tracemalloc.start()
        assert expected in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
        tracemalloc.stop()
        assert time.perf_counter() - begun < 20
