"""One-dimensional searches on shifted intervals, ends and adversarial functions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsgadvise.errors import HypothesisError
from rsgadvise.theory.search import (
    geometric,
    increasing_root,
    minimize_grid,
    minimize_scan,
    minimize_unimodal,
    smallest_integer,
    whole_grid,
    whole_number,
)

FloatArray = NDArray[np.float64]


@settings(max_examples=100, deadline=None)
@given(
    left=st.floats(-50, 50),
    width=st.floats(0.1, 60),
    at=st.floats(-0.5, 1.5),
    power=st.sampled_from([1, 2, 4]),
)
def test_unimodal_minimum_on_shifted_intervals(left: float, width: float, at: float, power: int) -> None:
    target = left + at * width
    found = minimize_unimodal(
        lambda x: np.abs(x - target) ** power, np.asarray([left]), np.asarray([left + width])
    )
    inside = min(max(target, left), left + width)
    # A flat minimum is located to the root of the precision, which is as good as its value.
    assert float(found[0]) == pytest.approx(inside, abs=width * (1e-10 if power == 1 else 1e-3))
    if inside != target:
        assert float(found[0]) in (left, left + width)


def test_a_smooth_minimum_needs_few_evaluations() -> None:
    calls, at = 0, np.linspace(-3, 3, 1000)

    def function(x: FloatArray) -> FloatArray:
        nonlocal calls
        calls += 1
        return np.asarray(np.exp(2 * (x - at)) + 2 * np.exp(-(x - at)))

    found = minimize_unimodal(function, np.full(1000, -10.0), np.full(1000, 10.0), steps=28)
    assert np.abs(found - at).max() < 1e-4  # the root of its value's precision
    assert calls <= 30


@pytest.mark.parametrize("target", [0.02, 0.5, 0.97])
def test_where_nothing_was_seen_but_inf_the_minimum_is_on_the_left(target: float) -> None:
    found = minimize_unimodal(
        lambda x: np.where(x > target, np.inf, (x - target / 2) ** 2), np.zeros(1), np.ones(1)
    )
    assert float(found[0]) == pytest.approx(target / 2, abs=1e-6)


def test_scan_finds_the_better_of_two_valleys_and_survives_inf() -> None:
    def two(x: FloatArray) -> FloatArray:
        return np.where(x > 0.9, np.inf, np.minimum((x - 0.2) ** 2, (x - 0.7) ** 2 - 0.1))

    assert float(minimize_scan(two, np.asarray([0.0]), np.asarray([1.0]))[0]) == pytest.approx(0.7, abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(root=st.floats(-20, 20), steep=st.floats(-3, 3), spread=st.floats(0.01, 30), shape=st.integers(0, 3))
def test_root_of_increasing_functions(root: float, steep: float, spread: float, shape: int) -> None:
    scale = 10**steep

    def function(x: FloatArray) -> FloatArray:
        z = (x - root) * scale
        return [z, np.sinh(np.clip(z, -300, 300)), np.cbrt(z), np.arctan(z) + 1e-9 * z][shape]

    found = increasing_root(function, np.asarray([root - spread]), np.asarray([root + 1.7 * spread]))
    assert float(found[0]) == pytest.approx(root, abs=2e-9)


def test_root_outside_the_bracket_is_an_end() -> None:
    found = increasing_root(lambda x: x - np.asarray([-5.0, 5.0, 0.5]), np.zeros(3), np.ones(3))
    assert found.tolist()[:2] == [0.0, 1.0]
    assert found[2] == pytest.approx(0.5)


def test_root_needs_few_evaluations() -> None:
    calls = 0

    def function(x: FloatArray) -> FloatArray:
        nonlocal calls
        calls += 1
        return np.log(x**2 + 0.1 * x**3) - np.linspace(0, 5, x.size)

    increasing_root(function, np.full(1000, 0.01), np.full(1000, 100.0))
    assert calls <= 16


@settings(max_examples=100, deadline=None)
@given(low=st.integers(-100, 10**12), size=st.integers(0, 10**12), at=st.floats(-0.2, 1.2))
def test_smallest_integer(low: int, size: int, at: float) -> None:
    threshold = low + int(at * size)
    found, accepted = smallest_integer(lambda n: n >= threshold, np.asarray([low]), np.asarray([low + size]))
    if threshold > low + size:
        assert not accepted[0]
    else:
        assert accepted[0]
        assert found[0] == max(threshold, low)


@settings(max_examples=100, deadline=None)
@given(value=st.floats(allow_nan=False), most=st.integers(1, 10**18))
def test_whole_numbers_are_the_nearest_within_their_limit(value: float, most: int) -> None:
    nearest = most if value > most else -most if value < -most else round(value)
    assert whole_number(value, most=most) == nearest


def test_what_is_no_number_is_no_whole_one() -> None:
    with pytest.raises(HypothesisError, match=r"got no number \(nan\); make the extreme values"):
        whole_number(float("nan"))


@settings(max_examples=100, deadline=None)
@given(low=st.floats(0), high=st.floats(0), points=st.integers(2, 9))
@example(low=0.0, high=math.inf, points=3)
def test_geometric_grids_of_any_ends(low: float, high: float, points: int) -> None:
    low, high = min(low, high), max(low, high)
    grid = geometric(low, high, points)
    assert np.isfinite(grid).all()
    assert (np.diff(grid) >= -1e-12 * grid[1:]).all()
    assert ((grid >= grid[0]) & (grid <= grid[-1])).all()
    assert grid[0] == min(max(low, 1e-300), 1e300)
    assert grid[-1] == min(max(high, 1e-300), 1e300)
    assert whole_grid(low, high, points).tolist() == [round(value) for value in grid]


@settings(max_examples=60, deadline=None)
@given(left=st.floats(-50, 50), width=st.floats(0.1, 60), at=st.floats(-0.5, 1.5))
def test_grid_minimum_on_shifted_intervals(left: float, width: float, at: float) -> None:
    target = left + at * width
    ends = np.asarray([left, left]), np.asarray([left + width, left + width])
    found = minimize_grid(lambda x: np.abs(x - target), *ends)
    inside = min(max(target, left), left + width)
    assert found == pytest.approx(inside, abs=width * 1e-4)
