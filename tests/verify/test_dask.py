"""A Dask cluster: the same numbers, whatever happens to its workers, and one line if it cannot be used."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_runners import MASKED, SINGLE, Dying, but, case, numbers, verified

from rsgadvise.ask.verify import runners
from rsgadvise.ask.verify.cases import Case, Experiment, Setting, build_case
from rsgadvise.ask.verify.results import Verification
from rsgadvise.ask.verify.runners import DaskRunner, LocalRunner
from rsgadvise.ask.verify.running import Runner, State, WorkerDiedError
from rsgadvise.errors import UsageError
from rsgadvise.training.networks import Data, Network

distributed = pytest.importorskip("distributed", reason="needs the extra `dask`")

Make = Callable[[Sequence[Experiment]], Runner]


def cluster_of(workers: int, threads: int = 1) -> Any:
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=threads,
        processes=True,
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with cluster_of(2) as found:
        yield found


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Seconds of work, in many blocks."""
    return [
        case(SINGLE, (1.0,), decay=0.5, iterations=4000),
        case(MASKED, (0.5, 0.5), iterations=20),
    ]


@pytest.fixture(scope="module")
def plain(cases: list[Case]) -> Verification:
    return verified(cases, LocalRunner)


def on(address: str) -> Make:
    return lambda experiments: DaskRunner(experiments, address)


def wait_until(fact: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < limit
        time.sleep(0.05)


def after(blocks: int, action: Callable[[], None]) -> Callable[[State], None]:
    """A progress callback that acts once."""

    def progress(state: State) -> None:
        if state.blocks_done == blocks and state.finished is None:
            action()

    return progress


def test_a_cluster_changes_no_number(
    cluster: Any, cases: list[Case], plain: Verification, capfd: pytest.CaptureFixture[str]
) -> None:
    found = verified(cases, on(cluster.scheduler_address))
    assert found.complete
    assert numbers(found) == numbers(plain)
    assert capfd.readouterr() == ("", "")


def test_threads_of_a_worker_change_no_number(cases: list[Case], plain: Verification) -> None:
    with cluster_of(1, threads=4) as cluster:
        assert numbers(verified(cases, on(cluster.scheduler_address))) == numbers(plain)


def test_a_killed_worker_that_is_restarted_costs_nothing(
    cluster: Any, cases: list[Case], plain: Verification
) -> None:
    victim = next(iter(cluster.workers.values())).pid
    kill = after(3, lambda: os.kill(victim, signal.SIGKILL))
    found = verified(cases, on(cluster.scheduler_address), progress=kill)
    assert found.complete
    assert numbers(found) == numbers(plain)
    wait_until(lambda: len(cluster.scheduler.workers) == 2)


def test_a_worker_that_stays_dead_costs_nothing(cases: list[Case], plain: Verification) -> None:
    with cluster_of(0) as cluster:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address]
        options = ["--no-nanny", "--nthreads=1", "--no-dashboard"]
        workers = [subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL) for _ in range(2)]
        try:
            wait_until(lambda: len(cluster.scheduler.workers) == 2)
            found = verified(cases, on(cluster.scheduler_address), progress=after(3, workers[0].kill))
            assert workers[1].poll() is None
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
    assert found.complete
    assert numbers(found) == numbers(plain)


def test_workers_may_come_late(cases: list[Case], plain: Verification) -> None:
    with cluster_of(0) as cluster:
        threading.Timer(1, cluster.scale, [1]).start()
        assert numbers(verified(cases, on(cluster.scheduler_address))) == numbers(plain)


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("how", ["budget", "interruption"])
def test_what_is_abandoned_leaves_the_cluster_as_it_was(
    cluster: Any, cases: list[Case], plain: Verification, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    budget, progress = (0.5, None) if how == "budget" else (None, after(2, interrupt))
    begun = time.monotonic()
    found = verified(cases, on(cluster.scheduler_address), budget=budget, progress=progress)
    assert time.monotonic() - begun < 3
    assert not found.complete
    assert found.interrupted == (how == "interruption")
    assert found.verdict == "inconclusive"
    wait_until(lambda: not cluster.scheduler.tasks)
    assert len(cluster.scheduler.workers) == 2
    assert numbers(verified(cases, on(cluster.scheduler_address))) == numbers(plain)
    assert capfd.readouterr() == ("", "")


def test_large_data_are_sent_without_a_warning(cluster: Any, capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    setting = Setting(
        name="large",
        network=Network("single_layer", (784, 2)),
        data=Data(rng.random((1800, 784)), rng.random((1800, 2))),
        stepsizes=(0.1,),
        batch_size=2,
        iterations=1,
    )
    assert setting.data.inputs.nbytes > 10**7
    assert verified([build_case(setting, seed=0, alpha=0.01)], on(cluster.scheduler_address), runs=2).complete
    assert capfd.readouterr() == ("", "")


def refused(address: str) -> str:
    """The one line of the error."""
    with pytest.raises(UsageError) as caught:
        DaskRunner([], address)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_address_without_scheduler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "CONNECT_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        begun = time.monotonic()
        assert "what answers there is none" in refused(address)  # it accepts, and says nothing
        assert time.monotonic() - begun < 5
    assert "Timed out" in refused(address)
    assert "missing port number" in refused("localhost")
    assert "unknown address scheme" in refused("http://localhost:8787")


def test_a_worker_is_no_scheduler(cluster: Any, capfd: pytest.CaptureFixture[str]) -> None:
    address = next(iter(cluster.scheduler.workers))
    assert "what answers there is none" in refused(address)
    assert capfd.readouterr().out == ""


def test_a_scheduler_without_workers_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "JOIN_SECONDS", 0.5)
    with cluster_of(0) as cluster:
        assert "got none within 0.5 seconds; start some with `dask worker" in refused(
            cluster.scheduler_address
        )


@pytest.mark.parametrize("name", ["rsgadvise", "numpy", "python"])
def test_other_software_on_the_cluster_is_one_line(
    cluster: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from distributed import versions

    own = versions.get_versions(packages=["rsgadvise", "threadpoolctl"])
    own["packages"][name] = "99.1.2"
    monkeypatch.setattr(versions, "get_versions", lambda packages: own)
    line = refused(cluster.scheduler_address)
    assert f"its scheduler has {name} " in line
    assert line.endswith("this process has 99.1.2; install the same")


def test_a_failing_block_is_one_line(cluster: Any, cases: list[Case]) -> None:
    broken = replace(cases[0], experiment=replace(cases[0].experiment, start=[]))
    with pytest.raises(WorkerDiedError, match=r"a block failed on the cluster at .*Error: ") as caught:
        verified([broken], on(cluster.scheduler_address))
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_block_that_kills_its_workers_is_one_line(cases: list[Case]) -> None:
    import dask

    once = dask.config.set({"distributed.scheduler.allowed-failures": 0})
    killed = pytest.raises(WorkerDiedError, match="KilledWorker: Attempted to run task")
    with once, cluster_of(1) as cluster, killed as caught:
        verified([but(Dying, cases[0])], on(cluster.scheduler_address))
    assert "\n" not in str(caught.value)


def test_a_lost_scheduler_is_one_line(cases: list[Case], capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", f"--port={port}", "--no-dashboard"]
    scheduler = subprocess.Popen([*command, "--host=127.0.0.1"], stderr=subprocess.DEVNULL)
    command = [sys.executable, "-m", "distributed.cli.dask_worker", f"tcp://127.0.0.1:{port}", "--no-nanny"]
    worker = subprocess.Popen([*command, "--nthreads=1", "--no-dashboard"], stderr=subprocess.DEVNULL)
    try:
        with pytest.raises(WorkerDiedError, match="the scheduler is lost; see") as caught:
            verified(cases, on(f"tcp://127.0.0.1:{port}"), progress=after(2, scheduler.kill))
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
