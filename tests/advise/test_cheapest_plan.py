"""The cheapest plan against every (B, N, T) of small ranges, and runs as many as a plan may need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rsgadvise.advise.recommend import ranking_objective, recommend
from rsgadvise.advise.space import search_space
from rsgadvise.spec import Spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.objective import FixedStepsize

RUNS = np.arange(1.0, 4097.0)


def best_bounds(spec: Spec, constants: Any) -> tuple[NDArray[np.float64], ...]:
    """(B, N, smallest bound) over all of both ranges, as columns."""
    problem = resolve(spec)
    space = search_space(spec, problem)
    objective = ranking_objective(problem, space, constants)
    if space.stepsize is not None:
        shape = objective.largest_stepsizes(np.ones(1)).shape[1:]
        objective = FixedStepsize(
            objective, np.broadcast_to(np.asarray(space.stepsize), shape or (1,)).reshape(shape)
        )
    sizes = np.arange(space.batch_sizes[0], space.batch_sizes[-1] + 1.0)
    batch, n = np.meshgrid(sizes, np.arange(space.iterations[0], space.iterations[1] + 1.0))
    schedule = space.schedules[0]
    plans = objective.optimum(batch.ravel(), n.ravel(), space.keep_probs[0], schedule)
    value = objective.bound(plans).value
    return batch.ravel(), n.ravel(), np.asarray(value)


def least_cost(spec: Spec, constants: Any) -> float:
    """Fewest samples, or seconds, of all plans that meet the target within the budget, or inf."""
    batch, n, value = best_bounds(spec, constants)
    target, cost, budget = spec.target, spec.cost, spec.budget
    assert target is not None
    runs = RUNS if target.runs is None else np.asarray([float(target.runs)])
    # eps delta^(1/T) rises with T: the first T that will do is the cheapest.
    first = np.searchsorted(target.eps * target.delta ** (1 / runs), value)
    total = n * np.append(runs, np.inf)[first]
    unit = batch
    if cost is not None:
        unit = (cost.per_iteration or 0.0) + (cost.per_sample or 0.0) * batch
    price = unit * total
    if budget is not None and budget.samples is not None:
        price = np.where(batch * total <= budget.samples, price, np.inf)
    return float(price.min())


def random_spec(seed: int) -> tuple[Spec, Any]:
    """Ranges small enough to enumerate; a target near what they can reach."""
    rng = np.random.default_rng(seed)

    def between(low: float, high: float) -> float:
        return float(10 ** rng.uniform(low, high))

    kind = str(rng.choice(["single_layer", "autoencoder", "multilayer"]))
    depth = int(rng.integers(1, 4)) if kind == "multilayer" else 1
    layers = [int(between(0, 2.5)) for _ in range(depth + 1)]
    mean = float(rng.uniform(0.02, 0.98))
    lowest = int(rng.integers(1, 100))
    fewest = int(rng.integers(1, 6))
    training: dict[str, Any] = {
        "decay": float(rng.choice([0, 0, 0.5, 1.3])),
        "stopping": str(rng.choice(["uniform", "matched", "increasing", "last"])),
        "initial_loss": layers[0 if kind == "autoencoder" else -1] * between(-4, 0),
    }
    search: dict[str, Any] = {
        "batch_size": {"min": lowest, "max": lowest + int(between(0.5, 1.8))},
        "iterations": {"min": fewest, "max": fewest + int(rng.choice([0, 3, 30]))},
    }
    network: dict[str, Any] = {"kind": kind, "layers": layers}
    if kind != "single_layer":
        network["weight_bound"] = between(-4, 0)
        training["keep_prob"] = float(rng.choice([0.5, 1.0]))
    if kind == "multilayer":
        training["pretraining"] = {"tolerance": between(-4, 0)}
    if rng.random() < 0.25:
        training["stepsize"] = between(-4, -1)
    constants = str(rng.choice(["paper", "certified"])) if "stepsize" not in training else "certified"
    base = {
        "network": network, "data": {"mean": mean, "samples": int(between(1, 5))}, "training": training,
        "search": search,
    }  # fmt: skip
    value = best_bounds(Spec.model_validate(base), constants)[2]
    delta, runs = between(-6, -0.3), int(rng.choice([1, 2, 3, 5, 10, 20]))
    eps = float(np.quantile(value, rng.random())) * delta ** (-1 / runs) * float(rng.uniform(0.9, 1.1))
    base["target"] = {"eps": eps, "delta": delta, "runs": runs if rng.random() < 0.3 else None}
    if rng.random() < 0.3:
        base["cost"] = {"per_iteration": between(-4, -1), "per_sample": between(-5, -2)}
    if rng.random() < 0.2:
        base["budget"] = {"samples": int(between(2, 6))}
    return Spec.model_validate(base), constants


@pytest.mark.parametrize("seed", range(12))
def test_no_plan_of_the_ranges_is_cheaper(seed: int) -> None:
    spec, constants = random_spec(seed)
    advice, least = recommend(spec, constants=constants), least_cost(spec, constants)
    if not advice.recommendations:
        assert np.isinf(least)
        return
    best = advice.recommendations[0]
    if np.isinf(least):  # the theorem has no plan, and none is needed
        assert spec.target is not None
        assert best.largest_gradient <= spec.target.eps
        return
    found = best.total_samples if spec.cost is None else best.seconds
    assert found == pytest.approx(least, rel=5e-4)


def plan(constants: Any = "paper", **sections: Any) -> tuple[int, int, int]:
    (best, *_) = recommend(Spec.model_validate(sections), constants=constants).recommendations
    return best.batch_size, best.iterations, best.runs


@pytest.mark.parametrize("seed", range(20))
def test_every_number_of_runs_of_a_closed_plan_is_worth_a_look(seed: int) -> None:
    """(7) by hand: N = 4 D (noise/B + a q)/q^2, rounded up, times T, for all T at once."""
    rng = np.random.default_rng(seed)
    inputs, batch = int(rng.integers(1, 40)), int(rng.integers(1, 200))
    delta, eps = float(10 ** rng.uniform(-12, -0.5)), float(10 ** rng.uniform(-1.5, 1.5))
    sections: dict[str, Any] = {
        "network": {"kind": "single_layer", "layers": [inputs, 1]},
        "training": {"batch_size": batch},
        "search": {"iterations": {"max": 10**12}},
        "target": {"eps": eps, "delta": delta},
    }
    q, noise = eps * delta ** (1 / RUNS), 13 * inputs / 256 / batch
    needed = np.ceil(4 * (noise + 13 / 16 * q) / q**2 * (1 - 1e-12))
    _, iterations, runs = plan(**sections)
    assert runs * iterations == float((RUNS * needed).min())


@pytest.mark.parametrize("seed", [*range(24), 98, 110, 118, 131, 140, 180, 279, 336])
def test_the_cheapest_of_a_wide_range_of_batches_by_hand(seed: int) -> None:
    """(7) solved for B: the smallest batch of every pair of N and T, and what it costs."""
    rng = np.random.default_rng(seed)
    inputs, outputs = (int(10 ** rng.uniform(0, 2)) for _ in range(2))
    loss, eps, delta = (float(10 ** rng.uniform(*ends)) for ends in ((-4, 0), (-2.5, 1), (-4, -0.3)))
    smallest, most = int(10 ** rng.uniform(0, 2)), int(rng.choice([1, 5, 15, 300 if seed < 24 else 1000]))
    fixed = float(10 ** rng.uniform(-4, -1)) if seed % 4 else 0.0
    sections: dict[str, Any] = {
        "network": {"kind": "single_layer", "layers": [inputs, outputs]},
        "training": {"initial_loss": loss},
        "search": {"batch_size": {"min": smallest, "max": 10**5}, "iterations": {"min": 1, "max": most}},
        "target": {"eps": eps, "delta": delta},
        "cost": {"per_iteration": fixed, "per_sample": 1e-4},
    }
    n, q = np.arange(1.0, most + 1)[:, None], eps * delta ** (1 / RUNS)
    noise, a = 13 * inputs * outputs / 256, 13 / 16
    room = n * q**2 - 4 * a * loss * q
    batch = np.where(room > 0, 4 * loss * noise / np.where(room > 0, room, 1.0), np.inf)
    batch = np.maximum(np.ceil(batch * (1 - 1e-12)), smallest)
    cost = np.where(batch <= 10**5, n * RUNS * (fixed + 1e-4 * batch), np.inf)
    rows = recommend(Spec.model_validate(sections)).recommendations
    if not rows:
        assert np.isinf(cost).all()
        return
    assert rows[0].seconds == pytest.approx(float(cost.min()), rel=1e-4)


def test_a_valley_of_other_runs_than_the_rough_plans_show() -> None:
    """Plans of 4 and of 3 runs have best batches of their own, and rough plans rank the two wrongly."""
    sections: dict[str, Any] = {
        "network": {
            "kind": "multilayer", "layers": [52, 167, 2, 1, 298], "weight_bound": 1.8548580967244401,
        },
        "data": {"mean": 0.33, "samples": 19134},
        "training": {"pretraining": {"tolerance": 0.0064}, "stopping": "increasing"},
        "search": {
            "batch_size": {"min": 24, "max": 6153}, "keep_prob": {"min": 0.24, "max": 0.7453764418856749},
        },
        "target": {"eps": 1.6942609472614485, "delta": 0.2},
    }  # fmt: skip
    found = np.prod(plan(**sections))
    sections["search"]["batch_size"] = list(range(96, 133))
    assert found <= np.prod(plan(**sections)) * (1 + 1e-4)


def test_runs_that_cost_nearly_the_same() -> None:
    """With delta = 1/2 one run and two do, each with a best batch of its own; a wide grid prefers two."""
    sections: dict[str, Any] = {
        "network": {"kind": "multilayer", "layers": [10, 4, 2], "weight_bound": 0.05},
        "data": {"mean": 0.3, "mean_square": 0.12},
        "training": {"keep_prob": 1.0},
        "search": {"batch_size": {"min": 10, "max": 10_000}},
        "target": {"eps": 0.1, "delta": 0.5},
    }
    found = plan(**sections)
    sections["search"]["batch_size"] = list(range(10, 200))
    assert found == plan(**sections) == (52, 278, 1)
