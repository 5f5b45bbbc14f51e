"""Mini-batch SGD: u = G."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from rsgadvise.records import dataclass
from rsgadvise.theory.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from rsgadvise.theory.optimizers.optimizer import Array


@dataclass(frozen=True)
class Sgd(Optimizer):
    """W <- P(W - gamma G), Algorithms 1 to 3 of the paper."""

    title: ClassVar[str] = "SGD"
    plain: ClassVar[bool] = True
    torch: ClassVar[str] = "SGD"

    @property
    def code(self) -> str:
        """Statements on one gradient."""
        return "u = g"

    @property
    def sklearn(self) -> Mapping[str, object]:
        """Without momentum, which it has by default."""
        return {"solver": "sgd", "momentum": 0, "nesterovs_momentum": False}

    def turn(self, gradient: Array, weights: Array, memory: Sequence[Array], iteration: int) -> None:
        """G is u already."""


OPTIMIZER = Sgd
PLAIN = Sgd()
