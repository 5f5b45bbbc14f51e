"""What an advice is asked for: a spec, or a data file, which stands for the spec that is made of it here."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsgadvise.cli.data import (
    OF_DATA,
    ArrayOption,
    CategoriesOption,
    ExcludeOption,
    ReadingSaid,
    TableOption,
    TargetKindName,
    TargetKindOption,
    TargetOption,
    described,
    keys_for,
    measured,
    rows_of,
    said,
    statistics_of,
)
from rsgadvise.cli.options import (
    AdviceConstantsOption,
    Group,
    PilotOption,
    ScalingName,
    ScalingOption,
    SeedOption,
    WorkOption,
)
from rsgadvise.cli.places import keep_data_apart
from rsgadvise.errors import DataError, HypothesisError, RsgadviseError, SpecError, UsageError
from rsgadvise.pilot import AUTO, Effort
from rsgadvise.records import dataclass
from rsgadvise.theory import BY_THEOREM
from rsgadvise.theory.optimizers import SGD, optimizer_names
from rsgadvise.theory.optimizers.sgd import PLAIN

if TYPE_CHECKING:
    from rsgadvise.advise.results import Advice
    from rsgadvise.data.reading import Reading
    from rsgadvise.data.scaling import DataStatistics
    from rsgadvise.data.stream import DataSource
    from rsgadvise.kinds import Kind
    from rsgadvise.spec import LoadedSpec
    from rsgadvise.theory import ConstantsName


# Errors of the theory, pointed at the key of the spec that they are about.


def located(error: HypothesisError, loaded: LoadedSpec) -> RsgadviseError:
    """The same error, at the place of its key in the spec."""
    key = error.quantity
    if not key:
        return error
    if "." not in key:
        key = f"training.{key}"
    if not loaded.source.given(key):
        key = key.partition("[")[0]
    if not loaded.source.given(key):  # what is absent has no place, and no neighbour is to blame for it
        return SpecError(str(error), file=loaded.source.file, key=key)
    return loaded.source.error(key, str(error))


def require_bounds(
    loaded: LoadedSpec,
    *named: tuple[str, ConstantsName | None],
    sgd: bool = False,
    instead: str = "ask `rsgadvise recommend` or `rsgadvise report`, which measure",
) -> LoadedSpec:
    """The spec, if a theorem is about its training: for commands that rest on bounds.

    Args:
        loaded: the spec. named: options that name constants, with those that they were given.
        sgd: whether the command is about SGD in a box alone, whatever theorems there are.
        instead: what goes without any bound.

    Raises:
        SpecError: nothing bounds what the spec trains, or this command does not.
    """
    from rsgadvise.spec.problem import resolve
    from rsgadvise.theory.theorems import covers, provable, theorem_of

    problem = resolve(loaded.spec)
    optimizer, obstacles = problem.optimizer, problem.obstacles
    changed = (each.change.partition("=") for each in obstacles)
    # Of the kind that the network has once all else is changed.
    kind = next((value for key, _, value in changed if key == "network.kind"), problem.kind)
    about_it = provable(kind, optimizer)
    found = [
        (each.key, f"{each.rule} for a bound", f"{each.given}, which has {each.why}", f"--set {each.change}")
        for each in obstacles
    ]
    if not (optimizer.plain or (about_it and not sgd)):
        rule, why = f"{SGD} for a bound", "which no theorem is about"
        if about_it:
            rule, why = f"{SGD} here", "of which this command has no bound"
        key = "training.optimizer"
        found.insert(0, (key, rule, f"{optimizer.name}, {why}", f"--set {key}={SGD}"))
        optimizer = PLAIN
    if not found:
        if sgd:
            require_box(loaded)
        return loaded
    if sgd and problem.spectral:
        key, given = problem.limit_key, f"singular values of at most {max(problem.weight_bounds):g}"
        found.insert(0, (key, "absent here", given, f"--set {key}=null"))
    key, rule, _, _ = found[0]
    got = " and ".join(given for _, _, given, _ in found)
    changes = [change for *_, change in found]
    for option, constants in named:
        if constants is not None and (
            not covers(kind, constants, optimizer)
            or theorem_of(kind, constants).refusal(loaded.spec.network) is not None
        ):
            changes.append(f"{option} {BY_THEOREM[-1]}")  # which are about every network that has bounds
    # What measures trains in a box.
    fix = f"add {' '.join(changes)}" if problem.spectral else f"{instead}, or add {' '.join(changes)}"
    raise loaded.source.error(key, f"must be {rule}; got {got}; {fix}")


def require_box(loaded: LoadedSpec) -> None:
    """Refuse bounded singular values, for commands about networks in a box.

    Raises:
        SpecError: they are bounded in place of weights.
    """
    from rsgadvise.spec.problem import resolve

    network = loaded.spec.network
    if not network.spectral:
        return
    others = ""
    if resolve(loaded.spec).has_sgd_bound:
        others = (
            "ask `rsgadvise bound`, `iterations`, `explain`, `verify` or `recommend --constants "
            "certified`, or "
        )
    raise loaded.source.error(
        network.limit_key,
        f"must be absent here: this command is about networks in a box; got {max(network.weight_bounds):g}; "
        f"{others}write weight_bound in its place",
    )


def adviser(loaded: LoadedSpec, named: ConstantsName | None, *, sgd: bool = False) -> ConstantsName:
    """Whose constants choose what a spec leaves open: those that were named, or the usual ones.

    Args:
        loaded: the spec. named: what the command line says.
        sgd: whether the command has bounds of SGD alone.

    Raises:
        UsageError: no theorem with these is about the training.
    """
    from rsgadvise.spec.problem import resolve
    from rsgadvise.theory.theorems import provable, refusal, usual_constants

    problem = resolve(loaded.spec)
    known = problem.has_sgd_bound or (
        not sgd and problem.obstacle is None and provable(problem.kind, problem.optimizer)
    )
    usual = usual_constants(problem, problem.optimizer) if known else "typical"
    if named is None or refusal(problem, named) is None:
        return named or usual
    fix = (
        f"use --advice {usual}" if known else "leave --advice out, and what is typical for its data is taken"
    )
    raise UsageError(
        f"--advice must name constants of a theorem about the training of {loaded.source.file}; got {named}; "
        f"{fix}"
    )


def unique_name(wanted: str, taken: set[str]) -> str:
    """The name, numbered where it is `taken` already; it is from then on."""
    name, again = wanted, 1
    while name in taken:
        again += 1
        name = f"{wanted} #{again}"
    taken.add(name)
    return name


# An advice on the spec's own data file where it names one, with progress.

_NO_TARGETS = "{} holds no targets, so nothing was measured by training; name them with data.target."


def advice_for(
    loaded: LoadedSpec,
    statistics: DataStatistics | None,
    measured: Mapping[str, float | int | None] | None,
    effort: Effort,
    *,
    top: int,
    quiet: bool,
) -> Advice:
    """Advice by the effort asked for.

    Raises:
        UsageError: a value of the effort is out of range.
        SpecError: it needs a data file, and the spec names none, or one without targets.
    """
    from rsgadvise.pilot.advising import advise

    effort.check(option="--")
    if statistics is None and effort.needs_data:
        what, instead = "--constants calibrated measures", "use --constants typical or certified"
        if effort.pilot:
            what, instead = "--pilot trains", "leave the pilot out"
        raise loaded.source.error(
            "data.file", f"must be given, since {what} on it; got none; add it, or {instead}"
        )
    if statistics is None or not effort.trains:
        return advise(loaded.spec, None, effort, top=top, measured=measured)
    if statistics.output_dim is None and not loaded.spec.network.tied and not effort.needs_data:
        found = advise(loaded.spec, None, effort, top=top, measured=measured)
        return replace(found, notes=(_NO_TARGETS.format(loaded.spec.data.file), *found.notes))
    from rsgadvise.cli.options import usable_cores
    from rsgadvise.cli.progress import ReadProgress

    with ReadProgress(enabled=not quiet) as bar:
        return advise(
            loaded.spec,
            rows_of(loaded, statistics),
            effort,
            top=top,
            measured=measured,
            threads=usable_cores(),
            progress=lambda part, name: bar(round(100 * part), 100, name),
        )


HiddenOption = Annotated[
    str | None,
    typer.Option(
        metavar="N[,N...]", help=f"{OF_DATA} units of the hidden layers; 0 for none, 32 unless told."
    ),
]
KindOption = Annotated[
    str | None, typer.Option(metavar="KIND", help=f"{OF_DATA} single_layer, multilayer or autoencoder.")
]
EpochsOption = Annotated[float | None, typer.Option(help=f"{OF_DATA} passes over the rows.")]
SaveOption = Annotated[
    Path | None,
    typer.Option(metavar="SPEC", help=f"{OF_DATA} also write the spec that it stood for."),
]
IntoOption = Annotated[
    Path | None,
    typer.Option(metavar="SPEC", help="Also write the advised values into the training section of SPEC."),
]
AUTO_BATCH = 0
"""In place of a batch size: it is to be measured."""


def _batch_size(said: str) -> int:
    if said == "auto":
        return AUTO_BATCH
    try:
        size = int(said)
    except ValueError:
        size = 0
    if size < 1:
        raise typer.BadParameter(f"must be a whole number above 0, or auto with --model; got {said!r}")
    return size


BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        parser=_batch_size,
        metavar="B",
        help=f"{OF_DATA} rows of a mini-batch; auto, of a --model, measures it.",
    ),
]

OptimizerOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"{OF_DATA} {', '.join(optimizer_names())}; {SGD} unless told. Of a --model also FILE.py:NAME "
        "of a function of parameters and lr; adam unless told.",
    ),
]

_SECTIONS = re.compile(
    r"""^\s*[{"']*(network|data|training|search|target|budget|cost|sweep)["']?\s*:""", re.M
)
HIDDEN = 32  # units, in one layer, where nobody says what to train on a data file
_SAMPLES, _EPOCHS = 500_000, (10, 1000)  # of a training that nobody described
_MOST_EPOCHS = 1e100  # as in a spec
_SAMPLE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions(ReadingSaid):
    """What the command line says of a data file, and of a network for it; None where it says nothing."""

    hidden: str | None = None
    kind: str | None = None
    epochs: float | None = None
    batch_size: int | None = None
    optimizer: str | None = None


def _data(
    target: TargetOption = None,
    hidden: HiddenOption = None,
    kind: KindOption = None,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    optimizer: OptimizerOption = None,
    exclude: ExcludeOption = None,
    categories: CategoriesOption = None,
    target_kind: TargetKindOption = TargetKindName.AUTO,
    table: TableOption = None,
    array: ArrayOption = None,
    scaling: ScalingOption = ScalingName.AUTO,
) -> DataOptions:
    read = said(target, array, exclude, categories, target_kind, table, scaling)
    own = {f.name: getattr(read, f.name) for f in fields(read)}
    return DataOptions(
        **own, hidden=hidden, kind=kind, epochs=epochs, batch_size=batch_size, optimizer=optimizer
    )


def _effort(
    constants: AdviceConstantsOption = AUTO,
    work: WorkOption = None,
    pilot: PilotOption = None,
    seed: SeedOption = 0,
) -> Effort:
    return Effort(constants, pilot, work, seed)


AboutData = Annotated[DataOptions, Group(_data)]
EffortOptions = Annotated[Effort, Group(_effort)]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A spec with its data measured.

    Attributes:
        loaded: the spec. statistics: of its data file, or None without one.
        measured: statistics by spec key. notes: on the data.
        from_data: whether the spec was made of a data file, and is nowhere yet.
    """

    loaded: LoadedSpec
    statistics: DataStatistics | None
    measured: Mapping[str, float | int | None] | None
    notes: tuple[str, ...]
    from_data: bool


def is_data(source: str) -> bool:
    """Whether a name on the command line is that of a data file, or folder, rather than of a spec."""
    from rsgadvise.spec.load import SUFFIXES

    path = Path(source)
    if source != "-" and os.path.isdir(source):  # noqa: PTH112 - whatever cannot be asked is no folder
        return True
    if source == "-" or path.suffix.lower() in SUFFIXES:
        return False
    try:
        with path.open("rb") as stream:
            start = stream.read(_SAMPLE_BYTES)
    except (OSError, ValueError):  # whoever loads it says what is wrong
        return path.suffix != ""
    return b"\0" in start or _SECTIONS.search(start.decode("utf-8", "replace")) is None


def load(
    source: str,
    overrides: Sequence[str] | None,
    options: DataOptions | None,
    *,
    quiet: bool,
    save: Path | None = None,
    check: Callable[[LoadedSpec], object] = lambda _: None,
) -> Loaded:
    """Load the spec, or make one of a data file, and measure the data.

    Args:
        source: a spec, - for standard input, or a data file.
        overrides: texts of --set.
        options: of a data file; None where the command takes specs alone.
        quiet: without a progress bar.
        save: where the spec will be written; names of files in it are relative to there.
        check: raises where a spec is not what it should be, before its data are read.

    Raises:
        UsageError: options of a data file for a spec.
    """
    from rsgadvise.spec import load_spec

    if options is not None and is_data(source):
        return _from_data(Path(source), tuple(overrides or ()), options, quiet=quiet, save=save)
    given = () if options is None else options.given
    if given or save is not None:
        raise UsageError(
            f"{given[0] if given else '--save'} goes with a data file in place of a spec; got {source}, a "
            "spec; change the spec, or override one key with --set"
        )
    loaded = load_spec(source, overrides=tuple(overrides or ()))
    check(loaded)
    statistics = statistics_of(loaded, quiet=quiet)
    values, notes = (None, []) if statistics is None else described(loaded, statistics)
    return Loaded(loaded, statistics, values, tuple(notes), from_data=False)


def _from_data(
    path: Path, overrides: tuple[str, ...], options: DataOptions, *, quiet: bool, save: Path | None
) -> Loaded:
    from rsgadvise.spec import parse_spec
    from rsgadvise.spec.template import optimizer_named

    kind, hidden = _shape(options)
    optimizer_named(options.optimizer)
    if options.batch_size == AUTO_BATCH:
        raise UsageError("--batch-size auto goes with --model; leave it out, and batch sizes are raced")
    source, reading, notes = opened(
        path, options, targeted=not kind.tied, otherwise="--kind autoencoder, which needs none"
    )
    statistics = measured(source, spectrum=True, quiet=quiet, scaling=options.scaling)
    if hidden is None:
        hidden = (HIDDEN,)
        if kind.hidden != 0:
            notes.append(f"Assumed: one hidden layer of {HIDDEN} units; --hidden says otherwise.")
    ends = () if kind.tied else (statistics.output_dim or 1,)
    middle = () if kind.hidden == 0 else hidden
    text = _spec_text(
        kind=kind.name,
        layers=(statistics.input_dim, *middle, *ends),
        data=keys_for(source, reading, scaling=options.scaling, folder=save.parent if save else Path()),
        epochs=_epochs(options, statistics.samples),
        training={"batch_size": options.batch_size, "optimizer": options.optimizer},
    )
    if options.epochs is None:
        notes.append(f"Assumed: {_epochs(options, statistics.samples):,g} epochs; --epochs says otherwise.")
    name = str(save) if save else f"<{path.name or path.resolve().name}>"
    loaded = parse_spec(text, file=name, overrides=overrides)
    values, about = described(loaded, statistics)
    return Loaded(loaded, statistics, values, (*notes, *about), from_data=True)


def opened(
    path: Path, options: ReadingSaid, *, targeted: bool, otherwise: str = ""
) -> tuple[DataSource, Reading, list[str]]:
    """A data file, how it is read, and what was assumed of its target where nobody names one.

    Args:
        path: the file. options: what is said of it.
        targeted: whether there have to be targets.
        otherwise: what can be said in place of a target.

    Raises:
        DataError: it cannot be read so, or has no targets.
    """
    from rsgadvise.data.opening import open_as, target_choice

    reading, notes = options.reading(), list[str]()
    keep_data_apart(path, reading.target)
    if targeted and reading.target is None:
        fix = f"{_NAME_IT}, or {otherwise}" if otherwise else _NAME_IT
        reading, notes = _with_target(path, reading, fix)
    try:
        source = open_as(path, reading)
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
    if hidden is not None and (
        (wanted is not None and len(hidden) != wanted) or (wanted is None and not hidden)
    ):
        says = {0: "no hidden layer", 1: "one hidden layer", None: "a hidden layer or more"}[wanted]
        raise UsageError(f"--kind {name} has {says}; got --hidden {options.hidden}; change one of the two")
    return kind, hidden


def _epochs(options: DataOptions, rows: int) -> float:
    if options.epochs is not None:
        if not 0 < options.epochs <= _MOST_EPOCHS:
            raise UsageError(
                f"--epochs must be a number above 0 and at most {_MOST_EPOCHS:g}; got {options.epochs:g}; "
                "write e.g. 100"
            )
        return options.epochs
    return float(min(max(round(_SAMPLES / rows), _EPOCHS[0]), _EPOCHS[1]))


def _spec_text(
    *,
    kind: str,
    layers: Sequence[int],
    data: Mapping[str, Any],
    epochs: float,
    training: Mapping[str, Any],
) -> str:
    """The spec as YAML, short enough to be read and changed."""
    from rsgadvise.spec import yaml_scalar

    lines = ["network:", f"  kind: {kind}", f"  layers: {list(layers)}", "data:"]
    lines += [f"  {key}: {yaml_scalar(key, value)}" for key, value in data.items()]
    fixed = [f"  {key}: {value}" for key, value in training.items() if value is not None]
    lines += ["training:", *fixed] if fixed else []
    lines += ["budget:", f"  epochs: {epochs:g}"]
    return "\n".join(lines) + "\n"


_NAME_IT = "--target COLUMN (by name or number, -1 is the last)"


def _with_target(path: Path, reading: Reading, fix: str) -> tuple[Reading, list[str]]:
    """The same with the column of a table that is most likely to be predicted, and a note that says so.

    Raises:
        DataError: none stands out.
    """
    from rsgadvise.data.columns import guessed_target
    from rsgadvise.data.opening import columns_shown

    columns = columns_shown(path, reading)
    if not columns:
        return reading, []
    target, note = guessed_target(path, columns, reading.exclude, fix)
    return replace(reading, target=target), [note]
