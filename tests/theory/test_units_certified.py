"""Certified constants of any units and losses, attacked by a search over weights, inputs and targets.

With half of the units kept all masks are as likely, and the mean over them is a mean over rows.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from rsgadvise.theory.certified import certified_constants, certified_network, largest_gradient
from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.problem import Problem
from rsgadvise.training.curvature import Curvature
from rsgadvise.training.networks import Data, Network

Array = NDArray[np.float64]
pytestmark = pytest.mark.usefixtures("recipes")
ROWS, STEPS = 3, 300
NETWORKS = {
    "one layer": Network("single_layer", (3, 2), (), 1.0, (), "huber"),
    "two layers": Network("multilayer", (3, 2, 2), (2.0, 1.5), 1.0, ("softsign",), "squared"),
    "two layers with masks": Network("multilayer", (3, 2, 2), (2.0, 1.5), 0.5, ("softsign",), "huber"),
    "three layers": Network("multilayer", (2, 2, 2, 1), (1.0,) * 3, 1.0, ("softsign", "sigmoid"), "huber"),
    "smooth rectifiers": Network("multilayer", (3, 2, 2, 2), (0.9,) * 3, 1.0, ("gelu", "silu"), "squared"),
    "a smooth rectifier with masks": Network("multilayer", (3, 2, 2), (1.5,) * 2, 0.5, ("gelu",), "huber"),
    "a tied smooth rectifier": Network("autoencoder", (3, 2), (0.7,), 1.0, ("silu",), "squared"),
    "yes or no": Network("single_layer", (3, 2), (), 1.0, (), "binary_cross_entropy"),
    "yes or no with masks": Network(
        "multilayer", (3, 2, 2), (2.0, 1.5), 0.5, ("tanh",), "binary_cross_entropy"
    ),
    "linear outputs": Network("multilayer", (3, 2), (1.0,), 1.0, (), "squared_linear"),
    "linear outputs of tanh units": Network(
        "multilayer", (3, 2, 2), (1.0,) * 2, 1.0, ("tanh",), "squared_linear"
    ),
    "tied linear outputs": Network("autoencoder", (3, 2), (0.7,), 0.5, ("gelu",), "squared_linear"),
    "tied": Network("autoencoder", (3, 2), (0.7,), 1.0, ("softsign",), "huber"),
    "tied with masks": Network("autoencoder", (3, 2), (0.7,), 0.5, ("softsign",), "squared"),
}
NETWORKS |= {
    f"{name}, biases": replace(NETWORKS[name], bias=True)
    for name in (
        "one layer",
        "two layers with masks",
        "smooth rectifiers",
        "yes or no",
        "linear outputs of tanh units",
    )
}
FLOORS = {  # what the search has to reach of U and sigma^2, or one that is stuck would look like a proof
    "one layer": (0.35, 0.8),
    "two layers": (0.2, 0.2),
    "two layers with masks": (0.06, 0.07),
    "three layers": (0.1, 0.25),
    "smooth rectifiers": (0.055, 0.075),
    "a smooth rectifier with masks": (0.03, 0.12),
    "a tied smooth rectifier": (0.22, 0.035),
    "yes or no": (0.9, 0.7),
    "yes or no with masks": (0.065, 0.075),
    "linear outputs": (0.99, 0.35),
    "linear outputs of tanh units": (0.18, 0.13),
    "tied linear outputs": (0.22, 0.02),
    "one layer, biases": (0.35, 0.6),
    "two layers with masks, biases": (0.03, 0.13),
    "smooth rectifiers, biases": (0.08, 0.08),
    "yes or no, biases": (0.9, 0.7),
    "linear outputs of tanh units, biases": (0.2, 0.2),
    "tied": (0.1, 0.03),
    "tied with masks": (0.15, 0.08),
}


class Instance:
    """Weights, inputs and targets as one vector of numbers from 0 to 1."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.sizes = [after * before for after, before in network.shapes]
        self.size = sum(self.sizes) + ROWS * (network.layers[0] + (0 if network.tied else network.widths[-1]))
        units = sum(network.masked_widths)
        self.patterns = np.asarray(list(product((0.0, 1.0), repeat=units)))

    def read(self, point: Array) -> tuple[list[Array], Data, list[Array]]:
        """(weights, rows once for each mask, masks)."""
        network, at, weights = self.network, 0, list[Array]()
        boxes = network.weight_bounds or (4.0,) * len(self.sizes)
        for size, shape, box in zip(self.sizes, network.shapes, boxes, strict=True):
            weights.append((2 * point[at : at + size] - 1).reshape(shape) * box)
            at += size
        width = network.layers[0]
        inputs = point[at : at + ROWS * width].reshape(ROWS, width)
        targets = inputs if network.tied else point[at + ROWS * width :].reshape(ROWS, -1)
        times = len(self.patterns)
        masks = np.tile(self.patterns, (ROWS, 1))
        ends = np.cumsum(network.masked_widths, dtype=np.int64)[:-1]
        parts = np.split(masks, ends, axis=1) if network.masked_widths else []
        return weights, Data(np.repeat(inputs, times, axis=0), np.repeat(targets, times, axis=0)), parts

    def problem(self, data: Data) -> Problem:
        """With the moments of these very rows."""
        x, network = np.asarray(data.inputs, np.float64), self.network
        moments = InputMoments(
            dim=x.shape[1],
            mean=float(x.mean()),
            mean_square=float((x.mean(axis=0) ** 2).mean()),
            second_moment=float((x**2).mean()),
            top_eigenvalue=float(np.linalg.eigvalsh(x.T @ x / len(x))[-1]),
        )
        return Problem(
            network.kind,
            network.layers,
            network.weight_bounds,
            1.0,
            moments,
            1.0,
            None,
            (),
            activations=network.activations,
            loss=network.loss,
            bias=network.bias,
        )

    def ratios(self, point: Array) -> Array:
        """Measured over certified: curvature, second moment of a row's gradient, squared gradient; layers."""
        weights, data, masks = self.read(point)
        problem, keep = self.problem(data), np.asarray(self.network.keep_prob)
        here = Curvature(self.network, data, weights, masks)
        ends, hessian = np.cumsum(self.sizes)[:-1], []
        for way in np.eye(sum(self.sizes)):
            parts = [
                part.reshape(shape)
                for part, shape in zip(np.split(way, ends), self.network.shapes, strict=True)
            ]
            hessian.append(np.concatenate([part.ravel() for part in here.product(parts)]))
        known = certified_constants(problem, keep)
        squared = sum(float((part**2).sum()) for part in here.gradient)
        found = [
            np.abs(np.linalg.eigvalsh(hessian)).max() / float(known.smoothness),
            here.squared_gradients.mean() / float(known.gradient_variance),
            squared / float(largest_gradient(problem, keep)),
        ]
        if self.network.layered:
            shares = zip(here.layer_squares, certified_network(problem).layer_variances(keep), strict=True)
            found.append(max(each.mean() / float(bound) for each, bound in shares))
        return np.asarray(found)


@pytest.mark.parametrize("goal", [0, 1], ids=["curvature", "second moment"])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_network_exceeds_its_certified_constants(name: str, goal: int) -> None:
    instance, rng = Instance(NETWORKS[name]), np.random.default_rng(goal)
    best, value = rng.random(instance.size), 0.0
    for step in range(STEPS):
        other = rng.random(instance.size) if step < 100 else best.copy()
        if step >= 100:
            moved = rng.random(instance.size) < rng.choice([0.1, 0.4, 1.0])
            width = 10 ** rng.uniform(-3, 0)
            other[moved] = np.clip(other[moved] + width * rng.normal(size=int(moved.sum())), 0, 1)
        found = instance.ratios(other)
        assert np.all(found <= 1 + 1e-9)
        if found[goal] > value:
            best, value = other, float(found[goal])
    assert value >= FLOORS[name][goal]


def test_largest_losses_of_other_heads_hold() -> None:
    rng = np.random.default_rng(0)
    for network in NETWORKS.values():
        instance = Instance(network)
        for _ in range(50):
            weights, data, masks = instance.read(np.round(rng.random(instance.size)))
            worst = Curvature(network, data, weights, masks).losses.max()
            assert worst <= network.largest_loss * (1 + 1e-12)
