"""The configurations: what a user varies, spread evenly over its range by a fixed seed.

Knobs and ranges were fixed before any agreement was measured, and serve all constants alike.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from research.agreement.statistics import latin_hypercube
from rsgadvise.theory.heads import SQUARED
from rsgadvise.theory.units import SIGMOID

__all__ = [
    "BLOCKS",
    "FAMILIES",
    "FRACTIONS",
    "KNOBS",
    "Block",
    "Configuration",
    "Family",
    "Sweep",
    "design",
    "held",
    "sweeps",
]

Family = Literal["single_layer", "autoencoder", "multilayer"]
Block = Literal["within", "realistic"]

FAMILIES: tuple[Family, ...] = ("single_layer", "autoencoder", "multilayer")
BLOCKS: tuple[Block, ...] = ("within", "realistic")
"""Stepsizes as a fraction of the smaller of the paper's and the certified limit, and of 2/U measured."""

KNOBS: Mapping[Family, tuple[str, ...]] = {
    "single_layer": ("inputs", "outputs", "batch size", "iterations", "stepsize", "decay"),
    "autoencoder": (
        *("inputs", "hidden width", "weight bound", "keep prob"),
        *("batch size", "iterations", "stepsize", "decay"),
    ),
    "multilayer": (
        *("inputs", "outputs", "first width", "last width", "depth", "weight bound", "keep prob"),
        *("batch size", "iterations", "stepsize", "decay"),
    ),
}

_SIDES = (0, 1, 2)  # resolutions, the coarsest first
_CLASSES = (2, 4, 7, 10)
_DEPTHS = (1, 2, 3)  # hidden layers
_WIDTH = (8.0, 100.0)
_WEIGHT_BOUND = (0.03, 3.0)
_BATCH_SIZE = (4.0, 128.0)
_ITERATIONS = (30.0, 800.0)
FRACTIONS: Mapping[Block, tuple[float, float]] = {"within": (0.01, 0.9), "realistic": (0.02, 0.95)}
"""Of the limit of each kind of stepsizes, log-uniform."""

_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
_BASES = (0.35, 0.65)
_SMALL = 0.4  # of the inputs of a sweep's base: the middle resolution
_KEPT, _CONSTANT = 1 / 3, 0.4  # shares without dropout, and without decay
_SEED = 20


@dataclass(frozen=True, slots=True)
class Configuration:
    """One choice of every knob; the stepsize is a fraction of what `block` says.

    Attributes:
        resolution: of the images, 0 the coarsest.
        hidden: widths of the hidden layers; classes: outputs of a classifier.
        stepsize: gamma itself, in place of the fraction.
        common: whether networks of the same layers share their randomness.
        activation, loss: of hidden units and of outputs; sigmoids and their squared error where left out.
            They are no knobs: networks that differ in them alone share their randomness.
    """

    family: Family
    data: str
    block: Block
    resolution: int
    classes: int
    hidden: tuple[int, ...]
    weight_bound: float
    keep_prob: float
    batch_size: int
    iterations: int
    decay: float
    fraction: float
    stepsize: float | None = None
    common: bool = False
    activation: str = field(default=SIGMOID, repr=False)
    loss: str = field(default=SQUARED, repr=False)

    @property
    def key(self) -> int:
        """Of its randomness: W^1, mini-batches and masks."""
        shared = (self.family, self.data, self.block, self.resolution, self.classes, self.hidden)
        return zlib.crc32(repr(shared if self.common else self).encode())

    def layers(self, inputs: int) -> tuple[int, ...]:
        """d_0..d_L."""
        return (
            (inputs, *self.hidden) if self.family == "autoencoder" else (inputs, *self.hidden, self.classes)
        )

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Configuration:
        """From what JSON makes of one."""
        return cls(**{**stored, "hidden": tuple(stored["hidden"])})


@dataclass(frozen=True, slots=True)
class Sweep:
    """Configurations that differ in one knob, all with the same stepsize unless that is the knob."""

    knob: str
    levels: tuple[Configuration, ...]


def _between(limits: tuple[float, float], unit: float) -> float:
    """Log-uniform."""
    return float(limits[0] * (limits[1] / limits[0]) ** unit)


def _one_of(values: tuple[int, ...], unit: float) -> int:
    return values[min(int(unit * len(values)), len(values) - 1)]


def _configuration(family: Family, data: str, block: Block, units: Mapping[str, float]) -> Configuration:
    """A point of the unit cube as a configuration."""
    hidden: tuple[int, ...] = ()
    if family == "autoencoder":
        hidden = (round(_between(_WIDTH, units["hidden width"])),)
    elif family == "multilayer":
        ends = [_between(_WIDTH, units[name]) for name in ("first width", "last width")]
        depth = _one_of(_DEPTHS, units["depth"])
        # Widths in between are in geometric progression; with one hidden layer it is their middle.
        ratio = ends[1] / ends[0]
        shares = [step / (depth - 1) for step in range(depth)] if depth > 1 else [0.5]
        hidden = tuple(round(ends[0] * ratio**share) for share in shares)
    plain = family == "single_layer"
    keep = 1.0 if plain else max(0.0, units["keep prob"] - _KEPT) / (1 - _KEPT)
    return Configuration(
        family=family,
        data=data,
        block=block,
        resolution=_one_of(_SIDES, units["inputs"]),
        classes=_one_of(_CLASSES, units.get("outputs", 1.0)),
        hidden=hidden,
        weight_bound=0.0 if plain else round(_between(_WEIGHT_BOUND, units["weight bound"]), 4),
        keep_prob=1.0 if plain else round(1 - 0.5 * keep, 3),
        batch_size=round(_between(_BATCH_SIZE, units["batch size"])),
        iterations=round(_between(_ITERATIONS, units["iterations"])),
        decay=round(max(0.0, units["decay"] - _CONSTANT) / (1 - _CONSTANT), 3),
        fraction=_between(FRACTIONS[block], units["stepsize"]),
    )


def design(family: Family, data: str, block: Block, count: int, **made: Any) -> list[Configuration]:
    """So many configurations; those of two data sets, units or losses differ in these alone."""
    knobs = KNOBS[family]
    seed = _SEED + 2 * FAMILIES.index(family) + BLOCKS.index(block)
    points = latin_hypercube(count, len(knobs), seed)
    return [
        replace(_configuration(family, data, block, dict(zip(knobs, map(float, point), strict=True))), **made)
        for point in points
    ]


def sweeps(family: Family, data: str, block: Block, **made: Any) -> list[Sweep]:
    """Each knob by itself, at up to five levels, from two base points."""
    found = []
    for base in _BASES:
        middle = dict.fromkeys(KNOBS[family], base) | {"inputs": _SMALL}
        for knob in KNOBS[family]:
            levels = [_configuration(family, data, block, middle | {knob: unit}) for unit in _LEVELS]
            levels = [replace(level, common=True, **made) for level in levels]
            found.append(Sweep(knob, tuple(dict.fromkeys(levels))))
    return found


def held(sweep: Sweep, stepsize: float) -> list[Configuration]:
    """The levels with one stepsize for all of them."""
    return [replace(level, stepsize=stepsize) for level in sweep.levels]
