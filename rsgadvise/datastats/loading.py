"""The rows of a data file in memory, scaled as its statistics say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rsgadvise.datastats.percentiles import percentiles
from rsgadvise.datastats.result import ROBUST, DataStatistics
from rsgadvise.datastats.scaling import Scaling, min_max, robust
from rsgadvise.errors import DataError
from rsgadvise.readers import Array, DataSource, encode_targets

__all__ = ["LARGEST_BYTES", "load_rows"]

FloatArray = NDArray[np.float64]

LARGEST_BYTES = 1 << 32
"""Most memory of the scaled features."""


def load_rows(source: DataSource, statistics: DataStatistics) -> tuple[FloatArray, FloatArray | None]:
    """(features, encoded targets or None), the very rows that the statistics were measured on.

    Args:
        source: the file, opened anew.
        statistics: of the same file.

    Raises:
        DataError: the rows do not fit `LARGEST_BYTES`, or the file is malformed.
    """
    rows, columns = statistics.samples, statistics.input_dim
    if rows * columns * 8 > LARGEST_BYTES:
        raise DataError(
            f"{source.path}: training needs all rows in memory, at most {LARGEST_BYTES >> 30} GiB; got "
            f"{rows * columns * 8 / 2**30:.1f} GiB, {rows} rows of {columns} features; use fewer"
        )
    features = np.empty((rows, columns))
    targets: list[Array] = []
    first = 0
    for block, labels in source.chunks():
        features[first : first + len(block)] = block
        first += len(block)
        if labels is not None:
            targets.append(labels.copy())
    scaling = Scaling(statistics.scaling)
    if statistics.scaling in {"min-max per column", ROBUST}:
        low, high = features.min(axis=0), features.max(axis=0)
        if statistics.scaling == ROBUST:
            scaling, _ = robust(percentiles(rows, columns, lambda: [features]), low, high)
        else:
            scaling, _ = min_max(low, high)
    scaling.apply(features, features)
    if not targets:
        return features, None
    return features, encode_targets(np.concatenate(targets), name=f"{source.path}: targets")[0]
