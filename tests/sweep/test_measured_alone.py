"""What is measured where no theorem is about the training, held against torch without chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, strict

from rsgadvise.ask.verify.cases import case_key
from rsgadvise.spec import load_spec
from rsgadvise.spec.problem import resolve
from rsgadvise.training.networks import Network, initial_weights

STEPS = 4  # updates before the weights are looked at
ROW: dict[str, Any] = {"x": np.array([[0.9, 0.2, 0.6, 0.4, 0.1]]), "y": np.array([[0.25, 0.5, 0.25]])}
CASES = {
    "momentum, relu": ("{name: momentum, beta: 0.5}", "activation: relu", 0.3),
    "nesterov, leaky_relu, cross-entropy, biases": (
        "nesterov",
        "activation: leaky_relu, loss: cross_entropy, bias: true",
        0.1,
    ),
    "adam, sigmoid": ("adam", "", 0.2),
    "adamw, relu, linear outputs": (
        "{name: adamw, weight_decay: 0.5}",
        "activation: relu, loss: squared_linear",
        0.01,
    ),
    "sgd, relu": ("sgd", "activation: [relu]", 0.7),
}
TORCH = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": "beta"}),
    "nesterov": ("SGD", {"momentum": "beta", "nesterov": True}),
    "adam": ("Adam", {"betas": "betas", "eps": "eps", "weight_decay": "weight_decay"}),
    "adamw": ("AdamW", {"betas": "betas", "eps": "eps", "weight_decay": "weight_decay"}),
}


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A training on one row, whose weights are looked at after `STEPS` updates: nothing is left to chance."""
    monkeypatch.chdir(tmp_path)  # the path of a spec decides its W^1
    np.savez("row.npz", **ROW)
    return Path("spec.yaml")


def write(path: Path, optimizer: str, network: str, gamma: float) -> None:
    stop = [0] * STEPS + [1]
    path.write_text(
        f"network: {{kind: multilayer, layers: [5, 4, 3], weight_bound: 50, {network}}}\n"
        "data: {file: row.npz, target_kind: values}\n"
        f"training: {{optimizer: {optimizer}, stepsize: {gamma}, batch_size: 2, stopping: {stop}}}\n"
    )


def by_torch(path: Path, start: list[Any]) -> tuple[float, float]:
    """(squared gradient norm, loss) after the updates, as torch has them."""
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'rsgadvise[integrations]'")
    read = load_spec(path).spec
    network, chosen = read.network, read.training.chosen_optimizer
    units = {"relu": torch.relu, "leaky_relu": torch.nn.functional.leaky_relu, "sigmoid": torch.sigmoid}
    unit = units[network.activations[0] if network.activations else "sigmoid"]
    weights = [torch.tensor(matrix[0], requires_grad=True) for matrix in start]
    x, y = torch.tensor(ROW["x"]), torch.tensor(ROW["y"])

    def layer(signal: Any, matrix: Any) -> Any:
        return signal @ matrix[:, :-1].T + matrix[:, -1] if network.bias else signal @ matrix.T

    def loss_of() -> Any:
        output = layer(unit(layer(x, weights[0])), weights[1])
        if network.loss == "cross_entropy":
            return -(y * output.log_softmax(dim=1)).sum()
        return ((output if network.loss == "squared_linear" else output.sigmoid()) - y).square().sum()

    name, arguments = TORCH[chosen.name]
    settings = {
        key: chosen.settings[value] if isinstance(value, str) else value
        for key, value in arguments.items()  # type: ignore[attr-defined]
    }
    optimizer = getattr(torch.optim, name)(weights, lr=read.training.stepsize, **settings)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()
    loss = loss_of()
    gradient = torch.autograd.grad(loss, weights)
    return float(sum(part.square().sum() for part in gradient)), float(loss.detach())


def start_of(path: Path, name: str) -> list[Any]:
    """W^1 as the seed has it."""
    network = Network.of(resolve(load_spec(path).spec))
    rng = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(case_key(name), 0)))
    return initial_weights(network, rng)


@pytest.mark.parametrize("case", CASES)
def test_a_point_is_what_torch_has(run: Run, spec: Path, case: str) -> None:
    optimizer, network, gamma = CASES[case]
    write(spec, optimizer, network, gamma)
    options = ("--measure", "--runs", "2", "--jobs", "1", "-q", "-f", "json")
    found = run("sweep", spec, "--vary", f"training.stepsize={gamma},{gamma / 2}", *options)
    assert (found.code, found.err) == (0, "")
    document = strict(found.out)
    for point in document["points"]:
        assert (point["paper_bound"], point["certified_bound"]) == (None, None)
        assert point["notes"][0].startswith("No bound: ")
        write(spec, optimizer, network, point["values"]["training.stepsize"])
        gradient, loss = by_torch(spec, start_of(spec, str(spec)))
        assert point["measured"]["gradient"] == pytest.approx(gradient, rel=1e-9)
        assert point["measured"]["final_loss"] == pytest.approx(loss, rel=1e-9)
    first, second = (point["measured"]["final_loss"] for point in document["points"])
    assert first != pytest.approx(second, rel=1e-3)  # else a training that never was would pass


def test_a_comparison_is_what_torch_has(run: Run, spec: Path) -> None:
    other = spec.with_name("other.yaml")
    write(spec, *CASES["adam, sigmoid"])
    write(other, *CASES["momentum, relu"])
    options = ("--measure", "--runs", "4", "--jobs", "1", "-q", "-f", "json")
    found = run("compare", spec, other, *options)
    assert (found.code, found.err) == (0, "")
    document = strict(found.out)
    assert document["common_samples"] == 2 * (STEPS + 1)
    for row, path in zip(sorted(document["specs"], key=lambda row: row["name"]), (other, spec), strict=True):
        assert (row["rank"], row["bound"], row["certified_bound"], row["proven"]) == (None, None, None, False)
        expected = [by_torch(path, start_of(path, f"compare, start {start}")) for start in range(2)]
        gradient, loss = np.mean(expected, axis=0)
        assert row["measured"]["mean"] == pytest.approx(gradient, rel=1e-9)
        assert row["measured"]["final_loss"] == pytest.approx(loss, rel=1e-9)
    assert document["verdict"]["measured"]["smallest"] in {"spec.yaml", "other.yaml"}
    assert document["verdict"]["text"].startswith("No spec has a guarantee")


REST = "data: {mean: 0.3, mean_square: 0.12, samples: 100}\nbudget: {epochs: 3}\nsearch: {batch_size: [10]}\n"
NETWORK = "network: {kind: multilayer, layers: [6, 4, 3], activation: relu}\n"


@pytest.mark.usefixtures("advised_once")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_what_is_open_is_typical(run: Run, tmp_path: Path, optimizer: str) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"{NETWORK}{REST}training: {{optimizer: {optimizer}, keep_prob: 1}}\n")
    advised = run.document("recommend", spec)["train"]
    options = ("--measure", "--runs", "4", "--jobs", "1", "-q", "-f", "json")
    swept = strict(run("sweep", spec, "--vary", "training.keep_prob=1", *options).out)
    compared = strict(run("compare", spec, spec, *options).out)
    assert any("typical for its statistics" in note for note in swept["notes"])
    for row in (*swept["points"], *compared["specs"]):
        for key in ("stepsize", "batch_size", "iterations", "keep_prob", "decay"):
            assert row[key] == advised[key]


def test_a_spec_without_a_bound_beside_one_that_has_one(run: Run, tmp_path: Path) -> None:
    """The first is trained on as many samples as the other, and has no rank."""
    spec, other = tmp_path / "spec.yaml", tmp_path / "other.yaml"
    fixed = "training: {stepsize: 0.1}\n"
    spec.write_text(NETWORK.replace("relu", "sigmoid") + REST.replace("epochs: 3", "epochs: 1") + fixed)
    other.write_text(NETWORK + REST + fixed)
    assert "other.yaml:1:60: network.activation: must be smooth for a bound; got relu" in run.refused(
        "compare", spec, other
    )
    document = run.document("compare", spec, other, "--measure", "--runs", "4", "--jobs", "1", "-q")
    one, none = document["specs"]
    assert (one["name"], one["rank"], none["rank"]) == ("spec.yaml", 1, None)
    assert one["samples"] == none["samples"] == 100
    assert one["measured"]["runs"] == none["measured"]["runs"] == 4
    assert "No bound: relu has a kink" in none["notes"][0]
    shown = run("compare", spec, other, "--measure", "--runs", "4", "--jobs", "1").out
    assert "no bound" in shown


@pytest.mark.parametrize("keep", ["1", "0.5"])
def test_no_wide_box_widens_the_limits(run: Run, tmp_path: Path, keep: str) -> None:
    """Also where masks are sampled: what that adds at most says nothing in a wide box."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "network: {kind: multilayer, layers: [20, 6, 3], activation: relu, loss: squared_linear}\n"
        f"data: {{mean: 0.3, mean_square: 0.12}}\n"
        f"training: {{stepsize: 0.01, batch_size: 8, iterations: 4, keep_prob: {keep}}}\n"
    )
    options = ("--measure", "--runs", "8", "--jobs", "1", "-q", "-f", "json")
    (point,) = strict(run("sweep", spec, "--vary", "training.stepsize=0.01", *options).out)["points"]
    measured = point["measured"]
    assert 0 < measured["lower"] < measured["gradient"] < measured["upper"] < 3 * measured["gradient"]
    assert measured["initial_loss"] < 100  # not the limit that a bound would need


def test_a_loss_without_a_largest_value(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "network: {kind: single_layer, layers: [6, 2], loss: squared_linear}\n"
        "data: {mean: 0.3, mean_square: 0.12}\n"
        "training: {stepsize: 0.1, batch_size: 8, iterations: 12}\n"
    )
    for interval in ("student", "rigorous"):
        options = ("--measure", "--jobs", "1", "-q", "-f", "json", "--interval", interval)
        (point,) = json.loads(run("sweep", spec, "--vary", "training.stepsize=0.1", *options).out)["points"]
        assert point["largest_gradient"] is None
        assert 0 < point["measured"]["lower"] < point["measured"]["gradient"]
        assert (point["measured"]["upper"] is None) == (interval == "rigorous")


def test_nothing_can_be_matched_without_a_bound(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        NETWORK + "data: {mean: 0.3, mean_square: 0.12}\n"
        "training: {stepsize: 0.1, batch_size: 8, iterations: 12, decay: 0.5, stopping: matched}\n"
    )
    vary = ("--vary", "training.stepsize=0.1", "--measure", "--runs", "4")
    found = run.document("sweep", spec, *vary, "--jobs", "1", "-q")
    assert (
        "where no bound has a distribution to match; got matched; leave it out"
        in found["points"][0]["notes"][1]
    )
    options = ("--measure", "--set", "training.stopping=null", "--jobs", "1", "-q", "-f", "json")
    found = strict(run("sweep", spec, "--vary", "training.stepsize=0.1", *options).out)
    assert found["points"][0]["measured"] is not None
