"""`stats`, `init` and `schema`: data files measured, and specs to start from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsgadvise.cli.options import AboutReading
from rsgadvise.cli.output import (
    PlaceOptions,
    TargetOptions,
    is_stdout,
    keep_data_apart,
    show,
    write,
)
from rsgadvise.cli.sources import (
    Usual,
    is_data,
    keys_for,
    measured,
    opened_assuming,
    statistics_for_spec,
    usual_for,
    width_fix,
)
from rsgadvise.errors import UsageError
from rsgadvise.files import write_text
from rsgadvise.theory.optimizers import optimizer_names

if TYPE_CHECKING:
    from rsgadvise.data.scaling import ScalingChoice
    from rsgadvise.data.stream import DataSource
    from rsgadvise.kinds import Kind


SCHEMA_NAME = "rsgadvise.schema.json"


def stats(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Data file; the format is found from its content.")
    ],
    about: AboutReading,
    spectrum: Annotated[
        bool, typer.Option("--spectrum/--no-spectrum", help="Whether to compute the top eigenvalue.")
    ] = True,
    into: Annotated[
        Path | None, typer.Option(metavar="SPEC", help="Also write the statistics into this spec.")
    ] = None,
    *,
    to: TargetOptions,
) -> None:
    """Measure a data file: mean, moments, spectrum and scaling."""
    from rsgadvise.data.opening import open_as
    from rsgadvise.data.scaling import CENTRED, KINDS
    from rsgadvise.show.report.blocks import statistics_blocks

    keep_data_apart(data, about.target)
    if into is not None and KINDS.get(about.scaling) in CENTRED:
        raise UsageError(
            f"--into writes moments of inputs in [0, 1]; got --scaling {about.scaling}, which leaves them; "
            f"leave it out, or give the spec data.file and data.scaling: {about.scaling} instead"
        )
    reading = about.reading()
    source = open_as(data, reading)
    statistics = measured(source, spectrum=spectrum, quiet=to.quiet, scaling=about.scaling)
    if into is not None:
        _check_width(into, source)
    name = str(data).encode("utf-8", "replace").decode("utf-8")
    show(to, "stats", statistics, lambda of: statistics_blocks(of, name), None, file=name)
    if into is not None:  # last, so that a result that cannot be written changes nothing
        from rsgadvise.spec import write_statistics

        write_statistics(into, statistics_for_spec(statistics))
        if not to.quiet:
            keys = keys_for(source, reading, scaling=about.scaling, folder=into.parent)
            for line in (f"wrote the statistics into {into}", *_about_its_file(into, data, keys)):
                print(line, file=sys.stderr)


def _check_width(into: Path, source: DataSource) -> None:
    """Refuse a spec for data of another width.

    Raises:
        SpecError: its first layer has another number of units than the data has features.
    """
    from rsgadvise.spec import load_spec

    if str(into) == "-":
        return  # refused where it would be written
    loaded = load_spec(into)
    network = loaded.spec.network
    width = network.layers[0]
    if width != source.input_dim:
        raise loaded.source.error(
            "network.layers[0]",
            f"must be the number of features of {source.path}, {source.input_dim}; got {width}; "
            + width_fix(source, width, tied=network.tied),
        )


def _about_its_file(into: Path, data: Path, keys: dict[str, Any]) -> list[str]:
    """What to know where the spec names another data file than the measured one, or none."""
    from rsgadvise.spec import load_spec, yaml_scalar

    loaded = load_spec(into)
    named = loaded.spec.data.file
    if named is None:
        pairs = ", ".join(f"{key}: {yaml_scalar(key, value)}" for key, value in keys.items())
        return [f"it names no data to train on or to calibrate by; add to data: {pairs}"]
    there = loaded.source.base_dir / named
    if there.exists() and there.samefile(data):
        return []
    return [f"its data.file is {named}, which counts instead of these numbers; change it to {data}"]


def _schema_text() -> str:
    from rsgadvise.spec import json_schema

    return json.dumps(json_schema(), indent=2) + "\n"


def schema(to: PlaceOptions) -> None:
    """Print the JSON Schema of the spec, for editors."""
    write(to.path, _schema_text())


def init(
    file: Annotated[
        Path | None, typer.Argument(help="Where to write the spec; standard output if absent.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="single_layer, autoencoder or multilayer; without it multilayer for three lengths or more, "
            "and for --data without --layers, else single_layer."
        ),
    ] = None,
    layers: Annotated[str | None, typer.Option(help="Layer lengths, e.g. 784,200,10.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="A data file to measure; its statistics go into the spec.")
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help=f"{', '.join(optimizer_names())}; without it sgd, or what suits --data."
        ),
    ] = None,
    *,
    about_data: AboutReading,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    to: PlaceOptions,
) -> None:
    """Write a commented spec to start from."""
    from rsgadvise.spec.template import kind_named, optimizer_named, render_template

    place = _place(file, to.path, force=force)
    if data is None and about_data.words:
        raise UsageError(f"{about_data.words[0]} is about the file of --data; got no --data; leave it out")
    optimizer_named(optimizer)
    widths, values, usual, told = _widths(layers), None, Usual({}), list[str]()
    if kind is None:
        deep = data is not None if widths is None else len(widths) > 2
        kind = "multilayer" if deep else "single_layer"
    about = kind_named(kind)
    if data is not None:
        keep_data_apart(data, about_data.target)
        reading = about_data.reading()
        source, reading = opened_assuming(data, reading, targeted=reading.target is not None)
        widths, values, usual = _from_data(source, about, widths, scaling=about_data.scaling, quiet=to.quiet)
        values |= keys_for(
            source, reading, scaling=about_data.scaling, folder=place.parent if place else Path()
        )
        if not about.tied and not source.has_targets:
            told.append(_without_targets(source))
    text = render_template(
        kind=kind,
        layers=widths,
        data=values,
        network=usual.network,
        training=usual.training | ({} if optimizer is None else {"optimizer": optimizer}),
    )
    write(place, text)
    if place is not None:
        beside = place.parent / SCHEMA_NAME
        if not beside.exists():
            write_text(beside, _schema_text())
        told.append(f"wrote {place}; next: rsgadvise recommend {place}")
    for line in () if to.quiet else told:
        print(line, file=sys.stderr)


def _widths(text: str | None) -> list[int] | None:
    try:
        return None if text is None else [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"--layers must be whole numbers separated by commas; got {text!r}; write e.g. 784,200,10"
        ) from None


def _place(file: Path | None, output: Path | None, *, force: bool) -> Path | None:
    """Where the spec goes, None for standard output; refused before any work.

    Raises:
        UsageError: there are two places, or the file exists and there is no --force.
    """
    if file is not None and output is not None:
        raise UsageError(f"init writes to one file; got {file} and --output {output}; leave one out")
    place = file if file is not None else output
    if place is None or is_stdout(place):
        return None
    if place.is_file() and is_data(str(place)):
        raise UsageError(f"{place} exists already and is no spec; give the spec another name")
    if place.exists() and not force:
        raise UsageError(f"{place} exists already; give another name, or --force to replace it")
    return place


def _from_data(
    source: DataSource, kind: Kind, widths: list[int] | None, *, scaling: ScalingChoice, quiet: bool
) -> tuple[list[int], dict[str, object], Usual]:
    """Layers that fit the data, its statistics by spec key, and what is trained besides."""
    data = source.path
    if widths is None and not kind.tied and not source.has_targets:
        raise UsageError(f"{data}: {_name_a_target(source)}")
    if widths is not None and widths[0] != source.input_dim:
        raise UsageError(
            f"--layers must start with the number of features of {data}, {source.input_dim}; "
            f"got {widths[0]}; {width_fix(source, widths[0], tied=kind.tied)}"
        )
    from rsgadvise.data.scaling import CENTRED, KINDS

    statistics = measured(source, spectrum=True, quiet=quiet, scaling=scaling)
    usual = usual_for(kind, statistics)
    if widths is None:
        middle = [] if kind.hidden == 0 else [usual.hidden]
        ends = [] if kind.tied else [statistics.output_dim or 0]
        widths = [statistics.input_dim, *middle, *ends]
    elif not kind.tied and statistics.output_dim not in (None, widths[-1]):
        raise UsageError(
            f"--layers must end with the number of targets of {data}, {statistics.output_dim}; "
            f"got {widths[-1]}; change it"
        )
    values = statistics_for_spec(statistics)
    if KINDS.get(scaling) in CENTRED:  # the rest is measured whenever the file is read
        values = {"samples": values["samples"]}
    return widths, dict(values), usual


def _without_targets(source: DataSource) -> str:
    """What to know of a spec whose data have no targets, for a network that needs some."""
    from rsgadvise.data.opening import target_choice

    if source.column_numbers is None:
        choice = target_choice(source.path)
        return f"{source.path} holds no targets; to train on it, name them with data.target, {choice}"
    return (
        f"every column of {source.path} counts as a feature; if one of them is the target, start again with "
        "--target"
    )


def _name_a_target(source: DataSource) -> str:
    """How to say what the outputs are."""
    from rsgadvise.data.opening import target_choice

    if source.column_numbers is None:
        return (
            "holds no targets, so no output layer; name them with --target, "
            f"{target_choice(source.path)}; or give --layers"
        )
    names = source.column_names
    last = "" if names is None or not names[-1].isprintable() else f", {names[-1]!r}"
    return (
        "a target must be named for the output layer; got none; name its column with --target, such as "
        f"--target {source.column_numbers[-1]} for the last one{last}"
    )
