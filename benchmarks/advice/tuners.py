"""Tuners that train: random search, Optuna's TPE, the range test, fixed stepsizes, and an oracle.

Each returns plain arrays, so that they can be kept: none depends on what the advisor says.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.advice.problems import Problem
from benchmarks.advice.trials import BATCH_SIZE, ITERATIONS, SEEDS, first_weights, judged, trained
from rsgadvise.training.networks import Kernel, clip_to_box, one_thread
from rsgadvise.training.rsg import Stream

__all__ = ["COUNTS", "TUNERS", "Arrays", "Tuner"]

Arrays = Mapping[str, NDArray[np.float64]]

COUNTS = (1, 2, 4, 8, 16, 32)
"""Trials at which searches are reported."""

FIXED = (0.01, 0.1, 1.0)

_RANGE = (1e-4, 1e2)  # of every search
_POPULATION = 96
_STUDIES = 5
_GRID = 49
_ORACLE_SEEDS = tuple(range(10, 19))

_SWEEP = (1e-7, 100.0, 100)  # first and last stepsize, and mini-batches: the example of torch-lr-finder
_SMOOTHING = 0.05
_DIVERGED = 5.0
_SKIPPED = slice(10, -5)  # what its plot leaves out before it suggests
_SWEEP_KEY = (0xADD, 2)


def _seed(problem: Problem) -> int:
    """Of a search, another in each setting: one lucky draw must not decide all of them."""
    return zlib.crc32(problem.name.encode())


def _random(problem: Problem) -> Arrays:
    """A population of log-uniform common stepsizes."""
    low, high = np.log(_RANGE)
    stepsizes = np.exp(np.random.default_rng(_seed(problem)).uniform(low, high, _POPULATION))
    found = judged(problem, stepsizes)
    return {"stepsizes": stepsizes, "losses": found.losses, "errors": found.errors}


def _fixed(problem: Problem) -> Arrays:
    """The stepsizes that people start from."""
    found = judged(problem, FIXED)
    return {"stepsizes": np.array(FIXED), "losses": found.losses, "errors": found.errors}


def _oracle(problem: Problem) -> Arrays:
    """The best of a dense grid, chosen on other seeds and judged on those of the benchmark."""
    grid = np.geomspace(*_RANGE, _GRID)
    rehearsed = np.median(judged(problem, grid, _ORACLE_SEEDS).losses, axis=1)
    best = grid[[np.argmin(rehearsed)]]
    found = judged(problem, best)
    cost = np.array([float(_GRID)])
    return {"stepsizes": best, "losses": found.losses, "errors": found.errors, "costs": cost}


def _tpe(problem: Problem) -> Arrays:
    """Studies of Optuna's default sampler, all a trial further at a time; arrays are (studies, trials, ...).

    The objective of a trial is its median loss over the seeds, just as trials of random search are judged.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    samplers = [
        optuna.samplers.TPESampler(seed=_seed(problem) % 2**31 + number) for number in range(_STUDIES)
    ]
    studies = [optuna.create_study(sampler=sampler) for sampler in samplers]
    rounds: list[tuple[Any, ...]] = []
    for _ in range(max(COUNTS)):
        trials = [study.ask() for study in studies]
        stepsizes = np.array([trial.suggest_float("stepsize", *_RANGE, log=True) for trial in trials])
        found = judged(problem, stepsizes)
        for study, trial, loss in zip(studies, trials, np.median(found.losses, axis=1), strict=True):
            study.tell(trial, float(loss))
        rounds.append((stepsizes, found.losses, found.errors))
    stacked = [np.stack(arrays, axis=1) for arrays in zip(*rounds, strict=True)]
    return dict(zip(("stepsizes", "losses", "errors"), stacked, strict=True))


def _range_test(problem: Problem) -> Arrays:
    """The range test of torch-lr-finder, once for each seed."""
    with one_thread():
        suggested = [_sweep(problem, seed) for seed in SEEDS]
    stepsizes, costs = np.array(suggested).T
    paces = np.repeat(stepsizes[:, None], len(problem.network.shapes), axis=1)
    found = trained(problem, paces, np.zeros(len(SEEDS)), SEEDS)
    return {"stepsizes": stepsizes, "losses": found.losses, "errors": found.errors, "costs": costs}


def _sweep(problem: Problem, seed: int) -> tuple[float, float]:
    """(suggested stepsize, cost in trainings) as `range_test` and `plot` of torch-lr-finder 0.2 have it.

    The stepsize rises exponentially, one mini-batch each; the mini-batch loss before each update is smoothed,
    s_k = 0.05 loss + 0.95 s_{k-1}; it ends when s_k exceeds 5 times the least s; the suggestion is where s
    falls most from one stepsize to the next. NaN where the test ends too early to suggest any.
    """
    network, data = problem.network, problem.training
    weights = [matrix.astype(data.inputs.dtype) for matrix in first_weights(network, seed)]
    stepsizes = np.geomspace(*_SWEEP)
    batches = Stream(seed, _SWEEP_KEY).batches.integers(0, data.rows, size=(len(stepsizes), BATCH_SIZE))
    kernel = Kernel(network, replicas=1, rows=BATCH_SIZE, dtype=data.inputs.dtype)
    smoothed: list[float] = []
    for stepsize, rows in zip(stepsizes, batches, strict=True):
        kernel.inputs[0], kernel.targets[0] = data.inputs[rows], data.targets[rows]
        losses = np.zeros(1)
        steps = kernel.gradient(weights, scale=1 / BATCH_SIZE, losses=losses)
        for matrix, step in zip(weights, steps, strict=True):
            np.subtract(matrix, float(stepsize) * step, out=matrix)
        clip_to_box(network, weights)
        loss = float(losses[0])
        smoothed.append(_SMOOTHING * loss + (1 - _SMOOTHING) * smoothed[-1] if smoothed else loss)
        if smoothed[-1] > _DIVERGED * min(smoothed):
            break
    used = len(smoothed)
    shown, kept = smoothed[_SKIPPED], stepsizes[:used][_SKIPPED]
    suggestion = kept[np.argmin(np.gradient(shown))] if len(shown) > 1 else np.nan
    return float(suggestion), used / ITERATIONS


@dataclass(frozen=True, slots=True)
class Tuner:
    """How to run a tuner, and the constants that its arrays depend on beside the problem's."""

    run: Callable[[Problem], Arrays]
    constants: tuple[object, ...] = field(default=())


TUNERS = {
    "random": Tuner(_random, (_RANGE, _POPULATION)),
    "tpe": Tuner(_tpe, (_RANGE, _STUDIES, COUNTS)),
    "range-test": Tuner(_range_test, (_SWEEP, _SMOOTHING, _DIVERGED, _SKIPPED)),
    "fixed": Tuner(_fixed, (FIXED,)),
    "oracle": Tuner(_oracle, (_RANGE, _GRID, _ORACLE_SEEDS)),
}
