"""Calibration against dense Hessians and per-row gradients, its errors against their own spread, its cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad, hessian
from numpy.typing import NDArray

from rsgadvise.errors import HypothesisError
from rsgadvise.pilot import calibration as module
from rsgadvise.pilot.calibration import SHARE, Calibration, Quantity, calibrate, layer_smoothness
from rsgadvise.pilot.task import Task, flat, shaped
from rsgadvise.training.networks import Data, Network, Weights, initial_weights
from rsgadvise.training.rsg import Snapshot, Training, train

Float = NDArray[np.float64]

# So small that six Lanczos products find every eigenvalue.
SMALL = {
    "single layer": Network("single_layer", (3, 2)),
    "two layers": Network("multilayer", (2, 1, 2), (4.0, 4.0)),
    "autoencoder": Network("autoencoder", (3, 2), (4.0,)),
}
MASKED = {
    "two layers": Network("multilayer", (3, 2, 2), (4.0, 4.0), 0.7),
    "autoencoder": Network("autoencoder", (4, 2), (4.0,), 0.6),
}
WIDE = Network("single_layer", (5, 3))


def data_for(network: Network, rows: int, seed: int = 0) -> Data:
    """In single precision, as a task keeps them."""
    rng = np.random.default_rng(seed)
    inputs = rng.random((rows, network.layers[0])).astype(np.float32).astype(np.float64)
    if network.kind == "autoencoder":
        return Data(inputs, inputs)
    slopes = 4 * rng.standard_normal((network.layers[0], network.layers[-1]))
    targets = 1 / (1 + np.exp(-(inputs - 0.5) @ slopes)) * 0.8 + 0.2 * rng.random((rows, 1))
    return Data(inputs, targets.astype(np.float32).astype(np.float64))


def parted(network: Network, vector: Float) -> list[Float]:
    ends = np.cumsum([math.prod(shape) for shape in network.shapes])[:-1]
    return [p.reshape(shape) for p, shape in zip(anp.split(vector, ends), network.shapes, strict=True)]


def sigmoid(s: Float) -> Float:
    return 1 / (1 + anp.exp(-s))  # type: ignore[no-any-return]


def objective(network: Network, data: Data) -> Callable[[Float], Float]:
    """f of all weights in one vector, over every mask where there are masks."""
    widths = network.masked_widths
    keep = network.keep_prob

    every = np.array(list(product((0.0, 1.0), repeat=sum(widths))))
    chances = np.prod(np.where(every > 0, keep, 1 - keep), axis=1)
    masks = np.split(every[:, None, :], np.cumsum(widths)[:-1], axis=2) if widths else []

    def expected(vector: Float) -> Float:
        weights = parted(network, vector)
        layers = [weights[0], weights[0].T] if network.kind == "autoencoder" else weights
        h = data.inputs[None]
        for level, w in enumerate(layers):
            h = sigmoid((h * masks[level] if level < len(masks) else h) @ w.T)
        losses = anp.mean(anp.sum((data.targets - h) ** 2, axis=2), axis=1)
        return anp.dot(chances, losses)  # type: ignore[no-any-return]

    return expected


def task_for(network: Network, rows: int = 41, seed: int = 3) -> Task:
    return Task.of(network, data_for(network, rows), seed=seed, hold_out=False)


def everything(task: Task) -> Calibration:
    """A training so long that all rows can be used."""
    return calibrate(task, batch_size=16, iterations=100_000)


def quantity(found: Calibration, name: str) -> Quantity:
    (one,) = [each for each in found.quantities if each.name == name]
    return one


def objective_at(task: Task) -> Callable[[Float], Float]:
    network, data = task.network, task.data
    return objective(network, Data(data.inputs.astype(np.float64), data.targets.astype(np.float64)))


def row_gradients(task: Task, place: Float) -> Float:
    rows = []
    for row in range(task.data.rows):
        one = task.part(np.array([row]))
        single = Data(one.inputs.astype(np.float64), one.targets.astype(np.float64))
        rows.append(grad(objective(task.network, single))(place))
    return np.array(rows)


@pytest.mark.parametrize("network", SMALL.values(), ids=SMALL)
def test_constants_are_those_of_all_rows(network: Network) -> None:
    task = task_for(network)
    found = everything(task)
    assert len(found.rows) == task.data.rows
    f, start, end = objective_at(task), flat(task.start(0)), flat(found.weights)
    assert not np.array_equal(start, end)
    assert found.initial_loss == quantity(found, "initial_loss").value
    assert found.initial_loss == pytest.approx(float(f(start)))
    assert found.loss == pytest.approx(float(f(end)))
    assert found.loss <= found.initial_loss
    smoothness = quantity(found, "smoothness")
    assert smoothness.at_start == pytest.approx(np.linalg.eigvalsh(hessian(f)(start))[-1])
    assert smoothness.value == pytest.approx(np.linalg.eigvalsh(hessian(f)(end))[-1])
    assert smoothness.value == found.constants.smoothness
    slopes, square = row_gradients(task, end), float((grad(f)(end) ** 2).sum())
    parts = zip(*(shaped(slope, network) for slope in slopes), strict=True)
    variances = [np.sum(np.var(np.array(part), axis=0)) for part in parts]
    assert found.constants.layer_variances == pytest.approx(variances)
    assert quantity(found, "gradient_variance").value == pytest.approx(sum(variances))
    start_slopes = row_gradients(task, start)
    assert quantity(found, "gradient_variance").at_start == pytest.approx(
        np.sum(np.var(start_slopes, axis=0))
    )
    assert quantity(found, "squared_gradient").value == pytest.approx(square)
    assert found.constants.distance == pytest.approx(float(f(end)) / math.sqrt(square))
    for each in found.quantities:  # all rows were seen
        assert each.standard_error == pytest.approx(0, abs=1e-9 * found.constants.smoothness)


@pytest.mark.parametrize("rows", [20, 21, 300])
def test_lanczos_stays_below_the_top_and_close_to_it(rows: int) -> None:
    network = Network("multilayer", (8, 6, 4), (4.0, 4.0))
    task = task_for(network, rows)
    found = everything(task)
    f = objective_at(task)
    smoothness = quantity(found, "smoothness")
    dense = hessian(f)(flat(found.weights))
    for matrix, value in ((hessian(f)(flat(task.start(0))), smoothness.at_start), (dense, smoothness.value)):
        true = np.linalg.eigvalsh(matrix)[-1]
        assert value is not None
        assert 0.8 * true <= value <= true * (1 + 1e-9)
    blocks, _ = layer_smoothness(task, found, np.random.default_rng(0))
    cut = 8 * 6
    for value, block in zip(blocks, (dense[:cut, :cut], dense[cut:, cut:]), strict=True):
        true = np.linalg.eigvalsh(block)[-1]
        assert 0.8 * true <= value <= true * (1 + 1e-9)


def single_layer_truth(data: Data, weights: Float) -> dict[str, float]:
    """Loss, top eigenvalue, variance and squared gradient of a single layer over all rows, by formula."""
    x, y = data.inputs, data.targets
    out = 1 / (1 + np.exp(-x @ weights.T))
    slope = out * (1 - out)
    errors = 2 * (out - y) * slope
    bends = 2 * slope**2 + errors * (1 - 2 * out)
    square = float((np.square(errors.T @ x / len(x))).sum())
    each = np.square(errors).sum(axis=1) * np.square(x).sum(axis=1)
    blocks = [np.linalg.eigvalsh((x * bend[:, None]).T @ x / len(x))[-1] for bend in bends.T]
    return {
        "initial_loss": float(np.square(out - y).sum(axis=1).mean()),
        "smoothness": float(max(blocks)),
        "gradient_variance": float(each.mean()) - square,
        "squared_gradient": square,
    }


def test_errors_are_those_of_repeated_samples() -> None:
    """Each estimate in units of its own standard error, against the truth at the same weights."""
    data = data_for(WIDE, 4000)
    scores: dict[str, list[float]] = {}
    for seed in range(60):
        task = Task.of(WIDE, data, seed=seed, hold_out=False)
        found = calibrate(task, batch_size=16, iterations=4000)
        assert 8 < len(found.rows) < 100
        at_end, at_start = (
            single_layer_truth(data, matrix[0]) for matrix in (found.weights[0], task.start(0)[0])
        )
        for each in found.quantities:
            truth = (at_start if each.name == "initial_loss" else at_end)[each.name]
            assert each.standard_error > 0
            scores.setdefault(each.name, []).append((each.value - truth) / each.standard_error)
    # A sample's largest eigenvalue is too large; all noise of a gradient is taken to point along it.
    within = dict.fromkeys(scores, (0.7, 1.5)) | {"smoothness": (0.5, 3.0), "squared_gradient": (0.3, 1.5)}
    for name, found_scores in scores.items():
        spread = float(np.sqrt(np.mean(np.square(found_scores))))
        low, high = within[name]
        assert low < spread < high, f"{name}: {spread:.2f} standard errors"
    # What sampling adds to a squared mean is taken off: with it these would be 0.26 above.
    assert np.mean(scores["squared_gradient"]) < 0.1


@pytest.mark.parametrize("name", MASKED)
def test_masks_are_sampled_and_never_without_error(name: str) -> None:
    network = MASKED[name]
    deviations = []
    for seed in range(12):
        task = task_for(network, 30, seed)
        found = calibrate(task, batch_size=64, iterations=25_000)  # rows as in `everything`, fewer steps
        assert all(each.standard_error > 0 for each in found.quantities)
        one = quantity(found, "initial_loss")
        truth = float(objective_at(task)(flat(task.start(0))))
        deviations.append((one.value - truth) / one.standard_error)
    # All rows are there, so that only the masks deviate: the error is an upper one.
    assert np.sqrt(np.mean(np.square(deviations))) < 1.3


@pytest.mark.parametrize(
    "network", [WIDE, Network("multilayer", (9, 7, 3), (2.0, 2.0), 0.8)], ids=lambda network: network.kind
)
@pytest.mark.parametrize(("batch", "iterations"), [(32, 2000), (32, 20_000), (256, 2000), (1, 200_000)])
def test_it_costs_a_twentieth_of_a_training(
    network: Network, batch: int, iterations: int, counted: list[float]
) -> None:
    task = task_for(network, 2000)
    found = calibrate(task, batch_size=batch, iterations=iterations)
    assert found.work == counted[0]
    assert SHARE == 0.05
    assert found.work <= 0.05 * batch * iterations
    counted[0] = 0
    _, work = layer_smoothness(task, found, np.random.default_rng(0))
    assert work == counted[0]


def at_its_minimum(task: Task, key: int) -> Weights:
    """W = 0 for targets that are fair coins: whatever SGD does makes the loss larger."""
    assert key == 0
    return [np.zeros((1, *shape)) for shape in task.network.shapes]


@pytest.fixture
def coins(monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setattr(Task, "start", at_its_minimum)
    rng = np.random.default_rng(0)
    half = rng.random((30, 3))
    inputs, targets = np.concatenate([half, half]), np.concatenate([np.ones((30, 2)), np.zeros((30, 2))])
    return Task.of(SMALL["single layer"], Data(inputs, targets), seed=0, hold_out=False)


def test_stages_that_raise_the_loss_are_taken_back(coins: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []

    def recording(training: Training, *rest: Any) -> Iterator[Snapshot]:
        tried.append(training.stepsizes[0])
        return train(training, *rest)

    monkeypatch.setattr(module, "train", recording)
    found = calibrate(coins, batch_size=1, iterations=200_000)
    assert all(not matrix.any() for matrix in found.weights), "back at W1"
    assert found.loss == found.initial_loss == pytest.approx(0.5)
    smoothness = quantity(found, "smoothness")
    assert smoothness.value == smoothness.at_start
    # Every failure makes the next stage four times as careful, and the last is so in any case.
    assert np.array(tried) * smoothness.value == pytest.approx([1, 1 / 4, 1 / 64])


def test_at_a_minimum_the_distance_is_finite(coins: Task) -> None:
    found = calibrate(coins, batch_size=1, iterations=200_000)
    assert quantity(found, "squared_gradient").value == pytest.approx(0, abs=1e-12)
    assert 0.5e6 < found.constants.distance <= 1e150


def test_inputs_that_are_all_zero_have_nothing_to_measure() -> None:
    rng = np.random.default_rng(0)
    task = Task.of(WIDE, Data(np.zeros((20, 5)), rng.random((20, 3))), seed=0, hold_out=False)
    with pytest.raises(HypothesisError, match=r"curvature at W1 .* inputs of at most 0, .* features"):
        calibrate(task, batch_size=4, iterations=100)


def test_a_saturated_start_is_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    def far_out(task: Task, key: int) -> Weights:
        return [1e6 * np.ones((1, *shape)) for shape in task.network.shapes]

    monkeypatch.setattr(Task, "start", far_out)
    network = Network("multilayer", (4, 3, 2), (1e9, 1e9))
    with pytest.raises(HypothesisError, match="got a Hessian whose largest eigenvalue is 0"):
        calibrate(task_for(network), batch_size=4, iterations=100)


@pytest.mark.parametrize("box", [1e9, 1e-3])
def test_any_box(box: float) -> None:
    network = Network("multilayer", (4, 3, 2), (box, box))
    found = everything(task_for(network))
    assert all(np.abs(matrix).max() <= box * (1 + 1e-6) for matrix in found.weights)
    assert_plausible(found)


def assert_plausible(found: Calibration) -> None:
    assert found.constants.smoothness > 0
    assert all(variance >= 0 for variance in found.constants.layer_variances)
    assert 0 < found.constants.distance < math.inf
    assert all(math.isfinite(each.value) and each.standard_error >= 0 for each in found.quantities)
    assert found.loss <= found.initial_loss


@pytest.mark.parametrize(
    "network", [*SMALL.values(), *MASKED.values()], ids=lambda n: f"{n.kind} {n.keep_prob}"
)
def test_the_smallest_cases(network: Network) -> None:
    """One row, fewer rows than the batch, and a single iteration."""
    for rows, (batch, iterations) in product((1, 2, 7), ((1, 1), (64, 1), (64, 40))):
        found = calibrate(task_for(network, rows), batch_size=batch, iterations=iterations)
        assert_plausible(found)
        assert len(found.rows) == rows
        if rows == 1 and not network.masked_widths:
            assert sum(found.constants.layer_variances) == pytest.approx(0, abs=1e-12)


def test_w1_is_that_of_a_training() -> None:
    """The pilot starts where the race and every training with this seed do."""
    task = task_for(SMALL["autoencoder"])
    drawn = initial_weights(task.network, task.rng(0, 0))
    assert all(np.array_equal(a, b) for a, b in zip(task.start(0), drawn, strict=True))
    found = everything(task)
    assert found.initial_loss == pytest.approx(float(objective_at(task)(flat(drawn))))
