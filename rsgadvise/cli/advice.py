"""`recommend` and `bound`."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsgadvise.cli.options import (
    AboutData,
    AboutModel,
    ConstantsOption,
    DataOptions,
    EffortOptions,
    Emit,
    EmitOption,
    SetOption,
    usable_cores,
)
from rsgadvise.cli.output import TargetOptions, show, write
from rsgadvise.cli.progress import ReadProgress
from rsgadvise.cli.sources import Loaded, load, reading_of, rows_of, without_targets
from rsgadvise.errors import InfeasibleError, UsageError
from rsgadvise.files import write_text
from rsgadvise.kinds import KINDS
from rsgadvise.pilot import Effort

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice
    from rsgadvise.show.emit import DataFile
    from rsgadvise.show.report.blocks import Block


_ABOUT_SOURCE = "Spec file, - for standard input, or a data file."
SourceArgument = Annotated[str, typer.Argument(metavar="SPEC|DATA", help=_ABOUT_SOURCE)]
NoSourceArgument = Annotated[str | None, typer.Argument(metavar="[SPEC|DATA]", help=_ABOUT_SOURCE)]
SpecArgument = Annotated[str, typer.Argument(metavar="SPEC", help="Spec file, or - for standard input.")]


def _loss_option(text: str) -> float:
    """A training loss, which is above 0."""
    loss = float(text)
    if not 0 < loss < math.inf:
        raise typer.BadParameter(f"must be a loss above 0; got {text}")
    return loss


def recommend(
    spec: NoSourceArgument = None,
    *,
    options: AboutData,
    model: AboutModel,
    save: Annotated[
        Path | None,
        typer.Option(metavar="SPEC", help="Of a data file: also write the spec that it stood for."),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(metavar="SPEC", help="Also write the advised values into the training section of SPEC."),
    ] = None,
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
    if emit_ is not None and to.format != "table":
        raise UsageError(
            f"--emit prints Python in place of a report; got --format {to.format} too; leave one out"
        )
    if model.in_place_of(spec):
        if save or into or set_:
            raise UsageError(
                "--save, --into and --set are about a spec, and --model has none; leave them out"
            )
        from rsgadvise.cli.torch_model import recommend_model

        command = _command()
        if recommend_model(
            model, options, effort, to, emit_=emit_, details=details, until=until, command=command
        ):
            raise typer.Exit(130)
        return
    if spec is None:
        raise UsageError("recommend needs a spec, a data file or --model FILE.py:NAME; got none; name one")
    source, advice = advised(spec, set_, effort, top=top, quiet=to.quiet, options=options, save=save)
    if until is not None and advice.train is not None:
        from rsgadvise.pilot.forecast import asked

        advice = replace(advice, train=asked(advice.train, until))
    if emit_ is not None:
        write(to.path, _program(advice, source, emit_))
    else:

        def blocks(advice: Advice) -> Sequence[Block]:
            from rsgadvise.show.report.advice import advice_blocks

            return advice_blocks(advice, details=details, source=_command())

        show(to, "recommend", advice, blocks, advice.recommendations, **source.about())
    _write_specs(source, advice, save, into, quiet=to.quiet)
    if advice.infeasible is not None:
        raise typer.Exit(1)
    if advice.interrupted:
        raise typer.Exit(130)


def _write_specs(
    source: Loaded, advice: Advice, save: Path | None, into: Path | None, *, quiet: bool
) -> None:
    """Write the spec that a data file stood for, and what is advised into another."""
    told = list[str]()
    if save is not None:
        write_text(save, source.text())
        told.append(f"wrote {save}")
    if into is not None:
        _write_advice(into, advice, source)
        falls = advice.train is not None and advice.train.cooldown > 0
        lacks = ", which has no key for the fall of the stepsize at the end; --emit trains with it"
        told.append(f"wrote {into}{lacks if falls else ''}")
    for line in () if quiet else told:
        print(line, file=sys.stderr)


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


def advised(
    spec: str,
    overrides: Sequence[str] | None,
    effort: Effort,
    *,
    top: int,
    quiet: bool,
    options: DataOptions,
    save: Path | None = None,
) -> tuple[Loaded, Advice]:
    """The advice for a spec or a data file, measured and raced on the data where that is asked for."""
    source = load(spec, overrides, options, quiet=quiet, save=save, constants=effort.constants)
    others = _other_scalings(source) if effort.automatic and effort.pilot is None else ()
    if not others:
        return source, _advice(source, effort, top=top, quiet=quiet)
    from rsgadvise.pilot.scalings import best_scaling

    effort = replace(effort, work=effort.allowed / (1 + len(others)))
    scaled, answers = [source], [_advice(source, effort, top=top, quiet=quiet)]
    for scaling in others:
        if not answers[-1].interrupted:
            scaled.append(source.rescaled(scaling, quiet=quiet))
            answers.append(_advice(scaled[-1], effort, top=top, quiet=quiet))
    if len(answers) == 1:
        return source, answers[0]
    statistics = [each.statistics for each in scaled if each.statistics is not None]
    best, advice = best_scaling(list(zip(statistics, answers, strict=True)))
    return scaled[best], advice


def _other_scalings(source: Loaded) -> tuple[str, ...]:
    if source.statistics is None:
        return ()
    from rsgadvise.pilot.scalings import other_scalings

    return other_scalings(source.spec, source.statistics)


def _advice(source: Loaded, effort: Effort, *, top: int, quiet: bool) -> Advice:
    """Advice by the effort asked for, on the spec's own data file where it names one.

    Raises:
        UsageError: a value of the effort is out of range.
        SpecError: it needs a data file, and the spec names none, or one without targets.
    """
    from rsgadvise.pilot.advising import advise

    spec, statistics, measured = source.spec, source.statistics, source.measured
    effort.check(option="--")
    if statistics is None and effort.needs_data:
        what, instead = "--constants calibrated measures", "use --constants typical or certified"
        if effort.pilot:
            what, instead = "--pilot trains", "leave the pilot out"
        raise source.loaded.source.error(
            "data.file", f"must be given, since {what} on it; got none; add it, or {instead}"
        )
    rows, untargeted = statistics if effort.trains else None, list[str]()
    if rows is not None and rows.output_dim is None and not spec.network.tied and not effort.needs_data:
        rows = None
        untargeted.append(
            f"{spec.data.file} holds no targets, so nothing was measured by training; name them with "
            "data.target."
        )
    with source.asked(), ReadProgress(enabled=not quiet) as bar:
        advice = advise(
            spec,
            None if rows is None else rows_of(source.loaded, rows),
            effort,
            top=top,
            measured=measured,
            threads=usable_cores(),
            progress=lambda part, name: bar(round(100 * part), 100, name),
        )
    advice = source.noted(replace(advice, notes=(*untargeted, *advice.notes)))
    if statistics is None or advice.train is None or advice.train.scaling is not None:
        return advice
    return replace(advice, train=replace(advice.train, scaling=statistics.scaling))


# `--emit`: the advice as code, on the spec's own data file where it names one.


def _program(advice: Advice, source: Loaded, library: Emit) -> str:
    """The program of what the answer says to train with.

    Raises:
        InfeasibleError: it says nothing.
        SpecError: the data file has no targets, and the network needs some.
    """
    from rsgadvise.show.emit import emit_snippet

    if advice.infeasible is not None and advice.train is None:
        raise InfeasibleError(f"{source.loaded.source.file}: nothing to emit: {advice.infeasible.reason}")
    with source.asked():
        return emit_snippet(advice, source.spec, target=library, data=_data_file(advice, source))


def _data_file(advice: Advice, source: Loaded) -> DataFile | None:
    """How the program loads the data: its path is that from the working directory of this one."""
    from rsgadvise.data.scaling import CLIPPED, LOGARITHMS, MIN_MAX
    from rsgadvise.show.emit import DataFile

    statistics, tied = source.statistics, source.spec.network.tied
    if statistics is None:
        return None
    if statistics.output_dim is None and not tied:
        raise without_targets(source.loaded)
    path = source.loaded.source.base_dir / (source.spec.data.file or "")
    used = None if advice.train is None else advice.train.scaling
    return DataFile(
        path=str(path),
        scaling=used or statistics.scaling,  # type: ignore[arg-type]
        options=reading_of(source.spec).said,
        labelled=statistics.target_encoding == "one-hot",
        binary=not tied and statistics.target_encoding in ("0 and 1", "0 and 1 per column"),
        valued=statistics.target_encoding in ("divide by 255", MIN_MAX, LOGARITHMS, CLIPPED),
        rows=statistics.samples,
        squared_norm=statistics.input_dim * statistics.second_moment,
    )


def _write_advice(into: Path, advice: Advice, source: Loaded) -> None:
    """Fix in a spec what the advice trains with: its `training`, and the box and scaling that were chosen.

    Raises:
        SpecError: it is no spec, or one of another network, or cannot be written.
    """
    from rsgadvise.spec import load_spec, write_training

    plan = advice.train
    if plan is None:
        return
    values: dict[str, Any] = {
        "stepsize": plan.stepsize,
        "batch_size": plan.batch_size,
        "iterations": plan.iterations,
        "optimizer": plan.optimises.written,
    }
    if KINDS[advice.kind].masked:
        values["keep_prob"] = plan.keep_prob
    if plan.decay:
        values["decay"] = plan.decay
    if plan.stopping not in ("uniform", "listed"):
        values["stopping"] = "last" if plan.stopping == "end" else plan.stopping
    there = load_spec(into)
    given, needed = (
        (each.layers, each.activations, each.loss, each.bias)
        for each in (there.spec.network, source.spec.network)
    )
    if given != needed:
        raise there.source.error(
            "network",
            f"must be the network that was advised on, {_said(needed)}; got {_said(given)}; --save writes a "
            "spec of it",
        )
    box, scaling = plan.weight_bound, source.spec.data.scaling
    if _other_scalings(source) and source.statistics is not None:  # one of which might win the next time
        scaling = "none" if source.statistics.scaling == "none" else "minmax"
    write_training(
        into,
        values,
        network={} if box is None else {"weight_bound": box},
        data={} if scaling == "auto" else {"scaling": scaling},
    )


def _said(network: tuple[tuple[int, ...], tuple[str, ...], str, bool]) -> str:
    layers, activations, loss, bias = network
    units = "" if not activations else f"{', '.join(dict.fromkeys(activations))} units, "
    return f"{'-'.join(map(str, layers))} of {units}{'biases' if bias else 'no biases'} and {loss} loss"


def bound(
    spec: SpecArgument,
    constants: ConstantsOption = None,
    set_: SetOption = None,
    *,
    to: TargetOptions,
) -> None:
    """Evaluate the bound at the values that a spec fixes."""
    from rsgadvise.advise.evaluate import evaluate
    from rsgadvise.cli.bounds import bounded
    from rsgadvise.show.report.bounds import bound_blocks

    source = bounded(spec, set_, constants, quiet=to.quiet)
    with source.asked():
        found = evaluate(source.spec, constants=constants, measured=source.measured)
    found = source.noted(found)
    # The numbers as one row; sentences are for the other formats.
    row = {key: value for key, value in asdict(found).items() if key not in ("assumed", "notes")}
    show(to, "bound", found, bound_blocks, [row], **source.about())
