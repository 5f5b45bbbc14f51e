"""Two classes and a network of one output, as the textbooks' XOR has it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

import rsgadvise

ROWS = [(0.1, 0.2, "-1"), (0.9, 0.8, "1"), (0.2, 0.1, "-1"), (0.8, 0.9, "1"), (0.3, 0.1, "-1")]
SPEC = """\
network: {kind: multilayer, layers: [2, 4, OUTPUTS], weight_bound: 5}
data: {file: t.csv, target: y}
budget: {epochs: 30}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lines = ["a,b,y", *(f"{a},{b},{y}" for a, b, y in ROWS * 60)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_advised_on_and_says_which_class_is_0(run: Run, folder: Path) -> None:
    (folder / "s.yaml").write_text(SPEC.replace("OUTPUTS", "1"))
    train = run.document("recommend", "s.yaml")["train"]
    assert train["learns"]
    assert train["held_out_error"] == 0
    assert train["constant_error"] > 0.2
    told = run("explain", "s.yaml", "-f", "json", "--constants", "certified")
    (targets,) = (each for each in json.loads(told.out)["assumptions"] if each["id"] == "targets")
    assert "one of two labels became 0, the other 1" in targets["reason"]
    code = run("recommend", "s.yaml", "--emit", "torch", "--work", "3e7").out
    assert "one_output=True" in code


def test_labels_given_as_arrays() -> None:
    x = np.array([row[:2] for row in ROWS] * 12)
    y = np.array([int(row[2]) for row in ROWS] * 12)
    spec = {
        "network": {"kind": "multilayer", "layers": [2, 4, 1], "weight_bound": 5},
        "budget": {"epochs": 30},
    }
    found = rsgadvise.recommend(spec, data=(x, y), work=3e7)
    again = rsgadvise.recommend(spec, data=(x, (y + 1) // 2), work=3e7)
    assert found.train is not None
    assert found.train == again.train
