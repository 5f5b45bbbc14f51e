"""`python -m benchmarks.typical`: what stepsizes from statistics alone are worth, beside measured ones.

The data sets lie in the folder that the variable RSGADVISE_DATA names. A setting is one of them with one of
three networks; every stepsize of a grid is trained on three seeds (N = 2,000, B = 32), and any advice is
judged by its place in that landscape, interpolated in logarithms.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.advice.problems import HIDDEN, PACKAGED, Problem, is_there, load_problem
from benchmarks.advice.statistics import MARGIN, trial_equivalents
from benchmarks.advice.trials import BATCH_SIZE, ITERATIONS, judged
from rsgadvise.pilot.calibration import calibrate
from rsgadvise.pilot.task import Task
from rsgadvise.pilot.twins import Statistics
from rsgadvise.pilot.typical import rehearse
from rsgadvise.theory.calibrated import loss_stepsize
from rsgadvise.training.generated import moments_of

FloatArray = NDArray[np.float64]

CHOSEN_ON = ("ionosphere", "breast-cancer", "wine", "spambase", "mnist")
"""Settings that rows, columns, steps and the distance from the cliff were chosen on; the rest reports."""

NAMES = (*CHOSEN_ON, *PACKAGED, "fashion", "cifar")
LEFT_OUT = {("cifar", (32, 16))}  # takes an hour
GRID = np.geomspace(1e-4, 1e3, 29)
SEEDS = (0, 1, 2)
_POPULATION = np.geomspace(1e-4, 1e2, 961)
_GOOD = 1.05  # times the least loss


class Landscape:
    """Final training loss by stepsize, the median over the seeds."""

    def __init__(self, problem: Problem, name: str, folder: Path | None) -> None:
        file = (
            None
            if folder is None
            else folder / f"{name}.{'-'.join(map(str, problem.network.layers[1:-1]))}.npz"
        )
        if file is not None and file.is_file():
            with np.load(file) as kept:
                losses = kept["losses"]
        else:
            losses = judged(problem, GRID, SEEDS).losses
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                np.savez(file, losses=losses)
        self._losses = np.log(np.minimum(np.median(losses, axis=1), 10.0))
        self.population = self.at(_POPULATION)
        good = _POPULATION[self.population <= _GOOD * self.population.min()]
        self.best = float(_POPULATION[self.population.argmin()])
        self.good = float(good.min()), float(good.max())

    def at(self, stepsize: FloatArray | float) -> FloatArray:
        """The loss at any stepsize."""
        return np.asarray(np.exp(np.interp(np.log(stepsize), np.log(GRID), self._losses)))

    def worth(self, stepsize: float) -> float:
        """Trials of random search; see benchmarks/advice."""
        return trial_equivalents(float(self.at(stepsize)), self.population)


def closed_form(known: Statistics, layers: tuple[int, ...]) -> float:
    """1/U of the last layer's Gauss-Newton block at W^1, by mean-field theory of wide networks.

    With W ~ N(0, 1/d) the inputs of the sigmoids are Gaussian: variance q_1 = E||x||^2/d and covariance
    c_1 = tau_x between two examples, then q_l = E sigma(u)^2 and c_l = E sigma(u) sigma(v) over (u, v) with
    those of the layer before. U = 2 E sigma'(u)^2 lambda_max, with lambda_max = d_{L-1} c_{L-1} of the hidden
    signals; for one layer lambda_max(E x x^T) itself, or d tau_x.

    Source: R. Karakida, S. Akaho and S. Amari, Universal statistics of Fisher information in deep neural
        networks: mean field approach (2019).
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    weights = weights / weights.sum()

    def sigmoid(values: FloatArray) -> FloatArray:
        return np.asarray(1 / (1 + np.exp(-values)))

    variance, covariance, steepest = known.second_moment, known.mean_square, known.steepest
    for width in layers[1:-1]:
        tilt = covariance / math.sqrt(variance)
        rest = math.sqrt(max(0.0, variance - tilt**2))
        first = sigmoid(math.sqrt(variance) * nodes)
        second = sigmoid(tilt * nodes[:, None] + rest * nodes[None, :]) @ weights
        # For hidden layers W h has the variance of the mean square of h, as W ~ N(0, 1/d).
        variance, covariance = float(weights @ first**2), float(weights @ (first * second))
        steepest = width * covariance
    output = sigmoid(math.sqrt(variance) * nodes)
    squared_slope = float(weights @ (output * (1 - output)) ** 2)
    return 1 / (2 * squared_slope * steepest)


def advised(problem: Problem, *, seeds: int) -> Iterator[tuple[str, list[float], list[float]]]:
    """(method, stepsizes, factors of their error bars) of each kind of advice."""
    moments = moments_of(problem.training)
    top = float(moments.top_eigenvalue)
    network, batch, n = problem.network, np.array(float(BATCH_SIZE)), np.array(float(ITERATIONS))
    dim = network.layers[0]
    for name, eigenvalue in (("typical", top), ("typical, no lambda_max", None)):
        known = Statistics(dim, moments.mean, moments.mean_square, moments.second_moment, eigenvalue)
        found = [rehearse(network, known, seed=seed, iterations=ITERATIONS) for seed in range(seeds)]
        stepsizes = [float(loss_stepsize(each.constants, batch_size=batch, iterations=n)) for each in found]
        yield name, stepsizes, [each.spread for each in found]
        if eigenvalue is not None:
            yield (
                "without the noise",
                [each.stepsize for each in found],
                [each.spread for each in found],
            )
            yield "closed form 1/U", [closed_form(known, network.layers)], [1.0]
    measured = [
        calibrate(
            Task.of(network, problem.training, seed=seed, hold_out=False),
            batch_size=BATCH_SIZE,
            iterations=ITERATIONS,
        )
        for seed in range(min(seeds, 3))
    ]
    yield (
        "calibrated",
        [float(loss_stepsize(each.constants, batch_size=batch, iterations=n)) for each in measured],
        [1.0],
    )
    for gamma in (1.0, 3.0):
        yield f"fixed {gamma:g}", [gamma], [1.0]


def main() -> int:
    """Print every setting, then both halves, then how often the error bar holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.typical", description=__doc__)
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the landscapes, and reuse them")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="of the twins")
    options = parser.parse_args()
    folder = Path(os.environ.get("RSGADVISE_DATA", "")).resolve()
    names = [name for name in NAMES if is_there(name, folder)]
    worth: dict[str, dict[bool, list[float]]] = {}
    single: dict[bool, list[float]] = {True: [], False: []}
    bars: dict[str, list[bool]] = {"calibrated": [], "best": [], "good": []}
    head: list[str] | None = None
    for name in names:
        for hidden in HIDDEN:
            if (name, hidden) in LEFT_OUT:
                continue
            problem = load_problem(name, hidden, folder)
            land = Landscape(problem, name, options.cache)
            found = {
                method: (steps, factors) for method, steps, factors in advised(problem, seeds=options.seeds)
            }
            if head is None:
                head = ["setting", "best of grid", "within 5 %", *found]
                print(_line(head), _line(["---"] * len(head)), sep="\n")
            cells = [problem.name, f"{land.best:.3g}", f"{land.good[0]:.2g} to {land.good[1]:.2g}"]
            for method, (steps, _) in found.items():
                value = statistics.median(land.worth(gamma) for gamma in steps)
                worth.setdefault(method, {True: [], False: []})[name in CHOSEN_ON].append(value)
                cells.append(f"{statistics.median(steps):.3g} ({value:.1f})")
            print(_line(cells), flush=True)
            target = statistics.median(found["calibrated"][0])
            for gamma, factor in zip(*found["typical"], strict=True):
                single[name in CHOSEN_ON].append(land.worth(gamma))
                bars["calibrated"].append(1 / factor <= target / gamma <= factor)
                bars["best"].append(1 / factor <= land.best / gamma <= factor)
                bars["good"].append(land.good[0] / factor <= gamma <= land.good[1] * factor)
    print(
        "\n" + _line(["advice", "chosen on: median", "least", "only reported: median", "least"]),
        _line(["---"] * 5),
        sep="\n",
    )
    for method, halves in worth.items():
        numbers = [
            f"{part(halves[half]):.1f}"
            for half in (True, False)
            for part in (statistics.median, min)
            if halves[half]
        ]
        print(_line([method, *numbers]))
    for half, label in ((True, "chosen on"), (False, "only reported")):
        low = float(np.mean(np.array(single[half]) < 3)) if single[half] else math.nan
        print(f"\nSingle typical advice worth less than 3 trials, settings {label}: {100 * low:.0f} %.")
    print(
        "\nWithin the error bar of the typical stepsize: "
        + "; ".join(f"{what} {100 * float(np.mean(inside)):.0f} %" for what, inside in bars.items())
        + f". (good: some stepsize within 5 % of the least loss; better means by more than {MARGIN:.0%}.)"
    )
    return 0


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
