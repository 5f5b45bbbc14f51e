"""Choosing P_R: what each stopping distribution of a dictionary would have returned, measured along a run.

The paper, on (7): use a dictionary of distributions, and choose the best one by cross-validation, either
by the average of the gradients or by generalization. A run that is looked at in some iterations serves
every distribution at once, since E_R h(W^R) = sum_k p_k h(W^k) needs h along the run alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsgadvise.pilot.checkpoints import Looks
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


@dataclass(frozen=True, slots=True)
class StoppingRow:
    """One distribution of the dictionary.

    Attributes:
        stopping: its name.
        gradient: E ||g(W^R)||^2. loss: E f(W^R). validation: the same on held-out data, or None.
        bound: on `gradient`, or None where there is none.
        of_bound: the measured gradient over its bound, or None; above 1 the bound did not hold in this run.
        vacuous: the bound is no better than the largest squared gradient norm possible.
        admissible: every expectation is a number, and the loss no larger than that of `uniform`.
    """

    stopping: StoppingName
    gradient: float
    loss: float
    validation: float | None
    bound: float | None
    of_bound: float | None
    vacuous: bool | None
    admissible: bool

    @property
    def judged(self) -> float:
        return self.gradient if self.validation is None else self.validation


@dataclass(frozen=True, slots=True)
class StoppingChoice:
    """Which P_R to use.

    Attributes:
        rows: one per distribution, `uniform` first.
        chosen: name of the best admissible one; None where the run left the range of numbers.
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
    distributions = {}
    for name in DICTIONARY:
        if name == "matched" and (decay == 0 or share > 1 or (share == 1 and iterations == 1)):
            continue
        distributions[name] = probabilities(name, iterations=iterations, decay=decay, curvature_share=share)
    return distributions


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

    The best has the lowest validation loss, or without held-out data the lowest squared gradient
    norm. A saturated network has a tiny gradient at a large loss, so a distribution whose
    training loss exceeds that of `uniform` is never chosen.

    Source: the paper's section III, "Choosing P_R".
    Kind: estimates of a single run.

    Args:
        looks: measured along the run.
        decay: rho of the stepsizes.
        curvature_share: U gamma / 2, which `matched` needs.
        bound_at: bound of each distribution.
    """
    criterion: Literal["validation", "gradient"] = "gradient" if looks.validation is None else "validation"
    dictionary = stopping_distributions(iterations=looks.last, decay=decay, curvature_share=curvature_share)
    weights = {name: look_weights(p, looks.iterations) for name, p in dictionary.items()}
    usual = _expected(looks.losses, weights["uniform"])
    rows = []
    for name, own in weights.items():
        gradient, loss = (_expected(curve, own) for curve in (looks.gradients, looks.losses))
        validation = None if looks.validation is None else _expected(looks.validation, own)
        shown = [each for each in (gradient, loss, validation) if each is not None]
        bound = None if bound_at is None else bound_at(name)
        rows.append(
            StoppingRow(
                stopping=name,
                gradient=gradient,
                loss=loss,
                validation=validation,
                bound=None if bound is None else bound[0],
                of_bound=None if bound is None else _share(gradient, bound[0]),
                vacuous=None if bound is None else bound[0] >= bound[1],
                admissible=bool(np.isfinite(shown).all()) and not loss - usual > 0,
            )
        )
    allowed = [row for row in rows if row.admissible]
    best = min(allowed, key=lambda row: row.judged, default=None)
    chosen = None if best is None else best.stopping
    return StoppingChoice(tuple(rows), chosen, criterion, _reason(rows, best, criterion))


def _share(measured: float, bound: float) -> float | None:
    """Of a bound that says something."""
    return measured / bound if math.isfinite(measured) and 0 < bound < math.inf else None


def _expected(curve: FloatArray, weights: FloatArray) -> float:
    """E_R along the run; looks without weight do not count, even where they are not numbers."""
    inside = weights > 0
    with np.errstate(invalid="ignore", over="ignore"):
        return float((curve[inside] * weights[inside]).sum())


def _reason(rows: Sequence[StoppingRow], best: StoppingRow | None, criterion: str) -> str:
    if best is None:
        return "No distribution can be recommended: a measured value of the run is not a number."
    what = "validation loss" if criterion == "validation" else "squared gradient norm"
    text = f"{best.stopping}: the lowest expected {what} of {len(rows)} distributions, {best.judged:.4g}"
    if best.stopping != "uniform":
        text += f", {rows[0].judged - best.judged:.2g} below uniform, from a single run"
    better = [row for row in rows if not row.admissible and row.judged < best.judged]
    if better:
        names = " and ".join(row.stopping for row in better)
        text += f"; {names} would be lower, but at a larger training loss than uniform"
    if best.bound is not None and not math.isfinite(best.bound):
        text += "; no bound holds for it"
    elif best.vacuous:
        text += "; its bound is vacuous"
    return f"{text}."
