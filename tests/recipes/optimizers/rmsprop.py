"""RMSprop: u = g / (sqrt(v) + eps), v a mean of squared gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

from rsgadvise.records import dataclass
from rsgadvise.theory.optimizers.optimizer import Optimizer, Setting

if TYPE_CHECKING:
    from rsgadvise.theory.optimizers.optimizer import Array


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """v <- alpha v + (1 - alpha) G^2; torch.optim.RMSprop."""

    alpha: float = 0.99
    eps: float = 1e-8

    title: ClassVar[str] = "RMSprop"
    ranges: ClassVar[Mapping[str, Setting]] = {"alpha": Setting(below=1), "eps": Setting(least=1e-30)}
    memory: ClassVar[tuple[str, ...]] = ("v",)
    scale_free: ClassVar[bool] = True
    keras_differs: ClassVar[str] = "where EPS is added"
    torch: ClassVar[str] = "RMSprop"
    torch_arguments: ClassVar[str] = "alpha=ALPHA, eps=EPS"

    @property
    def code(self) -> str:
        """Statements on one gradient."""
        return "v = ALPHA * v + (1 - ALPHA) * g**2\nu = g / (v**0.5 + EPS)"

    @property
    def sklearn(self) -> Mapping[str, object]:
        """Adam without a mean of the gradients is the nearest."""
        return {"solver": "adam", "beta_1": 0.0, "beta_2": self.alpha, "epsilon": self.eps}

    def turn(self, gradient: Array, weights: Array, memory: Sequence[Array], iteration: int) -> None:
        """Over the root of the mean of its squares."""
        (v,) = memory
        v *= self.alpha
        v += (1 - self.alpha) * gradient**2
        gradient /= v**0.5 + self.eps

    def rescaled(self, keep: float) -> tuple[float, Self]:
        """u is the same for any length of the gradient but for eps."""
        return keep, replace(self, eps=self.eps / keep)


OPTIMIZER = RMSprop
