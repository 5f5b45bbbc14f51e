"""What every section of a spec is: a frozen model whose nulls count as absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

__all__ = ["Section", "is_absent"]


class Section(BaseModel):
    """A mapping of the spec; `sections` names its keys that are mappings themselves."""

    # Building is deferred: the schemas cost start-up time that only a command with a spec needs.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    sections: ClassVar[Mapping[str, type[Section]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _drop_absent(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        return {
            key: value
            for key, value in data.items()
            # An unknown key stays, null or not: it is a slip of the pen either way.
            if not (key in cls.model_fields and is_absent(value, cls.sections.get(key)))
        }


def is_absent(value: object, section: type[Section] | None) -> bool:
    """Return whether a value is null, or a section of known keys that are all absent."""
    if value is None:
        return True
    if section is None or not isinstance(value, Mapping):
        return False
    return all(
        key in section.model_fields and is_absent(entry, section.sections.get(key))
        for key, entry in value.items()
    )
