"""An iteration plan as blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rsgadvise.advise.plan_result import IterationPlan
from rsgadvise.report.blocks import (
    Block,
    Column,
    Grid,
    Title,
    assumptions,
    count,
    network,
    number,
    sentences,
    stepsizes_by_layer,
)

__all__ = ["plan_blocks"]

Value = TypeVar("Value")


def _if(value: Value | None, text: Callable[[Value], str]) -> str | None:
    """The text of a value, or None where there is no value."""
    return None if value is None else text(value)


def plan_blocks(plan: IterationPlan) -> tuple[Block, ...]:
    """The plan as far as there is one, or why not; then the trade of steps against samples."""
    title = Title(
        f"Iterations for {network(plan.kind, plan.layers)}",
        f"{plan.constants} constants, {plan.equation}; eps {number(plan.eps)}, delta {number(plan.delta)}, "
        f"{plan.runs} runs",
    )
    deep, runs = plan.kind != "single_layer", f"{plan.runs:,} runs" if plan.runs > 1 else "1 run"
    fewer = plan.least_batch_size != plan.min_batch_size
    facts = [
        ("target per run, eps delta^(1/T)", number(plan.per_run_target)),
        ("batch size", count(plan.batch_size)),
        ("iterations", _if(plan.iterations, count)),
        ("iterations by equation (9)", _if(plan.iterations_paper, count)),
        ("stepsize", None if plan.stepsize is None else stepsizes_by_layer(plan.stepsize)),
        ("keep probability", _if(plan.keep_prob if deep else None, number)),
        ("dropout rate", _if(plan.dropout_rate if deep else None, number)),
        ("bound", _if(plan.bound, number)),
        ("certified bound", _if(plan.certified_bound, number)),
        ("proven", _if(plan.proven, lambda proven: "yes" if proven else "no")),
        ("samples of one run, N B", _if(plan.samples, count)),
        (f"samples in all, {runs}", _if(plan.total_samples, count)),
        (f"data set size at {number(plan.epochs)} epochs", _if(plan.dataset_size_exact, count)),
        ("data set size by equation (9)", _if(plan.dataset_size, count)),
        (f"critical batch size, {runs}", _if(plan.critical_batch_size, number)),
        (f"smallest feasible batch size, {runs}", _if(plan.min_batch_size, count)),
        ("  with any number of runs", _if(plan.least_batch_size if fewer else None, count)),
        ("runs with the fewest samples in all", _if(plan.recommended_runs, count)),
        ("  iterations of each of these", _if(plan.recommended_iterations, count)),
        ("  samples in all of these", _if(plan.recommended_samples, count)),
        ("  critical batch size of these", _if(plan.recommended_critical_batch_size, number)),
    ]
    shown = tuple((name, text) for name, text in facts if text is not None)
    mind = [note for note in plan.notes if note != plan.reason]
    columns = (Column("batch size"), Column("iterations"), Column("samples"))
    trade = tuple((count(p.batch_size), count(p.iterations), count(p.samples)) for p in plan.tradeoff)
    return (
        title,
        Grid((Column("quantity", numeric=False), Column("value", alike=False)), shown),
        *sentences("No plan", [] if plan.reason is None else [plan.reason]),
        *([Grid(columns, trade, "Steps against samples")] if trade else []),
        *sentences("Mind", mind),
        *sentences("Assumed", assumptions(plan.assumed)),
    )
