"""Scaling with the batch size, against a quadratic model."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from rsgadvise.theory.batch_size import iterations_factor, stepsize_factor

SIZES = (1, 8, 32, 100, 1000)


@pytest.fixture
def quadratic() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(gradient, Hessian, covariance of one example's gradient)."""
    rng = np.random.default_rng(0)
    gradient = rng.normal(size=6)
    root, other = rng.normal(size=(2, 6, 6))
    return gradient, root @ root.T, 9 * other @ other.T


def test_the_best_single_step_of_a_quadratic(quadratic: tuple[np.ndarray, ...]) -> None:
    gradient, hessian, covariance = quadratic
    critical = np.trace(hessian @ covariance) / (gradient @ hessian @ gradient)

    def expected(gamma: float, size: int) -> float:
        """E f(w - gamma g_B) - f(w)."""
        bend = gradient @ hessian @ gradient + np.trace(hessian @ covariance) / size
        return float(-gamma * gradient @ gradient + gamma**2 * bend / 2)

    best = {
        size: minimize_scalar(expected, bounds=(0, 1), args=(size,), options={"xatol": 1e-12})
        for size in SIZES
    }
    for before in SIZES:
        for after in SIZES:
            # Of one step the stepsize goes with the whole power; trainings want the root of it.
            gamma = best[after].x / best[before].x
            assert stepsize_factor(before, after, critical=critical) ** 2 == pytest.approx(gamma, rel=1e-4)
            # Twice the fall takes half the iterations.
            steps = best[before].fun / best[after].fun
            assert iterations_factor(before, after, critical=critical) == pytest.approx(steps, rel=1e-6)


def test_noise_alone_and_no_noise() -> None:
    assert iterations_factor(8, 64, critical=math.inf) == 1 / 8
    assert iterations_factor(8, 64, critical=0.0) == 1
    assert stepsize_factor(8, 32, critical=math.inf) == pytest.approx(2)
    assert stepsize_factor(8, 32, critical=0.0) == 1
    assert stepsize_factor(4096, 8192, critical=1.0) == pytest.approx(1, abs=1e-3)
