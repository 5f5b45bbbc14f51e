"""An MLP of scikit-learn and its rows in, an estimator that can be fitted out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import present

from rsgadvise import recommend
from rsgadvise.errors import DataError, SpecError, UsageError
from rsgadvise.estimators import EstimatorAdvice

pytest.importorskip("sklearn")

from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline

pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")

RNG = np.random.default_rng(5)
X = RNG.normal(3, 4, (300, 5))
SCORES = X @ RNG.normal(size=(5, 3)) + RNG.normal(size=(300, 3))
WORDS = np.array(["oak", "ash", "elm"])[SCORES.argmax(axis=1)]
UNIT = (X - X.min(axis=0)) / np.ptp(X, axis=0)
VALUES = 100 * SCORES[:, 0] + 1000


def classifier(**settings: Any) -> Any:
    return MLPClassifier(**{"hidden_layer_sizes": (16,), "max_iter": 20, "random_state": 0, **settings})


def regressor(**settings: Any) -> Any:
    return MLPRegressor(**{"hidden_layer_sizes": (16,), "max_iter": 20, "random_state": 0, **settings})


@pytest.fixture(scope="module")
def of_words() -> EstimatorAdvice:
    found = recommend(model=classifier(), data=(X, WORDS))
    assert isinstance(found, EstimatorAdvice)
    return found


def test_words_and_raw_inputs_go_in_and_what_comes_out_takes_them(of_words: EstimatorAdvice) -> None:
    made = of_words.estimator
    assert isinstance(made, Pipeline)
    assert made[-1].get_params() == {**classifier().get_params(), **of_words.arguments}
    assert set(of_words.arguments) == {"learning_rate_init", "batch_size", "max_iter"}
    assert not hasattr(of_words.given, "coefs_")
    assert made.fit(X, WORDS).score(X, WORDS) > 0.9
    assert set(made.classes_) == set(WORDS)


def test_the_answer_names_what_to_make_it_with(of_words: EstimatorAdvice) -> None:
    lines = str(of_words).splitlines()
    assert lines[0] == "Advice for MLPClassifier, multilayer 5-16-3"
    rate = of_words.arguments["learning_rate_init"]
    assert lines[2].startswith(f"Make MLPClassifier with learning_rate_init={rate:.2g}, ")
    assert "mean 0 and variance 1" in " ".join(lines[2:6])
    assert not any(line.startswith("Train with") or "weight_bound" in line for line in lines)
    assert max(map(len, lines)) <= 80
    assert "Make MLPClassifier" in of_words._repr_html_()


def test_inputs_in_the_unit_interval_need_no_pipeline() -> None:
    found = recommend(model=classifier(solver="sgd"), data=(UNIT, WORDS == "oak"))
    assert isinstance(found.estimator, MLPClassifier)
    assert "scale" not in str(found).split("\n\n")[1]


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_regressor_has_half_of_our_loss_and_scaled_targets(solver: str) -> None:
    found = recommend(model=regressor(solver=solver), data=(UNIT, VALUES))
    made = found.estimator
    assert isinstance(made, TransformedTargetRegressor)
    assert found.train is not None
    assert found.advice.guarantee is None, "bounds are about targets in [0, 1]"
    twice = 2 if solver == "sgd" else 1
    assert found.arguments["learning_rate_init"] == twice * found.train.common_stepsize
    assert made.fit(UNIT, VALUES).score(UNIT, VALUES) > 0.5
    plain = (SCORES[:, :2] - SCORES[:, :2].mean(axis=0)) / SCORES[:, :2].std(axis=0)
    assert isinstance(recommend(model=regressor(solver=solver), data=(UNIT, plain)).estimator, MLPRegressor)


def test_one_constant_stepsize_is_what_whole_trainings_are_made_with() -> None:
    """An MLP has no other: by SGD the layers race with stepsizes of their own."""
    found = recommend(model=classifier(solver="sgd"), data=(UNIT, WORDS))
    plan = present(found.train)
    assert plan.looks
    assert plan.stepsize == (plan.common_stepsize,) * 2
    won = found.advice.pilot.raced[0].stepsizes
    assert won[0] != won[1]
    assert "Rank 1 has one stepsize in place of those" in str(found)


@pytest.mark.parametrize(
    ("won", "said"),
    {
        (1.0, 1.0): "Rank 1 won",
        (4.0, 4.0): "Rank 1 with steps 4 times as long won",
        (0.3, 0.3): "Rank 1 with steps 0.3 times as long won",
        (0.2, 0.4): "Rank 1 has one stepsize in place of those",
    }.items(),
)
def test_the_steps_that_won_are_told_beside_those_advised(won: tuple[float, float], said: str) -> None:
    found = recommend(model=classifier(solver="sgd", max_iter=2), data=(UNIT, WORDS)).advice
    plan, (first, *others) = present(found.train), found.pilot.raced
    first = replace(first, stepsizes=tuple(times * plan.common_stepsize for times in won), outcome="won")
    pilot = replace(found.pilot, raced=(first, *others))
    assert said in str(replace(found, pilot=pilot, train=replace(plan, stepsize=(plan.common_stepsize,) * 2)))


def test_shorter_steps_are_advised_where_they_do_as_well() -> None:
    """Of noisy classes: a constant stepsize leaves its noise in the last weights.

    The oracle is the loss of other rows, by scikit-learn, at the stepsize that won short runs.
    """
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1400, 10))
    y = 2 * np.abs(x[:, 0]) + x[:, 2] - x[:, 3] - 1.5 + rng.logistic(size=1400) / 2 > 0
    found = recommend(model=classifier(hidden_layer_sizes=(32,)), data=(x[:600], y[:600]))
    won = max(found.advice.pilot.raced[0].stepsizes)
    assert found.arguments["learning_rate_init"] < 0.3 * won

    def loss(**settings: Any) -> float:
        made = found.estimator.set_params(**{f"mlpclassifier__{key}": each for key, each in settings.items()})
        chances = made.fit(x[:600], y[:600]).predict_proba(x[600:])
        return float(-np.log(chances[np.arange(800), y[600:].astype(int)]).mean())

    assert loss() < loss(learning_rate_init=won)


def test_batch_size_and_length_are_the_models_own_unless_told() -> None:
    data = UNIT, WORDS
    assert recommend(model=classifier(batch_size=48), data=data).arguments["batch_size"] == 48
    assert recommend(model=classifier(batch_size=48), data=data, batch_size=24).arguments["batch_size"] == 24
    free = recommend(model=classifier(batch_size=48), data=data, batch_size="auto", epochs=7)
    assert free.arguments["batch_size"] in {16, 32, 64, 128, 256}
    assert free.arguments["max_iter"] <= 7


def test_rows_of_several_labels() -> None:
    targets = (SCORES > 0).astype(int)
    found = recommend(model=classifier(), data=(UNIT, targets))
    assert found.estimator.fit(UNIT, targets).score(UNIT, targets) > 0.5


def test_new_rows_are_predicted_as_well_as_by_the_best_of_a_grid() -> None:
    """The oracle is scikit-learn itself, fitted at thirteen rates with the same batches for 20 epochs.

    From five starts each: a constant stepsize ends a few points higher or lower by chance.
    """
    rows, held = slice(0, 150), slice(150, None)
    for solver in ("adam", "sgd"):
        found = recommend(model=classifier(solver=solver), data=(UNIT[rows], WORDS[rows]))

        def score(solver: str = solver, **settings: Any) -> float:
            fitted = [
                classifier(solver=solver, random_state=start, **settings).fit(UNIT[rows], WORDS[rows])
                for start in range(5)
            ]
            return float(np.mean([each.score(UNIT[held], WORDS[held]) for each in fitted]))

        batch = found.arguments["batch_size"]
        rates = (0.001, *np.geomspace(1e-4, 1, 13))
        default, *grid = (score(learning_rate_init=rate, batch_size=batch) for rate in rates)
        advised = score(**found.arguments)
        assert advised > max(grid) - 0.1
        assert advised > default + 0.1


@pytest.mark.parametrize(
    ("model", "data", "error", "message"),
    [
        (classifier(), X, DataError, r"data must be \(x, y\)"),
        (classifier(), (X, WORDS[:-1]), DataError, "y must have a target for each of the 300 rows"),
        (classifier(), (X[:, 0], WORDS), DataError, "x must have rows and columns"),
        (classifier(), (np.where(X > 9, np.nan, X), WORDS), DataError, "x must have no gaps"),
        (classifier(), (np.where(X > 9, np.inf, X), WORDS), DataError, "x must be finite"),
        (classifier(), (X.astype(str), WORDS), None, ""),
        (classifier(), (np.full((300, 2), "a"), WORDS), DataError, "x must be an array of numbers"),
        (classifier(), (X, np.full(300, "oak")), DataError, "y must hold two or more classes"),
        (classifier(), (X, SCORES), DataError, "y must be labels, or rows of 0 and 1"),
        (regressor(), (X, WORDS), DataError, "y must be an array of numbers"),
        (regressor(), (X, np.full(300, np.nan)), DataError, "y must have no gaps"),
        (classifier(solver="lbfgs"), (X, WORDS), SpecError, "solver: must be 'adam' or 'sgd'"),
        (classifier(activation="identity"), (X, WORDS), SpecError, "activation"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(
    model: Any, data: Any, error: Any, message: str
) -> None:
    if error is None:
        recommend(model=model, data=data)
        return
    with pytest.raises(error, match=message) as caught:
        recommend(model=model, data=data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "sgd"}, "has a loss and a solver of its own; got optimizer 'sgd'"),
        ({"loss": "squared"}, "has a loss and a solver of its own; got loss 'squared'"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"batch_size": "large"}, "batch_size must be"),
        ({"epochs": -1}, "epochs must be"),
        ({"pilot": 1000.0}, "pilot must be"),
    ],
)
def test_other_arguments_are_held_to_their_rules(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recommend(model=classifier(), data=(X, WORDS), **options)
