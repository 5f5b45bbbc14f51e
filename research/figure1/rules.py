"""What the paper says of Figure 1, as contrasts whose sign decides; and verdicts from replicates of them.

A contrast is a number per replicate, made of natural logarithms of one reading at the points of a panel.
A replicate has a W^1, a choice of columns, mini-batches and masks of its own, the same at all its points
as far as shapes allow, so what it has in common with itself drops out of the contrast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

__all__ = ["CONFIDENCE", "STATEMENTS", "Finding", "Panel", "Statement", "Verdict", "judge", "slope", "span"]

FloatArray = NDArray[np.float64]
Verdict = Literal["reproduced", "not", "within noise", "no value"]
Contrast = Callable[["Panel", FloatArray], float]

CONFIDENCE = 0.99
NEGLIGIBLE = 0.25
"""What is almost negligible beside something else is at most this share of it, in the logarithm."""
SMALL = 2.0
"""An effect is small if it changes the gradient by less than this factor."""
ALIKE = 0.1
"""Two effects are equal if they differ by less than this in the logarithm, for each doubling."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The points of one panel.

    Attributes:
        features: what differs between points, by name, (points,).
        logs: natural logarithm of each reading, (replicates, points); nan where there is none.
        vacuous: readings that say nothing at some point.
    """

    features: Mapping[str, FloatArray]
    logs: Mapping[str, FloatArray]
    vacuous: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of the paper, and the contrast that is above 0 where it is true.

    Attributes:
        panel: a to e.
        text: the sentence, in short.
        rule: the contrast in words.
        contrast: the contrast.
        unsigned: true where the contrast differs from 0 in either direction.
    """

    panel: str
    text: str
    rule: str
    contrast: Contrast
    unsigned: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, and the mean of the contrast with its limits."""

    verdict: Verdict
    mean: float | None = None
    lower: float | None = None
    upper: float | None = None
    vacuous: bool = False


def slope(panel: Panel, logs: FloatArray, feature: str) -> float:
    """Mean change of the logarithm from the smallest to the largest value, for each doubling."""
    at = panel.features[feature]
    low, high = at.min(), at.max()
    change = logs[at == high].mean() - logs[at == low].mean()
    return float(change / math.log2(high / low))


def span(panel: Panel, logs: FloatArray, *held: str) -> float:
    """Highest less lowest logarithm among points that agree in the features held, in the mean over these."""
    lines = np.stack([panel.features[name] for name in held], axis=1)
    _, line = np.unique(lines, axis=0, return_inverse=True)
    line = line.reshape(-1)
    return float(np.mean([np.ptp(logs[line == number]) for number in range(line.max() + 1)]))


def _ends(panel: Panel, logs: FloatArray, *features: str) -> float:
    """The point where all features are largest less the one where all are smallest."""
    high = np.all([panel.features[f] == panel.features[f].max() for f in features], axis=0)
    low = np.all([panel.features[f] == panel.features[f].min() for f in features], axis=0)
    return float(logs[high].mean() - logs[low].mean())


def _visible_over_hidden(panel: Panel, logs: FloatArray) -> float:
    return abs(slope(panel, logs, "visible")) - abs(slope(panel, logs, "hidden"))


def _difference(panel: Panel, logs: FloatArray) -> float:
    return slope(panel, logs, "visible") - slope(panel, logs, "hidden")


def _against_middle(end: Callable[[FloatArray], np.float64]) -> Contrast:
    """One end of the keep probabilities less the middle one."""

    def contrast(panel: Panel, logs: FloatArray) -> float:
        at = panel.features["keep_prob"]
        values = np.unique(at)
        return float(logs[at == end(values)].mean() - logs[at == values[len(values) // 2]].mean())

    return contrast


STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "a",
        "larger networks are slower",
        "largest network less smallest",
        lambda p, y: _ends(p, y, "visible", "hidden"),
    ),
    Statement(
        "a",
        "visible and hidden lengths count unequally",
        f"visible slope less hidden slope; equal within {ALIKE:g}",
        _difference,
        unsigned=True,
    ),
    Statement(
        "a", "the visible length counts most", "size of visible slope less hidden's", _visible_over_hidden
    ),
    Statement(
        "b", "smaller w_m is faster", "largest box less smallest", lambda p, y: _ends(p, y, "weight_bound")
    ),
    Statement(
        "b",
        "ζ is almost negligible beside w_m",
        f"{NEGLIGIBLE:g} of the range over w_m less the range over ζ",
        lambda p, y: NEGLIGIBLE * span(p, y, "keep_prob") - span(p, y, "weight_bound"),
    ),
    Statement(
        "c",
        "lengths dominate ζ",
        "range over lengths less range over ζ",
        lambda p, y: span(p, y, "keep_prob") - span(p, y, "visible", "hidden"),
    ),
    Statement(
        "c", "the visible length counts most", "size of visible slope less hidden's", _visible_over_hidden
    ),
    Statement(
        "d",
        "depth counts less than length",
        "size of the slope over length less that over depth",
        lambda p, y: abs(slope(p, y, "length")) - abs(slope(p, y, "depth")),
    ),
    Statement(
        "e",
        "the effect of dropout is small",
        f"ln {SMALL:g} less the range over ζ",
        lambda p, y: math.log(SMALL) - span(p, y, "iterations"),
    ),
    Statement("e", "slower for very small ζ", "smallest ζ less the middle one", _against_middle(np.min)),
    Statement("e", "slower for very large ζ", "largest ζ less the middle one", _against_middle(np.max)),
)


def judge(statement: Statement, panel: Panel, reading: str, *, confidence: float = CONFIDENCE) -> Finding:
    """Student's limits of the contrast over the replicates, and the side of 0 on which they lie.

    Args:
        statement: what to judge.
        panel: of that statement.
        reading: which of the panel's.
        confidence: of this one verdict by itself.
    """
    logs = panel.logs[reading]
    if not np.isfinite(logs).all() or len(logs) < 2:
        return Finding("no value")
    values = np.array([statement.contrast(panel, row) for row in logs])
    mean = float(values.mean())
    reach = float(student.ppf((1 + confidence) / 2, len(values) - 1))
    half = reach * float(values.std(ddof=1)) / math.sqrt(len(values))
    lower, upper = mean - half, mean + half
    verdict: Verdict = "within noise"
    if lower > 0 or (statement.unsigned and upper < 0):
        verdict = "reproduced"
    elif upper < 0 or (statement.unsigned and max(-lower, upper) < ALIKE):
        verdict = "not"
    return Finding(verdict, mean, lower, upper, reading in panel.vacuous)
