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
    result = run("plot", *arguments, stdin=stdin)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert len(result.err) < 500


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a document in JSON or YAML; got an empty file"),
        (" \n", "got an empty file"),
        ("{}", "must have the key 'schema'; got none"),
        ("[1, 2]", "must be the document of a command in JSON or YAML; got [1, 2]"),
        ("rank,stepsize\n1,0.5\n", 'got "rank,stepsize 1,0.5"'),
        ("Sweep over d_1\n\n a  b: c: d\n", "must be a document in JSON or YAML"),
        ('{"schema": }', "d.json:1:12: must be JSON; got text that is not (expecting value)"),
        (json.dumps(GOOD)[:700], "must be whole; the document is cut off here"),
        (json.dumps(GOOD)[:-1], "must be whole; the document is cut off here"),
        ('{"schema": "rsgadvise.sw', "must be whole; the document is cut off here"),
        ('{"schema": "rsgadvise.sweep/1", "axes": NaN}', "finite numbers only; got NaN"),
        ('{"schema": "rsgadvise.sweep/1", "axes": -Infinity}', "finite numbers only; got -Infinity"),
        ('{"a": ' * 100_000, "it nests too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "one has too many digits"),
        ('{"schema": "rsgadvise.stats/1"}', "rsgadvise.stats/1 has nothing to plot; the documents"),
        ('{"schema": "rsgadvise.sweep/2"}', "rsgadvise.sweep/2 is of another version"),
        ('{"schema": "other/1"}', "schema: must be one of rsgadvise.sweep/1, rsgadvise.recommend/1"),
        ('{"schema": 3}', "schema: must be text; got 3"),
        ("schema: rsgadvise.sweep/1\naxes: [a\n", "must be a document in JSON or YAML"),
        ("schema: !!python/object:os.system x\n", "must be a document in JSON or YAML"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_one_line(run: Run, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "d.json"
    path.write_text(text)
    check(run, path, "--terminal", message=message)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["axes"], None, "must have the key 'axes'; got none"),
        (["axes"], 3, "axes: must be a list; got 3"),
        (["axes", 0, "key"], None, "axes[0]: must have the key 'key'"),
        (["axes", 0, "values"], [], "axes[0].values: must hold at least one value; got []"),
        (["axes", 0, "values"], [5, 10], "network.layers[1]: must be one of the values of the axis"),
        (["points"], None, "must have the key 'points'; got none"),
        (["points"], [], "points: must hold at least one point; got []"),
        (["points"], [3], "points[0]: must be a mapping; got 3"),
        ([*POINT, "values"], None, "points[3]: must have the key 'values'; got none"),
        ([*POINT, "values"], {}, "points[3].values: must have the key 'network.layers[1]'; got none"),
        ([*POINT, "kind"], 7, "points[3].kind: must be text; got 7"),
        ([*POINT, "layers"], [], "points[3].layers: must name at least one layer; got []"),
        ([*POINT, "layers"], [4, 2.5], "points[3].layers[1]: must be a whole number of at least 0; got 2.5"),
        ([*POINT, "paper_bound"], None, "points[3]: must have the key 'paper_bound'; got none"),
        ([*POINT, "paper_bound"], "0.5", 'points[3].paper_bound: must be a number; got "0.5"'),
        ([*POINT, "paper_bound"], True, "points[3].paper_bound: must be a number; got true"),
        ([*POINT, "certified_bound"], -1, "points[3].certified_bound: must be above 0; got -1"),
        (
            [*POINT, "certified_bound"],
            10**301,
            "points[3].certified_bound: must be 0, or a number of 1e-300 to",
        ),
        ([*POINT, "largest_gradient"], [], "points[3].largest_gradient: must be a number; got []"),
        ([*POINT, "measured"], 1, "points[3].measured: must be a mapping; got 1"),
        ([*POINT, "measured", "gradient"], None, "points[3].measured: must have the key 'gradient'"),
        ([*POINT, "measured", "lower"], "low", 'points[3].measured.lower: must be a number; got "low"'),
        ([*POINT, "stepsize"], [0.1, "x"], 'points[3].stepsize[1]: must be a number; got "x"'),
        ([*POINT, "notes"], "a", "points[3].notes: must be a list"),
        (["confidence"], "high", 'confidence: must be a number; got "high"'),
        (["confidence"], 99, "confidence: must lie between 0 and 1; got 99"),
        (["axes", 0, "values"], [[[5]], 10], "axes[0].values[0][0]: must be a number, a word, or a list"),
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
            "there is no plan: the floor",
        ),
        ({"schema": "rsgadvise.recommend/1", "recommendations": [{}]}, "[0]: must have the key"),
        ({"schema": "rsgadvise.iterations/1", "tradeoff": []}, "the target is infeasible there"),
        ({"schema": "rsgadvise.iterations/1", "tradeoff": [{"batch_size": 0}]}, "must be above 0; got 0"),
        ({"schema": "rsgadvise.verify/1", "cases": []}, "must hold at least one case"),
        ({"schema": "rsgadvise.verify/1", "cases": [{"verdict": "true"}]}, "must be one of consistent"),
    ],
)  # fmt: skip
def test_other_broken_documents(run: Run, document: documents.Document, message: str) -> None:
    check(run, "-", "--terminal", message=message, stdin=json.dumps(document))


def test_references_of_yaml_never_grow_a_message(run: Run) -> None:
    """Each list holds the one before ten times: written out, the last would have 10^12 entries."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{index}: &a{index} [{', '.join([f'*a{index - 1}'] * 10)}]" for index in range(1, 12)]
    head = "\n".join(lines) + "\nschema: rsgadvise.sweep/1\n"
    axes = "axes: [{key: k, values: [*a11]}]\n"
    check(run, "-", "--terminal", message="must be a number, a word, or", stdin=head + axes + "points: []\n")
    check(
        run,
        "-",
        "--terminal",
        message="axes[0]: must be a mapping",
        stdin=head + "axes: [*a11]\npoints: []\n",
    )
    check(
        run,
        "-",
        "--terminal",
        message="axes[0]: must be a mapping",
        stdin="a: &a [*a]\n" + head + "axes: *a\n",
    )


def test_files_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    check(run, tmp_path / "no.json", "--terminal", message="must exist; got no such file; write it with e.g.")
    check(run, tmp_path, "--terminal", message="must be a file; got a directory; name the result inside it")
    (tmp_path / "b.json").write_bytes(b'{"schema": "\xff"}')
    check(run, tmp_path / "b.json", "--terminal", message="must be UTF-8; got byte 0xff")
    with (tmp_path / "large.json").open("wb") as stream:
        stream.truncate(33 << 20)
    check(run, tmp_path / "large.json", "--terminal", message="must be at most 32 MiB")
    check(run, "-", "--terminal", message="<stdin>: must be a document in JSON or YAML", stdin="")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give -o with .png, .svg or .pdf, or --terminal"),
        (("-o", "x.jpg"), "-o must end in .png, .svg or .pdf; got 'x.jpg'"),
        (("-o", "x"), "-o must end in .png, .svg or .pdf; got 'x'"),
        (("-o", "-"), "-o must end in .png, .svg or .pdf; got standard output"),
        (("-o", "svg"), "got 'svg'"),
        (("-o", "x.svg", "--width", "1"), "--width must be 4 to 100 inches; got 1"),
        (("-o", "x.svg", "--width", "nan"), "--width must be 4 to 100 inches; got nan"),
        (("-o", "x.svg", "--height", "inf"), "--height must be 2 to 100 inches; got inf"),
        (("-o", "x.svg", "--dpi", "100"), "--dpi is about the pixels of a PNG; got a file of type svg"),
        (("-o", "x.png", "--dpi", "5"), "Invalid value for '--dpi'"),
        (("--terminal", "--width", "8"), "--width is about the file of -o; got no -o"),
        (("--terminal", "--dpi", "100"), "--dpi is about the file of -o; got no -o"),
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
