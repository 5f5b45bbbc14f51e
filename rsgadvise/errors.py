"""Every error that rsgadvise raises on purpose, in one tree.

::

    RsgadviseError                  exit code 2
    ├── UsageError                  the command line asks for something that cannot be done
    ├── SpecError                   a spec breaks a rule; carries file, line, column and key path
    ├── DataError                   a data file is malformed, truncated, unsafe or of an unknown kind
    ├── MissingExtraError           an optional dependency is needed and absent
    ├── HypothesisError             a value lies outside the range in which a theorem holds
    └── InfeasibleError             exit code 1: no plan meets the target, whatever the hyper-parameters

Each message states the rule, the offending value and what to do instead, in one line.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class RsgadviseError(Exception):
    """Root of the tree; `exit_code` is what the command line returns for it."""

    exit_code: ClassVar[int] = 2


@contextmanager
def in_one_line() -> Iterator[None]:
    """End a program with one line where an error of ours is raised, as the programs of `--emit` do."""
    try:
        yield
    except RsgadviseError as error:
        sys.exit(f"error: {error}")


class UsageError(RsgadviseError):
    """The command line asks for something that cannot be done."""


class SpecError(RsgadviseError):
    """A spec breaks a rule.

    Args:
        message: the rule, the value that breaks it, and the fix.
        file: where the spec came from, as shown to the user ("<stdin>", "--set data.mean").
        line: 1-based line, or None where there is no text to point at.
        column: 1-based column, or None.
        key: dotted key path ("search.batch_size[2]"), or "" for the whole file.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str = "<spec>",
        line: int | None = None,
        column: int | None = None,
        key: str = "",
    ) -> None:
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.key = key
        place = file
        if line is not None:
            place += f":{line}"
            if column is not None:
                place += f":{column}"
        super().__init__(": ".join(part for part in (place, key, message) if part))


class DataError(RsgadviseError):
    """A data file is malformed, truncated, unsafe or of an unknown kind."""


def brief(error: BaseException) -> str:
    """Kind and first line of an error that is not ours."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(":. ")


class MissingExtraError(RsgadviseError):
    """An optional dependency is needed and absent; the message names the extra to install."""


class HypothesisError(RsgadviseError, ValueError):
    """A value lies outside the range in which a theorem holds.

    Args:
        message: the rule, the value that breaks it, and the fix.
        quantity: the code name of the offending quantity ("stepsize"), so that a caller can
            point at the place it came from.
    """

    def __init__(self, message: str, *, quantity: str = "") -> None:
        self.quantity = quantity
        super().__init__(message)


class InfeasibleError(RsgadviseError):
    """No plan meets the target, whatever the hyper-parameters."""

    exit_code: ClassVar[int] = 1
