"""Confidence limits against exact enumeration, high precision and simulation."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from rsgadvise.training.sequences import ConfidenceSequence, binomial_limits, classical_upper_limit

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


def limits(values: list[float], *, highest: float = 1.0, alpha: float = 0.05) -> tuple[float, float]:
    sequence = ConfidenceSequence(highest=highest, alpha=alpha)
    sequence.update(np.array(values, dtype=float))
    return sequence.lower, sequence.upper


@pytest.fixture(scope="module")
def tossed() -> list[dict[tuple[int, ...], tuple[float, float]]]:
    """The limits along every path of nine coin tosses, after each toss, at an alpha of 0.3."""
    level: dict[tuple[int, ...], ConfidenceSequence] = {(): ConfidenceSequence(highest=1.0, alpha=0.3)}
    found = []
    for _ in range(9):
        following: dict[tuple[int, ...], ConfidenceSequence] = {}
        for path, sequence in level.items():
            for toss in (0, 1):
                after = deepcopy(sequence)
                after.update(np.array([float(toss)]))
                following[*path, toss] = after
        level = following
        found.append({path: (each.lower, each.upper) for path, each in level.items()})
    return found


@pytest.mark.parametrize("p", [0.1, 0.35, 0.5, 0.8])
def test_error_probability_by_enumeration(
    p: float, tossed: list[dict[tuple[int, ...], tuple[float, float]]]
) -> None:
    """Every path, looked at after each toss: how often the mean is ever excluded."""
    wrong, over = 0.0, set[tuple[int, ...]]()
    for level in tossed:
        for path, (lower, upper) in level.items():
            if path[:-1] in over:
                over.add(path)
            elif not lower <= p <= upper:
                over.add(path)
                wrong += p ** sum(path) * (1 - p) ** (len(path) - sum(path))
    assert 0 < wrong <= 0.3


def test_limits_solve_their_equation() -> None:
    """At the limits the capitals, in high precision, equal 2 / alpha."""
    values = [0.1, 0.4, 0.2, 0.9, 0.3, 0.3, 0.25, 0.6]
    alpha, highest = 0.05, 2.0
    lower, upper = limits(values, highest=highest, alpha=alpha)
    mpmath.mp.dps = 30

    def capital(gains: list[mpmath.mpf]) -> mpmath.mpf:
        total = mpmath.mpf(0)
        for j in range(25):
            share, stake = mpmath.mpf(2) ** (-mpmath.mpf(j) / 2), mpmath.mpf(1) / ((j + 1) * (j + 2))
            total += stake * mpmath.fprod(1 + share * gain for gain in gains)
        return total

    low = capital([(mpmath.mpf(x) - lower) / lower for x in values])
    high = capital([(upper - mpmath.mpf(x)) / (highest * (1 + 1e-9) - upper) for x in values])
    assert float(low) == pytest.approx(2 / alpha, rel=1e-5)
    assert float(high) == pytest.approx(2 / alpha, rel=1e-5)
    assert low >= 2 / alpha, "rounded to the safe side"
    assert high >= 2 / alpha


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=60),
    st.sampled_from([1e-6, 1.0, 1e9]),
    st.integers(1, 5),
)
def test_limits_bracket_the_mean_shrink_and_scale(values: list[float], unit: float, pieces: int) -> None:
    plain = limits(values, alpha=0.01)
    scaled = limits([value * unit for value in values], highest=unit, alpha=0.01)
    assert scaled == pytest.approx([limit * unit for limit in plain], rel=1e-6, abs=1e-9 * unit)
    assert plain[0] <= np.mean(values) <= plain[1]
    sequence = ConfidenceSequence(highest=1.0, alpha=0.01)
    before = sequence.lower, sequence.upper
    for part in np.array_split(np.array(values), pieces):
        sequence.update(part)
        assert before[0] <= sequence.lower <= sequence.upper <= before[1]
        before = sequence.lower, sequence.upper
    assert sequence.lower >= plain[0] - 1e-6
    assert sequence.upper <= plain[1] + 1e-6


def test_wider_confidence_wider_limits() -> None:
    values = [0.2] * 50
    narrow, wide = limits(values, alpha=0.1), limits(values, alpha=0.001)
    assert wide[0] < narrow[0] < 0.2 < narrow[1] < wide[1]


def test_constant_values_decide_as_fast_as_bets_allow() -> None:
    """A rigorous upper limit needs about (highest / bound) ln(1/alpha) / (1 - mean / bound) observations."""
    alpha, highest, bound, mean = 0.001, 1.0, 0.05, 0.01
    plan = highest / bound * np.log(4 / alpha) / (1 - mean / bound)
    assert limits([mean] * int(1.05 * plan), alpha=alpha)[1] < bound
    assert limits([mean] * int(0.5 * plan), alpha=alpha)[1] > bound


def test_a_hundredfold_excess_is_falsified_by_three_trajectories() -> None:
    assert limits([0.5] * 3, alpha=0.0005)[0] > 0.005


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_extreme_observations(value: float) -> None:
    lower, upper = limits([value] * 500)
    assert lower <= value <= upper
    assert (upper < 0.02) if value == 0 else (lower > 0.98)


def test_no_observation_and_no_range() -> None:
    assert limits([]) == pytest.approx((0.0, 1.0))
    assert limits([0.0, 0.0], highest=0.0) == (0.0, 0.0)


@pytest.mark.parametrize("value", [-1e-6, 1.001, np.nan])
def test_observations_outside_the_range_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        limits([value])


def test_rounding_above_the_range_is_not() -> None:
    limits([1.0 + 1e-12])


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.beta(0.05, 0.95, n),
        lambda rng, n: (rng.random(n) < 0.02) * 1.0,
        lambda rng, n: rng.uniform(0.04, 0.06, n),
    ],
    ids=["spiky", "rare", "narrow"],
)
def test_coverage_under_optional_stopping(draw: Draw) -> None:
    """Looked at after every ten observations, the true mean is excluded at most as often as alpha says."""
    alpha, trials = 0.2, 100
    mean = float(np.mean(draw(np.random.default_rng(99), 10**6)))
    wrong = 0
    for trial in range(trials):
        values = draw(np.random.default_rng(trial), 100)
        sequence = ConfidenceSequence(highest=1.0, alpha=alpha)
        for part in np.split(values, 10):
            sequence.update(part)
        wrong += not sequence.lower <= mean <= sequence.upper
    assert stats.binomtest(wrong, trials, alpha, alternative="greater").pvalue > 1e-3


def test_classical_limit_is_students() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3.0, 0.5, 20)
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.98)
    assert classical_upper_limit(values, alpha=0.01) == pytest.approx(interval.high)
    assert classical_upper_limit(values[:1], alpha=0.01) == np.inf


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 50), (50, 50), (3, 40), (39, 40)])
def test_binomial_limits_are_exact(successes: int, trials: int) -> None:
    low, high = binomial_limits(successes=successes, trials=trials, alpha=0.02)
    exact = stats.binomtest(successes, trials).proportion_ci(0.98, method="exact")
    assert (low, high) == pytest.approx((exact.low, exact.high))


def test_products_of_bets_are_martingales() -> None:
    """E prod(1 + c (X - m)/m) is 1 for independent X with mean m, whatever their laws: by enumeration."""
    outcomes = [((0.0, 0.6), (0.5, 0.4)), ((0.1, 0.5), (0.3, 0.5)), ((0.0, 0.8), (1.0, 0.2))]
    means = [sum(x * p for x, p in law) for law in outcomes]
    assert means == pytest.approx([0.2] * 3)
    for share in (1.0, 0.5, 0.1):
        expected = sum(
            np.prod([p * (1 + share * (x - 0.2) / 0.2) for x, p in path]) for path in product(*outcomes)
        )
        assert expected == pytest.approx(1.0)
