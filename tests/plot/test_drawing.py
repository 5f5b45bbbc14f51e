"""Pictures: what stands in the SVG, where, that it fits, and that the same document gives the same bytes."""

from __future__ import annotations

import io
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import Run
from documents import LENGTHS, SAMPLES, chart, raced

from rsgadvise.errors import DataError
from rsgadvise.show.plot.drawing import draw
from rsgadvise.show.plot.figure import GROUPS, ROLES
from rsgadvise.show.plot.terminal import render

pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install 'rsgadvise[plot]'")
Image = pytest.importorskip("PIL.Image")  # which comes with it

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def pictures() -> dict[str, ElementTree.Element]:
    """The SVG of some samples, drawn once."""
    return {name: ElementTree.fromstring(draw(chart(SAMPLES[name]), "svg")) for name in ("one", "two")}


def texts(root: ElementTree.Element) -> list[str]:
    return [text for each in root.iter(f"{SVG}text") if (text := "".join(each.itertext()).strip())]


def markers(root: ElementTree.Element, name: str) -> list[tuple[float, float]]:
    """Where the markers of a series stand, in points from the upper left corner."""
    return [
        (float(use.get("x", "nan")), float(use.get("y", "nan")))
        for group in root.iter(f"{SVG}g")
        if group.get("id") == name
        for use in group.iter(f"{SVG}use")
    ]


def test_an_axis_that_the_panel_below_does_not_share_has_its_name() -> None:
    """The losses along a training stand above the bounds of its ranks."""
    picture = draw(chart(raced()), "svg")
    assert {"iterations k", "100"} <= set(texts(ElementTree.fromstring(picture)))


def test_ranks_without_a_bound_are_not_drawn() -> None:
    """Of ReLU units and Adam each bound is missing or the largest gradient, which shows nothing."""
    found = chart(raced(bounded=False))
    assert [panel.title for panel in found.panels] == ["Loss along the training"]
    shown = " ".join(
        [*texts(ElementTree.fromstring(draw(found, "svg"))), render(found, width=80, colour=False)]
    )
    assert "a constant prediction, 1.09" in shown
    assert not re.search("acuous|bound|gradient", shown)
    tall = (Image.open(io.BytesIO(draw(chart(raced(bounded=each)), "png"))).height for each in (True, False))
    assert next(tall) > next(tall) + 200
    document = raced(bounded=False)
    document["recommendations"][2]["certified_bound"] = 8.9  # one that says something
    assert len(chart(document).panels) == 2
    del document["train"]
    assert len(chart(document).panels) == 1
    document["recommendations"][2]["certified_bound"] = None
    with pytest.raises(
        DataError, match=r"train\.expected: must hold at least one loss; .* whose ranks have a bound"
    ):
        chart(document)


def test_every_text_is_in_the_picture(pictures: dict[str, ElementTree.Element]) -> None:
    found = " | ".join(texts(pictures["one"]))
    for text in (
        "Sweep over d_1: multilayer 784-d_1-10",
        "hidden length d_1 (units)",
        "(squared gradient norm)",
        "Loss where training began and stopped",
        "paper bound",
        "certified bound",
        "measured mean, 99 % interval",
        "largest gradient possible (vacuity limit)",
        "hollow: vacuous",
        "final loss f(Wᴿ)",
        "• The paper bound is 250 to 1,670 times the measured, median 625.",
        "• No paper bound (× at the edge) at d_1 = 10:",
    ):
        assert text in found
    two = texts(pictures["two"])
    assert {"keep probability ζ", "0.5", "0.75", "1", "Paper bound and measured"} <= set(two)


def test_the_number_of_markers_is_the_number_of_points(pictures: dict[str, ElementTree.Element]) -> None:
    one, two = pictures["one"], pictures["two"]
    counts = {
        "points-paper": 5,
        "missing-paper": 1,
        "points-certified": 4,
        "hollow-certified": 2,
        "points-measured": 6,
        "open-measured": 1,
        "points-final": 6,
    }
    assert {name: len(markers(one, name)) for name in counts} == counts
    assert len(markers(one, "cap-measured")) == 11  # two for each interval, one for the open one
    for group in range(3):
        # What was measured stands in both panels.
        assert len(markers(two, f"points-measured-{group}")) == 12
        assert len(markers(two, f"points-paper-{group}")) == 6
        assert len(markers(two, f"points-certified-{group}") + markers(two, f"hollow-certified-{group}")) == 6


def test_heights_are_logarithms_of_the_values(pictures: dict[str, ElementTree.Element]) -> None:
    """One straight line leads from log10 of every value, predicted and measured, to its height."""
    root = pictures["one"]
    heights = {}
    for name, values in (
        ("points-paper", [0.1, 0.4, 1.0, 2.0, 4.0]),
        ("points-certified", [1.5, 3.0, 6.0, 15.0]),
        ("hollow-certified", [20.0, 20.0]),
        ("points-measured", [0.0004 * i for i in range(1, 7)]),
    ):
        for value, (_, y) in zip(values, markers(root, name), strict=True):
            heights[value] = y
    (low, below), (high, above) = min(heights.items()), max(heights.items())
    slope = (above - below) / math.log10(high / low)
    assert slope < 0
    for value, y in heights.items():
        assert y == pytest.approx(below + slope * math.log10(value / low), abs=1e-3)
    across = [x for x, _ in markers(root, "points-measured")]
    logs = [math.log(length) for length in LENGTHS]
    slope = (across[-1] - across[0]) / (logs[-1] - logs[0])
    assert across == pytest.approx([across[0] + slope * (each - logs[0]) for each in logs], abs=1e-3)


def test_a_line_is_broken_where_a_value_is_missing(pictures: dict[str, ElementTree.Element]) -> None:
    """Of six points the second is missing: the last four have three strokes, and the first has none."""
    strokes = {}
    for role in ("paper", "certified"):
        (line,) = [each for each in pictures["one"].iter(f"{SVG}g") if each.get("id") == f"line-{role}"]
        (path,) = line.iter(f"{SVG}path")
        strokes[role] = path.get("d", "").count("L")
    assert strokes == {"paper": 3, "certified": 5}


def boxes(figure: Any) -> tuple[list[Any], list[Any]]:
    """Extents of what surrounds the panels, and of the panels with their labels."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    around = [each.get_window_extent(renderer) for each in (*figure.texts, *figure.legends)]
    return around, [axes.get_tightbbox(renderer) for axes in figure.axes]


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_overlaps_and_nothing_is_cut(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[str] = []

    def saving(figure: Any, *_: Any, **__: Any) -> None:
        check_apart(figure, name)
        saved.append(name)

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", saving)
    draw(chart(SAMPLES[name]), "svg")
    assert len(saved) == 1


@pytest.mark.parametrize("dpi", [40, 60, 100])
def test_text_of_few_pixels_stays_inside(dpi: int) -> None:
    """Letters are rounded to whole pixels, so that a line is wider on fewer of them."""
    from matplotlib.image import imread

    lines = tuple(
        f"No paper bound ({letters}) at d_0 = 96, d_1 = 128; the stepsize must lie in (0, 0.0167876): " * 3
        for letters in ("x", "xyz", "x at the edge")
    )
    long = replace(chart(SAMPLES["one"]), caption=lines)
    pixels = imread(io.BytesIO(draw(long, "png", dpi=dpi)))
    assert (pixels[:, -2:, :3] == 1).all()


def check_apart(figure: Any, name: str) -> None:
    around, panels = boxes(figure)
    edge = figure.bbox
    for box in (*around, *panels):
        assert edge.x0 - 1 <= box.x0 < box.x1 <= edge.x1 + 1
        assert edge.y0 - 1 <= box.y0 < box.y1 <= edge.y1 + 1
    every = [*around, *panels]
    for index, first in enumerate(every):
        for second in every[index + 1 :]:
            apart = (
                min(first.x1, second.x1) <= max(first.x0, second.x0) + 1
                or min(first.y1, second.y1) <= max(first.y0, second.y0) + 1
            )
            assert apart, (name, first, second)
    sizes = [text.get_fontsize() for text in figure.texts]
    assert min(sizes) >= 8


def test_looks_can_be_told_apart_without_colour() -> None:
    def luminance(colour: str) -> float:
        red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    assert len(set(GROUPS)) == len(GROUPS)
    for first, second in pairwise(GROUPS):
        assert first.marker != second.marker
    assert len({look.marker for look in GROUPS[:12]}) == 12
    looks = [ROLES[role] for role in ("paper", "certified", "measured")]
    assert len({look.marker for look in looks}) == len({look.colour for look in looks}) == 3
    assert all(luminance(look.colour) < 0.75 for look in (*GROUPS, *ROLES.values()))


CODE = """
import sys
from rsgadvise.cli import main
for form in ("svg", "png", "pdf"):
    sys.argv = ["rsgadvise", "plot", "d.json", "-o", f"{sys.argv[-1].split('.')[0]}.{form}"]
    try:
        main()
    except SystemExit as stop:
        assert stop.code == 0
assert "matplotlib.pyplot" not in sys.modules
"""


def test_the_same_document_gives_the_same_bytes(tmp_path: Path) -> None:
    """In other processes, with another seed of hashes, and whatever the user's own settings are."""
    (tmp_path / "d.json").write_text(json.dumps(SAMPLES["single"]))
    (tmp_path / "matplotlibrc").write_text("font.size: 20\naxes.facecolor: red\ntext.usetex: True\n")
    for index, extra in enumerate(({}, {"MATPLOTLIBRC": str(tmp_path)})):
        subprocess.run(
            [sys.executable, "-c", CODE, str(index)],
            check=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": str(index), **extra},
            capture_output=True,
        )
    for form, magic in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        first, second = ((tmp_path / f"{index}.{form}").read_bytes() for index in range(2))
        assert first == second
        assert first.startswith(magic)
        assert not re.search(rb"<dc:date>|CreationDate|20[2-9]\d-\d\d-\d\d", first)


def test_the_command_writes_whole_files_only(run: Run, tmp_path: Path) -> None:
    source, target = tmp_path / "d.json", tmp_path / "x.SVG"
    source.write_text(json.dumps(SAMPLES["single"]))
    done = run("plot", source, "-o", target)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert b"Sweep over B" in target.read_bytes()
    both = run("plot", source, "-o", target, "--terminal", "--title", "a & b < $x$ \N{SNOWMAN}")
    assert both.out.startswith("a & b < $x$ \N{SNOWMAN}\n")
    assert "a & b < $x$ \N{SNOWMAN}" in texts(ElementTree.fromstring(target.read_bytes()))
    before = target.read_bytes()
    assert run("plot", source, "-o", target, "--title", "a\nb").code == 2
    assert target.read_bytes() == before
    assert Counter(path.name for path in tmp_path.iterdir()) == Counter(["d.json", "x.SVG"])
    assert "its directory does not exist" in run.refused("plot", source, "-o", tmp_path / "no" / "x.svg")
