"""||y - sigma(a)||^2, the loss of the paper."""

from __future__ import annotations

import math

import numpy as np

from rsgadvise.theory.descent import FloatArray, Numeric
from rsgadvise.theory.heads.head import Head, Turn
from rsgadvise.theory.units import SIGMOID, unit_of
from rsgadvise.theory.units.unit import Array, Matrix

SLOPE = math.nextafter(8 / 27, 1)
"""Largest |d/ds (y - sigma(s))^2| over y in [0, 1]: 2 p^2 (1 - p) at p = 2/3, so 8/27, rounded up."""

CURVATURE = 0.15405857012135054
"""Largest second derivative of s -> (y - sigma(s))^2: 2 p^2 (1-p)(2-3p) at p = (15 - sqrt 33)/24,
rounded up."""

_UNIT = unit_of(SIGMOID)


class Squared(Head):
    """Squared error of sigmoid outputs, summed over them; every term is at most 1."""

    name = "squared error of sigmoid outputs"
    bend = CURVATURE
    numpy_output = "return 0.5 * (1 + np.tanh(0.5 * s))  # 1 / (1 + exp(-s))"
    numpy_loss = "((p - y) ** 2).sum(axis=1)"
    numpy_slope = "2 * (p - y) * p * (1 - p)"
    torch_module, torch_function = "nn.Sigmoid", "torch.sigmoid"
    torch_loss = "(output - target).square().sum(dim=1).mean()"
    keras_activation = "sigmoid"
    keras_loss = "keras.ops.sum(keras.ops.square(y - output), axis=-1)"

    def squared_slope(self, outputs: Numeric, reach: Numeric) -> FloatArray:
        return np.asarray(SLOPE**2 * np.asarray(outputs, dtype=np.float64))

    def largest_loss(self, outputs: Numeric, reach: Numeric = math.inf) -> FloatArray:
        return np.asarray(outputs, dtype=np.float64)

    def constant_loss(self, targets: Matrix) -> float:
        return float(targets.var(axis=0).sum())

    def forward(self, values: Array) -> None:
        _UNIT.forward(values)

    def losses(self, outputs: Array, targets: Array, differences: Array) -> Array:
        return np.asarray(np.einsum("mbi,mbi->mb", differences, differences))

    def backward(self, errors: Array, outputs: Array, targets: Array, scale: float) -> None:
        _UNIT.backward(errors, outputs)
        errors *= 2 * scale

    def curvature(self, values: Matrix, targets: Matrix) -> tuple[Matrix, Matrix, Turn]:
        output, slope, bend = _UNIT.derivatives(values)
        difference = output - targets
        pull = 2 * difference
        losses = np.einsum("ij,ij->i", difference, difference)
        return losses, pull * slope, lambda v: 2 * (v * slope) * slope + pull * bend * v


HEAD = Squared()
