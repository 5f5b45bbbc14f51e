"""What all short runs of one pilot share: network, rows, and where randomness comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rsgadvise.curvature import Curvature
from rsgadvise.networks import Array, Data, Network, Weights, initial_weights
from rsgadvise.rsg import Stream

__all__ = ["Arena", "flat", "shaped"]

_HELD_OUT = 0.2
_FEWEST_HELD_OUT = 10  # below this nothing is held out
_START, _SPLIT = 0, 1


def flat(matrices: Sequence[Array]) -> NDArray[np.float64]:
    """Matrices as one vector."""
    return np.concatenate([np.ravel(matrix).astype(np.float64) for matrix in matrices])


def shaped(vector: NDArray[np.float64], network: Network) -> list[NDArray[np.float64]]:
    """One vector as the matrices of a network."""
    ends = np.cumsum([after * before for after, before in network.shapes])
    parts = np.split(vector, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, network.shapes, strict=True)]


@dataclass(frozen=True, slots=True)
class Arena:
    """Where candidates meet.

    Attributes:
        network: with the keep probability that is trained with.
        data: rows to train on.
        held_out: rows that no run trains on, or None where there are too few.
        labelled: whether the targets are one-hot classes, so that an error can be counted.
        seed: of all randomness.
    """

    network: Network
    data: Data
    held_out: Data | None
    labelled: bool
    seed: int

    @classmethod
    def of(cls, network: Network, data: Data, *, seed: int, hold_out: bool) -> Arena:
        """Split the rows, a fifth held out, and keep them in single precision."""
        single = Data(data.inputs.astype(np.float32), data.targets.astype(np.float32))
        if network.kind == "autoencoder":
            single = Data(single.inputs, single.inputs)
        hot = (data.targets == 0) | (data.targets == 1)
        labelled = (
            network.kind != "autoencoder"
            and data.targets.shape[1] > 1
            and bool(hot.all() and (data.targets.sum(axis=1) == 1).all())
        )
        aside = int(data.rows * _HELD_OUT)
        whole = cls(network, single, None, labelled, seed)
        if not hold_out or aside < _FEWEST_HELD_OUT:
            return whole
        order = whole.rng(_SPLIT).permutation(data.rows)
        return replace(whole, data=whole.part(order[aside:]), held_out=whole.part(order[:aside]))

    def keeping(self, keep_prob: float) -> Arena:
        """The same with another keep probability."""
        return replace(self, network=replace(self.network, keep_prob=keep_prob))

    def part(self, rows: NDArray[np.int64]) -> Data:
        """Some rows of the training data."""
        return Data(self.data.inputs[rows], self.data.targets[rows])

    def rng(self, *key: int) -> np.random.Generator:
        """A generator of one purpose's own."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(2, *key)))

    def stream(self, *key: int) -> Stream:
        """The randomness of one run; runs with the same key see the same mini-batches."""
        return Stream(self.seed, (3, *key))

    def start(self, key: int) -> Weights:
        """W^1: 0 is that of the race, others are drawn afresh."""
        return initial_weights(self.network, self.rng(_START, key))

    def sample(self, rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Indices of rows without repetition, at most so many."""
        return rng.permutation(self.data.rows)[:rows]

    def curvature(
        self, weights: Sequence[Array], rows: NDArray[np.int64], rng: np.random.Generator
    ) -> Curvature:
        """Loss, gradient and Hessian of some rows at (1, d_l, d_{l-1}) weights, one mask for each row."""
        masks = [
            (rng.random((len(rows), width)) < self.network.keep_prob).astype(np.float64)
            for width in self.network.masked_widths
        ]
        return Curvature(self.network, self.part(rows), [matrix[0] for matrix in weights], masks)
