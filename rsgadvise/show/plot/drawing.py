"""A chart -> the bytes of a PNG, SVG or PDF file, with matplotlib.

Only objects are used, never the global state of `pyplot`; settings of the user's own matplotlib do not
count, so that the same chart gives the same bytes.
"""

from __future__ import annotations

import io
import logging
import math
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, Literal

from rsgadvise.errors import MissingExtraError
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

Form = Literal["png", "svg", "pdf"]
FORMATS: tuple[Form, ...] = ("png", "svg", "pdf")

_SETTINGS = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same text everywhere
    "font.size": 9.5,
    "axes.labelsize": 10.0,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "rsgadvise",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
_ONE_COLUMN, _TWO_COLUMNS = 8.0, 11.0  # inches
_FEW_GROUPS = 6  # more need a wider picture, and white edges of markers would hide their neighbours
_TALL, _LOW = 3.6, 2.4
_ROW, _FRAME = 0.25, 1.0  # of a horizontal panel: for each category, and for its axis
_PANEL = 0.9  # of the width of the figure, without its edges
_EDGE, _GAP, _LEADING = 0.12, 0.1, 0.06
_MEASURING_DPI = 100  # at which texts are measured; more only cost memory


def drawing_library() -> ModuleType:
    """matplotlib, if it is there.

    Raises:
        MissingExtraError: it is not.
    """
    # Where it finds no place for its caches it says so on its own, which is nobody's concern here.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError as error:
        raise MissingExtraError(
            "pictures need matplotlib; install it with: pip install 'rsgadvise[plot]'; "
            "or use --terminal, which does not"
        ) from error
    found: ModuleType = matplotlib
    return found


def draw(chart: Chart, form: Form, *, dpi: int = 150) -> bytes:
    """Draw a chart.

    Args:
        chart: what to draw.
        form: of the file.
        dpi: pixels per inch of a PNG.

    Raises:
        MissingExtraError: matplotlib is absent.
    """
    matplotlib = drawing_library()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the font lacks is a box
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        # Letters on few pixels are wider than the same letters on many.
        figure = _compose(chart, dpi=min(dpi, _MEASURING_DPI))
        stream = io.BytesIO()
        figure.savefig(stream, format=form, dpi=dpi, metadata=_metadata(form, chart.title))
    return stream.getvalue()


def _metadata(form: Form, title: str) -> dict[str, str | None]:
    if form == "png":
        return {"Software": None}
    if form == "svg":
        return {"Date": None, "Creator": None, "Title": title}
    return {"CreationDate": None, "Producer": None, "Creator": None, "Title": title}


def _compose(chart: Chart, *, dpi: int) -> Any:
    """Title above, legend and caption below, each as large as it is; the panels get what is left."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = chart.rows, max(map(len, chart.rows))
    across = _ONE_COLUMN if columns == 1 and len(chart.groups) <= _FEW_GROUPS else _TWO_COLUMNS
    figure = Figure(figsize=(across, 8.0), dpi=dpi)
    FigureCanvasAgg(figure)
    room = across - 2 * _EDGE
    head = []
    if chart.title:
        head.append(_paragraph(figure, chart.title, room, fontsize=12.5, fontweight="bold"))
    if chart.subtitle:
        head.append(_paragraph(figure, chart.subtitle, room, fontsize=9.5, color=GREY))
    legends = [_legend(figure, handles, title, room) for handles, title in _handles(chart) if handles]
    caption = [_paragraph(figure, "• " + text, room, fontsize=9, color="#333333") for text in chart.caption]
    above = _EDGE + sum(height + _LEADING for _, height in head)
    below = _EDGE + sum(height + _LEADING for _, height in (*legends, *caption)) + 2 * _GAP
    points = _PANEL * 72 * across / columns
    wanted = [max(_height(panel, index, points) for panel in row) for index, row in enumerate(rows)]
    inside = sum(wanted)
    total = above + below + inside
    figure.set_size_inches(across, total)
    _place(figure, head, [*legends, None, *caption])
    figure.set_layout_engine(
        "constrained",
        rect=(_EDGE / across, below / total, 1 - 2 * _EDGE / across, inside / total),
        w_pad=0.06,
        h_pad=0.06,
    )
    _draw_rows(figure, chart, wanted)
    return figure


def _height(panel: Panel, row: int, width: float) -> float:
    if not panel.horizontal:
        return _TALL if row == 0 or panel.value.scale == "log" else _LOW
    most = max(map(len, name_lines(panel, width)))  # a second line needs less room than a first
    return _FRAME + _ROW * max(len(panel.across.ticks) * (1 + 0.6 * (most - 1)), 2)


def _draw_rows(figure: Any, chart: Chart, wanted: Sequence[float]) -> None:
    across, _ = figure.get_size_inches()
    rows, columns = chart.rows, max(map(len, chart.rows))
    grid = figure.add_gridspec(len(rows), columns, height_ratios=list(wanted))
    last = len(rows) - 1
    for index, row in enumerate(rows):
        for column, panel in enumerate(row):
            span = grid[index, column] if len(row) == columns else grid[index, :]
            axes = figure.add_subplot(span)
            below = index < last and len(rows[index + 1]) == len(row) and rows[index + 1][column]
            names = column == 0 if panel.horizontal else not below or below.across != panel.across
            draw_panel(axes, panel, chart, names=names, width=_PANEL * 72 * across / len(row))
            if column and not panel.horizontal and panel.value == row[0].value:
                axes.set_ylabel("")


_Sized = tuple[Any, float]
"""A text or a legend, and its height in inches."""


def _paragraph(figure: Any, text: str, room: float, **style: Any) -> _Sized:
    """Text wrapped to the room, and the height that it takes, both in inches."""
    letters = int(room * 72 / (style["fontsize"] * 0.5))
    for count in range(letters, 9, -2):
        lines = textwrap.wrap(plain(text), count, subsequent_indent="  " if text.startswith("• ") else "")
        found = figure.text(0, 0, "\n".join(lines), va="top", ha="left", **style)
        width, height = _inches(figure, found)
        if width <= room or count <= 10:
            break
        found.remove()
    return found, height


def _inches(figure: Any, artist: Any) -> tuple[float, float]:
    box = artist.get_window_extent(figure.canvas.get_renderer())
    return box.width / figure.dpi, box.height / figure.dpi


def _legend(figure: Any, handles: Sequence[Any], title: str, room: float) -> _Sized:
    """A legend with as many columns as fit, and its height in inches."""
    height = 0.0
    for columns in range(len(handles), 0, -1):
        legend = figure.legend(
            handles=handles,
            title=plain(title) or None,
            loc="upper left",
            ncols=columns,
            frameon=False,
            borderpad=0.0,
            borderaxespad=0.0,
            alignment="left",
            title_fontproperties={"weight": "bold", "size": 9},
        )
        width, height = _inches(figure, legend)
        if width <= room or columns == 1:
            break
        legend.remove()
    return legend, height


def _place(figure: Any, head: Sequence[_Sized], foot: Sequence[_Sized | None]) -> None:
    """From the top the title, from the bottom the foot; None is a gap."""
    across, total = figure.get_size_inches()
    left, top = _EDGE / across, total - _EDGE
    for text, height in head:
        text.set_position((left, top / total))
        top -= height + _LEADING
    bottom = _EDGE
    for each in reversed(foot):
        if each is None:
            bottom += _GAP
            continue
        artist, height = each
        bottom += height
        if hasattr(artist, "set_bbox_to_anchor"):
            artist.set_bbox_to_anchor((left, bottom / total), figure.transFigure)
        else:
            artist.set_position((left, bottom / total))
        bottom += _LEADING


def _handles(chart: Chart) -> Iterator[tuple[list[Any], str]]:
    """What the marks mean: roles and parts first, groups under their own name."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    parts = []
    for index, name in enumerate(chart.parts):
        colour, hatch = PARTS[index % len(PARTS)]
        parts.append(Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=plain(name)))
    yield parts, "terms"
    seen: dict[tuple[Role, str], Any] = {}
    for panel in chart.panels:
        for series in panel.series:
            # In a chart of groups a panel says which bound it shows.
            bound = bool(chart.groups) and series.role in ("paper", "certified")
            key = ("paper" if bound else series.role, "bound" if bound else series.name)
            if key not in seen:
                grouped = bool(chart.groups) and series.role != "plan"  # that one point is of no group
                seen[key] = _role_handle(series, key[1], grouped=grouped, upright=panel.horizontal)
        for level in panel.levels:
            look = ROLES[level.role]
            line = Line2D(
                [], [], color=look.colour, linestyle=look.dash, linewidth=LINE, label=plain(level.name)
            )
            seen.setdefault((level.role, level.name), line)
    handles = [seen[key] for key in sorted(seen, key=lambda key: list(ROLES).index(key[0]))]
    points = [p for panel in chart.panels for series in panel.series for p in series.points]
    if any(point.hollow for point in points):
        ring = Line2D([], [], linestyle="", marker="o", color=GREY, markersize=MARKER)
        ring.set(markerfacecolor="white", markeredgewidth=1.6, label="hollow: vacuous")
        handles.append(ring)
    yield handles, ""
    groups = [
        Line2D([], [], color=look.colour, marker=look.marker, markersize=MARKER, label=plain(name))
        for name, look in zip(chart.groups, GROUPS, strict=False)
    ]
    yield groups, chart.group_name


def _role_handle(series: Series, name: str, *, grouped: bool, upright: bool) -> Any:
    from matplotlib.lines import Line2D

    look = look_of(series)
    colour = GREY if grouped else look.colour
    size = SMALL if series.role == "measured" else 2 * MARKER if series.role in ("plan", "limit") else MARKER
    marker, dash = look.marker, look.dash if series.joined else ""
    if grouped and (series.joined or series.role != "initial"):  # the groups' markers are told apart below
        marker = "o" if series.role == "measured" or not series.joined else ""
    if series.role == "limit":
        marker, dash = ("", dash) if series.joined else ("|" if upright else "_", "")
    line = Line2D([], [], color=colour, linestyle=dash, linewidth=LINE, marker=marker or None)
    line.set(markersize=size, label=plain(name))
    if series.role == "measured" and any(point.upper is not None for point in series.points):
        return _with_interval(line, colour, plain(name))
    return line


def _with_interval(line: Any, colour: str, label: str) -> Any:
    from matplotlib.collections import LineCollection
    from matplotlib.container import ErrorbarContainer

    bar = LineCollection([], colors=[colour], linewidths=[LINE])
    return ErrorbarContainer((line, (), (bar,)), has_yerr=True, label=label)


# One panel of a chart on matplotlib axes.

LINE, MARKER, SMALL = 1.5, 6.0, 4.5  # points
_LINES = frozenset("_|x")  # markers without a face
_POINTED = frozenset("XP*")  # markers that look smaller than they are
_BEHIND = frozenset[Role](("limit", "initial"))  # context, not data: thin, and without markers where joined
_DODGE = 8.0  # points between series at one category
_SHIFT, _WIDEST_SHIFT = 3.0, 36.0  # points between the intervals of groups at one number, and over all
_LETTER = 5.2  # points that a letter takes, about
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
        return _nth(own, len(front), 4.0)  # of the two bounds at one rank
    room = 0.7 * width / max(len({point.at for each in panel.series for point in each.points}), 1)
    if panel.across.scale == "category":
        place, count = (series.group, groups) if groups else (own, len(front))
        return _nth(place, count, min(_DODGE, room / max(count, 1)))
    if series.role == "measured" and groups > 1:
        return _nth(series.group, groups, min(_SHIFT, min(room, _WIDEST_SHIFT) / (groups - 1)))
    return 0.0


def _nth(index: int | None, count: int, step: float) -> float:
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
