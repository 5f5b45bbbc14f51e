"""Mini-batch SGD: u = G, and a decay of the weights where one is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

from rsgadvise.records import dataclass
from rsgadvise.theory.optimizers.optimizer import Optimizer, Setting

if TYPE_CHECKING:
    from rsgadvise.theory.optimizers.optimizer import Array


@dataclass(frozen=True)
class Sgd(Optimizer):
    """W <- P(W - gamma (G + weight_decay W)), without the decay Algorithms 1 to 3 of the paper."""

    weight_decay: float = 0.0

    ranges: ClassVar[Mapping[str, Setting]] = {"weight_decay": Setting()}
    untold: ClassVar[tuple[str, ...]] = ("weight_decay",)
    keras_differs: ClassVar[str] = "when weights decay"
    torch_arguments: ClassVar[str] = "weight_decay=WEIGHT_DECAY"
    title: ClassVar[str] = "SGD"
    plain: ClassVar[bool] = True
    torch: ClassVar[str] = "SGD"

    @property
    def words(self) -> str:
        """With its decay."""
        return f"{self.title} with weight decay {self.weight_decay:g}" if self.weight_decay else self.title

    @property
    def penalty(self) -> float:
        """Its decay is the gradient of such a term."""
        return self.weight_decay

    @property
    def code(self) -> str:
        """Statements on one gradient."""
        return "u = g + WEIGHT_DECAY * w" if self.weight_decay else "u = g"

    @property
    def sklearn_lacks(self) -> str:
        """Its alpha is divided by the rows, and biases do not decay."""
        return "weight decay" if self.weight_decay else ""

    @property
    def sklearn(self) -> Mapping[str, object]:
        """Without momentum, which it has by default."""
        return {"solver": "sgd", "momentum": 0, "nesterovs_momentum": False}

    def rescaled(self, keep: float) -> tuple[float, Self]:
        """The decay of V too is to be over keep^2."""
        return keep**2, replace(self, weight_decay=self.weight_decay / keep**2)

    def turn(self, gradient: Array, weights: Array, memory: Sequence[Array], iteration: int) -> None:
        """G is u already, but for weights that decay."""
        if self.weight_decay:
            gradient += self.weight_decay * weights


OPTIMIZER = Sgd
PLAIN = Sgd()
