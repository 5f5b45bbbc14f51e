"""Blocks on a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from textwrap import TextWrapper, wrap
from typing import TYPE_CHECKING

from rsgadvise.show.report.blocks import Block, Grid, Lead, Sentences, Title

if TYPE_CHECKING:
    from rich.console import Console


# Grids that are wider than the terminal: text wraps, then columns move below; a number is never cut.

_LONGEST_WHOLE = 4  # words up to this part of the width stay whole
_NARROWEST_NAME = 6  # and longer ones, such as paths, keep this part, so that numbers find room beside them
_NARROWEST_TEXT = 4
_SEPARATED = re.compile(r"(?:[^/_.-]|\.(?=\d))+[/_.-]*|[/_.-]+")


def content_width(grid: Grid) -> int:
    """Characters of the widest line of every column, without what stands between columns.

    Example:
        >>> from rsgadvise.show.report.blocks import Column
        >>> content_width(Grid((Column("name"), Column("n")), (("a longer one", "12"),)))
        14
    """
    return sum(_width(_texts(grid, index)) for index in range(len(grid.columns)))


def fitted(grid: Grid, width: int) -> tuple[Grid, ...]:
    """The grid itself if it fits, else with wrapped text, else in parts that repeat its key columns.

    Args:
        grid: with cells of one line.
        width: characters of a line.

    Returns:
        Grids to be shown one below the other. One is too wide only if a number alone is.
    """
    natural = [_width(_texts(grid, index)) for index in range(len(grid.columns))]
    if _fits(natural, width):
        return (grid,)
    floors = [_floor(grid, index, width) for index in range(len(grid.columns))]
    return tuple(_wrapped(_part(grid, columns), width) for columns in _parts(floors, grid.keys, width))


def _texts(grid: Grid, index: int) -> list[str]:
    return [grid.columns[index].name, *(row[index] for row in grid.rows)]


def _width(texts: Sequence[str]) -> int:
    """Of the longest line among the texts."""
    return max((len(line) for text in texts for line in text.split("\n")), default=0)


def _fits(widths: Sequence[int], width: int) -> bool:
    return sum(widths) + len(widths) <= width  # each column stands behind a space


def _floor(grid: Grid, index: int, width: int) -> int:
    """The least width of a column: long words may be broken, numbers never, their names at spaces."""
    name, *cells = _texts(grid, index)
    if grid.columns[index].numeric:
        return max(_width(cells), _width(name.split()))
    word = _width([part for text in (name, *cells) for part in text.split()])
    if word <= width // _LONGEST_WHOLE:
        return word
    return min(word, max(_NARROWEST_TEXT, width // _NARROWEST_NAME))


def _parts(floors: Sequence[int], keys: int, width: int) -> list[list[int]]:
    """The columns of each part: the keys, and as many others as fit, one at least."""
    parts: list[list[int]] = []
    key_columns = list(range(keys))
    for index in range(keys, len(floors)):
        if parts and _fits([floors[i] for i in (*parts[-1], index)], width):
            parts[-1].append(index)
        else:
            parts.append([*key_columns, index])
    return parts or [key_columns]


def _part(grid: Grid, columns: Sequence[int]) -> Grid:
    rows = tuple(tuple(row[i] for i in columns) for row in grid.rows)
    return replace(grid, columns=tuple(grid.columns[i] for i in columns), rows=rows)


def _wrapped(grid: Grid, width: int) -> Grid:
    """The grid with the names of numbers wrapped, then text, the widest columns first, until it fits."""
    widths = [_width(_texts(grid, index)) for index in range(len(grid.columns))]
    if _fits(widths, width):
        return grid
    floors = [_floor(grid, index, width) for index in range(len(grid.columns))]
    widths = [floors[i] if column.numeric else widths[i] for i, column in enumerate(grid.columns)]
    while not _fits(widths, width):
        spare = [index for index, floor in enumerate(floors) if widths[index] > floor]
        if not spare:
            break
        widths[max(spare, key=lambda index: widths[index])] -= 1
    columns = tuple(
        replace(column, name=_lines(column.name, widths[i])) for i, column in enumerate(grid.columns)
    )
    rows = tuple(tuple(_lines(cell, widths[i]) for i, cell in enumerate(row)) for row in grid.rows)
    return replace(grid, columns=columns, rows=rows)


def _lines(text: str, width: int) -> str:
    """The text in lines of that width; what continues a phrase is indented, a broken name is not.

    A word that is too long, such as a path, ends its line at a separator where it has one.

    Example:
        >>> _lines("smallest feasible batch size", 20), _lines("my_experiments.yaml", 12)
        ('smallest feasible\\n  batch size', 'my_\\nexperiments.\\nyaml')
    """
    if len(text) <= width:
        return text
    indent = "  " if " " in text.strip() and width >= 3 * _NARROWEST_TEXT else ""
    return "\n".join(_Wrapper(width, subsequent_indent=indent).wrap(text))


class _Wrapper(TextWrapper):
    """Wraps as usual, and long words behind their separators; the point of a number is none."""

    def _split(self, text: str) -> list[str]:
        room = self.width - len(self.subsequent_indent)
        pieces: list[str] = []
        for chunk in super()._split(text):
            pieces += _SEPARATED.findall(chunk) if len(chunk) > room else [chunk]
        return pieces


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


def _say(text: str, console: Console, style: str = "") -> None:
    """A text as it is: lines are not broken again, and brackets are no markup."""
    console.print(text, style=style or None, markup=False, soft_wrap=True)


def _head(title: str, below: str, console: Console) -> None:
    if title:
        console.print(title, style="bold", markup=False)
    if below:
        _say("\n".join(wrap(below, console.width - 1)), console, "dim")


def _lead(block: Lead, console: Console) -> None:
    """Each sentence on lines of its own, the first one bold."""
    console.print()
    for place, line in enumerate(block.lines):
        text = "\n".join(wrap(line, console.width - 1, subsequent_indent="  "))
        _say(text, console, "" if place else "bold")


def _sentences(block: Sentences, console: Console) -> None:
    _say(block.title, console, "bold")
    for item in block.items:
        lines = wrap(item, console.width - 1, initial_indent="- ", subsequent_indent="  ")
        _say("\n".join(lines), console)


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
