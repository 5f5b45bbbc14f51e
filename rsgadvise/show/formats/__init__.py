"""The formats of results: one module each, found by its being in this package; its name is what -f takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rsgadvise.modules import names
from rsgadvise.records import dataclass

if TYPE_CHECKING:
    from rsgadvise.show.report.blocks import Block

__all__ = ["Result", "format_names", "render"]


@dataclass(frozen=True, slots=True)
class Result:
    """A result in the forms that a format may want; each is made when it is asked for.

    Attributes:
        blocks: titles, grids and sentences.
        document: keys and plain values.
        rows: the main table, a mapping each.
        screen: columns of the terminal, and whether it takes colours.
        quiet: whether the answer and the main table are enough.
    """

    blocks: Callable[[], Sequence[Block]]
    document: Callable[[], Mapping[str, Any]]
    rows: Callable[[], Sequence[Mapping[str, Any]]]
    screen: Callable[[], tuple[int, bool]]
    quiet: bool = False


def format_names() -> tuple[str, ...]:
    """All of them, the table first."""
    return names(__path__, first="table")


def render(name: str, shown: Result) -> str:
    """A result in one format."""
    text: str = import_module(f"{__name__}.{name}").render(shown)
    return text
