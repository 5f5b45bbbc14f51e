"""Progress on stderr, for what takes longer than a moment."""

from __future__ import annotations

import contextlib
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from rsgadvise.ask.sweep.running import SweepState
    from rsgadvise.ask.verify.running import State


_PATIENCE = 0.7  # seconds before a bar appears
MANY_BYTES = 10**8  # data that takes seconds to generate


class ReadProgress:
    """Callback for long reads; shows nothing unless stderr is a terminal.

    Args:
        enabled: False for --quiet.
    """

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled and sys.stderr.isatty()
        self._begun = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._name = ""

    def __enter__(self) -> ReadProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int | None, name: str) -> None:
        """Report `done` of `total` rows in the pass called `name`."""
        if not self._enabled or (self._bar is None and time.monotonic() - self._begun < _PATIENCE):
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
        if self._task is None or name != self._name:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task, self._name = self._bar.add_task(name, total=total), name
        self._bar.update(self._task, completed=done, total=total)


class _Progress:
    """A bar with the time left on a terminal, lines elsewhere.

    Args:
        enabled: False for --quiet, and where nothing takes long.
    """

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled and sys.stderr is not None
        self._terminal = self._enabled and sys.stderr.isatty()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _say(self, line: str) -> None:
        # Begun with a word of ours: a line that starts with a file name could be taken for a command
        # by what collects the log.
        print(f"done: {line}", file=sys.stderr, flush=True)

    def _draw(self, description: str, done: float, total: float, *, blocks: bool) -> None:
        """Show the bar; `blocks` are counted, anything else is told in per cent."""
        if self._bar is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TaskProgressColumn,
                TextColumn,
                TimeRemainingColumn,
            )

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn() if blocks else TaskProgressColumn(),
                TextColumn("blocks, left" if blocks else "left"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(description, total=total)
        assert self._task is not None
        self._bar.update(self._task, description=description, completed=done, total=total)


class CaseProgress(_Progress):
    """Progress of a verification, by cases."""

    def __call__(self, state: State) -> None:
        """Show the state; a finished case is told once, and a reader that has left is no error."""
        with contextlib.suppress(OSError):
            if self._terminal:
                case = min(state.cases_done + 1, state.cases)
                self._draw(f"case {case} of {state.cases}", state.blocks_done, state.blocks, blocks=True)
            elif self._enabled and state.finished is not None:
                from rsgadvise.show.report.verification import case_line

                self._say(case_line(state.finished))


class SweepProgress(_Progress):
    """Progress of a sweep that trains, by points; one with much data is told before it begins."""

    _told = -1  # the point that was told last

    def __call__(self, state: SweepState) -> None:
        """Show the state; a finished point is told once, and a reader that has left is no error."""
        with contextlib.suppress(OSError):
            if self._terminal:
                point = min(state.done + 1, state.total)
                done = state.done + state.share
                what = f"point {point} of {state.total}"
                if state.work is not None and state.work.data_bytes >= MANY_BYTES:
                    what += f": preparing {state.work.data_bytes / 1e9:.2g} GB of data"
                self._draw(what, done, state.total, blocks=False)
            elif self._enabled and state.work is not None and state.done > self._told:
                self._told = state.done
                if state.work.data_bytes >= MANY_BYTES:
                    from rsgadvise.show.report.sweeping import work_line

                    line = f"now: {state.done + 1} of {state.total}: {work_line(state.work)}"
                    print(line, file=sys.stderr, flush=True)
            elif self._enabled and state.finished is not None:
                from rsgadvise.show.report.sweeping import point_line

                self._say(f"{state.done} of {state.total}: {point_line(state.finished)}")
