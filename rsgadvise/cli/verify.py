"""`verify`: train, and find out whether the bound holds."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsgadvise.cli.computing import DaskOption, JobsOption, check_budget, check_confidence, usable_cores
from rsgadvise.cli.data import described, rows_of, statistics_of
from rsgadvise.cli.locating import located, unique_name
from rsgadvise.cli.options import (
    Constants,
    Format,
    FormatOption,
    NoColorOption,
    OutputOption,
    QuietOption,
    SetOption,
    VersionOption,
)
from rsgadvise.cli.output import Target, emit, is_stdout, write
from rsgadvise.errors import HypothesisError, InfeasibleError, UsageError

if TYPE_CHECKING:
    from rsgadvise.bounds.objective import ConstantsName
    from rsgadvise.report.blocks import Block
    from rsgadvise.spec import LoadedSpec
    from rsgadvise.verify.cases import Case
    from rsgadvise.verify.from_spec import Values
    from rsgadvise.verify.results import Verification

__all__ = ["usable_cores", "verify"]


class Checked(StrEnum):
    """Whose bounds count."""

    BOTH = "both"
    PAPER = "paper"
    CERTIFIED = "certified"


def _values(loaded: LoadedSpec, measured: Any, constants: ConstantsName) -> Values:
    """The spec's own hyper-parameters, or what `recommend` makes of those that it leaves open.

    Raises:
        InfeasibleError: nothing can be recommended.
    """
    from rsgadvise.report.blocks import stepsizes
    from rsgadvise.sweep.values import chosen_values

    try:
        best, advised = chosen_values(loaded.spec, constants=constants, measured=measured)
    except InfeasibleError as error:
        raise InfeasibleError(f"{loaded.source.file}: nothing to train: {error}") from None
    if not advised:
        return replace(best, source="Trained with the values that the spec fixes.")
    return replace(
        best,
        source="What the spec leaves open is the theorem's choice, not what `recommend` says to train with "
        f"(`recommend --into` writes that into the spec): as ranked with {constants} constants (--advice), "
        f"stepsize {stepsizes(best.stepsize)}, "
        f"batch size {best.batch_size}, {best.iterations:,} iterations, keep probability "
        f"{best.keep_prob:.4g}, decay {best.decay:g}.",
    )


def _about_the_start(loaded: LoadedSpec) -> str:
    """Why the bounds of `recommend`, `bound` and `sweep` for this spec are others."""
    given = loaded.spec.training.initial_loss
    theirs = f"{given:g}, given" if given is not None else f"{loaded.spec.network.output_dim:g}, assumed"
    return (
        f"The bounds here hold for f(W1) as measured; `recommend`, `bound` and `sweep` take {theirs} as "
        "training.initial_loss, so that theirs differ."
    )


def _case(
    path: str,
    taken: set[str],
    *,
    overrides: Sequence[str],
    checked: Checked,
    advice: ConstantsName,
    seed: int,
    alpha: float,
    quiet: bool,
) -> Case:
    """One spec as a case, by a name that is not `taken` yet.

    Raises:
        SpecError: the spec or its data break a rule, or cannot be trained.
    """
    import numpy as np

    from rsgadvise.spec import load_spec
    from rsgadvise.verify.cases import CONSTANTS, build_case
    from rsgadvise.verify.from_spec import setting_from_spec

    loaded = load_spec(path, overrides=tuple(overrides))
    name = unique_name(loaded.source.file, taken)
    statistics = statistics_of(loaded, quiet=quiet)
    measured, notes = (None, []) if statistics is None else described(loaded, statistics)
    constants = tuple(each for each in CONSTANTS if checked in (Checked.BOTH, each))
    data = None if statistics is None else rows_of(loaded, statistics)
    try:
        with np.errstate(all="ignore"):
            values = _values(loaded, measured, advice)
            setting, moments = setting_from_spec(
                loaded.spec,
                values,
                name=name,
                seed=seed,
                data=data,
                measured=measured,
                constants=constants,
                notes=tuple(notes),
            )
            setting = replace(setting, notes=(*setting.notes, _about_the_start(loaded)))
            return build_case(setting, seed=seed, alpha=alpha, moments=moments)
    except HypothesisError as error:
        raise located(error, loaded) from None


def _cases(
    specs: Sequence[str],
    *,
    overrides: Sequence[str],
    checked: Checked,
    advice: ConstantsName,
    seed: int,
    confidence: float,
    quiet: bool,
) -> list[Case]:
    if not specs:
        if overrides:
            raise UsageError("--set overrides a key of a spec; got no SPEC; name one, or leave --set out")
        if checked is not Checked.BOTH:
            raise UsageError(
                "--constants chooses the bounds of a spec; got no SPEC; the built-in suite checks both"
            )
        from rsgadvise.verify.suite import suite

        return suite(seed=seed, confidence=confidence)
    if specs.count("-") > 1:
        raise UsageError("- stands for standard input, which can be read once; got it twice; name files")
    alpha = (1 - confidence) / len(specs)
    taken: set[str] = set()
    return [
        _case(
            spec,
            taken,
            overrides=overrides,
            checked=checked,
            advice=advice,
            seed=seed,
            alpha=alpha,
            quiet=quiet,
        )
        for spec in specs
    ]


def verify(
    specs: Annotated[
        list[str] | None,
        typer.Argument(metavar="SPEC", help="Spec files, - for standard input; without: the built-in suite."),
    ] = None,
    runs: Annotated[
        int, typer.Option(min=1, max=10**7, help="T: most independent replicas of each case.")
    ] = 4000,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of all randomness.")] = 0,
    confidence: Annotated[
        float, typer.Option(help="1 minus the probability that any verdict is wrong.")
    ] = 0.99,
    constants: Annotated[
        Checked, typer.Option("--constants", help="Whose bounds of a spec count.")
    ] = Checked.BOTH,
    advice: Annotated[
        Constants, typer.Option("--advice", help="Whose constants choose what a spec leaves open.")
    ] = Constants.PAPER,
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit",
            metavar="FILE",
            help="Also write a JUnit report; - is standard output, if --output is not.",
        ),
    ] = None,
    jobs: JobsOption = None,
    dask: DaskOption = None,
    budget: Annotated[
        float | None, typer.Option("--budget", metavar="SECONDS", help="Stop after so long.")
    ] = None,
    allow_approximate: Annotated[
        bool,
        typer.Option("--allow-approximate", help="Exit 0 where nothing worse than `approximate` came out."),
    ] = False,
    set_: SetOption = None,
    format_: FormatOption = Format.TABLE,
    output: OutputOption = None,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    version: VersionOption = False,
) -> None:
    """Train many times, and test whether the bound holds."""
    del version
    check_confidence(confidence)
    check_budget(budget)
    if junit is not None and is_stdout(junit) and is_stdout(output):
        raise UsageError(
            "--junit - writes to standard output, where the result goes; name a file for one of them, with "
            "--junit or --output"
        )
    cases = _cases(
        list(specs or ()),
        overrides=tuple(set_ or ()),
        checked=constants,
        advice=advice.value,
        seed=seed,
        confidence=confidence,
        quiet=quiet,
    )
    from rsgadvise.cli.progress import CaseProgress
    from rsgadvise.verify.runners import make_runner
    from rsgadvise.verify.running import run_cases

    runner = make_runner(
        [case.experiment for case in cases],
        jobs=jobs or usable_cores(),
        dask=dask,
        kill=budget is not None,
    )
    with CaseProgress(enabled=not quiet) as progress:
        found = run_cases(
            cases,
            runner,
            runs=runs,
            confidence=confidence,
            seed=seed,
            budget=budget,
            progress=progress,
            allow_approximate=allow_approximate,
        )
    if found.interrupted:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is known is written, however often it is pressed
    _report(found, Target(format_, output, quiet, no_color), junit)
    raise SystemExit(found.exit_code)


def _report(found: Verification, target: Target, junit: Path | None) -> None:
    from rsgadvise.report.verification import verification_blocks

    def blocks() -> Sequence[Block]:
        return verification_blocks(found)

    def document() -> dict[str, Any]:
        from rsgadvise.report.documents import as_document

        return as_document("verify", found)

    def markdown() -> str:
        from rsgadvise.report.markdown import as_markdown

        return as_markdown(blocks())

    with contextlib.ExitStack() as last:
        if junit is not None:
            from rsgadvise.report.junit import junit_xml

            last.callback(lambda: write(junit, junit_xml(found)))
        from rsgadvise.cli.github import announce

        last.callback(announce, found, markdown)
        emit(target, blocks=blocks, document=document, rows=lambda: [asdict(case) for case in found.cases])
