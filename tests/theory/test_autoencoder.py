"""Theorem IV.1 and the search over the keep probability."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.descent import (
    FloatArray,
    Geometry,
    descent_bound,
    optimal_stepsize,
)
from rsgadvise.theory.theorems.autoencoder import (
    gradient_variance,
    optimal_keep_prob,
    smoothness,
)


def test_equation_10_in_exact_arithmetic() -> None:
    d_x, d_h, w, zeta, mu, tau = 12, 5, Fraction(1, 4), Fraction(3, 4), Fraction(1, 2), Fraction(3, 10)
    bracket = 1 + zeta * d_x * w * mu / 4 + (5 * zeta / 16 - zeta**2 / 4) * (zeta * d_x * w) ** 2 * tau
    exact = Fraction(d_x * d_h, 16) * bracket
    ours = gradient_variance(
        input_dim=12, hidden_dim=5, weight_bound=0.25, keep_prob=0.75, mean=0.5, mean_square=0.3
    )
    assert float(ours) == pytest.approx(float(exact), rel=1e-15)


def test_equation_11_as_printed() -> None:
    n, gamma, b, loss, u, e = 200.0, 0.05, 16.0, 7.0, 9.0, 40.0
    slack = 1 - u / 2 * gamma
    by_hand = loss / (n * gamma * slack) + e / b * (1 + 1 / slack)
    bound = descent_bound(
        stepsize=gamma,
        batch_size=b,
        iterations=n,
        suboptimality=loss,
        smoothness=u,
        gradient_variance=e,
        ceiling=12.0,
        geometry=Geometry.PROJECTED_AS_PRINTED,
    )
    assert float(bound.value) == pytest.approx(by_hand, rel=1e-14)


Curve = Callable[[FloatArray], FloatArray]


def cost(d_x: int, d_h: int, w: float, moments: InputMoments, batch: float, n: float) -> tuple[Curve, Curve]:
    """Optimal (11) as a function of the keep probability."""

    def variance(zeta: FloatArray) -> FloatArray:
        return gradient_variance(
            input_dim=d_x,
            hidden_dim=d_h,
            weight_bound=w,
            keep_prob=zeta,
            mean=moments.mean,
            mean_square=moments.mean_square,
        )

    def value(zeta: FloatArray) -> FloatArray:
        common: dict[str, Any] = {
            "batch_size": batch,
            "iterations": n,
            "suboptimality": float(d_x),
            "ceiling": float(d_x),
            "smoothness": smoothness(
                input_dim=d_x, hidden_dim=d_h, weight_bound=w, keep_prob=zeta, moments=moments
            ),
            "gradient_variance": variance(zeta),
            "geometry": Geometry.PROJECTED_AS_PRINTED,
        }
        return descent_bound(stepsize=optimal_stepsize(**common), **common).value

    return variance, value


@pytest.mark.parametrize("lower", [0.05, 0.5, 0.94, 0.97, 0.985, 1.0])
def test_keep_prob_search_never_misses_an_end(lower: float) -> None:
    for batch, n, mean in product((1.0, 50.0), (10.0, 1e4, 1e9), (0.01, 0.3)):
        moments = InputMoments(
            dim=1000, mean=mean, mean_square=mean, second_moment=mean, top_eigenvalue=1000 * mean
        )
        variance, value = cost(1000, 50, 1.0, moments, batch, n)
        best = optimal_keep_prob(value, lower=lower, upper=1.0, variance=variance, shape=(1,))
        values = value(np.linspace(lower, 1.0, 4001))
        assert float(value(best)[0]) <= values.min() * (1 + 1e-9), (batch, n, mean)


def test_variance_of_equation_10_can_fall_with_the_keep_probability() -> None:
    """So `lower` is not always the answer: the case must exist for the search to be tested."""
    zeta = np.asarray([15 / 16, 1.0])
    e = gradient_variance(
        input_dim=1000, hidden_dim=1, weight_bound=1.0, keep_prob=zeta, mean=0.3, mean_square=0.3
    )
    assert e[1] < e[0]
    moments = InputMoments(dim=1000, mean=0.3, mean_square=0.3, second_moment=0.3, top_eigenvalue=300.0)
    variance, value = cost(1000, 50, 1.0, moments, 1.0, 1e12)
    best = optimal_keep_prob(value, lower=0.97, upper=1.0, variance=variance, shape=(1,))
    assert float(best[0]) == pytest.approx(1.0, abs=1e-6)
