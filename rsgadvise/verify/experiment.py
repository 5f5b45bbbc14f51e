"""One training setting, and how its replicas are run and measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsgadvise.expectation import Expectation
from rsgadvise.networks import Weights, one_thread
from rsgadvise.rsg import Stream, Training, train
from rsgadvise.stopping import draw_iterations

__all__ = ["FEWEST_TOGETHER", "Block", "BlockResult", "Experiment", "Look", "run_block"]

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

STRATA = 16
"""Iterations at which one trajectory is measured, one from each sixteenth of P_R."""

FEWEST_TOGETHER = 4
"""Replicas of one block, at least: large networks have to fit in memory so many times."""

_MOST_TOGETHER = 64
_WEIGHTS_TOGETHER = 1 << 23

WHOLE = 32
"""Up to this many iterations a trajectory is measured in each of them."""

Look = bool
"""True: along the whole trajectory. False: in one iteration R, and trained no further than that."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything that decides the outcome of a replica, but for its number.

    Attributes:
        training: what is trained on what.
        start: W^1, common to all replicas.
        probabilities: P_R, N numbers.
        seed, key: of the replicas' randomness.
        mask_samples: masks per row, in each half, where the gradient's masks have to be sampled.
    """

    training: Training
    start: Weights
    probabilities: FloatArray
    seed: int
    key: int
    mask_samples: int = 1

    @property
    def iterations(self) -> int:
        """N."""
        return len(self.probabilities)

    @property
    def together(self) -> int:
        """Replicas of one block that are looked at once; a matter of speed and memory alone."""
        weights = sum(matrix.size for matrix in self.start)
        return int(max(FEWEST_TOGETHER, min(_MOST_TOGETHER, _WEIGHTS_TOGETHER // max(1, weights))))

    def stream(self, replica: int) -> Stream:
        """The randomness of one replica."""
        return Stream(self.seed, (self.key, 1, replica))


@dataclass(frozen=True, slots=True)
class Block:
    """Replicas first, ..., first + count - 1, looked at in one way."""

    first: int
    count: int
    trajectory: Look


@dataclass(frozen=True, slots=True)
class BlockResult:
    """One entry per replica.

    Attributes:
        values: unbiased for E||g(W^R)||^2, but for the sampling of masks, which can only add to it.
        products: the same without that addition wherever the box is slack; may be negative.
        losses: unbiased for E f(W^R).
        seconds: of the whole block.
    """

    values: FloatArray
    products: FloatArray
    losses: FloatArray
    seconds: float


def _looks(experiment: Experiment, stream: Stream, trajectory: Look) -> tuple[IntArray, FloatArray]:
    """The iterations at which one replica is measured, and their weights."""
    p = experiment.probabilities
    if trajectory and len(p) <= WHOLE:
        inside = np.flatnonzero(p)
        return inside + 1, p[inside]
    strata = STRATA if trajectory else 1
    return draw_iterations(p, stream.stopping, strata=strata), np.full(strata, 1 / strata)


def run_block(experiment: Experiment, block: Block) -> BlockResult:
    """Train and measure the replicas of one block; the result of each depends on its number only."""
    begun = time.perf_counter()
    streams = [experiment.stream(block.first + place) for place in range(block.count)]
    looks = [_looks(experiment, stream, block.trajectory) for stream in streams]
    values, products, losses = np.zeros((3, block.count))
    training = experiment.training
    objective = Expectation(training.network, training.data, mask_samples=experiment.mask_samples)
    with one_thread():
        for shot in train(training, experiment.start, streams, [stops for stops, _ in looks]):
            found = objective.measure(
                shot.weights,
                training.stepsizes_at(shot.iteration),
                [streams[replica].measuring for replica in shot.replicas],
            )
            for place, replica in enumerate(shot.replicas):
                stops, weights = looks[replica]
                share = float(weights[stops == shot.iteration].sum())
                values[replica] += share * found.squared_norm[place]
                products[replica] += share * found.product[place]
                losses[replica] += share * found.loss[place]
    return BlockResult(values, products, losses, time.perf_counter() - begun)
