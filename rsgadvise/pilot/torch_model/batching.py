"""The race of batch sizes, and what a step takes, of a torch module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from rsgadvise.advise.results import TrainingPlan
from rsgadvise.errors import RsgadviseError, UsageError, brief
from rsgadvise.pilot.batch_race import SEEDS, BatchRace, batch_race, mean_loss
from rsgadvise.pilot.timing import Memory, StepCost, fitted, seconds_of, timed_sizes
from rsgadvise.pilot.torch_model.optimizers import TorchOptimizer
from rsgadvise.pilot.torch_model.wrapped import Loss, Wrapped, made, randomness

_JUDGED = 512  # rows
_KEPT = 3  # times what a gradient keeps of a row is what it takes: errors and whatever it works with


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

    All runs start from the module's own first weights.

    Args:
        module, data, loss, optimizer: as for `advise_model`, which found that they go together.
        plan: with the stepsize of its batch size.
        seed: of the mini-batches.
        work: multiply-adds that it may cost.
    """
    with randomness(seed), _in_one_line():
        module = made(module)
        copies = [Wrapped(module, loss, *data) for _ in range(SEEDS)]
        wrapped = copies[0]
        generator = torch.Generator().manual_seed(seed)
        judged = torch.randperm(wrapped.rows, generator=generator)[:_JUDGED]

        def run(size: int, multiple: float, looks: Sequence[int]) -> Iterator[tuple[int, float]]:
            gamma, runs = multiple * plan.common_stepsize, []
            for place, copy in enumerate(copies):
                copy.restart()
                batches = torch.Generator().manual_seed(SEEDS * (seed + size) + place)
                runs.append((copy, optimizer.make(copy.weights, lr=gamma), batches))
            done = 0
            for at in looks:
                for copy, optimizing, batches in runs:
                    for _ in range(at - done):
                        _step(copy, optimizing, size, batches)
                done = at
                yield at, mean_loss([copy.mean_loss(judged) for copy in copies])

        return batch_race(
            run,
            batch_size=plan.batch_size,
            rows=wrapped.rows,
            whole=plan.batch_size * plan.iterations,
            work=work * plan.batch_size / wrapped.work(plan.batch_size),
        )


def step_cost(
    module: Any, data: tuple[Any, Any], *, loss: Loss, optimizer: TorchOptimizer
) -> tuple[StepCost, Memory]:
    """Seconds of a step of torch's own training on the module's device, and which batches fit its memory;
    the module is left as it is.

    Args:
        module, data, loss, optimizer: as for `race_batches`.
    """
    with randomness(0), _in_one_line():
        wrapped = Wrapped(made(module), loss, *data)
        fits = memory(wrapped)
        optimizing = optimizer.make(wrapped.weights, lr=1e-6)
        batches = torch.Generator().manual_seed(0)

        def timed(size: int) -> float:
            def steps(count: int) -> None:
                for _ in range(count):
                    _step(wrapped, optimizing, size, batches)
                if wrapped.device.type == "cuda":
                    torch.cuda.synchronize(wrapped.device)

            return seconds_of(steps)

        sizes = timed_sizes(min(wrapped.rows, fits.batch_size))
        return fitted((size, timed(size)) for size in sizes), fits


def memory(wrapped: Wrapped) -> Memory:
    """By what autograd keeps of two and of eight rows, on the device where it computes; W^1 stays."""
    kept_by, counts = list[int](), [min(2, wrapped.rows), min(8, wrapped.rows)]
    for rows in counts:
        kept: dict[int, int] = {}

        def pack(tensor: Any, kept: dict[int, int] = kept) -> Any:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            wrapped.gradient(*wrapped.batch(torch.arange(rows)))
        kept_by.append(sum(kept.values()))
    wrapped.restart()
    each = (kept_by[1] - kept_by[0]) / max(1, counts[1] - counts[0])
    cuda = wrapped.device.type == "cuda"
    return Memory.of(_KEPT * max(1.0, each), torch.cuda.mem_get_info(wrapped.device)[0] if cuda else None)


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
