"""The section that a spec may carry for `rsgadvise sweep`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from rsgadvise.spec.rules import Number, Rule, failure
from rsgadvise.spec.section import Section

__all__ = ["MOST_AXES", "RUNS", "SEED", "Sweep"]

MOST_AXES = 2
RUNS = Number(ge=1, le=10**7, whole=True)
SEED = Number(ge=0, le=2**63 - 1, whole=True)
_LONGEST = 4096  # characters of one range


class _Flag(Rule):
    """true or false."""

    def check(self, value: object) -> object:
        if not isinstance(value, bool):
            raise failure("true or false", value, "write true, for example")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class _Ranges(Rule):
    """One or two texts KEY=RANGE; what they say is read by the command that they are for."""

    def check(self, value: object) -> object:
        rule = f"a list of 1 to {MOST_AXES} ranges KEY=RANGE"
        fix = "write ['training.keep_prob=0.5:1:6'], for example"
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= MOST_AXES:
            raise failure(rule, value, fix)
        for entry in value:
            if not isinstance(entry, str) or not entry.isprintable() or not 1 <= len(entry) <= _LONGEST:
                raise failure(rule, entry, fix)
        return tuple(value)

    def schema(self) -> dict[str, Any]:
        text = {"type": "string", "minLength": 1, "maxLength": _LONGEST}
        return {"type": "array", "items": text, "minItems": 1, "maxItems": MOST_AXES}


class Sweep(Section):
    """A sweep that the spec carries; options of the command stand above it."""

    vary: Annotated[tuple[str, ...], _Ranges()] | None = Field(
        default=None,
        description="One or two ranges: KEY=LOW:HIGH:COUNT, KEY=LOW:HIGH:logCOUNT, KEY=V1,V2,... or "
        "KEY=[...];[...], as in network.layers[1]=50:800:log8.",
    )
    measure: Annotated[bool, _Flag()] = Field(default=False, description="Whether to train at each point.")
    runs: Annotated[int, RUNS] | None = Field(default=None, description="Replicas trained at each point.")
    seed: Annotated[int, SEED] | None = Field(default=None, description="Seed of all randomness.")
