"""What a unit has to say of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
Matrix: TypeAlias = NDArray[np.float64]


class Unit(ABC):
    """phi, which hidden units apply to what enters them.

    Attributes:
        name: as in sentences.
        slope, bend: sup |phi'| and sup |phi''|, rounded up; `bend` is inf where phi has a kink.
        height: sup |phi|, or inf.
        offset, growth: |phi(a)| <= offset + growth |a|.
        smoothed: of one with a kink, the unit that is it with the kink rounded off, as a spec names it.
        rounds: of such a unit, the one with the kink as in sentences; apart: sup of their difference.
        by_output: whether phi' is known from phi: `backward` is then given phi(a), else a.
        dies: whether phi' is 0 where phi is; a dropped unit then needs no mask on the way back.
        function: its name in emitted numpy; numpy: body of that function of s, which returns phi(s), phi'(s).
        torch, torch_module: the function and the module. torch_forward: where torch has none, what the module
            makes of x.
        keras: name of the activation, or code of one with a dot in it.
        sklearn: name of the activation, or "" where scikit-learn has none such.
    """

    name: ClassVar[str]
    slope: ClassVar[float]
    bend: ClassVar[float]
    height: ClassVar[float] = np.inf
    offset: ClassVar[float]
    growth: ClassVar[float]
    smoothed: ClassVar[str] = ""
    rounds: ClassVar[str] = ""
    apart: ClassVar[float] = 0.0
    by_output: ClassVar[bool] = False
    dies: ClassVar[bool] = False
    function: ClassVar[str]
    numpy: ClassVar[str]
    torch: ClassVar[str]
    torch_module: ClassVar[str]
    torch_forward: ClassVar[str] = ""
    keras: ClassVar[str]
    sklearn: ClassVar[str] = ""

    def square(self, entering: Matrix) -> Matrix:
        """T(t) >= E phi(a)^2 where E a^2 <= t: no less than phi(+-sqrt t)^2, and concave.

        Of many units together it is then the most that all have the same share: sum_j T(t_j) <= d T(t/d).
        """
        grown = (self.offset + self.growth * np.sqrt(entering)) ** 2
        return np.asarray(np.minimum(self.height**2, grown))

    @property
    def at_zero(self) -> float:
        """phi(0)."""
        return float(self.derivatives(np.zeros((1, 1)))[0].item())

    @abstractmethod
    def forward(self, values: Array) -> None:
        """phi(a) in place of a."""

    @abstractmethod
    def backward(self, errors: Array, known: Array) -> None:
        """Multiply errors by phi', in place; `known`, phi(a) or a, is used up."""

    @abstractmethod
    def derivatives(self, values: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """(phi(a), phi'(a), phi''(a))."""
