"""What training costs, counted and not timed, so that the same advice comes from any machine."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from rsgadvise.networks import Network
from rsgadvise.pilot import DEFAULT_WORK

__all__ = ["DEFAULT_WORK", "FEWEST_SAMPLES", "Spending", "multiply_adds"]

FEWEST_SAMPLES = 20_000
"""Examples that a pilot without a size of its own may always take: a training of fewer lasts no second, and
its own length would leave nothing to measure with."""

_EACH_UNIT = 50.0  # a sigmoid and its derivative, in multiply-adds
_EACH_STEP = 4e5  # what a step of any network takes beside its products: some 40 microseconds
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
    return _PASSES * products + _EACH_UNIT * sum(network.widths) + _EACH_STEP / batch_size


@dataclass(frozen=True, slots=True)
class Spending:
    """What a pilot may cost.

    Attributes:
        trainings: at most so many.
        work: at most so many multiply-adds, whatever a training costs; None where trainings alone count.
            With it nothing is too small: a pilot does what it is enough for.
    """

    trainings: float
    work: float | None = None

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
