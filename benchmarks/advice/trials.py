"""A trial: training with one stepsize, and what comes of it. The same for advice and for tuners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.advice.problems import Problem
from rsgadvise.pilot.race import Cooling
from rsgadvise.training.networks import Array, Data, Network, Weights, initial_weights, one_thread
from rsgadvise.training.rsg import Pace, Stream, Training, train

__all__ = ["BATCH_SIZE", "ITERATIONS", "SEEDS", "Outcome", "first_weights", "judged", "trained"]

FloatArray = NDArray[np.float64]

ITERATIONS = 2000
BATCH_SIZE = 32
SEEDS = tuple(range(9))
"""Each decides W^1 and the mini-batches of every trial: trials differ in nothing but their stepsize."""

# Apart from the keys that the advisor's own trainings may use: it must not rehearse on these very batches.
_START_KEY = 0x5EED
BATCH_KEY = (0xADD, 1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of some trainings: loss over all training rows after N updates, inf where it is no number, and the
    share of held-out rows that are classified wrongly."""

    losses: FloatArray
    errors: FloatArray


def first_weights(network: Network, seed: int) -> Weights:
    """W^1 of a seed."""
    return initial_weights(network, np.random.default_rng([seed, _START_KEY]))


def trained(
    problem: Problem,
    stepsizes: FloatArray,
    decays: FloatArray,
    seeds: Sequence[int],
    *,
    iterations: int = ITERATIONS,
    cooldowns: FloatArray | None = None,
) -> Outcome:
    """Train one replica for each row of `stepsizes`, all together.

    Args:
        problem: network and data.
        stepsizes: (replicas, matrices). decays: (replicas,). seeds: one per replica.
        iterations: N.
        cooldowns: share of these over which each replica's stepsize falls to 0; None for none.
    """
    network, replicas = problem.network, len(stepsizes)
    starts = {seed: first_weights(network, seed) for seed in set(seeds)}
    start = [np.concatenate(matrices) for matrices in zip(*(starts[seed] for seed in seeds), strict=True)]
    training = Training(network, problem.training, (1.0,) * len(network.shapes), BATCH_SIZE)
    streams = [Stream(seed, BATCH_KEY) for seed in seeds]
    stops = [np.array([iterations + 1])] * replicas
    pace = Pace(stepsizes, decays)
    if cooldowns is not None:
        pace = Cooling(stepsizes, decays, cooldowns, iterations)
    (end,) = train(training, start, streams, stops, pace=pace)
    order = np.argsort(end.replicas)
    found = [_judge([matrix[replica] for matrix in end.weights], problem) for replica in order]
    losses, errors = np.array(found, dtype=np.float64).T
    return Outcome(losses, errors)


def judged(
    problem: Problem, stepsizes: ArrayLike, seeds: Sequence[int] = SEEDS, cooldown: float = 0.0
) -> Outcome:
    """Train each common stepsize, without decay, on every seed; the outcome is (stepsizes, seeds)."""
    common = np.repeat(np.asarray(stepsizes, dtype=np.float64), len(seeds))
    paces = np.repeat(common[:, None], len(problem.network.shapes), axis=1)
    every = list(seeds) * (len(common) // len(seeds))
    cooldowns = np.full(len(common), cooldown) if cooldown else None
    found = trained(problem, paces, np.zeros(len(common)), every, cooldowns=cooldowns)
    return Outcome(found.losses.reshape(-1, len(seeds)), found.errors.reshape(-1, len(seeds)))


def _judge(weights: Weights, problem: Problem) -> tuple[float, float]:
    """(training loss, held-out error) of one replica."""
    with one_thread(), np.errstate(over="ignore", invalid="ignore"):
        loss = _loss(weights, problem.training)
        if not np.isfinite(loss):
            return np.inf, 1.0
        found = _outputs(weights, problem.held_out.inputs).argmax(axis=1)
    return loss, float(np.mean(found != problem.held_out.targets.argmax(axis=1)))


def _loss(weights: Weights, data: Data) -> float:
    missing = _outputs(weights, data.inputs) - data.targets
    return float(np.mean(np.sum(missing * missing, axis=1, dtype=np.float64)))


def _outputs(weights: Weights, signal: Array) -> Array:
    """The forward pass alone, which is all that judging needs: the engine's computes gradients with it."""
    for matrix in weights:
        signal = 0.5 + 0.5 * np.tanh(0.5 * (signal @ matrix.T))
    return signal
