"""`network.spectral_bound`: what takes it, and what the refusals of the rest say to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Run, strict

FIXED = "training: {stepsize: 0.01, batch_size: 64, iterations: 300, keep_prob: 1.0}\n"
DATA = "data: {mean: 0.3, mean_square: 0.12, samples: 5000}\n"
PLAN = ("--eps", "0.5", "--delta", "0.1")


def written(path: Path, network: str = "layers: [8, 5, 2]", limit: str = "spectral_bound: 1.5") -> Path:
    spec = path / f"{len(list(path.iterdir()))}.yaml"
    spec.write_text(f"network: {{kind: multilayer, {network}, {limit}}}\n{DATA}{FIXED}")
    return spec


def test_it_is_a_tighter_certificate_than_the_box_around_the_ball(run: Run, tmp_path: Path) -> None:
    """A matrix of singular values up to s has weights up to s, and the box of these is far wider."""
    found: dict[str, Any] = {}
    for limit in ("spectral_bound: 1.5", "weight_bound: 1.5"):
        found[limit] = run.document("bound", written(tmp_path, limit=limit), "--constants", "certified")
    ball, box = found.values()
    assert ball["largest_gradient"] < box["largest_gradient"]
    assert "spectral_bound" in ball["elasticities"]
    assert ball["other_gradient"]["constants"] == "floorless"
    one = "layers: [1, 1, 1]"  # of one weight each both are the same
    values = [
        run.document("bound", written(tmp_path, one, limit), "--constants", "certified")["bound"]
        for limit in ("spectral_bound: [0.5, 1.5]", "weight_bound: [0.5, 1.5]")
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-12)


@pytest.mark.parametrize("kind", ["multilayer, layers: [8, 5, 2]", "autoencoder, layers: [8, 3]"])
def test_the_commands_that_rest_on_bounds_take_it(run: Run, tmp_path: Path, kind: str) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"network: {{kind: {kind}, spectral_bound: 1.5}}\n{DATA}{FIXED}")
    assert run.document("bound", spec)["constants"] == "certified"
    explained = run.document("explain", spec)
    assert {each["id"]: each for each in explained["assumptions"]}["box"]["text"].startswith(
        "no singular value"
    )
    assert "network.spectral_bound" in {each["key"] for each in explained["knobs"]}
    assert run.document("iterations", spec, *PLAN)["constants"] == "certified"
    done = run("verify", spec, "--runs", "200", "-f", "json")
    (case,) = strict(done.out)["cases"]
    assert case["constants"] == "certified"
    assert case["measured"] < case["bound"]
    assert done.code in (0, 3)
    box = ("--set", "network.spectral_bound=null", "--set", "network.weight_bound=1.5")
    quick = ("--constants", "certified", "--runs", "8", "--jobs", "1")
    (other,) = run.document("verify", spec, *box, *quick, code=3)["cases"]
    assert case["bound"] < 0.9 * other["bound"]  # it is held against the tighter of the two
    free = (
        "--set",
        "training.stepsize=null",
        "--set",
        "training.iterations=null",
        "--set",
        "budget.epochs=900",
    )
    advice = run.document("recommend", spec, "--constants", "certified", *free)
    assert advice["train"]["weight_bound"] is None
    if advice["guarantee"] is not None:
        assert "singular values of at most 1.5" in advice["guarantee"]["statement"]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("recommend",), "where short runs are made"),
        (("recommend", "--constants", "typical"), "where short runs are made"),
        (("report",), "where short runs are made"),
        (("recommend", "--constants", "certified", "--emit", "keras"), "for --emit keras, whose"),
        (("sweep", "--vary", "training.stepsize=0.1,0.2"), "here: this command is about networks in a box"),
        (
            ("sweep", "--vary", "training.stepsize=0.1,0.2", "--measure", "--advice", "paper"),
            "here: this command is about networks in a box",
        ),
        (("design", "--widths", "4", "--depth", "1"), "here: this command is about networks in a box"),
        (("bound", "--constants", "paper"), "for Corollary V.1, equation (12), whose weights lie in a box"),
    ],
)
def test_the_others_say_what_to_do(run: Run, tmp_path: Path, command: tuple[str, ...], why: str) -> None:
    name, *options = command
    said = run.refused(name, written(tmp_path), *options)
    assert f"network.spectral_bound: must be absent {why}" in said
    assert "got 1.5" in said


def test_no_point_of_a_sweep_takes_it(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"network: {{kind: multilayer, layers: [8, 5, 2]}}\n{DATA}{FIXED}")
    for more in ((), ("--measure",)):
        said = run.refused("sweep", spec, "--vary", "network.spectral_bound=1,2", *more)
        assert "network.spectral_bound: must be absent here: this command is about networks in a box" in said


@pytest.mark.parametrize(
    ("network", "limit", "rule"),
    [
        ("layers: [8, 5, 2]", "spectral_bound: 1, weight_bound: 1", "must be absent beside weight_bound"),
        ("layers: [8, 5, 2]", "spectral_bound: [1, 2, 3]", "must be a number or a list of 2"),
        ("layers: [8, 5, 2]", "spectral_bound: -1", "network.spectral_bound"),
    ],
)
def test_what_it_may_be(run: Run, tmp_path: Path, network: str, limit: str, rule: str) -> None:
    assert rule in run.refused("bound", written(tmp_path, network, limit))


def test_a_single_layer_needs_none(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"network: {{kind: single_layer, layers: [8, 2], spectral_bound: 1}}\n{DATA}")
    assert "must be absent for kind single_layer" in run.refused("recommend", spec)
