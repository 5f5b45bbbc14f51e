"""A verification as a chart: each bound beside what was measured, coloured by its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from rsgadvise.records import dataclass
from rsgadvise.show.plot import typed
from rsgadvise.show.plot.figure import Chart, Panel, Point, Role, Series, measured_point
from rsgadvise.show.plot.names import GRADIENT, interval_text, looseness_text, shortened
from rsgadvise.show.plot.scales import categories, log_axis, values_of

_PANELS = {
    "squared_gradient": ("Squared gradient norms", GRADIENT),
    "miss_probability": ("(ε, δ)-solutions", "share of repetitions that miss ε"),
}
_VERDICTS: tuple[Role, ...] = ("consistent", "falsified", "inconclusive")
_OUTCOMES: tuple[Role, ...] = (*_VERDICTS, "approximate")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    verdict: Annotated[typed.Text, typed.one_of(_VERDICTS)]
    quantity: Annotated[typed.Text, typed.one_of(_PANELS)] = "squared_gradient"
    name: typed.Name
    constants: typed.Text
    bound: typed.Positive | None
    lower: typed.Number | None
    measured: Annotated[typed.Number | None, typed.at_least("lower")]
    upper: Annotated[typed.Number | None, typed.at_least("lower", "measured")]
    expected: typed.Text
    approximate: typed.Flag
    vacuous: typed.Flag = False
    checked: typed.Flag = True
    notes: typed.Entries[typed.Text] = ()

    @property
    def label(self) -> str:
        """Case, constants, and a star where a falsification is expected."""
        whose = "" if self.name.endswith(f", {self.constants}") else f", {self.constants}"
        return f"{self.name}{whose}{' *' if self.expected == 'falsified' else ''}"

    @property
    def outcome(self) -> str:
        """The verdict, or that it is none."""
        return "approximate" if self.approximate else self.verdict


@dataclass(frozen=True, slots=True)
class _Verification:
    cases: typed.Entries[_Case]
    confidence: typed.Probability
    seed: typed.Whole
    verdict: typed.Text


def verdicts_chart(document: typed.Document) -> Chart:
    """One row for each bound: the measured mean with its interval, and the bound by its verdict."""
    found = document.read(_Verification)
    cases, confidence = found.cases, found.confidence
    panels = [
        _panel([case for case in cases if case.quantity == quantity], quantity, confidence)
        for quantity in dict.fromkeys(case.quantity for case in cases)
    ]
    return Chart(
        title=f"Verification: {found.verdict}",
        subtitle=f"{len(cases)} bounds; confidence {confidence:.15g} over all of them; seed {found.seed}",
        rows=tuple((panel,) for panel in panels),
        caption=tuple(_caption(cases)),
    )


def _panel(cases: Sequence[_Case], quantity: str, confidence: float) -> Panel:
    title, label = _PANELS[quantity]
    found = (measured_point(float(i), c.measured, c.lower, c.upper) for i, c in enumerate(cases))
    measured = tuple(point for point in found if point is not None)
    series = [Series(f"{interval_text(confidence)}, all together", "measured", measured)]
    for outcome in _OUTCOMES:
        points = tuple(
            Point(float(index), case.bound, hollow=case.vacuous)
            for index, case in enumerate(cases)
            if case.outcome == outcome and case.checked and case.bound is not None
        )
        if points:
            series.append(Series(f"bound, {outcome}", outcome, points))
    without = tuple(
        Point(float(index), case.bound)
        for index, case in enumerate(cases)
        if case.bound is None or not case.checked
    )
    if without:
        series.append(Series("no bound to check", "unchecked", without))
    across = categories("case and constants", [case.label for case in cases])
    return Panel(title, across, log_axis(label, values_of(series)), tuple(series), horizontal=True)


def _caption(cases: Sequence[_Case]) -> Iterator[str]:
    """Tightness of the two kinds of bounds, and what the marks mean."""
    gradients = [case for case in cases if case.quantity == "squared_gradient"]
    for constants in dict.fromkeys(case.constants for case in gradients):
        pairs = [
            (case.bound, case.measured)
            for case in gradients
            if case.constants == constants and case.bound is not None and case.measured is not None
        ]
        yield from looseness_text(f"{constants} bound", pairs, "cases")
    if any(case.expected == "falsified" for case in cases):
        yield "*: the paper's constants are not valid there, and the verification must find it out."
    if any(case.approximate for case in cases):
        yield (
            "Approximate: undecided, since the runs ended before a rigorous decision; the upper limit drawn "
            "is Student's, which promises nothing."
        )
    if any(case.vacuous for case in cases):
        yield "Hollow: vacuous, no better than the largest squared gradient possible."
    below = sum(1 for case in cases if case.measured is not None and case.measured <= 0)
    if below:
        yield f"At {below} of {len(cases)} bounds the measured mean is 0, so that only its upper limit shows."
    for case in cases:
        if case.bound is None:
            why = f": {case.notes[0].rstrip('.')}" if case.notes else ""
            yield f"No bound (× at the edge) for {case.label}{shortened(why, 160)}."
