"""`assert_not_worse`: a sign test whose errors are as rare as promised, whatever the losses are like."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

from benchmarks.testing import exact_sign, exact_sign_verdict, outcome_of
from rsgadvise.errors import UsageError
from rsgadvise.testing import assert_not_worse

not_worse = partial(outcome_of, assert_not_worse)


def zero(seed: int) -> float:
    return 0.0


def test_every_verdict_is_that_of_the_capitals_themselves() -> None:
    rng = np.random.default_rng(0)
    for q in (0.0, 0.2, 0.5, 0.8, 1.0):
        for _ in range(4):
            worse = (rng.random(200) < q).astype(float)
            found = not_worse(worse.__getitem__, zero, margin=0.5)
            said, fine, runs = 0, 0, 0
            while said == 0 and runs < 200:
                fine += int(worse[runs] == 0)
                runs += 1
                said = exact_sign_verdict(runs, fine, alpha=1e-3)
            assert (found.runs, found.successes) == (runs, fine)
            assert found.verdict == {1: "passed", -1: "failed", 0: "undecided"}[said]


@pytest.mark.parametrize("alpha", [1e-3, 0.05])
def test_errors_are_no_likelier_than_promised(alpha: float) -> None:
    """At the edge, where half of the seeds are worse, and beyond."""
    for q in (0.5, 0.7):
        assert exact_sign(q, alpha=alpha).passed <= alpha / 2
        assert exact_sign(1 - q, alpha=alpha).failed <= alpha / 2
    assert exact_sign(0.25, alpha=alpha).undecided < 0.0012


def test_it_is_about_the_median_and_so_about_nothing_of_the_tails() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_cauchy(400)
    assert not_worse(noise.__getitem__, zero, margin=1.5).verdict == "passed"
    assert not_worse((noise + 3).__getitem__, zero, margin=1.5).verdict == "failed"


def test_runs_are_paired_by_seed() -> None:
    """Seeds that matter far more than the margin drop out."""
    rng = np.random.default_rng(0)
    common = 100 * rng.standard_normal(200)

    def old(seed: int) -> float:
        return float(common[seed])

    assert assert_not_worse(lambda seed: old(seed) + 0.01, old, margin=0.02).runs == 12
    with pytest.raises(AssertionError):
        assert_not_worse(lambda seed: old(seed) + 0.03, old, margin=0.02)


def test_a_margin_is_not_exceeded_by_what_equals_it() -> None:
    assert not_worse(lambda seed: 0.5, zero, margin=0.5).verdict == "passed"
    assert not_worse(lambda seed: 0.5, zero, margin=math.nextafter(0.5, 0)).verdict == "failed"
    assert not_worse(zero, lambda seed: 0.5, margin=-0.25).verdict == "passed"
    assert not_worse(zero, lambda seed: 0.5, margin=-0.75).verdict == "failed"


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_run_without_a_finite_end_is_worse_than_any_with_one(broken: float) -> None:
    assert not_worse(lambda seed: broken, zero, margin=1e6).verdict == "failed"
    assert not_worse(zero, lambda seed: broken, margin=0).verdict == "passed"
    assert not_worse(lambda seed: broken, lambda seed: broken, margin=0).verdict == "passed"


def test_what_is_refuted_says_what_was_seen() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_not_worse(float, lambda seed: seed - 1.5 * (seed != 1), margin=1)
    first, listed, again = str(caught.value).split("\n")
    assert first.startswith(
        "refuted that new is worse than old by more than 1 in at most half of the seeds: it was in 20 of 21, "
    )
    assert first.endswith("error probability at most 0.001")
    assert listed.startswith("runs by new - old: 0 (seed 1), 1.5 (seed 0), ")
    assert again.startswith("went wrong: seeds 0, 2, 3, ")
    assert again.endswith("new(0) runs the first again")


def test_what_is_undecided_is_red_and_says_so() -> None:
    with pytest.raises(AssertionError, match="undecided whether new is worse") as caught:
        assert_not_worse(lambda seed: float(seed % 2), zero, margin=0.5, max_runs=30)
    assert "it was in 15 of 30, and is in " in str(caught.value)
    assert "max_runs is 30\na margin farther" in str(caught.value)


def test_what_is_nearly_decided_is_undecided() -> None:
    outcome = not_worse(lambda seed: float(seed % 5 < 2), zero, margin=0.5)
    assert (outcome.verdict, outcome.runs, outcome.successes) == ("undecided", 200, 120)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"margin": math.nan}, "margin must be a finite number; got nan"),
    ({"margin": math.inf}, "margin must be a finite number; got inf"),
    ({"alpha": 0.6}, "alpha must lie"),
    ({"max_runs": 11}, "max_runs must be at least 12 .* got 11"),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED)
def test_arguments_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        assert_not_worse(lambda seed: pytest.fail("trained"), zero, **{"margin": 0.1, **settings})


def test_what_is_no_number_names_who_returned_it() -> None:
    with pytest.raises(TypeError, match=r"old\(0\) returned NoneType"):
        assert_not_worse(zero, lambda seed: None, margin=0.1)
