"""Advice whose size nobody gives: what work it takes, and that nothing is too small for it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import present

import rsgadvise
from rsgadvise.advise.results import Advice, Guarantee, Look, TrainingPlan, cooled
from rsgadvise.numerals import number
from rsgadvise.pilot import DEFAULT_WORK
from rsgadvise.pilot.advice import advise_with_data
from rsgadvise.pilot.advising import COOLDOWN, COOLDOWN_LONG, with_cooldown
from rsgadvise.pilot.results import PilotAdvice
from rsgadvise.pilot.task import FEWEST_SAMPLES, Spending, multiply_adds
from rsgadvise.show.report.advice import lead
from rsgadvise.spec import Spec
from rsgadvise.training.generated import moments_of
from rsgadvise.training.networks import Data, Network

X = np.random.default_rng(0).random((400, 12))
Y = np.eye(3)[np.argmax((X - 0.5) @ np.random.default_rng(1).standard_normal((12, 3)), axis=1)]
NETWORK: dict[str, Any] = {"kind": "multilayer", "layers": [12, 6, 3], "weight_bound": 20.0}


def automatic(
    *, rows: int = 400, work: float = DEFAULT_WORK, seed: int = 0, network: Any = NETWORK, **sections: Any
) -> Advice:
    data = Data(X[:rows], X[:rows] if network["kind"] == "autoencoder" else Y[:rows])
    moments = moments_of(data)
    names = ("mean", "mean_square", "second_moment", "top_eigenvalue")
    measured = {**{name: getattr(moments, name) for name in names}, "samples": rows}
    spec = Spec.model_validate({"network": network, **sections})
    with np.errstate(all="ignore"):
        spending = Spending(1.0, work)
        return advise_with_data(spec, data, spending=spending, seed=seed, top=5, measured=measured)


PLAN = {"batch_size": 16, "iterations": 4000, "keep_prob": 1.0}
FEWEST = 900  # gradients: calibration with the fewest rows, by layer too


def test_one_training_is_enough_where_work_is_not_short(counted: list[float]) -> None:
    found = automatic(training=PLAN)
    assert isinstance(found, PilotAdvice)
    assert 0.5 < found.cost <= 1
    assert counted[0] <= 64_000
    plan = present(found.train)
    assert (plan.source, plan.learns, plan.batch_size, plan.iterations) == ("raced", True, 16, 4000)
    assert (plan.stepsize, plan.epochs) == (found.recommendations[0].stepsize, 160)
    assert present(plan.loss) < found.pilot.constant_loss == plan.constant_loss
    assert (plan.held_out_error, plan.weight_bound) == (found.pilot.held_out_error, 20.0)
    assert present(plan.spread) >= 1


@pytest.mark.parametrize("share", [1e-4, 1e-3, 0.01, 0.02, 0.1, 0.3])
def test_work_is_the_limit(share: float, counted: list[float]) -> None:
    """Counted in gradients where they are computed, times what one of them takes."""
    network = Network("multilayer", (12, 6, 3), (20.0, 20.0))
    training = 64_000 * multiply_adds(network, 16)
    found = automatic(training=PLAN, work=share * training)
    assert found.train is not None
    assert counted[0] <= max(share * 64_000, FEWEST)
    raced = isinstance(found, PilotAdvice) and any(each.outcome == "won" for each in found.pilot.raced)
    assert raced == (share >= 0.1)
    assert found.train.source == ("raced" if raced else "calibrated")
    # A race of some ten iterations does not say of a training of 4,000 that it learns nothing.
    assert found.train.learns is not False


KINDS = ["single_layer", "autoencoder", "multilayer"]
# Every two of network, rows and iterations meet.
SHORT = [
    (KINDS[(row + column) % 3], rows, iterations)
    for row, rows in enumerate([1, 2, 5, 112])
    for column, iterations in enumerate([1, 2, 3, 5, 8, 35])
]


@pytest.mark.parametrize(("kind", "rows", "iterations"), SHORT)
def test_no_training_is_too_short(kind: str, rows: int, iterations: int, counted: list[float]) -> None:
    layers = {"single_layer": [12, 3], "autoencoder": [12, 4], "multilayer": [12, 4, 3]}[kind]
    network = {"kind": kind, "layers": layers, "weight_bound": None if kind == "single_layer" else 5.0}
    network = {key: value for key, value in network.items() if value is not None}
    found = automatic(rows=rows, network=network, training={"batch_size": 16, "iterations": iterations})
    assert present(found.train).iterations == iterations
    assert counted[0] <= max(FEWEST, FEWEST_SAMPLES)
    assert math.isfinite(found.cost)


@pytest.mark.parametrize(("eps", "said"), [(1e-12, True), (1e6, False)])
def test_a_target_that_is_left_aside_is_said_to_be(eps: float, said: bool) -> None:
    """No plan meets the first, and any training the second."""
    training = {"batch_size": 16, "keep_prob": 1.0}
    spec = {"network": NETWORK, "target": {"eps": eps, "delta": 1e-6}, "training": training}
    found = rsgadvise.recommend(spec, data=(X, Y), work=1e7)
    assert found.guarantee is None
    assert any(note.startswith("No proven plan meets the target") for note in found.notes) == said


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("value", [0.0, 0.3])
def test_the_same_target_in_every_row_is_no_success(optimizer: str, value: float) -> None:
    spec = {
        "network": {**NETWORK, "layers": [12, 6, 1], "activation": "relu"},
        "training": {"optimizer": optimizer},
        "budget": {"epochs": 10},
    }
    for targets, same in ((np.full((400, 1), value), True), (Y[:, :1], False)):
        advice = rsgadvise.recommend(spec, data=(X, targets), work=1e8)
        assert isinstance(advice, Advice)
        assert advice.train is not None
        assert (advice.train.learns is False and "same target" in advice.train.reason) == same
        assert ("learns nothing so: every row has the same target" in " ".join(str(advice).split())) == same


def test_counts() -> None:
    """By hand: products of each matrix, three times; an autoencoder passes its matrix twice."""
    deep = Network("multilayer", (5, 4, 3))
    tied = Network("autoencoder", (5, 4), (1.0,))
    assert multiply_adds(deep, 8) == pytest.approx(3 * (20 + 12) + 50 * 12 + 4e5 / 8)
    assert multiply_adds(tied, 8) == pytest.approx(3 * (20 + 20) + 50 * 14 + 4e5 / 8)
    assert Spending(0.5).samples(deep, batch_size=8, training=1000) == 500
    each = multiply_adds(deep, 8)
    assert Spending(1.0, each * 700).samples(deep, batch_size=8, training=10**6) == pytest.approx(700)
    assert Spending(1.0, each * 10**9).samples(deep, batch_size=8, training=10**6) == 10**6
    assert Spending(1.0, each * 10**9).samples(deep, batch_size=8, training=10) == FEWEST_SAMPLES


def test_calibration_alone_has_a_plan_too() -> None:
    spec = Spec.model_validate({"network": NETWORK, "training": PLAN})
    found = advise_with_data(spec, Data(X, Y), spending=None, seed=0, top=3, measured=None)
    plan = present(found.train)
    assert (plan.source, plan.learns, plan.loss) == ("calibrated", None, None)
    assert isinstance(plan.stepsize, tuple)
    assert {plan.common_stepsize} == set(plan.stepsize)
    assert plan.constant_loss == pytest.approx(Y.var(axis=0).sum())
    moves = [math.log(1 + each.stepsize_change) for each in found.measured]
    assert plan.spread == pytest.approx(math.exp(2 * math.hypot(*moves)))


RACED = TrainingPlan(
    stepsize=2.0, common_stepsize=2.0, decay=0.0, stopping="last", batch_size=8, iterations=40, epochs=None,
    keep_prob=1.0, dropout_rate=0.0, weight_bound=None, source="raced",
)  # fmt: skip


def test_what_was_raced_or_is_typical_ends_at_a_stepsize_of_0() -> None:
    open_spec = Spec.model_validate({"network": NETWORK})
    for plan in (RACED, replace(RACED, source="typical", stopping="uniform")):
        found = with_cooldown(plan, open_spec)
        assert (found.stopping, found.schedule, found.cooldown) == ("end", "linear", COOLDOWN)
        assert replace(found, stopping=plan.stopping, schedule="constant", cooldown=0.0) == plan
    for optimizer, share in (("momentum", COOLDOWN), ("adam", COOLDOWN_LONG)):
        spec = Spec.model_validate({"network": NETWORK, "training": {"optimizer": optimizer}})
        assert with_cooldown(RACED, spec).cooldown == share


@pytest.mark.parametrize(
    ("change", "sections"),
    [
        pytest.param({"source": "theorem"}, {}, id="its bound is about a constant stepsize"),
        pytest.param({"source": "calibrated"}, {}, id="nothing was trained"),
        pytest.param({"stopping": "uniform"}, {}, id="earlier weights were better"),
        pytest.param({"decay": 0.5}, {}, id="it falls already"),
        pytest.param({}, {"search": {"decay": [0.0, 0.5]}}, id="the spec asks how it should fall"),
        pytest.param({}, {"training": {"decay": 0.0}}, id="the spec says that it does not fall"),
        pytest.param({}, {"training": {"stepsize": 2.0}}, id="the spec fixes it"),
        pytest.param({}, {"training": {"stopping": "last"}}, id="the spec draws R"),
    ],
)
def test_what_stays_as_it_is(change: dict[str, Any], sections: dict[str, Any]) -> None:
    plan = replace(RACED, **change)
    assert with_cooldown(plan, Spec.model_validate({"network": NETWORK, **sections})) == plan


@pytest.mark.parametrize(("iterations", "share"), [(1, 0.05), (7, 1.0), (40, 0.05), (1000, 0.3), (50, 0.0)])
def test_a_stepsize_falls_on_a_line_that_ends_at_0(iterations: int, share: float) -> None:
    k = np.arange(1, iterations + 1)
    line = np.interp(k, [iterations * (1 - share), iterations + 1], [1, 0])
    found = [cooled(each, iterations, share) for each in k.tolist()]
    np.testing.assert_allclose(found, line, rtol=1e-12)
    assert min(found) > 0


def test_the_answer_says_how_sure_it_is_and_what_else_a_proof_is_for() -> None:
    found = rsgadvise.recommend({"network": NETWORK}, data=(X, Y), work=1e8)
    assert found.train is not None
    assert found.train.spread is not None
    said = " ".join(str(found).split())
    assert f"(known within a factor of {number(found.train.spread, 2)}) reached a" in said
    assert "the stepsize falling linearly to 0 over the last 5 %" in said
    promise = Guarantee("s", 0.01, 8, 9, 1, 0.5, 0.5, "paper", "(1)", True, False, keep_prob=0.75, claim="c")
    (proven,) = (line for line in lead(replace(found, guarantee=promise)) if line.startswith("Proven"))
    assert proven == "Proven for stepsize 0.01 and dropout 0.25 instead: c."
    said = " ".join(lead(replace(found, guarantee=replace(promise, bound=1.5e6, useful=False))))
    assert "Nothing useful is proven: the smallest bound on the expected squared gradient norm is 1" in said
    assert "Proven for" not in said
    for error, constant, no_better in ((0.3, 0.3, True), (0.29, 0.3, False), (0.1, 0.0, True)):
        plan = replace(found.train, held_out_error=error, constant_error=constant)
        said = " ".join(lead(replace(found, train=plan)))
        assert ("that is no better than the commonest class" in said) == no_better
    for scaling, fix in ((None, "name a data file"), ("none", "leave out --constants")):
        plan = replace(found.train, source="typical", reason="", scaling=scaling)
        assert f"your data; {fix} to have it measured." in " ".join(lead(replace(found, train=plan)))


@pytest.mark.parametrize(
    ("held_out_loss", "whole", "why"),
    [
        (0.24, False, "though by their loss, 0.24"),
        (0.24, True, "though by their loss, 0.24"),
        (0.35, True, "the inputs may say nothing of the target"),
        (0.35, False, "it learns its rows by heart"),
    ],
)
def test_no_better_by_labels_may_be_better_by_loss(held_out_loss: float, whole: bool, why: str) -> None:
    """Of a rare class no label may be right where probabilities are."""
    found = rsgadvise.recommend({"network": NETWORK}, data=(X, Y), work=1e8)
    assert found.train is not None
    plan = replace(
        found.train,
        learns=True,
        reason="",
        loss=0.2,
        constant_loss=0.3,
        held_out_loss=held_out_loss,
        held_out_error=0.05,
        constant_error=0.05,
        looks=(Look(found.train.iterations, 0.2, held_out_loss, 0.05),) if whole else (),
    )
    said = " ".join(" ".join(lead(replace(found, train=plan))).split())
    assert "that is no better than the commonest class" in said
    told = [each for each in ("though by their loss", "nothing of the target", "by heart") if each in said]
    assert len(told) == 1
    assert why in said
