"""HTML and SVG as text: whatever is not markup already is escaped, everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rsgadvise.show.report.blocks import Block, Grid, Lead, Sentences, Title

_VOID = frozenset({"br", "col", "hr", "link", "meta"})
# Characters that HTML does not allow, and those that turn the direction of what follows them, so that a
# line of a spec could read as another one.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    "\ufdd0-\ufdef\ufffe\uffff]"
)
_REFERENCES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: str) -> Markup:
    """Any text as HTML, for content and attributes alike.

    Example:
        >>> text("<script>alert('1')</script>")
        '&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;'
    """
    if isinstance(value, Markup):
        return value
    lines = value.replace("\r\n", "\n").replace("\r", "\n")
    return Markup(_UNWANTED.sub("\ufffd", lines).translate(_REFERENCES))


def joined(parts: Iterable[str], separator: str = "") -> Markup:
    """Parts behind one another, each escaped if it is not markup."""
    return Markup(text(separator).join(text(part) for part in parts))


def element(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """One element. `class_` is `class`, other underscores are hyphens; an attribute that is None is absent.

    Example:
        >>> element("p", "a < b", class_="note")
        '<p class="note">a &lt; b</p>'
        >>> element("line", x1=0.5, stroke_width=2)
        '<line x1="0.5" stroke-width="2"></line>'
    """
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    start = f"<{name}{shown}>"
    return Markup(start if name in _VOID else f"{start}{joined(children)}</{name}>")


def prose(sentence: str) -> Markup:
    """A sentence whose `words between backticks` are code.

    Example:
        >>> prose("run `rsgadvise stats <file>`.")
        'run <code>rsgadvise stats &lt;file&gt;</code>.'
    """
    parts = sentence.split("`")
    if len(parts) % 2 == 0:  # a backtick without a partner is just that
        return text(sentence)
    return joined(element("code", part) if index % 2 else part for index, part in enumerate(parts))


def _value(value: str | float) -> str:
    """An attribute; coordinates need no more than a hundredth of a unit."""
    if isinstance(value, str):
        return text(value)
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


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
