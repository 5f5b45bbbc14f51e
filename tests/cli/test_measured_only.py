"""Networks of which nothing can be proven: every command says why, and what is measured is advised."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from conftest import Run

KINK = "which has a kink, so no curvature bound exists"
SLOPE = "which has no bounded slope without a box, so no variance bound exists"
NETWORKS = {
    "relu": ("{kind: multilayer, layers: [5, 6, 3], weight_bound: 1, activation: relu}", KINK),
    "one of several": (
        "{kind: multilayer, layers: [5, 6, 4, 3], weight_bound: 1, activation: [gelu, leaky_relu]}",
        KINK,
    ),
    "tied": ("{kind: autoencoder, layers: [5, 3], weight_bound: 1, activation: leaky_relu}", KINK),
    "linear": ("{kind: single_layer, layers: [5, 3], loss: squared_linear}", SLOPE),
}
DATA = "{mean: 0.45, mean_square: 0.22, second_moment: 0.27, top_eigenvalue: 1.2, samples: 150}"
FIXED = "{stepsize: 0.01, batch_size: 20, iterations: 50, initial_loss: 1.1}"


@pytest.fixture(params=NETWORKS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A spec, and why nothing is proven of it."""
    network, why = NETWORKS[request.param]
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"network: {network}\ndata: {DATA}\n")
    return spec, why


def test_statistics_alone_give_typical_advice_and_no_guarantee(case: tuple[Path, str], run: Run) -> None:
    spec, why = case
    found = run.document("recommend", spec)
    assert found["constants"] == found["train"]["source"] == "typical"
    assert found["guarantee"] is None
    assert not any(row["proven"] for row in found["recommendations"])
    (said,) = [note for note in found["notes"] if note.startswith("No guarantee: ")]
    assert why.removeprefix("which ") in said
    shown = run.words("recommend", spec)
    assert said in shown
    assert "promise" not in shown.replace("nothing here is promised", "")
    assert "The spec fixes" not in shown


def test_a_target_has_no_plan(case: tuple[Path, str], run: Run) -> None:
    """Neither where typical constants would have one."""
    spec, why = case
    spec.write_text(f"{spec.read_text()}target: {{eps: 1, delta: 0.1}}\n")
    found = run("recommend", spec, "-f", "json")
    advice = json.loads(found.out)
    assert found.code == 1
    assert why.removeprefix("which ") in advice["infeasible"]["reason"]
    assert not advice["recommendations"]
    assert advice["train"]["source"] == "typical"


def test_the_papers_theorem_gives_no_fix_that_fails_too(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"network: {NETWORKS['relu'][0]}\ndata: {DATA}\ntraining: {FIXED}\n")
    found = run.refused("recommend", spec, "--constants", "paper")
    assert "must be sigmoid" in found
    assert "--constants certified" not in found


def test_a_box_makes_linear_outputs_certain(run: Run, tmp_path: Path) -> None:
    """As the error says."""
    spec = tmp_path / "spec.yaml"
    text = (
        NETWORKS["linear"][0].replace("single_layer", "multilayer").replace("loss", "weight_bound: 1, loss")
    )
    spec.write_text(f"network: {text}\ndata: {DATA}\ntraining: {FIXED}\n")
    found = run.document("bound", spec)
    assert found["constants"] == "certified"
    assert found["bound"] > 0


def test_data_are_raced(case: tuple[Path, str], run: Run) -> None:
    spec, _ = case
    file = Path("configs/seedlings.csv").resolve()
    rest = "exclude: variety" if "autoencoder" in spec.read_text() else "target: variety"
    network = spec.read_text().splitlines()[0]
    spec.write_text(f"{network}\ndata: {{file: {file}, {rest}}}\n")
    found = run.document("recommend", spec, "--work", "2e8")
    assert found["train"]["source"] == "raced"
    assert found["train"]["loss"] < 0.8 * found["train"]["constant_loss"]
    assert found["guarantee"] is None
    assert any(note.startswith("No guarantee: ") for note in found["notes"])
    text = run("recommend", spec, "--work", "2e6", "--emit", "torch").out
    compile(text, "torch", "exec")


def test_what_can_be_compared_and_swept_says_that_there_is_no_bound(case: tuple[Path, str], run: Run) -> None:
    spec, why = case
    spec.write_text(f"{spec.read_text()}training: {FIXED}\n")
    compared, swept = ("compare", spec, spec), ("sweep", spec, "--vary", "training.stepsize=0.1:1:2")
    for asked in (compared, swept):
        assert f"{why}; add --measure" in run.refused(*asked)
        found = run(*asked, "--measure", "--runs", "4", "--jobs", "1")
        assert found.code == 0
        assert f"has{why.removeprefix('which has')}." in " ".join(found.out.split())


@pytest.mark.parametrize("units", ["relu", "[gelu, leaky_relu]"])
def test_a_kink_rounded_off_is_certain_and_said_to_be_another_network(
    units: str, run: Run, tmp_path: Path
) -> None:
    """By the very --set that the error names; the gap is that of hand-made sums."""
    spec = tmp_path / "spec.yaml"
    layers, boxes = ([5, 6, 3], [0.5, 0.2]) if units == "relu" else ([5, 6, 4, 3], [0.5, 0.2, 0.1])
    network = f"kind: multilayer, layers: {layers}, weight_bound: {boxes}, activation: {units}"
    spec.write_text(f"network: {{{network}, loss: cross_entropy}}\ndata: {DATA}\ntraining: {FIXED}\n")
    refused = run.refused("bound", spec)
    change = refused.strip().rpartition("add --set ")[2]
    apart = math.log(2) / 10 if units == "relu" else 0.99 * math.log(2) / 10
    gap = math.sqrt(2) * apart * math.sqrt(layers[-2]) * boxes[-1] * math.sqrt(layers[-2] * layers[-1])
    found = run.document("bound", spec, "--set", change)
    assert found["bound"] == found["certified_bound"] > 0
    (said,) = [
        note for note in found["notes"] if note.startswith("The bound is of the smooth units, not of ")
    ]
    word = said.partition("at most ")[2].split()[0]
    assert gap <= float(word) <= 1.01 * gap
    free = [f"--set=training.{key}=null" for key in ("stepsize", "batch_size", "iterations")]
    advised = run("recommend", spec, "--set", change, *free, "--constants", "certified", "-f", "json")
    kinked = "ReLU" if units == "relu" else "leaky ReLU"
    statement = json.loads(advised.out)["guarantee"]["statement"]
    assert (
        f"smooth {kinked} (softplus, beta 10) units without biases, whose loss is within {word} of"
        in statement
    )
    verified = run("verify", spec, "--set", change, "--constants", "certified", "--runs", "20", "-f", "json")
    assert [case["verdict"] for case in json.loads(verified.out)["cases"]] == ["consistent"]


def test_two_obstacles_are_told_apart(case: tuple[Path, str], run: Run) -> None:
    said = run.refused("bound", case[0], "--set", "training.optimizer=adam")
    assert "got adam, which no theorem is about, and " in said
    assert case[1] in said.partition(", and ")[2]
