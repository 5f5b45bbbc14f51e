"""`iterations`: how many iterations, runs and rows an (eps, delta)-solution needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rsgadvise.advise import wording
from rsgadvise.advise.iterations import critical_batch_size, fewest_iterations
from rsgadvise.advise.results import IterationPlan, TradeoffPoint, as_stepsize
from rsgadvise.advise.runs import choosing, rows_to_compare
from rsgadvise.advise.solve import plans
from rsgadvise.advise.space import MOST_ITERATIONS, Goal, Space, aim
from rsgadvise.errors import HypothesisError
from rsgadvise.records import dataclass
from rsgadvise.theory import DEFAULT, ConstantsName
from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.judge import Judged, Plan, check_problem, equation_for, judge, objective_for
from rsgadvise.theory.objective import Objective, Range, Schedule
from rsgadvise.theory.problem import Assumption, Problem
from rsgadvise.theory.search import distinct, whole_grid, whole_number
from rsgadvise.theory.theorems import others_with_bounds, theorem_for, theorem_of, usual_constants

_TRADEOFF_POINTS = 9
_EXHAUSTIVE_RUNS = 4096  # longer lists of T are thinned to this many, equally spaced in log T
_MOST_RUNS = 10**6
_MOST_ROWS = 10**30  # of a data set that so many iterations pass over


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
    free: bool = False  # any weights meet the target

    def real(self, batch: FloatArray, target: FloatArray) -> FloatArray:
        """N before rounding up, for other batches and targets."""
        if self.free:
            return np.ones(np.broadcast_shapes(batch.shape, target.shape))
        return self.objective.required_iterations(target, batch, self.keep_prob)[0]

    def whole(self, batch: FloatArray, target: FloatArray) -> FloatArray:
        """Smallest integer N, checked against the bound."""
        if self.free:
            return self.real(batch, target)
        return fewest_iterations(self.objective, batch, target, self.keep_prob)


def plan_iterations(
    problem: Problem, request: Request, *, constants: ConstantsName | None = None
) -> IterationPlan:
    """Plan constant stepsizes with uniform R, the setting of Corollary III.3, for any kind of network.

    Args:
        problem: the network, its data and its start.
        request: the target and what is fixed.
        constants: the paper's, or certified ones.

    Returns:
        The plan; `feasible` is False, and the numbers None, where no N reaches the target.
    """
    constants = constants or usual_constants(problem, problem.optimizer)
    check_problem(problem, constants)
    objective = objective_for(problem, constants)
    goal = aim(problem, [request.keep_prob], eps=request.eps, delta=request.delta, runs=request.runs)
    parts = goal.unmissable
    target = float(goal.per_run(np.asarray(float(request.runs))))
    batch, assumed = _batch_size(objective, request, goal)
    case = _Case(objective, goal, target, batch, request.keep_prob)
    here, there = np.asarray([float(batch)]), np.asarray([target])
    if parts and not np.isfinite(case.whole(here, there)[0]):
        case = replace(case, keep_prob=parts[0], free=True)
    needed, whole = case.real(here, there), case.whole(here, there)[0]
    feasible = bool(np.isfinite(whole))
    smallest = 0.0 if case.free else float(objective.smallest_batch(np.asarray(target), request.keep_prob[0]))
    plan = theorem_of(problem.kind, constants).plan
    reached = _reached(problem, constants, case, float(whole)) if feasible else None
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
        equation=f"{plan}, with the exact stepsize"
        if plan
        else "solved for N: " + equation_for(problem, constants, Schedule(), dropout=dropout),
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
        iterations_paper=None if paper_n is None else whole_number(np.ceil(paper_n)),
        iterations_paper_real=paper_n,
        stepsize=None if reached is None else as_stepsize(reached[0].stepsize),
        keep_prob=keep_prob,
        dropout_rate=None if keep_prob is None else 1 - keep_prob,
        bound=None if reached is None else reached[1].value,
        certified_bound=None if reached is None else reached[1].sure,
        proven=None if reached is None else reached[1].proven,
        critical_batch_size=None if case.free else _finite(knee),
        recommended_runs=None if best_runs is None else best_runs[0],
        recommended_iterations=None if best_runs is None else best_runs[1],
        recommended_samples=None if best_runs is None else best_runs[0] * best_runs[1] * batch,
        samples=int(whole) * batch if feasible else None,
        total_samples=request.runs * int(whole) * batch if feasible else None,
        dataset_size=None
        if paper_n is None
        else whole_number(paper_n * batch / request.epochs, most=_MOST_ROWS),
        dataset_size_exact=whole_number(float(needed[0]) * batch / request.epochs, most=_MOST_ROWS)
        if feasible
        else None,
        tradeoff=_tradeoff(case, knee, smallest),
        min_batch_size=_above(np.asarray(smallest)),
        reason=reason,
        notes=(
            *([wording.ABOVE_THE_LIMIT] if parts else []),
            *([] if reason is None else [reason]),
            *_notes(problem, goal, batch, keep_prob),
        ),
        assumed=(*problem.assumed, *request.assumed, *assumed),
        least_batch_size=1
        if case.free
        else _above(objective.smallest_batch(np.asarray(request.eps), request.keep_prob[0])),
        recommended_critical_batch_size=None
        if best_runs is None or case.free
        else _finite(
            critical_batch_size(
                objective, float(goal.per_run(np.asarray(float(best_runs[0])))), request.keep_prob
            )
        ),
        comparison_rows=None
        if keep_prob is None
        else rows_to_compare(problem, goal, request.runs, keep_prob),
    )


def plan_for(problem: Problem, request: Request, *, constants: ConstantsName | None) -> IterationPlan:
    """The plan by these constants; where nobody named any, by the paper's, or else by certified ones, with a
    noise floor before without.

    Where the named ones have no plan the reason says whether the others do.
    """
    first = plan_iterations(problem, request, constants=constants)
    if first.reason is None:
        return first
    told = ""
    others = others_with_bounds(problem.kind, first.constants)
    for name in others:
        try:
            other = plan_iterations(problem, request, constants=name)
        except HypothesisError:
            return first
        if other.iterations is None:
            continue
        if constants is None:
            return replace(other, notes=(wording.taken(first.constants, name), *other.notes))
        told = wording.other_plan(
            name, other.runs, other.iterations, other.batch_size, proven=bool(other.proven)
        )
        break
    told = told or wording.no_other_plan(others)
    reason = f"{first.reason} {told[0].upper()}{told[1:]}."
    return replace(first, reason=reason, notes=(reason, *first.notes[1:]))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _above(infimum: FloatArray) -> int | None:
    """The smallest whole batch size above it."""
    smallest = float(infimum)
    return int(np.floor(smallest)) + 1 if smallest < MOST_ITERATIONS else None


def _batch_size(objective: Objective, request: Request, goal: Goal) -> tuple[int, tuple[Assumption, ...]]:
    """The batch size asked for, or the one that takes the fewest samples, found as `recommend` finds it."""
    if request.batch_size is not None:
        return request.batch_size, ()
    rows = plans(
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


def _reached(
    problem: Problem, constants: ConstantsName, case: _Case, iterations: float
) -> tuple[Plan, Judged]:
    """The optimum at the integer N, and its bound beside the certified one."""
    schedule = Schedule()
    plans = case.objective.optimum(
        np.asarray([float(case.batch)]), np.asarray([iterations]), case.keep_prob, schedule
    )
    point = Plan(plans.stepsize[0], float(plans.keep_prob[0]), float(case.batch), iterations, schedule)
    return point, judge(problem, point, constants, case.objective)


def _best_runs(case: _Case) -> tuple[int, int] | None:
    """T that minimises T N(T), and that N; None where no T reaches eps."""
    limit = float(case.real(np.asarray([float(case.batch)]), np.asarray([case.goal.eps]))[0])
    if not np.isfinite(limit):
        return None
    count = 64
    while True:
        runs = np.arange(1.0, count + 1)
        if count > _EXHAUSTIVE_RUNS:
            runs = distinct(whole_grid(1, count, _EXHAUSTIVE_RUNS))
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
    """N as the paper plans it; None where it does not, and where no computer does so many."""
    needed = theorem_for(problem, constants).iterations_as_printed(target, batch)
    return None if needed is None or needed > 1e15 else needed


def _tradeoff(case: _Case, knee: float, smallest: float) -> tuple[TradeoffPoint, ...]:
    """(B, N, N B) from the smallest useful batch to four times the knee, the given batch among them."""
    if not smallest < MOST_ITERATIONS:
        return ()
    low = max(1.0, np.floor(smallest) + 1)
    high = min(max(4 * knee if np.isfinite(knee) else low, 4.0 * case.batch, 4 * low), 1e15)
    extra = [float(case.batch)] if case.batch > smallest else []
    batches = distinct(np.concatenate([whole_grid(low, high, _TRADEOFF_POINTS), extra]))
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
        given = "" if request.batch_size is not None else " (--batch-size takes it, larger than listed)"
        # With ever more runs each has to reach eps itself, and the floor falls with what each has to reach.
        largest = max(request.batch_choices) if request.batch_size is None else request.batch_size
        enough = smallest * request.delta ** (1 / request.runs) < largest
        others = ", a larger eps, or more runs" if enough else " or a larger eps"
        return (
            f"No number of iterations reaches the target: the noise floor needs batch_size >= "
            f"{whole_number(np.floor(smallest)) + 1:,}{given}{others}."
        )
    return "The target needs more than 1e15 iterations: raise eps or delta, use more runs or a larger batch."


def _notes(problem: Problem, goal: Goal, batch: int, keep_prob: float | None) -> tuple[str, ...]:
    notes = []
    if not theorem_of(problem.kind, DEFAULT).plan:
        notes.append("The paper has no such plan for this network; this one solves its bound for N.")
    if problem.samples is not None and batch > problem.samples:
        notes.append(wording.LARGER_THAN_DATA)
    if keep_prob is not None and goal.runs is not None and goal.runs > 1:
        notes.append(choosing(problem, goal, goal.runs, keep_prob))
    return tuple(notes)
