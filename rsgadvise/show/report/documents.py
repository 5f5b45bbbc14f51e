"""Results as plain documents: JSON, YAML and CSV rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rsgadvise.numerals import count, number
from rsgadvise.show.report.blocks import Block, Column, Grid, Title, sentences

if TYPE_CHECKING:
    from rsgadvise.data.scaling import DataStatistics


# Results as plain documents: JSON, YAML and CSV rows.


def _plain(value: Any, path: str, missing: list[str]) -> Any:
    """Built-in types only; a number that JSON cannot hold becomes null and is noted."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: _plain(getattr(value, f.name), f"{path}.{f.name}".lstrip("."), missing)
            for f in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{path}.{key}".lstrip("."), missing) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{index}]", missing) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        missing.append(path)
        return None
    return value


def as_document(command: str, result: Any, **extra: Any) -> dict[str, Any]:
    """The result with its schema name first; `extra` keys come last."""
    missing: list[str] = []
    body = _plain(result, "", missing)
    document = {
        "schema": f"rsgadvise.{command}/1",
        **body,
        **{k: _plain(v, k, missing) for k, v in extra.items()},
    }
    if missing:
        notes = list(document.get("notes", []))
        document["notes"] = [*notes, f"not a finite number, written as null: {', '.join(missing)}"]
    return document


# Data statistics as blocks and as a document.


def statistics_blocks(statistics: DataStatistics, name: str) -> tuple[Block, ...]:
    """Each statistic with its standard error."""
    errors, largest = statistics.standard_errors, statistics.largest_norm
    rows = (
        ("mean (mu_x)", number(statistics.mean, 8), number(errors.mean, 2)),
        ("mean square (tau_x)", number(statistics.mean_square, 8), number(errors.mean_square, 2)),
        ("  without its upward bias", number(statistics.mean_square_unbiased, 8), ""),
        ("second moment, E||x||^2/d", number(statistics.second_moment, 8), number(errors.second_moment, 2)),
        (
            "top eigenvalue of E[x x^T]",
            number(statistics.top_eigenvalue, 8),
            number(errors.top_eigenvalue, 2),
        ),
        *((("largest norm, max ||x||", number(largest, 8), ""),) if largest is not None else ()),
    )
    columns = (
        Column("statistic", numeric=False),
        Column("value", alike=False),
        Column("standard error", alike=False),
    )
    targets = "none" if statistics.output_dim is None else str(statistics.output_dim)
    context = (
        f"{count(statistics.samples)} rows of {count(statistics.input_dim)} features, targets: {targets}; "
        f"scaling: {statistics.scaling}; passes: {statistics.passes}"
    )
    return (
        Title(f"Statistics of {name}", context),
        Grid(columns, rows),
        *sentences("Mind", statistics.notes),
    )
