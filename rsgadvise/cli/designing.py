"""`design`: which architecture, and how to train it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from rsgadvise.cli.advice import Measured, SpecArgument, ask
from rsgadvise.cli.options import EitherConstantsOption, SetOption
from rsgadvise.cli.output import TargetOptions, emit
from rsgadvise.cli.progress import ReadProgress

if TYPE_CHECKING:
    from rsgadvise.ask.design import Design
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.show.report.blocks import Block
    from rsgadvise.spec import LoadedSpec


class By(StrEnum):
    """Costs that architectures can be ranked by."""

    WORK = "work"
    SAMPLES = "samples"
    ITERATIONS = "iterations"
    SECONDS = "seconds"


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
        By | None,
        typer.Option(
            help="Cost to reach the target; by default seconds if the spec has a cost, else work, which is "
            "multiply-adds, 3 x weights x samples.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many architectures to show.")] = 10,
    families: Annotated[
        int, typer.Option(min=0, max=1000, help="How many families of equal convergence to show.")
    ] = 5,
    pipeline: Annotated[
        str,
        typer.Option(
            metavar="best|deep|spec|none|RANK",
            help="Whose training to plan, pretraining included: the best network with a hidden layer, the "
            "best with at least two, the spec's own, none, or that of a rank.",
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

    lengths, depths, planned = parse_widths(widths), parse_depths(depth), parse_which(pipeline)

    def question(loaded: LoadedSpec, measured: Measured, _: DataStatistics | None) -> Design:
        with ReadProgress(enabled=not to.quiet) as progress:
            return design_networks(
                loaded.spec,
                widths=lengths,
                depths=depths,
                equal=equal,
                most_weights=parameters,
                constants=None if constants is None else constants,
                by=None if by is None else by.value,
                top=top,
                most_families=families,
                pipeline=planned,
                measured=measured,
                progress=progress,
            )

    answer = ask(spec, set_, question, constants=constants, quiet=to.quiet, sgd=True)
    found = answer.result

    def blocks() -> Sequence[Block]:
        from rsgadvise.show.report.designing import design_blocks

        return design_blocks(found)

    emit(
        to,
        blocks=blocks,
        document=lambda: answer.document("design"),
        rows=lambda: [asdict(row) for row in found.architectures],
    )
    if found.infeasible is not None:
        raise typer.Exit(1)
