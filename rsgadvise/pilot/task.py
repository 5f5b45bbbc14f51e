"""What all short runs of one pilot share: network, rows, where randomness comes from, and what work costs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.results import Counted
from rsgadvise.records import dataclass
from rsgadvise.theory.optimizers.optimizer import Optimizer
from rsgadvise.theory.optimizers.sgd import PLAIN
from rsgadvise.training.curvature import Curvature
from rsgadvise.training.networks import Array, Data, Network, Weights, initial_weights
from rsgadvise.training.rsg import Stream

# What all short runs of one pilot share: network, rows, and where randomness comes from.

FloatArray = NDArray[np.float64]

HELD_OUT = 0.2
"""Share of the rows that no run trains on, where there are enough."""

_PARTS = 16  # of the rows, which stand in no order, that tell how much a loss over some of them is chance
_FEWEST_HELD_OUT = 10  # below this no rows are held out of all runs
_FEWEST_IN_TURN = 10  # below this none are held out in turn
_START, _SPLIT = 0, 1


def flat(matrices: Sequence[Array]) -> NDArray[np.float64]:
    """Matrices as one vector."""
    return np.concatenate([np.ravel(matrix).astype(np.float64) for matrix in matrices])


def shaped(vector: NDArray[np.float64], network: Network) -> list[NDArray[np.float64]]:
    """One vector as the matrices of a network."""
    ends = np.cumsum([after * before for after, before in network.shapes])
    parts = np.split(vector, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, network.shapes, strict=True)]


def classes_of(outputs: NDArray[Any], half: float = 0.5) -> NDArray[np.intp]:
    """Which output is the largest; of a single one its side of `half`."""
    return (outputs[:, 0] > half).astype(np.intp) if outputs.shape[1] == 1 else outputs.argmax(axis=1)


class Judge(ABC):
    """Errors of predictions beside their loss, in words of the user.

    Attributes:
        counted: what is right or wrong, an error of 0 or 1; None where errors have a size.
    """

    counted: ClassVar[Counted | None]

    def told(self, errors: FloatArray) -> tuple[float | None, tuple[float, ...] | None]:
        """(share that is wrong, mean size of each error) of (rows, errors); what there is of the two."""
        if self.counted:
            return float(errors.mean()), None
        return None, tuple(errors.mean(axis=0).tolist())

    @abstractmethod
    def errors(self, outputs: Array, targets: Array) -> FloatArray:
        """Of each row, (rows, errors)."""

    @abstractmethod
    def constant(self, known: Array, targets: Array) -> FloatArray:
        """The same if one answer, that suits the `known` targets best, is given of all."""


@dataclass(frozen=True, slots=True)
class Classes(Judge):
    """One error a row: whether it is not said to be of its class.

    Attributes:
        half: see `Head`.
    """

    half: float
    counted: ClassVar[Counted] = "rows"

    def errors(self, outputs: Array, targets: Array) -> FloatArray:
        return _ones(classes_of(outputs, self.half)[:, None] != classes_of(targets)[:, None])

    def constant(self, known: Array, targets: Array) -> FloatArray:
        commonest = np.bincount(classes_of(known)).argmax()
        return _ones(classes_of(targets)[:, None] != commonest)


@dataclass(frozen=True, slots=True)
class Answers(Judge):
    """An error for each output that is 0 or 1 by itself: whether it stands on the wrong side of `half`."""

    half: float
    counted: ClassVar[Counted] = "answers"

    def errors(self, outputs: Array, targets: Array) -> FloatArray:
        return _ones((outputs > self.half) != (targets > 0.5))

    def constant(self, known: Array, targets: Array) -> FloatArray:
        return _ones((known.mean(axis=0) > 0.5) != (targets > 0.5))


@dataclass(frozen=True, slots=True)
class Values(Judge):
    """How far each value is off, in the units of the file.

    Attributes:
        decode: of `Data`.
    """

    decode: Callable[[Array], Array]
    counted: ClassVar[None] = None

    def errors(self, outputs: Array, targets: Array) -> FloatArray:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(np.abs(self.decode(outputs) - self.decode(targets)))

    def constant(self, known: Array, targets: Array) -> FloatArray:
        # Of one answer to all the median is the least far off in the mean.
        return np.asarray(np.abs(np.median(self.decode(known), axis=0) - self.decode(targets)))


def _ones(wrong: NDArray[np.bool_]) -> FloatArray:
    return wrong.astype(np.float64)


def judge_of(network: Network, data: Data) -> Judge | None:
    """What tells errors of a network by the targets of some rows; an autoencoder makes none but its loss."""
    targets, half = data.targets, network.head.half
    if network.tied:
        return None
    if ((targets == 0) | (targets == 1)).all():
        one = targets.shape[1] == 1 or (targets.sum(axis=1) == 1).all()
        return Classes(half) if one else Answers(half)
    # Outputs that are shares of classes stand for no values.
    return None if data.decode is None or network.head.shares else Values(data.decode)


@dataclass(frozen=True, slots=True)
class Task:
    """What candidates train: a network on some rows, and where their randomness comes from.

    Attributes:
        network: with the keep probability that is trained with.
        data: rows to train on.
        held_out: rows that no run trains on, or None where there are too few.
        judge: tells errors of predictions that a user can read; None where there are none.
        seed: of all randomness.
        optimizer: that is trained with.
    """

    network: Network
    data: Data
    held_out: Data | None
    judge: Judge | None
    seed: int
    optimizer: Optimizer = PLAIN

    @classmethod
    def of(
        cls, network: Network, data: Data, *, seed: int, hold_out: bool, optimizer: Optimizer = PLAIN
    ) -> Task:
        """Split the rows, a fifth held out, and keep them in single precision."""
        single = Data(data.inputs.astype(np.float32), data.targets.astype(np.float32))
        if network.tied:
            single = Data(single.inputs, single.inputs)
        aside = int(data.rows * HELD_OUT)
        whole = cls(network, single, None, judge_of(network, data), seed, optimizer)
        if not hold_out or aside < _FEWEST_HELD_OUT:
            return whole
        order = whole.rng(_SPLIT).permutation(data.rows)
        return replace(whole, data=whole.part(order[aside:]), held_out=whole.part(order[:aside]))

    @property
    def folds(self) -> tuple[Task, ...]:
        """Where whole trainings are judged: here, or of few rows where each fifth is held out in its turn."""
        if self.held_out is not None:
            return (self,)
        if self.data.rows < _FEWEST_IN_TURN:
            return ()
        order = self.rng(_SPLIT).permutation(self.data.rows)
        parts = np.array_split(order, round(1 / HELD_OUT))
        return tuple(
            replace(self, data=self.part(np.setdiff1d(order, part)), held_out=self.part(part))
            for part in parts
        )

    @property
    def constant_loss(self) -> float:
        """f of the best prediction that ignores the inputs."""
        return self.network.head.constant_loss(self.data.targets.astype(np.float64))

    def keeping(self, keep_prob: float) -> Task:
        return replace(self, network=replace(self.network, keep_prob=keep_prob))

    def chance(self, samples: float) -> float:
        """Two standard errors of that loss over so many rows drawn, as a share of it; large where few rows
        make most of it, as a rare class or an outlier does."""
        whole, rows = self.constant_loss, self.data.rows
        targets = self.data.targets.astype(np.float64)
        if not whole > 0 or rows <= _PARTS:
            return 0.0
        means = []
        for part in np.array_split(np.arange(rows), _PARTS):
            # What leaving it out takes away: the best prediction hardly moves.
            without = self.network.head.constant_loss(np.delete(targets, part, axis=0))
            means.append((rows * whole - (rows - len(part)) * without) / len(part))
        each = float(np.std(means, ddof=1)) * math.sqrt(rows / _PARTS)
        return 2 * each / math.sqrt(max(samples, 1.0)) / whole

    def part(self, rows: NDArray[np.int64]) -> Data:
        return Data(self.data.inputs[rows], self.data.targets[rows])

    def rng(self, *key: int) -> np.random.Generator:
        """A generator of one purpose's own."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(2, *key)))

    def stream(self, *key: int) -> Stream:
        """The randomness of one run; runs with the same key see the same mini-batches."""
        return Stream(self.seed, (3, *key))

    def start(self, key: int) -> Weights:
        """W^1: 0 is that of the race, others are drawn afresh."""
        return initial_weights(self.network, self.rng(_START, key))

    def sample(self, rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Indices of rows without repetition, at most so many."""
        return rng.permutation(self.data.rows)[:rows]

    def curvature(
        self, weights: Sequence[Array], rows: NDArray[np.int64], rng: np.random.Generator
    ) -> Curvature:
        """Loss, gradient and Hessian of some rows at (1, d_l, d_{l-1}) weights, one mask for each row."""
        masks = [
            (rng.random((len(rows), width)) < self.network.keep_prob).astype(np.float64)
            for width in self.network.masked_widths
        ]
        return Curvature(self.network, self.part(rows), [matrix[0] for matrix in weights], masks)


# What training costs, counted and not timed, so that the same advice comes from any machine.

FEWEST_SAMPLES = 20_000
"""Examples that a pilot without a size of its own may always take: a training of fewer lasts no second, and
its own length would leave nothing to measure with."""

_EACH_UNIT = 50.0  # a sigmoid and its derivative, in multiply-adds
EACH_STEP = 4e5  # what a step of any network takes beside its products: some 40 microseconds
_PASSES = 3  # products of a weight matrix in one gradient: one forward, two backward


def multiply_adds(network: Network, batch_size: int) -> float:
    """Of one example's gradient in mini-batches of that size: 3 for each weight, and what is beside it.

    For small networks the steps themselves take longer than their products, so that without them a count
    would be no measure of time.

    Example:
        >>> round(multiply_adds(Network("multilayer", (64, 30, 10)), 16))
        36860
    """
    products = sum(before * after for before, after in pairwise(network.widths))
    return _PASSES * products + _EACH_UNIT * sum(network.widths) + EACH_STEP / batch_size


@dataclass(frozen=True, slots=True)
class Spending:
    """What a pilot may cost.

    Attributes:
        trainings: at most so many.
        work: at most so many multiply-adds, whatever a training costs; None where trainings alone count.
            With it nothing is too small: a pilot does what it is enough for.
        rehearsal: multiply-adds that whole trainings of the winner may take on top; 0 for none.
        single: whether it is to be trained with one constant stepsize, as by a library that has no other.
        cooldown: share of these trainings, the last one, over which the stepsize falls to 0.
    """

    trainings: float
    work: float | None = None
    rehearsal: float = 0.0
    single: bool = False
    cooldown: float = 0.0

    @property
    def lenient(self) -> bool:
        """Whether a pilot that is too small for a race goes on without one."""
        return self.work is not None

    def samples(self, network: Network, *, batch_size: int, training: float) -> float:
        """Gradients of single examples that it may take.

        Args:
            network, batch_size: what is trained.
            training: samples of one training.
        """
        if self.work is None:
            return self.trainings * training
        return min(
            self.work / multiply_adds(network, batch_size), self.trainings * max(training, FEWEST_SAMPLES)
        )
