"""`python -m rsgadvise`, and the installed command."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run the command line; Ctrl-C is answered in one line even while the rest is being imported."""
    try:
        from rsgadvise.interrupts import install

        install()
        # What is imported stays: to look through it for garbage is a tenth of a short command.
        gc.set_threshold(100_000, 20, 20)
        # Plug-ins of the library that checks specs: nothing here has one, and to look for them reads the
        # metadata of every installed package.
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
        from rsgadvise.cli import main as run

        run()
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except SystemExit as end:
        if isinstance(end.code, int):
            _leave(end.code)
        raise


def _leave(code: int) -> None:
    """End here: to take apart an interpreter that ends anyway is a quarter of a short command's time.

    Where another thread or the pools of a library may have something left to do, Python ends as usual; so it
    does where what was printed cannot be flushed, and says so.
    """
    threads = sys.modules.get("threading")
    if "multiprocessing" in sys.modules or (threads is not None and threads.active_count() > 1):
        return
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return
    os._exit(code)


if __name__ == "__main__":
    main()
