"""One setting: every method trained, and each one's loss turned into trials of random search."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.advice.cache import tuned
from benchmarks.advice.problems import Problem, load_problem
from benchmarks.advice.statistics import MARGIN, best_of, trial_equivalents
from benchmarks.advice.trials import BATCH_SIZE, ITERATIONS, SEEDS, trained
from benchmarks.advice.tuners import COUNTS, Arrays
from rsgadvise.errors import RsgadviseError

__all__ = ["ADVICE", "METHODS", "Row", "Verdict", "judge"]

FloatArray = NDArray[np.float64]

ADVICE = {
    "paper": ("paper", 0.0),
    "certified": ("certified", 0.0),
    "typical": ("typical", 0.0),
    "calibrated": ("calibrated", 0.0),
    "pilot": ("calibrated", 1.0),
}
"""Constants, and the trainings that a pilot may cost, by the name of the advice."""

METHODS = (*ADVICE, "random", "tpe", "range-test", "fixed", "oracle")


@dataclass(frozen=True, slots=True)
class Row:
    """A method in a setting: medians over the seeds (or studies, or choices of trials).

    Attributes:
        loss: training loss after N updates. error: share of held-out rows classified wrongly.
        cost: in trainings, that with the resulting stepsize left out.
        choice: the stepsize on the first seed, where there is one.
        equivalents: trials of random search that the loss is worth.
    """

    method: str
    loss: float
    error: float
    cost: float
    choice: str
    equivalents: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """All methods in one setting.

    Attributes:
        trials: size of the random population that judged them.
        level: most of these trials are as good as the best but for the margin, so that the setting hardly
            tells one method from another.
    """

    setting: str
    trials: int
    level: bool
    rows: tuple[Row, ...]


def judge(
    name: str,
    hidden: tuple[int, ...],
    folder: Path,
    cache: Path | None,
    methods: Sequence[str],
    *,
    shift: int = 0,
) -> Verdict:
    """Train all methods on one setting; the random population is always needed."""
    problem = load_problem(name, hidden, folder)
    population = _timed(problem, "random", cache)
    trials = np.median(population["losses"], axis=1)
    rows: list[Row] = []

    def add(method: str, loss: float, error: float, cost: float, choice: str = "") -> None:
        rows.append(Row(method, loss, error, cost, choice, trial_equivalents(loss, trials)))

    for method in METHODS:
        if method not in methods:
            continue
        if method in ADVICE:
            add(method, *_advised(problem, method, shift))
        elif method == "random":
            errors = np.median(population["errors"], axis=1)
            for count in COUNTS:
                add(f"random {count}", *best_of(trials, errors, count), count)
        else:
            found = _timed(problem, method, cache)
            if method == "tpe":
                for count in COUNTS:
                    add(f"TPE {count}", *_best_so_far(found, count), count)
            elif method == "range-test":
                loss, error, cost = (float(np.median(found[key])) for key in ("losses", "errors", "costs"))
                add("range test", loss, error, cost, f"{found['stepsizes'][0]:.3g}")
            else:
                costs = found.get("costs", np.zeros(len(found["stepsizes"])))
                losses, errors = np.median(found["losses"], axis=1), np.median(found["errors"], axis=1)
                for stepsize, loss, error, cost in zip(
                    found["stepsizes"], losses, errors, costs, strict=True
                ):
                    label = "oracle" if method == "oracle" else f"fixed {stepsize:g}"
                    add(label, float(loss), float(error), float(cost), f"{stepsize:.3g}")
    level = bool(np.mean((1 - MARGIN) * trials <= trials.min()) > 0.5)
    return Verdict(problem.name, len(trials), level, tuple(rows))


def _timed(problem: Problem, tuner: str, cache: Path | None) -> Arrays:
    begun = time.perf_counter()
    found = tuned(problem, tuner, cache)
    say(f"{problem.name}: {tuner}, {time.perf_counter() - begun:.1f} s")
    return found


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def _best_so_far(found: Arrays, count: int) -> tuple[float, float]:
    """(median loss, median error) over the studies of each one's best among its first trials."""
    losses, errors = np.median(found["losses"], axis=2), np.median(found["errors"], axis=2)
    best = losses[:, :count].argmin(axis=1)
    studies = np.arange(len(best))
    return float(np.median(losses[studies, best])), float(np.median(errors[studies, best]))


def _advised(problem: Problem, method: str, shift: int = 0) -> tuple[float, float, float, str]:
    """(loss, error, cost, stepsizes) of the advice, which may differ from seed to seed.

    Seeds of the advice are those of the trials and `shift` more.
    """
    # Looked up only when it is asked for: the tuners can be judged without it.
    recommend: Any = importlib.import_module("rsgadvise").recommend
    begun = time.perf_counter()
    constants, pilot = ADVICE[method]
    spec = problem.spec(batch_size=BATCH_SIZE, iterations=ITERATIONS)
    data = (problem.training.inputs, problem.training.targets)
    matrices = len(problem.network.shapes)
    stepsizes, decays, costs = np.empty((len(SEEDS), matrices)), np.empty(len(SEEDS)), np.empty(len(SEEDS))
    for place, seed in enumerate(SEEDS):
        try:
            advice = recommend(spec, data=data, constants=constants, pilot=pilot, seed=seed + shift)
        except RsgadviseError as error:
            say(f"{problem.name}: no advice from {method}: {error}")
            return np.inf, 1.0, 0.0, "none"
        best = advice.recommendations[0]
        stepsizes[place], decays[place], costs[place] = best.stepsize, best.decay, advice.cost
    asked = time.perf_counter() - begun
    say(f"{problem.name}: {method}, {asked:.1f} s to advise")
    found = trained(problem, stepsizes, decays, SEEDS)
    loss, wrong, cost = (float(np.median(values)) for values in (found.losses, found.errors, costs))
    return loss, wrong, cost, _choice(stepsizes[0], float(decays[0]))


def _choice(stepsizes: FloatArray, decay: float) -> str:
    """Stepsizes of an advice in a cell."""
    each = stepsizes[:1] if np.all(stepsizes == stepsizes[0]) else stepsizes
    return ", ".join(f"{gamma:.3g}" for gamma in each) + (f"; decay {decay:.2g}" if decay else "")
