"""Rows of a file that comes later, read as those that were trained on: pandas and scikit-learn say how."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rsgadvise.data import load_rows, measure, open_data, read_rows
from rsgadvise.data.rows import LaterRows, TrainingRows
from rsgadvise.errors import DataError

pandas = pytest.importorskip("pandas")
Float = NDArray[np.float64]
ROWS = 120


def table(seed: int = 0, rows: int = ROWS) -> Any:
    """Every kind of column: an id, a date, any range, words, truths, a constant, one with an outlier."""
    rng = np.random.default_rng(seed)
    wild = rng.normal(0, 1, rows)
    wild[0] = 1e4
    return pandas.DataFrame(
        {
            "id": np.arange(1, rows + 1),
            "length": rng.normal(50, 20, rows).round(3),
            "day": [f"2024-{1 + k % 12:02}-{1 + k % 28:02}" for k in range(rows)],
            "colour": np.array(["red", "green, pale", "blue"])[rng.integers(3, size=rows)],
            "old": rng.random(rows) < 0.5,
            "flat": 7.5,
            "count": rng.integers(-40, 900, rows),
            "wild": wild,
            "kind": np.array(["oak", "ash", "elm"])[rng.integers(3, size=rows)],
        }
    )


TOLD: dict[str, Any] = {"target": "kind", "categories": "one_hot", "exclude": ["id", "day"]}


def written(frame: Any, path: Path, **options: Any) -> Path:
    frame.to_csv(path, index=False, **options)
    return path


def scaler(kind: str) -> Any:
    made = pytest.importorskip("sklearn.preprocessing", reason="needs scikit-learn")
    return {"minmax": made.MinMaxScaler, "standard": made.StandardScaler}[kind]()


def inputs(frame: Any, words: list[str]) -> Any:
    """The features as columns of numbers, by pandas; a word that is not known is none of them."""
    known = pandas.DataFrame({word: frame["colour"] == word for word in words}, dtype=float)
    return pandas.concat([frame[["length"]], known, frame[["old", "flat", "count", "wild"]]], axis=1).astype(
        float
    )


def expected(train: Any, later: Any, kind: str) -> Float:
    """What a pipeline of scikit-learn, fitted to the rows trained on, makes of later ones."""
    words = sorted(train["colour"].unique())
    first, second = inputs(train, words).to_numpy(), inputs(later, words).to_numpy()
    if kind == "robust":  # by its words: 1st to 99th percentile, clipped
        low, high = np.percentile(first, (1, 99), axis=0)
        found = np.clip((second - low) / np.where(high > low, high - low, 1), 0, 1)
    elif (
        kind == "logarithms"
    ):  # of the last column, which an outlier gives a tail, and which has negative values
        lowest = first[:, -1].min()
        middle = np.exp(np.log(np.sort(first[:, -1] - lowest)[1:]).mean())
        for each in (second, first) if second is not first else (first,):
            each[:, -1] = np.log(np.maximum(each[:, -1] - lowest, 0) + middle)
        found = scaler("standard").fit(first).transform(second)
    else:
        found = scaler(kind).fit(first).transform(second)
    found[:, first.min(axis=0) == first.max(axis=0)] = 0  # of which nothing was learnt
    return np.asarray(found)


@pytest.mark.parametrize("kind", ["minmax", "robust", "standard", "logarithms"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_is_read_as_the_one_that_was_trained_on(tmp_path: Path, kind: Any, suffix: str) -> None:
    train, later = table(), table(1, 40)
    later.loc[3, "colour"] = "mauve"
    later.loc[5, ["length", "count", "wild"]] = 1e5, -1e5, -1e5  # beyond all that was seen
    later["flat"] = 8.5
    later = later[
        ["kind", "wild", "colour", "flat", "count", "old", "length"]
    ]  # no id, no day, another order
    place = tmp_path / f"later.{suffix}"
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
        train.to_parquet(tmp_path / "train.parquet")
        later.to_parquet(place)
    else:
        written(train, tmp_path / "train.csv")
        written(later, place)
    rows = read_rows(tmp_path / f"train.{suffix}", scaling=kind, **TOLD)
    found = rows.like(place)
    np.testing.assert_allclose(rows.x, expected(train, train, kind), atol=1e-9)
    np.testing.assert_allclose(found.x, expected(train, later, kind), rtol=1e-9, atol=1e-9)
    assert rows.labels == ("ash", "elm", "oak")
    assert found.y is not None
    assert (found.y.argmax(axis=1) == [rows.labels.index(word) for word in later["kind"]]).all()
    assert found.known.all()
    assert any("'mauve'" in note and "colour" in note for note in found.notes)
    assert any("flat" in note and "one value" in note for note in found.notes)
    assert any("Far outside" in note and "length" in note for note in found.notes) == (kind != "robust")


def test_one_row_without_its_target(tmp_path: Path) -> None:
    train = table()
    rows = read_rows(written(train, tmp_path / "train.csv"), **TOLD)
    for at in range(6):
        later = train.iloc[at : at + 1]
        for frame in (later, later.drop(columns="kind"), later.assign(kind="")):
            found = rows.like(written(frame, tmp_path / "later.csv"))
            np.testing.assert_array_equal(found.x, rows.x[at : at + 1])
            assert (found.y is not None) == ("kind" in frame and bool(frame["kind"].all()))
            assert found.predictions(np.eye(3)[[at % 3]]) == f"kind\n{rows.labels[at % 3]}\n"


@pytest.mark.parametrize("header", [True, False])
def test_without_names_places_tell(tmp_path: Path, header: bool) -> None:
    train = table()[["length", "count", "kind", "wild"]]
    later = train.tail(7)
    rows = read_rows(written(train, tmp_path / "a.csv", header=header), target="kind" if header else "2")
    for frame, told in ((later, True), (later.drop(columns="kind"), False)):
        found = rows.like(written(frame, tmp_path / "b.csv", header=header))
        np.testing.assert_array_equal(found.x, rows.x[-7:])
        assert (found.y is not None) == told
    if not header:
        with pytest.raises(DataError, match=r"b\.csv: has 2 columns and a\.csv 4, and without names"):
            rows.like(written(later[["length", "count"]], tmp_path / "b.csv", header=False))
        with pytest.raises(DataError, match="has 5 columns and"):
            rows.like(written(later.assign(more=1), tmp_path / "b.csv", header=False))


LABELS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    # what stands in the file, and the classes as predictions name them
    "words": (["b", "a", "a, or so"], ("a", "a, or so", "b")),
    "whole numbers": (["10", "2", "3"], ("2", "3", "10")),
    "whole numbers as floats": (["1.0", "2.0", "0.0"], ("0.0", "1.0", "2.0")),
    "signs": (["+1", "-1"], ("-1", "+1")),
    "truths": (["True", "False"], ("False", "True")),
    "truths in capitals": (["TRUE", "FALSE"], ("FALSE", "TRUE")),
    "a unit": (["5 kg", "10 kg"], ("5 kg", "10 kg")),
    "a rare one, written in two ways": (["1", "2"] * 400 + ["3.0"], ("1", "2", "3.0")),
}


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("one_output", [True, False])
def test_labels_are_named_as_the_file_writes_them(tmp_path: Path, name: str, one_output: bool) -> None:
    words, classes = LABELS[name]
    rows = max(60, len(words))
    cells = [words[k % len(words)] for k in range(rows)]
    frame = pandas.DataFrame({"a": np.linspace(0, 9, rows), "y": cells})
    train = read_rows(written(frame, tmp_path / "a.csv"), target="y", one_output=one_output)
    assert train.labels == classes
    assert train.y is not None
    assert train.answers(train.y) == {"y": cells}
    later = train.like(written(frame.tail(9), tmp_path / "b.csv"))
    assert later.y is not None
    assert (later.y == train.y[-9:]).all()
    again = pandas.read_csv(io.StringIO(later.predictions(later.y)), dtype=str)
    assert again["y"].tolist() == cells[-9:]


def test_shares_of_one_output_and_of_several(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"a": range(40), "y": ["no", "yes"] * 20})
    place = written(frame, tmp_path / "a.csv")
    one = read_rows(place, target="y", one_output=True)
    said = one.answers(np.array([[0.25], [0.75]]), shares=True)
    assert said == {"y": ["no", "yes"], "P(no)": ["0.75", "0.25"], "P(yes)": ["0.25", "0.75"]}
    two = read_rows(place, target="y")
    said = two.answers(np.array([[0.25, 0.75]]), shares=True)
    assert said == {"y": ["yes"], "P(no)": ["0.25"], "P(yes)": ["0.75"]}


def test_values_come_back_in_units_of_the_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {"a": rng.random(50), "price": rng.normal(2e5, 5e4, 50), "rooms": rng.random(50) * 9}
    )
    place = written(frame, tmp_path / "a.csv")
    for names in (["price"], ["rooms", "price"]):
        rows = read_rows(place, target=",".join(names))
        assert rows.y is not None
        outputs = rng.random((50, len(names)))
        oracle = scaler("minmax").fit(frame[names].to_numpy())
        np.testing.assert_allclose(rows.y, oracle.transform(frame[names].to_numpy()), atol=1e-12)
        answers = rows.answers(outputs)
        assert list(answers) == names
        found = np.column_stack([np.array(column, float) for column in answers.values()])
        np.testing.assert_allclose(found, oracle.inverse_transform(outputs), rtol=1e-8)
        beyond = frame.assign(price=frame["price"] * 3)  # not clipped: the loss on such rows is what it is
        later = rows.like(written(beyond, tmp_path / "b.csv"))
        assert later.y is not None
        np.testing.assert_allclose(later.y, oracle.transform(beyond[names].to_numpy()), rtol=1e-9)
    claims = np.exp(rng.normal(5, 3, 50))
    tailed = read_rows(written(frame.assign(price=claims), tmp_path / "d.csv"), target="price")
    half = float(tailed.answers(np.array([[0.5]]))["price"][0])
    assert half == pytest.approx(np.sqrt(claims.min() * claims.max()))
    constant = read_rows(written(frame.assign(price=3.5), tmp_path / "c.csv"), target="price")
    assert constant.answers(np.array([[0.7]])) == {"price": ["3.5"]}


@pytest.mark.parametrize("written_as", ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y-%m-%d %H:%M:%S"])
def test_rows_in_order_of_time_are_told_of(tmp_path: Path, written_as: str) -> None:
    """Which those held out at random are kinder than."""
    days = pandas.date_range("2019-11-20", periods=90, freq="37h").strftime(written_as)
    for order, told in ((slice(None), True), (slice(None, None, -1), True), (np.r_[45:90, :45], False)):
        frame = pandas.DataFrame({"day": days[order], "a": np.arange(90) * 0.1, "kind": ["x", "y"] * 45})
        notes = open_data(written(frame, tmp_path / "a.csv"), target="kind").notes
        assert (
            any(note.startswith("The rows are in order of time, column 0 ('day')") for note in notes) == told
        )


def test_targets_in_percent_come_back_in_percent(tmp_path: Path) -> None:
    share = np.random.default_rng(0).random(50).round(3)
    frame = pandas.DataFrame({"a": share, "yield": [f"{100 * each:.1f}%" for each in share], "b": 2 * share})
    place = written(frame, tmp_path / "a.csv")
    rows = read_rows(place, target="yield")
    assert rows.y is not None
    np.testing.assert_allclose(rows.y[:, 0], share, atol=1e-12)
    found = rows.like(place)
    assert found.y is not None
    np.testing.assert_allclose(found.y, rows.y)
    np.testing.assert_allclose(np.array(rows.answers(rows.y)["yield"], float), 100 * share, atol=1e-9)
    both = read_rows(place, target="yield,b")
    assert both.y is not None
    np.testing.assert_allclose(
        np.array(list(both.answers(both.y).values()), float), [100 * share, 2 * share], rtol=1e-8
    )


@pytest.mark.parametrize("cell", ["{}%", "{} %", "({}%)", '"=""{}%"""'])
def test_rows_whose_targets_in_percent_are_all_missing_are_read(tmp_path: Path, cell: str) -> None:
    told = np.random.default_rng(0).integers(1, 99, 60) + 0.5
    lines = "".join(f"{each},{cell.format(each)}\n" for each in told)
    (tmp_path / "a.csv").write_text(f"a,yield\n{lines}")
    rows = read_rows(tmp_path / "a.csv", target="yield")
    assert rows.y is not None
    sign = -1 if "(" in cell else 1
    np.testing.assert_allclose(np.array(rows.answers(rows.y)["yield"], float), sign * told, rtol=1e-9)
    (tmp_path / "b.csv").write_text("a,yield\n1,n/a\n2,n/a\n")
    assert rows.like(tmp_path / "b.csv").y is None


def test_later_targets_without_the_sign_are_percent_too(tmp_path: Path) -> None:
    told = np.random.default_rng(0).integers(1, 99, 60) + 0.5
    frame = pandas.DataFrame({"a": told, "yield": told})
    rows = read_rows(
        written(frame.assign(**{"yield": [f"{each}%" for each in told]}), tmp_path / "a.csv"), target="yield"
    )
    found = rows.like(written(frame, tmp_path / "b.csv"))
    assert found.y is not None
    assert rows.y is not None
    np.testing.assert_allclose(found.y, rows.y)
    assert "Targets without a % were taken for percent, as predictions are written." in found.notes


@pytest.mark.parametrize("most", [150.0, 9000.0], ids=["scaled", "clipped"])
def test_notes_on_targets_in_percent_are_in_percent(tmp_path: Path, most: float) -> None:
    share = np.random.default_rng(0).normal(50, 10, 200).round(1)
    share[[3, 7]] = most, -most
    frame = pandas.DataFrame({"a": share, "yield": [f"{each}%" for each in share]})
    rows = read_rows(written(frame, tmp_path / "a.csv"), target="yield")
    lower, upper = np.quantile(share, [0.25, 0.75])
    low, high = lower - 3 * (upper - lower), upper + 3 * (upper - lower)
    said = f"others do, {low:.6g} to {high:.6g}," if most > 150 else "0 stands for -150, 1 for 150."
    assert rows.encoding is not None
    assert any(said in note for note in rows.encoding.notes)


def test_columns_of_all_or_nothing_in_percent_come_back_so(tmp_path: Path) -> None:
    told = np.random.default_rng(0).choice(["0%", "100%"], (40, 2))
    frame = pandas.DataFrame({"a": range(40), "b": told[:, 0], "c": told[:, 1]})
    rows = read_rows(written(frame, tmp_path / "a.csv"), target="b,c")
    assert rows.y is not None
    found = rows.answers(rows.y)
    assert [f"{found[name][0]}%" for name in "bc"] == told[0].tolist()
    assert [f"{each}%" for each in found["c"]] == told[:, 1].tolist()


def test_rows_with_missing_cells_keep_their_place(tmp_path: Path) -> None:
    train = table()
    rows = read_rows(written(train, tmp_path / "a.csv"), **TOLD)
    later = train.head(6).astype({"length": object, "colour": object, "kind": object})
    later.loc[1, "length"], later.loc[4, "colour"] = "NA", ""
    later.loc[2, "kind"], later.loc[3, "kind"] = "", "yew"
    found = rows.like(written(later, tmp_path / "b.csv"))
    whole = train.head(6).astype({"length": float})
    whole.loc[1, "length"], whole.loc[4, "colour"] = train["length"].median(), "none of them"
    np.testing.assert_allclose(found.x, expected(train, whole, "minmax"), atol=1e-12)
    assert found.left_out.tolist() == []
    assert found.known.tolist() == [True, True, False, False, True, True]
    assert found.y is not None
    assert rows.y is not None
    assert (found.y == rows.y[[0, 1, 4, 5]]).all()
    text = found.predictions(np.eye(3)[[0, 1, 1, 2, 0, 0]])
    told = pandas.read_csv(io.StringIO(text)).fillna("")
    assert told["kind"].tolist() == ["ash", "elm", "elm", "oak", "ash", "ash"]
    assert told["filled"].tolist() == ["", "length", "", "", "colour", ""]
    assert [note for note in found.notes if "rows" in note] == [
        "2 of 6 rows lack cells, filled in with the medians of the rows trained on and named beside their "
        "predictions: length, colour.",
        "2 of 6 rows are without a label that was trained on.",
    ]
    parquet = tmp_path / "b.parquet"
    pytest.importorskip("pyarrow")
    later = later.replace({"NA": None, "": None}).astype({"length": float})
    later.to_parquet(parquet)
    again = rows.like(parquet)
    np.testing.assert_array_equal(again.x, found.x)
    assert (again.known == found.known).all()
    assert again.filled == found.filled


def test_places_of_rows_are_counted_through_the_blocks_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = table()
    rows = read_rows(written(train, tmp_path / "a.csv"), **TOLD)
    gone = [0, 17, 18, 60, 119]
    later = train.assign(length=train["length"].mask(train.index.isin(gone)))
    monkeypatch.setattr("rsgadvise.data.formats.tables.BLOCK_BYTES", 500)
    found = rows.like(written(later, tmp_path / "b.csv"))
    assert np.flatnonzero(found.filled).tolist() == gone
    np.testing.assert_array_equal(np.delete(found.x, gone, axis=0), np.delete(rows.x, gone, axis=0))
    assert (found.x[gone, 0] == np.median(rows.x[:, 0])).all()


def refused(rows: TrainingRows, path: Path) -> str:
    with pytest.raises(DataError) as caught:
        rows.like(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert "--" not in message  # nothing that the reader of a program could say
    return message


def test_what_is_no_such_table_is_refused(tmp_path: Path) -> None:
    train = table()
    rows = read_rows(written(train, tmp_path / "train.csv"), **TOLD)
    later, place = train.head(5), tmp_path / "b.csv"
    text = refused(rows, written(later.drop(columns="length"), place))
    assert "has no column 'length', on which the network was trained in train.csv" in text
    text = refused(rows, written(later.rename(columns={"length": "lenght"}), place))
    assert "did you mean 'lenght'?" in text
    text = refused(rows, written(later, place, header=False))
    assert "does its first line hold the names?" in text
    text = refused(rows, written(later.assign(count="many"), place))
    assert "line 2, column 6 ('count'): 'many' is not a number" in text
    text = refused(rows, written(later.assign(old="perhaps"), place))
    assert "column 4 ('old'): 'perhaps' is neither True nor False" in text
    np.save(tmp_path / "b.npy", np.ones((3, 9)))
    assert "holds arrays and train.csv columns" in refused(rows, tmp_path / "b.npy")
    assert "does not exist" in refused(rows, tmp_path / "none.csv")
    for separator in (";", "\t", "|"):
        again = rows.like(written(later.astype({"old": int}), tmp_path / "b.txt", sep=separator))
        np.testing.assert_array_equal(again.x, rows.x[:5])
    found = rows.like(written(later.assign(more=1, other="x"), place))
    assert "Passed over, not in train.csv: columns 9 ('more'), 10 ('other')." in found.notes
    np.testing.assert_array_equal(found.x, rows.x[:5])


def test_a_column_keeps_its_kind(tmp_path: Path) -> None:
    """The first rows of a later file would say otherwise."""
    rows = 60
    frame = pandas.DataFrame(
        {
            "code": np.resize(["7", "x", "y", "z"], rows),  # words, some of which are numbers
            "weight": [f"{k} kg" for k in range(rows)],
            "price": [f"{k},5" for k in range(rows)],
            "kind": np.resize(["a", "b"], rows),
        }
    )
    train = read_rows(written(frame, tmp_path / "a.csv", sep=";"), target="kind", categories="one_hot")
    later = train.like(written(frame[4:8:3], tmp_path / "b.csv", sep=";"))
    np.testing.assert_array_equal(later.x, train.x[4:8:3])
    one = train.like(written(frame[4:5].assign(price="1000,5"), tmp_path / "b.csv", sep=";"))
    assert one.x[0, -1] == pytest.approx(1000 / (rows - 1))


ARRAYS: dict[str, Any] = {
    "8-bit images": (lambda rng: rng.integers(0, 256, (40, 2, 3), dtype=np.uint8), lambda x, _: x / 255),
    "in [0, 1]": (lambda rng: rng.random((40, 6)), lambda x, _: x),
    "any range": (
        lambda rng: rng.normal(0, 50, (40, 6)) * [1, 1, 0, 1, 1, 1],
        lambda x, train: scaler("minmax").fit(train).transform(x),
    ),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(tmp_path: Path, name: str) -> None:
    make, scale = ARRAYS[name]
    x = make(np.random.default_rng(0))
    labels = np.resize(np.array([3.0, 5.0, 9.0]), 40)
    np.savez(tmp_path / "a.npz", x_train=x[:30], y_train=labels[:30], x_test=x[30:], y_test=labels[30:])
    np.savez(tmp_path / "b.npz", x=x[30:])
    np.savez(tmp_path / "c.npz", x[30:])
    np.save(tmp_path / "d.npy", x[30:])
    rows = read_rows(tmp_path / "a.npz")
    flat = x.reshape(40, 6).astype(float)
    assert rows.labels == ("3", "5", "9")
    for file in ("a.npz", "b.npz", "c.npz", "d.npy"):
        later = rows.like(tmp_path / file)
        np.testing.assert_allclose(later.x, scale(flat[30:], flat[:30]), atol=1e-12)
        assert (later.y is None) == (file != "a.npz")
    assert later.predictions(np.eye(3)[[0, 2] * 5]).split() == ["prediction", *["3", "9"] * 5]
    np.save(tmp_path / "e.npy", x[:, :1].reshape(40, -1))
    assert "features a row and a.npz 6" in refused(rows, tmp_path / "e.npy")
    if name == "8-bit images":
        np.save(tmp_path / "f.npy", flat[30:])  # as floats, but as they came
        np.testing.assert_array_equal(rows.like(tmp_path / "f.npy").x, flat[30:] / 255)
        np.save(tmp_path / "f.npy", flat[30:] / 255)
        assert "whole numbers from 0 to 255" in refused(rows, tmp_path / "f.npy")
    np.savez(tmp_path / "g.npz", one=x, other=x)
    assert "none is called x, data or features; call one so" in refused(rows, tmp_path / "g.npz")
    np.save(tmp_path / "g.npy", np.full((2, 6), np.inf))
    assert "must be finite" in refused(rows, tmp_path / "g.npy")


def test_a_target_among_the_columns_of_an_array(tmp_path: Path) -> None:
    x = np.column_stack([np.random.default_rng(0).random((20, 3)), np.resize([0, 1], 20)])
    np.save(tmp_path / "a.npy", x)
    rows = read_rows(tmp_path / "a.npy", target="-1")
    for file, told in ((x, True), (x[:, :3], False)):
        np.save(tmp_path / "b.npy", file[:4])
        later = rows.like(tmp_path / "b.npy")
        np.testing.assert_array_equal(later.x, x[:4, :3])
        assert (later.y is not None) == told


def test_targets_in_a_file_of_their_own_are_those_of_the_rows_trained_on(tmp_path: Path) -> None:
    frame = table()[["length", "count"]]
    written(frame, tmp_path / "x.csv")
    (tmp_path / "y.csv").write_text("".join(f"{1 + k % 3}\n" for k in range(ROWS)))
    rows = read_rows(tmp_path / "x.csv", target="y.csv")
    assert rows.labels == ("1", "2", "3")
    later = rows.like(written(frame.tail(4), tmp_path / "b.csv"))
    np.testing.assert_array_equal(later.x, rows.x[-4:])
    assert later.y is None


def test_images_that_lie_along_the_last_axis(tmp_path: Path) -> None:
    io_module = pytest.importorskip("scipy.io")
    x = np.random.default_rng(0).integers(0, 256, (3, 2, 30), dtype=np.uint8)
    io_module.savemat(tmp_path / "a.mat", {"X": x, "y": np.resize([1, 2, 10], 30)})
    io_module.savemat(tmp_path / "b.mat", {"X": x[..., 20:]})
    rows = read_rows(tmp_path / "a.mat")
    later = rows.like(tmp_path / "b.mat")
    np.testing.assert_array_equal(later.x, rows.x[20:])
    assert later.y is None


def test_images_are_named(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install 'rsgadvise[images]'")
    rng = np.random.default_rng(0)
    for place in ("train/cat/a.png", "train/dog/b.png", "later/c.png", "later/d.png"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(rng.integers(0, 256, (4, 3), dtype=np.uint8)).save(tmp_path / place)
    rows = read_rows(tmp_path / "train")
    later = rows.like(tmp_path / "later")
    assert later.y is None
    assert later.predictions(np.eye(2)) == "file,prediction\nc.png,cat\nd.png,dog\n"
    assert rows.like(tmp_path / "train").predictions(np.eye(2)).splitlines()[2] == "dog/b.png,dog"
    image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "later" / "c.png")
    image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "later" / "d.png")
    assert "has 20 features a row and train 12" in refused(rows, tmp_path / "later")


def test_svmlight_has_the_indices_that_were_trained_on(tmp_path: Path) -> None:
    (tmp_path / "a.svm").write_text("1 1:0.5 4:1\n-1 2:0.25\n1 3:1\n-1 1:1 2:1\n")
    (tmp_path / "b.svm").write_text("0 2:1 3:0.5\n-1 1:0.5\n")
    rows = read_rows(tmp_path / "a.svm")
    assert rows.labels == ("-1", "1")
    later = rows.like(tmp_path / "b.svm")
    assert later.x.tolist() == [[0, 1, 0.5, 0], [0.5, 0, 0, 0]]
    assert later.known.tolist() == [False, True]
    (tmp_path / "b.svm").write_text("1\n-1\n")  # all of it zeros
    assert rows.like(tmp_path / "b.svm").x.tolist() == [[0] * 4] * 2
    (tmp_path / "b.svm").write_text("1 5:1\n")
    assert "indices from 1 to 5" in refused(rows, tmp_path / "b.svm")


def test_rows_of_other_files_are_not_loaded_by_statistics(tmp_path: Path) -> None:
    """They were, with numbers that nobody had written in the rows that were not there."""
    for name, count in (("a", 30), ("fewer", 29), ("more", 31)):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).random((count, 4)))
    np.save(tmp_path / "wider.npy", np.ones((30, 5)))
    statistics = measure(open_data(tmp_path / "a.npy"), spectrum=False)
    assert load_rows(open_data(tmp_path / "a.npy"), statistics)[0].shape == (30, 4)
    for name in ("fewer", "more", "wider"):
        with pytest.raises(DataError, match=r"must hold the rows that were measured, 30 of 4 features"):
            load_rows(open_data(tmp_path / f"{name}.npy"), statistics)


def test_other_targets_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", x=rng.random((9, 2)), y=9 * rng.random((9, 2)))
    np.savez(tmp_path / "b.npz", x=rng.random((3, 2)), y=rng.random((3, 3)))
    rows = read_rows(tmp_path / "a.npz")
    assert "has 3 targets a row and a.npz 2" in refused(rows, tmp_path / "b.npz")
    frame = pandas.DataFrame(rng.random((9, 3)) * 9, columns=list("abc"))
    rows = read_rows(written(frame, tmp_path / "a.csv"), target="b,c")
    assert rows.like(written(frame[["a", "b"]], tmp_path / "b.csv")).y is None
    later = rows.like(written(frame[["c", "b", "a"]], tmp_path / "b.csv"))
    np.testing.assert_array_equal(np.asarray(later.y), np.asarray(rows.y))


def test_without_targets_nothing_is_predicted(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, 2)))
    later: LaterRows = read_rows(tmp_path / "a.npy").like(tmp_path / "a.npy")
    with pytest.raises(DataError, match="must have targets"):
        later.predictions(np.ones((3, 1)))
