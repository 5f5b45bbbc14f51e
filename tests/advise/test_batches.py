"""No batch size that nobody asked for exceeds the data set, and numbers say which runs they are for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Run

from rsgadvise.advise.space import batch_choices
from rsgadvise.spec import Spec

NETWORK: dict[str, Any] = {"kind": "multilayer", "layers": [4, 3, 1], "weight_bound": 0.05}
TARGET = {"eps": 0.5, "delta": 0.1}


def spec(**sections: Any) -> Spec:
    return Spec.model_validate({"network": NETWORK, **sections})


@pytest.mark.parametrize(
    ("samples", "sizes"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (4, (1, 2, 4)),
        (10, (1, 2, 4, 8, 10)),
        (16, (1, 2, 4, 8, 16)),
        (63, (1, 2, 4, 8, 16, 32, 63)),
        (150, (16, 32, 64, 128, 150)),
        (500, (16, 32, 64, 128, 256, 500)),
        (1023, (16, 32, 64, 128, 256, 512, 1023)),
        (1024, (16, 32, 64, 128, 256, 512, 1024)),
        (None, (16, 32, 64, 128, 256, 512, 1024)),
    ],
)
def test_the_default_list_ends_at_the_rows(samples: int | None, sizes: tuple[int, ...]) -> None:
    assert batch_choices(spec(), samples) == (sizes, False)


def test_what_is_listed_stays() -> None:
    assert batch_choices(spec(search={"batch_size": [64, 2048]}), 10) == ((64, 2048), False)
    assert batch_choices(spec(search={"batch_size": {"min": 1, "max": 99}}), 10) == ((1, 99), True)
    assert batch_choices(spec(training={"batch_size": 64}), 10) == ((64,), False)


def document(run: Run, *arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = run.document(*arguments, "-q")
    return found


@pytest.mark.parametrize("target", [None, TARGET])
def test_no_command_draws_more_rows_than_there_are(
    run: Run, tmp_path: Path, target: dict[str, float] | None
) -> None:
    paths = []
    for name, mean in (("a", 0.2), ("b", 0.3)):
        paths.append(tmp_path / f"{name}.json")
        sections = {"data": {"mean": mean, "samples": 20}} | ({"target": target} if target else {})
        paths[-1].write_text(json.dumps({"network": NETWORK, **sections}))
    found = document(run, "recommend", paths[0], "--constants", "certified")
    batches = [row["batch_size"] for row in found["recommendations"]]
    (assumed,) = [item for item in found["assumed"] if item["key"] == "search.batch_size"]
    assert "number of rows" in assumed["why"]
    taken = document(run, "compare", *paths, "--constants", "certified")
    batches += [row["batch_size"] for row in taken["specs"]]
    designed = document(
        run, "design", paths[0], "--widths", "2:4", "--depth", "1", "--constants", "certified"
    )
    batches += [row["batch_size"] for row in designed["architectures"]]
    vary = ("--vary", "network.weight_bound=0.05,0.1")
    swept = document(run, "sweep", paths[0], *vary, "--advice", "certified")
    batches += [point["batch_size"] for point in swept["points"] if point["batch_size"] is not None]
    if target is not None:
        batches.append(document(run, "iterations", paths[0], "--constants", "certified")["batch_size"])
    assert len(batches) > 5
    assert max(batches) <= 20


def test_iterations_and_recommend_agree_at_the_same_runs(run: Run, tmp_path: Path) -> None:
    """Where runs are free `recommend` takes the cheapest, and `iterations` says what holds with these."""
    path = tmp_path / "s.json"
    wanted = {"network": NETWORK, "data": {"mean": 0.2}, "target": {"eps": 0.02, "delta": 0.05}}
    path.write_text(json.dumps(wanted))
    for constants in ("paper", "certified"):
        advised = document(run, "recommend", path, "--constants", constants)
        best = advised["recommendations"][0]
        options = ("--batch-size", str(best["batch_size"]), "--constants", constants)
        free = document(run, "iterations", path, *options)
        assert free["runs"] != best["runs"], "or this tests nothing"
        assert free["recommended_runs"] == best["runs"]
        assert free["recommended_iterations"] == best["iterations"]
        knee = advised["critical_batch_size"]
        assert free["recommended_critical_batch_size"] == pytest.approx(knee, rel=1e-6)
        assert free["critical_batch_size"] != pytest.approx(knee, rel=1e-3)
        same = document(run, "iterations", path, *options, "--runs", str(best["runs"]))
        assert same["critical_batch_size"] == pytest.approx(knee, rel=1e-6)
        shown = run("iterations", path, *options).out
        assert "critical batch size, 10 runs" in shown
        assert "smallest feasible batch size, 10 runs" in shown


def test_the_smallest_batch_is_the_same_in_both(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    hard = {"eps": 1e-4, "delta": 0.05}
    path.write_text(json.dumps({"network": NETWORK, "target": hard, "search": {"batch_size": [16]}}))
    refused = run.document("recommend", path, "--constants", "certified", code=1)
    planned = run.document("iterations", path, "--constants", "certified", code=1)
    assert refused["infeasible"]["min_batch_size"] == planned["least_batch_size"]
    assert planned["least_batch_size"] < planned["min_batch_size"]
    fixed = ("--set", "target.runs=10")
    refused = run.document("recommend", path, "--constants", "certified", *fixed, code=1)
    assert refused["infeasible"]["min_batch_size"] == planned["min_batch_size"]
