"""Short training runs on the user's data: what they measure, and what to choose by it."""

from __future__ import annotations

from rsgadvise.errors import UsageError
from rsgadvise.records import dataclass
from rsgadvise.theory import DEFAULT, ConstantsName, about, all_constants

__all__ = ["AUTO", "DEFAULT_WORK", "LARGEST_PILOT", "SMALLEST_PILOT", "Asked", "Effort"]

DEFAULT_WORK = 1e11
"""Multiply-adds: about ten seconds of one core, at 10^10 a second in single precision."""

SMALLEST_PILOT, LARGEST_PILOT = 0.1, 100.0  # calibration alone takes half of the smallest

Asked = ConstantsName  # or AUTO
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Effort:
    """Whose constants an advice is by, and what may be spent on it.

    Attributes:
        constants: of the ranks. auto measures and races on the data where there are any; else it trains by
            typical constants, and ranks by the theorem that proves more.
        pilot: trainings that a race may cost, 0 for none; None lets auto choose within `work`.
        work: multiply-adds that auto may spend on training; None for the default.
        seed: of all randomness.
        single: whether what is advised is to be trained with one constant stepsize.
    """

    constants: Asked = AUTO
    pilot: float | None = None
    work: float | None = None
    seed: int = 0
    single: bool = False

    @property
    def automatic(self) -> bool:
        """Whether nobody named any constants."""
        return self.constants == AUTO

    @property
    def allowed(self) -> float:
        """Multiply-adds that auto may spend on training."""
        return DEFAULT_WORK if self.work is None else self.work

    @property
    def trains(self) -> bool:
        """Whether the advice is measured on the user's rows, where there are any.

        Example:
            >>> Effort().trains, Effort("paper").trains, Effort("paper", pilot=1.0).trains
            (True, False, True)
        """
        return self.automatic or self.needs_data

    @property
    def needs_data(self) -> bool:
        """Whether it has no answer without rows."""
        return about(self.constants).on_rows or bool(self.pilot)

    def check(self, *, option: str = "") -> None:
        """Refuse what no advice can have; `option` stands before the names, as -- on the command line.

        Raises:
            UsageError: a value is out of range.
        """
        known = (AUTO, *all_constants(DEFAULT if self.automatic else self.constants))
        if self.constants not in known:
            raise UsageError(
                f"{option}constants must be one of {', '.join(known)}; got {self.constants!r}; change it"
            )
        pilot = self.pilot
        if pilot and not SMALLEST_PILOT <= pilot <= LARGEST_PILOT:
            raise UsageError(
                f"{option}pilot must be 0, or from {SMALLEST_PILOT:g} to {LARGEST_PILOT:g} trainings; got "
                f"{pilot:g}; 1 is at most the cost of one training"
            )
        if self.work is not None and not 0 < self.work < float("inf"):
            raise UsageError(
                f"{option}work must be a number of multiply-adds above 0, such as 2e10; got {self.work:g}; "
                "leave it out for the default"
            )
        if self.seed < 0:
            raise UsageError(f"{option}seed must be at least 0; got {self.seed}; raise it")
