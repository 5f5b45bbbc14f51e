"""`assert_gradient_bound` says what `rsgadvise verify` says, and is red wherever that is not consistent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, present

from benchmarks.testing import outcome_of
from rsgadvise.ask.verify import cases as casework
from rsgadvise.errors import DataError, SpecError, UsageError
from rsgadvise.spec import Spec
from rsgadvise.testing import assert_gradient_bound

gradient_bound = partial(outcome_of, assert_gradient_bound)

SPEC: dict[str, Any] = {
    "network": {"kind": "single_layer", "layers": [6, 2]},
    "data": {"mean": 0.3, "mean_square": 0.12},
    "training": {"stepsize": 0.4, "batch_size": 8, "iterations": 20},
}
TEXT = json.dumps(SPEC)
ONES = np.ones((1, 100)), np.full((1, 1), 0.5)
FALSE: dict[str, Any] = {
    "network": {"kind": "single_layer", "layers": [100, 1]},
    "training": {"stepsize": 0.24, "batch_size": 100, "iterations": 2000},
}
"""A setting in which the paper's bound is false: see `rsgadvise.ask.verify.suite`."""


def with_training(**values: Any) -> dict[str, Any]:
    return {**SPEC, "training": {**SPEC["training"], **values}}


def test_a_path_a_mapping_and_a_spec_pass_where_the_bound_holds(tmp_path: Path) -> None:
    path = tmp_path / "<spec>"  # the name decides what is drawn
    path.write_text(TEXT)
    found = [assert_gradient_bound(spec) for spec in (SPEC, Spec.model_validate(SPEC), path, str(path))]
    assert found[0].verdict == "passed"
    assert all(each == found[0] for each in found)


def test_it_says_what_verify_says(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x, y = np.random.default_rng(0).random((50, 6)), np.arange(50) % 2
    np.savez("rows.npz", x=x, y=y)
    spec = {**SPEC, "data": {"file": "rows.npz"}}
    Path("spec.yaml").write_text(json.dumps(spec))
    shown = run.document("verify", "spec.yaml", "--confidence", "0.999", "-q")
    outcome = assert_gradient_bound("spec.yaml")
    assert shown["verdict"] == "consistent"
    assert outcome.runs == max(case["runs"] for case in shown["cases"])
    for case, line in zip(shown["cases"], outcome.message.split("\n")[1:], strict=True):
        assert line.startswith(f"{case['constants']} constants: measured {case['measured']:.6g}, limits ")
    Path("spec.yaml").write_text(TEXT)
    assert assert_gradient_bound("spec.yaml", data=(x, y)) == outcome, "arrays are as good as a file"
    assert assert_gradient_bound("spec.yaml") != outcome


def test_a_false_bound_is_red_with_its_verdict() -> None:
    with pytest.raises(AssertionError, match="refuted that the bound holds") as caught:
        assert_gradient_bound(FALSE, data=ONES)
    lines = str(caught.value).split("\n")
    assert lines[1].startswith("paper constants: measured ")
    assert lines[1].endswith("verdict falsified, expected consistent")
    assert gradient_bound(FALSE, data=ONES, constants="certified").verdict == "undecided", "vacuous"


def test_a_fault_in_a_certified_bound_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    claim: Callable[..., casework.Claim] = casework._claim

    def smaller(*given: Any) -> casework.Claim:
        found = claim(*given)
        return replace(found, bound=present(found.bound) / 1000)

    monkeypatch.setattr(casework, "_claim", smaller)
    with pytest.raises(AssertionError, match=r"certified constants: .* verdict falsified"):
        assert_gradient_bound(SPEC, constants="certified")


def test_what_is_undecided_is_red() -> None:
    with pytest.raises(
        AssertionError, match="undecided whether the bound holds; more than max_runs=2 may decide"
    ):
        assert_gradient_bound(SPEC, max_runs=2)


def test_an_interrupt_ends_the_suite_and_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rsgadvise.ask.verify.running.run_block", interrupted)
    with pytest.raises(KeyboardInterrupt):
        assert_gradient_bound(SPEC)


def test_a_bound_that_nothing_could_break_is_red() -> None:
    with pytest.raises(AssertionError, match="nothing is tested: no gradient"):
        assert_gradient_bound(with_training(stepsize=1e-6))


def test_no_bound_is_red_and_says_why() -> None:
    with pytest.raises(AssertionError, match="there is no bound") as caught:
        assert_gradient_bound(with_training(stepsize=500.0), constants="paper")
    assert "No bound: " in str(caught.value)


def test_the_seed_and_alpha_are_those_of_verify() -> None:
    outcomes = [gradient_bound(SPEC, seed=seed) for seed in (0, 1)]
    assert outcomes[0].message != outcomes[1].message
    assert gradient_bound(SPEC, alpha=1e-9).runs > outcomes[0].runs


REFUSED: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    (SPEC, {"alpha": 0.5}, UsageError, "alpha must lie"),
    (
        SPEC,
        {"constants": "typical"},
        UsageError,
        "constants must be both, paper, certified or floorless; got 'typical'",
    ),
    (SPEC, {"seed": -1}, UsageError, "seed must be at least 0; got -1"),
    (SPEC, {"max_runs": 0}, UsageError, "max_runs must be at least 1; got 0"),
    (
        SPEC,
        {"data": (np.ones((3, 5)), np.ones((3, 2)))},
        DataError,
        "x must have one or more rows of 6 values",
    ),
    (with_training(optimizer="adam"), {}, SpecError, "training.optimizer: must be sgd"),
    (with_training(iterations=10**9), {}, SpecError, "training.iterations: must be at most"),
    ({}, {}, SpecError, "network"),
    ("nowhere.yaml", {}, SpecError, "nowhere"),
]


@pytest.mark.parametrize(("spec", "options", "kind", "message"), REFUSED)
def test_what_breaks_a_rule_is_one_line(
    spec: Any, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        assert_gradient_bound(spec, **options)
    assert "\n" not in str(caught.value)
