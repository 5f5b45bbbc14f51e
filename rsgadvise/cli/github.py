"""GitHub Actions: one annotation for a whole verification, and its report in the step summary."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from rsgadvise.report.junit import summary
from rsgadvise.verify.results import Verification

__all__ = ["announce"]

_TITLE = "rsgadvise verify"
_MOST_CASES = 10
_SUMMARY_LIMIT = 1 << 20  # bytes for all that a step writes; GitHub drops a longer summary altogether
_SHORTENED = b"\n\nThe rest is left out: a step summary holds at most 1 MiB.\n"

_Level = Literal["error", "warning", "notice"]


def announce(verification: Verification, markdown: Callable[[], str]) -> None:
    """Tell GitHub Actions the outcome; elsewhere do nothing.

    Args:
        verification: what came out.
        markdown: renders the report; called only where there is a step summary to append it to.
    """
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    _tell(_level(verification), "\n".join(_lines(verification)))
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        _append_summary(Path(path), markdown())


def _level(verification: Verification) -> _Level:
    if verification.verdict == "falsified":
        return "error"
    if verification.verdict == "inconclusive" or not verification.complete:
        return "warning"
    return "notice"


def _lines(verification: Verification) -> Iterator[str]:
    """The outcome, the first of the cases that failed, and why the verification is incomplete."""
    checked = sum(case.checked for case in verification.cases)
    # Decided cases come before undecided ones: they are what makes the verdict `falsified`.
    rough = sum(case.approximate for case in verification.cases)
    failing = sorted(
        (case for case in verification.cases if not case.passed),
        key=lambda case: case.verdict == "inconclusive",
    )
    yield (
        f"{verification.verdict}{'' if verification.complete else ', incomplete'}: "
        f"{checked - len(failing)} of {checked} checked bounds came out as expected"
        f"{f', {rough} only approximately, which is no pass' if rough else ''}"
    )
    for case in failing[:_MOST_CASES]:
        yield f"{case.name} ({case.constants}): {summary(case)}"
    if len(failing) > _MOST_CASES:
        yield f"and {len(failing) - _MOST_CASES} more"
    yield from verification.notes


def _tell(level: _Level, message: str) -> None:
    """Write one workflow command to standard error; standard output carries the result alone."""
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError):
        line = f"::{level} title={_property(_TITLE)}::{_data(message)}"
        # A file name may hold what no encoding can write.
        print(line.encode("utf-8", "backslashreplace").decode(), file=sys.stderr, flush=True)


def _data(text: str) -> str:
    """Escape the message of a workflow command, which must be one line.

    Example:
        >>> _data("50 %: one,\\ntwo")
        '50 %25: one,%0Atwo'
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a property of a workflow command, in which `:` and `,` mean something too.

    Example:
        >>> _property("a: 1, b")
        'a%3A 1%2C b'
    """
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _append_summary(path: Path, text: str) -> None:
    """Append to the step summary; a failure is told, and changes nothing else."""
    try:
        with path.open("ab") as stream:
            begun = stream.tell()
            data = (b"\n" if begun else b"") + text.encode("utf-8", "replace")
            stream.write(_fitted(data, _SUMMARY_LIMIT - begun))
    except OSError as error:
        _tell("warning", f"cannot write the step summary: {error.strerror or error}")


def _fitted(data: bytes, room: int) -> bytes:
    """As many whole lines as there is room for, and a word on the rest."""
    if len(data) <= room:
        return data
    if room < len(_SHORTENED):
        return b""
    kept, _, _ = data[: room - len(_SHORTENED)].rpartition(b"\n")
    return kept + _SHORTENED
