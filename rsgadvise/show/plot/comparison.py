"""A comparison as a chart: what is guaranteed to each spec, what was measured, and its largest gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from rsgadvise.records import dataclass
from rsgadvise.show.plot import typed
from rsgadvise.show.plot.figure import Axis, Chart, Panel, Role, Series, in_rows, measured_point, no_better
from rsgadvise.show.plot.names import GRADIENT, LIMIT, interval_text, looseness_text, missing_text
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

    def bounds(self, constants: str) -> float | None:
        """The bound of the training that was measured, by one set of constants."""
        return self.bound if constants == "paper" else self.certified_bound


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


def comparison_chart(document: typed.Document) -> Chart:
    """One row for each spec: its bounds, its measured mean, and the largest gradient that it can have.

    With a target the bounds of all are about the same, and what it costs to meet it is a panel of its own.
    """
    found = document.read(_Comparison)
    across = categories("spec", [spec.name for spec in found.specs])
    panels = [_gradients(found, across), *([] if found.compared_by == "bound" else [_costs(found, across)])]
    judged = found.verdict.measured
    told = [found.verdict.text, *([] if judged is None else [judged.text])]
    return Chart(
        title=f"Comparison of {len(found.specs)} specs",
        subtitle=f"{found.constants} constants; {_resources(found)}",
        rows=tuple((panel,) for panel in panels),
        caption=(*told, *_caption(found)),
    )


def _resources(found: _Comparison) -> str:
    """What is equal in all rows, or that nothing is."""
    if found.compared_by != "bound":
        return f"compared by the {_BY[found.compared_by]}"
    if not all(spec.equal_resources for spec in found.specs):
        return "bounds at unequal samples"
    most = found.common_samples
    return "bounds at equal samples" + ("" if most is None else f", at most {most:,}")


def _gradients(found: _Comparison, across: Axis) -> Panel:
    """Bounds of the training that was measured; those of another training say so."""
    specs, judged = found.specs, found.verdict.measured

    def bounds(name: str, role: Role, values: Sequence[float | None]) -> Series:
        pairs = zip(values, specs, strict=True)
        return Series(
            name, role, in_rows(values, [no_better(value, spec.largest_gradient) for value, spec in pairs])
        )

    limits = (point for point in in_rows(s.largest_gradient for s in specs) if point.value is not None)
    series = [Series(f"{LIMIT} of each network", "limit", tuple(limits))]
    if found.constants == "paper":
        series.append(bounds("paper bound", "paper", [spec.bound for spec in specs]))
    elif found.compared_by == "bound":
        name = "paper bound, of the training that the paper's constants advise"
        series.append(bounds(name, "paper", [spec.paper.value for spec in specs]))
    series.append(bounds("certified bound", "certified", [spec.certified_bound for spec in specs]))
    measured = [(float(i), spec.measured) for i, spec in enumerate(specs) if spec.measured is not None]
    if measured:
        ends = (measured_point(at, each.mean, each.lower, each.upper) for at, each in measured)
        name = f"{interval_text(None if judged is None else judged.confidence)}, all together"
        series.append(Series(name, "measured", tuple(point for point in ends if point is not None)))
    shown = tuple(each for each in series if each.points)
    return Panel(
        "Squared gradient norms", across, log_axis(GRADIENT, values_of(shown)), shown, horizontal=True
    )


def _costs(found: _Comparison, across: Axis) -> Panel:
    by, series = found.compared_by, []
    for name in _SETS:
        promises = [spec.promise(name) for spec in found.specs]
        points = in_rows([each.value for each in promises], [each.vacuous for each in promises])
        series.append(Series(f"{by} with {name} constants", name, points))
    value = log_axis(by, values_of(series))
    return Panel(_BY[by].capitalize(), across, value, tuple(series), horizontal=True)


def _caption(found: _Comparison) -> Iterator[str]:
    """How loose the bounds are, what is vacuous, and what is missing."""
    specs = found.specs
    shown = _SETS if found.constants == "paper" else ("certified",)
    for name in shown:
        pairs = [
            (bound, spec.measured.mean)
            for spec in specs
            if (bound := spec.bounds(name)) is not None
            and spec.measured is not None
            and spec.measured.mean is not None
        ]
        yield from looseness_text(f"{name} bound", pairs, "specs")
    for name in shown:
        vacuous = sum(no_better(spec.bounds(name), spec.largest_gradient) for spec in specs)
        if vacuous:
            many = f"{vacuous} of {len(specs)} specs"
            yield f"The {name} bound is vacuous (hollow) for {many}: not below the limit."
        lacking = [(s.name, s.promise(name).notes or s.notes) for s in specs if s.bounds(name) is None]
        yield from missing_text(f"{name} bound", lacking)
    if found.compared_by != "bound":
        for role in _SETS:
            none = [(s.name, s.promise(role).notes) for s in specs if s.promise(role).value is None]
            yield from missing_text(f"plan with {role} constants", none)
    below = sum(1 for spec in specs if spec.measured is not None and (spec.measured.mean or 0) <= 0)
    if below:
        many = f"{below} of {len(specs)} specs"
        yield f"For {many} the measured mean is not above 0: only its upper limit shows."
