"""A comparison as a chart: what is guaranteed to each spec, what was measured, and its largest gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rsgadvise.show.plot.document import Entry
from rsgadvise.show.plot.figure import Axis, Chart, Panel, Point, Role, Series, measured_point
from rsgadvise.show.plot.names import (
    GRADIENT,
    interval_text,
    limit_name,
    looseness_text,
    missing_text,
    shortened,
)
from rsgadvise.show.plot.scales import categories, log_axis, values_of

_BY = {
    "bound": "bounds",
    "samples": "samples that meet the target",
    "seconds": "seconds that meet the target",
}
_SETS: tuple[Role, ...] = ("paper", "certified")
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class _Promise:
    """A guarantee of one set of constants."""

    value: float | None
    vacuous: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Spec:
    name: str
    bound: float | None
    certified: float | None
    limit: float | None
    promises: dict[Role, _Promise]
    measured: bool
    mean: float | None
    lower: float | None
    upper: float | None
    notes: tuple[str, ...]

    def no_better(self, value: float | None) -> bool:
        """Whether a bound is no better than the largest gradient of this network."""
        return value is not None and self.limit is not None and value >= self.limit


def comparison_chart(document: Entry) -> Chart:
    """One row for each spec: its bounds, its measured mean, and the largest gradient that it can have.

    With a target the bounds of all are about the same, and what it costs to meet it is a panel of its own.

    Raises:
        DataError: there are no specs, a key is missing, or a value is of another kind.
    """
    entries = document["specs"].entries()
    if not entries:
        document["specs"].fail("must hold at least one spec", "compare two or more")
    by, constants = document["compared_by"], document["constants"].text()
    if by.text() not in _BY:
        by.fail(f"must be one of {', '.join(_BY)}")
    if constants not in _SETS:
        document["constants"].fail(f"must be one of {', '.join(_SETS)}")
    verdict = document["verdict"]
    judged = verdict.get("measured")
    confidence = None if judged is None else judged["confidence"].probability()
    specs = [_spec(entry) for entry in entries]
    across = categories("spec", [spec.name for spec in specs])
    panels = [_gradients(specs, across, by.text(), constants, confidence)]
    if by.text() != "bound":
        panels.append(_costs(specs, across, by.text()))
    told = [verdict["text"].text(), *([] if judged is None else [judged["text"].text()])]
    return Chart(
        title=f"Comparison of {len(specs)} specs",
        subtitle=f"{constants} constants; {_resources(document, by.text(), entries)}",
        rows=tuple((panel,) for panel in panels),
        caption=(*told, *_caption(specs, by.text(), constants)),
    )


def _resources(document: Entry, by: str, entries: Sequence[Entry]) -> str:
    """What is equal in all rows, or that nothing is."""
    if by != "bound":
        return f"compared by the {_BY[by]}"
    common = document.get("common_samples")
    equal = all(entry["equal_resources"].flag() for entry in entries)
    if not equal:
        return "bounds at unequal samples"
    return "bounds at equal samples" + ("" if common is None else f", at most {common.whole():,}")


def _spec(entry: Entry) -> _Spec:
    measured = entry.get("measured")
    mean, lower, upper = (None, None, None) if measured is None else measured.interval("mean")
    return _Spec(
        name=shortened(entry["name"].text(), _LONGEST_NAME),
        bound=entry.maybe_positive("bound"),
        certified=entry.maybe_positive("certified_bound"),
        limit=entry.maybe_positive("largest_gradient"),
        promises={name: _promise(entry[name]) for name in _SETS},
        measured=measured is not None,
        mean=mean,
        lower=lower,
        upper=upper,
        notes=entry.sentences("notes"),
    )


def _promise(entry: Entry) -> _Promise:
    return _Promise(entry.maybe_positive("value"), entry["vacuous"].flag(), entry.sentences("notes"))


def _gradients(
    specs: Sequence[_Spec], across: Axis, by: str, constants: str, confidence: float | None
) -> Panel:
    """Bounds of the training that was measured; those of another training say so."""
    series = [
        Series(
            f"{limit_name()} of each network",
            "limit",
            tuple(Point(float(i), spec.limit) for i, spec in enumerate(specs) if spec.limit is not None),
        )
    ]
    if constants == "paper":
        series.append(_bounds(specs, "paper bound", "paper", [spec.bound for spec in specs]))
    elif by == "bound":
        name = "paper bound, of the training that the paper's constants advise"
        series.append(_bounds(specs, name, "paper", [spec.promises["paper"].value for spec in specs]))
    series.append(_bounds(specs, "certified bound", "certified", [spec.certified for spec in specs]))
    if any(spec.measured for spec in specs):
        found = (measured_point(float(i), s.mean, s.lower, s.upper) for i, s in enumerate(specs))
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
                Point(float(index), spec.promises[name].value, hollow=spec.promises[name].vacuous)
                for index, spec in enumerate(specs)
            ),
        )
        for name in _SETS
    )
    return Panel(_BY[by].capitalize(), across, log_axis(by, values_of(series)), series, horizontal=True)


def _caption(specs: Sequence[_Spec], by: str, constants: str) -> Iterator[str]:
    """How loose the bounds are, what is vacuous, and what is missing."""
    shown = {"certified": [spec.certified for spec in specs]}
    if constants == "paper":
        shown = {"paper": [spec.bound for spec in specs], **shown}
    for name, values in shown.items():
        pairs = [
            (value, spec.mean)
            for spec, value in zip(specs, values, strict=True)
            if value is not None and spec.mean is not None
        ]
        yield from looseness_text(f"{name} bound", pairs, "specs")
    for name, values in shown.items():
        vacuous = sum(spec.no_better(value) for spec, value in zip(specs, values, strict=True))
        if vacuous:
            many = f"{vacuous} of {len(specs)} specs"
            yield f"The {name} bound is vacuous (hollow) for {many}: not below the limit."
        lacking = [
            (spec.name, spec.promises[name].notes or spec.notes)  # type: ignore[index]
            for spec, value in zip(specs, values, strict=True)
            if value is None
        ]
        yield from missing_text(f"{name} bound", lacking)
    if by != "bound":
        for role in _SETS:
            none = [(s.name, s.promises[role].notes) for s in specs if s.promises[role].value is None]
            yield from missing_text(f"plan with {role} constants", none)
    below = sum(1 for spec in specs if spec.measured and (spec.mean is None or spec.mean <= 0))
    if below:
        many = f"{below} of {len(specs)} specs"
        yield f"For {many} the measured mean is not above 0: only its upper limit shows."
