"""Figures as inline SVG, each with a legend in HTML, a description and its numbers as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from rsgadvise.advise.results import Expected
from rsgadvise.ask.curves import Curve, Edge, Mark, Stack, Tradeoff
from rsgadvise.numerals import count, number, percent
from rsgadvise.records import dataclass
from rsgadvise.show.html import words
from rsgadvise.show.html.markup import Markup, element, grid_html, joined
from rsgadvise.show.report.blocks import Column, Grid

# Axes: where a value lies, and which values are worth a tick.

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FEWEST = 3
_SHORT = (0.000999, 99_999.0)
_MOST_DECADES = 120  # between two ticks
_ENDS = 1e-280, 1e280  # of the values on an axis, so that there is room beside them


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from values to coordinates; `start` is where `low` lies.

    Attributes:
        low, high: ends in values, above 0 on a log scale.
        start, end: ends in coordinates, in either order.
        log: whether equal steps are equal factors.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = True

    def at(self, value: float) -> float:
        """Coordinate of a value, within a figure's width of the axis whatever the value."""
        if self.log:
            share = _decades_between(self.low, value) / _decades_between(self.low, self.high)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, -1.0), 2.0) * (self.end - self.start)

    def shows(self, value: float) -> bool:
        """Whether a value lies on the axis."""
        return self.low <= value <= self.high

    def ticks(self, most: int = 6) -> tuple[tuple[float, str], ...]:
        """(value, label) of three to `most` round values.

        Example:
            >>> Axis(50, 2e5, 0, 1).ticks()
            ((100.0, '10²'), (1000.0, '10³'), (10000.0, '10⁴'), (100000.0, '10⁵'))
            >>> Axis(0.0511, 0.0527, 0, 1).ticks(4)
            ((0.0515, '0.0515'), (0.052, '0.052'), (0.0525, '0.0525'))
        """
        if self.log:
            choices = (*_decades(self.low, self.high), *_fractions(self.low, self.high))
            fitting = [values for values in choices if len(values) <= most]
            enough = next((values for values in fitting if len(values) >= _FEWEST), None)
            if enough is None and self.high > 10 * self.low:
                enough = max(fitting, key=len)
            if enough is not None:
                return tuple(zip(enough, labels(enough), strict=True))
        return _steps(self.low, self.high, most)


def log_axis(values: list[float], start: float, end: float, *, room: float = 1.0) -> Axis:
    """A log axis that holds the values, with a little room at both ends.

    Args:
        values: above 0, at least one.
        start, end: coordinates.
        room: per cent of the axis at either end.
    """
    low, high = (min(max(end, _ENDS[0]), _ENDS[1]) for end in (min(values), max(values)))
    if high < low * 1.02:  # a constant needs an axis too
        low, high = low / 1.1, high * 1.1
    margin = 10 ** (_decades_between(low, high) * room / 100)
    return Axis(low / margin, high * margin, start, end)


def _decades_between(low: float, high: float) -> float:
    """The logarithm of a quotient that may be no number."""
    return math.log10(high) - math.log10(low)


def labels(values: Sequence[float]) -> tuple[str, ...]:
    """Tick values of one axis, above 0, all in one style: plain if each of them is short, else powers of ten.

    Example:
        >>> labels([0.001, 0.1, 10.0]), labels([5e3, 1e4, 2e4])
        (('0.001', '0.1', '10'), ('5,000', '10,000', '20,000'))
        >>> labels([0.0001, 0.05, 1.0]), labels([2000.0, 1e6])
        (('10⁻⁴', '5×10⁻²', '10⁰'), ('2×10³', '10⁶'))
    """
    if all(_SHORT[0] <= value <= _SHORT[1] for value in values):
        return tuple(f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values)
    return tuple(_power(value) for value in values)


def _power(value: float, digits: int = 3) -> str:
    """A value above 0 with a power of ten."""
    exponent = math.floor(math.log10(value) + 1e-9)
    lead = f"{value / 10.0**exponent:.{digits}g}"
    power = f"10{str(exponent).translate(_SUPERSCRIPTS)}"
    return power if lead == "1" else f"{lead}×{power}"


def _inside(values: list[float], low: float, high: float) -> list[float]:
    return [value for value in values if low <= value <= high]


def _decades(low: float, high: float) -> list[list[float]]:
    """Powers of ten, then every second, third and so on of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    spans = [[k for k in range(first, last + 1) if k % step == 0] for step in range(1, _MOST_DECADES)]
    return [_inside([float(f"1e{k}") for k in exponents], low, high) for exponents in spans]


def _fractions(low: float, high: float) -> list[list[float]]:
    """1, 2 and 5, or 1 and 3, of each power of ten."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [
        _inside([float(f"{lead}e{k}") for k in range(first, last + 1) for lead in leads], low, high)
        for leads in ((1, 3), (1, 2, 5))
    ]


def _steps(low: float, high: float, most: int) -> tuple[tuple[float, str], ...]:
    """Equal steps of 1, 2 or 5 times a power of ten."""
    exponent = math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10, 20, 50):
        step = factor * 10.0**exponent
        first = math.ceil(low / step - 1e-9)
        count = math.floor(high / step + 1e-9) - first + 1
        if count <= most:
            break
    values = [(first + index) * step for index in range(max(count, 0))]
    return tuple(
        (float(f"{value:.12g}"), text) for value, text in zip(values, _plain(values, exponent), strict=True)
    )


def _plain(values: Sequence[float], exponent: int) -> tuple[str, ...]:
    """Values that differ by steps of 10**exponent, all in one style."""
    sizes = [abs(value) for value in values if value]
    if sizes and (min(sizes) < 1e-4 or max(sizes) >= 1e6):
        digits = max(3, math.floor(math.log10(max(sizes))) - exponent + 1)
        return tuple(
            "0" if not value else f"{'-' if value < 0 else ''}{_power(abs(value), digits)}"
            for value in values
        )
    texts = [f"{value:,.{max(0, -exponent)}f}" for value in values]
    return tuple(text.rstrip("0").rstrip(".") if "." in text else text for text in texts)


_WIDTH, _HEIGHT = 400.0, 285.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 388.0, 26.0, 238.0
_BEYOND_LIMIT = 2.0  # bounds above the largest gradient say nothing, and get no room
_BEYOND_ADVISED = 3.0
_FAR = 30.0  # a level so many times above all lines is named, not drawn
_VERTICAL = ("range", "certified_range")
_BAR, _GAP = 22.0, 12.0
_STACKS_TOP = 6.0
_ROOM_FOR_SHARE = 0.13  # of the width, for a share to be written into its bar


@dataclass(frozen=True, slots=True)
class _Frame:
    """The two axes of a figure, and their names."""

    across: Axis
    up: Axis
    x_name: str
    y_name: str

    def point(self, x: float, y: float) -> tuple[float, float]:
        return self.across.at(x), self.up.at(y)


def _curve_figure(curve: Curve) -> Markup:
    """The bound against one knob."""
    title, note = words.CURVE[curve.knob]
    levels = [edge for edge in curve.edges if edge.name not in _VERTICAL]
    ends = [edge for edge in curve.edges if edge.name in _VERTICAL]
    up = _bound_axis(curve, levels)
    across = log_axis([*curve.x, *(edge.value for edge in ends)], _LEFT, _RIGHT)
    frame = _Frame(across, up, words.AXIS[curve.knob], words.BOUND)
    name = f"curve-{curve.knob}"
    drawn = [edge for edge in curve.edges if _on(frame, edge)]
    lines = [
        element("path", class_=f"line {each.name}", d=_path(frame, curve.x, each.values))
        for each in reversed(curve.series)
    ]
    content = [*(_edge(frame, edge) for edge in drawn), *lines]
    # A bound of 0, that of inputs that are all zero, has no place on a log axis.
    dots = [_dot(mark, *frame.point(mark.x, mark.y)) for mark in reversed(curve.marks) if mark.y > 0]
    legend = [
        *(
            _entry(element("path", class_=f"line {each.name}", d="M0 6H28"), _series(curve, each.name))
            for each in curve.series
        ),
        *(_entry(_dot(mark, 14, 6), _mark(curve.knob, mark)) for mark in curve.marks),
        *(
            _entry(_edge_swatch(edge), _edge_words(curve.knob, edge, shown=edge in drawn))
            for edge in curve.edges
        ),
    ]
    picture = _picture(name, title, says=words.describe(curve), frame=frame, content=content, dots=dots)
    return _figure(
        name,
        title,
        note=note,
        legend=legend,
        picture=picture,
        grid=_curve_grid(curve),
        best=curve.x.index(curve.at),
    )


def _series(curve: Curve, name: str) -> str:
    return words.SERIES[curve.knob][name]


def _bound_axis(curve: Curve, levels: Sequence[Edge]) -> Axis:
    """A log axis for bounds: down to the lowest, up to what still says something."""
    values = [y for each in curve.series for y in each.values if math.isfinite(y) and y > 0]
    marks = [mark.y for mark in curve.marks if mark.y > 0]
    limits = [edge.value for edge in levels if edge.value > 0]
    top = max([*values, *marks], default=1.0)
    ceilings = [*(_BEYOND_LIMIT * value for value in limits), *(_BEYOND_ADVISED * y for y in marks[:1])]
    top = min(top, max(ceilings, default=top))
    top = max([top, *(value for value in limits if value <= _FAR * top)])
    shown = [y for y in values if y <= top] or [top / 10]
    return log_axis([*shown, *(y for y in marks if y <= top), top], _BOTTOM, _TOP, room=4)


def _on(frame: _Frame, edge: Edge) -> bool:
    return (frame.across if edge.name in _VERTICAL else frame.up).shows(edge.value)


def _path(frame: _Frame, xs: Sequence[float], ys: Sequence[float]) -> str:
    """The line through the points that have a value; it breaks where one has none."""
    parts, pen = [], "M"
    for x, y in zip(xs, ys, strict=True):
        if not math.isfinite(y) or y <= 0:
            pen = "M"
            continue
        across, up = frame.point(x, y)
        parts.append(f"{pen}{across:.1f} {up:.1f}")
        pen = "L"
    return "".join(parts)


def _edge(frame: _Frame, edge: Edge) -> Markup:
    if edge.name in _VERTICAL:
        at = frame.across.at(edge.value)
        return element("line", class_=edge.name, x1=at, x2=at, y1=_TOP, y2=_BOTTOM)
    at = frame.up.at(edge.value)
    return element("line", class_=edge.name, x1=_LEFT, x2=_RIGHT, y1=at, y2=at)


def _edge_swatch(edge: Edge) -> Markup:
    if edge.name in _VERTICAL:
        return element("line", class_=edge.name, x1=14, x2=14, y1=0, y2=12)
    return element("line", class_=edge.name, x1=0, x2=28, y1=6, y2=6)


def _edge_words(knob: str, edge: Edge, *, shown: bool) -> str:
    value = words.shown(knob, edge.value) if edge.name in _VERTICAL else number(edge.value)
    name = {
        "range": "end of the theorem's range",
        "certified_range": "end of the certified range",
        "largest_gradient": "largest squared gradient norm possible",
        "target": "target of one run",
    }[edge.name]
    return f"{name}: {value}" + ("" if shown else ", outside the figure")


def _dot(mark: Mark, x: float, y: float) -> Markup:
    """A shape for each kind of mark, so that none needs its colour."""
    name = f"dot {mark.name}"
    if mark.name == "advised":
        return element("circle", class_=name, cx=x, cy=y, r=5)
    if mark.name == "critical_batch_size":
        return element("rect", class_=name, x=x - 4.5, y=y - 4.5, width=9, height=9)
    shape = f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6Z"
    if mark.name == "certified_minimum":
        shape = f"M{x:.1f} {y - 6:.1f}l6 10h-12Z"
    return element("path", class_=name, d=shape)


def _mark(knob: str, mark: Mark) -> str:
    return f"{words.MARK[mark.name]}: {words.shown(knob, mark.x)}, bound {number(mark.y)}"


def _entry(swatch: Markup, label: str) -> Markup:
    drawn = element("svg", swatch, viewBox="0 0 28 12", aria_hidden="true")
    return element("li", drawn, element("span", label))


def _axes(frame: _Frame) -> Iterator[Markup]:
    """Grid lines, ticks and the names of both axes."""
    for value, label in frame.up.ticks(7):
        at = frame.up.at(value)
        yield element("line", class_="grid", x1=_LEFT, x2=_RIGHT, y1=at, y2=at)
        yield element("text", label, x=_LEFT - 6, y=at + 4, text_anchor="end")
    for value, label in frame.across.ticks(6):
        at = frame.across.at(value)
        yield element("line", class_="grid", x1=at, x2=at, y1=_TOP, y2=_BOTTOM)
        yield element("text", label, x=at, y=_BOTTOM + 17, text_anchor="middle")
    yield element("path", class_="frame", d=f"M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}")
    yield element("text", frame.y_name, class_="name", x=4, y=14)
    middle = (_LEFT + _RIGHT) / 2
    yield element("text", frame.x_name, class_="name", x=middle, y=_BOTTOM + 39, text_anchor="middle")


def _picture(
    name: str, title: str, *, says: str, frame: _Frame, content: Iterable[str], dots: Iterable[str]
) -> Markup:
    box = element("rect", x=_LEFT, y=_TOP - 1, width=_RIGHT - _LEFT, height=_BOTTOM - _TOP + 2)
    clip = element("clipPath", box, id=f"{name}-clip")
    inside = element("g", *content, clip_path=f"url(#{name}-clip)")
    body = [element("defs", clip), *_axes(frame), inside, *dots]
    return _svg(name, title, says, body, _HEIGHT)


def _svg(name: str, title: str, description: str, body: Iterable[str], height: float) -> Markup:
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-desc"),
        *body,
        viewBox=f"0 0 {_WIDTH:.0f} {height:.0f}",
        class_="chart",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def _figure(
    name: str,
    title: str,
    *,
    note: str,
    legend: Iterable[Markup],
    picture: Markup,
    grid: Grid,
    best: int | None = None,
) -> Markup:
    caption = element(
        "figcaption",
        element("h3", title),
        element("p", note, class_="note"),
        element("ul", *legend, class_="legend"),
    )
    table = grid_html(grid, f"{title}: the numbers", best=best, class_="scroll tall")
    details = element("details", element("summary", "The numbers of this figure"), table)
    return element("figure", caption, picture, details, id=name)


def _curve_grid(curve: Curve) -> Grid:
    names = [_series(curve, each.name) for each in curve.series]
    columns = (Column(words.AXIS[curve.knob]), *(Column(name) for name in names))
    rows = tuple(
        (words.shown(curve.knob, x), *(number(each.values[index]) for each in curve.series))
        for index, x in enumerate(curve.x)
    )
    return Grid(columns, rows)


def _tradeoff_figure(tradeoff: Tradeoff) -> Markup:
    """Iterations against the rows that they take, one point for each batch size."""
    title = "Iterations against samples"
    note = (
        f"Each point of the line is a batch size, with the fewest iterations that bring the bound of one run "
        f"down to {number(tradeoff.target)}."
    )
    samples = [float(value) for value in tradeoff.samples]
    steps = [float(value) for value in tradeoff.iterations]
    across, up = log_axis(samples, _LEFT, _RIGHT, room=3), log_axis(steps, _BOTTOM, _TOP, room=3)
    frame = _Frame(across, up, "rows processed in one run, N B", "iterations N of one run")
    line = element("path", class_="line tradeoff", d=_path(frame, samples, steps))
    dots = [_dot(mark, *frame.point(mark.x, mark.y)) for mark in reversed(tradeoff.marks)]
    ends = f"batch size from {count(tradeoff.batch_size[0])}, top, to {count(tradeoff.batch_size[-1])}"
    legend = [_entry(element("path", class_="line tradeoff", d="M0 6H28"), ends)]
    for mark in tradeoff.marks:
        at = f"{count(int(mark.y))} iterations of {count(round(mark.x / mark.y))} rows"
        legend.append(_entry(_dot(mark, 14, 6), f"{words.MARK[mark.name]}: {at}"))
    columns = (Column("batch size"), Column("iterations"), Column("samples"))
    rows = tuple(
        (count(b), count(n), count(s))
        for b, n, s in zip(tradeoff.batch_size, tradeoff.iterations, tradeoff.samples, strict=True)
    )
    batches = [round(mark.x / mark.y) for mark in tradeoff.marks[:1]]
    best = tradeoff.batch_size.index(batches[0]) if batches[0] in tradeoff.batch_size else None
    picture = _picture(
        "tradeoff", title, says=words.describe_tradeoff(tradeoff), frame=frame, content=[line], dots=dots
    )
    return _figure(
        "tradeoff", title, note=note, legend=legend, picture=picture, grid=Grid(columns, rows), best=best
    )


def learning_figure(
    seen: Sequence[tuple[int, float]], expected: Sequence[Expected], constant: float
) -> Markup:
    """The loss along a short run, what is expected of longer ones, and the level of a constant prediction.

    Args:
        seen: (iterations, loss) of the run, losses above 0.
        expected: at the end of trainings, with intervals.
        constant: loss of a constant prediction.
    """
    title = "Loss along the training"
    note = (
        "Seen in a short run, and expected of whole trainings by following its trend: nine in ten within the "
        "band."
    )
    steps, losses = [float(at) for at, _ in seen], [loss for _, loss in seen]
    ahead, middle = [float(each.iterations) for each in expected], [each.loss for each in expected]
    low, high = [each.low for each in expected], [each.high for each in expected]
    across = log_axis([*steps, *ahead], _LEFT, _RIGHT)
    shown = [loss for loss in (*losses, *middle, *low, *high, constant) if loss > 0]
    frame = _Frame(across, log_axis(shown, _BOTTOM, _TOP, room=3), "iterations", "training loss")
    band = _path(frame, [*ahead, *reversed(ahead)], [*high, *reversed(low)])
    height = frame.up.at(constant)
    content = [
        element("path", class_="band", d=f"{band}Z"),
        element("line", class_="constant", x1=_LEFT, x2=_RIGHT, y1=height, y2=height),
        element("path", class_="line best", d=_path(frame, ahead, middle)),
        element("path", class_="line held", d=_path(frame, steps, losses)),
    ]
    last, longest = seen[-1], expected[-1]
    legend = [
        _entry(
            element("path", class_="line held", d="M0 6H28"),
            f"a short run: {number(last[1], 3)} after {count(last[0])} iterations",
        ),
        _entry(
            element("path", class_="line best", d="M0 6H28"),
            f"expected: {number(longest.loss, 2)} after {count(longest.iterations)}",
        ),
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
    first, after = expected[0], f"{number(longest.loss, 2)} after {count(longest.iterations)}"
    says = (
        f"The loss of a short run falls to {number(last[1], 3)}; {number(first.loss, 2)} is expected after "
        f"{count(first.iterations)} iterations, {after}."
    )
    picture = _picture("learning", title, says=says, frame=frame, content=content, dots=())
    grid = Grid(columns, rows)
    return element(
        "div",
        _figure("learning", title, note=note, legend=legend, picture=picture, grid=grid),
        class_="figures",
    )


def _stacks_figure(stacks: Sequence[Stack]) -> Markup:
    """The terms of the bound of each rank, stacked; bars are as long as the bound."""
    title, name = "Terms of the bound", "terms"
    terms = list(dict.fromkeys(term for stack in stacks for term in stack.terms))
    longest = max(stack.bound for stack in stacks) or 1.0
    bottom = _STACKS_TOP + len(stacks) * (_BAR + _GAP)
    across = Axis(0.0, longest, _LEFT, _RIGHT - 12, log=False)
    body: list[Markup] = []
    for value, label in across.ticks(5):
        at = across.at(value)
        body.append(element("line", class_="grid", x1=at, x2=at, y1=_STACKS_TOP, y2=bottom))
        body.append(element("text", label, x=at, y=bottom + 17, text_anchor="middle"))
    for index, stack in enumerate(stacks):
        top = _STACKS_TOP + index * (_BAR + _GAP) + _GAP / 2
        body.append(element("text", f"rank {stack.rank}", x=_LEFT - 6, y=top + 15, text_anchor="end"))
        body += _bar(across, stack, top)
    body.append(element("path", class_="frame", d=f"M{_LEFT} {_STACKS_TOP}V{bottom}"))
    middle = (_LEFT + _RIGHT) / 2
    body.append(element("text", words.BOUND, class_="name", x=middle, y=bottom + 39, text_anchor="middle"))
    says = "; ".join(
        f"rank {stack.rank}: {number(stack.bound)}, "
        + ", ".join(
            f"{words.TERM[term]} {percent(value / stack.bound)}"
            for term, value in stack.terms.items()
            if stack.bound > 0
        )
        for stack in stacks
    )
    picture = _svg(name, title, f"Stacked bars. {says[0].upper()}{says[1:]}.", body, bottom + 47)
    legend = [
        _entry(element("rect", class_=f"fill {term}", x=6, y=0.5, width=16, height=11), words.TERM[term])
        for term in terms
    ]
    columns = (Column("term", numeric=False), *(Column(f"rank {stack.rank}") for stack in stacks))
    rows = [(words.TERM[term], *(number(stack.terms.get(term, 0.0)) for stack in stacks)) for term in terms]
    rows.append(("sum", *(number(stack.bound) for stack in stacks)))
    note = "What each rank's bound is made of; the shares of rank 1 say which knob is worth turning."
    return _figure(name, title, note=note, legend=legend, picture=picture, grid=Grid(columns, tuple(rows)))


def _bar(across: Axis, stack: Stack, top: float) -> Iterator[Markup]:
    """The terms behind one another, with their shares where there is room."""
    begin = 0.0
    for term, value in stack.terms.items():
        left, right = across.at(begin), across.at(begin + value)
        begin += value
        width = right - left
        yield element("rect", class_=f"fill {term}", x=left, y=top, width=width, height=_BAR)
        if width > _ROOM_FOR_SHARE * (_RIGHT - _LEFT):
            middle = (left + right) / 2
            share = f"{100 * value / stack.bound:.0f} %"
            yield element("text", share, class_=f"on {term}", x=middle, y=top + 15, text_anchor="middle")


def figures(curves: Sequence[Curve], stacks: Sequence[Stack], tradeoff: Tradeoff | None) -> Markup:
    """All figures side by side, or below one another where there is no room."""
    parts = [_curve_figure(curve) for curve in curves]
    if stacks:
        parts.append(_stacks_figure(stacks))
    if tradeoff is not None:
        parts.append(_tradeoff_figure(tradeoff))
    return element("div", joined(parts), class_="figures")
