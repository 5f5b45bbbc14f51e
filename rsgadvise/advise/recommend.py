"""`recommend`: a spec in, ranked hyper-parameters out, with the reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.advise import wording
from rsgadvise.advise.elasticity import NEAR, batch_end, elasticities
from rsgadvise.advise.iterations import critical_batch_size
from rsgadvise.advise.results import Advice, Recommendation, Source, TrainingPlan, as_stepsize
from rsgadvise.advise.runs import choosing
from rsgadvise.advise.solve import Rows, plans
from rsgadvise.advise.space import Space, search_space
from rsgadvise.errors import HypothesisError
from rsgadvise.records import dataclass
from rsgadvise.spec.problem import resolve
from rsgadvise.theory import DEFAULT, FLOORLESS, ConstantsName, about
from rsgadvise.theory.calibrated import LossObjective
from rsgadvise.theory.certified import smoothing_gap
from rsgadvise.theory.judge import (
    Judged,
    Plan,
    check_problem,
    equation_for,
    gradient_stepsize,
    judge,
    objective_for,
    stepsize_range,
)
from rsgadvise.theory.objective import Objective
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.theory.problem import Assumption, Problem
from rsgadvise.theory.theorems import (
    covers,
    others_with_bounds,
    proven_constants,
    theorem_of,
    usual_constants,
)

if TYPE_CHECKING:
    from rsgadvise.spec import Spec


# Whose constants an advice is by where nobody named them, and whose plan meets a target.


@dataclass(slots=True)
class Rankings:
    """What each set of constants ranks for one problem; each is solved once, when it is first asked for."""

    problem: Problem
    space: Space
    _rows: dict[ConstantsName, Rows] = field(default_factory=dict)
    _shown: dict[ConstantsName, tuple[Recommendation, ...]] = field(default_factory=dict)

    def solved(self, constants: ConstantsName) -> Rows:
        """Candidates, best first; empty where nothing is feasible.

        Raises:
            HypothesisError: the problem is outside the theorem.
        """
        if constants not in self._rows:
            check_problem(self.problem, constants)
            objective = ranking_objective(self.problem, self.space, constants)
            self._rows[constants] = ranked_rows(objective, self.space, constants=constants)
        return self._rows[constants]

    def shown(self, constants: ConstantsName, top: int) -> tuple[Recommendation, ...]:
        """The first of these with their bounds.

        Raises:
            HypothesisError: as for `solved`.
        """
        rows, known = self.solved(constants), self._shown.get(constants, ())
        known += described(self.problem, self.space, rows, constants=constants, top=top, beyond=len(known))
        self._shown[constants] = known
        return known[:top]

    def best(self, constants: ConstantsName) -> Recommendation | None:
        """The first of all; None where nothing is feasible, or outside the theorem."""
        try:
            shown = self.shown(constants, 1)
        except HypothesisError:
            return None
        return shown[0] if shown else None

    def proven(self, constants: ConstantsName) -> Recommendation | None:
        """The same if its bound is proven, and less than the largest squared gradient possible."""
        best, goal = self.best(constants), self.space.goal
        if best is None or not best.proven or best.vacuous:
            return None
        return None if goal is not None and goal.eps >= best.largest_gradient else best

    def price(self, best: Recommendation) -> float:
        """What plans are compared by: the bound, with a target seconds or samples in all."""
        if self.space.goal is None:
            return best.bound
        return best.total_samples if best.seconds is None else best.seconds

    @property
    def proven_best(self) -> tuple[ConstantsName, Recommendation] | None:
        """The least of what is proven, and whose constants it is by; the certified ones' where others tie.

        A paper's bound that is proven lies above the certified one at the same choice: the paper's ranking is
        only looked at where the certified one has nothing to say.
        """
        names = sorted(proven_constants(self.problem.kind))
        if self.proven("certified") is None:
            names.append(DEFAULT)
        candidates = [(name, best) for name in names if (best := self.proven(name)) is not None]
        return min(candidates, key=lambda pair: self.price(pair[1]), default=None)


def choose_constants(known: Rankings) -> tuple[ConstantsName, str]:
    """The paper's or the certified constants, and why, in one line.

    Those of the smaller bound that is proven and not vacuous, or with a target of the cheaper proven plan;
    else the paper's, with a target those that have a plan. Wherever the paper's bound is proven the
    certified one is no larger at the very same choice, so that its own best is no larger either: the paper's
    ranking is only looked at where the certified one has nothing to say. That may be so although the paper's
    has: among keep probabilities the least certified bound can be the largest gradient that one of them has.

    Args:
        known: the rankings to choose from.
    """
    usual = usual_constants(known.problem, known.problem.optimizer)
    least = known.proven_best
    name = None if least is None else least[0]
    floorless = name == FLOORLESS
    aimed = known.space.goal is not None
    if known.best("certified") if aimed else known.proven("certified"):
        if floorless:
            return "certified", wording.PLAN_WITH_FLOOR if aimed else wording.BY_CERTIFIED_WITH_FLOOR
        return "certified", wording.PLAN_BY_CERTIFIED if aimed else wording.BY_CERTIFIED
    if floorless:
        return FLOORLESS, wording.PLAN_BY_FLOORLESS if aimed else wording.BY_FLOORLESS
    if aimed:
        return usual, wording.PLAN_BY_PAPER if known.best(usual) is not None else wording.NO_PLAN
    if theorem_of(known.problem.kind, usual).proven:
        return usual, wording.BY_CERTIFIED_ALONE
    return usual, wording.BY_PROVEN_PAPER if name == usual else wording.BY_PAPER


def elsewhere(known: Rankings, constants: ConstantsName) -> str:
    """Where these constants have no plan: that others have one, or that they have none either."""
    others = others_with_bounds(known.problem.kind, constants)
    for other in others:
        best = known.best(other)
        if best is not None:
            return wording.other_plan(other, best.runs, best.iterations, best.batch_size, proven=best.proven)
    return wording.no_other_plan(others)


_BOUNDARY_SLOPE = 1e-4


def recommend(
    spec: Spec,
    *,
    constants: ConstantsName | None = None,
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
        HypothesisError: the network or its data lead to no useful constants.
    """
    problem = resolve(spec, measured)
    named = constants or usual_constants(problem, problem.optimizer)
    return rank(problem, search_space(spec, problem), constants=named, top=top)


def rank(
    problem: Problem, space: Space, *, constants: ConstantsName, top: int, known: Rankings | None = None
) -> Advice:
    """`recommend` for a spec that is already read; calibrated constants are in the problem.

    Args:
        problem, space, constants, top: as there.
        known: rankings of this problem in this space; what they lack is added to them.

    Raises:
        HypothesisError: as for `recommend`.
    """
    check_problem(problem, constants)
    trivial = () if space.goal is None or not space.goal.unmissable else (wording.ABOVE_THE_LIMIT,)
    if about(constants).measured and space.goal is not None:
        # What short runs tell is to train by: there a plan of the least work would be none.
        space, known = replace(space, goal=replace(space.goal, limit=math.inf, unmissable=())), None
    known = known or Rankings(problem, space)
    objective = ranking_objective(problem, space, constants)
    ranked = known.solved(constants)
    # Of (12) and (13) the second covers both, as long as there are no rows.
    dropout = min(low for low, _ in space.keep_probs) < 1
    advice = Advice(
        kind=problem.kind,
        layers=problem.layers,
        constants=constants,
        equation=equation_for(problem, constants, space.schedules[0], dropout=dropout),
        objective=_objective_words(space, constants),
        candidates=ranked.batch.size,
        assumed=(*relevant(problem, constants), *space.assumed),
    )
    if ranked.batch.size == 0:
        from rsgadvise.advise.infeasible import infeasible

        none = infeasible(objective, space)
        if space.goal is not None:
            none = replace(none, reason=f"{none.reason}; {elsewhere(known, constants)}")
        return replace(advice, infeasible=none, notes=trivial)
    shown = known.shown(constants, top)
    shown = (
        _at_batch_end(shown[0], objective, space, ranked, problem=problem, constants=constants),
        *shown[1:],
    )
    if objective.for_loss:
        shown = tuple(
            replace(row, loss_score=float(value)) for row, value in zip(shown, ranked.value, strict=False)
        )
    knee = None
    if space.goal is not None:
        keep_range = space.keep_probs[int(ranked.keep_range[0])]
        target = float(space.goal.per_run(ranked.runs[0]))
        if not trivial or ranked.value[0] <= target:  # else it is not the bound that meets it
            knee = critical_batch_size(objective, target, keep_range)
    return replace(
        advice,
        equation=wording.equations([row.equation for row in shown]),
        recommendations=shown,
        largest_gradient=shown[0].largest_gradient,
        critical_batch_size=knee,
        why=_why(shown[0]),
        notes=(
            *(
                []
                if covers(problem.kind, constants, problem.optimizer)
                else [wording.NO_BOUND_FOR.format(problem.optimizer.title)]
            ),
            *trivial,
            *_notes(problem, space, ranked, shown[0], knee),
        ),
        train=training_plan(shown[0], () if problem.spectral else problem.weight_bounds),
    )


def without_bounds(advice: Advice, best: Recommendation, *, objective: str, optimizer: Optimizer) -> Advice:
    """An advice for an optimiser that no theorem is about: its first rank alone, without promises.

    Args:
        advice: by SGD's theorems, from which batch size, iterations and keep probability come.
        best: its first rank with a stepsize of this optimiser.
        objective: what that stepsize is, in words.
        optimizer: that is trained with.
    """
    kept = tuple(note for note in best.notes if note == wording.LARGER_THAN_DATA)
    open_ended = [note for note in advice.notes if note.startswith(wording.UNLIMITED)]
    return replace(
        advice,
        equation=best.equation,
        objective=objective,
        recommendations=(replace(best, loss_score=None, binding=(), notes=kept),),
        why=(wording.SIZES_OF_SGD,),
        notes=(wording.NO_BOUND_FOR.format(optimizer.title), *open_ended),
    )


def training_plan(
    row: Recommendation,
    boxes: tuple[float, ...],
    *,
    source: Source = "theorem",
    spread: float | None = None,
    constant_loss: float | None = None,
) -> TrainingPlan:
    """A row of a ranking as what to train with; nobody has trained by it yet.

    Args:
        row: of the ranking. boxes: w of each matrix, empty without.
        source, spread, constant_loss: as in the plan.
    """
    return TrainingPlan(
        stepsize=row.stepsize,
        # Of several only the shortest is short enough for all layers.
        common_stepsize=min(row.stepsize) if isinstance(row.stepsize, tuple) else row.stepsize,
        decay=row.decay,
        stopping=row.stopping,
        batch_size=row.batch_size,
        iterations=row.iterations,
        epochs=row.epochs,
        keep_prob=row.keep_prob,
        dropout_rate=row.dropout_rate,
        weight_bound=None if not boxes else boxes[0] if len(set(boxes)) == 1 else boxes,
        source=source,
        spread=spread,
        constant_loss=constant_loss,
    )


def ranked_rows(objective: Objective, space: Space, *, constants: ConstantsName) -> Rows:
    """Every feasible candidate, best first: the ranking without its explanations."""
    rows = plans(objective, space)
    # Measured constants tie at all keep probabilities, and are those of the highest.
    tied = -rows.keep_prob if about(constants).measured else np.zeros(rows.batch.size)
    return rows.take(np.lexsort((tied, rows.total, rows.cost(space.goal))))


def described(
    problem: Problem, space: Space, rows: Rows, *, constants: ConstantsName, top: int, beyond: int = 0
) -> tuple[Recommendation, ...]:
    """The first rows with their bounds, in the order given; without as many as `beyond`."""
    places = range(beyond, min(top, rows.batch.size))
    return tuple(_recommendation(problem, constants, space, rows, index) for index in places)


def ranking_objective(problem: Problem, space: Space, constants: ConstantsName) -> Objective:
    """What is minimised: the bound; with calibrated constants and no target, that on the loss.

    Beyond the largest gradient a certified bound says nothing, but its formula still orders the choices.
    """
    objective = objective_for(problem, constants, everywhere=False)
    if about(constants).measured and problem.measured is not None and space.goal is None:
        return LossObjective(objective, problem.measured)
    return objective


def relevant(problem: Problem, constants: ConstantsName) -> tuple[Assumption, ...]:
    """What was assumed and matters: pretraining only where the bound depends on it."""
    pretrained = theorem_of(problem.kind, constants).pretrained(problem)
    return tuple(
        item for item in problem.assumed if pretrained or not item.key.startswith("training.pretraining")
    )


def _objective_words(space: Space, constants: ConstantsName) -> str:
    if space.goal is None and about(constants).measured:
        return "smallest loss score, which is no bound"
    if space.goal is None:
        return "smallest bound within the budget" if space.limits else "smallest bound"
    return (
        "fewest seconds that meet the target"
        if space.cost is not None
        else "fewest samples that meet the target"
    )


def row_plan(rows: Rows, index: int, space: Space) -> Plan:
    """One row of a ranking as a point."""
    return Plan(
        stepsize=np.asarray(rows.stepsize[index]),
        keep_prob=float(rows.keep_prob[index]),
        batch_size=float(rows.batch[index]),
        iterations=float(rows.iterations[index]),
        schedule=space.schedules[int(rows.schedule[index])],
    )


def _recommendation(
    problem: Problem,
    constants: ConstantsName,
    space: Space,
    rows: Rows,
    index: int,
) -> Recommendation:
    point = row_plan(rows, index, space)
    judged = judge(problem, point, constants)
    slopes = elasticities(problem, constants, point) if judged.bounded else {}
    samples = int(point.batch_size) * int(point.iterations)
    runs = int(rows.runs[index])
    binding = _binding(space, rows, index, slopes)
    notes = doubts(problem, point, constants, judged)
    if judged.vacuous and not judged.measured and not judged.certified_vacuous:
        notes.insert(1, wording.CERTIFIED_SAYS_MORE)
    if "search.keep_prob.min" in binding:
        notes.append(wording.AT_LOWEST_KEEP_PROB)
    if "search.keep_prob.max" in binding:
        notes.append(wording.AT_HIGHEST_KEEP_PROB)
    if problem.samples is not None and point.batch_size > problem.samples:
        notes.append(wording.LARGER_THAN_DATA)
    return Recommendation(
        rank=index + 1,
        equation=equation_for(problem, constants, point.schedule, dropout=point.keep_prob < 1)
        if covers(problem.kind, constants, problem.optimizer)
        else wording.NO_THEOREM.format(problem.optimizer.title),
        stepsize=as_stepsize(point.stepsize),
        decay=point.schedule.decay,
        stopping=point.schedule.stopping if isinstance(point.schedule.stopping, str) else "listed",
        batch_size=int(point.batch_size),
        iterations=int(point.iterations),
        runs=runs,
        keep_prob=point.keep_prob,
        dropout_rate=1 - point.keep_prob,
        bound=judged.value,
        loss_score=None,
        certified_bound=judged.sure,
        largest_gradient=judged.limit,
        proven=judged.proven,
        vacuous=judged.vacuous,
        terms=judged.bound.numbers if judged.bounded else {},
        samples=samples,
        epochs=None if problem.samples is None else samples / problem.samples,
        total_samples=samples * runs,
        total_epochs=None if problem.samples is None else samples * runs / problem.samples,
        seconds=None if rows.seconds is None else float(rows.seconds[index]),
        elasticities=slopes,
        curvature_share=_drawn_share(problem, constants, point),
        binding=binding,
        notes=tuple(notes),
    )


def doubts(problem: Problem, point: Plan, constants: ConstantsName, judged: Judged) -> list[str]:
    """What is to be said of a bound that is not there, is vacuous, or is not proven, in this order."""
    notes = []
    if not covers(problem.kind, constants, problem.optimizer):
        return []  # which is said once, of the whole advice
    theorem = theorem_of(problem.kind, constants, problem.optimizer.name)
    if not judged.bounded and theorem.plain_only and not point.schedule.plain:
        notes.append(wording.PLAIN_ONLY.format(problem.optimizer.title))
    elif not judged.bounded:
        notes.append(_out_of_range(problem, point, constants))
    elif judged.vacuous:
        notes.append(wording.VACUOUS)
    if judged.above:
        notes.append(wording.NOT_PROVEN)
        if judged.certified_vacuous:
            notes.append(wording.NOTHING_PROVEN)
    length = gradient_stepsize(problem, point.keep_prob, constants)
    if length is not None:
        notes.append(wording.at_other_stepsize(length))
    if theorem.proven and (gap := smoothing_gap(problem)):
        notes.append(wording.smoothed(problem, gap))
    return notes


def _out_of_range(problem: Problem, point: Plan, constants: ConstantsName) -> str:
    """That there is no bound at this stepsize, and in which range there is one."""
    largest, layer = stepsize_range(problem, point, constants)
    several = theorem_of(problem.kind, constants).by_layer and point.stepsize.size > 1
    return wording.no_bound(constants, largest, layer=layer + 1 if several else None)


def _drawn_share(problem: Problem, constants: ConstantsName, point: Plan) -> float | None:
    if point.schedule.stopping != "matched":
        return None
    share = point.matched_share(problem, constants)
    return share if math.isfinite(share) else None


def _binding(space: Space, rows: Rows, index: int, slopes: Mapping[str, float]) -> tuple[str, ...]:
    """Dotted keys of the limits that hold one row back."""
    keys = list[str]()
    batch, runs, n = rows.batch[index], rows.runs[index], float(rows.iterations[index])
    if space.goal is None and not space.fixed_iterations:
        if n >= space.iterations[1]:
            keys.append(space.iterations_key)
        keys += [limit.key for limit in space.limits if n >= float(limit.most_iterations(batch, runs))]
    if space.goal is not None and n == space.iterations[0] and n > 1 and not space.fixed_iterations:
        keys.append("search.iterations.min")
    low, high = space.keep_probs[int(rows.keep_range[index])]
    zeta, slope = float(rows.keep_prob[index]), slopes.get("keep_prob", 0.0)
    if low < high:
        if zeta <= low and slope > _BOUNDARY_SLOPE:
            keys.append("search.keep_prob.min")
        if zeta >= high and high < 1 and slope < -_BOUNDARY_SLOPE:
            keys.append("search.keep_prob.max")
    return tuple(keys)


def _at_batch_end(
    best: Recommendation,
    objective: Objective,
    space: Space,
    rows: Rows,
    *,
    problem: Problem,
    constants: ConstantsName,
) -> Recommendation:
    """Rank 1, with a note where other batch sizes than those allowed would be better."""
    end = batch_end(objective, space, rows)
    proven = theorem_of(problem.kind, constants).proven
    if end is None or (proven and space.goal is None and end.cost >= best.largest_gradient):
        return best
    what = "the loss score falls" if about(constants).measured else "the bound falls"
    if space.goal is not None:
        what = "the samples fall" if space.cost is None else "the seconds fall"
    note = wording.at_batch_end(
        largest=end.largest, what=what, cost=end.cost, batch=end.batch_size, allowed=end.allowed
    )
    key = wording.LARGEST_BATCH if end.largest else wording.SMALLEST_BATCH
    return replace(best, binding=(*best.binding, key), notes=(*best.notes, note))


def _why(best: Recommendation) -> tuple[str, ...]:
    by_loss = best.loss_score is not None
    ranking = [wording.RANKED_BY_LOSS] if by_loss else []
    if not math.isfinite(best.bound):
        return tuple(ranking)
    name = wording.GRADIENT_BOUND if by_loss else wording.BOUND
    return (*ranking, wording.dominant_term(best.terms, best.bound, name=name))


def _notes(
    problem: Problem, space: Space, rows: Rows, best: Recommendation, knee: float | None
) -> tuple[str, ...]:
    notes = []
    bound = wording.BOUND if best.loss_score is None else wording.LOSS_SCORE
    cost = rows.cost(space.goal)
    close = sorted({int(batch) for batch in rows.batch[cost <= cost[0] * (1 + NEAR)]})
    if not math.isfinite(cost[0]) and cost.size > 1:
        notes.append(wording.NOTHING_RANKS)
    elif len(close) > 1 and (space.goal is not None or cost[0] <= best.bound or best.loss_score is not None):
        notes.append(wording.near_ties(close, by_cost=space.goal is not None, knee=knee, name=bound))
    if space.goal is None and not space.limits and not space.fixed_iterations:
        notes.append(
            f"{wording.UNLIMITED}, and data.samples is unknown: every row runs the most "
            "iterations allowed, so larger batches win by doing more work."
        )
    if space.goal is not None and rows.runs[0] > 1:
        q = float(space.goal.per_run(rows.runs[0]))
        notes.append(
            f"{'The target asks for' if space.goal.runs is not None else 'Cheapest are'} "
            f"{int(rows.runs[0])} independent runs. "
            f"Each must reach eps * delta^(1/T) = {q:.4g} in the mean. Costs count all runs."
        )
        notes.append(choosing(problem, space.goal, int(rows.runs[0]), float(rows.keep_prob[0])))
    return tuple(notes)
