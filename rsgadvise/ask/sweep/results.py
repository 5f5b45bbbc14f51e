"""What a sweep returns: plain frozen records that a report renders without computing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal, TypeAlias

from rsgadvise.records import dataclass

Value: TypeAlias = float | tuple[float, ...]
"""What a varied key takes: a number, or a whole list such as `network.layers`."""

Interval = Literal["student", "rigorous"]


@dataclass(frozen=True, slots=True)
class Axis:
    """A key of the spec, and the values that it takes in turn."""

    key: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What training measured at one point.

    Attributes:
        gradient: mean of ||grad f(W^R)||^2 over the runs (projected where there is a box).
        lower, upper: limits of its expectation; None where one run has no upper limit.
        runs: independent replicas.
        initial_loss: f(W^1). final_loss: mean of f(W^R).
        seconds: computing time of the replicas.
    """

    gradient: float
    lower: float
    upper: float | None
    runs: int
    initial_loss: float
    final_loss: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One point: the values of the axes, the hyper-parameters there, and the bounds.

    Attributes:
        values: by key.
        kind, layers: the network.
        stepsize, batch_size, iterations, keep_prob, decay: fixed by the spec, or advised; None where
            nothing can be advised, and `notes` say why.
        paper_bound: None outside the range of the theorem.
        certified_bound: at most `largest_gradient`, which stands in for it outside its range.
        largest_gradient: no squared gradient norm of this network exceeds it; None if it overflows.
        vacuous: the paper's bound, or the certified one where there is none, is no better than that.
        measured: None where nothing was measured.
        notes: plain sentences.
        certified_vacuous: the certified bound is no better than `largest_gradient`, so nothing is proven.
    """

    values: Mapping[str, Value]
    kind: str
    layers: tuple[int, ...]
    stepsize: float | tuple[float, ...] | None
    batch_size: int | None
    iterations: int | None
    keep_prob: float | None
    decay: float | None
    paper_bound: float | None
    certified_bound: float | None
    largest_gradient: float | None
    vacuous: bool
    measured: Measurement | None
    notes: tuple[str, ...]
    certified_vacuous: bool = field(init=False)

    def __post_init__(self) -> None:
        value, limit = self.certified_bound, self.largest_gradient
        object.__setattr__(self, "certified_vacuous", value is None or limit is None or not value < limit)


@dataclass(frozen=True, slots=True)
class Sweep:
    """All points that were finished, in the order of the axes, the first one slowest.

    Attributes:
        axes: what was varied.
        points: all of them, or those before an interruption.
        measured: whether there was training at each point.
        confidence: of each point's limits by themselves; None without training.
        seed, runs: of the training.
        notes: plain sentences on the whole.
        interrupted: whether the user ended it early.
    """

    axes: tuple[Axis, ...]
    points: tuple[SweepPoint, ...]
    measured: bool
    confidence: float | None
    seed: int
    runs: int
    notes: tuple[str, ...]
    interrupted: bool = False
