"""Theorem III.1 and Corollaries III.2 and III.3 against the paper's figures and the exact forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rsgadvise.errors import HypothesisError
from rsgadvise.theory.descent import Geometry, descent_bound, optimal_stepsize
from rsgadvise.theory.theorems.single_layer import (
    SMOOTHNESS,
    balanced_stepsize,
    constant_stepsize_bound,
    critical_batch_size,
    decreasing_stepsize_bound,
    gradient_variance,
    required_iterations_balanced,
    required_iterations_exact,
)

EXAMPLE: dict[str, Any] = {"initial_loss": 5.0, "input_dim": 100, "output_dim": 5}
TARGET = 0.05 * 0.05 ** (1 / 10)


def test_worked_example_of_the_paper() -> None:
    paper = float(required_iterations_balanced(target=TARGET, batch_size=50, **EXAMPLE))
    exact = float(required_iterations_exact(target=TARGET, batch_size=50, **EXAMPLE))
    assert round(paper, 2) == 7841.06
    assert round(exact, 2) == 7834.56
    assert (round(50 * paper / 200), round(50 * exact / 200)) == (1960, 1959)


def test_equation_7_term_by_term() -> None:
    gamma, b, n = 0.2, 32, 400
    noise = 13 * 100 * 5 / 256
    bound = constant_stepsize_bound(stepsize=gamma, batch_size=b, iterations=float(n), **EXAMPLE)
    scale = 1 - 13 / 16 * gamma
    assert float(bound.terms["initial_error"]) == pytest.approx(5 / (n * gamma) / scale, rel=1e-14)
    assert float(bound.terms["gradient_noise"]) == pytest.approx(noise * gamma / b / scale, rel=1e-14)


def test_balanced_stepsize_balances_and_never_leaves_the_range() -> None:
    gamma = float(balanced_stepsize(batch_size=50, iterations=1000.0, **EXAMPLE))
    terms = constant_stepsize_bound(stepsize=gamma, batch_size=50, iterations=1000.0, **EXAMPLE).terms
    assert float(terms["initial_error"]) == pytest.approx(float(terms["gradient_noise"]), rel=1e-12)
    for n in (1, 5):
        with pytest.raises(HypothesisError, match="leaves the theorem's range"):
            balanced_stepsize(batch_size=50, iterations=float(n), **EXAMPLE)
    assert 0 < float(balanced_stepsize(batch_size=50, iterations=7.0, **EXAMPLE)) < 16 / 13


def test_balanced_plan_reaches_its_target_exactly() -> None:
    n = required_iterations_balanced(target=TARGET, batch_size=50, **EXAMPLE)
    gamma = balanced_stepsize(batch_size=50, iterations=n, **EXAMPLE)
    assert float(
        constant_stepsize_bound(stepsize=gamma, batch_size=50, iterations=n, **EXAMPLE).value
    ) == pytest.approx(TARGET, rel=1e-12)


def exact(stepsize: float, decay: float, n: float) -> float:
    return float(
        descent_bound(
            stepsize=stepsize,
            decay=decay,
            batch_size=50,
            iterations=n,
            suboptimality=5.0,
            ceiling=5.0,
            smoothness=SMOOTHNESS,
            gradient_variance=gradient_variance(input_dim=100, output_dim=5),
            geometry=Geometry.FREE,
            stopping="matched",
        ).value
    )


@pytest.mark.parametrize("stepsize", [1e-3, 0.1, 0.7, 1.0])
def test_equation_8_at_no_decay_is_7_with_its_slack(stepsize: float) -> None:
    plain = float(
        constant_stepsize_bound(stepsize=stepsize, batch_size=50, iterations=300.0, **EXAMPLE).value
    )
    printed = float(
        decreasing_stepsize_bound(
            stepsize=stepsize, decay=0.0, batch_size=50, iterations=300.0, **EXAMPLE
        ).value
    )
    assert printed == pytest.approx(plain * (1 - 13 / 16 * stepsize) * 16 / 3, rel=1e-13)
    assert exact(stepsize, 0.0, 300.0) == pytest.approx(plain, rel=1e-13)


@pytest.mark.parametrize("decay", [0.0, 0.25, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("stepsize", [0.01, 0.5, 1.0])
def test_exact_form_never_exceeds_equation_8_as_printed(decay: float, stepsize: float) -> None:
    for n in (1.0, 2.0, 100.0, 1e9):
        printed = decreasing_stepsize_bound(
            stepsize=stepsize, decay=decay, batch_size=50, iterations=n, **EXAMPLE
        )
        assert exact(stepsize, decay, n) <= float(printed.value) * (1 + 1e-12)


def test_equation_8_refuses_stepsizes_above_one() -> None:
    with pytest.raises(HypothesisError, match=r"\(0, 1\] for equation \(8\); got 1\.1"):
        decreasing_stepsize_bound(stepsize=1.1, decay=0.5, batch_size=1, iterations=10.0, **EXAMPLE)


def test_critical_batch_size_doubles_steps_and_samples() -> None:
    knee = critical_batch_size(target=TARGET, input_dim=100, output_dim=5)
    steps = required_iterations_exact(
        target=TARGET, batch_size=np.asarray([1e15, float(knee), 1e-9]), **EXAMPLE
    )
    assert steps[1] == pytest.approx(2 * steps[0], rel=1e-9)
    assert steps[1] * float(knee) == pytest.approx(2 * steps[2] * 1e-9, rel=1e-9)


def test_bound_never_negative_at_tiny_horizons() -> None:
    """With the balanced stepsize (7) turns negative at N <= 5; the exact one stays below 8/13."""
    n = np.arange(1.0, 6.0)
    common: dict[str, Any] = {
        "batch_size": 50,
        "iterations": n,
        "suboptimality": 5.0,
        "ceiling": 5.0,
        "smoothness": SMOOTHNESS,
    }
    gamma = optimal_stepsize(gradient_variance=500 / 16, geometry=Geometry.FREE, **common)
    assert (gamma < 8 / 13).all()
    assert (constant_stepsize_bound(stepsize=gamma, batch_size=50, iterations=n, **EXAMPLE).value > 0).all()
