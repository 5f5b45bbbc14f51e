"""Runners: this process, or several processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import Future
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from typing import Protocol, TypeAlias

from rsgadvise.ask.verify.cases import Block, BlockResult, Experiment, run_block
from rsgadvise.ask.verify.running import Runner, WorkerDiedError
from rsgadvise.errors import UsageError
from rsgadvise.interrupts import deferred
from rsgadvise.records import dataclass


class ReusableRunner(Runner, Protocol):
    """A runner that goes from one set of experiments to the next, since starting one takes its time."""

    def equip(self, experiments: Sequence[Experiment]) -> None:
        """Take these in place of the former ones; nothing may be under way."""


class LocalRunner:
    """One block at a time, in this process."""

    slots = 1

    def __init__(self, experiments: Sequence[Experiment]) -> None:
        self._experiments = experiments

    def equip(self, experiments: Sequence[Experiment]) -> None:
        """Take other experiments."""
        self._experiments = experiments

    def submit(self, case: int, block: Block) -> Future[BlockResult]:
        """Compute the block now."""
        future: Future[BlockResult] = Future()
        future.set_result(run_block(self._experiments[case], block))
        return future

    def close(self, *, abandon: bool) -> None:
        """Nothing to release."""


def _serve(pipe: Connection) -> None:
    """A worker's life: experiments, then one block of them after another, until there are others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError, MemoryError):  # the parent is told by the end of the pipe
        experiments: Sequence[Experiment] = ()
        while True:
            message = pipe.recv()
            if isinstance(message, list):
                experiments = message
                continue
            case, block = message
            pipe.send(_outcome(experiments[case], block))


def _end_with_parent() -> None:
    """However the parent ends: a killed one can stop nobody, and a block may take hours."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _outcome(experiment: Experiment, block: Block) -> BlockResult | Exception:
    try:
        return run_block(experiment, block)
    except Exception as error:  # noqa: BLE001  raised again by the parent
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        return error


_Order: TypeAlias = tuple["Future[BlockResult]", int, Block]


@dataclass(slots=True)
class _Equipment:
    """The experiments, pickled once for all workers, since they can be large; and how often they changed."""

    content: bytes = b""
    version: int = 0

    def take(self, experiments: Sequence[Experiment]) -> None:
        self.content = pickle.dumps(list(experiments))
        self.version += 1


def _tend(pipe: Connection, equipment: _Equipment, orders: SimpleQueue[_Order | None]) -> None:
    """A thread's life: it hands one block after another to its worker, and fails them if that is dead."""
    version = 0
    while (order := orders.get()) is not None:
        future, case, block = order
        answer: BlockResult | Exception
        try:
            if version != equipment.version:
                version = equipment.version
                pipe.send_bytes(equipment.content)
            pipe.send((case, block))
            answer = pipe.recv()
        except (EOFError, OSError):
            answer = WorkerDiedError(
                "a worker process ended without a result, perhaps for lack of memory; use fewer --jobs, or "
                "smaller data"
            )
        except Exception as error:  # noqa: BLE001  such as an answer that cannot be read
            answer = error
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


class ProcessRunner:
    """Worker processes, each started afresh so that no threads are inherited.

    Every worker has a pipe of its own and shares no lock: each can be killed at any time.

    Args:
        experiments: one per case.
        jobs: number of processes.

    Raises:
        UsageError: the system does not allow so many.
    """

    def __init__(self, experiments: Sequence[Experiment], jobs: int) -> None:
        self.slots = jobs
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._workers: list[SpawnProcess] = []
        context = multiprocessing.get_context("spawn")
        self._equipment = _Equipment()
        self._equipment.take(experiments)
        try:
            with deferred():
                for _ in range(jobs):
                    here, there = context.Pipe()
                    worker = context.Process(target=_serve, args=(there,), daemon=True)
                    worker.start()
                    self._workers.append(worker)
                    there.close()  # the worker's copy is the last: its death ends the pipe
                    task = (here, self._equipment, self._orders)
                    threading.Thread(target=_tend, args=task, daemon=True).start()
        except KeyboardInterrupt:
            self.close(abandon=True)
            raise
        except OSError as error:
            self.close(abandon=True)
            raise UsageError(f"--jobs {jobs} is more than the system allows: {error}; give fewer") from None

    def equip(self, experiments: Sequence[Experiment]) -> None:
        """Take other experiments; each worker is sent them with its next block."""
        self._equipment.take(experiments)

    def submit(self, case: int, block: Block) -> Future[BlockResult]:
        """Have a worker compute the block."""
        future: Future[BlockResult] = Future()
        self._orders.put((future, case, block))
        return future

    def close(self, *, abandon: bool) -> None:
        """End the workers, at once: they have nothing to tidy up."""
        for worker in self._workers:
            worker.kill()
            self._orders.put(None)
        for worker in self._workers:
            worker.join()


def make_runner(experiments: Sequence[Experiment], *, jobs: int, kill: bool) -> ReusableRunner:
    """The runner that the options ask for.

    Args:
        experiments: one per case.
        jobs: processes of this machine.
        kill: whether a block may have to be ended midway, as a budget does.
    """
    if jobs == 1 and not kill:
        return LocalRunner(experiments)
    return ProcessRunner(experiments, jobs)
