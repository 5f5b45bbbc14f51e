"""Blocks as text, for a terminal, a pipe or a file.

Written here rather than by a library of terminal tables: lines are fitted before, so that little is left to
do, and such a library takes longer to import than all else that an answer needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from rsgadvise.report.blocks import Block, Grid, Lead, Sentences, Title
from rsgadvise.report.fitting import content_width, fitted

__all__ = ["as_text"]

_BOLD, _DIM = "1", "2"
_COLOURS = {"yes": "32", "no": "33", "vacuous": "31", "approximate !": "35"}
_SILENT = dict.fromkeys((7, 8, 11, 12, 13))  # characters that ring, or move what follows


def as_text(blocks: Sequence[Block], *, width: int = 80, coloured: bool = False, quiet: bool = False) -> str:
    """The blocks as lines without blanks at their ends; `quiet` keeps the answer and the first grid only."""
    page = _Page(width, coloured)
    if quiet:
        _first(blocks, page)
    else:
        _all(blocks, page)
    text = "".join(f"{line}\n" for line in page.lines).translate(_SILENT)
    return "\n".join(line.rstrip() for line in text.splitlines())


class _Page:
    """Lines of text, as wide as the terminal or narrower."""

    def __init__(self, width: int, coloured: bool) -> None:
        self.width, self.coloured = width, coloured
        self.lines: list[str] = []

    def say(self, lines: Iterable[str], style: str = "") -> None:
        """Add lines, an empty one if there are none."""
        self.lines += [self.styled(line, style) for line in lines] or [""]

    def wrapped(self, text: str, style: str = "", *, first: str = "", rest: str = "") -> None:
        """Add a paragraph, its first line and the others indented by what is given."""
        self.say(wrap(text, self.width - 1, initial_indent=first, subsequent_indent=rest), style)

    def heading(self, title: str, below: str) -> None:
        if title:
            long = len(title) > self.width
            self.say(wrap(title, self.width, break_on_hyphens=False) if long else [title], _BOLD)
        if below:
            self.wrapped(below, _DIM)

    def styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if style and text and self.coloured else text


def _grid(block: Grid, page: _Page) -> None:
    """Two spaces between columns where they fit, else one."""
    gap = 2 if content_width(block) + 2 * len(block.columns) <= page.width else 1
    numeric = [column.numeric for column in block.columns]
    header = [column.name.split("\n") for column in block.columns]
    rows = [[cell.split("\n") for cell in row] for row in block.rows]
    widths = [
        max(_width(line) for cell in cells for line in cell) for cells in zip(header, *rows, strict=True)
    ]

    def line(parts: Sequence[str], styles: Sequence[str]) -> str:
        shown = []
        for text, style, right, width in zip(parts, styles, numeric, widths, strict=True):
            bare = text.rstrip() if right else text
            blank = " " * (width - _width(bare))
            marked = page.styled(bare, style)
            shown.append(blank + marked if right else marked + blank)
        return " " + (" " * gap).join(shown)

    height = max(map(len, header), default=0)
    above = [[""] * (height - len(name)) + name for name in header]
    page.say(["", *(line(parts, [_BOLD] * len(parts)) for parts in zip(*above, strict=True))])
    page.say([" " + "─" * (sum(widths) + gap * (len(widths) - 1))])
    for row, cells in zip(block.rows, rows, strict=True):
        styles = [_COLOURS.get(cell, "") for cell in row]
        height = max(map(len, cells), default=0)
        below = [cell + [""] * (height - len(cell)) for cell in cells]
        page.say(line(parts, styles) for parts in zip(*below, strict=True))
    page.say([""])


def _width(text: str) -> int:
    """Columns of the terminal that a line takes."""
    if text.isascii() and text.isprintable():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _lead(block: Lead, page: _Page) -> None:
    """Each sentence on lines of its own, the first one bold."""
    page.say([""])
    for place, line in enumerate(block.lines):
        page.wrapped(line, "" if place else _BOLD, rest="  ")


def _sentences(block: Sentences, page: _Page) -> None:
    page.heading(block.title, "")
    for item in block.items:
        page.wrapped(item, first="- ", rest="  ")


def _all(blocks: Sequence[Block], page: _Page) -> None:
    about = ""
    for before, block in zip((None, *blocks), blocks, strict=False):
        if isinstance(before, Lead) and not (isinstance(block, Grid) and not block.title):
            page.say([""])  # a grid without a title begins with an empty line of its own
        if isinstance(block, Title):
            about = block.text
            page.heading(block.text, block.context)
        elif isinstance(block, Lead):
            _lead(block, page)
        elif isinstance(block, Grid):
            page.heading(block.title, block.caption)
            for place, part in enumerate(fitted(block, page.width)):
                if place:
                    page.heading(f"{block.title or about}, continued", "")
                _grid(part, page)
        else:
            if isinstance(before, Title):
                page.say([""])  # as a grid begins
            _sentences(block, page)
            page.say([""])


def _first(blocks: Sequence[Block], page: _Page) -> None:
    """The answer and the first grid, or without a grid the first sentences."""
    answer = next((block for block in blocks if isinstance(block, Lead)), None)
    if answer is not None:
        _lead(answer, page)
    grid = next((block for block in blocks if isinstance(block, Grid)), None)
    if grid is not None:
        for part in fitted(grid, page.width):
            _grid(part, page)
        return
    said = next((block for block in blocks if isinstance(block, Sentences)), None)
    if said is not None:
        _sentences(said, page)
