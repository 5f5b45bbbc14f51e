"""`report`: the advice as one HTML page."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsgadvise import __version__
from rsgadvise.bounds.objective import MEASURED
from rsgadvise.cli.advice import Answer, SpecArgument, ask_for_advice
from rsgadvise.cli.options import (
    AdviceConstantsOption,
    NoColorOption,
    OutputOption,
    PilotOption,
    QuietOption,
    SeedOption,
    SetOption,
    VersionOption,
)
from rsgadvise.cli.output import write
from rsgadvise.errors import UsageError
from rsgadvise.pilot import check_pilot

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice, Recommendation
    from rsgadvise.html import Page

__all__ = ["report"]

_FORMATS = ("html", "json")
_SAVED = "spec.yaml"  # what a spec from standard input is to be saved as


def report(
    spec: SpecArgument,
    top: Annotated[int, typer.Option(min=1, max=100, help="How many recommendations to show.")] = 5,
    constants: AdviceConstantsOption = None,
    pilot: PilotOption = 0.0,
    seed: SeedOption = 0,
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="Title of the page; without it, one from the network.")
    ] = "",
    set_: SetOption = None,
    format_: Annotated[
        str,
        typer.Option(
            "--format", "-f", metavar="html|json", help="The page, or the document of what it shows."
        ),
    ] = "html",
    output: OutputOption = None,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    version: VersionOption = False,
) -> None:
    """Write the advice, its curves and what it rests on as one self-contained HTML page.

    The date of the page is now, or the SOURCE_DATE_EPOCH variable where it is set.
    """
    del version, no_color  # a page has colours of its own, light and dark
    if format_ not in _FORMATS:
        raise UsageError(
            f"--format must be html or json for a report; got {format_!r}; use `rsgadvise recommend` for "
            "tables, YAML, Markdown and CSV"
        )
    written = _now(os.environ)
    _check_output(output, format_)
    check_pilot(pilot, name="--pilot")
    answer = ask_for_advice(spec, set_, constants=constants, pilot=pilot, seed=seed, top=top, quiet=quiet)
    race = ["--pilot", repr(pilot)] if pilot else []
    if seed and (pilot or answer.result.constants in MEASURED):
        race += ["--seed", str(seed)]
    page = _page(answer, title=title.strip(), written=written, overrides=set_ or (), race=race, top=top)
    if format_ == "html":
        from rsgadvise.html import render

        write(output, render(page))
    else:
        from rsgadvise.report.documents import as_json

        write(output, as_json(_document(page, answer)))
    if answer.result.infeasible is not None:
        raise typer.Exit(1)
    if answer.result.interrupted:
        raise typer.Exit(130)


def _check_output(output: Any, format_: str) -> None:
    """Refuse, before any work, what would flood a terminal.

    Raises:
        UsageError: it would.
    """
    if output is None and format_ == "html" and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError(
            "a page is for a browser; got no --output, and standard output is a terminal; use "
            "`-o report.html`, or `-o -` to print it all the same"
        )


def _now(environment: Mapping[str, str]) -> datetime:
    """The date of the page: SOURCE_DATE_EPOCH if it is set, so that a build can be repeated.

    Raises:
        UsageError: it is not a number of seconds that a calendar has.
    """
    given = environment.get("SOURCE_DATE_EPOCH", "")
    if not given:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(given), UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"SOURCE_DATE_EPOCH must be whole seconds since 1970; got {given!r}; correct it, or unset it"
        ) from None


def _page(
    answer: Answer[Advice],
    *,
    title: str,
    written: datetime,
    overrides: Sequence[str],
    race: Sequence[str],
    top: int,
) -> Page:
    from rsgadvise.bounds.problem import resolve
    from rsgadvise.curves import curves_of
    from rsgadvise.explain.advised import assumptions_of, input_statistics
    from rsgadvise.html import Page

    loaded, advice = answer.loaded, answer.result
    problem = resolve(loaded.spec, answer.measured)
    return Page(
        title=title,
        version=__version__,
        written=written,
        advice=advice,
        curves=curves_of(loaded.spec, problem, advice),
        assumptions=assumptions_of(
            loaded.spec, advice, measured=answer.measured, statistics=answer.statistics
        ),
        inputs=input_statistics(loaded.spec, problem, answer.statistics),
        statistics=answer.statistics,
        data_name=loaded.spec.data.file or "",
        spec_name=loaded.source.file,
        spec_text=loaded.source.text,
        commands=tuple(_commands(answer, overrides, race, top)),
    )


def _commands(
    answer: Answer[Advice], overrides: Sequence[str], race: Sequence[str], top: int
) -> Iterator[Any]:
    """The command lines behind what the page shows, and those that go on from there."""
    from rsgadvise.html import Command

    advice, name = answer.result, answer.loaded.source.file
    spec = [_SAVED if name.startswith("<") else name]
    sets = [part for override in overrides for part in ("--set", override)]
    constants = [] if advice.constants == "paper" else ["--constants", advice.constants]
    many = [] if top == 5 else ["--top", str(top)]
    from_stdin = f", saved as {_SAVED}" if spec[0] == _SAVED and name != _SAVED else ""

    def line(what: str, command: str, *more: str) -> Command:
        return Command(what, shlex.join(["rsgadvise", command, *spec, *constants, *sets, *more]))

    yield line(f"This page{from_stdin}", "report", *race, *many, "-o", "report.html")
    yield line("The ranking", "recommend", *race, *many)
    if advice.recommendations:
        best = advice.recommendations[0]
        if not advice.measured:  # else its bound is not that of the constants that `bound` has
            yield line("The bound of rank 1, term by term", "bound", *_fixed(best))
        yield line("Python that trains by rank 1", "recommend", *race, "--emit", "torch")


def _fixed(best: Recommendation) -> Iterator[str]:
    """Options that fix every hyper-parameter, with all digits."""
    gamma = best.stepsize
    values = {
        "stepsize": repr(gamma) if isinstance(gamma, float) else str(list(gamma)),
        "batch_size": str(best.batch_size),
        "iterations": str(best.iterations),
        "keep_prob": repr(best.keep_prob),
        "decay": repr(best.decay),
    }
    for key, value in values.items():
        yield from ("--set", f"training.{key}={value}")


def _document(page: Page, answer: Answer[Advice]) -> dict[str, Any]:
    """What the page shows, for programs."""
    from rsgadvise.report.documents import as_document

    body = {
        "title": page.title,
        "version": page.version,
        "written": page.written.isoformat(),
        "advice": page.advice,
        "curves": page.curves,
        "assumptions": list(page.assumptions),
        "inputs": list(page.inputs),
        "statistics": page.statistics,
        "commands": list(page.commands),
    }
    spec = answer.loaded.spec.model_dump(mode="json")
    return as_document("report", body, data=dict(answer.measured), spec=spec)
