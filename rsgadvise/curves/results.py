"""What is drawn: plain frozen records, in the words of the code; a renderer finds its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Curve",
    "Curves",
    "Edge",
    "EdgeName",
    "Knob",
    "Mark",
    "MarkName",
    "Series",
    "SeriesName",
    "Stack",
    "Tradeoff",
]

Knob = Literal["iterations", "stepsize", "stepsize_factor", "batch_size"]
SeriesName = Literal["held", "best", "same_work", "same_work_held", "certified"]
MarkName = Literal["advised", "minimum", "certified_minimum", "critical_batch_size"]
EdgeName = Literal["range", "certified_range", "largest_gradient", "target"]


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a curve.

    Attributes:
        name: held, all other knobs as advised; best, the stepsize optimal at each x; same_work, N B as
            advised and the stepsize optimal, or same_work_held where the spec fixes that; certified, as held
            but with certified constants.
        values: the bound at each x; inf (null in JSON) where there is none.
    """

    name: SeriesName
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A point worth a dot; `minimum` is absent where it is the advised point itself."""

    name: MarkName
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Edge:
    """A line across the figure: ranges at a value of x, largest_gradient and target at one of y."""

    name: EdgeName
    value: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The bound against one knob.

    Attributes:
        knob: what x is. stepsize_factor: the multiple of the advised stepsizes of all layers.
        x: increasing, the advised value among them.
        at: value of x that is advised.
    """

    knob: Knob
    x: tuple[float, ...]
    at: float
    series: tuple[Series, ...]
    marks: tuple[Mark, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Stack:
    """The terms of the bound of one rank; they sum to it."""

    rank: int
    bound: float
    terms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """For each batch size the fewest iterations of one run that meet the target, and their samples."""

    target: float
    batch_size: tuple[int, ...]
    iterations: tuple[int, ...]
    samples: tuple[int, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """Everything that is drawn for one advice.

    Attributes:
        curves: bound against iterations, stepsize and batch size.
        stacks: terms by rank.
        tradeoff: with a target only.
        absent: what is not drawn, and why.
    """

    curves: tuple[Curve, ...] = ()
    stacks: tuple[Stack, ...] = ()
    tradeoff: Tradeoff | None = None
    absent: tuple[str, ...] = ()
