"""Matrices kept in a spectral ball: the nearest ones, by eigenvalues in place of singular values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rsgadvise.training.generated import generated_data
from rsgadvise.training.networks import Data, Network, clip_to_box, initial_weights, projected
from rsgadvise.training.rsg import Stream, Training, train

Array = NDArray[Any]


def nearest(matrix: Array, bound: float) -> Array:
    """A min(1, s / sqrt(A^T A)), from the eigenvalues of A^T A."""
    values, vectors = np.linalg.eigh(matrix.T @ matrix)
    shrunk = np.minimum(1, bound / np.sqrt(np.maximum(values, 1e-300)))
    return np.asarray(matrix @ (vectors * shrunk) @ vectors.T)


def network_of(*, bias: bool = False) -> Network:
    return Network("multilayer", (5, 4, 3), (0.8, 1.5), bias=bias, spectral=True)


def drawn(network: Network, replicas: int, scale: float) -> list[Array]:
    rng = np.random.default_rng(0)
    return [scale * rng.standard_normal((replicas, *shape)) for shape in network.shapes]


@pytest.mark.parametrize("bias", [False, True])
def test_the_nearest_matrices_of_the_ball(bias: bool) -> None:
    network = network_of(bias=bias)
    given = drawn(network, 6, 0.5)
    found = [matrix.copy() for matrix in given]
    clip_to_box(network, found)
    cut = 0
    for before, after, bound in zip(given, found, network.weight_bounds, strict=True):
        for one, other in zip(before, after, strict=True):
            assert other == pytest.approx(nearest(one, bound), abs=1e-12)
            cut += not np.array_equal(one, other)
            if np.linalg.norm(one, 2) <= bound:
                assert np.array_equal(one, other)
    assert 0 < cut < 12


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_projected_gradient_is_the_step_over_the_stepsize(dtype: Any) -> None:
    network = network_of()
    weights: list[Array] = [matrix.astype(dtype) for matrix in drawn(network, 3, 0.4)]
    clip_to_box(network, weights)
    slopes: list[Array] = [matrix.astype(dtype) for matrix in drawn(network, 3, 1.0)]
    for gamma in (1.0, 1e-3):
        found = projected(network, weights, slopes, (gamma, gamma))
        for matrix, slope, step, bound in zip(weights, slopes, found, network.weight_bounds, strict=True):
            assert step.dtype == dtype
            for w, g, one in zip(matrix.astype(float), slope.astype(float), step, strict=True):
                by_hand = (w - nearest(w - gamma * g, bound)) / gamma
                slack = 1e-9 if dtype == np.float64 else 1e-5 / gamma**0.5
                assert one == pytest.approx(by_hand, abs=slack)
    small: list[Array] = [0.01 * matrix for matrix in weights]
    inside = projected(network, small, slopes, (1e-9, 1e-9))
    assert all(np.array_equal(one, other) for one, other in zip(inside, slopes, strict=True))


def test_training_stays_in_the_ball_and_starts_there() -> None:
    network, rng = network_of(bias=True), np.random.default_rng(2)
    start = initial_weights(network, rng, scale=3.0)
    data = generated_data(
        mean=0.4, mean_square=0.2, second_moment=None, columns=5, outputs=3, rows=64, rng=rng
    )
    assert isinstance(data, Data)
    stops = [np.array([1, 20, 60])]
    for shot in train(Training(network, data, (2.0, 2.0), 16), start, [Stream(0, (1,))], stops):
        for matrix, bound in zip(shot.weights, network.weight_bounds, strict=True):
            assert np.linalg.norm(matrix[0], 2) <= bound * (1 + 1e-12)
