"""[T4], the heavy ball, against exact second moments of quadratics, in which the package has no part."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rsgadvise.errors import HypothesisError
from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.judge import check_problem, judge, plan_at
from rsgadvise.theory.objective import Plans, Schedule
from rsgadvise.theory.optimizers.momentum import Momentum
from rsgadvise.theory.optimizers.nesterov import Nesterov
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems import covers, theorem_for, usual_constants

Array = NDArray[np.float64]
MOMENTS = InputMoments(6, 0.3, 0.2, 0.25, 1.2)


def problem_of(optimizer: Optimizer) -> Problem:
    return Problem("single_layer", (6, 3), (), 1.0, MOMENTS, 2.0, 100, (), optimizer=optimizer)


def written_out(eta: Array, beta: Array, n: Array, d: Array, u: Array, noise: Array) -> Array:
    """[T4] as docs/theory.md states it."""
    root = math.sqrt(2)
    e = 1 - u * eta / 2 - root * u * eta * beta / (1 - beta)
    return np.asarray((d / (n * eta) + u * eta * noise / 2 * (1 + root * beta / (1 + beta))) / e)


def quadratic_ratios(count: int, iterations: int, seed: int) -> Array:
    """Exact mean of E||grad f(W_k)||^2 over the bound, f = c W^2/2 with curvatures c up to U = 1.

    (W, v) is linear in its past, so that E W^2, E W v and E v^2 obey a linear recursion.
    """
    rng = np.random.default_rng(seed)
    beta = 1 - 10 ** rng.uniform(-2, 0, count)
    c = 10 ** rng.uniform(-3, 0, count) * (rng.random(count) < 0.7) + 0.0
    c[c == 0] = 1.0
    top = 2 / (1 + 2 * math.sqrt(2) * beta / (1 - beta))
    eta = top * rng.choice([1e-3, 0.03, 0.2, 0.5, 0.8, 0.99], count)
    gamma, noise, start = eta * (1 - beta), 10 ** rng.uniform(-3, 3, count), np.ones(count)
    ww, wv, vv, total = start**2, np.zeros(count), np.zeros(count), np.zeros(count)
    for _ in range(iterations):
        total += c**2 * ww
        new_vv = beta**2 * vv + 2 * beta * c * wv + c**2 * ww + noise
        w_new = beta * wv + c * ww  # E W v'
        ww, wv, vv = ww - 2 * gamma * w_new + gamma**2 * new_vv, w_new - gamma * new_vv, new_vv
    one = np.ones(count)
    bound = written_out(eta, beta, iterations * one, c / 2, one, noise)
    return np.asarray(total / iterations / bound)


def test_exact_second_moments_of_quadratics_stay_below() -> None:
    """40,000 problems, as in docs/theory.md."""
    ratios = np.concatenate([quadratic_ratios(10000, n, n) for n in (1, 3, 30, 300)])
    assert 0.99 < ratios.max() <= 1 + 1e-12


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_the_theorem_is_the_statement_written_out(beta: float) -> None:
    theorem, plain = (theorem_for(problem_of(each), "certified") for each in (Momentum(beta), PLAIN))
    one = np.ones(1)
    u, noise = 0.1540585701213505 * 1.2, (8 / 27) ** 2 * 3 * 6 * 0.25
    top = theorem.objective.largest_stepsizes(one)
    assert float(top[0]) == pytest.approx((1 - beta) * 2 / (u * (1 + 2 * math.sqrt(2) * beta / (1 - beta))))
    gamma = 0.3 * top
    plans = Plans(gamma, one, 8 * one, 500 * one, Schedule())
    found = float(theorem.objective.bound(plans).value[0])
    by_hand = written_out(gamma / (1 - beta), beta * one, 500 * one, 2 * one, u * one, noise / 8 * one)
    assert found == pytest.approx(float(by_hand[0]), rel=1e-12)
    if beta == 0:
        assert found == float(plain.objective.bound(plans).value[0])


@pytest.mark.parametrize("beta", [0.5, 0.9])
def test_the_best_stepsize_and_the_plan_are_those_of_a_grid(beta: float) -> None:
    objective, one = theorem_for(problem_of(Momentum(beta)), "certified").objective, np.ones(1)
    for n in (3.0, 1e3, 1e9):
        best = objective.optimum(4 * one, n * one, (1.0, 1.0), Schedule())
        value = float(objective.bound(best).value[0])
        gammas = float(objective.largest_stepsizes(one)[0]) * np.geomspace(1e-7, 0.999, 4000)
        wide = np.ones(gammas.size)
        grid = objective.bound(Plans(gammas, wide, 4 * wide, n * wide, Schedule())).value
        assert value <= grid.min() * (1 + 1e-9) <= value * 1.001
        needed, _ = objective.required_iterations(np.full(1, value), 4 * one, (1.0, 1.0))
        assert float(needed[0]) == pytest.approx(n, rel=1e-6)


def test_it_is_about_the_heavy_ball_of_one_layer_at_constant_stepsizes() -> None:
    problem = problem_of(Momentum())
    assert covers("single_layer", "certified", Momentum())
    assert not covers("single_layer", "certified", Nesterov())
    assert not covers("multilayer", "certified", Momentum())
    assert not covers("single_layer", "paper", Momentum())
    assert usual_constants(problem, problem.optimizer) == "certified"
    with pytest.raises(HypothesisError, match=r"must be sgd for the paper's constants; got momentum"):
        check_problem(problem, "paper")
    given: dict[str, Any] = {"batch_size": 8, "iterations": 500, "keep_prob": 1.0}
    plan = plan_at(problem, stepsize=1e-3, decay=0.0, stopping="uniform", **given)
    judged = judge(problem, plan, "certified")
    assert judged.proven
    assert judge(problem, plan, "paper").value == math.inf
    assert judge(problem, plan, "paper").sure == judged.value
    for other in ({"decay": 0.5, "stopping": "uniform"}, {"decay": 0.0, "stopping": "last"}):
        elsewhere = plan_at(problem, stepsize=1e-3, **given, **other)  # type: ignore[arg-type]
        assert judge(problem, elsewhere, "certified").sure == judged.limit
        with pytest.raises(HypothesisError, match=r"must be (0|uniform) for a bound on momentum"):
            elsewhere.bound(theorem_for(problem, "certified").objective)
    one = np.ones(1)
    beyond = Plans(9 * one, one, 8 * one, 500 * one, Schedule())
    with pytest.raises(HypothesisError, match="must lie in"):
        theorem_for(problem, "certified").objective.bound(beyond)
