"""Ranked recommendations as a chart: the terms of each bound, and the bounds against the largest gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from typing import Annotated

from rsgadvise.numerals import count, network, number, percent, stepsizes
from rsgadvise.records import dataclass
from rsgadvise.show.plot import typed
from rsgadvise.show.plot.document import Document
from rsgadvise.show.plot.figure import Axis, Bar, Chart, Level, Panel, Point, Segment, Series
from rsgadvise.show.plot.learning import learning_panel
from rsgadvise.show.plot.names import GRADIENT, limit_name
from rsgadvise.show.plot.scales import categories, linear_axis, log_axis

_MOST = 30  # ranks in one picture


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rank:
    rank: typed.Whole
    stepsize: typed.Stepsizes | None = None
    batch_size: typed.Whole
    iterations: typed.Whole
    keep_prob: typed.Number
    decay: typed.Number | None = None
    bound: typed.Positive | None
    certified_bound: typed.Positive | None
    largest_gradient: typed.Positive | None = None
    vacuous: typed.Flag
    terms: typed.Keys[Annotated[typed.Number, typed.must("be at least 0", lambda x: x >= 0)]] = field(
        default_factory=dict
    )

    def label(self) -> str:
        """The hyper-parameters in one line."""
        words = [
            f"{self.rank}: γ {stepsizes(self.stepsize) if self.stepsize else 'n/a'}",
            f"B {count(self.batch_size)}",
            f"N {count(self.iterations)}",
        ]
        if self.keep_prob != 1:
            words.append(f"ζ {number(self.keep_prob, 3)}")
        if self.decay:
            words.append(f"ρ {number(self.decay, 3)}")
        return ", ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranking:
    recommendations: typed.Entries[_Rank]
    largest_gradient: typed.Positive | None
    constants: typed.Text
    objective: typed.Text | None = None
    kind: typed.Text
    layers: typed.Layers


def ranking_chart(document: Document) -> Chart:
    """Stacked terms at each rank, beside them both bounds, and above the losses of a race.

    Raises:
        DataError: a key is missing, or a value is of another kind.
    """
    found = document.read(_Ranking)
    first = found.recommendations[0].keep_prob
    # A document without limits of its own has that of the first rank, true at its keep probability.
    ranks = [
        replace(rank, largest_gradient=found.largest_gradient)
        if rank.largest_gradient is None and rank.keep_prob == first
        else rank
        for rank in found.recommendations[:_MOST]
    ]
    across = categories("rank", [rank.label() for rank in ranks])
    parts = tuple(dict.fromkeys(name for rank in ranks for name in rank.terms))
    panels = [_bounds(ranks, across, found.constants)]
    if parts:
        panels.insert(0, _terms(ranks, across, parts))
    objective = "" if found.objective is None else f"; {found.objective}"
    learning = learning_panel(document)
    return Chart(
        title=f"Recommendations for {network(found.kind, found.layers)}",
        subtitle=f"{found.constants} constants{objective}",
        rows=(*([(learning,)] if learning is not None else []), tuple(panels)),
        parts=tuple(name.replace("_", " ") for name in parts),
        caption=tuple(_caption(ranks, len(found.recommendations))),
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
    if any(rank.certified_bound != rank.bound for rank in ranks):
        certified = tuple(
            Point(
                float(index),
                rank.certified_bound,
                hollow=_reaches(rank.certified_bound, rank.largest_gradient),
            )
            for index, rank in enumerate(ranks)
        )
        series.append(Series("certified bound", "certified", certified))
    limits = tuple(
        Point(float(index), rank.largest_gradient)
        for index, rank in enumerate(ranks)
        if rank.largest_gradient is not None
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
        limits = [rank.largest_gradient for rank in loose if rank.largest_gradient is not None]
        level = "the largest gradient" + (f" {stepsizes(limits)}" if limits else "")
        yield f"Vacuous (hollow), no better than {level}: {len(loose)} of {len(ranks)} bounds."
    lacking = sum(1 for rank in ranks if rank.bound is None)
    if lacking:
        yield f"No bound (× at the edge) at {lacking} of {len(ranks)} ranks: the theorem does not hold there."
    if total > len(ranks):
        yield f"The first {len(ranks)} of {total} ranks."
