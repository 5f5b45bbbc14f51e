"""What an explanation holds: plain frozen records that a report renders without computing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from rsgadvise.records import dataclass
from rsgadvise.theory import ConstantsName
from rsgadvise.theory.problem import Assumption


@dataclass(frozen=True, slots=True)
class TrainingValue:
    """A value that the bound is evaluated at; `source`: given, advised or default."""

    value: Any
    source: Literal["given", "advised", "default"]


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the bound.

    Attributes:
        name: as in the terms of `bound`.
        value: the terms sum to the bound.
        share: value / bound.
        formula: in the symbols of docs/theory.md.
        words: what it is, and what shrinks it.
        source: theorem and equation.
        assumptions: ids of the hypotheses that it rests on.
    """

    name: str
    value: float
    share: float
    formula: str
    words: str
    source: str
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One assumption of the theorem, and whether it holds for this spec.

    Attributes:
        id: short name.
        text: the assumption.
        holds: None where the spec cannot tell.
        reason: why, with the numbers that decide.
        value, limit: the two numbers that were compared, where it comes down to that.
    """

    id: str
    text: str
    holds: bool | None
    reason: str
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Knob:
    """What doubling and halving one value does to the bound.

    Attributes:
        key: dotted key of the spec.
        value: the value now, as the explanation uses it.
        doubled, halved: the changed value; None where the spec's rules or the theorem do not allow it.
        factor, factor_halved: changed bound over the bound, all else held; evaluated, not extrapolated.
        note: why a value is missing, and what else had to move.
    """

    key: str
    value: Any
    doubled: Any
    factor: float | None
    halved: Any
    factor_halved: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A bound, explained.

    Attributes:
        kind, layers: of the network.
        constants, equation: whose bound, and where it comes from.
        bound, certified_bound, largest_gradient, proven, vacuous: as in `bound`.
        training: the values it is evaluated at, with where they come from.
        terms, assumptions, knobs: see there.
        notes: plain sentences on the whole.
        assumed: values that nobody gave.
    """

    kind: str
    layers: tuple[int, ...]
    constants: ConstantsName
    equation: str
    bound: float
    certified_bound: float
    largest_gradient: float
    proven: bool
    vacuous: bool
    training: Mapping[str, TrainingValue]
    terms: tuple[Term, ...]
    assumptions: tuple[Hypothesis, ...]
    knobs: tuple[Knob, ...]
    notes: tuple[str, ...]
    assumed: tuple[Assumption, ...]
