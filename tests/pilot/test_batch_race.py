"""The race of batch sizes, on loss curves that are known, and on networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from rsgadvise import recommend
from rsgadvise.advise.results import NoiseScale
from rsgadvise.pilot.batch_race import BatchRace, Usual, batch_race, critical, race_batches, raced_sizes
from rsgadvise.theory.optimizers import optimizer_of
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.training.networks import Data, Network

Run = Callable[[int, float, Sequence[int]], Iterator[tuple[int, float]]]


def falling(true: float, *, best: float = 1.0, seen: list[tuple[int, float]] | None = None) -> Run:
    """Losses e^-k/S, S = 40 (1 + B_c/B), and twice as long for a stepsize that is half or twice the best."""

    def run(size: int, multiple: float, looks: Sequence[int]) -> Iterator[tuple[int, float]]:
        if seen is not None:
            seen.append((size, multiple))
        own = best * math.sqrt(size / 32)
        slower = 2 ** abs(math.log2(multiple / own))
        for at in looks:
            yield at, math.exp(-at / (40 * (1 + true / size) * slower))

    return run


@pytest.mark.parametrize("true", [3.0, 20.0, 100.0, 400.0])
def test_the_critical_batch_size_of_known_curves(true: float) -> None:
    found = batch_race(falling(true), batch_size=32, rows=10_000, budget=200_000)
    assert set(found.steps) == {8, 32, 128}
    assert found.steps[8] / found.steps[128] == pytest.approx((1 + true / 8) / (1 + true / 128), rel=0.08)
    assert found.critical.lower < true < found.critical.upper
    if true < 200:  # beyond, batches of 128 rows are nearly noise alone
        assert found.critical.value == pytest.approx(true, rel=0.25)
    assert found.samples <= 1.3 * 200_000


@pytest.mark.parametrize("best", [0.25, 4.0])
def test_a_stepsize_beyond_the_first_rungs_is_found(best: float) -> None:
    seen = list[tuple[int, float]]()
    found = batch_race(falling(20.0, best=best, seen=seen), batch_size=32, rows=10_000, budget=200_000)
    assert (32, best) in seen
    assert found.critical.value == pytest.approx(20, rel=0.25)


def test_a_loss_that_stays_tells_nothing() -> None:
    def run(size: int, multiple: float, looks: Sequence[int]) -> Iterator[tuple[int, float]]:
        for at in looks:
            yield at, 1 - 1e-4 * math.log(at)

    found = batch_race(run, batch_size=32, rows=1000, budget=1e5)
    assert found.steps == {}
    usual = found.carried(32, 1000, Usual.of(optimizer_of("sgd")))
    assert usual.value == pytest.approx(14)
    assert usual.at is None


def test_one_row_leaves_nothing_to_race() -> None:
    found = batch_race(falling(20.0), batch_size=1, rows=1, budget=1e5)
    assert (found.steps, found.samples) == ({}, 0)


def test_one_that_diverges_does_not_win() -> None:
    def run(size: int, multiple: float, looks: Sequence[int]) -> Iterator[tuple[int, float]]:
        for at in looks:
            wild = multiple > math.sqrt(size / 32) * 1.5
            yield at, math.inf if wild and at > 4 else math.exp(-at * (0.2 if wild else 0.02))

    found = batch_race(run, batch_size=32, rows=1000, budget=2e5)
    assert found.critical.value < 5, "no batch size needs fewer iterations than another"


def test_noise_that_never_ends_still_has_a_number() -> None:
    value, lower, upper = critical({8: 1600.0, 32: 400.0, 128: 100.0})
    assert 200 < lower < value < upper <= 1e4
    value, lower, upper = critical({8: 100.0, 32: 100.0, 128: 100.0})
    assert 1 <= lower < value < upper < 10


def test_posterior_of_a_single_unknown_by_integration() -> None:
    """Against sums over a grid of both unknowns, S_min included."""
    steps = {8: 300.0, 32: 130.0, 128: 70.0}
    value, lower, upper = critical(steps)
    sizes, logs = np.array(list(steps)), np.log(list(steps.values()))
    places, heights = np.linspace(0, math.log(1e4), 800), np.linspace(0, 8, 1500)
    misfit = sum(
        ((log - height - np.log1p(np.exp(place) / size)) / 0.15) ** 2
        for size, log in zip(sizes, logs, strict=True)
        for place, height in [np.meshgrid(places, heights, indexing="ij")]
    )
    density = np.exp(-misfit / 2).sum(axis=1)
    below = np.cumsum(density) / density.sum()
    for found, share in ((lower, 0.025), (value, 0.5), (upper, 0.975)):
        assert math.log(found) == pytest.approx(float(np.interp(share, below, places)), abs=0.03)


@pytest.mark.parametrize(
    ("optimizer", "usual", "power"),
    [
        ("adam", 200.0, 0.4),
        ("sgd", 14.0, 0.2),
        ("momentum", 140.0, 0.4),
        ({"name": "momentum", "beta": 0.5}, 28.0, 0.4),
        ({"name": "nesterov", "beta": 0.99}, 200.0, 0.4),
    ],
)
def test_carried_on_to_the_end(optimizer: Any, usual: float, power: float) -> None:
    """The product of two normal densities of log B_c, on a grid."""
    race = BatchRace(NoiseScale(60.0, 30.0, 120.0, 0.5), {8: 90.0, 32: 40.0, 128: 25.0}, 1e5)
    found = race.carried(32, 1000, Usual.of(optimizer_of(optimizer)))
    further = math.log(1000 / 40)
    grid = np.linspace(-2, 14, 40_001)
    own = math.hypot(math.log(4) / 4, 0.2 * further)
    density = np.exp(
        -(((grid - math.log(60) - power * further) / own) ** 2) / 2 - (grid - math.log(usual)) ** 2 / 2
    )
    mean = float(density @ grid / density.sum())
    error = math.sqrt(float(density @ (grid - mean) ** 2 / density.sum()))
    assert math.log(found.value) == pytest.approx(mean, abs=1e-3)
    assert math.log(found.upper / found.lower) == pytest.approx(4 * error, rel=1e-3)
    assert found.at == 0.5


def test_sizes_within_the_rows() -> None:
    for rows in (1, 2, 5, 40, 1000):
        for size in (1, 2, 3, 16, 40, 1000):
            if size <= rows:
                found = raced_sizes(size, rows)
                assert size in found
                assert max(found) <= rows
                assert list(found) == sorted(set(found))
    assert raced_sizes(1000, 300) == (62, 250, 1000), "rows are drawn again and again"


def rows() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.random((400, 6))
    return x, (x[:, 0] + 0.2 * rng.normal(size=400) > 0.5).astype(int)


@pytest.mark.parametrize("extra", [{}, {"bias": True}])
def test_networks_are_raced_and_a_seed_repeats_it(extra: dict[str, Any]) -> None:
    spec = {
        "network": {"kind": "multilayer", "layers": [6, 8, 2], **extra},
        "training": {"batch_size": 16, "iterations": 400, "keep_prob": 1},
    }
    x, y = rows()
    advice = recommend(spec, data=(x, y), constants="calibrated")
    assert advice.train is not None
    network = Network("multilayer", (6, 8, 2), (5.0, 5.0), **extra)
    data = Data(x, np.eye(2)[y])
    first, again, other = (
        race_batches(network, data, PLAIN, advice.train, seed=seed, work=1e9) for seed in (0, 0, 1)
    )
    assert first == again != other
    assert set(first.steps) == {4, 16, 64}
    assert first.steps[4] > first.steps[64]
    assert first.samples < 1.5 * 80_000
