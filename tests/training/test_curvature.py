"""Hessian-vector products against finite differences and autograd, Lanczos against dense solvers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from autograd import grad, hessian
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_networks import NETWORKS, data_for, plain_loss, weights_for

from rsgadvise.training.curvature import Curvature, extreme_eigenvalues
from rsgadvise.training.networks import Data, Network

Float = NDArray[np.float64]
ROWS = 5


def masks_for(network: Network, rows: int = ROWS, seed: int = 2) -> list[Float]:
    rng = np.random.default_rng(seed)
    return [(rng.random((rows, width)) < network.keep_prob).astype(float) for width in network.masked_widths]


def joined(matrices: list[Float]) -> Float:
    return np.concatenate([matrix.ravel() for matrix in matrices])


def parted(network: Network, vector: Float) -> list[Float]:
    found, first = [], 0
    for after, before in network.shapes:
        found.append(vector[first : first + after * before].reshape(after, before))
        first += after * before
    return found


def row_loss(network: Network, data: Data, masks: list[Float], row: int) -> Callable[[Float], Float]:
    """(3), (4) or (5) of one row and its mask, as a function of all weights in one vector."""
    widths = network.masked_widths or network.layers[:-1]
    own = [mask[row] for mask in masks] or [np.ones(width) for width in widths]
    x, y = data.inputs[row], data.targets[row]
    return lambda vector: plain_loss(network, parted(network, vector), x, y, own)


def mean_loss(network: Network, data: Data, masks: list[Float]) -> Callable[[Float], Float]:
    losses = [row_loss(network, data, masks, row) for row in range(data.rows)]
    return lambda vector: sum((loss(vector) for loss in losses), np.zeros(())) / data.rows


@pytest.fixture(params=NETWORKS)
def setting(request: pytest.FixtureRequest) -> tuple[Network, Data, list[Float], list[Float]]:
    network = NETWORKS[request.param]
    weights = [matrix[0] for matrix in weights_for(network, 1)]
    return network, data_for(network, rows=ROWS), weights, masks_for(network)


Setting = tuple[Network, Data, list[Float], list[Float]]


def test_products_are_those_of_the_automatic_hessian(setting: Setting) -> None:
    network, data, weights, masks = setting
    dense = hessian(mean_loss(network, data, masks))(joined(weights))
    curvature = Curvature(network, data, weights, masks)
    columns = [joined(curvature.product(parted(network, unit))) for unit in np.eye(len(dense))]
    np.testing.assert_allclose(np.array(columns), dense, rtol=1e-9, atol=1e-13)


def test_losses_and_gradients_are_those_of_each_row(setting: Setting) -> None:
    network, data, weights, masks = setting
    curvature = Curvature(network, data, weights, masks)
    losses = [row_loss(network, data, masks, row) for row in range(ROWS)]
    slopes = np.array([grad(loss)(joined(weights)) for loss in losses])
    np.testing.assert_allclose(curvature.losses, [loss(joined(weights)) for loss in losses], rtol=1e-12)
    np.testing.assert_allclose(joined(curvature.gradient), slopes.mean(axis=0), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(curvature.squared_gradients, (slopes**2).sum(axis=1), rtol=1e-10)


@given(st.integers(1, 30), st.integers(0, 10**6), st.floats(-4, 4))
@settings(max_examples=60, deadline=None)
def test_extremes_of_random_matrices(size: int, seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((size, size))
    matrix = (matrix + matrix.T) / 2 + shift * np.eye(size)
    true = np.linalg.eigvalsh(matrix)
    found = extreme_eigenvalues(lambda v: matrix @ v, size, rng, products=size)
    slack = 1e-10 * np.abs(true).max()
    assert true[0] - slack <= found.lowest <= found.highest <= true[-1] + slack
    assert found.error <= 1e-4 * np.abs(true).max() + slack
    assert found.lowest == pytest.approx(true[0], abs=found.error + slack)
    assert found.highest == pytest.approx(true[-1], abs=found.error + slack)
    assert found.products <= size
    for value, vector in ((found.lowest, found.lowest_vector), (found.highest, found.highest_vector)):
        assert np.linalg.norm(vector) == pytest.approx(1)
        assert np.linalg.norm(matrix @ vector - value * vector) <= found.error + slack


@given(st.integers(2, 40), st.integers(0, 10**6), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_few_products_stay_inside_the_spectrum(size: int, seed: int, products: int) -> None:
    """And an eigenvalue lies within the error of both ends."""
    rng = np.random.default_rng(seed)
    true = np.sort(rng.standard_normal(size) ** 3)
    turn = np.linalg.qr(rng.standard_normal((size, size)))[0]
    matrix = (turn * true) @ turn.T
    found = extreme_eigenvalues(lambda v: matrix @ v, size, rng, products=products)
    slack = 1e-10 * np.abs(true).max()
    assert true[0] - slack <= found.lowest <= found.highest <= true[-1] + slack
    assert found.products <= min(size, products)
    residuals = []
    for value, vector in ((found.lowest, found.lowest_vector), (found.highest, found.highest_vector)):
        residuals.append(np.linalg.norm(matrix @ vector - value * vector))
        assert np.abs(true - value).min() <= found.error + slack
    assert found.error == pytest.approx(max(residuals), abs=slack)


def test_a_single_weight_and_no_curvature() -> None:
    rng = np.random.default_rng(0)
    one = extreme_eigenvalues(lambda v: -3 * v, 1, rng, products=10)
    assert (one.lowest, one.highest, one.error, one.products) == (-3.0, -3.0, 0.0, 1)
    none = extreme_eigenvalues(lambda v: 0 * v, 9, rng, products=10)
    assert (none.lowest, none.highest, none.error, none.products) == (0.0, 0.0, 0.0, 1)
    same = extreme_eigenvalues(lambda v: v, 9, rng, products=10)
    assert [same.lowest, same.highest, same.products] == pytest.approx([1, 1, 1])


def test_it_ends_where_the_subspace_does_and_where_both_ends_are_known() -> None:
    rng = np.random.default_rng(0)
    ends = np.array([-2.0, 5.0, 5.0, 0.5, 0.5, 0.5, 5.0])
    few = extreme_eigenvalues(lambda v: ends * v, len(ends), rng, products=7)
    assert few.products == 3, "three different eigenvalues"
    assert [few.lowest, few.highest] == pytest.approx([-2, 5])
    wide = np.concatenate([[-50.0, 80.0], rng.random(3000)])
    early = extreme_eigenvalues(lambda v: wide * v, len(wide), rng, products=500)
    assert early.products < 20
    assert early.lowest == pytest.approx(-50, abs=early.error)
    assert early.highest == pytest.approx(80, abs=early.error)
    assert 0 < early.error <= 1e-4 * 80


def test_the_map_may_return_its_argument() -> None:
    """The iteration never writes into what the map returns."""
    kept: list[Float] = []

    def identity(vector: Float) -> Float:
        kept.append(vector.copy())
        return vector

    found = extreme_eigenvalues(identity, 4, np.random.default_rng(0), products=3)
    assert np.array_equal(found.lowest_vector, found.highest_vector)
    np.testing.assert_allclose(np.abs(found.lowest_vector @ kept[0]), 1)


def test_a_saturated_network_is_flat() -> None:
    network = NETWORKS["two layers"]
    weights = [1e6 * matrix[0] for matrix in weights_for(network, 1)]
    curvature = Curvature(network, data_for(network), weights)
    found = curvature.product([np.ones_like(matrix) for matrix in weights])
    assert all(np.isfinite(matrix).all() for matrix in found)
    assert np.isfinite(curvature.losses).all()
