"""Who ran the last heat, run again from another start; and what a trained network says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rsgadvise.networks import Array, Network
from rsgadvise.pilot.looking import Looks
from rsgadvise.pilot.race import Runner, log_loss

__all__ = ["Finalist", "predictions"]

_WORSE = 2.0  # times a loss that the first run had earlier: a larger one does not repeat it
_SLIGHT = 0.05  # of a constant's loss: a difference below it is none


@dataclass(frozen=True, slots=True)
class Finalist:
    """A candidate that was run again from another W^1 and other mini-batches.

    Attributes:
        runner: its first run.
        looks: along its second.
        end: loss at the end of the second, in the middle of its last three looks, since a run that oscillates
            may just be up or down; at the very end without masks where candidates differ in them.
        before: (share, loss) of the first at the last heat that is no later than that; None where the two are
            of different objectives.
        constant: loss of the best constant prediction.
    """

    runner: Runner
    looks: Looks
    end: float
    before: tuple[float, float] | None
    constant: float

    @property
    def share(self) -> float:
        """Of the training."""
        return self.looks.last / self.runner.candidate.iterations

    @property
    def both(self) -> float:
        """Mean logarithm of the losses of both runs."""
        return (log_loss(self.runner) + math.log(max(self.end, 1e-300))) / 2

    @property
    def repeats(self) -> bool:
        """Whether the second run came as far as the first had come much earlier.

        Losses of one setting differ by what its seeds draw, most where they fall fast. So this asks for no
        more than about the loss of the heat before: a run that has not even come there took another way.
        """
        if self.before is None:
            return True
        _, loss = self.before
        return self.end <= max(_WORSE * loss, loss + _SLIGHT * self.constant)


def predictions(network: Network, weights: Sequence[Array], inputs: Array) -> Array:
    """Outputs of the network as it is used after training: every unit kept, its signal taken times zeta.

    Args:
        network: which.
        weights: (1, d_l, d_{l-1}) each.
        inputs: (rows, d_0).

    Example:
        >>> net = Network("multilayer", (2, 1), (1.0,), keep_prob=0.5)
        >>> predictions(net, [np.zeros((1, 1, 2))], np.ones((3, 2))).ravel().tolist()
        [0.5, 0.5, 0.5]
    """
    matrices = [matrix[0] for matrix in weights]
    if network.kind == "autoencoder":
        matrices.append(matrices[0].T)
    signal = inputs
    for level, matrix in enumerate(matrices):
        kept = network.keep_prob if level < len(network.masked_widths) else 1.0
        with np.errstate(over="ignore", invalid="ignore"):
            signal = np.asarray(1 / (1 + np.exp(-(kept * signal) @ matrix.T)))
    return signal
