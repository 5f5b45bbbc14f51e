"""A chart -> the bytes of a PNG, SVG or PDF file, with matplotlib.

Only objects are used, never the global state of `pyplot`; settings of the user's own matplotlib do not
count, so that the same chart gives the same bytes.
"""

from __future__ import annotations

import io
import logging
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, Literal

from rsgadvise.errors import MissingExtraError, UsageError
from rsgadvise.show.plot.figure import GREY, GROUPS, PARTS, ROLES, Chart, Panel, Role, Series
from rsgadvise.show.plot.marks import LINE, MARKER, SMALL, draw_panel, look_of, name_lines, plain

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
_FEW_GROUPS = 6
_TALL, _LOW = 3.6, 2.4
_ROW, _FRAME = 0.25, 1.0  # of a horizontal panel: for each category, and for its axis
_SIDE_BY_SIDE = 4.5  # of a panel beside another; narrower ones stand one below the other
_PANEL = 0.9  # of the width of the figure, without its edges
_EDGE, _GAP, _LEADING = 0.12, 0.1, 0.06
_MEASURING_DPI = 100  # at which texts are measured; more only cost memory
_MOST_PIXELS, _LONGEST_SIDE = 100_000_000, 30_000


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


def draw(chart: Chart, form: Form, *, width: float | None = None, dpi: int = 150) -> bytes:
    """Draw a chart.

    Args:
        chart: what to draw.
        form: of the file.
        width: in inches; by default, as its height, what the chart needs.
        dpi: pixels per inch of a PNG.

    Raises:
        MissingExtraError: matplotlib is absent.
        UsageError: there are too many pixels.
    """
    matplotlib = drawing_library()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the font lacks is a box
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        # Letters on few pixels are wider than the same letters on many.
        measuring = min(dpi, _MEASURING_DPI) if form == "png" else _MEASURING_DPI
        figure = _compose(chart, width=width, dpi=measuring)
        if form == "png":
            across, down = figure.get_size_inches()
            _check_pixels(float(across), float(down), dpi)
        stream = io.BytesIO()
        figure.savefig(stream, format=form, dpi=dpi, metadata=_metadata(form, chart.title))
    return stream.getvalue()


def _metadata(form: Form, title: str) -> dict[str, str | None]:
    if form == "png":
        return {"Software": None}
    if form == "svg":
        return {"Date": None, "Creator": None, "Title": title}
    return {"CreationDate": None, "Producer": None, "Creator": None, "Title": title}


def _check_pixels(width: float, height: float, dpi: int) -> None:
    across, down = width * dpi, height * dpi
    if max(across, down) > _LONGEST_SIDE or across * down > _MOST_PIXELS:
        raise UsageError(
            f"a PNG may have {_MOST_PIXELS:,} pixels and sides of {_LONGEST_SIDE:,}; got {across:,.0f} x "
            f"{down:,.0f}; use a smaller --dpi or --width, or write SVG"
        )


def _compose(chart: Chart, *, width: float | None, dpi: int) -> Any:
    """Title above, legend and caption below, each as large as it is; the panels get what is left."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = max(len(row) for row in chart.rows)
    rows = chart.rows
    if width is not None and width < _SIDE_BY_SIDE * columns:
        rows, columns = tuple((panel,) for panel in chart.panels), 1
    across = width or (_ONE_COLUMN if columns == 1 and len(chart.groups) <= _FEW_GROUPS else _TWO_COLUMNS)
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
    _draw_rows(figure, chart, rows, wanted, columns)
    return figure


def _height(panel: Panel, row: int, width: float) -> float:
    if not panel.horizontal:
        return _TALL if row == 0 or panel.value.scale == "log" else _LOW
    most = max(map(len, name_lines(panel, width)))  # a second line needs less room than a first
    return _FRAME + _ROW * max(len(panel.across.ticks) * (1 + 0.6 * (most - 1)), 2)


def _draw_rows(
    figure: Any, chart: Chart, rows: tuple[tuple[Panel, ...], ...], wanted: Sequence[float], columns: int
) -> None:
    across, _ = figure.get_size_inches()
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
        found = figure.legend(
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
        width, height = _inches(figure, found)
        if width <= room or columns == 1:
            break
        found.remove()
    return found, height


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
