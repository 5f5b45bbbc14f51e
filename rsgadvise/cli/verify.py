"""`verify`: train, and find out whether the bound holds."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsgadvise.cli.bounds import adviser, located, require_bounds, unique_name
from rsgadvise.cli.options import (
    AdviserOption,
    JobsOption,
    SetOption,
    check_budget,
    check_confidence,
    usable_cores,
)
from rsgadvise.cli.output import Target, TargetOptions, is_stdout, show, write
from rsgadvise.cli.sources import described, rows_of, statistics_of
from rsgadvise.errors import HypothesisError, InfeasibleError, UsageError
from rsgadvise.records import dataclass
from rsgadvise.show.annotations import Level, annotation
from rsgadvise.show.report.verification import summary
from rsgadvise.theory import BY_THEOREM

if TYPE_CHECKING:
    from rsgadvise.ask.verify.cases import Case, Verification
    from rsgadvise.ask.verify.from_spec import Values
    from rsgadvise.spec import LoadedSpec, Spec
    from rsgadvise.theory import ConstantsName
    from rsgadvise.theory.problem import Problem
    from rsgadvise.training.networks import Data


# GitHub Actions: one annotation for a whole verification, and its report in the step summary.

_TITLE = "rsgadvise verify"
_MOST_CASES = 10


def announce(verification: Verification, markdown: Callable[[], str]) -> None:
    """Tell GitHub Actions the outcome; elsewhere do nothing.

    Args:
        verification: what came out.
        markdown: renders the report; called only where there is a step summary to append it to.
    """
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    _tell(_level(verification), "\n".join(_lines(verification)))
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        _append_summary(Path(path), markdown())


def _level(verification: Verification) -> Level:
    if verification.verdict == "falsified":
        return "error"
    if verification.verdict == "inconclusive" or not verification.complete:
        return "warning"
    return "notice"


def _lines(verification: Verification) -> Iterator[str]:
    """The outcome, the first of the cases that failed, and why the verification is incomplete."""
    checked = sum(case.checked for case in verification.cases)
    # Decided cases come before undecided ones: they are what makes the verdict `falsified`.
    rough = sum(case.approximate for case in verification.cases)
    failing = sorted(
        (case for case in verification.cases if not case.passed),
        key=lambda case: case.verdict == "inconclusive",
    )
    yield (
        f"{verification.verdict}{'' if verification.complete else ', incomplete'}: "
        f"{checked - len(failing)} of {checked} checked bounds came out as expected"
        f"{f', {rough} only approximately, which is no pass' if rough else ''}"
    )
    for case in failing[:_MOST_CASES]:
        yield f"{case.name} ({case.constants}): {summary(case)}"
    if len(failing) > _MOST_CASES:
        yield f"and {len(failing) - _MOST_CASES} more"
    yield from verification.notes


def _tell(level: Level, message: str) -> None:
    """Write one workflow command to standard error; standard output carries the result alone."""
    if sys.stderr is None:
        return
    with suppress(OSError):
        line = annotation(level, message, title=_TITLE)
        # A file name may hold what no encoding can write.
        print(line.encode("utf-8", "backslashreplace").decode(), file=sys.stderr, flush=True)


def _append_summary(path: Path, text: str) -> None:
    """Append to the step summary; a failure is told, and changes nothing else."""
    try:
        with path.open("ab") as stream:
            stream.write((b"\n" if stream.tell() else b"") + text.encode("utf-8", "replace"))
    except OSError as error:
        _tell("warning", f"cannot write the step summary: {error.strerror or error}")


class Checked(StrEnum):
    """Whose bounds count."""

    BOTH = "both"
    PAPER = "paper"
    CERTIFIED = "certified"
    FLOORLESS = "floorless"


def _values(loaded: LoadedSpec, measured: Any, asked: ConstantsName | None) -> Values:
    """The spec's own hyper-parameters, or what `recommend` makes of those that it leaves open.

    Raises:
        InfeasibleError: nothing can be recommended.
    """
    from rsgadvise.ask.verify.from_spec import chosen_values
    from rsgadvise.numerals import stepsizes

    constants = adviser(loaded, asked)
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


def _about_the_start(spec: Spec, problem: Problem) -> str:
    """Why the bounds of `recommend`, `bound` and `sweep` for this spec are others."""
    given = spec.training.initial_loss
    theirs = f"{problem.initial_loss:g}, {'assumed' if given is None else 'given'}"
    return (
        f"The bounds here hold for f(W1) as measured; `recommend`, `bound` and `sweep` take {theirs} as "
        "training.initial_loss, so that theirs differ."
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """What a spec is trained on; rows are generated where there are none.

    Attributes:
        data: the rows.
        measured: their statistics by spec key.
        notes: for the report.
    """

    data: Data | None = None
    measured: Mapping[str, float | int | None] | None = None
    notes: tuple[str, ...] = ()


def rows_for(loaded: LoadedSpec, *, quiet: bool) -> Rows:
    """The rows of the spec's data file, if it names one.

    Raises:
        SpecError: they do not fit the network.
    """
    statistics = statistics_of(loaded, quiet=quiet)
    if statistics is None:
        return Rows()
    measured, notes = described(loaded, statistics)
    return Rows(rows_of(loaded, statistics), measured, tuple(notes))


def case_of(
    loaded: LoadedSpec,
    rows: Rows,
    *,
    name: str,
    checked: Checked,
    advice: ConstantsName | None,
    seed: int,
    alpha: float,
) -> Case:
    """One spec as a case.

    Raises:
        SpecError: it cannot be trained.
    """
    import numpy as np

    from rsgadvise.ask.verify.cases import build_case
    from rsgadvise.ask.verify.from_spec import setting_from_spec
    from rsgadvise.spec.problem import resolve
    from rsgadvise.theory.theorems import refusal

    both = checked is Checked.BOTH
    constants = BY_THEOREM if both else (checked.value,)
    problem = resolve(loaded.spec, rows.measured)
    try:
        if not both and (refused := refusal(problem, checked.value)):
            raise refused
        with np.errstate(all="ignore"):
            setting, moments = setting_from_spec(
                loaded.spec,
                _values(loaded, rows.measured, advice),
                name=name,
                seed=seed,
                data=rows.data,
                measured=rows.measured,
                constants=constants,
                notes=rows.notes,
            )
            setting = replace(setting, notes=(*setting.notes, _about_the_start(loaded.spec, problem)))
            return build_case(setting, seed=seed, alpha=alpha, moments=moments)
    except HypothesisError as error:
        raise located(error, loaded) from None


def _cases(
    specs: Sequence[str],
    *,
    overrides: Sequence[str],
    checked: Checked,
    advice: ConstantsName | None,
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
        from rsgadvise.ask.verify.suite import suite

        return suite(seed=seed, confidence=confidence)
    if specs.count("-") > 1:
        raise UsageError("- stands for standard input, which can be read once; got it twice; name files")
    from rsgadvise.spec import load_spec

    alpha = (1 - confidence) / len(specs)
    taken: set[str] = set()
    cases = []
    for spec in specs:
        loaded = require_bounds(
            load_spec(spec, overrides=tuple(overrides)),
            ("--constants", None if checked is Checked.BOTH else checked.value),
            ("--advice", advice),
            instead="measure it with `rsgadvise sweep --measure --vary training.stepsize=0.001:0.1:log3`",
        )
        name = unique_name(loaded.source.file, taken)
        rows = rows_for(loaded, quiet=quiet)
        cases.append(case_of(loaded, rows, name=name, checked=checked, advice=advice, seed=seed, alpha=alpha))
    return cases


def run(
    cases: Sequence[Case], *, jobs: int | None, budget: float | None, telling: bool, **options: Any
) -> Verification:
    """Judge every case in so many processes, and tell on stderr how far that is, if wanted.

    Args:
        options: of `run_cases`.
    """
    from rsgadvise.ask.verify.running import make_runner, run_cases
    from rsgadvise.cli.progress import CaseProgress

    experiments = [case.experiment for case in cases]
    with (
        closing(make_runner(experiments, jobs=jobs or usable_cores(), kill=budget is not None)) as runner,
        CaseProgress(enabled=telling) as progress,
    ):
        verification = run_cases(cases, runner, budget=budget, progress=progress, **options)
    if verification.interrupted:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is known is written, however often it is pressed
    return verification


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
    advice: AdviserOption = None,
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit",
            metavar="FILE",
            help="Also write a JUnit report; - is standard output, if --output is not.",
        ),
    ] = None,
    jobs: JobsOption = None,
    budget: Annotated[
        float | None, typer.Option("--budget", metavar="SECONDS", help="Stop after so long.")
    ] = None,
    allow_approximate: Annotated[
        bool,
        typer.Option("--allow-approximate", help="Exit 0 where nothing worse than `approximate` came out."),
    ] = False,
    set_: SetOption = None,
    *,
    to: TargetOptions,
) -> None:
    """Train many times, and test whether the bound holds."""
    check_confidence(confidence)
    check_budget(budget)
    if junit is not None and is_stdout(junit) and is_stdout(to.path):
        raise UsageError(
            "--junit - writes to standard output, where the result goes; name a file for one of them, with "
            "--junit or --output"
        )
    cases = _cases(
        list(specs or ()),
        overrides=tuple(set_ or ()),
        checked=constants,
        advice=advice,
        seed=seed,
        confidence=confidence,
        quiet=to.quiet,
    )
    verification = run(
        cases,
        jobs=jobs,
        budget=budget,
        telling=not to.quiet,
        runs=runs,
        confidence=confidence,
        seed=seed,
        allow_approximate=allow_approximate,
    )
    _report(verification, to, junit)
    raise SystemExit(verification.exit_code)


def _report(verification: Verification, target: Target, junit: Path | None) -> None:
    from rsgadvise.show.report.verification import verification_blocks

    def markdown() -> str:
        from rsgadvise.show.formats.markdown import as_markdown

        return as_markdown(verification_blocks(verification))

    with ExitStack() as last:
        if junit is not None:
            from rsgadvise.show.report.verification import junit_xml

            last.callback(lambda: write(junit, junit_xml(verification)))

        last.callback(announce, verification, markdown)
        show(target, "verify", verification, verification_blocks, verification.cases)
