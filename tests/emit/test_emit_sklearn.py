"""The emitted estimator among scikit-learn's own tools, and what its comment says of MLPRegressor."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from snippets import SPECS, run, snippet

from rsgadvise.emit import DataFile

sklearn = pytest.importorskip("sklearn", reason="needs scikit-learn: pip install 'rsgadvise[integrations]'")
# scikit-learn's use of scipy and joblib, by their versions.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RNG = np.random.default_rng(0)
X = RNG.random((60, 6))
LABELS = np.array(["a", "b", "c"])[X[:, :3].argmax(axis=1)]
FILE = DataFile("a.npz", "none", plain=True, features="x", labels="y", labelled=True)


def estimator(name: str, *, labels: bool = False) -> Any:
    return run(snippet(SPECS[name], "sklearn", FILE if labels else None))["SigmoidNetwork"]


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
        model, {"sigmoidnetwork__stepsizes": [0.1, 0.3], "sigmoidnetwork__keep_prob": [0.7, 1.0]}
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
    model = names["SigmoidNetwork"](iterations=40, runs=6, decay=0.0).fit(X, X[:, :3])
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


def test_twice_gamma_is_the_step_of_mlpregressor() -> None:
    """Its loss has a factor 1/2 and is summed over the outputs, whatever `loss_` averages."""
    from sklearn.neural_network import MLPRegressor

    text = snippet(SPECS["single layer"], "sklearn")
    comment = text.partition("LAYERS")[0].replace("\n# ", " ")
    rate = re.search(r"learning_rate_init=([\d.e-]+)", comment)
    assert rate is not None
    gamma = run(text)["STEPSIZES"][0]
    assert float(rate[1]) == pytest.approx(2 * gamma, rel=1e-5)
    y = RNG.random((60, 3))
    model = MLPRegressor(hidden_layer_sizes=(4,), activation="logistic", solver="sgd", alpha=0, batch_size=60)
    model.set_params(learning_rate_init=2 * gamma, momentum=0, random_state=0).partial_fit(X, y)
    before = [w.copy() for w in model.coefs_]
    hidden = 1 / (1 + np.exp(-(X @ before[0] + model.intercepts_[0])))
    error = 2 * (hidden @ before[1] + model.intercepts_[1] - y) / 60
    expected = before[1] - gamma * hidden.T @ error
    model.partial_fit(X, y)
    np.testing.assert_allclose(model.coefs_[1], expected, atol=1e-12)
