"""Losses (3), (4) and (5) of the paper, many instances at a time, with automatic derivatives.

Nothing here knows a bound: expectations over data and masks are exact weighted sums, derivatives come from
autograd, so an error in a certified constant cannot be repeated by the code that tests it.

Array axes: K instances, n data points, M mask patterns, P weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any, Literal

import autograd.numpy as anp
import numpy as np
import numpy.typing as npt
from autograd import grad

Array = npt.NDArray[np.float64]
Kind = Literal["single", "autoencoder", "multilayer"]
Quantity = Literal["curvature", "second moment", "slope"]

STEEPEST = math.log(2.0)  # sigma = 2/3, where |d/ds (0 - sigma)^2| peaks
BENT = (15 - math.sqrt(33)) / 24
MOST_CURVED = math.log(BENT / (1 - BENT))  # where the second derivative peaks


@dataclass(frozen=True)
class Problem:
    kind: Kind
    layers: tuple[int, ...]
    inputs: Array  # (K, n, d_0)
    targets: Array  # (K, n, d_L); the autoencoder ignores them, its target is the clean input
    probability: Array  # (K, n)
    masks: tuple[Array, ...]  # one (M, d) per masked layer, input first; empty without masks
    mask_probability: Array  # (K, M)
    box: Array  # (K, number of weight matrices)
    keep: Array  # (K,)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        return [(after, before) for before, after in pairwise(self.layers)]

    @property
    def size(self) -> int:
        return sum(rows * columns for rows, columns in self.shapes)

    @property
    def limits(self) -> Array:
        """Largest absolute value of each weight, (K, P)."""
        sizes = [rows * columns for rows, columns in self.shapes]
        return np.repeat(self.box, sizes, axis=1)


def mask_patterns(widths: Sequence[int], keep: Array) -> tuple[tuple[Array, ...], Array]:
    """All 0/1 masks over layers of these widths, with their probabilities for each keep probability."""
    patterns = np.array(list(product((0.0, 1.0), repeat=sum(widths))))
    kept = patterns.sum(axis=1)
    probability = keep[:, None] ** kept * (1.0 - keep[:, None]) ** (sum(widths) - kept)
    masks = tuple(np.split(patterns, np.cumsum(widths)[:-1], axis=1))
    return masks, probability


def sigmoid(s: Any) -> Any:
    return 0.5 * (anp.tanh(0.5 * s) + 1.0)


def _matrices(theta: Any, shapes: list[tuple[int, int]]) -> Iterator[Any]:
    start = 0
    for rows, columns in shapes:
        yield anp.reshape(theta[..., start : start + rows * columns], (*theta.shape[:-1], rows, columns))
        start += rows * columns


def _times(matrix: Any, vector: Any) -> Any:
    return anp.sum(matrix * vector[..., None, :], axis=-1)


def row_losses(problem: Problem, theta: Any, targets: Any) -> Any:
    """Loss of every (instance, data point, mask), (K, n, M); theta is (K, n or 1, M or 1, P)."""
    clean = problem.inputs[:, :, None, :]
    masks = [mask[None, None] for mask in problem.masks]
    if problem.kind == "autoencoder":
        (weights,) = _matrices(theta, problem.shapes)
        hidden = sigmoid(_times(weights, clean * masks[0]))
        output = sigmoid(_times(anp.swapaxes(weights, -1, -2), hidden))
        return anp.sum((clean - output) ** 2, axis=-1)
    signal: Any = clean
    for level, weights in enumerate(_matrices(theta, problem.shapes)):
        signal = sigmoid(_times(weights, signal * masks[level] if masks else signal))
    return anp.sum((targets[:, :, None, :] - signal) ** 2, axis=-1)


def row_probability(problem: Problem) -> Array:
    return problem.probability[:, :, None] * problem.mask_probability[:, None, :]


def loss(problem: Problem, theta: Any, targets: Any = None) -> Any:
    """f of every instance, (K,), the expectation over data and masks; theta is (K, P)."""
    rows = row_losses(problem, theta[:, None, None, :], problem.targets if targets is None else targets)
    return anp.sum(row_probability(problem) * rows, axis=(1, 2))


def gradient(problem: Problem, theta: Any, targets: Any = None) -> Any:
    return grad(lambda point: anp.sum(loss(problem, point, targets)))(theta)


def row_gradients(problem: Problem, theta: Any, targets: Any = None) -> Any:
    """Gradient of every (instance, data point, mask) alone, (K, n, M, P)."""
    # One copy of the weights per row turns the gradient of a plain sum into per-row gradients.
    goal = problem.targets if targets is None else targets
    copies = theta[:, None, None, :] + np.zeros((*row_probability(problem).shape, 1))
    return grad(lambda point: anp.sum(row_losses(problem, point, goal)))(copies)


def hessian_product(problem: Problem, theta: Any, direction: Any, targets: Any = None) -> Any:
    return grad(lambda point: anp.sum(gradient(problem, point, targets) * direction))(theta)


def quotient(problem: Problem, theta: Any, direction: Any, targets: Any = None) -> Any:
    """Rayleigh quotients, (K,): each is a lower bound on the largest absolute eigenvalue, up to its sign."""
    product_ = hessian_product(problem, theta, direction, targets)
    return anp.sum(product_ * direction, axis=-1) / anp.sum(direction**2, axis=-1)


def second_moment(problem: Problem, theta: Any, targets: Any = None) -> Any:
    """E||gradient of one example with its own mask||^2, (K,)."""
    squares = anp.sum(row_gradients(problem, theta, targets) ** 2, axis=-1)
    return anp.sum(row_probability(problem) * squares, axis=(1, 2))


def slope(problem: Problem, theta: Any, targets: Any = None) -> Any:
    """||grad f||^2, (K,)."""
    return anp.sum(gradient(problem, theta, targets) ** 2, axis=-1)


def random_problem(kind: Kind, layers: tuple[int, ...], count: int, rng: np.random.Generator) -> Problem:
    """Instances that mix data sets, targets, boxes and keep probabilities, the extremes over-represented."""
    points = 3
    inputs = rng.random((count, points, layers[0]))
    inputs = np.where(rng.random((count, 1, 1)) < 0.6, np.round(inputs), inputs)
    inputs[rng.random(count) < 0.25] = 1.0
    probability = rng.dirichlet(np.full(points, 0.5), count)
    probability[rng.random(count) < 0.4] = np.eye(points)[0]  # a single input
    targets = np.round(rng.random((count, points, layers[-1])))
    matrices = len(layers) - 1
    if kind == "single":
        keep, box = np.ones(count), np.full((count, matrices), 6.0)  # no box: 6 saturates every unit
        masks: tuple[Array, ...] = ()
        mask_probability = np.ones((count, 1))
    else:
        keep = rng.choice([1.0, 1.0, 0.9, 0.5, 0.1], count)
        box = rng.choice([0.0, 0.1, 0.3, 1.0, 2.0, 3.0, 5.0], (count, matrices))
        masked = layers[:1] if kind == "autoencoder" else layers[:-1]
        masks, mask_probability = mask_patterns(masked, keep)
    return Problem(kind, layers, inputs, targets, probability, masks, mask_probability, box, keep)


def starting_weights(problem: Problem, rng: np.random.Generator) -> Array:
    """Random points at several scales, and corners of the box."""
    shape = problem.limits.shape
    spread = rng.choice([1.0, 0.3, 0.1], (shape[0], 1))
    inside = rng.uniform(-1, 1, shape) * spread * problem.limits
    corner = rng.random((shape[0], 1)) < 0.3
    start: Array = np.where(corner, np.sign(inside) * problem.limits, inside)
    return start


def one(kind: Kind, layers: tuple[int, ...], inputs: Array, target: float, box: list[float]) -> Problem:
    """One instance, equally likely inputs, every target alike, no masks."""
    points = len(inputs)
    return Problem(
        kind,
        layers,
        inputs[None],
        np.full((1, points, layers[-1]), target),
        np.full((1, points), 1 / points),
        tuple(np.ones((1, d)) for d in layers[:1]) if kind == "autoencoder" else (),
        np.ones((1, 1)),
        np.array([box]),
        np.ones(1),
    )


def attained_single(quantity: Quantity, points: int = 1) -> tuple[Problem, Array, Array]:
    """Every pre-activation sits at the peak; several points share the logit but not the direction."""
    inputs = np.ones((1, 6)) if points == 1 else np.eye(6)[:points]
    problem = one("single", (6, 3), inputs, 0.0, [math.inf])
    logit = MOST_CURVED if quantity == "curvature" else STEEPEST
    theta = np.full((1, 18), logit / inputs[0].sum())
    return problem, theta, np.repeat(np.eye(3)[:1], 6, axis=1) * np.tile(inputs[0], 3)


def attained_wide(quantity: Quantity, depth: int) -> tuple[Problem, Array, Array]:
    """A saturated, wide last hidden layer under tiny output weights: the last layer's terms dominate."""
    width = 20_000
    layers = (*[1] * (depth - 1), width, 1)
    logit = MOST_CURVED if quantity == "curvature" else STEEPEST
    weight, signal = 6.0, 1.0
    for _ in range(depth - 1):
        signal = 1 / (1 + math.exp(-weight * signal))
    last = logit / (width * signal)
    problem = one("multilayer", layers, np.ones((1, 1)), 0.0, [weight] * (depth - 1) + [abs(last)])
    theta = np.full((1, problem.size), weight)
    theta[:, -width:] = last
    direction = np.zeros_like(theta)
    direction[:, -width:] = 1.0
    return problem, theta, direction


def attained_sparse(quantity: Quantity, keep: float) -> tuple[Problem, Array, Array]:
    """One lit pixel of many under one hidden unit: all output errors flow back through the lit pixel.

    Masks on dark pixels change nothing, so two patterns are the whole distribution at any keep probability.
    """
    width = 100_000
    lit, weight = (-1.05, 1.05) if quantity == "curvature" else (0.0, 2 * STEEPEST)
    problem = one("autoencoder", (width, 1), np.eye(1, width), 0.0, [weight])
    mask = np.ones((2, width))
    mask[0, 0] = 0.0
    problem = replace(
        problem, masks=(mask,), mask_probability=np.array([[1 - keep, keep]]), keep=np.array([keep])
    )
    theta = np.full((1, width), weight)
    theta[0, 0] = lit
    return problem, theta, np.eye(1, width)


def curved_by_blank_weights() -> tuple[Problem, Array, Array]:
    """Autoencoder, box of width 0, all pixels lit: only the product of encoder and decoder steps is left."""
    width = 2_000
    problem = one("autoencoder", (width, 1), np.ones((1, width)), 0.0, [0.0])
    return problem, np.zeros((1, width)), np.ones((1, width))


def curved_by_two_layers() -> tuple[Problem, Array, Array]:
    """Three layers and a long input: the product of steps in layers 1 and 2, carried through layer 3."""
    width, outputs = 100_000, 5
    problem = one("multilayer", (width, 1, 1, outputs), np.ones((1, width)), 0.0, [0.0, 0.0, 2 * STEEPEST])
    theta = np.zeros((1, problem.size))
    theta[:, -outputs:] = 2 * STEEPEST  # a hidden unit at 1/2 puts every output at its steepest
    direction = np.zeros_like(theta)
    direction[:, :width] = width**-0.5
    direction[:, width] = 1.0
    return problem, theta, direction


def curved_by_hidden_unit() -> tuple[Problem, Array, Array]:
    """Two layers: a hidden unit where sigma'' is most negative, under outputs at their steepest."""
    width, outputs = 10_000, 5
    bend = math.log(2 + math.sqrt(3))  # where |sigma''| peaks
    weight = STEEPEST * (1 + math.exp(-bend))
    problem = one("multilayer", (width, 1, outputs), np.ones((1, width)), 0.0, [1.0, weight])
    theta = np.full((1, problem.size), bend / width)
    theta[:, -outputs:] = weight
    direction = np.zeros_like(theta)
    direction[:, :width] = 1.0
    return problem, theta, direction


def small_autoencoder(count: int, keep: float, box: float) -> Problem:
    inputs = np.array([[1.0, 0.0, 1.0], [0.2, 0.9, 0.0], [1.0, 1.0, 1.0]])
    masks, chances = mask_patterns([3], np.full(count, keep))
    return Problem(
        "autoencoder",
        (3, 2),
        np.repeat(inputs[None], count, axis=0),
        np.zeros((count, 3, 3)),
        np.full((count, 3), 1 / 3),
        masks,
        chances,
        np.full((count, 1), box),
        np.full(count, keep),
    )
