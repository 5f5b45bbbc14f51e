"""What the theorems assume of W¹: its loss, its box and its pretraining."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rsgadvise.bounds.objective import ConstantsName
from rsgadvise.bounds.problem import Problem
from rsgadvise.bounds.theorems import theorem_of
from rsgadvise.explain.results import Hypothesis

if TYPE_CHECKING:
    from rsgadvise.advise.results import MeasuredConstant
    from rsgadvise.spec import Spec

__all__ = ["start_hypotheses"]

_LIKELY = 0.99


def start_hypotheses(
    spec: Spec, problem: Problem, *, constants: ConstantsName, measured: Sequence[MeasuredConstant] = ()
) -> Iterator[Hypothesis]:
    """D_f, the box around W¹, and alpha, where they apply."""
    yield _suboptimality(spec, problem, {each.name: each for each in measured}.get("initial_loss"))
    if problem.kind != "single_layer":
        yield _box(problem)
    if theorem_of(problem.kind, constants).pretrained(problem):
        yield _pretraining(spec, problem)


def _suboptimality(spec: Spec, problem: Problem, measured: MeasuredConstant | None) -> Hypothesis:
    text = "D_f = f(W¹) - f* is at most what stands for it"
    value, largest = problem.initial_loss, problem.largest_loss
    if measured is not None:
        return Hypothesis(
            "suboptimality",
            text,
            None,
            f"f(W¹) = {measured.value:.4g} ± {measured.standard_error:.2g}, measured at one W¹, and f* >= 0; "
            f"start from a W¹ drawn in the same way, and {largest:g} is always safe",
            measured.value,
            largest,
        )
    if value >= largest:
        how = "given" if spec.training.initial_loss is not None else "assumed"
        reason = (
            f"{value:g}, {how}, is the largest loss that {largest:g} outputs in [0, 1] can have, and f* >= 0"
        )
        return Hypothesis("suboptimality", text, True, reason, value, largest)
    return Hypothesis(
        "suboptimality",
        text,
        None,
        f"training.initial_loss = {value:g} is taken on trust, as f(W¹) or more; outputs near 1/2 give about "
        f"{largest / 4:g}, and {largest:g} is always safe",
        value,
        largest,
    )


def _box(problem: Problem) -> Hypothesis:
    """Whether W¹ ~ N(0, 1/d_{l-1}) lies in the box, all of it, with probability 0.99."""
    shapes = list(zip(problem.layers[1:], problem.layers[:-1], problem.weight_bounds, strict=True))
    logarithm, outside, weights = 0.0, 0.0, 0
    for after, before, bound in shapes:
        out = math.erfc(bound * math.sqrt(before / 2))
        count = after * before
        logarithm += count * math.log1p(-out) if out < 1 else -math.inf
        outside += count * out
        weights += count
    chance = math.exp(logarithm)
    text = "W¹, drawn from N(0, 1/d_{l-1}), lies in the box"
    reason = f"all {weights:,} weights do with probability {chance:.4g}"
    if chance < _LIKELY:
        reason += (
            f": {100 * outside / weights:.3g} % of them are outside and have to be clipped, so that D_f is "
            "about the clipped ones"
        )
    return Hypothesis("box", text, chance >= _LIKELY, reason, chance, _LIKELY)


def _pretraining(spec: Spec, problem: Problem) -> Hypothesis:
    text = "the hidden layers are pretrained to an (α, δ_α)-solution"
    if spec.training.pretraining is None:
        reason = "no training.pretraining: α = 1 stands for it, a reading of the paper and not a result of it"
    else:
        reason = (
            f"α = {problem.pretraining:g} is taken on trust from training.pretraining.tolerance, and is "
            "missed with probability δ_α"
        )
    return Hypothesis("pretraining", text, None, reason, problem.pretraining)
