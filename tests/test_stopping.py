"""Harmonic numbers against mpmath, sums over P_R against direct summation."""

from __future__ import annotations

from itertools import pairwise, product

import mpmath
import numpy as np
import numpy.typing as npt
import pytest

from rsgadvise.errors import HypothesisError
from rsgadvise.theory.stopping import MatchedTo, Stopping, harmonic_number, probabilities, stopping_sums

ORDERS = [0.0, 0.1, 0.5, 0.9, 0.999999, 1.0, 1.0000001, 1.3, 2.0, 3.1, 4.0]
COUNTS = [1, 2, 31, 32, 33, 34, 100, 10**4, 10**8, 10**12]


@pytest.mark.parametrize("order", ORDERS)
def test_harmonic_numbers(order: float) -> None:
    with mpmath.workdps(40):
        s = mpmath.mpf(order)
        for count in COUNTS:
            if count <= 100:
                exact = mpmath.fsum(mpmath.power(k, -s) for k in range(1, count + 1))
            elif order == 1:
                exact = mpmath.harmonic(count)
            else:
                exact = mpmath.zeta(s) - mpmath.zeta(s, count + 1)
            error = abs(mpmath.mpf(float(harmonic_number(order, float(count)))) / exact - 1)
            assert error < 1e-13, count


def test_harmonic_numbers_broadcast_and_refuse_less_than_one() -> None:
    table = harmonic_number(np.asarray([[0.0], [1.0]]), np.asarray([1.0, 4.0]))
    assert table == pytest.approx(np.asarray([[1, 4], [1, 25 / 12]]))
    with pytest.raises(HypothesisError, match="at least 1; got 0"):
        harmonic_number(1.0, 0.0)


@pytest.mark.parametrize("stopping", ["uniform", "matched", "increasing", "last"])
@pytest.mark.parametrize("decay", [0.0, 0.01, 0.5, 1.0, 2.0])
def test_sums_against_direct_summation(stopping: Stopping, decay: float) -> None:
    for n, share in product((1, 2, 3, 11, 250, 300, 5000, 200_000), (0.0, 0.4, 0.999)):
        p = probabilities(stopping, iterations=n, decay=decay, curvature_share=share)
        assert p.sum() == pytest.approx(1)
        assert (p >= 0).all()
        x = np.arange(1, n + 1.0) ** -decay
        q = p / (x * (1 - share * x))
        sums = stopping_sums(stopping, iterations=float(n), decay=decay, curvature_share=share)
        assert float(sums.first) == pytest.approx(q[0], rel=1e-10, abs=1e-300)
        rise = np.maximum(np.diff(q), 0).sum()
        assert float(sums.variation) == pytest.approx(rise, rel=1e-9, abs=1e-9 * q.max())
        assert float(sums.linear) == pytest.approx(q @ x, rel=1e-9)
        assert float(sums.quadratic) == pytest.approx(q @ x**2, rel=1e-9)


def test_long_sums_against_mpmath() -> None:
    """N = 1e9 is out of reach for direct summation."""
    n, rho, r = 10**9, 0.3, 0.7
    sums = stopping_sums("uniform", iterations=float(n), decay=rho, curvature_share=r)
    with mpmath.workdps(25):
        # 1/(1 - r x) = sum_j r^j x^j, and sums of x^j are generalised harmonic numbers.
        total = mpmath.fsum(
            mpmath.mpf(r) ** j * (mpmath.zeta(j * rho) - mpmath.zeta(j * rho, n + 1)) if j else n
            for j in range(160)
        )
    assert float(sums.linear) == pytest.approx(float(total / n), rel=1e-10)


@pytest.mark.parametrize("decay", [0.0, 0.01, 0.5, 1.0, 2.0, 7.0])
def test_matched_to_other_constants_against_direct_summation(decay: float) -> None:
    shares = [(0.1, 0.9), (0.9, 0.1), (0.0, 0.999), (1.0, 0.3), (0.4, 0.4)]
    for n, (own, other) in product((1, 2, 3, 255, 256, 257, 300, 5000, 200_000), shares):
        if own == 1 and (n == 1 or decay == 0):
            continue  # no iteration has a chance
        drawn = MatchedTo(own)
        p = probabilities(drawn, iterations=n, decay=decay, curvature_share=other)
        x = np.arange(1, n + 1.0) ** -decay
        assert np.allclose(p, x * (1 - own * x) / (x * (1 - own * x)).sum(), rtol=1e-12, atol=0)
        q = p / (x * (1 - other * x))
        sums = stopping_sums(drawn, iterations=float(n), decay=decay, curvature_share=other)
        assert float(sums.first) == pytest.approx(q[0], rel=1e-10, abs=1e-300)
        rise = np.maximum(np.diff(q), 0).sum()
        assert float(sums.variation) == pytest.approx(rise, rel=1e-9, abs=1e-9 * q.max())
        for found, exact in ((sums.linear, q @ x), (sums.quadratic, q @ x**2)):
            slack = 2e-8 if n > 256 else 1e-11
            assert exact * (1 - 1e-11) <= float(found) <= exact * (1 + slack)


def test_matched_to_the_same_constants_is_matched_up_to_the_closed_end() -> None:
    for share in (0.0, 0.5, 1.0):
        n, r = np.asarray([5.0, 1e12]), np.full(2, share)
        usual = stopping_sums("matched", iterations=n, decay=0.5, curvature_share=r)
        same = stopping_sums(MatchedTo(r), iterations=n, decay=0.5, curvature_share=r)
        for name in ("first", "variation", "linear", "quadratic"):
            assert getattr(same, name) == pytest.approx(getattr(usual, name), rel=1e-14)


@pytest.mark.parametrize(("own", "other"), [(0.2, 0.95), (0.95, 0.2)])
@pytest.mark.parametrize("decay", [0.05, 0.5, 1.0])
def test_long_sums_matched_to_other_constants_are_rounded_up(own: float, other: float, decay: float) -> None:
    """Geometric blocks bracket the sums at N = 1e12: (1 - s x)/(1 - r x) is monotone within each."""
    n, head = 10**12, 4096
    ends = np.unique(np.round(np.geomspace(head, n, 40_000)))
    k = np.arange(1.0, head + 1)

    def factor(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray((1 - own * x) / (1 - other * x))

    sums = stopping_sums(MatchedTo(own), iterations=float(n), decay=decay, curvature_share=other)
    total = harmonic_number(decay, float(n)) - own * harmonic_number(2 * decay, float(n))
    for order, found in ((1, sums.linear), (2, sums.quadratic)):
        exact = float((k ** (-order * decay) * factor(k**-decay)).sum())
        mass = np.diff(harmonic_number(order * decay, ends))
        sides = [float((mass * factor(end**-decay)).sum()) for end in (ends[:-1], ends[1:])]
        low, high = (float((exact + side) / total) for side in sorted(sides))
        assert low <= float(found) <= high * (1 + 2e-9)
        assert high / low - 1 < 1e-3
        assert float(found) >= (low + high) / 2 * (1 - 1e-7)


def test_vectorised_over_candidates() -> None:
    n, r = np.asarray([3.0, 500.0, 10**5]), np.asarray([0.1, 0.5, 0.9])
    together = stopping_sums("increasing", iterations=n, decay=0.4, curvature_share=r)
    for index in range(3):
        alone = stopping_sums("increasing", iterations=n[index], decay=0.4, curvature_share=r[index])
        assert together.linear[index] == pytest.approx(float(alone.linear), rel=1e-12)
        assert together.variation[index] == pytest.approx(float(alone.variation), rel=1e-12)


def test_a_list_needs_as_many_iterations() -> None:
    with pytest.raises(HypothesisError, match="exactly 3 iterations; got 4"):
        stopping_sums((0.2, 0.3, 0.5), iterations=np.asarray([3.0, 4.0]), decay=0.0, curvature_share=0.1)


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_sums_of_a_list_that_rises_and_falls(decay: float) -> None:
    """Only the rises of q are paid for; written out, term by term."""
    p, share = (0.1, 0.4, 0.05, 0.3, 0.15), 0.6
    x = [k**-decay for k in range(1, 6)]
    q = [p[k] / (x[k] * (1 - share * x[k])) for k in range(5)]
    rises = sum(max(after - before, 0.0) for before, after in pairwise(q))
    sums = stopping_sums(p, iterations=5.0, decay=decay, curvature_share=share)
    assert float(sums.first) == pytest.approx(q[0])
    assert float(sums.variation) == pytest.approx(rises)
    assert float(sums.linear) == pytest.approx(sum(q[k] * x[k] for k in range(5)))
    assert float(sums.quadratic) == pytest.approx(sum(q[k] * x[k] ** 2 for k in range(5)))
