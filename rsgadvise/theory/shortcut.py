"""The fewest iterations in closed form, as a function of the batch size."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from rsgadvise.records import dataclass

if TYPE_CHECKING:
    from rsgadvise.theory.descent import FloatArray
    from rsgadvise.theory.objective import DescentObjective, Range

_SHARE = 1 - np.sqrt(0.5)  # sqrt(sigma^2/(B q)) at which certified plans take the fewest samples


class Shortcut(Protocol):
    """The fewest iterations of one objective, and how they change with the batch size."""

    fewest_whole: ClassVar[float]
    """Iterations from which on `batch_for` is close to the smallest batch."""

    def fewest_samples(self) -> tuple[FloatArray, FloatArray]:
        """(B, N) for a target of 1; both go with one over the target."""

    def at(self, target: FloatArray, batch: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(N, d log N / d log B)."""

    def batch_for(
        self, whole: FloatArray, iterations: FloatArray, batch: FloatArray, elasticity: FloatArray
    ) -> FloatArray:
        """A batch that needs at most `whole` iterations, where `batch` needs `iterations`; inf if none."""

    def iterations_for(
        self, whole: FloatArray, iterations: FloatArray, batch: FloatArray, elasticity: FloatArray
    ) -> FloatArray:
        """Iterations that do for a batch of `whole`, where `batch` needs `iterations`; inf if none."""


@dataclass(frozen=True, slots=True)
class CertifiedShortcut:
    """N = 2 D_f U (1 - x)^2 / (q (1 - 2x)^2) with x = sqrt(sigma^2/(B q)), as in `descent`."""

    total: DescentObjective
    keep_range: Range
    fewest_whole: ClassVar[float] = 1.0

    def fewest_samples(self) -> tuple[FloatArray, FloatArray]:
        total, zeta = self.total, np.asarray(self.keep_range[0])
        ratio = ((1 - _SHARE) / (1 - 2 * _SHARE)) ** 2
        return (
            np.asarray(total.variance(zeta) / _SHARE**2),
            np.asarray(2 * total.initial_loss * total.smoothness(zeta) * ratio),
        )

    def at(self, target: FloatArray, batch: FloatArray) -> tuple[FloatArray, FloatArray]:
        n, _ = self.total.required_iterations(target, batch, self.keep_range)
        x = np.sqrt(self.total.variance(np.asarray(self.keep_range[0])) / (batch * target))
        reached = np.isfinite(n)
        return n, np.where(reached, -x / np.where(reached, (1 - x) * (1 - 2 * x), 1.0), np.nan)

    def batch_for(
        self, whole: FloatArray, iterations: FloatArray, batch: FloatArray, elasticity: FloatArray
    ) -> FloatArray:
        # N fixes x, and x fixes B.
        before = _noise_share(elasticity)
        ratio = (1 - before) / (1 - 2 * before) * np.sqrt(whole / iterations)
        after = (ratio - 1) / (2 * ratio - 1)
        return np.where(ratio > 1, batch * (before / np.where(ratio > 1, after, 1.0)) ** 2, np.inf)

    def iterations_for(
        self, whole: FloatArray, iterations: FloatArray, batch: FloatArray, elasticity: FloatArray
    ) -> FloatArray:
        before = _noise_share(elasticity)
        after = before * np.sqrt(batch / whole)
        inside = after < 0.5
        safe = np.where(inside, after, 0.0)
        ratio = (1 - safe) * (1 - 2 * before) / ((1 - 2 * safe) * (1 - before))
        return np.where(inside, iterations * ratio**2, np.inf)


def _noise_share(elasticity: FloatArray) -> FloatArray:
    """x of certified plans: the smaller root of x / ((1 - x)(1 - 2x)) = -d log N / d log B."""
    e = -elasticity
    return np.asarray(2 * e / (1 + 3 * e + np.sqrt((1 + 3 * e) ** 2 - 8 * e * e)))
