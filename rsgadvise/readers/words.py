"""What messages call the choices that a reader leaves to its user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Where a user says what to read; the fix in a message must be one that the command at hand takes.

    Args:
        array: where the array of the features is named.
        target: where the targets are named.
        leave_out: how a column is left out.
    """

    array: str = "--array"
    target: str = "--target"
    leave_out: str = "leave it out with --exclude"
