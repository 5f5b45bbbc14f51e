"""What a command is asked about: a spec with its data, or a data file, for which a spec is made here."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rsgadvise.cli.options import AUTO_BATCH, READ_BY, DataOptions
from rsgadvise.cli.output import keep_data_apart
from rsgadvise.cli.progress import ReadProgress
from rsgadvise.errors import DataError, HypothesisError, UsageError
from rsgadvise.pilot import AUTO
from rsgadvise.records import dataclass

if TYPE_CHECKING:
    from rsgadvise.data.reading import Reading
    from rsgadvise.data.scaling import DataStatistics, ScalingChoice
    from rsgadvise.data.stream import DataSource
    from rsgadvise.errors import SpecError
    from rsgadvise.kinds import Kind
    from rsgadvise.spec import LoadedSpec
    from rsgadvise.spec.models import Spec
    from rsgadvise.training.networks import Data

# The data file of a spec: how it says that it is read, what is measured of it, and its rows.

Measured = Mapping[str, float | int | None]


def keys_for(source: DataSource, reading: Reading, *, scaling: ScalingChoice, folder: Path) -> dict[str, Any]:
    """The keys of `data` with which a spec in `folder` reads this source; defaults are left out.

    The path is relative to the spec, as `data.file` is read, unless an absolute one was given that lies
    elsewhere; a file of targets is named relative to the data, beside which it is looked for.
    """
    keys: dict[str, Any] = {"file": _relative(source.path, folder), **reading.said}
    if source.target_file is not None:
        keys["target"] = _relative(source.target_file, source.path.parent)
    return keys if scaling == "auto" else {**keys, "scaling": scaling}


def _relative(path: Path, folder: Path) -> str:
    """The name of a file as seen from a folder."""
    # Links are followed in the folders only: `..` leaves the real folder, and the file keeps its own name.
    place = Path(os.path.realpath(path.parent)) / path.name
    seen = Path(os.path.relpath(place, os.path.realpath(folder)))
    outside = seen.parts[:1] == ("..",)
    return (path if path.is_absolute() and outside else seen).as_posix()


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
        missing=data.missing,
    )


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


def measured(
    source: DataSource, *, spectrum: bool, quiet: bool, scaling: ScalingChoice = "auto"
) -> DataStatistics:
    """Statistics of an open data file, with a progress bar where it takes long."""
    from rsgadvise.data.statistics import measure

    with ReadProgress(enabled=not quiet) as progress:
        return measure(source, scaling=scaling, spectrum=spectrum, progress=progress)


def _opened(loaded: LoadedSpec, *, options: bool = False) -> DataSource:
    """The spec's data file; its messages name keys of the spec where its command lacks those options."""
    from rsgadvise.data.opening import open_as
    from rsgadvise.data.words import OPTIONS, SPEC

    data = loaded.spec.data
    path = loaded.source.base_dir / (data.file or "")
    keep_data_apart(path, data.target)
    return open_as(path, reading_of(loaded.spec), OPTIONS if options else SPEC)


def statistics_for_spec(statistics: DataStatistics) -> dict[str, float | int]:
    """The statistics that a spec has keys for."""
    from rsgadvise.spec.models import STATISTICS

    found = {key: getattr(statistics, key) for key in STATISTICS}
    return {key: value for key, value in found.items() if value is not None}


def statistics_of(loaded: LoadedSpec, *, quiet: bool, options: bool = False) -> DataStatistics | None:
    """Statistics of the spec's data file, or None if it names none; `options`: what notes on it call choices.

    Raises:
        SpecError: the file does not fit the network.
    """
    if loaded.spec.data.file is None:
        return None
    source, network = _opened(loaded, options=options), loaded.spec.network
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


# What targets that share 1 among classes may be read as.
_CLASSES = ("one-hot", "0 and 1 per column", "none", None)


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
    from rsgadvise.data.statistics import load_encoded
    from rsgadvise.training.networks import Data, beyond_one

    inputs, targets, encoding = load_encoded(_opened(loaded), statistics)
    if loaded.spec.network.tied:
        return Data(inputs, inputs)
    if targets is None:
        raise without_targets(loaded)
    if loaded.spec.network.head.classes and (row := beyond_one(targets)) is not None:
        raise _no_classes(loaded, f"which sum to {targets[row].sum():.6g} in row {row} (counted from 0)")
    return Data(inputs, targets, None if encoding is None else encoding.decodes)


# A question: a spec, or what is made of a data file, with its data measured.

_SECTIONS = re.compile(
    r"""^\s*[{"']*(network|data|training|search|target|budget|cost|sweep)["']?\s*:""", re.M
)
_JSON_SPEC = re.compile(
    r"""\s*\{\s*"(network|data|training|search|target|budget|cost|sweep)"\s*:\s*\{|"network"|"rsgadvise\."""
)
_TRAINING: dict[str, object] = {"optimizer": "adam", "keep_prob": 1}
HIDDEN, FEW_HIDDEN = 100, 32  # units, in one layer, where nobody says it; few where a bound is to be small
_SAMPLES, _EPOCHS = 500_000, (10, 1000)  # of a training that nobody described
_MOST_EPOCHS = 1e100  # as in a spec
_SAMPLE_BYTES = 4096
_Found = TypeVar("_Found", bound="Any")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A spec with its data measured.

    Attributes:
        loaded: the spec. statistics: of its data file, or None without one.
        measured: statistics by spec key. told: notes on the data.
        assumed: notes on what nobody said of a data file.
        from_data: whether the spec was made of a data file, and is nowhere yet.
    """

    loaded: LoadedSpec
    statistics: DataStatistics | None = None
    measured: Measured | None = None
    told: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    from_data: bool = False

    @property
    def spec(self) -> Spec:
        """What it says."""
        return self.loaded.spec

    @property
    def notes(self) -> tuple[str, ...]:
        """On what was assumed, and on the data."""
        return (*self.assumed, *self.told)

    def about(self) -> dict[str, Callable[[], Any]]:
        """What the document of an answer says of the question."""
        counts = "rows_skipped", "rows_filled", "cells_filled"
        statistics = self.statistics
        rows = {} if statistics is None else {key: getattr(statistics, key) for key in counts}
        return {
            "data": lambda: {**(self.measured or {}), **rows},
            "spec": lambda: self.spec.model_dump(mode="json"),
        }

    def noted(self, answer: _Found) -> _Found:
        """The answer with the notes on the data first."""
        noted: _Found = replace(answer, notes=(*self.notes, *answer.notes))
        return noted

    def rescaled(self, scaling: str, *, quiet: bool) -> Loaded:
        """The same question, whose data are scaled otherwise."""
        from rsgadvise.spec import with_override

        loaded = with_override(self.loaded, f"data.scaling={scaling}")
        statistics = statistics_of(loaded, quiet=quiet, options=self.from_data)
        assert statistics is not None
        values, notes = described(loaded, statistics)
        return replace(self, loaded=loaded, statistics=statistics, measured=values, told=tuple(notes))

    def text(self) -> str:
        """The spec with all that replaces keys of it."""
        from rsgadvise.spec import yaml_scalar
        from rsgadvise.spec.yaml import plain

        lines = list[str]()
        for name, section in plain(self.loaded.source.root).items():
            keys = (section or {}).items()
            given = [f"  {key}: {yaml_scalar(key, value)}" for key, value in keys if value is not None]
            lines += [f"{name}:", *given] if given else []
        return "\n".join(lines) + "\n"

    @contextlib.contextmanager
    def asked(self) -> Iterator[None]:
        """Where an answer is found: an error of the theory is one at its key of the spec.

        Raises:
            SpecError: a value lies outside a theorem's range.
        """
        import numpy as np

        try:
            # What overflows at absurd values is reported in the result, not by the numeric library.
            with np.errstate(all="ignore"):
                yield
        except HypothesisError as error:
            from rsgadvise.cli.bounds import located

            raise located(error, self.loaded) from None


def is_data(source: str) -> bool:
    """Whether a name on the command line is that of a data file, or folder, rather than of a spec."""
    from rsgadvise.spec.load import SUFFIXES

    path = Path(source)
    if source != "-" and os.path.isdir(source):  # noqa: PTH112 - whatever cannot be asked is no folder
        return True
    suffix = path.suffix.lower()
    if source == "-" or (suffix in SUFFIXES and suffix != ".json"):
        return False
    try:
        with path.open("rb") as stream:
            start = stream.read(_SAMPLE_BYTES)
    except (OSError, ValueError):  # whoever loads it says what is wrong
        return suffix not in ("", ".json")
    if suffix == ".json":
        return _JSON_SPEC.search(start.decode("utf-8", "replace")) is None
    return b"\0" in start or _SECTIONS.search(start.decode("utf-8", "replace")) is None


def load(
    source: str,
    overrides: Sequence[str] | None,
    options: DataOptions | None = None,
    *,
    quiet: bool,
    save: Path | None = None,
    constants: str = "",
    check: Callable[[LoadedSpec], object] = lambda _: None,
) -> Loaded:
    """Load the spec, or make one of a data file, and measure the data.

    Args:
        source: a spec, - for standard input, or a data file.
        overrides: texts of --set.
        options: of a data file; None where the command takes specs alone.
        quiet: without a progress bar.
        save: where the spec will be written; names of files in it are relative to there.
        constants: of a data file: what its network has to be one for.
        check: raises where a spec is not what it should be, before its data are read.

    Raises:
        UsageError: options of a data file for a spec.
    """
    from rsgadvise.spec import load_spec

    if options is not None and is_data(source):
        return _from_data(
            Path(source), tuple(overrides or ()), options, quiet=quiet, save=save, constants=constants
        )
    given = () if options is None else options.words
    if given or save is not None:
        raise UsageError(
            f"{given[0] if given else '--save'} goes with a data file in place of a spec; got {source}, a "
            "spec; change the spec, or override one key with --set"
        )
    loaded = load_spec(source, overrides=tuple(overrides or ()))
    check(loaded)
    statistics = statistics_of(loaded, quiet=quiet)
    if statistics is None:
        return Loaded(loaded)
    values, notes = described(loaded, statistics)
    return Loaded(loaded, statistics, values, tuple(notes))


def _from_data(
    path: Path,
    overrides: tuple[str, ...],
    options: DataOptions,
    *,
    quiet: bool,
    save: Path | None,
    constants: str,
) -> Loaded:
    from rsgadvise.spec import parse_spec, yaml_scalar
    from rsgadvise.spec.template import optimizer_named

    kind, hidden = _shape(options)
    optimizer_named(options.optimizer)
    if options.batch_size == AUTO_BATCH:
        raise UsageError("--batch-size auto goes with --model; leave it out, and batch sizes are raced")
    keys = {text: re.split(r"[=\[]", text)[0].strip() for text in overrides}
    planned = False
    for text, key in keys.items():
        section, _, name = key.partition(".")
        if section == "data" and (option := _OPTIONS.get(name.partition(".")[0])):
            raise UsageError(f"--set {text} goes with a spec; got {path}, a data file; write {option}")
        planned |= section == "target" and not text.endswith("=null")
        option = _TWICE.get(".".join(re.split(r"[.\[]", key)[:2]), "")
        if option and (value := getattr(options, option)) is not None:
            option = f"--{option.replace('_', '-')} {str(value).removesuffix('.0')}"
            raise UsageError(f"{option} and --set {text} are about the same; leave one of them out")
    source, reading, notes = opened(
        path, options, targeted=not kind.tied, otherwise="--kind autoencoder, which needs none"
    )
    statistics = measured(source, spectrum=True, quiet=quiet, scaling=options.scaling)
    if planned and constants in ("", AUTO):
        constants = "certified"  # a plan that meets a target rests on a theorem
    usual = usual_for(kind, statistics, constants)
    if any(re.match(r"\s*search\b.*\bkeep_prob\b", text) for text in overrides):  # masks are to be raced
        kept = {key: value for key, value in usual.training.items() if key != "keep_prob"}
        usual = replace(usual, training=kept)
    one_layer = hidden is None and kind.hidden != 0
    hidden = (usual.hidden,) if hidden is None else hidden
    epochs = _epochs(options, statistics.samples)
    ends = () if kind.tied else (statistics.output_dim or 1,)
    middle = () if kind.hidden == 0 else hidden
    data = keys_for(source, reading, scaling=options.scaling, folder=save.parent if save else Path())
    if save is None and path.is_absolute():  # a program runs anywhere then
        data["file"] = path.as_posix()
    told = {"batch_size": options.batch_size, "optimizer": options.optimizer}
    fixed = {key: value for key, value in told.items() if value is not None}
    lines = [
        *("network:", f"  kind: {kind.name}", f"  layers: {[statistics.input_dim, *middle, *ends]}"),
        *(f"  {key}: {value}" for key, value in usual.network.items()),
        *("data:", *(f"  {key}: {yaml_scalar(key, value)}" for key, value in data.items())),
        *("training:", *(f"  {key}: {value}" for key, value in (usual.training | fixed).items())),
        *("budget:", f"  epochs: {epochs:g}"),
    ]
    name = str(save) if save else f"<{path.name or path.resolve().name}>"
    loaded = parse_spec("\n".join(lines) + "\n", file=name, overrides=overrides)
    said = {*keys.values(), *(f"training.{key}" for key in fixed)}
    notes += _assumed(usual, said, one_layer=one_layer)
    if options.epochs is None and not any(each.startswith("budget") for each in said):
        notes.append(f"Assumed: at most {epochs:,g} epochs; --epochs says otherwise.")
    values, about = described(loaded, statistics)
    return Loaded(loaded, statistics, values, tuple(about), tuple(notes), from_data=True)


_OPTIONS = {key: f"--{key.replace('_', '-')} instead" for key in READ_BY} | {
    "file": "the file to read in its place",
    "": "options such as --target instead",
}
"""By key of `data`: what says it of a data file, which is read before there is a spec."""
_TWICE = {
    "network.layers": "hidden",
    "training.optimizer": "optimizer",
    "training.batch_size": "batch_size",
    "budget.epochs": "epochs",
}
"""What an option and --set may say both."""

_LOSSES = {  # values lie in [0, 1], as sigmoids
    "one-hot": "cross_entropy",
    "0 and 1": "binary_cross_entropy",
    "0 and 1 per column": "binary_cross_entropy",
}


@dataclass(frozen=True, slots=True)
class Usual:
    """What is trained on a data file where nobody says it.

    Attributes:
        network: keys of it, beside its kind and layers; none for the paper's own.
        training: its optimiser and its keep probability; none for SGD, and to have masks raced.
        hidden: units of its one hidden layer.
    """

    network: Mapping[str, str]
    training: dict[str, object] = field(default_factory=dict)
    hidden: int = FEW_HIDDEN


def usual_for(kind: Kind, statistics: DataStatistics, constants: str = "") -> Usual:
    """Units and optimiser that most tables go well with, biases, and the loss that such targets have.

    Without biases nothing tells apart what lies about the middle of the inputs' ranges, and squared errors of
    sigmoids leave rare classes where they began. On development data (docs/benchmarks.md) Adam went better
    than SGD, of classes ReLU better than tanh, 100 units better than 32, and masks, which take inputs away
    too, did not help. Constants that are named and about neither get a network that they are about.
    """
    from rsgadvise.theory import about
    from rsgadvise.theory.heads import SQUARED
    from rsgadvise.theory.theorems import for_sigmoids

    if kind.tied or statistics.output_dim is None or for_sigmoids(kind.name, constants):
        return Usual({})
    loss = _LOSSES.get(statistics.target_encoding or "", SQUARED)
    if statistics.output_dim == 1 and loss == "cross_entropy":  # a class alone
        loss = SQUARED
    network = {"loss": loss, "bias": "true"}
    if kind.hidden == 0:
        return Usual(network)
    if not (constants in ("", AUTO) or about(constants).measured):
        return Usual({"activation": "tanh", **network})
    return Usual({"activation": "tanh" if loss == SQUARED else "relu", **network}, _TRAINING, HIDDEN)


def _assumed(usual: Usual, said: Set[str], *, one_layer: bool) -> Iterator[str]:
    """What nobody said of the training on a data file, and where it is said; `said`: keys of --set."""
    from rsgadvise.theory.heads import SQUARED
    from rsgadvise.theory.optimizers import kind_of
    from rsgadvise.theory.units import unit_of

    keys = () if "network" in said else usual.network.items()
    open_ = {key: value for key, value in keys if f"network.{key}" not in said}
    units = f"{unit_of(open_['activation']).name} units" if "activation" in open_ else ""
    if one_layer and not said & {"network", "network.layers"}:
        yield f"Assumed: one hidden layer of {usual.hidden} {units or 'units'}; --hidden says otherwise."
        units = ""
    network = [units, "biases" if "bias" in open_ else "", f"loss {open_['loss']}" if "loss" in open_ else ""]
    if found := [each for each in network if each]:
        others = {"activation": "tanh", "bias": "false", "loss": SQUARED}
        key = next(key for key in others if key in open_)
        yield f"Assumed: {', '.join(found)}; --set network.{key}={others[key]} or the like says otherwise."
    if "training" in said or not usual.training:
        return
    told = {"optimizer": ("--optimizer", kind_of(usual.training["optimizer"]).title)}
    told["keep_prob"] = "--set training.keep_prob=null", "no dropout"
    told = {key: told[key] for key in usual.training if f"training.{key}" not in said}
    open_ = dict(told.values())
    if open_:
        says = "say" if len(open_) > 1 else "says"
        yield f"Assumed: {', '.join(open_.values())}; {' and '.join(open_)} {says} otherwise."


_NAME_IT = "--target COLUMN (by name or number, -1 is the last)"


def opened(
    path: Path, options: DataOptions, *, targeted: bool, otherwise: str = ""
) -> tuple[DataSource, Reading, list[str]]:
    """A data file, how it is read, and what was assumed of its target where nobody names one.

    Args:
        path: the file. options: what is said of it.
        targeted: whether there have to be targets.
        otherwise: what can be said in place of a target.

    Raises:
        DataError: it cannot be read so, or has no targets.
    """
    from rsgadvise.data.columns import guessed_target
    from rsgadvise.data.opening import columns_shown, target_choice

    reading, notes = options.reading(), list[str]()
    keep_data_apart(path, reading.target)
    if targeted and reading.target is None and (columns := columns_shown(path, reading)):
        fix = f"{_NAME_IT}, or {otherwise}" if otherwise else _NAME_IT
        target, note = guessed_target(path, columns, reading.exclude, fix)
        reading, notes = replace(reading, target=target), [note]
    try:
        source, reading = opened_assuming(path, reading, targeted=targeted)
    except DataError as error:
        if not notes:
            raise
        raise DataError(f"{error}. {notes[0]}") from error  # what was assumed may be what is wrong
    if targeted and not source.has_targets:
        end = f"; or say {otherwise}" if otherwise else ""
        raise DataError(
            f"{path}: holds no targets that are found by themselves; name them with --target, "
            f"{target_choice(path)}{end}"
        )
    return source, reading, notes


def opened_assuming(path: Path, reading: Reading, *, targeted: bool) -> tuple[DataSource, Reading]:
    """A data file and how it is read: beside a target columns of words are inputs where nobody says it."""
    from rsgadvise.data.opening import open_as

    if not targeted or reading.categories is not None:
        return open_as(path, reading), reading
    source = open_as(path, one_hot := replace(reading, categories="one_hot"))
    return source, reading if source.word_inputs is None else one_hot  # what is saved says so


def _shape(options: DataOptions) -> tuple[Kind, tuple[int, ...] | None]:
    """(kind, hidden layers or None where nothing is said of them)."""
    from rsgadvise.spec.template import kind_named

    hidden: tuple[int, ...] | None = None
    if options.hidden is not None:
        try:
            hidden = tuple(int(part) for part in options.hidden.split(","))
        except ValueError:
            hidden = (-1,)
        if hidden == (0,):
            hidden = ()
        if not all(width >= 1 for width in hidden):
            raise UsageError(
                f"--hidden must be whole numbers above 0 separated by commas, or 0 for no hidden layer; got "
                f"{options.hidden!r}; write e.g. 32 or 64,32"
            )
    name = options.kind or ("single_layer" if hidden == () else "multilayer")
    kind = kind_named(name)
    wanted = kind.hidden
    if hidden is not None and (not hidden if wanted is None else len(hidden) != wanted):
        says = {0: "no hidden layer", 1: "one hidden layer", None: "a hidden layer or more"}[wanted]
        raise UsageError(f"--kind {name} has {says}; got --hidden {options.hidden}; change one of the two")
    return kind, hidden


def _epochs(options: DataOptions, rows: int) -> float:
    if options.epochs is None:
        return float(min(max(round(_SAMPLES / rows), _EPOCHS[0]), _EPOCHS[1]))
    if not 0 < options.epochs <= _MOST_EPOCHS:
        raise UsageError(
            f"--epochs must be a number above 0 and at most {_MOST_EPOCHS:g}; got {options.epochs:g}; "
            "write e.g. 100"
        )
    return options.epochs
