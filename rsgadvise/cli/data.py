"""`stats`: measure a data file; and the measurement of a spec's own data file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsgadvise.cli.options import COLUMN_NUMBERS, ScalingName, ScalingOption
from rsgadvise.cli.output import TargetOptions, emit
from rsgadvise.cli.places import keep_data_apart
from rsgadvise.cli.progress import ReadProgress

if TYPE_CHECKING:
    from rsgadvise.data.scaling import DataStatistics, ScalingChoice
    from rsgadvise.data.stream import DataSource
    from rsgadvise.errors import SpecError
    from rsgadvise.spec import LoadedSpec
    from rsgadvise.training.networks import Data


# How a spec names a data file that a command was given: the keys `file`, `array`, `target` and so on.

Keys = dict[str, str | tuple[str, ...]]


def keys_for(
    source: DataSource,
    *,
    array: str | None,
    target: str | None,
    exclude: tuple[str, ...],
    scaling: ScalingChoice,
    folder: Path,
) -> Keys:
    """The keys of `data` with which a spec in `folder` reads this source; defaults are left out.

    The path is relative to the spec, as `data.file` is read, unless an absolute one was given that lies
    elsewhere; a file of targets is named relative to the data, beside which it is looked for.
    """
    if source.target_file is not None:
        target = _relative(source.target_file, source.path.parent)
    keys = {
        "file": _relative(source.path, folder),
        "array": array,
        "target": target,
        "exclude": exclude,
        "scaling": None if scaling == "auto" else scaling,
    }
    return {key: value for key, value in keys.items() if value}


def unprintable(keys: Keys) -> str | None:
    """Why a spec cannot name the data; None if it can."""
    if all("".join(value).isprintable() for value in keys.values()):
        return None
    return "its name does not print; rename it"


def width_fix(
    source: DataSource, width: int, *, tied: bool, target: str = "--target", exclude: str = "--exclude"
) -> str:
    """What to do where a first layer of another width meets the features of a file.

    A column too many is most often the target or no feature at all: to widen the layer would make it one.
    """
    if source.column_numbers is None or width >= source.input_dim:
        return "change it"
    if tied or source.has_targets:
        return f"leave columns out with {exclude}, or change it"
    return f"name the column of the target with {target}, and leave others out with {exclude}"


def same_file(one: Path, other: Path) -> bool:
    """Whether both names are of one file that exists."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def _relative(path: Path, folder: Path) -> str:
    """The name of a file as seen from a folder."""
    # Links are followed in the folders only: `..` leaves the real folder, and the file keeps its own name.
    place = Path(os.path.realpath(path.parent)) / path.name
    seen = Path(os.path.relpath(place, os.path.realpath(folder)))
    outside = seen.parts[:1] == ("..",)
    return (path if path.is_absolute() and outside else seen).as_posix()


SPEC_KEYS = ("mean", "mean_square", "second_moment", "top_eigenvalue", "samples")


def measured(
    source: DataSource, *, spectrum: bool, quiet: bool, scaling: ScalingChoice = "auto"
) -> DataStatistics:
    """Statistics of an open data file, with a progress bar where it takes long."""
    from rsgadvise.data.statistics import measure

    with ReadProgress(enabled=not quiet) as progress:
        return measure(source, scaling=scaling, spectrum=spectrum, progress=progress)


def _opened(loaded: LoadedSpec) -> DataSource:
    """The spec's data file; its messages name keys of the spec, since its commands lack those options."""
    from rsgadvise.data.choose import Words
    from rsgadvise.data.opening import open_data

    data = loaded.spec.data
    words = Words("data.array", "data.target", "data.exclude")
    path = loaded.source.base_dir / (data.file or "")
    keep_data_apart(path, data.target)
    return open_data(path, array=data.array, target=data.target, exclude=data.exclude, words=words)


def statistics_for_spec(statistics: DataStatistics) -> Mapping[str, float | int]:
    """The statistics that a spec has keys for."""
    found = {key: getattr(statistics, key) for key in SPEC_KEYS}
    return {key: value for key, value in found.items() if value is not None}


def statistics_of(loaded: LoadedSpec, *, quiet: bool) -> DataStatistics | None:
    """Statistics of the spec's data file, or None if it names none.

    Raises:
        SpecError: the file does not fit the network.
    """
    if loaded.spec.data.file is None:
        return None
    source, network = _opened(loaded), loaded.spec.network
    statistics = measured(source, spectrum=True, quiet=quiet, scaling=loaded.spec.data.scaling)
    fix = width_fix(
        source, network.layers[0], tied=network.tied, target="data.target", exclude="data.exclude"
    )
    check_fit(loaded, statistics, fix=fix)
    return statistics


def check_fit(loaded: LoadedSpec, statistics: DataStatistics, *, fix: str = "change it") -> None:
    """Refuse a network of other widths than those of its data.

    Raises:
        SpecError: the first or the last layer does not fit.
    """
    data, layers = loaded.spec.data, loaded.spec.network.layers
    if statistics.input_dim != layers[0]:
        raise loaded.source.error(
            "network.layers[0]",
            f"must be the number of features of {data.file}, {statistics.input_dim}; got {layers[0]}; {fix}",
        )
    outputs = statistics.output_dim
    if outputs is not None and not loaded.spec.network.tied and outputs != layers[-1]:
        raise loaded.source.error(
            f"network.layers[{len(layers) - 1}]",
            f"must be the number of targets in {data.file}, {outputs}; got {layers[-1]}; change it",
        )
    if loaded.spec.network.head.classes and statistics.target_encoding not in _CLASSES:
        raise _no_classes(loaded, f"numbers, which are scaled ({statistics.target_encoding})")


_CLASSES = ("one-hot", "none", None)  # what targets that share 1 among classes may be read as


def _no_classes(loaded: LoadedSpec, what: str) -> SpecError:
    """The error that a loss of classes is to be had of other targets."""
    network = loaded.spec.network
    return loaded.source.error(
        "network.loss",
        f"must be one for the targets in {loaded.spec.data.file}, {what}; got {network.loss}, which is for "
        "classes that share 1 in every row; name a column of labels as data.target, or write loss: squared",
    )


def described(loaded: LoadedSpec, statistics: DataStatistics) -> tuple[Mapping[str, float | int], list[str]]:
    """The statistics by spec key, and what to mind about them."""
    data = loaded.spec.data
    notes = [f"Data measured from {data.file}: scaling {statistics.scaling}.", *statistics.notes]
    values = statistics_for_spec(statistics)
    for key, value in values.items():
        given = getattr(data, key)
        if given is not None and abs(given - value) > 0.01 * abs(value):
            notes.append(
                f"data.{key} is {given:g} in the spec and {value:.6g} in {data.file}: the file counts."
            )
    return values, notes


def without_targets(loaded: LoadedSpec) -> SpecError:
    """The error that the data file holds no targets, and the network needs some."""
    return loaded.source.error(
        "data.target",
        f"must be given to train on {loaded.spec.data.file}, which holds no targets that go by themselves; "
        "name a column, an array or a file of labels",
    )


def rows_of(loaded: LoadedSpec, statistics: DataStatistics) -> Data:
    """The rows of the spec's data file, to train on.

    Raises:
        SpecError: they have no targets, and the network needs some.
    """
    from rsgadvise.data.statistics import load_rows
    from rsgadvise.training.networks import Data, beyond_one

    inputs, targets = load_rows(_opened(loaded), statistics)
    if loaded.spec.network.tied:
        return Data(inputs, inputs)
    if targets is None:
        raise without_targets(loaded)
    if loaded.spec.network.head.classes and (row := beyond_one(targets)) is not None:
        raise _no_classes(loaded, f"which sum to {targets[row].sum():.6g} in row {row} (counted from 0)")
    return Data(inputs, targets)


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


def stats(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Data file; the format is found from its content.")
    ],
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|FILE", help=f"Targets: a column {COLUMN_NUMBERS}, an array, or another file."
        ),
    ] = None,
    array: Annotated[str | None, typer.Option(metavar="NAME", help="Feature array inside the file.")] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN", help=f"Leave out a column, {COLUMN_NUMBERS}, or several, a,b; repeatable."
        ),
    ] = None,
    scaling: ScalingOption = ScalingName.AUTO,
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
    from rsgadvise.data.opening import open_data

    keep_data_apart(data, target)
    excluded = tuple(exclude or ())
    source = open_data(data, array=array, target=target, exclude=excluded)
    statistics = measured(source, spectrum=spectrum, quiet=to.quiet, scaling=scaling.value)
    if into is not None:
        _check_width(into, source)
    from rsgadvise.show.report import documents as report

    name = str(data).encode("utf-8", "replace").decode("utf-8")
    emit(
        to,
        blocks=lambda: report.statistics_blocks(statistics, name),
        document=lambda: report.statistics_document(statistics, name),
        rows=lambda: [report.statistics_document(statistics, name)],
    )
    if into is not None:  # last, so that a result that cannot be written changes nothing
        from rsgadvise.spec import write_statistics

        write_statistics(into, statistics_for_spec(statistics))
        if not to.quiet:
            keys = keys_for(
                source,
                array=array,
                target=target,
                exclude=excluded,
                scaling=scaling.value,
                folder=into.parent,
            )
            for line in (f"wrote the statistics into {into}", *_about_its_file(into, data, keys)):
                print(line, file=sys.stderr)


def _about_its_file(into: Path, data: Path, keys: Keys) -> list[str]:
    """What to know where the spec names another data file than the measured one, or none."""
    from rsgadvise.spec import load_spec, yaml_scalar

    loaded = load_spec(into)
    named = loaded.spec.data.file
    if named is None:
        if unprintable(keys) is not None:
            return []
        pairs = ", ".join(f"{key}: {yaml_scalar(key, value)}" for key, value in keys.items())
        return [f"it names no data to train on or to calibrate by; add to data: {pairs}"]
    if same_file(loaded.source.base_dir / named, data):
        return [
            f"its data.{key} is {yaml_scalar(key, given)}, which counts; these numbers were measured with "
            f"{yaml_scalar(key, wanted)}"
            for key, wanted in {"exclude": (), "scaling": "auto", **keys}.items()
            if key in {"exclude", "scaling"} and wanted != (given := getattr(loaded.spec.data, key))
        ]
    return [f"its data.file is {named}, which counts instead of these numbers; change it to {data}"]
