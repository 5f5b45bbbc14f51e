"""Every optimiser of the engine against torch.optim in double precision, and what each says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_networks import data_for, weights_for

from rsgadvise.theory.optimizers import kind_of, optimizer_names, optimizer_of
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.training import rsg
from rsgadvise.training.networks import Network, Weights
from rsgadvise.training.rsg import Pace, Snapshot, Stream, Training, train

STEPS = 50
NETWORKS = {
    "no box": Network("multilayer", (5, 17, 4, 2)),
    "box": Network("multilayer", (5, 17, 4, 2), (0.5, 0.6, 0.4)),
    "single layer": Network("single_layer", (5, 3)),
    "tied": Network("autoencoder", (6, 4), (0.6,)),
}
# What torch.optim is to be called for each: written down here, not taken from what the emitted programs say.
TORCH: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "sgd": ({"name": "sgd"}, "SGD", {}),
    "sgd, decay": ({"name": "sgd", "weight_decay": 0.02}, "SGD", {"weight_decay": 0.02}),
    "momentum": ({"name": "momentum"}, "SGD", {"momentum": 0.9}),
    "momentum 0.5": ({"name": "momentum", "beta": 0.5}, "SGD", {"momentum": 0.5}),
    "momentum, decay": (
        {"name": "momentum", "weight_decay": 0.02},
        "SGD",
        {"momentum": 0.9, "weight_decay": 0.02},
    ),
    "nesterov, decay": (
        {"name": "nesterov", "weight_decay": 0.02},
        "SGD",
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.02},
    ),
    "nesterov": ({"name": "nesterov"}, "SGD", {"momentum": 0.9, "nesterov": True}),
    "adam": ({"name": "adam"}, "Adam", {}),
    "adam, others": (
        {"name": "adam", "betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.01},
        "Adam",
        {"betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.01},
    ),
    "adamw": ({"name": "adamw"}, "AdamW", {}),
    "adamw, others": (
        {"name": "adamw", "betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.3},
        "AdamW",
        {"betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.3},
    ),
}


def test_there_is_a_case_for_every_optimizer() -> None:
    assert {case[0]["name"] for case in TORCH.values()} == set(optimizer_names())
    assert optimizer_names()[0] == "sgd"


def setting(network: Network, optimizer: Optimizer, decay: float = 0.3) -> Training:
    stepsizes = tuple(np.linspace(0.05, 0.02, len(network.shapes)).tolist())
    return Training(network, data_for(network, rows=9), stepsizes, 4, decay, optimizer)


def by_torch(
    training: Training,
    start: Sequence[NDArray[np.float64]],
    stream: Stream,
    name: str,
    more: dict[str, Any],
    *,
    boxed: bool = True,
) -> list[NDArray[np.float64]]:
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'rsgadvise[integrations]'")
    network, data = training.network, training.data
    ahead = max(1, rsg.AHEAD_BYTES // (8 * training.batch_size))
    batches = stream.batches.integers(0, data.rows, size=(ahead, training.batch_size))
    weights = [torch.tensor(matrix, dtype=torch.float64, requires_grad=True) for matrix in start]
    groups = [
        {"params": [weight], "lr": gamma} for weight, gamma in zip(weights, training.stepsizes, strict=True)
    ]
    optimizer = getattr(torch.optim, name)(groups, **more)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: (k + 1) ** -training.decay)
    for rows in batches[:STEPS]:
        signal = torch.tensor(data.inputs[rows])
        for weight in [weights[0], weights[0].T] if network.tied else weights:
            signal = torch.sigmoid(signal @ weight.T)
        loss = ((signal - torch.tensor(data.targets[rows])) ** 2).sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for weight, bound in zip(weights, network.weight_bounds if boxed else (), strict=False):
                weight.clamp_(-bound, bound)
    return [weight.detach().numpy() for weight in weights]


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("case", TORCH.values(), ids=TORCH)
def test_trains_as_torch_does(case: tuple[dict[str, Any], str, dict[str, Any]], network: Network) -> None:
    given, name, more = case
    training = setting(network, optimizer_of(given))
    start = weights_for(network, 1)
    (shot,) = train(training, start, [Stream(3, (0,)), Stream(3, (1,))], [np.array([STEPS + 1])] * 2)
    order = np.argsort(shot.replicas)
    for replica in (0, 1):
        matrices = [matrix[0] for matrix in start]
        theirs, free = (
            by_torch(training, matrices, Stream(3, (replica,)), name, more, boxed=boxed)
            for boxed in (True, False)
        )
        for ours, matrix, first in zip(shot.weights, theirs, start, strict=True):
            np.testing.assert_allclose(ours[order[replica]], matrix, rtol=0, atol=1e-12)
            assert np.abs(matrix - first[0]).max() > 1e-3  # else nothing was compared
        held = any(not np.array_equal(a, b) for a, b in zip(theirs, free, strict=True))
        assert held == bool(network.weight_bounds)


def ends(shot: Snapshot) -> list[Weights]:
    order = np.argsort(shot.replicas)
    return [[matrix[order] for matrix in kept] for kept in (shot.weights, *shot.memory)]


@pytest.mark.parametrize("given", [case[0] for case in TORCH.values()], ids=TORCH)
def test_a_run_is_taken_up_where_it_was_left(given: dict[str, Any]) -> None:
    """With what the optimiser remembers, or it would start to learn its gradients again."""
    training = setting(NETWORKS["box"], optimizer_of(given))
    start = weights_for(training.network, 1)
    whole = list(train(training, start, [Stream(3, (0,)), Stream(3, (1,))], [np.array([12, 30])] * 2))
    streams = [Stream(3, (0,)), Stream(3, (1,))]
    (half,) = train(training, start, streams, [np.array([12])] * 2)
    (rest,) = train(training, half.weights, streams, [np.array([30])] * 2, first=12, memory=half.memory)
    for one, other in zip(ends(whole[-1]), ends(rest), strict=True):
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a, b)
    if training.optimizer.memory:
        streams = [Stream(3, (0,)), Stream(3, (1,))]
        list(train(training, start, streams, [np.array([12])] * 2))
        (forgetful,) = train(training, half.weights, streams, [np.array([30])] * 2, first=12)
        assert not np.array_equal(forgetful.weights[0], rest.weights[0])


@pytest.mark.parametrize("given", [case[0] for case in TORCH.values()], ids=TORCH)
def test_same_bits_for_any_company_and_any_number_of_threads(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = setting(NETWORKS["box"], optimizer_of(given))
    start = weights_for(training.network, 1)
    pace = Pace(np.linspace(0.01, 0.1, 21).reshape(7, 3), np.linspace(0, 0.6, 7))
    stops = [np.array([2, 3 + (7 * key) % 23]) for key in range(7)]

    def run(keys: Sequence[int], threads: int = 1) -> dict[int, Weights]:
        found: dict[int, Weights] = {}
        streams, own = [Stream(3, (key,)) for key in keys], [stops[key] for key in keys]
        shots = train(training, start, streams, own, pace=pace.of(np.array(keys)), threads=threads)
        for shot in shots:
            found |= {
                keys[replica]: [matrix[place] for matrix in shot.weights]
                for place, replica in enumerate(shot.replicas)
            }
        return found

    together = run(range(7))
    alone = {key: run([key])[key] for key in range(7)}
    monkeypatch.setattr(rsg, "CACHE_BYTES", 1)
    one_by_one = run(range(7))
    monkeypatch.setattr(rsg, "THREAD_WORK", 0)
    shared = run(range(7), threads=3)
    for other in (alone, one_by_one, shared):
        for key in range(7):
            assert all(np.array_equal(a, b) for a, b in zip(together[key], other[key], strict=True))


@pytest.mark.parametrize("given", [case[0] for case in TORCH.values()], ids=TORCH)
def test_what_the_same_gradient_grows_to(given: dict[str, Any]) -> None:
    """`growth`, by feeding it; without weight decay, which is of the weights and not of the gradient."""
    optimizer = optimizer_of({**given, "weight_decay": 0.0} if "weight_decay" in given else given)
    memory = [np.zeros((1, 1, 1)) for _ in optimizer.memory]
    updates = []
    for k in range(1, 2001):
        gradient = np.full((1, 1, 1), 0.7)
        optimizer.turn(gradient, np.zeros((1, 1, 1)), memory, k)
        updates.append(float(gradient[0, 0, 0]))
    assert updates[-1] / updates[0] == pytest.approx(optimizer.growth, rel=1e-9)


@pytest.mark.parametrize("given", [case[0] for case in TORCH.values()], ids=TORCH)
def test_rescaled_is_the_same_training_of_other_weights(given: dict[str, Any]) -> None:
    """V = keep W with gradients over keep, as in libraries whose dropout divides what it keeps."""
    optimizer, keep, rng = optimizer_of(given), 0.6, np.random.default_rng(1)
    factor, other = optimizer.rescaled(keep)
    own = rng.normal(size=(1, 3, 2))
    theirs = keep * own
    memories = [[np.zeros_like(own) for _ in optimizer.memory] for _ in range(2)]
    for k in range(1, 20):
        gradient = rng.normal(size=own.shape)
        for each, weights, gamma, scale, memory in (
            (optimizer, own, 0.1, 1.0, memories[0]),
            (other, theirs, factor * 0.1, 1 / keep, memories[1]),
        ):
            update = scale * gradient
            each.turn(update, weights, memory, k)
            np.subtract(weights, gamma * update, out=weights)
        np.testing.assert_allclose(theirs, keep * own, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("given", [case[0] for case in TORCH.values()], ids=TORCH)
def test_the_emitted_statements_make_the_same_update(given: dict[str, Any]) -> None:
    optimizer, rng = optimizer_of(given), np.random.default_rng(1)
    w = rng.normal(size=(1, 3, 2))
    memory = [np.zeros_like(w) for _ in optimizer.memory]
    names: dict[str, Any] = {key.upper(): value for key, value in optimizer.settings.items()}
    names |= {"w": w, **dict.fromkeys(optimizer.memory, np.zeros_like(w))}
    for k in range(1, 20):
        gradient = rng.normal(size=w.shape)
        names |= {"g": gradient.copy(), "k": k}
        exec(optimizer.code, names)
        optimizer.turn(gradient, w, memory, k)
        np.testing.assert_allclose(gradient, names["u"], rtol=1e-12)


def test_each_says_what_its_settings_may_be() -> None:
    for name in optimizer_names():
        kind = kind_of(name)
        assert set(kind.ranges) == {field.name for field in fields(kind)} >= set(kind().settings)
        assert kind().name == name
        assert kind().plain == (name == "sgd")
