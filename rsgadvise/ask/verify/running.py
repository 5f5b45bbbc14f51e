"""Run the blocks of many cases here or in other processes, and let each case's judge decide."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from heapq import heappop, heappush
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from typing import Protocol, TypeAlias

from rsgadvise.ask.verify.cases import (
    Block,
    BlockResult,
    Case,
    CaseResult,
    Experiment,
    Verdict,
    Verification,
    run_block,
)
from rsgadvise.ask.verify.judging import PILOT, Judge, MissJudge, Plan, judge_for
from rsgadvise.errors import RsgadviseError, UsageError
from rsgadvise.interrupts import deferred
from rsgadvise.records import dataclass

_DAY = 86_400.0  # longest wait at a time: the system has its limits


class WorkerDiedError(RsgadviseError):
    """A block was lost, or failed where it was computed."""


class Runner(Protocol):
    """What computes blocks, of one set of experiments after another, since to start it takes its time."""

    slots: int
    """Blocks worth having under way at a time."""

    def equip(self, experiments: Sequence[Experiment]) -> None:
        """Take these in place of the former ones; nothing may be under way."""

    def submit(self, case: int, block: Block) -> Future[BlockResult]:
        """Start a block of the numbered case."""

    def close(self) -> None:
        """Release everything, and end what is still under way."""


@dataclass(frozen=True, slots=True)
class State:
    """Progress: cases decided, blocks done and blocks known to be needed so far."""

    cases_done: int
    cases: int
    blocks_done: int
    blocks: int
    finished: CaseResult | None = None
    """A result that has just become final, one at a time."""


Progress = Callable[[State], None]


class _Job:
    """One case under way: its judge, its plan, and the results of the current round as they come."""

    def __init__(self, judge: Judge | MissJudge) -> None:
        self._judge = judge
        self._plan: Plan = judge.plan()
        self.results: list[BlockResult | None] = []
        # Of whole rounds: the user may interrupt the judge between two numbers that belong together.
        self.report = judge.results()
        self.done = False

    @property
    def blocks_ahead(self) -> int:
        """Blocks of later rounds, as far as the judge can tell."""
        return 0 if self.done else self._judge.blocks_ahead

    def advance(self, results: list[BlockResult] | None) -> list[Block]:
        """The next round's blocks; none when the case is decided."""
        try:
            blocks = next(self._plan) if results is None else self._plan.send(results)
        except StopIteration:
            blocks = []
        self.report = self._judge.results()
        self.results = [None] * len(blocks)
        self.done = not blocks
        return blocks


def overall(cases: Sequence[CaseResult]) -> Verdict:
    """falsified wins over inconclusive, inconclusive over consistent."""
    failed = [case for case in cases if not case.passed]
    if any(case.verdict != "inconclusive" for case in failed):
        return "falsified"
    return "inconclusive" if failed or not any(case.checked for case in cases) else "consistent"


def run_cases(
    cases: Sequence[Case],
    runner: Runner,
    *,
    runs: int,
    confidence: float,
    seed: int,
    budget: float | None = None,
    progress: Progress | None = None,
    trajectories: int = PILOT,
    allow_approximate: bool = False,
) -> Verification:
    """Judge every case.

    The outcome of a case depends on the results of its own blocks in their order alone, so it is the
    same for any runner, unless the budget or the user ends it.

    Args:
        cases: with their share of the probability of error.
        runner: of their experiments, in the same order.
        runs: most replicas per case.
        confidence, seed: for the report.
        budget: seconds after which everything stops; what is undecided then is inconclusive.
        progress: called after every block.
        trajectories: measured first, whatever they decide.
        allow_approximate: see `Verification`.

    Raises:
        WorkerDiedError: a block was lost, or failed where it was computed.
    """
    begun = time.monotonic()
    jobs = [_Job(judge_for(case, runs, trajectories=trajectories)) for case in cases]
    work = _Work(jobs, runner, progress, None if budget is None else begun + budget)
    notes: list[str] = []
    interrupted = False
    try:
        finished = work.run()
        if not finished:
            notes.append(
                f"Ended by the budget of {budget:g} seconds: these results depend on the machine's speed."
            )
    except KeyboardInterrupt:
        finished, interrupted = False, True
        notes.append("Interrupted: what was undecided then is inconclusive.")
    results = tuple(result for job in jobs for result in job.report)
    return Verification(
        cases=results,
        verdict=overall(results),
        confidence=confidence,
        seed=seed,
        complete=finished,
        interrupted=interrupted,
        seconds=time.monotonic() - begun,
        notes=tuple(notes),
        allow_approximate=allow_approximate,
    )


class _Work:
    """The blocks that wait, and those under way; earlier cases come first."""

    def __init__(
        self, jobs: list[_Job], runner: Runner, progress: Progress | None, deadline: float | None
    ) -> None:
        self._jobs, self._runner, self._progress, self._deadline = jobs, runner, progress, deadline
        self._waiting: list[tuple[int, int, Block]] = []
        self._running: dict[Future[BlockResult], tuple[int, int]] = {}
        self._blocks = self._blocks_done = 0

    def run(self) -> bool:
        """Work until every case is decided; False if the deadline came first."""
        for number in range(len(self._jobs)):
            self._enqueue(number, None)
        while self._waiting or self._running:
            while self._waiting and len(self._running) < self._runner.slots:
                number, place, block = heappop(self._waiting)
                self._running[self._runner.submit(number, block)] = (number, place)
            left = None if self._deadline is None else min(_DAY, max(0.0, self._deadline - time.monotonic()))
            done, _ = wait(self._running, timeout=left, return_when=FIRST_COMPLETED)
            for future in done:
                number, place = self._running.pop(future)
                self._take(number, place, future.result())
            if self._deadline is not None and time.monotonic() >= self._deadline:
                return not (self._waiting or self._running)
        return True

    def _enqueue(self, number: int, results: list[BlockResult] | None) -> None:
        job = self._jobs[number]
        blocks = job.advance(results)
        self._blocks += len(blocks)
        for place, block in enumerate(blocks):
            heappush(self._waiting, (number, place, block))
        if job.done:
            for result in job.report:
                self._tell(result)

    def _take(self, number: int, place: int, result: BlockResult) -> None:
        job = self._jobs[number]
        job.results[place] = result
        self._blocks_done += 1
        self._tell(None)
        complete = [entry for entry in job.results if entry is not None]
        if len(complete) == len(job.results):
            self._enqueue(number, complete)

    def _tell(self, finished: CaseResult | None) -> None:
        if self._progress is not None:
            done = sum(job.done for job in self._jobs)
            known = self._blocks + sum(job.blocks_ahead for job in self._jobs)
            self._progress(State(done, len(self._jobs), self._blocks_done, known, finished))


# What computes blocks: this process, or several processes of this machine.


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

    def close(self) -> None:
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
            self.close()
            raise
        except OSError as error:
            self.close()
            raise UsageError(f"--jobs {jobs} is more than the system allows: {error}; give fewer") from None

    def equip(self, experiments: Sequence[Experiment]) -> None:
        """Take other experiments; each worker is sent them with its next block."""
        self._equipment.take(experiments)

    def submit(self, case: int, block: Block) -> Future[BlockResult]:
        """Have a worker compute the block."""
        future: Future[BlockResult] = Future()
        self._orders.put((future, case, block))
        return future

    def close(self) -> None:
        """End the workers, at once: they have nothing to tidy up."""
        for worker in self._workers:
            worker.kill()
            self._orders.put(None)
        for worker in self._workers:
            worker.join()


def make_runner(experiments: Sequence[Experiment], *, jobs: int, kill: bool) -> Runner:
    """The runner that the options ask for.

    Args:
        experiments: one per case.
        jobs: processes of this machine.
        kill: whether a block may have to be ended midway, as a budget does.
    """
    if jobs == 1 and not kill:
        return LocalRunner(experiments)
    return ProcessRunner(experiments, jobs)
