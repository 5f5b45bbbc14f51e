"""Blocks as text for a terminal, or for a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from textwrap import TextWrapper, wrap

from rsgadvise.show.formats import Result
from rsgadvise.show.report.blocks import Block, Grid, Lead, Sentences, Title

# Grids that are wider than the terminal: text wraps, then columns move below; a number is never cut.

_LONGEST_WHOLE = 4  # words up to this part of the width stay whole
_NARROWEST_NAME = 6  # and longer ones, such as paths, keep this part, so that numbers find room beside them
_NARROWEST_TEXT = 4
_SEPARATED = re.compile(r"(?:[^/_.-]|\.(?=\d))+[/_.-]*|[/_.-]+")


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


# Lines of a page.

_STYLES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "magenta": 35}
_CELLS = {"yes": "green", "no": "yellow", "vacuous": "red", "approximate !": "magenta"}


class _Page:
    """Lines so far, no wider than the terminal but for numbers; each is styled by itself."""

    def __init__(self, width: int, *, coloured: bool) -> None:
        self.width, self.coloured = width, coloured
        self.lines: list[str] = []

    def say(self, *lines: str, style: str = "") -> None:
        self.lines += (self.styled(line.rstrip(), style) for line in lines)

    def styled(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.coloured and style and text else text

    def head(self, title: str, below: str) -> None:
        self.say(*wrap(title, self.width, break_on_hyphens=False), style="bold")
        self.say(*wrap(below, self.width - 1), style="dim")

    def lead(self, block: Lead) -> None:
        """Each sentence on lines of its own, the first one bold."""
        self.say("")
        for place, line in enumerate(block.lines):
            self.say(*wrap(line, self.width - 1, subsequent_indent="  "), style="" if place else "bold")

    def sentences(self, block: Sentences) -> None:
        self.say(block.title, style="bold")
        for item in block.items:
            self.say(*wrap(item, self.width - 1, initial_indent="- ", subsequent_indent="  "))

    def grid(self, block: Grid) -> None:
        """Between empty lines, with two spaces between columns where they fit, else one."""
        names = [column.name for column in block.columns]
        widths = [
            max(map(_places, "\n".join(texts).split("\n"))) for texts in zip(names, *block.rows, strict=True)
        ]
        gap = "  " if sum(widths) + 2 * len(widths) <= self.width else " "
        self.say("")
        self._row(block, names, widths, gap, head=True)
        self.say(" " + "─" * (sum(widths) + len(gap) * (len(widths) - 1)))
        for row in block.rows:
            self._row(block, row, widths, gap)
        self.say("")

    def _row(
        self, block: Grid, row: Sequence[str], widths: Sequence[int], gap: str, *, head: bool = False
    ) -> None:
        """Cells of one line or of several, which begin together, but for names, which end together."""
        cells = [cell.split("\n") for cell in row]
        most = max(map(len, cells))
        for line in range(most):
            shown = []
            for column, cell, lines, width in zip(block.columns, row, cells, widths, strict=True):
                place = line - (most - len(lines)) if head else line
                text = lines[place] if 0 <= place < len(lines) else ""
                room = " " * (width - _places(text))
                text = self.styled(text, "bold" if head else _CELLS.get(cell, ""))
                shown.append(room + text if column.numeric else text + room)
            self.say(" " + gap.join(shown))


def _places(text: str) -> int:
    """How many places of a terminal a line takes: characters of some scripts take two, or none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def as_text(blocks: Sequence[Block], *, width: int = 80, coloured: bool = False, quiet: bool = False) -> str:
    """The blocks without blanks at the ends of lines; `quiet` keeps the answer and the first grid."""
    page, about = _Page(width, coloured=coloured), ""
    if quiet:
        blocks = _first(blocks)
    for before, block in zip((None, *blocks), blocks, strict=False):
        if isinstance(before, Lead) and not quiet and not (isinstance(block, Grid) and not block.title):
            page.say("")  # a grid without a title begins with an empty line of its own
        if isinstance(block, Title):
            about = block.text
            page.head(block.text, block.context)
        elif isinstance(block, Lead):
            page.lead(block)
        elif isinstance(block, Grid):
            page.head("" if quiet else block.title, "" if quiet else block.caption)
            for place, part in enumerate(fitted(block, width)):
                if place and not quiet:
                    page.head(f"{block.title or about}, continued", "")
                page.grid(part)
        else:
            if isinstance(before, Title):
                page.say("")  # as a grid begins
            page.sentences(block)
            if not quiet:
                page.say("")
    untitled = page.lines[:1] == [""]  # as what is quiet begins
    return "\n".join(page.lines[untitled:])


def _first(blocks: Sequence[Block]) -> Sequence[Block]:
    """The answer and the first grid, or without a grid the first sentences."""
    firsts = [
        next((block for block in blocks if isinstance(block, kind)), None) for kind in (Lead, Grid, Sentences)
    ]
    answer, grid, said = firsts
    return [block for block in (answer, grid or said) if block is not None]


def render(shown: Result) -> str:
    """Colour is decided by the terminal, but the text is collected: it is written whole or not at all."""
    width, coloured = shown.screen()
    return as_text(shown.blocks(), width=width, coloured=coloured, quiet=shown.quiet) + "\n"
