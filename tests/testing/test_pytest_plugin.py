"""The fixtures in test suites of others, and what JUnit and GitHub are told."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from suites import PLUGIN, ROOT, run_suite

SUITE = """
import pytest

def good(seed):
    return 0.1

def bad(seed):
    return 0.9 + seed

def test_trains(assert_trains):
    assert assert_trains(good, below=0.5).successes == 12

def test_does_not(assert_trains):
    assert_trains(bad, below=0.5)

@pytest.mark.trains(rate=0.99, alpha=0.01)
class TestMarked:
    @pytest.mark.trains(alpha=0.2)
    def test_marked(self, assert_trains):
        assert assert_trains(good, below=0.5).runs == 3
        assert assert_trains(good, below=0.5, alpha=0.001).runs == 11

def test_undecided(assert_not_worse):
    assert_not_worse(lambda seed: seed % 2, lambda seed: 0, margin=0.5, max_runs=20)

def test_raises(assert_trains):
    assert_trains(lambda seed: pytest.fail("not ours"), below=0.5)
"""


def properties(folder: Path) -> dict[str, dict[str, str]]:
    """Of each test, from the JUnit report."""
    return {
        case.attrib["name"]: {
            each.attrib["name"]: each.attrib["value"] for each in case.findall("properties/property")
        }
        for case in ElementTree.parse(folder / "out.xml").iter("testcase")
    }


def test_fixtures_assert_and_junit_has_what_they_saw(tmp_path: Path) -> None:
    shown = run_suite(tmp_path, SUITE, "-W", "error")
    assert "3 failed, 2 passed" in shown
    assert "E       AssertionError: refuted that at least 90 % of runs end below 0.5: 0 of 5 runs" in shown
    assert ">       assert_trains(bad, below=0.5)" in shown
    assert "success.py" not in shown, "the traceback ends in the test"
    assert "plugin.py" not in shown
    assert "\n::" not in shown, "GitHub is told where it listens"
    told = properties(tmp_path)
    failed = told["test_does_not"]
    assert failed.pop("assert_trains.message").startswith("refuted that at least 90 % of runs")
    assert failed == {
        "assert_trains.verdict": "failed",
        "assert_trains.runs": "5",
        "assert_trains.successes": "0",
    }
    assert told["test_undecided"]["assert_not_worse.verdict"] == "undecided"
    assert told["test_undecided"]["assert_not_worse.runs"] == "20"
    assert told["test_trains"]["assert_trains.verdict"] == "passed"
    assert told["test_raises"] == {}


def test_github_is_told_each_outcome_at_its_line_also_by_other_processes(tmp_path: Path) -> None:
    pytest.importorskip("xdist", reason="needs pytest-xdist: pip install 'rsgadvise[test]'")
    shown = run_suite(tmp_path, SUITE, "-n", "1", GITHUB_ACTIONS="true")
    commands = sorted(line for line in shown.split("\n") if line.startswith("::"))
    assert [line.split(" ")[0] for line in commands] == ["::error", *["::notice"] * 3, "::warning"]
    line = 1 + SUITE.split("\n").index("def test_does_not(assert_trains):")
    place = f"title=test_does_not,file=test_suite.py,line={line}"
    assert commands[0].startswith(
        f"::error {place}::refuted that at least 90 %25 of runs end below 0.5: 0 of 5"
    )
    assert "%0Aruns by what they returned: " in commands[0]
    assert properties(tmp_path)["test_does_not"]["assert_trains.runs"] == "5"


def test_the_bound_of_a_spec_is_a_fixture(tmp_path: Path) -> None:
    text = """
SPEC = {"network": {"kind": "single_layer", "layers": [6, 2]}, "data": {"mean": 0.3, "mean_square": 0.12},
        "training": {"stepsize": 0.4, "batch_size": 8, "iterations": 20}}

def test_bound(assert_gradient_bound):
    assert assert_gradient_bound(SPEC).runs

def test_undecided(assert_gradient_bound):
    assert_gradient_bound(SPEC, max_runs=2)
"""
    shown = run_suite(tmp_path, text, "-W", "error")
    assert "1 failed, 1 passed" in shown
    assert "undecided whether the bound holds" in shown
    assert set(properties(tmp_path)["test_bound"]) == {
        f"assert_gradient_bound.{what}" for what in ("verdict", "runs", "message")
    }


def test_a_marker_that_says_something_else_is_an_error(tmp_path: Path) -> None:
    markers = ("trains(0.9)", "trains(rat=0.9)", "trains(below=0.1)")
    text = "import pytest\n" + "".join(
        f"@pytest.mark.{marker}\ndef test_{number}(assert_trains):\n    pass\n"
        for number, marker in enumerate(markers)
    )
    shown = run_suite(tmp_path, text)
    assert "3 errors" in shown
    assert shown.count("the marker trains takes rate, floor, alpha, max_runs by name; got ") >= 3


def test_it_is_found_by_its_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"rsgadvise": PLUGIN}
    assert importlib.util.find_spec(PLUGIN) is not None


def loaded(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.split()


def test_it_costs_nothing_until_it_is_used() -> None:
    """Every run of pytest loads it, wherever this package is installed."""
    found = loaded(
        "import sys, _pytest.config, pytest; before = set(sys.modules)\n"
        "import rsgadvise.testing.plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    ours = {name.removeprefix("rsgadvise.testing.") for name in found if name.startswith("rsgadvise")}
    here = {"bound", "comparison", "outcome", "plugin", "success"}
    assert ours == {"rsgadvise", "rsgadvise.errors", "rsgadvise.records", "rsgadvise.testing", *here}
    assert not set(found) & {"numpy", "scipy", "pydantic", "typer"}


def test_the_assertions_do_without_pytest() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from rsgadvise.testing import *\n"
        "print(assert_trains(lambda seed: 0.1, below=0.5).runs)\n"
        "print(assert_not_worse(float, float, margin=1).runs)"
    )
    assert loaded(code) == ["12", "12"]
