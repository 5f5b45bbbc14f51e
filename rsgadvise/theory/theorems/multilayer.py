"""Corollaries V.1 and VI.1: several layers in a box, pretrained or not, with dropout or without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from rsgadvise.theory import multilayer, multilayer_optimum, multilayer_plan
from rsgadvise.theory.descent import Bound, FloatArray
from rsgadvise.theory.objective import Range, Schedule
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems.theorem import LATE, Theorem


@dataclass(frozen=True, slots=True)
class PaperMultilayer:
    """Both for one network."""

    net: multilayer.Structure
    initial_loss: float
    ceiling: float

    def bound(
        self,
        stepsize: FloatArray,
        keep_prob: FloatArray,
        batch: FloatArray,
        n: FloatArray,
        schedule: Schedule,
    ) -> Bound:
        return multilayer.dropout_bound(
            net=self.net,
            stepsize=stepsize,
            keep_prob=keep_prob,
            batch_size=batch,
            iterations=n,
            initial_loss=self.initial_loss,
            ceiling=self.ceiling,
            decay=schedule.decay,
            stopping=schedule.stopping,
        )

    def largest_stepsizes(self, keep_prob: FloatArray) -> FloatArray:
        limits = np.stack(
            [np.asarray(limit, dtype=np.float64) for limit in multilayer.stepsize_limits(self.net)]
        )
        return np.broadcast_to(limits, (*np.shape(keep_prob), limits.size))

    def optimum(
        self, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule
    ) -> tuple[FloatArray, FloatArray]:
        return multilayer_optimum.optimal_hyperparameters(
            net=self.net,
            batch_size=batch,
            iterations=n,
            initial_loss=self.initial_loss,
            ceiling=self.ceiling,
            keep_prob=keep_prob,
            decay=schedule.decay,
            stopping=schedule.stopping,
        )

    def best_keep_prob(
        self, stepsize: FloatArray, batch: FloatArray, n: FloatArray, keep_prob: Range, schedule: Schedule
    ) -> FloatArray:
        shape = np.broadcast_shapes(batch.shape, n.shape)
        if np.any(stepsize >= self.largest_stepsizes(np.ones(()))):
            return np.full(shape, keep_prob[0])  # out of range at all of them, which the bound will say
        full = self.bound(stepsize, np.ones(()), batch, n, schedule)
        return np.broadcast_to(multilayer_optimum.best_keep_prob(full, *keep_prob), shape).copy()

    def required_iterations(
        self, target: FloatArray, batch: FloatArray, keep_prob: Range
    ) -> tuple[FloatArray, FloatArray]:
        return multilayer_plan.required_iterations(
            net=self.net, target=target, batch_size=batch, initial_loss=self.initial_loss, keep_prob=keep_prob
        )

    def smallest_batch(self, target: FloatArray, lowest_keep_prob: float) -> FloatArray:
        return multilayer.smallest_batch_size(net=self.net, target=target, lowest_keep_prob=lowest_keep_prob)


class Multilayer(Theorem):
    """Bounds (12) and (13), with a stepsize for each layer and no smoothness of the whole."""

    kinds = ("multilayer",)
    constants = ("paper",)
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

    def curvature_share(self, stepsize: FloatArray, keep_prob: FloatArray) -> FloatArray:
        inside = np.less_equal(stepsize, self.objective.largest_stepsizes(keep_prob))
        columns = [stepsize[..., index] for index in range(stepsize.shape[-1])]
        share = multilayer.descent_scale(self.objective.net, columns)[1]
        return np.asarray(np.where(inside.all(axis=-1), share, np.inf))

    @classmethod
    def source(cls, *, dropout: bool) -> str:
        return "Corollary VI.1, equation (13)" if dropout else "Corollary V.1, equation (12)"
