"""`python -m benchmarks.advice`: what advice is worth in trials of random search, beside tuners that train.

The data sets lie in the folder that the variable RSGADVISE_DATA names.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shlex
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

import rsgadvise
from benchmarks.advice.judging import (
    ADVICE,
    METHODS,
    Verdict,
    best_elsewhere,
    judge,
    say,
    transferred,
)
from benchmarks.advice.problems import DATA, EXTRA, HIDDEN, PACKAGED, QUICK, UNSEEN, is_there
from benchmarks.advice.report import render
from benchmarks.advice.trials import BATCH_SIZE, ITERATIONS, SEEDS

USUAL = [*PACKAGED, *UNSEEN, *DATA]
ALL = [*USUAL, *EXTRA]

Task = tuple[str, tuple[int, ...]]

_PROTOCOL = f"""\
N = {ITERATIONS:,}, B = {BATCH_SIZE}, float32; medians over {len(SEEDS)} seeds of W1 and mini-batches.
Loss: over all training rows after N updates. Error: by the largest output, on the quarter of rows held out.
Trial equivalents: ln(1/2) / ln(1 - p), p the share of random trials (log-uniform stepsize in [1e-4, 100])
that are better by more than 2 %. `random n` is the median best of n of these trials, `TPE n` that of five
Optuna studies; each trial is chosen by its median loss over the very seeds that it is judged on, and counts
as one training. The range test is that of torch-lr-finder. Transferred is the one fixed stepsize
that is best over the settings of all other data sets; `transferred, falling` is the same, falling
linearly to 0 over the last twentieth as the advice does, and `default, ..., constant` is the advice without
that. The oracle is the best of a dense grid, chosen on other seeds.
Costs leave out the training with the stepsize that was found."""


def main() -> int:
    """Run the benchmark; the exit code is 2 where it cannot."""
    options = _options()
    folder = Path(os.environ.get("RSGADVISE_DATA", "")).resolve()
    names = options.data or list(QUICK if options.quick else USUAL)
    absent = [name for name in names if not is_there(name, folder)]
    names = [name for name in names if name not in absent]
    if absent:
        say(f"neither in the folder that RSGADVISE_DATA names nor in a package: {', '.join(absent)}")
    if not names:
        say("set RSGADVISE_DATA to the folder of the data sets")
        return 2
    if not hasattr(rsgadvise, "recommend") and set(ADVICE) & set(options.methods):
        say("this rsgadvise has no `recommend` to import; choose --methods without its advice")
        return 2
    begun = time.perf_counter()
    verdicts = _judge(
        [(name, hidden) for name in names for hidden in _hidden(options.quick)], folder, options
    )
    minutes = (time.perf_counter() - begun) / 60
    say(f"all done in {minutes:.1f} minutes")
    command = "python -m benchmarks.advice " + shlex.join(sys.argv[1:])
    head = (
        f"{datetime.datetime.now(datetime.UTC).date()}, {minutes:.1f} minutes with {options.jobs} processes, "
        f"{_versions()}: `{command.strip()}`\n\n{_PROTOCOL}"
    )
    text = render(verdicts, head)
    print(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.advice", description=__doc__)
    parser.add_argument("--data", nargs="+", choices=ALL, metavar="NAME", help=", ".join(ALL))
    parser.add_argument(
        "--shift",
        type=int,
        default=0,
        metavar="N",
        help="add N to the seeds of the advice alone",
    )
    parser.add_argument(
        "--quick", action="store_true", help="three small data sets, at most one hidden layer"
    )
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=METHODS, metavar="NAME", help=", ".join(METHODS)
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep what the tuners found, and reuse it")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the report here too")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument(
        "--jobs", type=int, default=cores, metavar="N", help="processes (default: one a core)"
    )
    return parser.parse_args()


def _hidden(quick: bool) -> tuple[tuple[int, ...], ...]:
    return HIDDEN[:2] if quick else HIDDEN


def _judge(tasks: list[Task], folder: Path, options: argparse.Namespace) -> list[Verdict]:
    """All settings, each in one thread of one process: small networks gain nothing from more threads."""
    # The longest first, so that no process is left alone with one of them in the end.
    queue = sorted(tasks, key=lambda task: (-ALL.index(task[0]), -len(task[1])))
    found: dict[Task, Verdict] = {}
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        advised = partial(judge, shift=options.shift)
        running: dict[Future[Verdict], Task] = {
            pool.submit(advised, *task, folder, options.cache, options.methods): task for task in queue
        }
        try:
            for done in as_completed(running):
                found[running[done]] = done.result()
                say(f"[{len(found)}/{len(tasks)}] {found[running[done]].setting}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        if "transferred" in options.methods:
            jobs: dict[Task, Future[Verdict]] = {}
            for task in tasks:
                stepsize = _elsewhere(found, task[0])
                if stepsize is not None:
                    jobs[task] = pool.submit(transferred, *task, folder, found[task], stepsize)
            found |= {task: job.result() for task, job in jobs.items()}
    return [found[task] for task in tasks]


def _elsewhere(found: dict[Task, Verdict], name: str) -> float | None:
    """The best stepsize over all data sets but one; None where there are no others."""
    others = [verdict.population for (other, _), verdict in found.items() if other != name]
    return best_elsewhere(others) if others else None


def _versions() -> str:
    versions = [f"Python {platform.python_version()}", f"rsgadvise {rsgadvise.__version__}"]
    for package in ("numpy", "optuna"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    return ", ".join(versions)


if __name__ == "__main__":
    sys.exit(main())
