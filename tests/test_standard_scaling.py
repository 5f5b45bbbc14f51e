"""`data.scaling: standard`: mean 0 and variance 1 per column, as scikit-learn has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, strict

from rsgadvise.data import statistics as passes
from rsgadvise.data.opening import open_data
from rsgadvise.data.scaling import STANDARD
from rsgadvise.data.statistics import load_rows, measure

RNG = np.random.default_rng(3)
ROWS = 300
ARRAYS: dict[str, Any] = {
    "of any range": RNG.normal(3, [1, 50, 1e-3, 1e6], (ROWS, 4)),
    "a constant, two values, an offset": np.column_stack(
        [np.full(ROWS, 0.1), RNG.integers(0, 2, ROWS), 1e9 + RNG.random(ROWS), RNG.random(ROWS)]
    ),
    "8 bits": RNG.integers(0, 256, (ROWS, 5), dtype=np.uint8),
    "in [0, 1], single precision": RNG.random((ROWS, 3)).astype(np.float32),
    "wider than a float": RNG.normal(0, 1, (ROWS, 2)) * [1.5e308 / 4, 1.0],
}


def exact(values: Any) -> Any:
    """Means and deviations in extended precision."""
    wide = np.asarray(values, np.longdouble)
    away, deviation = wide - wide.mean(axis=0), wide.std(axis=0)
    varies = wide.min(axis=0) < wide.max(axis=0)
    return np.where(varies, away / np.where(varies, deviation, 1), 0).astype(np.float64)


@pytest.mark.parametrize("rows_at_once", [7, ROWS])
@pytest.mark.parametrize("name", ARRAYS)
def test_rows_and_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, rows_at_once: int
) -> None:
    values = ARRAYS[name]
    np.save(tmp_path / "a.npy", values)
    monkeypatch.setattr(passes, "CHUNK_BYTES", rows_at_once * values.shape[1] * 8)
    monkeypatch.setattr(passes, "GRAM_ROWS", 1)
    found = measure(open_data(tmp_path / "a.npy"), scaling="standard")
    rows, _ = load_rows(open_data(tmp_path / "a.npy"), found)
    expected = exact(values)
    rounding = 1e-6 if "offset" in name else 1e-11  # of 1e9 in double precision, over the deviation
    np.testing.assert_allclose(rows, expected, rtol=1e-11, atol=rounding)
    assert found.scaling == STANDARD
    assert abs(found.mean) < rounding
    assert 0 <= found.mean_square < rounding
    constant = int((np.ptp(values.astype(np.longdouble), axis=0) == 0).sum())
    assert found.constant_columns == constant
    columns = values.shape[1]
    assert found.second_moment == pytest.approx((columns - constant) / columns, rel=1e-9)
    assert found.second_moment <= 1
    longest = np.linalg.norm(expected, axis=1).max()
    assert found.largest_norm == pytest.approx(longest, rel=1e-9 if rounding < 1e-9 else 1e-6)
    top = np.linalg.eigvalsh(expected.T @ expected / ROWS)[-1]
    assert found.top_eigenvalue == pytest.approx(top, rel=1e-9)


@pytest.mark.parametrize("name", [name for name in ARRAYS if "float" not in name])
def test_rows_are_those_of_scikit_learn(tmp_path: Path, name: str) -> None:
    scalers = pytest.importorskip("sklearn.preprocessing", reason="needs scikit-learn")
    np.save(tmp_path / "a.npy", ARRAYS[name])
    rows, _ = load_rows(
        open_data(tmp_path / "a.npy"), measure(open_data(tmp_path / "a.npy"), scaling="standard")
    )
    theirs = scalers.StandardScaler().fit_transform(ARRAYS[name].astype(np.float64))
    np.testing.assert_allclose(rows, theirs, rtol=1e-11, atol=1e-6 if "offset" in name else 1e-11)


TAILS = np.column_stack(
    [
        np.exp(RNG.normal(0, 1.5, ROWS)),  # above 0
        np.where(RNG.random(ROWS) < 0.5, 0, np.exp(RNG.normal(0, 1.5, ROWS))),
        np.exp(RNG.normal(0, 1.5, ROWS)) - 5,
        RNG.normal(0, 1, ROWS),  # and three that have none, the second being rare and the last reversed
        RNG.random(ROWS) < 0.02,
        -np.exp(RNG.normal(0, 1.5, ROWS)),
    ]
)


@pytest.mark.parametrize("rows_at_once", [7, ROWS])
def test_logarithms_of_columns_with_a_long_tail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    np.save(tmp_path / "a.npy", TAILS)
    monkeypatch.setattr(passes, "CHUNK_BYTES", rows_at_once * TAILS.shape[1] * 8)
    monkeypatch.setattr(passes, "GRAM_ROWS", 1)
    assert measure(open_data(tmp_path / "a.npy")).tailed_columns == (0, 1, 2)
    assert measure(open_data(tmp_path / "a.npy"), scaling="robust").tailed_columns == ()
    found = measure(open_data(tmp_path / "a.npy"), scaling="logarithms")
    assert found.tailed_columns == (0, 1, 2)
    assert "Logarithms were taken of columns with a long tail: 0, 1, 2." in found.notes
    logged = TAILS.copy()
    logged[:, 0] = np.log(logged[:, 0])
    for at in (1, 2):
        moved = logged[:, at] - logged[:, at].min()
        logged[:, at] = np.log(moved + np.exp(np.log(moved[moved > 0]).mean()))
    expected = exact(logged)
    np.testing.assert_allclose(
        load_rows(open_data(tmp_path / "a.npy"), found)[0], expected, rtol=1e-11, atol=1e-11
    )
    assert found.largest_norm == pytest.approx(np.linalg.norm(expected, axis=1).max(), rel=1e-12)
    assert found.second_moment == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("name", ARRAYS)
def test_logarithms_where_no_column_has_a_tail_are_standard(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "a.npy", ARRAYS[name])
    found = measure(open_data(tmp_path / "a.npy"), scaling="logarithms")
    assert found.tailed_columns == ()
    rows = [
        load_rows(open_data(tmp_path / "a.npy"), measure(open_data(tmp_path / "a.npy"), scaling=kind))[0]
        for kind in ("standard", "logarithms")
    ]
    np.testing.assert_array_equal(rows[0], rows[1])


CLASSES = np.arange(ROWS) % 3
LEARNT = ARRAYS["of any range"].copy()
LEARNT[:, 0] += CLASSES
LEARNT[:, 1] += 50 * (CLASSES == 1)
NETWORK = (
    "network: {kind: multilayer, layers: [4, 5, 3], activation: tanh, loss: cross_entropy, bias: true}\n"
)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    np.savez(tmp_path / "a.npz", x=LEARNT, y=CLASSES)
    np.savetxt(tmp_path / "a.csv", np.column_stack([LEARNT, CLASSES]), "%.17g", ",")
    path = tmp_path / "spec.yaml"
    path.write_text(f"{NETWORK}data: {{file: a.npz, scaling: standard}}\nbudget: {{epochs: 20}}\n")
    return path


def test_advice_is_measured_and_what_is_proven_said(run: Run, spec: Path, tmp_path: Path) -> None:
    document = run.document("recommend", spec, "--work", "2e8")
    train = document["train"]
    assert (train["source"], train["learns"], train["scaling"]) == ("raced", True, STANDARD)
    said = document["guarantee"]["statement"]
    assert "inputs scaled to mean 0 and variance 1 per column with a largest eigenvalue of E x x^T" in said
    assert "each, projection" not in said  # of tanh units no loss is larger, however long an input is
    assert not any(note.startswith("No guarantee") for note in document["notes"])
    shown = run.words("recommend", spec, "--work", "2e8")
    assert f"inputs scaled: {STANDARD}" in shown
    assert "Nothing useful is proven" in shown.partition("Next:")[0]
    page = tmp_path / "page.html"
    assert run("report", spec, "--work", "2e8", "-o", page).code == 0
    assert "gives every column mean 0 and variance 1" in page.read_text()


def test_training_measures_on_the_scaled_rows(run: Run, spec: Path) -> None:
    fixed = ("stepsize=0.1", "batch_size=300", "iterations=3", "stopping=[0,0,1]")
    sets = [part for each in fixed for part in ("--set", f"training.{each}")]
    options = (*sets, "--measure", "--jobs", "1", "-q", "-f", "json", "--runs")
    vary = ("--vary", "training.stepsize=0.1")
    (ours,) = strict(run("sweep", spec, *vary, *options, "2").out)["points"]
    (other,) = strict(run("sweep", spec, *vary, *options, "2", "--set", "data.scaling=minmax").out)["points"]
    assert ours["paper_bound"] is None
    assert 0 < ours["certified_bound"] <= ours["largest_gradient"]
    assert other["certified_bound"] > 0
    assert ours["measured"]["initial_loss"] != pytest.approx(other["measured"]["initial_loss"], rel=1e-3)
    assert run("compare", spec, spec, *options, "4").code == 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ("bound", "S", "--constants", "paper", "--set", "network={kind: multilayer, layers: [4, 5, 3]}"),
            "data.scaling: must be minmax, robust, none or auto for Corollary V.1, equation (12), whose "
            "inputs lie in [0, 1]; got standard; use --constants certified",
        ),
        (
            (
                "verify",
                "S",
                "--set",
                "data={scaling: standard, samples: 300}",
                "--set",
                "training.stepsize=0.01",
            ),
            "made-up data stand in for yours",
        ),
        (
            ("bound", "S", "--set", "data={scaling: standard, mean: 0.3, samples: 300}"),
            "data.mean: must be 0 with scaling",
        ),
        (
            ("bound", "S", "--set", "data={scaling: standard, mean_square: 0.3, samples: 300}"),
            "data.mean_square: must be 0 with scaling: standard",
        ),
        (
            (
                "bound",
                "S",
                "--set",
                "data={scaling: standard, top_eigenvalue: 3, largest_norm: 1.7, samples: 300}",
            ),
            "data.largest_norm: must be at least the square root of top_eigenvalue, 1.73205; got 1.7",
        ),
        (
            ("bound", "S", "--set", "data={largest_norm: 1.7, samples: 300}"),
            "data.largest_norm: must be absent without scaling: standard",
        ),
        (("recommend", "S", "--constants", "typical"), "made-up data stand in for yours"),
        (("stats", "a.npz", "--scaling", "standard", "--into", "S"), "--into writes moments of inputs in"),
        (
            ("bound", "S", "--set", "network={kind: autoencoder, layers: [4, 2]}"),
            "data.scaling: must be one that keeps features in [0, 1] for the outputs of an autoencoder",
        ),
    ],
)
def test_what_rests_on_inputs_in_the_unit_box_is_refused(
    run: Run, spec: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(spec.parent)
    before = spec.read_text()
    assert said in run.refused(*(str(spec) if word == "S" else word for word in command))
    assert spec.read_text() == before


def test_a_spec_from_init_keeps_the_scaling_alone(run: Run, spec: Path, tmp_path: Path) -> None:
    made = tmp_path / "made.yaml"
    assert run("init", made, "--data", tmp_path / "a.npz", "--scaling", "standard").code == 0
    text = made.read_text()
    assert "\n  scaling: standard" in text
    assert "\n  mean:" not in text
    assert run("recommend", made, "--work", "1e7", "--set", "budget.epochs=2").code == 0


def test_what_is_typed_is_as_good_as_what_is_measured(run: Run, spec: Path, tmp_path: Path) -> None:
    """A spec without a file has the bound of the file's numbers; what needs a norm has none without it."""
    fixed = ("stepsize=0.02", "batch_size=300", "iterations=100000")
    options: tuple[str, ...] = ("--set", "network.activation=softplus", "--set", "network.weight_bound=0.2")
    options += ("-f", "json", "-q")
    options += tuple(part for each in fixed for part in ("--set", f"training.{each}"))
    own = strict(run("bound", spec, *options).out)
    numbers = run.document("stats", tmp_path / "a.npz", "--scaling", "standard")
    assert numbers["largest_norm"] == pytest.approx(np.linalg.norm(exact(LEARNT), axis=1).max())
    kept = ("second_moment", "top_eigenvalue", "largest_norm")
    written = ", ".join(f"{key}: {numbers[key]!r}" for key in kept)
    typed = strict(
        run("bound", spec, *options, "--set", f"data={{scaling: standard, samples: 300, {written}}}").out
    )
    assert typed["certified_bound"] == pytest.approx(own["certified_bound"], rel=1e-12)
    short = strict(run("bound", spec, *options, "--set", "data={scaling: standard, samples: 300}").out)
    assert short["certified_bound"] == pytest.approx(short["largest_gradient"])  # of any f(W1)
    (assumed,) = [each for each in short["assumed"] if each["key"] == "data.largest_norm"]
    assert "no largest loss" in assumed["why"]
    given = ("--set", "data={scaling: standard, samples: 300}", "--set", "training.initial_loss=2")
    assert strict(run("bound", spec, *options, *given).out)["certified_bound"] < short["certified_bound"]


@pytest.mark.parametrize("keep_prob", [1, 0.5])
def test_every_question_about_bounds(run: Run, spec: Path, keep_prob: float) -> None:
    fixed = ("stepsize=0.002", "batch_size=30", "iterations=100", f"keep_prob={keep_prob}")
    options = tuple(part for each in fixed for part in ("--set", f"training.{each}"))
    document = run.document("explain", spec, *options, "-q")
    known = {each["id"]: each for each in document["assumptions"]}
    assert known["standardised_inputs"]["holds"]
    assert "inputs" not in known
    assert all(known[name]["holds"] for name in ("smoothness", "variance", "moments"))
    assert {"data.largest_norm", "data.top_eigenvalue"} <= {each["key"] for each in document["knobs"]}
    (case,) = run.document("verify", spec, *options, "-q")["cases"]
    assert (case["constants"], case["verdict"]) == ("certified", "consistent")
    assert run("iterations", spec, "--eps", "50", "--delta", "0.1", "-q").code in (0, 1)


def test_an_autoencoder_with_linear_outputs(run: Run, spec: Path) -> None:
    spec.write_text(
        "network: {kind: autoencoder, layers: [4, 2], activation: tanh, loss: squared_linear}\n"
        "data: {file: a.npz, scaling: standard}\nbudget: {epochs: 20}\n"
    )
    document = run.document("recommend", spec, "--work", "2e8")
    assert document["train"]["loss"] < 0.9 * document["train"]["constant_loss"]
