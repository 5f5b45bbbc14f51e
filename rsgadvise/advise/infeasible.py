"""Why no plan is left, what holds it back, and the smallest eps that would be met instead."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from rsgadvise.advise.iterations import MOST_RUNS
from rsgadvise.advise.results import Infeasible
from rsgadvise.advise.solve import Rows, reachable, solve
from rsgadvise.advise.space import MOST_ITERATIONS, Goal, Space, without_limits
from rsgadvise.numerals import rounded_up
from rsgadvise.records import dataclass
from rsgadvise.theory.objective import Objective
from rsgadvise.theory.search import distinct, whole_grid, whole_number

_DIGITS = 4
_COARSE = 12  # numbers of runs tried at first
_FINE = 9
_SLACK = (1.0, 1.001, 1.01, 1.1)  # plans that are searched can need a little more than the best bound
_DEFAULT_KEEP_PROB = (0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Reach:
    """The smallest eps that a spec's limits allow.

    Attributes:
        eps: rounded up to four digits; a plan that meets it was found.
        exact: whether it is the smallest; where plans have no closed form only some are tried.
        batch_size, iterations, runs: of the choice behind it.
        binding: dotted keys of the limits that it exhausts.
        free: whether it is the largest squared gradient, which any weights meet, since no plan has less.
    """

    eps: float
    exact: bool
    batch_size: int
    iterations: int
    runs: int
    binding: tuple[str, ...]
    free: bool = False


def smallest_eps(objective: Objective, space: Space) -> Reach | None:
    """The smallest eps with a plan: the least bound within the limits over delta^(1/T), for the best T.

    Args:
        objective, space: of a ranking with a goal.

    Returns:
        None where the limits leave no room for an iteration, or where nothing is bounded.
    """
    goal = space.goal
    if goal is None:
        raise ValueError("a goal is needed")
    # Else N itself is searched, and only some numbers of runs are tried here.
    exact = all(schedule.monotone for schedule in space.schedules)
    if not exact and space.batch_range:  # a range of such bounds takes minutes
        low, high = space.batch_sizes
        powers = 2 ** np.arange(np.ceil(np.log2(low)), np.floor(np.log2(high)) + 1)
        space = replace(space, batch_sizes=(low, *map(int, powers), high), batch_range=False)
    tried = _runs(space, goal, exact=exact)
    least = {runs: _least(objective, space, goal, runs) for runs in tried}
    if exact and len(tried) > 1:
        at = tried.index(min(least, key=lambda runs: least[runs][0]))
        left, right = tried[max(at - 1, 0)], tried[min(at + 1, len(tried) - 1)]
        for runs in distinct(np.round(np.linspace(left, right, _FINE))):
            least.setdefault(float(runs), _least(objective, space, goal, float(runs)))
    runs, (eps, rows) = min(least.items(), key=lambda item: item[1][0])
    if rows is None:
        return None
    if goal.limit <= eps:
        fewest = min(space.batch_sizes), space.iterations[0], goal.runs or 1
        held = _binding(space, rows, runs)
        return Reach(rounded_up(goal.limit, _DIGITS), True, *fewest, held, free=True)
    if not math.isfinite(eps):
        return None
    for slack in _SLACK:
        reached = rounded_up(eps * slack, _DIGITS)
        if solve(objective, replace(space, goal=replace(goal, eps=reached))).batch.size:
            return Reach(
                reached,
                exact,
                int(rows.batch[0]),
                int(rows.iterations[0]),
                int(runs),
                _binding(space, rows, runs),
            )
    return None


def _runs(space: Space, goal: Goal, *, exact: bool) -> list[float]:
    """Numbers of runs to try."""
    if goal.runs is not None:
        return [float(goal.runs)]
    if not space.limits:  # nothing is shared between runs: the more the better
        return [float(MOST_RUNS)]
    if not exact:  # near the cheapest number far from the noise floor, and one
        typical = min(max(1, round(2 * math.log(1 / goal.delta))), MOST_RUNS)
        return sorted({1.0, float(typical)})
    return [float(runs) for runs in distinct(whole_grid(1, MOST_RUNS, _COARSE))]


def _least(objective: Objective, space: Space, goal: Goal, runs: float) -> tuple[float, Rows | None]:
    """(smallest eps, its row) with so many runs, which share the limits."""
    shared = tuple(replace(limit, amount=limit.amount / runs) for limit in space.limits)
    rows = solve(objective, replace(space, goal=None, limits=shared))
    if not rows.batch.size:
        return math.inf, None
    best = rows.take(np.asarray([np.argmin(rows.value)]))
    return float(best.value[0]) / goal.delta ** (1 / runs), best


def _binding(space: Space, rows: Rows, runs: float) -> tuple[str, ...]:
    n, batch = float(rows.iterations[0]), rows.batch[:1]
    keys = [
        limit.key for limit in space.limits if n >= float(limit.most_iterations(batch, np.asarray([runs]))[0])
    ]
    return (*([space.iterations_key] if n >= space.iterations[1] else []), *keys)


def infeasible(objective: Objective, space: Space) -> Infeasible:
    """Why nothing is left, which limits hold it back, and what would be met instead."""
    goal = space.goal
    if goal is None or goal.unmissable:
        limits = ", ".join(limit.key for limit in space.limits) or space.iterations_key
        return Infeasible(
            f"no batch size allowed leaves room for {space.iterations[0]:,} iteration(s) within {limits}; "
            "raise it, or list smaller batch sizes",
            None,
        )
    hardest = goal.eps if goal.runs is None else float(goal.per_run(np.asarray(goal.runs)))
    infimum = min(float(objective.smallest_batch(np.asarray(hardest), low)) for low, _ in space.keep_probs)
    smallest = whole_number(np.floor(infimum)) + 1 if infimum < MOST_ITERATIONS else None
    reach = smallest_eps(objective, space)
    if smallest is None:
        reason = f"no batch size that fits a computer reaches the target {hardest:.4g} per run"
        advice = _raise_eps(reach)
    elif max(space.batch_sizes) < smallest:
        reason = (
            f"no batch size allowed reaches the target {hardest:.4g} per run, whatever the number of "
            f"iterations; the smallest that can is {smallest:,}"
        )
        advice = (
            f"allow it in search.batch_size, {_raise_eps(reach)}, or lower weight_bound or "
            "pretraining.tolerance"
        )
    else:
        reason, advice = _out_of_reach(objective, space, goal, hardest, reach)
    return Infeasible(
        f"{reason}{_instead(reach)}; {advice}",
        smallest,
        None if reach is None else reach.eps,
        () if reach is None else reach.binding,
    )


def _raise_eps(reach: Reach | None) -> str:
    return "raise target.eps" + ("" if reach is None or reach.free else " to that")


def _instead(reach: Reach | None) -> str:
    if reach is None:
        return ""
    within = f"within {' and '.join(reach.binding) or 'the spec'}"
    if reach.free:
        return (
            f"; {within} no smaller target.eps has a plan than {reach.eps:.4g}, the largest squared gradient "
            "of this network, which any weights meet"
        )
    each = "" if reach.runs == 1 else f" in each of {reach.runs:,} runs"
    smallest = "the smallest target.eps with a plan is" if reach.exact else "there is a plan for target.eps"
    return (
        f"; {within} {smallest} {reach.eps:.4g} "
        f"(batch_size {reach.batch_size:,}, {reach.iterations:,} iterations{each})"
    )


def _out_of_reach(
    objective: Objective, space: Space, goal: Goal, hardest: float, reach: Reach | None
) -> tuple[str, str]:
    """(reason, what to do) where some batch size could meet the target, but not within the limits."""
    free = solve(objective, without_limits(space))
    if free.batch.size:
        best = free.take(np.asarray([np.argmin(free.cost(goal))]))
        exceeded = [limit.key for limit in space.limits]
        if best.iterations[0] > space.iterations[1]:
            exceeded.append(space.iterations_key)
        return (
            f"the cheapest plan that meets the target takes batch_size {int(best.batch[0]):,}, "
            f"{int(best.iterations[0]):,} iterations and {int(best.runs[0]):,} runs, {int(best.total[0]):,} "
            f"samples in all, more than {' and '.join(exceeded) or 'the spec'} allows",
            f"raise {' and '.join(exceeded) or 'it'}, or {_raise_eps(reach)}",
        )
    reason = f"the target {hardest:.4g} per run is out of reach"
    freeing = [key for key, other in _freed(space) if reachable(objective, other)]
    if freeing:
        return (
            f"{reason} with {' and '.join(freeing)} as the spec fixes it",
            f"free {' or '.join(freeing)}, or {_raise_eps(reach)}",
        )
    fixed = [key for key, _ in _freed(space)]
    if fixed:
        return f"{reason} with {' and '.join(fixed)} as the spec fixes it", _raise_eps(reach)
    return (
        f"{reason}: every batch size allowed takes more than {MOST_ITERATIONS:g} iterations",
        f"{_raise_eps(reach)}, or allow larger batch sizes",
    )


def _freed(space: Space) -> list[tuple[str, Space]]:
    """(key, space without it) of each value that the spec fixes."""
    spaces = []
    if space.stepsize is not None:
        spaces.append(("training.stepsize", replace(space, stepsize=None)))
    if space.fixed_iterations:
        spaces.append((space.iterations_key, replace(space, iterations=(1, MOST_ITERATIONS))))
    ((low, high), *others) = space.keep_probs
    if not others and low == high < 1:
        spaces.append(("training.keep_prob", replace(space, keep_probs=(_DEFAULT_KEEP_PROB,))))
    return spaces
