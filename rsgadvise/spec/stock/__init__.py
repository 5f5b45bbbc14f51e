"""What stock models of other libraries say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsgadvise.errors import SpecError
from rsgadvise.records import dataclass

FILE = "<model>"


@dataclass(frozen=True, slots=True)
class Found:
    """What a model says of itself, as a spec has it.

    Attributes:
        units: of each hidden layer.
        largest: largest absolute weight of each layer, in the theory's scaling; none where they are unknown.
        batch_size, epochs: None where it says none; epochs are the most.
        left_out: what a spec has not, in words.
    """

    layers: tuple[int, ...]
    units: tuple[str, ...]
    loss: str
    bias: bool
    keep_prob: float = 1.0
    largest: tuple[float, ...] = ()
    optimizer: str | Mapping[str, Any] | None = None
    batch_size: Any = None
    epochs: Any = None
    left_out: tuple[str, ...] = ()


def refuse(key: str, message: str) -> SpecError:
    """What is raised where a model is not of the kind that a spec describes."""
    return SpecError(message, file=FILE, key=key)


_COMPUTES = {"torch": "forward", "keras": "call", "sklearn": "_forward_pass"}


def library_class(model: Any) -> str:
    """Library and class, of the model or of the first base that a library defines.

    "" where there is none, and for a class of somebody's own that computes something of its own.
    """
    for base in type(model).__mro__:
        library = base.__module__.partition(".")[0]
        if library in _COMPUTES:
            computes = _COMPUTES[library]
            if getattr(type(model), computes, None) is not getattr(base, computes, None):
                return ""
            return f"{library}.{base.__name__}"
    return ""
