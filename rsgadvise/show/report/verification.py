"""A verification as blocks."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from rsgadvise.numerals import count, number
from rsgadvise.show.report.blocks import Block, Column, Grid, Title, once, sentences

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from rsgadvise.ask.verify.cases import CaseResult, Verification


_QUANTITY = {
    "squared_gradient": "E‖∇f(W^R)‖² over the runs (of the projected gradient where there is a box)",
    "miss_probability": "the share of repetitions that miss eps, for an (eps, delta)-solution",
}


def _verdict(case: CaseResult) -> str:
    """The verdict, and how it stands to the one expected."""
    text = case.outcome if case.checked else "no bound"
    if case.vacuous and text == "consistent":  # as in other reports: a bound that nothing can break
        text = "vacuous"
    if case.checked and not case.passed:
        text += " !"
    elif case.expected == "falsified":
        text += " *"
    return text


def case_line(case: CaseResult) -> str:
    """One case in one line, for a log."""
    bound = "no bound" if case.bound is None else f"bound {number(case.bound)}"
    measured = "not measured" if case.measured is None else f"measured {number(case.measured)}"
    limits = "" if case.lower is None else f" [{number(case.lower)}, {number(case.upper)}]"
    outcome = f"{count(case.runs)} runs: {_verdict(case)}"
    return f"{case.name} ({case.constants}): {measured}{limits}, {bound}, {outcome}"


def verification_blocks(verification: Verification) -> tuple[Block, ...]:
    """Every bound beside what was measured."""
    cases = verification.cases
    notes = once(
        ((case.name, note) for case in cases for note in case.notes),
        all_of=len({case.name for case in cases}) == 1,
    )
    return (
        Title(
            f"Verification: {verification.verdict}",
            f"{len(cases)} bounds; confidence {verification.confidence:.15g} over all of them; "
            f"seed {verification.seed}; {verification.seconds:.1f} s elapsed",
        ),
        _verdicts(cases),
        _training(cases),
        *sentences("Not as expected", (case_line(case) for case in cases if not case.passed)),
        *sentences("Mind", [*verification.notes, *notes]),
        *sentences("How to read it", _legend(verification)),
    )


def _verdicts(cases: Sequence[CaseResult]) -> Grid:
    """One row per bound; a case is named once."""
    rows, last = [], ""
    for case in cases:
        rows.append(
            (
                case.name if case.name != last else "",
                case.constants,
                number(case.bound),
                number(case.measured),
                number(case.upper),
                _verdict(case),
            )
        )
        last = case.name
    columns = ("case", "constants", "bound", "measured", "at most", "verdict")
    text = ("case", "constants", "verdict")
    return Grid(tuple(Column(name, numeric=name not in text) for name in columns), tuple(rows), keys=2)


def _training(cases: Sequence[CaseResult]) -> Grid:
    """One row per case: what training did, and how loose the bounds are."""
    grouped: dict[str, list[CaseResult]] = {}
    for case in cases:
        grouped.setdefault(case.name, []).append(case)
    rows = []
    for name, group in grouped.items():
        loose = {case.constants: number(case.looseness, 3) for case in group if case.looseness is not None}
        first = group[0]
        rows.append(
            (
                name,
                number(first.initial_loss),
                number(first.final_loss),
                count(first.runs),
                number(first.seconds, 3),
                loose.get("paper", ""),
                loose.get("certified", ""),
            )
        )
    columns = ("f(W1)", "f(W^R)", "runs", "work s", "paper", "certified")
    return Grid(
        (Column("case", numeric=False), *map(Column, columns)),
        tuple(rows),
        "Training, and looseness of the bounds (bound / measured)",
    )


def _legend(verification: Verification) -> list[str]:
    cases = verification.cases
    rough = any(case.approximate for case in cases)
    kinds = dict.fromkeys(case.quantity for case in cases)
    legend = [
        f"measured: {'; '.join(_QUANTITY[kind] for kind in kinds)}. at most: its upper limit. A small "
        "gradient alone is no success: look at the loss beside it.",
        "consistent: the upper limit is below the bound; falsified: the lower limit is above it. All "
        "verdicts hold together with probability "
        f"{verification.confidence:.15g} at least.",
        "work s: seconds of computing the runs took, summed over the processes; elapsed: by the clock.",
    ]
    if any(case.passed and case.expected == "falsified" for case in cases):
        legend.append(
            "* expected: the paper's constants are not valid there, and the suite fails if it cannot see it."
        )
    if any(not case.passed for case in cases):
        legend.append("! not as expected.")
    if rough:
        legend.append(
            "approximate: undecided, and no pass. The runs ended before a rigorous decision; the upper "
            "limit, Student's on trajectory averages, lies below the bound, but no probability is promised "
            "for it: rare large gradients escape it. More runs decide"
            + (
                "; --allow-approximate lets it be."
                if not verification.allow_approximate
                else ". The exit code lets it be, as --allow-approximate asks."
            )
        )
    if any(case.vacuous for case in cases):
        legend.append(
            "vacuous: the bound is no better than the largest squared gradient possible, and so consistent "
            "without saying anything."
        )
    return legend


_SUITE = "rsgadvise verify"
_DIGITS = 6  # significant: a limit and the bound that it decides can be close

# What XML 1.0 cannot hold, even escaped; and the carriage return, which a parser would turn into a newline.
_ILLEGAL = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_Outcome = Literal["failure", "error", "skipped"]


def junit_xml(verification: Verification) -> str:
    """The verification as one JUnit test suite with a test case per bound.

    A bound that was decided against its expectation is a failure, an undecided one an error, and one that
    is not checked is skipped, as is an approximate one where that is allowed: it never passes.
    """
    from xml.etree.ElementTree import Element, SubElement, indent, tostring

    allowed = verification.allow_approximate
    outcomes = Counter(_outcome(case, allowed) for case in verification.cases)
    totals = {
        "name": _SUITE,
        "tests": str(len(verification.cases)),
        "failures": str(outcomes["failure"]),
        "errors": str(outcomes["error"]),
        "time": _seconds(verification.seconds),
    }
    root = Element("testsuites", totals)
    # The schema of Jenkins knows `skipped` on a suite, but not on the root.
    suite = SubElement(root, "testsuite", totals, skipped=str(outcomes["skipped"]))
    properties = SubElement(suite, "properties")
    for name, value in _properties(verification):
        SubElement(properties, "property", name=name, value=value)
    for case in verification.cases:
        _add_case(suite, case, allowed)
    if verification.notes:
        SubElement(suite, "system-out").text = _legal("\n".join(verification.notes))
    indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, encoding="unicode")}\n'


def summary(case: CaseResult) -> str:
    """What was measured, against which bound, and what came of it, in one line."""
    approximate = " (upper limit approximate)" if case.approximate else ""
    return (
        f"measured {number(case.measured, _DIGITS)}, "
        f"limits {number(case.lower, _DIGITS)} to {number(case.upper, _DIGITS)}{approximate}, "
        f"bound {number(case.bound, _DIGITS)}; verdict {case.outcome}, expected {case.expected}"
    )


def _outcome(case: CaseResult, allowed: bool) -> _Outcome | None:
    if not case.checked:
        return "skipped"
    if case.passed:
        return None
    if case.approximate and allowed:
        return "skipped"
    return "error" if case.verdict == "inconclusive" else "failure"


def _properties(verification: Verification) -> Iterator[tuple[str, str]]:
    yield "seed", str(verification.seed)
    yield "confidence", number(verification.confidence, 12)
    yield "complete", "true" if verification.complete else "false"
    yield "verdict", verification.verdict
    yield "approximate", str(sum(case.approximate for case in verification.cases))


def _add_case(suite: Element, case: CaseResult, allowed: bool) -> None:
    from xml.etree.ElementTree import SubElement

    names = {"classname": _legal(case.name), "name": case.constants}
    element = SubElement(suite, "testcase", names, time=_seconds(case.seconds))
    outcome = _outcome(case, allowed)
    if outcome is None:
        SubElement(element, "system-out").text = _legal(f"{summary(case)}\n{_details(case)}")
    elif not case.checked:
        reason = " ".join(case.notes) or "There is no bound to check."
        SubElement(element, "skipped", message=_legal(reason))
    else:
        child = SubElement(element, outcome, type=case.outcome, message=_legal(summary(case)))
        child.text = _legal(_details(case))


def _details(case: CaseResult) -> str:
    """Where the bound comes from, what it limits, and the notes, one per line."""
    origin = f"{case.equation}; {case.quantity.replace('_', ' ')}; {case.runs} runs"
    return "\n".join((origin, *case.notes))


def _legal(text: str) -> str:
    r"""The text with visible escapes, such as \x1b, for what XML cannot hold."""
    return _ILLEGAL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _seconds(value: float) -> str:
    """Plain decimals, since the schema allows no exponents and no signs."""
    return f"{value:.3f}" if math.isfinite(value) and value > 0 else "0.000"
