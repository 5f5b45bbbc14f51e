"""`batch`: one answer for batch size, stepsize and iterations."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run

from rsgadvise.pilot import timing
from rsgadvise.training.networks import Data, Network, initial_weights
from rsgadvise.training.rsg import Stream, Training, train

pytestmark = pytest.mark.usefixtures("advised_once")

SPEC = """\
network: {kind: multilayer, layers: [5, 4, 2], weight_bound: 5}
data: {mean: 0.3, mean_square: 0.12, samples: 400}
budget: {epochs: 20}
cost: {per_iteration: 2.0e-4, per_sample: 1.0e-6}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("spec.yaml").write_text(SPEC)
    rng = np.random.default_rng(0)
    x = rng.random((300, 3))
    y = x[:, 0] + 0.2 * rng.normal(size=300) > 0.5
    lines = [
        ",".join(f"{value:.4f}" for value in row) + f",{'yes' if c else 'no'}"
        for row, c in zip(x, y, strict=True)
    ]
    Path("d.csv").write_text("a,b,c,label\n" + "\n".join(lines) + "\n")
    return tmp_path


def document(run: Run, *arguments: str) -> dict[str, Any]:
    found = run.document("batch", *arguments)
    assert found["schema"] == "rsgadvise.batch/1"
    return found


def test_a_target_is_set_aside_with_a_word(run: Run) -> None:
    plain = document(run, "spec.yaml")
    aimed = document(run, "spec.yaml", "--set", "target={eps: 0.05, delta: 0.05}")
    Path("aimed.yaml").write_text(SPEC + "target: {eps: 0.05, delta: 0.05}\n")
    assert aimed["tradeoff"] == plain["tradeoff"] == document(run, "aimed.yaml")["tradeoff"]
    for found, said in (
        (plain, False),
        (aimed, True),
        (document(run, "aimed.yaml"), True),
        (document(run, "aimed.yaml", "--set", "target=null"), True),
    ):
        assert any("The target of the spec is set aside" in note for note in found["notes"]) == said


def test_which_critical_batch_size_it_is_stands_beside_it(run: Run) -> None:
    assert document(run, "spec.yaml")["critical_batch_size"]["method"] == "typical"
    found = document(run, "d.csv", "--target", "label", "--epochs", "20")
    assert found["critical_batch_size"]["method"] == "race"
    assert found["noise_scale"]["method"] == "noise scale"
    advice = run.document("recommend", "d.csv", "--target", "label", "--epochs", "20")
    assert advice["critical_batch_size"] == found["noise_scale"]


def test_every_row_is_on_the_hyperbola_of_the_advice(run: Run) -> None:
    found = document(run, "spec.yaml")
    critical, rows = found["critical_batch_size"]["value"], found["tradeoff"]
    assert [row["batch_size"] for row in rows] == [8, 16, 32, 64, 128, 256]
    (own,) = (row for row in rows if row["batch_size"] == found["advised"])
    fewest = own["iterations"] / (1 + critical / own["batch_size"])
    for row in rows:
        size, steps = row["batch_size"], row["iterations"]
        assert steps == pytest.approx(fewest * (1 + critical / size), abs=1)
        assert row["samples"] == steps * size
        assert row["epochs"] == pytest.approx(row["samples"] / 400)
        assert row["seconds"] == pytest.approx(steps * (2e-4 + 1e-6 * size))
        for gamma, other in zip(row["stepsize"], own["stepsize"], strict=True):
            fall = (1 + critical / own["batch_size"]) / (1 + critical / size)
            assert gamma == pytest.approx(other * fall**0.5)
    assert found["fastest"] == min(rows, key=lambda row: row["seconds"])["batch_size"]
    assert found["source"] == "typical"


def test_the_question_of_more_hardware(run: Run) -> None:
    found = document(run, "spec.yaml", "--from", "32", "--to", "256")
    critical, change = found["critical_batch_size"]["value"], found["change"]
    steps = (1 + critical / 256) / (1 + critical / 32)
    assert change["iterations_factor"] == pytest.approx(steps)
    assert change["samples_factor"] == pytest.approx(8 * steps)
    assert change["stepsize_factor"] == pytest.approx(steps**-0.5)
    assert change["seconds_factor"] == pytest.approx(steps * (2e-4 + 256e-6) / (2e-4 + 32e-6))
    text = run("batch", "spec.yaml", "--from", "32", "--to", "256").out
    assert text.splitlines()[3].startswith("From 32 rows to 256 rows: stepsize times ")
    back = run("batch", "spec.yaml", "--from", "256", "--to", "32").out.splitlines()[3:5]
    fewer = f"samples divided by {8 * steps:.3g}"
    assert fewer in " ".join(" ".join(back).split())
    odd = document(run, "spec.yaml", "--to", "100")
    assert odd["change"]["before"] == odd["advised"]
    assert 100 in {row["batch_size"] for row in odd["tradeoff"]}


def test_larger_batches_pay_longer_with_momentum_and_with_adam(run: Run) -> None:
    values = [
        document(run, "spec.yaml", "--set", f"training.optimizer={name}")["critical_batch_size"]["value"]
        for name in ("sgd", "momentum", "adam")
    ]
    assert values == pytest.approx([20, 150, 150], rel=1e-3)


def off(timed: list[tuple[int, float]], fixed: float, each: float) -> float:
    """Sum of squared relative errors of a line through seconds."""
    return sum(((fixed + each * size) / seconds - 1) ** 2 for size, seconds in timed)


def test_a_data_file_is_measured_and_timed(run: Run) -> None:
    found = document(run, "d.csv", "--hidden", "4", "--epochs", "20", "--work", "1e8")
    assert found["source"] == "measured"
    assert found["cost"]["source"] == "measured"
    assert [size for size, _ in found["cost"]["timed"]] == [16, 128, 300]
    own = off(found["cost"]["timed"], found["cost"]["per_iteration"], found["cost"]["per_sample"])
    most = max(seconds for _, seconds in found["cost"]["timed"])
    for fixed in np.linspace(0, most, 40):  # whatever else the machine does: no other line fits better
        for each in np.linspace(0, most / 16, 40):
            assert own <= off(found["cost"]["timed"], fixed, each) + 1e-9
    assert found["fastest"] in {row["batch_size"] for row in found["tradeoff"]}
    assert max(row["batch_size"] for row in found["tradeoff"]) <= 300


def test_what_memory_allows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "free_memory", lambda: 2**13)
    options = ("d.csv", "--hidden", "4", "--epochs", "20", "--work", "1e8", "--batch-size", "32")
    found = document(run, *options)
    assert found["memory"]["free"] == 2**13
    most = found["memory"]["batch_size"]
    assert most * found["memory"]["bytes_per_row"] <= 2**12 < 2 * most * found["memory"]["bytes_per_row"]
    assert [row["batch_size"] for row in found["tradeoff"]] == [8, 16, 32]
    text = run.words("batch", *options, "--to", "64")
    assert f"Memory allows batches of up to {most} rows" in text
    assert "what is larger may not fit" in text


@pytest.mark.parametrize(
    "network",
    [
        Network("single_layer", (40, 7), ()),
        Network("multilayer", (20, 64, 32, 5), (5.0,) * 3),
        Network("multilayer", (20, 64, 5), (), activations=("gelu",), loss="cross_entropy", bias=True),
        Network("multilayer", (20, 64, 5), (5.0,) * 2, keep_prob=0.5),
    ],
)
def test_the_bytes_of_a_row_are_those_that_training_takes(network: Network) -> None:
    """By the allocations that Python's own accounting sees; GELU works with more than it keeps."""
    rng, rows, peaks = np.random.default_rng(0), 9000, []
    inputs = rng.random((rows, network.layers[0]), dtype=np.float32)
    targets = np.eye(network.layers[-1], dtype=np.float32)[rng.integers(0, network.layers[-1], rows)]
    for size in (8, 1024, 8192):  # the first only loads what is loaded once
        training = Training(network, Data(inputs, targets), (1e-3,) * len(network.shapes), size)
        tracemalloc.start()
        list(train(training, initial_weights(network, rng), [Stream(0, (1,))], [np.array([4])]))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    truth = (peaks[2] - peaks[1]) / 7168
    assert truth / (2 if network.activations == ("gelu",) else 1.15) <= timing.memory(network).bytes_per_row
    assert timing.memory(network).bytes_per_row <= 1.15 * truth


def test_one_screen(run: Run) -> None:
    for asked in (("spec.yaml",), ("d.csv", "--epochs", "20", "--work", "1e8")):
        lines = run("batch", *asked, "--to", "64").out.splitlines()
        assert len(lines) <= 45
        assert max(map(len, lines)) <= 80


def test_bad_questions_are_one_line(run: Run) -> None:
    assert "--from 32 needs --to B" in run.refused("batch", "spec.yaml", "--from", "32")
    assert "--to must be at most the 400 rows to train on" in run.refused("batch", "spec.yaml", "--to", "401")
    assert "batch needs a spec, a data file or --model" in run.refused("batch")
    assert "--model stands in place of a spec" in run.refused("batch", "spec.yaml", "--model", "m.py:f")
    assert "data.file: must be given" in run.refused("batch", "spec.yaml", "--pilot", "1")


@pytest.mark.parametrize("value", ["3.7", "yes"])
def test_the_same_target_in_every_row_leaves_nothing_to_advise(run: Run, value: str) -> None:
    rng = np.random.default_rng(0)
    rows = [",".join(f"{each:.3f}" for each in row) + f",{value}" for row in rng.random((30, 3))]
    Path("same.csv").write_text("\n".join(["a,b,c,y", *rows]) + "\n")
    refused = run("batch", "same.csv", "--target", "y", "--work", "1e8")
    assert refused.code == 1
    assert "every row has the same target" in refused.err
    table = run.words("recommend", "same.csv", "--target", "y", "--work", "1e8")
    assert "every row has the same target" in table
    assert "Train with" not in table
    assert "stepsize" not in table
