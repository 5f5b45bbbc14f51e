"""Targets become one-hot or numbers in [0, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import gmean

from rsgadvise.data.scaling import CLIPPED, LOGARITHMS
from rsgadvise.data.targets import MAX_CLASSES, TargetSummary, encode_targets
from rsgadvise.errors import DataError

CASES: dict[str, tuple[Any, str, Any]] = {
    "labels": (np.array([2, 0, 1]), "one-hot", np.eye(3)[[2, 0, 1]]),
    "labels from 1 with a gap": (np.array([[1], [7], [101]] * 2), "one-hot", np.eye(3)[[0, 1, 2] * 2]),
    "a number of its own in every row": (np.array([1, 7, 101]), "min-max per column", [[0], [0.06], [1]]),
    "rows counted": (np.arange(40), "min-max per column", np.arange(40)[:, None] / 39),
    "more than 20, far apart": (
        np.arange(0, 90, 3).repeat(2),
        "min-max per column",
        (np.arange(30) / 29).repeat(2)[:, None],
    ),
    "more than 20, counted": (np.arange(30).repeat(2), "one-hot", np.eye(30).repeat(2, axis=0)),
    "uint8 labels": (np.array([9, 3, 9], dtype=np.uint8), "one-hot", np.eye(2)[[1, 0, 1]]),
    "labels beyond floats": (np.array([2**63, 2**63 + 1] * 2, np.uint64), "one-hot", np.eye(2)[[0, 1] * 2]),
    "the same, as text": (np.array([f"{2**53}", f"{2**53 + 1}"] * 2), "one-hot", np.eye(2)[[0, 1] * 2]),
    "bool": (np.array([True, False]), "one-hot", np.eye(2)[[1, 0]]),
    "whole floats": (np.array([1.0, 3.0, 1.0]), "one-hot", np.eye(2)[[0, 1, 0]]),
    "floats 0 and 1": (np.array([0.0, 1.0, 1.0]), "one-hot", np.eye(2)[[0, 1, 1]]),
    "floats with a half": (np.array([0.0, 1.0, 0.5]), "none", [[0.0], [1.0], [0.5]]),
    "unit": (np.array([[0.1, 1.0], [0.0, 0.3]]), "none", [[0.1, 1.0], [0.0, 0.3]]),
    "one-hot already": (np.eye(3, dtype=np.uint8), "none", np.eye(3)),
    "a yes or no each": (np.array([[0, 1], [1, 1]]), "0 and 1 per column", [[0, 1], [1, 1]]),
    "yes or no as text": (np.array([["0", "1"], ["0", "0"]]), "0 and 1 per column", [[0, 1], [0, 0]]),
    "yes, no and a half": (np.array([[0, 1], [1, 0.5]]), "none", [[0, 1], [1, 0.5]]),
    "images": (np.array([[0, 255], [51, 0]], dtype=np.uint8), "divide by 255", [[0, 1], [0.2, 0]]),
    "real": (np.array([-1.5, 0.5, 2.5]), "min-max per column", [[0], [0.5], [1]]),
    "two real, one constant": (np.array([[3.0, 7.0], [5.0, 7.0]]), "min-max per column", [[0, 0], [1, 0]]),
    "text": (np.array(["g", "b", "g"]), "one-hot", np.eye(2)[[1, 0, 1]]),
    "text integers": (np.array(["10", "9", "10"]), "one-hot", np.eye(2)[[1, 0, 1]]),
    "text reals": (np.array(["0.5", "1", "0"]), "none", [[0.5], [1], [0]]),
    "text real columns": (np.array([["0.5", "1"], ["0", "1"]]), "none", [[0.5, 1], [0, 1]]),
    "text and integers": (np.array(["10", "a"]), "one-hot", np.eye(2)),
}


@pytest.mark.parametrize("label", CASES)
def test_encoding(label: str) -> None:
    values, kind, expected = CASES[label]
    encoded, encoding = encode_targets(values)
    assert encoding.kind == kind
    assert encoded.tolist() == np.asarray(expected, dtype=float).tolist()
    assert encoding.dim == encoded.shape[1]
    piecewise = TargetSummary()
    for start in range(len(values)):
        piecewise.update(values[start : start + 1])
    again = piecewise.finish()
    assert again.kind == kind
    assert np.concatenate([again.encode(values[i : i + 1]) for i in range(len(values))]).tolist() == (
        encoded.tolist()
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.arange(MAX_CLASSES + 1).astype(str) + np.array("a"), "more than 100000 different labels"),
        (np.array([0.5, np.nan]), "row 1 is nan"),
        (np.array([[0.5, np.inf]]), "row 0, column 1, is inf"),
        (np.array([["a", "1"]]), "one column of classes"),
        (np.zeros((0, 1)), "zero rows"),
    ],
)
def test_refused(values: Any, expected: str) -> None:
    with pytest.raises(DataError, match=expected) as caught:
        encode_targets(values)
    assert "\n" not in str(caught.value)


def test_a_label_not_seen_before() -> None:
    _, encoding = encode_targets(np.array([0, 2, 0]))
    with pytest.raises(DataError, match="label 1 is not one of the 2 classes"):
        encoding.encode(np.array([1]))


def test_one_hot_that_does_not_fit() -> None:
    summary = TargetSummary()
    summary.update(np.arange(MAX_CLASSES).repeat(2))
    with pytest.raises(DataError, match="fewer rows at a time"):
        summary.finish().encode(np.zeros(20_000, dtype=np.int64))


def test_whole_numbers_below_0_are_labels_where_few_differ() -> None:
    for values in (np.array([1, -1, -1]), np.array(["1", "-1", "-1"])):
        encoded, encoding = encode_targets(values)
        assert encoding.kind == "one-hot"
        assert encoded.tolist() == [[0, 1], [1, 0], [1, 0]]
    depths, encoding = encode_targets(np.arange(-20, 20))
    assert encoding.kind == "min-max per column"
    assert (depths.min(), depths.max()) == (0, 1)


def test_the_row_of_a_target_that_is_not_finite_counts_from_the_start_of_the_file() -> None:
    summary = TargetSummary("y")
    summary.update(np.array([0.5, 0.25, 0.75]))
    with pytest.raises(DataError, match="y: row 4 is inf"):
        summary.update(np.array([0.5, np.inf]))


@pytest.mark.parametrize(
    ("values", "kind", "found", "words"),
    [
        (np.array([3.5, 1.5, 3.5]), "classes", "one-hot", ""),
        (np.arange(40), "classes", "one-hot", ""),
        (np.array([0, 1, 1, 0]), "values", "none", ""),
        (np.array([[0, 1], [1, 1]]), "values", "none", ""),
        (np.array([0, 1, 2, 1] * 9), "values", "min-max per column", "0 stands for 0, 1 for 2"),
        (np.array([250, 190, 251, 300, 280]), "auto", "min-max per column", "5 different whole numbers"),
        (np.array([250, 190, 251, 300, 280]), "auto", "min-max per column", "0 stands for 190, 1 for 300"),
        (
            np.repeat(np.arange(0, 60, 5), 3),
            "auto",
            "one-hot",
            "12 different whole numbers, were taken for classes",
        ),
    ],
)
def test_a_user_may_say_what_targets_are(values: Any, kind: Any, found: str, words: str) -> None:
    """And where nobody does and either may be, it is said what they were taken for."""
    encoding = encode_targets(values, kind=kind)[1]
    assert encoding.kind == found
    assert words in " ".join(encoding.notes)
    assert bool(words) == bool(encoding.notes)


@pytest.mark.parametrize(
    ("classes", "rows", "noted"), [(100, 500, True), (21, 10_000, True), (20, 500, False), (20, 30, True)]
)
def test_many_classes_of_whole_numbers_are_said_to_be_classes(classes: int, rows: int, noted: bool) -> None:
    _, encoding = encode_targets(np.arange(rows) % classes)
    assert encoding.dim == classes
    said = f"The targets, {classes} different whole numbers, were taken for classes"
    assert any(note.startswith(said) and "--target-kind values" in note for note in encoding.notes) == noted


def test_many_whole_numbers_with_rare_ends_are_values() -> None:
    """Letters and the like come about as often as each other; what is measured is rare at its ends."""
    rng = np.random.default_rng(4)
    scores = np.clip(np.round(rng.normal(50, 16, 20_000)), 0, 100)
    assert len(np.unique(scores)) == 101
    encoding = encode_targets(scores)[1]
    assert (encoding.kind, encoding.dim) == ("min-max per column", 1)
    assert "101 different whole numbers, were taken for values" in encoding.notes[0]
    assert encode_targets(rng.integers(0, 101, 20_000))[1].dim == 101
    assert encode_targets(scores, kind="classes")[1].dim == 101
    ratings = np.clip(np.round(rng.normal(10, 3, 3000)), 1, 20)
    encoding = encode_targets(ratings)[1]
    assert encoding.dim == 20
    assert "20 different whole numbers, were taken for classes" in encoding.notes[0]


def test_whole_numbers_of_which_some_are_rare_may_be_counts() -> None:
    """Which is said, though they are taken for classes; of labels that are as common it is not."""
    claims = np.repeat(np.arange(5), [700, 200, 70, 20, 3])
    encoding = encode_targets(claims)[1]
    assert encoding.kind == "one-hot"
    assert "5 different whole numbers, were taken for classes" in encoding.notes[0]
    assert encode_targets(np.repeat(np.arange(5), [70, 50, 40, 30, 20]))[1].notes == ()
    assert encode_targets(np.repeat(np.arange(3), [700, 20, 3]))[1].notes == ()


def test_text_is_no_values() -> None:
    with pytest.raises(DataError, match="hold text"):
        encode_targets(np.array(["a", "b"]), kind="values")


@pytest.mark.parametrize("values", [np.array([-1, 1, 1, -1]), np.array(["no", "yes", "yes", "no"])])
def test_two_classes_may_be_one_output(values: Any) -> None:
    encoded, encoding = encode_targets(values, one_output=True)
    assert (encoding.kind, encoding.dim) == ("0 and 1", 1)
    assert encoded.tolist() == [[0], [1], [1], [0]]
    assert encoding.notes[0].startswith("The output is 0 for the class ")
    three = encode_targets(np.array(["a", "b", "c"]), one_output=True)[1]
    assert (three.kind, three.dim) == ("one-hot", 3)


def _drawn(name: str) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    counts = rng.poisson(np.exp(2 * rng.normal(size=500)))
    return {
        "incomes": np.exp(rng.normal(10, 1.2, 500)),
        "money, half of it 0": np.where(rng.random(500) < 0.5, 0.0, np.exp(rng.normal(3, 1.5, 500))),
        "counts": counts.astype(float),
        "two columns": np.exp(rng.normal(size=(500, 2)) * [1.5, 2.0]),
        "exponential": rng.exponential(3e4, 500),
        "normal": rng.normal(2e5, 1e3, 500),
        "losses too": rng.standard_cauchy(500),
        "shares": np.exp(rng.normal(-9, 1.2, 500)).clip(0, 1),
        "one of two": np.column_stack([np.exp(rng.normal(1, 2, 500)), rng.normal(3, 1, 500)]),
        "near the largest float": np.linspace(1e306, 1.7e308, 20),
    }[name]


@pytest.mark.parametrize("name", ["incomes", "money, half of it 0", "counts", "two columns"])
def test_of_values_with_a_long_tail_logarithms_are_scaled(name: str) -> None:
    values = _drawn(name)
    found, encoding = encode_targets(values)
    assert encoding.kind == LOGARITHMS
    rows = values.reshape(500, -1)
    shift = 0.0 if rows.min() > 0 else gmean(rows[rows > 0])
    logs = np.log(rows + shift)
    low, span = logs.min(axis=0), np.ptp(logs, axis=0)
    np.testing.assert_allclose(found, (logs - low) / span, atol=1e-12)
    outputs = np.random.default_rng(1).random(rows.shape)
    np.testing.assert_allclose(
        encoding.decode(outputs), np.exp(low + span * outputs) - shift, rtol=1e-9, atol=1e-9
    )
    if rows.shape[1] == 1:
        np.testing.assert_array_equal(encoding.decode(outputs[:, 0]), encoding.decode(outputs)[:, 0])
    beyond = np.vstack([3 * rows.max(axis=0), -rows.max(axis=0)])  # of which the second has no logarithm
    later, known = encoding.later(beyond)
    said = [(np.log(beyond[0] + shift) - low) / span, np.zeros(rows.shape[1])]
    np.testing.assert_allclose(later, said, rtol=1e-9, atol=1e-12)
    assert known.all()
    assert encode_targets(values, kind="values")[1].kind == "min-max per column"
    with pytest.raises(
        DataError, match=r"must not be below 0 to have logarithms; got -.*--target-kind values"
    ):
        encode_targets(-rows, kind="logarithms")


@pytest.mark.parametrize("name", ["exponential", "normal", "losses too", "shares", "near the largest float"])
def test_other_values_are_scaled_as_they_are(name: str) -> None:
    assert encode_targets(_drawn(name))[1].kind in ("min-max per column", "none")


def test_of_several_columns_those_with_a_long_tail_have_logarithms() -> None:
    values = _drawn("one of two")
    found, encoding = encode_targets(values)
    mixed = np.column_stack([np.log(values[:, 0]), values[:, 1]])
    low, span = mixed.min(axis=0), np.ptp(mixed, axis=0)
    np.testing.assert_allclose(found, (mixed - low) / span, atol=1e-12)
    np.testing.assert_allclose(encoding.decode(found), values, rtol=1e-9)
    np.testing.assert_allclose(encoding.later(values[:7])[0], found[:7], rtol=1e-12)
    assert "The targets have, in 1 of 2 columns, a long tail: their logarithms" in encoding.notes[0]


def test_outliers_that_leave_the_others_nothing_of_the_range_are_clipped() -> None:
    """Tukey's outer fences, whatever the chunks; a column without such stays as it is."""
    rng = np.random.default_rng(0)
    values = rng.normal([5, 50], [1, 9], (2000, 2))
    values[::70, 0] = 1000 * rng.standard_cauchy(29)
    lower, upper = np.quantile(values[:, 0], [0.25, 0.75])
    ends = np.array([lower - 3 * (upper - lower), upper + 3 * (upper - lower)])
    found, encoding = encode_targets(values)
    assert encoding.kind == CLIPPED
    kept = np.column_stack([values[:, 0].clip(*ends), values[:, 1]])
    low, span = kept.min(axis=0), np.ptp(kept, axis=0)
    np.testing.assert_allclose(found, (kept - low) / span, atol=1e-12)
    np.testing.assert_allclose(encoding.decode(found), kept, rtol=1e-9)
    np.testing.assert_allclose(encoding.later(values)[0], found, atol=1e-12)
    outside = int(((values[:, 0] < ends[0]) | (values[:, 0] > ends[1])).sum())
    assert (
        f"The targets of {outside} of 2,000 rows lie far outside of where the others do" in encoding.notes[0]
    )
    summary = TargetSummary()
    for part in np.array_split(values, 13):
        summary.update(part)
    np.testing.assert_array_equal(summary.finish().low, encoding.low)
    assert encode_targets(values, kind="values")[1].kind == "min-max per column"
    assert encode_targets(values[:90])[1].kind == "min-max per column", "too few to tell"
    assert encode_targets(rng.normal(size=5000))[1].kind == "min-max per column"


def test_logarithms_that_are_asked_for() -> None:
    found, encoding = encode_targets(np.array([1.0, 10.0, 1000.0]), kind="logarithms")
    np.testing.assert_allclose(found[:, 0], [0, 1 / 3, 1], rtol=1e-12)
    assert encoding.decode(np.array([[2 / 3]]))[0, 0] == pytest.approx(100)
    with pytest.raises(DataError, match="too wide"):
        encode_targets(np.array([0.0, 6e306, 1.75e308]), kind="logarithms")
    assert encode_targets(np.full(4, 7.5), kind="logarithms")[1].notes == (), "which have no long tail"
