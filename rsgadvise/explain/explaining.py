"""`explain`: why the bound of a spec is what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rsgadvise.advise.evaluate import evaluate
from rsgadvise.bounds.objective import ConstantsName
from rsgadvise.explain.flips import flips_of
from rsgadvise.explain.hypotheses import beside_the_certified, hypotheses_of
from rsgadvise.explain.knobs import knobs_of
from rsgadvise.explain.results import Explanation
from rsgadvise.explain.sampling import sampling_of
from rsgadvise.explain.situation import ranking_of, situation_of
from rsgadvise.explain.terms import explained_terms

if TYPE_CHECKING:
    from rsgadvise.datastats import DataStatistics
    from rsgadvise.spec import Spec

__all__ = ["explain"]


def explain(
    spec: Spec,
    *,
    constants: ConstantsName = "paper",
    measured: Mapping[str, float | int | None] | None = None,
    statistics: DataStatistics | None = None,
    thorough: bool = False,
) -> Explanation:
    """The bound term by term at the spec's training values, and what would change it.

    Values that the spec leaves open are those of rank 1 of `recommend`.

    Args:
        spec: a valid spec.
        constants: the paper's, or certified ones.
        measured: statistics of the data file by spec key, which replace those in the spec.
        statistics: the same with standard errors and scaling.
        thorough: rank again also where one ranking takes seconds, for flips and advice with changed values.

    Raises:
        InfeasibleError: something is open, and nothing can be recommended.
        HypothesisError: the network or its data lead to no useful constants.
    """
    situation = situation_of(spec, measured, constants, thorough=thorough)
    report = evaluate(situation.fixed, constants=constants)
    hypotheses = tuple(
        beside_the_certified(each, proven=report.proven) if constants == "paper" else each
        for each in hypotheses_of(
            spec, situation.problem, situation.point, constants=constants, statistics=statistics
        )
    )
    flips, about_flips = flips_of(situation)
    measure = ranking_of(situation.spec, constants).measure if situation.open else "bound"
    return Explanation(
        kind=report.kind,
        layers=report.layers,
        constants=constants,
        equation=report.equation,
        bound=report.bound,
        certified_bound=report.certified_bound,
        largest_gradient=report.largest_gradient,
        proven=report.proven,
        vacuous=report.vacuous,
        training=situation.training,
        terms=explained_terms(
            report.terms,
            kind=report.kind,
            constants=constants,
            plain=situation.point.schedule.plain,
            equation=report.equation,
            hypotheses={each.id for each in hypotheses},
        ),
        assumptions=hypotheses,
        knobs=knobs_of(situation, report.bound),
        ranked_by=measure,
        flips=flips,
        sampling=sampling_of(situation, statistics, report.bound),
        notes=(*situation.notes, *report.notes, *([about_flips] if about_flips else [])),
        assumed=situation.assumed,
    )
