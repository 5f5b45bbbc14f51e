"""A comparison as a chart: what is guaranteed to each spec, what was measured, and its largest gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from rsgadvise.records import dataclass
from rsgadvise.show.plot import typed
from rsgadvise.show.plot.document import Document
from rsgadvise.show.plot.figure import Axis, Chart, Panel, Point, Role, Series, measured_point
from rsgadvise.show.plot.names import (
    GRADIENT,
    interval_text,
    limit_name,
    looseness_text,
    missing_text,
)
from rsgadvise.show.plot.scales import categories, log_axis, values_of

_BY = {
    "bound": "bounds",
    "samples": "samples that meet the target",
    "seconds": "seconds that meet the target",
}
_SETS: tuple[Role, ...] = ("paper", "certified")


@dataclass(frozen=True, slots=True)
class _Promise:
    """A guarantee of one set of constants."""

    value: typed.Positive | None
    vacuous: typed.Flag
    notes: typed.Entries[typed.Text] = ()


@dataclass(frozen=True, slots=True)
class _Measured:
    lower: typed.Number | None
    mean: Annotated[typed.Number | None, typed.at_least("lower")]
    upper: Annotated[typed.Number | None, typed.at_least("lower", "mean")]


@dataclass(frozen=True, slots=True)
class _Spec:
    name: typed.Name
    bound: typed.Positive | None
    certified_bound: typed.Positive | None
    largest_gradient: typed.Positive | None
    equal_resources: typed.Flag
    paper: _Promise
    certified: _Promise
    measured: _Measured | None = None
    notes: typed.Entries[typed.Text] = ()

    def promise(self, constants: str) -> _Promise:
        """The guarantee of one set of constants."""
        return self.paper if constants == "paper" else self.certified

    def no_better(self, value: float | None) -> bool:
        """Whether a bound is no better than the largest gradient of this network."""
        return value is not None and self.largest_gradient is not None and value >= self.largest_gradient


@dataclass(frozen=True, slots=True)
class _Judged:
    confidence: typed.Probability
    text: typed.Text


@dataclass(frozen=True, slots=True)
class _Verdict:
    text: typed.Text
    measured: _Judged | None = None


@dataclass(frozen=True, slots=True)
class _Comparison:
    specs: typed.Entries[_Spec]
    compared_by: Annotated[typed.Text, typed.one_of(_BY)]
    constants: Annotated[typed.Text, typed.one_of(_SETS)]
    verdict: _Verdict
    common_samples: typed.Whole | None = None


def comparison_chart(document: Document) -> Chart:
    """One row for each spec: its bounds, its measured mean, and the largest gradient that it can have.

    With a target the bounds of all are about the same, and what it costs to meet it is a panel of its own.

    Raises:
        DataError: a key is missing, or a value is of another kind.
    """
    found = document.read(_Comparison)
    specs, by, constants, judged = found.specs, found.compared_by, found.constants, found.verdict.measured
    across = categories("spec", [spec.name for spec in specs])
    panels = [_gradients(specs, across, by, constants, None if judged is None else judged.confidence)]
    if by != "bound":
        panels.append(_costs(specs, across, by))
    told = [found.verdict.text, *([] if judged is None else [judged.text])]
    return Chart(
        title=f"Comparison of {len(specs)} specs",
        subtitle=f"{constants} constants; {_resources(found)}",
        rows=tuple((panel,) for panel in panels),
        caption=(*told, *_caption(specs, by, constants)),
    )


def _resources(found: _Comparison) -> str:
    """What is equal in all rows, or that nothing is."""
    if found.compared_by != "bound":
        return f"compared by the {_BY[found.compared_by]}"
    if not all(spec.equal_resources for spec in found.specs):
        return "bounds at unequal samples"
    most = found.common_samples
    return "bounds at equal samples" + ("" if most is None else f", at most {most:,}")


def _gradients(
    specs: Sequence[_Spec], across: Axis, by: str, constants: str, confidence: float | None
) -> Panel:
    """Bounds of the training that was measured; those of another training say so."""
    series = [
        Series(
            f"{limit_name()} of each network",
            "limit",
            tuple(
                Point(float(i), spec.largest_gradient)
                for i, spec in enumerate(specs)
                if spec.largest_gradient is not None
            ),
        )
    ]
    if constants == "paper":
        series.append(_bounds(specs, "paper bound", "paper", [spec.bound for spec in specs]))
    elif by == "bound":
        name = "paper bound, of the training that the paper's constants advise"
        series.append(_bounds(specs, name, "paper", [spec.paper.value for spec in specs]))
    series.append(_bounds(specs, "certified bound", "certified", [spec.certified_bound for spec in specs]))
    measured = [(float(i), spec.measured) for i, spec in enumerate(specs) if spec.measured is not None]
    if measured:
        found = (measured_point(at, each.mean, each.lower, each.upper) for at, each in measured)
        points = tuple(point for point in found if point is not None)
        series.append(Series(f"{interval_text(confidence)}, all together", "measured", points))
    shown = tuple(each for each in series if each.points)
    return Panel(
        "Squared gradient norms", across, log_axis(GRADIENT, values_of(shown)), shown, horizontal=True
    )


def _bounds(specs: Sequence[_Spec], name: str, role: Role, values: Sequence[float | None]) -> Series:
    points = (
        Point(float(index), value, hollow=spec.no_better(value))
        for index, (spec, value) in enumerate(zip(specs, values, strict=True))
    )
    return Series(name, role, tuple(points))


def _costs(specs: Sequence[_Spec], across: Axis, by: str) -> Panel:
    series = tuple(
        Series(
            f"{by} with {name} constants",
            name,
            tuple(
                Point(float(index), spec.promise(name).value, hollow=spec.promise(name).vacuous)
                for index, spec in enumerate(specs)
            ),
        )
        for name in _SETS
    )
    return Panel(_BY[by].capitalize(), across, log_axis(by, values_of(series)), series, horizontal=True)


def _caption(specs: Sequence[_Spec], by: str, constants: str) -> Iterator[str]:
    """How loose the bounds are, what is vacuous, and what is missing."""
    shown = {"certified": [spec.certified_bound for spec in specs]}
    if constants == "paper":
        shown = {"paper": [spec.bound for spec in specs], **shown}
    for name, values in shown.items():
        pairs = [
            (value, spec.measured.mean)
            for spec, value in zip(specs, values, strict=True)
            if value is not None and spec.measured is not None and spec.measured.mean is not None
        ]
        yield from looseness_text(f"{name} bound", pairs, "specs")
    for name, values in shown.items():
        vacuous = sum(spec.no_better(value) for spec, value in zip(specs, values, strict=True))
        if vacuous:
            many = f"{vacuous} of {len(specs)} specs"
            yield f"The {name} bound is vacuous (hollow) for {many}: not below the limit."
        lacking = [
            (spec.name, spec.promise(name).notes or spec.notes)
            for spec, value in zip(specs, values, strict=True)
            if value is None
        ]
        yield from missing_text(f"{name} bound", lacking)
    if by != "bound":
        for role in _SETS:
            none = [(s.name, s.promise(role).notes) for s in specs if s.promise(role).value is None]
            yield from missing_text(f"plan with {role} constants", none)
    below = sum(1 for spec in specs if spec.measured is not None and (spec.measured.mean or 0) <= 0)
    if below:
        many = f"{below} of {len(specs)} specs"
        yield f"For {many} the measured mean is not above 0: only its upper limit shows."
