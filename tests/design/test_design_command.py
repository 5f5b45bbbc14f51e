"""`rsgadvise design`: formats, exit codes, one-line errors, and what a terminal shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, strict

from rsgadvise.ask.design import Design, designing, ranking
from rsgadvise.spec import Spec

Config = Callable[[str], Path]
RANGE = ("--widths", "16:64", "--depth", "1:2")
ARCHITECTURE = {
    *("rank", "layers", "weights", "depth", "stepsize", "batch_size", "iterations", "keep_prob", "bound"),
    *("certified_bound", "vacuous", "samples", "work", "seconds", "ratio"),
}


@pytest.fixture(scope="module", autouse=True)
def _designed_once() -> Iterator[None]:
    """One answer to one question: these tests are about what is written of it, in several ways.

    Much of an answer's time goes to networks beyond those shown, which are solved in case that they are
    better than they seem.
    """
    known: dict[Any, Design] = {}

    def once(spec: Spec, *, progress: Any, **asked: Any) -> Design:
        key = (spec.model_dump_json(), *sorted(asked.items()))
        if key not in known:
            with pytest.MonkeyPatch.context() as quick:
                quick.setattr(ranking, "MARGIN", 0)
                known[key] = designing.design(spec, progress=progress, **asked)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rsgadvise.ask.design.design", once)
        yield


def test_the_document_has_the_keys_that_scripts_rely_on(run: Run, config: Config) -> None:
    options = ("--top", "4", "--pipeline", "spec", "--format", "json")
    done = run("design", config("mnist_design"), *RANGE, *options)
    assert done.code == 0
    assert done.err == ""
    found = strict(done.out)
    assert found["schema"] == "rsgadvise.design/1"
    assert found["searched"] == 12
    assert all(set(row) >= ARCHITECTURE for row in found["architectures"])
    assert [row["rank"] for row in found["architectures"]] == [1, 2, 3, 4]
    planned = found["pipeline"]
    assert planned["layers"] == [784, 64, 32, 10]
    assert planned["cheapest"] in {option["name"] for option in planned["options"]}
    for option in planned["options"]:
        assert set(option) >= {"name", "alpha", "pretraining", "fine_tuning", "samples", "work"}
        for layer in option["pretraining"]:
            assert set(layer) >= {"layer", "iterations", "samples"}
    assert planned["assumed"]
    assert found["spec"]["network"]["layers"] == [784, 64, 32, 10]
    assert found["assumed"]


def test_an_infeasible_target_names_the_least_eps_and_exits_with_1(run: Run, config: Config) -> None:
    small = ("--set", "search.batch_size=[16, 256]")
    done = run("design", config("mnist_design"), *RANGE, *small, "-f", "json")
    assert done.code == 1
    least = strict(done.out)["infeasible"]["least_eps"]
    assert "least reachable" in strict(done.out)["infeasible"]["reason"]
    enough = ("--set", f"target.eps={least * 1.0001}", "--pipeline", "none")
    again = run("design", config("mnist_design"), *RANGE, *small, *enough)
    assert again.code == 0
    assert run("design", config("mnist_design"), *RANGE, *small).out.count("least reachable") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--widths", "64:16", "--depth", "1"), "swap the two"),
        (("--widths", "16", "--depth", "99"), "--depth must lie from 0 to 16"),
        (("--widths", "1:10000:lin9000", "--depth", "2"), "at most 5,000,000 architectures"),
        ((*RANGE, "--parameters", "100"), "the smallest has 12,704 weights"),
        ((*RANGE, "--by", "seconds"), "set cost.per_iteration"),
        (
            (*RANGE, "--set", "network.weight_bound=[0.1, 0.2, 0.1]"),
            "network.weight_bound: must be one number",
        ),
        ((*RANGE, "--set", "network.weight_bound=1000000"), "network.weight_bound"),
        (("--depth", "1"), "--widths"),
    ],
)
def test_mistakes_are_one_line_on_stderr(
    run: Run, config: Config, arguments: tuple[str, ...], words: str
) -> None:
    if "1000000" in arguments[-1]:
        arguments = (*arguments[:1], "1000000", "--depth", "16", *arguments[4:], "--top", "1")
    assert words in run.refused("design", config("mnist_design"), *arguments)


def test_vacuous_bounds_are_called_so(run: Run, config: Config) -> None:
    loose = ("--set", "target.eps=1000", "--pipeline", "none", "--constants", "certified")
    found = run.document("design", config("mnist_design"), *RANGE, *loose)
    assert all(row["vacuous"] for row in found["architectures"])
    assert found["notes"][0].startswith("Every network's bound is vacuous here")
    table = run("design", config("mnist_design"), *RANGE, *loose).out
    assert table.count("the order says nothing") == 1
    assert table.index("the order says") < table.index("hidden layers")
    assert any("smallest length allowed" in note for note in found["notes"])


NETWORKS = ("--widths", "16:256", "--depth", "0:2", "--parameters", "100000")
BEST = (*NETWORKS, "--top", "3")


@pytest.mark.parametrize(
    "goal", [[], ["--set", "target=", "--set", "budget.epochs=50"], ["--constants", "certified"]]
)
def test_one_network_has_one_plan(run: Run, config: Config, goal: list[str]) -> None:
    """The pipeline's training from scratch is the one that the network was ranked by."""
    found = run.document("design", config("mnist_design"), *BEST, *goal)
    row = next(row for row in found["architectures"] if row["depth"])
    assert found["pipeline"]["layers"] == row["layers"]
    [plan] = [mix for mix in found["pipeline"]["options"] if mix["name"] == "dropout from scratch"]
    for key in (
        "batch_size",
        "iterations",
        "runs",
        "keep_prob",
        "stepsize",
        "bound",
        "certified_bound",
        "work",
    ):
        assert plan["fine_tuning"][key] == row[key], key
    assert plan["samples"] == row["total_samples"]


def test_a_plan_that_costs_more_is_not_kept(run: Run, config: Config) -> None:
    """Ranked by iterations, which large batches save, a network's own plan is no cheapest way to train it."""
    found = run.document("design", config("mnist_design"), *BEST, "--by", "iterations")
    row = next(row for row in found["architectures"] if row["layers"] == found["pipeline"]["layers"])
    tuning = found["pipeline"]["options"][0]["fine_tuning"]
    assert tuning["work"] < 0.9 * row["work"]
    assert tuning["iterations"] > row["iterations"]


def test_the_headline_names_what_every_network_rests_on(run: Run, config: Config) -> None:
    def headline(depth: str) -> str:
        options = ("--widths", "16,32", "--depth", depth, "--pipeline", "none")
        return " ".join(run("design", config("mnist_design"), *options).out.split("\n\n")[0].split())

    both = (
        "solved for N: Theorem III.1, equation (7), without hidden layers, and Corollary VI.1, equation "
        "(13), with them;"
    )
    assert both in headline("0:1")
    assert "solved for N: Theorem III.1, equation (7); fewest" in headline("0")
    assert "solved for N: Corollary VI.1, equation (13); fewest" in headline("1")


def test_the_report_names_its_plan_in_words(run: Run, config: Config) -> None:
    shown = run("design", config("mnist_design"), *BEST).out
    assert "Stages: from scratch, 6 runs of each stage" in shown
    assert "dropout from scratch" not in shown  # nothing is dropped
    stages = shown.split("Stages: ")[1].splitlines()
    assert "alpha" not in stages[2].split()
    assert " 14.81 v " in stages[4]
    assert "- v: vacuous, no better than the largest squared gradient possible." in shown
    assert "just below 1" in shown
    assert "1- " not in shown
    one = ("--widths", "16", "--depth", "1")
    kept = run("design", config("mnist_design"), *one, "--set", "search.keep_prob=0.5").out
    assert "dropout from" in kept.split("Training of")[1]
    deep = run("design", config("mnist_design"), *one, "--pipeline", "none").out
    assert "14.81 (vacuous)" in deep.split("Rank 1")[1]
