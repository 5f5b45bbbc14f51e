"""The JSON Schema of a spec, with which editors complete, explain and check it."""

from __future__ import annotations

from typing import Any

from rsgadvise.spec.models import NO_BOX, Spec

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Rules between keys that JSON Schema can express; the others are checked when the spec is read.
_PAIR = {"layers": {"maxItems": 2}}
_KINDS: list[dict[str, Any]] = [
    {
        "if": {"properties": {"kind": {"const": "single_layer"}}, "required": ["kind"]},
        "then": {
            "properties": {
                **_PAIR,
                "weight_bound": {"enum": [None, NO_BOX]},
                "spectral_bound": {"type": "null"},
            }
        },
    },
    {
        "if": {"properties": {"kind": {"const": "autoencoder"}}, "required": ["kind"]},
        "then": {"properties": _PAIR},
    },
    {
        "if": {"properties": {"kind": {"enum": ["autoencoder", "multilayer"]}}, "required": ["kind"]},
        "then": {"properties": {"weight_bound": {"not": {"const": NO_BOX}}}},
    },
]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a spec.

    Example:
        >>> json_schema()["required"]
        ['network']
    """
    generated = Spec.model_json_schema()
    definitions = generated.pop("$defs")
    for section in definitions.values():
        _tidy(section, definitions)
    _tidy(generated, definitions)
    definitions["Network"]["allOf"] = _KINDS
    return {
        "$schema": DIALECT,
        "title": "rsgadvise spec",
        **{key: entry for key, entry in generated.items() if key != "title"},
        "$defs": definitions,
    }


def _tidy(section: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Let every optional key be null, which means absent, and drop what pydantic adds to that end."""
    section.pop("title", None)
    for name, entry in section["properties"].items():
        entry.pop("title", None)
        if entry.get("default", ...) is None:
            del entry["default"]
        if name in section.get("required", []):
            continue
        ways = entry.pop("anyOf", None)
        if ways is None:
            ways = [{key: entry.pop(key) for key in list(entry) if key not in {"description", "default"}}]
        # An annotation that is a rule within an optional type nests one choice in another.
        flat = [way for outer in ways for way in outer.get("anyOf", [outer])]
        flat = [way for way in flat if way != {"type": "null"}]
        absent = [blank for way in flat if (blank := _blank_section(way, definitions))]
        entry["anyOf"] = [*flat, *absent, {"type": "null"}]


def _blank_section(way: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema of a section that counts as absent because it holds nothing but nulls."""
    target = definitions[way["$ref"].rsplit("/", 1)[1]] if "$ref" in way else way
    if not target.get("required"):
        return None
    names = {"enum": list(target["properties"])}
    return {"type": "object", "propertyNames": names, "additionalProperties": {"type": "null"}}
