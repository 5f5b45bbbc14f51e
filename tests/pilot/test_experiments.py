"""Why a network learns nothing: whether what is named is what helps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_automatic import RACED

from rsgadvise.advise.results import TrainingPlan
from rsgadvise.pilot import DEFAULT_WORK
from rsgadvise.pilot.advice import advise_with_data
from rsgadvise.pilot.experiments import Experiment, Explorer, boxed_share
from rsgadvise.pilot.race import Candidate, Heat
from rsgadvise.pilot.reporting import Reporter, raced_plan
from rsgadvise.pilot.results import PilotAdvice, PilotReport, Raced
from rsgadvise.pilot.task import Spending, Task
from rsgadvise.show.report.advice import lead
from rsgadvise.spec import Spec
from rsgadvise.training.generated import moments_of
from rsgadvise.training.networks import Data, Network

Float = NDArray[np.float64]
RNG = np.random.default_rng(0)
X = RNG.random((500, 12))
LABELS = np.argmax((X - 0.5) @ (3 * RNG.standard_normal((12, 3))), axis=1)
Y = np.eye(3)[LABELS]


def found_for(
    x: Float, y: Float, layers: list[int], box: Any = 5.0, seed: int = 0, **training: Any
) -> tuple[TrainingPlan, tuple[Experiment, ...], PilotAdvice]:
    data = Data(x, y)
    moments = moments_of(data)
    names = ("mean", "mean_square", "second_moment", "top_eigenvalue")
    measured = {**{name: getattr(moments, name) for name in names}, "samples": len(x)}
    fixed = {"batch_size": 16, "iterations": 4000, "keep_prob": 1.0, **training}
    network = {"kind": "multilayer", "layers": layers, "weight_bound": box}
    spec = Spec.model_validate({"network": network, "training": fixed})
    with np.errstate(all="ignore"):
        spending = Spending(1.0, DEFAULT_WORK)
        advice = advise_with_data(spec, data, spending=spending, seed=seed, top=3, measured=measured)
    assert isinstance(advice, PilotAdvice)
    assert advice.train is not None
    assert advice.cost <= 1
    return advice.train, advice.pilot.experiments, advice


@pytest.mark.parametrize("seed", range(3))
def test_a_box_that_is_too_narrow_is_named(seed: int) -> None:
    plan, tried, advice = found_for(X, Y, [12, 8, 3], 0.05, seed)
    assert plan.learns is False
    assert "is the box: with a box of 5 instead of 0.05 (network.weight_bound) the loss was" in plan.reason
    best = min((each for each in tried if each.helps), key=lambda each: each.loss)
    assert (best.change, best.value) == ("weight_bound", 5.0)
    assert best.loss < 0.8 * Y.var(axis=0).sum()
    assert f"{best.loss:.4g} against {best.without:.4g}" in plan.reason
    assert plan.reason in advice.notes
    if seed == 0:  # the same network learns with it, and nothing was tried there
        wide, nothing, _ = found_for(X, Y, [12, 8, 3], 5.0, seed)
        assert (wide.learns, wide.reason, nothing) == (True, "", ())


def test_columns_crushed_by_outliers_are_named() -> None:
    crushed = X * 1e-3
    crushed[:4] = RNG.random((4, 12))
    plan, tried, _ = found_for(crushed, Y, [12, 8, 3])
    assert plan.learns is False
    (scaling,) = [each for each in tried if each.change == "scaling"]
    assert scaling.helps
    assert "the data, whose columns are crushed by outliers: with robust scaling" in plan.reason


def test_a_network_without_biases_is_named() -> None:
    """XOR: the output can be no more than half right while every hidden unit says 1/2 at the origin."""
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.array([[0.0], [1], [1], [0]])
    plan, tried, advice = found_for(x, y, [2, 2, 1], 10.0, 1, batch_size=4, iterations=20_000)
    assert plan.learns is True
    (bias,) = tried
    assert (bias.change, bias.helps) == ("bias", True)
    assert bias.loss < 0.8 * bias.without
    said = [note for note in advice.notes if note.startswith("What holds it back")]
    assert len(said) == 1
    assert "with biases (network.bias: true)" in said[0]
    assert plan.reason == said[0]
    assert said[0] in " ".join(lead(advice)), "what would help most stands beside the answer"


def test_what_needs_no_change_is_not_blamed() -> None:
    """Targets that have nothing to do with the inputs: nothing helps, and nothing is said to."""
    noise = np.eye(3)[np.random.default_rng(5).integers(0, 3, len(X))]
    plan, tried, _ = found_for(X[:, :2], noise, [2, 3, 3])
    assert plan.learns is None, "who knows what the rest of the training does"
    assert tried
    assert not any(each.helps for each in tried)
    assert plan.reason.startswith("Tried without help, none clearly better than a constant prediction's")
    assert plan.reason.endswith("the inputs may say nothing of the target.")


def report_of(outcome: str, loss: float, share: float, *helped: str, still: bool = True) -> PilotReport:
    first = Raced((1.0,), 0.0, 16, 1.0, "1/U", share, loss, None, outcome)
    tried: Any = [Experiment(change, "words", None, 0.5, share, loss, True) for change in helped]  # type: ignore[arg-type]
    return PilotReport(0, (first,), 1.0, 0.9, experiments=tuple(tried), stands_still=still)


@pytest.mark.parametrize(
    ("report", "learns", "said"),
    [
        (report_of("won", 0.9, 0.2), True, ""),
        (report_of("won", 0.9, 0.2, "bias"), True, "What holds it back, by experiment, is a network without"),
        (report_of("won", 0.99, 0.2), None, "by then it had done no better than a constant prediction"),
        (replace(report_of("won", 0.9, 0.2), loss=1.02), None, "its first run, for longer, had done better"),
        (report_of("won", 0.99, 0.2, "scaling"), False, "What holds it back, by experiment, is the data"),
        (report_of("won", 0.99, 0.2, "scaling", still=False), None, "Faster, by experiment, while its loss"),
        (report_of("won", 0.99, 1.0), False, ""),
        (
            report_of("won", 0.99, 0.2, "iterations", "stepsize"),
            True,
            "It takes longer than the race to learn",
        ),
        (report_of("no better than a constant", 1.2, 0.2), None, "by then it had done no better"),
        (report_of("no better than a constant", 1.2, 0.2, "weight_bound"), False, "What holds it back"),
        (report_of("no better than a constant", 1.2, 0.2, "stepsize", still=False), None, "Faster, by exp"),
        (report_of("no better than a constant", 1.2, 1.0), False, ""),
        (report_of("not run", math.inf, 0.0, still=False), None, ""),
    ],
)
def test_whether_it_learns(report: PilotReport, learns: bool | None, said: str) -> None:
    plan = raced_plan(RACED, report, spread=None)
    assert plan.learns is learns
    assert plan.reason.startswith(said) if said else plan.reason == ""


def test_what_helps_a_little_is_not_all_that_is_wrong() -> None:
    found = report_of("won", 0.99, 0.2, "stepsize")
    tried = replace(found.experiments[0], loss=0.9)
    for report, little in ((found, False), (replace(found, experiments=(tried,)), True)):
        assert (
            "That is little: the inputs may say nothing" in raced_plan(RACED, report, spread=None).reason
        ) == little


def explorer_for(gamma: float, layers: tuple[int, ...] = (12, 8, 3), box: float = 5.0) -> Explorer:
    """After a race whose best took this stepsize for 400 of 4,000 iterations."""
    network = Network("multilayer", layers, (box,) * (len(layers) - 1))
    task = Task.of(network, Data(X, Y), seed=0, hold_out=False)
    heat = Heat(task, key=0, threads=1)
    leader = heat.enter(Candidate((gamma,) * (len(layers) - 1), 0.0, 16, 4000, 1.0, "planted"))
    heat.advance([leader], share=0.1)
    return Explorer(task, leader, float(Y.var(axis=0).sum()), 60_000.0, 1)


def test_a_wider_box_gets_no_credit_for_a_longer_stepsize() -> None:
    """Both stepsizes that are tried in a wider box would do as well in the old one."""
    explorer = explorer_for(1e-3)
    found = explorer.explore(["weight_bound"])
    (only,) = found
    assert only.helps
    assert only.change == "stepsize"
    assert "box" not in only.words
    assert explorer.work <= explorer.left


def test_longer_stepsizes_and_more_iterations() -> None:
    by_change: dict[str, list[Experiment]] = {}
    explorer = explorer_for(0.02)
    for each in explorer.explore(["stepsize", "iterations"]):
        by_change.setdefault(each.change, []).append(each)
    assert [each.value for each in by_change["stepsize"]] == [8.0, 64.0]
    assert any(each.helps for each in by_change["stepsize"])
    (longer,) = by_change["iterations"]
    assert longer.share > explorer.leader.done == 0.1
    assert longer.value == pytest.approx(longer.share / 0.1)
    assert explorer.work <= explorer.left
    assert explorer_for(0.02).explore([]) == []
    assert not explorer._helps(explorer.constant, 2 * explorer.constant), "no better than a constant"


@pytest.mark.parametrize("left", [0.0, 30.0, 500.0, 3_000.0, 20_000.0])
def test_experiments_keep_to_their_work(left: float) -> None:
    explorer = replace(explorer_for(1e-3), left=left)
    found = explorer.explore(["weight_bound", "scaling", "bias", "stepsize", "iterations"])
    assert explorer.work <= left
    assert bool(found) == (left >= 500)


def test_share_of_weights_at_the_box() -> None:
    task = explorer_for(0.1).task
    weights: Any = [np.zeros((1, 8, 12)), np.zeros((1, 3, 8))]
    assert boxed_share(task, weights) == 0
    weights[0][0, :2] = -5.0
    weights[1][0, 0, 0] = 5.0
    weights[1][0, 0, 1] = 4.99
    assert boxed_share(task, weights) == 25 / 120


@pytest.mark.parametrize(("box", "widened"), [(0.6, True), (50.0, False)])
def test_a_box_that_nobody_gave_is_widened_where_weights_touch_it(
    box: float, widened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:

    def free(*arguments: Any, **named: Any) -> Reporter:
        return replace(Reporter(*arguments, **named), free_box=True)

    given_box, _, _ = found_for(X, Y, [12, 8, 3], box)
    assert given_box.weight_bound == box
    monkeypatch.setattr("rsgadvise.pilot.advice.Reporter", free)
    plan, _, advice = found_for(X, Y, [12, 8, 3], box)
    assert plan.weight_bound == (5.0 if widened else box)
    said = [note for note in advice.notes if note.startswith("No network.weight_bound is given")]
    assert len(said) == widened
    if widened:
        assert said[0].endswith("train in that one, with network.weight_bound: 5.")
