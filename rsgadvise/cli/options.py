"""The options that every command shares, and what they mean.

Annotations here are no strings: what reads them at every start would have to compile each.
"""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rsgadvise import __version__
from rsgadvise.errors import UsageError
from rsgadvise.pilot import AUTO, Effort
from rsgadvise.records import dataclass
from rsgadvise.show.formats import format_names
from rsgadvise.theory import BY_THEOREM, CONSTANTS, all_constants
from rsgadvise.theory.optimizers import SGD, optimizer_names

if TYPE_CHECKING:
    from rsgadvise.data.dialect import TableOptions
    from rsgadvise.data.reading import Reading

# Options that several commands take together.


@dataclass(frozen=True, slots=True)
class Group:
    """Options that make one value: a parameter `Annotated[Value, Group(make)]` stands for those of `make`.

    Attributes:
        make: of the value; its parameters are annotated as options. names: of those that are asked for.
    """

    make: Callable[..., Any]
    names: tuple[str, ...] = ()


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with the options of each group in the place of its parameter."""
    made, parameters = dict[str, tuple[Callable[..., Any], list[str]]](), list[Parameter]()
    for each in signature(command, eval_str=True).parameters.values():
        marks = getattr(each.annotation, "__metadata__", ())
        options = [each]
        for group in (mark for mark in marks if isinstance(mark, Group)):
            known = signature(group.make, eval_str=True).parameters
            options = [known[name] for name in group.names or known]
            made[each.name] = group.make, [option.name for option in options]
        parameters += [option.replace(kind=Parameter.KEYWORD_ONLY) for option in options]

    @wraps(command)
    def run(**values: Any) -> None:
        for name, (make, options) in made.items():
            values[name] = make(**{option: values.pop(option) for option in options})
        command(**values)

    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


# The options of commands that train: where to compute, and how sure to be.

JobsOption = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Processes; default: one per usable core.")
]


def check_confidence(confidence: float) -> None:
    """Refuse what is no probability.

    Raises:
        UsageError: it is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise UsageError(f"--confidence must be a probability between 0 and 1; got {confidence:g}; give 0.99")


def check_budget(budget: float | None) -> None:
    """Refuse what is no time to compute.

    Raises:
        UsageError: it is not a number of seconds above 0.
    """
    if budget is not None and not (math.isfinite(budget) and budget > 0):
        raise UsageError(f"--budget must be a number of seconds above 0; got {budget:g}; give e.g. 60")


def usable_cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if TYPE_CHECKING:
    Format = str
else:
    Format = Literal[format_names()]  # those that are there
Emit = Literal["torch", "keras", "sklearn", "optuna"]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rsgadvise {__version__}")
        raise typer.Exit


FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to write the result.")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write the result to FILE, all of it or nothing; - is standard output.",
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="The answer and the main table only; no progress bar.")
]
NoColorOption = Annotated[
    bool, typer.Option("--no-color", help="No colour; the NO_COLOR variable does the same.")
]
VersionOption = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one key of the spec, e.g. training.decay=0.5."),
]


def _constants(*known: str) -> Callable[[str], str]:
    """Parser of a set of constants: those that every theorem has, or one that a theorem's file brings."""

    def parse(value: str) -> str:
        if value not in known:
            own = [name for name in all_constants(value) if name not in CONSTANTS]
            if value not in own:
                raise typer.BadParameter(f"{value!r} is not one of {', '.join(map(repr, (*known, *own)))}.")
        return value

    return parse


def _constants_option(*known: str, option: str = "--constants", help_: str) -> Any:
    return typer.Option(option, parser=_constants(*known), metavar=f"<{'|'.join(known)}>", help=help_)


_ADVICE = AUTO, *CONSTANTS
_FLOORLESS = "floorless: such, with a box, in a bound that large batches are not needed for"
ConstantsOption = Annotated[
    str | None,
    _constants_option(
        *BY_THEOREM,
        help_="paper: as published, the default where that is about the network; certified: hold for any "
        f"data of these moments; {_FLOORLESS}.",
    ),
]
EitherConstantsOption = Annotated[
    str | None,
    _constants_option(
        *BY_THEOREM,
        help_=f"paper: as published; certified: hold for any data of these moments; {_FLOORLESS}. The "
        "default is paper, and for a target that the paper's have no plan for certified, or else floorless.",
    ),
]
AdviserOption = Annotated[
    str | None,
    _constants_option(
        *BY_THEOREM, option="--advice", help_="Whose constants choose what a spec leaves open."
    ),
]


def _effort(
    constants: Annotated[
        str,
        _constants_option(
            *_ADVICE,
            help_="auto: measured on the data where there are any, else typical for their statistics, with "
            "the theorem's ranks beside it; paper: as published; certified: hold for any data of these "
            f"moments; {_FLOORLESS}; typical and calibrated: from statistics and from data, neither of them "
            "proven.",
        ),
    ] = AUTO,
    work: Annotated[
        float | None,
        typer.Option(
            metavar="FLOPS",
            help="Multiply-adds that auto may spend on training; the default is some ten seconds on one "
            "core.",
        ),
    ] = None,
    pilot: Annotated[
        float | None,
        typer.Option(
            metavar="FRACTION",
            help="Race candidates in short runs on the data, at a cost of at most FRACTION of one training; "
            "0 for no race, else at least 0.1. Without it auto races within --work.",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of what is measured and raced: the same seed, the same advice."),
    ] = 0,
) -> Effort:
    return Effort(constants, pilot, work, seed)


EffortOptions = Annotated[Effort, Group(_effort)]
EmitOption = Annotated[
    Emit | None,
    typer.Option("--emit", help="Print Python that trains by the first rank, in place of the report."),
]


# The options of a data file.

_OF_DATA = "Of a data file:"
_COLUMN = "by name, or by number (counted from 0; -1 is the last)"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """What the command line says of a data file, and of a network for it; None where it says nothing."""

    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|FILE",
            help=f"{_OF_DATA} what to predict: a column {_COLUMN}, an array, or another file.",
        ),
    ] = None
    hidden: Annotated[
        str | None,
        typer.Option(
            metavar="N[,N...]",
            help=f"{_OF_DATA} units of the hidden layers; 0 for none, 100 unless told, or 32 of an "
            "autoencoder and for a theorem.",
        ),
    ] = None
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help=f"{_OF_DATA} single_layer, multilayer or autoencoder."),
    ] = None
    epochs: Annotated[float | None, typer.Option(help=f"{_OF_DATA} passes over the rows.")] = None
    batch_size: Annotated[
        int | None,
        typer.Option(
            parser=_batch_size,
            metavar="B",
            help=f"{_OF_DATA} rows of a mini-batch; auto, of a --model, measures it.",
        ),
    ] = None
    optimizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"{_OF_DATA} {', '.join(optimizer_names())}; adam unless told, or {SGD} without a "
            "hidden layer, of an autoencoder and for a theorem. Of a --model also FILE.py:NAME of a function "
            "of parameters and lr.",
        ),
    ] = None
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help=f"{_OF_DATA} leave out a column {_COLUMN}, or several, a,b; repeatable; none keeps even "
            "dates and numbers of rows.",
        ),
    ] = None
    categories: Annotated[
        Literal["one_hot", "exclude"] | None,
        typer.Option(help=f"{_OF_DATA} columns of a few words: an input for every word, or none."),
    ] = None
    missing: Annotated[
        Literal["drop", "fill"],
        typer.Option(
            help=f"{_OF_DATA} rows that lack features: left out, or filled in with the median of the column."
        ),
    ] = "drop"
    target_kind: Annotated[
        Literal["auto", "classes", "values", "logarithms"],
        typer.Option(help=f"{_OF_DATA} whether the targets are labels, values, or values with a long tail."),
    ] = "auto"
    table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help=f"{_OF_DATA} how its text is written: separator, decimal, thousands, missing, encoding, "
            "comment or header; repeatable.",
        ),
    ] = None
    array: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"{_OF_DATA} the array of the features.")
    ] = None
    scaling: Annotated[
        Literal["auto", "none", "minmax", "robust", "standard", "logarithms"],
        typer.Option(
            help="How features come into [0, 1]: auto, as the data ask for; none, as they are; minmax, "
            "column by column; robust, column by column from the 1st to the 99th percentile, the rest "
            "clipped. Or standard: mean 0 and variance 1, and logarithms, the same of the logarithms of "
            "columns with a long tail, where certified constants hold, the paper's not.",
        ),
    ] = "auto"

    @property
    def words(self) -> tuple[str, ...]:
        """The options that were used as they are typed, with their values."""
        typed = list[str]()
        for f in fields(self):
            value = getattr(self, f.name)
            if value != f.default:
                for each in value if isinstance(value, list) else [value]:
                    shown = f"{each:g}" if isinstance(each, float) else str(each)
                    typed += [f"--{f.name.replace('_', '-')}", shown]
        return tuple(typed)

    def reading(self) -> "Reading":
        """How the file is to be read.

        Raises:
            UsageError: --table says what cannot be.
        """
        from rsgadvise.data.reading import Reading

        excluded, table = tuple(self.exclude or ()), _table(self.table or [])
        return Reading(
            self.array,
            self.target,
            excluded,
            self.categories,
            self.target_kind,
            table,
            missing=self.missing,
        )


AboutData = Annotated[DataOptions, Group(DataOptions)]
READ_BY = ("target", "array", "exclude", "categories", "missing", "target_kind", "table", "scaling")
"""Keys of `data` that have options of their own."""
AboutReading = Annotated[DataOptions, Group(DataOptions, READ_BY)]
"""Those of reading it alone."""


def _table(said: Sequence[str]) -> "TableOptions":
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


# The options of a torch model.

_OF_MODEL = "Of a torch model:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What the command line says of a torch model; None where it says nothing."""

    model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.py:NAME",
            help="A torch.nn.Module, or what makes one, in place of a spec; FILE.py is run.",
        ),
    ] = None
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DATA", help=f"{_OF_MODEL} the data file to train on.")
    ] = None
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="LOSS",
            help=f"{_OF_MODEL} cross_entropy, binary_cross_entropy (of one output, or of each), squared, or "
            "FILE.py:NAME of a function of outputs and targets; by default what the targets are.",
        ),
    ] = None
    input_shape: Annotated[
        str | None,
        typer.Option(
            metavar="N[,N...]",
            help=f"{_OF_MODEL} shape of a row, such as 1,28,28; colours that come last are put first.",
        ),
    ] = None

    def in_place_of(self, spec: str | None) -> bool:
        """Whether the question is about a model.

        Raises:
            UsageError: it is about a spec too, or about data or a loss of no model.
        """
        given = [f.name for f in fields(self) if getattr(self, f.name) is not None]
        if self.model is not None and spec is not None:
            raise UsageError(f"--model stands in place of a spec; got {spec} too; name the rows with --data")
        if given and self.model is None:
            option = f"--{given[0].replace('_', '-')}"
            other = "; the loss of a spec is network.loss" if option == "--loss" else ""
            raise UsageError(
                f"{option} goes with --model FILE.py:NAME; got none; add it, or leave {option} out{other}"
            )
        return bool(given)


AboutModel = Annotated[ModelOptions, Group(ModelOptions)]
