"""What calibrated and raced advice says: nothing that its own numbers contradict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run

from rsgadvise.advise.evaluate import evaluate
from rsgadvise.numerals import number
from rsgadvise.pilot.race import scores
from rsgadvise.spec import parse_spec
from rsgadvise.training.generated import moments_of
from rsgadvise.training.networks import Data

pytestmark = pytest.mark.usefixtures("advised_once")

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
    spec = {"network": network, "data": {"file": str(folder / "rows.npz")}, "budget": {"epochs": 100}}
    return json.dumps({**spec, "search": {"batch_size": [8, 16, 32]}, **sections})


def document(run: Run, spec: str, *options: str) -> dict[str, Any]:
    found = run.document("recommend", "--details", "-", *options, "-q", stdin=spec)
    assert isinstance(found, dict)
    return found


def words(run: Run, spec: str, *options: str) -> str:
    """The report as one line of words."""
    result = run("recommend", "--details", "-", *options, stdin=spec)
    assert result.code == 0
    return " ".join(result.out.split())


OTHER_BOUNDS = "The stepsizes come from the race: the bounds with {} constants stand beside them"


@pytest.mark.parametrize("network", NETWORKS)
def test_a_pilot_shows_calibrated_bounds_unless_told_otherwise(
    run: Run, tmp_path: Path, network: dict[str, Any]
) -> None:
    spec = spec_for(tmp_path, network, budget={"epochs": 30})
    plain, asked = document(run, spec, "--pilot", "0.5"), document(run, spec, *PILOT)
    assert plain == asked
    assert plain["constants"] == "calibrated"
    assert not any(each["key"] == "training.pretraining.tolerance" for each in plain["assumed"])
    assert not any("stand beside them" in note for note in plain["notes"])
    assert document(run, spec)["constants"] == "calibrated"
    # Both beside the deepest, whose theorem and certified constants differ most.
    for constants in {"single_layer": ("paper",), "autoencoder": ("certified",)}.get(
        network["kind"], ("paper", "certified")
    ):
        kept = document(run, spec, "--pilot", "0.5", "--constants", constants)
        assert kept["constants"] == constants
        said = [note for note in kept["notes"] if note.startswith(OTHER_BOUNDS.format(constants))]
        assert len(said) == 1
        assert [row["stepsize"] for row in kept["recommendations"]] == [
            row["stepsize"] for row in plain["recommendations"]
        ]


@pytest.mark.usefixtures("advised_afresh")
def test_a_measurement_above_its_bound_is_called_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = {"uniform": 1e-6, "increasing": 1e-6, "last": 10.0}
    monkeypatch.setattr(
        "rsgadvise.pilot.reporting.stopping_bound", lambda *_: lambda name: (bounds[name], 20.0)
    )
    spec = spec_for(tmp_path, SINGLE)
    reasons = {"calibrated": "its constants are measured", "paper": "the paper's constants do not hold"}
    for constants, reason in reasons.items():
        options = ("--pilot", "0.5", "--constants", constants)
        rows = document(run, spec, *options)["pilot"]["stopping"]["rows"]
        said = words(run, spec, *options)
        above = 0
        for row in rows:
            factor = row["gradient"] / bounds[row["stopping"]]
            assert row["of_bound"] == pytest.approx(factor)
            start = f"Stopped by P_R: {row['stopping']}, the measured squared gradient, "
            assert (start in said) == (factor > 1)
            if factor > 1:
                above += 1
                assert f"is {number(factor, 3)} times its bound, 1e-06: {reason}" in said
        assert 0 < above < len(rows)


RULES = {
    "uniform": "rng.integers(1, ITERATIONS + 1)",
    "increasing": "p=k / k.sum()",
    "last": "rng.integers(ITERATIONS - tenth + 1, ITERATIONS + 1)",
}


def bound_at(row: dict[str, Any], spec: str, constants: str, stopping: str) -> float:
    """The bound of `rsgadvise bound`'s own library call at a row's values, for another P_R."""
    given = json.loads(spec)
    fixed = ("stepsize", "batch_size", "iterations", "keep_prob", "decay")
    del given["data"], given["search"]
    given["budget"] = None
    given["training"] = {key: row[key] for key in fixed} | {"stopping": stopping}
    found = moments_of(Data(INPUTS, np.eye(3)[LABELS]))
    names = ("mean", "mean_square", "second_moment", "top_eigenvalue")
    measured = {name: getattr(found, name) for name in names}
    parsed = parse_spec(json.dumps(given), file="s").spec
    return evaluate(parsed, constants=constants, measured=measured).bound


@pytest.mark.parametrize("network", NETWORKS)
def test_the_advice_follows_the_choice_of_stopping(run: Run, tmp_path: Path, network: dict[str, Any]) -> None:
    spec = spec_for(tmp_path, network)
    found = document(run, spec, *PILOT)
    chosen = found["pilot"]["stopping"]["chosen"]
    assert chosen != "uniform", "or this tests nothing"
    assert {row["stopping"] for row in found["recommendations"]} == {chosen}
    assert found["pilot"]["gradient_stopping"] == chosen
    (shown,) = (row for row in found["pilot"]["stopping"]["rows"] if row["stopping"] == chosen)
    assert found["pilot"]["gradient"] == shown["gradient"]
    emitted = run("recommend", "--details", "-", *PILOT, "--emit", "torch", "-q", stdin=spec).out
    assert "COOLDOWN = 0.05" in emitted, "the last weights are the result"
    assert "P_R" not in emitted
    constant = spec_for(tmp_path, network, training={"decay": 0.0})
    emitted = run("recommend", "--details", "-", *PILOT, "--emit", "torch", "-q", stdin=constant).out
    assert RULES[chosen] in emitted
    assert f"P_R: {chosen}, chosen by the pilot" in emitted
    said = words(run, spec, *PILOT)
    assert f"; P_R: {chosen} " in said
    assert f"gave {chosen}: " in said
    assert "It is used: the ranks and their bounds are for it." in said
    assert "A training.stopping in the spec would be kept." in said
    certified = document(run, spec, "--pilot", "0.5", "--constants", "certified")["recommendations"][0]
    if network["kind"] == "single_layer":  # elsewhere these stepsizes have the largest gradient for a bound
        own, other = (bound_at(certified, spec, "certified", name) for name in (chosen, "uniform"))
        assert certified["bound"] == pytest.approx(own, rel=1e-6)
        assert own != pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize("given", ["uniform", "increasing", "listed"])
def test_a_stopping_of_the_spec_is_kept(run: Run, tmp_path: Path, given: str) -> None:
    listed = [1 / 1500] * 1500
    training = {"stopping": listed if given == "listed" else given, "batch_size": 16, "iterations": 1500}
    spec = spec_for(tmp_path, SINGLE, training=training)
    found = document(run, spec, *PILOT)
    chosen = found["pilot"]["stopping"]["chosen"]
    assert chosen != given
    assert {row["stopping"] for row in found["recommendations"]} == {given}
    assert found["pilot"]["gradient_stopping"] == ("uniform" if given == "listed" else given)
    emitted = run("recommend", "--details", "-", *PILOT, "--emit", "torch", "-q", stdin=spec).out
    assert ("STOPPING = (" if given == "listed" else RULES[given]) in emitted
    assert "chosen by the pilot" not in emitted
    said = words(run, spec, *PILOT)
    own = "list" if given == "listed" else given
    assert f"It would be chosen if the spec left training.stopping open; the spec's {own} is kept." in said
    assert "would be chosen" in said
    assert "It is used" not in said


def shown(value: float) -> str:
    return f"{value:.4g}"


@pytest.mark.parametrize("network", NETWORKS)
def test_the_ranks_show_what_ranks_them(run: Run, tmp_path: Path, network: dict[str, Any]) -> None:
    spec = spec_for(tmp_path, network)
    found = document(run, spec, *CALIBRATED)
    rows = found["recommendations"]
    ranked = [row["loss_score"] for row in rows]
    assert ranked == sorted(ranked)
    assert ranked[0] < ranked[-1], "or this tests nothing"
    said = words(run, spec, *CALIBRATED)
    assert "Ranked by the loss score" in said
    assert "Terms of the gradient bound at rank 1" in said
    assert "of the bound is" not in said
    grid = run("recommend", "--details", "-", *CALIBRATED, "-q", stdin=spec).out
    for row in rows:
        assert shown(row["loss_score"]) in grid
        assert shown(row["bound"]) in grid


def test_what_the_loss_does_not_rank_has_no_score(run: Run, tmp_path: Path) -> None:
    target = {"target": {"eps": 0.05, "delta": 0.1}, "budget": None}
    for options, sections in (((), {}), (CALIBRATED, target), (PILOT, {})):
        found = document(run, spec_for(tmp_path, SINGLE, **sections), *options)
        assert {row["loss_score"] for row in found["recommendations"]} == {None}
        assert "loss score" not in words(run, spec_for(tmp_path, SINGLE, **sections), *options)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_report_is_eighty_columns_wide(run: Run, tmp_path: Path, network: dict[str, Any]) -> None:
    for options in (CALIBRATED, PILOT):
        report = run("recommend", "--details", "-", *options, stdin=spec_for(tmp_path, network)).out
        assert max(len(line.rstrip()) for line in report.splitlines() if "/" not in line) <= 80
        assert ("pilot" in report) == (options is PILOT)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_curvature_is_about_where_the_second_run_stood(
    run: Run, tmp_path: Path, network: dict[str, Any]
) -> None:
    spec = spec_for(tmp_path, network)
    options = ("--pilot", "1")
    found, said = document(run, spec, *options), words(run, spec, *options)
    state = found["pilot"]["state"]
    assert state is not None, "or this tests nothing"
    assert f"Where that run stood, after {100 * found['pilot']['share']:.1f} % of the training, " in said
    assert f"lie between {state['lowest']:.2g} and {state['highest']:.2g}" in said


@pytest.mark.parametrize("network", NETWORKS)
def test_the_race_explains_its_words(run: Run, tmp_path: Path, network: dict[str, Any]) -> None:
    spec = spec_for(tmp_path, network)
    found, said = document(run, spec, *PILOT), words(run, spec, *PILOT)
    smoothness = next(each["value"] for each in found["measured"] if each["name"] == "smoothness")
    assert f"U: measured smoothness of the loss, {shown(smoothness)}." in said
    plain = [each for each in found["pilot"]["raced"] if "," not in each["source"]]
    for each in plain:
        multiple = float(each["source"].split("/")[0])
        assert min(each["stepsizes"]) == pytest.approx(multiple / smoothness)
    assert ("By layer: the steepest layer takes the stepsize named" in said) == (network is DEEP)
    assert ("layer l (U_max/U_l)^(1/3) times as much" in said) == (network is DEEP)
    assert "Changes by one standard error (s.e.) are those of the advice without the race." in said
    markdown = run("recommend", "--details", "-", *PILOT, "-f", "markdown", stdin=spec).out
    assert "U: measured smoothness of the loss" in markdown


@pytest.mark.usefixtures("advised_afresh")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("keep", [[1.0], [0.5, 1.0]], ids=["one network", "two"])
def test_losses_stand_beside_those_of_the_winner_after_as_long(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: dict[str, Any], keep: list[float]
) -> None:
    """The oracle sees every ranking of the race."""
    seen: list[dict[tuple[str, float], float]] = []

    def watching(runners: Any, *others: Any, **about: Any) -> Any:
        seen.append({(each.candidate.source, each.done): each.loss for each in runners})
        return scores(runners, *others, **about)

    monkeypatch.setattr("rsgadvise.pilot.tournament.scores", watching)
    search = {"batch_size": [8, 16]} | ({} if network is SINGLE else {"keep_prob": keep})
    spec = spec_for(tmp_path, network, search=search)
    found = document(run, spec, *PILOT)
    winner, *others = found["pilot"]["raced"]
    assert (winner["outcome"], winner["winner_loss"]) == ("won", None)
    losses = {key: loss for each in seen for key, loss in each.items()}
    for each in others:
        assert each["winner_loss"] == losses.get((winner["source"], each["share"]))
        assert each["loss"] == losses[each["source"], each["share"]]
    assert any(each["winner_loss"] is not None for each in others)
    said = words(run, spec, *PILOT)
    assert "rows compare at equal shares only" in said


def test_errors_stand_beside_errors_and_losses_beside_losses(run: Run, tmp_path: Path) -> None:
    spec = spec_for(tmp_path, SINGLE)
    pilot, said = document(run, spec, *PILOT)["pilot"], words(run, spec, *PILOT)
    # The seed's own split, from the definition of the task: a fifth of the rows, the first of an order.
    order = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(2, 1))).permutation(300)
    held, rest = LABELS[order[:60]], LABELS[order[60:]]
    commonest = np.bincount(rest).argmax()
    assert pilot["constant_error"] == pytest.approx((held != commonest).mean())
    assert (
        f"{100 * pilot['held_out_error']:.1f} % of 60 rows held out wrong; always saying the commonest"
        in said
    )
    assert f"class has {100 * pilot['constant_error']:.1f} % wrong." in said
    assert f"where a constant prediction has a loss of {shown(pilot['constant_loss'])}." in said
    tied = document(run, spec_for(tmp_path, TIED), *PILOT)["pilot"]
    assert (tied["held_out_error"], tied["constant_error"]) == (None, None)
    assert "held out wrong" not in words(run, spec_for(tmp_path, TIED), *PILOT)


def test_a_span_of_stepsizes_is_said_to_be_over_layers(run: Run) -> None:
    training = {"stepsize": [0.001, 0.002], "batch_size": 8, "iterations": 10, "keep_prob": 1.0}
    spec = json.dumps({"network": DEEP, "data": {"mean": 0.5}, "training": training})
    assert "0.001 to 0.002 by layer" in run("bound", "-", stdin=spec).out
    target = {"target": {"eps": 0.5, "delta": 0.1}, "search": {"batch_size": [4096]}}
    spec = json.dumps({"network": {**DEEP, "weight_bound": [0.01, 0.02]}, "data": {"mean": 0.5}, **target})
    planned = run.words("iterations", "-", stdin=spec)
    assert "by layer" in planned


def test_a_stepsize_of_all_rows_is_within_no_factor_of_itself(run: Run, tmp_path: Path) -> None:
    """Of three rows nothing is sampled: "within a factor of 1" tells nobody anything."""
    data = tmp_path / "few.csv"
    data.write_text("a,b,y\n0.1,0.2,0\n0.5,0.3,1\n0.9,0.8,0\n")
    found = run("recommend", data, "--target", "y", "--hidden", "4", "--pilot", "0")
    assert "The stepsize was measured on your data; nothing" in " ".join(found.out.split())
