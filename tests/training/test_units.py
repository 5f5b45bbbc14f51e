"""Units and losses: what they say of themselves is true, and engine and curvature use it as it is.

The oracles are differences: of a unit's own values, of a network's loss, and of its gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

from rsgadvise.theory.heads import head_names, head_of
from rsgadvise.theory.units import unit_names, unit_of
from rsgadvise.training.curvature import Curvature
from rsgadvise.training.networks import Array, Data, Kernel, Network, initial_weights

pytestmark = pytest.mark.usefixtures("recipes")
UNITS = sorted({*unit_names(), "softsign"})
HEADS = sorted({*head_names(), "huber"})
GRID = np.linspace(-12, 12, 24_001)


@pytest.mark.parametrize("name", UNITS)
def test_what_a_unit_says_of_itself_is_true(name: str) -> None:
    unit, step = unit_of(name), GRID[1] - GRID[0]
    value, slope, bend = unit.derivatives(GRID)
    kinked = unit.bend == np.inf
    jumps = np.abs(GRID) > 2 * step  # where a second derivative, or with a kink a first one, may jump
    smooth = jumps if kinked else np.full(GRID.shape, True)
    np.testing.assert_allclose(np.gradient(value, GRID)[smooth][1:-1], slope[smooth][1:-1], atol=2 * step)
    np.testing.assert_allclose(np.gradient(slope, GRID)[jumps][1:-1], bend[jumps][1:-1], atol=6 * step)
    assert 0.9 * unit.slope <= np.abs(slope).max() <= unit.slope
    steepest = np.abs(np.diff(slope)).max() / step
    assert steepest > 0.5 / step if kinked else 0.9 * unit.bend <= steepest <= unit.bend
    assert kinked or np.abs(bend).max() <= unit.bend
    assert np.all(np.abs(value) <= min(unit.height, np.inf))
    assert np.all(np.abs(value) <= unit.offset + unit.growth * np.abs(GRID) + 1e-15)


@pytest.mark.parametrize("name", UNITS)
def test_mean_squares_of_units_stay_below_what_a_unit_says(name: str) -> None:
    """Of E a^2 <= t alone: no pair of values, one with a chance p, has a larger E phi(a)^2."""
    unit, rng = unit_of(name), np.random.default_rng(0)
    low, high = 10 ** rng.uniform(-3, 1.3, (2, 20_000)) * rng.choice([-1, 1], (2, 20_000))
    chance = rng.random(20_000)
    entering = (1 - chance) * low**2 + chance * high**2
    left, right = (unit.derivatives(each)[0] ** 2 for each in (low, high))
    assert np.all((1 - chance) * left + chance * right <= unit.square(entering) * (1 + 1e-12))
    assert np.all(np.diff(unit.square(np.linspace(0, 100, 1000))) >= 0)
    if name in ("sigmoid", "tanh"):
        alike = unit.derivatives(np.sqrt(entering))[0] ** 2
        np.testing.assert_allclose(unit.square(entering), alike, rtol=1e-12)  # attained


BOUNDS = {
    "gelu": (lambda a: a * mpmath.ncdf(a), mpmath.sqrt(2), 0),
    "silu": (lambda a: a / (1 + mpmath.exp(-a)), 2.4, 0),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_the_bounds_of_a_unit_are_its_maxima_rounded_up(name: str) -> None:
    """By 40 digits: the maxima lie where the next derivative is 0, and nothing on a wide grid is larger."""
    phi, steepest, bent = BOUNDS[name]
    with mpmath.workdps(40):
        top = mpmath.findroot(lambda a: mpmath.diff(phi, a, 2), steepest)
        highest = {1: mpmath.diff(phi, top), 2: mpmath.diff(phi, bent, 2)}
        for order, said in ((1, unit_of(name).slope), (2, unit_of(name).bend)):
            exact = highest[order]
            assert exact <= said <= exact * (1 + mpmath.mpf(1e-15)) + mpmath.mpf(1e-30)
            found = [abs(mpmath.diff(phi, mpmath.mpf(a) / 2, order)) for a in range(-80, 81)]
            assert max(found) <= said


SMOOTH = {"smooth_relu": 0, "smooth_leaky_relu": 0.01}  # slope below 0


@pytest.mark.parametrize("name", SMOOTH)
def test_a_kink_that_is_rounded_off_leaves_a_unit_as_far_apart_as_it_says(name: str) -> None:
    """By 40 digits, both at 0, where they are largest; the unit of the kink names it."""
    unit, kinked = unit_of(name), unit_of(name.removeprefix("smooth_"))
    assert (kinked.smoothed, kinked.name) == (name, unit.rounds)
    with mpmath.workdps(40):
        leak = mpmath.mpf(SMOOTH[name]) if SMOOTH[name] == 0 else mpmath.mpf("0.01")
        apart, bend = (1 - leak) * mpmath.log(2) / 10, (1 - leak) * 10 / 4
        assert apart <= unit.apart <= apart * (1 + mpmath.mpf(1e-15))
        assert unit.apart == unit.offset
        assert abs(unit.bend - bend) <= mpmath.mpf(1e-15)
    beside = unit.derivatives(GRID)[0] - kinked.derivatives(GRID)[0]
    assert beside.max() == pytest.approx(unit.apart, rel=1e-12)
    assert beside.min() >= -1e-14


TORCH_OWN: dict[str, Callable[[Any, Any], Any]] = {
    "softplus": lambda torch, a: torch.nn.functional.softplus(a, threshold=50),
    "smooth_relu": lambda torch, a: torch.nn.functional.softplus(a, beta=10, threshold=50),
    "smooth_leaky_relu": lambda torch, a: (
        0.01 * a + 0.99 * torch.nn.functional.softplus(a, beta=10, threshold=50)
    ),
}
TORCH = [name for name in UNITS if name != "softsign"]  # torch calls them the same


@pytest.mark.parametrize("name", TORCH)
def test_torch_has_the_same_unit(name: str) -> None:
    """Values and slopes to 1e-12 in double precision; at a kink too, which torch takes from the left."""
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'rsgadvise[integrations]'")
    theirs = torch.tensor(GRID[::50], requires_grad=True)
    own = TORCH_OWN.get(name)
    value = own(torch, theirs) if own else getattr(torch.nn.functional, name)(theirs)
    (slope,) = torch.autograd.grad(value.sum(), theirs)
    mine = unit_of(name).derivatives(GRID[::50])
    np.testing.assert_allclose(mine[0], value.detach().numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mine[1], slope.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", UNITS)
def test_the_engines_form_of_a_unit_is_its_derivatives(name: str, dtype: type[np.float64]) -> None:
    unit, tolerance = unit_of(name), 1e-14 if dtype is np.float64 else 1e-5
    value, slope, _ = unit.derivatives(GRID)
    signal: Array = GRID.astype(dtype)
    errors: Array = np.ones(GRID.shape, dtype)
    unit.forward(signal)
    np.testing.assert_allclose(signal, value, rtol=tolerance, atol=tolerance)
    unit.backward(errors, signal if unit.by_output else GRID.astype(dtype))
    np.testing.assert_allclose(errors, slope, rtol=tolerance, atol=tolerance)
    assert not unit.dies or unit.by_output


@pytest.mark.parametrize("name", HEADS)
def test_what_a_loss_says_of_itself_is_true(name: str) -> None:
    """Its second derivatives are differences of its first, its constants hold and are nearly attained."""
    head, rng = head_of(name), np.random.default_rng(0)
    targets = np.eye(3)[rng.integers(3, size=4_000)] * rng.integers(2, size=(4_000, 1))
    values = rng.normal(0, 2, (4_000, 3))
    losses, slope, turn = head.curvature(values, targets)
    way = rng.normal(size=values.shape)
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    after, before = (head.curvature(values + sign * 1e-5 * way, targets) for sign in (1, -1))
    np.testing.assert_allclose((after[0] - before[0]) / 2e-5, (slope * way).sum(axis=1), atol=1e-8)
    np.testing.assert_allclose((after[1] - before[1]) / 2e-5, turn(way), atol=1e-8)
    reach = float(np.linalg.norm(values, axis=1).max())
    steepest = (slope**2).sum(axis=1).max() / float(head.squared_slope(3, reach))
    assert 0.5 < steepest <= 1
    assert 0.5 < (way * turn(way)).sum(axis=1).max() / head.bend <= 1 + 1e-14
    assert losses.max() <= head.largest_loss(3, reach)
    outputs = values[None].copy()
    head.forward(outputs)
    differences = outputs - targets
    np.testing.assert_allclose(head.losses(outputs, targets, differences)[0], losses, rtol=1e-12)
    head.backward(differences, outputs, targets, 0.5)
    np.testing.assert_allclose(differences[0], 0.5 * slope, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", HEADS)
def test_no_constant_has_less_loss_than_the_best(name: str) -> None:
    head, rng = head_of(name), np.random.default_rng(0)
    targets = np.eye(3)[rng.choice(3, size=60, p=[0.6, 0.3, 0.1])] * rng.integers(1, 3, (60, 1)) / 2

    def mean(a: Array) -> float:
        return float(head.curvature(np.tile(np.asarray(a, np.float64), (60, 1)), targets)[0].mean())

    best = min(minimize(mean, start).fun for start in (np.zeros(3), np.array([1.0, -1, -3])))
    assert head.constant_loss(targets) == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", HEADS)
def test_a_loss_and_its_slope_are_right_however_large_the_signals_are(
    name: str, dtype: type[np.float64]
) -> None:
    head, tolerance = head_of(name), 1e-12 if dtype is np.float64 else 1e-6
    values = np.array([[0, 0, 0], [200, 0, 0], [0, 4000, -4000], [1e4, -1e4, 5e3], [-300, -200, -250]], float)
    for targets in (*np.eye(3), np.zeros(3)):
        rows = np.tile(targets, (5, 1))
        losses, slope, _ = head.curvature(values, rows)
        assert np.all(losses <= head.largest_loss(3, np.linalg.norm(values, axis=1)))
        outputs: Array = values[None].astype(dtype)
        with np.errstate(over="ignore"):
            head.forward(outputs)
        differences = outputs - rows.astype(dtype)
        found = head.losses(outputs, rows[None].astype(dtype), differences)
        np.testing.assert_allclose(found[0], losses, rtol=tolerance, atol=tolerance)
        head.backward(differences, outputs, rows[None].astype(dtype), 1.0)
        np.testing.assert_allclose(differences[0], slope, rtol=tolerance, atol=tolerance)


TORCH_LOSSES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "squared": lambda f, a, y: (a.sigmoid() - y).square(),
    "cross_entropy": lambda f, a, y: f.cross_entropy(a, y, reduction="none")[:, None],
    "binary_cross_entropy": lambda f, a, y: f.binary_cross_entropy_with_logits(a, y, reduction="none"),
    "squared_linear": lambda f, a, y: f.mse_loss(a, y, reduction="none"),
}


@pytest.mark.parametrize("name", TORCH_LOSSES)
def test_torch_has_the_same_loss(name: str) -> None:
    """Losses, slopes and products with the Hessian to 1e-12 in double precision, of any targets in [0, 1]."""
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'rsgadvise[integrations]'")
    rng, loss = np.random.default_rng(3), TORCH_LOSSES[name]
    values, way = 3 * rng.normal(size=(200, 3)), rng.normal(size=(200, 3))
    targets = rng.dirichlet(np.ones(3), 200) if head_of(name).classes else rng.random((200, 3))
    a = torch.tensor(values, requires_grad=True)
    each = loss(torch.nn.functional, a, torch.tensor(targets)).sum(dim=1)
    (slope,) = torch.autograd.grad(each.sum(), a, create_graph=True)
    (turned,) = torch.autograd.grad((slope * torch.tensor(way)).sum(), a)
    losses, mine, turn = head_of(name).curvature(values, targets)
    for ours, theirs in ((losses, each), (mine, slope), (turn(way), turned)):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "squared_linear", "squared"])
def test_the_best_constant_of_targets_that_are_no_classes(name: str) -> None:
    head, targets = head_of(name), np.random.default_rng(1).random((60, 2)) ** [1, 4]

    def mean(a: Array) -> float:
        return float(head.curvature(np.tile(np.asarray(a, np.float64), (60, 1)), targets)[0].mean())

    assert head.constant_loss(targets) == pytest.approx(minimize(mean, np.zeros(2)).fun, rel=1e-8)


def networks() -> list[Network]:
    """Every unit and loss, alone and with masks, and units that change from layer to layer."""
    found = [Network("autoencoder", (4, 3), (2.0,), 0.7, (name,)) for name in UNITS]
    for name in UNITS:
        found += [Network("multilayer", (4, 3, 5, 2), (2.0,) * 3, keep, (name, name)) for keep in (1.0, 0.6)]
    found += [Network("single_layer", (4, 3), (), 1.0, (), name) for name in HEADS]
    found += [replace(each, bias=True) for each in found if not each.tied]
    return [*found, Network("multilayer", (4, 3, 5, 2), (2.0,) * 3, 0.6, ("softsign", "sigmoid"), "huber")]


@pytest.mark.parametrize("network", networks(), ids=str)
def test_gradients_and_hessians_are_differences(network: Network) -> None:
    rng, rows = np.random.default_rng(1), 9
    x, y = rng.random((rows, network.layers[0])), rng.random((rows, network.widths[-1]))
    data = Data(x, x if network.kind == "autoencoder" else y)
    masks = [
        np.asarray(rng.random((rows, width)) < network.keep_prob, np.float64)
        for width in network.masked_widths
    ]
    weights = initial_weights(network, rng, scale=2.0)
    if network.bias:
        for matrix in weights:
            matrix[..., -1] = rng.normal(size=matrix.shape[:-1])
    way = [rng.normal(size=matrix.shape) for matrix in weights]

    def at(step: float) -> tuple[float, list[Array]]:
        kernel = Kernel(network, replicas=1, rows=rows, dtype=np.dtype(np.float64))
        kernel.inputs[0] = data.inputs
        kernel.targets[0] = data.targets
        for own, mask in zip(kernel.masks, masks, strict=True):
            own[0] = mask
        loss = np.zeros(1)
        moved: list[Array] = [matrix + step * part for matrix, part in zip(weights, way, strict=True)]
        gradient = kernel.gradient(moved, scale=1 / rows, losses=loss)
        return float(loss[0]), [part.copy() for part in gradient]

    (high, after), (low, before), (_, gradient) = at(1e-5), at(-1e-5), at(0.0)
    slope = sum(float((part * to).sum()) for part, to in zip(gradient, way, strict=True))
    assert slope == pytest.approx((high - low) / 2e-5, rel=1e-7, abs=1e-9)
    here = [np.asarray(matrix[0], np.float64) for matrix in weights]
    curvature = Curvature(network, data, here, masks)
    turned = curvature.product([part[0] for part in way])
    for mine, theirs, up, down, product in zip(
        curvature.gradient, gradient, after, before, turned, strict=True
    ):
        np.testing.assert_allclose(mine, theirs[0], rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(product, (up - down)[0] / 2e-5, rtol=1e-5, atol=1e-8)


def test_biases_start_at_0_and_the_rest_as_without() -> None:
    network = Network("multilayer", (4, 3, 2), (0.4, 0.4), bias=True)
    with_them = initial_weights(network, np.random.default_rng(0))
    without = initial_weights(replace(network, bias=False), np.random.default_rng(0))
    for ours, theirs in zip(with_them, without, strict=True):
        np.testing.assert_array_equal(ours[..., :-1], theirs)
        assert not ours[..., -1].any()
