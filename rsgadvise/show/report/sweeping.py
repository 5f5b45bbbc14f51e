"""A sweep as blocks, as a document, and as rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rsgadvise.ask.sweep.axes import Axis, Sweep, SweepPoint, Value
from rsgadvise.numerals import count, network, number, stepsizes
from rsgadvise.show.report.blocks import VACUOUS_MARK, Block, Column, Grid, Title, marked, sentences

_Cell = Callable[[SweepPoint], str]
_Quantity = Callable[[SweepPoint], float | None]
_MEASURED = ("gradient", "lower", "upper", "runs", "initial_loss", "final_loss", "seconds")


def _short(key: str) -> str:
    """A key without its section."""
    return key.partition(".")[2] or key


def _value(value: Value) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else number(value, 6)


def _axis_column(axis: Axis) -> Column:
    return Column(_short(axis.key), numeric=not any(isinstance(value, tuple) for value in axis.values))


def _at(point: SweepPoint) -> str:
    return ", ".join(f"{_short(key)}={_value(value)}" for key, value in point.values.items())


def point_line(point: SweepPoint) -> str:
    """One point in one line, for a log."""
    bounds = (("paper", point.paper_bound), ("certified", point.certified_bound))
    bound = (
        ", ".join(f"{name} bound {number(value)}" for name, value in bounds if value is not None)
        or "no bound"
    )
    measure = point.measured
    measured = "not measured"
    if measure is not None:
        measured = f"measured {number(measure.gradient)} [{number(measure.lower)}, {number(measure.upper)}]"
    return f"{_at(point)}: {bound}, {measured}"


def _stepsize(point: SweepPoint) -> str:
    return number(None) if point.stepsize is None else stepsizes(point.stepsize)


def _measured(name: str) -> _Quantity:
    def found(point: SweepPoint) -> float | None:
        value: float | None = None if point.measured is None else getattr(point.measured, name)
        return value

    return found


_CHOICES: tuple[tuple[str, str, _Cell], ...] = (
    ("stepsize", "training.stepsize", _stepsize),
    ("batch", "training.batch_size", lambda point: count(point.batch_size)),
    ("iterations", "training.iterations", lambda point: count(point.iterations)),
    ("keep", "training.keep_prob", lambda point: number(point.keep_prob, 3)),
    ("decay", "training.decay", lambda point: number(point.decay)),
)
_BOUNDS: tuple[tuple[str, _Quantity], ...] = (
    ("paper", lambda point: point.paper_bound),
    ("certified", lambda point: point.certified_bound),
)
_TRAINING: tuple[tuple[str, _Quantity], ...] = (
    ("measured", _measured("gradient")),
    ("at least", _measured("lower")),
    ("at most", _measured("upper")),
    ("f(W1)", _measured("initial_loss")),
    ("f(W^R)", _measured("final_loss")),
)


def _mark(point: SweepPoint) -> str:
    if point.paper_bound is None and point.certified_vacuous:
        return "no bound"
    return "vacuous" if point.vacuous else ""


def _certified(point: SweepPoint) -> str:
    return marked(point.certified_bound, vacuous=_only_limit(point))


def _only_limit(point: SweepPoint) -> bool:
    """Whether the certified bound is there, and only the largest gradient possible."""
    return point.certified_vacuous and point.certified_bound is not None


def _number_cell(quantity: _Quantity) -> _Cell:
    return lambda point: number(quantity(point))


def _grid(sweep: Sweep) -> tuple[Grid, list[str]]:
    """(one row for each point, what is the same in all of them)."""
    varied = {axis.key for axis in sweep.axes}
    columns: list[tuple[Column, _Cell]] = [
        (_axis_column(axis), lambda point, key=axis.key: _value(point.values[key]))  # type: ignore[misc]
        for axis in sweep.axes
    ]
    same = []
    for name, key, cell in _CHOICES:
        cells = {cell(point) for point in sweep.points}
        if key in varied:
            continue
        if len(cells) == 1:
            (only,) = cells
            same += [f"{name} {only}"] if only not in ("0", "n/a") else []
        else:
            columns.append((Column(name), cell))
    quantities = (*_BOUNDS, *(_TRAINING if sweep.measured else ()))
    columns += [
        (Column(name), _certified if name == "certified" else _number_cell(quantity))
        for name, quantity in quantities
    ]
    if any(_mark(point) for point in sweep.points):
        columns.insert(len(columns) - len(quantities) + len(_BOUNDS), (Column("mind", numeric=False), _mark))
    rows = tuple(tuple(cell(point) for _, cell in columns) for point in sweep.points)
    return Grid(tuple(column for column, _ in columns), rows, keys=len(sweep.axes)), same


def _about_points(points: Sequence[SweepPoint]) -> Iterator[str]:
    """Each note once, with the points that it is about; those that differ in numbers alone are one."""
    about: dict[str, dict[str, list[str]]] = {}
    for point in points:
        for note in dict.fromkeys(point.notes):
            alike = re.sub(r"[0-9]+(?:[.,][0-9]+)*(?:e[-+][0-9]+)?", "#", note)
            about.setdefault(alike, {}).setdefault(note, []).append(_at(point))
    for notes in about.values():
        note = next(iter(notes))
        places = [place for group in notes.values() for place in group]
        told = note if len(notes) == 1 else f"{note} (So at the first of these points.)"
        more = f" and {len(places) - 3} more" if len(places) > 4 else ""
        if len(places) == len(points):
            yield told
        else:
            yield f"{'; '.join(places[:3] if more else places)}{more}: {told}"


def sweep_blocks(sweep: Sweep) -> tuple[Block, ...]:
    """One row for each point, then what to mind."""
    over = " and ".join(axis.key for axis in sweep.axes)
    grid, same = _grid(sweep)
    context = f"{len(sweep.points)} point{'' if len(sweep.points) == 1 else 's'}"
    nets = {(point.kind, point.layers) for point in sweep.points}
    if len(nets) == 1:
        context += f" of {network(*next(iter(nets)))}"
    elif len(kinds := {kind for kind, _ in nets}) == 1:
        context += f" of {next(iter(kinds))} networks"
    if sweep.measured:
        context += (
            f"; {count(sweep.runs)} runs at each, seed {sweep.seed}, confidence {sweep.confidence:.15g}"
        )
    if same and sweep.points:
        context += f"; everywhere {', '.join(same)}"
    legend = (VACUOUS_MARK,) if any(map(_only_limit, sweep.points)) else ()
    told = sentences("Mind", (*_about_points(sweep.points), *sweep.notes, *legend))
    return (Title(f"Sweep of {over}", context), grid, *told)


def sweep_body(sweep: Sweep) -> dict[str, Any]:
    """The sweep as a document has it."""
    return {key: value for key, value in asdict(sweep).items() if key != "interrupted"}


def sweep_rows(sweep: Sweep) -> list[dict[str, Any]]:
    """One row for each point, the varied keys first; all rows have the same columns."""
    rows = []
    for point in sweep.points:
        row = {key: value for key, value in asdict(point).items() if key not in ("values", "measured")}
        notes = row.pop("notes")
        measure = dict.fromkeys(_MEASURED) if point.measured is None else asdict(point.measured)
        measured = {f"measured.{name}": measure[name] for name in _MEASURED} if sweep.measured else {}
        rows.append({**point.values, **row, **measured, "notes": " ".join(notes)})
    return rows
