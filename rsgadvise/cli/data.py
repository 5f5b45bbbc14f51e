"""`stats`: measure a data file; and the measurement of a spec's own data file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rsgadvise.cli.options import COLUMN_NUMBERS, Group, ScalingName, ScalingOption
from rsgadvise.cli.output import TargetOptions, emit
from rsgadvise.cli.places import keep_data_apart
from rsgadvise.cli.progress import ReadProgress
from rsgadvise.errors import UsageError
from rsgadvise.records import dataclass

if TYPE_CHECKING:
    from rsgadvise.data.dialect import TableOptions
    from rsgadvise.data.reading import Reading
    from rsgadvise.data.scaling import DataStatistics, ScalingChoice
    from rsgadvise.data.stream import DataSource
    from rsgadvise.errors import SpecError
    from rsgadvise.spec import LoadedSpec
    from rsgadvise.spec.models import Spec
    from rsgadvise.training.networks import Data


OF_DATA = "Of a data file:"


class CategoriesName(StrEnum):
    """What columns of words become."""

    ONE_HOT = "one_hot"
    EXCLUDE = "exclude"


class TargetKindName(StrEnum):
    """What targets are taken for."""

    AUTO = "auto"
    CLASSES = "classes"
    VALUES = "values"


# How a spec names a data file that a command was given: the keys `file`, `array`, `target` and so on.

Keys = dict[str, Any]


def keys_for(source: DataSource, reading: Reading, *, scaling: ScalingChoice, folder: Path) -> Keys:
    """The keys of `data` with which a spec in `folder` reads this source; defaults are left out.

    The path is relative to the spec, as `data.file` is read, unless an absolute one was given that lies
    elsewhere; a file of targets is named relative to the data, beside which it is looked for.
    """
    keys: Keys = {"file": _relative(source.path, folder), **reading.said}
    if source.target_file is not None:
        keys["target"] = _relative(source.target_file, source.path.parent)
    return keys if scaling == "auto" else {**keys, "scaling": scaling}


def reading_of(spec: Spec) -> Reading:
    """How a spec says that its file is to be read; of two classes a network of one output has one number."""
    from rsgadvise.data.dialect import TableOptions
    from rsgadvise.data.reading import Reading

    data, network = spec.data, spec.network
    table = TableOptions() if data.table is None else TableOptions(**data.table.model_dump())
    return Reading(
        data.array,
        data.target,
        data.exclude,
        data.categories,
        data.target_kind,
        table,
        one_output=not network.tied and network.layers[-1] == 1,
    )


def unprintable(keys: Keys) -> str | None:
    """Why a spec cannot name the data; None if it can."""
    if str(keys).isprintable():
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


TargetOption = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN|FILE",
        help=f"{OF_DATA} what to predict: a column {COLUMN_NUMBERS}, an array, or another file.",
    ),
]
ArrayOption = Annotated[
    str | None, typer.Option(metavar="NAME", help=f"{OF_DATA} the array of the features.")
]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help=f"{OF_DATA} leave out a column {COLUMN_NUMBERS}, or several, a,b; repeatable; none keeps even "
        "dates and numbers of rows.",
    ),
]
CategoriesOption = Annotated[
    CategoriesName | None,
    typer.Option(help=f"{OF_DATA} columns of a few words: an input for every word, or none."),
]
TargetKindOption = Annotated[
    TargetKindName, typer.Option(help=f"{OF_DATA} whether the targets are labels or values.")
]
TableOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help=f"{OF_DATA} how its text is written: separator, decimal, thousands, missing, encoding, comment "
        "or header; repeatable.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSaid:
    """What the command line says of how a data file is to be read."""

    target: str | None = None
    array: str | None = None
    exclude: tuple[str, ...] = ()
    categories: Literal["one_hot", "exclude"] | None = None
    target_kind: Literal["auto", "classes", "values"] = "auto"
    table: tuple[str, ...] = ()
    scaling: ScalingChoice = "auto"

    @property
    def given(self) -> tuple[str, ...]:
        """The options that were used."""
        own = (f for f in fields(self) if getattr(self, f.name) != f.default)
        return tuple(f"--{f.name.replace('_', '-')}" for f in own)

    @property
    def words(self) -> tuple[str, ...]:
        """The same as they are typed, with their values."""
        typed = list[str]()
        for f in fields(self):
            value = getattr(self, f.name)
            if value != f.default:
                for each in value if isinstance(value, tuple) else (value,):
                    typed += [
                        f"--{f.name.replace('_', '-')}",
                        f"{each:g}" if isinstance(each, float) else str(each),
                    ]
        return tuple(typed)

    def reading(self) -> Reading:
        """How the file is to be read.

        Raises:
            UsageError: --table says what cannot be.
        """
        from rsgadvise.data.reading import Reading

        return Reading(
            self.array, self.target, self.exclude, self.categories, self.target_kind, _table(self.table)
        )


def said(
    target: TargetOption = None,
    array: ArrayOption = None,
    exclude: ExcludeOption = None,
    categories: CategoriesOption = None,
    target_kind: TargetKindOption = TargetKindName.AUTO,
    table: TableOption = None,
    scaling: ScalingOption = ScalingName.AUTO,
) -> ReadingSaid:
    """The options of a data file as one value."""
    return ReadingSaid(
        target=target,
        array=array,
        exclude=tuple(exclude or ()),
        categories=None if categories is None else categories.value,
        target_kind=target_kind.value,
        table=tuple(table or ()),
        scaling=scaling.value,
    )


AboutReading = Annotated[ReadingSaid, Group(said)]


def _table(said: tuple[str, ...]) -> TableOptions:
    """What --table says, checked as the table section of a spec is."""
    from rsgadvise.data.dialect import TableOptions

    if not said:
        return TableOptions()
    from pydantic import ValidationError

    from rsgadvise.spec.models import Table

    values: dict[str, Any] = {}
    for text in said:
        key, sign, value = text.partition("=")
        if not sign or key not in Table.model_fields:
            raise UsageError(
                f"--table must be KEY=VALUE with a key of {', '.join(Table.model_fields)}; got {text!r}; "
                "write e.g. decimal=,"
            )
        if key == "missing":
            values[key] = (*values.get(key, ()), value)
        else:
            values[key] = {"true": True, "false": False}.get(value, value) if key == "header" else value
    try:
        return TableOptions(**Table.model_validate(values).model_dump())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(f"--table {first['loc'][0]}: {first['msg']}") from None


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
    from rsgadvise.data.opening import open_as
    from rsgadvise.data.words import SPEC

    data = loaded.spec.data
    path = loaded.source.base_dir / (data.file or "")
    keep_data_apart(path, data.target)
    return open_as(path, reading_of(loaded.spec), SPEC)


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
    from rsgadvise.data.opening import target_choice

    file = loaded.spec.data.file or ""
    return loaded.source.error(
        "data.target",
        f"must be given to train on {file}, which holds no targets that go by themselves; name "
        + target_choice(loaded.source.base_dir / file),
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

    keep_data_apart(data, about.target)
    if into is not None and about.scaling == "standard":
        raise UsageError(
            "--into writes moments of inputs in [0, 1]; got --scaling standard, which leaves them; leave it "
            "out, or give the spec data.file and data.scaling: standard instead"
        )
    reading = about.reading()
    source = open_as(data, reading)
    statistics = measured(source, spectrum=spectrum, quiet=to.quiet, scaling=about.scaling)
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
            keys = keys_for(source, reading, scaling=about.scaling, folder=into.parent)
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
        usual = {"exclude": (), "scaling": "auto", "categories": None}
        return [
            f"its data.{key} is {yaml_scalar(key, given)}, which counts; these numbers were measured with "
            f"{yaml_scalar(key, wanted)}"
            for key, wanted in {**usual, **keys}.items()
            if key in usual and wanted != (given := getattr(loaded.spec.data, key))
        ]
    return [f"its data.file is {named}, which counts instead of these numbers; change it to {data}"]
