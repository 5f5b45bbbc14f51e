"""Short training runs on the user's data: what they measure, and what to choose by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rsgadvise.errors import UsageError

if TYPE_CHECKING:
    from rsgadvise.bounds.objective import ConstantsName

__all__ = ["LARGEST_PILOT", "SMALLEST_PILOT", "check_pilot", "constants_for"]

SMALLEST_PILOT, LARGEST_PILOT = 0.1, 100.0  # calibration alone takes half of the smallest


def check_pilot(pilot: float, *, name: str) -> None:
    """Refuse a pilot of a size that none can have; `name` is what the user calls it.

    Raises:
        UsageError: it is neither 0 nor within the range.
    """
    if not (pilot == 0 or SMALLEST_PILOT <= pilot <= LARGEST_PILOT):
        raise UsageError(
            f"{name} must be 0, or from {SMALLEST_PILOT:g} to {LARGEST_PILOT:g} trainings; got {pilot:g}; "
            "1 is at most the cost of one training"
        )


def constants_for(given: ConstantsName | None, *, pilot: float) -> ConstantsName:
    """The constants of the bounds; where nobody chose, those that a race measures anyway.

    Example:
        >>> constants_for(None, pilot=0.0), constants_for(None, pilot=1.0), constants_for("paper", pilot=1.0)
        ('paper', 'calibrated', 'paper')
    """
    if given is not None:
        return given
    return "calibrated" if pilot else "paper"
