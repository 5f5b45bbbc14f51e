"""The JUnit report: counts, outcomes, and text that XML cannot hold."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verifications import CASE as ONE
from verifications import verification

from rsgadvise.ask.verify.results import CaseResult
from rsgadvise.show.report.verification import junit_xml, summary

CASE = replace(ONE, notes=("First note.", "Second note."))
FALSIFIED = replace(CASE, name="false", verdict="falsified", bound=0.0625)
MISSED = replace(CASE, name="missed", expected="falsified")
OPEN = replace(CASE, name="open", verdict="inconclusive")
ROUGH = replace(OPEN, name="rough", approximate=True)
UNBOUNDED = replace(CASE, name="no bound", verdict="inconclusive", bound=None, checked=False)


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text.encode())


def suite_of(*cases: CaseResult) -> ET.Element:
    suite = parsed(junit_xml(verification(*cases))).find("testsuite")
    assert suite is not None
    return suite


def only(*cases: CaseResult) -> ET.Element:
    """What the single test case holds."""
    case = suite_of(*cases).find("testcase")
    assert case is not None
    (inside,) = case
    return inside


# The parts of the schema that Jenkins publishes (junit-10.xsd) which a report may use:
# allowed attributes, required attributes, allowed children.
TOTALS = {"name", "time", "tests", "failures", "errors"}
SCHEMA: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (TOTALS, set(), {"testsuite"}),
    "testsuite": (TOTALS | {"skipped"}, TOTALS - {"time"}, {"properties", "testcase", "system-out"}),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, {"name", "value"}, set()),
    "testcase": ({"name", "time", "classname"}, {"name"}, {"skipped", "error", "failure", "system-out"}),
    "skipped": ({"type", "message"}, set(), set()),
    "error": ({"type", "message"}, set(), set()),
    "failure": ({"type", "message"}, set(), set()),
    "system-out": (set(), set(), set()),
}


def conform(element: ET.Element) -> None:
    allowed, required, children = SCHEMA[element.tag]
    assert required <= set(element.attrib) <= allowed
    if "time" in element.attrib:
        assert re.fullmatch(r"[0-9]+\.[0-9]{3}", element.attrib["time"])
    for child in element:
        assert child.tag in children
        conform(child)


def test_the_report_conforms_to_the_schema_of_build_servers() -> None:
    whole = replace(verification(CASE, FALSIFIED, MISSED, OPEN, UNBOUNDED), notes=("Ended by the budget.",))
    root = parsed(junit_xml(whole))
    assert root.tag == "testsuites"
    conform(root)


def test_counts_are_those_of_the_outcomes() -> None:
    suite = suite_of(CASE, FALSIFIED, MISSED, OPEN, UNBOUNDED, UNBOUNDED)
    counts = {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "6", "failures": "2", "errors": "1", "skipped": "2"}
    for tag, count in (("testcase", 6), ("failure", 2), ("error", 1), ("skipped", 2)):
        assert len(list(suite.iter(tag))) == count
    assert suite.attrib["name"] == "rsgadvise verify"
    assert suite.attrib["time"] == "12.250"


def test_properties_tell_how_to_repeat_it() -> None:
    found = {each.attrib["name"]: each.attrib["value"] for each in suite_of(CASE).iter("property")}
    assert found == {
        "seed": "7",
        "confidence": "0.99",
        "complete": "true",
        "verdict": "consistent",
        "approximate": "0",
    }


def test_a_case_is_named_by_its_setting_and_its_constants() -> None:
    case = suite_of(CASE).find("testcase")
    assert case is not None
    assert case.attrib == {"classname": "one layer", "name": "paper", "time": "1.500"}


def test_a_falsified_bound_is_a_failure_with_the_numbers() -> None:
    failure = only(FALSIFIED)
    assert failure.tag == "failure"
    assert failure.attrib == {
        "type": "falsified",
        "message": "measured 0.25, limits 0.125 to 0.375, bound 0.0625; "
        "verdict falsified, expected consistent",
    }
    assert failure.text == (
        "Theorem III.1, equation (7); squared gradient; 4000 runs\nFirst note.\nSecond note."
    )


def test_a_missed_falsification_is_a_failure() -> None:
    failure = only(MISSED)
    assert failure.tag == "failure"
    assert failure.attrib["message"].endswith("verdict consistent, expected falsified")


def test_an_expected_falsification_passes() -> None:
    passed = only(replace(FALSIFIED, expected="falsified"))
    assert passed.tag == "system-out"
    assert "verdict falsified, expected falsified" in (passed.text or "")


def test_an_undecided_bound_is_an_error() -> None:
    error = only(OPEN)
    assert error.tag == "error"
    assert error.attrib["type"] == "inconclusive"


@pytest.mark.parametrize(
    ("notes", "reason"),
    [(("No bound: stepsize.",), "No bound: stepsize."), ((), "There is no bound to check.")],
)
def test_a_case_without_a_bound_is_skipped_with_the_reason(notes: tuple[str, ...], reason: str) -> None:
    skipped = only(replace(UNBOUNDED, notes=notes))
    assert skipped.tag == "skipped"
    assert skipped.attrib["message"] == reason


def test_notes_on_the_whole_are_output_of_the_suite() -> None:
    root = parsed(junit_xml(replace(verification(CASE), complete=False, notes=("One.", "Two."))))
    assert root.findtext("testsuite/system-out") == "One.\nTwo."
    assert root.find("testsuite/properties/property[@name='complete'][@value='false']") is not None


def test_a_verification_without_cases_is_an_empty_suite() -> None:
    suite = suite_of()
    assert suite.attrib["tests"] == "0"
    assert suite.find("testcase") is None


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_numbers_that_are_missing_or_not_finite_are_named_so(value: float | None) -> None:
    case = replace(CASE, measured=value, lower=value, upper=value, bound=value, seconds=value or math.nan)
    assert summary(case).startswith("measured n/a, limits n/a to n/a, bound n/a;")
    conform(parsed(junit_xml(replace(verification(case), seconds=value or math.nan))))


def test_an_approximate_limit_is_called_so() -> None:
    said = summary(ROUGH)
    assert "0.375 (upper limit approximate)" in said
    assert said.endswith("verdict approximate, expected consistent")


@pytest.mark.parametrize(("allowed", "tag"), [(False, "error"), (True, "skipped")])
def test_an_approximate_case_never_passes(allowed: bool, tag: str) -> None:
    whole = replace(verification(CASE, ROUGH), verdict="inconclusive", allow_approximate=allowed)
    root = parsed(junit_xml(whole))
    conform(root)
    (inside,) = root.findall("testsuite/testcase")[1]
    assert (inside.tag, inside.attrib["type"]) == (tag, "approximate")
    suite = root.find("testsuite")
    assert suite is not None
    assert (suite.attrib["errors"], suite.attrib["skipped"]) == (("0", "1") if allowed else ("1", "0"))
    assert root.find("testsuite/properties/property[@name='approximate'][@value='1']") is not None


def test_long_and_tiny_durations_have_no_exponent() -> None:
    root = parsed(junit_xml(verification(replace(CASE, seconds=1e22), replace(CASE, seconds=1e-9))))
    conform(root)


def test_control_characters_of_a_file_name_are_shown() -> None:
    case = suite_of(replace(CASE, name="a\x00\x1b[31m\udc80\ufffe\r.yaml")).find("testcase")
    assert case is not None
    assert case.attrib["classname"] == r"a\x00\x1b[31m\udc80\ufffe\r.yaml"


def legal(text: str) -> bool:
    return all(
        character in "\t\n" or " " <= character <= "\ud7ff" or "\ue000" <= character <= "\ufffd"
        for character in text
        if character < "\U00010000"
    )


ANYTHING = st.text(st.characters(exclude_categories=()))


@given(name=ANYTHING, notes=st.lists(ANYTHING), checked=st.booleans(), verdict=st.sampled_from([CASE, OPEN]))
def test_any_text_survives(name: str, notes: list[str], checked: bool, verdict: CaseResult) -> None:
    case = replace(verdict, name=name, notes=tuple(notes), checked=checked)
    root = parsed(junit_xml(replace(verification(case), notes=tuple(notes))))
    conform(root)
    found = root.find("testsuite/testcase")
    assert found is not None
    if legal(name):
        assert found.attrib["classname"] == name
    (inside,) = found
    shown = (inside.text or "") + inside.attrib.get("message", "")
    for note in notes:
        assert not legal(note) or note in shown


@given(
    st.lists(
        st.builds(
            lambda verdict, expected, checked: replace(
                CASE, verdict=verdict, expected=expected, checked=checked
            ),
            *[st.sampled_from(["consistent", "falsified", "inconclusive"])] * 2,
            st.booleans(),
        )
    )
)
def test_a_case_fails_in_the_report_exactly_if_it_did_not_pass(cases: list[CaseResult]) -> None:
    suite = suite_of(*cases)
    assert int(suite.attrib["failures"]) + int(suite.attrib["errors"]) == sum(
        not case.passed for case in cases
    )
    assert int(suite.attrib["skipped"]) == sum(not case.checked for case in cases)
    shown = [
        element.find("failure") is not None or element.find("error") is not None
        for element in suite.iter("testcase")
    ]
    assert shown == [not case.passed for case in cases]
