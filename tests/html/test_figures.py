"""Figures read back: ticks give the scale, and the scale must give the numbers that were drawn."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import html5lib
import pytest

from rsgadvise.advise.recommend import recommend
from rsgadvise.ask.curves import Curve, Curves, Series, curves_of
from rsgadvise.show.html.figures import figures
from rsgadvise.spec import load_spec
from rsgadvise.spec.problem import resolve

pytestmark = pytest.mark.usefixtures("advised_once")

Config = Callable[[str], Path]
Scale = Callable[[float], float]
CONFIGS = ["paper_example", "mnist_single_layer", "mnist_autoencoder", "mnist_multilayer"]


def number_of(label: str) -> float:
    """A tick label read back."""
    lead, power, exponent = label.replace(",", "").rpartition("10")
    if not power or not set(exponent) <= set("⁻⁰¹²³⁴⁵⁶⁷⁸⁹") or not exponent:
        return float(label.replace(",", ""))
    superscripts = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    return float(lead.rstrip("·") or 1) * 10.0 ** int(exponent.translate(superscripts))


def pictures(curves: Curves) -> dict[str, ET.Element]:
    """Each chart by the name of its figure."""
    markup = figures(curves.curves)
    document = html5lib.parseFragment(markup, namespaceHTMLElements=False)
    svg = "{http://www.w3.org/2000/svg}"
    found = {}
    for figure in document.iter("figure"):
        chart = next(each for each in figure.iter(f"{svg}svg") if each.get("role") == "img")
        for node in chart.iter():
            node.tag = str(node.tag).removeprefix(svg)
        found[str(figure.get("id"))] = chart
    return found


def classes(node: ET.Element) -> set[str]:
    return set(node.get("class", "").split())


def scales(chart: ET.Element) -> tuple[Scale, Scale]:
    """Functions from coordinates to values, from the first and last tick of each axis."""
    ticks: dict[str, list[tuple[float, float]]] = {"x": [], "y": []}
    for node in chart.iter("text"):
        if "name" in classes(node) or not re.match("[0-9]", node.text or ""):
            continue
        axis = "y" if node.get("text-anchor") == "end" else "x"
        # The label stands four units below its line, where the line is.
        at = float(node.get(axis, "")) - (4 if axis == "y" else 0)
        ticks[axis].append((at, number_of(str(node.text))))

    def scale(pairs: list[tuple[float, float]]) -> Scale:
        (left, low), (right, high) = min(pairs), max(pairs)
        return lambda at: low * (high / low) ** ((at - left) / (right - left))

    return scale(ticks["x"]), scale(ticks["y"])


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[0-9.]+) (-?[0-9.]+)", path)]


def line(chart: ET.Element, name: str) -> ET.Element:
    return next(node for node in chart.iter("path") if {"line", name} <= classes(node))


@pytest.mark.parametrize("name", CONFIGS)
def test_lines_and_dots_lie_where_their_numbers_say(config: Config, name: str) -> None:
    spec = load_spec(config(name)).spec
    advice = recommend(spec)
    curves = curves_of(spec, resolve(spec), advice)
    charts = pictures(curves)
    for curve in curves.curves:
        chart = charts[f"curve-{curve.knob}"]
        across, up = scales(chart)
        assert across(380) > across(54)
        assert up(26) > up(238)  # larger values stand higher
        for each in curve.series:
            drawn = points(line(chart, each.name).get("d", ""))
            finite = [(x, y) for x, y in zip(curve.x, each.values, strict=True) if math.isfinite(y)]
            assert len(drawn) == len(finite)
            seen = 0
            for (x, y), (at_x, at_y) in zip(finite, drawn, strict=True):
                assert across(at_x) == pytest.approx(x, rel=0.02)
                if 26 <= at_y <= 238:  # what lies outside is cut off
                    assert up(at_y) == pytest.approx(y, rel=0.02)
                    seen += 1
            assert seen > 3
        dot = next(node for node in chart.iter("circle") if "advised" in classes(node))
        best = advice.recommendations[0]
        assert across(float(dot.get("cx", ""))) == pytest.approx(curve.at, rel=0.02)
        assert up(float(dot.get("cy", ""))) == pytest.approx(best.bound, rel=0.02)
        for edge in curve.edges:
            for node in chart.iter("line"):
                if edge.name in classes(node):
                    vertical = node.get("x1") == node.get("x2")
                    assert vertical == edge.name.endswith("range")
                    read = across(float(node.get("x1", ""))) if vertical else up(float(node.get("y1", "")))
                    assert read == pytest.approx(edge.value, rel=0.02)


@pytest.mark.parametrize("name", CONFIGS)
def test_labels_of_ticks_have_room(config: Config, name: str) -> None:
    """A letter of 13 units, as on telephones, is about 7.2 wide."""
    spec = load_spec(config(name)).spec
    for chart in pictures(curves_of(spec, resolve(spec), recommend(spec))).values():
        ticks = [node for node in chart.iter("text") if node.get("text-anchor") == "middle"]
        ticks = [node for node in ticks if not classes(node)]
        ends = [(float(node.get("x", "")), 3.6 * len(node.text or "")) for node in ticks]
        assert all(before + wide <= after - own for (before, wide), (after, own) in pairwise(ends))
        assert all(at - wide >= 0 and at + wide <= 400 for at, wide in ends)


def test_a_line_breaks_where_there_is_no_bound() -> None:
    series = Series("held", (4.0, 2.0, math.inf, 1.0, 0.0, 3.0))
    curve = Curve("stepsize", (1.0, 2.0, 3.0, 4.0, 5.0, 6.0), 2.0, 2.0, (series,), ())
    path = line(pictures(Curves((curve,)))["curve-stepsize"], "held").get("d", "")
    assert [len(part.split("L")) for part in path.split("M")[1:]] == [2, 1, 1]


def test_figures_of_nothing_but_zeros() -> None:
    """A bound of 0 has no place on a log axis."""
    curve = Curve("batch_size", (1.0, 2.0), 1.0, 0.0, (Series("held", (0.0, 0.0)),), ())
    chart = pictures(Curves((curve,)))["curve-batch_size"]
    assert line(chart, "held").get("d") == ""
    assert not re.search(r"\bnan\b|\binf\b", ET.tostring(chart, encoding="unicode"))
