"""Targets become one-hot or numbers in [0, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rsgadvise.data.targets import MAX_CLASSES, TargetSummary, encode_targets
from rsgadvise.errors import DataError

CASES: dict[str, tuple[Any, str, Any]] = {
    "labels": (np.array([2, 0, 1]), "one-hot", np.eye(3)[[2, 0, 1]]),
    "labels from 1 with a gap": (np.array([[1], [7], [101]]), "one-hot", np.eye(3)),
    "uint8 labels": (np.array([9, 3, 9], dtype=np.uint8), "one-hot", np.eye(2)[[1, 0, 1]]),
    "bool": (np.array([True, False]), "one-hot", np.eye(2)[[1, 0]]),
    "whole floats": (np.array([1.0, 3.0]), "one-hot", np.eye(2)),
    "floats 0 and 1": (np.array([0.0, 1.0, 1.0]), "none", [[0.0], [1.0], [1.0]]),
    "unit": (np.array([[0.1, 1.0], [0.0, 0.3]]), "none", [[0.1, 1.0], [0.0, 0.3]]),
    "one-hot already": (np.eye(3, dtype=np.uint8), "none", np.eye(3)),
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
        (np.arange(MAX_CLASSES + 1), "more than 100000 different labels"),
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
    _, encoding = encode_targets(np.array([0, 2]))
    with pytest.raises(DataError, match="label 1 is not one of the 2 classes"):
        encoding.encode(np.array([1]))


def test_one_hot_that_does_not_fit() -> None:
    summary = TargetSummary()
    summary.update(np.arange(MAX_CLASSES))
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
