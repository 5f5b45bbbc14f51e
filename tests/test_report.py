"""Renderers: what they keep, escape and group."""

from __future__ import annotations

import json
import math
import re
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text as RichText

import rsgadvise
from rsgadvise.numerals import count, number
from rsgadvise.show.formats.csv import as_csv
from rsgadvise.show.formats.json import as_json
from rsgadvise.show.formats.markdown import as_markdown
from rsgadvise.show.formats.table import as_text, fitted
from rsgadvise.show.formats.yaml import as_yaml
from rsgadvise.show.report.advice import by_cost
from rsgadvise.show.report.blocks import Block, Column, Grid, Sentences, Title, as_document


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_become_null_and_a_note(value: float) -> None:
    document = as_document("bound", {"a": {"b": [1.0, value]}, "notes": ["first"]}, extra=value)
    text = as_json(document)
    assert "NaN" not in text
    assert "Infinity" not in text
    found = json.loads(text)
    assert found["a"] == {"b": [1.0, None]}
    assert found["extra"] is None
    assert found["notes"] == ["first", "not a finite number, written as null: a.b[1], extra"]


def test_documents_start_with_their_schema() -> None:
    assert next(iter(as_document("stats", {"mean": 1.0}))) == "schema"


def test_csv_flattens_and_unites_columns() -> None:
    text = as_csv([{"a": 1, "b": {"c": (1, 2)}}, {"a": None, "d": "x,y"}])
    assert text == 'a,b.c,d\n1,1;2,\n,,"x,y"\n'
    assert as_csv([{"a": float("inf"), "b": float("nan"), "c": 2.5}]) == "a,b,c\n,,2.5\n", "as null in JSON"


def test_yaml_numbers_are_numbers_to_every_reader() -> None:
    assert (
        as_yaml({"a": 1e-07, "b": 2.5e-10, "c": 1e22, "d": 0.1})
        == "a: 1.0e-07\nb: 2.5e-10\nc: 1.0e+22\nd: 0.1\n"
    )


def test_markdown_escapes_pipes() -> None:
    text = as_markdown([Title("T", "c"), Grid((Column("a|b"),), (("||x||",),)), Sentences("S", ("one",))])
    assert "| a\\|b |" in text
    assert "| \\|\\|x\\|\\| |" in text
    assert text.endswith("- one\n")


def drawn(width: int, *, quiet: bool = False) -> str:
    grid = Grid((Column("name", numeric=False), Column("number")), (("[bold]x[/]", "123456789012"),), "G")
    blocks: list[Block] = [Title("T [x]", "about [y]"), grid, Sentences("S [z]", ("word " * 30, "E[x x^T]"))]
    return as_text(blocks, width=width, quiet=quiet)


def test_brackets_are_text_not_markup() -> None:
    text = drawn(60)
    for piece in ("T [x]", "about [y]", "[bold]x[/]", "S [z]", "E[x x^T]"):
        assert piece in text


def test_words_between_colons_are_no_emoji() -> None:
    blocks: list[Block] = [Title("T :smile:", "about :x:"), Sentences("S :warning:", ("a :key: is", "b"))]
    text = as_text(blocks)
    for piece in (":smile:", ":x:", ":warning:", ":key:"):
        assert piece in text


def test_numbers_are_never_cut_and_sentences_wrap() -> None:
    text = drawn(16)
    assert "123456789012" in text
    assert all(len(line) <= 16 for line in text.splitlines() if "word" in line)


WIDE = Grid(
    (Column("case", numeric=False), Column("kind", numeric=False), Column("a number"), Column("another")),
    (("a/path/to/a/file.yaml", "paper", "0.123456", "1,234,567"), ("", "certified", "50.0 %", "12")),
    keys=2,
)


def test_a_grid_fits_and_loses_nothing() -> None:
    """Numbers stay whole at every width, and what was wrapped reads as before."""
    for width in range(20, 70):
        whole = as_text([WIDE], width=width)
        assert all(len(line) <= width for line in whole.splitlines())
        parts = fitted(WIDE, width)
        for text in ("0.123456", "1,234,567", "50.0 %", "12"):
            assert text in whole
            assert sum(row.count(text) for part in parts for row in part.rows) == 1
        for part in parts:
            assert "".join(part.rows[0][0].split()) == "a/path/to/a/file.yaml"
            assert [row[1].replace("\n", "") for row in part.rows] == ["paper", "certified"]
        shown = [" ".join(column.name.split()) for part in parts for column in part.columns if column.numeric]
        assert shown == ["a number", "another"]


CELLS = st.sampled_from(["yes", "vacuous", "0.123", "12,345", "γ of x", "数据", "two\nlines", "a\nb\nc", ""])


@given(
    rows=st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1)),
    numeric=st.lists(st.booleans(), min_size=4, max_size=4),
    coloured=st.booleans(),
)
def test_a_grid_is_laid_out_as_by_rich(rows: list[list[str]], numeric: list[bool], coloured: bool) -> None:
    names, *cells = rows
    columns = tuple(Column(name, right, alike=False) for name, right in zip(names, numeric, strict=False))
    grid = Grid(columns, tuple(map(tuple, cells)))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.name, justify="right" if column.numeric else "left", no_wrap=True)
    styles = {"yes": "green", "vacuous": "red"}
    for row in grid.rows:
        table.add_row(*(RichText(cell, style=styles.get(cell, "")) for cell in row))
    stream = StringIO()
    colours: Any = "standard" if coloured else None
    Console(file=stream, width=99, force_terminal=coloured, color_system=colours).print(table)
    assert _seen(as_text([grid], width=99, coloured=coloured)) == _seen(stream.getvalue())[1:]


def _seen(text: str) -> list[list[tuple[str, str]]]:
    """The characters of each line with their styles, blanks at its end left out."""
    lines = []
    for line in text.rstrip().split("\n"):
        style, seen = "", list[tuple[str, str]]()
        for code, character in re.findall(r"\x1b\[([0-9;]*)m|(.)", line):
            style = style if character else code.strip("0")
            seen += [(character, style * (character != " "))] if character else []
        while seen and seen[-1][0] == " ":
            seen.pop()
        lines.append(seen)
    return lines


def test_a_grid_that_fits_stays_as_it_is() -> None:
    natural = 21 + 9 + 8 + 9 + 4
    assert fitted(WIDE, natural) == (WIDE,)
    (wrapped,) = fitted(WIDE, natural - 1)
    assert wrapped.rows[0][0] == "a/path/to/a/file.\nyaml"
    assert wrapped.rows[0][1:] == WIDE.rows[0][1:]
    assert len(fitted(WIDE, 30)) == 2


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("mnist_multilayer.yaml", 19, ["mnist_multilayer.", "yaml"]),
        ("mnist_multilayer.yaml", 12, ["mnist_", "multilayer.", "yaml"]),
        ("runs/v1.25/deep-net.yaml", 13, ["runs/v1.25/", "deep-net.yaml"]),
        ("averylongnamewithout", 12, ["averylongnam", "ewithout"]),
        ("a phrase about mnist_multilayer.yaml", 18, ["a phrase about", "  mnist_", "  multilayer.yaml"]),
    ],
)
def test_long_names_end_their_lines_at_separators(name: str, width: int, lines: list[str]) -> None:
    """As long as each part fits by itself; a part that does not is cut."""
    others = 70 - width
    grid = Grid((Column("spec", numeric=False), Column("n")), ((name, "1" * others),))
    (part,) = fitted(grid, 72)
    assert part.rows[0][0].split("\n") == lines


def test_quiet_keeps_the_first_grid() -> None:
    text = drawn(60, quiet=True)
    assert "123456789012" in text
    assert "T [x]" not in text
    assert "word" not in text


def test_percentages_are_written_one_way() -> None:
    """21.9 %, as in tables: no format that would write 21.9%, and none in words."""
    package = Path(rsgadvise.__file__).parent
    for path in package.rglob("*.py"):
        if path.name in ("style.py", "github.py"):  # lengths of CSS, and escapes of URLs
            continue
        found = re.findall(r"\.\d%\}|[0-9}]%(?![A-Za-z0-9({])", path.read_text())
        assert not found, path


@given(
    values=st.lists(st.floats(min_value=1e-12, max_value=1e15) | st.just(0.0), min_size=1, max_size=8),
    whole=st.booleans(),
)
def test_a_column_has_one_style_and_no_number_moves(values: list[float], whole: bool) -> None:
    cells = [count(int(value)) if whole else number(value) for value in values]
    (column,) = zip(*Grid((Column("value"),), tuple((cell,) for cell in cells)).rows, strict=True)
    shown = [cell for cell in column if float(cell.replace(",", ""))]
    assert len({"e" in cell for cell in shown}) <= 1
    for before, after in zip(cells, column, strict=True):
        one, other = (float(cell.replace(",", "")) for cell in (before, after))
        assert other == pytest.approx(one, rel=5.1e-4)  # four digits at least
    others = Grid((Column("value", alike=False),), tuple((cell,) for cell in cells)).rows
    assert [cell for (cell,) in others] == cells


def test_what_costs_most_is_minded_first(run: Run, tmp_path: Path) -> None:
    """Rows and columns that are lost, then what is usual; six lines show the dearest, whatever came first."""
    rng, rows = np.random.default_rng(0), 60
    words = [f"w{k}" for k in range(rows)]
    lines = [
        f"{7 * k + 3},{words[k]},2024-01-{1 + k % 28:02},{'red' if k % 3 else 'blue'},{rng.random():.3f},"
        f"{'' if k % 4 == 1 else round(rng.random(), 3)},1,{k % 2}"
        for k in range(rows)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["person_id,name,day,colour,a,b,c,class", *lines, ""]))
    asked = ("t.csv", "--categories", "one_hot", "--exclude", "c", "--work", "1e6")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        shown = run("recommend", *asked).out
        notes = run.document("recommend", *asked)["notes"]
    mind = [" ".join(part.split()) for part in shown.split("\nMind\n- ")[1].split("\n- ")]
    wanted = (
        "15 of 60 rows have a missing cell and were left out; data.missing: fill (--missing fill) keeps them",
        "Left out by itself, a word of its own in most rows: column 1 ('name')",
        "Left out by itself, dates: column 2 ('day')",
        "Column 'class' is assumed to be what to predict",
        "Words became inputs of 0 and 1",
        "Left out by itself, a number of its own in every row: column 0 ('person_id')",
        "Assumed: one hidden layer of 100 ",
        "Left out, counted from 0: column 6 ('c')",
    )
    assert len(mind) == 6
    mind = [line for line in mind if line.startswith(wanted)]  # the others are about the race
    assert len(mind) >= 4
    assert all(line.startswith(each) for line, each in zip(mind, wanted, strict=False)), mind
    for seed in range(5):
        mixed = by_cost(np.random.default_rng(seed).permutation(notes).tolist())
        places = [next(at for at, note in enumerate(mixed) if note.startswith(each)) for each in wanted]
        assert max(places[1:3]) < places[3]  # these two cost alike
        assert [0, *places[3:]] == sorted({places[0], *places[3:]})
        assert places[-1] == len(mixed) - 1
