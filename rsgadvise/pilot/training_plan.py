"""What to train with, from what a calibration and a race measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rsgadvise.advise.results import MeasuredConstant, TrainingPlan
from rsgadvise.numerals import number
from rsgadvise.pilot.forecast import expected
from rsgadvise.pilot.race import learns
from rsgadvise.pilot.results import PilotReport
from rsgadvise.pilot.tournament import Finalist, Tournament
from rsgadvise.pilot.wording import help_note

_BEYOND = 2.0  # standard errors
_HALF_RUNG = 2**0.5  # the ladder's own resolution


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


def raced_spread(tournament: Tournament) -> float | None:
    """Factor within which the winner's stepsizes lie, as far as the race tells.

    The rungs of the ladder are a factor of 2 apart, so that the best stepsize is known to no better than
    its root. The same candidate from another seed had another loss by then: rungs that lost by no more than
    that when they last met the winner may as well be the best, and what lies between them and it counts.

    Returns:
        2^(1/2) or more; None where the stepsize was given, or nobody won.
    """
    winner = tournament.winner
    rungs = [runner for runner in tournament.standing if runner.candidate.rung is not None and runner.judged]
    if winner is None or not rungs:
        return None
    # One with another batch size, say, took its stepsize from the ladder, and tells nothing of the rungs.
    best = winner if winner in rungs else min(rungs, key=lambda runner: (-runner.done, runner.loss))
    noise = max((_seed_noise(finalist) for finalist in tournament.finalists), default=0.0)
    apart = 0.0
    for runner in rungs:
        share = min(runner.done, best.done)
        mine, other = (dict(each.judged).get(share) for each in (best, runner))
        if mine is None or other is None or not (mine > 0 and 0 < other < math.inf):
            continue
        if math.log(other / mine) <= noise:
            ratio = runner.candidate.stepsizes[0] / best.candidate.stepsizes[0]
            apart = max(apart, abs(math.log(ratio)))
    return _HALF_RUNG * math.exp(apart)


def _seed_noise(finalist: Finalist) -> float:
    """By how much the logarithm of its loss differed from that of its first run at the same share."""
    known = [(share, loss) for share, loss in finalist.runner.judged if 0 < loss < math.inf]
    if not known or not 0 < finalist.end < math.inf:
        return 0.0
    shares, losses = np.log(known).T
    return abs(math.log(finalist.end) - float(np.interp(math.log(finalist.share), shares, losses)))


def _learnt(report: PilotReport) -> bool | None:
    """Whether it ends better than a constant prediction; None where a race of a part of the training cannot
    tell: its loss still fell, stood still without a cause that was found, or was lower in one of two runs."""
    if not report.raced or report.constant_loss == 0:
        return None
    first = report.raced[0]
    seen = [first.loss] if report.loss is None else [first.loss, report.loss]
    if first.outcome == "won" and learns(max(seen), report.constant_loss):
        return True
    helped = {each.change for each in report.experiments if each.helps}
    if "iterations" in helped:
        return True
    return False if report.stands_still and (helped or first.share >= 1) else None


def _doubt(report: PilotReport, learnt: bool | None) -> str:
    """What to know of a winner that did no better than a constant prediction when it was run again."""
    if learnt is not None or not report.raced or report.constant_loss == 0:
        return ""
    first = report.raced[0]
    if first.share == 0:
        return ""
    if first.outcome == "won" and learns(first.loss, report.constant_loss):
        return (
            "its first run, for longer, had done better than a constant prediction "
            f"({number(first.loss, 3)}): it may learn from some starts and not from others"
        )
    return "by then it had done no better than a constant prediction: it may learn later, or nothing at all"


def raced_plan(plan: TrainingPlan, report: PilotReport, *, spread: float | None) -> TrainingPlan:
    """The plan of whoever stands first, with what its race and its second run measured.

    Args:
        plan: of the first rank.
        report: of the race.
        spread: factor within which the stepsize lies.
    """
    won = bool(report.raced) and report.raced[0].outcome == "won"
    learnt = _learnt(report)
    helped = {each.change for each in report.experiments if each.helps}
    reason = help_note(report) if not learnt or (helped and "iterations" not in helped) else ""
    reason = reason or _doubt(report, learnt)
    if not won:
        ran = [each for each in report.raced if math.isfinite(each.loss) and each.share > 0]
        lowest = min((each.loss for each in ran), default=None)
        return replace(plan, learns=learnt, reason=reason, loss=lowest, constant_loss=report.constant_loss)
    loss = report.raced[0].loss if report.loss is None else report.loss
    common = [each.stepsizes[0] for each in report.common if each.outcome == "best of these"]
    return replace(
        plan,
        common_stepsize=common[0] if common else plan.common_stepsize,
        source="raced",
        learns=learnt,
        reason=reason,
        loss=loss,
        constant_loss=report.constant_loss,
        held_out_error=report.held_out_error,
        constant_error=report.constant_error,
        spread=spread,
        expected=expected(report.curve, plan.iterations) if learnt and report.curve else (),
    )
