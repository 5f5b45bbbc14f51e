"""A sweep as a chart: predicted and measured on one logarithmic axis, over what was varied."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Annotated, Any

from rsgadvise.kinds import KINDS
from rsgadvise.numerals import count, number, stepsizes
from rsgadvise.records import dataclass
from rsgadvise.show.plot import typed
from rsgadvise.show.plot.figure import (
    GRADIENT,
    LIMIT,
    Axis,
    Chart,
    Level,
    Panel,
    Point,
    Role,
    Series,
    across_axis,
    categories,
    log_axis,
    measured_point,
    no_better,
    value_axis,
    values_of,
)
from rsgadvise.show.plot.typed import shortened

_MOST_GROUPS = 24  # colours and markers that can be told apart
_SIDE_BY_SIDE = 6  # groups
_FIXED = ("stepsize", "batch_size", "iterations", "keep_prob", "decay")
_NAMES: Mapping[Role, str] = {"paper": "paper bound", "certified": "certified bound"}


@dataclass(frozen=True, slots=True)
class _Axis:
    """What was varied; numbers keep their distances, lists are categories."""

    key: typed.Text
    values: Annotated[typed.Entries[typed.Numbers], typed.must("hold at least one value", bool)]

    @property
    def numeric(self) -> bool:
        """Whether every value is a number."""
        return not any(isinstance(value, list) for value in self.values)

    def place(self, value: Any) -> float:
        """Where one of the values stands on this axis."""
        return float(value if self.numeric else self.values.index(value))


@dataclass(frozen=True, slots=True)
class _Measured:
    lower: typed.Number | None
    gradient: Annotated[typed.Number | None, typed.at_least("lower")]
    upper: Annotated[typed.Number | None, typed.at_least("lower", "gradient")]
    initial_loss: typed.Number | None
    final_loss: typed.Number | None
    runs: typed.Whole


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    values: dict[str, typed.Numbers]
    kind: typed.Text
    layers: typed.Layers
    stepsize: typed.Numbers | None
    batch_size: typed.Number | None
    iterations: typed.Number | None
    keep_prob: typed.Number | None
    decay: typed.Number | None
    paper_bound: typed.Positive | None
    certified_bound: typed.Positive | None
    largest_gradient: typed.Positive | None
    measured: _Measured | None
    notes: typed.Entries[typed.Text]

    def bound(self, role: Role) -> float | None:
        """The bound of one set of constants."""
        return self.paper_bound if role == "paper" else self.certified_bound

    def vacuous(self, role: Role) -> bool:
        """Whether it is no better than the largest gradient."""
        return no_better(self.bound(role), self.largest_gradient)


@dataclass(frozen=True, slots=True)
class _Sweep:
    axes: Annotated[typed.Entries[_Axis], typed.must("hold one axis, or two", lambda axes: 0 < len(axes) < 3)]
    points: typed.Entries[_Point]
    confidence: typed.Probability | None
    seed: typed.Whole

    @property
    def measured_name(self) -> str:
        """Of what was measured, with what its intervals are; they are limits of each point by itself."""
        return "" if self.confidence is None else f"measured mean, {100 * self.confidence:.6g} % interval"


@dataclass(frozen=True, slots=True)
class _Row:
    """A point, where it stands on the axes, and what it is called."""

    at: float
    group: int | None
    label: str
    point: _Point


def sweep_chart(document: typed.Document) -> Chart:
    """Predicted bounds, measured gradients and final losses of a sweep."""
    sweep = document.read(_Sweep)
    varied, points = sweep.axes, sweep.points
    _check(document, sweep)
    groups = _groups(document, varied)
    rows = sorted((_row(point, varied, groups) for point in points), key=lambda row: row.at)
    depth = max(len(point.layers) for point in points)
    kinds = sorted({point.kind for point in points})
    kind = kinds[0] if len(kinds) == 1 else ""
    first = varied[0]
    name = axis_name(first.key, depth, kind)
    if first.numeric:
        across = across_axis(name, sorted({row.at for row in rows}))
    else:
        across = categories(name, [value_text(value) for value in first.values])
    lines = _Lines(rows, len(groups), across.scale != "category")
    axes = " and ".join(symbol(axis.key, depth) for axis in varied)
    network = f"{' and '.join(kinds)} {layer_names([row.point.layers for row in rows])}"
    return Chart(
        title=f"Sweep over {axes}: {network}",
        subtitle=_fixed(rows, varied),
        rows=_panels(lines, across, sweep.measured_name),
        group_name="".join(axis_name(axis.key, depth, kind) for axis in varied[1:]),
        groups=tuple(groups),
        caption=tuple(_caption(rows, sweep.seed)),
    )


def _check(document: typed.Document, sweep: _Sweep) -> None:
    """Refuse a point that stands at no value of an axis."""
    for index, point in enumerate(sweep.points):
        for axis in sweep.axes:
            value = point.values.get(axis.key)
            if axis.key not in point.values or value not in axis.values:
                path = ("points", index, "values", axis.key)
                raise document.error(path, f"must be one of the values of the axis {axis.key}", value)


def _groups(document: typed.Document, varied: Sequence[_Axis]) -> list[str]:
    """The values of the second axis, if there is one."""
    names = [value_text(value) for axis in varied[1:] for value in axis.values]
    if len(names) > _MOST_GROUPS:
        rule = f"must have at most {_MOST_GROUPS} values after the first axis, which can be told apart"
        fix = "sweep fewer, or name the longer axis first"
        raise document.error(("axes",), f"{rule}; there are {len(names)}", document.content["axes"], fix)
    return names


def _row(point: _Point, varied: Sequence[_Axis], groups: Sequence[str]) -> _Row:
    values, depth = point.values, len(point.layers)
    return _Row(
        at=varied[0].place(values[varied[0].key]),
        group=groups.index(value_text(values[varied[1].key])) if groups else None,
        label=", ".join(f"{symbol(axis.key, depth)} = {value_text(values[axis.key])}" for axis in varied),
        point=point,
    )


@dataclass(frozen=True, slots=True)
class _Lines:
    """Makes series of the rows: one, or one for each group; joined where the axis across has distances."""

    rows: Sequence[_Row]
    groups: int
    joined: bool

    def of(self, name: str, role: Role, point: Callable[[_Row], Point | None]) -> tuple[Series, ...]:
        """A quantity by its points, groups without any left out."""
        series = []
        for group in range(self.groups) if self.groups else (None,):
            points = [found for row in self.rows if row.group == group and (found := point(row)) is not None]
            if points:
                series.append(Series(name, role, tuple(points), group, self.joined))
        return tuple(series)

    def bounds(self, role: Role) -> tuple[Series, ...]:
        """Of one set of constants."""
        return self.of(
            _NAMES[role],
            role,
            lambda row: Point(row.at, row.point.bound(role), hollow=row.point.vacuous(role)),
        )

    def limits(self) -> tuple[tuple[Level, ...], tuple[Series, ...]]:
        """The largest gradient possible: a level where it is the same everywhere, else one series or more."""
        known = [(row.at, row.point.largest_gradient) for row in self.rows]
        known = [(at, value) for at, value in known if value is not None]
        if len({value for _, value in known}) <= 1:
            return tuple(Level(LIMIT, "limit", value) for _, value in known[:1] if value is not None), ()
        firsts = {at: Point(at, value) for at, value in known}
        if len(firsts) == len(set(known)):  # groups share it
            return (), (Series(LIMIT, "limit", tuple(firsts.values()), None, self.joined),)
        return (), self.of(LIMIT, "limit", lambda row: _point(row.at, row.point.largest_gradient))


def _point(at: float, value: float | None) -> Point | None:
    return None if value is None else Point(at, value)


def _measured(row: _Row) -> Point | None:
    measured = row.point.measured
    return (
        None
        if measured is None
        else measured_point(row.at, measured.gradient, measured.lower, measured.upper)
    )


def _panels(lines: _Lines, across: Axis, measured_name: str) -> tuple[tuple[Panel, ...], ...]:
    """One panel for all, or one for each kind of bound where colours tell groups apart; losses below."""
    levels, limits = lines.limits()
    measured = lines.of(measured_name, "measured", _measured)
    bounds = {role: lines.bounds(role) for role in _NAMES}
    every = (*limits, *(each for found in bounds.values() for each in found), *measured)
    value = log_axis(GRADIENT, [*values_of(every), *(level.at for level in levels)])

    def panel(title: str, series: tuple[Series, ...]) -> Panel:
        return Panel(title, across, value, series, levels)

    shown = {role: found for role, found in bounds.items() if lines.groups and any(values_of(found))}
    more = " and measured" if measured else ""
    panels = tuple(
        panel(_NAMES[role].capitalize() + more, (*limits, *found, *measured)) for role, found in shown.items()
    )
    panels = panels or (panel("", every),)
    # Few colours stand side by side; many need the whole width.
    top = (panels,) if lines.groups <= _SIDE_BY_SIDE else tuple((each,) for each in panels)
    return (*top, *_losses(lines, across))


def _losses(lines: _Lines, across: Axis) -> Iterator[tuple[Panel]]:
    def loss(key: str) -> Callable[[_Row], Point | None]:
        return lambda row: _point(row.at, getattr(row.point.measured, key, None))

    ends = lines.of("final loss f(Wᴿ)", "final", loss("final_loss"))
    if ends:
        series = (*lines.of("initial loss f(W¹)", "initial", loss("initial_loss")), *ends)
        value = value_axis("loss (summed over outputs)", list(values_of(series)))
        yield (Panel("Loss where training began and stopped", across, value, series),)


def _fixed(rows: Sequence[_Row], varied: Sequence[_Axis]) -> str:
    taken = {axis.key.rsplit(".", 1)[-1] for axis in varied}
    columns = [(key, [getattr(row.point, key) for row in rows]) for key in _FIXED if key not in taken]
    return fixed_values(columns)


def _caption(rows: Sequence[_Row], seed: int) -> Iterator[str]:
    """How loose the bounds are, what is vacuous, what is missing, and how it was measured."""
    measured = [(row, row.point.measured) for row in rows if row.point.measured is not None]
    for role, name in _NAMES.items():
        pairs = [
            (bound, measurement.gradient)
            for row, measurement in measured
            if (bound := row.point.bound(role)) is not None and measurement.gradient is not None
        ]
        yield from looseness_text(name, pairs)
    for role, name in _NAMES.items():
        count = sum(row.point.vacuous(role) for row in rows)
        if count:
            yield f"The {name} is vacuous at {count} of {len(rows)} points: not below the limit."
        lacking = [(row.label, row.point.notes) for row in rows if row.point.bound(role) is None]
        yield from missing_text(name, lacking)
    if measured:
        yield from _measured_caption(seed, [measurement for _, measurement in measured], len(rows))


def _measured_caption(seed: int, measurements: Sequence[_Measured], points: int) -> Iterator[str]:
    if len(measurements) < points:
        yield f"Measured at {len(measurements)} of {points} points."
    below = sum(1 for each in measurements if each.lower is not None and each.lower <= 0)
    if below:
        yield f"At {below} of {points} points the interval reaches 0 or below: it has no lower end here."
    lost = sum(1 for each in measurements if each.gradient is None or each.gradient <= 0)
    if lost:
        yield f"At {lost} of {points} points the measured mean is not above 0: only its upper limit shows."
    low, high = min(each.runs for each in measurements), max(each.runs for each in measurements)
    yield f"Measured over {low:,}{'' if low == high else f' to {high:,}'} runs a point, seed {seed}."


# What axes and groups are called, with the symbol and the unit, and the sentences of the caption.

_QUANTITIES: dict[str, tuple[str, str, str]] = {
    # last part of the key: name, symbol, unit
    "batch_size": ("batch size", "B", "rows"),
    "iterations": ("iterations", "N", "steps"),
    "stepsize": ("stepsize", "γ", ""),
    "decay": ("stepsize decay", "ρ", ""),
    "keep_prob": ("keep probability", "ζ", ""),
    "initial_loss": ("initial loss", "f(W¹)", ""),
    "tolerance": ("pretraining tolerance", "α", ""),
    "weight_bound": ("weight bound", "w", ""),
    "mean": ("mean of the inputs", "μ_x", ""),
    "mean_square": ("mean square of the inputs", "τ_x", ""),
    "second_moment": ("second moment of the inputs", "E‖x‖²/d_x", ""),
    "top_eigenvalue": ("top eigenvalue", "λ_max", ""),
    "largest_norm": ("largest norm of the inputs", "max ‖x‖", ""),
    "samples": ("samples", "S", "rows"),
    "epochs": ("epochs", "C", "passes"),
    "eps": ("target", "ε", ""),
    "delta": ("probability of missing it", "δ", ""),
    "runs": ("runs", "T", ""),
    "layers": ("layer lengths", "", "units"),
    "depth": ("depth", "L", "layers"),
}
_ONE_LAYER = re.compile(r"(?:network\.)?layers\[(\d+)\]$")
_PLACES_NAMED = 4
_REASON = 160


def _quantity(key: str, depth: int, kind: str = "") -> tuple[str, str, str]:
    """Name, symbol and unit of a key; `depth` counts the layers of the network."""
    found = _ONE_LAYER.match(key)
    if found:
        index = int(found[1])
        tied = kind in KINDS and KINDS[kind].tied  # whose outputs are as many as its inputs
        final = index == depth - 1 and not tied
        place = "input" if index == 0 else "output" if final else "hidden"
        return f"{place} length", f"d_{index}", "units"
    last = re.sub(r"\[\d+\]$", "", key).rsplit(".", 1)[-1]
    return _QUANTITIES.get(last, (key, "", ""))


def axis_name(key: str, depth: int, kind: str = "") -> str:
    """The name of what was varied, with symbol and unit; `kind` is that of the network.

    Example:
        >>> axis_name("network.layers[1]", 3), axis_name("training.keep_prob", 3), axis_name("a.b", 3)
        ('hidden length d_1 (units)', 'keep probability ζ', 'a.b')
        >>> axis_name("network.layers[1]", 2, "autoencoder"), axis_name("network.layers[1]", 2)
        ('hidden length d_1 (units)', 'output length d_1 (units)')
    """
    name, sign, unit = _quantity(key, depth, kind)
    return f"{name}{f' {sign}' if sign else ''}{f' ({unit})' if unit else ''}"


def symbol(key: str, depth: int) -> str:
    """The symbol of what was varied, else its name."""
    name, sign, _ = _quantity(key, depth)
    return sign or name


def value_text(value: Any) -> str:
    """A value of an axis as text.

    Example:
        >>> value_text([784, 200, 10]), value_text(0.5), value_text(1024)
        ('784-200-10', '0.5', '1,024')
    """
    if isinstance(value, list):
        whole = all(isinstance(item, int) for item in value)
        return shortened(("-" if whole else ", ").join(map(str, value)))
    return count(value) if isinstance(value, int) else number(value, 6)


def layer_names(layers: Sequence[Sequence[int]]) -> str:
    """Networks in one word: lengths that differ as d_l, or the numbers of weight matrices where those differ.

    Example:
        >>> layer_names([(784, 50, 10), (784, 100, 10)]), layer_names([(4, 2), (4, 3, 2)])
        ('784-d_1-10', 'L = 1 to 2')
    """
    depths = sorted({len(each) for each in layers})
    if len(depths) > 1:
        return f"L = {depths[0] - 1} to {depths[-1] - 1}"
    columns = enumerate(zip(*layers, strict=True))
    return shortened(
        "-".join(str(widths[0]) if len(set(widths)) == 1 else f"d_{at}" for at, widths in columns)
    )


def _single(value: Any) -> Any:
    """The number that all entries are, else the value itself."""
    return value[0] if isinstance(value, (list, tuple)) and len(set(value)) == 1 else value


def fixed_values(values: Sequence[tuple[str, Sequence[Any]]]) -> str:
    """What is the same at all points, as text.

    Args:
        values: key and its value at each point, one for each layer or for all; null where it is unknown.
    """
    same, chosen = [], []
    for key, found in values:
        each = [_single(value) for value in found]  # networks that differ in depth may have equal stepsizes
        if not each or any(value is None for value in each):
            continue
        first = each[0]
        name, sign, _ = _quantity(key, 0)
        if any(value != first for value in each):
            chosen.append(name)
        else:
            whole = isinstance(first, (int, float)) and first == int(first)
            same.append(f"{name} {sign} = {count(int(first)) if whole else stepsizes(first)}")
    parts = []
    if same:
        parts.append("fixed: " + ", ".join(same))
    if chosen:
        parts.append("differs from point to point: " + ", ".join(chosen))
    return "; ".join(parts)


def _times(ratio: float) -> str:
    """A factor with three significant digits."""
    rounded = float(f"{ratio:.3g}")
    return f"{rounded:,.0f}" if 100 <= rounded < 1e6 else f"{rounded:.3g}"


def looseness_text(name: str, pairs: Sequence[tuple[float, float]]) -> Iterator[str]:
    """How far a bound lies above what was measured, over (bound, measured).

    Example:
        >>> list(looseness_text("paper bound", [(12.0, 1.0), (1666.7, 1.0), (3.4e9, 1.0)]))
        ['The paper bound is 12 to 3.4e+09 times the measured, median 1,670.']
        >>> list(looseness_text("paper bound", [(0.5, 1.0), (3.0, 1.0)]))[1]
        'The paper bound lies below the measured mean at 1 of 2 points.'
    """
    ratios = [bound / measured for bound, measured in pairs if measured > 0]
    if not ratios:
        return
    low, high = _times(min(ratios)), _times(max(ratios))
    if low == high:
        yield f"The {name} is {low} times the measured."
    else:
        yield f"The {name} is {low} to {high} times the measured, median {_times(median(ratios))}."
    below = sum(1 for ratio in ratios if ratio < 1)
    if below:
        yield f"The {name} lies below the measured mean at {below} of {len(ratios)} points."


def missing_text(name: str, lacking: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """Where a bound is missing, and why.

    Args:
        name: of the bound.
        lacking: what the point is, and its notes.
    """
    if not lacking:
        return
    labels = [label for label, _ in lacking if label]
    named = "; ".join(labels[:_PLACES_NAMED])
    if len(labels) > _PLACES_NAMED:
        named += f"; and {len(labels) - _PLACES_NAMED} more"
    reasons = list(dict.fromkeys(note.rstrip(".") for _, notes in lacking for note in notes))
    text = f"No {name} (× at the edge) at {named or 'this point'}"
    if reasons:
        text += f": {shortened(reasons[0], _REASON)}"
        if len(reasons) > 1:
            text += f" (and {len(reasons) - 1} more notes)"
    yield f"{text}."
