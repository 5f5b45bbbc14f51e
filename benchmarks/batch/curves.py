"""Iterations to a target loss by batch size, each at the best stepsize of a grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.batch.settings import BATCH_SIZE, ITERATIONS, Setting
from rsgadvise.training.networks import Data, Kernel, Weights, initial_weights, one_thread
from rsgadvise.training.rsg import Pace, Stream, Training, train

FloatArray = NDArray[np.float64]

SEEDS = 2
SIZES = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
GRID = range(-12, 9)
"""Powers of two: the stepsizes."""
LONGEST = 2.0
"""Times the iterations of the best stepsize: where the others are given up."""
_START = {True: (-8, -3), False: (-3, 5)}  # where the grid begins, for optimisers that know no lengths or do
_JUDGED = 512  # rows
_GROWTH = 1.06  # from a look to the next
_MEDIAN_OF = 3  # looks: a loss counts once the middle one of these is there
_MOST = 16.0  # times the planned iterations


@dataclass(slots=True)
class Curves:
    """What was trained.

    Attributes:
        target: the loss to reach.
        steps: for each batch size the iterations that each exponent of the grid took; inf where it was given
            up.
    """

    target: float
    steps: dict[int, dict[int, float]] = field(default_factory=dict)

    def best(self, size: int) -> tuple[int, float]:
        """(exponent, iterations) of the fastest."""
        return min(self.steps[size].items(), key=lambda pair: pair[1])

    def slower(self, size: int, stepsize: float) -> float:
        """Iterations at any stepsize over those of the fastest, between those of the grid by logarithms; what
        was given up counts as `LONGEST`, and so does what lies beyond."""
        _, fastest = self.best(size)
        known = {
            place: math.log(min(LONGEST, steps / fastest))
            for place, steps in sorted(self.steps[size].items())
        }
        ends = {min(known) - 1: math.log(LONGEST), max(known) + 1: math.log(LONGEST)}
        places = sorted(known | ends)
        logs = [(known | ends)[place] for place in places]
        return math.exp(float(np.interp(math.log2(stepsize), places, logs)))


def looks(most: int) -> list[int]:
    """Updates after which the loss is looked at."""
    found, at = [5], 5.0
    while found[-1] < most:
        at *= _GROWTH
        if round(at) > found[-1]:
            found.append(round(at))
    return found


def judged_rows(data: Data) -> Data:
    """The rows whose loss counts."""
    chosen = np.random.default_rng(5).permutation(data.rows)[:_JUDGED]
    return Data(data.inputs[chosen], data.targets[chosen])


class _Runs:
    """Trainings of one batch size, a replica for each pair of a stepsize and a seed."""

    def __init__(self, setting: Setting, size: int, exponents: Sequence[int], at: Sequence[int]) -> None:
        network, data = setting.network, judged_rows(setting.data)
        self.exponents, self.at = list(exponents), list(at)
        replicas = len(exponents) * SEEDS
        starts = [initial_weights(network, np.random.default_rng([seed, 1])) for seed in range(SEEDS)]
        start: Weights = [
            np.concatenate(level * len(exponents)) for level in map(list, zip(*starts, strict=True))
        ]
        gammas = np.repeat([2.0**each for each in exponents], SEEDS)
        pace = Pace(np.repeat(gammas[:, None], len(network.shapes), axis=1), np.zeros(replicas))
        streams = [Stream(seed, (size,)) for _ in exponents for seed in range(SEEDS)]
        stops = [np.array([each + 1 for each in at])] * replicas
        training = Training(
            network, setting.data, (1.0,) * len(network.shapes), size, optimizer=setting.optimizer
        )
        self.shots = train(training, start, streams, stops, pace=pace)
        self.kernel = Kernel(
            network, replicas=replicas, rows=data.rows, dtype=np.dtype(np.float32), shared=True
        )
        self.kernel.targets[0] = data.targets
        self.inputs = data.inputs

    def losses(self) -> Iterator[tuple[int, FloatArray]]:
        """(updates so far, (exponents, seeds) losses) at each look."""
        for at, shot in zip(self.at, self.shots, strict=True):
            order = np.argsort(shot.replicas)
            self.kernel.inputs[0] = self.inputs
            with np.errstate(over="ignore", invalid="ignore"):
                found = self.kernel.loss([m[order] for m in shot.weights], scale=1 / len(self.inputs))
            found = np.nan_to_num(found.astype(np.float64), nan=np.inf)
            yield at, np.asarray(found.reshape(len(self.exponents), SEEDS))


def _crossings(
    setting: Setting, size: int, exponents: Sequence[int], target: float, most: float
) -> dict[int, float]:
    """Iterations until the target of each exponent, the geometric mean of the seeds; inf where given up."""
    if not exponents:
        return {}
    runs = _Runs(setting, size, exponents, looks(math.ceil(most)))
    before: list[tuple[int, FloatArray]] = []
    reached = np.full((len(exponents), SEEDS), np.inf)
    smooth_before: tuple[int, FloatArray] | None = None
    for at, losses in runs.losses():
        before = [*before, (at, losses)][-_MEDIAN_OF:]
        smooth = np.median([each for _, each in before], axis=0)
        new = (smooth <= target) & np.isinf(reached)
        if smooth_before is None:
            reached[new] = at
        elif new.any():
            earlier, old = smooth_before
            with np.errstate(divide="ignore", invalid="ignore"):
                share = (np.log(old) - math.log(target)) / (np.log(old) - np.log(smooth))
            place = earlier * (at / earlier) ** np.clip(np.nan_to_num(share, nan=1.0), 0.0, 1.0)
            reached[new] = place[new]
        smooth_before = at, smooth
        means = np.exp(np.log(reached).mean(axis=1))
        if at > LONGEST * means.min() or np.isfinite(means).all():
            break
    return {each: float(mean) for each, mean in zip(exponents, means, strict=True)}


def _planned(setting: Setting) -> tuple[float, int]:
    """(target, best exponent): the lowest loss that the planned training ends with."""
    low, high = _START[setting.optimizer.scale_free]
    losses: dict[int, float] = {}
    wanted = list(range(low, high + 1))
    at = [each for each in looks(ITERATIONS) if each < ITERATIONS] + [ITERATIONS]
    while wanted:
        found = [loss for _, loss in _Runs(setting, BATCH_SIZE, wanted, at).losses()][-_MEDIAN_OF:]
        ends = np.exp(np.log(np.median(found, axis=0)).mean(axis=1))
        losses |= dict(zip(wanted, map(float, ends), strict=True))
        best = min(losses, key=lambda each: losses[each])
        wanted = [
            each for each in (best - 2, best - 1, best + 1, best + 2) if each in GRID and each not in losses
        ]
    return losses[best], best


def measure(setting: Setting) -> Curves:
    """Train at every batch size up to the rows."""
    with one_thread():
        target, best = _planned(setting)
        curves = Curves(target)
        sizes = [size for size in SIZES if size <= setting.data.rows]
        smaller = [size for size in sizes if size <= BATCH_SIZE]
        for order in (smaller[::-1], [size for size in sizes if size > BATCH_SIZE]):
            if not order:
                continue
            near, fastest = best, float(ITERATIONS)
            if order[0] != BATCH_SIZE:
                near, fastest = curves.best(BATCH_SIZE)
            for size in order:
                most = min(_MOST * ITERATIONS, max(4.5 * fastest, 100.0))
                found: dict[int, float] = {}
                wanted = [near + by for by in (-2, -1, 0, 1, 2) if near + by in GRID]
                while wanted:
                    found |= _crossings(setting, size, wanted, target, most)
                    top, fastest = min(found.items(), key=lambda pair: pair[1])
                    if not math.isfinite(fastest):
                        break
                    most = LONGEST * fastest
                    wanted = [e for e in (top - 1, top + 1, top + 2) if e in GRID and e not in found]
                if not math.isfinite(fastest):
                    break
                curves.steps[size] = found
                near = top
    return curves


@dataclass(frozen=True, slots=True)
class Fit:
    """S(B) = fewest (1 + critical / B), by least squares of logarithms."""

    fewest: float
    critical: float
    r2: float


def fitted(curves: Curves) -> Fit:
    """The hyperbola through the best of each batch size."""
    sizes = np.array(sorted(curves.steps), np.float64)
    steps = np.log([curves.best(int(size))[1] for size in sizes])
    found = []
    for critical in np.geomspace(0.25, 2**17, 1200):
        shape = np.log1p(critical / sizes)
        rest = steps - shape
        found.append((float(np.sum((rest - rest.mean()) ** 2)), float(critical), float(np.exp(rest.mean()))))
    error, critical, fewest = min(found)
    spread = float(np.sum((steps - steps.mean()) ** 2))
    return Fit(fewest, critical, 1 - error / spread if spread > 0 else 0.0)
