"""What is called proven, against [T1] summed term by term at the P_R that is shown, and against trainings.

`matched` stopping is a distribution of its own for each set of constants: a certified bound at the P_R of its
own constants says nothing of weights that are drawn by another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from networks import Array

from rsgadvise.advise.evaluate import BoundReport, evaluate
from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.results import Recommendation
from rsgadvise.spec import Spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.constants import DeepNetwork, FlatNetwork, TiedNetwork
from rsgadvise.theory.heads.squared import CURVATURE

EXACT = 1e-8  # how closely long sums are computed


@dataclass(frozen=True)
class Known:
    """Certified constants as plain numbers; one variance per matrix."""

    smoothness: float
    variances: tuple[float, ...]
    limit: float


NETWORKS: dict[str, Any] = {
    "single_layer": FlatNetwork,
    "autoencoder": TiedNetwork,
    "multilayer": DeepNetwork,
}


def known_of(spec: Spec, keep_prob: float) -> Known:
    problem = resolve(spec)
    given: dict[str, Any] = {"layers": problem.layers, "moments": problem.moments}
    if problem.kind != "single_layer":
        box = problem.weight_bounds
        given |= {"weight_bound": box[0] if problem.kind == "autoencoder" else box}
    network = NETWORKS[problem.kind](**given)
    found = network.constants(keep_prob)
    variances = [found.gradient_variance]
    if problem.kind == "multilayer":
        variances = network.layer_variances(keep_prob)
    return Known(float(found.smoothness), tuple(map(float, variances)), float(network.limit(keep_prob)))


def shown_share(spec: Spec, constants: str, gammas: Array, known: Known) -> float:
    """r of `matched` by its definition: the largest part of a first step that the curvature takes."""
    kind, layers = spec.network.kind, spec.network.layers
    if constants == "certified" or kind == "autoencoder":
        bends = known.smoothness * gammas**2 / 2
    elif kind == "single_layer":
        bends = 13 / 16 * gammas**2
    else:
        box = spec.network.weight_bound
        assert isinstance(box, float)
        bends = np.asarray([*(after * box / 20 for after in layers[2:]), 13 / 16]) * gammas**2
    least = bends.min()
    return float(least / ((gammas - bends).min() + least)) if least else 0.0


def shown_distribution(stopping: str | Sequence[float], n: int, decay: float, share: float) -> Array:
    k = np.arange(1, n + 1.0)
    if not isinstance(stopping, str):
        return np.asarray(stopping)
    x = k**-decay
    weights = {
        "uniform": np.ones(n),
        "matched": x * (1 - share * x),
        "increasing": k,
        "last": (k > n - np.ceil(n / 10)).astype(float),
    }[stopping]
    return np.asarray(weights / weights.sum())


def theorem(p: Array, gammas: Array, decay: float, batch: int, spec: Spec, known: Known) -> float:
    """[T1], one iteration at a time; inf outside the range."""
    problem, u = resolve(spec), known.smoothness
    x = np.arange(1, len(p) + 1.0) ** -decay
    if problem.kind == "multilayer":
        bend = (u * gammas**2 / 2).min()
        descent = x * ((gammas - u * gammas**2 / 2).min() + (1 - x) * bend)
        if (u * gammas / 2 > 1).any():
            return np.inf
    else:
        descent = gammas[0] * x * (1 - u * gammas[0] * x / 2)
    if (descent < 0).any() or (descent[p > 0] <= 0).any():
        return np.inf
    q = np.divide(p, descent, out=np.zeros_like(p), where=p > 0)
    if descent[0] == 0:
        q[0] = q[1]  # an iteration that nobody stops at and that descends by nothing
    start = q[0] * problem.initial_loss + problem.largest_loss * np.maximum(np.diff(q), 0).sum()
    if problem.kind == "single_layer":
        noise = u * known.variances[0] / (2 * batch) * (q @ (gammas[0] * x) ** 2)
        return float(start + noise)
    noise = sum((q @ (gamma * x)) * v / batch for gamma, v in zip(gammas, known.variances, strict=False))
    floor = sum(known.variances) / batch
    return float((np.sqrt(start + noise) + np.sqrt(floor)) ** 2)


MULTIPLES = st.sampled_from([1e-3, 0.03, 0.3, 0.7, 0.97, 1.0, 1.2, 30.0])


@st.composite
def settings_to_judge(draw: st.DrawFn) -> Spec:
    kind = draw(st.sampled_from(["single_layer", "autoencoder", "multilayer"]))
    inputs = draw(st.sampled_from([1, 7, 100, 1000]))
    depth = {"single_layer": 1, "autoencoder": 1}.get(kind, draw(st.integers(1, 3)))
    layers = [inputs, *draw(st.lists(st.sampled_from([1, 3, 40]), min_size=depth, max_size=depth))]
    network: dict[str, Any] = {"kind": kind, "layers": layers}
    if kind != "single_layer":
        network["weight_bound"] = draw(st.sampled_from([0.0, 0.01, 0.3, 2.0]))
    mean = draw(st.floats(0.01, 1.0))
    square = mean**2 + draw(st.floats(0, 1)) * (mean - mean**2)
    n = draw(st.sampled_from([1, 2, 10, 300, 2500]))
    stopping: Any = draw(st.sampled_from(["uniform", "matched", "matched", "increasing", "last", "listed"]))
    if stopping == "listed":
        n = min(n, 300)
        weights = np.random.default_rng(draw(st.integers(0, 99))).dirichlet(np.full(n, 0.5))
        stopping = (weights / weights.sum()).tolist()
    training: dict[str, Any] = {
        "batch_size": draw(st.sampled_from([1, 50, 20_000])),
        "iterations": n,
        "decay": draw(st.sampled_from([0.0, 0.2, 0.5, 1.0, 2.0])),
        "stopping": stopping,
        "initial_loss": draw(st.floats(1e-4, 1.0)),
        "stepsize": 1.0,
    }
    if kind != "single_layer":
        training["keep_prob"] = draw(st.sampled_from([1.0, 0.7, 0.1]))
    spec = Spec.model_validate(
        {"network": network, "data": {"mean": mean, "mean_square": square}, "training": training}
    )
    # Near both ranges: those of the two sets of constants lie far apart.
    smoothness = draw(st.sampled_from([known_of(spec, training.get("keep_prob", 1.0)).smoothness, 13 / 8]))
    gammas = [2 / smoothness * draw(MULTIPLES) for _ in range(depth if kind == "multilayer" else 1)]
    return spec.model_copy(
        update={
            "training": spec.training.model_copy(
                update={"stepsize": gammas[0] if len(gammas) == 1 else tuple(gammas)}
            )
        }
    )


def judged(spec: Spec, constants: Any) -> tuple[BoundReport, Recommendation, Known, float]:
    """Both commands' rows, and the theorem at the P_R that they show."""
    report = evaluate(spec, constants=constants)
    (row,) = recommend(spec, constants=constants).recommendations
    known = known_of(spec, report.keep_prob)
    several = spec.network.kind == "multilayer"
    gammas = np.broadcast_to(
        np.asarray(report.stepsize, float), (len(spec.network.layers) - 1 if several else 1,)
    )
    stopping: Any = spec.training.stopping
    share = 0.0
    if stopping == "matched" and report.decay > 0:
        share = shown_share(spec, constants, gammas, known)
        if row.curvature_share is None:
            return report, row, known, np.inf
        assert not np.isfinite(report.bound) or row.curvature_share == pytest.approx(share, rel=1e-9)
        share = row.curvature_share
    p = shown_distribution(stopping, report.iterations, report.decay, share)
    return report, row, known, theorem(p, gammas, report.decay, report.batch_size, spec, known)


COUNTER_EXAMPLE = Spec.model_validate(
    {
        "network": {"kind": "single_layer", "layers": [1000, 1]},
        "data": {"mean": 0.2, "mean_square": 0.04, "second_moment": 0.04, "top_eigenvalue": 40},
        "training": {
            "stepsize": 0.3164380920944551,
            "batch_size": 19699,
            "iterations": 200,
            "initial_loss": 0.005541688309254137,
            "decay": 0.5,
            "stopping": "matched",
        },
    }
)


FLAT_LAYERS_AT_THE_END = Spec.model_validate(
    {
        "network": {"kind": "multilayer", "layers": [1, 1, 1, 1], "weight_bound": 0.0},
        "data": {"mean": 1.0, "mean_square": 1.0},
        "training": {
            "stepsize": [0.0012307692307692308, 0.0012307692307692308, 1.2307692307692308],
            "batch_size": 1,
            "iterations": 1,
            "initial_loss": 1.0,
            "keep_prob": 1.0,
            "decay": 0.0,
            "stopping": "matched",
        },
    }
)


@settings(max_examples=75, deadline=None)
@given(spec=settings_to_judge(), constants=st.sampled_from(["paper", "certified"]))
@example(spec=COUNTER_EXAMPLE, constants="paper")
@example(spec=FLAT_LAYERS_AT_THE_END, constants="paper")
def test_what_is_proven_is_the_theorem_at_what_is_shown(spec: Spec, constants: str) -> None:
    report, row, known, exact = judged(spec, constants)
    for shown in (report, row):
        assert shown.certified_bound <= known.limit * (1 + 1e-12)
        # Never below the theorem, and as sharp as it is.
        assert shown.certified_bound == pytest.approx(min(exact, known.limit), rel=EXACT)
        if constants == "certified":
            assert shown.bound == shown.certified_bound
        if shown.proven:
            assert min(exact, known.limit) <= shown.bound * (1 + EXACT)
        if not np.isfinite(shown.bound):
            assert not shown.proven
            assert shown.vacuous
            assert any(note.startswith("No bound") for note in shown.notes)


def trained(spec: Spec, z: float, share: float) -> float:
    """E||grad f(W^R)||^2 of full-batch steps on rows that are all alike, y = 1/2, from the logit z."""
    training, width = spec.training, spec.network.layers[0]
    length = width * (spec.data.mean or 0.0) ** 2
    assert isinstance(training.stepsize, float)
    squares = []
    for k in range(1, (training.iterations or 0) + 1):
        out = 1 / (1 + np.exp(-z))
        slope = 2 * (out - 0.5) * out * (1 - out)
        squares.append(slope**2 * length)
        z -= training.stepsize * k ** -(training.decay or 0.0) * slope * length
    p = shown_distribution("matched", len(squares), training.decay or 0.0, share)
    return float(p @ np.asarray(squares))


def test_a_training_above_the_bound_is_not_called_proven() -> None:
    gamma = np.asarray([COUNTER_EXAMPLE.training.stepsize], dtype=np.float64)
    report, row, known, _ = judged(COUNTER_EXAMPLE, "paper")
    measured = trained(COUNTER_EXAMPLE, 0.3, shown_share(COUNTER_EXAMPLE, "paper", gamma, known))
    assert report.bound == pytest.approx(8.8005e-4, rel=1e-4)
    assert measured == pytest.approx(1.919e-3, rel=1e-3)
    assert not report.proven
    assert not row.proven
    assert report.certified_bound >= measured
    # Certified advice is drawn by its own P_R, and proven for that.
    own, _, _, _ = judged(COUNTER_EXAMPLE, "certified")
    mine = trained(COUNTER_EXAMPLE, 0.3, shown_share(COUNTER_EXAMPLE, "certified", gamma, known))
    assert own.proven
    assert mine <= own.bound


@pytest.mark.parametrize("width", [11, 40, 1000])
def test_trainings_of_one_layer_stay_below_what_is_proven(width: int) -> None:
    """Rows that are all alike leave no noise and all of the curvature: the bound's hardest data."""
    rng, found = np.random.default_rng(width), 0
    for decay in 14 * (0.3, 0.5, 1.0):
        mean = float(rng.choice([0.2, 0.5, 1.0]))
        top = 2 / (CURVATURE * width * mean**2)
        z = float(rng.choice([0.1, 0.3, 1.0, 3.0]))
        spec = COUNTER_EXAMPLE.model_copy(
            update={
                "network": COUNTER_EXAMPLE.network.model_copy(update={"layers": (width, 1)}),
                "data": COUNTER_EXAMPLE.data.model_copy(
                    update={
                        "mean": mean,
                        "mean_square": mean**2,
                        "second_moment": mean**2,
                        "top_eigenvalue": width * mean**2,
                    }
                ),
                "training": COUNTER_EXAMPLE.training.model_copy(
                    update={
                        "stepsize": float(min(top, 1.2) * rng.choice([0.5, 0.9, 0.97, 0.999])),
                        "iterations": int(rng.choice([2, 20, 400])),
                        "decay": decay,
                        "batch_size": int(rng.choice([10, 10**4, 10**6])),
                        "initial_loss": (1 / (1 + np.exp(-z)) - 0.5) ** 2,
                    }
                ),
            }
        )
        for constants in ("paper", "certified"):
            report, row, _, _ = judged(spec, constants)
            assert row.curvature_share is not None
            measured = trained(spec, z, row.curvature_share)
            assert measured <= report.certified_bound * (1 + 1e-9)
            if report.proven:
                assert measured <= report.bound * (1 + 1e-9)
                found += 1
    assert found > 20  # some are proven, or nothing was tested
