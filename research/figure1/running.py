"""Sweeps of the packaged specs on real tables: one task for each panel, data set and replicate."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from research.figure1.rules import Panel
from research.figure1.tables import Table, reduced
from rsgadvise.ask.sweep.axes import (
    Axis,
    Measurement,
    PlannedPoint,
    Sweep,
    SweepPoint,
    Value,
    override,
    parse_axis,
    plan_points,
)
from rsgadvise.ask.sweep.running import Options, run_sweep
from rsgadvise.ask.verify.running import LocalRunner
from rsgadvise.show.report.blocks import as_document
from rsgadvise.show.report.sweeping import sweep_body
from rsgadvise.spec import LoadedSpec, load_spec, with_override
from rsgadvise.training.generated import measured_of
from rsgadvise.training.networks import Data

__all__ = ["CONFIGS", "PANELS", "Plan", "Replicate", "joined", "panel_of", "plan", "run_replicate"]

FloatArray = NDArray[np.float64]

CONFIGS = Path(__file__).parents[2] / "configs"
_LONG = ("training.stepsize=2", "training.iterations=4000", "network.weight_bound=5")
PANELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "a": ("figure1_a.yaml", ()),
    "a_fast": ("figure1_a.yaml", ("training.stepsize=0.02",)),
    "b": ("figure1_b.yaml", ()),
    "c": ("figure1_c.yaml", ()),
    "d": ("figure1_d.yaml", ()),
    "e": ("figure1_e.yaml", ()),
    "c_long": ("figure1_c.yaml", _LONG),
    "d_long": ("figure1_d.yaml", _LONG),
    "e_long": (
        "figure1_e.yaml",
        (*_LONG, 'sweep.vary=["training.keep_prob=0.05,0.25,0.5,0.75,0.95","training.iterations=400,4000"]'),
    ),
}
"""Spec, and what is changed in it. `a_fast` is (a) with a stepsize that moves small networks too; the long
ones train until classes are told apart, outside the range of the theorem."""

CONFIDENCE = 0.99
_DEPTH_AND_LENGTH = ("d", "d_long")


@dataclass(frozen=True, slots=True)
class Plan:
    """The points of one panel for tables of so many columns."""

    panel: str
    loaded: LoadedSpec
    axes: tuple[Axis, ...]
    points: tuple[PlannedPoint, ...]


@dataclass(frozen=True, slots=True)
class Replicate:
    """What one replicate measured: each point at R of the spec, and at R = 1, where training begins."""

    ended: tuple[SweepPoint, ...]
    began: tuple[SweepPoint, ...]


def plan(panel: str, columns: int, *, configs: Path = CONFIGS, overrides: Sequence[str] = ()) -> Plan:
    """Read a spec and fit its lengths to a table.

    Where the widest network has more inputs than the table has columns, the visible lengths are halved until
    it fits; so are all other lengths of networks whose lengths are equal.

    Args:
        panel: of `PANELS`.
        columns: of the table.
        configs: folder of the specs.
        overrides: KEY=VALUE, after those of the panel.
    """
    file, changes = PANELS[panel]
    loaded = load_spec(configs / file, overrides=(*changes, *overrides))
    section = loaded.spec.sweep
    assert section is not None
    assert section.vary is not None
    axes = tuple(parse_axis(text).axis for text in section.vary)
    widest = max(point.loaded.spec.network.layers[0] for point in plan_points(loaded, axes, option="vary"))
    halvings = max(0, math.ceil(math.log2(widest / columns)))
    axes = tuple(_narrower(axis, 2**halvings) for axis in axes)
    base = [int(length) for length in _fitted(loaded.spec.network.layers, 2**halvings)]
    loaded = with_override(loaded, override("network.layers", tuple(base)), option="vary")
    return Plan(panel, loaded, axes, plan_points(loaded, axes, option="vary"))


def _narrower(axis: Axis, factor: int) -> Axis:
    if axis.key == "network.layers[0]":
        return replace(axis, values=tuple(int(v) // factor for v in axis.values if not isinstance(v, tuple)))
    if axis.key == "network.layers":
        return replace(axis, values=tuple(_fitted(v, factor) for v in axis.values if isinstance(v, tuple)))
    return axis


def _fitted(layers: Sequence[float], factor: int) -> tuple[float, ...]:
    *inner, last = layers
    if len(inner) > 1 and len(set(inner)) == 1:
        return (*(int(length) // factor for length in inner), last)
    return (int(inner[0]) // factor, *inner[1:], last)


def run_replicate(planned: Plan, table: Table, *, data: str, seed: int) -> Replicate:
    """All points of a panel on one table, each from the same seed.

    Args:
        planned: the panel.
        table: the data.
        data: its name, which with the seed decides all randomness.
        seed: of the replicate: W^1, columns, mini-batches and masks.
    """
    began = [
        PlannedPoint(point.values, with_override(point.loaded, "training.iterations=1", option="vary"))
        for point in planned.points
    ]
    found: dict[str, dict[int, SweepPoint]] = {"ended": {}, "began": {}}
    tied = planned.loaded.spec.network.kind == "autoencoder"
    by_width: dict[int, list[int]] = {}
    for place, point in enumerate(planned.points):
        by_width.setdefault(point.loaded.spec.network.layers[0], []).append(place)
    for width, places in by_width.items():
        rows = reduced(table, width, seed=seed, tied=tied)
        statistics = measured_of(rows)
        for stage, every in (("ended", planned.points), ("began", began)):
            chosen = tuple(every[place] for place in places)
            options = Options(measure=True, runs=1, seed=seed, confidence=CONFIDENCE)
            name = f"{planned.panel} {data}"
            sweep = run_sweep(
                chosen,
                planned.axes,
                options=options,
                name=name,
                runner=LocalRunner([]),
                data=rows,
                statistics=statistics,
            )
            if sweep.interrupted:
                raise KeyboardInterrupt
            found[stage].update(zip(places, sweep.points, strict=True))
    order = range(len(planned.points))
    return Replicate(*(tuple(found[stage][place] for place in order) for stage in ("ended", "began")))


def joined(planned: Plan, replicates: Sequence[Replicate], table: Table, *, data: str) -> dict[str, Any]:
    """One document of `rsgadvise sweep` with means over the replicates, and Student's limits of these.

    Args:
        planned: the panel.
        replicates: of it.
        table: that they were trained on. data: its name.
    """
    points = [
        _mean_point([replicate.ended[place] for replicate in replicates])
        for place in range(len(planned.points))
    ]
    axes = planned.axes
    if planned.panel in _DEPTH_AND_LENGTH:
        points = [replace(point, values=_depth_and_length(point)) for point in points]
        axes = tuple(
            Axis(key, tuple(dict.fromkeys(point.values[key] for point in points)))
            for key in ("length", "depth")
        )
    rows, columns = table.inputs.shape
    sweep = Sweep(
        axes=axes,
        points=tuple(points),
        measured=True,
        confidence=CONFIDENCE,
        seed=0,
        runs=len(replicates),
        notes=(
            f"Data: {rows:,} rows of {data}. `spec.data` has the moments of all {columns:,} columns; the "
            "bounds of a point are those of the columns that it was trained on, a random choice in each run.",
            "measured: mean over runs with a W^1, a choice of columns, mini-batches and masks of their own; "
            "its limits are Student's over these runs.",
        ),
    )
    return as_document("sweep", sweep_body(sweep), spec=_spec_as_run(planned, table, runs=len(replicates)))


def _spec_as_run(planned: Plan, table: Table, *, runs: int) -> dict[str, Any]:
    """The packaged spec with the moments, axes and runs of this table in place of its own."""
    spec = planned.loaded.spec.model_dump(mode="json")
    spec["data"] |= measured_of(Data(table.inputs, table.targets))
    spec["sweep"] |= {
        "vary": [f"{axis.key}={_vary_text(axis.values)}" for axis in planned.axes],
        "runs": runs,
    }
    return spec


def _vary_text(values: Sequence[Value]) -> str:
    if isinstance(values[0], tuple):
        return ";".join(json.dumps(value, separators=(",", ":")) for value in values)
    return ",".join(f"{value:.15g}" for value in values if not isinstance(value, tuple))


def _depth_and_length(point: SweepPoint) -> dict[str, Value]:
    return {"length": point.layers[0], "depth": len(point.layers) - 1}


def _mean_point(points: Sequence[SweepPoint]) -> SweepPoint:
    """The point of all replicates: bounds and measurements in the mean, as moments differ a little."""
    first = points[0]
    measured = [point.measured for point in points if point.measured is not None]
    notes = Counter(note for point in points for note in point.notes if note.startswith(("No", "Div")))
    return replace(
        first,
        paper_bound=_mean([point.paper_bound for point in points]),
        certified_bound=_mean([point.certified_bound for point in points]),
        largest_gradient=_mean([point.largest_gradient for point in points]),
        vacuous=any(point.vacuous for point in points),
        measured=_mean_measurement(measured) if len(measured) == len(points) else None,
        notes=tuple(note for note, _ in notes.most_common(1)),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _mean_measurement(each: Sequence[Measurement]) -> Measurement:
    gradients = np.array([found.gradient for found in each])
    mean, lower, upper = float(gradients.mean()), 0.0, None
    if len(each) > 1:
        reach = float(student.ppf((1 + CONFIDENCE) / 2, len(each) - 1))
        half = reach * float(gradients.std(ddof=1)) / math.sqrt(len(each))
        lower, upper = max(0.0, mean - half), mean + half
    return Measurement(
        gradient=mean,
        lower=lower,
        upper=upper,
        runs=len(each),
        initial_loss=float(np.mean([found.initial_loss for found in each])),
        final_loss=_mean([found.final_loss for found in each]),
        seconds=sum(found.seconds for found in each),
    )


def panel_of(planned: Plan, replicates: Sequence[Replicate]) -> Panel:
    """Readings and features of one panel, for the rules."""
    layers = [point.loaded.spec.network.layers for point in planned.points]
    training = [point.loaded.spec.training for point in planned.points]
    boxes = [point.loaded.spec.network.weight_bound for point in planned.points]
    features = {
        "visible": [net[0] for net in layers],
        "hidden": [net[1] for net in layers],
        "length": [net[0] for net in layers],
        "depth": [len(net) - 1 for net in layers],
        "weight_bound": boxes,
        "keep_prob": [each.keep_prob for each in training],
        "iterations": [each.iterations for each in training],
    }
    ended = [replicate.ended for replicate in replicates]
    gradient = _logs([[_gradient(p) for p in points] for points in ended])
    start = _logs([[_gradient(p) for p in replicate.began] for replicate in replicates])
    limits = [[p.largest_gradient for p in points] for points in ended]
    bounds = {
        "paper": [[p.paper_bound for p in points] for points in ended],
        "certified": [[p.certified_bound for p in points] for points in ended],
    }
    return Panel(
        features={name: np.array(values, dtype=np.float64) for name, values in features.items()},
        logs={
            "measured": gradient,
            "relative": gradient - start,
            "start": start,
            "loss": _logs([[_loss_left(p) for p in points] for points in ended]),
            **{name: _logs(values) for name, values in bounds.items()},
        },
        vacuous=frozenset(
            name for name, values in bounds.items() if (_logs(values) >= _logs(limits) - 1e-12).any()
        ),
    )


def _gradient(point: SweepPoint) -> float | None:
    return None if point.measured is None else point.measured.gradient


def _loss_left(point: SweepPoint) -> float | None:
    found = point.measured
    return None if found is None or found.final_loss is None else found.final_loss / found.initial_loss


def _logs(values: Sequence[Sequence[float | None]]) -> FloatArray:
    """Natural logarithms; nan for what is missing or not above 0."""
    plain = [[math.nan if v is None or v <= 0 else math.log(v) for v in row] for row in values]
    return np.array(plain, dtype=np.float64)
