"""The gradient noise scale from inner products of mini-batch gradients, whatever computed them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.results import NoiseScale
from rsgadvise.pilot.task import Task, flat
from rsgadvise.training.networks import Weights

FloatArray = NDArray[np.float64]

BATCHES = 16
"""Mini-batches whose gradients are compared."""

_FEWEST_ROWS, _MOST_ROWS = 4, 256  # of a batch
LEAST_WORK = BATCHES * _FEWEST_ROWS
"""Gradients of single examples."""

_KEY = 8  # of randomness


def noise_scale(products: FloatArray, size: int, *, at: float) -> NoiseScale:
    """tr Sigma / ||grad f||^2 from the inner products <g_a, g_b> of independent mini-batch gradients.

    Those of different batches average to ||grad f||^2, those of a batch with itself to
    ||grad f||^2 + tr Sigma / size: both parts are unbiased.

    Source: McCandlish, Kaplan, Amodei et al., An empirical model of large-batch training (2018), the simple
        noise scale; the interval is a jackknife over batches, two standard errors of the logarithm.
    Kind: estimate.

    Args:
        products: (batches, batches), of three batches or more.
        size: rows of each batch, drawn independently.
        at: the loss there.

    Example:
        >>> noise_scale(np.ones((3, 3)) + 2 * np.eye(3), 10, at=0.5)
        NoiseScale(value=20.0, lower=20.0, upper=20.0, at=0.5, method='noise scale')
    """
    count = len(products)
    everything = _scale(products, size)
    left = [_scale(np.delete(np.delete(products, at, 0), at, 1), size) for at in range(count)]
    usable = [math.log(each) for each in left if 0 < each < math.inf]
    if not math.isfinite(everything) or len(usable) < count:
        finite = [each for each in (everything, *left) if math.isfinite(each)]
        return NoiseScale(everything, min(finite, default=math.inf), math.inf, at)
    mean = sum(usable) / count
    error = math.sqrt((count - 1) / count * sum((each - mean) ** 2 for each in usable))
    return NoiseScale(everything, everything * math.exp(-2 * error), everything * math.exp(2 * error), at)


def _scale(products: FloatArray, size: int) -> float:
    count = len(products)
    own = float(products.diagonal().mean())
    shared = (float(products.sum()) - own * count) / (count * (count - 1))
    return size * (own - shared) / shared if shared > 0 else math.inf


def measured_noise(task: Task, weights: Weights, *, allowed: float) -> tuple[NoiseScale, float]:
    """(the noise scale at some weights, what it took in gradients of single examples).

    Args:
        task: network and rows.
        weights: (1, d_l, d_{l-1}) each.
        allowed: work, `LEAST_WORK` at least.
    """
    rng = task.rng(_KEY)
    rows = int(np.clip(allowed / BATCHES, _FEWEST_ROWS, _MOST_ROWS))
    parts = [task.curvature(weights, rng.integers(0, task.data.rows, rows), rng) for _ in range(BATCHES)]
    gradients = np.stack([flat(part.gradient) for part in parts])
    loss = float(np.mean([part.losses.mean() for part in parts]))
    return noise_scale(gradients @ gradients.T, rows, at=loss), float(BATCHES * rows)
