"""A bound at given values as blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rsgadvise.advise.evaluate import BoundReport
from rsgadvise.report.blocks import (
    Block,
    Column,
    Grid,
    Title,
    assumptions,
    bound_number,
    count,
    network,
    number,
    sentences,
    stepsizes_by_layer,
    terms_grid,
    verdict,
)

__all__ = ["bound_blocks"]


def bound_blocks(report: BoundReport) -> tuple[Block, ...]:
    """The bound and its terms beside the certified one."""
    facts = [
        ("stepsize", stepsizes_by_layer(report.stepsize)),
        ("decay", number(report.decay)),
        ("batch size", count(report.batch_size)),
        ("iterations", count(report.iterations)),
        ("keep probability", number(report.keep_prob)),
        ("dropout rate", number(report.dropout_rate)),
        ("bound", bound_number(report.bound, 6)),
        ("certified bound", number(report.certified_bound, 6)),
        ("largest gradient possible", number(report.largest_gradient, 6)),
        ("proven", _reliable(report)),
    ]
    if report.as_printed is not None:
        facts.insert(7, ("equation (8) as printed", number(report.as_printed, 6)))
    bounded = math.isfinite(report.bound)
    strongest = sorted(report.elasticities.items(), key=lambda pair: -abs(pair[1]))
    return (
        Title(
            f"Bound for {network(report.kind, report.layers)}",
            f"{report.constants} constants, {report.equation}",
        ),
        Grid((Column("quantity", numeric=False), Column("value", alike=False)), tuple(facts)),
        *([terms_grid(report.terms, report.bound, "Terms of the bound")] if bounded else []),
        terms_grid(report.certified_terms, report.certified_bound, "Terms of the certified bound"),
        *([_elasticities(strongest)] if bounded else []),
        *sentences("Mind", report.notes),
        *sentences("Assumed", assumptions(report.assumed)),
    )


def _reliable(report: BoundReport) -> str:
    if not math.isfinite(report.bound):
        return "no bound"
    return verdict(proven=report.proven, vacuous=report.vacuous)


def _elasticities(strongest: Sequence[tuple[str, float]]) -> Grid:
    return Grid(
        (Column("knob", numeric=False), Column("elasticity")),
        tuple((knob.replace("_", " "), f"{value:+.3f}") for knob, value in strongest),
        "Elasticities: per cent change of the bound for one per cent more",
    )
