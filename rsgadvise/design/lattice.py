"""All architectures of a search as numbers, so that they are built and forgotten in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Block", "Lattice"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Block:
    """Some architectures of one depth.

    Attributes:
        depth: number of hidden layers.
        index: position of each in its depth.
        hidden: lengths of the hidden layers, (architectures, depth).
        weights: number of weights of each.
    """

    depth: int
    index: IntArray
    hidden: IntArray
    weights: IntArray


@dataclass(frozen=True, slots=True)
class Lattice:
    """Every combination of hidden lengths for every depth.

    Attributes:
        inputs, outputs: d_0 and d_L.
        widths: lengths that a hidden layer may have.
        depths: numbers of hidden layers.
        equal: all hidden layers of one architecture have the same length.
        most_weights: cap on the number of weights, or None.
    """

    inputs: int
    outputs: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    equal: bool = False
    most_weights: int | None = None

    def count(self, depth: int) -> int:
        """Architectures of one depth, the cap left aside."""
        return int(len(self.widths) ** (min(depth, 1) if self.equal else depth))

    @property
    def total(self) -> int:
        """Architectures of all depths, the cap left aside."""
        return sum(self.count(depth) for depth in self.depths)

    def hidden(self, depth: int, index: IntArray) -> IntArray:
        """Lengths of the hidden layers of the architectures at these positions.

        Example:
            >>> Lattice(4, 2, (8, 16), (2,)).hidden(2, np.arange(4)).tolist()
            [[8, 8], [8, 16], [16, 8], [16, 16]]
        """
        widths = np.asarray(self.widths, dtype=np.int64)
        if depth == 0:
            return np.empty((index.size, 0), dtype=np.int64)
        if self.equal:
            return np.repeat(widths[index][:, None], depth, axis=1)
        places = np.unravel_index(index, (widths.size,) * depth)
        return np.stack([widths[place] for place in places], axis=1)

    def weights(self, hidden: IntArray) -> IntArray:
        """sum_l d_{l-1} d_l of each architecture."""
        ends = [np.full((hidden.shape[0], 1), end, dtype=np.int64) for end in (self.inputs, self.outputs)]
        layers = np.concatenate([ends[0], hidden, ends[1]], axis=1)
        return np.asarray(np.sum(layers[:, :-1] * layers[:, 1:], axis=1))

    def blocks(self, size: int) -> Iterator[Block]:
        """The architectures within the cap, at most `size` at a time, depth by depth."""
        for depth in self.depths:
            for begin in range(0, self.count(depth), size):
                index = np.arange(begin, min(begin + size, self.count(depth)), dtype=np.int64)
                hidden = self.hidden(depth, index)
                weights = self.weights(hidden)
                if self.most_weights is not None:
                    fits = weights <= self.most_weights
                    index, hidden, weights = index[fits], hidden[fits], weights[fits]
                if index.size:
                    yield Block(depth, index, hidden, weights)

    def layers(self, depth: int, index: int) -> tuple[int, ...]:
        """d_0..d_L of one architecture."""
        hidden = self.hidden(depth, np.asarray([index], dtype=np.int64))[0]
        return (self.inputs, *(int(width) for width in hidden), self.outputs)
