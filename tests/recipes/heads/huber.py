"""sum_j sqrt(1 + (y_j - sigma(a_j))^2) - 1: a loss in a file of its own."""

import math

import numpy as np

from rsgadvise.theory.descent import FloatArray, Numeric
from rsgadvise.theory.heads.head import Head, Turn
from rsgadvise.theory.units import SIGMOID, unit_of
from rsgadvise.theory.units.unit import Array, Matrix

_UNIT = unit_of(SIGMOID)


class Huber(Head):
    """With d = sigma(a) - y: l' = d / sqrt(1 + d^2) sigma', below 1/8."""

    name = "pseudo-Huber loss of sigmoid outputs"
    bend = 0.131  # 1/16 + sup |sigma''| / sqrt 2
    numpy_output = "return 0.5 * (1 + np.tanh(0.5 * s))"
    numpy_loss = "(np.sqrt(1 + (p - y) ** 2) - 1).sum(axis=1)"
    numpy_slope = "(p - y) / np.sqrt(1 + (p - y) ** 2) * p * (1 - p)"
    torch_module, torch_function = "nn.Sigmoid", "torch.sigmoid"
    torch_loss = "((1 + (output - target).square()).sqrt() - 1).sum(dim=1).mean()"
    keras_activation = "sigmoid"
    keras_loss = "keras.ops.sum(keras.ops.sqrt(1 + keras.ops.square(y - output)) - 1, axis=-1)"

    def squared_slope(self, outputs: Numeric, reach: Numeric) -> FloatArray:
        return np.asarray(np.asarray(outputs, dtype=np.float64) / 64)

    def largest_loss(self, outputs: Numeric, reach: Numeric = math.inf) -> FloatArray:
        return np.asarray(outputs, dtype=np.float64) * (math.sqrt(2) - 1)

    def constant_loss(self, targets: Matrix) -> float:
        shares = np.linspace(0, 1, 1001)[:, None, None]
        return float((np.sqrt(1 + (shares - targets) ** 2) - 1).mean(axis=1).min(axis=0).sum())

    def forward(self, values: Array) -> None:
        _UNIT.forward(values)

    def losses(self, outputs: Array, targets: Array, differences: Array) -> Array:
        return np.asarray((np.sqrt(1 + differences**2) - 1).sum(axis=-1))

    def backward(self, errors: Array, outputs: Array, targets: Array, scale: float) -> None:
        errors *= scale / np.sqrt(1 + errors**2)
        _UNIT.backward(errors, outputs)

    def curvature(self, values: Matrix, targets: Matrix) -> tuple[Matrix, Matrix, Turn]:
        output, slope, bend = _UNIT.derivatives(values)
        difference = output - targets
        root = np.sqrt(1 + difference**2)
        second = slope**2 / root**3 + difference / root * bend
        return (root - 1).sum(axis=1), difference / root * slope, lambda v: second * v


HEAD = Huber()
