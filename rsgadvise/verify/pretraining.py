"""Layer-wise pretraining: each hidden layer as a denoising autoencoder of the layer below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rsgadvise.expectation import Expectation
from rsgadvise.networks import Array, Data, Network, Weights, initial_weights
from rsgadvise.rsg import Stream, Training, train
from rsgadvise.theory.constants import autoencoder_constants
from rsgadvise.verify.cases import moments_of

__all__ = ["Pretrained", "pretrain"]

_ROUND = 50  # iterations
_MOST_WORK = 3e11  # multiplications per layer: some ten seconds
_MOST_ROUNDS = 200
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Pretrained:
    """Where fine-tuning starts.

    Attributes:
        weights: W^1, hidden layers pretrained, the output layer random.
        reached: largest squared projected gradient norm among the hidden layers: alpha.
        iterations: of each hidden layer.
    """

    weights: Weights
    reached: float
    iterations: tuple[int, ...]


def pretrain(network: Network, data: Data, *, tolerance: float, rng: np.random.Generator) -> Pretrained:
    """Train every hidden layer until its squared projected gradient norm is at most `tolerance`.

    Layer l is the encoder of an autoencoder (4) with the network's keep probability and the layer's box,
    trained on what the layers below it, without masks, make of the data. The stepsize starts at 1/U with
    the certified U; after each round of 50 iterations it is doubled if the loss fell, else the round is
    taken back and the stepsize halved. A layer that does not get there with the work allowed is left at
    its best. The projected gradient is that of the first stepsize.

    Args:
        network: multilayer.
        data: its inputs are used.
        tolerance: alpha of the (alpha, delta)-solution.
        rng: of starts, mini-batches and masks.
    """
    weights = initial_weights(network, rng)
    signal = data.inputs
    reached, iterations = 0.0, []
    for level, (after, before) in enumerate(network.shapes[:-1]):
        layer = Network("autoencoder", (before, after), (network.weight_bounds[level],), network.keep_prob)
        seed = int(rng.integers(2**63))
        found, norm, steps = _layer(layer, Data(signal, signal), [weights[level]], tolerance, seed)
        weights[level] = found
        reached = max(reached, norm)
        iterations.append(steps)
        with np.errstate(over="ignore"):
            signal = np.asarray(1 / (1 + np.exp(-(signal @ found[0].T))))
    return Pretrained(weights, reached, tuple(iterations))


def _layer(
    network: Network, data: Data, start: Weights, tolerance: float, seed: int
) -> tuple[Array, float, int]:
    """(weights, squared projected gradient norm, iterations) of one layer."""
    known = autoencoder_constants(
        layers=network.layers,
        weight_bound=network.weight_bounds[0],
        keep_prob=network.keep_prob,
        moments=moments_of(data),
    )
    first = gamma = 1 / float(known.smoothness)
    objective = Expectation(network, data, mask_samples=16)
    work = _ROUND * _BATCH * 6 * start[0].size + 6 * objective.samples * start[0].size
    rounds = int(min(_MOST_ROUNDS, max(1, _MOST_WORK // work)))
    here = objective.measure(start, (first,), [Stream(seed, (0,)).measuring])
    done = 0
    for round_ in range(1, rounds + 1):
        if float(here.squared_norm[0]) <= tolerance:
            break
        stream = Stream(seed, (round_,))
        training = Training(network, data, (gamma,), _BATCH)
        (shot,) = train(training, start, [stream], [np.array([_ROUND + 1])])
        there = objective.measure(shot.weights, (first,), [stream.measuring])
        done += _ROUND
        if there.loss[0] < here.loss[0]:
            start, here, gamma = shot.weights, there, 2 * gamma
        else:
            gamma /= 2
    return start[0], float(here.squared_norm[0]), done
