"""Replica-steps per second of the batched training engine, against PyTorch and the bare matrix products.

The peers: `eager`, a PyTorch loop over the replicas as people write it; `bmm`, all replicas in one PyTorch
computation on (T, d_l, d_{l-1}) parameters; `products`, nothing but the matrix products of a step in NumPy,
which no engine on NumPy can beat. All with the libraries' own number of threads, so the machine has to be
idle otherwise: threads that wait for a busy core can slow any of them down a hundredfold.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsgadvise.training.networks import Array, Data, Network, Weights, initial_weights
from rsgadvise.training.rsg import Stream, Training, train

__all__ = ["run"]

_ROWS = 2000
_ROUNDS = 15
_SECONDS = 0.3  # of each contestant in each round
_PAUSE = 0.1  # before each turn: threads of the linear algebra spin for a while after their last product
_PEERS = ("eager", "bmm", "products")


@dataclass(frozen=True, slots=True)
class _Case:
    """One network, and the least ratios to the peers that are promised for it by type."""

    network: Network
    replicas: int
    batch_size: int
    limits: dict[type[Any], dict[str, float]]

    def training(self, dtype: type[Any]) -> Training:
        """The run on random data."""
        rng, layers = np.random.default_rng(0), self.network.layers
        x, y = (rng.random((_ROWS, width)).astype(dtype) for width in (layers[0], layers[-1]))
        return Training(self.network, Data(x, y), (0.1,) * (len(layers) - 1), self.batch_size)


_SMALL = {np.float32: {"eager": 20.0, "bmm": 2.0}, np.float64: {}}
_LARGE = {dtype: {"eager": 1.2, "products": 0.6} for dtype in (np.float32, np.float64)}
_CASES = (
    _Case(Network("single_layer", (64, 10)), 32, 32, _SMALL),
    _Case(Network("multilayer", (64, 32, 10), (0.5, 0.5)), 32, 32, _SMALL),
    _Case(Network("multilayer", (784, 200, 100, 10), (0.1, 0.2, 0.3)), 8, 100, _LARGE),
)


def _start(training: Training) -> Weights:
    return initial_weights(training.network, np.random.default_rng(1))


def _ours(training: Training, replicas: int) -> Callable[[int], Weights]:
    """Trains for so many steps with the engine, and returns the weights."""
    streams = [Stream(0, (replica,)) for replica in range(replicas)]
    threads = len(os.sched_getaffinity(0))

    def advance(steps: int) -> Weights:
        stops = [np.array([steps + 1])] * replicas
        (end,) = train(training, _start(training), streams, stops, threads=threads)
        return end.weights

    return advance


def _torch(
    training: Training, replicas: int, *, together: bool, batches: NDArray[np.int64] | None = None
) -> Callable[[int], Weights]:
    """The same in PyTorch: each replica by itself, or all together; on (steps, replicas, B) given batches."""
    import torch

    network, batch = training.network, training.batch_size
    inputs, targets = torch.tensor(training.data.inputs), torch.tensor(training.data.targets)
    start = [torch.tensor(matrix[0], dtype=inputs.dtype) for matrix in _start(training)]
    product = torch.bmm if together else torch.mm
    size = (replicas, batch) if together else (batch,)
    if together:
        start = [matrix.repeat(replicas, 1, 1) for matrix in start]
    models = [[m.clone().requires_grad_() for m in start] for _ in range(1 if together else replicas)]
    bounds = network.weight_bounds or (None,) * len(start)

    def advance(steps: int) -> Weights:
        for step in range(steps):
            for place, weights in enumerate(models):
                if batches is None:
                    rows = torch.randint(_ROWS, size)
                else:
                    rows = torch.tensor(batches[step] if together else batches[step, place])
                signal = inputs[rows]
                for matrix in weights:
                    signal = torch.sigmoid(product(signal, matrix.mT))
                loss = (signal - targets[rows]).square().sum() / batch
                gradient = torch.autograd.grad(loss, weights)
                with torch.no_grad():
                    for matrix, slope, bound, gamma in zip(
                        weights, gradient, bounds, training.stepsizes, strict=True
                    ):
                        matrix.sub_(slope, alpha=gamma)
                        if bound is not None:
                            matrix.clamp_(-bound, bound)
        ends = zip(*models, strict=True)
        return [torch.stack(end).detach().reshape(replicas, *end[0].shape[-2:]).numpy() for end in ends]

    return advance


def _products(training: Training, replicas: int) -> Callable[[int], None]:
    """The matrix products of so many steps, on signals, weights and errors of the usual sizes."""
    rng, batch, layers = np.random.default_rng(2), training.batch_size, training.network.layers
    dtype = training.data.inputs.dtype

    def buffers(width: int, scale: float = 1.0) -> Array:
        return (scale * rng.random((replicas, batch, width))).astype(dtype)

    weights = [np.repeat(matrix.astype(dtype), replicas, axis=0) for matrix in _start(training)]
    signals, errors = [buffers(width) for width in layers], [buffers(width, 0.01) for width in layers]
    spare, gradients = [np.empty_like(s) for s in signals], [np.empty_like(w) for w in weights]

    def advance(steps: int) -> None:
        for _ in range(steps):
            for level, matrix in enumerate(weights):
                np.matmul(signals[level], matrix.swapaxes(1, 2), out=spare[level + 1])
            for level in range(len(weights) - 1, -1, -1):
                np.matmul(errors[level + 1].swapaxes(1, 2), signals[level], out=gradients[level])
                if level:
                    np.matmul(errors[level + 1], weights[level], out=spare[level])

    return advance


def _check() -> None:
    """All that train come to the same weights from the same batches."""
    replicas, steps = 3, 5
    training = _CASES[1].training(np.float64)
    draws = [
        Stream(0, (replica,)).batches.integers(0, _ROWS, size=(steps, training.batch_size))
        for replica in range(replicas)
    ]
    expected = _ours(training, replicas)(steps)
    for together in (False, True):
        found = _torch(training, replicas, together=together, batches=np.stack(draws, axis=1))(steps)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def _seconds(advance: Callable[[int], object], steps: int) -> float:
    begun = time.perf_counter()
    advance(steps)
    return time.perf_counter() - begun


def _serve(pipe: Connection, case: _Case, dtype: type[Any], name: str) -> None:
    """One contestant's process: takes numbers of steps, and answers with seconds."""
    training = case.training(dtype)
    make: dict[str, Callable[..., Callable[[int], object]]] = {
        "ours": _ours,
        "eager": partial(_torch, together=False),
        "bmm": partial(_torch, together=True),
        "products": _products,
    }
    advance = make[name](training, case.replicas)
    while steps := pipe.recv():
        pipe.send(_seconds(advance, steps))


class _Contestant:
    """One side, in a process of its own: idle threads of one library would slow the other down."""

    def __init__(self, case: _Case, dtype: type[Any], name: str) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        context.Process(target=_serve, args=(theirs, case, dtype, name), daemon=True).start()
        theirs.close()
        self._steps, self._replicas = 1, case.replicas
        while (seconds := self._time()) < _SECONDS / 4:  # which also warms up
            self._steps *= 2
        self._steps = max(1, round(self._steps * _SECONDS / seconds))

    def _time(self) -> float:
        time.sleep(_PAUSE)
        self._pipe.send(self._steps)
        return float(self._pipe.recv())

    def rate(self) -> float:
        """Replica-steps per second of one turn."""
        return self._replicas * self._steps / self._time()

    def end(self) -> None:
        """Let the process finish."""
        self._pipe.send(0)


def _measure(case: _Case, dtype: type[Any]) -> None:
    limits = case.limits[dtype]
    contestants = {name: _Contestant(case, dtype, name) for name in ("ours", *_PEERS)}
    rounds = [{name: side.rate() for name, side in contestants.items()} for _ in range(_ROUNDS)]
    for side in contestants.values():
        side.end()
    label = "-".join(map(str, case.network.layers))
    print(f"training {label}, T={case.replicas}, B={case.batch_size}, {np.dtype(dtype).name}")
    print(f"  ours      {statistics.median(turn['ours'] for turn in rounds):10,.0f} replica-steps/s")
    for peer in _PEERS:
        rate = statistics.median(turn[peer] for turn in rounds)
        ratio = statistics.median(turn["ours"] / turn[peer] for turn in rounds)
        limit = f" (limit {limits[peer]:g})" if peer in limits else ""
        print(f"  {peer:9} {rate:10,.0f}   ratio {ratio:6.2f}{limit}", flush=True)


def run() -> None:
    """Print our rate, then each peer's and the median of the pairwise ratios."""
    if importlib.util.find_spec("torch") is None:
        print("training: skipped without PyTorch, the peer; pip install 'rsgadvise[bench]'")
        return
    _check()
    for case in _CASES:
        for dtype in (np.float32, np.float64):
            _measure(case, dtype)


if __name__ == "__main__":
    run()
