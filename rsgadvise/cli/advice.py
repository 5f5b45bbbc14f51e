"""`recommend`, `iterations` and `bound`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import typer

from rsgadvise.cli.data import described, statistics_of
from rsgadvise.cli.locating import located
from rsgadvise.cli.options import (
    AdviceConstants,
    AdviceConstantsOption,
    Constants,
    ConstantsOption,
    EmitOption,
    Format,
    FormatOption,
    NoColorOption,
    OutputOption,
    PilotOption,
    QuietOption,
    SeedOption,
    SetOption,
    VersionOption,
)
from rsgadvise.cli.output import Target, emit, write
from rsgadvise.errors import HypothesisError, UsageError
from rsgadvise.pilot import check_pilot, constants_for

if TYPE_CHECKING:
    from rsgadvise.advise.evaluate import BoundReport
    from rsgadvise.advise.plan_result import IterationPlan
    from rsgadvise.advise.results import Advice
    from rsgadvise.datastats import DataStatistics
    from rsgadvise.design import Design
    from rsgadvise.explain.results import Explanation
    from rsgadvise.report.blocks import Block
    from rsgadvise.spec import LoadedSpec

__all__ = ["Answer", "Measured", "SpecArgument", "ask", "ask_for_advice", "bound", "iterations", "recommend"]

Measured = Mapping[str, float | int | None] | None
Result = TypeVar("Result", bound="Advice | BoundReport | Design | Explanation | IterationPlan")
SpecArgument = Annotated[str, typer.Argument(metavar="SPEC", help="Spec file, or - for standard input.")]


@dataclass(frozen=True, slots=True)
class Answer(Generic[Result]):
    """A result with the notes of its data, and what its document says of the spec behind it."""

    result: Result
    loaded: LoadedSpec
    statistics: DataStatistics | None
    measured: Mapping[str, float | int | None]

    def document(self, command: str) -> dict[str, Any]:
        from rsgadvise.report.documents import as_document

        spec = self.loaded.spec.model_dump(mode="json")
        return as_document(command, self.result, data=dict(self.measured), spec=spec)


def ask(
    spec: str,
    overrides: Sequence[str] | None,
    question: Callable[[LoadedSpec, Measured, DataStatistics | None], Result],
    *,
    quiet: bool,
) -> Answer[Result]:
    """Load the spec, measure its data file if it names one, and put the question."""
    import numpy as np

    from rsgadvise.spec import load_spec

    loaded = load_spec(spec, overrides=tuple(overrides or ()))
    statistics = statistics_of(loaded, quiet=quiet)
    measured, notes = (None, []) if statistics is None else described(loaded, statistics)
    try:
        # What overflows at absurd values is reported in the result, not by the numeric library.
        with np.errstate(all="ignore"):
            found = question(loaded, measured, statistics)
    except HypothesisError as error:
        raise located(error, loaded) from None
    noted: Result = replace(found, notes=(*notes, *found.notes))
    return Answer(noted, loaded, statistics, measured or {})


def ask_for_advice(
    spec: str,
    overrides: Sequence[str] | None,
    *,
    constants: AdviceConstants | None,
    pilot: float,
    seed: int,
    top: int,
    quiet: bool,
) -> Answer[Advice]:
    """The advice for a spec, measured and raced on its data file where that is asked for."""
    used = constants_for(None if constants is None else constants.value, pilot=pilot)
    training = pilot != 0 or used == "calibrated"

    def question(loaded: LoadedSpec, measured: Measured, statistics: DataStatistics | None) -> Advice:
        if training:
            from rsgadvise.cli.piloting import advice_with_data

            return advice_with_data(
                loaded,
                statistics,
                measured,
                constants=used,
                pilot=pilot,
                seed=seed,
                top=top,
                quiet=quiet,
            )
        if used == "typical":
            from rsgadvise.pilot.typical import advise_typically

            return advise_typically(loaded.spec, seed=seed, top=top, measured=measured)
        from rsgadvise.advise.recommend import recommend as advise

        return advise(loaded.spec, constants=used, top=top, measured=measured)

    return ask(spec, overrides, question, quiet=quiet)


def recommend(
    spec: SpecArgument,
    top: Annotated[int, typer.Option(min=1, max=10_000, help="How many recommendations to show.")] = 5,
    constants: AdviceConstantsOption = None,
    pilot: PilotOption = 0.0,
    seed: SeedOption = 0,
    emit_: EmitOption = None,
    set_: SetOption = None,
    format_: FormatOption = Format.TABLE,
    output: OutputOption = None,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    version: VersionOption = False,
) -> None:
    """Rank stepsizes, batch sizes, iterations and keep probabilities for a spec."""
    del version
    if emit_ is not None and format_ is not Format.TABLE:
        raise UsageError(
            f"--emit prints Python in place of a report; got --format {format_.value} too; leave one out"
        )
    check_pilot(pilot, name="--pilot")
    answer = ask_for_advice(spec, set_, constants=constants, pilot=pilot, seed=seed, top=top, quiet=quiet)
    advice = answer.result
    if emit_ is not None:
        from rsgadvise.cli.emitting import snippet_text

        text = snippet_text(advice, answer.loaded, answer.statistics, emit_.value)
        write(output, text)
    else:
        _show(advice, answer, Target(format_, output, quiet, no_color))
    if advice.infeasible is not None:
        raise typer.Exit(1)
    if advice.interrupted:
        raise typer.Exit(130)


def _show(advice: Advice, answer: Answer[Advice], target: Target) -> None:
    """Write the advice as a report."""

    def blocks() -> Sequence[Block]:
        from rsgadvise.report.advice import advice_blocks

        return advice_blocks(advice)

    emit(
        target,
        blocks=blocks,
        document=lambda: answer.document("recommend"),
        rows=lambda: [asdict(row) for row in advice.recommendations],
    )


def _flat(report: BoundReport) -> dict[str, Any]:
    """The numbers of a bound as one row; sentences are for the other formats."""
    return {key: value for key, value in asdict(report).items() if key not in ("assumed", "notes")}


def bound(
    spec: SpecArgument,
    constants: ConstantsOption = Constants.PAPER,
    set_: SetOption = None,
    format_: FormatOption = Format.TABLE,
    output: OutputOption = None,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    version: VersionOption = False,
) -> None:
    """Evaluate the bound at the training values that a spec fixes, term by term."""
    del version
    from rsgadvise.advise.evaluate import evaluate

    def question(loaded: LoadedSpec, measured: Measured, _: DataStatistics | None) -> BoundReport:
        return evaluate(loaded.spec, constants=constants.value, measured=measured)

    answer = ask(spec, set_, question, quiet=quiet)

    def blocks() -> Sequence[Block]:
        from rsgadvise.report.evaluation import bound_blocks

        return bound_blocks(answer.result)

    emit(
        Target(format_, output, quiet, no_color),
        blocks=blocks,
        document=lambda: answer.document("bound"),
        rows=lambda: [_flat(answer.result)],
    )


def iterations(
    spec: Annotated[
        str | None, typer.Argument(metavar="[SPEC]", help="Spec file, or - for standard input.")
    ] = None,
    eps: Annotated[float | None, typer.Option(help="Bound on the squared gradient norm.")] = None,
    delta: Annotated[float | None, typer.Option(help="Probability of missing it.")] = None,
    runs: Annotated[int | None, typer.Option(min=1, max=10**6, help="T, independent runs.")] = None,
    epochs: Annotated[float | None, typer.Option(help="C, passes over the data; 200 in the paper.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, max=10**12, help="B.")] = None,
    input_dim: Annotated[int | None, typer.Option(min=1, max=10**9, help="d_x, without SPEC.")] = None,
    output_dim: Annotated[int | None, typer.Option(min=1, max=10**9, help="d_y, without SPEC.")] = None,
    initial_loss: Annotated[float | None, typer.Option(help="f(W1), without SPEC.")] = None,
    constants: ConstantsOption = Constants.PAPER,
    set_: SetOption = None,
    format_: FormatOption = Format.TABLE,
    output: OutputOption = None,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    version: VersionOption = False,
) -> None:
    """How many iterations, runs and rows an (eps, delta)-solution needs."""
    del version
    from rsgadvise.advise.plan import plan_iterations
    from rsgadvise.cli.requests import GivenOptions, request_from_options, request_from_spec

    given = GivenOptions(eps, delta, runs, epochs, batch_size, input_dim, output_dim, initial_loss)
    if spec is None:
        if set_:
            raise UsageError("--set overrides a key of a spec; got no SPEC; name one, or leave --set out")
        plan = plan_iterations(*request_from_options(given), constants=constants.value)
    else:

        def question(loaded: LoadedSpec, measured: Measured, _: DataStatistics | None) -> IterationPlan:
            return plan_iterations(*request_from_spec(given, loaded, measured), constants=constants.value)

        answer = ask(spec, set_, question, quiet=quiet)
        plan = answer.result

    def document() -> dict[str, Any]:
        from rsgadvise.report.documents import as_document

        return as_document("iterations", plan) if spec is None else answer.document("iterations")

    def blocks() -> Sequence[Block]:
        from rsgadvise.report.plan import plan_blocks

        return plan_blocks(plan)

    emit(
        Target(format_, output, quiet, no_color),
        blocks=blocks,
        document=document,
        rows=lambda: [asdict(point) for point in plan.tradeoff],
    )
    if not plan.feasible:
        raise typer.Exit(1)
