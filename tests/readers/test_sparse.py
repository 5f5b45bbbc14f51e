"""Sparse matrices as scipy.sparse saves them, held against scipy.sparse."""

from __future__ import annotations

import io
import re
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_reader_formats import collect
from test_reader_malformed import read_or_refused, refusal

from rsgadvise.data.formats import binary
from rsgadvise.data.opening import open_data
from rsgadvise.data.stream import Array
from rsgadvise.errors import DataError, UsageError

FORMATS = ("csr", "csc", "coo", "bsr", "dia")


def matrix(rows: int = 12, columns: int = 8, *, seed: int = 0, dtype: Any = float) -> Array:
    rng = np.random.default_rng(seed)
    dense = rng.random((rows, columns)) * 100 * (rng.random((rows, columns)) < 0.3)
    return dense.astype(dtype)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u1", "?"])
@pytest.mark.parametrize("compressed", [False, True])
def test_each_format(tmp_path: Path, kind: str, dtype: str, compressed: bool) -> None:
    for make in (scipy.sparse.coo_array, scipy.sparse.coo_matrix):
        saved = make(matrix(dtype=dtype)).asformat(kind)
        scipy.sparse.save_npz(tmp_path / "a.npz", saved, compressed=compressed)
        expected = scipy.sparse.load_npz(tmp_path / "a.npz").toarray()
        source = open_data(tmp_path / "a.npz")
        for max_bytes in (1, 200, 1 << 21):
            features, targets = collect(source, max_bytes)
            assert (features == expected).all()
            assert source.dtype == features.dtype == saved.dtype
            assert targets is None
        assert (source.format, source.rows, source.input_dim) == ("scipy", 12, 8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    blocks=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    seed=st.integers(0, 99),
)
def test_blocks_and_diagonals(
    tmp_path: Path, blocks: tuple[int, int], shape: tuple[int, int], seed: int
) -> None:
    rows, columns = shape[0] * blocks[0], shape[1] * blocks[1]
    dense = matrix(rows, columns, seed=seed)
    rng = np.random.default_rng(seed)
    offsets = rng.choice(np.arange(-rows - 1, columns + 2), size=3, replace=False)
    diagonals = scipy.sparse.dia_array(
        (rng.random((3, columns + int(rng.integers(-columns + 1, 3)))), offsets), shape=dense.shape
    )
    for saved in (scipy.sparse.bsr_array(dense, blocksize=blocks), diagonals):
        scipy.sparse.save_npz(tmp_path / "a.npz", saved)
        assert (collect(open_data(tmp_path / "a.npz"), 50)[0] == saved.toarray()).all()


def test_what_comes_twice_is_added(tmp_path: Path) -> None:
    twice = scipy.sparse.coo_array(([1.0, 2.0, 4.0], ([1, 1, 0], [0, 0, 2])), shape=(3, 3))
    for kind in ("coo", "csr", "csc"):
        scipy.sparse.save_npz(tmp_path / "a.npz", twice.asformat(kind))
        assert (collect(open_data(tmp_path / "a.npz"))[0] == twice.toarray()).all()


def test_zeros_alone(tmp_path: Path) -> None:
    for kind in FORMATS:
        scipy.sparse.save_npz(tmp_path / "a.npz", scipy.sparse.coo_array((4, 2)).asformat(kind))
        assert (collect(open_data(tmp_path / "a.npz"))[0] == np.zeros((4, 2))).all()


def test_numbers_of_16_bits_are_refused_in_a_line(tmp_path: Path) -> None:
    parts = vars(scipy.sparse.csr_array(matrix()))
    np.savez(
        tmp_path / "a.npz",
        data=parts["data"].astype(np.float16),
        indices=parts["indices"],
        indptr=parts["indptr"],
        shape=np.array(matrix().shape),
        format=np.array(b"csr"),
    )
    assert "save it again as float32" in refusal(tmp_path / "a.npz")


def test_labels_have_a_file_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    scipy.sparse.save_npz(path, scipy.sparse.csr_array(matrix()))
    np.save(tmp_path / "y.npy", np.arange(12) % 3)
    _, targets = collect(open_data(path, target="y.npy"), 100)
    assert (targets[:, 0] == np.arange(12) % 3).all()
    np.save(tmp_path / "y.npy", np.arange(8))
    with pytest.raises(DataError, match="has 8 rows and the features have 12"):
        open_data(path, target="y.npy")
    assert "--target must be a file of targets" in refusal(path, target="y")
    with pytest.raises(UsageError, match="--array"):
        open_data(path, array="data")


def test_an_archive_with_such_names_is_no_matrix(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=np.ones((3, 2)), shape=np.ones(2), format=np.ones(2))
    source = open_data(tmp_path / "a.npz")
    assert (source.format, source.input_dim) == ("npz", 2)


def parts(kind: str = "csr", **changes: Any) -> dict[str, Any]:
    """A matrix of 3 x 4 as it is saved, with some of it changed."""
    saved = scipy.sparse.coo_array(([1.0, 2.0, 3.0], ([0, 2, 2], [1, 0, 3])), shape=(3, 4)).asformat(kind)
    buffer = io.BytesIO()
    scipy.sparse.save_npz(buffer, saved)
    buffer.seek(0)
    with np.load(buffer) as archive:
        found = dict(archive) | {key: np.asarray(value) for key, value in changes.items()}
    return {key: value for key, value in found.items() if value.dtype != object}


WRONG: dict[str, dict[str, Any]] = {
    "format": parts(format=b"lil"),
    "one axis": parts(shape=[3]),
    "negative": parts(shape=[-3, 4]),
    "columns": parts(shape=[3, 3]),
    "negative place": parts(indices=[1, 0, -1]),
    "backwards": parts(indptr=[0, 2, 1, 3]),
    "fewer values": parts(data=[1.0, 2.0]),
    "blocks": parts("bsr", shape=[3, 4], data=np.ones((3, 2, 2))),
    "pairs": parts("coo", data=[1.0]),
    "diagonals": parts("dia", offsets=[1]),
}
SAID: dict[str, tuple[dict[str, Any], str]] = {
    "fractions": (parts(shape=[3.0, 4.5]), "holds shape that are no whole numbers"),
    "zero rows": (parts("coo", shape=[0, 4], row=[], col=[], coords=None, data=[]), "no whole numbers"),
    "huge": (parts("coo", shape=[2**40, 2**40]), "times as many"),
    "fractional place": (parts(indices=[1.0, 0.5, 3.0]), "holds indices that are no whole numbers"),
    "text": (parts(data=["a", "b", "c"]), "cannot be read|only real numbers"),
} | {label: (content, "cannot be read") for label, content in WRONG.items()}


@pytest.mark.parametrize("label", SAID)
def test_refused_in_one_line(tmp_path: Path, label: str) -> None:
    content, expected = SAID[label]
    np.savez(tmp_path / "a.npz", **content)
    assert re.search(expected, refusal(tmp_path / "a.npz"))


def test_hostile_sizes_take_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "EXPANSION_FREE_BYTES", 1 << 20)
    many = 1 << 22
    bomb = parts("coo", data=np.zeros(many), row=np.zeros(many, int), col=np.zeros(many, int))
    bomb.pop("coords", None)
    np.savez_compressed(tmp_path / "bomb.npz", **bomb)
    np.savez(tmp_path / "wide.npz", **parts("coo", shape=[3, 2**33]))
    tracemalloc.start()
    for name in ("bomb.npz", "wide.npz"):
        assert "times as many" in refusal(tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(FORMATS))
def test_damaged_parts_never_escape_as_anything_else(tmp_path: Path, data: st.DataObject, kind: str) -> None:
    path = tmp_path / "a.npz"
    content = parts(kind)
    name = data.draw(st.sampled_from(sorted(content)))
    buffer = io.BytesIO()
    np.save(buffer, content[name])
    damaged = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    np.savez(path, **{key: value for key, value in content.items() if key != name})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{name}.npy", bytes(damaged))
    read_or_refused(path)
