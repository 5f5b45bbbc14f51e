"""One setting: every method trained, and each one's loss turned into trials of random search."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.advice.cache import tuned
from benchmarks.advice.problems import Problem, load_problem
from benchmarks.advice.statistics import MARGIN, best_of, trial_equivalents
from benchmarks.advice.trials import BATCH_SIZE, ITERATIONS, SEEDS, judged, trained
from benchmarks.advice.tuners import COUNTS, Arrays
from rsgadvise.errors import RsgadviseError
from rsgadvise.pilot.advising import COOLDOWN

__all__ = [
    "ADVICE",
    "CONSTANT",
    "COOLED",
    "METHODS",
    "Row",
    "Verdict",
    "best_elsewhere",
    "judge",
    "transferred",
]

FloatArray = NDArray[np.float64]

ADVICE: Mapping[str, tuple[bool, Mapping[str, Any]]] = {
    "default, data": (True, {}),
    "default, statistics only": (False, {}),
    "typical": (False, {"constants": "typical"}),
    "paper": (False, {"constants": "paper"}),
    "certified": (False, {"constants": "certified"}),
    "calibrated": (True, {"constants": "calibrated"}),
    "pilot": (True, {"constants": "calibrated", "pilot": 1.0}),
}
"""Whether it sees the data, and what is asked for, by the name of the advice."""

CONSTANT = ", constant"
"""Of an advice whose stepsize falls at the end: the same without that."""

COOLED = "transferred, falling"

METHODS = (*ADVICE, "random", "tpe", "range-test", "fixed", "transferred", "oracle")


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
        population: stepsizes of the random trials, and the median loss of each.
    """

    setting: str
    trials: int
    level: bool
    rows: tuple[Row, ...]
    population: tuple[FloatArray, FloatArray]


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
        if method not in methods or method == "transferred":
            continue
        if method in ADVICE:
            for advised in _advised(problem, method, shift):
                add(*advised)
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
    return Verdict(problem.name, len(trials), level, tuple(rows), (population["stepsizes"], trials))


def transferred(
    name: str, hidden: tuple[int, ...], folder: Path, verdict: Verdict, stepsize: float
) -> Verdict:
    """The verdict with rows for the stepsize that is best over the other data sets, before the oracle's."""
    problem = load_problem(name, hidden, folder)
    rows = []
    for label, cooldown in (("transferred", 0.0), (COOLED, COOLDOWN)):
        found = judged(problem, [stepsize], cooldown=cooldown)
        loss, error = (float(np.median(values)) for values in (found.losses, found.errors))
        worth = trial_equivalents(loss, verdict.population[1])
        rows.append(Row(label, loss, error, 0.0, f"{stepsize:.3g}", worth))
    last = len(verdict.rows) - (verdict.rows[-1].method == "oracle")
    return replace(verdict, rows=(*verdict.rows[:last], *rows, *verdict.rows[last:]))


def best_elsewhere(populations: Sequence[tuple[FloatArray, FloatArray]]) -> float:
    """The common stepsize with the least mean of log(loss / best loss) over some settings.

    The losses of a setting between its random trials are interpolated in the logarithm of the stepsize.
    """
    grid = np.geomspace(1e-3, 1e2, 101)
    total = np.zeros(len(grid))
    for stepsizes, losses in populations:
        order = np.argsort(stepsizes)
        finite = np.minimum(losses[order], np.nanmax(losses[np.isfinite(losses)]))
        total += np.interp(np.log(grid), np.log(stepsizes[order]), np.log(finite / finite.min()))
    return float(grid[np.argmin(total)])


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


def _advised(problem: Problem, method: str, shift: int = 0) -> Iterator[tuple[str, float, float, float, str]]:
    """(name, loss, error, cost, stepsizes) of the advice, which may differ from seed to seed.

    Where its stepsize falls at the end, the same advice without that is a row of its own.

    Seeds of the advice are those of the trials and `shift` more.
    """
    # Looked up only when it is asked for: the tuners can be judged without it.
    recommend: Any = importlib.import_module("rsgadvise").recommend
    begun = time.perf_counter()
    sees, options = ADVICE[method]
    spec = problem.spec(batch_size=BATCH_SIZE, iterations=ITERATIONS)
    data = (problem.training.inputs, problem.training.targets) if sees else None
    matrices = len(problem.network.shapes)
    stepsizes = np.empty((len(SEEDS), matrices))
    decays, cooldowns, costs = (np.empty(len(SEEDS)) for _ in range(3))
    for place, seed in enumerate(SEEDS):
        try:
            advice = recommend(spec, data=data, seed=seed + shift, **options)
        except RsgadviseError as error:
            say(f"{problem.name}: no advice from {method}: {error}")
            yield method, np.inf, 1.0, 0.0, "none"
            return
        best = advice.train
        stepsizes[place], decays[place], costs[place] = best.stepsize, best.decay, advice.cost
        cooldowns[place] = best.cooldown
    asked = time.perf_counter() - begun
    say(f"{problem.name}: {method}, {asked:.1f} s to advise")
    choice = _choice(stepsizes[0], float(decays[0]))
    tried = [(method, cooldowns)]
    if method.startswith("default"):
        tried.append((f"{method}{CONSTANT}", np.zeros(len(SEEDS))))
    for name, shares in tried:
        found = trained(problem, stepsizes, decays, SEEDS, cooldowns=shares)
        loss, wrong, cost = (float(np.median(values)) for values in (found.losses, found.errors, costs))
        yield name, loss, wrong, cost, choice


def _choice(stepsizes: FloatArray, decay: float) -> str:
    """Stepsizes of an advice in a cell."""
    each = stepsizes[:1] if np.all(stepsizes == stepsizes[0]) else stepsizes
    return ", ".join(f"{gamma:.3g}" for gamma in each) + (f"; decay {decay:.2g}" if decay else "")
