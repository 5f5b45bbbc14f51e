"""The choice of P_R against sampling R itself, on curves whose best distribution is known."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsgadvise.pilot.checkpoints import Looks
from rsgadvise.pilot.stopping_choice import (
    DICTIONARY,
    StoppingChoice,
    StoppingName,
    choose_stopping,
    look_weights,
    stopping_bound,
    stopping_distributions,
)
from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.judge import Plan
from rsgadvise.theory.objective import Schedule
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.stopping import draw_iterations, probabilities

Float = NDArray[np.float64]
N = 400
AT = np.array([1, 3, 10, 40, 100, 200, 300, 360, 365, 380, 400])
K = np.arange(1, N + 1, dtype=float)
FALLING = 1 / np.sqrt(K)
RISING = np.sqrt(K) / 20
VALLEY = 0.2 + (K / N - 0.65) ** 2
"""Least at two thirds of the run: it overfits from there on."""


def looks(gradients: Float, losses: Float, validation: Float | None = None) -> Looks:
    held = None if validation is None else validation[AT - 1]
    return Looks(AT, N, gradients[AT - 1], losses[AT - 1], held, 100.0, [])


def choice(found: Looks, decay: float = 0.5) -> StoppingChoice:
    return choose_stopping(found, decay=decay, curvature_share=0.3)


@pytest.mark.parametrize("name", DICTIONARY)
@pytest.mark.parametrize("curve", [FALLING, VALLEY, np.cos(K / 50)])
def test_expectations_are_those_of_sampled_iterations(name: StoppingName, curve: Float) -> None:
    """Of R itself where each iteration is looked at, of R rounded onto straight lines between looks else."""
    p = probabilities(name, iterations=N, decay=0.5, curvature_share=0.3)
    drawn = draw_iterations(p, np.random.default_rng(0), strata=40_000)
    exact = look_weights(p, np.arange(1, N + 1)) @ curve
    assert exact == pytest.approx(curve[drawn - 1].mean(), abs=2e-3)
    coarse = look_weights(p, AT) @ curve[AT - 1]
    assert coarse == pytest.approx(np.interp(drawn, AT, curve[AT - 1]).mean(), abs=2e-3)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=20, unique=True), st.integers(0, 1000))
@settings(max_examples=80, deadline=None)
def test_look_weights_share_out_all_the_mass(at: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(60))
    where = np.array(sorted(at))
    weights = look_weights(p, where)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    curve = rng.standard_normal(len(where))
    assert weights @ curve == pytest.approx(p @ np.interp(np.arange(1, 61), where, curve))


def test_held_out_losses_decide_before_gradients() -> None:
    found = choice(looks(FALLING, FALLING, VALLEY))
    assert found.criterion == "validation"
    p = {name: probabilities(name, iterations=N, decay=0.5, curvature_share=0.3) for name in DICTIONARY}
    best = min(DICTIONARY, key=lambda name: float(p[name] @ VALLEY))
    assert (found.chosen, best) == ("increasing", "increasing")
    assert [row.stopping for row in found.rows] == list(DICTIONARY)
    for row in found.rows:
        assert row.validation == pytest.approx(float(p[row.stopping] @ VALLEY), abs=0.02)
        assert row.gradient == pytest.approx(float(p[row.stopping] @ FALLING), abs=0.02)
        assert row.loss == pytest.approx(float(p[row.stopping] @ FALLING), abs=0.02)


def test_gradients_decide_where_nothing_is_held_out() -> None:
    found = choice(looks(FALLING, FALLING))
    assert (found.criterion, found.chosen) == ("gradient", "last")
    assert found.rows[0].validation is None
    assert found.reason.startswith("last: the lowest expected squared gradient norm of 4 distributions, 0.0")
    assert "below uniform, from a single run" in found.reason


def test_a_small_gradient_at_a_large_loss_is_never_chosen() -> None:
    """The network saturates on the way: gradients fall while the loss rises."""
    found = choice(looks(FALLING, RISING))
    assert found.chosen == "uniform"
    rows = {row.stopping: row for row in found.rows}
    assert rows["last"].gradient < rows["uniform"].gradient
    assert rows["last"].loss > 0.1 + rows["uniform"].loss
    assert not rows["last"].admissible
    assert not rows["increasing"].admissible
    assert rows["uniform"].admissible
    assert "last would be lower, but at a larger training loss than uniform" in found.reason


def test_runs_that_diverge_leave_nothing_to_choose() -> None:
    lost = np.where(K > 250, np.nan, 0.5)
    found = choice(looks(lost, lost, lost))
    assert found.chosen is None
    assert not any(row.admissible for row in found.rows)
    assert "not a number" in found.reason
    infinite = np.where(K > 250, np.inf, 0.5)
    assert choice(looks(infinite, FALLING)).chosen is None


def test_looks_without_weight_do_not_count() -> None:
    """A value that is no number where `last` never stops, seen under `last` alone."""
    found = looks(FALLING, FALLING)
    found.gradients[0] = np.nan
    rows = {row.stopping: row for row in choice(found).rows}
    assert np.isfinite(rows["last"].gradient)
    assert np.isnan(rows["uniform"].gradient)


def test_the_dictionary() -> None:
    assert set(get_args(StoppingName)) == set(DICTIONARY)
    everything = stopping_distributions(iterations=50, decay=0.5, curvature_share=0.4)
    assert list(everything) == list(DICTIONARY)
    x = np.arange(1, 51) ** -0.5
    by_hand = x * (1 - 0.4 * x)
    np.testing.assert_allclose(everything["matched"], by_hand / by_hand.sum())
    for decay, share in ((0.0, 0.4), (0.5, None), (0.5, 1.01), (0.5, float("inf"))):
        without = stopping_distributions(iterations=50, decay=decay, curvature_share=share)
        assert "matched" not in without
        assert len(without) == 3
    assert "matched" not in stopping_distributions(iterations=1, decay=0.5, curvature_share=1.0)
    for p in stopping_distributions(iterations=1, decay=0.5, curvature_share=0.5).values():
        assert p.tolist() == [1.0]


PROBLEM = Problem("single_layer", (4, 2), (), 1.0, InputMoments(4, 0.5, 0.25, 0.3, 1.1), 0.6, None, ())


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_bounds_are_those_of_the_theorem(decay: float) -> None:
    """[T1] by plain sums, with the paper's U = 13/8 and sigma^2 = d_x d_y/16."""
    gamma, batch, u, variance = 0.3, 8, 13 / 8, 0.5
    point = Plan(np.asarray(gamma), 1.0, batch, N, Schedule(decay))
    bound = stopping_bound(PROBLEM, point, "paper")
    found = choose_stopping(
        looks(FALLING, FALLING), decay=decay, curvature_share=u * gamma / 2, bound_at=bound
    )
    gammas = gamma * K**-decay
    for row in found.rows:
        p = probabilities(row.stopping, iterations=N, decay=decay, curvature_share=u * gamma / 2)
        q = p / (gammas * (1 - u * gammas / 2))
        rises = np.maximum(np.diff(q), 0).sum()
        expected = q[0] * 0.6 + 2.0 * rises + u * variance / (2 * batch) * (q @ gammas**2)
        assert row.bound == pytest.approx(expected, rel=1e-8)
        limit = (8 / 27) ** 2 * 2 * 4 * 0.25
        assert row.vacuous == (expected >= limit)
    assert {row.stopping: row.vacuous for row in found.rows}["last"]
    assert found.reason.endswith("; its bound is vacuous.")


def test_outside_the_theorem_there_is_no_bound() -> None:
    point = Plan(np.asarray(5.0), 1.0, 8.0, float(N), Schedule())
    assert stopping_bound(PROBLEM, point, "paper")("uniform")[0] == np.inf
    row = choose_stopping(
        looks(FALLING, FALLING),
        decay=0.0,
        curvature_share=None,
        bound_at=stopping_bound(PROBLEM, point, "paper"),
    ).rows[0]
    assert (row.bound, row.of_bound, row.vacuous) == (np.inf, None, True)
    certified = stopping_bound(PROBLEM, Plan(np.asarray(1e3), 1.0, 8.0, float(N), Schedule()), "certified")
    value = certified("uniform")
    assert value[0] == value[1]
