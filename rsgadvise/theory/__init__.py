"""A spec as plain numbers, and the bounds of its network with each set of constants."""

from __future__ import annotations

from typing import Literal

__all__ = ["CAVEATS", "MEASURED", "ConstantsName"]

ConstantsName = Literal["paper", "certified", "typical", "calibrated"]
MEASURED: frozenset[str] = frozenset(("calibrated", "typical"))
"""Constants that were measured, on the user's data or on made-up data of its statistics: never proven."""
CAVEATS = {"calibrated": "measured and not proven", "typical": "neither proven nor measured on your data"}
"""What is said wherever such constants are named."""
