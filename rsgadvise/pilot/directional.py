"""The stepsize along an optimiser's own updates: the unit of its race.

For SGD 1/U is a unit. Another optimiser moves along other vectors, whose length says nothing of f, so that
its unit is measured along them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rsgadvise.pilot.calibration import Calibration, layer_smoothness
from rsgadvise.pilot.candidates import layer_shape
from rsgadvise.pilot.task import Task, flat, shaped
from rsgadvise.records import dataclass
from rsgadvise.training.curvature import PRODUCT_COST
from rsgadvise.training.networks import Weights

_UPDATES = 8  # mini-batches
_ROWS = 64  # of a mini-batch, or as many as the curvature is of where these are more: at most so many
_BATCHES = 9  # key of randomness


@dataclass(frozen=True, slots=True)
class Unit:
    """What a race counts its stepsizes in.

    Attributes:
        smoothness: its reciprocal, U.
        shape: relative stepsizes of the layers.
        directional: gamma*, where that is the unit; None for SGD, whose unit is that of the calibration.
        work: in gradients of single examples.
    """

    smoothness: float
    shape: tuple[float, ...]
    directional: Directional | None
    work: float


def unit_for(task: Task, calibration: Calibration, rng: np.random.Generator, *, batch_size: int) -> Unit:
    """1/U of the calibration for SGD, gamma* at W^1 for other optimisers.

    An optimiser whose updates do not know how long a gradient was has no use for layers of their own length.
    """
    optimizer, steepest = task.optimizer, calibration.constants.smoothness
    shape, work = (1.0,) * len(task.network.shapes), 0.0
    if not optimizer.scale_free:
        by_layer, work = layer_smoothness(task, calibration, rng)
        shape = layer_shape(by_layer)
    if optimizer.plain:
        return Unit(steepest, shape, None, work)
    directional = directional_stepsize(
        task, task.start(0), calibration.rows, batch_size=batch_size, shape=shape, steepest=steepest
    )
    return Unit(1 / directional.stepsize, shape, directional, work + directional.work)


@dataclass(frozen=True, slots=True)
class Directional:
    """gamma*, the error that its mini-batches leave, and what it took in gradients of single examples."""

    stepsize: float
    standard_error: float
    work: float


def directional_stepsize(
    task: Task,
    weights: Weights,
    rows: NDArray[np.int64],
    *,
    batch_size: int,
    shape: Sequence[float],
    steepest: float,
) -> Directional:
    """gamma* = E<grad f, u> / (g E<u, H u>), u the first update of the task's optimiser, g its growth.

    Along u the quadratic model f - gamma <grad f, u> + gamma^2 <u, H u> / 2 is lowest at
    <grad f, u> / <u, H u>. An optimiser with memory moves g times as far along a gradient that stays.

    Source: for SGD, where u is a mini-batch gradient, McCandlish, Kaplan, Amodei et al., An empirical model
        of large-batch training (2018), the stepsize of the best single step.
    Kind: an estimate. Where the curvature along u is not positive, that of the steepest direction stands
        for it.

    Args:
        task: network, rows and optimiser.
        weights: where, (1, d_l, d_{l-1}) each.
        rows: of the gradient and the curvature.
        batch_size: B of the updates.
        shape: relative stepsizes of the layers, which u is multiplied with.
        steepest: the largest curvature, U.
    """
    rng, optimizer = task.rng(_BATCHES), task.optimizer
    here = task.curvature(weights, rows, rng)
    slope, count = flat(here.gradient), min(batch_size, max(_ROWS, len(rows)))
    falls, bends, lengths = np.empty((3, _UPDATES))
    for number in range(_UPDATES):
        batch = rng.integers(0, task.data.rows, count)
        update = task.curvature(weights, batch, rng).gradient
        for level, step in enumerate(update):
            memory = [np.zeros_like(step) for _ in optimizer.memory]
            optimizer.turn(step, weights[level][0], memory, 1)
            np.multiply(step, shape[level], out=step)
        along = flat(update)
        falls[number] = slope @ along
        bends[number] = along @ flat(here.product(shaped(along, task.network)))
        lengths[number] = along @ along
    if not bends.sum() > 0:
        bends = steepest * lengths
    if not falls.sum() > 0:
        falls = np.abs(falls)
    stepsize = float(falls.sum() / bends.sum() / optimizer.growth)
    spread = np.std(falls / falls.mean() - bends / bends.mean(), ddof=1) / math.sqrt(_UPDATES)
    work = len(rows) * (1 + PRODUCT_COST * _UPDATES) + count * _UPDATES
    return Directional(stepsize, float(stepsize * spread), work)
