"""f(W) = E loss and its exact gradient, over all rows of the data and over the masks.

Without masks the expectation is a pass over the data. With masks it runs over every mask too where
there are few enough; else masks are sampled, the same number for each row, in two independent halves.
The squared distance of the sampled gradient from the true one is then at most sigma^2/samples in
expectation, and the inner product of the halves is free of that error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rsgadvise.records import dataclass
from rsgadvise.training.networks import Array, Data, Kernel, Network, Weights, projected

FEWEST_ROWS = 32
"""Of one block, however wide the network."""

MOST_MASKED_UNITS = 12
"""Up to here, 4096 masks, they are enumerated if `MOST_TERMS` allows."""

MOST_TERMS = 1 << 15
"""Most (row, mask) pairs of one exact expectation."""

BLOCK_BYTES = 1 << 21  # buffers of one block of rows, for all replicas of one call


@dataclass(frozen=True, slots=True)
class Measured:
    """What an expectation says of some weights, one entry per replica.

    Attributes:
        loss: f(W).
        squared_norm: ||grad f(W)||^2 over all matrices together, projected where there is a box.
        product: inner product of the two halves' (projected) gradients, unbiased for the squared norm
            wherever the box is slack; the squared norm itself where no mask is sampled.
    """

    loss: Array
    squared_norm: Array
    product: Array


class Expectation:
    """The objective of a network on some data.

    Args:
        network, data: which expectation.
        mask_samples: masks per row, in each half, where they have to be sampled.
        most_terms: (row, mask) pairs up to which every mask is taken.
        penalty: lambda of a term lambda ||W||^2/2 of f.
    """

    def __init__(
        self,
        network: Network,
        data: Data,
        *,
        mask_samples: int = 1,
        most_terms: int = MOST_TERMS,
        penalty: float = 0.0,
    ) -> None:
        self.network, self.data, self.penalty = network, data, penalty
        self._units = sum(network.masked_widths)
        terms = data.rows << min(self._units, 63)
        self.exact = self._units <= MOST_MASKED_UNITS and terms <= most_terms
        self.mask_samples = 1 if self.exact else mask_samples
        self._terms = terms if self.exact else data.rows * self.mask_samples
        width = 8 * (3 * sum(network.widths) + sum(network.masked_widths))
        self._rows = int(min(self._terms, max(FEWEST_ROWS, BLOCK_BYTES // width)))
        size = 3 * sum(map(math.prod, network.shapes)) * 8
        self._replicas = int(max(1, BLOCK_BYTES // (self._rows * width + size)))

    @property
    def pairs(self) -> int:
        """(row, mask) pairs behind what `gradient` or `loss` says."""
        return self._terms

    @property
    def samples(self) -> int:
        """(row, mask) pairs behind what `measure` says."""
        return self._terms if self.exact else 2 * self._terms

    def measure(
        self, weights: Weights, stepsizes: Sequence[float], rngs: Sequence[np.random.Generator]
    ) -> Measured:
        """f and the squared norm of its (projected) gradient for each replica.

        Args:
            weights: one (m, d_l, d_{l-1}) array per matrix.
            stepsizes: gamma of each matrix, which the projection depends on.
            rngs: one per replica, for masks that are sampled.
        """
        loss, gradient = self.gradient(weights, rngs)
        step = projected(self.network, weights, gradient, stepsizes)
        if self.exact:
            norm = _inner(step, step)
            return Measured(loss, norm, norm)
        other_loss, other = self.gradient(weights, rngs)
        product = _inner(step, projected(self.network, weights, other, stepsizes))
        middle: Weights = [(a + b) / 2 for a, b in zip(gradient, other, strict=True)]
        both = projected(self.network, weights, middle, stepsizes)
        return Measured((loss + other_loss) / 2, _inner(both, both), product)

    def gradient(self, weights: Weights, rngs: Sequence[np.random.Generator]) -> tuple[Array, Weights]:
        """(losses (m,), gradient of each matrix), from one half where masks are sampled."""
        loss = self._penalties(weights)
        total = [np.zeros(matrix.shape, matrix.dtype) for matrix in weights]
        with np.errstate(over="ignore", invalid="ignore"):
            for group, part, scale, row_weights in self._groups(weights, rngs):
                blocks = self._kernel.gradient(part, scale=scale, row_weights=row_weights, losses=loss[group])
                for sum_, block in zip(total, blocks, strict=True):
                    sum_[group] += block
            if self.penalty:
                total = [sum_ + self.penalty * matrix for sum_, matrix in zip(total, weights, strict=True)]
        return loss, total

    def loss(self, weights: Weights, rngs: Sequence[np.random.Generator]) -> Array:
        """f of each replica alone, from one half where masks are sampled: a third of a gradient's work."""
        loss = self._penalties(weights)
        with np.errstate(over="ignore", invalid="ignore"):
            for group, part, scale, row_weights in self._groups(weights, rngs):
                loss[group] += self._kernel.loss(part, scale=scale, row_weights=row_weights)
        return loss

    def _penalties(self, weights: Weights) -> Array:
        return self.penalty / 2 * _inner(weights, weights) if self.penalty else np.zeros(len(weights[0]))

    @cached_property
    def _kernel(self) -> Kernel:
        return Kernel(
            self.network,
            replicas=self._replicas,
            rows=self._rows,
            dtype=self.data.inputs.dtype,
            shared=self.exact,
        )

    def _groups(
        self, weights: Weights, rngs: Sequence[np.random.Generator]
    ) -> Iterator[tuple[slice, Weights, float, Array | None]]:
        """As many replicas as fit, block by block of rows: (which, their weights, factor, row weights)."""
        replicas = len(weights[0])
        for first in range(0, replicas, self._replicas):
            group = slice(first, min(first + self._replicas, replicas))
            part = [matrix[group] for matrix in weights]
            for scale, row_weights in self._blocks(len(part[0]), rngs[group]):
                yield group, part, scale, row_weights

    def _blocks(
        self, replicas: int, rngs: Sequence[np.random.Generator]
    ) -> Iterator[tuple[float, Array | None]]:
        """Load the rows block by block; yields the factor and the row weights of each."""
        data, kernel = self.data, self._kernel
        masks = (1 << self._units) if self.exact else self.mask_samples
        for first in range(0, self._terms, self._rows):
            terms = np.arange(first, min(first + self._rows, self._terms))
            kernel.activate(replicas, len(terms))
            rows = terms // masks
            kernel.inputs[...] = data.inputs[rows]
            if kernel.targets is not kernel.inputs:
                kernel.targets[...] = data.targets[rows]
            if not kernel.masks:
                yield 1 / data.rows, None
            elif self.exact:
                yield 1 / data.rows, self._every_mask(kernel, terms % masks)
            else:
                for replica, rng in enumerate(rngs):
                    for mask in kernel.masks:
                        uniform = rng.random(mask.shape[1:])
                        np.less(uniform, self.network.keep_prob, out=mask[replica])
                yield 1 / self._terms, None

    def _every_mask(self, kernel: Kernel, patterns: NDArray[np.int64]) -> Array:
        """Write the numbered masks into the kernel; returns their probabilities."""
        keep = self.network.keep_prob
        kept = (patterns[:, None] >> np.arange(self._units)) & 1
        first = 0
        for mask in kernel.masks:
            mask[0] = kept[:, first : first + mask.shape[-1]]
            first += mask.shape[-1]
        ones = kept.sum(axis=1)
        return np.asarray(keep**ones * (1 - keep) ** (self._units - ones))


def _inner(left: Weights, right: Weights) -> Array:
    """Inner product of two gradients for each replica."""
    with np.errstate(over="ignore", invalid="ignore"):
        parts = [np.einsum("mij,mij->m", a, b) for a, b in zip(left, right, strict=True)]
        return np.asarray(np.sum(parts, axis=0))
