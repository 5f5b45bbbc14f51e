"""Corollaries V.1 and VI.1: several layers in a box, pretrained or not, with dropout or without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from rsgadvise.records import dataclass
from rsgadvise.theory import multilayer, multilayer_optimum
from rsgadvise.theory.certified import certified_constants, certified_network
from rsgadvise.theory.descent import Bound, FloatArray
from rsgadvise.theory.objective import Plans, Range, Schedule
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems.theorem import LATE, Theorem


@dataclass(frozen=True, slots=True)
class PaperMultilayer:
    """Both for one network."""

    net: multilayer.Structure
    initial_loss: float
    ceiling: float
    for_loss: ClassVar[bool] = False

    def bound(self, plans: Plans) -> Bound:
        return multilayer.dropout_bound(
            net=self.net,
            stepsize=plans.stepsize,
            keep_prob=plans.keep_prob,
            batch_size=plans.batch_size,
            iterations=plans.iterations,
            initial_loss=self.initial_loss,
            ceiling=self.ceiling,
            decay=plans.schedule.decay,
            stopping=plans.schedule.stopping,
        )

    def largest_stepsizes(self, keep_prob: FloatArray) -> FloatArray:
        limits = np.stack(np.broadcast_arrays(*multilayer.stepsize_limits(self.net)), axis=-1)
        return np.broadcast_to(limits, (*np.shape(keep_prob), limits.shape[-1]))

    def optimum(self, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule) -> Plans:
        stepsize, zeta = multilayer_optimum.optimal_hyperparameters(
            net=self.net,
            batch_size=batch,
            iterations=n,
            initial_loss=self.initial_loss,
            ceiling=self.ceiling,
            keep_prob=keep_prob,
            decay=schedule.decay,
            stopping=schedule.stopping,
        )
        return Plans(stepsize, zeta, batch, n, schedule)

    def best_keep_prob(self, plans: Plans, keep_prob: Range) -> FloatArray:
        if np.any(plans.stepsize >= self.largest_stepsizes(np.ones(()))):
            return np.full(plans.shape, keep_prob[0])  # out of range at all of them, which the bound will say
        full = self.bound(replace(plans, keep_prob=np.ones(())))
        return np.broadcast_to(multilayer_optimum.best_keep_prob(full, *keep_prob), plans.shape).copy()

    def required_iterations(
        self, target: FloatArray, batch: FloatArray, keep_prob: Range
    ) -> tuple[FloatArray, FloatArray]:
        return multilayer_optimum.required_iterations(
            net=self.net, target=target, batch_size=batch, initial_loss=self.initial_loss, keep_prob=keep_prob
        )

    def smallest_batch(self, target: FloatArray, lowest_keep_prob: float) -> FloatArray:
        return multilayer.smallest_batch_size(net=self.net, target=target, lowest_keep_prob=lowest_keep_prob)


class Multilayer(Theorem):
    """Bounds (12) and (13), with a stepsize for each layer and no smoothness of the whole."""

    kinds = ("multilayer",)
    constants = ("paper",)
    sigmoids = True
    by_layer = True
    printed = ("(12)", "(13)")
    plain: ClassVar[Mapping[str, str]] = {
        "initial_error": "D_f / (N g ζ²), g = min_l γ_l - b_l γ_l²",
        "output_noise": "e_L / (B g ζ), e_L = 13 d_{L-1} d_L γ_L² / 256",
        "top_hidden_noise": "α e_{L-1} / (B g), e_l = d_{l-1} d_l d_{l+1} w_l γ_l / 4",
        "lower_hidden_noise": "α ζ Σ_{l<L-1} e_l / (B g)",
    }
    general: ClassVar[Mapping[str, str]] = {
        "initial_error": "q_1 D_f / ζ², q_k = p_k / g_k, g_k the least descent of iteration k",
        "late_stopping": f"{LATE} / ζ²",
        "output_noise": "13 d_{L-1} d_L / (256 B ζ) Σ q_k γ_{L,k}²",
        "top_hidden_noise": "α k_{L-1} / B Σ q_k γ_{L-1,k}, k_l = d_{l-1} d_l d_{l+1} w_l / 4",
        "lower_hidden_noise": "α ζ / B Σ_{l<L-1} k_l Σ q_k γ_{l,k}",
    }

    @cached_property
    def objective(self) -> PaperMultilayer:
        problem = self.problem
        net = multilayer.structure(
            layers=problem.layers, weight_bound=problem.weight_bounds, pretraining=problem.pretraining
        )
        return PaperMultilayer(net=net, initial_loss=problem.initial_loss, ceiling=problem.largest_loss)

    @classmethod
    def pretrained(cls, problem: Problem) -> bool:
        return len(problem.layers) > 2

    def smoothness_taken(self, keep_prob: FloatArray, at_zero: float) -> tuple[float, str, float]:
        curvatures = [2 * float(b) for b in self.objective.net.curvatures]
        if at_zero > curvatures[-1]:
            return curvatures[-1], "2 b_L", at_zero
        return min(curvatures), "2 min_l b_l", 0.0  # what is known at W = 0 is about the last layer alone

    def variance_taken(self, stepsize: FloatArray, keep_prob: FloatArray) -> tuple[float, float, str]:
        """What (13) takes for sigma_l^2."""
        zeta, net = float(keep_prob), self.objective.net
        alpha = float(net.pretraining)
        taken = [
            alpha * float(k) * (1.0 if layer == len(net.hidden_noise) else zeta)
            for layer, k in enumerate(net.hidden_noise, 1)
        ]
        taken.append(float(net.output_noise) * float(stepsize[-1]) / zeta)
        certain = [float(value) for value in certified_network(self.problem).layer_variances(keep_prob)]
        shares = [a / b if b > 0 else np.inf for a, b in zip(taken, certain, strict=True)]
        worst = int(np.argmin(shares))
        return taken[worst], certain[worst], f"σ² of layer {worst + 1}"

    def lacking(self, terms: Mapping[str, float], keep_prob: FloatArray, batch: float) -> tuple[float, str]:
        noise = float(certified_constants(self.problem, keep_prob).gradient_variance) / batch
        missing = noise + 2 * float(np.sqrt(sum(terms.values()) * noise))
        return missing, "S + 2 √(A S), S the certified σ²/B"

    def curvature_share(self, stepsize: FloatArray, keep_prob: FloatArray) -> FloatArray:
        inside = np.less_equal(stepsize, self.objective.largest_stepsizes(keep_prob))
        columns = [stepsize[..., index] for index in range(stepsize.shape[-1])]
        share = multilayer.descent_scale(self.objective.net, columns)[1]
        return np.asarray(np.where(inside.all(axis=-1), share, np.inf))

    @classmethod
    def source(cls, *, dropout: bool) -> str:
        return "Corollary VI.1, equation (13)" if dropout else "Corollary V.1, equation (12)"
