"""What the report of a verification says about verdicts, times and f(W1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from verifications import CASE as ONE
from verifications import verification

from rsgadvise.ask.verify.cases import CaseResult
from rsgadvise.show.report.blocks import Grid, Sentences, Title
from rsgadvise.show.report.verification import case_line, verification_blocks

CASE = replace(ONE, name="s.yaml", constants="certified", runs=8, seconds=60.0)


def told(*cases: CaseResult) -> tuple[str, list[str], str]:
    """The headline's context, the verdicts of the table, and all sentences."""
    blocks = verification_blocks(replace(verification(*cases), seconds=31.0))
    title, verdicts = blocks[0], blocks[1]
    assert isinstance(title, Title)
    assert isinstance(verdicts, Grid)
    sentences = " ".join(item for block in blocks if isinstance(block, Sentences) for item in block.items)
    return title.context, [row[-1] for row in verdicts.rows], sentences


def test_approximate_cases_are_promised_nothing() -> None:
    rough = replace(CASE, name="t.yaml", verdict="inconclusive", approximate=True)
    context, verdicts, sentences = told(CASE, rough)
    assert verdicts == ["consistent", "approximate !"]
    assert "over all of them" in context
    assert "31.0 s elapsed" in context
    assert "work s: seconds of computing the runs took, summed over the processes" in sentences
    assert "All verdicts hold together with probability 0.99 at least" in sentences
    assert "no probability is promised" in sentences
    assert "--allow-approximate lets it be" in sentences
    assert case_line(rough) in sentences, "among what is not as expected"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "vacuous"),
        ({"verdict": "falsified"}, "falsified !"),
        ({"verdict": "inconclusive"}, "inconclusive !"),
        ({"checked": False}, "no bound"),
    ],
)
def test_a_vacuous_bound_is_called_so_in_the_table(changes: dict[str, Any], verdict: str) -> None:
    """Only where it counts as held: a falsified limit is worse than a vacuous one."""
    case = replace(CASE, vacuous=True, **changes)
    _, verdicts, sentences = told(case)
    assert verdicts == [verdict]
    assert "consistent without saying anything" in sentences
    assert case_line(case).endswith(f"8 runs: {verdict}")
