"""The loss along a race's second run, and what is expected of whole trainings."""

from __future__ import annotations

from rsgadvise.numerals import number
from rsgadvise.records import dataclass
from rsgadvise.show.plot import typed
from rsgadvise.show.plot.document import Document
from rsgadvise.show.plot.figure import Level, Panel, Point, Series, measured_point
from rsgadvise.show.plot.scales import across_axis, log_axis, values_of


@dataclass(frozen=True, slots=True)
class _Expected:
    iterations: typed.Positive
    loss: typed.Number
    low: typed.Number
    high: typed.Number


@dataclass(frozen=True, slots=True)
class _Train:
    expected: tuple[_Expected, ...] = ()
    constant_loss: typed.Number | None = None


@dataclass(frozen=True, slots=True)
class _Pilot:
    curve: tuple[tuple[typed.Positive, typed.Number | None], ...] = ()


@dataclass(frozen=True, slots=True)
class _Advice:
    train: _Train | None = None
    pilot: _Pilot | None = None


def learning_panel(document: Document) -> Panel | None:
    """Losses over iterations, both on logarithmic axes; None of an advice that expects nothing.

    Raises:
        DataError: a value is of another kind.
    """
    found = document.read(_Advice)
    if found.train is None or found.pilot is None or not (found.train.expected and found.pilot.curve):
        return None
    seen = tuple(Point(at, loss) for at, loss in found.pilot.curve if loss is not None and loss > 0)
    ends = (measured_point(each.iterations, each.loss, each.low, each.high) for each in found.train.expected)
    ahead = tuple(point for point in ends if point is not None)
    levels: tuple[Level, ...] = ()
    if found.train.constant_loss:
        constant = found.train.constant_loss
        levels = (Level(f"a constant prediction, {number(constant, 3)}", "limit", constant),)
    series = (
        Series("seen in a short run", "measured", seen, joined=True),
        Series("expected at the end, nine in ten within", "plan", ahead),
    )
    return Panel(
        "Loss along the training",
        across_axis("iterations k", [*(point.at for point in seen), *(point.at for point in ahead)]),
        log_axis("training loss", [*values_of(series), *(level.at for level in levels)]),
        series,
        levels,
    )
