"""Certified constants of standardised inputs, against torch in double precision and what attains them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, strict

from rsgadvise.theory import constants as certified
from rsgadvise.theory.certified import certified_constants, largest_gradient
from rsgadvise.theory.constants import Constants, InputMoments
from rsgadvise.theory.problem import Problem
from rsgadvise.training.generated import moments_of
from rsgadvise.training.networks import Data

torch = pytest.importorskip("torch", reason="needs torch: pip install 'rsgadvise[integrations]'")

RNG = np.random.default_rng(5)
ROWS = 60
RAW = RNG.normal(0, 1, (ROWS, 4)) @ RNG.normal(0, 1, (4, 4)) * [1, 50, 1e-3, 7] + [0, 3, 1, -9]
LABELS = np.eye(3)[RNG.integers(0, 3, ROWS)]
TABLE = (RAW - RAW.mean(axis=0)) / RAW.std(axis=0)
NETWORKS: dict[str, Mapping[str, Any]] = {
    "softmax": {"kind": "single_layer", "layers": (4, 3), "weight_bounds": (), "loss": "cross_entropy"},
    "tanh": {
        "kind": "multilayer",
        "layers": (4, 3, 3),
        "weight_bounds": (0.7, 0.7),
        "activations": ("tanh",),
        "loss": "cross_entropy",
        "bias": True,
    },
    "linear": {"kind": "multilayer", "layers": (4, 3), "weight_bounds": (0.5,), "loss": "squared_linear"},
}


def problem_of(rows: Data, network: Mapping[str, Any]) -> Problem:
    known = moments_of(rows)
    return Problem(pretraining=1.0, moments=known, initial_loss=1.0, samples=rows.rows, assumed=(), **network)


def losses(weights: Any, network: Mapping[str, Any], x: Any, y: Any) -> Any:
    """Of each row, written anew."""
    signal, at, bias = x, 0, network.get("bias", False)
    shapes = [(after, before + bias) for before, after in pairwise(network["layers"])]
    for level, shape in enumerate(shapes):
        matrix = weights[at : at + math.prod(shape)].reshape(shape)
        at += math.prod(shape)
        signal = signal @ matrix[:, : signal.shape[-1]].T + (matrix[:, -1] if bias else 0)
        signal = torch.tanh(signal) if level + 1 < len(shapes) else signal
    if network["loss"] == "cross_entropy":
        return torch.logsumexp(signal, -1) - (y * signal).sum(-1)
    return (signal - y).square().sum(-1)


@pytest.mark.parametrize("name", NETWORKS)
def test_no_hessian_and_no_gradient_of_a_standardised_table_is_larger(name: str) -> None:
    """Anywhere in the box; of a linear layer the curvature is everywhere the certified one."""
    network, one = NETWORKS[name], np.ones(())
    x, y = torch.tensor(TABLE), torch.tensor(LABELS)
    problem = problem_of(Data(TABLE, LABELS), network)
    assert problem.moments.largest_norm == pytest.approx(np.linalg.norm(TABLE, axis=1).max(), rel=1e-12)
    known, limit = certified_constants(problem, one), float(largest_gradient(problem, one))
    bias = network.get("bias", False)
    count = sum(after * (before + bias) for before, after in pairwise(network["layers"]))
    wide = (network["weight_bounds"] or (3.0,))[0]
    tops, seconds, squares, largest = [], [], [], []
    for scale in (0.0, 0.01, 0.1, 0.5, 1.0):
        at = torch.tensor(scale * wide * RNG.uniform(-1, 1, count))
        hessian = torch.autograd.functional.hessian(lambda w: losses(w, network, x, y).mean(), at)
        each = torch.autograd.functional.jacobian(lambda w: losses(w, network, x, y), at)
        tops.append(float(torch.linalg.eigvalsh(hessian)[-1]))
        seconds.append(float(each.square().sum(1).mean()))
        squares.append(float(each.mean(0).square().sum()))
        largest.append(float(losses(at, network, x, y).max()))
    found = [max(tops) / float(known.smoothness), max(seconds) / float(known.gradient_variance)]
    found.append(max(squares) / limit)
    assert max(found) <= 1 + 1e-12
    assert max(largest) <= problem.largest_loss
    assert found[0] > (0.999 if name == "linear" else 0.05 if name == "tanh" else 0.5)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("zeta", [0.3, 0.5, 1.0])
@pytest.mark.parametrize("name", ["table", "signs"])
def test_what_masks_leave_of_the_inputs(name: str, zeta: float, bias: bool) -> None:
    """Every mask of every row, with its probability; the pull by alternating its two sides."""
    inputs = {"table": TABLE, "signs": np.array(list(product((-1.0, 1.0), repeat=3)))}[name]
    masks = np.array(list(product((0.0, 1.0), repeat=inputs.shape[1])))
    chances = np.tile(np.prod(np.where(masks == 1, zeta, 1 - zeta), axis=1) / len(inputs), len(inputs))
    kept = (inputs[:, None] * masks).reshape(-1, inputs.shape[1])
    if bias:
        kept = np.column_stack([kept, np.ones(len(kept))])
    known = moments_of(Data(inputs, inputs))
    top = np.linalg.eigvalsh((kept * chances[:, None]).T @ kept)[-1]
    sure = float(known.entering_eigenvalue(zeta, bias=bias))
    assert 0.7 * sure <= top <= sure * (1 + 1e-9)
    assert name == "table" or top == pytest.approx(sure)
    way, pull = RNG.normal(0, 1, (2, kept.shape[1])), np.zeros(())
    for _ in range(30):
        slopes = kept @ way.T
        slopes /= np.maximum(np.linalg.norm(slopes, axis=1, keepdims=True), 1e-300)
        way = (slopes * chances[:, None]).T @ kept
        pull = (way**2).sum()
    most = float(known.pulled_square(zeta, bias=bias))
    assert 0.3 * most <= pull <= most * (1 + 1e-9)


# What attains the constants: one column of -1 and 1, which is standardised as it is.

SIGNS = np.array([[-1.0], [1.0]] * 8)


def halved(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant the fault."""
    if what == "limit":
        own = InputMoments.pulled_square
        monkeypatch.setattr(InputMoments, "pulled_square", lambda *args, **kw: own(*args, **kw) / 2)
        return
    place = certified.FlatNetwork if what == "variance" else certified.DeepNetwork
    constants: Callable[..., Constants] = place.constants

    def less(*args: Any) -> Constants:
        found = constants(*args)
        smooth, noise = found.smoothness, found.gradient_variance
        return Constants(smooth / 2, noise) if what == "smoothness" else Constants(smooth, noise / 2)

    monkeypatch.setattr(place, "constants", less)


@pytest.mark.parametrize("fault", [None, "limit", "smoothness"])
def test_verify_finds_a_constant_that_is_half_of_what_it_must_be(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str | None
) -> None:
    """A start whose gradient is nearly the largest, and steps beyond 2/U that never settle."""
    ones = (SIGNS[:, 0] + 1) / 2
    np.savez(tmp_path / "a.npz", x=100 + 7 * SIGNS, y=ones)
    specs = {
        "limit": "network: {kind: single_layer, layers: [1, 1]}\n"
        "training: {stepsize: 0.001, batch_size: 1, iterations: 1}\n",
        "smoothness": "network: {kind: multilayer, layers: [1, 1], loss: squared_linear, weight_bound: 1}\n"
        "training: {stepsize: 1.5, batch_size: 20000, iterations: 400}\n",
    }
    data = "data: {file: a.npz, scaling: standard, target_kind: values}\n"
    for name, text in specs.items():
        (tmp_path / f"{name}.yaml").write_text(text + data)
    monkeypatch.chdir(tmp_path)  # the start depends on the name
    if fault:
        halved(fault, monkeypatch)
    for name in specs:
        options = ("--constants", "certified", "-q", "-f", "json", "--seed", "2")
        found = strict(run("verify", f"{name}.yaml", *options).out)
        wrong = "falsified" if name == fault else "consistent"
        assert found["verdict"] == wrong, json.dumps(found["cases"])


@pytest.mark.parametrize("fault", [None, "variance"])
def test_one_row_varies_as_much_as_is_certified(monkeypatch: pytest.MonkeyPatch, fault: str | None) -> None:
    """Where every output is 1/3 and every target 1 the slope of each row is the largest: 8/27.

    No training shows it: a bound that has this variance in it is twice what is measured, or more.
    """
    if fault:
        halved(fault, monkeypatch)
    rows = Data(SIGNS, (SIGNS + 1) / 2)
    network = {"kind": "single_layer", "layers": (1, 1), "weight_bounds": ()}
    output = 1 / (1 + np.exp(math.log(2) * SIGNS * SIGNS))
    slope = 2 * (output - 1) * output * (1 - output) * SIGNS
    sure = float(certified_constants(problem_of(rows, network), np.ones(())).gradient_variance)
    assert (float((slope**2).mean()) <= sure) == (fault is None)
