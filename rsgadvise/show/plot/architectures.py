"""A design as a chart: what each ranked network costs against its size, and lengths of equal bounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rsgadvise.numerals import count, lengths, network, number
from rsgadvise.show.plot.document import Entry
from rsgadvise.show.plot.figure import Chart, Panel, Point, Role, Series
from rsgadvise.show.plot.names import GRADIENT
from rsgadvise.show.plot.scales import log_axis

_MOST_DEPTHS = 84  # groups that can be told apart
_COSTS = {
    "work": ("work", "work (multiply-adds)"),
    "samples": ("total_samples", "samples of all runs, N B T (rows)"),
    "seconds": ("seconds", "time of all runs (seconds)"),
    "iterations": ("iterations", "iterations of all runs, N T (steps)"),
    "bound": ("bound", GRADIENT),
}


@dataclass(frozen=True, slots=True)
class _Network:
    layers: tuple[int, ...]
    weights: float
    depth: int
    value: float
    hollow: bool


def architectures_chart(document: Entry) -> Chart:
    """What was minimised over the number of weights, one point per rank, and the curve of equal bounds.

    Raises:
        DataError: there is no architecture, a key is missing, or a value is of another kind.
    """
    entries = document["architectures"].entries()
    if not entries:
        infeasible = document.get("infeasible")
        reason = None if infeasible is None else infeasible["reason"].text()
        document["architectures"].fail(
            "must hold at least one architecture" + (f"; there is none: {reason}" if reason else ""),
            "relax the target or the search",
        )
    by = document["by"].text()
    if by not in _COSTS:
        document["by"].fail(f"must be one of {', '.join(_COSTS)}")
    networks = [_network(entry, by) for entry in entries]
    depths = sorted({one.depth for one in networks})[:_MOST_DEPTHS]
    panels = [_costs(networks, depths, by)]
    curve = _curve(document)
    if curve is not None:
        panels.append(curve)
    ends = (networks[0].layers[0], networks[0].layers[-1])
    return Chart(
        title=f"Architectures between {count(ends[0])} inputs and {count(ends[1])} outputs",
        subtitle=f"{document['constants'].text()} constants; {document['objective'].text()}",
        rows=(tuple(panels),),
        group_name="hidden layers",
        groups=tuple(map(str, depths)),
        caption=tuple(_caption(document, networks, curve)),
    )


def _network(entry: Entry, by: str) -> _Network:
    value = entry[_COSTS[by][0]].positive()
    if by == "iterations":
        value *= entry["runs"].positive()
    return _Network(
        layers=entry.layers(),
        weights=entry["weights"].positive(),
        depth=entry["depth"].whole(),
        value=value,
        hollow=entry["vacuous"].flag(),
    )


def _costs(networks: Sequence[_Network], depths: Sequence[int], by: str) -> Panel:
    role: Role = "chosen" if by == "bound" else "cost"
    name = "best bound of a network" if by == "bound" else "least cost of a network"
    series = []
    for group, depth in enumerate(depths):
        alike = sorted((one for one in networks if one.depth == depth), key=lambda one: one.weights)
        points = tuple(Point(one.weights, one.value, hollow=one.hollow) for one in alike)
        series.append(Series(name, role, points, group))
    best = networks[0]
    series.append(Series("rank 1", "plan", (Point(best.weights, best.value),)))
    return Panel(
        title="Cost of each ranked network" if by != "bound" else "Bound of each ranked network",
        across=log_axis("weights, all layers", [one.weights for one in networks]),
        value=log_axis(_COSTS[by][1], [one.value for one in networks]),
        series=tuple(series),
    )


def _curve(document: Entry) -> Panel | None:
    """Second lengths over first ones, None where there are fewer than two to join."""
    points = [] if document.get("curve") is None else document["curve"].entries()
    if len(points) < 2:
        return None
    pairs = sorted((point["first"].positive(), point["second"].positive()) for point in points)
    layers = document.layers("curve_layers")
    if len(layers) < 4:
        document["curve_layers"].fail("must have at least two hidden layers")
    own = (float(layers[1]), float(layers[2]))
    if min(own) <= 0:
        document["curve_layers"].fail("must be lengths above 0")
    line = Series("the same bound", "limit", tuple(Point(*pair) for pair in pairs), joined=True)
    return Panel(
        title=f"Lengths with the bound of {lengths(layers)}",
        across=log_axis("units of hidden layer 1", [own[0], *(first for first, _ in pairs)]),
        value=log_axis("units of hidden layer 2", [own[1], *(second for _, second in pairs)]),
        series=(line, Series("its own lengths", "plan", (Point(*own),))),
    )


def _caption(document: Entry, networks: Sequence[_Network], curve: Panel | None) -> Iterator[str]:
    best = networks[0]
    by = document["by"].text()
    told = number(best.value)
    told = f"a bound of {told}" if by == "bound" else f"{told} {'multiply-adds' if by == 'work' else by}"
    yield (
        f"Rank 1 is {network('multilayer' if best.depth else 'single_layer', best.layers)} with "
        f"{count(int(best.weights))} weights and {told}."
    )
    hollow = sum(one.hollow for one in networks)
    if hollow:
        yield (
            f"Vacuous (hollow), no better than the largest gradient of the network: {hollow} of "
            f"{len(networks)}; their order says nothing."
        )
    if curve is not None:
        level = number(document["curve_bound"].positive())
        yield f"Along the curve the bound is {level}, at the same batch size and iterations."
    searched = document["searched"].whole()
    if searched > len(networks):
        yield f"The first {len(networks)} of {count(searched)} networks; --top shows more."
