"""The race of batch sizes of the numpy engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from rsgadvise.advise.results import TrainingPlan, by_matrix
from rsgadvise.pilot.arena import Arena, multiply_adds
from rsgadvise.pilot.batch_race import FEWEST_SAMPLES, SEEDS, TRAININGS, BatchRace, batch_race, mean_loss
from rsgadvise.pilot.tournament import loss_at
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.training.networks import Data, Network, one_thread
from rsgadvise.training.rsg import Training, train

_JUDGED = 512  # rows
_START, _BATCHES, _JUDGING = 3, 9, 9  # keys of randomness


@one_thread()
def race_batches(
    network: Network, data: Data, optimizer: Optimizer, plan: TrainingPlan, *, seed: int, work: float
) -> BatchRace:
    """Race batch sizes about a plan.

    Args:
        network, data, optimizer: what is trained.
        plan: with the stepsizes of its batch size.
        seed: of the start and the mini-batches.
        work: multiply-adds that it may cost.
    """
    arena = Arena.of(network, data, seed=seed, hold_out=False, optimizer=optimizer)
    starts = [arena.start(_START + seed) for seed in range(SEEDS)]
    start = [np.concatenate(level) for level in zip(*starts, strict=True)]
    own = by_matrix(plan.stepsize, len(network.shapes))

    def run(size: int, multiple: float, looks: Sequence[int]) -> Iterator[tuple[int, float]]:
        stepsizes = tuple(multiple * gamma for gamma in own)
        training = Training(network, arena.data, stepsizes, size, optimizer=optimizer)
        streams = [arena.stream(_BATCHES, size, seed) for seed in range(SEEDS)]
        for shot in train(training, start, streams, [np.array(looks) + 1] * SEEDS):
            losses = [
                loss_at(network, one, judged)
                for one in ([matrix[seed : seed + 1] for matrix in shot.weights] for seed in range(SEEDS))
            ]
            yield shot.iteration - 1, mean_loss(losses)

    judged = arena.part(arena.sample(_JUDGED, arena.rng(_JUDGING)))
    samples = max(TRAININGS * plan.batch_size * plan.iterations, FEWEST_SAMPLES)
    budget = min(samples, work / multiply_adds(network, plan.batch_size))
    found = batch_race(run, batch_size=plan.batch_size, rows=data.rows, budget=budget / SEEDS)
    return replace(found, samples=SEEDS * found.samples)
