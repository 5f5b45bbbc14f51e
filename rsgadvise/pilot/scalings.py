"""How else the inputs of a question may be scaled where nobody says it, and which scaling trained best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rsgadvise.data.scaling import MIN_MAX, DataStatistics
from rsgadvise.numerals import number
from rsgadvise.pilot.wording import INTERRUPTED

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice
    from rsgadvise.spec import Spec

_CLEARLY = 0.95  # of a loss


def other_scalings(spec: Spec, statistics: DataStatistics) -> tuple[str, ...]:
    """Those that are tried beside the spec's own.

    A network with biases can do without inputs in [0, 1], and where they are centred its gradients are told
    apart more easily, and so are rows by logarithms of columns with a long tail; robust is for columns that
    outliers leave little of.
    """
    if spec.data.scaling != "auto":
        return ()
    centred = spec.network.bias and statistics.scaling in (MIN_MAX, "none")
    return (
        *(("standard",) if centred else ()),
        *(("logarithms",) if centred and statistics.tailed_columns else ()),
        *(("robust",) if statistics.crushed_columns else ()),
    )


def best_scaling(tried: Sequence[tuple[DataStatistics, Advice]]) -> tuple[int, Advice]:
    """(which, its advice with what all of them cost and came to), each raced with an equal part of the work.

    The first, the spec's own, which a theorem is about, unless another is clearly better.
    """
    losses = [_loss(found) for _, found in tried]
    best = min(range(len(tried)), key=lambda at: losses[at] * (1 if at else _CLEARLY))
    said = "; ".join(
        f"{statistics.scaling.split(',')[0]} {number(loss, 3)}"
        + " (not clearly lower)" * (best == 0 and loss < losses[0])
        for (statistics, _), loss in zip(tried, losses, strict=True)
    )
    advice, ended = tried[best][1], tried[-1][1].interrupted
    notes = (
        *((INTERRUPTED,) if ended and not advice.interrupted else ()),
        *((f"Scalings of the inputs raced, to losses of: {said}.",) if min(losses) < math.inf else ()),
        *advice.notes,
    )
    # All were raced for as many rows, so that a training of one is as long as that of another.
    cost = sum(found.cost for _, found in tried)
    return best, replace(advice, cost=cost, notes=notes, interrupted=ended)


def _loss(advice: Advice) -> float:
    """What its training reached, of rows held out where it is more there; inf where nobody knows."""
    plan = advice.train
    if plan is None or plan.loss is None:
        return math.inf
    return max(plan.loss, plan.held_out_loss or 0.0)  # a few rows held out may all be easy
