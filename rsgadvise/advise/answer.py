"""The two answers of an advice: what to train with, and what is guaranteed. Plain frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["BoxGrowth", "Guarantee", "Schedule", "Source", "TrainingPlan", "cooled"]

Source = Literal["raced", "calibrated", "typical", "theorem"]
Schedule = Literal["constant", "linear", "cosine"]


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What to train with, and how good it was.

    What was not measured is None: a theorem knows nothing of `learns`, `loss` or `spread`.

    Attributes:
        stepsize: gamma, or one per matrix for multilayer.
        common_stepsize: the one rate for libraries that know only one; equals `stepsize` where that is one.
        decay: rho of gamma_k = gamma k^-rho; 0 for a stepsize that does not fall so.
        stopping: P_R by name; `end` where the weights after all N iterations are the result.
        batch_size, iterations, epochs: B, N, and N B over the rows.
        keep_prob, dropout_rate: zeta and 1 - zeta.
        weight_bound: the box that it trains in, or one per layer; None without one.
        scaling: of the data file that it trains on; None without one.
        optimizer, schedule, warmup: SGD, what the stepsize does, and iterations of linear warm-up.
        cooldown: share of the iterations, the last ones, over which the stepsize falls linearly to 0; the
            schedule is then linear, and `cooled` gives its factor.
        source: raced and calibrated on the user's data, typical for its statistics, or a theorem's.
        learns: whether it ends better than a constant prediction.
        reason: why it does not, found by experiment, and what helps; empty where it does.
        loss: training loss that it reached, of a constant prediction `constant_loss`.
        held_out_error: share of held-out rows that are wrong; `constant_error` is that of always saying the
            commonest class.
        spread: the stepsize lies within a factor of this of the one shown, as far as halves, twins or seeds
            of the same measurement tell; 1 or more, or None where nothing was repeated.
    """

    stepsize: float | tuple[float, ...]
    common_stepsize: float
    decay: float
    stopping: str
    batch_size: int
    iterations: int
    epochs: float | None
    keep_prob: float
    dropout_rate: float
    weight_bound: float | tuple[float, ...] | None
    source: Source
    scaling: str | None = None
    optimizer: str = "sgd"
    schedule: Schedule = "constant"
    warmup: int = 0
    cooldown: float = 0.0
    learns: bool | None = None
    reason: str = ""
    loss: float | None = None
    constant_loss: float | None = None
    held_out_error: float | None = None
    constant_error: float | None = None
    spread: float | None = None


def cooled(iteration: int, iterations: int, cooldown: float) -> float:
    """Factor min(1, (N + 1 - k) / (c N + 1)) of the stepsize of iteration k, which would be 0 after the last.

    Args:
        iteration, iterations: k = 1..N, and N.
        cooldown: c, the share of the iterations over which it falls; 0 for a constant stepsize.

    Example:
        >>> [cooled(k, 4, 0.5) for k in range(1, 5)]
        [1.0, 1.0, 0.6666666666666666, 0.3333333333333333]
    """
    return min(1.0, (iterations + 1 - iteration) / (cooldown * iterations + 1))


@dataclass(frozen=True, slots=True)
class BoxGrowth:
    """What another box does to the same guarantee: without a target its bound, with one the iterations."""

    weight_bound: float
    bound: float | None
    iterations: int | None


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What a theorem promises, in one sentence that can be cited.

    Attributes:
        statement: the sentence, with its assumptions.
        stepsize, batch_size, iterations, runs: gamma, B, N and T that it holds for.
        bound, certified_bound: on the expected squared gradient norm.
        constants, equation: whose bound it is.
        proven: certified_bound <= bound, at the very P_R, N, B and gamma shown.
        vacuous: it is no better than the largest squared gradient norm possible.
        growth: the same for other boxes, where the network has one.
        decay, stopping, keep_prob: rho of gamma_k = gamma k^-rho, P_R by name, and zeta.
        eps, delta: of the target that it meets; None without one.
        claim: the sentence without its assumptions.
        comparison_rows: fresh rows for each run, if the runs are compared by gradients of a sample, with
            which the kept one has at most 4 eps with probability 1 - 2 delta; 0 for one run.
    """

    statement: str
    stepsize: float | tuple[float, ...]
    batch_size: int
    iterations: int
    runs: int
    bound: float
    certified_bound: float
    constants: str
    equation: str
    proven: bool
    vacuous: bool
    growth: tuple[BoxGrowth, ...] = ()
    decay: float = 0.0
    stopping: str = "uniform"
    keep_prob: float = 1.0
    eps: float | None = None
    delta: float | None = None
    claim: str = ""
    comparison_rows: int = 0
