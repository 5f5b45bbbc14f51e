"""Ranked architectures and pipelines as blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rsgadvise.ask.design.results import EVERY_VACUOUS, SCRATCH, Architecture, Design, Mix, Pipeline
from rsgadvise.numerals import count, lengths, number, percent
from rsgadvise.show.report.blocks import (
    VACUOUS_MARK,
    Block,
    Column,
    Grid,
    Lead,
    Title,
    assumptions,
    marked,
    sentences,
    verdict,
)

_BELOW_ONE = "just below 1"
_WEAKEST = f"alpha {_BELOW_ONE} is the weakest pretraining that counts: none at all is cheapest."


def _hidden(layers: Sequence[int]) -> str:
    return lengths(layers[1:-1]) or "none"


def _ranking(design: Design) -> Grid:
    rows = design.architectures
    columns: list[tuple[Column, Callable[[Architecture], str]]] = [
        (Column("#"), lambda row: str(row.rank)),
        (Column("hidden layers", numeric=False), lambda row: _hidden(row.layers)),
        (Column("weights"), lambda row: count(row.weights)),
        (Column("batch"), lambda row: count(row.batch_size)),
    ]
    if any(row.runs > 1 for row in rows):
        columns.append((Column("runs"), lambda row: str(row.runs)))
    columns.append((Column("iterations"), lambda row: count(row.iterations)))
    if any(row.decay for row in rows):
        columns.append((Column("decay"), lambda row: number(row.decay)))
    columns.append((Column("keep"), lambda row: number(row.keep_prob, 3)))
    if design.by == "bound":
        columns.append((Column("bound"), lambda row: number(row.bound)))
    elif design.by == "seconds":
        columns.append((Column("seconds"), lambda row: number(row.seconds)))
    elif design.by == "samples":
        columns.append((Column("samples"), lambda row: count(row.total_samples)))
    if design.by != "bound":
        columns.append((Column("work"), lambda row: number(float(row.work), 3)))
    columns += [
        (Column("ratio"), lambda row: number(row.ratio, 3)),
        (Column("proven", numeric=False), lambda row: verdict(proven=row.proven, vacuous=row.vacuous)),
    ]
    body = tuple(tuple(cell(row) for _, cell in columns) for row in rows)
    return Grid(tuple(column for column, _ in columns), body, keys=2)


def _best(design: Design) -> Grid:
    """What the ranking leaves out of its first row."""
    row = design.architectures[0]
    facts = [
        ("bound", number(row.bound)),
        ("certified bound", number(row.certified_bound) + (" (vacuous)" if row.certified_vacuous else "")),
        ("largest squared gradient norm possible", number(row.largest_gradient)),
        ("samples over all runs", count(row.total_samples)),
        ("multiply-adds over all runs", number(float(row.work))),
        ("seconds over all runs", number(row.seconds)),
        ("dropout rate", number(row.dropout_rate, 3)),
    ]
    if row.seconds is None:
        facts = [fact for fact in facts if not fact[0].startswith("seconds")]
    return Grid((Column("rank 1", numeric=False), Column("value", alike=False)), tuple(facts), "Rank 1")


def _alpha(alpha: float) -> str:
    return _BELOW_ONE if 0.9995 <= alpha < 1 else number(alpha, 3)


def _way(name: str, pipeline: Pipeline) -> str:
    """A way to train, in words; the one from scratch is named for dropout only where it has some."""
    plans = [
        mix.fine_tuning for mix in pipeline.options if mix.name == SCRATCH and mix.fine_tuning is not None
    ]
    return "from scratch" if name == SCRATCH and any(plan.keep_prob == 1 for plan in plans) else name


def _options(pipeline: Pipeline) -> Grid:
    columns = (
        Column("way to train", numeric=False),
        Column("alpha", numeric=False),
        Column("samples"),
        Column("work"),
        Column("pretraining"),
        Column("rests on", numeric=False),
    )
    body = tuple(
        (
            _way(mix.name, pipeline) + (" *" if mix.name == pipeline.cheapest else ""),
            _alpha(mix.alpha) if mix.alpha else "any below 1",
            "infeasible" if mix.samples is None else count(mix.samples),
            "n/a" if mix.work is None else number(float(mix.work)),
            "n/a" if mix.share is None else percent(mix.share),
            mix.claim,
        )
        for mix in pipeline.options
    )
    title = f"Training of {lengths(pipeline.layers)} to a bound of {number(pipeline.target)} in each run"
    return Grid(columns, body, title)


def _stages(mix: Mix, pipeline: Pipeline) -> Iterator[Grid]:
    columns = (
        Column("stage", numeric=False),
        Column("layers", numeric=False),
        Column("batch"),
        Column("iterations"),
        Column("keep"),
        Column("bound"),
        Column("certified"),
        Column("work"),
    )
    if mix.fine_tuning is None:
        return
    last = "fine-tuning" if mix.pretraining else "training"
    body = tuple(
        (
            last if stage.layer is None else f"layer {stage.layer}",
            "all" if stage.layer is None else lengths(stage.layers),
            count(stage.batch_size),
            count(stage.iterations),
            number(stage.keep_prob, 3),
            number(stage.bound),
            marked(stage.certified_bound, vacuous=stage.certified_vacuous),
            number(float(stage.work), 3),
        )
        for stage in (*mix.pretraining, mix.fine_tuning)
    )
    runs = "" if mix.fine_tuning.runs == 1 else f", {mix.fine_tuning.runs} runs of each stage"
    yield Grid(columns, body, f"Stages: {_way(mix.name, pipeline)}{runs}")


def _pipeline(pipeline: Pipeline | None) -> Iterator[Block]:
    if pipeline is None:
        return
    yield _options(pipeline)
    for mix in pipeline.options:
        if mix.name == pipeline.cheapest:
            yield from _stages(mix, pipeline)
    weakest = any(0.9995 <= mix.alpha < 1 for mix in pipeline.options)
    extra = [_WEAKEST] if weakest else []
    shown = [mix for mix in pipeline.options if mix.name == pipeline.cheapest]
    stages = [stage for mix in shown for stage in (*mix.pretraining, mix.fine_tuning) if stage is not None]
    if any(stage.certified_vacuous for stage in stages):
        extra.append(VACUOUS_MARK)
    yield from sentences("Mind, on the training", (*extra, *pipeline.notes))
    yield from sentences("Assumed, and no result of the paper", pipeline.assumed)


def design_blocks(design: Design) -> tuple[Block, ...]:
    """Ranking first, then the training of one network."""
    searched = f"{count(design.feasible)} of {count(design.searched)} architectures reach it"
    if design.by == "bound":
        searched = f"{count(design.searched)} architectures"
    equations = design.equation
    if len(design.equations) > 1:
        solved = "" if design.by == "bound" else "solved for N: "
        without, with_ = design.equations
        equations = f"{solved}{without}, without hidden layers, and {with_}, with them"
    context = f"{design.constants} constants, {equations}; {design.objective}; {searched}"
    title = Title("Architectures for the task", context)
    assumed = sentences("Assumed", assumptions(design.assumed))
    if design.infeasible is not None:
        return (title, *sentences("No architecture", (f"{design.infeasible.reason}.",)), *assumed)
    return (
        title,
        *([Lead((EVERY_VACUOUS,))] if EVERY_VACUOUS in design.notes else []),
        _ranking(design),
        _best(design),
        *sentences("Mind", (note for note in design.notes if note != EVERY_VACUOUS)),
        *_pipeline(design.pipeline),
        *assumed,
    )
