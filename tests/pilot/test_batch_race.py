"""The race of batch sizes, on loss curves that are known, and on networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from conftest import present

import rsgadvise.pilot.batch_race as batch_race_module
from rsgadvise import recommend
from rsgadvise.pilot.batch_race import BatchRace, Usual, batch_race, critical, race_batches, raced_sizes
from rsgadvise.theory.optimizers import optimizer_of
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.training.networks import Data, Network

OPEN = Usual(30.0, 0.2, spread=3.0)
"""Little is believed."""

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


def raced(run: Run, *, rows: int = 10_000) -> BatchRace:
    return batch_race(run, batch_size=32, rows=rows, whole=1e7, work=4e5)


@pytest.mark.parametrize("true", [3.0, 20.0, 60.0, 400.0])
def test_the_critical_batch_size_of_known_curves(true: float) -> None:
    found = raced(falling(true))
    assert set(found.steps) == {8, 32, 128}
    assert found.steps[8] / found.steps[128] == pytest.approx((1 + true / 8) / (1 + true / 128), rel=0.08)
    value, lower, upper = critical(found.steps, OPEN)
    assert lower < true < upper
    if 8 < true < 100:  # beyond, all of them are nearly noise alone, or without any
        assert value == pytest.approx(true, rel=0.3)
    assert found.samples <= 1.3 * 400_000


def test_a_race_costs_little_of_a_long_training_and_is_no_longer_than_a_short_one() -> None:
    def samples(whole: float) -> float:
        return batch_race(falling(20.0), batch_size=32, rows=1000, whole=whole, work=math.inf).samples

    assert samples(1e6) < 1.3e6
    assert samples(7e4) == samples(3e4) < 1.3 * 80_000, "the least that tells anything"
    assert samples(8e3) < 5 * 8e3


@pytest.mark.parametrize("best", [0.25, 4.0])
def test_a_stepsize_beyond_the_first_rungs_is_found(best: float) -> None:
    seen = list[tuple[int, float]]()
    found = raced(falling(20.0, best=best, seen=seen))
    assert (32, best) in seen
    assert critical(found.steps, OPEN)[0] == pytest.approx(20, rel=0.25)


def test_a_loss_that_stays_tells_nothing() -> None:
    def run(size: int, multiple: float, looks: Sequence[int]) -> Iterator[tuple[int, float]]:
        for at in looks:
            yield at, 1 - 1e-4 * math.log(at)

    found = raced(run, rows=1000)
    assert found.steps == {}
    usual = found.carried(32, 1000, Usual.of(optimizer_of("sgd")))
    assert usual.value == pytest.approx(20, rel=1e-3)
    assert usual.at is None


def test_one_row_leaves_nothing_to_race() -> None:
    found = batch_race(falling(20.0), batch_size=1, rows=1, whole=1e5, work=1e5)
    assert (found.steps, found.samples) == ({}, 0)


def test_one_that_diverges_does_not_win() -> None:
    def run(size: int, multiple: float, looks: Sequence[int]) -> Iterator[tuple[int, float]]:
        for at in looks:
            wild = multiple > math.sqrt(size / 32) * 1.5
            yield at, math.inf if wild and at > 4 else math.exp(-at * (0.2 if wild else 0.02))

    found = raced(run, rows=1000)
    assert critical(found.steps, Usual(20.0, 0.2))[0] < 5, "no batch size needs fewer iterations than another"


@pytest.mark.parametrize("further", [0.0, 2.5])
@pytest.mark.parametrize(
    "steps", [(300, 130, 70), (1600, 400, 100), (100, 100, 100), (47.5, 40, 12.3)], ids=str
)
def test_posterior_by_draws(steps: tuple[float, ...], further: float) -> None:
    """Draws of all that is unknown, weighted by the density of Student's t with a scale that is unknown.

    Of steps on a hyperbola, of noise alone, of none, and on no hyperbola.
    """
    usual, rng = Usual(40.0, 0.4), np.random.default_rng(0)
    ends = math.log(40) + rng.normal(size=400_000)
    early = ends - (0.4 + 0.2 * rng.normal(size=len(ends))) * further
    sizes, logs = np.array([8, 32, 128]), np.log(steps)
    rest = logs - np.log1p(np.exp(early)[:, None] / sizes)
    precisions = rng.gamma(1.0, 1.0, size=len(ends)) / batch_race_module._ERROR**2  # two observations
    misfit = ((rest - rest.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    weights = precisions * np.exp(-precisions * misfit / 2)  # S_min is integrated out
    order = np.argsort(ends)
    below = np.cumsum(weights[order]) / weights.sum()
    expected = np.interp((0.5, 0.05, 0.95), below, ends[order])
    found = critical(dict(zip(sizes.tolist(), steps, strict=True)), usual, further)
    assert np.log(found) == pytest.approx(expected, abs=0.04)


def test_few_rows_bound_what_is_usual() -> None:
    for name in ("sgd", "momentum", "adam", "nesterov"):
        optimizer = optimizer_of(name)
        assert Usual.of(optimizer, 12).critical == 12
        assert Usual.of(optimizer, 10**6) == Usual.of(optimizer)
    beta = optimizer_of({"name": "momentum", "beta": 0.5})
    assert Usual.of(beta).critical == pytest.approx(40)
    assert Usual.of(beta).power == Usual.of(optimizer_of("adam")).power > Usual.of(PLAIN).power


@pytest.mark.parametrize("kind", ["classes", "values"])
@pytest.mark.parametrize("count", [8, 12, 30])
def test_small_tables_say_so_and_other_seeds_say_the_same(kind: str, count: int) -> None:
    """The middle of eight seeds lies in nearly all their intervals; none is surer than a factor of 3."""
    rng = np.random.default_rng(count)
    x = rng.random((count, 3))
    signal = x[:, 0] + 0.1 * rng.normal(size=count)
    y = (
        np.eye(2)[(signal > np.median(signal)).astype(int)]
        if kind == "classes"
        else signal[:, None] / 4 + 0.2
    )
    spec = {
        "network": {"kind": "multilayer", "layers": [3, 8, y.shape[1]], "weight_bound": 5},
        "training": {"batch_size": 4, "iterations": 50 * count, "keep_prob": 1},
    }
    plan = present(recommend(spec, data=(x, y), work=1e8).train)
    network, data = Network("multilayer", (3, 8, y.shape[1]), (5.0, 5.0)), Data(x, y)
    found = [
        race_batches(network, data, PLAIN, plan, seed=seed, work=1e9).carried(
            4, 50 * count, Usual.of(PLAIN, count)
        )
        for seed in range(8)
    ]
    middle = float(np.median([each.value for each in found]))
    assert np.mean([each.lower <= middle <= each.upper for each in found]) > 0.8
    assert all(each.upper > 3 * each.lower for each in found)
    assert all(each.value < 5 * count for each in found)


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
    assert first.steps[4] > 0.9 * first.steps[64]
    assert first.samples < 5 * 16 * 400
