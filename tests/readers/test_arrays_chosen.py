"""Which arrays of a file are read, and that this is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from conftest import present
from test_reader_formats import collect

from rsgadvise.data.opening import open_data
from rsgadvise.data.stream import Array
from rsgadvise.errors import DataError

RNG = np.random.default_rng(3)


def x(*shape: int) -> Array:
    return RNG.random(shape)


def y(length: int) -> Array:
    return np.arange(length) % 3


def _npz(path: Path, arrays: dict[str, Any]) -> Path:
    np.savez(path.with_suffix(".npz"), **arrays)
    return path.with_suffix(".npz")


def _mat(path: Path, arrays: dict[str, Any]) -> Path:
    scipy.io.savemat(path.with_suffix(".mat"), arrays)
    return path.with_suffix(".mat")


def _hdf5(path: Path, arrays: dict[str, Any]) -> Path:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'rsgadvise[hdf5]'")
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path.with_suffix(".h5")


Writer = Callable[[Path, dict[str, Any]], Path]
WRITERS = {"npz": _npz, "mat": _mat, "hdf5": _hdf5}

# What is in a file, what is asked of it, and which arrays are the features and the targets.
TAKEN: dict[str, tuple[dict[str, Array], dict[str, str], str, str | None]] = {
    "scikit-learn": ({"data": x(6, 3), "target": y(6)}, {}, "data", "target"),
    "capitals": ({"X": x(6, 3), "Y": y(6)}, {}, "X", "Y"),
    "the search of a text": ({"fea": x(6, 3), "gnd": y(6)}, {}, "fea", "gnd"),
    "images": ({"images": x(6, 3, 2), "labels": y(6)}, {}, "images", "labels"),
    "keras": (
        {"x_test": x(3, 4), "x_train": x(6, 4), "y_test": y(3), "y_train": y(6)},
        {},
        "x_train",
        "y_train",
    ),
    "the other way round": (
        {"train_images": x(6, 4), "train_labels": y(6), "val_images": x(2, 4), "val_labels": y(2)},
        {},
        "train_images",
        "train_labels",
    ),
    "short": ({"Xtr": x(6, 4), "ytr": y(6), "Xte": x(2, 4), "yte": y(2)}, {}, "Xtr", "ytr"),
    "its own pair": (
        {"x_test": x(3, 4), "x_train": x(6, 4), "y_test": y(3), "y_train": y(6)},
        {"array": "x_test"},
        "x_test",
        "y_test",
    ),
    "plain before training": ({"x_train": x(6, 4), "x": x(5, 4), "y": y(5)}, {}, "x", "y"),
    "the only one": ({"measured": x(6, 4)}, {}, "measured", None),
    "another length": ({"x": x(6, 4), "y": y(7), "labels": y(6)}, {}, "x", "labels"),
    "no length": ({"x": x(6, 4), "y": y(7)}, {}, "x", None),
    "asked for": ({"x": x(6, 4), "y": y(6), "z": y(6)}, {"target": "z"}, "x", "z"),
    "square": ({"x": x(6, 6), "y": y(6)}, {}, "x", "y"),
}


def flat(array: Array) -> Array:
    return array.reshape(len(array), -1)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("label", TAKEN)
def test_the_arrays_taken(tmp_path: Path, kind: str, label: str) -> None:
    arrays, asked, features, targets = TAKEN[label]
    source = open_data(WRITERS[kind](tmp_path / "a", arrays), **asked)  # type: ignore[arg-type]
    found, labels = collect(source, 40)
    assert (found == flat(arrays[features])).all()
    assert (labels is None) == (targets is None)
    if labels is not None and targets is not None:
        assert (labels[:, 0] == arrays[targets]).all()
    left = set(arrays) - {features, targets}
    assert bool(source.notes) == bool(left)
    if left:
        assert source.notes[0].startswith(f"The features are array {features} {arrays[features].shape}")
        assert ("those for training" in source.notes[0]) == (
            label in {"keras", "the other way round", "short"}
        )
        told = source.notes[0].partition("passed over: ")[2]
        assert all(f"{name} (" in told for name in left)


# Shapes of features and targets, how both are told to be read, and the shape of the features then.
TURNED: dict[str, tuple[tuple[int, ...], tuple[int, ...], int, tuple[int, int]]] = {
    "columns": ((3, 6), (6,), 1, (6, 3)),
    "columns and a row": ((3, 6), (1, 6), 1, (6, 3)),
    "columns and a column": ((3, 6), (6, 1), 1, (6, 3)),
    "columns of both": ((3, 6), (2, 6), 2, (6, 3)),
    "rows and a row": ((6, 3), (1, 6), 0, (6, 3)),
    "rows and columns": ((6, 3), (2, 6), 1, (6, 3)),
    "one row of both": ((1, 6), (1, 6), 1, (6, 1)),
    "images along the last axis": ((3, 2, 6), (6,), 1, (6, 6)),
    "as many columns as rows": ((6, 6), (6,), 0, (6, 6)),
    "images of six columns": ((7, 2, 6), (6,), -1, (7, 12)),
    "images of six rows": ((7, 6, 2), (6,), -1, (7, 12)),
    "none": ((3, 6), (5,), -1, (3, 6)),
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("label", TURNED)
def test_features_are_transposed_for_their_labels_alone(tmp_path: Path, kind: str, label: str) -> None:
    shape, labels, told, expected = TURNED[label]
    arrays = {"x": x(*shape), "y": x(*labels)}
    path = WRITERS[kind](tmp_path / "a", arrays)
    source = open_data(path)
    for max_bytes in (1, 1 << 21):
        features, targets = collect(source, max_bytes)
        turned = expected[0] != shape[0]
        assert (features == flat(arrays["x"].T if turned else arrays["x"])).all()
        assert features.shape == expected
        assert (targets is None) == (told < 0)
        if targets is not None:
            assert targets.shape[0] == expected[0]
            assert (
                targets
                == (arrays["y"].T if labels[0] != expected[0] else arrays["y"]).reshape(expected[0], -1)
            ).all()
    assert sum("is read transposed" in note for note in source.notes) == max(told, 0)
    assert any("does not hold one target for each row" in note for note in source.notes) == (told < 0)
    np.save(tmp_path / "y.npy", np.arange(max(labels)))
    alone = WRITERS[kind](tmp_path / "b", {"x": arrays["x"]})
    assert not open_data(alone).has_targets
    assert collect(open_data(alone))[0].shape[0] == shape[0]
    if told >= 0:
        assert collect(open_data(alone, target="y.npy"))[0].shape == expected


def test_what_holds_no_numbers_is_passed_over(tmp_path: Path) -> None:
    arrays = {
        "x": x(4, 2),
        "y": np.array(list("abcab")),
        "objects": np.array([{}, {}]),
        "scalar": np.array(3.0),
    }
    (note,) = open_data(_npz(tmp_path / "a", arrays)).notes
    assert note == (
        "The features are array x (4, 2); passed over: y (no numbers), objects (no numbers), scalar ()."
    )
    with pytest.raises(DataError, match=r"'objects': holds objects: the pickle holds"):
        open_data(tmp_path / "a.npz", target="objects")
    with pytest.raises(DataError, match=r"holds y \(no numbers\), labels \(4,\) and none is called x"):
        open_data(_npz(tmp_path / "b", {"y": arrays["y"], "labels": y(4)}))
    with pytest.raises(DataError, match=r"holds labels \(4, 1\) and none is called x.*--array NAME"):
        open_data(_npz(tmp_path / "c", {"labels": y(4)[:, None]}))


PAIRS: dict[str, tuple[dict[str, Array], tuple[str, str] | None]] = {
    "without names": ({"arr_0": x(6, 3), "arr_1": y(6)}, ("arr_0", "arr_1")),
    "without names, four": (
        {"arr_0": x(6, 3), "arr_1": y(6), "arr_2": x(4, 3), "arr_3": y(4)},
        ("arr_0", "arr_1"),
    ),
    "names of their own": ({"species": y(6)[:, None], "spectra": x(6, 3)}, ("spectra", "species")),
    "features first and last": ({"arr_0": x(6, 3), "arr_1": x(4, 3), "arr_2": y(6), "arr_3": y(4)}, None),
    "other lengths": ({"arr_0": x(6, 3), "arr_1": y(5)}, None),
    "two of several columns": ({"left": x(6, 3), "right": x(6, 3)}, None),
    "three": ({"spectra": x(6, 3), "species": y(6), "site": y(6)}, None),
}


@pytest.mark.parametrize("label", PAIRS)
def test_two_arrays_need_no_usual_names(tmp_path: Path, label: str) -> None:
    arrays, taken = PAIRS[label]
    path = _npz(tmp_path / "a", arrays)
    if taken is None:
        with pytest.raises(DataError, match="choose the features with --array NAME"):
            open_data(path)
        return
    source = open_data(path)
    found, labels = collect(source)
    assert labels is not None
    assert (found == arrays[taken[0]]).all()
    assert (labels[:, 0] == arrays[taken[1]].ravel()).all()
    (note,) = source.notes
    assert f"{taken[0]} (6, 3), the targets {taken[1]} (6" in note
    assert ("no name says" in note) == (len(arrays) == 2)


@pytest.mark.parametrize("turned", [np.ascontiguousarray, np.asfortranarray])
def test_a_column_of_one_array_may_be_the_target(tmp_path: Path, turned: Callable[[Array], Array]) -> None:
    array = turned(np.column_stack([x(9, 2), y(9), x(9, 1)]))
    np.save(tmp_path / "a.npy", array)
    for target in ("2", "-2"):
        source = open_data(tmp_path / "a.npy", target=target)
        found, labels = collect(source, 40)
        assert labels is not None
        assert (found == array[:, [0, 1, 3]]).all()
        assert (labels[:, 0] == array[:, 2]).all()
        assert source.notes == ("The target is column 2, counted from 0; -1 is the last.",)
    for target in ("4", "-5", "y"):
        with pytest.raises(
            DataError, match=r"a file of targets, or the number of one of its 4 columns.*neither"
        ):
            open_data(tmp_path / "a.npy", target=target)
    np.save(tmp_path / "-1", y(9) + 1)  # a file comes first
    assert collect(open_data(tmp_path / "a.npy", target="-1.npy"))[0].shape == (9, 4)


@pytest.mark.parametrize("order", "<>")
def test_targets_may_be_words(tmp_path: Path, order: str) -> None:
    words = np.array(["owl", "mouse", "owl", "élan"], f"{order}U5")
    path = _npz(tmp_path / "a", {"X": x(4, 2), "y": words, "feature_names": np.array(["a", "b"])})
    (note,) = open_data(path).notes
    assert "passed over: feature_names (no numbers)" in note
    for source in (open_data(path), open_data(path, array="X", target="y")):
        labels = present(collect(source, 40)[1])
        assert labels[:, 0].tolist() == words.tolist()
    np.save(tmp_path / "x.npy", x(4, 2))
    np.save(tmp_path / "y.npy", words)
    labels = present(collect(open_data(tmp_path / "x.npy", target="y.npy"))[1])
    assert labels[:, 0].tolist() == words.tolist()
    (tmp_path / "y.npy").write_bytes(
        (tmp_path / "y.npy").read_bytes().replace("w".encode(f"utf-32-{'lb'[order == '>']}e"), b"\xff" * 4)
    )
    with pytest.raises(DataError, match="letters that there are not"):
        collect(open_data(tmp_path / "x.npy", target="y.npy"))
    with pytest.raises(DataError, match="str160 entries; only real numbers"):
        open_data(_npz(tmp_path / "b", {"x": words[:, None], "y": y(4)}))


def test_text_and_groups_of_an_hdf5_file(tmp_path: Path) -> None:
    arrays = {"train/x": x(4, 2), "train/y": y(4), "test/x": x(2, 2), "words": np.array([b"ab", b"cd"])}
    source = open_data(_hdf5(tmp_path / "a", arrays))
    assert source.has_targets
    assert source.notes == (
        "The features are array train/x (4, 2), the targets train/y (4,), those for training; passed over: "
        "test/x (2, 2), words text (2,).",
    )
    with pytest.raises(DataError, match="only real numbers"):
        open_data(tmp_path / "a.h5", array="words")


@pytest.mark.parametrize("write", [_npz, _mat, _hdf5], ids=["npz", "mat", "hdf5"])
@pytest.mark.parametrize("kind", [bytes, str, object])
def test_labels_that_are_words(tmp_path: Path, write: Writer, kind: type) -> None:
    words = ["cat", "horse", "cat", "", "ox"]
    labels: Any = np.array(words, kind)
    if kind is bytes and write is _mat:
        pytest.skip("scipy writes them as text")
    if kind is object and write is _npz:
        pytest.skip("objects of numpy could run code")
    if kind is str and write is _hdf5:
        pytest.skip("h5py does not write them")
    features, targets = collect(open_data(write(tmp_path / "a", {"X": x(5, 3), "labels": labels})))
    assert features.shape == (5, 3)
    assert targets[:, 0].tolist() == words
    with pytest.raises(DataError, match=r"holds words|only real numbers|one-dimensional"):
        open_data(next(tmp_path.iterdir()), array="labels")


def test_cells_of_other_things_are_no_labels(tmp_path: Path) -> None:
    cells = np.array(["cat", 3.0, "cat", "ox"], object)
    with pytest.raises(
        DataError, match="its cells hold other things than words; store the labels as one array"
    ):
        collect(open_data(_mat(tmp_path / "a", {"X": x(4, 3), "y": cells})))


def test_names_that_differ_in_capitals_alone(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none is called x"):
        open_data(_npz(tmp_path / "a", {"Data": x(4, 2), "DATA": x(4, 3)}))
    features, _ = collect(
        open_data(_npz(tmp_path / "b", {"Data": x(4, 2), "DATA": x(4, 3), "data": x(4, 4)}))
    )
    assert features.shape == (4, 4)


def test_many_arrays_are_not_all_named(tmp_path: Path) -> None:
    (note,) = open_data(_npz(tmp_path / "a", {"x": x(4, 2)} | {f"z{i}": x(2, 2) for i in range(50)})).notes
    assert note.endswith("and 30 more.")
    assert len(note) < 500
