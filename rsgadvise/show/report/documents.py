"""Results as plain documents: JSON, YAML and CSV rows."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping, Sequence
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


def as_json(document: Mapping[str, Any]) -> str:
    """Indented JSON without NaN or Infinity."""
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=True) + "\n"


def as_yaml(document: Mapping[str, Any]) -> str:
    """The same document as YAML."""
    from ruamel.yaml import YAML

    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.width = 100
    writer.representer.add_representer(float, _yaml_float)
    stream = io.StringIO()
    writer.dump(dict(document), stream)
    return stream.getvalue()


def _yaml_float(representer: Any, value: float) -> Any:
    """1.0e-07, since readers of YAML 1.1 take 1e-07 for text."""
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return representer.represent_scalar("tag:yaml.org,2002:float", text)


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with one header line; nested values become dotted columns, lists are joined by ';'."""
    flat = [_flatten(row) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return stream.getvalue()


def _endless(value: Any) -> bool:
    """A number that the other formats write as null."""
    return isinstance(value, float) and not math.isfinite(value)


def _flatten(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{name}."))
        elif isinstance(value, (list, tuple)):
            flat[prefix + name] = ";".join(str(item) for item in value)
        else:
            flat[prefix + name] = "" if value is None or _endless(value) else value
    return flat


# Data statistics as blocks and as a document.


def statistics_blocks(statistics: DataStatistics, name: str) -> tuple[Block, ...]:
    """Each statistic with its standard error."""
    errors = statistics.standard_errors
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


def statistics_document(statistics: DataStatistics, name: str) -> dict[str, Any]:
    """The statistics by their names, with the file."""
    return as_document("stats", statistics, file=name)
