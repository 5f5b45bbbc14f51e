"""The advised stepsizes and keep probability against a global search of another kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import differential_evolution, minimize

from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.results import Recommendation
from rsgadvise.advise.space import search_space
from rsgadvise.spec import Spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.certified import largest_gradient
from rsgadvise.theory.judge import objective_for
from rsgadvise.theory.objective import Plans
from rsgadvise.theory.theorems import theorem_for

FloatArray = NDArray[np.float64]


def random_spec(seed: int) -> tuple[Spec, Any]:
    rng = np.random.default_rng(seed)

    def between(low: float, high: float) -> float:
        return float(10 ** rng.uniform(low, high))

    kind = str(rng.choice(["single_layer", "autoencoder", "multilayer", "multilayer"]))
    depth = int(rng.integers(1, 4)) if kind == "multilayer" else 1
    layers = [int(between(0, 3)) for _ in range(depth + 1)]
    mean = float(rng.uniform(0.02, 0.98))
    stopping: Any = str(rng.choice(["uniform", "matched", "increasing", "last", "listed"]))
    iterations = int(between(0, 2 if rng.random() < 0.6 else 3.5))
    if stopping == "listed":
        iterations = min(iterations, 40)
        weights = rng.random(iterations) ** float(rng.choice([1, 6, 20])) + 1e-12
        stopping = [float(weight) for weight in weights / weights.sum()]
    training: dict[str, Any] = {
        "iterations": iterations,
        "batch_size": int(between(0, 5)),
        "decay": float(rng.choice([0, 0.5, rng.uniform(0, 2), between(-6, 0)])),
        "stopping": stopping,
        "initial_loss": layers[0 if kind == "autoencoder" else -1] * between(-6, 0),
    }
    network: dict[str, Any] = {"kind": kind, "layers": layers}
    if kind != "single_layer":
        network["weight_bound"] = between(-4, 1)
    if kind == "multilayer":
        network["weight_bound"] = [between(-4, 1) for _ in range(depth)]
        training["pretraining"] = {"tolerance": between(-4, 1)}
    search: dict[str, Any] = {}
    if kind != "single_layer":
        search["keep_prob"] = {"min": float(rng.choice([0.05, 0.5, 0.9])), "max": 1.0}
    spec = {
        "network": network, "data": {"mean": mean, "mean_square": mean * float(rng.uniform(mean, 1))},
        "training": training, "search": search,
    }  # fmt: skip
    constants = str(rng.choice(["paper", "certified"]))
    if rng.random() < 0.25:
        problem = resolve(Spec.model_validate(spec))
        objective = theorem_for(problem, constants).objective
        largest = float(np.min(objective.largest_stepsizes(np.ones(1))))
        training["stepsize"] = min(largest, 1e6) * float(rng.choice([0.999, 0.9, 0.5, 0.1]))
    return Spec.model_validate(spec), constants


def found_by_evolution(spec: Spec, constants: str, row: Recommendation) -> float:
    """The smallest bound over (stepsizes, zeta), each stepsize as a share of its range on its own."""
    problem = resolve(spec)
    space = search_space(spec, problem)
    theorem = theorem_for(problem, constants)
    objective = theorem.objective if theorem.proven else objective_for(problem, constants)
    (lowest, highest), schedule = space.keep_probs[0], space.schedules[0]
    count = problem.stepsizes

    def limits(zeta: FloatArray) -> FloatArray:
        found = np.asarray(objective.largest_stepsizes(zeta)).reshape(zeta.size, -1)
        return np.where(np.isfinite(found), found, 1e9)

    def value(points: FloatArray) -> FloatArray:
        points = points.reshape(count + 1, -1)
        zeta = np.clip(lowest + (highest - lowest) * points[-1], lowest, highest)
        top = limits(zeta)
        gamma = top * np.minimum(1 / (1 + np.exp(-points[:-1].T)), 1 - 1e-9)
        if space.stepsize is not None:
            gamma = np.broadcast_to(np.asarray(space.stepsize), gamma.shape)
        inside = np.asarray((gamma < top).all(axis=1))
        gamma = np.where(inside[:, None], gamma, top / 2)
        batch, n = np.full(zeta.shape, float(row.batch_size)), np.full(zeta.shape, float(row.iterations))
        shaped = gamma if problem.kind == "multilayer" else gamma[:, 0]
        bound = np.where(inside, objective.bound(Plans(shaped, zeta, batch, n, schedule)).value, np.inf)
        if constants == "certified":  # no bound says more than the largest gradient
            bound = np.minimum(bound, largest_gradient(problem, zeta))
        return np.log(bound)

    ends = [(-22.0, 20.7)] * count + [(0.0, 1.0)]
    far = differential_evolution(
        value, ends, vectorized=True, updating="deferred", maxiter=40, popsize=10, polish=False, tol=0, seed=0
    )
    share = np.ravel(row.stepsize) / limits(np.asarray([row.keep_prob]))[0]
    share = np.clip(share, 1e-10, 1 - 1e-9)
    place = (row.keep_prob - lowest) / (highest - lowest or 1.0)
    here = np.append(np.log(share / (1 - share)), place)
    near = [
        minimize(
            lambda x: float(value(x)[0]) if 0 <= x[-1] <= 1 else np.inf,
            start,
            method="Nelder-Mead",
            options={"maxiter": 60},
        ).fun
        for start in (far.x, here)
    ]
    return float(np.exp(min(far.fun, *near)))


# Outside a theorem's range the bound is infinite, and the oracle subtracts infinities.
@pytest.mark.filterwarnings("ignore:invalid value encountered in subtract:RuntimeWarning")
@pytest.mark.parametrize("seed", range(14))
def test_no_stepsizes_and_keep_probability_are_better(seed: int) -> None:
    spec, constants = random_spec(seed)
    row = recommend(spec, constants=constants).recommendations[0]
    advised = min(row.bound, row.largest_gradient) if constants == "certified" else row.bound
    assert advised <= found_by_evolution(spec, constants, row) * 1.001


@pytest.mark.filterwarnings("ignore:invalid value encountered in subtract:RuntimeWarning")
def test_the_deeper_valley_of_an_increasing_distribution() -> None:
    """Two valleys: stepsizes beyond half of their range were advised (65.642); 61.104 lies below it."""
    spec = Spec.model_validate(
        {
            "network": {
                "kind": "multilayer", "layers": [12, 6, 700, 2407], "weight_bound": 0.00039555466408662,
            },
            "data": {"mean": 0.2446449499586747, "samples": 406030},
            "training": {
                "initial_loss": 0.001976927012598696, "pretraining": {"tolerance": 1.438468081888247},
                "iterations": 712, "batch_size": 1024, "decay": 1e-300, "stopping": "increasing",
            },
            "search": {"keep_prob": {"min": 0.5, "max": 1}},
        }
    )  # fmt: skip
    row = recommend(spec).recommendations[0]
    assert row.bound <= 61.1041
    assert found_by_evolution(spec, "paper", row) >= row.bound * (1 - 1e-6)


@pytest.mark.parametrize(
    ("constants", "network", "training"),
    [
        (
            "paper",
            {"kind": "autoencoder", "layers": [51, 38], "weight_bound": 0.0326},
            {"decay": 0.279, "iterations": 9, "batch_size": 208, "initial_loss": 1.5e-6, "stepsize": 0.0731},
        ),
        (
            "certified",
            {"kind": "multilayer", "layers": [8, 8, 12], "weight_bound": 0.4},
            {
                "decay": 7e-4,
                "iterations": 2,
                "batch_size": 46875233,
                "initial_loss": 4e-4,
                "stepsize": 0.2158,
            },
        ),
    ],
)
def test_a_fixed_decaying_stepsize_can_want_a_high_keep_probability(
    constants: Any, network: dict[str, Any], training: dict[str, Any]
) -> None:
    """The smoother the loss, the dearer it can be to stop late: the lowest is 1.2 times as high and more."""
    base = {"network": network, "data": {"mean": 0.5}}
    free = {**base, "training": training, "search": {"keep_prob": {"min": 0.3, "max": 1.0}}}
    row = recommend(Spec.model_validate(free), constants=constants).recommendations[0]
    bounds = []
    for keep in np.linspace(0.3, 1.0, 36):
        fixed = {**base, "training": {**training, "keep_prob": float(keep)}}
        bounds.append(recommend(Spec.model_validate(fixed), constants=constants).recommendations[0].bound)
    assert row.bound <= min(bounds) * (1 + 1e-9)
    assert bounds[0] > 1.2 * row.bound
