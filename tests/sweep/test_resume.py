"""Whatever ends a sweep costs the point under way, and no file of another sweep is ever touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Run

SPEC = """
network: {kind: multilayer, layers: [6, 4, 2], weight_bound: 0.5}
data: {mean: 0.3, mean_square: 0.12}
training: {stepsize: 0.4, batch_size: 8, iterations: 12}
"""
VARY = ("--vary", "network.layers[1]=2:13:12")
OPTIONS = ("--measure", "--runs", "4", "--jobs", "1", "-f", "json")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


def timeless(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    for point in found["points"]:
        if point["measured"] is not None:
            del point["measured"]["seconds"]
    return found


@contextmanager
def started(spec: Path, log: Path, lines: int, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A sweep of its own process, as soon as its file has so many lines."""
    command = [sys.executable, "-m", "rsgadvise", "sweep", str(spec), *VARY, *OPTIONS, "--resume", str(log)]
    slow = ("--set", "training.iterations=400")
    process = subprocess.Popen(
        [*command, *slow, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    try:
        while not (log.exists() and log.read_bytes().count(b"\n") >= lines):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.005)
        yield process
    finally:
        process.kill()  # where it does not hear what ends it
        process.wait()


def test_a_killed_sweep_goes_on_and_ends_alike(run: Run, spec: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with started(spec, log, 4) as process:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    kept = log.read_bytes()
    assert 4 <= kept.count(b"\n") < 13
    slow = ("--set", "training.iterations=400")
    again = run("sweep", spec, *VARY, *OPTIONS, *slow, "--resume", log)
    assert again.code == 0
    done = kept.count(b"\n") - 1
    assert f"{done} of 12 points are there" in again.err
    assert log.read_bytes().startswith(kept[: kept.rindex(b"\n") + 1])
    assert log.read_bytes().count(b"\n") == 13
    whole = run("sweep", spec, *VARY, *OPTIONS, *slow)
    assert timeless(again.out) == timeless(whole.out)
    # Nothing is left to do: the very numbers of the file, seconds too.
    assert run("sweep", spec, *VARY, *OPTIONS, *slow, "--resume", log, "-q").out == again.out


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_shows_what_is_finished(run: Run, spec: Path, tmp_path: Path, jobs: str) -> None:
    log = tmp_path / "log.jsonl"
    with started(spec, log, 3, "--jobs", jobs) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    found = json.loads(out)
    done = len(found["points"])
    assert 2 <= done < 12
    assert found["notes"][-1] == f"Interrupted after {done} of 12 points; run it again to go on."
    assert len(found["axes"][0]["values"]) == 12
    if jobs == "1":
        return  # what is on the disk does not depend on what computes
    again = run("sweep", spec, *VARY, *OPTIONS, "--set", "training.iterations=400", "--resume", log)
    assert json.loads(again.out)["points"][:done] == found["points"]


def finished(run: Run, spec: Path, log: Path, *more: str) -> str:
    result = run("sweep", spec, "--vary", "training.stepsize=0.1,0.2,0.4", *OPTIONS, "--resume", log, *more)
    assert result.code == 0, result.err
    return result.out


def test_a_line_cut_anywhere_is_repaired(run: Run, spec: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    whole = timeless(finished(run, spec, log))
    content = log.read_bytes()
    header, first, second, third = content.splitlines(keepends=True)
    cuts = [0, 1, len(header) // 2, len(header) - 1, len(header)]
    start = len(header) + len(first) + len(second)
    cuts += [start - 1, start, start + 1, start + len(third) // 2, len(content) - 2, len(content) - 1]
    for cut in cuts:
        log.write_bytes(content[:cut])
        assert timeless(finished(run, spec, log)) == whole
        assert log.read_bytes().count(b"\n") == 4
        assert log.read_bytes().startswith(content[:cut][: content[:cut].rfind(b"\n") + 1])
    log.write_bytes(content[:-40] + b"\n")  # a last line that ends, and says nothing
    assert timeless(finished(run, spec, log)) == whole
    log.write_bytes(content + b"\x00\x00\x00")
    result = run("sweep", spec, "--vary", "training.stepsize=0.1,0.2,0.4", *OPTIONS, "--resume", log)
    assert "removed a last line that was cut short" in result.err
    assert log.read_bytes() == content


def refused(run: Run, *arguments: str | Path) -> str:
    result = run("sweep", *arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    return result.err


def test_the_file_of_another_sweep_is_refused_and_kept(run: Run, spec: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    finished(run, spec, log)
    content = log.read_bytes()
    vary = ("--vary", "training.stepsize=0.1,0.2,0.4")
    same = (*vary, "--measure", "--runs", "4", "--resume", log)
    text = refused(run, spec, *vary, "--measure", "--runs", "9", "--resume", log, "--seed", "3")
    assert "is that of another sweep: --runs is 4 there, 9 here; --seed is 0 there, 3 here; name" in text
    text = refused(run, spec, *same, "--set", "network.layers[1]=5", "--set", "data.mean=0.31")
    assert "network.layers is [6, 4, 2] there, [6, 5, 2] here; data.mean is 0.3 there, 0.31 here" in text
    text = refused(run, spec, "--vary", "training.stepsize=0.1,0.2", *same[2:])
    assert "training.stepsize (3 values from 0.1 to 0.4) there, training.stepsize (2 values from" in text
    assert "--measure is true there, false here" in refused(run, spec, *vary, "--resume", log)
    other = tmp_path / "other.yaml"
    other.write_text(SPEC)
    assert "the path of the spec" in refused(run, other, *same)
    assert "--confidence is 0.99 there, 0.9 here" in refused(run, spec, *same, "--confidence", "0.9")
    assert "--interval" in refused(run, spec, *same, "--interval", "rigorous")
    assert "--advice" in refused(run, spec, *same, "--advice", "certified")
    assert log.read_bytes() == content
    for text in ("hello", "hello\n", "{}\n", "[1]\n", '{"schema": "rsgadvise.sweep-log/1", "sweep": 3}\n'):
        other.write_text(text)
        assert "is no file of `rsgadvise sweep --resume`" in refused(run, spec, *same[:-1], other)
        assert other.read_text() == text
    lines = content.splitlines(keepends=True)
    for damage in (
        b"{}\n",
        b"x\n",
        lines[1].replace(b"0.1", b"0.15"),
        lines[1].replace(b': 0, "v', b': 7, "v'),
    ):
        other.write_bytes(lines[0] + damage + lines[2])
        assert "is damaged in line 2" in refused(run, spec, *same[:-1], other)
        assert other.read_bytes() == lines[0] + damage + lines[2]


def test_places_that_cannot_be_resumed_from_are_refused_first(run: Run, spec: Path, tmp_path: Path) -> None:
    vary = ("--vary", "training.stepsize=0.1,0.2")
    log = tmp_path / "log"
    assert "got -" in refused(run, spec, *vary, "--resume", "-")
    assert "is a directory" in refused(run, spec, *vary, "--resume", tmp_path)
    assert "does not exist" in refused(run, spec, *vary, "--resume", tmp_path / "no" / "log")
    assert "the spec" in refused(run, spec, *vary, "--resume", spec)
    assert "that of --output" in refused(run, spec, *vary, "--resume", log, "--output", log)
    assert "a device or pipe" in refused(run, spec, *vary, "--resume", "/dev/null")
    assert not log.exists()
    assert "got 0" in refused(run, spec, "--vary", "network.layers[1]=0,1", "--resume", log)
    assert not log.exists()


def test_two_sweeps_do_not_share_a_file(run: Run, spec: Path, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    log = tmp_path / "log.jsonl"
    finished(run, spec, log)
    with log.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        text = refused(run, spec, "--vary", "training.stepsize=0.1,0.2,0.4", *OPTIONS, "--resume", log)
    assert "is in use by another sweep" in text


def test_a_sweep_without_training_resumes_too(run: Run, spec: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    vary = ("--vary", "training.stepsize=0.1,50", "-f", "json", "--resume", log)
    first = run("sweep", spec, *vary)
    assert (first.code, log.read_bytes().count(b"\n")) == (0, 3)
    os.truncate(log, log.stat().st_size - 9)
    assert run("sweep", spec, *vary).out == first.out
    assert json.loads(first.out)["points"][1]["paper_bound"] is None


def test_ctrl_c_before_the_first_point_leaves_a_file_as_it_was(spec: Path, tmp_path: Path) -> None:
    log, kept = tmp_path / "log.jsonl", tmp_path / "kept.json"
    kept.write_text("what was there")
    with started(spec, log, 1, "--set", "training.iterations=200000", "-o", str(kept)) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "error: interrupted"
    assert kept.read_text() == "what was there"
