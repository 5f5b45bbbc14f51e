"""`report`: the advice as one HTML page."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsgadvise import __version__
from rsgadvise.cli.advice import SourceArgument, advised
from rsgadvise.cli.options import AboutData, EffortOptions, SetOption
from rsgadvise.cli.output import PlaceOptions, write
from rsgadvise.cli.sources import Loaded
from rsgadvise.errors import UsageError
from rsgadvise.files import check_writable
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
    to: PlaceOptions,
) -> None:
    """Write the advice and what it rests on as one HTML page.

    The date of the page is now, or the SOURCE_DATE_EPOCH variable where it is set.
    """
    if format_ not in _FORMATS:
        raise UsageError(
            f"--format must be html or json for a report; got {format_!r}; use `rsgadvise recommend` for "
            "tables, YAML, Markdown and CSV"
        )
    written = _now(os.environ)
    place = _place(spec, to.path, format_)
    source, advice = advised(spec, set_, effort, top=top, quiet=to.quiet, options=options)
    asked = [spec, *options.words] if source.from_data else [_SAVED if spec == "-" else spec]
    asked += [part for override in set_ or () for part in ("--set", override)]
    commands = tuple(_commands(source, advice, asked, _effort_options(effort), top))
    page = _page(source, advice, title=title.strip(), written=written, commands=commands)
    if format_ == "html":
        from rsgadvise.show.html import render

        write(place, render(page))
    else:
        from rsgadvise.show.formats.json import as_json
        from rsgadvise.show.report.blocks import as_document

        own = {"data_name", "spec_name", "spec_text"}  # of the page alone, which has them in words
        body = {f.name: getattr(page, f.name) for f in fields(page) if f.name not in own}
        asked_about = {key: each() for key, each in source.about().items()}
        document = as_document("report", {**body, "written": written.isoformat()}, **asked_about)
        write(place, as_json(document))
    if place is not None and to.path is None and not to.quiet:
        print(f"wrote {place}", file=sys.stderr)
    if advice.infeasible is not None:
        raise typer.Exit(1)
    if advice.interrupted:
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
    source: Loaded, advice: Advice, *, title: str, written: datetime, commands: tuple[Command, ...]
) -> Page:
    from rsgadvise.ask.curves import curves_of
    from rsgadvise.ask.explain.explaining import assumptions_of
    from rsgadvise.show.html import Page
    from rsgadvise.spec.problem import resolve

    spec, statistics, measured = source.spec, source.statistics, source.measured or {}
    problem = resolve(spec, measured)
    return Page(
        title=title,
        version=__version__,
        written=written,
        advice=advice,
        curves=curves_of(spec, problem, advice),
        assumptions=assumptions_of(spec, advice, measured=measured, statistics=statistics),
        statistics=statistics,
        data_name=spec.data.file or "",
        spec_name=source.loaded.source.file,
        spec_text=source.loaded.source.text,
        commands=commands,
    )


def _commands(
    source: Loaded, advice: Advice, asked: Sequence[str], race: Sequence[str], top: int
) -> Iterator[Command]:
    """The command lines behind what the page shows, and those that go on from there.

    Args:
        source, advice: what it shows.
        asked: the spec or the data file with its options, as they are typed.
        race: options of the effort.
        top: ranks asked for.
    """
    from rsgadvise.show.html import Command

    many = [] if top == 5 else ["--top", str(top)]
    from_stdin = f", saved as {_SAVED}" if source.loaded.source.file == "<stdin>" else ""

    def line(what: str, command: str, *more: str) -> Command:
        return Command(what, shlex.join(["rsgadvise", command, *asked, *more]))

    yield line(f"This page{from_stdin}", "report", *race, *many, "-o", "report.html")
    yield line("The same as text", "recommend", *race, *many)
    if source.from_data:
        yield line("The spec below, for every other command", "recommend", *race, "--save", _SAVED)
    if advice.recommendations:
        best = advice.recommendations[0]
        if not (
            advice.measured or source.from_data
        ):  # else its bound is not that of the constants that `bound` has
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
