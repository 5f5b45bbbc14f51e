"""What GitHub Actions is told, and that nobody else is."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from verifications import CASE, verification

from rsgadvise.cli.verify import announce

FALSIFIED = replace(CASE, name="false", verdict="falsified", bound=0.0625)
OPEN = replace(CASE, name="open", verdict="inconclusive")

Captured = pytest.CaptureFixture[str]

LIMIT = 1 << 20


def report() -> str:
    return "## Report ∇\n\ntext\n"


def unwanted() -> str:
    pytest.fail("rendered without need")


@pytest.fixture
def actions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a runner, without a step summary."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def summary(actions: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


def command(captured: Captured) -> tuple[str, str]:
    """Level and unescaped message of the only command, which is on standard error."""
    out, err = captured.readouterr()
    assert out == ""
    found = re.fullmatch(r"::(error|warning|notice) title=rsgadvise verify::([^\r\n]*)\n", err)
    assert found, err
    message = found[2].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
    return found[1], message


@pytest.mark.parametrize("value", [None, "", "false", "1"])
def test_nothing_happens_outside_github_actions(
    value: str | None, monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    if value is None:
        monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    else:
        monkeypatch.setenv("GITHUB_ACTIONS", value)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    announce(verification(CASE), unwanted)
    assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "summary.md").exists()


ROUGH = verification(CASE, replace(OPEN, approximate=True), verdict="inconclusive")
TOLD = {
    "consistent": (
        verification(CASE, CASE, replace(CASE, checked=False)),
        "notice",
        "consistent: 2 of 2 checked bounds came out as expected",
    ),
    "falsified, decided cases first": (
        verification(CASE, OPEN, FALSIFIED, verdict="falsified"),
        "error",
        "falsified: 1 of 3 checked bounds came out as expected\n"
        "false (paper): measured 0.25, limits 0.125 to 0.375, bound 0.0625; "
        "verdict falsified, expected consistent\n"
        "open (paper): measured 0.25, limits 0.125 to 0.375, bound 0.5; "
        "verdict inconclusive, expected consistent",
    ),
    "inconclusive": (verification(OPEN, verdict="inconclusive"), "warning", "inconclusive: 0 of 1"),
    "approximate": (
        ROUGH,
        "warning",
        "inconclusive: 1 of 2 checked bounds came out as expected, 1 only approximately, which is no pass\n",
    ),
    "approximate and allowed": (replace(ROUGH, allow_approximate=True), "warning", "inconclusive: 1 of 2"),
    "incomplete": (
        replace(verification(CASE), complete=False, notes=("Ended by the budget.",)),
        "warning",
        "consistent, incomplete: 1 of 1 checked bounds came out as expected\nEnded by the budget.",
    ),
    "incomplete and falsified": (
        replace(verification(FALSIFIED, verdict="falsified"), complete=False),
        "error",
        "falsified, incomplete: ",
    ),
}


@pytest.mark.usefixtures("actions")
@pytest.mark.parametrize("what", TOLD)
def test_an_outcome_is_one_annotation(what: str, capsys: Captured) -> None:
    found, level, begins = TOLD[what]
    announce(found, unwanted)
    told = command(capsys)
    assert told[0] == level
    assert told[1].startswith(begins)


@pytest.mark.usefixtures("actions")
@pytest.mark.parametrize(
    ("count", "listed", "rest"), [(10, 10, ""), (11, 10, "and 1 more"), (99, 10, "and 89 more")]
)
def test_at_most_ten_cases_are_listed(count: int, listed: int, rest: str, capsys: Captured) -> None:
    cases = (replace(FALSIFIED, name=f"case {number}") for number in range(count))
    announce(verification(*cases, verdict="falsified"), unwanted)
    lines = command(capsys)[1].split("\n")
    assert sum(line.startswith("case ") for line in lines) == listed
    assert lines[listed + 1 :] == ([rest] if rest else [])


@pytest.mark.usefixtures("actions")
def test_a_name_cannot_end_the_command_or_start_another(capsys: Captured) -> None:
    name = "50%25\r\n::error title=x::y, z\udc80"
    announce(verification(replace(FALSIFIED, name=name), verdict="falsified"), unwanted)
    _, message = command(capsys)
    assert "50%25\r\n::error title=x::y, z" in message


@pytest.mark.usefixtures("actions")
def test_a_closed_standard_error_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    announce(verification(CASE), unwanted)
    assert capsys.readouterr().out == ""


def test_the_report_is_appended_to_the_step_summary(summary: Path, capsys: Captured) -> None:
    announce(verification(CASE), report)
    assert summary.read_text(encoding="utf-8") == report()
    summary.write_text("earlier\n")
    announce(verification(CASE), report)
    assert summary.read_text(encoding="utf-8") == "earlier\n\n" + report()
    assert capsys.readouterr().err.count("::notice ") == 2


def test_a_summary_that_cannot_be_written_is_one_warning(summary: Path, capsys: Captured) -> None:
    summary.mkdir()
    announce(verification(CASE), report)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("::notice ")
    assert second == "::warning title=rsgadvise verify::cannot write the step summary: Is a directory"


def test_text_that_utf8_cannot_hold_is_replaced(summary: Path) -> None:
    announce(verification(CASE), lambda: "a\udc80b\n")
    assert summary.read_text() == "a?b\n"
