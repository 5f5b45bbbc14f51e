"""Verdicts as Markdown tables, and the documents and pictures beside them."""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from research.figure1.rules import (
    ALIKE,
    CONFIDENCE,
    NEGLIGIBLE,
    SMALL,
    STATEMENTS,
    Finding,
    Panel,
    Statement,
    judge,
)
from research.figure1.running import Plan, Replicate, joined, panel_of
from research.figure1.tables import Table

__all__ = ["READINGS", "Results", "render", "write"]

Results = Mapping[tuple[str, str], tuple[Plan, Sequence[Replicate]]]
"""By panel and data set."""

READINGS: tuple[tuple[str, str], ...] = (
    ("measured", "Measured: E‖∇f(Wᴿ)‖²"),
    ("relative", "Measured beside where training began: E‖∇f(Wᴿ)‖² / ‖∇f(W¹)‖²"),
    ("start", "Before training: ‖∇f(W¹)‖²"),
    ("loss", "Loss that is left: f(Wᴿ) / f(W¹)"),
    ("paper", "The paper's bound"),
    ("certified", "The certified bound"),
)
_WORDS = {"reproduced": "**reproduced**", "not": "not", "within noise": "noise", "no value": "no value"}
_DPI = 80
_COLOURS = 64
_LONGER = " trained longer, with larger stepsizes and boxes"
_SUFFIXES = {
    "a_fast": ("a", " with a stepsize 40 times as large"),
    **{f"{panel}_long": (panel, _LONGER) for panel in "cde"},
}


def _named(panel: str) -> tuple[str, str]:
    """(letter of the statement's panel, what is added to its name)."""
    return _SUFFIXES.get(panel, (panel, ""))


def _rows(results: Results) -> Iterator[tuple[str, Statement]]:
    """Each statement, for each variant of its panel that was run."""
    for panel in dict.fromkeys(panel for panel, _ in results):
        letter, _ = _named(panel)
        yield from ((panel, statement) for statement in STATEMENTS if statement.panel == letter)


def _cell(found: Finding) -> str:
    """The verdict, and the mean of the contrast with its limits."""
    word = _WORDS[found.verdict] + ("°" if found.vacuous else "")
    if found.mean is None or found.lower is None or found.upper is None:
        return word
    if found.upper - found.lower < 0.005:
        return f"{word} {found.mean:+.2f}"
    return f"{word} {found.mean:+.2f} [{found.lower:+.2f}, {found.upper:+.2f}]"


def render(results: Results, *, replicates: int, rows: int) -> str:
    """The rules and a table for each reading, as Markdown.

    Args:
        results: what was measured.
        replicates: seeds. rows: at most, of each data set.
    """
    panels = {key: panel_of(*found) for key, found in results.items()}
    parts = [_rules(results, replicates, rows), _summary(panels, results)]
    parts += [_table(panels, results, reading, title) for reading, title in READINGS]
    parts.append(_ranges(panels))
    return "\n\n".join(parts) + "\n"


def _rules(results: Results, replicates: int, rows: int) -> str:
    lines = [
        f"Up to {rows} rows of each data set; {replicates} replicates, each with a W¹, a choice of columns, "
        "mini-batches and masks of its own. Each statement is a contrast of natural logarithms that is "
        "above 0 where the statement is true. Its Student interval over the replicates at "
        f"{100 * CONFIDENCE:.0f} % (each by itself) decides: above 0 it is **reproduced**, below 0 it is "
        "not, else it is within noise. A slope is the change for each doubling; what is almost "
        f"negligible is at most {NEGLIGIBLE:g} of what it is held against; "
        f"a small effect is one below a factor of {SMALL:g}; slopes that differ by less than "
        f"{ALIKE:g} are equal. ° marks a bound that says nothing at some of the points.",
        "",
        "| panel | statement | contrast |",
        "| --- | --- | --- |",
    ]
    seen = dict.fromkeys(statement for _, statement in _rows(results))
    lines += [f"| ({each.panel}) | {each.text} | {each.rule} |" for each in seen]
    return "\n".join(lines)


def _summary(panels: Mapping[tuple[str, str], Panel], results: Results) -> str:
    """The verdicts of the measured gradients by data set, and how many data sets agree by other readings."""
    names = list(dict.fromkeys(data for _, data in results))
    others = ("beside the start", "by loss", "paper's bound", "certified bound")
    lines = [
        "#### Verdicts",
        "",
        f"| panel | statement | {' | '.join(names)} | {' | '.join(others)} |",
        "| --- | --- |" + " --- |" * (len(names) + len(others)),
    ]
    for panel, statement in _rows(results):
        letter, more = _named(panel)
        found = {
            reading: [judge(statement, panels[panel, data], reading) for data in names]
            for reading, _ in READINGS
        }
        cells = [_WORDS[each.verdict] for each in found["measured"]]
        cells += [_tally(found[reading]) for reading in ("relative", "loss", "paper", "certified")]
        lines.append(f"| ({letter}){more} | {statement.text} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _tally(findings: Sequence[Finding]) -> str:
    """How many of each verdict, such as 3 reproduced, 1 noise."""
    counts = Counter(_WORDS[each.verdict].strip("*") for each in findings)
    mark = "°" if any(each.vacuous for each in findings) else ""
    return ", ".join(f"{count} {word}" for word, count in counts.most_common()) + mark


def _table(panels: Mapping[tuple[str, str], Panel], results: Results, reading: str, title: str) -> str:
    names = list(dict.fromkeys(data for _, data in results))
    lines = [f"#### {title}", "", f"| panel | statement | {' | '.join(names)} |"]
    lines.append("| --- | --- |" + " --- |" * len(names))
    for panel, statement in _rows(results):
        letter, more = _named(panel)
        cells = [_cell(judge(statement, panels[panel, data], reading)) for data in names]
        lines.append(f"| ({letter}){more} | {statement.text} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ranges(panels: Mapping[tuple[str, str], Panel]) -> str:
    """How far apart the points of each panel are, and how much training did."""
    lines = [
        "#### How much the gradient varies over a panel, and how much training did",
        "",
        "| panel | data | lowest to highest gradient | gradient left | loss left |",
        "| --- | --- | --- | --- | --- |",
    ]
    for (panel, data), found in panels.items():
        letter, more = _named(panel)
        spans = [_span(found.logs[reading]) for reading in ("measured", "relative", "loss")]
        lines.append(f"| ({letter}){more} | {data} | {' | '.join(spans)} |")
    return "\n".join(lines)


def _span(logs: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    """Lowest and highest of the points, each the geometric mean of its replicates."""
    if not np.isfinite(logs).all():
        return "no value"
    means = np.exp(logs.mean(axis=0))
    return f"{_figure(means.min())} to {_figure(means.max())}"


def _figure(value: float) -> str:
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e4 or not math.isfinite(value) else f"{value:.1e}"


def write(results: Results, tables: Mapping[str, Table], text: str, folder: Path) -> None:
    """Documents, pictures and the table, under names of panel and data set.

    Args:
        results: what was measured.
        tables: what was trained on, by data set.
        text: the tables of verdicts.
        folder: made if it is not there.
    """
    from rsgadvise.show.plot.charts import chart_from
    from rsgadvise.show.plot.drawing import draw

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verdicts.md").write_text(text, encoding="utf-8")
    for (panel, data), (planned, replicates) in results.items():
        letter, more = _named(panel)
        name = f"{panel}_{data.lower()}"
        document = joined(planned, replicates, tables[data], data=data)
        content = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
        (folder / f"{name}.json").write_text(content, encoding="utf-8")
        chart = chart_from(content, f"{name}.json", title=f"Figure 1({letter}), {data}{more}")
        (folder / f"{name}.png").write_bytes(_few_colours(draw(chart, "png", dpi=_DPI)))


def _few_colours(content: bytes) -> bytes:
    """The same picture as a PNG with a palette, which is a third as large.

    The palette has the commonest colours as they are, so that those of the series stay exact; only shades
    at the edges of letters and lines move to the nearest of them.
    """
    from PIL import Image

    image = Image.open(io.BytesIO(content)).convert("RGB")
    counted = image.getcolors(image.width * image.height) or []
    common = [colour for _, colour in sorted(counted, key=lambda pair: -pair[0])[:_COLOURS]]
    palette = Image.new("P", (1, 1))
    palette.putpalette([channel for colour in common for channel in _channels(colour)])
    buffer = io.BytesIO()
    few = image.quantize(len(common), palette=palette, dither=Image.Dither.NONE)
    few.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _channels(colour: object) -> tuple[int, ...]:
    assert isinstance(colour, tuple)  # of RGB
    return colour
