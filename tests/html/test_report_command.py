"""`rsgadvise report` at the command line: formats, places, dates, refusals."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run

pytestmark = pytest.mark.usefixtures("advised_once")

Config = Callable[[str], Path]


def refuse(name: str) -> None:
    raise AssertionError(f"{name} in JSON")


def test_the_same_date_gives_the_same_bytes(
    run: Run, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    first, second = (run("report", "-o", "-", config("mnist_multilayer")) for _ in range(2))
    assert first == second
    assert '<time datetime="1970-01-02T00:00:00+00:00">1970-01-02 00:00 UTC</time>' in first.out
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    assert "1970" not in run("report", "-o", "-", config("mnist_multilayer")).out


@pytest.mark.parametrize("epoch", ["yesterday", "9" * 20])
def test_a_date_that_is_none_is_refused(
    run: Run, config: Config, monkeypatch: pytest.MonkeyPatch, epoch: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    result = run("report", "-o", "-", config("paper_example"))
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "error: SOURCE_DATE_EPOCH must be whole seconds since 1970" in result.err


def test_the_document_is_what_the_page_shows(run: Run, config: Config, tmp_path: Path) -> None:
    result = run("report", "-o", "-", config("paper_example"), "-f", "json", "--title", "  mine ")
    document = json.loads(result.out, parse_constant=refuse)
    assert (result.code, result.err) == (0, "")
    assert document["schema"] == "rsgadvise.report/1"
    advice = json.loads(run("recommend", config("paper_example"), "-f", "json").out)
    assert document["advice"]["recommendations"] == advice["recommendations"]
    assert document["spec"] == advice["spec"]
    assert document["title"] == "mine"
    assert [curve["knob"] for curve in document["curves"]["curves"]] == [
        "iterations",
        "stepsize",
        "batch_size",
    ]
    assert document["curves"]["tradeoff"]["marks"][0]["name"] == "advised"
    assert {check["holds"] for check in document["assumptions"]} <= {True, False, None}
    assert document["statistics"] is None
    target = tmp_path / "r.json"
    assert run("report", config("paper_example"), "-f", "json", "-o", target).code == 0
    written = json.loads(target.read_text())
    assert written["advice"] == document["advice"]


def test_other_formats_are_refused(run: Run, config: Config) -> None:
    result = run("report", "-o", "-", config("paper_example"), "-f", "table")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "--format must be html or json for a report; got 'table'" in result.err
    assert "rsgadvise recommend" in result.err


def test_a_page_without_a_bound_names_the_range(run: Run, config: Config, tmp_path: Path) -> None:
    target = tmp_path / "r.html"
    result = run(
        "report",
        config("mnist_single_layer"),
        "--set",
        "training.stepsize=7",
        "--constants",
        "paper",
        "-o",
        target,
    )
    assert result.code == 0
    page = target.read_text(encoding="utf-8")
    assert "These constants give no bound at that stepsize." in page
    assert "lies outside (0, 1.23077)" in page
    for word in ("Infinity", "NaN", ">inf<", ">nan<"):
        assert word not in page


def test_characters_that_no_file_can_hold(run: Run, config: Config, tmp_path: Path) -> None:
    """A terminal may hand over bytes that are no text; the page shows a replacement."""
    target = tmp_path / "r.html"
    assert run("report", config("paper_example"), "--title", "a\udcff\x00b", "-o", target).code == 0
    assert "<title>a\ufffd\ufffdb</title>" in target.read_text(encoding="utf-8")


def test_a_data_file_stands_for_its_spec(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{k % 5},{k % 7},{'ab'[k % 2]}" for k in range(60)]
    (tmp_path / "two words.csv").write_text("id,x,y\n" + "\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    options = ("--target", "y", "--exclude", "id", "--hidden", "3", "--epochs", "20", "--work", "3e5")
    done = run("report", "two words.csv", *options)
    assert (done.code, done.err) == (0, "wrote two words.html\n")
    page = Path("two words.html").read_text(encoding="utf-8")
    assert page.index("Train with") < page.index('class="tiles"')
    document = json.loads(run("report", "-o", "-", "two words.csv", *options, "-f", "json").out)
    assert document["advice"]["train"] is not None
    lines = {each["what"]: shlex.split(each["line"]) for each in document["commands"]}
    asked = ["two words.csv", "--target", "y", "--hidden", "3", "--epochs", "20", "--exclude", "id"]
    assert all(line[2:11] == asked for line in lines.values())
    for line in lines.values():  # each can be typed again
        assert run(*line[1:]).code == 0, line
    shown = json.loads(run("recommend", "two words.csv", *options, "-f", "json").out)
    assert shown["train"] == document["advice"]["train"]
    assert run("recommend", "spec.yaml", "--pilot", "0").code == 0
