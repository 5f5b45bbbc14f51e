"""`recommend`, `iterations` and `bound`."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import typer

from rsgadvise.cli.options import (
    ConstantsOption,
    EitherConstantsOption,
    Emit,
    EmitOption,
    Format,
    SetOption,
)
from rsgadvise.cli.output import Target, TargetOptions, emit, write, write_text
from rsgadvise.cli.sources import (
    AboutData,
    DataOptions,
    EffortOptions,
    IntoOption,
    Loaded,
    SaveOption,
    load,
    located,
    require_bounds,
)
from rsgadvise.cli.torch_model import AboutModel, ModelOptions
from rsgadvise.errors import HypothesisError, UsageError
from rsgadvise.numerals import number
from rsgadvise.pilot import Effort
from rsgadvise.records import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from rsgadvise.advise.evaluate import BoundReport
    from rsgadvise.advise.results import Advice, IterationPlan
    from rsgadvise.ask.design import Design
    from rsgadvise.ask.explain.results import Explanation
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.show.report.blocks import Block
    from rsgadvise.spec import LoadedSpec
    from rsgadvise.theory import ConstantsName


Measured = Mapping[str, float | int | None] | None
Result = TypeVar("Result", bound="Advice | BoundReport | Design | Explanation | IterationPlan")
_ABOUT_SOURCE = "Spec file, - for standard input, or a data file."
SourceArgument = Annotated[str, typer.Argument(metavar="SPEC|DATA", help=_ABOUT_SOURCE)]
NoSourceArgument = Annotated[str | None, typer.Argument(metavar="[SPEC|DATA]", help=_ABOUT_SOURCE)]
SpecArgument = Annotated[str, typer.Argument(metavar="SPEC", help="Spec file, or - for standard input.")]


@dataclass(frozen=True, slots=True)
class Answer(Generic[Result]):
    """A result with the notes of its data, and what its document says of the spec behind it."""

    result: Result
    source: Loaded

    @property
    def loaded(self) -> LoadedSpec:
        """The spec."""
        return self.source.loaded

    @property
    def statistics(self) -> DataStatistics | None:
        """Of its data file, or None without one."""
        return self.source.statistics

    @property
    def measured(self) -> Mapping[str, float | int | None]:
        """The same by spec key."""
        return self.source.measured or {}

    def document(self, command: str) -> dict[str, Any]:
        from rsgadvise.show.report.documents import as_document

        spec = self.loaded.spec.model_dump(mode="json")
        return as_document(command, self.result, data=dict(self.measured), spec=spec)


def ask(
    spec: str,
    overrides: Sequence[str] | None,
    question: Callable[[LoadedSpec, Measured, DataStatistics | None], Result],
    *,
    constants: ConstantsName | None,
    quiet: bool,
    sgd: bool = False,
) -> Answer[Result]:
    """Load the spec, measure its data file if it names one, and put the question, which is about bounds by
    these constants, if any are named; `sgd` where it is about SGD in a box alone."""

    def check(loaded: LoadedSpec) -> LoadedSpec:
        return require_bounds(loaded, ("--constants", constants), sgd=sgd)

    source = load(spec, overrides, None, quiet=quiet, check=check)
    return answered(source, question)


def answered(
    source: Loaded, question: Callable[[LoadedSpec, Measured, DataStatistics | None], Result]
) -> Answer[Result]:
    """Put the question to a spec whose data is measured."""
    import numpy as np

    try:
        # What overflows at absurd values is reported in the result, not by the numeric library.
        with np.errstate(all="ignore"):
            found = question(source.loaded, source.measured, source.statistics)
    except HypothesisError as error:
        raise located(error, source.loaded) from None
    noted: Result = replace(found, notes=(*source.notes, *found.notes))
    return Answer(noted, source)


def ask_for_advice(
    spec: str,
    overrides: Sequence[str] | None,
    effort: Effort,
    *,
    top: int,
    quiet: bool,
    options: DataOptions | None = None,
    save: Path | None = None,
) -> Answer[Advice]:
    """The advice for a spec or a data file, measured and raced on the data where that is asked for."""

    given = options or DataOptions()
    source = load(spec, overrides, given, quiet=quiet, save=save)
    crushed = () if source.statistics is None else source.statistics.crushed_columns
    automatic = effort.automatic and effort.pilot is None
    if not (crushed and automatic and source.loaded.spec.data.scaling == "auto"):
        return _advised(source, effort, top=top, quiet=quiet)
    # Outliers leave little of these columns: the other scaling is tried too, for half of the work each.
    half = replace(effort, work=effort.allowed / 2)
    one = _advised(source, half, top=top, quiet=quiet)
    again = replace(given, scaling="robust") if source.from_data else given
    sets = (*(overrides or ()), *(() if source.from_data else ("data.scaling=robust",)))
    other = _advised(load(spec, sets, again, quiet=quiet, save=save), half, top=top, quiet=quiet)
    best, rest = (other, one) if _loss(other.result) < _loss(one.result) else (one, other)
    chosen, dropped = (each.statistics.scaling.split(",")[0] for each in (best, rest) if each.statistics)
    note = (
        f"Outliers crush {len(crushed):,} columns, so two scalings raced: {chosen} reached a loss of "
        f"{number(_loss(best.result), 3)}, {dropped} {number(_loss(rest.result), 3)}."
    )
    return replace(best, result=replace(best.result, notes=(note, *best.result.notes)))


def _loss(advice: Advice) -> float:
    """What its training reached; inf where nobody knows."""
    plan = advice.train
    return float("inf") if plan is None or plan.loss is None else plan.loss


def _advised(source: Loaded, effort: Effort, *, top: int, quiet: bool) -> Answer[Advice]:
    def question(loaded: LoadedSpec, measured: Measured, statistics: DataStatistics | None) -> Advice:
        from rsgadvise.cli.sources import advice_for

        found = advice_for(loaded, statistics, measured, effort, top=top, quiet=quiet)
        if statistics is None or found.train is None or found.train.scaling is not None:
            return found
        return replace(found, train=replace(found.train, scaling=statistics.scaling))

    return answered(source, question)


def recommend(
    spec: NoSourceArgument = None,
    *,
    options: AboutData,
    model: AboutModel,
    save: SaveOption = None,
    into: IntoOption = None,
    emit_: EmitOption = None,
    details: Annotated[
        bool, typer.Option("--details", help="Everything: terms, the race, constants, reasons, assumptions.")
    ] = False,
    top: Annotated[int, typer.Option(min=1, max=10_000, help="How many ranks to show.")] = 5,
    until: Annotated[
        float | None,
        typer.Option(metavar="LOSS", parser=_loss_option, help="A training loss: after how many iterations?"),
    ] = None,
    effort: EffortOptions,
    set_: SetOption = None,
    to: TargetOptions,
) -> None:
    """What to train with, how good that is, and ranked alternatives."""
    if emit_ is not None and to.format is not Format.TABLE:
        raise UsageError(
            f"--emit prints Python in place of a report; got --format {to.format.value} too; leave one out"
        )
    if model.given is not None:
        others = (save, into, set_)
        _recommend_model(
            spec, model, options, effort, to, emit_=emit_, details=details, until=until, others=others
        )
        return
    if spec is None:
        raise UsageError("recommend needs a spec, a data file or --model FILE.py:NAME; got none; name one")
    answer = ask_for_advice(spec, set_, effort, top=top, quiet=to.quiet, options=options, save=save)
    answer = _asked(answer, until)
    advice = answer.result
    if emit_ is not None:
        from rsgadvise.cli.emitting import snippet_text

        text = snippet_text(advice, answer.loaded, answer.statistics, emit_.value)
        write(to.path, text)
    else:
        _show(advice, answer, to, details=details)
    if save is not None:
        write_text(save, answer.loaded.source.text)
    if into is not None:
        from rsgadvise.cli.emitting import write_advice

        write_advice(into, advice)
    if not to.quiet:
        for path in (save, into):
            if path is not None:
                falls = path is into and advice.train is not None and advice.train.cooldown > 0
                lacks = ", which has no key for the fall of the stepsize at the end; --emit trains with it"
                print(f"wrote {path}{lacks if falls else ''}", file=sys.stderr)
    if advice.infeasible is not None:
        raise typer.Exit(1)
    if advice.interrupted:
        raise typer.Exit(130)


def _loss_option(text: str) -> float:
    """A training loss, which is above 0."""
    loss = float(text)
    if not 0 < loss < math.inf:
        raise typer.BadParameter(f"must be a loss above 0; got {text}")
    return loss


def _asked(answer: Answer[Advice], loss: float | None) -> Answer[Advice]:
    """The same, with how long it takes to a loss."""
    plan = answer.result.train
    if loss is None or plan is None:
        return answer
    from rsgadvise.pilot.forecast import asked

    return replace(answer, result=replace(answer.result, train=asked(plan, loss)))


def _recommend_model(
    spec: str | None,
    model: ModelOptions,
    options: DataOptions,
    effort: Effort,
    to: Target,
    *,
    emit_: Emit | None,
    details: bool,
    until: float | None,
    others: Sequence[object],
) -> None:
    from rsgadvise.cli.torch_model import recommend_model

    if spec is not None and model.model is not None:
        raise UsageError(f"--model stands in place of a spec; got {spec} too; name the rows with --data")
    if any(others):
        raise UsageError("--save, --into and --set are about a spec, and --model has none; leave them out")
    command = _command()
    if recommend_model(
        model, options, effort, to, emit_=emit_, details=details, until=until, command=command
    ):
        raise typer.Exit(130)


def _command() -> str:
    """The running command as one that can be typed again, without what a program needs no more."""
    alone = {"-q", "--quiet", "--no-color", "--details"}
    with_value = {"-o", "--output", "-f", "--format", "--save", "--into", "--top"}
    words, given = list[str](), iter(sys.argv[1:])
    for word in given:
        if word in with_value:
            next(given, None)
        elif word not in alone and word.partition("=")[0] not in with_value:
            words.append(word)
    return shlex.join(["rsgadvise", *words])


def _show(advice: Advice, answer: Answer[Advice], target: Target, *, details: bool) -> None:
    """Write the advice as a report."""

    def blocks() -> Sequence[Block]:
        from rsgadvise.show.report.advice import advice_blocks

        return advice_blocks(advice, details=details, source=_command())

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
    constants: ConstantsOption = None,
    set_: SetOption = None,
    *,
    to: TargetOptions,
) -> None:
    """Evaluate the bound at the values that a spec fixes."""
    from rsgadvise.advise.evaluate import evaluate

    def question(loaded: LoadedSpec, measured: Measured, _: DataStatistics | None) -> BoundReport:
        return evaluate(loaded.spec, constants=constants, measured=measured)

    answer = ask(spec, set_, question, constants=constants, quiet=to.quiet)

    def blocks() -> Sequence[Block]:
        from rsgadvise.show.report.plan import bound_blocks

        return bound_blocks(answer.result)

    emit(to, blocks=blocks, document=lambda: answer.document("bound"), rows=lambda: [_flat(answer.result)])


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
    constants: EitherConstantsOption = None,
    set_: SetOption = None,
    *,
    to: TargetOptions,
) -> None:
    """How many iterations, runs and rows a target needs."""
    from rsgadvise.advise.plan import plan_for
    from rsgadvise.cli.requests import GivenOptions, left_aside, request_from_options, request_from_spec

    named: ConstantsName | None = None if constants is None else constants
    given = GivenOptions(eps, delta, runs, epochs, batch_size, input_dim, output_dim, initial_loss)
    if spec is None:
        if set_:
            raise UsageError("--set overrides a key of a spec; got no SPEC; name one, or leave --set out")
        plan = plan_for(*request_from_options(given), constants=named)
    else:

        def question(loaded: LoadedSpec, measured: Measured, _: DataStatistics | None) -> IterationPlan:
            found = plan_for(*request_from_spec(given, loaded, measured), constants=named)
            return replace(found, notes=(*left_aside(loaded.spec.training), *found.notes))

        answer = ask(spec, set_, question, constants=constants, quiet=to.quiet)
        plan = answer.result

    def document() -> dict[str, Any]:
        from rsgadvise.show.report.documents import as_document

        return as_document("iterations", plan) if spec is None else answer.document("iterations")

    def blocks() -> Sequence[Block]:
        from rsgadvise.show.report.plan import plan_blocks

        return plan_blocks(plan)

    emit(to, blocks=blocks, document=document, rows=lambda: [asdict(point) for point in plan.tradeoff])
    if not plan.feasible:
        raise typer.Exit(1)
