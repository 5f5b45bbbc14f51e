"""Layer-wise pretraining: each hidden layer as a denoising autoencoder of the layer below."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rsgadvise.expectation import Expectation
from rsgadvise.networks import Array, Data, Network, Weights, initial_weights
from rsgadvise.rsg import Stream, Training, train
from rsgadvise.theory.constants import autoencoder_constants
from rsgadvise.verify.cases import moments_of

__all__ = ["Pretrained", "pretrain"]

_FIRST_ROUND = 64
_ROUNDS = 9  # of doubling length: 32,704 iterations per layer in all
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
    trained on what the layers below it, without masks, make of the data. The stepsize is 1/U with the
    certified U. A layer that does not get there within some thousand iterations is left where it is.

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
    gamma = 1 / float(known.smoothness)
    training = Training(network, data, (gamma,), _BATCH)
    objective = Expectation(network, data, mask_samples=16)
    total = 0
    for round_ in range(_ROUNDS + 1):
        stream = Stream(seed, (round_,))
        norm = float(objective.measure(start, (gamma,), [stream.measuring]).squared_norm[0])
        if norm <= tolerance or round_ == _ROUNDS or not math.isfinite(norm):
            break
        length = _FIRST_ROUND << round_
        (shot,) = train(training, start, [stream], [np.array([length + 1])])
        start, total = shot.weights, total + length
    return start[0], norm, total
