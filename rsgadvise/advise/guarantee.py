"""What a theorem promises for a spec, as one sentence that can be cited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rsgadvise.advise.recommend import Rankings
from rsgadvise.advise.results import Guarantee, Recommendation, by_matrix
from rsgadvise.advise.runs import rows_to_compare
from rsgadvise.advise.space import Goal
from rsgadvise.numerals import lengths, rounded_up
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.certified import needs_norm, smoothing_gap
from rsgadvise.theory.judge import gradient_stepsize
from rsgadvise.theory.problem import Problem

_DIGITS = 3
_EXACT = 10**6  # numbers of samples below it are given to the last one


def guarantee_for(known: Rankings, constant_loss: float | None = None) -> Guarantee | None:
    """The best that is proven, at the choice that it is proven for; None where that says nothing.

    Without a target it is the smallest bound on the expected squared gradient norm, with one the cheapest
    plan that meets it: of certified constants, with or without a noise floor, or of the paper's where they
    are proven.

    Args:
        known: rankings by a theorem: nothing in their problem may come from a short run.
        constant_loss: of the best constant prediction; None where no targets are known.
    """
    proven = known.proven_best
    if proven is None:
        return None
    limit = _constant_loss(known.problem) if constant_loss is None else constant_loss
    useful = known.space.goal is not None or proven[1].bound <= limit
    return replace(_guarantee(known.problem, known.space.goal, proven[1], proven[0]), useful=useful)


def _constant_loss(problem: Problem) -> float:
    """The most that a constant prediction may need: of targets half 0, half 1, or classes all as common."""
    outputs = problem.outputs
    balanced = np.eye(outputs) if problem.head.classes else np.array([np.zeros(outputs), np.ones(outputs)])
    return problem.head.constant_loss(balanced)


def _guarantee(
    problem: Problem, goal: Goal | None, best: Recommendation, constants: ConstantsName
) -> Guarantee:
    elsewhere = gradient_stepsize(problem, best.keep_prob, constants)
    claim = _claim(problem, goal, best, elsewhere)
    return Guarantee(
        statement=f"{claim}; {_terms(problem, goal, best)}",
        stepsize=best.stepsize,
        batch_size=best.batch_size,
        iterations=best.iterations,
        runs=best.runs,
        bound=best.bound,
        certified_bound=best.certified_bound,
        constants=constants,
        equation=best.equation,
        proven=best.proven,
        vacuous=best.vacuous,
        claim=claim,
        decay=best.decay,
        stopping=best.stopping,
        keep_prob=best.keep_prob,
        eps=None if goal is None else goal.eps,
        delta=None if goal is None else goal.delta,
        comparison_rows=0 if goal is None else rows_to_compare(problem, goal, best.runs, best.keep_prob),
        gradient_stepsize=elsewhere,
    )


def _claim(problem: Problem, goal: Goal | None, best: Recommendation, gradient_at: float | None) -> str:
    """What holds, and after how much work."""
    name = f"squared {'projected ' if problem.boxed else ''}gradient norm"
    if gradient_at is not None:
        name += f" at stepsize {gradient_at:.6g}"
    if goal is None:
        return (
            f"the expected {name} at the returned iterate is at most {_at_most(best.bound)} after "
            f"{_counted(best.iterations, 'iteration')} of {_counted(best.batch_size, 'row')}"
        )
    which = "the run" if best.runs == 1 else f"the best of {best.runs:,} runs"
    return (
        f"with probability at least {1 - goal.delta:.12g} {which} has a {name} of at most {goal.eps:.12g}, "
        f"after {_samples(best.total_samples)} samples in all"
    )


def _terms(problem: Problem, goal: Goal | None, best: Recommendation) -> str:
    """What it assumes, which run it is about, and what it is not."""
    parts = [f"assumes {', '.join(_assumptions(problem, best))}"]
    if goal is not None:
        if best.runs > 1:
            masks = " and all masks" if best.keep_prob < 1 else ""
            parts.append(f"the best is the one with the smallest exact gradient, over all rows{masks}")
        parts.append("it is optimisation work, not a sample size for generalisation")
    return "; ".join(parts)


def _assumptions(problem: Problem, best: Recommendation) -> Iterator[str]:
    """All that the certified bound rests on, and with it every bound that it proves."""
    what = "autoencoder with tied weights" if problem.tied else "network"
    units = f" of {problem.units_in_words} units" if problem.units_in_words else ""
    yield f"a {lengths(problem.layers)} {what}{units} {'with' if problem.bias else 'without'} biases"
    if gap := smoothing_gap(problem):
        yield f"whose loss is within {_at_most(gap)} of that of {problem.rounded_in_words} units"
    loss = "squared loss" if problem.as_in_the_paper else problem.head.name
    targets = "targets in [0, 1] that sum to 1 at most" if problem.head.classes else "targets in [0, 1]"
    yield loss if problem.tied else f"{loss} to {targets}"
    yield _inputs(problem, best)
    boxes = problem.weight_bounds
    if boxes:
        width = f"{boxes[0]:g}" if len(set(boxes)) == 1 else "/".join(f"{box:g}" for box in boxes)
        both = " and bias" if problem.bias else ""
        layers = " by layer" if "/" in width else ""
        if problem.spectral:
            beside = ", biases its last column," if problem.bias else ""
            yield f"projection of every matrix{beside} to singular values of at most {width}{layers}"
        else:
            yield f"projection of every weight{both} to [-w, w] with w = {width}{layers}"
    if problem.penalty:
        yield f"a weight decay of {problem.penalty:g} that f counts as {problem.penalty:g} ||W||^2/2"
    if not problem.optimizer.plain:
        yield f"{problem.optimizer.words} that begins at 0"
    if best.keep_prob < 1:
        yield f"units kept with probability {best.keep_prob:.4g} by a mask of its own for each row"
    gammas = by_matrix(best.stepsize)
    shown = [f"{gamma:.6g}" for gamma in gammas]
    steps = f"stepsize {shown[0]}" if len(set(shown)) == 1 else f"stepsizes {'/'.join(shown)} by layer"
    yield f"{steps}{f' k^-{best.decay:g} at iteration k' if best.decay else ''}"
    yield f"the iteration returned drawn {_drawn(best)}"
    yield "batches drawn independently with replacement"
    if problem.initial_loss < problem.largest_loss:
        yield f"f(W1) of at most {problem.initial_loss:.6g}"
    if best.runs > 1:
        yield "independent runs"


def _drawn(best: Recommendation) -> str:
    if best.stopping == "matched" and best.decay:
        power = f"k^-{best.decay:g}"
        return f"with probability proportional to {power} (1 - {best.curvature_share or 0:.6g} {power})"
    return {
        "increasing": "with probability proportional to its number",
        "last": "uniformly from the last tenth",
        "listed": "with the listed probabilities",
    }.get(best.stopping, "uniformly from all of them")


def _inputs(problem: Problem, best: Recommendation) -> str:
    """What is assumed of the inputs: what nobody gave is at its worst, so that nothing is assumed of it."""
    unknown = {item.key for item in problem.assumed}
    moments, unit = problem.moments, problem.unit_inputs
    parts = []
    second = _at_most(moments.second_moment, 6)
    # Of standardised columns the means are 0, and the squares have the mean 1 unless some are constant.
    if second != "1" if not unit else "data.second_moment" not in unknown:
        parts.append(f"a mean of their squares of at most {second}")
    elif unit and "data.mean" not in unknown:
        parts.append(f"a mean of at most {_at_most(moments.mean, 6)}")
    # Beside a 1, and beside what masks add to it, the mean of the inputs has a part in their curvature.
    if unit and "data.mean_square" not in unknown and (problem.bias or best.keep_prob < 1):
        parts.append(f"a mean of their squared means of at most {_at_most(moments.mean_square, 6)}")
    if "data.top_eigenvalue" not in unknown:
        parts.append(f"a largest eigenvalue of E x x^T of at most {_at_most(moments.top_eigenvalue, 6)}")
    if moments.largest_norm is not None and needs_norm(problem):
        parts.append(f"a norm of at most {_at_most(moments.largest_norm, 6)} each")
    where = "inputs in [0, 1]" if unit else "inputs scaled to mean 0 and variance 1 per column"
    return where + (f" with {' and '.join(parts)}" if parts else "")


def _at_most(value: float, digits: int = _DIGITS) -> str:
    return f"{rounded_up(value, digits):.{digits}g}" if value > 0 else "0"


def _counted(value: int, noun: str) -> str:
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def _samples(total: int) -> str:
    """Samples in words: 59,200 or 4.0e7.

    Example:
        >>> _samples(59200), _samples(39969792)
        ('59,200', '4.0e7')
    """
    if total < _EXACT:
        return f"{total:,}"
    mantissa, _, power = f"{total:.1e}".partition("e")
    return f"{mantissa}e{int(power)}"
