"""Advice for optimisers other than SGD: the unit of their race, what is raced, and what is not claimed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import Run, present
from numpy.typing import NDArray

import rsgadvise
from rsgadvise.errors import HypothesisError, UsageError
from rsgadvise.pilot.candidates import usual_stepsize
from rsgadvise.pilot.directional import directional_stepsize
from rsgadvise.pilot.race import Candidate, Heat
from rsgadvise.pilot.task import Task
from rsgadvise.theory.optimizers import optimizer_names, optimizer_of
from rsgadvise.training.networks import Data, Kernel, Network
from rsgadvise.training.rsg import Pace, Training, train

OTHERS = [name for name in optimizer_names() if name != "sgd"]
Float = NDArray[np.float64]


def data_of(rows: int, dim: int = 6, classes: int = 3, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    inputs = rng.random((rows, dim))
    labels = (inputs @ rng.normal(size=(dim, classes))).argmax(axis=1)
    return Data(inputs, np.eye(classes)[labels])


def task_of(optimizer: Any, network: Network | None = None) -> Task:
    network = network or Network("multilayer", (6, 5, 3), (5.0, 5.0))
    return Task.of(network, data_of(80), seed=3, hold_out=False, optimizer=optimizer_of(optimizer))


FIRST: dict[
    str, tuple[Callable[[Float, Float], Float], float]
] = {  # u of a first gradient, and what it grows by, written out
    "sgd": (lambda g, w: g, 1.0),
    "momentum": (lambda g, w: g, 10.0),
    "nesterov": (lambda g, w: 1.9 * g, 1 / (1.9 * 0.1)),
    "adam": (lambda g, w: g / (np.abs(g) + 1e-8), 1.0),
    "adamw": (lambda g, w: g / (np.abs(g) + 1e-8) + 0.01 * w, 1.0),
}


@pytest.mark.parametrize("shape", [(1.0, 1.0), (3.0, 0.5)])
@pytest.mark.parametrize("name", FIRST)
def test_the_directional_stepsize_against_automatic_derivatives(
    name: str, shape: tuple[float, float]
) -> None:
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'rsgadvise[integrations]'")
    task = task_of(name)
    start, rows = task.start(0), np.arange(0, 80, 2)
    found = directional_stepsize(task, start, rows, batch_size=16, shape=shape, steepest=1.0)
    x, y = (torch.tensor(np.asarray(part, np.float64)) for part in (task.data.inputs, task.data.targets))
    ends = [matrix[0].size for matrix in start]
    flat = torch.tensor(np.concatenate([matrix[0].ravel() for matrix in start]))

    def loss(vector: Any, chosen: NDArray[np.int64]) -> Any:
        first, second = (part.reshape(m[0].shape) for part, m in zip(vector.split(ends), start, strict=True))
        output = torch.sigmoid(torch.sigmoid(x[chosen] @ first.T) @ second.T)
        return ((output - y[chosen]) ** 2).sum(dim=1).mean()

    def gradient(chosen: NDArray[np.int64]) -> Float:
        vector = flat.clone().requires_grad_()
        (found,) = torch.autograd.grad(loss(vector, chosen), vector)
        return np.asarray(found.numpy())

    hessian = torch.autograd.functional.hessian(lambda vector: loss(vector, rows), flat).numpy()
    slope, lengths = gradient(rows), np.repeat(shape, ends)
    rng, (first, growth) = task.rng(9), FIRST[name]
    updates = [lengths * first(gradient(rng.integers(0, 80, 16)), flat.numpy()) for _ in range(8)]
    fall, bend = sum(slope @ u for u in updates), sum(u @ hessian @ u for u in updates)
    if bend <= 0:
        bend = sum(u @ u for u in updates)
    assert found.stepsize == pytest.approx(fall / bend / growth, rel=1e-5)  # rows in single precision


@pytest.mark.parametrize("name", OTHERS)
def test_a_runner_takes_its_memory_from_heat_to_heat(name: str) -> None:
    task = task_of(name)
    candidates = [Candidate((gamma, gamma), 0.0, 4, 60, 1.0, "") for gamma in (0.01, 0.05)]
    heat = Heat(task, key=0, threads=1)
    runners = [heat.enter(candidate) for candidate in candidates]
    heat.advance(runners, share=0.3)
    heat.advance(runners, share=1.0)
    training = Training(task.network, task.data, (1.0, 1.0), 4, optimizer=task.optimizer)
    pace = Pace(np.array([each.stepsizes for each in candidates]), np.zeros(2))
    weights, memory = task.start(0), ()
    for first, until in ((1, 19), (19, 61)):
        streams = [task.stream(0, 4, first) for _ in candidates]
        stops = [np.array([until])] * 2
        (shot,) = train(training, weights, streams, stops, first=first, memory=memory, pace=pace)
        order = np.argsort(shot.replicas)
        weights = [matrix[order] for matrix in shot.weights]
        memory = [[matrix[order] for matrix in kept] for kept in shot.memory]  # type: ignore[assignment]
    for place, runner in enumerate(runners):
        for ours, theirs in zip(runner.weights, weights, strict=True):
            assert np.array_equal(ours[0], theirs[place])


def spec_of(optimizer: Any, **more: Any) -> dict[str, Any]:
    network = {"kind": "multilayer", "layers": [6, 5, 3]}
    return {"network": network, "training": {"optimizer": optimizer, **more}, "budget": {"epochs": 20}}


def grid_losses(optimizer: Any, plan: Any, gammas: Float, data: Data) -> Float:
    """Final training losses of constant stepsizes, with the advised batches and iterations."""
    network = Network("multilayer", (6, 5, 3), (plan.weight_bound,) * 2)
    task = Task.of(network, data, seed=11, hold_out=False, optimizer=optimizer_of(optimizer))
    training = Training(network, task.data, (1.0, 1.0), plan.batch_size, optimizer=task.optimizer)
    streams = [task.stream(1, plan.batch_size) for _ in gammas]
    pace = Pace(gammas, np.zeros(len(gammas)))
    stops = [np.array([plan.iterations + 1])] * len(gammas)
    (shot,) = train(training, task.start(1), streams, stops, pace=pace)
    weights = [matrix[np.argsort(shot.replicas)] for matrix in shot.weights]
    rows = task.data.rows
    kernel = Kernel(network, replicas=len(gammas), rows=rows, dtype=np.dtype(np.float32), shared=True)
    kernel.inputs[0], kernel.targets[0] = task.data.inputs, task.data.targets
    return np.asarray(kernel.loss(weights, scale=1 / rows), np.float64)


@pytest.mark.parametrize("name", OTHERS)
def test_the_advised_stepsize_goes_most_of_the_way_of_the_best_of_a_grid(name: str) -> None:
    data = data_of(500)
    advice = rsgadvise.recommend(spec_of(name), data=(data.inputs, data.targets))
    plan = present(advice.train)
    assert (plan.optimizer, plan.source, plan.learns) == (name, "raced", True)
    own = plan.stepsize if isinstance(plan.stepsize, tuple) else (plan.stepsize,) * 2
    grid = np.repeat(np.geomspace(1e-4, 10, 12)[:, None], 2, axis=1)
    losses = grid_losses(name, plan, np.vstack([own, grid]), data)
    assert plan.constant_loss is not None
    assert plan.constant_loss - losses[0] >= 0.85 * (plan.constant_loss - losses[1:].min())
    assert losses[0] < 0.5 * np.median(losses[1:])


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("pilot", [None, 0, 1.0])
def test_nothing_is_claimed_of_another_optimizer(name: str, pilot: float | None) -> None:
    data = data_of(300, seed=1)
    advice = rsgadvise.recommend(spec_of(name), data=(data.inputs, data.targets), pilot=pilot)
    no_claims(advice, name)


def no_claims(advice: Any, name: str) -> None:
    title = optimizer_of(name).title
    assert advice.train.optimizer == name
    assert advice.guarantee is None
    for row in advice.recommendations:
        assert row.bound == math.inf
        assert not row.proven
        assert row.loss_score is None
        assert row.certified_bound == row.largest_gradient
        assert row.terms == row.elasticities == {}
        assert row.equation == f"no theorem about {title}"
    assert advice.equation == f"no theorem about {title}"
    said = f"No bound and no guarantee: the theorems are about SGD, not {title}."
    assert [note for note in advice.notes if "theorem" in note] == [said]
    assert said in " ".join(str(advice).split())
    if "same target" not in advice.train.reason:
        assert optimizer_of(name).words in " ".join(str(advice).split())
    shown = " ".join(str(advice).split()).replace("neither proven nor measured", "")
    assert "proven" not in shown.lower().replace("not proven", "")
    pilot = getattr(advice, "pilot", None)
    if pilot is not None:
        assert pilot.predicted_bound is None
        assert pilot.state is None


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("layers", [[6, 5, 3], [40, 8, 4, 2]])
def test_without_data_it_is_typical(name: str, layers: list[int]) -> None:
    spec = spec_of(name) | {"data": {"mean": 0.3, "samples": 500}}
    spec["network"] = {"kind": "multilayer", "layers": layers}
    advice = rsgadvise.recommend(spec)
    no_claims(advice, name)
    assert advice.train is not None
    assert advice.train.source == "typical"
    plain = present(rsgadvise.recommend(spec | {"training": {}}).train)
    ratio = max(np.atleast_1d(advice.train.stepsize)) / max(np.atleast_1d(plain.stepsize))
    assert ratio < 0.5


def test_a_stepsize_of_the_spec_stays() -> None:
    data = data_of(300)
    advice = rsgadvise.recommend(spec_of("adam", stepsize=0.007), data=(data.inputs, data.targets))
    assert present(advice.train).stepsize == (0.007, 0.007)
    alone = rsgadvise.recommend(spec_of("adam", stepsize=0.007) | {"data": {"samples": 300}})
    assert present(alone.train).stepsize == (0.007, 0.007)
    assert "The spec fixes that stepsize" in str(alone)


@pytest.mark.parametrize("constants", ["paper", "certified"])
def test_constants_of_a_theorem_are_refused(constants: Any) -> None:
    with pytest.raises(UsageError, match=r"must be auto, typical or calibrated for training\.optimizer adam"):
        rsgadvise.recommend(spec_of("adam") | {"data": {"samples": 300}}, constants=constants)


@pytest.mark.parametrize(
    ("name", "usual"),
    [("sgd", 9.0), ("momentum", 0.9), ("nesterov", 0.9), ("adam", 0.125), ("adamw", 0.125)],
)
def test_the_usual_stepsize_of_each(name: str, usual: float) -> None:
    network, inputs = Network("multilayer", (1, 16, 1), (5.0, 5.0)), np.array([[2.0]])
    assert usual_stepsize(network, inputs, optimizer_of(name)) == pytest.approx(usual, rel=1e-12)
    other = replace(network, activations=("tanh",))
    assert usual_stepsize(other, inputs, optimizer_of(name)) is None


def test_a_spec_names_its_optimizer_itself() -> None:
    spec: Any = spec_of("adam") | {"data": {"samples": 300}}
    recommend: Any = rsgadvise.recommend
    with pytest.raises(UsageError, match=r"write training\.optimizer"):
        recommend(spec, optimizer="momentum")


def test_a_network_too_large_to_be_tried_asks_for_data() -> None:
    spec = spec_of("momentum") | {"network": {"kind": "multilayer", "layers": [900, 90000, 9000, 2]}}
    with pytest.raises(HypothesisError) as caught:
        rsgadvise.recommend(spec | {"data": {"samples": 300}})
    assert str(caught.value).endswith("name a data file, since no theorem is about momentum")


def test_momentum_of_zero_is_raced_as_sgd_trains() -> None:
    """Another road to the same training: beta = 0 makes no difference to any loss."""
    task, plain = task_of({"name": "momentum", "beta": 0.0}), task_of("sgd")
    candidate = Candidate((0.4, 0.2), 0.0, 4, 60, 1.0, "")
    ends = []
    for each in (task, plain):
        heat = Heat(each, key=0, threads=1)
        runner = heat.enter(candidate)
        heat.advance([runner], share=0.5)
        heat.advance([runner], share=1.0)
        ends.append(runner)
    assert ends[0].loss == ends[1].loss
    assert all(np.array_equal(a, b) for a, b in zip(ends[0].weights, ends[1].weights, strict=True))
    assert replace(task, optimizer=plain.optimizer) != task


COMMANDS = {
    "bound": [],
    "iterations": ["--eps", "0.1", "--delta", "0.1"],
    "verify": [],
    "sweep": ["--vary", "training.stepsize=0.1:1:3"],
    "explain": [],
    "design": ["--widths", "2,3", "--depth", "1"],
    "compare": [],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_that_rest_on_bounds_say_so_in_a_line(command: str, run: Run, tmp_path: Any) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(
        "network: {kind: multilayer, layers: [4, 3, 2]}\n"
        "training: {stepsize: 0.1, batch_size: 4, iterations: 10, keep_prob: 1, optimizer: adam}\n"
    )
    names = [str(spec)] * (2 if command == "compare" else 1)
    done = run.refused(command, *names, *COMMANDS[command])
    assert "a.yaml:2:" in done
    assert "training.optimizer: must be sgd for a bound; got adam, which no theorem is about" in done
    other = "--measure" if command in ("sweep", "compare") else "`rsgadvise "  # tried in tests/cli
    assert other in done
