"""`batch`: one answer for batch size, stepsize and iterations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsgadvise.cli.advice import NoSourceArgument, advised
from rsgadvise.cli.options import AboutData, AboutModel, DataOptions, EffortOptions, ModelOptions, SetOption
from rsgadvise.cli.output import TargetOptions, show
from rsgadvise.cli.sources import Loaded, rows_of
from rsgadvise.errors import InfeasibleError, UsageError

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice, TrainingPlan
    from rsgadvise.ask.batch import BatchAdvice
    from rsgadvise.pilot import Effort
    from rsgadvise.pilot.batch_race import BatchRace
    from rsgadvise.pilot.timing import Memory, StepCost
    from rsgadvise.show.report.blocks import Block


def batch(
    spec: NoSourceArgument = None,
    before: Annotated[
        int | None,
        typer.Option("--from", min=1, metavar="B", help="The batch size of --to's change; the advised one."),
    ] = None,
    after: Annotated[
        int | None,
        typer.Option(
            "--to",
            min=1,
            metavar="B",
            help="Say what to multiply stepsize and iterations with to train with batches of B rows instead.",
        ),
    ] = None,
    *,
    options: AboutData,
    model: AboutModel,
    effort: EffortOptions,
    set_: SetOption = None,
    to: TargetOptions,
) -> None:
    """Batch size, stepsize and iterations together: how far larger batches pay."""
    if before is not None and after is None:
        raise UsageError(f"--from {before} needs --to B, the batch size that comes instead; got none; add it")
    extra: dict[str, Callable[[], Any]] = {}
    if model.in_place_of(spec):
        found, interrupted = _of_model(model, options, effort, before, after, quiet=to.quiet)
    else:
        if spec is None:
            raise UsageError("batch needs a spec, a data file or --model FILE.py:NAME; got none; name one")
        sets = (*(set_ or ()), "target=null")
        source, advice = advised(spec, sets, effort, top=1, quiet=to.quiet, options=options)
        aimed = _aimed(source.loaded.source.text, set_ or ())
        found = _of_spec(source, advice, effort, before, after, aimed=aimed)
        interrupted, extra = advice.interrupted, source.about()

    def blocks(advice: BatchAdvice) -> Sequence[Block]:
        from rsgadvise.show.report.batching import batch_blocks

        return batch_blocks(advice)

    show(to, "batch", found, blocks, found.tradeoff, **extra)
    if interrupted:
        raise typer.Exit(130)


def _aimed(text: str, overrides: Sequence[str]) -> bool:
    """Whether a spec has a target, or is given one."""
    from rsgadvise.spec.yaml import build_tree

    root = build_tree(text).root
    keys = root.value if root is not None and isinstance(root.value, dict) else {}
    given = keys.get("target")
    return (given is not None and given.value is not None) or any(o.startswith("target") for o in overrides)


def _of_spec(
    source: Loaded, advice: Advice, effort: Effort, before: int | None, after: int | None, *, aimed: bool
) -> BatchAdvice:
    """The answer; `aimed`: whether the spec had a target."""
    from rsgadvise.advise.results import NoiseScale
    from rsgadvise.advise.wording import SAME_TARGETS
    from rsgadvise.ask.batch import batch_advice
    from rsgadvise.numerals import network
    from rsgadvise.pilot.batch_race import Usual

    plan = advice.train
    if plan is None:
        reason = "no training fits the spec" if advice.infeasible is None else advice.infeasible.reason
        raise InfeasibleError(f"no batch size can be advised: {reason}")
    if plan.reason == SAME_TARGETS:
        raise InfeasibleError(f"no batch size can be advised: {SAME_TARGETS}")
    race, cost, fits = _measured(source, advice, plan, effort)
    notes = [f"This network learns nothing so: {plan.reason.rstrip('.')}."] if plan.learns is False else []
    if aimed:
        notes.append(
            "The target of the spec is set aside: batch sizes are compared at the loss of a training, not by "
            "a proven bound; `rsgadvise recommend` plans for it."
        )
    noise, known = advice.critical_batch_size, (source.measured or {}).get("samples")
    samples = source.spec.data.samples if known is None else int(known)
    return batch_advice(
        plan,
        race,
        noise=noise if isinstance(noise, NoiseScale) else None,
        about=network(advice.kind, advice.layers),
        usual=Usual.of(plan.optimises, samples),
        samples=samples,
        cost=cost,
        memory=fits,
        before=before,
        after=after,
        notes=(*notes, *source.notes),
    )


def _measured(
    source: Loaded, advice: Advice, plan: TrainingPlan, effort: Effort
) -> tuple[BatchRace | None, StepCost | None, Memory | None]:
    """The race of batch sizes, the seconds of a step and what memory allows; without rows what the spec
    says."""
    from rsgadvise.advise.results import NoiseScale
    from rsgadvise.pilot.timing import StepCost, memory, step_cost

    given = source.spec.cost
    cost = None if given is None else StepCost(given.per_iteration, given.per_sample, "given")
    if source.statistics is None or not isinstance(advice.critical_batch_size, NoiseScale):
        return None, cost, None
    from rsgadvise.pilot.batch_race import race_batches
    from rsgadvise.spec.problem import resolve
    from rsgadvise.training.networks import Network

    problem = resolve(source.spec, source.measured)
    network = Network.of(problem, plan.keep_prob or 1.0)
    if plan.weight_bound is not None and network.weight_bounds:
        box = plan.weight_bound
        network = replace(
            network, weight_bounds=box if isinstance(box, tuple) else (box,) * len(network.weight_bounds)
        )
    rows = rows_of(source.loaded, source.statistics)
    race = race_batches(network, rows, problem.optimizer, plan, seed=effort.seed, work=effort.allowed)
    return race, cost or step_cost(network, rows, problem.optimizer), memory(network)


def _of_model(
    model: ModelOptions,
    options: DataOptions,
    effort: Effort,
    before: int | None,
    after: int | None,
    *,
    quiet: bool,
) -> tuple[BatchAdvice, bool]:
    """The answer, and whether the user interrupted the race before it."""
    from rsgadvise.ask.batch import batch_advice
    from rsgadvise.cli.torch_model import measured, prepared

    ready = prepared(model, options, effort, quiet=quiet)
    advice = measured(ready, quiet=quiet)
    from rsgadvise.pilot.batch_race import Usual
    from rsgadvise.pilot.torch_model.advice import WORK
    from rsgadvise.pilot.torch_model.batching import race_batches, step_cost

    rows = ready.inputs, ready.rows.targets
    loss, optimizer = ready.loss, ready.optimizer
    work = WORK if effort.work is None else effort.work
    known = ready.optimizer.known
    unknown = "Of this optimiser nothing is known: its critical batch size is taken to grow as Adam's does."
    cost, fits = step_cost(ready.module, rows, loss=loss, optimizer=optimizer)
    found = batch_advice(
        advice.train,
        race_batches(
            ready.module, rows, advice.train, loss=loss, optimizer=optimizer, seed=effort.seed, work=work
        ),
        noise=advice.critical_batch_size,
        about=advice.model,
        usual=Usual.of(known, advice.samples),
        samples=advice.samples,
        cost=cost,
        memory=fits,
        before=before,
        after=after,
        notes=ready.notes if known is not None else (unknown, *ready.notes),
    )
    return found, advice.interrupted
