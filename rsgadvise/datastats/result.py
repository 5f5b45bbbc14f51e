"""What is measured from a data file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ROBUST", "DataStatistics", "ScalingChoice", "ScalingKind", "SpectrumMethod", "StandardErrors"]

ScalingChoice = Literal["auto", "none", "minmax", "robust"]
RealTargets = Literal["none", "divide by 255", "min-max per column"]
ScalingKind = Literal[RealTargets, "robust, 1st to 99th percentile per column"]
ROBUST: ScalingKind = "robust, 1st to 99th percentile per column"
SpectrumMethod = Literal["gram", "lanczos"]


@dataclass(frozen=True, kw_only=True)
class StandardErrors:
    """One standard error of each estimate, the rows being independent draws; None where it is unknown."""

    mean: float | None = None
    mean_square: float | None = None
    second_moment: float | None = None
    top_eigenvalue: float | None = None


@dataclass(frozen=True, kw_only=True)
class DataStatistics:
    """Statistics of the features of one file after scaling to [0, 1].

    Attributes:
        mean: mu_x, the mean over features of the column means.
        mean_square: tau_x, the mean over features of the squared column means. This plug-in value is
            exact when the file itself is the distribution, as in training on it.
        mean_square_unbiased: tau_x of the distribution that the rows were drawn from,
            tau - (m2 - tau)/(n - 1); None for one row. It can be negative when tau is tiny.
        second_moment: m2_x = E||x||²/d.
        standard_errors: of the four estimates.
        top_eigenvalue: the largest eigenvalue of E[x xᵀ], or None if it was not asked for.
        spectrum_method: "gram" (the d × d matrix), "lanczos" (products with the data) or None.
        samples: n, rows used.
        input_dim: d.
        output_dim: length of one encoded target, or None without targets.
        target_encoding: "one-hot" for labels; "none", "divide by 255" or "min-max per column" for real
            targets; or None without targets.
        scaling: "none", "divide by 255", "min-max per column" or `ROBUST`, where what lies beyond the two
            percentiles of a column is clipped.
        passes: passes over the file.
        rows_skipped: rows left out because a cell was missing.
        constant_columns: features that have one value only.
        crushed_columns: features, by name or else by number in the file, that outliers crush under min-max:
            the middle 98 % of the values, which differ, lies in less than a tenth of [0, 1].
        notes: plain sentences about what a reader of the numbers should know.
    """

    mean: float
    mean_square: float
    mean_square_unbiased: float | None
    second_moment: float
    standard_errors: StandardErrors
    top_eigenvalue: float | None
    spectrum_method: SpectrumMethod | None
    samples: int
    input_dim: int
    output_dim: int | None
    target_encoding: Literal["one-hot"] | RealTargets | None
    scaling: ScalingKind
    passes: int
    rows_skipped: int
    constant_columns: int
    crushed_columns: tuple[str | int, ...]
    notes: tuple[str, ...]
