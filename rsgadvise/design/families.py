"""Architectures that converge alike, and the lengths that trade against each other at one bound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rsgadvise.bounds.objective import ConstantsName, Range, Schedule
from rsgadvise.bounds.problem import Problem
from rsgadvise.design.joint import joint_objective
from rsgadvise.design.lattice import Lattice
from rsgadvise.design.results import CurvePoint, Family
from rsgadvise.design.screening import Screened
from rsgadvise.search import distinct, increasing_root
from rsgadvise.theory.bound import FloatArray, Numeric

__all__ = ["TOLERANCE", "equal_bound_curve", "families"]

TOLERANCE = 0.01
"""Members of a family differ by at most this share of the least among them."""

_SHOWN = 50  # members written out, spread from the fewest weights to the most
_POINTS = 9
_WIDEST = 1e7  # length beyond which no equal bound is looked for


def families(found: Screened, lattice: Lattice, *, by_bound: bool, most: int) -> tuple[Family, ...]:
    """Groups of at least two architectures whose best bound, or samples to the target, nearly agree.

    Sorted by what is compared, a group begins at the least that no earlier group holds, and takes all
    within `TOLERANCE` of it.

    Args:
        found: feasible rows from the cheapest on.
        lattice: what the rows are numbered in.
        by_bound: compare bounds; else samples over all runs, N B T.
        most: how many groups to return: those with the cheapest members.

    Returns:
        The groups, the least of what is compared first.
    """
    if found.cost.size == 0 or most == 0:
        return ()
    measure = found.value if by_bound else found.iterations * found.runs * found.batch
    order = np.lexsort((found.weights, measure))
    ordered = measure[order]
    groups: list[tuple[int, int]] = []
    begin = 0
    while begin < ordered.size:
        end = int(np.searchsorted(ordered, ordered[begin] * (1 + TOLERANCE), side="right"))
        if end - begin > 1:
            groups.append((begin, end))
        begin = max(end, begin + 1)
    # Rows are ordered by cost, so the smallest position is the cheapest member.
    groups.sort(key=lambda group: int(order[group[0] : group[1]].min()))
    return tuple(
        _family(found.take(order[begin:end]), lattice, by_bound) for begin, end in sorted(groups[:most])
    )


def _family(rows: Screened, lattice: Lattice, by_bound: bool) -> Family:
    size = np.lexsort((rows.index, rows.depth, rows.weights))
    spread = np.linspace(0, size.size - 1, min(_SHOWN, size.size))
    total = rows.iterations * rows.runs
    samples = total * rows.batch

    def span(values: FloatArray) -> tuple[int, int]:
        return int(values.min()), int(values.max())

    return Family(
        members=int(size.size),
        layers=tuple(
            lattice.layers(int(rows.depth[at]), int(rows.index[at]))
            for at in size[np.round(spread).astype(int)]
        ),
        weights=(int(rows.weights.min()), int(rows.weights.max())),
        bound=(float(rows.value.min()), float(rows.value.max())) if by_bound else None,
        samples=None if by_bound else span(samples),
        iterations=None if by_bound else span(total),
        batch_size=None if by_bound else span(rows.batch),
    )


def equal_bound_curve(
    base: Problem,
    layers: Sequence[int],
    *,
    constants: ConstantsName,
    batch_size: int,
    iterations: int,
    keep_prob: Range,
    schedule: Schedule,
    firsts: Sequence[int],
) -> tuple[float, tuple[CurvePoint, ...]]:
    """Lengths of the first two hidden layers at which the best bound is that of `layers`.

    B and N stay; the stepsizes and the keep probability are those that are best for each pair. The bound
    rises with every length, so for each first length one real second length has this bound.

    Args:
        base: the spec's problem. layers: d_0..d_L, at least two hidden layers.
        constants: behind the bound.
        batch_size, iterations, keep_prob, schedule: of the comparison.
        firsts: lengths of the first hidden layer to try.

    Returns:
        The bound, and a point for each length for which there is one.
    """

    def bound(first: FloatArray, second: FloatArray) -> FloatArray:
        lengths: tuple[Numeric, ...] = (float(layers[0]), first, second, *map(float, layers[3:]))
        objective = joint_objective(base, lengths, constants)
        batch, n = np.full(first.shape, float(batch_size)), np.full(first.shape, float(iterations))
        stepsize, zeta = objective.optimum(batch, n, keep_prob, schedule)
        return objective.bound(stepsize, zeta, batch, n, schedule).value

    level = float(bound(np.asarray([float(layers[1])]), np.asarray([float(layers[2])]))[0])
    tried = distinct(np.asarray(firsts, dtype=np.float64))
    some = np.round(np.linspace(0, tried.size - 1, min(_POINTS, tried.size))).astype(int)
    first = distinct(np.append(tried[some], float(layers[1])))
    low, high = np.zeros(first.shape), np.full(first.shape, np.log(_WIDEST))
    inside = (bound(first, np.exp(low)) <= level) & (bound(first, np.exp(high)) >= level)
    first, low, high = first[inside], low[inside], high[inside]
    if first.size == 0:
        return level, ()
    logs = increasing_root(lambda t: np.log(bound(first, np.exp(t)) / level), low, high, tolerance=1e-12)
    second = np.exp(logs)
    whole = np.round(second)
    second = np.where(np.abs(second - whole) < 1e-7 * whole, whole, second)
    lower, upper = np.floor(second), np.ceil(second)
    return level, tuple(
        CurvePoint(int(a), float(b), int(c), int(d), float(e), float(f))
        for a, b, c, d, e, f in zip(
            first, second, lower, upper, bound(first, lower), bound(first, upper), strict=True
        )
    )
