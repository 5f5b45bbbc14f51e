"""Typical constants: advice from statistics alone, measured on made-up data that has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.advise.answer import TrainingPlan
from rsgadvise.advise.recommend import rank, training_plan
from rsgadvise.advise.results import Advice
from rsgadvise.advise.space import Space
from rsgadvise.bounds.problem import Problem
from rsgadvise.networks import Network
from rsgadvise.numerals import percent
from rsgadvise.pilot.experiments import USUAL_BOX
from rsgadvise.pilot.rehearsal import Rehearsal, rehearse
from rsgadvise.pilot.twins import ROWS, typical_statistics

if TYPE_CHECKING:
    from rsgadvise.spec import Spec

__all__ = ["Typical", "typical"]

_NOTHING_LEARNED = 0.999


@dataclass(frozen=True, slots=True)
class Typical:
    """What made-up data tell.

    Attributes:
        advice: ranked by typical constants.
        train: what to train with; also where a target cannot be met by these constants.
        cost: of the rehearsal, in trainings.
        notes: on the stepsize, and how it was found.
    """

    advice: Advice
    train: TrainingPlan | None
    cost: float
    notes: tuple[str, ...]

    def alone(self) -> Advice:
        """All of it as one advice, without a theorem's ranks."""
        notes = (*self.notes, *self.advice.notes)
        return replace(self.advice, notes=notes, train=self.train, cost=self.cost)


def typical(
    spec: Spec,
    problem: Problem,
    space: Space,
    *,
    seed: int,
    top: int,
    measured: Mapping[str, float | int | None] | None,
) -> Typical:
    """Rank with constants from twins: made-up data with the spec's statistics.

    Kind: estimates. Nothing is proven, and nothing was measured on the user's data. f(W1) and the certified
        bounds are as without twins.

    Args:
        spec: a valid spec; its statistics may be missing, and typical ones are then assumed.
        problem, space: of the spec.
        seed: of the twins; the same seed gives the same advice.
        top: rows to return.
        measured: statistics of the data by spec key, in place of those in the spec.

    Raises:
        HypothesisError: the network is too large to be trained on twins, the inputs are all but zero, or
            no data have such statistics.
    """
    known, assumed = typical_statistics(spec, measured)
    keep_prob = max(high for _, high in space.keep_probs)
    network = Network(problem.kind, problem.layers, problem.weight_bounds, keep_prob)

    def tried(each: Network) -> Rehearsal:
        return rehearse(each, known, seed=seed, iterations=_longest(space))

    found = tried(network)
    known_problem = replace(problem, measured=found.constants)
    advice = rank(known_problem, space, constants="typical", top=top)
    # What certified bounds assume beside it is another matter, and stays.
    advice = replace(advice, assumed=(*advice.assumed, *assumed))
    notes = tuple(_notes(problem, space, found))
    if advice.recommendations:
        best = advice.recommendations[0]
    else:  # the target is out of reach, and still there is something to train with
        freed = rank(known_problem, replace(space, goal=None), constants="typical", top=1)
        if not freed.recommendations:
            return Typical(advice, None, 0.0, notes)
        best = freed.recommendations[0]
    fixed = space.stepsize is not None
    plan = training_plan(
        best, problem.weight_bounds, source="typical", spread=None if fixed else found.spread
    )
    work = found.work
    if found.loss is not None and found.loss >= _NOTHING_LEARNED and not fixed:
        wide = tuple(max(each, USUAL_BOX) for each in network.weight_bounds)
        other = tried(replace(network, weight_bounds=wide)) if wide != network.weight_bounds else None
        plan = replace(plan, reason=_reason(network, found, other))
        work += 0.0 if other is None else other.work
    weights = sum(math.prod(shape) for shape in network.shapes) * (2 if network.kind == "autoencoder" else 1)
    return Typical(advice, plan, work / (3.0 * weights * best.samples), notes)


def _longest(space: Space) -> int:
    """The most iterations that any batch size has room for."""
    sizes = np.asarray(space.batch_sizes, dtype=np.float64)
    return int(max(1.0, float(space.most_iterations(sizes, np.ones(len(sizes))).max())))


def _reason(network: Network, found: Rehearsal, wide: Rehearsal | None) -> str:
    """That no stepsize learned anything, and whether one does with weights kept within `USUAL_BOX`."""
    said = (
        "on made-up data with these statistics no stepsize got below a constant prediction within "
        f"{found.steps} steps"
    )
    if wide is None or wide.loss is None:
        return f"{said}; a data file would tell more"
    said += f" with weights kept within {min(network.weight_bounds):g}"
    if wide.loss >= _NOTHING_LEARNED:
        return f"{said}, nor within {USUAL_BOX:g}; a data file would tell more"
    return (
        f"{said}; within {USUAL_BOX:g} one ended at {percent(wide.loss)} of its loss: "
        f"set network.weight_bound to {USUAL_BOX:g}"
    )


def _notes(problem: Problem, space: Space, found: Rehearsal) -> list[str]:
    made = f"{found.twins} made-up data sets" if found.twins > 1 else "one made-up data set"
    several = "" if found.twins == 1 or not found.steps else ", some of them noisy"
    classes = "" if problem.kind == "autoencoder" else f" and random linear classes{several}"
    how = "Stepsizes were tried" if found.steps else "The curvature at W1 was measured"
    notes = [
        f"Typical: neither proven nor measured on your data. {how} on {made} of {ROWS} rows with these "
        f"statistics{classes}; on yours the best stepsize may well differ by a factor of {found.spread:.2g}."
    ]
    if problem.kind != "autoencoder" and problem.layers[-1] == 1:
        notes.append("The targets were taken to be 0 or 1; for other values the stepsize may differ.")
    if space.goal is None and not space.limits and not space.fixed_iterations:
        notes.append(
            "Nothing limits the work, so all of search.iterations.max is used: give budget.epochs, "
            "budget.samples or training.iterations."
        )
    if space.stepsize is not None:
        notes.append(f"The stepsize is fixed; made-up data would have it {found.stepsize:.2g}.")
    return notes
