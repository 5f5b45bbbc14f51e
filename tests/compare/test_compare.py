"""Comparisons against `recommend` on each spec, and the measured part against other statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, present, strict

from rsgadvise.ask.compare import Comparison, Verdict
from rsgadvise.ask.compare_measured import with_measurements
from rsgadvise.ask.verify.cases import CaseResult, Verification

Config = Callable[[str], Path]
NAMES = ["mnist_single_layer", "mnist_autoencoder", "mnist_multilayer"]
SMALL = """\
network: {{kind: single_layer, layers: [10, {outputs}]}}
data: {{mean: 0.3, mean_square: 0.12, samples: 200}}
training: {{batch_size: 8}}
budget: {{epochs: {epochs}}}
"""


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, *, outputs: int = 2, epochs: int = 20, extra: str = "") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(SMALL.format(outputs=outputs, epochs=epochs) + extra)
        return path

    return write


def first(run: Run, path: Path, *arguments: str) -> dict[str, Any] | None:
    rows = run.document("recommend", path, *arguments)["recommendations"]
    found: dict[str, Any] | None = rows[0] if rows else None
    return found


@pytest.mark.parametrize("constants", ["paper", "certified"])
def test_equal_samples_against_recommend(run: Run, config: Config, constants: str) -> None:
    paths = {f"{name}.yaml": config(name) for name in NAMES}
    result = run("compare", *paths.values(), "-f", "json", "--constants", constants)
    document = strict(result.out)
    assert (result.code, result.err, document["schema"]) == (0, "", "rsgadvise.compare/1")
    own = [first(run, path, "--constants", constants) for path in paths.values()]
    common = min(row["samples"] for row in own if row is not None)
    assert document["common_samples"] == common
    limit = ("--set", f"budget.samples={common}")
    promised: dict[str, dict[str, float]] = {"paper": {}, "certified": {}}
    for row in document["specs"]:
        path = paths[row["name"]]
        for each, values in promised.items():
            best = present(first(run, path, "--constants", each, *limit))
            value = best["certified_bound" if each == "certified" else "bound"]
            assert row[each]["value"] == pytest.approx(value, rel=1e-12)
            values[row["name"]] = value
            if each == constants:
                for key in ("bound", "certified_bound", "batch_size", "iterations", "stepsize", "proven"):
                    assert row[key] == best[key]
        assert row["samples"] <= common
    for each, values in promised.items():
        order = sorted(values, key=lambda name: values[name])
        assert document["verdict"][each] == order[0]
        for row in document["specs"]:
            assert row[each]["rank"] == order.index(row["name"]) + 1
            assert row[each]["ratio"] == pytest.approx(values[row["name"]] / values[order[0]])
    assert [row["rank"] for row in document["specs"]] == [1, 2, 3]
    assert document["verdict"]["agree"] == (document["verdict"]["paper"] == document["verdict"]["certified"])
    assert "does not prove that training is faster" in document["verdict"]["text"]
    assert any("different objectives" in note for note in document["notes"])


def test_the_same_target_is_compared_by_cost(run: Run, config: Config) -> None:
    target = ["--set", "target.eps=0.5", "--set", "target.delta=0.1", "--set", "budget=null"]
    pair = [config("mnist_single_layer"), config("mnist_multilayer")]
    for extra, by, key in (
        ([], "samples", "total_samples"),
        (["--set", "cost.per_iteration=1e-3", "--set", "cost.per_sample=1e-6"], "seconds", "seconds"),
    ):
        document = run.document("compare", *pair, *target, *extra)
        assert (document["compared_by"], document["common_samples"]) == (by, None)
        for row in document["specs"]:
            for constants in ("paper", "certified"):
                best = first(run, config(row["name"].removesuffix(".yaml")), *target, *extra,
                             "--constants", constants)  # fmt: skip
                assert row[constants]["value"] == (None if best is None else best[key])
        ranked = [row["paper"]["value"] for row in document["specs"]]
        assert ranked == sorted(ranked)
    nothing = run("compare", *pair, "-f", "json", *target, "--set", "target.eps=1e-9")
    assert nothing.code == 1
    assert [row["rank"] for row in strict(nothing.out)["specs"]] == [None, None]


def test_exact_ratios(run: Run, small: Callable[..., Path]) -> None:
    """Twice the outputs, with the largest loss assumed, are exactly twice (7); the same spec is no better."""
    one, two = small("one.yaml"), small("two.yaml", outputs=4)
    document = run.document("compare", two, one)
    assert [row["name"] for row in document["specs"]] == ["one.yaml", "two.yaml"]
    assert [row["ratio"] for row in document["specs"]] == pytest.approx([1, 2])
    same = run.document("compare", one, one)
    assert [row["name"] for row in same["specs"]] == [str(one), f"{one} #2"]
    assert [row["rank"] for row in same["specs"]] == [1, 1]
    assert (same["verdict"]["paper"], same["verdict"]["certified"], same["verdict"]["agree"]) == (None,) * 3
    assert "the same guarantee" in same["verdict"]["text"]


def test_what_is_fixed_stays_and_is_said(run: Run, small: Callable[..., Path]) -> None:
    free = small("free.yaml", epochs=2)
    fixed = small("fixed.yaml", extra="")
    document = run.document("compare", free, small("x.yaml", epochs=50), "--set", "training.iterations=40")
    assert {row["samples"] for row in document["specs"]} == {320}
    fixed.write_text(fixed.read_text().replace("batch_size: 8", "batch_size: 8, iterations: 500"))
    document = run.document("compare", free, fixed)
    assert document["common_samples"] == 400
    rows = {row["name"]: row for row in document["specs"]}
    assert (rows["fixed.yaml"]["samples"], rows["fixed.yaml"]["equal_resources"]) == (4000, False)
    assert rows["free.yaml"]["equal_resources"]
    caveat = "not at equal samples, since what is fixed stays: fixed.yaml takes 4,000, where at most 400"
    assert caveat in document["verdict"]["text"]
    shown = run.words("compare", free, fixed)
    assert "bound at unequal samples, 400 to 4,000" in shown
    assert "equal samples, at most" not in shown
    alike = run("compare", free, small("y.yaml", epochs=50))
    assert "bound at equal samples, at most 400" in " ".join(alike.out.split())
    assert "not at equal samples" not in alike.out


def test_names_and_standard_input(run: Run, small: Callable[..., Path]) -> None:
    here, there = small("a/x.yaml"), small("b/x.yaml", outputs=3)
    document = run.document("compare", here, there)
    assert [row["name"] for row in document["specs"]] == [str(here), str(there)]
    text = SMALL.format(outputs=5, epochs=20)
    document = run.document("compare", here, "-", stdin=text)
    assert [row["name"] for row in document["specs"]] == ["x.yaml", "<stdin>"]


def test_a_vacuous_guarantee_is_none(run: Run, small: Callable[..., Path]) -> None:
    short = ["--set", "budget.samples=8"]
    document = run.document("compare", small("a.yaml"), small("b.yaml", outputs=3), *short)
    assert all(row["paper"]["vacuous"] and row["certified"]["vacuous"] for row in document["specs"])
    other = run.document("compare", small("a.yaml"), small("b.yaml"), *short, "--constants", "certified")
    for row in other["specs"]:
        assert row["bound"] == row["largest_gradient"] == row["certified"]["value"]
    verdict = document["verdict"]
    assert (verdict["paper"], verdict["certified"], verdict["agree"], verdict["proven"]) == (
        None,
        None,
        None,
        False,
    )
    assert "every bound is vacuous" in verdict["text"]


def test_a_stepsize_outside_one_range_leaves_the_other(run: Run, small: Callable[..., Path]) -> None:
    pair = small("a.yaml"), small("b.yaml", outputs=3)
    document = run.document("compare", *pair, "--set", "training.stepsize=1.3", code=1)
    assert all(row["paper"]["value"] is None for row in document["specs"])
    assert all(row["certified"]["value"] is not None for row in document["specs"])
    assert any("lies outside (0, 1.23077)" in note for row in document["specs"] for note in row["notes"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument"),
        (["A"], "two or more specs; got 1"),
        (["-", "-"], "can be read once"),
        (["A", "missing.yaml"], "missing.yaml: must exist"),  # the second too
        (["A", "A", "--measure", "--confidence", "1"], "--confidence must be"),
        (["A", "A", "--measure", "--budget", "0"], "--budget must be"),
        (
            ["A", "A", "--runs", "8"],
            "--runs is about training; got no --measure; add it, or leave --runs out",
        ),
        (["A", "A", "--seed", "0"], "--seed is about training"),
        (["A", "A", "--confidence", "0.9"], "--confidence is about training"),
        (["A", "A", "--jobs", "1"], "--jobs is about training"),
        (["A", "A", "--budget", "9"], "--budget is about training"),
        (["A", "T"], ""),
        (["T", "U"], "targets must be the same"),
    ],
)
def test_bad_usage_is_one_line(
    run: Run, small: Callable[..., Path], arguments: list[str], message: str
) -> None:
    files = {
        "A": small("a.yaml"),
        "T": small("t.yaml", extra="target: {eps: 0.5, delta: 0.1}\n"),
        "U": small("u.yaml", extra="target: {eps: 0.4, delta: 0.1}\n"),
    }
    result = run("compare", *(files.get(each, each) for each in arguments))
    if not message:
        assert result.code == 0
        assert "left aside" in " ".join(result.out.split())
        return
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith("error: ")
    assert message in result.err


def test_measured_gradients(run: Run, small: Callable[..., Path]) -> None:
    """A run of one epoch against one of fifty: longer training ends at the smaller gradient, by far."""
    pair = [small("short.yaml", outputs=1, epochs=1), small("other.yaml", outputs=3, epochs=1)]
    arguments = ["--measure", "--jobs", "1", "--runs", "16", "-f", "json"]
    result = run("compare", *pair, *arguments)
    assert (result.code, result.err) == (0, "")
    document = strict(result.out)
    assert document == strict(run("compare", *pair, *arguments).out)
    for row in document["specs"]:
        found = row["measured"]
        assert found["runs"] == 16
        assert found["lower"] <= found["mean"] <= found["upper"] <= row["largest_gradient"] * (1 + 1e-9)
        assert found["standard_error"] > 0
        assert found["mean"] < row["certified_bound"]
    measured = document["verdict"]["measured"]
    means = {row["name"]: row["measured"]["mean"] for row in document["specs"]}
    assert measured["smallest"] == min(means, key=lambda name: means[name]) == "short.yaml"
    assert measured["significant"]
    result = run("compare", pair[0], pair[0], *arguments)
    same = strict(result.out)["verdict"]["measured"]
    assert (result.code, same["smallest"], same["significant"]) == (0, None, False)
    assert same["text"] == f"Measured, {pair[0]} and {pair[0]} #2 are the same: {means['short.yaml']:.4g}."
    three = strict(run("compare", *pair, pair[0], *arguments).out)["verdict"]["measured"]
    assert three["text"].endswith(", the smallest.")


def test_a_budget_that_measures_nothing_is_inconclusive(run: Run, small: Callable[..., Path]) -> None:
    long = ["--set", "training.iterations=500000", "--set", "budget=null"]
    measure = ["--measure", "--budget", "0.2", "--jobs", "1", "-f", "json"]
    result = run("compare", small("a.yaml"), small("b.yaml", outputs=3), *long, *measure)
    assert result.code == 3
    document = strict(result.out)
    assert document["verdict"]["measured"]["smallest"] is None
    assert any("budget of 0.2 seconds" in note for note in document["notes"])


@pytest.mark.parametrize(("shift", "spreads", "starts"), [(0.3, (0.3, 0.1), 8), (2.5, (0.1, 0.9), 3)])
def test_welch_against_scipy(shift: float, spreads: tuple[float, float], starts: int) -> None:
    """Where limits overlap, a difference counts once the confidence leaves room for its p-values."""
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(0)
    around = [spread * rng.permutation(np.linspace(-1, 1, starts) ** 3) for spread in spreads]
    values = [around[0] + 1.0, around[1] + 1.0 + shift]
    p = ttest_ind(*values, equal_var=False, alternative="less").pvalue
    plain = Comparison((), "paper", "bound", None, Verdict("", None, None, None, proven=False), ())
    plain_case = CaseResult(
        *("a", "paper", None, None, 0.0, 9.0, False, 4, "inconclusive", "consistent", 1.0, 1.0, None, 0.1),
        *(False, False, "squared_gradient", ""),
    )
    for (share, decided), others in product(((0.99, False), (1.01, True)), (1, 2)):
        every = (values[0], *[values[1]] * others)
        cases = tuple(replace(plain_case, measured=float(value)) for each in every for value in each)
        confidence = 1 - others * share * p
        found = with_measurements(
            plain,
            tuple("abc"[: len(every)]),
            Verification(cases, "consistent", confidence, 0, True, False, 1.0),
        )
        verdict = present(found.verdict.measured)
        assert (verdict.smallest, verdict.significant, verdict.approximate) == ("a", decided, decided)


def test_what_was_assumed_is_named_with_the_specs_that_lack_it(run: Run, tmp_path: Path) -> None:
    for name, box in (("a", ""), ("b", ", weight_bound: 0.5")):
        (tmp_path / f"{name}.yaml").write_text(
            f"network: {{kind: multilayer, layers: [6, 3, 2]{box}}}\ndata: {{mean: 0.3, mean_square: 0.12}}\n"
            "training: {batch_size: 8, iterations: 50}\n"
        )
    both = (tmp_path / "a.yaml", tmp_path / "b.yaml")
    rows = {Path(row["name"]).name: row for row in run.document("compare", *both)["specs"]}
    keys = {name: [item["key"] for item in row["assumed"]] for name, row in rows.items()}
    assert "network.weight_bound" in keys["a.yaml"]
    assert "network.weight_bound" not in keys["b.yaml"]
    text = " ".join(run("compare", *both).out.split("Assumed")[1].split())
    assert "a.yaml: network.weight_bound = 5" in text
    assert "- training.initial_loss = 2" in text


def test_only_an_initial_loss_that_some_specs_lack_favours_those_that_give_it(
    run: Run, small: Callable[..., Path]
) -> None:
    path = small("a.yaml")
    given = [path.with_name(f"{loss}.yaml") for loss in (0.5, 0.25)]
    for target in given:
        target.write_text(path.read_text().replace("8}", f"8, initial_loss: {target.stem}}}"))
    for others, partly in (([given[1]], False), ([path], True), ([given[1], path], True)):
        notes = run.document("compare", given[0], *others)["notes"]
        assert any("f(W1) is given in some specs" in note for note in notes) == partly
