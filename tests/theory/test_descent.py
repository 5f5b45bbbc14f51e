"""The descent bound, its optima and its plans against grids, hand-derived forms and inverses."""

from __future__ import annotations

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsgadvise.errors import HypothesisError
from rsgadvise.theory.descent import (
    Geometry,
    descent_bound,
    largest_noise_share,
    layerwise_bound,
    optimal_stepsize,
    required_iterations,
    start_weight,
)
from rsgadvise.theory.stopping import Stopping, probabilities

GEOMETRIES = list(Geometry)
NAMED: list[Stopping] = ["uniform", "matched", "increasing", "last"]
logs = st.floats(-4, 4)


def naive(
    gamma: float,
    rho: float,
    n: int,
    b: float,
    d: float,
    top: float,
    u: float,
    var: float,
    p: np.ndarray,
    geometry: Geometry,
) -> float:
    """[T1] written out as loops over k, in the notation of its statement."""
    steps = [gamma * k**-rho for k in range(1, n + 1)]
    q = [p[k] / (steps[k] * (1 - u * steps[k] / 2)) if p[k] > 0 else 0.0 for k in range(n)]
    start = q[0] * d
    late = sum(max(q[k] - q[k - 1], 0.0) for k in range(1, n)) * top
    if geometry is Geometry.FREE:
        return float(start + late + u * var / (2 * b) * sum(x * s**2 for x, s in zip(q, steps, strict=True)))
    a, s = start + late + var / b * sum(x * y for x, y in zip(q, steps, strict=True)), var / b
    return float(a + s if geometry is Geometry.PROJECTED_AS_PRINTED else (a**0.5 + s**0.5) ** 2)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("stopping", NAMED)
def test_bound_is_the_statement_written_out(geometry: Geometry, stopping: Stopping) -> None:
    gamma, b, d, top, u, var = 0.4, 20.0, 2.5, 4.0, 1.625, 31.0
    for rho, n in itertools.product((0.0, 0.3, 1.0), (1, 2, 7, 40, 900)):
        p = probabilities(stopping, iterations=n, decay=rho, curvature_share=u * gamma / 2)
        bound = descent_bound(
            stepsize=gamma,
            decay=rho,
            batch_size=b,
            iterations=float(n),
            suboptimality=d,
            ceiling=top,
            smoothness=u,
            gradient_variance=var,
            geometry=geometry,
            stopping=stopping,
        )
        by_hand = naive(gamma, rho, n, b, d, top, u, var, p, geometry)
        assert float(bound.value) == pytest.approx(by_hand, rel=1e-9), (rho, n)
        assert float(bound.value) == pytest.approx(sum(map(float, bound.terms.values())), rel=1e-14)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@settings(max_examples=30, deadline=None)
@given(u=logs, var=logs, d=logs, b=st.floats(0, 4), n=st.floats(0, 9), top=st.floats(0, 2))
@pytest.mark.parametrize("stopping", NAMED)
def test_constant_stepsize_optimum_beats_a_dense_grid(
    geometry: Geometry, stopping: Stopping, u: float, var: float, d: float, b: float, n: float, top: float
) -> None:
    smooth, variance, start, batch, count = 10**u, 10**var, 10**d, 10**b, float(round(10**n))
    common: dict[str, Any] = {
        "batch_size": batch,
        "iterations": count,
        "suboptimality": start,
        "ceiling": start * 10**top,
        "smoothness": smooth,
        "gradient_variance": variance,
        "geometry": geometry,
        "stopping": stopping,
    }
    gamma = float(optimal_stepsize(**common))
    assert 0 < gamma < 1 / (smooth / 2)
    best = float(descent_bound(stepsize=gamma, **common).value)
    grid = 2 / smooth * (1 - np.logspace(-6, -1e-6, 2000))
    grid = np.concatenate([grid, np.geomspace(gamma / 100, min(gamma * 100, 2 / smooth * 0.999), 2000)])
    values = descent_bound(stepsize=grid[grid > 0], **common).value
    assert best <= values.min() * (1 + 1e-12)
    assert values.min() <= best * 1.01, "the grid comes close, so the comparison means something"


def test_decaying_stepsize_optimum_where_the_bound_has_two_valleys() -> None:
    """f(W^1) << F_max makes late stopping dear, but not for stepsizes near 1/U, or near 2/U at small N."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        stopping: Stopping = NAMED[int(rng.integers(4))]
        n = int(10 ** rng.uniform(0, 1 if seed % 2 else 3.5))
        if seed % 5 == 0:
            n = min(n, 30)
            weights = rng.random(n) ** 20 * (rng.random(n) < 0.5) + 1e-9
            stopping = tuple(weights / weights.sum())
        common: dict[str, Any] = {
            "batch_size": 1.0,
            "iterations": float(n),
            "suboptimality": 10 ** rng.uniform(-8, 0),
            "ceiling": 1.0,
            "smoothness": 10 ** rng.uniform(-3, 3),
            "gradient_variance": 10 ** rng.uniform(-8, 8),
            "geometry": GEOMETRIES[int(rng.integers(3))],
            "decay": float(rng.choice([10 ** rng.uniform(-6, 0), rng.uniform(0, 2)])),
            "stopping": stopping,
        }
        best = float(descent_bound(stepsize=optimal_stepsize(**common), **common).value)
        share = 1 / (1 + np.exp(-np.linspace(-45, 20.7, 1500)))
        values = descent_bound(stepsize=2 / common["smoothness"] * share, **common).value
        assert best <= values.min() * (1 + 1e-9)
        assert values.min() <= best * 1.01


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_largest_noise_share_is_where_plans_end(geometry: Geometry) -> None:
    """A + S <= q and (sqrt A + sqrt S)^2 <= q, with A > S whatever N: by hand S < q/2 and S < q/4."""
    share = largest_noise_share(geometry)
    assert (
        share
        == {Geometry.FREE: np.inf, Geometry.PROJECTED_AS_PRINTED: 1 / 2, Geometry.PROJECTED: 1 / 4}[geometry]
    )
    if geometry is not Geometry.FREE:
        noise = np.asarray([share * (1 + 1e-6), share * (1 - 1e-6)])
        needed = required_iterations(
            target=3.0, batch_size=3.0 / noise, suboptimality=1.0, smoothness=1.0, gradient_variance=9.0,
            geometry=geometry,
        )  # fmt: skip
        assert np.isfinite(needed).tolist() == [False, True]


def test_matched_optimum_is_clipped_at_two_over_u() -> None:
    """Unclipped it would be 2.56, with a negative probability of stopping first."""
    gamma = optimal_stepsize(
        batch_size=50,
        iterations=1000.0,
        suboptimality=1.0,
        ceiling=1.0,
        smoothness=13 / 8,
        gradient_variance=10 / 16,
        geometry=Geometry.FREE,
        decay=0.5,
        stopping="matched",
    )
    assert float(gamma) == pytest.approx(16 / 13, rel=1e-15)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@settings(max_examples=100, deadline=None)
@given(u=logs, var=logs, d=logs, b=st.floats(0, 6), q=st.floats(-4, 1))
def test_required_iterations_invert_the_optimal_bound(
    geometry: Geometry, u: float, var: float, d: float, b: float, q: float
) -> None:
    common: dict[str, Any] = {
        "batch_size": 10**b,
        "suboptimality": 10**d,
        "smoothness": 10**u,
        "gradient_variance": 10**var,
        "geometry": geometry,
    }
    needed = float(required_iterations(target=10**q, **common))
    noise = 10 ** (var - b) / 10**q
    if (
        noise
        >= {Geometry.FREE: np.inf, Geometry.PROJECTED: 0.25, Geometry.PROJECTED_AS_PRINTED: 0.5}[geometry]
    ):
        assert needed == np.inf
    elif noise < 0.2:  # nearer to the floor the inverse is ill-conditioned
        gamma = optimal_stepsize(iterations=needed, ceiling=1.0, **common)
        reached = descent_bound(stepsize=gamma, iterations=needed, ceiling=1.0, **common)
        assert float(reached.value) == pytest.approx(10**q, rel=1e-9)


def test_layerwise_bound_reduces_to_the_sum_at_equal_stepsizes() -> None:
    variances = [1.0, 2.5, 0.5]
    common: dict[str, Any] = {
        "batch_size": 8.0,
        "iterations": 500.0,
        "suboptimality": 2.0,
        "ceiling": 4.0,
        "smoothness": 3.0,
    }
    schedules: list[tuple[float, Stopping]] = [(0.0, "uniform"), (0.5, "matched"), (0.5, "increasing")]
    for rho, stopping in schedules:
        layered = layerwise_bound(
            stepsize=np.full(3, 0.2), layer_variances=variances, decay=rho, stopping=stopping, **common
        )
        flat = descent_bound(
            stepsize=0.2,
            gradient_variance=4.0,
            geometry=Geometry.PROJECTED,
            decay=rho,
            stopping=stopping,
            **common,
        )
        assert float(layered.value) == pytest.approx(float(flat.value), rel=1e-12)


@pytest.mark.parametrize("stepsize", [0.0, -1.0, 16 / 13, 2.0])
def test_stepsizes_outside_the_range_are_refused(stepsize: float) -> None:
    with pytest.raises(HypothesisError, match=r"must lie in \(0, 1\.23077\)"):
        descent_bound(
            stepsize=np.asarray([0.1, stepsize]),
            batch_size=1,
            iterations=10.0,
            suboptimality=1,
            ceiling=1,
            smoothness=13 / 8,
            gradient_variance=1,
            geometry=Geometry.FREE,
        )


def test_stopping_late_is_costly_but_not_always_vacuous() -> None:
    """The last tenth restarts the argument at F_max: costly for short runs, negligible for long ones."""
    weights = [
        float(start_weight("last", iterations=float(n), suboptimality=1.0, ceiling=5.0))
        for n in (1, 10, 10**6)
    ]
    assert weights == pytest.approx([1.0, 5.0, 5e-5])


@pytest.mark.parametrize("stopping", [*NAMED, (0.5, 0.5)])
def test_a_loss_without_a_largest_value_is_bounded_unless_stopped_late_on_purpose(stopping: Stopping) -> None:
    def bound(ceiling: float) -> float:
        known: dict[str, Any] = {"batch_size": 4, "iterations": 2.0, "suboptimality": 1.0, "ceiling": ceiling}
        known |= {
            "smoothness": 2.0,
            "gradient_variance": 3.0,
            "geometry": Geometry.FREE,
            "stopping": stopping,
        }
        gamma = 0.1 if ceiling == np.inf else optimal_stepsize(**known)
        return float(descent_bound(stepsize=min(0.1, float(gamma)), **known).value)

    assert not np.isnan(bound(np.inf))
    assert np.isinf(bound(np.inf)) == (bound(1e12) > 1e9)


SMALL_AND_LARGE = [
    (5e-93, 3e-83, 1e-160), (1e-200, 1e-180, 1e-120), (1e120, 1e200, 1e-90), (2.0, 0.3, 1e-300),
    (1.0, 0.0, 0.1),
]  # fmt: skip


@pytest.mark.parametrize("decay", [0.0, 0.5])
@pytest.mark.parametrize(("smoothness", "variance", "loss"), SMALL_AND_LARGE)
def test_stepsizes_of_very_small_and_very_large_numbers(
    smoothness: float, variance: float, loss: float, decay: float
) -> None:
    """The root of the derivative in a hundred digits, where squares leave the range of floats."""
    n, batch = 50, 4
    found = optimal_stepsize(
        batch_size=batch,
        iterations=n,
        suboptimality=loss,
        ceiling=1.0,
        smoothness=smoothness,
        gradient_variance=variance,
        geometry=Geometry.FREE,
        decay=decay,
        stopping="matched" if decay else "uniform",
    )
    with mpmath.workdps(100):
        a, k = mpmath.mpf(smoothness) / 2, mpmath.mpf(smoothness) * mpmath.mpf(variance) / (2 * batch)
        start, h1, h2 = mpmath.mpf(loss) / n, mpmath.mpf(1), mpmath.mpf(1)
        if decay:
            start = mpmath.mpf(loss)
            h1, h2 = (mpmath.fsum(mpmath.mpf(i) ** -(c * decay) for i in range(1, n + 1)) for c in (1, 2))
        # k h1 h2 gamma^2 + 2 a d h2 gamma - d h1 = 0
        b, c = a * start * h2, k * start * h1**2 * h2
        expected = float(min(start * h1 / (b + mpmath.sqrt(b**2 + c)), 1 / a))
    assert float(found) == pytest.approx(expected, rel=1e-12)


KNOWN: dict[str, Any] = {
    "batch_size": 4.0,
    "suboptimality": 1.0,
    "ceiling": 2.0,
    "smoothness": 0.5,
    "gradient_variance": 0.3,
    "geometry": Geometry.FREE,
    "decay": 0.3,
    "stopping": "matched",
}


def test_each_candidate_has_its_own_range() -> None:
    """A single iteration beside others neither borrows their end of the range nor takes it from them."""
    found = descent_bound(stepsize=np.array([3.9, 4.0, 4.0]), iterations=np.array([1.0, 2.0, 50.0]), **KNOWN)
    for place, n in enumerate((1.0, 2.0, 50.0)):
        alone = descent_bound(stepsize=3.9 if n == 1 else 4.0, iterations=n, **KNOWN)
        assert found.value[place] == pytest.approx(float(alone.value))
    with pytest.raises(HypothesisError, match=r"must lie in \(0, 4\)"):
        descent_bound(stepsize=np.array([4.0, 4.0]), iterations=np.array([1.0, 50.0]), **KNOWN)
    with pytest.raises(HypothesisError, match=r"got 4\.1"):
        descent_bound(stepsize=np.array([3.0, 4.1]), iterations=np.array([1.0, 50.0]), **KNOWN)


# The end of the range, gamma = 2/U: valid where p_1 = 0, which takes decay, `matched` and two iterations.
