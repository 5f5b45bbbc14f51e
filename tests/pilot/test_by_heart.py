"""Networks that learn their rows and nothing of others: it is said, and not taken for learning nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from rsgadvise.pilot.task import Task
from rsgadvise.training.networks import Data, Network

OPTIONS = ("--optimizer", "adam", "--set", "network.activation=relu", "--set", "network.loss=cross_entropy")


@pytest.fixture
def coins(tmp_path: Path) -> Path:
    """Labels that no input tells: whatever is learnt of them makes new rows worse than a constant does."""
    rng = np.random.default_rng(0)
    path = tmp_path / "coins.npz"
    np.savez(path, x=rng.random((150, 40)).round(3), y=np.arange(150) % 3 > 0)
    return path


def test_what_is_learnt_by_heart_is_advised_and_said(coins: Path, run: Run) -> None:
    """Where the length is given; else whole trainings tell it."""
    options = (*OPTIONS, "--set", "training.iterations=9000")
    found = run.document("recommend", coins, *options)
    plan, pilot = found["train"], found["pilot"]
    assert (plan["source"], plan["learns"]) == ("raced", True)
    assert plan["loss"] < 0.5 * plan["constant_loss"]
    assert plan["stepsize"] == pytest.approx(pilot["raced"][0]["stepsizes"])
    k, least = pilot["least_held_out"]
    assert least < pilot["last_held_out"]
    assert plan["reason"].startswith("it learns its rows by heart")
    epochs = max(1, round(k * plan["batch_size"] / 150))
    assert f"after {epochs} epoch" in plan["reason"]
    told = run.words("recommend", coins, *options)
    assert "It learns its rows by heart: of rows held out the loss was" in told
    assert "Next: rsgadvise recommend" in told
    assert "say nothing of the target" not in told
    masks = "--set", "training.keep_prob=null"
    assert "with dropout without masks, on rows held out" in run.words(
        "recommend", coins, *options, *masks, "--details"
    )


def test_a_network_that_learns_nothing_is_still_told_so(coins: Path, run: Run) -> None:
    """Its stepsize is far too small to learn anything, by heart or not."""
    options = (*OPTIONS, "--set", "training.stepsize=1e-9", "-f", "json")
    plan = json.loads(run("recommend", coins, *options).out)["train"]
    assert plan["learns"] is not True
    assert "by heart" not in plan["reason"]


def test_a_rare_class_is_judged_by_all_rows(tmp_path: Path, run: Run) -> None:
    """Of the 256 rows that are looked at two or three are of a class of one in a hundred."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3000, 10))
    inside, out = rng.normal(size=(10, 16)), rng.normal(size=(16, 2))
    sides = np.tanh(x @ inside / np.sqrt(10)) @ out + 0.7 * rng.gumbel(size=(3000, 2))
    signal = sides[:, 1] - sides[:, 0]
    path = tmp_path / "rare.npz"
    np.savez(path, x=x.round(3), y=signal > np.quantile(signal, 0.99))
    found = run.document("recommend", path, *OPTIONS)
    plan, pilot = found["train"], found["pilot"]
    assert (plan["source"], plan["learns"]) == ("raced", True)
    assert max(plan["loss"], pilot["again"][0]["loss"]) < 0.98 * plan["constant_loss"]


@pytest.mark.parametrize("share", [0.5, 0.01])
def test_chance_is_what_draws_of_rows_make_of_the_loss_of_a_constant(share: float) -> None:
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.arange(4000) < 4000 * share)
    targets = np.eye(2)[labels.astype(int)]
    network = Network("multilayer", (3, 2, 2), (5.0, 5.0))
    task = Task.of(network, Data(np.zeros((4000, 3)), targets), seed=0, hold_out=False)
    constant = np.array([1 - share, share])
    rows = np.square(targets - constant).sum(axis=1)
    drawn = rng.choice(rows, (4000, 500)).mean(axis=1)
    expected = 2 * drawn.std() / rows.mean()
    assert task.chance(500) == pytest.approx(expected, rel=0.5, abs=0.01)
