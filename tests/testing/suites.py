"""Runs a test file as its user would, in a process of its own."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = "rsgadvise.testing.plugin"
INSTALLED = any(entry.value == PLUGIN for entry in importlib.metadata.entry_points(group="pytest11"))


def run_suite(folder: Path, text: str, *options: str, **environment: str) -> str:
    """What pytest writes of a file with this text; its JUnit report is out.xml."""
    (folder / "test_suite.py").write_text(text)
    load = () if INSTALLED else ("-p", PLUGIN)  # where this checkout alone is on the path
    command = [sys.executable, "-m", "pytest", *load, "--strict-markers", "--junitxml=out.xml", *options]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
    )
    assert done.stderr == ""
    return done.stdout
