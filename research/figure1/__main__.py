"""`python -m research.figure1`: Figure 1 of the paper on four kinds of data, with pictures and verdicts.

The data sets lie in the folder that the variable RSGADVISE_DATA names.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from research.figure1.running import PANELS, Replicate, plan
from research.figure1.tables import DATA
from research.figure1.tasks import GENERATED, Task, run_task, table_of
from rsgadvise.errors import RsgadviseError

_REPLICATES = 6
_ROWS = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweeps, and write documents, pictures and the table; the exit code is 2 where it cannot."""
    options = _options(arguments)
    folder = Path(os.environ.get("RSGADVISE_DATA", "")).resolve()
    there = [name for name in options.data if name == GENERATED or (folder / DATA[name][0]).is_file()]
    absent = [name for name in options.data if name not in there]
    if absent:
        say(f"not in the folder that RSGADVISE_DATA names, so left out: {', '.join(absent)}")
    if not there:
        say("set RSGADVISE_DATA to the folder of the data sets")
        return 2
    try:
        return _run(there, folder, options)
    except RsgadviseError as error:
        say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        say("interrupted")
        return 130


def say(text: str) -> None:
    """Progress, which is no result."""
    print(text, file=sys.stderr, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m research.figure1", description=__doc__)
    parser.add_argument(
        "--data", nargs="+", choices=[*DATA, GENERATED], default=list(DATA), metavar="NAME",
        help=f"{', '.join(DATA)}, or {GENERATED} rows",
    )  # fmt: skip
    parser.add_argument(
        "--panels", nargs="+", choices=PANELS, default=list(PANELS), metavar="PANEL", help=", ".join(PANELS)
    )
    parser.add_argument(
        "--replicates", type=int, default=_REPLICATES, metavar="K", help=f"seeds (default: {_REPLICATES})"
    )
    parser.add_argument(
        "--rows", type=int, default=_ROWS, metavar="S", help=f"of each data set (default: {_ROWS})"
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="change the specs")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="write documents, pictures and table here"
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument(
        "--jobs", type=int, default=cores, metavar="N", help="processes (default: one a core)"
    )
    found = parser.parse_args(arguments)
    for name, least in (("replicates", 2), ("rows", 32), ("jobs", 1)):
        if getattr(found, name) < least:
            parser.error(f"--{name} must be at least {least}; got {getattr(found, name)}; raise it")
    return found


def _computed(tasks: Sequence[Task], folder: Path, options: argparse.Namespace) -> dict[Task, Replicate]:
    """All tasks, each in one thread of one process: such small networks gain nothing from more threads."""
    fixed = (folder, options.rows, tuple(options.set))
    if options.jobs == 1:
        return {task: run_task(task, *fixed) for task in tasks}
    found: dict[Task, Replicate] = {}
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        running: dict[Future[Replicate], Task] = {pool.submit(run_task, task, *fixed): task for task in tasks}
        try:
            for done in as_completed(running):
                found[running[done]] = done.result()
                say(f"[{len(found)}/{len(tasks)}] {' '.join(map(str, running[done]))}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def _run(names: Sequence[str], folder: Path, options: argparse.Namespace) -> int:
    begun = time.perf_counter()
    seeds = range(options.replicates)
    tasks = [(panel, data, seed) for seed in seeds for panel in options.panels for data in names]
    found = _computed(tasks, folder, options)
    say(f"computed in {(time.perf_counter() - begun) / 60:.1f} minutes")
    from research.figure1.report import render, write

    results = {}
    tables = {data: table_of(data, folder, options.rows) for data in names}
    for panel in options.panels:
        for data in names:
            planned = plan(panel, tables[data].inputs.shape[1], overrides=options.set)
            results[panel, data] = planned, [found[panel, data, seed] for seed in seeds]
    text = render(results, replicates=options.replicates, rows=options.rows)
    print(text)
    if options.output is not None:
        write(results, tables, text, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
