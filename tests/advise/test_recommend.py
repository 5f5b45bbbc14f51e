"""Recommendations against brute force, and what the advice says about itself."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from conftest import present

from rsgadvise.advise import wording
from rsgadvise.advise.recommend import ranking_objective, recommend
from rsgadvise.advise.results import Advice, Recommendation
from rsgadvise.advise.space import search_space
from rsgadvise.errors import HypothesisError
from rsgadvise.spec import Spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.judge import CappedObjective, Plan, objective_for
from rsgadvise.theory.objective import Plans, Schedule

MNIST = {"mean": 0.1307, "mean_square": 0.0448, "second_moment": 0.112, "top_eigenvalue": 38.1}
NETWORKS: dict[str, dict[str, Any]] = {
    "single_layer": {"kind": "single_layer", "layers": [784, 10]},
    "autoencoder": {"kind": "autoencoder", "layers": [784, 20], "weight_bound": 0.01},
    "multilayer": {"kind": "multilayer", "layers": [784, 20, 10], "weight_bound": 0.05},
    "one layer as multilayer": {"kind": "multilayer", "layers": [784, 10], "weight_bound": 0.05},
}
KINDS = list(NETWORKS)


def spec(kind: str, **sections: Any) -> Spec:
    data = {**MNIST, **sections.pop("data", {})}
    return Spec.model_validate({"network": NETWORKS[kind], "data": data, **sections})


def best_on_a_grid(wanted: Spec, constants: str, batch: float, n: float) -> float:
    """Smallest bound over dense grids of the stepsizes and the keep probability."""
    problem = resolve(wanted)
    objective = objective_for(problem, constants)
    best = np.inf
    for zeta in [1.0] if problem.kind == "single_layer" else np.linspace(0.5, 1.0, 11):
        top = objective.inner.largest_stepsizes(np.asarray([zeta])).reshape(-1) * (1 - 1e-9)  # type: ignore[attr-defined]
        if top.size == 2:
            axes = [np.geomspace(3e-5, 1, 160) * t for t in top]
            gammas = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
        else:
            grid = np.geomspace(1e-7, 1, 1500) * top[0]
            gammas = grid[:, None] if problem.kind == "multilayer" else grid
        full = np.ones(len(gammas))
        value = objective.bound(Plans(gammas, zeta * full, batch * full, n * full, Schedule())).value
        best = min(best, float(value.min()))
    return best


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("constants", ["paper", "certified"])
def test_smallest_bound_within_a_budget_against_brute_force(kind: str, constants: Any) -> None:
    sizes = [8, 64, 500, 3000]
    wanted = spec(kind, search={"batch_size": sizes}, budget={"samples": 10**6})
    advice = recommend(wanted, constants=constants, top=10)
    assert [row.rank for row in advice.recommendations] == [1, 2, 3, 4]
    brute = {batch: best_on_a_grid(wanted, constants, batch, 10**6 // batch) for batch in sizes}
    for row in advice.recommendations:
        assert row.iterations == 10**6 // row.batch_size
        assert row.bound <= brute[row.batch_size] * (1 + 1e-9)
        assert row.bound >= brute[row.batch_size] * (0.99 if kind == "multilayer" else 0.998)
    bounds = [row.bound for row in advice.recommendations]
    assert bounds == sorted(bounds)
    assert advice.recommendations[0].binding[0] == "budget.samples"


def test_seconds_are_what_counts_once_costs_are_given() -> None:
    sections: dict[str, Any] = {
        "target": {"eps": 0.05, "delta": 0.05, "runs": 5},
        "search": {"batch_size": [2**k for k in range(1, 16)], "iterations": {"max": 10**12}},
    }
    cheap = recommend(spec("single_layer", **sections), top=1).recommendations[0]
    timed = recommend(
        spec("single_layer", cost={"per_iteration": 1e-3, "per_sample": 1e-6}, **sections), top=20
    )
    best = timed.recommendations[0]
    assert cheap.batch_size == 2
    # The cheapest batch is sqrt(B_c t0 / t1), between two powers of two here.
    q = 0.05 * 0.05 ** (1 / 5)
    ideal = np.sqrt(784 * 10 / 16 / q * 1e-3 / 1e-6)
    assert ideal / 1.5 <= best.batch_size <= ideal * 1.5
    for row in timed.recommendations:
        assert row.seconds == pytest.approx(row.runs * row.iterations * (1e-3 + 1e-6 * row.batch_size))
    assert timed.objective == "fewest seconds that meet the target"


@pytest.mark.parametrize(
    ("budget", "sections", "key"),
    [
        ({"samples": 5000}, {}, "budget.samples"),
        ({"epochs": 2.5}, {"data": {"samples": 2000}}, "budget.epochs"),
        ({"seconds": 1.0}, {"cost": {"per_iteration": 1e-3, "per_sample": 1e-5}}, "budget.seconds"),
    ],
)
def test_budgets_bind_exactly(budget: dict[str, float], sections: dict[str, Any], key: str) -> None:
    advice = recommend(spec("single_layer", budget=budget, search={"batch_size": [7, 50]}, **sections))
    for row in advice.recommendations:
        assert key in row.binding
        if key == "budget.seconds":
            unit = 1e-3 + 1e-5 * row.batch_size
            assert row.iterations * unit <= 1.0 < (row.iterations + 1) * unit
        else:
            assert row.samples <= 5000 < row.samples + row.batch_size


def test_without_target_or_budget_a_hundred_epochs_are_assumed() -> None:
    advice = recommend(spec("single_layer", data={"samples": 1000}))
    assumed = {item.key: item.value for item in advice.assumed}
    assert assumed["budget.epochs"] == 100
    best = advice.recommendations[0]
    assert best.epochs == pytest.approx(100, rel=0.02)


def test_without_samples_more_work_wins_and_the_advice_says_so() -> None:
    advice = recommend(spec("single_layer", search={"iterations": {"max": 100}, "batch_size": [1, 10]}))
    assert advice.recommendations[0].batch_size == 10
    assert any("larger batches win by doing more work" in note for note in advice.notes)
    assert advice.recommendations[0].epochs is None


def test_fixed_values_are_kept() -> None:
    training = {"stepsize": 0.01, "batch_size": 33, "iterations": 77, "initial_loss": 2.0}
    advice = recommend(spec("single_layer", training=training))
    (row,) = advice.recommendations
    assert (row.stepsize, row.batch_size, row.iterations) == (0.01, 33, 77)
    assert not any(item.key.startswith("budget") for item in advice.assumed)


def test_stepsizes_outside_the_papers_range_have_no_bound_and_certified_ones_fall_back() -> None:
    training = {"stepsize": 1.5, "batch_size": 10, "iterations": 10}
    row = recommend(spec("single_layer", training=training)).recommendations[0]
    assert (row.bound, row.terms, row.proven, row.vacuous) == (np.inf, {}, False, True)
    assert row.certified_bound == row.largest_gradient
    assert (
        "No bound: the stepsize lies outside (0, 1.23077), the range of the paper's constants." in row.notes
    )
    row = recommend(spec("single_layer", training=training), constants="certified").recommendations[0]
    limit = (8 / 27) ** 2 * 10 * 784 * 0.0448
    assert row.bound == row.certified_bound == pytest.approx(limit)
    assert row.vacuous
    assert row.proven
    assert set(row.terms) >= {"largest_gradient"}


SCHEDULES: list[dict[str, Any]] = [
    {},
    {"decay": 0.5, "stopping": "matched"},
    {"decay": 0.5},
    {"stopping": "increasing"},
    {"stopping": "last"},
]
# Every two of network, schedule and constants meet.
ROWS = [
    (kind, training, ("paper", "certified")[(row + column) % 2])
    for row, kind in enumerate(KINDS)
    for column, training in enumerate(SCHEDULES)
]


@pytest.mark.parametrize(("kind", "training", "constants"), ROWS)
def test_every_row_is_consistent(kind: str, training: dict[str, Any], constants: Any) -> None:
    advice = recommend(
        spec(kind, training=training, data={"samples": 5000}, search={"batch_size": [20, 400]}),
        constants=constants,
    )
    assert advice.recommendations
    for row in advice.recommendations:
        assert sum(row.terms.values()) == pytest.approx(row.bound, rel=1e-12)
        assert row.dropout_rate == pytest.approx(1 - row.keep_prob, abs=1e-15)
        assert row.certified_bound <= (advice.largest_gradient or 0) * (1 + 1e-9) or row.rank > 1
        assert row.proven == (row.certified_bound <= row.bound)
        assert row.samples == row.batch_size * row.iterations
        assert all(np.isfinite(value) for value in row.elasticities.values())
        assert (wording.VACUOUS in row.notes) == row.vacuous
        if constants == "certified":
            assert row.proven
    assert len(set(advice.notes)) == len(advice.notes)


def test_given_probabilities_fix_the_iterations() -> None:
    weights = np.linspace(1, 2, 50)
    stopping = tuple(weights / weights.sum())
    advice = recommend(spec("single_layer", training={"stopping": stopping}, search={"batch_size": [4]}))
    (row,) = advice.recommendations
    assert row.iterations == 50
    assert "iterations" not in row.elasticities


def test_listed_keep_probabilities_and_decays_are_enumerated() -> None:
    advice = recommend(
        spec(
            "multilayer",
            data={"samples": 1000},
            search={"batch_size": [10], "keep_prob": [0.6, 0.9], "decay": [0.0, 0.3]},
            training={"stopping": "matched"},
        ),
        top=10,
    )
    found = {(row.keep_prob, row.decay) for row in advice.recommendations}
    assert found == set(itertools.product((0.6, 0.9), (0.0, 0.3)))


def test_the_end_of_the_keep_probability_range_is_reported() -> None:
    row = recommend(spec("autoencoder", data={"samples": 1000})).recommendations[0]
    assert row.keep_prob == 0.5
    assert "search.keep_prob.min" in row.binding
    assert wording.AT_LOWEST_KEEP_PROB in row.notes
    full = recommend(
        spec(
            "multilayer",
            budget={"samples": 10**8},
            search={"batch_size": [10**6], "keep_prob": {"min": 0.2, "max": 0.6}},
        )
    ).recommendations[0]
    assert full.keep_prob == 0.6
    assert wording.AT_HIGHEST_KEEP_PROB in full.notes


def infeasible(advice: Advice) -> str:
    assert advice.recommendations == ()
    return present(advice.infeasible).reason


def test_infeasible_targets_say_why_and_what_would_do() -> None:
    target = {"eps": 1.0, "delta": 0.05, "runs": 10}
    small = recommend(spec("autoencoder", target=target))
    assert "the smallest that can is" in infeasible(small)
    least = present(small.infeasible.min_batch_size if small.infeasible else None)
    done = recommend(
        spec("autoencoder", target=target, search={"batch_size": [least], "iterations": {"max": 10**15}})
    )
    assert done.recommendations
    less = recommend(
        spec("autoencoder", target=target, search={"batch_size": [least - 1], "iterations": {"max": 10**15}})
    )
    assert not less.recommendations

    tight = spec("single_layer", target=target, budget={"samples": 1000})
    assert "more than budget.samples allows" in infeasible(recommend(tight))
    few = spec("single_layer", target={**target, "eps": 0.01}, search={"iterations": {"max": 10}})
    assert "more than search.iterations.max allows" in infeasible(recommend(few))
    fixed = spec("single_layer", target={**target, "eps": 0.01}, training={"iterations": 10})
    assert "training.iterations" in infeasible(recommend(fixed))
    nothing = spec("single_layer", budget={"samples": 5}, search={"batch_size": [10]})
    assert "leaves room for 1 iteration(s)" in infeasible(recommend(nothing))


def test_near_ties_are_said_once() -> None:
    advice = recommend(spec("single_layer", data={"samples": 60000}))
    ties = [note for note in advice.notes if note.startswith("Near tie")]
    assert len(ties) == 1
    assert "cannot rank them" in ties[0]


def test_elasticities_are_the_closed_forms_of_7() -> None:
    training = {"stepsize": 0.3, "batch_size": 20, "iterations": 500, "initial_loss": 3.0}
    row = recommend(spec("single_layer", training=training)).recommendations[0]
    start = row.terms["initial_error"] / row.bound
    noise = row.terms["gradient_noise"] / row.bound
    a = 13 / 16 * 0.3
    assert row.elasticities["iterations"] == pytest.approx(-start, abs=1e-7)
    assert row.elasticities["batch_size"] == pytest.approx(-noise, abs=1e-7)
    assert row.elasticities["initial_loss"] == pytest.approx(start, abs=1e-7)
    assert row.elasticities["stepsize"] == pytest.approx(noise - start + a / (1 - a), abs=1e-7)


def test_elasticities_are_the_closed_forms_of_13() -> None:
    training = {
        "stepsize": [0.2, 0.3], "batch_size": 20, "iterations": 500, "keep_prob": 0.7,
        "pretraining": {"tolerance": 0.4},
    }  # fmt: skip
    row = recommend(spec("multilayer", training=training)).recommendations[0]
    share = {name: value / row.bound for name, value in row.terms.items()}
    # Layer 1 has the smaller gamma - b gamma^2, so it alone is g.
    b = 0.4 * 10 * 0.05 / 20
    bend = b * 0.2 / (1 - b * 0.2)
    assert row.elasticities["keep_prob"] == pytest.approx(
        -2 * share["initial_error"] - share["output_noise"], abs=1e-7
    )
    assert row.elasticities["pretraining"] == pytest.approx(share["top_hidden_noise"] + bend, abs=1e-7)
    assert row.elasticities["weight_bound"] == pytest.approx(share["top_hidden_noise"] + bend, abs=1e-7)
    assert row.elasticities["batch_size"] == pytest.approx(
        -share["output_noise"] - share["top_hidden_noise"], abs=1e-7
    )


def test_data_without_a_gradient_is_refused_for_certified_constants() -> None:
    zero = Spec.model_validate({"network": NETWORKS["single_layer"], "data": {"mean": 0.0}})
    with pytest.raises(HypothesisError, match="all zero"):
        recommend(zero, constants="certified")
    row = recommend(zero).recommendations[0]
    assert row.certified_bound == 0


def test_7_is_proven_where_its_constants_are_at_least_the_certified_ones() -> None:
    """d mu <= (13/8)/c2 = 10.54 and mu <= (1/16)/c1^2 = 0.711 suffice; far outside it is not proven."""
    for dim, mean, proven in ((15, 0.7, True), (300, 0.03, True), (500, 0.7, False), (784, 0.13, False)):
        wanted = Spec.model_validate(
            {"network": {"kind": "single_layer", "layers": [dim, 3]}, "data": {"mean": mean, "samples": 1000}}
        )
        assert all(row.proven == proven for row in recommend(wanted).recommendations), (dim, mean)


@pytest.mark.parametrize("kind", KINDS)
def test_certified_bounds_are_capped_at_the_largest_gradient(kind: str) -> None:
    """Also just above it: short runs sweep the certified formula across the limit."""
    shown = set()
    for n in np.unique(np.round(np.geomspace(1, 3000, 32))):
        training = {"batch_size": 1000, "iterations": int(n), "keep_prob": 1.0}
        advice = recommend(spec(kind, training=training), constants="certified")
        (row,) = advice.recommendations
        assert advice.largest_gradient is not None
        assert row.bound == row.certified_bound <= advice.largest_gradient
        assert row.vacuous == (row.bound == advice.largest_gradient) == ("largest_gradient" in row.terms)
        assert sum(row.terms.values()) == pytest.approx(row.bound, rel=1e-12)
        shown.add(row.vacuous)
        problem = resolve(spec(kind, training=training))
        formula = ranking_objective(
            problem, search_space(spec(kind, training=training), problem), "certified"
        )
        assert isinstance(formula, CappedObjective)
        point = Plan(np.asarray(row.stepsize), 1.0, 1000.0, float(n), Schedule())
        assert row.bound == min(float(point.bound(formula).value), advice.largest_gradient)
    assert shown == {True, False}


def test_a_batch_range_is_as_good_as_every_batch_listed() -> None:
    """Whole iterations make the bound jagged where few of them fit the budget."""
    base: dict[str, Any] = {
        "network": {"kind": "autoencoder", "layers": [2, 5], "weight_bound": 1},
        "data": {"mean": 0.5, "mean_square": 0.3},
        "training": {"keep_prob": 1, "initial_loss": 0.01},
    }
    costs = {"per_iteration": 0.01, "per_sample": 0.003}
    for budget, cost in (({"samples": 1000}, None), ({"seconds": 3.0}, costs), ({"samples": 77}, None)):
        bounds = [
            recommend(
                Spec.model_validate({**base, "search": {"batch_size": sizes}, "budget": budget, "cost": cost})
            )
            .recommendations[0]
            .bound
            for sizes in ({"min": 1, "max": 300}, list(range(1, 301)))
        ]
        assert bounds[0] == pytest.approx(bounds[1], rel=1e-12)


@pytest.mark.parametrize("stopping", ["last", "increasing"])
def test_a_wide_batch_range_with_a_budget_takes_no_memory(stopping: str) -> None:
    """As many iterations as a budget of 1e15 samples leaves are no list; the oracle lists batch sizes."""
    budget = {"samples": 10**15}
    training = {"stopping": stopping, "initial_loss": 0.5}
    ranged = {"batch_size": {"min": 3, "max": 10**12}, "iterations": {"min": 200, "max": 10**15}}
    listed = {**ranged, "batch_size": sorted({round(3 * 1.5**k) for k in range(65)})}
    found, others = (
        recommend(spec("autoencoder", training=training, budget=budget, search=search), constants="certified")
        for search in (ranged, listed)
    )
    assert found.recommendations[0].bound <= others.recommendations[0].bound * (1 + 1e-9)


@pytest.mark.parametrize("kind", ["single_layer", "autoencoder"])
def test_decaying_steps_search_the_iterations_too(kind: str) -> None:
    """More iterations are not always better there; every N is the oracle."""
    for stopping in ("uniform", "increasing", "last"):
        training = {"decay": 1.5, "stopping": stopping, "initial_loss": 0.5}
        search: dict[str, Any] = {"batch_size": [5], "iterations": {"max": 30}}
        best = recommend(spec(kind, training=training, search=search)).recommendations[0].bound
        every = [
            recommend(spec(kind, training={**training, "iterations": n}, search={"batch_size": [5]}))
            .recommendations[0]
            .bound
            for n in range(1, 31)
        ]
        assert best == pytest.approx(min(every), rel=1e-6)


@pytest.mark.parametrize("constants", ["paper", "certified"])
def test_a_target_that_no_weights_miss_is_said_to_be_one(constants: Any) -> None:
    target = {"delta": 0.05, "runs": 3}
    limit = recommend(spec("multilayer")).largest_gradient
    assert limit is not None
    # At the smallest keep probability allowed the limit is lower still.
    for eps, said in ((limit * 1.001, True), (limit * 0.01, False)):
        advice = recommend(spec("multilayer", target={**target, "eps": eps}), constants=constants)
        assert (wording.ABOVE_THE_LIMIT in advice.notes) == said, eps


@pytest.mark.parametrize("constants", ["paper", "certified"])
@pytest.mark.parametrize("runs", [1, 3])
def test_where_no_weights_miss_a_target_a_plan_is_the_least_work(constants: Any, runs: int) -> None:
    """No number of iterations brings a theorem's bound this far down, and none has to."""
    limit = present(recommend(spec("autoencoder", training={"keep_prob": 0.6})).largest_gradient)
    search = {"batch_size": {"min": 3, "max": 9}, "iterations": {"min": 2, "max": 50}}
    for factor in (1.001, 0.999):
        target = {"eps": limit * factor, "delta": 1e-300, "runs": runs}
        parts = {"target": target, "search": {**search, "keep_prob": {"min": 0.6, "max": 1.0}}}
        wanted = spec("autoencoder", **parts)
        advice = recommend(wanted, constants=constants)
        if factor < 1:
            assert advice.infeasible is not None
            assert advice.infeasible.smallest_eps == pytest.approx(limit, rel=1e-3)
            continue
        best = advice.recommendations[0]
        # Only at the lowest keep probability no weights miss it.
        assert (best.batch_size, best.iterations, best.runs, best.keep_prob) == (3, 2, runs, 0.6)
        assert wording.ABOVE_THE_LIMIT in advice.notes
        assert advice.critical_batch_size is None
        short = recommend(spec("autoencoder", budget={"samples": 5}, **parts), constants=constants)
        assert short.infeasible is not None
        assert "leaves room for 2 iteration(s) within budget.samples" in short.infeasible.reason


def test_nothing_ranks_choices_without_a_bound() -> None:
    fixed = {"stepsize": 5.0, "iterations": 10}
    advice = recommend(spec("single_layer", training=fixed, search={"batch_size": [64, 8]}))
    assert [row.batch_size for row in advice.recommendations] == [8, 64]
    assert wording.NOTHING_RANKS in advice.notes
    assert not any("Near tie" in note for note in advice.notes)
    layers = {"stepsize": [0.1, 3.0], "iterations": 10}
    (row, *_) = recommend(spec("multilayer", training=layers)).recommendations
    assert any("of layer 2 lies outside (0, 1.23077)" in note for note in row.notes)
    hopeless = recommend(spec("single_layer", training=fixed, target={"eps": 0.1, "delta": 0.1}))
    assert hopeless.infeasible is not None
    assert "training.stepsize" in hopeless.infeasible.reason


def test_constants_that_overflow_are_refused() -> None:
    layers = [10**9] * 30
    wanted = Spec.model_validate(
        {"network": {"kind": "multilayer", "layers": layers, "weight_bound": 1e6}, "data": {"samples": 100}}
    )
    for constants in ("paper", "certified"):
        with pytest.raises(HypothesisError, match="constants too large") as error:
            recommend(wanted, constants=constants)
        assert error.value.quantity == "network.weight_bound"


def test_a_batch_range_ranks_choices_that_differ() -> None:
    wanted = spec(
        "autoencoder", search={"batch_size": {"min": 16, "max": 8192}}, budget={"samples": 6 * 10**6}
    )
    sizes = sorted(row.batch_size for row in recommend(wanted, top=50).recommendations)
    best = recommend(wanted, top=1).recommendations[0].batch_size
    assert set(sizes) == {best, *(2**k for k in range(4, 14))}


@pytest.mark.parametrize(
    ("sections", "iterations"),
    [
        ({"data": {"samples": 100}, "budget": {"epochs": 0.29}}, 29),
        ({"budget": {"seconds": 4.3}, "cost": {"per_iteration": 0.1}}, 43),
        ({"budget": {"seconds": 4.29}, "cost": {"per_iteration": 0.1}}, 42),
    ],
)
def test_a_budget_that_is_just_enough_is_used_up(sections: dict[str, Any], iterations: int) -> None:
    """0.29 * 100 is a little below 29 in floating point, and 4.3 / 0.1 below 43."""
    assert (0.29 * 100, 4.3 / 0.1) < (29, 43)
    (row,) = recommend(spec("single_layer", search={"batch_size": [1]}, **sections)).recommendations
    assert row.iterations == iterations


def test_no_range_of_keep_probabilities_ends_below_one_that_keeps_all() -> None:
    search = {"batch_size": [512], "keep_prob": {"min": 0.5, "max": 1}}
    (row,) = recommend(spec("multilayer", budget={"samples": 1000}, search=search)).recommendations
    assert row.keep_prob == 1.0
    assert row.elasticities["keep_prob"] < -1, "or this tests nothing"
    assert row.binding == ("budget.samples",)
    assert wording.AT_HIGHEST_KEEP_PROB not in row.notes


def test_a_smaller_batch_is_spoken_of_where_the_largest_is_all_rows() -> None:
    def best(*sizes: int) -> Recommendation:
        sections = {"data": {"samples": 500}, "search": {"batch_size": sizes}, "budget": {"samples": 1000}}
        return recommend(spec("single_layer", **sections)).recommendations[0]

    found = best(250, 500)
    assert found.batch_size == 250
    assert wording.SMALLEST_BATCH in found.binding
    assert best(125).bound < found.bound
