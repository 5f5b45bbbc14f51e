"""`network.bias: true`, in every command that has a network."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Run

NETWORKS = {
    "single": "{kind: single_layer, layers: [5, 3], bias: true}",
    "several": "{kind: multilayer, layers: [5, 6, 3], weight_bound: 1, bias: true}",
    "others": "{kind: multilayer, layers: [5, 6, 4, 3], weight_bound: [1, 0.5, 1], activation: gelu,"
    " loss: cross_entropy, bias: true}",
}
DATA = "{mean: 0.45, mean_square: 0.22, second_moment: 0.27, top_eigenvalue: 1.2, samples: 150}"
FIXED = "{stepsize: 0.01, batch_size: 20, iterations: 50, initial_loss: 1.1}"


@pytest.fixture(params=NETWORKS)
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """One with statistics."""
    path = tmp_path / "spec.yaml"
    path.write_text(f"network: {NETWORKS[request.param]}\ndata: {DATA}\n")
    return path


def test_recommend_ranks_by_certified_constants(spec: Path, run: Run) -> None:
    found = run.document("recommend", spec)
    assert found["constants"] == "certified"
    assert found["train"]["source"] == "typical"
    # Biases take more room, so that the same network without has the smaller bound.
    plain = run.document("recommend", spec, "--set", "network.bias=false", "--constants", "certified")
    ours, theirs = (each["recommendations"][0]["largest_gradient"] for each in (found, plain))
    assert ours > theirs


def test_a_guarantee_says_that_there_are_biases(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(f"network: {NETWORKS['several']}\ndata: {DATA}\ntraining: {{iterations: 2000}}\n")
    said = run.document("recommend", path)["guarantee"]["statement"]
    assert "a 5-6-3 network of sigmoid units with biases" in said
    assert "every weight and bias" in said
    assert "mean of their squared means of at most 0.22" in said


def test_the_papers_constants_are_refused_by_their_hypothesis(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(f"network: {NETWORKS['several']}\ndata: {DATA}\ntraining: {FIXED}\n")
    for command in ("bound", "recommend", "explain"):
        found = run.refused(command, path, "--constants", "paper")
        assert "network.bias: must be false" in found
        assert "use --constants certified" in found
        assert run(command, path, "--constants", "certified").code == 0


def test_verify_finds_the_certified_bound_consistent(spec: Path, run: Run) -> None:
    spec.write_text(f"{spec.read_text()}training: {FIXED}\n")
    (case,) = run.document("verify", spec, "--runs", "8")["cases"]
    assert case["constants"] == "certified"
    assert case["verdict"] == "consistent"


def test_data_are_raced_and_what_is_emitted_compiles(spec: Path, run: Run) -> None:
    network, file = spec.read_text().splitlines()[0], Path("configs/seedlings.csv").resolve()
    spec.write_text(f"{network}\ndata: {{file: {file}, target: variety}}\n")
    found = run.document("recommend", spec, "--work", "2e9")
    assert found["train"]["source"] == "raced"
    assert found["train"]["loss"] < 0.8 * found["train"]["constant_loss"]
    for library in ("torch", "keras", "sklearn", "optuna"):
        text = run("recommend", spec, "--work", "2e6", "--emit", library).out
        compile(text, library, "exec")
        assert "with biases" in text


def test_explain_and_design_count_them(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(f"network: {NETWORKS['several']}\ndata: {DATA}\n")
    (network, *_) = run.document("explain", path)["assumptions"]
    assert network["text"].endswith(", biases")
    (row,) = run.document("design", path, "--widths", "6", "--depth", "1")["architectures"]
    assert row["weights"] == (5 + 1) * 6 + (6 + 1) * 3


def test_an_autoencoder_has_none(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("network: {kind: autoencoder, layers: [5, 3], bias: true}\n")
    assert "network.bias: must be false for kind autoencoder" in run.refused("recommend", path)
    assert run("recommend", path, "--set", "network.bias=false").code == 0
