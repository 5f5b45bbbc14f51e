"""From screened architectures to ranked ones, how small a gradient they reach, and which get a plan."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from rsgadvise.advise.recommend import described, ranking_objective
from rsgadvise.advise.solve import Rows, solve
from rsgadvise.advise.space import Goal, Space
from rsgadvise.ask.design import results as wording
from rsgadvise.ask.design.results import Architecture
from rsgadvise.ask.design.screening import (
    BLOCK,
    Screened,
    Search,
    cost_of,
    first_batches,
    one_problem,
    one_space,
    work_of,
)
from rsgadvise.errors import UsageError
from rsgadvise.records import dataclass
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.certified import largest_gradient
from rsgadvise.theory.objective import Schedule
from rsgadvise.theory.problem import Problem

# How small a gradient the architectures can reach at all.

_RUNS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 40.0, 100.0, 400.0, 4096.0)


def least_eps(search: Search, goal: Goal) -> tuple[float, tuple[int, ...]] | None:
    """(smallest eps, layers) that any architecture reaches with delta within the limits.

    Every candidate runs the most iterations that the limits leave; eps is its best bound over
    delta^(1/T). Exact for listed batch sizes and a given T; else the least of those tried.

    Returns:
        None where no candidate has room for an iteration.
    """
    space, lattice, grid = search.space, search.lattice, first_batches(search.space)
    tries = (float(goal.runs),) if goal.runs else _RUNS
    best: tuple[float, tuple[int, ...]] | None = None
    for block in lattice.blocks(max(BLOCK // grid.size, 1)):
        objective = search.objective(search.lengths(block))
        batch = np.broadcast_to(grid, (block.index.size, grid.size)).copy()
        for runs in tries:
            n = space.most_iterations(batch, np.full(batch.shape, runs))
            for keep_range in one_space(space, block.depth).keep_probs:
                safe = np.maximum(n, 1.0)
                bound = objective.bound(objective.optimum(batch, safe, keep_range, Schedule())).value
                eps = np.where(n > 0, bound / goal.delta ** (1 / runs), np.inf)
                at = int(np.nanargmin(eps)) if np.isfinite(eps).any() else -1
                if at >= 0 and (best is None or float(eps.flat[at]) < best[0]):
                    row = at // grid.size
                    best = float(eps.flat[at]), lattice.layers(block.depth, int(block.index[row]))
    return best


# From screened architectures to ranked ones, solved again one by one with every digit.

MARGIN = 8  # architectures solved beyond those asked for
_CLOSE = 1e-2  # and those screened within this of the last of them,
_MOST_CLOSE = 24  # as far as there are no more than these


@dataclass(frozen=True, slots=True)
class Solved:
    """One architecture with the row of its best hyper-parameters."""

    problem: Problem
    space: Space
    row: Rows
    cost: float
    weights: int
    vacuous: bool

    @property
    def hidden(self) -> int:
        """Number of hidden layers."""
        return len(self.problem.layers) - 2


def solved(search: Search, layers: tuple[int, ...]) -> Solved | None:
    """The best row of one architecture by the same solver as a recommendation; None if infeasible."""
    problem, own = one_problem(search.base, layers), one_space(search.space, len(layers) - 2)
    rows = solve(ranking_objective(problem, own, search.constants), own)
    if rows.batch.size == 0:
        return None
    weights = sum((before + problem.bias) * after for before, after in pairwise(layers))
    cost = cost_of(
        search.metric,
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


def ranked(search: Search, rows: Screened, top: int) -> tuple[tuple[Solved, ...], tuple[Architecture, ...]]:
    """The best architectures, solved exactly and ranked by that; those with a vacuous bound come last.

    Args:
        search: what is compared.
        rows: feasible ones in the order of `Screened.order`.
        top: how many to describe; a few more are solved.
    """
    count = min(top + MARGIN, rows.cost.size)
    if count < rows.cost.size:
        last = min(top, count) - 1
        close = (rows.vacuous == rows.vacuous[last]) & (rows.cost <= rows.cost[last] * (1 + _CLOSE))
        count = max(
            count,
            min(int(np.count_nonzero(close | (rows.vacuous < rows.vacuous[last]))), top + _MOST_CLOSE),
        )
    exact = []
    for depth, index in zip(rows.depth[:count], rows.index[:count], strict=True):
        one = solved(search, search.lattice.layers(int(depth), int(index)))
        if one is not None:
            exact.append(one)
    exact.sort(
        key=lambda one: (one.vacuous, one.cost, one.weights, len(one.problem.layers), one.problem.layers)
    )
    best = exact[:top]
    return tuple(exact), tuple(
        _architecture(one, index + 1, best[0].cost, search.constants) for index, one in enumerate(best)
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


# Which of the ranked networks gets a training plan, and what is said where none does.

Which = Literal["best", "spec", "none"] | int
"""The best network with a hidden layer, the spec's own, none, or a rank."""

_KNOWN = "best, spec, none, or a rank that is shown, such as 2"


def parse_which(text: str) -> Which:
    """What `--pipeline` says.

    Raises:
        UsageError: it is neither a word that it knows nor a rank.

    Example:
        >>> parse_which("spec"), parse_which("2")
        ('spec', 2)
    """
    match text:
        case "best" | "spec" | "none":
            return text
    if text.isascii() and text.isdigit() and 0 < len(text) < 5 and int(text) > 0:
        return int(text)
    raise UsageError(f"--pipeline must be {_KNOWN}; got {text[:40]!r}; use one of these")


def check_which(which: Which, ranks: int, option: str) -> None:
    """Refuse a rank beyond those that are shown.

    Raises:
        UsageError: `which` is a rank above `ranks`; `option` says how to get more.
    """
    if isinstance(which, int) and which > ranks:
        raise UsageError(f"--pipeline must be a rank from 1 to {ranks}; got {which}; {option}")


def choose(which: Which, search: Search, exact: Sequence[Solved]) -> tuple[Solved | None, str]:
    """(network whose training is planned, why there is none).

    Args:
        which: whose training to plan.
        search: what is compared.
        exact: solved networks, best first.
    """
    own = search.base.layers
    if which == "none":
        return None, ""
    if which == "spec":
        planned = solved(search, own) if len(own) > 2 else None
        why = wording.SPEC_CANNOT if len(own) > 2 else wording.SPEC_SINGLE
    elif isinstance(which, int):
        planned = exact[which - 1] if exact[which - 1].hidden else None
        why = f"Rank {which} has no hidden layer, so there is nothing to pretrain."
    else:
        planned, why = next((one for one in exact if one.hidden), None), wording.NO_NETWORK
    return planned, "" if planned else why
