"""`init` and `schema`: a spec to start from, and what editors need to complete it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsgadvise.cli.options import COLUMN_NUMBERS, NoColorOption, OutputOption, QuietOption, VersionOption
from rsgadvise.cli.output import is_stdout, write, write_text
from rsgadvise.errors import UsageError

if TYPE_CHECKING:
    from rsgadvise.datastats import DataStatistics

__all__ = ["init", "schema"]

SCHEMA_NAME = "rsgadvise.schema.json"


def _schema_text() -> str:
    from rsgadvise.spec import json_schema

    return json.dumps(json_schema(), indent=2) + "\n"


def schema(
    output: OutputOption = None,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    version: VersionOption = False,
) -> None:
    """Print the JSON Schema of the spec, for editors."""
    del quiet, no_color, version
    write(output, _schema_text())


def _widths(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"--layers must be whole numbers separated by commas; got {text!r}; write e.g. 784,200,10"
        ) from None


def init(
    file: Annotated[
        Path | None, typer.Argument(help="Where to write the spec; standard output if absent.")
    ] = None,
    kind: Annotated[str, typer.Option(help="single_layer, autoencoder or multilayer.")] = "single_layer",
    layers: Annotated[str | None, typer.Option(help="Layer lengths, e.g. 784,200,10.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="A data file to measure; its statistics go into the spec.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|FILE", help=f"Targets of --data: a column {COLUMN_NUMBERS}, an array, or a file."
        ),
    ] = None,
    array: Annotated[str | None, typer.Option(help="Name of the feature array inside --data.")] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help=f"Leave out a column of --data, {COLUMN_NUMBERS}; repeatable."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    output: OutputOption = None,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    version: VersionOption = False,
) -> None:
    """Write a commented spec to start from, and beside it the schema that editors use."""
    del no_color, version
    from rsgadvise.cli.data import measure_file
    from rsgadvise.spec import render_template

    widths, values = _widths(layers), None
    if file is not None and output is not None:
        raise UsageError(f"init writes to one file; got {file} and --output {output}; leave one out")
    place = file if file is not None else output
    if is_stdout(place):
        place = None
    for name, value in (("--target", target), ("--array", array), ("--exclude", exclude)):
        if value and data is None:
            raise UsageError(f"{name} is about the file of --data; got no --data; leave it out")
    if place is not None and place.exists() and not force:
        raise UsageError(f"{place} exists already; give another name, or --force to replace it")
    if data is not None:
        statistics = measure_file(
            data, array=array, target=target, exclude=exclude or (), spectrum=True, quiet=quiet
        )
        widths, values = _from_data(data, statistics, kind, widths)
    text = render_template(kind=kind, layers=widths, data=values)
    write(place, text)
    if place is None:
        return
    beside = place.parent / SCHEMA_NAME
    if not beside.exists():
        write_text(beside, _schema_text())
    if not quiet:
        print(f"wrote {place}; next: rsgadvise recommend {place}", file=sys.stderr)


def _from_data(
    data: Path, statistics: DataStatistics, kind: str, widths: list[int] | None
) -> tuple[list[int] | None, dict[str, float | int | str]]:
    """Layers that fit the data, and its statistics by spec key."""
    from rsgadvise.cli.data import statistics_for_spec

    if widths is None:
        middle = {"single_layer": [], "autoencoder": [100], "multilayer": [200]}.get(kind, [])
        if kind != "autoencoder" and statistics.output_dim is None:
            raise UsageError(f"{data} holds no targets, so no output layer; give --target or --layers")
        ends = [] if kind == "autoencoder" else [statistics.output_dim or 0]
        widths = [statistics.input_dim, *middle, *ends]
    elif widths[0] != statistics.input_dim:
        raise UsageError(
            f"--layers must start with the number of features of {data}, {statistics.input_dim}; "
            f"got {widths[0]}; change it"
        )
    elif kind != "autoencoder" and statistics.output_dim not in (None, widths[-1]):
        raise UsageError(
            f"--layers must end with the number of targets of {data}, {statistics.output_dim}; "
            f"got {widths[-1]}; change it"
        )
    return widths, dict(statistics_for_spec(statistics))
