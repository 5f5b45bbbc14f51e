"""What a loss with its output units has to say of itself."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeAlias

from rsgadvise.theory.descent import FloatArray, Numeric
from rsgadvise.theory.units.unit import Array, Matrix

Turn: TypeAlias = Callable[[Matrix], Matrix]


class Head(ABC):
    """The loss l(a, y) of what enters the output units, a, and of targets y in [0, 1].

    Attributes:
        name: as in sentences: "squared error of sigmoid outputs".
        bend: c_2, the largest eigenvalue of d^2 l/da^2 at most, rounded up.
        classes: whether outputs share 1 among classes, so that what is said here holds where the targets of a
            row sum to 1 at most; others are refused, and a single output, and an autoencoder.
        sklearn: the output activation with which an MLP of scikit-learn has this loss, but for a factor:
            identity, logistic (of one output) or softmax; "" where none has.
        shares: whether predictions are probabilities of the classes.
        half: what `forward` makes of a single output that says neither of two classes.
        numpy_output: body of a function of s, what enters the output units, that returns predictions p.
        numpy_loss, numpy_slope: expressions of p and y, for l of each row and for dl/ds, a product.
        torch_module, torch_function: the output units, nn.Identity where the loss takes s itself.
        torch_loss: expression of `output` and `target` for the mean over rows.
        torch_predict: expression that makes predictions of `output`.
        keras_activation: of the last layer; keras_loss: expression of `y` and `output`, one number a row.
        keras_predict: expression that makes predictions of `output`, both arrays of numpy.
    """

    name: ClassVar[str]
    bend: ClassVar[float]
    classes: ClassVar[bool] = False
    sklearn: ClassVar[str] = ""
    shares: ClassVar[bool] = False
    half: ClassVar[float] = 0.5
    numpy_output: ClassVar[str]
    numpy_loss: ClassVar[str]
    numpy_slope: ClassVar[str]
    torch_module: ClassVar[str]
    torch_function: ClassVar[str]
    torch_loss: ClassVar[str]
    torch_predict: ClassVar[str] = "output"
    keras_activation: ClassVar[str]
    keras_loss: ClassVar[str]
    keras_predict: ClassVar[str] = "output"

    @abstractmethod
    def squared_slope(self, outputs: Numeric, reach: Numeric) -> FloatArray:
        """C_1^2, no less than ||dl/da||^2 of any row, where ||a|| <= reach; ||y||^2 is at most `outputs`."""

    @abstractmethod
    def largest_loss(self, outputs: Numeric, reach: Numeric = math.inf) -> FloatArray:
        """No less than l of any row, where ||a|| <= reach."""

    @abstractmethod
    def constant_loss(self, targets: Matrix) -> float:
        """Mean over the rows of l of the best prediction that ignores the inputs, or the least above it."""

    @abstractmethod
    def forward(self, values: Array) -> None:
        """Predictions in place of a, or what grows with them."""

    @abstractmethod
    def losses(self, outputs: Array, targets: Array, differences: Array) -> Array:
        """l of each row, from what `forward` made and its differences from the targets."""

    @abstractmethod
    def backward(self, errors: Array, outputs: Array, targets: Array, scale: float) -> None:
        """`scale` times dl/da in place of the differences; what `forward` made is used up."""

    @abstractmethod
    def curvature(self, values: Matrix, targets: Matrix) -> tuple[Matrix, Matrix, Turn]:
        """(l of each row, dl/da, and the map of a direction v, (rows, d), to (d^2 l/da^2) v)."""
