"""What the advisor returns: plain frozen records that a report renders without computing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsgadvise.advise.answer import Guarantee, TrainingPlan
from rsgadvise.bounds.objective import ConstantsName
from rsgadvise.bounds.problem import Assumption
from rsgadvise.theory.bound import FloatArray

__all__ = [
    "Advice",
    "Infeasible",
    "MeasuredConstant",
    "Recommendation",
    "Stepsize",
    "WorkPoint",
    "as_stepsize",
]

Stepsize = float | tuple[float, ...]


def as_stepsize(stepsize: FloatArray) -> Stepsize:
    """A stepsize array as a number, or as one number per layer."""
    return float(stepsize) if stepsize.ndim == 0 else tuple(float(gamma) for gamma in stepsize)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One ranked choice of hyper-parameters.

    Attributes:
        rank: 1 is best.
        equation: where its bound comes from.
        stepsize: gamma, or one per layer for multilayer.
        decay: rho of gamma_k = gamma k^-rho.
        stopping: P_R that the bounds are for, by name; "listed" for the probabilities in the spec.
        batch_size, iterations: B and N.
        runs: T independent runs of N iterations each; 1 without a target.
        keep_prob: zeta, P(unit is kept). dropout_rate: 1 - zeta, PyTorch's p and Keras' rate.
        bound: on the expected squared gradient norm, with the chosen constants; inf (null in JSON)
            where their theorem does not reach.
        loss_score: what ranks with calibrated constants and no target: what the convex half of the theorem
            would promise for the loss, were f convex with a minimum of 0 at the smallest distance possible.
            No bound: f is not convex, and the score knows nothing of P_R. Else None.
        certified_bound: the same with certified constants, never above `largest_gradient`.
        largest_gradient: no squared gradient norm of this network exceeds it at this keep_prob.
        proven: certified_bound <= bound, so the bound holds for this data; never with measured constants.
        vacuous: the bound is no better than `largest_gradient`.
        terms: the terms of the bound; they sum to it.
        samples: examples processed in one run, N B. epochs: the same over data.samples, or None.
        total_samples, total_epochs: the same over all runs.
        seconds: of all runs, or None without a cost model.
        elasticities: d log bound / d log knob at this point, other knobs held.
        curvature_share: r of `stopping: matched`, whose P_R is proportional to k^-rho (1 - r k^-rho), with
            the constants of the bound; None for other stopping, and outside the theorem's range.
        binding: dotted keys of the limits that hold this choice back.
        notes: plain sentences about this choice.
    """

    rank: int
    equation: str
    stepsize: Stepsize
    decay: float
    stopping: str
    batch_size: int
    iterations: int
    runs: int
    keep_prob: float
    dropout_rate: float
    bound: float
    loss_score: float | None
    certified_bound: float
    largest_gradient: float
    proven: bool
    vacuous: bool
    terms: Mapping[str, float]
    samples: int
    epochs: float | None
    total_samples: int
    total_epochs: float | None
    seconds: float | None
    elasticities: Mapping[str, float]
    curvature_share: float | None
    binding: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkPoint:
    """What the best choice would reach with `factor` times its work.

    Attributes:
        bound: on the squared gradient, at the stepsize that the ranking would take.
        loss_score: as in a `Recommendation`.
        allowed: by search.iterations.
    """

    factor: float
    iterations: int
    samples: int
    epochs: float | None
    bound: float
    loss_score: float | None
    allowed: bool


@dataclass(frozen=True, slots=True)
class Infeasible:
    """Why no plan meets the target, and what would.

    Attributes:
        reason: in words.
        min_batch_size: the smallest that can reach the target.
        smallest_eps: the smallest target.eps for which a plan was found, four digits rounded up.
        binding: dotted keys of the limits that a plan for it exhausts.
    """

    reason: str
    min_batch_size: int | None
    smallest_eps: float | None = None
    binding: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasuredConstant:
    """A constant of the calibrated bound, and what its error is worth.

    Attributes:
        name: initial_loss, smoothness, gradient_variance or squared_gradient.
        at_start: at W^1, or None where it was not measured there.
        value: what the bound uses.
        standard_error: of the sampling of rows.
        stepsize_change: of the recommended stepsize, as a share, if the value were one standard error larger.
        bound_change: of its bound.
    """

    name: str
    at_start: float | None
    value: float
    standard_error: float
    stepsize_change: float
    bound_change: float


@dataclass(frozen=True, slots=True)
class Advice:
    """Ranked recommendations, and everything needed to judge them.

    Attributes:
        kind: network kind. layers: d_0..d_L.
        constants: the constants that the ranking used. equation: where the bounds come from; at which
            ranks, if they do not all come from one.
        recommendations: best first; empty where `infeasible` says why.
        objective: what was minimised, in words.
        largest_gradient: that of the best choice.
        critical_batch_size: at the best choice's target, or None without a target.
        work: a quarter, the same and four times the work of the best choice; empty with a target.
        why: plain sentences on the best choice.
        notes: plain sentences on the whole, each once.
        assumed: values that nobody gave.
        measured: constants that were measured on the data, not proven.
        cost: of the advice itself, in trainings with the N and B of the best choice.
        interrupted: the user ended the measuring early, and this is the best by then.
        train: what to train with. guarantee: what is promised; None where nothing is.
        chosen: which constants the ranks use and why, where nobody named them.
    """

    kind: str
    layers: tuple[int, ...]
    constants: ConstantsName
    equation: str
    objective: str
    candidates: int
    assumed: tuple[Assumption, ...]
    recommendations: tuple[Recommendation, ...] = ()
    largest_gradient: float | None = None
    critical_batch_size: float | None = None
    work: tuple[WorkPoint, ...] = ()
    why: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    infeasible: Infeasible | None = None
    measured: tuple[MeasuredConstant, ...] = ()
    cost: float = 0.0
    interrupted: bool = False
    train: TrainingPlan | None = None
    guarantee: Guarantee | None = None
    chosen: str = ""
