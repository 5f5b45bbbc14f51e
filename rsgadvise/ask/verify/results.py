"""What a verification returns: plain frozen records that a report renders without computing."""

from __future__ import annotations

from typing import Literal

from rsgadvise.records import dataclass
from rsgadvise.theory import ConstantsName

Verdict = Literal["consistent", "falsified", "inconclusive"]
Quantity = Literal["squared_gradient", "miss_probability"]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One bound against one measurement.

    Attributes:
        name: of the setting; the paper's and the certified bound of a setting share its training runs.
        constants: whose constants the bound has. equation: where it comes from.
        quantity: squared_gradient: the bound is on E||grad f(W^R)||^2 (projected where there is a box);
            miss_probability: it is delta of an (eps, delta)-solution.
        bound: None where the theorem does not apply; `notes` say why.
        measured: mean over the replicas, None if none has run.
        lower, upper: limits of the true mean; outside them with at most the case's share of the allowed
            probability of error.
        approximate: undecided, and no pass: the runs ended before a rigorous decision, but `upper`, then a
            classical limit computed once, lies below the bound. The verdict is inconclusive.
        runs: independent replicas behind the numbers.
        verdict: consistent: upper < bound; falsified: lower > bound; else inconclusive.
        expected: the verdict that this case must have.
        initial_loss: f(W^1). final_loss: mean of f(W^R); None where it was not measured.
        looseness: bound / measured.
        vacuous: the bound is no better than the largest gradient that the network can have.
        checked: whether the verdict counts; not where there is no bound.
        seconds: computing time of its replicas.
        standard_error: of `measured`, from the trajectories; None for fewer than two.
        notes: plain sentences.
    """

    name: str
    constants: ConstantsName
    bound: float | None
    measured: float | None
    lower: float | None
    upper: float | None
    approximate: bool
    runs: int
    verdict: Verdict
    expected: Verdict
    initial_loss: float
    final_loss: float | None
    looseness: float | None
    seconds: float
    vacuous: bool
    checked: bool
    quantity: Quantity
    equation: str
    notes: tuple[str, ...] = ()
    standard_error: float | None = None

    @property
    def outcome(self) -> str:
        """The verdict in one word, `approximate` where a classical limit alone speaks for the bound."""
        return "approximate" if self.approximate else self.verdict

    @property
    def passed(self) -> bool:
        """Whether the case came out as it must."""
        return not self.checked or self.verdict == self.expected


@dataclass(frozen=True, slots=True)
class Verification:
    """All cases together.

    Attributes:
        cases: in the order in which they were asked for.
        verdict: falsified if a checked case came out falsified against its expectation, or consistent
            where a falsification was expected; else inconclusive if any checked case is; else consistent.
        confidence: 1 minus the probability that any case is wrong, all of them together.
        seed: of all randomness.
        complete: False where a budget or an interruption ended it early.
        interrupted: whether it was the user.
        seconds: elapsed.
        notes: plain sentences on the whole.
        allow_approximate: whether the exit code lets approximate cases be; the verdict does not.
    """

    cases: tuple[CaseResult, ...]
    verdict: Verdict
    confidence: float
    seed: int
    complete: bool
    interrupted: bool
    seconds: float
    notes: tuple[str, ...] = ()
    allow_approximate: bool = False

    @property
    def only_approximate(self) -> bool:
        """Whether every case that did not come out as it must is approximate."""
        failed = [case for case in self.cases if not case.passed]
        return bool(failed) and all(case.approximate and case.expected == "consistent" for case in failed)

    @property
    def exit_code(self) -> int:
        """0 fine, 1 falsified, 3 inconclusive, 130 interrupted."""
        if self.interrupted:
            return 130
        if self.allow_approximate and self.only_approximate:
            return 0
        return {"consistent": 0, "falsified": 1, "inconclusive": 3}[self.verdict]
