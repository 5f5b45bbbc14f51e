"""Programs that are given later rows: pandas and scikit-learn say what their networks must be shown."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from numpy.typing import NDArray

pandas = pytest.importorskip("pandas")
pytestmark = pytest.mark.usefixtures("advised_once")

LIBRARIES = ("torch", "keras", "sklearn")
RUN_ALL = """
import json, runpy, sys, warnings
import numpy as np
import {library}
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
for case in json.loads(sys.argv[1]):
    sys.argv = [case["program"], *case["later"]]
    print("#", case["name"])
    names = runpy.run_path(case["program"], run_name="__main__")
    x = np.load(case["inputs"])
    if "{library}" == "torch":
        output = names["outputs"](names["model"], names["torch"].tensor(x, dtype=names["torch"].float32))
    elif "{library}" == "keras":
        output = names["outputs"](names["model"], x.astype("float32"))
    elif hasattr(names["model"], "outputs"):
        output = names["spread"](names["model"].outputs(x), names["model"].classes_)
    else:
        output = names["model"].predict(x)
    np.save(case["inputs"], output)
"""
ROWS, LATER = 160, 24


def rows(seed: int, count: int) -> Any:
    rng = np.random.default_rng(seed)
    length, weight = rng.normal(40, 10, count).round(2), rng.uniform(-3, 900, count).round(1)
    colour = np.array(["red", "blue", "green"])[rng.integers(3, size=count)]
    score = (length - 40) / 10 + (weight - 450) / 260 + (colour == "red")
    return pandas.DataFrame(
        {
            "id": np.arange(count) + 7000 * seed,
            "length": length,
            "seen on": [f"2023-0{1 + k % 9}-1{k % 10}" for k in range(count)],
            "colour": colour,
            "flat": 3,
            "weight": weight,
            "species": np.select([score < -0.5, score < 0.9], ["ash", "elm, or so"], "oak"),
            "alive": np.where(score > 0.3, "yes", "no"),
            "sign": np.where(score > 0.3, "+1", "-1"),
            "grade": np.select([score < -0.5, score < 0.9], ["1.0", "2.0"], "10.0"),
            "price": (2e5 + 3e4 * score + rng.normal(0, 2e3, count)).round(2),
            "income": (100 * np.exp(2 * score + rng.normal(0, 0.1, count))).round(2),
        }
    )


FEATURES = ["length", "colour", "flat", "weight"]


@dataclass(frozen=True)
class Case:
    """What is predicted, by which network, and how its features are scaled.

    Attributes:
        target: column; network: keys of the spec after the layers; outputs: of it.
        shares: whether its outputs are probabilities.
    """

    target: str
    network: str
    outputs: int
    scaling: str = "minmax"
    shares: bool = False


CASES = {
    "words": Case("species", "loss: cross_entropy", 3, shares=True),
    "one output": Case("alive", "loss: binary_cross_entropy", 1, shares=True),
    "signs": Case("sign", "loss: squared", 2, "robust"),
    "floats": Case("grade", "loss: squared", 3, "standard"),
    "values": Case("price", "loss: squared", 1),
    "values with a tail": Case("income", "loss: squared", 1),
    "values, standardised": Case("price", "loss: squared_linear", 1, "standard"),
}


def features(train: Any, later: Any, scaling: str) -> NDArray[np.float64]:
    """What the network must be shown of later rows."""
    made = pytest.importorskip("sklearn.preprocessing", reason="needs scikit-learn")
    words = made.OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(train[["colour"]])
    first, second = (
        np.column_stack([f["length"], words.transform(f[["colour"]]), f["flat"], f["weight"]])
        for f in (train, later)
    )
    if scaling == "robust":
        low, high = np.percentile(first, (1, 99), axis=0)
        return np.asarray(np.clip((second - low) / np.where(high > low, high - low, 1), 0, 1))
    scaler = {"minmax": made.MinMaxScaler, "standard": made.StandardScaler}[scaling]()
    return np.asarray(scaler.fit(first).transform(second))


def spec_of(case: Case, layers: str) -> str:
    return (
        f"network: {{kind: multilayer, layers: [{layers}], {case.network}, activation: tanh, bias: true, "
        "weight_bound: 5}\n"
        f"data: {{file: train.csv, target: {case.target}, categories: one_hot, scaling: {case.scaling}, "
        f"exclude: [id, seen on, {', '.join(sorted(TARGETS - {case.target}))}]}}\n"
        "training: {stepsize: 0.4, batch_size: 16, iterations: 1000, keep_prob: 1}\n"
    )


TARGETS = {"species", "alive", "sign", "grade", "price", "income"}


def execute(library: str, cases: list[dict[str, Any]], folder: Path) -> str:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed; pip install 'rsgadvise[integrations]'")
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL.format(library=library), json.dumps(cases)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "KERAS_BACKEND": "torch"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("library", LIBRARIES)
def test_later_rows_are_predicted_in_the_words_of_the_file(
    library: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train, later = rows(0, ROWS), rows(1, LATER)
    later.loc[2, "colour"] = "violet"
    later.loc[3, "length"] = later.loc[5, "colour"] = None
    whole = later.assign(length=later["length"].fillna(train["length"].median()))
    train.to_csv("train.csv", index=False)
    cases: list[dict[str, Any]] = []
    for name, case in CASES.items():
        Path("spec.yaml").write_text(spec_of(case, f"6, 8, {case.outputs}"))
        program = f"{case.target}_{case.scaling}.py"
        assert run("recommend", "spec.yaml", "--emit", library, "--pilot", "0", "-q", "-o", program).code == 0
        stem = program[:-3]
        # In another order, with one column more and without those left out; and without what is asked.
        shown = later[["weight", case.target, "colour", "flat", "length"]].assign(more="x")
        shown.to_csv(f"{stem}_a.csv", index=False)
        later[FEATURES].head(1).to_csv(f"{stem}_b.csv", index=False)
        train.sort_values("price")[[*FEATURES, case.target]].tail(1).to_csv(f"{stem}_c.csv", index=False)
        np.save(f"{stem}.npy", features(train, whole, case.scaling))
        cases.append(
            {
                "name": name,
                "program": program,
                "later": [f"{stem}_{each}.csv" for each in "abc"],
                "inputs": f"{stem}.npy",
            }
        )
    printed = re.split(r"^# .*\n", execute(library, cases, tmp_path), flags=re.M)[1:]
    for case, about, text in zip(CASES.values(), cases, printed, strict=True):
        output = np.load(about["inputs"])
        assert output.shape == (LATER, case.outputs)
        found, alone = (
            pandas.read_csv(Path(place).with_suffix(".predictions.csv"), dtype=str)
            for place in about["later"][:2]
        )
        assert len(found) == LATER
        assert len(alone) == 1
        marks = found.pop("filled").fillna("").tolist()
        assert marks == ["", "", "", "length", "", "colour", *[""] * (LATER - 6)]
        for one, same in zip(alone.loc[0], found.loc[0], strict=True):  # but for what a batch rounds
            assert one == same or float(one) == pytest.approx(float(same), rel=1e-4)
        losses = re.findall(rf"^{about['later'][0]} rows: loss ([\d.e-]+); ", text, flags=re.M)
        shares = re.findall(rf"^{about['later'][0]} rows: accuracy ([\d.e-]+); ", text, flags=re.M)
        assert len(losses) == 1
        assert f"{LATER} predictions: {Path(about['later'][0]).stem}.predictions.csv" in text
        assert "'violet'" in text
        assert "more" in text
        if case.target in ("price", "income"):
            turn, back = (np.log, np.exp) if case.target == "income" else (np.positive, np.positive)
            values, wanted, known = found[case.target].astype(float), later[case.target], train[case.target]
            low, high = turn(known.min()), turn(known.max())
            np.testing.assert_allclose(values, back(low + (high - low) * output[:, 0]), rtol=1e-6)
            error = ((turn(values) - turn(wanted)) / (high - low)) ** 2
            assert float(losses[0]) == pytest.approx(error.mean(), rel=1e-3)
            off = re.findall(rf"^{about['later'][0]} rows: off by ([\d.e+]+) on average; ", text, flags=re.M)
            assert float(off[0]) == pytest.approx((values - wanted).abs().mean(), rel=1e-3)
            constant = ((turn(wanted) - turn(known).mean()) / (high - low)) ** 2
            assert error.mean() < 0.3 * constant.mean()
            assert "accuracy" not in text  # of the largest value of all neither, which is 1
            continue
        classes = sorted(
            train[case.target].unique(),
            key=lambda cell: (float(cell) if case.target in ("sign", "grade") else 0, cell),
        )
        places = (output[:, 0] > 0.5).astype(int) if case.outputs == 1 else output.argmax(axis=1)
        assert found[case.target].tolist() == [classes[place] for place in places]
        right = (found[case.target] == later[case.target]).mean()
        assert float(shares[0]) == pytest.approx(right, rel=1e-3)
        assert right > later[case.target].value_counts(normalize=True).max()
        assert list(found) == [case.target, *([f"P({each})" for each in classes] if case.shares else [])]
        if case.shares:
            told = found.iloc[:, 1:].astype(float)
            np.testing.assert_allclose(told.sum(axis=1), 1, rtol=1e-6)
            np.testing.assert_allclose(told.iloc[:, -1], output[:, -1], rtol=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_several_targets_of_0_and_1_are_a_yes_or_no_each(
    library: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file alone; the shares that are right are those of the predictions that are written down."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS + LATER, 3))
    frame = pandas.DataFrame(x, columns=["u", "v", "w"])
    tags = pandas.DataFrame({"hot": x[:, 0] > 0.3, "wet": x[:, 1] + x[:, 2] > -0.5}).astype(int)
    frame = pandas.concat([frame, tags], axis=1)
    frame[:ROWS].to_csv("train.csv", index=False)
    frame[ROWS:].to_csv("later.csv", index=False)
    fixed = ("--set", "training.stepsize=0.01", "--set", "training.batch_size=16", "--epochs", "60")
    asked = ("recommend", "train.csv", "--target", "hot,wet", *fixed, "--pilot", "0", "-q")
    network = run.document(*asked)["spec"]["network"]
    assert (network["activation"], network["loss"]) == ("relu", "binary_cross_entropy")
    assert run(*asked, "--emit", library, "-o", "train.py").code == 0
    low, high = x[:ROWS].min(axis=0), x[:ROWS].max(axis=0)
    np.save("x.npy", (x[ROWS:] - low) / (high - low))
    case = {"name": "a", "program": "train.py", "later": ["later.csv"], "inputs": "x.npy"}
    text = execute(library, [case], tmp_path)
    found, shares = pandas.read_csv("later.predictions.csv", dtype=str), np.load("x.npy")
    assert list(found) == ["hot", "wet", "P(hot)", "P(wet)"]
    assert found[["hot", "wet"]].to_numpy().tolist() == (shares > 0.5).astype(int).astype(str).tolist()
    np.testing.assert_allclose(found[["P(hot)", "P(wet)"]].astype(float), shares, rtol=1e-5)
    right = (shares > 0.5) == tags[ROWS:].to_numpy()
    each, whole = (float(found) for found in re.findall(r"^later.csv rows: .* right: ([\d.]+);", text, re.M))
    assert each == pytest.approx(right.mean(), rel=1e-3)
    assert whole == pytest.approx(right.all(axis=1).mean(), rel=1e-3)
    assert each > 0.85


def test_a_bad_file_is_refused_before_anything_is_trained(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    train = rows(0, ROWS)
    train.to_csv("train.csv", index=False)
    Path("spec.yaml").write_text(spec_of(CASES["words"], "6, 8, 3"))
    assert (
        run("recommend", "spec.yaml", "--emit", "sklearn", "--pilot", "0", "-q", "-o", "train.py").code == 0
    )

    def refused(message: str) -> None:
        done = subprocess.run(
            [sys.executable, "train.py", "later.csv"],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: {message}")
        assert done.stderr.count("\n") == 1
        assert not Path("later.predictions.csv").is_file()

    refused("later.csv: does not exist; check the path")
    later = train.head(5)
    changes: dict[str, tuple[Callable[[Any], Any], str]] = {
        "a column less": (lambda f: f.drop(columns="weight"), "has no column 'weight'"),
        "text": (lambda f: f.assign(length="long"), "line 2, column 1 ('length'): 'long' is not a number"),
    }
    for change, message in changes.values():
        change(later).to_csv("later.csv", index=False)
        refused(f"later.csv: {message}")
    later.to_csv("later.csv", index=False)
    Path("later.predictions.csv").mkdir()
    refused("cannot write later.predictions.csv: it is a directory; give the program later.csv in a folder")
    Path("train.csv").unlink()
    refused("train.csv: does not exist; check the path")


@pytest.mark.parametrize("library", LIBRARIES)
def test_how_well_later_rows_are_reconstructed(
    library: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(0, 30, (80, 6))
    np.savez("a.npz", x=x[:60])
    np.savez("b.npz", x=x[60:])
    Path("spec.yaml").write_text(
        "network: {kind: autoencoder, layers: [6, 4], weight_bound: 2}\ndata: {file: a.npz}\n"
        "training: {stepsize: 1.0, batch_size: 8, iterations: 200, keep_prob: 1}\n"
    )
    assert run("recommend", "spec.yaml", "--emit", library, "--pilot", "0", "-q", "-o", "train.py").code == 0
    low, high = x[:60].min(axis=0), x[:60].max(axis=0)
    scaled = (x[60:] - low) / (high - low)
    np.save("x.npy", scaled)
    case = {"name": "a", "program": "train.py", "later": ["b.npz"], "inputs": "x.npy"}
    text = execute(library, [case], tmp_path)
    (loss,) = re.findall(r"^b.npz rows: loss ([\d.e-]+); ", text, flags=re.M)
    assert float(loss) == pytest.approx(((np.load("x.npy") - scaled) ** 2).sum(axis=1).mean(), rel=1e-3)
