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
from rsgadvise.theory import BY_THEOREM, ConstantsName, about, other_than
from rsgadvise.theory.architecture import Architecture
from rsgadvise.theory.optimizers import SGD
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.theory.problem import Problem
from rsgadvise.theory.theorems.theorem import Theorem

__all__ = [
    "Theorem",
    "constants_names",
    "covers",
    "for_sigmoids",
    "others_with_bounds",
    "provable",
    "proven_constants",
    "refusal",
    "theorem_for",
    "theorem_of",
    "usual_constants",
]


def _found() -> Mapping[tuple[str, str, str], type[Theorem]]:
    """Theorems by kind, constants and optimiser; two for the same are a mistake of who wrote the second."""
    theorems: dict[tuple[str, str, str], type[Theorem]] = {}
    for name in names(__path__):
        for each in vars(importlib.import_module(f"{__name__}.{name}")).values():
            if not (isinstance(each, type) and issubclass(each, Theorem)):
                continue
            kinds, constants = getattr(each, "kinds", ()), getattr(each, "constants", ())
            for key in product(kinds, constants, each.optimizers):
                if theorems.setdefault(key, each) is not each:
                    kind, constants, _ = key
                    raise TypeError(f"two theorems are about {kind} networks with {constants} constants")
    return theorems


_THEOREMS = _found()


def constants_names() -> tuple[str, ...]:
    """Every set of constants that a theorem has."""
    return tuple(dict.fromkeys(constants for _, constants, _ in _THEOREMS))


def theorem_of(kind: str, constants: str, optimizer: str = SGD) -> type[Theorem]:
    """The theorem of a kind of network with these constants; that of SGD where the optimiser has none.

    Raises:
        HypothesisError: there is none.
    """
    theorem = _THEOREMS.get((kind, constants, optimizer)) or _THEOREMS.get((kind, constants, SGD))
    if theorem is None:
        others = " or ".join(dict.fromkeys(each for each, name, _ in _THEOREMS if name == constants))
        raise HypothesisError(
            f"must be {others} for {constants} constants; got {kind}; use --constants certified",
            quantity="network.kind",
        )
    return theorem


def covers(kind: str, constants: str, optimizer: Optimizer) -> bool:
    """Whether a theorem is about the optimiser."""
    return (kind, constants, optimizer.name) in _THEOREMS


def for_sigmoids(kind: str, constants: str) -> bool:
    """Whether these constants are only about sigmoid units and their squared error, without biases."""
    theorem = _THEOREMS.get((kind, constants, SGD))
    return theorem is not None and theorem.sigmoids


def provable(kind: str, optimizer: Optimizer) -> bool:
    """Whether anything is proven of networks of that kind that are trained so."""
    return any(covers(kind, constants, optimizer) for constants in proven_constants(kind))


def refusal(problem: Problem, constants: str) -> HypothesisError | None:
    """Why a theorem is not about the network, or not about the optimiser; None if it is about both."""
    optimizer = problem.optimizer
    try:
        refused = theorem_of(problem.kind, constants).refusal(problem)
    except HypothesisError as error:  # it has none with these constants
        return error
    if refused:
        return refused
    if covers(problem.kind, constants, optimizer):
        return None
    fix = f"add --set training.optimizer={SGD}"
    if provable(problem.kind, optimizer):
        fix = "use --constants certified"
    return HypothesisError(
        f"must be {SGD} for {about(constants).whose}; got {optimizer.name}; {fix}",
        quantity="training.optimizer",
    )


def others_with_bounds(kind: str, name: ConstantsName) -> list[ConstantsName]:
    """The sets of constants that can be tried where these have no plan, the safer ones first."""
    return [each for each in dict.fromkeys((*other_than(name), *proven_constants(kind))) if each != name]


def proven_constants(kind: str) -> tuple[ConstantsName, ...]:
    """Those whose bound of a kind of network holds for all data of its moments."""
    proven = (name for (each, name, _), theorem in _THEOREMS.items() if each == kind and theorem.proven)
    return tuple(dict.fromkeys(proven))


@lru_cache(maxsize=64)
def theorem_for(problem: Problem, constants: str) -> Theorem:
    """The same for one problem, whose constants are worked out once."""
    return theorem_of(problem.kind, constants, problem.optimizer.name)(problem)


def usual_constants(network: Architecture, optimizer: Optimizer = PLAIN) -> ConstantsName:
    """What is taken where nobody named any: the first of `BY_THEOREM` that is about the network, and
    about the optimiser if any is; or the last, which then says why nothing can be proven."""
    fitting = [name for name in BY_THEOREM if theorem_of(network.kind, name).refusal(network) is None]
    covering = [name for name in fitting if covers(network.kind, name, optimizer)]
    return next(iter(covering or fitting), BY_THEOREM[-1])
