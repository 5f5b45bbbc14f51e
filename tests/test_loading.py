"""Rows in memory are the rows that the statistics were measured on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rsgadvise.data import statistics as loading
from rsgadvise.data.opening import open_data
from rsgadvise.data.statistics import load_rows, measure
from rsgadvise.errors import DataError


@pytest.mark.parametrize(
    "raw",
    [
        np.random.default_rng(0).random((300, 7)),
        np.random.default_rng(0).integers(0, 256, (300, 7), np.uint8),
        np.random.default_rng(0).integers(0, 2, (300, 7), np.uint8),
        np.random.default_rng(0).normal(5, 30, (300, 7)),
        np.full((4, 3), 8.0),
        np.random.default_rng(0).random((1, 7)).astype(np.float32),
    ],
    ids=["unit", "8 bit", "binary", "min-max", "constant", "one row"],
)
def test_moments_of_the_rows_are_the_statistics(raw: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", raw)
    statistics = measure(open_data(tmp_path / "x.npy"))
    features, targets = load_rows(open_data(tmp_path / "x.npy"), statistics)
    assert targets is None
    assert features.shape == raw.shape
    assert features.dtype == np.float64
    assert features.min() >= 0
    assert features.max() <= 1
    assert features.mean() == pytest.approx(statistics.mean, rel=1e-12)
    assert (features.mean(axis=0) ** 2).mean() == pytest.approx(statistics.mean_square, rel=1e-12)
    assert (features**2).mean() == pytest.approx(statistics.second_moment, rel=1e-12)
    top = np.linalg.eigvalsh(features.T @ features / len(features))[-1]
    assert top == pytest.approx(statistics.top_eigenvalue, rel=1e-9)


def test_labels_become_one_hot_and_rows_stay_in_step(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(3, 6, 5000)
    x = np.column_stack([labels / 10, rng.random(5000)])
    np.savez(tmp_path / "d.npz", x=x, y=labels)
    statistics = measure(open_data(tmp_path / "d.npz"))
    features, targets = load_rows(open_data(tmp_path / "d.npz"), statistics)
    assert targets is not None
    assert targets.shape == (5000, 3)
    assert np.array_equal(targets.argmax(axis=1) + 3, np.round(features[:, 0] * 10))


def test_what_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", np.zeros((100, 10)))
    statistics = measure(open_data(tmp_path / "x.npy"))
    monkeypatch.setattr(loading, "LARGEST_BYTES", 7999)
    with pytest.raises(DataError, match="needs all rows in memory"):
        load_rows(open_data(tmp_path / "x.npy"), statistics)


def test_real_rows(real_data: Callable[[str], Path]) -> None:
    path = real_data("tabular/breast-cancer-wisconsin.csv")
    statistics = measure(open_data(path, target="-1"))
    features, targets = load_rows(open_data(path, target="-1"), statistics)
    assert targets is not None
    assert features.shape == (683, 9)
    assert targets.sum(axis=0).tolist() == [444, 239]
    assert features.mean() == pytest.approx(0.23870723, abs=1e-8)
