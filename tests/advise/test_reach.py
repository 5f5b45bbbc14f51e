"""Targets out of reach: the limit that is named, and the smallest eps, asked for again."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import present

from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.results import Infeasible
from rsgadvise.spec import Spec

NETWORKS: dict[str, dict[str, Any]] = {
    "single_layer": {"kind": "single_layer", "layers": [784, 10]},
    "autoencoder": {"kind": "autoencoder", "layers": [784, 20], "weight_bound": 0.01},
    "multilayer": {"kind": "multilayer", "layers": [784, 20, 10], "weight_bound": 0.05},
}
MNIST = {"mean": 0.1307, "mean_square": 0.0448, "second_moment": 0.112, "samples": 60000}


def spec(kind: str, eps: float, runs: int | None, **sections: Any) -> Spec:
    target = {"eps": eps, "delta": 0.1, "runs": runs}
    return Spec.model_validate({"network": NETWORKS[kind], "data": MNIST, "target": target, **sections})


def refused(wanted: Spec, constants: Any = "paper") -> Infeasible:
    return present(recommend(wanted, constants=constants).infeasible)


LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"budget": {"epochs": 3}}, "budget.epochs"),
    ({"search": {"iterations": {"max": 3000}, "batch_size": [8, 300]}}, "search.iterations.max"),
    (
        {
            "budget": {"seconds": 2.0},
            "cost": {"per_iteration": 1e-4, "per_sample": 1e-7},
            "search": {"batch_size": {"min": 4, "max": 5000}},
        },
        "budget.seconds",
    ),
    ({"training": {"iterations": 40, "batch_size": 77}}, "training.iterations"),
]
# Every two of network, limit, number of runs and constants meet.
ASKED = [
    pytest.param(
        *(kind, *limit, (1, 7, None)[(row + column) % 3], ("paper", "certified")[(row + column) % 2]),
        id=f"{kind}-{limit[1]}",
    )
    for row, kind in enumerate(NETWORKS)
    for column, limit in enumerate(LIMITS)
]


@pytest.mark.parametrize(("kind", "sections", "key", "runs", "constants"), ASKED)
def test_the_smallest_eps_is_met_and_no_smaller_one(
    kind: str, sections: dict[str, Any], key: str, runs: int | None, constants: Any
) -> None:
    """The plan for a target is solved for N; the smallest eps comes from the bound at the limits instead."""
    found = refused(spec(kind, 1e-9, runs, **sections), constants)
    eps = present(found.smallest_eps)
    assert key in found.binding
    assert f"within {' and '.join(found.binding)} " in found.reason
    free = f" {eps:.4g}, the largest squared gradient of this network, which any weights meet"
    assert f" {eps:.4g} (batch_size" in found.reason or free in found.reason
    slack = 0.99 if key != "training.iterations" or runs is not None else 0.5
    assert recommend(spec(kind, eps, runs, **sections), constants=constants).recommendations
    assert refused(spec(kind, eps * slack, runs, **sections), constants).smallest_eps == eps


def test_the_case_of_a_target_that_nothing_reaches() -> None:
    """(7) with 100 epochs: eps = F(N = 6e6 / (16 T)) / 0.1^(1/T), least at T = 5, by hand."""
    found = refused(spec("single_layer", 1e-9, None, budget={"epochs": 100}))
    a, d, noise = 13 / 16, 10.0, 13 * 7840 / 256

    def eps(runs: int) -> float:
        n = 6_000_000 // (16 * runs)
        start = d / n
        return float(2 * (a * start + ((a * start) ** 2 + noise / 16 * start) ** 0.5) / 0.1 ** (1 / runs))

    least = min(range(1, 100), key=eps)
    assert least == 5
    assert found.smallest_eps == pytest.approx(eps(least), rel=1e-3)
    assert present(found.smallest_eps) >= eps(least)
    assert found.binding == ("budget.epochs",)
    assert "75,000 iterations in each of 5 runs" in found.reason
    for innocent in ("stepsize", "keep_prob", "search.iterations.max"):
        assert innocent not in found.reason


def test_a_fixed_value_is_named_where_freeing_it_alone_would_do() -> None:
    budget = {"samples": 10**12}
    slow = refused(spec("single_layer", 0.1, 5, budget=budget, training={"stepsize": 0.5, "batch_size": 64}))
    assert "with training.stepsize as the spec fixes it" in slow.reason
    assert "free training.stepsize" in slow.reason
    assert recommend(spec("single_layer", 0.1, 5, budget=budget, training={"batch_size": 64})).recommendations
    both = refused(spec("single_layer", 1e-7, 5, training={"iterations": 10, "stepsize": 0.5}))
    assert "with training.stepsize and training.iterations as the spec fixes it" in both.reason


@pytest.mark.parametrize("stopping", ["matched", "uniform"])
def test_plans_without_a_closed_form_name_an_eps_that_is_met(stopping: str) -> None:
    """For `matched` more iterations are never worse, so that it is the smallest one, too."""
    training = {"decay": 0.5, "stopping": stopping}
    sections: dict[str, Any] = {"training": training, "budget": {"epochs": 1}}
    found = refused(spec("single_layer", 1e-6, None, **sections))
    eps = present(found.smallest_eps)
    words = (
        "the smallest target.eps with a plan is"
        if stopping == "matched"
        else "there is a plan for target.eps"
    )
    assert f"{words} {eps:.4g}" in found.reason
    assert recommend(spec("single_layer", eps, None, **sections)).recommendations
    if stopping == "matched":
        assert refused(spec("single_layer", eps * 0.99, None, **sections)).smallest_eps == eps


@pytest.mark.parametrize("kind", ["autoencoder", "multilayer"])
def test_the_smallest_batch_of_a_projected_gradient_is_exact(kind: str) -> None:
    """4 sigma^2/q with certified constants: one row fewer, and no number of iterations will do."""
    sections: dict[str, Any] = {"search": {"batch_size": [1], "iterations": {"max": 10**15}}}
    eps = {"autoencoder": 5.0, "multilayer": 0.02}[kind]
    least = present(refused(spec(kind, eps, 3, **sections), "certified").min_batch_size)
    for batch, met in ((least - 1, False), (least, True)):
        sections["search"]["batch_size"] = [batch]
        assert bool(recommend(spec(kind, eps, 3, **sections), constants="certified").recommendations) == met


def test_no_room_for_an_iteration_has_no_smallest_eps() -> None:
    found = refused(spec("single_layer", 0.1, 50, budget={"samples": 100}, search={"batch_size": [16]}))
    assert found.smallest_eps is None
    assert "raise budget.samples, or raise target.eps" in found.reason
