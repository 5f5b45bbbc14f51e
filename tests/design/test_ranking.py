"""Rankings against one `recommend` per architecture, and caps."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from cases import BASE, architectures, brute_force, spec_of, weights_of

from rsgadvise.advise.space import search_space
from rsgadvise.ask.design import Design, design
from rsgadvise.ask.design.screening import Lattice, Search, screen
from rsgadvise.errors import HypothesisError, UsageError
from rsgadvise.spec.problem import resolve

WIDTHS, DEPTHS = (4, 32), (0, 1, 2)
TARGET = {"eps": 0.5, "delta": 0.1, "runs": 4}
COST = {"per_iteration": 1e-3, "per_sample": 1e-5}
# The largest loss possible, which stands for f(W1), is another one for each network.
CLASSES = {**BASE["network"], "activation": "tanh", "loss": "cross_entropy"}
CASES: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("work", {"target": TARGET}, None, "paper"),
    ("samples", {"target": TARGET}, "samples", "paper"),
    ("iterations", {"target": TARGET}, "iterations", "paper"),
    ("seconds", {"target": TARGET, "cost": COST}, None, "paper"),
    ("work", {"target": {"eps": 0.5, "delta": 0.1}}, None, "paper"),
    ("work", {"target": TARGET, "budget": {"samples": 2_000_000}}, None, "paper"),
    ("work", {"target": TARGET, "training": {"pretraining": {"tolerance": 0.2}}}, None, "paper"),
    ("work", {"target": TARGET}, None, "certified"),
    ("work", {"target": {"eps": 0.5, "delta": 0.1}}, None, "certified"),
    ("work", {"target": {**TARGET, "eps": 3}}, None, "certified"),  # small networks meet it whatever they do
    ("samples", {"target": {**TARGET, "eps": 10}}, "samples", "paper"),
    ("bound", {"budget": {"epochs": 30}}, None, "paper"),
    ("bound", {"budget": {"epochs": 0.5}}, None, "paper"),
    ("bound", {"budget": {"epochs": 30}}, None, "certified"),
    ("bound", {"budget": {"epochs": 30}, "training": {"batch_size": 256, "keep_prob": 0.8}}, None, "paper"),
    (
        "bound",
        {
            "budget": {"samples": 40_000},
            "search": {"batch_size": [64, 512], "keep_prob": [0.5, 0.9], "decay": [0.0, 0.5]},
            "training": {"stopping": "matched"},
        },
        None,
        "certified",
    ),
    ("bound", {"network": CLASSES, "budget": {"epochs": 30}}, None, "certified"),
    ("work", {"network": CLASSES, "target": {**TARGET, "eps": 3}}, None, "certified"),
    ("bound", {"network": CLASSES, "training": {"initial_loss": 1.4}}, None, "certified"),
]


def ids(case: tuple[str, dict[str, Any], Any, Any]) -> str:
    return f"{case[0]}-{case[3]}-{'-'.join(case[1])}"


@pytest.mark.parametrize(
    ("search", "constants", "eps"),
    [({"batch_size": [64, 512]}, "paper", 3.0), ({"batch_size": {"min": 16, "max": 4096}}, "certified", 1.5)],
)
def test_what_is_vacuous_comes_after_what_is_not_however_little_is_shown(
    search: Any, constants: Any, eps: float
) -> None:
    spec = spec_of(target={**TARGET, "eps": eps}, search=search)
    ask = partial(design, spec, widths=WIDTHS, depths=DEPTHS, constants=constants, pipeline="none")
    everything = ask(top=1000)
    flags = [row.vacuous for row in everything.architectures]
    assert flags == sorted(flags)
    assert set(flags) == {False, True}  # and the cheapest of all are vacuous
    assert min(row.work for row in everything.architectures) < everything.architectures[0].work
    assert ask(top=1).architectures[0].layers == everything.architectures[0].layers
    assert not any("order says nothing." in note for note in everything.notes)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_the_ranking_is_that_of_a_loop_over_architectures(case: tuple[str, dict[str, Any], Any, Any]) -> None:
    metric, sections, by, constants = case
    spec = spec_of(**sections)
    depths = DEPTHS if "keep_prob" not in sections.get("training", {}) else DEPTHS[1:]
    wanted = brute_force(spec, WIDTHS, depths, metric, constants)
    found = design(spec, widths=WIDTHS, depths=depths, constants=constants, by=by, top=1000, pipeline="none")
    assert found.by == metric
    assert found.searched == len(architectures(WIDTHS, depths))
    assert [row.layers for row in found.architectures] == [layers for *_, layers, _ in wanted]
    for row, (cost, weights, _, layers, best) in zip(found.architectures, wanted, strict=True):
        assert row.weights == weights == weights_of(layers)
        assert row.ratio == pytest.approx(cost / wanted[0][0], rel=1e-12)
        for field in ("batch_size", "iterations", "runs", "bound", "certified_bound", "vacuous", "proven"):
            assert getattr(row, field) == getattr(best, field), (layers, field)
        assert row.stepsize == best.stepsize
        assert row.keep_prob == best.keep_prob
        assert row.seconds == best.seconds
        assert row.work == 3 * weights * best.batch_size * best.iterations * best.runs

    # Every architecture is screened to the same cost, so that none is missing among those solved again.
    problem = resolve(spec)
    lattice = Lattice(60, 4, WIDTHS, depths)
    search = Search(problem, search_space(spec, problem), lattice, constants, found.by)  # type: ignore[arg-type]
    rows = screen(search)
    costs = {
        lattice.layers(int(depth), int(index)): float(cost)
        for depth, index, cost in zip(rows.depth, rows.index, rows.cost, strict=True)
    }
    nothing = {
        lattice.layers(int(depth), int(index))
        for depth, index in zip(rows.depth[rows.vacuous], rows.index[rows.vacuous], strict=True)
    }
    assert nothing == {layers for *_, layers, best in wanted if best.vacuous}
    exact = {layers: cost for cost, _, _, layers, _ in wanted}
    assert {layers for layers, cost in costs.items() if np.isfinite(cost)} == set(exact)
    for layers, cost in exact.items():
        assert costs[layers] == pytest.approx(cost, rel=1e-12), layers


def test_a_loss_that_only_a_box_limits_proves_nothing_of_a_network_without_one() -> None:
    found = design(spec_of(network=CLASSES), widths=(16,), depths=(0, 1), pipeline="none")
    assert {row.layers: (row.proven, row.vacuous) for row in found.architectures} == {
        (60, 16, 4): (True, False),
        (60, 4): (True, True),
    }
    (start,) = (item for item in found.assumed if item.key == "training.initial_loss")
    assert start.value == "the largest possible"
    assert "without hidden layers no loss is the largest" in start.why
    plain = design(spec_of(), widths=(16,), depths=(0, 1), pipeline="none")
    assert [item.value for item in plain.assumed if item.key == "training.initial_loss"] == [4.0]


def test_a_range_of_batch_sizes_is_ranked_by_its_best_integer() -> None:
    spec = spec_of(
        target={"eps": 0.4, "delta": 0.1, "runs": 3}, search={"batch_size": {"min": 1, "max": 50_000}}
    )
    wanted = brute_force(spec, (6,), (1, 2, 3), "work", "paper")
    found = design(spec, widths=(6,), depths=(1, 2, 3), pipeline="none")
    assert [row.layers for row in found.architectures] == [layers for *_, layers, _ in wanted]
    assert [row.batch_size for row in found.architectures] == [best.batch_size for *_, best in wanted]
    problem = resolve(spec)
    lattice = Lattice(60, 4, (6,), (1, 2, 3))
    rows = screen(Search(problem, search_space(spec, problem), lattice, "paper", "work"))
    exact = {layers: cost for cost, _, _, layers, _ in wanted}
    for depth, index, cost in zip(rows.depth, rows.index, rows.cost, strict=True):
        least = exact[lattice.layers(int(depth), int(index))]
        assert cost == pytest.approx(least, rel=5e-3)  # screening does not try every integer


def test_only_some_are_solved_again_and_the_order_is_that_of_all() -> None:
    spec = spec_of(target=TARGET)
    everything = design(spec, widths=(4, 10), depths=(1, 2, 3), top=1000, pipeline="none")
    few = design(spec, widths=(4, 10), depths=(1, 2, 3), top=5, pipeline="none")
    assert few.architectures == everything.architectures[:5]


def test_one_that_is_better_than_it_seems_is_found_all_the_same() -> None:
    """Where a few iterations of a range of batch sizes are enough, the third seems worse than the fourth."""
    spec = spec_of(target={"eps": 4.0, "delta": 0.01}, search={"batch_size": {"min": 100, "max": 200}})
    ask = partial(design, spec, widths=(18, 21, 24, 27), depths=(1,), constants="certified", pipeline="none")
    assert ask(top=3).architectures == ask(top=4).architectures[:3]


@pytest.mark.parametrize("cap", [256, 272, 511, 512, 2047, 2048, 10**6])
def test_the_cap_on_weights_is_exact(cap: int) -> None:
    spec = spec_of(target={"eps": 3.0, "delta": 0.1, "runs": 4})
    every = architectures((4, 8, 32), (0, 1, 2))
    fits = {layers for layers in every if weights_of(layers) <= cap}
    found = design(spec, widths=(4, 8, 32), depths=(0, 1, 2), most_weights=cap, top=1000, pipeline="none")
    assert found.searched == len(fits)
    assert {row.layers for row in found.architectures} <= fits
    lattice = Lattice(60, 4, (4, 8, 32), (0, 1, 2), most_weights=cap)
    for size in (1, 3, 1000):
        listed = [
            lattice.layers(block.depth, int(index)) for block in lattice.blocks(size) for index in block.index
        ]
        assert sorted(listed) == sorted(fits)


def test_equal_lengths_are_the_diagonal() -> None:
    spec = spec_of(target={"eps": 3.0, "delta": 0.1, "runs": 4})
    found = design(spec, widths=WIDTHS, depths=(1, 2, 3), equal=True, top=1000, pipeline="none")
    assert found.searched == 6
    assert all(len(set(row.layers[1:-1])) == 1 for row in found.architectures)


@pytest.mark.parametrize("constants", ["paper", "certified"])
def test_the_least_eps_is_reachable_and_nothing_below_it(constants: Any) -> None:
    small: dict[str, Any] = {"search": {"batch_size": [16, 64], "iterations": {"max": 3000}}}

    def ask(eps: float) -> Design:
        spec = spec_of(target={"eps": eps, "delta": 0.1, "runs": 4}, **small)
        return design(spec, widths=(4, 16), depths=(0, 1, 2), constants=constants, pipeline="none")

    refused = ask(1e-3)
    assert refused.infeasible is not None
    assert refused.architectures == ()
    least = refused.infeasible.least_eps
    assert least is not None
    told = float(refused.infeasible.reason.split("least reachable is ")[1].split(",")[0])
    assert least <= told <= least * 1.0001
    assert ask(told).infeasible is None
    reached = ask(least * (1 + 1e-6))
    assert reached.architectures[0].layers == refused.infeasible.layers
    assert ask(least * (1 - 1e-6)).infeasible is not None


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"network": {"kind": "autoencoder", "layers": [60, 4], "weight_bound": 0.1}}, "network.kind"),
        ({"network": {"kind": "single_layer", "layers": [60, 4]}, "search": {}}, "network.kind"),
        (
            {"network": {"kind": "multilayer", "layers": [60, 5, 4], "weight_bound": [0.1, 0.2]}},
            "network.weight_bound",
        ),
        (
            {"network": {"kind": "multilayer", "layers": [60, 5, 4, 4], "activation": ["tanh", "sigmoid"]}},
            "network.activation",
        ),
        ({"training": {"stopping": "increasing"}}, "training.stopping"),
        ({"training": {"stopping": "increasing"}, "target": TARGET}, "training.stopping"),
        ({"training": {"decay": 0.5}}, "training.decay"),
        ({"training": {"stopping": "uniform", "decay": 0.5}}, "training.decay"),
        ({"training": {"decay": 0.5}, "target": TARGET}, "training.decay"),
        ({"search": {"decay": [0, 0.5]}}, "search.decay"),
        ({"training": {"stopping": "matched", "decay": 0.5}, "target": TARGET}, "training.decay"),
    ],
)
def test_what_a_design_cannot_use_is_refused_at_its_key(sections: dict[str, Any], key: str) -> None:
    with pytest.raises(HypothesisError) as caught:
        design(spec_of(**sections), widths=(4, 8), depths=(1, 2))
    assert caught.value.quantity == key


@pytest.mark.parametrize("target", [{}, {"target": TARGET}])
def test_what_a_design_chooses_is_left_aside_and_said(target: dict[str, Any]) -> None:
    training = {"stepsize": 50.0, **({"iterations": 7} if target else {})}
    ask = partial(design, widths=(4, 8), depths=(1,), pipeline="none")
    fixed, free = ask(spec_of(training=training, **target)), ask(spec_of(**target))
    assert fixed.architectures == free.architectures
    keys = "training.stepsize, training.iterations" if target else "training.stepsize"
    assert fixed.notes == (f"Left aside: {keys}, which a design chooses for every architecture.", *free.notes)


def test_a_search_too_large_or_a_cost_unknown_is_a_usage_error() -> None:
    spec = spec_of(target=TARGET)
    with pytest.raises(UsageError, match="at most 5,000,000 architectures"):
        design(spec, widths=tuple(range(1, 101)), depths=(4,))
    with pytest.raises(UsageError, match="--by seconds needs"):
        design(spec, widths=(4,), depths=(1,), by="seconds")
    with pytest.raises(UsageError, match="--by needs a target"):
        design(spec_of(budget={"epochs": 1}), widths=(4,), depths=(1,), by="work")
    with pytest.raises(UsageError, match="the smallest has 256 weights"):
        design(spec, widths=(4,), depths=(1,), most_weights=255)
