"""Data files as streams of rows, one reader per format, and the statistics that the bounds ask for.

Every reader checks its header before it reads a row, keeps no more than a block in memory, never runs
what a file contains, and reports whatever is wrong as one `DataError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rsgadvise.data.opening import open_data
    from rsgadvise.data.rows import read_rows
    from rsgadvise.data.statistics import load_rows, measure

__all__ = ["load_rows", "measure", "open_data", "read_rows"]

_PLACES = {"open_data": "opening", "read_rows": "rows"}


def __getattr__(name: str) -> Any:
    """Import what reads files when it is asked for: a spec without data starts without it."""
    if name in __all__:
        module = _PLACES.get(name, "statistics")
        return getattr(import_module(f"rsgadvise.data.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
