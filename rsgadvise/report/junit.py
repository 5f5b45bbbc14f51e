"""A verification as JUnit XML, the form in which build servers read test results."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from rsgadvise.report.blocks import number

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from rsgadvise.verify.results import CaseResult, Verification

__all__ = ["junit_xml", "summary"]

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
        found = SubElement(element, outcome, type=case.outcome, message=_legal(summary(case)))
        found.text = _legal(_details(case))


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
