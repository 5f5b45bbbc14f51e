"""A design as a chart: what each ranked network costs against its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from rsgadvise.numerals import count, network, number
from rsgadvise.records import dataclass
from rsgadvise.show.plot import typed
from rsgadvise.show.plot.figure import Chart, Panel, Point, Role, Series
from rsgadvise.show.plot.names import GRADIENT
from rsgadvise.show.plot.scales import log_axis, values_of

_MOST_DEPTHS = 84  # groups that can be told apart
_COSTS = {
    "work": ("work", "work (multiply-adds)"),
    "samples": ("total_samples", "samples of all runs, N B T (rows)"),
    "seconds": ("seconds", "time of all runs (seconds)"),
    "iterations": ("iterations", "iterations of all runs, N T (steps)"),
    "bound": ("bound", GRADIENT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Network:
    layers: typed.Layers
    weights: typed.Positive
    depth: typed.Whole
    runs: typed.Positive
    vacuous: typed.Flag
    work: typed.Positive | None = None
    total_samples: typed.Positive | None = None
    seconds: typed.Positive | None = None
    iterations: typed.Positive | None = None
    bound: typed.Positive | None = None

    def cost(self, by: str) -> float | None:
        """What was minimised."""
        found: float | None = getattr(self, _COSTS[by][0])
        return found if found is None or by != "iterations" else found * self.runs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Design:
    architectures: typed.Entries[_Network]
    by: Annotated[typed.Text, typed.one_of(_COSTS)]
    constants: typed.Text
    objective: typed.Text
    searched: typed.Whole


def architectures_chart(document: typed.Document) -> Chart:
    """What was minimised over the number of weights, one point per rank."""
    found = document.read(_Design)
    networks, by = found.architectures, found.by
    for place, one in enumerate(networks):
        if one.cost(by) is None:
            path = ("architectures", place, _COSTS[by][0])
            raise document.error(path, "must be a number, which the ranks are by", None)
    depths = sorted({one.depth for one in networks})[:_MOST_DEPTHS]
    ends = (networks[0].layers[0], networks[0].layers[-1])
    return Chart(
        title=f"Architectures between {count(ends[0])} inputs and {count(ends[1])} outputs",
        subtitle=f"{found.constants} constants; {found.objective}",
        rows=((_costs(networks, depths, by),),),
        group_name="hidden layers",
        groups=tuple(map(str, depths)),
        caption=tuple(_caption(found)),
    )


def _costs(networks: Sequence[_Network], depths: Sequence[int], by: str) -> Panel:
    role: Role = "chosen" if by == "bound" else "cost"
    name = "best bound of a network" if by == "bound" else "least cost of a network"
    series = []
    for group, depth in enumerate(depths):
        alike = sorted((one for one in networks if one.depth == depth), key=lambda one: one.weights)
        points = tuple(Point(one.weights, one.cost(by), hollow=one.vacuous) for one in alike)
        series.append(Series(name, role, points, group))
    best = networks[0]
    series.append(Series("rank 1", "plan", (Point(best.weights, best.cost(by)),)))
    return Panel(
        title="Cost of each ranked network" if by != "bound" else "Bound of each ranked network",
        across=log_axis("weights, all layers", [one.weights for one in networks]),
        value=log_axis(_COSTS[by][1], values_of(series)),
        series=tuple(series),
    )


def _caption(found: _Design) -> Iterator[str]:
    networks, by = found.architectures, found.by
    best = networks[0]
    told = number(best.cost(by))
    told = f"a bound of {told}" if by == "bound" else f"{told} {'multiply-adds' if by == 'work' else by}"
    yield (
        f"Rank 1 is {network('multilayer' if best.depth else 'single_layer', best.layers)} with "
        f"{count(int(best.weights))} weights and {told}."
    )
    hollow = sum(one.vacuous for one in networks)
    if hollow:
        yield (
            f"Vacuous (hollow), no better than the largest gradient of the network: {hollow} of "
            f"{len(networks)}; their order says nothing."
        )
    if found.searched > len(networks):
        yield f"The first {len(networks)} of {count(found.searched)} networks; --top shows more."
