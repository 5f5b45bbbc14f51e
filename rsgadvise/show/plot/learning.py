"""The loss along a race's second run, and what is expected of whole trainings."""

from __future__ import annotations

from rsgadvise.numerals import number
from rsgadvise.records import dataclass
from rsgadvise.show.plot import typed
from rsgadvise.show.plot.document import Document
from rsgadvise.show.plot.figure import Level, Panel, Point, Series
from rsgadvise.show.plot.scales import across_axis, log_axis


@dataclass(frozen=True, slots=True)
class _Expected:
    iterations: typed.Positive
    loss: typed.Positive
    low: typed.Positive
    high: typed.Positive


@dataclass(frozen=True, slots=True)
class _Train:
    expected: tuple[_Expected, ...] = ()
    constant_loss: typed.Positive | None = None


@dataclass(frozen=True, slots=True)
class _Pilot:
    curve: tuple[tuple[typed.Positive, typed.Positive], ...] = ()


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
    expected = found.train.expected
    seen = tuple(Point(at, loss) for at, loss in found.pilot.curve)
    ahead = tuple(Point(each.iterations, each.loss, each.low, each.high) for each in expected)
    levels: tuple[Level, ...] = ()
    if found.train.constant_loss is not None:
        constant = found.train.constant_loss
        levels = (Level(f"a constant prediction, {number(constant, 3)}", "limit", constant),)
    values = [loss for _, loss in found.pilot.curve] + [each.low for each in expected]
    values += [each.high for each in expected] + [level.at for level in levels]
    return Panel(
        "Loss along the training",
        across_axis("iterations k", [*(point.at for point in seen), *(point.at for point in ahead)]),
        log_axis("training loss", values),
        (
            Series("seen in a short run", "measured", seen, joined=True),
            Series("expected at the end, nine in ten within", "plan", ahead),
        ),
        levels,
    )
