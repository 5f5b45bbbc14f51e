"""Architectures as numbers: all of a search, and many of one depth as one objective."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.space import Space
from rsgadvise.records import dataclass
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.descent import Numeric
from rsgadvise.theory.judge import objective_for
from rsgadvise.theory.objective import Objective
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems import theorem_of

# All architectures of a search as numbers, so that they are built and forgotten in blocks.

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
        bias: whether biases are among these.
    """

    inputs: int
    outputs: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    equal: bool = False
    most_weights: int | None = None
    bias: bool = False

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
        """sum_l d_{l-1} d_l of each architecture, and sum_l d_l more of biases."""
        ends = [np.full((hidden.shape[0], 1), end, dtype=np.int64) for end in (self.inputs, self.outputs)]
        layers = np.concatenate([ends[0], hidden, ends[1]], axis=1)
        return np.asarray(np.sum((layers[:, :-1] + self.bias) * layers[:, 1:], axis=1))

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


def one_problem(base: Problem, layers: tuple[int, ...]) -> Problem:
    """The problem of one architecture; without a hidden layer it is a single layer, without a box.

    Args:
        base: the spec's problem; its first weight bound and unit are those of every layer.
        layers: d_0..d_L.
    """
    if len(layers) == 2:
        return base.changed(
            kind="single_layer", layers=layers, weight_bounds=(), pretraining=1.0, activations=()
        )
    boxes, units = base.weight_bounds[:1] * (len(layers) - 1), base.activations[:1] * (len(layers) - 2)
    return base.changed(kind="multilayer", layers=layers, weight_bounds=boxes, activations=units)


def one_space(space: Space, depth: int) -> Space:
    """The search space of an architecture; a single layer has nothing to drop."""
    return replace(space, keep_probs=((1.0, 1.0),)) if depth == 0 else space


Metric = Literal["bound", "iterations", "samples", "seconds", "work"]


@dataclass(frozen=True, slots=True)
class Search:
    """What is compared, and by what.

    Attributes:
        base: the spec's problem; the lengths come from the lattice.
        space: what may be chosen of each architecture.
        lattice: the architectures.
        constants: behind the bound.
        metric: what is minimised; `bound` without a target.
    """

    base: Problem
    space: Space
    lattice: Lattice
    constants: ConstantsName
    metric: Metric

    def joint_problem(self, layers: Sequence[Numeric]) -> Problem:
        """The problem of many architectures at once: what reads its layers only multiplies them.

        Args:
            layers: d_0..d_L, numbers or arrays that broadcast against the candidates.
        """
        ends = self.base.layers[0], self.base.layers[-1]
        many = ends if len(layers) == 2 else cast("tuple[int, ...]", tuple(layers))
        return one_problem(self.base, many)

    def objective(self, layers: Sequence[Numeric]) -> Objective:
        """The bound of many architectures at once."""
        many = self.joint_problem(layers)
        if len(layers) == 2:
            return objective_for(many, self.constants, everywhere=False)
        return theorem_of(many.kind, self.constants)(many).objective

    def lengths(self, block: Block, picked: NDArray[np.intp] | slice = slice(None)) -> list[Numeric]:
        """d_0..d_L of some architectures of a block, (architectures, 1) each."""
        hidden = [block.hidden[picked, layer, None].astype(np.float64) for layer in range(block.depth)]
        return [float(self.lattice.inputs), *hidden, float(self.lattice.outputs)]
