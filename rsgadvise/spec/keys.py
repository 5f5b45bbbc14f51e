"""Which rule holds for a key of a spec, asked without a spec that has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from rsgadvise.errors import UsageError
from rsgadvise.spec.models import Spec
from rsgadvise.spec.rules import Numbers, Rule, shown
from rsgadvise.spec.source import key_path_parts
from rsgadvise.spec.tree import path_text
from rsgadvise.spec.wording import unknown_key

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from rsgadvise.spec.section import Section

__all__ = ["rule_of"]


def rule_of(key: str) -> Rule:
    """Return the rule for the value of a key, or for one entry of its list, as in `network.layers[1]`.

    Raises:
        UsageError: the spec knows no such key, or it is a section.

    Example:
        >>> rule_of("network.layers[1]").schema()
        {'type': 'integer', 'minimum': 1, 'maximum': 1000000000}
    """
    path = key_path_parts(key)
    if path is None:
        raise UsageError(f"must be a key of the spec; got {shown(key)}; write training.stepsize, for example")
    section: type[Section] = Spec
    for depth, part in enumerate(path):
        if part not in section.model_fields:
            raise UsageError(unknown_key(path[: depth + 1]))
        name, rest = str(part), path[depth + 1 :]
        inside = section.sections.get(name)
        if inside is not None and rest and isinstance(rest[0], str):
            section = inside
            continue
        rule = _rule(section.model_fields[name])
        if rule is not None and not rest:
            return rule
        if isinstance(rule, Numbers) and rule.listing and len(rest) == 1 and isinstance(rest[0], int):
            return rule.item
        if rule is None and inside is not None:
            first = f"{path_text(path[: depth + 1])}.{next(iter(inside.model_fields))}"
            raise UsageError(f"must be a key; got the section {name}; name a key in it, such as {first}")
        break
    raise UsageError(f"must be a key of the spec; got {shown(key)}, which holds no such entry; shorten it")


def _rule(field: FieldInfo) -> Rule | None:
    """The rule among the annotations of a field, which may be one of an optional type."""
    inner = [note for way in get_args(field.annotation) for note in getattr(way, "__metadata__", ())]
    return next((note for note in (*field.metadata, *inner) if isinstance(note, Rule)), None)
