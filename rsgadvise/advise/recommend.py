"""`recommend`: a spec in, ranked hyper-parameters out, with the reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.advise import wording
from rsgadvise.advise.elasticity import elasticities, strongest_change
from rsgadvise.advise.ends import NEAR, batch_end
from rsgadvise.advise.iterations import critical_batch_size
from rsgadvise.advise.reach import infeasible
from rsgadvise.advise.results import Advice, Recommendation, WorkPoint, as_stepsize
from rsgadvise.advise.solve import Rows, solve
from rsgadvise.advise.space import Space, search_space
from rsgadvise.bounds.calibrated import LossObjective
from rsgadvise.bounds.judge import (
    Point,
    certified,
    check_problem,
    equation,
    objective_for,
)
from rsgadvise.bounds.kinds import curvature_share
from rsgadvise.bounds.objective import ConstantsName, Objective
from rsgadvise.bounds.problem import Assumption, Problem, resolve
from rsgadvise.errors import HypothesisError

if TYPE_CHECKING:
    from rsgadvise.spec import Spec

__all__ = ["described", "rank", "ranked_rows", "ranking_objective", "recommend", "relevant"]

_BOUNDARY_SLOPE = 1e-4
_SLIGHT = 1e-3  # a fall of the bound that is not worth a sentence


def recommend(
    spec: Spec,
    *,
    constants: ConstantsName = "paper",
    top: int = 5,
    measured: Mapping[str, float | int | None] | None = None,
) -> Advice:
    """Rank hyper-parameters for a spec by their bound, or with a target by the cost to meet it.

    The listed choices are enumerated and the continuous ones solved to their global optimum, so
    the first row is the best that the bound knows.

    Args:
        spec: a valid spec.
        constants: the paper's, or certified ones that hold for any data of these moments.
        top: how many rows to return.
        measured: statistics of the data file by spec key, which replace those in the spec.

    Returns:
        The advice; `infeasible` says why there are no rows.

    Raises:
        HypothesisError: a fixed stepsize lies outside the paper's range.
    """
    problem = resolve(spec, measured)
    return rank(problem, search_space(spec, problem), constants=constants, top=top)


def rank(problem: Problem, space: Space, *, constants: ConstantsName, top: int) -> Advice:
    """`recommend` for a spec that is already read; calibrated constants are in the problem.

    Raises:
        HypothesisError: a fixed stepsize lies outside the paper's range.
    """
    check_problem(problem, constants)
    objective = ranking_objective(problem, space, constants)
    ranked = ranked_rows(objective, space, constants=constants)
    # Of (12) and (13) the second covers both, as long as there are no rows.
    dropout = min(low for low, _ in space.keep_probs) < 1
    advice = Advice(
        kind=problem.kind,
        layers=problem.layers,
        constants=constants,
        equation=equation(problem.kind, constants, space.schedules[0], dropout=dropout),
        objective=_objective_words(space, constants),
        candidates=ranked.batch.size,
        assumed=(*relevant(problem, constants), *space.assumed),
    )
    if ranked.batch.size == 0:
        return replace(advice, infeasible=infeasible(objective, space))
    shown = described(problem, space, ranked, constants=constants, top=top)
    shown = (_at_batch_end(shown[0], objective, space, ranked, constants), *shown[1:])
    for_loss = isinstance(objective, LossObjective)
    if for_loss:
        shown = tuple(
            replace(row, loss_bound=float(value)) for row, value in zip(shown, ranked.value, strict=False)
        )
    best = _point(ranked, 0, space)
    knee = None
    if space.goal is not None:
        keep_range = space.keep_probs[int(ranked.keep_range[0])]
        knee = critical_batch_size(objective, float(space.goal.per_run(ranked.runs[0])), keep_range)
    return replace(
        advice,
        equation=wording.equations([row.equation for row in shown]),
        recommendations=shown,
        largest_gradient=shown[0].largest_gradient,
        critical_batch_size=knee,
        work=_work(objective, space, ranked, problem.samples),
        why=_why(problem, constants, best, shown[0]),
        notes=_notes(space, ranked, knee, wording.LOSS_BOUND if for_loss else wording.BOUND),
    )


def ranked_rows(objective: Objective, space: Space, *, constants: ConstantsName) -> Rows:
    """Every feasible candidate, best first: the ranking without its explanations."""
    rows = solve(objective, space)
    # Measured constants tie at all keep probabilities, and are those of the highest.
    tied = -rows.keep_prob if constants == "calibrated" else np.zeros(rows.batch.size)
    return rows.take(np.lexsort((tied, rows.total, rows.cost(space.goal))))


def described(
    problem: Problem, space: Space, rows: Rows, *, constants: ConstantsName, top: int
) -> tuple[Recommendation, ...]:
    """The first rows with their bounds, in the order given."""
    count = min(top, rows.batch.size)
    return tuple(_recommendation(problem, constants, space, rows, index) for index in range(count))


def ranking_objective(problem: Problem, space: Space, constants: ConstantsName) -> Objective:
    """What is minimised: the bound; with calibrated constants and no target, that on the loss."""
    objective = objective_for(problem, constants)
    if constants == "calibrated" and problem.measured is not None and space.goal is None:
        return LossObjective(objective, problem.measured)
    return objective


def relevant(problem: Problem, constants: ConstantsName) -> tuple[Assumption, ...]:
    """What was assumed and matters: certified bounds do not depend on pretraining."""
    unused = "nothing" if constants == "paper" else "training.pretraining"
    return tuple(item for item in problem.assumed if not item.key.startswith(unused))


def _objective_words(space: Space, constants: ConstantsName) -> str:
    if space.goal is None and constants == "calibrated":
        return "smallest bound on the loss, were it convex"
    if space.goal is None:
        return "smallest bound within the budget" if space.limits else "smallest bound"
    return (
        "fewest seconds that meet the target"
        if space.cost is not None
        else "fewest samples that meet the target"
    )


def _point(rows: Rows, index: int, space: Space) -> Point:
    return Point(
        stepsize=np.asarray(rows.stepsize[index]),
        keep_prob=float(rows.keep_prob[index]),
        batch_size=float(rows.batch[index]),
        iterations=float(rows.iterations[index]),
        schedule=space.schedules[int(rows.schedule[index])],
    )


def _recommendation(
    problem: Problem, constants: ConstantsName, space: Space, rows: Rows, index: int
) -> Recommendation:
    point = _point(rows, index, space)
    try:
        found = point.bound(objective_for(problem, constants)).terms
    except HypothesisError:  # a stepsize that was found by training instead
        found = {"none": np.asarray(np.inf)}
    terms = {name: float(value) for name, value in found.items()}
    value = float(np.sum(list(terms.values())))
    bounded = math.isfinite(value)
    proven_value, _, limit = certified(problem, point)
    slopes = elasticities(problem, constants, point) if bounded else {}
    samples = int(point.batch_size) * int(point.iterations)
    runs = int(rows.runs[index])
    binding = _binding(space, rows, index, slopes)
    notes = []
    if not bounded:
        notes.append(wording.NO_BOUND)
    elif value >= limit:
        notes.append(wording.VACUOUS)
        if constants == "paper" and proven_value < limit:
            notes.append(wording.CERTIFIED_SAYS_MORE)
    if proven_value > value and constants != "calibrated":
        notes.append(wording.NOT_PROVEN)
        if proven_value >= limit:
            notes.append(wording.NOTHING_PROVEN)
    if "search.keep_prob.min" in binding:
        notes.append(wording.AT_LOWEST_KEEP_PROB)
    if "search.keep_prob.max" in binding:
        notes.append(wording.AT_HIGHEST_KEEP_PROB)
    if problem.samples is not None and point.batch_size > problem.samples:
        notes.append(wording.LARGER_THAN_DATA)
    return Recommendation(
        rank=index + 1,
        equation=equation(problem.kind, constants, point.schedule, dropout=point.keep_prob < 1),
        stepsize=as_stepsize(point.stepsize),
        decay=point.schedule.decay,
        stopping="listed" if isinstance(point.schedule.stopping, tuple) else point.schedule.stopping,
        batch_size=int(point.batch_size),
        iterations=int(point.iterations),
        runs=runs,
        keep_prob=point.keep_prob,
        dropout_rate=1 - point.keep_prob,
        bound=value,
        loss_bound=None,
        certified_bound=proven_value,
        largest_gradient=limit,
        proven=bounded and proven_value <= value and constants != "calibrated",
        vacuous=value >= limit,
        terms=terms if bounded else {},
        samples=samples,
        epochs=None if problem.samples is None else samples / problem.samples,
        total_samples=samples * runs,
        total_epochs=None if problem.samples is None else samples * runs / problem.samples,
        seconds=None if rows.seconds is None else float(rows.seconds[index]),
        elasticities=slopes,
        curvature_share=_curvature_share(problem, constants, point),
        binding=binding,
        notes=tuple(notes),
    )


def _curvature_share(problem: Problem, constants: ConstantsName, point: Point) -> float | None:
    if point.schedule.stopping != "matched":
        return None
    share = curvature_share(problem, constants, point.stepsize, point.keep_prob)
    return share if math.isfinite(share) else None


def _binding(space: Space, rows: Rows, index: int, slopes: Mapping[str, float]) -> tuple[str, ...]:
    """Dotted keys of the limits that hold one row back."""
    found = list[str]()
    batch, runs, n = rows.batch[index], rows.runs[index], float(rows.iterations[index])
    if space.goal is None and not space.fixed_iterations:
        if n >= space.iterations[1]:
            found.append(space.iterations_key)
        found += [limit.key for limit in space.limits if n >= float(limit.most_iterations(batch, runs))]
    if space.goal is not None and n == space.iterations[0] and n > 1 and not space.fixed_iterations:
        found.append("search.iterations.min")
    low, high = space.keep_probs[int(rows.keep_range[index])]
    zeta, slope = float(rows.keep_prob[index]), slopes.get("keep_prob", 0.0)
    if low < high:
        if zeta <= low and slope > _BOUNDARY_SLOPE:
            found.append("search.keep_prob.min")
        if zeta >= high and high < 1 and slope < -_BOUNDARY_SLOPE:
            found.append("search.keep_prob.max")
    return tuple(found)


def _at_batch_end(
    best: Recommendation, objective: Objective, space: Space, rows: Rows, constants: ConstantsName
) -> Recommendation:
    """Rank 1, with a note where other batch sizes than those allowed would be better."""
    end = batch_end(objective, space, rows)
    if end is None:
        return best
    what = "the bound on the loss falls" if constants == "calibrated" else "the bound falls"
    if space.goal is not None:
        what = "the samples fall" if space.cost is None else "the seconds fall"
    note = wording.at_batch_end(
        largest=end.largest, what=what, cost=end.cost, batch=end.batch_size, allowed=end.allowed
    )
    key = wording.LARGEST_BATCH if end.largest else wording.SMALLEST_BATCH
    return replace(best, binding=(*best.binding, key), notes=(*best.notes, note))


def _work(objective: Objective, space: Space, rows: Rows, samples: int | None) -> tuple[WorkPoint, ...]:
    """What a quarter, the same, and four times the work of the best row would give."""
    if space.goal is not None or space.fixed_iterations or space.stepsize is not None:
        return ()
    schedule = space.schedules[int(rows.schedule[0])]
    keep_range = space.keep_probs[int(rows.keep_range[0])]
    shown = objective.inner if isinstance(objective, LossObjective) else objective
    batch, points = rows.batch[:1], []
    for factor in (0.25, 1.0, 4.0):
        n = np.maximum(np.round(rows.iterations[:1] * factor), 1.0)
        stepsize, keep_prob = objective.optimum(batch, n, keep_range, schedule)
        ranked, value = (
            float(each.bound(stepsize, keep_prob, batch, n, schedule).value[0]) for each in (objective, shown)
        )
        total = int(n[0]) * int(batch[0])
        epochs = None if samples is None else total / samples
        allowed = bool(space.iterations[0] <= n[0] <= space.iterations[1])
        loss_bound = None if shown is objective else ranked
        points.append(WorkPoint(factor, int(n[0]), total, epochs, value, loss_bound, allowed))
    return tuple(points)


def _why(problem: Problem, constants: ConstantsName, point: Point, best: Recommendation) -> tuple[str, ...]:
    by_loss = best.loss_bound is not None
    ranking = [wording.RANKED_BY_LOSS] if by_loss else []
    if not math.isfinite(best.bound):
        return tuple(ranking)
    name = wording.GRADIENT_BOUND if by_loss else wording.BOUND
    at_end = ["keep_prob"] if any(key.startswith("search.keep_prob") for key in best.binding) else []
    sentences = [*ranking, wording.dominant_term(best.terms, best.bound, name=name)]
    change = strongest_change(problem, constants, point, fixed=at_end)
    if change is not None and change.ratio < 1 - _SLIGHT:
        sentences.append(
            wording.strongest_knob(change.knob, doubled=change.doubled, ratio=change.ratio, name=name)
        )
    return tuple(sentences)


def _notes(space: Space, rows: Rows, knee: float | None, bound: str) -> tuple[str, ...]:
    notes = []
    cost = rows.cost(space.goal)
    close = sorted({int(batch) for batch in rows.batch[cost <= cost[0] * (1 + NEAR)]})
    if len(close) > 1:
        notes.append(wording.near_ties(close, by_cost=space.goal is not None, knee=knee, name=bound))
    if space.goal is None and not space.limits and not space.fixed_iterations:
        notes.append(
            "There is neither a target nor a budget, and data.samples is unknown: every row runs the most "
            "iterations allowed, so larger batches win by doing more work."
        )
    if space.goal is not None and rows.runs[0] > 1:
        q = float(space.goal.per_run(rows.runs[0]))
        notes.append(
            f"{'The target asks for' if space.goal.runs is not None else 'Cheapest are'} "
            f"{int(rows.runs[0])} independent runs; keep the one with the smallest gradient."
            f" Each run must reach eps * delta^(1/T) = {q:.4g} in the mean. Costs count all runs."
        )
    return tuple(notes)
