"""Whose constants an advice is by where nobody named them, and whose plan meets a target."""

from __future__ import annotations

from dataclasses import dataclass, field

from rsgadvise.advise import wording
from rsgadvise.advise.recommend import described, ranked_rows, ranking_objective
from rsgadvise.advise.results import Recommendation
from rsgadvise.advise.solve import Rows
from rsgadvise.advise.space import Space
from rsgadvise.bounds.judge import check_problem
from rsgadvise.bounds.objective import ConstantsName
from rsgadvise.bounds.problem import Problem
from rsgadvise.errors import HypothesisError

__all__ = ["Rankings", "choose_constants", "elsewhere"]


@dataclass(slots=True)
class Rankings:
    """What each set of constants ranks for one problem; each is solved once, when it is first asked for."""

    problem: Problem
    space: Space
    _rows: dict[ConstantsName, Rows | None] = field(default_factory=dict)
    _best: dict[ConstantsName, Recommendation] = field(default_factory=dict)

    def rows(self, constants: ConstantsName) -> Rows | None:
        """Candidates, best first; None where nothing is feasible, or outside the theorem."""
        if constants not in self._rows:
            self._rows[constants] = self._solved(constants)
        return self._rows[constants]

    def _solved(self, constants: ConstantsName) -> Rows | None:
        try:
            check_problem(self.problem, constants)
            objective = ranking_objective(self.problem, self.space, constants)
            rows = ranked_rows(objective, self.space, constants=constants)
        except HypothesisError:
            return None
        return rows if rows.batch.size else None

    def best(self, constants: ConstantsName) -> Recommendation | None:
        """The first of these, with its bounds."""
        rows = self.rows(constants)
        if rows is None:
            return None
        if constants not in self._best:
            (self._best[constants],) = described(self.problem, self.space, rows, constants=constants, top=1)
        return self._best[constants]

    def proven(self, constants: ConstantsName) -> Recommendation | None:
        """The same if its bound is proven, and less than the largest squared gradient possible."""
        best, goal = self.best(constants), self.space.goal
        if best is None or not best.proven or best.vacuous:
            return None
        return None if goal is not None and goal.eps >= best.largest_gradient else best


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
    if known.space.goal is None:
        if known.proven("certified"):
            return "certified", wording.BY_CERTIFIED
        return "paper", wording.BY_PROVEN_PAPER if known.proven("paper") else wording.BY_PAPER
    if known.best("certified") is not None:
        return "certified", wording.PLAN_BY_CERTIFIED
    return "paper", wording.PLAN_BY_PAPER if known.best("paper") is not None else wording.NO_PLAN


def elsewhere(problem: Problem, space: Space, constants: ConstantsName) -> str:
    """Where these constants have no plan: that others have one, or that they have none either."""
    known = Rankings(problem, space)
    sets: tuple[ConstantsName, ...] = ("certified", "paper")
    others = [each for each in sets if each != constants]
    for other in others:
        best = known.best(other)
        if best is not None:
            return wording.other_plan(other, best.runs, best.iterations, best.batch_size, proven=best.proven)
    return wording.no_other_plan(others)
