"""Rows as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rsgadvise.show.formats import Result


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


def render(shown: Result) -> str:
    return as_csv(shown.rows())
