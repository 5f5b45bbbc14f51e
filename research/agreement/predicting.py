"""The bound of a configuration as reported, and with one of its parts left out or measured instead."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from research.agreement.measuring import Outcome, with_calibration
from rsgadvise.errors import HypothesisError
from rsgadvise.theory import FLOORLESS, ConstantsName
from rsgadvise.theory.certified import largest_gradient
from rsgadvise.theory.descent import Bound, FloatArray, Geometry
from rsgadvise.theory.judge import Plan
from rsgadvise.theory.objective import CertifiedMultilayer, DescentObjective, Objective, Schedule
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.stopping import harmonic_number
from rsgadvise.theory.theorems import refusal, theorem_for
from rsgadvise.theory.theorems.multilayer import PaperMultilayer

__all__ = [
    "AS_REPORTED",
    "BACK",
    "COMBINED",
    "CONSTANTS",
    "GRADIENT_ALONE",
    "IDEAL",
    "PUT_BACK",
    "predictions",
    "vacuity_limit",
]

CONSTANTS: tuple[ConstantsName, ...] = ("paper", "certified", FLOORLESS, "calibrated")
"""The last but one bounds the gradient at a stepsize of its own, but is held to the same one here."""

AS_REPORTED = "as reported"
ALL_MEASURED = "decrease, sigma^2 and U measured"
ALL_FREE = "the same, noise as without a box"
IDEAL = "ideal: the same, R matched"
BACK = "ideal, but "
"""Begins the names of the ideal with one part put back as the bound has it."""

REACH = "f falls no faster than at W1"
REACH_MATCHED = "that, R matched, noise as without a box"
GRADIENT_ALONE = "no bound: squared gradient at W1"
PUT_BACK = tuple(
    f"{BACK}{part}"
    for part in ("D_f assumed", "sigma^2 assumed", "U assumed", "noise as in a box", "R uniform")
)
COMBINED = (ALL_MEASURED, ALL_FREE, IDEAL, *PUT_BACK, REACH, REACH_MATCHED, GRADIENT_ALONE)
"""Variants that change more than one part, or put something new in: they are no part to blame."""

_NO_DROPOUT = "keep prob 1 in the bound"
_MATCHED = "R matched"
_INSIDE = 0.99  # of 2/U, where a measured U would leave no room for the stepsize
_SLIGHT = (
    0.01  # of f(W^1): a decrease so small is the squared gradient times the way, within one per cent or so
)
_LEAST = 1e-12  # decrease of a loss that rose


def point_of(outcome: Outcome) -> Plan:
    """The configuration as the bounds take it."""
    configuration = outcome.configuration
    matrices = outcome.problem().stepsizes
    several = configuration.family == "multilayer"
    return Plan(
        stepsize=np.full(matrices, outcome.stepsize) if several else np.asarray(outcome.stepsize),
        keep_prob=configuration.keep_prob,
        batch_size=float(configuration.batch_size),
        iterations=float(configuration.iterations),
        schedule=Schedule(configuration.decay, "uniform"),
    )


def vacuity_limit(outcome: Outcome) -> float:
    """The largest squared gradient that this network can have."""
    return float(largest_gradient(outcome.problem(), np.asarray(outcome.configuration.keep_prob)))


def predictions(outcome: Outcome, constants: ConstantsName) -> dict[str, float] | None:
    """Value of the bound by variant, the first `AS_REPORTED`; None where its theorem does not apply.

    Certified bounds are the largest gradient outside their range, calibrated ones inf.
    """
    problem, point = outcome.problem(), point_of(outcome)
    if constants == "calibrated":
        problem = with_calibration(problem, outcome)
    if refusal(problem, constants):
        return None
    objective = _objective(problem, constants)
    proven = theorem_for(problem, constants).proven
    plain = _bound(objective, point)
    if plain is None and constants == "paper":
        return None
    value = math.inf if plain is None else float(plain.value)
    found = {AS_REPORTED: min(value, vacuity_limit(outcome)) if proven else value}
    if proven and plain is not None:
        found["not capped"] = value
    if constants == FLOORLESS:
        return found  # its D_f, U and sigma^2 are those of an envelope, which nobody measures
    if isinstance(objective, CertifiedMultilayer):
        objective = objective.total  # the same where all layers share one stepsize
        point = replace(point, stepsize=np.asarray(outcome.stepsize))
    for name, (other, where) in _variants(objective, outcome, point).items():
        changed = _bound(other, where)
        if changed is not None:
            found[name] = float(changed.value)
    found[GRADIENT_ALONE] = _first_gradient(outcome)
    if plain is None:
        return found
    if len(plain.terms) > 1:
        found |= {f"without {n.replace('_', ' ')}": value - float(t) for n, t in plain.terms.items()}
    found["without 1/(1 - U gamma/2)"] = value * _descent_share(objective, point)
    return found


def _objective(problem: Problem, constants: ConstantsName) -> Objective:
    """Without the cap of certified bounds, which would hide their terms."""
    return theorem_for(problem, constants).objective


def _bound(objective: Objective, point: Plan) -> Bound | None:
    """None outside the theorem's range, or where it is no number."""
    try:
        with np.errstate(all="ignore"):
            found = point.bound(objective)
    except HypothesisError:
        return None
    return found if np.isfinite(found.value) else None


Changed = Mapping[str, tuple[Objective, Plan]]


def _variants(objective: Objective, outcome: Outcome, point: Plan) -> Changed:
    """One part changed at a time, then all of them."""
    matched = replace(point, schedule=Schedule(point.schedule.decay, "matched"))
    single = replace(point, stepsize=np.asarray(outcome.stepsize))
    single_matched = replace(matched, stepsize=np.asarray(outcome.stepsize))
    if isinstance(objective, PaperMultilayer):
        parts = _several_layers(objective, outcome)
        reach: Objective = _falling(objective, _reach(outcome, objective.initial_loss))
        free_reach = reach
    else:
        assert isinstance(objective, DescentObjective)
        parts = _descent(objective, outcome)
        held_back = _falling(objective, _reach(outcome, objective.initial_loss))
        reach, free_reach = held_back, replace(held_back, geometry=Geometry.FREE)
    changed: dict[str, tuple[Objective, Plan]] = {name: (other, point) for name, other in parts.items()}
    changed[_MATCHED] = (objective, matched)
    if isinstance(objective, PaperMultilayer):
        changed[_NO_DROPOUT] = (objective, replace(point, keep_prob=1.0))
    assumed = _assumed(objective, point)
    whole = replace(
        assumed,
        smoothness=_constant(_inside(outcome.smoothness, outcome.stepsize)),
        variance=_constant(sum(outcome.variances)),
        initial_loss=_decrease(outcome),
        ceiling=_decrease(outcome),
    )
    free = replace(whole, geometry=Geometry.FREE)
    changed[ALL_MEASURED] = (whole, single)
    changed[ALL_FREE] = (free, single)
    changed[IDEAL] = (free, single_matched)
    curve = float(assumed.smoothness(np.asarray(point.keep_prob)))
    back = (
        replace(free, initial_loss=assumed.initial_loss),
        replace(free, variance=assumed.variance),
        replace(free, smoothness=_constant(_inside(curve, outcome.stepsize))),
        whole,
    )
    changed |= {name: (other, single_matched) for name, other in zip(PUT_BACK[:-1], back, strict=True)}
    changed[PUT_BACK[-1]] = (free, single)
    changed[REACH] = (reach, point)
    changed[REACH_MATCHED] = (free_reach, matched)
    return changed


def _assumed(objective: DescentObjective | PaperMultilayer, point: Plan) -> DescentObjective:
    """A bound as a descent argument; (12) and (13) as the one with the same D_f, noise and curvature."""
    if isinstance(objective, DescentObjective):
        return objective
    net = objective.net
    noise = float(net.lower_noise + net.top_noise) + float(net.output_noise) / net.output_curvature
    return DescentObjective(
        smoothness=_constant(2 * max(map(float, net.curvatures))),
        variance=_constant(noise),
        geometry=Geometry.PROJECTED_AS_PRINTED,
        initial_loss=objective.initial_loss / point.keep_prob**2,
        ceiling=objective.ceiling,
    )


def _constant(value: float) -> Callable[[FloatArray], FloatArray]:
    return lambda zeta: np.full(np.shape(zeta), value)


_Form = TypeVar("_Form", DescentObjective, PaperMultilayer)


def _falling(objective: _Form, decrease: float) -> _Form:
    """The same where f starts so far above its end, and never is higher."""
    return replace(objective, initial_loss=decrease, ceiling=decrease)


def _decrease(outcome: Outcome) -> float:
    """f(W^1) - f(W^(N+1)); to first order where it would drown in rounding and in the sampling of masks."""
    first_order = float(np.mean(outcome.first_gradients)) * _time(outcome)
    if 0 < first_order < _SLIGHT * outcome.first_loss:
        return first_order
    return max(outcome.first_loss - outcome.last_loss, _LEAST)


def _time(outcome: Outcome) -> float:
    """s = sum gamma_k."""
    configuration = outcome.configuration
    return outcome.stepsize * float(harmonic_number(configuration.decay, configuration.iterations))


def _first_gradient(outcome: Outcome) -> float:
    """||g(W^1)||^2 at the start of one replica, which is all that can be known beforehand."""
    return max(outcome.first_gradients[0], _LEAST)


def _reach(outcome: Outcome, start: float) -> float:
    """D (1 - exp(-||g(W^1)||^2 s / D)), s = sum gamma_k: how far f falls if its gradient shrinks with f.

    ||g(W^1)||^2 s for short runs and D for long ones, where D is what the bound takes for f(W^1) - f*.
    """
    return max(-start * math.expm1(-_first_gradient(outcome) * _time(outcome) / start), _LEAST)


def _inside(smoothness: float, stepsize: float) -> float:
    return min(smoothness, 2 * _INSIDE / stepsize)


def _descent(objective: DescentObjective, outcome: Outcome) -> dict[str, Objective]:
    """One part of a descent bound measured at a time."""
    changed: dict[str, Objective] = {
        "f(W1) measured": replace(objective, initial_loss=outcome.first_loss),
        "decrease of f measured": _falling(objective, _decrease(outcome)),
        "sigma^2 measured": replace(objective, variance=_constant(sum(outcome.variances))),
        "U measured": replace(objective, smoothness=_constant(_inside(outcome.smoothness, outcome.stepsize))),
    }
    if objective.geometry is not Geometry.FREE:
        changed["noise as without a box"] = replace(objective, geometry=Geometry.FREE)
    return changed


def _several_layers(objective: PaperMultilayer, outcome: Outcome) -> dict[str, Objective]:
    """The same for (12) and (13): alpha k_l stands for the variance of hidden layer l."""
    net = objective.net
    *lower, top = outcome.variances
    half = _inside(outcome.smoothness, outcome.stepsize) / 2
    quiet = replace(
        net,
        hidden_noise=tuple(np.asarray(each) for each in lower),
        output_noise=np.asarray(net.output_curvature * top),
        pretraining=np.asarray(1.0),
    )
    bent = replace(net, hidden_curvature=tuple(np.asarray(half) for _ in lower), output_curvature=half)
    return {
        "f(W1) measured": replace(objective, initial_loss=outcome.first_loss),
        "decrease of f measured": _falling(objective, _decrease(outcome)),
        "sigma^2 measured": replace(objective, net=quiet),
        "U measured": replace(objective, net=bent),
    }


def _descent_share(objective: Objective, point: Plan) -> float:
    """1 - U gamma / 2 at the first iteration; for several layers min_l (1 - b_l gamma_l)."""
    limits = objective.largest_stepsizes(np.asarray(point.keep_prob))
    return float(np.min(1 - point.stepsize / limits))
