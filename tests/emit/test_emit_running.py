"""Snippets run as pasted, each library's in a process of its own, with warnings as errors."""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from snippets import SPECS, snippet

from rsgadvise.show.emit import Target
from rsgadvise.spec import from_model

pytestmark = pytest.mark.usefixtures("advised_once")

LIBRARIES: dict[Target, str] = {"torch": "torch", "keras": "keras", "sklearn": "sklearn", "optuna": "optuna"}
RUN_ALL = """
import runpy, sys, warnings
import {library}
warnings.simplefilter("error")
# Keras on its torch backend, reading its own weights with numpy 2.
warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
paths = sys.argv[1:]
for path in paths:
    print("#", path)
    sys.argv = [path]
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
    for rows in ("training", "held-out"):
        found = re.findall(rf"^{rows} rows: loss ([-\d.e]+); always predicting the mean", shown, flags=re.M)
        # scikit-learn's own estimator stands beside the advised one.
        assert len(found) == len(SPECS) * (2 if target == "sklearn" else 1)
        # Sigmoid outputs and targets in [0, 1]: a loss term is at most 1, and there are at most 6 of them.
        assert all(0 < float(value) < 6 for value in found)
    ways = re.findall(r"^ *([\d,]+) of ([\d,]+) iterations, loss", shown, flags=re.M)
    if target != "optuna":
        assert any(done == last for done, last in ways)
        tenths = [int(done.replace(",", "")) for done, last in ways if last == ways[-1][1]]
        assert tenths == sorted(tenths)
    lines = [line for line in shown.splitlines() if not line.startswith("# ")]  # the names of our files
    assert max(map(len, lines)) <= 80


def better(shown: str) -> set[str]:
    """Rows on which the last reported losses and accuracies are better than those of a constant."""
    found = dict[str, list[bool]]()
    for rows, what, value, constant in re.findall(
        r"^([\w-]+) rows: (loss|accuracy) ([\d.e-]+); always .*: ([\d.e-]+)$", shown, flags=re.M
    ):
        won = float(value) < float(constant) if what == "loss" else float(value) > float(constant)
        found.setdefault(rows, []).append(won)
    return {rows for rows, won in found.items() if len(won) >= 2 and all(won)}


ROUNDS: dict[str, tuple[str, dict[str, object]]] = {
    # name: (what is made up by scikit-learn, what its MLP is made with)
    "classes, ReLU, Adam": ("classes", {"max_iter": 60}),
    "two classes": ("two", {"max_iter": 30}),
    "values, logistic, SGD": (
        "values",
        {"max_iter": 30, "activation": "logistic", "solver": "sgd", "momentum": 0, "batch_size": 32},
    ),
}


@pytest.mark.parametrize("name", ROUNDS)
def test_a_stock_estimator_comes_back_better(name: str, run: Run, tmp_path: Path) -> None:
    """Read, advised, written down: its accuracy (R^2) beats that of its defaults in as many epochs."""
    made = pytest.importorskip(
        "sklearn.datasets", reason="needs scikit-learn: pip install 'rsgadvise[integrations]'"
    )
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    table, given = ROUNDS[name]
    if table == "values":
        x, y = made.make_friedman1(600, n_features=8, noise=0.3, random_state=0)
        y = (y - y.min()) / np.ptp(y)
    else:
        classes = 2 if table == "two" else 4
        x, y = made.make_classification(
            800, 12, n_informative=8, n_classes=classes, class_sep=1.2, random_state=0
        )
    np.savez(tmp_path / "a.npz", x=(x - x.min(axis=0)) / np.ptp(x, axis=0), y=y)
    stock = (MLPRegressor if table == "values" else MLPClassifier)(
        hidden_layer_sizes=(30,), alpha=0, random_state=0, **given
    )
    outputs = 4 if table == "classes" else 1
    spec = from_model(
        stock, input_dim=x.shape[1], output_dim=outputs, data={"file": "a.npz", "samples": len(x)}
    )
    (tmp_path / "a.yaml").write_text(spec.model_dump_json(exclude_unset=True))
    place = tmp_path / "train.py"
    assert run("recommend", tmp_path / "a.yaml", "--emit", "sklearn", "-q", "-o", place).code == 0
    shown = execute("sklearn", place).partition(type(stock).__name__)[2].split("AdvisedNetwork")[0]
    if table == "values":  # which have a loss alone
        loss = re.findall(r"^[\w-]+ rows: loss ([\d.e-]+); always .*: ([\d.e-]+)$", shown, flags=re.M)
        assert len(loss) == 2
        assert all(float(value) < float(constant) for value, constant in loss)
    else:
        assert better(shown) == {"training", "held-out"}

    names = runpy.run_path(str(place), run_name="snippet")
    data = names["load"]()
    x, y = data.x, data.y.argmax(axis=1) if data.y.shape[1] > 1 else data.y.ravel()
    rows, held_out = names["split"](len(x), names["HELD_OUT"])
    advised = names["stock"]()
    assert advised.max_iter <= stock.max_iter  # less where rows held out gain no more
    alike = ["activation", "solver", "hidden_layer_sizes", "alpha"]
    alike += ("momentum", "nesterovs_momentum") if stock.solver == "sgd" else ("beta_1", "beta_2", "epsilon")
    for key in alike:
        if key != "nesterovs_momentum" or stock.momentum:
            assert getattr(advised, key) == getattr(stock, key)
    stock.set_params(tol=0, n_iter_no_change=stock.max_iter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that max_iter ends the training
        advised.fit(x[rows], y[rows])
        stock.fit(x[rows], y[rows])
    for part in (rows, held_out):
        assert advised.score(x[part], y[part]) >= stock.score(x[part], y[part])


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
    assert better(shown) == {"training", "held-out"}


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
