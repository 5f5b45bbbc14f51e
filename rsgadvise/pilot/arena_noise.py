"""The noise scale where a short run ended."""

from __future__ import annotations

import numpy as np

from rsgadvise.advise.results import NoiseScale
from rsgadvise.pilot.arena import Arena, flat
from rsgadvise.pilot.noise_scale import BATCHES, noise_scale
from rsgadvise.training.networks import Weights

_FEWEST_ROWS, _MOST_ROWS = 4, 256  # of a batch
LEAST_WORK = BATCHES * _FEWEST_ROWS
"""Gradients of single examples."""
_KEY = 8  # of randomness


def measured_noise(arena: Arena, weights: Weights, *, allowed: float) -> tuple[NoiseScale, float]:
    """(the noise scale at some weights, what it took in gradients of single examples).

    Args:
        arena: network and rows.
        weights: (1, d_l, d_{l-1}) each.
        allowed: work, `LEAST_WORK` at least.
    """
    rng = arena.rng(_KEY)
    rows = int(np.clip(allowed / BATCHES, _FEWEST_ROWS, _MOST_ROWS))
    parts = [arena.curvature(weights, rng.integers(0, arena.data.rows, rows), rng) for _ in range(BATCHES)]
    gradients = np.stack([flat(part.gradient) for part in parts])
    loss = float(np.mean([part.losses.mean() for part in parts]))
    return noise_scale(gradients @ gradients.T, rows, at=loss), float(BATCHES * rows)
