"""From screened architectures to ranked ones, solved again one by one with every digit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rsgadvise.advise.recommend import described, ranking_objective
from rsgadvise.advise.solve import Rows, solve
from rsgadvise.advise.space import Space
from rsgadvise.bounds.kinds import largest_gradient
from rsgadvise.bounds.objective import ConstantsName
from rsgadvise.bounds.problem import Problem
from rsgadvise.design.joint import one_problem, one_space
from rsgadvise.design.lattice import Lattice
from rsgadvise.design.results import Architecture
from rsgadvise.design.screening import Metric, Screened, cost_of, work_of

__all__ = ["Solved", "ranked", "solved"]

_MARGIN = 16  # architectures solved beyond those asked for
_CLOSE = 1e-3  # and those screened within this of the last of them,
_MOST_CLOSE = 64  # as far as there are no more than these


@dataclass(frozen=True, slots=True)
class Solved:
    """One architecture with the row of its best hyper-parameters."""

    problem: Problem
    space: Space
    row: Rows
    cost: float
    weights: int
    vacuous: bool


def solved(
    base: Problem, space: Space, layers: tuple[int, ...], *, constants: ConstantsName, metric: Metric
) -> Solved | None:
    """The best row of one architecture by the same solver as a recommendation; None if infeasible."""
    problem, own = one_problem(base, layers), one_space(space, len(layers) - 2)
    rows = solve(ranking_objective(problem, own, constants), own)
    if rows.batch.size == 0:
        return None
    weights = sum(before * after for before, after in pairwise(layers))
    cost = cost_of(
        metric,
        own,
        batch=rows.batch,
        total_iterations=rows.iterations * rows.runs,
        weights=np.asarray(float(weights)),
        value=rows.value,
    )
    if not np.isfinite(cost).any():
        return None
    order = np.lexsort((rows.total, np.where(np.isfinite(cost), cost, np.inf)))[:1]
    row = rows.take(order)
    vacuous = bool(row.value[0] >= largest_gradient(problem, row.keep_prob)[0])
    return Solved(problem, own, row, float(cost[order[0]]), weights, vacuous)


def ranked(
    base: Problem,
    space: Space,
    lattice: Lattice,
    found: Screened,
    *,
    constants: ConstantsName,
    metric: Metric,
    top: int,
) -> tuple[tuple[Solved, ...], tuple[Architecture, ...]]:
    """The best architectures, solved exactly and ranked by that; those with a vacuous bound come last.

    Args:
        found: feasible rows in the order of `Screened.order`.
    """
    count = min(top + _MARGIN, found.cost.size)
    if count < found.cost.size:
        last = min(top, count) - 1
        close = (found.vacuous == found.vacuous[last]) & (found.cost <= found.cost[last] * (1 + _CLOSE))
        count = max(
            count,
            min(int(np.count_nonzero(close | (found.vacuous < found.vacuous[last]))), top + _MOST_CLOSE),
        )
    exact = []
    for depth, index in zip(found.depth[:count], found.index[:count], strict=True):
        layers = lattice.layers(int(depth), int(index))
        one = solved(base, space, layers, constants=constants, metric=metric)
        if one is not None:
            exact.append(one)
    exact.sort(
        key=lambda one: (one.vacuous, one.cost, one.weights, len(one.problem.layers), one.problem.layers)
    )
    best = exact[:top]
    return tuple(exact), tuple(
        _architecture(one, index + 1, best[0].cost, constants) for index, one in enumerate(best)
    )


def _architecture(one: Solved, rank: int, least: float, constants: ConstantsName) -> Architecture:
    (row,) = described(one.problem, one.space, one.row, constants=constants, top=1)
    limit = float(largest_gradient(one.problem, np.asarray(row.keep_prob)))
    total = row.total_samples
    return Architecture(
        rank=rank,
        layers=one.problem.layers,
        weights=one.weights,
        depth=len(one.problem.layers) - 2,
        stepsize=row.stepsize,
        decay=row.decay,
        batch_size=row.batch_size,
        iterations=row.iterations,
        runs=row.runs,
        keep_prob=row.keep_prob,
        dropout_rate=row.dropout_rate,
        bound=row.bound,
        certified_bound=row.certified_bound,
        certified_vacuous=row.certified_bound >= limit,
        proven=row.proven,
        vacuous=row.vacuous,
        largest_gradient=limit,
        samples=row.samples,
        total_samples=total,
        work=work_of(one.weights, total),
        seconds=row.seconds,
        ratio=one.cost / least if least > 0 else 1.0,
        notes=row.notes,
    )
