"""Short trainings from one W^1 with the same mini-batches: side by side, or one after the other."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from typing import Any

import torch

from rsgadvise.advise.results import Schedule, paced
from rsgadvise.pilot.torch_model.optimizers import Steps, TorchOptimizer
from rsgadvise.pilot.torch_model.wrapped import Wrapped, randomness
from rsgadvise.records import dataclass

Told = Callable[[float], None]
WIDE = 3e7
"""Multiply-adds of a gradient up to which replicas side by side take less time than one after the other."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A training to try: its largest stepsize, and what that does on the way."""

    stepsize: float
    schedule: Schedule = "linear"
    warmup: float = 0.0

    def pace(self, step: int, steps: int) -> float:
        """Factor of the stepsize at step 0, 1, ...: `warmup` is a share of them here."""
        return paced(step, steps, self.schedule, warmup=self.warmup * steps)


@dataclass(slots=True)
class Trained:
    """Where a short training ended.

    Attributes:
        candidate: what was trained.
        steps: its length.
        loss: on the rows that all were judged by, in evaluation mode; inf where it is no number.
        state: of the module then.
    """

    candidate: Candidate
    steps: int
    loss: float
    state: dict[str, Any] = field(repr=False)


def batches(rows: int, size: int, steps: int, seed: int) -> Iterator[Any]:
    """Rows of each mini-batch: all rows in a new order, again and again."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(rows, generator=generator)
    at = 0
    for _ in range(steps):
        part = order[at : at + size]
        at += size
        if at >= rows:
            order, at = torch.randperm(rows, generator=generator), 0
            if len(part) < size < rows:  # a smaller last batch would have more noise
                part, at = order[:size], size
        yield part


class Trainer:
    """Trains candidates of one module with one optimiser and batch size.

    Args:
        wrapped: at W^1, where it is left.
        optimizer: of all of them.
        batch_size: rows of a mini-batch.
        judged: rows by which they are judged.
        seed: of mini-batches and of whatever is drawn in the module.
        work: multiply-adds of one gradient.
    """

    def __init__(
        self,
        wrapped: Wrapped,
        optimizer: TorchOptimizer,
        batch_size: int,
        judged: Any,
        *,
        seed: int,
        work: float,
    ) -> None:
        self.wrapped, self.optimizer = wrapped, optimizer
        self.batch_size, self.judged, self.seed = batch_size, judged, seed
        self.side_by_side = optimizer.known is not None and work <= WIDE and self._goes_side_by_side()

    def train(self, candidates: Sequence[Candidate], steps: int, told: Told | None = None) -> list[Trained]:
        """Each candidate for so many steps; `told` is called with the share that is done."""
        with randomness(self.seed):
            if self.side_by_side:
                trained = self._together(candidates, steps, told)
            else:
                trained = [
                    self._alone(candidate, steps, _part(told, place, len(candidates)))
                    for place, candidate in enumerate(candidates)
                ]
        self.wrapped.restart()
        return trained

    def _alone(self, candidate: Candidate, steps: int, told: Told | None) -> Trained:
        wrapped = self.wrapped
        wrapped.restart()
        torch.manual_seed(self.seed)
        made = self.optimizer.make(wrapped.weights, lr=candidate.stepsize)
        base = [group["lr"] for group in made.param_groups]
        for step, rows in enumerate(batches(wrapped.rows, self.batch_size, steps, self.seed)):
            for group, gamma in zip(made.param_groups, base, strict=True):
                group["lr"] = gamma * candidate.pace(step, steps)
            made.zero_grad()
            value = wrapped.value(*wrapped.batch(rows))
            value.backward()
            made.step()
            if told is not None:
                told((step + 1) / steps)
            if step % 50 == 49 and not math.isfinite(float(value.detach())):
                break  # it does not come back
        loss = wrapped.mean_loss(self.judged)
        return Trained(candidate, steps, loss, copy.deepcopy(wrapped.module.state_dict()))

    def _together(self, candidates: Sequence[Candidate], steps: int, told: Told | None) -> list[Trained]:
        wrapped, known = self.wrapped, self.optimizer.known
        assert known is not None
        wrapped.restart()
        named = dict(wrapped.module.named_parameters())
        names = wrapped.names
        count = len(candidates)
        stacked = [torch.stack([named[name].detach()] * count) for name in names]
        slopes = self.slopes_of_all()
        updates = Steps(known, stacked)
        for step, rows in enumerate(batches(wrapped.rows, self.batch_size, steps, self.seed)):
            gradients = slopes(dict(zip(names, stacked, strict=True)), *wrapped.batch(rows))
            gammas = [candidate.stepsize * candidate.pace(step, steps) for candidate in candidates]
            updates.step([gradients[name] for name in names], gammas)
            if told is not None:
                told((step + 1) / steps)
        trained = []
        for place, candidate in enumerate(candidates):
            weights = {name: weight[place].clone() for name, weight in zip(names, stacked, strict=True)}
            loss = wrapped.mean_loss(self.judged, weights=weights)
            trained.append(Trained(candidate, steps, loss, {**wrapped.module.state_dict(), **weights}))
        return trained

    def slopes_of_all(self) -> Callable[[dict[str, Any], Any, Any], dict[str, Any]]:
        """Gradients of all replicas by the same mini-batch."""
        wrapped = self.wrapped
        others = {name: parameter.detach() for name, parameter in wrapped.module.named_parameters()}
        others = {name: parameter for name, parameter in others.items() if name not in set(wrapped.names)}
        others |= dict(wrapped.module.named_buffers())

        def value(weights: dict[str, Any], inputs: Any, targets: Any) -> Any:
            outputs = torch.func.functional_call(wrapped.module, {**others, **weights}, (inputs,))
            return wrapped.loss.function(outputs, targets)

        slopes: Callable[..., dict[str, Any]] = torch.func.vmap(
            torch.func.grad(value), in_dims=(0, None, None), randomness="different"
        )

        def quietly(*arguments: Any) -> dict[str, Any]:
            with warnings.catch_warnings():  # of torch to its own developers
                warnings.filterwarnings("ignore", "There is a performance drop")
                return slopes(*arguments)

        return quietly

    def _goes_side_by_side(self) -> bool:
        """Whether torch can compute replicas of the module at once, without a change of its buffers, and, but
        for what is drawn in training, comes to the same gradients as for one."""
        wrapped, module = self.wrapped, self.wrapped.module
        batch = wrapped.batch(torch.arange(min(self.batch_size, wrapped.rows)))
        named = dict(wrapped.module.named_parameters())
        twice = {name: torch.stack([named[name].detach()] * 2) for name in wrapped.names}
        before = copy.deepcopy(wrapped.module.state_dict())
        try:
            with randomness(self.seed):
                self.slopes_of_all()(twice, *batch)
                changed = any(
                    not torch.equal(before[name], each) for name, each in module.state_dict().items()
                )
                module.eval()
                together = self.slopes_of_all()(twice, *batch)
                alone = wrapped.gradient(*batch)
        except Exception:  # noqa: BLE001 - whatever torch or the module raises: then one after the other
            return False
        finally:
            module.train()
            wrapped.restart()
        close = (
            torch.allclose(each, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()))
            for name, other in zip(wrapped.names, alone, strict=True)
            for each in together[name]
        )
        return not changed and all(close)


def _part(told: Told | None, place: int, count: int) -> Told | None:
    if told is None:
        return None
    return lambda share: told((place + share) / count)
