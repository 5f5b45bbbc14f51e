"""Projected SGD without the noise floor that its projected gradient at the training stepsize has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from rsgadvise.records import dataclass
from rsgadvise.theory import FLOORLESS
from rsgadvise.theory.architecture import Architecture
from rsgadvise.theory.descent import Bound, FloatArray, Geometry, descent_bound
from rsgadvise.theory.objective import CertifiedMultilayer, DescentObjective, Objective, Plans
from rsgadvise.theory.theorems.randomized import Certified
from rsgadvise.theory.theorems.theorem import LATE

# With s = 1/U, F_s(W) = min over the box of f(V) + ||V - W||^2/(2s) and the projected gradient
# G_s(W) = (W - P(W - s grad f(W)))/s an iteration obeys (docs/theory.md derives it)
#
#     (1/2) gamma (1 - U gamma) ||G_s(W_k)||^2 <= F_s(W_k) - E F_s(W_{k+1}) + (U/2) gamma^2 sigma^2/B.
#
# Twice that is the descent argument without a box for the function 2 F_s, were it 2U-smooth, with the
# variance sigma^2: [T1] and the optima of `descent` hold for it. In any other convex set, as matrices of
# bounded singular values are, it is that of a F_s with a = 4(sqrt 2 - 1), s = (sqrt 2 - 1)^2/U, were it
# 2(sqrt 2 + 1)U-smooth, with the variance 2 sigma^2; and G is no larger at 1/U than at that s.

_FALL, _BEND, _NOISE = 4 * (math.sqrt(2) - 1), 2 * (math.sqrt(2) + 1), 2.0


@dataclass(frozen=True, slots=True)
class FloorlessLayers(CertifiedMultilayer):
    """A stepsize for each layer, the longest of which is gamma.

    In the coordinates W_l sqrt(gamma / gamma_l) it is one stepsize for all layers, with a smoothness of at
    most U and the variance sum_l (gamma_l/gamma) sigma_l^2; ||G_s||^2 is at most gamma / min_l gamma_l times
    as large as there. So equal stepsizes are best.
    """

    def bound(self, plans: Plans) -> Bound:
        longest = plans.stepsize.max(axis=-1)
        shares = plans.stepsize / longest[..., None]
        variances = self.variances(plans.keep_prob)
        bound = descent_bound(
            stepsize=longest,
            batch_size=plans.batch_size,
            iterations=plans.iterations,
            suboptimality=self.total.initial_loss,
            ceiling=self.total.ceiling,
            smoothness=self.total.smoothness(plans.keep_prob),
            gradient_variance=np.asarray(sum(shares[..., at] * each for at, each in enumerate(variances))),
            geometry=Geometry.FREE,
            decay=plans.schedule.decay,
            stopping=plans.schedule.stopping,
        )
        return Bound({name: term / shares.min(axis=-1) for name, term in bound.terms.items()})


class Floorless(Certified):
    """E||G_s(W^R)||^2 <= (2 D_f/(N gamma) + U sigma^2 gamma/B) / (1 - U gamma), s = 1/U, in a box.

    Of bounded singular values it is (4 D_f/(c N gamma) + 2c U sigma^2 gamma/B) / (1 - c U gamma), with
    c = sqrt 2 + 1.

    G_s is the projected gradient at the stepsize s, not at gamma < s that is trained with: at longer
    stepsizes it is no larger, at shorter ones no smaller. Other schedules by [T1].

    Source: the Moreau envelope, as in Davis and Drusvyatskiy, Stochastic model-based minimization of weakly
        convex functions, SIAM J. Optimization 29 (2019), with constants that are smaller.
    Kind: upper bound. Assumes: f is U-smooth in the box, unbiased gradients of variance at most sigma^2/B,
        0 < gamma < 1/U, of bounded singular values 1/(cU).
    """

    kinds = ("autoencoder",)
    constants = (FLOORLESS,)
    gradient_at = "1/U"
    bounded = "projected gradient at stepsize 1/U [T3]"
    geometry = Geometry.FREE
    plain: ClassVar[Mapping[str, str]] = {
        "initial_error": "2 D_f / (N γ e), e = 1 - U γ",
        "gradient_noise": "U σ² γ / (B e)",
    }
    general: ClassVar[Mapping[str, str]] = {
        "initial_error": "2 q_1 D_f, q_k = p_k / (γ_k (1 - U γ_k))",
        "late_stopping": f"2 {LATE}",
        "gradient_noise": "(U σ²/B) Σ q_k γ_k²",
    }
    in_ball: ClassVar[Mapping[str, str]] = {
        "initial_error": "4 D_f / (c N γ e), e = 1 - c U γ, c = √2 + 1",
        "gradient_noise": "2 c U σ² γ / (B e)",
    }
    general_in_ball: ClassVar[Mapping[str, str]] = {
        "initial_error": "(4/c) q_1 D_f, q_k = p_k / (γ_k (1 - c U γ_k)), c = √2 + 1",
        "late_stopping": f"(4/c) {LATE}",
        "gradient_noise": "2 c (U σ²/B) Σ q_k γ_k²",
    }

    @classmethod
    def formulas(cls, network: Architecture, *, plain: bool) -> Mapping[str, str]:
        if not network.spectral:
            return super().formulas(network, plain=plain)
        return cls.in_ball if plain else cls.general_in_ball

    @cached_property
    def _factors(self) -> tuple[float, float, float]:
        """(a, what stands for U over it, that for sigma^2), of the descent argument for a F_s."""
        return (_FALL, _BEND, _NOISE) if self.problem.spectral else (2.0, 2.0, 1.0)

    @cached_property
    def descent(self) -> DescentObjective:
        plain, (fall, bend, noise) = super().descent, self._factors
        return replace(
            plain,
            smoothness=lambda zeta: bend * self.smoothness(zeta),
            variance=lambda zeta: noise * self.variance(zeta),
            initial_loss=fall * plain.initial_loss,
            ceiling=fall * plain.ceiling,
        )

    def gradient_stepsize(self, keep_prob: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            return np.asarray(1 / self.smoothness(keep_prob))

    def curvature_share(self, stepsize: FloatArray, keep_prob: FloatArray) -> FloatArray:
        longest = stepsize.max(axis=-1) if self.problem.layered else stepsize
        share = self._factors[1] / 2 * longest * self.smoothness(keep_prob)
        return np.asarray(np.where(share <= 1, share, np.inf))


class FloorlessMultilayer(Floorless):
    """The same with a stepsize and a variance for each layer."""

    kinds = ("multilayer",)

    @cached_property
    def objective(self) -> Objective:
        noise, of_layers = self._factors[2], self._network.layer_variances
        return FloorlessLayers(
            total=self.descent,
            variances=lambda zeta: [noise * variance for variance in of_layers(zeta)],
            depth=self.problem.stepsizes,
        )
