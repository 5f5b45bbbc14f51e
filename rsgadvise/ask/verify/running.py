"""Run the blocks of many cases on whatever computes them, and let each case's judge decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from heapq import heappop, heappush
from typing import Protocol

from rsgadvise.ask.verify.cases import Block, BlockResult, Case
from rsgadvise.ask.verify.judging import PILOT, Judge, MissJudge, Plan, judge_for
from rsgadvise.ask.verify.results import CaseResult, Verdict, Verification
from rsgadvise.errors import RsgadviseError
from rsgadvise.records import dataclass

_DAY = 86_400.0  # longest wait at a time: the system has its limits


class WorkerDiedError(RsgadviseError):
    """A block was lost, or failed where it was computed."""


class Runner(Protocol):
    """What computes blocks: this process, others on this machine, or a cluster."""

    slots: int
    """Blocks worth having under way at a time."""

    def submit(self, case: int, block: Block) -> Future[BlockResult]:
        """Start a block of the numbered case."""

    def close(self, *, abandon: bool) -> None:
        """Release everything; `abandon` what is still under way."""


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

    def advance(self, found: list[BlockResult] | None) -> list[Block]:
        """The next round's blocks; none when the case is decided."""
        try:
            blocks = next(self._plan) if found is None else self._plan.send(found)
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
        runner: closed at the end, whatever happens.
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
    finally:
        runner.close(abandon=not work.idle)
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

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._running

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

    def _enqueue(self, number: int, found: list[BlockResult] | None) -> None:
        job = self._jobs[number]
        blocks = job.advance(found)
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
