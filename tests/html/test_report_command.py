"""`rsgadvise report` at the command line: formats, places, dates, refusals."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run, small_spec, strict
from test_markup import read
from test_page import check_page, commands

pytestmark = pytest.mark.usefixtures("advised_once")

Config = Callable[[str], Path]


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
    assert "error: SOURCE_DATE_EPOCH must be whole seconds since 1970" in run.refused(
        "report", "-o", "-", config("paper_example")
    )


def test_the_document_is_what_the_page_shows(run: Run, config: Config, tmp_path: Path) -> None:
    result = run("report", "-o", "-", config("paper_example"), "-f", "json", "--title", "  mine ")
    document = strict(result.out)
    assert (result.code, result.err) == (0, "")
    assert document["schema"] == "rsgadvise.report/1"
    advice = run.document("recommend", config("paper_example"))
    assert document["advice"]["recommendations"] == advice["recommendations"]
    assert document["spec"] == advice["spec"]
    assert document["title"] == "mine"
    assert [curve["knob"] for curve in document["curves"]["curves"]] == [
        "iterations",
        "stepsize",
        "batch_size",
    ]
    assert {check["holds"] for check in document["assumptions"]} <= {True, False, None}
    assert document["statistics"] is None
    target = tmp_path / "r.json"
    assert run("report", config("paper_example"), "-f", "json", "-o", target).code == 0
    written = json.loads(target.read_text())
    assert written["advice"] == document["advice"]


def test_other_formats_are_refused(run: Run, config: Config) -> None:
    result = run.refused("report", "-o", "-", config("paper_example"), "-f", "table")
    assert "--format must be html or json for a report; got 'table'" in result
    assert "rsgadvise recommend" in result


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
    document = run.document("report", "-o", "-", "two words.csv", *options)
    assert document["advice"]["train"] is not None
    lines = {each["what"]: shlex.split(each["line"]) for each in document["commands"]}
    asked = ["two words.csv", "--target", "y", "--hidden", "3", "--epochs", "20", "--exclude", "id"]
    assert all(line[2:11] == asked for line in lines.values())
    for line in lines.values():  # each can be typed again
        assert run(*line[1:]).code == 0, line
    shown = run.document("recommend", "two words.csv", *options)
    assert shown["train"] == document["advice"]["train"]
    assert run("recommend", "spec.yaml", "--pilot", "0").code == 0


# `report --constants calibrated` and `--pilot`: what was measured is on the page, as `recommend` has it.


CALIBRATED = ("--constants", "calibrated")
RACED = (*CALIBRATED, "--pilot", "0.3", "--seed", "2")


@pytest.fixture
def spec(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A small spec on data, of the kind that the test asks for."""
    return small_spec(tmp_path, getattr(request, "param", "multilayer"))


@pytest.mark.parametrize(
    ("spec", "options"),
    [("single_layer", RACED), ("autoencoder", ("--pilot", "0.3")), ("multilayer", CALIBRATED)],
    indirect=["spec"],
)
def test_the_page_shows_what_the_table_shows(run: Run, spec: Path, options: tuple[str, ...]) -> None:
    done = run("report", "-o", "-", spec, *options, "-q")
    assert (done.code, done.err) == (0, "")
    if "<svg" in done.out:
        check_page(done.out)
    report = run.document("report", "-o", "-", spec, *options, "-q")
    advice = run.document("recommend", "--details", spec, *options, "-q")
    # Notes also say which numbers a document leaves out, at other places in the two.
    same = set(report["advice"]) - {"notes"}
    assert {key: report["advice"][key] for key in same} == {key: advice[key] for key in same}
    section = done.out[done.out.index('<section id="measured"') :]
    section = section[: section.index("</section>")]
    cells = [read(cell).text for cell in re.findall(r"<t[dh][^>]*>.*?</t[dh]>", section)]
    assert cells.count("f(W1)") == cells.count("smoothness U") == 1
    assert ("Race" in section) == ("--pilot" in options)
    for raced in advice.get("pilot", {"raced": []})["raced"]:
        assert raced["source"] in cells
        assert raced["outcome"] in cells
    said = read(done.out).text
    for sentence in advice["why"]:
        assert sentence in said
    assert said.count("Not drawn: ") == 1
    assert report["curves"]["curves"] == []
    assert len(report["curves"]["absent"]) == 1


def test_its_commands_give_the_same_again(run: Run, spec: Path) -> None:
    page = run("report", "-o", "-", spec, *RACED, "-q").out
    again, ranking, emitted = (shlex.split(line)[1:] for line in commands(page))
    assert again[0] == "report"
    for line in (again, ranking, emitted):
        assert " ".join(RACED) in " ".join(line)
    best = run.document(*ranking, "-q")["recommendations"][0]
    shown = run.document("report", "-o", "-", spec, *RACED, "-q")["advice"]["recommendations"][0]
    assert best == shown


def test_measured_assumptions_are_not_ticked(run: Run, spec: Path) -> None:
    """What was measured is not proven: open where the certified constant is larger, and never a tick."""
    report = run.document("report", "-o", "-", spec, *CALIBRATED, "-q")
    found = {each["id"]: each for each in report["assumptions"]}
    measured = {each["name"]: each for each in report["advice"]["measured"]}
    for identity, name in (("smoothness", "smoothness"), ("variance", "gradient_variance")):
        assert found[identity]["value"] == measured[name]["value"] < found[identity]["limit"]
        assert found[identity]["holds"] is None
        assert "measured and not proven" in found[identity]["reason"]
    assert found["proven"]["holds"] is False
    assert found["suboptimality"]["holds"] is None
    assert found["suboptimality"]["value"] == measured["initial_loss"]["value"]
    certified = run.document("report", "-o", "-", spec, "--constants", "certified", "-q")
    sure = {each["id"]: each for each in certified["assumptions"]}
    assert set(sure) <= set(found) | {"stepsize"}
    assert found["variance"]["limit"] == pytest.approx(sure["variance"]["limit"])


def test_an_absent_bound_is_called_so(run: Run, spec: Path) -> None:
    page = run("report", "-o", "-", spec, *RACED, "-q", "--set", "training.stepsize=40").out
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", page))
    assert "bound" not in facts, "the tiles are what to train with"
    assert facts["stepsize"] == "40"


@pytest.mark.usefixtures("advised_afresh")
def test_an_interrupted_pilot_leaves_a_page(
    run: Run, spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rsgadvise.pilot.reporting.steepness", stop)
    place = tmp_path / "r.html"
    assert run("report", spec, *RACED, "-q", "-o", place).code == 130
    assert 'id="measured"' in place.read_text()
