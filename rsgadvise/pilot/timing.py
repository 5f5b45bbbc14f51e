"""What a step takes of this machine, by batch size: seconds and memory."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np

from rsgadvise.records import dataclass
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.training.networks import Data, Kernel, Network, initial_weights, one_thread
from rsgadvise.training.rsg import Stream, Training, train

_TIMED = (16, 128, 1024)
_REPEATS = 3  # the least of them counts: whatever else runs on the machine only adds
_SECONDS = 0.03  # of one repeat, at the least
_MOST_STEPS = 4096
_FREE = 1 << 30  # bytes, where the system does not tell
_LARGEST = 2**24  # rows


@dataclass(frozen=True, slots=True)
class StepCost:
    """Seconds of one step: per_iteration + per_sample * batch_size.

    Attributes:
        per_iteration, per_sample: t0 and t1.
        source: given in the spec, or measured on this machine.
        timed: (batch size, seconds of a step) behind a measured one.
    """

    per_iteration: float
    per_sample: float
    source: Literal["given", "measured"]
    timed: tuple[tuple[int, float], ...] = ()

    def of(self, batch_size: int) -> float:
        return self.per_iteration + self.per_sample * batch_size


def fitted(timed: Iterable[tuple[int, float]]) -> StepCost:
    """t0 + t1 B of least squares of relative errors, neither below 0.

    Args:
        timed: (batch size, seconds of a step).

    Example:
        >>> found = fitted([(8, 1.8e-4), (64, 7.4e-4), (512, 5.22e-3)])
        >>> round(found.per_iteration, 9), round(found.per_sample, 9)
        (0.0001, 1e-05)
    """
    from scipy.optimize import nnls

    known = tuple(timed)
    if len(known) == 1:
        return StepCost(known[0][1], 0.0, "measured", known)
    relative = np.array([[1 / seconds, size / seconds] for size, seconds in known])
    (fixed, each), _ = nnls(relative, np.ones(len(known)))
    return StepCost(float(fixed), float(each), "measured", known)


@dataclass(frozen=True, slots=True)
class Memory:
    """The largest mini-batch that fits half of the memory that is free.

    Attributes:
        batch_size: rows, a power of two.
        bytes_per_row: that a gradient keeps of each row on its way.
        free: bytes.
    """

    batch_size: int
    bytes_per_row: float
    free: float

    @classmethod
    def of(cls, bytes_per_row: float, free: float | None = None) -> Memory:
        """Of so many bytes a row; `free` is that of this machine where nobody says.

        Example:
            >>> Memory.of(1000.0, free=1e6).batch_size
            256
        """
        left = free_memory() if free is None else free
        rows = min(left / 2 / max(bytes_per_row, 1.0), _LARGEST)
        return cls(1 << int(math.log2(max(rows, 1.0))), bytes_per_row, left)


def free_memory() -> float:
    """Bytes that a process may still take without swapping: what the system and its container leave."""
    free = float(_FREE)
    with suppress(AttributeError, ValueError, OSError):
        free = float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError, StopIteration):  # with what is only kept because nobody needs the room
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = 1024.0 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    with suppress(OSError, ValueError):  # no number where nothing limits a container
        limit, used = (int(Path(f"/sys/fs/cgroup/memory.{name}").read_text()) for name in ("max", "current"))
        free = min(free, max(0.0, float(limit - used)))
    return free


def memory(network: Network) -> Memory:
    """Of this package's own training: what the passes of a row fill in single precision.

    Units that need more on their way, as GELU, are what the other half of the free memory is for.
    """
    kernel = Kernel(network, replicas=1, rows=1, dtype=np.dtype(np.float32))
    entering = (each for each in kernel.entering if each is not None)
    drawn = kernel.masks * 2  # with the random numbers that they are made of
    buffers = [*kernel.entered, *kernel.errors, *entering, *drawn, kernel.targets]
    return Memory.of(float(sum(each.nbytes for each in buffers)))


def timed_sizes(rows: int) -> tuple[int, ...]:
    """Three batch sizes to time, as far as there are rows."""
    return tuple(dict.fromkeys(min(size, rows) for size in _TIMED))


def seconds_of(steps: Callable[[int], object]) -> float:
    """Seconds of one step; `steps` runs so many."""
    steps(2)  # what is only done once is done
    count = 2
    while True:
        begun = time.perf_counter()
        steps(count)
        taken = time.perf_counter() - begun
        if taken >= _SECONDS or count >= _MOST_STEPS:
            break
        count = min(_MOST_STEPS, max(2 * count, int(1.2 * _SECONDS / max(taken, 1e-6) * count)))
    best = taken
    for _ in range(_REPEATS - 1):
        begun = time.perf_counter()
        steps(count)
        best = min(best, time.perf_counter() - begun)
    return best / count


@one_thread()
def step_cost(network: Network, data: Data, optimizer: Optimizer) -> StepCost:
    """Of this package's own training, one network on one core.

    Args:
        network, data, optimizer: what is trained; the rows in single precision.
    """
    single = Data(data.inputs.astype(np.float32), data.targets.astype(np.float32))
    start = initial_weights(network, np.random.default_rng(0))

    def timed(size: int) -> float:
        training = Training(network, single, (1e-6,) * len(network.shapes), size, optimizer=optimizer)

        def steps(count: int) -> None:
            list(train(training, start, [Stream(0, (size,))], [np.array([count + 1])]))

        return seconds_of(steps)

    return fitted((size, timed(size)) for size in timed_sizes(data.rows))
