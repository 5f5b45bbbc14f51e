"""Candidates ranked per second on one core, against a geometric-program solver per problem."""

from __future__ import annotations

import os
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np

from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.judge import objective_for
from rsgadvise.theory.multilayer import Structure, dropout_bound, structure
from rsgadvise.theory.multilayer_optimum import optimal_hyperparameters
from rsgadvise.theory.objective import Objective, Schedule
from rsgadvise.theory.problem import Problem

_COUNT = 1_000_000
MOMENTS = InputMoments(784, 0.1307, 0.0448, 0.112, 38.1)


def _problem(kind: str, layers: tuple[int, ...], box: float) -> Problem:
    boxes = () if kind == "single_layer" else (box,) * (len(layers) - 1)
    loss = float(layers[0] if kind == "autoencoder" else layers[-1])
    return Problem(kind, layers, boxes, 0.1, MOMENTS, loss, 60000, ())  # type: ignore[arg-type]


def _rank(objective: Objective, count: int, keep_prob: tuple[float, float]) -> float:
    """Seconds to solve and sort `count` candidates."""
    rng = np.random.default_rng(0)
    batch = np.asarray(np.round(np.exp(rng.uniform(0, 8, count))), dtype=np.float64)
    n = np.asarray(np.round(np.exp(rng.uniform(3, 14, count))), dtype=np.float64)
    schedule = Schedule()
    begun = time.perf_counter()
    plans = objective.optimum(batch, n, keep_prob, schedule)
    np.argsort(objective.bound(plans).value)
    return time.perf_counter() - begun


def _gp_seconds(net: Structure, problems: int) -> tuple[float, float]:
    """Median seconds of one cvxpy solve, and the largest relative difference from ours."""
    import cvxpy

    times, worst = [], 0.0
    rng = np.random.default_rng(1)
    for _ in range(problems):
        batch, n = float(np.round(np.exp(rng.uniform(0, 8)))), float(np.round(np.exp(rng.uniform(3, 14))))
        gammas = [cvxpy.Variable(pos=True) for _ in net.curvatures]
        zeta, shared = cvxpy.Variable(pos=True), cvxpy.Variable(pos=True)
        cost = 10 / n / zeta**2 + float(net.output_noise) / batch * gammas[-1] ** 2 / zeta
        for index, noise in enumerate(net.hidden_noise):
            damping = 1 if index == len(net.hidden_noise) - 1 else zeta
            cost += float(net.pretraining) * float(noise) / batch * gammas[index] * damping
        rules = [zeta >= 0.1, zeta <= 1]
        rules += [shared / g + float(b) * g <= 1 for g, b in zip(gammas, net.curvatures, strict=True)]
        begun = time.perf_counter()
        solver = cvxpy.Problem(cvxpy.Minimize(cost / shared), rules)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            solver.solve(gp=True, solver="CLARABEL")
        times.append(time.perf_counter() - begun)
        stepsize, keep = optimal_hyperparameters(
            net=net, batch_size=batch, iterations=n, initial_loss=10.0, ceiling=10.0, keep_prob=(0.1, 1.0)
        )
        ours = dropout_bound(
            net=net,
            stepsize=stepsize,
            keep_prob=keep,
            batch_size=batch,
            iterations=n,
            initial_loss=10.0,
            ceiling=10.0,
        )
        worst = max(worst, abs(float(ours.value) / float(solver.value) - 1))
    return statistics.median(times), worst


def _median(measure: Callable[[], float], repeats: int = 5) -> float:
    measure()
    return statistics.median(measure() for _ in range(repeats))


def run() -> None:
    """Print candidates per second by network, then the solver's time for one problem."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cases = [
        ("one layer 784-10", "single_layer", (784, 10), (1.0, 1.0), 1e6),
        ("autoencoder 784-100", "autoencoder", (784, 100), (0.1, 1.0), 1e6),
        ("5 layers 784-500-400-300-200-10", "multilayer", (784, 500, 400, 300, 200, 10), (0.1, 1.0), 1e5),
    ]
    rate = 0.0
    for label, kind, layers, keep_prob, aim in cases:
        objective = objective_for(_problem(kind, layers, 0.05), "paper")
        rate = _COUNT / _median(partial(_rank, objective, _COUNT, keep_prob))
        print(f"{label:32} {rate:12,.0f} candidates/s on one core (aim {aim:,.0f})")
    net = structure(layers=cases[-1][2], weight_bound=[0.05] * 5, pretraining=0.1)
    seconds, worst = _gp_seconds(net, 12)
    label = "cvxpy's DGP on the last"
    print(
        f"{label:32} {1 / seconds:12,.1f} problems/s: ours is {rate * seconds:,.0f} times "
        f"as fast (aim 1,000); largest difference of the optima {worst:.1e}"
    )


if __name__ == "__main__":
    run()
