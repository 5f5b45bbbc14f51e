"""The options that every command shares, and what they mean."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rsgadvise import __version__

__all__ = [
    "COLUMN_NUMBERS",
    "AdviceConstants",
    "AdviceConstantsOption",
    "Constants",
    "ConstantsOption",
    "EitherConstantsOption",
    "Emit",
    "EmitOption",
    "Format",
    "FormatOption",
    "NoColorOption",
    "OutputOption",
    "PilotOption",
    "QuietOption",
    "ScalingName",
    "ScalingOption",
    "SeedOption",
    "SetOption",
    "VersionOption",
    "WorkOption",
]


class Format(StrEnum):
    """Output formats."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    MARKDOWN = "markdown"
    CSV = "csv"


class Constants(StrEnum):
    """Sets of constants behind a bound."""

    PAPER = "paper"
    CERTIFIED = "certified"


class Emit(StrEnum):
    """Libraries in whose words a recommendation can be written down."""

    TORCH = "torch"
    KERAS = "keras"
    SKLEARN = "sklearn"
    OPTUNA = "optuna"


class AdviceConstants(StrEnum):
    """Sets of constants behind advice."""

    AUTO = "auto"
    PAPER = "paper"
    CERTIFIED = "certified"
    TYPICAL = "typical"
    CALIBRATED = "calibrated"


class ScalingName(StrEnum):
    """Ways of bringing features into [0, 1]."""

    AUTO = "auto"
    NONE = "none"
    MINMAX = "minmax"
    ROBUST = "robust"


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
        "by column; robust, column by column from the 1st to the 99th percentile, the rest clipped.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one key of the spec, e.g. training.decay=0.5."),
]
ConstantsOption = Annotated[
    Constants,
    typer.Option("--constants", help="paper: as published; certified: hold for any data of these moments."),
]
EitherConstantsOption = Annotated[
    Constants | None,
    typer.Option(
        "--constants",
        help="paper: as published; certified: hold for any data of these moments. The default is paper, "
        "and certified for a target that the paper's have no plan for.",
    ),
]
AdviceConstantsOption = Annotated[
    AdviceConstants,
    typer.Option(
        "--constants",
        help="auto: measured on the data where there are any, else typical for their statistics, with the "
        "theorem's ranks beside it; paper: as published; certified: hold for any data of these moments; "
        "typical and calibrated: from statistics and from data, neither of them proven.",
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
