"""Ranked recommendations as a chart: the terms of each bound, and the bounds against the largest gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rsgadvise.numerals import count, network, number, percent, stepsizes
from rsgadvise.show.plot.document import Entry
from rsgadvise.show.plot.figure import Axis, Bar, Chart, Level, Panel, Point, Segment, Series
from rsgadvise.show.plot.names import GRADIENT, limit_name
from rsgadvise.show.plot.scales import categories, linear_axis, log_axis

_MOST = 30  # ranks in one picture


@dataclass(frozen=True, slots=True)
class _Rank:
    label: str
    bound: float | None
    certified: float | None
    limit: float | None
    vacuous: bool
    terms: dict[str, float]


def ranking_chart(document: Entry) -> Chart:
    """Stacked terms at each rank, and beside them the chosen and the certified bound.

    Raises:
        DataError: there are no recommendations, a key is missing, or a value is of another kind.
    """
    entries = document["recommendations"].entries()
    if not entries:
        infeasible = document.get("infeasible")
        reason = None if infeasible is None else infeasible["reason"].text()
        document["recommendations"].fail(
            "must hold at least one recommendation" + (f"; there is no plan: {reason}" if reason else ""),
            "relax the target or the budget",
        )
    first = entries[0]["keep_prob"].number(), document.maybe_positive("largest_gradient")
    ranks = [_rank(entry, *first) for entry in entries[:_MOST]]
    across = categories("rank", [rank.label for rank in ranks])
    constants = document["constants"].text()
    parts = tuple(dict.fromkeys(name for rank in ranks for name in rank.terms))
    panels = [_bounds(ranks, across, constants)]
    if parts:
        panels.insert(0, _terms(ranks, across, parts))
    objective = document.get("objective")
    return Chart(
        title=f"Recommendations for {network(document['kind'].text(), document.layers())}",
        subtitle=f"{constants} constants" + ("" if objective is None else f"; {objective.text()}"),
        rows=(tuple(panels),),
        parts=tuple(name.replace("_", " ") for name in parts),
        caption=tuple(_caption(ranks, len(entries))),
    )


def _rank(entry: Entry, first_keep_prob: float, first_limit: float | None) -> _Rank:
    """One rank; a document without limits of its own has that of the first, true at its keep probability."""
    stepsize = entry.stepsize()
    words = [
        f"{entry['rank'].whole()}:",
        f"γ {'n/a' if stepsize is None else stepsizes(stepsize)},",
        f"B {count(entry['batch_size'].whole())},",
        f"N {count(entry['iterations'].whole())}",
    ]
    keep_prob = entry["keep_prob"].number()
    if keep_prob != 1:
        words[-1] += ","
        words.append(f"ζ {number(keep_prob, 3)}")
    decay = entry.get("decay")
    if decay is not None and decay.number() != 0:
        words[-1] += ","
        words.append(f"ρ {number(decay.number(), 3)}")
    own = entry.get("largest_gradient")
    limit = first_limit if keep_prob == first_keep_prob else None
    if own is not None:
        limit = own.positive()
    terms = {} if entry.get("terms") is None else {k: v.number() for k, v in entry["terms"].items()}
    for name, value in terms.items():
        if value < 0:
            entry["terms"][name].fail("must be at least 0")
    return _Rank(
        label=" ".join(words),
        bound=entry.maybe_positive("bound"),
        certified=entry.maybe_positive("certified_bound"),
        limit=limit,
        vacuous=entry["vacuous"].flag(),
        terms=terms,
    )


def _terms(ranks: Sequence[_Rank], across: Axis, parts: Sequence[str]) -> Panel:
    bars = tuple(
        Bar(
            float(index),
            tuple(Segment(parts.index(name), value) for name, value in rank.terms.items()),
        )
        for index, rank in enumerate(ranks)
    )
    sums = [sum(rank.terms.values()) for rank in ranks]
    return Panel(
        title="Terms of the bound",
        across=across,
        value=linear_axis("squared gradient norm", sums, from_zero=True),
        bars=bars,
        horizontal=True,
    )


def _bounds(ranks: Sequence[_Rank], across: Axis, constants: str) -> Panel:
    chosen = tuple(Point(float(index), rank.bound, hollow=rank.vacuous) for index, rank in enumerate(ranks))
    series = [Series(f"bound with {constants} constants", "chosen", chosen)]
    if any(rank.certified != rank.bound for rank in ranks):
        certified = tuple(
            Point(float(index), rank.certified, hollow=_reaches(rank.certified, rank.limit))
            for index, rank in enumerate(ranks)
        )
        series.append(Series("certified bound", "certified", certified))
    limits = tuple(
        Point(float(index), rank.limit) for index, rank in enumerate(ranks) if rank.limit is not None
    )
    values = [point.value for each in series for point in (*each.points, *limits) if point.value is not None]
    levels: tuple[Level, ...] = ()
    if len({point.value for point in limits}) == 1 and len(limits) == len(ranks):
        levels = (Level(limit_name(), "limit", limits[0].value or 0.0),)
    elif limits:  # behind the bounds
        series.insert(0, Series(limit_name(), "limit", limits))
    return Panel(
        title="Bounds and their limit",
        across=across,
        value=log_axis(GRADIENT, values),
        series=tuple(series),
        levels=levels,
        horizontal=True,
    )


def _reaches(bound: float | None, limit: float | None) -> bool:
    return bound is not None and limit is not None and bound >= limit


def _caption(ranks: Sequence[_Rank], total: int) -> Iterator[str]:
    best = ranks[0]
    if best.bound is not None and best.terms:
        name, value = max(best.terms.items(), key=lambda item: item[1])
        share = percent(value / best.bound)
        yield f"Largest term at rank 1: {name.replace('_', ' ')}, {share} of the bound {number(best.bound)}."
    loose = [rank for rank in ranks if rank.vacuous]
    if loose:
        limits = [rank.limit for rank in loose if rank.limit is not None]
        level = "the largest gradient" + (f" {stepsizes(limits)}" if limits else "")
        yield f"Vacuous (hollow), no better than {level}: {len(loose)} of {len(ranks)} bounds."
    lacking = sum(1 for rank in ranks if rank.bound is None)
    if lacking:
        yield f"No bound (× at the edge) at {lacking} of {len(ranks)} ranks: the theorem does not hold there."
    if total > len(ranks):
        yield f"The first {len(ranks)} of {total} ranks."
