"""Batch sizes with the stepsizes and iterations that go with them, as blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rsgadvise.numerals import count, epochs, number, roughly
from rsgadvise.show.report.blocks import Block, Column, Grid, Lead, Title, one_stepsize, sentences

if TYPE_CHECKING:
    from rsgadvise.ask.batch import BatchAdvice, BatchChange, BatchRow

_DIGITS = 2  # of stepsizes and of what rests on a noise scale: more are not known
_LAYERS_SHOWN = 3


def batch_blocks(advice: BatchAdvice) -> tuple[Block, ...]:
    """The answer, the table, and what to mind."""
    return (
        Title(f"Batch sizes for {advice.about}", f"{advice.optimizer}; every row ends at the same loss"),
        Lead(tuple(_lead(advice))),
        _grid(advice),
        *sentences("Mind", (*_mind(advice), *advice.notes)),
    )


def _lead(advice: BatchAdvice) -> Iterator[str]:
    if advice.change is not None:
        yield _changed(advice.change)
    if advice.fastest is not None:
        best = next(row for row in advice.tradeoff if row.batch_size == advice.fastest)
        yield (
            f"Fastest: batches of {_rows(best.batch_size)}, stepsize {_stepsize(best)}, "
            f"{count(best.iterations)} iterations, {_seconds(best.seconds)}."
        )
    yield _pays(advice)
    if advice.memory is not None:
        beyond = advice.tradeoff[-1].batch_size > advice.memory.batch_size
        yield (
            f"Memory allows batches of up to {advice.memory.batch_size:,} rows: about "
            f"{roughly(advice.memory.bytes_per_row)} bytes a row, in half of the "
            f"{number(advice.memory.free / 2**30, 2)} GiB that are free"
            f"{'; what is larger may not fit' if beyond else ''}."
        )


def _pays(advice: BatchAdvice) -> str:
    noise = advice.critical_batch_size
    return (
        f"Larger batches pay up to about {_rows(noise.value)} ({roughly(noise.lower)} to "
        f"{roughly(noise.upper)}): there a training takes twice the fewest iterations possible and twice the "
        "fewest samples; beyond, iterations hardly fall."
    )


def _changed(change: BatchChange) -> str:
    parts = [
        f"stepsize {_times(change.stepsize_factor)}",
        f"iterations {_times(change.iterations_factor)}",
        f"samples {_times(change.samples_factor)}",
    ]
    if change.seconds_factor is not None:
        parts.append(f"time {_times(change.seconds_factor)}")
    return f"From {_rows(change.before)} to {_rows(change.after)}: {', '.join(parts)}."


def _times(factor: float) -> str:
    """As a product, or as a quotient where that is the plainer."""
    if factor >= 1:
        return f"times {number(factor, 3)}"
    return f"divided by {number(1 / factor, 3)}"


def _listed(advice: BatchAdvice) -> str:
    *others, last = [count(size) for size in sorted(advice.raced)]
    return f"{', '.join(others)} and {last}"


def _rows(size: float) -> str:
    return "1 row" if size == 1 else f"{roughly(size) if isinstance(size, float) else count(size)} rows"


def _seconds(seconds: float | None) -> str:
    return f"{number(seconds, 2)} s"


def _stepsize(row: BatchRow) -> str:
    one = one_stepsize(row.stepsize)
    if one is not None or not isinstance(row.stepsize, tuple):
        first = row.stepsize[0] if isinstance(row.stepsize, tuple) else row.stepsize
        return number(first, _DIGITS)
    texts = [number(gamma, _DIGITS) for gamma in row.stepsize]
    if len(texts) > _LAYERS_SHOWN:
        texts = [texts[0], "...", texts[-1]]
    return ", ".join(texts)


def _grid(advice: BatchAdvice) -> Grid:
    timed = advice.cost is not None
    counted = any(row.epochs is not None for row in advice.tradeoff)
    columns = [Column("batch"), Column("stepsize"), Column("iterations"), Column("samples")]
    columns += [Column("epochs")] if counted else []
    columns += [Column("seconds")] if timed else []
    columns.append(Column("", numeric=False))
    body = []
    for row in advice.tradeoff:
        cells = [count(row.batch_size), _stepsize(row), count(row.iterations), count(row.samples)]
        cells += [epochs(row.epochs or 0.0)] if counted else []
        cells += [number(row.seconds, 3)] if timed else []
        body.append((*cells, _mark(advice, row)))
    return Grid(tuple(columns), tuple(body))


def _mark(advice: BatchAdvice, row: BatchRow) -> str:
    marks = [
        *(["advised"] if row.batch_size == advice.advised else []),
        *(["fastest"] if row.batch_size == advice.fastest else []),
        *(["fewest samples"] if row is advice.tradeoff[0] else []),
        *(["pays to here"] if row.batch_size == advice.pays_up_to else []),
    ]
    return ", ".join(marks)


def _mind(advice: BatchAdvice) -> Iterator[str]:
    noise = advice.critical_batch_size
    if advice.source == "typical":
        why = "batch sizes are raced on a data file of several rows, without --constants"
        if advice.trainings:
            why = "short trainings of several batch sizes learnt nothing"
        yield f"Typical of {advice.optimizer}, not measured: {why}."
    else:
        times = roughly(advice.trainings)
        yield (
            f"Batch sizes {_listed(advice)} were raced to a loss of {number(noise.at, 3)}, at the cost of "
            f"{times} training{'s' * (times != '1')}; from there to the end it is extrapolated."
        )
    if advice.cost is not None and advice.cost.source == "measured":
        yield (
            f"Seconds are those of this machine: {roughly(1e6 * advice.cost.per_iteration)} microseconds a "
            f"step and {roughly(1e6 * advice.cost.per_sample)} a row. For other hardware give cost: in "
            "a spec."
        )
