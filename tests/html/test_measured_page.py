"""`report --constants calibrated` and `--pilot`: what was measured is on the page, as `recommend` has it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from test_markup import read
from test_page import check_page, commands

pytestmark = pytest.mark.usefixtures("advised_once")

LAYERS = {"single_layer": "[6, 3]", "autoencoder": "[6, 4]", "multilayer": "[6, 5, 3]"}
CALIBRATED = ("--constants", "calibrated")
RACED = (*CALIBRATED, "--pilot", "0.3", "--seed", "2")


@pytest.fixture
def spec(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A small spec on data, of the kind that the test asks for."""
    kind = getattr(request, "param", "multilayer")
    rng = np.random.default_rng(0)
    x = rng.random((200, 6))
    y = np.argmax((x - 0.5) @ rng.standard_normal((6, 3)), axis=1)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    box = "" if kind == "single_layer" else ", weight_bound: 2"
    keep = "" if kind == "single_layer" else ", keep_prob: 1"
    path = tmp_path / f"{kind}.yaml"
    path.write_text(
        f"network: {{kind: {kind}, layers: {LAYERS[kind]}{box}}}\ndata: {{file: data.npz}}\n"
        f"training: {{iterations: 4000{keep}}}\nsearch: {{batch_size: [16]}}\n"
    )
    return path


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
    report = json.loads(run("report", "-o", "-", spec, *options, "-q", "-f", "json").out)
    advice = json.loads(run("recommend", "--details", spec, *options, "-q", "-f", "json").out)
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
    best = json.loads(run(*ranking, "-f", "json", "-q").out)["recommendations"][0]
    shown = json.loads(run("report", "-o", "-", spec, *RACED, "-q", "-f", "json").out)["advice"][
        "recommendations"
    ][0]
    assert best == shown


def test_measured_assumptions_are_not_ticked(run: Run, spec: Path) -> None:
    """What was measured is not proven: open where the certified constant is larger, and never a tick."""
    report = json.loads(run("report", "-o", "-", spec, *CALIBRATED, "-q", "-f", "json").out)
    found = {each["id"]: each for each in report["assumptions"]}
    measured = {each["name"]: each for each in report["advice"]["measured"]}
    for identity, name in (("smoothness", "smoothness"), ("variance", "gradient_variance")):
        assert found[identity]["value"] == measured[name]["value"] < found[identity]["limit"]
        assert found[identity]["holds"] is None
        assert "measured and not proven" in found[identity]["reason"]
    assert found["proven"]["holds"] is False
    assert found["suboptimality"]["holds"] is None
    assert found["suboptimality"]["value"] == measured["initial_loss"]["value"]
    certified = json.loads(run("report", "-o", "-", spec, "--constants", "certified", "-q", "-f", "json").out)
    sure = {each["id"]: each for each in certified["assumptions"]}
    assert set(sure) <= set(found) | {"stepsize"}
    assert found["variance"]["limit"] == pytest.approx(sure["variance"]["limit"])


def test_an_absent_bound_is_called_so(run: Run, spec: Path) -> None:
    page = run("report", "-o", "-", spec, *RACED, "-q", "--set", "training.stepsize=40").out
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", page))
    assert "bound" not in facts, "the tiles are what to train with"
    assert facts["stepsize"] == "40"


def test_a_bad_request_is_one_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("network: {kind: single_layer, layers: [5, 2]}\n")
    done = run("report", path, *RACED, "-o", tmp_path / "r.html")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "data.file: must be given, since --pilot trains on it" in done.err
    assert not (tmp_path / "r.html").exists()


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
