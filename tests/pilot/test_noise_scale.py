"""The noise scale of the numpy engine, against the closed form of least squares."""

from __future__ import annotations

import math

import numpy as np
import pytest
from conftest import present

from rsgadvise import recommend
from rsgadvise.advise.results import NoiseScale
from rsgadvise.pilot.noise_scale import measured_noise, noise_scale
from rsgadvise.pilot.task import Task
from rsgadvise.training.networks import Data, Network

NETWORK = {"kind": "multilayer", "layers": [4, 6, 2], "activation": "tanh", "loss": "cross_entropy"}


def least_squares(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
    """(inputs, targets, weights, noise scale, loss) of one linear output."""
    rng = np.random.default_rng(seed)
    x = rng.random((200, 5)) * [1, 0.5, 1, 0.3, 0.9]
    y = np.clip(x @ [0.3, 0.2, 0.1, 0.3, 0.1] + 0.05 * rng.normal(size=200), 0, 1)
    w = rng.normal(size=5) / 4
    each = 2 * (x @ w - y)[:, None] * x
    mean = each.mean(axis=0)
    scale = (np.mean((each**2).sum(axis=1)) - mean @ mean) / (mean @ mean)
    return x, y, w, float(scale), float(np.mean((x @ w - y) ** 2))


def test_the_noise_scale_of_least_squares() -> None:
    x, y, w, wanted, loss = least_squares()
    network = Network("single_layer", (5, 1), loss="squared_linear")
    data = Data(x, y[:, None])
    found = []
    for seed in range(60):
        task = Task.of(network, data, seed=seed, hold_out=False)
        noise, work = measured_noise(task, [w[None, None]], allowed=16 * 32)
        assert work == 16 * 32
        found.append(noise)
    assert sum(one.lower <= wanted <= one.upper for one in found) >= 50, "two standard errors"
    assert np.median([one.value for one in found]) == pytest.approx(wanted, rel=0.1)
    assert np.mean([one.at for one in found]) == pytest.approx(loss, rel=0.05)


def test_the_size_of_the_batches_does_not_matter() -> None:
    """Gradients (3, 0) with noise of variance 4 in each of two coordinates: a scale of 8/9."""
    rng = np.random.default_rng(1)
    for size in (1, 10):
        gradients = [3, 0] + 2 / math.sqrt(size) * rng.normal(size=(300, 2))
        found = noise_scale(gradients @ gradients.T, size, at=0.0)
        assert found.value == pytest.approx(8 / 9, rel=0.15)
        assert found.lower < 8 / 9 < found.upper
        assert found.upper / found.lower < 1.6


def test_noise_alone_has_no_upper_end() -> None:
    gradients = np.random.default_rng(4).normal(size=(16, 50))
    gradients -= gradients.mean(axis=0)  # different ones point away from each other
    found = noise_scale(gradients @ gradients.T, 8, at=1.0)
    assert (found.value, found.upper) == (math.inf, math.inf)


def rows(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.random((300, 4))
    return x, (x[:, 0] + 0.3 * rng.normal(size=300) > 0.5).astype(int)


@pytest.mark.parametrize(
    ("constants", "work"),
    [("auto", 2e9), ("calibrated", None), ("auto", 1e5)],
    ids=["race", "none", "little"],
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_every_advice_that_saw_data_has_one(constants: str, work: float | None, optimizer: str) -> None:
    spec = {"network": NETWORK, "training": {"optimizer": optimizer}, "budget": {"epochs": 30}}
    advice, again = (recommend(spec, data=rows(), constants=constants, work=work) for _ in range(2))
    noise = advice.critical_batch_size
    assert isinstance(noise, NoiseScale)
    assert 0 < noise.lower <= noise.value <= noise.upper
    assert 0 < present(noise.at) < 3
    assert again.critical_batch_size == noise
    assert advice.to_dict()["critical_batch_size"].keys() == {"value", "lower", "upper", "at", "method"}
