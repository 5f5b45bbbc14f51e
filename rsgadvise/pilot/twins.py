"""Twins: made-up data with exactly the statistics of data that nobody has given.

A network of d inputs does to data whose columns come in groups of r = d/D equal ones what one of D inputs
does to one column of each group times sqrt(r), weights drawn with the same variance 1/d: what is learned of
a group is the sum of its weights over sqrt(r). So a twin has few columns, however many the data have, and
its mu_x, tau_x, E||x||^2 and lambda_max are those of all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rsgadvise.records import dataclass
from rsgadvise.theory.problem import Assumption
from rsgadvise.training.generated import column_entries, column_means, largest_mean_square
from rsgadvise.training.networks import Data

if TYPE_CHECKING:
    from rsgadvise.spec import Spec


FloatArray = NDArray[np.float64]

ROWS, COLUMNS = 512, 32
"""Of one twin; docs/typical.md has what others do."""

_MOST_COLUMNS = 4096
_MEAN = 0.3
_SQUARE_SHARE, _SECOND_SHARE = 0.07, 1 / 3
_HALVINGS = 8
_NOISE = 0.01  # of the scores that decide the classes


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of the inputs, or taken as typical: d_x, mu_x, tau_x, E||x||^2/d_x and lambda_max.

    `top_eigenvalue` is None where nobody gave it: columns are then independent.
    """

    dim: int
    mean: float
    mean_square: float
    second_moment: float
    top_eigenvalue: float | None

    @property
    def steepest(self) -> float:
        """lambda_max of E[x x^T], or the least that it can be."""
        least = self.dim * self.mean_square
        return least if self.top_eigenvalue is None else max(least, self.top_eigenvalue)


def typical_statistics(
    spec: Spec, measured: Mapping[str, float | int | None] | None = None
) -> tuple[Statistics, tuple[Assumption, ...]]:
    """The statistics of a spec, and what was taken as typical where it gives none.

    The typical values are medians over the data sets of docs/typical.md: a mean of 0.3; tau_x at 7 % of the
    way from mean**2 to mean; E||x||^2/d_x a third of the way from tau_x to mean. Each is held to the range
    that the given ones leave.
    """
    found, dim = measured or {}, spec.network.layers[0]

    def value(key: str) -> float | None:
        known = found.get(key)
        known = getattr(spec.data, key) if known is None else known
        return None if known is None else float(known)

    mean, square = value("mean"), value("mean_square")
    second, top = value("second_moment"), value("top_eigenvalue")
    assumed = []

    def typical(key: str, guess: float, low: float, high: float, why: str) -> float:
        chosen = min(max(guess, low), high)
        assumed.append(Assumption(f"data.{key}", chosen, f"unknown, so {why}; typical advice only"))
        return chosen

    each = None if top is None else top / dim  # between tau_x and E||x||^2/d_x
    if mean is None:
        least = max(known for known in (second, square, each, 0.0) if known is not None)
        most = 1.0 if square is None else math.sqrt(square)
        mean = typical("mean", _MEAN, least, max(most, least), "typical of features scaled to [0, 1]")
    if square is None:
        guess = mean**2 + _SQUARE_SHARE * (mean - mean**2)
        reached = largest_mean_square(mean, dim)
        most = min(known for known in (second, each, reached) if known is not None)
        square = typical("mean_square", guess, mean**2, max(most, mean**2), "a typical one for this mean")
    if second is None:
        guess = square + _SECOND_SHARE * (mean - square)
        second = typical(
            "second_moment", guess, max(square, each or 0.0), max(mean, square), "a typical one for this mean"
        )
    return Statistics(dim, mean, square, second, top), tuple(assumed)


@dataclass(frozen=True, slots=True)
class Twin:
    """Rows to train on in place of the user's.

    Attributes:
        data: inputs, times sqrt(group), and targets.
        group: r, how many equal columns of the data each column stands for.
    """

    data: Data
    group: float


def columns_for(known: Statistics, *, fewest: int) -> int:
    """Enough columns to have the tau_x: few ones among many zeros need many."""
    columns = min(fewest, known.dim)
    most = min(known.dim, max(columns, _MOST_COLUMNS))
    while columns < most and largest_mean_square(known.mean, columns) < known.mean_square:
        columns = min(2 * columns, most)
    return columns


def make_twin(
    known: Statistics,
    *,
    columns: int,
    outputs: int | None,
    shared: float,
    rng: np.random.Generator,
    noise: float = 0.0,
) -> Twin:
    """Rows with exactly the given mu_x and tau_x, and E||x||^2 as near as so few allow.

    Args:
        known: the statistics.
        columns: D, as `columns_for` has it.
        outputs: d_y, the classes of a random linear map, or its sign for one; None: the inputs themselves.
        shared: see `shared_part`.
        rng: of this twin.
        noise: share of the rows whose class is drawn anew, whatever their inputs.

    Raises:
        HypothesisError: no such features exist.
    """
    inputs = _arranged(_entries(known, columns, rng), shared, *_orders(columns, rng))
    group = known.dim / columns
    if outputs is None:
        return Twin(Data(inputs, inputs), group)
    centred = inputs - inputs.mean(axis=0)
    scores = centred @ rng.standard_normal((columns, outputs))
    width = float(scores.std())
    scores = scores / (width if width > 0 else 1.0) + _NOISE * rng.standard_normal(scores.shape)
    classes = (scores[:, 0] > 0).astype(int) if outputs == 1 else scores.argmax(axis=1)
    if noise:
        drawn = rng.random(ROWS) < noise
        classes[drawn] = rng.integers(0, max(outputs, 2), int(drawn.sum()))
    targets = classes[:, None].astype(np.float64) if outputs == 1 else np.eye(outputs)[classes]
    return Twin(Data(math.sqrt(group) * inputs, targets), group)


def shared_part(known: Statistics, *, columns: int, rng: np.random.Generator) -> float:
    """The correlation of all columns with one common factor that gives lambda_max, by halving; 0 without it.

    Which rows of a column have its large entries is free, since no order changes its moments: 0 leaves the
    columns independent, 1 puts all in the same order.
    """
    if known.top_eigenvalue is None:
        return 0.0
    entries, orders = _entries(known, columns, rng), _orders(columns, rng)
    wanted = known.top_eigenvalue * columns / known.dim
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        inputs = _arranged(entries, middle, *orders)
        # Of the two products with the same eigenvalue the smaller one: columns can be thousands.
        product = inputs @ inputs.T if columns > ROWS else inputs.T @ inputs
        if float(np.linalg.eigvalsh(product / ROWS)[-1]) < wanted:
            low = middle
        else:
            high = middle
    return low


def _entries(known: Statistics, columns: int, rng: np.random.Generator) -> FloatArray:
    square = min(known.mean_square, largest_mean_square(known.mean, columns))
    if columns == known.dim:
        square = known.mean_square
    means = rng.permutation(column_means(mean=known.mean, mean_square=square, columns=columns))
    return column_entries(means, mean_square=square, second_moment=known.second_moment, rows=ROWS)


def _orders(columns: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    return rng.standard_normal((ROWS, 1)), rng.standard_normal((ROWS, columns))


def _arranged(entries: FloatArray, shared: float, common: FloatArray, own: FloatArray) -> FloatArray:
    """Each column's entries, which fall, in the order of its keys."""
    keys = shared * common + math.sqrt(1 - shared**2) * own
    inputs = np.empty_like(entries)
    np.put_along_axis(inputs, (-keys).argsort(axis=0), entries, axis=0)
    return inputs
