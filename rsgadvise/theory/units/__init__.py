"""Units of hidden layers, one file each: what they do to a signal, their bounds, and their code.

A unit is found by its file being here; the file's name is what `network.activation` takes.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from rsgadvise.modules import names

if TYPE_CHECKING:
    from rsgadvise.theory.units.unit import Unit

__all__ = ["SIGMOID", "unit_names", "unit_of", "units_of"]

SIGMOID = "sigmoid"
"""What is meant where no unit is named."""


def unit_names() -> tuple[str, ...]:
    """Every unit; none of their modules is loaded."""
    return names(__path__, first=SIGMOID, but="unit")


@cache
def unit_of(name: str) -> Unit:
    """The unit of that name."""
    unit: Unit = importlib.import_module(f"{__name__}.{name}").UNIT
    return unit


def units_of(names: Sequence[str], hidden: int) -> tuple[Unit, ...]:
    """The unit of each hidden layer; sigmoids where none are named."""
    return tuple(map(unit_of, names or (SIGMOID,) * hidden))
