"""What the tuners found, kept in a folder: it does not depend on the advice, and takes most of the time."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.advice.problems import Problem
from benchmarks.advice.trials import BATCH_SIZE, ITERATIONS, SEEDS, trained
from benchmarks.advice.tuners import TUNERS, Arrays

__all__ = ["tuned"]

_PROBE_STEPS = 20


def tuned(problem: Problem, tuner: str, folder: Path | None) -> Arrays:
    """The arrays of a tuner, from the folder if it holds them, else computed (and kept there).

    The file's name carries a fingerprint of the data, of the protocol and of a few training steps, so that
    nothing is reused that the engine would no longer compute.
    """
    if folder is None:
        return TUNERS[tuner].run(problem)
    path = folder / f"{problem.name.replace(' ', '_')}.{tuner}.{_fingerprint(problem, tuner)}.npz"
    if path.is_file():
        with np.load(path) as kept:
            return dict(kept)
    found = TUNERS[tuner].run(problem)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    with unfinished.open("wb") as stream:
        np.savez(stream, **found)  # type: ignore[arg-type]
    unfinished.replace(path)
    return found


def _fingerprint(problem: Problem, tuner: str) -> str:
    digest = hashlib.sha256()
    for part in (problem.training, problem.held_out):
        digest.update(part.inputs.tobytes())
        digest.update(part.targets.tobytes())
    matrices = len(problem.network.shapes)
    probe = trained(problem, np.full((1, matrices), 0.5), np.zeros(1), SEEDS[:1], iterations=_PROBE_STEPS)
    known = [problem.network, ITERATIONS, BATCH_SIZE, SEEDS, TUNERS[tuner].constants]
    known.append(f"{probe.losses[0]:.4g}")  # other machines and libraries round otherwise
    if tuner == "tpe" and importlib.util.find_spec("optuna") is not None:
        known.append(version("optuna"))
    digest.update(repr(known).encode())
    return digest.hexdigest()[:12]
