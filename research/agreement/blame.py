"""How well each bound ranks one setting's configurations, and which part of it is to blame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from research.agreement.measuring import Outcome
from research.agreement.predicting import (
    AS_REPORTED,
    BACK,
    COMBINED,
    CONSTANTS,
    IDEAL,
    PUT_BACK,
    predictions,
    vacuity_limit,
)
from research.agreement.statistics import interval, kendall, moves, spearman, untied
from rsgadvise.theory import FLOORLESS, ConstantsName

__all__ = [
    "AIM",
    "Agreement",
    "Dependence",
    "Noise",
    "agreement",
    "compare",
    "costliest",
    "culprit",
    "dependence",
    "noise",
]

AIM = 0.9
"""Rank correlation that is wanted."""

_GAIN = 0.02
"""Least rise of rho that makes a part worth blaming."""

_FEWEST = 12  # configurations behind a correlation
_ORDERED = 0.8  # share of the pairs that must be ordered for a correlation to mean anything

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Noise:
    """How well measurement ranks the configurations itself.

    Attributes:
        halves: rho between the means of two halves of the replicas, each with starts of its own.
        one_run: mean rho between a single replica and the mean of the others.
        first_gradient: rho between ||g(W^1)||^2 and what is measured.
        settled: median of what is measured over ||g(W^1)||^2.
        span: largest measured over smallest.
    """

    halves: float
    one_run: float
    first_gradient: float
    settled: float
    span: float

    @property
    def reachable(self) -> float:
        """rho between the mean of all replicas and the truth: sqrt(2 h/(1 + h)) for halves that agree by h.

        Source: Spearman and Brown, and the attenuation of a correlation by the noise of one side.
        """
        return math.sqrt(2 * self.halves / (1 + self.halves)) if self.halves > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Agreement:
    """One bound beside what was measured.

    Attributes:
        count: configurations that it speaks of.
        rho, low, high, tau: Spearman's with its interval, Kendall's.
        ordered: share of pairs that the bound does not tie.
        vacuous: configurations where it is no better than the largest possible gradient.
        below: configurations where it lies below what was measured.
        looseness: median of the bound over what was measured.
        alike: mean rho among configurations of the same inputs.
        steady: rho among those of constant stepsize.
        variants: rho by variant.
    """

    constants: ConstantsName
    count: int
    rho: float
    low: float
    high: float
    tau: float
    ordered: float
    vacuous: int
    below: int
    looseness: float
    alike: float
    steady: float
    variants: Mapping[str, float]

    @property
    def telling(self) -> bool:
        """Whether rho means anything: enough configurations, and the bound orders most of their pairs."""
        return self.count >= _FEWEST and self.ordered >= _ORDERED

    @property
    def capped(self) -> bool:
        """Whether most of what is ranked is the largest possible gradient and no bound."""
        return self.constants in ("certified", FLOORLESS) and self.vacuous > self.count / 2


@dataclass(frozen=True, slots=True)
class Dependence:
    """One knob varied alone: means over the sweeps.

    Attributes:
        sweeps: how many.
        moved: largest measured over smallest, geometric mean.
        variants, bounds_moved: rho by constants and variant, and largest over smallest bound, over sweeps in
            which the theorem applies to every level.
    """

    knob: str
    sweeps: int
    moved: float
    variants: Mapping[ConstantsName, Mapping[str, float]]
    bounds_moved: Mapping[ConstantsName, float]

    @property
    def rhos(self) -> Mapping[ConstantsName, float]:
        """As reported; NaN where the theorem does not apply, or says the same at every level."""
        return {name: found.get(AS_REPORTED, math.nan) for name, found in self.variants.items()}


def noise(outcomes: Sequence[Outcome]) -> Noise:
    """What chance and the start leave of a ranking."""
    each = np.array([outcome.gradients for outcome in outcomes])
    first = np.array([np.mean(outcome.first_gradients) for outcome in outcomes])
    mean, replicas = each.mean(axis=1), each.shape[1]
    ones = [spearman(each[:, r], (each.sum(axis=1) - each[:, r]) / (replicas - 1)) for r in range(replicas)]
    return Noise(
        halves=spearman(each[:, ::2].mean(axis=1), each[:, 1::2].mean(axis=1)),
        one_run=float(np.mean(ones)),
        first_gradient=spearman(first, mean),
        settled=float(np.median(mean / first)),
        span=moves(mean.tolist()),
    )


def agreement(outcomes: Sequence[Outcome], constants: ConstantsName) -> Agreement | None:
    """A bound beside what was measured; None where its theorem applies nowhere."""
    pairs = [(outcome, predictions(outcome, constants)) for outcome in outcomes]
    known = [(outcome, found) for outcome, found in pairs if found is not None]
    if not known:
        return None
    measured = np.array([outcome.measured for outcome, _ in known])
    limits = np.array([vacuity_limit(outcome) for outcome, _ in known])
    inputs = np.array([outcome.moments.dim for outcome, _ in known])
    decays = np.array([outcome.configuration.decay for outcome, _ in known])
    return compare(
        constants,
        [found for _, found in known],
        measured=measured,
        limits=limits,
        inputs=inputs,
        decays=decays,
    )


def compare(
    constants: ConstantsName,
    found: Sequence[Mapping[str, float]],
    *,
    measured: FloatArray,
    limits: FloatArray,
    inputs: NDArray[np.int64],
    decays: FloatArray,
) -> Agreement:
    """The statistics of `agreement`.

    Args:
        constants: whose bounds.
        measured: E||g(W^R)||^2 of each configuration.
        limits: the largest possible. inputs: number of inputs. decays: rho of the stepsize.
        found: bounds by variant, `AS_REPORTED` among them; others may be no part of the bound of some
            configurations, such as `late_stopping` without decay, which then count as reported.
    """
    values = np.array([each[AS_REPORTED] for each in found])
    low, high = interval(values, measured)
    return Agreement(
        constants=constants,
        count=len(values),
        rho=spearman(values, measured),
        low=low,
        high=high,
        tau=kendall(values, measured),
        ordered=untied(values),
        vacuous=int((values >= limits * (1 - 1e-12)).sum()),
        below=int((values < measured).sum()),
        looseness=float(np.median(values / measured)),
        alike=_mean([spearman(values[inputs == d], measured[inputs == d]) for d in np.unique(inputs)]),
        steady=spearman(values[decays == 0], measured[decays == 0]),
        variants=_by_variant(found, measured),
    )


def culprit(variants: Mapping[str, float]) -> tuple[str, float] | None:
    """The one part whose change raises rho most, and rho then; None where no single one raises it."""
    base = variants[AS_REPORTED]
    single = {name: rho for name, rho in variants.items() if name not in (AS_REPORTED, *COMBINED)}
    single = {name: rho for name, rho in single.items() if not math.isnan(rho)}
    if not single:
        return None
    name = max(single, key=single.__getitem__)
    better = math.isnan(base) or single[name] >= base + _GAIN
    return (name, single[name]) if better else None


def costliest(variants: Mapping[str, float]) -> tuple[str, float] | None:
    """The part that lowers rho most when it is put back into the ideal bound, and rho then.

    Parts hide each other where several are wrong, so that none helps alone; put back, each shows.
    """
    known = {name: variants[name] for name in PUT_BACK if not math.isnan(variants.get(name, math.nan))}
    if not known:
        return None
    name = min(known, key=known.__getitem__)
    return (name.removeprefix(BACK), known[name]) if known[name] <= variants[IDEAL] - _GAIN else None


def dependence(knob: str, swept: Sequence[Sequence[Outcome]]) -> Dependence:
    """One knob over all its sweeps."""
    variants: dict[ConstantsName, dict[str, float]] = {}
    bounds_moved: dict[ConstantsName, float] = {}
    for constants in CONSTANTS:
        each, spans = [], []
        for outcomes in swept:
            found = [
                bounds for outcome in outcomes if (bounds := predictions(outcome, constants)) is not None
            ]
            if len(found) < len(outcomes):
                continue
            spans.append(moves([bounds[AS_REPORTED] for bounds in found]))
            each.append(_by_variant(found, [outcome.measured for outcome in outcomes]))
        # A part that only some sweeps have, such as late stopping, is compared over all of them.
        names = dict.fromkeys(name for rhos in each for name in rhos)
        variants[constants] = {
            name: _mean([rhos.get(name, rhos[AS_REPORTED]) for rhos in each]) for name in names
        }
        bounds_moved[constants] = _geometric(spans)
    return Dependence(
        knob=knob,
        sweeps=len(swept),
        moved=_geometric([moves([outcome.measured for outcome in outcomes]) for outcomes in swept]),
        variants=variants,
        bounds_moved=bounds_moved,
    )


def _by_variant(
    found: Sequence[Mapping[str, float]], measured: Sequence[float] | FloatArray
) -> dict[str, float]:
    """rho by variant; what is no part of a bound counts there as reported."""
    names = dict.fromkeys(name for each in found for name in each)
    return {name: spearman([each.get(name, each[AS_REPORTED]) for each in found], measured) for name in names}


def _mean(values: Sequence[float]) -> float:
    """Of those that are numbers."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _geometric(values: Sequence[float]) -> float:
    return math.exp(_mean([math.log(value) for value in values])) if values else math.nan
