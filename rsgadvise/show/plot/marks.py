"""One panel of a chart on matplotlib axes."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from rsgadvise.show.plot.figure import (
    GREY,
    GROUPS,
    PARTS,
    ROLES,
    Axis,
    Chart,
    Look,
    Panel,
    Point,
    Role,
    Series,
)

LINE, MARKER, SMALL = 1.5, 6.0, 4.5  # points
_LINES = frozenset("_|x")  # markers without a face
_POINTED = frozenset("XP*")  # markers that look smaller than they are
_BEHIND = frozenset[Role](("limit", "initial"))  # context, not data: thin, and without markers where joined
_DODGE = 8.0  # points between series at one category
_SHIFT, _WIDEST_SHIFT = 3.0, 36.0  # points between the intervals of groups at one number, and over all
_LETTER = 5.2  # points that a letter takes, about
_FEW_GROUPS = 6  # beyond, white edges of markers would hide their neighbours
_LONG_NAMES = 44  # characters of all category names together that stand beside each other


def plain(text: str) -> str:
    """Text that is never read as a formula."""
    return text.replace("$", r"\$")


def name_lines(panel: Panel, width: float) -> list[list[str]]:
    """The names of categories, wrapped to less than half of a panel of `width` points."""
    letters = max(int(0.45 * width / _LETTER), 12)
    # Names are lists of words or of values with their symbols: a line ends after a comma if it can.
    names = [re.sub("(?<!,) ", "\u00a0", tick.label) for tick in panel.across.ticks]
    return [textwrap.wrap(name, letters) or [""] for name in names]


def look_of(series: Series) -> Look:
    """The look of the role, or the colour and marker of the group with the dashes of the role."""
    role = ROLES[series.role]
    if series.group is None:
        return role
    group = GROUPS[series.group]
    dash = "-" if series.role in ("paper", "certified") else role.dash
    own = series.role == "limit" or (series.role == "initial" and not series.joined)
    return Look(group.colour, role.marker if own else group.marker, dash)


def draw_panel(axes: Any, panel: Panel, chart: Chart, *, names: bool, width: float) -> None:
    """Draw a panel.

    Args:
        axes: of matplotlib, empty.
        panel: what to draw.
        chart: that it belongs to.
        names: whether the axis across has its texts here, or shares those of a neighbour.
        width: of the panel, in points, about.
    """
    _scale(axes, panel, names=names, width=width)
    _levels(axes, panel)
    for bar in panel.bars:
        _bar(axes, bar.at, [(s.part, s.value) for s in bar.segments])
    for index, series in enumerate(panel.series):
        aside = _aside(panel, index, len(chart.groups), width)
        _series(_Brush(axes, panel, series, aside, crowded=len(chart.groups) > _FEW_GROUPS))
    if panel.title:
        axes.set_title(plain(panel.title), loc="left", fontsize=10, fontweight="bold")


def _scale(axes: Any, panel: Panel, *, names: bool, width: float) -> None:
    across, value = (axes.yaxis, axes.xaxis) if panel.horizontal else (axes.xaxis, axes.yaxis)
    for side, axis in ((across, panel.across), (value, panel.value)):
        _set_axis(axes, side, axis, horizontal=side is axes.xaxis)
    if panel.horizontal:
        texts = ["\n".join(lines) for lines in name_lines(panel, width)]
        axes.set_yticks([tick.position for tick in panel.across.ticks], [plain(text) for text in texts])
        axes.invert_yaxis()
        fits = len(panel.value.label) * _LETTER <= 0.6 * width
        axes.set_xlabel(plain(panel.value.label).replace(" (", " (" if fits else "\n("))
        axes.tick_params(axis="y", length=0, labelleft=names)
        axes.tick_params(axis="x", labelsize=8)
    else:
        axes.set_ylabel(plain(panel.value.label).replace(" (", "\n("))
        axes.set_xlabel(plain(panel.across.label) if names else "")
        axes.tick_params(axis="x", labelbottom=names)
        long = sum(len(tick.label) + 2 for tick in panel.across.ticks) > _LONG_NAMES
        if panel.across.scale == "category" and long:
            axes.tick_params(axis="x", labelrotation=30)
            for text in axes.get_xticklabels():
                text.set(ha="right", rotation_mode="anchor")
    value.grid(visible=True, color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _set_axis(axes: Any, side: Any, axis: Axis, *, horizontal: bool) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    (axes.set_xscale if horizontal else axes.set_yscale)("log" if axis.scale == "log" else "linear")
    (axes.set_xlim if horizontal else axes.set_ylim)(axis.low, axis.high)
    side.set_major_locator(FixedLocator([tick.position for tick in axis.ticks]))
    side.set_major_formatter(FixedFormatter([plain(tick.label) for tick in axis.ticks]))
    side.set_minor_locator(NullLocator())


def _levels(axes: Any, panel: Panel) -> None:
    for level in panel.levels:
        look = ROLES[level.role]
        upright = level.across != panel.horizontal
        line = axes.axvline if upright else axes.axhline
        line(level.at, color=look.colour, linestyle=look.dash, linewidth=LINE, gid=f"level-{level.role}")
        if level.role == "limit" and not level.across:
            shade = axes.axvspan if upright else axes.axhspan
            shade(level.at, panel.value.high, color=GREY, alpha=0.08, linewidth=0)


def _bar(axes: Any, at: float, segments: list[tuple[int, float]]) -> None:
    start = 0.0
    for part, value in segments:
        colour, hatch = PARTS[part % len(PARTS)]
        axes.barh(
            at,
            value,
            left=start,
            height=0.62,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            gid=f"part-{part}",
        )
        start += value


def _aside(panel: Panel, index: int, groups: int, width: float) -> float:
    """Points by which a series moves aside, so that marks at one place do not hide each other."""
    series = panel.series[index]
    front = [each for each in panel.series if each.role not in _BEHIND]
    own = front.index(series) if series in front else None
    if panel.horizontal:
        return _place(own, len(front), 4.0)  # of the two bounds at one rank
    room = 0.7 * width / max(len({point.at for each in panel.series for point in each.points}), 1)
    if panel.across.scale == "category":
        place, count = (series.group, groups) if groups else (own, len(front))
        return _place(place, count, min(_DODGE, room / max(count, 1)))
    if series.role == "measured" and groups > 1:
        return _place(series.group, groups, min(_SHIFT, min(room, _WIDEST_SHIFT) / (groups - 1)))
    return 0.0


def _place(index: int | None, count: int, step: float) -> float:
    """The index-th of `count` places around 0."""
    return 0.0 if index is None else step * (index - (count - 1) / 2)


class _Brush:
    """What all marks of one series have in common."""

    def __init__(self, axes: Any, panel: Panel, series: Series, aside: float, *, crowded: bool) -> None:
        from matplotlib.transforms import ScaledTranslation

        down, right = (-aside / 72, 0.0) if panel.horizontal else (0.0, aside / 72)
        self.axes = axes
        self.panel = panel
        self.series = series
        self.look = look_of(series)
        if panel.horizontal and self.look.marker == "_":
            self.look = self.look._replace(marker="|")
        self.offset = ScaledTranslation(right, down, axes.figure.dpi_scale_trans)
        self.name = f"{series.role}{'' if series.group is None else f'-{series.group}'}"
        self.behind = series.role in _BEHIND
        self.crowded = crowded

    @property
    def size(self) -> float:
        """Of a marker, in points."""
        if self.series.role in ("plan", "limit"):
            return 2 * MARKER
        small = self.crowded or (self.series.role == "measured" and self.series.group is not None)
        return (SMALL if small else MARKER) * (1.3 if self.look.marker in _POINTED else 1.0)

    def draw(self, across: list[float], values: list[float], kind: str, **style: Any) -> None:
        """Draw marks at places of the axis across and values of the other one."""
        both = (values, across) if self.panel.horizontal else (across, values)
        style = {"color": self.look.colour, "transform": self.axes.transData + self.offset} | style
        self.axes.plot(*both, gid=f"{kind}-{self.name}", **style)

    def draw_at_edge(self, across: list[float], kind: str, **style: Any) -> None:
        """Draw marks at the end of the axis of values."""
        axes = self.axes
        edge = axes.get_yaxis_transform() if self.panel.horizontal else axes.get_xaxis_transform()
        self.draw(across, [1.0] * len(across), kind, transform=edge + self.offset, clip_on=False, **style)


def _series(brush: _Brush) -> None:
    series = brush.series
    shown = [point for point in series.points if point.value is not None]
    line = series.joined and len(shown) > 1
    if line:
        # Where a value is missing the line is broken.
        values = [math.nan if point.value is None else point.value for point in series.points]
        thin = LINE * (0.7 if brush.behind else 1)
        brush.draw([p.at for p in series.points], values, "line", linestyle=brush.look.dash, linewidth=thin)
    for point in series.points:
        _interval(brush, point)
    if not (brush.behind and line):
        _markers(brush, [point for point in shown if not point.hollow], "points", hollow=False)
        _markers(brush, [point for point in shown if point.hollow], "hollow", hollow=True)
    missing = [point.at for point in series.points if point.missing]
    if missing and not brush.behind:
        style = {"marker": "x", "markersize": MARKER + 1, "markeredgewidth": 1.8, "zorder": 5}
        brush.draw_at_edge(missing, "missing", linestyle="", **style)


def _markers(brush: _Brush, points: Sequence[Point], kind: str, *, hollow: bool) -> None:
    if not points:
        return
    look = brush.look
    solid = hollow or look.marker in _LINES or brush.crowded
    brush.draw(
        [point.at for point in points],
        [point.value for point in points if point.value is not None],
        kind,
        linestyle="",
        marker=look.marker,
        markersize=brush.size,
        markerfacecolor="white" if hollow else look.colour,
        markeredgewidth=1.6 if hollow or look.marker in _LINES else 0.6,
        markeredgecolor=look.colour if solid else "white",
        zorder=4,
    )


def _interval(brush: _Brush, point: Point) -> None:
    """A bar between the limits with a cap at each end; a caret where the lower end is off the axis."""
    low = brush.panel.value.low
    lower = low if point.open_below else point.lower
    ends = [end for end in (lower, point.value, point.upper) if end is not None]
    if len(ends) < 2:
        return
    brush.draw([point.at, point.at], [min(ends), max(ends)], "interval", linewidth=LINE, zorder=3)
    caps = [end for end in (None if point.open_below else lower, point.upper) if end is not None]
    style = {"linestyle": "", "markeredgewidth": LINE, "clip_on": False, "zorder": 3}
    brush.draw([point.at] * len(caps), caps, "cap", marker="_", markersize=7.0, **style)
    if point.open_below:
        brush.draw([point.at], [low], "open", marker="v", markersize=5.0, **style)
