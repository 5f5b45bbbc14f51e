"""Pilots and calibration at the edges: what they cost, what they call a win, what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, strict

from rsgadvise.pilot.checkpoints import Looks, look_along

pytestmark = pytest.mark.usefixtures("advised_once")

RNG = np.random.default_rng(0)
INPUTS = RNG.random((300, 6))
LABELS = (INPUTS[:, 0] + INPUTS[:, 1] > 1).astype(int)
SINGLE = {"kind": "single_layer", "layers": [6, 2]}
DEEP = {"kind": "multilayer", "layers": [6, 4, 2], "weight_bound": 1.0}
TIED = {"kind": "autoencoder", "layers": [6, 3], "weight_bound": 0.5}


def advice(run: Run, folder: Path, spec: dict[str, Any], *options: str, targets: Any = LABELS) -> Any:
    """The JSON of `recommend` on some rows; it holds nothing that is not a number."""
    np.savez(folder / "rows.npz", x=INPUTS, y=targets)
    given = {"data": {"file": str(folder / "rows.npz")}, **spec}
    result = run("recommend", "--details", "-", *options, "-f", "json", stdin=json.dumps(given))
    assert result.code in (0, 1), result.err
    assert result.err == ""
    return strict(result.out)


PILOT = ("--constants", "calibrated", "--pilot")


@pytest.mark.parametrize(
    ("network", "search", "fraction"),
    [
        pytest.param(DEEP, {"keep_prob": [0.5]}, 0.3, id="every mask of hidden units and inputs"),
        pytest.param(DEEP, {"keep_prob": [0.5, 1.0]}, 1.0, id="the same at more length"),
        pytest.param(TIED, {"keep_prob": 0.5}, 0.3, id="masks of inputs alone"),
        pytest.param({**DEEP, "layers": [6, 1, 2]}, {}, 0.3, id="one hidden unit"),
    ],
)
def test_masks_do_not_make_a_pilot_dearer(
    run: Run, tmp_path: Path, network: dict[str, Any], search: dict[str, Any], fraction: float
) -> None:
    spec = {"network": network, "search": {"batch_size": [8], **search}, "budget": {"epochs": 100}}
    assert 0 < advice(run, tmp_path, spec, *PILOT, str(fraction))["cost"] <= fraction


@pytest.mark.parametrize(("network", "decay"), [(SINGLE, 1.5), (DEEP, 0.5)])
def test_a_stepsize_for_the_loss_comes_with_all_iterations(
    run: Run, tmp_path: Path, network: dict[str, Any], decay: float
) -> None:
    # With decaying stepsizes a run of one iteration can have the smallest bound.
    spec = {"network": network, "search": {"decay": [decay]}, "budget": {"epochs": 100}}
    for row in advice(run, tmp_path, spec, "--constants", "calibrated")["recommendations"]:
        assert row["epochs"] > 95


@pytest.mark.parametrize(("network", "most"), [(SINGLE, 10**6), (DEEP, 10**15), (TIED, 10**6)])
def test_calibration_is_as_long_as_the_plan_for_a_target(
    run: Run, tmp_path: Path, network: dict[str, Any], most: int
) -> None:
    target = {"eps": 0.003, "delta": 0.05}
    spec = {"network": network, "target": target, "search": {"iterations": {"max": most}}}
    assert advice(run, tmp_path, spec, "--constants", "calibrated")["cost"] < 0.5


@pytest.mark.parametrize(
    "sizes", [[1, 10**12], {"min": 1, "max": 10**9}, [16, 10**6]], ids=["huge", "range", "large"]
)
def test_batches_beyond_the_budget_are_neither_measured_nor_raced(
    run: Run, tmp_path: Path, sizes: Any
) -> None:
    spec = {"network": SINGLE, "search": {"batch_size": sizes}, "budget": {"epochs": 100}}
    found = advice(run, tmp_path, spec, *PILOT, "0.3")
    assert found["cost"] <= 0.3
    assert all(row["samples"] <= 30_000 for row in found["recommendations"])
    assert all(raced["loss"] is not None for raced in found["pilot"]["raced"] if raced["share"] > 0)


def test_a_race_keeps_to_the_seconds_and_the_iterations(run: Run, tmp_path: Path) -> None:
    cost = {"per_iteration": 1e-4, "per_sample": 1e-6}
    spec: dict[str, Any] = {"network": SINGLE, "budget": {"seconds": 3}, "cost": cost}
    found = advice(run, tmp_path, spec, *PILOT, "0.5")
    assert all(row["seconds"] <= 3 for row in found["recommendations"])
    spec = {"network": SINGLE, "budget": {"samples": 10**7}, "search": {"iterations": {"max": 10**4}}}
    assert advice(run, tmp_path, spec, *PILOT, "0.1")["cost"] <= 0.1


def test_a_pilot_that_is_too_small_says_how_large_it_must_be(run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=INPUTS[:50], y=LABELS[:50])
    spec = {"network": SINGLE, "data": {"file": str(tmp_path / "rows.npz")}, "budget": {"epochs": 20}}

    def ask(fraction: str) -> tuple[int, str]:
        result = run("recommend", "--details", "-", *PILOT, fraction, "-f", "json", stdin=json.dumps(spec))
        return result.code, result.err

    code, message = ask("0.1")
    assert code == 2
    assert message.startswith("error: the pilot must be at least ")
    needed = message.split("at least ")[1].split()[0]
    code, message = ask(needed)  # enough to calibrate, if not to race
    assert code == 0 or message.startswith("error: the pilot is too small for a race of ")


def test_who_is_not_run_again_does_not_win(run: Run, tmp_path: Path) -> None:
    parity = (INPUTS[:, 0] > 0.5) ^ (INPUTS[:, 1] > 0.5)  # nothing for one layer to learn
    spec = {"network": SINGLE, "search": {"batch_size": [16]}, "budget": {"epochs": 20}}
    for seed in range(6):
        found = advice(run, tmp_path, spec, *PILOT, "1", "--seed", str(seed), targets=parity.astype(int))
        if any(raced["outcome"] == "won" for raced in found["pilot"]["raced"]):
            # On the plateau of a constant what helps is tried instead.
            on_plateau = found["pilot"]["raced"][0]["loss"] >= 0.98 * found["pilot"]["constant_loss"]
            assert (found["pilot"]["loss"] is None) == on_plateau
            assert (found["pilot"]["experiments"] != []) == on_plateau
        else:
            assert any(note.endswith("this is the advice without it.") for note in found["notes"])


def test_who_did_not_run_did_not_diverge(run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=INPUTS, y=LABELS)
    file = {"file": str(tmp_path / "rows.npz")}
    spec = {"network": SINGLE, "data": file, "training": {"iterations": 2, "batch_size": 64}}
    result = run("recommend", "--details", "-", *PILOT, "100", "-f", "json", stdin=json.dumps(spec))
    found = json.loads(result.out)["pilot"]["raced"] if result.code == 0 else []
    assert all(raced["outcome"] != "diverged" for raced in found)
    assert result.code == 0 or "too small for a race" in result.err


def test_equal_targets_are_no_race(run: Run, tmp_path: Path) -> None:
    spec = {"network": SINGLE, "budget": {"epochs": 20}}
    found = advice(run, tmp_path, spec, *PILOT, "1", targets=np.full((300, 2), 0.3))
    assert any(note.startswith("The targets are the same in every row") for note in found["notes"])


def test_a_win_on_the_plateau_of_a_constant_is_called_one(run: Run, tmp_path: Path) -> None:
    spec = {"network": {**DEEP, "weight_bound": 0}, "budget": {"epochs": 100}}
    found = advice(run, tmp_path, spec, *PILOT, "1")
    assert found["pilot"]["raced"][0]["outcome"] == "won"
    assert found["pilot"]["raced"][0]["loss"] > found["pilot"]["constant_loss"]
    (box,) = (each for each in found["pilot"]["experiments"] if each["change"] == "weight_bound")
    assert box["value"] == 5
    if box["helps"]:
        assert "the box: with a box of 5 instead of 0" in found["train"]["reason"]
        return
    assert any(note.startswith("At rank 1 the loss is still that of a constant") for note in found["notes"])


def test_a_race_does_not_repeat_what_was_said_of_the_plan_for_a_target(run: Run, tmp_path: Path) -> None:
    spec = {"network": DEEP, "target": {"eps": 0.003, "delta": 0.05}}
    found = advice(run, tmp_path, spec, *PILOT, "0.3")
    assert found["pilot"]["raced"][0]["outcome"] == "won"
    assert any(note.startswith("The race looks for the smallest loss, not") for note in found["notes"])
    assert not any("independent runs" in note for note in found["notes"])
    assert found["critical_batch_size"].keys() == {"value", "lower", "upper", "at", "method"}, (
        "measured, not the plan's"
    )
    assert found["largest_gradient"] >= found["recommendations"][0]["certified_bound"]


@pytest.mark.parametrize("stopping", ["uniform", "increasing", "last"])
def test_what_the_spec_says_of_stopping_is_not_advised(run: Run, tmp_path: Path, stopping: str) -> None:
    spec = {"network": SINGLE, "training": {"stopping": stopping}, "budget": {"epochs": 100}}
    found = advice(run, tmp_path, spec, *PILOT, "0.5")
    chosen = found["pilot"]["stopping"]["chosen"]
    assert any(note.startswith("Choosing P_R") for note in found["notes"]) == (chosen != stopping)


@pytest.mark.usefixtures("advised_afresh")
def test_an_interruption_after_the_race_loses_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rsgadvise.pilot.reporting.steepness", stop)
    np.savez(tmp_path / "rows.npz", x=INPUTS, y=LABELS)
    spec = {"network": SINGLE, "data": {"file": str(tmp_path / "rows.npz")}, "budget": {"epochs": 100}}
    result = run("recommend", "--details", "-", *PILOT, "0.5", "-f", "json", stdin=json.dumps(spec))
    assert result.code == 130
    assert json.loads(result.out)["pilot"]["raced"][0]["outcome"] == "won"


@pytest.mark.usefixtures("advised_afresh")
def test_no_sentence_has_a_negative_squared_gradient(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def few(*arguments: Any, **options: Any) -> Looks:  # so few rows that halves point apart
        return look_along(*arguments, **{**options, "rows": 4, "most_terms": 4})

    monkeypatch.setattr("rsgadvise.pilot.tournament.look_along", few)
    np.savez(tmp_path / "rows.npz", x=INPUTS, y=LABELS)
    spec = {"network": DEEP, "data": {"file": str(tmp_path / "rows.npz")}, "budget": {"epochs": 100}}
    text = json.dumps(spec)
    results = [
        run("recommend", "--details", "-", *PILOT, "1", "--seed", str(seed), stdin=text) for seed in range(3)
    ]
    told = [" ".join(result.out.split()) for result in results]
    assert all("gradient was -" not in text for text in told)
    assert any("too small to be told from 0" in text for text in told)


def test_a_chosen_distribution_without_a_bound_is_not_called_vacuous(run: Run, tmp_path: Path) -> None:
    fixed = {"keep_prob": 1.0, "stepsize": 40.0, "batch_size": 64}
    spec = {"network": DEEP, "training": fixed, "budget": {"epochs": 100}}
    found = advice(run, tmp_path, spec, *PILOT, "1")["pilot"]["stopping"]
    assert all(row["bound"] is None for row in found["rows"])
    assert found["reason"].endswith("no bound holds for it.")
