"""What runs have decided, in words; and what a run returned, as a number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Literal

from rsgadvise.errors import UsageError
from rsgadvise.records import dataclass

Train = Callable[[int], Any]
"""Trains once with a seed and returns a number: of Python, numpy or torch."""

Verdict = Literal["passed", "failed", "undecided"]

_LISTED = 20  # runs that a message names


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an assertion has seen; an AssertionError holds it as its only argument.

    Attributes:
        verdict: passed, failed, or undecided where no more runs were allowed.
        runs: trainings, or pairs of them.
        successes: how many of them ended as they should; None for a bound.
        message: what was seen and refuted, and what would decide.
        values: what each run returned, by seed; of pairs new - old.
    """

    verdict: Verdict
    runs: int
    successes: int | None
    message: str
    values: tuple[float, ...] = ()

    def __str__(self) -> str:
        return self.message

    def settled(self) -> Outcome:
        """The outcome, if it passed.

        Raises:
            AssertionError: it did not.
        """
        __tracebackhide__ = True
        if self.verdict != "passed":
            raise AssertionError(self)
        return self


def check_alpha(alpha: float) -> None:
    """Refuse what is no probability of error.

    Raises:
        UsageError: it does not lie between 0 and 0.5.
    """
    if not 0 < alpha < 0.5:
        raise UsageError(f"alpha must lie between 0 and 0.5; got {alpha:g}; give e.g. 0.001")


def ended(name: str, train: Train, seed: int) -> float:
    """What a run returned, as a float.

    Raises:
        TypeError: it returned no number. What it raises is raised, with its seed as a note.
    """
    __tracebackhide__ = True
    try:
        value = train(seed)
    except Exception as error:
        error.add_note(f"raised by {name}({seed})")
        raise
    number = _number(value)
    if number is None:
        raise TypeError(
            f"{name} must return one number, such as the final loss; {name}({seed}) returned "
            f"{type(value).__name__}; return a number"
        )
    return number


def _number(value: Any) -> float | None:
    """A number of Python, numpy, torch or their like; None for anything else, bool and text among it."""
    item = getattr(value, "item", None)
    if callable(item):
        with suppress(TypeError, ValueError, RuntimeError):  # of several numbers
            value = item()
    if isinstance(value, bool | str | complex) or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError, RuntimeError):
        return None


def listed(values: Sequence[float]) -> str:
    """The values with their seeds in order of size, of many those at both ends."""
    order = sorted(range(len(values)), key=lambda seed: (not math.isfinite(values[seed]), values[seed]))
    shown = [f"{values[seed]:.4g} (seed {seed})" for seed in order]
    half = _LISTED // 2
    if len(shown) > _LISTED:
        shown[half:-half] = [f"{len(shown) - _LISTED} more"]
    return ", ".join(shown)


def again(name: str, seeds: Iterable[int]) -> str:
    """Which runs went wrong, and how to run one of them again."""
    wrong = list(seeds)
    if not wrong:
        return "none went wrong"
    more = f" and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
    named = ", ".join(map(str, wrong[:_LISTED]))
    return f"went wrong: seeds {named}{more}; {name}({wrong[0]}) runs the first again"
