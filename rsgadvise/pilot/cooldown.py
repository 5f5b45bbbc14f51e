"""The end of a training: the stepsize falls to 0, and the last weights are the result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rsgadvise.advise.answer import TrainingPlan
    from rsgadvise.spec import Spec

__all__ = ["COOLDOWN", "with_cooldown"]

COOLDOWN = 0.05
"""Share of the iterations, chosen on other tables than docs/advice_benchmark.md reports on; see there."""

_TO_THE_END = ("last", "increasing")


def with_cooldown(plan: TrainingPlan, spec: Spec) -> TrainingPlan:
    """The plan with a stepsize that falls linearly to 0 at its end, and the last weights as its result.

    A constant stepsize leaves the noise of its mini-batches in the last weights; shorter ones at the end
    take it out, at the cost of half their iterations' progress. It is for what was raced or is typical: a
    theorem's own plan stays as its bound has it, and so does what the spec fixes. Where a race found earlier
    weights better than late ones, it is left alone too.

    Args:
        plan: to train with.
        spec: whose `stepsize`, `decay` (also one to search) and `stopping` stay where they are given.
    """
    given = spec.training
    if plan.source not in ("raced", "typical") or plan.decay:
        return plan
    if given.stepsize is not None or given.decay is not None or given.stopping is not None:
        return plan
    if any(spec.search.decay):
        return plan
    if plan.source == "raced" and plan.stopping not in _TO_THE_END:
        return plan
    return replace(plan, stopping="end", schedule="linear", cooldown=COOLDOWN)
