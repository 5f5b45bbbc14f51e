"""Attack on the certified constants: no instance, however chosen, may lie above them.

Ascent alone (`test_units_ascent.py`) proves little: instances built to attain the constants make a slightly
too small one visible.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import mpmath
import networks as nets
import numpy as np
import numpy.typing as npt
import pytest
from networks import Array, Problem, Quantity
from scipy import stats
from scipy.optimize import minimize

from rsgadvise.theory.constants import DeepNetwork, FlatNetwork, InputMoments, TiedNetwork
from rsgadvise.theory.heads import head_of, squared
from rsgadvise.theory.units import unit_of
from rsgadvise.theory.units.sigmoid import Sigmoid

QUANTITIES: tuple[Quantity, ...] = ("curvature", "second moment", "slope")
ROUNDING = 1e-9


def moments_of(inputs: Array, probability: Array) -> InputMoments:
    mean = probability @ inputs
    # The n x n Gram matrix has the non-zero eigenvalues of E[x x^T] and stays small for wide inputs.
    scaled = inputs * np.sqrt(probability)[:, None]
    gram = scaled @ scaled.T
    return InputMoments(
        dim=inputs.shape[1],
        mean=float(mean.mean()),
        mean_square=float((mean**2).mean()),
        second_moment=float(np.trace(gram) / inputs.shape[1]),
        top_eigenvalue=max(0.0, float(np.linalg.eigvalsh(gram)[-1])),
    )


NETWORKS: dict[str, Any] = {"single": FlatNetwork, "autoencoder": TiedNetwork, "multilayer": DeepNetwork}


def certified_one(problem: Problem, k: int, moments: InputMoments) -> tuple[float, float, float]:
    arguments: dict[str, object] = {"layers": problem.layers, "moments": moments}
    if problem.kind != "single":
        box = [float(w) for w in problem.box[k]]
        arguments["weight_bound"] = box[0] if problem.kind == "autoencoder" else box
    network, keep = NETWORKS[problem.kind](**arguments), float(problem.keep[k])
    found, limit = network.constants(keep), network.limit(keep)
    return float(found.smoothness), float(found.gradient_variance), float(limit)


def certified(problem: Problem) -> dict[Quantity, Array]:
    """The product's claim on each quantity, one value per instance."""
    rows = [
        certified_one(problem, k, moments_of(problem.inputs[k], problem.probability[k]))
        for k in range(len(problem.inputs))
    ]
    return dict(zip(QUANTITIES, np.array(rows).T, strict=True))


def ratios(measured: Array, claim: Array) -> Array:
    """Measured over claimed; a claim of zero is met only by zero."""
    found: Array = np.where(measured <= 1e-13, 0.0, measured / np.maximum(claim, 1e-300))
    return found


def assert_within(measured: Array, claim: Array, what: str) -> float:
    largest = float(ratios(measured, claim).max())
    assert largest <= 1 + ROUNDING, f"{what}: an instance reaches {largest:.6f} of the certified value"
    return largest


# ---------------------------------------------------------------------- scalars


def test_scalar_constants_are_the_suprema_and_never_rounded_down() -> None:
    with mpmath.workdps(70):

        def term(y: int, order: int) -> object:
            return lambda s: mpmath.diff(lambda t: (y - 1 / (1 + mpmath.exp(-t))) ** 2, s, order)

        def bend(s: object) -> object:
            return mpmath.diff(lambda t: 1 / (1 + mpmath.exp(-t)), s, 2)

        # Where the next derivative vanishes; starts are rough readings of a plot, not of the closed forms.
        steepest = term(0, 1)(mpmath.findroot(term(0, 2), 0.7))  # type: ignore[operator]
        curved = term(0, 2)(mpmath.findroot(term(0, 3), -0.5))  # type: ignore[operator]
        top = bend(mpmath.findroot(lambda s: mpmath.diff(bend, s), -1.3))
        p = (15 - mpmath.sqrt(33)) / 24
        closed = (mpmath.mpf(8) / 27, 2 * p**2 * (1 - p) * (2 - 3 * p), 1 / (6 * mpmath.sqrt(3)))
        floats = (squared.SLOPE, squared.CURVATURE, Sigmoid.bend)
        for peak, form, value in zip((steepest, curved, top), closed, floats, strict=True):
            assert abs(peak - form) < mpmath.mpf(10) ** -50
            assert abs(value / form - 1) < 1e-15
        assert Fraction(squared.SLOPE) >= Fraction(8, 27), "c1 is rounded down"
        assert mpmath.mpf(squared.CURVATURE) >= closed[1], "c2 is rounded down"
        assert mpmath.mpf(Sigmoid.bend) >= closed[2], "s2 is rounded down"

    # The stationary points above are the global ones: a dense grid over logits and targets stays below.
    s, y = np.meshgrid(np.linspace(-30, 30, 60_001), np.linspace(0, 1, 11))
    o = 1 / (1 + np.exp(-s))
    d1 = o * (1 - o)
    d2 = d1 * (1 - 2 * o)
    for grid, value in (
        (2 * (o - y) * d1, squared.SLOPE),
        (2 * d1**2 - 2 * (y - o) * d2, squared.CURVATURE),
        (d2, Sigmoid.bend),
    ):
        assert value * (1 - 1e-6) < np.abs(grid).max() <= value * (1 + 1e-15)


# ---------------------------------------------------------------------- tightness


def attainment(problem: Problem, theta: Array, direction: Array, quantity: Quantity) -> float:
    """Ratio reached by a constructed instance; a Rayleigh quotient bounds the eigenvalue from below."""
    if quantity == "curvature":
        measured: Array = np.abs(nets.quotient(problem, theta, direction))
    else:
        measured = (nets.second_moment if quantity == "second moment" else nets.slope)(problem, theta)
    return assert_within(measured, certified(problem)[quantity], f"constructed {problem.kind} {quantity}")


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("points", [1, 4])
def test_one_layer_constants_are_attained(quantity: Quantity, points: int) -> None:
    # Four orthogonal inputs: the curvature must follow the top eigenvalue, a quarter of E||x||^2.
    assert attainment(*nets.attained_single(quantity, points), quantity) > 0.999999


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_multilayer_constants_are_nearly_attained(quantity: Quantity, depth: int) -> None:
    reached = attainment(*nets.attained_wide(quantity, depth), quantity)
    assert reached > 0.97, f"depth {depth}, {quantity}: {reached:.4f}"


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("keep", [1.0, 0.5, 0.1])
def test_autoencoder_constants_are_nearly_attained(quantity: Quantity, keep: float) -> None:
    reached = attainment(*nets.attained_sparse(quantity, keep), quantity)
    floor = 0.7 if quantity == "curvature" else 0.8
    assert reached > floor, f"keep {keep}, {quantity}: {reached:.4f}"


def test_a_rare_hidden_unit_keeps_its_variance() -> None:
    # A mask squares to itself: the share of a hidden unit falls like keep, not like its square.
    keep = 0.05
    masks, chances = nets.mask_patterns([1, 1], np.array([keep]))
    problem = replace(
        nets.one("multilayer", (1, 1, 1), np.ones((1, 1)), 0.0, [6.0, 0.0]),
        masks=masks,
        mask_probability=chances,
        keep=np.array([keep]),
    )
    theta = np.array([[6.0, 0.0]])
    assert attainment(problem, theta, theta, "second moment") > 4 * keep


@pytest.mark.parametrize(
    ("build", "floor"),
    [
        (nets.curved_by_blank_weights, 0.84),
        (nets.curved_by_two_layers, 0.97),
        (nets.curved_by_hidden_unit, 0.75),
    ],
)
def test_each_term_of_the_smoothness_is_needed(
    build: Callable[[], tuple[Problem, Array, Array]], floor: float
) -> None:
    reached = attainment(*build(), "curvature")
    assert reached > floor, f"{reached:.4f}"


@pytest.mark.parametrize("keep", [1.0, 0.5, 0.1])
def test_masked_single_unit_attains_the_constants(keep: float) -> None:
    for quantity in QUANTITIES:
        logit = nets.MOST_CURVED if quantity == "curvature" else nets.STEEPEST
        problem = nets.one("multilayer", (1, 1), np.ones((1, 1)), 0.0, [1.0])
        masks, chances = nets.mask_patterns([1], np.array([keep]))
        problem = replace(problem, masks=masks, mask_probability=chances, keep=np.array([keep]))
        assert attainment(problem, np.full((1, 1), logit), np.ones((1, 1)), quantity) > 0.999999


def masked_curvature(units: int, keep: float) -> float:
    """Curvature of a layer of one output over `units` inputs of 1 under masks, all weights at one value.

    Only the number kept counts, K ~ Bin(units, keep): along (1, .., 1)/sqrt(units) the second derivative of
    E(0 - sigma(c K))^2 is E[l''(c K) K^2]/units, with c K near the most curved logit.
    """
    kept = np.arange(units + 1)
    chance = stats.binom.pmf(kept, units, keep)
    o = 1 / (1 + np.exp(-nets.MOST_CURVED * kept / max(units * keep, 1)))
    bend = 2 * (o * (1 - o)) ** 2 + 2 * o * (o * (1 - o)) * (1 - 2 * o)
    return float(chance @ (bend * kept**2)) / units


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.1])
@pytest.mark.parametrize("units", [1, 30, 3000])
def test_masked_inputs_and_hidden_units_reach_the_smoothness(keep: float, units: int) -> None:
    """Masks take the curvature down to zeta^2 lambda + zeta (1 - zeta) m, and no further."""
    measured = masked_curvature(units, keep)
    ones = InputMoments(dim=units, mean=1.0, mean_square=1.0, second_moment=1.0, top_eigenvalue=float(units))
    # Inputs so small that only hidden weights without bound saturate the units above them.
    tiny = InputMoments(dim=1, mean=1e-9, mean_square=1e-18, second_moment=1e-18, top_eigenvalue=1e-18)
    claims = [
        DeepNetwork(layers=(units, 1), weight_bound=[2.0], moments=ones),
        DeepNetwork(layers=(1, units, 1), weight_bound=[1e12, 2 / units], moments=tiny),
    ]
    floor = {1: 0.999999, 30: 0.5, 3000: 0.98}[units]
    for claim in claims:
        ratio = measured / float(claim.constants(keep).smoothness)
        assert floor < ratio <= 1 + ROUNDING, f"{units} units, keep {keep}: {ratio:.4f}"


def test_masks_never_raise_the_smoothness_above_the_traces() -> None:
    rng = np.random.default_rng(2)
    keep = np.linspace(0.01, 1, 100)
    for _ in range(300):
        dim = int(rng.choice([1, 2, 10, 40]))
        inputs = rng.random((3, dim)) ** rng.choice([0.3, 1, 8]) * (
            rng.random((3, dim)) < rng.choice([0.1, 1])
        )
        chance = rng.dirichlet(np.full(3, 0.5))
        moments = moments_of(inputs, chance)
        second = (inputs * chance[:, None]).T @ inputs
        diagonal = np.diag(np.diag(second))
        found = moments.kept_eigenvalue(keep)
        for zeta, value in list(zip(keep, found, strict=True))[::33]:
            exact = np.linalg.eigvalsh(zeta**2 * second + zeta * (1 - zeta) * diagonal)[-1]
            assert exact <= value * (1 + ROUNDING) + 1e-15
        assert (found <= keep * moments.squared_norm * (1 + ROUNDING)).all()
        assert (np.diff(found) >= -1e-12).all(), "it must rise with the keep probability"


def test_layer_variances_hold_and_add_up() -> None:
    layers, rng = (2, 1, 2, 1), np.random.default_rng(4)
    problem = nets.random_problem("multilayer", layers, 40, rng)
    examples = nets.row_gradients(problem, nets.starting_weights(problem, rng))
    cuts = np.cumsum([rows * columns for rows, columns in problem.shapes])[:-1]
    chances = nets.row_probability(problem)
    blocks = [(chances * (b**2).sum(axis=-1)).sum(axis=(1, 2)) for b in np.split(examples, cuts, axis=-1)]
    for k, claim in enumerate(certified(problem)["second moment"]):
        box = [float(w) for w in problem.box[k]]
        moments = moments_of(problem.inputs[k], problem.probability[k])
        network = DeepNetwork(layers=layers, weight_bound=box, moments=moments)
        shares = network.layer_variances(float(problem.keep[k]))
        assert sum(float(v) for v in shares) == pytest.approx(float(claim), rel=1e-12)
        for level, share in enumerate(shares):
            assert_within(blocks[level][k : k + 1], np.array([float(share)]), f"layer {level + 1}")
    # A centred hidden unit under the steepest output attains the share of the first layer.
    weights = [0.0, 2 * nets.STEEPEST]
    pair = nets.one("multilayer", (1, 1, 1), np.ones((1, 1)), 0.0, weights)
    first = nets.row_gradients(pair, np.array([weights]))[0, 0, 0, 0] ** 2
    moments = moments_of(pair.inputs[0], pair.probability[0])
    shares = DeepNetwork(layers=(1, 1, 1), weight_bound=weights, moments=moments).layer_variances(1.0)
    assert first == pytest.approx(float(shares[0]), rel=1e-9)


@pytest.mark.parametrize(
    "instance",
    [
        nets.attained_single("curvature"),
        nets.attained_single("curvature", 4),
        nets.attained_sparse("curvature", 1.0),
        nets.attained_wide("curvature", 3),
        nets.curved_by_two_layers(),
        nets.curved_by_hidden_unit(),
    ],
)
def test_a_halved_smoothness_is_caught(
    monkeypatch: pytest.MonkeyPatch, instance: tuple[Problem, Array, Array]
) -> None:
    network = NETWORKS[instance[0].kind]
    honest = network.constants

    def halved(self: Any, keep_prob: float) -> object:
        found = honest(self, keep_prob)
        return replace(found, smoothness=found.smoothness / 2)

    monkeypatch.setattr(network, "constants", halved)
    with pytest.raises(AssertionError, match="of the certified value"):
        attainment(*instance, "curvature")


@pytest.mark.parametrize("spectral", [False, True])
def test_the_smoothness_is_the_largest_value_of_its_form(spectral: bool) -> None:
    """Of tanh units with biases and masks under a softmax, by a recursion and a search."""
    widths, bounds, zeta = (5, 4, 3, 2), (0.7, 0.5, 0.9), 0.6
    moments = InputMoments(dim=5, mean=0.5, mean_square=0.3, second_moment=0.4, top_eigenvalue=1.7)
    tanh, softmax = unit_of("tanh"), head_of("cross_entropy")
    lengths = [
        w if spectral else w * math.sqrt(a * b) for w, a, b in zip(bounds, widths, widths[1:], strict=False)
    ]
    shifts = [w if spectral else w * math.sqrt(b) for w, b in zip(bounds, widths[1:], strict=True)]
    energy, top = 2 * zeta, zeta**2 * 1.7 + zeta * (1 - zeta)  # E x_j^2 <= 1 here
    tops = [float(moments.entering_eigenvalue(zeta, bias=True))]
    for length, shift, width in zip(lengths[:2], shifts, widths[1:], strict=False):
        total = length**2 * energy + shift**2 if spectral else (length * math.sqrt(top) + shift) ** 2
        square = width * math.tanh(math.sqrt(total / width)) ** 2
        one = min(square, math.tanh(math.sqrt(total)) ** 2) if spectral else square / width
        energy, top = zeta * square, zeta**2 * square + zeta * (1 - zeta) * one
        tops.append(top + 1)

    def form(v: Array) -> float:
        reach, second = 0.0, 0.0
        for level, length in enumerate(lengths):
            second = length * (second + tanh.bend * reach**2) + 2 * v[level] * reach
            reach = math.sqrt(tops[level]) * v[level] + length * reach
        return 0.5 * reach**2 + math.sqrt(2) * second

    found = minimize(
        lambda v: -form(np.abs(v) / np.linalg.norm(v)), np.ones(3), method="Nelder-Mead", tol=1e-12
    )
    network = DeepNetwork(
        layers=widths,
        moments=moments,
        head=softmax,
        bias=True,
        spectral=spectral,
        weight_bound=bounds,
        units=(tanh, tanh),
    )
    assert float(network.constants(zeta).smoothness) == pytest.approx(-found.fun, rel=1e-9)


# ---------------------------------------------------------------------- descent


def descend(problem: Problem, theta: Array, stepsize: float, iterations: int) -> float:
    """Mean ||grad f||^2 over all iterations and instances of plain full-gradient descent."""
    total = 0.0
    for _ in range(iterations):
        step = nets.gradient(problem, theta)
        total += float((step**2).sum(axis=-1).mean())
        theta = theta - stepsize * step
    return total / iterations


def test_the_printed_bound_fails_where_the_certified_one_holds() -> None:
    width, stepsize, batch, iterations, seeds = 100, 0.24, 100, 500, 8
    base = nets.one("single", (width, 1), np.ones((1, width)), 0.5, [math.inf])
    problem = replace(
        base,
        inputs=np.repeat(base.inputs, seeds, axis=0),
        targets=np.repeat(base.targets, seeds, axis=0),
        probability=np.ones((seeds, 1)),
        mask_probability=np.ones((seeds, 1)),
    )
    theta = np.random.default_rng(3).normal(0.0, width**-0.5, (seeds, width))
    start = float(np.mean(nets.loss(problem, theta)))  # f* = 0: y = 0.5 is attainable

    a, noise = 13 / 16, 13 * width / 256 / batch
    printed = (start / (iterations * stepsize) + noise * stepsize) / (1 - a * stepsize)
    measured = descend(problem, theta, stepsize, iterations)
    assert printed == pytest.approx(0.0158, abs=2e-4)
    assert measured == pytest.approx(0.893, abs=0.02)
    assert measured > 50 * printed

    # 0.24 is far outside the certified range, so only the limit remains; it holds.
    smoothness, _, limit = certified_one(base, 0, moments_of(base.inputs[0], base.probability[0]))
    assert stepsize > 2 / smoothness
    assert measured <= limit
    for fraction in (0.5, 1.0, 1.9):
        allowed = fraction / smoothness
        bound = start / (100 * allowed * (1 - smoothness * allowed / 2))
        assert descend(problem, theta, allowed, 100) <= bound


# ---------------------------------------------------------------------- mini-batches


def test_a_batch_divides_the_variance_only_with_one_mask_per_example() -> None:
    rng = np.random.default_rng(5)
    # Mostly one input, so that the masks carry most of the variance.
    often = np.array([0.02, 0.03, 0.95])
    problem = replace(nets.small_autoencoder(1, 0.5, 3.0), probability=often[None])
    theta = rng.uniform(-3, 3, (1, problem.size))
    examples = nets.row_gradients(problem, theta)[0]  # (n, M, P)
    mean = nets.gradient(problem, theta)[0]
    batch, draws = 16, 20_000
    points = rng.choice(3, (draws, batch), p=often)
    own = rng.choice(8, (draws, batch), p=problem.mask_probability[0])
    shared = np.repeat(own[:, :1], batch, axis=1)
    alone = float(certified(problem)["second moment"][0])
    exact = float(nets.second_moment(problem, theta)[0] - mean @ mean)

    def spread(masks: npt.NDArray[np.int64]) -> float:
        return float(((examples[points, masks].mean(axis=1) - mean) ** 2).sum(axis=-1).mean())

    assert exact <= alone
    assert spread(own) == pytest.approx(exact / batch, rel=0.05)
    # With one mask for the whole batch a part of the variance is left that no batch size removes.
    per_mask = np.einsum("n,nmp->mp", often, examples) - mean
    rest = float(problem.mask_probability[0] @ (per_mask**2).sum(axis=-1))
    assert rest > 8 * exact / batch
    assert spread(shared) == pytest.approx(rest + (exact - rest) / batch, rel=0.05)
