"""Short training runs on the user's data: what they measure, and what to choose by it."""

from rsgadvise.errors import UsageError

__all__ = ["LARGEST_PILOT", "SMALLEST_PILOT", "check_pilot"]

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
