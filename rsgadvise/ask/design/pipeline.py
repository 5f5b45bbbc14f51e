"""All stages of the training of one network: pretraining and fine-tuning, and which way costs least.

The paper pretrains every hidden layer to an (alpha, delta_alpha)-solution of its autoencoder (4), as in
Definition 1, and says no more of what that costs. Here the cost is that of the least plan by which (11)
guarantees it; fine-tuning then costs what (13) with that alpha asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import cast

import numpy as np

from rsgadvise.advise.results import as_stepsize
from rsgadvise.advise.solve import solve
from rsgadvise.advise.space import Goal, Limit, Space, without_limits
from rsgadvise.ask.design.results import SCRATCH, Mix, Pipeline, Stage
from rsgadvise.ask.design.screening import MULTIPLICATIONS
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.constants import InputMoments
from rsgadvise.theory.descent import FloatArray
from rsgadvise.theory.judge import Plan, judge, objective_for
from rsgadvise.theory.objective import Objective, Schedule
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.search import distinct, minimize_scan, whole_grid
from rsgadvise.theory.theorems import theorem_of

PRETRAINED = "one alpha for all layers"
GIVEN = "alpha of the spec"

AUTOENCODER_PASSES = 6
"""Multiply-adds per weight and example of an autoencoder: its matrix encodes and decodes."""

_SAME = 1e-3  # relative difference of two plans' costs below which they count as one
_ROUNDING = 1e-9
_SIZES = 129  # batch sizes of a range that are compared for each tolerance
_BELOW_ONE = -1e-9  # log of the largest tolerance that counts as pretraining

_ASSUMED = (
    "The cost of pretraining is that of the least plan by which (11) guarantees alpha: the paper calls a "
    "layer pretrained to an (alpha, delta_alpha)-solution as in Definition 1, and gives no plan for it.",
    "alpha = 1 stands for a layer without pretraining; (12) and (13) do not say what an untrained layer has.",
    "f(W1) of the fine-tuning stays the same whatever pretraining does; the paper's D_f is that after it.",
    "The inputs of layers above the first have the largest moments that sigmoid units in the box can have.",
    "Each autoencoder starts at its largest possible loss, d_{l-1}, and has the batch sizes, the keep "
    "probabilities and the number of runs of the fine-tuning; delta_alpha is the target's delta.",
)


def hidden_moments(below: InputMoments, length: int, weight_bound: float) -> InputMoments:
    """Moments that no hidden layer above inputs with the given moments exceeds.

    A unit is sigma(w x) with |w_j| <= w, so at most sigma(w |x|_1), and sigma is concave above 0:
    by Jensen's inequality its mean is at most m = sigma(w d mu). Hence mu <= m, tau <= m^2, and
    E||h||^2/d <= m sigma(w d), which is at most m times the largest value of a unit.

    Kind: upper bound. Assumes: x in [0, 1], and weights in the box.

    Args:
        below: moments of the layer's inputs.
        length: units of the layer.
        weight_bound: w.
    """

    def sigmoid(s: float) -> float:
        return float(1 / (1 + np.exp(-s)))

    mean = sigmoid(weight_bound * below.dim * below.mean)
    second = mean * sigmoid(weight_bound * below.dim)
    return InputMoments(
        dim=length,
        mean=mean,
        mean_square=mean**2,
        second_moment=second,
        top_eigenvalue=length * second,
        largest_norm=below.largest_norm,  # beyond [0, 1] the paper's theorem is about no layer
    )


def layer_problem(problem: Problem, level: int) -> Problem:
    """The autoencoder that pretrains hidden layer `level` (1 is the first): inputs d_{l-1}, units d_l.

    Its loss starts at most at d_{l-1}, the largest possible.
    """
    moments = problem.moments
    for below in range(1, level):
        moments = hidden_moments(moments, problem.layers[below], problem.weight_bounds[below - 1])
    inputs, units = problem.layers[level - 1 : level + 1]
    return replace(
        problem,
        kind="autoencoder",
        layers=(inputs, units),
        weight_bounds=(problem.weight_bounds[level - 1],),
        pretraining=1.0,
        moments=moments,
        initial_loss=float(inputs),
        measured=None,
    )


class Stages:
    """The stages of the training of one network, and how their costs are counted.

    Args:
        problem: multilayer, with at least one hidden layer; its own alpha is left aside.
        space: batch sizes and keep probabilities of all stages, and the target's delta; its limits on work
            are left aside.
        constants: behind the fine-tuning; pretraining is planned with the paper's (11).
        runs: T, of every stage.

    Attributes:
        shrink: delta^(1/T), so that a run has to reach eps delta^(1/T) in the mean.
        layers: the autoencoder of each hidden layer.
        layer_weights: multiply-adds per example of each layer's pretraining, the layers below included.
        weight: multiply-adds per example of the fine-tuning.
    """

    def __init__(self, problem: Problem, space: Space, *, constants: ConstantsName, runs: int) -> None:
        sizes = [(before + problem.bias) * after for before, after in pairwise(problem.layers)]
        hidden = len(problem.layers) - 2
        self.problem, self.space, self.constants, self.runs = problem, space, constants, runs
        self.shrink = 1.0 if space.goal is None else float(space.goal.delta ** (1 / runs))
        self.layers = tuple(layer_problem(problem, level + 1) for level in range(hidden))
        self.layer_weights = tuple(
            AUTOENCODER_PASSES * sizes[level] + sum(sizes[:level]) for level in range(hidden)
        )
        self.weight = MULTIPLICATIONS * sum(sizes)

    @property
    def tuned(self) -> bool:
        """Whether the bound of the fine-tuning depends on alpha."""
        return theorem_of(self.problem.kind, self.constants).pretrained(self.problem)

    @cached_property
    def objectives(self) -> tuple[Objective, ...]:
        """Of each layer's autoencoder, with the paper's (11)."""
        return tuple(objective_for(layer, "paper") for layer in self.layers)

    @cached_property
    def batches(self) -> FloatArray:
        """Batch sizes to compare: those allowed, or a dense grid over their range."""
        sizes = np.asarray(self.space.batch_sizes, dtype=np.float64)
        return distinct(whole_grid(sizes[0], sizes[-1], _SIZES)) if self.space.batch_range else sizes

    def smallest_batches(self) -> list[float]:
        """For each hidden layer, the batch size below which (11) pretrains it to no tolerance below 1."""
        return [
            min(
                float(objective.smallest_batch(np.asarray(self.shrink), zeta))
                for keep in self.space.keep_probs
                for zeta in keep  # (10) may be least at either end
            )
            for objective in self.objectives
        ]

    def work(self, alpha: FloatArray, target: float) -> FloatArray:
        """Multiply-adds of all stages with each alpha, for real N; inf where a stage reaches no target.

        Args:
            alpha: below 1 all hidden layers are pretrained to it, at 1 none is.
            target: the bound that each run of the fine-tuning has to reach.
        """
        tuned = self.problem.changed(pretraining=cast("float", alpha[..., None]))
        objective = theorem_of(tuned.kind, self.constants)(tuned).objective
        total = self.weight * self._samples(objective, np.full(alpha.shape, target))
        for weight, own in zip(self.layer_weights, self.objectives, strict=True):
            total = total + weight * np.where(alpha < 1, self._samples(own, alpha * self.shrink), 0.0)
        return total * self.runs

    def _samples(self, objective: Objective, target: FloatArray) -> FloatArray:
        """The least N B of the batch sizes, N at least 1; inf where none reaches the target."""
        batch, wide = np.broadcast_arrays(self.batches, target[..., None])
        least = np.full(target.shape, np.inf)
        for keep in self.space.keep_probs:
            real, _ = objective.required_iterations(wide, batch, keep)
            least = np.minimum(least, (np.maximum(real, 1.0) * batch).min(axis=-1))
        return least

    def cheapest_alpha(self, target: float) -> float | None:
        """The tolerance below 1, the same in all layers as in the corollaries, that costs least.

        Returns:
            None where no batch size allowed reaches the target with any.
        """
        # Below this no batch size allowed pretrains some layer.
        least = max(self.smallest_batches()) / float(self.batches[-1])
        low = min(float(np.log(max(least, 1e-30))) + 1e-6, _BELOW_ONE)
        ends = np.full(1, low), np.full(1, _BELOW_ONE)
        alphas = np.exp(minimize_scan(lambda logs: self.work(np.exp(logs), target), *ends))
        return float(alphas[0]) if np.isfinite(self.work(alphas, target)[0]) else None


def plan_pipeline(
    problem: Problem,
    space: Space,
    *,
    constants: ConstantsName,
    target: float,
    runs: int,
    ranked: Plan | None = None,
) -> Pipeline:
    """The ways to train a network, each with the least work that reaches a target.

    Args:
        problem: multilayer, with at least one hidden layer.
        space: what may be chosen; its limits on work are left aside, and a plan beyond them is noted.
        constants: behind the fine-tuning; pretraining is always planned with the paper's (11).
        target: the bound that each run has to reach in the mean.
        runs: T of every stage.
        ranked: the plan by which this network was ranked. Where it is the fine-tuning that an option asks
            for and costs no more, up to `_SAME`, it is that option's, so that one network has one plan.
    """
    stages = Stages(problem, space, constants=constants, runs=runs)
    known = None if ranked is None or not ranked.schedule.plain else ranked
    given = problem.pretraining
    options = [_mix(stages, SCRATCH, 1.0, target, known if given >= 1 else None)]
    notes, assumed = list[str](), tuple[str, ...]()
    if not stages.tuned:
        notes.append(
            "No certified bound depends on alpha, so nothing proven is gained by pretraining; it only "
            "adds cost."
        )
    else:
        assumed = _ASSUMED
        alpha = stages.cheapest_alpha(target)
        if alpha is not None:
            options.append(_mix(stages, PRETRAINED, alpha, target))
        elif given >= 1:
            options.append(Mix(PRETRAINED, 0.0, _claim(stages, PRETRAINED)))
        if given < 1:
            options.append(_mix(stages, GIVEN, given, target, known))
        notes += _unreachable(stages)
    feasible = [option for option in options if option.work is not None]
    best = min(feasible, key=lambda option: option.work or 0) if feasible else None
    notes += _notes(stages, options, best)
    return Pipeline(
        layers=problem.layers,
        target=target,
        options=tuple(options),
        cheapest=None if best is None else best.name,
        notes=tuple(notes),
        assumed=assumed,
    )


def _claim(stages: Stages, name: str) -> str:
    plain = name == SCRATCH or not stages.tuned
    return stages.constants if plain else f"{stages.constants}, its cost assumed"


def _exact(stages: Stages, objective: Objective, target: float) -> Plan | None:
    """The plan with the fewest samples, as `recommend` finds it."""
    free = replace(
        without_limits(stages.space), goal=Goal(target, 1.0, 1), schedules=(Schedule(),), cost=None
    )
    rows = solve(objective, free)
    if not rows.batch.size:
        return None
    row = rows.take(np.asarray([np.argmin(rows.total)]))
    return Plan(
        row.stepsize[0], float(row.keep_prob[0]), float(row.batch[0]), float(row.iterations[0]), Schedule()
    )


def _samples(plan: Plan) -> int:
    return int(plan.iterations) * int(plan.batch_size)


def _mix(stages: Stages, name: str, alpha: float, target: float, known: Plan | None = None) -> Mix:
    """One way to train; `known` is a plan of the fine-tuning that is kept where it is as good."""
    pretraining = list[Stage]()
    refused = Mix(name, alpha, _claim(stages, name))
    if alpha < 1:
        for level, own in enumerate(stages.layers):
            plan = _exact(stages, stages.objectives[level], alpha * stages.shrink)
            if plan is None:
                return refused
            stage = _stage(stages, own, "paper", plan, stages.layer_weights[level])
            pretraining.append(replace(stage, layer=level + 1))
    tuned = replace(stages.problem, pretraining=alpha) if stages.tuned else stages.problem
    objective = objective_for(tuned, stages.constants)
    plan = _exact(stages, objective, target)
    if known is not None and float(known.bound(objective).value) <= target * (1 + _ROUNDING):
        plan = known if plan is None or _samples(known) <= _samples(plan) * (1 + _SAME) else plan
    if plan is None:
        return refused
    tuning = _stage(stages, tuned, stages.constants, plan, stages.weight)
    total = tuning.work + sum(layer.work for layer in pretraining)
    return replace(
        refused,
        pretraining=tuple(pretraining),
        fine_tuning=tuning,
        samples=tuning.samples + sum(layer.samples for layer in pretraining),
        work=total,
        share=(total - tuning.work) / total,
    )


def _stage(stages: Stages, problem: Problem, constants: ConstantsName, plan: Plan, weight: int) -> Stage:
    judged = judge(problem, plan, constants)
    samples = _samples(plan) * stages.runs
    return Stage(
        layer=None,
        layers=problem.layers,
        stepsize=as_stepsize(plan.stepsize),
        batch_size=int(plan.batch_size),
        iterations=int(plan.iterations),
        runs=stages.runs,
        keep_prob=plan.keep_prob,
        bound=judged.value,
        certified_bound=judged.sure,
        certified_vacuous=judged.certified_vacuous,
        vacuous=judged.vacuous,
        limit=judged.limit,
        samples=samples,
        work=weight * samples,
    )


def _unreachable(stages: Stages) -> list[str]:
    """Layers that no batch size allowed pretrains to any tolerance below 1, and what would."""
    largest = float(stages.batches[-1])
    return [
        f"Layer {level} cannot be pretrained to any alpha below 1 with a batch size of at most "
        f"{largest:,.0f}: by (11) that takes more than {needed:,.0f}. Allow it in search.batch_size."
        for level, needed in enumerate(stages.smallest_batches(), start=1)
        if needed >= largest
    ]


def _listed(layers: Sequence[Stage]) -> str:
    return ", ".join(map(str, sorted({layer.layer or 0 for layer in layers})))


def _notes(stages: Stages, options: Sequence[Mix], best: Mix | None) -> list[str]:
    if best is None or best.fine_tuning is None:
        return ["No way of training reaches the target with the batch sizes allowed."]
    notes, tuning = [], best.fine_tuning
    if stages.tuned:
        trivial = [layer for mix in options for layer in mix.pretraining if mix.alpha >= layer.limit]
        if trivial:
            notes.append(
                f"Layer {_listed(trivial)}: any weights in the box meet alpha, since no squared gradient "
                "norm exceeds it; pretraining to it costs nothing and says nothing."
            )
        unproven = [each for mix in options for each in mix.pretraining if each.certified_bound > each.bound]
        if unproven:
            notes.append(
                f"Not proven for this data: that these plans pretrain layer {_listed(unproven)} to alpha. "
                "With constants that hold for any data the bound is larger."
            )
        notes.append(
            "That a small alpha lowers the bound of the fine-tuning is the paper's claim; no certified bound "
            "contains alpha."
        )
    if tuning.certified_bound > tuning.bound:
        notes.append(
            "Not proven for this data: the bound that the fine-tuning reaches; the certified one is "
            f"{tuning.certified_bound:.4g}"
            f"{', the largest gradient possible' if tuning.certified_vacuous else ''}."
        )
    if tuning.vacuous:
        notes.append("The bound that the fine-tuning reaches is vacuous: no gradient is larger anyway.")
    space, every = stages.space, (*best.pretraining, tuning)
    limits = [limit.key for limit in space.limits if _beyond(limit, every)]
    if any(stage.iterations > space.iterations[1] for stage in every):
        limits.append(space.iterations_key)
    if limits:
        notes.append(f"The cheapest way takes more than {' and '.join(limits)} allows.")
    return notes


def _beyond(limit: Limit, stages: Sequence[Stage]) -> bool:
    spent = sum(
        stage.runs * stage.iterations * (limit.fixed + limit.each * stage.batch_size) for stage in stages
    )
    return spent > limit.amount * (1 + 1e-9)
