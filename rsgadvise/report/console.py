"""Blocks on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from rsgadvise.report.blocks import Block, Grid, Lead, Sentences, Title
from rsgadvise.report.fitting import content_width, fitted

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["as_text", "show"]


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


def _lead(block: Lead, console: Console) -> None:
    """Each sentence on lines of its own, the first one bold."""
    from rich.markup import escape

    console.print()
    for place, line in enumerate(block.lines):
        text = escape("\n".join(wrap(line, console.width - 1, subsequent_indent="  ")))
        console.print(text if place else f"[bold]{text}[/]", soft_wrap=True)


def _sentences(block: Sentences, console: Console) -> None:
    from rich.markup import escape

    console.print(f"[bold]{escape(block.title)}[/]")
    for item in block.items:
        lines = wrap(item, console.width - 1, initial_indent="- ", subsequent_indent="  ")
        console.print(escape("\n".join(lines)), soft_wrap=True)


def show(blocks: Sequence[Block], console: Console, *, quiet: bool = False) -> None:
    """Print the blocks; `quiet` keeps the answer and the first grid only."""
    if quiet:
        _show_first(blocks, console)
        return
    about = ""
    for before, block in zip((None, *blocks), blocks, strict=False):
        if isinstance(before, Lead) and not (isinstance(block, Grid) and not block.title):
            console.print()  # a grid without a title begins with an empty line of its own
        if isinstance(block, Title):
            about = block.text
            _head(block.text, block.context, console)
        elif isinstance(block, Lead):
            _lead(block, console)
        elif isinstance(block, Grid):
            _head(block.title, block.caption, console)
            for place, part in enumerate(fitted(block, console.width)):
                if place:
                    _head(f"{block.title or about}, continued", "", console)
                _print_grid(part, console)
        else:
            if isinstance(before, Title):
                console.print()  # as a grid begins
            _sentences(block, console)
            console.print()


def as_text(blocks: Sequence[Block], *, width: int = 80) -> str:
    """The blocks as plain text, without colours and without blanks at the ends of lines."""
    import io

    from rich.console import Console

    buffer = io.StringIO()
    plain = Console(file=buffer, width=width, no_color=True, highlight=False, emoji=False, color_system=None)
    show(blocks, plain)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _show_first(blocks: Sequence[Block], console: Console) -> None:
    """The answer and the first grid, or without a grid the first sentences."""
    answer = next((block for block in blocks if isinstance(block, Lead)), None)
    if answer is not None:
        _lead(answer, console)
    grid = next((block for block in blocks if isinstance(block, Grid)), None)
    if grid is not None:
        for part in fitted(grid, console.width):
            _print_grid(part, console)
        return
    said = next((block for block in blocks if isinstance(block, Sentences)), None)
    if said is not None:
        _sentences(said, console)
