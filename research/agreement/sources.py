"""Images as rows: at three resolutions, and with the first few classes only."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from research.agreement.design import Configuration
from rsgadvise.data.opening import open_data
from rsgadvise.data.statistics import load_rows, measure
from rsgadvise.theory.constants import InputMoments
from rsgadvise.training.generated import moments_of
from rsgadvise.training.networks import Array, Data

__all__ = ["DATA", "ROWS", "is_there", "rows_of"]

DATA = {
    "mnist": ("mnist/t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", 1, 28),
    "cifar": ("cifar10/data_batch_1.npz", None, 3, 32),
    "fashion": ("fashion-mnist/t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", 1, 28),
}
"""File, its target, channels, and side of an image, by name."""

ROWS = 1000
"""Of every configuration: f is the mean over them."""

_SIDES = {28: (7, 14, 28), 32: (4, 8, 16)}
_KEPT_ROWS = 6000  # in memory, enough for two classes of ten
_ORDER_SEED = 98


def is_there(name: str, folder: Path) -> bool:
    """Whether the folder holds the data set."""
    return (folder / DATA[name][0]).is_file()


@lru_cache(maxsize=2)
def _pictures(name: str, folder: Path) -> tuple[Array, Array]:
    """Inputs (rows, columns) and one-hot targets in an order of their own."""
    file, target, _, _ = DATA[name]
    source = open_data(folder / file, target=target)
    inputs, targets = load_rows(source, measure(source, spectrum=False))
    assert targets is not None
    order = np.random.default_rng(_ORDER_SEED).permutation(len(inputs))[:_KEPT_ROWS]
    return inputs[order].astype(np.float32), targets[order].astype(np.float32)


@lru_cache(maxsize=32)
def _rows(name: str, folder: Path, resolution: int, classes: int) -> tuple[Data, InputMoments]:
    _, _, channels, side = DATA[name]
    inputs, targets = _pictures(name, folder)
    chosen = np.flatnonzero(targets.argmax(axis=1) < classes)[:ROWS]
    smaller = _SIDES[side][resolution]
    step = side // smaller
    shape = (len(chosen), channels, smaller, step, smaller, step)
    pooled = inputs[chosen].reshape(shape).mean(axis=(3, 5)).reshape(len(chosen), -1)
    data = Data(pooled.astype(np.float32), targets[chosen, :classes].copy())
    return data, moments_of(data)


def rows_of(configuration: Configuration, folder: Path) -> tuple[Data, InputMoments]:
    """The rows that a configuration trains on, an autoencoder's targets being its inputs, and their
    moments."""
    data, moments = _rows(configuration.data, folder, configuration.resolution, configuration.classes)
    return (Data(data.inputs, data.inputs) if configuration.family == "autoencoder" else data), moments
