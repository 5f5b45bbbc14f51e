"""What is raced: the ladder of stepsizes, and variants of the leader in each knob that a spec leaves open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import present
from hypothesis import given
from hypothesis import strategies as st

from rsgadvise.advise.space import search_space
from rsgadvise.pilot.candidates import Proposals, layer_shape, usual_stepsize
from rsgadvise.pilot.race import Candidate
from rsgadvise.spec import Spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.problem import MeasuredConstants
from rsgadvise.training.networks import Network

KNOWN = MeasuredConstants(smoothness=4.0, layer_variances=(9.0, 16.0), distance=2.0, loss=0.01)


def proposals(
    *, kind: str = "multilayer", shape: tuple[float, ...] = (2.0, 1.0), decay: float = 0.0, **sections: Any
) -> Proposals:
    layers = [6, 5, 3] if kind == "multilayer" else [6, 3]
    box = {} if kind == "single_layer" else {"weight_bound": 1.0}
    sections.setdefault("search", {"batch_size": [16], "keep_prob": [1.0]})
    sections.setdefault("budget", {"samples": 32_000})
    spec = Spec.model_validate({"network": {"kind": kind, "layers": layers, **box}, **sections})
    return Proposals(
        space=search_space(spec, resolve(spec)),
        known=KNOWN,
        shape=shape,
        batch_size=16,
        iterations=2000,
        keep_prob=1.0,
        decay=decay,
        advised=(0.07, 0.05),
        usual=9.0,
    )


def changed(leader: Candidate, found: list[Candidate], knob: str) -> list[Candidate]:
    """The variants in one knob; the others of which it takes no stepsizes or iterations are as they were."""
    mine = [each for each in found if getattr(each, knob) != getattr(leader, knob)]
    for each in mine:
        assert each.rung is None
        assert each.source.startswith(leader.source + ", ")
        for other in {"decay", "batch_size", "keep_prob"} - {knob}:
            assert getattr(each, other) == getattr(leader, other)
    return mine


@given(st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=6))
def test_shapes_are_roots_of_relative_curvature(curvatures: list[float]) -> None:
    found = layer_shape(curvatures)
    steepest = max(curvatures)
    for part, curvature in zip(found, curvatures, strict=True):
        assert 1 <= part <= 100.001, "a flat layer is not trusted beyond a million times"
        if curvature > 1e-6 * steepest:
            assert part**3 * curvature == pytest.approx(steepest)
    assert found[curvatures.index(steepest)] == 1


@pytest.mark.parametrize("flat", [[0.0], [0.0, 0.0]])
def test_shapes_without_curvature(flat: list[float]) -> None:
    assert layer_shape(flat) == (1.0,) * len(flat)
    assert layer_shape([0.0, 2.0]) == pytest.approx((100, 1))


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_the_ladder(decay: float) -> None:
    """Half to eight times 1/U in steps of two, as long in the eighth iteration with decay."""
    first = proposals(decay=decay).first()
    assert [each.rung for each in first] == list(range(-1, 4))
    for rung, each in zip(range(-1, 4), first, strict=True):
        in_eighth = [gamma * 8.0**-decay for gamma in each.stepsizes]
        assert in_eighth == pytest.approx([2.0**rung * part / 4 for part in (2.0, 1.0)])
        assert (each.batch_size, each.iterations, each.keep_prob, each.decay) == (16, 2000, 1.0, decay)
        assert each.samples == 32_000
    # Of the geometric mean; decay does not change it.
    mean = 2**0.5 / 4
    expected = [abs(np.log2(2.0**rung * mean / 9)) for rung in range(-1, 4)]
    assert [each.unusual for each in first] == pytest.approx([0.125 * each for each in expected])
    assert [each.source for each in first[:3]] == ["0.5/U by layer", "1/U by layer", "2/U by layer"]
    assert proposals(shape=(1.0, 1.0)).first()[1].source == "1/U"


def test_the_ladder_of_networks_of_which_no_usual_stepsize_is_known() -> None:
    """It goes down to an eighth, and the unit of the race is only a guess."""
    first = replace(proposals(), usual=None).first()
    assert [each.rung for each in first] == list(range(-3, 4))
    away = [0.06 * abs(each) for each in range(-3, 4)]
    assert [each.unusual for each in first] == pytest.approx([*away[:-1], away[-1] + 0.05 * 1.5])
    lingering = replace(proposals(), usual=None, lingers=True).first()
    assert [each.rung for each in lingering] == list(range(-1, 4)), "sigmoids need longer steps"
    alone = replace(proposals(shape=(1.0,)), usual=9.0).first()
    assert {each.unusual for each in alone} == {0.0}


def test_the_ladder_grows_where_its_end_leads() -> None:
    """By two rungs at most, at either end, and not for a leader between the ends or without a rung."""
    own = proposals()
    first = own.first()
    ladder = [-1, 0, 1, 2, 3]
    above, below = own.beside(first[4], ladder), own.beside(first[0], ladder)
    assert above is not None
    assert below is not None
    assert (above.rung, below.rung) == (4, -2)
    assert above.stepsizes == pytest.approx(np.multiply(2, first[4].stepsizes))
    assert below.stepsizes == pytest.approx(np.divide(first[0].stepsizes, 2))
    assert (above.source, below.source) == ("16/U by layer", "0.25/U by layer")
    assert own.beside(first[2], ladder) is None
    further = present(own.beside(above, [*ladder, 4]))
    assert further.rung == 5
    assert own.beside(further, [*ladder, 4, 5]) is None, "two are enough"
    assert own.beside(above, [*ladder, -2, 4]) is None, "at both ends together"
    given = proposals(training={"stepsize": [0.07, 0.05]})
    assert given.beside(given.first()[0], [0]) is None


def test_a_fixed_stepsize_is_the_only_candidate() -> None:
    (only,) = proposals(training={"stepsize": [0.07, 0.05]}).first()
    assert only.stepsizes == (0.07, 0.05)
    assert only.rung is None


def test_nothing_open_has_no_variants() -> None:
    open_only = proposals()
    assert open_only.variants(open_only.first()[3]) == []


def test_other_decays_are_as_long_in_the_eighth_iteration() -> None:
    free = proposals(search={"decay": [0.0, 0.25, 0.5], "batch_size": [16], "keep_prob": [1.0]})
    leader = free.first()[4]
    found = changed(leader, free.variants(leader), "decay")
    assert [each.decay for each in found] == [0.25, 0.5]
    for each in found:
        assert [g * 8**-each.decay for g in each.stepsizes] == pytest.approx(leader.stepsizes)
        assert each.iterations == leader.iterations
    back = changed(found[1], free.variants(found[1]), "decay")
    assert [each.decay for each in back] == [0.0, 0.25]
    assert back[0].stepsizes == pytest.approx(leader.stepsizes)


def test_a_fixed_stepsize_stays_as_it_is_at_other_decays() -> None:
    fixed = proposals(
        training={"stepsize": [0.07, 0.05]},
        search={"decay": [0.0, 0.5], "batch_size": [4, 16], "keep_prob": [1.0]},
    )
    found = fixed.variants(fixed.first()[0])
    assert {(each.decay, each.batch_size) for each in found} == {(0.5, 16), (0.0, 4)}
    assert all(each.stepsizes == (0.07, 0.05) for each in found)


def advised(batch: float, iterations: int) -> float:
    lasting = min(1 / 4.0, 2.0 * np.sqrt(batch / (25.0 * iterations)))
    return float(max(lasting, 1 / (4.0 + 25.0 / (0.01 * batch))))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([16], []),
        ([4, 16, 64], [4, 64]),
        ([2, 4, 8, 16, 32, 64, 128], [2, 8, 128]),
        ({"min": 2, "max": 1000}, [2, 64, 1000]),
        ({"min": 8, "max": 20}, [8, 20]),
        ({"min": 16, "max": 64}, [64]),
        ({"min": 1, "max": 10**6}, [1, 64]),  # the largest would take more than the whole training
        ({"min": 5, "max": 18_000}, [5, 64, 18_000]),  # one batch, since two would be too much
    ],
)
def test_other_batch_sizes_take_equal_samples(sizes: Any, expected: list[int]) -> None:
    free = proposals(search={"batch_size": sizes, "keep_prob": [1.0]})
    leader = free.first()[1]
    found = changed(leader, free.variants(leader), "batch_size")
    assert [each.batch_size for each in found] == expected
    for each in found:
        assert leader.samples - each.batch_size < each.samples <= leader.samples
        change = advised(each.batch_size, each.iterations) / advised(16, 2000)
        assert each.stepsizes == pytest.approx(np.multiply(change, leader.stepsizes))


def test_fixed_iterations_have_no_other_batch_sizes() -> None:
    fixed = proposals(training={"iterations": 2000}, search={"batch_size": [4, 16, 64], "keep_prob": [1.0]})
    assert fixed.variants(fixed.first()[0]) == []


def test_iterations_stay_within_their_range() -> None:
    search = {"batch_size": [4, 16, 64], "keep_prob": [1.0], "iterations": {"min": 1000, "max": 3000}}
    free = proposals(search=search)
    leader = free.first()[0]
    assert changed(leader, free.variants(leader), "batch_size") == [], "64 would take too few, 4 too many"


@pytest.mark.parametrize(
    ("searched", "expected"),
    [
        ([1.0], []),
        ([0.5, 1.0], [0.5]),
        ({"min": 0.5, "max": 1.0}, [0.5, 0.75]),
        ({"min": 0.6, "max": 0.9}, [0.6, 0.75, 0.9]),
        ([0.2, 0.4, 0.5, 0.6, 0.8, 1.0], [0.2, 0.5, 0.8]),
    ],
)
def test_other_keep_probabilities(searched: Any, expected: list[float]) -> None:
    free = proposals(search={"keep_prob": searched, "batch_size": [16]})
    leader = free.first()[2]
    found = changed(leader, free.variants(leader), "keep_prob")
    assert [each.keep_prob for each in found] == pytest.approx(expected)
    assert all(
        replace(each, keep_prob=1.0, source=leader.source, rung=leader.rung) == leader for each in found
    )


def test_one_knob_at_a_time_and_three_values_each() -> None:
    free = proposals(
        search={
            "decay": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
            "batch_size": [1, 2, 4, 8, 16, 32],
            "keep_prob": {"min": 0.5, "max": 1.0},
        }
    )
    leader = free.first()[4]
    found = free.variants(leader)
    knobs = ("decay", "batch_size", "keep_prob")
    counts = [sum(getattr(each, knob) != getattr(leader, knob) for each in found) for knob in knobs]
    assert counts == [3, 3, 2]
    assert len(found) == 8


def test_a_single_layer_has_one_stepsize_and_no_masks() -> None:
    flat = proposals(kind="single_layer", shape=(1.0,), search={"batch_size": [4, 16]})
    assert all(len(each.stepsizes) == 1 for each in flat.first())
    assert {each.keep_prob for each in flat.variants(flat.first()[0])} == {1.0}


@pytest.mark.usefixtures("recipes")
def test_of_other_units_and_losses_no_stepsize_is_usual() -> None:
    """What was found with sigmoids and squared error says nothing of them: 1/U is expected instead."""
    inputs = np.full((3, 4), 0.5)
    assert usual_stepsize(Network("multilayer", (4, 16, 2), (5.0, 5.0)), inputs) is not None
    others = Network("multilayer", (4, 16, 2), (5.0, 5.0), 1.0, ("softsign",))
    assert usual_stepsize(others, inputs) is None
    assert usual_stepsize(Network("single_layer", (4, 2), (), 1.0, (), "huber"), inputs) is None
