"""The bounds at one point of a sweep; a hypothesis that fails there leaves a gap and a note."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rsgadvise.advise.results import Stepsize, as_stepsize
from rsgadvise.bounds.judge import attempted, certified, check_problem, point_at
from rsgadvise.bounds.kinds import largest_gradient
from rsgadvise.bounds.objective import ConstantsName
from rsgadvise.bounds.problem import Assumption, Problem, resolve, stopping_of
from rsgadvise.errors import HypothesisError, InfeasibleError
from rsgadvise.sweep.values import chosen_values

if TYPE_CHECKING:
    from rsgadvise.spec import Spec
    from rsgadvise.verify.from_spec import Values

__all__ = ["Prediction", "predict", "reason"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the theory says at one point.

    Attributes:
        values: the hyper-parameters, or None where nothing can be advised.
        stepsize: among them; for a multilayer network one per layer.
        advised: whether they are advice.
        paper_bound: None outside its range.
        certified_bound, largest_gradient: as in `SweepPoint`.
        assumed: what neither the spec nor its data say.
        notes: why something is missing.
    """

    values: Values | None
    stepsize: Stepsize | None
    advised: bool
    paper_bound: float | None
    certified_bound: float | None
    largest_gradient: float | None
    assumed: tuple[Assumption, ...]
    notes: tuple[str, ...]

    @property
    def vacuous(self) -> bool:
        """Whether the paper's bound, or the certified one where there is none, says nothing."""
        value = self.certified_bound if self.paper_bound is None else self.paper_bound
        if self.largest_gradient is None:
            return value is None
        return value is None or not value < self.largest_gradient


def reason(error: HypothesisError) -> str:
    """What a hypothesis says of the quantity that breaks it, as part of a sentence."""
    key = error.quantity
    name = key if not key or "." in key else f"training.{key}"
    return f"{name} {error}".strip()


def predict(
    spec: Spec,
    *,
    constants: ConstantsName = "paper",
    measured: Mapping[str, float | int | None] | None = None,
) -> Prediction:
    """Both bounds at the spec's hyper-parameters, or at those advised for what it leaves open.

    They are those of `rsgadvise bound` at the same values: D_f is the spec's f(W^1), or the largest loss.

    Args:
        spec: a valid spec.
        constants: whose constants choose what the spec leaves open.
        measured: statistics of the data file by spec key.
    """
    problem = resolve(spec, measured)
    try:
        values, advised = chosen_values(spec, constants=constants, measured=measured)
    except (HypothesisError, InfeasibleError) as error:
        why = reason(error) if isinstance(error, HypothesisError) else str(error)
        # The largest gradient rises with the keep probability: at 1 it holds for all of them.
        keep_prob = spec.training.keep_prob or 1.0
        limit = float(largest_gradient(problem, np.asarray(keep_prob)))
        note = f"Nothing to advise: {why}."
        return _prediction(problem, None, paper=None, proven=limit, limit=limit, notes=(note,))
    point = point_at(
        problem,
        stepsize=values.stepsize,
        batch_size=values.batch_size,
        iterations=values.iterations,
        keep_prob=values.keep_prob,
        decay=values.decay,
        stopping=stopping_of(spec),
    )
    chosen = values, as_stepsize(point.stepsize), advised
    try:
        check_problem(problem, "paper")
    except HypothesisError as error:  # no constants then have a use, only the limit is left
        limit = float(largest_gradient(problem, np.asarray(values.keep_prob)))
        note = f"No bound: {reason(error)}."
        return _prediction(problem, chosen, paper=None, proven=limit, limit=limit, notes=(note,))
    bound, missing = attempted(problem, point, "paper")
    value, _, limit = certified(problem, point, "paper")
    notes = (f"No paper bound: {missing}.",) if missing else ()
    return _prediction(problem, chosen, paper=bound, proven=value, limit=limit, notes=notes)


def _prediction(
    problem: Problem,
    chosen: tuple[Values, Stepsize, bool] | None,
    *,
    paper: float | None,
    proven: float,
    limit: float,
    notes: tuple[str, ...],
) -> Prediction:
    """What overflows is left out, with a note: such a limit is no number, and nor is what it stands for."""
    if not math.isfinite(limit):
        notes = (*notes, "The largest gradient of this network is too large for any number.")
    values, stepsize, advised = (None, None, False) if chosen is None else chosen
    return Prediction(
        values=values,
        stepsize=stepsize,
        advised=advised,
        paper_bound=paper,
        certified_bound=proven if math.isfinite(proven) else None,
        largest_gradient=limit if math.isfinite(limit) else None,
        assumed=problem.assumed,
        notes=notes,
    )
