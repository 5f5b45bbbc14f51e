"""`report`: the advice as one HTML page."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsgadvise import __version__
from rsgadvise.cli.advice import Answer, SourceArgument, ask_for_advice
from rsgadvise.cli.options import NoColorOption, OutputOption, QuietOption, SetOption, VersionOption
from rsgadvise.cli.output import check_writable, write
from rsgadvise.cli.sources import AboutData, EffortOptions
from rsgadvise.errors import UsageError
from rsgadvise.pilot import Effort
from rsgadvise.theory import DEFAULT

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice, Recommendation
    from rsgadvise.show.html import Command, Page


_FORMATS = ("html", "json")
_SAVED = "spec.yaml"  # what a spec from standard input is to be saved as


def report(
    spec: SourceArgument,
    options: AboutData,
    top: Annotated[int, typer.Option(min=1, max=100, help="How many recommendations to show.")] = 5,
    *,
    effort: EffortOptions,
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
    """Write the advice and what it rests on as one HTML page.

    The date of the page is now, or the SOURCE_DATE_EPOCH variable where it is set.
    """
    del version, no_color  # a page has colours of its own, light and dark
    if format_ not in _FORMATS:
        raise UsageError(
            f"--format must be html or json for a report; got {format_!r}; use `rsgadvise recommend` for "
            "tables, YAML, Markdown and CSV"
        )
    written = _now(os.environ)
    place = _place(spec, output, format_)
    answer = ask_for_advice(spec, set_, effort, top=top, quiet=quiet, options=options)
    asked = [spec, *options.words] if answer.source.from_data else [_SAVED if spec == "-" else spec]
    asked += [part for override in set_ or () for part in ("--set", override)]
    commands = tuple(_commands(answer, asked, _effort_options(effort), top))
    page = _page(answer, title=title.strip(), written=written, commands=commands)
    if format_ == "html":
        from rsgadvise.show.html import render

        write(place, render(page))
    else:
        from rsgadvise.show.formats.json import as_json

        write(place, as_json(_document(page, answer)))
    if place is not None and output is None and not quiet:
        print(f"wrote {place}", file=sys.stderr)
    if answer.result.infeasible is not None:
        raise typer.Exit(1)
    if answer.result.interrupted:
        raise typer.Exit(130)


def _place(spec: str, output: Path | None, format_: str) -> Path | None:
    """Where the result goes: what --output says, else a page in the working directory, named as what is read.

    Raises:
        UsageError: the page would replace another file, or the spec has no name to take.
    """
    if output is not None or format_ != "html":
        return output
    if spec == "-":
        raise UsageError(
            "--output must name the page of a spec from standard input; got none; use `-o report.html`, or "
            "`-o -` to print it"
        )
    place = Path(f"{Path(spec).stem}.html")
    check_writable(place)
    if place.exists() and Path(spec).exists() and place.samefile(spec):
        raise UsageError(
            f"--output must name another file than what is read, {spec}; got none; add -o report.html"
        )
    return place


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


def _effort_options(effort: Effort) -> list[str]:
    """The options that ask for the same effort again."""
    given = {
        "--constants": None if effort.automatic else effort.constants,
        "--pilot": None if effort.pilot is None else repr(effort.pilot),
        "--work": None if effort.work is None else f"{effort.work:g}",
        "--seed": str(effort.seed) if effort.seed else None,
    }
    return [part for name, value in given.items() if value is not None for part in (name, value)]


def _page(
    answer: Answer[Advice],
    *,
    title: str,
    written: datetime,
    commands: tuple[Command, ...],
) -> Page:
    from rsgadvise.ask.curves import curves_of
    from rsgadvise.ask.explain.explaining import assumptions_of, input_statistics
    from rsgadvise.show.html import Page
    from rsgadvise.spec.problem import resolve

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
        commands=commands,
    )


def _commands(
    answer: Answer[Advice], asked: Sequence[str], race: Sequence[str], top: int
) -> Iterator[Command]:
    """The command lines behind what the page shows, and those that go on from there.

    Args:
        answer: what it shows.
        asked: the spec or the data file with its options, as they are typed.
        race: options of the effort.
        top: ranks asked for.
    """
    from rsgadvise.show.html import Command

    advice, from_data = answer.result, answer.source.from_data
    many = [] if top == 5 else ["--top", str(top)]
    from_stdin = f", saved as {_SAVED}" if answer.loaded.source.file == "<stdin>" else ""

    def line(what: str, command: str, *more: str) -> Command:
        return Command(what, shlex.join(["rsgadvise", command, *asked, *more]))

    yield line(f"This page{from_stdin}", "report", *race, *many, "-o", "report.html")
    yield line("The same as text", "recommend", *race, *many)
    if from_data:
        yield line("The spec below, for every other command", "recommend", *race, "--save", _SAVED)
    if advice.recommendations:
        best = advice.recommendations[0]
        if not (advice.measured or from_data):  # else its bound is not that of the constants that `bound` has
            shown = [] if advice.constants == DEFAULT else ["--constants", advice.constants]
            yield line("The bound of rank 1, term by term", "bound", *shown, *_fixed(best))
        yield line("Python that trains so", "recommend", *race, "--emit", "torch")


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
    from rsgadvise.show.report.documents import as_document

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
