"""A verification with numbers chosen by hand, for tests of what is said of it."""

from __future__ import annotations

from rsgadvise.ask.verify.cases import CaseResult, Verdict, Verification

__all__ = ["CASE", "verification"]

CASE = CaseResult(
    name="one layer",
    constants="paper",
    bound=0.5,
    measured=0.25,
    lower=0.125,
    upper=0.375,
    approximate=False,
    runs=4000,
    verdict="consistent",
    expected="consistent",
    initial_loss=2.0,
    final_loss=1.0,
    looseness=2.0,
    seconds=1.5,
    vacuous=False,
    checked=True,
    quantity="squared_gradient",
    equation="Theorem III.1, equation (7)",
)


def verification(*cases: CaseResult, verdict: Verdict = "consistent") -> Verification:
    return Verification(
        cases=cases,
        verdict=verdict,
        confidence=0.99,
        seed=7,
        complete=True,
        interrupted=False,
        seconds=12.25,
    )
