"""The statistics, the variants and the blame of `python -m research.agreement`; no data sets needed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from research.agreement import measuring, store
from research.agreement.blame import (
    Agreement,
    Noise,
    agreement,
    compare,
    costliest,
    culprit,
    dependence,
    noise,
)
from research.agreement.design import BLOCKS, FAMILIES, KNOBS, Configuration, Family, Sweep, design, sweeps
from research.agreement.measuring import Outcome, measure_one, measure_sweep, with_calibration
from research.agreement.predicting import (
    ALL_FREE,
    ALL_MEASURED,
    AS_REPORTED,
    BACK,
    CONSTANTS,
    GRADIENT_ALONE,
    IDEAL,
    PUT_BACK,
    REACH,
    point_of,
    predictions,
    vacuity_limit,
)
from research.agreement.report import Setting, Swept, render
from research.agreement.statistics import interval, kendall, latin_hypercube, moves, ranks, spearman, untied
from rsgadvise.theory import FLOORLESS
from rsgadvise.theory.judge import judge, objective_for
from rsgadvise.theory.stopping import harmonic_number
from rsgadvise.training.expectation import Expectation
from rsgadvise.training.generated import moments_of
from rsgadvise.training.networks import Data, initial_weights
from rsgadvise.training.rsg import Stream, Training, train

FOLDER = Path("nowhere")


# Statistics


@pytest.mark.parametrize("seed", range(8))
def test_correlations_are_those_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, 6, 25).astype(float), rng.integers(0, 9, 25) + rng.random()
    assert spearman(left, right) == pytest.approx(scipy.stats.spearmanr(left, right).statistic, abs=1e-12)
    assert kendall(left, right) == pytest.approx(scipy.stats.kendalltau(left, right).statistic, abs=1e-12)
    assert np.array_equal(ranks(left), scipy.stats.rankdata(left))


def test_correlations_by_hand() -> None:
    # Ranks 1, 2.5, 2.5, 4 and 1..4: covariance 4.5, squares 4.5 and 5; 5 pairs agree, one is tied.
    assert spearman([1, 2, 2, 4], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    assert kendall([1, 2, 2, 4], [1, 2, 3, 4]) == pytest.approx(5 / math.sqrt(5 * 6))
    assert spearman([1, np.inf, 2], [1, 3, 2]) == pytest.approx(1)
    assert kendall([1, np.inf, np.inf, 2], [1, 3, 3, 2]) == pytest.approx(1)
    assert math.isnan(spearman([5, 5, 5], [1, 2, 3]))
    assert math.isnan(kendall([5, 5, 5], [1, 2, 3]))
    assert math.isnan(spearman([1, 2], [1, 2]))
    assert math.isnan(spearman([1, 2, math.nan], [1, 2, 3]))
    assert math.isnan(kendall([1, 2, 3], [1, 2, math.nan]))


@pytest.mark.parametrize("correlation", [0.3, 0.9])
def test_the_interval_covers(correlation: float) -> None:
    """Of normal pairs Spearman's rho is (6/pi) arcsin(r/2)."""
    truth = 6 / math.pi * math.asin(correlation / 2)
    rng = np.random.default_rng(1)
    covered, trials = 0, 200
    for _ in range(trials):
        left, noise_ = rng.standard_normal((2, 40))
        right = correlation * left + math.sqrt(1 - correlation**2) * noise_
        low, high = interval(left, right, resamples=200)
        covered += low <= truth <= high
    # 95 % less what a percentile interval of 40 pairs is short by, within three standard errors.
    assert 0.86 <= covered / trials <= 0.99


def test_the_interval_of_few_or_tied_pairs_is_none() -> None:
    assert all(map(math.isnan, interval([1, 2, 3], [1, 2, 3])))
    assert all(map(math.isnan, interval([1, 1, 1, 1, 1], [1, 2, 3, 4, 5])))


def test_ordered_pairs() -> None:
    assert untied([1, 1, 2]) == pytest.approx(2 / 3)
    assert untied([1, 1 + 1e-12, 2]) == pytest.approx(2 / 3)
    assert untied([np.inf, np.inf, 1]) == pytest.approx(2 / 3)
    assert moves([2, 6, 3]) == 3
    assert moves([0, 1]) == math.inf


def test_latin_hypercube() -> None:
    points = latin_hypercube(12, 3, 5)
    assert np.array_equal(np.sort((points * 12).astype(int), axis=0), np.tile(np.arange(12)[:, None], 3))
    assert np.array_equal(points, latin_hypercube(12, 3, 5))
    assert not np.array_equal(points, latin_hypercube(12, 3, 6))


# Design


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("block", BLOCKS)
def test_the_design_covers_the_knobs(family: Family, block: str) -> None:
    found = design(family, "mnist", block, 40)  # type: ignore[arg-type]
    assert len(set(found)) == 40
    assert len({each.key for each in found}) == 40
    assert [replace(each, data="cifar") for each in found] == design(family, "cifar", block, 40)  # type: ignore[arg-type]
    assert {each.resolution for each in found} == {0, 1, 2}
    batches, iterations = ([each.batch_size for each in found], [each.iterations for each in found])
    assert (4 <= min(batches) < 6, 90 < max(batches) <= 128) == (True, True)
    assert (30 <= min(iterations) < 40, 600 < max(iterations) <= 800) == (True, True)
    assert sum(each.decay == 0 for each in found) == 16
    assert all(0 < each.fraction < 1 for each in found)
    if family != "single_layer":
        assert sum(each.keep_prob == 1 for each in found) in (13, 14)
        assert min(each.keep_prob for each in found) < 0.55
    if family == "multilayer":
        assert {len(each.hidden) for each in found} == {1, 2, 3}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sweep_varies_one_knob(family: Family) -> None:
    fields = {
        "inputs": {"resolution"},
        "outputs": {"classes"},
        "hidden width": {"hidden"},
        "first width": {"hidden"},
        "last width": {"hidden"},
        "depth": {"hidden"},
        "weight bound": {"weight_bound"},
        "keep prob": {"keep_prob"},
        "batch size": {"batch_size"},
        "iterations": {"iterations"},
        "stepsize": {"fraction"},
        "decay": {"decay"},
    }
    found = sweeps(family, "mnist", "within")
    assert [sweep.knob for sweep in found] == list(KNOBS[family]) * 2
    for sweep in found:
        first = asdict(sweep.levels[0])
        differing = {
            name for level in sweep.levels for name, value in asdict(level).items() if value != first[name]
        }
        assert differing == fields[sweep.knob]
        assert len(set(sweep.levels)) == len(sweep.levels) >= 3
        if "hidden" not in differing and not differing & {"resolution", "classes"}:
            assert len({level.key for level in sweep.levels}) == 1


# Measuring


def configuration(family: Family, **changes: object) -> Configuration:
    hidden = {"single_layer": (), "autoencoder": (4,), "multilayer": (5, 4)}[family]
    plain = Configuration(
        family=family,
        data="mnist",
        block="within",
        resolution=0,
        classes=3,
        hidden=hidden,
        weight_bound=0.0 if family == "single_layer" else 0.4,
        keep_prob=1.0,
        batch_size=8,
        iterations=20,
        decay=0.0,
        fraction=0.5,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Data:
    rng = np.random.default_rng(2)
    inputs = rng.random((40, 6)).astype(np.float32)
    data = Data(inputs, np.eye(3, dtype=np.float32)[rng.integers(0, 3, 40)])

    def rows_of(of: Configuration, folder: Path) -> tuple[Data, object]:
        return (Data(inputs, inputs) if of.family == "autoencoder" else data), moments_of(data)

    monkeypatch.setattr(measuring, "rows_of", rows_of)
    return data


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-values)))


def test_what_is_measured_at_the_start(rows: Data) -> None:
    """With one iteration R = 1, so all that is measured is about W^1, and can be written down."""
    of = configuration("single_layer", iterations=1)
    found = measure_one(of, FOLDER, 2)
    assert found.gradients == pytest.approx(found.first_gradients)
    x, y = rows.inputs.astype(float), rows.targets.astype(float)
    losses, squares, variances = [], [], []
    for replica in range(2):
        rng = np.random.default_rng([of.key, measuring._KEY, replica])
        w = initial_weights(measuring._network(of, 6), rng)[0][0]
        out = _sigmoid(x @ w.T)
        each = (2 * (out - y) * out * (1 - out))[:, :, None] * x[:, None, :]
        losses.append(((out - y) ** 2).sum(axis=1).mean())
        squares.append((each.mean(axis=0) ** 2).sum())
        variances.append(((each - each.mean(axis=0)) ** 2).sum(axis=(1, 2)).mean())
    assert found.first_gradients == pytest.approx(squares, rel=1e-4)
    assert found.first_loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert sum(found.variances) * 39 / 40 == pytest.approx(np.mean(variances), rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_moves_without_a_step(family: Family, rows: Data) -> None:
    found = measure_one(configuration(family, stepsize=1e-9), FOLDER, 3)
    assert found.gradients == pytest.approx(found.first_gradients, rel=1e-3)
    assert found.last_loss == pytest.approx(found.first_loss, rel=1e-5)
    assert len(set(found.gradients)) == 3  # each replica has a start of its own


@pytest.mark.parametrize("family", FAMILIES)
def test_certified_bounds_hold(family: Family, rows: Data) -> None:
    found = measure_one(configuration(family, keep_prob=1.0 if family == "single_layer" else 0.8), FOLDER, 6)
    bounds = predictions(found, "certified")
    assert bounds is not None
    assert found.measured < bounds[AS_REPORTED]
    assert found.last_loss < found.first_loss
    assert 0 < found.smoothness < 2 / found.stepsize


@pytest.mark.parametrize("iterations", [1, 2, 30, 800])
def test_strata_are_all_iterations(iterations: int) -> None:
    edges = measuring.strata(iterations)
    assert (edges[0], edges[-1]) == (1, iterations + 1)
    assert np.all(np.diff(edges) > 0)
    assert len(edges) <= 2 * measuring.LOOKS


def test_what_is_measured_is_the_mean_over_the_iterations(rows: Data) -> None:
    """Against the same replicas looked at in every iteration."""
    of = configuration("multilayer", stepsize=0.5, iterations=12, decay=0.3)
    found = np.mean(measure_one(of, FOLDER, 300).gradients)
    network = measuring._network(of, 6)
    streams = [Stream(of.key, (measuring._KEY, replica)) for replica in range(300)]
    starts = [
        initial_weights(network, np.random.default_rng([of.key, measuring._KEY, r])) for r in range(300)
    ]
    start = [np.concatenate(matrices) for matrices in zip(*starts, strict=True)]
    training = Training(network, rows, (0.5, 0.5, 0.5), 8, 0.3)
    every = [
        Expectation(network, rows)
        .measure(shot.weights, training.stepsizes_at(shot.iteration), [])
        .squared_norm
        for shot in train(training, start, streams, [np.arange(1, 13)] * 300)
    ]
    assert found == pytest.approx(np.mean(every), rel=0.03)


def test_a_sweep_keeps_its_stepsize(rows: Data) -> None:
    levels = tuple(configuration("autoencoder", weight_bound=w, common=True) for w in (0.1, 0.4, 1.0))
    found = measure_sweep(Sweep("weight bound", levels), FOLDER, 2)
    assert len({outcome.stepsize for outcome in found}) == 1
    widest = measure_one(levels[-1], FOLDER, 2)
    assert found[0].stepsize == pytest.approx(widest.stepsize)  # the limit is lowest there
    steps = tuple(configuration("autoencoder", fraction=f, common=True) for f in (0.1, 0.2))
    one, two = measure_sweep(Sweep("stepsize", steps), FOLDER, 2)
    assert two.stepsize == pytest.approx(2 * one.stepsize)
    assert one.first_gradients == pytest.approx(two.first_gradients, rel=1e-6)


def test_outcomes_are_kept(rows: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = configuration("multilayer")
    monkeypatch.setattr(store, "_file", lambda _: "one")
    found = store.outcomes(of, FOLDER, 2, tmp_path)
    assert Outcome.of(json.loads(json.dumps(asdict(found[0])))) == found[0]
    monkeypatch.setattr(store, "measure_one", None)
    assert store.outcomes(of, FOLDER, 2, tmp_path) == found
    for other, replicas in ((of, 3), (replace(of, batch_size=9), 2)):
        with pytest.raises(TypeError):
            store.outcomes(other, FOLDER, replicas, tmp_path)
    monkeypatch.setattr(store, "_file", lambda _: "two")
    with pytest.raises(TypeError):
        store.outcomes(of, FOLDER, 2, tmp_path)


# Predicting


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("decay", [0.0, 0.4])
@pytest.mark.parametrize("keep_prob", [1.0, 0.7])
def test_what_is_reported_is_what_the_product_says(
    family: Family, decay: float, keep_prob: float, rows: Data
) -> None:
    if family == "single_layer" and keep_prob < 1:
        return
    outcome = measure_one(configuration(family, decay=decay, keep_prob=keep_prob), FOLDER, 2)
    problem, point = outcome.problem(), point_of(outcome)
    for constants in CONSTANTS:
        if constants == FLOORLESS and family == "single_layer":
            assert predictions(outcome, constants) is None
            continue
        known = with_calibration(problem, outcome) if constants == "calibrated" else problem
        expected = float(point.bound(objective_for(known, constants)).value)
        if constants == "certified":
            expected = judge(known, point, "certified").sure
        found = predictions(outcome, constants)
        assert found is not None
        assert found[AS_REPORTED] == pytest.approx(expected)
        if constants == FLOORLESS:
            continue
        whole = found["not capped"] if constants == "certified" else expected
        terms = [whole - found[name] for name in found if name.startswith("without") and "/" not in name]
        assert sum(terms) == pytest.approx(whole)  # the terms left out make up the bound
        # Measured parts that equal the assumed ones change nothing.
        same = replace(outcome, first_loss=known.initial_loss)
        again = predictions(same, constants)
        assert again is not None
        assert again["f(W1) measured"] == pytest.approx(whole)
    assert vacuity_limit(outcome) > 0


def test_other_units_share_the_randomness_of_sigmoids_but_not_their_theorems(rows: Data) -> None:
    plain = configuration("multilayer")
    other = replace(plain, activation="tanh", loss="cross_entropy")
    assert other != plain
    assert other.key == plain.key
    ours, theirs = (measure_one(each, FOLDER, 2) for each in (other, plain))
    problem = ours.problem()
    assert problem.units[0].name == "tanh"
    assert problem.initial_loss == problem.largest_loss > theirs.problem().largest_loss
    assert ours.calibrated_loss == pytest.approx(math.log(plain.classes), rel=0.5)
    assert predictions(ours, "paper") is None
    for constants in ("certified", "floorless", "calibrated"):
        found = predictions(ours, constants)
        assert found is not None
        assert found[AS_REPORTED] > ours.measured


def test_variants_by_hand(rows: Data) -> None:
    outcome = measure_one(configuration("single_layer"), FOLDER, 2)
    gamma, n, batch = outcome.stepsize, 20, 8
    start, fall = outcome.first_loss, outcome.first_loss - outcome.last_loss
    noise_, curve = sum(outcome.variances), outcome.smoothness

    def seven(d: float, u: float, v: float) -> float:
        return (d / (n * gamma) + u * v * gamma / (2 * batch)) / (1 - u * gamma / 2)

    u, v = 13 / 8, 6 * 3 / 16
    found = predictions(outcome, "paper")
    assert found is not None
    assert found[AS_REPORTED] == pytest.approx(seven(3, u, v))
    assert found["f(W1) measured"] == pytest.approx(seven(start, u, v))
    assert found["decrease of f measured"] == pytest.approx(seven(fall, u, v))
    assert found["sigma^2 measured"] == pytest.approx(seven(3, u, noise_))
    assert found["U measured"] == pytest.approx(seven(3, curve, v))
    assert found["without initial error"] == pytest.approx(seven(0, u, v))
    assert found["without gradient noise"] == pytest.approx(seven(3, u, 0))
    assert found["without 1/(1 - U gamma/2)"] == pytest.approx(seven(3, u, v) * (1 - u * gamma / 2))
    assert found[ALL_MEASURED] == pytest.approx(seven(fall, curve, noise_))
    assert found["R matched"] == pytest.approx(found[AS_REPORTED])  # without decay R is uniform
    assert found[GRADIENT_ALONE] == outcome.first_gradients[0]
    reach = 3 * (1 - math.exp(-outcome.first_gradients[0] * n * gamma / 3))
    assert found[REACH] == pytest.approx(seven(reach, u, v))
    assert found[IDEAL] == pytest.approx(seven(fall, curve, noise_))
    back = dict(zip(PUT_BACK, ((3, curve, noise_), (fall, curve, v), (fall, u, noise_)), strict=False))
    for name, values in back.items():
        assert found[name] == pytest.approx(seven(*values))


def test_variants_of_several_layers_by_hand(rows: Data) -> None:
    outcome = measure_one(configuration("multilayer", keep_prob=0.7), FOLDER, 2)
    gamma, n, batch, zeta = outcome.stepsize, 20, 8, 0.7
    fall = outcome.first_loss - outcome.last_loss
    curves = (5 and 0.4 * 4 / 20, 0.4 * 3 / 20, 13 / 16)  # alpha d_{l+1} w / 20, and the output's
    noises = [6 * 5 * 4 * 0.4 / 4, 5 * 4 * 3 * 0.4 / 4, 13 * 4 * 3 / 256 * gamma]

    def thirteen(d: float, e: list[float], z: float, b: tuple[float, ...] = curves) -> float:
        g = min(gamma - each * gamma**2 for each in b)
        return d / (n * g * z**2) + (e[2] / z + e[1] + z * e[0]) * gamma / (g * batch)

    found = predictions(outcome, "paper")
    assert found is not None
    assert found[AS_REPORTED] == pytest.approx(thirteen(3, noises, zeta))
    first, second, top = outcome.variances
    assert found["sigma^2 measured"] == pytest.approx(
        thirteen(3, [first, second, 13 / 16 * gamma * top], zeta)
    )
    assert found["keep prob 1 in the bound"] == pytest.approx(thirteen(3, noises, 1.0))
    half = outcome.smoothness / 2
    assert found["U measured"] == pytest.approx(thirteen(3, noises, zeta, (half,) * 3))
    noise_, u = sum(outcome.variances), outcome.smoothness
    free = (fall / (n * gamma) + u * noise_ * gamma / (2 * batch)) / (1 - u * gamma / 2)
    assert found[ALL_FREE] == found[IDEAL] == pytest.approx(free)
    boxed = (fall / (n * gamma) + noise_ / batch) / (1 - u * gamma / 2) + noise_ / batch
    assert found[ALL_MEASURED] == found["ideal, but noise as in a box"] == pytest.approx(boxed)
    assumed = noises[0] + noises[1] + 4 * 3 / 16
    swing = u * assumed * gamma / (2 * batch)
    assert found["ideal, but sigma^2 assumed"] == pytest.approx(
        (fall / (n * gamma) + swing) / (1 - u * gamma / 2)
    )
    certified_ = predictions(outcome, "certified")
    assert certified_ is not None
    stochastic = (fall / (n * gamma) + noise_ / batch) / (1 - u * gamma / 2)
    crossed = (math.sqrt(stochastic) + math.sqrt(noise_ / batch)) ** 2
    assert certified_[ALL_MEASURED] == pytest.approx(crossed)


def test_decay_enters_the_reach_and_the_matched_bound(rows: Data) -> None:
    outcome = measure_one(configuration("single_layer", decay=0.5), FOLDER, 2)
    time = outcome.stepsize * float(harmonic_number(0.5, 20))
    rest = outcome.stepsize**2 * float(harmonic_number(1.0, 20))
    u, v = 13 / 8, 6 * 3 / 16
    found = predictions(outcome, "paper")
    assert found is not None
    assert found["R matched"] == pytest.approx((3 + u * v / 16 * rest) / (time - u / 2 * rest))
    short = replace(outcome, first_gradients=(1e-6, 1.0))
    held = predictions(short, "paper")
    assert held is not None
    # So small a gradient lets f fall by no more than itself times the way.
    assert held[REACH] - held["without initial error"] < 1e-5
    # [T1] term by term, the decrease being all that f can rise or fall.
    fall, curve = outcome.first_loss - outcome.last_loss, outcome.smoothness
    gammas = outcome.stepsize * np.arange(1.0, 21.0) ** -0.5
    q = 1 / (20 * gammas * (1 - curve * gammas / 2))
    late = np.maximum(np.diff(q), 0).sum()
    swing = curve * sum(outcome.variances) / 16 * (q * gammas**2).sum()
    assert found[ALL_MEASURED] == pytest.approx((q[0] + late) * fall + swing)
    q = 1 / (20 * gammas * (1 - u * gammas / 2))
    late = np.maximum(np.diff(q), 0).sum()
    assert found[AS_REPORTED] - found["without late stopping"] == pytest.approx(3 * late)


def test_a_slight_decrease_is_that_of_first_order(rows: Data) -> None:
    outcome = measure_one(configuration("single_layer"), FOLDER, 2)
    quick = predictions(outcome, "paper")
    slow = replace(outcome, first_gradients=(1e-4, 3e-4), last_loss=5.0)  # seems to rise
    found = predictions(slow, "paper")
    assert found is not None
    assert quick is not None
    noise_ = found["without initial error"]
    assert found["decrease of f measured"] - noise_ == pytest.approx(
        2e-4 / (1 - 13 / 16 * outcome.stepsize), rel=1e-6
    )
    fall = (outcome.first_loss - outcome.last_loss) / 3
    assert quick["decrease of f measured"] - noise_ == pytest.approx(fall * (quick[AS_REPORTED] - noise_))


def test_outside_the_range(rows: Data) -> None:
    outcome = replace(measure_one(configuration("single_layer"), FOLDER, 2), stepsize=50.0)
    assert predictions(outcome, "paper") is None
    certified_, calibrated = predictions(outcome, "certified"), predictions(outcome, "calibrated")
    assert certified_ is not None
    assert calibrated is not None
    assert certified_[AS_REPORTED] == vacuity_limit(outcome)
    assert calibrated[AS_REPORTED] == math.inf
    # What needs no range is said all the same.
    assert certified_[IDEAL] == calibrated[IDEAL] < math.inf
    assert not any(name.startswith("without") or name == "not capped" for name in certified_)
    assert agreement([outcome] * 5, "paper") is None


# Blame


def _compared(found: list[dict[str, float]], measured: np.ndarray) -> Agreement:
    limits, inputs = np.full(len(measured), 1e9), np.zeros(len(measured), np.int64)
    return compare(
        "paper", found, measured=measured, limits=limits, inputs=inputs, decays=np.zeros(len(measured))
    )


def test_the_part_to_blame_is_found() -> None:
    """A bound of a true part and a scrambling one: leaving out the latter is what helps most."""
    rng = np.random.default_rng(7)
    true, wrong, small = rng.lognormal(0, 1, (3, 40))
    small = small / 100
    found = [
        {
            AS_REPORTED: t + 5 * w + s,
            "without initial error": 5 * w + s,
            "without gradient noise": t + s,
            "without projection noise": t + 5 * w,
            ALL_MEASURED: t,
        }
        for t, w, s in zip(true, wrong, small, strict=True)
    ]
    compared = _compared(found, true)
    assert compared.rho < 0.6
    assert compared.rho == compared.variants[AS_REPORTED]
    assert compared.variants[ALL_MEASURED] == pytest.approx(1)
    blamed = culprit(compared.variants)
    assert blamed is not None
    assert blamed == ("without gradient noise", compared.variants["without gradient noise"])
    assert blamed[1] > 0.99


def test_nothing_is_blamed_where_no_part_helps() -> None:
    rhos = {AS_REPORTED: 0.5, "without initial error": 0.51, "sigma^2 measured": 0.2, ALL_MEASURED: 0.99}
    assert culprit(rhos) is None
    assert culprit({AS_REPORTED: 0.5, ALL_MEASURED: 0.99}) is None
    assert culprit({AS_REPORTED: math.nan, "U measured": 0.1}) == ("U measured", 0.1)
    assert culprit({AS_REPORTED: 0.5, "U measured": math.nan}) is None


def test_parts_that_hide_each_other_show_when_put_back() -> None:
    """Two wrong parts: leaving out either alone leaves the other."""
    rng = np.random.default_rng(9)
    true, one, two = rng.lognormal(0, 1, (3, 40))
    found = [
        {
            AS_REPORTED: t + 30 * a + 20 * b,
            "without initial error": t + 20 * b,
            "without gradient noise": t + 30 * a,
            IDEAL: t,
            f"{BACK}D_f assumed": t + 30 * a,
            f"{BACK}sigma^2 assumed": t + 0.4 * b,
            f"{BACK}U assumed": t * 1.01,
        }
        for t, a, b in zip(true, one, two, strict=True)
    ]
    compared = _compared(found, true)
    blamed = culprit(compared.variants)
    assert blamed is None or blamed[1] < 0.5
    assert costliest(compared.variants) == ("D_f assumed", compared.variants[f"{BACK}D_f assumed"])
    assert costliest({IDEAL: 0.9, f"{BACK}D_f assumed": 0.89}) is None
    assert costliest({AS_REPORTED: 0.9}) is None


def test_a_part_that_a_bound_lacks_counts_as_reported() -> None:
    measured = np.arange(1.0, 6.0)
    found: list[dict[str, float]] = [{AS_REPORTED: value} for value in (1.0, 2.0, 3.0, 4.0)]
    found.append({AS_REPORTED: 0.5, "without late stopping": 5.0})
    compared = _compared(found, measured)
    assert compared.rho < 0.1
    assert compared.variants["without late stopping"] == pytest.approx(1)


def test_ties_are_said_to_say_nothing() -> None:
    measured = np.arange(1.0, 21.0)
    limits, inputs = np.full(20, 50.0), np.array([4] * 10 + [9] * 10)
    facts: Any = {
        "measured": measured,
        "limits": limits,
        "inputs": inputs,
        "decays": np.array([0.0, 0.5] * 10),
    }
    found = [{AS_REPORTED: 50.0 if value > 5 else value - 0.5} for value in measured]
    tied = compare("certified", found, **facts)
    assert (tied.vacuous, tied.below, tied.count) == (15, 5, 20)
    assert tied.ordered == pytest.approx(1 - 105 / 190)
    assert not tied.telling
    clear = compare("certified", [{AS_REPORTED: 2 * v} for v in measured], **facts)
    assert clear.telling
    assert clear.rho == clear.tau == clear.alike == clear.steady == pytest.approx(1)
    assert tied.capped
    assert not clear.capped
    assert clear.looseness == 2
    # Scale alone: the two sizes are told apart, and nothing is within them.
    scale = [{AS_REPORTED: float(d) + 0.01 * v % 1} for d, v in zip(inputs, [1, 3, 2, 4, 5] * 4, strict=True)]
    assert compare("certified", scale, **facts).rho > 0.75


def _outcomes(rows: Data, **changes: object) -> list[Outcome]:
    sizes = (4, 8, 16, 32)
    return [measure_one(configuration("autoencoder", batch_size=b, **changes), FOLDER, 4) for b in sizes]


def test_noise_of_what_is_measured(rows: Data) -> None:
    plain = _outcomes(rows)
    # Made up: replicas that agree, and replicas whose halves are in opposite order.
    firm = [replace(o, gradients=(v,) * 4) for o, v in zip(plain, (1.0, 2.0, 3.0, 8.0), strict=True)]
    torn = [replace(o, gradients=(v, 9 - v) * 2) for o, v in zip(plain, (1.0, 2.0, 3.0, 8.0), strict=True)]
    assert noise(firm).halves == pytest.approx(1)
    assert noise(firm).one_run == pytest.approx(1)
    assert noise(firm).span == 8
    assert noise(firm).reachable == pytest.approx(1)
    assert noise(torn).reachable == 0
    assert noise(torn).halves == pytest.approx(-1)


def test_one_knob(rows: Data) -> None:
    swept = _outcomes(rows, common=True, stepsize=0.05)
    rising = [replace(o, gradients=(v,) * 4) for o, v in zip(swept, (1.0, 2.0, 3.0, 4.0), strict=True)]
    falling = [replace(o, gradients=(5 - v,) * 4) for o, v in zip(swept, (1.0, 2.0, 3.0, 4.0), strict=True)]
    found = dependence("batch size", [falling, falling])
    assert found.moved == pytest.approx(4)
    assert found.sweeps == 2
    wrong, both = dependence("batch size", [rising]), dependence("batch size", [rising, falling])
    assert found.rhos["paper"] == pytest.approx(1)  # (11) falls with the batch size
    assert found.bounds_moved["paper"] > 1
    assert wrong.rhos["paper"] == pytest.approx(-1)
    assert wrong.variants["paper"]["without projection noise"] == pytest.approx(-1)
    start = found.variants["paper"]["ideal, but D_f assumed"]
    assert start == wrong.variants["paper"]["ideal, but D_f assumed"] * -1
    assert both.rhos["paper"] == pytest.approx(0)
    assert math.isnan(found.rhos["certified"])  # at its limit everywhere
    decaying = [replace(o, configuration=replace(o.configuration, decay=0.4)) for o in rising]
    mixed = dependence("batch size", [falling, decaying]).variants["paper"]
    assert mixed["without late stopping"] == pytest.approx(0)  # not that of the second sweep alone
    beyond = [replace(outcome, stepsize=1e6) for outcome in falling]
    assert math.isnan(dependence("batch size", [beyond]).rhos["paper"])


# Report


def test_the_report_says_what_agrees(rows: Data) -> None:
    measured = np.arange(1.0, 21.0)
    facts: Any = {
        "measured": measured,
        "limits": np.full(20, 15.0),
        "inputs": np.full(20, 6),
        "decays": np.zeros(20),
    }
    good: list[Mapping[str, float]] = [{AS_REPORTED: 2 * v, ALL_MEASURED: v} for v in measured]
    bad: list[Mapping[str, float]] = [
        {AS_REPORTED: float(v), "U measured": float(m)}
        for v, m in zip(np.random.default_rng(0).permutation(20) + 1, measured, strict=True)
    ]
    tied: list[Mapping[str, float]] = [{AS_REPORTED: 50.0}] * 20
    agreements = (
        compare("paper", bad, **facts),
        compare("certified", tied, **facts),
        compare("calibrated", good, **facts),
    )
    setting = Setting("single_layer", "mnist", "within", 24, Noise(0.99, 0.9, 0.5, 0.1, 20.0), agreements)
    knob = dependence("batch size", [_outcomes(rows, common=True, stepsize=0.05)])
    text = render([setting], [Swept("autoencoder", "within", (knob,))], "head")
    lines = text.splitlines()
    paper, certified_, calibrated = (
        next(line for line in lines if f"| mnist | {constants} |" in line)
        for constants in CONSTANTS
        if constants != FLOORLESS
    )
    assert "| 20/24 |" in paper
    assert paper.endswith("| no |")
    assert "| U measured: 1.00 | none |  |" in text
    assert "| none |" in certified_
    assert "| 20 | 0 |" in certified_
    assert "says nothing" in certified_
    assert "| 1.00 |" in calibrated
    assert calibrated.endswith("| yes |")
    assert "| U measured | 1.00 |  |  |" in text
    assert "| batch size | 1 |" in text
    assert "nan" not in text
