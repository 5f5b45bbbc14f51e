"""A sweep as a chart: predicted and measured on one logarithmic axis, over what was varied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsgadvise.show.plot.document import Entry
from rsgadvise.show.plot.figure import Axis, Chart, Level, Panel, Point, Role, Series, measured_point
from rsgadvise.show.plot.names import (
    GRADIENT,
    axis_name,
    fixed_values,
    interval_text,
    layer_names,
    limit_name,
    looseness_text,
    missing_text,
    symbol,
    value_text,
)
from rsgadvise.show.plot.scales import across_axis, categories, log_axis, value_axis, values_of

_MOST_GROUPS = 24  # colours and markers that can be told apart
_SIDE_BY_SIDE = 6  # groups
_FIXED = ("stepsize", "batch_size", "iterations", "keep_prob", "decay")
_NAMES: Mapping[Role, str] = {"paper": "paper bound", "certified": "certified bound"}


@dataclass(frozen=True, slots=True)
class _Measured:
    gradient: float | None
    lower: float | None
    upper: float | None
    runs: int | None
    initial_loss: float | None
    final_loss: float | None


@dataclass(frozen=True, slots=True)
class _Row:
    """A point of the document; `at` and `group` say where it stands on the axes."""

    at: float
    group: int | None
    label: str
    kind: str
    layers: tuple[int, ...]
    bounds: Mapping[Role, float | None]
    limit: float | None
    measured: _Measured | None
    fixed: tuple[float | tuple[float, ...] | None, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Varied:
    """One axis of the document; numbers keep their distances, anything else is a category."""

    key: str
    values: tuple[Any, ...]

    @property
    def numeric(self) -> bool:
        return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in self.values)

    def place(self, entry: Entry) -> float:
        """Where a value stands on this axis."""
        if entry.value not in self.values:
            entry.fail(f"must be one of the values of the axis {self.key}")
        return entry.number() if self.numeric else float(self.values.index(entry.value))


def sweep_chart(document: Entry) -> Chart:
    """Predicted bounds, measured gradients and final losses of a sweep.

    Raises:
        DataError: the document lacks a key, or holds a value of another kind.
    """
    varied = [_axis(entry) for entry in document["axes"].entries()]
    entries = document["points"].entries()
    if not entries:
        document["points"].fail("must hold at least one point", "sweep values that the spec allows")
    groups = _groups(document, varied[1:], entries)
    rows = [_row(entry, varied, groups) for entry in entries]
    rows.sort(key=lambda row: row.at)
    depth = max(len(row.layers) for row in rows)
    kinds = sorted({row.kind for row in rows})
    kind = kinds[0] if len(kinds) == 1 else ""
    across = _across(varied[:1], rows, depth, kind)
    confidence = document.get("confidence")
    named = interval_text(None if confidence is None else confidence.probability())
    panels = _panels(rows, across, len(groups), named)
    axes = " and ".join(symbol(axis.key, depth) for axis in varied) or "one point"
    network = f"{' and '.join(kinds)} {layer_names([row.layers for row in rows])}"
    return Chart(
        title=f"Sweep over {axes}: {network}",
        subtitle=_fixed(rows, varied),
        rows=panels,
        group_name=", ".join(axis_name(axis.key, depth, kind) for axis in varied[1:]),
        groups=tuple(groups),
        caption=tuple(_caption(document, rows)),
    )


def _axis(entry: Entry) -> _Varied:
    values = entry["values"].entries()
    if not values:
        entry["values"].fail("must hold at least one value")
    for value in values:
        parts = value.entries() if isinstance(value.value, list) else [value]
        for part in parts:
            if isinstance(part.value, float):
                part.number()  # finite, or refused
            elif isinstance(part.value, (list, dict)):
                part.fail("must be a number, a word, or a list of these")
    return _Varied(entry["key"].text(), tuple(value.value for value in values))


def _groups(document: Entry, varied: Sequence[_Varied], entries: Sequence[Entry]) -> list[str]:
    """The values of the second axis, or the combinations of all further ones, in order of appearance."""
    if not varied:
        return []
    names = list(dict.fromkeys(_group(entry, varied) for entry in entries))
    if len(varied) == 1:
        order = [value_text(value) for value in varied[0].values]
        names.sort(key=lambda name: order.index(name) if name in order else len(order))
    if len(names) > _MOST_GROUPS:
        document["axes"].fail(
            f"must have at most {_MOST_GROUPS} values after the first axis, which can be told apart; there "
            f"are {len(names)}",
            "sweep fewer, or name the longer axis first",
        )
    return names


def _group(entry: Entry, varied: Sequence[_Varied]) -> str:
    values = entry["values"]
    for axis in varied:
        axis.place(values[axis.key])
    texts = [value_text(values[axis.key].value) for axis in varied]
    if len(varied) == 1:
        return texts[0]
    return ", ".join(f"{symbol(a.key, 0)} = {text}" for a, text in zip(varied, texts, strict=True))


def _row(entry: Entry, varied: Sequence[_Varied], groups: Sequence[str]) -> _Row:
    values = entry["values"]
    at = varied[0].place(values[varied[0].key]) if varied else 0.0
    layers = entry.layers()
    label = ", ".join(
        f"{symbol(axis.key, len(layers))} = {value_text(values[axis.key].value)}" for axis in varied
    )
    fixed = [entry.stepsize()]
    for key in _FIXED[1:]:
        found = entry.get(key)
        fixed.append(None if found is None else found.number())
    return _Row(
        at=at,
        group=groups.index(_group(entry, varied[1:])) if groups else None,
        label=label,
        kind=entry["kind"].text(),
        layers=layers,
        bounds={
            "paper": entry.maybe_positive("paper_bound"),
            "certified": entry.maybe_positive("certified_bound"),
        },
        limit=entry.maybe_positive("largest_gradient"),
        measured=_measured(entry),
        fixed=tuple(fixed),
        notes=entry.sentences("notes"),
    )


def _measured(entry: Entry) -> _Measured | None:
    found = entry.get("measured")
    if found is None:
        return None
    runs = found.get("runs")
    gradient, lower, upper = found.interval("gradient")
    return _Measured(
        gradient=gradient,
        lower=lower,
        upper=upper,
        runs=None if runs is None else runs.whole(),
        initial_loss=found.maybe_number("initial_loss"),
        final_loss=found.maybe_number("final_loss"),
    )


def _across(varied: Sequence[_Varied], rows: Sequence[_Row], depth: int, kind: str) -> Axis:
    if not varied:
        return categories("", ("the only point",))
    axis = varied[0]
    name = axis_name(axis.key, depth, kind)
    if axis.numeric:
        return across_axis(name, sorted({row.at for row in rows}))
    return categories(name, [value_text(value) for value in axis.values])


def _panels(
    rows: Sequence[_Row], across: Axis, groups: int, measured_name: str
) -> tuple[tuple[Panel, ...], ...]:
    """One panel for all, or one for each kind of bound where colours tell groups apart."""
    joined = across.scale != "category"
    levels, limits = _limits(rows, groups, joined=joined)
    measured = _by_group(rows, groups, measured_name, "measured", _measured_point, joined=joined)
    bounds: dict[Role, tuple[Series, ...]] = {
        role: _by_group(rows, groups, name, role, _bound_point(role), joined=joined)
        for role, name in _NAMES.items()
    }
    every = [*measured, *limits, *bounds["paper"], *bounds["certified"]]
    value = log_axis(GRADIENT, [*values_of(every), *(level.at for level in levels)])
    if groups:
        found_panels = tuple(
            Panel(
                _NAMES[role].capitalize() + (" and measured" if measured else ""),
                across,
                value,
                (*limits, *found, *measured),
                levels,
            )
            for role, found in bounds.items()
            if any(point.value is not None for series in found for point in series.points)
        )
        # Few colours stand side by side; many need the whole width.
        top = (found_panels,) if groups <= _SIDE_BY_SIDE else tuple((panel,) for panel in found_panels)
    else:
        shown = (*limits, *bounds["paper"], *bounds["certified"], *measured)
        top = ((Panel("", across, value, shown, levels),),)
    losses = _losses(rows, across, groups, joined=joined)
    if not any(top):
        top = ((Panel("", across, value, tuple(every), levels),),)
    return (*top, *((losses,) if losses else ()))


def _by_group(
    rows: Sequence[_Row], groups: int, name: str, role: Role, point: Any, *, joined: bool
) -> tuple[Series, ...]:
    series = []
    for group in range(groups) if groups else (None,):
        points = [found for row in rows if row.group == group and (found := point(row)) is not None]
        if points:
            series.append(Series(name, role, tuple(points), group, joined))
    return tuple(series)


def _bound_point(role: Role) -> Any:
    def point(row: _Row) -> Point:
        value = row.bounds[role]
        vacuous = value is not None and row.limit is not None and value >= row.limit
        return Point(row.at, value, hollow=vacuous)

    return point


def _measured_point(row: _Row) -> Point | None:
    found = row.measured
    if found is None:
        return None
    return measured_point(row.at, found.gradient, found.lower, found.upper)


def _limits(
    rows: Sequence[_Row], groups: int, *, joined: bool
) -> tuple[tuple[Level, ...], tuple[Series, ...]]:
    """The largest gradient possible: one level where it is the same everywhere, else a series."""
    values = {row.limit for row in rows if row.limit is not None}
    if len(values) <= 1:
        return tuple(Level(limit_name(), "limit", value) for value in values), ()
    same: dict[float, set[float | None]] = {}
    for row in rows:
        same.setdefault(row.at, set()).add(row.limit)
    split = groups if any(len(found) > 1 for found in same.values()) else 0
    if not split:
        firsts = {row.at: Point(row.at, row.limit) for row in rows if row.limit is not None}
        return (), (Series(limit_name(), "limit", tuple(firsts.values()), None, joined),)
    return (), _by_group(
        rows,
        split,
        limit_name(),
        "limit",
        lambda row: None if row.limit is None else Point(row.at, row.limit),
        joined=joined,
    )


def _losses(rows: Sequence[_Row], across: Axis, groups: int, *, joined: bool) -> tuple[Panel, ...]:
    def initial(row: _Row) -> Point | None:
        found = None if row.measured is None else row.measured.initial_loss
        return None if found is None else Point(row.at, found)

    def final(row: _Row) -> Point | None:
        found = None if row.measured is None else row.measured.final_loss
        return None if found is None else Point(row.at, found)

    ends = _by_group(rows, groups, "final loss f(Wᴿ)", "final", final, joined=joined)
    if not ends:
        return ()
    starts = _by_group(rows, groups, "initial loss f(W¹)", "initial", initial, joined=joined)
    values = [p.value for series in (*starts, *ends) for p in series.points if p.value is not None]
    title = "Loss where training began and stopped"
    return (Panel(title, across, value_axis("loss (summed over outputs)", values), (*starts, *ends)),)


def _fixed(rows: Sequence[_Row], varied: Sequence[_Varied]) -> str:
    taken = {axis.key.rsplit(".", 1)[-1] for axis in varied}
    columns = [
        (key, [row.fixed[index] for row in rows]) for index, key in enumerate(_FIXED) if key not in taken
    ]
    return fixed_values(columns)


def _caption(document: Entry, rows: Sequence[_Row]) -> Iterator[str]:
    """How loose the bounds are, what is vacuous, what is missing, and how it was measured."""
    measured = [(row, row.measured) for row in rows if row.measured is not None]
    for role, name in _NAMES.items():
        pairs = [
            (bound, found.gradient)
            for row, found in measured
            if (bound := row.bounds[role]) is not None and found.gradient is not None
        ]
        yield from looseness_text(name, pairs)
    for role, name in _NAMES.items():
        count = sum(
            1
            for row in rows
            if (bound := row.bounds[role]) is not None and row.limit is not None and bound >= row.limit
        )
        if count:
            yield f"The {name} is vacuous at {count} of {len(rows)} points: not below the limit."
        lacking = [(row.label, row.notes) for row in rows if row.bounds[role] is None]
        yield from missing_text(name, lacking)
    if measured:
        yield from _measured_caption(document, [found for _, found in measured], len(rows))


def _measured_caption(document: Entry, found: Sequence[_Measured], points: int) -> Iterator[str]:
    if len(found) < points:
        yield f"Measured at {len(found)} of {points} points."
    below = sum(1 for each in found if each.lower is not None and each.lower <= 0)
    if below:
        yield f"At {below} of {points} points the interval reaches 0 or below: it has no lower end here."
    lost = sum(1 for each in found if each.gradient is None or each.gradient <= 0)
    if lost:
        yield f"At {lost} of {points} points the measured mean is not above 0: only its upper limit shows."
    runs = sorted({each.runs for each in found if each.runs is not None})
    seed = document.get("seed")
    if runs:
        span = f"{runs[0]:,}" if len(runs) == 1 else f"{runs[0]:,} to {runs[-1]:,}"
        yield f"Measured over {span} runs a point{'' if seed is None else f', seed {seed.whole()}'}."
