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


class _Progress:
    """A bar with the time left on a terminal.

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

    def _draw(self, description: str, done: float, total: float | None) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(description, total=total)
        assert self._task is not None
        self._bar.update(self._task, description=description, completed=done, total=total)


class ReadProgress(_Progress):
    """Progress of a long read or race, by parts; elsewhere than on a terminal nothing is told."""

    def __init__(self, *, enabled: bool) -> None:
        super().__init__(enabled=enabled)
        self._begun = time.monotonic()

    def __call__(self, done: int, total: int | None, name: str) -> None:
        """Report `done` of `total` in the part called `name`."""
        if self._terminal and (self._bar is not None or time.monotonic() - self._begun >= _PATIENCE):
            self._draw(name, done, total)


class CaseProgress(_Progress):
    """Progress of a verification, by cases; a line for each elsewhere than on a terminal."""

    def __call__(self, state: State) -> None:
        """Show the state; a finished case is told once, and a reader that has left is no error."""
        with contextlib.suppress(OSError):
            if self._terminal:
                case = min(state.cases_done + 1, state.cases)
                self._draw(f"case {case} of {state.cases}", state.blocks_done, state.blocks)
            elif self._enabled and state.finished is not None:
                from rsgadvise.show.report.verification import case_line

                self._say(case_line(state.finished))


class SweepProgress(_Progress):
    """Progress of a sweep that trains, by points."""

    def __call__(self, state: SweepState) -> None:
        """Show the state; a finished point is told once, and a reader that has left is no error."""
        with contextlib.suppress(OSError):
            if self._terminal:
                what = f"point {min(state.done + 1, state.total)} of {state.total}"
                self._draw(what, state.done + state.share, state.total)
            elif self._enabled and state.finished is not None:
                from rsgadvise.show.report.sweeping import point_line

                self._say(f"{state.done} of {state.total}: {point_line(state.finished)}")
