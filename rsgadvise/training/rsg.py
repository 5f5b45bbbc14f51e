"""Randomly stopped mini-batch SGD: Algorithms 1 to 3 of the paper, many replicas at a time.

A replica runs W^{k+1} = P(W^k - gamma_k G(W^k)) from the common W^1 for k = 1, 2, ..., with mini-batches
drawn with replacement, and is looked at in the iterations R that were drawn for it. Another optimiser puts
its own update in place of G, and remembers what it needs for that. A replica takes all its randomness from
its own `Stream`, so its path is the same, bit for bit, whatever runs beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from threading import Event
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsgadvise.records import dataclass
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.training.networks import (
    Data,
    Kernel,
    Network,
    Weights,
    by_inputs,
    clip_to_box,
    laid_by_inputs,
    one_thread,
)

IntArray = NDArray[np.int64]
Memory: TypeAlias = Sequence[Weights]

AHEAD_BYTES = 1 << 22  # indices of mini-batches drawn at once, for all replicas together
CACHE_BYTES = 1 << 22  # weights, signals and errors of replicas that advance in one call
THREAD_WORK = 5e7  # multiplications of one step below which threads would wait for each other too often
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
        optimizer: what makes updates of gradients.
    """

    network: Network
    data: Data
    stepsizes: tuple[float, ...]
    batch_size: int
    decay: float = 0.0
    optimizer: Optimizer = PLAIN

    @property
    def examples(self) -> int:
        """Examples that one step computes with: one row is its own mean, however often it is drawn."""
        masked = bool(self.network.masked_widths)
        return 1 if self.data.rows == 1 and not masked else self.batch_size

    def stepsizes_at(self, iteration: int) -> tuple[float, ...]:
        """gamma_k of each matrix."""
        if self.decay == 0:
            return self.stepsizes
        return tuple(gamma * iteration**-self.decay for gamma in self.stepsizes)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The weights W^k of the replicas that are looked at in iteration k.

    Attributes:
        iteration: k.
        replicas: indices into the streams.
        weights: copies, one (len(replicas), d_l, d_{l-1}) array per matrix.
        losses: sums of the mini-batch losses of the updates so far, (len(replicas),), where they are
            recorded: the differences of two are what the updates in between saw, at no further cost.
        memory: of the optimiser, for each of its names one array per matrix.
    """

    iteration: int
    replicas: IntArray
    weights: Weights
    losses: NDArray[np.float64] | None = None
    memory: Memory = ()


@dataclass(frozen=True, slots=True)
class Pace:
    """Stepsizes of replicas that differ in them: gamma_k = stepsizes k^-decays.

    Attributes:
        stepsizes: (replicas, matrices).
        decays: (replicas,).
    """

    stepsizes: NDArray[np.float64]
    decays: NDArray[np.float64]

    def of(self, replicas: IntArray) -> Pace:
        """The pace of some of the replicas."""
        return Pace(self.stepsizes[replicas], self.decays[replicas])

    def at(self, iteration: int, group: slice) -> NDArray[np.float64]:
        """gamma_k of some replicas, (replicas, matrices)."""
        return np.asarray(self.stepsizes[group] * float(iteration) ** -self.decays[group, None])


def train(
    training: Training,
    start: Weights,
    streams: Sequence[Stream],
    stops: Sequence[IntArray],
    *,
    first: int = 1,
    memory: Memory = (),
    pace: Pace | None = None,
    record: bool = False,
    threads: int = 1,
) -> Iterator[Snapshot]:
    """Run one replica per stream, each up to its last stop, and yield the weights at every stop.

    W^k has seen k - 1 updates, and `start` is W^first, so that a run can be taken up again with the same
    streams where it was left: it draws no more from them than it uses. A weight that leaves the range of
    numbers becomes inf or NaN without a warning; whoever measures it has to look.

    Args:
        training: the setting.
        start: W^first, one (1, d_l, d_{l-1}) array per matrix, or one matrix for each replica.
        streams: one per replica.
        stops: the iterations R >= first of each replica, in increasing order, repeats allowed.
        first: the iteration that the replicas start from.
        memory: of the optimiser there, shaped like the start; zeros where it is left out.
        pace: stepsizes of each replica, in place of those of the setting.
        record: whether to add up the mini-batch losses.
        threads: at most so many share the replicas, where a step is long enough; each replica's path is
            the same, bit for bit, for any number.
    """
    last = np.array([stop[-1] for stop in stops])
    order = np.argsort(-last, kind="stable")  # those that stop first are dropped from the end
    work = 3 * training.examples * sum(math.prod(shape) for shape in training.network.shapes) * len(order)
    sharing = min(threads, len(order)) if work > THREAD_WORK else 1
    shares = [order[share::sharing] for share in range(sharing)]
    runs = [
        _Run(training, start, memory, streams, share, last[share], first, pace, record) for share in shares
    ]
    due: dict[int, list[tuple[int, int]]] = {}
    for number, share in enumerate(shares):
        for place, replica in enumerate(share):
            for iteration in np.unique(stops[replica]):
                due.setdefault(int(iteration), []).append((number, place))
    with _Crew(runs) as crew:
        for iteration in sorted(due):
            crew.advance(iteration)
            yield _snapshot(iteration, runs, due[iteration])


def _snapshot(iteration: int, runs: Sequence[_Run], due: Sequence[tuple[int, int]]) -> Snapshot:
    """Copies of the weights of the replicas that are due."""
    places = [[place for number, place in due if number == index] for index in range(len(runs))]
    shown = [(run, here) for run, here in zip(runs, places, strict=True) if here]

    def copies(kept: Sequence[Weights]) -> Weights:
        """Row by row, however the runs keep them: what is measured must not depend on that."""
        parts = [[matrix[here] for matrix in own] for own, (_, here) in zip(kept, shown, strict=True)]
        return [np.ascontiguousarray(np.concatenate(level)) for level in zip(*parts, strict=True)]

    return Snapshot(
        iteration,
        np.concatenate([run.replicas[here] for run, here in shown]),
        copies([run.weights for run, _ in shown]),
        np.concatenate([run.losses[here] for run, here in shown]) if shown[0][0].record else None,
        [copies([run.memory[name] for run, _ in shown]) for name in range(len(runs[0].memory))],
    )


class _Crew:
    """The runs of one training, each in a thread of its own where there are several."""

    def __init__(self, runs: Sequence[_Run]) -> None:
        self._runs = runs
        self._abandoned = Event()
        self._pool = ThreadPoolExecutor(len(runs)) if len(runs) > 1 else None

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._abandoned.set()
        if self._pool is not None:
            self._pool.shutdown()

    def advance(self, iteration: int) -> None:
        """Bring every replica that runs so far to the iteration."""
        with one_thread():
            if self._pool is None:
                self._runs[0].advance(iteration, self._abandoned)
            else:
                for done in [
                    self._pool.submit(run.advance, iteration, self._abandoned) for run in self._runs
                ]:
                    done.result()


@dataclass(slots=True)
class _Run:
    """Weights and buffers of replicas that advance together, those that stop last in front."""

    training: Training
    start: Weights
    memory: Memory
    streams: Sequence[Stream]
    replicas: IntArray
    last: IntArray
    iteration: int
    pace: Pace | None
    record: bool
    weights: Weights = field(init=False)
    losses: NDArray[np.float64] = field(init=False)
    _drawn: int = field(init=False, default=0)
    _used: int = field(init=False, default=0)
    _changes: int = field(init=False, default=0)
    _parts: list[tuple[slice, Weights, Memory]] = field(init=False, default_factory=list)
    _kernel: Kernel = field(init=False)
    _batches: NDArray[np.int64] = field(init=False)
    _uniform: list[NDArray[np.float32]] = field(init=False)

    def __post_init__(self) -> None:
        training, replicas = self.training, len(self.replicas)
        network, data, batch = training.network, training.data, training.examples
        dtype = data.inputs.dtype
        self.streams = [self.streams[replica] for replica in self.replicas]
        self.pace = None if self.pace is None else self.pace.of(self.replicas)
        self.losses = np.zeros(replicas)
        self.weights = self._own(self.start)
        if self.memory:
            self.memory = [self._own(kept) for kept in self.memory]
        else:
            names = training.optimizer.memory
            self.memory = [[np.zeros_like(matrix) for matrix in self.weights] for _ in names]
        work = sum(map(math.prod, network.shapes)) + 2 * batch * sum(network.widths)
        together = min(replicas, max(1, CACHE_BYTES // (dtype.itemsize * work)))
        self._kernel = Kernel(network, replicas=together, rows=batch, dtype=dtype)
        self._drawn = max(1, AHEAD_BYTES // (8 * replicas * batch))
        self._used = self._drawn
        self._batches = np.empty((replicas, self._drawn, batch), np.int64)
        self._uniform = [np.empty((batch, width), _MASK_TYPE) for width in network.masked_widths]

    def _own(self, start: Weights) -> Weights:
        """A matrix for each replica, of the type of the data, as the kernel has its gradients."""
        network, dtype = self.training.network, self.training.data.inputs.dtype
        own: Weights = [
            np.repeat(matrix, len(self.replicas), axis=0).astype(dtype)
            if len(matrix) == 1
            else matrix[self.replicas].astype(dtype)
            for matrix in start
        ]
        if by_inputs(network, dtype):
            own[0] = laid_by_inputs(own[0])
        return own

    def advance(self, until: int, abandoned: Event) -> None:
        """Update all replicas that stop later, up to W^until or their own last stop."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            while self.iteration < until and not abandoned.is_set():
                if self.iteration >= self._changes:
                    self._regroup()
                if self._parts:
                    self._step()
                self.iteration += 1

    def _regroup(self) -> None:
        """Form the groups that are updated together, of the replicas that have not stopped."""
        active = int(np.count_nonzero(self.last > self.iteration))
        self._changes = int(self.last[active - 1]) if active else int(self.last[0])
        together = self._kernel.replicas
        groups = [slice(first, min(first + together, active)) for first in range(0, active, together)]
        self._parts = [
            (
                group,
                [matrix[group] for matrix in self.weights],
                [[kept[level][group] for kept in self.memory] for level in range(len(self.weights))],
            )
            for group in groups
        ]

    def _step(self) -> None:
        """One update of all that have not stopped."""
        if self._used == self._drawn:
            rows = self.training.data.rows
            for stream, batches, last in zip(self.streams, self._batches, self.last, strict=True):
                if last > self.iteration:
                    ahead = batches[: last - self.iteration]
                    ahead[:] = stream.batches.integers(0, rows, size=ahead.shape)
            self._used = 0
        common, factors = self._factors()
        scale = common / self._batches.shape[2]
        optimizer = self.training.optimizer
        for group, weights, memory in self._parts:
            self._load(group)
            losses = self.losses[group] if self.record else None
            steps = self._kernel.gradient(weights, scale=scale, losses=losses)
            if not optimizer.bare:
                for step, matrix, kept in zip(steps, weights, memory, strict=True):
                    optimizer.turn(step, matrix, kept, self.iteration)
            own = factors if self.pace is None else self._paces(group, steps[0].dtype)
            for level, (matrix, step) in enumerate(zip(weights, steps, strict=True)):
                if own:
                    np.multiply(step, own[level], out=step)
                np.subtract(matrix, step, out=matrix)
            clip_to_box(self.training.network, weights)
        self._used += 1

    def _factors(self) -> tuple[float, Sequence[Any]]:
        """(factor of the errors, factor of each gradient or none).

        One stepsize for all costs nothing as a factor of the errors, unless it would overflow there, the
        losses are to be the mini-batch's own, or the optimiser is to see the gradient itself.
        """
        gammas = self.training.stepsizes_at(self.iteration)
        plain = self.pace is None and not self.record and self.training.optimizer.bare
        if plain and gammas[0] < _LARGE and len(set(gammas)) == 1:
            return gammas[0], ()
        return 1.0, gammas

    def _paces(self, group: slice, dtype: np.dtype[Any]) -> Sequence[Any]:
        """gamma of each matrix and replica, to be multiplied with its gradients."""
        assert self.pace is not None
        return list(self.pace.at(self.iteration, group).astype(dtype).T[:, :, None, None])

    def _load(self, group: slice) -> None:
        """Mini-batches and masks of this step."""
        data, kernel = self.training.data, self._kernel
        rows = self._batches[group, self._used]
        kernel.activate(len(rows), rows.shape[1])
        data.inputs.take(rows, axis=0, out=kernel.inputs, mode="clip")
        if kernel.targets is not kernel.inputs:
            data.targets.take(rows, axis=0, out=kernel.targets, mode="clip")
        keep_prob = self.training.network.keep_prob
        for replica, stream in enumerate(self.streams[group] if kernel.masks else ()):
            for uniform, mask in zip(self._uniform, kernel.masks, strict=True):
                stream.masks.random(out=uniform, dtype=_MASK_TYPE)
                np.less(uniform, keep_prob, out=mask[replica])
