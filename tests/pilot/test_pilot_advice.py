"""Advice that was raced: what it costs, whether the winner is worth it, and what never wins."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from conftest import present
from numpy.typing import NDArray

from rsgadvise import recommend
from rsgadvise.advise.results import Advice, Recommendation
from rsgadvise.errors import HypothesisError, UsageError
from rsgadvise.pilot import candidates, tournament
from rsgadvise.pilot.advice import advise_with_data
from rsgadvise.pilot.results import PilotAdvice
from rsgadvise.pilot.task import Spending
from rsgadvise.show.formats.json import as_json
from rsgadvise.show.formats.table import as_text
from rsgadvise.show.report.advice import advice_blocks
from rsgadvise.show.report.blocks import as_document
from rsgadvise.spec import Spec
from rsgadvise.training import rsg as rsg_module
from rsgadvise.training.networks import Data, Network, initial_weights
from rsgadvise.training.rsg import Stream, Training, train

Float = NDArray[np.float64]
NETWORKS: dict[str, dict[str, Any]] = {
    "single_layer": {"kind": "single_layer", "layers": [12, 3]},
    "autoencoder": {"kind": "autoencoder", "layers": [12, 5], "weight_bound": 5.0},
    "multilayer": {"kind": "multilayer", "layers": [12, 6, 3], "weight_bound": 20.0},
}
KINDS = list(NETWORKS)
SAMPLES = 32_000  # of a training, where its length does not matter
LONG: dict[str, Any] = {"budget": {"samples": 64_000}}


def data_for(kind: str, seed: int = 0, rows: int = 400) -> Any:
    """Classes that a linear map tells apart, or rows that three factors explain."""
    rng = np.random.default_rng(seed)
    if kind == "autoencoder":
        return 1 / (1 + np.exp(-(rng.random((rows, 3)) - 0.5) @ (6 * rng.standard_normal((3, 12)))))
    x = rng.random((rows, 12))
    return x, np.argmax((x - 0.5) @ rng.standard_normal((12, 3)), axis=1)


def spec_for(kind: str, *, keep: Any = 1.0, batch: Any = 16, **sections: Any) -> dict[str, Any]:
    """Batch size and keep probability fixed where they are numbers, else searched."""
    spec: dict[str, Any] = {"network": NETWORKS[kind], "budget": {"samples": SAMPLES}, **sections}
    for key, value in (("batch_size", batch), *([] if kind == "single_layer" else [("keep_prob", keep)])):
        section = "training" if isinstance(value, (int, float)) else "search"
        spec[section] = {key: value, **spec.get(section, {})}
    return spec


def piloted(
    kind: str, pilot: float = 0.5, *, seed: int = 0, threads: int = 1, **sections: Any
) -> PilotAdvice:
    data = data_for(kind)
    spec = spec_for(kind, **sections)
    found = recommend(spec, data=data, constants="calibrated", pilot=pilot, seed=seed, threads=threads)
    assert isinstance(found, PilotAdvice)
    return found


def gammas(row: Recommendation) -> tuple[float, ...]:
    return row.stepsize if isinstance(row.stepsize, tuple) else (row.stepsize,)


def assert_well_formed(advice: Advice) -> str:
    """Strict JSON, and a report of 80 columns."""
    text = as_json(as_document("recommend", advice))
    assert "NaN" not in text
    shown = as_text(advice_blocks(advice))
    assert max(map(len, shown.splitlines())) <= 80
    return shown


OPEN: dict[str, dict[str, Any]] = {
    "fixed": {},
    "batch list": {"batch": [8, 16, 32]},
    "batch range": {"batch": {"min": 4, "max": 64}},
    "dropout": {"keep": {"min": 0.6, "max": 1.0}},
    "decay": {"search": {"decay": [0.0, 0.5]}},
    "everything": {
        "batch": {"min": 4, "max": 64},
        "keep": [0.6, 0.8, 1.0],
        "search": {"decay": [0.0, 0.25]},
    },
}
COSTS = [
    *product(["multilayer"], OPEN),
    *product(["autoencoder"], ["fixed", "dropout", "everything"]),
    *product(["single_layer"], ["fixed", "batch range", "everything"]),
]


@pytest.mark.parametrize(("kind", "what"), COSTS)
def test_it_costs_no_more_than_its_fraction(kind: str, what: str, counted: list[float]) -> None:
    """Every way to leave something open in the deepest network, and those that differ by it in the others."""
    raced = 0
    fractions = {"fixed": (0.1, 0.3, 1.0), "everything": (0.1, 0.3)}.get(what, (0.3,))
    for fraction in fractions:
        counted[0] = 0
        try:
            found = piloted(kind, fraction, **OPEN[what])
        except UsageError:
            assert fraction == 0.1, "a tenth is little for so short a training"
            continue
        raced += 1
        # The cost is counted in trainings by the winner, all of which take as many samples here.
        assert found.cost <= fraction
        assert found.cost >= 0.5 * fraction, "and most of it is used"
        most = max(row.samples for row in found.recommendations)
        assert 0 < counted[0] <= found.cost * most * (1 + 1e-9)
        assert found.pilot.cost == found.cost
        assert_well_formed(found)
    assert raced >= len(fractions) - 1


def trained_losses(kind: str, row: Recommendation, data: Any) -> Float:
    """Final losses of three full trainings from other seeds than those of the advice."""
    x, y = (data, data) if kind == "autoencoder" else (data[0], np.eye(3)[data[1]])
    layers, box = NETWORKS[kind]["layers"], NETWORKS[kind].get("weight_bound")
    bounds = () if box is None else (box,) * (len(layers) - 1)
    network = Network(NETWORKS[kind]["kind"], tuple(layers), bounds)
    training = Training(network, Data(x, y), gammas(row), row.batch_size, row.decay)
    starts = [initial_weights(network, np.random.default_rng(seed)) for seed in range(3)]
    start = [np.concatenate(matrices) for matrices in zip(*starts, strict=True)]
    ends = [np.array([row.iterations + 1])] * 3
    (shot,) = train(training, start, [Stream(99, (seed,)) for seed in range(3)], ends)
    losses = []
    for seed in range(3):
        signal = x
        matrices = [matrix[seed] for matrix in shot.weights]
        for matrix in (*matrices, *([matrices[0].T] if kind == "autoencoder" else [])):
            signal = 1 / (1 + np.exp(-signal @ matrix.T))
        losses.append(float(np.square(signal - y).sum(axis=1).mean()))
    return np.array(losses)


@pytest.mark.parametrize("kind", KINDS)
def test_the_winner_is_worth_its_race(kind: str) -> None:
    """In full trainings it is never clearly worse than the calibrated advice, and better in depth.

    On data as easy as these 1/U is close to the best there is, and a race of half a training sees some six
    per cent of one run.
    """
    ratios = []
    for seed in range(2):
        data, spec = data_for(kind, seed), spec_for(kind, **LONG)
        plain = recommend(spec, data=data, constants="calibrated", seed=seed).recommendations[0]
        raced = recommend(spec, data=data, constants="calibrated", seed=seed, pilot=0.5)
        assert isinstance(raced, PilotAdvice)
        assert raced.pilot.raced[0].outcome == "won"
        winner = raced.recommendations[0]
        assert gammas(winner) == raced.pilot.raced[0].stepsizes
        assert (winner.batch_size, winner.samples) == (plain.batch_size, plain.samples)
        after = trained_losses(kind, winner, data)
        assert after.max() < 0.5 * raced.pilot.constant_loss
        ratios.append(after.mean() / trained_losses(kind, plain, data).mean())
    assert max(ratios) < 1.1
    if kind == "multilayer":
        assert math.prod(ratios) ** 0.5 < 0.95


def test_the_race_is_told_as_it_was() -> None:
    found = piloted("multilayer", 0.5, keep={"min": 0.6, "max": 1.0})
    pilot = found.pilot
    assert len(pilot.raced) == len({(each.source, each.stepsizes) for each in pilot.raced}) == 7
    outcomes = [each.outcome for each in pilot.raced]
    assert outcomes[0] == "won"
    assert outcomes.count("won") == 1
    assert {each.keep_prob for each in pilot.raced} == {0.6, 0.8, 1.0}
    first_heat = min(each.share for each in pilot.raced)
    shares = sorted({each.share for each in pilot.raced})
    assert shares == pytest.approx([times * first_heat for times in (1, 3, 6, 10)])
    # Of five rungs four go on, then three of those and two keep probabilities, then two.
    assert [sum(each.share == share for each in pilot.raced) for share in shares] == [1, 3, 1, 2]
    assert pilot.raced[0].share == shares[-1]
    assert pilot.share == pytest.approx(5 * first_heat, abs=1 / 4000)
    y = np.eye(3)[data_for("multilayer")[1]]
    assert pilot.constant_loss == pytest.approx(y.var(axis=0).sum(), rel=0.05), "that of four fifths"
    assert pilot.held_out_rows == 80
    assert pilot.loss is not None
    assert 0 <= present(pilot.held_out_error) < 0.5
    report = assert_well_formed(found)
    assert "Race" in report
    assert "Calibrated constants" in report


def with_ladder(monkeypatch: pytest.MonkeyPatch, *powers: int) -> None:
    """Race these powers of two, and no others."""
    monkeypatch.setattr(candidates, "RUNGS", powers)
    for module in (candidates, tournament):
        monkeypatch.setattr(module, "MOST_ADDED", 0)


@pytest.mark.parametrize("kind", KINDS)
def test_saturated_and_diverged_candidates_never_win(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_ladder(monkeypatch, -1, 0, 17, 23, 30, 140)
    found = piloted(kind, **LONG)
    by_source = {each.source.split("/")[0]: each for each in found.pilot.raced}
    assert found.pilot.raced[0].source.startswith(("0.5/U", "1/U"))
    assert by_source[f"{2.0**140:g}"].outcome == "diverged"
    for source in (f"{2.0**power:g}" for power in (17, 23, 30)):
        assert by_source[source].outcome == "no better than a constant"
        assert by_source[source].loss > found.pilot.constant_loss
    assert max(gammas(found.recommendations[0])) < 1e3
    document = as_document("recommend", found)
    assert document["pilot"]["raced"][-1]["loss"] is None
    assert any("written as null" in note for note in document["notes"])
    assert_well_formed(found)


@pytest.mark.parametrize("kind", KINDS)
def test_where_all_saturate_the_advice_is_that_without_a_race(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_ladder(monkeypatch, 17, 23, 30, 140)
    found = piloted(kind)
    plain = recommend(spec_for(kind), data=data_for(kind), constants="calibrated")
    assert found.notes[0].startswith("No candidate of the race did better than a constant prediction")
    assert "won" not in {each.outcome for each in found.pilot.raced}
    # Held-out rows are not measured, so that the constants differ a little.
    assert found.recommendations[0].batch_size == plain.recommendations[0].batch_size
    assert max(gammas(found.recommendations[0])) < 100
    assert not found.interrupted
    assert_well_formed(found)


def document_of(advice: Advice) -> dict[str, Any]:
    return as_document("recommend", advice)


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_and_threads(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = document_of(piloted(kind, 0.3, seed=1, batch=[8, 16]))
    assert document_of(piloted(kind, 0.3, seed=2, batch=[8, 16])) != first
    monkeypatch.setattr(rsg_module, "THREAD_WORK", 0.0)
    assert document_of(piloted(kind, 0.3, seed=1, threads=2, batch=[8, 16])) == first


class Stopper:
    """Presses Ctrl-C at the n-th report of progress, and keeps what was reported."""

    def __init__(self, at: int) -> None:
        self.at, self.told = at, list[tuple[float, str]]()

    def __call__(self, part: float, name: str) -> None:
        self.told.append((part, name))
        if len(self.told) == self.at:
            raise KeyboardInterrupt


def advised(kind: str, progress: Callable[[float, str], None]) -> PilotAdvice:
    x, y = (data_for(kind),) * 2 if kind == "autoencoder" else data_for(kind)
    found = advise_with_data(
        Spec.model_validate(spec_for(kind, batch=[8, 16])),
        Data(x, x if kind == "autoencoder" else np.eye(3)[y]),
        spending=Spending(0.5),
        seed=0,
        top=3,
        measured={"samples": 400, "mean": float(np.mean(x))},
        progress=progress,
    )
    assert isinstance(found, PilotAdvice)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_race_gives_the_best_by_then(kind: str) -> None:
    whole = Stopper(0)
    complete = advised(kind, whole)
    assert not complete.interrupted
    assert whole.told[0] == (0.0, "measuring")
    parts = [part for part, name in whole.told if name == "racing"]
    assert parts == sorted(parts)
    assert (parts[0], parts[-1]) == (0.0, 1.0)
    with pytest.raises(KeyboardInterrupt):
        advised(kind, Stopper(1))  # nothing is known yet
    costs = []
    last = len(whole.told)
    for at in sorted({2, 3, 4, 5, *range(6, last, 8), last}):
        found = advised(kind, Stopper(at))
        assert found.interrupted
        assert found.recommendations
        assert_well_formed(found)
        ran = [each for each in found.pilot.raced if math.isfinite(each.loss)]
        if at == 2:
            assert not ran
            assert found.notes[0].startswith("The race was interrupted before any candidate had run")
        else:
            assert found.pilot.raced[0].outcome == "won"
            assert gammas(found.recommendations[0]) == found.pilot.raced[0].stepsizes
            assert found.pilot.raced[0].loss == min(e.loss for e in ran if e.share == ran[0].share) or at > 4
            assert "Interrupted: this is the best by then." in found.notes
        costs.append(found.cost)
    assert costs == sorted(costs)
    assert 0 < costs[0] < costs[-1] <= complete.cost


@pytest.mark.parametrize("kind", KINDS)
def test_a_spec_that_fixes_everything_is_run_as_it_is(kind: str) -> None:
    stepsize: Any = [0.5, 0.25] if kind == "multilayer" else 0.5
    fixed = {"stepsize": stepsize, "iterations": 1500, "decay": 0.1}
    found = piloted(kind, training=fixed)
    (only,) = found.pilot.raced
    assert (only.outcome, only.source) == ("won", "the stepsize of the spec")
    (row,) = found.recommendations
    assert gammas(row) == tuple(np.ravel(stepsize))
    assert (row.batch_size, row.iterations, row.decay, row.keep_prob) == (16, 1500, 0.1, 1.0)
    assert found.cost <= 0.5
    assert_well_formed(found)


@pytest.mark.parametrize("kind", KINDS)
def test_any_constants_may_be_shown(kind: str) -> None:
    """The race is the same, whose bounds are shown beside its winner."""
    same = piloted(kind, 0.4)
    assert not any(row.proven for row in same.recommendations)
    for constants in ("paper", "certified", "calibrated"):
        found: Advice = same
        if constants != "calibrated":
            found = recommend(spec_for(kind), data=data_for(kind), constants=constants, pilot=0.4)
        assert isinstance(found, PilotAdvice)
        assert found.constants == constants
        assert [each.stepsizes for each in found.pilot.raced] == [each.stepsizes for each in same.pilot.raced]
        for row in found.recommendations:
            assert math.isfinite(row.certified_bound)
        assert_well_formed(found)


def test_pilots_that_are_too_small() -> None:
    data = data_for("single_layer")
    short = spec_for("single_layer", training={"iterations": 40})
    said = r"at least .* for a training of 640 samples.*got 0\.2; raise it, or"
    with pytest.raises(UsageError, match=said):
        recommend(short, data=data, pilot=0.2)
    masked = spec_for("multilayer", keep={"min": 0.5, "max": 1.0}, budget={"samples": 3_000})
    said = r"too small for a race of 7 candidates: .* must have 2 or more of the"
    with pytest.raises(UsageError, match=said):
        recommend(masked, data=data_for("multilayer"), pilot=0.5)


def test_inputs_without_a_gradient() -> None:
    with pytest.raises(HypothesisError, match="must have curvature at W1"):
        recommend(
            spec_for("single_layer"),
            data=(np.zeros((50, 12)), np.arange(50) % 3),
            pilot=1.0,
            constants="paper",
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 3, 30])
def test_few_rows(kind: str, rows: int) -> None:
    """Nothing is held out, and a batch may be larger than the data."""
    x = np.random.default_rng(0).random((rows, 12))
    data = x if kind == "autoencoder" else (x, np.eye(3)[np.arange(rows) % 3])
    found = recommend(spec_for(kind), data=data, constants="calibrated", pilot=0.5)
    assert isinstance(found, PilotAdvice)
    assert found.pilot.held_out_rows == 0
    assert found.cost <= 0.5
    assert_well_formed(found)
