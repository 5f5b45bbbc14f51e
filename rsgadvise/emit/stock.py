"""The values of scikit-learn's own estimator, which stands beside the advised one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rsgadvise.emit.plan import PLACEHOLDER_ROWS, Plan

__all__ = ["Stock", "stock_of"]

_CURVATURE = 0.154059
"""Largest second derivative of (y - sigma(s))^2 by s."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What an MLPRegressor or MLPClassifier is made with.

    Attributes:
        loss: what it has in place of the squared error of sigmoid outputs, in words.
        curvature, own_curvature: largest second derivatives of that loss, and of the squared error, by what
            enters the output units.
        rate: learning_rate_init.
        overshoots: whether a rate of the same stability would be too large for linear outputs.
        batch_size: near the advised one.
        whole: whether that is all rows that are trained on.
        epochs: as many as make the advised work.
    """

    loss: str
    curvature: float
    rate: float
    overshoots: bool
    batch_size: int
    whole: bool
    epochs: int
    own_curvature: float = _CURVATURE


def stock_of(plan: Plan) -> Stock:
    """Values that are about as stable: there is no stepsize that makes the two methods the same."""
    loss, curvature = _loss(plan)
    rate = plan.train.common_stepsize * _CURVATURE / curvature
    # On one row a linear output moves by rate ||[h; 1]||^2 times its error; beyond 2 it runs away.
    largest = math.inf if plan.classifies else 1 / (1 + _entering(plan))
    rows = _rows(plan)
    there = rows if plan.data is not None else min(rows, PLACEHOLDER_ROWS)
    training_rows = max(1, there - there // 5)
    batch_size = _whole_batches(plan.train.batch_size, training_rows)
    return Stock(
        loss=loss,
        curvature=curvature,
        rate=min(rate, largest),
        overshoots=rate > largest,
        batch_size=batch_size,
        whole=batch_size >= training_rows,
        epochs=math.ceil(plan.train.iterations * plan.train.batch_size / rows),
    )


def _loss(plan: Plan) -> tuple[str, float]:
    """In words, and its largest curvature."""
    if not plan.classifies:
        return "Half the squared error of linear outputs", 1.0
    if plan.layers[-1] == 2:
        return "Log loss of one logistic output", 0.25
    return "Log loss of softmax outputs", 0.5


def _entering(plan: Plan) -> float:
    """Mean squared norm of what enters the last layer; sigmoid units are near 1/2."""
    if plan.hidden:
        return plan.hidden[-1] / 4
    if plan.data is not None and plan.data.squared_norm is not None:
        return plan.data.squared_norm
    data = plan.spec.data
    largest = data.second_moment if data.second_moment is not None else data.mean
    return plan.layers[0] * (1.0 if largest is None else largest)


def _whole_batches(wanted: int, rows: int) -> int:
    """The batch size next to the wanted one whose last batch of an epoch is at least half as large.

    A last batch of one or two rows would be a step of the full length towards these alone.
    """
    wanted = min(wanted, rows)
    sizes = range(max(1, wanted // 2), min(rows, 2 * wanted) + 1)
    whole = [size for size in sizes if rows % size == 0 or 2 * (rows % size) >= size]
    return min(whole, key=lambda size: abs(size - wanted))


def _rows(plan: Plan) -> int:
    """Rows of the data, or of what stands in for them."""
    if plan.data is not None and plan.data.rows is not None:
        return plan.data.rows
    return plan.spec.data.samples or PLACEHOLDER_ROWS
