"""Ctrl-C costs the point under way: what is finished is shown."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SPEC = """
network: {kind: multilayer, layers: [6, 4, 2], weight_bound: 0.5}
data: {mean: 0.3, mean_square: 0.12}
training: {stepsize: 0.4, batch_size: 8, iterations: 10000}
"""


@contextmanager
def started(tmp_path: Path, *options: str, after: int) -> Iterator[subprocess.Popen[str]]:
    """A sweep of its own process, as soon as it has told of so many points."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    command = [sys.executable, "-m", "rsgadvise", "sweep", str(spec), "--vary", "network.layers[1]=2:13:12"]
    measured = ["--measure", "--runs", "4", "-f", "json", *options]
    process = subprocess.Popen(
        [*command, *measured], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        for at in range(1, after + 1):
            assert process.stderr.readline().startswith(f"done: {at} of 12: layers[1]=")
        yield process
    finally:
        process.kill()  # where it does not hear what ends it
        process.wait()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_shows_what_is_finished(tmp_path: Path, jobs: str) -> None:
    with started(tmp_path, "--jobs", jobs, after=2) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    found = json.loads(out)
    done = len(found["points"])
    assert 2 <= done < 12
    assert found["notes"][-1] == f"Interrupted after {done} of 12 points."
    assert len(found["axes"][0]["values"]) == 12


def test_ctrl_c_before_the_first_point_leaves_a_file_as_it_was(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text("what was there")
    with started(
        tmp_path, "--jobs", "1", "--set", "training.iterations=10000000", "-o", str(kept), after=0
    ) as process:
        while int(Path(f"/proc/{process.pid}/stat").read_text().split()[13]) < 200:  # hundredths of a second
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "error: interrupted"
    assert kept.read_text() == "what was there"
