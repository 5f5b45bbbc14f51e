"""Errors of the theory, pointed at the key of the spec that they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rsgadvise.errors import HypothesisError, RsgadviseError, SpecError

if TYPE_CHECKING:
    from rsgadvise.spec import LoadedSpec

__all__ = ["located", "unique_name"]


def located(error: HypothesisError, loaded: LoadedSpec) -> RsgadviseError:
    """The same error, at the place of its key in the spec."""
    key = error.quantity
    if not key:
        return error
    if "." not in key:
        key = f"training.{key}"
    if not loaded.source.given(key):
        key = key.partition("[")[0]
    if not loaded.source.given(key):  # what is absent has no place, and no neighbour is to blame for it
        return SpecError(str(error), file=loaded.source.file, key=key)
    return loaded.source.error(key, str(error))


def unique_name(wanted: str, taken: set[str]) -> str:
    """The name, numbered where it is `taken` already; it is from then on."""
    name, again = wanted, 1
    while name in taken:
        again += 1
        name = f"{wanted} #{again}"
    taken.add(name)
    return name
