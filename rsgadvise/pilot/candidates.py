"""The candidates that theory proposes for a race, and their variants in the other knobs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from rsgadvise.advise.space import Space
from rsgadvise.pilot.race import Candidate
from rsgadvise.records import dataclass
from rsgadvise.theory.calibrated import loss_stepsize
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.theory.problem import MeasuredConstants
from rsgadvise.training.networks import Array, Network

_Choice = TypeVar("_Choice", int, float)

RUNGS = range(-1, 4)
"""Powers of two, as multiples of 1/U, that every race begins with: the curvature of a sample is larger than
that of the whole, and U falls while training goes on."""

DIRECTIONAL_RUNGS = range(-3, 4)
"""The same of the directional stepsize for optimisers whose unit it is, and of 1/U where no usual stepsize is
known: U at W^1 may be too small for what comes, and a ReLU that a long step kills stays dead."""

MOST_ADDED = 2
"""At the ends of the ladder, where the best of a first heat stands there."""

_USUAL = 18.0
"""The best stepsize times the root mean square norm of a layer's inputs, as geometric means over the layers,
in the mean of a study, to a factor of 1.5 (one standard deviation). See docs/pilot.md, 4."""

_USUAL_OF_SIGNS = 0.5
"""The same times the mean sum of a layer's inputs, for updates that do not know how long a gradient
was: in the mean of 15 settings on nine tables, to a factor of 1.7. See docs/pilot.md, 4."""

_UNUSUAL, _UNUSUAL_ELSEWHERE = 0.125, 0.06
"""Added to the logarithm of a loss for each doubling from the usual stepsize, with several layers, and from
the unit of the race where no usual stepsize is known: there it is a guess."""

_ON_THE_EDGE = 0.075
"""Added likewise at the upper end of that ladder: what the next longer step does is not known, and counts as
in `race.scores` where it fails."""

_FLATTEST = 1e-6  # of the steepest layer's curvature: below this the sample says nothing
ANCHOR = 8.0  # iteration at which decaying stepsizes are as long as the constant ones that they replace
_MOST_VARIANTS = 3  # in one knob


LAYER_ROOT = 3
"""Of the ratio of two layers' curvatures: their stepsizes differ by so much."""


def layer_shape(layer_smoothness: Sequence[float]) -> tuple[float, ...]:
    """Relative stepsizes (U_max/U_l)^(1/3) of the layers, 1 for the steepest.

    A common stepsize is held back by the steepest layer; (U_max/U_l) itself would be right if the layers
    did not act on each other. This is a third of the way, in logarithms: half of it did worse in the mean
    over 22 settings of docs/advice_benchmark.md, a fifth of it and none much worse.

    Example:
        >>> layer_shape([0.5, 4.0])
        (2.0, 1.0)
    """
    steepest = max(layer_smoothness)
    if not steepest > 0:
        return (1.0,) * len(layer_smoothness)
    return tuple(
        (steepest / max(each, _FLATTEST * steepest)) ** (1 / LAYER_ROOT) for each in layer_smoothness
    )


def usual_stepsize(network: Network, inputs: Array, optimizer: Optimizer = PLAIN) -> float | None:
    """What is best most often of the geometric means of the layers' stepsizes, from the layers' sizes alone.

    It was found with sigmoid units and squared error; of other networks nothing is known, so None.

    A step of a layer moves its units by the square of its inputs' norm; the best grew with the first power
    of 1 over that norm, for any number of layers and iterations, from 8 to 256 units and 3 to 1024 inputs.

    Args:
        network: sigmoid units start at about 1/2.
        inputs: (rows, d_0).
        optimizer: that is trained with. Momentum takes what SGD does, over its gain; where every weight moves
            by as much, whatever its gradient, units move by the sum of their inputs.

    Example:
        >>> usual_stepsize(Network("multilayer", (1, 16, 1), (5.0, 5.0)), np.array([[2.0]]))
        9.0
    """
    if not network.as_in_the_paper:
        return None
    if optimizer.scale_free:
        sums = [float(np.abs(inputs, dtype=np.float64).sum(axis=1).mean())]
        sums += [width / 2 for _, width in network.shapes[1:]]
        return _USUAL_OF_SIGNS / max(_mean(sums), _FLATTEST)
    norms = [float(np.square(inputs, dtype=np.float64).sum(axis=1).mean())]
    norms += [width / 4 for _, width in network.shapes[1:]]
    return _USUAL / optimizer.gain / math.sqrt(max(_mean(norms), _FLATTEST))


def _mean(numbers: Sequence[float]) -> float:
    """The geometric one."""
    return float(np.exp(np.log(np.maximum(numbers, 1e-300)).mean()))


@dataclass(frozen=True, slots=True)
class Proposals:
    """What may be raced for one spec.

    Attributes:
        space: what the spec leaves open.
        known: calibrated constants.
        shape: relative stepsizes of the layers.
        batch_size, iterations, keep_prob: of the advice before the race.
        decay: rho of the first schedule.
        advised: its stepsizes, one per matrix.
        usual: see `usual_stepsize`; without one it is 1/U.
        lingers: whether the network does so about a constant at first: longer steps get it off.
        optimizer: that is raced; of another than SGD, U is the reciprocal of its directional stepsize.
    """

    space: Space
    known: MeasuredConstants
    shape: tuple[float, ...]
    batch_size: int
    iterations: int
    keep_prob: float
    decay: float
    advised: tuple[float, ...]
    usual: float | None
    optimizer: Optimizer = PLAIN
    lingers: bool = False

    @property
    def rungs(self) -> range:
        """That every race begins with."""
        upwards = self.optimizer.plain and (self.usual is not None or self.lingers)
        return RUNGS if upwards else DIRECTIONAL_RUNGS

    def first(self, most: int | None = None) -> list[Candidate]:
        """Multiples of 1/U, each layer at its own length; or the stepsize that the spec fixes.

        Args:
            most: so many of the nearest to 1/U; None for all.
        """
        if self.space.stepsize is not None:
            return [self._given()]
        return [self._at(rung) for rung in sorted(sorted(self.rungs, key=abs)[:most])]

    def beside(self, leader: Candidate, ladder: Sequence[int]) -> Candidate | None:
        """The next multiple of 1/U where the leader stands at an end of the ladder; None elsewhere.

        Args:
            leader: of what was raced so far.
            ladder: rungs that were raced.
        """
        rung = leader.rung
        if rung is None or len(ladder) >= len(self.rungs) + MOST_ADDED or min(ladder) < rung < max(ladder):
            return None
        return self._at(rung + 1 if rung == max(ladder) else rung - 1)

    def common(self, leader: Candidate, rung: int) -> Candidate | None:
        """The leader with one stepsize for all layers, 2^rung times its smallest; None where it has one."""
        smallest = min(leader.stepsizes)
        if max(leader.stepsizes) == smallest:
            return None
        return replace(
            leader,
            stepsizes=(smallest * 2.0**rung,) * len(leader.stepsizes),
            source=f"{2.0**rung:g} times the smallest, for all layers",
            rung=rung,
        )

    def _given(self) -> Candidate:
        return Candidate(
            stepsizes=self.advised,
            decay=self.decay,
            batch_size=self.batch_size,
            iterations=self.iterations,
            keep_prob=self.keep_prob,
            source="the stepsize of the spec",
        )

    def _at(self, rung: int) -> Candidate:
        multiple = 2.0**rung
        unit = multiple * ANCHOR**self.decay / self.known.smoothness
        return replace(
            self._given(),
            stepsizes=tuple(unit * part for part in self.shape),
            source=(f"{multiple:g}/U" if self.optimizer.plain else f"{multiple:g} gamma*")
            + (" by layer" if max(self.shape) > 1 else ""),
            rung=rung,
            unusual=self._unusual(rung),
        )

    def _unusual(self, rung: int) -> float:
        """Of 2^rung/U. One layer tells its stepsizes apart by their losses from the start."""
        if self.usual is None:
            return _UNUSUAL_ELSEWHERE * abs(rung) + (_ON_THE_EDGE if rung >= max(self.rungs) else 0.0)
        usual = math.log2(self.known.smoothness * self.usual / _mean(self.shape))
        return _UNUSUAL * abs(rung - usual) if len(self.shape) > 1 else 0.0

    def variants(self, leader: Candidate) -> list[Candidate]:
        """The leader with another decay, batch size or keep probability, one at a time."""
        return [*self._decays(leader), *self._batches(leader), *self._keep_probs(leader)]

    def _decays(self, leader: Candidate) -> list[Candidate]:
        others = [schedule.decay for schedule in self.space.schedules if schedule.decay != leader.decay]
        free = self.space.stepsize is None
        return [
            replace(
                leader,
                decay=decay,
                stepsizes=tuple(
                    gamma * (ANCHOR ** (decay - leader.decay) if free else 1.0) for gamma in leader.stepsizes
                ),
                source=f"{leader.source}, decay {decay:g}",
                rung=None,
            )
            for decay in _spread(others)
        ]

    def _batches(self, leader: Candidate) -> list[Candidate]:
        """Other batch sizes at an equal number of samples, rounded down, within the limits."""
        candidates = []
        for batch in _spread(self._batch_choices(leader.batch_size)):
            iterations = leader.samples // batch
            if (
                self.space.fixed_iterations
                or iterations < max(1, self.space.iterations[0])
                or not self._allowed(batch, iterations)
            ):
                continue
            change = 1.0
            if self.space.stepsize is None:
                change = self._advised(batch, iterations) / self._advised(
                    leader.batch_size, leader.iterations
                )
            candidates.append(
                replace(
                    leader,
                    batch_size=batch,
                    iterations=iterations,
                    stepsizes=tuple(gamma * change for gamma in leader.stepsizes),
                    source=f"{leader.source}, batch size {batch}",
                    rung=None,
                )
            )
        return candidates

    def _allowed(self, batch: int, iterations: int) -> bool:
        least, most = self.space.iterations
        one = np.ones(())
        limits = [limit.most_iterations(np.asarray(float(batch)), one) for limit in self.space.limits]
        return least <= iterations <= most and all(iterations <= limit for limit in limits)

    def _batch_choices(self, own: int) -> list[int]:
        sizes = self.space.batch_sizes
        if self.space.batch_range:
            low, high = sizes[0], sizes[-1]
            sizes = tuple(sorted({low, high, *(size for size in (own // 4, own * 4) if low < size < high)}))
        return [size for size in sizes if size != own]

    def _advised(self, batch: int, iterations: int) -> float:
        if self.optimizer.scale_free:
            # The square root of the batch size: Malladi, Lyu, Panigrahi and Arora, On the SDEs and scaling
            # rules for adaptive gradient algorithms (2022).
            return math.sqrt(batch)
        return float(
            loss_stepsize(
                self.known,
                batch_size=np.asarray(float(batch)),
                iterations=np.asarray(float(iterations)),
                decay=self.decay,
            )
        )

    def _keep_probs(self, leader: Candidate) -> list[Candidate]:
        choices = set[float]()
        for low, high in self.space.keep_probs:
            choices |= {low, (low + high) / 2, high}
        return [
            replace(leader, keep_prob=keep, source=f"{leader.source}, keep probability {keep:g}", rung=None)
            for keep in _spread(sorted(choices - {leader.keep_prob}))
        ]


def _spread(choices: Sequence[_Choice]) -> list[_Choice]:
    """At most three of them, evenly spaced, both ends included."""
    if len(choices) <= _MOST_VARIANTS:
        return list(choices)
    places = np.linspace(0, len(choices) - 1, _MOST_VARIANTS).round().astype(int)
    return [choices[place] for place in places]
