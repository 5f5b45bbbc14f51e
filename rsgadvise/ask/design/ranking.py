"""From screened architectures to ranked ones, how small a gradient they reach, and which get a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from rsgadvise.advise.recommend import described, ranking_objective
from rsgadvise.advise.solve import Rows, solve
from rsgadvise.advise.space import Goal, Space
from rsgadvise.ask.design import results as wording
from rsgadvise.ask.design.architectures import Lattice, joint_objective, one_problem, one_space
from rsgadvise.ask.design.results import Architecture, CurvePoint, Family
from rsgadvise.ask.design.screening import BLOCK, Metric, Screened, cost_of, first_batches, work_of
from rsgadvise.errors import UsageError
from rsgadvise.numerals import lengths
from rsgadvise.records import dataclass
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.certified import largest_gradient
from rsgadvise.theory.descent import FloatArray, Numeric
from rsgadvise.theory.objective import Range, Schedule
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.search import distinct, increasing_root

# How small a gradient the architectures can reach at all.

_RUNS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 40.0, 100.0, 400.0, 4096.0)


def least_eps(
    base: Problem, space: Space, lattice: Lattice, goal: Goal, *, constants: ConstantsName
) -> tuple[float, tuple[int, ...]] | None:
    """(smallest eps, layers) that any architecture reaches with delta within the limits.

    Every candidate runs the most iterations that the limits leave; eps is its best bound over
    delta^(1/T). Exact for listed batch sizes and a given T; else the least of those tried.

    Returns:
        None where no candidate has room for an iteration.
    """
    grid = first_batches(space)
    tries = (float(goal.runs),) if goal.runs else _RUNS
    best: tuple[float, tuple[int, ...]] | None = None
    for block in lattice.blocks(max(BLOCK // grid.size, 1)):
        lengths = [block.hidden[:, [layer]].astype(np.float64) for layer in range(block.depth)]
        objective = joint_objective(
            base, (float(lattice.inputs), *lengths, float(lattice.outputs)), constants
        )
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


# Architectures that converge alike, and the lengths that trade against each other at one bound.

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
        return objective.bound(objective.optimum(batch, n, keep_prob, schedule)).value

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


# From screened architectures to ranked ones, solved again one by one with every digit.

MARGIN = 16  # architectures solved beyond those asked for
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
    weights = sum((before + problem.bias) * after for before, after in pairwise(layers))
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
    count = min(top + MARGIN, found.cost.size)
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


# Which of the ranked networks get a curve of equal bounds and a training plan, and what is said of it.

Which = Literal["best", "deep", "spec", "none"] | int
"""The best network with a hidden layer, the best with at least two, the spec's own, none, or a rank."""

_DEEP = 4  # d_0, two hidden layers and d_L
_TRIES = 16  # networks screened as feasible that are solved until one is
_KNOWN = "best, deep, spec, none, or a rank that is shown, such as 2"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The networks whose curve and whose training are shown, if any, and sentences on the choice."""

    curve: Solved | None
    planned: Solved | None
    notes: tuple[str, ...]


def parse_which(text: str) -> Which:
    """What `--pipeline` says.

    Raises:
        UsageError: it is neither a word that it knows nor a rank.

    Example:
        >>> parse_which("deep"), parse_which("2")
        ('deep', 2)
    """
    match text:
        case "best" | "deep" | "spec" | "none":
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


def choose(
    which: Which,
    exact: Sequence[Solved],
    rows: Screened,
    lattice: Lattice,
    *,
    shown: int,
    own: tuple[int, ...],
    solve: Callable[[tuple[int, ...]], Solved | None],
    capped: bool,
) -> Chosen:
    """The networks to look at more closely.

    The curve needs two hidden layers: it is that of the network whose training is planned if that has them,
    else of the best one that has.

    Args:
        which: whose training to plan.
        exact: solved networks, best first. rows: all that are feasible, cheapest first.
        lattice: what the rows are numbered in.
        shown: how many of the ranks are shown. own: d_0..d_L of the spec.
        solve: the best row of a network, None if it does not reach the target.
        capped: whether the bound of a vacuous network is shown as its largest gradient, which other lengths
            have not in common with it.
    """
    notes = list[str]()
    planned = _planned(which, exact, own, solve)
    if isinstance(planned, str):
        return Chosen(None, None, (planned,))
    deep = planned if len(planned.problem.layers) >= _DEEP else None
    if deep is None and which != "spec":
        deep = _best_deep(exact, rows, lattice, solve)
    if which == "deep" and deep is not None:
        planned = deep
    short = len(planned.problem.layers) < _DEEP
    curve = None if deep is None or (capped and deep.vacuous) else deep
    if deep is None:
        notes.append(_no_curve(which, lattice))
    elif curve is None:
        notes.append(f"No curve of equal bounds: the bound of {lengths(deep.problem.layers)} is vacuous.")
    elif short or len(exact[0].problem.layers) < _DEEP <= len(planned.problem.layers):
        notes.append(_curve_of(deep, exact[:shown]))
    if short and which == "best" and deep is not None:
        notes.append(_deeper(planned, deep, exact[:shown]))
    if which == "deep" and deep is None:
        return Chosen(None, None, tuple(notes))
    return Chosen(curve, None if which == "none" else planned, tuple(notes))


def _planned(
    which: Which,
    exact: Sequence[Solved],
    own: tuple[int, ...],
    solve: Callable[[tuple[int, ...]], Solved | None],
) -> Solved | str:
    """The network asked for, or why there is none."""
    if which == "spec":
        one = solve(own) if len(own) > 2 else None
        return one or (wording.SPEC_CANNOT if len(own) > 2 else wording.SPEC_SINGLE)
    if isinstance(which, int):
        one = exact[which - 1]
        if len(one.problem.layers) > 2:
            return one
        return f"Rank {which} has no hidden layer, so there is nothing to pretrain."
    return next((one for one in exact if len(one.problem.layers) > 2), wording.NO_NETWORK)


def _best_deep(
    exact: Sequence[Solved],
    rows: Screened,
    lattice: Lattice,
    solve: Callable[[tuple[int, ...]], Solved | None],
) -> Solved | None:
    for one in exact:
        if len(one.problem.layers) >= _DEEP:
            return one
    for at in np.flatnonzero(rows.depth >= _DEEP - 2)[:_TRIES]:
        found = solve(lattice.layers(int(rows.depth[at]), int(rows.index[at])))
        if found is not None:
            return found
    return None


def _hidden(one: Solved) -> str:
    count = len(one.problem.layers) - 2
    return ("no hidden layer", "one hidden layer")[count] if count < 2 else f"{count} hidden layers"


def _named(one: Solved, ranks: Sequence[Solved]) -> str:
    """The network, with its rank where it is among those shown, which are in order."""
    found = next((at + 1 for at, other in enumerate(ranks) if other is one), None)
    return ("" if found is None else f"rank {found}, ") + lengths(one.problem.layers)


def _no_curve(which: Which, lattice: Lattice) -> str:
    why = "the spec's own network has one"
    if which != "spec":
        deep = max(lattice.depths) >= _DEEP - 2
        why = "no network with two fits" if deep else f"--depth allows at most {max(lattice.depths)}"
    return f"No curve of equal bounds: it trades two hidden layers against each other, and {why}."


def _curve_of(deep: Solved, ranks: Sequence[Solved]) -> str:
    return (
        f"The curve of equal bounds is that of {_named(deep, ranks)}, the best with at "
        f"least two hidden layers to trade against each other; rank 1 has {_hidden(ranks[0])}."
    )


def _deeper(planned: Solved, deep: Solved, ranks: Sequence[Solved]) -> str:
    return (
        f"The training planned is that of {lengths(planned.problem.layers)}, with a single layer to "
        f"pretrain. The same command with --pipeline deep plans that of {_named(deep, ranks)}."
    )
