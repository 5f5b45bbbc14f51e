"""Generated data have the moments that were asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsgadvise.errors import HypothesisError
from rsgadvise.training.generated import column_means, generated_data, largest_mean_square


@settings(max_examples=150, deadline=None)
@given(
    columns=st.integers(1, 40),
    rows=st.integers(1, 60),
    mean=st.floats(0, 1),
    share=st.floats(0, 1),
    spread=st.none() | st.floats(0, 1),
)
def test_moments_are_exact(columns: int, rows: int, mean: float, share: float, spread: float | None) -> None:
    low, high = mean**2, largest_mean_square(mean, columns)
    square = min(max(low + share * (high - low), low), max(high, low))
    second = None if spread is None else square + spread * (mean - square)
    data = generated_data(
        mean=mean,
        mean_square=square,
        second_moment=second,
        columns=columns,
        outputs=3,
        rows=rows,
        rng=np.random.default_rng(0),
    )
    x = data.inputs
    assert x.shape == (rows, columns)
    assert x.min() >= 0
    assert x.max() <= 1 + 1e-12
    assert x.mean() == pytest.approx(mean, abs=1e-9)
    assert (x.mean(axis=0) ** 2).mean() == pytest.approx(square, abs=1e-9)
    largest = (x**2).mean()
    if second is None:
        # Every column holds zeros and ones but for one entry.
        assert ((x > 1e-9) & (x < 1 - 1e-9)).sum(axis=0).max() <= 1
    elif rows >= 30:
        assert largest == pytest.approx(second, abs=1 / (2 * rows))
    assert data.targets.shape == (rows, 3)
    assert (data.targets.sum(axis=1) == 1).all()


def test_second_moment_is_exact_where_rows_allow() -> None:
    data = generated_data(
        mean=0.1307,
        mean_square=0.0448,
        second_moment=0.1120,
        columns=784,
        outputs=10,
        rows=1024,
        rng=np.random.default_rng(0),
    )
    assert (data.inputs**2).mean() == pytest.approx(0.1120, rel=1e-12)
    assert set(np.unique(data.targets)) == {0.0, 1.0}


def test_largest_mean_square_by_brute_force() -> None:
    grid = np.array(np.meshgrid(*[np.linspace(0, 1, 21)] * 3)).reshape(3, -1)
    for mean in (0.1, 0.5, 0.8):
        means = grid[:, np.isclose(grid.mean(axis=0), mean)]
        assert (means**2).mean(axis=0).max() == pytest.approx(largest_mean_square(mean, 3), abs=1e-12)


@pytest.mark.parametrize(
    ("mean", "square", "columns"), [(0.5, 0.3, 1), (0.5, 0.24, 4), (0.3, 0.3, 2), (0.5, 0.6, 4)]
)
def test_impossible_moments_are_refused(mean: float, square: float, columns: int) -> None:
    with pytest.raises(HypothesisError, match=r"must lie between mean\*\*2 = ") as caught:
        column_means(mean=mean, mean_square=square, columns=columns)
    assert caught.value.quantity == "data.mean_square"


def test_an_autoencoder_reconstructs_its_inputs_and_one_output_is_a_class() -> None:
    arguments = {"mean": 0.4, "mean_square": 0.2, "second_moment": None, "columns": 5, "rows": 50}
    tied = generated_data(**arguments, outputs=None, rng=np.random.default_rng(0))  # type: ignore[arg-type]
    assert tied.targets is tied.inputs
    single = generated_data(**arguments, outputs=1, rng=np.random.default_rng(0))  # type: ignore[arg-type]
    assert 5 < single.targets.sum() < 45
