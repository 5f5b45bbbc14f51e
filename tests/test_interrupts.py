"""Ctrl-C in the moments in which it used to be lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import pytest

from rsgadvise.interrupts import deferred, install

LATE = "import time\nfor _ in range(200):\n    time.sleep(0.05)\n"
SWALLOWS = "import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\nexcept BaseException:\n    pass\n"
AS_CTYPES = "def callback():\n    exec(compile(SWALLOWS, '/any/threadpoolctl.py', 'exec'))\ncallback()\n"


def run(code: str, folder: Path, *, installed: bool = True) -> str:
    """What a process says that ends by KeyboardInterrupt, or does not for ten seconds."""
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(folder)!r})\n"
        f"SWALLOWS = {SWALLOWS!r}\n"
        + ("from rsgadvise.interrupts import install\ninstall()\n" if installed else "")
        + "try:\n"
        + "".join(f"    {line}\n" for line in (code + LATE).splitlines())
        + "except KeyboardInterrupt:\n    print('heard')\nelse:\n    print('lost')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip() + done.stderr


@pytest.mark.parametrize("code", ["import swallows\n", AS_CTYPES], ids=["import", "callback"])
def test_what_swallows_exceptions_does_not_lose_it(code: str, tmp_path: Path) -> None:
    (tmp_path / "swallows.py").write_text(SWALLOWS)
    assert run(code, tmp_path) == "heard"


def test_the_planted_module_does_swallow(tmp_path: Path) -> None:
    (tmp_path / "swallows.py").write_text(SWALLOWS)
    assert run("import swallows\nprint('went on')\nraise KeyboardInterrupt\n", tmp_path, installed=False) == (
        "went on\nheard"
    )


def test_it_reaches_a_thread_that_waits(tmp_path: Path) -> None:
    (tmp_path / "swallows.py").write_text(SWALLOWS)
    code = "import swallows, threading\nthreading.Event().wait(20)\n"
    assert run(code, tmp_path) == "heard"


def test_many_presses_are_one(tmp_path: Path) -> None:
    (tmp_path / "swallows.py").write_text(SWALLOWS * 5)
    code = (
        "import time\nimport swallows\n"
        "try:\n    time.sleep(20)\nexcept KeyboardInterrupt:\n    time.sleep(0.3)\n"
        "print('once')\nraise KeyboardInterrupt\n"
    )
    assert run(code, tmp_path) == "once\nheard"


def test_elsewhere_it_is_heard_at_once(tmp_path: Path) -> None:
    code = "import signal\nsignal.raise_signal(signal.SIGINT)\nprint('late')\n"
    assert run(code, tmp_path) == "heard"


def test_handlers_of_others_stay() -> None:
    def own(number: int, frame: FrameType | None) -> None:
        """Nothing."""

    before = signal.signal(signal.SIGINT, own)
    try:
        install()
        assert signal.getsignal(signal.SIGINT) is own
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        install()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_deferred_is_heard_after_the_block() -> None:
    before = signal.getsignal(signal.SIGINT)
    reached = []

    def pressed() -> None:
        with deferred():
            signal.raise_signal(signal.SIGINT)
            reached.append("end of block")
        reached.append("after it")

    with pytest.raises(KeyboardInterrupt):
        pressed()
    assert reached == ["end of block"]
    assert signal.getsignal(signal.SIGINT) is before
    with deferred():
        pass
    assert signal.getsignal(signal.SIGINT) is before


def test_deferred_outweighs_an_error_and_leaves_other_threads_alone() -> None:
    def failing() -> None:
        with deferred():
            signal.raise_signal(signal.SIGINT)
            raise ValueError

    with pytest.raises(KeyboardInterrupt):
        failing()
    errors = []

    def elsewhere() -> None:
        try:
            with deferred():
                pass
        except ValueError as error:  # signal works in the main thread alone
            errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert not errors


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_processes_started_meanwhile_never_hear_it() -> None:
    code = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nprint('deaf')"
    command = [sys.executable, "-c", code]
    with deferred():
        inside = subprocess.run(command, capture_output=True, text=True, check=True)
    assert inside.stdout == "deaf\n"
    outside = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" in outside.stderr


@pytest.mark.parametrize(
    ("before", "tidied"),
    [
        ("", False),
        ("import multiprocessing", True),
        ("threading.Thread(target=time.sleep, args=(600,), daemon=True).start()", True),
    ],
    ids=["alone", "pools", "a thread"],
)
def test_a_command_ends_at_once_where_nothing_is_left_to_do(before: str, tidied: bool) -> None:
    script = (
        "import atexit, sys, threading, time\n"
        f"atexit.register(print, 'tidied')\n{before}\n"
        "sys.argv = ['rsgadvise', 'bound', 'no.yaml' if len(sys.argv) > 1 else '--help']\n"
        "from rsgadvise.__main__ import main\nmain()\n"
    )
    for words, code in (([], 0), (["wrong"], 2))[: 1 if tidied else 2]:
        done = subprocess.run(
            [sys.executable, "-c", script, *words], check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code
        assert ("tidied" in done.stdout) == tidied
        assert "Usage" in done.stdout or "error: no.yaml" in done.stderr


def test_every_press_that_has_to_wait_is_heard() -> None:
    """One after the other, each below what would swallow it."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        install()
        swallowing = compile("signal.raise_signal(signal.SIGINT)", "/any/threadpoolctl.py", "exec")
        for _ in range(3):
            exec(swallowing)
            with pytest.raises(KeyboardInterrupt):
                time.sleep(5)
    finally:
        signal.signal(signal.SIGINT, before)
