"""Blocks as GitHub-flavoured Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rsgadvise.show.formats import Result
from rsgadvise.show.report.blocks import Block, Grid, Lead, Title


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def as_markdown(blocks: Sequence[Block]) -> str:
    """The blocks as one Markdown document that starts with a second-level heading."""
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Title):
            lines += [f"## {block.text}", ""]
            if block.context:
                lines += [block.context, ""]
        elif isinstance(block, Lead):
            first, *others = block.lines
            lines += [f"**{first}**", "", *(part for line in others for part in (line, ""))]
        elif isinstance(block, Grid):
            if block.title:
                lines += [f"### {block.title}", ""]
            if block.caption:
                lines += [block.caption, ""]
            lines.append("| " + " | ".join(_cell(column.name) for column in block.columns) + " |")
            lines.append(
                "|" + "|".join(" ---: " if column.numeric else " --- " for column in block.columns) + "|"
            )
            lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in block.rows]
            lines.append("")
        else:
            lines += [f"### {block.title}", "", *(f"- {item}" for item in block.items), ""]
    return "\n".join(lines).rstrip() + "\n"


def render(shown: Result) -> str:
    return as_markdown(shown.blocks())
