"""Twins have the statistics that they should, and what is raced on them trains on data like them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from conftest import present
from numpy.typing import NDArray

from rsgadvise.advise.results import Advice
from rsgadvise.advise.space import search_space
from rsgadvise.errors import HypothesisError
from rsgadvise.pilot import typical
from rsgadvise.pilot.calibration import calibrate
from rsgadvise.pilot.task import Task
from rsgadvise.pilot.twins import Statistics, columns_for, make_twin, shared_part, typical_statistics
from rsgadvise.pilot.typical import RATIO, lowest, rehearse
from rsgadvise.spec import Spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.calibrated import loss_stepsize
from rsgadvise.training.networks import Data, Network

FloatArray = NDArray[np.float64]
MNIST = Statistics(784, 0.13066048, 0.04475126, 0.11200258, 38.091071)
FASHION = Statistics(784, 0.2894, 0.1218, 0.2081, 112.2)


def advise_typically(spec: Spec, *, seed: int = 0, top: int = 5) -> Advice:
    """What is typical, as it is found: without a fall at the end."""
    problem = resolve(spec)
    found = typical.typical(spec, problem, search_space(spec, problem), seed=seed, top=top, measured=None)
    return found.alone()


def spec(
    layers: list[int], data: dict[str, float] | None = None, *, box: float = 5, **training: object
) -> Spec:
    network: dict[str, object] = {
        "kind": "single_layer" if len(layers) == 2 else "multilayer",
        "layers": layers,
    }
    if len(layers) > 2:
        network["weight_bound"] = box
    return Spec.model_validate({"network": network, "data": data or {}, "training": training})


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(MNIST, id="wide"),
        pytest.param(Statistics(9, 0.24, 0.063, 0.16, 1.13), id="narrow"),
        pytest.param(Statistics(1, 0.4, 0.16, 0.3, None), id="one column"),
        pytest.param(Statistics(10**9, 0.3, 0.1, 0.15, None), id="a billion columns"),
        pytest.param(Statistics(784, 0.01, 0.0098, 0.0099, None), id="few ones, so more columns"),
        pytest.param(Statistics(4, 1.0, 1.0, 1.0, 4.0), id="all ones"),
        pytest.param(Statistics(4, 0.5, 0.25, 0.25, None), id="constant"),
    ],
)
def test_a_twin_has_the_given_moments(known: Statistics) -> None:
    columns = columns_for(known, fewest=32)
    twin = make_twin(known, columns=columns, outputs=3, shared=0.3, rng=np.random.default_rng(1))
    inputs = twin.data.inputs / math.sqrt(twin.group)
    assert twin.group * columns == pytest.approx(known.dim)
    assert inputs.min() >= 0
    assert inputs.max() <= 1 + 1e-12
    assert inputs.mean() == pytest.approx(known.mean, rel=1e-9)
    assert (inputs.mean(axis=0) ** 2).mean() == pytest.approx(known.mean_square, rel=1e-9)
    assert (inputs**2).mean() == pytest.approx(known.second_moment, rel=0.02)
    assert (twin.data.targets.sum(axis=1) == 1).all()


def test_the_top_eigenvalue_is_matched() -> None:
    columns = columns_for(FASHION, fewest=32)
    shared = shared_part(FASHION, columns=columns, rng=np.random.default_rng(0))
    tops = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        inputs = make_twin(FASHION, columns=columns, outputs=2, shared=shared, rng=rng).data.inputs
        tops.append(np.linalg.eigvalsh(inputs.T @ inputs / len(inputs))[-1])
    assert 0 < shared < 1
    assert np.median(tops) == pytest.approx(112.2, rel=0.05)


def test_the_top_eigenvalue_of_many_columns_is_that_of_a_small_product(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = Statistics(15_000, 0.3, 0.1, 0.2, 2250.0)
    columns, sizes, eigenvalues = 1500, [], np.linalg.eigvalsh

    def recorded(product: FloatArray) -> FloatArray:
        sizes.append(len(product))
        return np.asarray(eigenvalues(product))

    monkeypatch.setattr(np.linalg, "eigvalsh", recorded)
    shared = shared_part(known, columns=columns, rng=np.random.default_rng(0))
    assert max(sizes) < columns
    twin = make_twin(known, columns=columns, outputs=3, shared=shared, rng=np.random.default_rng(1))
    top = np.linalg.norm(twin.data.inputs, 2) ** 2 / len(twin.data.inputs)
    assert top == pytest.approx(known.top_eigenvalue, rel=0.05)


def test_few_inputs_to_many_units_are_not_raced() -> None:
    """Their sigmoids take longer than all products of matrices."""
    known = Statistics(5, 0.3, 0.1, 0.15, None)
    found = rehearse(Network("multilayer", (5, 20_000, 2), (1.0, 1.0)), known, seed=0, iterations=1000)
    assert found.steps == 0


def test_equal_columns_do_what_one_scaled_column_does() -> None:
    """Gradient steps on data of r equal columns each, against the twin of a column per group."""
    rng = np.random.default_rng(3)
    few, group = rng.random((20, 5)), 7
    many, targets = np.repeat(few, group, axis=1), rng.random((20, 2))
    weights = rng.standard_normal((2, 35)) / math.sqrt(35)
    summed = weights.reshape(2, 5, group).sum(axis=2) / math.sqrt(group)

    def descended(inputs: np.ndarray, start: np.ndarray) -> np.ndarray:
        for _ in range(20):
            output = 1 / (1 + np.exp(-inputs @ start.T))
            start = start - 0.3 * 2 * ((output - targets) * output * (1 - output)).T @ inputs / 20
        return np.asarray(inputs @ start.T)

    np.testing.assert_allclose(
        descended(many, weights), descended(math.sqrt(group) * few, summed), rtol=1e-10
    )


@pytest.mark.parametrize("hidden", [(), (16,)])
def test_it_trains_as_long_as_what_is_measured_on_data_does(hidden: tuple[int, ...]) -> None:
    """A table that was not made as twins are: correlated Gaussian columns, squeezed, classes by distance."""
    rng = np.random.default_rng(7)
    centres = 0.5 + 0.2 * rng.standard_normal((3, 8))
    labels = rng.integers(0, 3, 400)
    inputs = np.clip(centres[labels] + 0.12 * rng.standard_normal((400, 8)), 0, 1)
    data = Data(inputs, np.eye(3)[labels])
    layers = (8, *hidden, 3)
    network = Network(
        "multilayer" if hidden else "single_layer", layers, (5.0,) * (len(layers) - 1) if hidden else ()
    )
    calibration = calibrate(Task.of(network, data, seed=0, hold_out=False), batch_size=32, iterations=2000)
    top = float(np.linalg.eigvalsh(inputs.T @ inputs / 400)[-1])
    square = float((inputs.mean(axis=0) ** 2).mean())
    known = Statistics(8, float(inputs.mean()), square, float((inputs**2).mean()), top)
    found = rehearse(network, known, seed=0, iterations=2000)
    assert 1 / 8 < found.stepsize * calibration.constants.smoothness < 8
    assert present(found.loss) < 0.9


def test_classes_drawn_anew_are_as_many_as_asked() -> None:
    twins = [
        make_twin(FASHION, columns=32, outputs=4, shared=0.3, rng=np.random.default_rng(2), noise=noise)
        for noise in (0.0, 0.5, 1.0)
    ]
    clean = twins[0].data.targets.argmax(axis=1)
    kept = [(twin.data.targets.argmax(axis=1) == clean).mean() for twin in twins]
    assert kept == pytest.approx([1.0, 0.5 + 0.5 / 4, 1 / 4], abs=0.08)


def test_the_stepsize_of_the_race_is_that_of_its_batch_size() -> None:
    """More noise shortens it and less lengthens it, to no more than twice."""
    known = Statistics(20, 0.3, 0.1, 0.2, None)
    found = rehearse(Network("single_layer", (20, 4)), known, seed=1, iterations=500)
    few, same, many = loss_stepsize(
        found.constants, batch_size=np.array([1.0, 32.0, 1e9]), iterations=np.array(500.0)
    )
    assert same == pytest.approx(found.stepsize, rel=1e-9)
    assert few < same < many <= 2 * same


def test_the_lowest_point_of_a_parabola_is_found_between_candidates() -> None:
    grid = RATIO ** np.arange(7.0)
    for place in (2.6, 3.0, 3.4):
        losses = np.exp((np.arange(7) - place) ** 2)
        assert lowest(grid, losses) == pytest.approx(RATIO**place)
    assert lowest(grid, np.exp(np.arange(7.0))) == 1.0, "the first is the lowest known"


def test_the_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typical, "rehearse", rehearse)  # run anew each time
    first, again = (advise_typically(spec([20, 4], {"mean": 0.3}), seed=5) for _ in range(2))
    assert first == again
    assert first != advise_typically(spec([20, 4], {"mean": 0.3}), seed=6)


def test_what_is_typical_is_called_so() -> None:
    advice = advise_typically(spec([20, 4]))
    train = present(advice.train)
    assert (train.source, train.learns, advice.constants) == ("typical", None, "typical")
    assert present(train.spread) >= 4
    assert not any(row.proven for row in advice.recommendations)
    assert "neither proven nor measured on your data" in advice.notes[0]
    assumed = {item.key for item in advice.assumed if "typical" in item.why}
    assert assumed == {"data.mean", "data.mean_square", "data.second_moment"}
    # f(W1) of a twin is no upper bound of the user's.
    plain = [item for item in advice.assumed if item.key == "training.initial_loss"]
    assert plain[0].value == 4


def test_a_network_that_learns_nothing_on_twins_is_a_guess_and_what_helps_is_named() -> None:
    narrow, usual = (
        advise_typically(spec([30, 20, 10, 3], {"mean": 0.4}, box=box, iterations=400), top=1).train
        for box in (0.01, 5.0)
    )
    assert narrow is not None
    assert usual is not None
    assert narrow.learns is None, "nobody trained on the user's data"
    assert narrow.reason.startswith("on made-up data with these statistics no stepsize got below a constant")
    assert narrow.reason.endswith("set network.weight_bound to 5")
    assert usual.reason == ""


@pytest.mark.parametrize(
    ("layers", "data"),
    [
        pytest.param([1, 1], {"mean": 0.5}, id="one input, one output"),
        pytest.param([5, 3], {"mean": 1.0, "mean_square": 1.0}, id="all ones"),
        pytest.param(
            [5, 3], {"mean": 0.5, "mean_square": 0.25, "second_moment": 0.25}, id="constant columns"
        ),
        pytest.param([10**9, 2], {"mean": 0.3, "mean_square": 0.1}, id="a billion inputs"),
        pytest.param([3072, 32, 10], {"mean": 0.48, "mean_square": 0.235, "samples": 3}, id="three rows"),
        pytest.param([4, 1000, 500, 3], {}, id="too large for a race"),
        pytest.param([8, 3], {"top_eigenvalue": 7.9}, id="only lambda_max"),
    ],
)
def test_extremes_have_a_stepsize(layers: list[int], data: dict[str, float]) -> None:
    train = advise_typically(spec(layers, data, batch_size=8, iterations=100), top=1).train
    assert train is not None
    gammas = train.stepsize if isinstance(train.stepsize, tuple) else (train.stepsize,)
    assert all(math.isfinite(gamma) and gamma > 0 for gamma in gammas)
    assert train.common_stepsize == min(gammas)


@pytest.mark.parametrize(
    ("layers", "data", "words"),
    [
        ([5, 3], {"mean": 0.0}, "all but zero"),
        ([10, 10**6, 10**4, 2], {"mean": 0.3}, "weights to train on made-up data"),
    ],
)
def test_what_cannot_be_done_is_refused(layers: list[int], data: dict[str, float], words: str) -> None:
    with pytest.raises(HypothesisError, match=words):
        advise_typically(spec(layers, data))


def test_typical_statistics_keep_to_what_is_given() -> None:
    known, assumed = typical_statistics(spec([10, 2], {"top_eigenvalue": 9.0}))
    assert known.mean**2 <= known.mean_square <= 0.9 + 1e-12
    assert known.mean_square <= known.second_moment <= known.mean
    assert known.second_moment >= 0.9
    assert {item.key for item in assumed} == {"data.mean", "data.mean_square", "data.second_moment"}
    measured, none = typical_statistics(
        spec([10, 2]), {"mean": 0.5, "mean_square": 0.3, "second_moment": 0.4, "top_eigenvalue": 3.5}
    )
    assert (measured, none) == (Statistics(10, 0.5, 0.3, 0.4, 3.5), ())


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({}, True),
        ({"training": {"iterations": 100}}, False),
        ({"budget": {"samples": 1000}}, False),
        ({"target": {"eps": 0.5, "delta": 0.1}}, False),
    ],
)
def test_work_that_nothing_limits_is_said_to_be(sections: dict[str, object], said: bool) -> None:
    given = {"network": {"kind": "single_layer", "layers": [5, 3]}, "data": {"mean": 0.3}, **sections}
    found = advise_typically(Spec.model_validate(given), top=1)
    assert any(note.startswith("Nothing limits the work") for note in found.notes) == said
