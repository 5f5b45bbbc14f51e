"""The heavy ball: v <- beta v + g, u = v, with g = G + weight_decay W."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from rsgadvise.records import dataclass
from rsgadvise.theory.optimizers.optimizer import Decaying, Setting

if TYPE_CHECKING:
    from rsgadvise.theory.optimizers.optimizer import Array


@dataclass(frozen=True)
class Momentum(Decaying):
    """Momentum outside the stepsize, which may change from step to step; torch.optim.SGD(momentum=beta).

    Source: B. T. Polyak, Some methods of speeding up the convergence of iteration methods (1964).
    """

    beta: float = 0.9
    weight_decay: float = 0.0

    title: ClassVar[str] = "momentum"
    ranges: ClassVar[Mapping[str, Setting]] = {"beta": Setting(below=1), "weight_decay": Setting()}
    memory: ClassVar[tuple[str, ...]] = ("v",)
    keras_differs: ClassVar[str] = "steps whose length changes"
    torch: ClassVar[str] = "SGD"
    torch_arguments: ClassVar[str] = "momentum=BETA, weight_decay=WEIGHT_DECAY"

    @property
    def words(self) -> str:
        """With its beta."""
        return super().words.replace(self.title, f"{self.title} {self.beta:g}", 1)

    @property
    def gain(self) -> float:
        """1 + beta + beta^2 + ..."""
        return 1 / (1 - self.beta)

    @property
    def code(self) -> str:
        """Statements on one gradient."""
        return f"{self.joining}v = BETA * v + g\nu = v"

    @property
    def sklearn(self) -> Mapping[str, object]:
        """Its momentum has the stepsize inside, which is the same while that is constant."""
        return {"solver": "sgd", "momentum": self.beta, "nesterovs_momentum": False}

    def turn(self, gradient: Array, weights: Array, memory: Sequence[Array], iteration: int) -> None:
        """v <- beta v + g."""
        (v,) = memory
        self.join(gradient, weights)
        v *= self.beta
        v += gradient
        gradient[...] = v


OPTIMIZER = Momentum
