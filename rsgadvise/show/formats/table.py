"""Blocks as text for a terminal, or for a file."""

from __future__ import annotations

from rsgadvise.show.formats import Result
from rsgadvise.show.report.console import as_text


def render(shown: Result) -> str:
    """Colour is decided by the terminal, but the text is collected: it is written whole or not at all."""
    width, coloured = shown.screen()
    return as_text(shown.blocks(), width=width, coloured=coloured, quiet=shown.quiet) + "\n"
