"""`python -m benchmarks.stock_mlp`: the MLP of scikit-learn as advised, beside the same with its own rate.

A stock estimator is read by `from_model`, advised on a table, and written down by `--emit sklearn`; `stock()`
of that program and the estimator that was read are then trained on the same rows for as many epochs.
Accuracies on held-out rows, R^2 of values, in the mean over the seeds.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

__all__ = ["main"]

HIDDEN, SEEDS = 50, 3
SETTINGS: tuple[tuple[dict[str, Any], tuple[int, int]], ...] = (
    ({}, (20, 200)),
    ({"activation": "logistic"}, (20, 100)),
    ({"solver": "sgd"}, (20, 100)),
    ({"solver": "sgd", "activation": "tanh", "momentum": 0}, (20, 100)),
    ({"solver": "sgd", "activation": "tanh", "nesterovs_momentum": False, "batch_size": 32}, (20, 100)),
)


def _tables() -> Iterator[tuple[str, Any, Any]]:
    """Names, features in [0, 1] and targets: classes as whole numbers, values in [0, 1]."""
    from sklearn import datasets as made

    for name, (x, y) in {
        "4 classes": made.make_classification(1500, 20, n_informative=10, n_classes=4, random_state=0),
        "2 classes": made.make_classification(1000, 10, n_informative=6, random_state=1),
        "values": made.make_friedman1(1200, n_features=10, noise=0.5, random_state=0),
        "digits": made.load_digits(return_X_y=True),
    }.items():
        spread = np.ptp(x, axis=0)
        values = (y - y.min()) / np.ptp(y)
        yield (
            name,
            (x - x.min(axis=0)) / np.where(spread > 0, spread, 1),
            values if name == "values" else y.astype(int),
        )


def _emitted(model: Any, outputs: int, x: Any, y: Any, place: Path) -> dict[str, Any]:
    """What the advised program defines."""
    from rsgadvise.spec import from_model

    np.savez(place / "rows.npz", x=x, y=y)
    data = {"file": "rows.npz", "samples": len(x)}
    spec = from_model(model, input_dim=x.shape[1], output_dim=outputs, data=data)
    (place / "spec.yaml").write_text(spec.model_dump_json(exclude_unset=True))
    command = ["recommend", "spec.yaml", "--emit", "sklearn", "-q", "-o", "train.py"]
    subprocess.run([sys.executable, "-m", "rsgadvise", *command], check=True, cwd=place)
    return runpy.run_path(str(place / "train.py"), run_name="program")


def main() -> None:
    """Print a line for every setting, and how many were won."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    warnings.simplefilter("ignore")  # that max_iter ends the training, and what is left out
    gains: list[float] = []
    for name, x, y in _tables():
        for given, counts in SETTINGS:
            for epochs in counts:
                made = MLPRegressor if name == "values" else MLPClassifier
                model = made(hidden_layer_sizes=(HIDDEN,), alpha=0, max_iter=epochs, **given)
                model.set_params(tol=0, n_iter_no_change=epochs)
                outputs = 1 if name in {"values", "2 classes"} else len(np.unique(y))
                with TemporaryDirectory() as place:
                    program = _emitted(model, outputs, x, y, Path(place))
                rows, held_out = program["split"](len(x))
                scores = np.zeros((2, SEEDS))
                for seed in range(SEEDS):
                    for kind, each in enumerate((program["stock"](), model)):
                        each.set_params(random_state=seed).fit(x[rows], y[rows])
                        scores[kind, seed] = each.score(x[held_out], y[held_out])
                advised, own = scores.mean(axis=1)
                gains.append(advised - own)
                rate = program["stock"]().learning_rate_init
                print(f"{name}, {epochs} epochs, {given}: {advised:.4f} at {rate:g}, {own:.4f}", flush=True)
    won = sum(gain > 0 for gain in gains)
    print(f"more accurate in {won} of {len(gains)}; gains {min(gains):.4f} to {max(gains):.4f}")


if __name__ == "__main__":
    main()
