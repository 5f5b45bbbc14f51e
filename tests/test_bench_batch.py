"""What `benchmarks.batch` takes for the truth, on curves that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.batch.curves import Curves, fitted, looks, measure
from benchmarks.batch.settings import DEVELOPMENT, REPORT, Setting
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.training.networks import Data, Network


def curves(true: float) -> Curves:
    """S = 50 (1 + B_c/B) at 2^-1, a half more beside it, and given up at 2^1."""
    steps = {}
    for size in (8, 32, 128, 512):
        best = 50 * (1 + true / size)
        steps[size] = {-2: 1.5 * best, -1: best, 0: 1.5 * best, 1: math.inf}
    return Curves(0.3, steps)


@pytest.mark.parametrize("true", [5.0, 60.0, 900.0])
def test_the_hyperbola_is_found(true: float) -> None:
    found = fitted(curves(true))
    assert found.critical == pytest.approx(true, rel=0.01)
    assert found.fewest == pytest.approx(50, rel=0.01)
    assert found.r2 == pytest.approx(1, abs=1e-3)


def test_stepsizes_between_and_beyond_those_of_the_grid() -> None:
    known = curves(60.0)
    exponent, steps = known.best(32)
    assert exponent == -1
    assert steps == pytest.approx(50 * (1 + 60 / 32))
    assert known.slower(32, 0.5) == pytest.approx(1)
    assert known.slower(32, 2**-0.5) == pytest.approx(1.5**0.5)
    assert known.slower(32, 2.0**0.5) == pytest.approx(3**0.5)
    assert known.slower(32, 100.0) == known.slower(32, 1e-6) == pytest.approx(2)


def test_looks_end_where_they_are_to() -> None:
    found = looks(500)
    assert found == sorted(set(found))
    assert found[0] == 5
    assert 500 <= found[-1] < 540


def test_no_setting_is_on_both_sides() -> None:
    data = [{name.partition(":")[0] for name in side} for side in (DEVELOPMENT, REPORT)]
    assert not data[0] & data[1]


def test_larger_batches_of_least_squares_take_fewer_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.batch.curves.ITERATIONS", 60)
    monkeypatch.setattr("benchmarks.batch.curves.SIZES", (8, 32, 128))
    rng = np.random.default_rng(0)
    x = rng.random((300, 4)).astype(np.float32)
    y = (x @ rng.random(4).astype(np.float32) / 4)[:, None]
    network = Network("single_layer", (4, 1), loss="squared_linear")
    found = measure(Setting("linear", {}, network, PLAIN, Data(x, y)))
    steps = [found.best(size)[1] for size in (8, 32, 128)]
    assert steps[0] > steps[1] > 0.9 * steps[2]
    assert steps[1] == pytest.approx(60, rel=0.15)
