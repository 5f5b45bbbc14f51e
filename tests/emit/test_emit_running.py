"""Snippets run as pasted, each library's in a process of its own, with warnings as errors."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from snippets import SPECS, snippet

from rsgadvise.emit import Target

LIBRARIES: dict[Target, str] = {"torch": "torch", "keras": "keras", "sklearn": "sklearn", "optuna": "optuna"}
RUN_ALL = """
import runpy, sys, warnings
import {library}
warnings.simplefilter("error")
# Keras on its torch backend, reading its own weights with numpy 2.
warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
for path in sys.argv[1:]:
    print("#", path)
    runpy.run_path(path, run_name="__main__")
"""


def execute(target: Target, *paths: Path) -> str:
    library = LIBRARIES[target]
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed; pip install 'rsgadvise[integrations]'")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if target == "keras" and importlib.util.find_spec("torch") is not None:
        environment.setdefault("KERAS_BACKEND", "torch")
    # The library itself is imported first: its own warnings are not those of the snippet.
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL.format(library=library), *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("target", LIBRARIES)
def test_every_kind_runs_as_pasted(target: Target, tmp_path: Path) -> None:
    paths = []
    for number, text in enumerate(SPECS.values()):
        paths.append(tmp_path / f"s{number}.py")
        paths[-1].write_text(snippet(text, target))
    shown = execute(target, *paths)
    found = [float(value) for value in re.findall(r"loss ([-\d.e]+)", shown)]
    if target == "optuna":
        found = [float(value) for value in re.findall(r"\} ([-\d.e]+)$", shown, flags=re.M)]
    assert len(found) >= len(SPECS)
    # Sigmoid outputs and targets in [0, 1]: a loss term is at most 1, and there are at most 6 of them.
    assert all(0 < value < 6 for value in found)


@pytest.fixture
def spec_with_labels(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    labels = np.resize(np.array([2, 4, 7], np.uint8), 60)
    images = rng.integers(0, 256, (60, 6), dtype=np.uint8)
    images[np.arange(60), labels % 3] = 255
    np.savez(tmp_path / "a.npz", x=images, y=labels)
    spec = tmp_path / "a.yaml"
    spec.write_text(
        "network: {kind: single_layer, layers: [6, 3]}\ndata: {file: a.npz}\n"
        "training: {iterations: 400, stopping: last, stepsize: 1.0}\nsearch: {batch_size: [5, 10]}\n"
    )
    return spec


@pytest.mark.parametrize("target", LIBRARIES)
def test_runs_on_a_data_file(target: Target, run: Run, spec_with_labels: Path, tmp_path: Path) -> None:
    place = tmp_path / "train.py"
    assert run("recommend", spec_with_labels, "--emit", target, "-q", "-o", place).code == 0
    shown = execute(target, place)
    if target == "optuna":
        return
    loss = re.search(r"loss ([\d.e-]+)", shown)
    assert loss is not None
    assert float(loss[1]) < 0.6  # it learns: answering 1/3 to everything gives 2/3
    if target == "sklearn":
        accuracy = re.search(r"accuracy ([\d.]+)", shown)
        assert accuracy is not None
        assert float(accuracy[1]) > 0.5


def test_the_first_trial_is_the_advice(tmp_path: Path) -> None:
    names = ("single layer", "layers with masks")
    place = tmp_path / "s.py"
    check = """
    first_trial = study.trials[0].params
    assert first_trial == first, first_trial
    assert first_trial["stepsize_factor"] == 1.0
"""
    for name in names:
        place.write_text(snippet(SPECS[name], "optuna") + check)
        execute("optuna", place)
