"""Documents and options that cannot be plotted: one line, exit code 2, nothing written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import documents
import pytest
from conftest import Run

GOOD = documents.one_axis()
POINT = ["points", 3]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.json"
    path.write_text(json.dumps(GOOD))
    return path


def check(run: Run, *arguments: str | Path, message: str, stdin: str | None = None) -> None:
    result = run.refused("plot", *arguments, stdin=stdin)
    assert message in result
    assert len(result) < 500


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a whole document of a command, in JSON; got an empty file"),
        ("{}", "must have the key 'schema'; got none"),
        ("[1, 2]", "must be a whole document of a command, in JSON; got a list of 2"),
        ('{"schema": }', "got expected value at line 1 column 12"),
        (json.dumps(GOOD)[:700], "must be a whole document of a command, in JSON; got its end while"),
        (json.dumps(GOOD)[:-1], "got its end while parsing an object at line 1 column 2"),
        ('{"schema": "rsgadvise.sweep/1", "axes": NaN}', "axes: must be a list; got nan"),
        ('{"a": ' * 100_000, "got recursion limit exceeded at line 1 column"),
        ('{"a": ' + "9" * 5000 + "}", "got number out of range at line 1 column"),
        ('{"schema": "rsgadvise.stats/1"}', "iterations/1; got 'rsgadvise.stats/1'; give what this version"),
        ('{"schema": "rsgadvise.sweep/2"}', "iterations/1; got 'rsgadvise.sweep/2'; give what this version"),
        ("schema: rsgadvise.sweep/1\n", "got expected value at line 1 column 1; let the command write"),
        ('{"schema": 3}', "schema: must be text; got 3"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_one_line(run: Run, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "d.json"
    path.write_text(text)
    check(run, path, "--terminal", message=message)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["axes"], 3, "axes: must be a list; got 3"),
        (["axes", 0, "key"], None, "axes[0]: must have the key 'key'"),
        (["axes", 0, "values"], [], "axes[0].values: must hold at least one value; got a list of 0"),
        (["axes", 0, "values"], [5, 10], "network.layers[1]: must be one of the values of the axis"),
        (["points"], None, "must have the key 'points'; got none"),
        (["points"], [], "points: must hold at least one point; got a list of 0"),
        ([*POINT, "values"], {}, "points[3].values.network.layers[1]: must be one of the values of the"),
        ([*POINT, "kind"], 7, "points[3].kind: must be text; got 7"),
        ([*POINT, "layers"], [], "points[3].layers: must name at least one layer; got a list of 0"),
        ([*POINT, "layers"], [4, 2.5], "points[3].layers[1]: must be a whole number of at least 0; got 2.5"),
        ([*POINT, "paper_bound"], "0.5", "points[3].paper_bound: must be a number; got '0.5'"),
        ([*POINT, "paper_bound"], True, "points[3].paper_bound: must be a number; got true"),
        (
            [*POINT, "certified_bound"],
            10**301,
            "points[3].certified_bound: must be 0, or a number of 1e-300 to",
        ),
        ([*POINT, "measured"], 1, "points[3].measured: must be a mapping; got 1"),
        ([*POINT, "measured", "gradient"], None, "points[3].measured: must have the key 'gradient'"),
        (
            [*POINT, "stepsize"],
            [0.1, "x"],
            "points[3].stepsize: must be a number, or a list of at least one; got",
        ),
        ([*POINT, "notes"], "a", "points[3].notes: must be a list"),
        (["confidence"], 99, "confidence: must lie between 0 and 1; got 99"),
        (["axes", 0, "values"], [[[5]], 10], "axes[0].values[0]: must be a number, or a list"),
        ([*POINT, "stepsize"], [], "must be a number, or a list of at least one; got a list of 0"),
        ([*POINT, "values", "network.layers[1]"], True, "must be one of the values of the axis"),
        (["seed"], -1, "seed: must be a whole number of at least 0; got -1"),
    ],
)
def test_a_broken_sweep_is_one_line_with_the_place(
    run: Run, tmp_path: Path, path: list[str | int], value: object, message: str
) -> None:
    file = tmp_path / "d.json"
    file.write_text(json.dumps(documents.changed(GOOD, path, value)))
    check(run, file, "--terminal", message=message)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"schema": "rsgadvise.recommend/1"}, "must have the key 'recommendations'"),
        ({"schema": "rsgadvise.recommend/1", "recommendations": []}, "must hold at least one recommendation"),
        (
            {"schema": "rsgadvise.recommend/1", "recommendations": [], "infeasible": {"reason": "the floor"}},
            "there is none: the floor",
        ),
        ({"schema": "rsgadvise.recommend/1", "recommendations": [{}]}, "[0]: must have the key"),
        ({"schema": "rsgadvise.iterations/1", "tradeoff": []}, "at least one batch size within reach of the"),
        ({"schema": "rsgadvise.iterations/1", "tradeoff": [{"batch_size": 0}]}, "must be above 0; got 0"),
    ],
)  # fmt: skip
def test_other_broken_documents(run: Run, document: documents.Document, message: str) -> None:
    check(run, "-", "--terminal", message=message, stdin=json.dumps(document))


def test_files_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    check(run, tmp_path / "no.json", "--terminal", message="must exist; got no such file; write it with e.g.")
    check(run, tmp_path, "--terminal", message="must be a file; got a directory; name the result inside it")
    (tmp_path / "b.json").write_bytes(b'{"schema": "\xff"}')
    check(run, tmp_path / "b.json", "--terminal", message="must be UTF-8; got byte 0xff")
    with (tmp_path / "large.json").open("wb") as stream:
        stream.truncate(33 << 20)
    check(run, tmp_path / "large.json", "--terminal", message="must be at most 32 MiB")
    check(run, "-", "--terminal", message="<stdin>: must be a whole document of a command", stdin="")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give -o with .png, .svg or .pdf, or --terminal"),
        (("-o", "x.jpg"), "-o must end in .png, .svg or .pdf; got 'x.jpg'"),
        (("-o", "-"), "-o must end in .png, .svg or .pdf; got standard output"),
        (("--terminal", "-f", "json"), "standard output holds one of --terminal and --format"),
        (("--terminal", "--title", "a\nb"), "--title must be one line of printable text; got 'a\\nb'"),
        (("--terminal", "--title", "x" * 301), "--title must have at most 300 characters; got 301"),
    ],
)
def test_options_that_cannot_be(run: Run, good: Path, arguments: tuple[str, ...], message: str) -> None:
    check(run, good, *arguments, message=message)
    assert [path.name for path in good.parent.iterdir()] == ["good.json"]


def test_without_matplotlib_only_the_terminal_draws(
    run: Run, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = "pictures need matplotlib; install it with: pip install 'rsgadvise[plot]'"
    check(run, good, "-o", good.parent / "x.svg", message=message)
    assert not (good.parent / "x.svg").exists()
    assert run("plot", good, "--terminal").code == 0
    # It is told before the document is even looked at.
    check(run, "no.json", "-o", good.parent / "x.svg", message=message)
