"""The unit of work: one panel on one data set from one seed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from research.figure1.running import Replicate, plan, run_replicate
from research.figure1.tables import Table, generated_table, load_table

__all__ = ["GENERATED", "Task", "run_task", "table_of"]

GENERATED = "generated"

Task = tuple[str, str, int]
"""Panel, data set and seed."""


@lru_cache(maxsize=4)
def table_of(data: str, folder: Path, rows: int) -> Table:
    """The table of a name, kept for the next task."""
    if data == GENERATED:
        return generated_table(rows=rows, columns=384)
    return load_table(data, folder, rows=rows)


def run_task(task: Task, folder: Path, rows: int, changes: tuple[str, ...]) -> Replicate:
    """One panel on one data set from one seed, in a process of its own."""
    panel, data, seed = task
    table = table_of(data, folder, rows)
    return run_replicate(plan(panel, table.inputs.shape[1], overrides=changes), table, data=data, seed=seed)
