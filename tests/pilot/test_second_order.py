"""States planted on small networks: each is found, and its eigenvalues are those of the dense Hessian."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from itertools import product

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad, hessian
from numpy.typing import NDArray
from scipy.optimize import minimize

from rsgadvise.pilot.second_order import StateKind, StoppedState, constant_loss, stopped_state
from rsgadvise.training.networks import Data, Network, initial_weights
from rsgadvise.training.rsg import Training

Float = NDArray[np.float64]

ONE = Network("single_layer", (4, 3))
TWO = Network("multilayer", (4, 3, 2), (40.0, 40.0))
DA = Network("autoencoder", (4, 3), (40.0,))
NETWORKS = {"single layer": ONE, "two layers": TWO, "autoencoder": DA}


def data_for(network: Network, rows: int = 43, seed: int = 0) -> Data:
    """Targets that a sigmoid layer would give, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    inputs = rng.random((rows, network.layers[0]))
    if network.kind == "autoencoder":
        return Data(inputs, inputs)
    slopes = 6 * rng.standard_normal((network.layers[0], network.layers[-1]))
    return Data(inputs, 1 / (1 + np.exp(-(inputs - 0.5) @ slopes)) * 0.8 + 0.1 * rng.random((rows, 1)))


def training_for(network: Network, data: Data, gamma: float = 0.5, batch: int = 10**9) -> Training:
    """By default with batches so large that their noise is nothing."""
    return Training(network, data, (gamma,) * len(network.shapes), batch)


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


def start_for(network: Network, seed: int = 1, scale: float = 1.0) -> Float:
    matrices = initial_weights(network, np.random.default_rng(seed), scale=scale)
    return np.concatenate([matrix[0].ravel() for matrix in matrices])


def lowest_point(f: Callable[[Float], Float], start: Float, bound: float = 40.0) -> Float:
    """A local minimum in a box, by a solver that is none of ours."""
    options = {"maxiter": 50_000, "maxfun": 10**6, "ftol": 0, "gtol": 1e-9, "maxcor": 50}
    box = [(-bound, bound)] * len(start)
    return np.asarray(minimize(f, start, jac=grad(f), method="L-BFGS-B", bounds=box, options=options).x)


def settled(network: Network, data: Data, start: Float) -> Float:
    return lowest_point(objective(network, data), start)


def state(
    training: Training,
    vector: Float,
    *,
    iterations: int = 1000,
    iteration: int | None = None,
    rows: int = 1024,
    seed: int = 0,
    bound_at: Callable[[int], float | None] | None = None,
) -> StoppedState:
    return stopped_state(
        training,
        parted(training.network, vector),
        iteration=iterations if iteration is None else iteration,
        iterations=iterations,
        rng=np.random.default_rng(seed),
        rows=rows,
        bound_at=bound_at,
    )


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_eigenvalues_are_those_of_the_dense_hessian(network: Network) -> None:
    data, vector = data_for(network), start_for(network)
    f = objective(network, data)
    found = state(training_for(network, data), vector)
    true = np.linalg.eigvalsh(hessian(f)(vector))
    assert found.lowest == pytest.approx(true[0], abs=found.errors.lowest + 1e-12)
    assert found.highest == pytest.approx(true[-1], abs=found.errors.highest + 1e-12)
    assert found.errors.lowest < 1e-4 * true[-1]
    assert found.loss == pytest.approx(f(vector), rel=1e-12)
    assert found.gradient == pytest.approx((grad(f)(vector) ** 2).sum(), rel=1e-10)
    assert (found.errors.gradient, found.errors.loss) == (0, 0)
    assert found.share_of_boxed_weights == 0
    assert found.kind == "descending"
    assert found.go_on


def shallow_box() -> tuple[Network, Data, Float]:
    """An autoencoder at a minimum in a box that holds some of its weights, where f itself bends down."""
    network = Network("autoencoder", (4, 3), (0.6,))
    data = data_for(network)
    return network, data, lowest_point(objective(network, data), start_for(network, seed=1), 0.6)


def test_a_minimum_on_the_box_is_one() -> None:
    network, data, vector = shallow_box()
    f = objective(network, data)
    slope, dense = grad(f)(vector), hessian(f)(vector)
    held = ((vector == 0.6) & (slope < 0)) | ((vector == -0.6) & (slope > 0))
    assert 0 < held.sum() < len(held)
    assert np.abs(slope[~held]).max() < 1e-6, "the solver is at its end"
    whole, free = np.linalg.eigvalsh(dense), np.linalg.eigvalsh(dense[np.ix_(~held, ~held)])
    assert whole[0] < -0.01 * whole[-1] < 0 <= free[0], "planted: without the box it would be a saddle"
    found = state(training_for(network, data), vector)
    assert found.kind == "minimum"
    assert not found.go_on
    assert found.share_of_boxed_weights == pytest.approx(held.mean())
    assert found.lowest == pytest.approx(free[0], abs=found.errors.lowest + 1e-9)
    assert found.highest == pytest.approx(free[-1], abs=found.errors.highest + 1e-9)
    assert found.gradient < 1e-10


def test_weights_that_noise_has_just_moved_off_the_box_are_held_too() -> None:
    network, data, vector = shallow_box()
    slope = grad(objective(network, data))(vector)
    on = np.abs(vector) == 0.6
    moved = np.where(on, vector * (1 - 0.05 * np.abs(slope)), vector)
    found = state(training_for(network, data), moved)
    assert found.kind == "minimum"
    assert found.share_of_boxed_weights == pytest.approx(on.mean())


def test_weights_pressed_off_the_box_are_free() -> None:
    """On the box, with the gradient pointing inwards: nothing is held, and there is a way down."""
    network = Network("multilayer", (4, 2), (0.5,))
    data = Data(data_for(network).inputs, np.zeros((43, 2)))
    vector = np.full(8, 0.5)
    assert (grad(objective(network, data))(vector) > 0).all(), "planted"
    for gamma in (0.5, 1e-9):
        found = state(training_for(network, data, gamma), vector, iterations=10)
        assert found.share_of_boxed_weights == 0
        assert found.kind == "descending"


def test_a_long_way_to_go_holds_nothing_that_is_far_from_the_box() -> None:
    """Steps as long as all that remain would overshoot the minimum beside these weights by far."""
    data = data_for(ONE)
    vector = settled(ONE, data, start_for(ONE)) + 0.01
    boxed = Network("multilayer", ONE.layers, (45.0,))
    found = state(training_for(boxed, data, gamma=5.0), vector, iterations=10**7)
    assert found.share_of_boxed_weights == 0
    assert found.kind == "minimum"


def test_single_precision_is_on_the_box_too() -> None:
    network, data, vector = shallow_box()
    exact, rounded = (
        state(training_for(network, data), v) for v in (vector, vector.astype(np.float32).astype(float))
    )
    assert rounded.share_of_boxed_weights == exact.share_of_boxed_weights


def test_a_box_of_no_width_holds_everything() -> None:
    network = Network("multilayer", (4, 3, 2), (0.0, 0.0))
    found = state(training_for(network, data_for(network)), np.zeros(18))
    assert found.share_of_boxed_weights == 1
    assert (found.lowest, found.highest, found.gradient, found.decrease) == (0, 0, 0, 0)
    assert not found.go_on


@pytest.mark.parametrize("iterations", [3, 10_000])
def test_equal_hidden_units_are_a_saddle(iterations: int) -> None:
    """Gradients never tell them apart: the best network with equal units, which unequal ones improve."""
    rng = np.random.default_rng(2)
    inputs = rng.random((40, 4))
    data = Data(inputs, 0.4 * rng.random((40, 2)) + 0.5 * inputs[:, :2])
    f = objective(TWO, data)

    def spread(few: Float) -> Float:
        """Input weights of one unit, output weights of one unit: the same for all three."""
        first, second = few[:4], few[4:]
        return anp.concatenate([anp.tile(first, 3), anp.repeat(second, 3)])  # type: ignore[no-any-return]

    few = np.concatenate([start_for(TWO)[:4], [0.1, -0.2]])
    vector = spread(lowest_point(lambda few: f(spread(few)), few))
    true = np.linalg.eigvalsh(hessian(f)(vector))
    assert np.abs(grad(f)(vector)).max() < 1e-6
    assert true[0] < -0.01 * true[-1], "planted"
    found = state(training_for(TWO, data, gamma=1.0), vector, iterations=iterations)
    assert found.kind == "saddle"
    assert found.lowest == pytest.approx(true[0], abs=found.errors.lowest + 1e-9)
    assert found.go_on == (-true[0] * iterations > 1)
    assert found.loss < found.constant_loss
    assert found.sentence.startswith("A saddle: the lowest eigenvalue of the Hessian is -")


def test_a_plateau_that_negative_curvature_leaves_is_a_saddle() -> None:
    """All weights 0: the best constant prediction, and no gradient, but two layers that can learn."""
    data = data_for(TWO)
    halves = data.targets - data.targets.mean(axis=0) + 0.5
    flat = training_for(TWO, Data(data.inputs, halves))
    found = state(flat, np.zeros(18), iterations=1000)
    assert found.loss == pytest.approx(found.constant_loss)
    assert (found.kind, found.go_on) == ("saddle", True)
    assert state(flat, np.zeros(18), iterations=2).kind == "saturated"


def test_a_slightly_negative_eigenvalue_is_no_saddle() -> None:
    """One weak input that only a wrong and nearly saturated row has, beside three that are learnt."""
    inputs = np.repeat(np.diag([1.0, 1, 1, 0.1]), [10, 10, 10, 1], axis=0)
    targets = np.repeat([0.5, 0, 1, 1], [10, 10, 10, 1])[:, None]
    single, vector = Network("single_layer", (4, 1)), np.array([0.0, -4, 4, -50])
    data = Data(inputs, targets)
    true = np.linalg.eigvalsh(hessian(objective(single, data))(vector))
    assert -0.01 * true[-1] < true[0] < -1e-6, "planted"
    found = state(training_for(single, data), vector, iterations=10)
    assert found.lowest == pytest.approx(true[0])
    assert found.kind == "minimum"


def test_a_gradient_within_its_error_is_none() -> None:
    """A sample of a few rows at the minimum of all of them has a gradient by chance alone."""
    data = data_for(ONE, rows=400)
    vector = settled(ONE, data, start_for(ONE))
    found = [state(training_for(ONE, data), vector, rows=20, seed=seed) for seed in range(60)]
    assert sum(one.decrease >= 0.01 * one.loss for one in found) >= 6, "planted"
    assert sum(one.kind == "descending" for one in found) <= 3


def test_few_rows_cannot_tell_a_minimum_from_a_slope() -> None:
    """At the minimum of all rows, and a little beside it: the few say the same of both, and all tell them."""
    data = data_for(ONE, rows=400)
    there = settled(ONE, data, start_for(ONE))
    beside = there + 0.3 * np.random.default_rng(2).standard_normal(len(there))
    training = training_for(ONE, data)
    for vector in (there, beside):
        few = [state(training, vector, rows=20, seed=seed) for seed in range(10)]
        unclear = [one for one in few if one.kind == "unclear"]
        assert len(unclear) >= 7
        for one in unclear:
            assert not one.go_on
            assert one.sentence.startswith("Cannot tell: by iteration 2,000 the loss of ")
            assert "promises little" not in one.sentence
    assert state(training, there).kind == "minimum"
    assert state(training, beside).kind == "descending"


def test_measured_losses_outweigh_the_model_of_one_place() -> None:
    data = data_for(ONE)
    vector = settled(ONE, data, start_for(ONE))
    matrices = parted(ONE, vector)

    def found(fell: str, at: Sequence[Float], network: Network = ONE) -> StoppedState:
        rng = np.random.default_rng(0)
        training = training_for(network, data)
        return stopped_state(training, at, iteration=100, iterations=100, rng=rng, fell=fell)

    assert found("", matrices).kind == "minimum"
    seen = found("the loss fell from 2 to 1", matrices)
    assert (seen.kind, seen.go_on) == ("unclear", True)
    assert seen.sentence == (
        "Cannot tell: the loss fell from 2 to 1, which these rows do not show; "
        "going on from there is worth it."
    )
    # Where the model sees the slope itself, it says so.
    assert found("the loss fell from 2 to 1", parted(ONE, start_for(ONE))).kind == "descending"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_converged_network_is_at_a_minimum(seed: int) -> None:
    data = data_for(ONE)
    vector = settled(ONE, data, start_for(ONE, seed))
    true = np.linalg.eigvalsh(hessian(objective(ONE, data))(vector))
    assert true[0] > 0
    found = state(training_for(ONE, data), vector)
    assert found.kind == "minimum"
    assert not found.go_on
    assert found.sentence.endswith("; going on from there promises little.")
    assert found.lowest == pytest.approx(true[0], abs=found.errors.lowest + 1e-9)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_huge_weights_are_saturated_and_no_minimum(network: Network) -> None:
    data, vector = data_for(network), -1e5 * np.ones(len(start_for(network)))
    free = Network(network.kind, network.layers, (1e9,) * len(network.weight_bounds))
    found = state(training_for(free, data), vector)
    assert found.gradient < 1e-20
    assert found.loss > found.constant_loss
    assert found.kind == "saturated"
    assert not found.go_on


def test_a_good_saturated_network_is_no_failure() -> None:
    """Its gradient is as tiny, but its loss is below that of the best constant."""
    rng = np.random.default_rng(0)
    inputs, slopes = rng.random((60, 4)), np.array([1.0, -1, 2, -2])
    inputs = inputs[np.abs(inputs @ slopes) > 0.05]
    targets = (inputs @ slopes > 0).astype(float)[:, None]
    targets[0] = 1 - targets[0]  # one row that it gets wrong
    data = Data(inputs, targets)
    found = state(training_for(Network("single_layer", (4, 1)), data), 1e4 * slopes)
    assert 0 < found.loss < 0.1 < found.constant_loss
    assert found.kind == "minimum"


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1e200, 1e31])
def test_weights_out_of_range_have_diverged(wrong: float) -> None:
    vector = start_for(ONE)
    vector[5] = wrong
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = state(training_for(ONE, data_for(ONE)), vector, bound_at=lambda n: 2.0 / n)
    assert found.kind == "diverged"
    assert math.isnan(found.loss)
    assert (found.go_on, found.products, found.work) == (False, 0, 0)
    assert (found.bound, found.longer_bound) == (0.002, 0.001)


def test_the_largest_weights_in_range_raise_nothing() -> None:
    deep = Network("multilayer", (4, 3, 3, 3, 2), (1e300,) * 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sign in (1, -1):
            found = state(training_for(deep, data_for(deep)), sign * 9e29 * np.ones(36))
            assert found.kind == "saturated"


def test_the_bound_is_restated_for_twice_the_iterations() -> None:
    asked = []

    def bound_at(n: int) -> float:
        asked.append(n)
        return 100 / n

    found = state(
        training_for(ONE, data_for(ONE)), start_for(ONE), iteration=70, iterations=200, bound_at=bound_at
    )
    assert sorted(asked) == [200, 400]
    assert (found.bound, found.longer_bound) == (0.5, 0.25)
    restated = "a run planned for 400 iterations has the bound 0.25 in place of 0.5."
    assert f"going on from there is worth it; {restated}" in found.sentence
    none = state(training_for(ONE, data_for(ONE)), start_for(ONE), bound_at=lambda n: None)
    assert (none.bound, none.longer_bound) == (None, None)
    assert "bound" not in none.sentence


def test_a_few_iterations_are_not_worth_their_while() -> None:
    """There is a way down, but not at this stepsize in this time."""
    data = data_for(ONE)
    slow = state(training_for(ONE, data, gamma=1e-6), start_for(ONE), iterations=100)
    assert (slow.kind, slow.go_on) == ("descending", False)
    assert "at these stepsizes are too few to get away from there" in slow.sentence


def test_noise_that_outweighs_the_gradient() -> None:
    """Beside a minimum, at a stepsize whose mini-batches of one example throw the weights about."""
    data = data_for(ONE)
    vector = settled(ONE, data, start_for(ONE)) + 0.1
    quiet = state(training_for(ONE, data, gamma=8.0), vector, iterations=10_000)
    loud = state(training_for(ONE, data, gamma=8.0, batch=1), vector, iterations=10_000)
    assert quiet.decrease > 0
    assert loud.decrease < 0.1 * quiet.decrease
    assert "mini-batch noise sustains the gradient" in loud.sentence


def test_steps_that_overshoot_are_named() -> None:
    data = data_for(ONE)
    found = state(training_for(ONE, data, gamma=500.0), start_for(ONE))
    limit = 2 / np.linalg.eigvalsh(hessian(objective(ONE, data))(start_for(ONE)))[-1]
    said = f"steps are 5e+02 long, and above {limit:.2g}, 2 over its eigenvalue, they overshoot there"
    assert said in found.sentence
    assert "overshoot" not in state(training_for(ONE, data), start_for(ONE)).sentence


@pytest.mark.parametrize("level", [0, 1])
def test_a_long_step_in_a_flat_layer_does_not_overshoot(level: int) -> None:
    """The oracle is the largest eigenvalue of Gamma^(1/2) H Gamma^(1/2), dense."""
    data, vector = data_for(TWO), start_for(TWO)
    dense = hessian(objective(TWO, data))(vector)
    highest = np.linalg.eigvalsh(dense)[-1]
    sizes = [math.prod(shape) for shape in TWO.shapes]
    said, planted = [], 0
    for long, short in product((1.0, 2.2, 4.0, 30.0, 100.0), (0.01, 0.5, 1.9)):
        gammas = [short / highest, short / highest]
        gammas[level] = long / highest
        root = np.sqrt(np.repeat(gammas, sizes))
        sharpest = np.linalg.eigvalsh(root[:, None] * dense * root)[-1]
        found = state(Training(TWO, data, tuple(gammas), 10**9), vector)
        said.append("overshoot" in found.sentence)
        assert not said[-1] or sharpest > 2
        planted += long > 2 > sharpest
    # The steepest direction lies in the last layer: only long steps there are said to overshoot.
    assert (planted > 0, any(said)) == ((True, False) if level == 0 else (False, True))


def test_one_row() -> None:
    data = data_for(ONE, rows=1)
    vector = start_for(ONE)
    found = state(training_for(ONE, data, batch=4), vector)
    assert found.loss == pytest.approx(objective(ONE, data)(vector))
    assert found.constant_loss == 0


def test_constant_loss_is_that_of_the_best_constant() -> None:
    targets = np.random.default_rng(0).random((50, 3))
    best = minimize(lambda c: ((targets - c) ** 2).sum(axis=1).mean(), np.zeros(3))
    assert constant_loss(ONE, targets) == pytest.approx(best.fun, rel=1e-6)
    assert constant_loss(ONE, targets.astype(np.float32)) == pytest.approx(best.fun, rel=1e-6)


@pytest.mark.parametrize("name", ["two layers", "autoencoder"])
def test_sampled_masks_average_out(name: str) -> None:
    wide = NETWORKS[name]
    network = Network(wide.kind, wide.layers, wide.weight_bounds, 0.7)
    data, vector = data_for(network, rows=8), start_for(network)
    f = objective(network, data)
    found = state(training_for(network, data), vector, rows=20_000)
    true = np.linalg.eigvalsh(hessian(f)(vector))
    assert found.errors.highest < 0.05 * true[-1]
    assert found.lowest == pytest.approx(true[0], abs=2 * found.errors.lowest)
    assert found.highest == pytest.approx(true[-1], abs=2 * found.errors.highest)
    assert found.loss == pytest.approx(f(vector), abs=3 * found.errors.loss)
    assert found.gradient == pytest.approx((grad(f)(vector) ** 2).sum(), abs=3 * found.errors.gradient)


KINDS: dict[StateKind, float] = {"descending": 1.0, "saturated": -1e5}


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_sample_comes_to_the_same_finding(kind: StateKind) -> None:
    data = data_for(TWO, rows=5000)
    scale = KINDS[kind]
    vector = start_for(TWO) if scale == 1 else scale * np.ones(18)
    network = Network("multilayer", TWO.layers, (1e9, 1e9))
    assert state(training_for(network, data), vector, rows=512).kind == kind
