"""`--constants floorless`: beside the certified bound, in guarantees and in plans, its gradient named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Run, strict

from rsgadvise.spec import load_spec
from rsgadvise.spec.problem import resolve
from rsgadvise.theory.certified import certified_constants

Config = Callable[[str], Path]
BOXED = ["mnist_autoencoder", "mnist_multilayer"]
FIXED = [
    *("--set", "training.stepsize=0.00001"),
    *("--set", "training.batch_size=100"),
    *("--set", "training.iterations=1000000000"),
]


def smoothness(path: Path) -> float:
    problem = resolve(load_spec(str(path)).spec)
    return float(certified_constants(problem, np.ones(1)).smoothness[0])


@pytest.mark.parametrize("name", BOXED)
def test_bound_shows_both_and_which_gradient_each_is_about(run: Run, config: Config, name: str) -> None:
    found = run.document("bound", config(name), "--constants", "certified", *FIXED)
    other = found["other_gradient"]
    assert other["constants"] == "floorless"
    assert other["gradient_stepsize"] == pytest.approx(1 / smoothness(config(name)))
    assert other["bound"] < found["certified_bound"]
    back = run.document("bound", config(name), "--constants", "floorless", *FIXED)
    assert back["bound"] == back["certified_bound"] == other["bound"]
    assert back["proven"] is True
    assert back["other_gradient"]["constants"] == "certified"
    assert back["other_gradient"]["bound"] == found["certified_bound"]
    assert sum(back["terms"].values()) == pytest.approx(back["bound"])
    text = run.words("bound", config(name), *FIXED)
    assert "proven without a noise floor" in text
    assert "is on the projected gradient at stepsize 1/U =" in text
    assert run("bound", config(name), "-f", "csv", *FIXED).code == 0


def test_without_a_box_there_is_nothing_beside(run: Run, config: Config) -> None:
    found = run.document("bound", config("mnist_single_layer"), *FIXED)
    assert found["other_gradient"] is None
    for command in ("bound", "recommend", "explain"):
        assert "network.kind: must be autoencoder or multilayer for floorless constants" in run.refused(
            command, config("mnist_single_layer"), "--constants", "floorless", *FIXED
        )
        assert run(command, config("mnist_single_layer"), "--constants", "certified", *FIXED).code != 2


@pytest.mark.parametrize("name", BOXED)
def test_explain_and_recommend_take_it(run: Run, config: Config, name: str) -> None:
    explained = run.document("explain", config(name), "--constants", "floorless")
    best = run.document("recommend", config(name), "--constants", "floorless")
    (first, *_) = best["recommendations"]
    assert explained["bound"] == pytest.approx(first["bound"])
    assert all(each["formula"] for each in explained["terms"])
    (cross,) = [each for each in explained["assumptions"] if each["id"] == "cross_term"]
    assert cross["holds"] is True
    assert "no term" in cross["reason"]
    assert any("at stepsize 1/U" in note for note in first["notes"])
    program = run.words("recommend", config(name), "--constants", "floorless", "--emit", "torch")
    assert "g the projected gradient at stepsize 1/U at W^R" in program.replace(" # ", " ")


def test_compare_takes_it(run: Run, config: Config) -> None:
    both = [config(name) for name in BOXED]
    found = run.document("compare", *both, "--constants", "floorless")
    assert found["constants"] == "floorless"
    assert all(row["proven"] for row in found["specs"])


FLOOR = """network: {kind: autoencoder, layers: [12, 4], weight_bound: 0.1}
data: {mean: 0.3, mean_square: 0.1}
search: {batch_size: [16], keep_prob: {min: 1.0, max: 1.0}}
target: {eps: 0.05, delta: 0.1}
"""


def test_a_target_below_the_noise_floor_has_a_plan(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(FLOOR)
    refused = run("recommend", spec, "--constants", "certified", "-f", "json")
    assert refused.code == 1
    assert "(--constants floorless)" in json.loads(refused.out)["infeasible"]["reason"]
    found = run.document("recommend", spec)
    assert found["constants"] == "floorless"
    promise = found["guarantee"]
    assert promise["proven"]
    assert promise["gradient_stepsize"] == pytest.approx(1 / smoothness(spec))
    assert (
        f"projected gradient norm at stepsize {promise['gradient_stepsize']:.6g} of" in promise["statement"]
    )
    planned = run("iterations", spec, "-f", "json")
    assert strict(planned.out)["constants"] == "floorless"
    assert run("iterations", spec, "--constants", "certified").code == 1
