"""Whoever computes the blocks, the numbers are the same, and nothing hangs, leaks or is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest

from rsgadvise.ask.verify import cases as experiment
from rsgadvise.ask.verify import judging
from rsgadvise.ask.verify.cases import Case, Experiment, Miss, Setting, Verification, build_case
from rsgadvise.ask.verify.running import (
    LocalRunner,
    ProcessRunner,
    Progress,
    Runner,
    State,
    WorkerDiedError,
    make_runner,
    run_cases,
)
from rsgadvise.errors import UsageError
from rsgadvise.training.expectation import Expectation
from rsgadvise.training.networks import Data, Network
from rsgadvise.training.rsg import Stream
from rsgadvise.training.sequences import ConfidenceSequence

Make = Callable[[Sequence[Experiment]], Runner]


def case(
    network: Network,
    stepsizes: tuple[float, ...],
    *,
    iterations: int = 12,
    decay: float = 0.0,
    miss: Miss | None = None,
) -> Case:
    rng = np.random.default_rng(5)
    inputs = rng.random((8, network.layers[0]))
    targets = inputs if network.kind == "autoencoder" else rng.random((8, network.layers[-1]))
    return build_case(
        Setting(
            name=f"{network} {decay} {miss}",
            network=network,
            data=Data(inputs, targets),
            stepsizes=stepsizes,
            batch_size=4,
            iterations=iterations,
            decay=decay,
            stopping="matched",
            miss=miss,
        ),
        seed=3,
        alpha=0.01,
    )


SINGLE = Network("single_layer", (4, 2))
MASKED = Network("multilayer", (16, 8, 2), (1.0, 1.0), 0.5)


@pytest.fixture(scope="module")
def small() -> list[Case]:
    found = [
        case(SINGLE, (1.0,), decay=0.5, iterations=40),
        case(MASKED, (0.5, 0.5), iterations=6),
        case(Network("autoencoder", (4, 3), (0.5,), 0.5), (0.3,)),
        case(SINGLE, (0.5,), miss=Miss(0.5, 0.3, 2)),
    ]
    exact = [
        Expectation(each.experiment.training.network, each.experiment.training.data).exact for each in found
    ]
    assert exact == [True, False, True, True]
    return found


@pytest.fixture(scope="module")
def endless() -> Case:
    """Every block takes minutes."""
    return case(SINGLE, (0.1,), iterations=3_000_000)


def verified(
    cases: Sequence[Case],
    make: Make,
    *,
    runs: int = 200,
    budget: float | None = None,
    progress: Progress | None = None,
) -> Verification:
    with closing(make([each.experiment for each in cases])) as runner:
        return run_cases(cases, runner, runs=runs, confidence=0.99, seed=3, budget=budget, progress=progress)


def processes(jobs: int) -> Make:
    return lambda experiments: ProcessRunner(experiments, jobs)


def numbers(found: Verification) -> list[dict[str, object]]:
    """All but the times."""
    return [{key: value for key, value in asdict(each).items() if key != "seconds"} for each in found.cases]


def assert_nobody_is_left() -> None:
    assert multiprocessing.active_children() == []


@pytest.fixture(scope="module")
def plain(small: list[Case]) -> Verification:
    found = verified(small, LocalRunner)
    assert found.complete
    assert all(each.runs for each in found.cases)
    return found


def test_processes_change_no_number(small: list[Case], plain: Verification) -> None:
    found = verified(small, processes(2))
    assert found.complete
    assert numbers(found) == numbers(plain)
    assert_nobody_is_left()


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_the_size_of_blocks_changes_no_number(
    small: list[Case], plain: Verification, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(judging, "FEWEST_TOGETHER", size)
    monkeypatch.setattr(experiment, "FEWEST_TOGETHER", size)
    monkeypatch.setattr(experiment, "MOST_TOGETHER", size)
    assert numbers(verified(small, LocalRunner)) == numbers(plain)


class Failing(Experiment):
    """What happens where a block is computed."""

    __slots__ = ()

    def stream(self, replica: int) -> Stream:
        raise MemoryError(f"no room for replica {replica}")


class UnreadableError(Exception):
    """Pickled with one argument, rebuilt with two."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


class Unreadable(Experiment):
    __slots__ = ()

    def stream(self, replica: int) -> Stream:
        raise UnreadableError("a", "b")


class Dying(Experiment):
    __slots__ = ()

    def stream(self, replica: int) -> Stream:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Telling(Experiment):
    """What the worker does about Ctrl-C by itself, and what it inherited, which counts while it starts."""

    __slots__ = ()

    def stream(self, replica: int) -> Stream:
        held = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        raise MemoryError(f"{signal.getsignal(signal.SIGINT)!r} {held}")


def but(kind: type[Experiment], usual: Case) -> Case:
    known = {field.name: getattr(usual.experiment, field.name) for field in fields(Experiment)}
    return replace(usual, experiment=kind(**known))


@pytest.mark.parametrize("make", [LocalRunner, processes(2)])
def test_an_error_in_a_block_reaches_the_caller(small: list[Case], endless: Case, make: Make) -> None:
    with pytest.raises(MemoryError, match="no room for replica"):
        verified([but(Failing, small[0]), endless], make)
    assert_nobody_is_left()


def test_workers_never_hear_ctrl_c(small: list[Case]) -> None:
    with pytest.raises(MemoryError, match=r"SIG_IGN.* .*SIGINT"):
        verified([but(Telling, small[0])], processes(1))


def test_an_error_that_cannot_be_sent_does_not_hang(small: list[Case]) -> None:
    with pytest.raises(TypeError, match="two"):
        verified([but(Unreadable, small[0])], processes(1))
    assert_nobody_is_left()


def test_a_worker_that_dies_in_a_block_is_one_line(
    small: list[Case], endless: Case, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WorkerDiedError, match="a worker process ended without a result") as caught:
        verified([but(Dying, small[0]), endless], processes(2))
    assert "\n" not in str(caught.value)
    assert_nobody_is_left()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("delay", [0.0, 0.7])
def test_a_killed_worker_is_one_line(endless: Case, capfd: pytest.CaptureFixture[str], delay: float) -> None:
    """While it starts, and while it works."""

    def make(experiments: Sequence[Experiment]) -> Runner:
        runner = ProcessRunner(experiments, 2)
        victim = multiprocessing.active_children()[0]
        threading.Timer(delay, victim.kill).start()
        return runner

    begun = time.monotonic()
    with pytest.raises(WorkerDiedError, match="use fewer --jobs"):
        verified([endless], make)
    assert time.monotonic() - begun < delay + 5
    assert_nobody_is_left()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_budget_ends_long_blocks(
    small: list[Case], endless: Case, capfd: pytest.CaptureFixture[str], jobs: int
) -> None:
    begun = time.monotonic()
    found = verified([endless], processes(jobs), budget=0.6)
    assert 0.6 <= time.monotonic() - begun < 3
    assert not found.complete
    assert not found.interrupted
    assert found.verdict == "inconclusive"
    assert [each.verdict for each in found.cases] == ["inconclusive", "inconclusive"]
    assert found.notes == (
        "Ended by the budget of 0.6 seconds: these results depend on the machine's speed.",
    )
    assert_nobody_is_left()
    assert capfd.readouterr() == ("", "")


def test_a_budget_that_suffices_changes_nothing(small: list[Case], plain: Verification) -> None:
    found = verified(small, LocalRunner, budget=600)
    assert found.complete
    assert found.notes == ()
    assert numbers(found) == numbers(plain)


def interrupt(state: State) -> None:
    """Once the first case is known; with several processes the slow one may by chance come before it."""
    if state.finished is not None and state.finished.name != "slow":
        raise KeyboardInterrupt


@pytest.mark.parametrize("make", [LocalRunner, processes(2)])
def test_an_interruption_returns_what_is_known(
    small: list[Case], plain: Verification, capfd: pytest.CaptureFixture[str], make: Make
) -> None:
    slow = replace(small[1], name="slow", experiment=replace(small[1].experiment, key=1))
    found = verified([small[0], slow], make, progress=interrupt)
    assert not found.complete
    assert found.interrupted
    assert found.notes == ("Interrupted: what was undecided then is inconclusive.",)
    known = numbers(plain)[: len(small[0].claims)]
    assert numbers(found)[: len(known)] == known
    assert_nobody_is_left()
    assert capfd.readouterr() == ("", "")


def test_an_interruption_inside_the_judge_leaves_whole_rounds(
    small: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of runs and the limits must belong to the same replicas."""
    cases, rounds = small[:1], 0
    update = ConfidenceSequence.update

    def interrupted(sequence: ConfidenceSequence, values: object) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            raise KeyboardInterrupt
        update(sequence, values)  # type: ignore[arg-type]

    monkeypatch.setattr(ConfidenceSequence, "update", interrupted)
    found = verified(cases, LocalRunner)
    monkeypatch.undo()
    runs = found.cases[0].runs
    assert runs == judging.PILOT
    assert found.cases[0].lower == verified(cases, LocalRunner, runs=runs).cases[0].lower


SUITE = """
import json, multiprocessing, sys
from rsgadvise.ask.verify.running import make_runner
from rsgadvise.ask.verify.running import run_cases
from rsgadvise.ask.verify.suite import suite

cases = suite(seed=0, confidence=0.99)
print("cases", flush=True)
runner = make_runner([case.experiment for case in cases], jobs=2, kill=False)
print("workers", flush=True)
told = []
def progress(state):
    if state.finished is not None and not told:
        told.append(state.finished.name)
        print("result", flush=True)
found = run_cases(cases, runner, runs=2000, confidence=0.99, seed=0, progress=progress)
runner.close()
print(json.dumps({
    "complete": found.complete,
    "interrupted": found.interrupted,
    "told": told,
    "measured": [case.name for case in found.cases if case.measured is not None],
    "cases": len({case.name for case in found.cases}) == len(cases),
    "left": len(multiprocessing.active_children()),
}))
"""


@contextmanager
def suite_until(word: str) -> Iterator[subprocess.Popen[str]]:
    """The built-in suite in a session of its own, as far as the word."""
    child = subprocess.Popen(
        [sys.executable, "-c", SUITE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert child.stdout is not None
        if all(line.strip() != word for line in child.stdout):
            raise AssertionError(child.communicate()[1])
        yield child
    finally:
        child.kill()  # where it does not hear what ends it
        child.wait()


@pytest.mark.parametrize("word", ["workers", "result"])
def test_ctrl_c_at_a_terminal_ends_the_suite_quietly(word: str) -> None:
    """It reaches the workers too, even those that are only starting."""
    with suite_until(word) as child:
        time.sleep(0.1)
        os.killpg(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=20)
    assert err == ""
    assert child.returncode == 0
    found = json.loads(out.splitlines()[-1])
    assert not found["complete"]
    assert found["interrupted"]
    assert found["cases"]
    assert found["left"] == 0
    assert bool(found["told"]) == (word == "result")
    assert set(found["told"]) <= set(found["measured"])


def test_workers_end_with_a_killed_parent() -> None:
    with suite_until("result") as child:
        child.kill()
        _, err = child.communicate(timeout=20)  # until the last process that could write has ended
    assert "Traceback" not in err


def test_one_worker_needs_no_main_thread(small: list[Case], plain: Verification) -> None:
    found: list[Verification] = []
    thread = threading.Thread(target=lambda: found.append(verified(small, processes(1))))
    thread.start()
    thread.join(60)
    assert numbers(found[0]) == numbers(plain)


def test_more_processes_than_allowed_are_one_line(small: list[Case]) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/dev/fd").iterdir())) + 12, before[1]))
    try:
        with pytest.raises(UsageError, match=r"--jobs 100 is more than the system allows: .*; give fewer"):
            ProcessRunner([small[0].experiment], 100)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert_nobody_is_left()


def test_one_job_needs_no_process_unless_it_must_be_ended_midway() -> None:
    assert isinstance(make_runner([], jobs=1, kill=False), LocalRunner)
    runner = make_runner([], jobs=1, kill=True)
    assert isinstance(runner, ProcessRunner)
    runner.close()
    assert_nobody_is_left()
