"""How stepsize, iterations, samples and time change together with the batch size, at the same final loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from rsgadvise.errors import UsageError
from rsgadvise.pilot.batch_race import Usual, usual_critical
from rsgadvise.pilot.timing import Memory, StepCost
from rsgadvise.records import dataclass
from rsgadvise.theory.batch_size import iterations_factor, stepsize_factor

if TYPE_CHECKING:
    from rsgadvise.advise.results import NoiseScale, Stepsize, TrainingPlan
    from rsgadvise.pilot.batch_race import BatchRace

SIZES = tuple(2**power for power in range(3, 12))
"""Batch sizes of the table, 8 to 2048, as far as there are rows."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch size with the stepsize and the iterations that end at the loss of the advised training.

    Attributes:
        batch_size, stepsize, iterations, samples: B, gamma (one per layer where layers differ), N and N B.
        epochs: the same over the rows; None where their number is not known.
        seconds: of the whole training; None where nobody knows the cost of a step.
    """

    batch_size: int
    stepsize: Stepsize
    iterations: int
    samples: int
    epochs: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class BatchChange:
    """What to multiply with where one batch size is replaced by another, at the same final loss."""

    before: int
    after: int
    stepsize_factor: float
    iterations_factor: float
    samples_factor: float
    seconds_factor: float | None


@dataclass(frozen=True, slots=True)
class BatchAdvice:
    """One answer for batch size, stepsize and iterations.

    Attributes:
        about: the network or model in a word. optimizer: by name.
        source: of the critical batch size: measured on the rows, or typical of the kind of optimiser.
        critical_batch_size: where a training has twice the fewest iterations and twice the fewest samples.
        noise_scale: tr Sigma/||grad f||^2 where the short runs of the advice ended; None without rows.
        advised: the batch size that the advice trains with.
        tradeoff: the table, the smallest batch first.
        cost: of a step, or None.
        fastest: the batch size of the table that takes least time; None without a cost.
        pays_up_to: the largest of the table that is no more than critical; the smallest where all are.
        memory: the largest batch that fits; None where nothing was timed.
        change: from one batch size to another, or None where nobody asked.
        raced: iterations to the loss of the race by batch size; empty without one.
        trainings: what the race cost, in trainings of the advised length.
        notes: plain sentences.
    """

    about: str
    optimizer: str
    source: Literal["measured", "typical"]
    critical_batch_size: NoiseScale
    noise_scale: NoiseScale | None
    advised: int
    tradeoff: tuple[BatchRow, ...]
    cost: StepCost | None
    fastest: int | None
    pays_up_to: int
    memory: Memory | None
    change: BatchChange | None
    raced: Mapping[int, float]
    trainings: float
    notes: tuple[str, ...]


def batch_advice(
    plan: TrainingPlan,
    race: BatchRace | None,
    *,
    noise: NoiseScale | None,
    about: str,
    usual: Usual,
    samples: int | None,
    cost: StepCost | None,
    memory: Memory | None = None,
    before: int | None = None,
    after: int | None = None,
    notes: tuple[str, ...] = (),
) -> BatchAdvice:
    """The trade of iterations against samples through the plan of an advice.

    Kind: a model, see `theory.batch_size`; its one number is measured, or typical.

    Args:
        plan: to train with; every row is to end where it ends.
        race: of batch sizes, or None without rows.
        noise: the noise scale of the advice, or None.
        about: the network or model in a word.
        usual: what is believed of such an optimiser.
        samples: rows to train on; None where unknown.
        cost: of a step, or None. memory: what fits; larger batches are left out, but for those asked for.
        before, after: batch sizes of a change; `before` is the plan's where only the other is given.
        notes: of the advice.

    Raises:
        UsageError: a batch size is beyond the rows.
    """
    for name, size in (("--from", before), ("--to", after)):
        if size is not None and samples is not None and size > samples:
            raise UsageError(
                f"{name} must be at most the {samples:,} rows to train on; got {size:,}; choose a smaller one"
            )
    critical_batch_size = usual_critical(usual)
    if race is not None:
        critical_batch_size = race.carried(plan.batch_size, plan.iterations, usual)
    critical = critical_batch_size.value
    known = {plan.batch_size, *(size for size in (before, after) if size is not None)}
    most = min(math.inf if samples is None else samples, math.inf if memory is None else memory.batch_size)
    sizes = sorted(known | {size for size in SIZES if size <= most})

    def row(size: int) -> BatchRow:
        iterations = plan.iterations * iterations_factor(plan.batch_size, size, critical=critical)
        steps = max(1, round(iterations))
        factor = stepsize_factor(plan.batch_size, size, critical=critical)
        gamma = plan.stepsize
        return BatchRow(
            batch_size=size,
            stepsize=tuple(factor * each for each in gamma) if isinstance(gamma, tuple) else factor * gamma,
            iterations=steps,
            samples=steps * size,
            epochs=None if samples is None else steps * size / samples,
            seconds=None if cost is None else steps * cost.of(size),
        )

    rows = tuple(map(row, sizes))
    fastest = None if cost is None else min(rows, key=lambda row: row.seconds or 0.0).batch_size
    change = None
    if after is not None:
        change = _change(before or plan.batch_size, after, critical, cost)
    return BatchAdvice(
        about=about,
        optimizer=plan.optimizer,
        source="typical" if race is None or not race.steps else "measured",
        critical_batch_size=critical_batch_size,
        noise_scale=noise,
        advised=plan.batch_size,
        tradeoff=rows,
        cost=cost,
        fastest=fastest,
        memory=memory,
        pays_up_to=max((size for size in sizes if size <= critical), default=sizes[0]),
        change=change,
        raced={} if race is None else race.steps,
        trainings=0.0 if race is None else race.samples / (plan.batch_size * plan.iterations),
        notes=notes,
    )


def _change(before: int, after: int, critical: float, cost: StepCost | None) -> BatchChange:
    steps = iterations_factor(before, after, critical=critical)
    return BatchChange(
        before=before,
        after=after,
        stepsize_factor=stepsize_factor(before, after, critical=critical),
        iterations_factor=steps,
        samples_factor=steps * after / before,
        seconds_factor=None if cost is None else steps * cost.of(after) / cost.of(before),
    )
