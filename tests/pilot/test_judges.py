"""Errors that a user can read, beside the loss: of classes, of several answers, of values in their units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, present

from rsgadvise import recommend
from rsgadvise.data.targets import encode_targets
from rsgadvise.pilot.task import Answers, Classes, Judge, Task, Values, judge_of
from rsgadvise.training.networks import Data, Network

RNG = np.random.default_rng(5)
X = RNG.random((200, 3))


def judge(targets: Any, loss: str = "squared", kind: str = "multilayer") -> Judge | None:
    """Of values or labels as a file holds them."""
    y, encoding = encode_targets(targets)
    network = Network(kind, (3, 4, y.shape[1]), (1.0, 1.0), loss=loss)  # type: ignore[arg-type]
    return judge_of(network, Data(X[: len(y)], y, encoding.decodes))


def test_classes_are_right_or_wrong() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    labels = RNG.integers(0, 3, 200)
    found, y = judge(labels, "cross_entropy"), np.eye(3)[labels]
    assert isinstance(found, Classes)
    outputs = RNG.random((200, 3))
    wrong, off = found.told(found.errors(outputs, y))
    assert wrong == pytest.approx(metrics.zero_one_loss(labels, outputs.argmax(axis=1)))
    assert off is None
    commonest = np.bincount(labels[:150]).argmax()
    assert found.told(found.constant(y[:150], y[150:]))[0] == pytest.approx(
        np.mean(labels[150:] != commonest)
    )


@pytest.mark.parametrize(("loss", "half"), [("squared", 0.5), ("binary_cross_entropy", 0.0)])
def test_each_of_several_answers_counts(loss: str, half: float) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    y = (RNG.random((200, 4)) < [0.2, 0.5, 0.7, 0.9]).astype(float)
    found, outputs = judge(y, loss), RNG.normal(half, 1, (200, 4))
    assert isinstance(found, Answers)
    assert (found.counted, judge(RNG.integers(0, 2, 200)).counted) == ("answers", "rows")  # type: ignore[union-attr]
    wrong, _ = found.told(found.errors(outputs, y))
    assert wrong == pytest.approx(metrics.hamming_loss(y, outputs > half))
    constant, _ = found.told(found.constant(y[:150], y[150:]))
    assert constant == pytest.approx(
        metrics.hamming_loss(y[150:], np.tile(y[:150].mean(axis=0) > 0.5, (50, 1)))
    )


@pytest.mark.parametrize("tail", [False, True])
def test_values_are_off_in_their_own_units(tail: bool) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    raw = RNG.normal(50, 20, (200, 2))
    raw = np.exp(raw / 15) if tail else raw
    y, encoding = encode_targets(raw)
    assert (encoding.kind == "min-max per column") is not tail
    found = judge(raw)
    assert isinstance(found, Values)
    outputs = np.clip(y + RNG.normal(0, 0.1, y.shape), 0, 1)
    said = encoding.decode(outputs)
    wrong, off = found.told(found.errors(outputs, y))
    assert wrong is None
    assert off == pytest.approx(metrics.mean_absolute_error(raw, said, multioutput="raw_values"), rel=1e-9)
    _, constant = found.told(found.constant(y[:150], y[150:]))
    medians = np.tile(np.median(raw[:150], axis=0), (50, 1))
    assert constant == pytest.approx(
        metrics.mean_absolute_error(raw[150:], medians, multioutput="raw_values"), rel=1e-9
    )


def test_nobody_judges_reconstructions_shares_of_classes_and_values_without_units() -> None:
    network = Network("autoencoder", (3, 2), (1.0,))
    assert Task.of(network, Data(X, X), seed=0, hold_out=True).judge is None
    shares = RNG.random(200)
    assert judge(shares) is not None, "in [0, 1] they are their own units"
    assert judge(shares, "binary_cross_entropy") is None
    assert judge_of(Network("single_layer", (3, 1)), Data(X, shares[:, None])) is None


def test_of_arrays_and_of_a_model_of_scikit_learn_too() -> None:
    """The constant of the arrays, of which a fifth is held out, beside the median of all."""
    network = pytest.importorskip("sklearn.neural_network")
    x = np.random.default_rng(3).random((400, 3))
    y = 500 + 40 * x[:, 0] - 30 * x[:, 1] ** 2
    away = np.abs(y - np.median(y)).mean()
    model = network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=30)
    plan = recommend(model=model, data=(x, y), work=1e8).advice.train
    assert present(plan.constant_off) == pytest.approx([away], rel=0.3)
    assert present(plan.held_out_off)[0] < 0.5 * away
    spec = {
        "network": {"kind": "multilayer", "layers": [3, 8, 1], "loss": "squared", "bias": True},
        "training": {"optimizer": "adam", "keep_prob": 1},
        "budget": {"epochs": 60},
    }
    scaled = (y - y.min()) / (y.max() - y.min())
    plan = present(recommend(spec, data=(x, scaled)).train)
    assert present(plan.constant_off) == pytest.approx([np.abs(scaled - np.median(scaled)).mean()], rel=0.3)
    assert present(plan.held_out_off)[0] < 0.3 * present(plan.constant_off)[0]


def table(place: Path, unit: float = 1.0, rows: int = 200) -> Path:
    x = np.random.default_rng(2).random((rows, 3))
    y = 40 * x[:, 0] - 30 * x[:, 1] ** 2 - 10
    lines = [
        "a,b,c,price",
        *(",".join(f"{v:.17g}" for v in (*row, unit * one)) for row, one in zip(x, y, strict=True)),
    ]
    place.write_text("\n".join(lines))
    return place


def test_an_answer_of_values_is_told_in_the_units_of_the_file(tmp_path: Path, run: Run) -> None:
    """The same table in pounds and in pence."""
    found = {}
    for unit in (1, 100):
        path = table(tmp_path / f"{unit}.csv", unit)
        found[unit] = run.document(
            "recommend", path, "--target", "price", "--epochs", 60, "--hidden", 8, "-f", "json"
        )["train"]
    pounds, pence = found[1], found[100]
    assert pence["stepsize"] == pounds["stepsize"]
    assert pence["held_out_off"] == pytest.approx([100 * pounds["held_out_off"][0]], rel=1e-4)
    assert pence["constant_off"] == pytest.approx([100 * pounds["constant_off"][0]], rel=1e-4)
    assert pounds["held_out_off"][0] < 0.3 * pounds["constant_off"][0]
    assert (pounds["held_out_error"], pounds["counted"]) == (None, None)
    assert [look["held_out_off"] for look in pounds["looks"]].count(pounds["held_out_off"]) == 1
    told = run.words("recommend", tmp_path / "1.csv", "--target", "price", "--epochs", 60, "--hidden", 8)
    assert f"it was off by {pounds['held_out_off'][0]:.3g} on average on the 40 others" in told
    assert f"(always saying the median: {pounds['constant_off'][0]:.3g})" in told
