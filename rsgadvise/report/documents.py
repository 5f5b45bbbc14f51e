"""Results as plain documents: JSON, YAML and CSV rows."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["as_csv", "as_document", "as_json", "as_yaml"]


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
