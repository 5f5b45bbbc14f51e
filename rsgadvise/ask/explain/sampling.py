"""How far the result moves with the sampling error of the data's statistics."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rsgadvise.advise.results import as_stepsize
from rsgadvise.ask.explain.checks import STATISTICS, provenance
from rsgadvise.ask.explain.results import Sampling, SamplingPoint
from rsgadvise.ask.explain.situation import Situation, bound_at, certified_at, ranking_of
from rsgadvise.errors import HypothesisError, SpecError
from rsgadvise.spec import changed_spec
from rsgadvise.theory.theorems import theorem_of

if TYPE_CHECKING:
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.theory.constants import InputMoments


_ERRORS = (-2.0, -1.0, 1.0, 2.0)
_POPULATION = (
    "It matters where the rows stand for a larger population; for training on these very rows, f is their "
    "mean loss and their statistics are exact."
)


def largest_standard_errors(moments: InputMoments, samples: int) -> dict[str, float]:
    """Largest standard errors that n independent rows in [0, 1]^d with these moments can give.

    A number in [0, b] with mean m has variance at most m (b - m). The mean of a row's entries lies in [0, 1],
    its squared norm over d in [0, 1], its product with the column means in [0, d mu], and its squared product
    with a unit vector in [0, d]. To first order in the errors the plug-in tau_x moves by 2/d times that of
    the product with the column means:

        mean sqrt(mu (1 - mu)/n), mean_square 2 sqrt(tau (mu - tau)/n), second_moment sqrt(m2 (1 - m2)/n),
        top_eigenvalue sqrt(lambda (d - lambda)/n).

    Kind: upper bounds; for mean_square and top_eigenvalue to first order.

    Example:
        >>> from rsgadvise.theory.constants import InputMoments
        >>> ones = InputMoments(dim=4, mean=0.5, mean_square=0.25, second_moment=0.5, top_eigenvalue=1.5)
        >>> largest_standard_errors(ones, 100)["mean"]
        0.05
    """

    def error(mean: float, largest: float) -> float:
        return math.sqrt(max(0.0, mean * (largest - mean)) / samples)

    return {
        "mean": error(moments.mean, 1.0),
        "mean_square": 2 * error(moments.mean_square, moments.mean),
        "second_moment": error(moments.second_moment, 1.0),
        "top_eigenvalue": error(moments.top_eigenvalue, float(moments.dim)),
    }


def sampling_of(situation: Situation, statistics: DataStatistics | None, bound: float) -> Sampling:
    """The bound and the advised stepsize at 1 and 2 standard errors, one by one and at the worst together.

    Args:
        situation: what is explained.
        statistics: of the data file, with their standard errors; or None.
        bound: at the statistics as they are.
    """
    problem = situation.problem
    known = [name for name in STATISTICS if provenance(situation.spec, name, statistics) != "assumed"]
    if statistics is not None:
        measured = {name: getattr(statistics.standard_errors, name) for name in known}
        errors = {name: float(value) for name, value in measured.items() if value is not None}
        source, note = "measured", f"Standard errors measured on {statistics.samples:,} rows. {_POPULATION}"
        if not errors:
            return Sampling("unknown", {}, (), "One row has no standard error.")
    elif not known:
        return Sampling(
            "unknown",
            {},
            (),
            "No statistic is known: worst cases stand for all of them, and have no sampling error.",
        )
    elif problem.samples is None:
        return Sampling(
            "unknown",
            {},
            (),
            "Unknown: neither data.file nor data.samples says on how many rows the statistics rest.",
        )
    elif not problem.unit_inputs:
        return Sampling(
            "unknown",
            {},
            (),
            "Unknown: how much standardised inputs vary is measured on data.file alone.",
        )
    else:
        every = largest_standard_errors(problem.moments, problem.samples)
        errors = {name: every[name] for name in known}
        source = "upper bound"
        note = (
            f"At most: {problem.samples:,} independent rows in [0, 1] cannot have larger standard errors; "
            f"name data.file to have them measured. {_POPULATION}"
        )
    # What enters neither the bound nor what it is compared with need not be moved.
    used = {
        *theorem_of(problem.kind, situation.constants).moments_used(problem),
        *theorem_of(problem.kind, "certified").moments_used(problem),
        "mean_square",
        "mean",
    }
    if not problem.unit_inputs:  # of the rest scaling makes what it is
        used = {"top_eigenvalue"}
    errors = {name: value for name, value in errors.items() if name in used}
    points = tuple(_points(situation, errors, bound))
    return Sampling("measured" if source == "measured" else "upper bound", errors, points, note)


def _points(situation: Situation, errors: Mapping[str, float], bound: float) -> Iterator[SamplingPoint]:
    for name in errors:
        for count in _ERRORS:
            yield _point(situation, errors, {name: count}, bound)
    if len(errors) < 2:
        return
    for size in (1.0, 2.0):
        corners = [
            dict(zip(errors, signs, strict=True))
            for signs in itertools.product((-size, 0.0, size), repeat=len(errors))
        ]
        worst = max(corners, key=lambda moved: _worth(situation, errors, moved))
        yield _point(situation, errors, worst, bound)


def _worth(
    situation: Situation, errors: Mapping[str, float], moved: Mapping[str, float]
) -> tuple[float, float]:
    """Worst is the largest bound, and among equal ones the largest certified bound."""
    found = _changes(situation, errors, moved)[0]
    try:
        spec = changed_spec(situation.fixed, found)
        return bound_at(spec, situation.constants), certified_at(spec, situation.constants)
    except (HypothesisError, SpecError):
        return math.inf, math.inf


def _changes(
    situation: Situation, errors: Mapping[str, float], moved: Mapping[str, float]
) -> tuple[dict[str, float], bool]:
    """The statistics moved, in the order that data have, and whether they had to be drawn back into it."""
    moments = situation.problem.moments
    dim = moments.dim
    values = {
        name: getattr(moments, name) + moved.get(name, 0.0) * errors.get(name, 0.0) for name in STATISTICS
    }
    # Only what is known is set: worst cases follow from the rest.
    given = situation.spec.data
    kept: dict[str, float] = {}
    mean = _within(values["mean"], 0.0, 1.0) if given.mean is not None else None
    low, high = (0.0, 1.0) if mean is None else (mean**2, mean)
    if mean is not None:
        kept["mean"] = mean
    if given.mean_square is not None:
        kept["mean_square"] = low = _within(values["mean_square"], low, high)
    if given.second_moment is not None:
        kept["second_moment"] = high = _within(values["second_moment"], low, high)
    if given.top_eigenvalue is not None:
        kept["top_eigenvalue"] = _within(values["top_eigenvalue"], dim * low, dim * high)
    clipped = any(abs(kept[name] - values[name]) > 1e-12 * abs(values[name]) for name in kept)
    return {f"data.{name}": value for name, value in kept.items()}, clipped


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _point(
    situation: Situation, errors: Mapping[str, float], moved: Mapping[str, float], bound: float
) -> SamplingPoint:
    changes, clipped = _changes(situation, errors, moved)
    here: float | None = None
    sure: float | None = None
    stepsize: Any = None
    advised: float | None = None
    try:
        spec = changed_spec(situation.fixed, changes)
        sure = certified_at(spec, situation.constants)
        here = bound_at(spec, situation.constants)
        again = changed_spec(situation.spec, changes)
        if "stepsize" in situation.open and situation.ranks(again):
            ranking = ranking_of(again, situation.constants)
            if ranking.rows.batch.size:
                stepsize, advised = as_stepsize(ranking.rows.stepsize[0]), float(ranking.rows.value[0])
    except (HypothesisError, SpecError):
        pass
    return SamplingPoint(
        moved={name: count for name, count in moved.items() if count},
        moments={key.removeprefix("data."): value for key, value in changes.items()},
        clipped=clipped,
        bound=here,
        factor=here / bound if here is not None and 0 < bound < math.inf else None,
        certified_bound=sure,
        stepsize=stepsize,
        advised_bound=advised,
    )
