"""The spec that is explained, with every training value fixed, and how it is asked again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from rsgadvise.advise.evaluate import fixed_plan
from rsgadvise.advise.recommend import ranked_rows, ranking_objective, recommend, row_plan
from rsgadvise.advise.solve import Rows
from rsgadvise.advise.space import Space, search_space
from rsgadvise.ask.explain.results import TrainingValue
from rsgadvise.errors import InfeasibleError
from rsgadvise.records import dataclass
from rsgadvise.spec import changed_spec, with_statistics
from rsgadvise.spec.problem import resolve, stopping_of
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.judge import Plan, attempted, check_problem, judge, objective_for
from rsgadvise.theory.problem import Assumption, Problem
from rsgadvise.theory.theorems import theorem_for, theorem_of

if TYPE_CHECKING:
    from rsgadvise.spec import Spec


CHOSEN = ("stepsize", "batch_size", "iterations", "keep_prob", "decay")
"""What training needs and a spec may leave open."""


TAKES_LONG = "the best decaying stepsizes have no closed form, and take seconds to find; see --thorough"


@dataclass(frozen=True, slots=True)
class Situation:
    """One spec under explanation.

    Attributes:
        spec: as given, with the statistics of its data file where it has one.
        fixed: the same with every training value fixed.
        constants: whose bound.
        training: those values and their sources.
        notes: what had to be decided on the way.
        assumed: values that nobody gave.
        thorough: whether to rank again also where one ranking takes seconds.
    """

    spec: Spec
    fixed: Spec
    constants: ConstantsName
    training: Mapping[str, TrainingValue]
    notes: tuple[str, ...]
    assumed: tuple[Assumption, ...]
    thorough: bool = False

    @property
    def problem(self) -> Problem:
        return resolve(self.fixed)

    @property
    def point(self) -> Plan:
        return fixed_plan(self.fixed, self.problem)

    @property
    def open(self) -> tuple[str, ...]:
        """What was advised."""
        return tuple(key for key, value in self.training.items() if value.source == "advised")

    def ranks(self, spec: Spec) -> bool:
        """Whether to rank a changed spec: some rankings have no closed form, and take seconds each."""
        return self.thorough or not _takes_long(spec, self.constants)


def _takes_long(spec: Spec, constants: ConstantsName) -> bool:
    """Whether the best stepsizes have to be searched: where they decay, but for `matched`."""
    decay = spec.training.decay
    if not any(spec.search.decay if decay is None else (decay,)):
        return False
    return stopping_of(spec) != "matched" or theorem_of(spec.network.kind, constants).by_layer


def situation_of(
    spec: Spec,
    measured: Mapping[str, float | int | None] | None,
    constants: ConstantsName,
    *,
    thorough: bool = False,
) -> Situation:
    """Fix what the spec leaves open as `recommend` would, rank 1.

    Raises:
        InfeasibleError: something is open, and nothing can be recommended.
        HypothesisError: the network or its data lead to no useful constants.
    """
    spec = with_statistics(spec, measured or {})
    training = spec.training
    given: dict[str, Any] = {key: getattr(training, key) for key in CHOSEN}
    if given["iterations"] is None and isinstance(training.stopping, tuple):
        given["iterations"] = len(training.stopping)
    notes: list[str] = []
    advice = recommend(spec, constants=constants, top=1)
    if advice.recommendations:
        best = advice.recommendations[0]
        advised: dict[str, Any] = {key: getattr(best, key) for key in CHOSEN}
    elif None not in (given["stepsize"], given["batch_size"], given["iterations"]):
        # All that a bound needs is there: it has a value, whatever target or budget it misses.
        advised = {"keep_prob": 1.0, "decay": 0.0}
        notes.append(f"These values are no advice: {advice.infeasible.reason if advice.infeasible else ''}.")
    else:
        reason = advice.infeasible.reason if advice.infeasible else "nothing is feasible"
        raise InfeasibleError(f"nothing to explain: {reason}")
    values = {key: advised[key] if given[key] is None else given[key] for key in CHOSEN}
    fixed = spec_at(spec, values)
    sources: dict[str, TrainingValue] = {}
    for key, value in values.items():
        source: Literal["given", "advised", "default"] = "advised" if advice.recommendations else "default"
        if given[key] is not None:
            source = "given"
        elif _only_one(spec, key):
            source = "default"
        sources[key] = TrainingValue(value, source)
    named = training.stopping is not None
    sources["stopping"] = TrainingValue(_stopping_words(spec), "given" if named else "default")
    return Situation(spec, fixed, constants, sources, tuple(notes), advice.assumed, thorough)


def spec_at(spec: Spec, values: Mapping[str, Any]) -> Spec:
    """The spec with its training values fixed."""
    return changed_spec(spec, {f"training.{key}": value for key, value in values.items()})


def _only_one(spec: Spec, key: str) -> bool:
    """Whether there was nothing to choose, and nobody said so."""
    if key == "keep_prob":
        return not spec.network.masked
    return key == "decay" and "decay" not in spec.search.model_fields_set


def _stopping_words(spec: Spec) -> str:
    stopping = stopping_of(spec)
    return f"a list of {len(stopping)} probabilities" if isinstance(stopping, tuple) else str(stopping)


def bound_at(spec: Spec, constants: ConstantsName) -> float:
    """The bound at the spec's fixed values, as `bound` gives it.

    Raises:
        HypothesisError: outside the theorem's range, in its words.
    """
    problem = resolve(spec)
    check_problem(problem, constants)
    theorem = theorem_for(problem, constants)
    objective = objective_for(problem, constants) if theorem.proven else theorem.objective
    return float(fixed_plan(spec, problem).bound(objective).value)


def certified_at(spec: Spec, drawn_by: ConstantsName) -> float:
    """The certified bound at the spec's fixed values, at the P_R of the bound beside it."""
    problem = resolve(spec)
    return judge(problem, fixed_plan(spec, problem), drawn_by).sure


@dataclass(frozen=True, slots=True)
class Ranking:
    """What `recommend` ranks for one spec.

    Attributes:
        space, rows: what is asked for, and every candidate, best first.
        missing: why nothing is ranked; empty where something is.
    """

    space: Space
    rows: Rows
    missing: str = ""

    @property
    def cost(self) -> float | None:
        """What the first row is ranked by; None where nothing is."""
        return None if self.missing else float(self.rows.cost(self.space.goal)[0])

    @property
    def measure(self) -> Literal["bound", "samples", "seconds"]:
        if self.space.goal is None:
            return "bound"
        return "samples" if self.rows.seconds is None else "seconds"

    def choice(self, index: int) -> tuple[int, float, int]:
        """(B, rho, which keep-probability range): the discrete part of one row."""
        rows = self.rows
        schedule = self.space.schedules[int(rows.schedule[index])]
        return int(rows.batch[index]), schedule.decay, int(rows.keep_range[index])

    def words(self, choice: tuple[int, float, int]) -> str:
        """That part in words; what every row shares is left out."""
        batch, decay, keep_range = choice
        parts = [f"batch_size {batch:,}"]
        if len(self.space.schedules) > 1:
            parts.append(f"decay {decay:g}")
        if len(self.space.keep_probs) > 1:
            parts.append(f"keep_prob {self.space.keep_probs[keep_range][0]:g}")
        return ", ".join(parts)


def ranking_of(spec: Spec, constants: ConstantsName) -> Ranking:
    """The candidates of a spec, best first.

    Raises:
        HypothesisError: the network or its data lead to no useful constants.
    """
    problem = resolve(spec)
    check_problem(problem, constants)
    space = search_space(spec, problem)
    rows = ranked_rows(ranking_objective(problem, space, constants), space, constants=constants)
    if rows.batch.size == 0:
        return Ranking(space, rows, "no plan is feasible")
    if math.isfinite(rows.cost(space.goal)[0]):
        return Ranking(space, rows)
    return Ranking(space, rows, attempted(problem, row_plan(rows, 0, space), constants)[1].partition(";")[0])
