"""Advice for any torch module as blocks, and as a document."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rsgadvise.numerals import count, epochs, number, percent, roughly
from rsgadvise.show.report.advice import by_cost, errors, expectation, wanted
from rsgadvise.show.report.blocks import (
    Block,
    Column,
    Grid,
    Lead,
    Title,
    as_document,
    capitalised,
    noise_sentence,
    sentences,
)

if TYPE_CHECKING:
    from rsgadvise.advise.model_results import ModelAdvice, Ranked

_SHOWN = 5


def model_blocks(advice: ModelAdvice, *, details: bool, source: str = "") -> tuple[Block, ...]:
    """The answer, the short trainings, and what to mind.

    Args:
        advice: of a module.
        details: every short training, and what was measured of curvature and noise.
        source: the command that gave the advice, which the next one goes on from; "" for none.
    """
    rows = advice.recommendations if details else advice.recommendations[:_SHOWN]
    context = (
        f"{count(advice.parameters)} weights, loss {advice.loss}, {count(advice.samples)} rows to train on, "
        f"{count(advice.held_out)} held out"
    )
    return (
        Title(f"Advice for {advice.model}", context),
        Lead(tuple(_lead(advice, source))),
        *([_grid(rows)] if rows else []),
        *sentences("Mind", by_cost(filter(None, [expectation(advice.train), *advice.notes]))),
        *(sentences("Measured", tuple(_measured(advice))) if details else []),
    )


def _lead(advice: ModelAdvice, source: str) -> Iterator[str]:
    plan = advice.train
    falls = {
        "linear": ", falling linearly to 0",
        "cosine": ", falling along a cosine to 0",
        "constant": "",
    }[plan.schedule]
    rises = f" after {count(plan.warmup)} iterations of linear warm-up" if plan.warmup else ""
    times = "" if plan.epochs is None else epochs(plan.epochs)
    passes = f" ({times} epoch{'' if times == '1' else 's'})" if times else ""
    rows = "1 row" if plan.batch_size == 1 else f"{count(plan.batch_size)} rows"
    steps = "1 iteration" if plan.iterations == 1 else f"{count(plan.iterations)} iterations"
    yield (
        f"Train with {plan.optimizer}, stepsize {number(plan.common_stepsize, 2)}{falls}{rises}, batches of "
        f"{rows}, {steps}{passes}."
    )
    yield from wanted(plan)
    if plan.loss is None:
        yield "That stepsize is by curvature along the optimiser's own steps; nothing was trained to try it."
    else:
        yield _worth(advice)
    if plan.learns is None and plan.reason:
        yield f"{capitalised(plan.reason)}."
    if source:
        yield f"Next: {source} --emit torch > train.py"


def _worth(advice: ModelAdvice) -> str:
    plan, ran = advice.train, advice.recommendations[0]
    text = f"In {percent(ran.share)} of that training it reached a loss of {number(plan.loss, 3)}"
    if plan.spread is not None:
        text += f" (a stepsize known within a factor of {number(plan.spread, 2)})"
    if plan.constant_loss is not None:
        text += f"; a constant prediction has {number(plan.constant_loss, 3)}"
    if judged := errors(plan):
        text += f"; it {judged}"
    return f"{text}."


def _grid(rows: tuple[Ranked, ...]) -> Grid:
    columns = (
        Column("rank"),
        Column("stepsize"),
        Column("schedule", numeric=False),
        Column("trained for"),
        Column("loss"),
    )
    cells = tuple(
        (
            str(row.rank),
            number(row.stepsize, 2),
            f"{row.schedule}, warm-up" if row.warmup else row.schedule,
            percent(row.share),
            number(row.loss, 3) if math.isfinite(row.loss) else "none",
        )
        for row in rows
    )
    caption = (
        "Each from the same first weights with its whole schedule; losses compare between those that trained "
        "for as long. Of losses all but alike the smallest stepsize counts."
    )
    return Grid(columns, cells, "Short trainings", caption=caption)


def _measured(advice: ModelAdvice) -> Iterator[str]:
    unit, (before, after) = advice.directional, advice.curvature
    how = "" if unit.found else ", a guess by lengths, since curvature along them was not positive"
    yield (
        f"Directional stepsize of {advice.optimizer}, what lowers the loss most along its own steps: "
        f"{number(unit.stepsize)}{how}; its memory lengthens steps by {number(unit.gain)}."
    )
    ends = "" if after is None else f" before and {number(after)} after the best short training"
    yield f"Largest eigenvalue of the Hessian on a sample: {number(before)}{ends}."
    if advice.critical_batch_size is not None:
        yield noise_sentence(advice.critical_batch_size)
        yield f"Before training it was so at {roughly(advice.noise_at_start.value)} rows."
    where = "side by side" if advice.side_by_side else "one after the other"
    yield f"The race cost {number(advice.cost, 2)} trainings; its runs were computed {where}."


def model_document(advice: ModelAdvice) -> dict[str, Any]:
    """The advice by its names."""
    return as_document("recommend", advice)
