"""AdamW: Adam, and a decay of the weights that does not pass through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

from rsgadvise.records import dataclass
from rsgadvise.theory.optimizers.adam import MEANS, RATIO, Adam

if TYPE_CHECKING:
    from rsgadvise.theory.optimizers.optimizer import Array


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam's u of G alone, and weight_decay W beside it, as in torch.optim.AdamW.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization (2019).
    """

    weight_decay: float = 0.01

    title: ClassVar[str] = "AdamW"
    torch: ClassVar[str] = "AdamW"

    @property
    def code(self) -> str:
        """Statements on one gradient; without a term for a decay of 0."""
        beside = " + WEIGHT_DECAY * w" if self.weight_decay else ""
        return "\n".join([*MEANS, f"u = {RATIO}{beside}"])

    def turn(self, gradient: Array, weights: Array, memory: Sequence[Array], iteration: int) -> None:
        """Weights that decay join u."""
        self._divided(gradient, memory, iteration)
        if self.weight_decay:
            gradient += self.weight_decay * weights

    def rescaled(self, keep: float) -> tuple[float, Self]:
        """As Adam's, but that the weights do not join the gradient."""
        factor, other = super().rescaled(keep)
        return factor, replace(other, weight_decay=self.weight_decay / keep)


OPTIMIZER = AdamW
