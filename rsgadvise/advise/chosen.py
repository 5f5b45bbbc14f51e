"""Whose constants an advice is by where nobody named them, and whose plan meets a target."""

from __future__ import annotations

from dataclasses import dataclass, field

from rsgadvise.advise import wording
from rsgadvise.advise.recommend import described, ranked_rows, ranking_objective
from rsgadvise.advise.results import Recommendation
from rsgadvise.advise.solve import Rows
from rsgadvise.advise.space import Space
from rsgadvise.errors import HypothesisError
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.judge import check_problem
from rsgadvise.theory.problem import Problem


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


def elsewhere(known: Rankings, constants: ConstantsName) -> str:
    """Where these constants have no plan: that others have one, or that they have none either."""
    sets: tuple[ConstantsName, ...] = ("certified", "paper")
    others = [each for each in sets if each != constants]
    for other in others:
        best = known.best(other)
        if best is not None:
            return wording.other_plan(other, best.runs, best.iterations, best.batch_size, proven=best.proven)
    return wording.no_other_plan(others)
