"""The emitted estimator among scikit-learn's own tools, and scikit-learn's own beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from snippets import SPECS, run, snippet

from rsgadvise.advise.recommend import recommend
from rsgadvise.advise.results import TrainingPlan
from rsgadvise.pilot import Effort
from rsgadvise.pilot.advising import advise
from rsgadvise.show.emit import DataFile, emit_snippet
from rsgadvise.spec import parse_spec
from rsgadvise.training.networks import Kernel, Network

sklearn = pytest.importorskip("sklearn", reason="needs scikit-learn: pip install 'rsgadvise[integrations]'")
# scikit-learn's use of scipy and joblib, by their versions.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Float = NDArray[np.float64]

RNG = np.random.default_rng(0)
X = RNG.random((60, 6))
LABELS = np.array(["a", "b", "c"])[X[:, :3].argmax(axis=1)]
FILE = DataFile("a.npz", "none", {}, labelled=True)


def estimator(name: str, *, labels: bool = False) -> Any:
    return run(snippet(SPECS[name], "sklearn", FILE if labels else None))["AdvisedNetwork"]


@pytest.mark.parametrize("name", SPECS)
def test_clone_gives_the_same_network(name: str) -> None:
    from sklearn.base import clone

    network, tied = estimator(name), "autoencoder" in name
    model = network() if "listed" in name else network(iterations=20)  # one probability per iteration
    again = clone(model)
    assert again.get_params() == model.get_params()
    targets = () if tied else (RNG.random((60, 3)),)
    first, second = model.fit(X, *targets), again.fit(X, *targets)
    for a, b in zip(first.weights_, second.weights_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.predict(X).shape == ((60, 6) if tied else (60, 3))
    assert model.set_params(random_state=1).fit(X, *targets).loss_ != second.loss_
    assert first.n_features_in_ == 6


def test_pipeline_and_grid_search_of_a_regressor() -> None:
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    model = make_pipeline(MinMaxScaler(), estimator("layers with masks")(iterations=15))
    search = GridSearchCV(
        model, {"advisednetwork__stepsizes": [0.1, 0.3], "advisednetwork__keep_prob": [0.7, 1.0]}
    )
    search.fit(7 * X - 3, RNG.random(60))
    assert search.predict(7 * X - 3).shape == (60,)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_classifier_learns_any_labels() -> None:
    from sklearn.model_selection import GridSearchCV

    network = estimator("single layer", labels=True)(iterations=3000, stepsizes=2.0, batch_size=16)
    search = GridSearchCV(network, {"decay": [0.0, 0.1]}, cv=3).fit(X, LABELS)
    assert set(search.predict(X)) <= {"a", "b", "c"}
    assert search.score(X, LABELS) > 0.7


def test_an_autoencoder_transforms_and_is_scored_by_its_loss() -> None:
    model = estimator("autoencoder")(iterations=50).fit(X)
    assert model.transform(X).shape == (60, 4)
    assert model.score(X) == pytest.approx(-model.loss_)


def test_several_runs_keep_the_smallest_gradient() -> None:
    names = run(snippet(SPECS["layers with masks"], "sklearn"))
    model = names["AdvisedNetwork"](iterations=40, runs=6, decay=0.0).fit(X, X[:, :3])
    found = []
    for seed in np.random.SeedSequence(0).spawn(6):
        weights, _ = names["train"](
            X,
            X[:, :3],
            [(5, 6), (4, 5), (3, 4)],
            names["BOX"],
            stepsizes=names["STEPSIZES"],
            decay=0.0,
            batch_size=names["BATCH"],
            iterations=40,
            keep=names["KEEP"],
            seed=seed,
        )
        size = names["squared_gradient"](
            weights, X, X[:, :3], names["STEPSIZES"], names["BOX"], names["KEEP"], np.random.default_rng(seed)
        )
        found.append((size, weights))
    best = min(found, key=lambda pair: pair[0])[1]
    assert any(np.array_equal(best[0], w[0]) is False for _, w in found)
    for a, b in zip(model.weights_, best, strict=True):
        np.testing.assert_array_equal(a, b)


def largest_curvature(loss: Callable[[Float], Float]) -> float:
    """The largest second difference on a grid."""
    s, h = np.linspace(-12, 12, 4801), 1e-4
    return float(((loss(s + h) - 2 * loss(s) + loss(s - h)) / h**2).max())


@pytest.mark.parametrize("outputs", [2, 3])
def test_the_rate_of_a_classifier_keeps_the_largest_curvature(outputs: int) -> None:
    text = SPECS["single layer"].replace("[6, 3]", f"[6, {outputs}]")
    emitted = snippet(text, "sklearn", FILE)
    rate, gamma = stock(emitted).learning_rate_init, run(emitted)["STEPSIZES"][0]
    ours = largest_curvature(lambda s: (1 / (1 + np.exp(-s))) ** 2)  # y = 0, as bad as y = 1
    # Of log(1 + exp(s)) - y s with one logistic output, of log(1 + exp(s)) in s = a_1 - a_2 along
    # (1, -1) / sqrt(2), the steepest direction of softmax, else.
    theirs = largest_curvature(lambda s: np.log1p(np.exp(s))) * (1 if outputs == 2 else 2)
    assert rate == pytest.approx(gamma * ours / theirs, rel=1e-3)


def test_linear_outputs_get_no_rate_beyond_which_they_overshoot() -> None:
    """One step on one row leaves at most its own error, however large the advised stepsize is."""
    text = "network: {kind: single_layer, layers: [6, 3]}\ntraining: {stepsize: 40, iterations: 9}\n"
    file = DataFile(
        "a.npz", "none", {}, labelled=False, rows=60, squared_norm=float((X**2).sum(axis=1).mean())
    )
    spec = parse_spec(text, file="a.yaml").spec
    rate = stock(emit_snippet(recommend(spec, constants="certified"), spec, target="sklearn", data=file))
    largest = 1 / (1 + (X**2).sum(axis=1).mean())
    assert rate.learning_rate_init == pytest.approx(largest, rel=1e-3)
    small = stock(
        emit_snippet(
            recommend(
                spec.model_copy(update={"training": spec.training.model_copy(update={"stepsize": 0.1})})
            ),
            spec,
            target="sklearn",
            data=file,
        )
    )
    assert small.learning_rate_init == pytest.approx(0.1 * 0.154059, rel=1e-3)


@pytest.mark.parametrize(("rows", "batch"), [(1279, 1000), (354, 32), (100, 1000), (33, 16), (17, 2), (5, 1)])
def test_no_small_last_batch(rows: int, batch: int) -> None:
    text = (
        f"network: {{kind: single_layer, layers: [6, 3]}}\ntraining: {{batch_size: {batch}, iterations: 9}}\n"
    )
    file = DataFile("a.npz", "none", {}, labelled=True, rows=rows)
    model = stock(snippet(text, "sklearn", file))
    training_rows = rows - int(0.2 * rows)
    assert 1 <= model.batch_size <= training_rows
    left = training_rows % model.batch_size
    assert left == 0 or 2 * left >= model.batch_size
    assert min(batch, training_rows) / 2 <= model.batch_size <= 2 * batch
    assert model.max_iter == -(-9 * batch // rows)


def stock(text: str) -> Any:
    """The estimator of scikit-learn that a snippet makes."""
    return run(text)["stock"]()


def test_the_common_stepsize_is_the_rate() -> None:
    text = "network: {kind: multilayer, layers: [6, 4, 3], weight_bound: 0.1}\ntraining: {iterations: 30}\n"
    spec = parse_spec(text, file="a.yaml").spec
    advice = recommend(spec)
    least = min(advice.recommendations[0].stepsize)  # type: ignore[arg-type]
    assert stock(emit_snippet(advice, spec, target="sklearn", data=FILE)).learning_rate_init == pytest.approx(
        least * 0.154059 / 0.5, rel=1e-3
    )
    train = TrainingPlan(
        stepsize=(30.0, 2.0),
        common_stepsize=7.0,
        decay=0.0,
        stopping="last",
        batch_size=4,
        iterations=90,
        epochs=None,
        keep_prob=1.0,
        dropout_rate=0.0,
        weight_bound=5.0,
        source="raced",
    )
    model = stock(emit_snippet(replace(advice, train=train), spec, target="sklearn", data=FILE))
    assert model.learning_rate_init == pytest.approx(7.0 * 0.154059 / 0.5, rel=1e-3)
    assert (model.solver, model.momentum, model.nesterovs_momentum, model.alpha) == ("sgd", 0, False, 0)
    assert (model.activation, model.hidden_layer_sizes) == ("logistic", (4,))


SAME: dict[str, tuple[int, dict[str, Any], Any]] = {
    "squared_linear": (3, {}, X[:, 3:] ** 2),
    "cross_entropy": (3, {"labelled": True}, LABELS),
    "binary_cross_entropy": (1, {"binary": True}, (X[:, :1] > X[:, 1:2]).astype(float)),
    "binary_cross_entropy of each": (3, {"binary": True}, (X[:, :3] > X[:, 3:]).astype(float)),
}


@pytest.mark.parametrize("loss", SAME)
def test_an_mlp_of_the_same_loss_takes_the_same_step(loss: str) -> None:
    """With biases and units that it has too, a step on all rows is our gradient times the stepsize."""
    outputs, data, targets = SAME[loss]
    loss = loss.partition(" ")[0]
    network = f"{{kind: multilayer, layers: [6, 4, {outputs}], activation: relu, bias: true, loss: {loss}}}"
    spec = parse_spec(f"network: {network}\ntraining: {{stepsize: 0.1, iterations: 9}}\n", file="a.yaml").spec
    advice = advise(spec, None, Effort())
    emitted = emit_snippet(
        advice, spec, target="sklearn", data=DataFile("a.npz", "none", {}, rows=60, squared_norm=2.0, **data)
    )
    assert "of which the bounds say nothing" not in emitted
    assert "; biases" not in emitted
    other = stock(emitted).set_params(batch_size=60)
    y = targets.ravel() if outputs == 1 else targets
    each = np.unique(y) if y.ndim == 1 else np.arange(outputs)
    classes = {"classes": each} if hasattr(other, "predict_proba") else {}
    other.partial_fit(X, y, **classes)
    parts = zip(other.coefs_, other.intercepts_, strict=True)
    before = [np.hstack([w.T, b[:, None]])[None] for w, b in parts]
    other.partial_fit(X, y)
    parts = zip(other.coefs_, other.intercepts_, strict=True)
    after = [np.hstack([w.T, b[:, None]])[None] for w, b in parts]
    engine = Network("multilayer", (6, 4, outputs), (), 1.0, ("relu",), loss, bias=True)
    kernel = Kernel(engine, replicas=1, rows=60, dtype=np.dtype(np.float64))
    kernel.inputs[0] = X
    kernel.targets[0] = (LABELS[:, None] == np.unique(LABELS)) if loss == "cross_entropy" else targets
    for a, b, g in zip(before, after, kernel.gradient(before, scale=1 / 60), strict=True):
        np.testing.assert_allclose(a - b, 0.1 * g, rtol=1e-9, atol=1e-12)
