"""The paper's four kinds of data as small tables, with fewer columns where a network is to be narrower."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rsgadvise.data.opening import open_data
from rsgadvise.data.statistics import load_rows, measure
from rsgadvise.training.networks import Array, Data

__all__ = ["DATA", "OUTPUTS", "Table", "generated_table", "load_table", "reduced"]

DATA: dict[str, tuple[str, str | None, str | None, tuple[str, ...]]] = {
    "CIFAR-10": ("cifar10/data_batch_1_first2000", None, None, ()),
    "MNIST": ("mnist/t10k-images-idx3-ubyte.gz", None, "t10k-labels-idx1-ubyte.gz", ()),
    "Caltech-101": (
        "caltech101-silhouettes/caltech101_silhouettes_28_split1.mat",
        "train_data",
        "train_labels",
        (),
    ),
    "brain": ("brain/brain_networks.csv", None, None, ("network",)),
}
"""File, its array of features, its labels, and columns left out, by name."""

OUTPUTS = 10
_SEED = 20


@dataclass(frozen=True, slots=True)
class Table:
    """Inputs (rows, columns) and targets (rows, 10), all in [0, 1]."""

    inputs: Array
    targets: Array


def load_table(name: str, folder: Path, *, rows: int) -> Table:
    """At most so many rows, chosen by a seed.

    There are ten outputs everywhere, so that networks are alike: of more than ten classes, the rows of the
    ten most frequent ones are taken; where there are no labels, ten columns are predicted from the others.
    """
    file, array, target, exclude = DATA[name]
    source = open_data(folder / file, array=array, target=target, exclude=exclude)
    inputs, targets = load_rows(source, measure(source, spectrum=False))
    rng = np.random.default_rng(_SEED)
    if targets is None:
        order = rng.permutation(inputs.shape[1])
        inputs, targets = inputs[:, np.sort(order[OUTPUTS:])], inputs[:, np.sort(order[:OUTPUTS])]
    elif targets.shape[1] > OUTPUTS:
        frequent = np.sort(np.argsort(-targets.sum(axis=0), kind="stable")[:OUTPUTS])
        among = targets[:, frequent].sum(axis=1) > 0
        inputs, targets = inputs[among], targets[among][:, frequent]
    chosen = np.sort(rng.permutation(len(inputs))[:rows])
    return Table(inputs[chosen].astype(np.float32), targets[chosen].astype(np.float32))


def generated_table(*, rows: int, columns: int) -> Table:
    """Rows for a trial without data sets: two hidden causes, and targets that follow them."""
    rng = np.random.default_rng(_SEED)
    causes = rng.standard_normal((rows, 2))
    inputs = 1 / (1 + np.exp(-causes @ rng.standard_normal((2, columns))))
    targets = np.eye(OUTPUTS)[np.digitize(causes[:, 0], np.linspace(-1.5, 1.5, OUTPUTS - 1))]
    return Table(inputs.astype(np.float32), targets.astype(np.float32))


def reduced(table: Table, columns: int, *, seed: int, tied: bool) -> Data:
    """The first so many columns in an order that the seed decides, so that wider tables hold narrower ones.

    Args:
        table: all columns.
        columns: how many to keep.
        seed: of the order.
        tied: whether the inputs are the targets too, as for an autoencoder.
    """
    order = np.random.default_rng(np.random.SeedSequence(_SEED, spawn_key=(seed,))).permutation(
        table.inputs.shape[1]
    )
    inputs = np.ascontiguousarray(table.inputs[:, order[:columns]])
    return Data(inputs, inputs if tied else table.targets)
