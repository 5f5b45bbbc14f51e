"""Text is parsed once: later passes need no file, and where the disk is full they parse it again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_reader_formats import collect

from rsgadvise.data import spool
from rsgadvise.data.opening import open_data
from rsgadvise.errors import DataError

RNG = np.random.default_rng(5)
ROWS = np.where(RNG.random((300, 7)) < 0.5, 0.0, RNG.integers(-99, 99, (300, 7)) / 64)
ROWS[:, -1] = 1.0
LABELS = RNG.integers(0, 3, 300)


def table(path: Path) -> None:
    rows = zip(ROWS.tolist(), LABELS, strict=True)
    lines = [",".join([*map(repr, row), f"c{label}"]) for row, label in rows]
    path.write_text("a,b,c,d,e,f,g,y\n" + "\n".join(lines))


def svmlight(path: Path) -> None:
    lines = [
        " ".join([str(label), *(f"{at + 1}:{value!r}" for at, value in enumerate(row) if value)])
        for row, label in zip(ROWS.tolist(), LABELS, strict=True)
    ]
    path.write_text("\n".join(lines))


Written = tuple[Callable[[Path], None], dict[str, Any]]
FILES: dict[str, Written] = {
    "t.csv": (table, {"target": "y"}),
    "t.svm": (svmlight, {}),
}


class Full(tempfile.SpooledTemporaryFile[bytes]):
    """A file on a full disk."""

    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("memory", [1 << 26, 1000], ids=["memory", "file"])
@pytest.mark.parametrize("name", FILES)
def test_a_second_pass_parses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, memory: int
) -> None:
    monkeypatch.setattr(spool, "MEMORY_BYTES", memory)
    write, options = FILES[name]
    write(tmp_path / name)
    source = open_data(tmp_path / name, **options)
    first, labels = collect(source)
    assert (first == ROWS).all()
    (tmp_path / name).unlink()
    for max_bytes in (1, 100, 1 << 21):
        again, others = collect(source, max_bytes)
        assert (again == ROWS).all()
        assert labels is not None
        assert others is not None
        assert (others == labels).all()


@pytest.mark.parametrize("name", FILES)
def test_a_full_disk_costs_time_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", Full)
    write, options = FILES[name]
    write(tmp_path / name)
    source = open_data(tmp_path / name, **options)
    for _ in range(2):
        assert (collect(source)[0] == ROWS).all()
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match="cannot be read"):
        collect(source)
