"""Calibrated constants: the stepsize for the loss against a grid, bounds against their formulas by hand."""

from __future__ import annotations

import json
import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from conftest import present
from numpy.typing import NDArray

from rsgadvise.advise import wording
from rsgadvise.advise.recommend import rank, ranking_objective
from rsgadvise.advise.results import Advice
from rsgadvise.advise.space import search_space
from rsgadvise.show.formats.json import as_json
from rsgadvise.show.report.blocks import as_document
from rsgadvise.spec import Spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.calibrated import LossObjective, loss_stepsize
from rsgadvise.theory.judge import objective_for
from rsgadvise.theory.objective import Plans, Schedule
from rsgadvise.theory.problem import MeasuredConstants, Problem
from rsgadvise.theory.theorems import theorem_for

Float = NDArray[np.float64]
NETWORKS: dict[str, dict[str, Any]] = {
    "single_layer": {"kind": "single_layer", "layers": [20, 4]},
    "autoencoder": {"kind": "autoencoder", "layers": [20, 5], "weight_bound": 0.5},
    "multilayer": {"kind": "multilayer", "layers": [20, 8, 4], "weight_bound": 0.8},
}
KINDS = list(NETWORKS)
KNOWN = MeasuredConstants(smoothness=3.0, layer_variances=(0.7, 0.4), distance=2.5, loss=0.02)


def spec(kind: str, **sections: Any) -> Spec:
    data = {"mean": 0.3, "mean_square": 0.1, "second_moment": 0.15, "top_eigenvalue": 2.0, "samples": 5000}
    return Spec.model_validate({"network": NETWORKS[kind], "data": data, **sections})


def measured_problem(wanted: Spec, known: MeasuredConstants = KNOWN, initial_loss: float = 1.3) -> Problem:
    plain = resolve(wanted)
    each = known.layer_variances[: plain.stepsizes]
    return Problem(
        kind=plain.kind,
        layers=plain.layers,
        weight_bounds=plain.weight_bounds,
        pretraining=plain.pretraining,
        moments=plain.moments,
        initial_loss=initial_loss,
        samples=plain.samples,
        assumed=(),
        measured=MeasuredConstants(known.smoothness, each, known.distance, known.loss),
    )


def advice_for(
    kind: str, known: MeasuredConstants = KNOWN, initial_loss: float = 1.3, **sections: Any
) -> Advice:
    wanted = spec(kind, **sections)
    problem = measured_problem(wanted, known, initial_loss)
    return rank(problem, search_space(wanted, problem), constants="calibrated", top=5)


def numerator(gamma: Float, known: MeasuredConstants, batch: float, n: int, decay: float) -> Float:
    """D^2/gamma + gamma sigma^2/B sum_k k^(-2 rho), the sum by a plain loop."""
    steps = math.fsum(k ** (-2 * decay) for k in range(1, n + 1))
    return known.distance**2 / gamma + gamma * steps * sum(known.layer_variances) / batch


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.5, 1.0])
def test_the_stepsize_is_the_best_of_a_grid(decay: float) -> None:
    longest = 1 / KNOWN.smoothness
    grid = longest * np.geomspace(1e-6, 1, 200_001)
    for batch, n in product((1, 40, 5000), (1, 17, 2000)):
        lasting = grid[np.argmin(numerator(grid, KNOWN, batch, n, decay))]
        # The bound where noise is in proportion to the loss: smallest where gamma (2 - gamma V) is largest.
        shrinking = grid[np.argmax(grid * (2 - grid * (3.0 + 1.1 / (0.02 * batch))))]
        size, steps = np.asarray(float(batch)), np.asarray(n)
        found = loss_stepsize(KNOWN, batch_size=size, iterations=steps, decay=decay)
        assert float(found) == pytest.approx(max(lasting, shrinking), rel=2e-4), (batch, n)
        assert found <= longest


@pytest.mark.parametrize(
    ("variance", "distance", "expected"),
    [
        (0.0, 2.0, 1 / 3),  # no noise: as long as the curvature allows
        (0.0, 0.0, 1 / 3),  # 0/0
        (0.5, 0.0, 0.0),  # at a minimiser only noise can come
        (0.5, 1e-9, pytest.approx(1e-9 * math.sqrt(8 / 0.5 / 100))),
        (0.5, 1e150, 1 / 3),
        (1e-320, 1.0, 1 / 3),
    ],
)
def test_stepsizes_at_the_edges(variance: float, distance: float, expected: float) -> None:
    known = MeasuredConstants(smoothness=3.0, layer_variances=(variance,), distance=distance, loss=0.0)
    found = loss_stepsize(known, batch_size=np.asarray(8.0), iterations=np.asarray(100.0))
    assert float(found) == pytest.approx(expected)


def by_hand(problem: Problem, gammas: Float, batch: float, n: float) -> float:
    """The bound at constant stepsizes and uniform R."""
    known = present(problem.measured)
    u, loss = known.smoothness, problem.initial_loss
    floor = sum(known.layer_variances) / batch
    if problem.kind == "single_layer":
        (gamma,) = gammas
        return float((loss / (n * gamma) + u * floor * gamma / 2) / (1 - u * gamma / 2))
    noise = sum(g * v / batch for g, v in zip(gammas, known.layer_variances, strict=True))
    a = (loss / n + noise) / min(g * (1 - u * g / 2) for g in gammas)
    return float((math.sqrt(a) + math.sqrt(floor)) ** 2)


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_is_that_of_the_descent_argument(kind: str) -> None:
    for gammas in [(0.2, 0.2), (0.05, 0.3), (0.6, 0.1)]:
        problem = measured_problem(spec(kind))
        stepsize = np.asarray([gammas]) if kind == "multilayer" else np.asarray(gammas[:1])
        one, batch, n = np.ones(1), np.array([32.0]), np.array([400.0])
        for zeta in (one, 0.5 * one):  # measured at one keep probability, so the same for all
            for objective in (
                theorem_for(problem, "calibrated").objective,
                objective_for(problem, "calibrated"),
            ):
                found = objective.bound(Plans(stepsize, zeta, batch, n, Schedule()))
                assert float(found.value[0]) == pytest.approx(
                    by_hand(problem, stepsize[0:1].ravel(), 32, 400)
                )


def test_nothing_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="have to be measured first"):
        _ = theorem_for(resolve(spec("single_layer")), "calibrated").objective


@pytest.mark.parametrize("kind", KINDS)
def test_outside_its_range_there_is_no_bound(kind: str) -> None:
    """Null in JSON, with a note, and not a word of a proof."""
    edge = 2 / KNOWN.smoothness
    training = {"batch_size": 8, "iterations": 50, "keep_prob": 1.0}
    for gamma, inside in ((0.99 * edge, True), (edge, False), (5 * edge, False), (1e9, False)):
        stepsize = [0.1, gamma] if kind == "multilayer" else gamma
        advice = advice_for(kind, training={**training, "stepsize": stepsize})
        (row,) = advice.recommendations
        document = as_document("recommend", advice)
        (shown,) = json.loads(as_json(document))["recommendations"]
        assert math.isfinite(row.bound) == inside
        assert (shown["bound"] is None) != inside
        assert not row.proven
        assert math.isfinite(row.certified_bound)
        assert (
            any(note.startswith("No bound: the stepsize lies outside (0, ") for note in row.notes) != inside
        )
        assert any("written as null" in note for note in document["notes"]) != inside
        assert row.terms or not inside
        assert row.vacuous or inside


@pytest.mark.parametrize("kind", KINDS)
def test_measured_constants_prove_nothing_however_large(kind: str) -> None:
    """Even where the certified bound happens to be the smaller one."""
    wild = MeasuredConstants(smoothness=1e4, layer_variances=(1e6, 1e6), distance=1.0, loss=1.0)
    for known, loss in ((wild, 1e9), (KNOWN, 1.3)):
        advice = advice_for(kind, known, loss)
        assert advice.recommendations
        assert not any(row.proven for row in advice.recommendations)
        assert not any(wording.NOT_PROVEN in row.notes for row in advice.recommendations)
    best = advice_for(kind, wild, 1e9).recommendations[0]
    assert best.certified_bound < best.bound, "planted"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_the_advice_takes_the_stepsize_for_the_loss(kind: str, decay: float) -> None:
    noisy = MeasuredConstants(smoothness=0.5, layer_variances=(900.0, 40.0), distance=3.0, loss=0.5)
    advice = advice_for(kind, noisy, training={"decay": decay}, search={"batch_size": [4, 64, 1024]})
    for row in advice.recommendations:
        variance = 940.0 if kind == "multilayer" else 900.0
        steps = sum(k ** (-2 * decay) for k in range(1, row.iterations + 1))
        lasting = min(2.0, 3.0 * math.sqrt(row.batch_size / variance / steps))
        expected = max(lasting, 1 / (0.5 + variance / (0.5 * row.batch_size)))
        assert row.stepsize == pytest.approx((expected,) * 2 if kind == "multilayer" else expected)
        assert row.keep_prob == 1, "nothing was measured at others"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_batches_are_ranked_by_the_loss_score(kind: str, decay: float) -> None:
    for variance, loss in [(0.02, 0.5), (900.0, 0.5), (900.0, 1e-4)]:
        known = MeasuredConstants(
            smoothness=2.0, layer_variances=(variance, 0.5 * variance), distance=3.0, loss=loss
        )
        advice = advice_for(
            kind,
            known,
            training={"decay": decay},
            search={"batch_size": [1, 8, 64, 512]},
            budget={"samples": 50_000},
        )
        sigma2 = (1.5 if kind == "multilayer" else 1.0) * variance
        found = []
        for row in advice.recommendations:
            gamma = row.stepsize[0] if isinstance(row.stepsize, tuple) else row.stepsize
            steps = gamma * np.arange(1, row.iterations + 1) ** -decay
            noise = sigma2 / row.batch_size
            lasting = (9.0 + noise * np.sum(steps**2)) / np.sum(steps * (2 - 2.0 * steps))
            progress = np.sum(steps * (2 - gamma * (2.0 + noise / loss)))
            found.append(min(lasting, 9.0 / progress) if progress > 0 else lasting)
        assert len(found) == 4
        assert found == sorted(found)
        assert len(set(found)) == 4


@pytest.mark.parametrize("gamma", [0.01, 0.3, 0.6, 0.99, 1.01])
def test_the_loss_score_by_hand(gamma: float) -> None:
    """Constant stepsizes: the smaller of the two, and none from 2/U on."""
    known = MeasuredConstants(smoothness=2.0, layer_variances=(3.0,), distance=1.5, loss=0.25)
    problem = measured_problem(spec("single_layer"), known)
    objective = LossObjective(theorem_for(problem, "calibrated").objective, known)
    n, batch = 40.0, 8.0
    found = objective.bound(
        Plans(np.asarray(gamma), np.asarray(1.0), np.asarray(batch), np.asarray(n), Schedule(0.0))
    )
    lasting = (1.5**2 / gamma + gamma * n * 3.0 / batch) / (n * (2 - 2.0 * gamma))
    shrinking = 1.5**2 / gamma / (n * (2 - gamma * (2.0 + 3.0 / (0.25 * batch))))
    expected = min(each for each in (lasting, shrinking, math.inf) if each > 0)
    assert float(found.value) == pytest.approx(expected)


def test_noise_that_shrinks_asks_for_small_batches() -> None:
    """At an equal number of samples; where time per iteration counts, the best is in between."""
    known = MeasuredConstants(smoothness=2.0, layer_variances=(0.3,), distance=3.0, loss=0.4)
    sizes = {"batch_size": {"min": 1, "max": 1024}}
    free = advice_for("single_layer", known, search=sizes, budget={"samples": 10**5})
    assert free.recommendations[0].batch_size == 1
    timed = advice_for(
        "single_layer",
        known,
        search=sizes,
        budget={"seconds": 10},
        cost={"per_iteration": 1e-3, "per_sample": 1e-5},
    )
    # (U + sigma^2/(f B)) (t0 + t1 B) is least at B = sqrt(sigma^2 t0 / (f U t1)).
    assert timed.recommendations[0].batch_size == pytest.approx(math.sqrt(0.3 / 0.4 * 100 / 2.0), abs=1)


def test_a_target_is_met_with_the_stepsize_for_the_gradient() -> None:
    wanted = spec("single_layer", target={"eps": 0.05, "delta": 0.1, "runs": 2})
    problem = measured_problem(wanted)
    space = search_space(wanted, problem)
    assert not isinstance(ranking_objective(problem, space, "calibrated"), LossObjective)
    advice = rank(problem, space, constants="calibrated", top=3)
    for row in advice.recommendations:
        gammas = np.geomspace(1e-4, 0.999, 4000) * 2 / 3
        best = min(by_hand(problem, np.array([g]), row.batch_size, row.iterations) for g in gammas)
        assert row.bound == pytest.approx(best, rel=1e-4)
        assert row.bound <= 0.05 * math.sqrt(0.1)


@pytest.mark.parametrize("listed", [[0.4, 0.7, 1.0], [1.0, 0.4], [0.6, 0.9]])
@pytest.mark.parametrize("goal", [{}, {"target": {"eps": 0.5, "delta": 0.5, "runs": 1}}])
def test_of_listed_keep_probabilities_the_one_that_was_measured_is_first(listed: Any, goal: Any) -> None:
    advice = advice_for("multilayer", search={"keep_prob": listed, "batch_size": [4, 64, 1024]}, **goal)
    best, *others = advice.recommendations
    assert best.keep_prob == max(listed)
    tied = [row for row in others if row.batch_size == best.batch_size]
    assert tied
    assert all(row.bound == best.bound for row in tied)


def test_the_loss_score_of_layers_whose_stepsizes_differ() -> None:
    """The shortest has to cover the distance, and the longest makes the noise and the curvature."""
    distance, smoothness, variance, loss, n, batch = 2.5, 3.0, 1.1, 0.02, 90, 400
    for stepsize in ([0.3, 0.05], [0.05, 0.3]):
        training = {"stepsize": stepsize, "iterations": n, "batch_size": batch, "keep_prob": 1}
        (row,) = advice_for("multilayer", training=training).recommendations
        lasting = (distance**2 / 0.05 + 0.3 * n * variance / batch) / (2 * n - smoothness * 0.3 * n)
        shrinking = distance**2 / 0.05 / (n * (2 - 0.3 * (smoothness + variance / (loss * batch))))
        assert row.loss_score == pytest.approx(min(lasting, shrinking))
