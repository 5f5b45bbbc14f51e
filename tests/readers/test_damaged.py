"""Damaged files of every format are read, or refused in one line of error; nothing else escapes."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_arff import HEADER
from test_reader_formats import MATLAB
from test_reader_malformed import idx, read_or_refused
from test_svmlight import TEXT
from test_tensors import X, entry, safetensors, torch_library

ARRAY, LABELS = np.arange(24, dtype=np.uint8).reshape(6, 4), np.arange(6)


def arrow(kind: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'rsgadvise[parquet]'")
        import test_arrow

        table = {"l": [[1.0, 2.0], [3.0, 4.0]] * 4, "w": ["a", "b"] * 4, "x": [1, None] * 4}
        getattr(test_arrow, kind)(test_arrow.pa.table(table), path.parent / "t").rename(path)

    return write


def matlab73(path: Path) -> None:
    pytest.importorskip("h5py", reason="h5py is not installed: pip install 'rsgadvise[hdf5]'")
    from test_matlab73 import write

    write(path, {"x": MATLAB["sparse"], "y": np.arange(6.0)[:, None]})


def torch(*, new: bool) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        library = torch_library()
        library.save({"x": library.tensor(X)}, path, _use_new_zipfile_serialization=new)

    return write


def of(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


BATCH = pickle.dumps({b"data": ARRAY, b"labels": LABELS.tolist()}, 2)
FILES: dict[str, Callable[[Path], object]] = {
    "s.npy": lambda path: np.save(path, ARRAY),
    "s.npz": lambda path: np.savez_compressed(path, x=ARRAY, y=LABELS),
    "packed.mat": lambda path: scipy.io.savemat(path, {"x": ARRAY, "y": LABELS}, do_compression=True),
    "plain.mat": lambda path: scipy.io.savemat(path, {"x": ARRAY * 1.5, "y": LABELS}),
    "s.idx": of(idx(6, 4, data=ARRAY.tobytes())),
    "s.idx.gz": of(gzip.compress(idx(6, 4, data=ARRAY.tobytes()))),
    "batch": of(BATCH),
    "s.csv": of(b"a,b,c\n1,2,3\n4,?,6\n7,8,9\n"),
    "s.svm": of(TEXT.encode()),
    "s.arff": of((HEADER + "0.5,1,no\n'1',2,'yes'\n{0 1, 2 yes}\n").encode()),
    "s.safetensors": of(safetensors({"x": entry("F32", [40, 6], 0, X.nbytes)}, X.tobytes())),
    "new.pt": torch(new=True),
    "old.pt": torch(new=False),
    "s.parquet": arrow("parquet"),
    "s.feather": arrow("feather"),
    "s.arrow": arrow("stream"),
    "hdf5.mat": matlab73,
}
TARGETS = {"s.parquet": "w", "s.feather": "w", "s.arrow": "w", "s.arff": "-1"}
MARKS = st.sampled_from(b"0123456789:.,+-e #x{}'\"\\%@?\n\t\r\0")


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_never_escape_as_anything_else(tmp_path: Path, name: str, data: st.DataObject) -> None:
    whole, path = tmp_path / "whole" / name, tmp_path / name
    if not whole.exists():
        whole.parent.mkdir()
        FILES[name](whole)
    damaged = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(MARKS | st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(1, len(damaged))) :]
    path.write_bytes(bytes(damaged))
    read_or_refused(path, target=TARGETS.get(name))
