"""The options that every command shares, and what they mean."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsgadvise import __version__
from rsgadvise.errors import UsageError
from rsgadvise.pilot import AUTO
from rsgadvise.records import dataclass
from rsgadvise.show.formats import format_names
from rsgadvise.theory import BY_THEOREM, CONSTANTS, all_constants

# Options that several commands take together.


@dataclass(frozen=True, slots=True)
class Group:
    """Options that make one value: a parameter `Annotated[Value, Group(make)]` stands for those of `make`."""

    make: Callable[..., Any]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with the options of each group in the place of its parameter."""
    made, parameters = dict[str, tuple[Callable[..., Any], list[str]]](), list[Parameter]()
    for each in signature(command, eval_str=True).parameters.values():
        marks = getattr(each.annotation, "__metadata__", ())
        options = [each]
        for make in (mark.make for mark in marks if isinstance(mark, Group)):
            options = [*signature(make, eval_str=True).parameters.values()]
            made[each.name] = make, [option.name for option in options]
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
DaskOption = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="ADDRESS",
        help="Scheduler to compute on, such as tcp://host:8786; local starts one of --jobs processes.",
    ),
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

    class Format(StrEnum):
        """Output formats: those that are there."""

        TABLE = "table"
else:
    Format = StrEnum("Format", {name.upper(): name for name in format_names()})


class Emit(StrEnum):
    """Libraries in whose words a recommendation can be written down."""

    TORCH = "torch"
    KERAS = "keras"
    SKLEARN = "sklearn"
    OPTUNA = "optuna"


class ScalingName(StrEnum):
    """Ways of scaling features, all but the last into [0, 1]."""

    AUTO = "auto"
    NONE = "none"
    MINMAX = "minmax"
    ROBUST = "robust"
    STANDARD = "standard"


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
COLUMN_NUMBERS = "by name, or by number (counted from 0; -1 is the last)"
"""How a column of a table is named, for help texts."""
ScalingOption = Annotated[
    ScalingName,
    typer.Option(
        "--scaling",
        help="How features come into [0, 1]: auto, as the data ask for; none, as they are; minmax, column "
        "by column; robust, column by column from the 1st to the 99th percentile, the rest clipped. Or "
        "standard: mean 0 and variance 1, for what is measured; no theorem is about it.",
    ),
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


_ADVICE = AUTO, *CONSTANTS
_FLOORLESS = "floorless: such, with a box, in a bound that large batches are not needed for"
ConstantsOption = Annotated[
    str | None,
    typer.Option(
        "--constants",
        parser=_constants(*BY_THEOREM),
        metavar=f"<{'|'.join(BY_THEOREM)}>",
        help="paper: as published, the default where that is about the network; certified: hold for any data "
        f"of these moments; {_FLOORLESS}.",
    ),
]
EitherConstantsOption = Annotated[
    str | None,
    typer.Option(
        "--constants",
        parser=_constants(*BY_THEOREM),
        metavar=f"<{'|'.join(BY_THEOREM)}>",
        help=f"paper: as published; certified: hold for any data of these moments; {_FLOORLESS}. The default "
        "is paper, and for a target that the paper's have no plan for certified, or else floorless.",
    ),
]
AdviceConstantsOption = Annotated[
    str,
    typer.Option(
        "--constants",
        parser=_constants(*_ADVICE),
        metavar=f"<{'|'.join(_ADVICE)}>",
        help="auto: measured on the data where there are any, else typical for their statistics, with the "
        "theorem's ranks beside it; paper: as published; certified: hold for any data of these moments; "
        f"{_FLOORLESS}; typical and calibrated: from statistics and from data, neither of them proven.",
    ),
]
AdviserOption = Annotated[
    str | None,
    typer.Option(
        "--advice",
        parser=_constants(*BY_THEOREM),
        metavar=f"<{'|'.join(BY_THEOREM)}>",
        help="Whose constants choose what a spec leaves open.",
    ),
]
PilotOption = Annotated[
    float | None,
    typer.Option(
        metavar="FRACTION",
        help="Race candidates in short runs on the data, at a cost of at most FRACTION of one training; "
        "0 for no race, else at least 0.1. Without it auto races within --work.",
    ),
]
WorkOption = Annotated[
    float | None,
    typer.Option(
        metavar="FLOPS",
        help="Multiply-adds that auto may spend on training; the default is some ten seconds on one core.",
    ),
]
SeedOption = Annotated[
    int, typer.Option(min=0, help="Seed of what is measured and raced: the same seed, the same advice.")
]
EmitOption = Annotated[
    Emit | None,
    typer.Option("--emit", help="Print Python that trains by the first rank, in place of the report."),
]
