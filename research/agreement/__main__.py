"""`python -m research.agreement`: does a bound rank configurations as training does, and if not, why not?

The data sets lie in the folder that the variable RSGADVISE_DATA names.
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import rsgadvise
from research.agreement.blame import agreement, dependence, noise
from research.agreement.design import (
    BLOCKS,
    FAMILIES,
    FRACTIONS,
    KNOBS,
    Block,
    Configuration,
    Sweep,
    design,
    sweeps,
)
from research.agreement.measuring import LOOKS, Outcome
from research.agreement.predicting import CONSTANTS
from research.agreement.report import Setting, Swept, render
from research.agreement.sources import DATA, ROWS, is_there
from research.agreement.store import Task, outcomes
from rsgadvise.theory.heads import SQUARED, head_names
from rsgadvise.theory.units import SIGMOID, unit_names

_COUNT, _REPLICAS, _SWEEP_REPLICAS = 40, 8, 4
_QUICK_COUNT, _QUICK_REPLICAS = 12, 4
_EVERY = 50  # tasks between two lines of progress


def main() -> int:
    """Run the benchmark; the exit code is 2 where it cannot."""
    options = _options()
    folder = Path(os.environ.get("RSGADVISE_DATA", "")).resolve()
    absent = [name for name in options.data if not is_there(name, folder)]
    names = [name for name in options.data if name not in absent]
    if absent:
        _say(f"not in the folder that RSGADVISE_DATA names, so left out: {', '.join(absent)}")
    if not names:
        _say("set RSGADVISE_DATA to the folder of the data sets")
        return 2
    begun = time.perf_counter()
    points: dict[tuple[str, str, str], list[Configuration]] = {}
    alone: dict[tuple[str, str], list[Sweep]] = {}
    for block in BLOCKS:
        for family in options.families:
            for name in names:
                made = {"activation": options.activation, "loss": options.loss}
                points[family, name, block] = design(family, name, block, options.count, **made)
                if options.sweeps:
                    alone.setdefault((family, block), []).extend(sweeps(family, name, block, **made))
    tasks: list[Task] = [each for group in points.values() for each in group]
    tasks += [each for group in alone.values() for each in group]
    try:
        found = _measure(tasks, folder, options)
    except BrokenProcessPool:
        _say("a process was ended from outside; run it again, with the same --cache to keep what is there")
        return 2
    except KeyboardInterrupt:
        _say("interrupted; what is in --cache is kept")
        return 130
    settings = [
        _setting([found[each][0] for each in points[family, name, block]])
        for block in BLOCKS
        for family in options.families
        for name in names
    ]
    swept = [
        _swept([(each.knob, found[each]) for each in group], family, block)
        for (family, block), group in alone.items()
    ]
    minutes = (time.perf_counter() - begun) / 60
    text = render(settings, swept, _head(options, minutes))
    print(text, end="")
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m research.agreement", description=__doc__)
    parser.add_argument("--data", nargs="+", choices=DATA, metavar="NAME", help=", ".join(DATA))
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES, metavar="NAME")
    parser.add_argument("--activation", choices=unit_names(), default=SIGMOID, metavar="NAME")
    parser.add_argument("--loss", choices=head_names(), default=SQUARED, metavar="NAME")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"one data set, {_QUICK_COUNT} configurations, {_QUICK_REPLICAS} replicas, no single knobs",
    )
    parser.add_argument("--count", type=int, metavar="N", help="configurations of each setting")
    parser.add_argument("--replicas", type=int, metavar="N", help="of each configuration, at least 2")
    parser.add_argument("--no-sweeps", dest="sweeps", action="store_false", help="no knob by itself")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep what was measured, and reuse it")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the report here too")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument(
        "--jobs", type=int, default=cores, metavar="N", help="processes (default: one a core)"
    )
    options = parser.parse_args()
    options.data = options.data or (["mnist"] if options.quick else ["mnist", "cifar"])
    options.count = options.count or (_QUICK_COUNT if options.quick else _COUNT)
    options.replicas = options.replicas or (_QUICK_REPLICAS if options.quick else _REPLICAS)
    options.sweeps = options.sweeps and not options.quick
    if options.replicas < 2 or options.count < 4 or options.jobs < 1:
        parser.error("needs at least 2 replicas, 4 configurations and 1 process")
    if options.output is not None and not os.access(options.output.parent, os.W_OK):
        parser.error(f"-o {options.output}: its folder is missing or cannot be written; choose another")
    return options


def _work(task: Task) -> float:
    """Rough, to start the longest first: no process is then left alone with one of them in the end."""
    levels = task.levels if isinstance(task, Sweep) else (task,)
    return math.fsum(map(_work_of, levels))


def _work_of(configuration: Configuration) -> float:
    """Weights of the first layer by rows, more of them with masks."""
    first = configuration.hidden[0] if configuration.hidden else configuration.classes
    rows = configuration.batch_size * configuration.iterations + 2 * LOOKS * ROWS
    return 4.0**configuration.resolution * first * rows * (2 - configuration.keep_prob)


def _measure(tasks: Sequence[Task], folder: Path, options: argparse.Namespace) -> dict[Task, list[Outcome]]:
    """All tasks, each in one thread of one process."""
    found: dict[Task, list[Outcome]] = {}
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        running: dict[Future[list[Outcome]], Task] = {}
        for task in sorted(tasks, key=_work, reverse=True):
            replicas = min(options.replicas, _SWEEP_REPLICAS) if isinstance(task, Sweep) else options.replicas
            running[pool.submit(outcomes, task, folder, replicas, options.cache)] = task
        try:
            for done in as_completed(running):
                found[running[done]] = done.result()
                if len(found) % _EVERY == 0 or len(found) == len(running):
                    _say(f"[{len(found)}/{len(running)}]")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def _setting(found: Sequence[Outcome]) -> Setting:
    first = found[0].configuration
    each = [agreement(found, constants) for constants in CONSTANTS]
    return Setting(
        family=first.family,
        data=first.data,
        block=first.block,
        count=len(found),
        noise=noise(found),
        agreements=tuple(known for known in each if known is not None),
    )


def _swept(found: Sequence[tuple[str, list[Outcome]]], family: str, block: str) -> Swept:
    first = found[0][1][0].configuration
    knobs = [
        dependence(knob, [levels for name, levels in found if name == knob]) for knob in KNOBS[first.family]
    ]
    return Swept(first.family, first.block, tuple(knobs))


def _head(options: argparse.Namespace, minutes: float) -> str:
    command = "python -m research.agreement " + shlex.join(sys.argv[1:])
    versions = (
        f"Python {platform.python_version()}, rsgadvise {rsgadvise.__version__}, numpy {version('numpy')}"
    )
    return (
        f"{datetime.datetime.now(datetime.UTC).date()}, {math.ceil(minutes)} minutes with {options.jobs} "
        f"processes, {versions}: `{command.strip()}`\n\n"
        f"{options.count} configurations of each family, data set and kind of stepsizes, {options.replicas} "
        f"replicas of each, every one from a W1 of its own and measured in up to {2 * LOOKS} strata of a "
        f"uniform R; {ROWS} rows, float32. Stepsizes `within`: {_range('within')} of the smaller of the "
        f"paper's and the certified limit; `realistic`: {_range('realistic')} of 2/U measured."
    )


def _range(block: Block) -> str:
    low, high = FRACTIONS[block]
    return f"{low:g} to {high:g}"


def _say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
