"""||y - a||^2: the squared error of linear outputs, as regression has it."""

from __future__ import annotations

import math

import numpy as np

from rsgadvise.theory.descent import FloatArray, Numeric
from rsgadvise.theory.heads.head import Head, Turn
from rsgadvise.theory.units.unit import Array, Matrix

_UP = 1 + 1e-14  # more than a root and a square are rounded by


class SquaredLinear(Head):
    """dl/da = 2 (a - y), at most 2 (||a|| + sqrt d) for targets in [0, 1], and d^2 l/da^2 = 2.

    So the slope has a bound where ||a|| has one: with weights in a box and no input of any length.
    """

    name = "squared error of linear outputs"
    bend = 2.0
    sklearn = "identity"
    numpy_output = "return s"
    numpy_loss = "((p - y) ** 2).sum(axis=1)"
    numpy_slope = "2 * (p - y)"
    torch_module, torch_function = "nn.Identity", "nn.Identity()"
    torch_loss = "(output - target).square().sum(dim=1).mean()"
    keras_activation = "linear"
    keras_loss = "keras.ops.sum(keras.ops.square(y - output), axis=-1)"

    def squared_slope(self, outputs: Numeric, reach: Numeric) -> FloatArray:
        return np.asarray(4 * self.largest_loss(outputs, reach))

    def largest_loss(self, outputs: Numeric, reach: Numeric = math.inf) -> FloatArray:
        targets = np.sqrt(np.asarray(outputs, dtype=np.float64))
        return np.asarray(_UP * (np.asarray(reach, dtype=np.float64) + targets) ** 2)

    def constant_loss(self, targets: Matrix) -> float:
        return float(targets.var(axis=0).sum())

    def forward(self, values: Array) -> None:
        pass

    def losses(self, outputs: Array, targets: Array, differences: Array) -> Array:
        return np.asarray(np.einsum("mbi,mbi->mb", differences, differences))

    def backward(self, errors: Array, outputs: Array, targets: Array, scale: float) -> None:
        errors *= 2 * scale

    def curvature(self, values: Matrix, targets: Matrix) -> tuple[Matrix, Matrix, Turn]:
        difference = values - targets
        return np.einsum("ij,ij->i", difference, difference), 2 * difference, lambda v: 2 * v


HEAD = SquaredLinear()
