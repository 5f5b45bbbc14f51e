"""Blocks on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from rsgadvise.report.blocks import Block, Grid, Title
from rsgadvise.report.fitting import content_width, fitted

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["show"]


def _print_grid(block: Grid, console: Console) -> None:
    """Two spaces between columns where they fit, else one."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    content, count = content_width(block), len(block.columns)
    gap = 1 if content + 2 * count <= console.width else 0
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, gap, 0, 0),
        pad_edge=False,
        header_style="bold",
        width=None if content + count + 1 <= console.width else content + count + 1,
    )
    for column in block.columns:
        table.add_column(column.name, justify="right" if column.numeric else "left", no_wrap=True)
    styles = {"yes": "green", "no": "yellow", "vacuous": "red", "approximate !": "magenta"}
    for row in block.rows:
        table.add_row(*(Text(cell, style=styles.get(cell, "")) for cell in row))
    console.print(table, crop=False)


def _head(title: str, below: str, console: Console) -> None:
    from rich.markup import escape

    if title:
        console.print(f"[bold]{escape(title)}[/]")
    if below:
        text = "\n".join(wrap(below, console.width - 1))
        console.print(f"[dim]{escape(text)}[/]", soft_wrap=True)


def show(blocks: Sequence[Block], console: Console, *, quiet: bool = False) -> None:
    """Print the blocks; `quiet` keeps the first grid only."""
    from rich.markup import escape

    # Without a table the first sentences are the answer.
    quiet_sentences = quiet and not any(isinstance(block, Grid) for block in blocks)
    about = ""
    for before, block in zip((None, *blocks), blocks, strict=False):
        if isinstance(block, Title):
            about = block.text
            if not quiet:
                _head(block.text, block.context, console)
        elif isinstance(block, Grid):
            if not quiet:
                _head(block.title, block.caption, console)
            for place, part in enumerate(fitted(block, console.width)):
                if place and not quiet:
                    _head(f"{block.title or about}, continued", "", console)
                _print_grid(part, console)
            if quiet:
                return
        elif not quiet or quiet_sentences:
            if isinstance(before, Title) and not quiet:
                console.print()  # as a grid begins
            console.print(f"[bold]{escape(block.title)}[/]")
            for item in block.items:
                lines = wrap(item, console.width - 1, initial_indent="- ", subsequent_indent="  ")
                console.print(escape("\n".join(lines)), soft_wrap=True)
            if quiet:
                return
            console.print()
