"""`design`: which architecture, and how to train it."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from rsgadvise.cli.advice import SpecArgument
from rsgadvise.cli.options import EitherConstantsOption, SetOption
from rsgadvise.cli.output import TargetOptions, show
from rsgadvise.cli.progress import ReadProgress


def design(
    spec: SpecArgument,
    widths: Annotated[
        str,
        typer.Option(
            metavar="RANGE",
            help="Lengths of hidden layers: 16:1024 is the powers of two and both ends, 16:1024:log7 and "
            "16:1024:lin7 are seven lengths, 16,32,64 is a list.",
        ),
    ],
    depth: Annotated[
        str,
        typer.Option(metavar="RANGE", help="Numbers of hidden layers: 1:5, 2 or 0,1,3; 0 is a single layer."),
    ],
    equal: Annotated[
        bool, typer.Option("--equal", help="All hidden layers of a network have the same length.")
    ] = False,
    parameters: Annotated[
        int | None, typer.Option(min=1, metavar="MAX", help="Only networks with at most MAX weights.")
    ] = None,
    by: Annotated[
        Literal["work", "samples", "iterations", "seconds"] | None,
        typer.Option(
            help="Cost to reach the target; by default seconds if the spec has a cost, else work, which is "
            "multiply-adds, 3 x weights x samples.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many architectures to show.")] = 10,
    pipeline: Annotated[
        str,
        typer.Option(
            metavar="best|spec|none|RANK",
            help="Whose training to plan, pretraining included: the best network with a hidden layer, the "
            "spec's own, none, or that of a rank.",
        ),
    ] = "best",
    constants: EitherConstantsOption = None,
    set_: SetOption = None,
    *,
    to: TargetOptions,
) -> None:
    """Rank network structures for a task, and plan one's training."""
    from rsgadvise.ask.design import design as design_networks
    from rsgadvise.ask.design import parse_depths, parse_which, parse_widths
    from rsgadvise.cli.bounds import bounded
    from rsgadvise.show.report.designing import design_blocks

    lengths, depths, planned = parse_widths(widths), parse_depths(depth), parse_which(pipeline)
    source = bounded(spec, set_, constants, quiet=to.quiet, sgd=True)
    with source.asked(), ReadProgress(enabled=not to.quiet) as progress:
        ranked = design_networks(
            source.spec,
            widths=lengths,
            depths=depths,
            equal=equal,
            most_weights=parameters,
            constants=constants,
            by=by,
            top=top,
            pipeline=planned,
            measured=source.measured,
            progress=progress,
        )
    ranked = source.noted(ranked)
    show(to, "design", ranked, design_blocks, ranked.architectures, **source.about())
    if ranked.infeasible is not None:
        raise typer.Exit(1)
