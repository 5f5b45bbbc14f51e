"""Randomly stopped mini-batch SGD: Algorithms 1 to 3 of the paper, many replicas at a time.

A replica runs W^{k+1} = P(W^k - gamma_k G(W^k)) from the common W^1 for k = 1, 2, ..., with mini-batches
drawn with replacement, and is looked at in the iterations R that were drawn for it. It takes all its
randomness from its own `Stream`, so its path is the same, bit for bit, whatever runs beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rsgadvise.networks import Data, Kernel, Network, Weights, clip_to_box

__all__ = ["Snapshot", "Stream", "Training", "train"]

IntArray = NDArray[np.int64]

_AHEAD_BYTES = 1 << 22  # indices of mini-batches drawn at once, for all replicas together
_CACHE_BYTES = 1 << 22  # weights, signals and errors of replicas that advance in one call
_LARGE = 1e30
_MASK_TYPE = np.float32  # 24 random bits per unit: P(kept) is exact to 6e-8


class Stream:
    """The randomness of one replica: its stopping iterations, its mini-batches and its masks.

    Args:
        seed: of the whole experiment.
        key: non-negative integers that tell this replica from every other.
    """

    def __init__(self, seed: int, key: Sequence[int]) -> None:
        children = np.random.SeedSequence(seed, spawn_key=tuple(key)).spawn(4)
        self.stopping, self.batches, self.masks, self.measuring = map(np.random.default_rng, children)


@dataclass(frozen=True, slots=True)
class Training:
    """What one training run is, but for its randomness and its start.

    Attributes:
        network, data: what is trained on what; the weights take the type of the data.
        stepsizes: gamma of each weight matrix.
        batch_size: B; may exceed the rows of the data, since they are drawn with replacement.
        decay: rho of gamma_k = gamma k^-rho.
    """

    network: Network
    data: Data
    stepsizes: tuple[float, ...]
    batch_size: int
    decay: float = 0.0

    @property
    def examples(self) -> int:
        """Examples that one step computes with: one row is its own mean, however often it is drawn."""
        masked = bool(self.network.masked_widths)
        return 1 if self.data.rows == 1 and not masked else self.batch_size

    def stepsizes_at(self, iteration: int) -> tuple[float, ...]:
        """gamma_k of each matrix."""
        return tuple(gamma * iteration**-self.decay for gamma in self.stepsizes)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The weights W^k of the replicas that are looked at in iteration k.

    Attributes:
        iteration: k.
        replicas: indices into the streams.
        weights: copies, one (len(replicas), d_l, d_{l-1}) array per matrix.
    """

    iteration: int
    replicas: IntArray
    weights: Weights


def train(
    training: Training, start: Weights, streams: Sequence[Stream], stops: Sequence[IntArray]
) -> Iterator[Snapshot]:
    """Run one replica per stream, each up to its last stop, and yield the weights at every stop.

    W^1 is `start`, and W^k has seen k - 1 updates. A weight that leaves the range of numbers becomes
    inf or NaN without a warning; whoever measures it has to look.

    Args:
        training: the setting.
        start: W^1, one (1, d_l, d_{l-1}) array per matrix.
        streams: one per replica.
        stops: the iterations R of each replica, in increasing order, repeats allowed.
    """
    last = np.array([stop[-1] for stop in stops])
    order = np.argsort(-last, kind="stable")  # those that stop first are dropped from the end
    due: dict[int, list[int]] = {}
    for place, replica in enumerate(order):
        for iteration in np.unique(stops[replica]):
            due.setdefault(int(iteration), []).append(place)
    run = _Run(training, start, [streams[replica] for replica in order])
    active = len(order)
    for iteration in range(1, int(last.max()) + 1):
        if iteration in due:
            places = np.array(due[iteration])
            yield Snapshot(iteration, order[places], [matrix[places] for matrix in run.weights])
        while active and last[order[active - 1]] <= iteration:
            active -= 1
        if active:
            run.step(iteration, active)


@dataclass(slots=True)
class _Run:
    """Weights and buffers of replicas that advance together."""

    training: Training
    start: Weights
    streams: Sequence[Stream]
    weights: Weights = field(init=False)
    _drawn: int = field(init=False, default=0)
    _used: int = field(init=False, default=0)

    _kernel: Kernel = field(init=False)
    _batches: NDArray[np.int64] = field(init=False)
    _uniform: list[NDArray[np.float32]] = field(init=False)

    def __post_init__(self) -> None:
        training, replicas = self.training, len(self.streams)
        network, data, batch = training.network, training.data, training.examples
        dtype = data.inputs.dtype
        self.weights = [np.repeat(matrix.astype(dtype), replicas, axis=0) for matrix in self.start]
        work = sum(map(math.prod, network.shapes)) + 2 * batch * sum(network.widths)
        together = min(replicas, max(1, _CACHE_BYTES // (dtype.itemsize * work)))
        self._kernel = Kernel(network, replicas=together, rows=batch, dtype=dtype)
        self._drawn = max(1, _AHEAD_BYTES // (8 * replicas * batch))
        self._used = self._drawn
        self._batches = np.empty((replicas, self._drawn, batch), np.int64)
        self._uniform = [np.empty((batch, width), _MASK_TYPE) for width in network.masked_widths]

    def step(self, iteration: int, active: int) -> None:
        """One update of the first `active` replicas."""
        training = self.training
        if self._used == self._drawn:
            for stream, batches in zip(self.streams[:active], self._batches, strict=False):
                batches[:] = stream.batches.integers(0, training.data.rows, size=batches.shape)
            self._used = 0
        gammas = training.stepsizes_at(iteration)
        for first in range(0, active, self._kernel.replicas):
            self._update(slice(first, min(first + self._kernel.replicas, active)), gammas)
        self._used += 1

    def _update(self, group: slice, gammas: Sequence[float]) -> None:
        """The update of replicas few enough that their buffers stay in the cache."""
        training, kernel = self.training, self._kernel
        self._load(group)
        weights = [matrix[group] for matrix in self.weights]
        with np.errstate(over="ignore", invalid="ignore"):
            # One stepsize for all costs nothing as a factor of the errors, unless it would overflow there.
            common = gammas[0] if len(set(gammas)) == 1 and gammas[0] < _LARGE else 1.0
            steps = kernel.gradient(weights, scale=common / training.examples)
            for matrix, step, gamma in zip(weights, steps, gammas, strict=True):
                if gamma != common:
                    np.multiply(step, gamma, out=step)
                np.subtract(matrix, step, out=matrix)
        clip_to_box(training.network, weights)

    def _load(self, group: slice) -> None:
        """Mini-batches and masks of this step."""
        data, kernel = self.training.data, self._kernel
        rows = self._batches[group, self._used]
        kernel.activate(len(rows), rows.shape[1])
        np.take(data.inputs, rows, axis=0, out=kernel.inputs, mode="clip")
        if kernel.targets is not kernel.inputs:
            np.take(data.targets, rows, axis=0, out=kernel.targets, mode="clip")
        keep_prob = self.training.network.keep_prob
        for replica, stream in enumerate(self.streams[group] if kernel.masks else ()):
            for uniform, mask in zip(self._uniform, kernel.masks, strict=True):
                stream.masks.random(out=uniform, dtype=_MASK_TYPE)
                np.less(uniform, keep_prob, out=mask[replica])
