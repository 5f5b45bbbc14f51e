"""Statistics against oracles that share no code with them: plain float64, fractions, simulation."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from rsgadvise.data import moments
from rsgadvise.data import scaling as percentiles
from rsgadvise.data import statistics as measuring
from rsgadvise.data.opening import open_data
from rsgadvise.data.scaling import DataStatistics
from rsgadvise.data.statistics import load_rows, measure
from rsgadvise.data.stream import Array
from rsgadvise.errors import DataError

CALTECH = "caltech101-silhouettes/caltech101_silhouettes_28_split1.mat"
GOLDEN = {
    "mnist train": ("mnist/train-images-idx3-ubyte.gz", {}, "0.13066048 0.04475126 0.11200258"),
    "mnist test": ("mnist/t10k-images-idx3-ubyte.gz", {}, "0.13251461 0.04654962 0.11395811"),
    "fashion": ("fashion-mnist/t10k-images-idx3-ubyte.gz", {}, "0.28684928 0.11986451 0.20649939"),
    "cifar": ("cifar10/data_batch_1.npz", {}, "0.47467072 0.22673028 0.28907469"),
    "cifar test": ("cifar10/test_batch_first1000.npz", {}, "0.47814585 0.23052584 0.29175203"),
    "cifar pickle": ("cifar10/data_batch_1_first2000", {}, "0.47392416 0.22610734 0.28722469"),
    "caltech train": (CALTECH, {"array": "train_data"}, "0.55105463 0.39206582 0.55105463"),
    "caltech val": (CALTECH, {"array": "val_data"}, "0.53595936 0.37807125 0.53595936"),
    "caltech test": (CALTECH, {"array": "test_data"}, "0.53901502 0.38167860 0.53901502"),
    "wine": ("tabular/winequality-red.csv", {"target": "-1"}, "0.26525851 0.08460237 0.10264623"),
    "ionosphere": ("tabular/ionosphere.csv", {"target": "-1"}, "0.60755053 0.39381317 0.46388107"),
    "cancer": ("tabular/breast-cancer-wisconsin.csv", {"target": "-1"}, "0.23870723 0.06315022 0.16044362"),
    "spambase": ("tabular/spambase.csv", {"target": "-1"}, "0.01568394 0.00051095 0.00371723"),
    "eeg": ("brain/eeg_eye_state.csv", {"target": "eyeDetection"}, "0.18376025 0.08023749 0.08031147"),
    "brain": ("brain/brain_networks.csv", {"exclude": ["0"]}, "0.48322416 0.23879248 0.25685727"),
}


def scaled(array: Array) -> NDArray[np.float64]:
    """The contract's scaling, written down naively."""
    values = array.reshape(len(array), -1).astype(np.float64)
    if values.min() >= 0 and values.max() <= 1:
        return values
    if array.dtype == np.uint8:
        return values / 255
    low, high = values.min(axis=0), values.max(axis=0)
    return np.where(high > low, (values - low) / np.where(high > low, high - low, 1), 0.0)


def saved(folder: Path, array: Array) -> Path:
    path = folder / "a.npy"
    np.save(path, array)
    return path


def check(result: DataStatistics, array: Array) -> None:
    """Every estimate against the naive formula on the whole array."""
    x = scaled(array)
    n, d = x.shape
    means = x.mean(axis=0)
    assert result.samples == n
    assert result.input_dim == d
    assert result.mean == pytest.approx(x.mean(), rel=1e-9, abs=1e-14)
    assert result.mean_square == pytest.approx((means**2).mean(), rel=1e-9, abs=1e-14)
    assert result.second_moment == pytest.approx((x**2).mean(), rel=1e-9, abs=1e-14)
    assert result.constant_columns == int((array.reshape(n, -1) == array.reshape(n, -1)[0]).all(axis=0).sum())
    eigenvalue = np.linalg.eigvalsh(x.T @ x / n)[-1]
    assert result.top_eigenvalue == pytest.approx(eigenvalue, rel=1e-8, abs=1e-13)
    errors = result.standard_errors
    if n == 1:
        assert result.mean_square_unbiased is None
        assert errors.mean is None
        return
    trace = x.var(axis=0, ddof=1).sum()
    unbiased = (means**2).mean() - trace / (n * d)
    assert result.mean_square_unbiased == pytest.approx(unbiased, rel=1e-7, abs=1e-13)
    assert errors.mean == pytest.approx(x.mean(axis=1).std(ddof=1) / math.sqrt(n), rel=1e-6, abs=1e-12)
    squares = (x**2).mean(axis=1)
    assert errors.second_moment == pytest.approx(squares.std(ddof=1) / math.sqrt(n), rel=1e-6, abs=1e-12)
    influence = (x - means) @ means * 2 / d
    assert errors.mean_square == pytest.approx(influence.std(ddof=1) / math.sqrt(n), rel=1e-5, abs=1e-7)


def in_order(result: DataStatistics) -> None:
    """The inequalities of a spec, as plain comparisons of floats."""
    d = result.input_dim
    assert result.mean**2 <= result.mean_square <= result.second_moment <= result.mean
    if result.top_eigenvalue is not None:
        assert d * result.mean_square <= result.top_eigenvalue <= d * result.second_moment


@pytest.fixture(scope="module")
def measured(real_data: Callable[[str], Path]) -> Callable[[str], DataStatistics]:
    """Of a real file without its spectrum, for all tests that ask for them."""

    @cache
    def once(label: str) -> DataStatistics:
        name, options, _ = GOLDEN[label]
        return measure(open_data(real_data(name), **options), spectrum=False)  # type: ignore[arg-type]

    return once


@pytest.mark.parametrize("label", GOLDEN)
def test_real_data_to_every_printed_digit(measured: Callable[[str], DataStatistics], label: str) -> None:
    expected, result = GOLDEN[label][2], measured(label)
    found = " ".join(f"{value:.8f}" for value in (result.mean, result.mean_square, result.second_moment))
    assert found == expected
    assert result.top_eigenvalue is None
    in_order(result)


@pytest.mark.parametrize(
    ("name", "options", "dim"),
    [
        ("mnist/t10k-images-idx3-ubyte.gz", {"target": "t10k-labels-idx1-ubyte.gz"}, 10),
        (CALTECH, {"array": "val_data", "target": "val_labels"}, 101),
        ("tabular/winequality-red.csv", {"target": "-1"}, 6),
        ("tabular/ionosphere.csv", {"target": "-1"}, 2),
        ("cifar10/test_batch_first1000.npz", {}, 10),
    ],
)
def test_classes_become_one_hot(
    real_data: Callable[[str], Path], name: str, options: dict[str, str], dim: int
) -> None:
    source = open_data(
        real_data(name), array=options.get("array"), target=options["target"] if options else None
    )
    result = measure(source, spectrum=False)
    assert result.output_dim == dim


def test_real_notes(real_data: Callable[[str], Path], measured: Callable[[str], DataStatistics]) -> None:
    result = measured("mnist train")
    assert result.constant_columns == 67
    assert result.scaling == "divide by 255"
    assert result.passes == 1
    result = measure(open_data(real_data("tabular/breast-cancer-wisconsin.csv"), target="-1"))
    assert result.rows_skipped == 16
    assert any("16 of 699 rows" in note for note in result.notes)
    assert result.scaling == "min-max per column"
    assert result.passes == 3


def test_heavy_outliers_against_fractions(
    real_data: Callable[[str], Path], measured: Callable[[str], DataStatistics]
) -> None:
    path = real_data("brain/eeg_eye_state.csv")
    rows = [line.split(",")[:-1] for line in path.read_text().split()[1:]]
    mean = square = second = Fraction(0)
    for j in range(14):
        # As integers the sums are exact and quick.
        column = [int(Decimal(row[j]) * 10**6) for row in rows]
        low, span = min(column), max(column) - min(column)
        centre = Fraction(sum(column) - low * len(column), span * len(column))
        mean += centre / 14
        square += centre**2 / 14
        second += Fraction(sum((value - low) ** 2 for value in column), span**2 * len(column) * 14)
    result = measured("eeg")
    assert result.mean == pytest.approx(float(mean), rel=1e-13)
    assert result.mean_square == pytest.approx(float(square), rel=1e-13)
    assert result.second_moment == pytest.approx(float(second), rel=1e-13)


def test_a_large_offset_is_no_loss(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    array = 1e9 + rng.random((2000, 5))
    exact = [[Fraction(float(value)) for value in column] for column in array.T]
    mean = Fraction(0)
    errors = []
    for column in exact:
        low, high = min(column), max(column)
        mean += sum(((value - low) / (high - low) for value in column), Fraction(0)) / 2000 / 5
    result = measure(open_data(saved(tmp_path, array)))
    assert result.mean == pytest.approx(float(mean), rel=1e-13)
    errors = scaled(array).mean(axis=1).std(ddof=1) / math.sqrt(2000)
    assert result.standard_errors.mean == pytest.approx(errors, rel=1e-9)
    check(result, array)


RNG = np.random.default_rng(11)
ARRAYS: dict[str, Array] = {
    "unit": RNG.random((300, 40)),
    "unit f32": RNG.random((300, 40), dtype=np.float32),
    "unit f16": RNG.random((300, 40)).astype(np.float16),
    "big-endian": RNG.random((300, 40)).astype(">f8"),
    "bool": RNG.random((300, 40)) < 0.3,
    "binary uint8": (RNG.random((300, 40)) < 0.3).astype(np.uint8),
    "images": RNG.integers(0, 256, (300, 5, 8), dtype=np.uint8),
    "dark images": RNG.integers(0, 3, (300, 40), dtype=np.uint8),
    "int8": RNG.integers(-100, 100, (300, 40), dtype=np.int8),
    "normal": RNG.normal(size=(300, 40)),
    "late outlier": np.vstack([RNG.random((299, 40)), np.full((1, 40), 1.5)]),
    "constant columns": np.hstack([RNG.random((300, 20)), np.full((300, 20), 0.5)]),
    "constant beyond": np.hstack([RNG.normal(size=(300, 20)), np.full((300, 20), 7.0)]),
    "all constant": np.full((300, 4), 0.25),
    "all zero": np.zeros((30, 4)),
    "one row": RNG.random((1, 6)),
    "two rows": RNG.random((2, 6)),
    "one column": RNG.random((300, 1)),
    "wide": RNG.random((7, 500)),
    "huge range": np.array([[-1.7e308, 0.0], [1.7e308, 1.0], [0.0, 3.0]]),
    "tiny range": np.array([[0.0, -1.0], [5e-324, 1.0]]),
    "large integers": np.array([[2**53, 0], [2**53 + 1, 9]], dtype=np.int64),
}


# Row by row for one array of each way to be read and scaled; whatever else, in pieces and whole.
ROW_BY_ROW = ("unit", "unit f32", "binary uint8", "images", "normal", "late outlier", "constant beyond")
PIECES = [
    (label, chunk)
    for label in sorted(set(ARRAYS) - {"huge range", "large integers"})
    for chunk in (1, 1000, 1 << 21)
    if chunk > 1 or label in ROW_BY_ROW
]


@pytest.mark.parametrize(("label", "chunk"), PIECES)
def test_against_the_naive_formulas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str, chunk: int
) -> None:
    monkeypatch.setattr(measuring, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(measuring, "GRAM_ROWS", 1)
    result = measure(open_data(saved(tmp_path, ARRAYS[label])))
    check(result, ARRAYS[label])
    in_order(result)


def test_ranges_wider_than_a_float(tmp_path: Path) -> None:
    result = measure(open_data(saved(tmp_path, ARRAYS["huge range"])))
    assert result.mean == pytest.approx((0.5 + 4 / 9) / 2)
    in_order(result)


def test_integers_that_float64_cannot_tell_apart(tmp_path: Path) -> None:
    result = measure(open_data(saved(tmp_path, ARRAYS["large integers"])))
    assert result.mean == pytest.approx(0.25)
    assert result.constant_columns == 0


SCALINGS = {
    "unit": ("none", 2),
    "bool": ("none", 2),
    "binary uint8": ("none", 2),
    "images": ("divide by 255", 2),
    "dark images": ("divide by 255", 2),
    "int8": ("min-max per column", 3),
    "normal": ("min-max per column", 3),
}


@pytest.mark.parametrize("label", SCALINGS)
def test_scaling_and_passes(tmp_path: Path, label: str) -> None:
    result = measure(open_data(saved(tmp_path, ARRAYS[label])))
    assert (result.scaling, result.passes) == SCALINGS[label]
    without = measure(open_data(saved(tmp_path, ARRAYS[label])), spectrum=False)
    assert without.passes == result.passes - 1
    assert without.spectrum_method is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_unit_interval_ends_at_one(tmp_path: Path, dtype: type[np.floating]) -> None:
    inside = np.array([[0.0, 0.5], [1.0, -0.0]], dtype=dtype)
    assert measure(open_data(saved(tmp_path, inside))).scaling == "none"
    for bound, beyond in ((1.0, 2.0), (0.0, -1.0)):
        outside = inside.copy()
        outside[1, 1] = np.nextafter(dtype(bound), dtype(beyond))
        assert measure(open_data(saved(tmp_path, outside))).scaling == "min-max per column"


def test_late_outlier_starts_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "CHUNK_BYTES", 1000)
    result = measure(open_data(saved(tmp_path, ARRAYS["late outlier"])), spectrum=False)
    assert result.passes == 3
    assert result.scaling == "min-max per column"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    array=hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.floats(-1e6, 1e6) | st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.1]),
    ),
    chunk=st.integers(1, 500),
)
def test_chunks_and_formats_do_not_matter(tmp_path: Path, array: Array, chunk: int) -> None:
    np.save(tmp_path / "a.npy", array)
    np.save(tmp_path / "f.npy", np.asfortranarray(array))
    np.savez_compressed(tmp_path / "a.npz", x=array)
    scipy.io.savemat(tmp_path / "a.mat", {"x": array})
    (tmp_path / "a.csv").write_text("\n".join(",".join(map(repr, row)) for row in array.tolist()))
    whole = measure(open_data(tmp_path / "a.npy"))
    in_order(whole)
    for name in ("f.npy", "a.npz", "a.mat", "a.csv"):
        other = measure(open_data(tmp_path / name))
        # Text is read to the last but one bit.
        apart = 1e-14 if name == "a.csv" else 0.0
        for field in ("mean", "mean_square", "second_moment"):
            assert getattr(other, field) == pytest.approx(getattr(whole, field), rel=apart, abs=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "CHUNK_BYTES", chunk)
        patch.setattr(measuring, "GRAM_ROWS", 1)
        pieces = measure(open_data(tmp_path / "a.npy"))
    in_order(pieces)
    for field in ("mean", "mean_square", "second_moment", "top_eigenvalue"):
        assert getattr(pieces, field) == pytest.approx(getattr(whole, field), rel=1e-8, abs=1e-13)
    assert pieces.constant_columns == whole.constant_columns
    assert pieces.scaling == whole.scaling


@settings(max_examples=200, deadline=None)
@given(
    value=st.floats(0, 1),
    steps=st.lists(st.integers(-3, 3), min_size=3, max_size=3),
)
def test_ordering_moves_by_units_in_the_last_place_only(value: float, steps: list[int]) -> None:
    given_values = [value + steps[0] * math.ulp(value), value**2, value + steps[2] * math.ulp(value)]
    mean, tau, second = (min(1.0, max(0.0, number)) for number in given_values)
    tau += steps[1] * math.ulp(tau)
    ordered = measuring.ordered_moments(mean, tau, second)
    assert mean == ordered[0]
    assert ordered[0] ** 2 <= ordered[1] <= ordered[2] <= ordered[0]
    for before, after in zip((mean, tau, second), ordered, strict=True):
        assert abs(before - after) <= 20 * math.ulp(1.0)


def test_standard_errors_against_simulation(tmp_path: Path) -> None:
    rng = np.random.default_rng(23)

    def draw(rows: int) -> NDArray[np.float64]:
        shared = rng.random((rows, 1))
        return np.clip(0.6 * shared + 0.4 * rng.random((rows, 6)) * np.linspace(0.2, 1, 6), 0, 1)

    estimates = []
    for _ in range(3000):
        x = draw(200)
        means = x.mean(axis=0)
        estimates.append([x.mean(), (means**2).mean(), (x**2).mean(), np.linalg.eigvalsh(x.T @ x / 200)[-1]])
    spread = np.std(estimates, axis=0)
    errors = measure(open_data(saved(tmp_path, draw(20_000)))).standard_errors
    for found, expected in zip(
        (errors.mean, errors.mean_square, errors.second_moment, errors.top_eigenvalue), spread, strict=True
    ):
        assert found is not None
        assert found * math.sqrt(20_000 / 200) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("shuffled", [True, False])
def test_streamed_error_of_tau_is_of_second_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shuffled: bool
) -> None:
    rng = np.random.default_rng(2)
    array = rng.random((4000, 6)) * np.repeat(rng.random((8, 6)), 500, axis=0)
    if shuffled:
        rng.shuffle(array)
    monkeypatch.setattr(measuring, "CHUNK_BYTES", 500 * 48)
    found = measure(open_data(saved(tmp_path, array)), spectrum=False).standard_errors.mean_square
    means = array.mean(axis=0)
    exact = ((array - means) @ means * 2 / 6).std(ddof=1) / math.sqrt(4000)
    assert found == pytest.approx(exact, rel=1e-3 if shuffled else 0.3)


@pytest.mark.parametrize(
    "label", ["unit", "unit f32", "unit f16", "big-endian", "images", "constant columns"]
)
def test_beyond_the_detailed_part_only_standard_errors_are_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    path = saved(tmp_path, np.tile(ARRAYS[label], (20, *[1] * (ARRAYS[label].ndim - 1))))
    whole = measure(open_data(path), spectrum=False)
    monkeypatch.setattr(measuring, "CHUNK_BYTES", 12_000)
    monkeypatch.setattr(moments, "DETAILED_BYTES", 0)
    sampled = measure(open_data(path), spectrum=False)
    for field in ("mean", "mean_square", "second_moment", "mean_square_unbiased"):
        assert getattr(sampled, field) == pytest.approx(getattr(whole, field), rel=1e-12)
    assert sampled.constant_columns == whole.constant_columns
    assert sampled.samples == whole.samples == 6000
    found, exact = sampled.standard_errors, whole.standard_errors
    assert found.second_moment == pytest.approx(exact.second_moment, rel=1e-9)
    assert found.mean == pytest.approx(exact.mean, rel=0.15)
    assert found.mean != exact.mean
    assert found.mean_square == pytest.approx(exact.mean_square, rel=0.15)


def test_lanczos_in_thirty_thousand_dimensions(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    array = np.zeros((150, 30_000), dtype=np.float32)
    for row in array:
        columns = (rng.random(300) ** 3 * 30_000).astype(int)
        row[columns] = rng.random(300)
    result = measure(open_data(saved(tmp_path, array)))
    dense = array[:, array.any(axis=0)].astype(np.float64)
    exact = np.linalg.eigvalsh(dense @ dense.T / 150)[-1]
    assert result.spectrum_method == "lanczos"
    assert result.top_eigenvalue == pytest.approx(exact, rel=1e-9)
    assert 3 < result.passes < 40
    in_order(result)


@pytest.mark.parametrize(
    "label", ["unit", "images", "normal", "wide", "constant beyond", "all zero", "one row"]
)
def test_lanczos_agrees_with_the_gram_matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    path = saved(tmp_path, ARRAYS[label])
    gram = measure(open_data(path))
    monkeypatch.setattr(measuring, "MAX_GRAM_DIM", 0)
    streamed = measure(open_data(path))
    assert (gram.spectrum_method, streamed.spectrum_method) == ("gram", "lanczos")
    assert streamed.top_eigenvalue == pytest.approx(gram.top_eigenvalue, rel=1e-9, abs=1e-15)
    if label != "one row":
        assert streamed.standard_errors.top_eigenvalue == pytest.approx(
            gram.standard_errors.top_eigenvalue, rel=1e-4, abs=1e-12
        )


def test_eigenvalues_close_together(tmp_path: Path) -> None:
    array = np.eye(300)[np.random.default_rng(4).integers(0, 300, 5000)]
    result = measure(open_data(saved(tmp_path, array)))
    assert result.top_eigenvalue == pytest.approx(array.sum(axis=0).max() / 5000, rel=1e-9)


# Every two of base, chunk and value meet.
NOT_FINITE = [
    (base, chunk, (math.nan, math.inf, -math.inf)[(row + column) % 3])
    for row, base in enumerate(["unit", "normal", "unit f32"])
    for column, chunk in enumerate([1, 200, 1 << 21])
]


@pytest.mark.parametrize(("base", "chunk", "value"), NOT_FINITE)
def test_the_first_value_that_is_not_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str, chunk: int, value: float
) -> None:
    monkeypatch.setattr(measuring, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(measuring, "GRAM_ROWS", 1)
    array = ARRAYS[base].copy()
    array[217, 31] = array[250, 2] = value
    with pytest.raises(DataError, match=f"row 217, column 31, is {value}"):
        measure(open_data(saved(tmp_path, array)))


def test_not_finite_beyond_the_detailed_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "CHUNK_BYTES", 40 * 8 * 20)
    monkeypatch.setattr(moments, "DETAILED_BYTES", 0)
    array = ARRAYS["unit"].copy()
    array[217, 31] = math.nan
    with pytest.raises(DataError, match="row 217, column 31, is nan"):
        measure(open_data(saved(tmp_path, array)), spectrum=False)


def test_progress_reports_every_pass(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None, str]] = []
    measure(open_data(saved(tmp_path, ARRAYS["normal"])), progress=lambda *step: seen.append(step))
    assert seen == [(300, 300, "first pass"), (300, 300, "moments"), (300, 300, "standard error")]


def test_one_row_is_noted(tmp_path: Path) -> None:
    result = measure(open_data(saved(tmp_path, ARRAYS["one row"])))
    assert result.mean_square_unbiased is None
    assert any("one row only" in note for note in result.notes)


# The other scalings, against numpy on the whole array.

ROBUST = "robust, 1st to 99th percentile per column"


def robustly_scaled(array: Array) -> NDArray[np.float64]:
    values = array.reshape(len(array), -1).astype(np.float64)
    low, high = np.percentile(values, [1, 99], axis=0)
    whole = low == high
    low, high = np.where(whole, values.min(axis=0), low), np.where(whole, values.max(axis=0), high)
    return np.clip(np.where(high > low, (values - low) / np.where(high > low, high - low, 1), 0.0), 0, 1)


def in_small_pieces(patch: pytest.MonkeyPatch, chunk: int) -> None:
    """Chunks of a few rows, ends that are dropped often, and columns in several passes."""
    patch.setattr(measuring, "CHUNK_BYTES", chunk)
    patch.setattr(measuring, "GRAM_ROWS", 1)
    patch.setattr(percentiles, "SPARE_ROWS", 0)
    patch.setattr(percentiles, "TAIL_BYTES", 3000)


@pytest.mark.parametrize("label", sorted(set(ARRAYS) - {"huge range", "large integers"}))
def test_robust_scaling_against_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str) -> None:
    in_small_pieces(monkeypatch, 1000)
    path = saved(tmp_path, ARRAYS[label])
    result = measure(open_data(path), scaling="robust")
    expected = robustly_scaled(ARRAYS[label])
    assert result.scaling == ROBUST
    assert result.mean == pytest.approx(expected.mean(), rel=1e-12)
    assert result.second_moment == pytest.approx((expected**2).mean(), rel=1e-12)
    assert result.mean_square == pytest.approx((expected.mean(axis=0) ** 2).mean(), rel=1e-12)
    in_order(result)
    rows, _ = load_rows(open_data(path), result)
    np.testing.assert_allclose(rows, expected, rtol=1e-12, atol=1e-15)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 400) | st.sampled_from([100, 101, 102, 200, 201, 301]),
    values=st.sampled_from([2, 5, 10**6]),
    chunk=st.integers(1, 3000),
)
def test_percentiles_are_exact_whatever_the_chunks(
    tmp_path: Path, seed: int, rows: int, values: int, chunk: int
) -> None:
    array = np.random.default_rng(seed).integers(0, values, (rows, 3)) ** 3.0
    with pytest.MonkeyPatch.context() as patch:
        in_small_pieces(patch, chunk)
        pieces = [array[at : at + chunk] for at in range(0, rows, chunk)]
        found = percentiles.percentiles(rows, 3, lambda: pieces)
    np.testing.assert_array_equal([found.low, found.high], np.percentile(array, [1, 99], axis=0))
    np.testing.assert_array_equal(found.below, np.percentile(array, 1, axis=0, method="lower"))
    np.testing.assert_array_equal(found.above, np.percentile(array, 99, axis=0, method="higher"))


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 3000) | st.sampled_from([100, 101, 102, 201]),
    chunk=st.integers(1, 3000),
    order=st.sampled_from(["drawn", "rising", "middle first", "ends first"]),
)
def test_crushed_columns_are_found_whatever_the_chunks(seed: int, rows: int, chunk: int, order: str) -> None:
    rng = np.random.default_rng(seed)
    scale = np.where(rng.random((rows, 6)) < [0.005, 0.01, 0.02, 0.02, 0.03, 0.5], 30.0, 1.0)
    array = rng.normal(size=(rows, 6)) * scale
    array[:, 5] = np.round(array[:, 5] / 20)
    if order != "drawn":
        place = np.arange(rows)
        far = np.abs(place - rows / 2)
        by = {"rising": place, "middle first": far, "ends first": -far}[order]
        array = np.sort(array, axis=0)[np.argsort(by)]
    with pytest.MonkeyPatch.context() as patch:
        in_small_pieces(patch, chunk)
        pieces = [array[at : at + chunk] for at in range(0, rows, chunk)]
        found = percentiles.crushed(rows, array.min(axis=0), array.max(axis=0), lambda: pieces)
    low = np.percentile(array, 1, axis=0, method="lower")
    high = np.percentile(array, 99, axis=0, method="higher")
    wanted = (high > low) & (high - low < 0.1 * np.ptp(array, axis=0))
    assert found.tolist() == np.flatnonzero(wanted).tolist()


def test_percentiles_of_a_range_wider_than_a_float(tmp_path: Path) -> None:
    path = saved(tmp_path, ARRAYS["huge range"])
    result = measure(open_data(path), scaling="robust")
    # Of three rows, the ends are 2 % of the way from the outer to the middle one.
    rows, _ = load_rows(open_data(path), result)
    np.testing.assert_allclose(rows[:, 0], [0, 1, 0.5], rtol=1e-12)
    assert result.mean == pytest.approx(rows.mean())
    # Of two, they are 1 % of the way from either end, and the way is beyond the largest float.
    path = saved(tmp_path, ARRAYS["huge range"][:2])
    assert measure(open_data(path), scaling="robust").mean == pytest.approx(0.5)
    ends = percentiles.percentiles(2, 2, lambda: [ARRAYS["huge range"][:2]])
    assert ends.low[0] == pytest.approx(-0.98 * 1.7e308)
    assert ends.high[0] == pytest.approx(0.98 * 1.7e308)


@pytest.mark.parametrize(
    ("label", "choice", "kind"),
    [
        ("unit", "none", "none"),
        ("binary uint8", "none", "none"),
        ("unit", "minmax", "min-max per column"),
        ("images", "minmax", "min-max per column"),
        ("normal", "minmax", "min-max per column"),
    ],
)
def test_a_scaling_by_choice(tmp_path: Path, label: str, choice: str, kind: str) -> None:
    path = saved(tmp_path, ARRAYS[label])
    result = measure(open_data(path), scaling=choice)  # type: ignore[arg-type]
    values = ARRAYS[label].reshape(len(ARRAYS[label]), -1).astype(np.float64)
    if choice == "minmax":
        values = (values - values.min(axis=0)) / np.ptp(values, axis=0)
    assert result.scaling == kind
    assert result.mean == pytest.approx(values.mean(), rel=1e-12)
    np.testing.assert_allclose(load_rows(open_data(path), result)[0], values, rtol=1e-12)


@pytest.mark.parametrize(
    ("label", "span"),
    [("images", "0 to 255"), ("int8", "-100 to 99"), ("late outlier", "[0-9.e-]+ to 1.5")],
)
def test_none_needs_the_unit_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str, span: str
) -> None:
    monkeypatch.setattr(measuring, "CHUNK_BYTES", 1000)
    with pytest.raises(DataError, match=rf"must lie in \[0, 1\].*from {span}; use scaling auto") as caught:
        measure(open_data(saved(tmp_path, ARRAYS[label])), scaling="none")
    assert "\n" not in str(caught.value)


N = 2000
SPIKE = np.where(np.arange(N) == 7, 1e6, 0.0)
CRUSHED: dict[str, tuple[Array, bool]] = {
    "normal": (RNG.normal(size=N), False),
    "one outlier above": (RNG.normal(size=N) + SPIKE, True),
    "one outlier below": (RNG.normal(size=N) - SPIKE, True),
    "heavy tail": (np.exp(4 * RNG.normal(size=N)), True),
    "constant": (np.full(N, 3.0), False),
    "constant but for one": (3.0 + SPIKE, False),  # nothing in the middle to widen
    "few ones": ((np.arange(N) % 200 == 0) * 5.0, False),
    "one in a hundred": ((np.arange(N) % 100 == 0) * 5.0, False),
    "just above one in a hundred": ((np.arange(N) < N // 100 + 1) * 5.0, False),
    "rare counts": (np.where(np.arange(N) % 400 == 0, np.arange(N) % 13, 0), False),
    "small counts and an outlier": (np.arange(N) % 3 + SPIKE, True),
    "just above a tenth": (np.append(np.linspace(0, 1, N - 1), 9.7), False),
    "just below a tenth": (np.append(np.linspace(0, 1, N - 1), 9.9), True),
}


def test_crushed_columns_are_named(tmp_path: Path) -> None:
    names = list(CRUSHED)
    table = np.column_stack([column for column, _ in CRUSHED.values()])
    lines = [
        ",".join(["id", *names]),
        *(",".join(map(repr, [i, *row])) for i, row in enumerate(table.tolist())),
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    result = measure(open_data(tmp_path / "a.csv", exclude=["id"]))
    wanted = tuple(name for name, (_, crushed) in CRUSHED.items() if crushed)
    assert result.crushed_columns == wanted
    note = next(note for note in result.notes if "crushed" in note)
    assert note.startswith(
        f"{len(wanted)} of {len(names)} columns are crushed by outliers: one outlier above,"
    )
    # What is said of them holds: robust scaling widens each, and the middle lies in less than a tenth.
    values = (table - table.min(axis=0)) / np.where(np.ptp(table, axis=0) > 0, np.ptp(table, axis=0), 1)
    for place in (names.index(name) for name in wanted):
        low, high = np.percentile(values[:, place], [1, 99])
        assert 0 < high - low < 0.1
    again = measure(open_data(tmp_path / "a.csv", exclude=["id"]), scaling="robust")
    assert again.crushed_columns == ()
    rows, _ = load_rows(open_data(tmp_path / "a.csv", exclude=["id"]), again)
    np.testing.assert_allclose(rows, robustly_scaled(table), rtol=1e-12, atol=1e-15)
    assert again.mean == pytest.approx(rows.mean(), rel=1e-12)
    assert any(note.startswith("3 of 13 columns hold one value from the 1st") for note in again.notes)
    # Without a header they go by number, counted in the file.
    (tmp_path / "b.csv").write_text("\n".join(lines[1:]))
    plain = measure(open_data(tmp_path / "b.csv", exclude=["0"]))
    assert plain.crushed_columns == tuple(names.index(name) + 1 for name in wanted)


def test_few_rows_are_never_crushed(tmp_path: Path) -> None:
    for rows, crushed in ((100, 0), (101, 2), (102, 2)):
        array = RNG.normal(size=(rows, 2))
        array[0] = 1e9
        assert len(measure(open_data(saved(tmp_path, array))).crushed_columns) == crushed


@pytest.mark.parametrize(
    ("label", "crushed"), [("eeg", 14), ("spambase", 9), ("wine", 0), ("ionosphere", 0), ("brain", 0)]
)
def test_crushed_columns_of_real_data(
    real_data: Callable[[str], Path],
    measured: Callable[[str], DataStatistics],
    label: str,
    crushed: int,
) -> None:
    assert len(measured(label).crushed_columns) == crushed
    name, options, _ = GOLDEN[label]
    source = open_data(real_data(name), **options)  # type: ignore[arg-type]
    wide = measure(source, spectrum=False, scaling="robust")
    assert wide.crushed_columns == ()
    if label == "eeg":
        # The spread of a mean column, which min-max leaves at 0.0086 of its range.
        assert math.sqrt(wide.second_moment - wide.mean_square) > 0.15
