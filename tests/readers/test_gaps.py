"""Missing cells that are filled in: pandas and scikit-learn say with what, and what is measured then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from numpy.typing import NDArray

from rsgadvise.data import gaps, load_rows, measure, open_data, read_rows
from rsgadvise.errors import DataError

pandas = pytest.importorskip("pandas")
impute = pytest.importorskip("sklearn.impute", reason="needs scikit-learn")
Float = NDArray[np.float64]
ROWS = 230
TOLD: dict[str, Any] = {"target": "kind", "categories": "one_hot", "missing": "fill"}


def table(seed: int = 0, rows: int = ROWS) -> Any:
    """Numbers, truths and words, all with gaps, the target too."""
    rng = np.random.default_rng(seed)
    frame = pandas.DataFrame(
        {
            "length": rng.normal(50, 20, rows).round(3),
            "whole": rng.normal(0, 1, rows),
            "wild": rng.standard_cauchy(rows) * 1e6,
            "count": rng.integers(-40, 900, rows).astype(float),
            "colour": np.array(["red", "green, pale", "blue"], object)[rng.integers(3, size=rows)],
            "place": np.array(["here", "there"], object)[rng.integers(2, size=rows)],
            "kind": np.array(["oak", "ash"], object)[rng.integers(2, size=rows)],
        }
    )
    for column in frame.columns.drop("whole"):
        frame[column] = frame[column].mask(pandas.Series(rng.random(rows) < 0.15))
    frame.loc[0, "place"] = "once"  # in a row that lacks something else
    frame.loc[0, "length"] = None
    frame.loc[0, "kind"] = "oak"
    return frame


NUMBERS, WORDS = ["length", "whole", "wild", "count"], ["colour", "place"]


def oracle(frame: Any) -> Float:
    """The features of rows that have a target, filled in by scikit-learn, words by pandas."""
    frame = frame[frame["kind"].notna()]
    numbers = impute.SimpleImputer(strategy="median").fit_transform(frame[NUMBERS])
    words = pandas.get_dummies(frame[WORDS], dtype=float)  # in order of the words, none of a missing one
    return np.column_stack([numbers, words.to_numpy()])


def to_arff(frame: Any, path: Path) -> None:
    said = {"colour": "{blue,'green, pale',red}", "place": "{here,once,there}", "kind": "{ash,oak}"}
    lines = ["@relation t", *(f"@attribute {each} {said.get(each, 'numeric')}" for each in frame), "@data"]
    cells = frame.astype(object).where(frame.notna(), "?")
    lines += [",".join(f"'{c}'" if " " in str(c) else str(c) for c in row) for row in cells.to_numpy()]
    path.write_text("\n".join(lines) + "\n")


WRITERS: dict[str, Any] = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "csv.gz": lambda frame, path: frame.to_csv(path, index=False, na_rep="NA"),
    "parquet": lambda frame, path: frame.to_parquet(path),
    "feather": lambda frame, path: frame.to_feather(path),
    "json": lambda frame, path: frame.to_json(path, orient="records"),
    "arff": to_arff,
}


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("scaling", ["minmax", "robust", "standard"])
def test_a_table_is_that_of_its_filled_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, scaling: Any
) -> None:
    if suffix in ("parquet", "feather"):
        pytest.importorskip("pyarrow")
    frame, place = table(), tmp_path / f"t.{suffix}"
    WRITERS[suffix](frame, place)
    x = oracle(frame)
    np.save(tmp_path / "whole.npy", x)
    wanted = measure(open_data(tmp_path / "whole.npy"), scaling=scaling)
    monkeypatch.setattr("rsgadvise.data.formats.tables.BLOCK_BYTES", 900)
    monkeypatch.setattr(gaps, "HELD_BYTES", 8 * ROWS)  # a pass for each column
    source = open_data(place, **TOLD)
    found = measure(source, scaling=scaling)
    assert (found.samples, found.input_dim, found.scaling) == (len(x), x.shape[1], wanted.scaling)
    for key in ("mean", "mean_square", "second_moment", "top_eigenvalue"):
        assert getattr(found, key) == pytest.approx(getattr(wanted, key), rel=1e-9), key
    there = frame[frame["kind"].notna()]
    lacking = there[NUMBERS + WORDS].isna()
    assert (found.rows_skipped, found.rows_filled, found.cells_filled) == (
        len(frame) - len(there),
        lacking.any(axis=1).sum(),
        lacking.to_numpy().sum(),
    )
    inputs, targets = load_rows(open_data(place, **TOLD), found)
    np.testing.assert_allclose(inputs, load_rows(open_data(tmp_path / "whole.npy"), wanted)[0], atol=1e-9)
    assert targets is not None
    assert (targets[:, 1] == (there["kind"] == "oak")).all()
    note = next(note for note in found.notes if "filled in" in note)
    assert note.startswith(f"{found.cells_filled} missing cells, in {found.rows_filled} of {len(there)} rows")
    assert f"length {there['length'].median():.6g}, wild" in note
    assert "colour no word, place no word." in note


ARRAYS = [np.float64, np.float32, np.float16, ">f8"]


@pytest.mark.parametrize("dtype", ARRAYS)
@pytest.mark.parametrize("held", [1, 1 << 28])
def test_an_array_is_that_of_its_filled_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: Any, held: int
) -> None:
    monkeypatch.setattr(gaps, "HELD_BYTES", held)
    rng = np.random.default_rng(1)
    x = rng.normal(3, 40, (301, 7)).astype(dtype)
    whole = x[:, 2].copy()
    x[rng.random(x.shape) < 0.2] = np.nan
    x[:, 2], x[:-2, 5] = whole, np.nan  # one that lacks nothing, and one of two numbers
    x[-2:, 5] = 7, 9
    filled = impute.SimpleImputer(strategy="median").fit_transform(x.astype(float))
    np.savez(tmp_path / "t.npz", x=x, y=np.arange(301) % 3)
    source = open_data(tmp_path / "t.npz", missing="fill")
    parts = [block.copy() for block, _ in source.chunks(max_bytes=500)]
    assert parts[0].dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(np.concatenate(parts), filled.astype(dtype))
    assert source.cells_filled == np.isnan(x).sum()
    with pytest.raises(DataError, match=r"is nan; .* fill in medians with data.missing: fill"):
        measure(open_data(tmp_path / "t.npz"))


@pytest.mark.parametrize("numbers", [[5.0], [1.0, 2.0], [3.0, 1.0, 2.0], [1.7e308, 1.6e308], [-0.1, 0.2] * 9])
def test_medians_are_those_of_numpy(numbers: list[float]) -> None:
    found = gaps.filling(lambda: iter([np.array([[np.nan], *([n] for n in numbers)])]), 1, np.zeros(1, bool))
    half = np.median(np.array(numbers) / 2)
    assert found.values[0] == pytest.approx(2 * half, rel=1e-15)


def test_nothing_changes_where_nothing_is_missing(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 6), dtype=np.uint8)
    np.save(tmp_path / "a.npy", images)
    table().dropna().to_csv(tmp_path / "a.csv", index=False)
    told: dict[str, Any] = {"a.npy": {}, "a.csv": {"target": "kind", "categories": "one_hot"}}
    for name, options in told.items():
        one, other = (measure(open_data(tmp_path / name, missing=how, **options)) for how in ("drop", "fill"))
        assert (one.mean, one.scaling, one.notes) == (other.mean, other.scaling, other.notes)


def test_images_of_which_one_is_missing_are_still_images(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    cells = [[k, 255 - k, 9] for k in range(30)]
    column = arrow.array([*cells, None], arrow.list_(arrow.uint8(), 3))
    parquet.write_table(arrow.table({"x": column, "y": [k % 2 for k in range(31)]}), tmp_path / "a.parquet")
    found = measure(open_data(tmp_path / "a.parquet", target="y", missing="fill"))
    assert (found.scaling, found.samples, found.rows_skipped) == ("divide by 255", 30, 1)


@pytest.mark.parametrize("missing", ["drop", "fill"])
@pytest.mark.parametrize("scaling", ["minmax", "robust", "standard"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_later_rows_take_the_medians_of_those_trained_on(
    tmp_path: Path, missing: str, scaling: Any, suffix: str
) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    train, later = table(), table(5, 40)
    later.loc[0, "place"] = "here"
    for name, frame in (("train", train), ("later", later)):
        WRITERS[suffix](frame, tmp_path / f"{name}.{suffix}")
    rows = read_rows(tmp_path / f"train.{suffix}", scaling=scaling, **{**TOLD, "missing": missing})
    found = rows.like(tmp_path / f"later.{suffix}")
    used = train.dropna() if missing == "drop" else train[train["kind"].notna()]
    whole = later.assign(**{each: later[each].fillna(used[each].median()) for each in NUMBERS})
    whole = whole.assign(**{each: later[each].fillna("no such word") for each in WORDS}, kind="")
    WRITERS["csv"](whole, tmp_path / "whole.csv")
    np.testing.assert_allclose(found.x, rows.like(tmp_path / "whole.csv").x, rtol=1e-9, atol=1e-12)
    assert len(found.x) == 40
    lines = found.predictions(np.eye(2)[np.arange(40) % 2]).splitlines()
    assert lines[0] == "kind,filled"
    names = NUMBERS + WORDS
    marks = ["; ".join(np.array(names)[lacks]) for lacks in later[names].isna().to_numpy()]
    assert lines[1:] == [f"{('ash', 'oak')[k % 2]},{marks[k]}" for k in range(40)]


def test_what_rows_were_left_out_for_is_said(tmp_path: Path, run: Run) -> None:
    """The share that --missing fill keeps counts, and not what lacks a target."""
    rows, ask = 200, ("--target", "y", "-q", "-f", "json")

    def notes(lacking: int, untold: int, *options: str) -> str:
        frame = pandas.DataFrame({"a": np.arange(rows) % 17 / 3, "b": np.linspace(0, 1, rows), "y": 0.0})
        frame["y"] = np.arange(rows) % 2
        frame.loc[frame.index[:lacking], "a"] = None
        frame.loc[frame.index[rows - untold :], "y"] = None
        frame.to_csv(tmp_path / "t.csv", index=False)
        found = json.loads(run("stats", str(tmp_path / "t.csv"), *ask, *options).out)
        return str(next(note for note in found["notes"] if "of 200 rows" in note))

    assert notes(3, 0) == "3 of 200 rows have a missing cell and were left out."
    assert notes(0, 50) == "50 of 200 rows have a missing cell and were left out."
    keeps = "data.missing: fill (--missing fill) keeps"
    end = "with medians for what is missing."
    assert notes(5, 0) == f"5 of 200 rows have a missing cell and were left out; {keeps} them, {end}"
    assert notes(9, 50) == f"59 of 200 rows have a missing cell and were left out; {keeps} 9 of them, {end}"
    assert notes(9, 0, "--missing", "fill") == (
        "9 missing cells, in 9 of 200 rows, were filled in with the median of the column: a 2.66667."
    )


def test_a_cell_of_several_numbers_is_named_once(tmp_path: Path) -> None:
    cells = [f'"[{k}, {7 * k % 5}]",{k % 2}' for k in range(30)]
    (tmp_path / "a.csv").write_text("\n".join(["v,y", *cells, ",1", ""]))
    rows = read_rows(tmp_path / "a.csv", target="y", missing="fill")
    np.testing.assert_allclose(rows.x[-1], np.median(rows.x[:-1], axis=0))
    found = rows.like(tmp_path / "a.csv")
    np.testing.assert_array_equal(found.x, rows.x)
    assert found.filled[-2:] == ("", "v")


def test_later_arrays_too(tmp_path: Path) -> None:
    x = np.random.default_rng(2).normal(0, 9, (60, 4))
    np.savez(tmp_path / "a.npz", x=x[:40], y=np.arange(40) % 2)
    later = x[40:].copy()
    later[[1, 5], 2], later[5, 0] = np.nan, np.nan
    np.save(tmp_path / "b.npy", later)
    rows = read_rows(tmp_path / "a.npz")
    found = rows.like(tmp_path / "b.npy")
    whole = np.where(np.isnan(later), np.median(x[:40], axis=0), later)
    low, high = x[:40].min(axis=0), x[:40].max(axis=0)
    np.testing.assert_allclose(found.x, (whole - low) / (high - low), atol=1e-12)
    assert [found.filled[k] for k in (0, 1, 5)] == ["", "column 2", "column 0; column 2"]
