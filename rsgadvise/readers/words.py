"""What messages call the choices that a reader leaves to its user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Where a user says what to read; the fix in a message must be one that the command at hand takes.

    Args:
        array: where the array of the features is named.
        target: where the targets are named.
        exclude: where columns are left out; None where they cannot be.
    """

    array: str = "--array"
    target: str = "--target"
    exclude: str | None = "--exclude"

    @property
    def leave_out(self) -> str:
        """What to do about a column that is no feature."""
        return "take it out of the file" if self.exclude is None else f"leave it out with {self.exclude}"

    def no_number(self, *, named: bool) -> str:
        """What to do about a column that holds no numbers; `named`: whether the targets are known."""
        if named:
            return self.leave_out
        return f"if the column is the target, name it with {self.target}, else {self.leave_out}"
