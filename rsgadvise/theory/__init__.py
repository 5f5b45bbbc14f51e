"""A spec as plain numbers, and the bounds of its network with each set of constants."""

from __future__ import annotations

__all__ = ["CAVEATS", "CONSTANTS", "MEASURED", "ConstantsName", "all_constants"]

ConstantsName = str
"""A set of constants that some theorem has."""

CONSTANTS: tuple[ConstantsName, ...] = ("paper", "certified", "typical", "calibrated")
"""Those that every kind of network has; a theorem may bring others."""


def all_constants(name: str) -> tuple[ConstantsName, ...]:
    """Those that `name` may be one of: theorems are asked for their own only where it is no usual one."""
    if name in CONSTANTS:
        return CONSTANTS
    from rsgadvise.theory.theorems import constants_names

    return tuple(dict.fromkeys((*CONSTANTS, *constants_names())))


MEASURED: frozenset[str] = frozenset(("calibrated", "typical"))
"""Constants that were measured, on the user's data or on made-up data of its statistics: never proven."""
CAVEATS = {"calibrated": "measured and not proven", "typical": "neither proven nor measured on your data"}
"""What is said wherever such constants are named."""
