"""Write docs/commands.md from the program's own help texts: `python docs/generate.py`."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from unittest import mock

from rsgadvise.cli import COMMANDS, main

INTRODUCTION = """# Commands

Made by `python docs/generate.py` from the help texts; a test compares the two.

Exit codes: 0 fine; 1 the answer is no (the target is infeasible, the verification falsified); 2 bad usage,
spec or data; 3 verification inconclusive; 130 interrupted.
Results go to standard output, errors to standard error as one line that starts with `error:`.
"""


def help_text(*arguments: str) -> str:
    """The help of one command at 80 columns."""
    shown = io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["rsgadvise", *arguments, "--help"]),
        mock.patch.dict(os.environ, {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}),
        contextlib.redirect_stdout(shown),
        contextlib.suppress(SystemExit),
    ):
        main()
    return shown.getvalue().rstrip()


def render() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    parts += [f"## rsgadvise {name}\n\n```text\n{help_text(name)}\n```\n" for name in COMMANDS]
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "commands.md").write_text(render(), encoding="utf-8")
