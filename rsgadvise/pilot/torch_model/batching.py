"""The race of batch sizes, and the seconds of a step, of a torch module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from rsgadvise.advise.results import TrainingPlan
from rsgadvise.errors import RsgadviseError, UsageError, brief
from rsgadvise.pilot.batch_race import FEWEST_SAMPLES, TRAININGS, BatchRace, batch_race
from rsgadvise.pilot.timing import StepCost, fitted, seconds_of, timed_sizes
from rsgadvise.pilot.torch_model.optimizers import TorchOptimizer
from rsgadvise.pilot.torch_model.wrapped import Loss, Wrapped, made, randomness

_JUDGED = 512  # rows


def race_batches(
    module: Any,
    data: tuple[Any, Any],
    plan: TrainingPlan,
    *,
    loss: Loss,
    optimizer: TorchOptimizer,
    seed: int,
    work: float,
) -> BatchRace:
    """Race batch sizes about a plan; the module is left as it is.

    All runs start from the module's own first weights, so there is one of each stepsize.

    Args:
        module, data, loss, optimizer: as for `advise_model`, which found that they go together.
        plan: with the stepsize of its batch size.
        seed: of the mini-batches.
        work: multiply-adds that it may cost.
    """
    with randomness(seed), _in_one_line():
        wrapped = Wrapped(made(module), loss, *data)
        generator = torch.Generator().manual_seed(seed)
        judged = torch.randperm(wrapped.rows, generator=generator)[:_JUDGED]

        def run(size: int, multiple: float, looks: Sequence[int]) -> Iterator[tuple[int, float]]:
            wrapped.restart()
            batches = torch.Generator().manual_seed(seed + size)
            optimizing = optimizer.make(wrapped.weights, lr=multiple * plan.common_stepsize)
            done = 0
            for at in looks:
                for _ in range(at - done):
                    _step(wrapped, optimizing, size, batches)
                done = at
                yield at, wrapped.mean_loss(judged)

        samples = max(TRAININGS * plan.batch_size * plan.iterations, FEWEST_SAMPLES)
        budget = min(samples, work * plan.batch_size / wrapped.work(plan.batch_size))
        return batch_race(run, batch_size=plan.batch_size, rows=wrapped.rows, budget=budget)


def step_cost(module: Any, data: tuple[Any, Any], *, loss: Loss, optimizer: TorchOptimizer) -> StepCost:
    """Seconds of a step of torch's own training on the module's device; the module is left as it is.

    Args:
        module, data, loss, optimizer: as for `race_batches`.
    """
    with randomness(0), _in_one_line():
        wrapped = Wrapped(made(module), loss, *data)
        optimizing = optimizer.make(wrapped.weights, lr=1e-6)
        batches = torch.Generator().manual_seed(0)

        def timed(size: int) -> float:
            def steps(count: int) -> None:
                for _ in range(count):
                    _step(wrapped, optimizing, size, batches)
                if wrapped.device.type == "cuda":
                    torch.cuda.synchronize(wrapped.device)

            return seconds_of(steps)

        return fitted((size, timed(size)) for size in timed_sizes(wrapped.rows))


@contextmanager
def _in_one_line() -> Iterator[None]:
    """An error for whatever code of the user raises at batch sizes that the advice had not tried."""
    try:
        yield
    except RsgadviseError:
        raise
    except Exception as error:
        raise UsageError(
            f"the model, the loss or the optimiser must train at every batch size; got {brief(error)}; mend "
            "it, or ask `rsgadvise recommend` for the one batch size"
        ) from error


def _step(wrapped: Wrapped, optimizing: Any, size: int, batches: Any) -> None:
    rows = torch.randint(wrapped.rows, (size,), generator=batches)
    optimizing.zero_grad()
    wrapped.value(*wrapped.batch(rows)).backward()
    optimizing.step()
