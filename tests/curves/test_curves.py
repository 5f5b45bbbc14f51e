"""Curves beside the commands that they are drawn from, and beside hand-written formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st

from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.results import Advice
from rsgadvise.ask.curves import Curve, Curves, curves_of
from rsgadvise.spec import Spec, load_spec, parse_spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory import ConstantsName

Config = Callable[[str], Path]
CONFIGS = ["paper_example", "mnist_single_layer", "mnist_autoencoder", "mnist_multilayer"]
SMALL = "network: {kind: single_layer, layers: [20, 3]}\ndata: {mean: 0.3, samples: 500}\n"


def drawn(spec: Spec, constants: ConstantsName = "paper") -> tuple[Advice, Curves]:
    advice = recommend(spec, constants=constants)
    return advice, curves_of(spec, resolve(spec), advice)


def small(*overrides: str, text: str = SMALL) -> Spec:
    return parse_spec(text, file="<spec>", overrides=overrides).spec


def by_name(curves: Curves) -> dict[str, Curve]:
    return {curve.knob: curve for curve in curves.curves}


def values(curve: Curve, name: str) -> tuple[float, ...]:
    return next(each.values for each in curve.series if each.name == name)


def some(curve: Curve, count: int = 4) -> list[int]:
    """Positions spread over a curve, the advised one among them."""
    spread = np.linspace(0, len(curve.x) - 1, count).round().astype(int)
    return sorted({*map(int, spread), curve.x.index(curve.at)})


def setting(curve: Curve, x: float, stepsize: float | tuple[float, ...]) -> tuple[str, Any]:
    """The key of a knob, and its value at x."""
    if curve.knob == "stepsize_factor":
        assert isinstance(stepsize, tuple)
        return "stepsize", [x * gamma for gamma in stepsize]
    return curve.knob, x if curve.knob == "stepsize" else int(x)


@pytest.mark.parametrize("constants", ["paper", "certified"])
@pytest.mark.parametrize("name", CONFIGS)
def test_held_and_certified_are_what_the_bound_command_says(
    run: Run, config: Config, name: str, constants: ConstantsName
) -> None:
    advice, curves = drawn(load_spec(config(name)).spec, constants)
    best = advice.recommendations[0]
    assert len(curves.curves) == 3
    for curve in curves.curves:
        for index in some(curve):
            fixed = {
                "stepsize": best.stepsize if isinstance(best.stepsize, float) else list(best.stepsize),
                "batch_size": best.batch_size,
                "iterations": best.iterations,
                "keep_prob": best.keep_prob,
                "decay": best.decay,
            }
            key, value = setting(curve, curve.x[index], best.stepsize)
            fixed[key] = value
            options = [part for k, v in fixed.items() for part in ("--set", f"training.{k}={v!r}")]
            document = run.document("bound", config(name), *options, "--constants", constants)
            assert values(curve, "held")[index] == pytest.approx(document["bound"], rel=1e-12)
            if constants == "paper":
                certified = values(curve, "certified")[index]
                assert certified == pytest.approx(document["certified_bound"], rel=1e-12)
            else:
                assert [each.name for each in curve.series if each.name == "certified"] == []


@pytest.mark.parametrize("name", CONFIGS[1:])
def test_best_lines_are_what_recommend_finds(config: Config, name: str) -> None:
    advice, curves = drawn(load_spec(config(name)).spec)
    best, found = advice.recommendations[0], by_name(curves)
    total = best.batch_size * best.iterations
    steps, batches = found["iterations"], found["batch_size"]
    cases = [(best.batch_size, int(steps.x[i]), values(steps, "best")[i]) for i in some(steps)]
    cases += [
        (int(batches.x[i]), total // int(batches.x[i]), values(batches, "same_work")[i])
        for i in some(batches)
    ]
    for batch, iterations, expected in cases:
        overrides = [
            f"training.batch_size={batch}",
            f"training.iterations={iterations}",
            f"training.keep_prob={best.keep_prob!r}",
            "budget=null",
        ]
        again = recommend(load_spec(config(name), overrides=overrides).spec, top=1)
        assert again.recommendations[0].bound == pytest.approx(expected, rel=1e-9)


def test_the_single_layer_is_equation_7_by_hand(config: Config) -> None:
    """(7) written out: D_f / (N gamma e) + U sigma^2 gamma / (2 B e), e = 1 - 13 gamma / 16."""
    advice, curves = drawn(load_spec(config("mnist_single_layer")).spec)
    best, curve = advice.recommendations[0], by_name(curves)["stepsize"]
    for gamma, value in zip(curve.x, values(curve, "held"), strict=True):
        descent = gamma * (1 - 13 / 16 * gamma)
        by_hand = 10 / (best.iterations * descent) + (13 / 16) * (784 * 10 / 16) * gamma**2 / (
            best.batch_size * descent
        )
        assert value == pytest.approx(by_hand, rel=1e-10)
    end = next(edge.value for edge in curve.edges if edge.name == "range")
    assert end == pytest.approx(16 / 13)
    assert curve.x[-1] < end
    assert values(curve, "held")[-1] > 100 * best.bound


@pytest.mark.parametrize("constants", ["paper", "certified"])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_bound_is_smallest_where_advised(config: Config, name: str, constants: ConstantsName) -> None:
    advice, curves = drawn(load_spec(config(name)).spec, constants)
    best = advice.recommendations[0]
    curve = next(curve for curve in curves.curves if curve.knob.startswith("stepsize"))
    held = values(curve, "held")
    assert min(held) == held[curve.x.index(curve.at)] == best.bound
    assert [each.bound for each in curves.curves] == [best.bound] * 3


def test_a_fixed_stepsize_is_held_at_equal_work_too() -> None:
    fixed = ("training.batch_size=8", "training.iterations=400")
    free = recommend(small(*fixed)).recommendations[0]
    assert isinstance(free.stepsize, float)
    _, curves = drawn(small(*fixed, f"training.stepsize={4 * free.stepsize!r}"))
    assert [each.name for each in by_name(curves)["iterations"].series] == ["held", "certified"]
    batch = by_name(curves)["batch_size"]
    at = batch.x.index(batch.at)
    assert values(batch, "same_work_held")[at] == values(batch, "held")[at]


def test_levels_are_the_limit_and_the_target(config: Config) -> None:
    advice, curves = drawn(load_spec(config("paper_example")).spec)
    for curve in curves.curves:
        levels = {edge.name: edge.value for edge in curve.edges}
        assert levels["largest_gradient"] == advice.largest_gradient
        assert levels["target"] == pytest.approx(0.05 * 0.05**0.1)


@pytest.mark.parametrize(
    ("overrides", "absent"),
    [
        (("training.stopping=[0.2,0.3,0.5]",), "Bound against iterations"),
        (("target={eps: 1.0e-9, delta: 0.1}", "search.iterations={max: 3}"), "nothing to draw"),
    ],
)
def test_what_is_not_drawn_is_said(overrides: tuple[str, ...], absent: str) -> None:
    _, curves = drawn(small(*overrides))
    assert [text for text in curves.absent if absent in text]
    assert "iterations" not in by_name(curves) or "iterations" not in absent


@pytest.mark.parametrize("stepsize", ["", ", stepsize: 1.2307692307692308"])
def test_a_run_of_one_iteration_cannot_begin_at_the_end_of_the_range(stepsize: str) -> None:
    """Without noise a decaying stepsize is best at 2/U = 16/13, which [T1] leaves out where N = 1."""
    _, curves = drawn(
        parse_spec(
            "network: {kind: single_layer, layers: [6, 3]}\ndata: {mean: 0.0, samples: 300}\n"
            f"training: {{batch_size: 7, iterations: 1000, decay: 0.5, stopping: matched{stepsize}}}\n",
            file="<spec>",
        ).spec
    )
    curve = by_name(curves)["iterations"]
    assert curve.x[0] == 1
    held = values(curve, "held")
    assert held[0] == math.inf
    assert all(map(math.isfinite, held[1:]))


SPECS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["single_layer", "autoencoder", "multilayer"]),
        "box": st.sampled_from([0.001, 0.1, 5.0]),
        "mean": st.sampled_from([0.0, 0.2, 1.0]),
        "batch": st.sampled_from([1, 7, 10**6]),
        "iterations": st.sampled_from([1, 2, 1000, 10**9]),
        "decay": st.sampled_from([0.0, 0.5, 2.0]),
        "stopping": st.sampled_from(["uniform", "matched", "increasing", "last"]),
        "constants": st.sampled_from(["paper", "certified"]),
    }
)


@settings(max_examples=30, deadline=None)
@given(SPECS)
def test_every_curve_is_well_formed(case: dict[str, Any]) -> None:
    if case["constants"] == "certified" and case["mean"] == 0 and case["kind"] == "single_layer":
        return  # refused: such data have no gradient
    box = "" if case["kind"] == "single_layer" else f", weight_bound: {case['box']}"
    layers = "[6, 4, 3]" if case["kind"] == "multilayer" else "[6, 3]"
    text = (
        f"network: {{kind: {case['kind']}, layers: {layers}{box}}}\n"
        f"data: {{mean: {case['mean']}, samples: 300}}\n"
        f"training: {{batch_size: {case['batch']}, iterations: {case['iterations']}, "
        f"decay: {case['decay']}, stopping: {case['stopping']}}}\n"
    )
    advice, curves = drawn(parse_spec(text, file="<spec>").spec, case["constants"])
    best = advice.recommendations[0]
    for curve in curves.curves:
        assert list(curve.x) == sorted(set(curve.x))
        assert curve.at in curve.x
        assert all(math.isfinite(x) and x > 0 for x in curve.x)
        for each in curve.series:
            assert len(each.values) == len(curve.x)
            assert all(y >= 0 for y in each.values)  # which NaN is not
        held = values(curve, "held")[curve.x.index(curve.at)]
        assert held == pytest.approx(best.bound, rel=1e-9)
        for name in ("best", "same_work"):
            if name in {each.name for each in curve.series}:
                assert values(curve, name)[curve.x.index(curve.at)] <= best.bound * (1 + 1e-6)
        if case["constants"] == "paper":
            limit = next(edge.value for edge in curve.edges if edge.name == "largest_gradient")
            assert max(values(curve, "certified")) <= limit
