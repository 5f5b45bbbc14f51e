"""The theorems that bound E||grad f(W^R)||^2, one file each, by the kind of network and the constants.

A `Theorem` with kinds and constants is found by its module being in this package: whose constants it has, of
which networks it is about, its bound, its formulas and where they come from stand in that one file.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import lru_cache
from itertools import product

from rsgadvise.errors import HypothesisError
from rsgadvise.modules import names
from rsgadvise.theory import BY_THEOREM, ConstantsName, other_than
from rsgadvise.theory.architecture import Architecture
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems.theorem import Theorem

__all__ = [
    "Theorem",
    "constants_names",
    "others_with_bounds",
    "proven_constants",
    "theorem_for",
    "theorem_of",
    "usual_constants",
]


def _found() -> Mapping[tuple[str, str], type[Theorem]]:
    """Theorems by kind and constants; two for the same pair are a mistake of who wrote the second."""
    found: dict[tuple[str, str], type[Theorem]] = {}
    for name in names(__path__):
        for each in vars(importlib.import_module(f"{__name__}.{name}")).values():
            if not (isinstance(each, type) and issubclass(each, Theorem)):
                continue
            pairs = product(getattr(each, "kinds", ()), getattr(each, "constants", ()))
            for kind, constants in pairs:
                if found.setdefault((kind, constants), each) is not each:
                    raise TypeError(f"two theorems are about {kind} networks with {constants} constants")
    return found


_THEOREMS = _found()


def constants_names() -> tuple[str, ...]:
    """Every set of constants that a theorem has."""
    return tuple(dict.fromkeys(constants for _, constants in _THEOREMS))


def theorem_of(kind: str, constants: str) -> type[Theorem]:
    """The theorem of a kind of network with these constants.

    Raises:
        HypothesisError: there is none.
    """
    found = _THEOREMS.get((kind, constants))
    if found is None:
        others = " or ".join(each for each, name in _THEOREMS if name == constants)
        raise HypothesisError(
            f"must be {others} for {constants} constants; got {kind}; use --constants certified",
            quantity="network.kind",
        )
    return found


def others_with_bounds(kind: str, name: ConstantsName) -> list[ConstantsName]:
    """The sets of constants that can be tried where these have no plan, the safer ones first."""
    return [each for each in dict.fromkeys((*other_than(name), *proven_constants(kind))) if each != name]


def proven_constants(kind: str) -> tuple[str, ...]:
    """Those whose bound of a kind of network holds for all data of its moments."""
    return tuple(name for (each, name), theorem in _THEOREMS.items() if each == kind and theorem.proven)


@lru_cache(maxsize=64)
def theorem_for(problem: Problem, constants: str) -> Theorem:
    """The same for one problem, whose constants are worked out once."""
    return theorem_of(problem.kind, constants)(problem)


def usual_constants(network: Architecture) -> ConstantsName:
    """What is taken where nobody named any: the first of `BY_THEOREM` that is about the network, or the last,
    which then says why nothing can be proven of it."""
    fitting = (name for name in BY_THEOREM if theorem_of(network.kind, name).refusal(network) is None)
    return next(fitting, BY_THEOREM[-1])
