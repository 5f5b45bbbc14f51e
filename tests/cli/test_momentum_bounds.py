"""Bounds of momentum: where there are some, where there are none, and what the refusals say to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run, strict

Config = Callable[[str], Path]
MOMENTUM = ("--set", "training.optimizer=momentum")
FIXED = (
    *("--set", "training.stepsize=0.0001"),
    *("--set", "training.batch_size=100"),
    *("--set", "training.iterations=50000"),
)


def test_bound_and_explain_are_about_momentum(run: Run, config: Config) -> None:
    single = config("mnist_single_layer")
    found = run.document("bound", single, *MOMENTUM, *FIXED)
    assert (found["constants"], found["proven"]) == ("certified", True)
    assert "momentum" in found["equation"]
    explained = run.document("explain", single, *MOMENTUM, *FIXED)
    assert explained["bound"] == found["bound"]
    assert all("β" in term["formula"] for term in explained["terms"])
    still = ("--set", "training.optimizer={name: momentum, beta: 0}")
    plain = run.document("bound", single, *FIXED, "--constants", "certified")
    assert run.document("bound", single, *still, *FIXED)["bound"] == plain["bound"]
    assert found["bound"] != plain["bound"]


def test_the_guarantee_names_the_momentum(run: Run, config: Config) -> None:
    certified = run.document("recommend", config("mnist_single_layer"), *MOMENTUM, "--constants", "certified")
    promise = certified["guarantee"]
    assert promise["proven"]
    assert "momentum 0.9 that begins at 0" in promise["statement"]
    assert promise["bound"] == certified["recommendations"][0]["bound"]
    typical = run.document("recommend", config("mnist_single_layer"), *MOMENTUM)
    assert typical["train"]["source"] == "typical"
    assert typical["guarantee"]["statement"] == promise["statement"]
    assert not any("No bound and no guarantee" in note for note in typical["notes"])


def test_iterations_plans_for_it(run: Run, config: Config) -> None:
    asked = ("iterations", config("mnist_single_layer"), "--eps", "0.1", "--delta", "0.1", "-f", "json")
    momentum, plain = (strict(run(*asked, *more, "--constants", "certified").out) for more in (MOMENTUM, ()))
    assert momentum["feasible"]
    assert momentum["iterations"] > plain["iterations"]


@pytest.mark.parametrize("command", ["bound", "explain", "iterations"])
def test_the_papers_constants_are_not(run: Run, config: Config, command: str) -> None:
    extra = ("--eps", "0.1", "--delta", "0.1") if command == "iterations" else FIXED
    asked = (command, config("mnist_single_layer"), *MOMENTUM, *extra)
    assert "must be sgd for the paper's constants; got momentum; use --constants certified" in run.refused(
        *asked, "--constants", "paper"
    )
    assert run(*asked, "--constants", "certified").code == 0


def test_other_schedules_boxes_and_optimisers_are_not(run: Run, config: Config) -> None:
    single = config("mnist_single_layer")
    late = ("bound", single, *MOMENTUM, *FIXED, "--set", "training.stopping=last")
    found = run.document(*late)
    assert found["bound"] is None
    assert "the theorem about momentum is for constant stepsizes and uniform R alone" in found["notes"][0]
    searched = ("--set", "search.decay=[0.5]", "--constants", "certified")
    assert "training.decay: must be 0 for a bound on momentum; got 0.5" in run.refused(
        "recommend", single, *MOMENTUM, *searched
    )
    assert "must be sgd for a bound" in run.refused("bound", config("mnist_multilayer"), *MOMENTUM, *FIXED)
    nesterov = ("--set", "training.optimizer=nesterov")
    assert "must be sgd for a bound" in run.refused("bound", single, *FIXED, *nesterov)
    assert "must be sgd here" in run.refused("design", single, *MOMENTUM, "--widths", "8", "--depth", "1")


def test_verify_trains_with_it(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "network: {kind: single_layer, layers: [6, 2]}\ndata: {mean: 0.3, mean_square: 0.12}\n"
        "training: {stepsize: 0.01, batch_size: 64, iterations: 300, optimizer: momentum}\n"
    )
    found = run.document("verify", spec, "--runs", "120")
    (case,) = found["cases"]
    assert (case["constants"], case["verdict"]) == ("certified", "consistent")
    assert case["measured"] < case["bound"]
    assert "momentum" in case["equation"]


@pytest.mark.usefixtures("advised_once")
@pytest.mark.parametrize("command", ["sweep", "compare"])
def test_what_has_bounds_of_sgd_alone_trains_with_it(run: Run, tmp_path: Path, command: str) -> None:
    """Where a bound is of SGD, momentum has none, and what is open is typical, not by its own theorem."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "network: {kind: single_layer, layers: [6, 2]}\ndata: {mean: 0.3, mean_square: 0.12, samples: 100}\n"
        "budget: {epochs: 3}\nsearch: {batch_size: [10]}\ntraining: {keep_prob: 1, optimizer: momentum}\n"
    )
    asked = (command, spec, *((spec,) if command == "compare" else ("--vary", "training.keep_prob=1")))
    told = run.refused(*asked)
    assert "training.optimizer: must be sgd here; got momentum" in told
    assert "; add --measure, which trains and needs no bound" in told
    found = run.document(*asked, "--measure", "--runs", "4", "--jobs", "1", "-q")
    row = found["points" if command == "sweep" else "specs"][0]
    typical = run.document("recommend", spec)["train"]
    assert row["stepsize"] == typical["stepsize"]
    assert row["certified_bound"] is None
    note = "No bound: those here are of SGD, and `rsgadvise bound` has that of momentum."
    assert any(note in each for each in row["notes"])


def test_what_verify_is_left_is_by_its_own_theorem(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "network: {kind: single_layer, layers: [6, 2]}\ndata: {mean: 0.3, mean_square: 0.12, samples: 200}\n"
        "budget: {epochs: 20}\nsearch: {batch_size: [10]}\ntraining: {optimizer: momentum}\n"
    )
    (case,) = run.document("verify", spec, "--runs", "8", "--jobs", "1", code=3)["cases"]
    ranked = run.document("recommend", spec, "--constants", "certified")["recommendations"]
    assert f"stepsize {ranked[0]['stepsize']:.4g}, batch size 10" in case["notes"][0]
    assert case["bound"] is not None
