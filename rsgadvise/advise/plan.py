"""`iterations`: how many iterations, runs and rows an (eps, delta)-solution needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rsgadvise.advise.iterations import critical_batch_size, fewest_iterations
from rsgadvise.advise.plan_result import IterationPlan, TradeoffPoint
from rsgadvise.advise.results import as_stepsize
from rsgadvise.advise.solve import solve
from rsgadvise.advise.space import MOST_ITERATIONS, Goal, Space
from rsgadvise.bounds.judge import Point, certified, check_problem, equation, objective_for
from rsgadvise.bounds.objective import ConstantsName, Objective, Range, Schedule
from rsgadvise.bounds.problem import Assumption, Problem
from rsgadvise.search import distinct
from rsgadvise.theory import single_layer
from rsgadvise.theory.bound import FloatArray

__all__ = ["Request", "plan_iterations"]

_TRADEOFF_POINTS = 9
_EXHAUSTIVE_RUNS = 4096  # longer lists of T are thinned to this many, equally spaced in log T
_MOST_RUNS = 10**6


@dataclass(frozen=True, slots=True)
class Request:
    """What to plan for.

    Attributes:
        eps, delta: Pr(min_t ||grad f(W^R_t)||^2 <= eps) >= 1 - delta.
        runs: T. epochs: C, passes over the data.
        batch_size: B, or None for the batch with the fewest samples among `batch_choices`.
        batch_choices: batch sizes to choose from, or (min, max) of a range to search.
        batch_range: whether they are such a range.
        keep_prob: range of zeta.
        assumed: what nobody gave.
    """

    eps: float
    delta: float
    runs: int
    epochs: float
    batch_size: int | None
    batch_choices: tuple[int, ...]
    keep_prob: Range
    assumed: tuple[Assumption, ...]
    batch_range: bool = False


@dataclass(frozen=True, slots=True)
class _Case:
    """One question: how many iterations does this objective need for this target?"""

    objective: Objective
    goal: Goal
    target: float
    batch: int
    keep_prob: Range

    def real(self, batch: FloatArray, target: FloatArray) -> FloatArray:
        """N before rounding up, for other batches and targets."""
        return self.objective.required_iterations(target, batch, self.keep_prob)[0]

    def whole(self, batch: FloatArray, target: FloatArray) -> FloatArray:
        """Smallest integer N, checked against the bound."""
        return fewest_iterations(self.objective, batch, target, self.keep_prob)


def plan_iterations(
    problem: Problem, request: Request, *, constants: ConstantsName = "paper"
) -> IterationPlan:
    """Plan constant stepsizes with uniform R, the setting of Corollary III.3, for any kind of network.

    Args:
        problem: the network, its data and its start.
        request: the target and what is fixed.
        constants: the paper's, or certified ones.

    Returns:
        The plan; `feasible` is False, and the numbers None, where no N reaches the target.
    """
    check_problem(problem, constants)
    objective = objective_for(problem, constants)
    goal = Goal(request.eps, request.delta, request.runs)
    target = float(goal.per_run(np.asarray(float(request.runs))))
    batch, assumed = _batch_size(objective, request, goal)
    case = _Case(objective, goal, target, batch, request.keep_prob)
    here, there = np.asarray([float(batch)]), np.asarray([target])
    needed, whole = case.real(here, there), case.whole(here, there)[0]
    feasible = bool(np.isfinite(whole))
    smallest = float(objective.smallest_batch(np.asarray(target), request.keep_prob[0]))
    schedule = Schedule()
    reached = _reached(problem, case, float(whole)) if feasible else None
    keep_prob = None if reached is None else reached[0].keep_prob
    dropout = (request.keep_prob[0] if keep_prob is None else keep_prob) < 1
    best_runs = _best_runs(case)
    paper_n = _paper_iterations(problem, constants, target, batch)
    knee = critical_batch_size(objective, target, request.keep_prob)
    reason = None if feasible else _reason(request, smallest)
    return IterationPlan(
        kind=problem.kind,
        layers=problem.layers,
        constants=constants,
        equation="Corollary III.3, equation (9), with the exact stepsize"
        if problem.kind == "single_layer" and constants == "paper"
        else "solved for N: " + equation(problem.kind, constants, schedule, dropout=dropout),
        eps=request.eps,
        delta=request.delta,
        runs=request.runs,
        epochs=request.epochs,
        batch_size=batch,
        initial_loss=problem.initial_loss,
        per_run_target=target,
        feasible=feasible,
        iterations=int(whole) if feasible else None,
        iterations_real=float(needed[0]) if feasible else None,
        iterations_paper=None if paper_n is None else int(np.ceil(paper_n)),
        iterations_paper_real=paper_n,
        stepsize=None if reached is None else as_stepsize(reached[0].stepsize),
        keep_prob=keep_prob,
        dropout_rate=None if keep_prob is None else 1 - keep_prob,
        bound=None if reached is None else reached[1],
        certified_bound=None if reached is None else reached[2],
        proven=None if reached is None else reached[2] <= reached[1],
        critical_batch_size=knee if np.isfinite(knee) else None,
        recommended_runs=None if best_runs is None else best_runs[0],
        recommended_iterations=None if best_runs is None else best_runs[1],
        recommended_samples=None if best_runs is None else best_runs[0] * best_runs[1] * batch,
        samples=int(whole) * batch if feasible else None,
        total_samples=request.runs * int(whole) * batch if feasible else None,
        dataset_size=None if paper_n is None else round(paper_n * batch / request.epochs),
        dataset_size_exact=round(float(needed[0]) * batch / request.epochs) if feasible else None,
        tradeoff=_tradeoff(case, knee, smallest),
        min_batch_size=int(np.floor(smallest)) + 1 if smallest < MOST_ITERATIONS else None,
        reason=reason,
        notes=(*([] if reason is None else [reason]), *_notes(problem)),
        assumed=(*problem.assumed, *request.assumed, *assumed),
    )


def _batch_size(objective: Objective, request: Request, goal: Goal) -> tuple[int, tuple[Assumption, ...]]:
    """The batch size asked for, or the one that takes the fewest samples, found as `recommend` finds it."""
    if request.batch_size is not None:
        return request.batch_size, ()
    rows = solve(
        objective,
        Space(
            batch_sizes=request.batch_choices,
            batch_range=request.batch_range,
            iterations=(1, MOST_ITERATIONS),
            iterations_key="",
            keep_probs=(request.keep_prob,),
            schedules=(Schedule(),),
            stepsize=None,
            limits=(),
            goal=goal,
            cost=None,
            assumed=(),
        ),
    )
    if rows.batch.size == 0:
        batch, why = max(request.batch_choices), "the largest of search.batch_size"
    else:
        batch = int(rows.batch[int(np.argmin(rows.total))])
        why = "the fewest samples " + ("within" if request.batch_range else "among") + " search.batch_size"
    return batch, (Assumption("training.batch_size", batch, why),)


def _reached(problem: Problem, case: _Case, iterations: float) -> tuple[Point, float, float]:
    """The optimum at the integer N, its bound, and the certified bound there."""
    schedule = Schedule()
    stepsize, zeta = case.objective.optimum(
        np.asarray([float(case.batch)]), np.asarray([iterations]), case.keep_prob, schedule
    )
    point = Point(stepsize[0], float(zeta[0]), float(case.batch), iterations, schedule)
    certified_value, _, _ = certified(problem, point)
    return point, float(point.bound(case.objective).value), certified_value


def _best_runs(case: _Case) -> tuple[int, int] | None:
    """T that minimises T N(T), and that N; None where no T reaches eps."""
    limit = float(case.real(np.asarray([float(case.batch)]), np.asarray([case.goal.eps]))[0])
    if not np.isfinite(limit):
        return None
    count = 64
    while True:
        runs = np.arange(1.0, count + 1)
        if count > _EXHAUSTIVE_RUNS:
            runs = distinct(np.round(np.geomspace(1, count, _EXHAUSTIVE_RUNS)))
        whole = case.whole(np.full(runs.shape, float(case.batch)), case.goal.per_run(runs))
        total = whole * runs
        best = int(np.argmin(total))
        # T N(T) >= T N(infinity): beyond the end of the list nothing is cheaper than its best.
        complete = count * max(limit, 1.0) >= float(total[best])
        if np.isfinite(total[best]) and (complete or count >= _MOST_RUNS):
            return int(runs[best]), int(whole[best])
        if count >= _MOST_RUNS:
            return None
        count *= 4


def _paper_iterations(problem: Problem, constants: ConstantsName, target: float, batch: int) -> float | None:
    """N of equation (9); None for other networks and for certified constants."""
    if problem.kind != "single_layer" or constants != "paper":
        return None
    needed = single_layer.required_iterations_balanced(
        target=target,
        batch_size=batch,
        initial_loss=problem.initial_loss,
        input_dim=problem.layers[0],
        output_dim=problem.layers[1],
    )
    return float(needed) if needed <= 1e15 else None


def _tradeoff(case: _Case, knee: float, smallest: float) -> tuple[TradeoffPoint, ...]:
    """(B, N, N B) from the smallest useful batch to four times the knee, the given batch among them."""
    if not smallest < MOST_ITERATIONS:
        return ()
    low = max(1.0, np.floor(smallest) + 1)
    high = min(max(4 * knee if np.isfinite(knee) else low, 4.0 * case.batch, 4 * low), 1e15)
    extra = [float(case.batch)] if case.batch > smallest else []
    batches = distinct(np.concatenate([np.round(np.geomspace(low, high, _TRADEOFF_POINTS)), extra]))
    whole = case.whole(batches, np.full(batches.shape, case.target))
    return tuple(
        TradeoffPoint(int(b), int(n), int(n) * int(b))
        for b, n in zip(batches, whole, strict=True)
        if np.isfinite(n)
    )


def _reason(request: Request, smallest: float) -> str:
    """Why no number of iterations will do."""
    if not smallest < MOST_ITERATIONS:
        return "No batch size that fits a computer reaches the target: raise eps."
    if request.batch_size is None or request.batch_size <= smallest:
        return (
            f"No number of iterations reaches the target: the noise floor needs batch_size >= "
            f"{int(np.floor(smallest)) + 1:,}, a larger eps, or more runs."
        )
    return "The target needs more than 1e15 iterations: raise eps or delta, use more runs or a larger batch."


def _notes(problem: Problem) -> tuple[str, ...]:
    if problem.kind == "single_layer":
        return ()
    return ("The paper has no such plan for this network; this one solves its bound for N.",)
