"""One way to an advice for every caller: whose constants, what is trained for it, and the two answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rsgadvise.advise import wording
from rsgadvise.advise.guarantee import guarantee_for
from rsgadvise.advise.recommend import Rankings, choose_constants, rank
from rsgadvise.advise.results import Infeasible
from rsgadvise.advise.space import search_space
from rsgadvise.errors import HypothesisError, UsageError
from rsgadvise.pilot import Effort
from rsgadvise.records import dataclass
from rsgadvise.spec.problem import resolve
from rsgadvise.theory import BY_THEOREM, about
from rsgadvise.theory.theorems import covers, provable

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice, TrainingPlan
    from rsgadvise.pilot.tournament import Progress
    from rsgadvise.pilot.typical import Typical
    from rsgadvise.spec import Spec
    from rsgadvise.theory.problem import Problem
    from rsgadvise.training.networks import Data


# The end of a training: the stepsize falls to 0, and the last weights are the result.

COOLDOWN = 0.05
"""Share of the iterations, chosen on other tables than docs/advice_benchmark.md reports on; see there."""

COOLDOWN_LONG = 0.5
"""The same for optimisers whose steps stay as long when the gradient gets shorter, and for whole trainings
whose length rows held out choose; see docs/pilot.md."""

_TO_THE_END = ("last", "increasing")

_REHEARSAL = 0.8  # of the work that auto may spend: what whole trainings may take on top of it


def cooldown_for(spec: Spec) -> float:
    """The share of a training over which its stepsize falls; 0 where the spec fixes what it does."""
    given = spec.training
    fixed = (given.stepsize, given.decay, given.stopping) != (None, None, None) or any(spec.search.decay)
    return 0.0 if fixed else COOLDOWN_LONG if given.chosen_optimizer.scale_free else COOLDOWN


def with_cooldown(plan: TrainingPlan, spec: Spec) -> TrainingPlan:
    """The plan with a stepsize that falls linearly to 0 at its end, and the last weights as its result.

    A constant stepsize leaves the noise of its mini-batches in the last weights; shorter ones at the end
    take it out, at the cost of half their iterations' progress. It is for what was raced or is typical: a
    theorem's own plan stays as its bound has it, and so does what the spec fixes. Where a race found earlier
    weights better than late ones it is left alone too, and where whole trainings ended so already.

    Args:
        plan: to train with.
        spec: whose `stepsize`, `decay` (also one to search) and `stopping` stay where they are given.
    """
    share = cooldown_for(spec)
    late = plan.source == "typical" or (plan.source == "raced" and plan.stopping in _TO_THE_END)
    if not late or plan.decay or not share:
        return plan
    return replace(plan, stopping="end", schedule="linear", cooldown=share)


def advise(
    spec: Spec,
    rows: Data | None,
    effort: Effort,
    *,
    top: int = 5,
    measured: Mapping[str, float | int | None] | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> Advice:
    """The advice for a spec, and for its rows where there are any.

    Args:
        spec: a valid spec.
        rows: in [0, 1], to measure and to race on; None without data.
        effort: whose constants, and what may be spent.
        top: ranks to return.
        measured: statistics of the rows by spec key.
        threads: for large networks; changes no number.
        progress: told how far it is.

    Raises:
        UsageError: data are needed, and there are none.
        HypothesisError: the spec has no answer.
    """
    if rows is None and effort.needs_data:
        raise UsageError("calibrated constants and pilots need data; got none; pass data=(x, y)")
    problem = resolve(spec, measured)
    theorem, optimizer = Rankings(problem, search_space(spec, problem)), problem.optimizer
    about_it = provable(problem.kind, optimizer)
    _check_box(problem, effort)
    if effort.constants in BY_THEOREM and not covers(problem.kind, effort.constants, optimizer):
        others = "certified, typical" if about_it else "typical"
        raise UsageError(
            f"--constants must be auto, {others} or calibrated for training.optimizer {optimizer.name}: "
            f"{'the paper is' if about_it else 'the theorems are'} about SGD; got {effort.constants}; leave "
            "--constants out"
        )
    if rows is None or not effort.trains:
        unseen = _Unseen(spec, theorem, effort, top, measured)
        by_theorem = optimizer.plain or (about_it and not effort.automatic)
        advice = unseen.by_theorem() if by_theorem else unseen.of_another_optimizer()
    else:
        advice = _measured(spec, rows, effort, top=top, measured=measured, threads=threads, progress=progress)
        # A race leaves the target aside; that any training meets a large one needs no plan.
        if spec.target is not None and problem.obstacle is None and theorem.best("certified") is None:
            note = wording.no_proven_plan(spec.target.eps, spec.target.delta)
            advice = replace(advice, notes=(note, *advice.notes))
    if advice.train is not None:
        plan = replace(advice.train, optimizer=optimizer.name, optimizer_settings=optimizer.settings)
        if rows is not None and (rows.targets == rows.targets[0]).all():
            plan = replace(plan, learns=False, reason=wording.SAME_TARGETS)
        advice = replace(advice, train=with_cooldown(plan, spec))
    if not about_it:
        return advice
    if problem.obstacle is not None:
        note = f"No guarantee: {wording.unprovable(problem.obstacle)}."
        return replace(advice, notes=(note, *advice.notes))
    # It is of the theorem alone, whatever was measured in short runs.
    guarantee = guarantee_for(theorem, None if advice.train is None else advice.train.constant_loss)
    none = wording.NO_BOUND_FOR.format(optimizer.title)
    instead = (wording.BOUND_BY_CERTIFIED,) if guarantee is None and none in advice.notes else ()
    notes = (*instead, *(note for note in advice.notes if note != none))
    return replace(advice, guarantee=guarantee, notes=notes)


def _check_box(problem: Problem, effort: Effort) -> None:
    """Refuse bounded singular values where short runs are made: these are asked for, or all that is left.

    Raises:
        HypothesisError: they are.
    """
    measured = effort.automatic or about(effort.constants).measured or bool(effort.pilot)
    proven = problem.obstacle is None and provable(problem.kind, problem.optimizer)
    if not problem.spectral or (proven and not measured):
        return
    fix = "write weight_bound in its place"
    if proven:
        fix = f"use --constants certified, without a pilot, or {fix}"
    elif not measured:
        fix += f", without --constants {effort.constants}"
    raise HypothesisError(
        "must be absent where short runs are made, which keep weights in a box; got "
        f"{max(problem.weight_bounds):g}; {fix}",
        quantity=problem.limit_key,
    )


@dataclass(frozen=True, slots=True)
class _Unseen:
    """A spec without rows, or whose rows are not trained on.

    Attributes:
        spec: the question. theorem: its ranks.
        effort, top, measured: as for `advise`.
    """

    spec: Spec
    theorem: Rankings
    effort: Effort
    top: int
    measured: Mapping[str, float | int | None] | None

    def by_theorem(self) -> Advice:
        """Ranks of a theorem, with what is typical to train with where nobody names constants."""
        problem, space, effort = self.theorem.problem, self.theorem.space, self.effort
        if effort.automatic and problem.obstacle is not None:
            return self._unprovable()
        if not effort.automatic:
            if about(effort.constants).on_twins:
                return self._typical().alone()
            return rank(problem, space, constants=effort.constants, top=self.top, known=self.theorem)
        constants, why = choose_constants(self.theorem)
        ranks = rank(problem, space, constants=constants, top=self.top, known=self.theorem)
        advice = replace(ranks, chosen=why)
        try:
            tried = replace(self, top=1)._typical()
        except HypothesisError as error:  # such as a network too large to be tried
            return replace(advice, notes=(f"No typical stepsize: the spec {error}.", *advice.notes))
        if tried.train is None:
            return advice
        return replace(advice, train=tried.train, cost=tried.cost, notes=(*tried.notes, *advice.notes))

    def of_another_optimizer(self) -> Advice:
        """What is typical, of an optimiser that no theorem is about."""
        problem = self.theorem.problem
        try:
            return self._typical().alone() if problem.obstacle is None else self._unprovable()
        except HypothesisError as error:
            said = str(error).partition("; use ")[0]
            fix = f"name a data file, since no theorem is about {problem.optimizer.title}"
            raise HypothesisError(f"{said}; {fix}", quantity=error.quantity) from None

    def _unprovable(self) -> Advice:
        """What is typical, of a network that no theorem is about: to a target that would be no plan."""
        problem, space = self.theorem.problem, self.theorem.space
        freed = Rankings(problem, replace(space, goal=None))
        advice = replace(self, theorem=freed)._typical().alone()
        if space.goal is None or problem.obstacle is None:
            return advice
        none = Infeasible(reason=wording.unprovable(problem.obstacle), min_batch_size=None)
        return replace(advice, recommendations=(), infeasible=none)

    def _typical(self) -> Typical:
        from rsgadvise.pilot.typical import typical

        problem, space = self.theorem.problem, self.theorem.space
        seed, measured = self.effort.seed, self.measured
        return typical(self.spec, problem, space, seed=seed, top=self.top, measured=measured)


def _measured(
    spec: Spec,
    rows: Data,
    effort: Effort,
    *,
    top: int,
    measured: Mapping[str, float | int | None] | None,
    threads: int,
    progress: Progress | None,
) -> Advice:
    """Calibrated on the rows, and raced on them."""
    from rsgadvise.pilot.advice import advise_with_data
    from rsgadvise.pilot.task import Spending

    spending = Spending(effort.pilot) if effort.pilot else None
    if effort.automatic and effort.pilot is None:
        # A race looks for the smallest loss within a budget.
        spec = spec.model_copy(update={"target": None})
        spending = Spending(
            1.0,
            effort.allowed,
            _REHEARSAL * effort.allowed,
            effort.single,
            COOLDOWN_LONG if cooldown_for(spec) and not effort.single else 0.0,
        )
    return advise_with_data(
        spec,
        rows,
        constants="calibrated" if effort.automatic else effort.constants,
        spending=spending,
        seed=effort.seed,
        top=top,
        measured=measured,
        threads=threads,
        progress=progress,
    )
