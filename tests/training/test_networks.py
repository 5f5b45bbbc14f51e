"""Losses, gradients and the full expectation, against finite differences and automatic derivatives."""

from __future__ import annotations

from itertools import product
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import value_and_grad
from numpy.typing import NDArray

from rsgadvise.training import expectation
from rsgadvise.training.expectation import Expectation
from rsgadvise.training.generated import generated_data
from rsgadvise.training.networks import (
    Data,
    Network,
    Weights,
    clip_to_box,
    initial_weights,
    projected,
)
from rsgadvise.training.rsg import Stream, Training, train

Float = NDArray[np.float64]

NETWORKS = {
    "single layer": Network("single_layer", (5, 3)),
    "one by one": Network("single_layer", (1, 1)),
    "autoencoder": Network("autoencoder", (4, 3), (0.7,)),
    "autoencoder with masks": Network("autoencoder", (4, 3), (0.7,), 0.6),
    "two layers": Network("multilayer", (4, 3, 2), (1.0, 2.0)),
    "two layers with masks": Network("multilayer", (4, 3, 2), (1.0, 2.0), 0.7),
    "three layers with masks": Network("multilayer", (3, 2, 2, 2), (1.0, 0.5, 2.0), 0.4),
    "one boxed layer with masks": Network("multilayer", (4, 2), (1.0,), 0.5),
}


def data_for(network: Network, rows: int = 6, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    inputs = rng.random((rows, network.layers[0]))
    targets = inputs if network.kind == "autoencoder" else rng.random((rows, network.widths[-1]))
    return Data(inputs, targets)


def weights_for(network: Network, replicas: int, seed: int = 1) -> Weights:
    rng = np.random.default_rng(seed)
    parts = [initial_weights(network, rng, scale=2.0) for _ in range(replicas)]
    return [np.concatenate(matrices) for matrices in zip(*parts, strict=True)]


def sigmoid(s: Float) -> Float:
    return 1 / (1 + anp.exp(-s))  # type: ignore[no-any-return]


def plain_loss(network: Network, weights: list[Float], x: Float, y: Float, masks: list[Float]) -> Float:
    """(3), (4) and (5) as the paper writes them, for one example, or the sum over those in columns."""
    if network.kind == "autoencoder":
        (w,) = weights
        return anp.sum((x - sigmoid(w.T @ sigmoid(w @ (x * masks[0])))) ** 2)  # type: ignore[no-any-return]
    h = x
    for w, z in zip(weights, masks, strict=True):
        h = sigmoid(w @ (h * z))
    return anp.sum((y - h) ** 2)  # type: ignore[no-any-return]


def expected_loss(network: Network, weights: list[Float], data: Data) -> Float:
    """The mean over rows and every mask, by a plain loop."""
    widths = network.masked_widths or tuple(network.layers[:-1])
    keep = network.keep_prob if network.masked_widths else 1.0
    total: Float = np.zeros(())
    inputs, targets = (part.T.astype(np.float64) for part in (data.inputs, data.targets))
    for bits in product((0.0, 1.0), repeat=sum(widths)):
        probability = np.prod([keep if bit else 1 - keep for bit in bits])
        if probability == 0:
            continue
        masks = np.split(np.array(bits)[:, None], np.cumsum(widths)[:-1])
        loss = plain_loss(network, weights, inputs, targets, masks)
        total = total + probability * loss / data.rows
    return total


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_expectation_is_that_of_automatic_derivatives(network: Network) -> None:
    data, weights = data_for(network), weights_for(network, 3)
    rngs = [np.random.default_rng(i) for i in range(3)]
    losses, gradient = Expectation(network, data).gradient(weights, rngs)
    for replica in range(3):
        own = [matrix[replica] for matrix in weights]
        value, slopes = value_and_grad(lambda w: expected_loss(network, w, data))(own)
        assert losses[replica] == pytest.approx(value, rel=1e-12)
        for ours, theirs in zip(gradient, slopes, strict=True):
            np.testing.assert_allclose(ours[replica], theirs, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", [name for name in NETWORKS if "masks" in name])
def test_sampled_masks_are_unbiased(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = NETWORKS[name]
    data, weights = data_for(network), weights_for(network, 1)
    exact = Expectation(network, data).gradient(weights, [np.random.default_rng(0)])
    monkeypatch.setattr(expectation, "MOST_MASKED_UNITS", 0)
    sampled = Expectation(network, data, mask_samples=20_000)
    assert not sampled.exact
    losses, gradient = sampled.gradient(weights, [np.random.default_rng(0)])
    assert losses[0] == pytest.approx(exact[0][0], rel=0.01)
    for ours, theirs in zip(gradient, exact[1], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.004)


def test_the_product_of_two_halves_is_unbiased(monkeypatch: pytest.MonkeyPatch) -> None:
    """With few masks the plug-in is far too large, and the product right on average, if the box is slack."""
    network = Network("multilayer", (4, 3, 2), (50.0, 50.0), 0.5)
    data, weights = data_for(network), weights_for(network, 1)
    true = float(Expectation(network, data).measure(weights, (0.1, 0.1), []).squared_norm[0])
    monkeypatch.setattr(expectation, "MOST_MASKED_UNITS", 0)
    sampled = Expectation(network, data, mask_samples=1)
    many: Weights = [np.repeat(matrix, 4000, axis=0) for matrix in weights]
    found = sampled.measure(many, (0.1, 0.1), [np.random.default_rng(i) for i in range(4000)])
    error = float(found.product.std()) / 4000**0.5
    assert float(found.product.mean()) == pytest.approx(true, abs=4 * error)
    assert error < 0.05 * true
    assert float(found.squared_norm.mean()) > 1.1 * true


def test_replicas_draw_their_own_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    network = NETWORKS["two layers with masks"]
    monkeypatch.setattr(expectation, "MOST_MASKED_UNITS", 0)
    weights: Weights = [np.repeat(matrix, 2, axis=0) for matrix in weights_for(network, 1)]
    losses, _ = Expectation(network, data_for(network)).gradient(
        weights, [np.random.default_rng(i) for i in (0, 1)]
    )
    assert losses[0] != losses[1]


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_replica_does_not_see_its_neighbours(network: Network, dtype: type) -> None:
    """The same bits whatever stands beside it, and however the rows are cut into blocks."""
    whole = data_for(network, rows=40)
    data = Data(whole.inputs.astype(dtype), whole.targets.astype(dtype))
    weights: Weights = [matrix.astype(dtype) for matrix in weights_for(network, 7)]
    rngs = [np.random.default_rng(i) for i in range(7)]
    objective = Expectation(network, data)
    losses, gradient = objective.gradient(weights, rngs)
    assert gradient[0].dtype == dtype
    for replica in range(7):
        alone = [matrix[replica : replica + 1] for matrix in weights]
        loss, slope = objective.gradient(alone, rngs[replica : replica + 1])
        assert loss[0] == losses[replica]
        for ours, theirs in zip(slope, gradient, strict=True):
            assert np.array_equal(ours[0], theirs[replica])


def test_projected_gradient_is_that_of_its_definition() -> None:
    network = Network("multilayer", (3, 2, 2), (0.3, 0.0))
    rng = np.random.default_rng(0)
    weights = weights_for(network, 4)
    gradient: Weights = [rng.standard_normal(matrix.shape) for matrix in weights]
    gammas = (0.7, 0.2)
    found = projected(network, weights, gradient, gammas)
    for matrix, g, bound, gamma, ours in zip(
        weights, gradient, network.weight_bounds, gammas, found, strict=True
    ):
        direct = (matrix - np.clip(matrix - gamma * g, -bound, bound)) / gamma
        np.testing.assert_allclose(ours, direct, atol=1e-12)
    assert not found[1].any(), "a box of width 0 leaves nothing to descend"


def test_projection_does_not_cancel_at_tiny_stepsizes() -> None:
    network = Network("autoencoder", (3, 2), (1.0,))
    weights: Weights = [np.full((1, 2, 3), 0.5)]
    gradient: Weights = [np.full((1, 2, 3), 0.123)]
    assert np.array_equal(projected(network, weights, gradient, (1e-300,))[0], gradient[0])


def test_start_has_the_stated_spread_and_lies_in_the_box() -> None:
    rng = np.random.default_rng(0)
    free = initial_weights(Network("single_layer", (400, 50)), rng)[0]
    assert free.std() == pytest.approx(400**-0.5, rel=0.02)
    boxed = initial_weights(Network("multilayer", (400, 50, 2), (0.01, 5.0)), rng)
    assert np.abs(boxed[0]).max() == 0.01
    assert boxed[1].std() == pytest.approx(50**-0.5, rel=0.2)


def test_saturated_units_are_quiet() -> None:
    network = Network("single_layer", (2, 1))
    data = Data(np.ones((1, 2)), np.ones((1, 1)))
    loss, gradient = Expectation(network, data).gradient(
        [np.full((1, 1, 2), -1e6)], [np.random.default_rng(0)]
    )
    assert loss[0] == 1.0
    assert not gradient[0].any()


# Matrices kept in a spectral ball: the nearest ones, by eigenvalues in place of singular values.


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
