"""A spec as plain numbers, and the bounds of its network with each set of constants."""

from __future__ import annotations

from rsgadvise.records import dataclass

__all__ = [
    "BY_THEOREM",
    "CONSTANTS",
    "DEFAULT",
    "FLOORLESS",
    "ConstantsName",
    "about",
    "all_constants",
    "other_than",
]

ConstantsName = str
"""A set of constants that some theorem has."""


@dataclass(frozen=True, slots=True)
class About:
    """A set of constants in words. What its theorems do says `theorems.theorem_of`.

    Attributes:
        name: that asks for it. whose: they are.
        above: why a measured gradient can be above a bound by them.
        on_rows, on_twins: whether they were measured, on the user's data or on made-up data of its
            statistics: never proven.
        caveat: what is said wherever measured ones are named.
    """

    name: ConstantsName
    whose: str
    above: str = "the theorem's constants do not hold for all data"
    on_rows: bool = False
    on_twins: bool = False
    caveat: str = ""

    @property
    def measured(self) -> bool:
        """Whether they were measured, on whatever data."""
        return self.on_rows or self.on_twins


_SURE = "it holds in the mean over all runs, and this is one"
_ABOUT = {
    each.name: each
    for each in (
        About("paper", "the paper's constants", "the paper's constants do not hold for all data"),
        About("certified", "certified constants", _SURE),
        About(
            "typical",
            "typical constants",
            "its constants are neither proven nor measured on your data",
            on_twins=True,
            caveat="neither proven nor measured on your data",
        ),
        About(
            "calibrated",
            "the measured constants",
            "its constants are measured early in a training from another W1, and not proven",
            on_rows=True,
            caveat="measured and not proven",
        ),
    )
}
CONSTANTS: tuple[ConstantsName, ...] = tuple(_ABOUT)
"""Those that every kind of network has; a theorem may bring others."""
BY_THEOREM: tuple[ConstantsName, ...] = tuple(name for name in CONSTANTS if not _ABOUT[name].measured)
"""Those that need nothing but a spec, the safer ones last."""
DEFAULT = BY_THEOREM[0]
FLOORLESS = "floorless"
"""Certified ones of networks in a box, in a bound on another projected gradient that has no noise floor."""
_ABOUT |= {FLOORLESS: About(FLOORLESS, "certified constants without the noise floor", _SURE)}


def about(name: ConstantsName) -> About:
    """What is said of a set of constants."""
    return _ABOUT.get(name) or About(name, f"{name} constants")


def other_than(name: ConstantsName) -> list[ConstantsName]:
    """The sets of `BY_THEOREM` that can be tried where these have no plan, the safer ones first."""
    return [each for each in reversed(BY_THEOREM) if each != name]


def all_constants(name: str) -> tuple[ConstantsName, ...]:
    """Those that `name` may be one of: theorems are asked for their own only where it is no usual one."""
    if name in CONSTANTS:
        return CONSTANTS
    from rsgadvise.theory.theorems import constants_names

    return tuple(dict.fromkeys((*CONSTANTS, *constants_names())))
