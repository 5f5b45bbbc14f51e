"""What calibrated and raced advice says: nothing that its own numbers contradict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run

RNG = np.random.default_rng(0)
INPUTS = RNG.random((300, 6))
LABELS = np.argmax((INPUTS - 0.5) @ RNG.standard_normal((6, 3)), axis=1)
SINGLE = {"kind": "single_layer", "layers": [6, 3]}
DEEP = {"kind": "multilayer", "layers": [6, 5, 3], "weight_bound": 2.0}
TIED = {"kind": "autoencoder", "layers": [6, 4], "weight_bound": 2.0}
NETWORKS = [pytest.param(network, id=str(network["kind"])) for network in (SINGLE, DEEP, TIED)]
CALIBRATED = ("--constants", "calibrated")
PILOT = (*CALIBRATED, "--pilot", "0.5")


def spec_for(folder: Path, network: dict[str, Any], **sections: Any) -> str:
    """A spec on rows of a file, as JSON."""
    np.savez(folder / "rows.npz", x=INPUTS, y=LABELS)
    spec = {"network": network, "data": {"file": str(folder / "rows.npz")}, "budget": {"epochs": 200}}
    return json.dumps({**spec, "search": {"batch_size": [8, 16, 32]}, **sections})


def document(run: Run, spec: str, *options: str) -> dict[str, Any]:
    result = run("recommend", "-", *options, "-f", "json", "-q", stdin=spec)
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert isinstance(found, dict)
    return found


def words(run: Run, spec: str, *options: str) -> str:
    """The report as one line of words."""
    result = run("recommend", "-", *options, stdin=spec)
    assert result.code == 0
    return " ".join(result.out.split())


OTHER_BOUNDS = "The stepsizes come from the race: the bounds with {} constants stand beside them"


@pytest.mark.parametrize("network", NETWORKS)
def test_a_pilot_shows_calibrated_bounds_unless_told_otherwise(
    run: Run, tmp_path: Path, network: dict[str, Any]
) -> None:
    spec = spec_for(tmp_path, network)
    plain, asked = document(run, spec, "--pilot", "0.5"), document(run, spec, *PILOT)
    assert plain == asked
    assert plain["constants"] == "calibrated"
    assert not any(each["key"] == "training.pretraining.tolerance" for each in plain["assumed"])
    assert not any("stand beside them" in note for note in plain["notes"])
    assert document(run, spec)["constants"] == "paper"
    for constants in ("paper", "certified"):
        kept = document(run, spec, "--pilot", "0.5", "--constants", constants)
        assert kept["constants"] == constants
        said = [note for note in kept["notes"] if note.startswith(OTHER_BOUNDS.format(constants))]
        assert len(said) == 1
        assert [row["stepsize"] for row in kept["recommendations"]] == [
            row["stepsize"] for row in plain["recommendations"]
        ]
