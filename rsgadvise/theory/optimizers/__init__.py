"""Optimisers, one file each: what they make of a gradient, what they remember, and their code.

An optimiser is found by its file being here; the file's name is what `training.optimizer` takes.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from rsgadvise.modules import names

if TYPE_CHECKING:
    from rsgadvise.theory.optimizers.optimizer import Optimizer

__all__ = ["SGD", "kind_of", "optimizer_names", "optimizer_of"]

SGD = "sgd"
"""What is meant where no optimiser is named, and what the theorems are about."""


def optimizer_names() -> tuple[str, ...]:
    """Every optimiser; none of their modules is loaded."""
    return names(__path__, first=SGD, but="optimizer")


@cache
def kind_of(name: str) -> type[Optimizer]:
    """The optimiser of that name, without its settings."""
    kind: type[Optimizer] = importlib.import_module(f"{__name__}.{name}").OPTIMIZER
    return kind


def optimizer_of(given: str | Mapping[str, Any] | None) -> Optimizer:
    """The optimiser that a spec names, with the settings that it gives.

    Args:
        given: a name, a mapping of `name` and settings, or None for SGD.

    Example:
        >>> optimizer_of({"name": "momentum", "beta": 0.5}).growth
        2.0
    """
    settings: dict[str, Any] = {"name": SGD if given is None else given}
    if isinstance(given, Mapping):
        settings = dict(given)
    return kind_of(settings.pop("name"))(**settings)
