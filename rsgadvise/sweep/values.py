"""The hyper-parameters of one spec: its own, or those recommended for what it leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rsgadvise.advise.recommend import recommend
from rsgadvise.bounds.objective import ConstantsName
from rsgadvise.errors import InfeasibleError
from rsgadvise.verify.from_spec import Values

if TYPE_CHECKING:
    from rsgadvise.spec import Spec

__all__ = ["chosen_values", "fixed_values"]


def fixed_values(spec: Spec) -> Values | None:
    """The spec's own hyper-parameters, or None if it leaves one open; keep_prob defaults to 1, decay to 0."""
    training = spec.training
    iterations = training.iterations
    if iterations is None and isinstance(training.stopping, tuple):
        iterations = len(training.stopping)
    if training.stepsize is None or training.batch_size is None or iterations is None:
        return None
    return Values(
        stepsize=training.stepsize,
        batch_size=training.batch_size,
        iterations=iterations,
        keep_prob=1.0 if training.keep_prob is None else training.keep_prob,
        decay=training.decay or 0.0,
        source="",
    )


def chosen_values(
    spec: Spec,
    *,
    constants: ConstantsName = "paper",
    measured: Mapping[str, float | int | None] | None = None,
) -> tuple[Values, bool]:
    """(hyper-parameters, whether they were advised): the spec's own, or the first rank of its advice.

    Args:
        spec: a valid spec.
        constants: whose constants choose.
        measured: statistics of the data file by spec key.

    Raises:
        InfeasibleError: nothing can be recommended; the message is the reason alone.
        HypothesisError: a fixed stepsize lies outside the range of these constants.
    """
    fixed = fixed_values(spec)
    if fixed is not None:
        return fixed, False
    advice = recommend(spec, constants=constants, top=1, measured=measured)
    if advice.infeasible is not None:
        raise InfeasibleError(advice.infeasible.reason)
    best = advice.recommendations[0]
    values = Values(
        stepsize=best.stepsize,
        batch_size=best.batch_size,
        iterations=best.iterations,
        keep_prob=best.keep_prob,
        decay=best.decay,
        source="",
    )
    return values, True
