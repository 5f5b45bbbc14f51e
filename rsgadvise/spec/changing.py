"""A spec with some keys replaced, held to every rule that a file is held to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from rsgadvise.errors import SpecError
from rsgadvise.spec.models import Spec
from rsgadvise.spec.tree import path_text

__all__ = ["changed_spec", "with_statistics"]


def changed_spec(spec: Spec, changes: Mapping[str, Any]) -> Spec:
    """The spec as `--set key=value` would make it, for every key at once.

    Only the sections that change are read again, so that a long list elsewhere costs nothing.

    Args:
        spec: a valid spec.
        changes: value by `section.key` or `section.key.key`; None takes the key out.

    Raises:
        SpecError: the new values break a rule; its `key` and `message` say which.

    Example:
        >>> spec = Spec.model_validate({"network": {"kind": "single_layer", "layers": [784, 10]}})
        >>> changed_spec(spec, {"training.batch_size": 64}).training.batch_size
        64
    """
    sections: dict[str, Any] = {name: getattr(spec, name) for name in spec.model_fields_set}
    opened: dict[str, dict[str, Any]] = {}
    for key, value in changes.items():
        first, *inner, last = key.split(".")
        if first not in opened:
            section = sections.get(first)
            opened[first] = {} if section is None else section.model_dump(exclude_unset=True)
        place = opened[first]
        for part in inner:
            place = place.setdefault(part, {})
        place[last] = value
    try:
        return Spec.model_validate({**sections, **opened})
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        raise SpecError(found["msg"], file="", key=path_text(found["loc"])) from None


def with_statistics(spec: Spec, measured: Mapping[str, float | int | None]) -> Spec:
    """The spec with the statistics of its data file in place of those that it gives.

    They are taken as they are: exact arithmetic makes them obey the rules between them.
    """
    known = {key: value for key, value in measured.items() if value is not None}
    data = spec.data.model_copy(update=known)
    return spec.model_copy(update={"data": data})
