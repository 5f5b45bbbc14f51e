"""What an explanation says where its numbers alone would mislead."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from remembered import explained_once

from rsgadvise.ask.explain.explaining import explain
from rsgadvise.show.report.blocks import Grid
from rsgadvise.show.report.explaining import explanation_blocks
from rsgadvise.spec import Spec

Config = Callable[[str], Path]


@pytest.fixture(scope="module", autouse=True)
def _explained_once() -> Iterator[None]:
    with explained_once():
        yield


def explained(run: Run, path: Path) -> dict[str, Any]:
    result = run("explain", path, "-f", "json")
    assert (result.code, result.err) == (0, "")
    found: dict[str, Any] = json.loads(result.out)
    return found


def test_a_false_constant_does_not_contradict_a_proven_bound(run: Run, config: Config) -> None:
    """The certified bound has constants of its own: what is false of the paper's takes nothing from it."""
    proven = explained(run, config("mnist_single_layer"))
    assert proven["proven"]
    [smooth] = [each for each in proven["assumptions"] if each["id"] == "smoothness"]
    assert smooth["holds"] is False
    assert smooth["reason"].endswith("this bound holds all the same")
    other = explained(run, config("mnist_multilayer"))
    assert not other["proven"]
    false = {each["id"]: each["reason"] for each in other["assumptions"] if each["holds"] is False}
    assert false["smoothness"].endswith("; the certified bound does not need it")
    assert false["cross_term"].endswith("; the certified bound does not need it")
    assert "does not need" not in false["box"] + false["proven"] + false["certified_stepsize"]


def test_what_was_looked_at_reads_as_a_range(run: Run, config: Config) -> None:
    shown = run("explain", config("mnist_multilayer"), "--set", "training.pretraining=").out
    table = shown.split("What would put another choice")[1].split("Ends of what")[0]
    cells = {line.split()[0]: line for line in table.splitlines() if line.startswith(" ")}
    assert cells["mean"].rstrip().endswith("-")
    for line in cells.values():
        assert not re.search(r" (\S+) to \1$", line.rstrip()), line
    assert cells["alpha"].rstrip().endswith("0.01 to 1")
    words = " ".join(shown.split())
    assert "beyond 1: there is no pretraining, for which alpha = 1 stands" in words
    assert "alpha: training.pretraining.tolerance; 1 stands for no pretraining" in words


def test_a_narrow_range_shows_the_digits_that_tell_its_ends_apart() -> None:
    spec = Spec.model_validate({"network": {"kind": "single_layer", "layers": [6, 3]}})
    found = explain(spec, statistics=None)
    for low, high, said in (
        (0.13066, 0.13066, "-"),
        (0.01, 100.0, "0.01 to 100"),
        (0.130660, 0.130661, "0.13066 to 0.130661"),
        (1.0, math.nextafter(1.0, 2), "1 to 1.0000000000000002"),
    ):
        narrow = replace(found, flips=tuple(replace(each, low=low, high=high) for each in found.flips))
        grids = [each for each in explanation_blocks(narrow) if isinstance(each, Grid)]
        (looked_at,) = [each for each in grids if each.columns[-1].name == "looked at"]
        assert {row[-1] for row in looked_at.rows} == {said}
