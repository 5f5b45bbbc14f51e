"""Theorem III.1 and Corollaries III.2 and III.3 against the paper's figures and the exact forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rsgadvise.errors import HypothesisError
from rsgadvise.theory.descent import (
    Bound,
    Geometry,
    Numeric,
    descent_bound,
    optimal_stepsize,
    required_iterations,
)
from rsgadvise.theory.theorems.single_layer import (
    SMOOTHNESS,
    decreasing_stepsize_bound,
    gradient_variance,
    required_iterations_balanced,
)

EXAMPLE: dict[str, Any] = {"initial_loss": 5.0, "input_dim": 100, "output_dim": 5}
TARGET = 0.05 * 0.05 ** (1 / 10)
CONSTANTS: dict[str, Any] = {
    "suboptimality": 5.0,
    "smoothness": SMOOTHNESS,
    "gradient_variance": gradient_variance(input_dim=100, output_dim=5),
    "geometry": Geometry.FREE,
}


def seven(stepsize: Numeric, *, iterations: Numeric, batch_size: float = 50) -> Bound:
    """(7) of the worked example."""
    return descent_bound(
        stepsize=stepsize, batch_size=batch_size, iterations=iterations, ceiling=5.0, **CONSTANTS
    )


def test_worked_example_of_the_paper() -> None:
    paper = float(required_iterations_balanced(target=TARGET, batch_size=50, **EXAMPLE))
    exact = float(required_iterations(target=TARGET, batch_size=50, **CONSTANTS))
    assert round(paper, 2) == 7841.06
    assert round(exact, 2) == 7834.56
    assert (round(50 * paper / 200), round(50 * exact / 200)) == (1960, 1959)


def test_equation_7_term_by_term() -> None:
    gamma, b, n = 0.2, 32, 400
    noise = 13 * 100 * 5 / 256
    bound = seven(gamma, iterations=float(n), batch_size=b)
    scale = 1 - 13 / 16 * gamma
    assert float(bound.terms["initial_error"]) == pytest.approx(5 / (n * gamma) / scale, rel=1e-14)
    assert float(bound.terms["gradient_noise"]) == pytest.approx(noise * gamma / b / scale, rel=1e-14)


def test_balanced_plan_reaches_its_target_exactly() -> None:
    n = required_iterations_balanced(target=TARGET, batch_size=50, **EXAMPLE)
    gamma = np.sqrt(50 * 5 / (13 * 500 / 256 * n))  # makes the two terms of (7) equal
    assert float(seven(gamma, iterations=n).value) == pytest.approx(TARGET, rel=1e-12)


def exact(stepsize: float, decay: float, n: float) -> float:
    return float(
        descent_bound(
            stepsize=stepsize,
            decay=decay,
            batch_size=50,
            iterations=n,
            ceiling=5.0,
            stopping="matched",
            **CONSTANTS,
        ).value
    )


@pytest.mark.parametrize("stepsize", [1e-3, 0.1, 0.7, 1.0])
def test_equation_8_at_no_decay_is_7_with_its_slack(stepsize: float) -> None:
    plain = float(seven(stepsize, iterations=300.0).value)
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


def test_bound_never_negative_at_tiny_horizons() -> None:
    """With the balanced stepsize (7) turns negative at N <= 5; the exact one stays below 8/13."""
    n = np.arange(1.0, 6.0)
    gamma = optimal_stepsize(batch_size=50, iterations=n, ceiling=5.0, **CONSTANTS)
    assert (gamma < 8 / 13).all()
    assert (seven(gamma, iterations=n).value > 0).all()
