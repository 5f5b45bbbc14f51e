"""Documents as commands write them, with numbers chosen by hand, and their charts."""

from __future__ import annotations

import copy
import json
from typing import Any

from rsgadvise.show.plot.charts import chart_from
from rsgadvise.show.plot.figure import Chart, Panel, Series

Document = dict[str, Any]


def chart(document: Document) -> Chart:
    return chart_from(json.dumps(document), "d.json")


def series_of(panel: Panel, role: str, group: int | None = None) -> Series:
    (found,) = [each for each in panel.series if each.role == role and each.group == group]
    return found


LENGTHS = (5, 10, 20, 50, 100, 200)
SPEC = {"network": {"kind": "multilayer", "layers": [784, 50, 10], "weight_bound": 0.05}}

BATCH: Document = {
    "schema": "rsgadvise.batch/1",
    "about": "multilayer 5-32-3",
    "optimizer": "sgd",
    "source": "measured",
    "critical_batch_size": {"value": 33.6, "lower": 9.4, "upper": 119.9, "at": 0.095},
    "advised": 32,
    "fastest": 128,
    "tradeoff": [
        {"batch_size": size, "iterations": 500 + 17_000 // size, "samples": 500 * size + 17_000}
        | {"seconds": 2.0 / size}
        for size in (8, 32, 128)
    ],
}


def point(values: Document, layers: list[int], **changed: Any) -> Document:
    found: Document = {
        "values": values,
        "kind": "multilayer",
        "layers": layers,
        "stepsize": [0.01, 0.02],
        "batch_size": 100,
        "iterations": 5000,
        "keep_prob": 0.5,
        "decay": 0,
        "paper_bound": 0.5,
        "certified_bound": 1.5,
        "largest_gradient": 20.0,
        "vacuous": False,
        "measured": None,
        "notes": [],
    }
    return found | changed


def measured(gradient: float, *, lower: float | None = None, upper: float | None = None) -> Document:
    return {
        "gradient": gradient,
        "lower": 0.5 * gradient if lower is None else lower,
        "upper": 2.0 * gradient if upper is None else upper,
        "runs": 64,
        "initial_loss": 2.5,
        "final_loss": 0.5 + 200 * gradient,
        "seconds": 1.25,
    }


def sweep(axes: list[Document], points: list[Document], **changed: Any) -> Document:
    found: Document = {
        "schema": "rsgadvise.sweep/1",
        "axes": axes,
        "points": points,
        "measured": any(each["measured"] for each in points),
        "confidence": 0.99 if any(each["measured"] for each in points) else None,
        "seed": 7,
        "runs": 64,
        "notes": [],
        "spec": SPEC,
    }
    return found | changed


def one_axis(*, with_measured: bool = True) -> Document:
    """Hidden lengths; the last bounds are vacuous, one paper bound is missing, one interval reaches 0."""
    points = []
    for index, length in enumerate(LENGTHS):
        found = point(
            {"network.layers[1]": length},
            [784, length, 10],
            stepsize=[0.05 / length, 0.2 / length],
            paper_bound=0.02 * length,
            certified_bound=0.3 * length,
            largest_gradient=20.0,
            vacuous=0.02 * length >= 20.0,
        )
        if with_measured:
            found["measured"] = measured(0.0004 * (index + 1))
        points.append(found)
    points[1]["paper_bound"] = None
    points[1]["notes"] = ["The stepsize lies outside the range of Theorem IV.1."]
    points[4]["certified_bound"] = 20.0
    points[5]["certified_bound"] = 20.0
    if with_measured:
        points[0]["measured"]["lower"] = -0.0001
    return sweep([{"key": "network.layers[1]", "values": list(LENGTHS)}], points)


def two_axes(keeps: tuple[float, ...] = (0.5, 0.75, 1.0), *, with_measured: bool = True) -> Document:
    """Hidden lengths at several keep probabilities."""
    points = []
    for length in LENGTHS:
        for keep in keeps:
            found = point(
                {"network.layers[1]": length, "training.keep_prob": keep},
                [784, length, 10],
                keep_prob=keep,
                paper_bound=0.02 * length * keep,
                certified_bound=min(0.3 * length * keep, 0.5 * length * keep + 4),
                largest_gradient=0.5 * length * keep + 4,
            )
            if with_measured:
                found["measured"] = measured(0.0001 * (1 + length) ** 0.5 * keep**2)
            points.append(found)
    return sweep(
        [
            {"key": "network.layers[1]", "values": list(LENGTHS)},
            {"key": "training.keep_prob", "values": list(keeps)},
        ],
        points,
    )


def many_groups(*, with_measured: bool = True) -> Document:
    """Twelve values of the second axis."""
    return two_axes(tuple(round(0.45 + 0.05 * i, 2) for i in range(12)), with_measured=with_measured)


def depths() -> Document:
    """Whole lists of layer lengths: a categorical axis."""
    networks = [[784, 10], [784, 100, 10], [784, 100, 50, 10], [784, 200, 100, 50, 10]]
    points = [
        point(
            {"network.layers": layers},
            layers,
            stepsize=[0.01] * (len(layers) - 1),
            paper_bound=0.1 * 4.0**index,
            certified_bound=min(0.4 * 8.0**index, 30.0),
            largest_gradient=10.0 + 20 * (index > 0),
            measured=measured(0.002 / (index + 1)),
        )
        for index, layers in enumerate(networks)
    ]
    return sweep([{"key": "network.layers", "values": networks}], points)


def single() -> Document:
    """One value of one axis, measured."""
    only = point({"training.batch_size": 64}, [784, 50, 10], batch_size=64, measured=measured(0.01))
    return sweep([{"key": "training.batch_size", "values": [64]}], [only])


def changed(document: Document, path: list[str | int], value: Any) -> Document:
    """A copy with one value replaced; None removes the key, "null" makes it null."""
    found = copy.deepcopy(document)
    place: Any = found
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = None if value == "null" else value
    return found


def recommendations() -> Document:
    """Five ranks of three terms each; the last bound is vacuous."""
    rows = []
    for rank in range(1, 6):
        terms = {"initial_error": 1.0 * rank, "gradient_noise": 2.0, "projection_noise": 0.5 * rank}
        rows.append(
            {
                "rank": rank,
                "stepsize": [0.012345 / rank, 0.0056789 / rank],
                "decay": 0,
                "batch_size": 16 * 4**rank,
                "iterations": 375_000 // rank,
                "keep_prob": 0.5,
                "bound": sum(terms.values()),
                "certified_bound": 30.0 * rank,
                "largest_gradient": 9.0,
                "vacuous": rank == 5,
                "terms": terms,
            }
        )
    return {
        "schema": "rsgadvise.recommend/1",
        "kind": "multilayer",
        "layers": [784, 200, 10],
        "constants": "paper",
        "objective": "smallest bound within the budget",
        "recommendations": rows,
    }


def raced(*, bounded: bool = True) -> Document:
    """The same with losses along its training; without bounds as of ReLU units and Adam."""
    expected = [{"iterations": 5000, "loss": 0.5, "low": 0.4, "high": 0.7}]
    train = {"expected": expected, "looks": [], "constant_loss": 1.09}
    pilot = {"curve": [[10, 0.95], [100, 0.8], [1000, None]]}
    by = "smallest loss in a race of short runs"
    found = recommendations() | {"train": train, "pilot": pilot, "objective": by}
    if not bounded:
        no_bound: Document = {"bound": None, "terms": {}, "vacuous": True, "certified_bound": 9.0}
        found["recommendations"] = [row | no_bound for row in found["recommendations"]]
    return found


def plan() -> Document:
    """A plan whose trade has a critical batch size of 100."""
    trade = [
        {"batch_size": size, "iterations": 500 + 50_000 // size, "samples": size * (500 + 50_000 // size)}
        for size in (1, 3, 10, 30, 100, 300)
    ]
    return {
        "schema": "rsgadvise.iterations/1",
        "kind": "single_layer",
        "layers": [100, 5],
        "constants": "paper",
        "eps": 0.05,
        "delta": 0.05,
        "runs": 10,
        "batch_size": 50,
        "iterations": 1500,
        "samples": 75_000,
        "critical_batch_size": 100.0,
        "min_batch_size": 1,
        "tradeoff": trade,
    }


SAMPLES = {
    "one": one_axis(),
    "unmeasured": one_axis(with_measured=False),
    "two": two_axes(),
    "many": many_groups(),
    "depths": depths(),
    "single": single(),
    "ranks": recommendations(),
    "plan": plan(),
    "batch": BATCH,
}
