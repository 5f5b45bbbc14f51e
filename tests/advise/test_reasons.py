"""The sentences that say why: what they claim is held against the bound itself."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rsgadvise.advise.evaluate import evaluate
from rsgadvise.advise.recommend import recommend
from rsgadvise.errors import HypothesisError
from rsgadvise.spec import Spec

MNIST = {"mean": 0.13066048, "mean_square": 0.04475126, "second_moment": 0.112, "top_eigenvalue": 38.1}
NETWORKS: dict[str, dict[str, Any]] = {
    "single_layer": {"kind": "single_layer", "layers": [784, 10]},
    "autoencoder": {"kind": "autoencoder", "layers": [784, 100], "weight_bound": 0.01},
    "multilayer": {"kind": "multilayer", "layers": [784, 200, 100, 10], "weight_bound": 0.05},
    "two layers": {"kind": "multilayer", "layers": [57, 16, 2], "weight_bound": 3},
}
KNOBS = {
    "stepsize": "stepsize",
    "batch size": "batch_size",
    "iterations": "iterations",
    "keep probability": "keep_prob",
    "pretraining tolerance": "pretraining",
}


def spec(kind: str, **sections: Any) -> Spec:
    data = {**(MNIST if kind != "two layers" else {"mean": 0.0133}), "samples": 60000}
    return Spec.model_validate({"network": NETWORKS[kind], "data": data, **sections})


def strongest(why: tuple[str, ...]) -> tuple[str, str, str]:
    """(doubling or halving, knob, percentage) of the sentence."""
    (sentence,) = [each for each in why if each.startswith("Strongest knob")]
    found = re.fullmatch(
        r"Strongest knob: (doubling|halving) the ([a-z ]+) alone lowers the bound by ([\d.]+) %\.", sentence
    )
    assert found, sentence
    return found[1], found[2], found[3]


def test_the_strongest_knob_of_7_by_hand() -> None:
    """At its optimum both terms of (7) are equal, so that doubling N leaves three quarters, not 2^-1/2."""
    advice = recommend(spec("single_layer", search={"batch_size": [16]}, budget={"epochs": 100}))
    n, b, d = 375_000, 16, 10.0
    gamma = advice.recommendations[0].stepsize
    assert isinstance(gamma, float)

    def seven(steps: float, batch: float) -> float:
        return (d / (steps * gamma) + 13 * 784 * 10 / 256 * gamma / batch) / (1 - 13 / 16 * gamma)

    assert advice.recommendations[0].bound == pytest.approx(seven(n, b))
    fall = 1 - seven(2 * n, b) / seven(n, b)
    assert fall > 1 - seven(n, 2 * b) / seven(n, b)
    assert strongest(advice.why) == ("doubling", "iterations", f"{100 * fall:.2g}")
    assert strongest(advice.why)[2] == "25"


@pytest.mark.parametrize("constants", ["paper", "certified"])
@pytest.mark.parametrize(
    ("kind", "training"),
    [
        ("single_layer", {}),
        ("single_layer", {"stepsize": 0.3, "batch_size": 64}),
        ("autoencoder", {}),
        ("autoencoder", {"keep_prob": 1.0, "batch_size": 7}),
        ("multilayer", {"pretraining": {"tolerance": 0.001}}),
        ("multilayer", {"pretraining": {"tolerance": 0.4}, "keep_prob": 0.5, "stopping": "last"}),
        ("two layers", {}),
        ("two layers", {"decay": 0.5, "batch_size": 100}),
    ],
)
def test_no_knob_lowers_the_bound_more_than_the_strongest(
    kind: str, training: dict[str, Any], constants: Any
) -> None:
    """Every knob is doubled and halved in a spec of its own, and the bound evaluated there."""
    advice = recommend(spec(kind, training=training, budget={"epochs": 20}), constants=constants)
    best = advice.recommendations[0]
    values = {
        key: getattr(best, key) for key in ("stepsize", "batch_size", "iterations", "keep_prob", "decay")
    }
    given = training.get("pretraining", {"tolerance": 1.0})["tolerance"] if kind != "single_layer" else 1.0

    def bound_at(**changed: Any) -> float:
        alpha = changed.pop("pretraining", given)
        fixed: dict[str, Any] = {**training, **values, **changed}
        if NETWORKS[kind]["kind"] == "multilayer":
            fixed["pretraining"] = {"tolerance": alpha}
        return evaluate(spec(kind, training=fixed), constants=constants).bound

    here = bound_at()
    assert here == pytest.approx(best.bound)
    falls = {}
    for verb, factor in (("doubling", 2), ("halving", 0.5)):
        for knob in KNOBS.values():
            old = given if knob == "pretraining" else values[knob]
            if knob == "pretraining" and (NETWORKS[kind]["kind"] != "multilayer" or verb == "doubling"):
                continue
            if knob == "keep_prob" and (
                kind == "single_layer" or factor * old > 1 or "search.keep_prob.min" in best.binding
            ):
                continue
            new: Any = tuple(factor * each for each in old) if isinstance(old, tuple) else factor * old
            if knob in ("batch_size", "iterations"):
                new = int(new)
            try:
                falls[verb, knob] = 1 - bound_at(**{knob: new}) / here
            except HypothesisError:
                continue
    verb, words, share = strongest(advice.why)
    assert falls[verb, KNOBS[words]] == pytest.approx(max(falls.values()), rel=1e-9)
    assert share == f"{100 * max(falls.values()):.2g}"


def test_a_stepsize_whose_double_no_theorem_covers_is_halved() -> None:
    """13/16 gamma = 0.975 at gamma = 1.2: half of it lowers the bound by far, and 2.4 has none."""
    training = {"stepsize": 1.2, "batch_size": 16, "iterations": 1000}
    verb, knob, _ = strongest(recommend(spec("single_layer", training=training)).why)
    assert (verb, knob) == ("halving", "stepsize")
