"""The page lists the assumptions that `explain` lists, and what is given, measured or assumed of the data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from test_markup import read

from rsgadvise.advise.recommend import recommend
from rsgadvise.ask.explain.explaining import assumptions_of
from rsgadvise.spec import load_spec

pytestmark = pytest.mark.usefixtures("advised_once")

Config = Callable[[str], Path]
WORDS = {True: "holds", False: "does not hold", None: "not known here"}


def documents(run: Run, *arguments: str | Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    """What `report` and `explain` say of a spec, and the page."""
    report = run.document("report", "-o", "-", *arguments, "-q")
    explained = run.document("explain", *arguments, "-q")
    return report, explained, run("report", "-o", "-", *arguments, "-q").out


def check_same(report: dict[str, Any], explained: dict[str, Any], page: str) -> None:
    assert report["assumptions"] == explained["assumptions"]
    section = page[page.index('<section id="assumptions"') :]
    items = re.findall(r"<li><svg.*?</li>", section[: section.index("</section>")], flags=re.S)
    assert len(items) == len(explained["assumptions"])
    for item, hypothesis in zip(items, explained["assumptions"], strict=True):
        said = read(item).text
        assert said.startswith(f"{hypothesis['text']} ({WORDS[hypothesis['holds']]})")
        assert hypothesis["reason"].replace("`", "") in said


@pytest.mark.parametrize(
    ("name", "constants"),
    [
        ("paper_example", "certified"),
        ("mnist_single_layer", "paper"),
        ("mnist_autoencoder", "certified"),
        ("mnist_multilayer", "paper"),
        ("mnist_multilayer", "certified"),
    ],
)
def test_the_list_is_that_of_explain(run: Run, config: Config, name: str, constants: str) -> None:
    check_same(*documents(run, config(name), "--constants", constants))


def test_data_of_a_file_are_measured(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", x=rng.random((60, 5)), y=rng.integers(0, 2, 60))
    spec = tmp_path / "s.yaml"
    spec.write_text(
        "network: {kind: multilayer, layers: [5, 4, 2], weight_bound: 0.5}\ndata: {file: d.npz, mean: 0.1}\n"
    )
    report, explained, page = documents(run, spec, "--constants", "paper")
    check_same(report, explained, page)
    section = read(page[page.index('<section id="data"') : page.index('<section id="reproduce"')]).text
    assert str(report["data"]["mean"])[:7] in section


def test_without_a_file_the_page_says_what_is_given_and_assumed(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text(
        "network: {kind: single_layer, layers: [8, 2]}\ndata: {mean: 0.25, second_moment: 0.125}\n"
    )
    page = read(run("report", "-o", "-", spec).out).text
    for part in ("names no data file", "mean: 0.25, second_moment: 0.125", "data.mean_square = 0.125"):
        assert part in page, part


def test_without_a_plan_the_rest_is_still_checked(run: Run, config: Config) -> None:
    options = ("--set", "target.eps=0.01", "--set", "target.delta=0.05", "-f", "json")
    done = run("report", "-o", "-", config("mnist_autoencoder"), *options)
    assert done.code == 1
    found = [each["id"] for each in json.loads(done.out)["assumptions"]]
    assert found == ["network", "inputs", "targets", "moments_exist", "moments", "suboptimality", "box"]


def test_a_stopping_that_a_pilot_chose_is_the_one_that_is_assumed(config: Config) -> None:
    spec = load_spec(config("mnist_single_layer")).spec
    advice = recommend(spec)
    chosen = replace(advice.recommendations[0], stopping="last")
    found = assumptions_of(spec, replace(advice, recommendations=(chosen,)))
    (stopping,) = [each for each in found if each.id == "stopping"]
    assert stopping.text.endswith("P_R: last")
    assert "the pilot chose" in stopping.reason
    (before,) = [each for each in assumptions_of(spec, advice) if each.id == "stopping"]
    assert before.text.endswith("P_R: uniform")
