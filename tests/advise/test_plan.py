"""`iterations`: the paper's worked example, the number of runs, and plans the paper omits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import present

from rsgadvise.advise.evaluate import evaluate
from rsgadvise.advise.plan import Request, plan_iterations
from rsgadvise.advise.results import IterationPlan
from rsgadvise.errors import HypothesisError
from rsgadvise.show.report.blocks import Grid, Sentences
from rsgadvise.show.report.bounds import plan_blocks
from rsgadvise.spec import Spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.judge import objective_for
from rsgadvise.theory.objective import Schedule
from rsgadvise.theory.problem import Problem


def problem(**network: Any) -> Problem:
    sections: dict[str, Any] = {"network": network or {"kind": "single_layer", "layers": [100, 5]}}
    return resolve(Spec.model_validate(sections))


def plan(of: Problem | None = None, constants: Any = "paper", **changes: Any) -> IterationPlan:
    values: dict[str, Any] = {
        "eps": 0.05, "delta": 0.05, "runs": 10, "epochs": 200.0, "batch_size": 50, "batch_choices": (50,),
        "keep_prob": (1.0, 1.0), "assumed": (), **changes,
    }  # fmt: skip
    return plan_iterations(of or problem(), Request(**values), constants=constants)


def test_best_number_of_runs_may_be_large() -> None:
    """Close to the noise floor hundreds of runs are cheapest; every T is tried as the oracle."""
    of = problem(kind="autoencoder", layers=[50, 10], weight_bound=0.05)
    objective = objective_for(of, "paper")
    variance = float(objective.smallest_batch(np.asarray(1.0), 1.0)) / 2
    eps = 2 * variance / 10**6 / 0.98
    found = plan(of, batch_size=10**6, eps=eps).recommended_runs
    runs = np.arange(1.0, 5000.0)
    needed, _ = objective.required_iterations(eps * 0.05 ** (1 / runs), np.full(runs.shape, 1e6), (1.0, 1.0))
    assert found == 1 + int(np.argmin(runs * np.ceil(needed)))
    assert found > 100


@pytest.mark.parametrize("constants", ["paper", "certified"])
@pytest.mark.parametrize(
    ("network", "keep"),
    [
        ({"kind": "autoencoder", "layers": [50, 10], "weight_bound": 0.05}, (0.5, 1.0)),
        ({"kind": "multilayer", "layers": [50, 10, 4], "weight_bound": 0.1}, (0.5, 1.0)),
        ({"kind": "multilayer", "layers": [50, 20, 10, 4], "weight_bound": 0.1}, (0.2, 1.0)),
        ({"kind": "single_layer", "layers": [50, 4]}, (1.0, 1.0)),
    ],
)
def test_plans_of_every_kind_hold_and_are_tight(
    constants: Any, network: dict[str, Any], keep: tuple[float, float]
) -> None:
    of = problem(**network)
    objective = objective_for(of, constants)
    lowest = present(plan(of, constants, batch_size=1, keep_prob=keep).min_batch_size)
    for factor in (1, 3, 40):
        found = plan(of, constants, batch_size=lowest * factor, keep_prob=keep)
        if not found.feasible:  # right at the edge N passes 1e15
            assert factor == 1
            continue
        assert found.iterations is not None
        assert found.bound is not None
        assert found.bound <= found.per_run_target
        if 1 < found.iterations < 10**10:  # beyond that one iteration is lost in the rounding
            before = np.asarray([float(found.iterations - 1)])
            batch = np.asarray([float(found.batch_size)])
            plans = objective.optimum(batch, before, keep, Schedule())
            assert objective.bound(plans).value[0] > found.per_run_target
        needed = [point.iterations for point in found.tradeoff]
        assert needed == sorted(needed, reverse=True)
        assert any(point.batch_size == found.batch_size for point in found.tradeoff)
    if lowest > 1:
        below = plan(of, constants, batch_size=lowest - 1, keep_prob=keep)
        assert not below.feasible
        assert below.iterations is None
        assert below.notes[0].startswith("No number of iterations reaches the target")


@pytest.mark.parametrize("constants", ["paper", "certified"])
def test_critical_batch_size_doubles_the_fewest_steps(constants: Any) -> None:
    for network in (
        {"kind": "autoencoder", "layers": [50, 10], "weight_bound": 0.05},
        {"kind": "multilayer", "layers": [50, 10, 4], "weight_bound": 0.1},
    ):
        of = problem(**network)
        objective = objective_for(of, constants)
        found = plan(of, constants, batch_size=10**7, keep_prob=(0.5, 1.0))
        knee = present(found.critical_batch_size)
        target = np.full(2, found.per_run_target)
        steps, _ = objective.required_iterations(target, np.asarray([1e30, knee]), (0.5, 1.0))
        assert steps[1] == pytest.approx(2 * steps[0], rel=1e-6)


def test_batch_size_is_chosen_where_it_is_free() -> None:
    found = plan(batch_size=None, batch_choices=(16, 512, 4096))
    assert found.batch_size == 16
    assert any(item.key == "training.batch_size" for item in found.assumed)


RANGED: list[dict[str, Any]] = [
    {"kind": "single_layer", "layers": [50, 4]},
    {"kind": "autoencoder", "layers": [3, 2], "weight_bound": 0.5},
    {"kind": "multilayer", "layers": [50, 20, 10, 4], "weight_bound": 0.1},
]
# Every two of network, eps and constants meet.
ASKED = [
    (network, eps, ("paper", "certified")[(row + column) % 2])
    for row, network in enumerate(RANGED)
    for column, eps in enumerate([0.1, 0.5, 2.0])
]


@pytest.mark.parametrize(("network", "eps", "constants"), ASKED)
def test_the_batch_of_a_range_takes_the_fewest_samples(
    network: dict[str, Any], eps: float, constants: Any
) -> None:
    """Every integer of the range is the oracle: each needs the smallest N whose best bound is low enough."""
    of, (low, high) = problem(**network), (37, 4000)
    keep = (1.0, 1.0) if network["kind"] == "single_layer" else (0.3, 1.0)
    found = plan(
        of, constants, eps=eps, batch_size=None, batch_choices=(low, high), batch_range=True, keep_prob=keep
    )
    # A target above the largest gradient is met by anything: its plan is the formula's all the same.
    objective = objective_for(of, constants, everywhere=False)
    batches = np.arange(low, high + 1.0)

    def met(n: Any) -> Any:
        plans = objective.optimum(batches, n, keep, Schedule())
        return objective.bound(plans).value <= found.per_run_target

    fails, meets = np.zeros(batches.size), np.full(batches.size, 1e9)
    reachable = met(meets)
    while (meets - fails > 1).any():
        middle = np.floor((fails + meets) / 2)
        yes = met(np.maximum(middle, 1))
        fails, meets = np.where(yes, fails, middle), np.where(yes, middle, meets)
    assert found.feasible == bool(reachable.any())
    if found.feasible:
        assert found.samples == (batches * meets)[reachable].min()
    else:
        assert found.batch_size == high


def test_the_best_number_of_runs_says_in_what_it_is_the_best() -> None:
    """Fewest samples over all runs, by trying every T; the plan asked for has its own total beside it."""
    found = plan()
    totals = {runs: runs * 50 * (plan(runs=runs).iterations or 0) for runs in range(1, 40)}
    assert found.total_samples == totals[10]
    assert found.recommended_samples == min(totals.values())
    assert found.recommended_samples == totals[present(found.recommended_runs)] < found.total_samples
    grid = next(block for block in plan_blocks(found) if isinstance(block, Grid))
    facts = {name.strip(): text for name, text in grid.rows}
    assert facts["samples in all, 10 runs"] == f"{totals[10]:,}"
    assert facts["runs with the fewest samples in all"] == "6"
    assert facts["iterations of each of these"] == f"{found.recommended_iterations:,}"
    assert facts["samples in all of these"] == f"{min(totals.values()):,}"


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        ({"kind": "multilayer", "layers": [57, 16, 2], "weight_bound": 3}, {"batch_size": 1024}),
        ({"kind": "autoencoder", "layers": [50, 10], "weight_bound": 0.05}, {"batch_size": 1}),
        ({"kind": "single_layer", "layers": [100, 5]}, {"eps": 1e-30}),
    ],
)
def test_without_a_plan_only_what_exists_is_printed_and_why(
    network: dict[str, Any], changes: dict[str, Any]
) -> None:
    keep = (1.0, 1.0) if network["kind"] == "single_layer" else (0.5, 1.0)
    found = plan(problem(**network), keep_prob=keep, **changes)
    assert not found.feasible
    assert found.keep_prob is found.dropout_rate is found.total_samples is None
    _, grid, why, *_ = plan_blocks(found)
    assert isinstance(grid, Grid)
    names = {name.strip() for name, _ in grid.rows}
    assert {"target per run, eps delta^(1/T)", "batch size"} <= names
    assert not names & {"iterations", "stepsize", "keep probability", "bound", "proven"}
    assert not any("n/a" in text for _, text in grid.rows)
    assert isinstance(why, Sentences)
    assert why.title == "No plan"
    assert why.items == (found.reason,) == found.notes[:1]
    mind = [item for block in plan_blocks(found) if isinstance(block, Sentences) for item in block.items]
    assert mind.count(found.reason or "") == 1


def test_absurd_targets_are_infeasible_not_wrong() -> None:
    found = plan(eps=1e-30)
    assert not found.feasible
    assert "more than 1e15 iterations" in found.notes[0]
    assert found.iterations_paper is None


def test_bound_at_fixed_values_equals_equation_7_and_8() -> None:
    base = {"network": {"kind": "single_layer", "layers": [100, 5]}, "data": {"mean": 0.05}}
    training: dict[str, Any] = {"stepsize": 0.1, "batch_size": 50, "iterations": 1000, "initial_loss": 5}
    report = evaluate(Spec.model_validate({**base, "training": training}))
    noise = 13 * 500 / 256
    assert report.bound == pytest.approx((5 / 100 + noise * 0.1 / 50) / (1 - 0.08125), rel=1e-13)
    assert report.as_printed is None
    assert report.certified_bound <= report.largest_gradient
    decaying = evaluate(
        Spec.model_validate({**base, "training": {**training, "decay": 0.5, "stopping": "matched"}})
    )
    h1 = sum(k**-0.5 for k in range(1, 1001))
    h2 = sum(1 / k for k in range(1, 1001))
    assert decaying.as_printed is not None
    assert decaying.as_printed == pytest.approx(16 / (3 * h1) * (5 / 0.1 + noise * 0.1 * h2 / 50), rel=1e-12)
    assert decaying.bound < decaying.as_printed


def test_bound_names_what_is_missing() -> None:
    base = {"network": {"kind": "single_layer", "layers": [100, 5]}}
    with pytest.raises(HypothesisError, match=r"absent: training\.iterations") as error:
        evaluate(Spec.model_validate({**base, "training": {"stepsize": 0.1, "batch_size": 5}}))
    assert error.value.quantity == "training.iterations"
