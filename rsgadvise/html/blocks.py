"""The blocks of a report as HTML, in the words of the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rsgadvise.html.markup import Markup, element, joined, prose
from rsgadvise.report.blocks import Block, Grid, Lead, Sentences, Title

__all__ = ["blocks_html", "grid_html"]

_VERDICTS = {"yes": "yes", "no": "no", "vacuous": "no"}


def grid_html(grid: Grid, label: str, *, best: int | None = None, class_: str = "scroll") -> Markup:
    """A table that scrolls by itself where it is wider than the page.

    Args:
        grid: the table.
        label: what it is, for whoever hears it.
        best: row to set off.
        class_: of the box around it.
    """
    head = element(
        "tr",
        *(
            element("th", column.name, scope="col", class_="n" if column.numeric else None)
            for column in grid.columns
        ),
    )
    body = [_row(grid, cells, first=index == best) for index, cells in enumerate(grid.rows)]
    table = element("table", element("thead", head), element("tbody", *body))
    # What scrolls must be reached by the keyboard too, and then needs a name.
    box = element("div", table, class_=class_, role="region", tabindex=0, aria_label=label)
    # The title stays in sight while the table scrolls.
    told = [element("p", prose(grid.caption), class_="note")] if grid.caption else []
    return joined([element("h3", grid.title), *told, box]) if grid.title else joined([*told, box])


def _row(grid: Grid, cells: tuple[str, ...], *, first: bool) -> Markup:
    shown = []
    for index, (column, cell) in enumerate(zip(grid.columns, cells, strict=True)):
        # Indented in a terminal, a name is part of what stands above it.
        value = cell.strip() if not cell.startswith("  ") else f"\u00a0\u00a0{cell.strip()}"
        classes = ["n"] if column.numeric else []
        if column.name == "proven" and value in _VERDICTS:
            classes.append(_VERDICTS[value])
        name = " ".join(classes) or None
        if index < grid.keys:
            shown.append(element("th", value, scope="row", class_=name))
        else:
            shown.append(element("td", value, class_=name))
    return element("tr", *shown, class_="best" if first else None)


def _sentences(block: Sentences) -> Markup:
    items = element("ul", *(element("li", prose(item)) for item in block.items))
    return joined([element("h3", block.title), items])


def blocks_html(blocks: Iterable[Block], label: str) -> Markup:
    """Blocks below one another; a title becomes a line of context."""
    parts: list[Markup] = []
    for block in blocks:
        if isinstance(block, Grid):
            parts.append(grid_html(block, block.title or label))
        elif isinstance(block, Title):
            parts.append(element("p", block.context, class_="note"))
        elif isinstance(block, Lead):
            parts += [element("p", prose(line), class_="lead") for line in block.lines]
        else:
            parts.append(_sentences(block))
    return joined(parts)
