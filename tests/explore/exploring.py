"""Tries random specs with every command, and prints each that breaks a rule as a file to repeat it with.

``python tests/explore/exploring.py --tries 10000 --seed 1 --jobs 2``; a find is tried again alone with
``--only NUMBER``, which prints its spec.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any

import judged
from drawn import Try, as_text, draw_try, write_data

LIMIT = 60.0
"""Seconds of processor time that one call may take: a minute in silence is too long."""
LONGER = 4
"""What a sweep, or a race whose work is given, may take of these."""
SHOWN = 3
"""Finds of one kind that are printed whole."""
_BATCH = 50
_MEMORY = Path("/dev/shm")  # files of a try live there: a disk takes longer than many a command


class _TooLongError(BaseException):
    """The call took too long; no handler of errors may swallow it."""


@dataclass(frozen=True)
class Find:
    """A rule that a try broke."""

    index: int
    kind: str
    what: str
    command: tuple[str, ...]
    spec: str


def _stop(number: int, frame: FrameType | None) -> None:
    raise _TooLongError


def call(command: list[str]) -> tuple[object, str, str]:
    """Exit code, standard output and standard error of a command run in this process."""
    from rsgadvise.cli import main

    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["rsgadvise", *command]
    code: object = None
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("error")
            main()
    except SystemExit as stop:
        code = stop.code
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()


def _place(error: BaseException) -> str:
    """Where in the package an exception came from, to tell kinds apart."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "rsgadvise" in f.filename]
    last = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {str(error)[:80]}{last}"


def attempt(one: Try, folder: Path, *, limit: float = LIMIT) -> list[tuple[str, str]]:
    """What a try breaks: (kind, what) of each."""
    text = as_text(one.spec)
    if one.command[0] == "sweep" or "--work" in one.command:  # of a dozen specs; of as much as was asked for
        limit *= LONGER
    (folder / "SPEC").write_text(text)
    if one.other is not None:
        (folder / "OTHER").write_text(as_text(one.other))
    for name in ("OUT.html", "OUT.yaml", "PLOT.json"):
        (folder / name).unlink(missing_ok=True)
    command = [str(folder / word.removeprefix("DATA/")) if _is_path(word) else word for word in one.command]
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, limit)
    try:
        code, out, err = call(command)
        signal.setitimer(signal.ITIMER_PROF, limit)
        finds = list(_judged(one, text, code, out, err))
        if (folder / "PLOT.json").exists() and not finds:
            signal.setitimer(signal.ITIMER_PROF, limit)
            code, out, err = call(["plot", str(folder / "PLOT.json"), "--terminal"])
            finds += [(f"plot: {kind}", what) for kind, what in judged.streams(code, out, err)]
    except _TooLongError as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "rsgadvise/" in f.filename]
        finds = [("too long", " < ".join(f.name for f in reversed(frames[-6:])))]
    except Exception as error:  # noqa: BLE001 - whatever escapes is what is looked for
        finds = [("traceback", _place(error))]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return finds


def _is_path(word: str) -> bool:
    return word in {"SPEC", "OTHER", "OUT.html", "OUT.yaml", "PLOT.json"} or word.startswith("DATA/")


def _judged(one: Try, text: str, code: object, out: str, err: str) -> Iterator[tuple[str, str]]:
    given = " ".join([text, "" if one.other is None else as_text(one.other), *one.command])
    yield from judged.streams(code, out, err, given)
    command = one.command
    if code == 2 or not out or "--emit" in command or "-f" not in command:
        return
    if command[command.index("-f") + 1] != "json":
        return
    try:
        document = judged.strict(out)
    except ValueError as error:
        yield "JSON", f"{error}"
        return
    yield from judged.numbers(document)
    if command[0] == "recommend":
        yield from judged.ranked(document)
        if "SPEC" in command and "--set" not in command:
            yield from judged.better(text, document)
    elif command[0] == "bound":
        yield from judged.summed(document)


def _tries(job: tuple[int, int, int]) -> list[Find]:
    """What the tries from `first` to `last` find, in this process."""
    seed, first, last = job
    folder = Path(tempfile.mkdtemp(prefix="explore", dir=_MEMORY if _MEMORY.is_dir() else None))
    try:
        write_data(folder)
        return [
            Find(one.index, kind, what, one.command, as_text(one.spec))
            for one in (draw_try(seed, index) for index in range(first, last))
            for kind, what in attempt(one, folder)
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory(most: int = 4 << 30) -> None:
    """Refuse memory that no spec should need, so that a huge array is a find and not a dead machine."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main(arguments: list[str] | None = None) -> int:
    """Run the tries; 1 where one of them found something."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tries", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=None, help="default: by the clock")
    options.add_argument("--only", type=int, help="this try alone")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given: Any = options.parse_args(arguments)
    seed = int(time.time()) if given.seed is None else given.seed
    first, last = (0, given.tries) if given.only is None else (given.only, given.only + 1)
    work = [(seed, at, min(at + _BATCH, last)) for at in range(first, last, _BATCH)]
    kinds = Counter[str]()
    pool = get_context("spawn").Pool(given.jobs, initializer=_memory) if given.jobs > 1 else None
    for finds in map(_tries, work) if pool is None else pool.imap_unordered(_tries, work):
        for find in finds:
            label = f"{find.kind}: {find.what}" if find.kind == "traceback" else find.kind
            kinds[label] += 1
            if kinds[label] <= SHOWN:
                print(f"FIND --seed {seed} --only {find.index}: {find.kind}: {find.what}")
                print(f"  rsgadvise {' '.join(find.command)}\n{find.spec}", flush=True)
    print(f"{last - first:,} tries of seed {seed}; {sum(kinds.values())} finds")
    for label, number in kinds.most_common():
        print(f"  {number:6,} {label}")
    return 1 if kinds else 0


if __name__ == "__main__":
    _memory()
    raise SystemExit(main())
