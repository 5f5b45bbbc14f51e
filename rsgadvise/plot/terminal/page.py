"""A chart as text, as wide as the terminal is."""

from __future__ import annotations

from rsgadvise.plot.figure import Chart, Panel
from rsgadvise.plot.terminal.canvas import ASCII, BOLD, DIM, UNICODE
from rsgadvise.plot.terminal.lying import lying_panel
from rsgadvise.plot.terminal.pen import Pen
from rsgadvise.plot.terminal.standing import standing_panel

__all__ = ["can_encode", "render"]


def can_encode(encoding: str) -> bool:
    """Whether an encoding has every character of the marks and of the names of axes."""
    parts = [*UNICODE.roles.values(), *UNICODE.hollow.values(), *UNICODE[2:], "∇‖ζᴿ⁻⁴"]
    try:
        "".join(parts).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def render(chart: Chart, *, width: int, colour: bool, unicode: bool) -> str:
    """Draw a chart with characters.

    Args:
        chart: what to draw.
        width: columns of the terminal; no line is longer.
        colour: with ANSI styles.
        unicode: with block and box characters, else in ASCII alone.

    Returns:
        The lines, each ended by a newline.
    """
    pen = Pen(width, UNICODE if unicode else ASCII, chart.parts, len(chart.groups), colour=colour)
    lines = [*pen.wrapped(chart.title, BOLD), *pen.wrapped(chart.subtitle, DIM)]
    for panel in chart.panels:
        lines += ["", *_panel(pen, panel)]
    lines += ["", *pen.legend(), *_groups(pen, chart)]
    for sentence in chart.caption:
        lines += pen.wrapped(sentence, first="- ", rest="  ")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _panel(pen: Pen, panel: Panel) -> list[str]:
    lines = pen.wrapped(panel.title, BOLD)
    if panel.horizontal:
        return [*lines, *lying_panel(pen, panel)]
    return [*lines, *pen.wrapped(panel.value.label), *standing_panel(pen, panel)]


def _groups(pen: Pen, chart: Chart) -> list[str]:
    if not chart.groups:
        return []
    names = enumerate(chart.groups)
    return [
        *pen.wrapped(f"{chart.group_name}:"),
        *pen.flowed([(pen.letter(index), pen.group_code(index), pen.say(name)) for index, name in names]),
    ]
