"""Arrays that a caller passes, held to be numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsgadvise.errors import DataError


def numbers(values: Any, name: str) -> np.ndarray[Any, Any]:
    """An array of real numbers.

    Raises:
        DataError: it holds other values.
    """
    try:
        found = np.asarray(values)
        if found.dtype.kind not in "iubf":
            found = found.astype(np.float64, casting="unsafe" if found.dtype.kind != "c" else "safe")
    except (TypeError, ValueError):
        raise DataError(
            f"{name} must be an array of numbers, one row per example; got {type(values).__name__} with "
            "other values or rows of different lengths; convert it"
        ) from None
    return found


def refuse_gaps(values: np.ndarray[Any, Any], name: str) -> None:
    """Raise for NaN and infinities.

    Raises:
        DataError: there are some.
    """
    if gaps := int(np.isnan(values).sum()):
        raise DataError(f"{name} must have no gaps; got {gaps:,} NaN; fill them, or leave their rows out")
    if infinite := int(np.isinf(values).sum()):
        raise DataError(f"{name} must be finite; got {infinite:,} infinities; leave their rows out")


def labels_or_numbers(values: Any) -> np.ndarray[Any, Any]:
    """Targets: an array of real numbers, or of words for the labels of classes.

    Raises:
        DataError: it holds other values.
    """
    found = np.asarray(values)
    words = found.dtype.kind in "UT" or (
        found.dtype.kind == "O" and all(isinstance(each, str) for each in found.flat)
    )
    return found.astype(str) if words and found.size else numbers(values, "y")
