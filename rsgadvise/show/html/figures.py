"""Figures as inline SVG, each with a legend in HTML, a description and its numbers as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from rsgadvise.advise.results import Expected
from rsgadvise.ask.curves import Curve, Edge
from rsgadvise.numerals import count, number
from rsgadvise.show.html.markup import Markup, element, grid_html
from rsgadvise.show.plot.figure import Axis, fraction, log_axis
from rsgadvise.show.report.blocks import Column, Grid

_WIDTH, _HEIGHT = 400.0, 285.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 380.0, 26.0, 238.0
_MOST_TICKS = 7
_BEYOND_LIMIT = 2.0  # bounds above the largest gradient say nothing, and get no room
_BEYOND_ADVISED = 3.0
_FAR = 30.0  # a level so many times above all lines is named, not drawn
_VERTICAL = ("range", "certified_range")

_BOUND = "bound on E‖∇f‖²"
_BEST_STEPSIZE = "best stepsize at each point"

_CURVE: Mapping[str, tuple[str, str]] = {
    "iterations": ("Bound against iterations", "Batch size and keep probability as advised."),
    "stepsize": ("Bound against stepsize", "Batch size, iterations and keep probability as advised."),
    "stepsize_factor": (
        "Bound against stepsize",
        "The stepsizes of all layers times one factor; all else as advised.",
    ),
    "batch_size": ("Bound against batch size", "Keep probability as advised."),
}
_AXIS: Mapping[str, str] = {
    "iterations": "iterations N",
    "stepsize": "stepsize γ",
    "stepsize_factor": "multiple of the advised stepsizes",
    "batch_size": "batch size B, in rows",
}
_SERIES: Mapping[str, Mapping[str, str]] = {
    "iterations": {
        "held": "stepsize as advised",
        "best": _BEST_STEPSIZE,
        "certified": "certified bound, stepsize as advised",
    },
    "stepsize": {"held": "bound", "certified": "certified bound"},
    "stepsize_factor": {"held": "bound", "certified": "certified bound"},
    "batch_size": {
        "held": "same iterations and stepsize",
        "same_work": "same work N B, best stepsize",
        "same_work_held": "same work N B, same stepsize",
        "certified": "certified bound, same iterations and stepsize",
    },
}
_EDGE: Mapping[str, str] = {
    "range": "end of the theorem's range",
    "certified_range": "end of the certified range",
    "largest_gradient": "largest squared gradient norm possible",
    "target": "target of one run",
}


class _Frame(NamedTuple):
    """The two axes of a figure, and where values stand, within its width of it whatever they are."""

    across: Axis
    up: Axis

    def x(self, value: float) -> float:
        return _LEFT + _share(self.across, value) * (_RIGHT - _LEFT)

    def y(self, value: float) -> float:
        return _BOTTOM - _share(self.up, value) * (_BOTTOM - _TOP)


def _share(axis: Axis, value: float) -> float:
    return min(max(fraction(axis, value), -1.0), 2.0)


def _on(axis: Axis, value: float) -> bool:
    return axis.low <= value <= axis.high


def _shown(knob: str, value: float) -> str:
    """A value of a knob: whole numbers in full, others with four digits."""
    return count(int(value)) if knob in ("iterations", "batch_size") else number(value)


def _describe(curve: Curve) -> str:
    """A figure in sentences, for whoever does not see it."""
    values = curve.series[0].values
    finite = [(x, y) for x, y in zip(curve.x, values, strict=True) if math.isfinite(y)]
    knob, name = curve.knob, _AXIS[curve.knob]
    text = "Both axes are logarithmic."
    if finite:
        (first, at_first), (last, at_last) = finite[0], finite[-1]
        text += (
            f" From {_shown(knob, first)} to {_shown(knob, last)} the bound goes from {number(at_first)} to "
            f"{number(at_last)}."
        )
    text += f" Advised is a {name} of {_shown(knob, curve.at)}, where the bound is {number(curve.bound)}."
    return text


def _curve_figure(curve: Curve) -> Markup:
    """The bound against one knob."""
    title, note = _CURVE[curve.knob]
    ends = [edge.value for edge in curve.edges if edge.name in _VERTICAL]
    across = log_axis(_AXIS[curve.knob], [*curve.x, *ends], most=_MOST_TICKS)
    frame = _Frame(across, _bound_axis(curve))
    drawn = [edge for edge in curve.edges if _on(across if edge.name in _VERTICAL else frame.up, edge.value)]
    lines = [_line(each.name, _path(frame, curve.x, each.values)) for each in reversed(curve.series)]
    # A bound of 0, that of inputs that are all zero, has no place on a log axis.
    dot = [_dot(frame.x(curve.at), frame.y(curve.bound))] if curve.bound > 0 else []
    names = _SERIES[curve.knob]
    legend = [
        *(_entry(_line(each.name), names[each.name]) for each in curve.series),
        _entry(_dot(14, 6), f"advised: {_shown(curve.knob, curve.at)}, bound {number(curve.bound)}"),
        *(_entry(_edge(edge), _edge_words(curve.knob, edge, shown=edge in drawn)) for edge in curve.edges),
    ]
    columns = (Column(_AXIS[curve.knob]), *(Column(names[each.name]) for each in curve.series))
    rows = tuple(
        (_shown(curve.knob, x), *(number(each.values[index]) for each in curve.series))
        for index, x in enumerate(curve.x)
    )
    return _plot(
        f"curve-{curve.knob}",
        title,
        note,
        says=_describe(curve),
        frame=frame,
        content=[*(_edge(edge, frame) for edge in drawn), *lines, *dot],
        legend=legend,
        grid=Grid(columns, rows),
        best=curve.x.index(curve.at),
    )


def _bound_axis(curve: Curve) -> Axis:
    """A log axis for bounds: down to the lowest, up to what still says something."""
    values = [y for each in curve.series for y in each.values if math.isfinite(y) and y > 0]
    advised = [curve.bound] if curve.bound > 0 else []
    limits = [edge.value for edge in curve.edges if edge.name not in _VERTICAL and edge.value > 0]
    top = max([*values, *advised], default=1.0)
    ceilings = [*(_BEYOND_LIMIT * value for value in limits), *(_BEYOND_ADVISED * y for y in advised)]
    top = min(top, max(ceilings, default=top))
    top = max([top, *(value for value in limits if value <= _FAR * top)])
    shown = [y for y in values if y <= top] or [top / 10]
    return log_axis(_BOUND, [*shown, *(y for y in advised if y <= top), top], most=_MOST_TICKS)


def _line(name: str, d: str = "M0 6H28") -> Markup:
    """A line, or what stands for it in the legend."""
    return element("path", class_=f"line {name}", d=d)


def _path(frame: _Frame, xs: Sequence[float], ys: Sequence[float]) -> str:
    """The line through the points that have a value; it breaks where one has none."""
    parts, pen = [], "M"
    for x, y in zip(xs, ys, strict=True):
        if not math.isfinite(y) or y <= 0:
            pen = "M"
            continue
        parts.append(f"{pen}{frame.x(x):.1f} {frame.y(y):.1f}")
        pen = "L"
    return "".join(parts)


def _edge(edge: Edge, frame: _Frame | None = None) -> Markup:
    """A line over the whole figure, or what stands for it in the legend."""
    if edge.name in _VERTICAL:
        at, low, high = (14.0, 0.0, 12.0) if frame is None else (frame.x(edge.value), _TOP, _BOTTOM)
        return element("line", class_=edge.name, x1=at, x2=at, y1=low, y2=high)
    at, low, high = (6.0, 0.0, 28.0) if frame is None else (frame.y(edge.value), _LEFT, _RIGHT)
    return element("line", class_=edge.name, x1=low, x2=high, y1=at, y2=at)


def _edge_words(knob: str, edge: Edge, *, shown: bool) -> str:
    value = _shown(knob, edge.value) if edge.name in _VERTICAL else number(edge.value)
    return f"{_EDGE[edge.name]}: {value}" + ("" if shown else ", outside the figure")


def _dot(x: float, y: float) -> Markup:
    return element("circle", class_="dot advised", cx=x, cy=y, r=5)


def _entry(swatch: Markup, label: str) -> Markup:
    drawn = element("svg", swatch, viewBox="0 0 28 12", aria_hidden="true")
    return element("li", drawn, element("span", label))


def _axes(frame: _Frame) -> Iterator[Markup]:
    """Grid lines, ticks and the names of both axes."""
    for tick in frame.up.ticks:
        at = frame.y(tick.position)
        yield element("line", class_="grid", x1=_LEFT, x2=_RIGHT, y1=at, y2=at)
        yield element("text", tick.label, x=_LEFT - 6, y=at + 4, text_anchor="end")
    for tick in frame.across.ticks:
        at = frame.x(tick.position)
        yield element("line", class_="grid", x1=at, x2=at, y1=_TOP, y2=_BOTTOM)
        yield element("text", tick.label, x=at, y=_BOTTOM + 17, text_anchor="middle")
    middle, below = (_LEFT + _RIGHT) / 2, _BOTTOM + 39
    yield element("text", frame.across.label, class_="name", x=middle, y=below, text_anchor="middle")
    yield element("path", class_="frame", d=f"M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}")
    yield element("text", frame.up.label, class_="name", x=4, y=14)


def _plot(
    name: str,
    title: str,
    note: str,
    *,
    says: str,
    frame: _Frame,
    content: Iterable[str],
    legend: Iterable[Markup],
    grid: Grid,
    best: int | None = None,
) -> Markup:
    """A figure of two axes with a table of its numbers; `content` is cut off at its edges."""
    box = element("rect", x=_LEFT, y=_TOP - 1, width=_RIGHT - _LEFT, height=_BOTTOM - _TOP + 2)
    clip = element("defs", element("clipPath", box, id=f"{name}-clip"))
    inside = element("g", *content, clip_path=f"url(#{name}-clip)")
    picture = element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", says, id=f"{name}-desc"),
        clip,
        *_axes(frame),
        inside,
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        class_="chart",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )
    caption = element(
        "figcaption",
        element("h3", title),
        element("p", note, class_="note"),
        element("ul", *legend, class_="legend"),
    )
    table = grid_html(grid, f"{title}: the numbers", best=best, class_="scroll tall")
    details = element("details", element("summary", "The numbers of this figure"), table)
    return element("figure", caption, picture, details, id=name)


def learning_figure(
    seen: Sequence[tuple[int, float]],
    expected: Sequence[Expected],
    constant: float,
    apart: Sequence[tuple[int, float]] = (),
) -> Markup:
    """The loss along a run, what is expected of longer ones, and the level of a constant prediction.

    Args:
        seen: (iterations, loss) of a short run, or of whole trainings; losses above 0.
        expected: at the end of trainings, with intervals.
        constant: loss of a constant prediction.
        apart: of whole trainings the same on rows held out.
    """
    run = "whole trainings" if apart else "a short run"
    note = f"Seen in {run}, and expected by following the trend: nine in ten within the band."
    steps, losses = [at for at, _ in seen], [loss for _, loss in seen]
    ahead, middle = [each.iterations for each in expected], [each.loss for each in expected]
    low, high = [each.low for each in expected], [each.high for each in expected]
    others = [loss for _, loss in apart]
    shown = [loss for loss in (*losses, *others, *middle, *low, *high, constant) if loss > 0]
    frame = _Frame(
        log_axis("iterations", [*steps, *ahead], most=_MOST_TICKS),
        log_axis("loss" if apart else "training loss", shown, most=_MOST_TICKS),
    )
    band = _path(frame, [*ahead, *reversed(ahead)], [*high, *reversed(low)])
    height = frame.y(constant)
    content = [
        element("path", class_="band", d=f"{band}Z"),
        element("line", class_="constant", x1=_LEFT, x2=_RIGHT, y1=height, y2=height),
        _line("best", _path(frame, ahead, middle)),
        _line("held", _path(frame, steps, losses)),
        *([_line("apart", _path(frame, [at for at, _ in apart], others))] if apart else []),
    ]
    last, first, longest = seen[-1], expected[0], expected[-1]
    reached = f"{number(longest.loss, 2)} after {count(longest.iterations)}"
    legend = [
        _entry(_line("held"), f"{run}: {number(last[1], 3)} after {count(last[0])} iterations"),
        *([_entry(_line("apart"), f"rows held out: {number(apart[-1][1], 3)}")] if apart else []),
        _entry(_line("best"), f"expected: {reached}"),
        _entry(
            element("line", class_="constant", x1=0, x2=28, y1=6, y2=6),
            f"a constant prediction: {number(constant, 3)}",
        ),
    ]
    columns = (Column("iterations"), Column("loss"), Column("from"), Column("to"))
    rows = (
        *((count(at), number(loss), "", "") for at, loss in seen),
        *((count(e.iterations), number(e.loss), number(e.low), number(e.high)) for e in expected),
    )
    says = (
        f"The loss of {run} falls to {number(last[1], 3)}; {number(first.loss, 2)} is expected after "
        f"{count(first.iterations)} iterations, {reached}."
    )
    figure = _plot(
        "learning",
        "Loss along the training",
        note,
        says=says,
        frame=frame,
        content=content,
        legend=legend,
        grid=Grid(columns, rows),
    )
    return element("div", figure, class_="figures")


def figures(curves: Sequence[Curve]) -> Markup:
    """All figures side by side, or below one another where there is no room."""
    return element("div", *map(_curve_figure, curves), class_="figures")
