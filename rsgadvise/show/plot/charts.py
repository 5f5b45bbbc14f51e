"""Documents as charts: which can be shown, and by which chart; a sweep has a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from rsgadvise.numerals import count, network, number, percent, stepsizes
from rsgadvise.records import dataclass
from rsgadvise.show.plot import typed
from rsgadvise.show.plot.figure import (
    GRADIENT,
    LIMIT,
    Axis,
    Bar,
    Chart,
    Level,
    Panel,
    Point,
    Segment,
    Series,
    across_axis,
    categories,
    in_rows,
    linear_axis,
    log_axis,
    measured_point,
    no_better,
    values_of,
)
from rsgadvise.show.plot.sweep import sweep_chart
from rsgadvise.show.plot.typed import Document, Text, line, parse_document

# Ranked recommendations: the terms of each bound, and the bounds against the largest gradient.

_MOST = 30  # ranks in one picture
_SHORT_RUN = "seen in a short run"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rank:
    rank: typed.Whole
    stepsize: typed.Numbers
    batch_size: typed.Whole
    iterations: typed.Whole
    keep_prob: typed.Number
    decay: typed.Number
    bound: typed.Positive | None
    certified_bound: typed.Positive | None
    largest_gradient: typed.Positive | None
    vacuous: typed.Flag
    terms: dict[str, Annotated[typed.Number, typed.must("be at least 0", lambda x: x >= 0)]]

    @property
    def has_bound(self) -> bool:
        """Whether its own bound exists, or a certified one that says something."""
        sure, limit = self.certified_bound, self.largest_gradient
        return self.bound is not None or (sure is not None and not no_better(sure, limit))

    def label(self) -> str:
        """The hyper-parameters in one line."""
        words = [
            f"{self.rank}: γ {stepsizes(self.stepsize)}",
            f"B {count(self.batch_size)}",
            f"N {count(self.iterations)}",
        ]
        if self.keep_prob != 1:
            words.append(f"ζ {number(self.keep_prob, 3)}")
        if self.decay:
            words.append(f"ρ {number(self.decay, 3)}")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class _Expected:
    iterations: typed.Positive
    loss: typed.Number
    low: typed.Number
    high: typed.Number


@dataclass(frozen=True, slots=True)
class _Look:
    iterations: typed.Positive
    loss: typed.Number | None
    held_out_loss: typed.Number | None


@dataclass(frozen=True, slots=True)
class _Train:
    expected: tuple[_Expected, ...] = ()
    looks: tuple[_Look, ...] = ()
    constant_loss: typed.Number | None = None


@dataclass(frozen=True, slots=True)
class _Pilot:
    curve: tuple[tuple[typed.Positive, typed.Number | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranking:
    recommendations: typed.Entries[_Rank]
    constants: typed.Text
    objective: typed.Text
    kind: typed.Text
    layers: typed.Layers
    train: _Train | None = None
    pilot: _Pilot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    model: typed.Name
    optimizer: typed.Name
    loss: typed.Name
    train: _Train | None = None
    pilot: _Pilot | None = None


def ranking_chart(document: typed.Document) -> Chart:
    """Stacked terms at each rank, beside them both bounds, and above the losses of a race; where no rank has
    a bound, and of a torch model, the losses alone."""
    if "model" in document.content:
        model = document.read(_Model)
        rows = _learning(document, model, "at the end of short trainings")
        return Chart(f"Advice for {model.model}", f"{model.optimizer}, loss {model.loss}", rows)
    ranking = document.read(_Ranking)
    ranks = ranking.recommendations[:_MOST]
    chart = Chart(
        title=f"Recommendations for {network(ranking.kind, ranking.layers)}",
        subtitle=f"{ranking.constants} constants; {ranking.objective}",
        rows=(),
    )
    if not any(rank.has_bound for rank in ranks):
        return replace(chart, rows=_learning(document, ranking))
    across = categories("rank", [rank.label() for rank in ranks])
    parts = tuple(dict.fromkeys(name for rank in ranks for name in rank.terms))
    panels = [_bounds(ranks, across, ranking.constants)]
    if parts:
        panels.insert(0, _terms(ranks, across, parts))
    return replace(
        chart,
        rows=(*_losses(ranking.train, ranking.pilot), tuple(panels)),
        parts=tuple(name.replace("_", " ") for name in parts),
        caption=tuple(_caption(ranks, len(ranking.recommendations))),
    )


def _learning(
    document: typed.Document, content: _Ranking | _Model, looked: str = _SHORT_RUN
) -> tuple[tuple[Panel], ...]:
    """The losses, of an answer that has nothing else to show.

    Raises:
        DataError: there are none either.
    """
    rows = tuple(_losses(content.train, content.pilot, looked))
    if not rows:
        fix = "give an advice that was raced on data and learnt something, or one whose ranks have a bound"
        raise document.error(("train", "expected"), "must hold at least one loss", [], fix)
    return rows


def _losses(train: _Train | None, pilot: _Pilot | None, looked: str = _SHORT_RUN) -> Iterator[tuple[Panel]]:
    """The loss along a race's second run, and what is expected of whole trainings, if anything is."""
    if train is None or pilot is None or not (train.expected and (train.looks or pilot.curve)):
        return
    curve = [(look.iterations, look.loss) for look in train.looks] or pilot.curve
    apart = _positive((look.iterations, look.held_out_loss) for look in train.looks)
    looked = "whole trainings" if train.looks else looked
    seen = _positive(curve)
    ends = (measured_point(each.iterations, each.loss, each.low, each.high) for each in train.expected)
    ahead = tuple(point for point in ends if point is not None)
    levels: tuple[Level, ...] = ()
    if train.constant_loss:
        constant = train.constant_loss
        levels = (Level(f"a constant prediction, {number(constant, 3)}", "limit", constant),)
    held = [Series("their rows held out", "certified", apart, joined=True)] if apart else []
    series = (
        Series(looked, "measured", seen, joined=True),
        *held,
        Series("expected at the end, nine in ten within", "plan", ahead),
    )
    across = across_axis("iterations k", [point.at for point in (*seen, *ahead)])
    value = log_axis(
        "loss" if apart else "training loss", [*values_of(series), *(level.at for level in levels)]
    )
    yield (Panel("Loss along the training", across, value, series, levels),)


def _positive(curve: Iterable[tuple[float, float | None]]) -> tuple[Point, ...]:
    """What a logarithmic axis can show of it."""
    return tuple(Point(at, loss) for at, loss in curve if loss is not None and loss > 0)


def _terms(ranks: Sequence[_Rank], across: Axis, parts: Sequence[str]) -> Panel:
    bars = tuple(
        Bar(
            float(index),
            tuple(Segment(parts.index(name), value) for name, value in rank.terms.items()),
        )
        for index, rank in enumerate(ranks)
    )
    value = linear_axis("squared gradient norm", [sum(rank.terms.values()) for rank in ranks], from_zero=True)
    return Panel("Terms of the bound", across, value, bars=bars, horizontal=True)


def _bounds(ranks: Sequence[_Rank], across: Axis, constants: str) -> Panel:
    chosen = in_rows((rank.bound for rank in ranks), (rank.vacuous for rank in ranks))
    series = [Series(f"bound with {constants} constants", "chosen", chosen)]
    if any(rank.certified_bound != rank.bound for rank in ranks):
        empty = (no_better(rank.certified_bound, rank.largest_gradient) for rank in ranks)
        certified = in_rows((rank.certified_bound for rank in ranks), empty)
        series.append(Series("certified bound", "certified", certified))
    every = in_rows(rank.largest_gradient for rank in ranks)
    limits = Series(LIMIT, "limit", tuple(point for point in every if point.value is not None))
    value = log_axis(GRADIENT, values_of([*series, limits]))
    levels: tuple[Level, ...] = ()
    if len({point.value for point in every}) == 1 and limits.points:
        levels = (Level(LIMIT, "limit", limits.points[0].value or 0.0),)
    elif limits.points:  # behind the bounds
        series.insert(0, limits)
    return Panel("Bounds and their limit", across, value, tuple(series), levels, horizontal=True)


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


# Steps, samples and time over the batch size: for one target (`iterations`), or to one loss (`batch`).

_BATCH_SIZE = "batch size B (rows)"
_LABELS = {
    "iterations": "iterations N (steps)",
    "samples": "samples N B (rows)",
    "seconds": "seconds",
}


@dataclass(frozen=True, slots=True)
class _Row:
    batch_size: typed.Positive
    iterations: typed.Positive
    samples: typed.Positive
    seconds: typed.Positive | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    tradeoff: typed.Entries[_Row]
    critical_batch_size: typed.Positive | None
    iterations: typed.Positive | None
    samples: typed.Positive | None
    batch_size: typed.Positive | None = None
    eps: typed.Number
    delta: typed.Number
    runs: typed.Whole
    constants: typed.Text
    kind: typed.Text
    layers: typed.Layers
    min_batch_size: typed.Positive | None

    def planned(self) -> _Row | None:
        """The plan itself, None where the target is infeasible."""
        if self.batch_size is None or self.iterations is None or self.samples is None:
            return None
        return _Row(self.batch_size, self.iterations, self.samples)


@dataclass(frozen=True, slots=True)
class _Critical:
    value: typed.Positive | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batches:
    about: typed.Text
    optimizer: typed.Text
    source: typed.Text
    tradeoff: typed.Entries[_Row]
    critical_batch_size: _Critical
    advised: typed.Positive
    fastest: typed.Positive | None


def plan_chart(document: typed.Document) -> Chart:
    """Iterations N and samples N B of an iteration plan over the batch size B, with the critical one."""
    plan = document.read(_Plan)
    critical, planned = plan.critical_batch_size, plan.planned()
    rows = sorted(plan.tradeoff, key=lambda row: row.batch_size)
    mark = [] if planned is None else [planned]
    sizes = [row.batch_size for row in (*rows, *mark)]
    across = across_axis(_BATCH_SIZE, [*sizes, *([] if critical is None else [critical])])
    if critical is not None and critical != int(critical):  # it has a line of its own, and needs no tick
        across = replace(across, ticks=tuple(tick for tick in across.ticks if tick.position != critical))
    levels = () if critical is None else (_level(critical, number(critical)),)
    titles = {"iterations": "Steps of one run", "samples": "Samples of one run"}
    target = f"eps {number(plan.eps)}, delta {number(plan.delta)}, {plan.runs} runs"
    return Chart(
        title=f"Iterations for {network(plan.kind, plan.layers)}",
        subtitle=f"{plan.constants} constants; {target}",
        rows=_panels(titles, across, levels, [("to reach the target", rows), ("the plan", mark)]),
        caption=tuple(_plan_caption(plan, planned)),
    )


def batches_chart(document: typed.Document) -> Chart:
    """Iterations, samples and, where they are known, seconds to the same loss over the batch size."""
    batches = document.read(_Batches)
    rows = sorted(batches.tradeoff, key=lambda row: row.batch_size)
    critical = batches.critical_batch_size.value
    across = across_axis(_BATCH_SIZE, [row.batch_size for row in rows])
    shown = critical is not None and across.low <= critical <= across.high
    levels = (_level(critical, number(critical, 2)),) if critical is not None and shown else ()
    titles = {"iterations": "Steps", "samples": "Samples"}
    if all(row.seconds is not None for row in rows):
        titles["seconds"] = "Time"
    advised = [row for row in rows if row.batch_size == batches.advised]
    return Chart(
        title=f"Batch sizes for {batches.about}",
        subtitle=f"{batches.optimizer}; critical batch size {batches.source}",
        rows=_panels(titles, across, levels, [("to the same loss", rows), ("advised", advised)]),
        caption=tuple(_batches_caption(batches, critical)),
    )


def _level(critical: float, text: str) -> Level:
    return Level(f"critical batch size {text}", "limit", critical, across=True)


def _panels(
    titles: Mapping[str, str],
    across: Axis,
    levels: tuple[Level, ...],
    named: Sequence[tuple[str, Sequence[_Row]]],
) -> tuple[tuple[Panel, ...], ...]:
    """A line of each quantity over all rows, and a mark at the row that is set off, if there is one."""
    panels = []
    for key, title in titles.items():
        points = [
            (name, tuple(Point(row.batch_size, getattr(row, key)) for row in rows)) for name, rows in named
        ]
        (line, all_rows), (mark, one) = points
        series = (Series(line, "cost", all_rows, joined=True), *([Series(mark, "plan", one)] if one else []))
        panels.append((Panel(title, across, log_axis(_LABELS[key], values_of(series)), series, levels),))
    return tuple(panels)


def _plan_caption(plan: _Plan, planned: _Row | None) -> Iterator[str]:
    critical, smallest = plan.critical_batch_size, plan.min_batch_size
    if critical is not None:
        yield (
            f"At the critical batch size {number(critical)} the iterations are twice the fewest possible; "
            "larger batches save few steps and cost more samples."
        )
    if smallest is not None:
        rows_of_it = f"{count(int(smallest))} row{'' if smallest == 1 else 's'}"
        yield f"The smallest batch that reaches the target has {rows_of_it}."
    if planned is not None:
        size, steps, rows = (
            count(int(value)) for value in (planned.batch_size, planned.iterations, planned.samples)
        )
        yield f"The plan: batches of {size}, {steps} iterations, {rows} samples."
    else:
        yield "At the batch size asked for the target cannot be reached."


def _batches_caption(batches: _Batches, critical: float | None) -> Iterator[str]:
    if critical is not None:
        yield (
            f"At the critical batch size {number(critical, 2)} iterations and samples are twice the fewest "
            "possible; larger batches save few steps and cost more samples."
        )
    if batches.fastest is not None:
        yield f"Batches of {count(int(batches.fastest))} rows take least time."


# Which document has which.

_CHARTS: dict[str, tuple[Callable[[Document], Chart], str, str, str]] = {
    # chart, the key of what it shows, what that must hold, and what to do where it is empty
    "sweep": (sweep_chart, "points", "point", "sweep values that the spec allows"),
    "recommend": (ranking_chart, "recommendations", "recommendation", "relax the target or the budget"),
    "batch": (batches_chart, "tradeoff", "batch size", "give it rows"),
    "iterations": (plan_chart, "tradeoff", "batch size within reach of the target", "use a larger --eps"),
}


@dataclass(frozen=True, slots=True)
class _Head:
    schema: Text


def chart_from(text: str, name: str, *, title: str | None = None) -> Chart:
    """The chart of a document that a command wrote with -f json.

    Args:
        text: the document.
        name: of its file, for messages.
        title: in place of the chart's own.

    Raises:
        DataError: it is no such document, its schema has no chart, a key is missing or holds a value of
            another kind, or there is nothing in it to show.
    """
    document = parse_document(text, name)
    schema = document.read(_Head).schema
    charts = {f"rsgadvise.{command}/1": chart for command, chart in _CHARTS.items()}
    if schema not in charts:
        fix = "give what this version of one of these commands wrote"
        raise document.error(("schema",), f"must be one of {', '.join(charts)}", schema, fix)
    draw, key, least, fix = charts[schema]
    if document.content.get(key) == []:
        match document.content:
            case {"infeasible": {"reason": str(reason)}}:
                least += f"; there is none: {line(reason)}"
        raise document.error((key,), f"must hold at least one {least}", [], fix)
    chart = draw(document)
    return chart if title is None else replace(chart, title=title)
