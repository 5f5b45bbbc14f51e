"""Data in [0, 1] with prescribed moments, where there is no data file."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rsgadvise.errors import HypothesisError
from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.problem import Problem
from rsgadvise.training.networks import Data

# What rows in memory say to the bounds.


def moments_of(data: Data) -> InputMoments:
    """The moments of the inputs, exactly those of the rows that are trained on."""
    inputs = np.asarray(data.inputs, np.float64)
    rows, columns = inputs.shape
    means = inputs.mean(axis=0)
    wide = columns > rows
    gram = inputs @ inputs.T if wide else inputs.T @ inputs
    top = float(np.linalg.eigvalsh(gram)[-1]) / rows
    mean, square = float(means.mean()), float(means @ means) / columns
    second = float(np.einsum("ij,ij->", inputs, inputs)) / inputs.size
    norm, largest = None, 1.0
    if not (inputs.min() >= 0 and inputs.max() <= 1):
        squares = inputs**2
        norm, largest = math.sqrt(float(squares.sum(axis=1).max())), float(squares.mean(axis=0).max())
    # Exact arithmetic orders them; rounding must not undo it, nor make a certified constant too small.
    return InputMoments(
        dim=columns,
        mean=mean,
        mean_square=square,
        second_moment=max(second, square),
        top_eigenvalue=min(max(top * (1 + 1e-12), columns * square), columns * max(second, square)),
        largest_norm=norm,
        largest_square=largest,
    )


def measured_of(rows: Data) -> dict[str, float | int]:
    """The statistics of rows by spec key."""
    moments = moments_of(rows)
    keys = ("mean", "mean_square", "second_moment", "top_eigenvalue", "largest_norm")
    known = {key: value for key in keys if (value := getattr(moments, key)) is not None}
    return {**known, "samples": rows.rows}


def refuse_standardised(problem: Problem) -> None:
    """Refuse to make up data for inputs beyond [0, 1].

    Raises:
        HypothesisError: it is about such.
    """
    if not problem.unit_inputs:
        raise HypothesisError(
            "must be minmax, robust, none or auto where made-up data stand in for yours, since those lie in "
            "[0, 1]; got standard; change it, or have `rsgadvise recommend` measure what to train with on "
            "rows with targets, and write it down by --into",
            quantity="data.scaling",
        )


FloatArray = NDArray[np.float64]

_ROUNDING = 1e-9


def largest_mean_square(mean: float, columns: int) -> float:
    """Largest tau_x of `columns` features with mean mu_x: all at 1 or 0 but for one.

    It is mu_x itself where columns * mu_x is a whole number, and less otherwise.
    """
    total = mean * columns
    whole = math.floor(total)
    return (whole + (total - whole) ** 2) / columns


def column_means(*, mean: float, mean_square: float, columns: int) -> FloatArray:
    """E x_j of each feature, with (1/d) sum E x_j = mu_x and (1/d) sum (E x_j)^2 = tau_x.

    The extreme vector of `largest_mean_square`, drawn towards the constant mu_x by the factor that
    gives tau_x.

    Raises:
        HypothesisError: no d features in [0, 1] have these two numbers.

    Example:
        >>> column_means(mean=0.5, mean_square=0.29, columns=4).round(3).tolist()
        [0.7, 0.7, 0.3, 0.3]
    """
    most = largest_mean_square(mean, columns)
    if not mean**2 <= mean_square * (1 + _ROUNDING) or mean_square > most * (1 + _ROUNDING) + _ROUNDING**2:
        raise HypothesisError(
            f"must lie between mean**2 = {mean**2:.6g} and {most:.6g}, the largest that {columns} features "
            f"with mean {mean:g} can have; got {mean_square:g}; measure it with `rsgadvise stats`",
            quantity="data.mean_square",
        )
    total = mean * columns
    whole = math.floor(total)
    extreme = np.zeros(columns)
    extreme[:whole] = 1.0
    if whole < columns:
        extreme[whole] = total - whole
    spread = most - mean**2
    share = math.sqrt(min(1.0, max(0.0, mean_square - mean**2) / spread)) if spread > 0 else 0.0
    return np.asarray(np.clip(mean + share * (extreme - mean), 0.0, 1.0))


def column_entries(
    means: FloatArray, *, mean_square: float, second_moment: float | None, rows: int
) -> FloatArray:
    """Entries of each column in falling order, with exactly the means given; any order keeps the moments.

    See `generated_data` for what a second moment does.
    """
    ones = np.floor(means * rows + _ROUNDING)
    entries = (np.arange(rows)[:, None] < ones).astype(np.float64)
    rest = np.clip(means * rows - ones, 0.0, 1.0)
    places = np.minimum(ones, rows - 1).astype(np.intp)
    entries[places, np.arange(len(means))] += np.where(ones < rows, rest, 0.0)
    if second_moment is None:
        return entries
    return _drawn_in(entries, means, mean_square=mean_square, second_moment=second_moment)


def _drawn_in(
    entries: FloatArray, means: FloatArray, *, mean_square: float, second_moment: float
) -> FloatArray:
    """The columns drawn towards their means until (1/d) E||x||^2 is as given, as far as they reach."""
    widest = float((entries**2).mean()) - mean_square
    share = math.sqrt(min(1.0, max(0.0, second_moment - mean_square) / widest)) if widest > 0 else 0.0
    return means + share * (entries - means)


def generated_data(
    *,
    mean: float,
    mean_square: float,
    second_moment: float | None,
    columns: int,
    outputs: int | None,
    rows: int,
    rng: np.random.Generator,
) -> Data:
    """Rows in [0, 1] whose mu_x and tau_x are exactly those given, up to rounding.

    Without a second moment the entries are 0 or 1 but for one per column, which makes E||x||^2 as large
    as the means allow: the hardest data, and what the bounds assume. With one, each column is drawn
    towards its mean until (1/d) E||x||^2 is as given, or as near as so many rows allow. The targets are
    the one-hot classes of a random linear map, or its sign for one output.

    Args:
        mean, mean_square, second_moment: mu_x, tau_x and E||x||^2/d.
        columns, outputs, rows: d_0, d_L (None: the targets are the inputs) and number of examples.
        rng: source of randomness.

    Raises:
        HypothesisError: no such features exist.
    """
    means = rng.permutation(column_means(mean=mean, mean_square=mean_square, columns=columns))
    inputs = column_entries(means, mean_square=mean_square, second_moment=None, rows=rows)
    inputs = rng.permuted(inputs, axis=0)
    if second_moment is not None:
        inputs = _drawn_in(inputs, means, mean_square=mean_square, second_moment=second_moment)
    if outputs is None:
        return Data(inputs, inputs)
    scores = (inputs - means) @ rng.standard_normal((columns, outputs)) + 0.01 * rng.standard_normal(
        (rows, outputs)
    )
    if outputs == 1:
        return Data(inputs, (scores > 0).astype(np.float64))
    targets = np.zeros((rows, outputs))
    targets[np.arange(rows), scores.argmax(axis=1)] = 1.0
    return Data(inputs, targets)
