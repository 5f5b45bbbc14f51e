"""`recommend`, `iterations` and `bound`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsgadvise.cli.data import measured_for
from rsgadvise.cli.options import (
    Constants,
    ConstantsOption,
    Format,
    FormatOption,
    NoColorOption,
    OutputOption,
    QuietOption,
    SetOption,
    VersionOption,
)
from rsgadvise.cli.output import Target, emit
from rsgadvise.errors import HypothesisError, RsgadviseError, UsageError

if TYPE_CHECKING:
    from rsgadvise.advise.plan import Request
    from rsgadvise.advise.problem import Problem
    from rsgadvise.spec import LoadedSpec

__all__ = ["bound", "iterations", "recommend"]

SpecArgument = Annotated[str, typer.Argument(metavar="SPEC", help="Spec file, or - for standard input.")]


def _located(error: HypothesisError, loaded: LoadedSpec) -> RsgadviseError:
    """The same error, pointing at the key of the spec that it is about."""
    key = error.quantity
    if not key:
        return error
    if "." not in key:
        key = f"training.{key}"
    if not loaded.source.given(key) and loaded.source.given(key.partition("[")[0]):
        key = key.partition("[")[0]
    return loaded.source.error(key, str(error))


def recommend(
    spec: SpecArgument,
    top: Annotated[int, typer.Option(min=1, max=10_000, help="How many recommendations to show.")] = 5,
    constants: ConstantsOption = Constants.PAPER,
    set_: SetOption = None,
    format_: FormatOption = Format.TABLE,
    output: OutputOption = None,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    version: VersionOption = False,
) -> None:
    """Rank stepsizes, batch sizes, iterations and keep probabilities for a spec."""
    del version
    from dataclasses import asdict, replace

    from rsgadvise.advise.recommend import recommend as advise
    from rsgadvise.spec import load_spec

    loaded = load_spec(spec, overrides=tuple(set_ or ()))
    measured, notes = measured_for(loaded, quiet=quiet)
    try:
        advice = advise(loaded.spec, constants=constants.value, top=top, measured=measured)
    except HypothesisError as error:
        raise _located(error, loaded) from None
    advice = replace(advice, notes=(*notes, *advice.notes))

    def document() -> dict[str, Any]:
        from rsgadvise.report.documents import as_document

        return as_document(
            "recommend", advice, data=dict(measured or {}), spec=loaded.spec.model_dump(mode="json")
        )

    def blocks() -> Any:
        from rsgadvise.report.advice import advice_blocks

        return advice_blocks(advice)

    emit(
        Target(format_, output, quiet, no_color),
        blocks=blocks,
        document=document,
        rows=lambda: [asdict(row) for row in advice.recommendations],
    )
    if advice.infeasible is not None:
        raise typer.Exit(1)


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
    from dataclasses import asdict, replace

    from rsgadvise.advise.evaluate import evaluate
    from rsgadvise.spec import load_spec

    loaded = load_spec(spec, overrides=tuple(set_ or ()))
    measured, notes = measured_for(loaded, quiet=quiet)
    try:
        report = evaluate(loaded.spec, constants=constants.value, measured=measured)
    except HypothesisError as error:
        raise _located(error, loaded) from None
    report = replace(report, notes=(*notes, *report.notes))

    def document() -> dict[str, Any]:
        from rsgadvise.report.documents import as_document

        return as_document(
            "bound", report, data=dict(measured or {}), spec=loaded.spec.model_dump(mode="json")
        )

    def blocks() -> Any:
        from rsgadvise.report.evaluation import bound_blocks

        return bound_blocks(report)

    emit(
        Target(format_, output, quiet, no_color),
        blocks=blocks,
        document=document,
        rows=lambda: [asdict(report)],
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
    loaded, notes = None, list[str]()
    problem: Problem
    request: Request
    if spec is None:
        if set_:
            raise UsageError("--set overrides a key of a spec; got no SPEC; name one, or leave --set out")
        problem, request = request_from_options(given)
    else:
        from rsgadvise.spec import load_spec

        loaded = load_spec(spec, overrides=tuple(set_ or ()))
        measured, notes = measured_for(loaded, quiet=quiet)
        problem, request = request_from_spec(given, loaded, measured)
    try:
        plan = plan_iterations(problem, request, constants=constants.value)
    except HypothesisError as error:
        raise (error if loaded is None else _located(error, loaded)) from None

    def document() -> dict[str, Any]:
        from rsgadvise.report.documents import as_document

        shown = as_document("iterations", plan)
        shown["notes"] = [*notes, *shown["notes"]]
        if loaded is not None:
            shown["spec"] = loaded.spec.model_dump(mode="json")
        return shown

    def blocks() -> Any:
        from dataclasses import replace

        from rsgadvise.report.plan import plan_blocks

        return plan_blocks(replace(plan, notes=(*notes, *plan.notes)))

    def rows() -> list[dict[str, Any]]:
        from dataclasses import asdict

        return [asdict(point) for point in plan.tradeoff]

    emit(Target(format_, output, quiet, no_color), blocks=blocks, document=document, rows=rows)
    if not plan.feasible:
        raise typer.Exit(1)
