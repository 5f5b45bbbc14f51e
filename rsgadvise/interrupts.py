"""Ctrl-C that is neither lost nor obeyed halfway."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

_DEAF = ("<frozen importlib", "threadpoolctl")
"""Files of frames below which an exception may vanish: what extension modules do while they are imported
ignores errors here and there, and ctypes prints those of its callbacks and goes on."""

_LATER = 0.03  # seconds


def install() -> None:
    """Let Ctrl-C raise KeyboardInterrupt where it will be heard, which is at once nearly everywhere.

    Leaves handlers of others alone, and an ignored signal ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _Handler())


class _Handler:
    def __init__(self) -> None:
        self._waiting = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not _deaf(frame):
            raise KeyboardInterrupt
        if not self._waiting:  # one press more changes nothing
            self._waiting = True
            timer = threading.Timer(_LATER, self._again)
            timer.daemon = True
            timer.start()

    def _again(self) -> None:
        self._waiting = False
        if sys.platform == "win32":
            signal.raise_signal(signal.SIGINT)
        else:  # to the main thread itself: it may wait for something by now
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)


def _deaf(frame: FrameType | None) -> bool:
    while frame is not None:
        if any(part in frame.f_code.co_filename for part in _DEAF):
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Hear Ctrl-C only after the block, for what must not be left half done.

    Processes that are started in the block never hear it: they are the starter's to end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # never interrupted
        return
    pressed = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True

    before = signal.signal(signal.SIGINT, remember)
    _block()
    try:
        yield
    finally:
        _unblock()  # what came meanwhile is remembered here
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def _block() -> None:
    """Have the system hold the signal: a process inherits that, where it would not inherit a handler."""
    if sys.platform != "win32":
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()  # it ends the holding when it is started, so better now
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _unblock() -> None:
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
