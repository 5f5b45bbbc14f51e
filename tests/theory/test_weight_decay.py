"""Weight decay as a term of f: what is certain of it, and what is measured and promised, against torch."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from conftest import Run
from numpy.typing import NDArray

from rsgadvise.ask.verify.cases import Block, Setting, build_case, run_block
from rsgadvise.spec.load import parse_spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.certified import certified_constants, largest_gradient
from rsgadvise.theory.heads import head_of
from rsgadvise.theory.optimizers.sgd import Sgd
from rsgadvise.theory.problem import Problem
from rsgadvise.training.expectation import Expectation
from rsgadvise.training.networks import Data, Network, initial_weights

torch = pytest.importorskip("torch", reason="needs torch: pip install 'rsgadvise[integrations]'")
DECAY = 0.3
NETWORKS = {
    "box": "{kind: multilayer, layers: [4, 3, 2], weight_bound: [0.5, 0.2], activation: tanh}",
    "biases": "{kind: multilayer, layers: [4, 3, 2], weight_bound: 0.4, activation: tanh, bias: true}",
    "spectral": "{kind: multilayer, layers: [4, 3, 2], spectral_bound: 2, activation: tanh, bias: true}",
    "tied": "{kind: autoencoder, layers: [4, 3], weight_bound: 0.5}",
}


def problem_of(network: str, decay: float) -> Problem:
    training = f"training: {{optimizer: {{name: sgd, weight_decay: {decay}}}}}"
    return resolve(parse_spec(f"network: {network}\ndata: {{mean: 0.5}}\n{training}\n", file="s.yaml").spec)


def longest(problem: Problem) -> float:
    """||W||^2 of the longest weights: corners of the box, or matrices all of whose singular values are s."""
    total = 0.0
    bounds = problem.weight_bounds
    for bound, (before, after) in zip(bounds, pairwise(problem.layers), strict=False):
        matrix = np.full((after, before + problem.bias), bound)
        if problem.spectral:
            left, _, right = np.linalg.svd(np.random.default_rng(0).normal(size=matrix.shape))
            middle = np.zeros(matrix.shape)
            np.fill_diagonal(middle, bound)
            matrix = left @ middle @ right
        total += float((matrix**2).sum())
    return total


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_constants_and_ranges_have_the_term(network: str) -> None:
    with_it, without = problem_of(network, DECAY), problem_of(network, 0.0)
    zeta = np.array([0.6, 1.0])
    ours, plain = certified_constants(with_it, zeta), certified_constants(without, zeta)
    np.testing.assert_allclose(ours.smoothness, plain.smoothness + DECAY, rtol=1e-14)
    np.testing.assert_array_equal(ours.gradient_variance, plain.gradient_variance)
    square = longest(without)
    drawn = (np.sqrt(largest_gradient(without, zeta)) + DECAY * math.sqrt(square)) ** 2
    np.testing.assert_allclose(largest_gradient(with_it, zeta), drawn, rtol=1e-12)
    assert with_it.largest_loss == pytest.approx(without.largest_loss + DECAY / 2 * square, rel=1e-12)
    assert with_it.initial_loss == with_it.largest_loss


@pytest.mark.parametrize("keep_prob", [1.0, 0.6])
@pytest.mark.parametrize("bias", [False, True])
def test_f_and_its_gradient_are_those_of_torch(bias: bool, keep_prob: float) -> None:
    """Without masks by torch; with every mask the term is there once, whatever their number."""
    network = Network("multilayer", (4, 3, 2), (0.5, 0.5), keep_prob, ("tanh",), bias=bias)
    rng = np.random.default_rng(0)
    data = Data(rng.random((5, 4)), rng.random((5, 2)))
    start = [np.concatenate([each, 0.5 * each]) for each in initial_weights(network, rng)]
    found = [Expectation(network, data, penalty=lam).gradient(start, [rng, rng]) for lam in (DECAY, 0.0)]
    alone = Expectation(network, data, penalty=DECAY).loss(start, [rng, rng])
    np.testing.assert_allclose(alone, found[0][0], rtol=1e-12)
    for replica in range(2):
        weights = [torch.tensor(each[replica], requires_grad=True) for each in start]
        term = DECAY / 2 * sum(each.square().sum() for each in weights)
        if keep_prob == 1:
            signal, ones = torch.tensor(data.inputs), torch.ones((5, 1), dtype=torch.float64)
            for level, weight in enumerate(weights):
                entering = torch.cat([signal, ones], 1) if bias else signal
                signal = (torch.tanh if level == 0 else torch.sigmoid)(entering @ weight.T)
            f, rest = (signal - torch.tensor(data.targets)).square().sum(1).mean(), (0.0, [0.0, 0.0])
        else:
            f, rest = 0.0, (found[1][0][replica], [each[replica] for each in found[1][1]])
        (f + term).backward()
        assert found[0][0][replica] == pytest.approx((f + term).item() + rest[0], rel=1e-12)
        for ours, weight, more in zip(found[0][1], weights, rest[1], strict=True):
            np.testing.assert_allclose(ours[replica], weight.grad.numpy() + more, atol=1e-14)


def test_verify_measures_f_with_the_term() -> None:
    """f(W^1) and ||grad f(W^1)||^2 of one iteration, at the corner of a box that nothing leaves."""
    network = Network("multilayer", (3, 2), (10.0,))
    data = Data(np.full((1, 3), 0.5), np.full((1, 2), 0.5))
    start = [np.full((1, 2, 3), 0.2)]
    once: dict[str, Any] = {"stepsizes": (1e-6,), "batch_size": 1, "iterations": 1, "start": start}
    proven: dict[str, Any] = {"constants": ("certified",), "expected": ("consistent",)}
    setting = Setting("one", network, data, **once, **proven, optimizer=Sgd(DECAY))
    case = build_case(setting, seed=0, alpha=0.01)
    weight = torch.tensor(start[0][0], requires_grad=True)
    loss = (torch.sigmoid(weight @ torch.tensor(data.inputs[0])) - 0.5).square().sum()
    (loss + DECAY / 2 * weight.square().sum()).backward()
    assert case.initial_loss == pytest.approx(loss.item() + DECAY / 2 * 6 * 0.04, rel=1e-12)
    measured = run_block(case.experiment, Block(0, 1, True)).values[0]
    assert measured == pytest.approx(float(weight.grad.square().sum()), rel=1e-12)


SPEC = """
network: {kind: multilayer, layers: [5, 4, 2], weight_bound: 0.2, activation: tanh}
data: {mean: 0.4, mean_square: 0.2, samples: 100}
training: {optimizer: {name: sgd, weight_decay: 0.05}}
"""
FIXED = ("--set=training.stepsize=0.05", "--set=training.batch_size=50", "--set=training.iterations=200")


def test_bounds_and_guarantees_count_it(run: Run) -> None:
    plain = SPEC.replace("{name: sgd, weight_decay: 0.05}", "sgd")
    with_it, without = (run.document("bound", "-", *FIXED, stdin=text) for text in (SPEC, plain))
    assert with_it["constants"] == "certified"
    assert with_it["bound"] > without["bound"] > 0
    found = run.document("recommend", "-", "--constants", "certified", stdin=SPEC)
    assert "a weight decay of 0.05 that f counts as 0.05 ||W||^2/2" in found["guarantee"]["statement"]
    verified = run.document("verify", "-", *FIXED, "--constants", "certified", "--runs", "40", stdin=SPEC)
    assert [case["verdict"] for case in verified["cases"]] == ["consistent"]
    assert "weight decay 0.05 as a term of f" in run("explain", "-", *FIXED, "-f", "json", stdin=SPEC).out


def test_what_no_theorem_is_about_is_refused_with_a_fix_that_works(run: Run) -> None:
    sigmoids = SPEC.replace(", activation: tanh", "")
    said = run("bound", "-", "--constants", "paper", *FIXED, stdin=sigmoids).err
    assert "training.optimizer: must be without weight decay for Corollary" in said
    assert "use --constants certified" in said


FLAT = """
network: {kind: single_layer, layers: [3, 2], loss: LOSS, bias: true}
data: {mean: 1, samples: 100}
training: {optimizer: {name: sgd, weight_decay: 0.05}}
"""


@pytest.mark.parametrize("loss", ["squared", "cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("decay", [0.01, 0.3, 20.0])
@pytest.mark.parametrize("scale", [0.1, 30.0])
def test_weights_without_a_box_stay_where_their_decay_holds_them(
    loss: str, decay: float, scale: float
) -> None:
    """The longest stepsize in range, and of all corners the row and target that make W longest."""
    head, rng = head_of(loss), np.random.default_rng(1)
    weights = scale * rng.normal(size=(2, 4))
    text = FLAT.replace("LOSS", loss).replace("0.05", str(decay))
    problem = resolve(parse_spec(text, file="s.yaml").spec)
    rows = np.array([[*row, 1.0] for row in np.ndindex(2, 2, 2)], dtype=float)
    targets = np.eye(2) if head.classes else np.array(list(np.ndindex(2, 2)), dtype=float)
    pairs = [(x, y) for x in rows for y in targets]
    inputs, wanted = (np.array(each) for each in zip(*pairs, strict=True))

    def losses() -> NDArray[np.float64]:
        return np.asarray(head.curvature(inputs @ weights.T, wanted)[0] + decay / 2 * (weights**2).sum())

    started = replace(problem, initial_loss=float(losses().max()))
    one = np.ones(())
    gamma = (1 - 1e-9) * 2 / float(certified_constants(started, one).smoothness)
    assert gamma * decay <= 1
    for _ in range(100):
        assert (weights**2).sum() <= started.largest_square * (1 + 1e-9)
        assert losses().max() <= started.largest_loss * (1 + 1e-9)
        slopes = head.curvature(inputs @ weights.T, wanted)[1]
        gradients = slopes[:, :, None] * inputs[:, None, :] + decay * weights
        if started.moments.mean == 1:  # of ones alone: then it is the mean over rows that is limited
            ones = inputs.min(axis=1) == 1
            assert (gradients[ones] ** 2).sum(axis=(1, 2)).max() <= float(largest_gradient(started, one))
        weights = max(weights - gamma * gradients, key=lambda each: float((each**2).sum()))
    if scale < 1 and decay == 0.3:
        assert (weights**2).sum() > 0.02 * started.largest_square


def test_a_regularised_layer_has_a_guarantee_without_a_known_start(run: Run) -> None:
    text = FLAT.replace("LOSS", "cross_entropy")
    found = run.document("recommend", "-", "--constants", "certified", stdin=text)
    start = resolve(parse_spec(text, file="s.yaml").spec).initial_loss
    longest_ = math.sqrt(2 * 4) / 0.05  # C/lambda, C_1 = sqrt 2 and rows of four ones
    reach = longest_ * 2
    assert start == pytest.approx(math.log1p(math.exp(math.sqrt(2) * reach)) + 0.025 * longest_**2, rel=1e-9)
    assert f"f(W1) of at most {start:.6g}" in found["guarantee"]["statement"]
    (said,) = [each for each in found["assumed"] if each["key"] == "training.initial_loss"]
    assert "decay does not shorten" in said["why"]
    known = text.replace("training: {", "training: {initial_loss: 1, ")
    less = run.document("recommend", "-", "--constants", "certified", stdin=known)
    assert less["guarantee"]["bound"] < found["guarantee"]["bound"]
    quick = ("--constants", "certified", "--runs", "40")
    verified = run.document("verify", "-", *FIXED, *quick, stdin=known, code=3)
    (case,) = verified["cases"]
    assert 0 < case["measured"] < case["upper"] < case["bound"]


def test_momentum_that_decays_has_no_bound_and_says_what_has(run: Run) -> None:
    decaying = "optimizer: {name: momentum, weight_decay: 0.05}"
    text = FLAT.replace("LOSS", "squared").replace("optimizer: {name: sgd, weight_decay: 0.05}", decaying)
    refused = run.refused("bound", "-", *FIXED, stdin=text)
    assert "no largest gradient with momentum and without a box" in refused
    change = refused.strip().rpartition("or add --set ")[2]
    assert run.document("bound", "-", *FIXED, "--set", change, stdin=text)["bound"] > 0
    found = run.document("recommend", "-", stdin=text)
    assert found["guarantee"] is None
    assert found["train"]["optimizer_settings"] == {"beta": 0.9, "weight_decay": 0.05}
