"""An iteration plan as blocks."""

from __future__ import annotations

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


def plan_blocks(plan: IterationPlan) -> tuple[Block, ...]:
    """The plan, then the trade of steps against samples."""
    title = Title(
        f"Iterations for {network(plan.kind, plan.layers)}",
        f"{plan.constants} constants, {plan.equation}; eps {number(plan.eps)}, delta {number(plan.delta)}, "
        f"{plan.runs} runs",
    )
    facts = [
        ("target per run, eps delta^(1/T)", number(plan.per_run_target)),
        ("batch size", count(plan.batch_size)),
        ("iterations", count(plan.iterations)),
        ("iterations by equation (9)", count(plan.iterations_paper)),
        ("stepsize", "n/a" if plan.stepsize is None else stepsizes_by_layer(plan.stepsize)),
        ("keep probability", number(plan.keep_prob)),
        ("dropout rate", number(plan.dropout_rate)),
        ("bound", number(plan.bound)),
        ("certified bound", number(plan.certified_bound)),
        ("proven", "n/a" if plan.proven is None else "yes" if plan.proven else "no"),
        ("samples of one run, N B", count(plan.samples)),
        (f"data set size at {number(plan.epochs)} epochs", count(plan.dataset_size_exact)),
        ("data set size by equation (9)", count(plan.dataset_size)),
        ("critical batch size", number(plan.critical_batch_size)),
        ("smallest feasible batch size", count(plan.min_batch_size)),
        ("best number of runs", count(plan.recommended_runs)),
        ("iterations at the best number of runs", count(plan.recommended_iterations)),
    ]
    if plan.kind != "single_layer":
        facts = [fact for fact in facts if "equation (9)" not in fact[0]]
    else:
        facts = [fact for fact in facts if fact[0] not in ("keep probability", "dropout rate")]
    columns = (Column("batch size"), Column("iterations"), Column("samples"))
    trade = tuple((count(p.batch_size), count(p.iterations), count(p.samples)) for p in plan.tradeoff)
    return (
        title,
        Grid((Column("quantity", numeric=False), Column("value")), tuple(facts)),
        *([Grid(columns, trade, "Steps against samples")] if trade else []),
        *sentences("Mind", plan.notes),
        *sentences("Assumed", assumptions(plan.assumed)),
    )
