"""One whole training of what won a race: how long rows that were held out gain from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rsgadvise.advise.results import Look
from rsgadvise.pilot.arena import Arena
from rsgadvise.pilot.looking import LOSS_COST
from rsgadvise.pilot.race import Candidate
from rsgadvise.pilot.tournament import losses_of, predictions
from rsgadvise.records import dataclass
from rsgadvise.training.networks import Data
from rsgadvise.training.rsg import train

_KEY = 8  # of the start and the mini-batches
_EACH = 2 ** (1 / 3)  # between lengths that are looked at
_LOOKS = 31
_ROWS = 1 << 12  # of either part, that losses are taken over
_SURE = 1.0  # standard errors that the loss at the end has to be larger by


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A whole training, looked at on its way.

    Attributes:
        looks: of increasing lengths, the last one whole.
        best: that which rows held out do best after: the last, unless it is worse by more than noise.
        work: in gradients of single examples.
    """

    looks: tuple[Look, ...]
    best: Look
    work: float

    @property
    def whole(self) -> Look:
        """At the end."""
        return self.looks[-1]

    @property
    def share(self) -> float:
        """Of the iterations, that best is."""
        return self.best.iterations / self.looks[-1].iterations


def rehearse(
    arena: Arena, candidate: Candidate, *, replicas: int = 1, fewest: int = 1, threads: int = 1
) -> Rehearsal:
    """Train from starts of its own, and find the length that rows held out do best after.

    A shorter length is best only if the mean over the rows held out of the loss at the end less the loss
    there is more than its standard error above 0, and no more of them are wrong there. Losses of
    neighbouring lengths are averaged to find it, and of the last two the better one stands for the end,
    since a constant stepsize oscillates.

    Args:
        arena: with rows held out.
        candidate: what is trained with.
        replicas: trainings side by side, whose losses are averaged.
        fewest: iterations that are not gone below.
        threads: for large networks.
    """
    held = arena.held_out
    assert held is not None
    arena = arena.keeping(candidate.keep_prob)
    n = candidate.iterations
    lengths = np.unique(np.maximum(1, np.round(n * _EACH ** -np.arange(_LOOKS)).astype(np.int64)))
    parts = [_first(arena.data), _first(held)]
    start = [
        np.concatenate(level) for level in zip(*(arena.start(_KEY + r) for r in range(replicas)), strict=True)
    ]
    streams = [arena.stream(_KEY + r, candidate.batch_size) for r in range(replicas)]
    own = np.zeros(len(lengths))
    others, wrong = np.zeros((2, len(lengths), parts[1].rows))
    shots = train(candidate.training(arena), start, streams, [lengths + 1] * replicas, threads=threads)
    for place, shot in enumerate(shots):
        each = [[matrix[r : r + 1] for matrix in shot.weights] for r in range(replicas)]
        for weights in each:
            outputs = [predictions(arena.network, weights, part.inputs) for part in parts]
            losses = [
                losses_of(arena.network, output, part.targets).astype(np.float64)
                for output, part in zip(outputs, parts, strict=True)
            ]
            own[place] += losses[0].mean() / replicas
            others[place] += losses[1] / replicas
            if arena.labelled:
                wrong[place] += arena.wrong(outputs[1], parts[1].targets) / replicas
    looks = tuple(
        Look(int(k), float(loss), float(other.mean()), float(errors.mean()) if arena.labelled else None)
        for k, loss, other, errors in zip(lengths, own, others, wrong, strict=True)
    )
    work = replicas * (n * candidate.batch_size + LOSS_COST * len(lengths) * sum(part.rows for part in parts))
    return Rehearsal(looks, looks[_best(others, wrong, lengths >= fewest)], work)


def _first(data: Data) -> Data:
    """At most `_ROWS` of them, which stand in no order."""
    return Data(data.inputs[:_ROWS], data.targets[:_ROWS])


def _best(losses: NDArray[np.float64], wrong: NDArray[np.float64], allowed: NDArray[np.bool_]) -> int:
    """Which length: the last, unless it is worse than the best by more than noise.

    Args:
        losses, wrong: (lengths, rows). allowed: lengths that may be chosen.
    """
    last = len(losses) - 1
    if last < 1 or losses.shape[1] < 2 or not np.isfinite(losses).all():
        return last
    end = last if losses[last].mean() <= losses[last - 1].mean() else last - 1
    ends = np.concatenate([losses[:1], losses, losses[-1:]]).mean(axis=1)
    smooth = (ends[:-2] + 2 * ends[1:-1] + ends[2:]) / 4
    errors = wrong.mean(axis=1)
    able = [place for place in range(end) if allowed[place] and errors[place] <= errors[end]]
    best = min(able, key=lambda place: float(smooth[place]), default=last)
    gain = losses[end] - losses[best]
    error = float(gain.std(ddof=1)) / len(gain) ** 0.5
    return best if float(gain.mean()) > _SURE * error else last
