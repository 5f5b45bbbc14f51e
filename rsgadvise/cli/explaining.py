"""`explain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rsgadvise.cli.advice import Measured, SpecArgument, ask
from rsgadvise.cli.options import ConstantsOption, SetOption
from rsgadvise.cli.output import TargetOptions, emit

if TYPE_CHECKING:
    from rsgadvise.ask.explain.results import Explanation
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.show.report.blocks import Block
    from rsgadvise.spec import LoadedSpec


def explain(
    spec: SpecArgument,
    constants: ConstantsOption = None,
    thorough: Annotated[
        bool,
        typer.Option(
            "--thorough",
            help="Rank again for changed values also where one ranking takes seconds, as with decaying "
            "stepsizes.",
        ),
    ] = False,
    set_: SetOption = None,
    *,
    to: TargetOptions,
) -> None:
    """Explain a bound: its terms, assumptions, and what changes it."""

    def question(loaded: LoadedSpec, measured: Measured, statistics: DataStatistics | None) -> Explanation:
        from rsgadvise.ask.explain.explaining import explain as explained

        return explained(
            loaded.spec,
            constants=constants,
            measured=measured,
            statistics=statistics,
            thorough=thorough,
        )

    answer = ask(spec, set_, question, constants=constants, quiet=to.quiet)

    def blocks() -> Sequence[Block]:
        from rsgadvise.show.report.explaining import explanation_blocks

        return explanation_blocks(answer.result)

    emit(
        to,
        blocks=blocks,
        document=lambda: answer.document("explain"),
        rows=lambda: [asdict(term) for term in answer.result.terms],
    )
