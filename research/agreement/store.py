"""What was measured, kept in a folder: bounds and statistics can then change without training again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import rsgadvise
from research.agreement.design import Configuration, Sweep
from research.agreement.measuring import PROTOCOL, Outcome, measure_one, measure_sweep
from research.agreement.sources import DATA, ROWS

__all__ = ["Task", "outcomes"]

Task = Configuration | Sweep

_BELOW = ("theory", "training")
_MEASURERS = (*_BELOW, "pilot/task.py", "pilot/calibration.py")
"""Parts of the package that decide an outcome: limits of stepsizes, training and measuring."""


def outcomes(task: Task, folder: Path, replicas: int, cache: Path | None) -> list[Outcome]:
    """One outcome, or one for each level of a sweep; from the cache if it holds them."""
    if cache is None:
        return _measured(task, folder, replicas)
    name = task.data if isinstance(task, Configuration) else task.levels[0].data
    known = (
        repr(asdict(task)),
        replicas,
        PROTOCOL,
        ROWS,
        version("numpy"),
        _sources(),
        _file(folder / DATA[name][0]),
    )
    path = cache / f"{hashlib.sha256(repr(known).encode()).hexdigest()[:24]}.json"
    if path.is_file():
        return [Outcome.of(stored) for stored in json.loads(path.read_text())]
    found = _measured(task, folder, replicas)
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps([asdict(outcome) for outcome in found]))
    unfinished.replace(path)
    return found


def _measured(task: Task, folder: Path, replicas: int) -> list[Outcome]:
    if isinstance(task, Sweep):
        return measure_sweep(task, folder, replicas)
    return [measure_one(task, folder, replicas)]


@lru_cache(maxsize=1)
def _sources() -> str:
    """Digest of the code behind an outcome."""
    root = Path(rsgadvise.__file__).parent
    parts = [root / name for name in _MEASURERS]
    here = Path(__file__).parent
    files: Sequence[Path] = [file for part in parts for file in (sorted(part.rglob("*.py")) or [part])]
    files = [*files, here / "measuring.py", here / "sources.py"]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=8)
def _file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
