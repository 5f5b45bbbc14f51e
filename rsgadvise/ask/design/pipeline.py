"""All stages of the training of one network: pretraining, fine-tuning, and which mix costs least."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from rsgadvise.advise.results import as_stepsize
from rsgadvise.advise.solve import solve
from rsgadvise.advise.space import Goal, Limit, Space, without_limits
from rsgadvise.ask.design.mixing import (
    Stages,
    cheapest_mix,
    cheapest_uniform,
    flip_of,
    layer_problem,
    pretraining_pays,
    price_flip,
    stages_of,
)
from rsgadvise.ask.design.results import SCRATCH, FineTuning, Flip, Mix, Pipeline, PretrainedLayer
from rsgadvise.ask.design.screening import work_of
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.judge import Plan, judge
from rsgadvise.theory.objective import Objective, Schedule
from rsgadvise.theory.problem import Problem

COMMON = "one alpha for all layers"
EACH = "one alpha per layer"
GIVEN = "alpha of the spec"
PRETRAINING = "some pretraining"
NOTHING = "neither is feasible"

_DECADES = 3  # of the target, below and above, in which flips are looked for
_GRID = 10
_SAME = 1e-3  # relative difference of two plans' costs below which they count as one
_ROUNDING = 1e-9
_PRICE_CHECK = 1e-3  # relative distance from the price at which the choice is checked on both sides

_ASSUMED = (
    "The cost of pretraining is that of the least plan by which (11) guarantees alpha_l: the paper calls a "
    "layer pretrained to an (alpha, delta_alpha)-solution as in Definition 1, and gives no plan for it.",
    "alpha = 1 stands for a layer without pretraining; (12) and (13) do not say what an untrained layer has.",
    "f(W1) of the fine-tuning stays the same whatever pretraining does; the paper's D_f is that after it.",
    "The inputs of layers above the first have the largest moments that sigmoid units in the box can have.",
    "Each autoencoder starts at its largest possible loss, d_{l-1}, and has the batch sizes, the keep "
    "probabilities and the number of runs of the fine-tuning; delta_alpha is the target's delta.",
)
_ASSUMED_EACH = (
    "One alpha per layer: alpha_l takes the place of alpha in b_l and e_l. The corollaries have one alpha "
    "for all hidden layers."
)


def plan_pipeline(
    problem: Problem,
    space: Space,
    *,
    constants: ConstantsName,
    target: float,
    runs: int,
    ranked: Plan | None = None,
) -> Pipeline:
    """The ways to train a network, each with the least work that reaches a target, and where it changes.

    Args:
        problem: multilayer, with at least one hidden layer.
        space: what may be chosen; its limits on work are left aside, and a plan beyond them is noted.
        constants: behind the fine-tuning; pretraining is always planned with the paper's (11).
        target: the bound that each run has to reach in the mean.
        runs: T of every stage.
        ranked: the plan by which this network was ranked. Where it is the fine-tuning that an option asks
            for and costs no more, up to `_SAME`, it is that option's, so that one network has one plan.
    """
    stages = stages_of(problem, space, constants=constants, runs=runs)
    hidden = stages.hidden
    known = None if ranked is None or not ranked.schedule.plain else ranked
    options = [_mix(stages, SCRATCH, (1.0,) * hidden, target, known if problem.pretraining >= 1 else None)]
    notes, assumed = list[str](), list[str]()
    found = tuple[Flip, ...]()
    if not stages.tuned:
        notes.append(
            "No certified bound depends on alpha, so nothing proven is gained by pretraining; it only "
            "adds cost."
        )
    else:
        common, each = cheapest_uniform(stages, target), cheapest_mix(stages, target)
        if common is not None:
            options.append(_mix(stages, COMMON, common.alpha, target))
        if each is not None and (hidden > 1 or common is None):
            options.append(_mix(stages, EACH, each.alpha, target))
        if problem.pretraining < 1:
            options.append(_mix(stages, GIVEN, (problem.pretraining,) * hidden, target, known))
        assumed += _ASSUMED if hidden == 1 else (*_ASSUMED, _ASSUMED_EACH)
        notes += _unreachable(stages)
        if each is not None:
            found = (*_target_flips(stages, space, target), *_price_flips(stages, target))
        elif problem.pretraining >= 1:
            options.append(Mix(COMMON, (0.0,) * hidden, _claim(stages, COMMON)))
    feasible = [option for option in options if option.work is not None]
    best = min(feasible, key=lambda option: option.work or 0) if feasible else None
    notes += _notes(stages, space, options, best)
    return Pipeline(
        layers=problem.layers,
        target=target,
        options=tuple(options),
        cheapest=None if best is None else best.name,
        flips=found,
        notes=tuple(notes),
        assumed=tuple(assumed),
    )


def _claim(stages: Stages, name: str) -> str:
    whose = stages.constants
    if not stages.tuned:
        return whose
    return {SCRATCH: whose, EACH: "assumed"}.get(name, f"{whose}, its cost assumed")


def _exact(stages: Stages, objective: Objective, target: float) -> tuple[Plan, int] | None:
    """The plan with the fewest samples, as `recommend` finds it, and these over all runs."""
    free = replace(
        without_limits(stages.space), goal=Goal(target, 1.0, 1), schedules=(Schedule(),), cost=None
    )
    rows = solve(objective, free)
    if not rows.batch.size:
        return None
    row = rows.take(np.asarray([np.argmin(rows.total)]))
    plan = Plan(
        row.stepsize[0], float(row.keep_prob[0]), float(row.batch[0]), float(row.iterations[0]), Schedule()
    )
    return plan, int(row.total[0]) * stages.runs


def _mix(
    stages: Stages, name: str, alpha: tuple[float, ...], target: float, known: Plan | None = None
) -> Mix:
    """One way to train; `known` is a plan of the fine-tuning that is kept where it is as good."""
    claim = _claim(stages, name)
    layers = list[PretrainedLayer]()
    refused = Mix(name, alpha, claim)
    for level, tolerance in enumerate(alpha):
        if tolerance >= 1:
            continue
        plan = _exact(stages, stages.layers[level], tolerance * stages.shrink)
        if plan is None:
            return refused
        layers.append(_pretrained(stages, level, tolerance, *plan))
    objective = stages.fine_tuning(np.asarray(alpha))
    plan = _exact(stages, objective, target)
    if known is not None and float(known.bound(objective).value) <= target * (1 + _ROUNDING):
        examples = int(known.iterations) * int(known.batch_size) * stages.runs
        if plan is None or examples <= plan[1] * (1 + _SAME):
            plan = known, examples
    if plan is None:
        return refused
    point, samples = plan
    judged = judge(stages.problem, point, stages.constants, objective)
    tuning = FineTuning(
        stepsize=as_stepsize(point.stepsize),
        batch_size=int(point.batch_size),
        iterations=int(point.iterations),
        runs=stages.runs,
        keep_prob=point.keep_prob,
        bound=judged.value,
        certified_bound=judged.sure,
        certified_vacuous=judged.certified_vacuous,
        vacuous=judged.vacuous,
        samples=samples,
        work=work_of(stages.weights, samples),
    )
    before = sum(layer.work for layer in layers)
    total = before + tuning.work
    return Mix(
        name=name,
        alpha=alpha,
        claim=claim,
        feasible=True,
        pretraining=tuple(layers),
        fine_tuning=tuning,
        samples=samples + sum(layer.samples for layer in layers),
        work=total,
        share=before / total,
    )


def _pretrained(stages: Stages, level: int, alpha: float, point: Plan, samples: int) -> PretrainedLayer:
    own = layer_problem(stages.problem, level + 1)
    judged = judge(own, point, "paper", stages.layers[level])
    return PretrainedLayer(
        layer=level + 1,
        layers=(own.layers[0], own.layers[1]),
        alpha=alpha,
        stepsize=float(point.stepsize),
        batch_size=int(point.batch_size),
        iterations=int(point.iterations),
        runs=stages.runs,
        keep_prob=point.keep_prob,
        bound=judged.value,
        certified_bound=judged.sure,
        certified_vacuous=judged.certified_vacuous,
        limit=judged.limit,
        samples=samples,
        work=stages.layer_weights[level] * samples,
    )


def _unreachable(stages: Stages) -> list[str]:
    """Layers that no batch size allowed pretrains to any tolerance below 1, and what would."""
    largest = float(stages.batches.max())
    return [
        f"Layer {level} cannot be pretrained to any alpha below 1 with a batch size of at most "
        f"{largest:,.0f}: by (11) that takes more than {needed:,.0f}. Allow it in search.batch_size."
        for level, needed in enumerate(stages.smallest_batches(), start=1)
        if needed >= largest
    ]


def _target_flips(stages: Stages, space: Space, target: float) -> tuple[Flip, ...]:
    scale = 1.0 if space.goal is None else stages.shrink
    name = "target" if space.goal is None else "eps"

    @cache
    def choice(value: float) -> bool | None:
        return pretraining_pays(stages, value * scale)

    here, reach = target / scale, 10.0**_DECADES
    found = flip_of(choice, here / reach, here * reach, points=_GRID)
    return tuple(
        Flip(name, float(np.sqrt(low * high)), low, high, _chosen(choice(low)), _chosen(choice(high)))
        for low, high in found
    )


def _price_flips(stages: Stages, target: float) -> tuple[Flip, ...]:
    price = price_flip(stages, target)
    if price is None:
        return ()
    low, high = price * (1 - _PRICE_CHECK), price * (1 + _PRICE_CHECK)
    below, above = (pretraining_pays(stages, target, price=value) for value in (low, high))
    return (Flip("cost ratio", price, low, high, _chosen(below), _chosen(above)),)


def _chosen(pays: bool | None) -> str:
    return NOTHING if pays is None else PRETRAINING if pays else SCRATCH


def _notes(stages: Stages, space: Space, options: list[Mix], best: Mix | None) -> list[str]:
    if best is None or best.fine_tuning is None:
        return ["No way of training reaches the target with the batch sizes allowed."]
    notes = []
    if stages.tuned:
        trivial = [
            layer.layer for option in options for layer in option.pretraining if layer.alpha >= layer.limit
        ]
        if trivial:
            listed = ", ".join(map(str, sorted(set(trivial))))
            notes.append(
                f"Layer {listed}: any weights in the box meet alpha, since no squared gradient norm exceeds "
                "it; pretraining to it costs nothing and says nothing."
            )
        unproven = [
            layer.layer
            for option in options
            for layer in option.pretraining
            if layer.certified_bound > layer.bound
        ]
        if unproven:
            listed = ", ".join(map(str, sorted(set(unproven))))
            notes.append(
                f"Not proven for this data: that these plans pretrain layer {listed} to alpha. With "
                "constants that hold for any data the bound is larger."
            )
        notes.append(
            "That a small alpha lowers the bound of the fine-tuning is the paper's claim; no certified bound "
            "contains alpha."
        )
    if best.fine_tuning.certified_bound > best.fine_tuning.bound:
        notes.append(
            "Not proven for this data: the bound that the fine-tuning reaches; the certified one is "
            f"{best.fine_tuning.certified_bound:.4g}"
            f"{', the largest gradient possible' if best.fine_tuning.certified_vacuous else ''}."
        )
    if best.fine_tuning.vacuous:
        notes.append("The bound that the fine-tuning reaches is vacuous: no gradient is larger anyway.")
    stretched = any(stage.iterations > space.iterations[1] for stage in _stages(best))
    limits = [limit.key for limit in space.limits if _beyond(limit, best)]
    if stretched:
        limits.append(space.iterations_key)
    if limits:
        notes.append(f"The cheapest way takes more than {' and '.join(limits)} allows.")
    return notes


def _stages(mix: Mix) -> list[PretrainedLayer | FineTuning]:
    return [*mix.pretraining, *([] if mix.fine_tuning is None else [mix.fine_tuning])]


def _beyond(limit: Limit, best: Mix) -> bool:
    spent = sum(
        stage.runs * stage.iterations * (limit.fixed + limit.each * stage.batch_size)
        for stage in _stages(best)
    )
    return spent > limit.amount * (1 + 1e-9)
