"""The options of commands that train: where to compute, and how sure to be."""

from __future__ import annotations

import math
import os
from typing import Annotated

import typer

from rsgadvise.errors import UsageError

__all__ = ["DaskOption", "JobsOption", "check_budget", "check_confidence", "usable_cores"]

JobsOption = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Processes; default: one per usable core.")
]
DaskOption = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="ADDRESS",
        help="Scheduler to compute on, such as tcp://host:8786; local starts one of --jobs processes.",
    ),
]


def check_confidence(confidence: float) -> None:
    """Refuse what is no probability.

    Raises:
        UsageError: it is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise UsageError(f"--confidence must be a probability between 0 and 1; got {confidence:g}; give 0.99")


def check_budget(budget: float | None) -> None:
    """Refuse what is no time to compute.

    Raises:
        UsageError: it is not a number of seconds above 0.
    """
    if budget is not None and not (math.isfinite(budget) and budget > 0):
        raise UsageError(f"--budget must be a number of seconds above 0; got {budget:g}; give e.g. 60")


def usable_cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
