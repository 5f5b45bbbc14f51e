"""Errors against the spread over many samples, predictions against training, work against a count."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rsgadvise.pilot.second_order import stopped_state
from rsgadvise.pilot.surroundings import Surroundings, outlook, remaining_time, spectrum_ends, surroundings
from rsgadvise.training.curvature import Curvature
from rsgadvise.training.expectation import Expectation
from rsgadvise.training.networks import Data, Network, Weights, initial_weights
from rsgadvise.training.rsg import Stream, Training, train

Float = NDArray[np.float64]
TWO = Network("multilayer", (4, 3, 2))
ONE = Network("single_layer", (3, 2))


def data_for(network: Network, rows: int) -> Data:
    rng = np.random.default_rng(0)
    inputs = rng.random((rows, network.layers[0]))
    return Data(inputs, (rng.random((rows, network.layers[-1])) < inputs[:, :1]).astype(float))


def weights_for(network: Network) -> list[Float]:
    return [m[0].astype(float) for m in initial_weights(network, np.random.default_rng(1), scale=2.0)]


def around(training: Training, weights: Sequence[Float], rows: int, seed: int) -> Surroundings:
    return surroundings(
        training, weights, reach=[1.0] * len(weights), rows=rows, rng=np.random.default_rng(seed)
    )


SMALL = Training(TWO, data_for(TWO, 300), (0.5, 0.5), 8)


def learnt() -> list[Float]:
    """Where hardly any gradient is left, so that chance makes up that of a sample."""
    weights: Weights = [matrix[None] for matrix in weights_for(TWO)]
    f = Expectation(TWO, SMALL.data)
    for _ in range(3000):
        weights = [m - 2 * g for m, g in zip(weights, f.gradient(weights, [])[1], strict=True)]
    return [matrix[0].astype(float) for matrix in weights]


def sampled(weights: list[Float]) -> list[Surroundings]:
    return [around(SMALL, weights, 48, seed) for seed in range(400)]


@pytest.fixture(scope="module")
def samples() -> list[Surroundings]:
    return sampled(weights_for(TWO))


def whole() -> Surroundings:
    return around(SMALL, weights_for(TWO), 300, 0)


@pytest.mark.parametrize("late", [False, True])
def test_the_gradient_of_a_sample_is_corrected_and_its_error_is_its_spread(
    late: bool, samples: list[Surroundings]
) -> None:
    weights = learnt() if late else weights_for(TWO)
    samples = sampled(weights) if late else samples
    true = float((around(SMALL, weights, 300, 0).gradient ** 2).sum())
    added, said = np.array([s.noise() for s in samples]).T
    found = np.array([(s.gradient**2).sum() for s in samples]) - added
    assert found.mean() == pytest.approx(true, abs=4 * found.std() / len(found) ** 0.5)
    assert added.mean() > 5 * found.std() / len(found) ** 0.5
    ratio = np.sqrt((said**2).mean()) / found.std()
    assert 0.87 < ratio < (1.6 if late else 1.15), "where all is noise, rather too large"
    assert whole().noise() == (0.0, 0.0)


@pytest.mark.parametrize("seed", range(10))
def test_a_state_reports_the_corrected_gradient(seed: int) -> None:
    """Of the very sample that the seed draws, whose correction is tested above."""
    weights = weights_for(TWO)
    found = stopped_state(
        SMALL, weights, iteration=5, iterations=5, rng=np.random.default_rng(seed), rows=48, products=1
    )
    sample = around(SMALL, weights, 48, seed)
    added, error = sample.noise()
    plain = float((sample.gradient**2).sum())
    assert found.gradient == pytest.approx(max(0.0, plain - added), rel=1e-9)
    assert found.errors.gradient == pytest.approx(error)
    assert added > 0.05 * plain, "the plain norm would have been caught"


def test_eigenvalues_lie_within_their_errors_about_as_often_as_they_should(
    samples: list[Surroundings],
) -> None:
    rng = np.random.default_rng(0)
    true = spectrum_ends(whole(), products=40, rng=rng)
    assert max(true.lowest_error, true.highest_error) < 1e-4 * true.highest
    found = [spectrum_ends(s, products=40, rng=rng) for s in samples[:150]]
    low = np.mean([abs(ends.lowest - true.lowest) <= ends.lowest_error for ends in found])
    high = np.mean([abs(ends.highest - true.highest) <= ends.highest_error for ends in found])
    assert low > 0.7
    assert high > 0.7
    spread = np.std([ends.lowest for ends in found])
    assert np.mean([ends.lowest_error for ends in found]) < 4 * spread, "and they are no wider than needed"
    bias = np.mean([ends.lowest for ends in found]) - true.lowest
    plain = np.mean([_lowest(s) for s in samples[:50]]) - true.lowest
    assert plain < 0
    assert abs(bias) < abs(plain) + 2 * spread / 150**0.5


def _lowest(sample: Surroundings) -> float:
    """Of the Hessian of the whole sample, by all its columns."""
    every = range(len(sample.blocks))
    columns = [sample.product(unit, every) for unit in np.eye(int(sample.free.sum()))]
    return float(np.linalg.eigvalsh(np.array(columns))[0])


@pytest.mark.parametrize("batch", [1, 8])
def test_one_iteration_loses_what_is_predicted_of_it(batch: int) -> None:
    """The mean over all mini-batches of one example, and over many of eight, with the noise they bring."""
    data, gamma = data_for(ONE, 40), 0.6
    training = Training(ONE, data, (gamma,), batch)
    weights = weights_for(ONE)
    rng = np.random.default_rng(0)
    rows = [Data(data.inputs[[row]], data.targets[[row]]) for row in range(40)]
    each = np.array([Expectation(ONE, row).gradient([weights[0][None]], [rng])[1][0][0] for row in rows])
    picked = np.arange(40)[:, None] if batch == 1 else rng.integers(0, 40, (20_000, batch))
    f = Expectation(ONE, data)
    after = f.loss([weights[0] - gamma * each[picked].mean(axis=1)], [rng] * len(picked))
    fall = f.loss([weights[0][None]], [rng])[0] - after.mean()
    error = 0.0 if batch == 1 else after.std() / len(after) ** 0.5
    sample = around(training, weights, 40, 0)
    ends = spectrum_ends(sample, products=40, rng=np.random.default_rng(0))
    found = outlook(sample, training, iteration=1, until=2, steepest=ends.highest)
    assert found.decrease == pytest.approx(fall, abs=4 * error + 0.05 * abs(fall))
    quiet = Training(ONE, data, (gamma,), 10**9)
    free = outlook(sample, quiet, iteration=1, until=2, steepest=ends.highest)
    assert free.decrease - found.decrease > 8 * error or batch == 8, "noise that the prediction accounts for"


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_descent_along_one_weight_is_what_is_predicted(decay: float) -> None:
    """Near the minimum of one weight the quadratic model is exact, over any number of iterations."""
    one = Network("single_layer", (1, 1))
    data = Data(np.ones((1, 1)), np.full((1, 1), 0.3))
    bottom = math.log(0.3 / 0.7)
    training = Training(one, data, (0.5,), 1, decay)
    f = Expectation(one, data)
    for until in (6, 40, 400):
        w = np.array([[bottom + 1e-3]])
        (shot,) = train(training, [w[None]], [Stream(0, (0,))], [np.array([until])], first=5)
        fall = float(f.loss([w[None]], [])[0] - f.loss(shot.weights, [])[0])
        sample = around(training, [w], 1, 0)
        ends = spectrum_ends(sample, products=4, rng=np.random.default_rng(0))
        found = outlook(sample, training, iteration=5, until=until, steepest=ends.highest)
        assert found.decrease == pytest.approx(fall, rel=0.05)
        best = float(f.loss([w[None]], [])[0])  # all of it: the loss at the bottom is 0
        assert found.step == pytest.approx(best, rel=0.01)


def test_several_directions_descend_at_least_as_predicted() -> None:
    data = data_for(TWO, 60)
    training = Training(TWO, data, (0.2, 0.2), 10**9)
    f = Expectation(TWO, data)
    weights = weights_for(TWO)
    for until in (3, 20, 100):
        current: Weights = [m[None].copy() for m in weights]
        before = float(f.loss(current, [])[0])
        for _ in range(1, until):
            slope = f.gradient(current, [])[1]
            current = [m - 0.2 * g for m, g in zip(current, slope, strict=True)]
        fall = before - float(f.loss(current, [])[0])
        sample = around(training, weights, 60, 0)
        found = outlook(sample, training, iteration=1, until=until, steepest=1.0)
        assert 0.3 * fall < found.decrease < 1.15 * fall


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0, 2.0])
def test_remaining_time(decay: float) -> None:
    for first, until in [(1, 2), (1, 50), (7, 8), (30, 61), (5, 5)]:
        training = Training(ONE, data_for(ONE, 4), (0.5,), 1, decay)
        gammas = [training.stepsizes_at(k)[0] for k in range(first, until)]
        expected = sum(gammas) / training.stepsizes_at(first)[0]
        assert remaining_time(training, iteration=first, until=until) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("keep_prob", [1.0, 0.6])
@pytest.mark.parametrize("rows", [64, 300])
def test_products_and_work_are_counted(keep_prob: float, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network("multilayer", (4, 3, 2), (1.0, 1.0), keep_prob)
    training = Training(network, SMALL.data, (0.5, 0.5), 8)
    counted = {"built": 0, "multiplied": 0}
    build, multiply = Curvature.__init__, Curvature.product

    def built(
        self: Curvature, network: Network, data: Data, weights: list[Float], masks: list[Float]
    ) -> None:
        counted["built"] += data.rows
        build(self, network, data, weights, masks)

    def multiplied(self: Curvature, direction: list[Float]) -> list[Float]:
        counted["multiplied"] += self.rows
        return multiply(self, direction)

    monkeypatch.setattr(Curvature, "__init__", built)
    monkeypatch.setattr(Curvature, "product", multiplied)
    found = stopped_state(
        training,
        [matrix.clip(-1, 1) for matrix in weights_for(network)],
        iteration=3,
        iterations=50,
        rng=np.random.default_rng(0),
        rows=rows,
    )
    assert counted["built"] == rows
    assert found.work == pytest.approx(counted["built"] + 2 * counted["multiplied"])


def test_masks_are_drawn_for_each_pass_over_few_rows() -> None:
    network = Network("multilayer", (4, 3, 2), (50.0, 50.0), 0.5)
    training = Training(network, data_for(network, 5), (0.5, 0.5), 8)
    sample = around(training, weights_for(network), 23, 0)
    assert sample.rows == 23
    assert sample.correction == 1
    assert len(np.unique(sample.losses)) > 5
