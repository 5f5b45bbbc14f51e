"""Runners: this process, several processes of this machine, or a Dask cluster."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from typing import Any, Protocol, TypeAlias

from rsgadvise.ask.verify.cases import Block, BlockResult, Experiment, run_block
from rsgadvise.ask.verify.running import Runner, WorkerDiedError
from rsgadvise.errors import MissingExtraError, UsageError
from rsgadvise.interrupts import deferred
from rsgadvise.records import dataclass

LOCAL = "local"
"""In place of an address: a cluster of this machine, for this run."""

CONNECT_SECONDS = 10.0  # seconds until a Dask scheduler must have answered
JOIN_SECONDS = 30.0  # seconds until its first worker must be there
_ASKED = ("threadpoolctl", "rsgadvise")
_ALIKE = ("python", "dask", "distributed", "numpy", *_ASKED)  # the others are told unasked


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


def _same(experiment: Experiment) -> Experiment:
    return experiment


_turn = threading.Lock()


def _run_in_turn(experiment: Experiment, block: Block) -> BlockResult:
    """The threads of a Dask worker share its limit on those of the linear algebra, and gain nothing."""
    with _turn:
        return run_block(experiment, block)


async def _survey(address: str) -> dict[str, dict[str, str]]:
    """Which versions of packages the scheduler and each worker have; there has to be a worker.

    A client would wait forever, even for its own end, where no scheduler, or one of another age, answers.
    """
    import asyncio

    from distributed import Security, rpc

    question = {"packages": _ASKED}
    options = {"timeout": CONNECT_SECONDS, "connection_args": Security().get_connection_args("client")}
    async with rpc(address, **options) as scheduler:
        found = {"its scheduler": await asyncio.wait_for(scheduler.versions(**question), CONNECT_SECONDS + 2)}
        until = time.monotonic() + JOIN_SECONDS
        while len(found) == 1:
            found |= await scheduler.broadcast(msg={"op": "versions", **question}, on_error="ignore")
            if time.monotonic() > until:
                raise UsageError(
                    f"--dask needs a scheduler with workers; {address} got none within "
                    f"{JOIN_SECONDS:g} seconds; "
                    f"start some with `dask worker {address} --nworkers=-1 --nthreads=1`"
                )
            await asyncio.sleep(0.1)
    return {place: there["packages"] for place, there in found.items()}


def _connect(address: str) -> Any:
    """A client of a scheduler that has workers, all with the software of this process."""
    try:
        from distributed import Client
        from distributed.utils import LoopRunner
        from distributed.versions import get_versions
    except ImportError:
        raise _no_dask() from None
    try:
        found = LoopRunner(asynchronous=False).run_sync(_survey, address)
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001  of any kind, where a server of another kind answers
        reason = str(error) if isinstance(error, OSError | ValueError) else ""
        raise UsageError(
            f"--dask must be the address of a running scheduler; got {address!r}: "
            f"{reason or 'what answers there is none'}; start one with `dask scheduler`"
        ) from None
    own = get_versions(packages=_ASKED)["packages"]
    for place, there in found.items():
        for name in _ALIKE:
            if _minor(there.get(name)) != _minor(own[name]):
                raise UsageError(
                    f"--dask needs the same packages everywhere; {place} has {name} {there.get(name)}, this "
                    f"process has {own[name]}; install the same"
                )
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what it logs is raised here
    return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)


def _no_dask() -> MissingExtraError:
    return MissingExtraError(
        "--dask needs the package distributed; install it with `pip install 'rsgadvise[dask]'`"
    )


def _minor(version: str | None) -> list[str]:
    return str(version).split(".")[:2]


class DaskRunner:
    """An existing Dask scheduler; what a lost worker held is computed again, from the same seeds.

    Args:
        experiments: one per case.
        address: of the scheduler.

    Raises:
        MissingExtraError: distributed is not installed.
        UsageError: no scheduler answers at the address, it has no workers, or they have other software.
    """

    slots = 1000  # the scheduler holds the queue, and has work for workers that come later

    def __init__(self, experiments: Sequence[Experiment], address: str) -> None:
        self._address = address
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions, which do not matter
            self._client = _connect(address)
        self._executor: Any = self._client.get_executor(pure=False)
        self.equip(experiments)

    def equip(self, experiments: Sequence[Experiment]) -> None:
        """Hand other experiments to the scheduler, which forgets the former ones."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large data
            # As the result of a task, not scattered: the scheduler can then make it again elsewhere.
            self._experiments = [self._client.submit(_same, entry, pure=False) for entry in experiments]

    def submit(self, case: int, block: Block) -> Future[BlockResult]:
        """Hand the block to the scheduler."""
        future: Future[BlockResult] = Future()
        task = self._executor.submit(_run_in_turn, self._experiments[case], block)
        task.add_done_callback(partial(self._pass_on, future))
        return future

    def _pass_on(self, future: Future[BlockResult], task: Future[BlockResult]) -> None:
        try:
            future.set_result(task.result())
        except Exception as error:  # noqa: BLE001  of any kind, and raised again by the caller
            reason = " ".join(f"{type(error).__name__}: {error}".split()).split(". ")[0]
            if task.cancelled():
                reason = "the scheduler is lost"
            failed = WorkerDiedError(
                f"a block failed on the cluster at {self._address}: {reason}; see the logs of its workers"
            )
            failed.__cause__ = error
            future.set_exception(failed)

    def close(self, *, abandon: bool) -> None:
        """Leave the cluster as it was found; the scheduler drops what no client wants."""
        self._client.close()


class OwnDaskRunner(DaskRunner):
    """A Dask cluster of processes of this machine, which ends with the runner.

    Args:
        experiments: one per case.
        jobs: number of processes.

    Raises:
        MissingExtraError: distributed is not installed.
    """

    def __init__(self, experiments: Sequence[Experiment], jobs: int) -> None:
        try:
            from distributed import LocalCluster
        except ImportError:
            raise _no_dask() from None
        with contextlib.ExitStack() as started:
            with deferred():
                self._cluster = started.enter_context(
                    LocalCluster(
                        n_workers=jobs,
                        threads_per_worker=1,
                        processes=True,
                        dashboard_address=None,
                        silence_logs=logging.CRITICAL,
                    )
                )
            super().__init__(experiments, self._cluster.scheduler_address)
            started.pop_all()

    def close(self, *, abandon: bool) -> None:
        """End the cluster."""
        super().close(abandon=abandon)
        self._cluster.close()


def make_runner(
    experiments: Sequence[Experiment], *, jobs: int, dask: str | None, kill: bool
) -> ReusableRunner:
    """The runner that the options ask for.

    Args:
        experiments: one per case.
        jobs: processes of this machine.
        dask: address of a scheduler, in place of them; or local, for a cluster made of them.
        kill: whether a block may have to be ended midway, as a budget does.
    """
    if dask == LOCAL:
        return OwnDaskRunner(experiments, jobs)
    if dask is not None:
        return DaskRunner(experiments, dask)
    if jobs == 1 and not kill:
        return LocalRunner(experiments)
    return ProcessRunner(experiments, jobs)
