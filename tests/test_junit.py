"""The JUnit report: counts, outcomes, and text that XML cannot hold."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from conftest import present
from hypothesis import given
from hypothesis import strategies as st
from verifications import CASE as ONE
from verifications import verification

from rsgadvise.ask.verify.cases import CaseResult
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
    return present(parsed(junit_xml(verification(*cases))).find("testsuite"))


def only(*cases: CaseResult) -> ET.Element:
    """What the single test case holds."""
    case = present(suite_of(*cases).find("testcase"))
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
    case = present(suite_of(CASE).find("testcase"))
    assert case.attrib == {"classname": "one layer", "name": "paper", "time": "1.500"}


NUMBERS = "measured 0.25, limits 0.125 to 0.375, bound 0.0625"
TEXT = "Theorem III.1, equation (7); squared gradient; 4000 runs\nFirst note.\nSecond note."
EXPECTED = replace(FALSIFIED, expected="falsified")
OUTCOMES = [
    (FALSIFIED, "failure", "falsified", f"{NUMBERS}; verdict falsified, expected consistent", TEXT),
    (MISSED, "failure", "consistent", "verdict consistent, expected falsified", TEXT),
    (EXPECTED, "system-out", None, "", f"{NUMBERS}; verdict falsified, expected falsified\n{TEXT}"),
    (OPEN, "error", "inconclusive", "verdict inconclusive, expected consistent", TEXT),
    (replace(UNBOUNDED, notes=("No bound: stepsize.",)), "skipped", None, "No bound: stepsize.", ""),
    (replace(UNBOUNDED, notes=()), "skipped", None, "There is no bound to check.", ""),
]


@pytest.mark.parametrize(("case", "tag", "kind", "message", "text"), OUTCOMES)
def test_each_outcome_has_its_element(
    case: CaseResult, tag: str, kind: str | None, message: str, text: str
) -> None:
    found = only(case)
    assert (found.tag, found.attrib.get("type")) == (tag, kind)
    assert found.attrib.get("message", "").endswith(message)
    assert (found.text or "").strip() == text


def test_notes_on_the_whole_are_output_of_the_suite() -> None:
    root = parsed(junit_xml(replace(verification(CASE), complete=False, notes=("One.", "Two."))))
    assert root.findtext("testsuite/system-out") == "One.\nTwo."
    assert root.find("testsuite/properties/property[@name='complete'][@value='false']") is not None


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
    suite = present(root.find("testsuite"))
    assert (suite.attrib["errors"], suite.attrib["skipped"]) == (("0", "1") if allowed else ("1", "0"))
    assert root.find("testsuite/properties/property[@name='approximate'][@value='1']") is not None


def test_control_characters_of_a_file_name_are_shown() -> None:
    case = present(suite_of(replace(CASE, name="a\x00\x1b[31m\udc80\ufffe\r.yaml")).find("testcase"))
    assert case.attrib["classname"] == r"a\x00\x1b[31m\udc80\ufffe\r.yaml"


def legal(text: str) -> bool:
    return all(
        character in "\t\n" or " " <= character <= "\ud7ff" or "\ue000" <= character <= "\ufffd"
        for character in text
        if character < "\U00010000"
    )


ANYTHING = st.text(st.characters(exclude_categories=()))


@given(
    ANYTHING,
    st.lists(ANYTHING),
    st.booleans(),
    st.sampled_from([CASE, FALSIFIED, MISSED, OPEN]),
    st.floats(0, 1e22),
)
def test_any_text_survives(
    name: str, notes: list[str], checked: bool, verdict: CaseResult, seconds: float
) -> None:
    case = replace(verdict, name=name, notes=tuple(notes), checked=checked, seconds=seconds)
    root = parsed(junit_xml(replace(verification(case), notes=tuple(notes))))
    conform(root)
    found = present(root.find("testsuite/testcase"))
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
    assert (suite.attrib["name"], suite.attrib["time"]) == ("rsgadvise verify", "12.250")
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase")) == len(cases)
    for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert len(list(suite.iter(tag))) == int(suite.attrib[count])
    assert int(suite.attrib["failures"]) + int(suite.attrib["errors"]) == sum(
        not case.passed for case in cases
    )
    assert int(suite.attrib["skipped"]) == sum(not case.checked for case in cases)
    shown = [
        element.find("failure") is not None or element.find("error") is not None
        for element in suite.iter("testcase")
    ]
    assert shown == [not case.passed for case in cases]
