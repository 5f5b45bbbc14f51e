"""Plots made of characters: where marks stand, and how wide lines are."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Run
from documents import LENGTHS, SAMPLES, chart

from rsgadvise.show.plot.terminal import render


def text_of(name: str, width: int = 80, *, colour: bool = False) -> str:
    return render(chart(SAMPLES[name]), width=width, colour=colour)


@pytest.mark.parametrize("name", SAMPLES)
def test_no_line_is_wider_than_the_terminal(name: str) -> None:
    for width in (20, 40, 60, 80, 120, 200):
        lines = text_of(name, width).splitlines()
        # A word that is longer than the narrowest terminal cannot be helped.
        assert all(len(line) <= width or " " not in line.strip() for line in lines), width
        assert all(line == line.rstrip() for line in lines)
        assert len(lines) > 20
        if width >= 40:
            assert max(map(len, lines)) > 0.9 * width  # and the room is used


def test_marks_stand_where_the_numbers_say() -> None:
    """Rows and columns by hand from the ends of the axes, against the characters."""
    panel = chart(SAMPLES["one"]).panels[0]
    lines = text_of("one").split("squared gradient norm)\n")[1].splitlines()[:18]
    left = lines[0].index("│") + 1
    width = 80 - left

    def place(at: float, value: float) -> tuple[int, int]:
        across, value_axis = panel.across, panel.value
        x = math.log(at / across.low) / math.log(across.high / across.low)
        y = math.log(value / value_axis.low) / math.log(value_axis.high / value_axis.low)
        return round((1 - y) * 17), left + round(x * (width - 1))

    for at, value in ((5, 0.1), (20, 0.4), (50, 1.0), (100, 2.0), (200, 4.0)):
        row, column = place(at, value)
        assert lines[row][column] == "●"
    for at, value, mark in ((5, 1.5, "▲"), (50, 15.0, "▲"), (100, 20.0, "△"), (200, 20.0, "△")):
        row, column = place(at, value)
        assert lines[row][column] == mark
    for index, at in enumerate(LENGTHS):
        row, column = place(at, 0.0004 * (index + 1))
        assert lines[row][column] == "■"
    assert lines[0][place(10, 1.0)[1]] == "×"
    assert lines[17][place(5, 1.0)[1]] == "↓"
    assert sum(line.count("●") for line in lines) == 5
    assert sum(line.count("■") for line in lines) == 6


def test_ticks_name_the_values_of_both_axes() -> None:
    text = text_of("one")
    for label in ("10┤", "0.1┤", "0.001┤"):
        assert label in text
    assert re.search(r"\n +5 +10 +20 +50 +100 +200\n", text)
    assert "hidden length d_1 (units)" in text
    assert "E‖∇f(Wᴿ)‖² (squared gradient norm)" in text
    assert "measured mean, 99 % interval" in text
    assert "- The paper bound is 250 to 1,670 times the measured, median 625." in text


def test_groups_are_letters() -> None:
    text = text_of("two", 120)
    assert "A 0.5  B 0.75  C 1" in text
    panel = text.split("Certified bound and measured")[0]
    counts = {letter: len(re.findall(rf"[│┤ ─ABCabc]{letter}", panel)) for letter in "ABCabc"}
    assert all(count >= 6 for count in counts.values()), counts


def test_categories_that_do_not_fit_are_numbered() -> None:
    narrow, wide = text_of("depths", 60), text_of("depths", 120)
    assert narrow.count("1: 784-10; 2: 784-100-10; 3: 784-100-50-10") == 1
    assert "1: 784-10" not in wide
    assert wide.count("784-200-100-50-10") == 2


def test_colour_only_where_it_is_wanted() -> None:
    plain, coloured = text_of("two"), text_of("two", colour=True)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


@pytest.mark.parametrize("width", [80, 120])
def test_the_command_follows_the_terminal(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps(SAMPLES["one"]))
    monkeypatch.setenv("COLUMNS", str(width))
    result = run("plot", path, "--terminal")
    assert (result.code, result.err) == (0, "")
    assert result.out == text_of("one", width)
    quiet = run("plot", path, "--terminal", "-q").out
    assert "times the measured" not in quiet
    assert "paper bound" in quiet
    assert run("plot", "-", "--terminal", stdin=path.read_text()).out == result.out
    assert run("plot", path, "--terminal", "--title", "Mine $x$").out.startswith("Mine $x$\n")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in run("plot", path, "--terminal").out
    assert "\x1b" not in run("plot", path, "--terminal", "--no-color").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("plot", path, "--terminal").out


def test_the_terminal_needs_no_matplotlib(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps(SAMPLES["one"]))
    code = (
        "import sys; sys.argv[0] = 'rsgadvise'\n"
        "from rsgadvise.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'matplotlib', 'scipy', 'numpy.ma'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "plot", str(path), "--terminal"], capture_output=True, check=True
    )
    assert done.stderr.decode().strip() == "[]"
