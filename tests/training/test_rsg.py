"""The training loop against a plain one, and what its replicas owe to nobody else."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from test_networks import data_for, plain_loss, weights_for

from rsgadvise.theory.stopping import draw_iterations, probabilities
from rsgadvise.training import rsg
from rsgadvise.training.networks import Data, Network, Weights
from rsgadvise.training.rsg import Pace, Stream, Training, train

Stops = Sequence[NDArray[np.int64]]

SETTINGS = {
    "single layer": Training(
        Network("single_layer", (5, 3)), data_for(Network("single_layer", (5, 3))), (0.4,), 4
    ),
    "decay": Training(
        Network("single_layer", (5, 3)), data_for(Network("single_layer", (5, 3))), (2.0,), 3, 0.7
    ),
    "autoencoder": Training(
        Network("autoencoder", (4, 3), (0.6,), 0.5), data_for(Network("autoencoder", (4, 3))), (0.5,), 2
    ),
    "layers": Training(
        Network("multilayer", (4, 3, 2), (0.5, 0.4), 0.7),
        data_for(Network("multilayer", (4, 3, 2))),
        (0.9, 0.3),
        5,
        0.5,
    ),
    "wide": Training(
        Network("multilayer", (5, 17, 2), (0.5, 0.4), 0.7),
        data_for(Network("multilayer", (5, 17, 2))),
        (0.9, 0.3),
        5,
    ),
}


def ends(training: Training, start: Weights, keys: Sequence[int], stops: Stops) -> dict[int, Weights]:
    """The last snapshot of each replica."""
    found: dict[int, Weights] = {}
    for shot in train(training, start, [Stream(3, (key,)) for key in keys], stops):
        for place, replica in enumerate(shot.replicas):
            found[keys[replica]] = [matrix[place] for matrix in shot.weights]
    return found


def slope(training: Training, weights: Weights, row: int, masks: list[NDArray[np.float64]]) -> Weights:
    from autograd import grad

    data = training.data
    x, y = data.inputs[row], data.targets[row]
    found: Weights = grad(lambda w: plain_loss(training.network, w, x, y, masks))(weights)
    return found


def plain_training(training: Training, start: Weights, stream: Stream, iterations: int) -> Weights:
    """Algorithms 1 to 3 written out: one example and one matrix at a time."""
    network = training.network
    weights = [matrix[0].copy() for matrix in start]
    ahead = max(1, rsg.AHEAD_BYTES // (8 * training.batch_size))
    batches = stream.batches.integers(0, training.data.rows, size=(ahead, training.batch_size))
    widths = network.masked_widths
    for k in range(1, iterations):
        drawn = [stream.masks.random((training.batch_size, d), dtype=np.float32) for d in widths]
        total = [np.zeros_like(matrix) for matrix in weights]
        for place, row in enumerate(batches[k - 1]):
            masks = [(u[place] < network.keep_prob).astype(float) for u in drawn]
            masks = masks or [np.ones(d) for d in network.layers[:-1]]
            total = [a + b for a, b in zip(total, slope(training, weights, row, masks), strict=True)]
        for level, gamma in enumerate(training.stepsizes):
            weights[level] = weights[level] - gamma * k**-training.decay * total[level] / training.batch_size
            if network.weight_bounds:
                bound = network.weight_bounds[level]
                weights[level] = np.minimum(np.maximum(weights[level], -bound), bound)
    return weights


@pytest.mark.parametrize("training", SETTINGS.values(), ids=SETTINGS)
def test_matches_a_plain_loop(training: Training) -> None:
    start = weights_for(training.network, 1)
    ours = ends(training, start, [5], [np.array([9])])[5]
    theirs = plain_training(training, start, Stream(3, (5,)), 9)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_each_replica_keeps_its_own_pace() -> None:
    """Replicas with stepsizes of their own go where they would go by themselves."""
    network = SETTINGS["layers"].network
    start, rng = weights_for(network, 1), np.random.default_rng(8)
    pace = Pace(rng.uniform(0.1, 2, (5, 2)), np.array([0.0, 0.5, 1.0, 0.25, 0.0]))
    stops = [np.array([9 + 2 * replica]) for replica in range(5)]
    found: dict[int, Weights] = {}
    for shot in train(SETTINGS["layers"], start, [Stream(3, (k,)) for k in range(5)], stops, pace=pace):
        found |= {
            int(replica): [w[place] for w in shot.weights] for place, replica in enumerate(shot.replicas)
        }
    for replica, own in found.items():
        gammas, decay = tuple(pace.stepsizes[replica].tolist()), float(pace.decays[replica])
        alone = Training(network, SETTINGS["layers"].data, gammas, 5, decay)
        expected = ends(alone, start, [replica], [stops[replica]])[replica]
        for a, b in zip(own, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_batches_do_not_depend_on_how_many_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    training = SETTINGS["single layer"]
    start = weights_for(training.network, 1)
    whole = ends(training, start, [0], [np.array([40])])[0]
    monkeypatch.setattr(rsg, "AHEAD_BYTES", 8 * training.batch_size * 3)
    pieces = ends(training, start, [0], [np.array([40])])[0]
    assert np.array_equal(whole[0], pieces[0])


def test_stops_are_looked_at_before_the_update() -> None:
    training = SETTINGS["single layer"]
    start = weights_for(training.network, 1)
    shots = list(
        train(training, start, [Stream(0, (0,)), Stream(0, (1,))], [np.array([1, 3, 3]), np.array([2])])
    )
    assert [(shot.iteration, shot.replicas.tolist()) for shot in shots] == [(1, [0]), (2, [1]), (3, [0])]
    assert np.array_equal(shots[0].weights[0][0], start[0][0])


def test_one_iteration_and_a_batch_larger_than_the_data() -> None:
    base = SETTINGS["single layer"]
    training = Training(base.network, base.data, base.stepsizes, batch_size=1000)
    start = weights_for(training.network, 1)
    shots = list(train(training, start, [Stream(0, (0,))], [np.array([1])]))
    assert len(shots) == 1
    assert np.array_equal(shots[0].weights[0], start[0])
    assert len(list(train(training, start, [Stream(0, (0,))], [np.array([2])]))) == 1


def test_overflow_is_silent_and_visible() -> None:
    base = SETTINGS["single layer"]
    training = Training(base.network, base.data, (1e308,), 4)
    start: Weights = [np.full((1, 3, 5), np.inf) * np.array([1, -1, 1, -1, 1])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (shot,) = train(training, start, [Stream(0, (0,))], [np.array([5])])
    assert not np.isfinite(shot.weights[0]).all()


def test_single_precision_follows_double() -> None:
    training = SETTINGS["single layer"]
    data = Data(training.data.inputs.astype(np.float32), training.data.targets.astype(np.float32))
    single = Training(training.network, data, training.stepsizes, training.batch_size)
    start = weights_for(training.network, 1)
    low, high = (ends(t, start, [0], [np.array([50])])[0][0] for t in (single, training))
    assert low.dtype == np.float32
    np.testing.assert_allclose(low, high, rtol=1e-4, atol=1e-5)


def test_a_box_of_width_zero_stays_at_zero() -> None:
    network = Network("multilayer", (4, 3, 2), (0.0, 0.0))
    training = Training(network, data_for(network), (0.5, 0.5), 4)
    (shot,) = train(training, weights_for(network, 1), [Stream(0, (0,))], [np.array([20])])
    assert not any(matrix.any() for matrix in shot.weights)


class Spread:
    """In place of a generator: numbers that fill (0, 1) evenly, call by call in each place of a call."""

    def __init__(self, calls: int) -> None:
        self.calls, self.asked = calls, list[int]()

    def random(self, size: int) -> NDArray[np.float64]:
        self.asked.append(size)
        return np.asarray(((len(self.asked) - 0.5) / self.calls + 0.618 * np.arange(size)) % 1, np.float64)


@pytest.mark.parametrize("strata", [1, 2, 16])
@pytest.mark.parametrize("stopping", ["uniform", "increasing", "last", "matched", (0.5, 0.0, 0.3, 0.2, 0.0)])
def test_strata_draw_from_the_distribution(stopping: object, strata: int) -> None:
    """What random numbers would do in a million draws, these do in a thousand."""
    p = probabilities(stopping, iterations=5, decay=0.5, curvature_share=0.4)  # type: ignore[arg-type]
    rng = Spread(1000)
    found = np.array([draw_iterations(p, rng, strata=strata) for _ in range(1000)])  # type: ignore[arg-type]
    assert rng.asked == [strata] * 1000
    assert (np.diff(found, axis=1) >= 0).all()
    # Each of the equally likely parts has its own share of the distribution, in order.
    ends = np.cumsum(p) / p.sum()
    for part in range(strata):
        shares = np.bincount(found[:, part] - 1, minlength=5) / 1000
        own = np.clip(ends * strata - part, 0, 1)
        np.testing.assert_allclose(shares, np.diff(own, prepend=0), atol=0.0021)
        assert (shares[p == 0] == 0).all()


@pytest.mark.parametrize("name", ["single layer", "autoencoder", "layers"])
def test_a_single_row_has_masks_of_its_own_each_time_it_is_drawn(name: str) -> None:
    whole = SETTINGS[name]
    row = Data(whole.data.inputs[:1], whole.data.targets[:1])
    training = Training(whole.network, row, whole.stepsizes, whole.batch_size, whole.decay)
    start = weights_for(whole.network, 1)
    found = ends(training, start, [5], [np.array([4])])[5]
    for a, b in zip(found, plain_training(training, start, Stream(3, (5,)), 4), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
