"""Nesterov's momentum: v <- beta v + g, u = g + beta v, with g = G + weight_decay W."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from rsgadvise.records import dataclass
from rsgadvise.theory.optimizers.momentum import Momentum
from rsgadvise.theory.optimizers.optimizer import Setting

if TYPE_CHECKING:
    from rsgadvise.theory.optimizers.optimizer import Array


@dataclass(frozen=True)
class Nesterov(Momentum):
    """As torch.optim.SGD(momentum=beta, nesterov=True) has it.

    Source: Sutskever, Martens, Dahl and Hinton, On the importance of initialization and momentum in deep
    learning (2013), with the weights taken where the gradient is.
    """

    title: ClassVar[str] = "Nesterov's momentum"
    ranges: ClassVar[Mapping[str, Setting]] = {**Momentum.ranges, "beta": Setting(above=True, below=1)}
    torch_arguments: ClassVar[str] = f"{Momentum.torch_arguments}, nesterov=True"

    @property
    def growth(self) -> float:
        """From (1 + beta) G at first."""
        return self.gain / (1 + self.beta)

    @property
    def code(self) -> str:
        """Statements on one gradient."""
        return f"{self.joining}v = BETA * v + g\nu = g + BETA * v"

    @property
    def sklearn(self) -> Mapping[str, object]:
        """Its momentum has the stepsize inside, which is the same while that is constant."""
        return {"solver": "sgd", "momentum": self.beta, "nesterovs_momentum": True}

    def turn(self, gradient: Array, weights: Array, memory: Sequence[Array], iteration: int) -> None:
        """v <- beta v + g, and a step of it ahead."""
        (v,) = memory
        self.join(gradient, weights)
        v *= self.beta
        v += gradient
        gradient += self.beta * v


OPTIMIZER = Nesterov
