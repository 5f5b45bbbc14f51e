"""Blocks as text for a terminal, or for a file."""

from __future__ import annotations

import io

from rich.console import Console

from rsgadvise.show.formats import Result
from rsgadvise.show.report.console import show


def render(shown: Result) -> str:
    """Colour is decided by the terminal, but the text is collected: it is written whole or not at all."""
    width, plain, coloured = shown.screen()
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=width,
        force_terminal=not plain,
        color_system="standard" if coloured else None,
        no_color=not coloured,
        highlight=False,
        emoji=False,
    )
    show(shown.blocks(), console, quiet=shown.quiet)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"
