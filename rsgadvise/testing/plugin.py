"""The assertions as fixtures of pytest, with their outcome in its JUnit report and on GitHub."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import pytest

from rsgadvise import testing

if TYPE_CHECKING:
    from rsgadvise.testing import Outcome

_SETTINGS = ("rate", "floor", "alpha", "max_runs")
_LEVELS: dict[str, Literal["notice", "error", "warning"]] = {
    "passed": "notice",
    "failed": "error",
    "undecided": "warning",
}

Assertion = Callable[..., "Outcome"]


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    settings = ", ".join(f"{name}=..." for name in _SETTINGS)
    config.addinivalue_line(
        "markers", f"trains({settings}): what the fixture assert_trains takes unless told otherwise."
    )


@pytest.fixture
def assert_trains(request: pytest.FixtureRequest) -> Assertion:
    """rsgadvise.testing.assert_trains, with the settings of the marker `trains`."""
    marked: dict[str, Any] = {}
    for mark in reversed([*request.node.iter_markers("trains")]):  # the closest wins
        if mark.args or not set(mark.kwargs) <= set(_SETTINGS):
            raise pytest.UsageError(
                f"the marker trains takes {', '.join(_SETTINGS)} by name; got {mark.args or mark.kwargs}; "
                "leave the rest out, or pass it to assert_trains"
            )
        marked |= mark.kwargs

    def trains(train: Callable[[int], Any], **settings: Any) -> Outcome:
        __tracebackhide__ = True
        return testing.assert_trains(train, **{**marked, **settings})

    return _recorded("assert_trains", trains, request)


@pytest.fixture
def assert_not_worse(request: pytest.FixtureRequest) -> Assertion:
    """rsgadvise.testing.assert_not_worse."""
    return _recorded("assert_not_worse", testing.assert_not_worse, request)


@pytest.fixture
def assert_gradient_bound(request: pytest.FixtureRequest) -> Assertion:
    """rsgadvise.testing.assert_gradient_bound."""
    return _recorded("assert_gradient_bound", testing.assert_gradient_bound, request)


def _recorded(name: str, assertion: Assertion, request: pytest.FixtureRequest) -> Assertion:
    """The assertion, whose outcome goes into the report of the test."""

    def tell(outcome: Outcome) -> None:
        for what in ("verdict", "runs", "successes", "message"):
            if (value := getattr(outcome, what)) is not None:
                # The fixture record_property does just this, but warns where JUnit is of a newer family.
                request.node.user_properties.append((f"{name}.{what}", value))

    def recorded(*given: Any, **settings: Any) -> Outcome:
        __tracebackhide__ = True
        try:
            outcome = assertion(*given, **settings)
        except AssertionError as error:
            if error.args and isinstance(error.args[0], testing.Outcome):
                tell(error.args[0])
            raise
        tell(outcome)
        return outcome

    return recorded


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell GitHub Actions each outcome; elsewhere do nothing."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from rsgadvise.show.annotations import annotation

    every = (report for reports in terminalreporter.stats.values() for report in reports)
    for report in every:
        if getattr(report, "when", None) != "call":
            continue
        file, line, test = report.location
        verdict = ""
        for name, value in report.user_properties:
            assertion, _, what = name.partition(".")
            if assertion in __all__ and what == "verdict":
                verdict = value
            elif assertion in __all__ and what == "message":
                place = {"title": test, "file": file, "line": str((line or 0) + 1)}
                terminalreporter.write_line(annotation(_LEVELS[verdict], value, **place))


__all__ = ["assert_gradient_bound", "assert_not_worse", "assert_trains"]
