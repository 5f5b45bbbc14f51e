"""Choosing P_R: what each stopping distribution of a dictionary would have returned, measured along runs.

The paper, on (7): use a dictionary of distributions, and choose the best one by cross-validation, either
by the average of the gradients or by generalization. Runs that are looked at in some iterations serve
every distribution at once, since E_R h(W^R) = sum_k p_k h(W^k) needs h along the run alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsgadvise.pilot.looking import Looks
from rsgadvise.records import dataclass
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.certified import largest_gradient
from rsgadvise.theory.judge import Plan, objective_for
from rsgadvise.theory.objective import Schedule
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.stopping import probabilities

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
StoppingName = Literal["uniform", "matched", "increasing", "last"]
BoundAt = Callable[[StoppingName], tuple[float, float]]
"""From a distribution to its bound, inf outside the theorem's range, and the largest squared gradient norm
possible."""

DICTIONARY: tuple[StoppingName, ...] = ("uniform", "matched", "increasing", "last")

_CHANCE = 0.05  # of leaving out a distribution whose expected loss is no larger than uniform's


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over runs and its standard error, None with one run."""

    mean: float
    error: float | None


@dataclass(frozen=True, slots=True)
class StoppingRow:
    """One distribution of the dictionary.

    Attributes:
        stopping: its name.
        gradient: E ||g(W^R)||^2. loss: E f(W^R). validation: the same on held-out data, or None.
        excess: loss above that of `uniform` in the same run.
        gain: what the choice is made by, below that of `uniform` in the same run.
        bound: on `gradient`, or None where there is none.
        of_bound: the measured gradient over its bound, or None; above 1 the bound did not hold in these runs.
        vacuous: the bound is no better than the largest squared gradient norm possible.
        admissible: every estimate is a number, and the excess could be chance.
    """

    stopping: StoppingName
    gradient: Estimate
    loss: Estimate
    validation: Estimate | None
    excess: Estimate
    gain: Estimate
    bound: float | None
    of_bound: float | None
    vacuous: bool | None
    admissible: bool


@dataclass(frozen=True, slots=True)
class StoppingChoice:
    """Which P_R to use.

    Attributes:
        rows: one per distribution, `uniform` first.
        chosen: name of the best admissible one; None where every run left the range of numbers.
        criterion: what it is best by.
        reason: one sentence.
    """

    rows: tuple[StoppingRow, ...]
    chosen: StoppingName | None
    criterion: Literal["validation", "gradient"]
    reason: str


def look_weights(distribution: FloatArray, iterations: IntArray) -> FloatArray:
    """Weights of the looks that give E_R of the curve which is linear between looks and constant beyond.

    Each iteration's p_k is shared by the looks on either side of it, the nearer one taking more.

    Kind: exact where every k with p_k > 0 is a look, or the curve is linear between them.

    Args:
        distribution: P_R, (N,), sums to 1.
        iterations: of the looks, increasing, within 1..N.

    Returns:
        (looks,), sums to 1.

    Example:
        >>> look_weights(np.array([0.5, 0.25, 0.25]), np.array([1, 3])).tolist()
        [0.625, 0.375]
    """
    k = np.arange(1, len(distribution) + 1, dtype=np.float64)
    places = np.interp(k, iterations, np.arange(len(iterations)))
    below = np.minimum(places.astype(np.int64), max(len(iterations) - 2, 0))
    share = places - below
    weights = np.bincount(below, distribution * (1 - share), minlength=len(iterations))
    above = np.minimum(below + 1, len(iterations) - 1)
    return np.asarray(weights + np.bincount(above, distribution * share, minlength=len(iterations)))


def stopping_distributions(
    *, iterations: int, decay: float, curvature_share: float | None
) -> Mapping[StoppingName, FloatArray]:
    """The dictionary for one setting: `matched` only where it is a distribution other than `uniform`.

    Args:
        iterations: N.
        decay: rho.
        curvature_share: U gamma / 2, or None where U is unknown.
    """
    share = curvature_share if curvature_share is not None else np.inf
    found = {}
    for name in DICTIONARY:
        if name == "matched" and (decay == 0 or share > 1 or (share == 1 and iterations == 1)):
            continue
        found[name] = probabilities(name, iterations=iterations, decay=decay, curvature_share=share)
    return found


def stopping_bound(problem: Problem, point: Plan, constants: ConstantsName) -> BoundAt:
    """The bound [T1] of each distribution at one choice of the other hyper-parameters.

    Args:
        problem, constants: what the bound is of.
        point: hyper-parameters; its own stopping distribution is left aside.
    """
    objective = objective_for(problem, constants)
    limit = float(largest_gradient(problem, np.asarray(point.keep_prob)))

    def bound(stopping: StoppingName) -> tuple[float, float]:
        schedule = Schedule(point.schedule.decay, stopping)
        here = Plan(point.stepsize, point.keep_prob, point.batch_size, point.iterations, schedule)
        return float(here.bound(objective).value), limit

    return bound


def choose_stopping(
    looks: Looks,
    *,
    decay: float,
    curvature_share: float | None,
    bound_at: BoundAt | None = None,
) -> StoppingChoice:
    """The distribution that would have returned the best weights, among those that lose nothing.

    The best has the lowest mean validation loss, or without held-out data the lowest mean squared
    gradient norm. A saturated network has a tiny gradient at a large loss, so a distribution whose
    training loss exceeds that of `uniform` by more than chance is never chosen: by a one-sided t-test at
    5 % on the differences within the runs, or with a single run by any excess at all.

    Source: the paper's section III, "Choosing P_R".
    Kind: estimates. Their errors are those of the runs; what the curves do between looks, and which rows
        were held out, is beyond them.

    Args:
        looks: measured along the runs.
        decay: rho of the stepsizes.
        curvature_share: U gamma / 2, which `matched` needs.
        bound_at: bound of each distribution.
    """
    criterion: Literal["validation", "gradient"] = "gradient" if looks.validation is None else "validation"
    judged = looks.gradients if looks.validation is None else looks.validation
    dictionary = stopping_distributions(iterations=looks.last, decay=decay, curvature_share=curvature_share)
    weights = {name: look_weights(p, looks.iterations) for name, p in dictionary.items()}
    usual = weights["uniform"]
    rows = []
    for name, own in weights.items():
        excess = _estimate(_difference(looks.losses, own, usual))
        gradient, loss = (_estimate(_expected(curve, own)) for curve in (looks.gradients, looks.losses))
        validation = None if looks.validation is None else _estimate(_expected(looks.validation, own))
        shown = [estimate.mean for estimate in (gradient, loss, validation) if estimate is not None]
        found = None if bound_at is None else bound_at(name)
        rows.append(
            StoppingRow(
                stopping=name,
                gradient=gradient,
                loss=loss,
                validation=validation,
                excess=excess,
                gain=_estimate(_difference(judged, usual, own)),
                bound=None if found is None else found[0],
                of_bound=None if found is None else _share(gradient.mean, found[0]),
                vacuous=None if found is None else found[0] >= found[1],
                admissible=bool(np.isfinite(shown).all()) and not _beyond_chance(excess, looks.runs),
            )
        )
    allowed = [row for row in rows if row.admissible]
    best = min(allowed, key=lambda row: _judged(row).mean, default=None)
    chosen = None if best is None else best.stopping
    return StoppingChoice(tuple(rows), chosen, criterion, _reason(rows, best, criterion, looks.runs))


def _share(measured: float, bound: float) -> float | None:
    """Of a bound that says something."""
    return measured / bound if math.isfinite(measured) and 0 < bound < math.inf else None


def _expected(curve: FloatArray, weights: FloatArray) -> FloatArray:
    """E_R of each run; looks without weight do not count, even where they are not numbers."""
    inside = weights > 0
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray((curve[:, inside] * weights[inside]).sum(axis=1))


def _difference(curve: FloatArray, weights: FloatArray, less: FloatArray) -> FloatArray:
    """Of two E_R within each run."""
    with np.errstate(invalid="ignore"):
        return _expected(curve, weights) - _expected(curve, less)


def _estimate(values: FloatArray) -> Estimate:
    """Mean over the runs, with its standard error."""
    with np.errstate(invalid="ignore", over="ignore"):
        error = float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else None
        return Estimate(float(values.mean()), error)


def _beyond_chance(found: Estimate, runs: int) -> bool:
    """Whether a mean over the runs is above 0, by a t-test; with one run, whether it is at all."""
    from scipy.special import stdtrit

    if found.error is None:
        return found.mean > 0
    return found.mean > float(stdtrit(runs - 1, 1 - _CHANCE)) * found.error


def _judged(row: StoppingRow) -> Estimate:
    return row.gradient if row.validation is None else row.validation


def _reason(rows: Sequence[StoppingRow], best: StoppingRow | None, criterion: str, runs: int) -> str:
    if best is None:
        return "No distribution can be recommended: a measured value of the runs is not a number."
    what = "validation loss" if criterion == "validation" else "squared gradient norm"
    text = (
        f"{best.stopping}: the lowest expected {what} of {len(rows)} distributions, {_judged(best).mean:.4g}"
    )
    if best.stopping != "uniform":
        error = f" ± {best.gain.error:.2g}" if best.gain.error is not None else ""
        text += f", {best.gain.mean:.2g}{error} below uniform"
        if best.gain.error is None:
            text += ", from a single run"
        elif not _beyond_chance(best.gain, runs):
            text += f", which {runs} runs cannot tell from chance"
    better = [row for row in rows if not row.admissible and _judged(row).mean < _judged(best).mean]
    if better:
        names = " and ".join(row.stopping for row in better)
        text += f"; {names} would be lower, but at a larger training loss than uniform"
    if best.bound is not None and not math.isfinite(best.bound):
        text += "; no bound holds for it"
    elif best.vacuous:
        text += "; its bound is vacuous"
    return f"{text}."
