"""Runners: this process, several processes of this machine, or a Dask cluster."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from rsgadvise.errors import MissingExtraError, UsageError
from rsgadvise.verify.experiment import Block, BlockResult, Experiment, run_block

if TYPE_CHECKING:
    from rsgadvise.verify.running import Runner

__all__ = ["DaskRunner", "LocalRunner", "ProcessRunner", "make_runner"]


class LocalRunner:
    """One block at a time, in this process."""

    slots = 1

    def __init__(self, experiments: Sequence[Experiment]) -> None:
        self._experiments = experiments

    def submit(self, case: int, block: Block) -> Future[BlockResult]:
        """Compute the block now."""
        future: Future[BlockResult] = Future()
        future.set_result(run_block(self._experiments[case], block))
        return future

    def close(self, *, abandon: bool) -> None:
        """Nothing to release."""


_adopted: Sequence[Experiment] = ()


def _adopt(experiments: Sequence[Experiment]) -> None:
    """Start of a worker: the data come once, and Ctrl-C is the parent's to handle."""
    global _adopted  # noqa: PLW0603  a worker has no other place for what it was started with
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _adopted = experiments


def _run_adopted(case: int, block: Block) -> BlockResult:
    return run_block(_adopted[case], block)


class ProcessRunner:
    """Worker processes, each started afresh so that no threads are inherited.

    Args:
        experiments: one per case.
        jobs: number of processes.
    """

    def __init__(self, experiments: Sequence[Experiment], jobs: int) -> None:
        self.slots = 2 * jobs  # one more for each worker, so that none waits for the next
        self._pool = ProcessPoolExecutor(
            jobs,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_adopt,
            initargs=(experiments,),
        )

    def submit(self, case: int, block: Block) -> Future[BlockResult]:
        """Hand the block to a worker."""
        return self._pool.submit(_run_adopted, case, block)

    def close(self, *, abandon: bool) -> None:
        """End the workers, at once if their work is no longer wanted."""
        self._pool.shutdown(wait=not abandon, cancel_futures=True)
        if abandon:
            for process in multiprocessing.active_children():
                process.terminate()


def _same(experiment: Experiment) -> Experiment:
    return experiment


class DaskRunner:
    """An existing Dask scheduler; what a lost worker held is computed again, from the same seeds.

    Args:
        experiments: one per case.
        address: of the scheduler.

    Raises:
        MissingExtraError: distributed is not installed.
        UsageError: nobody answers at the address.
    """

    def __init__(self, experiments: Sequence[Experiment], address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise MissingExtraError(
                "--dask needs the package distributed; install it with `pip install 'rsgadvise[dask]'`"
            ) from None
        try:
            self._client: Any = Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise UsageError(
                f"--dask must be the address of a running scheduler; got {address!r}: {error}; "
                "start one with `dask scheduler`"
            ) from None
        self._executor: Any = self._client.get_executor(retries=3)
        # As the result of a task, not scattered: the scheduler can then make it again elsewhere.
        self._experiments = [self._client.submit(_same, entry, pure=False) for entry in experiments]
        self.slots = 2 * max(1, sum(self._client.nthreads().values()))

    def submit(self, case: int, block: Block) -> Future[BlockResult]:
        """Hand the block to the scheduler."""
        future: Future[BlockResult] = self._executor.submit(run_block, self._experiments[case], block)
        return future

    def close(self, *, abandon: bool) -> None:
        """Leave the cluster as it was found."""
        self._executor.shutdown(wait=not abandon)
        self._client.close()


def make_runner(experiments: Sequence[Experiment], *, jobs: int, dask: str | None, kill: bool) -> Runner:
    """The runner that the options ask for.

    Args:
        experiments: one per case.
        jobs: processes of this machine.
        dask: address of a scheduler, in place of them.
        kill: whether a block may have to be ended midway, as a budget does.
    """
    if dask is not None:
        return DaskRunner(experiments, dask)
    if jobs == 1 and not kill:
        return LocalRunner(experiments)
    return ProcessRunner(experiments, jobs)
