"""A file format is one file: put beside the others it is read by every command."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Run

from rsgadvise.data import formats

NUMBERS = '''
import numpy as np

from rsgadvise.data.formats import SingleArray
from rsgadvise.data.formats.binary import RawArray


class Numbers(SingleArray):
    """A line with the number of columns, then bytes."""

    name, words, order = "numbers", "NUMBERS", 2

    def magic(self, start):
        return start.startswith(b"NUMBERS ")

    def rows(self, path, *, packing, targets):
        content = path.read_bytes()
        head = content.index(b"\\n") + 1
        columns = int(content[8:head])
        shape = ((len(content) - head) // columns, columns)
        raw = RawArray(
            path=path, label=str(path), shape=shape, dtype=np.dtype("u1"),
            fortran=False, open=lambda: path.open("rb"), start=head, seekable=True,
        )
        return raw.row_array(targets=targets)


FORMATS = (Numbers(),)
'''


def test_a_format_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    (tmp_path / "numbers.py").write_text(NUMBERS)
    data = tmp_path / "table.bin"
    data.write_bytes(b"NUMBERS 3\n" + bytes(range(0, 240)))
    assert "unknown format" in run("stats", str(data)).err
    with monkeypatch.context() as patch:
        patch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
        formats.all_formats.cache_clear()
        found = run.document("stats", str(data))
        assert (found["samples"], found["input_dim"]) == (80, 3)
        spec = tmp_path / "spec.yaml"
        text = (
            f"network: {{kind: autoencoder, layers: [3, 2]}}\ndata: {{file: {data}}}\nbudget: {{epochs: 3}}\n"
        )
        spec.write_text(text)
        assert run.document("recommend", str(spec))["train"]["iterations"] > 0
    formats.all_formats.cache_clear()
    assert "NUMBERS" not in run("stats", str(spec)).err
