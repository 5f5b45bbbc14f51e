"""Train what is compared, and say whether the measured gradients differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.ask.compare import Compared, Comparison, Measured, MeasuredVerdict
from rsgadvise.ask.verify.cases import Case, CaseResult, Claim, Verification, build_case
from rsgadvise.ask.verify.from_spec import Values, setting_from_spec
from rsgadvise.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rsgadvise.spec import Spec
    from rsgadvise.training.networks import Data


MOST_STARTS = 8


@dataclass(frozen=True, slots=True)
class Trained:
    """What to train one row of a comparison on.

    Attributes:
        spec: as given.
        data: rows of its data file, or None: generated with its moments.
        measured: statistics of those rows by spec key.
    """

    spec: Spec
    data: Data | None
    measured: Mapping[str, float | int | None] | None


def starts_of(runs: int) -> int:
    """How many W^1 share so many replicas: eight, or fewer that have two replicas each."""
    return max(2, min(MOST_STARTS, runs // 2))


def cases_of(row: Compared, trained: Trained, *, starts: int, seed: int, alpha: float) -> list[Case]:
    """The row's training as one case for each start; there is no bound to decide, only a mean.

    The randomness is named alike for every row, so that the same spec twice gives the same numbers.

    Args:
        row: with a plan.
        trained: the spec behind it, and its rows.
        starts: number of W^1.
        seed: of all randomness.
        alpha: probability of error allowed to its limits, all starts together.

    Raises:
        HypothesisError: it is too large to be trained here, or no data have the spec's moments.
    """
    assert row.stepsize is not None
    assert row.batch_size is not None
    assert row.iterations is not None
    setting, moments = setting_from_spec(
        trained.spec,
        Values(
            stepsize=row.stepsize,
            batch_size=row.batch_size,
            iterations=row.iterations,
            keep_prob=1.0 if row.keep_prob is None else row.keep_prob,
            decay=row.decay or 0.0,
            source="Trained with the values of its row.",
        ),
        name="compare",
        seed=seed,
        data=trained.data,
        measured=trained.measured,
        constants=("certified",),
    )
    only_a_mean = (Claim("certified", None, "", vacuous=False, expected="consistent"),)
    cases: list[Case] = []
    for start in range(starts):
        named = replace(setting, name=f"compare, start {start}")
        case = build_case(named, seed=seed, alpha=alpha / starts, moments=moments)
        if cases and np.array_equal(case.experiment.probabilities, cases[0].experiment.probabilities):
            # One array of N numbers for all starts: it is what is large where N is.
            shared = cases[0].experiment.probabilities
            case = replace(case, experiment=replace(case.experiment, probabilities=shared))
        cases.append(replace(case, claims=only_a_mean))
    return cases


def with_measurements(comparison: Comparison, names: Sequence[str], verification: Verification) -> Comparison:
    """The comparison with what was measured, and a verdict on it.

    Args:
        comparison: as computed.
        names: of the rows that were trained, in the order of the results.
        found: as many results for each, one per start.
    """
    starts = len(verification.cases) // len(names) if names else 0
    measured = {
        name: _measured(verification.cases[index * starts : (index + 1) * starts])
        for index, name in enumerate(names)
    }
    rows = tuple(replace(row, measured=measured.get(row.name)) for row in comparison.specs)
    verdict = _with_loss(_judged(measured, verification.confidence), measured)
    return replace(
        comparison,
        specs=rows,
        verdict=replace(comparison.verdict, measured=verdict),
        notes=(*comparison.notes, *verification.notes),
        interrupted=verification.interrupted,
    )


def _measured(cases: Sequence[CaseResult]) -> Measured:
    """The mean over the starts; its error is that between starts, which includes that of the runs."""
    known = [case for case in cases if case.measured is not None]
    means = np.asarray([case.measured for case in known], np.float64)
    complete = len(known) == len(cases) > 0
    error = float(means.std(ddof=1)) / math.sqrt(means.size) if complete and means.size > 1 else None
    return Measured(
        mean=_average([case.measured for case in cases]),
        lower=_average([case.lower for case in cases]),
        upper=_average([case.upper for case in cases]),
        standard_error=error,
        starts=len(known),
        runs=sum(case.runs for case in cases),
        initial_loss=float(np.mean([case.initial_loss for case in cases])),
        final_loss=_average([case.final_loss for case in cases]),
        notes=tuple(dict.fromkeys(note for case in cases for note in case.notes)),
    )


def _average(values: Sequence[float | None]) -> float | None:
    """The mean; None unless all are known."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None


def _judged(measured: Mapping[str, Measured], confidence: float) -> MeasuredVerdict:
    """Whether the smallest mean lies below every other one."""
    known = {name: each for name, each in measured.items() if each.mean is not None}
    if len(known) < 2:
        return MeasuredVerdict(None, False, False, confidence, "Fewer than two specs were measured.")
    name = min(known, key=lambda each: known[each].mean or 0.0)
    tied = [other for other, each in known.items() if each.mean == known[name].mean]
    if len(tied) > 1:
        least = ", the smallest" if len(tied) < len(known) else ""
        text = f"Measured, {', '.join(tied[:-1])} and {tied[-1]} are the same: {known[name].mean:.4g}{least}."
        return MeasuredVerdict(None, False, False, confidence, text)
    first, others = known[name], [each for other, each in known.items() if other != name]
    if all(_below(first.upper, each.lower) for each in others):
        text = (
            f"Measured, E||grad f(W^R)||^2 is smallest for {name}: the limits of these starts do not overlap."
        )
        return MeasuredVerdict(name, True, False, confidence, text)
    # As many tests as others, each with its share of what the limits left undecided.
    alpha = (1 - confidence) / len(others)
    if all(_welch(first, each) < alpha for each in others):
        text = (
            f"Measured, E||grad f(W^R)||^2 is smallest for {name}, by Welch's test over "
            f"{first.starts} starts W1, which is approximate; the limits that hold in any case overlap."
        )
        return MeasuredVerdict(name, True, True, confidence, text)
    text = f"Measured, {name} has the smallest mean, but the difference is not significant."
    return MeasuredVerdict(name, False, False, confidence, text)


def _with_loss(verdict: MeasuredVerdict, measured: Mapping[str, Measured]) -> MeasuredVerdict:
    """A small gradient alone is no success: say so where another loss is smaller."""
    losses = {name: each.final_loss for name, each in measured.items() if each.final_loss is not None}
    if verdict.smallest not in losses:
        return verdict
    lowest = min(losses, key=lambda name: losses[name])
    if losses[lowest] >= losses[verdict.smallest]:
        return verdict
    text = (
        f"{verdict.text} Its loss is {losses[verdict.smallest]:.4g}, though, and that of {lowest} "
        f"{losses[lowest]:.4g}: a small gradient alone is no success."
    )
    return replace(verdict, text=text)


def _below(upper: float | None, lower: float | None) -> bool:
    return upper is not None and lower is not None and upper < lower


def _welch(first: Measured, other: Measured) -> float:
    """One-sided p-value of Welch's test that the other mean is larger.

    Example:
        >>> def sample(mean: float) -> Measured:
        ...     return Measured(mean, None, None, 0.1, 10, 40, 1.0, 1.0, ())
        >>> round(_welch(sample(1.0), sample(1.3)), 3)
        0.024
    """
    from scipy.special import stdtr

    if None in (first.standard_error, other.standard_error, first.mean, other.mean):
        return 1.0
    a, b = (first.standard_error or 0.0) ** 2, (other.standard_error or 0.0) ** 2
    gap = (other.mean or 0.0) - (first.mean or 0.0)
    if a + b == 0:
        return 0.0 if gap > 0 else 1.0
    freedom = (a + b) ** 2 / (a**2 / (first.starts - 1) + b**2 / (other.starts - 1))
    return float(stdtr(freedom, -gap / math.sqrt(a + b)))
