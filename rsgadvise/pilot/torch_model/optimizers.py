"""Optimisers: as torch has them, and step by step for many replicas of a module at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from rsgadvise.errors import UsageError

Factory = Callable[..., Any]
Step = Callable[[list[Any], list[Any], list[Any], dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An optimiser by name, or whatever a user brings.

    Attributes:
        name: shown.
        make: of the parameters and `lr`, as the classes of torch.optim.
        code: what a program writes after the parameters; "" for one of a user.
        step: weights, gradients, stepsizes and state of many replicas, updated in place; None for one of a
            user, whose replicas are trained one after the other.
    """

    name: str
    make: Factory
    code: str = ""
    step: Step | None = None


def _sgd(weights: list[Any], gradients: list[Any], stepsizes: list[Any], _: dict[str, Any]) -> None:
    for weight, gradient, gamma in zip(weights, gradients, stepsizes, strict=True):
        weight.sub_(gamma * gradient)


def _momentum(beta: float, *, nesterov: bool = False) -> Step:
    """v <- beta v + g, W <- W - gamma v; Nesterov's step is g + beta v."""

    def step(weights: list[Any], gradients: list[Any], stepsizes: list[Any], state: dict[str, Any]) -> None:
        memory = state.setdefault("v", [torch.zeros_like(gradient) for gradient in gradients])
        for weight, gradient, gamma, v in zip(weights, gradients, stepsizes, memory, strict=True):
            v.mul_(beta).add_(gradient)
            weight.sub_(gamma * (gradient + beta * v if nesterov else v))

    return step


def _adam(beta: float, second: float, eps: float, decay: float) -> Step:
    """m and v the running means of g and g^2 over what they are of a first step: W <- W - gamma m/(sqrt v +
    eps), after W <- (1 - gamma decay) W. Source: Kingma, Ba (2015); Loshchilov, Hutter (2019)."""

    def step(weights: list[Any], gradients: list[Any], stepsizes: list[Any], state: dict[str, Any]) -> None:
        means = state.setdefault("m", [torch.zeros_like(gradient) for gradient in gradients])
        squares = state.setdefault("s", [torch.zeros_like(gradient) for gradient in gradients])
        k = state["k"] = state.get("k", 0) + 1
        for weight, gradient, gamma, m, s in zip(weights, gradients, stepsizes, means, squares, strict=True):
            m.lerp_(gradient, 1 - beta)
            s.mul_(second).addcmul_(gradient, gradient, value=1 - second)
            if decay:
                weight.mul_(1 - gamma * decay)
            size = (s.sqrt() / (1 - second**k) ** 0.5).add_(eps)
            weight.sub_(gamma / (1 - beta**k) * m / size)

    return step


_BETA, _BETAS, _EPS, _DECAY = 0.9, (0.9, 0.999), 1e-8, 0.01

OPTIMIZERS = {
    each.name: each
    for each in (
        Optimizer("sgd", torch.optim.SGD, "torch.optim.SGD({}, lr={})", _sgd),
        Optimizer(
            "momentum",
            lambda weights, lr: torch.optim.SGD(weights, lr=lr, momentum=_BETA),
            f"torch.optim.SGD({{}}, lr={{}}, momentum={_BETA})",
            _momentum(_BETA),
        ),
        Optimizer(
            "nesterov",
            lambda weights, lr: torch.optim.SGD(weights, lr=lr, momentum=_BETA, nesterov=True),
            f"torch.optim.SGD({{}}, lr={{}}, momentum={_BETA}, nesterov=True)",
            _momentum(_BETA, nesterov=True),
        ),
        Optimizer("adam", torch.optim.Adam, "torch.optim.Adam({}, lr={})", _adam(*_BETAS, _EPS, 0.0)),
        Optimizer("adamw", torch.optim.AdamW, "torch.optim.AdamW({}, lr={})", _adam(*_BETAS, _EPS, _DECAY)),
    )
}


def optimizer_named(optimizer: str | Factory) -> Optimizer:
    """One of `OPTIMIZERS`, or a function of parameters and `lr` that makes one."""
    if callable(optimizer):
        return Optimizer(getattr(optimizer, "__name__", type(optimizer).__name__), optimizer)
    if optimizer not in OPTIMIZERS:
        raise UsageError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)}, or a function of (parameters, lr); got "
            f"{optimizer!r}; change it"
        )
    return OPTIMIZERS[optimizer]
