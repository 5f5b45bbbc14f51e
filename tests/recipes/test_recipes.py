"""A unit and a loss are one file each: put beside the others they pass through every command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ASK = f"""
from rsgadvise.theory import heads, units
units.__path__.append({str(HERE / "units")!r})
heads.__path__.append({str(HERE / "heads")!r})
from rsgadvise.cli import main
main()
"""
NETWORKS = {
    "unit": "{kind: multilayer, layers: [4, 6, 5, 3], weight_bound: 1, activation: softsign}",
    "units": "{kind: multilayer, layers: [4, 6, 5, 3], weight_bound: 1, activation: [softsign, sigmoid]}",
    "tied": "{kind: autoencoder, layers: [4, 3], weight_bound: 1, activation: softsign}",
    "loss": "{kind: single_layer, layers: [4, 3], loss: huber}",
    "both": "{kind: multilayer, layers: [4, 6, 3], weight_bound: 1, activation: softsign, loss: huber}",
}
DATA = "{mean: 0.45, mean_square: 0.22, second_moment: 0.27, top_eigenvalue: 0.95, samples: 150}"
FIXED = "{stepsize: 0.01, batch_size: 20, iterations: 50, initial_loss: 1.1}"


def ask(*words: str) -> str:
    """What a command prints where the two files are part of the package."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ASK, *words], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> str:
    """The network section of a spec."""
    return NETWORKS[request.param]


def test_recommend_ranks_by_certified_constants(network: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"network: {network}\ndata: {DATA}\n")
    found = json.loads(ask("recommend", str(spec), "-f", "json"))
    assert found["constants"] == "certified"
    assert found["train"]["source"] == "typical"


def test_bound_and_explain_speak_of_certified_constants(network: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"network: {network}\ndata: {DATA}\ntraining: {FIXED}\n")
    found = json.loads(ask("bound", str(spec), "-f", "json"))
    assert found["constants"] == "certified"
    assert 0 < found["bound"] <= found["largest_gradient"]
    assert "certified constants" in ask("explain", str(spec))


def test_the_papers_constants_are_refused_by_their_hypothesis(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"network: {NETWORKS['both']}\ndata: {DATA}\ntraining: {FIXED}\n")
    for command in ("recommend", "bound", "explain", "iterations"):
        extra = ["--eps", "0.1", "--delta", "0.1"] if command == "iterations" else []
        done = subprocess.run(
            [sys.executable, "-c", ASK, command, str(spec), "--constants", "paper", *extra],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2
        assert "network.activation" in done.stderr
        assert "--constants certified" in done.stderr


def test_data_are_raced_and_what_is_emitted_learns(network: str, tmp_path: Path) -> None:
    """The program is plain numpy with scikit-learn's clothes; without these its text is only compiled."""
    spec = tmp_path / "spec.yaml"
    tied = "autoencoder" in network
    target = "" if tied else ", target: variety, exclude: []"
    spec.write_text(
        f"network: {network}\ndata: {{file: {Path('configs/seedlings.csv').resolve()}{target}}}\n"
    )
    found = json.loads(ask("recommend", str(spec), "--work", "2e6", "-f", "json"))
    assert found["train"]["source"] in {"raced", "calibrated"}
    for library in ("sklearn", "torch", "keras", "optuna"):
        text = ask("recommend", str(spec), "--constants", "certified", "--emit", library)
        compile(text, library, "exec")
        assert ("softsign" in text.lower()) == ("softsign" in network)
