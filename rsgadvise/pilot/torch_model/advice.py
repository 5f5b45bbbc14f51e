"""From a module, its rows and an optimiser to what to train with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from rsgadvise.advise.model_results import Directional, ModelAdvice, Ranked, ShortTrainings
from rsgadvise.advise.results import NoiseScale, TrainingPlan
from rsgadvise.errors import DataError, RsgadviseError, UsageError, brief
from rsgadvise.numerals import count, number, percent
from rsgadvise.pilot.forecast import ENDS, expected
from rsgadvise.pilot.torch_model.batching import memory
from rsgadvise.pilot.torch_model.directional import (
    Samples,
    directional,
    largest_curvature,
    noise_scale,
)
from rsgadvise.pilot.torch_model.optimizers import TorchOptimizer
from rsgadvise.pilot.torch_model.racing import FULL, Race, race
from rsgadvise.pilot.torch_model.replicas import WIDE, Candidate, Trained, Trainer
from rsgadvise.pilot.torch_model.wrapped import Decode, Loss, Wrapped, made, randomness
from rsgadvise.records import dataclass

Progress = Callable[[float, str], None]

WORK = 2e11
"""Multiply-adds that the race may cost where nobody says: some fifteen seconds on two cores."""
BATCH_SIZE, EPOCHS = 32, 10.0
"""Where nobody says."""
_HELD_OUT, _MOST_HELD_OUT, _FEWEST_ROWS = 0.2, 2000, 50
_JUDGED, _WHOLE = 1024, 8192  # rows that short runs are judged by, and the best of them at its end
_LITTLE = 5e9  # multiply-adds that always may be spent on measuring
_AUTO = (16, 4096)  # batch sizes that auto may take
_STEPS_AN_EPOCH = 8  # at the least, where the batch size is to be chosen


@dataclass(frozen=True, slots=True)
class Wanted:
    """How long and how wide the training is to be, and what finding out may cost.

    Attributes:
        batch_size: None for `auto`, by memory and noise.
        epochs: passes over the rows.
        pilot: trainings that the race may cost; None for what `work` and the race allow.
        work: multiply-adds that it may cost; None for `WORK`.
        seed: of all randomness.
    """

    batch_size: int | None = BATCH_SIZE
    epochs: float = EPOCHS
    pilot: float | None = None
    work: float | None = None
    seed: int = 0


def advise_model(
    module: Any,
    data: tuple[Any, Any],
    *,
    loss: Loss,
    optimizer: TorchOptimizer,
    wanted: Wanted,
    name: str = "",
    device: Any | None = None,
    decode: Decode | None = None,
    progress: Progress | None = None,
) -> ModelAdvice:
    """Measure the directional stepsize, race stepsizes around it, and say what to train with.

    The module is copied and left as it is, and so is every generator of random numbers.

    Args:
        module: a torch.nn.Module at its first weights.
        data: inputs and targets of the rows to train on; a part is kept back to be predicted.
        loss: what is minimised.
        optimizer: what trains.
        wanted: how.
        name: of the module, for reports.
        device: where it computes.
        decode: what outputs and targets stand for, (rows, outputs) each; None where they are that themselves.
        progress: told the share that is done, and of what.

    Raises:
        UsageError: the module, the loss and the rows do not go together, or a value is out of range.
    """
    with randomness(wanted.seed), _threads_as_they_were():
        module = made(module)
        everything = Wrapped(module, loss, *data, device=device, decode=decode)
        everything.check()
        _check_optimizer(everything, optimizer)
        try:
            return _advise(everything, optimizer, wanted, name or type(module).__name__, progress)
        except RsgadviseError:
            raise
        except Exception as error:  # whatever code of the user raises after its first rows
            raise UsageError(
                f"the model, the loss or the optimiser must train without an error; got {brief(error)}; mend "
                "it, or change the batch size or the data"
            ) from error


def _advise(
    everything: Wrapped, optimizer: TorchOptimizer, wanted: Wanted, name: str, progress: Progress | None
) -> ModelAdvice:
    generator, loss = torch.Generator().manual_seed(wanted.seed), everything.loss
    if everything.work(min(wanted.batch_size or BATCH_SIZE, everything.rows)) <= WIDE:
        torch.set_num_threads(1)  # several would wait for each other at every small product
    rows, kept = _split(everything.rows, generator)
    wrapped = everything.only(rows)
    notes = []
    constant = loss.constant(wrapped.targets)
    if constant is not None and constant <= 0:
        raise DataError("targets must differ; got the same in every row, which leaves nothing to learn")
    batch_size = wanted.batch_size
    if batch_size is None:
        batch_size, note = _batch_size(wrapped, optimizer, wanted, generator)
        notes.append(note)
    if batch_size > wrapped.rows:
        notes.append(f"There are {count(wrapped.rows)} rows to train on, so a batch is all of them.")
        batch_size = wrapped.rows
    iterations = max(1, round(wanted.epochs * wrapped.rows / batch_size))
    if progress is not None:
        progress(0.0, "measuring curvature")
    gradient = wrapped.work(batch_size)
    sample = _samples(gradient, batch_size, iterations)
    unit = directional(wrapped, optimizer, batch_size, generator, rows=sample.along)
    noise = noise_scale(wrapped, generator, rows=sample.noise)
    sharpness = largest_curvature(wrapped, generator, rows=sample.curvature)
    wrapped.restart()
    budget = _budget(wanted, gradient * iterations)
    judged = torch.randperm(wrapped.rows, generator=generator)[:_JUDGED]
    at_start = wrapped.mean_loss(judged)
    trainer = Trainer(wrapped, optimizer, batch_size, judged, seed=wanted.seed, work=gradient)
    raced = Race([])
    if budget > 0:
        told = _told(progress)
        raced = race(
            trainer,
            unit.stepsize,
            iterations,
            budget,
            start=at_start,
            proportional=unit.proportional,
            told=told,
        )
    best = raced.best
    after: tuple[NoiseScale, float] | None = None
    pilot: ShortTrainings | None = None
    errors = dict[str, Any]()
    if best is not None:
        wrapped.module.load_state_dict(best.state)
        pilot = ShortTrainings(raced.curve(), wrapped.mean_loss(torch.arange(min(wrapped.rows, _WHOLE))))
        after = (
            noise_scale(wrapped, generator, rows=sample.noise),
            largest_curvature(wrapped, generator, rows=sample.curvature),
        )
        if kept is not None:
            everything.module.load_state_dict(best.state)
            errors = everything.errors(kept, rows)
    learns, reason = _learns(best, constant, at_start, iterations)
    candidate = Candidate(unit.stepsize) if best is None else best.candidate
    plan = TrainingPlan(
        stepsize=candidate.stepsize,
        common_stepsize=candidate.stepsize,
        decay=0.0,
        stopping="end",
        batch_size=batch_size,
        iterations=iterations,
        epochs=iterations * batch_size / wrapped.rows,
        keep_prob=None,
        dropout_rate=None,
        weight_bound=None,
        source="calibrated" if best is None else "raced",
        optimizer=optimizer.name,
        schedule=candidate.schedule,
        warmup=round(candidate.warmup * iterations),
        learns=learns,
        reason=reason,
        loss=None if best is None else best.loss,
        constant_loss=constant,
        **errors,
        spread=raced.spread,
        expected=expected(pilot.curve, iterations, end=pilot.whole_loss, seen=ENDS)
        if learns and pilot
        else (),
    )
    notes += _notes(raced, unit, iterations, budget)
    if wrapped.normalises:
        notes.append(
            "The model normalises by batches, so curvature and noise were measured with the batches' own "
            "statistics, and depend on the batch size."
        )
    return ModelAdvice(
        model=name,
        parameters=wrapped.size,
        loss=loss.name,
        optimizer=optimizer.name,
        samples=wrapped.rows,
        held_out=0 if kept is None else len(kept),
        train=plan,
        recommendations=_ranked(raced, iterations),
        critical_batch_size=None if after is None else after[0],
        noise_at_start=noise,
        directional=unit,
        curvature=(sharpness, None if after is None else after[1]),
        cost=raced.steps / iterations,
        side_by_side=trainer.side_by_side,
        interrupted=raced.interrupted,
        pilot=pilot,
        notes=tuple(notes),
    )


def _check_optimizer(everything: Wrapped, optimizer: TorchOptimizer) -> None:
    """Refuse what is no optimiser, and one that takes no stepsize."""
    try:
        groups = getattr(optimizer.make(everything.weights, lr=0.125), "param_groups", None)
    except Exception as error:
        raise UsageError(
            f"the optimizer must be made of (parameters, lr); got {brief(error)}; change it"
        ) from error
    if not groups or any(group.get("lr") != 0.125 for group in groups):
        raise UsageError(
            f"the optimizer {optimizer.name} must return one of torch.optim's kind that has the lr that it "
            "is given; got another; pass lr on"
        )


@contextmanager
def _threads_as_they_were() -> Iterator[None]:
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _split(rows: int, generator: Any) -> tuple[Any, Any | None]:
    """(rows to train on, rows kept back or None where there are too few)."""
    if rows < _FEWEST_ROWS:
        return torch.arange(rows), None
    order = torch.randperm(rows, generator=generator)
    kept = min(int(rows * _HELD_OUT), _MOST_HELD_OUT)
    return order[kept:], order[:kept]


def _samples(gradient: float, batch_size: int, iterations: int) -> Samples:
    """What may be measured with for a tenth of the training, or a fraction of a second."""
    return Samples.within(batch_size * max(0.1 * iterations, _LITTLE / gradient), batch_size)


def _budget(wanted: Wanted, training: float) -> float:
    if wanted.pilot is not None:
        return wanted.pilot
    return (WORK if wanted.work is None else wanted.work) / training


def _told(progress: Progress | None) -> Callable[[float], None] | None:
    if progress is None:
        return None
    return lambda share: progress(share, "short trainings")


def _learns(
    best: Any | None, constant: float | None, at_start: float, iterations: int
) -> tuple[bool | None, str]:
    if best is None:
        return None, ""
    share = percent(best.steps / iterations)
    if constant is None:
        learnt = best.loss < at_start
        return (True, "") if learnt else (None, f"after {share} of the training the loss had not fallen")
    if best.loss < constant:
        return True, ""
    return None, (
        f"after {share} of the training it had done no better than a constant prediction "
        f"({number(best.loss, 3)} for {number(constant, 3)}): it may learn later, or not at all"
    )


def _ranked(raced: Race, iterations: int) -> tuple[Ranked, ...]:
    runs = sorted(raced.runs, key=lambda run: (run is not raced.best, -run.steps, run.loss))
    kept = dict[tuple[Candidate, int], Trained]()
    for run in runs:
        kept.setdefault((run.candidate, run.steps), run)
    return tuple(
        Ranked(
            rank,
            run.candidate.stepsize,
            run.candidate.schedule,
            run.candidate.warmup,
            run.steps / iterations,
            run.loss,
        )
        for rank, run in enumerate(kept.values(), 1)
    )


def _notes(raced: Race, unit: Directional, iterations: int, budget: float) -> list[str]:
    notes, best = list[str](), raced.best
    if budget <= 0:
        notes.append("Nothing was raced: the stepsize is by curvature alone; leave --pilot out for a race.")
    elif best is None and not raced.interrupted:
        notes.append(
            "No short training ended with a finite loss: look for gaps or huge values in the data, or an "
            "overflow in the model."
        )
    elif budget < FULL / 4 and best is not None:
        notes.append(
            f"The race was short, {percent(raced.steps / iterations)} of a training, to stay within --work; "
            "more work makes the stepsize surer."
        )
    if not unit.found:
        notes.append(
            "Curvature along the optimiser's steps was not positive, so the race began at a stepsize that "
            "changes weights by a hundredth."
        )
    if raced.interrupted:
        notes.append("The race was interrupted: this is the best until then.")
    return notes


# The batch size, where it is left open: what memory allows, and what the noise says is worth it.


def _batch_size(
    wrapped: Wrapped, optimizer: TorchOptimizer, wanted: Wanted, generator: Any
) -> tuple[int, str]:
    fits = memory(wrapped).batch_size
    start = min(BATCH_SIZE, wrapped.rows, fits)
    iterations = max(1, round(wanted.epochs * wrapped.rows / start))
    gradient = wrapped.work(start)
    sample = _samples(gradient, start, iterations)
    unit = directional(wrapped, optimizer, start, generator, rows=sample.along)
    steps = max(1, min(iterations // 16, int(0.1 * WORK / gradient)))
    judged = torch.randperm(wrapped.rows, generator=generator)[:_JUDGED]
    trainer = Trainer(wrapped, optimizer, start, judged, seed=wanted.seed, work=math.inf)
    ran = min(
        trainer.train([Candidate(unit.stepsize * 2.0**by) for by in (-2, -1, 0)], steps),
        key=lambda each: each.loss,
    )
    wrapped.module.load_state_dict(ran.state)
    noise = noise_scale(wrapped, generator, rows=sample.noise)
    wrapped.restart()
    most = max(1, min(fits, _AUTO[1], wrapped.rows // _STEPS_AN_EPOCH))
    worth = noise.value if math.isfinite(noise.value) and noise.value > 0 else float(_AUTO[1])
    chosen = _power(max(min(worth, most), min(_AUTO[0], most)))
    return chosen, (
        f"Batch size: {count(chosen)} rows; larger ones pay up to about {count(round(worth))}, where the "
        f"noise of a batch is as large as the gradient, and memory allows {count(fits)}."
    )


def _power(size: float) -> int:
    """The largest power of two that is no larger; 1 at the least."""
    return 1 << int(math.log2(max(size, 1.0)))


def check_wanted(wanted: Wanted, *, option: str = "") -> None:
    """Refuse what no training can have; `option` stands before the names, as -- on the command line.

    Raises:
        UsageError: a value is out of range.
    """
    dash = "-" if option else "_"
    if wanted.batch_size is not None and wanted.batch_size < 1:
        raise UsageError(
            f"{option}batch{dash}size must be a whole number above 0, or auto; got {wanted.batch_size}; "
            "change it"
        )
    if not 0 < wanted.epochs < math.inf:
        raise UsageError(f"{option}epochs must be a number above 0; got {wanted.epochs:g}; write e.g. 10")
    if wanted.pilot is not None and not 0 <= wanted.pilot <= 100:
        raise UsageError(f"{option}pilot must be from 0 to 100 trainings; got {wanted.pilot:g}; change it")
    if wanted.work is not None and not 0 < wanted.work < math.inf:
        raise UsageError(f"{option}work must be a number of multiply-adds above 0; got {wanted.work:g}")
    if wanted.seed < 0:
        raise UsageError(f"{option}seed must be at least 0; got {wanted.seed}; raise it")
