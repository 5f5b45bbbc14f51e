"""Adam: u = m / (sqrt(v) + eps), of means of the gradients and of their squares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

from rsgadvise.records import dataclass
from rsgadvise.theory.optimizers.optimizer import Optimizer, Setting

if TYPE_CHECKING:
    from rsgadvise.theory.optimizers.optimizer import Array

MEANS = (
    "m = BETAS[0] * m + (1 - BETAS[0]) * g",
    "v = BETAS[1] * v + (1 - BETAS[1]) * g**2",
)
RATIO = "m / (1 - BETAS[0] ** k) / ((v / (1 - BETAS[1] ** k)) ** 0.5 + EPS)"


@dataclass(frozen=True)
class Adam(Optimizer):
    """m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, u = m / (1 - b1^k) / (sqrt(v / (1 - b2^k)) + eps).

    g = G + weight_decay W, as in torch.optim.Adam.

    Source: Kingma and Ba, Adam: a method for stochastic optimization (2015), Algorithm 1.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0

    title: ClassVar[str] = "Adam"
    ranges: ClassVar[Mapping[str, Setting]] = {
        "betas": Setting(below=1, many=2),
        "eps": Setting(least=1e-30),
        "weight_decay": Setting(),
    }
    memory: ClassVar[tuple[str, ...]] = ("m", "v")
    scale_free: ClassVar[bool] = True
    keras_differs: ClassVar[str] = "where EPS is added"
    torch: ClassVar[str] = "Adam"
    torch_arguments: ClassVar[str] = "betas=BETAS, eps=EPS, weight_decay=WEIGHT_DECAY"

    @property
    def words(self) -> str:
        """With the settings that are not torch's usual ones, and any decay of the weights."""
        first, second = self.betas
        own = [f"betas {first:g} and {second:g}"] if self.betas != (0.9, 0.999) else []
        own += [f"eps {self.eps:g}"] if self.eps != 1e-8 else []
        own += [f"weight decay {self.weight_decay:g}"] if self.weight_decay else []
        return f"{self.title} with {', '.join(own)}" if own else self.title

    @property
    def code(self) -> str:
        """Statements on one gradient; without a line for a decay of 0."""
        return "\n".join(
            [*(["g = g + WEIGHT_DECAY * w"] if self.weight_decay else []), *MEANS, f"u = {RATIO}"]
        )

    @property
    def sklearn_lacks(self) -> str:
        """Its alpha is divided by the rows, and a term of the loss that it shows."""
        return "weight decay" if self.weight_decay else ""

    @property
    def sklearn(self) -> Mapping[str, object]:
        """Its eps is added before the bias of v is corrected."""
        first, second = self.betas
        return {"solver": "adam", "beta_1": first, "beta_2": second, "epsilon": self.eps}

    def turn(self, gradient: Array, weights: Array, memory: Sequence[Array], iteration: int) -> None:
        """Weights that decay join the gradient."""
        if self.weight_decay:
            gradient += self.weight_decay * weights
        self._divided(gradient, memory, iteration)

    def _divided(self, gradient: Array, memory: Sequence[Array], iteration: int) -> None:
        """The memory holds sums, m / (1 - b1) and v / (1 - b2), which needs no arrays beside it."""
        (first, second), (m, v) = self.betas, memory
        m *= first
        m += gradient
        v *= second
        gradient *= gradient
        v += gradient
        gradient[...] = v
        gradient *= (1 - second) / (1 - second**iteration)
        gradient **= 0.5
        gradient += self.eps
        gradient **= -1
        gradient *= m
        gradient *= (1 - first) / (1 - first**iteration)

    def rescaled(self, keep: float) -> tuple[float, Self]:
        """u is the same for any length of the gradient but for eps, and for the weights that join it."""
        return keep, replace(self, eps=self.eps / keep, weight_decay=self.weight_decay / keep**2)


OPTIMIZER = Adam
