"""What to train with, from what a calibration and a race measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rsgadvise.advise.answer import TrainingPlan
from rsgadvise.advise.results import MeasuredConstant, Recommendation
from rsgadvise.bounds.problem import Problem
from rsgadvise.pilot.race import fate
from rsgadvise.pilot.results import PilotReport
from rsgadvise.pilot.second_order import NO_BETTER

__all__ = ["calibrated_plan", "calibration_spread", "raced_plan"]

_BEYOND = 2.0  # standard errors


def calibration_spread(measured: Sequence[MeasuredConstant]) -> float | None:
    """Factor within which the calibrated stepsize lies, as far as groups of the rows tell.

    Each measured constant moves the stepsize by some factor if it is one standard error larger. Their
    logarithms add up in squares, and two of that sum are counted.

    Args:
        measured: with what one standard error does to the stepsize.

    Returns:
        1 or more; None where nothing was measured.
    """
    if not measured:
        return None
    moves = [math.log(max(1 + each.stepsize_change, 1e-6)) for each in measured]
    return math.exp(_BEYOND * math.sqrt(sum(move**2 for move in moves)))


def calibrated_plan(
    best: Recommendation, problem: Problem, measured: Sequence[MeasuredConstant], *, constant: float
) -> TrainingPlan:
    """The calibrated advice, which nobody has trained by yet."""
    steps = best.stepsize if isinstance(best.stepsize, tuple) else (best.stepsize,)
    bounds = problem.weight_bounds
    return TrainingPlan(
        stepsize=best.stepsize,
        common_stepsize=min(steps),
        decay=best.decay,
        stopping=best.stopping,
        batch_size=best.batch_size,
        iterations=best.iterations,
        epochs=best.epochs,
        keep_prob=best.keep_prob,
        dropout_rate=best.dropout_rate,
        weight_bound=(bounds[0] if len(set(bounds)) == 1 else bounds) if bounds else None,
        source="calibrated",
        constant_loss=constant,
        spread=calibration_spread(measured),
    )


def raced_plan(
    plan: TrainingPlan, report: PilotReport, *, common: float | None, spread: float | None
) -> TrainingPlan:
    """The plan of whoever stands first, with what its race and its second run measured.

    Args:
        plan: of the first rank.
        report: of the race.
        common: the one stepsize for all layers, where it was raced.
        spread: factor within which the stepsize lies.
    """
    won = bool(report.raced) and report.raced[0].outcome == "won"
    if not won:
        ran = [each for each in report.raced if math.isfinite(each.loss) and each.share > 0]
        learns = False if ran and report.constant_loss > 0 else None
        lowest = min((each.loss for each in ran), default=None)
        return replace(plan, learns=learns, loss=lowest, constant_loss=report.constant_loss)
    loss = report.raced[0].loss if report.loss is None else report.loss
    ahead = min(loss, report.raced[0].loss)
    assert fate(ahead, report.constant_loss) is None
    return replace(
        plan,
        common_stepsize=plan.common_stepsize if common is None else common,
        source="raced",
        learns=True if ahead < NO_BETTER * report.constant_loss else None,
        loss=loss,
        constant_loss=report.constant_loss,
        held_out_error=report.held_out_error,
        constant_error=report.constant_error,
        spread=spread,
    )
