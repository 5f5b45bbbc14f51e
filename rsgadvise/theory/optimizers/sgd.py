"""Mini-batch SGD: u = G, and a decay of the weights where one is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from rsgadvise.records import dataclass
from rsgadvise.theory.optimizers.optimizer import Decaying, Setting

if TYPE_CHECKING:
    from rsgadvise.theory.optimizers.optimizer import Array


@dataclass(frozen=True)
class Sgd(Decaying):
    """W <- P(W - gamma (G + weight_decay W)), without the decay Algorithms 1 to 3 of the paper."""

    weight_decay: float = 0.0

    ranges: ClassVar[Mapping[str, Setting]] = {"weight_decay": Setting()}
    keras_differs: ClassVar[str] = "when weights decay"
    torch_arguments: ClassVar[str] = "weight_decay=WEIGHT_DECAY"
    title: ClassVar[str] = "SGD"
    plain: ClassVar[bool] = True
    torch: ClassVar[str] = "SGD"

    @property
    def code(self) -> str:
        """Statements on one gradient."""
        return f"{self.joining}u = g"

    @property
    def sklearn(self) -> Mapping[str, object]:
        """Without momentum, which it has by default."""
        return {"solver": "sgd", "momentum": 0, "nesterovs_momentum": False}

    def turn(self, gradient: Array, weights: Array, memory: Sequence[Array], iteration: int) -> None:
        """G is u already, but for weights that decay."""
        self.join(gradient, weights)


OPTIMIZER = Sgd
PLAIN = Sgd()
