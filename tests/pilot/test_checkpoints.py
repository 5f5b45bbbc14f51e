"""Looks along training runs, against training and measuring each of them by itself."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from autograd import grad
from conftest import present
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsgadvise.pilot.checkpoints import look_along, look_iterations
from rsgadvise.training import expectation
from rsgadvise.training.expectation import Expectation
from rsgadvise.training.networks import Data, Network, Weights, initial_weights
from rsgadvise.training.rsg import Stream, Training, train

Float = NDArray[np.float64]
ONE = Network("single_layer", (4, 3))
TWO = Network("multilayer", (4, 3, 2), (0.8, 0.8), 0.7)
DA = Network("autoencoder", (4, 3), (0.5,))


def data_for(network: Network, rows: int, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    inputs = rng.random((rows, network.layers[0]))
    targets = inputs if network.kind == "autoencoder" else rng.random((rows, network.widths[-1]))
    return Data(inputs, targets)


def training_for(network: Network, rows: int = 30) -> Training:
    return Training(network, data_for(network, rows), (0.6, 0.3)[: len(network.shapes)], 5, 0.25)


def start_for(network: Network) -> Weights:
    return initial_weights(network, np.random.default_rng(1), scale=2.0)


def stream() -> Stream:
    return Stream(9, (0,))


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


@given(st.integers(1, 3000), st.integers(2, 40))
def test_looks_lie_within_the_run(iterations: int, looks: int) -> None:
    at = look_iterations(iterations=iterations, looks=looks)
    assert (at[0], at[-1]) == (1, iterations)
    assert (np.diff(at) > 0).all()
    assert len(at) == iterations if iterations <= looks else len(at) <= looks
    if iterations > 400 and looks >= 16:
        assert (at > 0.9 * iterations).sum() >= looks / 4, "`last` sees its tenth"
        assert (at < 0.2 * iterations).sum() >= looks / 4


@pytest.mark.parametrize("network", [ONE, TWO, DA], ids=lambda network: network.kind)
def test_each_look_is_what_the_run_would_have_returned(network: Network) -> None:
    training, start = training_for(network), start_for(network)
    held = data_for(network, 20, seed=7)
    found = look_along(training, start, stream(), iterations=60, looks=7, validation=held, rng=rng())
    whole, out = Expectation(network, training.data), Expectation(network, held)
    for place, k in enumerate(found.iterations):
        (shot,) = train(training, start, [stream()], [np.array([k])])
        measured = whole.measure(shot.weights, training.stepsizes_at(int(k)), [rng()])
        assert found.losses[place] == pytest.approx(measured.loss[0], rel=1e-12)
        assert found.gradients[place] == pytest.approx(measured.squared_norm[0], rel=1e-12)
        loss = out.gradient(shot.weights, [rng()])[0][0]
        assert present(found.validation)[place] == pytest.approx(loss, rel=1e-12)
    masks = 2 ** sum(network.masked_widths)
    assert found.work == pytest.approx(59 * 5 + 7 * masks * (30 + 20 / 3))
    assert found.last == 60


def test_work_counts_every_sampled_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expectation, "MOST_MASKED_UNITS", 0)
    training = training_for(TWO)
    found = look_along(
        training, start_for(TWO), stream(), iterations=9, looks=3, validation=training.data, rng=rng()
    )
    assert found.work == pytest.approx(8 * 5 + 3 * (2 * 30 + 30 / 3))
    few = look_along(
        training, start_for(TWO), stream(), iterations=9, looks=3, validation=None, rng=rng(), rows=11
    )
    assert few.work == 8 * 5 + 3 * 11
    assert few.validation is None


def test_a_sample_of_rows_is_unbiased() -> None:
    """The norm of a sampled gradient is too large on average, the product of two halves is not."""
    training, start = training_for(ONE, rows=200), start_for(ONE)
    true = Expectation(ONE, training.data).measure(start, (0.6,), [rng()])
    found = [
        look_along(
            training,
            start,
            stream(),
            iterations=1,
            looks=1,
            validation=None,
            rng=np.random.default_rng(seed),
            rows=8,
        )
        for seed in range(1000)
    ]
    norms = np.array([looks.gradients[0] for looks in found])
    error = norms.std() / len(norms) ** 0.5
    assert norms.mean() == pytest.approx(float(true.squared_norm[0]), abs=4 * error)
    variance = np.mean(
        [
            (np.ravel(grad(lambda w, r=r: _loss(w, training.data, r))(start[0][0])) ** 2).sum()
            for r in range(200)
        ]
    ) - float(true.squared_norm[0])
    assert variance / 8 > 8 * error, "the plug-in would have been caught"
    losses = np.array([looks.losses[0] for looks in found])
    assert losses.mean() == pytest.approx(float(true.loss[0]), abs=4 * losses.std() / len(losses) ** 0.5)


def test_every_row_of_a_sample_counts() -> None:
    """An odd number of rows, in halves of three and four."""
    training, start = training_for(ONE), start_for(ONE)
    found = look_along(training, start, stream(), iterations=1, looks=1, validation=None, rng=rng(), rows=7)
    chosen = rng().permutation(30)[:7]
    sample = Data(training.data.inputs[chosen], training.data.targets[chosen])
    assert found.losses[0] == pytest.approx(Expectation(ONE, sample).loss(start, [rng()])[0])


def _loss(weights: Float, data: Data, row: int) -> Float:
    import autograd.numpy as anp

    output = 1 / (1 + anp.exp(-weights @ data.inputs[row]))
    return anp.sum((data.targets[row] - output) ** 2)  # type: ignore[no-any-return]


@pytest.mark.parametrize("rows", [10, 2048])
def test_runs_that_leave_the_range_of_numbers_say_so_quietly(rows: int) -> None:
    training = Training(ONE, data_for(ONE, 30), (1e308,), 5)
    lost: Weights = [np.full((1, 3, 4), np.inf) * np.array([1, -1, 1, -1])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = look_along(
            training, lost, stream(), iterations=5, looks=3, validation=training.data, rng=rng(), rows=rows
        )
    assert not np.isfinite(found.losses).any()


def test_the_loss_alone_is_that_of_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks, for many replicas, with masks enumerated and sampled, from the same random numbers."""
    monkeypatch.setattr(expectation, "BLOCK_BYTES", 1)
    for most in (expectation.MOST_MASKED_UNITS, 0):
        monkeypatch.setattr(expectation, "MOST_MASKED_UNITS", most)
        for network in (ONE, TWO, DA):
            objective = Expectation(network, data_for(network, 70))
            starts = [initial_weights(network, np.random.default_rng(i)) for i in range(3)]
            weights = [np.concatenate(matrices) for matrices in zip(*starts, strict=True)]
            one, two = ([np.random.default_rng(i) for i in range(3)] for _ in range(2))
            assert np.array_equal(objective.loss(weights, one), objective.gradient(weights, two)[0])
