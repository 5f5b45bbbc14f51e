"""Typical constants: advice from statistics alone, measured on made-up data that has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.advise.answer import TrainingPlan
from rsgadvise.advise.recommend import rank
from rsgadvise.advise.results import Advice, Recommendation
from rsgadvise.advise.space import Space, search_space
from rsgadvise.bounds.problem import Problem, resolve
from rsgadvise.networks import Network
from rsgadvise.pilot.rehearsal import Rehearsal, rehearse
from rsgadvise.pilot.twins import ROWS, typical_statistics

if TYPE_CHECKING:
    from rsgadvise.spec import Spec

__all__ = ["advise_typically"]

_NOTHING_LEARNED = 0.999


def advise_typically(
    spec: Spec,
    *,
    seed: int = 0,
    top: int = 5,
    measured: Mapping[str, float | int | None] | None = None,
) -> Advice:
    """Advice with constants from twins: made-up data with the spec's statistics.

    Kind: estimates. Nothing is proven, and nothing was measured on the user's data. `train` is filled, also
        where a target cannot be met by these constants; f(W1) and the certified bounds are as without twins.

    Args:
        spec: a valid spec; its statistics may be missing, and typical ones are then assumed.
        seed: of the twins; the same seed gives the same advice.
        top: rows to return.
        measured: statistics of the data by spec key, in place of those in the spec.

    Raises:
        HypothesisError: the network is too large to be trained on twins, the inputs are all but zero, or
            no data have such statistics.
    """
    problem = resolve(spec, measured)
    space = search_space(spec, problem)
    known, assumed = typical_statistics(spec, measured)
    keep_prob = max(high for _, high in space.keep_probs)
    network = Network(problem.kind, problem.layers, problem.weight_bounds, keep_prob)
    found = rehearse(network, known, seed=seed, iterations=_longest(space))
    known_problem = replace(problem, measured=found.constants)
    advice = rank(known_problem, space, constants="typical", top=top)
    if advice.recommendations:
        best: Recommendation | None = advice.recommendations[0]
    else:  # the target is out of reach, and still there is something to train with
        freed = rank(known_problem, replace(space, goal=None), constants="typical", top=1)
        best = freed.recommendations[0] if freed.recommendations else None
    return replace(
        advice,
        # What certified bounds assume beside it is another matter, and stays.
        assumed=(*advice.assumed, *assumed),
        notes=(*_notes(problem, space, found), *advice.notes),
        train=None if best is None else _plan(best, problem, space, found),
        cost=0.0 if best is None else _cost(best, network, found),
    )


def _longest(space: Space) -> int:
    """The most iterations that any batch size has room for."""
    sizes = np.asarray(space.batch_sizes, dtype=np.float64)
    return int(max(1.0, float(space.most_iterations(sizes, np.ones(len(sizes))).max())))


def _plan(best: Recommendation, problem: Problem, space: Space, found: Rehearsal) -> TrainingPlan:
    gammas = best.stepsize if isinstance(best.stepsize, tuple) else (best.stepsize,)
    boxes = problem.weight_bounds
    same = len(set(boxes)) == 1
    return TrainingPlan(
        stepsize=best.stepsize,
        # Of several only the shortest is short enough for all layers.
        common_stepsize=min(gammas),
        decay=best.decay,
        stopping=best.stopping,
        batch_size=best.batch_size,
        iterations=best.iterations,
        epochs=best.epochs,
        keep_prob=best.keep_prob,
        dropout_rate=best.dropout_rate,
        weight_bound=None if not boxes else boxes[0] if same else boxes,
        source="typical",
        spread=None if space.stepsize is not None else found.spread,
    )


def _cost(best: Recommendation, network: Network, found: Rehearsal) -> float:
    """The multiply-adds of the rehearsal in trainings."""
    weights = sum(math.prod(shape) for shape in network.shapes) * (2 if network.kind == "autoencoder" else 1)
    return found.work / (3.0 * weights * best.samples)


def _notes(problem: Problem, space: Space, found: Rehearsal) -> list[str]:
    made = f"{found.twins} made-up data sets" if found.twins > 1 else "one made-up data set"
    classes = "" if problem.kind == "autoencoder" else " and random linear classes"
    how = "Stepsizes were tried" if found.steps else "The curvature at W1 was measured"
    notes = [
        f"Typical: neither proven nor measured on your data. {how} on {made} of {ROWS} rows with these "
        f"statistics{classes}; on yours the best stepsize may well differ by a factor of {found.spread:.2g}."
    ]
    if problem.kind != "autoencoder" and problem.layers[-1] == 1:
        notes.append("The targets were taken to be 0 or 1; for other values the stepsize may differ.")
    if found.loss is not None and found.loss >= _NOTHING_LEARNED:
        notes.append(
            f"On made-up data no stepsize got below a constant prediction within {found.steps} steps, so "
            "this one is a guess; a data file would tell more."
        )
    if space.stepsize is not None:
        notes.append(f"The stepsize is fixed; made-up data would have it {found.stepsize:.2g}.")
    return notes
