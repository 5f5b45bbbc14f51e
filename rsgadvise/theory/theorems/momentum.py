"""The heavy ball: certified constants of a network without a box that is trained with momentum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from rsgadvise.errors import HypothesisError
from rsgadvise.records import dataclass
from rsgadvise.theory.descent import Bound, FloatArray, check_stepsize
from rsgadvise.theory.objective import DerivedObjective, Objective, Plans, Range, Schedule
from rsgadvise.theory.optimizers import SGD
from rsgadvise.theory.optimizers.momentum import Momentum
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems.randomized import CertifiedFree

# With eta = gamma/(1 - beta), z_k = W_k - beta eta v_{k-1} moves by -eta G_k, so that f(z_k) descends as for
# SGD of stepsize eta, but by the gradient at W_k. That is U beta eta ||v_{k-1}|| from the one at z_k at most,
# which the two terms with a root of 2 pay for (docs/theory.md). It is the descent argument for another
# smoothness and variance: its optima hold for eta.


@dataclass(frozen=True, slots=True)
class HeavyBallObjective(DerivedObjective):
    """`inner` says of eta = gamma/(1 - beta) what this says of gamma.

    Attributes:
        beta: of the momentum.
    """

    beta: float

    def bound(self, plans: Plans) -> Bound:
        schedule = plans.schedule
        if not schedule.plain:
            key, needed = ("decay", "0") if schedule.decay else ("stopping", "uniform")
            got = schedule.decay or (schedule.stopping if isinstance(schedule.stopping, str) else "a list")
            raise HypothesisError(
                f"must be {needed} for a bound on momentum; got {got}; change it, or train with {SGD}",
                quantity=f"training.{key}",
            )
        with np.errstate(divide="ignore"):
            smoothness = np.asarray(2 / self.largest_stepsizes(plans.keep_prob))
        check_stepsize(plans.stepsize, smoothness)
        return self.inner.bound(replace(plans, stepsize=plans.stepsize / (1 - self.beta)))

    def largest_stepsizes(self, keep_prob: FloatArray) -> FloatArray:
        return (1 - self.beta) * self.inner.largest_stepsizes(keep_prob)

    def optimum(self, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule) -> Plans:
        plans = self.inner.optimum(batch, n, keep_prob, schedule)
        return replace(plans, stepsize=(1 - self.beta) * plans.stepsize)

    def best_keep_prob(self, plans: Plans, keep_prob: Range) -> FloatArray:
        return self.inner.best_keep_prob(replace(plans, stepsize=plans.stepsize / (1 - self.beta)), keep_prob)


class HeavyBall(CertifiedFree):
    """E||grad f(W^R)||^2 <= [D_f/(N eta) + (U eta sigma^2/(2B)) (1 + sqrt(2) beta/(1 + beta))] / e.

    eta = gamma/(1 - beta) and e = 1 - U eta/2 - sqrt(2) U eta beta/(1 - beta); beta = 0 is the bound of SGD.

    Source: the sequence z_k of Ghadimi, Feyzmahdavian and Johansson, Global convergence of the heavy-ball
        method for convex optimization (2015), on which Liu, Gao and Yin, An improved analysis of stochastic
        gradient descent with momentum (2020), rests too.
    Kind: upper bound. Assumes: f is U-smooth, unbiased gradients of variance at most sigma^2/B, constant
        stepsizes with e > 0, uniform R, v_0 = 0, no box.

    Raises:
        TypeError: the problem is about another optimiser.
    """

    optimizers = ("momentum",)
    plain_only = True
    plain: ClassVar[Mapping[str, str]] = {
        "initial_error": "D_f / (N η e), η = γ/(1-β), e = 1 - U η (1/2 + √2 β/(1-β))",
        "gradient_noise": "U σ² η (1 + √2 β/(1+β)) / (2 B e)",
    }

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        if not isinstance(problem.optimizer, Momentum):
            raise TypeError(f"this is about momentum, not {problem.optimizer.title}")
        self._beta = problem.optimizer.beta

    @cached_property
    def objective(self) -> Objective:
        beta = self._beta
        steeper = 1 + 2 * math.sqrt(2) * beta / (1 - beta)
        noisier = 1 + math.sqrt(2) * beta / (1 + beta)
        inner = replace(
            self.descent,
            smoothness=lambda zeta: steeper * self.smoothness(zeta),
            variance=lambda zeta: noisier / steeper * self.variance(zeta),
        )
        return HeavyBallObjective(inner, beta)

    @classmethod
    def source(cls, *, dropout: bool) -> str:
        return "randomized stopping theorem for momentum [T4]"
