"""The sentences that say why: what they claim is held against the bound itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from rsgadvise.advise.evaluate import evaluate
from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.results import Advice
from rsgadvise.show.report.advice import ranking_blocks, reason_blocks
from rsgadvise.spec import Spec

MNIST = {"mean": 0.13066048, "mean_square": 0.04475126, "second_moment": 0.112, "top_eigenvalue": 38.1}
NETWORKS: dict[str, dict[str, Any]] = {
    "single_layer": {"kind": "single_layer", "layers": [784, 10]},
    "autoencoder": {"kind": "autoencoder", "layers": [784, 100], "weight_bound": 0.01},
    "multilayer": {"kind": "multilayer", "layers": [784, 200, 100, 10], "weight_bound": 0.05},
    "two layers": {"kind": "multilayer", "layers": [57, 16, 2], "weight_bound": 3},
}


def spec(kind: str, **sections: Any) -> Spec:
    data = {
        **(MNIST if kind != "two layers" else {"mean": 0.0133}),
        "samples": 60000,
        **sections.pop("data", {}),
    }
    return Spec.model_validate({"network": NETWORKS[kind], "data": data, **sections})


def end_notes(advice: Advice) -> list[str]:
    return [
        note for row in advice.recommendations for note in row.notes if "end of search.batch_size" in note
    ]


SPAMBASE = {"mean": 0.0133, "mean_square": 0.0005, "second_moment": 0.003, "samples": 4601}


@pytest.mark.parametrize("constants", ["paper", "certified"])
@pytest.mark.parametrize("target", [None, {"eps": 400.0, "delta": 0.1, "runs": 3}])
@pytest.mark.parametrize("listed", [True, False])
def test_an_end_is_reported_exactly_where_going_on_is_worth_it(
    listed: bool, target: dict[str, Any] | None, constants: Any
) -> None:
    """The oracle lists all sizes beyond one by one; less than a near tie is not worth a note."""
    noted = 0
    sections: dict[str, Any] = {"budget": {"epochs": 50}} if target is None else {"target": target}
    steps = {"iterations": {"max": 10**12}}

    def advised(sizes: Any) -> Advice:
        search = {"batch_size": sizes, **steps}
        return recommend(spec("autoencoder", search=search, **sections), constants=constants)

    def cost(found: Advice) -> float:
        if not found.recommendations:
            return float("inf")
        best = found.recommendations[0]
        return best.bound if target is None else float(best.total_samples)

    one_by_one = {size: cost(advised([size])) for size in (2**k for k in range(4, 17))}
    for low, high in ((32, 128), (512, 1024), (256, 8192), (4096, 16384), (64, 65536)):
        sizes: Any = [low, high] if listed else {"min": low, "max": high}
        advice = advised(sizes)
        if not advice.recommendations:
            continue
        best, here = advice.recommendations[0].batch_size, cost(advice)
        beyond = [
            value
            for size, value in one_by_one.items()
            if (best > 0.99 * high and size > high) or (best < 1.01 * low and size < low)
        ]
        expected = bool(beyond) and min(beyond) < 0.98 * here
        assert bool(end_notes(advice)) == expected, (low, high, best)
        if expected:
            word = "upper" if best > 0.99 * high else "lower"
            assert f"is at the {word} end of search.batch_size" in end_notes(advice)[0]
            noted += 1
    assert noted


def test_a_near_tie_or_a_single_size_is_no_end() -> None:
    """Half of 16 would lower (7) by less than a tenth of a per cent; one size is a choice of the user."""
    assert not end_notes(recommend(spec("single_layer", budget={"epochs": 100})))
    one = spec("two layers", data=SPAMBASE, budget={"epochs": 20}, search={"batch_size": [64]})
    assert not end_notes(recommend(one))


def test_the_largest_gradient_is_that_of_each_ranks_keep_probability() -> None:
    """c1^2 d_L A_L^2 with A_1^2 = zeta^2 d_0 tau, A_l^2 = zeta^2 d_{l-1} + (s_l / 4)^2 A_{l-1}^2, by hand."""
    search = {"batch_size": [128, 512, 2048, 8192]}
    training = {"pretraining": {"tolerance": 0.001}}
    advice = recommend(spec("multilayer", training=training, search=search, budget={"epochs": 100}))
    layers, box = [784, 200, 100, 10], 0.05
    for row in advice.recommendations:
        squares = row.keep_prob**2 * layers[0] * MNIST["mean_square"]
        for before, after in pairwise(layers[1:]):
            spread = box * (before * after) ** 0.5
            squares = row.keep_prob**2 * before + (spread / 4) ** 2 * squares
        saturated = (8 / 27) ** 2 * 10 * squares  # units of this box come within 2 % of it
        assert 0.98 * saturated < row.largest_gradient <= saturated * (1 + 1e-12)
        assert row.vacuous == (row.bound >= row.largest_gradient)
        assert row.certified_bound <= row.largest_gradient
    assert advice.largest_gradient == advice.recommendations[0].largest_gradient
    limits = [row.largest_gradient for row in advice.recommendations]
    said = [text for block in reason_blocks(advice) for text in block.items if "No squared" in text]
    assert said == [
        f"No squared gradient norm of this network exceeds {limits[0]:.4g} at rank 1; over all ranks "
        f"the limit runs from {min(limits):.4g} to {max(limits):.4g}, with keep_prob."
    ]
    one = replace(advice, recommendations=advice.recommendations[2:], largest_gradient=limits[2])
    said = [text for block in reason_blocks(one) for text in block.items if "No squared" in text]
    assert said == [f"No squared gradient norm of this network exceeds {limits[2]:.4g}."]


@pytest.mark.parametrize("constants", ["paper", "certified"])
@pytest.mark.parametrize(
    ("kind", "sections"),
    [
        ("multilayer", {"search": {"batch_size": [128, 512, 2048, 8192]}}),
        ("two layers", {"data": SPAMBASE}),
        ("multilayer", {"search": {"batch_size": [64, 256], "keep_prob": [0.5, 1.0]}}),
        ("single_layer", {"search": {"decay": [0.0, 0.5]}, "training": {"stopping": "matched"}}),
        ("autoencoder", {}),
    ],
)
def test_a_point_has_one_equation_wherever_it_is_named(
    kind: str, sections: dict[str, Any], constants: Any
) -> None:
    """(13) is for dropout, (12) for none: what `bound` says of each rank is what the ranking says of it."""
    advice = recommend(spec(kind, budget={"epochs": 20}, **sections), constants=constants)
    names = []
    for row in advice.recommendations:
        values = {
            key: getattr(row, key) for key in ("stepsize", "batch_size", "iterations", "keep_prob", "decay")
        }
        training = {**sections.get("training", {}), **values}
        name = evaluate(spec(kind, training=training), constants=constants).equation
        assert row.equation == name
        if kind in ("multilayer", "two layers") and constants == "paper":
            assert (
                name == f"Corollary {'V.1, equation (12)' if row.keep_prob == 1 else 'VI.1, equation (13)'}"
            )
        names.append(name)
    first = names[0]
    if set(names) == {first}:
        assert advice.equation == first
    else:
        assert advice.equation.startswith(f"{first} at rank")
        for rank, name in enumerate(names, start=1):
            ranks = advice.equation.partition(f"{name} at rank")[2].partition(" and ")[0].lstrip("s ")
            ends = [part.split("-") for part in ranks.split(", ")]
            assert any(int(low[0]) <= rank <= int(low[-1]) for low in ends), (rank, advice.equation)


def test_a_row_without_a_bound_says_so_in_one_word() -> None:
    advice = recommend(spec("single_layer", budget={"epochs": 100}))
    first, second, *_ = advice.recommendations
    without = replace(second, bound=float("inf"), terms={}, proven=False)
    (grid,) = ranking_blocks(replace(advice, recommendations=(first, without)))
    names = [column.name for column in grid.columns]
    said = dict(zip(names, grid.rows[1], strict=True))
    assert said["bound"] == said["proven"] == "no bound"
    assert "n/a" not in grid.rows[1]
