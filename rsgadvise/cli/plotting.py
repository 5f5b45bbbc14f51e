"""`plot`: a picture of what another command wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsgadvise.cli.options import Format
from rsgadvise.cli.output import QuietOptions, is_stdout, screen, show, write
from rsgadvise.errors import UsageError
from rsgadvise.files import write_bytes

if TYPE_CHECKING:
    from rsgadvise.show.plot.drawing import Form
    from rsgadvise.show.plot.figure import Chart


_LONGEST_TITLE = 300


def plot(
    result: Annotated[
        str,
        typer.Argument(
            metavar="RESULT",
            help="What sweep, recommend, batch or iterations wrote with -f json; - is standard input.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Draw to FILE, which ends in .png, .svg or .pdf, all of it or nothing; needs matplotlib.",
        ),
    ] = None,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Draw with characters, as wide as the terminal.")
    ] = False,
    format_: Annotated[
        Format | None, typer.Option("--format", "-f", help="Print the numbers of the picture.")
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="In place of its own title.")] = None,
    *,
    to: QuietOptions,
) -> None:
    """Draw what another command wrote, to a file or the terminal."""
    form = None if output is None else _form(output)
    if form is None and not terminal and format_ is None:
        raise UsageError(
            "plot needs a place to draw to; got none; give -o with .png, .svg or .pdf, or --terminal"
        )
    if terminal and format_ is not None:
        raise UsageError(
            f"standard output holds one of --terminal and --format; got --format {format_} too; leave one out"
        )
    _check_title(title)
    if output is not None:
        from rsgadvise.show.plot.drawing import drawing_library

        drawing_library()  # its absence is told before any work
    chart = _chart(result, title)
    if output is not None and form is not None:
        from rsgadvise.show.plot.drawing import draw

        write_bytes(output, draw(chart, form))
    if terminal:
        from rsgadvise.show.plot.terminal import render

        columns, colour = screen(no_color=to.no_color)
        shown = replace(chart, caption=()) if to.quiet else chart
        write(None, render(shown, width=columns, colour=colour))
    if format_ is not None:
        from rsgadvise.show.plot.figure import chart_blocks, chart_rows

        show(replace(to, format=format_), "plot", chart, chart_blocks, chart_rows(chart))


def _form(output: Path) -> Form:
    """The format that a suffix names.

    Raises:
        UsageError: it names none.
    """
    from rsgadvise.show.plot.drawing import FORMATS

    for form in FORMATS:
        if output.suffix.lower() == f".{form}":
            return form
    got = "standard output" if is_stdout(output) else f"{output.name!r}"
    raise UsageError(f"-o must end in .png, .svg or .pdf; got {got}; change the name, or use --terminal")


def _check_title(title: str | None) -> None:
    if title is None:
        return
    if not title.isprintable():
        raise UsageError(f"--title must be one line of printable text; got {ascii(title)[:80]}; change it")
    if len(title) > _LONGEST_TITLE:
        raise UsageError(
            f"--title must have at most {_LONGEST_TITLE} characters; got {len(title)}; shorten it"
        )


def _chart(result: str, title: str | None) -> Chart:
    """The chart of a document in a file, or on standard input.

    Raises:
        SpecError: it cannot be read. DataError: it holds nothing to draw.
    """
    from rsgadvise.show.plot.charts import chart_from
    from rsgadvise.spec.yaml import STDIN, Wanted, decode, printable, read_file, read_stdin

    wanted = Wanted(
        "result",
        32,
        "write it with e.g. `rsgadvise sweep SPEC -f json -o {file}`",
        "sweep fewer values",
    )
    if result == "-":
        name, content = STDIN, read_stdin(None, wanted)
    else:
        name, content = printable(result), read_file(Path(result), wanted)
    return chart_from(decode(content, name), name, title=title)
