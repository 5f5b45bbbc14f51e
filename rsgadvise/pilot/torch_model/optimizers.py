"""Optimisers as torch has them, and step by step for many replicas of a module at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from rsgadvise.errors import UsageError
from rsgadvise.records import dataclass
from rsgadvise.theory.optimizers import optimizer_names, optimizer_of
from rsgadvise.theory.optimizers.optimizer import Optimizer

Factory = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class TorchOptimizer:
    """What trains a module.

    Attributes:
        name: shown.
        make: of the parameters and `lr`, as the classes of torch.optim.
        code: how a program makes it, with places for the parameters and the stepsize; "" for one of a user.
        known: one of this package, whose replicas can be trained side by side; None for one of a user.
    """

    name: str
    make: Factory
    code: str = ""
    known: Optimizer | None = None


class Steps:
    """The updates of many replicas, whose weights are stacked.

    Args:
        optimizer: of all of them.
        weights: one tensor (replicas, ...) for each of the module's, changed in place.
    """

    def __init__(self, optimizer: Optimizer, weights: list[Any]) -> None:
        self._optimizer, self._weights, self._done = optimizer, weights, 0
        self._memory = [[torch.zeros_like(weight) for _ in optimizer.memory] for weight in weights]

    def step(self, gradients: list[Any], stepsizes: list[float]) -> None:
        """One update with a stepsize for each replica; the gradients are used up."""
        self._done += 1
        for weight, gradient, memory in zip(self._weights, gradients, self._memory, strict=True):
            gamma = torch.tensor(stepsizes, dtype=weight.dtype, device=weight.device)
            self._optimizer.turn(gradient, weight, memory, self._done)
            weight.sub_(gamma.reshape(-1, *[1] * (weight.ndim - 1)) * gradient)


def torch_optimizer(given: str | Mapping[str, Any] | Factory) -> TorchOptimizer:
    """One of this package's, by its name or with settings, or a function of parameters and `lr`.

    Raises:
        UsageError: there is none of that name, or it has no such setting.
    """
    if callable(given):
        return TorchOptimizer(getattr(given, "__name__", type(given).__name__), given)
    if isinstance(given, str):
        given = given.lower()  # Adam is adam
    name = given.get("name") if isinstance(given, Mapping) else given
    if not isinstance(name, str):
        name = type(name).__name__
    if name not in optimizer_names():
        raise UsageError(
            f"optimizer must be one of {', '.join(optimizer_names())}, or a function of (parameters, lr); "
            f"got {name!r}; {'pass its class' if isinstance(given, torch.optim.Optimizer) else 'change it'}"
        )
    try:
        known = optimizer_of(given)
    except TypeError as error:
        raise UsageError(f"optimizer {name} has no such setting: {error}; leave it out") from error
    pairs = [part.split("=") for part in known.torch_arguments.split(", ") if part]
    settings = {
        key: known.settings.get(value.lower(), True)
        for key, value in pairs
        # A weight decay of 0 is none of the settings.
        if value.lower() in known.settings or not hasattr(known, value.lower())
    }
    kind = getattr(torch.optim, known.torch)
    said = "".join(f", {key}={value!r}" for key, value in settings.items())
    return TorchOptimizer(
        known.name,
        lambda weights, lr: kind(weights, lr=lr, **settings),
        f"torch.optim.{known.torch}({{}}, lr={{}}{said})",
        known,
    )
