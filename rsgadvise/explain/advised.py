"""What `explain` says of the assumptions and the data, for an advice that is there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rsgadvise.advise.evaluate import fixed_point
from rsgadvise.bounds.problem import resolve
from rsgadvise.explain.data_checks import STATISTICS, SYMBOLS
from rsgadvise.explain.hypotheses import beside_the_certified, hypotheses_of
from rsgadvise.explain.results import Hypothesis
from rsgadvise.explain.situation import CHOSEN, spec_at
from rsgadvise.spec import with_statistics

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice
    from rsgadvise.bounds.problem import Problem
    from rsgadvise.datastats import DataStatistics
    from rsgadvise.spec import Spec

__all__ = ["InputStatistic", "assumptions_of", "input_statistics"]

Source = Literal["measured", "given", "assumed", "unknown"]


@dataclass(frozen=True, slots=True)
class InputStatistic:
    """One statistic of the inputs as the bounds take it.

    Attributes:
        key: of the spec's data section. symbol: as in the explanations.
        value: what is taken; None where nothing needs it.
        source: measured on the data file, given in the spec, assumed since neither has it, or unknown.
        reason: why an assumed value is safe.
    """

    key: str
    symbol: str
    value: float | int | None
    source: Source
    reason: str = ""


def assumptions_of(
    spec: Spec,
    advice: Advice,
    *,
    measured: Mapping[str, float | int | None] | None = None,
    statistics: DataStatistics | None = None,
) -> tuple[Hypothesis, ...]:
    """The assumptions that `explain` lists for a spec, at the first rank of its advice.

    Args:
        spec: as given.
        advice: what `recommend` found for it; without a rank, only what is assumed whatever the plan.
        measured: statistics of the data file by spec key.
        statistics: the same with scaling and targets.
    """
    known = with_statistics(spec, measured or {})
    if not advice.recommendations:
        problem = resolve(known)
        return hypotheses_of(spec, problem, None, constants=advice.constants, statistics=statistics)
    best = advice.recommendations[0]
    values = {key: getattr(best, key) for key in CHOSEN}
    if spec.training.stopping is None:
        values["stopping"] = best.stopping
    fixed = spec_at(known, values)
    problem = resolve(fixed)
    loss = next((each.value for each in advice.measured if each.name == "initial_loss"), problem.initial_loss)
    problem = replace(problem, initial_loss=loss)
    found = hypotheses_of(
        spec,
        problem,
        fixed_point(fixed, problem),
        constants=advice.constants,
        statistics=statistics,
        measured=advice.measured,
    )
    if advice.constants != "paper":
        return found
    return tuple(beside_the_certified(each, proven=best.proven) for each in found)


def input_statistics(
    spec: Spec, problem: Problem, statistics: DataStatistics | None
) -> tuple[InputStatistic, ...]:
    """mu_x, tau_x, E||x||^2 / d_x, lambda_max and S, with where each comes from.

    Args:
        spec: as given. problem: the same as numbers, with what was measured.
        statistics: of the data file, if the spec names one.
    """
    assumed = {item.key: item.why for item in problem.assumed}
    values: dict[str, float | int | None] = {name: getattr(problem.moments, name) for name in STATISTICS}
    values["samples"] = problem.samples
    found = []
    for name, value in values.items():
        source: Source = "unknown" if value is None else "given"
        if statistics is not None and getattr(statistics, name) is not None:
            source = "measured"
        elif f"data.{name}" in assumed:
            source = "assumed"
        found.append(
            InputStatistic(name, SYMBOLS.get(name, "S"), value, source, assumed.get(f"data.{name}", ""))
        )
    return tuple(found)
