"""Losses with the output units that go with them, one file each: what they compute, their bounds, their code.

A head is found by its file being here; the file's name is what `network.loss` takes.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

from rsgadvise.modules import names

if TYPE_CHECKING:
    from rsgadvise.theory.heads.head import Head

__all__ = ["SQUARED", "head_names", "head_of"]

SQUARED = "squared"
"""What is meant where no loss is named."""


def head_names() -> tuple[str, ...]:
    """Every loss; none of their modules is loaded."""
    return names(__path__, first=SQUARED, but="head")


@cache
def head_of(name: str) -> Head:
    """The head of that name."""
    head: Head = importlib.import_module(f"{__name__}.{name}").HEAD
    return head
