"""A unit, a loss and an optimiser are one file each: beside the others they pass through every command."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Run

pytestmark = pytest.mark.usefixtures("recipes")

NETWORKS = {
    "unit": "{kind: multilayer, layers: [5, 6, 5, 3], weight_bound: 1, activation: softsign}",
    "units": "{kind: multilayer, layers: [5, 6, 5, 3], weight_bound: 1, activation: [softsign, sigmoid]}",
    "tied": "{kind: autoencoder, layers: [5, 3], weight_bound: 1, activation: softsign}",
    "loss": "{kind: single_layer, layers: [5, 3], loss: huber}",
    "both": "{kind: multilayer, layers: [5, 6, 3], weight_bound: 1, activation: softsign, loss: huber}",
}
DATA = "{mean: 0.45, mean_square: 0.22, second_moment: 0.27, top_eigenvalue: 1.2, samples: 150}"
FIXED = "{stepsize: 0.01, batch_size: 20, iterations: 50, initial_loss: 1.1}"


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> str:
    """The network section of a spec."""
    return NETWORKS[request.param]


def test_recommend_ranks_by_certified_constants(network: str, tmp_path: Path, run: Run) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"network: {network}\ndata: {DATA}\n")
    found = run.document("recommend", spec)
    assert found["constants"] == "certified"
    assert found["train"]["source"] == "typical"


def test_bound_and_explain_speak_of_certified_constants(network: str, tmp_path: Path, run: Run) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"network: {network}\ndata: {DATA}\ntraining: {FIXED}\n")
    found = run.document("bound", spec)
    assert found["constants"] == "certified"
    assert 0 < found["bound"] <= found["largest_gradient"]
    assert "certified constants" in run("explain", spec).out


@pytest.mark.parametrize("command", ["recommend", "bound", "explain", "iterations"])
def test_the_papers_constants_are_refused_by_their_hypothesis(command: str, tmp_path: Path, run: Run) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"network: {NETWORKS['both']}\ndata: {DATA}\ntraining: {FIXED}\n")
    extra = ["--eps", "0.1", "--delta", "0.1"] if command == "iterations" else []
    found = run.refused(command, spec, "--constants", "paper", *extra)
    assert "network.activation: must be sigmoid" in found
    fixed = run(command, spec, "--constants", "certified", *extra)  # as it says
    assert "--constants certified" in found
    assert fixed.code in {0, 1}
    assert not fixed.err


def test_data_are_raced_and_what_is_emitted_compiles(network: str, tmp_path: Path, run: Run) -> None:
    spec = tmp_path / "spec.yaml"
    rest = "exclude: variety" if "autoencoder" in network else "target: variety"
    file = Path("configs/seedlings.csv").resolve()
    spec.write_text(f"network: {network}\ndata: {{file: {file}, {rest}}}\n")
    found = run.document("recommend", spec, "--work", "2e6")
    assert found["train"]["source"] in {"raced", "calibrated"}
    if "huber" in network:
        # Of three classes in as many rows each: sqrt(1 + d^2) - 1 of the best share, some 0.33, three times.
        assert 0.25 < found["pilot"]["constant_loss"] < 0.32
    for library in ("sklearn", "torch", "keras", "optuna"):
        text = run("recommend", spec, "--constants", "certified", "--emit", library).out
        compile(text, library, "exec")
        assert ("softsign" in text.lower()) == ("softsign" in network)


@pytest.mark.parametrize("target", ["torch", "keras", "sklearn", "optuna"])
def test_an_optimizer_is_advised_for_and_written(target: str, tmp_path: Path, run: Run) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        f"network: {NETWORKS['both']}\ndata: {DATA}\nbudget: {{epochs: 5}}\n"
        "training: {optimizer: {name: rmsprop, alpha: 0.9}}\n"
    )
    found = run.document("recommend", spec)
    assert (found["train"]["optimizer"], found["train"]["source"]) == ("rmsprop", "typical")
    assert found["train"]["optimizer_settings"] == {"alpha": 0.9, "eps": 1e-8}
    assert found["guarantee"] is None
    text = run("recommend", spec, "--emit", target).out
    assert "ALPHA = 0.9  # of RMSprop" in text
    compile(text, "program.py", "exec")
